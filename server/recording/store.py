"""All recordings of a server, each in a folder of its own, found again after a restart."""

import asyncio
import hashlib
import logging
import os
import secrets
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeVar, get_args

import av
import psutil
from pydantic import AwareDatetime, BaseModel, ValidationError

from server.messages import RecordingFile, RecordingState, RecordingSummary
from server.recording.fragments import trim
from server.recording.log import TakeLine
from server.recording.quota import Quota
from server.recording.recorder import Recorder
from server.recording.take import EDITED, ORIGINAL, Take

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

NOTE = "recording.json"
NOTE_BYTES = 1024
"""It keeps its size, so that its last version fits even on a full disk."""


MAX_CLOCK_STEP_S = 5.0
"""A process's start is told by the system's clock: set anew, it moves the start of what runs already."""


class NoSuchRecordingError(KeyError):
    """There is no recording of this id."""


class _Note(BaseModel):
    """What the server keeps of a recording besides its files."""

    version: Literal[1] = 1
    id: str
    session_id: str
    token_sha256: str
    """Of the session's token, which opens the recording after the session has ended."""
    started_at: AwareDatetime
    process: tuple[int, float]
    """The server's id and start, to tell whether it still writes."""
    state: RecordingState = "recording"
    reason: str | None = None
    duration_s: float = 0.0
    frames: int = 0
    dropped: int = 0


class Recordings:
    """Begins, finds, lists and deletes recordings; all work on the disk is done in a thread.

    Args:
        folder: Where they lie; made when the first one begins.
        max_bytes: Of all together.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder, self._quota = folder, Quota(max_bytes)
        self._thread = ThreadPoolExecutor(1, "recordings")
        self._running: dict[str, tuple[_Note, Recorder]] = {}
        # Of recordings that have ended, which do not change any more: a list of thousands reads none of them again.
        self._ended: dict[str, _Note] = {}

    async def close(self) -> None:
        """End the thread; recordings end with their sessions, before."""
        self._thread.shutdown(wait=False)

    async def begin(
        self,
        header: Callable[[str], TakeLine],
        session_token: str,
        hears: bool,
        make: Callable[[TakeLine, Callable[[], Take]], Recorder],
    ) -> Recorder:
        """Begin a recording.

        Args:
            header: The log's first line, of the recording's id.
            session_token: Whoever has it may have the recording.
            hears: Whether there is sound.
            make: The recorder, of the log's first line and of what makes its files.

        Raises:
            OSError: It cannot be written.
            QuotaExceededError: There is no room left for recordings.
        """
        recording_id = secrets.token_urlsafe(12)
        line = header(recording_id)
        note = _Note(
            id=recording_id,
            session_id=line.session_id,
            token_sha256=hashlib.sha256(session_token.encode()).hexdigest(),
            started_at=line.started_at,
            process=_this_process(),
        )
        await self._in_thread(self._measure)

        def open_take() -> Take:
            folder = self._folder / recording_id
            # Nobody else on this machine is to see them.
            folder.mkdir(parents=True, mode=0o700)
            try:
                _write_note(folder, note)
                self._quota.spend(NOTE_BYTES)
                return Take(folder, line, hears, self._quota.spend)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise

        recorder = make(line, open_take)
        self._running[recording_id] = note, recorder
        try:
            await recorder.start()
        except BaseException:
            del self._running[recording_id]
            raise
        return recorder

    async def end(self, recorder: Recorder) -> RecordingSummary:
        """Note that a recording has ended; its summary."""
        note, _ = self._running[recorder.id]
        ended = _brought_up(note, recorder).model_copy(update={"state": "ended", "reason": recorder.reason})
        try:
            await self._in_thread(lambda: _write_note(self._folder / ended.id, ended))
        except OSError as error:
            logger.warning("the end of recording %s could not be noted: %s", ended.id, error)
        del self._running[recorder.id]
        return await self._in_thread(lambda: self._summary(ended))

    async def page(
        self, limit: int, before: datetime | None = None, session_id: str | None = None
    ) -> tuple[list[RecordingSummary], bool]:
        """The newest recordings first, and whether there are older ones.

        Args:
            limit: How many at most.
            before: Only those that began earlier, with a time zone.
            session_id: Only this session's.
        """

        def read() -> tuple[list[RecordingSummary], bool]:
            notes = [
                note
                for note in self._notes()
                if session_id in (None, note.session_id) and (before is None or note.started_at < before)
            ]
            notes.sort(key=lambda note: note.started_at, reverse=True)
            return [self._summary(note) for note in notes[:limit]], len(notes) > limit

        summaries, more = await self._in_thread(read)
        return [self.brought_up(each) for each in summaries], more

    async def find(self, recording_id: str) -> RecordingSummary:
        """The recording of an id.

        Raises:
            NoSuchRecordingError: There is none.
        """
        note = await self._in_thread(lambda: self._note(recording_id))
        return self.brought_up(await self._in_thread(lambda: self._summary(note)))

    def brought_up(self, summary: RecordingSummary) -> RecordingSummary:
        """A recording as of now, but for the sizes of its files."""
        if summary.id not in self._running:
            return summary
        note, recorder = self._running[summary.id]
        now_ = _brought_up(note, recorder)
        return summary.model_copy(
            update={"duration_s": now_.duration_s, "frames": now_.frames, "dropped": now_.dropped}
        )

    async def opened_by(self, recording_id: str, token: str) -> bool:
        """Whether a token is that of the recording's session; False where there is no such recording."""
        try:
            note = await self._in_thread(lambda: self._note(recording_id))
        except NoSuchRecordingError:
            return False
        return secrets.compare_digest(note.token_sha256, hashlib.sha256(token.encode()).hexdigest())

    def path(self, recording_id: str, name: RecordingFile) -> Path:
        """Where a recording's file lies."""
        return self._folder / recording_id / name

    def running(self, recording_id: str) -> Recorder | None:
        """Whoever records this now, if it is under way."""
        return self._running[recording_id][1] if recording_id in self._running else None

    async def delete(self, recording_id: str) -> None:
        """Remove a recording that has ended.

        Raises:
            NoSuchRecordingError: There is none.
        """

        def remove() -> None:
            shutil.rmtree(self._folder / self._note(recording_id).id)
            self._measure()

        await self._in_thread(remove)

    # In the thread.

    def _notes(self) -> list[_Note]:
        try:
            names = [entry.name for entry in os.scandir(self._folder) if entry.is_dir()]
        except FileNotFoundError:
            return []
        notes: dict[str, _Note] = {}
        for name in names:
            try:
                notes[name] = self._ended.get(name) or self._note(name)
            except NoSuchRecordingError:
                continue
        self._ended = {name: note for name, note in notes.items() if note.state != "recording"}
        return list(notes.values())

    def _note(self, recording_id: str) -> _Note:
        folder = self._folder / recording_id
        if not recording_id or folder.parent != self._folder or recording_id.startswith("."):
            raise NoSuchRecordingError(recording_id)
        try:
            note = _Note.model_validate_json((folder / NOTE).read_bytes())
        except (OSError, ValueError, ValidationError):
            raise NoSuchRecordingError(recording_id) from None
        if note.id != recording_id:
            raise NoSuchRecordingError(recording_id)
        under_way = recording_id in self._running or _runs_elsewhere(note.process)
        if note.state == "recording" and not under_way:
            return self._recover(note)
        return note

    def _recover(self, note: _Note) -> _Note:
        """Bring a recording to its end whose server has died."""
        folder = self._folder / note.id
        frames, duration_s = 0, 0.0
        try:
            for name in (EDITED, ORIGINAL):
                if (folder / name).exists():
                    trim(folder / name)
            frames, duration_s = _measured(folder / EDITED)
        except OSError as error:
            logger.info("recording %s could not be brought to its end: %s", note.id, error)
        ended = note.model_copy(
            update={
                "state": "interrupted",
                "reason": "the server ended before the recording did",
                "frames": frames,
                "duration_s": duration_s,
            }
        )
        try:
            _write_note(folder, ended)
        except OSError as error:
            logger.info("recording %s could not be brought to its end: %s", note.id, error)
        return ended

    def _summary(self, note: _Note) -> RecordingSummary:
        folder = self._folder / note.id
        sizes: dict[RecordingFile, int] = {}
        for name in get_args(RecordingFile):
            try:
                sizes[name] = (folder / name).stat().st_size
            except FileNotFoundError:
                continue
        return RecordingSummary(
            id=note.id,
            session_id=note.session_id,
            state=note.state,
            reason=note.reason,
            started_at=note.started_at,
            duration_s=note.duration_s,
            frames=note.frames,
            dropped=note.dropped,
            bytes=sum(sizes.values()),
            files=tuple(sizes),
        )

    def _measure(self) -> None:
        used = 0
        for folder, _, names in os.walk(self._folder):
            for name in names:
                try:
                    used += (Path(folder) / name).stat().st_size
                except FileNotFoundError:
                    continue
        self._quota.set_used(used)

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _brought_up(note: _Note, recorder: Recorder) -> _Note:
    take = recorder.take
    if take is None:
        return note
    return note.model_copy(
        update={
            "duration_s": round(take.duration_s, 3),
            "frames": take.frames,
            "dropped": recorder.dropped,
        }
    )


def _write_note(folder: Path, note: _Note) -> None:
    text = note.model_dump_json().encode().ljust(NOTE_BYTES)
    path = folder / NOTE
    with path.open("r+b" if path.exists() else "xb", buffering=0) as file:
        file.write(text)


def _measured(path: Path) -> tuple[int, float]:
    """A movie's pictures and duration in seconds; nothing of one that holds none."""
    frames, end_s = 0, 0.0
    try:
        with av.open(str(path)) as movie:
            for packet in movie.demux(video=0):
                if packet.size and packet.pts is not None:
                    frames += 1
                    end_s = max(end_s, float(packet.pts * packet.time_base))
    except (av.FFmpegError, IndexError):
        return frames, round(end_s, 3)
    return frames, round(end_s, 3)


def _this_process() -> tuple[int, float]:
    return os.getpid(), psutil.Process().create_time()


def _runs_elsewhere(process: tuple[int, float]) -> bool:
    """Whether a process other than this one still runs."""
    pid, started_s = process
    if pid == os.getpid():
        return False
    try:
        return bool(abs(psutil.Process(pid).create_time() - started_s) < MAX_CLOCK_STEP_S)
    except psutil.Error:
        return False
