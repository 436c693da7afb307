"""``python -m benchmarks.memory``: every rule of the memory by itself, on unseen clips with the shipped model.

One rule is changed at a time, the others stay as the product has them. The editor is the product's own; a rule is a
stream's memory (:class:`engines.memory.EditState`) that behaves otherwise.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.memory_rules import (
    Compensated,
    Interval,
    NoCuts,
    Reanchored,
    Start,
    StillSkipper,
    block_flow,
    global_flow,
    starting_at,
)
from benchmarks.reels import FAMILIES, Reel, asked, load_reels, pictures, targets
from engines.conditioning import Conditioning
from engines.editor import Editor, EditRequest, load_editor
from engines.memory import EditState, is_scene_cut, sample
from engines.metrics import (
    error_accumulation,
    excess,
    mean_absolute_change,
    psnr_db,
    structural_distance,
    temporal_consistency,
)
from engines.model import ModelError

AFTER_CUT_FRAMES = 6


@dataclass(frozen=True)
class Rule:
    """One setting of one rule: a row.

    Attributes:
        group: What is changed.
        name: To what; empty in the product's own row.
        state: Opens a stream's memory.
        start: Where sampling begins, given the state and how much moved.
        skip: Which frames need no evaluation.
    """

    group: str
    name: str
    state: Callable[[], EditState]
    start: Start | None = None
    skip: float | None = None


@dataclass(frozen=True)
class Figures:
    """What a rule does, means over clips and families but for the pop.

    Attributes:
        psnr_db: Fidelity to the target.
        late_psnr_db: Of the last third of the frames.
        tempcon_excess: TempCon with the structural distance, less the target's own.
        erraccu_excess: ErrAccu likewise.
        worst_pop: The largest frame-to-frame change at a re-anchoring without a cut in any clip and family, as a
            multiple of the target's own; None where there was none.
        evaluations: Network evaluations for a frame.
        cpu_ms: Processor time of a frame in all; None where PyTorch had to run what no compiler was asked to.
    """

    psnr_db: float
    late_psnr_db: float
    tempcon_excess: float
    erraccu_excess: float
    worst_pop: float | None
    evaluations: float
    cpu_ms: float | None


@dataclass(frozen=True)
class Cuts:
    """The scene-cut gate.

    Attributes:
        recall: Share of spliced cuts that were seen.
        false_alarms: In a thousand frames without a cut.
        after_psnr_db: Fidelity in the first frames after a cut, with the gate.
        after_psnr_db_without: Without it.
    """

    recall: float
    false_alarms: float
    after_psnr_db: float
    after_psnr_db_without: float


def rules() -> list[Rule]:
    """Every setting that is measured; the first is the product's own, each other one differs from it in one rule."""
    own = EditState
    intervals = [
        Rule("key-frame interval", str(n), partial(Interval, seed=0, own_interval=n))
        for n in (0, 1, 2, 6, 12)
    ]
    motion = [
        Rule("motion-compensated mean", "whole picture", partial(Compensated, seed=0, flow=global_flow)),
        Rule("motion-compensated mean", "blocks", partial(Compensated, seed=0, flow=block_flow)),
    ]
    anchors = [
        Rule("re-anchoring", f"every {n} frames{', faded' if fade else ''}",
             partial(Reanchored, seed=0, every=n, fade=fade))
        for n, fade in ((24, 0), (24, 8))
    ]  # fmt: skip
    starts = [
        Rule("start level", f"sigma {sigma}", partial(own, seed=0), start=Start((), sigma))
        for sigma in (0.7, 0.4)
    ]
    by_motion = Start(((0.01, 0.4), (0.03, 0.7)), 1.0)
    skips = [
        Rule("skip of still frames", f"up to {level:g} grey levels", partial(own, seed=0), skip=level)
        for level in (1.0, 3.0)
    ]
    return [
        Rule("as shipped", "", partial(own, seed=0)),
        *intervals,
        Rule("memory", "none", partial(Interval, seed=0, own_interval=None)),
        *anchors,
        *motion,
        *starts,
        Rule("start level", "by motion", partial(own, seed=0), start=by_motion),
        *skips,
    ]


class Bench:
    """The shipped model, the clips, and their targets."""

    def __init__(self, model: str, compiler: str, reels: Sequence[Reel]) -> None:
        self.editor = load_editor(model, compiler=compiler)  # type: ignore[arg-type]  # refused by name
        self.reels, self._model = reels, model
        self.instructions = {family: asked(self.editor, family) for family in FAMILIES}
        self.targets = {
            (reel.name, family): targets(family, reel.frames) for reel in reels for family in FAMILIES
        }
        self._editors: dict[float, Editor] = {1.0: self.editor}
        # Compiling is not the first rule's time.
        height, width = reels[0].frames.shape[-2:]
        self.editor.prepare(height, width)

    def measure(self, rule: Rule) -> Figures:
        """Edit every clip by every family under one rule."""
        scores: list[dict[str, float]] = []
        pops: list[float] = []
        for reel in self.reels:
            for family in FAMILIES:
                edited, spent, anchored, cpu_ms = self._edit(rule, reel, self.instructions[family])
                target = self.targets[reel.name, family]
                fidelity = psnr_db(edited, target)
                pops += pops_at(edited, target, anchored)
                scores.append({
                    "psnr_db": float(fidelity.mean()),
                    "late_psnr_db": float(fidelity[-(len(fidelity) // 3) :].mean()),
                    "tempcon_excess": excess(temporal_consistency, edited, target, structural_distance),
                    "erraccu_excess": excess(error_accumulation, edited, target, structural_distance),
                    "evaluations": spent / len(edited),
                    "cpu_ms": cpu_ms,
                })  # fmt: skip
        means = {name: statistics.fmean(score[name] for score in scores) for name in scores[0]}
        cpu_ms = means.pop("cpu_ms")
        return Figures(
            worst_pop=max(pops, default=None), cpu_ms=cpu_ms if rule.start is None else None, **means
        )

    def _edit(
        self, rule: Rule, reel: Reel, instruction: Conditioning
    ) -> tuple[Tensor, int, list[int], float]:
        state = rule.state()
        skipper = None if rule.skip is None else StillSkipper(rule.skip)
        edited: list[NDArray[np.uint8]] = []
        anchored, evaluations, before = [], 0, None
        began = time.process_time()
        for index in range(len(reel.frames)):
            picture = reel.picture(index)
            if skipper is not None and edited and skipper.is_still(picture):
                edited.append(edited[-1])
                continue
            now = sample(picture)
            motion = 1.0 if before is None else float(np.abs(now - before).mean()) / 255
            before = now
            editor = self.editor if rule.start is None else self._starting(rule.start, state, motion)
            result = editor.step([EditRequest(picture, instruction, state)])[0]
            if isinstance(state, Reanchored) and state.anchored_now:
                anchored.append(index)
            evaluations += result.evaluations
            edited.append(result.picture)
        cpu_ms = 1e3 * (time.process_time() - began) / len(reel.frames)
        return pictures(edited), evaluations, anchored, cpu_ms

    def _starting(self, start: Start, state: EditState, motion: float) -> Editor:
        sigma = 1.0 if state.memory is None else start.sigma(motion)
        if sigma not in self._editors:
            self._editors[sigma] = starting_at(sigma, self._model)
        return self._editors[sigma]

    def cuts(self) -> Cuts:
        """Splice the clips one after another and see what the gate makes of it."""
        seen = false = frames = 0
        after: dict[bool, list[float]] = {True: [], False: []}
        for first, second in zip(self.reels, [*self.reels[1:], self.reels[0]], strict=True):
            samples = [sample(first.picture(index)) for index in range(len(first.frames))]
            false += sum(is_scene_cut(a, b) for a, b in pairwise(samples))
            frames += len(samples) - 1
            seen += is_scene_cut(samples[-1], sample(second.picture(0)))
            spliced = Reel("splice", torch.cat([first.frames[-8:], second.frames[:AFTER_CUT_FRAMES]]))
            for family in FAMILIES:
                target = self.targets[second.name, family][:AFTER_CUT_FRAMES]
                for gate, state in ((True, EditState), (False, NoCuts)):
                    rule = Rule("", "", partial(state, seed=0))
                    edited = self._edit(rule, spliced, self.instructions[family])[0][-AFTER_CUT_FRAMES:]
                    after[gate].append(float(psnr_db(edited, target).mean()))
        return Cuts(
            seen / len(self.reels), 1e3 * false / frames, *(statistics.fmean(after[g]) for g in (True, False))
        )


def pops_at(edited: Tensor, target: Tensor, frames: Sequence[int]) -> list[float]:
    """Change from the frame before, as a multiple of the target's own, at the frames given; both (T, 3, H, W)."""
    return [
        float(
            mean_absolute_change(edited[i : i + 1], edited[i - 1 : i])
            / mean_absolute_change(target[i : i + 1], target[i - 1 : i]).clamp(min=1 / 255)
        )
        for i in frames
        if i > 0
    ]


def table(measured: Sequence[tuple[Rule, Figures]]) -> Table:
    """All rules for a person to read."""
    shown = Table(box=box.MARKDOWN)
    for column in ("rule", "setting"):
        shown.add_column(column)
    columns = (
        "PSNR dB",
        "last third",
        "TempCon - target",
        "ErrAccu - target",
        "worst pop",
        "evaluations",
        "CPU ms",
    )
    for column in columns:
        shown.add_column(column, justify="right")
    for rule, figures in measured:
        shown.add_row(
            rule.group,
            rule.name,
            f"{figures.psnr_db:.2f}",
            f"{figures.late_psnr_db:.2f}",
            f"{figures.tempcon_excess:+.4f}",
            f"{figures.erraccu_excess:+.4f}",
            "" if figures.worst_pop is None else f"{figures.worst_pop:.2f}",
            f"{figures.evaluations:.2f}",
            "" if figures.cpu_ms is None else f"{figures.cpu_ms:.1f}",
        )
    return shown


def main(arguments: list[str]) -> int:
    """Run the benchmark and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument(
        "--media", type=Path, metavar="DIR", help="folder of media (default: unseen photographs)"
    )
    parser.add_argument("--model", default="rfdm-tiny", help="shipped model or model folder")
    parser.add_argument("--compiler", default="auto", help="what runs it (default: auto)")
    parser.add_argument("--size", type=int, default=128, help="side of the square, pixels (default: 128)")
    parser.add_argument("--frames", type=int, default=60, help="of each clip (default: 60)")
    parser.add_argument("--clips", type=int, help="so many clips only, evenly picked")
    parser.add_argument("--json", action="store_true", help="JSON alone on standard output")
    options = parser.parse_args(arguments)
    stderr = Console(stderr=True)
    try:
        reels = load_reels(options.media, options.size, options.frames)
        if options.clips is not None and 0 < options.clips < len(reels):
            picked = np.linspace(0, len(reels) - 1, options.clips).round().astype(int)
            reels = [reels[index] for index in picked]
        bench = Bench(options.model, options.compiler, reels)
    except (ModelError, OSError, ValueError) as error:
        print(f"benchmarks.memory: {error}", file=sys.stderr)
        return 2
    measured = []
    for rule in rules():
        measured.append((rule, bench.measure(rule)))
        stderr.print(f"{rule.group} {rule.name}: {asdict(measured[-1][1])}")
    cuts = bench.cuts()
    described = asdict(replace(bench.editor.description, families=()))
    conditions = {"clips": len(reels), "frames": options.frames, "size": options.size, "model": described}
    if options.json:
        rows = [{"rule": rule.group, "setting": rule.name, **asdict(figures)} for rule, figures in measured]
        print(json.dumps({"conditions": conditions, "rules": rows, "cuts": asdict(cuts)}, indent=2))
    else:
        console = Console(width=160)
        console.print(conditions)
        console.print(table(measured))
        console.print("  ".join(f"{name} {value:.2f}" for name, value in asdict(cuts).items()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
