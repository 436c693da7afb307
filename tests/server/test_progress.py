import pytest

from server.files.progress import lines


def test_the_wait_for_the_first_frame_is_no_part_of_the_speed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = [0.0]
    monkeypatch.setattr("server.files.progress.time.monotonic", lambda: clock[0])
    with lines(21) as advance:
        for at_s in (60.0, 62.0, 64.0, 66.0):
            clock[0] = at_s
            advance()

    assert capsys.readouterr().err.splitlines() == [
        "1 of 21 frames",
        "4 of 21 frames, 0.5 fps, 34 s left",
        "4 frames edited in 66.0 s",
    ]
