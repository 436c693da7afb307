import signal

import pytest

from engines.interrupts import deferred_interrupts, ended_as_interrupted


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_being_told_to_end_is_an_interruption(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), ended_as_interrupted():
        signal.raise_signal(number)

    assert signal.getsignal(number) is before


def test_what_nohup_has_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ended_as_interrupted():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_can_wait(number: signal.Signals) -> None:
    with ended_as_interrupted(), deferred_interrupts() as asked:
        assert not asked.is_set()
        signal.raise_signal(number)

    assert asked.is_set()


def test_only_ctrl_c_waits_where_nobody_listens_for_the_rest() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with deferred_interrupts():
        assert signal.getsignal(signal.SIGTERM) is before
