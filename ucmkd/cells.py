"""Pairs and cells, and how a grid of the configuration becomes cells with their settings resolved."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from ucmkd.config import known, no_such
from ucmkd.data.regimes import (
    ALONE,
    SIGN,
    Regime,
    alone_in,
    find_regime,
    is_alone,
    regime_names,
    with_shift,
)
from ucmkd.data.shifts import Shift, find_shift, shift_names
from ucmkd.errors import ConfigError
from ucmkd.methods.base import (
    Needs,
    load_method,
    method_class,
    method_names,
    refuse_unless_provided,
)
from ucmkd.settings import plain

Control = Literal["real", "shuffled", "random"]
DEFAULT = "default"
CONTROLS: dict[str, Control] = {"shuffled_teacher": "shuffled", "random_teacher": "random"}
"""Variants that exist for every method with a teacher: its rows are shuffled, or it is left untrained."""


@dataclass(frozen=True)
class Model:
    """An encoder, a file in ``ucmkd/models``, with its settings resolved."""

    encoder: str
    settings: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A pair as the configuration defines it.

    Attributes
    ----------
    name, teacher, student : str
        ``teacher`` and ``student`` are datasets.
    labels_per_class, student_share
        How many training samples the student has; None for all.
    paired : bool
        Whether samples of the two datasets show the same instances.
    modalities : dict
        For ``teacher`` and ``student``.
    models, recipes : dict
        For ``teacher`` and ``student``: the encoder, the fields of a ``Recipe``.
    """

    name: str
    teacher: str
    student: str
    labels_per_class: int | None
    student_share: float | None
    paired: bool
    modalities: dict[str, str]
    models: dict[str, Model]
    recipes: dict[str, dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A pair, a regime, a method and a variant, with the method's settings resolved.

    Attributes
    ----------
    control : "real", "shuffled" or "random"
        What teacher the method is given.
    pool : str
        What that teacher was trained on: ``full`` or ``own``, with the shift it is under.
    shift : dict or None
        Fields of the shift that the regime names.
    own, base : dict
        Settings that the variant itself sets, which tuning leaves alone; settings without them, resolved.
    """

    pair: str
    regime: str
    method: str
    variant: str
    control: Control
    settings: dict[str, Any]
    pool: str
    shift: dict[str, Any] | None
    own: dict[str, Any]
    base: dict[str, Any]

    @property
    def tuned(self) -> str:
        """What its settings are chosen for: ``pair/regime/method``."""
        return f"{self.pair}/{self.regime}/{self.method}"

    @property
    def key(self) -> str:
        """Its name, and its folder under ``results/runs``."""
        return f"{self.pair}/{self.regime}/{self.method}/{self.variant}"


def expand(
    grid: Mapping[str, Any], place: str, pairs: Mapping[str, Pair], config: Mapping[str, Any]
) -> Iterator[Cell]:
    """List the cells of one grid.

    Parameters
    ----------
    grid : Mapping
        An entry of ``cells``.
    place : str
        Where it stands, for error messages.
    pairs : Mapping
        All defined pairs, by name.
    config : Mapping
        The valid configuration.

    Raises
    ------
    ConfigError
        If the grid names what does not exist, or a method needs what its regime does not give.
    """
    for name in grid["pairs"]:
        known(f"{place}.pairs", "pair", name, list(pairs))
    for name in grid["methods"]:
        known(f"{place}.methods", "method", name, method_names())
        _refuse_without_head(f"{place}.methods", name, config["embedding"]["project"])
    rules = [_regime(name, f"{place}.regimes") for name in grid.get("regimes", [])]
    choices = {method: _variants(method, grid["variants"], config) for method in grid["methods"]}
    bases = {
        method: method_settings(method, config["settings"].get(method, {}), f"settings.{method}")
        for method in grid["methods"]
    }
    for variant in grid["variants"]:
        if not any(variant in found for found in choices.values()):
            defined = [name for method in choices for name in config["variants"].get(method, {})]
            there = list(dict.fromkeys([DEFAULT, *CONTROLS, *defined]))
            raise no_such(f"{place}.variants", "variant of a listed method", variant, there)
    for name in grid["pairs"]:
        for method, variants in choices.items():
            alone = not method_class(method).needs.teacher
            if not (rules or alone):
                raise ConfigError(f"{place}.regimes: is missing, and '{method}' needs a teacher; name some")
            own = dict.fromkeys(alone_in(rule) for rule in rules or [find_regime(ALONE)])
            for rule in own if alone else rules:
                _refuse_impossible(place, pairs[name], rule, method, variants)
                shift = _shift(f"{place}.regimes", pairs[name], rule, config["shifts"])
                pool = "own" if rule.teacher_pool == "own" and pairs[name].paired else "full"
                for variant, values in variants.items():
                    yield Cell(
                        pair=name,
                        regime=rule.name,
                        method=method,
                        variant=variant,
                        control=CONTROLS.get(variant, "real"),
                        settings=values,
                        pool=with_shift(pool, rule.shift) if shift and shift.teacher_inside else pool,
                        shift=plain(shift) if shift else None,
                        own=dict(config["variants"].get(method, {}).get(variant, {})),
                        base=bases[method],
                    )


def _regime(name: str, place: str) -> Regime:
    try:
        if not is_alone(name):
            return find_regime(name)
    except ConfigError:
        raise no_such(place, "regime", name.partition(SIGN)[0], regime_names()) from None
    raise ConfigError(f"{place}: '{ALONE}' is where methods without a teacher run anyway; leave it out")


def _shift(place: str, pair: Pair, rule: Regime, defined: Mapping[str, Any]) -> Shift | None:
    """Resolve the shift that a regime names, and refuse one that its pair cannot be under."""
    if rule.shift is None:
        return None
    known(place, "shift", rule.shift, shift_names(defined))
    shift = find_shift(rule.shift, defined, **pair.modalities)
    for role, modality in pair.modalities.items():
        if modality == "text" and shift.adds_noise_to(role):
            raise ConfigError(f"{place}: shift '{rule.shift}' adds noise to the inputs of the {role} of "
                              f"'{pair.name}', and a text has no noise; choose another shift")  # fmt: skip
    if rule.paired_data and shift.parts_pairs():
        raise ConfigError(f"{place}: shift '{rule.shift}' takes partners away, which regime '{rule.name}' "
                          "needs; choose an unpaired regime")  # fmt: skip
    return shift


def _variants(method: str, names: list[str], config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Resolve the settings of those of the named variants that a method has."""
    own = config["variants"].get(method, {})
    controls = CONTROLS if method_class(method).needs.teacher else {}
    base = config["settings"].get(method, {})
    return {
        name: method_settings(method, {**base, **own.get(name, {})}, f"variants.{method}.{name}")
        for name in names
        if name in own or name in controls or name == DEFAULT
    }


def method_settings(method: str, values: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Fill in and check the settings of a method.

    Raises
    ------
    ConfigError
        Naming the ``place`` in the configuration.
    """
    known_settings(method_class(method).Settings, values, place)
    try:
        return plain(load_method(method, values).settings)
    except ConfigError as error:
        raise ConfigError(str(error).replace(f"settings.{method}", place, 1)) from None


def known_settings(cls: type[Any], values: Mapping[str, Any], place: str) -> None:
    """Refuse a setting that the class does not have.

    Raises
    ------
    ConfigError
        With the nearest name.
    """
    for name in values:
        known(place, "setting", name, [field.name for field in dataclasses.fields(cls)])


def _refuse_impossible(place: str, pair: Pair, rule: Regime, method: str, variants: Iterable[str]) -> None:
    if rule.paired_data and not pair.paired:
        raise ConfigError(
            f"{place}: regime '{rule.name}' needs paired data, and in pair '{pair.name}' no sample of "
            f"'{pair.teacher}' shows the same instance as one of '{pair.student}'; choose another regime"
        )
    cls = method_class(method)
    if "inputs" in cls.needs.teacher:
        _refuse_unreadable(place, pair, method, cls.needs, variants)
    for role in ("teacher", "student"):
        _refuse_without_maps(place, pair, role, method, cls.needs)
    try:
        refuse_unless_provided(method, cls, rule)
    except ConfigError as error:
        raise ConfigError(str(error).replace("cells", place, 1)) from None


def _refuse_unreadable(place: str, pair: Pair, method: str, needs: Needs, variants: Iterable[str]) -> None:
    """Refuse words as embeddings, and the control of a network for a method that takes nothing of one."""
    if pair.modalities["teacher"] == "text":
        raise ConfigError(
            f"{place}: method '{method}' reads the teacher's inputs as embeddings, and '{pair.teacher}' of "
            f"pair '{pair.name}' holds numbers of words; embed it first, or leave the method out"
        )
    for variant in variants:
        if CONTROLS.get(variant) == "random" and needs.teacher == {"inputs"}:
            raise ConfigError(
                f"{place}.variants: '{variant}' means nothing to method '{method}', which reads the "
                "teacher's inputs and no network of it; use a variant with the setting 'embeddings: noise', "
                f"such as 'noise_teacher', or list '{method}' in a grid of its own"
            )


def _refuse_without_head(place: str, method: str, project: str) -> None:
    """Refuse a method that reads the student's head where that does not read the embedding."""
    if method_class(method).needs.student_head and project == "side":
        raise ConfigError(
            f"{place}: method '{method}' reads the student's head, which with 'embedding.project: side' does "
            "not read the features that are aligned; set that to student, or leave the method out"
        )


def _refuse_without_maps(place: str, pair: Pair, role: str, method: str, needs: Needs) -> None:
    """Refuse a method that reads feature maps of an encoder that has none."""
    encoder = pair.models[role].encoder
    module = import_module(f"ucmkd.models.{encoder}")
    reads_maps = needs.student_maps if role == "student" else "maps" in needs.teacher
    lacks = [
        what
        for what, needed, flag in (
            ("feature maps", reads_maps, "MAPS"),
            ("feature maps before their rectifier", needs.preactivations, "PREACTIVATIONS"),
        )
        if needed and not getattr(module, flag, False)
    ]
    if lacks:
        raise ConfigError(
            f"{place}: method '{method}' reads {lacks[0]} of the {role}, and encoder '{encoder}' of pair "
            f"'{pair.name}' has none; leave the method out for this pair"
        )
