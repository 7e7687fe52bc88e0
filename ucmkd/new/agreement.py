"""Make the classes of a teacher's and a student's dataset the same, or say how they could be."""

from collections.abc import Mapping
from typing import Any

import yaml

from ucmkd.errors import ConfigError
from ucmkd.new.labels import propose
from ucmkd.new.source import Source

Card = Mapping[str, Any]


def rename(source: Source, labels: Mapping[str, str], option: str) -> Source:
    """Rename classes of a source, beside what is renamed already.

    Raises
    ------
    ConfigError
        If its classes cannot be renamed.
    """
    if not labels:
        return source
    if not source.is_own:
        raise ConfigError(
            f"{option}: the classes of '{source.name}' are fixed; rename those of the other dataset"
        )
    return source.changed(labels={**source.values.get("labels", {}), **labels})


def agree(sources: Mapping[str, Source], cards: Mapping[str, Card], *, accept: bool) -> dict[str, Source]:
    """Give the sources the same classes in the same order.

    Parameters
    ----------
    sources, cards : Mapping
        For ``teacher`` and ``student``.
    accept : bool
        Whether a proposal is taken rather than told.

    Returns
    -------
    dict
        The sources that have to change.

    Raises
    ------
    ConfigError
        If the classes differ: with a proposal, if there is one.
    """
    classes = {role: list(cards[role]["classes"]) for role in sources}
    if classes["teacher"] == classes["student"]:
        return {}
    if set(classes["teacher"]) == set(classes["student"]):
        return _ordered(sources, classes)
    changed = _proposal(sources, classes)
    if accept:
        return changed
    entries = {
        source.name: {key: source.values[key] for key in ("labels", "drop") if key in source.values}
        for source in changed.values()
    }
    text = yaml.safe_dump({"datasets": entries}, sort_keys=False, allow_unicode=True)
    raise ConfigError(
        f"the classes differ: teacher {', '.join(classes['teacher'])}; student "
        f"{', '.join(classes['student'])}\nA proposal; take it by --accept-labels, or say it otherwise by "
        f"--labels-teacher and --labels-student OLD=NEW:\n\n{text}"
    )


def _ordered(sources: Mapping[str, Source], classes: Mapping[str, list[str]]) -> dict[str, Source]:
    """Put the classes of a side that can be told into the order of the other side."""
    for role, other in (("student", "teacher"), ("teacher", "student")):
        if sources[role].is_own:
            return {role: sources[role].changed(classes=classes[other])}
    raise ConfigError(
        f"'{sources['teacher'].name}' and '{sources['student'].name}' have the same classes in another "
        "order, and neither can be changed; choose another pair"
    )


def _proposal(sources: Mapping[str, Source], classes: Mapping[str, list[str]]) -> dict[str, Source]:
    """Rename the student's classes, or the teacher's if those are fixed, and drop what only one side has."""
    role, other = ("student", "teacher") if sources["student"].is_own else ("teacher", "student")
    renamed = propose(classes[role], classes[other]) if sources[role].is_own else {}
    left = {
        role: [name for name in classes[role] if name not in renamed and name not in classes[other]],
        other: [
            name for name in classes[other] if name not in classes[role] and name not in renamed.values()
        ],
    }
    kept = len(classes[role]) - len(left[role])
    fixed = [side for side in (role, other) if left[side] and not sources[side].is_own]
    if kept < 2 or fixed:
        why = f"those of '{sources[fixed[0]].name}' are fixed" if fixed and kept >= 2 else "too few are alike"
        raise ConfigError(
            f"the classes differ and {why}: teacher {', '.join(classes['teacher'])}; student "
            f"{', '.join(classes['student'])}; a pair shares its classes, so rename them by --labels-teacher "
            "and --labels-student OLD=NEW, or choose other data"
        )
    changed = {}
    for side, labels in ((role, renamed), (other, {})):
        settings = _settings(sources[side], labels, left[side])
        if settings:
            changed[side] = sources[side].changed(**settings)
    return changed


def _settings(source: Source, labels: Mapping[str, str], dropped: list[str]) -> dict[str, Any]:
    """Say by settings what is renamed and dropped; settings speak of names as they are in the data."""
    before = source.values.get("labels", {})
    again = [name for name in [*labels, *dropped] if name in before.values()]
    if again:
        raise ConfigError(
            f"the classes differ: '{again[0]}' of '{source.name}', which is the new name of another class, "
            "has no counterpart; rename every class by hand, by --labels-teacher and --labels-student OLD=NEW"
        )
    settings: dict[str, Any] = {}
    if labels:
        settings["labels"] = {**before, **labels}
    if dropped:
        settings["drop"] = [*source.values.get("drop", []), *dropped]
    return settings
