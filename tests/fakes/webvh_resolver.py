"""The reference resolver of did:webvh, unmodified, in a process of its own: `python -m tests.fakes.webvh_resolver DIDURL…`

Prints one JSON array of resolution results. Every host name is this machine, as a name server would say it; whom TLS trusts is in
`SSL_CERT_FILE`.
"""

import asyncio
import json
import socket
import sys

from did_webvh.resolver import resolve

_getaddrinfo = socket.getaddrinfo


def _here(_host, *rest, **named):
    return _getaddrinfo("127.0.0.1", *rest, **named)


async def _resolve_all(dids):
    return [await resolve(did) for did in dids]


if __name__ == "__main__":
    socket.getaddrinfo = _here
    sys.stdout.write(json.dumps(asyncio.run(_resolve_all(sys.argv[1:]))))
