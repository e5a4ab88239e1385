"""Wrong in who the agent is, what it may do, and whether it still may."""

from remit.jose import public_jwk
from tests.vectors import world
from tests.vectors.hostile.base import SUBJECT, coded
from tests.vectors.world import LIST, claims, compact, scope, sign


def identity():
    """`sub` and the claims that must agree with it."""
    base = f"spiffe://{world.TRUST_DOMAIN}"
    invalid = {
        "sub-empty-segment": f"{base}/account//agent/planner",
        "sub-trailing-newline": SUBJECT + "\n",
        "sub-trailing-slash": SUBJECT + "/",
        "sub-double-slash": f"{base}//account/acme/agent/planner",
        "sub-dot-segments": f"{base}/account/acme/agent/../agent/planner",
        "sub-percent-encoded": f"{base}/account/acme/agent/pl%61nner",
        "sub-unicode": f"{base}/account/acme/agent/plänner",
        "sub-query": SUBJECT + "?x=1",
        "sub-fragment": SUBJECT + "#x",
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
        "sub-unfinished-sub-agent": SUBJECT + "/sub",
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
        "parent-agent-on-agent": claims(parent_agent=SUBJECT),
        "parent-agent-missing": claims(sub=SUBJECT + "/sub/search"),
        "parent-agent-other": claims(sub=SUBJECT + "/sub/search", parent_agent=f"{base}/account/acme/agent/other"),
        "parent-agent-itself": claims(sub=SUBJECT + "/sub/search", parent_agent=SUBJECT + "/sub/search"),
        "cnf-thumbprint-short": claims(cnf={"jkt": "abc"}),
        "cnf-thumbprint-newline": claims(cnf={"jkt": "A" * 43 + "\n"}),
        "cnf-key": claims(cnf={"jwk": public_jwk(world.AGENT_KEY)}),
        "cnf-empty": claims(cnf={}),
    }
    return (
        coded("invalid_subject", {name: sign(claims(sub=sub)) for name, sub in invalid.items()})
        | coded("wrong_trust_domain", {name: sign(claims(sub=sub)) for name, sub in other.items()})
        | coded("claims_refused", {name: sign(each) for name, each in refused.items()})
    )


def scopes():
    """The `authorization_details`."""
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
        coded("claims_refused", {name: sign(each) for name, each in refused.items()})
        | coded("invalid_scope", {name: sign(claims(authorization_details=[each])) for name, each in invalid.items()})
        | coded("invalid_scope", {name: sign(payload) for name, payload in repeated.items()})
    )


def status():
    """The `status` claim, and what the list says."""

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
        coded("claims_refused", refused)
        | coded("unknown_status_list", unknown)
        | coded("status_out_of_range", {"status-index-out-of-range": at(world.LIST_SIZE)})
        | coded("credential_revoked", {"status-revoked": at(1)})
        | coded("credential_suspended", {"status-suspended": at(2)})
        | coded("unknown_status", {"status-without-meaning": at(3)})
        | coded("proof_refused", {"cnf-without-proof": sign(claims(cnf={"jkt": "A" * 43}))})
    )
