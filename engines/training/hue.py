"""Training the part of the network that goes by a named colour, on pictures of anything."""

import torch
from torch import Tensor

from engines.backbones.regions import Hue
from engines.codecs import PatchCodec
from engines.training.crops import CropSampler
from engines.training.parts import PartPlan
from engines.training.regions import colour_pop, recolour
from engines.training.tasks import colours_to_give, named_colour_in


def hue_loss(
    seen: tuple[Tensor, Tensor, Tensor], pictures: Tensor, rgb: Tensor, rgb_of: Tensor, codec: PatchCodec
) -> Tensor:
    """Root mean square error of both edits, each picture's by itself, since things of a colour are large or small.

    Args:
        seen: What :class:`Hue` gives for the pictures.
        pictures: (B, 3, H, W) in [0, 1].
        rgb: (B, 3, 1, 1), the colour to give.
        rgb_of: (B, 3, 1, 1), the colour of the things meant.
        codec: Of the pictures.
    """
    near, painted, grey = seen
    x, one = codec.encode(pictures * 2 - 1), torch.ones(())
    recoloured = codec.encode(recolour(pictures, one, rgb, rgb_of) * 2 - 1)
    popped = codec.encode(colour_pop(pictures, one, rgb, rgb_of) * 2 - 1)
    errors = (x + near * (painted - x) - recoloured, grey + near * (x - grey) - popped)
    return sum((error.square().mean((1, 2, 3)) + 1e-6).sqrt().mean() for error in errors) / torch.tensor(4.0)


def _draw(sampler: CropSampler, step: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    pictures = sampler.anything(generator).pictures[0]
    rgb = colours_to_give(len(pictures), generator)
    rgb_of = torch.stack([named_colour_in(picture, generator) for picture in pictures])
    return pictures, rgb, rgb_of


def _loss(hue: Hue, pictures: Tensor, rgb: Tensor, rgb_of: Tensor) -> Tensor:
    codec = PatchCodec(2)
    seen = hue(codec.encode(pictures * 2 - 1), torch.cat([rgb, rgb_of], 1))
    return hue_loss(seen, pictures, rgb[:, :, None, None], rgb_of[:, :, None, None], codec)


PLAN = PartPlan("hue", "hues", _draw, _loss, steps=2600, filter_rate=0.0, fall_share=0.75, learning_rate=0.02)
