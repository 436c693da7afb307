"""`afterimage edit IN OUT --instruction "…"`: the live editor on a video file."""

import signal
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from engines.edit_size import edit_size
from server.engine import LiveEditor
from server.files.progress import ShowProgress, progress_for
from server.files.relay import Relay, RelayClosedError
from server.files.replay import RecordedTake, Score, open_take, replayed, take_ticks
from server.files.sink import CONTAINERS, whole_or_nothing, write_file
from server.files.source import FileError, Item, Picture, VideoSource
from server.recording.take import ORIGINAL

if TYPE_CHECKING:
    from engines.conditioning import Conditioning
    from engines.model import ModelDescription

# Enough that neither neighbour of the editor makes it wait over one slow frame, few enough to stay in memory.
FRAMES_AHEAD = 8
DEFAULT_MODEL = "rfdm-tiny"


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


def main(arguments: list[str], load: Callable[[Namespace], LiveEditor] | None = None) -> int:
    """Run the command.

    Args:
        arguments: What follows `afterimage edit`.
        load: Loads the editor that the parsed arguments name.

    Returns:
        0 when the edit was written, 2 when something given cannot be used, 130 when interrupted.
    """
    options = _parser().parse_args(arguments)
    edit = FileEdit(
        source=options.source / ORIGINAL if options.replay else options.source,
        target=options.target,
        instruction=options.instruction or "",
        short_side=options.short_side,
        seed=options.seed,
        strength=options.strength,
        overwrite=options.overwrite,
    )
    try:
        take = open_take(options.source) if options.replay else None
        check_names(edit)
        # Imported after the command line has been read: PyTorch takes a second or two.
        from engines.conditioning import InstructionError
        from engines.model import ModelError

        try:
            with _terminated_as_interrupted():
                if take is not None:
                    _load_as_recorded(options, take)
                editor = (load or _load)(options)
                progress = progress_for(quiet=options.quiet)
                if take is None:
                    edit_file(edit, editor, progress)
                else:
                    replay_take(edit, take, editor, progress)
        except (InstructionError, ModelError) as error:
            raise FileError(str(error)) from error
    except FileError as error:
        print(f"afterimage edit: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"afterimage edit: interrupted, {edit.target} was not written", file=sys.stderr)
        return 130
    return 0


def check_names(edit: FileEdit) -> None:
    """See that the files named can be read and written, before anything takes time.

    Raises:
        FileError: They cannot.
    """
    source, target = edit.source, edit.target
    if not source.exists():
        raise FileError(f"{source} does not exist")
    if target.suffix.lower() not in CONTAINERS:
        raise FileError(f"cannot write {target}: its name must end with one of {', '.join(CONTAINERS)}")
    if target.is_dir():
        raise FileError(f"{target} is a folder")
    if not target.parent.is_dir():
        raise FileError(f"cannot write {target}: the folder {target.parent} does not exist")
    if target.exists() and target.samefile(source):
        raise FileError(f"{source} and {target} are the same file")
    if target.exists() and not edit.overwrite:
        raise FileError(f"{target} exists already; --overwrite replaces it")


def edit_file(edit: FileEdit, editor: LiveEditor, show_progress: ShowProgress) -> None:
    """Edit every frame of a file in order, while the next ones are decoded and the last ones encoded.

    The target is either written whole or left as it was.

    Raises:
        FileError: The source cannot be read or the target not be written.
        InstructionError: The instruction is empty or too long.
    """
    conditioning = editor.encode(edit.instruction)

    def edited(items: Iterable[Item], source: VideoSource) -> Iterator[Item]:
        if not conditioning.known:
            _warn_of_unknown(conditioning, editor.description)
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


def _warn_of_unknown(conditioning: "Conditioning", model: "ModelDescription") -> None:
    labels = {family.name: family.label for family in model.families}
    done, left_out = (
        " and ".join(labels.get(family, family) for family in families)
        for families in (conditioning.families, conditioning.left_out)
    )
    nearest = ", ".join(f'"{text}"' for text in conditioning.nearest)
    text = conditioning.text
    said = f'of "{text}" only this is done: {done}; the rest' if done else f'"{text}"'
    why = f"is unlike anything {model.name} was taught; nearest: {nearest}"
    if left_out:
        said, why = f'of "{text}" only this is done: {done};', f"{left_out} cannot be done beside it"
    print(f"afterimage edit: {said} {why}", file=sys.stderr)


def _load_as_recorded(options: Namespace, take: RecordedTake) -> None:
    """Ask for the model and the steps of a take where no others are given."""
    if options.model is None:
        options.model = take.header.model
        options.steps = options.steps or take.header.steps


def _load(options: Namespace) -> LiveEditor:
    from engines.editor import load_editor

    return load_editor(
        options.model or DEFAULT_MODEL, compiler=options.compiler, device=options.device, steps=options.steps
    )


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Let a terminating signal clean up as Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="afterimage edit",
        description="Edit a video file by typed instruction. Duration, frame times and sound stay as they are.",
    )
    parser.add_argument(
        "source", type=Path, metavar="IN", help="the video to edit, or with --replay a recording"
    )
    parser.add_argument("target", type=Path, metavar="OUT", help=f"written: {', '.join(CONTAINERS)}")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--instruction", help='for example "turn it into a pencil sketch"')
    what.add_argument(
        "--replay",
        action="store_true",
        help="IN is a recording's folder: render it again from its original, by the instructions of its log",
    )
    parser.add_argument(
        "--strength", type=_share, default=1.0, help="0 shows the source, 1 the edit (%(default)s)"
    )
    parser.add_argument(
        "--short-side",
        type=_short_side,
        metavar="PIXELS",
        help="edit at this size, a multiple of 16, and scale up to the source's "
        "(the model's own, 256 or 512; a recording's where that is larger)",
    )
    parser.add_argument(
        "--model",
        help=f"name, folder or id on the hub ({DEFAULT_MODEL}, or what the recording was made with)",
    )
    parser.add_argument(
        "--steps", type=_positive, help="sampler steps for a frame (the model's own, or the recording's)"
    )
    parser.add_argument("--seed", type=int, help="of the noise (0, or as the take was recorded)")
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto (%(default)s)")
    parser.add_argument("--compiler", default="auto", help="what runs the model (%(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it exists")
    parser.add_argument("--quiet", action="store_true", help="no progress, only errors")
    return parser


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise ArgumentTypeError("must be within 0 and 1")
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ArgumentTypeError("must be at least 1")
    return value


def _short_side(text: str) -> int:
    value = int(text)
    if value < 64 or value % 16:
        raise ArgumentTypeError("must be a multiple of 16, at least 64")
    return value
