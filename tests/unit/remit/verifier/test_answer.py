"""An answer is taken apart as it arrives, byte by byte or at once, and never keeps more than a head."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.errors import InvalidInputError
from remit.verifier.answer import Answer
from tests.fakes.pieces import in_pieces

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def _chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


@given(bodies=st.lists(st.binary(min_size=1, max_size=50), max_size=6), cuts=st.lists(st.integers(0, 500), max_size=40))
def test_a_chunked_body_is_whole_however_it_is_cut(bodies, cuts):
    """Wherever the network cuts, nothing is lost and nothing is added."""
    answer = Answer()
    wire = HEAD + b"".join(map(_chunk, bodies))
    assert b"".join(answer.feed(piece) for piece in in_pieces(wire, cuts)) == b"".join(bodies)
    assert (answer.status, answer.headers["content-type"], answer.ended) == (200, "text/event-stream", False)
    assert answer.feed(b"0\r\n\r\n") == b""
    assert answer.ended


def test_an_answer_without_chunks_is_read_as_it_comes():
    """As of a proxy that speaks HTTP/1.0 to us: its end is the connection's."""
    answer = Answer()
    assert answer.feed(b"HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: x") == b"data: x"
    assert answer.feed(b"\n\n") == b"\n\n"
    assert not answer.ended


def test_interim_answers_are_passed_over():
    """100 and 103 come before the answer."""
    answer = Answer()
    assert answer.feed(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 429 \r\nRetry-After: 7\r\n\r\n") == b""
    assert (answer.status, answer.headers["retry-after"]) == (429, "7")


def test_chunk_extensions_are_passed_over():
    """RFC 9112 section 7.1.1: unknown ones are ignored."""
    assert Answer().feed(HEAD + b'5;name="value"\r\nhello\r\n') == b"hello"


@pytest.mark.parametrize(
    "wire",
    [
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTQ",
        b"HTTP/1.1 200 OK\r\nX y\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: y\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 16 + b"\r\n\r\n",
        HEAD + b"0\r\nTrailer: x\r\n\r\n",
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
        Answer().feed(wire)


@given(body=st.binary(max_size=100), more=st.binary(max_size=5), cuts=st.lists(st.integers(0, 200), max_size=20))
def test_a_counted_body_ends_where_it_says(body, more, cuts):
    """What follows is not of this answer."""
    answer = Answer()
    wire = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b%b" % (len(body), body, more)
    assert b"".join(answer.feed(piece) for piece in in_pieces(wire, cuts)) == body
    assert (answer.ended, answer.left, answer.keeps_connection) == (True, 0, True)


@pytest.mark.parametrize("status", [204, 304])
def test_some_answers_have_no_body(status):
    """They end with their head."""
    answer = Answer()
    assert answer.feed(b"HTTP/1.1 %d X\r\nContent-Length: 5\r\n\r\n" % status) == b""
    assert answer.ended


@pytest.mark.parametrize(
    ("head", "keeps"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Close\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\n\r\n", False),
    ],
)
def test_whether_the_connection_is_kept(head, keeps):
    """Not after one that says so, is of the older version, or ends with the connection."""
    answer = Answer()
    answer.feed(head)
    assert answer.keeps_connection is keeps


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nConte",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        HEAD + b"5\r\nhell",
        HEAD + b"5\r\nhello\r\n",
    ],
)
def test_an_answer_that_is_cut_off_is_none(wire):
    """Whatever ends before its end: nothing of it may be taken for the whole."""
    answer = Answer()
    answer.feed(wire)
    with pytest.raises(InvalidInputError):
        answer.close()


def test_an_answer_without_a_length_ends_with_its_connection():
    """That is its end, not a cut."""
    answer = Answer()
    assert answer.feed(b"HTTP/1.1 200 OK\r\n\r\nabc") == b"abc"
    assert not answer.ended
    answer.close()
    assert answer.ended
