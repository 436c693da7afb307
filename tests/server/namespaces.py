"""Networks of a test's own, made of Linux network namespaces: what is not connected cannot be reached."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Self

import pytest


def require_namespaces() -> None:
    """Skip the test where this user may make no network namespaces."""
    if shutil.which("ip") is None:
        pytest.skip("network namespaces need Debian's iproute2")
    name = f"afterimage-try-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"network namespaces are not allowed here, run as root: {made.stderr.strip()}")
    subprocess.run(["ip", "netns", "del", name], check=True)


class Namespaces(AbstractContextManager["Namespaces"]):
    """Namespaces that know nothing of each other until a cable joins them; none forwards packets.

    Args:
        names: Of the machines.
    """

    def __init__(self, *names: str) -> None:
        self._names = {name: f"ai-{os.getpid()}-{name}" for name in names}
        self._cables = 0

    def __enter__(self) -> Self:
        """Make them."""
        for name in self._names:
            _ip("netns", "add", self._names[name])
            _ip("-n", self._names[name], "link", "set", "lo", "up")
        return self

    def __exit__(self, *_: object) -> None:
        """Remove them, and the cables with them."""
        for namespace in self._names.values():
            subprocess.run(["ip", "netns", "del", namespace], check=False)

    def prefix(self, name: str) -> tuple[str, ...]:
        """Before a command that is to run in one."""
        return ("ip", "netns", "exec", self._names[name])

    def cable(self, first: tuple[str, str], second: tuple[str, str]) -> None:
        """Join two with a cable.

        Args:
            first, second: (name, address with its prefix length, as ``10.0.0.1/24``).
        """
        self._cables += 1
        ends = [f"ai{os.getpid() % 100000}{side}{self._cables}" for side in "ab"]
        _ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
        for end, (name, address) in zip(ends, (first, second), strict=True):
            namespace = self._names[name]
            _ip("link", "set", end, "netns", namespace)
            # Without nodad an IPv6 address cannot be used for its first seconds.
            nodad = ("nodad",) if ":" in address else ()
            _ip("-n", namespace, "address", "add", address, "dev", end, *nodad)
            _ip("-n", namespace, "link", "set", end, "up")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def in_namespace(prefix: Sequence[str], *command: str) -> "subprocess.Popen[str]":
    """A command running in a namespace, its output read by the caller."""
    return subprocess.Popen(
        [*prefix, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
