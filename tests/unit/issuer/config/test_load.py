"""Reading and checking the issuer's configuration."""

from pathlib import Path

import pytest

from issuer.config import load
from remit.errors import ConfigurationError

MINIMAL = 'trust_domain = "example.org"\n'
SECURE = MINIMAL + 'public_url = "https://issuer.example.org"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "remit.toml"
    path.write_text(text)
    return path


def refusal(folder: Path, text: str, **environment: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load(write(folder, text), environment)
    return caught.value


def test_a_trust_domain_is_all_that_must_be_said(tmp_path):
    """Everything else has a default; the data folder is the file's own, the URL follows the port on loopback."""
    config = load(write(tmp_path, MINIMAL), {})
    assert config.database_path == tmp_path / "remit.db"
    assert config.keys_dir == tmp_path / "keys"
    assert config.tokens.ttl_seconds == 300
    assert config.listening_on(4711).url == "http://localhost:4711"


def test_the_public_url_is_unknown_until_the_port_is(tmp_path):
    """Nobody can build a document on a URL that does not exist yet."""
    with pytest.raises(ConfigurationError, match="public_url"):
        _ = load(write(tmp_path, MINIMAL), {}).url


def test_a_set_public_url_stays(tmp_path):
    """The port that was bound does not change the name that others know."""
    config = load(write(tmp_path, SECURE), {}).listening_on(1)
    assert (config.url, config.host) == ("https://issuer.example.org", "issuer.example.org")


def test_variables_win_over_the_file(tmp_path):
    """`REMIT_<SECTION>__<KEY>` and `REMIT__<KEY>` are read with the type of their key."""
    environment = {"REMIT_TOKENS__TTL_SECONDS": "60", "REMIT__TRUST_DOMAIN": "other.example", "REMIT_ISSUER": "x"}
    config = load(write(tmp_path, MINIMAL + "[tokens]\nttl_seconds = 120\n"), environment)
    assert (config.tokens.ttl_seconds, config.trust_domain) == (60, "other.example")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "trust_domain"),
        ('trust_domain = "Example Org"', "trust_domain"),
        (MINIMAL + "[http]\nlistn = 1", "http"),
        (MINIMAL + "[tokens]\nttl_seconds = '300'", "tokens.ttl_seconds"),
        (MINIMAL + "[tokens]\nttl_seconds = 301", "tokens.ttl_seconds"),
        (MINIMAL + "[keys]\nprepare_seconds = 60\nrefresh_hint_seconds = 60", "keys.prepare_seconds"),
        (MINIMAL + '[http]\nlisten = "8750"', "http.listen"),
        (MINIMAL + '[http]\nlisten = "127.0.0.1:99999"', "http.listen"),
        (MINIMAL + '[http]\nlisten = "example.org:80"', "http.listen"),
        (MINIMAL + "colour = 1", "colour"),
        ("trust_domain = ", "TOML"),
    ],
)
def test_a_wrong_key_is_named(tmp_path, text, named):
    """The error names the key, so that the line can be found."""
    assert named in refusal(tmp_path, text).detail


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (MINIMAL + '[http]\nlisten = "0.0.0.0:8750"', "http.listen"),
        (MINIMAL + 'public_url = "http://issuer.example.org"', "public_url"),
        (MINIMAL + 'public_url = "http://10.0.0.1"', "public_url"),
        (MINIMAL + '[http]\ntls_certificate = "a.pem"', "http.tls_key"),
        (MINIMAL + '[http]\ntls_certificate = "a.pem"\ntls_key = "k.pem"', "public_url"),
        (MINIMAL + 'public_url="http://localhost"\n[http]\ntls_certificate = "a"\ntls_key = "k"', "public_url"),
    ],
)
def test_what_would_be_insecure_is_refused(tmp_path, text, named):
    """No token ever crosses an open network in the clear because of a default; the hint says what to set."""
    error = refusal(tmp_path, text)
    assert named in error.detail
    assert error.hint


@pytest.mark.parametrize(
    "url",
    [
        "https://issuer.example.org/",
        "https://Issuer.example.org",
        "issuer.example.org",
        "https://a@b.example",
        "https://",
        "https://h:x",
    ],
)
def test_a_public_url_has_one_form(tmp_path, url):
    """It is compared as text (`iss`, `htu`), so that a trailing slash or a capital would be another issuer."""
    assert "public_url" in refusal(tmp_path, MINIMAL + f"public_url = '{url}'").detail


@pytest.mark.parametrize("url", ["http://localhost:8750", "http://127.0.0.1:1", "http://[::1]:1", "https://10.0.0.1"])
def test_plain_http_is_for_this_host_only(tmp_path, url):
    """Development needs no certificate as long as nothing leaves the host."""
    assert load(write(tmp_path, MINIMAL + f"public_url = '{url}'"), {}).url == url


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("REMIT_HTTP__LISTN", "x"),
        ("REMIT__HTTP", "x"),
        ("REMIT_NOPE__LISTEN", "x"),
        ("REMIT_TOKENS__TTL_SECONDS", "soon"),
        ("REMIT_OIDC__ISSUER", "x"),
    ],
)
def test_a_wrong_variable_is_named(tmp_path, variable, value):
    """A misspelt variable is never silently ignored."""
    assert variable in refusal(tmp_path, MINIMAL, **{variable: value}).detail


def test_a_missing_file_says_how_to_get_one(tmp_path):
    """The first thing a new operator meets is helpful."""
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path / "none.toml", {})
    assert "remit init" in (caught.value.hint or "")


def test_certificate_paths_are_relative_to_the_file(tmp_path):
    """The issuer may be started from any folder."""
    text = SECURE + '[http]\nlisten = "0.0.0.0:443"\ntls_certificate = "c.pem"\ntls_key = "/k.pem"\n'
    http = load(write(tmp_path, text), {}).http
    assert (http.tls_certificate, http.tls_key) == (str(tmp_path / "c.pem"), "/k.pem")
