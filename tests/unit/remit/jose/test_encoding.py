"""base64url and JSON that have one reading."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.errors import InvalidInputError
from remit.jose import b64url_decode, b64url_encode, strict_json


@given(st.binary(max_size=200))
def test_base64url_is_the_standard_encoding_without_padding(data):
    """Encoding agrees with the standard library's and decoding reverses it, from text and from bytes."""
    text = b64url_encode(data)
    assert text == base64.urlsafe_b64encode(data).decode().rstrip("=")
    assert b64url_decode(text) == b64url_decode(text.encode()) == data


@given(st.text(max_size=12))
def test_base64url_has_exactly_one_accepted_form(text):
    """Whatever is accepted encodes back to itself; all else is `InvalidInputError`."""
    try:
        decoded = b64url_decode(text)
    except InvalidInputError:
        return
    assert b64url_encode(decoded) == text


def test_base64url_has_64_characters():
    """Of all 256 byte values exactly those of the alphabet are accepted, at each place of a group."""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for value in range(256):
        for place in range(4):
            text = bytearray(b"AAAA")
            text[place] = value
            if value in alphabet:
                assert b64url_encode(b64url_decode(bytes(text))) == text.decode()
                continue
            for form in (bytes(text), text.decode("latin-1")):
                with pytest.raises(InvalidInputError):
                    b64url_decode(form)


@pytest.mark.parametrize("text", ["QQ==", "QR", "Q", "Q+", "Q/", "Q Q", "QQ\n", "é", "\ud800", b"\xff\xff"])
def test_other_forms_of_base64_are_refused(text):
    """Padding, stray bits, other alphabets and white space are refused."""
    with pytest.raises(InvalidInputError):
        b64url_decode(text)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b'{"a":1,"a":2}', "duplicate_name"),
        (b'{"a":1,"\\u0061":2}', "duplicate_name"),
        (b'{"a":[{"b":1,"b":1}]}', "duplicate_name"),
        (b"NaN", "malformed_json"),
        (b"-Infinity", "malformed_json"),
        (b"1e999", "malformed_json"),
        (b'"\\ud800"', "malformed_json"),
        (b'{"\\ud800":1}', "malformed_json"),
        (b"\xef\xbb\xbf{}", "malformed_json"),
        ('"a"'.encode("utf-16"), "malformed_json"),
        (b"\xff", "malformed_json"),
        (b"", "malformed_json"),
        (b"9" * 5000, "malformed_json"),
        (b"[" * 33 + b"]" * 33, "json_too_deep"),
        (b'{"a":' * 33 + b"1" + b"}" * 33, "json_too_deep"),
        (b"[" * 60000, "malformed_json"),
        (b" " * 65537, "json_too_large"),
    ],
)
def test_ambiguous_json_is_refused(document, code):
    """What parsers read differently, or cannot afford to read, is refused with the reason."""
    with pytest.raises(InvalidInputError) as refused:
        strict_json(document)
    assert refused.value.code == code


def test_json_up_to_the_bounds_is_read():
    """The deepest and the largest document that is allowed parses."""
    assert strict_json(b"[" * 32 + b"]" * 32) is not None
    assert strict_json(b"1" + b" " * 65535) == 1


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(),
        lambda v: st.lists(v) | st.dictionaries(st.text(), v),
        max_leaves=8,
    )
)
def test_json_values_survive(value):
    """Any JSON value without surrogates parses to itself."""
    assert strict_json(json.dumps(value, ensure_ascii=False).encode()) == value
