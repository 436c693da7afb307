"""What our peers' answers say of how to reach them; STUN and TURN are a real coturn's."""

import asyncio
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from aioice import Candidate
from aioice.ice import Connection as Ice

from server.rtc import gathering, names
from server.rtc.gathering import Gathering, NoPortError
from server.rtc.ice import IceServer, Network, PortRange
from server.rtc.names import Names
from tests.server.turn import PASSWORD, RELAY_PORTS, SECRET, USERNAME, Coturn, free_port

LOOPBACK = ["127.0.0.1"]


@pytest.fixture(scope="module")
def coturn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    with Coturn(tmp_path_factory.mktemp("turn")) as running:
        yield running


async def gather(network: Network, addresses: list[str] = LOOPBACK) -> list[Candidate]:
    ice = Ice(ice_controlling=False)
    try:
        return await Gathering(network)(ice, 1, addresses)
    finally:
        await ice.close()


def servers(*given: dict[str, object]) -> tuple[IceServer, ...]:
    return tuple(IceServer.model_validate(server) for server in given)


async def test_every_port_is_of_the_range_and_a_full_range_is_said() -> None:
    low = free_port()
    network = Network(udp_ports=PortRange(low, low + 1))
    first, second, third = (Ice(ice_controlling=False) for _ in range(3))
    try:
        ports = {(await Gathering(network)(ice, 1, LOOPBACK))[0].port for ice in (first, second)}
        assert ports == {low, low + 1}
        with pytest.raises(NoPortError, match=f"{low}-{low + 1}"):
            await Gathering(network)(third, 1, LOOPBACK)
        await first.close()
        assert await Gathering(network)(third, 1, LOOPBACK)
    finally:
        for ice in (first, second, third):
            await ice.close()


async def test_public_addresses_stand_beside_those_of_their_family() -> None:
    network = Network(public_addresses=("203.0.113.7", "2001:db8::7"))
    candidates = await gather(network, ["127.0.0.1", "::1"])
    host4, host6, public4, public6 = candidates
    assert [host4.type, host6.type, public4.type, public6.type] == ["host", "host", "srflx", "srflx"]
    assert (public4.host, public4.port, public4.related_address) == ("203.0.113.7", host4.port, "127.0.0.1")
    assert (public6.host, public6.port, public6.related_address) == ("2001:db8::7", host6.port, "::1")
    assert public4.priority < host4.priority


async def test_a_machine_without_a_network_serves_itself() -> None:
    assert [candidate.host for candidate in await gather(Network(), [])] == ["127.0.0.1"]


async def test_an_address_that_is_gone_is_left_out() -> None:
    assert [candidate.host for candidate in await gather(Network(), ["203.0.113.7", "127.0.0.1"])] == [
        "127.0.0.1"
    ]


async def test_a_relay_is_opened_by_a_limited_credential(coturn: Coturn) -> None:
    network = Network(servers({"urls": f"turn:127.0.0.1:{coturn.port}", "secret": SECRET}))
    host, relay = await gather(network)
    assert (host.type, relay.type) == ("host", "relay")
    assert RELAY_PORTS[0] <= relay.port <= RELAY_PORTS[1]


async def test_a_relay_is_opened_by_a_fixed_credential(tmp_path: Path) -> None:
    fixed = ("--lt-cred-mech", f"--user={USERNAME}:{PASSWORD}")
    with Coturn(tmp_path, credentials=fixed) as coturn:
        url = f"turn:127.0.0.1:{coturn.port}"
        network = Network(servers({"urls": url, "username": USERNAME, "credential": PASSWORD}))
        assert [candidate.type for candidate in await gather(network)] == ["host", "relay"]


async def test_a_relay_that_opens_after_its_connection_has_ended_is_given_back(coturn: Coturn) -> None:
    network = Network(servers({"urls": f"turn:127.0.0.1:{coturn.port}", "secret": SECRET}))
    ice = Ice(ice_controlling=False)
    finding = asyncio.create_task(Gathering(network)(ice, 1, LOOPBACK))
    while not ice._protocols:
        await asyncio.sleep(0)
    await ice.close()
    assert [candidate.type for candidate in await finding] == ["host", "relay"]
    assert ice._protocols == []


async def test_where_udp_does_not_answer_the_next_address_is_tried(
    coturn: Coturn, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(gathering, "ADDRESS_TIMEOUT_S", 0.3)
    urls = [f"turn:127.0.0.1:{free_port()}?transport=udp", f"turn:127.0.0.1:{coturn.port}?transport=tcp"]
    with caplog.at_level(logging.WARNING):
        candidates = await gather(Network(servers({"urls": urls, "secret": SECRET})))
    assert [candidate.type for candidate in candidates] == ["host", "relay"]
    assert "it does not answer" in caplog.text or "refused" in caplog.text


@pytest.mark.parametrize(
    ("secret", "said"), [("not the secret", "Unauthorized (401)"), (SECRET, "does not answer")]
)
async def test_a_relay_that_cannot_be_had_is_said_and_holds_nobody_up(
    coturn: Coturn,
    secret: str,
    said: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gathering, "ADDRESS_TIMEOUT_S", 0.5)
    # 203.0.113.0/24 is for documentation: nobody answers there.
    host = "203.0.113.7" if "answer" in said else "127.0.0.1"
    with caplog.at_level(logging.WARNING):
        candidates = await gather(Network(servers({"urls": f"turn:{host}:{coturn.port}", "secret": secret})))
    assert [candidate.type for candidate in candidates] == ["host"]
    assert f"TURN server {host}:{coturn.port} (udp): " in caplog.text
    assert said in caplog.text or "unreachable" in caplog.text


async def test_a_port_seen_as_itself_is_named_once(coturn: Coturn) -> None:
    network = Network(servers({"urls": f"stun:localhost:{coturn.port}"}))
    assert [candidate.type for candidate in await gather(network)] == ["host"]


async def test_no_stun_server_is_asked_for_a_public_address_that_is_known(
    caplog: pytest.LogCaptureFixture,
) -> None:
    network = Network(servers({"urls": f"stun:127.0.0.1:{free_port()}"}), public_addresses=("203.0.113.7",))
    assert [candidate.type for candidate in await gather(network)] == ["host", "srflx"]
    assert not caplog.records


async def test_a_resolver_that_does_not_answer_holds_up_nobody_but_its_names(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[str] = []
    go_on = threading.Event()

    def unanswered(name: str, *_: object) -> NoReturn:
        asked.append(name)
        go_on.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    for look_up in ("getaddrinfo", "gethostbyname"):
        monkeypatch.setattr(socket, look_up, unanswered)
    monkeypatch.setattr(names, "LOOKUP_TIMEOUT_S", 0.5)
    network = Network(
        servers({"urls": "stun:stun.example.org"}, {"urls": "turn:turn.example.org", "secret": SECRET})
    )
    finding = Gathering(network, Names())
    # More than there are threads of asyncio's.
    peers = [Ice(ice_controlling=False) for _ in range(40)]
    try:
        gathered = [asyncio.create_task(finding(ice, 1, LOOPBACK)) for ice in peers]
        await asyncio.sleep(0.1)
        async with asyncio.timeout(10):
            await asyncio.to_thread(lambda: None)
            for candidates in await asyncio.gather(*gathered):
                assert [candidate.type for candidate in candidates] == ["host"]
        assert sorted(asked) == ["stun.example.org", "turn.example.org"]
        assert "STUN server stun.example.org:3478: its name was not looked up within 0.5 s" in caplog.text
    finally:
        go_on.set()
        for ice in peers:
            await ice.close()
        # What the resolver says at last is for nobody, but is told while there is a loop to tell it to.
        await asyncio.sleep(0.1)


async def test_a_named_turn_server_is_tried_at_each_address_and_checked_by_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[tuple[object, object]] = []

    async def unreachable(*, turn_server: object, turn_ssl: ssl.SSLContext, **_: object) -> NoReturn:
        secured = turn_ssl.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="the address")
        tried.append((turn_server, secured.server_hostname))
        raise OSError("Network is unreachable")

    class Known(Names):
        async def addresses(self, name: str, family: int = 0) -> tuple[str, ...]:
            assert (name, family) == ("turn.example.org", 0)
            return "2001:db8::7", "203.0.113.7"

    monkeypatch.setattr(gathering, "relayed_candidate", unreachable)
    network = Network(servers({"urls": "turns:turn.example.org", "secret": SECRET}))
    ice = Ice(ice_controlling=False)
    try:
        assert [candidate.type for candidate in await Gathering(network, Known())(ice, 1, LOOPBACK)] == [
            "host"
        ]
    finally:
        await ice.close()
    assert tried == [
        (("2001:db8::7", 5349), "turn.example.org"),
        (("203.0.113.7", 5349), "turn.example.org"),
    ]
