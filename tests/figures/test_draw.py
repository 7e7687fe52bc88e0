import subprocess
import sys

from tests.evaluation.synthetic import grid, write_benchmark
from ucmkd.evaluation.summarise import summarise
from ucmkd.figures.draw import draw_all, figure_names


def test_every_figure_is_written_in_both_kinds(tmp_path):
    made = write_benchmark(tmp_path, grid(["a_b"], ["class_cond"], ["kd"]), seeds=2, epochs=2)
    summarise(made.runs, made.teachers, made.keys, tmp_path / "summary")
    draw_all(tmp_path / "summary", tmp_path / "figures")
    expected = {f"{name}.{kind}" for name in figure_names() for kind in ("png", "svg")}
    assert {path.name for path in (tmp_path / "figures").iterdir()} == expected


def test_listing_figures_imports_no_plotting():
    code = "import sys; from ucmkd.figures.draw import figure_names; figure_names(); print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"matplotlib", "pandas", "numpy"} & set(modules)
