from ucmkd.transport.bench import bench_transport


def test_every_solver_is_timed_and_right_at_every_precision():
    rows = bench_transport(sizes=(8,), rounds=1)
    solvers = {"ucmkd_envelope", "ucmkd_unrolled", "pot_plain", "pot_log"}
    assert {(row["solver"], row["dtype"]) for row in rows} == {
        (solver, dtype) for solver in solvers for dtype in ("float32", "float64")
    }
    for row in rows:
        assert row["size"] == 8
        assert row["seconds"] > 0
        assert row["ratio_to_pot_plain"] > 0
        assert row["error_against_exact"] < (1e-5 if row["dtype"] == "float32" else 1e-6)
