"""A configuration is understood, or refused with the place, the mistake and the remedy."""

import copy
import dataclasses

import pytest

from ucmkd.benchmark import Benchmark
from ucmkd.blocks import BLOCK_SIZE, blocks, seeds_of
from ucmkd.config import DEFAULT, ROOT, load, merge, read, schema, validate
from ucmkd.data.media.clips import ClipDataset
from ucmkd.errors import ConfigError
from ucmkd.training.recipe import Recipe

SMALL = {
    "seeds": 7,
    "models": {"image": "convnet", "audio": "convnet", "tabular": "mlp"},
    "embedding": {"width": 8, "project": "student"},
    "training": {"teacher": {"epochs": 2}, "student": {"epochs": 3}},
    "pairs": {
        "handwritten_spoken": {"teacher": "handwritten_digits", "student": "spoken_digits"},
        "handwritten_profiles": {
            "teacher": "handwritten_digits",
            "student": "digit_profiles",
            "labels_per_class": 10,
            "training": {"student": {"epochs": 5}},
        },
    },
    "variants": {"ucmkd_paper": {"no_alignment": {"n1": 0}}},
    "cells": [
        {"pairs": ["handwritten_spoken", "handwritten_profiles"], "methods": ["ce"]},
        {
            "pairs": ["handwritten_profiles"],
            "regimes": ["paired", "disjoint_teacher"],
            "methods": ["ce", "proto_mse", "ucmkd_paper"],
            "variants": ["default", "shuffled_teacher", "no_alignment"],
        },
    ],
}
PROFILES = ["handwritten_profiles"]
RESNET = {"name": "resnet18"}
SPOKEN = ["handwritten_spoken"]


def changed(place: str, value: object) -> dict:
    """Copy the small configuration with one value replaced."""
    config = copy.deepcopy(SMALL)
    *parents, last = place.split(".")
    part = config
    for key in parents:
        part = part.setdefault(key, {})
    part[last] = value
    return config


def cells(**grid: object) -> dict:
    """Copy the small configuration with this as its only grid."""
    return changed("cells", [grid])


WRONG = {
    "unknown key": (changed("epochs", 3), "epochs: there is no such key", "known: seeds, device"),
    "misspelt key": (changed("seed", 3), "seed: there is no such key; did you mean 'seeds'?"),
    "misspelt key, deep": (
        changed("training.student.epoch", 3),
        "training.student.epoch",
        "did you mean 'epochs'?",
    ),
    "misspelt key, pair": (
        changed("pairs.handwritten_spoken.label_per_class", 3),
        "did you mean 'labels_per_class'?",
    ),
    "misspelt key, grid": (cells(pairs=SPOKEN, method=["ce"]), "cells[0].method", "did you mean 'methods'?"),
    "misspelt key, tracking": (changed("tracking", {"url": None}), "tracking.url", "did you mean 'uri'?"),
    "key in a wrong place": (changed("models.video", "convnet"), "models.video: there is no such key"),
    "no seed": (changed("seeds", 0), "seeds: is 0; it must be at least 1"),
    "seeds as text": (changed("seeds", "ten"), "seeds: expected a whole number, got 'ten'"),
    "seeds as truth": (changed("seeds", True), "seeds: expected a whole number, got True"),
    "seeds as fraction": (changed("seeds", 2.5), "seeds: expected a whole number, got 2.5"),
    "seeds empty": (changed("seeds", None), "seeds: expected a whole number, got nothing"),
    "device": (changed("device", "gpu"), "device: 'gpu' is not one of cpu, cuda"),
    "batch of one": (
        changed("training.student.batch_size", 1),
        "training.student.batch_size: is 1",
        "at least 2",
    ),
    "batch of one, pair": (
        changed("pairs.handwritten_spoken.training", {"student": {"batch_size": 1}}),
        "pairs.handwritten_spoken.training.student.batch_size: is 1",
    ),
    "no epoch": (changed("training.teacher.epochs", 0), "training.teacher.epochs: is 0"),
    "rate as text": (changed("training.student.learning_rate", "1e-3"), "got '1e-3'", "as in 1.0e-3"),
    "rate zero": (changed("training.student.learning_rate", 0), "learning_rate: is 0; it must be above 0"),
    "rate NaN": (changed("training.student.learning_rate", float("nan")), "learning_rate: is not a number"),
    "rate infinite": (changed("training.student.learning_rate", float("inf")), "training.student", "above 0"),
    "smoothing of one": (changed("training.student.label_smoothing", 1), "label_smoothing: is 1", "below 1"),
    "schedule": (changed("training.student.schedule", "cosinus"), "did you mean 'cosine'?"),
    "training empty": (changed("training.student", None), "training.student: expected a map, got nothing"),
    "missing width": (changed("embedding", {"project": "side"}), "embedding.width: is missing", "dimensions"),
    "no cells": (changed("cells", []), "cells: is empty"),
    "no pairs": (changed("pairs", {}), "pairs: is empty"),
    "no methods": (cells(pairs=SPOKEN, methods=[]), "cells[0].methods: is empty"),
    "methods as text": (cells(pairs=SPOKEN, methods="ce"), "cells[0].methods: expected a list, got 'ce'"),
    "method as number": (cells(pairs=SPOKEN, methods=[3]), "cells[0].methods[0]: expected a text, got 3"),
    "method twice": (cells(pairs=SPOKEN, methods=["ce", "ce"]), "cells[0].methods: 'ce' stands there twice"),
    "method as path": (
        cells(pairs=SPOKEN, methods=["../ce"]),
        "cells[0].methods[0]: '../ce' cannot be a name",
    ),
    "unknown method": (
        cells(pairs=SPOKEN, methods=["cee"]),
        "there is no method 'cee'; did you mean 'ce'?",
        "kd",
    ),
    "base is no method": (cells(pairs=SPOKEN, methods=["base"]), "there is no method 'base'"),
    "unknown pair": (cells(pairs=["spoken_handwriten"], methods=["ce"]), "cells[0].pairs: there is no pair"),
    "unknown regime": (
        cells(pairs=PROFILES, regimes=["pared"], methods=["kd"]),
        "cells[0].regimes: there is no regime 'pared'; did you mean 'paired'?",
    ),
    "regime alone": (
        cells(pairs=SPOKEN, regimes=["alone"], methods=["ce"]),
        "cells[0].regimes: 'alone'",
        "leave it out",
    ),
    "no regime": (
        cells(pairs=SPOKEN, methods=["proto_mse"]),
        "cells[0].regimes: is missing",
        "'proto_mse' needs a teacher",
    ),
    "unknown variant": (
        cells(pairs=PROFILES, regimes=["paired"], methods=["ucmkd_paper"], variants=["no_aligment"]),
        "cells[0].variants: there is no variant of a listed method 'no_aligment'; did you mean ",
    ),
    "variant of another method": (
        cells(pairs=PROFILES, regimes=["paired"], methods=["proto_mse"], variants=["no_alignment"]),
        "cells[0].variants: there is no variant of a listed method 'no_alignment'",
    ),
    "control without teacher": (
        cells(pairs=SPOKEN, methods=["ce"], variants=["shuffled_teacher"]),
        "cells[0].variants: there is no variant of a listed method 'shuffled_teacher'",
    ),
    "reserved variant": (
        changed("variants.kd", {"random_teacher": {}}),
        "variants.kd.random_teacher: every method has",
    ),
    "unknown method in settings": (
        changed("settings", {"kdd": {}}),
        "settings: there is no method 'kdd'; did you mean 'kd'?",
    ),
    "unknown method in variants": (changed("variants", {"kdd": {}}), "variants: there is no method 'kdd'"),
    "misspelt setting": (
        changed("settings", {"ucmkd_paper": {"inner_rat": 1}}),
        "settings.ucmkd_paper: there is no setting 'inner_rat'; did you mean 'inner_rate'?",
    ),
    "misspelt setting, variant": (
        changed("variants.ucmkd_paper.odd", {"n3": 1}),
        "variants.ucmkd_paper.odd: there is no setting 'n3'",
    ),
    "bad setting, variant": (
        changed("variants.ucmkd_paper.odd", {"n1": "one"}),
        "variants.ucmkd_paper.odd.n1: expected int",
    ),
    "impossible setting": (
        changed("settings", {"ucmkd_paper": {"n1": -1}}),
        "settings.ucmkd_paper: n1 and n2",
    ),
    "setting as text": (
        changed("settings", {"feature_ot": {"weight": "1e-1"}}),
        "settings.feature_ot.weight",
        "1.0e-3",
    ),
    "setting as map": (
        changed("settings", {"feature_ot": {"weight": {}}}),
        "settings.feature_ot.weight: expected",
    ),
    "unknown dataset": (
        changed("pairs.handwritten_spoken.student", "spoken_digit"),
        "pairs.handwritten_spoken.student: there is no dataset 'spoken_digit'; did you mean 'spoken_digits'?",
    ),
    "unknown dataset in datasets": (
        changed("datasets", {"digits": {}}),
        "datasets: there is no dataset 'digits'",
        "or say its kind",
    ),
    "unknown kind of dataset": (
        changed("datasets", {"mine": {"kind": "image_foldr"}}),
        "datasets.mine.kind: there is no kind of dataset 'image_foldr'; did you mean 'image_folder'?",
    ),
    "unknown shift": (
        cells(pairs=PROFILES, regimes=["class_cond+eazy"], methods=["kd"]),
        "cells[0].regimes: there is no shift 'eazy'; did you mean 'easy'?",
    ),
    "misspelt setting of a shift": (
        changed("shifts", {"mine": {"student_shar": 0.5}}),
        "shifts.mine: there is no setting 'student_shar'; did you mean 'student_share'?",
    ),
    "impossible shift": (changed("shifts", {"mine": {"student_share": 0}}), "it must lie in (0, 1]"),
    "shift that parts pairs": (
        cells(pairs=PROFILES, regimes=["paired+long_tail"], methods=["kd"]),
        "takes partners away",
        "choose an unpaired regime",
    ),
    "no feature maps": (
        cells(pairs=PROFILES, regimes=["class_cond"], methods=["at"]),
        "method 'at' reads feature maps of the student, and encoder 'mlp'",
        "leave the method out",
    ),
    "no maps before the rectifier": (
        changed("models.image", {"encoder": "timm", "teacher": RESNET, "student": RESNET})
        | {"cells": [{"pairs": SPOKEN, "regimes": ["class_cond"], "methods": ["ofd"]}]},
        "method 'ofd' reads feature maps before their rectifier of the teacher, and encoder 'timm'",
    ),
    "no head on what is aligned": (
        changed("embedding.project", "side")
        | {"cells": [{"pairs": PROFILES, "regimes": ["class_cond"], "methods": ["norm"]}]},
        "cells[0].methods: method 'norm' reads the student's head",
        "set that to student",
    ),
    "encoder of a pair": (
        changed("pairs.handwritten_spoken.models", {"student": "mlpp"}),
        "pairs.handwritten_spoken.models.student: there is no model 'mlpp'; did you mean 'mlp'?",
    ),
    "setting of an encoder": (
        changed("models", {"image": {"encoder": "mlp", "student": {"depth": 3}}}),
        "models.image.student: there is no setting 'depth'",
    ),
    "misspelt dataset setting": (
        changed("datasets", {"spoken_digits": {"rate": []}}),
        "datasets.spoken_digits: there is no setting 'rate'; did you mean 'rates'?",
    ),
    "unknown model": (
        changed("models.image", "convnets"),
        "models.image: there is no model 'convnets'; did you mean 'convnet'?",
    ),
    "no model for a modality": (
        changed("models", {"image": "convnet", "tabular": "mlp"}),
        "models.audio: is missing",
    ),
    "pair without a rule": (
        merge(
            changed("pairs.digits_twice", {"teacher": "handwritten_digits", "student": "handwritten_digits"}),
            {"cells": [{"pairs": ["digits_twice"], "methods": ["ce"]}]},
        ),
        "pairs.digits_twice: no rule makes this pair; write workflow/rules/pairs/digits_twice.smk",
    ),
    "name of a pair": (
        changed("pairs.Hand written", {}),
        "pairs.Hand written: 'Hand written' cannot be a name",
    ),
    "half a pair": (
        changed("pairs.handwritten_spoken", {"teacher": "spoken_digits"}),
        "pairs.handwritten_spoken.student: is missing",
    ),
    "share above one": (
        changed("pairs.handwritten_spoken.student_share", 2),
        "student_share: is 2; it must be at most 1",
    ),
    "no label": (changed("pairs.handwritten_spoken.labels_per_class", 0), "labels_per_class: is 0"),
    "share and number": (
        changed("pairs.handwritten_profiles.student_share", 0.5),
        "pairs.handwritten_profiles: labels_per_class and student_share exclude each other",
    ),
    "pairs where nature gives none": (
        cells(pairs=SPOKEN, regimes=["paired"], methods=["proto_mse"]),
        "cells[0]: regime 'paired' needs paired data",
        "choose another regime",
    ),
    "fraction of pairs where nature gives none": (
        cells(pairs=SPOKEN, regimes=["frac0.5"], methods=["proto_mse"]),
        "cells[0]: regime 'frac0.5' needs paired data",
    ),
    "labels that the regime hides": (
        cells(pairs=PROFILES, regimes=["unlabelled_student"], methods=["class_mean_soft"]),
        "cells[0]: method 'class_mean_soft' reads the label of every student sample",
    ),
    "tracking": (changed("tracking", {"uri": 5}), "tracking.uri: expected a text or null, got 5"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_configuration_is_refused_with_a_remedy(name):
    config, *fragments = WRONG[name]
    with pytest.raises(ConfigError) as caught:
        Benchmark.parse(config)
    for fragment in fragments:
        assert fragment in str(caught.value)
    assert caught.value.exit_code == 2


def test_every_wrong_key_is_named_in_one_message():
    config = changed("seed", 1) | {"device": "gpu"}
    with pytest.raises(ConfigError) as caught:
        validate(config)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == ["seed", "device"]


FILES = {
    "key twice": ("seeds: 1\nseeds: 2\n", "line 2: key 'seeds' stands twice"),
    "key twice, deep": (
        "models:\n  image: mlp\n  audio: mlp\n  image: mlp\n",
        "line 4: key 'image' stands twice",
    ),
    "key that is no text": ("models:\n  on: mlp\n", "line 2: key True is not text; put it in quotes"),
    "tab": ("models:\n\timage: mlp\n", "not YAML"),
    "open bracket": ("cells: [\n", "not YAML"),
    "code": ("seeds: !!python/object/apply:os.getpid []\n", "not YAML"),
    "list": ("- seeds\n", "expected keys and values, got"),
    "text": ("seeds\n", "expected keys and values, got 'seeds'"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_wrong_file_is_refused_with_its_place(tmp_path, name):
    text, message = FILES[name]
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"wrong\.yaml") as caught:
        load([path])
    assert message in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        load([tmp_path / "gone.yaml"])


def test_files_are_laid_over_the_default_one(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "seeds: 1\nembedding: {width: 3}\ncells: [{pairs: [handwritten_spoken], methods: [ce]}]\n"
    )
    config, default = load([path]), read(DEFAULT)
    assert config["seeds"] == 1
    assert config["embedding"] == {**default["embedding"], "width": 3}
    assert len(config["cells"]) == 1
    assert config["training"] == default["training"]


def test_the_default_file_may_be_named(tmp_path):
    empty = tmp_path / "empty.yaml"
    empty.write_text("# nothing\n")
    assert load([DEFAULT]) == load([empty]) == load()


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_configuration_of_the_project_is_valid(path, monkeypatch):
    monkeypatch.setattr(ClipDataset, "stamp", lambda dataset: "")  # its files are not public
    assert Benchmark.parse(load([path])).cells


def test_the_small_configuration_becomes_these_cells():
    assert list(Benchmark.parse(SMALL).cells) == [
        "handwritten_spoken/alone/ce/default",
        "handwritten_profiles/alone/ce/default",
        "handwritten_profiles/paired/proto_mse/default",
        "handwritten_profiles/paired/proto_mse/shuffled_teacher",
        "handwritten_profiles/disjoint_teacher/proto_mse/default",
        "handwritten_profiles/disjoint_teacher/proto_mse/shuffled_teacher",
        "handwritten_profiles/paired/ucmkd_paper/default",
        "handwritten_profiles/paired/ucmkd_paper/shuffled_teacher",
        "handwritten_profiles/paired/ucmkd_paper/no_alignment",
        "handwritten_profiles/disjoint_teacher/ucmkd_paper/default",
        "handwritten_profiles/disjoint_teacher/ucmkd_paper/shuffled_teacher",
        "handwritten_profiles/disjoint_teacher/ucmkd_paper/no_alignment",
    ]


def test_a_cell_knows_its_settings_its_control_and_its_pool():
    cells = Benchmark.parse(changed("settings", {"ucmkd_paper": {"n2": 4}})).cells
    folder = "handwritten_profiles/disjoint_teacher/ucmkd_paper"
    plain, shuffled, ablation = (
        cells[f"{folder}/{name}"] for name in ("default", "shuffled_teacher", "no_alignment")
    )
    assert (plain.settings["n1"], plain.settings["n2"]) == (1, 4)
    assert (ablation.settings["n1"], ablation.settings["n2"]) == (0, 4)
    assert shuffled.settings == plain.settings
    assert [cell.control for cell in (plain, shuffled, ablation)] == ["real", "shuffled", "real"]
    assert cells["handwritten_profiles/paired/ucmkd_paper/default"].pool == "full"
    assert plain.pool == "own"


def test_a_shift_moves_students_alone_and_the_teacher_too_unless_it_is_a_legacy_one():
    regimes = ["disjoint_teacher+easy", "class_cond+legacy_mild"]
    config = cells(pairs=PROFILES, regimes=regimes, methods=["ce", "proto_mse"])
    found = Benchmark.parse(config).cells
    folder = "handwritten_profiles"
    assert found[f"{folder}/alone+easy/ce/default"].shift["student_snr_db"] == 10.0
    assert found[f"{folder}/disjoint_teacher+easy/proto_mse/default"].pool == "own+easy"
    assert found[f"{folder}/alone+legacy_mild/ce/default"].pool == "full"
    assert found[f"{folder}/class_cond+legacy_mild/proto_mse/default"].pool == "full"
    assert len(found) == 4


def test_a_shift_of_ones_own_is_used_like_a_preset():
    config = cells(pairs=PROFILES, regimes=["class_cond+quiet"], methods=["ce"])
    config["shifts"] = {"quiet": {"student_snr_db": 30.0}}
    (cell,) = Benchmark.parse(config).cells.values()
    assert (cell.regime, cell.shift["student_snr_db"]) == ("alone+quiet", 30.0)


def test_a_dataset_may_have_another_name_than_its_kind():
    config = changed("datasets", {"quiet_digits": {"kind": "spoken_digits", "snr_db": [20.0]}})
    config["pairs"]["handwritten_spoken"]["student"] = "quiet_digits"
    source = Benchmark.parse(config).datasets["quiet_digits"]
    assert (source.kind, source.settings["snr_db"], source.upstream) == ("spoken_digits", (20.0,), None)


def test_an_encoder_may_be_chosen_for_a_pair_and_a_role():
    config = changed("pairs.handwritten_spoken.models", {"teacher": "mlp"})
    models = Benchmark.parse(config).pairs["handwritten_spoken"].models
    assert {role: model.encoder for role, model in models.items()} == {"teacher": "mlp", "student": "convnet"}


def test_an_unpaired_pair_has_one_pool():
    config = cells(pairs=SPOKEN, regimes=["disjoint_teacher"], methods=["proto_mse"])
    assert Benchmark.parse(config).teachers == ["handwritten_spoken/full"]


@pytest.mark.parametrize("seeds", [1, BLOCK_SIZE - 1, BLOCK_SIZE, BLOCK_SIZE + 1, 3 * BLOCK_SIZE])
def test_seeds_come_in_blocks_and_more_seeds_keep_full_blocks(seeds):
    cut = [seeds_of(block, seeds) for block in blocks(seeds)]
    assert [seed for block in cut for seed in block] == list(range(seeds))
    full = [block for block in cut if len(block) == BLOCK_SIZE]
    assert full == [seeds_of(block, 10 * BLOCK_SIZE) for block in range(len(full))]
    assert len(cut) - len(full) <= 1


def test_the_recipe_of_a_pair_departs_from_that_of_the_benchmark():
    pairs = Benchmark.parse(SMALL).pairs
    assert pairs["handwritten_spoken"].recipes["student"]["epochs"] == 3
    assert pairs["handwritten_profiles"].recipes["student"]["epochs"] == 5
    assert pairs["handwritten_profiles"].recipes["teacher"]["epochs"] == 2


def test_only_pairs_and_datasets_in_use_are_kept():
    benchmark = Benchmark.parse(cells(pairs=PROFILES, methods=["ce"]))
    assert list(benchmark.pairs) == PROFILES
    assert set(benchmark.datasets) == {"handwritten_digits", "digit_profiles"}


def test_a_cell_that_nobody_asked_for_is_not_found():
    with pytest.raises(ConfigError, match="no such cell"):
        Benchmark.parse(SMALL).cell("handwritten_spoken", "paired", "kd", "default")


def test_counts_add_up():
    counts = Benchmark.parse(changed("seeds", BLOCK_SIZE + 1)).counts()
    assert counts["cells"] == 12 == sum(len(row["variants"]) for row in counts["listed"])
    assert counts["runs"] == 12 * (BLOCK_SIZE + 1)
    assert counts["teachers"] == 3 * (BLOCK_SIZE + 1)
    assert counts["jobs"] == (12 + 3) * 2


def parts_of(schema: dict, place: str = ""):
    """Walk through every part of a schema."""
    yield place, schema
    for key in ("properties", "patternProperties", "$defs"):
        for name, part in schema.get(key, {}).items():
            yield from parts_of(part, f"{place}.{name}")
    if "items" in schema:
        yield from parts_of(schema["items"], f"{place}[]")


def test_the_schema_describes_every_key_and_lets_no_other_pass():
    for place, part in parts_of(schema()):
        assert part.get("description") or "$ref" in part, place
        if part.get("type") == "object":
            assert part["additionalProperties"] is False, place
    for place, part in parts_of({"properties": schema()["properties"]}):
        assert not place or part.get("description"), place


def test_the_schema_knows_the_fields_of_a_recipe():
    fields = [field.name for field in dataclasses.fields(Recipe)]
    assert list(schema()["$defs"]["recipe"]["properties"]) == fields


def test_every_pair_of_the_default_configuration_has_a_rule():
    rules = {path.stem for path in (ROOT / "workflow" / "rules" / "pairs").glob("*.smk")}
    assert rules >= set(load()["pairs"])
