"""Run Snakemake on a copy of the tree, as a user would."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ucmkd.config import ROOT

PARTS = ("ucmkd", "workflow", "config", "environment.yml")


@dataclass(frozen=True)
class Done:
    """What a call of Snakemake said, and how it ended."""

    code: int
    output: str

    @property
    def jobs(self) -> dict[str, int]:
        """Jobs by rule, as its table says; target rules and the total left out."""
        table = re.search(r"^job +count\n[- ]+\n(?P<rows>(?:\w+ +\d+\n)+)", self.output, re.MULTILINE)
        rows = (row.split() for row in table["rows"].splitlines()) if table else ()
        return {rule: int(count) for rule, count in rows if rule not in ("all", "smoke", "total")}

    @property
    def trained(self) -> set[str]:
        """Students that are to be trained, as ``method/variant``."""
        return {
            f"{method}/{variant}" for method, variant in re.findall(r"Train (\w+) \((\w+)\)", self.output)
        }


def copy_tree(folder: Path) -> Path:
    """Copy what a run needs, and no result."""
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / part)
    return folder


def call_snakemake(folder: Path, *words: str) -> Done:
    """Call Snakemake in a folder."""
    command = [sys.executable, "-m", "snakemake", *words]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return Done(done.returncode, done.stdout)


@pytest.fixture(scope="session")
def snakemake() -> Callable[..., Done]:
    """Give a function that calls Snakemake in a folder."""
    return call_snakemake


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh copy of the tree."""
    return copy_tree(tmp_path_factory.mktemp("tree"))
