"""A server whose editor builds, as a compiler does: ``python -m tests.server.building_server``.

PyTorch edits until an instruction says "built"; then the compiled program takes over.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace

from engines.compilers.interface import CompilerName, FrameShape
from engines.compilers.programs import Build
from engines.conditioning import Conditioning
from engines.editor import EditRequest, EditResult
from server.serve import serve
from tests.server.fakes import InvertingEditor
from tests.server.inverting_server import asked_settings

BUILD = Build("inductor", FrameShape(1, 256, 320), "timing kernels", 0.426, 31.0, 42.0)


class BuildingEditor(InvertingEditor):
    """Builds until it is told that it has."""

    build: Build | None = BUILD  # type: ignore[misc]

    def encode(self, text: str) -> Conditioning:
        """Understand an instruction, and the one word about the build."""
        if "built" in text:
            self.build = None
        return super().encode(text)

    def step(self, requests: Sequence[EditRequest]) -> list[EditResult]:
        """Edit by whatever is there."""
        compiler: CompilerName = "inductor" if self.build is None else "eager"
        return [replace(result, compiler=compiler) for result in super().step(requests)]


if __name__ == "__main__":
    sys.exit(serve(asked_settings(), BuildingEditor))
