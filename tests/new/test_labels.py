"""Proposals for class names that mean the same."""

import pytest

from ucmkd.new.labels import propose


@pytest.mark.parametrize(
    ("names", "wanted", "expected"),
    [
        (["cat", "dog"], ["cat", "dog"], {}),
        (["Cat", " dog "], ["cat", "dog"], {"Cat": "cat", " dog ": "dog"}),
        (["red-fox", "owl"], ["red fox", "owl"], {"red-fox": "red fox"}),
        (["three", "zero"], ["0", "3"], {"three": "3", "zero": "0"}),
        (["01", "10"], ["one", "ten"], {"01": "one", "10": "ten"}),
        (["digit_3", "digit_12"], ["3", "12"], {"digit_3": "3", "digit_12": "12"}),
        (["3", "12"], ["class3", "class12"], {"3": "class3", "12": "class12"}),
        (["pet_cat", "pet_dog"], ["cat", "dog"], {"pet_cat": "cat", "pet_dog": "dog"}),
        (["n1_one", "n1_two"], ["x 1", "x 2"], {"n1_one": "x 1", "n1_two": "x 2"}),
        (["elephants", "dog"], ["elephant", "dog"], {"elephants": "elephant"}),
        (["cat", "CAT", "dog"], ["cat", "dog"], {}),
        (["cat", "dog"], ["apple", "pear"], {}),
        (["horse", "dog"], ["dog", "apple"], {}),
    ],
    ids=str,
)
def test_the_same_class_under_another_name_is_found(names, wanted, expected):
    assert propose(names, wanted) == expected


def test_no_two_classes_become_one():
    renamed = propose(["elephant", "elephants", "elephant"], ["Elephant", "owl"])
    assert len(renamed) == len(set(renamed.values()))
    assert renamed == {"elephant": "Elephant"}


def test_a_name_that_fits_exactly_is_not_given_away():
    assert "cats" not in propose(["cats", "cat"], ["cat", "dog"])
