"""What a request shows: a token alone, with a proof, or something else altogether."""

import pytest

from remit.dpop import create_proof
from remit.errors import ProofRefusedError, RefusedError
from remit.jose import public_jwk, thumbprint
from tests.fakes.public_issuer import SigningKey

URL = "https://api.example.com/v1/messages"


def test_a_bound_token_needs_a_new_proof_each_time(issuer, verifier):
    """A proof is used once, a repeated one is refused, and remembering the token does not change that."""
    key = SigningKey("agent", 77).private
    token = issuer.token(cnf={"jkt": thumbprint(public_jwk(key))})

    def show(proof):
        return verifier.verify(token, proof=proof, method="POST", url=URL)

    for _ in range(2):
        proof = create_proof(key, "POST", URL, now=issuer.now(), access_token=token)
        assert show(proof).key_thumbprint == thumbprint(public_jwk(key))
        with pytest.raises(ProofRefusedError):
            show(proof)
        with pytest.raises(ProofRefusedError):
            verifier.verify(token)


def test_a_seen_token_with_a_proof_is_refused_when_it_is_unbound(issuer, verifier):
    """The fast path does not overlook a proof."""
    token = issuer.token()
    verifier.verify(token)
    proof = create_proof(SigningKey("agent", 77).private, "POST", URL, now=issuer.now(), access_token=token)
    with pytest.raises(ProofRefusedError):
        verifier.verify(token, proof=proof, method="POST", url=URL)


@pytest.mark.parametrize("token", [None, 0, b"x", [], {}, object(), "", "\ud800"])
def test_hostile_input_is_only_ever_refused(verifier, token):
    """Whatever comes where a token should be: RefusedError."""
    for _ in range(2):
        with pytest.raises(RefusedError):
            verifier.verify(token)
