"""A small real editor: inverts the picture, takes the time it is told to, fails when told to."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch

from engines.compilers.interface import Footprint
from engines.compilers.programs import Build
from engines.conditioning import Conditioning, InstructionError
from engines.editor import EditRequest, EditResult
from engines.memory import EditState
from engines.model import Family, ModelDescription


@dataclass
class InvertingEditor:
    """Whatever the instruction: the negative. Texts with "gibberish" or a hat in them are unlike anything it knows.

    What that is joined to by "and" is known. "a third edit" is one too many.
    """

    step_s: float = 0.0
    failing: threading.Event = field(default_factory=threading.Event)
    hold: threading.Event | None = None
    batches: list[int] = field(default_factory=list)
    failing_marks: set[int] = field(default_factory=set)
    threads: set[int] = field(default_factory=set)

    size_multiple = 16
    build: ClassVar[Build | None] = None
    footprint: ClassVar[Footprint] = Footprint(weights_bytes=1000)
    description = ModelDescription(
        name="inverting",
        version="1",
        families=(Family("negative", "Negative", ("invert the colours",)),),
        steps=1,
        evaluations=1,
        compiler="numpy",
        precision="uint8",
        device="cpu",
    )

    def open(self, seed: int = 0) -> EditState:
        return EditState(seed)

    def encode(self, text: str) -> Conditioning:
        if not text.strip():
            raise InstructionError("an instruction needs words")
        third = "a third edit" in text
        known = not third and not any(word in text for word in ("gibberish", " hat "))
        half = not known and " and " in text
        return Conditioning(
            text,
            torch.zeros(4),
            "negative",
            0.9 if known else 0.1,
            known,
            ("invert the colours",),
            (("negative", 1.0),) if half else (),
            ("snow",) if third else (),
        )

    def step(self, requests: Sequence[EditRequest]) -> list[EditResult]:
        self.threads.add(threading.get_ident())
        if self.hold is not None:
            self.hold.wait(10)
        time.sleep(self.step_s)
        if self.failing.is_set():
            raise RuntimeError("the device is on fire")
        if any(int(request.picture[0, 0, 0]) in self.failing_marks for request in requests):
            raise RuntimeError("this picture is too much")
        self.batches.append(len(requests))
        return [EditResult(np.asarray(255 - request.picture), True, 1) for request in requests]


class LateEditor:
    """What a server loads: it waits until it is released, then gives an inverting editor, or fails with this."""

    def __init__(self, failure: Exception | None = None) -> None:
        self._failure, self._released = failure, threading.Event()

    def release(self) -> None:
        """Let the load end."""
        self._released.set()

    def __call__(self) -> InvertingEditor:
        """Load it."""
        self._released.wait(10)
        if self._failure is not None:
            raise self._failure
        return InvertingEditor()
