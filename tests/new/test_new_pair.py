"""``python -m ucmkd new pair``: what it says, what it writes, and that what is refused leaves nothing."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.new.own_data import (
    CLASSES,
    numbers,
    write_image,
    write_images,
    write_sound,
    write_sounds,
    write_table,
)
from ucmkd import benchmark, cli, config, jobs, specs
from ucmkd.benchmark import Benchmark, dataset_of
from ucmkd.config import load
from ucmkd.data.prepared import read_prepared

RULES = Path("workflow/rules/pairs")


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A project's folder without pairs."""
    root = tmp_path / "project"
    monkeypatch.setattr(config, "ROOT", root)
    monkeypatch.setattr(benchmark, "RULES", root / RULES)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    return root


@pytest.fixture
def run(capsys):
    def run(teacher: object, student: object, *words: str, name: str = "pets") -> tuple[int, str, str]:
        sources = ["--teacher", str(teacher), "--student", str(student)]
        try:
            code = cli.main(["new", "pair", name, *sources, *words])
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def written(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def read_config(root: Path, name: str = "pets") -> dict:
    return yaml.safe_load((root / "config" / f"{name}.yaml").read_text())


def test_images_and_sounds_become_a_pair(root, run, tmp_path):
    photos, sounds = write_images(tmp_path / "photos"), write_sounds(tmp_path / "sounds")
    (photos / "cat" / "broken.png").write_bytes(b"broken")
    code, out, err = run(photos, sounds)
    assert (code, err) == (0, "")
    assert written(root) == ["config/pets.yaml", "workflow/rules/pairs/pets.smk"]
    content = read_config(root)
    assert content["datasets"] == {
        "pets_teacher": {"kind": "image_folder", "folder": str(photos)},
        "pets_student": {"kind": "audio_folder", "folder": str(sounds)},
    }
    assert content["pairs"] == {"pets": {"teacher": "pets_teacher", "student": "pets_student"}}
    assert content["seeds"] == 10
    assert re.search(r"cat +6 +2 +2\n", out)
    assert "cat/broken.png: not a readable image" in out
    assert "The split is drawn by samples, class by class." in out
    assert out.splitlines()[-2:] == [
        "python -m ucmkd check config/pets.yaml",
        "snakemake --cores all --configfile config/pets.yaml",
    ]


def test_what_is_written_is_a_valid_benchmark(root, run, tmp_path):
    run(write_images(tmp_path / "photos"), write_sounds(tmp_path / "sounds"))
    made = Benchmark.parse(load([root / "config" / "pets.yaml"]))
    assert list(made.pairs) == ["pets"]
    assert {cell.regime for cell in made.cells.values()} == {"alone", "class_cond", "disjoint_teacher"}
    assert {"ce", "ucmkd_paper"} <= {cell.method for cell in made.cells.values()}
    assert {cell.variant for cell in made.cells.values()} == {"default"}


def test_the_rule_is_written_like_the_others(root, run, tmp_path):
    run(write_images(tmp_path / "photos"), write_sounds(tmp_path / "sounds"))
    other = Path(__file__).parents[2] / RULES / "handwritten_spoken.smk"
    expected = other.read_text().replace("handwritten_spoken", "pets").splitlines()[1:]
    assert (root / RULES / "pets.smk").read_text().splitlines()[1:] == expected


def test_data_that_are_paired_also_run_paired(root, run):
    code, _, err = run("handwritten_digits", "digit_profiles", name="views")
    assert code == 0, err
    content = read_config(root, "views")
    assert "datasets" not in content
    assert content["pairs"]["views"]["student_share"] == 0.5
    paired = [grid["methods"] for grid in content["cells"] if grid.get("regimes") == ["paired"]]
    assert "kd" in paired[0]


def test_the_number_of_labels_is_written(root, run, tmp_path):
    photos, sounds = write_images(tmp_path / "photos"), write_sounds(tmp_path / "sounds")
    code, *_ = run(photos, sounds, "--labels-per-class", "4")
    assert code == 0
    assert read_config(root)["pairs"]["pets"]["labels_per_class"] == 4


def test_tables_and_arrays_are_recognised(root, run, tmp_path):
    table = [row | {"split": ("train", "val", "test")[n // 3 % 3]} for n, row in enumerate(numbers())]
    path = write_table(tmp_path / "t.csv", table, delimiter=";")
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(30, 2, 12)))
    (tmp_path / "x_labels.txt").write_text("\n".join(CLASSES * 10))
    code, _, err = run(path, tmp_path / "x.npy")
    assert code == 0, err
    content = read_config(root)
    assert content["datasets"]["pets_teacher"] == {
        "kind": "table_csv", "file": str(path), "delimiter": ";", "split": "split",
    }  # fmt: skip
    assert content["datasets"]["pets_student"] == {
        "kind": "array_npy", "inputs": str(tmp_path / "x.npy"), "modality": "sequence",
        "labels_file": str(tmp_path / "x_labels.txt"),
    }  # fmt: skip
    models = Benchmark.parse(load([root / "config" / "pets.yaml"])).pairs["pets"].models
    assert models["student"].encoder == "sequence_convnet"


def test_texts_are_recognised_and_the_kind_can_be_told(root, run, tmp_path):
    texts = [{"text": f"words {n} {row['label']}", "label": row["label"]} for n, row in enumerate(numbers())]
    review, table = write_table(tmp_path / "r.csv", texts), write_table(tmp_path / "t.txt", numbers())
    code, _, err = run(review, f"table_csv:{table}")
    assert code == 0, err
    kinds = [dataset["kind"] for dataset in read_config(root)["datasets"].values()]
    assert kinds == ["text_csv", "table_csv"]


def test_classes_that_differ_are_refused_with_a_proposal_that_works(root, run, tmp_path):
    photos = write_images(tmp_path / "photos", classes=("Cat", "dog", "owl"))
    sounds = write_sounds(tmp_path / "sounds", classes=("cat", "dogs", "owl", "noise"))
    code, out, err = run(photos, sounds)
    assert code == 2
    assert written(root) == []
    assert "noise" in out
    proposal = yaml.safe_load(err.split("\n\n", 1)[1])
    assert proposal == {
        "datasets": {"pets_student": {"labels": {"cat": "Cat", "dogs": "dog"}, "drop": ["noise"]}}
    }
    code, out, _ = run(photos, sounds, "--accept-labels")
    assert code == 0
    student = read_config(root)["datasets"]["pets_student"]
    assert {key: student[key] for key in ("labels", "drop")} == proposal["datasets"]["pets_student"]


def test_classes_are_renamed_by_hand(root, run, tmp_path):
    photos = write_images(tmp_path / "photos", classes=("chat", "dog"))
    sounds = write_sounds(tmp_path / "sounds", classes=("cat", "hound", "poodle"))
    code, *_ = run(photos, sounds, "--labels-teacher", "chat=cat", "--labels-student", "hound=dog",
                   "--labels-student", "poodle=dog")  # fmt: skip
    assert code == 0
    datasets = read_config(root)["datasets"]
    assert datasets["pets_teacher"]["labels"] == {"chat": "cat"}
    assert datasets["pets_student"]["labels"] == {"hound": "dog", "poodle": "dog"}


def test_a_name_given_by_hand_is_not_changed_again(root, run, tmp_path):
    """Only the data know whether a class of the new name was there before, so nothing is guessed."""
    photos = write_images(tmp_path / "photos", classes=("Dog", "owl"))
    sounds = write_sounds(tmp_path / "sounds", classes=("dog", "poodle", "owl"))
    code, _, err = run(photos, sounds, "--labels-student", "poodle=dog", "--accept-labels")
    assert code == 2
    assert "'dog' of 'pets_student', which is the new name of another class" in err
    code, *_ = run(photos, sounds, "--labels-student", "poodle=Dog", "--labels-student", "dog=Dog")
    assert code == 0


def test_own_classes_take_the_names_and_the_order_of_a_dataset(root, run, tmp_path):
    """Digits are in the order of their values there, and names of digits in that of the alphabet here."""
    sounds = write_sounds(tmp_path / "sounds", classes=[str(digit) for digit in range(10)], each=5)
    code, _, err = run("handwritten_digits", sounds, "--accept-labels")
    assert code == 0, err
    student = read_config(root)["datasets"]["pets_student"]
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    assert student["labels"] == {str(digit): word for digit, word in enumerate(words)}
    assert student["classes"] == words


def test_the_order_alone_needs_no_consent(root, run, tmp_path):
    sounds = write_sounds(tmp_path / "sounds", classes=("zero", "one", "two", "three", "four", "five", "six",
                                                        "seven", "eight", "nine"), each=5)  # fmt: skip
    code, _, err = run(sounds, "handwritten_digits")
    assert code == 0, err
    assert read_config(root)["datasets"]["pets_teacher"]["classes"][:2] == ["zero", "one"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--labels-student", "cat"], "'cat' is not OLD=NEW"),
        (["--labels-student", "=cat"], "'=cat' is not OLD=NEW"),
        (["--labels-student", "dgo=cat"], "class 'dgo'; did you mean 'dog'?"),
        (["--labels-per-class", "100"], "6 training samples, 100 asked for"),
    ],
    ids=str,
)
def test_options_that_do_not_fit_the_data_write_nothing(root, run, tmp_path, words, message):
    code, _, err = run(write_images(tmp_path / "photos"), write_sounds(tmp_path / "sounds"), *words)
    assert code == 2
    assert message in err
    assert written(root) == []


def nothing(tmp_path: Path) -> Path:
    (tmp_path / "nothing" / "x").mkdir(parents=True)
    return tmp_path / "nothing"


def mixed(tmp_path: Path) -> Path:
    write_sound(write_image(tmp_path / "mixed" / "x" / "a.png", 0).with_suffix(".wav"), 0)
    return tmp_path / "mixed"


def unlabelled(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", np.ones((3, 3)))
    return tmp_path / "x.npy"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (lambda _: "handwriten_digits", "did you mean 'handwritten_digits'?"),
        (lambda tmp_path: tmp_path / "fotos", "there is no such file; did you mean"),
        (lambda _: "image_folder", "'image_folder' needs a path"),
        (lambda tmp_path: f"image_folder:{tmp_path / 'fotos'}", "there is no such folder; did you mean"),
        (nothing, "holds neither images nor sounds"),
        (mixed, "holds images and sounds; say which by image_folder:PATH"),
        (unlabelled, "there are no labels beside it; save them as x_labels.npy"),
        (lambda tmp_path: write_table(tmp_path / "t.xls", numbers()), "write KIND:PATH"),
        (lambda tmp_path: write_images(tmp_path / "p", ("apple", "pear")), "too few are alike"),
        (lambda tmp_path: write_images(tmp_path / "p", CLASSES[:1]), "'cat' is all there is"),
    ],
    ids=[
        "misspelt dataset",
        "no such file",
        "kind without a path",
        "no such folder",
        "nothing inside",
        "images and sounds",
        "no labels",
        "unknown ending",
        "other classes",
        "one class",
    ],
)
def test_a_source_that_will_not_do_is_refused(root, run, tmp_path, source, message):
    write_images(tmp_path / "photos")
    code, _, err = run(source(tmp_path), write_sounds(tmp_path / "sounds", each=5))
    assert code == 2
    assert message in err
    assert written(root) == []


def test_classes_of_a_given_dataset_are_not_renamed(root, run, tmp_path):
    code, _, err = run("handwritten_digits", "digit_profiles", "--labels-teacher", "one=two")
    assert code == 2
    assert "the classes of 'handwritten_digits' are fixed" in err


@pytest.mark.parametrize("name", ["Pets", "3pets", "pets-1", "../pets"])
def test_a_name_that_cannot_be_one_is_refused(root, run, name):
    code, _, err = run("handwritten_digits", "digit_profiles", name=name)
    assert code == 2
    assert "cannot be a name" in err


def test_a_name_that_is_taken_is_refused(root, run):
    code, _, err = run("handwritten_digits", "digit_profiles", name="handwritten_spoken")
    assert code == 2
    assert "take another name" in err


@pytest.mark.parametrize("path", ["config/pets.yaml", "workflow/rules/pairs/pets.smk"])
def test_nothing_is_overwritten(root, run, path):
    (root / path).parent.mkdir(parents=True)
    (root / path).write_text("mine")
    code, _, err = run("handwritten_digits", "digit_profiles")
    assert code == 2
    assert f"{path}: is there already" in err
    assert (root / path).read_text() == "mine"
    assert written(root) == [path]


def test_the_jobs_of_the_workflow_read_the_data(root, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(write_images(tmp_path / "photos"), write_sounds(tmp_path / "sounds"))
    made = Benchmark.parse(load([root / "config" / "pets.yaml"]))
    for name, kind in (("pets_teacher", "image_folder"), ("pets_student", "audio_folder")):
        spec = specs.text(specs.prepare(made, name))
        assert jobs.main(["prepare", spec, "--root", str(tmp_path)]) == 0
        card = read_prepared(tmp_path / "results" / "data" / name).card
        assert (card["settings"]["kind"], card["classes"]) == (kind, list(CLASSES))


def test_the_example_in_contributing_can_be_set():
    text = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text()
    example = yaml.safe_load(re.search(r"```yaml\n(datasets:\n  pets_student:.*?)```", text, re.DOTALL)[1])
    assert config.validate(config.merge(load(), example))
    settings = dataset_of(example, "pets_student").settings
    assert settings.labels == {"dogs": "dog", "puppy": "dog"}
    assert re.search(settings.group, "speaker12_take3.wav")[1] == "speaker12"


def test_help_says_how_it_ends(capsys):
    with pytest.raises(SystemExit):
        cli.main(["new", "--help"])
    out = capsys.readouterr().out
    assert "Exit codes" in out
    assert "KIND:PATH" in out
