"""One component read whole: diffusers and transformers only warn where weights are missing, and make them up."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from diffusers import ModelMixin
    from transformers import PreTrainedModel

Component = TypeVar("Component", bound="ModelMixin | PreTrainedModel")

_LONGEST_REASON = 200


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


def outline_whole(kind: type[Component], folder: Path, variant: str | None = None) -> Component:
    """What :func:`load_whole` would give, without a weight read: they are compared by name and shape alone.

    Returns:
        The network on the "meta" device, where it takes no memory.

    Raises:
        OSError: A file is missing.
        ValueError: The configuration describes no network, or another one than the weights are of.
    """
    try:
        with _unreported():
            model, found = kind.from_pretrained(
                folder,
                output_loading_info=True,
                use_safetensors=True,
                variant=variant,
                ignore_mismatched_sizes=True,
                device_map={"": "meta"},
            )
    except OSError:
        raise
    except Exception as error:
        # A wrong value ends anywhere in the libraries, in whatever is raised there.
        reason = " ".join(str(error).split())[:_LONGEST_REASON] or type(error).__name__
        raise ValueError(f"{folder / 'config.json'} describes no {kind.__name__}: {reason}") from error
    other = sorted(found["mismatched_keys"])
    if other:
        name, stored, described = other[0]
        raise ValueError(
            f"{folder / 'config.json'} is not of these weights: by it {name} is of {_shown(described)},"
            f" stored is one of {_shown(stored)}"
        )
    missing = sorted(found["missing_keys"])
    if missing:
        raise ValueError(f"{folder} lacks {len(missing)} weights, the first is {missing[0]}")
    outlined: Component = model
    return outlined


def _shown(shape: tuple[int, ...]) -> str:
    return " x ".join(str(size) for size in shape)


@contextmanager
def _unreported() -> Iterator[None]:
    """Both libraries tell of every weight that does not fit in a line of its own; one line is enough."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    libraries = (diffusers_logging, transformers_logging)
    before = [(library.get_verbosity(), library.is_progress_bar_enabled()) for library in libraries]
    for library in libraries:
        library.set_verbosity_error()
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library, (verbosity, with_bars) in zip(libraries, before, strict=True):
            library.set_verbosity(verbosity)
            if with_bars:
                library.enable_progress_bar()
