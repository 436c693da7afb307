"""diffusers' AutoencoderTiny, read from what diffusers itself has saved without a warning at every load."""

from collections.abc import Mapping
from typing import Any

import diffusers


class AutoencoderTiny(diffusers.AutoencoderTiny):  # type: ignore[misc]
    """The same network under the same name."""

    @classmethod
    def extract_init_dict(cls, config_dict: Mapping[str, Any], **kwargs: object) -> tuple[Any, ...]:
        """Its own constructor adds ``block_out_channels`` to the configuration, and does not know it again."""
        known = {name: value for name, value in config_dict.items() if name != "block_out_channels"}
        extracted: tuple[Any, ...] = super().extract_init_dict(known, **kwargs)
        return extracted
