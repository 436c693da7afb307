"""One visitor: everything that is theirs, from their first call to their last packet."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from contextlib import AsyncExitStack

from server.engine import Engine
from server.messages import (
    EditsMessage,
    ReceiptMessage,
    RecordingMessage,
    RecordingSummary,
    SessionState,
    StateMessage,
    WarningMessage,
)
from server.presets.store import Presets
from server.recording.store import Recordings
from server.rtc.broadcast import Broadcast
from server.rtc.connection import Connection
from server.rtc.encoded import EncodedFrame
from server.rtc.peer import PeerEvents
from server.rtc.viewer import Viewer
from server.session.channels import Channels
from server.session.control import follow
from server.session.errors import NoPictureError, SessionClosedError
from server.session.events import Events
from server.session.figures import Figures
from server.session.frame import Frame, Picture
from server.session.instructions import Instructions
from server.session.intake import Intake
from server.session.journey import Journey
from server.session.layered import Seat
from server.session.limits import SessionLimits
from server.session.mailbox import Mailbox
from server.session.outlets import Outlets
from server.session.presence import Presence
from server.session.receipts import Receipts
from server.session.recording import SessionRecording, Taken
from server.session.tasks import Tasks
from server.session.viewers import Viewers
from server.session.worker import Trouble, Worker
from server.stats import Stats
from server.telemetry import DropReason, Telemetry

logger = logging.getLogger(__name__)


class Session:
    """A visitor's session; lives from `start` to `close`.

    Args:
        model: Name of what edits.
        engine: The editor all sessions share.
        limits: How long, how large and how much.
        seed: Of the stream's noise.
        recordings: Where the session's are kept.
        presets: Those it may be told to follow.
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
        recordings: Recordings,
        presets: Presets,
        on_closed: Callable[["Session"], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.id = secrets.token_urlsafe(12)
        self.token = secrets.token_urlsafe(24)
        self.opened_by_publisher = False
        self.token_chosen = False
        self.model, self.seed = model, seed
        self.presets = presets
        self.events = Events()
        self.telemetry = Telemetry(clock)
        self._engine, self._limits, self._on_closed, self._clock = engine, limits, on_closed, clock
        self._state: SessionState = "new"
        self._trouble: Trouble | None = None
        self._inbox: Mailbox[Frame] = Mailbox(lambda: self.telemetry.count_dropped("inbox"))
        self._outlets = Outlets(self._take_handed_out)
        receipts = Receipts()
        self._seat = Seat(seed)
        self._worker = Worker(
            self._inbox,
            self._outlets,
            engine,
            self._seat,
            limits.stall_after_s,
            self._take_trouble,
            lambda: self.telemetry.count_dropped("frozen"),
            lambda: self.telemetry.count_dropped("edit"),
            clock,
        )
        self.instructions = Instructions(engine, self._worker, receipts, self.telemetry, self._say, clock)
        self._broadcast = Broadcast(
            self._outlets,
            lambda frame: self._journey.captured_ms(frame),
            limits.max_bitrate_bps,
            limits.codecs,
            self._take_handed_out,
            self._count_not_let_out,
            self._take_failure,
        )
        self._viewers = Viewers(
            self._broadcast,
            limits.max_viewers,
            limits.network,
            limits.connect_timeout_s,
            limits.gone_after_s,
        )
        self._channels = Channels(
            self.events,
            lambda: self.now,
            lambda: self._figures.now(),
            lambda message: follow(self, message),
            self.telemetry.add_client_report,
            self.end,
        )
        self._journey = Journey(self.telemetry, receipts, self._say, self._channels.add_match)
        self._intake = Intake(
            PeerEvents(
                received=self.telemetry.count_received,
                frame=self._take_frame,
                sound=self._take_sound,
                dropped=self.telemetry.count_dropped,
                too_large=self._warn_too_large,
                sent=self._journey.sent,
                channel=self._channels.take,
                state=self._take_connection_state,
                failed=self._take_failure,
            ),
            limits,
            self._outlets,
            self._journey,
            self.telemetry,
        )
        self._figures = Figures(
            model,
            engine,
            self.telemetry,
            self._worker,
            self._seat,
            self._intake,
            self._broadcast,
            self._viewers,
            clock,
        )
        self.recording = SessionRecording(
            recordings,
            engine,
            Taken(self.id, model, seed),
            self._outlets,
            self._journey.captured_ms,
            self._say,
        )
        self._presence = Presence(
            limits.connect_timeout_s,
            limits.gone_after_s,
            self._viewers,
            self._intake.health,
            self._journey.take_round_trip,
            self.end,
            clock,
        )
        self._tasks = Tasks(self._take_failure)
        self._closing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to wait for the browser."""
        for work in (
            self._worker.run(),
            self._channels.follow_control(),
            self._presence.watch(),
            self._channels.tell_telemetry(),
        ):
            self._tasks.spawn(work)

    @property
    def state(self) -> SessionState:
        """What the session is doing."""
        return self._state

    @property
    def now(self) -> tuple[StateMessage | EditsMessage | RecordingMessage, ...]:
        """How things stand, for whoever begins to listen."""
        recording = self.recording.newest
        return (
            StateMessage(state=self._state),
            EditsMessage(**dict(self.instructions.summary)),
            *(() if recording is None else (RecordingMessage(recording=recording),)),
        )

    @property
    def bypassed(self) -> bool:
        """Whether the original shows."""
        return self._worker.edits.bypassed

    @property
    def frozen(self) -> bool:
        """Whether the picture is held."""
        return self._worker.edits.frozen

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
        self._require_open()
        return await self._opened(await self._intake.connect(offer_sdp))

    async def publish(self, offer_sdp: str) -> str:
        """Answer a publisher's offer (WHIP): its picture and sound up, nothing down.

        Raises:
            As `connect`.
        """
        self._require_open()
        return await self._opened(await self._intake.publish(offer_sdp))

    async def view(self, offer_sdp: str) -> tuple[Viewer, str]:
        """Answer a viewer's offer (WHEP); the viewer and the SDP answer.

        Raises:
            TooManyViewersError: Every place is taken.
            SessionClosedError: The session has ended.
            MalformedOfferError: The offer is not SDP.
            UnusableOfferError: There is nothing in it that could show the edit.
        """
        self._require_open()
        viewer, answer = await self._viewers.open(offer_sdp)
        if self._closing is not None:
            await viewer.close()
            raise SessionClosedError
        return viewer, answer

    @property
    def max_bitrate_bps(self) -> int:
        """Of each picture that is sent."""
        return self._limits.max_bitrate_bps

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
        return self._intake.published_by

    def _require_open(self) -> None:
        if self._state == "closed":
            raise SessionClosedError

    async def _opened(self, answer: str) -> str:
        if self._closing is not None:
            await self._intake.close()
            raise SessionClosedError
        self._update_state()
        return answer

    def instruct_when_ready(self, text: str) -> None:
        """Take an instruction as soon as the model is loaded."""
        self._tasks.spawn(self.instructions.take_when_ready(text))

    def freeze(self, frozen: bool) -> None:
        """Hold the picture, or go on."""
        self.instructions.freeze(frozen)
        self._update_state()

    async def record(self, original: bool) -> RecordingSummary:
        """Begin to record what leaves, and the camera's own pictures too if asked.

        Raises:
            NoPictureError: There is nothing to record yet.
            SessionClosedError: The session has ended.
            AlreadyRecordingError: It records already.
            OSError: It cannot be written.
            QuotaExceededError: There is no room left for recordings.
        """
        if self._closing is not None:
            raise SessionClosedError
        peer, size = self._intake.peer, self.telemetry.edit_size
        if peer is None or size is None:
            raise NoPictureError
        return await self.recording.start(original, size, self.token, peer.hears)

    async def apply_preset(self, preset_id: str, transition_ms: float = 0.0) -> None:
        """Put a preset's instructions in the place of all others.

        Raises:
            NoSuchPresetError: There is none of this id.
            PresetsUnavailableError: Presets cannot be read.
            EditorUnavailableError: The model could not be loaded.
            ValueError: One of its texts cannot be an instruction.
        """
        preset = await self.presets.find(preset_id)
        await self.instructions.replace(preset.layers, transition_ms)

    @property
    def held_bytes(self) -> int:
        """Of latents and the like in this session's memories."""
        return self._seat.held_bytes

    def stats(self) -> Stats:
        """Telemetry as of now."""
        return self._figures.now()

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
        # The last first; each whatever becomes of the others, or they would leave a connection or a thread behind.
        async with AsyncExitStack() as ending:
            ending.callback(self.events.end)
            ending.push_async_callback(self._intake.close)
            ending.push_async_callback(self._broadcast.close)
            ending.push_async_callback(self._viewers.end_all)
            ending.push_async_callback(self.recording.close, reason)
            await self._tasks.cancel()

    # What the peer tells, all on the event loop.

    def _take_frame(self, frame: Frame) -> None:
        if self._intake.peer is not None and self._state != "closed":
            self._journey.decoded(frame)
            self.recording.put_camera(frame)
            self._inbox.put(frame)

    def _take_sound(self, packet: EncodedFrame) -> None:
        self._broadcast.put_sound(packet)
        self.recording.put_sound(packet)

    def _take_handed_out(self, frame: Frame) -> None:
        """A publisher's frame is encoded and with every viewer's sender, or nobody watches.

        That is where it leaves the session: each viewer has RTP timestamps of its own.
        """
        if self._intake.publishes and frame.sent_s is None:
            frame.sent_s = self._clock()
            if self._viewers:
                frame.encoded_s = frame.sent_s
            self._journey.sent(frame, None)

    def _count_not_let_out(self, reason: DropReason) -> None:
        # A browser has its edit on a connection of its own, whatever its viewers see.
        if self._intake.publishes:
            self.telemetry.count_dropped(reason)

    def _warn_too_large(self, width: int, height: int) -> None:
        detail = f"The camera's pictures of {width} x {height} are too large to edit live; send smaller ones."
        logger.warning("session %s: %s", self.id, detail)
        self._say(WarningMessage(code="picture_too_large", detail=detail))

    def _take_connection_state(self, state: str) -> None:
        self._presence.connected = state == "connected"
        if state in ("failed", "closed"):
            self.end(f"connection {state}")
        else:
            self._update_state()

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
        if self._intake.peer is None:
            state = "new"
        elif not self._presence.connected:
            state = "connecting"
        elif self._worker.edits.frozen:
            state = "frozen"
        else:
            state = "live" if self._trouble is None else "degraded"
        if state != self._state:
            self._state = state
            self._say(StateMessage(state=state))

    def _say(
        self, message: ReceiptMessage | WarningMessage | StateMessage | EditsMessage | RecordingMessage
    ) -> None:
        self.events.publish(message)
        self._channels.answer(message)

    def _take_failure(self, error: BaseException) -> None:
        # A bug of ours: the session cannot go on as if nothing had happened, the others can.
        logger.error("session %s failed", self.id, exc_info=error)
        self.end("an error of the server's")
