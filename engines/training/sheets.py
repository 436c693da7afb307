"""Sample sheets: source, target and output side by side, for a person to look at."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

_TILE = 128
_CAPTION = 14
_COLUMNS = 3
_DARK, _LIGHT = (24, 24, 28), (235, 235, 235)


def family_sheet(labels: Sequence[str], samples: Sequence[Tensor | None], path: Path) -> None:
    """Write a picture with three tiles for each edit: source, target and output.

    Args:
        labels: What each edit is called.
        samples: Source, target and output of each, (3, 3, H, W) in [0, 1]; None leaves its place empty.
        path: Where to write, .png or .jpg.
    """
    rows = -(-len(labels) // _COLUMNS)
    cell_width, cell_height = 3 * _TILE + 6, _TILE + _CAPTION
    sheet = Image.new("RGB", (_COLUMNS * cell_width, rows * cell_height), _DARK)
    draw = ImageDraw.Draw(sheet)
    for index, (label, sample) in enumerate(zip(labels, samples, strict=True)):
        left, top = index % _COLUMNS * cell_width, index // _COLUMNS * cell_height
        draw.text((left + 2, top + 1), label, fill=_LIGHT)
        for column, picture in enumerate([] if sample is None else sample):
            sheet.paste(_tile(picture), (left + column * _TILE, top + _CAPTION))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def time_sheet(sample: Tensor, path: Path) -> None:
    """Write one edit over time: a column for each frame, of source, target and output.

    Args:
        sample: (3, T, 3, H, W) in [0, 1].
        path: Where to write, .png or .jpg.
    """
    frames = sample.shape[1]
    sheet = Image.new("RGB", (frames * (_TILE + 2) - 2, 3 * (_TILE + 2) - 2), _DARK)
    for row, pictures in enumerate(sample):
        for column, picture in enumerate(pictures):
            sheet.paste(_tile(picture), (column * (_TILE + 2), row * (_TILE + 2)))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, quality=72)


def _tile(picture: Tensor) -> Image.Image:
    pixels = (picture.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(np.ascontiguousarray(pixels)).resize((_TILE, _TILE), Image.Resampling.LANCZOS)
