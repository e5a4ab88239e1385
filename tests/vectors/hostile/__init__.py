"""Every hostile token, by name: what is wrong is the name, and what a verifier must answer is the code."""

from tests.vectors.hostile import authority, jws, payload
from tests.vectors.hostile.base import GOOD, SUBJECT
from tests.vectors.world import claims, compact, sign


def hostile():
    """Name to (code, token)."""
    form = (jws.form, jws.headers, jws.signatures)
    content = (payload.json, payload.names, payload.times)
    right = (authority.identity, authority.scopes, authority.status)
    return {name: vector for make in form + content + right for name, vector in make().items()}


def good():
    """Name to token: these are accepted."""
    sub = f"{SUBJECT}/sub/search"
    reordered = dict(reversed(claims().items()))
    return {
        "good": GOOD,
        "good-unknown-claim": sign(claims(on_behalf_of="pairwise-1")),
        "good-sub-agent": sign(claims(sub=sub, parent_agent=SUBJECT)),
        "good-other-order": sign(reordered),
        "good-white-space": sign(compact(claims()).replace(b",", b", ")),
        "good-without-task": sign(claims(txn=None)),
        "good-tier": sign(claims(trust_tier="established")),
        "good-header-order": sign(claims(), {"typ": "JWT", "kid": "key-1", "alg": "ES256"}),
    }
