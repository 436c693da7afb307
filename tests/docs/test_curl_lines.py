"""The shell lines of the users' pages, run by a real bash and a real curl against a live server."""

import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from benchmarks.live.server_process import ServerProcess
from tests.server.clips import make_clip
from tests.server.serving import PROGRAM
from tests.server.whip_client import Watcher

DOCS = Path(__file__).parents[2] / "docs"
WRITTEN_SERVER = "http://127.0.0.1:8080"

pytestmark = pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("bash")), reason="needs curl and bash"
)

# Notes each status beside whatever the line does with the answer.
CURL = """
curl() { command curl --silent --show-error --write-out '%{stderr}%{http_code}\\n' "$@" 2>>statuses; }
set -euo pipefail
"""


def blocks(page: str) -> list[str]:
    """What a page has between ```sh and ```, in its order."""
    return re.findall(r"^```sh\n(.*?)^```$", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)


def documented(text: str) -> list[str]:
    """The status under each line."""
    return re.findall(r"^# (\d{3})\b", text, re.MULTILINE)


class Shell:
    """A bash that runs block after block, with what earlier ones have set."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self._process, self.folder = process, folder

    async def run(self, text: str) -> list[str]:
        """Run a block; the statuses of its curl lines."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        statuses = self.folder / "statuses"
        statuses.write_text("")
        self._process.stdin.write(f"{{\n{text}\n}} >printed\necho finished\n".encode())
        async with asyncio.timeout(60):
            said = await self._process.stdout.readline()
        assert said == b"finished\n", f"{text}\n{statuses.read_text()}"
        return re.findall(r"^(\d{3})$", statuses.read_text(), re.MULTILINE)


@asynccontextmanager
async def shell(folder: Path) -> AsyncIterator[Shell]:
    process = await asyncio.create_subprocess_exec(
        *("bash", "--noprofile", "--norc"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
    )
    assert process.stdin is not None
    process.stdin.write(CURL.encode())
    try:
        yield Shell(process, folder)
    finally:
        process.stdin.close()
        await process.wait()


async def test_every_curl_line_answers_as_the_page_says(tmp_path: Path) -> None:
    with ServerProcess(program=PROGRAM, settings={"XDG_DATA_HOME": str(tmp_path / "data")}) as server:
        async with (
            httpx.AsyncClient(base_url=server.url) as http,
            shell(tmp_path) as bash,
            AsyncExitStack() as live,
        ):
            checked = 0
            for text in blocks("rest.md"):
                if "/snapshot" in text:
                    # "From here on somebody sends a picture."
                    await publish(http, tmp_path, live)
                assert await bash.run(text.replace(WRITTEN_SERVER, server.url)) == documented(text), text
                checked += len(documented(text))
            assert checked > 30
            for text in blocks("quickstart.md"):
                assert await bash.run(text.replace(WRITTEN_SERVER, server.url)) == documented(text), text
    assert (tmp_path / "edit.jpg").read_bytes()[:3] == b"\xff\xd8\xff"
    assert (tmp_path / "source.png").read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / "edited.mp4").read_bytes()[4:8] == b"ftyp"
    assert "make it night" not in (tmp_path / "presets.json").read_text()


async def publish(http: httpx.AsyncClient, folder: Path, live: AsyncExitStack) -> None:
    """Send a clip by the page's own program."""
    session = json.loads((folder / "session.json").read_text())
    (program,) = re.findall(
        r"^```python\n(.*?)^```$", (DOCS / "rest.md").read_text(), re.MULTILINE | re.DOTALL
    )
    (folder / "send.py").write_text(program)
    clip = make_clip(folder / "clip.mp4", size=(320, 240))
    sender = await asyncio.create_subprocess_exec(
        *(sys.executable, folder / "send.py", f"{http.base_url}{session['whip_url']}", session["token"], clip)
    )
    live.callback(sender.kill)
    viewer = await live.enter_async_context(Watcher(http, session["token"]))
    assert (await viewer.post(session["whep_url"])).status_code == 201
    await viewer.sees(3)
