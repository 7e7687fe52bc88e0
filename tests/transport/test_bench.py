import json
import math

import pytest
import torch

from ucmkd import cli
from ucmkd.errors import ConfigError
from ucmkd.transport import bench
from ucmkd.transport.bench import bench_transport
from ucmkd.transport.cost import feature_cost
from ucmkd.transport.memory import STATUS, peak_memory
from ucmkd.transport.solvers import Problem, exact_values, step

OURS_AND_POT = {
    "ucmkd_envelope",
    "ucmkd_unrolled",
    "pot_plain",
    "pot_log",
    "pot_plain_envelope",
    "pot_log_envelope",
}


@pytest.fixture
def unmeasured_memory(monkeypatch):
    monkeypatch.setattr(bench, "peak_memory", lambda solver, problem: None)


@pytest.fixture
def no_geomloss(monkeypatch):
    monkeypatch.setattr(bench, "find_spec", lambda name: None)


def test_every_solver_is_measured_and_right_at_every_precision(unmeasured_memory, no_geomloss):
    rows = bench_transport(sizes=(8, 5), rounds=1)
    measured = [row for row in rows if row["seconds"] is not None]
    assert {(row["size"], row["solver"], row["dtype"]) for row in measured} == {
        (size, solver, dtype)
        for size in (8, 5)
        for solver in OURS_AND_POT
        for dtype in ("float32", "float64")
    }
    for row in measured:
        assert row["seconds"] > 0
        assert row["ratio_to_pot_plain"] > 0
        assert row["iterations"] == 100
        assert row["error_against_exact"] < (1e-5 if row["dtype"] == "float32" else 1e-6)
        assert row["note"] == ""


def test_a_missing_library_is_said_in_words(unmeasured_memory, no_geomloss):
    rows = [row for row in bench_transport(sizes=(4,), rounds=1) if row["solver"] == "geomloss"]
    assert len(rows) == 2
    for row in rows:
        assert "uv sync --group bench" in row["note"]
        assert row["seconds"] is row["error_against_exact"] is None


def test_geomloss_solves_the_same_problem():
    pytest.importorskip("geomloss")
    problem = Problem(size=8, dtype="float64", epsilon=0.05, iterations=100)
    assert step("geomloss", problem) == pytest.approx(exact_values(problem)["regularised"], rel=1e-5)


def test_what_would_hold_too_much_memory_is_left_out_in_words(unmeasured_memory, no_geomloss, monkeypatch):
    monkeypatch.setattr(bench, "HELD_AT_MOST", 3 * 100 * 8 * 8 * 4)  # float32 still fits
    rows = {
        (row["solver"], row["dtype"]): row
        for row in bench_transport(sizes=(8,), rounds=1)
        if row["solver"] != "geomloss"
    }
    assert {key for key, row in rows.items() if row["seconds"] is None} == {("pot_log", "float64")}
    assert "GiB" in rows["pot_log", "float64"]["note"]


def test_where_the_plain_domain_underflows_the_log_domain_sets_the_scale(unmeasured_memory, no_geomloss):
    rows = {
        row["solver"]: row
        for row in bench_transport(sizes=(8,), rounds=1, epsilon=0.005)
        if row["dtype"] == "float32"
    }
    assert rows["pot_plain"]["seconds"] is None
    assert "underflow" in rows["pot_plain"]["note"]
    assert rows["pot_log"]["ratio_to_pot_plain"] == 1
    assert rows["ucmkd_envelope"]["note"] == "ratio to pot_log"


@pytest.mark.parametrize("wrong", [{"sizes": (1,)}, {"iterations": 3}, {"epsilon": 0.0}, {"epsilon": 1.0}])
def test_what_cannot_be_measured_is_refused(wrong):
    with pytest.raises(ConfigError, match="4 iterations or more, an epsilon between 0 and 1, and 2 points"):
        bench_transport(**{"sizes": (8,)} | wrong)


def test_the_command_takes_sizes(unmeasured_memory, no_geomloss, capsys):
    assert cli.main(["bench", "transport", "--sizes", "3", "4", "--iterations", "5", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {(row["size"], row["iterations"]) for row in rows} == {(3, 5), (4, 5)}


def test_exact_values_satisfy_duality():
    problem = Problem(size=6, dtype="float64", epsilon=0.05, iterations=100)
    x, y = problem.points()
    scaled = feature_cost(x, y, "l2") / problem.epsilon
    f = g = torch.zeros(6, dtype=torch.float64)
    for _ in range(3000):
        f = -(g - scaled).logsumexp(1) + math.log(6)
        g = -(f.unsqueeze(1) - scaled).logsumexp(0) + math.log(6)
    exact = exact_values(problem)
    assert exact["regularised"] == pytest.approx(problem.epsilon * (f.mean() + g.mean()).item(), rel=1e-9)
    plan = (f.unsqueeze(1) + g - scaled).exp() / 36
    assert exact["linear"] == pytest.approx((plan * scaled).sum().item() * problem.epsilon, rel=1e-9)


@pytest.mark.skipif(not STATUS.exists(), reason="only Linux says how much memory a process took at most")
def test_only_an_unrolled_log_domain_holds_memory_for_every_iteration():
    problem = Problem(size=512, dtype="float32", epsilon=0.05, iterations=20)
    kept = {solver: peak_memory(solver, problem) for solver in ("ucmkd_envelope", "pot_log")}
    assert kept["ucmkd_envelope"] < 12 * problem.matrix_bytes
    assert kept["pot_log"] > 20 * problem.matrix_bytes
