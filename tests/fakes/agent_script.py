"""A program to launch in tests: does what each line of stdin says, and answers each with one line of JSON.

Run as `python agent_script.py SOCKET [INHERITED_FD]`. It stands alone: no import of the project.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

SOCKET = sys.argv[1] if len(sys.argv) > 1 else ""


def connect() -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(SOCKET)
    return connection


def ask(connection: socket.socket, body: dict[str, object]) -> dict[str, object]:
    content = json.dumps(body).encode()
    head = f"POST /v1/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    connection.sendall(head.encode() + content)
    answer = b""
    while b"\r\n\r\n" not in answer:
        chunk = connection.recv(65536)
        if not chunk:
            return {"closed": True}
        answer += chunk
    headers, _, rest = answer.partition(b"\r\n\r\n")
    length = int(next(line for line in headers.splitlines() if line.lower().startswith(b"content-length")).split()[1])
    while len(rest) < length:
        rest += connection.recv(65536)
    return json.loads(rest)  # type: ignore[no-any-return]


def fetch(connection: socket.socket | None = None, **body: object) -> dict[str, object]:
    return ask(connection or connect(), {"audience": "https://api.example.com", **body})


def in_fork(connection: socket.socket | None) -> dict[str, object]:
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.write(writing, json.dumps(fetch(connection)).encode())
        os._exit(0)
    os.close(writing)
    os.wait()
    return json.loads(os.read(reading, 65536))  # type: ignore[no-any-return]


def in_shell() -> dict[str, object]:
    command = f"printf fetch | {sys.executable} {Path(__file__).resolve()} {SOCKET}"
    return json.loads(subprocess.check_output(["/bin/sh", "-c", command]))  # type: ignore[no-any-return]


def read_line() -> str:
    """One line and not a byte more: what follows is for the program after an execve."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return line.decode()


def main() -> None:
    held = socket.socket(fileno=int(sys.argv[2])) if len(sys.argv) > 2 else connect()
    while line := read_line():
        match line.split():
            case ["fetch"]:
                answer = fetch()
            case ["fetch", agent]:
                answer = fetch(agent=agent)
            case ["held"]:
                answer = fetch(held)
            case ["fork"]:
                answer = in_fork(None)
            case ["fork-held"]:
                answer = in_fork(held)
            case ["shell"]:
                answer = in_shell()
            case ["exec"]:
                held.set_inheritable(True)
                os.execv(sys.executable, [*sys.orig_argv[:3], str(held.fileno())])
            case ["exec-shell"]:
                held.set_inheritable(True)
                script = f"exec {sys.executable} {Path(__file__).resolve()} {SOCKET} {held.fileno()}"
                os.execv("/bin/sh", ["sh", "-c", script])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
