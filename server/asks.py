"""What can be asked of a session: the same fields as JSON bodies over REST and as `control` messages."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from server.session.stack import MAX_LAYERS, Place

MAX_INSTRUCTION_LENGTH = 500


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
"""JSON knows no difference between 2 and 2.0, and an integer of JSON Schema is either. Stands after the bounds."""

InstructionText = Annotated[
    str, Field(max_length=MAX_INSTRUCTION_LENGTH, pattern=r"\S", examples=["make it a pencil sketch"])
]
Strength = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
TransitionMs = Annotated[float, Field(ge=0.0, le=60_000.0, allow_inf_nan=False)]
Position = Annotated[int, Field(ge=0, lt=MAX_LAYERS), WHOLE]
Id = Annotated[str, Field(min_length=1, max_length=128)]


class LayerFields(BaseModel):
    """An instruction as it stands on a stack, or in a preset."""

    text: InstructionText
    strength: Strength = 1.0
    """0 shows the source, 1 the edit."""
    enabled: bool = True


class InstructionFields(BaseModel):
    """A new instruction."""

    text: InstructionText
    strength: Strength = 1.0
    """0 shows the source, 1 the edit."""
    transition_ms: TransitionMs = 0.0
    """How long it takes to get there from what shows now."""
    place: Place = "alone"
    """In the place of all others, or on top of them: applied to what they made of the picture."""


class LayerChangeFields(BaseModel):
    """What to change of an instruction on the stack; what is left out stays."""

    strength: Strength | None = None
    enabled: bool | None = None
    position: Position | None = None
    """0 is applied first."""
    transition_ms: TransitionMs = 0.0


# Said by a browser on the `control` channel.


class Heard(BaseModel):
    """A control message; `id` comes back with its acknowledgement."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    v: Literal[1]
    id: Id


class InstructionMessage(Heard, InstructionFields):
    """A new instruction."""

    type: Literal["instruction"]


class StrengthMessage(Heard):
    """How much of the topmost instruction shows."""

    type: Literal["strength"]
    value: Strength


class LayerMessage(Heard, LayerChangeFields):
    """Change an instruction on the stack."""

    type: Literal["layer"]
    instruction_id: Id


class RemoveMessage(Heard):
    """Take an instruction off the stack."""

    type: Literal["remove"]
    instruction_id: Id
    transition_ms: TransitionMs = 0.0


class ClearMessage(Heard):
    """Take every instruction off the stack."""

    type: Literal["clear"]
    transition_ms: TransitionMs = 0.0


class UndoMessage(Heard):
    """Take back the last change of the stack."""

    type: Literal["undo"]


class RedoMessage(Heard):
    """Do the change again that was taken back last."""

    type: Literal["redo"]


class BypassMessage(Heard):
    """Show the original, or the edit again."""

    type: Literal["bypass"]
    bypassed: bool


class FreezeMessage(Heard):
    """Hold the picture, or go on."""

    type: Literal["freeze"]
    frozen: bool


class PresetMessage(Heard):
    """Put a preset's instructions in the place of all others."""

    type: Literal["preset"]
    preset_id: Id
    transition_ms: TransitionMs = 0.0


class RecordMessage(Heard):
    """Begin to record."""

    type: Literal["record"]
    original: bool = False
    """The camera's own picture as well, to render the take again from."""


class StopRecordingMessage(Heard):
    """End the recording."""

    type: Literal["stop_recording"]


class PingMessage(Heard):
    """Asks for the server's clock."""

    type: Literal["ping"]
    t: Annotated[float, Field(allow_inf_nan=False)]


ControlMessage = (
    InstructionMessage
    | StrengthMessage
    | LayerMessage
    | RemoveMessage
    | ClearMessage
    | UndoMessage
    | RedoMessage
    | BypassMessage
    | FreezeMessage
    | PresetMessage
    | RecordMessage
    | StopRecordingMessage
    | PingMessage
)
