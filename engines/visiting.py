"""Weights that stay in main memory and visit a device, layer by layer, only while the layer computes."""

from collections.abc import MutableMapping
from typing import Any

import torch
from torch import Tensor, nn


def visit(model: nn.Module, device: torch.device) -> None:
    """Have each layer of a model compute on a device, where its weights are for that long.

    As accelerate's ``cpu_offload``, which also empties PyTorch's cache of the device's memory after each weight: that
    takes it from whoever computes beside the model, and waits for them.

    Args:
        model: Its inputs have to be on the device; its weights stay where they are.
        device: Where it computes, from here on.
    """
    for module in model.modules():
        if any(True for _ in (*module.parameters(recurse=False), *module.buffers(recurse=False))):
            visitor = _Visitor(device)
            module.register_forward_pre_hook(visitor.arrive)
            # A layer that fails must not keep its weights there.
            module.register_forward_hook(visitor.leave, always_call=True)


class _Visitor:
    """One layer's weights; not for a layer that calls itself, nor for two threads at once."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._at_home: list[tuple[MutableMapping[str, Any], str, Tensor]] = []

    def arrive(self, module: nn.Module, inputs: object) -> None:
        """Before the layer computes."""
        tables: tuple[MutableMapping[str, Any], ...] = (module._parameters, module._buffers)
        for table in tables:
            for name, value in table.items():
                if value is not None:
                    self._at_home.append((table, name, value))
        for table, name, value in self._at_home:
            table[name] = value.to(self._device, non_blocking=True)

    def leave(self, module: nn.Module, inputs: object, output: object) -> None:
        """After it, whether it has failed or not."""
        for table, name, value in self._at_home:
            table[name] = value
        self._at_home.clear()
