"""``afterimage train``: from a folder of photos and clips to a model folder, with one line.

First the parts of the denoiser that have data of their own, from people to removal, each alone; then the rest of the
denoiser, for which those stand still; last the instruction encoder, in minutes. The run folder holds what makes it
resume: start the same command again after a kill and it goes on. Everything is counted in optimiser steps, so that a
busy or a faster machine makes the same model.
"""

import argparse
import math
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile

import torch
from rich.console import Console

from engines import flow
from engines.backbones.tiny import NormalisedConv2d, TinyConfig, TinyDenoiser
from engines.backbones.tiny_folder import plain_weights, save_denoiser
from engines.compilers.calibrate import calibrate
from engines.families import FAMILIES, LABELS
from engines.model import write_index
from engines.training import defocus, eraser, field, figure, hue
from engines.training.batches import batches_from, generator_at
from engines.training.crops import CropSampler, Footage
from engines.training.loop import Trainer, TrainingError, TrainSettings, parts_of
from engines.training.media import Media, load_media, training_files
from engines.training.parts import PartProgress, train_part
from engines.training.progress import TrainingProgress, progress_bar
from engines.training.sheets import family_sheet
from engines.training.tasks import Task
from engines.training.text import require_packages, train_text
from engines.training.threads import threads
from engines.training.validation import Overlap, Split, split
from engines.training.warm_start import warm_start
from engines.training.weather import Balloons

MODEL_NAME, MODEL_VERSION = "rfdm-tiny", "8"
KEY_FRAME_INTERVAL = 3
HALVINGS = 2
PART_PLANS = (figure.PLAN, defocus.PLAN, hue.PLAN, field.PLAN, eraser.PLAN)
SCRATCH = TrainSettings()
WARM = TrainSettings(
    filter_rate=0.02, learning_rate=4e-4, warmup_steps=100, fall_share=0.75, stills_share=0.0
)
"""At the rates of a fresh start a trained network soon forgets what it knew."""
_SHEET_EVERY_STEPS = 1000


def train(options: argparse.Namespace, console: Console) -> None:
    """Train or resume, then write the model folder.

    Raises:
        TrainingError: Training cannot start or go on.
        FileNotFoundError: There is nothing to train on.
        ModuleNotFoundError: A package of the extra `train` is not installed.
    """
    encoder = options.out / "instruction_encoder"
    reads = (encoder / "config.json").exists()
    if not reads:
        # It is trained last, hours from now.
        require_packages()
    media = load_media(options.media, training_files(options.media), max_frames=200)
    device = torch.device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    settings = replace(SCRATCH if options.start is None else WARM, steps=options.steps, seed=options.seed)
    trainer = Trainer(TinyConfig(), settings, device, options.run, options.start)
    _make_writable(options.out)
    if trainer.step and trainer.step >= settings.steps:
        console.print(f"{options.run} has made all its {trainer.step} steps; its model is written from them")
    else:
        if trainer.step:
            console.print(f"resuming at step {trainer.step}, {trainer.elapsed_s / 60:.1f} min done")
        _fit(trainer, media, options, console)
    if not reads:
        _fit_text(encoder, options.seed, console)
    weights = plain_weights(trainer.denoiser, trainer.averaged)
    save_denoiser(trainer.denoiser, weights, options.out / "denoiser")
    write_index(
        options.out,
        name=options.out.name,
        version=MODEL_VERSION,
        key_frame_interval=KEY_FRAME_INTERVAL,
        halvings=HALVINGS,
    )
    console.print("measuring the ranges of eight-bit convolutions")
    calibrate(options.out, load_media(options.media, training_files(options.media), max_frames=8).scenes)
    console.print(f"wrote {options.out}")


def _make_writable(out: Path) -> None:
    """See before hours are spent that the model can be written in the end."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise TrainingError(f"{out} cannot be written to: {error.strerror}") from error


def _fit(trainer: Trainer, media: Media, options: argparse.Namespace, console: Console) -> None:
    settings = trainer.settings
    for line in media.skipped:
        console.print(f"skipped {line}")
    clips = sum(not scene.is_photo for scene in media.scenes)
    console.print(f"{clips} clips, {len(media.scenes) - clips} photos, on {trainer.device}")
    scenes = split(media.scenes) if options.hold_out else Split(media.scenes, [])
    if scenes.validation:
        console.print(
            f"{len(scenes.validation)} with people are held out from training, which decides by them"
        )
    elif options.hold_out:
        console.print("too few with people to hold some out: all are trained on, and all steps are made")
    sampler = CropSampler(scenes.training, options.batch, options.frames, options.crop, options.crop * 3 // 2)
    if trainer.step == 0:
        overlap = Overlap(scenes.validation, trainer.device) if scenes.validation else None
        # A part is small and its crops are costly: threads would wait for the one whose core draws them.
        spared = _workers(trainer.device, options) if trainer.device.type == "cpu" else 0
        with threads(torch.get_num_threads() - spared):
            _fit_parts(trainer, sampler, overlap, options, console)
    stills = round(settings.stills_share * settings.steps)
    draw = partial(_drawn, sampler, stills, options.seed)
    batches = batches_from(draw, _workers(trainer.device, options), trainer.step)
    with progress_bar(console) as bar:
        shown = TrainingProgress(bar, "all edits")
        trainer.fit(batches, lambda trainer, loss: _after_step(trainer, loss, shown, sampler))


def _drawn(sampler: CropSampler, stills: int, seed: int, step: int) -> Footage:
    draw = sampler.stills if step < stills else sampler.mixed
    return draw(step, generator_at(seed, step))


def _workers(device: torch.device, options: argparse.Namespace) -> int:
    """Processes that draw ahead: beside a CPU one is enough, on a core of its own."""
    return options.workers or (1 if device.type == "cpu" else 8)


def _fit_parts(
    trainer: Trainer,
    sampler: CropSampler,
    overlap: Overlap | None,
    options: argparse.Namespace,
    console: Console,
) -> None:
    """Train what has features of its own, from people to removal, and put each in its place.

    From the weights of a model each part goes on where that has it, gently. How well people are told from the
    background is held against what was held out.
    """
    torch.manual_seed(options.seed)
    whole = TinyDenoiser(trainer.denoiser.config, NormalisedConv2d)
    figure.start(whole.figure)
    untaught = warm_start(whole, options.start) if options.start is not None else tuple(whole.state_dict())
    whole.to(trainer.device)
    larger = replace(sampler, batch=2 * sampler.batch)
    with progress_bar(console) as bar:
        for plan in PART_PLANS:
            if plan.name not in parts_of(whole) or (plan.needs_people and not sampler.has_people):
                continue
            known = not any(name.startswith(f"{plan.name}.") for name in untaught)
            planned = replace(plan.gentle() if known else plan, steps=getattr(options, f"{plan.job}_steps"))
            draw = partial(planned.batch, larger, options.seed)
            batches = partial(batches_from, draw, _workers(trainer.device, options))
            shown = partial(_after_part_step, TrainingProgress(bar, plan.job), planned.steps)
            score = overlap if plan.name == figure.PLAN.name else None
            result = train_part(whole.get_submodule(plan.name), planned, options.run, batches, shown, score)
            if result.score is not None:
                console.print(
                    f"{plan.job}: the mattes overlap those held out by {result.score:.3f}, with"
                    f" {result.new_share:.0%} of the weights of step {result.step}"
                )
    for name in parts_of(whole):
        trainer.take_part(name, whole.get_submodule(name).state_dict())
    trainer.save()


def _after_part_step(shown: TrainingProgress, steps: int, now: PartProgress) -> None:
    scored = "" if now.score is None else f", best overlap {now.score:.3f}"
    shown.at(now.step, steps, f"loss {now.loss:.4f}{scored}")


def _fit_text(encoder: Path, seed: int, console: Console) -> None:
    with progress_bar(console) as bar:
        shown = TrainingProgress(bar, "instructions")
        train_text(
            encoder,
            seed=seed,
            progress=lambda step, steps, loss: shown.at(step, steps, f"loss {loss:.4f}"),
        )


def _after_step(trainer: Trainer, loss: float, shown: TrainingProgress, sampler: CropSampler) -> None:
    scores = trainer.family_psnr
    mean = sum(scores.values()) / len(scores)
    shown.at(trainer.step, trainer.settings.steps, f"loss {loss:.4f}, mean {mean:.1f} dB")
    if trainer.step % _SHEET_EVERY_STEPS == 0:
        # With people, if there are any: their edits have nothing to show without.
        generator = generator_at(trainer.settings.seed, trainer.step)
        write_sheet(
            trainer, sampler.people(0, generator) if sampler.has_people else sampler.anything(generator)
        )


@torch.no_grad()
def write_sheet(trainer: Trainer, footage: Footage) -> Path:
    """Write what the averaged weights make of a batch of pictures, one family each; returns where."""
    count, generator = len(FAMILIES), torch.Generator().manual_seed(0)
    repeats = math.ceil(count / footage.pictures.shape[1])
    pictures = footage.pictures[0].repeat(repeats, 1, 1, 1)[:count]
    mattes = footage.mattes[0].clamp(min=0).repeat(repeats, 1, 1, 1)[:count]
    task = Task.single(FAMILIES)
    to_remove = Balloons.random(pictures.shape[-2], pictures.shape[-1], generator)
    balloons = tuple(
        to_remove if family == "remove_balloons" else none
        for family, none in zip(FAMILIES, task.balloons, strict=True)
    )
    task = replace(task, balloons=balloons)
    averaged = TinyDenoiser(trainer.denoiser.config).to(trainer.device).eval()
    averaged.load_state_dict(plain_weights(trainer.denoiser, trainer.averaged))
    codec = trainer.codec
    sources = task.sources(pictures, 0)
    x = codec.encode(sources.to(trainer.device) * 2 - 1)
    nothing = torch.zeros_like(x)
    noise = torch.randn(x.shape, generator=generator)
    targets = task.targets(pictures, sources, mattes, codec.decode(noise))
    sigma = torch.ones(count, device=trainer.device)
    code = task.code(torch.zeros(count)).to(trainer.device)
    y = averaged(flow.start(nothing, noise.to(trainer.device)), x, nothing, sigma, code)
    outputs = (codec.decode(y) + 1) / 2
    path = trainer.run / "sheets" / f"step_{trainer.step:06d}.png"
    family_sheet(
        [LABELS[family] for family in FAMILIES], list(torch.stack([sources, targets, outputs.cpu()], 1)), path
    )
    return path


def _count(text: str) -> int:
    """A number of steps on the command line."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is no number of steps")
    return int(text)


def main(arguments: list[str]) -> int:
    """Run ``afterimage train``; 0 on success, 2 where the input is wrong, 130 where it was interrupted."""
    backbone = argparse.ArgumentParser("afterimage train", add_help=False)
    backbone.add_argument(
        "--backbone",
        choices=("tiny", "sd15", "sd35"),
        default="tiny",
        help="the embedded model, or a large one; --backbone sd15 --help lists its options (%(default)s)",
    )
    if backbone.parse_known_args(arguments)[0].backbone != "tiny":
        # Imported here: its options and libraries are others.
        from engines.training.backbone_train import main as train_backbone

        return train_backbone(arguments)
    parser = argparse.ArgumentParser(
        "afterimage train", description="Train a model on a folder of photos and clips.", parents=[backbone]
    )
    parser.add_argument(
        "--media",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of photos and clips; eval folders are left",
    )
    parser.add_argument(
        "--run",
        type=Path,
        default=Path("runs") / MODEL_NAME,
        help="folder of checkpoints, logs and sheets (default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="MODEL",
        help="model folder to write, which names the model; an instruction encoder that it has already is kept"
        f" (default: {MODEL_NAME} in the run folder)",
    )
    parser.add_argument(
        "--from",
        dest="start",
        type=Path,
        metavar="FOLDER",
        help="start from the weights of a model folder; families it lacks start fresh",
    )
    parser.add_argument(
        "--hold-out",
        action=argparse.BooleanOptionalAction,
        help="keep some people from the part for people, to decide by them when it was at its best and how far to go"
        " (default: with --from)",
    )
    parser.add_argument(
        "--steps",
        type=_count,
        default=SCRATCH.steps,
        help="optimiser steps of the whole (default: %(default)s)",
    )
    for plan in PART_PLANS:
        parser.add_argument(
            f"--{plan.job}-steps",
            type=_count,
            default=plan.steps,
            metavar="STEPS",
            help=f"before that, of the part for {plan.job} (default: %(default)s)",
        )
    parser.add_argument("--device", help="cpu or cuda (default: the GPU where there is one)")
    parser.add_argument("--batch", type=int, default=8, help="clips in a step (default: %(default)s)")
    parser.add_argument(
        "--frames", type=int, default=3, help="ordered frames of a clip (default: %(default)s)"
    )
    parser.add_argument(
        "--crop",
        type=int,
        default=128,
        help="side of the crops, a multiple of 16; of people half as much again (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: %(default)s)")
    parser.add_argument(
        "--workers",
        type=int,
        default=0,
        metavar="N",
        help="processes that prepare crops (default: 1, for a GPU 8)",
    )
    options = parser.parse_args(arguments)
    options.out = options.out or options.run / MODEL_NAME
    if options.hold_out is None:
        options.hold_out = options.start is not None
    console = Console(stderr=True, soft_wrap=True)
    try:
        train(options, console)
    except (TrainingError, OSError, ValueError) as error:
        print(f"afterimage train: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("afterimage train: interrupted; the same command resumes", file=sys.stderr)
        return 130
    return 0
