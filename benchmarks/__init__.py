"""Programs that measure; their figures stand beside the machine they were measured on."""

# Before a program imports OpenVINO by itself; see there for why.
import engines.compilers  # noqa: F401
