"""How near one picture is to another, by the measure that clips are scored with."""

import numpy as np
import torch
from numpy.typing import NDArray

from engines import metrics


def psnr_db(picture: NDArray[np.uint8], target: NDArray[np.uint8]) -> float:
    """:func:`engines.metrics.psnr_db` of two (H, W, 3) pictures; 60 dB where they are alike.

    Raises:
        ValueError: Their shapes differ.
    """
    first, second = (
        torch.from_numpy(np.ascontiguousarray(each)).permute(2, 0, 1)[None].double() / 255
        for each in (picture, target)
    )
    return float(metrics.psnr_db(first, second))
