"""A spend scope in words, on one line."""

from remit.narrowing import Limits, Names


def describe(*, actions: Names, locations: Names, models: Names, tools: Names, spend_limits: Limits) -> str:
    """Such as `invoke on https://api.example.com/v1/ with model-a; 20 USD daily`.

    Args:
        actions: None restricts nothing and an empty list permits nothing, as in each of these.
        locations: where they may be done.
        models: with which models.
        tools: using which tools.
        spend_limits: what may be spent.
    """
    lists = {"actions": actions, "locations": locations, "models": models, "tools": tools}
    empty = [name for name, names in lists.items() if names is not None and not names]
    calls = f"nothing (no {' and no '.join(empty)})" if empty else _calls(actions, locations, models, tools)
    if spend_limits is None:
        return calls or "unrestricted"
    return "; ".join(filter(None, (calls, ", ".join(map(str, spend_limits)) or "no spending")))


def _calls(actions: Names, locations: Names, models: Names, tools: Names) -> str:
    """What may be called; empty when nothing is restricted."""
    circumstances = (("on", locations), ("with", models), ("using", tools))
    parts = [f"{word} {_listed(names)}" for word, names in circumstances if names]
    if actions or parts:
        parts.insert(0, _listed(actions) if actions else "anything")
    return " ".join(parts)


def _listed(names: tuple[str, ...]) -> str:
    """The names; one that would break the line or hide something is quoted and escaped."""
    return ", ".join(name if name.isprintable() else ascii(name) for name in names)
