"""Training the part of the network that goes by a named colour, on pictures of anything."""

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from engines.backbones.regions import Hue
from engines.codecs import PatchCodec
from engines.training.crops import Footage
from engines.training.parts import PartPlan, PartProgress, train_part
from engines.training.regions import colour_pop, recolour
from engines.training.tasks import colours_to_give, named_colour_in

PLAN = PartPlan("hue", minutes=3, filter_rate=0.0, fall_share=0.75, learning_rate=0.02)


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


def train_hue(
    hue: Hue,
    batches: Iterator[Footage],
    plan: PartPlan,
    run: Path,
    seed: int,
    progress: Callable[[PartProgress], None],
) -> None:
    """Train in place, or go on where ``hue.pt`` in the run folder was left.

    Args:
        hue: On the device to train on.
        batches: Footage of anything; only its first frames are used.
        plan: How long and at which rates.
        run: Folder of the run.
        seed: Of the colours.
        progress: Called after each step.
    """
    device = next(hue.parameters()).device
    generator, codec = torch.Generator().manual_seed(seed), PatchCodec(2)

    def loss() -> Tensor:
        pictures = next(batches).pictures[0]
        rgb = colours_to_give(len(pictures), generator).to(device)
        rgb_of = torch.stack([named_colour_in(picture, generator) for picture in pictures]).to(device)
        pictures = pictures.to(device)
        seen = hue(codec.encode(pictures * 2 - 1), torch.cat([rgb, rgb_of], 1))
        return hue_loss(seen, pictures, rgb[:, :, None, None], rgb_of[:, :, None, None], codec)

    train_part(hue, plan, run, loss, progress)
