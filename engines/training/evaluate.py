"""``afterimage evaluate``: a model against the exact targets, on photos and clips it never saw.

Every family edits the first frames of every scene through the same ``Editor`` as the live path, memory and all, and
is compared with its computed target frame by frame. Whether instructions are understood is asked of the pictures, not
of the text encoder: the edit must be nearer to the right family's target than to any other's.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from torch import Tensor

from engines.colours import COLOURS
from engines.editor import Editor, EditRequest, load_editor
from engines.families import EXAMPLES, FAMILIES
from engines.metrics import psnr_db
from engines.model import ModelError
from engines.training.media import Scene, camera_path, evaluation_files, load_media, view
from engines.training.phrasings import Phrasing, held_back
from engines.training.sheets import family_sheet
from engines.training.targets import edit

SIZE = 256
FRAMES = 30
_SHEET_FRAME = 12


@dataclass(frozen=True)
class FamilyResult:
    """How well one family is edited.

    Attributes:
        instruction: What was typed.
        psnr_db: Mean over scenes and frames.
        worst_scene_psnr_db: Of the scene edited worst.
        first_frame_psnr_db: Mean over scenes of frame 1.
        last_frame_psnr_db: Mean over scenes of the last frame.
        drift_db: The first less the last.
    """

    instruction: str
    psnr_db: float
    worst_scene_psnr_db: float
    first_frame_psnr_db: float
    last_frame_psnr_db: float
    drift_db: float


@dataclass(frozen=True)
class Evaluation:
    """Everything ``afterimage evaluate`` measures; JSON keys are the names here.

    Attributes:
        mean_psnr_db: Mean over families.
        worst_psnr_db: Of the worst family.
        drift_db: Mean over families of frame 1 less the last frame; below 0 the last is the better one.
        instruction_top1: Share of held-back phrasings whose edit is nearest to the right family's target.
        families: Family name -> its result.
        phrasings: How many phrasings ``instruction_top1`` is over.
        scenes: How many photos and clips.
        frames: Of each scene.
        size: Side of the square edited, pixels.
        model: What was measured, with compiler and precision.
        skipped: Files that could not be used, a line each.
    """

    mean_psnr_db: float
    worst_psnr_db: float
    drift_db: float
    instruction_top1: float
    families: dict[str, FamilyResult]
    phrasings: int
    scenes: int
    frames: int
    size: int
    model: dict[str, str | int]
    skipped: list[str]


def filmed(scene: Scene, seed: int) -> Tensor:
    """The first frames of a clip, or a photo filmed by a moving camera: (T, 3, SIZE, SIZE) uint8, centred."""
    if scene.is_photo:
        path = camera_path(FRAMES, torch.Generator().manual_seed(seed))
        frames = view(scene.frames[0].float() / 255, path, (SIZE, SIZE))
        return (frames * 255).round().to(torch.uint8)
    top, left = ((side - SIZE) // 2 for side in scene.frames.shape[-2:])
    return scene.frames[:FRAMES, :, top : top + SIZE, left : left + SIZE]


def edit_scene(editor: Editor, frames: Tensor, instruction: str) -> Tensor:
    """Edit (T, 3, H, W) uint8 frames in order; the edits in [0, 1], same shape."""
    state, conditioning = editor.open(seed=0), editor.encode(instruction)
    edited = []
    for frame in frames:
        picture = np.ascontiguousarray(frame.permute(1, 2, 0).numpy())
        result = editor.step([EditRequest(picture, conditioning, state)])[0]
        edited.append(torch.from_numpy(result.picture))
    return torch.stack(edited).permute(0, 3, 1, 2).float() / 255


def target_of(phrasing: Phrasing, frames: Tensor, family: str) -> Tensor:
    """The exact edit of (T, 3, H, W) uint8 frames by a family, with the amount and colour of a phrasing."""
    count = len(frames)
    amount = torch.full((count, 1, 1, 1), phrasing.amount)
    rgb = torch.tensor(COLOURS[phrasing.colour or "blue"]).view(1, 3, 1, 1).expand(count, 3, 1, 1)
    return edit(family, frames.float() / 255, amount, rgb)


def plain_phrasing(family: str) -> Phrasing:
    """The family's first example, which says it plainly; a tint is blue."""
    return Phrasing(EXAMPLES[family][0], family, colour="blue" if family == "tint" else None)


def evaluate_family(editor: Editor, family: str, clips: Sequence[Tensor]) -> FamilyResult:
    """Edit every scene by one family and compare with its targets."""
    phrasing = plain_phrasing(family)
    scores = [
        psnr_db(edit_scene(editor, clip, phrasing.text), target_of(phrasing, clip, family)) for clip in clips
    ]
    first = torch.stack([score[0] for score in scores]).mean().item()
    last = torch.stack([score[-1] for score in scores]).mean().item()
    of_scenes = [score.mean().item() for score in scores]
    return FamilyResult(
        phrasing.text, sum(of_scenes) / len(of_scenes), min(of_scenes), first, last, first - last
    )


def is_understood(editor: Editor, phrasing: Phrasing, frame: Tensor) -> bool:
    """Whether the edit of one (1, 3, H, W) frame is nearest to the right family's target."""
    edited = edit_scene(editor, frame, phrasing.text)
    scores = {family: psnr_db(edited, target_of(phrasing, frame, family)).item() for family in FAMILIES}
    return max(scores, key=lambda family: scores[family]) == phrasing.family


def evaluate(
    editor: Editor,
    scenes: Sequence[Scene],
    phrasings: Sequence[Phrasing],
    skipped: list[str],
    progress: Progress,
) -> Evaluation:
    """Measure every family on the given scenes, and the phrasings on the more colourful of them.

    Raises:
        ValueError: A clip is shorter than the frames that are evaluated.
    """
    clips = [filmed(scene, seed) for seed, scene in enumerate(scenes)]
    for scene, clip in zip(scenes, clips, strict=True):
        if len(clip) < FRAMES:
            raise ValueError(f"{scene.name} has {len(clip)} frames, {FRAMES} are needed")
    families = {}
    for family in progress.track(FAMILIES, description="families"):
        families[family] = evaluate_family(editor, family, clips)
    colourful = sorted(clips, key=_colourfulness, reverse=True)[: max(1, len(clips) // 2)]
    understood = [
        is_understood(editor, phrasing, colourful[index % len(colourful)][:1])
        for index, phrasing in enumerate(progress.track(phrasings, description="phrasings"))
    ]
    scores = [result.psnr_db for result in families.values()]
    described = asdict(editor.description)
    del described["families"]
    return Evaluation(
        mean_psnr_db=sum(scores) / len(scores),
        worst_psnr_db=min(scores),
        drift_db=sum(result.drift_db for result in families.values()) / len(families),
        instruction_top1=sum(understood) / len(understood),
        families=families,
        phrasings=len(phrasings),
        scenes=len(clips),
        frames=FRAMES,
        size=SIZE,
        model=described,
        skipped=skipped,
    )


def write_sheet(editor: Editor, scenes: Sequence[Scene], path: Path) -> None:
    """Write source, target and edit of a late frame for every family, the scenes taken in turn."""
    clips = [filmed(scene, seed)[:_SHEET_FRAME] for seed, scene in enumerate(scenes)]
    sources, targets, edits = [], [], []
    for index, family in enumerate(FAMILIES):
        clip, phrasing = clips[index % len(clips)], plain_phrasing(family)
        sources.append(clip[-1].float() / 255)
        targets.append(target_of(phrasing, clip[-1:], family)[0])
        edits.append(edit_scene(editor, clip, phrasing.text)[-1])
    family_sheet(torch.stack(sources), torch.stack(targets), torch.stack(edits), path)


def _colourfulness(clip: Tensor) -> float:
    """A grey scene cannot tell "black and white" from "unchanged"; phrasings are asked on the more colourful half."""
    first = clip[0].float()
    return float((first - first.mean(0, keepdim=True)).abs().mean())


def print_table(evaluation: Evaluation, console: Console) -> None:
    """Show an evaluation to a person."""
    table = Table(title=f"{evaluation.scenes} scenes, {evaluation.frames} frames each, {evaluation.size} px")
    for column in ("family", "instruction", "PSNR dB", "worst scene", "frame 1", "last frame", "drift dB"):
        table.add_column(column, justify="left" if column in ("family", "instruction") else "right")
    for name, result in evaluation.families.items():
        numbers = (
            result.psnr_db,
            result.worst_scene_psnr_db,
            result.first_frame_psnr_db,
            result.last_frame_psnr_db,
            result.drift_db,
        )
        table.add_row(name, result.instruction, *(f"{number:.2f}" for number in numbers))
    console.print(table)
    console.print(
        f"mean {evaluation.mean_psnr_db:.2f} dB, worst family {evaluation.worst_psnr_db:.2f} dB,"
        f" drift {evaluation.drift_db:.2f} dB,"
        f" instructions understood {evaluation.instruction_top1:.1%} of {evaluation.phrasings}"
    )
    for line in evaluation.skipped:
        console.print(f"skipped {line}")


def main(arguments: list[str]) -> int:
    """Run ``afterimage evaluate``; 0 on success, 2 where the input is wrong."""
    parser = argparse.ArgumentParser(prog="afterimage evaluate", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--media",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of photos and clips; only its eval folders, where it has any",
    )
    parser.add_argument("--model", default="rfdm-tiny", help="shipped model or model folder")
    parser.add_argument("--compiler", default="auto", help="what runs it (default: auto)")
    parser.add_argument("--steps", type=int, default=1, help="sampler steps for a frame (default: 1)")
    parser.add_argument("--scenes", type=int, help="evaluate on so many scenes only, evenly picked")
    parser.add_argument(
        "--sheet", type=Path, metavar="FILE", help="only write a picture of samples, .png or .jpg"
    )
    parser.add_argument("--json", action="store_true", help="print JSON alone on standard output")
    options = parser.parse_args(arguments)
    console = Console(stderr=True)
    try:
        editor = load_editor(options.model, compiler=options.compiler, steps=options.steps)
        media = load_media(options.media, evaluation_files(options.media), max_frames=FRAMES)
        scenes = media.scenes
        if options.scenes is not None and options.scenes < len(scenes):
            picked = np.linspace(0, len(scenes) - 1, max(1, options.scenes)).round().astype(int)
            scenes = [scenes[index] for index in picked]
        if options.sheet is not None:
            write_sheet(editor, scenes, options.sheet)
            return 0
        with Progress(console=console) as progress:
            phrasings = [phrasing for phrasing in held_back() if phrasing.family is not None]
            evaluation = evaluate(editor, scenes, phrasings, media.skipped, progress)
    except (ModelError, OSError, ValueError) as error:
        print(f"afterimage evaluate: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(asdict(evaluation), indent=2))
    else:
        print_table(evaluation, Console())
    return 0
