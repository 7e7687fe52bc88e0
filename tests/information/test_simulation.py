import json

import pytest

from ucmkd.diagnostics.simulation import simulate
from ucmkd.errors import RecordError
from ucmkd.evaluation.simulation import COLUMNS, simulation_table
from ucmkd.information import simulation
from ucmkd.information.estimates import ABOUT_LABELS, BETWEEN

ROW = {
    "kind": "risk", "case": "a", "x": 0.5, "estimator": "", "closed_form": 1.0, "simulated": 1.1,
    "low": 1.0, "high": 1.2,
}  # fmt: skip


@pytest.fixture
def few(monkeypatch):
    """Simulate little."""
    for name, value in {
        "WEIGHTS": (0.0, 1.0), "DRAWS": 50, "CORRELATIONS": (0.6,), "SEPARATIONS": (2.0,), "ROWS": 60,
        "DIMENSIONS": (1,),
    }.items():  # fmt: skip
        monkeypatch.setattr(simulation, name, value)


def test_every_case_and_estimator_has_its_rows(few, tmp_path):
    simulate(seed=0, code="digest", output=tmp_path / "first.json")
    table = simulation_table([tmp_path / "first.json"])
    assert tuple(table.columns) == COLUMNS
    assert set(table[table.kind == "risk"].case) == set(simulation.PROBLEMS)
    between = table[table.case == "Gaussian, 1 dimension"]
    assert tuple(between.estimator) == BETWEEN
    assert tuple(table[table.case == "two classes, 1 dimension"].estimator) == ABOUT_LABELS
    assert ((table.low <= table.simulated) & (table.simulated <= table.high)).all()
    simulate(seed=0, code="digest", output=tmp_path / "second.json")
    assert (tmp_path / "first.json").read_bytes() == (tmp_path / "second.json").read_bytes()


def test_no_file_gives_the_heading():
    assert tuple(simulation_table([]).columns) == COLUMNS
    assert simulation_table([]).empty


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "not JSON"),
        ("{}", "no rows"),
        ("[]", "no rows"),
        ('{"rows": 3}', "not a list"),
        (json.dumps({"rows": [{"kind": "risk"}]}), "row 0 has not the columns"),
        (json.dumps({"rows": [ROW, ROW | {"kind": "else"}]}), "row 1 names no known kind"),
        (json.dumps({"rows": [ROW | {"low": None}]}), "something else than finite numbers"),
        (json.dumps({"rows": [ROW | {"low": True}]}), "something else than finite numbers"),
        (json.dumps({"rows": [ROW | {"high": float("nan")}]}), "something else than finite numbers"),
    ],
)
def test_a_damaged_file_is_refused_by_name(text, why, tmp_path):
    path = tmp_path / "simulation.json"
    path.write_text(text)
    with pytest.raises(RecordError, match=rf"simulation\.json: .*{why}.*run again"):
        simulation_table([path])


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(RecordError, match="no such file"):
        simulation_table([tmp_path / "simulation.json"])
