"""A session's telemetry, gathered from its parts."""

from collections.abc import Callable

from server import telemetry
from server.engine import Engine
from server.rtc.broadcast import Broadcast
from server.session.intake import Intake
from server.session.layered import Seat
from server.session.viewers import Viewers
from server.session.worker import Worker
from server.stats import PictureSizes, Stats, VideoCodecs
from server.telemetry import Telemetry


class Figures:
    """Gathers them; asked twice a second and by whoever calls for them.

    Args:
        model: What is to edit, as the settings have it; once it is loaded, its own name is told.
        engine: The editor all sessions share.
        measured: What the frames have told.
        worker: Edits the session's frames.
        seat: Holds its memories.
        intake: Where its picture comes in.
        broadcast: Encodes for its viewers.
        viewers: Those.
        clock: Monotonic seconds; the session begins now.
    """

    def __init__(
        self,
        model: str,
        engine: Engine,
        measured: Telemetry,
        worker: Worker,
        seat: Seat,
        intake: Intake,
        broadcast: Broadcast,
        viewers: Viewers,
        clock: Callable[[], float],
    ) -> None:
        self._model, self._engine, self._measured = model, engine, measured
        self._worker, self._seat, self._intake = worker, seat, intake
        self._broadcast, self._viewers = broadcast, viewers
        self._clock, self._began_s = clock, clock()

    def now(self) -> Stats:
        """As of now."""
        measured, client = self._measured, self._measured.client_report
        runs = self._engine.description
        return Stats(
            frames=measured.frames,
            fps=measured.rates,
            stages_ms=measured.stages,
            server_ms=measured.server,
            glass_to_glass_ms=None if client is None else client.glass_to_glass_ms,
            displayed_fps=None if client is None else client.displayed_fps,
            memory=telemetry.memory(self._engine.footprint, self._seat.held_bytes),
            model=self._model if runs is None else runs.name,
            version=None if runs is None else runs.version,
            compiler=measured.compiler or (None if runs is None else runs.compiler),
            build=telemetry.build_summary(self._engine.build),
            precision=None if runs is None else runs.precision,
            device=None if runs is None else runs.device,
            steps=None if runs is None else runs.steps,
            evaluations=measured.evaluations,
            layers=len(self._worker.edits.applied(self._clock())),
            drift=measured.drift,
            instruction_apply_ms=measured.instruction_apply_ms,
            size=PictureSizes(
                received=measured.camera_size, edit=measured.edit_size, shown=measured.shown_size
            ),
            viewers=self._viewers.summaries,
            encoders=self._broadcast.encoders,
            codecs=self._codecs,
            uptime_s=round(self._clock() - self._began_s, 3),
        )

    @property
    def _codecs(self) -> VideoCodecs:
        own = self._intake.codecs
        return VideoCodecs(decoder=own.decoder, encoders=own.encoders + self._broadcast.running)
