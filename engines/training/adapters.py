"""LoRA (Hu et al. 2021) through peft: what one card trains of a large backbone."""

from torch import nn

_ATTENTION = ("to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")
"""Projections of the attention layers, in SD 1.5's names and in SD 3.5's."""


def with_adapters(network: nn.Module, rank: int) -> nn.Module:
    """Adapters on every attention layer; the first convolution, whose new inputs are zero, is trained whole.

    Args:
        network: Either of diffusers' two classes.
        rank: Of the adapters.
    """
    from peft import LoraConfig, get_peft_model

    first = "conv_in" if hasattr(network, "conv_in") else "pos_embed.proj"
    config = LoraConfig(
        r=rank,
        lora_alpha=rank,
        target_modules=list(_ATTENTION),
        modules_to_save=[first],
        init_lora_weights=True,
    )
    adapted: nn.Module = get_peft_model(network, config)
    for weight in adapted.parameters():
        # What is trained is kept in float32 beside frozen weights in half precision.
        if weight.requires_grad:
            weight.data = weight.data.float()
    return adapted
