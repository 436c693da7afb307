"""What to type to install what is missing: with the pip of ``.venv``, at the versions of ``requirements.lock``."""

_PIP = ".venv/bin/pip install -c requirements.lock"


def install_package(name: str) -> str:
    """The command that installs one package."""
    return f"{_PIP} {name}"


def install_extra(extra: str) -> str:
    """The command that installs all packages of one of the extras in ``pyproject.toml``."""
    return f"{_PIP} -e '.[{extra}]'"
