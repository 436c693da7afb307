"""Weights of an exported network, written straight from PyTorch's tensors into one file beside it.

The exporter itself copies every weight twice, once transposed and once into the network's own message, which ends at
2 GiB: several times a large model's weights would be held. So the network is exported with its weights as inputs, and
they become constants here, one tensor in memory at a time.
"""

from collections.abc import Mapping
from io import BufferedWriter
from pathlib import Path

import onnx
import torch
from onnx import TensorProto
from torch import Tensor

WEIGHTS_SUFFIX = ".weights"
_ALIGNMENT = 4096
"""A page: readers may map the file instead of reading it."""
_TYPES = {
    torch.float32: TensorProto.FLOAT,
    torch.float16: TensorProto.FLOAT16,
    torch.bfloat16: TensorProto.BFLOAT16,
    torch.int64: TensorProto.INT64,
    torch.int32: TensorProto.INT32,
    torch.uint8: TensorProto.UINT8,
    torch.bool: TensorProto.BOOL,
}


def attach_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Make constants of a network's inputs that are weights, in place; a transposed one is stored as it is used.

    Args:
        path: The ONNX file; the weights go into ``path`` with :data:`WEIGHTS_SUFFIX`.
        weights: By the names of the inputs; those that the network does not take are left out.
    """
    model = onnx.load(path)
    graph = model.graph
    given = {value.name for value in graph.input if value.name in weights}
    kept = [value for value in graph.input if value.name not in given]
    transposed = [node for node in graph.node if node.op_type == "Transpose" and node.input[0] in given]
    folded = {node.output[0]: node for node in transposed}
    nodes = [node for node in graph.node if node.output[0] not in folded]
    used = {name for node in nodes for name in node.input}
    location = path.with_suffix(WEIGHTS_SUFFIX)
    constants: list[TensorProto] = []
    with location.open("wb") as file:
        for name in sorted(given & used):
            constants.append(_stored(name, weights[name], file, location.name))
        for name, node in folded.items():
            order = next(list(attribute.ints) for attribute in node.attribute if attribute.name == "perm")
            constants.append(_stored(name, weights[node.input[0]].permute(order), file, location.name))
    del graph.input[:], graph.node[:]
    graph.input.extend(kept)
    graph.node.extend(nodes)
    graph.initializer.extend(constants)
    onnx.save(model, path)


def _stored(name: str, value: Tensor, file: BufferedWriter, location: str) -> TensorProto:
    file.seek(-file.tell() % _ALIGNMENT, 1)
    # As bytes: NumPy has no bfloat16.
    contiguous = value.detach().cpu().contiguous()
    stored = TensorProto(name=name, dims=value.shape, data_type=_TYPES[value.dtype])
    stored.data_location = TensorProto.EXTERNAL
    place = {"location": location, "offset": file.tell(), "length": contiguous.nbytes}
    for key, number in place.items():
        stored.external_data.add(key=key, value=str(number))
    contiguous.flatten().view(torch.uint8).numpy().tofile(file)
    return stored
