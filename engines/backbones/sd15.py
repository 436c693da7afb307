"""rfdm1.5: Stable Diffusion 1.5's UNet with [noisy, source, memory] on its input and text by cross attention.

Components, names and files are diffusers' own (Rombach et al. 2022); SD 2.x, which differs in widths, fits too.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from engines.backbones.expansion import INPUTS, expand_convolution
from engines.pretrained.weights import load_whole


class UnetDenoiser(nn.Module):
    """The UNet as the frame program calls it.

    Args:
        unet: Of 12 input channels.
        tokens: Length of the text; the code is its embeddings laid end to end.
    """

    def __init__(self, unet: UNet2DConditionModel, tokens: int) -> None:
        super().__init__()
        self.unet = unet
        self.tokens: int = tokens
        self.width: int = unet.config.cross_attention_dim

    @property
    def code_length(self) -> int:
        """Length of the codes it takes, tokens times width."""
        return self.tokens * self.width

    def forward(
        self, noisy: Tensor, source: Tensor, memory: Tensor, timestep: Tensor, code: Tensor
    ) -> Tensor:
        """What the checkpoint was trained to predict, (B, C, h, w).

        Args:
            noisy: y^s, (B, C, h, w).
            source: The source frame's latent, same shape.
            memory: The remembered prediction, same shape.
            timestep: Of the training schedule, (B,) float32.
            code: Token embeddings, (B, tokens * width).
        """
        predicted: Tensor = self.unet(
            torch.cat([noisy, source, memory], 1),
            timestep,
            encoder_hidden_states=code.view(-1, self.tokens, self.width),
            return_dict=False,
        )[0]
        return predicted


def expand_unet(unet: UNet2DConditionModel, scales: Sequence[float] = ()) -> UNet2DConditionModel:
    """The same UNet with all of [noisy, source, memory] on its input; one that has them is left as it is.

    Raises:
        ValueError: Its channels are not 1 to 3 latents.
    """
    channels = unet.config.out_channels
    if unet.config.in_channels != len(INPUTS) * channels:
        unet.conv_in = expand_convolution(unet.conv_in, channels, scales)
        unet.register_to_config(in_channels=len(INPUTS) * channels)
    return unet


def load_unet(
    folder: Path, dtype: torch.dtype, variant: str | None, scales: Sequence[float] = ()
) -> UNet2DConditionModel:
    """Read a UNet folder, its input expanded where it has to be.

    Raises:
        OSError: A file is missing.
        ValueError: A weight is missing, or its channels are not 1 to 3 latents.
    """
    unet = load_whole(UNet2DConditionModel, folder, torch_dtype=dtype, variant=variant)
    return expand_unet(unet, scales).eval()
