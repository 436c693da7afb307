"""A cell of the table and what was measured of it."""

from dataclasses import dataclass, replace

from benchmarks.engine.floor import operations
from benchmarks.engine.models import META, PAPER_EVALUATIONS, CodecName, Subject, frame_program
from engines.compilers.interface import FrameShape

DIFFUSERS = "diffusers"
"""The baseline's name among the compilers'."""


@dataclass(frozen=True)
class Setting:
    """One cell of the table."""

    subject: Subject
    side: int
    batch: int
    evaluations: int
    codec: CodecName

    @property
    def shape(self) -> FrameShape:
        """Square pictures."""
        return FrameShape(self.batch, self.side, self.side)


@dataclass(frozen=True)
class Row:
    """What one compiler, or diffusers, needs for a cell; milliseconds of a whole step, which edits ``batch`` frames.

    Attributes:
        model: Its name.
        resolution: Both sides of the picture, in pixels.
        batch: Frames in a step.
        evaluations: Of the network for a frame.
        codec: Pixels to latents and back.
        compiler: What ran it; "diffusers" is the baseline.
        precision: What it computed in.
        fps: Frames a second at the median step.
        p50_ms: Median of a step.
        p95_ms: 95th percentile.
        cpu_ms: Least processor time of all threads for a step, which a shared machine disturbs least; None on a GPU.
        encode_ms: p50 and p95 of the encoder alone; None where the parts cannot be told apart.
        denoise_ms: Of one prediction, which in the paper's setting is three evaluations.
        decode_ms: Of the decoder alone.
        memory_bytes: Peak of the device; on a CPU what the process grew by.
        build_s: Time to compile.
        gigaflop: Multiplications and additions of a step, 10^9.
        floor_ms: Those over the measured matrix peak.
        ratio_to_diffusers: Median of diffusers' pipeline over this one.
        cpu_ratio_to_diffusers: The same of their processor time.
        failure: Why there is no figure.
    """

    model: str
    resolution: int
    batch: int
    evaluations: int
    codec: str
    compiler: str
    precision: str
    fps: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    cpu_ms: float | None = None
    encode_ms: tuple[float, float] | None = None
    denoise_ms: tuple[float, float] | None = None
    decode_ms: tuple[float, float] | None = None
    memory_bytes: int | None = None
    build_s: float | None = None
    gigaflop: float | None = None
    floor_ms: float | None = None
    ratio_to_diffusers: float | None = None
    cpu_ratio_to_diffusers: float | None = None
    failure: str | None = None


def empty_row(setting: Setting, compiler: str, precision: str) -> Row:
    """A row of which nothing is measured yet."""
    return Row(
        model=setting.subject.name,
        resolution=setting.side,
        batch=setting.batch,
        evaluations=setting.evaluations,
        codec=setting.codec,
        compiler=compiler,
        precision=precision,
    )


def operations_of(setting: Setting) -> int:
    """Multiplications and additions of a whole step, counted on one of the sampler's and one frame: all are alike."""
    shape = replace(setting, batch=1).shape

    def counted(evaluations: int) -> int:
        return operations(frame_program(setting.subject, setting.codec, evaluations, META), shape)

    if setting.evaluations in (1, PAPER_EVALUATIONS):
        return counted(setting.evaluations) * setting.batch
    one = counted(1)
    return (one + (counted(2) - one) * (setting.evaluations - 1)) * setting.batch


def finished(row: Row, flop: int, peaks: dict[str, float], baseline: Row | None) -> Row:
    """The row with what follows from its times.

    Args:
        row: As measured.
        flop: Of :func:`operations_of`.
        peaks: Operations a second of a matrix product, by precision.
        baseline: What diffusers needs for the same, where that is known.
    """
    if row.p50_ms is None:
        return row
    # Eight bits have no peak of their own here; the next wider type's is a floor all the same.
    peak = peaks.get(row.precision) or peaks.get("bfloat16") or peaks["float32"]
    row = replace(row, gigaflop=flop / 1e9, floor_ms=1e3 * flop / peak)
    if baseline is None or baseline.p50_ms is None or row.p50_ms is None:
        return row
    cpu_ratio = baseline.cpu_ms / row.cpu_ms if baseline.cpu_ms and row.cpu_ms else None
    return replace(row, ratio_to_diffusers=baseline.p50_ms / row.p50_ms, cpu_ratio_to_diffusers=cpu_ratio)
