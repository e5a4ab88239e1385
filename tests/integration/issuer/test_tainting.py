"""A signing key is tainted while everything runs: no token by it is accepted once the operator is answered, and nobody waits."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from remit import RevokedError, TokenInvalidError, Verifier
from remit.jose import parse_unverified
from tests.fakes.issuer_process import AUDIENCE, initialize, running, wanted

UID = "unix:uid:1000"


@pytest.fixture
def issuer(tmp_path):
    config = initialize(tmp_path / "data")
    with running(config) as issuer:
        issuer.sidecar = issuer.joined("edge-1")
        issuer.register("acme/planner", UID, sidecar="edge-1")
        issuer.credential = issuer.post("/providers", name="shop", audiences=[AUDIENCE])["credential"]
        yield issuer
        assert "Traceback" not in issuer.log()


def issued(issuer, **more) -> str:
    (result,) = issuer.sidecar.issue(wanted(**more))
    return result["credentials"][0]["token"]


def kid_of(token) -> str:
    return parse_unverified(token).unverified_header()["kid"]


def active(issuer, purpose="token") -> str:
    keys = issuer.operator.get("/keys").json()["items"]
    (kid,) = [key["kid"] for key in keys if (key["purpose"], key["state"]) == (purpose, "active")]
    return kid


def enforced(issuer, answer) -> None:
    """Wait until every registered verifier enforces a change."""
    told = issuer.operator.get(f"/enforcement/{answer['seq']}", params={"wait_seconds": 20}, timeout=30).json()
    assert (len(told["enforced"]), told["silent"]) == (1, []), told


def taint(issuer, kid) -> None:
    enforced(issuer, issuer.post("/revoke", what=f"key:{kid}", reason="a test"))


def accepted_within(seconds, verifier, token) -> None:
    """The verifier accepts a token, if not now, then soon."""
    deadline = time.monotonic() + seconds
    while not accepts(verifier, token):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def accepts(verifier, token) -> bool:
    try:
        verifier.verify(token)
    except TokenInvalidError:
        return False
    return True


@pytest.mark.parametrize("prepared", [False, True])
def test_a_tainted_token_key(issuer, prepared):
    """What it signed is refused from when the verifier said so; what its successor signs is accepted once it has read the bundle."""
    with Verifier(issuer.url, audience=AUDIENCE, credential=issuer.credential) as verifier:
        before = issued(issuer)
        verifier.verify(before)
        if prepared:
            issuer.post("/keys/rotate")
        taint(issuer, kid_of(before))
        with pytest.raises(TokenInvalidError):
            verifier.verify(before)
        after = issued(issuer)
        assert kid_of(after) == active(issuer) != kid_of(before)
        accepted_within(2, verifier, after)
    published = [issuer.http.get(path).json() for path in ("/keys", "/bundle")]
    assert [[key["kid"] for key in document["keys"]] for document in published] == [[kid_of(after)]] * 2
    assert not (issuer.folder / "keys" / f"{kid_of(before)}.pem").exists()


def test_the_sequence_of_the_bundle_rises(issuer):
    """By which consumers see that what they hold is old."""
    before = issuer.http.get("/bundle").json()["spiffe_sequence"]
    issuer.post("/revoke", what=f"key:{active(issuer)}", reason="a test")
    assert issuer.http.get("/bundle").json()["spiffe_sequence"] > before


def test_a_tainted_status_key(issuer):
    """Its successor signs lists and events at once; verifiers learn it, and the next revocation reaches them as ever."""
    with Verifier(issuer.url, audience=AUDIENCE, credential=issuer.credential) as verifier:
        token = issued(issuer, task="t")
        verifier.verify(token)
        old = active(issuer, "status")
        taint(issuer, old)
        new = active(issuer, "status")
        listed = issuer.http.get("/statuslists/1").text
        assert kid_of(listed) == new != old
        assert [key["kid"] for key in issuer.http.get("/status/keys").json()["keys"]] == [new]
        verifier.verify(token)
        enforced(issuer, issuer.post("/revoke", what="task:t", reason="a test"))
        with pytest.raises(RevokedError):
            verifier.verify(token)


@contextmanager
def busy(issuer, count=4) -> Iterator[list[tuple[float, str]]]:
    """Sidecars that ask for tokens without a pause; when each was asked for, and the key that signed it."""
    got: list[tuple[float, str]] = []
    over = threading.Event()

    def work(sidecar):
        while not over.is_set():
            asked_at = time.monotonic()
            (result,) = sidecar.issue(wanted())
            got.append((asked_at, kid_of(result["credentials"][0]["token"])))

    sidecars = [issuer.joined(f"busy-{number}") for number in range(count)]
    for number in range(count):
        issuer.post("/entries", agent="acme/planner", selectors=[UID, "unix:gid:1000"], sidecar=f"busy-{number}")
    threads = [threading.Thread(target=work, args=(sidecar,)) for sidecar in sidecars]
    for thread in threads:
        thread.start()
    try:
        yield got
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_nobody_waits_and_nothing_slips_through(issuer):
    """Under load: no request fails; whoever asked after the operator was answered has no token by the tainted key."""
    tainted: list[tuple[float, str]] = []
    with busy(issuer) as got:
        for number in range(6):
            time.sleep(0.2)
            kid = active(issuer)
            if number % 2:
                issuer.post("/keys/rotate")
            issuer.post("/revoke", what=f"key:{kid}", reason="a test")
            tainted.append((time.monotonic(), kid))
    assert len(got) > 20
    for answered_at, kid in tainted:
        assert not [asked_at for asked_at, signed in got if signed == kid and asked_at > answered_at]
    assert {kid for _, kid in got} <= {*(kid for _, kid in tainted), active(issuer)}
    audited = issuer.operator.get("/audit", params={"kind": "issuance", "outcome": "refused"}).json()["records"]
    assert audited == []
