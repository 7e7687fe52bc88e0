"""``python -m ucmkd``."""

import sys

from ucmkd.cli import main

sys.exit(main())
