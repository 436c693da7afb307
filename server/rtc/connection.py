"""One peer connection of ours that answers an offer: what all kinds of peers have in common."""

import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.exceptions import InternalError, InvalidAccessError, InvalidStateError, OperationError
from aiortc.sdp import SessionDescription
from aiortc.stats import RTCRemoteInboundRtpStreamStats

from server.rtc import guards, hooks
from server.rtc.fragment import IceFragment, MalformedFragmentError
from server.rtc.gathering import Gathering, NoPortError
from server.rtc.ice import Network
from server.rtc.offer import MAX_CANDIDATES, UnusableOfferError, without_mdns

logger = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 5.0

Wire = Callable[[RTCPeerConnection], None]
"""Puts the tracks of a connection to use, once the offer is known and before it is answered."""


class IceRestartError(Exception):
    """ICE would have to be restarted, which aiortc cannot."""


@dataclass(frozen=True)
class PeerHealth:
    """What is known of the way to a peer."""

    packets_received: int
    """That passed their authentication; a peer that is there sends some every second."""
    round_trip_ms: float | None


class Connection:
    """Answers one offer and lasts until closed.

    Args:
        network: How peers reach each other.
        on_state: Told the connection's state: connecting, connected, failed or closed.

    Attributes:
        id: Unguessable; names the connection in its WHIP or WHEP session's address.
        ice_tag: Names its ICE session, in an entity tag; there is one, since ICE is never restarted.
    """

    def __init__(self, network: Network, on_state: Callable[[str], None]) -> None:
        self.id = secrets.token_urlsafe(16)
        self.ice_tag = secrets.token_urlsafe(9)
        self._gathering, self._on_state = Gathering(network), on_state
        self._connection: RTCPeerConnection | None = None
        self._offered: SessionDescription | None = None
        self._arrivals = guards.Arrivals()
        self._trickled = 0

    async def answer(self, offer_sdp: str, wire: Wire) -> str:
        """The SDP answer to a checked offer, with all our candidates.

        Raises:
            UnusableOfferError: Nothing can come of it.
            NoPortError: There is no UDP port left to carry it.
        """
        # Without a list aiortc would ask a server of its own choice.
        connection = self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        connection.on("connectionstatechange", lambda: self._on_state(connection.connectionState))
        self._offered = SessionDescription.parse(offer_sdp)
        try:
            await connection.setRemoteDescription(RTCSessionDescription(without_mdns(offer_sdp), "offer"))
            guards.bound(connection)
            self._arrivals = guards.count_arrivals(connection)
            wire(connection)
            hooks.gather_with(connection, self._gathering)
            hooks.ask_for_consent_without_end(connection)
            await connection.setLocalDescription(await connection.createAnswer())
        except (NoPortError, UnusableOfferError):
            await self._abandon(connection)
            raise
        except (ValueError, OperationError, InternalError, InvalidAccessError, InvalidStateError) as error:
            await self._abandon(connection)
            raise UnusableOfferError(f"the offer cannot be answered: {error}") from error
        except (AttributeError, KeyError, IndexError, TypeError, AssertionError) as error:
            # aiortc takes what it parsed for granted; an offer that breaks it is the offer's fault.
            logger.info("an offer broke the peer connection", exc_info=error)
            await self._abandon(connection)
            raise UnusableOfferError(
                "the offer cannot be answered: its sections do not fit together"
            ) from error
        return str(connection.localDescription.sdp)

    async def add_candidates(self, fragment: IceFragment) -> None:
        """Try what the peer has found since its offer, up to `MAX_CANDIDATES` of them; the rest goes untried.

        Raises:
            IceRestartError: The fragment is of another ICE session.
            MalformedFragmentError: A candidate cannot be used.
        """
        connection, offered = self._connection, self._offered
        if connection is None or offered is None:
            return
        known = {
            (media.ice.usernameFragment, media.ice.password)
            for media in offered.media
            if media.ice is not None
        }
        if fragment.credentials is not None and fragment.credentials not in known:
            raise IceRestartError
        mids = [media.rtp.muxId for media in offered.media]
        for candidate in fragment.candidates:
            mid, index = candidate.sdpMid, candidate.sdpMLineIndex
            if (mid is not None and mid not in mids) or (index is not None and index >= len(mids)):
                raise MalformedFragmentError("a candidate is for a section that the offer does not have")
        try:
            for candidate in fragment.candidates[: MAX_CANDIDATES - self._trickled]:
                self._trickled += 1
                await connection.addIceCandidate(candidate)
            if fragment.ended:
                await connection.addIceCandidate(None)
        except ValueError as error:
            raise MalformedFragmentError(f"a candidate cannot be used: {error}") from error

    async def health(self) -> PeerHealth:
        """Packets heard so far and the newest round trip."""
        round_trip_ms = None
        if self._connection is not None:
            for stats in (await self._connection.getStats()).values():
                if isinstance(stats, RTCRemoteInboundRtpStreamStats) and stats.kind == "video":
                    round_trip_ms = None if stats.roundTripTime is None else 1000.0 * stats.roundTripTime
        return PeerHealth(self._arrivals.packets, round_trip_ms)

    async def close(self) -> None:
        """End the connection; never raises, never takes long."""
        if self._connection is None:
            return
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._connection.close()
        except TimeoutError:
            logger.warning("a peer connection did not close within %g s", CLOSE_TIMEOUT_S)
            # aiortc may wait for ever for a task of its own that died; the ports are given back all the same.
            await hooks.cut_off(self._connection)

    async def _abandon(self, connection: RTCPeerConnection) -> None:
        """Close a connection that came to nothing, which what is raised tells: its end is no end of a session."""
        connection.remove_all_listeners("connectionstatechange")
        await self.close()
