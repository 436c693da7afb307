import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from server.serve import MOST_OPEN_FILES, listen
from tests.server.conftest import RunningServer

REFUSED = "afterimage serve: the model could not be loaded: "
PROGRAM = """
import sys
from server.serve import serve
from server.settings import Settings
from tests.server.fakes import InvertingEditor
sys.exit(serve(Settings(port=0, model="inverting"), InvertingEditor))
"""
FAILING_PROGRAM = """
import sys
from server.serve import serve
from server.settings import Settings

def load():
    sys.stdin.readline()
    raise OSError("the disk is gone")

sys.exit(serve(Settings(port=0, model="failing"), load))
"""

ENDLESS_PROGRAM = """
import sys, threading
from server.serve import serve
from server.settings import Settings
sys.exit(serve(Settings(port=0, model="endless"), threading.Event().wait))
"""


@pytest.mark.parametrize(("told", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, -signal.SIGTERM)])
def test_a_server_that_is_told_to_stop_while_its_model_loads_waits_for_no_load_and_blames_no_model(
    told: signal.Signals, status: int
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS_PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "http://" in process.stdout.readline()
        assert process.stdout.readline() == "loading endless …\n"
        process.send_signal(told)
        try:
            assert process.wait(20) == status
        finally:
            process.kill()
        assert process.stderr.read() == ""


def test_the_address_is_printed_and_an_interrupt_ends_it_even_while_someone_listens() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ},
    ) as process:
        assert process.stdout is not None
        address = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert address is not None
        assert "loading" in process.stdout.readline()
        assert "inverting 1 is warm (numpy, uint8, cpu)" in process.stdout.readline()
        opened = opened_session(address[0])
        url = f"{address[0]}{opened['events_url']}?token={opened['token']}"
        with urllib.request.urlopen(url) as events:
            assert events.readline() == b"event: state\n"
            process.send_signal(signal.SIGINT)
            heard = events.read()
            assert b'"state":"closed"' in heard
        assert process.wait(10) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_what_edits_until_the_compiler_is_built_is_told() -> None:
    command = [sys.executable, "-m", "tests.server.building_server", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(4)]
        process.send_signal(signal.SIGINT)

    assert said[2:] == [
        "inverting 1 is warm (numpy, uint8, cpu)\n",
        "PyTorch edits frames of 320x256 until inductor is built for them\n",
    ]


async def test_a_taken_port_is_one_line_and_exit_code_2(server: RunningServer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        run = subprocess.run(
            [sys.executable, "-m", "server.serve", "--port", str(taken.getsockname()[1])],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert run.returncode == 2
    assert "cannot serve on" in run.stderr
    assert "Address already in use; --port or AFTERIMAGE_PORT takes another" in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1


def test_a_model_that_fails_to_load_ends_the_sessions_with_the_reason() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FAILING_PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        address = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert address is not None
        opened = opened_session(address[0])
        url = f"{address[0]}{opened['events_url']}?token={opened['token']}"
        with urllib.request.urlopen(url) as events:
            assert events.readline() == b"event: state\n"
            print("fail now", file=process.stdin, flush=True)
            heard = events.read()
        assert b'"state":"closed","reason":"the model could not be loaded: the disk is gone"' in heard
        assert process.wait(10) == 2
        assert process.stderr.read() == f"{REFUSED}the disk is gone\n"


def opened_session(address: str) -> dict[str, str]:
    request = urllib.request.Request(f"{address}/v1/sessions", method="POST")
    with urllib.request.urlopen(request) as response:
        opened: dict[str, str] = json.load(response)
    return opened


def test_a_model_that_does_not_exist_is_one_line_and_exit_code_2() -> None:
    assert refusal_of("nothing-like-it").startswith(
        f"{REFUSED}no model 'nothing-like-it': neither installed ("
    )


def test_a_model_of_another_format_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "RFDMEditor", "_format_version": 99}')
    assert refusal_of(str(tmp_path)).startswith(f"{REFUSED}{tmp_path} is RFDMEditor format 99,")


def refusal_of(model: str) -> str:
    """All that is said on stderr of a model that is not served."""
    run = subprocess.run(
        [sys.executable, "-m", "server.serve", "--port", "0", "--model", model],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 2
    [line] = run.stderr.splitlines()
    return line


def test_answers_are_not_held_back_for_acknowledgements() -> None:
    with listen("127.0.0.1", 0) as listening:
        # asyncio sets TCP_NODELAY where the protocol is named.
        assert listening.proto == socket.IPPROTO_TCP


def test_a_process_may_have_as_many_sockets_as_the_machine_allows() -> None:
    program = """
import resource
from server.serve import raise_open_files
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
raise_open_files()
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], hard)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    soft, hard = map(int, run.stdout.split())
    assert soft == (MOST_OPEN_FILES if hard < 0 else min(hard, MOST_OPEN_FILES))
