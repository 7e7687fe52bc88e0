from hypothesis import given
from hypothesis import strategies as st

from ucmkd.evaluation.baselines import BASELINES
from ucmkd.figures.style import controls_last, looks

NAMES = st.lists(st.from_regex(r"[a-z][a-z0-9_]{1,12}", fullmatch=True), unique=True, max_size=24)


@given(NAMES)
def test_no_two_methods_look_the_same(names):
    given_looks = looks(names)
    assert len({(look.colour, look.marker) for look in given_looks.values()}) == len(names)


@given(NAMES.filter(lambda names: len(names) <= 12))
def test_twelve_methods_have_twelve_colours(names):
    methods = [name for name in names if name not in BASELINES]
    assert len({look.colour for look in looks(methods).values()}) == len(methods)


@given(NAMES, st.randoms())
def test_a_look_does_not_depend_on_the_order_of_methods(names, random):
    mixed = list(names)
    random.shuffle(mixed)
    assert looks(names) == looks(mixed)


def test_controls_are_grey_and_others_are_not():
    for name, look in looks([*BASELINES, "kd", "ucmkd_paper"]).items():
        red, green, blue = (look.colour[place : place + 2] for place in (1, 3, 5))
        assert (red == green == blue) == (name in BASELINES)
        assert look.control == (name in BASELINES)


def test_controls_come_last():
    methods = ["ce", "kd", "label_smoothing", "ucmkd_paper"]
    assert controls_last(methods, looks(methods)) == ["kd", "ucmkd_paper", "ce", "label_smoothing"]
