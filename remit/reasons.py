"""Why the system, TLS or HTTP failed, in words for a person: lower case, no error number, no file and line of a C library."""

import http.client
import re
import ssl
from typing import Final

_WORDS: Final = (
    (http.client.RemoteDisconnected, "the connection was closed without an answer"),
    (http.client.BadStatusLine, "the answer is not http"),
    (http.client.IncompleteRead, "the answer was cut off"),
)

_PLACE: Final = re.compile(r" \(_ssl\.c:\d+\)")


def reason_of(error: Exception) -> str:
    """What to say of `error`, such as `connection refused`; never empty."""
    for kind, words in _WORDS:
        if isinstance(error, kind):
            return words
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {_plain(error.verify_message)}"
    if isinstance(error, ssl.SSLError):
        name: str | None = getattr(error, "reason", None)  # only where OpenSSL has one, such as WRONG_VERSION_NUMBER
        return f"tls failed: {_plain(name.replace('_', ' ') if name else error.strerror or 'no reason given')}"
    if isinstance(error, OSError) and error.strerror:
        return _plain(error.strerror)
    return _plain(str(error)) or type(error).__name__.lower()


def _plain(text: str) -> str:
    return _PLACE.sub("", text).lower().removesuffix(".")
