import pytest
import torch

from engines.codecs import PatchCodec
from engines.conditioning import AMOUNT_INDEX
from engines.families import FAMILIES
from engines.training.field import draw_layers, field_loss
from engines.training.targets import edit
from engines.training.weather import LAYERS


@pytest.mark.parametrize("family", LAYERS)
def test_a_field_before_a_picture_is_the_familys_target(family: str) -> None:
    noise, code, cover, colour = draw_layers(torch.Generator().manual_seed(3), 12, 64)
    codec = PatchCodec(2)
    picked = code[:, FAMILIES.index(family)].nonzero().flatten()
    assert len(picked)
    for clip in picked.tolist():
        amount = code[clip, AMOUNT_INDEX + FAMILIES.index(family)].view(1, 1, 1, 1)
        rgb = code[clip, -6:-3].view(1, 3, 1, 1)
        grey = torch.full((1, 3, 64, 64), 0.5)
        target = edit(family, grey, amount, rgb, noise=codec.decode(noise[clip : clip + 1]))
        covered = codec.decode(cover[clip : clip + 1]) > 0.97
        drawn = (codec.decode(colour[clip : clip + 1]) + 1) / 2
        torch.testing.assert_close(target[covered], drawn[covered], atol=0.03, rtol=0)


def test_the_loss_is_nothing_for_the_right_field() -> None:
    _, _, cover, colour = draw_layers(torch.Generator().manual_seed(0), 4, 64)

    assert field_loss((cover, colour), cover, colour) < 2e-3
    assert field_loss((1 - cover, colour), cover, colour) > 0.3
