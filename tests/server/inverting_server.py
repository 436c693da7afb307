"""A server with the inverting editor, else as `afterimage serve`: ``python -m tests.server.inverting_server``."""

import argparse
import sys

from server.serve import serve
from server.settings import Settings
from tests.server.fakes import InvertingEditor


def asked_settings() -> Settings:
    """The environment's settings, with the port of the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("command", nargs="?", choices=["serve"])
    parser.add_argument("--port", type=int, default=Settings().port)
    return Settings(model="inverting", port=parser.parse_args().port)


if __name__ == "__main__":
    sys.exit(serve(asked_settings(), InvertingEditor))
