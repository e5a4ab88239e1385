"""Voiding tokens while their grants go on: the indexes that they name are revoked for good, and fresh ones are drawn at the next issuance.

What was delegated from such a token goes with it, and what was delegated from that. What the agent has for a task or on behalf of a person
does not: that came by evidence of its own.
"""

from typing import Final

from issuer.status.model import Mark, StatusIndex
from issuer.status.recompute import retire_index
from issuer.storage import Transaction, Value

_VOIDED: Final = """
WITH RECURSIVE voided (id) AS (
    SELECT id FROM grants WHERE {root}
    UNION SELECT grants.id FROM voided JOIN grants ON grants.parent_id = voided.id WHERE grants.delegated = 1
)
SELECT grants.id, status_list, status_index FROM voided JOIN grants ON grants.id = voided.id
WHERE status_index IS NOT NULL AND state <> 'revoked'
"""
OF_GRANT: Final = _VOIDED.format(root="id = $1")
OF_KEY: Final = _VOIDED.format(root="agent_id = (SELECT agent_id FROM subject_keys WHERE jkt = $1)")
"""The statements, for those who look at their plans."""


async def void_grant(tx: Transaction, grant_id: str) -> list[Mark]:
    """Void the tokens of a grant, and all that was delegated from them; returns what changed."""
    return await _void(tx, OF_GRANT, grant_id)


async def void_agent_of_key(tx: Transaction, jkt: str) -> list[Mark]:
    """Void the tokens of the agent that a key is of, and all that was delegated from them; returns what changed."""
    return await _void(tx, OF_KEY, jkt)


async def _void(tx: Transaction, statement: str, root: Value) -> list[Mark]:
    rows = await tx.fetch(statement, root)
    await tx.execute_many(
        "UPDATE grants SET status_list = NULL, status_index = NULL, revision = revision + 1 WHERE id = $1",
        [(row["id"],) for row in rows],
    )
    indexes = [StatusIndex(row["status_list"], row["status_index"]) for row in rows]
    return [mark for index in indexes for mark in await retire_index(tx, index)]
