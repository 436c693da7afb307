"""How far a training is: a bar with the time left on a terminal, a line a minute in a log."""

import time
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_LINE_EVERY_S = 60.0
_SPEED_OVER_S = 600.0


def progress_bar(console: Console) -> Progress:
    """A bar for each training; nothing at all where the console is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(
        *columns, console=console, speed_estimate_period=_SPEED_OVER_S, disable=not console.is_terminal
    )


class TrainingProgress:
    """One training on a :func:`progress_bar`."""

    def __init__(self, bar: Progress, name: str) -> None:
        self._bar, self._name, self._task = bar, name, bar.add_task(name, total=None)
        self._first: int | None = None
        self._began = self._line = time.monotonic()

    def at(self, step: int, steps: int, note: str) -> None:
        """Show that a step of so many was made, with a word on how it went."""
        self._bar.update(self._task, completed=step, total=steps, description=f"{self._name}  {note}")
        now = time.monotonic()
        if self._first is None:
            # A resumed run has made many steps in no time.
            self._first, self._began = step, now
        if self._bar.console.is_terminal or now - self._line < _LINE_EVERY_S or step == self._first:
            return
        self._line = now
        left_s = (now - self._began) / (step - self._first) * (steps - step)
        self._bar.console.print(
            f"{self._name}: step {step} of {steps}, {note}, {timedelta(seconds=round(left_s))} left",
            soft_wrap=True,
            highlight=False,
        )
