"""What a verifier knows of the issuers of the token vectors, without any fetching."""

import json

from remit.bundle import Bundle, parse_jwks
from remit.credential import Credential
from remit.ids import TrustDomain
from remit.jose import public_jwk
from remit.statuslist import StatusListToken
from remit.verifier.core import Presented, Rules, check_now, check_possession, verify_token
from remit.verifier.metadata import Metadata
from remit.verifier.state import Deadlines, IssuerState, Moment, Snapshot, TokenKeys
from tests.vectors import world

RULES = Rules(frozenset({world.AUDIENCE}))
NOW = Moment(world.NOW + 1.0, 1.0)
STALENESS = 10.0


def at(seconds):
    """Both clocks, `seconds` after the vectors' time."""
    return Moment(world.NOW + float(seconds), float(seconds))


def issuer_state(issuer=world.ISSUER, trust_domain=world.TRUST_DOMAIN, bundle=None, floor=0):
    """An issuer whose keys are known, without lists."""
    domain = TrustDomain.parse(trust_domain)
    known = Bundle.parse(json.dumps(bundle or world.bundle()).encode(), domain)
    metadata = Metadata(domain, f"{issuer}/bundle", f"{issuer}/status/keys", f"{issuer}/statuslists")
    status_keys = parse_jwks(json.dumps({"keys": [public_jwk(world.STATUS_KEY) | {"kid": "status-1"}]}).encode())
    return IssuerState(
        issuer, metadata, known, TokenKeys(known.keys), Deadlines(world.NOW + 600, 600.0), status_keys, floor=floor
    )


def list_token(uri=world.LIST, *, issued_at=world.NOW, seq=1, statuses=None, bundle_seq=0):
    """A status list token of the vectors' statuses."""
    return StatusListToken(uri, issued_at, issued_at + 60, 1, seq, statuses or world.status_list(), bundle_seq)


def snapshot():
    """Both issuers of the vectors, each with its list received at boot time 0."""
    received = Moment(float(world.NOW), 0.0)
    ours = issuer_state().with_list(list_token(), received, STALENESS)
    other = issuer_state(world.OTHER_ISSUER, "other.example", world.other_bundle())
    return Snapshot([ours, other.with_list(list_token(world.OTHER_LIST), received, STALENESS)])


def accept(token, known=None, now=NOW, rules=RULES) -> Credential:
    """Everything that the core checks for a request without a proof."""
    known = known or snapshot()
    accepted = verify_token(token, known, rules)
    check_now(accepted, known, now)
    credential = accepted[0]
    if credential.key_thumbprint is not None:
        check_possession(credential, Presented(token, None, None, None), int(now.wall), rules.leeway)
    return credential
