"""Verifying a token: new, and seen before; against the signature alone and against other libraries.

The tokens have every claim of the wire format, four spend limits among them. They are of a hundred agents, each token with its
own `jti` and status index, so that nothing but the signing key, the agents and the scope repeats. The baselines verify the same
tokens; PyJWT gets its key in PEM, as its documentation shows it, and once more parsed beforehand. The verifier runs as in
production: entered, refreshing.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from typing import TypeVar

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from spiffe import JwtBundle, JwtSvid
from spiffe import TrustDomain as PeerTrustDomain

import remit
from benchmarks.harness.figures import Figure, Settings
from benchmarks.harness.pairs import CPU, Round, compare
from remit.jose import parse_unverified
from remit.verifier import Acceptor
from tests.fakes.public_issuer import AUDIENCE, LIST_SIZE, TRUST_DOMAIN, PublicIssuer

_NEW_IN_A_ROUND = 64
_SEEN_IN_A_ROUND = 20_000
_TOKENS = 2048
Item = TypeVar("Item")

_LOCATION = "https://api.example.com/v1/messages"
_SCOPE = {
    "type": "agent_spend",
    "version": 1,
    "locations": [_LOCATION],
    "actions": ["invoke"],
    "models": ["model-a"],
    "tools": ["search"],
    "spend_limits": [
        {"amount": 50_000, "unit": "USD", "decimals": 6, "interval": "per_authorization"},
        {"amount": 20_000_000, "unit": "USD", "decimals": 6, "interval": "daily"},
        {"amount": 2_000_000, "unit": "USD", "decimals": 6, "interval": "rolling", "period": 3600},
        {"amount": 500, "unit": "requests", "decimals": 0, "interval": "daily"},
    ],
    "funding": "jit",
}


def run(settings: Settings) -> Iterator[Figure]:
    """The verify rows."""
    with PublicIssuer() as issuer, remit.Verifier(issuer.url, AUDIENCE) as verifier:
        tokens = _tokens(issuer, _TOKENS // 8 if settings.quick else _TOKENS)
        key = issuer.keys[0].private.public_key()
        yield from _new(verifier, issuer, key, tokens, settings)
        yield from _seen(verifier, issuer, key, tokens[0], settings)


def _new(
    verifier: remit.Verifier,
    issuer: PublicIssuer,
    key: ec.EllipticCurvePublicKey,
    tokens: list[str],
    settings: Settings,
) -> Iterator[Figure]:
    bundle = JwtBundle(PeerTrustDomain(TRUST_DOMAIN), {issuer.keys[0].kid: key})
    baselines = (
        ("raw ES256 verify", 0.80, _over([_raw(token) for token in tokens], _raw_verify(key))),
        ("PyJWT decode, key in PEM", 2.2, _over(tokens, _pyjwt(issuer, _pem(key)))),
        ("PyJWT decode, key parsed before", 1.0, _over(tokens, _pyjwt(issuer, key))),
        ("JwtSvid.parse_and_validate", 3.5, _over(tokens, lambda t: JwtSvid.parse_and_validate(t, bundle, {AUDIENCE}))),
    )
    for name, target, baseline in baselines:
        ours = _forgetful(verifier, tokens)
        yield compare("verify a new token", ours, name, baseline, target=target, rounds=settings.rounds, clock=CPU)


def _seen(
    verifier: remit.Verifier, issuer: PublicIssuer, key: ec.EllipticCurvePublicKey, token: str, settings: Settings
) -> Iterator[Figure]:
    verifier.verify(token)
    many = _SEEN_IN_A_ROUND // 10 if settings.quick else _SEEN_IN_A_ROUND
    baseline = _over([token], _pyjwt(issuer, key))  # the faster of the two ways to give it the key

    def verify(_: int) -> int:
        for _ in range(many):
            verifier.verify(token)
        return many

    def authorize(_: int) -> int:
        for _ in range(many):
            verifier.verify(token).authorize(location=_LOCATION, action="invoke", model="model-a", tool="search")
        return many

    rounds = settings.rounds
    yield compare(
        "verify a token seen before",
        verify,
        "PyJWT decode, key parsed before",
        baseline,
        target=300,
        rounds=rounds,
        clock=CPU,
    )
    yield compare(
        "the same, with authorize",
        authorize,
        "PyJWT decode, key parsed before",
        baseline,
        target=180,
        rounds=rounds,
        clock=CPU,
    )


def _tokens(issuer: PublicIssuer, count: int) -> list[str]:
    return [
        issuer.token(
            f"agent-{number % 100}",
            index=number % LIST_SIZE,
            jti=f"0197761ea600{number:020x}",
            authorization_details=[_SCOPE],
            trust_tier="established",
        )
        for number in range(count)
    ]


def _forgetful(verifier: remit.Verifier, tokens: list[str]) -> Round:
    """Rounds in which no token was seen before: each has its own memory, over the state that is kept fresh."""

    def one_round(number: int) -> int:
        verify = Acceptor(verifier.watch, AUDIENCE).verify
        for token in _slice(tokens, number):
            verify(token)
        return _NEW_IN_A_ROUND

    return one_round


def _over(items: Sequence[Item], work: Callable[[Item], object]) -> Round:
    def one_round(number: int) -> int:
        for item in _slice(items, number):
            work(item)
        return _NEW_IN_A_ROUND

    return one_round


def _slice(items: Sequence[Item], number: int) -> list[Item]:
    start = number * _NEW_IN_A_ROUND % len(items)
    return list(islice(cycle(items), start, start + _NEW_IN_A_ROUND))


def _raw(token: str) -> tuple[bytes, bytes]:
    jws = parse_unverified(token)
    r, s = (int.from_bytes(half, "big") for half in (jws.signature[:32], jws.signature[32:]))
    return encode_dss_signature(r, s), jws.signing_input


def _raw_verify(key: ec.EllipticCurvePublicKey) -> Callable[[tuple[bytes, bytes]], None]:
    ecdsa = ec.ECDSA(hashes.SHA256())
    return lambda signed: key.verify(signed[0], signed[1], ecdsa)


def _pem(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _pyjwt(issuer: PublicIssuer, key: ec.EllipticCurvePublicKey | bytes) -> Callable[[str], object]:
    return lambda token: jwt.decode(token, key, algorithms=["ES256"], audience=AUDIENCE, issuer=issuer.url)
