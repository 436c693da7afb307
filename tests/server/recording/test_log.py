import resource
from pathlib import Path

import pytest

from server.recording.log import EditsLine, EndLine, LoggedLayer, TakeLine, now, read_log, write_line

HEADER = TakeLine(
    id="take",
    session_id="session",
    started_at=now(),
    model="rfdm-tiny",
    model_version="1",
    steps=1,
    seed=7,
    edit_size=(336, 256),
    original=True,
)
LAYER = LoggedLayer(instruction_id="i", text="make it night", strength=1.0, enabled=True)
ASKED = EditsLine(frame=0, pts=0, time_s=0.0, seed=7, bypassed=False, frozen=False, layers=(LAYER,))


def test_a_log_can_be_read_whose_disk_was_full_in_the_middle_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "instructions.jsonl"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with path.open("xb", buffering=0) as log:
        written = write_line(log, HEADER) + write_line(log, ASKED)
        resource.setrlimit(resource.RLIMIT_FSIZE, (written + 20, before[1]))
        try:
            with pytest.raises(OSError, match="too large"):
                write_line(log, ASKED)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        # As where the movies have given room back.
        write_line(log, EndLine(reason="the disk is full", frames=1, dropped=0, duration_s=0.0))

    assert read_log(path) == (HEADER, [ASKED])
