"""A launcher that speaks the sidecar's HTTP contract: fork, register, exec, report. Run as `python launcher.py` with JSON in argv.

It stands alone, as a foreign launcher would, and tells of what it did on stderr as one line of JSON.
"""

import http.client
import json
import os
import socket
import sys
import time


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("sidecar")
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def post(path: str, target: str, body: object) -> tuple[int, dict[str, object]]:
    connection = UnixConnection(path)
    connection.request("POST", target, json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def main() -> None:
    """`plan`: socket, executable, argv, launch (members that replace the honest ones), report_after (seconds)."""
    plan = json.loads(sys.argv[1])
    gate_read, gate_write = os.pipe()
    done_read, done_write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(gate_write)
        os.read(gate_read, 1)
        os.close(done_read)
        os.execv(plan["executable"], plan["argv"])
    os.close(done_write)
    declared = {"pid": child, "executable": plan["executable"], "argv": plan["argv"], **plan["launch"]}
    status, answer = post(plan["socket"], "/v1/launches", declared)
    told = {"pid": child, "register": [status, answer]}
    os.close(gate_write)
    os.read(done_read, 1)
    if status == 201 and plan.get("report_after", 0) is not None:
        time.sleep(plan.get("report_after", 0))
        told["started"] = post(plan["socket"], f"/v1/launches/{answer['id']}/started", {})
    sys.stderr.write(json.dumps(told) + "\n")
    sys.stderr.flush()
    os.waitpid(child, 0)


if __name__ == "__main__":
    main()
