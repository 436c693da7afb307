"""Counts, rates and stage times of one session: the stamps on its frames, summed up."""

import math
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import psutil

from server.session.frame import Frame
from server.stats import (
    BuildSummary,
    ClientReport,
    Dropped,
    FrameCounts,
    FrameRates,
    Memory,
    Percentiles,
    StageTimes,
)

if TYPE_CHECKING:
    from engines.compilers.interface import Footprint
    from engines.compilers.programs import Build

WINDOW_S = 10.0
RATE_WINDOW_S = 2.0
CLIENT_REPORT_AGE_S = 5.0

DropReason = Literal["network", "decode", "inbox", "edit", "outbox", "frame_rate", "encode", "frozen"]

Stage = Literal["uplink", "decode", "wait", "edit", "detail", "encode", "downlink"]
STAGES: tuple[Stage, ...] = ("uplink", "decode", "wait", "edit", "detail", "encode", "downlink")


class Window:
    """Durations of the last ten seconds; percentiles are only made when asked for."""

    def __init__(self, clock: Callable[[], float], span_s: float = WINDOW_S) -> None:
        self._clock, self._span_s = clock, span_s
        self._samples: deque[tuple[float, float]] = deque(maxlen=1024)

    def add(self, milliseconds: float) -> None:
        """Take one duration."""
        self._samples.append((self._clock(), milliseconds))

    def percentiles(self) -> Percentiles | None:
        """p50 and p95 by nearest rank; None where nothing was measured lately."""
        oldest_s = self._clock() - self._span_s
        while self._samples and self._samples[0][0] < oldest_s:
            self._samples.popleft()
        if not self._samples:
            return None
        ordered = sorted(milliseconds for _, milliseconds in self._samples)
        return Percentiles(
            p50=round(nearest_rank(ordered, 0.50), 3), p95=round(nearest_rank(ordered, 0.95), 3)
        )


class Rate:
    """Events a second over the last two seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began_s: float | None = None
        self._times: deque[float] = deque(maxlen=1024)

    def tick(self) -> None:
        """Count one event."""
        now_s = self._clock()
        if self._began_s is None:
            self._began_s = now_s
        self._times.append(now_s)

    def per_second(self) -> float | None:
        """None before the first two events; 0 is a stream that has stopped."""
        now_s = self._clock()
        if self._began_s is None or now_s - self._began_s < 0.2:
            return None
        while self._times and self._times[0] < now_s - RATE_WINDOW_S:
            self._times.popleft()
        span_s = min(RATE_WINDOW_S, now_s - self._began_s)
        return round(len(self._times) / span_s, 2)


class Telemetry:
    """What one session's frames went through."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.received = 0
        self.sent = 0
        self.kinds: Counter[str] = Counter()
        self.dropped: Counter[DropReason] = Counter()
        self.camera_size: tuple[int, int] | None = None
        self.edit_size: tuple[int, int] | None = None
        self.shown_size: tuple[int, int] | None = None
        self.drift: float | None = None
        self.compiler: str | None = None
        self.evaluations: int | None = None
        self.instruction_apply_ms: float | None = None
        self._stages = {stage: Window(clock) for stage in STAGES}
        self._server = Window(clock)
        self._rate_in, self._rate_out = Rate(clock), Rate(clock)
        self._client: ClientReport | None = None
        self._client_s = -math.inf

    def count_received(self) -> None:
        """A whole camera picture is in."""
        self.received += 1
        self._rate_in.tick()

    def count_dropped(self, reason: DropReason, count: int = 1) -> None:
        """Pictures that will never leave."""
        self.dropped[reason] += count

    def add_decoded(self, frame: Frame) -> None:
        """A frame begins its way."""
        self.camera_size, self.edit_size = frame.source_size, frame.edit_size
        self._stages["decode"].add(1000.0 * (frame.decoded_s - frame.received_s))

    def add_uplink(self, milliseconds: float) -> None:
        """Capture to last packet in."""
        self._stages["uplink"].add(milliseconds)

    def add_downlink(self, milliseconds: float) -> None:
        """Last packet out to the browser."""
        self._stages["downlink"].add(milliseconds)

    def add_sent(self, frame: Frame) -> None:
        """A frame has come to the end of its way."""
        assert frame.sent_s is not None
        self.sent += 1
        self.kinds[frame.kind] += 1
        self.shown_size = frame.shown_size
        self._rate_out.tick()
        if frame.kind == "repeated":
            return
        self._server.add(1000.0 * (frame.sent_s - frame.received_s))
        begun_s = frame.decoded_s
        if frame.edit_started_s is not None and frame.edited_s is not None:
            self._stages["wait"].add(1000.0 * (frame.edit_started_s - frame.decoded_s))
            self._stages["edit"].add(1000.0 * (frame.edited_s - frame.edit_started_s))
            begun_s = frame.edited_s
            self.drift, self.evaluations = frame.drift, frame.evaluations
            self.compiler = frame.compiler
        if frame.detailed_s is not None:
            self._stages["detail"].add(1000.0 * (frame.detailed_s - begun_s))
            begun_s = frame.detailed_s
        if frame.encoded_s is not None:
            self._stages["encode"].add(1000.0 * (frame.encoded_s - begun_s))

    def add_client_report(self, report: ClientReport) -> None:
        """Take what the browser measured."""
        self._client, self._client_s = report, self._clock()

    @property
    def frames(self) -> FrameCounts:
        """Counts since the session began."""
        dropped = self.dropped
        return FrameCounts(
            received=self.received,
            edited=self.kinds["edited"],
            repeated=self.kinds["repeated"],
            passed=self.kinds["passed"],
            dropped=Dropped(
                network=dropped["network"],
                decode=dropped["decode"],
                inbox=dropped["inbox"],
                edit=dropped["edit"],
                outbox=dropped["outbox"],
                frame_rate=dropped["frame_rate"],
                encode=dropped["encode"],
                frozen=dropped["frozen"],
            ),
        )

    @property
    def rates(self) -> FrameRates:
        """Frames a second."""
        return FrameRates(received=self._rate_in.per_second(), out=self._rate_out.per_second())

    @property
    def stages(self) -> StageTimes:
        """Where the time goes."""
        times = {stage: window.percentiles() for stage, window in self._stages.items()}
        client = self.client_report
        if client is not None and client.downlink_ms is not None:
            times["downlink"] = client.downlink_ms
        return StageTimes(**times)

    @property
    def server(self) -> Percentiles | None:
        """Last packet in to last packet out."""
        return self._server.percentiles()

    @property
    def client_report(self) -> ClientReport | None:
        """What the browser last measured; None once it is old."""
        return self._client if self._clock() - self._client_s < CLIENT_REPORT_AGE_S else None


def nearest_rank(ordered: list[float], share: float) -> float:
    """The smallest value that at least ``share`` of the values do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def build_summary(build: "Build | None") -> BuildSummary | None:
    """A compilation behind the frames, as it is told; None where there is none."""
    if build is None:
        return None
    return BuildSummary(
        compiler=build.compiler,
        size=(build.shape.width, build.shape.height),
        phase=build.phase,
        progress=round(build.progress, 3),
        elapsed_s=round(build.elapsed_s, 1),
        remaining_s=None if build.remaining_s is None else round(build.remaining_s, 1),
        failure=build.failure,
    )


def memory(held: "Footprint | None", session_bytes: int | None) -> Memory:
    """What this process and, where there is a GPU, the device hold.

    Args:
        held: By the model; None until it is loaded.
        session_bytes: By one session's memories; None where no session is asked about.
    """
    process_bytes = psutil.Process().memory_info().rss
    weights_bytes = None if held is None else held.weights_bytes
    engine_bytes = None if held is None else held.engine_bytes
    workspace_bytes = None if held is None else held.workspace_bytes
    # Asked only once an engine has loaded it: importing torch takes seconds.
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "cuda") or not torch.cuda.is_initialized():
        return Memory(
            process_bytes=process_bytes,
            weights_bytes=weights_bytes,
            engine_bytes=engine_bytes,
            workspace_bytes=workspace_bytes,
            session_bytes=session_bytes,
            device_allocated_bytes=None,
            device_reserved_bytes=None,
            device_peak_bytes=None,
            device_free_bytes=None,
        )
    return Memory(
        process_bytes=process_bytes,
        weights_bytes=weights_bytes,
        engine_bytes=engine_bytes,
        workspace_bytes=workspace_bytes,
        session_bytes=session_bytes,
        device_allocated_bytes=torch.cuda.memory_allocated(),
        device_reserved_bytes=torch.cuda.memory_reserved(),
        device_peak_bytes=torch.cuda.max_memory_allocated(),
        device_free_bytes=torch.cuda.mem_get_info()[0],
    )
