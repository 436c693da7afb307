"""How far a stream's edit has wandered from the one it began with.

What an edit makes of the source's colours is learnt over the first frames after the memory was emptied, as the best
affine map from source to edit. Later the map says what the edit's mean colour should be; what it is instead, averaged
over the last second, is the drift. Errors that feed back through a memory build up in exactly this way, as a cast or
a change of brightness, while motion and noise average out. It costs a few thousandths of a frame's edit.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

LEARN_FRAMES = 10
"""Frames after an anchor that teach the map."""

_SAMPLED_ROWS = 32
"""Of a picture, or of its columns where there are fewer: a larger one is sampled no more often than one of 256."""
_SMOOTHING_FRAMES = 30
_RIDGE = 1e-5

Floats = NDArray[np.floating[Any]]


class DriftMeter:
    """Measures one stream."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew: the memory was emptied, or the edit is meant to look different from here."""
        self._moments, self._products = np.zeros((4, 4)), np.zeros((4, 3))
        self._frames, self._strength = 0, 1.0
        self._map: Floats | None = None
        self._shift: Floats = np.zeros(3)

    def measure(
        self, source: NDArray[np.uint8], edit: NDArray[np.uint8], strength: float = 1.0
    ) -> float | None:
        """Take in a frame and its edit.

        Args:
            source: (H, W, 3).
            edit: Same shape.
            strength: How much of the edit is shown; another one is another look, and begins anew.

        Returns:
            The largest shift of a colour channel's mean, averaged over about a second, in [0, 1] of the range of
            values; None while the edit's colours are still being learnt.

        Raises:
            ValueError: The two differ in shape.
        """
        if source.shape != edit.shape:
            raise ValueError(f"an edit of {edit.shape} for a source of {source.shape}")
        if strength != self._strength:
            self.reset()
            self._strength = strength
        colours, edited = _colours(source), _colours(edit)
        known = np.concatenate([colours, np.ones((len(colours), 1))], 1)
        if self._map is None:
            self._learn(known, edited)
            return None
        shift = edited.mean(0) - known.mean(0) @ self._map
        self._shift = self._shift + (shift - self._shift) / _SMOOTHING_FRAMES
        return float(np.abs(self._shift).max())

    def _learn(self, known: Floats, edited: Floats) -> None:
        self._moments += known.T @ known / len(known)
        self._products += known.T @ edited / len(known)
        self._frames += 1
        if self._frames == LEARN_FRAMES:
            # The ridge keeps a grey or empty scene, whose channels say the same, from having no answer.
            ridge = _RIDGE * self._frames * np.eye(4)
            self._map = np.linalg.solve(self._moments + ridge, self._products)


def _colours(picture: NDArray[np.uint8]) -> Floats:
    """(N, 3) samples in [0, 1], spread over the picture."""
    every = max(8, min(picture.shape[:2]) // _SAMPLED_ROWS)
    return picture[every // 2 :: every, every // 2 :: every].reshape(-1, 3) / np.float64(255)
