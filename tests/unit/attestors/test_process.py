"""Process facts to selectors."""

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestors.base import AppraisalContext, Origin
from attestors.errors import EvidenceRefusedError, ProcessRefusedError
from attestors.process import LaunchEvidence, ProcessAttestor, ProcessEvidence, selectors_of
from attestors.procfs import image_of, parse_stat, parse_status

SHA = "ab" * 32
CONTEXT = AppraisalContext(0, Origin.SIDECAR)


def test_every_fact_has_its_selector() -> None:
    """The words are those that entries use."""
    evidence = ProcessEvidence(
        uid=1000,
        gid=100,
        groups=[4, 27],
        executable="/usr/bin/python3.11",
        executable_sha256=SHA,
        cgroup="/system.slice/planner.service",
        launch=LaunchEvidence(
            uid=0, executable="/usr/bin/remit", script="/srv/agent.py", script_sha256=SHA, agent="a/b"
        ),
    )
    assert selectors_of(evidence) == {
        "unix:uid:1000",
        "unix:gid:100",
        "unix:supplementary-gid:4",
        "unix:supplementary-gid:27",
        "unix:path:/usr/bin/python3.11",
        f"unix:sha256:{SHA}",
        "cgroup:path:/system.slice/planner.service",
        "systemd:unit:planner.service",
        "launch:uid:0",
        "launch:path:/usr/bin/remit",
        "launch:script:/srv/agent.py",
        f"launch:script-sha256:{SHA}",
    }


def test_the_agent_that_a_launcher_names_is_no_fact() -> None:
    """It chooses among entries that match by other means; by itself it entitles to nothing."""
    plain = ProcessEvidence(uid=1, gid=1, launch=LaunchEvidence(uid=0))
    named = ProcessEvidence(uid=1, gid=1, launch=LaunchEvidence(uid=0, agent="acme/planner"))
    assert selectors_of(plain) == selectors_of(named)


def test_unknown_ids_are_nobody() -> None:
    """The overflow uid is refused; the overflow gid gives no selector."""
    with pytest.raises(EvidenceRefusedError):
        selectors_of(ProcessEvidence(uid=65534, gid=1))
    assert selectors_of(ProcessEvidence(uid=1, gid=65534, groups=[65534])) == {"unix:uid:1"}


@pytest.mark.parametrize(
    "changes",
    [
        {"uid": -1},
        {"uid": "1000"},
        {"uid": 1.5},
        {"uid": True},
        {"uid": 2**32 - 1},
        {"executable": "python3"},
        {"executable": "/x\ny"},
        {"executable_sha256": SHA + "\n"},
        {"executable_sha256": SHA.upper()},
        {"surprise": 1},
        {"attestor": "other"},
        {"groups": None},
    ],
)
async def test_evidence_that_does_not_parse_is_refused(changes: dict[str, object]) -> None:
    """Wrong types, ranges, forms and unknown fields."""
    evidence = {"attestor": "process", "uid": 1, "gid": 1, **changes}
    with pytest.raises(EvidenceRefusedError):
        await ProcessAttestor().appraise(msgspec.json.encode(evidence), CONTEXT)


async def test_what_a_sidecar_sends_is_read_back() -> None:
    """The struct's own encoding is what the issuer's half accepts."""
    evidence = ProcessEvidence(uid=7, gid=8, executable="/bin/x", executable_sha256=SHA, cgroup="/")
    appraisal = await ProcessAttestor().appraise(msgspec.json.encode(evidence), CONTEXT)
    assert appraisal.selectors == selectors_of(evidence)


def test_stat_is_read_behind_any_command_name() -> None:
    """A name with spaces, parentheses and digits shifts nothing."""
    stat = parse_stat(stat_line())
    assert (stat.alive, stat.parent_pid, stat.start_time) == (True, 77, 4242)
    assert (stat.start_code, stat.start_stack, stat.arg_start) == (111, 222, 333)


def stat_line(**changes: str) -> bytes:
    """A line of `/proc/PID/stat`."""
    values = {"state": "S", "start": "4242", "code": "111", "stack": "222", "arguments": "333", "other": "0", **changes}
    fields = [values["state"], "77", *[values["other"]] * 17, values["start"], *[values["other"]] * 3, values["code"]]
    fields += ["0", values["stack"], *["0"] * 19, values["arguments"], "0"]
    return f"12 (a) b 1 (2)) {' '.join(fields)}\n".encode()


def test_an_image_is_told_by_what_changes_with_it() -> None:
    """Start time and the addresses that execve draws anew make another image; processor time and the like do not."""
    image = image_of(stat_line())
    assert image is not None
    assert image_of(stat_line(other="9", state="R")) == image
    for changed in ("start", "code", "stack", "arguments"):
        assert image_of(stat_line(**{changed: "999"})) not in (image, None)


@pytest.mark.parametrize("state", ["Z", "X", "x"])
def test_the_dead_have_no_image(state: str) -> None:
    """Neither does `parse_stat` call them alive."""
    assert image_of(stat_line(state=state)) is None
    assert not parse_stat(stat_line(state=state)).alive


@given(st.one_of(st.binary(max_size=300), st.from_regex(rb"Uid:.{0,20}\n(Gid:.{0,20}\n)?(Groups:.{0,9})?")))
def test_no_other_error_than_ours(content: bytes) -> None:
    """Whatever /proc might say, parsing gives a value or our refusal."""
    for parse in (parse_stat, image_of, parse_status):
        with suppress(ProcessRefusedError):
            parse(content)
