"""``python -m benchmarks.upsampling``: what an edit gains by the detail of its full-size source.

Every family edits photographs at the size the live path edits at; the edits are then enlarged to the camera's size
by bicubic interpolation and by :mod:`engines.upsampling`, in 4:2:0 like everything the live path sends, and compared
with the family's exact target at full size. Edits are the targets of the small pictures, so that the model's own
error stands in neither column; ``--model`` takes the model's edits instead. At full size a family's lengths grow with
the picture, so that a glow is as wide on the screen. The last column is the full-size target sent as it is, in 4:2:0:
more cannot be shown. Photographs smaller than the camera's picture fill it enlarged and have no detail of that size
to gain by: the title counts them.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import av
import numpy as np
import torch
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks.fidelity import psnr_db
from benchmarks.photographs import unseen_photographs
from benchmarks.reels import NOT_OF_PIXELS, asked
from engines.edit_size import edit_size
from engines.editor import EditRequest, load_editor
from engines.families import FAMILIES, PEOPLE
from engines.model import ModelError
from engines.training.media import PHOTO_SUFFIXES, evaluation_files
from engines.training.targets import edit
from engines.training.trials import Trial
from engines.upsampling import guided_luma, studio_luma
from server.files.source import EXACT_COLOURS
from server.rtc.decoding import EDITED_FROM
from server.session.detail import Detail
from server.session.frame import Frame

Picture = NDArray[np.uint8]
Edit = Callable[[str, Picture, Picture | None], Picture]

SIZES = ((640, 480), (1280, 720))
SHORT_SIDE = 256


@dataclass(frozen=True)
class Row:
    """One family at one camera size, means over the photographs.

    Attributes:
        family: Its name.
        width: Of the camera's picture.
        height: Likewise.
        bicubic_db: PSNR of the enlarged edit against the full-size target, 60 dB at most in each photograph.
        guided_db: The same with the source's detail.
        gain_db: What the detail adds.
        bound_db: PSNR of the full-size target in 4:2:0.
    """

    family: str
    width: int
    height: int
    bicubic_db: float
    guided_db: float
    gain_db: float
    bound_db: float


@dataclass(frozen=True)
class Cost:
    """What bringing one frame to a camera's size takes, with the conversion and the interpolation.

    Attributes:
        width: Of the camera's picture.
        height: Likewise.
        guided_p50_ms: Median of `server.session.detail` with the detail.
        bicubic_p50_ms: The same without.
    """

    width: int
    height: int
    guided_p50_ms: float
    bicubic_p50_ms: float


@dataclass(frozen=True, eq=False)
class View:
    """What a camera of one size sees of a photograph.

    Attributes:
        frame: The picture, in 4:2:0.
        matte: Its people, (H, W) uint8, 255 is person; None where that is not known.
    """

    frame: av.VideoFrame
    matte: Picture | None


def photographs(media: Path | None, count: int) -> list[tuple[Image.Image, Image.Image | None]]:
    """Evaluation photographs of a media folder with their people's mattes, those that have one first.

    Without a folder those of :func:`benchmarks.photographs.unseen_photographs`, without mattes.
    """
    if media is None:
        return [(Image.fromarray(picture), None) for picture in unseen_photographs().values()]
    found = []
    for path in evaluation_files(media):
        if path.suffix.lower() in PHOTO_SUFFIXES:
            matte = (media / "masks" / path.relative_to(media)).with_suffix(".png")
            people = Image.open(matte).convert("L") if matte.exists() else None
            found.append((Image.open(path).convert("RGB"), people))
    if not found:
        raise FileNotFoundError(f"no photographs in {media}")
    return sorted(found, key=lambda pair: pair[1] is None)[:count]


def seen(photograph: Image.Image, matte: Image.Image | None, width: int, height: int) -> View:
    """A photograph as a camera of that size would send it: filling the frame."""
    scale = max(width / photograph.width, height / photograph.height)
    size = (max(width, round(photograph.width * scale)), max(height, round(photograph.height * scale)))
    left, top = (size[0] - width) // 2, (size[1] - height) // 2

    def fitted(image: Image.Image) -> Picture:
        cut = image.resize(size, Image.Resampling.LANCZOS).crop((left, top, left + width, top + height))
        return np.asarray(cut)

    frame = av.VideoFrame.from_ndarray(fitted(photograph), format="rgb24").reformat(format="yuv420p")
    return View(frame, None if matte is None else fitted(matte))


def exact_edit(family: str, picture: Picture, matte: Picture | None = None) -> Picture:
    """The family's target of an (H, W, 3) picture of any size, said plainly, in a :class:`Trial`'s colours."""
    pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    trial = Trial((family,))
    rgb, rgb_of = (torch.tensor(colour).view(1, 3, 1, 1) for colour in (trial.rgb, trial.rgb_of))
    scale = min(picture.shape[:2]) / SHORT_SIDE
    people = None
    if matte is not None:
        levels = torch.from_numpy(matte.copy())[None, None].float() / 255
        people = torch.nn.functional.interpolate(levels, picture.shape[:2], mode="area")
    target = edit(family, pixels, torch.ones(1, 1, 1, 1), rgb, rgb_of=rgb_of, matte=people, scale=scale)
    return cast(Picture, (target[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy())


def model_edit(model: str) -> Edit:
    """Edits by a model, asked for what :func:`exact_edit` makes, each picture as the first of its stream.

    Raises:
        ModelError: There is no such model.
        ValueError: It was not taught the families.
    """
    editor = load_editor(model)
    asked_for = {family: asked(editor, family) for family in FAMILIES if family not in NOT_OF_PIXELS}

    def by_model(family: str, picture: Picture, matte: Picture | None) -> Picture:
        return editor.step([EditRequest(picture, asked_for[family], editor.open())])[0].picture

    return by_model


def compare(family: str, views: Sequence[View], make: Edit) -> Row:
    """Enlarge a family's edits both ways and compare with its full-size targets."""
    scores = []
    scaler = VideoReformatter()
    for view in views:
        camera = view.frame
        size = edit_size(camera.width, camera.height, SHORT_SIDE)
        source = _rgb(scaler.reformat(camera, *size, "rgb24", interpolation=EDITED_FROM))
        target = exact_edit(family, _exact_rgb(camera), view.matte)
        sent = av.VideoFrame.from_ndarray(target, format="rgb24")
        shown = [
            *_enlarged(camera, source, make(family, source, view.matte)),
            sent.reformat(format="yuv420p", interpolation=Interpolation.BICUBIC | EXACT_COLOURS),
        ]
        scores.append([psnr_db(_exact_rgb(video), target) for video in shown])
    bicubic, guided, bound = np.mean(scores, 0).tolist()
    first = views[0].frame
    return Row(family, first.width, first.height, bicubic, guided, guided - bicubic, bound)


def _enlarged(camera: av.VideoFrame, source: Picture, edited: Picture) -> tuple[av.VideoFrame, av.VideoFrame]:
    """A small edit at its camera's size, by bicubic interpolation and with the camera's detail."""
    edited = np.ascontiguousarray(edited)
    plain = av.VideoFrame.from_ndarray(edited, format="rgb24").reformat(
        camera.width, camera.height, "yuv420p", interpolation=Interpolation.BICUBIC
    )
    planes = cast(Picture, plain.to_ndarray())
    luma = cast(Picture, camera.to_ndarray())[: camera.height]
    planes[: camera.height] = guided_luma(luma, studio_luma(source), studio_luma(edited))
    return plain, av.VideoFrame.from_ndarray(planes, format="yuv420p")


def _rgb(video: av.VideoFrame) -> Picture:
    return np.ascontiguousarray(cast(Picture, video.to_ndarray()))


def _exact_rgb(video: av.VideoFrame) -> Picture:
    # swscale's quick way halves the colour resolution and rounds down: errors larger than those to be measured.
    return _rgb(video.reformat(format="rgb24", interpolation=Interpolation.BICUBIC | EXACT_COLOURS))


def time_detail(camera: av.VideoFrame, frames: int) -> Cost:
    """Time the live path's own step; guided and plain frames take turns."""
    size = edit_size(camera.width, camera.height, SHORT_SIDE)
    source = _rgb(camera.reformat(*size, "rgb24", interpolation=EDITED_FROM))
    detail = Detail(min(camera.width, camera.height))
    spent: dict[bool, list[float]] = {True: [], False: []}
    for index in range(2 * frames):
        guided = index % 2 == 0
        frame = Frame(
            0, 0, source, (camera.width, camera.height), 0.0, 0.0, camera=camera, kind="edited", guided=guided
        )
        frame.picture = np.asarray(255 - source)
        begun_s = time.perf_counter()
        detail.enlarge(frame)
        spent[guided].append(1000 * (time.perf_counter() - begun_s))
    detail.close()
    guided_ms, plain_ms = (float(np.median(spent[guided])) for guided in (True, False))
    return Cost(camera.width, camera.height, guided_ms, plain_ms)


def main(arguments: list[str]) -> int:
    """Measure and print; 0 on success, 2 where the input is wrong."""
    parser = argparse.ArgumentParser(prog="benchmarks.upsampling", description=__doc__.splitlines()[0])
    parser.add_argument("--media", type=Path, metavar="DIR", help="photographs (default: unseen ones)")
    parser.add_argument("--photographs", type=int, default=8, help="at most so many (default: 8)")
    parser.add_argument("--model", help="enlarge this model's edits, not the exact targets")
    parser.add_argument("--frames", type=int, default=50, help="frames timed (default: 50)")
    parser.add_argument("--json", action="store_true", help="print JSON alone on standard output")
    options = parser.parse_args(arguments)
    try:
        pictures = photographs(options.media, options.photographs)
        make = exact_edit if options.model is None else model_edit(options.model)
    except (ModelError, OSError, ValueError) as error:
        print(f"benchmarks.upsampling: {error}", file=sys.stderr)
        return 2
    rows: list[Row] = []
    costs: list[Cost] = []
    for size in SIZES:
        views = [seen(*picture, *size) for picture in pictures]
        for family in (name for name in FAMILIES if name not in NOT_OF_PIXELS):
            fitting = [view for view in views if family not in PEOPLE or view.matte is not None]
            if fitting:
                rows.append(compare(family, fitting, make))
        costs.append(time_detail(views[0].frame, options.frames))
    smaller = [
        sum(photograph.width < width or photograph.height < height for photograph, _ in pictures)
        for width, height in SIZES
    ]
    if options.json:
        print(json.dumps({"rows": [asdict(row) for row in rows], "costs": [asdict(cost) for cost in costs]}))
    else:
        _print(rows, costs, len(pictures), smaller)
    return 0


def _print(rows: Sequence[Row], costs: Sequence[Cost], photographs: int, smaller: Sequence[int]) -> None:
    console = Console(width=120)
    columns = ("bicubic dB", "guided dB", "gain dB", "bound dB")
    for cost, enlarged in zip(costs, smaller, strict=True):
        table = Table(
            title=f"{cost.width}x{cost.height}, {photographs} photographs, {enlarged} smaller than that"
        )
        table.add_column("family")
        for column in columns:
            table.add_column(column, justify="right")
        for row in rows:
            if (row.width, row.height) == (cost.width, cost.height):
                table.add_row(
                    row.family,
                    *(f"{value:.1f}" for value in (row.bicubic_db, row.guided_db)),
                    f"{row.gain_db:+.1f}",
                    f"{row.bound_db:.1f}",
                )
        console.print(table)
        console.print(
            f"p50 of a frame: {cost.guided_p50_ms:.1f} ms guided, {cost.bicubic_p50_ms:.1f} ms bicubic alone"
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
