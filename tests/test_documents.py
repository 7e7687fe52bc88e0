"""The documents say what is true of the code."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml

from ucmkd import __version__
from ucmkd.data.base import validate
from ucmkd.methods.base import Outputs, TeacherRows
from ucmkd.settings import build

ROOT = Path(__file__).resolve().parents[1]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
EXAMPLES = dict(re.findall(r"^```\w+\n# (\S+)\n(.*?)^```$", CONTRIBUTING, re.MULTILINE | re.DOTALL))
"""What CONTRIBUTING.md tells to write, by path."""

COUNT_CELLS = """
import sys
from ucmkd.benchmark import Benchmark
from ucmkd.config import load
print([len(Benchmark.parse(load([path])).cells) for path in sys.argv[1:]])
"""


def schema_keys(schema):
    """List every name that a schema gives to a property, at any depth."""
    for key, value in schema.get("properties", {}).items():
        yield key
        yield from schema_keys(value)
    for below in ("$defs", "patternProperties"):
        for value in schema.get(below, {}).values():
            yield from schema_keys(value)
    if "items" in schema:
        yield from schema_keys(schema["items"])


def load_example(path, tmp_path):
    """Import an example as the module it would be."""
    file = tmp_path / Path(path).name
    file.write_text(EXAMPLES[path])
    spec = importlib.util.spec_from_file_location(f"example_{file.stem}", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def schema():
    return yaml.safe_load((ROOT / "workflow" / "schemas" / "config.schema.yaml").read_text())


def test_every_configuration_key_is_explained(schema):
    explained = set(re.findall(r"`([a-z_]+)`", (ROOT / "config" / "README.md").read_text()))
    keys = set(schema_keys(schema))
    assert {"seeds", "cells", "epochs", "uri", "labels_per_class"} <= keys
    assert keys - explained == set()


def test_the_example_method_keeps_the_contract(tmp_path):
    module = load_example("ucmkd/methods/mean_matching.py", tmp_path)
    method = module.Method(build(module.Method.Settings, {"weight": 2.0}, "settings.mean_matching"))
    features = torch.randn(6, 4, requires_grad=True)
    teacher = TeacherRows(torch.randn(5, 4), torch.randn(5, 3), torch.zeros(5, dtype=torch.int64), None)
    batch = SimpleNamespace(teacher=teacher, task_loss=lambda logits: logits.logsumexp(1).mean())
    losses = method.losses(Outputs(features, features[:, :3]), batch)
    gap = features.detach().mean(0) - teacher.features.mean(0)
    assert losses["loss/alignment"].item() == pytest.approx(2 * (gap @ gap).item(), rel=1e-5)
    sum(losses.values()).backward()
    assert features.grad is not None


def test_the_example_dataset_keeps_the_contract(tmp_path):
    module = load_example("ucmkd/data/datasets/digit_diagonals.py", tmp_path)
    samples = module.Dataset(module.Settings()).load()
    validate(samples, modality=module.Dataset.modality, grouped=module.Dataset.grouped, place="example")
    assert samples.inputs.shape == (1797, 15)


def test_the_examples_make_a_valid_benchmark(tmp_path):
    for folder in ("ucmkd", "workflow", "config"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for path, text in EXAMPLES.items():
        (tmp_path / path).write_text(text)
    command = [sys.executable, "-c", COUNT_CELLS, "config/mine.yaml", "config/diagonals.yaml"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    counted = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert counted.returncode == 0, counted.stderr
    assert json.loads(counted.stdout) == [2 + 3, 1 + 2 * 2]


def test_the_example_rule_is_written_like_the_others():
    example = EXAMPLES["workflow/rules/pairs/handwritten_diagonals.smk"]
    other = (ROOT / "workflow" / "rules" / "pairs" / "handwritten_profiles.smk").read_text()
    assert example.splitlines()[1:] == other.replace("profiles", "diagonals").splitlines()[1:]


@pytest.mark.parametrize("tool", ["ruff", "snakefmt"])
def test_tools_have_one_version_everywhere(tool):
    hooks = set(re.findall(rf"{tool}==([\d.]+)", (ROOT / ".pre-commit-config.yaml").read_text()))
    told = set(re.findall(rf"uvx {tool}@([\d.]+)", CONTRIBUTING))
    checked = set(re.findall(rf"uvx {tool}@([\d.]+)", (ROOT / ".ci" / "run").read_text()))
    assert hooks == told == checked
    assert len(hooks) == 1


def test_the_citation_and_the_changelog_are_of_this_version():
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == __version__
    assert re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1] == __version__
