from concurrent.futures import ThreadPoolExecutor

import pytest

from server.files.relay import Relay, RelayClosedError


def test_items_come_out_in_order_until_the_last() -> None:
    relay: Relay[int] = Relay(2)
    with ThreadPoolExecutor(1) as other:
        taken = other.submit(list, relay)
        for item in range(100):
            relay.put(item)
        relay.complete()
        assert taken.result(10) == list(range(100))


def test_a_full_relay_holds_its_writer_until_it_is_abandoned() -> None:
    relay: Relay[int] = Relay(1)
    relay.put(0)
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(relay.put, 1)
        with pytest.raises(TimeoutError):
            waiting.result(0.1)
        relay.abandon()
        with pytest.raises(RelayClosedError):
            waiting.result(10)


def test_a_reader_is_told_when_no_last_item_will_come() -> None:
    relay: Relay[int] = Relay(1)
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(list, relay)
        relay.abandon()
        with pytest.raises(RelayClosedError):
            waiting.result(10)


def test_what_a_complete_relay_holds_survives_being_abandoned() -> None:
    relay: Relay[int] = Relay(3)
    relay.put(1)
    relay.complete()
    relay.abandon()
    assert list(relay) == [1]
