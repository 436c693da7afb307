"""``python -m benchmarks.endurance``: half an hour of video, does its last minute look like the first?

A reel of one minute, clips with a cut between each two, is edited thirty times over as one stream. Every minute shows
the same frames, so their fidelity can be compared, and the exact target of each is known. The memory is emptied at
cuts as the product does it, and now and then in the middle of a clip, where a pop would be seen. Beside it runs the
same stream whose memory is emptied at cuts alone: by how much its picture changes there is what is no pop.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.fidelity import psnr_db
from benchmarks.reels import EXACT, Reel, asked, load_reels, targets
from engines.conditioning import Conditioning
from engines.editor import Editor, EditRequest, load_editor
from engines.model import ModelError

FRAMES_PER_MINUTE = 1800
_TARGET_CHUNK = 64


@dataclass(frozen=True)
class Endurance:
    """What half an hour did.

    Attributes:
        frames: Edited in all.
        first_minute_psnr_db: Fidelity to the target.
        last_minute_psnr_db: Likewise.
        lost_db: The first less the last; below 0 the last is the better one.
        minutes_psnr_db: Of every minute.
        cuts: Cuts of the reel, all minutes together.
        reanchored: Times the memory was emptied in the middle of a clip.
        worst_pop: The largest change to the next frame there, as a multiple of the target's own.
        worst_pop_at_cuts: Likewise at cuts.
        worst_change_elsewhere: Likewise everywhere else, where nothing was emptied.
        worst_pop_against_unbroken: The largest change there, as a multiple of the unbroken stream's own.
        drift_first_minute: Largest drift measured in it.
        drift_last_minute: Largest drift measured in it.
        wall_s: Time it all took.
        cpu_ms: Processor time of a frame of one stream.
        grown_mib: By how much the process grew from the second minute to the last.
    """

    frames: int
    first_minute_psnr_db: float
    last_minute_psnr_db: float
    lost_db: float
    minutes_psnr_db: list[float]
    cuts: int
    reanchored: int
    worst_pop: float | None
    worst_pop_at_cuts: float
    worst_change_elsewhere: float
    worst_pop_against_unbroken: float | None
    drift_first_minute: float | None
    drift_last_minute: float | None
    wall_s: float
    cpu_ms: float
    grown_mib: float


@dataclass(frozen=True, eq=False)
class Minute:
    """One minute of clips, its targets, and where its cuts are."""

    pictures: list[NDArray[np.uint8]]
    targets: list[NDArray[np.uint8]]
    cuts: frozenset[int]


def minute_of(reels: Sequence[Reel], family: str, frames: int) -> Minute:
    """Clips one after another, each there and back again, cut to the length of a minute.

    Args:
        reels: The clips.
        family: What they are edited by.
        frames: In the minute.
    """
    each = -(-frames // len(reels))
    pictures: list[NDArray[np.uint8]] = []
    wanted: list[NDArray[np.uint8]] = []
    cuts = []
    for reel in reels:
        cuts.append(len(pictures))
        edited = np.concatenate([
            _bytes(targets(family, chunk)) for chunk in torch.split(reel.frames, _TARGET_CHUNK)
        ])  # fmt: skip
        count = len(reel.frames)
        for step in range(each):
            index = step % max(1, 2 * count - 2)
            index = min(index, 2 * count - 2 - index)
            pictures.append(reel.picture(index))
            wanted.append(edited[index])
    return Minute(pictures[:frames], wanted[:frames], frozenset(cut for cut in cuts if cut < frames))


def _bytes(edited: torch.Tensor) -> NDArray[np.uint8]:
    levels: NDArray[np.uint8] = (edited * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return levels


def endure(
    editor: Editor,
    minute: Minute,
    instruction: Conditioning,
    minutes: int,
    reanchor_every: int,
    console: Console,
) -> Endurance:
    """Edit the minute so many times over as one stream, and as one that is never emptied by force.

    Args:
        editor: The model.
        minute: What is edited.
        instruction: Asks for the minute's targets.
        minutes: How often.
        reanchor_every: Frames between two emptyings of the memory in the middle of clips; 0 never empties it.
        console: Told of every minute.
    """
    state, unbroken = editor.open(), editor.open()
    fidelity: list[list[float]] = []
    drifts: list[float | None] = []
    pops: list[float] = []
    cut_pops: list[float] = []
    against_unbroken: list[float] = []
    elsewhere = 0.0
    process, resident = psutil.Process(), []
    last: tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]] | None = None
    number, reanchored = 0, 0
    began, cpu_began = time.perf_counter(), time.process_time()
    for _ in range(minutes):
        scores: list[float] = []
        most: float | None = None
        for index, (picture, target) in enumerate(zip(minute.pictures, minute.targets, strict=True)):
            is_cut = index in minute.cuts
            emptied = reanchor_every > 0 and number % reanchor_every == reanchor_every // 2 and not is_cut
            if emptied:
                state.anchor()
                reanchored += 1
            result = editor.step([EditRequest(picture, instruction, state)])[0]
            beside = editor.step([EditRequest(picture, instruction, unbroken)])[0].picture
            scores.append(psnr_db(result.picture, target))
            if last is not None:
                moved = _change(result.picture, last[0])
                change = moved / max(1.0, _change(target, last[1]))
                if emptied:
                    against_unbroken.append(moved / max(1.0, _change(beside, last[2])))
                if is_cut or emptied:
                    (cut_pops if is_cut else pops).append(change)
                else:
                    elsewhere = max(elsewhere, change)
            if result.drift is not None:
                most = result.drift if most is None else max(most, result.drift)
            last = (result.picture, target, beside)
            number += 1
        fidelity.append(scores)
        drifts.append(most)
        resident.append(process.memory_info().rss)
        console.print(f"minute {len(fidelity)}: {np.mean(scores):.3f} dB, drift {most}")
    wall_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
    means = [float(np.mean(scores)) for scores in fidelity]
    return Endurance(
        frames=number,
        first_minute_psnr_db=means[0],
        last_minute_psnr_db=means[-1],
        lost_db=means[0] - means[-1],
        minutes_psnr_db=means,
        cuts=len(cut_pops),
        reanchored=reanchored,
        worst_pop=max(pops, default=None),
        worst_pop_at_cuts=max(cut_pops, default=0.0),
        worst_change_elsewhere=elsewhere,
        worst_pop_against_unbroken=max(against_unbroken, default=None),
        drift_first_minute=drifts[0],
        drift_last_minute=drifts[-1],
        wall_s=wall_s,
        cpu_ms=1e3 * cpu_s / number / 2,
        grown_mib=(resident[-1] - resident[min(1, len(resident) - 1)]) / 2**20,
    )


def _change(picture: NDArray[np.uint8], before: NDArray[np.uint8]) -> float:
    """Mean absolute change, in grey levels."""
    return float(np.abs(picture.astype(np.int16) - before).mean())


def table(measured: Endurance) -> Table:
    """The figures for a person to read; those of every minute are in the JSON."""
    shown = Table(box=box.MARKDOWN)
    shown.add_column("")
    shown.add_column("", justify="right")

    def times(ratio: float | None) -> str:
        return "" if ratio is None else f"{ratio:.2f}"

    def share(drift: float | None) -> str:
        return "" if drift is None else f"{drift:.4f}"

    for name, figure in (
        ("frames", str(measured.frames)),
        ("first minute, PSNR dB", f"{measured.first_minute_psnr_db:.3f}"),
        ("last minute, PSNR dB", f"{measured.last_minute_psnr_db:.3f}"),
        ("cuts", str(measured.cuts)),
        ("worst change at a cut, of the target's own", times(measured.worst_pop_at_cuts)),
        ("memory emptied in the middle of a clip", str(measured.reanchored)),
        ("worst change there, of the target's own", times(measured.worst_pop)),
        ("worst change there, of the unbroken stream's own", times(measured.worst_pop_against_unbroken)),
        ("worst change elsewhere, of the target's own", times(measured.worst_change_elsewhere)),
        ("drift, first minute", share(measured.drift_first_minute)),
        ("drift, last minute", share(measured.drift_last_minute)),
        ("processor time of a frame, ms", f"{measured.cpu_ms:.1f}"),
        ("growth of the process, MiB", f"{measured.grown_mib:+.1f}"),
        ("wall time, s", f"{measured.wall_s:.0f}"),
    ):
        shown.add_row(name, figure)
    return shown


def main(arguments: list[str]) -> int:
    """Run the benchmark and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.endurance", description=__doc__)
    parser.add_argument(
        "--media", type=Path, metavar="DIR", help="folder of media (default: unseen photographs)"
    )
    parser.add_argument("--model", default="rfdm-tiny", help="shipped model or model folder")
    parser.add_argument("--compiler", default="auto", help="what runs it (default: auto)")
    parser.add_argument("--family", default="cartoon", choices=sorted(EXACT), help="what it is edited by")
    parser.add_argument("--size", type=int, default=128, help="side of the square, pixels (default: 128)")
    parser.add_argument("--minutes", type=int, default=30, help="of video (default: 30)")
    parser.add_argument(
        "--frames", type=int, default=FRAMES_PER_MINUTE, help=f"in a minute (default: {FRAMES_PER_MINUTE})"
    )
    parser.add_argument(
        "--reanchor-every",
        type=int,
        default=500,
        metavar="FRAMES",
        help="also empty the memory there; 0 never does (default: 500)",
    )
    parser.add_argument("--json", action="store_true", help="JSON alone on standard output")
    options = parser.parse_args(arguments)
    if options.minutes < 1 or options.frames < 2:
        parser.error("there must be a minute of at least two frames")
    stderr = Console(stderr=True)
    try:
        reels = load_reels(options.media, options.size, 128)
        minute = minute_of(reels, options.family, options.frames)
        editor = load_editor(options.model, compiler=options.compiler)
        instruction = asked(editor, options.family)
    except (ModelError, OSError, ValueError) as error:
        print(f"benchmarks.endurance: {error}", file=sys.stderr)
        return 2
    measured = endure(editor, minute, instruction, options.minutes, options.reanchor_every, stderr)
    conditions = {
        "clips": len(reels),
        "size": options.size,
        "family": options.family,
        "model": asdict(replace(editor.description, families=())),
    }
    if options.json:
        print(json.dumps({"conditions": conditions, "figures": asdict(measured)}, indent=2))
    else:
        console = Console()
        made = editor.description
        console.print(
            f"{made.name} {made.version}, {made.compiler} {made.precision}: {len(reels)} clips at {options.size}"
            f" pixels, {options.family}, {options.minutes} minutes of {options.frames} frames"
        )
        console.print(table(measured))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
