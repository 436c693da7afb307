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


MOST_PATCHES = 256
"""On a side: pictures of 4096 pixels, the largest that can be asked for."""


def crop_positions(transformer: SD3Transformer2DModel) -> None:
    """Forget what the table of positions has beyond `MOST_PATCHES`, in place and for inference alone.

    The network takes the middle of a table for 6144 pixels a side; in float16 that table weighs 453 MB, and what is
    kept of it 201.
    """
    embedding = transformer.pos_embed
    largest = embedding.pos_embed_max_size
    if largest is None or largest <= MOST_PATCHES:
        return
    # So that the middle stays the middle.
    kept = MOST_PATCHES + (largest - MOST_PATCHES) % 2
    edge = (largest - kept) // 2
    table = embedding.pos_embed.reshape(largest, largest, -1)[edge : edge + kept, edge : edge + kept]
    embedding.pos_embed = table.reshape(1, kept * kept, -1).clone()
    embedding.pos_embed_max_size = kept


def expand_transformer(
    transformer: SD3Transformer2DModel, scales: Sequence[float] = ()
) -> SD3Transformer2DModel:
    """See :func:`engines.backbones.expansion.expand_input`."""
    return expand_input(transformer, "pos_embed.proj", transformer.out_channels, scales)
