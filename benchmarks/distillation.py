"""``python -m benchmarks.distillation``: fidelity and steadiness against evaluations, taught from 24 down to 1.

A small teacher is trained with its conditions dropped at times (text, source, both, memory), so that it can be
guided: 8 steps of three evaluations. It teaches a student of 4 steps, that one a student of 2, that one a student
of 1. Beside them stands the teacher itself with fewer steps and no guidance, which is what distillation has to beat.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich import box
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.ablation import FRAMES, QUICK_FRAMES, Scores, evaluation_clips, mean_scores, score
from benchmarks.small_scale import (
    BATCH,
    DETERMINISTIC,
    FAMILIES,
    LOST_MEMORY,
    MANIFOLD,
    MAX_LAG,
    Clips,
    Photos,
    Recipe,
    autocast,
    batch_of_clips,
    decode,
    evaluations_in,
    fit,
    load_photos,
    train,
    trainable,
)
from engines.backbones.tiny import TinyDenoiser
from engines.flow import flow_levels
from engines.program import Direct, ThreeBranch
from engines.training.distillation import Halving, distillation_losses
from engines.training.forcing import RFDM, ConditionDropout, Predictor
from engines.training.rollout import KeyFrames, Sampler, edit_clips

TEACHER_STEPS = 8
STUDENT_STEPS = (4, 2, 1)
SCALES = ((1.5, 1.5), (3.5, 1.5))
"""Source and instruction: a gentle pair, and the paper's own."""
DROPPED = ConditionDropout(instruction=0.05, source=0.05, both=0.05, memory=0.1)
_FRAMES = 4


@dataclass(frozen=True)
class Point:
    """One way to edit a frame.

    Attributes:
        name: What edits it.
        evaluations: Of the network, for a frame.
        one_answer: Over families of one right answer.
        many_answers: Over families of many.
    """

    name: str
    evaluations: int
    one_answer: Scores
    many_answers: Scores


def measure(name: str, predict: Predictor, evaluations: int, sampler: Sampler, clips: Clips) -> Point:
    """Edit the clips one way and score them."""
    edits = edit_clips(predict, clips.sources, clips.code, RFDM, KeyFrames(3), sampler, seed=0)
    outputs, targets, own = decode(edits), decode(clips.targets), clips.code.argmax(1)
    families = [score(outputs[own == index], targets[own == index]) for index in range(len(FAMILIES))]
    kinds = [
        mean_scores([families[FAMILIES.index(name)] for name in kind]) for kind in (DETERMINISTIC, MANIFOLD)
    ]
    return Point(name, evaluations, *kinds)


def teach(
    teacher: Predictor, start: TinyDenoiser, photos: Photos, halving: Halving, evaluations: int, seed: int
) -> TinyDenoiser:
    """A student that begins as the network given and learns to take fewer steps.

    Args:
        teacher: Guided or not.
        start: The plain network the student begins as.
        photos: What to film.
        halving: Steps of the two.
        evaluations: Frames the student is shown.
        seed: Of everything random.
    """
    student = trainable(start)
    generator = torch.Generator().manual_seed(seed)

    def losses() -> Iterator[Tensor]:
        clips = batch_of_clips(photos.train, _FRAMES, MAX_LAG, generator)
        return distillation_losses(
            autocast(student),
            teacher,
            clips.sources,
            clips.targets,
            clips.code,
            halving,
            LOST_MEMORY,
            generator,
        )

    return fit(student, losses, max(1, evaluations // (BATCH * _FRAMES)), rate=0.3)


def run(photos: Photos, evaluations: int, clips: Clips, seed: int, console: Console) -> list[Point]:
    """Train the teacher and its students, measure everything; the chosen guidance is named in the first points.

    Args:
        photos: To train on.
        evaluations: Frames the teacher is shown; each student is shown half as many.
        clips: To measure on.
        seed: Of everything random.
        console: Told of every point.
    """
    points: list[Point] = []

    def note(point: Point) -> Point:
        points.append(point)
        console.print(f"{point.name}: {point.evaluations} evaluations, {point.one_answer.psnr_db:.2f} dB")
        return point

    network = train(photos, Recipe(dropout=DROPPED), evaluations, seed)
    levels = flow_levels(TEACHER_STEPS)
    guided = []
    for scales in SCALES:
        teacher = ThreeBranch(network, *scales)
        name = f"teacher, guided {scales[0]:g} / {scales[1]:g}"
        guided.append((note(measure(name, teacher, 3 * TEACHER_STEPS, Sampler(levels), clips)), teacher))
    for steps in (TEACHER_STEPS, *STUDENT_STEPS):
        sampler = Sampler(flow_levels(steps))
        note(measure("teacher, not guided", Direct(network), steps, sampler, clips))

    last: Predictor = max(guided, key=lambda pair: pair[0].one_answer.psnr_db)[1]
    last_steps, student = TEACHER_STEPS, network
    for steps in STUDENT_STEPS:
        student = teach(last, student, photos, Halving(last_steps, steps), evaluations // 2, seed + steps)
        note(measure("student", Direct(student), steps, Sampler(flow_levels(steps)), clips))
        if steps > 1:
            fresh = Sampler(flow_levels(steps), between="renoise")
            note(measure("student, re-noised around the memory", Direct(student), steps, fresh, clips))
            wrong = Sampler(flow_levels(steps), between="renoise_zero_mean")
            note(measure("student, re-noised around zero", Direct(student), steps, wrong, clips))
        last, last_steps = Direct(deepcopy(student)), steps
    return points


def table(points: list[Point]) -> Table:
    """All points for a person to read."""
    shown = Table(box=box.MARKDOWN)
    shown.add_column("")
    kinds = ("TempCon", "- target", "TempCon, many answers", "- target", "ErrAccu, many answers", "- target")
    columns = ("evaluations", "PSNR dB", *kinds)
    for column in columns:
        shown.add_column(column, justify="right")
    for point in points:
        one, many = point.one_answer, point.many_answers
        shown.add_row(
            point.name,
            str(point.evaluations),
            f"{one.psnr_db:.2f}",
            *(f"{value:.4f}" for value in (one.tempcon, one.tempcon_excess)),
            *(f"{value:.4f}" for value in (many.tempcon, many.tempcon_excess)),
            *(f"{value:.4f}" for value in (many.erraccu, many.erraccu_excess)),
        )
    return shown


def plot(points: list[Point], path: Path) -> None:
    """Draw fidelity and steadiness against evaluations."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.4))
    for name in dict.fromkeys(point.name for point in points):
        own = [point for point in points if point.name == name]
        spent = [point.evaluations for point in own]
        axes[0].plot(spent, [point.one_answer.psnr_db for point in own], "o-", label=name, markersize=4)
        axes[1].plot(
            spent, [point.many_answers.tempcon_excess for point in own], "o-", label=name, markersize=4
        )
    axes[0].set_title("PSNR dB, families of one answer", fontsize=9)
    axes[1].set_title("TempCon less the target's, families of many", fontsize=9)
    counts = sorted({point.evaluations for point in points})
    for axis in axes:
        axis.set_xscale("log", base=2)
        axis.set_xticks(counts, [str(count) for count in counts])
        axis.set_xlabel("evaluations for a frame", fontsize=8)
        axis.tick_params(labelsize=7)
    axes[0].legend(fontsize=6)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)
    pyplot.close(figure)


def main(arguments: list[str]) -> int:
    """Run the benchmark and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.distillation", description=__doc__)
    parser.add_argument(
        "--media", type=Path, metavar="DIR", help="folder of photographs (default: scikit-image's samples)"
    )
    parser.add_argument("--minutes", type=float, default=3, help="for the teacher, of one core (default: 3)")
    parser.add_argument("--evaluations", type=int, help="frames the teacher is shown, instead of minutes")
    parser.add_argument("--clips", type=int, default=6, help="evaluation clips of each family (default: 6)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a tenth of a minute, one short clip")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves")
    parser.add_argument("--json", action="store_true", help="JSON alone on standard output")
    options = parser.parse_args(arguments)
    if options.clips < 1 or options.minutes <= 0:
        parser.error("clips and minutes must be positive")
    if options.quick:
        options.clips, options.minutes = 1, 0.1
    torch.set_num_threads(1)
    try:
        photos = load_photos(options.media)
    except (OSError, ValueError) as error:
        print(f"benchmarks.distillation: {error}", file=sys.stderr)
        return 2
    evaluations = options.evaluations or evaluations_in(options.minutes, photos)
    clips = evaluation_clips(photos.evaluation, options.clips, QUICK_FRAMES if options.quick else FRAMES)
    points = run(photos, evaluations, clips, options.seed, Console(stderr=True))
    if options.plot is not None:
        plot(points, options.plot)
    conditions = {
        "frames shown to the teacher": evaluations,
        "photographs": len(photos.train),
        "seed": options.seed,
    }
    if options.json:
        print(json.dumps({"conditions": conditions, "points": [asdict(point) for point in points]}, indent=2))
    else:
        console = Console(width=170)
        console.print(conditions)
        console.print(table(points))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
