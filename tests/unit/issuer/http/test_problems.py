"""Problem documents: a status for each code, and nothing in them that a caller must not see."""

import time

import pytest

from attestors.errors import EvidenceRefusedError
from issuer.errors import NotFoundError
from issuer.http.problems import problem
from issuer.storage import StorageError, UniqueViolationError
from remit.errors import InvalidInputError, RemitError, ScopeRefusedError


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotFoundError("x"), 404, "not_found"),
        (InvalidInputError("x"), 400, "malformed_request"),
        (InvalidInputError("x", code="invalid_location"), 400, "malformed_request"),
        (InvalidInputError("x", code="body_too_large"), 413, "body_too_large"),
        (ScopeRefusedError("x", code="scope_too_wide"), 403, "scope_too_wide"),
        (ScopeRefusedError("x"), 403, "forbidden"),
        (EvidenceRefusedError("x"), 403, "evidence_refused"),
        (StorageError("x"), 503, "storage_unavailable"),
        (UniqueViolationError("x"), 409, "conflict"),
        (RemitError("x"), 500, "internal"),
    ],
)
def test_an_error_has_a_status_and_a_stable_code(error, status, code):
    """By its code first, by its class otherwise."""
    document = problem(error)
    assert (document.status, document.code, document.type) == (status, code, f"urn:remit:problem:{code}")


def test_a_defect_tells_nothing_about_itself():
    """Its detail is for the log."""
    assert "secret path" not in str(problem(RemitError("secret path", hint="secret path")))


@pytest.mark.parametrize(
    ("detail", "shown"),
    [
        ("not a name: 's3cret'", "not a name: …"),
        ('not a name: "it\'s3cret"', "not a name: …"),
        ("not a name: 's3c\\'ret' at $.x", "not a name: … at $.x"),
        ("cut: 's3c" + 2000 * "r", "cut: …"),
        ("cut: 's3c" + 991 * "r" + "\\'", "cut: …"),
        ("the agent's name is not the account's", "the agent's name is not the account's"),
    ],
)
def test_what_an_error_quotes_of_its_input_is_cut(detail, shown):
    """A secret may have been put into the wrong place."""
    assert problem(InvalidInputError(detail)).detail == shown


@pytest.mark.parametrize("piece", ["\\'", "'a", '\\"', "eyJ", "remit_op_"])
def test_a_document_is_small_and_made_at_once_whatever_the_error_repeats(piece):
    """An input of a body's size, made to be hard to search."""
    error = InvalidInputError("not a name: " + piece * 20_000, hint=piece * 20_000)
    started = time.perf_counter()
    document = problem(error)
    assert len(document.detail) + len(document.hint) < 2010
    assert time.perf_counter() - started < 0.2
