"""One viewer's peer connection: edits and sound down, nothing up."""

import time
from collections.abc import Callable

from aiortc import MediaStreamTrack, RTCPeerConnection, RTCRtpTransceiver
from aiortc.codecs.base import Encoder
from av.frame import Frame as AvFrame

from server.rtc import hooks
from server.rtc.broadcast import Broadcast, Seat
from server.rtc.bundle import with_bundled
from server.rtc.connection import Connection, PeerHealth
from server.rtc.encoded import EncodedFrame, FrameQueue
from server.rtc.ice import Network
from server.rtc.offer import Chosen, as_baseline, choose_codec, parse_view_offer, takes, with_profiles
from server.rtc.retransmission import Resending


class Viewer:
    """Answers one viewer's offer and sends what the broadcast makes, until closed.

    Args:
        broadcast: The session's.
        network: How peers reach each other.
        on_state: Told the connection's state.

    Attributes:
        connected: Whether media can flow.
        packets_heard, heard_s: How much the session last saw of the viewer, and when.
    """

    def __init__(
        self, broadcast: Broadcast, network: Network, on_state: Callable[["Viewer", str], None]
    ) -> None:
        self.connection = Connection(network, lambda state: on_state(self, state))
        self.began_s = self.heard_s = time.perf_counter()
        self.packets_heard = 0
        self.connected = False
        self._broadcast = broadcast
        self._seat: Seat | None = None
        self._sound: FrameQueue | None = None

    @property
    def codec(self) -> str | None:
        """``VP8`` or ``H264``."""
        return None if self._seat is None else self._seat.codec

    @property
    def sent(self) -> int:
        """Pictures sent."""
        return 0 if self._seat is None else self._seat.pictures.taken

    @property
    def dropped(self) -> int:
        """Pictures this viewer was too slow for, or could not have decoded."""
        return 0 if self._seat is None else self._seat.pictures.dropped

    @property
    def sound(self) -> bool:
        """Whether the viewer takes sound."""
        return self._sound is not None

    async def answer(self, offer_sdp: str) -> str:
        """The SDP answer to an offer, with all our candidates.

        Raises:
            MalformedOfferError: It is not SDP.
            UnusableOfferError: It takes no video that we have.
        """
        offer_sdp, profiles = as_baseline(with_bundled(offer_sdp))
        offer = parse_view_offer(offer_sdp)
        taking_mids = {media.rtp.muxId for media in offer.media if takes(media)}

        def wire(connection: RTCPeerConnection) -> None:
            transceivers = connection.getTransceivers()
            for transceiver in transceivers:
                transceiver.direction = "inactive"
            taking = [item for item in transceivers if item.mid in taking_mids]
            screen = next(item for item in taking if item.kind == "video")
            self._show(screen, choose_codec(offer, profiles, hooks.codecs_by_payload_type(screen)))
            sound = next((item for item in taking if item.kind == "audio" and hooks.opus_types(item)), None)
            if sound is not None:
                self._sound = self._broadcast.listen()
                send_encoded(sound, self._sound)

        return with_profiles(await self.connection.answer(offer_sdp, wire), profiles)

    async def health(self) -> PeerHealth:
        """Packets heard so far."""
        return await self.connection.health()

    async def close(self) -> None:
        """Leave the broadcast and end the connection."""
        if self._sound is not None:
            self._broadcast.stop_listening(self._sound)
        if self._seat is not None:
            await self._seat.leave()
        await self.connection.close()

    def _show(self, screen: RTCRtpTransceiver, chosen: Chosen) -> None:
        hooks.send_first(screen, chosen.payload_type)
        seat = self._seat = self._broadcast.watch(chosen.codec, chosen.limit)
        send_encoded(screen, seat.pictures, seat.rate.estimated)
        hooks.watch_receiver_reports(screen.sender, seat.rate.reported)
        hooks.send_again_with(screen.sender, Resending(lambda: seat.rate.target_bps))
        hooks.watch_key_frame_requests(screen.sender, seat.want_key_frame)


def send_encoded(
    transceiver: RTCRtpTransceiver,
    queue: FrameQueue,
    set_bitrate: Callable[[int], None] = lambda _: None,
) -> None:
    """Have a transceiver send what a queue holds, dated by its capture."""
    track = EncodedTrack(transceiver.kind, queue)
    transceiver.direction = "sendonly"
    if transceiver.kind == "audio":
        hooks.only_opus(transceiver)
    transceiver.sender.replaceTrack(track)
    hooks.encode_with(transceiver.sender, Packing(set_bitrate))
    hooks.date_reports(transceiver.sender, lambda: track.leaving_capture_ms)


class EncodedTrack(MediaStreamTrack):
    """Gives aiortc's sender one viewer's frames, encoded already."""

    def __init__(self, kind: str, queue: FrameQueue) -> None:
        self.kind = kind
        super().__init__()
        self.leaving_capture_ms: float | None = None
        self._queue, self._begun = queue, False

    async def recv(self) -> EncodedFrame:  # type: ignore[override]
        """The oldest frame that waits; aiortc's sender has anything but an `av.Frame` packed by `Packing`."""
        if not self._begun:
            self._begun = True
            self._queue.begin()
        frame = await self._queue.take()
        self.leaving_capture_ms = frame.capture_ms
        return frame


class Packing(Encoder):
    """Takes an encoder's place at aiortc's sender for frames that are encoded already.

    Args:
        set_bitrate: Told what the viewer's network is estimated to carry (REMB).
    """

    def __init__(self, set_bitrate: Callable[[int], None]) -> None:
        self._set_bitrate = set_bitrate
        self._bitrate_bps = 0

    @property
    def target_bitrate(self) -> int:
        """Bits per second, as last estimated; 0 before."""
        return self._bitrate_bps

    @target_bitrate.setter
    def target_bitrate(self, bitrate_bps: int) -> None:
        self._bitrate_bps = bitrate_bps
        self._set_bitrate(bitrate_bps)

    def encode(self, frame: AvFrame, force_keyframe: bool = False) -> tuple[list[bytes], int]:
        """Never called: the track gives no raw frames."""
        raise NotImplementedError

    def pack(self, packet: EncodedFrame) -> tuple[list[bytes], int]:  # type: ignore[override]
        """RTP payloads and timestamp."""
        return list(packet.payloads), packet.timestamp
