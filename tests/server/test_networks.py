"""Visitors behind networks that let nothing through but a relay, and on networks of IPv6 alone.

Each machine is a network namespace. The visitor's and the server's have no route to each other: HTTP goes through a
proxy and media through coturn, both on the machine between them.
"""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.server.namespaces import Namespaces, in_namespace, require_namespaces
from tests.server.turn import SECRET, Coturn

TOKEN = "sesame"
VISITOR, TURN_OUTSIDE, TURN_INSIDE, SERVER = "10.77.1.2", "10.77.1.1", "10.77.2.1", "10.77.2.2"
PORT = 8080


def start_server(stack: ExitStack, prefix: tuple[str, ...], host: str, **settings: str) -> None:
    """The inverting server in a namespace, until the stack unwinds."""
    given = {"host": host, "port": str(PORT), "token": TOKEN, **settings}
    environment = [f"AFTERIMAGE_{name.upper()}={value}" for name, value in given.items()]
    program = (sys.executable, "-m", "tests.server.inverting_server")
    process = stack.enter_context(in_namespace(prefix, "env", *environment, *program))
    stack.callback(process.terminate)
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if "is warm" in line:
            return
    raise RuntimeError(f"the server did not start: {said}")


def visit(prefix: tuple[str, ...], url: str, policy: str) -> dict[str, Any]:
    """What the visitor in a namespace saw."""
    program = (sys.executable, "-m", "tests.server.far_visitor", url, TOKEN, policy)
    with in_namespace(prefix, *program) as process:
        assert process.stdout is not None
        said = process.stdout.read()
    assert process.returncode == 0, said
    seen: dict[str, Any] = json.loads(said.splitlines()[-1])
    return seen


class Apart:
    """A visitor's machine, a server's, and between them one that relays."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        machines = stack.enter_context(Namespaces("visitor", "between", "server"))
        machines.cable(("visitor", f"{VISITOR}/24"), ("between", f"{TURN_OUTSIDE}/24"))
        machines.cable(("server", f"{SERVER}/24"), ("between", f"{TURN_INSIDE}/24"))
        between = machines.prefix("between")
        self.visitor, self.server = machines.prefix("visitor"), machines.prefix("server")
        self.coturn = stack.enter_context(
            Coturn(folder, (TURN_OUTSIDE, TURN_INSIDE), relay=TURN_INSIDE, prefix=between)
        )
        proxy = (sys.executable, "-m", "tests.server.tcp_proxy", TURN_OUTSIDE, str(PORT), SERVER, str(PORT))
        process = stack.enter_context(in_namespace(between, *proxy))
        stack.callback(process.terminate)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        self.url = f"http://{TURN_OUTSIDE}:{PORT}"

    def ice_servers(self, transport: str = "udp", secret: str = SECRET) -> str:
        """The server's setting."""
        url = f"turn:{TURN_OUTSIDE}:{self.coturn.port}?transport={transport}"
        return json.dumps([{"urls": url, "secret": secret}])


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[tuple[Apart, ExitStack]]:
    require_namespaces()
    with ExitStack() as stack:
        yield Apart(stack, tmp_path), stack


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_the_edit_arrives_through_a_relay_alone(apart: tuple[Apart, ExitStack], transport: str) -> None:
    machines, stack = apart
    start_server(stack, machines.server, SERVER, ice_servers=machines.ice_servers(transport))
    seen = visit(machines.visitor, machines.url, "relay")
    assert seen == {"edited": True, "pictures": 30, "local": "relay", "remote": ["host", SERVER]}
    assert any(re.search(r"user <\d+:afterimage>", line) for line in machines.coturn.said)


def test_the_edit_arrives_by_ipv6_alone() -> None:
    require_namespaces()
    with ExitStack() as stack:
        machines = stack.enter_context(Namespaces("visitor", "server"))
        machines.cable(("visitor", "fd77::1/64"), ("server", "fd77::2/64"))
        start_server(stack, machines.prefix("server"), "fd77::2", udp_ports="50000-50010")
        seen = visit(machines.prefix("visitor"), f"http://[fd77::2]:{PORT}", "all")
    assert seen["edited"]
    assert seen["remote"] == ["host", "fd77::2"]
