"""The command as a person starts it, in a process of its own."""

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import pytest

from benchmarks.live.server_process import ServerProcess
from tests.server.serving import PROGRAM

TOKEN = "open sesame"
KEPT = (sys.executable, "-m", "tests.server.camera.backend")
REAL = (sys.executable, "-m", "server.cli", "camera")


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with ServerProcess(program=PROGRAM, settings={"AFTERIMAGE_TOKEN": TOKEN}) as process:
        yield process


def refused(*arguments: str, program: tuple[str, ...] = KEPT) -> str:
    """What the command says when it will not run."""
    run = subprocess.run([*program, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 2, run.stderr
    assert "Traceback" not in run.stderr
    return run.stderr.strip()


def ask(server: ServerProcess, path: str, method: str = "GET") -> object:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with urllib.request.urlopen(
        urllib.request.Request(server.url + path, None, headers, method=method)
    ) as answer:
        return json.load(answer)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_until_it_is_told_to_stop(server: ServerProcess, how: signal.Signals) -> None:
    command = [
        *KEPT,
        "--session",
        f"{server.url}/view#token=open%20sesame",
        "--size",
        "640x480",
        "--fps",
        "25",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "Kept Camera shows 640x480 at 25 fps\n"
        # The token was taken from the address: the server would have refused another.
        assert process.stdout.readline() == "nobody publishes here yet; trying again\n"
        process.send_signal(how)
        assert process.wait(15) == 0
        assert process.stderr.read() == ""


def test_a_wrong_token_is_said_in_one_line(server: ServerProcess) -> None:
    line = refused("--session", server.url, "--token", "sesame")
    assert line == (
        "afterimage: the token is wrong or missing (--token): this call needs the server's token as a bearer"
    )


def test_a_session_that_is_not_there_is_said_in_one_line(server: ServerProcess) -> None:
    line = refused("--session", f"{server.url}/v1/sessions/none", "--token", TOKEN)
    assert line == "afterimage: refused: there is no such session, or it has ended"


def test_an_address_that_is_no_whep_endpoint_is_said_in_one_line(server: ServerProcess) -> None:
    line = refused("--session", f"{server.url}/readyz", "--token", TOKEN)
    assert line == "afterimage: refused: /readyz does not answer POST"


def test_what_is_no_address_is_said_before_anything_is_opened() -> None:
    assert "has to begin with http:// or https://" in refused("--session", "127.0.0.1:8080/view")


@pytest.mark.skipif(sys.platform != "linux", reason="v4l2 is Linux's")
def test_a_missing_device_is_said_in_one_line() -> None:
    line = refused("--session", "http://127.0.0.1:9", "--device", "/dev/no-such-video", program=REAL)
    assert line.startswith("afterimage: there is no such device: leave --device out")
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize(
    ("option", "value"),
    [("--size", "640"), ("--size", "641x480"), ("--size", "32x32"), ("--fps", "0"), ("--fps", "quick")],
)
def test_a_size_or_rate_that_no_camera_has_is_refused(option: str, value: str) -> None:
    assert f"argument {option}: {value!r} is not a" in refused(
        "--session", "http://127.0.0.1:9", option, value
    )
