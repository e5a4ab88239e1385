"""Registering operators, and knowing them again by their credential."""

from issuer.audit.model import AuditRecord, Outcome
from issuer.audit.store import append
from issuer.changes import Change, was_made
from issuer.errors import ConflictError, NotFoundError, UnauthenticatedError
from issuer.registry import bearer
from issuer.registry.model import OperatorCredential, Page
from issuer.registry.names import refuse_reuse
from issuer.registry.requests import NewOperator
from issuer.registry.roles import Operator, Role
from issuer.registry.state import State
from issuer.registry.store.accounts import find_accounts
from issuer.registry.store.operators import (
    insert_operator,
    list_operators,
    operator_by_digest,
    read_operator,
    replace_digest,
)
from issuer.storage import Transaction

PREFIX = "remit_op_"
"""How an operator's credential begins."""


async def register_operator(tx: Transaction, change: Change, request: NewOperator) -> OperatorCredential:
    """Register an operator. Repeated with the same Idempotency-Key, the one registered then gets a new credential.

    Raises:
        NotFoundError: the account is not there.
        ConflictError: the name exists already.
        RetiredNameError: the name is that of a revoked operator.
    """
    token = bearer.draw(PREFIX)
    existing = await read_operator(tx, request.name)
    if existing is not None and await was_made(tx, change) and existing.state is State.ACTIVE:
        await replace_digest(tx, request.name, bearer.digest(token))
    elif existing is not None:
        refuse_reuse(f"operator {existing.name}", existing.state)
    else:
        account_id = await _account_id(tx, request.account)
        operator = Operator(name=request.name, role=request.role, account=request.account, created_at=change.now)
        await insert_operator(tx, operator, account_id, bearer.digest(token))
    await append(tx, _record(change.at_ms, change.operator.actor, request))
    return OperatorCredential(name=request.name, role=request.role.value, account=request.account, token=token)


async def register_first_operator(tx: Transaction, name: str, at_ms: int) -> OperatorCredential:
    """Register an admin in a database that has no operator yet.

    Raises:
        ConflictError: it has one.
    """
    if await list_operators(tx, Page(limit=1)):
        raise ConflictError("there is an operator already", hint="ask an admin for a credential")
    token = bearer.draw(PREFIX)
    operator = Operator(name=name, role=Role.ADMIN, created_at=at_ms // 1000)
    await insert_operator(tx, operator, None, bearer.digest(token))
    await append(tx, _record(at_ms, "init", NewOperator(name=name, role=Role.ADMIN)))
    return OperatorCredential(name=name, role=Role.ADMIN.value, account=None, token=token)


async def identify(tx: Transaction, token: str) -> Operator:
    """The operator whose credential this is.

    Raises:
        UnauthenticatedError: nobody's, or that of one who is suspended or revoked.
    """
    operator = await operator_by_digest(tx, bearer.digest(token))
    if operator is None or operator.state is not State.ACTIVE:
        raise UnauthenticatedError("not the credential of an active operator", hint="log in again with a current one")
    return operator


async def _account_id(tx: Transaction, account: str | None) -> int | None:
    if account is None:
        return None
    found = await find_accounts(tx, [account])
    if account not in found:
        raise NotFoundError(f"there is no account {account}", hint="register it first")
    return found[account].id


def _record(at_ms: int, actor: str, request: NewOperator) -> AuditRecord:
    return AuditRecord(
        at_ms=at_ms,
        kind="operator.create",
        outcome=Outcome.ALLOWED,
        actor=actor,
        account=request.account,
        detail={"operator": request.name, "role": request.role.value},
    )
