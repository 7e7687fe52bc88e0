"""``python -m ucmkd``."""

import sys

from ucmkd.cli import main
from ucmkd.instructions import use_common_instructions

use_common_instructions()
sys.exit(main())
