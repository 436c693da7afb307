"""Debian's coturn, run for a test."""

import queue
import shutil
import socket
import subprocess
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Self

import pytest

SECRET, USERNAME, PASSWORD = "a secret of the test's own", "visitor", "let me out"
READY = "Total General servers"
START_TIMEOUT_S = 20.0
RELAY_PORTS = (52_000, 52_199)


def find_coturn() -> str:
    """The program; skips the test where it is not installed."""
    found = shutil.which("turnserver")
    if found is None:
        pytest.skip("coturn is not installed: run `make test`, or `sudo apt-get install coturn`")
    return found


class Coturn(AbstractContextManager["Coturn"]):
    """A TURN server.

    Args:
        folder: For its files.
        listen: Addresses to listen on.
        relay: The address its relays have.
        credentials: Its options for them; a shared secret otherwise.
        prefix: Of the command, as ``ip netns exec NAME``.
    """

    def __init__(
        self,
        folder: Path,
        listen: Sequence[str] = ("127.0.0.1",),
        relay: str = "127.0.0.1",
        credentials: Sequence[str] = ("--use-auth-secret", f"--static-auth-secret={SECRET}"),
        prefix: Sequence[str] = (),
    ) -> None:
        self.port = free_port()
        self.said: list[str] = []
        low, high = RELAY_PORTS
        self._command = [
            *prefix, find_coturn(), "-n", "--no-cli", "--no-tls", "--no-dtls", "--log-file=stdout", "--simple-log",
            "--verbose", "--no-multicast-peers", "--allow-loopback-peers", "--realm=afterimage.test",
            *(f"--listening-ip={address}" for address in listen), f"--relay-ip={relay}",
            f"--listening-port={self.port}", f"--min-port={low}", f"--max-port={high}",
            f"--pidfile={folder / 'turn.pid'}", f"--userdb={folder / 'turn.db'}", *credentials,
        ]  # fmt: skip
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()

    def __enter__(self) -> Self:
        """Start it and wait until it listens."""
        process = self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, args=(process,), daemon=True)
        self._reader.start()
        while (line := self._lines.get(timeout=START_TIMEOUT_S)) is not None:
            if READY in line:
                return self
        raise RuntimeError(f"coturn did not start: {' / '.join(self.said[-3:])}")

    def __exit__(self, *_: object) -> None:
        """End it."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(10)
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.said.append(line.rstrip())
            self._lines.put(line)
        self._lines.put(None)


def free_port() -> int:
    """A UDP and TCP port that nobody uses just now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
