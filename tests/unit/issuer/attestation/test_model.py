"""The pure rules: who may join with what, and which session is good."""

import pytest
from msgspec import structs

from attestors.errors import EvidenceRefusedError
from issuer.attestation.model import JoinToken, Session, SessionRecord, SidecarRecord, check_join, check_session
from issuer.errors import UnauthenticatedError
from remit.ids import SidecarName

NOW = 1_800_000_000
EDGE = SidecarRecord(1, SidecarName.parse("edge-1"), None, active=True)
TOKEN = JoinToken(EDGE, NOW + 600, None)
JOINED = structs.replace(EDGE, jkt="key")


def test_a_new_sidecar_joins() -> None:
    """A token that is unused and in time admits any key."""
    assert check_join(TOKEN, "key", NOW) == EDGE


def test_the_same_key_may_join_again() -> None:
    """A sidecar that kept its key may use a new token."""
    assert check_join(structs.replace(TOKEN, sidecar=JOINED), "key", NOW) == JOINED


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (None, "evidence_refused"),
        (structs.replace(TOKEN, used_at=NOW - 1), "evidence_replayed"),
        (structs.replace(TOKEN, expires_at=NOW), "evidence_expired"),
        (structs.replace(TOKEN, sidecar=structs.replace(EDGE, jkt="other")), "evidence_refused"),
    ],
    ids=["unknown", "used", "late", "name-taken"],
)
def test_a_join_is_refused(token: JoinToken | None, code: str) -> None:
    """Unknown, used and late tokens, and names that another key has joined with, are refused with a hint."""
    with pytest.raises(EvidenceRefusedError) as refused:
        check_join(token, "key", NOW)
    assert refused.value.code == code
    assert refused.value.hint


def test_a_suspended_sidecar_may_not_join_or_act() -> None:
    """Its state is looked at each time."""
    gone = structs.replace(JOINED, active=False)
    with pytest.raises(UnauthenticatedError):
        check_join(structs.replace(TOKEN, sidecar=gone), "key", NOW)
    with pytest.raises(UnauthenticatedError):
        check_session(SessionRecord(gone, NOW + 60), "key", NOW)


@pytest.mark.parametrize(
    ("session", "jkt"),
    [
        (None, "key"),
        (SessionRecord(JOINED, NOW), "key"),
        (SessionRecord(JOINED, NOW + 60), "other"),
        (SessionRecord(EDGE, NOW + 60), "key"),
    ],
    ids=["unknown", "over", "another-key", "never-joined"],
)
def test_a_session_is_refused(session: SessionRecord | None, jkt: str) -> None:
    """A session is good only in time and with the key that its sidecar joined with."""
    with pytest.raises(UnauthenticatedError) as refused:
        check_session(session, jkt, NOW)
    assert refused.value.code == "session_invalid"


def test_a_session_does_not_show_its_secret() -> None:
    """What ends up in a log is the name."""
    assert "hidden" not in repr(Session(EDGE.name, "hidden", NOW))
