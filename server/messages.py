"""What the server says and hears besides pictures: on data channels, as server-sent events, as JSON."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

SessionState = Literal["new", "connecting", "live", "frozen", "degraded", "closed"]


class Message(BaseModel):
    """A value that travels as JSON."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())


class InstructionTaken(Message):
    """An instruction was understood, or not: `known` is false where any of it is unlike anything taught.

    Everything but the id and the text is null while the model is not loaded yet.
    """

    instruction_id: str
    text: str
    family: str | None = None
    edits: tuple[str, ...] | None = None
    """Families of what is done, in the order they are named; of a half known instruction that half, else empty."""
    known: bool | None = None
    confidence: float | None = None
    nearest: tuple[str, ...] | None = None


class LayerSummary(InstructionTaken):
    """An instruction on the stack."""

    strength: float
    enabled: bool


class EditsSummary(Message):
    """What is asked of the picture: a stack of instructions, the first applied first."""

    layers: tuple[LayerSummary, ...]
    can_undo: bool
    can_redo: bool
    bypassed: bool
    """The original shows."""
    frozen: bool
    """The picture is held."""


class EditsMessage(EditsSummary):
    """What is asked of the picture has changed."""

    v: Literal[1] = 1
    type: Literal["edits"] = "edits"


class Ack(Message):
    """Answer to a control message that asks for nothing back."""

    v: Literal[1] = 1
    id: str
    type: Literal["ack"] = "ack"


class InstructionAck(Ack):
    """Answer to an instruction."""

    instruction_id: str
    family: str
    edits: tuple[str, ...]
    known: bool
    confidence: float
    nearest: tuple[str, ...]


class RecordAck(Ack):
    """Answer to the wish to record."""

    recording_id: str


class PingAck(Ack):
    """Answer to a ping."""

    t: float
    server_time_ms: float


ControlErrorCode = Literal[
    "bad_json",
    "binary",
    "unknown_type",
    "bad_field",
    "too_large",
    "too_many",
    "unavailable",
    "refused",
    "unknown_instruction",
]


class ControlErrorMessage(Message):
    """A control message that could not be followed."""

    v: Literal[1] = 1
    id: str | None
    type: Literal["error"] = "error"
    code: ControlErrorCode
    detail: str
    nearest: tuple[str, ...] | None = None
    """Of an unknown instruction: what the model does know."""


class ReceiptMessage(Message):
    """The first frame that carries an instruction has left."""

    v: Literal[1] = 1
    type: Literal["receipt"] = "receipt"
    instruction_id: str
    text: str
    frame_index: int
    """Of the frames that left in this session, from 0."""
    rtp_timestamp: int | None
    """The one it left with; null with a publisher, whose viewers each have timestamps of their own."""
    frames_waited: int
    """Frames that left between the instruction's arrival and this one; as below."""
    elapsed_ms: float
    """From the instruction's arrival to the last packet of this frame.

    From when it could show, where that is later: it was switched off, or the original or a held picture showed.
    """


class WarningMessage(Message):
    """Something a person should read."""

    v: Literal[1] = 1
    type: Literal["warning"] = "warning"
    code: str
    detail: str
    nearest: tuple[str, ...] | None = None


class StateMessage(Message):
    """The session's state has changed."""

    v: Literal[1] = 1
    type: Literal["state"] = "state"
    state: SessionState
    reason: str | None = None


RecordingState = Literal["recording", "ended", "interrupted"]
RecordingFile = Literal["edited.mp4", "original.mp4", "instructions.jsonl"]


class RecordingSummary(Message):
    """A recording, under way or kept."""

    id: str
    session_id: str
    state: RecordingState
    """``interrupted``: the server ended before the recording did; what it wrote is whole up to its last second."""
    reason: str | None
    """Why it ended."""
    started_at: AwareDatetime
    duration_s: float
    frames: int
    """In the edited file."""
    dropped: int
    """Frames that came before the last one was written."""
    bytes: int
    """Of all its files."""
    files: tuple[RecordingFile, ...]


class RecordingMessage(Message):
    """A recording has begun or ended."""

    v: Literal[1] = 1
    type: Literal["recording"] = "recording"
    recording: RecordingSummary
