"""The four places where grpclib offers no public way; its version is pinned in pyproject.toml, and tests fail when it moves.

- `transport_of`: the connection's transport, for the kernel's word on who is at the other end.
- `receive`: one request message. grpclib's own `recv_message` reads whatever length the client announces, up to 4 GiB, into
  memory; any local user may connect.
- `reply`: one unary reply. grpclib writes headers, message and trailers with a system call each, and each wakes the client;
  together they are one write, which pays for looking at the caller on every call.
- `GRPCServer`: connections are let in or not, and end when nothing is asked on them. grpclib takes all and keeps them for ever.
"""

import struct
import time
from asyncio import BaseTransport, Protocol
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from grpclib._typing import IServable
from grpclib.const import Status
from grpclib.encoding.base import CodecBase
from grpclib.exceptions import GRPCError
from grpclib.protocol import H2Protocol
from grpclib.server import Server, Stream

MAX_MESSAGE_BYTES = 64 << 10
_PREFIX = struct.Struct(">BI")

_HEADERS = [(":status", "200"), ("content-type", "application/grpc+proto")]
_TRAILERS = [("grpc-status", "0")]

ServerStream = Stream[Any, Any]  # what it carries is bytes: see `messages.PassThrough`


def transport_of(stream: ServerStream) -> BaseTransport:
    """The transport of the stream's connection; one object for the connection's whole life."""
    return stream.peer._transport  # noqa: SLF001 - see the module


async def receive(stream: ServerStream) -> bytes:
    """Read the one message of a request, undecoded (gRPC over HTTP/2, "Length-Prefixed-Message").

    Raises:
        GRPCError: there is none, it is cut short, compressed, or larger than 64 KiB.
    """
    h2_stream = stream._stream  # noqa: SLF001 - see the module
    try:
        prefix = await h2_stream.recv_data(_PREFIX.size)
        if not prefix:
            raise GRPCError(Status.INVALID_ARGUMENT, "the request has no message")
        compressed, size = _PREFIX.unpack(prefix)
        if compressed:
            raise GRPCError(Status.UNIMPLEMENTED, "compressed messages are not supported")
        if size > MAX_MESSAGE_BYTES:
            raise GRPCError(Status.RESOURCE_EXHAUSTED, f"the message is larger than {MAX_MESSAGE_BYTES} bytes")
        return bytes(await h2_stream.recv_data(size))
    except AssertionError as error:  # grpclib's word for a stream that ended inside a message
        raise GRPCError(Status.INVALID_ARGUMENT, "the message is cut short") from error


async def reply(stream: ServerStream, message: bytes) -> None:
    """Send the one message of a unary reply and end it with OK.

    Where the message does not fit into what the client takes at once, it goes grpclib's own way, in pieces.
    """
    h2_stream = stream._stream  # noqa: SLF001 - see the module
    connection, transport = h2_stream._h2_connection, h2_stream._transport  # noqa: SLF001 - see the module
    await h2_stream.connection.write_ready.wait()
    if h2_stream.id not in connection.streams:
        return  # the client has cancelled
    framed = _PREFIX.pack(0, len(message)) + message
    if len(framed) > min(connection.local_flow_control_window(h2_stream.id), connection.max_outbound_frame_size):
        await stream.send_message(message)
        return
    connection.send_headers(h2_stream.id, _HEADERS)
    connection.send_data(h2_stream.id, framed)
    connection.send_headers(h2_stream.id, _TRAILERS, end_stream=True)
    transport.write(connection.data_to_send())
    stream._send_initial_metadata_done = stream._send_message_done = True  # noqa: SLF001 - so that grpclib
    stream._send_trailing_metadata_done = True  # noqa: SLF001 - does not end it once more


class GRPCServer(Server):
    """A server of one service.

    `gate` gives each connection what stands before it; what it is given makes the connection's own protocol.
    """

    def __init__(
        self, service: IServable, codec: CodecBase, gate: Callable[[Callable[[], Protocol]], Protocol]
    ) -> None:
        super().__init__([service], codec=codec)
        self._gate = gate
        self._made: WeakKeyDictionary[H2Protocol, float] = WeakKeyDictionary()

    def _protocol_factory(self) -> Protocol:  # type: ignore[override] # only `loop.create_server` uses it
        return self._gate(self._make)

    def _make(self) -> H2Protocol:
        protocol = super()._protocol_factory()
        self._made[protocol] = time.monotonic()
        return protocol

    def end_idle(self, seconds: float) -> None:
        """End every connection without an open call or stream on which nothing was asked for so long.

        It ends with GOAWAY (RFC 9113, section 6.8): a client connects anew for its next call, and loses none.
        """
        since = time.monotonic() - seconds
        for protocol, made in list(self._made.items()):
            connection = protocol.connection
            asked = connection.last_data_received or made
            if asked < since and not protocol.processor.streams and not connection.is_closing():
                connection._connection.close_connection()  # noqa: SLF001 - see the module
                connection.flush()
                protocol.processor.close("idle")
