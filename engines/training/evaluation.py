"""What an evaluation gives."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TrialResult:
    """How well one family, or two joined, are edited.

    Attributes:
        psnr_db: Mean over scenes and frames.
        worst_scene_psnr_db: Of the scene edited worst.
        first_frame_psnr_db: Mean over scenes of frame 1.
        last_frame_psnr_db: Mean over scenes of the last frame.
        drift_db: The first less the last.
        scenes: How many had a target; a background needs a matte of its person.
        iou: Mean over scenes of the implied person's intersection over union
            (:func:`engines.training.trials.implied_iou`), for families of people.
        worst_scene_iou: Of the scene where it is least.
    """

    psnr_db: float
    worst_scene_psnr_db: float
    first_frame_psnr_db: float
    last_frame_psnr_db: float
    drift_db: float
    scenes: int
    iou: float | None = None
    worst_scene_iou: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """Everything ``afterimage evaluate`` measures; JSON keys are the names here.

    Attributes:
        mean_psnr_db: Mean over families.
        worst_psnr_db: Of the worst family.
        drift_db: Mean over families of frame 1 less the last frame; below 0 the last is the better one.
        people_iou: Mean over the families of people.
        instruction_top1: Share of held-back phrasings that are read as just the families they ask for.
        families: Family name -> its result.
        joined: The same of two edits in one instruction.
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
    people_iou: float | None
    instruction_top1: float
    families: dict[str, TrialResult]
    joined: dict[str, TrialResult]
    phrasings: int
    scenes: int
    frames: int
    size: int
    model: dict[str, str | int]
    skipped: list[str]
