"""The issuer as a process: init, start, serve, stop, and every start that must not be."""

import json
import signal
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.fakes.certificates import write_certificate
from tests.fakes.issuer_process import ISSUER, StartError, initialize, running


def run(*words):
    return subprocess.run([*ISSUER, *map(str, words)], capture_output=True, text=True, timeout=30, check=False)


def test_init_makes_a_private_folder(tmp_path):
    """Nothing in it is open to others, and the credential in it works."""
    config = initialize(tmp_path / "data")
    folder = config.parent
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in folder.iterdir()} >= {"remit.toml", "remit.db", "keys", "operator.json"}
    for path in (config, folder / "remit.db", folder / "operator.json", *(folder / "keys").iterdir()):
        assert path.stat().st_mode & 0o077 == 0, path
    with running(config) as issuer:
        assert issuer.operator.get("/whoami").json()["role"] == "admin"


def test_init_names_the_issuer_in_the_credential(tmp_path):
    """The file is what the command line logs in with."""
    done = run("init", tmp_path / "data", "--trust-domain", "example.org", "--public-url", "https://issuer.example.org")
    assert done.returncode == 0, done.stderr
    credential = json.loads((tmp_path / "data" / "operator.json").read_text())
    assert credential["issuer"] == "https://issuer.example.org"
    assert credential["token"].startswith("remit_op_")
    assert credential["token"] not in done.stdout + done.stderr


def test_init_never_overwrites(tmp_path):
    """A folder that holds anything is refused."""
    (tmp_path / "file").touch()
    done = run("init", tmp_path, "--trust-domain", "example.org")
    assert (done.returncode, "not empty" in done.stderr) == (1, True)


def test_init_refuses_what_would_not_start(tmp_path):
    """The error comes now, not at the first start, and leaves the folder empty."""
    done = run("init", tmp_path / "data", "--trust-domain", "example.org", "--listen", "0.0.0.0:8750")
    assert (done.returncode, "http.listen" in done.stderr) == (1, True)
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"REMIT_HTTP__LISTEN": "0.0.0.0:0"}, "http.listen"),
        ({"REMIT__PUBLIC_URL": "http://issuer.example.org"}, "public_url"),
        ({"REMIT_HTTP__TLS_CERTIFICATE": "chain.pem"}, "http.tls_key"),
        ({"REMIT_HTTP__LISTN": "x"}, "REMIT_HTTP__LISTN"),
    ],
)
def test_it_does_not_start_insecurely(tmp_path, environment, named):
    """One line that names the setting, one that says what to do; exit code 1; no traceback."""
    config = initialize(tmp_path / "data")
    with pytest.raises(StartError) as caught, running(config, environment=environment):
        pass
    assert named in str(caught.value)
    assert "hint: " in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_it_does_not_start_on_a_folder_that_others_can_open(tmp_path):
    """The database and the keys are in it."""
    config = initialize(tmp_path / "data")
    config.parent.chmod(0o755)
    with pytest.raises(StartError, match="chmod 700"), running(config):
        pass


def test_it_does_not_start_without_its_key(tmp_path):
    """The path of the missing file is in the message."""
    config = initialize(tmp_path / "data")
    for path in (config.parent / "keys").iterdir():
        path.unlink()
    with pytest.raises(StartError, match="missing"), running(config):
        pass


def test_two_issuers_on_one_data_folder_are_refused(tmp_path):
    """The second one says why; the first one goes on."""
    config = initialize(tmp_path / "data")
    with running(config) as issuer:
        with pytest.raises(StartError, match="another issuer"), running(config):
            pass
        assert issuer.http.get("/healthz/ready").status_code == 200


def test_it_says_once_where_it_is_ready(tmp_path):
    """One line for the log, one for who started it."""
    with running(initialize(tmp_path / "data")) as issuer:
        assert issuer.url.startswith("http://localhost:")
        ready = [json.loads(line) for line in issuer.log().splitlines()]
        assert [line["url"] for line in ready if line["event"] == "ready"] == [issuer.url]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_when_it_is_told(tmp_path, number):
    """Exit code 0, and a restart finds everything."""
    config = initialize(tmp_path / "data")
    with running(config) as issuer:
        issuer.register("acme/planner", "unix:uid:1000")
        issuer.process.send_signal(number)
        assert issuer.process.wait(15) == 0
    with running(config) as issuer:
        assert issuer.operator.get("/agents/acme/planner").status_code == 200


def test_tls(tmp_path):
    """With a certificate it serves HTTPS, and nothing in the clear."""
    write_certificate(tmp_path, "localhost")
    config = initialize(tmp_path / "data")
    environment = {
        "REMIT_HTTP__TLS_CERTIFICATE": str(tmp_path / "chain.pem"),
        "REMIT_HTTP__TLS_KEY": str(tmp_path / "key.pem"),
        "REMIT_HTTP__LISTEN": "127.0.0.1:0",
        "REMIT__PUBLIC_URL": "https://localhost",
    }
    with running(config, environment=environment) as issuer:
        port = _port(issuer.process.pid)
        context = ssl.create_default_context(cafile=str(tmp_path / "chain.pem"))
        with httpx.Client(verify=context) as client:
            assert client.get(f"https://localhost:{port}/healthz/live").status_code == 200
        with pytest.raises(httpx.HTTPError), httpx.Client() as client:
            client.get(f"http://localhost:{port}/healthz/live")


def test_a_tls_key_that_everybody_can_read_is_refused(tmp_path):
    """The hint is the command that repairs it."""
    write_certificate(tmp_path, "localhost")
    (tmp_path / "key.pem").chmod(0o644)
    environment = {
        "REMIT_HTTP__TLS_CERTIFICATE": str(tmp_path / "chain.pem"),
        "REMIT_HTTP__TLS_KEY": str(tmp_path / "key.pem"),
        "REMIT__PUBLIC_URL": "https://localhost",
    }
    config = initialize(tmp_path / "data")
    with pytest.raises(StartError, match="chmod o="), running(config, environment=environment):
        pass


def _port(pid):
    """The port that a process listens on, as the kernel says."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        target = str(descriptor.readlink())
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and fields[9] in inodes:
            return int(fields[1].rpartition(":")[2], 16)
    raise AssertionError("it does not listen")
