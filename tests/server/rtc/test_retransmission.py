from aiortc.rtp import RtpPacket

from server.rtc.retransmission import BURST_PACKETS, MissingPackets, Resending


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def asked(missing: MissingPackets, clock: Clock, number: int, after_s: float = 0.0) -> set[int]:
    clock.now_s += after_s
    return set(missing.missing) if missing.add(RtpPacket(sequence_number=number % 65536)) else set()


def test_a_late_packet_is_not_asked_for() -> None:
    clock = Clock()
    missing = MissingPackets(clock)
    assert [asked(missing, clock, number, 0.005) for number in (1, 3, 2, 4)] == [set()] * 4
    assert asked(missing, clock, 5, 0.1) == set()


def test_a_lost_one_is_asked_for_again_after_a_round_trip_and_then_given_up() -> None:
    clock = Clock()
    missing = MissingPackets(clock)
    for number in (65534, 65535, 65537):
        assert asked(missing, clock, number) == set()
    said = [asked(missing, clock, 65538 + step, 0.025) for step in range(20)]
    assert [step for step, numbers in enumerate(said) if numbers] == [0, 4, 8, 12]
    assert set().union(*said) == {0}


def test_a_long_gap_is_bounded() -> None:
    clock = Clock()
    missing = MissingPackets(clock)
    asked(missing, clock, 0)
    asked(missing, clock, 20_000)
    assert len(asked(missing, clock, 20_001, 0.05)) == 128


def test_a_packet_is_sent_again_once_in_a_round_trip() -> None:
    clock = Clock()
    resending = Resending(lambda: 1_000_000, clock)
    assert resending.allows(7)
    assert not resending.allows(7)
    clock.now_s += 0.11
    assert resending.allows(7)


def test_what_is_sent_again_is_a_share_of_the_bitrate() -> None:
    clock = Clock()
    resending = Resending(lambda: 960_000, clock)
    assert sum(resending.allows(number) for number in range(200)) == BURST_PACKETS
    clock.now_s += 0.5
    # 30 % of 100 packets a second.
    assert sum(resending.allows(number) for number in range(200, 400)) == 15
    for number in range(1000):
        clock.now_s += 0.1
        assert resending.allows(number)
    assert len(resending._sent_s) < 300
