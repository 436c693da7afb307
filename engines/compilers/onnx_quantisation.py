"""Eight-bit convolutions and linear layers in ONNX: a pair of QuantizeLinear and DequantizeLinear at each input.

TensorRT takes the pairs as the types to compute in, ONNX Runtime computes what they say; both give what the rounding
costs. Activations have one symmetric range each, weights one for every output channel.
"""

from itertools import pairwise
from pathlib import Path
from typing import Literal

import ml_dtypes
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from engines.compilers.onnx_weights import WEIGHTS_SUFFIX
from engines.compilers.quantisation import ActivationRanges
from engines.model import ModelError

_LARGEST = {"int8": 127.0, "fp8": 448.0}
_OUTPUT_AXIS = {"Conv": 0, "MatMul": 1}


def quantise_onnx(path: Path, ranges: ActivationRanges, precision: Literal["int8", "fp8"]) -> None:
    """Round the denoiser's layers that have a range, in place.

    Args:
        path: The denoiser as :func:`engines.compilers.onnx_export.export_onnx` wrote it.
        ranges: Input ranges by the layer's name in the denoiser.
        precision: Eight-bit integers, or eight-bit floating point (E4M3).

    Raises:
        ModelError: A range belongs to no layer of the network.
    """
    model = onnx.load(path)
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    left, nodes = dict(ranges), list[onnx.NodeProto]()
    for node in graph.node:
        name = _layer(node.name)
        if node.op_type in _OUTPUT_AXIS and name in left and node.input[1] in weights:
            measured = left.pop(name)
            values = numpy_helper.to_array(weights[node.input[1]])
            reach = np.array(max(-measured.low, measured.high, 1e-6), np.float32)
            per_channel = _reach(values, _OUTPUT_AXIS[node.op_type])
            for index, (scales, axis) in enumerate(
                ((reach, None), (per_channel, _OUTPUT_AXIS[node.op_type]))
            ):
                pair = _Pair(node.input[index], f"{node.name}/{index}", scales, values.dtype, axis, precision)
                graph.initializer.extend(pair.constants)
                nodes.extend(pair.nodes)
                node.input[index] = pair.output
        nodes.append(node)
    if left:
        raise ModelError(f"ranges without a layer: {', '.join(sorted(left))}")
    del graph.node[:]
    graph.node.extend(nodes)
    # The weights were read with it, and are written anew beside it.
    weights_file = path.with_suffix(WEIGHTS_SUFFIX)
    weights_file.unlink(missing_ok=True)
    onnx.save(model, path, save_as_external_data=True, location=weights_file.name)


class _Pair:
    """Nodes and constants that round one value and bring it back."""

    def __init__(
        self,
        source: str,
        name: str,
        reach: NDArray[np.float32],
        dtype: np.dtype[np.generic],
        axis: int | None,
        precision: Literal["int8", "fp8"],
    ) -> None:
        scale = (reach / _LARGEST[precision]).astype(dtype)
        # A scale that float16 rounds to 0 would divide by it.
        scale = np.maximum(scale, np.finfo(np.float16).tiny.astype(dtype))
        kind, zero_type = (
            (np.int8, TensorProto.INT8)
            if precision == "int8"
            else (ml_dtypes.float8_e4m3fn, TensorProto.FLOAT8E4M3FN)
        )
        zeros = np.zeros(scale.shape, kind)
        self.constants = [
            numpy_helper.from_array(scale, f"{name}/scale"),
            helper.make_tensor(f"{name}/zero", zero_type, zeros.shape, zeros.tobytes(), raw=True),
        ]
        inputs = [f"{name}/scale", f"{name}/zero"]
        self.output = f"{name}/rounded"
        self.nodes = [
            helper.make_node("QuantizeLinear", [source, *inputs], [f"{name}/codes"], f"{name}/q", axis=axis),
            helper.make_node(
                "DequantizeLinear", [f"{name}/codes", *inputs], [self.output], f"{name}/dq", axis=axis
            ),
        ]


def _reach(values: NDArray[np.generic], axis: int) -> NDArray[np.float32]:
    others = tuple(index for index in range(values.ndim) if index != axis)
    largest: NDArray[np.float32] = np.maximum(np.abs(values.astype(np.float32)).max(others), np.float32(1e-6))
    return largest


def _layer(node: str) -> str:
    """``/denoiser/down0.0/first/Conv`` is ``down0.0.first``, and so is ``/denoiser/down0/down0.0/first/Conv``."""
    scopes = node.strip("/").split("/")[:-1]
    # A sequence that is called names itself before each of its modules, one that is indexed does not.
    told = [scope for scope, inner in pairwise([*scopes, ""]) if not inner.startswith(f"{scope}.")]
    return ".".join(told).removeprefix("denoiser.")
