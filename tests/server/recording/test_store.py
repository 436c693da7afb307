import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from server.recording.log import TakeLine, now
from server.recording.recorder import Recorder
from server.recording.store import MAX_CLOCK_STEP_S, NOTE, Recordings
from server.recording.take import Take
from server.session.outlets import Outlets


def header(recording_id: str) -> TakeLine:
    return TakeLine(
        id=recording_id,
        session_id="session",
        started_at=now(),
        model="rfdm-tiny",
        model_version=None,
        steps=None,
        seed=0,
        edit_size=(32, 16),
        original=False,
    )


@pytest.fixture
async def recordings(tmp_path: Path) -> AsyncIterator[Recordings]:
    recordings = Recordings(tmp_path, 1_000_000)
    yield recordings
    await recordings.close()


async def begun(recordings: Recordings) -> Recorder:
    async def end(recorder: Recorder) -> None:
        await recordings.end(recorder)

    def make(line: TakeLine, open_take: Callable[[], Take]) -> Recorder:
        return Recorder(line.id, open_take, Outlets(lambda _: None), False, lambda _: None, end)

    return await recordings.begin(header, "token", False, make)


def started_later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Set the system's clock, by which the start of every process is told."""
    create_time = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: create_time(process) + seconds)


async def test_nobody_else_on_the_machine_sees_a_take(recordings: Recordings, tmp_path: Path) -> None:
    recorder = await begun(recordings)
    assert (tmp_path / recorder.id).stat().st_mode & 0o077 == 0
    await recorder.stop("stopped")


async def test_a_take_goes_on_as_the_clock_is_set(
    recordings: Recordings, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = await begun(recordings)
    started_later(monkeypatch, 3600.0)
    assert (await recordings.find(recorder.id)).state == "recording"
    await recorder.stop("stopped")
    assert (await recordings.find(recorder.id)).state == "ended"


@pytest.mark.parametrize(
    ("step_s", "state"), [(0.5 * MAX_CLOCK_STEP_S, "recording"), (2 * MAX_CLOCK_STEP_S, "interrupted")]
)
async def test_another_servers_take_goes_on_as_the_clock_is_corrected(
    recordings: Recordings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step_s: float, state: str
) -> None:
    recorder = await begun(recordings)
    note = (tmp_path / recorder.id / NOTE).read_text()
    await recorder.stop("stopped")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        ours, theirs = psutil.Process(), psutil.Process(other.pid)
        named = f"[{ours.pid},{ours.create_time()}]"
        assert named in note
        theirs_named = f"[{theirs.pid},{theirs.create_time()}]"
        (tmp_path / recorder.id / NOTE).write_text(note.replace(named, theirs_named))
        started_later(monkeypatch, step_s)
        assert (await recordings.find(recorder.id)).state == state
        other.communicate()
