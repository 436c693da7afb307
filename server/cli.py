"""The `afterimage` command: one subcommand per module, imported only when asked for."""

import os
import sys
from importlib import import_module
from importlib.metadata import version
from typing import Protocol, cast

from engines.install import install_extra
from server import CHOSEN_WAIT_POLICY
from server.extras import extra_of

USAGE_ERROR, INTERRUPTED, UNREAD = 2, 130, 141
USAGE = "usage: afterimage COMMAND [options]; afterimage COMMAND --help says more, afterimage --version which it is"


class Subcommand(Protocol):
    """A module that can be run from the command line."""

    def main(self, arguments: list[str]) -> int:
        """Run with what follows the subcommand's name; returns the exit status."""
        ...


SUBCOMMANDS = {
    "serve": ("server.serve", "serve the page and the live path"),
    "edit": ("server.files.command", "edit a video file by typed instruction"),
    "camera": ("server.camera.command", "show a session as a virtual camera on this machine"),
    "models": ("server.models", "list the installed models and what they were taught"),
    "convert": ("engines.pretrained.convert", "make an RFDM folder of a stock checkpoint"),
    "compile": ("engines.compilers.compile", "make a model's engines ahead of time"),
    "doctor": ("server.doctor", "say what works on this machine, and what to install"),
    "train": ("engines.training.train", "train a model"),
    "evaluate": ("engines.training.evaluate", "measure a model against exact targets"),
}

ALONE = frozenset({"train"})
"""Commands that have the machine to themselves: they are slower by much with threads of PyTorch's that go to sleep
whenever they wait for each other, thousands of times a second."""


def main() -> int:
    """Run the subcommand named on the command line."""
    try:
        status = _main()
        sys.stdout.flush()
    except BrokenPipeError:
        # `| head` has read enough; what is still buffered would raise again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNREAD
    return status


def _main() -> int:
    if len(sys.argv) > 1 and sys.argv[1] in SUBCOMMANDS:
        return _run(sys.argv[1], sys.argv[2:])

    if sys.argv[1:2] == ["--version"]:
        print(f"afterimage {version('afterimage')}")
        return 0
    lines = [f"  {name:10}{purpose}" for name, (_, purpose) in SUBCOMMANDS.items()]
    text = "\n".join([USAGE, "", *lines])
    if sys.argv[1:2] in (["-h"], ["--help"]):
        print(text)
        return 0
    asked = f"afterimage: unknown command {sys.argv[1]!r}\n" if len(sys.argv) > 1 else ""
    print(asked + text, file=sys.stderr)
    return USAGE_ERROR


def _run(command: str, arguments: list[str]) -> int:
    if command in ALONE and CHOSEN_WAIT_POLICY is None:
        os.environ.pop("OMP_WAIT_POLICY", None)
    try:
        return cast(Subcommand, import_module(SUBCOMMANDS[command][0])).main(arguments)
    except ModuleNotFoundError as error:
        extra = extra_of(error.name, command)
        if extra is None:
            raise
        print(f"afterimage {command} needs the package {error.name}: {install_extra(extra)}", file=sys.stderr)
        return USAGE_ERROR
    except KeyboardInterrupt:
        # Reading PyTorch takes seconds; a command that has begun has more to say.
        print(f"afterimage {command}: interrupted", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
