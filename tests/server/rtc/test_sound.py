from aiortc.rtp import RtpPacket

from server.rtc.encoded import EncodedFrame
from server.rtc.sound import SoundRelay


def packet(timestamp: int, payload_type: int = 111, ssrc: int = 7, payload: bytes = b"opus") -> RtpPacket:
    return RtpPacket(payload_type=payload_type, timestamp=timestamp, ssrc=ssrc, payload=payload)


def test_opus_is_passed_on_in_order_and_nothing_else() -> None:
    heard: list[EncodedFrame] = []
    relay = SoundRelay(frozenset({111}), lambda rtp, _: float(rtp), heard.append)
    for timestamp in (1000, 1960, 3880, 2920, 4840):
        assert relay.add(packet(timestamp)) == (False, None)
    relay.add(packet(5800, payload_type=0))
    relay.add(packet(5800, payload=b""))
    assert [frame.timestamp for frame in heard] == [0, 960, 2880, 3840]
    assert [frame.capture_ms for frame in heard] == [1000, 1960, 3880, 4840]
    assert {frame.payloads for frame in heard} == {(b"opus",)}


def test_a_wrapped_timestamp_goes_on() -> None:
    heard: list[EncodedFrame] = []
    relay = SoundRelay(frozenset({111}), lambda *_: 0.0, heard.append)
    relay.add(packet((1 << 32) - 960))
    relay.add(packet(0))
    relay.add(packet(12345, ssrc=8))
    assert [frame.timestamp for frame in heard[:2]] == [0, 960]
    assert heard[2].timestamp > 960
