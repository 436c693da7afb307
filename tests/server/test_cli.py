import os
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from server import cli
from server.extras import EXTRAS

ROOT = Path(__file__).parents[2]
WITHOUT = """
import sys
from server.cli import main
sys.modules[sys.argv.pop(1)] = None
sys.exit(main())
"""


@pytest.fixture
def needing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The module of a subcommand `convert`, still empty."""
    module = tmp_path / "needing_something.py"
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(cli.SUBCOMMANDS, "convert", (module.stem, "needs something"))
    monkeypatch.setattr(sys, "argv", ["afterimage", "convert"])
    monkeypatch.delitem(sys.modules, module.stem, raising=False)
    return module


def test_the_version_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["afterimage", "--version"])

    assert cli.main() == 0

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert capsys.readouterr().out == f"afterimage {project['version']}\n"


def test_an_unknown_command_is_named_above_those_that_there_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["afterimage", "sevre"])

    assert cli.main() == 2

    said = capsys.readouterr().err
    assert said.startswith("afterimage: unknown command 'sevre'\nusage: ")
    assert all(f"\n  {name} " in said for name in cli.SUBCOMMANDS)


def test_who_has_read_enough_leaves_no_traceback() -> None:
    command = [sys.executable, "-m", "server.cli", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout is not None
        run.stdout.close()
        assert run.stderr is not None
        said = run.stderr.read()
    assert (run.returncode, said) == (141, b"")


SAYS_HOW_THREADS_WAIT = """
import os, sys
from server import cli
cli.SUBCOMMANDS = {name: ("how_threads_wait", "") for name in cli.SUBCOMMANDS}
sys.modules["how_threads_wait"] = sys.modules[__name__]
main = lambda arguments: print(os.environ.get("OMP_WAIT_POLICY"))
sys.exit(cli.main())
"""


@pytest.mark.parametrize(
    ("command", "chosen", "used"),
    [
        ("serve", {}, "PASSIVE"),
        ("train", {}, "None"),
        ("serve", {"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE"),
        ("train", {"OMP_WAIT_POLICY": "PASSIVE"}, "PASSIVE"),
    ],
)
def test_threads_sleep_while_they_wait_beside_others_but_not_in_training(
    command: str, chosen: dict[str, str], used: str
) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    run = subprocess.run(
        [sys.executable, "-c", SAYS_HOW_THREADS_WAIT, command],
        env=environment | chosen,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert run.stdout == f"{used}\n"


def test_a_command_without_its_extra_says_in_one_line_what_to_install() -> None:
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT, "tensorboard", "train", "--media", "nowhere"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    install = ".venv/bin/pip install -c requirements.lock -e '.[train]'"
    assert run.stderr == f"afterimage train needs the package tensorboard: {install}\n"
    assert (run.returncode, run.stdout) == (2, "")


def test_what_is_missing_only_while_the_command_runs_is_said_as_well(
    needing: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    needing.write_text("def main(arguments):\n    from diffusers import ModelMixin\n")

    assert cli.main() == 2

    install = ".venv/bin/pip install -c requirements.lock -e '.[backbones]'"
    assert capsys.readouterr().err == f"afterimage convert needs the package diffusers: {install}\n"


@pytest.mark.parametrize(
    "wrong",
    [
        "import engines.no_such_module",
        "import transformers.no_such_module",
        "from onnx import no_such_name",
        "import no_such_package",
    ],
)
def test_what_no_extra_would_mend_is_not_hidden(needing: Path, wrong: str) -> None:
    needing.write_text(wrong)

    with pytest.raises(ImportError, match="no_such_"):
        cli.main()


def test_ctrl_c_while_a_command_is_read_is_one_line(
    needing: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    needing.write_text("raise KeyboardInterrupt")

    assert cli.main() == 130
    assert capsys.readouterr().err == "afterimage convert: interrupted\n"


def test_an_extra_has_the_packages_that_the_project_lists() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    known = packages_distributions()

    for extra, packages in EXTRAS.items():
        distributions = {name.lower().replace("_", "-") for each in packages for name in known[each]}
        assert distributions == set(listed[extra])
