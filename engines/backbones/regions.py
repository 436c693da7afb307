"""Parts of the embedded network that edit a region of the source: things of a named colour, and what is out of focus.

Both know the form of what they do and learn its constants: a named colour is a direction of chroma, and defocus is an
average over more or fewer neighbours. Without that form the trunk had to find both in fifty families' features, and
colours reached things that were not meant. Like the other parts they are trained first and then stand still.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_LUMA = (0.299, 0.587, 0.114)
_SUBPIXELS = 16
_HIDDEN = 16
_STEEP = 10.0
"""Of thresholds, so that their numbers are near 1 and are learned as fast as the others."""
_LEVELS = 3


class Hue(nn.Module):
    """Finds the things of a named colour, pixel by pixel, and gives them another one.

    Works on the latent's own layout, sixteen pixels of three colours a place: one filter over the pixels of each
    colour smooths away grain, all else is sums and products of planes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.smooth = nn.Conv2d(_SUBPIXELS, _SUBPIXELS, 3, padding=1, bias=False)
        nn.init.dirac_(self.smooth.weight)
        self.direction = nn.Parameter(torch.tensor([1.0, 0.8]))
        self.vividness = nn.Parameter(torch.tensor([1.0, 0.2]))
        self.paint = nn.Sequential(nn.Linear(4, _HIDDEN), nn.SiLU(), nn.Linear(_HIDDEN, 2))

    def forward(self, source: Tensor, code: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Look for things of the colour meant.

        Args:
            source: Latent of the source frame, (B, 48, h, w).
            code: Instruction code, which ends with the colour to give and the colour of the things meant.

        Returns:
            How much each pixel is one of them, the source in the colour to give, and the source in grey, each
            (B, 48, h, w).
        """
        batch, channels, height, width = source.shape
        planes = source.reshape(3 * batch, _SUBPIXELS, height, width)
        given, meant = code[:, -6:-3].to(source.dtype), code[:, -3:].to(source.dtype)
        given_luma, given_chroma, given_length = _split_colour(given)
        meant_luma, meant_chroma, meant_length = _split_colour(meant)

        smooth = _by_colour(self.smooth(planes), batch)
        smooth_grey = _luma(smooth)
        inner = sum(meant_chroma[:, index] * (smooth[index] - smooth_grey) for index in range(3))
        length = _length([colour - smooth_grey for colour in smooth])
        near = torch.sigmoid(
            _STEEP * (self.direction[0] * inner / (meant_length * length) - self.direction[1])
        )
        near = near * torch.sigmoid(_STEEP * (self.vividness[0] * length - self.vividness[1]))

        colours = _by_colour(planes, batch)
        grey = _luma(colours)
        length = _length([colour - grey for colour in colours])
        known = (given_luma, given_length, meant_luma, meant_length)
        # Of the colour given and the colour meant in logarithms: what is sought are ratios.
        seen = torch.cat([(each.reshape(batch, 1).clamp(min=0) + 0.05).log() for each in known], 1)
        lightness, strength = self.paint(seen).exp()[:, :, None, None, None].unbind(1)
        # Levels of the latent lie around 0, of light above it.
        painted = [
            (grey + 1) * lightness + strength * length * given_chroma[:, index] / (given_length + 0.01) - 1
            for index in range(3)
        ]
        shape = (batch, channels, height, width)
        return (
            near.repeat(1, 3, 1, 1),
            torch.stack(painted, 1).reshape(shape),
            grey.repeat(1, 3, 1, 1),
        )


def _by_colour(planes: Tensor, batch: int) -> tuple[Tensor, Tensor, Tensor]:
    red, green, blue = planes.reshape(batch, 3, *planes.shape[1:]).unbind(1)
    return red, green, blue


def _luma(colours: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    return _LUMA[0] * colours[0] + _LUMA[1] * colours[1] + _LUMA[2] * colours[2]


def _length(parts: list[Tensor]) -> Tensor:
    return (parts[0].square() + parts[1].square() + parts[2].square() + 4e-6).sqrt()


def _split_colour(rgb: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Luma (B, 1, 1, 1), chroma (B, 3, 1, 1, 1) and its length (B, 1, 1, 1) of colours (B, 3)."""
    # By columns: weights made as a tensor here would be copied to a GPU, which no recording of a frame may hold.
    red, green, blue = rgb[:, :1], rgb[:, 1:2], rgb[:, 2:3]
    grey = _luma((red, green, blue))
    chroma = rgb - grey
    length = (chroma.square().sum(1, keepdim=True) + 1e-6).sqrt()
    return grey[:, :, None, None], chroma[:, :, None, None, None], length[:, :, None, None]


class Defocus(nn.Module):
    """Blurs what is behind a person without the person's colours in it.

    Means of squares of 4x4 pixels, weighed by how much of each pixel is background (normalised convolution; Knutsson
    & Westin 1993), are averaged over wider and wider neighbourhoods; the instruction's amount says which of them is
    meant, and a filter makes pixels of the squares again.
    """

    def __init__(self) -> None:
        super().__init__()
        self.width = nn.Sequential(nn.Linear(1, _HIDDEN), nn.SiLU(), nn.Linear(_HIDDEN, _LEVELS))
        self.enlarge = nn.Conv2d(1, _SUBPIXELS, 3, bias=False)
        nn.init.constant_(self.enlarge.weight, 1 / 9)

    def forward(self, source: Tensor, behind: Tensor, amount: Tensor) -> Tensor:
        """Blur a source.

        Args:
            source: Latent of the source frame, (B, 48, h, w).
            behind: How much of each 2x2 pixels is background, (B, 4, h, w).
            amount: How much it is blurred, 1 is plainly, (B,).

        Returns:
            The background out of focus, (B, 48, h, w).
        """
        batch, _, height, width = source.shape
        pixels = source.reshape(batch, 3, 4, 4, height, width).mean(2)
        weighed = torch.cat([(pixels * behind[:, None]).mean(2), behind.mean(1, keepdim=True)], 1)
        shares = self.width(amount[:, None].to(source.dtype)).softmax(1)[:, :, None, None, None]
        mixed = torch.zeros_like(weighed[:, :3])
        for level in range(_LEVELS):
            mixed = mixed + shares[:, level] * weighed[:, :3] / (weighed[:, 3:] + 1e-3)
            for _ in range(2 * level + 2):
                weighed = F.avg_pool2d(weighed, 3, 1, 1)
        squares = mixed.reshape(3 * batch, 1, height, width)
        enlarged: Tensor = self.enlarge(F.pad(squares, (1, 1, 1, 1), mode="replicate"))
        return enlarged.reshape(batch, 3 * _SUBPIXELS, height, width)
