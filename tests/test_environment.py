"""environment.yml names what pyproject.toml names."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
CONDA_NAMES = {"huggingface-hub": "huggingface_hub", "soundfile": "pysoundfile", "torch": "pytorch"}
ONLY_ON_PYPI = {"espeakng-loader"}


def bounds(requirements):
    """Divide each requirement into its name and its bounds."""
    split = (re.fullmatch(r"([a-z0-9_-]+)(.*)", requirement) for requirement in requirements)
    return {match[1]: match[2] for match in split}


def wanted():
    return bounds(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])


def offered():
    """What conda installs, and what pip does."""
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (by_pip,) = (entry["pip"] for entry in dependencies if isinstance(entry, dict))
    return bounds(entry for entry in dependencies if isinstance(entry, str)), bounds(by_pip)


def test_dependencies_and_bounds_are_those_of_the_project():
    by_conda, by_pip = offered()
    del by_conda["python"], by_conda["pip"]
    expected = {CONDA_NAMES.get(name, name): bound for name, bound in wanted().items()}
    assert by_conda | by_pip == expected


def test_only_what_conda_lacks_comes_by_pip():
    assert set(offered()[1]) == ONLY_ON_PYPI


def test_the_python_versions_are_those_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert offered()[0]["python"] == project["requires-python"]


def test_channels_are_open_ones():
    channels = yaml.safe_load((ROOT / "environment.yml").read_text())["channels"]
    assert channels == ["conda-forge", "bioconda", "nodefaults"]
