"""The command as a person starts it."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from benchmarks.live.server_process import ServerProcess
from server.camera.command import main
from tests.server.camera import backend
from tests.server.serving import PROGRAM

TOKEN = "open sesame"
KEPT = (sys.executable, "-m", "tests.server.camera.backend")


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with ServerProcess(program=PROGRAM, settings={"AFTERIMAGE_TOKEN": TOKEN}) as process:
        yield process


Refused = Callable[..., str]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """What the command says when it will not run."""

    def run(*arguments: str, name: str = backend.NAME) -> str:
        backend.register()
        assert main([*arguments, "--backend", name]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line

    return run


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
        try:
            assert process.wait(15) == 0
        finally:
            process.kill()
        assert process.stderr.read() == ""


def test_a_wrong_token_is_said_in_one_line(server: ServerProcess, refused: Refused) -> None:
    line = refused("--session", server.url, "--token", "sesame")
    assert line == (
        "afterimage camera: the token is wrong or missing (--token): this call needs the server's token as a bearer"
    )


def test_a_session_that_is_not_there_is_said_in_one_line(server: ServerProcess, refused: Refused) -> None:
    line = refused("--session", f"{server.url}/v1/sessions/none", "--token", TOKEN)
    assert line == "afterimage camera: refused: there is no such session, or it has ended"


def test_an_address_that_is_no_whep_endpoint_is_said_in_one_line(
    server: ServerProcess, refused: Refused
) -> None:
    line = refused("--session", f"{server.url}/readyz", "--token", TOKEN)
    assert line == "afterimage camera: refused: /readyz does not answer POST"


def test_what_is_no_address_is_said_before_anything_is_opened(refused: Refused) -> None:
    assert "has to begin with http:// or https://" in refused("--session", "127.0.0.1:8080/view")


@pytest.mark.skipif(sys.platform != "linux", reason="v4l2 is Linux's")
def test_a_missing_device_is_said_in_one_line(refused: Refused) -> None:
    line = refused("--session", "http://127.0.0.1:9", "--device", "/dev/no-such-video", name="v4l2loopback")
    assert line.startswith("afterimage camera: there is no such device: leave --device out")


@pytest.mark.parametrize(
    ("option", "value"),
    [("--size", "640"), ("--size", "641x480"), ("--size", "32x32"), ("--fps", "0"), ("--fps", "quick")],
)
def test_a_size_or_rate_that_no_camera_has_is_refused(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--session", "http://127.0.0.1:9", option, value])
    assert ended.value.code == 2
    assert f"argument {option}: {value!r} is not a" in capsys.readouterr().err
