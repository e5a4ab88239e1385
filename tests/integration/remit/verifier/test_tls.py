"""Over TLS events come as they do without, however its records cut them."""

import ssl

import pytest

from remit.errors import RevokedError, UnavailableError
from remit.verifier import Verifier
from tests.fakes.certificates import write_certificate
from tests.fakes.outcomes import wait_for, wait_until
from tests.fakes.public_issuer import AUDIENCE, PublicIssuer
from tests.fakes.status_events import CREDENTIAL


@pytest.fixture
def certificate(tmp_path):
    return write_certificate(tmp_path, "localhost")


@pytest.fixture
def issuer(certificate):
    """An issuer that speaks TLS only."""
    with PublicIssuer(events=True, registers=True, certificate=certificate) as running:
        yield running


def _following(issuer, certificate):
    tls = ssl.create_default_context(cafile=certificate[0])
    return Verifier(issuer.url, AUDIENCE, poll_interval=5, credential=CREDENTIAL, tls=tls)


@pytest.mark.parametrize("size", [1, 50, 20_000, 100_000], ids=str)
def test_events_come_over_tls(issuer, certificate, size):
    """In records of a few bytes, and in several full ones: what TLS holds back already read is not waited for."""

    def sent(frame):
        filled = frame.data if size < 1000 else b": " + b"x" * size + b"\n" + frame.data
        return [filled[place : place + size] for place in range(0, len(filled), size)]

    issuer.feed.transform = sent
    with _following(issuer, certificate) as verifier:
        wait_until(lambda: issuer.verifiers.enforced and issuer.feed.subscriptions)
        for index in range(400, 420):
            issuer.set_status(index, 1)
            assert wait_for(verifier, issuer.token(index=index), RevokedError) < 1.0
        wait_until(lambda: issuer.verifiers.enforced[-1][1] == issuer.seq)
        assert issuer.requests.count("/statuslists") == 1
    assert issuer.verifiers.registered == {}


def test_a_certificate_that_is_not_trusted_shows_no_credential(issuer, certificate, tmp_path):
    """Nothing is said to whoever cannot show whose name it bears."""
    (tmp_path / "other").mkdir()
    other = write_certificate(tmp_path / "other", "localhost")
    tls = ssl.create_default_context(cafile=other[0])
    with (
        pytest.raises(UnavailableError),
        Verifier(issuer.url, AUDIENCE, credential=CREDENTIAL, tls=tls, start_timeout=1),
    ):
        pass
    assert issuer.verifiers.shown == []
