"""Names of compilers and precisions, apart from all that needs PyTorch: settings are read before it is loaded."""

from typing import Literal

CompilerName = Literal[
    "eager", "inductor", "openvino", "onnxruntime", "tensorrt", "torch-tensorrt", "tensorrt-rtx"
]
Precision = Literal["float32", "bfloat16", "float16", "int8", "fp8"]
