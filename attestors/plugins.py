"""Finding attestors: Remit's own and installed ones, all through the entry point group `remit.attestors`.

An entry point's name is the attestor's `name`. Two of one name, or two that give selectors of one type, are refused: nobody
could say whose word a selector is.
"""

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Final

from attestors.base import Attestor
from attestors.configuring import AttestorHost
from remit.errors import ConfigurationError

GROUP: Final = "remit.attestors"


def load_attestors(settings: Mapping[str, object], host: AttestorHost) -> Mapping[str, Attestor]:
    """Build every attestor that is installed.

    Args:
        settings: each attestor's part of the configuration, by its name.
        host: the issuer that they work for.

    Raises:
        ConfigurationError: a name or a selector type is there twice, a plugin does not load or is no attestor, a setting
            is wrong, or there are settings for an attestor that is not installed.
    """
    found = _by_name()
    missing = settings.keys() - found.keys()
    if missing:
        raise ConfigurationError(
            f"no attestor named {min(missing)!r} is installed", hint=f"installed: {', '.join(sorted(found))}"
        )
    kinds = {name: _load(point) for name, point in sorted(found.items())}
    _check_selector_types(kinds)
    return MappingProxyType({name: kind.from_settings(settings.get(name), host) for name, kind in kinds.items()})


def _by_name() -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            raise ConfigurationError(
                f"two attestors are named {point.name!r}: {other.value} and {point.value}", hint="uninstall one of them"
            )
    return found


def _load(point: EntryPoint) -> type[Attestor]:
    try:
        kind = point.load()
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"the attestor {point.name!r} ({point.value}) does not load: {error}") from error
    if not (isinstance(kind, type) and issubclass(kind, Attestor)):
        raise ConfigurationError(f"{point.value} is not an Attestor")
    if kind.name != point.name:
        raise ConfigurationError(f"{point.value} is named {kind.name!r}, but registered as {point.name!r}")
    return kind


def _check_selector_types(kinds: Mapping[str, type[Attestor]]) -> None:
    owners: dict[str, str] = {}
    for name, kind in kinds.items():
        for selector_type in kind.selector_types:
            owner = owners.setdefault(selector_type, name)
            if owner != name:
                raise ConfigurationError(f"attestors {owner!r} and {name!r} both give {selector_type!r} selectors")
