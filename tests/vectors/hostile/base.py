"""The good token that most of the hostile ones are made of."""

from tests.vectors.world import claims, sign

GOOD = sign(claims())
SIGNED, _, SIGNATURE = GOOD.rpartition(".")
HEADER, _, PAYLOAD = SIGNED.partition(".")
SUBJECT = claims()["sub"]


def coded(code, tokens):
    """Name to (code, token), for tokens that are all refused with `code`."""
    return {name: (code, token) for name, token in tokens.items()}
