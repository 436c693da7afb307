"""Instruction codes where the model runs: SD 3.5's is 5.5 MB, more than all else that a frame takes to a GPU."""

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

MOST_CODES = 32
"""Kept on the device: some more than one step edits by, and far fewer than a server remembers."""


class DeviceCodes:
    """Takes each code to the device once; forgets it with the code, or when enough others have been used since.

    Args:
        device: Where the model runs.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._there = WeakTensorKeyDictionary()

    def __len__(self) -> int:
        return len(self._there)

    def there(self, code: Tensor) -> Tensor:
        """The code on the device; the same tensor at every call while it is kept."""
        if code.device.type == self._device.type:
            return code
        kept: Tensor | None = self._there.pop(code, None)  # type: ignore[no-untyped-call]
        if kept is None:
            kept = code.to(self._device)
        # The one used last comes last.
        self._there[code] = kept
        if len(self._there) > MOST_CODES:
            del self._there[next(iter(self._there.keys()))]  # type: ignore[no-untyped-call]
        return kept
