"""Read a configuration; refuse what cannot be meant, and say what was probably meant."""

import difflib
import functools
import math
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from ucmkd.errors import ConfigError

ROOT = Path(__file__).resolve().parents[1]
DEFAULT = ROOT / "config" / "config.yaml"
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"

_TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "number": "a number",
    "object": "a map",
    "string": "a text",
}
_NAME_RULE = "names are lower-case letters, digits and underscores, and start with a letter"
_EXPONENT = re.compile(r"[-+]?[\d.]+[eE][-+]?\d+")


def load(paths: Iterable[str | Path] = ()) -> dict[str, Any]:
    """Read configuration files and merge them, one after the other, over ``config/config.yaml``.

    Raises
    ------
    ConfigError
        If a file is missing, is not YAML, is not a map, or gives a key twice.
    """
    config = read(DEFAULT)
    for path in paths:
        if Path(path).resolve() != DEFAULT:
            config = merge(config, read(path))
    return config


def read(path: str | Path) -> dict[str, Any]:
    """Read one YAML file, in which no key may stand twice.

    Raises
    ------
    ConfigError
        As :func:`load`.
    """
    try:
        with Path(path).open(encoding="utf-8") as file:
            content = yaml.load(file, Loader=_UniqueKeys)  # noqa: S506 (a SafeLoader)
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: no such file; the configurations of this project are in config/"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError, IsADirectoryError) as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected keys and values, got {_shown(content)}")
    return content


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one configuration over another: maps key by key, anything else, lists included, as a whole."""
    merged = dict(below)
    for key, value in above.items():
        beneath = merged.get(key)
        both_maps = isinstance(beneath, Mapping) and isinstance(value, Mapping)
        merged[key] = merge(beneath, value) if both_maps else value  # type: ignore[arg-type]
    return merged


def validate(config: Mapping[str, Any]) -> dict[str, Any]:
    """Check a configuration against ``workflow/schemas/config.schema.yaml`` and fill in its defaults.

    Raises
    ------
    ConfigError
        Naming every key that is wrong, one a line, each with its remedy.
    """
    validator = jsonschema.Draft202012Validator(schema())
    errors = sorted(
        validator.iter_errors(config), key=lambda error: [str(part) for part in error.absolute_path]
    )
    problems = [problem for error in errors for problem in _explain(error)] or list(_odd_numbers(config, ""))
    if problems:
        raise ConfigError("\n".join(dict.fromkeys(problems)))
    filled: dict[str, Any] = _with_defaults(config, schema())
    return filled


@functools.cache
def schema() -> dict[str, Any]:
    """Read the schema of configurations."""
    return read(SCHEMA)


def known(place: str, kind: str, name: str, names: Sequence[str]) -> None:
    """Refuse a name that is not among those there are.

    Raises
    ------
    ConfigError
        See :func:`no_such`.
    """
    if name not in names:
        raise no_such(place, kind, name, names)


def no_such(place: str, kind: str, name: str, names: Sequence[str]) -> ConfigError:
    """Say that nothing of this kind has this name, what was perhaps meant, and what there is."""
    return ConfigError(
        f"{place}: there is no {kind} '{name}'{_near(name, names)}; known: {', '.join(names) or 'none'}"
    )


class _UniqueKeys(yaml.SafeLoader):
    """YAML without a key that stands twice: the second would silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            place = f"{key_node.start_mark.name}: line {key_node.start_mark.line + 1}"
            if not isinstance(key, str):
                raise ConfigError(f"{place}: key {key!r} is not text; put it in quotes")
            if key in seen:
                raise ConfigError(f"{place}: key '{key}' stands twice in one map; keep one")
            seen.add(key)
        return super().construct_mapping(node, deep)


def _near(name: object, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(str(name), names, n=1)
    return f"; did you mean '{close[0]}'?" if close else ""


def _explain(error: jsonschema.ValidationError) -> Iterator[str]:
    """Put an error of the validator into words: place, mistake, remedy."""
    place = _place(error.absolute_path)
    value: Any = error.instance
    limit: Any = error.validator_value
    part: Any = error.schema
    match error.validator:
        case "additionalProperties":
            yield from _unknown_keys(place, value, part)
        case "required":
            for key in limit:
                if key not in value:
                    yield f"{_join(place, key)}: is missing; {part['properties'][key]['description']}"
        case "type":
            expected = " or ".join(_TYPES[kind] for kind in ([limit] if isinstance(limit, str) else limit))
            yield f"{place}: expected {expected}, got {_shown(value)}{_exponent_hint(value)}"
        case "enum":
            yield f"{place}: {_shown(value)} is not one of {', '.join(limit)}{_near(value, limit)}"
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum":
            words = {"minimum": "at least", "maximum": "at most", "exclusiveMinimum": "above"}
            yield f"{place}: is {value}; it must be {words.get(str(error.validator), 'below')} {limit}"
        case "minItems" | "minProperties":
            yield f"{place}: is empty; give at least {limit}"
        case "uniqueItems":
            twice = next(item for item in value if value.count(item) > 1)
            yield f"{place}: {_shown(twice)} stands there twice; keep one"
        case "pattern":
            yield f"{place}: {_shown(value)} cannot be a name; {_NAME_RULE}"
        case _:
            yield f"{place}: {error.message}"


def _unknown_keys(place: str, value: Mapping[str, Any], part: Mapping[str, Any]) -> Iterator[str]:
    keys = list(part.get("properties", {}))
    for key in value:
        if key in keys or any(re.search(pattern, key) for pattern in part.get("patternProperties", {})):
            continue
        if keys:
            yield f"{_join(place, key)}: there is no such key{_near(key, keys)}; known: {', '.join(keys)}"
        else:
            yield f"{_join(place, key)}: {_shown(key)} cannot be a name; {_NAME_RULE}"


def _odd_numbers(value: Any, place: str) -> Iterator[str]:
    """Find NaN, and numbers such as 1e-3 that YAML reads as text."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _odd_numbers(item, _join(place, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _odd_numbers(item, f"{place}[{index}]")
    elif isinstance(value, float) and math.isnan(value):
        yield f"{place}: is not a number (NaN); give one"
    elif _exponent_hint(value):
        yield f"{place}: expected a number, got {_shown(value)}{_exponent_hint(value)}"


def _exponent_hint(value: object) -> str:
    looks_like_one = isinstance(value, str) and _EXPONENT.fullmatch(value)
    return "; YAML reads it as text: write it with a point and a sign, as in 1.0e-3" if looks_like_one else ""


def _with_defaults(value: Any, part: Mapping[str, Any]) -> Any:
    """Copy a value, filling in what its part of the schema gives a default for."""
    if "$ref" in part:
        part = schema()["$defs"][part["$ref"].rsplit("/", 1)[-1]]
    if isinstance(value, list):
        return [_with_defaults(item, part.get("items", {})) for item in value]
    if not isinstance(value, Mapping):
        return value
    named = part.get("properties", {})
    free: Any = next(iter(part.get("patternProperties", {}).values()), {})
    filled = {key: _with_defaults(item, named.get(key, free)) for key, item in value.items()}
    absent = {
        key: inner["default"] for key, inner in named.items() if "default" in inner and key not in value
    }
    return filled | absent


def _place(path: Iterable[str | int]) -> str:
    place = ""
    for part in path:
        place = f"{place}[{part}]" if isinstance(part, int) else _join(place, part)
    return place or "configuration"


def _join(place: str, key: object) -> str:
    return f"{place}.{key}" if place and place != "configuration" else str(key)


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    return f"'{value}'" if isinstance(value, str) else repr(value)
