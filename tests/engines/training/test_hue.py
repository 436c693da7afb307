import torch

from engines.codecs import PatchCodec
from engines.training.filters import luma
from engines.training.hue import hue_loss
from engines.training.regions import colour_pop, recolour


def test_the_loss_is_nothing_where_just_the_things_of_the_colour_change() -> None:
    pictures = torch.full((1, 3, 16, 16), 0.5)
    pictures[0, :, :, :8] = torch.tensor([0.9, 0.1, 0.1]).view(3, 1, 1)
    red, blue = torch.tensor([0.9, 0.1, 0.1]).view(1, 3, 1, 1), torch.tensor([0.1, 0.1, 0.9]).view(1, 3, 1, 1)
    codec, one = PatchCodec(2), torch.ones(())
    painted = codec.encode(recolour(pictures, one, blue, red) * 2 - 1)
    popped = codec.encode(colour_pop(pictures, one, blue, red) * 2 - 1)
    near = codec.encode(torch.zeros(1, 3, 16, 16))
    near[..., :2] = 1
    grey = codec.encode(luma(pictures).expand_as(pictures) * 2 - 1)

    assert float((painted - popped).abs().max()) > 0.5
    assert hue_loss((near, painted, grey), pictures, blue, red, codec) < 0.02
    assert hue_loss((1 - near, painted, grey), pictures, blue, red, codec) > 0.2
