import os
import socket
import subprocess
import sys
from typing import get_args

import pytest
from pydantic import ValidationError

from engines.compilers.names import Precision
from server.rtc.ice import PortRange
from server.settings import Settings, is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1"])
def test_loopback_needs_no_token(host: str) -> None:
    assert Settings(host=host).token is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_any_other_address_needs_one(host: str) -> None:
    with pytest.raises(ValidationError, match="AFTERIMAGE_TOKEN"):
        Settings(host=host)
    assert Settings.model_validate({"host": host, "token": "secret"}).host == host


def test_an_empty_token_is_no_token() -> None:
    with pytest.raises(ValidationError, match="empty"):
        Settings.model_validate({"token": " "})


@pytest.mark.parametrize("token", ["sésame", "open sesame\n", " sesame", "ses\tame"])
def test_a_token_that_no_header_can_bring_is_refused(token: str) -> None:
    with pytest.raises(ValidationError, match="AFTERIMAGE_TOKEN may have"):
        Settings.model_validate({"token": token})


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFTERIMAGE_PORT", "9000")
    monkeypatch.setenv("AFTERIMAGE_UDP_PORTS", "50000-50100")
    monkeypatch.setenv("AFTERIMAGE_ALLOWED_ORIGINS", '["https://example.org"]')
    settings = Settings()
    assert settings.port == 9000
    assert settings.udp_ports == PortRange(50000, 50100)
    assert settings.allowed_origins == ("https://example.org",)


def test_is_loopback_knows_addresses() -> None:
    assert is_loopback("[::1]")
    assert not is_loopback("10.0.0.1")


def test_a_misspelt_variable_is_told_before_the_server_starts() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        run = subprocess.run(
            [sys.executable, "-m", "server.cli", "serve", "--port", str(taken.getsockname()[1])],
            env={**os.environ, "AFTERIMAGE_MAX_SESSION": "2"},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert run.stderr.startswith(
        "afterimage serve: AFTERIMAGE_MAX_SESSION is no setting and changes nothing\n"
    )


@pytest.mark.parametrize("precision", ["auto", *get_args(Precision)])
def test_every_precision_of_the_compilers_can_be_set(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFTERIMAGE_PRECISION", precision)
    assert Settings().precision == precision


def test_settings_are_read_without_pytorch() -> None:
    program = "import sys, server.settings; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"AFTERIMAGE_HOST": "0.0.0.0"}, "set AFTERIMAGE_TOKEN"),
        ({"AFTERIMAGE_PORT": "a lot"}, "AFTERIMAGE_PORT"),
        ({"AFTERIMAGE_ALLOWED_ORIGINS": '["example.org"]'}, "'example.org' is no origin"),
        ({"AFTERIMAGE_MAX_SESSIONS": "0"}, "AFTERIMAGE_MAX_SESSIONS"),
        (
            {"AFTERIMAGE_ALLOWED_ORIGINS": "https://example.org"},
            'afterimage serve: AFTERIMAGE_ALLOWED_ORIGINS: not a JSON list of origins, as ["https://example.org"]',
        ),
        ({"AFTERIMAGE_PRECISION": "int4"}, "AFTERIMAGE_PRECISION: Input should be 'auto', 'float32', "),
    ],
)
def test_serve_refuses_bad_settings_in_one_line(environment: dict[str, str], said: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "server.cli", "serve"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert run.returncode == 2
    assert said in run.stderr
    assert len(run.stderr.splitlines()) == 1
    assert len(run.stderr.strip().splitlines()) == 1
