"""The listening socket, its TLS and how many connections fit: bound before anything is built, because documents name the port."""

import resource
import socket
import ssl
import stat
from pathlib import Path

from issuer.config import HTTPConfig
from remit.errors import ConfigurationError

_FILES = 65_536
"""As many as the kernel's own bookkeeping of them takes little memory for."""


def may_open() -> int:
    """How many files the process may open, connections included; the first call raises that as far as it is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(soft, wanted)


def bind(config: HTTPConfig) -> socket.socket:
    """Bind the configured address; nobody is accepted yet.

    Raises:
        ConfigurationError: the address is in use, not this host's, or not allowed.
    """
    host, port = config.address()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"cannot listen on {config.listen}: {error.strerror}", hint="set http.listen to another address or port"
        ) from error
    listener.setblocking(False)
    return listener


def tls_context(config: HTTPConfig) -> ssl.SSLContext | None:
    """The TLS context of the configured certificate, or None for plain HTTP.

    Raises:
        ConfigurationError: the certificate or its key cannot be used, or every user can read the key.
    """
    if config.tls_certificate is None or config.tls_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        if Path(config.tls_key).stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
            raise ConfigurationError(
                f"http.tls_key {config.tls_key} is open to every user", hint=f"chmod o= {config.tls_key}"
            )
        context.load_cert_chain(config.tls_certificate, config.tls_key)
    except ssl.SSLError as error:
        raise ConfigurationError(f"http.tls_certificate and http.tls_key do not fit: {error.reason}") from error
    except OSError as error:
        raise ConfigurationError(f"http.tls_certificate or http.tls_key: {error.strerror}") from error
    return context
