"""Whose token is taken for a person's: configuration that would let one token be two things is refused."""

import pytest

from attestors.configuring import AttestorHost
from attestors.errors import EvidenceRefusedError
from attestors.http_client import AiohttpClient
from issuer.persons import Pairwise, Persons
from remit.errors import ConfigurationError
from remit.ids import TrustDomain

HOST = AttestorHost("https://issuer.example.org", TrustDomain("example.org"), 5, AiohttpClient())
PERSON = {"name": "login", "issuer": "https://login.example", "audiences": ["my-app"]}
EVIDENCE = {"name": "ci", "issuer": "https://login.example", "audiences": ["agents"], "claims": ["sub"]}


def persons(person=PERSON, evidence=EVIDENCE, **changed):
    return Persons.from_settings([{**person, **changed}], [evidence], HOST, Pairwise(b"k" * 32))


def test_one_provider_may_know_persons_and_workloads():
    """By audiences that differ."""
    assert persons()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"audiences": ["my-app", "agents"]}, "is one of oidc 'ci' too"),
        ({"claims": ["email"]}, "claims"),
        ({"single_use": True}, "single_use"),
        ({"issuer": "https://issuer.example.org"}, "own tokens"),
        ({"issuer": None}, "issuer"),
        ({"algorithms": ["none"]}, "algorithms"),
        ({"issuer": "http://login.example"}, "login"),
    ],
)
def test_a_wrong_or_unsafe_table_is_refused(changed, words):
    """The message says which provider and what is wrong with it."""
    with pytest.raises(ConfigurationError) as refused:
        persons(**changed)
    assert words in str(refused.value)


def test_two_that_both_mean_the_issuer_are_refused():
    """Both left their audience out: a token for this issuer would be evidence and a person's."""
    table = {"name": "login", "issuer": "https://login.example"}
    with pytest.raises(ConfigurationError):
        persons(table, {**table, "name": "ci", "claims": ["sub"]})


async def test_without_a_provider_there_are_no_persons():
    """The refusal says what to configure."""
    nobody = Persons.from_settings([], [], HOST, Pairwise(b"k" * 32))
    with pytest.raises(EvidenceRefusedError) as refused:
        await nobody.verify("a.b.c", 0)
    assert "[[person]]" in str(refused.value)
