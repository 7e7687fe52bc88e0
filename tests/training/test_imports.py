"""Training jobs start quickly: they import torch and little else, and never its compiler."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.toy import ToyPair

HEAVY = ["mlflow", "ot", "pandas", "matplotlib", "seaborn", "sklearn", "scipy", "snakemake", "sympy",
         "tokenizers", "torch._dynamo", "torch._inductor", "transformers"]  # fmt: skip

JOBS = """
import json, sys
from ucmkd.methods.base import load_method, method_names
from ucmkd.training.distill import distill
from ucmkd.training.teacher import train_teachers

given = json.loads(sys.argv[1])
before = [name for name in given["heavy"] if name in sys.modules]
for name in method_names():
    load_method(name)
train_teachers(**given["teacher"])
for job in given["students"]:
    distill(**job)
print(json.dumps([before, [name for name in given["heavy"] if name in sys.modules]]))
"""


@pytest.fixture(scope="module")
def imported(toy: ToyPair, tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """Heavy modules that a process has imported: before, and after training a teacher and some students."""
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
    done = subprocess.run(
        [sys.executable, "-c", JOBS, json.dumps(given)], check=True, capture_output=True, text=True
    )
    assert all((Path(folder) / name / "records.json").exists() for name in methods)
    found: list[list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_jobs_import_nothing_heavy_to_start_with(imported: list[list[str]]) -> None:
    assert imported[0] == []


def test_jobs_import_nothing_heavy_while_they_train(imported: list[list[str]]) -> None:
    assert imported[1] == []
