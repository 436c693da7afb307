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

    config = LoraConfig(
        r=rank,
        lora_alpha=rank,
        target_modules=list(_ATTENTION),
        modules_to_save=[_first_layer(network)],
        init_lora_weights=True,
    )
    adapted: nn.Module = get_peft_model(network, config)
    for weight in adapted.parameters():
        # What is trained is kept in float32 beside frozen weights in half precision.
        if weight.requires_grad:
            weight.data = weight.data.float()
    return adapted


def largest_rank(network: nn.Module) -> int:
    """The rank at which adapters can become anything in every layer they are on: more of it only takes room."""
    return max(min(layer.in_features, layer.out_features) for layer in _adapted(network))


def trained_parameters(network: nn.Module, rank: int, inputs: int) -> int:
    """How many numbers :func:`with_adapters` trains.

    Args:
        network: As it is stored; on the "meta" device it takes no memory.
        rank: Of the adapters.
        inputs: Channels that its first layer will have.
    """
    first = network.get_submodule(_first_layer(network))
    assert isinstance(first, nn.Conv2d)
    area = first.kernel_size[0] * first.kernel_size[1]
    whole = first.out_channels * (inputs * area + (first.bias is not None))
    return whole + sum(rank * (layer.in_features + layer.out_features) for layer in _adapted(network))


def _first_layer(network: nn.Module) -> str:
    return "conv_in" if hasattr(network, "conv_in") else "pos_embed.proj"


def _adapted(network: nn.Module) -> list[nn.Linear]:
    return [
        layer
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Linear) and name.endswith(tuple(f".{each}" for each in _ATTENTION))
    ]
