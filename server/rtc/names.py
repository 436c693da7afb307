"""Addresses of STUN and TURN servers that are named, looked up where nobody else waits."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

LOOKUP_TIMEOUT_S = 2.0
"""An answer waits for the resolver this long at most; what it says later is for the next one."""
KEPT_S = 60.0


@dataclass(frozen=True)
class _Lookup:
    began_s: float
    answer: "Future[tuple[str, ...] | Exception]"
    """An error is no exception of the future's: asyncio would log it for each that has given up waiting."""


class Names:
    """Looks names up in threads of its own, each name in one at a time, and keeps what it was told for a minute.

    A resolver whose server is gone blocks its thread for ten seconds and more. Left to aioice and asyncio it blocks
    one of the few that asyncio keeps for everything, and the encoders of all sessions wait for those.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lookups: dict[tuple[str, socket.AddressFamily], _Lookup] = {}

    async def addresses(self, name: str, family: socket.AddressFamily = socket.AF_UNSPEC) -> tuple[str, ...]:
        """A name's IP addresses, one at least, in the order in which to try them; an address is its own.

        Args:
            name: Of a host.
            family: Of the addresses.

        Raises:
            OSError: There is none, or the resolver does not answer in time.
        """
        lookup = self._lookup(name, family)
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT_S):
                # Shielded: others wait for the same.
                found = await asyncio.shield(asyncio.wrap_future(lookup.answer))
        except TimeoutError:
            raise OSError(f"its name was not looked up within {LOOKUP_TIMEOUT_S:g} s") from None
        if isinstance(found, Exception):
            raise OSError(str(found)) from found
        return found

    def _lookup(self, name: str, family: socket.AddressFamily) -> _Lookup:
        known = self._lookups.get((name, family))
        if known is not None and (not known.answer.done() or self._is_good(known)):
            return known
        lookup = self._lookups[name, family] = _Lookup(self._clock(), Future())
        # A daemon: at the end of the program nobody waits for a resolver.
        threading.Thread(
            target=_fulfil, args=(lookup.answer, name, family), name="resolver", daemon=True
        ).start()
        return lookup

    def _is_good(self, lookup: _Lookup) -> bool:
        return isinstance(lookup.answer.result(), tuple) and self._clock() - lookup.began_s < KEPT_S


def _fulfil(answer: "Future[tuple[str, ...] | Exception]", name: str, family: socket.AddressFamily) -> None:
    try:
        found = socket.getaddrinfo(name, None, family, socket.SOCK_DGRAM)
    except Exception as error:
        answer.set_result(error)
    else:
        answer.set_result(tuple(dict.fromkeys(str(address[0]) for *_, address in found)))
