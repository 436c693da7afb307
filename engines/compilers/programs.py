"""Compiled programs by shape, and what serves a shape that is not compiled yet."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from engines.compilers.interface import CompiledProgram, Compiler, FrameShape

_WORTH_WAITING_S = 0.2


class Programs:
    """Compiles each shape once.

    The first shape is waited for: nothing runs yet that could be held up. Any later one is compiled behind the
    frames while the stand-in edits them, and takes over between two frames, so that a camera which changes its
    resolution stops nobody.

    Args:
        compiler: What is to run every shape.
        stand_in: Makes the compiler that serves meanwhile; called when it is first needed.
    """

    def __init__(self, compiler: Compiler, stand_in: Callable[[], Compiler]) -> None:
        self._compiler, self._make_stand_in = compiler, stand_in
        self._stand_in: Compiler | None = None
        self._thread = ThreadPoolExecutor(1, "compiler")
        self._compiling: dict[FrameShape, Future[CompiledProgram]] = {}

    def prepare(self, shape: FrameShape) -> None:
        """Compile a shape, waiting for it.

        Raises:
            ModelError: It cannot be compiled.
        """
        self._begin(shape).result()

    def now(self, shape: FrameShape) -> tuple[CompiledProgram, Compiler]:
        """What can edit a shape at once, and whose program that is.

        Raises:
            ModelError: The shape cannot be compiled.
        """
        first, new = not self._compiling, shape not in self._compiling
        compiling = self._begin(shape)
        if new:
            # Reading a kept program is quicker than a visitor can see.
            wait([compiling], None if first else _WORTH_WAITING_S)
        if compiling.done():
            return compiling.result(), self._compiler
        if self._stand_in is None:
            self._stand_in = self._make_stand_in()
        return self._stand_in.compile(shape), self._stand_in

    def _begin(self, shape: FrameShape) -> Future[CompiledProgram]:
        if shape not in self._compiling:
            self._compiling[shape] = self._thread.submit(self._compiler.compile, shape)
        return self._compiling[shape]
