"""The credential of a registered provider: which issuer it is for, and that it never shows."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from remit.errors import ConfigurationError

CREDENTIAL_VARIABLE: Final = "REMIT_PROVIDER_CREDENTIAL"

_FORM: Final = re.compile(r"[A-Za-z0-9._~+/-]{1,512}=*")  # RFC 6750 section 2.1: no other character can be sent
_MAPPING_HINT: Final = "pass credential={issuer: credential}: each is sent to its own issuer only"


class ProviderCredential:
    """A provider's credential at one issuer; only the headers made from it show it."""

    __slots__ = ("_secret",)

    def __init__(self, secret: object) -> None:
        """Keep `secret`.

        Raises:
            ConfigurationError: it cannot be a credential; it is not repeated.
        """
        if not isinstance(secret, str) or not _FORM.fullmatch(secret):
            hint = "use what remit provider add printed, without quotes or line ends"
            raise ConfigurationError("the provider credential is not one", hint=hint)
        self._secret = secret

    def headers(self) -> dict[str, str]:
        """The header that shows it to its issuer (RFC 6750 section 2.1)."""
        return {"Authorization": f"Bearer {self._secret}"}


def credentials_of(
    credential: str | Mapping[str, str] | None, issuers: Iterable[str]
) -> Mapping[str, ProviderCredential]:
    """The credential for each of `issuers` that has one.

    Args:
        credential: one for the only issuer, or by issuer; None for none.
        issuers: their URLs.

    Raises:
        ConfigurationError: one for several issuers, one for an issuer that is not configured, or not a credential.
    """
    known = list(issuers)
    if credential is None:
        return {}
    if isinstance(credential, str):
        if len(known) != 1:
            raise ConfigurationError("one provider credential for several issuers", hint=_MAPPING_HINT)
        return {known[0]: ProviderCredential(credential)}
    if not isinstance(credential, Mapping):
        raise ConfigurationError("the provider credential is not one", hint="pass the text, or {issuer: text}")
    if not credential.keys() <= set(known):  # which one is not said: the two may have been swapped
        raise ConfigurationError("a provider credential for an issuer that is not configured", hint=_MAPPING_HINT)
    return {issuer: ProviderCredential(secret) for issuer, secret in credential.items()}
