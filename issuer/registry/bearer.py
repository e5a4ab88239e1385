"""Bearer secrets: operator credentials and join tokens. Only their SHA-256 is stored.

A plain hash suffices: each holds 256 random bits, so there is nothing to guess and nothing for a slow hash to slow down.
"""

import hashlib
import secrets


def draw(prefix: str) -> str:
    """A fresh secret; `prefix` (`remit_op_`) says what it is to people and to scanners of leaked secrets."""
    return prefix + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is stored of it: SHA-256, hex."""
    return hashlib.sha256(secret.encode()).hexdigest()
