"""The set-up's choices, and its words where something is missing."""

import os
import runpy
import subprocess
from pathlib import Path
from typing import Any

import pytest

SETUP = Path(__file__).parents[2] / "deploy" / "setup"
prepare = runpy.run_path(str(SETUP / "prepare.py"))

# What pip reports of torch 2.13.0, shortened.
COMMON = ["filelock", "sympy>=1.13.3", 'cuda-toys>=1; extra == "toys"']
WITH_CUDA = [*COMMON, 'nvidia-cudnn-cu13==9.20.0.48; platform_system == "Linux"']


@pytest.mark.parametrize(("requires", "brings"), [(COMMON, False), (WITH_CUDA, True)])
def test_cuda_packages_are_seen_in_what_pip_would_install(requires: list[str], brings: bool) -> None:
    report: dict[str, Any] = {"install": [{"metadata": {"name": "torch", "requires_dist": requires}}]}
    assert prepare["brings_cuda"](report) is brings


def test_the_lock_names_a_version_of_torch_without_its_build() -> None:
    assert prepare["locked_version"]("torch").replace(".", "").isdigit()


def test_a_digest_follows_names_and_contents() -> None:
    digest = prepare["digest"]
    makefile, readme = SETUP.parents[1] / "Makefile", SETUP.parents[1] / "README.md"
    assert digest(makefile) == digest(makefile)
    assert len({digest(makefile), digest(readme), digest(makefile, readme), digest()}) == 4


def test_a_python_that_is_too_old_is_named(tmp_path: Path) -> None:
    put(tmp_path / "python3", 'case "$1" in --version) echo Python 3.9.2;; *) exit 1;; esac')

    found = find_python(tmp_path)

    assert found.returncode == 1
    assert "needs Python 3.11 or newer; PATH has Python 3.9.2" in found.stderr
    assert "sudo apt-get install python3 python3-venv" in found.stderr


def test_no_python_at_all_is_said(tmp_path: Path) -> None:
    found = find_python(tmp_path)
    assert found.returncode == 1
    assert "PATH has no python3" in found.stderr


def test_a_missing_venv_module_is_named_with_what_to_run(tmp_path: Path) -> None:
    put(tmp_path / "python3", 'case "$2" in *ensurepip*) exit 1;; *print*) echo 3.12;; esac')
    put(tmp_path / "apt-get", "exit 1")
    put(tmp_path / "id", "echo 1000")
    put(tmp_path / "sudo", "exit 1")

    found = find_python(tmp_path)

    assert found.returncode == 1
    assert "its venv module is missing" in found.stderr
    assert "sudo apt-get install python3.12-venv" in found.stderr


def test_a_missing_venv_module_is_installed_where_that_needs_no_password(tmp_path: Path) -> None:
    put(
        tmp_path / "python3",
        f'case "$2" in *ensurepip*) [ -e {tmp_path}/installed ];; *print*) echo 3.11;; esac',
    )
    put(tmp_path / "apt-get", f'echo "$@" > {tmp_path}/installed')
    put(tmp_path / "id", "echo 0")

    found = find_python(tmp_path)

    assert found.returncode == 0
    assert found.stdout == f"{tmp_path}/python3\n"
    assert (tmp_path / "installed").read_text().endswith(" python3.11-venv\n")


def test_a_python_that_does_not_do_is_passed_over(tmp_path: Path) -> None:
    put(tmp_path / "python3.11", "exit 1")
    put(tmp_path / "python3", "exit 0")
    assert find_python(tmp_path).stdout == f"{tmp_path}/python3\n"


def put(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def find_python(path: Path) -> "subprocess.CompletedProcess[str]":
    """Run python.sh where PATH has these programs and the few that it needs."""
    for name in ("dirname", "sh"):
        if not (path / name).exists():
            (path / name).symlink_to(f"/bin/{name}" if Path(f"/bin/{name}").exists() else f"/usr/bin/{name}")
    command = ["/bin/sh", str(SETUP / "python.sh")]
    environment = {"PATH": str(path), "HOME": os.environ.get("HOME", "/")}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_a_missing_firefox_is_said_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    prepare["offer_firefox"]()
    assert "apt-get install firefox-esr" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("systemd", "said"), [(True, "systemctl mask coturn"), (False, "apt-get install coturn")]
)
def test_what_the_relay_tests_lack_is_said_and_stops_nothing(
    systemd: bool,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    offer = prepare["offer_coturn"]
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(offer.__globals__, "SYSTEMD", tmp_path if systemd else tmp_path / "none")
    offer()
    assert said in capsys.readouterr().out
