from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, T5Config, T5EncoderModel

from engines.visiting import visit
from tests.engines.stock import clip

META = torch.device("meta")
IDS = torch.arange(6)[None]


def projected_clip() -> nn.Module:
    config = CLIPTextConfig(
        vocab_size=64,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        eos_token_id=5,
    )
    model: nn.Module = CLIPTextModelWithProjection(config)
    return model


def t5() -> nn.Module:
    """Its word pieces are one weight in two modules."""
    config = T5Config(
        vocab_size=64, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2, feed_forward_proj="gated-gelu"
    )
    model: nn.Module = T5EncoderModel(config)
    return model


@pytest.mark.parametrize("make", [lambda: clip(16), projected_clip, t5])
def test_a_model_that_visits_computes_the_same_and_stays_at_home(make: Callable[[], nn.Module]) -> None:
    model = make().eval()
    at_home = {name: value.data_ptr() for name, value in model.state_dict().items()}
    with torch.inference_mode():
        stays = model(IDS)[0]
        visit(model, torch.device("cpu"))
        visits = model(IDS)[0]

    assert torch.equal(stays, visits)
    assert {name: value.data_ptr() for name, value in model.state_dict().items()} == at_home


@pytest.mark.parametrize("make", [lambda: clip(16), projected_clip, t5])
def test_all_of_a_models_weights_are_where_it_computes(make: Callable[[], nn.Module]) -> None:
    """Tensors of two devices do not mix: one that was left behind would be an error."""
    model = make().eval()
    visit(model, META)
    with torch.inference_mode():
        given = model(IDS.to(META))[0]

    assert given.is_meta
    assert {value.device.type for value in model.state_dict().values()} == {"cpu"}


class Failing(nn.Linear):
    def forward(self, given: Tensor) -> Tensor:
        raise RuntimeError(f"failed on {self.weight.device}")


def test_the_weights_of_a_layer_that_fails_come_home() -> None:
    layer = Failing(2, 2)
    visit(layer, META)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="failed on meta"):
            layer(torch.zeros(1, 2))

        assert layer.weight.device.type == "cpu"
        assert isinstance(layer.weight, nn.Parameter)
