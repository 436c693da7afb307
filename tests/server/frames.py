"""Frames as they come from a decoder, and what an H.264 stream says of its own."""

from collections.abc import Iterable

import numpy as np
from aiortc.codecs import depayload
from aiortc.rtcrtpparameters import RTCRtpCodecParameters

from server.session.frame import Frame


def frame(rtp_timestamp: int = 0, size: tuple[int, int] = (32, 16), value: int = 100) -> Frame:
    """A frame of one grey."""
    width, height = size
    return Frame(
        rtp_timestamp=rtp_timestamp,
        pts=rtp_timestamp,
        source=np.full((height, width, 3), value, np.uint8),
        source_size=size,
        received_s=0.0,
        decoded_s=0.001,
    )


def said_of_itself(stream: bytes) -> tuple[int, bool, int]:
    """The profile, whether it is a constrained one, and the level times ten of an H.264 stream's first parameters."""
    parameters = stream.index(b"\x00\x00\x01\x67") + 4
    profile, constraints, level = stream[parameters : parameters + 3]
    return profile, constraints & 0x40 != 0, level


def payload(codec: str, packets: Iterable[bytes]) -> bytes:
    """A picture put together again from its RTP payloads."""
    parameters = RTCRtpCodecParameters(mimeType=f"video/{codec}", clockRate=90_000, payloadType=96)
    return b"".join(depayload(parameters, packet) for packet in packets)
