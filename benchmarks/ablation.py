"""``python -m benchmarks.ablation``: the RFDM paper's ablation in shape, with networks that train in minutes.

Each trains on one core. Every variant is shown equally many frames (``--minutes-per-variant`` is turned into a number
of them once, so that a busy machine is fair to all), then edits unseen clips of 16 frames, as in the paper, with new
noise in every frame. Variants that differ in use alone (the key-frame interval, the lag, the noise) share the trained
network.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from rich import box
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.small_scale import (
    FAMILIES,
    MANIFOLD,
    Clips,
    Photos,
    Recipe,
    decode,
    evaluations_in,
    film,
    load_photos,
    train,
)
from engines.backbones.tiny import TinyDenoiser
from engines.flow import flow_levels
from engines.metrics import (
    Distance,
    error_accumulation,
    psnr_db,
    structural_distance,
    temporal_consistency,
    video_distance,
)
from engines.training.forcing import Method
from engines.training.rollout import Delay, Forgetful, KeyFrames, MemoryRule, Sampler, edit_clips

FRAMES, QUICK_FRAMES = 16, 4
STEPS = 4
_USUAL, _USUAL_RULE = Sampler(flow_levels(STEPS)), KeyFrames(3)
_LAGS = range(1, 7)
_INTERVALS = (0, 1, 3, 6)

Conditions = dict[str, int | str]
"""What rows depend on beside their own settings, by the names it is printed under."""


@dataclass(frozen=True, eq=False)
class Use:
    """One way to use a trained network: a row of the table.

    Attributes:
        group: What is varied.
        name: To what.
        rule: Which output a frame remembers.
        sampler: How a frame is drawn.
    """

    group: str
    name: str
    rule: MemoryRule = _USUAL_RULE
    sampler: Sampler = _USUAL


@dataclass(frozen=True, eq=False)
class Variant:
    """One training, and every row it is used for."""

    recipe: Recipe
    uses: tuple[Use, ...]


@dataclass(frozen=True)
class Scores:
    """Means over clips; the target's own values make the temporal ones readable.

    Attributes:
        tempcon: Mean structural distance of a frame to the one before.
        erraccu: Mean structural distance of the later frames to the first.
        tempcon_excess: The first less that of the target.
        erraccu_excess: The second less that of the target.
        psnr_db: Fidelity to the target.
        target_distance: Mean structural distance to the target.
    """

    tempcon: float
    erraccu: float
    tempcon_excess: float
    erraccu_excess: float
    psnr_db: float
    target_distance: float


@dataclass(frozen=True)
class Row:
    """One variant with one seed; scores over the families of one answer, of many, and of each alone."""

    group: str
    name: str
    seed: int
    one_answer: Scores
    many_answers: Scores
    families: dict[str, Scores]


def variants() -> tuple[Variant, ...]:
    """The paper's table: one training for each thing that is varied, the reference first."""
    reference = Recipe()
    shared = (
        Use("autoregressive frames", "3"),
        Use("condition", "source and memory"),
        Use("flow", "residual"),
        Use("forcing", "self-prediction"),
        *(Use("key-frame interval", str(interval), KeyFrames(interval)) for interval in _INTERVALS),
        *(Use("lag of the memory", str(lag), Delay(lag)) for lag in _LAGS),
        Use("noise", "new in every frame"),
        Use("noise", "kept", sampler=replace(_USUAL, noise="kept")),
        Use("noise", "kept, no memory", Forgetful(), replace(_USUAL, noise="kept")),
        Use("steps", "1", sampler=Sampler(flow_levels(1))),
        Use("steps", str(STEPS)),
        Use("re-noising between steps", "none (DDIM)"),
        Use("re-noising between steps", "around the memory", sampler=replace(_USUAL, between="renoise")),
        Use("re-noising between steps", "around zero", sampler=replace(_USUAL, between="renoise_zero_mean")),
    )

    def control(group: str, name: str, rule: MemoryRule = _USUAL_RULE, **changes: object) -> Variant:
        return Variant(replace(reference, **changes), (Use(group, name, rule),))  # type: ignore[arg-type]

    return (
        Variant(reference, shared),
        control("autoregressive frames", "0", Forgetful(), frames=1),
        control("autoregressive frames", "1", frames=2),
        control("condition", "source only", method=Method(condition="source")),
        control("flow", "full frame", method=Method(flow="full_frame")),
        Variant(
            replace(reference, method=Method(forcing="teacher")),
            (
                Use("forcing", "teacher"),
                # More hand-overs of its own output in a clip, each a chance to go wrong as no teacher ever did.
                Use("teacher forcing, interval", "1", KeyFrames(1)),
                Use("teacher forcing, interval", "3"),
                Use("teacher forcing, interval", "6", KeyFrames(6)),
            ),
        ),
        Variant(
            replace(reference, max_lag=1),
            (
                Use("trained on lag 1 alone", "interval 3"),
                Use("trained on lag 1 alone", "interval 6", KeyFrames(6)),
            ),
        ),
    )


def evaluation_clips(photos: Sequence[Tensor], each: int, frames: int = FRAMES, seed: int = 12345) -> Clips:
    """``each`` unseen clips of every family, the same for all variants."""
    generator = torch.Generator().manual_seed(seed)
    return film(
        photos, [index % len(FAMILIES) for index in range(each * len(FAMILIES))], frames, 1, generator
    )


def _measured_once(denoiser: TinyDenoiser, variant: Variant, clips: Clips, seed: int) -> list[Row]:
    """A row for every use of a network; uses that differ in name alone are measured once."""
    known: dict[tuple[MemoryRule, Sampler], Row] = {}
    rows = []
    for use in variant.uses:
        key = (use.rule, use.sampler)
        if key not in known:
            known[key] = measure(denoiser, variant.recipe.method, use, clips, seed)
        rows.append(replace(known[key], group=use.group, name=use.name))
    return rows


def measure(denoiser: TinyDenoiser, method: Method, use: Use, clips: Clips, seed: int) -> Row:
    """Edit the clips one way and score every family."""
    edits = edit_clips(denoiser, clips.sources, clips.code, method, use.rule, use.sampler, seed)
    outputs, targets = decode(edits), decode(clips.targets)
    own = clips.code.argmax(1)
    families = {
        name: score(outputs[own == index], targets[own == index]) for index, name in enumerate(FAMILIES)
    }
    many = [families[name] for name in MANIFOLD]
    one = [families[name] for name in FAMILIES if name not in MANIFOLD]
    return Row(use.group, use.name, seed, mean_scores(one), mean_scores(many), families)


def score(outputs: Tensor, targets: Tensor, distance: Distance = structural_distance) -> Scores:
    """Score clips, (B, T, 3, H, W) in [0, 1], against their targets of the same shape."""

    def mean(measure: Callable[[Tensor, Distance], float], clips: Tensor) -> float:
        return statistics.fmean(measure(clip, distance) for clip in clips)

    steady, wander = mean(temporal_consistency, outputs), mean(error_accumulation, outputs)
    return Scores(
        tempcon=steady,
        erraccu=wander,
        tempcon_excess=steady - mean(temporal_consistency, targets),
        erraccu_excess=wander - mean(error_accumulation, targets),
        psnr_db=float(psnr_db(outputs.flatten(0, 1), targets.flatten(0, 1)).mean()),
        target_distance=video_distance(outputs.flatten(0, 1), targets.flatten(0, 1), distance),
    )


def mean_scores(scores: Sequence[Scores]) -> Scores:
    """The mean of each score."""
    return Scores(
        *(statistics.fmean(values) for values in zip(*(vars(s).values() for s in scores), strict=True))
    )


def spread(values: Sequence[float]) -> float:
    """Standard deviation over seeds; of a single seed there is none, and none is pretended: NaN."""
    return statistics.stdev(values) if len(values) > 1 else float("nan")


def run(
    photos: Photos,
    evaluations: int,
    seeds: int,
    clips: Clips,
    note: Callable[[list[Row], str], None],
    kept: Sequence[Row] = (),
) -> list[Row]:
    """Train and measure every variant with every seed.

    Args:
        photos: To train on.
        evaluations: Frames each network is shown.
        seeds: How many.
        clips: To measure on.
        note: Told of the rows so far and of what was just trained.
        kept: Rows of an earlier run under the same conditions; what they have is not trained again.
    """
    rows = list(kept)
    done = {(row.seed, row.group, row.name) for row in rows}
    for seed in range(seeds):
        for variant in variants():
            if all((seed, use.group, use.name) in done for use in variant.uses):
                continue
            denoiser = train(photos, variant.recipe, evaluations, seed)
            rows += _measured_once(denoiser, variant, clips, seed)
            note(rows, f"seed {seed}, {variant.uses[0].group} {variant.uses[0].name}")
    return rows


def table(rows: Sequence[Row], kind: str) -> Table:
    """The paper's table over the families of "one_answer" or "many_answers", mean and spread over seeds."""
    seeds = len({row.seed for row in rows})
    columns = ("TempCon", "ErrAccu", "TempCon - target", "ErrAccu - target", "PSNR dB", "distance to target")
    shown = Table(title=f"{kind.replace('_', ' ')}, {seeds} seeds", box=box.MARKDOWN)
    for column in ("", "", *columns):
        shown.add_column(column, justify="right" if column else "left")
    for group, name in dict.fromkeys((row.group, row.name) for row in sorted(rows, key=_order)):
        own = [vars(getattr(row, kind)) for row in rows if (row.group, row.name) == (group, name)]
        cells = []
        for field in own[0]:
            values, digits = [scores[field] for scores in own], 2 if field == "psnr_db" else 4
            deviation = f" ± {spread(values):.{digits}f}" if seeds > 1 else ""
            cells.append(f"{statistics.fmean(values):.{digits}f}{deviation}")
        shown.add_row(group, name, *cells)
    return shown


def _order(row: Row) -> tuple[int, int]:
    uses = [use for variant in variants() for use in variant.uses]
    groups = list(dict.fromkeys(use.group for use in uses))
    names = [use.name for use in uses if use.group == row.group]
    return groups.index(row.group), names.index(row.name)


def plot(rows: Sequence[Row], path: Path) -> None:
    """Draw the temporal excesses of the families of many answers, where memory has something to do."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    names = list(dict.fromkeys((row.group, row.name) for row in sorted(rows, key=_order)))[::-1]
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 0.23 * len(names) + 1), sharey=True)
    titles = {"tempcon_excess": "TempCon less the target's", "erraccu_excess": "ErrAccu less the target's"}
    for axis, (field, title) in zip(axes, titles.items(), strict=True):
        own = [
            [getattr(row.many_answers, field) for row in rows if (row.group, row.name) == key]
            for key in names
        ]
        groups = list(dict.fromkeys(group for group, _ in names))
        axis.barh(
            [f"{group}: {name}" for group, name in names],
            [statistics.fmean(values) for values in own],
            xerr=[spread(values) if len(values) > 1 else 0.0 for values in own],
            color=[f"C{groups.index(group) % 10}" for group, _ in names],
        )
        axis.set_title(title, fontsize=9)
        axis.tick_params(labelsize=7)
        axis.axvline(0, color="black", linewidth=0.6)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)
    pyplot.close(figure)


def as_json(conditions: Conditions, rows: Sequence[Row]) -> str:
    """Everything measured, and on what."""
    return json.dumps({"conditions": conditions, "rows": [asdict(row) for row in rows]}, indent=1)


def read_rows(path: Path) -> tuple[Conditions, list[Row]]:
    """What :func:`as_json` wrote."""
    kept = json.loads(path.read_text())
    rows = []
    for row in kept["rows"]:
        families = {name: Scores(**scores) for name, scores in row.pop("families").items()}
        one, many = Scores(**row.pop("one_answer")), Scores(**row.pop("many_answers"))
        rows.append(Row(**row, one_answer=one, many_answers=many, families=families))
    return kept["conditions"], rows


def _kept(path: Path | None) -> tuple[Conditions | None, list[Row]]:
    """What an earlier run left to go on with, if anything."""
    return (None, []) if path is None or not path.exists() else read_rows(path)


def _measured(options: argparse.Namespace) -> tuple[Conditions, list[Row]]:
    torch.set_num_threads(1)
    stderr = Console(stderr=True)
    photos = load_photos(options.media)
    before, kept = _kept(options.rows)
    # A machine's speed is not measured twice: every network of a table is shown equally many frames.
    told = options.evaluations or (before and int(before["frames shown"]))
    evaluations = told or evaluations_in(options.minutes_per_variant, photos)
    frames = QUICK_FRAMES if options.quick else FRAMES
    conditions: Conditions = {
        "frames shown": evaluations,
        "photographs": len(photos.train),
        "unseen photographs": len(photos.evaluation),
        "digest of their names": photos.names,
        "clips of a family": options.clips,
        "frames of a clip": frames,
    }
    stderr.print(conditions)
    if before is not None and before != conditions:
        raise ValueError(f"{options.rows} was measured under other conditions: {before}, not {conditions}")

    def note(rows: list[Row], line: str) -> None:
        stderr.print(line)
        if options.rows is not None:
            options.rows.write_text(as_json(conditions, rows))

    clips = evaluation_clips(photos.evaluation, options.clips, frames)
    return conditions, run(photos, evaluations, options.seeds, clips, note, kept)


def main(arguments: list[str]) -> int:
    """Run the ablation and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ablation", description=__doc__)
    parser.add_argument(
        "--media", type=Path, metavar="DIR", help="folder of photographs (default: scikit-image's samples)"
    )
    parser.add_argument("--minutes-per-variant", type=float, default=1.5, help="of one core (default: 1.5)")
    parser.add_argument("--evaluations", type=int, help="frames each network is shown, instead of minutes")
    parser.add_argument("--seeds", type=int, default=2, help="trainings of each variant (default: 2)")
    parser.add_argument("--clips", type=int, default=6, help="evaluation clips of each family (default: 6)")
    parser.add_argument("--quick", action="store_true", help="one seed, a tenth of a minute, one short clip")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the temporal measures")
    parser.add_argument("--json", action="store_true", help="JSON alone on standard output")
    parser.add_argument(
        "--rows",
        type=Path,
        metavar="FILE",
        help="keep the rows there after each training, and go on where they end with as many frames shown",
    )
    parser.add_argument("--show", type=Path, metavar="FILE", help="train nothing, show the rows kept there")
    options = parser.parse_args(arguments)
    if options.seeds < 1 or options.clips < 1 or options.minutes_per_variant <= 0:
        parser.error("seeds, clips and minutes must be positive")
    if options.quick:
        options.seeds, options.clips, options.minutes_per_variant = 1, 1, 0.1

    try:
        kept = read_rows(options.show) if options.show is not None else _measured(options)
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"benchmarks.ablation: {error}", file=sys.stderr)
        return 2
    conditions, rows = kept
    if options.plot is not None:
        plot(rows, options.plot)
    if options.json:
        print(as_json(conditions, rows))
    else:
        console = Console(width=180)
        console.print("  ".join(f"{name} {value}" for name, value in conditions.items()))
        for kind in ("many_answers", "one_answer"):
            console.print(table(rows, kind))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
