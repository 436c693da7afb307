import pytest

from engines.compilers.interface import Footprint, FrameShape
from engines.compilers.programs import Build
from server.stats import ClientReport, Percentiles
from server.telemetry import Rate, Telemetry, Window, build_summary, memory, nearest_rank
from tests.server.frames import frame


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_percentiles_are_of_the_last_ten_seconds() -> None:
    clock = Clock()
    window = Window(clock)
    assert window.percentiles() is None
    window.add(500.0)
    clock.now_s += 9
    for value in range(1, 101):
        window.add(float(value))
    clock.now_s += 2
    assert window.percentiles() == Percentiles(p50=50.0, p95=95.0)
    clock.now_s += 20
    assert window.percentiles() is None


@pytest.mark.parametrize(("share", "value"), [(0.0, 1.0), (0.5, 2.0), (0.95, 4.0), (1.0, 4.0)])
def test_nearest_rank(share: float, value: float) -> None:
    assert nearest_rank([1.0, 2.0, 3.0, 4.0], share) == value


def test_a_rate_is_of_two_seconds_and_zero_once_a_stream_has_stopped() -> None:
    clock = Clock()
    rate = Rate(clock)
    assert rate.per_second() is None
    for _ in range(90):
        rate.tick()
        clock.now_s += 1 / 30
    assert rate.per_second() == pytest.approx(30, abs=0.6)
    clock.now_s += 3
    assert rate.per_second() == 0.0


def test_the_stamps_of_a_frame_are_its_stages() -> None:
    telemetry = Telemetry(Clock())
    edited = frame()
    edited.kind, edited.received_s, edited.decoded_s = "edited", 1.0, 1.003
    edited.edit_started_s, edited.edited_s, edited.detailed_s = 1.005, 1.020, 1.0215
    edited.encoded_s, edited.sent_s = 1.022, 1.023
    telemetry.count_received()
    telemetry.add_decoded(edited)
    telemetry.add_sent(edited)
    stages = telemetry.stages
    measured = {name: round(value.p50, 3) for name, value in stages if value is not None}
    assert measured == {"decode": 3.0, "wait": 2.0, "edit": 15.0, "detail": 1.5, "encode": 0.5}
    assert telemetry.server == Percentiles(p50=23.0, p95=23.0)
    assert (telemetry.frames.received, telemetry.frames.edited) == (1, 1)
    assert telemetry.camera_size == (32, 16)


def test_a_repeated_picture_is_counted_and_not_timed() -> None:
    telemetry = Telemetry(Clock())
    held = frame()
    held.kind, held.sent_s = "repeated", 5.0
    telemetry.add_sent(held)
    assert telemetry.frames.repeated == 1
    assert telemetry.server is None


def test_what_the_browser_measured_grows_old() -> None:
    clock = Clock()
    telemetry = Telemetry(clock)
    report = ClientReport(v=1, type="client", glass_to_glass_ms=Percentiles(p50=80, p95=90))
    telemetry.add_client_report(report)
    assert telemetry.client_report == report
    clock.now_s += 6
    assert telemetry.client_report is None


def test_memory_is_null_where_there_is_no_device() -> None:
    held = memory(Footprint(weights_bytes=7), 5)
    assert held.process_bytes > 1_000_000
    assert (held.weights_bytes, held.session_bytes) == (7, 5)


def test_a_build_is_told_with_the_picture_it_is_for() -> None:
    build = Build("tensorrt", FrameShape(4, 512, 672), "denoiser: tuning", 0.25, 10.0, 30.04)
    told = build_summary(build)

    assert build_summary(None) is None
    assert told is not None
    assert told.size == (672, 512)
    assert (told.progress, told.remaining_s, told.failure) == (0.25, 30.0, None)
