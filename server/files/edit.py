"""The live editor on a video file: decoding, editing and encoding side by side."""

import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from engines.edit_size import edit_size
from server.engine import LiveEditor
from server.files.progress import ShowProgress
from server.files.relay import Relay, RelayClosedError
from server.files.replay import RecordedTake, Score, replayed, take_ticks
from server.files.sink import whole_or_nothing, write_file
from server.files.source import FileError, Item, Picture, VideoSource
from server.half_known import done_and_left_out

if TYPE_CHECKING:
    from engines.conditioning import Conditioning
    from engines.model import ModelDescription

# Enough that neither neighbour of the editor makes it wait over one slow frame, few enough to stay in memory.
FRAMES_AHEAD = 8


@dataclass(frozen=True)
class FileEdit:
    """What to edit, and how."""

    source: Path
    target: Path
    instruction: str
    short_side: int | None = None
    """Edited at this short side, in pixels; the model's own, or a take's where that is larger, where None.

    Written at the source's size.
    """
    seed: int | None = None
    """Of the noise: 0, or what a take was recorded with, where None."""
    strength: float = 1.0
    overwrite: bool = False


def edit_file(edit: FileEdit, editor: LiveEditor, show_progress: ShowProgress) -> None:
    """Edit every frame of a file in order, while the next ones are decoded and the last ones encoded.

    The target is either written whole or left as it was.

    Raises:
        FileError: The source cannot be read or the target not be written, or nothing of the instruction is known.
        InstructionError: The instruction is empty or too long.
    """
    conditioning = editor.encode(edit.instruction)
    doubt = None if conditioning.known else _doubt(conditioning, editor.description)
    if doubt is not None and not conditioning.edits:
        raise FileError(doubt)

    def edited(items: Iterable[Item], source: VideoSource) -> Iterator[Item]:
        # Only now: of a source that cannot be read, that alone is said.
        if doubt is not None:
            print(f"afterimage edit: {doubt}", file=sys.stderr)
        return _edited(items, editor, conditioning, edit)

    _render(edit, editor, edited, show_progress)


def replay_take(edit: FileEdit, take: RecordedTake, editor: LiveEditor, show_progress: ShowProgress) -> None:
    """Render a recorded take again, by the instructions of its log.

    Raises:
        FileError: The original cannot be read or the target not be written.
        InstructionError: An instruction of the log is empty or too long.
    """
    runs, header = editor.description, take.header
    # A folder or an id on the hub ends with the model's name.
    recorded = f"{Path(header.model).name} {header.model_version}"
    if recorded != f"{runs.name} {runs.version}":
        print(
            f"afterimage edit: recorded with {recorded}, rendered with {runs.name} {runs.version}",
            file=sys.stderr,
        )
    if edit.short_side is None:
        edit = replace(edit, short_side=max(runs.short_side, min(header.edit_size)))
    score = Score(take.lines, editor.encode)
    seed = take.header.seed if edit.seed is None else edit.seed

    def edited(items: Iterable[Item], source: VideoSource) -> Iterator[Item]:
        return replayed(items, editor, score, seed, take_ticks(source.time_base, source.start_s))

    _render(edit, editor, edited, show_progress)


def _render(
    edit: FileEdit,
    editor: LiveEditor,
    make: Callable[[Iterable[Item], VideoSource], Iterator[Item]],
    show_progress: ShowProgress,
) -> None:
    """Read, edit and write side by side; ``make`` turns what is read into what is written."""
    with VideoSource(edit.source) as source, whole_or_nothing(edit.target) as part:
        runs = editor.description
        size = edit_size(*source.upright_size, edit.short_side or runs.short_side, runs.size_multiple)
        with show_progress(source.frames) as advance, ThreadPoolExecutor(2, "edit") as neighbours:
            decoded: Relay[Item] = Relay(FRAMES_AHEAD)
            edited: Relay[Item] = Relay(FRAMES_AHEAD)
            try:
                reading = neighbours.submit(_read, source, size, decoded)
                writing = neighbours.submit(_write, part, source, edited)
                for item in make(decoded, source):
                    edited.put(item)
                    if isinstance(item, Picture):
                        advance()
                edited.complete()
                writing.result()
            except RelayClosedError:
                # One neighbour has stopped early: its result says why.
                decoded.abandon()
                reading.result()
                writing.result()
            finally:
                decoded.abandon()
                edited.abandon()


def _read(source: VideoSource, size: tuple[int, int], decoded: Relay[Item]) -> None:
    try:
        for item in source.read(size):
            decoded.put(item)
        decoded.complete()
    except RelayClosedError:
        # The edit has ended early.
        return
    finally:
        decoded.abandon()


def _write(part: Path, source: VideoSource, edited: Relay[Item]) -> None:
    try:
        write_file(part, source, edited)
    except RelayClosedError:
        # The edit has ended early; nobody wants the part.
        return
    finally:
        edited.abandon()


def _edited(
    decoded: Iterable[Item], editor: LiveEditor, conditioning: "Conditioning", edit: FileEdit
) -> Iterator[Item]:
    from engines.editor import EditRequest
    from engines.upsampling import takes_detail

    state, guided = editor.open(edit.seed or 0), takes_detail(conditioning.families)
    for item in decoded:
        if isinstance(item, Picture):
            (result,) = editor.step([EditRequest(item.pixels, conditioning, state, edit.strength)])
            yield item.edited(result.picture, guided)
        else:
            yield item


def _doubt(conditioning: "Conditioning", model: "ModelDescription") -> str:
    """What of an instruction is not done, and why."""
    done, left_out = done_and_left_out(conditioning, model)
    text = conditioning.text
    if left_out:
        return f'of "{text}" only this is done: {done}; {left_out} cannot be done beside it'
    nearest = ", ".join(f'"{example}"' for example in conditioning.nearest)
    strange = f"is unlike anything {model.name} was taught; nearest: {nearest}"
    return f'of "{text}" only this is done: {done}; the rest {strange}' if done else f'"{text}" {strange}'
