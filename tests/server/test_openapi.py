"""The whole description of the interface, tried out against a live server by schemathesis.

Every operation's examples are sent, a case for each boundary of its schema on either side, cases drawn from it, valid
and not, and calls one after another with what the answers name, with every check that schemathesis has: statuses,
bodies, media types and headers as described, what is right taken, what is wrong refused, the bearer demanded, what is
gone gone.
"""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from benchmarks.live.server_process import ROOT, ServerProcess
from tests.server.client import Visitor
from tests.server.serving import PROGRAM

TOKEN = "of the server"
CONFIG = Path(__file__).with_name("schemathesis.toml")
TIME_LIMIT_S = 600.0
"""Ten times what it takes; it ends by itself."""
FUZZ_S = float(os.environ.get("AFTERIMAGE_FUZZ_S", "0"))
"""How long to go on with cases that no run before has had, by hand; the suite's are the same every time."""


@pytest.mark.timeout(2 * TIME_LIMIT_S + FUZZ_S)
async def test_the_server_does_what_its_description_says(tmp_path: Path) -> None:
    settings = {
        "AFTERIMAGE_DATA": str(tmp_path),
        "AFTERIMAGE_TOKEN": TOKEN,
        "AFTERIMAGE_MAX_SESSIONS": "1000",
        "AFTERIMAGE_MAX_VIEWERS": "1000",
        "AFTERIMAGE_CONNECT_TIMEOUT_S": "10",
    }
    with ServerProcess(settings=settings, program=PROGRAM) as server:
        url = server.url.partition("/?")[0]
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=15) as http:
            # Its pictures never stop, whatever is asked of it meanwhile.
            visitor = Visitor(http, size=(64, 48), fps=5)
            try:
                await visitor.connect(instruction="invert")
                await visitor.sees()
                done = await asyncio.to_thread(try_everything, url, visitor.session["id"])
                await visitor.sees(2, timeout_s=30)
            finally:
                await visitor.leave()
    assert done.returncode == 0, done.stdout


def try_everything(url: str, session_id: str) -> "subprocess.CompletedProcess[str]":
    """Run schemathesis; it says what it found."""
    command = (
        sys.executable,
        "-m",
        "schemathesis.cli",
        "--config-file",
        CONFIG,
        "run",
        f"{url}/openapi.json",
    )
    always_the_same = ("--seed", "1", "--generation-deterministic")
    never_the_same = ("--phases", "fuzzing,stateful", "--max-time", str(round(FUZZ_S)))
    options = ("--no-color", *(never_the_same if FUZZ_S else always_the_same))
    environment = {**os.environ, "SERVER_URL": url, "SERVER_TOKEN": TOKEN, "LIVE_SESSION": session_id}
    return subprocess.run(
        [*command, *options],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIME_LIMIT_S + FUZZ_S,
    )
