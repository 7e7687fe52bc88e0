"""The papers' protocol: what config/paper.yaml asks for, without the data that it asks for."""

import re
from collections import Counter
from itertools import product
from typing import get_args

import pytest

from ucmkd.benchmark import RULES, Benchmark
from ucmkd.config import ROOT, load
from ucmkd.data.media.clips import ClipDataset
from ucmkd.errors import ConfigError
from ucmkd.evaluation.baselines import REFERENCE, baseline_cell
from ucmkd.evaluation.records import Cell as Key
from ucmkd.methods.base import method_class, method_names
from ucmkd.methods.shared.feature_alignment import AlignmentSettings
from ucmkd.methods.shared.label_alignment import Kernel

PAPER = ROOT / "config" / "paper.yaml"
SETS = ("ravdess", "cremad", "ave", "vggsound")
VIEWS = (("audio", "video"), ("video", "audio"))
RAVDESS = [f"ravdess_{teacher}_{student}" for teacher, student in VIEWS]
RESNETS = [f"{name}_{teacher}_{student}" for name in SETS for teacher, student in VIEWS]
TRANSFORMERS = [
    f"{name}_{teacher}_{student}_{size}"
    for name in ("ravdess", "ave")
    for size in ("vitb", "vitl")
    for teacher, student in VIEWS
]
ALONE = {"ce", "ce_teacher_recipe", "ce_matched", "ce_randpert", "label_smoothing"}


@pytest.fixture(scope="module")
def paper() -> Benchmark:
    """The benchmark, as it is where the data are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClipDataset, "stamp", lambda self: "there")
        return Benchmark.parse(load([PAPER]))


def variants_of(benchmark: Benchmark, pair: str, method: str, regime: str = "class_cond") -> dict[str, dict]:
    """Settings of the variants that a method runs in."""
    cells = benchmark.cells.values()
    return {c.variant: c.settings for c in cells if (c.pair, c.regime, c.method) == (pair, regime, method)}


def test_without_the_data_it_says_where_to_get_them(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"data/ravdess: no such folder; get RAVDESS from https://"):
        Benchmark.parse(load([PAPER]))


def test_it_runs_ten_seeds_on_gpus(paper):
    assert (paper.seeds, paper.device) == (10, "cuda")


def test_datasets_are_two_views_of_four_sets(paper):
    found = {
        (source.kind, source.settings["view"], source.settings["folder"], name)
        for name, source in paper.datasets.items()
    }
    assert found == {
        (kind, view, f"data/{kind}", f"{kind}_{view}") for kind in SETS for view in ("audio", "video")
    }


def test_every_pair_is_there_in_both_directions_and_paired_by_nature(paper):
    assert set(paper.pairs) == {*RESNETS, *TRANSFORMERS}
    assert len(paper.pairs) == 2 * 4 + 2 * 2 * 2
    for name, pair in paper.pairs.items():
        kind, teacher, student, *size = name.split("_")
        assert (pair.teacher, pair.student) == (f"{kind}_{teacher}", f"{kind}_{student}")
        back = paper.pairs["_".join([kind, student, teacher, *size])]
        assert (back.models, back.recipes) == (pair.models, pair.recipes)
        assert pair.paired


@pytest.mark.parametrize("pair", RESNETS + TRANSFORMERS)
def test_every_pair_has_a_rule_of_its_own(pair):
    rule = (RULES / f"{pair}.smk").read_text()
    other = (RULES / "handwritten_profiles.smk").read_text()
    assert rule.splitlines()[1:] == other.replace("handwritten_profiles", pair).splitlines()[1:]
    assert re.match(r"# .*: paired by nature\.$", rule.splitlines()[0])


def test_backbones_are_those_of_the_papers(paper):
    def names(pair):
        return tuple(paper.pairs[pair].models[role].settings["name"] for role in ("teacher", "student"))

    assert {names(pair) for pair in RESNETS} == {("resnet18", "resnet18")}
    for pair in TRANSFORMERS:
        size = {"vitb": "base", "vitl": "large"}[pair.rpartition("_")[2]]
        assert names(pair) == (f"vit_{size}_patch16_224", "vit_small_patch16_224")
    assert {model.encoder for pair in paper.pairs.values() for model in pair.models.values()} == {"timm"}


def test_backbones_are_those_that_timm_has(paper):
    import timm

    named = {model.settings["name"] for pair in paper.pairs.values() for model in pair.models.values()}
    assert named <= set(timm.list_models(pretrained=False))


def test_the_recipe_is_the_published_one_for_teachers_and_students(paper):
    for pair in RESNETS:
        for recipe in paper.pairs[pair].recipes.values():
            published = {"optimiser": "sgd", "learning_rate": 0.01, "epochs": 100, "batch_size": 64}
            assert recipe.items() >= {**published, "noise": 0.0, "label_smoothing": 0.0}.items()


def test_transformers_have_the_released_recipe(paper):
    for pair in TRANSFORMERS:
        recipes = paper.pairs[pair].recipes
        for recipe in recipes.values():
            assert (
                recipe.items() >= {"optimiser": "adamw", "learning_rate": 1e-4, "weight_decay": 0.05}.items()
            )
            assert recipe["evaluations"] == recipe["epochs"]
        found = [(recipes[role]["epochs"], recipes[role]["batch_size"]) for role in ("teacher", "student")]
        assert found == ([(20, 64), (100, 64)] if pair.startswith("ravdess") else [(30, 32), (30, 32)])


def test_transformers_are_never_differentiated_twice(paper):
    """Their attention is fused, and fused attention cannot be."""
    fused = {name for name, pair in paper.pairs.items() if pair.models["student"].settings["fused_attention"]}
    assert fused == set(TRANSFORMERS)
    assert not any(c.method == "ucmkd_second_order" and c.pair in fused for c in paper.cells.values())


@pytest.mark.parametrize("pair", RESNETS)
def test_every_pair_meets_every_form_control_and_baseline(paper, pair):
    taught = {"class_mean_soft", "proto_mse", "feature_ot", "ucmkd_released", "ucmkd_paper", "ucmkd_aligned",
              "ucmkd_second_order", "ucmkd_alternate", "ucmkd_sumall"}  # fmt: skip
    assert taught >= {name for name in method_names() if name.startswith("ucmkd_")}
    assert not any(method_class(name).needs.teacher for name in ALONE)
    peers = {"kd", "rld", "rkd", "dkd", "dist", "fitnet", "review_kd", "norm", "at", "sp", "pkt", "vid",
             "fd_cmkd"}  # fmt: skip
    expected = {
        "alone": ALONE,
        "alone+marginal": ALONE,
        "class_cond": taught | peers,
        "disjoint_teacher+marginal": taught,
        "paired": taught | peers | {"c2kd", "crd", "mst_distill"},
    }
    for regime, methods in expected.items():
        found = {
            c.method
            for c in paper.cells.values()
            if (c.pair, c.regime, c.variant) == (pair, regime, "default")
        }
        assert found == methods, regime


@pytest.mark.parametrize("pair", RESNETS)
def test_teachers_of_the_strict_regime_share_no_instance_with_students(paper, pair):
    strict = [c for c in paper.cells.values() if (c.pair, c.regime) == (pair, "disjoint_teacher+marginal")]
    assert {cell.pool for cell in strict} == {"own+marginal"}
    assert {cell.shift["student_instances"] for cell in strict} == {0.5}


def test_every_cell_can_be_compared_with_the_reference(paper):
    for cell in paper.cells.values():
        key = baseline_cell(Key(cell.pair, cell.regime, cell.method, cell.variant), REFERENCE)
        assert key is None or "/".join(key) in paper.cells


@pytest.mark.parametrize("pair", RAVDESS)
def test_the_grid_of_weights_is_the_published_one(paper, pair):
    weights = (0.2, 0.4, 0.6, 0.8, 1.0)
    grid = {
        name: (values["lambda1"], values["lambda2"])
        for name, values in variants_of(paper, pair, "ucmkd_paper").items()
        if name.startswith("lambda_")
    }
    assert len(grid) == 25
    assert set(grid.values()) == set(product(weights, weights))
    for name, (first, second) in grid.items():
        assert name == f"lambda_{round(10 * first):02d}_{round(10 * second):02d}"


def test_no_weight_is_varied_where_none_is_read(paper):
    released = variants_of(paper, RAVDESS[0], "ucmkd_released").values()
    assert {(values["lambda1"], values["lambda2"]) for values in released} == {(1.0, 1.0)}


@pytest.mark.parametrize("pair", [*RAVDESS, "cremad_audio_video", "cremad_video_audio"])
def test_every_cost_is_tried(paper, pair):
    tried = {values["cost"] for values in variants_of(paper, pair, "ucmkd_paper").values()}
    assert tried == set(get_args(AlignmentSettings.__annotations__["cost"]))


@pytest.mark.parametrize("pair", RAVDESS)
def test_every_kernel_is_tried(paper, pair):
    tried = {values["kappa"] for values in variants_of(paper, pair, "ucmkd_paper").values()}
    assert tried == set(get_args(Kernel))


@pytest.mark.parametrize("pair", [*RAVDESS, "ave_audio_video", "ave_video_audio"])
def test_components_are_told_apart_jointly_and_as_inner_steps(paper, pair):
    joint = variants_of(paper, pair, "ucmkd_sumall")
    assert {name: (v["lambda1"], v["lambda2"]) for name, v in joint.items()} == {
        "default": (1.0, 1.0), "feature_only": (1.0, 0.0), "label_only": (0.0, 1.0)
    }  # fmt: skip
    for method in ("ucmkd_paper", "ucmkd_released"):
        found = variants_of(paper, pair, method)
        names = ("default", "no_label_step", "no_alignment")
        assert [(found[name]["n1"], found[name]["n2"]) for name in names] == [(1, 1), (1, 0), (0, 1)]


def test_shifts_are_those_of_the_papers_and_what_they_set_out_to_be(paper):
    found = Counter(
        cell.regime.partition("+")[2]
        for cell in paper.cells.values()
        if cell.shift and cell.method == "ucmkd_paper" and cell.regime.startswith("class_cond+")
    )
    shares = ["share0.3", "share0.4", "share0.5"]
    levels = ["legacy_mild", "legacy_moderate", "legacy_hard", "easy", "medium", "hard"]
    assert found == dict.fromkeys([*shares, *levels], len(RAVDESS))
    for share in shares:
        cell = paper.cell(RAVDESS[0], f"class_cond+{share}", "ucmkd_paper", "default")
        assert cell.shift["student_share"] == float(share.removeprefix("share"))


def test_a_teacher_can_be_of_no_use(paper):
    for pair in RESNETS:
        for method in ("class_mean_soft", "feature_ot", "ucmkd_released", "ucmkd_paper"):
            assert {"default", "shuffled_teacher", "random_teacher"} <= set(variants_of(paper, pair, method))
