"""What is measured of a session, as it travels: over REST, on the `telemetry` channel, as server-sent events."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from server.messages import Message


class Percentiles(Message):
    """Of a sliding window, in milliseconds."""

    model_config = ConfigDict(allow_inf_nan=False)

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


class Dropped(Message):
    """Frames that never left, by reason."""

    network: int
    """Packets lost for good, or parts of a picture that never became whole."""
    decode: int
    """The decoder fell behind or could not read it, or it was too large."""
    inbox: int
    """A newer one came before the editor's turn."""
    edit: int
    """The edit came back after newer ones had left, or the model takes no such size."""
    outbox: int
    """A newer one came before the encoder's turn."""
    frame_rate: int
    """The receiver takes no more of them a second."""
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
