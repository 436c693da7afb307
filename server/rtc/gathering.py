"""Candidates of one of our peers, found in aioice's place.

aioice binds any free port, asks one STUN and one TURN server, and swallows why one of them does not answer. This
keeps to a range of ports, adds the addresses that a NAT or a container's host is known by, asks every server that is
set, and says what fails. `server.rtc.hooks` puts it in.
"""

import asyncio
import errno
import logging
import random
import socket
import ssl
import time
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Self

from aioice import Candidate
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import Connection, StunProtocol, relayed_candidate, server_reflexive_candidate
from aioice.stun import TransactionError, TransactionFailed, TransactionTimeout
from aioice.turn import UDP_SOCKET_BUFFER_SIZE

from server.rtc.ice import GrantedIceServer, IceUrl, Network, PortRange, parse_ice_url
from server.rtc.names import Names

logger = logging.getLogger(__name__)

SERVERS_TIMEOUT_S = 3.0
"""The answer waits for STUN and TURN servers this long at most: they help some peers, and hold up all."""
ADDRESS_TIMEOUT_S = 1.2
"""One address of a TURN server; then the next is tried, as TCP where UDP does not get out."""


NAMES = Names()
"""The whole program's: there is one resolver."""


class NoPortError(RuntimeError):
    """Every UDP port of the range is taken."""


class Gathering:
    """Finds the candidates of our peers.

    Args:
        network: What is set of it.
        names: Looks its servers up.
    """

    def __init__(self, network: Network, names: Names = NAMES) -> None:
        self._network, self._names = network, names

    async def __call__(self, ice: Connection, component: int, addresses: Sequence[str]) -> list[Candidate]:
        """All candidates of a component; their sockets are added to the connection.

        Raises:
            NoPortError: Every port of the range is taken, and there is no relay either.
        """
        network = self._network
        hosts: list[StunProtocol] = []
        # A machine without any network still has visitors of its own.
        for address in addresses or ["127.0.0.1"]:
            protocol = await open_port(ice, address, network.udp_ports)
            if protocol is not None:
                protocol.local_candidate = _candidate(component, "host", protocol)
                hosts.append(protocol)
        ice._protocols += hosts

        found = [protocol.local_candidate for protocol in hosts]
        found += [
            _candidate(component, "srflx", protocol, public)
            for protocol in hosts
            for public in network.public_addresses
            if _family(public) == _family(protocol.local_candidate.host)
            and public != protocol.local_candidate.host
        ]
        found += await self._ask_servers(ice, component, hosts)
        if ice._closing:
            # It has closed the sockets it had then; a relay that came later would be held open for good.
            await ice.close()
        if not found and network.udp_ports is not None:
            raise NoPortError(f"every UDP port of {network.udp_ports} is taken")
        return _distinct(found)

    async def _ask_servers(
        self, ice: Connection, component: int, hosts: Sequence[StunProtocol]
    ) -> list[Candidate]:
        known_families = set(map(_family, self._network.public_addresses))
        asked: list[asyncio.Task[Candidate | None]] = []
        for server in self._network.grant(time.time()):
            urls = [parse_ice_url(url) for url in server.urls]
            if urls[0].scheme.startswith("turn"):
                asked.append(asyncio.create_task(self._relayed(ice, component, server, urls)))
            elif urls[0].scheme == "stun" and 4 not in known_families:
                # aioice asks over IPv4 alone; IPv6 has no address translation worth asking about.
                asked += [
                    asyncio.create_task(self._reflexive(protocol, urls[0]))
                    for protocol in hosts
                    if _family(protocol.local_candidate.host) == 4
                ]
        if not asked:
            return []
        done, pending = await asyncio.wait(asked, timeout=SERVERS_TIMEOUT_S)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        return [candidate for task in done if (candidate := task.result()) is not None]

    async def _reflexive(self, protocol: StunProtocol, url: IceUrl) -> Candidate | None:
        """How a STUN server sees one of our ports."""
        try:
            address, *_ = await self._names.addresses(url.host, socket.AF_INET)
            candidate, _ = await server_reflexive_candidate(protocol, (address, url.port))
        except (OSError, TransactionError) as error:
            logger.warning("STUN server %s:%d: %s", url.host, url.port, _reason(error))
            return None
        return candidate

    async def _relayed(
        self, ice: Connection, component: int, server: GrantedIceServer, urls: Sequence[IceUrl]
    ) -> Candidate | None:
        """A relay at the first of a TURN server's addresses that answers."""
        for url in urls:
            try:
                async with asyncio.timeout(ADDRESS_TIMEOUT_S):
                    addresses = await self._names.addresses(url.host)
                    candidate, protocol = await _relay(ice, component, server, url, addresses)
            except (OSError, TransactionError) as error:
                logger.warning(
                    "TURN server %s:%d (%s): %s", url.host, url.port, url.transport, _reason(error)
                )
                continue
            ice._protocols.append(protocol)
            return candidate
        return None


async def open_port(ice: Connection, address: str, ports: PortRange | None) -> StunProtocol | None:
    """A socket on an address at a free port of the range; None where there is none."""
    loop = asyncio.get_running_loop()
    numbers: Sequence[int] = [0]
    if ports is not None:
        # From anywhere in the range: a port that has just been given up may still hear its last peer.
        first = random.randrange(len(ports))
        numbers = [ports.low + (first + index) % len(ports) for index in range(len(ports))]
    for number in numbers:
        try:
            transport, protocol = await loop.create_datagram_endpoint(
                lambda: StunProtocol(ice), local_addr=(address, number)
            )
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                continue
            logger.info("no peer can listen on %s: %s", address, error)
            return None
        bound = transport.get_extra_info("socket")
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UDP_SOCKET_BUFFER_SIZE)
        return protocol
    logger.warning("every UDP port of %s is taken on %s", ports, address)
    return None


async def _relay(
    ice: Connection, component: int, server: GrantedIceServer, url: IceUrl, addresses: Sequence[str]
) -> tuple[Candidate, StunProtocol]:
    """A relay at the first of a name's IP addresses that can be reached."""
    failure = OSError("its name has no address")
    for address in addresses:
        try:
            return await relayed_candidate(
                component=component,
                hide_related_address=False,
                protocol_factory=lambda: StunProtocol(ice),
                turn_server=(address, url.port),
                turn_username=server.username,
                turn_password=server.credential,
                # It says it takes a boolean, and hands it to asyncio, which takes either.
                turn_ssl=TlsByName(url.host) if url.scheme == "turns" else False,  # type: ignore[arg-type]
                turn_transport=url.transport,
            )
        except OSError as error:
            failure = error
    raise failure


class TlsByName(ssl.SSLContext):
    """A client's, for the server of a name: asks for its certificate and checks it, at whatever address.

    Args:
        name: Of the server.
    """

    def __new__(cls, name: str) -> Self:
        """As Python's own default."""
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, name: str) -> None:
        self._name = name
        self.load_default_certs()

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """As asyncio calls it, with the address that it connects to."""
        return super().wrap_bio(incoming, outgoing, server_side, self._name, session)


def _candidate(component: int, kind: str, protocol: StunProtocol, public: str | None = None) -> Candidate:
    """A socket as a candidate: by its own address, or by the public one that leads to it."""
    host, port = protocol.transport.get_extra_info("sockname")[:2]
    return Candidate(
        foundation=candidate_foundation(kind, "udp", host),
        component=component,
        transport="udp",
        priority=candidate_priority(component, kind),
        host=public or host,
        port=port,
        type=kind,
        related_address=None if public is None else host,
        related_port=None if public is None else port,
    )


def _distinct(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Without those that name the same address again (RFC 8445 section 5.1.3)."""
    return list({(candidate.host, candidate.port): candidate for candidate in reversed(candidates)}.values())[
        ::-1
    ]


def _family(address: str) -> int:
    return ip_address(address).version


def _reason(error: Exception) -> str:
    if isinstance(error, TransactionFailed):
        code, reason = error.response.attributes.get("ERROR-CODE", (0, "no reason"))
        return f"{reason or 'refused'} ({code})"
    if isinstance(error, TimeoutError | TransactionTimeout):
        return "it does not answer"
    return str(error) or type(error).__name__
