"""Ctrl-C at a time of one's own choosing, and other endings that clean up as it does."""

import signal
import threading
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from types import FrameType

_ENDINGS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def deferred_interrupts() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets in place of raising, and so do those of :func:`ended_as_interrupted` within it.

    Outside the main thread, which alone gets signals, it is never set.
    """
    asked = threading.Event()
    raising = {number for number in _ENDINGS if signal.getsignal(number) is _interrupt}
    with _answered({signal.SIGINT, *raising}, lambda number, frame: asked.set()):
        yield asked


@contextmanager
def ended_as_interrupted() -> Iterator[None]:
    """Raise KeyboardInterrupt, as Ctrl-C does, when the program is told to end or its terminal is closed.

    Only in the main thread, which alone gets signals; what nohup has had ignored stays ignored.
    """
    heard = {number for number in _ENDINGS if signal.getsignal(number) != signal.SIG_IGN}
    with _answered(heard, _interrupt):
        yield


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def _answered(
    numbers: Set[signal.Signals], answer: Callable[[int, FrameType | None], None]
) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, answer) for number in numbers}
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)
