"""Waiting until verifiers enforce a change, against an issuer that answers as it likes."""

import time

import pytest
import typer

from cli.authority import tell
from cli.enforcement import wait_for
from cli.issuer_client import IssuerClient
from cli.output import Format
from remit.errors import RemitError
from tests.fakes.plain_http import Answer, serve_fake

ONE = {"verifier": "one", "provider": "shop", "milliseconds": 84}
TWO = {"verifier": "two", "provider": "shop", "on_stale": "deny", "refuses_by_ms": 1_700_000_015_000}
STOPPED = {
    "resolved": {"kind": "agent", "id": "acme/planner"},
    "changed": {"grants": 1},
    "seq": 7,
    "committed_at_ms": 1_700_000_000_000,
    "unregistered_refuse_by_ms": 1_700_000_015_000,
    "offline_refuse_by_ms": 1_700_000_305_000,
}
THE_OTHERS = "not registered: other Remit verifiers refuse by 2023-11-14 22:13:35.000Z, stacks that read no status by 2023-11-14 22:18:25.000Z\n"


def report(*, enforced=(), silent=()) -> Answer:
    return Answer(200, {"settled": not silent, "enforced": list(enforced), "silent": list(silent), "more": 1})


def told(answers, wait_seconds, *, verb="revoke", output=Format.TABLE, stopped=STOPPED):
    """What `tell` comes to: the exit code; the last of `answers` is repeated."""
    left = list(answers)
    with (
        serve_fake(lambda _request: left.pop(0) if len(left) > 1 else left[0]) as fake,
        IssuerClient(fake.url) as client,
    ):
        try:
            tell(verb, stopped, client, output, wait_seconds)
        except typer.Exit as ended:
            return ended.exit_code
    return 0


def test_the_wait_ends_the_moment_nobody_is_silent(capsys):
    """And says how many, and how long the last of them took."""
    began = time.monotonic()
    assert told([report(enforced=[ONE], silent=[TWO]), report(enforced=[ONE, ONE | {"milliseconds": 5}])], 10) == 0
    assert time.monotonic() - began < 2
    assert "refused at 2 of 2 connected verifiers after 84 ms\n" + THE_OTHERS in capsys.readouterr().out


def test_who_stays_silent_is_named_and_the_exit_code_says_so(capsys):
    """With the time by which it refuses on its own."""
    assert told([report(enforced=[ONE], silent=[TWO])], 0.3) == 3
    out = capsys.readouterr().out
    assert out.splitlines()[1:3] == [
        "refused at 1 of 2 connected verifiers after 84 ms",
        "silent: two of provider shop refuses on its own by 2023-11-14 22:13:35.000Z",
    ]


def test_an_issuer_that_does_not_wait_is_not_asked_without_end(capsys):
    """It has too many who wait, and answers at once: the command pauses."""
    left = [report(silent=[TWO])]
    with serve_fake(lambda _request: left[0]) as fake, IssuerClient(fake.url) as client:
        wait_for(client, 7, 1.0)
    assert 2 <= len(fake.requests) <= 7
    assert capsys.readouterr().err == ""  # no progress where there is no terminal


def test_an_issuer_that_hangs_up_meanwhile_is_asked_again():
    """It may be starting anew."""
    away = [Answer(0), Answer(0), Answer(0), Answer(503, {"code": "overloaded"})]
    assert told([*away, report(enforced=[ONE])], 5) == 0


@pytest.mark.parametrize(
    "answer",
    [Answer(404, {"code": "not_found", "detail": "there is no change 7 yet"}), Answer(200, {"silent": 5})],
    ids=str,
)
def test_not_to_know_is_not_success(capsys, answer):
    """The change is committed all the same, and said to be."""
    assert told([answer], 1) == 3
    captured = capsys.readouterr()
    assert captured.out.startswith("revoked agent acme/planner at 2023-11-14 22:13:20.000Z")
    assert captured.err.startswith("error: it is committed, but how far it is enforced is not known: ")
    assert told([answer], 1, output=Format.JSON) == 3
    assert '"enforced": null,\n  "silent": null' in capsys.readouterr().out


def test_what_no_verifier_checks_is_not_waited_for(capsys):
    """An operator, say; but a revocation that changed nothing because it was made before is."""
    stopped = STOPPED | {"resolved": {"kind": "operator", "id": "ana"}, "changed": {"grants": 0}}
    assert told([Answer(500)], 1, stopped=stopped) == 0
    assert capsys.readouterr().out.count("\n") == 1
    assert told([report(silent=[TWO])], 0, stopped=STOPPED | {"changed": {"grants": 0}}) == 3


def test_without_waiting_the_times_of_those_who_hear_nothing_are_told(capsys):
    """As a table; as JSON they are in the answer, which has the members of every other and null for what nobody waited for."""
    assert told([Answer(500)], None) == 0
    assert capsys.readouterr().out.splitlines()[1] + "\n" == THE_OTHERS
    assert told([Answer(500)], None, output=Format.JSON) == 0
    assert '"enforced": null,\n  "silent": null' in capsys.readouterr().out


def test_many_silent_ones_are_named_up_to_a_number(capsys):
    """A table stays readable; JSON has all."""
    assert told([report(silent=[TWO] * 25)], 0) == 3
    out = capsys.readouterr().out
    assert (out.count("silent: two"), "silent: 5 more; -o json names them" in out) == (20, True)


def test_resuming_speaks_of_accepting(capsys):
    """The same wait, in other words."""
    assert told([report(enforced=[ONE], silent=[TWO])], 0, verb="resume") == 3
    out = capsys.readouterr().out
    assert (
        "accepted again at 1 of 2 connected verifiers after 84 ms\nsilent: two of provider shop may still refuse\n"
        in out
    )


def test_an_answer_of_another_version_is_an_error():
    """Rather than a wrong count."""
    with (
        serve_fake(lambda _request: Answer(200, {"enforced": 3})) as fake,
        IssuerClient(fake.url) as client,
        pytest.raises(RemitError, match="a form that this version does not know"),
    ):
        wait_for(client, 7, 1)
