"""A recorded take rendered again from its original: the same instructions at the same times, at any size."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from server.engine import LiveEditor
from server.files.source import FileError, Item, Picture
from server.recording.log import EditsLine, LogError, LoggedLayer, TakeLine, read_log
from server.recording.movie import VIDEO_HZ
from server.recording.take import LOG, ORIGINAL
from server.session.layer import Edits, Layer, Transition
from server.session.layered import LayeredEdit, Seat, edit_layers

if TYPE_CHECKING:
    from engines.conditioning import Conditioning

Encode = Callable[[str], "Conditioning"]


@dataclass(frozen=True)
class RecordedTake:
    """A recording's folder, as far as rendering it again needs it."""

    original: Path
    header: TakeLine
    lines: tuple[EditsLine, ...]


def open_take(folder: Path) -> RecordedTake:
    """Read a recording's log.

    Raises:
        FileError: It is no recording, or one without its original.
    """
    if not folder.is_dir():
        raise FileError(f"{folder} is no folder of a recording")
    try:
        header, lines = read_log(folder / LOG)
    except LogError as error:
        raise FileError(str(error)) from error
    original = folder / ORIGINAL
    if not original.exists():
        missing = f"{ORIGINAL} is missing" if header.original else "it was recorded without its original"
        raise FileError(f"{folder} cannot be rendered again: {missing}")
    return RecordedTake(original, header, tuple(lines))


class Score:
    """What was asked at each time of a take.

    Args:
        lines: Of its log.
        encode: Understands an instruction.
    """

    def __init__(self, lines: Sequence[EditsLine], encode: Encode) -> None:
        self._times = [line.pts for line in lines]
        self._edits = [_edits(line, encode) for line in lines]

    def at(self, pts: int) -> Edits:
        """What was asked of a picture, by its 90 kHz ticks since the take began.

        Before the log's first frame that is what was asked of that one.
        """
        number = bisect_right(self._times, pts) - 1
        return self._edits[max(0, number)] if self._edits else Edits()


def replayed(
    items: Iterable[Item], editor: LiveEditor, score: Score, seed: int, ticks: Callable[[int], int]
) -> Iterator[Item]:
    """Every picture as the take's instructions make it, and the sound as it is.

    Args:
        items: Of the original.
        editor: Edits them.
        score: What was asked when.
        seed: Of the sampler's noise.
        ticks: A picture's time in its file -> 90 kHz ticks since the take began.
    """
    seat = Seat(seed)
    held: Picture | None = None
    bypassed = False
    for item in items:
        if not isinstance(item, Picture):
            yield item
            continue
        pts = ticks(item.pts)
        edits = score.at(pts)
        if edits.bypassed and not bypassed:
            # As live: what was remembered is of another picture by the time the edit shows again.
            seat.forget()
        bypassed = edits.bypassed
        if not edits.frozen or held is None:
            held = _edited(item, editor, edits, pts / VIDEO_HZ, seat)
        yield held.at(item)


def take_ticks(time_base: Fraction, start_s: Fraction) -> Callable[[int], int]:
    """A picture's time as the source tells it -> 90 kHz ticks since the take began.

    Args:
        time_base: Of the source's times.
        start_s: What the source has taken off them.
    """
    return lambda pts: round((pts * time_base + start_s) * VIDEO_HZ)


def _edited(item: Picture, editor: LiveEditor, edits: Edits, now_s: float, seat: Seat) -> Picture:
    layers = () if edits.bypassed else edits.applied(now_s)
    if not layers:
        return item.untouched()
    (result,) = edit_layers(editor, [LayeredEdit(item.pixels, layers, seat)])
    return item.edited(result.picture, result.guided)


def _edits(line: EditsLine, encode: Encode) -> Edits:
    return Edits(
        layers=tuple(_layer(layer, line.pts / VIDEO_HZ, encode) for layer in line.layers),
        bypassed=line.bypassed,
        frozen=line.frozen,
    )


def _layer(logged: LoggedLayer, time_s: float, encode: Encode) -> Layer:
    begun, transition = logged.transition, None
    if begun is not None and begun.lasts_ms > 0:
        transition = Transition(
            began_s=time_s - begun.elapsed_ms / 1000.0,
            lasts_s=begun.lasts_ms / 1000.0,
            strength=begun.from_strength,
            conditioning=None if begun.from_text is None else encode(begun.from_text),
        )
    return Layer(
        logged.instruction_id,
        encode(logged.text),
        logged.strength,
        logged.enabled,
        logged.leaving,
        transition,
    )
