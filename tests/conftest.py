"""Set before torch is first loaded; see server/__init__.py for why."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
