"""Failures in words."""

import errno
import http.client
import os
import socket
import ssl

import pytest

from remit.reasons import reason_of


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED)), "connection refused"),
        (FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "/run/x"), "no such file or directory"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "name or service not known"),
        (TimeoutError("timed out"), "timed out"),
        (http.client.RemoteDisconnected("Remote end closed"), "the connection was closed without an answer"),
        (http.client.BadStatusLine("\x16\x03"), "the answer is not http"),
        (http.client.IncompleteRead(b"secret", 9), "the answer was cut off"),
        (http.client.HTTPException("it answered 500"), "it answered 500"),
        (
            ssl.SSLEOFError(8, "EOF occurred in violation of protocol (_ssl.c:1006)"),
            "tls failed: eof occurred in violation of protocol",
        ),
        (OSError(), "oserror"),
    ],
)
def test_an_error_is_told_in_words(error, words):
    """Lower case, without the number, the class or the C file that the error's own text has."""
    assert reason_of(error) == words


def test_a_refused_certificate_is_told_by_what_is_wrong_with_it():
    """The reason is OpenSSL's, without its file and line."""
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] (_ssl.c:1006)")
    error.verify_message = "certificate has expired"
    assert reason_of(error) == "its certificate is not accepted: certificate has expired"


def test_tls_reasons_are_words():
    """OpenSSL's constant becomes words."""
    error = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] (_ssl.c:1006)")
    error.reason = "WRONG_VERSION_NUMBER"
    assert reason_of(error) == "tls failed: wrong version number"
