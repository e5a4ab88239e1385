"""DPoP nonces (RFC 9449 sections 8 and 9) without a store: an HMAC over a span of time.

A nonce is good in the span it was given in and in the next one, so it lives between one and two spans. It bounds how long
ago a proof can have been made in advance; that a proof is used once is the replay memory's business.
"""

import hashlib
import hmac
import secrets
from functools import lru_cache
from typing import Final

from remit.errors import ConfigurationError
from remit.jose import b64url_encode

SPAN_SECONDS: Final = 120
MIN_KEY_BYTES: Final = 32
_TAG_BYTES: Final = 16


class ProofNonces:
    """Gives and checks nonces under one key; the processes that stand behind one URL share it."""

    def __init__(self, key: bytes | None = None) -> None:
        """Use `key`, at least 32 random bytes, or draw one, which this process and its forks know.

        Raises:
            ConfigurationError: it is shorter.
        """
        if key is not None and len(key) < MIN_KEY_BYTES:
            raise ConfigurationError(
                f"a nonce key has at least {MIN_KEY_BYTES} bytes", hint="draw one with secrets.token_bytes(32)"
            )
        self._key = secrets.token_bytes(MIN_KEY_BYTES) if key is None else key
        self._nonce = lru_cache(maxsize=4)(self._make)

    def current(self, now: int) -> str:
        """The nonce of this moment; `now` in unix seconds."""
        return self._nonce(now // SPAN_SECONDS)

    def accepts(self, nonce: str | None, now: int) -> bool:
        """Whether `nonce` was given in this span or the one before."""
        if nonce is None:
            return False
        span = now // SPAN_SECONDS
        shown = nonce.encode("utf-8", "replace")
        compare, given = hmac.compare_digest, self._nonce
        return compare(shown, given(span).encode()) or compare(shown, given(span - 1).encode())

    def _make(self, span: int) -> str:
        return b64url_encode(hmac.digest(self._key, b"remit dpop nonce %d" % span, hashlib.sha256)[:_TAG_BYTES])
