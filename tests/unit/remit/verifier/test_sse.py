"""Events are taken out of a stream as it arrives, byte by byte or at once, and never more than one is kept."""

import collections

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.errors import InvalidInputError
from remit.secevent import MAX_EVENT_BYTES
from remit.verifier.sse import EventParser
from tests.fakes.pieces import in_pieces


@given(
    end=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    values=st.lists(st.binary(max_size=20).map(lambda data: data.translate(None, b"\r\n")), min_size=1, max_size=5),
    cuts=st.lists(st.integers(0, 300), max_size=30),
)
def test_events_are_whole_however_they_are_cut(end, values, cuts):
    """Any line end, anywhere cut, comments and other fields between."""
    frames = [b": hello" + end + b"id: 1" + end + b"data: " + value + end + b"event: x" + end + end for value in values]
    parser = EventParser()
    heard = [data for piece in in_pieces(b"".join(frames), cuts) for data in parser.feed(piece)]
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
