"""Where a session's picture comes in: one connection, a browser's or a publisher's."""

from server.rtc.connection import Connection, PeerHealth
from server.rtc.peer import Downlink, Peer, PeerEvents
from server.session.errors import AlreadyConnectedError
from server.session.journey import Journey
from server.session.limits import SessionLimits
from server.session.outlets import Outlets
from server.stats import VideoCodecs
from server.telemetry import Telemetry


class Intake:
    """Takes one connection, and another only after an offer that came to nothing.

    Args:
        events: What the connection tells.
        limits: Of the session.
        outlets: Where frames leave, a browser's own among them.
        journey: Dates frames by the connection's clock.
        telemetry: Counts what a browser was too slow for.

    Attributes:
        peer: The connection's; None before there is one.
        publishes: It is a publisher's (WHIP), to which nothing is sent back.
    """

    def __init__(
        self,
        events: PeerEvents,
        limits: SessionLimits,
        outlets: Outlets,
        journey: Journey,
        telemetry: Telemetry,
    ) -> None:
        self.peer: Peer | None = None
        self.publishes = False
        self._events, self._limits, self._outlets = events, limits, outlets
        self._journey, self._telemetry = journey, telemetry

    async def connect(self, offer_sdp: str) -> str:
        """Answer the browser's offer: its camera up, the edit down.

        Raises:
            AlreadyConnectedError: There is a connection already.
            MalformedOfferError: The offer is not SDP.
            UnusableOfferError: Nothing to edit can come of it.
        """
        self._require_free()
        outbox = self._outlets.open(lambda: self._telemetry.count_dropped("outbox"))
        try:
            return await self._answer(offer_sdp, Downlink(outbox, self._limits.max_bitrate_bps))
        except BaseException:
            self._outlets.close(outbox)
            raise

    async def publish(self, offer_sdp: str) -> str:
        """Answer a publisher's offer (WHIP): its picture and sound up, nothing down.

        Raises:
            As `connect`.
        """
        self._require_free()
        self.publishes = True
        return await self._answer(offer_sdp, None)

    @property
    def published_by(self) -> Connection | None:
        """The publisher's connection, if the picture comes from one."""
        return self.peer.connection if self.publishes and self.peer is not None else None

    @property
    def codecs(self) -> VideoCodecs:
        """What decodes, and what encodes for the browser itself."""
        if self.peer is None:
            return VideoCodecs(decoder=None, encoders=())
        own = None if self.peer.encoder is None else self.peer.encoder.summary
        return VideoCodecs(decoder=self.peer.decoder, encoders=() if own is None else (own,))

    async def health(self) -> PeerHealth | None:
        """How the connection is; None before there is one."""
        return None if self.peer is None else await self.peer.health()

    async def close(self) -> None:
        """End the connection."""
        if self.peer is not None:
            await self.peer.close()

    def _require_free(self) -> None:
        if self.peer is not None:
            raise AlreadyConnectedError

    async def _answer(self, offer_sdp: str, downlink: Downlink | None) -> str:
        limits = self._limits
        peer = self.peer = Peer(downlink, self._events, limits.edit_size, limits.network, limits.codecs)
        self._journey.capture_clock = peer.capture_clock
        try:
            return await peer.answer(offer_sdp)
        except BaseException:
            self.peer, self.publishes = None, False
            self._journey.capture_clock = None
            await peer.close()
            raise
