"""What a take was asked to show, frame by frame: JSON lines beside its pictures, and enough to render it again."""

from datetime import datetime
from pathlib import Path
from typing import IO, Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from server.recording.fragments import write_whole
from server.session.layer import Edits, Layer

VERSION = 1


class LogError(Exception):
    """A log cannot be read; the text is one line for a person."""


class Line(BaseModel):
    """One line."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())


class TakeLine(Line):
    """The first line: what edited, and from which noise."""

    type: Literal["take"] = "take"
    version: Literal[1] = 1
    id: str
    session_id: str
    started_at: AwareDatetime
    model: str
    model_version: str | None
    steps: int | None
    seed: int
    """Of the sampler's noise."""
    edit_size: tuple[int, int]
    """(width, height)."""
    original: bool
    """Whether the camera's own pictures were kept."""


class LoggedTransition(Line):
    """A change that was under way."""

    elapsed_ms: float
    lasts_ms: float
    from_strength: float
    from_text: str | None
    """The instruction it came from; null where only the strength changed."""


class LoggedLayer(Line):
    """An instruction that was on the stack, or fading from it."""

    instruction_id: str
    text: str
    strength: float
    enabled: bool
    leaving: bool = False
    transition: LoggedTransition | None = None


class EditsLine(Line):
    """What was asked from this frame on."""

    type: Literal["edits"] = "edits"
    frame: int
    """In ``edited.mp4``, from 0."""
    pts: int
    """Its time in 90 kHz ticks since the take began, the same in both files."""
    time_s: float
    seed: int
    bypassed: bool
    frozen: bool
    layers: tuple[LoggedLayer, ...]
    """The first is applied first."""


class EndLine(Line):
    """The last line; missing where the server ended before the take did."""

    type: Literal["end"] = "end"
    reason: str
    frames: int
    dropped: int
    duration_s: float


LogLine = TakeLine | EditsLine | EndLine
_LINE: TypeAdapter[LogLine] = TypeAdapter(Annotated[LogLine, Field(discriminator="type")])


def edits_line(edits: Edits, frame: int, pts: int, seed: int, now_s: float) -> EditsLine:
    """What was asked of a frame.

    Args:
        edits: Of the session.
        frame: The frame's number.
        pts: Its time in 90 kHz ticks.
        seed: Of the sampler's noise.
        now_s: When its turn came, by the session's clock.
    """
    return EditsLine(
        frame=frame,
        pts=pts,
        time_s=round(pts / 90_000, 6),
        seed=seed,
        bypassed=edits.bypassed,
        frozen=edits.frozen,
        layers=tuple(
            _logged(layer, now_s) for layer in edits.layers if not layer.leaving or layer.shows(now_s)
        ),
    )


def _logged(layer: Layer, now_s: float) -> LoggedLayer:
    begun, transition = layer.transition, None
    if begun is not None and begun.share(now_s) < 1.0:
        transition = LoggedTransition(
            elapsed_ms=round(1000.0 * (now_s - begun.began_s), 3),
            lasts_ms=1000.0 * begun.lasts_s,
            from_strength=begun.strength,
            from_text=None if begun.conditioning is None else begun.conditioning.text,
        )
    return LoggedLayer(
        instruction_id=layer.id,
        text=layer.conditioning.text,
        strength=layer.strength,
        enabled=layer.enabled,
        leaving=layer.leaving,
        transition=transition,
    )


def write_line(file: IO[bytes], line: LogLine) -> int:
    """Write a line to an unbuffered file, in whole or not at all; how many bytes it has."""
    text = (line.model_dump_json() + "\n").encode()
    write_whole(file, text)
    return len(text)


def read_log(path: Path) -> tuple[TakeLine, list[EditsLine]]:
    """A take's log; a last line that was cut off is left out.

    Raises:
        LogError: It is none.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise LogError(f"cannot read {path}: {error.strerror}") from error
    lines: list[LogLine] = []
    # What follows the last line's end was being written when the server died.
    for number, text in enumerate(raw.split(b"\n")[:-1], 1):
        try:
            lines.append(_LINE.validate_json(text))
        except ValidationError as error:
            if number == 1 and (version := _version(text)) > VERSION:
                raise LogError(f"{path} is of version {version}, this program reads {VERSION}") from error
            raise LogError(f"{path} is no log of a recording: line {number} cannot be read") from error
    if not lines or not isinstance(lines[0], TakeLine):
        raise LogError(f"{path} is no log of a recording: its first line says nothing of a take")
    return lines[0], [line for line in lines if isinstance(line, EditsLine)]


def _version(text: bytes) -> int:
    try:
        return _Versioned.model_validate_json(text).version
    except ValidationError:
        return 0


class _Versioned(BaseModel):
    version: int


def now() -> datetime:
    """With its time zone."""
    return datetime.now().astimezone()
