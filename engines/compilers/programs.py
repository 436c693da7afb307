"""Compiled programs by shape, and what serves a shape that is not compiled yet."""

import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor

from engines.compilers.interface import CompiledProgram, Compiler, CompilerName, Footprint, FrameShape
from engines.model import ModelError

logger = logging.getLogger(__name__)

MOST_SIZES = 8
"""Kept compiled, where nobody has used the rest for `IDLE_S`; each takes the memory of its programs."""
IDLE_S = 60.0
_WORTH_WAITING_S = 0.2
_GIVING_UP_S = 10.0
_TELLING_SHARE = 0.05
"""Below this a build's own progress says nothing about its length."""


@dataclass(frozen=True)
class Build:
    """A build behind the frames, as telemetry shows it.

    Attributes:
        compiler: What is being built.
        shape: For what.
        phase: What it does now.
        progress: Share that is done, in [0, 1].
        elapsed_s: Since it began.
        remaining_s: Estimate; None where nothing tells yet.
        failure: Why it failed, None where it has not: the stand-in goes on.
    """

    compiler: CompilerName
    shape: FrameShape
    phase: str = "waiting"
    progress: float = 0.0
    elapsed_s: float = 0.0
    remaining_s: float | None = None
    failure: str | None = None


@dataclass(eq=False)
class _Compiling:
    future: "Future[CompiledProgram]"
    build: Build
    used_s: float
    began_s: float | None = None
    expected_s: float | None = None
    stood_in: bool = field(default=False)


class Programs:
    """Compiles each shape once.

    The first shape is waited for as long as its compiler's patience: nothing runs yet that could be held up. After
    that, and for any later shape, the stand-in edits while it is compiled behind the frames, and the compiled program
    takes over between two frames, so that nobody waits for a build of minutes, or for a camera that changes its size.
    A larger batch of a size that is compiled needs no stand-in, which would hold the weights again: its frames go
    through the smaller one in pieces. Sizes that nobody has used for a while are dropped when there are many, and are
    compiled, or read, again when somebody comes with one.

    Args:
        compiler: What is to run every shape.
        stand_in: Makes the compiler that serves meanwhile; called when it is needed, dropped when it is not.
        clock: Seconds, for the estimate and for what is idle.
    """

    def __init__(
        self,
        compiler: Compiler,
        stand_in: Callable[[], Compiler],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._compiler, self._make_stand_in, self._clock = compiler, stand_in, clock
        self._stand_in: Compiler | None = None
        self._one_at_a_time = threading.Lock()
        # Daemons: at the end of the program nobody waits the minutes that a build may still take.
        self._threads: list[threading.Thread] = []
        self._ended = threading.Event()
        weakref.finalize(self, _give_up, self._ended, self._threads)
        self._compiling: dict[FrameShape, _Compiling] = {}
        self._lock = threading.Lock()

    def prepare(self, shape: FrameShape) -> None:
        """Compile a shape, waiting for it.

        Raises:
            ModelError: It cannot be compiled.
        """
        self._begin(self._compiled_for(shape)).future.result()

    def now(self, shape: FrameShape) -> tuple[CompiledProgram, Compiler]:
        """What can edit a shape at once, and whose program that is.

        Raises:
            ModelError: The shape cannot be compiled, and nothing has edited it meanwhile.
        """
        compiled_for = self._compiled_for(shape)
        first, new = not self._compiling, compiled_for not in self._compiling
        compiling = self._begin(compiled_for)
        compiling.used_s = self._clock()
        if new:
            # Reading a kept program is quicker than a visitor can see.
            wait([compiling.future], self._compiler.patience_s if first else _WORTH_WAITING_S)
        if compiling.future.done() and not (compiling.stood_in and compiling.build.failure):
            program = compiling.future.result()
            self._release_stand_in()
            if compiled_for == shape:
                return program, self._compiler
            return Padded(program, compiled_for.batch), self._compiler
        compiling.stood_in = True
        smaller = self._smaller(compiled_for)
        if smaller is not None:
            return smaller, self._compiler
        if self._stand_in is None:
            self._stand_in = self._make_stand_in()
        return self._stand_in.compile(shape), self._stand_in

    @property
    def build(self) -> Build | None:
        """The build under way, or else the last that failed behind frames; None where all is well."""
        with self._lock:
            every = list(self._compiling.values())
        for compiling in every:
            if not compiling.future.done():
                return self._estimated(compiling)
        failed = [each.build for each in every if each.stood_in and each.build.failure]
        return failed[-1] if failed else None

    def footprint(self) -> Footprint:
        """What the compiler, and the stand-in while there is one, hold of the device."""
        held = [self._compiler.footprint()]
        stand_in = self._stand_in
        if stand_in is not None:
            held.append(stand_in.footprint())
        return Footprint(
            sum(each.weights_bytes for each in held),
            sum(each.engine_bytes for each in held),
            sum(each.workspace_bytes for each in held),
        )

    def _compiled_for(self, shape: FrameShape) -> FrameShape:
        """The nearest shape that is compiled for: a batch of 3 runs as one of 4."""
        enough = [batch for batch in self._compiler.batches if batch >= shape.batch]
        return replace(shape, batch=enough[0]) if enough else shape

    def _smaller(self, shape: FrameShape) -> "InPieces | None":
        """The largest smaller batch of the same size that is ready."""
        for batch in reversed(self._compiler.batches):
            known = self._compiling.get(replace(shape, batch=batch))
            if batch >= shape.batch or known is None or not known.future.done():
                continue
            if known.future.exception() is None:
                return InPieces(known.future.result(), batch)
        return None

    def _begin(self, shape: FrameShape) -> _Compiling:
        with self._lock:
            if shape not in self._compiling:
                compiling = _Compiling(Future(), Build(self._compiler.name, shape), self._clock())
                self._compiling[shape] = compiling
                thread = threading.Thread(
                    target=_fulfil,
                    args=(compiling.future, self._one_at_a_time, partial(self._compile, shape, compiling)),
                    name="compiler",
                    daemon=True,
                )
                self._drop_idle(compiling.used_s)
                self._threads[:] = [*filter(threading.Thread.is_alive, self._threads), thread]
                thread.start()
            return self._compiling[shape]

    def _drop_idle(self, now_s: float) -> None:
        """Of the sizes beyond the most, those that have been idle longest; called with the lock held."""
        used_s: dict[tuple[int, int], float] = {}
        for shape, each in self._compiling.items():
            # Nobody can have used what is not built yet.
            at_s = each.used_s if each.future.done() else now_s
            size = shape.height, shape.width
            used_s[size] = max(at_s, used_s.get(size, 0.0))
        idle = sorted((at_s, size) for size, at_s in used_s.items() if now_s - at_s > IDLE_S)
        dropped = {size for _, size in idle[: max(0, len(used_s) - MOST_SIZES)]}
        for shape in tuple(self._compiling):
            if (shape.height, shape.width) in dropped:
                del self._compiling[shape]

    def _compile(self, shape: FrameShape, compiling: _Compiling) -> CompiledProgram:
        compiling.began_s = self._clock()
        compiling.expected_s = self._compiler.expected_s(shape)

        def report(phase: str, share: float) -> None:
            if self._ended.is_set():
                raise ModelError("the program ends")
            compiling.build = replace(compiling.build, phase=phase, progress=share)

        try:
            program = self._compiler.compile(shape, report)
        except Exception as error:
            failure = _reason(error)
            compiling.build = replace(compiling.build, phase="failed", failure=failure)
            if not self._ended.is_set():
                logger.error("%s cannot be built for %s: %s", self._compiler.name, shape, failure)
            if isinstance(error, ModelError):
                raise
            raise ModelError(f"compiler {self._compiler.name} failed: {failure}") from error
        logger.info("%s is ready for %s", self._compiler.name, shape)
        return program

    def _estimated(self, compiling: _Compiling) -> Build:
        build = compiling.build
        if compiling.began_s is None:
            return build
        elapsed_s = self._clock() - compiling.began_s
        remaining_s: float | None = None
        if compiling.expected_s is not None:
            remaining_s = max(0.0, compiling.expected_s - elapsed_s)
        elif build.progress >= _TELLING_SHARE:
            remaining_s = elapsed_s * (1 - build.progress) / build.progress
        return replace(build, elapsed_s=elapsed_s, remaining_s=remaining_s)

    def _release_stand_in(self) -> None:
        # It holds a second copy of the weights.
        if self._stand_in is not None and all(
            each.future.done() and not each.build.failure for each in self._compiling.values()
        ):
            self._stand_in = None


def _fulfil(
    future: "Future[CompiledProgram]", one_at_a_time: threading.Lock, task: Callable[[], CompiledProgram]
) -> None:
    with one_at_a_time:
        try:
            future.set_result(task())
        except BaseException as error:  # whoever waits for it gets it
            future.set_exception(error)


def _give_up(ended: threading.Event, threads: Iterable[threading.Thread]) -> None:
    """Have the build under way end at its next report; a library must not be unloaded below it."""
    ended.set()
    for thread in threads:
        # Its last build may have been what kept the programs alive.
        if thread is not threading.current_thread():
            thread.join(_GIVING_UP_S)


def _reason(error: Exception) -> str:
    """One line; a library's own errors say little without what they are called."""
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return said if isinstance(error, ModelError) else ": ".join(filter(None, (type(error).__name__, said)))


class Padded:
    """Runs a batch as the larger one that is compiled; the rows beyond it repeat the last.

    Args:
        program: Of the larger batch.
        batch: Its size.
    """

    def __init__(self, program: CompiledProgram, batch: int) -> None:
        self._program, self._batch = program, batch

    def __call__(
        self, pictures: Tensor, memory: Tensor, noise: Tensor, code: Tensor, strength: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Edit one frame of each stream."""
        given = len(pictures)
        padded = (self._pad(value) for value in (pictures, memory, noise, code, strength))
        edited, latent = self._program(*padded)
        return edited[:given], latent[:given]

    def _pad(self, value: Tensor) -> Tensor:
        return torch.cat([value, value[-1:].expand(self._batch - len(value), *value.shape[1:])])


class InPieces:
    """Runs a batch as several smaller ones, one after another.

    Args:
        program: Of the smaller batch.
        batch: Its size.
    """

    def __init__(self, program: CompiledProgram, batch: int) -> None:
        self._program, self._batch = program, batch

    def __call__(
        self, pictures: Tensor, memory: Tensor, noise: Tensor, code: Tensor, strength: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Edit one frame of each stream."""
        inputs = (pictures, memory, noise, code, strength)
        pieces = zip(*(torch.split(value, self._batch) for value in inputs), strict=True)
        edited, latents = zip(*(self._run(*piece) for piece in pieces), strict=True)
        return torch.cat(edited), torch.cat(latents)

    def _run(
        self, pictures: Tensor, memory: Tensor, noise: Tensor, code: Tensor, strength: Tensor
    ) -> tuple[Tensor, Tensor]:
        whole = len(pictures) == self._batch
        program = self._program if whole else Padded(self._program, self._batch)
        return program(pictures, memory, noise, code, strength)
