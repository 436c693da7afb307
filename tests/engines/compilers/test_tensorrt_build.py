"""What torch-tensorrt is given: it cannot be had without a GPU, what it converts can be seen all the same."""

from types import SimpleNamespace

import pytest
import torch
from torch.export import ExportedProgram

from engines.compilers import tensorrt_build, tensorrt_library
from engines.compilers.interface import FrameShape
from engines.compilers.parts import Partwise, parts_without_bytes, program_inputs
from engines.compilers.tensorrt_build import build_from_torch
from engines.compilers.tensorrt_library import TORCH_TENSORRT, TensorRtLibrary
from engines.model import ModelError
from tests.engines.compilers.subjects import subject

CPU = torch.device("cpu")
SHAPE = FrameShape(2, 64, 64)


class FrontEnd:
    """Keeps what it is to convert."""

    def __init__(self) -> None:
        self.exported: list[ExportedProgram] = []
        self.told: list[dict[str, object]] = []
        self.failure: Exception | None = None
        self.dynamo = SimpleNamespace(convert_exported_program_to_serialized_trt_engine=self._convert)

    def _convert(self, exported: ExportedProgram, **told: object) -> bytes:
        if self.failure is not None:
            raise self.failure
        self.exported.append(exported)
        self.told.append(told)
        return b"engine"


@pytest.fixture
def front_end(monkeypatch: pytest.MonkeyPatch) -> FrontEnd:
    made = FrontEnd()
    monkeypatch.setattr(tensorrt_library, "find_spec", lambda name: True)
    trt = SimpleNamespace(ILogger=type("ILogger", (), {}))
    monkeypatch.setattr(tensorrt_library, "import_module", lambda name: trt)
    monkeypatch.setattr(tensorrt_build, "import_module", lambda name: made)
    return made


def test_each_part_is_exported_with_inputs_of_its_own_names_and_without_a_cast_to_bytes(
    front_end: FrontEnd,
) -> None:
    """Engines are called by these names, and torch-tensorrt converts no cast to bytes."""
    program, library = subject("sd15", guided=True), TensorRtLibrary(TORCH_TENSORRT)
    parts = parts_without_bytes(program, torch.float32)
    weights = {name: value.data_ptr() for name, value in program.named_parameters()}
    for part in parts:
        engine = build_from_torch(library, part, program, torch.float32, SHAPE, CPU)
        assert bytes(engine) == b"engine"

    assert [exported.graph_signature.user_inputs for exported in front_end.exported] == [
        part.inputs for part in parts
    ]
    casts = {
        node.kwargs.get("dtype", node.args[-1])
        for exported in front_end.exported
        for node in exported.graph.nodes
        if node.op == "call_function" and "to" in str(node.target).split(".")
    }
    assert torch.uint8 not in casts
    assert all(told["use_explicit_typing"] for told in front_end.told)
    # The frame that PyTorch edits meanwhile has the same weights.
    assert {name: value.data_ptr() for name, value in program.named_parameters()} == weights


def test_a_frame_of_parts_without_bytes_is_the_same_frame() -> None:
    program = subject("sd15")
    inputs = program_inputs(program, SHAPE, torch.Generator().manual_seed(0))
    for dtype in (torch.float32, torch.bfloat16):
        own = subject("sd15").to(dtype)
        runs = [part.module for part in parts_without_bytes(own, dtype)]
        shown, _ = Partwise(own, dtype, CPU, *runs)(*inputs)
        given = (inputs[0], *(value.to(dtype) for value in inputs[1:]))
        with torch.inference_mode():
            expected, _ = own(*given)

        assert torch.equal(shown, expected)


def test_what_cannot_be_converted_is_one_line(front_end: FrontEnd) -> None:
    program, library = subject("sd15"), TensorRtLibrary(TORCH_TENSORRT)
    front_end.failure = RuntimeError("no converter for aten.quux\nat a place of its own")
    with pytest.raises(
        ModelError, match=r"torch-tensorrt cannot convert the encoder: no converter for aten.quux$"
    ):
        build_from_torch(
            library, parts_without_bytes(program, torch.float32)[0], program, torch.float32, SHAPE, CPU
        )
