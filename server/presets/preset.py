"""A stack of instructions with a name, and the file that carries several to another server."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from server.asks import WHOLE, LayerFields
from server.session.stack import MAX_LAYERS

FILE_VERSION = 1
MAX_PRESETS = 1000
MAX_FILE_BYTES = 32 * 1024 * 1024
"""Of a file of presets: room for as many as are kept, of the longest instructions in any script."""

PRINTABLE = r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$"

PresetName = Annotated[str, Field(max_length=80, pattern=PRINTABLE, examples=["Noir"])]


class PresetLayer(LayerFields):
    """An instruction of a preset."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class PresetFields(BaseModel):
    """A name and what it stands for."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: PresetName
    layers: Annotated[tuple[PresetLayer, ...], Field(min_length=1, max_length=MAX_LAYERS, strict=False)]
    """The first is applied first."""


class Preset(PresetFields):
    """A preset as it is kept."""

    id: str
    created_at: str
    """ISO 8601."""
    updated_at: str


class PresetFile(BaseModel):
    """Presets on their way from one server to another."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal["afterimage-presets"] = "afterimage-presets"
    version: Annotated[int, Field(ge=1, le=FILE_VERSION), WHOLE] = 1
    presets: Annotated[tuple[PresetFields, ...], Field(max_length=MAX_PRESETS, strict=False)]
