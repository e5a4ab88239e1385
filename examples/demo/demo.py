"""The main road, end to end, with real processes on loopback: attest, issue, verify, revoke.

    make demo

Starts an issuer on SQLite, a local OIDC provider, a sidecar, an API provider and agents, shows each step and checks that it
happened. Exit code 0 only if all did; nothing is left running, and the folder it used is removed.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from processes import HERE, REMIT, FailedError, Processes, answers, die_with_parent, free_port, lines_of_json, remit

SCOPE = {
    "type": "agent_spend",
    "version": 1,
    "actions": ["invoke"],
    "models": ["model-a"],
    "spend_limits": [{"amount": 20_000_000, "unit": "USD", "decimals": 6, "interval": "daily"}],
    "funding": "standing",
}

BLINK_SECONDS = 1.0
"""Longer than a call and its report take once the revocation has been seen everywhere."""


class Demo:
    """The trust domain of the demo, in `folder`."""

    def __init__(self, folder: Path, processes: Processes) -> None:
        self.folder = folder
        self.processes = processes
        ports = free_port(), free_port(), free_port()
        self.issuer, self.oidc, self.provider = (f"http://localhost:{port}" for port in ports)
        self.sockets = folder / "sockets"
        os.environ["REMIT_CREDENTIALS"] = str(folder / "issuer" / "operator.json")
        os.environ["REMIT_ISSUER"] = self.issuer

    def start_issuer(self) -> None:
        """An issuer on SQLite that accepts the ID tokens of one OIDC provider."""
        data = self.folder / "issuer"
        port = self.issuer.rpartition(":")[2]
        remit("init", str(data), "--trust-domain", "demo.example", "--listen", f"127.0.0.1:{port}")
        with (data / "remit.toml").open("a") as config:
            config.write(
                f'\n[[oidc]]\nname = "ci"\nissuer = "{self.oidc}"\ninsecure_loopback_http = true\nclaims = ["repository"]\n'
            )
        self.processes.start("oidc-provider", script("oidc_provider.py", port_of(self.oidc)), answers(self.oidc))
        serve = [*REMIT, "serve", "--config", str(data / "remit.toml")]
        self.processes.start("issuer", serve, answers(f"{self.issuer}/healthz/ready"))
        said(f"issuer at {self.issuer}, OIDC provider at {self.oidc}")

    def register(self) -> None:
        """One account, two agents: one is a script under a sidecar, the other a job of a CI system."""
        scope = self.folder / "scope.json"
        scope.write_text(json.dumps(SCOPE))
        remit("account", "create", "acme", "--owner", "ana@acme.example")
        for agent in ("acme/planner", "acme/nightly"):
            remit("agent", "create", agent)
            remit("grant", "create", agent, "--scope", str(scope))
        remit("join-token", "create", "edge-1", "--to", str(self.folder / "join-token"))
        digest = hashlib.sha256((HERE / "agent.py").read_bytes()).hexdigest()
        selectors = (f"unix:uid:{os.getuid()}", f"launch:script-sha256:{digest}")
        remit("entry", "create", "acme/planner", "--sidecar", "edge-1", *selected(*selectors))
        remit("entry", "create", "acme/nightly", *selected("oidc:ci:repository:acme/app"))
        said("acme/planner is this user's process that runs agent.py, acme/nightly a CI job of acme/app")

    def start_sidecar(self) -> None:
        """A sidecar, joined by a token that works once."""
        sidecar = [*REMIT, "sidecar", "run", "--issuer", self.issuer, "--state-dir", str(self.folder / "sidecar")]
        sidecar += ["--socket-dir", str(self.sockets), "--join-token-file", str(self.folder / "join-token")]
        self.processes.start("sidecar", sidecar, (self.sockets / "remit.sock").exists)
        said(f"sidecar joined, Workload API at unix://{self.sockets}/workload.sock")

    def start_provider(self) -> None:
        """An API that agents pay for, registered, so that a revocation waits for its verifier."""
        registered = json.loads(remit("provider", "add", "api", "--audience", self.provider, "-o", "json"))
        command = script("provider.py", port_of(self.provider), self.issuer)
        secret = {"REMIT_PROVIDER_CREDENTIAL": registered["credential"]}
        self.processes.start("provider", command, answers(self.provider), **secret)
        said(f"API provider at {self.provider}, the only change to it is a middleware")

    def agent(self, *options: str) -> list[str]:
        """The command line that launches the agent, attested."""
        launch = [*REMIT, "run", "--agent", "acme/planner", "--socket-dir", str(self.sockets), "--"]
        return [*launch, *script("agent.py", self.provider, *options)]

    def process_attested_call(self) -> None:
        """The launched script is accepted."""
        outcome = lines_of_json(output_of(self.agent()))[0]
        expect(outcome.get("status") == 200 and outcome.get("agent") == "acme/planner", outcome)
        said(f"accepted: the provider saw {outcome['agent']}, to be billed to account {outcome['account']}")

    def other_script_refused(self) -> None:
        """The same user, the same interpreter, another script: no identity."""
        copy = self.folder / "agent.py"
        copy.write_text((HERE / "agent.py").read_text() + "\n# one byte more\n")
        launch = [*REMIT, "run", "--agent", "acme/planner", "--socket-dir", str(self.sockets), "--"]
        outcome = lines_of_json(output_of([*launch, sys.executable, str(copy), self.provider]))[0]
        expect(outcome.get("status") == 0, outcome)
        said(f"refused by the issuer: {outcome['code']}")

    def oidc_attested_call(self) -> None:
        """The CI job's ID token becomes an agent token."""
        outcome = lines_of_json(output_of(script("ci_job.py", self.issuer, self.oidc, self.provider)))[0]
        expect(outcome.get("status") == 200 and outcome.get("agent") == "acme/nightly", outcome)
        said(f"accepted: the provider saw {outcome['agent']}")

    def out_of_scope_call(self) -> None:
        """A model that the grant does not name is refused by the provider."""
        outcome = lines_of_json(output_of(self.agent("--model", "model-huge")))[0]
        expect(outcome.get("status") == 403 and outcome.get("code") == "scope_refused", outcome)
        said(f"refused by the provider: {outcome['detail']}")

    def revocation(self) -> None:
        """The agent calls without pause; the operator revokes it; its next call is refused."""
        with subprocess.Popen(
            self.agent("--until-refused"), stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent
        ) as calling:
            watchdog = threading.Timer(30, calling.kill)
            watchdog.start()
            assert calling.stdout is not None
            first = json.loads(calling.stdout.readline())
            expect(first["status"] == 200, first)
            told = json.loads(remit("revoke", "acme/planner", "--reason", "demo", "--yes", "-o", "json"))
            revoked_at = time.time()
            last = json.loads(calling.stdout.readline() or "{}")
            watchdog.cancel()
        expect(last.get("status") == 401 or last.get("code") == "agent_not_active", last)
        expect(float(last["at"]) - revoked_at < BLINK_SECONDS, last)
        expect(len(told["enforced"]) == 1 and not told["silent"], told)
        seen = told["enforced"][0]
        said(f"`remit revoke`: refused by {seen['provider']} ({seen['verifier']}) after {seen['milliseconds']} ms")
        said(f"the agent's next call was refused: {last['code']}")

    def no_new_token(self) -> None:
        """A new process of the revoked agent gets no token either."""
        outcome = lines_of_json(output_of(self.agent()))[0]
        expect(outcome.get("status") == 0, outcome)
        said(f"launched again: {outcome['code']}")

    def did_document(self) -> None:
        """What the world can read about the agent that is still active."""
        document = json.loads(remit("did", "show", "acme/nightly"))
        expect(document.get("id", "").endswith(":account:acme:agent:nightly"), document)
        said("\n" + json.dumps(document, indent=2))


def selected(*selectors: str) -> list[str]:
    """Selectors as command line options."""
    return [word for selector in selectors for word in ("--selector", selector)]


def script(name: str, *arguments: str) -> list[str]:
    """The command line of a program of the demo."""
    return [sys.executable, str(HERE / name), *arguments]


def port_of(url: str) -> str:
    """The port of a URL."""
    return url.rpartition(":")[2]


def output_of(command: list[str]) -> str:
    """Run a program to its end; its standard output."""
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if ran.returncode:
        raise FailedError(f"{' '.join(command)}: {ran.stderr.strip()}")
    return ran.stdout


def expect(seen: bool, outcome: object) -> None:
    """End the demo unless what it is to show was seen."""
    if not seen:
        raise FailedError(f"this was not to be expected: {outcome}")


def said(text: str) -> None:
    """Tell the person who watches."""
    print(f"   {text}", flush=True)


STEPS = (
    ("start an issuer on SQLite", Demo.start_issuer),
    ("register an account, two agents, their grants and entries", Demo.register),
    ("start a sidecar", Demo.start_sidecar),
    ("start an API provider that uses the library", Demo.start_provider),
    ("a process-attested agent calls", Demo.process_attested_call),
    ("the same script, changed by one line, calls", Demo.other_script_refused),
    ("an OIDC-attested agent calls", Demo.oidc_attested_call),
    ("an agent calls out of its scope", Demo.out_of_scope_call),
    ("an operator revokes the agent while it calls", Demo.revocation),
    ("the revoked agent is launched again", Demo.no_new_token),
    ("the DID document of the other agent", Demo.did_document),
)


def main() -> int:
    """Run all steps; the exit code."""
    with tempfile.TemporaryDirectory(prefix="remit-demo-") as folder, Processes(Path(folder)) as processes:
        demo = Demo(Path(folder), processes)
        for number, (title, step) in enumerate(STEPS, start=1):
            print(f"{number:2}. {title}", flush=True)
            try:
                step(demo)
            except (FailedError, OSError, subprocess.TimeoutExpired, ValueError, KeyError) as error:
                print(f"   failed: {error}", file=sys.stderr)
                return 1
    print(f"all {len(STEPS)} steps were seen to happen; nothing is left running")
    return 0


if __name__ == "__main__":
    sys.exit(main())
