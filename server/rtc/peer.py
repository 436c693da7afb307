"""The peer connection a session's picture comes by: a browser's, which takes the edit back, or a publisher's."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from aiortc import RTCDataChannel, RTCPeerConnection, RTCRtpTransceiver

from server.rtc import hooks
from server.rtc.assembly import EncodedPicture, PictureAssembly
from server.rtc.bundle import with_bundled
from server.rtc.clocks import CaptureClock
from server.rtc.codecs import CodecChoice
from server.rtc.connection import CLOSE_TIMEOUT_S, Connection, PeerHealth
from server.rtc.decoding import DecoderThread
from server.rtc.encoded import EncodedFrame
from server.rtc.encoding import LiveEncoder
from server.rtc.ice import Network
from server.rtc.offer import (
    Chosen,
    as_baseline,
    choose_codec,
    is_camera,
    is_microphone,
    parse_offer,
    parse_publish_offer,
    with_bitrate,
    with_profiles,
)
from server.rtc.rate import START_BITRATE_BPS, RateControl
from server.rtc.retransmission import MissingPackets, Resending
from server.rtc.sound import SoundRelay
from server.rtc.track import EditTrack
from server.session.frame import Frame
from server.session.mailbox import Mailbox
from server.telemetry import DropReason

Size = Callable[[int, int], tuple[int, int]]


@dataclass(frozen=True)
class PeerEvents:
    """Whom a peer tells what; everything is called on the event loop."""

    received: Callable[[], None]
    """A whole camera picture is in."""
    frame: Callable[[Frame], None]
    """A camera picture is decoded."""
    sound: Callable[[EncodedFrame], None]
    """A packet of sound is in."""
    dropped: Callable[[DropReason, int], None]
    too_large: Callable[[int, int], None]
    """Camera pictures have come to be of a (width, height) that nothing is made of."""
    sent: Callable[[Frame, int], None]
    """A frame's last packet is out, under this RTP timestamp."""
    channel: Callable[[RTCDataChannel], None]
    """The browser has opened a data channel."""
    state: Callable[[str], None]
    """The connection's state: connecting, connected, failed or closed."""
    failed: Callable[[BaseException], None]
    """Nothing more will be decoded, or sent back, by a bug of ours."""


@dataclass(frozen=True)
class Downlink:
    """How the edit goes back on the connection that its picture came by."""

    outbox: Mailbox[Frame]
    max_bitrate_bps: int


class Peer:
    """Answers one offer and carries its media until closed.

    Args:
        downlink: For a browser; a publisher (WHIP) has none.
        events: Whom to tell.
        edit_size: (width, height) of a camera picture -> (width, height) to scale it to.
        network: How peers reach each other.
        codecs: Whether hardware may decode and encode.

    Attributes:
        encoder: What encodes the edit for the browser; None for a publisher.
        capture_clock: When what came was captured.
        hears: Whether sound may come.
    """

    def __init__(
        self,
        downlink: Downlink | None,
        events: PeerEvents,
        edit_size: Size,
        network: Network,
        codecs: CodecChoice,
    ) -> None:
        self.capture_clock = CaptureClock()
        self.hears = False
        self.connection = Connection(network, events.state)
        self._downlink, self._events, self._edit_size = downlink, events, edit_size
        self._codecs = codecs
        self.encoder: LiveEncoder | None = None
        self._loop = asyncio.get_running_loop()
        self._decoder: DecoderThread | None = None
        self._closed = False

    async def answer(self, offer_sdp: str) -> str:
        """The SDP answer to an offer, with all our candidates.

        Raises:
            MalformedOfferError: It is not SDP.
            UnusableOfferError: Nothing to edit can come of it.
        """
        offer_sdp, profiles = as_baseline(with_bundled(offer_sdp))
        offer = parse_publish_offer(offer_sdp) if self._downlink is None else parse_offer(offer_sdp)
        camera_mid = next(media.rtp.muxId for media in offer.media if is_camera(media))
        microphone_mid = next((media.rtp.muxId for media in offer.media if is_microphone(media)), None)

        def wire(connection: RTCPeerConnection) -> None:
            connection.on("datachannel", self._events.channel)
            camera = self._wire(connection, camera_mid, microphone_mid)
            if self._downlink is not None:
                chosen = choose_codec(offer, profiles, hooks.codecs_by_payload_type(camera))
                self._send(camera, self._downlink, chosen)

        answer = with_profiles(await self.connection.answer(offer_sdp, wire), profiles)
        if self._downlink is None:
            return answer
        max_bps = self._downlink.max_bitrate_bps
        return with_bitrate(answer, min(START_BITRATE_BPS, max_bps), max_bps)

    @property
    def decoder(self) -> str | None:
        """The decoder at work, by FFmpeg's name; None before the first picture."""
        return None if self._decoder is None else self._decoder.running

    async def health(self) -> PeerHealth:
        """Packets heard so far and the newest round trip."""
        return await self.connection.health()

    async def close(self) -> None:
        """End the connection and every thread and task of it; never raises, never takes long.

        Closed while it answers, it may begin to decode after that: who gets no answer closes it again.
        """
        self._closed = True
        if self._decoder is not None:
            self._decoder.close()
        await self.connection.close()
        if self._decoder is not None:
            await self._decoder.ended(CLOSE_TIMEOUT_S)

    def _wire(
        self, connection: RTCPeerConnection, camera_mid: str, microphone_mid: str | None
    ) -> RTCRtpTransceiver:
        """Put the camera and the microphone to use; what comes by others is ignored. The camera."""
        transceivers = connection.getTransceivers()
        camera = next(item for item in transceivers if item.mid == camera_mid)
        for other in transceivers:
            if other.kind == "video" and other is not camera:
                other.direction = "inactive"
        self._receive(camera)
        for sound in transceivers:
            if sound.kind == "audio":
                self._hear(sound, used=sound.mid == microphone_mid)
        return camera

    def _receive(self, camera: RTCRtpTransceiver) -> None:
        assembly = PictureAssembly(
            hooks.codecs_by_payload_type(camera),
            self._take_picture,
            lambda count: self._events.dropped("network", count),
        )
        self._decoder = DecoderThread(
            self._edit_size,
            on_frame=lambda frame: self._on_loop(self._events.frame, frame),
            on_dropped=lambda count: self._on_loop(self._events.dropped, "decode", count),
            on_broken=assembly.want_key_frame,
            on_too_large=lambda width, height: self._on_loop(self._events.too_large, width, height),
            on_failed=lambda error: self._on_loop(self._events.failed, error),
            codecs=self._codecs,
        )
        hooks.assemble_with(camera.receiver, assembly)
        hooks.ask_again_with(camera.receiver, MissingPackets())
        hooks.watch_sender_reports(camera.receiver, self.capture_clock.video.add)

    def _hear(self, sound: RTCRtpTransceiver, *, used: bool) -> None:
        # Every one gets a relay: aiortc would decode the sound and queue it without bound.
        types = hooks.opus_types(sound) if used else frozenset[int]()
        if self._downlink is None and types:
            hooks.only_opus(sound)
        self.hears |= bool(types)
        relay = SoundRelay(types, self.capture_clock.sound_ms, self._events.sound)
        hooks.assemble_with(sound.receiver, relay)
        if used:
            hooks.watch_sender_reports(sound.receiver, self.capture_clock.sound.add)

    def _send(self, camera: RTCRtpTransceiver, downlink: Downlink, chosen: Chosen) -> None:
        hooks.send_first(camera, chosen.payload_type)
        camera.direction = "sendrecv"
        track = EditTrack(downlink.outbox)
        camera.sender.replaceTrack(track)
        rate = RateControl(int(min(downlink.max_bitrate_bps, chosen.limit.bitrate_bps)))
        self.encoder = LiveEncoder(
            chosen.codec,
            rate,
            on_encoded=track.encoded,
            on_dropped=lambda reason: self._on_loop(self._events.dropped, reason, 1),
            codecs=self._codecs,
            limit=chosen.limit,
        )
        hooks.encode_with(camera.sender, self.encoder)
        hooks.watch_failure(camera.sender, self._events.failed)
        hooks.watch_receiver_reports(camera.sender, rate.reported)
        hooks.send_again_with(camera.sender, Resending(lambda: rate.target_bps))
        hooks.watch_pictures_leave(camera.sender, lambda out_rtp: track.sent(out_rtp, self._events.sent))

    def _take_picture(self, picture: EncodedPicture) -> None:
        self._events.received()
        if self._decoder is not None:
            self._decoder.put(picture)

    def _on_loop(self, tell: Callable[..., None], *arguments: object) -> None:
        """Call something on the event loop from another thread."""
        if not self._closed and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(tell, *arguments)
