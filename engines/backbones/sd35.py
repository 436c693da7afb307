"""rfdm3.5: Stable Diffusion 3.5's transformer with [noisy, source, memory] on its input (Esser et al. 2024).

Text comes as tokens, joined with the picture's in every block, and pooled, joined with the timestep.
"""

from collections.abc import Sequence

import torch
from diffusers import SD3Transformer2DModel
from torch import Tensor, nn

from engines.backbones.expansion import expand_input


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
    """See :func:`engines.backbones.expansion.expand_input`."""
    return expand_input(transformer, "pos_embed.proj", transformer.out_channels, scales)
