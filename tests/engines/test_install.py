import re
import tomllib
from pathlib import Path

from engines.install import install_extra, install_package

ROOT = Path(__file__).resolve().parents[2]
ASKED_FOR = re.compile(r'install_extra\(["\'](.+?)["\']\)')


def test_what_is_installed_is_held_to_the_lock() -> None:
    assert install_package("triton") == ".venv/bin/pip install -c requirements.lock triton"
    assert install_extra("train") == ".venv/bin/pip install -c requirements.lock -e '.[train]'"


def test_every_extra_that_is_asked_for_exists() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    asked_for = {
        extra
        for source in (ROOT / "engines").rglob("*.py")
        for extra in ASKED_FOR.findall(source.read_text())
    }

    assert asked_for
    assert asked_for <= set(extras)
