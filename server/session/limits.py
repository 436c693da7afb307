"""How long, how large and how much one session may be."""

from dataclasses import dataclass

from server.rtc.codecs import CodecChoice
from server.rtc.ice import Network
from server.rtc.peer import Size


@dataclass(frozen=True)
class SessionLimits:
    """How long, how large and how much."""

    connect_timeout_s: float
    gone_after_s: float
    stall_after_s: float
    max_bitrate_bps: int
    max_viewers: int
    edit_size: Size
    network: Network
    codecs: CodecChoice
