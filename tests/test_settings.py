"""Settings refuse what they do not know, and say where it stands."""

import json
import math
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from ucmkd.errors import ConfigError
from ucmkd.settings import build, plain


@dataclass(frozen=True, kw_only=True)
class Example:
    """One field of every kind that settings may have."""

    rate: float = 0.1
    steps: int = 3
    name: str = "a"
    on: bool = True
    kind: Literal["soft", "hard"] = "soft"
    limit: float | None = None
    sizes: tuple[int, ...] = (1, 2)

    def __post_init__(self) -> None:
        if self.steps > 100:
            raise ValueError(f"steps is {self.steps}; at most 100")


def test_what_is_not_given_keeps_its_default() -> None:
    assert build(Example, {}, "settings.example") == Example()


@pytest.mark.parametrize(
    ("name", "value", "becomes"),
    [
        ("rate", 1, 1.0), ("rate", 0.5, 0.5), ("rate", "inf", math.inf), ("steps", 7, 7), ("name", "b", "b"),
        ("on", False, False), ("kind", "hard", "hard"), ("limit", None, None), ("limit", 2, 2.0),
        ("limit", "inf", math.inf), ("sizes", [3], (3,)), ("sizes", (4, 5), (4, 5)), ("sizes", [], ()),
    ],
)  # fmt: skip
def test_a_fitting_value_is_taken(name: str, value: Any, becomes: Any) -> None:
    taken = getattr(build(Example, {name: value}, "settings.example"), name)
    assert taken == becomes
    assert type(taken) is type(becomes)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rate", "fast"), ("rate", True), ("rate", None), ("rate", math.nan), ("steps", 1.0), ("steps", True),
        ("steps", "3"), ("name", 3), ("name", None), ("on", 1), ("on", "yes"), ("kind", "medium"),
        ("kind", None), ("limit", "no"), ("limit", math.nan), ("sizes", 3), ("sizes", ["3"]), ("sizes", "12"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_refused_with_its_place(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"settings\.example\.{name}: "):
        build(Example, {name: value}, "settings.example")


def test_an_unknown_name_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ConfigError, match=r"settings\.example: no setting 'stepps'; known: rate, steps"):
        build(Example, {"stepps": 4}, "settings.example")


def test_a_check_of_the_class_itself_is_told_with_the_place() -> None:
    with pytest.raises(ConfigError, match=r"settings\.example: steps is 101; at most 100"):
        build(Example, {"steps": 101}, "settings.example")


def test_plain_values_are_json_and_build_the_same_settings_again() -> None:
    settings = Example(limit=math.inf, sizes=(9, 8), rate=2.0)
    text = json.dumps(plain(settings), allow_nan=False)
    assert build(Example, json.loads(text), "settings.example") == settings
