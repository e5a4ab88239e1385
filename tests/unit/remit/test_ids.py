"""Identifiers: what parses, what is refused, and that every form leads back to the same value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.errors import InvalidInputError
from remit.ids import DID, SPIFFEID, AccountName, AgentName, SidecarName, TrustDomain

SEGMENTS = st.from_regex(r"[a-zA-Z0-9._-]{1,12}", fullmatch=True).filter(lambda text: text not in (".", ".."))
AGENTS = st.builds(
    lambda account, names: AgentName(account, "/sub/".join(names)), SEGMENTS, st.lists(SEGMENTS, min_size=1, max_size=6)
)
SCID = "QmdmPkUdYzbr9txmx8gM2rsHPgr5L6m3gHjJGAf4vUFoGE"
DOMAIN = TrustDomain("example.org")
HOSTS = st.sampled_from(["issuer.example.org", "localhost", "localhost:8750"])


@given(agent=AGENTS, host=HOSTS)
def test_agent_round_trips(agent: AgentName, host: str) -> None:
    """A name, its SPIFFE ID and its DID are three spellings of one agent."""
    assert AgentName.parse(str(agent)) == agent
    assert AgentName.from_spiffe_id(SPIFFEID.parse(str(agent.spiffe_id(DOMAIN)))) == agent
    assert DID.parse(str(agent.did(host))) == agent.did(host)
    assert DID.parse(str(agent.did(host))).agent == agent


def test_forms() -> None:
    """The spellings are those of the wire format."""
    agent = AgentName.parse("acme/planner/sub/search")
    assert str(agent.spiffe_id(DOMAIN)) == "spiffe://example.org/account/acme/agent/planner/sub/search"
    assert str(agent.did("localhost:8750")) == "did:web:localhost%3A8750:account:acme:agent:planner:sub:search"
    assert str(AccountName("acme").did("issuer.example.org")) == "did:web:issuer.example.org:account:acme"
    assert agent.parent == AgentName("acme", "planner")
    assert agent.depth == 1
    assert AgentName("acme", "planner").parent is None
    sidecar = SidecarName.parse("edge-1").spiffe_id(DOMAIN)
    assert str(sidecar) == "spiffe://example.org/sidecar/edge-1"
    assert sidecar.segments == ("sidecar", "edge-1")
    assert SidecarName.from_spiffe_id(sidecar) == SidecarName("edge-1")
    assert SPIFFEID.parse("spiffe://example.org").segments == ()


def test_document_url() -> None:
    """A DID leads to its document over HTTPS, and on localhost over HTTP."""
    did = AgentName("acme", "planner/sub/x").did("issuer.example.org")
    assert did.document_url() == "https://issuer.example.org/account/acme/agent/planner/sub/x/did.json"
    assert did.history_url() == "https://issuer.example.org/account/acme/agent/planner/sub/x/did.jsonl"
    assert AccountName("acme").did("localhost:8750").document_url() == "http://localhost:8750/account/acme/did.json"


def test_a_did_with_an_scid_is_did_webvh() -> None:
    """The SCID comes first; everything else is as in did:web."""
    text = f"did:webvh:{SCID}:localhost%3A8750:account:acme:agent:planner:sub:search"
    did = DID.parse(text)
    assert (did.scid, did.host, did.agent) == (SCID, "localhost:8750", AgentName("acme", "planner/sub/search"))
    assert did.subject == "acme/planner/sub/search"
    assert str(did) == text
    assert DID.parse(f"did:webvh:{SCID}:a.example:account:acme").subject == "acme"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "spiffe:",
        "spiffe://",
        "spiffe:///a",
        "SPIFFE://example.org/a",
        "spiffe://Example.org/a",
        "spiffe://example.org/",
        "spiffe://example.org/a/",
        "spiffe://example.org//a",
        "spiffe://example.org/a/../b",
        "spiffe://example.org/.",
        "spiffe://example.org/a\n",
        "spiffe://example.org\n",
        "spiffe://example.org/a b",
        "spiffe://example.org/%41",
        "spiffe://example.org/ä",
        "spiffe://example.org:443/a",
        "spiffe://user@example.org/a",
        "spiffe://example.org/a?b",
        "spiffe://example.org/a#b",
        "spiffe://example.org/" + "a" * 2048,
        f"spiffe://{'a' * 256}/a",
        "https://example.org/a",
        None,
        b"spiffe://example.org/a",
    ],
)
def test_refuses_what_is_no_spiffe_id(text: str) -> None:
    """Anything outside SPIFFE-ID section 2 is refused, a trailing newline too."""
    with pytest.raises(InvalidInputError):
        SPIFFEID.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "acme",
        "acme/",
        "/planner",
        "acme/planner/",
        "acme/planner/x",
        "acme/planner/sub",
        "acme/planner/sub/",
        "acme/..",
        "./x",
        "a/b\n",
    ],
)
def test_refuses_what_is_no_agent(text: str) -> None:
    """An agent name has an account, a name, and `/sub/<name>` for each level below."""
    with pytest.raises(InvalidInputError):
        AgentName.parse(text)


@pytest.mark.parametrize(
    "path", ["", "/account/acme", "/account/acme/agent", "/account/acme/agent/a/b", "/sidecar/a", "/agent/a/account/b"]
)
def test_refuses_other_paths(path: str) -> None:
    """Only an agent's SPIFFE ID names an agent."""
    with pytest.raises(InvalidInputError):
        AgentName.from_spiffe_id(SPIFFEID(DOMAIN, path))


@pytest.mark.parametrize("path", ["", "/sidecar", "/sidecar/a/b", "/account/acme/agent/a"])
def test_refuses_other_sidecar_paths(path: str) -> None:
    """Only a sidecar's SPIFFE ID names a sidecar."""
    with pytest.raises(InvalidInputError):
        SidecarName.from_spiffe_id(SPIFFEID(DOMAIN, path))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "[::1]",
        "a..b",
        ".a",
        "A.example",
        "a.example:0",
        "a.example:99999",
        "a/b",
        "a\n",
        "",
    ],
)
def test_did_refuses_addresses(host: str) -> None:
    """did:web needs a host name; no spelling of an IP address passes."""
    with pytest.raises(InvalidInputError):
        AccountName("acme").did(host)


@pytest.mark.parametrize(
    "text",
    [
        "did:web:a.example",
        "did:web:a.example:account",
        "did:web:a.example:8750:account:acme",
        "did:key:a.example:account:acme",
        "did:web:a.example:account:acme:agent",
        "did:web:a.example:account:acme:other:x",
        "did:web:a.example:account:acme:agent:a/sub/b",
        "did:web:a.example:account:acme:agent:a:b",
        "did:web:a.example%2Fx:account:acme",
        "did:web:a.example:account:acme\n",
        "did:webvh:a.example:account:acme",
        "did:webvh::a.example:account:acme",
        f"did:webvh:{SCID[:-1]}0:a.example:account:acme",
        f"did:webvh:{SCID}",
        f"did:webvh:{SCID}:a.example:8750:account:acme",
        "did:web",
    ],
)
def test_refuses_other_dids(text: str) -> None:
    """Only the DID of an account or an agent parses."""
    with pytest.raises(InvalidInputError):
        DID.parse(text)


@given(st.text(max_size=60))
def test_parsers_never_crash(text: str) -> None:
    """Whatever comes in, a value comes out that spells itself the same, or `InvalidInputError`."""
    for kind in (TrustDomain, SPIFFEID, AccountName, AgentName, SidecarName, DID):
        try:
            assert kind.parse(str(kind.parse(text))) == kind.parse(text)
        except InvalidInputError:
            continue
