"""Compilers: a frame program and a shape to something that runs it fast, one interface for all of them."""

import sys
from types import ModuleType
from typing import cast

# OpenVINO reports each of its imports to Google Analytics unless the package that does it is missing. Nobody who
# edits video here was asked, so for OpenVINO it is missing.
sys.modules.setdefault("openvino_telemetry", cast(ModuleType, None))
