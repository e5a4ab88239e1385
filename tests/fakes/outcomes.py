"""What a verifier answers, and waiting until it answers something else."""

import time

from remit.errors import RefusedError

QUICK = {"poll_interval": 0.05, "max_staleness": 3.0, "start_timeout": 5.0}
"""The times of a verifier that notices changes soon enough for a test."""


def outcome_of(verifier, token):
    """The class of the refusal, or None when the token is accepted."""
    try:
        verifier.verify(token)
    except RefusedError as error:
        return type(error)
    return None


def wait_for(verifier, token, expected, seconds=5.0):
    """Wait until the token's outcome is what is expected; how long that took."""
    started = time.monotonic()
    while (outcome := outcome_of(verifier, token)) is not expected:
        assert time.monotonic() < started + seconds, f"still {outcome}"
        time.sleep(0.005)
    return time.monotonic() - started


def wait_until(holds, seconds=5.0):
    """Wait until `holds()` is true."""
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, "it did not come to hold"
        time.sleep(0.005)
