import random

from aiortc.codecs import depayload
from aiortc.codecs.vpx import Vp8Encoder
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import RtpPacket

from server.rtc.assembly import (
    GAP_WAIT_S,
    KEY_REQUEST_INTERVAL_S,
    EncodedPicture,
    PictureAssembly,
    begins_picture,
    is_key_frame,
)

VP8 = RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90_000, payloadType=96)
KEY, DELTA = b"\x10", b"\x11"


class Receiver:
    """An assembly and what came out of it."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.pictures: list[EncodedPicture] = []
        self.lost = 0
        self.asked = 0
        self.assembly = PictureAssembly({96: "VP8"}, self.pictures.append, self._lose, lambda: self.now_s)

    def take(self, *packets: RtpPacket) -> None:
        for packet in packets:
            wants_key, frame = self.assembly.add(packet)
            assert frame is None
            self.asked += wants_key

    def _lose(self, count: int) -> None:
        self.lost += count

    @property
    def timestamps(self) -> list[int]:
        return [picture.rtp_timestamp for picture in self.pictures]


def packets(index: int, payload: bytes, first_sequence: int, ssrc: int = 1) -> list[RtpPacket]:
    """The packets of the index-th picture."""
    made = []
    payloads = Vp8Encoder._packetize(payload, index)
    for offset, part in enumerate(payloads):
        packet = RtpPacket(
            payload_type=96,
            marker=int(offset == len(payloads) - 1),
            sequence_number=(first_sequence + offset) % 65536,
            timestamp=3000 * index,
            ssrc=ssrc,
            payload=part,
        )
        packet._data = depayload(VP8, part)  # type: ignore[attr-defined]
        made.append(packet)
    return made


def stream(count: int, first_sequence: int = 0, size: int = 3000) -> list[list[RtpPacket]]:
    """A key frame and those that depend on it."""
    pictures, sequence = [], first_sequence
    for index in range(count):
        payload = (KEY if index == 0 else DELTA) + bytes([index % 256]) * size
        pictures.append(packets(index, payload, sequence))
        sequence += len(pictures[-1])
    return pictures


def test_a_picture_is_handed_on_with_its_last_packet() -> None:
    receiver = Receiver()
    first, second = stream(2)
    receiver.now_s = 1.0
    receiver.take(*first[:-1])
    assert receiver.pictures == []
    receiver.now_s = 1.5
    receiver.take(first[-1])
    assert receiver.pictures == [EncodedPicture("VP8", KEY + bytes(3000), 1, 0, 1.5)]
    receiver.take(*second)
    assert receiver.timestamps == [0, 3000]
    assert receiver.asked == 0


def test_packets_out_of_order_and_twice_make_the_same_pictures() -> None:
    flat = [packet for picture in stream(30, first_sequence=65_500) for packet in picture]
    shuffled = [flat[0]]
    rest = flat[1:]
    generator = random.Random(0)
    for start in range(0, len(rest), 6):
        window = rest[start : start + 6]
        generator.shuffle(window)
        shuffled += window + window[:1]
    receiver = Receiver()
    receiver.take(*shuffled)
    assert receiver.timestamps == [3000 * index for index in range(30)]
    assert receiver.lost == 0
    assert [picture.payload[1] for picture in receiver.pictures] == list(range(30))


def test_a_retransmission_in_time_loses_nothing() -> None:
    receiver = Receiver()
    pictures = stream(4)
    late = pictures[1].pop(1)
    receiver.take(*(packet for picture in pictures for packet in picture))
    assert receiver.timestamps == [0]
    receiver.now_s = GAP_WAIT_S / 2
    receiver.take(late)
    assert receiver.timestamps == [0, 3000, 6000, 9000]
    assert receiver.lost == 0


def test_a_lost_packet_is_given_up_and_a_key_frame_asked_for() -> None:
    receiver = Receiver()
    pictures = stream(12)
    del pictures[1][1]
    receiver.take(*pictures[0], *pictures[1], *pictures[2])
    asked_before = receiver.asked
    receiver.now_s = GAP_WAIT_S + 0.01 + KEY_REQUEST_INTERVAL_S
    receiver.take(*pictures[3], *pictures[4])
    assert receiver.asked == asked_before + 1
    # Nothing that depends on what was lost is handed on.
    assert receiver.timestamps == [0]
    assert receiver.lost >= 3
    key = packets(20, KEY + bytes(100), pictures[4][-1].sequence_number + 1)
    receiver.take(*key)
    assert receiver.timestamps == [0, 60_000]


def test_a_stream_joined_in_the_middle_begins_at_a_key_frame() -> None:
    receiver = Receiver()
    pictures = stream(3)
    receiver.take(*pictures[1][1:], *pictures[2])
    assert receiver.pictures == []
    assert receiver.asked == 1
    receiver.take(*packets(9, KEY + bytes(10), pictures[2][-1].sequence_number + 1))
    assert receiver.timestamps == [27_000]


def test_padding_between_pictures_is_skipped() -> None:
    receiver = Receiver()
    first, second = stream(2, size=10)
    padding = RtpPacket(payload_type=96, sequence_number=1, timestamp=0, ssrc=1)
    padding._data = b""  # type: ignore[attr-defined]
    second[0].sequence_number = 2
    receiver.take(*first, padding, *second)
    assert receiver.timestamps == [0, 3000]


def test_a_large_picture_is_looked_through_once() -> None:
    looks = 0

    class Watched(dict[int, object]):
        def get(self, *key: object) -> object:
            nonlocal looks
            looks += 1
            return super().get(*key)  # type: ignore[call-overload]

    receiver = Receiver()
    receiver.assembly._waiting = Watched()  # type: ignore[assignment]
    (picture,) = stream(1, size=500_000)
    receiver.take(*picture)
    assert receiver.timestamps == [0]
    assert looks <= 2 * len(picture)


def test_a_new_source_begins_anew() -> None:
    receiver = Receiver()
    receiver.take(*stream(1)[0])
    receiver.take(*packets(7, DELTA + bytes(10), 40_000, ssrc=2))
    assert receiver.timestamps == [0]
    receiver.take(*packets(8, KEY + bytes(10), 40_001, ssrc=2))
    assert receiver.timestamps == [0, 24_000]


def test_a_picture_that_never_ends_is_bounded() -> None:
    receiver = Receiver()
    receiver.take(*stream(1, size=10)[0])
    for number in range(2100):
        packet = RtpPacket(
            payload_type=96, sequence_number=(1 + number) % 65536, timestamp=9, ssrc=1, payload=b"\x00x"
        )
        packet._data = b"x"  # type: ignore[attr-defined]
        receiver.take(packet)
    assert len(receiver.assembly._waiting) <= 1024
    assert receiver.lost > 0


def test_key_frames_are_told_by_their_headers() -> None:
    assert is_key_frame("VP8", KEY)
    assert not is_key_frame("VP8", DELTA)
    assert is_key_frame("H264", b"\x00\x00\x00\x01\x09\xf0\x00\x00\x00\x01\x67\x42\x00\x00\x00\x01\x65\x88")
    assert not is_key_frame("H264", b"\x00\x00\x00\x01\x41\x9a")
    assert begins_picture("VP8", b"\x90\x80\x01" + KEY)
    assert not begins_picture("VP8", b"\x80\x80\x01")
    assert begins_picture("H264", b"\x7c\x85")
    assert not begins_picture("H264", b"\x7c\x05")


def test_many_gaps_take_no_longer_than_one() -> None:
    receiver = Receiver()
    pictures = stream(40)
    receiver.take(*pictures[0])
    for picture in pictures[1:30]:
        receiver.now_s += 0.01
        receiver.take(*(picture[:1] + picture[2:]))
    receiver.now_s += GAP_WAIT_S + 0.01
    receiver.take(*pictures[30])
    key = packets(50, KEY + bytes(100), pictures[30][-1].sequence_number + 1)
    receiver.take(*key)
    assert receiver.timestamps == [0, 150_000]
