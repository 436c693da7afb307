"""rfdm1.5: Stable Diffusion 1.5's UNet with [noisy, source, memory] on its input and text by cross attention.

Components, names and files are diffusers' own (Rombach et al. 2022); SD 2.x, which differs in widths, fits too.
"""

from collections.abc import Sequence

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from engines.backbones.expansion import expand_input


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
    """See :func:`engines.backbones.expansion.expand_input`."""
    return expand_input(unet, "conv_in", unet.config.out_channels, scales)
