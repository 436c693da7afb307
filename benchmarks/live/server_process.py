"""`afterimage serve` in a process of its own, as a person starts it."""

import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Self

ROOT = Path(__file__).parents[2]
AFTERIMAGE = (sys.executable, "-m", "server.cli")
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 15.0


class ServerError(RuntimeError):
    """The server did not come up; the message ends with what it said."""


class ServerProcess:
    """A running server.

    Args:
        port: To listen on; 0 takes a free one.
        arguments: More for the command line.
        settings: AFTERIMAGE_* variables besides those already set.
        program: The `afterimage` command.

    Attributes:
        url: Where it serves, without a slash at the end.
        warm: What it said of the model when it was warm.
    """

    def __init__(
        self,
        port: int = 0,
        arguments: Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
        program: Sequence[str] = AFTERIMAGE,
    ) -> None:
        self.url, self.warm = "", ""
        self._process = subprocess.Popen(
            [*program, "serve", "--port", str(port), *arguments],
            cwd=ROOT,
            env={**os.environ, **(settings or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._said: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()
        try:
            self.url = self._wait_for(r"Afterimage is at (http://[^/\s]+)").group(1)
            self.warm = self._wait_for(r"(.+) is warm (\(.+\))$").group(0)
        except BaseException:
            self.kill()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Of the process that serves and edits."""
        return self._process.pid

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    @property
    def said(self) -> str:
        """All it has printed."""
        return "\n".join(self._said)

    def stop(self) -> None:
        """Ask it to end, as Ctrl-C does, and wait for that."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it without a word, as a power cut does."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process.poll() is None:
            self._process.send_signal(how)
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self, output: IO[str]) -> None:
        for line in output:
            self._said.append(line.rstrip("\n"))
            self._lines.put(self._said[-1])
        self._lines.put(None)

    def _wait_for(self, pattern: str) -> re.Match[str]:
        while True:
            try:
                line = self._lines.get(timeout=START_TIMEOUT_S)
            except queue.Empty:
                raise ServerError(f"the server did not come up within {START_TIMEOUT_S:g} s") from None
            if line is None:
                raise ServerError(f"the server ended before it was ready: {' / '.join(self._said[-3:])}")
            if match := re.search(pattern, line):
                return match
