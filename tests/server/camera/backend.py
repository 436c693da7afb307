"""A driver for pyvirtualcam that keeps what it is sent; run as a program, `afterimage camera` with it."""

import sys
from collections import deque

import numpy as np
import pyvirtualcam

from server.camera.command import main
from tests.server.screen import Picture

NAME = "kept"


class KeptCamera:
    """pyvirtualcam's interface of a driver (`pyvirtualcam.Backend`).

    Attributes:
        opened: Every one, oldest first.
        pictures: The last few it was sent.
    """

    opened: "list[KeptCamera]" = []  # noqa: RUF012 - pyvirtualcam gives out the class and not the one it makes

    def __init__(self, *, width: int, height: int, fps: float, fourcc: int, device: str | None) -> None:
        if device not in (None, "Kept Camera"):
            raise ValueError(f"there is no {device}")
        self.size, self.fps = (width, height), fps
        self.pictures: deque[Picture] = deque(maxlen=4)
        self.sent, self.closed = 0, False
        self.opened.append(self)

    def close(self) -> None:
        self.closed = True

    def send(self, frame: Picture) -> None:
        self.pictures.append(np.array(frame).reshape(self.size[1], self.size[0], 3))
        self.sent += 1

    def device(self) -> str:
        return "Kept Camera"

    def native_fourcc(self) -> None:
        return None


def register() -> None:
    """Make it known; it is asked only by name where the machine has drivers of its own."""
    pyvirtualcam.register_backend(NAME, KeptCamera)


if __name__ == "__main__":
    register()
    sys.exit(main([*sys.argv[1:], "--backend", NAME]))
