"""A provider's credential is for one issuer, and shows nowhere else."""

import traceback

import pytest

from remit import Verifier
from remit.errors import ConfigurationError
from remit.verifier.provider import ProviderCredential, credentials_of

ISSUER, OTHER = "https://issuer.example.org", "https://other.example.net"
SECRET = "remit_prov_0123456789abcdef"


def test_one_credential_is_for_the_only_issuer():
    """The header that it makes is the only place where it shows."""
    credentials = credentials_of(SECRET, [ISSUER])
    assert credentials[ISSUER].headers() == {"Authorization": f"Bearer {SECRET}"}
    assert SECRET not in repr(credentials) + str(credentials[ISSUER])


def test_a_mapping_says_which_is_whose():
    """Issuers without one are followed without a name."""
    assert credentials_of({OTHER: SECRET}, [ISSUER, OTHER]).keys() == {OTHER}
    assert credentials_of(None, [ISSUER]) == credentials_of({}, [ISSUER]) == {}


@pytest.mark.parametrize(
    ("credential", "issuers"),
    [
        (SECRET, [ISSUER, OTHER]),
        ({SECRET: ISSUER}, [ISSUER]),
        ({OTHER: SECRET}, [ISSUER]),
        ("", [ISSUER]),
        (f"{SECRET}\r\nX: y", [ISSUER]),
        (f"{SECRET}\n", [ISSUER]),
        (f"Bearer {SECRET}", [ISSUER]),
        (SECRET * 100, [ISSUER]),
        ({ISSUER: None}, [ISSUER]),
        (5, [ISSUER]),
    ],
    ids=["several", "swapped", "stranger", "empty", "header", "line-end", "scheme", "long", "none", "number"],
)
def test_another_is_refused_without_showing_it(credential, issuers):
    """Neither the message nor the traceback repeats it."""
    with pytest.raises(ConfigurationError) as refused:
        credentials_of(credential, issuers)
    assert refused.value.hint
    assert SECRET not in "".join(traceback.format_exception_only(refused.value))


def test_the_environment_has_one_for_the_only_issuer(monkeypatch):
    """It is not guessed whose it is; an argument, an empty mapping too, is instead of it."""
    monkeypatch.setenv("REMIT_PROVIDER_CREDENTIAL", SECRET)
    assert Verifier(ISSUER, "x").watch._credentials[ISSUER].headers() == ProviderCredential(SECRET).headers()
    assert Verifier([ISSUER, OTHER], "x", credential={}).watch._credentials == {}
    with pytest.raises(ConfigurationError):
        Verifier([ISSUER, OTHER], "x")
    monkeypatch.setenv("REMIT_PROVIDER_CREDENTIAL", "")
    assert Verifier([ISSUER, OTHER], "x").watch._credentials == {}


@pytest.mark.parametrize("arguments", [{"name": ""}, {"name": "x" * 129}, {"name": "a\nb"}, {"on_stale": "maybe"}])
def test_a_name_and_what_is_done_when_stale_are_checked(arguments):
    """A misspelt `allow` must not silently be a `deny`, nor the other way round."""
    with pytest.raises(ConfigurationError):
        Verifier(ISSUER, "x", **arguments)
