"""Drawing the ids of entries and grants: the time first, so that neighbours in time are neighbours in an index."""

import secrets


def new_entry_id(now: int) -> str:
    """A fresh entry id, `en_` and 24 hex digits; `now` in seconds."""
    return f"en_{now:08x}{secrets.token_hex(8)}"


def new_grant_id(now: int) -> str:
    """A fresh grant id, `gr_` and 24 hex digits; `now` in seconds."""
    return f"gr_{now:08x}{secrets.token_hex(8)}"
