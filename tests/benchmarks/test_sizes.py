"""A size that is none is refused before anything is measured."""

from collections.abc import Callable, Mapping

import pytest

from benchmarks import compilers, impairment, roundtrip
from benchmarks.compilers import Timing


@pytest.mark.parametrize(
    ("main", "option"),
    [(compilers.main, "--sizes"), (impairment.main, "--size"), (roundtrip.main, "--size")],
)
def test_a_size_that_is_none_is_refused(
    main: Callable[[list[str]], int], option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([option, "large"])

    assert stopped.value.code == 2
    assert f"argument {option}: 'large' is not " in capsys.readouterr().err


def test_compilers_are_timed_on_pictures_of_width_by_height(monkeypatch: pytest.MonkeyPatch) -> None:
    timed: list[tuple[int, int]] = []

    def measure_size(height: int, width: int, frames: int, peak: Mapping[str, float]) -> list[Timing]:
        timed.append((height, width))
        return []

    monkeypatch.setattr(compilers, "measure_size", measure_size)
    monkeypatch.setattr(compilers, "convolution_peaks", dict)
    monkeypatch.setattr(compilers, "memory_held", lambda: compilers.Memory(0.0, 0.0))
    monkeypatch.setattr(compilers, "start_up_s", lambda: None)
    assert compilers.main(["--sizes", "336x256", "480x272"]) == 0

    assert timed == [(256, 336), (272, 480)]
