import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from engines.backbones.tiny import NormalisedConv2d, TinyConfig, TinyDenoiser
from engines.backbones.tiny_folder import plain_weights, save_denoiser
from engines.conditioning import instruction_code
from engines.families import FAMILIES
from engines.training.warm_start import WarmStartError, warm_start

SHAPE: dict[str, Any] = {
    "widths": (16, 16, 16),
    "blocks": (1, 1, 1),
    "condition_width": 16,
    "detail_width": 8,
}
SMALL = TinyConfig(**SHAPE, context_width=16, context_blocks=1)
OLD_FAMILIES = 25
OLD = TinyConfig(
    **SHAPE,
    code_length=OLD_FAMILIES + 4,
    figure_families=(),
    hue_families=(),
    defocus_families=(),
    field_families=(),
    eraser_families=(),
)
_WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A model of the first version: 25 families, one amount, one colour, nothing that later versions added."""
    torch.manual_seed(0)
    trained = TinyDenoiser(OLD, NormalisedConv2d)
    torch.nn.init.normal_(trained.detail.out.weight, std=0.3)
    torch.nn.init.normal_(trained.bypass.weight, std=0.1)
    folder = tmp_path / "old" / "denoiser"
    save_denoiser(trained, plain_weights(trained, trained.state_dict()), folder)
    later = ("field", "figure", "eraser", "matte", "reduce2", "context", "enlarge2")
    kept = {name: value for name, value in load_file(folder / _WEIGHTS).items() if not name.startswith(later)}
    save_file(kept, folder / _WEIGHTS)
    return tmp_path / "old"


def latents() -> list[torch.Tensor]:
    return list(torch.randn(3, 2, 48, 16, 20, generator=torch.Generator().manual_seed(1)))


def test_an_old_family_is_edited_just_as_before(old: Path) -> None:
    torch.manual_seed(1)
    started = TinyDenoiser(SMALL, NormalisedConv2d)
    fresh = warm_start(started, old)
    before = TinyDenoiser(OLD)
    before.load_state_dict(load_file(old / "denoiser" / _WEIGHTS), strict=False)
    torch.nn.init.zeros_(before.matte_gate.weight)
    torch.nn.init.zeros_(before.context_gate.weight)
    old_code = torch.zeros(2, OLD_FAMILIES + 4)
    old_code[0, FAMILIES.index("tint")] = 1.0
    old_code[0, OLD_FAMILIES:] = torch.tensor([0.7, 0.1, 0.2, 0.9])
    old_code[1, FAMILIES.index("negative")] = old_code[1, OLD_FAMILIES] = 1.0
    new_code = torch.stack(
        [instruction_code({"tint": 1.0}, 0.7, (0.1, 0.2, 0.9)), instruction_code({"negative": 1.0})]
    )
    sigma = torch.ones(2)

    with torch.no_grad():
        expected, edited = before(*latents(), sigma, old_code), started(*latents(), sigma, new_code)

    # The old weights are kept in half precision, and the filters are brought back to their norm from those.
    torch.testing.assert_close(edited, expected, atol=1e-2, rtol=0)
    assert {"field.stem.filters", "context_gate.weight", "enlarge2.filters"} <= set(fresh)
    assert "stem.filters" not in fresh


def test_a_model_of_the_same_version_comes_back_whole(tmp_path: Path) -> None:
    torch.manual_seed(0)
    trained = TinyDenoiser(SMALL, NormalisedConv2d)
    save_denoiser(trained, plain_weights(trained, trained.state_dict()), tmp_path)
    started = TinyDenoiser(SMALL, NormalisedConv2d)

    assert warm_start(started, tmp_path) == ()
    inputs = (*latents(), torch.ones(2), torch.zeros(2, SMALL.code_length))
    with torch.no_grad():
        torch.testing.assert_close(started(*inputs), trained(*inputs), atol=2e-2, rtol=0)


def test_another_shape_is_refused_with_both_named(old: Path) -> None:
    wider = TinyDenoiser(TinyConfig(**{**SHAPE, "widths": (24, 16, 16)}), NormalisedConv2d)

    with pytest.raises(WarmStartError, match=r"\(16, \d+\).*\(24, \d+\)"):
        warm_start(wider, old)


def test_a_folder_without_a_denoiser_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({}))

    with pytest.raises(WarmStartError, match="holds no trained denoiser"):
        warm_start(TinyDenoiser(SMALL, NormalisedConv2d), tmp_path)
