"""Two hundred registered verifiers, each with real connections: when the issuer says that all enforce a revocation, all do."""

from contextlib import ExitStack

from tests.fakes.issuer_process import AUDIENCE, initialize, running
from tests.fakes.many_verifiers import VerifierProcess

VERIFIERS = 200
PROCESSES = 2
REVOCATIONS = 12


def test_what_is_said_to_be_enforced_is_accepted_by_nobody(tmp_path):
    """Of each revocation the issuer names all 200 as enforcing and none as silent; at that moment no instance accepts any more."""
    with running(initialize(tmp_path / "data")) as issuer, ExitStack() as stack:
        issuer.register("acme/planner", "unix:uid:1000")
        grants = [issuer.post("/grants", agent="acme/planner", task=f"task-{number}") for number in range(REVOCATIONS)]
        credential = issuer.post("/providers", name="api", audiences=[AUDIENCE])["credential"]
        share = VERIFIERS // PROCESSES
        processes = [stack.enter_context(VerifierProcess(issuer.url, credential, share)) for _ in range(PROCESSES)]
        for process in processes:
            process.ready()
        for grant in grants:
            status = f"{issuer.url}/statuslists/{grant['status_list']} {grant['status_index']}"
            assert _accepting(processes, status) == VERIFIERS
            answer = issuer.post("/revoke", what=f"grant:{grant['id']}", reason="a test")
            told = issuer.operator.get(f"/enforcement/{answer['seq']}?wait_seconds=20", timeout=30).json()
            assert told["silent"] == []
            assert len(told["enforced"]) == VERIFIERS
            assert _accepting(processes, status) == 0


def _accepting(processes, status):
    for process in processes:
        process.ask_who_accepts(status)
    return sum(process.accepting() for process in processes)
