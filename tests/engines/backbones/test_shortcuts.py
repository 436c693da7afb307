"""The embedded network's shortcuts against the whole of it, and the codes that they are for."""

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from engines.backbones.shortcuts import shortcut, shortcuts
from engines.backbones.tiny import TinyConfig, TinyDenoiser
from engines.conditioning import instruction_code
from engines.families import FAMILIES
from tests.engines.backbones.test_branches import EVERY_PART, code_of, inputs

TAKEN = {
    "recolour": "recolouring",
    "colour_pop": "recolouring",
    "background_blur": "defocusing",
    "background_replace": "defocusing",
}


@pytest.fixture(scope="module")
def denoiser() -> TinyDenoiser:
    torch.manual_seed(0)
    made = TinyDenoiser(EVERY_PART).eval()
    torch.nn.init.normal_(made.detail.out.weight, std=0.2)
    return made


@pytest.mark.parametrize("amount", [0.5, 1.5])
@pytest.mark.parametrize("family", TAKEN)
@torch.inference_mode()
def test_a_shortcut_predicts_what_the_whole_network_does(
    denoiser: TinyDenoiser, family: str, amount: float
) -> None:
    code = instruction_code({family: 1.0}, amount, rgb=(0.9, 0.1, 0.1), rgb_of=(0.1, 0.2, 0.9))
    given = inputs(code, height=20, width=12)

    name = shortcut(denoiser, given[-1])

    assert name == TAKEN[family]
    assert torch.equal(shortcuts(denoiser)[name](*given), denoiser(*given))


@torch.inference_mode()
def test_it_does_a_small_part_of_the_work() -> None:
    denoiser = TinyDenoiser(TinyConfig())

    def operations(module: torch.nn.Module) -> int:
        with FlopCounterMode(display=False) as counter:
            module(*inputs(code_of("background_blur")))
        return int(counter.get_total_flops())

    assert 4 * operations(shortcuts(denoiser)["defocusing"]) < operations(denoiser)


@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in TAKEN])
def test_no_other_family_takes_one(denoiser: TinyDenoiser, family: str) -> None:
    assert shortcut(denoiser, code_of(family)[None]) is None


NEEDING_THE_TRUNK = {
    "a transition": torch.lerp(code_of("night"), code_of("recolour"), 0.9),
    "an unsure reading": instruction_code({"recolour": 0.6, "colour_pop": 0.4}),
    "two at once": instruction_code({"night": 1.0, "background_blur": 1.0}),
    "no instruction": torch.zeros(EVERY_PART.code_length),
}


@pytest.mark.parametrize("code", NEEDING_THE_TRUNK.values(), ids=NEEDING_THE_TRUNK.keys())
def test_where_more_is_seen_the_whole_network_runs(denoiser: TinyDenoiser, code: Tensor) -> None:
    assert shortcut(denoiser, code[None]) is None


def test_a_batch_takes_one_only_together(denoiser: TinyDenoiser) -> None:
    alike = torch.stack([code_of("recolour"), code_of("colour_pop")])
    apart = torch.stack([code_of("recolour"), code_of("background_blur")])

    assert shortcut(denoiser, alike) == "recolouring"
    assert shortcut(denoiser, apart) is None


def test_a_network_without_these_parts_has_none() -> None:
    plain = TinyDenoiser(type(EVERY_PART)(**{**vars(EVERY_PART), "hue_families": (), "defocus_families": ()}))

    assert shortcuts(plain) == {}
    assert shortcut(plain, code_of("recolour")[None]) is None
