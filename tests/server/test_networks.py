"""Visitors behind networks that let nothing through but a relay, and on networks of IPv6 alone.

Each machine is a network namespace. The visitor's and the server's have no route to each other: HTTP goes through a
proxy and media through coturn, both on the machine between them.
"""

import json
import re
import shlex
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.async_api import BrowserContext, async_playwright

from benchmarks.live.chromium import QUIET_FLAGS, camera_flags, find_chromium
from benchmarks.live.clip import write_y4m
from tests.e2e.visitor import PATIENCE_S, Visitor
from tests.server.namespaces import Namespaces, in_namespace, require_namespaces
from tests.server.screen import is_colour
from tests.server.turn import SECRET, Coturn

TOKEN = "sesame"
VISITOR, TURN_OUTSIDE, TURN_INSIDE, SERVER = "10.77.1.2", "10.77.1.1", "10.77.2.1", "10.77.2.2"
PORT = 8080
RED, CYAN = (200, 40, 40), (55, 215, 215)

KEEP_PEERS = """
window.peers = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...given) {
    super(...given);
    window.peers.push(this);
  }
};
"""
WAYS = """async () => {
  const ways = [];
  for (const peer of window.peers) {
    const stats = await peer.getStats();
    for (const transport of stats.values()) {
      const pair = transport.type === "transport" && stats.get(transport.selectedCandidatePairId);
      if (!pair) continue;
      const local = stats.get(pair.localCandidateId);
      ways.push([local.candidateType, local.relayProtocol, stats.get(pair.remoteCandidateId).address]);
    }
  }
  return ways;
}"""
SHOWS = """(colour) => {
  const video = document.querySelector("video");
  if (video === null || video.videoWidth === 0) return false;
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  context.drawImage(video, 0, 0, 1, 1);
  const seen = context.getImageData(0, 0, 1, 1).data;
  return colour.every((value, index) => Math.abs(value - seen[index]) < 20);
}"""


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


def run_in(prefix: tuple[str, ...], module: str, *arguments: str) -> dict[str, Any]:
    """What a program of the tests' own, run in a namespace, has to say at its end."""
    with in_namespace(prefix, sys.executable, "-m", f"tests.server.{module}", *arguments) as process:
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
    seen = run_in(machines.visitor, "far_visitor", machines.url, TOKEN, "relay")
    assert seen == {"edited": True, "pictures": 30, "local": "relay", "remote": ["host", SERVER]}
    assert any(re.search(r"user <\d+:afterimage>", line) for line in machines.coturn.said)


def test_a_publisher_and_a_virtual_camera_find_the_relay_by_themselves(
    apart: tuple[Apart, ExitStack],
) -> None:
    machines, stack = apart
    start_server(stack, machines.server, SERVER, ice_servers=machines.ice_servers())
    seen = run_in(machines.visitor, "far_studio", machines.url, TOKEN)
    assert seen == {"shown": True, "published": ["relay", SERVER]}


@asynccontextmanager
async def chromium(prefix: tuple[str, ...], url: str, folder: Path) -> AsyncIterator[BrowserContext]:
    """A browser in a namespace, its camera on something red; it takes the address for one that may have a camera."""
    camera = write_y4m(folder / "red.y4m", [np.full((240, 320, 3), RED, np.uint8)] * 2)
    program = folder / "chromium"
    program.write_text(f'#!/bin/sh\nexec {shlex.join([*prefix, find_chromium()])} "$@"\n')
    program.chmod(0o755)
    trusted = f"--unsafely-treat-insecure-origin-as-secure={url}"
    autoplay = "--autoplay-policy=no-user-gesture-required"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program, args=[*QUIET_FLAGS, *camera_flags(camera), trusted, autoplay]
        )
        context = await browser.new_context()
        await context.add_init_script(KEEP_PEERS)
        yield context
        await browser.close()


@pytest.mark.browser
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_browser_is_edited_and_watches_through_a_relay_alone(
    apart: tuple[Apart, ExitStack], tmp_path: Path, transport: str
) -> None:
    machines, stack = apart
    start_server(stack, machines.server, SERVER, ice_servers=machines.ice_servers(transport))
    way = ["relay", transport, SERVER]
    async with chromium(machines.visitor, machines.url, tmp_path) as context:
        page = await context.new_page()
        visitor = Visitor(context, page, machines.url)
        await visitor.go_live("invert", token=TOKEN)
        assert is_colour(await visitor.sees(), CYAN)
        assert await page.evaluate(WAYS) == [way]

        watching = await context.new_page()
        session = (await visitor.now())["sessionId"]
        await watching.goto(f"{machines.url}/view#session={session}&token={TOKEN}")
        await watching.wait_for_function(SHOWS, arg=list(CYAN), timeout=1000 * PATIENCE_S)
        assert await watching.evaluate(WAYS) == [way]
    users = {match for line in machines.coturn.said for match in re.findall(r"user <(\d+:afterimage)>", line)}
    assert users


def test_the_edit_arrives_by_ipv6_alone() -> None:
    require_namespaces()
    with ExitStack() as stack:
        machines = stack.enter_context(Namespaces("visitor", "server"))
        machines.cable(("visitor", "fd77::1/64"), ("server", "fd77::2/64"))
        start_server(stack, machines.prefix("server"), "fd77::2", udp_ports="50000-50010")
        seen = run_in(machines.prefix("visitor"), "far_visitor", f"http://[fd77::2]:{PORT}", TOKEN, "all")
    assert seen["edited"]
    assert seen["remote"] == ["host", "fd77::2"]
