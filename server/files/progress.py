"""How far a file edit has come, told on standard error: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeAlias

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

LINE_EVERY_S = 5.0

Advance: TypeAlias = Callable[[], None]
"""Called for every edited frame."""

ShowProgress: TypeAlias = Callable[[int], AbstractContextManager[Advance]]
"""Around the edit of so many frames."""


def progress_for(*, quiet: bool) -> ShowProgress:
    """The progress that suits where standard error goes."""
    if quiet:
        return nothing
    return bar if sys.stderr.isatty() else lines


@contextmanager
def nothing(frames: int) -> Iterator[Advance]:
    """No progress."""
    yield lambda: None


@contextmanager
def lines(frames: int) -> Iterator[Advance]:
    """A line every few seconds and one at the end, for logs."""
    done = 0
    started_s = line_s = first_s = time.monotonic()

    def advance() -> None:
        nonlocal done, line_s, first_s
        done += 1
        now_s = time.monotonic()
        if done == 1:
            # It waited for the model to be compiled, which says nothing of those to come.
            first_s = now_s
        if now_s - line_s >= LINE_EVERY_S:
            line_s = now_s
            _say(f"{done} of {frames} frames{_speed(done - 1, now_s - first_s, max(frames - done, 0))}")

    yield advance
    _say(f"{done} frames edited in {time.monotonic() - started_s:.1f} s")


@contextmanager
def bar(frames: int) -> Iterator[Advance]:
    """A bar with frames a second and the time left."""
    columns = (TextColumn("editing"), BarColumn(), MofNCompleteColumn(), TextColumn("frames"))
    with Progress(*columns, _Speed(), TimeRemainingColumn(), console=Console(stderr=True)) as shown:
        task = shown.add_task("", total=frames)
        yield lambda: shown.advance(task)


def _speed(done: int, in_s: float, left: int) -> str:
    return f", {done / in_s:.1f} fps, {left * in_s / done:.0f} s left" if done and in_s else ""


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} fps")
