"""A server with the inverting editor, else as `afterimage serve`: ``python -m tests.server.inverting_server``."""

import argparse
import sys

from server.serve import serve
from server.settings import Settings
from tests.server.fakes import InvertingEditor

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("command", nargs="?", choices=["serve"])
    parser.add_argument("--port", type=int, default=Settings().port)
    sys.exit(serve(Settings(model="inverting", port=parser.parse_args().port), InvertingEditor))
