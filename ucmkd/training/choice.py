"""The settings that tuning chose for a method, and how they enter a cell."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ucmkd.errors import DataError
from ucmkd.files import read_json

RATE = "learning_rate"


@dataclass(frozen=True)
class Choice:
    """What departs from the configuration.

    Attributes
    ----------
    changes : dict
        Settings of the method.
    rate : float
        Factor of the recipe's learning rate.
    """

    changes: dict[str, Any] = field(default_factory=dict)
    rate: float = 1.0

    @classmethod
    def read(cls, path: str | None) -> "Choice":
        """Read the choice that a tuning job left; without one, nothing departs.

        Raises
        ------
        DataError
            If the file is missing or damaged.
        """
        if path is None:
            return cls()
        chosen = read_json(path)
        try:
            return cls(dict(chosen["changes"]), float(chosen["rate"]))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{path}: not a choice of settings ({error!r}); delete it and run again"
            ) from None

    def settings(self, settings: Mapping[str, Any], own: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Change a method's settings, but for those that a variant itself sets."""
        return {
            **settings,
            **{name: value for name, value in self.changes.items() if name not in (own or {})},
        }

    def recipes(self, recipes: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """Scale the learning rates of both recipes; a student is trained by one of them."""
        return {role: {**recipe, RATE: recipe[RATE] * self.rate} for role, recipe in recipes.items()}
