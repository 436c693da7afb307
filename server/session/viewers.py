"""The viewers (WHEP) of one session, from their offers to the end of their connections."""

import asyncio
import time

from server.rtc.broadcast import Broadcast
from server.rtc.ice import Network
from server.rtc.viewer import Viewer
from server.stats import ViewerSummary


class TooManyViewersError(Exception):
    """Every viewer's place is taken."""


class Viewers:
    """Who watches a session.

    Args:
        broadcast: The session's.
        max_viewers: How many may watch.
        network: How peers reach each other.
        connect_timeout_s: How long a viewer may take to connect.
        gone_after_s: How long a connected one may be silent.
    """

    def __init__(
        self,
        broadcast: Broadcast,
        max_viewers: int,
        network: Network,
        connect_timeout_s: float,
        gone_after_s: float,
    ) -> None:
        self._broadcast, self._max_viewers, self._network = broadcast, max_viewers, network
        self._connect_timeout_s, self._gone_after_s = connect_timeout_s, gone_after_s
        self._watching: dict[str, Viewer] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """How many watch."""
        return len(self._watching)

    @property
    def summaries(self) -> tuple[ViewerSummary, ...]:
        """Each viewer as of now."""
        return tuple(
            ViewerSummary(
                codec=viewer.codec,
                connected=viewer.connected,
                sound=viewer.sound,
                pictures_sent=viewer.sent,
                pictures_dropped=viewer.dropped,
                watched_s=round(time.perf_counter() - viewer.began_s, 3),
            )
            for viewer in self._watching.values()
        )

    async def open(self, offer_sdp: str) -> tuple[Viewer, str]:
        """Answer a viewer's offer; the viewer and the SDP answer.

        Raises:
            TooManyViewersError: Every place is taken.
            MalformedOfferError: The offer is not SDP.
            UnusableOfferError: There is nothing in it that could show the edit.
        """
        if len(self._watching) >= self._max_viewers:
            raise TooManyViewersError
        viewer = Viewer(self._broadcast, self._network, self._take_state)
        self._watching[viewer.connection.id] = viewer
        try:
            answer = await viewer.answer(offer_sdp)
        except BaseException:
            self._watching.pop(viewer.connection.id, None)
            await viewer.close()
            raise
        return viewer, answer

    def find(self, viewer_id: str) -> Viewer | None:
        """The viewer of an id, if it is still there."""
        return self._watching.get(viewer_id)

    async def end(self, viewer: Viewer) -> None:
        """End a viewer's connection."""
        self._let_go(viewer)
        await self._all_gone()

    async def end_all(self) -> None:
        """End every viewer's connection."""
        for viewer in tuple(self._watching.values()):
            self._let_go(viewer)
        await self._all_gone()

    async def end_lost(self, now_s: float) -> None:
        """Begin to end the connections of those that never came, or have left without a word."""
        for viewer in tuple(self._watching.values()):
            packets = (await viewer.health()).packets_received
            if packets != viewer.packets_heard:
                viewer.packets_heard, viewer.heard_s = packets, now_s
            silent_s = now_s - viewer.heard_s
            patience_s = self._gone_after_s if viewer.connected else self._connect_timeout_s
            if silent_s > patience_s:
                self._let_go(viewer)

    def _take_state(self, viewer: Viewer, state: str) -> None:
        viewer.connected = state == "connected"
        if state in ("failed", "closed"):
            self._let_go(viewer)

    def _let_go(self, viewer: Viewer) -> None:
        """Begin to end a viewer's connection; never cancelled, so that no socket of it is left open."""
        if self._watching.pop(viewer.connection.id, None) is not None:
            task = asyncio.ensure_future(viewer.close())
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def _all_gone(self) -> None:
        if self._leaving:
            await asyncio.wait(self._leaving)
