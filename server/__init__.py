"""The live service: knows sessions, knows nothing of sigma."""

import os

CHOSEN_WAIT_POLICY = os.environ.get("OMP_WAIT_POLICY")
"""What whoever started this process wants of OpenMP's threads; None where they did not say."""

# OpenMP reads this once, when torch is first loaded. Its threads otherwise spin while they wait for each other,
# and on a machine that has other work (a browser that decodes and draws) they spin away each other's time slices:
# a step of 17 ms took 1500 ms beside a busy process on two cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
