"""A backbone's run folder: which training it is of, and the last whole checkpoint, whatever ends the program."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import SafetensorError

from engines.pretrained.needs import gigabytes
from engines.training.loop import TrainingError

CHECKPOINT, SETTINGS = "checkpoint", "run.json"
_ADAM_AND_AVERAGE = 12
"""Bytes of a trained weight in a checkpoint beside itself: two moments and the average, in float32."""


@dataclass(frozen=True)
class RunOf:
    """What two commands agree in if they are of one training; all else may change when it is resumed.

    Attributes:
        backbone: "sd15" or "sd35".
        init: What it began with.
        lora: Rank of the adapters, 0 without.
        distil: Steps of the teacher, 0 without one.
    """

    backbone: str
    init: str
    lora: int
    distil: int


def claim_run(run: Path, wanted: RunOf) -> None:
    """Make a run folder, or see that the one there is of this training.

    Raises:
        TrainingError: It is of another, or cannot be written.
    """
    path = run / SETTINGS
    try:
        run.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            new = run / f"{SETTINGS}.new"
            new.write_text(json.dumps(asdict(wanted), indent=2) + "\n")
            new.replace(path)
        stored = json.loads(path.read_text())
    except OSError as error:
        raise TrainingError(f"{run} cannot be written: {error.strerror}") from error
    except ValueError as error:
        raise TrainingError(f"{path} cannot be read: {error}") from error
    differing = [
        f"--{name} {stored.get(name)}, not {value}"
        for name, value in asdict(wanted).items()
        if stored.get(name) != value
    ]
    if differing:
        raise TrainingError(
            f"{run} holds another training ({'; '.join(differing)}): give this one a --run of its own"
        )


def kept_checkpoint(run: Path) -> Path | None:
    """The checkpoint to go on from, None without one; ends what a kill left half done.

    A checkpoint is moved aside only when its successor is whole.
    """
    kept, new, old = (run / f"{CHECKPOINT}{end}" for end in ("", ".new", ".old"))
    if old.is_dir() and not kept.is_dir():
        new.rename(kept)
    for left in (new, old):
        shutil.rmtree(left, ignore_errors=True)
    return kept if kept.is_dir() else None


def put_in_place(run: Path) -> None:
    """Let ``checkpoint.new``, which is whole, take the checkpoint's place."""
    kept, new, old = (run / f"{CHECKPOINT}{end}" for end in ("", ".new", ".old"))
    if kept.is_dir():
        kept.rename(old)
    new.rename(kept)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def told_in_one_line(run: Path, step: int) -> Iterator[None]:
    """Around writing a checkpoint: PyTorch and safetensors have errors of their own for a full disk.

    Raises:
        TrainingError: It could not be written; what was written of it is gone.
    """
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        shutil.rmtree(run / f"{CHECKPOINT}.new", ignore_errors=True)
        reason = " ".join(str(error).split())[:200]
        kept = "the last one stays" if (run / CHECKPOINT).is_dir() else "there is none yet"
        raise TrainingError(
            f"the checkpoint of step {step} cannot be written into {run}, {kept}: {reason}"
        ) from error


def check_disk(run: Path, weights_bytes: int, trained: int) -> None:
    """See that a checkpoint can be written beside the last one.

    Args:
        run: The folder, which exists.
        weights_bytes: Of the whole network.
        trained: How many of its weights are trained.

    Raises:
        TrainingError: The disk is too full.
    """
    one = weights_bytes + _ADAM_AND_AVERAGE * trained
    more = 1 if (run / CHECKPOINT).is_dir() else 2
    free = shutil.disk_usage(run).free
    if more * one > free:
        raise TrainingError(
            f"a checkpoint takes {gigabytes(one)}, and while it is written the last one stays:"
            f" {gigabytes(free)} are free in {run}"
        )
