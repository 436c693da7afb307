"""The network with branches against the network without, and which parts run."""

import warnings
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from engines.backbones.branches import BranchingDenoiser, row_branch, traceable_branch
from engines.backbones.tiny import TinyDenoiser
from engines.conditioning import instruction_code
from engines.families import FAMILIES
from tests.engines.streams import SMALL

EVERY_PART = replace(
    SMALL,
    hue_families=(FAMILIES.index("recolour"), FAMILIES.index("colour_pop")),
    defocus_families=(FAMILIES.index("background_blur"), FAMILIES.index("background_replace")),
)
NEEDS: dict[str, set[str]] = {
    "sepia": set(),
    "background_dark": {"figure"},
    "background_replace": {"figure", "defocus"},
    "background_blur": {"figure", "defocus"},
    "recolour": {"hue"},
    "remove_balloons": {"eraser"},
    "snow": {"field"},
}
"""Family -> the parts that its frames run."""


@pytest.fixture(scope="module")
def denoiser() -> TinyDenoiser:
    torch.manual_seed(0)
    made = TinyDenoiser(EVERY_PART).eval()
    torch.nn.init.normal_(made.detail.out.weight, std=0.2)
    torch.nn.init.normal_(made.matte_gate.weight, std=1.0)
    return made


@pytest.fixture(scope="module")
def branching(denoiser: TinyDenoiser) -> BranchingDenoiser:
    with warnings.catch_warnings():
        # Tracing and scripting are announced as old, and checks of shapes as constants.
        warnings.simplefilter("ignore")
        return BranchingDenoiser(denoiser, traceable_branch)


def inputs(*codes: Tensor, height: int = 16, width: int = 24) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    latents = list(torch.randn(3, len(codes), 48, height, width, generator=generator))
    return [*latents, torch.ones(len(codes)), torch.stack(codes)]


def code_of(family: str) -> Tensor:
    return instruction_code({family: 1.0}, rgb=(0.9, 0.1, 0.1), rgb_of=(0.1, 0.2, 0.9))


@pytest.mark.parametrize("family", NEEDS)
@torch.inference_mode()
def test_every_family_is_edited_as_by_the_network_without_branches(
    denoiser: TinyDenoiser, branching: BranchingDenoiser, family: str
) -> None:
    given = inputs(code_of(family))

    assert torch.equal(branching(*given), denoiser(*given))


@torch.inference_mode()
def operations(module: torch.nn.Module, *given: Tensor) -> int:
    """Multiplications and additions of one call."""
    with FlopCounterMode(display=False) as counter:
        module(*given)
    return int(counter.get_total_flops())


@pytest.mark.parametrize("family", NEEDS)
def test_what_a_code_does_not_ask_for_is_not_computed(
    denoiser: TinyDenoiser, branching: BranchingDenoiser, family: str
) -> None:
    given = inputs(code_of(family))
    noise, source, _, amount, code = given
    parts = {
        "eraser": operations(denoiser.eraser, source),
        "figure": operations(denoiser.figure, source),
        "field": operations(denoiser.field, noise, code),
        "hue": operations(denoiser.get_submodule("hue"), source, code),
        "defocus": operations(denoiser.get_submodule("defocus"), source, source[:, :4], amount),
    }

    saved = sum(count for part, count in parts.items() if part not in NEEDS[family])
    assert operations(branching, *given) == operations(denoiser, *given) - saved


@torch.inference_mode()
def test_other_sizes_and_batches_that_mix_families_are_edited_alike(
    denoiser: TinyDenoiser, branching: BranchingDenoiser
) -> None:
    given = inputs(*(code_of(family) for family in NEEDS), height=20, width=12)

    torch.testing.assert_close(branching(*given), denoiser(*given), atol=1e-5, rtol=1e-5)


@pytest.fixture(scope="module")
def in_training(denoiser: TinyDenoiser) -> BranchingDenoiser:
    return BranchingDenoiser(denoiser, row_branch)


@torch.inference_mode()
def test_in_training_a_batch_that_mixes_families_is_edited_alike(
    denoiser: TinyDenoiser, in_training: BranchingDenoiser
) -> None:
    given = inputs(*(code_of(family) for family in NEEDS), height=20, width=12)

    torch.testing.assert_close(in_training(*given), denoiser(*given), atol=1e-5, rtol=1e-5)


def test_in_training_a_part_runs_for_those_alone_who_ask_for_it(
    denoiser: TinyDenoiser, in_training: BranchingDenoiser
) -> None:
    one = operations(in_training, *inputs(code_of("remove_balloons")))
    other = operations(in_training, *inputs(code_of("sepia")))

    together = operations(in_training, *inputs(code_of("sepia"), code_of("remove_balloons")))

    assert other < one
    assert together == one + other


def test_in_training_gradients_pass_the_branches(
    denoiser: TinyDenoiser, in_training: BranchingDenoiser
) -> None:
    weight = denoiser.get_parameter("stem.weight")
    given = inputs(code_of("sepia"), code_of("snow"))

    (through,) = torch.autograd.grad(in_training(*given).square().sum(), weight)
    (expected,) = torch.autograd.grad(denoiser(*given).square().sum(), weight)

    torch.testing.assert_close(through, expected, atol=1e-4, rtol=1e-4)


def test_in_training_what_a_loose_code_barely_holds_runs_nothing(in_training: BranchingDenoiser) -> None:
    loose = code_of("sepia")
    loose[: len(FAMILIES)] = 0.9 * loose[: len(FAMILIES)] + 0.1 / len(FAMILIES)

    assert operations(in_training, *inputs(loose)) == operations(in_training, *inputs(code_of("sepia")))


@torch.inference_mode()
def test_a_transition_runs_what_both_ends_need(denoiser: TinyDenoiser, branching: BranchingDenoiser) -> None:
    given = inputs(torch.lerp(code_of("remove_balloons"), code_of("background_replace"), 0.25))

    assert torch.equal(branching(*given), denoiser(*given))
