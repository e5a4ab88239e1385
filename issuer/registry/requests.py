"""What an operator asks to be registered. Each is valid once it exists; decoding anything else raises.

An error names the field and says what it takes; it never repeats the value.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Final, Literal, TypeVar

import msgspec

from issuer.registry.roles import Role
from issuer.registry.selectors import MAX_SELECTORS, check_selectors
from remit.errors import InvalidInputError
from remit.ids import AccountName, AgentName, SidecarName, check_task
from remit.scope import SpendScope

T = TypeVar("T")

MAX_SUB_AGENT_DEPTH: Final = 5
"""How many agents may be above an agent."""

EMPTY_SCOPE: Final = SpendScope().encode()
"""The spend scope that restricts nothing."""

MAX_SCOPE_BYTES: Final = 4096
"""The largest spend scope that is granted: in a token, encoded, it leaves room for the rest below what verifiers take."""

MAX_AUDIENCES: Final = 64
"""Most audiences of one provider."""

ShortText = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
ShortLife = Annotated[int, msgspec.Meta(ge=1, le=3600)]
JoinLife = Annotated[int, msgspec.Meta(ge=10, le=604_800)]
Audience = Annotated[str, msgspec.Meta(pattern=r"\A[!-~]{1,2048}\Z")]
GrantLife = Annotated[int, msgspec.Meta(ge=1, le=315_360_000)]


@lru_cache(maxsize=4096)
def parse_agent(text: str) -> AgentName:
    """As `AgentName.parse`, remembered: the records of an import name the same agents, and several steps need the name."""
    return AgentName.parse(text)


def _refuse_large(scope: SpendScope) -> None:
    if len(scope.encode()) > MAX_SCOPE_BYTES:
        raise InvalidInputError(
            f"the spend scope takes more than {MAX_SCOPE_BYTES} bytes, too much for a token",
            hint="name less: a location that ends in / covers all below it, a list that is left out restricts nothing",
        )


class NewAccount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account to register; see `issuer.registry.model.Account`."""

    name: str
    owner: ShortText
    contact: ShortText | None = None

    def __post_init__(self) -> None:
        """Refuse a name or a text that is not valid."""
        _checked("name", AccountName.parse, self.name)
        _printable(owner=self.owner, contact=self.contact)


class NewAgent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An agent to register; its owner is the account's unless given."""

    agent: str
    owner: ShortText | None = None
    description: ShortText | None = None

    def __post_init__(self) -> None:
        """Refuse a name or a text that is not valid."""
        if _checked("agent", parse_agent, self.agent).depth > MAX_SUB_AGENT_DEPTH:
            raise InvalidInputError(f"`agent` is more than {MAX_SUB_AGENT_DEPTH} agents deep")
        _printable(owner=self.owner, description=self.description)


class NewEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entry to register; without `sidecar` it is for workloads that come without one.

    With `bound`, the tokens that it leads to are bound to the agent's key.
    """

    agent: str
    selectors: Annotated[list[str], msgspec.Meta(min_length=1, max_length=MAX_SELECTORS)]
    sidecar: str | None = None
    ttl_seconds: ShortLife | None = None
    bound: bool = False

    def __post_init__(self) -> None:
        """Refuse a name or a selector that is not valid."""
        _checked("agent", parse_agent, self.agent)
        if self.sidecar is not None:
            _checked("sidecar", SidecarName.parse, self.sidecar)
        check_selectors(self.selectors)


def _empty_scope() -> msgspec.Raw:
    """The default of a raw field; as a plain default, its schema could not be made."""
    return msgspec.Raw(EMPTY_SCOPE)


class NewGrant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A grant to register: without `task` the agent's standing one; without `scope` one that restricts nothing."""

    agent: str
    task: str | None = None
    scope: msgspec.Raw = msgspec.field(default_factory=_empty_scope)
    funding: Literal["jit", "standing"] = "standing"
    owner: ShortText | None = None
    expires_in_seconds: GrantLife | None = None

    def __post_init__(self) -> None:
        """Refuse a name, a task or a spend scope that is not valid."""
        _checked("agent", parse_agent, self.agent)
        if self.task is not None:
            _checked("task", check_task, self.task)
        _refuse_large(self.spend_scope)
        _printable(owner=self.owner)

    @property
    def spend_scope(self) -> SpendScope:
        """The spend scope, parsed."""
        return SpendScope.parse(bytes(self.scope))


class NewJoinToken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A join token to make; its sidecar is registered by it."""

    sidecar: str
    ttl_seconds: JoinLife = 600

    def __post_init__(self) -> None:
        """Refuse a name that is not valid."""
        _checked("sidecar", SidecarName.parse, self.sidecar)


class NewOperator(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An operator to register."""

    name: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._@-]{0,63}\Z")]
    role: Role
    account: str | None = None

    def __post_init__(self) -> None:
        """Refuse an account name that is not valid."""
        if self.account is not None:
            _checked("account", AccountName.parse, self.account)


class NewProvider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provider to register; its owner is whoever registers it unless given."""

    name: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")]
    audiences: Annotated[list[Audience], msgspec.Meta(min_length=1, max_length=MAX_AUDIENCES)]
    owner: ShortText | None = None

    def __post_init__(self) -> None:
        """Refuse a text that is not printable."""
        _printable(owner=self.owner)


def _checked(field: str, parse: Callable[[str], T], text: str) -> T:
    try:
        return parse(text)
    except InvalidInputError as error:
        raise InvalidInputError(f"`{field}` is not valid", hint=error.hint) from None


def _printable(**texts: str | None) -> None:
    for field, text in texts.items():
        if text is not None and not text.isprintable():
            raise InvalidInputError(f"`{field}` holds characters that are not printable")
