"""`afterimage edit` with an editor that inverts, in this process or in one of its own."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engines.editor import EditRequest, EditResult
from server.files.command import main
from tests.server.fakes import InvertingEditor


@dataclass
class Recording(InvertingEditor):
    """Remembers what it was asked."""

    pictures: list[NDArray[np.uint8]] = field(default_factory=list)
    strengths: list[float] = field(default_factory=list)
    calls: int = 0

    def step(self, requests: Sequence[EditRequest]) -> list[EditResult]:
        results = super().step(requests)
        self.calls += 1
        self.pictures += [request.picture for request in requests]
        self.strengths += [request.strength for request in requests]
        return results


def run_edit(arguments: Sequence[object], editor: InvertingEditor) -> int:
    """The command with this editor in place of a model."""
    return main([str(argument) for argument in arguments], lambda _: editor)


if __name__ == "__main__":
    sys.exit(run_edit(sys.argv[2:], InvertingEditor(step_s=float(sys.argv[1]))))
