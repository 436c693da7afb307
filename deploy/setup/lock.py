"""Write `requirements.lock`: the exact version of every package that any extra of Afterimage pulls in.

`make lock` keeps the versions already locked where they still fit; `make lock UPGRADE=1` takes the newest.
The file is a pip constraints file: names and versions only, no addresses. CUDA packages stay out of it: torch
pins its own, and machines without an NVIDIA GPU never see them.
"""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements.lock"
HEADER = "# Written by `make lock`; every package that any extra pulls in. Used as pip constraints.\n"
PIP = "pip==26.3"


def main(arguments: list[str]) -> int:
    """Resolve and write the lock; `--upgrade` forgets the versions locked so far."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    requirements = [*project["dependencies"], *(requirement for extra in extras for requirement in extra)]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text("" if "--upgrade" in arguments or not LOCK.exists() else LOCK.read_text())
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        subprocess.run([*pip, "--report", report, "-c", constraints, PIP, *requirements], check=True)
        packages = [item["metadata"] for item in json.loads(report.read_text())["install"]]

    pins = {canonical(package["name"]): package["version"].partition("+")[0] for package in packages}
    names = sorted(name for name in pins if not name.startswith(("nvidia-", "cuda-", "triton")))
    LOCK.write_text(HEADER + "".join(f"{name}=={pins[name]}\n" for name in names))
    return 0


def canonical(name: str) -> str:
    """A package's name as PEP 503 spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
