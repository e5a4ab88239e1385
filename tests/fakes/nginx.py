"""A real nginx on loopback with the site that is shipped, for as long as a block runs."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SITE = Path(__file__).parents[2] / "deploy" / "nginx" / "remit.conf"
INSTALLED = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")

_MAIN = """
{user}
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {site}
}}
"""


def shipped_site(port: int, target: int) -> str:
    """The shipped site, but without TLS, on `port` and in front of `target`."""
    site = SITE.read_text()
    for words, instead in (("listen 443 ssl;", f"listen 127.0.0.1:{port};"), ("127.0.0.1:8750", f"127.0.0.1:{target}")):
        assert words in site
        site = site.replace(words, instead)
    return "\n".join(line for line in site.splitlines() if not line.strip().startswith("ssl_certificate"))


@contextmanager
def nginx(folder: Path, site: str, port: int) -> Iterator[None]:
    """Run nginx with this site until the block ends; it listens on `port`."""
    assert INSTALLED is not None
    user = "user root;" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(_MAIN.format(user=user, folder=folder, site=site))
    process = subprocess.Popen([INSTALLED, "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log")])
    try:
        _wait_for(process, port)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        assert process.poll() is None, "nginx did not start"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        else:
            return
