"""`afterimage edit IN OUT --instruction "…"`: the live editor on a video file."""

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from engines.compilers.names import Precision
from engines.interrupts import ended_as_interrupted
from server.engine import LiveEditor
from server.files.edit import FileEdit, edit_file, replay_take
from server.files.progress import progress_for
from server.files.replay import RecordedTake, open_take
from server.files.sink import CONTAINERS
from server.files.source import FileError
from server.recording.take import ORIGINAL

DEFAULT_MODEL = "rfdm-tiny"


def main(arguments: list[str], load: Callable[[Namespace], LiveEditor] | None = None) -> int:
    """Run the command.

    Args:
        arguments: What follows `afterimage edit`.
        load: Loads the editor that the parsed arguments name.

    Returns:
        0 when the edit was written, 2 when something given cannot be used, 130 when interrupted.
    """
    options = _parser().parse_args(arguments)
    try:
        _run(options, load or _load)
    except FileError as error:
        print(f"afterimage edit: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"afterimage edit: interrupted, {options.target} was not written", file=sys.stderr)
        return 130
    return 0


def _run(options: Namespace, load: Callable[[Namespace], LiveEditor]) -> None:
    edit = FileEdit(
        source=options.source / ORIGINAL if options.replay else options.source,
        target=options.target,
        instruction=options.instruction or "",
        short_side=options.short_side,
        seed=options.seed,
        strength=options.strength,
        overwrite=options.overwrite,
    )
    take = open_take(options.source) if options.replay else None
    check_names(edit)
    # Imported after the command line has been read: PyTorch takes a second or two.
    from engines.conditioning import InstructionError
    from engines.model import ModelError

    try:
        with ended_as_interrupted():
            if take is not None:
                _load_as_recorded(options, take)
            editor = load(options)
            progress = progress_for(quiet=options.quiet)
            if take is None:
                edit_file(edit, editor, progress)
            else:
                replay_take(edit, take, editor, progress)
    except (InstructionError, ModelError) as error:
        raise FileError(str(error)) from error


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


def _load_as_recorded(options: Namespace, take: RecordedTake) -> None:
    """Set the model and the steps to those of a take, where no others are given."""
    if options.model is None:
        options.model = take.header.model
        options.steps = options.steps or take.header.steps


def _load(options: Namespace) -> LiveEditor:
    from engines.editor import load_editor

    return load_editor(
        options.model or DEFAULT_MODEL,
        compiler=options.compiler,
        device=options.device,
        steps=options.steps,
        precision=options.precision,
        engines=options.engines,
    )


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
        help="edit at this size, a multiple of 16, and scale up to the source's; a smaller source is not enlarged "
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
    parser.add_argument(
        "--precision",
        default="auto",
        choices=("auto", *get_args(Precision)),
        help="what it computes in, as afterimage compile was told (%(default)s: the compiler's usual one)",
    )
    parser.add_argument(
        "--engines",
        type=Path,
        metavar="DIR",
        help="folder of compiled engines, those of afterimage compile --out among them (default: the user's cache)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it exists")
    parser.add_argument("--quiet", action="store_true", help="no progress, only errors")
    return parser


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return value


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _short_side(text: str) -> int:
    if not text.isdecimal() or int(text) < 64 or int(text) % 16:
        raise ArgumentTypeError(f"{text!r} is not a multiple of 16 of at least 64")
    return int(text)
