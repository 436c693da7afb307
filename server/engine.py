"""One editor for all sessions: one thread runs it, and each session's newest frame waits its turn.

A session queues its wish for a turn, not a frame: the frame is taken when the turn comes, so what is edited is
always the newest there is. Turns go round, first come, first served, and a session has at most one; frames of
equal size share a step.
"""

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from engines.edit_size import USUAL_CAMERAS, edit_size
from server.daemon_thread import DaemonThread
from server.session.detail import Detail
from server.session.frame import Frame
from server.session.layer import AppliedLayer
from server.session.layered import LayeredEdit, Seat, edit_layers

if TYPE_CHECKING:
    # Importing these loads torch, which takes seconds; the port opens before that.
    from engines.compilers.interface import Footprint
    from engines.compilers.programs import Build
    from engines.conditioning import Conditioning
    from engines.editor import EditRequest, EditResult
    from engines.memory import EditState
    from engines.model import ModelDescription

logger = logging.getLogger(__name__)

CACHED_INSTRUCTIONS = 256
LONGEST_REASON = 300


class EditorCrashError(Exception):
    """The editor crashed on this frame."""


class EditorUnavailableError(Exception):
    """The model is not loaded, or never will be."""


class LiveEditor(Protocol):
    """The editor as the live path needs it: `engines.editor.Editor`, or a small one in tests."""

    description: "ModelDescription"

    @property
    def build(self) -> "Build | None":
        """What is being compiled behind the frames, or failed to be."""
        ...

    @property
    def footprint(self) -> "Footprint":
        """Memory of the device that the model holds."""
        ...

    def open(self, seed: int = 0) -> "EditState":
        """The memory of a new stream."""
        ...

    def encode(self, text: str) -> "Conditioning":
        """Understand an instruction; raises ValueError for one that cannot be."""
        ...

    def step(self, requests: Sequence["EditRequest"]) -> "list[EditResult]":
        """Edit one frame of each of several streams."""
        ...


def load_warm_editor(
    model: str,
    compiler: str,
    device: str,
    steps: int | None,
    short_side: int | None,
    engine_dir: Path | None = None,
    precision: str = "auto",
) -> LiveEditor:
    """Load the editor and have it edit a picture of the usual sizes once, so that no visitor waits for that.

    Raises:
        engines.model.ModelError: It cannot be used; one line says why.
    """
    from engines.compilers.interface import CompilerName, Precision
    from engines.editor import EditRequest, load_editor

    editor = load_editor(
        model,
        compiler=cast(CompilerName, compiler),
        device=device,
        steps=steps,
        precision=cast(Precision, precision),
        engines=engine_dir,
        cameras=USUAL_CAMERAS,
        short_side=short_side,
    )
    conditioning = editor.encode("make it black and white")
    for camera in USUAL_CAMERAS:
        runs = editor.description
        width, height = edit_size(*camera, short_side or runs.short_side, runs.size_multiple)
        picture = np.zeros((height, width, 3), np.uint8)
        editor.step([EditRequest(picture, conditioning, editor.open())])
    return editor


@dataclass(frozen=True, eq=False)
class Job:
    """A frame and what is to become of it."""

    frame: Frame
    layers: tuple[AppliedLayer, ...]


@dataclass(frozen=True, eq=False)
class _Turn:
    seat: Seat
    waiting: Callable[[], Frame | None]
    take: Callable[[], Job | None]
    edited: "asyncio.Future[Frame | None]"


class Engine:
    """Loads the editor in its own thread and runs every step there.

    Args:
        load: Makes the editor; takes seconds.
        max_batch: Frames in one step, at most; None leaves it to the device. Two cores edit two frames in twice
            the time of one, so together both would only wait for each other.
        show_short_side: Of the largest picture an edit is shown at, in pixels; 0 shows it at the size it was made.

    Attributes:
        detail: Brings edits to the size they are shown at.
    """

    def __init__(
        self, load: Callable[[], LiveEditor], max_batch: int | None, show_short_side: int = 0
    ) -> None:
        self.detail = Detail(show_short_side)
        self._load, self._max_batch = load, max_batch
        self._editor: LiveEditor | None = None
        self._failure: str | None = None
        self._settled = asyncio.Event()
        # The one that loads also edits: what a compiler recorded may belong to it.
        self._thread = DaemonThread("editor")
        # Understanding an instruction must not wait for a step, nor a step for it.
        self._reader = ThreadPoolExecutor(1, "instructions")
        self._understood: OrderedDict[str, Conditioning] = OrderedDict()
        self._turns: deque[_Turn] = deque()
        self._wanted = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to load; returns at once."""
        self._tasks = [asyncio.create_task(self._warm_up()), asyncio.create_task(self._run())]

    async def close(self) -> None:
        """Stop taking turns; a load or a step under way is left to end by itself."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for turn in self._turns:
            turn.edited.cancel()
        self._turns.clear()
        self._thread.end()
        self._reader.shutdown(wait=False, cancel_futures=True)
        self.detail.close()

    def has_ended(self, timeout_s: float) -> bool:
        """Whether nothing is being loaded or edited any more, after this time at most; blocks."""
        self._thread.end()
        return self._thread.has_ended(timeout_s)

    @property
    def ready(self) -> bool:
        """The editor is loaded and warm."""
        return self._editor is not None

    @property
    def failure(self) -> str | None:
        """Why the editor could not be loaded, if it could not."""
        return self._failure

    @property
    def description(self) -> "ModelDescription | None":
        """What runs; None until it does."""
        return None if self._editor is None else self._editor.description

    @property
    def build(self) -> "Build | None":
        """What is being compiled behind the frames, or failed to be; None where all is well."""
        return None if self._editor is None else self._editor.build

    @property
    def footprint(self) -> "Footprint | None":
        """Memory of the device that the model holds; None until it is loaded."""
        return None if self._editor is None else self._editor.footprint

    async def settled(self) -> None:
        """Return when the editor is loaded, or cannot be."""
        await self._settled.wait()

    async def encode(self, text: str) -> "Conditioning":
        """Understand an instruction, waiting for the editor to be loaded.

        Raises:
            EditorUnavailableError: It could not be loaded.
            ValueError: The text cannot be an instruction.
        """
        await self._settled.wait()
        if self._editor is None:
            raise EditorUnavailableError(self._failure or "the model is not loaded")
        known = self._understood.get(text)
        if known is None:
            loop = asyncio.get_running_loop()
            known = await loop.run_in_executor(self._reader, self._editor.encode, text)
            self._understood[text] = known
            if len(self._understood) > CACHED_INSTRUCTIONS:
                self._understood.popitem(last=False)
        else:
            self._understood.move_to_end(text)
        return known

    async def edit(
        self, seat: Seat, waiting: Callable[[], Frame | None], take: Callable[[], Job | None]
    ) -> Frame | None:
        """Wait for a turn and edit the session's newest frame.

        Args:
            seat: The session's.
            waiting: Looks at the frame that ``take`` would take.
            take: Takes it, when the turn has come; None where there is none any more.

        Returns:
            The frame, edited; None where there was nothing to take.

        Raises:
            EditorCrashError: The editor crashed on this frame.
            Exception: Whatever ``take`` raised.
        """
        turn = _Turn(seat, waiting, take, asyncio.get_running_loop().create_future())
        self._turns.append(turn)
        self._wanted.set()
        return await turn.edited

    async def _warm_up(self) -> None:
        try:
            self._editor = await self._thread.run(self._load)
        except Exception as error:
            # Whatever keeps a model from loading (files, a compiler, a device) is for a person to read, in one line;
            # where it happened, and all that was said, is for who asks for more.
            self._failure = _reason(error)
            logger.debug("the model could not be loaded", exc_info=error)
        self._settled.set()

    async def _run(self) -> None:
        await self._settled.wait()
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self._turns:
                await self._give_turns()

    async def _give_turns(self) -> None:
        """Edit for those whose turn it is; a call of its own, so that no name here outlives a session."""
        turns = self._next_turns()
        if not turns:
            return
        jobs = [(turn.seat, job) for turn, job in turns]
        outcomes = await self._thread.run(partial(self._step, jobs))
        for (turn, job), failure in zip(turns, outcomes, strict=True):
            if turn.edited.done():
                continue
            if failure is None:
                turn.edited.set_result(job.frame)
            else:
                turn.edited.set_exception(failure)

    def _next_turns(self) -> list[tuple[_Turn, Job]]:
        """The first session waiting and those behind it whose frames have the same size."""
        chosen: list[tuple[_Turn, Job]] = []
        most = self._max_batch or self._usual_batch()
        size: tuple[int, int] | None = None
        for _ in range(len(self._turns)):
            turn = self._turns.popleft()
            if turn.edited.done():
                continue
            frame = turn.waiting()
            if frame is None or self._editor is None:
                turn.edited.set_result(None)
            elif len(chosen) == most or (size is not None and frame.edit_size != size):
                self._turns.append(turn)
            else:
                try:
                    job = turn.take()
                except Exception as error:
                    # A bug of that session's: it is told, and ends by it; the others' turns go on.
                    turn.edited.set_exception(error)
                    continue
                if job is None or not self._fits(job.frame):
                    # It was scaled before the model was loaded and told its sizes.
                    turn.edited.set_result(None)
                else:
                    size = frame.edit_size
                    chosen.append((turn, job))
        return chosen

    def _fits(self, frame: Frame) -> bool:
        runs = self.description
        return runs is not None and not any(side % runs.size_multiple for side in frame.edit_size)

    def _usual_batch(self) -> int:
        return 1 if self._editor is None or self._editor.description.device == "cpu" else 8

    def _step(self, jobs: list[tuple[Seat, Job]]) -> list[EditorCrashError | None]:
        """Edit the frames together; where that fails, each alone, so that only the culprit's session notices."""
        editor = self._editor
        assert editor is not None
        started_s = time.perf_counter()
        try:
            results = edit_layers(
                editor, [LayeredEdit(job.frame.source, job.layers, seat) for seat, job in jobs]
            )
        except Exception as error:
            # An editor may fail in any way (memory, device, a bug); the live picture must outlast all of them.
            if len(jobs) > 1:
                return [self._step([job])[0] for job in jobs]
            logger.warning("the editor failed", exc_info=error)
            failure = EditorCrashError(_reason(error))
            failure.__cause__ = error
            return [failure]
        edited_s = time.perf_counter()
        for (_, job), result in zip(jobs, results, strict=True):
            frame = job.frame
            frame.picture, frame.kind, frame.drift = result.picture, "edited", result.drift
            frame.evaluations, frame.compiler = result.evaluations, result.compiler
            frame.instruction_ids = tuple(layer.id for layer in job.layers)
            frame.guided = result.guided
            frame.edit_started_s, frame.edited_s = started_s, edited_s
        return [None] * len(jobs)


def _reason(error: Exception) -> str:
    """What an error says, in one line: of PyTorch's the first line alone often ends where the reason begins."""
    said = " ".join(str(error).split()) or type(error).__name__
    return said if len(said) <= LONGEST_REASON else f"{said[:LONGEST_REASON]}…"
