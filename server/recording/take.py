"""One take being written: its movies, and the log of what was asked of them. Blocks: never on the event loop."""

from collections.abc import Callable, Sequence
from pathlib import Path

import av

from server.recording.log import EditsLine, EndLine, TakeLine, edits_line, write_line
from server.recording.movie import Movie, SoundPacket
from server.recording.quota import QuotaExceededError
from server.session.frame import Frame

EDITED, ORIGINAL, LOG = "edited.mp4", "original.mp4", "instructions.jsonl"


class Take:
    """Writes frames of one session, edited and as they were, on one timeline.

    Args:
        folder: Empty, of its own.
        header: The log's first line.
        hears: Whether there is sound.
        spend: Told how many bytes are about to be written; raises where they are too many.

    Raises:
        OSError: It cannot be written.
        QuotaExceededError: There is no room left for recordings.
    """

    def __init__(self, folder: Path, header: TakeLine, hears: bool, spend: Callable[[int], None]) -> None:
        self._folder, self._header, self._hears, self._spend = folder, header, hears, spend
        self._edited: Movie | None = None
        self._original: Movie | None = None
        self._revision: int | None = None
        self._log_bytes = 0
        self._log = (folder / LOG).open("xb", buffering=0)
        self._note(header)

    @property
    def frames(self) -> int:
        """In the edited movie."""
        return 0 if self._edited is None else self._edited.frames

    @property
    def duration_s(self) -> float:
        """Of the longer movie."""
        return max((movie.duration_s for movie in self._movies), default=0.0)

    @property
    def bytes(self) -> int:
        """Written so far."""
        return self._log_bytes + sum(movie.bytes for movie in self._movies)

    def write_edited(self, frame: Frame, pts: int, sound: Sequence[SoundPacket]) -> None:
        """Write what has left, at 90 kHz ticks since the take began, and what was asked where that is new.

        Raises:
            As above.
        """
        video = frame.video()
        if self._edited is None:
            self._edited = Movie(self._folder / EDITED, video, self._hears, self._spend)
        number = self._edited.frames
        self._edited.write_sound(sound)
        if not self._edited.write(video, pts) or frame.edits is None:
            return
        if frame.edits.revision != self._revision:
            self._revision = frame.edits.revision
            turn_s = frame.decoded_s if frame.edit_started_s is None else frame.edit_started_s
            self._note(edits_line(frame.edits, number, pts, self._header.seed, turn_s))

    def write_edited_sound(self, sound: Sequence[SoundPacket]) -> None:
        """Write sound that came without a picture.

        Raises:
            As above.
        """
        if self._edited is not None:
            self._edited.write_sound(sound)

    def write_original(self, frame: Frame, pts: int, sound: Sequence[SoundPacket]) -> None:
        """Write a camera's picture as it came.

        Raises:
            As above.
        """
        camera = frame.camera
        if camera is None:
            return
        if self._original is None:
            self._original = Movie(self._folder / ORIGINAL, camera, self._hears, self._spend)
        self._original.write_sound(sound)
        self._original.write(camera, pts)

    def write_original_sound(self, sound: Sequence[SoundPacket]) -> None:
        """Write sound that came without a picture.

        Raises:
            As above.
        """
        if self._original is not None:
            self._original.write_sound(sound)

    def close(self, reason: str, dropped: int) -> None:
        """End the files.

        Raises:
            As above; they are closed all the same.
        """
        failures: list[Exception] = []
        for movie in self._movies:
            try:
                movie.close()
            except (OSError, av.FFmpegError, QuotaExceededError) as error:
                failures.append(error)
        try:
            self._note(
                EndLine(reason=reason, frames=self.frames, dropped=dropped, duration_s=self.duration_s)
            )
        except OSError as error:
            failures.append(error)
        self._log.close()
        if failures:
            raise failures[0]

    @property
    def _movies(self) -> tuple[Movie, ...]:
        return tuple(movie for movie in (self._edited, self._original) if movie is not None)

    def _note(self, line: TakeLine | EditsLine | EndLine) -> None:
        self._log_bytes += write_line(self._log, line)
