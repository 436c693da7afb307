import json
from pathlib import Path

import pytest
import torch

from engines.backbones.tiny import NormalisedConv2d, TinyDenoiser
from engines.backbones.tiny_folder import load_denoiser, plain_weights, save_denoiser
from tests.engines.backbones.test_tiny import inputs
from tests.engines.streams import SMALL


def test_a_saved_denoiser_comes_back_to_half_precision(tmp_path: Path) -> None:
    denoiser = TinyDenoiser(SMALL).eval()
    save_denoiser(denoiser, denoiser.state_dict(), tmp_path)
    loaded = load_denoiser(tmp_path)

    assert loaded.config == SMALL
    torch.testing.assert_close(loaded(*inputs()), denoiser(*inputs()), atol=2e-2, rtol=2e-2)


@pytest.mark.parametrize(
    ("field", "value", "error", "said"),
    [
        ("_class_name", "UNet2DConditionModel", ValueError, "does not hold a TinyDenoiser"),
        ("attention", True, ValueError, "attention"),
        ("widths", [16, 16, 32], RuntimeError, "size mismatch"),
        (
            "figure_widths",
            [64, 96, 128],
            ValueError,
            r"rfdm-tiny 6 or older.*`afterimage train --media DIR --from .*` makes one",
        ),
    ],
)
def test_another_networks_configuration_is_refused(
    field: str, value: object, error: type[Exception], said: str, tmp_path: Path
) -> None:
    denoiser = TinyDenoiser(SMALL)
    save_denoiser(denoiser, denoiser.state_dict(), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, field: value}))

    with pytest.raises(error, match=said):
        load_denoiser(tmp_path)


def test_plain_weights_do_what_the_normalised_network_does() -> None:
    trained = TinyDenoiser(SMALL, NormalisedConv2d).eval()
    torch.nn.init.normal_(trained.detail.out.weight)
    plain = TinyDenoiser(SMALL).eval()
    plain.load_state_dict(plain_weights(trained, trained.state_dict()))

    torch.testing.assert_close(plain(*inputs()), trained(*inputs()))
