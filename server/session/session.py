"""One visitor: everything that is theirs, from their first call to their last packet."""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from server import telemetry
from server.engine import EditorUnavailableError, Engine, Seat
from server.messages import (
    Ack,
    ControlErrorMessage,
    ControlMessage,
    FrameMatch,
    InstructionAck,
    InstructionMessage,
    InstructionTaken,
    Message,
    PauseMessage,
    PictureSizes,
    PingAck,
    ReceiptMessage,
    SessionState,
    StateMessage,
    Stats,
    StrengthMessage,
    WarningMessage,
)
from server.rtc.broadcast import Broadcast
from server.rtc.connection import Connection
from server.rtc.peer import Downlink, Peer, PeerEvents, Size
from server.rtc.viewer import Viewer
from server.session.channels import Channels
from server.session.events import Events
from server.session.frame import Frame, Picture
from server.session.instruction import Instruction
from server.session.mailbox import Mailbox
from server.session.outlets import Outlets
from server.session.receipts import Receipts
from server.session.viewers import Viewers
from server.session.worker import Trouble, Worker
from server.telemetry import DropReason, Telemetry

logger = logging.getLogger(__name__)

HEALTH_INTERVAL_S = 1.0


class AlreadyConnectedError(Exception):
    """The session has answered an offer before."""


class SessionClosedError(Exception):
    """The session has ended."""


@dataclass(frozen=True)
class SessionLimits:
    """How long, how large and how much."""

    connect_timeout_s: float
    gone_after_s: float
    stall_after_s: float
    max_bitrate_bps: int
    max_viewers: int
    edit_size: Size
    send_size: Size
    stun_urls: tuple[str, ...]


class Session:
    """A visitor's session; lives from `start` to `close`.

    Args:
        model: Name of what edits.
        engine: The editor all sessions share.
        limits: How long, how large and how much.
        seed: Of the stream's noise.
        on_closed: Called once, when it has ended.
        clock: Monotonic seconds.

    Attributes:
        token: Asked for as a bearer by every call on this session, unless it brings the server's.
        token_chosen: Its publisher has chosen the token.
        opened_by_publisher: A publisher's first call has opened it.
    """

    def __init__(
        self,
        model: str,
        engine: Engine,
        limits: SessionLimits,
        seed: int,
        on_closed: Callable[["Session"], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.id = secrets.token_urlsafe(12)
        self.token = secrets.token_urlsafe(24)
        self.opened_by_publisher = False
        self.token_chosen = False
        self.model = model
        self.events = Events()
        self.telemetry = Telemetry(clock)
        self.instruction: InstructionTaken | None = None
        self._engine, self._limits, self._on_closed, self._clock = engine, limits, on_closed, clock
        self._began_s = clock()
        self._state: SessionState = "new"
        self._connected = False
        self._trouble: Trouble | None = None
        self._inbox: Mailbox[Frame] = Mailbox(lambda: self.telemetry.count_dropped("inbox"))
        self._outlets = Outlets(self._take_handed_out)
        self._receipts = Receipts()
        self._worker = Worker(
            self._inbox,
            self._outlets,
            engine,
            Seat(seed),
            limits.stall_after_s,
            self._take_trouble,
            lambda: self.telemetry.count_dropped("paused"),
            clock,
        )
        self._peer: Peer | None = None
        self._publishes = False
        self._broadcast = Broadcast(
            self._outlets,
            self._captured_ms,
            limits.send_size,
            limits.max_bitrate_bps,
            self._take_handed_out,
            self._count_waited_too_long,
            lambda: self.telemetry.count_dropped("encode"),
        )
        self._viewers = Viewers(
            self._broadcast,
            limits.max_viewers,
            limits.stun_urls,
            limits.connect_timeout_s,
            limits.gone_after_s,
        )
        self._channels = Channels(
            self.events,
            lambda: StateMessage(state=self._state),
            self.stats,
            self._follow,
            self.telemetry.add_client_report,
            self.end,
        )
        self._instruct_order = asyncio.Lock()
        self._clock_offset_ms: float | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to wait for the browser."""
        for work in (
            self._worker.run(),
            self._channels.follow_control(),
            self._watch(),
            self._channels.tell_telemetry(),
        ):
            self._spawn(work)

    @property
    def state(self) -> SessionState:
        """What the session is doing."""
        return self._state

    @property
    def strength(self) -> float | None:
        """How much of the edit shows; None without an instruction."""
        return None if self._worker.instruction is None else self._worker.instruction.strength

    @property
    def paused(self) -> bool:
        """Whether the picture is held."""
        return self._worker.paused

    @property
    def last_source(self) -> Picture | None:
        """The newest camera picture, at the size it is edited at."""
        return self._worker.last_source

    @property
    def last_edit(self) -> Picture | None:
        """The newest picture that left or is about to."""
        return self._worker.last_edit

    async def connect(self, offer_sdp: str) -> str:
        """Answer the browser's offer: its camera up, the edit down.

        Raises:
            AlreadyConnectedError: The session has its picture already.
            SessionClosedError: The session has ended.
            MalformedOfferError: The offer is not SDP.
            UnusableOfferError: Nothing to edit can come of it.
        """
        self._require_free()
        outbox = self._outlets.open(lambda: self.telemetry.count_dropped("outbox"))
        try:
            return await self._open_peer(
                offer_sdp, Downlink(outbox, self._limits.send_size, self._limits.max_bitrate_bps)
            )
        except BaseException:
            self._outlets.close(outbox)
            raise

    async def publish(self, offer_sdp: str) -> str:
        """Answer a publisher's offer (WHIP): its picture and sound up, nothing down.

        Raises:
            As `connect`.
        """
        self._require_free()
        self._publishes = True
        return await self._open_peer(offer_sdp, None)

    async def view(self, offer_sdp: str) -> tuple[Viewer, str]:
        """Answer a viewer's offer (WHEP); the viewer and the SDP answer.

        Raises:
            TooManyViewersError: Every place is taken.
            SessionClosedError: The session has ended.
            MalformedOfferError: The offer is not SDP.
            UnusableOfferError: There is nothing in it that could show the edit.
        """
        if self._state == "closed":
            raise SessionClosedError
        viewer, answer = await self._viewers.open(offer_sdp)
        if self._closing is not None:
            await viewer.close()
            raise SessionClosedError
        return viewer, answer

    @property
    def viewers(self) -> int:
        """How many watch."""
        return len(self._viewers)

    def find_viewer(self, viewer_id: str) -> Viewer | None:
        """The viewer of an id, if it is still there."""
        return self._viewers.find(viewer_id)

    async def end_view(self, viewer: Viewer) -> None:
        """End a viewer's connection."""
        await self._viewers.end(viewer)

    @property
    def published_by(self) -> Connection | None:
        """The publisher's connection, if the picture comes from one."""
        return self._peer.connection if self._publishes and self._peer is not None else None

    def _require_free(self) -> None:
        if self._state == "closed":
            raise SessionClosedError
        if self._peer is not None:
            raise AlreadyConnectedError

    async def _open_peer(self, offer_sdp: str, downlink: Downlink | None) -> str:
        events = PeerEvents(
            received=self.telemetry.count_received,
            frame=self._take_frame,
            sound=self._broadcast.put_sound,
            dropped=self._count_dropped,
            sent=self._take_sent,
            channel=self._channels.take,
            state=self._take_connection_state,
        )
        peer = self._peer = Peer(downlink, events, self._limits.edit_size, self._limits.stun_urls)
        try:
            answer = await peer.answer(offer_sdp)
        except BaseException:
            self._peer, self._publishes = None, False
            await peer.close()
            raise
        if self._closing is not None:
            await peer.close()
            raise SessionClosedError
        self._update_state()
        return answer

    async def instruct(
        self, text: str, strength: float = 1.0, transition_ms: float = 0.0
    ) -> InstructionTaken:
        """Take a new instruction; a receipt follows with the first frame that carries it.

        Raises:
            ValueError: The text cannot be an instruction.
            EditorUnavailableError: The model could not be loaded.
        """
        arrived_s, sent_before = self._clock(), self.telemetry.sent
        self._worker.instruction_waits = True
        try:
            # In the order they came, however long each takes to be understood.
            async with self._instruct_order:
                conditioning = await self._engine.encode(text)
                before = self._worker.instruction
                instruction = Instruction(
                    id=secrets.token_urlsafe(9),
                    conditioning=conditioning,
                    strength=strength,
                    arrived_s=arrived_s,
                    frames_sent_before=sent_before,
                    understood_s=self._clock(),
                    transition_s=transition_ms / 1000.0,
                    previous=before.at(self._clock()) if before is not None and transition_ms > 0 else None,
                )
                self._worker.instruction = instruction
                self._receipts.expect(instruction)
        finally:
            self._worker.instruction_waits = False
        taken = self.instruction = InstructionTaken(
            instruction_id=instruction.id,
            text=conditioning.text,
            family=conditioning.family,
            known=conditioning.known,
            confidence=conditioning.confidence,
            nearest=conditioning.nearest,
        )
        if not conditioning.known:
            self._say(
                WarningMessage(
                    code="unknown_instruction",
                    detail=f"“{conditioning.text}” is unlike anything the model was taught.",
                    nearest=conditioning.nearest,
                )
            )
        return taken

    def instruct_when_ready(self, text: str) -> None:
        """Take an instruction as soon as the model is loaded."""

        async def later() -> None:
            try:
                await self.instruct(text)
            except (ValueError, EditorUnavailableError) as error:
                self._say(WarningMessage(code="instruction_failed", detail=str(error)))

        self._spawn(later())

    def set_strength(self, strength: float) -> None:
        """Show more or less of the edit; nothing happens without an instruction."""
        if self._worker.instruction is not None:
            self._worker.instruction = self._worker.instruction.with_strength(strength)

    def set_paused(self, paused: bool) -> None:
        """Hold the picture, or go on."""
        self._worker.paused = paused
        self._update_state()

    def stats(self) -> Stats:
        """Telemetry as of now."""
        telemetry_, client = self.telemetry, self.telemetry.client_report
        runs = self._engine.description
        return Stats(
            frames=telemetry_.frames,
            fps=telemetry_.rates,
            stages_ms=telemetry_.stages,
            server_ms=telemetry_.server,
            glass_to_glass_ms=None if client is None else client.glass_to_glass_ms,
            displayed_fps=None if client is None else client.displayed_fps,
            memory=telemetry.memory(),
            model=self.model,
            version=None if runs is None else runs.version,
            compiler=None if runs is None else runs.compiler,
            precision=None if runs is None else runs.precision,
            device=None if runs is None else runs.device,
            steps=None if runs is None else runs.steps,
            drift=telemetry_.drift,
            instruction_apply_ms=telemetry_.instruction_apply_ms,
            size=PictureSizes(received=telemetry_.camera_size, edit=telemetry_.edit_size),
            viewers=self._viewers.summaries,
            encoders=self._broadcast.encoders,
            uptime_s=round(self._clock() - self._began_s, 3),
        )

    async def close(self, reason: str) -> None:
        """End the session; further calls wait for the same end."""
        self.end(reason)
        assert self._closing is not None
        await asyncio.shield(self._closing)

    def end(self, reason: str) -> None:
        """Begin to end the session; returns at once."""
        if self._closing is None:
            logger.info("session %s ends: %s", self.id, reason)
            self._closing = asyncio.ensure_future(self._close(reason))

    async def _close(self, reason: str) -> None:
        self._state = "closed"
        self._say(StateMessage(state="closed", reason=reason))
        # Out of the books first: its place is free for the next visitor.
        self._on_closed(self)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._viewers.end_all()
        await self._broadcast.close()
        if self._peer is not None:
            await self._peer.close()
        self.events.end()

    # What the peer tells, all on the event loop.

    def _take_frame(self, frame: Frame) -> None:
        if self._peer is None or self._state == "closed":
            return
        self.telemetry.add_decoded(frame)
        capture_ms = self._peer.capture_clock.video.capture_ms(frame.rtp_timestamp)
        if capture_ms is not None and self._clock_offset_ms is not None:
            uplink_ms = unix_ms(frame.received_s) - (capture_ms + self._clock_offset_ms)
            if uplink_ms >= 0:
                self.telemetry.add_uplink(uplink_ms)
        self._inbox.put(frame)

    def _take_handed_out(self, frame: Frame) -> None:
        """A publisher's frame is encoded and with every viewer's sender, or nobody watches.

        That is where it leaves the session: each viewer has RTP timestamps of its own.
        """
        if self._publishes and frame.sent_s is None:
            frame.sent_s = self._clock()
            if self._viewers:
                frame.encoded_s = frame.sent_s
            self._take_sent(frame, None)

    def _count_waited_too_long(self) -> None:
        if self._publishes:
            self.telemetry.count_dropped("outbox")

    def _captured_ms(self, frame: Frame) -> float | None:
        if self._peer is None:
            return None
        return self._peer.capture_clock.video_ms(frame.rtp_timestamp, unix_ms(frame.received_s))

    def _take_sent(self, frame: Frame, out_rtp: int | None) -> None:
        index = self.telemetry.sent
        self.telemetry.add_sent(frame)
        receipt = self._receipts.left(frame, index, out_rtp)
        if receipt is not None:
            self.telemetry.instruction_apply_ms = receipt.elapsed_ms
            self._say(receipt)
        if out_rtp is None or frame.kind == "repeated":
            return
        if self._peer is not None:
            capture_ms = self._peer.capture_clock.video.capture_ms(frame.rtp_timestamp)
            self._channels.add_match(
                FrameMatch(out_rtp=out_rtp, in_rtp=frame.rtp_timestamp, capture_ms=capture_ms)
            )

    def _count_dropped(self, reason: DropReason, count: int) -> None:
        self.telemetry.count_dropped(reason, count)

    def _take_connection_state(self, state: str) -> None:
        self._connected = state == "connected"
        if state in ("failed", "closed"):
            self.end(f"connection {state}")
        else:
            self._update_state()

    async def _follow(self, message: ControlMessage) -> Message:
        match message:
            case InstructionMessage():
                try:
                    taken = await self.instruct(message.text, message.strength, message.transition_ms)
                except ValueError as error:
                    return ControlErrorMessage(id=message.id, code="bad_field", detail=f"text: {error}")
                except EditorUnavailableError as error:
                    return ControlErrorMessage(id=message.id, code="unavailable", detail=str(error))
                return InstructionAck(id=message.id, **taken.model_dump(exclude={"text"}))
            case StrengthMessage():
                self.set_strength(message.value)
            case PauseMessage():
                self.set_paused(message.paused)
            case _:
                return PingAck(id=message.id, t=message.t, server_time_ms=time.time() * 1000.0)
        return Ack(id=message.id)

    # What the session tells.

    def _take_trouble(self, trouble: Trouble | None) -> None:
        self._trouble = trouble
        if trouble is not None:
            logger.info("session %s: %s", self.id, trouble.detail)
            self._say(WarningMessage(code=trouble.code, detail=trouble.detail))
        self._update_state()

    def _update_state(self) -> None:
        if self._closing is not None:
            return
        state: SessionState
        if self._peer is None:
            state = "new"
        elif not self._connected:
            state = "connecting"
        elif self._worker.paused:
            state = "paused"
        else:
            state = "live" if self._trouble is None else "degraded"
        if state != self._state:
            self._state = state
            self._say(StateMessage(state=state))

    def _say(self, message: ReceiptMessage | WarningMessage | StateMessage) -> None:
        self.events.publish(message)
        self._channels.answer(message)

    async def _watch(self) -> None:
        """End the session when its browser never came, or has left without a word."""
        heard, heard_s = -1, self._clock()
        ever_connected = False
        while True:
            await asyncio.sleep(HEALTH_INTERVAL_S)
            now_s = self._clock()
            ever_connected |= self._connected
            await self._viewers.end_lost(now_s)
            if not ever_connected:
                if now_s - self._began_s > self._limits.connect_timeout_s:
                    self.end("no browser connected")
                continue
            if self._peer is None:
                continue
            health = await self._peer.health()
            if health.packets_received != heard:
                heard, heard_s = health.packets_received, now_s
            elif now_s - heard_s > self._limits.gone_after_s:
                self.end("nothing heard from the browser")
            if health.round_trip_ms is not None:
                self._clock_offset_ms = self._peer.capture_clock.video.offset_ms(health.round_trip_ms)
                self.telemetry.add_downlink(health.round_trip_ms / 2)

    def _spawn(self, work: Awaitable[None]) -> None:
        async def guarded() -> None:
            await work

        task = asyncio.create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            # A bug of ours: the session cannot go on as if nothing had happened, the others can.
            logger.error("session %s failed", self.id, exc_info=task.exception())
            self.end("an error of the server's")


def unix_ms(stamp_s: float) -> float:
    """A frame's stamp in Unix milliseconds."""
    return time.time() * 1000.0 - 1000.0 * (time.perf_counter() - stamp_s)
