"""Instruction codes where the model runs: SD 3.5's is 5.5 MB, more than all else that a frame takes to a GPU."""

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary


class DeviceCodes:
    """Takes each code to the device once, and forgets it with the code.

    Args:
        device: Where the model runs.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._there = WeakTensorKeyDictionary()

    def __len__(self) -> int:
        return len(self._there)

    def there(self, code: Tensor) -> Tensor:
        """The code on the device; the same tensor at every call."""
        if code.device.type == self._device.type:
            return code
        kept: Tensor | None = self._there.get(code)  # type: ignore[no-untyped-call]
        if kept is None:
            kept = code.to(self._device)
            self._there[code] = kept
        return kept
