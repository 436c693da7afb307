"""MediaPipe's Selfie Segmentation, the landscape model, as a PyTorch network (Google 2021, Apache-2.0).

A MobileNetV3 (Howard et al. 2019) of a hundred thousand weights for 144x256 pixels, its batch normalisation folded
into its convolutions. What it knows comes from far more people than can be shown here, so the part of the embedded
network that tells people from the background starts from it.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SELFIE_SIZE = (144, 256)
"""Height and width that it was trained at."""

Activation = Callable[[Tensor], Tensor]


class SelfieSegmentation(nn.Module):
    """Logits of a person for each pixel; MediaPipe brings every picture to :data:`SELFIE_SIZE`."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Convolution(3, 16, 3, stride=2)
        self.down0 = _Inverted(16, 16, 16, 3, F.relu, stride=2, squeezed=8)
        self.down1 = nn.Sequential(
            _Inverted(16, 72, 24, 3, F.relu, stride=2), _Inverted(24, 88, 24, 3, F.relu)
        )
        self.down2 = nn.Sequential(
            _Inverted(24, 96, 32, 5, _hard_swish, stride=2, squeezed=24),
            _Inverted(32, 128, 32, 5, _hard_swish, squeezed=32),
            _Inverted(32, 128, 32, 5, _hard_swish, squeezed=32),
            _Inverted(32, 96, 32, 5, _hard_swish, squeezed=24),
            _Inverted(32, 96, 32, 5, _hard_swish, squeezed=24),
        )
        self.pixels = nn.Conv2d(32, 128, 1)
        self.whole = nn.Conv2d(32, 128, 1)
        self.up2 = _Enlarged(128, 24)
        self.up1 = _Enlarged(24, 16)
        self.up0 = _Enlarged(16, 16)
        self.out = nn.Conv2d(16, 4, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Look at pictures.

        Args:
            pictures: (B, 3, H, W) in [0, 1], red first; H and W multiples of 16.

        Returns:
            (B, 1, H, W).
        """
        x0 = _hard_swish(self.stem(pictures))
        x1 = self.down0(x0)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        # Lite R-ASPP (Howard et al. 2019, Sec. 6.4).
        x3 = F.relu(self.pixels(x3)) * torch.sigmoid(self.whole(_mean(x3)))
        x = self.up0(self.up1(self.up2(x3, x2), x1), x0)
        # MediaPipe's transposed convolution by 2, of which TensorRT has none in bfloat16.
        return F.pixel_shuffle(self.out(x), 2)


def _mean(x: Tensor) -> Tensor:
    """Of all pixels, (B, C, 1, 1)."""
    return x.mean((2, 3), keepdim=True)


def _hard_swish(x: Tensor) -> Tensor:
    """Howard et al. 2019, Sec. 5.2. Spelt out, since TensorRT's own has no bfloat16."""
    return x * (x + 3).clamp(0, 6) / 6


class _Convolution(nn.Conv2d):
    """Pads as TensorFlow's SAME does: with a stride of 2 an odd row and column more at the end than at the start."""

    def __init__(self, inputs: int, outputs: int, size: int, *, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, size, stride, groups=groups)
        self._before, self._after = (size - stride) // 2, (size - stride + 1) // 2

    def forward(self, x: Tensor) -> Tensor:
        before, after = self._before, self._after
        return super().forward(F.pad(x, (before, after, before, after)))


class _Gate(nn.Module):
    """Squeeze and excitation (Hu et al. 2018): factors in (0, 1) of channels, by their means."""

    def __init__(self, width: int, squeezed: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(width, squeezed, 1)
        self.excite = nn.Conv2d(squeezed, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.excite(F.relu(self.squeeze(_mean(x)))))


class _Inverted(nn.Module):
    """An inverted residual block (Sandler et al. 2018)."""

    def __init__(
        self,
        inputs: int,
        hidden: int,
        outputs: int,
        size: int,
        activation: Activation,
        *,
        stride: int = 1,
        squeezed: int = 0,
    ) -> None:
        super().__init__()
        self.expand = nn.Conv2d(inputs, hidden, 1)
        self.depthwise = _Convolution(hidden, hidden, size, stride=stride, groups=hidden)
        self.gate = _Gate(hidden, squeezed) if squeezed else None
        self.project = nn.Conv2d(hidden, outputs, 1)
        self._activation = activation
        self._residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        hidden = self._activation(self.depthwise(self._activation(self.expand(x))))
        if self.gate is not None:
            hidden = hidden * self.gate(hidden)
        branch: Tensor = self.project(hidden)
        return x + branch if self._residual else branch


class _Enlarged(nn.Module):
    """A coarse grid at twice its size, with what a finer one saw on the way down."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(inputs, width, 1)
        self.gate = _Gate(width, width)
        self.mix = nn.Conv2d(width, width, 1)
        self.depthwise = _Convolution(width, width, 3, groups=width)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        # Reduced first, which is the same for a quarter of the work.
        reduced = self.reduce(coarse)
        enlarged = F.interpolate(reduced, scale_factor=2.0, mode="bilinear", align_corners=False)
        mixed = F.relu(self.mix(fine * self.gate(fine + enlarged) + enlarged))
        return mixed + F.relu(self.depthwise(mixed))
