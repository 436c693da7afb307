import socket

import pytest

from server.rtc.names import KEPT_S, Names


class Resolver:
    """Takes the place of the system's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.fails = False
        monkeypatch.setattr(socket, "getaddrinfo", self.look_up)

    def look_up(self, name: str, *_: object) -> list[tuple[object, ...]]:
        self.asked.append(name)
        if self.fails:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            (2, 2, 17, "", ("203.0.113.7", 0)),
            (2, 1, 6, "", ("203.0.113.7", 0)),
            (10, 2, 17, "", ("::1", 0, 0, 0)),
        ]


async def test_what_the_resolver_says_is_kept_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver, now_s = Resolver(monkeypatch), 100.0
    names = Names(lambda: now_s)
    for _ in range(2):
        assert await names.addresses("stun.example.org") == ("203.0.113.7", "::1")
    assert resolver.asked == ["stun.example.org"]
    now_s += KEPT_S
    await names.addresses("stun.example.org")
    assert len(resolver.asked) == 2


async def test_a_name_that_is_not_known_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver, names = Resolver(monkeypatch), Names()
    resolver.fails = True
    with pytest.raises(OSError, match="not known"):
        await names.addresses("stun.example.org")
    resolver.fails = False
    assert await names.addresses("stun.example.org")


async def test_an_address_is_its_own() -> None:
    names = Names()
    assert await names.addresses("127.0.0.1", socket.AF_INET) == ("127.0.0.1",)
    assert await names.addresses("::1") == ("::1",)
