"""A stream is taken apart as it arrives, byte by byte or at once, and never keeps more than one event."""

import collections
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.errors import InvalidInputError
from remit.secevent import MAX_EVENT_BYTES
from remit.verifier.sse import EventParser, StreamedAnswer

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def _in_pieces(data, cuts):
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    return [data[begin:end] for begin, end in pairwise(places)]


def _chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


@given(bodies=st.lists(st.binary(min_size=1, max_size=50), max_size=6), cuts=st.lists(st.integers(0, 500), max_size=40))
def test_a_chunked_body_is_whole_however_it_is_cut(bodies, cuts):
    """Wherever the network cuts, nothing is lost and nothing is added."""
    answer = StreamedAnswer()
    wire = HEAD + b"".join(map(_chunk, bodies))
    assert b"".join(answer.feed(piece) for piece in _in_pieces(wire, cuts)) == b"".join(bodies)
    assert (answer.status, answer.headers.get_content_type(), answer.ended) == (200, "text/event-stream", False)
    assert answer.feed(b"0\r\n\r\n") == b""
    assert answer.ended


def test_an_answer_without_chunks_is_read_as_it_comes():
    """As of a proxy that speaks HTTP/1.0 to us: its end is the connection's."""
    answer = StreamedAnswer()
    assert answer.feed(b"HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: x") == b"data: x"
    assert answer.feed(b"\n\n") == b"\n\n"
    assert not answer.ended


def test_interim_answers_are_passed_over():
    """100 and 103 come before the answer."""
    answer = StreamedAnswer()
    assert answer.feed(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 429 \r\nRetry-After: 7\r\n\r\n") == b""
    assert (answer.status, answer.headers["Retry-After"]) == (429, "7")


def test_chunk_extensions_are_passed_over():
    """RFC 9112 section 7.1.1: unknown ones are ignored."""
    assert StreamedAnswer().feed(HEAD + b'5;name="value"\r\nhello\r\n') == b"hello"


@pytest.mark.parametrize(
    "wire",
    [
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10000,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20000,
        HEAD + b"hello\r\n",
        HEAD + b"-5\r\nhello\r\n",
        HEAD + b"\r\n",
        HEAD + b"0x5\r\nhello\r\n",
        HEAD + b"5\r\nhelloXX",
        HEAD + b"f" * 16 + b"\r\n",
        HEAD + b"5;" + b"x" * 5000,
    ],
)
def test_what_is_no_answer_is_refused(wire):
    """At once, and without keeping more than a head, or the size of a chunk, can have."""
    with pytest.raises(InvalidInputError):
        StreamedAnswer().feed(wire)


@given(
    end=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    values=st.lists(st.binary(max_size=20).map(lambda data: data.translate(None, b"\r\n")), min_size=1, max_size=5),
    cuts=st.lists(st.integers(0, 300), max_size=30),
)
def test_events_are_whole_however_they_are_cut(end, values, cuts):
    """Any line end, anywhere cut, comments and other fields between."""
    frames = [b": hello" + end + b"id: 1" + end + b"data: " + value + end + b"event: x" + end + end for value in values]
    parser = EventParser()
    heard = [data for piece in _in_pieces(b"".join(frames), cuts) for data in parser.feed(piece)]
    heard += parser.feed(b"\n" if end == b"\r" else b"")
    assert heard == values


def test_an_event_without_data_is_none():
    """A comment alone keeps a connection open; the last event counts once its empty line has come."""
    parser = EventParser()
    assert parser.feed(b": keep-alive\n\nid: 5\n\n") == []
    assert parser.feed(b"data:a\ndata: b\n") == []
    assert parser.feed(b"\ndata: c\n\n") == [b"a\nb", b"c"]


@pytest.mark.parametrize("piece", [b"x", b": ", b"data: ", b"data: x\n"])
def test_endless_lines_and_events_are_refused(piece):
    """Before they are much larger than the largest event that there is."""
    parser = EventParser()
    pieces = iter([piece * 1000] * (20 * MAX_EVENT_BYTES // (1000 * len(piece))))
    with pytest.raises(InvalidInputError):
        collections.deque(map(parser.feed, pieces), maxlen=0)
    assert len(list(pieces)) > 15 * MAX_EVENT_BYTES // (1000 * len(piece))
