"""Settings are frozen dataclasses beside the code they steer; building one refuses what it does not know."""

import dataclasses
import math
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ucmkd.errors import ConfigError

S = TypeVar("S")


def build(cls: type[S], values: Mapping[str, Any], place: str) -> S:
    """Make a settings object from configuration values.

    Parameters
    ----------
    cls : type
        A dataclass whose fields are numbers, strings, booleans, tuples or maps of them, ``Literal`` or
        optional.
    values : Mapping
        What the configuration gives; absent fields keep their defaults.
    place : str
        Where the values stand, for the error message, for example ``settings.kd``.

    Raises
    ------
    ConfigError
        If a name is unknown or a value does not fit its field.
    """
    hints = get_type_hints(cls)
    known = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    for name in values:
        if name not in known:
            raise ConfigError(f"{place}: no setting '{name}'; known: {', '.join(known) or 'none'}")
    converted = {name: _convert(value, hints[name], f"{place}.{name}") for name, value in values.items()}
    try:
        return cls(**converted)
    except ValueError as error:
        raise ConfigError(f"{place}: {error}") from None
    except TypeError:
        missing = [name for name in _required(cls) if name not in converted]
        raise ConfigError(f"{place}.{missing[0]}: is missing; it has no default") from None


def plain(values: Any) -> dict[str, Any]:
    """Turn a settings object into plain JSON values; infinity becomes the string ``inf``."""
    return {name: "inf" if value == math.inf else value for name, value in dataclasses.asdict(values).items()}


@dataclass(frozen=True, kw_only=True)
class NoSettings:
    """For what has nothing to set."""


def _required(cls: type[Any]) -> list[str]:
    return [
        field.name
        for field in dataclasses.fields(cls)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]


def _convert(value: Any, hint: Any, place: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _convert(value, next(a for a in arguments if a is not type(None)), place)
    if origin is Literal:
        if value in arguments and isinstance(value, str):
            return value
        raise ConfigError(f"{place}: '{value}' is not one of {', '.join(map(str, arguments))}")
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{place}: expected a list, got {value!r}")
        return tuple(_convert(item, arguments[0], place) for item in value)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{place}: expected a map, got {value!r}")
        return {str(key): _convert(item, arguments[1], f"{place}.{key}") for key, item in value.items()}
    if hint is float:
        if value == "inf":
            return math.inf
        if isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value):
            return float(value)
    elif isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    raise ConfigError(f"{place}: expected {hint.__name__}, got {value!r}")
