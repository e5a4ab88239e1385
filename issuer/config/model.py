"""What the issuer is told at start: one frozen object, every key with its default and its meaning."""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct, structs

from remit.errors import ConfigurationError
from remit.ids import TrustDomain

Table = dict[str, object]
"""A TOML table whose keys the attestor it belongs to checks."""


class HTTPConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[http]`: where the issuer listens.

    Attributes:
        listen: `address:port`; port 0 takes a free one.
        tls_certificate: a PEM chain; needed unless `listen` is a loopback address.
        tls_key: its private key, PEM.
        request_seconds: how long a request may take to arrive, and a connection may wait for one.
        shutdown_seconds: how long requests in flight may take to finish once the issuer is told to stop.
    """

    listen: str = "127.0.0.1:8750"
    tls_certificate: str | None = None
    tls_key: str | None = None
    request_seconds: Annotated[int, Meta(ge=1, le=3600)] = 60
    shutdown_seconds: Annotated[int, Meta(ge=1, le=300)] = 10

    def address(self) -> tuple[str, int]:
        """The listening address as `(host, port)`.

        Raises:
            ConfigurationError: not `address:port`.
        """
        host, _, port = self.listen.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        try:
            ip_address("127.0.0.1" if host == "localhost" else host)
        except ValueError:
            host = ""
        if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise ConfigurationError(
                f"http.listen {self.listen!r} is not an address and a port", hint="for instance 127.0.0.1:8750"
            )
        return ("127.0.0.1" if host == "localhost" else host), int(port)


class TokensConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[tokens]`: how long what is issued lives.

    Attributes:
        ttl_seconds: the longest life of an agent token, five minutes at most.
        task_ttl_seconds: the life of a grant that is opened for a task.
        max_open_tasks: most tasks of one agent whose grants are open at the same time.
        leeway_seconds: the clock leeway, one number for everything that is checked.
    """

    ttl_seconds: Annotated[int, Meta(ge=10, le=300)] = 300
    task_ttl_seconds: Annotated[int, Meta(ge=60, le=31_536_000)] = 86_400
    max_open_tasks: Annotated[int, Meta(ge=0, le=100_000)] = 1000
    leeway_seconds: Annotated[int, Meta(ge=0, le=60)] = 5


class KeysConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[keys]`: how signing keys are rotated.

    Attributes:
        instance: which issuer this is, among those that share a database; its keys are its own.
        prepare_seconds: how long a new key is published before it signs.
        refresh_hint_seconds: how often consumers are told to fetch the bundle again.
    """

    instance: Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9-]{0,62}\Z")] = "issuer-1"
    prepare_seconds: Annotated[int, Meta(ge=2, le=604_800)] = 300
    refresh_hint_seconds: Annotated[int, Meta(ge=1, le=86_400)] = 60


class StatusConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[status]`: how changes of status are told to those who listen.

    Attributes:
        heartbeat_seconds: how often subscribers are told that nothing changed.
        max_subscribers: most anonymous subscribers, and most registered ones of each provider. Anonymous ones never take more than
            half of the files that the process may open.
        max_subscribers_per_address: most anonymous subscribers from one address (IPv6: from one /64).
    """

    heartbeat_seconds: Annotated[int, Meta(ge=1, le=5)] = 1
    max_subscribers: Annotated[int, Meta(ge=1, le=65_536)] = 4096
    max_subscribers_per_address: Annotated[int, Meta(ge=1, le=65_536)] = 64


class LogConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[log]`: what is written to stderr.

    Attributes:
        level: the least severity that is written.
        format: `console` for people, `json` for programs, `auto`: by whether stderr is a terminal.
    """

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"


class Config(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything the issuer is told at start.

    Attributes:
        trust_domain: the SPIFFE trust domain that it issues for.
        public_url: the URL that others know it by: `iss`, and the base of every URL in its documents. May be left out on
            loopback: then `http://localhost:PORT`.
        data_dir: its folder: database and keys. Left out: the folder of the configuration file.
        http: where it listens.
        tokens: how long what is issued lives.
        keys: how signing keys are rotated.
        status: how changes of status are told.
        log: what is written to stderr.
        oidc: the OIDC issuers whose tokens are evidence, one table each.
        person: the OIDC issuers whose tokens say on whose behalf an agent acts, one table each.
        spiffe: the foreign trust domains whose JWT-SVIDs are evidence, one table each.
        attestors: the tables of attestors that were installed beside those of Remit, by name.
    """

    trust_domain: str
    public_url: str | None = None
    data_dir: str = ""
    http: HTTPConfig = HTTPConfig()
    tokens: TokensConfig = TokensConfig()
    keys: KeysConfig = KeysConfig()
    status: StatusConfig = StatusConfig()
    log: LogConfig = LogConfig()
    oidc: tuple[Table, ...] = ()
    person: tuple[Table, ...] = ()
    spiffe: tuple[Table, ...] = ()
    attestors: dict[str, Table] = {}

    @property
    def database_path(self) -> Path:
        """The SQLite file."""
        return Path(self.data_dir) / "remit.db"

    @property
    def keys_dir(self) -> Path:
        """The folder of the private keys."""
        return Path(self.data_dir) / "keys"

    @property
    def domain(self) -> TrustDomain:
        """The trust domain as a value."""
        return TrustDomain.parse(self.trust_domain)

    @property
    def url(self) -> str:
        """The public URL, once it is known.

        Raises:
            ConfigurationError: it was left out and the port is not known yet.
        """
        if self.public_url is None:
            raise ConfigurationError("public_url is not known yet", hint="set it, or listen first")
        return self.public_url

    @property
    def host(self) -> str:
        """The host name of the public URL with its port if it has one: what DIDs are under."""
        return urlsplit(self.url).netloc

    def listening_on(self, port: int) -> "Config":
        """This configuration once `port` is bound: with a public URL even if none was set."""
        return self if self.public_url else structs.replace(self, public_url=f"http://localhost:{port}")
