"""Where settings are looked for: the same kind of space and the same points for every method."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from ucmkd.methods.base import method_class
from ucmkd.training.choice import Choice

RATE_RANGE = (1 / 3, 3.0)
"""Factors of the learning rate, which every method's search includes."""

WEIGHT_RANGE = (0.01, 10.0)
"""Factors of a weight whose method names no range: papers tuned theirs for other scales of features."""


def ranges(method: str, settings: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Give the least and the greatest value of each setting that is looked for.

    They are what the method's class declares as ``tuned``; where it declares nothing, its ``weight``, if it
    has one, between ``WEIGHT_RANGE`` times what is configured.
    """
    cls = method_class(method)
    if cls.tuned:
        return dict(cls.tuned)
    names = {field.name for field in dataclasses.fields(cls.Settings)}
    weight = settings.get("weight") if "weight" in names else None
    return {"weight": (WEIGHT_RANGE[0] * weight, WEIGHT_RANGE[1] * weight)} if weight else {}


def choices(method: str, settings: Mapping[str, Any], trials: int) -> list[Choice]:
    """List what is tried: first the configuration as it is, then points spread evenly on logarithmic scales.

    The points are those of a Halton sequence (Halton, Numerische Mathematik 2, 1960), scrambled with a fixed
    seed.
    """
    from scipy.stats.qmc import Halton

    space = {"rate": RATE_RANGE, **ranges(method, settings)}
    points = Halton(len(space), scramble=True, rng=0).random(max(0, trials - 1))
    found = [Choice()]
    for point in points:
        values = {
            name: low * math.exp(share * math.log(high / low))
            for share, (name, (low, high)) in zip(point.tolist(), space.items(), strict=True)
        }
        found.append(Choice(rate=values.pop("rate"), changes=values))
    return found[:trials]
