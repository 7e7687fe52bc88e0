"""The tests. They share the machine with each other, and numpy and torch look here when they are imported."""

import os

from ucmkd.instructions import use_common_instructions

use_common_instructions()
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")
