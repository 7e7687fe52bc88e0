"""Training jobs start quickly: they import torch, NumPy and safetensors, and never torch's compiler."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.toy import ToyPair

ALLOWED = "import numpy.random, safetensors.torch, torch"
HEAVY = ["torch._dynamo", "torch._inductor"]

LOADED = """
import json, sys
def loaded(heavy):
    packages = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names
    return sorted(packages | set(heavy) & set(sys.modules))
"""

JOBS = (
    LOADED
    + """
from ucmkd.jobs import VERBS
from ucmkd.methods.base import load_method, method_names
from ucmkd.training import distill, teacher

given = json.loads(sys.argv[1])
before = loaded(given["heavy"])
for name in method_names():
    load_method(name)
VERBS["teacher"](**given["teacher"])
for job in given["students"]:
    VERBS["distill"](**job)
print(json.dumps([before, loaded(given["heavy"])]))
"""
)


def run(code: str, argument: dict[str, Any]) -> Any:
    """Run a program in a fresh interpreter and read its last line."""
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(argument)], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def allowed() -> set[str]:
    """Packages that the three allowed ones bring along, and ours."""
    return {"ucmkd", *run(f"{LOADED}{ALLOWED}\nprint(json.dumps(loaded([])))", {})}


@pytest.fixture(scope="module")
def imported(toy: ToyPair, tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """Packages, and heavy modules, of a process: before and after it trains a teacher and some students."""
    folder = tmp_path_factory.mktemp("jobs")
    methods = ["ucmkd_second_order", "ucmkd_released", "ce_teacher_recipe"]
    given: dict[str, Any] = {
        "heavy": HEAVY,
        "teacher": toy.teacher_job(folder / "teachers", seeds=[0]),
        "students": [
            toy.student_job(folder / name, folder / "teachers", name,
                            "alone" if name.startswith("ce") else "disjoint", seeds=[0])
            for name in methods
        ],
    }  # fmt: skip
    found: list[list[str]] = run(JOBS, given)
    assert all((Path(folder) / name / "records.json").exists() for name in methods)
    return found


@pytest.mark.parametrize("when", [0, 1], ids=["to start with", "while they train"])
def test_jobs_import_torch_and_numpy_and_no_other_package(
    imported: list[list[str]], allowed: set[str], when: int
) -> None:
    assert set(imported[when]) - allowed == set()


def test_the_check_would_see_a_package_that_is_too_many(allowed: set[str]) -> None:
    assert {"scipy", "pandas", "matplotlib", "mlflow", "snakemake", "sklearn", "ot"} & allowed == set()
