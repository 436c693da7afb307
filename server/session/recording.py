"""What a session records of itself, one recording at a time."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from server.engine import Engine
from server.messages import RecordingMessage, RecordingSummary
from server.recording.log import TakeLine, now
from server.recording.recorder import Recorder
from server.recording.store import Recordings
from server.recording.take import Take
from server.rtc.encoded import EncodedFrame
from server.session.errors import AlreadyRecordingError, NotRecordingError
from server.session.frame import Frame
from server.session.outlets import Outlets

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Taken:
    """What a session's recordings are of."""

    session_id: str
    model: str
    """Name of what edits."""
    seed: int
    """Of the stream's noise."""


class SessionRecording:
    """Begins and ends a session's recordings, and tells of both.

    Args:
        recordings: Where they are kept.
        engine: The editor, as it is when a recording begins.
        taken: What is recorded.
        outlets: Where the session's frames leave.
        captured_ms: When a frame was captured, by the clock that sound is dated with.
        say: Told when a recording begins and ends.
    """

    def __init__(
        self,
        recordings: Recordings,
        engine: Engine,
        taken: Taken,
        outlets: Outlets,
        captured_ms: Callable[[Frame], float | None],
        say: Callable[[RecordingMessage], None],
    ) -> None:
        self._recordings, self._engine, self._taken, self._outlets = recordings, engine, taken, outlets
        self._captured_ms, self._say = captured_ms, say
        self._recorder: Recorder | None = None
        self._told: RecordingSummary | None = None
        self._beginning: asyncio.Task[RecordingSummary] | None = None

    @property
    def id(self) -> str | None:
        """The recording that is under way."""
        return None if self._recorder is None else self._recorder.id

    @property
    def newest(self) -> RecordingSummary | None:
        """The recording that was told of last, with its length as of now."""
        return None if self._told is None else self._recordings.brought_up(self._told)

    async def start(
        self, original: bool, edit_size: tuple[int, int], session_token: str, hears: bool
    ) -> RecordingSummary:
        """Begin with the next frame.

        Args:
            original: Whether the camera's own pictures are recorded as well.
            edit_size: (width, height) at which frames are edited.
            session_token: Whoever has it may have the recording.
            hears: Whether there is sound.

        Raises:
            AlreadyRecordingError: One is under way.
            OSError: It cannot be written.
            QuotaExceededError: There is no room left for recordings.
        """
        if self._recorder is not None or self._is_beginning:
            raise AlreadyRecordingError
        header = partial(self._header, original, edit_size)
        # Shielded: a thread makes the files whether or not anybody waits for it, and what is begun has to be ended.
        self._beginning = asyncio.ensure_future(self._begin(header, session_token, hears))
        return await asyncio.shield(self._beginning)

    async def stop(self, reason: str) -> RecordingSummary:
        """End what is under way.

        Raises:
            NotRecordingError: Nothing is.
        """
        recorder = self._recorder
        if recorder is None:
            raise NotRecordingError
        await recorder.stop(reason)
        return await self._recordings.find(recorder.id)

    async def close(self, reason: str) -> None:
        """End what is under way or is being begun, if anything is."""
        if self._beginning is not None:
            await asyncio.gather(self._beginning, return_exceptions=True)
        if self._recorder is not None:
            # Not looked up: its files may have been taken away meanwhile.
            await self._recorder.stop(reason)

    def put_camera(self, frame: Frame) -> None:
        """A camera picture has come."""
        if self._recorder is not None:
            self._recorder.put_camera(frame)

    def put_sound(self, packet: EncodedFrame) -> None:
        """A packet of sound has come."""
        if self._recorder is not None:
            self._recorder.put_sound(packet)

    @property
    def _is_beginning(self) -> bool:
        return self._beginning is not None and not self._beginning.done()

    async def _begin(
        self, header: Callable[[str], TakeLine], session_token: str, hears: bool
    ) -> RecordingSummary:
        recorder = self._recorder = await self._recordings.begin(header, session_token, hears, self._make)
        summary = await self._recordings.find(recorder.id)
        self._tell(summary)
        return summary

    def _header(self, original: bool, edit_size: tuple[int, int], recording_id: str) -> TakeLine:
        runs, taken = self._engine.description, self._taken
        return TakeLine(
            id=recording_id,
            session_id=taken.session_id,
            started_at=now(),
            model=taken.model,
            model_version=None if runs is None else runs.version,
            steps=None if runs is None else runs.steps,
            seed=taken.seed,
            edit_size=edit_size,
            original=original,
        )

    def _make(self, header: TakeLine, open_take: Callable[[], Take]) -> Recorder:
        return Recorder(
            header.id, open_take, self._outlets, header.original, self._captured_ms, self._take_end
        )

    async def _take_end(self, recorder: Recorder) -> None:
        self._recorder = None
        summary = await self._recordings.end(recorder)
        logger.info("recording %s ended: %s", recorder.id, recorder.reason)
        self._tell(summary)

    def _tell(self, summary: RecordingSummary) -> None:
        self._told = summary
        self._say(RecordingMessage(recording=summary))
