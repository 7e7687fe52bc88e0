"""Plug-ins are found by file name: ``load("ucmkd.methods", "kd", "Method")`` takes ``Method`` of kd.py."""

import importlib
import importlib.util
import os
from typing import Any

from ucmkd.errors import ConfigError

NOT_PLUGINS = {"__init__", "base"}


def names(package: str) -> list[str]:
    """List the plug-ins of a package without importing any of them."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(f"{package}: no such package")
    files = os.listdir(next(iter(spec.submodule_search_locations)))
    return sorted({name.removesuffix(".py") for name in files if name.endswith(".py")} - NOT_PLUGINS)


def load(package: str, name: str, attribute: str) -> Any:
    """Import plug-in ``name`` of a package and return its class.

    Raises
    ------
    ConfigError
        If there is no such plug-in; the message lists those that exist.
    """
    known = names(package)
    if name not in known:
        kind = package.rsplit(".", 1)[-1]
        raise ConfigError(f"{kind}: there is no '{name}'; known: {', '.join(known)}")
    return getattr(importlib.import_module(f"{package}.{name}"), attribute)
