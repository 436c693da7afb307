"""A server with the inverting editor in a process of its own: ``python -m tests.server.inverting_server``."""

import sys

from server.serve import serve
from server.settings import Settings
from tests.server.fakes import InvertingEditor

if __name__ == "__main__":
    sys.exit(serve(Settings(model="inverting"), InvertingEditor))
