"""What there is to choose from, one row of plain values a thing."""

import inspect
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from typing import Any

from ucmkd import discovery

Row = dict[str, Any]


def datasets() -> list[Row]:
    """List the files in ``ucmkd/data/datasets``."""
    rows = []
    for name in discovery.names("ucmkd.data.datasets"):
        cls = discovery.load("ucmkd.data.datasets", name, "Dataset")
        rows.append({"name": name, "modality": cls.modality, "licence": cls.licence, "title": cls.title})
    return rows


def pairs() -> list[Row]:
    """List the pairs that ``config/config.yaml`` defines."""
    from ucmkd.benchmark import dataset_of
    from ucmkd.config import load

    config, rows = load(), []
    for name, definition in config["pairs"].items():
        sides = [dataset_of(config, definition[role]) for role in ("teacher", "student")]
        paired = sides[0].instances is not None and sides[0].instances == sides[1].instances
        rows.append(
            {
                "name": name,
                "teacher": definition["teacher"],
                "student": definition["student"],
                "modalities": f"{sides[0].modality} -> {sides[1].modality}",
                "paired_by_nature": paired,
            }
        )
    return rows


def methods() -> list[Row]:
    """List the files in ``ucmkd/methods`` and what each consumes."""
    from ucmkd.methods.base import method_class, method_names

    rows = []
    for name in method_names():
        cls = method_class(name)
        row = {
            "name": name,
            "label": cls.label,
            "teacher": sorted(cls.needs.teacher),
            "correspondence": cls.needs.correspondence,
            "student_labels": cls.needs.student_labels,
            "teacher_labels": cls.needs.teacher_labels,
            "fallback": cls.fallback,
        }
        rows.append(row)
    return rows


def models() -> list[Row]:
    """List the files in ``ucmkd/models``, with the first line of each."""
    names = discovery.names("ucmkd.models")
    return [{"name": name, "what": _first_line(import_module(f"ucmkd.models.{name}"))} for name in names]


def regimes() -> list[Row]:
    """List the regimes."""
    from ucmkd.data.regimes import find_regime, regime_names

    return [asdict(find_regime(name)) for name in regime_names()]


def shifts() -> list[Row]:
    """List the presets of shifts, and what each changes; legacy ones for an audio student."""
    from ucmkd.data.shifts import LEGACY, PRESETS, Shift
    from ucmkd.settings import plain

    found = PRESETS | {name: preset.as_shift(audio_is_student=True) for name, preset in LEGACY.items()}
    nothing = plain(Shift())
    return [
        {
            "name": name,
            "changes": {key: value for key, value in plain(shift).items() if value != nothing[key]},
        }
        for name, shift in found.items()
    ]


KINDS: dict[str, Callable[[], list[Row]]] = {
    function.__name__: function for function in (datasets, pairs, methods, models, regimes, shifts)
}


def _first_line(module: Any) -> str:
    return (inspect.getdoc(module) or "").split("\n", 1)[0]
