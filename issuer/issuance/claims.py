"""The claims of an agent token: the part that a grant's tokens share is encoded once, the rest per token.

The order of the members is part of the contract: verifiers of Remit recognise it, and so tell cheaply that no member is there
twice. It is `iss sub aud iat nbf exp jti tenant sub_profile parent_agent amr
on_behalf_of txn authorization_details status cnf`.
"""

from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from issuer.issuance.model import Decision
from issuer.persons import Pairwise
from issuer.status.model import StatusIndex
from remit.errors import ScopeRefusedError
from remit.ids import AgentName, TrustDomain
from remit.verifier.claims import PARENT_ASSERTED

_json: Final = msgspec.json.Encoder().encode
MAX_TOKEN_BYTES: Final = 8192
"""The largest token that verifiers of Remit take."""
_HEADER_AND_SIGNATURE: Final = 256
"""More than the header (with a key id of 43 characters), the signature and two dots take."""
_SURELY_FITS: Final = 3072
"""With so many bytes of scope, audience and names, the rest of the claims (the issuer's URL, twice) has room enough."""
_SHARED: Final = 16_384
"""Most grants whose shared part is remembered."""


class ClaimsWriter:
    """Writes the claims of one issuer's tokens."""

    def __init__(self, issuer: str, trust_domain: TrustDomain, pairwise: Pairwise) -> None:
        """Write for `issuer` (its public URL) and `trust_domain`; `pairwise` says how a person is called to a provider."""
        self._issuer = issuer
        self._trust_domain = trust_domain
        self.reference = pairwise.reference
        self._shared = lru_cache(_SHARED)(self._encode_shared)
        self.spiffe_id = lru_cache(_SHARED)(self._spiffe_id)

    def _spiffe_id(self, agent: str) -> str:
        """The SPIFFE ID of an agent, given its full name."""
        return str(AgentName.parse(agent).spiffe_id(self._trust_domain))

    def write(self, decision: Decision, jti: str) -> bytes:
        """The claims of one token, JSON."""
        basis = decision.basis
        head, tail = self._shared(basis.agent, basis.grant.task, basis.scope, basis.index, _marks(decision))
        times = b',"iat":%d,"nbf":%d,"exp":%d,"jti":"' % (decision.issued_at, decision.issued_at, decision.expires_at)
        return b"".join((head, _json(decision.request.audience), times, jti.encode(), tail))

    def fitting(self, decision: Decision) -> Decision:
        """Return `decision` when verifiers take a token of its size.

        Raises:
            ScopeRefusedError: they would not (`scope_too_large`).
        """
        basis, audience = decision.basis, decision.request.audience
        if len(basis.scope) + len(audience) + 2 * len(basis.agent) > _SURELY_FITS:
            size = len(self.write(decision, jti="0" * 32))
            if -(-size * 4 // 3) + _HEADER_AND_SIGNATURE > MAX_TOKEN_BYTES:
                raise ScopeRefusedError(
                    f"the token would be larger than the {MAX_TOKEN_BYTES} bytes that verifiers take",
                    code="scope_too_large",
                    hint="ask for less of the spend scope, or give the audience a shorter name",
                )
        return decision

    def _encode_shared(
        self, agent: str, task: str | None, scope: bytes, index: StatusIndex, marks: "_Marks | None"
    ) -> tuple[bytes, bytes]:
        """What comes before the audience, and what comes after the `jti`."""
        name = AgentName.parse(agent)
        head = b'{"iss":%b,"sub":%b,"aud":' % (_json(self._issuer), _json(str(name.spiffe_id(self._trust_domain))))
        status = {"status_list": {"idx": index.idx, "uri": self.status_list_uri(index.list)}}
        members: dict[str, object] = {"tenant": name.account, "sub_profile": "ai_agent"}
        if name.parent is not None:
            members["parent_agent"] = str(name.parent.spiffe_id(self._trust_domain))
        if marks is not None and marks.asserted:
            members["amr"] = [PARENT_ASSERTED]
        if marks is not None and marks.on_behalf_of is not None:
            members["on_behalf_of"] = marks.on_behalf_of
        if task is not None:
            members["txn"] = task
        members |= {"authorization_details": [msgspec.Raw(scope)], "status": status}
        if marks is not None and marks.jkt is not None:
            members["cnf"] = {"jkt": marks.jkt}
        return head, b'",' + _json(members)[1:]

    def status_list_uri(self, number: int) -> str:
        """Where a status list is served."""
        return f"{self._issuer}/statuslists/{number}"


class _Marks(NamedTuple):
    """What few tokens say beside the rest."""

    asserted: bool
    on_behalf_of: str | None
    jkt: str | None


def _marks(decision: Decision) -> _Marks | None:
    basis, on_behalf_of = decision.basis, decision.on_behalf_of
    if basis.entry is not None and basis.key is None and on_behalf_of is None:
        return None
    return _Marks(basis.entry is None, on_behalf_of, None if basis.key is None else basis.key.jkt)
