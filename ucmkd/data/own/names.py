"""What to say of a name that is not there.

Like ``ucmkd.config.no_such``, and apart from it: datasets are made again when a module changes that they
import.
"""

import difflib
from collections.abc import Sequence

from ucmkd.errors import ConfigError


def no_such(place: str, kind: str, name: str, names: Sequence[str]) -> ConfigError:
    """Say that nothing of this kind has this name, what was perhaps meant, and what there is."""
    near = difflib.get_close_matches(name, names, n=1)
    meant = f"; did you mean '{near[0]}'?" if near else ""
    return ConfigError(f"{place}: there is no {kind} '{name}'{meant}; known: {', '.join(names)}")
