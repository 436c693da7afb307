import json
from pathlib import Path

import pytest
import torch

from engines.backbones.tiny import NormalisedConv2d, TinyDenoiser
from engines.backbones.tiny_folder import load_denoiser, plain_weights, save_denoiser
from tests.engines.backbones.test_tiny import inputs
from tests.engines.streams import SMALL


def test_a_denoiser_of_before_version_7_is_refused_with_what_to_do(tmp_path: Path) -> None:
    denoiser = TinyDenoiser(SMALL)
    save_denoiser(denoiser, denoiser.state_dict(), tmp_path)
    stored = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**stored, "figure_widths": [64, 96, 128]}))

    with pytest.raises(
        ValueError, match=r"rfdm-tiny 6 or older.*`afterimage train --media DIR --from .*` makes one"
    ):
        load_denoiser(tmp_path)


def test_a_saved_denoiser_comes_back_to_half_precision(tmp_path: Path) -> None:
    denoiser = TinyDenoiser(SMALL).eval()
    save_denoiser(denoiser, denoiser.state_dict(), tmp_path)
    loaded = load_denoiser(tmp_path)

    assert loaded.config == SMALL
    torch.testing.assert_close(loaded(*inputs()), denoiser(*inputs()), atol=2e-2, rtol=2e-2)


def test_another_class_is_refused(tmp_path: Path) -> None:
    denoiser = TinyDenoiser(SMALL)
    save_denoiser(denoiser, denoiser.state_dict(), tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"_class_name": "UNet2DConditionModel"}))

    with pytest.raises(ValueError, match="does not hold a TinyDenoiser"):
        load_denoiser(tmp_path)


def test_an_unknown_field_is_refused_by_name(tmp_path: Path) -> None:
    denoiser = TinyDenoiser(SMALL)
    save_denoiser(denoiser, denoiser.state_dict(), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "attention": True}))

    with pytest.raises(ValueError, match="attention"):
        load_denoiser(tmp_path)


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    denoiser = TinyDenoiser(SMALL)
    save_denoiser(denoiser, denoiser.state_dict(), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "widths": [16, 16, 32]}))

    with pytest.raises(RuntimeError, match="size mismatch"):
        load_denoiser(tmp_path)


def test_plain_weights_do_what_the_normalised_network_does() -> None:
    trained = TinyDenoiser(SMALL, NormalisedConv2d).eval()
    torch.nn.init.normal_(trained.detail.out.weight)
    plain = TinyDenoiser(SMALL).eval()
    plain.load_state_dict(plain_weights(trained, trained.state_dict()))

    torch.testing.assert_close(plain(*inputs()), trained(*inputs()))
