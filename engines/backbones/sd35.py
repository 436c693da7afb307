"""rfdm3.5: Stable Diffusion 3.5's transformer with [noisy, source, memory] on its input (Esser et al. 2024).

Text comes as tokens, joined with the picture's in every block, and pooled, joined with the timestep.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import SD3Transformer2DModel
from torch import Tensor, nn

from engines.backbones.expansion import INPUTS, expand_convolution
from engines.pretrained.weights import load_whole


class TransformerDenoiser(nn.Module):
    """The transformer as the frame program calls it.

    Args:
        transformer: Of 48 input and 16 output channels.
        tokens: Length of the text; the code is the pooled embedding, then its tokens laid end to end.
    """

    def __init__(self, transformer: SD3Transformer2DModel, tokens: int) -> None:
        super().__init__()
        self.transformer = transformer
        self.tokens: int = tokens
        self.width: int = transformer.config.joint_attention_dim
        self.pooled: int = transformer.config.pooled_projection_dim

    @property
    def code_length(self) -> int:
        """Length of the codes it takes."""
        return self.pooled + self.tokens * self.width

    def forward(
        self, noisy: Tensor, source: Tensor, memory: Tensor, timestep: Tensor, code: Tensor
    ) -> Tensor:
        """The flow's velocity, (B, C, h, w).

        Args:
            noisy: y^s, (B, C, h, w).
            source: The source frame's latent, same shape.
            memory: The remembered prediction, same shape.
            timestep: 1000 sigma, (B,) float32.
            code: Pooled and token embeddings, (B, pooled + tokens * width).
        """
        predicted: Tensor = self.transformer(
            torch.cat([noisy, source, memory], 1),
            encoder_hidden_states=code[:, self.pooled :].view(-1, self.tokens, self.width),
            pooled_projections=code[:, : self.pooled],
            timestep=timestep,
            return_dict=False,
        )[0]
        return predicted


def expand_transformer(
    transformer: SD3Transformer2DModel, scales: Sequence[float] = ()
) -> SD3Transformer2DModel:
    """The same transformer with all of [noisy, source, memory] on its input, if it does not have them.

    Raises:
        ValueError: Its channels are not 1 to 3 latents.
    """
    channels = transformer.out_channels
    if transformer.config.in_channels != len(INPUTS) * channels:
        transformer.pos_embed.proj = expand_convolution(transformer.pos_embed.proj, channels, scales)
        # An output left to follow the input (`out_channels: null`) must not grow with it.
        transformer.register_to_config(in_channels=len(INPUTS) * channels, out_channels=channels)
    return transformer


def load_transformer(
    folder: Path, dtype: torch.dtype, variant: str | None, scales: Sequence[float] = ()
) -> SD3Transformer2DModel:
    """Read a transformer folder, its input expanded where it has to be.

    Raises:
        OSError: A file is missing.
        ValueError: A weight is missing, or its channels are not 1 to 3 latents.
    """
    transformer = load_whole(SD3Transformer2DModel, folder, torch_dtype=dtype, variant=variant)
    return expand_transformer(transformer, scales).eval()
