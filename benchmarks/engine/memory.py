"""Memory of the device that something takes."""

import gc
from functools import cache

import psutil
import torch
from torch.nn import functional


class GrownMemory:
    """What happens since it was made takes so many bytes of the device: of a CPU's at its end, of a GPU's at most."""

    def __init__(self, device: torch.device) -> None:
        self._gpu = device.type == "cuda"
        self._process = psutil.Process()
        gc.collect()
        if self._gpu:
            _load_libraries()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        self._before = self._taken()

    def settle(self) -> None:
        """Forget what building took; what running takes is asked for."""
        if self._gpu:
            gc.collect()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def grown(self) -> int:
        """Bytes."""
        return max(0, self._taken() - self._before)

    def _taken(self) -> int:
        if not self._gpu:
            return int(self._process.memory_info().rss)
        # TensorRT and compiled kernels allocate beside PyTorch: what the device has lost tells both.
        free, total = torch.cuda.mem_get_info()
        beside = total - free - torch.cuda.memory_reserved()
        return int(beside + torch.cuda.max_memory_reserved())


@cache
def _load_libraries() -> None:
    """What CUDA's libraries load at their first use stays on the device, and belongs to nobody who is measured."""
    picture = torch.ones(1, 8, 16, 16, dtype=torch.float16, device="cuda")
    functional.conv2d(picture, picture[:, :, :3, :3])
    rows = picture.flatten(2)
    functional.scaled_dot_product_attention(rows @ rows.mT, rows @ rows.mT, rows @ rows.mT)
    torch.cuda.synchronize()
