"""What a process has cost so far, and log lines that say it."""

import logging
import os
import re
import time

STAMP = re.compile(r"^\d\d:\d\d:\d\d +(\d+\.\d\d) s ", re.MULTILINE)
"""How a stamped line starts: the time of day, then the seconds of the processor."""


class Stamp(logging.Formatter):
    """Puts the time of day, and the seconds of the processor so far, in front of every message."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s%(processor)9.2f s %(message)s", datefmt="%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        record.processor = sum(os.times()[:4])  # with the processes that this one has waited for
        return super().format(record)


def stamped(message: str) -> str:
    """Write a line for what does not log by ``logging``: the time of this process alone, not its children."""
    return f"{time.strftime('%H:%M:%S')}{time.process_time():9.2f} s {message}"
