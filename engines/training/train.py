"""``afterimage train``: from a folder of photos and clips to a model folder, with one line.

The run folder holds what makes it resume: start the same command again after a kill and it goes on. The instruction
encoder is trained first, in minutes; then the denoiser, for as long as it is given.
"""

import argparse
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from engines import flow
from engines.backbones.tiny import (
    NormalisedConv2d,
    TinyConfig,
    TinyDenoiser,
    plain_weights,
    save_denoiser,
)
from engines.compilers.calibrate import calibrate
from engines.families import FAMILIES, LABELS
from engines.model import SHIPPED_MODELS, write_index
from engines.training import defocus, eraser, field, figure, hue
from engines.training.crops import CropSampler, Footage
from engines.training.loop import Trainer, TrainingError, TrainSettings, parts_of
from engines.training.media import load_media, training_files
from engines.training.parts import PartPlan, PartProgress
from engines.training.sheets import family_sheet
from engines.training.tasks import Task
from engines.training.text import train_text
from engines.training.warm_start import warm_start
from engines.training.weather import Balloons

MODEL_VERSION = "3"
KEY_FRAME_INTERVAL = 3
HALVINGS = 2
SCRATCH = TrainSettings()
WARM = TrainSettings(filter_rate=0.02, learning_rate=4e-4, warmup_steps=100, fall_share=0.75)
"""At the rates of a fresh start a trained network forgets within minutes what it knew."""
_SHEET_EVERY_STEPS = 1000
_ROUND = 5


class _CropDataset(torch.utils.data.IterableDataset[Footage]):
    """The sampler's batches, from worker processes where a GPU would wait for one."""

    def __init__(self, sampler: CropSampler, seed: int) -> None:
        self._sampler, self._seed = sampler, seed

    def __iter__(self) -> Iterator[Footage]:
        worker = torch.utils.data.get_worker_info()
        return self._sampler.batches(self._seed * 1000 + (worker.id if worker else 0))


def train(options: argparse.Namespace, console: Console) -> None:
    """Train or resume, then write the model folder.

    Raises:
        TrainingError: Training cannot start or go on.
        FileNotFoundError: There is nothing to train on.
    """
    device = torch.device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    settings = replace(SCRATCH if options.start is None else WARM, minutes=options.minutes, seed=options.seed)
    trainer = Trainer(TinyConfig(), settings, device, options.run, options.start)
    if trainer.step:
        console.print(f"resuming at step {trainer.step}, {trainer.elapsed_s / 60:.1f} min done")
    if trainer.step == 0 or trainer.elapsed_s < settings.minutes * 60:
        _fit(trainer, options, console)
    encoder = options.out / "instruction_encoder"
    if not (encoder / "config.json").exists():
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


def _fit(trainer: Trainer, options: argparse.Namespace, console: Console) -> None:
    media = load_media(options.media, training_files(options.media), max_frames=200)
    for line in media.skipped:
        console.print(f"skipped {line}")
    clips = sum(not scene.is_photo for scene in media.scenes)
    console.print(f"{clips} clips, {len(media.scenes) - clips} photos, on {trainer.device}")
    sampler = CropSampler(media.scenes, options.batch, options.frames, options.crop, options.crop * 3 // 2)
    if trainer.step == 0:
        _fit_parts(trainer, sampler, options, console)
    # A resumed run must not see the first part's crops again.
    dataset = _CropDataset(sampler, options.seed + trainer.step)
    workers = 0 if trainer.device.type == "cpu" else options.workers
    batches: Iterator[Footage] = iter(
        torch.utils.data.DataLoader(dataset, batch_size=None, num_workers=workers)
    )
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        shown = bar.add_task("training", total=trainer.settings.minutes * 60)
        trainer.fit(batches, lambda trainer, loss: _after_step(trainer, loss, bar, shown, batches))


def _fit_parts(trainer: Trainer, sampler: CropSampler, options: argparse.Namespace, console: Console) -> None:
    """Train what has features of its own, from people to removal, and put each in its place.

    From the weights of a model each part goes on where that has it, gently.
    """
    torch.manual_seed(options.seed)
    whole = TinyDenoiser(trainer.denoiser.config, NormalisedConv2d)
    untaught = warm_start(whole, options.start) if options.start is not None else tuple(whole.state_dict())
    whole.to(trainer.device)
    larger, run, seed = replace(sampler, batch=2 * sampler.batch), options.run, options.seed
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:

        def shown(name: str, plan: PartPlan) -> Callable[[PartProgress], None]:
            task = bar.add_task(name, total=plan.minutes * 60)
            return lambda now: bar.update(
                task, completed=now.elapsed_s, description=f"{name}  step {now.step}  loss {now.loss:.4f}"
            )

        def planned(plan: PartPlan, minutes: float) -> PartPlan:
            known = not any(name.startswith(f"{plan.name}.") for name in untaught)
            return replace(plan.gentle() if known else plan, minutes=minutes)

        people = any(scene.mattes is not None for scene in sampler.scenes)
        if people:
            plan = planned(figure.PLAN, options.people_minutes)
            batches = larger.people_batches(seed)
            figure.train_figure(whole.figure, batches, plan, run, shown("people", plan))
        if people and whole.defocus is not None:
            plan = planned(defocus.PLAN, options.focus_minutes)
            batches = larger.people_batches(seed)
            defocus.train_defocus(whole.defocus, batches, plan, run, seed, shown("focus", plan))
        if whole.hue is not None:
            plan = planned(hue.PLAN, options.hues_minutes)
            hue.train_hue(whole.hue, larger.plain_batches(seed), plan, run, seed, shown("hues", plan))
        plan = planned(field.PLAN, options.weather_minutes)
        field.train_field(whole.field, plan, run, seed, shown("weather", plan))
        plan = planned(eraser.PLAN, options.removal_minutes)
        batches = larger.plain_batches(seed)
        eraser.train_eraser(whole.eraser, batches, plan, run, seed, shown("removal", plan))
    for part in parts_of(whole):
        trainer.take_part(part, whole.get_submodule(part).state_dict())
    trainer.save()


def _fit_text(encoder: Path, seed: int, console: Console) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        shown = bar.add_task("instructions")

        def after_step(step: int, steps: int, loss: float) -> None:
            bar.update(shown, completed=step, total=steps, description=f"instructions  loss {loss:.4f}")

        train_text(encoder, seed=seed, progress=after_step)


def _after_step(
    trainer: Trainer, loss: float, bar: Progress, shown: TaskID, batches: Iterator[Footage]
) -> None:
    scores = trainer.family_psnr
    mean = sum(scores.values()) / len(scores)
    description = f"step {trainer.step}  loss {loss:.4f}  mean {mean:.1f} dB"
    bar.update(shown, completed=trainer.elapsed_s, description=description)
    if trainer.step % _SHEET_EVERY_STEPS == 0:
        # One with people, if there are any: their edits have nothing to show without.
        write_sheet(trainer, max(islice(batches, _ROUND), key=lambda footage: bool(footage.has_matte.all())))


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


def main(arguments: list[str]) -> int:
    """Run ``afterimage train``; 0 on success, 2 where the input is wrong, 130 where it was interrupted."""
    backbone = argparse.ArgumentParser(add_help=False)
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
        prog="afterimage train", description=__doc__.splitlines()[0], parents=[backbone]
    )
    parser.add_argument(
        "--media",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of photos and clips; eval folders are left",
    )
    parser.add_argument(
        "--run", type=Path, default=Path("runs/rfdm-tiny"), help="checkpoints, logs and sheets"
    )
    parser.add_argument(
        "--out", type=Path, default=SHIPPED_MODELS / "rfdm-tiny", help="model folder to write"
    )
    parser.add_argument(
        "--from",
        dest="start",
        type=Path,
        metavar="FOLDER",
        help="start from the weights of a model folder; families it lacks start fresh",
    )
    parser.add_argument("--minutes", type=float, default=100, help="training time, resumed parts counted in")
    plans = {
        **{"people": figure.PLAN, "focus": defocus.PLAN, "hues": hue.PLAN},
        **{"weather": field.PLAN, "removal": eraser.PLAN},
    }
    for part, plan in plans.items():
        text = f"before that, for the part that does {part} (default: {plan.minutes:g})"
        parser.add_argument(
            f"--{part}-minutes", type=float, default=plan.minutes, metavar="MINUTES", help=text
        )
    parser.add_argument("--device", help="cpu or cuda (default: the GPU where there is one)")
    parser.add_argument("--batch", type=int, default=8, help="clips in a step")
    parser.add_argument("--frames", type=int, default=3, help="ordered frames of a clip")
    parser.add_argument(
        "--crop", type=int, default=128, help="side of the crops, a multiple of 16; of people more"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=8, help="processes that prepare crops for a GPU")
    options = parser.parse_args(arguments)
    console = Console(stderr=True)
    try:
        train(options, console)
    except (TrainingError, OSError, ValueError) as error:
        print(f"afterimage train: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("afterimage train: interrupted; the same command resumes", file=sys.stderr)
        return 130
    return 0
