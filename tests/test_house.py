"""Rules of the whole tree, each quick to check."""

import ast
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MEDIA = {".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".y4m", ".gif", ".wav", ".mp3", ".ogg"}
REGISTRIES = re.compile(
    r"pypi\.org|pythonhosted\.org|npmjs\.|yarnpkg\.com|anaconda\.org|huggingface\.co/.*resolve"
)
PACKAGES_OF_ROOM = {"engines": {"server", "benchmarks", "tests"}, "server": {"benchmarks", "tests"}}


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def test_no_media_file_is_tracked() -> None:
    assert [path for path in tracked() if path.suffix.lower() in MEDIA] == []


def test_the_tree_weighs_less_than_40_mib() -> None:
    assert sum(path.stat().st_size for path in tracked()) < 40 * 2**20


def test_no_file_names_a_package_registry() -> None:
    """Where packages come from is the business of whoever installs them."""
    naming = []
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        if REGISTRIES.search(text):
            naming.append(path)
    assert naming == []


@pytest.mark.parametrize("room", PACKAGES_OF_ROOM)
def test_imports_run_one_way(room: str) -> None:
    wrong = [
        (path, name)
        for path in (ROOT / room).rglob("*.py")
        for name in imported(path)
        if name.partition(".")[0] in PACKAGES_OF_ROOM[room]
    ]
    assert wrong == []


def imported(path: Path) -> list[str]:
    """Every module that a file names in an import, wherever it stands in it."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
    return names


def test_every_python_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(name for extra in extras for name in extra)]
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    locked = {line.partition("==")[0] for line in lines if "==" in line}
    # NVIDIA's own are left out of the lock and have bounds where they are asked for; torch for GPUs pins them.
    loose = {name for name in wanted if not name.startswith("nvidia-") or "<" not in name}
    assert {re.split(r"[=<>~\[ ]", name)[0].replace("_", "-") for name in loose} - locked == set()


def test_the_client_lock_is_complete() -> None:
    """`npm ci` refuses a lock that leaves out the packages of other platforms."""
    packages = json.loads((ROOT / "client_web" / "package-lock.json").read_text())["packages"]
    optional = {name for package in packages.values() for name in package.get("optionalDependencies", {})}
    assert {name for name in optional if f"node_modules/{name}" not in packages} == set()
    assert [name for name, package in packages.items() if name and "version" not in package] == []
    assert [name for name, package in packages.items() if "resolved" in package] == []
