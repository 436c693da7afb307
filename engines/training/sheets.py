"""Sample sheets: source, target and output side by side, for a person to look at."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from engines.families import FAMILIES, LABELS

_TILE = 128
_CAPTION = 14


def family_sheet(sources: Tensor, targets: Tensor, outputs: Tensor, path: Path) -> None:
    """Write a picture with three tiles for each family: source, target and output.

    Args:
        sources: One picture for each family, (F, 3, H, W) in [0, 1].
        targets: Their exact edits, same shape.
        outputs: What the model made of them, same shape.
        path: Where to write, .png or .jpg.
    """
    columns = 3
    rows = -(-len(FAMILIES) // columns)
    cell_width, cell_height = 3 * _TILE + 6, _TILE + _CAPTION
    sheet = Image.new("RGB", (columns * cell_width, rows * cell_height), (24, 24, 28))
    draw = ImageDraw.Draw(sheet)
    for index, family in enumerate(FAMILIES):
        left, top = index % columns * cell_width, index // columns * cell_height
        draw.text((left + 2, top + 1), LABELS[family], fill=(235, 235, 235))
        for column, pictures in enumerate((sources, targets, outputs)):
            sheet.paste(_tile(pictures[index]), (left + column * _TILE, top + _CAPTION))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def _tile(picture: Tensor) -> Image.Image:
    pixels = (picture.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(np.ascontiguousarray(pixels)).resize((_TILE, _TILE), Image.Resampling.LANCZOS)
