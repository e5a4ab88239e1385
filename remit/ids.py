"""Identifiers: trust domains, SPIFFE IDs, accounts, agents, sidecars and their DIDs; names of tasks.

Each is a frozen value that is valid once it exists: constructing or parsing anything else raises `InvalidInputError`.
SPIFFE-ID sections 2.1 to 2.3; did:web and did:webvh, "Method-Specific Identifier". Comparison is by exact text.
"""

import re
from typing import Final, Self

import msgspec

from remit.errors import InvalidInputError

MAX_ID_BYTES: Final = 2048
"""The longest SPIFFE ID (SPIFFE-ID section 2.3)."""

_SEGMENT: Final = r"(?!\.{1,2}(?:/|$))[a-zA-Z0-9._-]+"
_SEGMENT_RE: Final = re.compile(_SEGMENT, re.ASCII)
_PATH_RE: Final = re.compile(rf"(?:/{_SEGMENT})*", re.ASCII)
_AGENT_PATH_RE: Final = re.compile(rf"{_SEGMENT}(?:/sub/{_SEGMENT})*", re.ASCII)
_TASK_RE: Final = re.compile(r"[A-Za-z0-9._~:@/+=-]{1,128}", re.ASCII)
_TRUST_DOMAIN_RE: Final = re.compile(r"[a-z0-9._-]{1,255}", re.ASCII)
# A last label that begins with a letter rules out every spelling of an IPv4 address (127.0.0.1, 127.1, 0x7f000001).
_HOST_RE: Final = re.compile(r"(?=.{1,259}$)(?:[a-z0-9-]{1,63}\.)*[a-z][a-z0-9-]{0,62}(?::[1-9][0-9]{0,4})?", re.ASCII)
# The multihash of a SHA-256 digest in base58btc (did:webvh 1.0, SCID).
_SCID_RE: Final = re.compile(r"Qm[1-9A-HJ-NP-Za-km-z]{44}", re.ASCII)


class TrustDomain(msgspec.Struct, frozen=True, gc=False):
    """A SPIFFE trust domain, such as `example.org`: lower case, at most 255 bytes (SPIFFE-ID section 2.1)."""

    name: str

    def __post_init__(self) -> None:
        """Refuse what is not a trust domain name."""
        _require(_TRUST_DOMAIN_RE, self.name, "trust domain", "use lower case letters, digits, '.', '-' and '_'")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the name; raises `InvalidInputError`."""
        return cls(text)

    def __str__(self) -> str:
        return self.name


class SPIFFEID(msgspec.Struct, frozen=True, gc=False):
    """A SPIFFE ID: `spiffe://<trust domain><path>`, at most 2048 bytes.

    Attributes:
        trust_domain: its authority.
        path: "" for the trust domain's own ID, otherwise `/segment/segment`.
    """

    trust_domain: TrustDomain
    path: str

    def __post_init__(self) -> None:
        """Refuse a path that is not made of SPIFFE segments."""
        _require(_PATH_RE, self.path, "SPIFFE ID path", "segments are letters, digits, '.', '-' and '_'")
        if len(self.path) + len(self.trust_domain.name) + len("spiffe://") > MAX_ID_BYTES:
            raise InvalidInputError(f"SPIFFE ID is longer than {MAX_ID_BYTES} bytes")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `spiffe://example.org/account/acme/agent/planner`; raises `InvalidInputError`."""
        scheme, _, rest = _bounded(text, "SPIFFE ID").partition("//")
        if scheme != "spiffe:":
            raise InvalidInputError(f"not a SPIFFE ID: {text[:64]!r}", hint="it begins with spiffe://")
        domain, slash, path = rest.partition("/")
        return cls(TrustDomain(domain), slash + path)

    @property
    def segments(self) -> tuple[str, ...]:
        """The segments of the path, in order."""
        return tuple(self.path[1:].split("/")) if self.path else ()

    def __str__(self) -> str:
        return f"spiffe://{self.trust_domain.name}{self.path}"


class AccountName(msgspec.Struct, frozen=True, gc=False):
    """The name of an account: one segment, such as `acme`."""

    name: str

    def __post_init__(self) -> None:
        """Refuse what is not one segment."""
        _require_segment(self.name, "account name")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the name; raises `InvalidInputError`."""
        return cls(text)

    def did(self, host: str) -> "DID":
        """The account's DID under `host` (`issuer.example.org` or `localhost:8750`)."""
        return DID(host, self.name, None)

    def __str__(self) -> str:
        return self.name


class AgentName(msgspec.Struct, frozen=True, gc=False):
    """The name of an agent: its account, and its path there, as in `acme/planner` or `acme/planner/sub/search`.

    Attributes:
        account: the name of the account that owns and pays.
        path: `planner`, or `planner/sub/search` for a sub-agent, to any depth.
    """

    account: str
    path: str

    def __post_init__(self) -> None:
        """Refuse an account or a path that is not made of segments."""
        _require_segment(self.account, "account name")
        _require(
            _AGENT_PATH_RE, self.path, "agent name", "write it as account/agent, sub-agents as account/agent/sub/name"
        )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `acme/planner` or `acme/planner/sub/search`; raises `InvalidInputError`."""
        account, slash, path = _bounded(text, "agent name").partition("/")
        if not slash:
            raise InvalidInputError(f"not an agent name: {text[:64]!r}", hint="write it as account/agent")
        return cls(account, path)

    @classmethod
    def from_spiffe_id(cls, spiffe_id: SPIFFEID) -> Self:
        """The agent that `spiffe_id` names; raises `InvalidInputError` when it names something else."""
        empty, *parts = spiffe_id.path.split("/", 4)
        if empty or len(parts) != 4 or parts[0] != "account" or parts[2] != "agent":
            raise InvalidInputError(f"not the SPIFFE ID of an agent: {str(spiffe_id)[:128]!r}")
        return cls(parts[1], parts[3])

    @property
    def parent(self) -> "AgentName | None":
        """The agent that this one is a sub-agent of, or None."""
        head, separator, _ = self.path.rpartition("/sub/")
        return AgentName(self.account, head) if separator else None

    @property
    def depth(self) -> int:
        """How many agents are above this one: 0 for an agent of the account itself."""
        return self.path.count("/") // 2

    def spiffe_id(self, trust_domain: TrustDomain) -> SPIFFEID:
        """The agent's SPIFFE ID in `trust_domain`."""
        return SPIFFEID(trust_domain, f"/account/{self.account}/agent/{self.path}")

    def did(self, host: str) -> "DID":
        """The agent's DID under `host` (`issuer.example.org` or `localhost:8750`)."""
        return DID(host, self.account, self.path)

    def __str__(self) -> str:
        return f"{self.account}/{self.path}"


class SidecarName(msgspec.Struct, frozen=True, gc=False):
    """The name of a sidecar: one segment, such as `edge-1`."""

    name: str

    def __post_init__(self) -> None:
        """Refuse what is not one segment."""
        _require_segment(self.name, "sidecar name")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the name; raises `InvalidInputError`."""
        return cls(text)

    @classmethod
    def from_spiffe_id(cls, spiffe_id: SPIFFEID) -> Self:
        """The sidecar that `spiffe_id` names; raises `InvalidInputError` when it names something else."""
        match spiffe_id.segments:
            case ("sidecar", name):
                return cls(name)
            case _:
                raise InvalidInputError(f"not the SPIFFE ID of a sidecar: {str(spiffe_id)[:128]!r}")

    def spiffe_id(self, trust_domain: TrustDomain) -> SPIFFEID:
        """The sidecar's SPIFFE ID in `trust_domain`."""
        return SPIFFEID(trust_domain, f"/sidecar/{self.name}")

    def __str__(self) -> str:
        return self.name


class DID(msgspec.Struct, frozen=True, gc=False):
    """The DID of an account or an agent: did:web, or did:webvh when it has an SCID.

    Attributes:
        host: a lower-case host name with its port if it has one, `issuer.example.org` or `localhost:8750`; never an IP address.
        account: the account's name.
        agent_path: the agent's path (`planner/sub/search`), or None for the account's own DID.
        scid: what did:webvh certifies its history by, a base58 SHA-256 multihash; None for did:web.
    """

    host: str
    account: str
    agent_path: str | None
    scid: str | None = None

    def __post_init__(self) -> None:
        """Refuse a host or a name that did:web cannot carry."""
        _require_host(self.host)
        if self.scid is not None:
            _require(_SCID_RE, self.scid, "SCID", "it is 46 characters that begin with Qm")
        if self.agent_path is None:
            _require_segment(self.account, "account name")
        else:
            AgentName(self.account, self.agent_path)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `did:web:<host[%3Aport]>:account:<account>[:agent:<agent>]`, or the same after `did:webvh:<SCID>:`.

        Raises:
            InvalidInputError: it is not the DID of an account or an agent.
        """
        scid: str | None = None
        match _bounded(text, "DID").split(":"):
            case ["did", "web", host, "account", account, *rest]:
                pass
            case ["did", "webvh", scid, host, "account", account, *rest]:
                pass
            case _:
                raise _no_did(text)
        if "/" in text or (rest and (rest[0] != "agent" or len(rest) < 2)):
            raise _no_did(text)
        return cls(re.sub("%3[Aa]", ":", host, count=1), account, "/".join(rest[1:]) if rest else None, scid)

    @property
    def agent(self) -> AgentName | None:
        """The agent, or None for an account's DID."""
        return None if self.agent_path is None else AgentName(self.account, self.agent_path)

    @property
    def subject(self) -> str:
        """The name of the agent or the account: `acme/planner`, `acme`."""
        return self.account if self.agent_path is None else f"{self.account}/{self.agent_path}"

    def document_url(self) -> str:
        """Where the DID document is: HTTPS, except on `localhost`, where a development issuer serves plain HTTP."""
        return f"{self._folder_url()}/did.json"

    def history_url(self) -> str:
        """Where the history is (did:webvh), beside the document."""
        return f"{self._folder_url()}/did.jsonl"

    def _folder_url(self) -> str:
        scheme = "http" if self.host.partition(":")[0] == "localhost" else "https"
        agent = "" if self.agent_path is None else f"/agent/{self.agent_path}"
        return f"{scheme}://{self.host}/account/{self.account}{agent}"

    def __str__(self) -> str:
        agent = "" if self.agent_path is None else f":agent:{self.agent_path.replace('/', ':')}"
        method = "web" if self.scid is None else f"webvh:{self.scid}"
        return f"did:{method}:{self.host.replace(':', '%3A')}:account:{self.account}{agent}"


def check_task(text: str) -> str:
    """Return the name of a task, which whoever works on it chooses.

    Raises:
        InvalidInputError: not 1 to 128 letters, digits and `._~:@/+=-`.
    """
    if _TASK_RE.fullmatch(text) is None:
        raise InvalidInputError("not a task", hint="use 1 to 128 letters, digits and ._~:@/+=-")
    return text


def _no_did(text: str) -> InvalidInputError:
    return InvalidInputError(
        f"not the DID of an account or an agent: {text[:64]!r}",
        hint="it reads did:web:<host>:account:<account>:agent:<agent>, or did:webvh:<SCID>:<host>:…",
    )


def _require(pattern: re.Pattern[str], text: object, what: str, hint: str) -> None:
    if not isinstance(text, str) or pattern.fullmatch(text) is None:
        raise InvalidInputError(f"no valid {what}: {str(text)[:64]!r}", hint=hint)


def _require_segment(text: str, what: str) -> None:
    _require(_SEGMENT_RE, text, what, "use letters, digits, '.', '-' and '_'")


def _require_host(host: str) -> None:
    hint = "did:web needs a lower-case host name, never an IP address; localhost in development"
    _require(_HOST_RE, host, "host name", hint)
    if int(host.partition(":")[2] or 0) > 65535:
        raise InvalidInputError(f"not a port: {host[:64]!r}")


def _bounded(text: object, what: str) -> str:
    if not isinstance(text, str) or len(text) > MAX_ID_BYTES:
        raise InvalidInputError(f"{what} is not text of at most {MAX_ID_BYTES} bytes")
    return text
