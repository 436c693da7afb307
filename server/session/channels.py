"""A session's two data channels: `control` is heard and answered, `telemetry` is told at intervals."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from aiortc import RTCDataChannel

from server.asks import (
    BypassMessage,
    ControlMessage,
    FreezeMessage,
    PingMessage,
    RecordMessage,
    StopRecordingMessage,
)
from server.messages import ControlErrorMessage, EditsMessage, Message, RecordingMessage, StateMessage
from server.rtc.control import ControlError, parse_client_report, parse_control
from server.session.events import Events
from server.stats import ClientReport, FrameMatch, FramesMessage, Stats, StatsMessage

STATS_INTERVAL_S = 0.5
FRAMES_INTERVAL_S = 0.1
MAX_WAITING_CONTROL = 32
MAX_BUFFERED_TELEMETRY = 64 * 1024
MAX_BUFFERED_CONTROL = 1024 * 1024
MAX_UNTOLD_MATCHES = 128
MAX_EARLY = 32
"""Messages that wait for `control` to open; the oldest go first, for a publisher never opens one."""
NO_CHANGE_OF_THE_STACK = (BypassMessage, FreezeMessage, PingMessage, RecordMessage, StopRecordingMessage)
"""These pass by an instruction that waits for the model to be loaded: who holds the picture means it now."""


class Channels:
    """Hears and tells a session's browser; its loops run until cancelled.

    Args:
        events: Are told the stats as well.
        state: What `control` is told when it opens, after what was said before.
        stats: Telemetry as of now.
        follow: Follows a control message; its answer.
        on_report: Called with what the browser has measured.
        on_gone: Told why nobody is taken to be there any more.
    """

    def __init__(
        self,
        events: Events,
        state: Callable[[], Sequence[Message]],
        stats: Callable[[], Stats],
        follow: Callable[[ControlMessage], Awaitable[Message]],
        on_report: Callable[[ClientReport], None],
        on_gone: Callable[[str], None],
    ) -> None:
        self._events, self._state, self._stats, self._follow = events, state, stats, follow
        self._on_report, self._on_gone = on_report, on_gone
        self._control: RTCDataChannel | None = None
        self._telemetry: RTCDataChannel | None = None
        self._changes: asyncio.Queue[ControlMessage] = asyncio.Queue(MAX_WAITING_CONTROL)
        self._others: asyncio.Queue[ControlMessage] = asyncio.Queue(MAX_WAITING_CONTROL)
        self._early: deque[Message] = deque(maxlen=MAX_EARLY)
        self._matches: list[FrameMatch] = []

    def take(self, channel: RTCDataChannel) -> None:
        """Use a channel that the browser has opened; one of another name is left alone."""
        if channel.label == "control":
            self._control = channel
            channel.on("message", self._hear_control)
            channel.on("close", lambda: self._on_gone("control channel closed"))
            for message in (*self._early, *self._state()):
                self._send(channel, message, MAX_BUFFERED_CONTROL)
            self._early.clear()
        elif channel.label == "telemetry":
            self._telemetry = channel
            channel.on("message", self._hear_telemetry)

    def answer(self, message: Message) -> None:
        """Send a message on `control`; before that is open, as soon as it is."""
        if self._control is not None:
            self._send(self._control, message, MAX_BUFFERED_CONTROL)
        elif not isinstance(message, StateMessage | EditsMessage | RecordingMessage):
            # Of those the newest is told anyway.
            self._early.append(message)

    def add_match(self, match: FrameMatch) -> None:
        """Tell with the next frames; not at all when too many wait already."""
        if len(self._matches) < MAX_UNTOLD_MATCHES:
            self._matches.append(match)

    async def follow_control(self) -> None:
        """Follow what is heard: changes of the stack one by one, and beside them, one by one, the rest."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._follow_each(self._changes))
            both.create_task(self._follow_each(self._others))

    async def tell_telemetry(self) -> None:
        """Tell which frames left, and less often the stats."""
        ticks_per_stats = round(STATS_INTERVAL_S / FRAMES_INTERVAL_S)
        tick = 0
        while True:
            await asyncio.sleep(FRAMES_INTERVAL_S)
            tick += 1
            channel = self._telemetry
            matches, self._matches = tuple(self._matches), []
            if channel is not None and matches:
                self._send(channel, FramesMessage(frames=matches), MAX_BUFFERED_TELEMETRY)
            if tick % ticks_per_stats == 0 and (channel is not None or self._events.listened_to):
                stats = StatsMessage(**dict(self._stats()))
                self._events.publish(stats)
                if channel is not None:
                    self._send(channel, stats, MAX_BUFFERED_TELEMETRY)

    async def _follow_each(self, heard: "asyncio.Queue[ControlMessage]") -> None:
        while True:
            self.answer(await self._follow(await heard.get()))

    def _hear_telemetry(self, raw: str | bytes) -> None:
        report = parse_client_report(raw)
        if report is not None:
            self._on_report(report)

    def _hear_control(self, raw: str | bytes) -> None:
        try:
            message = parse_control(raw)
        except ControlError as error:
            self.answer(ControlErrorMessage(id=error.request_id, code=error.code, detail=error.detail))
            return
        heard = self._others if isinstance(message, NO_CHANGE_OF_THE_STACK) else self._changes
        try:
            heard.put_nowait(message)
        except asyncio.QueueFull:
            self.answer(
                ControlErrorMessage(id=message.id, code="too_many", detail="too many messages wait already")
            )

    def _send(self, channel: RTCDataChannel, message: Message, max_buffered: int) -> None:
        if channel.readyState != "open":
            return
        if channel.bufferedAmount > max_buffered:
            if channel is self._control:
                self._on_gone("the browser does not read its control channel")
            return
        channel.send(message.model_dump_json(by_alias=True))
