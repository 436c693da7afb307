import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.asks import InstructionMessage, PingMessage
from server.rtc.control import MAX_MESSAGE_BYTES, ControlError, parse_client_report, parse_control


def test_an_instruction_is_read_with_its_defaults() -> None:
    message = parse_control('{"v": 1, "id": "a", "type": "instruction", "text": "make it a pencil sketch"}')
    assert message == InstructionMessage(v=1, id="a", type="instruction", text="make it a pencil sketch")
    assert isinstance(parse_control('{"v":1,"id":"b","type":"ping","t":3}'), PingMessage)


@pytest.mark.parametrize(
    ("raw", "code", "request_id"),
    [
        (b"{}", "binary", None),
        ("", "bad_json", None),
        ("null", "bad_json", None),
        ("{}", "bad_field", None),
        ('{"id": 5}', "bad_field", None),
        ('{"id": "a", "type": ["ping"]}', "unknown_type", "a"),
        ('{"id": "a", "type": "ping", "t": 1}', "bad_field", "a"),
        ('{"v": 1, "id": "a", "type": "ping", "t": NaN}', "bad_field", "a"),
        (r'{"v": 1, "id": "\ud800", "type": "undo"}', "bad_field", None),
        ('{"v": 1, "id": "a", "type": "freeze", "frozen": "yes"}', "bad_field", "a"),
        ('{"v": 1, "id": "a", "type": "strength", "value": 1.5}', "bad_field", "a"),
        ('{"v": 1, "id": "a", "type": "instruction", "text": ""}', "bad_field", "a"),
        ("é" * (MAX_MESSAGE_BYTES // 2 + 1), "too_large", None),
    ],
)
def test_what_cannot_be_followed_says_why(raw: str | bytes, code: str, request_id: str | None) -> None:
    with pytest.raises(ControlError) as refused:
        parse_control(raw)
    assert (refused.value.code, refused.value.request_id) == (code, request_id)
    assert refused.value.detail
    assert "\n" not in refused.value.detail


@pytest.mark.parametrize(
    "measured",
    [
        '"displayed_fps": NaN',
        '"downlink_ms": {"p50": 9, "p95": 1e999}',
        '"downlink_ms": {"p50": NaN, "p95": 12}',
    ],
)
def test_what_is_no_number_is_no_measurement(measured: str) -> None:
    assert parse_client_report('{"v": 1, "type": "client", "displayed_fps": 29.9}') is not None
    assert parse_client_report(f'{{"v": 1, "type": "client", {measured}}}') is None


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.text(), st.binary(), st.lists(st.none() | st.text()).map(json.dumps)))
def test_nothing_said_breaks_the_reader(raw: str | bytes) -> None:
    with pytest.raises(ControlError):
        parse_control(raw)
    assert parse_client_report(raw) is None
