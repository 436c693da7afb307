"""``afterimage evaluate``: a model against the exact targets, on photos and clips it never saw.

Every family edits the first frames of every scene through the same ``Editor`` as the live path, memory and all, and
is compared with its computed target frame by frame; what falls or rises is drawn from the stream's own noise, so its
target is as exact. Families are asked for by their exact code; how well typed instructions are read is measured
apart, by the text encoder that ships with the model (``--text``).
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from engines.editor import Editor, load_editor
from engines.families import FAMILIES, PEOPLE
from engines.metrics import psnr_db
from engines.model import ModelError
from engines.training import evaluate_text
from engines.training.card import check_card, write_card
from engines.training.evaluation import Evaluation, TrialResult
from engines.training.held_back import Phrasing, held_back, is_read_right
from engines.training.media import Scene, evaluation_files, load_media
from engines.training.sheets import family_sheet, time_sheet
from engines.training.trials import (
    JOINED_TRIALS,
    TRIALS,
    Take,
    Trial,
    edit_take,
    filmed,
    implied_iou,
    takes_for,
    target_of,
)

SIZE = 256
FRAMES = 30
_SHEET_FRAME = 12
_SHEET_TIMES = (0, 6, 12, 18)


def evaluate_trial(editor: Editor, trial: Trial, takes: Sequence[Take]) -> TrialResult | None:
    """Edit every take that has a target and compare; None where no take has one."""
    conditioning, scores, ious = trial.conditioning(), [], []
    for take in takes_for(trial, takes):
        edited = edit_take(editor, take, conditioning)
        scores.append(psnr_db(edited.pictures, target_of(trial, take, edited.noise)))
        if len(trial.families) == 1 and trial.needs_people:
            ious.append(implied_iou(trial, take, edited.pictures))
    if not scores:
        return None
    first = torch.stack([score[0] for score in scores]).mean().item()
    last = torch.stack([score[-1] for score in scores]).mean().item()
    of_scenes = [score.mean().item() for score in scores]
    return TrialResult(
        psnr_db=_mean(of_scenes),
        worst_scene_psnr_db=min(of_scenes),
        first_frame_psnr_db=first,
        last_frame_psnr_db=last,
        drift_db=first - last,
        scenes=len(scores),
        iou=_mean(ious) if ious else None,
        worst_scene_iou=min(ious, default=None),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def evaluate(
    editor: Editor,
    scenes: Sequence[Scene],
    phrasings: Sequence[Phrasing],
    skipped: list[str],
    progress: Progress,
    frames: int | None = None,
) -> Evaluation:
    """Measure every family and the joined pairs on the given scenes, and how phrasings are read.

    Families that no scene has a target for are left out. Of each scene ``FRAMES`` frames are edited, or fewer.

    Raises:
        ValueError: A clip is shorter than the frames that are evaluated.
    """
    frames = FRAMES if frames is None else frames
    takes = film(scenes, frames)
    results = {
        trial.families: evaluate_trial(editor, trial, takes)
        for trial in progress.track([*TRIALS, *JOINED_TRIALS], description="edits")
    }
    told = {names: result for names, result in results.items() if result is not None}
    families = {names[0]: result for names, result in told.items() if len(names) == 1}
    read = [is_read_right(phrasing, editor.encode(phrasing.text)) for phrasing in phrasings]
    scores = [result.psnr_db for result in families.values()]
    ious = [result.iou for name, result in families.items() if name in PEOPLE and result.iou is not None]
    described = asdict(editor.description)
    del described["families"]
    return Evaluation(
        mean_psnr_db=_mean(scores),
        worst_psnr_db=min(scores),
        drift_db=_mean([result.drift_db for result in families.values()]),
        people_iou=_mean(ious) if ious else None,
        instruction_top1=_mean(read) if read else 0.0,
        families=families,
        joined={" + ".join(names): result for names, result in told.items() if len(names) > 1},
        phrasings=len(phrasings),
        scenes=len(takes),
        frames=frames,
        size=SIZE,
        model=described,
        skipped=skipped,
    )


def film(scenes: Sequence[Scene], frames: int) -> list[Take]:
    """A take of every scene.

    Raises:
        ValueError: A clip is shorter than the frames that are evaluated.
    """
    takes = [filmed(scene, seed, frames, SIZE) for seed, scene in enumerate(scenes)]
    for take in takes:
        if len(take.sources) < frames:
            raise ValueError(f"{take.name} has {len(take.sources)} frames, {frames} are needed")
    return takes


def pick(scenes: Sequence[Scene], count: int) -> list[Scene]:
    """So many scenes in their order, those with mattes before all others, which are few and needed by more edits."""
    masked = [index for index, scene in enumerate(scenes) if scene.mattes is not None]
    others = [index for index, scene in enumerate(scenes) if scene.mattes is None]
    chosen = _evenly(masked, count)
    return [scenes[index] for index in sorted([*chosen, *_evenly(others, count - len(chosen))])]


def _evenly(indices: Sequence[int], count: int) -> list[int]:
    places = np.linspace(0, len(indices) - 1, min(count, len(indices))).round().astype(int)
    return [indices[place] for place in places]


def write_sheet(editor: Editor, scenes: Sequence[Scene], path: Path) -> None:
    """Write source, target and edit of a late frame for every family, the scenes taken in turn."""
    takes = film(scenes, FRAMES)
    samples = [_sample(editor, trial, takes, seed) for seed, trial in enumerate(TRIALS)]
    pictures = [None if sample is None else sample[:, _SHEET_FRAME] for sample in samples]
    family_sheet([trial.label for trial in TRIALS], pictures, path)


def write_time_sheets(
    editor: Editor, scenes: Sequence[Scene], folder: Path, only: Sequence[str] = FAMILIES
) -> None:
    """Write a picture for each family and joined pair with one of ``only``: source, target and edit over time."""
    takes = film(scenes, FRAMES)
    for seed, trial in enumerate([*TRIALS, *JOINED_TRIALS]):
        if not set(trial.families) & set(only):
            continue
        sample = _sample(editor, trial, takes, seed)
        if sample is not None:
            time_sheet(sample[:, list(_SHEET_TIMES)], folder / f"{'+'.join(trial.families)}.jpg")


def _sample(editor: Editor, trial: Trial, takes: Sequence[Take], seed: int) -> torch.Tensor | None:
    """Source, target and edit, (3, T, 3, H, W) in [0, 1], of one take; None where no take has a target."""
    fitting = takes_for(trial, takes)
    if not fitting:
        return None
    take = fitting[seed % len(fitting)]
    edited = edit_take(editor, take, trial.conditioning())
    return torch.stack([take.sources.float() / 255, target_of(trial, take, edited.noise), edited.pictures])


def print_table(evaluation: Evaluation, console: Console) -> None:
    """Show an evaluation to a person."""
    table = Table(title=f"{evaluation.scenes} scenes, {evaluation.frames} frames each, {evaluation.size} px")
    for column in ("edit", "PSNR dB", "worst scene", "frame 1", "last frame", "drift dB", "person IoU"):
        table.add_column(column, justify="left" if column == "edit" else "right")
    for name, result in {**evaluation.families, **evaluation.joined}.items():
        numbers = (
            result.psnr_db,
            result.worst_scene_psnr_db,
            result.first_frame_psnr_db,
            result.last_frame_psnr_db,
            result.drift_db,
        )
        iou = "" if result.iou is None else f"{result.iou:.3f}"
        table.add_row(name, *(f"{number:.2f}" for number in numbers), iou)
    console.print(table)
    people = "none" if evaluation.people_iou is None else f"{evaluation.people_iou:.3f}"
    console.print(
        f"mean {evaluation.mean_psnr_db:.2f} dB, worst family {evaluation.worst_psnr_db:.2f} dB,"
        f" drift {evaluation.drift_db:.2f} dB, person IoU {people},"
        f" instructions read {evaluation.instruction_top1:.1%} of {evaluation.phrasings}"
    )
    for line in evaluation.skipped:
        console.print(f"skipped {line}")


def main(arguments: list[str]) -> int:
    """Run ``afterimage evaluate``; 0 on success, 2 where the input is wrong."""
    parser = argparse.ArgumentParser(
        "afterimage evaluate",
        description="Measure a model against exact targets, on photos and clips it never saw.",
    )
    parser.add_argument(
        "--media",
        type=Path,
        metavar="DIR",
        help="folder of photos and clips; only its eval folders, where it has any",
    )
    parser.add_argument(
        "--text",
        action="store_true",
        help="only measure how typed instructions are read, on the phrasings kept for it",
    )
    parser.add_argument("--model", default="rfdm-tiny", help="shipped model or model folder")
    parser.add_argument("--compiler", default="auto", help="what runs it (default: auto)")
    parser.add_argument("--steps", type=int, default=1, help="sampler steps for a frame (default: 1)")
    parser.add_argument(
        "--scenes",
        type=int,
        help="on so many scenes only: first those with mattes, then others evenly picked",
    )
    parser.add_argument("--frames", type=int, help=f"edit so many frames of each (default: {FRAMES})")
    parser.add_argument(
        "--card", type=Path, metavar="FILE", help="write the figures into a model card, between its marks"
    )
    parser.add_argument(
        "--sheet", type=Path, metavar="FILE", help="only write a picture of samples, .png or .jpg"
    )
    parser.add_argument(
        "--sheets", type=Path, metavar="DIR", help="only write a picture over time of each edit"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=FAMILIES,
        default=FAMILIES,
        metavar="FAMILY",
        help="with --sheets: of edits with one of these families",
    )
    parser.add_argument("--json", action="store_true", help="print JSON alone on standard output")
    options = parser.parse_args(arguments)
    if options.text == (options.media is not None):
        parser.error("give either --media DIR or --text")
    console = Console(stderr=True)
    try:
        if options.text:
            evaluate_text.run(options.model, options.card, as_json=options.json)
            return 0
        if options.card is not None:
            check_card(options.card)
        editor = load_editor(options.model, compiler=options.compiler, steps=options.steps)
        media = load_media(options.media, evaluation_files(options.media), max_frames=FRAMES)
        scenes = media.scenes if options.scenes is None else pick(media.scenes, options.scenes)
        if options.sheet is not None:
            write_sheet(editor, scenes, options.sheet)
            return 0
        if options.sheets is not None:
            write_time_sheets(editor, scenes, options.sheets, options.only)
            return 0
        with Progress(console=console) as progress:
            phrasings = [phrasing for phrasing in held_back() if phrasing.family is not None]
            evaluation = evaluate(editor, scenes, phrasings, media.skipped, progress, options.frames)
        if options.card is not None:
            write_card(evaluation, options.card)
    except (ModelError, OSError, ValueError) as error:
        print(f"afterimage evaluate: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(asdict(evaluation), indent=2))
    else:
        print_table(evaluation, Console())
    return 0
