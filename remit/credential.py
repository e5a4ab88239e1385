"""The credential: the verified content of an agent token, and the calls that it authorizes.

A credential says what was true when it was verified. Verify the token of every request anew: that is cheap for a token
seen before, and the only way to notice a revocation.
"""

from typing import Final

import msgspec

from remit.amounts import Amount
from remit.ids import SPIFFEID, AgentName
from remit.locations import normalise_location
from remit.scope import SpendScope

_REMEMBERED_CALLS: Final = 16

_Call = tuple[str | None, str | None, str | None, str | None]


class StatusReference(msgspec.Struct, frozen=True, gc=False):
    """Where the status of a token's grant is kept (Token Status List, `status_list` claim).

    Attributes:
        uri: the status list.
        index: the grant's place in it.
    """

    uri: str
    index: int


class AuthorizedCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call that a credential permits: what is to be charged to whom, for a spend hold or an access log.

    Attributes:
        issuer: the issuer of the credential.
        audience: the provider it was issued for.
        jti: the token's identifier.
        agent: who calls.
        account: who pays.
        task: the task the call is for, or None.
        location: the URL that is called, in normal form, or None.
        action: what is done there, or None.
        model: the model that is used, or None.
        tool: the tool that is used, or None.
        estimate: what the call is expected to cost at most, or None.
        expires_at: when the credential ends, in unix seconds.
    """

    issuer: str
    audience: str
    jti: str
    agent: AgentName
    account: str
    task: str | None
    location: str | None
    action: str | None
    model: str | None
    tool: str | None
    estimate: Amount | None
    expires_at: int


class Credential(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Who calls, who pays, for which task and within which scope; only a verifier makes one.

    Attributes:
        issuer: the issuer that signed the token.
        spiffe_id: the agent's SPIFFE ID, the token's `sub`.
        agent: the agent's name.
        account: the name of the account that owns and pays.
        audience: the provider that the token is for.
        task: the task that the grant is for, or None.
        scope: what may be called and spent.
        issued_at: unix seconds.
        expires_at: unix seconds.
        jti: the token's identifier.
        status: where the grant's status is kept.
        key_thumbprint: of the key that the token is bound to (RFC 9449 section 6), or None.
        parent_agent: the agent that this sub-agent belongs to, or None.
        parent_asserted: whether its parent's word is all there is for who this sub-agent is.
        on_behalf_of: a reference to the person that the agent acts for, the same for each call to this audience and another one
            for every other; or None.
    """

    issuer: str
    spiffe_id: SPIFFEID
    agent: AgentName
    account: str
    audience: str
    task: str | None
    scope: SpendScope
    issued_at: int
    expires_at: int
    jti: str
    status: StatusReference
    key_thumbprint: str | None = None
    parent_agent: AgentName | None = None
    parent_asserted: bool = False
    on_behalf_of: str | None = None
    _calls: dict[_Call, AuthorizedCall] = {}

    def authorize(
        self,
        *,
        location: str | None = None,
        action: str | None = None,
        model: str | None = None,
        tool: str | None = None,
        amount: Amount | None = None,
    ) -> AuthorizedCall:
        """Permit one call, or refuse it.

        Args:
            location: the URL that is called, as you publish it: built from your configuration, never from `Host`.
            action: what is done there.
            model: the model that is used, where there is one.
            tool: the tool that is used, where there is one.
            amount: what the call is expected to cost at most.

        Raises:
            ScopeRefusedError: the call is outside the spend scope; `detail` names the dimension.
            TypeError: `amount` is not an `Amount`.
        """
        call = (location, action, model, tool)
        if amount is None and (known := self._calls.get(call)) is not None:
            return known
        self.scope.permits(location=location, action=action, model=model, tool=tool, amount=amount)
        authorized = self._authorized(call, amount)
        if amount is None:
            if len(self._calls) >= _REMEMBERED_CALLS:
                self._calls.clear()
            self._calls[call] = authorized
        return authorized

    def _authorized(self, call: _Call, amount: Amount | None) -> AuthorizedCall:
        location, action, model, tool = call
        return AuthorizedCall(
            issuer=self.issuer,
            audience=self.audience,
            jti=self.jti,
            agent=self.agent,
            account=self.account,
            task=self.task,
            location=None if location is None else normalise_location(location),
            action=action,
            model=model,
            tool=tool,
            estimate=amount,
            expires_at=self.expires_at,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Credential):
            return NotImplemented
        return self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash((self.issuer, self.jti))

    def __repr__(self) -> str:
        return (
            f"Credential(agent={str(self.agent)!r}, task={self.task!r}, jti={self.jti!r}, expires_at={self.expires_at})"
        )

    def _identity(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__struct_fields__ if name != "_calls")
