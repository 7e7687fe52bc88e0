"""Embedding a user's own images and texts, and reading the result back as a dataset."""

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file

from tests.models.language_folders import WIDTH, write_model, write_tokenizer
from tests.new.own_data import read, splits_of, write_image, write_images, write_table
from ucmkd import cli
from ucmkd.data.base import Workspace
from ucmkd.data.images import read_image
from ucmkd.embedding import embed as module
from ucmkd.embedding.sources import read_texts
from ucmkd.errors import ConfigError, DataError

CONFIG: dict[str, Any] = {"datasets": {}}
NAME = "shufflenet_v2_x0_5"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Files of weights, with classifiers, and a folder of a language model."""
    place = tmp_path_factory.mktemp("weights")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_file(timm.create_model("test_resnet").state_dict(), place / "timm.safetensors")
        save_file(torchvision.models.get_model(NAME).state_dict(), place / "torchvision.safetensors")
    write_tokenizer(write_model(place / "bert", "masked"))
    return {
        "timm": str(place / "timm.safetensors"),
        "torchvision": str(place / "torchvision.safetensors"),
        "transformers": str(place / "bert"),
    }


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def table(path: Path, **more: Any) -> Path:
    rows = [
        {"review": f"a {mood} film {'number ' * number}", "label": mood} | more
        for number in range(9)
        for mood in ("good", "bad")
    ]
    return write_table(path, rows)


def labels(folder: Path) -> list[dict[str, str]]:
    with (folder / "labels.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def read_back(folder: Path, tmp_path: Path, **more: Any) -> Any:
    place = {"inputs": str(folder / "embeddings.npy"), "labels_file": str(folder / "labels.csv")}
    columns = {"modality": "tabular", "id": "id", "split": "split"}
    return read("array_npy", tmp_path, **(place | columns | more))


@pytest.mark.parametrize("library", ["timm", "torchvision"])
def test_images_are_embedded_and_read_back(library, weights, tmp_path) -> None:
    photos = write_images(tmp_path / "photos", each=5)
    name = {"timm": "test_resnet", "torchvision": NAME}[library]
    side = {"timm": 160, "torchvision": 224}[library]
    told: list[str] = []
    out = tmp_path / "out"
    module.embed(str(photos), f"{library}:{name}", str(out), config=CONFIG, weights=weights[library],
                 batch=4, say=told.append)  # fmt: skip
    _, samples = read_back(out, tmp_path)
    assert samples.inputs.dtype == np.float32
    assert list(samples.ids)[:2] == ["cat/00.png", "cat/01.png"]
    assert "15 of 15 embedded" in told
    _, source = read("image_folder", tmp_path, folder=str(photos))
    assert splits_of(samples) == splits_of(source)

    if library == "timm":
        whole = timm.create_model(name)
        mean, std, classifier = 0.5, 0.5, whole.get_classifier()
    else:
        whole = torchvision.models.get_model(name)
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
        classifier = whole.fc
    from safetensors.torch import load_file

    whole.load_state_dict(load_file(weights[library]))
    whole.eval()
    shown = torch.from_numpy(read_image(photos / "dog" / "03.png", size=side)) / 255
    row = list(samples.ids).index("dog/03.png")
    with torch.no_grad():
        expected = whole(((shown - mean) / std).unsqueeze(0))
        found = classifier(torch.from_numpy(samples.inputs[row : row + 1]))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_texts_are_embedded_as_the_mean_of_their_last_states(weights, tmp_path) -> None:
    from transformers import AutoTokenizer, BertModel

    path, out, folder = table(tmp_path / "films.csv"), tmp_path / "out", weights["transformers"]
    module.embed(str(path), f"transformers:{folder}", str(out), config=CONFIG, column="review", batch=5,
                 length=16, say=lambda words: None)  # fmt: skip
    _, samples = read_back(out, tmp_path)
    assert samples.inputs.shape == (18, WIDTH)
    given = AutoTokenizer.from_pretrained(folder)("a bad film number number ", return_tensors="pt")[
        "input_ids"
    ]
    states = BertModel.from_pretrained(folder).eval()(input_ids=given).last_hidden_state
    row = list(samples.ids).index("line7")  # a heading, then good and bad by turns: bad with two numbers
    np.testing.assert_allclose(samples.inputs[row], states.mean(1)[0].detach(), rtol=1e-4, atol=1e-5)
    card = json.loads((out / "embedding.json").read_text())
    assert (card["shape"], card["cut"], card["classes"]) == ([18, WIDTH], 0, ["bad", "good"])


def test_texts_that_are_cut_are_counted(weights, tmp_path) -> None:
    told: list[str] = []
    module.embed(str(table(tmp_path / "films.csv")), f"transformers:{weights['transformers']}", "out",
                 config=CONFIG, column="review", length=7, say=told.append)  # fmt: skip
    assert told[0].startswith("12 of 18 texts are longer than 7 tokens")


def test_the_same_files_give_the_same_bytes(weights, tmp_path) -> None:
    photos = write_images(tmp_path / "photos", each=4)
    for source, encoder, file, column in (
        (photos, "timm:test_resnet", weights["timm"], None),
        (table(tmp_path / "films.csv"), f"transformers:{weights['transformers']}", None, "review"),
    ):
        contents = []
        for _ in range(2):
            module.embed(str(source), encoder, str(tmp_path / "out"), config=CONFIG, weights=file,
                         column=column, length=16, say=lambda words: None)  # fmt: skip
            contents.append({path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()})
        assert contents[0] == contents[1]
        assert set(contents[0]) == {"embeddings.npy", "labels.csv", "embedding.json"}
        torch.rand(3)


def test_the_card_names_the_weights_by_their_hash(weights, tmp_path) -> None:
    module.embed(str(write_images(tmp_path / "photos", each=4)), "timm:test_resnet", "out", config=CONFIG,
                 weights=weights["timm"], say=lambda words: None)  # fmt: skip
    card = json.loads(Path("out/embedding.json").read_text())
    assert card["weights_sha256"] == hashlib.sha256(Path(weights["timm"]).read_bytes()).hexdigest()
    assert card["encoder"] == "timm:test_resnet"


def test_given_splits_and_pairs_are_kept(weights, tmp_path) -> None:
    rows = [
        {
            "text": f"a {mood} film {'number ' * number}",
            "label": mood,
            "split": part,
            "pair": f"film{number}{mood}",
        }
        for number, part in enumerate(["train", "train", "val", "test"])
        for mood in ("good", "bad")
    ]
    source = write_table(tmp_path / "films.csv", rows)
    module.embed(str(source), f"transformers:{weights['transformers']}", "out", config=CONFIG,
                 say=lambda words: None)  # fmt: skip
    found = labels(Path("out"))
    assert [(row["split"], row["pair"]) for row in found] == [(row["split"], row["pair"]) for row in rows]
    dataset, samples = read_back(Path("out"), tmp_path, pair="pair", instances="films")
    assert dataset.instances == "films"
    assert samples.pair_ids[0] == "film0good"


def test_a_split_that_would_depend_on_the_name_of_instances_is_left_to_the_reader(tmp_path) -> None:
    rows = [{"text": f"{mood} film {number}", "label": mood, "pair": f"{number}{mood}"}
            for number in range(20) for mood in ("good", "bad")]  # fmt: skip
    found = read_texts(str(write_table(tmp_path / "films.csv", rows)), None, CONFIG, Workspace())
    assert set(found.columns) == {"id", "label", "pair"}


def test_damaged_images_are_left_out_and_named(weights, tmp_path) -> None:
    photos = write_images(tmp_path / "photos", each=4)
    (photos / "cat" / "broken.png").write_bytes(b"no image")
    module.embed(str(photos), "timm:test_resnet", "out", config=CONFIG, weights=weights["timm"],
                 say=lambda words: None)  # fmt: skip
    assert list(json.loads(Path("out/embedding.json").read_text())["skipped"]) == ["cat/broken.png"]
    assert len(labels(Path("out"))) == len(np.load("out/embeddings.npy")) == 12


def test_weights_that_give_no_numbers_are_refused(tmp_path) -> None:
    state = timm.create_model("test_resnet").state_dict()
    first = next(name for name in state if name.endswith("weight"))
    save_file(state | {first: torch.full_like(state[first], torch.nan)}, "bad.safetensors")
    with pytest.raises(DataError, match=r"embedding of 'cat/00\.png' is not finite"):
        module.embed(str(write_images(tmp_path / "photos", each=3)), "timm:test_resnet", "out",
                     config=CONFIG, weights="bad.safetensors", say=lambda words: None)  # fmt: skip
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"encoder": "resnet18"}, "--encoder: 'resnet18' is none of timm:NAME"),
        ({"encoder": "timm:"}, "--encoder"),
        ({"encoder": "timm:test_resnt"}, "timm has no network 'test_resnt'; did you mean 'test_resnet'"),
        ({"encoder": "torchvision:resnet19"}, "torchvision has no network 'resnet19'; did you mean"),
        ({"weights": None}, "--weights: is missing"),
        ({"weights": "gone.safetensors"}, "no such file"),
        ({"weights": "model.pth"}, r"model\.pth.*can hold code.*save_file"),
        ({"column": "text"}, "--column: .*takes images"),
        ({"source": "gone/"}, "no such"),
        ({"out": "."}, "--out: . holds"),
        ({"batch": 0}, "--batch: is 0"),
        ({"length": 0}, "--length: is 0"),
        ({"encoder": "transformers:gone", "weights": None, "source": "films.csv"}, "gone: there is no such"),
        ({"encoder": "transformers:gone", "source": "films.csv"}, "--weights: those of a language model"),
        ({"encoder": "transformers:gone", "weights": None}, "holds no texts"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_carried_out_is_refused(changed, message, weights, tmp_path) -> None:
    write_images(tmp_path / "photos", each=3)
    table(tmp_path / "films.csv").write_text((tmp_path / "films.csv").read_text().replace("review", "text"))
    torch.save({}, tmp_path / "model.pth")
    given = {
        "source": "photos",
        "encoder": "timm:test_resnet",
        "out": "out",
        "weights": weights["timm"],
    } | changed
    with pytest.raises(ConfigError, match=message):
        module.embed(given.pop("source"), given.pop("encoder"), given.pop("out"), config=CONFIG, **given)
    assert not Path("out").exists()


@pytest.mark.parametrize("library", ["timm", "torchvision"])
def test_weights_of_another_network_are_refused(library, weights, tmp_path) -> None:
    other = {"timm": "torchvision", "torchvision": "timm"}[library]
    name = {"timm": "test_resnet", "torchvision": NAME}[library]
    with pytest.raises(DataError, match="not the weights of"):
        module.embed(str(write_images(tmp_path / "photos", each=3)), f"{library}:{name}", "out",
                     config=CONFIG, weights=weights[other])  # fmt: skip


def test_the_command_embeds(weights, tmp_path, capsys) -> None:
    write_image(tmp_path / "photos" / "owl" / "more.png", 99)
    photos = write_images(tmp_path / "photos", each=4)
    words = [
        "embed",
        str(photos),
        "--encoder",
        "timm:test_resnet",
        "--weights",
        weights["timm"],
        "--out",
        "out",
    ]
    assert cli.main(words) == 0
    assert "out: 13 embeddings" in capsys.readouterr().err
    assert cli.main([*words[:-1], "photos"]) == 2
    assert "name a new folder" in capsys.readouterr().err
