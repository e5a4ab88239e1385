"""Wrong in the JSON of the claims, or in whom and when the token is for."""

from tests.vectors import world
from tests.vectors.hostile.base import coded
from tests.vectors.world import NOW, claims, compact, sign


def json():
    """Claims that are not strict JSON."""
    text = compact(claims())
    refused = {
        "claims-not-json": b"claims",
        "claims-empty": b"",
        "claims-list": b"[]",
        "claims-null": b"null",
        "claims-string": b'"claims"',
        "claims-nan": text.replace(b'"exp":%d' % (NOW + 300), b'"exp":NaN'),
        "claims-byte-order-mark": b"\xef\xbb\xbf" + text,
        "claims-utf-16": text.decode().encode("utf-16"),
        "claims-not-utf-8": text.replace(b"task-81", b"task-\xff"),
        "claims-followed-by-more": text + b"{}",
        "claims-cut-off": text[:-1],
        "claims-deep": text[:-1] + b',"deep":' + b"[" * 2000 + b"]" * 2000 + b"}",
        "claims-escaped-name": text.replace(b'"sub":', b'"s\\u0075b":'),
        "claims-escaped-name-nested": text.replace(b'"idx":', b'"\\u0069dx":'),
    }
    repeated = {
        "claims-duplicate-sub": b'{"sub":"spiffe://example.org/account/other/agent/x",' + text[1:],
        "claims-duplicate-exp": text[:-1] + b',"exp":%d}' % (NOW + 301),
        "claims-duplicate-aud": text[:-1] + b',"aud":"https://other.example"}',
        "claims-duplicate-same-value": text[:-1] + b',"tenant":"acme"}',
        "claims-duplicate-escaped": text[:-1] + b',"ten\\u0061nt":"acme"}',
        "claims-duplicate-unknown": text[:-1] + b',"x":1,"x":2}',
        "claims-duplicate-status-index": text.replace(b'"idx":412', b'"idx":1,"idx":412'),
    }
    deep = {"claims-too-deep": text[:-1] + b',"deep":' + b"[" * 20 + b"]" * 20 + b"}"}
    return (
        coded("claims_refused", {name: sign(payload) for name, payload in refused.items()})
        | coded("duplicate_name", {name: sign(payload) for name, payload in repeated.items()})
        | coded("json_too_deep", {name: sign(payload) for name, payload in deep.items()})
    )


def names():
    """`iss`, `aud`, `jti` and the like: missing, of another type, or of somebody else."""
    refused = {
        "iss-missing": claims(iss=None),
        "iss-number": claims(iss=7),
        "iss-list": claims(iss=[world.ISSUER]),
        "aud-missing": claims(aud=None),
        "aud-empty": claims(aud=""),
        "aud-list": claims(aud=[world.AUDIENCE]),
        "aud-list-of-two": claims(aud=[world.AUDIENCE, "https://other.example"]),
        "aud-empty-list": claims(aud=[]),
        "aud-number": claims(aud=1),
        "aud-object": claims(aud={world.AUDIENCE: True}),
        "jti-missing": claims(jti=None),
        "jti-empty": claims(jti=""),
        "jti-number": claims(jti=5),
        "jti-long": claims(jti="j" * 257),
        "txn-number": claims(txn=81),
        "txn-empty": claims(txn=""),
        "txn-null": compact(claims()).replace(b'"task-81"', b"null"),
        "tier-number": claims(trust_tier=1),
    }
    unknown = {
        "iss-unknown": claims(iss="https://evil.example"),
        "iss-trailing-slash": claims(iss=world.ISSUER + "/"),
        "iss-upper-case": claims(iss="HTTPS://ISSUER.EXAMPLE.ORG"),
        "iss-default-port": claims(iss=world.ISSUER + ":443"),
        "iss-trailing-newline": claims(iss=world.ISSUER + "\n"),
        "iss-http": claims(iss="http://issuer.example.org"),
    }
    other = {
        "aud-other": claims(aud="https://other.example"),
        "aud-trailing-slash": claims(aud=world.AUDIENCE + "/"),
        "aud-upper-case": claims(aud=world.AUDIENCE.upper()),
        "aud-prefix": claims(aud=world.AUDIENCE[:-1]),
        "aud-with-path": claims(aud=world.AUDIENCE + "/v1"),
        "aud-token-endpoint": claims(aud=world.ISSUER + "/token"),
        "aud-space-separated": claims(aud=world.AUDIENCE + " https://other.example"),
    }
    return (
        coded("claims_refused", {name: sign(each) for name, each in refused.items()})
        | coded("unknown_issuer", {name: sign(each) for name, each in unknown.items()})
        | coded("wrong_audience", {name: sign(each) for name, each in other.items()})
    )


def times():
    """`iat`, `nbf` and `exp`."""
    text = compact(claims())
    refused = {
        "exp-missing": claims(exp=None),
        "exp-float": claims(exp=NOW + 300.5),
        "exp-whole-float": claims(exp=NOW + 300.0),
        "exp-string": claims(exp=str(NOW + 300)),
        "exp-negative": claims(exp=-1),
        "exp-huge": claims(exp=10**30),
        "exp-exponent": text.replace(b'"exp":%d' % (NOW + 300), b'"exp":1.7500003e9'),
        "exp-true": claims(exp=True),
        "exp-null": text.replace(b'"exp":%d' % (NOW + 300), b'"exp":null'),
        "exp-list": claims(exp=[NOW + 300]),
        "exp-before-iat": claims(exp=NOW - 1),
        "exp-at-iat": claims(exp=NOW),
        "nbf-missing": claims(nbf=None),
        "nbf-string": claims(nbf=str(NOW)),
        "nbf-after-exp": claims(nbf=NOW + 400),
        "nbf-long-before-iat": claims(nbf=NOW - 600),
        "iat-missing": claims(iat=None),
        "iat-string": claims(iat="now"),
        "iat-float": claims(iat=NOW + 0.5),
    }
    return (
        coded("claims_refused", {name: sign(each) for name, each in refused.items()})
        | coded(
            "token_expired",
            {
                "exp-past": sign(claims(iat=NOW - 400, nbf=NOW - 400, exp=NOW - 100)),
                "exp-just-past-leeway": sign(claims(iat=NOW - 305, nbf=NOW - 305, exp=NOW - 5)),
            },
        )
        | coded(
            "token_not_yet_valid",
            {
                "nbf-future": sign(claims(nbf=NOW + 60)),
                "iat-future": sign(claims(iat=NOW + 60, nbf=NOW + 60, exp=NOW + 360)),
                "iat-milliseconds": sign(claims(iat=NOW * 1000, nbf=NOW * 1000, exp=NOW * 1000 + 300)),
            },
        )
        | coded(
            "lifetime_refused",
            {"exp-in-a-year": sign(claims(exp=NOW + 31_536_000)), "iat-zero": sign(claims(iat=0, nbf=0))},
        )
    )
