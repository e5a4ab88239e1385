"""Wrong as a signed text: its form, its header, its signature."""

import hashlib
import hmac

from cryptography.hazmat.primitives import serialization

from remit.jose import b64url_encode, public_jwk
from tests.vectors import world
from tests.vectors.hostile.base import GOOD, HEADER, PAYLOAD, SIGNATURE, SIGNED, coded
from tests.vectors.world import KEY, claims, compact, header, sign


def form():
    """Text that is no compact JWS, or not exactly one."""
    padded = b64url_encode(b"{}") + "="
    json_form = compact({"payload": PAYLOAD, "protected": HEADER, "signature": SIGNATURE})
    malformed = {
        "form-empty": "",
        "form-text": "hello",
        "form-one-dot": SIGNED,
        "form-oversized": sign(claims(pad="x" * 9000)),
        "form-not-ascii": f"{SIGNED}é.{SIGNATURE}",
        "form-nul": "\0",
    }
    not_base64 = {
        "form-four-parts": f"{GOOD}.{SIGNATURE}",
        "form-jwe": f"{HEADER}.{PAYLOAD}.{PAYLOAD}.{PAYLOAD}.{SIGNATURE}",
        "form-bearer-prefix": f"Bearer {GOOD}",
        "form-leading-space": f" {GOOD}",
        "form-trailing-newline": f"{GOOD}\n",
        "form-padded-payload": f"{HEADER}.{padded}.{SIGNATURE}",
        "form-padded-signature": f"{SIGNED}.{SIGNATURE}==",
        "form-stray-bits-signature": f"{SIGNED}.{SIGNATURE[:-1]}{chr(ord(SIGNATURE[-1]) + 1)}",
        "form-stray-bits-payload": _sign_parts(HEADER, "e31"),
        "form-standard-alphabet": f"{SIGNED}.{SIGNATURE[:-4]}+/+A",
        "form-line-break-inside": f"{HEADER}.{PAYLOAD[:20]}\n{PAYLOAD[20:]}.{SIGNATURE}",
    }
    unreadable = {
        "form-dots-only": "..",
        "form-json-serialization": json_form.decode() + "..",
    }
    return (
        coded("malformed_jws", malformed)
        | coded("malformed_base64url", not_base64)
        | coded("claims_refused", unreadable)
    )


def headers():
    """Headers of another algorithm, key or kind than an agent token has."""
    public = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    foreign = public_jwk(world.FOREIGN_KEY)
    none = b64url_encode(compact({"alg": "none", "typ": "JWT"}))
    huge = {"kty": "RSA", "e": "AQAB", "n": b64url_encode(b"\xff" * 600)}
    refused = {
        "header-alg-none": f"{b64url_encode(compact(header(alg='none')))}.{PAYLOAD}.",
        "header-alg-none-kept-signature": f"{b64url_encode(compact(header(alg='none')))}.{PAYLOAD}.{SIGNATURE}",
        "header-alg-none-without-kid": f"{none}.{PAYLOAD}.",
        "header-alg-none-mixed-case": f"{b64url_encode(compact(header(alg='nOnE')))}.{PAYLOAD}.",
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
        coded("header_refused", refused)
        | coded("json_too_deep", deep)
        | coded("unknown_key", unknown)
        | coded("algorithm_mismatch", {"header-alg-es384-with-p256-key": sign(claims(), header(alg="ES384"))})
        | coded("algorithm_mismatch", {"header-alg-rs256-with-ec-key": sign(claims(), header(alg="RS256"))})
        | coded("algorithm_mismatch", {"header-alg-ps256-with-ec-key": sign(claims(), header(alg="PS256"))})
        | coded(
            "malformed_json", {"header-not-json": sign(claims(), b"alg: ES256"), "header-nan": sign(claims(), b"NaN")}
        )
        | coded("json_too_large", {"header-large": sign(claims(), header(kid="k" * 2000))})
        | coded(
            "duplicate_name",
            {
                "header-duplicate-alg": sign(claims(), b'{"alg":"none","kid":"key-1","typ":"JWT","alg":"ES256"}'),
                "header-duplicate-kid": sign(claims(), b'{"alg":"ES256","kid":"x","typ":"JWT","kid":"key-1"}'),
            },
        )
    )


def signatures():
    """Signatures that are not the issuer's over exactly this token."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    raw = world.signature(SIGNED)
    wrong = {
        "signature-missing": b"",
        "signature-der": world.der_signature(SIGNED),
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
        "signature-of-payload-only": world.signature(PAYLOAD),
        "signature-of-other-token": world.signature(sign(claims(jti="other")).rpartition(".")[0]),
        "signature-by-foreign-key": world.signature(SIGNED, world.FOREIGN_KEY),
        "signature-by-status-key": world.signature(SIGNED, world.STATUS_KEY),
    }
    tokens = {name: f"{SIGNED}.{b64url_encode(value)}" for name, value in wrong.items()}
    richer = b64url_encode(compact(claims(tenant="acme", txn="task-82")))
    tokens["signature-changed-payload"] = f"{HEADER}.{richer}.{SIGNATURE}"
    tokens["iss-other-but-our-key"] = sign(claims(iss=world.OTHER_ISSUER), header(kid="key-2"))
    return coded("signature_invalid", tokens)


def _hmac(secret):
    signing_input = f"{b64url_encode(compact(header(alg='HS256')))}.{PAYLOAD}"
    return f"{signing_input}.{b64url_encode(hmac.digest(secret, signing_input.encode(), hashlib.sha256))}"


def _sign_parts(head, payload):
    return f"{head}.{payload}.{b64url_encode(world.signature(f'{head}.{payload}'))}"
