"""The library's public names: what `import remit` promises."""

import remit

NAMES = [
    "AccountName",
    "AgentKey",
    "AgentName",
    "AgentToken",
    "Amount",
    "AuthorizedCall",
    "Client",
    "ConfigurationError",
    "Credential",
    "DID",
    "Identity",
    "Interval",
    "InvalidInputError",
    "ProofNonces",
    "ProofRefusedError",
    "RefusedError",
    "RemitError",
    "RevokedError",
    "SPIFFEID",
    "ScopeRefusedError",
    "SidecarName",
    "SpendLimit",
    "SpendScope",
    "StaleError",
    "StatusReference",
    "SuspendedError",
    "TokenExpiredError",
    "TokenInvalidError",
    "TokenRequest",
    "TrustDomain",
    "UnavailableError",
    "Verifier",
]


def test_public_names() -> None:
    """Names are added with thought and never lost."""
    assert sorted(remit.__all__) == sorted(NAMES)
    assert all(getattr(remit, name).__doc__ for name in NAMES)


def test_errors_are_one_tree() -> None:
    """Every public error is a `RemitError`, and every refusal of a token or a call a `RefusedError`."""
    errors = [getattr(remit, name) for name in NAMES if name.endswith("Error")]
    assert all(issubclass(error, remit.RemitError) for error in errors)
    refusals = {error.__name__ for error in errors if issubclass(error, remit.RefusedError)}
    assert refusals == {
        "RefusedError",
        "TokenInvalidError",
        "TokenExpiredError",
        "RevokedError",
        "SuspendedError",
        "StaleError",
        "ProofRefusedError",
        "ScopeRefusedError",
    }
