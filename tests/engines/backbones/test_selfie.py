from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from skimage.data import astronaut
from torch import Tensor

from engines.backbones.selfie import SELFIE_SIZE
from engines.backbones.tiny import Figure
from engines.codecs import PatchCodec
from engines.training import figure

MEDIAPIPES = Path(__file__).parent / "selfie_astronaut.png"
"""What mediapipe 0.10.21 says: SelfieSegmentation(model_selection=1) of the picture below, times 255."""


def portrait(height: int, width: int) -> Tensor:
    """(1, 3, height, width) in [0, 1]."""
    picture: NDArray[np.uint8] = astronaut()  # type: ignore[no-untyped-call]
    resized = Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1)[None] / 255


def pretrained() -> Figure:
    part = Figure().eval()
    figure.start(part)
    return part


@torch.no_grad()
def test_mediapipes_weights_say_what_mediapipe_says() -> None:
    said = np.asarray(Image.open(MEDIAPIPES)).astype(np.float32)

    found = 255 * torch.sigmoid(pretrained().net(portrait(*SELFIE_SIZE)))[0, 0].numpy()

    assert np.abs(found - said).max() < 1
    assert 0.5 < (said > 127).mean() < 0.6


@torch.no_grad()
def test_the_part_sees_the_picture_in_its_latent_and_tells_of_half_its_pixels() -> None:
    height, width = SELFIE_SIZE
    pictures, part = portrait(2 * height, 2 * width), pretrained()

    logits = part(PatchCodec(2).encode(2 * pictures - 1))
    expected = part.net(F.avg_pool2d(pictures, 2))

    assert logits.shape == (1, 4, height // 2, width // 2)
    torch.testing.assert_close(F.pixel_shuffle(logits, 2), expected, atol=1e-3, rtol=1e-3)


@torch.no_grad()
def test_odd_sides_are_kept() -> None:
    assert Figure()(torch.zeros(2, 48, 11, 21)).shape == (2, 4, 11, 21)
