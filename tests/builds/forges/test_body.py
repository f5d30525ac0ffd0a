"""Bodies: JSON and form, and each way in which one is refused."""

import json
from contextlib import suppress
from urllib.parse import quote, unquote_to_bytes, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.builds.forges import BadPayload, UnsupportedContentType, decode
from services.builds.forges.body import json_text

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    "content_type", [JSON, "Application/JSON", "application/json; charset=utf-8", " application/json "]
)
def test_json_is_read(content_type: str) -> None:
    """The media type is read without regard to case and parameters."""
    assert decode(b'{"ref": "refs/heads/main"}', content_type) == {"ref": "refs/heads/main"}


def test_a_form_is_read() -> None:
    """A form's `payload` is percent-decoded, `+` is a space, and other fields do not matter."""
    body = urlencode({"a": "1", "payload": '{"message": "50 % + grün = 1"}', "b": "2"}).encode()
    assert decode(body, FORM) == {"message": "50 % + grün = 1"}


REFUSED = [
    (b"", JSON, "EMPTY_BODY"),
    (b" \n", JSON, "EMPTY_BODY"),
    (b"", FORM, "EMPTY_BODY"),
    (b"a=1", FORM, "INVALID_FORM"),
    (b"payload={}&payload={}", FORM, "INVALID_FORM"),
    (b"nopayload={}", FORM, "INVALID_FORM"),
    (b"payload=", FORM, "INVALID_JSON"),
    (b"payload=%7B%22a%22%3A1%2C%22a%22%3A2%7D", FORM, "INVALID_JSON"),
    (b"{", JSON, "INVALID_JSON"),
    (b'{"a": 1} x', JSON, "INVALID_JSON"),
    (b"{'a': 1}", JSON, "INVALID_JSON"),
    (b'{"a": NaN}', JSON, "INVALID_JSON"),
    (b'{"a": -Infinity}', JSON, "INVALID_JSON"),
    (b'{"a": 1e999}', JSON, "INVALID_JSON"),
    (b'{"a": ' + b"9" * 5000 + b"}", JSON, "INVALID_JSON"),
    (b'{"a": 1, "a": 2}', JSON, "INVALID_JSON"),
    (b'{"x": [{"a": 1, "\\u0061": 2}]}', JSON, "INVALID_JSON"),
    (b'{"a": "\xff"}', JSON, "INVALID_JSON"),
    (b'{"a": "\xed\xa0\x80"}', JSON, "INVALID_JSON"),
    (b'{"a": "\x00"}', JSON, "INVALID_JSON"),
    (b"\xef\xbb\xbf{}", JSON, "INVALID_JSON"),
    ('{"a": 1}'.encode("utf-16"), JSON, "INVALID_JSON"),
    (b"[" * 100_000, JSON, "PAYLOAD_TOO_DEEP"),
    (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, JSON, "PAYLOAD_TOO_DEEP"),
    (b"[]", JSON, "INVALID_PAYLOAD"),
    (b"null", JSON, "INVALID_PAYLOAD"),
    (b'"text"', JSON, "INVALID_PAYLOAD"),
]


@pytest.mark.parametrize(("raw", "content_type", "expected"), REFUSED)
def test_an_unreadable_body_is_refused_with_its_code(raw: bytes, content_type: str, expected: str) -> None:
    """Each defect has a stable code and a message without a line break."""
    with pytest.raises(BadPayload) as refused:
        decode(raw, content_type)
    assert refused.value.code == expected
    assert "\n" not in refused.value.message


@pytest.mark.parametrize(
    "content_type", [None, "", "text/plain", "application/xml", "multipart/form-data; boundary=x", "\ud800"]
)
def test_another_content_type_is_an_error_of_its_own(content_type: str | None) -> None:
    """A route can tell 415 from 400, for an empty body too."""
    with pytest.raises(UnsupportedContentType):
        decode(b"", content_type)


def test_what_text_may_hold_is_kept_for_the_parsers() -> None:
    """Escaped NULs and lone surrogates are valid JSON: a delivery is not lost over them here."""
    assert decode(b'{"a": "\\u0000\\ud800"}', JSON) == {"a": "\x00\ud800"}


@given(st.text("%a2F+\u00fc=&", max_size=40), st.integers(min_value=0, max_value=12))
def test_a_form_is_decoded_alike_in_one_piece_or_many(text: str, copies: int) -> None:
    """Percent-decoding piece by piece gives what the standard library gives for the whole, for broken escapes too."""
    field = (quote(text).replace("%20", "+") + "%%4%zz%41" + "%C3%BC" * 3000 * copies).replace("&", "").encode()
    whole = unquote_to_bytes(field.replace(b"+", b" "))
    assert json_text(b"x=1&payload=" + field, FORM) == whole


@given(st.binary(), st.sampled_from([JSON, FORM]))
def test_any_bytes_are_an_object_or_refused(raw: bytes, content_type: str) -> None:
    """Nothing but BadPayload is ever raised."""
    with suppress(BadPayload):
        assert isinstance(decode(raw, content_type), dict)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), VALUES, max_size=5), st.booleans())
def test_what_was_encoded_is_what_is_read(value: dict[str, object], form: bool) -> None:
    """Both content types carry any JSON object unchanged."""
    text = json.dumps(value)
    body = urlencode({"payload": text}).encode() if form else text.encode()
    assert decode(body, FORM if form else JSON) == value
