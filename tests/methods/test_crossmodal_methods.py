"""FD-CMKD, MST-Distill, SemBridge and the channel selection of the modality focusing hypothesis."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax, rel_entr, softmax
from scipy.stats import entropy
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from tests import toy as make
from tests.toy import ToyPair
from ucmkd.errors import ConfigError
from ucmkd.methods.base import Batch, Method, Outputs, TeacherBank, load_method
from ucmkd.methods.shared.channel_mask import ChannelMask
from ucmkd.methods.shared.channel_selection import channel_saliency, retrained_logits
from ucmkd.methods.shared.frequency_bands import frequency_bands, low_bins
from ucmkd.methods.shared.within_class_matching import best_in_class, cross_divergence, last_refresh

ROWS, CLASSES, WIDTH = 24, len(make.CLASSES), make.WIDTH
Array = NDArray[np.float64]


@pytest.fixture
def said() -> Outputs:
    """What a student says; leaves of the graph, and a head of its own."""
    draw = torch.Generator().manual_seed(0)
    features = torch.randn(ROWS, WIDTH, generator=draw, requires_grad=True)
    return Outputs(features, torch.randn(ROWS, CLASSES, generator=draw, requires_grad=True))


@pytest.fixture
def met(toy: ToyPair) -> Batch:
    """A batch whose rows all correspond."""
    return matching(toy.batch(ROWS, met=ROWS), [True] * ROWS)


def matching(batch: Batch, matched: list[bool]) -> Batch:
    assert batch.teacher is not None
    return replace(batch, teacher=replace(batch.teacher, matched=torch.tensor(matched)))


def prepared(
    name: str, bank: TeacherBank, *, seed: int = 0, **settings: Any
) -> tuple[Method[Any], nn.Module | None]:
    method = load_method(name, settings)
    context = replace(make.context(bank, seed=seed), samples=ROWS)
    return method, method.prepare(context)


def values(losses: dict[str, Tensor]) -> dict[str, float]:
    return {name: float(value.detach()) for name, value in losses.items()}


def as_array(tensor: Tensor) -> Array:
    return tensor.detach().double().numpy()


def reached(loss: Tensor, tensors: dict[str, list[Tensor]]) -> set[str]:
    """Name the groups of tensors that a loss has a gradient on."""
    found = set()
    for name, group in tensors.items():
        gradients = torch.autograd.grad(loss, group, retain_graph=True, allow_unused=True)
        if any(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients):
            found.add(name)
    return found


def projected(features: Array, frequencies: range) -> Array:
    """Project rows on the sines and cosines of these frequencies, by least squares."""
    width = features.shape[1]
    angles = 2 * np.pi * np.outer(frequencies, np.arange(width)) / width
    basis = np.concatenate([np.cos(angles), np.sin(angles)])
    fitted: Array = np.linalg.lstsq(basis.T, features.T, rcond=None)[0].T @ basis
    return fitted


class TestFrequencyBands:
    @pytest.mark.parametrize("width", [4, 5, 8, 9, 64])
    def test_low_high_and_constant_make_the_feature(self, width: int) -> None:
        features = torch.randn(6, width, generator=torch.Generator().manual_seed(width), dtype=torch.float64)
        parts = frequency_bands(features, low_bins(width, 0.5))
        assert torch.allclose(sum(parts, torch.zeros(())), features, atol=1e-12)

    @pytest.mark.parametrize(("width", "low"), [(8, 2), (8, 3), (9, 1), (11, 2)])
    def test_bands_are_projections_on_waves(self, width: int, low: int) -> None:
        features = torch.randn(5, width, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        below, above, constant = (as_array(part) for part in frequency_bands(features, low))
        np.testing.assert_allclose(below, projected(as_array(features), range(1, low + 1)), atol=1e-10)
        np.testing.assert_allclose(
            above, projected(as_array(features), range(low + 1, width // 2 + 1)), atol=1e-10
        )
        np.testing.assert_allclose(constant, np.repeat(as_array(features).mean(1)[:, None], width, 1))

    @pytest.mark.parametrize(("width", "cut", "low"), [(512, 0.5, 128), (8, 0.5, 2), (8, 0.25, 1)])
    def test_half_of_512_channels_is_cut_as_published(self, width: int, cut: float, low: int) -> None:
        assert low_bins(width, cut) == low

    @pytest.mark.parametrize(("width", "cut"), [(3, 0.5), (8, 0.01), (8, 0.99)])
    def test_an_empty_band_is_refused(self, width: int, cut: float) -> None:
        with pytest.raises(ConfigError, match=rf"cut at {cut} .*width {width}.*band empty"):
            low_bins(width, cut)


def unit(rows: Array) -> Array:
    scaled: Array = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return scaled


def bent(rows: Array) -> Array:
    return np.where(rows < 0, -np.log(1 - rows), np.log(1 + np.abs(rows)))


class TestFdCmkd:
    @pytest.mark.parametrize("matched", [[True] * ROWS, [True, False, False] * (ROWS // 3)])
    def test_low_bands_agree_straight_and_high_bands_bent(
        self, matched: list[bool], toy: ToyPair, met: Batch, said: Outputs
    ) -> None:
        batch = matching(met, matched)
        assert batch.teacher is not None
        method, _ = prepared("fd_cmkd", toy.bank("paired"), weight=3.0)
        found = values(method.losses(said, batch))
        own, taught = as_array(said.features), as_array(batch.teacher.features)
        low = [unit(projected(side, range(1, 3))) for side in (own, taught)]
        high = [bent(unit(projected(side, range(3, 5)))) for side in (own, taught)]
        assert found["loss/low"] == pytest.approx(3 * ((low[0] - low[1]) ** 2)[matched].mean(), rel=1e-4)
        assert found["loss/high"] == pytest.approx(3 * ((high[0] - high[1]) ** 2)[matched].mean(), rel=1e-4)

    def test_classifiers_are_shared_by_both_sides(self, toy: ToyPair, met: Batch, said: Outputs) -> None:
        method, parts = prepared("fd_cmkd", toy.bank("paired"), align_weight=0.5)
        assert isinstance(parts, nn.ModuleList)
        assert met.teacher is not None
        expected = 0.0
        sides = ((said.features, met.labels), (met.teacher.features, met.teacher.labels))
        for classifier, waves in zip(parts[0], (range(1, 3), range(3, 5)), strict=True):
            weight, bias = as_array(classifier.weight), as_array(classifier.bias)
            for features, labels in sides:
                band = np.maximum(projected(as_array(features), waves), 0)
                scores = log_softmax(band @ weight.T + bias, axis=1)
                expected -= scores[range(ROWS), labels.numpy()].mean()
        found = method.losses(said, met)["loss/shared_classifiers"]
        assert float(found.detach()) == pytest.approx(0.5 * expected, rel=1e-4)
        groups = {"student": [said.features], "head": [said.logits], "classifiers": list(parts.parameters())}
        assert reached(found, groups) == {"student", "classifiers"}

    def test_a_constant_in_all_channels_counts_for_nothing(
        self, toy: ToyPair, met: Batch, said: Outputs
    ) -> None:
        method, _ = prepared("fd_cmkd", toy.bank("paired"))
        raised = replace(said, features=said.features + 5)
        first, again = (values(method.losses(outputs, met)) for outputs in (said, raised))
        assert first == pytest.approx(again, rel=1e-4)

    def test_the_loss_depends_on_the_numbering_of_the_channels(
        self, toy: ToyPair, met: Batch, said: Outputs
    ) -> None:
        """A property of the method that is documented, not mended: the control measures what it does."""
        assert met.teacher is not None
        method, _ = prepared("fd_cmkd", toy.bank("paired"))
        turn = 2 * math.pi * torch.arange(WIDTH) / WIDTH
        slow, fast = turn.cos().repeat(ROWS, 1), (4 * turn).cos().repeat(ROWS, 1)
        order = torch.tensor([3, 0, 6, 1, 7, 2, 5, 4])
        found = []
        for channels in (torch.arange(WIDTH), order):
            own, taught = (slow + fast)[:, channels], (slow - fast)[:, channels]
            batch = replace(met, teacher=replace(met.teacher, features=taught))
            found.append(values(method.losses(replace(said, features=own), batch)))
        assert found[0]["loss/task"] == found[1]["loss/task"]
        assert found[0]["loss/low"] == pytest.approx(0, abs=1e-10)
        assert found[1]["loss/low"] > 0.01
        assert found[1]["loss/high"] < 0.9 * found[0]["loss/high"]

    def test_the_control_renumbers_both_sides_alike(self, toy: ToyPair, met: Batch, said: Outputs) -> None:
        assert met.teacher is not None
        control, _ = prepared("fd_cmkd", toy.bank("paired"), permute_channels=True)
        plain, _ = prepared("fd_cmkd", toy.bank("paired"))
        order = torch.randperm(WIDTH, generator=torch.Generator().manual_seed(0))
        assert not torch.equal(order, torch.arange(WIDTH))
        renumbered = replace(met, teacher=replace(met.teacher, features=met.teacher.features[:, order]))
        found = values(control.losses(said, met))
        expected = values(plain.losses(replace(said, features=said.features[:, order]), renumbered))
        assert found["loss/low"] == pytest.approx(expected["loss/low"], rel=1e-6)
        assert found["loss/high"] == pytest.approx(expected["loss/high"], rel=1e-6)
        other, _ = prepared("fd_cmkd", toy.bank("paired"), permute_channels=True, seed=1)
        assert values(other.losses(said, met))["loss/low"] != pytest.approx(found["loss/low"], rel=1e-3)

    def test_equal_features_agree(self, toy: ToyPair, met: Batch, said: Outputs) -> None:
        assert met.teacher is not None
        method, _ = prepared("fd_cmkd", toy.bank("paired"))
        found = values(method.losses(replace(said, features=7 * met.teacher.features), met))
        assert found["loss/low"] == pytest.approx(0, abs=1e-10)
        assert found["loss/high"] == pytest.approx(0, abs=1e-10)

    def test_classifiers_of_the_students_bands_add_a_loss_and_change_no_other(
        self, toy: ToyPair, met: Batch, said: Outputs
    ) -> None:
        plain, _ = prepared("fd_cmkd", toy.bank("paired"))
        more, parts = prepared("fd_cmkd", toy.bank("paired"), task_classifiers=True)
        assert isinstance(parts, nn.ModuleList)
        losses = more.losses(said, met)
        added = losses.pop("loss/task_classifiers")
        assert values(losses) == values(plain.losses(said, met))
        groups = {"student": [said.features], "head": [said.logits],
                  "shared": list(parts[0].parameters()), "own": list(parts[1].parameters())}  # fmt: skip
        assert reached(added, groups) == {"student", "own"}


def kl(target: Array, logits: Array, temperature: float = 4.0) -> Array:
    """Give T² KL of softened predictions, by row."""
    p, q = softmax(target / temperature, axis=1), softmax(logits / temperature, axis=1)
    rows: Array = temperature**2 * rel_entr(p, q).sum(1)
    return rows


class TestChannelMask:
    def test_it_attends_among_channels_and_multiplies(self) -> None:
        torch.manual_seed(0)
        width, token, heads = 6, 4, 2
        mask = ChannelMask(width, token, heads).double()
        features = torch.randn(3, width, dtype=torch.float64)
        weight, bias = as_array(mask.attention.in_proj_weight), as_array(mask.attention.in_proj_bias)
        out = as_array(mask.attention.out_proj.weight), as_array(mask.attention.out_proj.bias)
        for row, found in zip(as_array(features), as_array(mask(features)), strict=True):
            tokens = (as_array(mask.embed.weight) @ row + as_array(mask.embed.bias)).reshape(width, token)
            query, key, value = np.split(tokens @ weight.T + bias, 3, axis=1)
            parts = []
            for head in range(heads):
                own = slice(head * token // heads, (head + 1) * token // heads)
                scores = query[:, own] @ key[:, own].T / math.sqrt(token / heads)
                parts.append(softmax(scores, axis=1) @ value[:, own])
            attended = np.concatenate(parts, 1) @ out[0].T + out[1]
            score = attended @ as_array(mask.read.weight)[0] + as_array(mask.read.bias)
            np.testing.assert_allclose(found, row / (1 + np.exp(-score)), rtol=1e-9)


STAGES = {1: 0.0, 2: 0.1, 3: 0.4}


class TestMstDistill:
    def parts(self, module: nn.Module | None) -> tuple[nn.Module, nn.ModuleList, nn.Module]:
        assert isinstance(module, nn.ModuleList)
        fusion, masks, gate = module
        assert isinstance(masks, nn.ModuleList)
        return fusion, masks, gate

    def masked(self, toy: ToyPair, module: nn.Module | None, batch: Batch, said: Outputs) -> list[Array]:
        """Logits of the masked teachers."""
        fusion, masks, _ = self.parts(module)
        assert batch.teacher is not None
        seen = [mask(batch.teacher.features) for mask in masks]
        head = toy.bank("paired").head
        alone, both = seen[: len(seen) // 2], seen[len(seen) // 2 :]
        return [as_array(head(f)) for f in alone] + [as_array(fusion(f, said.features)) for f in both]

    @pytest.mark.parametrize("matched", [[True] * ROWS, [True, False, False] * (ROWS // 3)])
    def test_in_the_first_stage_all_three_agree_and_the_fusion_learns_the_labels(
        self, matched: list[bool], toy: ToyPair, met: Batch, said: Outputs
    ) -> None:
        method, module = prepared("mst_distill", toy.bank("paired"))
        batch = matching(met, matched)
        assert batch.teacher is not None
        fused = as_array(self.parts(module)[0](batch.teacher.features, said.features))
        s, t = as_array(said.logits), as_array(batch.teacher.logits)
        mutual = kl(s, t) + kl(t, s) + kl(s, fused) + kl(fused, s) + kl(t, fused) + kl(fused, t)
        found = values(method.losses(said, batch))
        assert found["loss/mutual"] == pytest.approx(mutual[matched].mean(), rel=1e-4)
        own = log_softmax(fused, axis=1)[range(ROWS), batch.labels.numpy()]
        assert found["loss/fusion"] == pytest.approx(-own[matched].mean(), rel=1e-4)
        assert set(found) == {"loss/task", "loss/mutual", "loss/fusion"}

    @pytest.mark.parametrize("matched", [[True] * ROWS, [True, False, False] * (ROWS // 3)])
    def test_in_the_second_stage_masked_teachers_copy_the_student(
        self, matched: list[bool], toy: ToyPair, met: Batch, said: Outputs
    ) -> None:
        method, module = prepared("mst_distill", toy.bank("paired"), masks=3)
        batch = matching(replace(met, progress=STAGES[2]), matched)
        teachers = self.masked(toy, module, batch, said)
        assert len(teachers) == 6
        expected = sum(kl(as_array(said.logits), logits)[matched].mean() for logits in teachers)
        found = values(method.losses(said, batch))
        assert found["loss/masks"] == pytest.approx(expected, rel=1e-4)
        assert set(found) == {"loss/task", "loss/masks"}

    @pytest.mark.parametrize("top", [1, 3])
    @pytest.mark.parametrize("matched", [[True] * ROWS, [True, False, False] * (ROWS // 3)])
    def test_in_the_third_stage_the_student_copies_the_chosen_teachers(
        self, matched: list[bool], top: int, toy: ToyPair, met: Batch, said: Outputs
    ) -> None:
        method, module = prepared("mst_distill", toy.bank("paired"), top=top, weight=0.5, balance_weight=2.0)
        batch = matching(replace(met, progress=STAGES[3]), matched)
        rows = np.stack([kl(t, as_array(said.logits)) for t in self.masked(toy, module, batch, said)], 1)
        scores = softmax(as_array(self.parts(module)[2](said.logits)), axis=1)
        best = np.argsort(-scores, axis=1)[:, :top]
        expected = np.mean([np.mean([rows[i, j] for j in best[i]]) for i in range(ROWS) if matched[i]])
        found = values(method.losses(said, batch))
        assert found["loss/distillation"] == pytest.approx(0.5 * expected, rel=1e-4)
        balance = entropy(np.full(4, 0.25), scores.mean(0))
        assert found["loss/balance"] == pytest.approx(2 * balance, rel=1e-3, abs=1e-6)
        assert set(found) == {"loss/task", "loss/distillation", "loss/balance"}

    def test_a_gate_that_treats_all_teachers_alike_is_balanced(
        self, toy: ToyPair, met: Batch, said: Outputs
    ) -> None:
        method, module = prepared("mst_distill", toy.bank("paired"))
        with torch.no_grad():
            for value in self.parts(module)[2].parameters():
                value.zero_()
        found = values(method.losses(said, replace(met, progress=STAGES[3])))
        assert found["loss/balance"] == pytest.approx(0, abs=1e-6)

    @pytest.mark.parametrize(
        ("stage", "term", "expected"),
        [
            (1, "loss/fusion", {"fusion"}),
            (1, "loss/mutual", {"logits", "fusion"}),
            (2, "loss/masks", {"masks"}),
            (3, "loss/distillation", {"logits"}),
            (3, "loss/balance", {"logits", "gate"}),
        ],
    )
    def test_a_stage_trains_its_own_parts_and_no_others(
        self, stage: int, term: str, expected: set[str], toy: ToyPair, met: Batch, said: Outputs
    ) -> None:
        method, module = prepared("mst_distill", toy.bank("paired"))
        fusion, masks, gate = self.parts(module)
        groups = {"features": [said.features], "logits": [said.logits],
                  "fusion": list(fusion.parameters()), "masks": list(masks.parameters()),
                  "gate": list(gate.parameters())}  # fmt: skip
        losses = method.losses(said, replace(met, progress=STAGES[stage]))
        assert reached(losses[term], groups) == expected
        assert reached(losses["loss/task"], groups) == {"logits"}

    def test_what_a_stage_has_finished_stays_as_it_was_then(
        self, toy: ToyPair, met: Batch, said: Outputs
    ) -> None:
        """Weight decay and momentum go on moving weights whose gradient is zero."""
        method, module = prepared("mst_distill", toy.bank("paired"))
        fusion, masks, _ = self.parts(module)
        second, third = (replace(met, progress=STAGES[stage]) for stage in (2, 3))

        def shrink(part: nn.Module) -> None:
            with torch.no_grad():
                for value in part.parameters():
                    value.mul_(0.5)

        first = values(method.losses(said, second))
        shrink(fusion)
        assert values(method.losses(said, second)) == first
        shrink(masks)
        assert values(method.losses(said, second)) != first
        first = values(method.losses(said, third))
        shrink(fusion)
        shrink(masks)
        assert values(method.losses(said, third)) == first

    @pytest.mark.parametrize("stage", STAGES)
    def test_rows_without_a_partner_count_only_as_labelled_samples(
        self, stage: int, toy: ToyPair, met: Batch, said: Outputs
    ) -> None:
        method, _ = prepared("mst_distill", toy.bank("paired"))
        half = [True, False] * (ROWS // 2)
        batch = matching(replace(met, progress=STAGES[stage]), half)
        assert batch.teacher is not None
        noise = 9 * torch.randn(ROWS, WIDTH, generator=torch.Generator().manual_seed(5))
        other = torch.where(torch.tensor(half).unsqueeze(1), batch.teacher.features, noise)
        changed = replace(
            batch, teacher=replace(batch.teacher, features=other, logits=toy.bank("paired").head(other))
        )
        assert values(method.losses(said, batch)) == pytest.approx(
            values(method.losses(said, changed)), rel=1e-5
        )

    def test_the_stages_have_their_shares_of_a_training(self, toy: ToyPair) -> None:
        fitted = toy.runner("mst_distill", "paired", settings={"stage1": 0.25, "stage2": 0.25}, epochs=4,
                            evaluations=4).fit()  # fmt: skip
        terms = {
            epoch: {name for at, name, _ in fitted.history if at == epoch and name.startswith("loss/")}
            for epoch in (1, 2, 3, 4)
        }
        assert terms == {
            1: {"loss/task", "loss/fusion", "loss/mutual"},
            2: {"loss/task", "loss/masks"},
            3: {"loss/task", "loss/distillation", "loss/balance"},
            4: {"loss/task", "loss/distillation", "loss/balance"},
        }


class TestWithinClassMatching:
    @pytest.mark.parametrize(("first", "interval", "growth"), [(2, 2, 1), (5, 3, 0), (10, 1, 4)])
    def test_refreshes_are_due_at_growing_gaps(self, first: int, interval: int, growth: int) -> None:
        due = {1} | {first + sum(interval + growth * (i - 1) for i in range(1, t + 1)) for t in range(60)}
        for epoch in range(1, 50):
            assert last_refresh(epoch, first, interval, growth) == max(e for e in due if e <= epoch)

    def test_every_target_is_compared_with_every_prediction(self) -> None:
        draw = np.random.default_rng(0)
        targets, logits = 5 * draw.normal(size=(4, 3)), 5 * draw.normal(size=(6, 3))
        found = cross_divergence(torch.from_numpy(targets), torch.from_numpy(logits), 2.0)
        for i in range(4):
            for j in range(6):
                expected = entropy(softmax(targets[i] / 2), softmax(logits[j] / 2))
                assert float(found[i, j]) == pytest.approx(expected, rel=1e-9)

    def test_the_best_row_is_sought_within_the_class(self) -> None:
        draw = np.random.default_rng(1)
        scores, labels, taught = draw.normal(size=(20, 30)), draw.integers(0, 3, 20), draw.integers(0, 3, 30)
        found = best_in_class(*(torch.from_numpy(a) for a in (scores, labels, taught)))
        for i, j in enumerate(found.tolist()):
            assert taught[j] == labels[i]
            assert scores[i, j] == max(scores[i, k] for k in range(30) if taught[k] == labels[i])


def various(bank: TeacherBank) -> TeacherBank:
    """Let the teacher say something else of every row of a class."""
    return replace(
        bank, logits=3 * torch.randn(bank.logits.shape, generator=torch.Generator().manual_seed(6))
    )


class TestSemBridge:
    def choices(self, match: str, bank: TeacherBank, said: Outputs, labels: Tensor) -> list[int]:
        """Search the bank row by row."""
        chosen = []
        for feature, logits, label in zip(
            as_array(said.features), as_array(said.logits), labels.tolist(), strict=True
        ):
            rows = np.flatnonzero(bank.labels.numpy() == label)
            if match == "kl":
                costs = [kl(as_array(bank.logits[[row]]), logits[None])[0] for row in rows]
            else:
                costs = [
                    -feature @ f / np.linalg.norm(feature) / np.linalg.norm(f)
                    for f in as_array(bank.features)[rows]
                ]
            chosen.append(int(rows[np.argmin(costs)]))
        return chosen

    @pytest.mark.parametrize("match", ["kl", "cosine"])
    def test_it_distils_from_the_row_of_the_class_that_suits_best(
        self, match: str, toy: ToyPair, said: Outputs
    ) -> None:
        batch, bank = toy.batch(ROWS, met=7), various(toy.bank("disjoint"))
        method, _ = prepared("sembridge", bank, match=match, lambda1=0.3)
        found = values(method.losses(said, batch))
        chosen = self.choices(match, bank, said, batch.labels)
        divergences = kl(as_array(bank.logits)[chosen], as_array(said.logits))
        gap = np.cov(as_array(said.features).T) - np.cov(as_array(bank.features)[chosen].T)
        assert found["loss/distillation"] == pytest.approx(0.3 * divergences.mean(), rel=1e-4)
        assert found["loss/coral"] == pytest.approx(0.7 * (gap**2).sum() / (4 * WIDTH**2), rel=1e-4)

    def test_choices_are_kept_until_a_refresh_is_due(self, toy: ToyPair, said: Outputs) -> None:
        batch, bank = toy.batch(ROWS, met=7), various(toy.bank("disjoint"))
        method, _ = prepared("sembridge", bank, first_refresh=3, interval=2)
        later = replace(said, logits=said.logits.flip(0), features=said.features.flip(0))
        fresh, _ = prepared("sembridge", bank)
        renewed = values(fresh.losses(later, batch))["loss/distillation"]
        method.losses(said, batch)
        kept = self.choices("kl", bank, said, batch.labels)
        expected = 0.5 * kl(as_array(bank.logits)[kept], as_array(later.logits)).mean()
        assert expected > 1.01 * renewed
        found = [
            values(method.losses(later, replace(batch, epoch=epoch)))["loss/distillation"]
            for epoch in (1, 2, 3, 4)
        ]
        assert found == pytest.approx([expected, expected, renewed, renewed], rel=1e-4)

    def test_choices_belong_to_samples_not_to_places_in_the_batch(self, toy: ToyPair, said: Outputs) -> None:
        batch = toy.batch(ROWS, met=7)
        assert batch.rows is not None
        method, _ = prepared("sembridge", various(toy.bank("disjoint")))
        first = values(method.losses(said, batch))
        order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(2))
        mixed = make.batch(batch.inputs[order], batch.labels[order], batch.teacher)
        outputs = Outputs(said.features[order], said.logits[order])
        again = values(method.losses(outputs, replace(mixed, rows=batch.rows[order])))
        assert again == pytest.approx(first, rel=1e-4)

    def test_the_order_of_the_bank_makes_no_difference(self, toy: ToyPair, said: Outputs) -> None:
        batch, bank = toy.batch(ROWS, met=7), various(toy.bank("disjoint"))
        order = torch.randperm(len(bank.labels), generator=torch.Generator().manual_seed(3))
        mixed = replace(
            bank, features=bank.features[order], logits=bank.logits[order], labels=bank.labels[order]
        )
        first, again = (values(prepared("sembridge", rows)[0].losses(said, batch)) for rows in (bank, mixed))
        assert again == pytest.approx(first, rel=1e-4)

    def test_samples_of_a_class_that_the_teacher_lacks_learn_from_their_labels_alone(
        self, toy: ToyPair, said: Outputs
    ) -> None:
        batch, full = toy.batch(ROWS, met=7), various(toy.bank("disjoint"))
        rows = full.labels != 2
        bank = replace(full, features=full.features[rows], logits=full.logits[rows], labels=full.labels[rows])
        has = batch.labels != 2
        assert 2 < int(has.sum()) < ROWS
        found = prepared("sembridge", bank)[0].losses(said, batch)
        rest = make.batch(batch.inputs[has], batch.labels[has], batch.teacher)
        outputs = Outputs(said.features[has], said.logits[has])
        assert batch.rows is not None
        expected = prepared("sembridge", bank)[0].losses(outputs, replace(rest, rows=batch.rows[has]))
        for name in ("loss/distillation", "loss/coral"):
            assert values(found)[name] == pytest.approx(values(expected)[name], rel=1e-4)
        (gradient,) = torch.autograd.grad(found["loss/distillation"], said.logits)
        assert torch.equal(gradient.abs().sum(1) > 0, has)

    def test_the_two_losses_pull_at_prediction_and_feature(self, toy: ToyPair, said: Outputs) -> None:
        method, _ = prepared("sembridge", various(toy.bank("disjoint")))
        losses = method.losses(said, toy.batch(ROWS, met=7))
        groups = {"features": [said.features], "logits": [said.logits]}
        assert reached(losses["loss/distillation"], groups) == {"logits"}
        assert reached(losses["loss/coral"], groups) == {"features"}


def decisive_bank(*, rows: int = 400, seed: int = 0) -> TeacherBank:
    """Eight channels, of which the even ones carry the class and the head hardly looks at the others."""
    draw = np.random.default_rng(seed)
    labels = np.arange(rows) % CLASSES
    features = draw.normal(size=(rows, WIDTH))
    features[:, ::2] = 2.0 * np.eye(CLASSES)[labels] + 0.7 * draw.normal(size=(rows, CLASSES))
    weight = np.zeros((CLASSES, WIDTH))
    weight[:, ::2] = 2.0 * np.eye(CLASSES)
    weight[:, 1] = 0.02
    tensors = [torch.from_numpy(a.astype(np.float32)) for a in (features, weight)]

    def head(values: Tensor) -> Tensor:
        return values @ tensors[1].T + 0.5

    return TeacherBank(tensors[0], head(tensors[0]), torch.from_numpy(labels), head)


class TestChannelSelection:
    def test_saliency_is_the_rise_of_the_cross_entropy(self, toy: ToyPair) -> None:
        bank = toy.bank("paired")
        found = channel_saliency(bank, torch.Generator().manual_seed(4), 2)
        draw, labels = torch.Generator().manual_seed(4), bank.labels.numpy()

        def loss(features: Tensor) -> float:
            said = log_softmax(as_array(bank.head(features)), axis=1)
            return float(-said[range(len(labels)), labels].mean())

        expected = np.zeros(WIDTH)
        for _ in range(2):
            order = torch.randperm(len(labels), generator=draw)
            for channel in range(WIDTH):
                permuted = bank.features.clone()
                permuted[:, channel] = permuted[order, channel]
                expected[channel] += (loss(permuted) - loss(bank.features)) / 2
        np.testing.assert_allclose(as_array(found), expected, rtol=1e-3, atol=1e-5)

    def test_a_channel_that_the_head_ignores_has_none(self) -> None:
        found = channel_saliency(decisive_bank(), torch.Generator().manual_seed(0), 1)
        assert (found[::2] > 0.3).all()
        assert found[1::2].abs().max() < 1e-3

    @pytest.mark.parametrize("channels", [WIDTH, 2])
    def test_the_new_head_is_the_best_penalised_one(self, channels: int) -> None:
        bank, ridge = decisive_bank(rows=200), 1e-2
        features = bank.features[:, :channels] * torch.arange(1.0, channels + 1) + 3
        found = retrained_logits(features, bank.labels, CLASSES, ridge=ridge)
        standard = as_array((features - features.mean(0)) / features.std(0, correction=0))
        other = LogisticRegression(C=1 / (ridge * len(standard)), tol=1e-8, max_iter=1000)
        expected = other.fit(standard, bank.labels.numpy()).predict_proba(standard)
        np.testing.assert_allclose(softmax(as_array(found), axis=1), expected, atol=2e-4)

    def test_constant_channels_and_missing_classes_are_no_obstacle(self) -> None:
        bank = decisive_bank(rows=120)
        features = torch.cat([bank.features, torch.full((120, 1), 3.0)], 1)
        rows = bank.labels != 3
        found = retrained_logits(features[rows], bank.labels[rows], CLASSES)
        assert found.isfinite().all()
        assert (found.argmax(1) == bank.labels[rows]).float().mean() > 0.9
        assert softmax(as_array(found), axis=1)[:, 3].max() < 0.1


class TestMfhSelection:
    def accuracy(self, bank: TeacherBank, batch: Batch, said: Outputs, **settings: Any) -> float:
        """Find out by its gradient how often the target's favourite class is the true one."""
        method, _ = prepared("mfh_selection", bank, temperature=1.0, weight=1.0, **settings)
        flat = replace(said, logits=torch.zeros(ROWS, CLASSES, requires_grad=True))
        loss = method.losses(flat, batch)["loss/distillation"]
        (gradient,) = torch.autograd.grad(loss, flat.logits)
        assert batch.teacher is not None
        return float((gradient.argmin(1) == batch.teacher.labels).float().mean())

    def met(self, toy: ToyPair, bank: TeacherBank) -> Batch:
        rows = torch.arange(ROWS)
        batch = matching(toy.batch(ROWS, met=ROWS), [True] * ROWS)
        assert batch.teacher is not None
        taught = replace(batch.teacher, features=bank.features[rows], logits=bank.logits[rows],
                         labels=bank.labels[rows], rows=rows)  # fmt: skip
        return replace(batch, teacher=taught)

    def test_decisive_channels_teach_the_classes_and_the_others_do_not(
        self, toy: ToyPair, said: Outputs
    ) -> None:
        bank = decisive_bank()
        batch = self.met(toy, bank)
        assert self.accuracy(bank, batch, said, keep="general") > 0.8
        assert self.accuracy(bank, batch, said, keep="specific") < 0.6

    def test_all_channels_are_neither_general_nor_specific(self, toy: ToyPair, said: Outputs) -> None:
        bank = decisive_bank()
        batch = self.met(toy, bank)
        general, specific = (
            values(prepared("mfh_selection", bank, keep=keep, share=1.0)[0].losses(said, batch))
            for keep in ("general", "specific")
        )
        assert general == specific

    @pytest.mark.parametrize("matched", [None, [True] * ROWS, [True, False, False] * (ROWS // 3)])
    def test_it_is_kd_from_the_new_head(
        self, matched: list[bool] | None, toy: ToyPair, said: Outputs
    ) -> None:
        bank = decisive_bank()
        batch = self.met(toy, bank)
        assert batch.teacher is not None
        mask = None if matched is None else torch.tensor(matched)
        batch = replace(batch, teacher=replace(batch.teacher, matched=mask))
        found = values(prepared("mfh_selection", bank)[0].losses(said, batch))
        logits = retrained_logits(bank.features[:, ::2], bank.labels, CLASSES)
        assert batch.teacher is not None
        taught = replace(batch, teacher=replace(batch.teacher, logits=logits[:ROWS]))
        expected = values(prepared("kd", replace(bank, logits=logits))[0].losses(said, taught))
        assert found == pytest.approx(expected, rel=1e-5)
        assert found["loss/distillation"] > 0


@pytest.mark.parametrize("name", ["fd_cmkd", "mst_distill"])
def test_first_weights_of_auxiliary_parts_depend_on_the_methods_stream_alone(name: str, toy: ToyPair) -> None:
    bank, drawn = toy.bank("paired"), []
    for seed, disturbance in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(disturbance)
        before = torch.get_rng_state()
        _, parts = prepared(name, bank, seed=seed)
        assert torch.equal(before, torch.get_rng_state())
        assert parts is not None
        drawn.append(torch.cat([value.flatten() for value in parts.parameters()]))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fd_cmkd", {"weight": -1.0}), ("fd_cmkd", {"align_weight": -1.0}), ("fd_cmkd", {"cut": 1.0}),
        ("mst_distill", {"weight": -1.0}), ("mst_distill", {"balance_weight": -1.0}),
        ("mst_distill", {"temperature": 0.0}), ("mst_distill", {"stage1": 0.0}),
        ("mst_distill", {"stage2": 0.9}), ("mst_distill", {"masks": 0}), ("mst_distill", {"top": 5}),
        ("mst_distill", {"token_width": 3}), ("mst_distill", {"heads": 0}),
        ("sembridge", {"lambda1": 1.1}), ("sembridge", {"temperature": 0.0}),
        ("sembridge", {"first_refresh": 1}), ("sembridge", {"interval": 0}), ("sembridge", {"growth": -1}),
        ("sembridge", {"match": "nearest"}),
        ("mfh_selection", {"share": 0.0}), ("mfh_selection", {"permutations": 0}),
        ("mfh_selection", {"weight": 2.0}), ("mfh_selection", {"keep": "all"}),
    ],
)  # fmt: skip
def test_an_impossible_setting_is_refused_by_name(name: str, value: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"settings\.{name}.*{next(iter(value))}"):
        load_method(name, value)
