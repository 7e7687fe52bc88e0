"""Two lists of class names that mean the same: which name of one is which of the other."""

import difflib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import takewhile

NUMBERS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
    "twenty",
)  # fmt: skip
CLOSE = 0.75
"""Similarity, as difflib counts it, from which a name is proposed that nothing else explains."""

_SEPARATORS = re.compile(r"[\W_]+")


def propose(names: Sequence[str], wanted: Sequence[str]) -> dict[str, str]:
    """Propose how to rename classes, so that they become the wanted ones.

    Tried in turn, each on what is left: the same name; the same but for case, blanks and signs; digits and
    words for numbers; what remains without a prefix that all names of a side share; the closest name.

    Parameters
    ----------
    names, wanted : sequences of str
        Each without repetition.

    Returns
    -------
    dict
        From names that have to change to wanted ones, no two to the same.
    """
    matched: dict[str, str] = {}
    ways: list[tuple[Callable[[str], str], Callable[[str], str]]] = [(str, str), (_plain, _plain)]
    stems = [_without(_common_prefix(side)) for side in (names, wanted)]
    ways += [(_number, _number), (stems[0], _number), (_number, stems[1]), (stems[0], stems[1])]
    for of_name, of_wanted in ways:
        left = [name for name in names if name not in matched]
        free = [name for name in wanted if name not in matched.values()]
        forms = _unique({name: of_name(name) for name in left})
        targets = {form: name for name, form in _unique({name: of_wanted(name) for name in free}).items()}
        matched |= {name: targets[form] for name, form in forms.items() if form in targets}
    for name in names:
        free = [target for target in wanted if target not in matched.values()]
        by_form = {_plain(target): target for target in free}
        near = difflib.get_close_matches(_plain(name), by_form, n=1, cutoff=CLOSE)
        if name not in matched and near:
            matched[name] = by_form[near[0]]
    return {name: target for name, target in matched.items() if name != target}


def _plain(name: str) -> str:
    return _SEPARATORS.sub(" ", name.casefold()).strip()


def _number(name: str) -> str:
    word = _plain(name)
    if word in NUMBERS:
        return str(NUMBERS.index(word))
    return str(int(word)) if word.isdecimal() else word


def _without(prefix: str) -> Callable[[str], str]:
    return lambda name: _number(_plain(name).removeprefix(prefix))


def _common_prefix(names: Sequence[str]) -> str:
    """Find the words that all names start with, and letters before a number."""
    plain = [_plain(name) for name in names]
    prefix = "".join(
        signs[0] for signs in takewhile(lambda signs: len(set(signs)) == 1, zip(*plain, strict=False))
    )
    if all(re.match(r"\d", name[len(prefix.rstrip("0123456789")) :]) for name in plain):
        return prefix.rstrip("0123456789")
    return prefix[: prefix.rfind(" ") + 1]


def _unique(forms: dict[str, str]) -> dict[str, str]:
    """Leave out names whose form is not their own."""
    times = Counter(forms.values())
    return {name: form for name, form in forms.items() if times[form] == 1}
