"""What is kept of the keys that the sidecar holds for one agent, so that neither a crash nor a restart loses one that is in use."""

import hashlib
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from remit.agent_key import AgentKey
from remit.errors import ConfigurationError


class KeyRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """The keys held for one agent, as PEM; its `repr` leaves them out.

    Attributes:
        agent: the agent's name.
        pending: one that the issuer was asked to register, or is to be: its answer is not known.
        active: the one that is registered.
        former: the one before it, which tokens are bound to until they end.
    """

    agent: str
    pending: str | None = None
    active: str | None = None
    former: str | None = None

    @property
    def file_name(self) -> str:
        """Where it is kept: an agent's name may be longer than a file's."""
        return f"agent-{hashlib.sha256(self.agent.encode()).hexdigest()}.json"

    @property
    def candidate(self) -> AgentKey | None:
        """The key to register next, if one was begun with."""
        return _key(self.pending)

    @property
    def active_key(self) -> AgentKey | None:
        """The key that is registered, if one is."""
        return _key(self.active)

    def begun(self, key: AgentKey) -> "KeyRecord":
        """With `key` as the one to register next."""
        return msgspec.structs.replace(self, pending=key.to_pem().decode())

    def registered(self) -> "KeyRecord":
        """With the pending key as the active one, and the active one, if it is another, as the former."""
        former = self.former if self.pending == self.active else self.active
        return KeyRecord(self.agent, None, self.pending, former)

    def every_key(self) -> Sequence[AgentKey]:
        """Every key; raises `ConfigurationError` when one is damaged."""
        return [AgentKey.from_pem(pem.encode()) for pem in (self.pending, self.active, self.former) if pem is not None]

    @classmethod
    def decode(cls, content: bytes) -> "KeyRecord":
        """Read what was kept.

        Raises:
            ConfigurationError: it is damaged.
        """
        try:
            return msgspec.json.decode(content, type=cls)
        except msgspec.MsgspecError as error:
            raise ConfigurationError(
                "a file of an agent's keys is damaged", hint="remove it: a new key is made when it is needed"
            ) from error

    def __repr__(self) -> str:
        return f"KeyRecord({self.agent!r}, …)"


def _key(pem: str | None) -> AgentKey | None:
    return None if pem is None else AgentKey.from_pem(pem.encode())
