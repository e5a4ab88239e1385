"""What one key cannot say alone: combinations that would be insecure, or that could not work, are refused at start."""

import stat
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from issuer.config.model import Config
from remit.errors import ConfigurationError, InvalidInputError
from remit.ids import TrustDomain


def check(config: Config) -> None:
    """Refuse a configuration that is insecure or contradicts itself.

    Raises:
        ConfigurationError: its detail names the key, its hint says what to do.
    """
    _check_trust_domain(config)
    _check_listener(config)
    _check_public_url(config)
    _check_keys(config)


def check_private(path: Path, what: str) -> None:
    """Refuse a file or a folder that others than its owner can open.

    Raises:
        ConfigurationError: it is missing, or its mode is too open.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ConfigurationError(f"{what} {path} cannot be read: {error.strerror}") from error
    if stat.S_IMODE(mode) & 0o077:
        wanted = "700" if stat.S_ISDIR(mode) else "600"
        raise ConfigurationError(f"{what} {path} is open to other users", hint=f"chmod {wanted} {path}")


def _check_trust_domain(config: Config) -> None:
    try:
        TrustDomain.parse(config.trust_domain)
    except InvalidInputError as error:
        raise ConfigurationError(f"trust_domain: {error.detail}", hint=error.hint) from error


def _check_listener(config: Config) -> None:
    host, _ = config.http.address()
    if (config.http.tls_certificate is None) != (config.http.tls_key is None):
        raise ConfigurationError("http.tls_certificate and http.tls_key go together", hint="set both, or neither")
    if config.http.tls_certificate is None and not ip_address(host).is_loopback:
        raise ConfigurationError(
            f"http.listen {config.http.listen!r} is not a loopback address, and no certificate is set",
            hint="set http.tls_certificate and http.tls_key, or listen on 127.0.0.1 behind a proxy that ends TLS",
        )


def _check_public_url(config: Config) -> None:
    if config.public_url is None:
        if config.http.tls_certificate is not None:
            raise ConfigurationError("public_url is missing", hint="for instance https://issuer.example.org")
        return
    url = _parsed(config.public_url)
    if url.scheme == "http" and not _is_local(url.hostname or ""):
        raise ConfigurationError(
            f"public_url {config.public_url!r} is plain http", hint="use https; http is for localhost only"
        )
    if url.scheme == "http" and config.http.tls_certificate is not None:
        raise ConfigurationError("public_url is http, but http.tls_certificate is set", hint="write it as https://…")


def _parsed(public_url: str) -> SplitResult:
    """`public_url` taken apart; only its one normal form is accepted, because it is compared as text everywhere."""
    try:
        url = urlsplit(public_url)
        port = "" if url.port is None else f":{url.port}"
    except ValueError:
        url, port = SplitResult("", "", "", "", ""), ""
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
    if not host or url.scheme not in ("http", "https") or public_url != f"{url.scheme}://{host}{port}":
        raise ConfigurationError(
            f"public_url {public_url!r} is not a scheme and a host",
            hint="lower case, no path, no trailing slash: for instance https://issuer.example.org",
        )
    return url


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _check_keys(config: Config) -> None:
    if config.keys.prepare_seconds <= config.keys.refresh_hint_seconds:
        raise ConfigurationError(
            f"keys.prepare_seconds {config.keys.prepare_seconds} is not longer than keys.refresh_hint_seconds",
            hint="a new key must be in every consumer's bundle before it signs",
        )
