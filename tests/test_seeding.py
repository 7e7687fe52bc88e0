"""Streams of random numbers are told apart by name."""

import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ucmkd.seeding import generator_for, seed_for

NAMES = st.lists(st.sampled_from(["student", "teacher", "order", 1, 2, 12]), min_size=1, max_size=3)


@given(seed=st.integers(0, 2**40), names=NAMES)
def test_a_seed_fits_every_generator(seed: int, names: list[str | int]) -> None:
    assert 0 <= seed_for(seed, *names) < 2**63


@given(one=st.tuples(st.integers(0, 20), NAMES), other=st.tuples(st.integers(0, 20), NAMES))
def test_seeds_and_names_give_streams_of_their_own(
    one: tuple[int, list[str | int]], other: tuple[int, list[str | int]]
) -> None:
    assert (seed_for(one[0], *one[1]) == seed_for(other[0], *other[1])) == (one == other)


def test_a_stream_starts_anew_each_time_it_is_asked_for() -> None:
    first = generator_for(3, "student order", 1)
    first.random(5)
    assert np.array_equal(
        generator_for(3, "student order", 1).random(4), generator_for(3, "student order", 1).random(4)
    )
    assert not np.array_equal(first.random(4), generator_for(3, "student order", 1).random(4))


def test_streams_are_the_same_in_every_process() -> None:
    code = "from ucmkd.seeding import seed_for; print(seed_for(3, 'teacher', 'weights', 2))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(said) == seed_for(3, "teacher", "weights", 2)
