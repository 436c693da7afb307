"""``afterimage train --backbone``: from paired clips and a pretrained checkpoint to an RFDM folder.

The run folder holds what makes it resume: start the same command again and it goes on. Several GPUs are used by
starting it with ``accelerate launch --module engines.training.backbone_train`` in the place of ``afterimage train``.
"""

import argparse
import copy
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import torch
from rich.console import Console
from torch import Tensor

from engines.backbones.expansion import INPUTS
from engines.codecs import load_autoencoder
from engines.interrupts import ended_as_interrupted
from engines.model import ModelError, find_model
from engines.pretrained.checkpoint import KINDS, Checkpoint, read_checkpoint
from engines.pretrained.folder import write_folder
from engines.pretrained.index import PAPER_GUIDANCE, PAPER_STEPS, RfdmIndex, index_of
from engines.pretrained.loading import check_loadable, load_denoiser, load_embedder, require_libraries
from engines.pretrained.needs import gigabytes
from engines.schedules import load_schedule
from engines.training.backbone_checks import (
    check_crop,
    check_memory,
    check_rank,
    check_shared_memory,
    check_target,
)
from engines.training.backbone_run import RunOf, claim_run
from engines.training.backbone_sheet import UNGUIDED, write_sheet
from engines.training.batches import batches_from, generator_at
from engines.training.distillation import Teacher
from engines.training.loop import TrainingError
from engines.training.pairs import Pair, PairedBatch, PairedCrop, PairSampler, Skips, find_pairs
from engines.training.progress import TrainingProgress, progress_bar
from engines.unfinished import folder_bytes, remove_abandoned

if TYPE_CHECKING:
    from engines.training.backbone import BackboneTrainer

DISTILLED_INTO = 1
"""Steps of a student."""
_MOST_PROCESSES = 1024
"""One GPU each; more of them would share batches."""
_SHOWN_OVER = 100
"""Steps over which the loss is shown."""


def train_backbone(options: argparse.Namespace, console: Console) -> None:
    """Train or resume, then write the model folder.

    Raises:
        TrainingError: Training cannot start or go on.
        ModelError: The checkpoint cannot be trained, or the folder not be written.
        OSError: There is nothing to train on.
        ValueError: A manifest cannot be read.
    """
    require_libraries()
    pairs = find_pairs(options.pairs)
    checkpoint, index = _read(options)
    # Imported here, and so below: accelerate and diffusers take seconds, which a wrong folder need not wait for.
    from accelerate import PartialState
    from accelerate.utils import parse_flag_from_env

    process = PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))
    run = options.run or Path("runs") / options.out.name
    _check_room(options, checkpoint, process.device)
    if process.is_main_process:
        _claim(run, options, console)
    # One GPU for each process: "cuda" alone is the first of them until the trainer is made.
    trainer = _trainer(options, checkpoint, index, process.device, run)
    if process.is_main_process:
        if trainer.step:
            console.print(f"resuming at step {trainer.step}, from {run}")
        console.print(
            f"{len(pairs)} pairs, on {trainer.accelerator.device} x {trainer.accelerator.num_processes}"
        )
    steps, guidance = (DISTILLED_INTO, None) if options.distil else (PAPER_STEPS, PAPER_GUIDANCE)

    def write_sample(clip: PairedCrop, step: int) -> None:
        write_sheet(trainer, clip, steps, guidance or UNGUIDED, run / "samples" / f"{step:06}.jpg")

    _fit(trainer, pairs, options, console, write_sample)
    if process.is_main_process:
        written = replace(
            index,
            name=options.out.name,
            version="1",
            trained_inputs=learned_inputs(index, options.frames),
            steps=steps,
            guidance=guidance,
        )
        _write(trainer.averaged_network, checkpoint, written, options.out, _half(process.device))
        console.print(
            f"wrote {options.out}, which afterimage serve --model {options.out} runs;"
            f" {run} ({gigabytes(folder_bytes(run))}) is needed only to train on"
        )


def _read(options: argparse.Namespace) -> tuple[Checkpoint, RfdmIndex]:
    """What is trained, if it can be and there is room for what comes of it."""
    checkpoint = read_checkpoint(find_model(options.init))
    if checkpoint.kind.name != options.backbone:
        raise TrainingError(
            f"{options.init} is a {checkpoint.kind.name} checkpoint, asked for is {options.backbone}"
        )
    check_target(options.out)
    check_loadable(checkpoint)
    if options.lora:
        check_rank(checkpoint, options.lora)
    index = index_of(checkpoint, options.init)
    untrained = [name for name in INPUTS if name not in index.trained_inputs]
    if options.distil and untrained:
        raise TrainingError(f"{options.init} cannot teach: it was never trained to use the {untrained[0]}")
    return checkpoint, index


def learned_inputs(began_as: RfdmIndex, frames: int) -> tuple[str, ...]:
    """Which inputs weights know after a training on clips of so many frames: a single one never has a memory."""
    met = INPUTS if frames > 1 else ("noisy", "source")
    return tuple(name for name in INPUTS if name in met or name in began_as.trained_inputs)


def _check_room(options: argparse.Namespace, checkpoint: Checkpoint, device: torch.device) -> None:
    """See that there is memory for it, before the run folder is taken for what could never run."""
    check_shared_memory(_workers(device, options), options.batch, options.frames, options.crop)
    check_memory(checkpoint, device, _half(device), lora_rank=options.lora, teacher=bool(options.distil))


def _claim(run: Path, options: argparse.Namespace, console: Console) -> None:
    """Take the run folder, and the place for the model, for this training."""
    claim_run(run, _run_of(options))
    freed = remove_abandoned(options.out.parent)
    if freed:
        console.print(
            f"removed {gigabytes(freed)} that an ended program had left unfinished in {options.out.parent}"
        )


def _trainer(
    options: argparse.Namespace, checkpoint: Checkpoint, index: RfdmIndex, device: torch.device, run: Path
) -> "BackboneTrainer":
    """The training as the run folder left it, or a new one; of a student where steps are distilled."""
    from engines.training.backbone import BackboneSettings, BackboneTrainer, FrozenParts
    from engines.training.backbone_forcing import DrawLevels, FirstLevel, Teach, truth

    half = _half(device)
    schedule, prediction = load_schedule(checkpoint.folder / "scheduler")
    codec = load_autoencoder(checkpoint.folder / "vae", half, checkpoint.components["vae"].variant)
    check_crop(options.crop, checkpoint, codec.downscale)
    frozen = FrozenParts(codec, _embedder(checkpoint, index, device, half), schedule, prediction)
    denoiser = load_denoiser(checkpoint, index, half if options.lora else torch.float32)
    draw: DrawLevels | None = None
    teach: Teach = truth
    if options.distil:
        frozen_copy = copy.deepcopy(denoiser).to(device, half).requires_grad_(False).eval()
        silence = frozen.embed("").to(device)
        draw = FirstLevel(schedule)
        teach = Teacher(
            frozen_copy, schedule, prediction, options.distil, index.guidance or UNGUIDED, silence
        )
    settings = BackboneSettings(
        steps=options.steps,
        learning_rate=options.learning_rate,
        warmup_steps=options.warmup,
        ema_decay=options.ema,
        loss=options.loss,
        lora_rank=options.lora,
        checkpoint_every=options.checkpoint_every,
        mixed_precision="bf16" if device.type == "cuda" else "no",
        seed=options.seed,
    )
    return BackboneTrainer(denoiser, frozen, settings, run, draw, teach)


def _fit(
    trainer: "BackboneTrainer",
    pairs: Sequence[Pair],
    options: argparse.Namespace,
    console: Console,
    write_sample: Callable[[PairedCrop, int], None],
) -> None:
    """Train to the end; the main process shows how far it is, and writes samples of a clip with every checkpoint."""
    accelerator = trainer.accelerator
    sampler = PairSampler(pairs, options.frames, options.crop)
    clip = sampler.batch(1, generator_at(options.seed, 0)).crops[0]
    draw = partial(draw_batch, sampler, options.batch, options.seed, accelerator.process_index)
    drawn = batches_from(draw, _workers(accelerator.device, options), trainer.step)
    skips = Skips(partial(console.print, markup=False, highlight=False))
    with progress_bar(console) as bar:
        shown = TrainingProgress(bar, "training") if accelerator.is_main_process else None
        # One step's depends on the noise levels it drew, a hundredfold.
        recent: deque[float] = deque(maxlen=_SHOWN_OVER)

        def after_step(step: int, loss: float) -> None:
            if shown is None:
                return
            recent.append(loss)
            vain = f", {skips.share:.0%} of draws skipped" if skips.pairs else ""
            shown.at(step, options.steps, f"loss {fmean(recent):.4f}{vain}")
            if step % options.checkpoint_every == 0 or step == options.steps:
                write_sample(clip, step)

        def crops() -> Iterator[Sequence[PairedCrop]]:
            for batch in drawn:
                # The pairs of all processes are drawn from the same set: one of them tells.
                if shown is not None:
                    skips.note(batch)
                yield batch.crops

        try:
            trainer.fit(crops(), after_step)
        finally:
            if skips.pairs:
                console.print(skips.summary(), highlight=False)


def draw_batch(sampler: PairSampler, size: int, seed: int, process: int, step: int) -> PairedBatch:
    """What a process sees at a step: of these numbers alone, wherever the run began and whoever draws it."""
    return sampler.batch(size, generator_at(seed, step * _MOST_PROCESSES + process))


def _workers(device: torch.device, options: argparse.Namespace) -> int:
    return options.workers if device.type == "cuda" else 0


def _half(device: torch.device) -> torch.dtype:
    """What weights that are not trained are kept in."""
    return torch.bfloat16 if device.type == "cuda" else torch.float32


def _run_of(options: argparse.Namespace) -> RunOf:
    # A folder is the same one from wherever it is named.
    folder = Path(options.init)
    init = str(folder.resolve()) if folder.is_dir() else options.init
    return RunOf(options.backbone, init, options.lora, options.distil)


def _embedder(
    checkpoint: Checkpoint, index: RfdmIndex, device: torch.device, dtype: torch.dtype
) -> Callable[[str], Tensor]:
    """The text encoders, which stay on the device: every step has new instructions."""
    embedder = load_embedder(checkpoint, index, torch.device("cpu"), dtype)
    embedder.stay(device)
    return embedder.embed


def _write(
    network: Callable[[], torch.nn.Module],
    checkpoint: Checkpoint,
    index: RfdmIndex,
    target: Path,
    dtype: torch.dtype,
) -> None:
    def save(folder: Path) -> None:
        # Its class's own `to` warns of layers to be kept in float32 even where there are none.
        made = torch.nn.Module.to(network(), "cpu", dtype)
        made.save_pretrained(folder, max_shard_size="2GB")  # type: ignore[operator]

    write_folder(checkpoint, checkpoint.components["vae"], index, target, save)


def parser() -> argparse.ArgumentParser:
    """The options of ``afterimage train --backbone``."""
    made = argparse.ArgumentParser(
        prog="afterimage train",
        description="Train a large backbone on paired clips. The same command goes on after any interruption.",
    )
    made.add_argument("--backbone", required=True, choices=[kind.name for kind in KINDS])
    made.add_argument(
        "--init", required=True, metavar="MODEL", help="what to begin with: a name, folder or id on the hub"
    )
    made.add_argument(
        "--pairs",
        required=True,
        type=Path,
        metavar="DIR",
        help="paired clips; docs/backbones.md has the layouts",
    )
    made.add_argument(
        "--run", type=Path, metavar="DIR", help="checkpoints, samples and TensorBoard events (runs/OUT)"
    )
    made.add_argument("--out", required=True, type=Path, metavar="DIR", help="the RFDM folder to write")
    made.add_argument("--steps", type=_positive, default=50_000, help="optimiser steps (%(default)s)")
    made.add_argument("--batch", type=_positive, default=4, help="clips of a step and GPU (%(default)s)")
    made.add_argument("--frames", type=_positive, default=3, help="ordered frames of a clip (%(default)s)")
    made.add_argument("--crop", type=_positive, default=512, help="side of the crops in pixels (%(default)s)")
    made.add_argument("--learning-rate", type=float, default=1e-4, help="(%(default)s)")
    made.add_argument("--warmup", type=int, default=500, help="steps (%(default)s)")
    made.add_argument(
        "--ema", type=_decay, default=0.9999, help="decay of the averaged weights (%(default)s)"
    )
    made.add_argument(
        "--loss", choices=("clean", "velocity"), default="clean", help="(%(default)s, the paper's)"
    )
    made.add_argument(
        "--lora", type=_whole, default=0, metavar="RANK", help="train adapters only, for one card"
    )
    made.add_argument(
        "--distil",
        type=_whole,
        default=0,
        metavar="STEPS",
        help="teach one unguided step what MODEL does in STEPS",
    )
    made.add_argument(
        "--workers", type=_whole, default=8, help="processes that read clips for a GPU (%(default)s)"
    )
    made.add_argument(
        "--checkpoint-every",
        type=_positive,
        default=500,
        metavar="STEPS",
        help="optimiser steps between two checkpoints, each with a sheet of samples (%(default)s)",
    )
    made.add_argument("--seed", type=_whole, default=0)
    return made


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


def _decay(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to below 1")
    return value


def main(arguments: list[str]) -> int:
    """Run it; 0 on success, 2 where the input is wrong, 130 where it was interrupted."""
    options = parser().parse_args(arguments)
    try:
        with ended_as_interrupted():
            train_backbone(options, Console(stderr=True, soft_wrap=True))
    except torch.OutOfMemoryError:
        print(
            "afterimage train: the GPU's memory is full; a smaller --batch or --crop takes less, --lora least",
            file=sys.stderr,
        )
        return 2
    except (TrainingError, ModelError, OSError, ValueError) as error:
        print(f"afterimage train: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "afterimage train: interrupted; the same command resumes at the last checkpoint", file=sys.stderr
        )
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
