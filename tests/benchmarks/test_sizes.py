"""A size that is none is refused before anything is measured."""

from collections.abc import Callable

import pytest

from benchmarks import compilers, impairment, roundtrip


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
