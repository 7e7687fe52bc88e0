"""The example of docs/embeddings.md, followed to the letter but for the size of the network."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import yaml
from safetensors.torch import save_file

from tests.new.own_data import write_images, write_table
from ucmkd import benchmark, cli
from ucmkd.benchmark import Benchmark, dataset_of
from ucmkd.config import load
from ucmkd.data.pairing import pair_up, read_pair
from ucmkd.data.prepared import write_prepared

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "embeddings.md").read_text()
EXAMPLES = dict(re.findall(r"^```\w+\n# (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
GENRES = ("comedy", "horror", "romance")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the reader of the page stands before the first command; gives the configuration."""
    monkeypatch.chdir(tmp_path)
    for path, content in EXAMPLES.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(content)
    monkeypatch.setattr(benchmark, "RULES", tmp_path / "workflow" / "rules" / "pairs")
    write_images(tmp_path / "posters", GENRES, each=12)
    rows = [{"text": f"plot {number} of a {genre}", "label": genre, "poster": f"{genre}/{number:02d}.png"}
            for number in range(12) for genre in GENRES]  # fmt: skip
    write_table(tmp_path / "films.csv", rows)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_file(timm.create_model("test_resnet").state_dict(), "resnet50.safetensors")
    return tmp_path / "config" / "films.yaml"


def test_the_example_makes_a_pair_that_armada_can_learn_from(config: Path) -> None:
    (command,) = re.findall(r"^python -m ucmkd (embed posters .*)$", PAGE, re.MULTILINE)
    assert cli.main(shlex.split(command.replace("timm:resnet50", "timm:test_resnet"))) == 0
    loaded = load([config])
    loaded["pairs"] = {"films": loaded["pairs"]["films"]}  # the others need their own rules
    cells = Benchmark.parse(loaded).cells
    assert {"films/alone/ce/default", "films/paired/armada/shuffled_teacher"} <= set(cells)
    for name in ("films_posters", "films_plots"):
        write_prepared(name, name, dataset_of(loaded, name), {})
    pair_up(pair="films", teacher="films_posters", student="films_plots", regime="paired",
            labels_per_class=None, student_share=None, shift=None, folder="pair")  # fmt: skip
    student = read_pair(Path("pair")).student
    assert len(student.train) > 0
    assert np.load("embedded/embeddings.npy").shape[0] == 36


def test_all_settings_on_the_page_exist() -> None:
    from ucmkd.data.base import load_dataset
    from ucmkd.training.network import encoder_settings

    for text in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        page = yaml.safe_load(text)
        for values in page["datasets"].values():
            load_dataset(values.pop("kind"), values)
        model = page["models"]["text"]
        for role in ("student", "teacher") if isinstance(model, dict) else ():
            encoder_settings(model["encoder"], model[role], f"models.text.{role}")
