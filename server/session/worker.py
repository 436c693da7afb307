"""Edits one session's frames, always the newest, and lets them through untouched where it cannot."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from server.engine import EditorCrashError, Engine, Job
from server.session.frame import Frame, Picture, Picture420
from server.session.layer import Edits
from server.session.layered import Seat
from server.session.mailbox import Mailbox
from server.session.outlets import Outlets

logger = logging.getLogger(__name__)

FIRST_RETRY_S = 0.5
LAST_RETRY_S = 10.0
REPEAT_INTERVAL_S = 0.5
"""How often a held picture leaves again, so that the connection and a late decoder have one."""
STALLED_PASS_S = 1 / 30


@dataclass(frozen=True)
class Trouble:
    """Why the picture is untouched."""

    code: str
    detail: str


MODEL_LOADING = Trouble("model_loading", "The model is still loading; the picture is untouched until then.")


class Worker:
    """Takes frames from the inbox, has them edited and puts them into the outlets.

    Args:
        inbox: Camera frames.
        outlets: Where frames leave.
        engine: The editor all sessions share.
        seat: This session's place at it.
        stall_after_s: An edit that takes longer lets frames through until it returns.
        on_trouble: Called when the picture cannot be edited, and with None when it can again.
        on_held: Called for every frame not shown because the picture is held.
        on_lost: Called for a frame that was edited too late to be shown, or could not be.
        clock: Monotonic seconds.

    Attributes:
        edits: What is asked of the picture.
        instruction_waits: One has arrived and is not understood yet.
        last_source, last_edit: The newest pictures, for snapshots.
    """

    def __init__(
        self,
        inbox: Mailbox[Frame],
        outlets: Outlets,
        engine: Engine,
        seat: Seat,
        stall_after_s: float,
        on_trouble: Callable[[Trouble | None], None],
        on_held: Callable[[], None],
        on_lost: Callable[[], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.edits = Edits()
        self.instruction_waits = False
        self.last_source: Picture | None = None
        self.last_edit: Picture | None = None
        self._last_shown: Picture420 | None = None
        self._inbox, self._outlets, self._engine, self._seat = inbox, outlets, engine, seat
        self._stall_after_s, self._clock = stall_after_s, clock
        self._on_trouble, self._on_held, self._on_lost = on_trouble, on_held, on_lost
        self._taken: Frame | None = None
        self._trouble: Trouble | None = None
        self._retry_at_s = 0.0
        self._retry_after_s = FIRST_RETRY_S
        self._repeated_s = 0.0

    async def run(self) -> None:
        """Loop until cancelled."""
        while True:
            await self._inbox.wait()
            if self._holds:
                self._hold()
            elif self.edits.bypassed:
                await self._let_through()
            elif not self.edits.applied(self._clock()):
                self._set_trouble(
                    MODEL_LOADING if self.instruction_waits and not self._engine.ready else None
                )
                await self._let_through()
            elif self._clock() < self._retry_at_s:
                await self._let_through()
            else:
                await self._edit()

    def follow(self, edits: Edits) -> None:
        """Follow this from the next frame on; a bypass, from the frame that is being edited on."""
        if edits.bypassed and not self.edits.bypassed:
            self._outlets.recall_edits()
            # By the time the edit shows again, what was remembered is of another picture.
            self._seat.forget()
        self.edits = edits

    @property
    def _holds(self) -> bool:
        """Whether the last picture shows on; told to before there is one, the first that comes is held."""
        return self.edits.frozen and self.last_edit is not None

    async def _edit(self) -> None:
        edit = asyncio.ensure_future(self._engine.edit(self._seat, self._inbox.peek, self._take))
        try:
            await self._outlast(edit)
            frame = edit.result()
        except EditorCrashError as error:
            late = self._stalled
            self._fail(error)
            await self._leave_unedited(late)
            return
        finally:
            edit.cancel()
            taken, self._taken = self._taken, None
        if frame is None:
            if taken is not None:
                self._on_lost()
            return
        if self._stalled:
            # It is older than the frames that were let through meanwhile.
            self._on_lost()
            self._set_trouble(None)
            return
        self._set_trouble(None)
        self._retry_after_s = FIRST_RETRY_S
        await self._leave(frame)

    @property
    def _stalled(self) -> bool:
        return self._trouble is not None and self._trouble.code == "editor_stalled"

    async def _leave_unedited(self, late: bool) -> None:
        """Let the frame through that an edit failed on, unless newer ones have left, or the picture is held."""
        if self._taken is None:
            return
        if late:
            self._on_lost()
        elif self._holds:
            self._on_held()
        else:
            await self._leave(self._taken.let_through())

    async def _outlast(self, edit: "asyncio.Future[Frame | None]") -> None:
        """Wait for an edit; let frames through while it takes too long, unless the picture is held."""
        await asyncio.wait({edit}, timeout=self._stall_after_s)
        if edit.done():
            return
        self._set_trouble(
            Trouble(
                "editor_stalled",
                f"The editor has not answered for {self._stall_after_s:g} s; the picture is untouched meanwhile.",
            )
        )
        while not edit.done():
            if self._holds:
                self._hold()
            else:
                await self._let_through()
            await asyncio.wait({edit}, timeout=STALLED_PASS_S)

    def _take(self) -> Job | None:
        # A bypass may have come before the turn: an edit now would leave a memory that is stale when edits show.
        layers = () if self.edits.bypassed else self.edits.applied(self._clock())
        frame = self._inbox.take_nowait() if layers else None
        if frame is None:
            return None
        self.last_source, frame.edits = frame.source, self.edits
        self._taken = frame
        return Job(frame, layers)

    async def _let_through(self) -> None:
        frame = self._inbox.take_nowait()
        if frame is not None:
            self.last_source = frame.source
            await self._leave(frame.let_through())

    async def _leave(self, frame: Frame) -> None:
        await self._engine.detail.restore(frame)
        if self.edits.bypassed and frame.kind == "edited":
            await self._engine.detail.restore(frame.let_through())
        self.last_edit, self._last_shown = frame.picture, frame.shown
        self._put(frame)

    def _hold(self) -> None:
        """Show the last picture again in place of this one; it keeps this one's timing."""
        frame = self._inbox.take_nowait()
        if frame is None:
            return
        now_s = self._clock()
        if now_s - self._repeated_s < REPEAT_INTERVAL_S:
            self._on_held()
            return
        self._repeated_s = now_s
        frame.picture, frame.shown, frame.kind = self.last_edit, self._last_shown, "repeated"
        self._put(frame)

    def _put(self, frame: Frame) -> None:
        frame.edits = frame.edits or self.edits
        self._outlets.put(frame)

    def _fail(self, error: EditorCrashError) -> None:
        self._seat.forget()
        self._retry_at_s = self._clock() + self._retry_after_s
        self._retry_after_s = min(2 * self._retry_after_s, LAST_RETRY_S)
        self._set_trouble(
            Trouble(
                "editor_failed", f"The editor failed and is being retried; the picture is untouched: {error}"
            )
        )

    def _set_trouble(self, trouble: Trouble | None) -> None:
        before, self._trouble = self._trouble, trouble
        if (before and before.code) != (trouble and trouble.code):
            self._on_trouble(trouble)
