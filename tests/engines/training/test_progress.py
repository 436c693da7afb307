import io

import pytest
from rich.console import Console

from engines.training.progress import TrainingProgress, progress_bar


def test_a_log_gets_a_line_with_the_time_left_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 0.0
    monkeypatch.setattr("engines.training.progress.time.monotonic", lambda: clock)
    log = io.StringIO()
    with progress_bar(Console(file=log)) as bar:
        shown = TrainingProgress(bar, "people")
        for step in range(100, 111):
            shown.at(step, 200, f"loss {0.5:.4f}")
            clock += 15.0

    assert log.getvalue().splitlines() == [
        "people: step 104 of 200, loss 0.5000, 0:24:00 left",
        "people: step 108 of 200, loss 0.5000, 0:23:00 left",
    ]


def test_a_terminal_gets_a_bar() -> None:
    screen = io.StringIO()
    with progress_bar(Console(file=screen, force_terminal=True, width=100)) as bar:
        TrainingProgress(bar, "people").at(50, 200, "loss 0.5000")

    assert "people  loss 0.5000" in screen.getvalue()
    assert "50/200" in screen.getvalue()
