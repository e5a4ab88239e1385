"""Every hostile token, by name: what is wrong is the name, and what a verifier must answer is the code."""

import hashlib
import hmac

from cryptography.hazmat.primitives import serialization

from remit.jose import b64url_encode, public_jwk
from tests.vectors import world
from tests.vectors.world import KEY, LIST, NOW, claims, compact, header, scope, sign

GOOD = sign(claims())
_SIGNED, _, _SIGNATURE = GOOD.rpartition(".")
_HEADER, _, _PAYLOAD = _SIGNED.partition(".")
_SUB = claims()["sub"]


def hostile():
    """Name to (code, token)."""
    return _form() | _headers() | _signatures() | _json() | _names() | _times() | _identity() | _scopes() | _status()


def good():
    """Name to token: these are accepted."""
    sub = f"{_SUB}/sub/search"
    reordered = dict(reversed(claims().items()))
    return {
        "good": GOOD,
        "good-unknown-claim": sign(claims(on_behalf_of="pairwise-1")),
        "good-sub-agent": sign(claims(sub=sub, parent_agent=_SUB)),
        "good-other-order": sign(reordered),
        "good-white-space": sign(compact(claims()).replace(b",", b", ")),
        "good-without-task": sign(claims(txn=None)),
        "good-tier": sign(claims(trust_tier="established")),
        "good-header-order": sign(claims(), {"typ": "JWT", "kid": "key-1", "alg": "ES256"}),
    }


def _form():
    padded = b64url_encode(b"{}") + "="
    json_form = compact({"payload": _PAYLOAD, "protected": _HEADER, "signature": _SIGNATURE})
    malformed = {
        "form-empty": "",
        "form-text": "hello",
        "form-one-dot": _SIGNED,
        "form-oversized": sign(claims(pad="x" * 9000)),
        "form-not-ascii": f"{_SIGNED}é.{_SIGNATURE}",
        "form-nul": "\0",
    }
    not_base64 = {
        "form-four-parts": f"{GOOD}.{_SIGNATURE}",
        "form-jwe": f"{_HEADER}.{_PAYLOAD}.{_PAYLOAD}.{_PAYLOAD}.{_SIGNATURE}",
        "form-bearer-prefix": f"Bearer {GOOD}",
        "form-leading-space": f" {GOOD}",
        "form-trailing-newline": f"{GOOD}\n",
        "form-padded-payload": f"{_HEADER}.{padded}.{_SIGNATURE}",
        "form-padded-signature": f"{_SIGNED}.{_SIGNATURE}==",
        "form-stray-bits-signature": f"{_SIGNED}.{_SIGNATURE[:-1]}{chr(ord(_SIGNATURE[-1]) + 1)}",
        "form-stray-bits-payload": _sign_parts(_HEADER, "e31"),
        "form-standard-alphabet": f"{_SIGNED}.{_SIGNATURE[:-4]}+/+A",
        "form-line-break-inside": f"{_HEADER}.{_PAYLOAD[:20]}\n{_PAYLOAD[20:]}.{_SIGNATURE}",
    }
    unreadable = {
        "form-dots-only": "..",
        "form-json-serialization": json_form.decode() + "..",
    }
    return (
        _all("malformed_jws", malformed) | _all("malformed_base64url", not_base64) | _all("claims_refused", unreadable)
    )


def _headers():
    public = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    foreign = public_jwk(world.FOREIGN_KEY)
    none = b64url_encode(compact({"alg": "none", "typ": "JWT"}))
    huge = {"kty": "RSA", "e": "AQAB", "n": b64url_encode(b"\xff" * 600)}
    refused = {
        "header-alg-none": f"{b64url_encode(compact(header(alg='none')))}.{_PAYLOAD}.",
        "header-alg-none-kept-signature": f"{b64url_encode(compact(header(alg='none')))}.{_PAYLOAD}.{_SIGNATURE}",
        "header-alg-none-without-kid": f"{none}.{_PAYLOAD}.",
        "header-alg-none-mixed-case": f"{b64url_encode(compact(header(alg='nOnE')))}.{_PAYLOAD}.",
        "header-alg-hs256-with-public-key": _hmac(public),
        "header-alg-hs256-with-jwk": _hmac(compact(public_jwk(KEY))),
        "header-alg-hs256-empty-key": _hmac(b""),
        "header-alg-lower-case": sign(claims(), header(alg="es256")),
        "header-alg-eddsa": sign(claims(), header(alg="EdDSA")),
        "header-alg-es256k": sign(claims(), header(alg="ES256K")),
        "header-alg-missing": sign(claims(), header(alg=None)),
        "header-alg-number": sign(claims(), header(alg=256)),
        "header-alg-list": sign(claims(), header(alg=["ES256"])),
        "header-kid-missing": sign(claims(), header(kid=None)),
        "header-typ-missing": sign(claims(), header(typ=None)),
        "header-typ-lower-case": sign(claims(), header(typ="jwt")),
        "header-typ-jose": sign(claims(), header(typ="JOSE")),
        "header-typ-access-token": sign(claims(), header(typ="at+jwt")),
        "header-typ-status-list": sign(claims(), header(typ="statuslist+jwt")),
        "header-typ-dpop": sign(claims(), header(typ="dpop+jwt")),
        "header-jwk": sign(claims(), header(jwk=foreign), world.FOREIGN_KEY),
        "header-jwk-huge-rsa": sign(claims(), header(jwk=huge)),
        "header-jku": sign(claims(), header(jku="https://evil.example/keys"), world.FOREIGN_KEY),
        "header-x5u": sign(claims(), header(x5u="https://evil.example/cert"), world.FOREIGN_KEY),
        "header-x5c": sign(claims(), header(x5c=["MIIB"]), world.FOREIGN_KEY),
        "header-crit": sign(claims(), header(crit=["exp"])),
        "header-crit-unknown": sign(claims(), header(crit=["urn:x"]) | {"urn:x": 1}),
        "header-b64-false": sign(claims(), header(b64=False)),
        "header-cty": sign(claims(), header(cty="JWT")),
        "header-zip": sign(claims(), header(zip="DEF")),
        "header-extra": sign(claims(), header(extra="1")),
        "header-empty-object": sign(claims(), {}),
        "header-list": sign(claims(), b"[]"),
        "header-null": sign(claims(), b"null"),
    }
    deep = {
        "header-nested": sign(claims(), b'{"alg":' + b"[" * 200 + b"]" * 200 + b"}"),
    }
    unknown = {
        "header-kid-unknown": sign(claims(), header(kid="key-9")),
        "header-kid-empty": sign(claims(), header(kid="")),
        "header-kid-number": sign(claims(), header(kid=1)),
        "header-kid-null": sign(claims(), b'{"alg":"ES256","kid":null,"typ":"JWT"}'),
        "header-kid-path": sign(claims(), header(kid="../../dev/null")),
        "header-kid-url": sign(claims(), header(kid="https://evil.example/key")),
        "header-kid-sql": sign(claims(), header(kid="key-1' OR '1'='1")),
        "header-kid-upper-case": sign(claims(), header(kid="KEY-1")),
        "header-kid-newline": sign(claims(), header(kid="key-1\n")),
        "header-kid-of-status-key": sign(claims(), header(kid="status-1"), world.STATUS_KEY),
        "header-kid-of-x509-authority": sign(claims(), header(kid="x509-1"), world.X509_KEY),
        "header-kid-of-other-issuer": sign(claims(), header(kid="key-2"), world.FOREIGN_KEY),
    }
    return (
        _all("header_refused", refused)
        | _all("json_too_deep", deep)
        | _all("unknown_key", unknown)
        | _all("algorithm_mismatch", {"header-alg-es384-with-p256-key": sign(claims(), header(alg="ES384"))})
        | _all("algorithm_mismatch", {"header-alg-rs256-with-ec-key": sign(claims(), header(alg="RS256"))})
        | _all("algorithm_mismatch", {"header-alg-ps256-with-ec-key": sign(claims(), header(alg="PS256"))})
        | _all(
            "malformed_json", {"header-not-json": sign(claims(), b"alg: ES256"), "header-nan": sign(claims(), b"NaN")}
        )
        | _all("json_too_large", {"header-large": sign(claims(), header(kid="k" * 2000))})
        | _all(
            "duplicate_name",
            {
                "header-duplicate-alg": sign(claims(), b'{"alg":"none","kid":"key-1","typ":"JWT","alg":"ES256"}'),
                "header-duplicate-kid": sign(claims(), b'{"alg":"ES256","kid":"x","typ":"JWT","kid":"key-1"}'),
            },
        )
    )


def _signatures():
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    raw = world.signature(_SIGNED)
    wrong = {
        "signature-missing": b"",
        "signature-der": world.der_signature(_SIGNED),
        "signature-zero": bytes(64),
        "signature-r-zero": bytes(32) + raw[32:],
        "signature-s-zero": raw[:32] + bytes(32),
        "signature-of-order": order.to_bytes(32, "big") * 2,
        "signature-ones": b"\xff" * 64,
        "signature-truncated": raw[:-1],
        "signature-half": raw[:32],
        "signature-extended": raw + b"\0",
        "signature-twice": raw + raw,
        "signature-swapped": raw[32:] + raw[:32],
        "signature-of-payload-only": world.signature(_PAYLOAD),
        "signature-of-other-token": world.signature(sign(claims(jti="other")).rpartition(".")[0]),
        "signature-by-foreign-key": world.signature(_SIGNED, world.FOREIGN_KEY),
        "signature-by-status-key": world.signature(_SIGNED, world.STATUS_KEY),
    }
    tokens = {name: f"{_SIGNED}.{b64url_encode(value)}" for name, value in wrong.items()}
    richer = b64url_encode(compact(claims(tenant="acme", txn="task-82")))
    tokens["signature-changed-payload"] = f"{_HEADER}.{richer}.{_SIGNATURE}"
    tokens["iss-other-but-our-key"] = sign(claims(iss=world.OTHER_ISSUER), header(kid="key-2"))
    return _all("signature_invalid", tokens)


def _json():
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
        _all("claims_refused", {name: sign(payload) for name, payload in refused.items()})
        | _all("duplicate_name", {name: sign(payload) for name, payload in repeated.items()})
        | _all("json_too_deep", {name: sign(payload) for name, payload in deep.items()})
    )


def _names():
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
        _all("claims_refused", {name: sign(each) for name, each in refused.items()})
        | _all("unknown_issuer", {name: sign(each) for name, each in unknown.items()})
        | _all("wrong_audience", {name: sign(each) for name, each in other.items()})
    )


def _times():
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
        _all("claims_refused", {name: sign(each) for name, each in refused.items()})
        | _all(
            "token_expired",
            {
                "exp-past": sign(claims(iat=NOW - 400, nbf=NOW - 400, exp=NOW - 100)),
                "exp-just-past-leeway": sign(claims(iat=NOW - 305, nbf=NOW - 305, exp=NOW - 5)),
            },
        )
        | _all(
            "token_not_yet_valid",
            {
                "nbf-future": sign(claims(nbf=NOW + 60)),
                "iat-future": sign(claims(iat=NOW + 60, nbf=NOW + 60, exp=NOW + 360)),
                "iat-milliseconds": sign(claims(iat=NOW * 1000, nbf=NOW * 1000, exp=NOW * 1000 + 300)),
            },
        )
        | _all(
            "lifetime_refused",
            {"exp-in-a-year": sign(claims(exp=NOW + 31_536_000)), "iat-zero": sign(claims(iat=0, nbf=0))},
        )
    )


def _identity():
    base = f"spiffe://{world.TRUST_DOMAIN}"
    invalid = {
        "sub-empty-segment": f"{base}/account//agent/planner",
        "sub-trailing-newline": _SUB + "\n",
        "sub-trailing-slash": _SUB + "/",
        "sub-double-slash": f"{base}//account/acme/agent/planner",
        "sub-dot-segments": f"{base}/account/acme/agent/../agent/planner",
        "sub-percent-encoded": f"{base}/account/acme/agent/pl%61nner",
        "sub-unicode": f"{base}/account/acme/agent/plänner",
        "sub-query": _SUB + "?x=1",
        "sub-fragment": _SUB + "#x",
        "sub-port": "spiffe://example.org:443/account/acme/agent/planner",
        "sub-userinfo": "spiffe://root@example.org/account/acme/agent/planner",
        "sub-upper-case-domain": "spiffe://EXAMPLE.org/account/acme/agent/planner",
        "sub-upper-case-scheme": "SPIFFE://example.org/account/acme/agent/planner",
        "sub-not-spiffe": "https://example.org/account/acme/agent/planner",
        "sub-plain": "planner",
        "sub-sidecar": f"{base}/sidecar/edge-1",
        "sub-trust-domain": base,
        "sub-account": f"{base}/account/acme",
        "sub-longer-path": f"{base}/account/acme/agent/planner/tool/x",
        "sub-unfinished-sub-agent": _SUB + "/sub",
    }
    other = {
        "sub-other-domain": "spiffe://example.net/account/acme/agent/planner",
        "sub-domain-of-other-issuer": "spiffe://other.example/account/acme/agent/planner",
        "sub-subdomain": "spiffe://sub.example.org/account/acme/agent/planner",
    }
    refused = {
        "sub-missing": claims(sub=None),
        "sub-empty": claims(sub=""),
        "sub-number": claims(sub=1),
        "sub-too-long": claims(sub=base + "/account/acme/agent/" + "a" * 2048),
        "tenant-missing": claims(tenant=None),
        "tenant-mismatch": claims(tenant="other"),
        "tenant-upper-case": claims(tenant="ACME"),
        "tenant-list": claims(tenant=["acme"]),
        "sub-profile-missing": claims(sub_profile=None),
        "sub-profile-other": claims(sub_profile="person"),
        "parent-agent-on-agent": claims(parent_agent=_SUB),
        "parent-agent-missing": claims(sub=_SUB + "/sub/search"),
        "parent-agent-other": claims(sub=_SUB + "/sub/search", parent_agent=f"{base}/account/acme/agent/other"),
        "parent-agent-itself": claims(sub=_SUB + "/sub/search", parent_agent=_SUB + "/sub/search"),
        "cnf-thumbprint-short": claims(cnf={"jkt": "abc"}),
        "cnf-thumbprint-newline": claims(cnf={"jkt": "A" * 43 + "\n"}),
        "cnf-key": claims(cnf={"jwk": public_jwk(world.AGENT_KEY)}),
        "cnf-empty": claims(cnf={}),
    }
    return (
        _all("invalid_subject", {name: sign(claims(sub=sub)) for name, sub in invalid.items()})
        | _all("wrong_trust_domain", {name: sign(claims(sub=sub)) for name, sub in other.items()})
        | _all("claims_refused", {name: sign(each) for name, each in refused.items()})
    )


def _scopes():
    limit = {"amount": 50000, "unit": "USD", "decimals": 6, "interval": "daily"}
    refused = {
        "scope-missing": claims(authorization_details=None),
        "scope-empty-list": claims(authorization_details=[]),
        "scope-two": claims(authorization_details=[scope(), scope()]),
        "scope-object": claims(authorization_details=scope()),
    }
    invalid = {
        "scope-null": None,
        "scope-string": "all",
        "scope-other-type": scope(type="payment_initiation"),
        "scope-type-missing": scope(type=None),
        "scope-version-missing": scope(version=None),
        "scope-version-2": scope(version=2),
        "scope-version-string": scope(version="1"),
        "scope-unknown-field": scope(discount=1),
        "scope-locations-null": {**scope(), "locations": None},
        "scope-locations-string": scope(locations="https://api.example.com/"),
        "scope-actions-number": scope(actions=[1]),
        "scope-funding-unknown": scope(funding="gift"),
        "scope-amount-float": scope(spend_limits=[limit | {"amount": 0.05}]),
        "scope-amount-whole-float": scope(spend_limits=[limit | {"amount": 50000.0}]),
        "scope-amount-string": scope(spend_limits=[limit | {"amount": "50000"}]),
        "scope-amount-true": scope(spend_limits=[limit | {"amount": True}]),
        "scope-amount-missing": scope(spend_limits=[{"unit": "USD", "decimals": 6, "interval": "daily"}]),
        "scope-interval-unknown": scope(spend_limits=[limit | {"interval": "yearly"}]),
        "scope-limit-unknown-field": scope(spend_limits=[limit | {"burst": 2}]),
        "scope-limits-object": scope(spend_limits=limit),
    }
    invalid |= {
        "scope-amount-negative": scope(spend_limits=[limit | {"amount": -1}]),
        "scope-amount-over-2-53": scope(spend_limits=[limit | {"amount": 2**53}]),
        "scope-decimals-19": scope(spend_limits=[limit | {"decimals": 19}]),
        "scope-unit-unknown": scope(spend_limits=[limit | {"unit": "DOUBLOONS"}]),
        "scope-unit-lower-case": scope(spend_limits=[limit | {"unit": "usd"}]),
        "scope-rolling-without-period": scope(spend_limits=[limit | {"interval": "rolling"}]),
        "scope-period-on-daily": scope(spend_limits=[limit | {"period": 60}]),
        "scope-location-userinfo": scope(locations=["https://user@api.example.com/"]),
        "scope-location-fragment": scope(locations=["https://api.example.com/#x"]),
        "scope-location-encoded-slash": scope(locations=["https://api.example.com/a%2Fb"]),
        "scope-location-relative": scope(locations=["/v1/messages"]),
        "scope-location-file": scope(locations=["file:///etc/passwd"]),
        "scope-location-wildcard": scope(locations=["https://*.example.com/"]),
        "scope-action-empty": scope(actions=[""]),
    }
    text = compact(claims())
    repeated = {
        "scope-duplicate-amount": text.replace(b'"amount":50000', b'"amount":1,"amount":50000'),
        "scope-duplicate-locations": text.replace(b'"actions":', b'"locations":[],"actions":'),
    }
    return (
        _all("claims_refused", {name: sign(each) for name, each in refused.items()})
        | _all("invalid_scope", {name: sign(claims(authorization_details=[each])) for name, each in invalid.items()})
        | _all("invalid_scope", {name: sign(payload) for name, payload in repeated.items()})
    )


def _status():
    def at(index, uri=LIST):
        return sign(claims(status={"status_list": {"idx": index, "uri": uri}}))

    refused = {
        "status-missing": sign(claims(status=None)),
        "status-empty": sign(claims(status={})),
        "status-null": sign(compact(claims(status=None))[:-1] + b',"status":null}'),
        "status-index-missing": sign(claims(status={"status_list": {"uri": LIST}})),
        "status-uri-missing": sign(claims(status={"status_list": {"idx": 1}})),
        "status-index-negative": at(-1),
        "status-index-float": at(412.0),
        "status-index-string": at("412"),
        "status-index-true": at(True),
        "status-index-huge": at(2**70),
        "status-uri-number": at(412, 7),
        "status-other-mechanism": sign(claims(status={"identifier_list": {"id": "x", "uri": LIST}})),
        "status-second-mechanism": sign(
            claims(status={"status_list": {"idx": 412, "uri": LIST}, "identifier_list": {"id": "x", "uri": LIST}})
        ),
    }
    unknown = {
        "status-other-list": at(412, f"{world.ISSUER}/statuslists/9"),
        "status-list-of-other-issuer": at(412, world.OTHER_LIST),
        "status-list-elsewhere": at(412, "https://evil.example/statuslists/1"),
        "status-list-trailing-slash": at(412, LIST + "/"),
        "status-list-file": at(412, "file:///etc/passwd"),
        "status-list-internal-address": at(412, "http://169.254.169.254/latest/meta-data"),
    }
    return (
        _all("claims_refused", refused)
        | _all("unknown_status_list", unknown)
        | _all("status_out_of_range", {"status-index-out-of-range": at(world.LIST_SIZE)})
        | _all("credential_revoked", {"status-revoked": at(1)})
        | _all("credential_suspended", {"status-suspended": at(2)})
        | _all("unknown_status", {"status-without-meaning": at(3)})
        | _all("proof_refused", {"cnf-without-proof": sign(claims(cnf={"jkt": "A" * 43}))})
    )


def _hmac(secret):
    signing_input = f"{b64url_encode(compact(header(alg='HS256')))}.{_PAYLOAD}"
    return f"{signing_input}.{b64url_encode(hmac.digest(secret, signing_input.encode(), hashlib.sha256))}"


def _sign_parts(head, payload):
    return f"{head}.{payload}.{b64url_encode(world.signature(f'{head}.{payload}'))}"


def _all(code, tokens):
    return {name: (code, token) for name, token in tokens.items()}
