"""Where the pictures of a step are put together on their way to the device."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Staging:
    """Makes one batch of several pictures.

    On their way to a GPU they go through page-locked memory, which it reads by itself; other memory the driver would
    copy once more, and the processor would wait for it. There is one such place, used again for every step.

    Args:
        device: Where the batch will be read.
    """

    def __init__(self, device: torch.device) -> None:
        self._locks_pages = device.type == "cuda"
        self._place: Tensor | None = None

    def together(self, pictures: Sequence[NDArray[np.uint8]]) -> Tensor:
        """(B, H, W, 3) uint8 of pictures (H, W, 3) of one size; valid until the next call."""
        first = pictures[0]
        if self._locks_pages:
            place = self._room(len(pictures) * first.size)[: len(pictures) * first.size]
            batch = place.view(len(pictures), *first.shape)
            np.stack(pictures, out=batch.numpy())
            return batch
        # A single picture is not copied, unless it cannot be shared (a crop, a frame that must not be written).
        if len(pictures) == 1 and first.flags.c_contiguous and first.flags.writeable:
            return torch.from_numpy(first[None])
        return torch.from_numpy(np.stack(pictures))

    def _room(self, size: int) -> Tensor:
        if self._place is None or len(self._place) < size:
            self._place = torch.empty(size, dtype=torch.uint8, pin_memory=True)
        return self._place
