"""One component read whole: diffusers and transformers only warn where weights are missing, and make them up."""

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from diffusers import ModelMixin
    from transformers import PreTrainedModel

Component = TypeVar("Component", bound="ModelMixin | PreTrainedModel")


def load_whole(kind: type[Component], folder: Path, **options: object) -> Component:
    """``kind.from_pretrained(folder, **options)``, which must find every weight.

    Raises:
        OSError: A file is missing.
        ValueError: A weight is missing or of another shape.
    """
    model, found = kind.from_pretrained(folder, output_loading_info=True, use_safetensors=True, **options)
    missing = sorted(found["missing_keys"])
    if missing:
        raise ValueError(f"{folder} lacks {len(missing)} weights, the first is {missing[0]}")
    loaded: Component = model
    return loaded
