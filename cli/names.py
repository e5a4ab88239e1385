"""What people have in hand for an agent or an account: its name, its SPIFFE ID or its DID."""

from remit.errors import InvalidInputError
from remit.ids import DID, SPIFFEID, AccountName, AgentName


def agent_named(text: str) -> AgentName:
    """The agent that `text` names: `acme/planner`, a SPIFFE ID or a DID; raises InvalidInputError."""
    found = subject_named(text)
    if isinstance(found, AgentName):
        return found
    raise InvalidInputError(f"{text!r} names an account, not an agent", hint="write the agent as account/agent")


def subject_named(text: str) -> AgentName | AccountName:
    """The agent or the account that `text` names, in any of its forms; raises InvalidInputError."""
    if text.startswith("spiffe://"):
        return AgentName.from_spiffe_id(SPIFFEID.parse(text))
    if text.startswith("did:"):
        did = DID.parse(text)
        return did.agent or AccountName(did.account)
    return AgentName.parse(text) if "/" in text else AccountName.parse(text)
