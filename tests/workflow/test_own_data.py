"""Two folders of files become figures by the commands of CONTRIBUTING.md alone."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ucmkd.config import ROOT
from ucmkd.figures.draw import figure_names

QUICK = """
seeds: 2
training:
  teacher: {epochs: 8, evaluations: 1}
  student: {epochs: 2, evaluations: 1}
cells:
  - pairs: [pets]
    methods: [ce, ce_teacher_recipe]
  - pairs: [pets]
    regimes: [class_cond]
    methods: [class_mean_soft]
"""
"""As the written configuration says, but in seconds."""


def write_photos(folder: Path) -> None:
    """Write a class of reddish and one of bluish photographs."""
    from PIL import Image

    draw = np.random.default_rng(0)
    for label, strong in (("cat", 0), ("dog", 2)):
        (folder / label).mkdir(parents=True)
        for number in range(20):
            pixels = draw.integers(0, 100, size=(40, 50, 3), dtype=np.uint8)
            pixels[..., strong] += 120
            Image.fromarray(pixels).save(folder / label / f"{number}.jpg")


def write_sounds(folder: Path) -> None:
    """Write a class of low and one of high tones, in noise."""
    import soundfile

    draw, time = np.random.default_rng(1), np.arange(8000) / 16000
    for label, hertz in (("cat", 300), ("dog", 1500)):
        (folder / label).mkdir(parents=True)
        for number in range(20):
            sound = 0.3 * np.sin(2 * np.pi * hertz * time) + 0.1 * draw.normal(size=len(time))
            soundfile.write(folder / label / f"{number}.wav", sound, 16000)


@pytest.fixture
def commands(tmp_path: Path) -> list[list[str]]:
    """The commands of the section, with the folders of the test."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    section = text[text.index("## Bring your own data") :]
    block = re.search(r"```bash\n(.*?)```", section, re.DOTALL)
    assert block
    lines = (
        block[1].replace("~/photos", str(tmp_path / "photos")).replace("~/sounds", str(tmp_path / "sounds"))
    )
    return [line.removeprefix("uv run ").split() for line in lines.splitlines()]


def test_folders_become_figures_without_a_line_of_python(
    tree: Path, tmp_path: Path, commands: list[list[str]]
) -> None:
    write_photos(tmp_path / "photos")
    write_sounds(tmp_path / "sounds")
    (tree / "config" / "quick.yaml").write_text(QUICK)
    for command in commands:
        program = command[1:] if command[0] == "python" else ["-m", *command, "config/quick.yaml"]
        done = subprocess.run(
            [sys.executable, *program], cwd=tree, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert {path.stem for path in (tree / "results/figures").glob("*.svg")} == set(figure_names())
    with (tree / "results/summary/scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["pair"], row["regime"], row["method"]) for row in rows} == {
        ("pets", "alone", "ce"),
        ("pets", "alone", "ce_teacher_recipe"),
        ("pets", "class_cond", "class_mean_soft"),
    }
    page = (tree / "results/report.html").read_text()
    assert "pets_teacher" in page
    assert "pets_student" in page
