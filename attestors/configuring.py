"""What an attestor is configured with: its own table, and what it may know of the issuer it works for."""

from dataclasses import dataclass
from typing import TypeVar

import msgspec

from attestors.fetching import HTTPClient
from remit.errors import ConfigurationError
from remit.ids import TrustDomain

TableT = TypeVar("TableT", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class AttestorHost:
    """The issuer as its attestors see it.

    Attributes:
        public_url: its `iss`: what evidence has to be addressed to.
        trust_domain: the domain it issues for.
        leeway_seconds: the one clock leeway.
        http: the client to fetch documents with.
    """

    public_url: str
    trust_domain: TrustDomain
    leeway_seconds: int
    http: HTTPClient


def decode_table(section: str, table: object, kind: type[TableT]) -> TableT:
    """Read a table of the configuration file as `kind`.

    Raises:
        ConfigurationError: an unknown key, a missing key or a wrong type; it names the section.
    """
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{section}: {error}") from error
