"""What every command of the command line has."""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

EPILOG = "Exit codes: 0 done, 1 something failed, 2 the input is at fault."


def add_command(
    commands: Any, name: str, run: Callable[[Any], int], what: str, *, as_json: bool = False
) -> argparse.ArgumentParser:
    """Add a command to those of a parser; it says what it is for, and may print JSON."""
    about = {"help": what, "description": f"{what[0].upper()}{what[1:]}.", "epilog": EPILOG}
    command: argparse.ArgumentParser = commands.add_parser(name, **about)
    command.set_defaults(command=run)
    if as_json:
        command.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return command


def print_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Print rows with the same keys as a table, or as JSON."""
    from ucmkd.showing import table

    print(json.dumps(rows, indent=1) if as_json else table(rows))
