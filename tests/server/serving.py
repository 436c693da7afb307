"""`afterimage serve` with an editor that inverts, in a process of its own.

Usage: python -m tests.server.serving serve --port PORT, with AFTERIMAGE_* as for the real one.
"""

import sys

from server.serve import serve
from server.settings import Settings
from tests.server.fakes import InvertingEditor

PROGRAM = (sys.executable, "-m", "tests.server.serving")

if __name__ == "__main__":
    _, _, _, port = sys.argv
    sys.exit(serve(Settings(port=int(port), model="inverting"), InvertingEditor))
