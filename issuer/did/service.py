"""The door to DID documents."""

from collections.abc import Sequence

from issuer.did import store
from issuer.did.model import Document, account_document, agent_document
from issuer.errors import NotFoundError
from issuer.registry.state import State, effective
from issuer.storage import Database
from remit.errors import InvalidInputError
from remit.ids import AccountName, AgentName, TrustDomain


class DeactivatedError(NotFoundError):
    """The subject was revoked: its DID is deactivated for good."""

    default_code = "deactivated"


class DIDService:
    """The DID documents of one issuer."""

    def __init__(self, database: Database, *, issuer: str, host: str, trust_domain: TrustDomain) -> None:
        """Describe what `database` has.

        Args:
            database: the registry.
            issuer: the public URL.
            host: its host name, with its port if it has one.
            trust_domain: of the agents' SPIFFE IDs.
        """
        self._database = database
        self._issuer = issuer
        self._host = host
        self._trust_domain = trust_domain

    async def agent(self, account: str, path: str) -> Document:
        """The document of an agent.

        Raises:
            NotFoundError: there is no such agent; `DeactivatedError` when it, an ancestor or its account was revoked.
        """
        try:
            name = AgentName(account, path)
            document = agent_document(name, self._host, self._trust_domain, self._issuer)
        except InvalidInputError as error:
            raise _not_found(error) from error
        _require_living(await self._database.read(lambda tx: store.agent_states(tx, name)))
        return document

    async def account(self, account: str) -> Document:
        """The document of an account.

        Raises:
            NotFoundError: there is no such account; `DeactivatedError` when it was revoked.
        """
        try:
            name = AccountName.parse(account)
            document = account_document(name.name, self._host, self._issuer)
        except InvalidInputError as error:
            raise _not_found(error) from error
        _require_living(await self._database.read(lambda tx: store.account_states(tx, name.name)))
        return document


def _require_living(states: Sequence[State]) -> None:
    if not states:
        raise NotFoundError("there is no such account or agent")
    if effective(states) is State.REVOKED:
        raise DeactivatedError("this account or agent was revoked", hint="its DID is deactivated for good")


def _not_found(error: InvalidInputError) -> NotFoundError:
    return NotFoundError(f"there is no DID document here: {error.detail}", hint=error.hint)
