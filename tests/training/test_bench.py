"""The bench of steps counts what the ledger counts, beside the reference step."""

import pytest

from ucmkd.errors import ConfigError
from ucmkd.methods.base import method_class
from ucmkd.training.bench import REFERENCE, _with_cached_teacher, bench_step
from ucmkd.training.bench_seeds import ENCODERS, bench_seeds


@pytest.mark.parametrize(("encoder", "shape"), [("convnet", (1, 8, 8)), ("mlp", ()), ("timm:resnet18", ())])
def test_ratios_are_to_cross_entropy_and_passes_are_those_of_the_method(
    encoder: str, shape: tuple[int, ...]
) -> None:
    names = ["ucmkd_released", "ucmkd_paper"]
    rows = bench_step(names, encoder=encoder, shape=shape, batch_size=8, rounds=2, steps=1)
    assert [row["method"] for row in rows] == ["ce", *names, REFERENCE]
    assert rows[0]["step_ratio_to_ce"] == 1
    assert [row["student_forwards"] for row in rows] == [1, 2, 3, None]
    assert all(row["step_ms"] > 0 for row in rows)


def test_students_in_one_pass_are_timed_for_every_encoder_and_method() -> None:
    rows = bench_seeds(["ce", "kd"], seeds=2, batch_size=8, rounds=1, steps=1)
    assert [(row["encoder"], row["method"]) for row in rows] == [
        (encoder, method) for encoder in ENCODERS for method in ("ce", "kd")
    ]
    assert all(row["gain"] > 0 and row["seeds"] == 2 for row in rows)


def test_methods_that_need_a_teacher_at_work_are_left_out() -> None:
    chosen = _with_cached_teacher()
    assert "c2kd" not in chosen
    assert {"kd", "ucmkd_released", "ucmkd_paper"} <= set(chosen)
    assert not any("live" in method_class(name).needs.teacher for name in chosen)


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(ConfigError, match="ucmkd_releasd"):
        bench_step(["ucmkd_releasd"], rounds=1, steps=1)
