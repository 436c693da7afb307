"""What only a GPU can show: recorded frames, streams, its memory. ``pytest -m gpu`` runs these where there is one."""

from pathlib import Path
from typing import get_args

import pytest
import torch
from torch import Tensor

from engines.compilers.availability import compilers_here
from engines.compilers.choose import choose_compiler, home_of
from engines.compilers.cuda_graph import GraphedProgram
from engines.compilers.eager import EagerCompiler, placed
from engines.compilers.interface import CompiledProgram, CompilerName, FrameShape, Report, unreported
from engines.compilers.parts import Partwise, parts_of, program_inputs
from engines.compilers.placement import copy_in
from engines.compilers.store import EngineStore
from engines.compilers.verify import LIMIT, parts_within, relative_error, verify_parts
from engines.editor import Editor, EditRequest
from engines.memory import EditState
from engines.text_encoders import ClipEmbedder, FreeInstructionEncoder, TextTower
from engines.training.backbone import BackboneTrainer
from tests.engines.compilers.subjects import BACKBONES, subject
from tests.engines.stock import TOKENS, clip, clip_tokenizer
from tests.engines.streams import picture, small_parts
from tests.engines.training.test_backbone import Backbone, four_clips, sd15, sd35, settings

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no NVIDIA GPU"),
]
GPU = torch.device("cuda")
SHAPE = FrameShape(2, 64, 96)


def inputs_of(
    backbone: str, seed: int, shape: FrameShape = SHAPE
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    return program_inputs(subject(backbone), shape, torch.Generator().manual_seed(seed))


def recorded(backbone: str, shape: FrameShape = SHAPE) -> GraphedProgram:
    program = placed(subject(backbone, steps=2), GPU, torch.float32)
    runs = [part.module for part in parts_of(program, torch.float32)]
    example = tuple(value.to(GPU) for value in program_inputs(program, shape))
    return GraphedProgram(Partwise(program, torch.float32, GPU, *runs), example)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_recorded_frame_is_the_frame_of_what_it_is_given_now(backbone: str) -> None:
    graphed, plain = recorded(backbone), EagerCompiler(subject(backbone, steps=2), GPU, torch.float32)
    latents = []
    for seed in range(3):
        shown, latent = graphed(*inputs_of(backbone, seed))
        expected, remembered = plain.compile(SHAPE)(*inputs_of(backbone, seed))
        latents.append((latent, remembered))
        assert relative_error(shown, expected) < LIMIT

    # A stream remembers for longer than until the next frame of another.
    for latent, remembered in latents:
        assert relative_error(latent, remembered) < LIMIT


def test_what_a_recording_holds_is_counted() -> None:
    graphed = recorded("sd15")
    latents = 2 * 4 * 8 * 12 * 4

    assert latents < graphed.workspace_bytes < 2**30


def test_weights_that_a_stand_in_shares_are_counted_once() -> None:
    program = copy_in(subject("sd15"), GPU, torch.bfloat16)
    alone, beside = (
        EagerCompiler(program, GPU, torch.bfloat16, stands_in=stands_in).footprint().weights_bytes
        for stands_in in (False, True)
    )
    other = EagerCompiler(program, GPU, torch.float32, stands_in=True)

    assert alone > 0
    assert beside == 0
    assert other.footprint().weights_bytes > alone


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("name", get_args(CompilerName))
def test_every_compiler_that_runs_here_agrees_with_pytorch(
    name: CompilerName, backbone: str, tmp_path: Path
) -> None:
    here = {each.compiler: each for each in compilers_here()}
    if name in ("openvino", "onnxruntime") or not here[name].runs:
        pytest.skip(here[name].reason or "it runs on the CPU")
    home, dtype = home_of(name, "auto", GPU)
    program = copy_in(subject(backbone, steps=2), home, dtype)
    store = EngineStore(tmp_path)
    for _ in range(2):
        compiler = choose_compiler(name, program, GPU, lambda: None, store, batches=(2,))
        compiled = compiler.compile(SHAPE)
        shown, _ = compiled(*inputs_of(backbone, 0))
        assert shown.shape == (2, 64, 96, 3)
        frame = parts_within(compiled)
        if frame is not None:
            checks = verify_parts(frame, copy_in(subject(backbone), GPU, torch.float32), SHAPE, name)
            assert all(check.passed for check in checks), checks
    assert compiler.footprint().weights_bytes > 0


def test_streams_of_one_gpu_are_edited_as_if_alone_whatever_their_number() -> None:
    """One stream's memory goes from the recording of one batch to that of another."""
    parts, program = small_parts(), subject("tiny")
    plain = EagerCompiler(program, GPU, torch.float32)

    class Recorded(EagerCompiler):
        """Each batch recorded by itself."""

        def compile(self, shape: FrameShape, report: Report = unreported) -> CompiledProgram:
            runs = [part.module for part in parts_of(self.program, torch.float32)]
            example = tuple(value.to(GPU) for value in program_inputs(self.program, shape))
            return GraphedProgram(Partwise(self.program, torch.float32, GPU, *runs), example)

    def edited(editor: Editor) -> list[Tensor]:
        states: list[EditState] = [editor.open(seed) for seed in range(2)]
        shown = []
        for frame, count in enumerate((1, 2, 1, 2)):
            requests = [
                EditRequest(picture(frame, 64, 96), editor.encode("sepia"), state) for state in states[:count]
            ]
            shown += [torch.from_numpy(result.picture) for result in editor.step(requests)]
        return shown

    both = (
        Editor(parts, program, compiler, "cuda")
        for compiler in (plain, Recorded(program, GPU, torch.float32))
    )
    for one, other in zip(*map(edited, both), strict=True):
        assert int((one.int() - other.int()).abs().max()) <= 1


def test_text_encoders_only_visit_the_gpu() -> None:
    torch.manual_seed(0)
    model = clip(16)
    stays = ClipEmbedder(TextTower(clip_tokenizer(), model, TOKENS, torch.device("cpu"))).embed("snow")
    torch.manual_seed(0)
    visiting = TextTower(clip_tokenizer(), clip(16), TOKENS, GPU)
    code = FreeInstructionEncoder(ClipEmbedder(visiting)).encode("snow").code

    assert code.device.type == "cpu"
    assert relative_error(code, stays) < LIMIT
    assert {weight.device.type for weight in visiting.model.parameters()} == {"cpu"}


@pytest.mark.parametrize("backbone", [sd15, sd35])
def test_training_on_a_gpu_goes_on_after_a_stop(backbone: Backbone, tmp_path: Path) -> None:
    losses = []
    for _ in range(2):
        trainer = BackboneTrainer(*backbone(), settings(mixed_precision="bf16"), tmp_path)
        losses.append(trainer.train_step(four_clips()))
        trainer.save()

    assert trainer.step == 2
    assert {weight.device.type for weight in trainer.average.shadow_params} == {"cuda"}
    assert all(0 < loss < float("inf") for loss in losses)
