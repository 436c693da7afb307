"""What Prometheus reads: sums over all sessions, those that have ended included."""

from collections import Counter
from collections.abc import Iterator
from typing import get_args

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from server.engine import Engine
from server.session.session import Session
from server.session.sessions import Sessions
from server.telemetry import STAGES, DropReason, memory


class Totals:
    """Counts of sessions that have ended."""

    def __init__(self) -> None:
        self.sessions = 0
        self.frames: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()

    def add(self, session: Session) -> None:
        """Take a session's counts over, at its end."""
        self.sessions += 1
        add_counts(session, self.frames, self.dropped)


def add_counts(session: Session, frames: Counter[str], dropped: Counter[str]) -> None:
    """Add a session's frames by what became of them, and its drops by reason."""
    frames["in"] += session.telemetry.received
    frames.update(session.telemetry.kinds)
    dropped.update({str(reason): count for reason, count in session.telemetry.dropped.items()})


class LiveCollector(Collector):
    """Makes the metrics when they are asked for; the frame path keeps no second set of counters.

    Args:
        sessions: Those that are open.
        engine: The editor.
        totals: Of those that have ended.
    """

    def __init__(self, sessions: Sessions, engine: Engine, totals: Totals) -> None:
        self._sessions, self._engine, self._totals = sessions, engine, totals

    def collect(self) -> Iterator[Metric]:
        """All metric families."""
        sessions = tuple(self._sessions)
        frames, dropped = Counter(self._totals.frames), Counter(self._totals.dropped)
        for session in sessions:
            add_counts(session, frames, dropped)

        open_now = GaugeMetricFamily("afterimage_sessions", "Open sessions by state.", labels=["state"])
        for state, count in Counter(session.state for session in sessions).items():
            open_now.add_metric([state], count)
        yield open_now
        yield GaugeMetricFamily("afterimage_sessions_max", "Sessions at once.", self._sessions.max_sessions)
        watching = sum(session.viewers for session in sessions)
        yield GaugeMetricFamily("afterimage_viewers", "Viewers of all sessions (WHEP).", watching)
        yield CounterMetricFamily(
            "afterimage_sessions_opened", "Sessions opened.", self._totals.sessions + len(sessions)
        )

        by_kind = CounterMetricFamily(
            "afterimage_frames", "Frames in, and out by what they show.", labels=["kind"]
        )
        for kind in ("in", "edited", "passed", "repeated"):
            by_kind.add_metric([kind], frames[kind])
        yield by_kind
        by_reason = CounterMetricFamily("afterimage_frames_dropped", "Frames dropped.", labels=["reason"])
        for reason in get_args(DropReason):
            by_reason.add_metric([reason], dropped[reason])
        yield by_reason

        stage_s = GaugeMetricFamily(
            "afterimage_stage_seconds",
            "Where a frame's time goes, over ten seconds.",
            labels=["session", "stage", "quantile"],
        )
        for session in sessions:
            times = session.telemetry.stages
            measured = {stage: getattr(times, stage) for stage in STAGES} | {
                "server": session.telemetry.server
            }
            for stage, percentiles in measured.items():
                if percentiles is not None:
                    stage_s.add_metric([session.id, stage, "0.5"], percentiles.p50 / 1000.0)
                    stage_s.add_metric([session.id, stage, "0.95"], percentiles.p95 / 1000.0)
        yield stage_s

        ready = GaugeMetricFamily(
            "afterimage_model_ready",
            "1 once the model is warm.",
            labels=["model", "version", "compiler", "precision", "device"],
        )
        runs = self._engine.description
        if runs is not None:
            ready.add_metric([runs.name, runs.version, runs.compiler, runs.precision, runs.device], 1)
        yield ready

        model_bytes = GaugeMetricFamily(
            "afterimage_model_bytes", "Memory of the device that the model holds.", labels=["kind"]
        )
        footprint = self._engine.footprint
        if footprint is not None:
            model_bytes.add_metric(["weights"], footprint.weights_bytes)
            model_bytes.add_metric(["engine"], footprint.engine_bytes)
            model_bytes.add_metric(["workspace"], footprint.workspace_bytes)
        yield model_bytes
        session_bytes = GaugeMetricFamily(
            "afterimage_session_bytes", "Latents and noise of a session's memories.", labels=["session"]
        )
        for session in sessions:
            session_bytes.add_metric([session.id], session.held_bytes)
        yield session_bytes
        progress = GaugeMetricFamily(
            "afterimage_build_progress", "Share of the compilation behind the frames.", labels=["compiler"]
        )
        build = self._engine.build
        if build is not None and build.failure is None:
            progress.add_metric([build.compiler], build.progress)
        yield progress

        held = memory(footprint, None)
        yield GaugeMetricFamily("afterimage_process_bytes", "Resident memory.", held.process_bytes)
        for name, meaning, bytes_held in (
            ("afterimage_device_allocated_bytes", "Device memory in use.", held.device_allocated_bytes),
            ("afterimage_device_free_bytes", "Device memory left.", held.device_free_bytes),
        ):
            # Named, but without a value, where there is no device: 0 would be a measurement.
            yield GaugeMetricFamily(name, meaning, bytes_held)


def make_registry(sessions: Sessions, engine: Engine, totals: Totals) -> CollectorRegistry:
    """A registry of this server's own: two servers in one process do not share metrics."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(LiveCollector(sessions, engine, totals))
    return registry
