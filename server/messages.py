"""What the server says and hears besides pictures: on data channels, as server-sent events, as JSON."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

SessionState = Literal["new", "connecting", "live", "frozen", "degraded", "closed"]


class Message(BaseModel):
    """A value that travels as JSON."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())


class Percentiles(Message):
    """Of a sliding window, in milliseconds."""

    p50: float
    p95: float


class ClientReport(BaseModel):
    """What only the browser can measure; said on the `telemetry` channel."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    v: Literal[1]
    type: Literal["client"]
    glass_to_glass_ms: Percentiles | None = None
    downlink_ms: Percentiles | None = None
    displayed_fps: float | None = None


# Said by the server.


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
    "bad_json", "binary", "unknown_type", "bad_field", "too_large", "too_many", "unavailable", "refused"
]


class ControlErrorMessage(Message):
    """A control message that could not be followed."""

    v: Literal[1] = 1
    id: str | None
    type: Literal["error"] = "error"
    code: ControlErrorCode
    detail: str


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
    """Frames that left between the instruction's arrival and this one."""
    elapsed_ms: float
    """From the instruction's arrival to the last packet of this frame."""


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


class Dropped(Message):
    """Frames that never left, by reason."""

    network: int
    """Packets lost for good, or parts of a picture that never became whole."""
    decode: int
    """The decoder fell behind or could not read it."""
    inbox: int
    """A newer one came before the editor's turn."""
    outbox: int
    """A newer one came before the encoder's turn."""
    encode: int
    """The encoder could not write it."""
    frozen: int
    """The picture was held."""


class FrameCounts(Message):
    """Since the session began."""

    # "in" is a keyword of Python.
    model_config = ConfigDict(populate_by_name=True)

    received: int = Field(serialization_alias="in")
    edited: int
    repeated: int
    passed: int
    """Left untouched."""
    dropped: Dropped


class FrameRates(Message):
    """Frames a second over the last two seconds; null before the first frames."""

    received: float | None = Field(serialization_alias="in")
    out: float | None


class StageTimes(Message):
    """Where a frame's time goes; each null where not measured."""

    uplink: Percentiles | None
    """Capture to the last packet in, by the sender's clock brought to ours with half a round trip."""
    decode: Percentiles | None
    """Last packet in to decoded and scaled."""
    wait: Percentiles | None
    """For the editor's turn."""
    edit: Percentiles | None
    detail: Percentiles | None
    """Brought to the camera's size; null where the edit leaves at the size it was made."""
    encode: Percentiles | None
    """Ready to leave to encoded, waiting for the encoder included."""
    downlink: Percentiles | None
    """Last packet out to the browser: as it reports it, otherwise half a round trip."""


class Memory(Message):
    """In bytes; the device's are null without a GPU, the model's until it is loaded."""

    process_bytes: int
    weights_bytes: int | None
    """Of the model, on the device it runs on; a compiler may count them in its engines instead."""
    engine_bytes: int | None
    """Of compiled programs."""
    workspace_bytes: int | None
    """Of activations and scratch space that compiled programs keep; on a CPU they come and go."""
    session_bytes: int | None
    """Of this session's memories: latents and noise."""
    device_allocated_bytes: int | None
    device_reserved_bytes: int | None
    device_peak_bytes: int | None
    device_free_bytes: int | None


class BuildSummary(Message):
    """A compilation behind the frames, which PyTorch edits meanwhile."""

    compiler: str
    size: tuple[int, int]
    """[width, height] it is for."""
    phase: str
    progress: float
    """Share that is done, 0 to 1."""
    elapsed_s: float
    remaining_s: float | None
    """An estimate; null where nothing tells yet."""
    failure: str | None
    """Why it failed; PyTorch then goes on editing."""


class PictureSizes(Message):
    """[width, height]; null before the first frame."""

    received: tuple[int, int] | None = Field(serialization_alias="in")
    edit: tuple[int, int] | None
    shown: tuple[int, int] | None


class ViewerSummary(Message):
    """One viewer (WHEP)."""

    codec: str | None
    connected: bool
    sound: bool
    """Whether it takes sound."""
    pictures_sent: int
    pictures_dropped: int
    """It was too slow for these, or could not have decoded them."""
    watched_s: float


class RunningEncoder(Message):
    """An encoder at work."""

    codec: str
    name: str
    """FFmpeg's, as libx264 or h264_nvenc."""
    bitrate_bps: int
    """What it is told to keep to: as far as the network carries, up to what is set."""
    width: int
    height: int
    """Of what is sent: smaller than the edit where a receiver's level asks for it."""
    level: float | None
    """H.264's, as 3.1, that the stream says of itself; null for other codecs."""


class VideoCodecs(Message):
    """What decodes and encodes, by FFmpeg's names; hardware where it opens."""

    decoder: str | None
    """null before the first picture."""
    encoders: tuple[RunningEncoder, ...]
    """The browser's own and the viewers'."""


class Stats(Message):
    """Telemetry of one session; null where not measured, never 0."""

    frames: FrameCounts
    fps: FrameRates
    stages_ms: StageTimes
    server_ms: Percentiles | None
    """Last packet of a camera picture in to last packet of its edit out."""
    glass_to_glass_ms: Percentiles | None
    """Capture to display, as the browser measures it."""
    displayed_fps: float | None
    memory: Memory
    model: str
    version: str | None
    compiler: str | None
    """What ran the newest edit: the model's own, or "eager" until that is built."""
    build: BuildSummary | None
    precision: str | None
    device: str | None
    steps: int | None
    evaluations: int | None
    """Of the network for the newest edited frame, all layers together."""
    layers: int
    """Instructions that show."""
    drift: float | None
    instruction_apply_ms: float | None
    size: PictureSizes
    viewers: tuple[ViewerSummary, ...]
    encoders: int
    """At work for all viewers together."""
    codecs: VideoCodecs
    uptime_s: float


class StatsMessage(Stats):
    """Stats as the `telemetry` channel and the event stream carry them."""

    v: Literal[1] = 1
    type: Literal["stats"] = "stats"


class FrameMatch(Message):
    """Which camera picture a frame that left was made from."""

    out_rtp: int
    in_rtp: int
    capture_ms: float | None
    """By the sender's clock, Unix milliseconds; null before its first sender report."""


class FramesMessage(Message):
    """Frames that left since the last such message."""

    v: Literal[1] = 1
    type: Literal["frames"] = "frames"
    frames: tuple[FrameMatch, ...]


EventMessage = ReceiptMessage | WarningMessage | StateMessage | EditsMessage | RecordingMessage | StatsMessage
