"""Batches by number: what a step sees depends on the seed and the step alone.

So a killed run goes on as if it had not been, and any number of processes may prepare what is ahead.
"""

from collections.abc import Callable, Iterator
from itertools import count
from typing import TypeVar

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

Batch = TypeVar("Batch")


def generator_at(seed: int, step: int) -> torch.Generator:
    """The generator of everything random in a step's batch."""
    mixed = np.random.SeedSequence((seed, step)).generate_state(1)
    return torch.Generator().manual_seed(int(mixed[0]))


def batches_from(draw: Callable[[int], Batch], workers: int, first: int) -> Iterator[Batch]:
    """``draw(first)``, ``draw(first + 1)`` and so on without end, the same for any number of ``workers``.

    Args:
        draw: The batch of a step.
        workers: Processes that draw ahead; 0 draws in this one, when asked.
        first: Step to begin with.
    """
    return iter(DataLoader(_Batches(first, draw), batch_size=None, num_workers=workers, collate_fn=_as_drawn))


class _Batches(IterableDataset[Batch]):
    """A worker's share: the loader asks its workers in turn, so each draws every n-th batch."""

    def __init__(self, first: int, draw: Callable[[int], Batch]) -> None:
        self._first, self._draw = first, draw

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        offset, stride = (worker.id, worker.num_workers) if worker else (0, 1)
        return map(self._draw, count(self._first + offset, stride))


def _as_drawn(batch: Batch) -> Batch:
    return batch
