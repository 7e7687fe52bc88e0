"""Methods that need no corresponding rows: against loops, closed forms and other libraries."""

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import ot
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.special import logsumexp, softmax
from torch import Tensor
from torch.distributions import Independent, Normal, kl_divergence
from torch.nn.functional import cross_entropy

from tests import toy as make
from ucmkd.errors import ConfigError
from ucmkd.methods.base import Batch, Method, Outputs, TeacherBank, TeacherRows, load_method
from ucmkd.methods.dann import reversed_gradient
from ucmkd.methods.shared.kernels import discrepancies
from ucmkd.methods.shared.membership import everybody
from ucmkd.methods.shared.moments import class_gaussians
from ucmkd.methods.shared.ramp import ramp

ROWS, MET, BANK, CLASSES = 21, 17, 40, len(make.CLASSES)
BANDWIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
BLIND = ["mean", "coral", "mmd", "dann"]
BY_CLASS = ["class_mmd", "class_coral", "class_ot", "class_gauss"]
BY_STATISTICS = ["class_mean_logit", "proto_ce", "proto_kl", "proto_rel", "class_gauss"]
ALL = sorted({*BLIND, *BY_CLASS, *BY_STATISTICS, "proda"})


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def teacher_bank(labels: Tensor | None = None) -> TeacherBank:
    """Teacher features with a mean and a scale of their own in each class."""
    labels = torch.arange(BANK) % CLASSES if labels is None else labels
    features = draw(len(labels), make.WIDTH, seed=3) * (1 + 0.3 * labels.unsqueeze(1))
    features = features + 2 * torch.eye(CLASSES, make.WIDTH)[labels]
    return TeacherBank(features, draw(len(labels), CLASSES, seed=4), labels, head=lambda rows: rows[:, :4])


def teacher_rows(bank: TeacherBank, met: int = MET) -> TeacherRows:
    rows = torch.randperm(len(bank.labels), generator=torch.Generator().manual_seed(5))[:met]
    return TeacherRows(bank.features[rows], bank.logits[rows], bank.labels[rows], None, rows)


def student_labels(rows: int = ROWS) -> Tensor:
    """Labels of unequal frequency."""
    return torch.arange(rows) % 7 % CLASSES


def said(rows: int = ROWS, seed: int = 1) -> Outputs:
    return Outputs(draw(rows, make.WIDTH, seed=seed), draw(rows, CLASSES, seed=seed + 50))


def meet(labels: Tensor, teacher: TeacherRows) -> Batch:
    batch = make.batch(torch.zeros(len(labels), 1), labels, teacher)
    return replace(batch, task_loss=lambda logits: cross_entropy(logits, labels, ignore_index=-1))


def prepared(name: str, bank: TeacherBank | None = None, **settings: Any) -> Method[Any]:
    method = load_method(name, settings)
    auxiliary = method.prepare(make.context(teacher_bank() if bank is None else bank))
    if auxiliary is not None:
        auxiliary.train()
    return method


def term(
    name: str, outputs: Outputs, batch: Batch, bank: TeacherBank | None = None, **settings: Any
) -> Tensor:
    """The one term beside the task loss."""
    losses = prepared(name, bank, **settings).losses(outputs, batch)
    (value,) = (value for key, value in losses.items() if key != "loss/task")
    return value


def usual(labels: Tensor | None = None) -> tuple[Outputs, Batch]:
    return said(), meet(student_labels() if labels is None else labels, teacher_rows(teacher_bank()))


def rows_of(features: Tensor, labels: Tensor, label: int) -> np.ndarray:
    return features[labels == label].double().numpy()


def lower_median(values: list[float]) -> float:
    return sorted(values)[(len(values) - 1) // 2]


def kernel(x: np.ndarray, y: np.ndarray, width: float) -> float:
    return float(sum(np.exp(-((x - y) ** 2).sum() / (2 * (b * width) ** 2)) for b in BANDWIDTHS))


def mmd_by_loops(x: np.ndarray, y: np.ndarray, width: float) -> float:
    own = [np.mean([kernel(a, b, width) for i, a in enumerate(side) for j, b in enumerate(side) if i != j])
           for side in (x, y)]  # fmt: skip
    return float(sum(own) - 2 * np.mean([kernel(a, b, width) for a in x for b in y]))


def distances(rows: np.ndarray) -> list[float]:
    return [float(np.linalg.norm(a - b)) for a, b in combinations(rows, 2)]


class TestMean:
    def test_it_is_the_squared_distance_of_the_means(self) -> None:
        outputs, batch = usual()
        assert batch.teacher is not None
        gap = outputs.features.numpy().mean(0) - batch.teacher.features.numpy().mean(0)
        assert term("mean", outputs, batch, weight=0.3).item() == pytest.approx(0.3 * gap @ gap, rel=1e-5)


class TestMMD:
    def test_it_is_the_estimate_of_a_double_loop(self) -> None:
        outputs, batch = usual()
        assert batch.teacher is not None
        x, y = outputs.features.double().numpy(), batch.teacher.features.double().numpy()
        expected = mmd_by_loops(x, y, lower_median(distances(np.concatenate([x, y]))))
        assert term("mmd", outputs, batch, weight=0.5).item() == pytest.approx(0.5 * expected, rel=1e-4)

    def test_for_one_distribution_it_is_0_on_average(self) -> None:
        """Within 4 standard errors; the biased estimate, with the diagonal, is far outside."""
        n, m = 6, 9
        estimates, diagonals = [], (1 / n + 1 / m) * len(BANDWIDTHS)
        for seed in range(600):
            x, y = draw(n, 3, seed=seed), draw(m, 3, seed=10_000 + seed)
            estimates.append(discrepancies(x, y, everybody(x), everybody(y), BANDWIDTHS).item())
        error = np.std(estimates) / np.sqrt(len(estimates))
        assert abs(np.mean(estimates)) < 4 * error
        assert 4 * error < 0.1 * diagonals

    def test_it_grows_with_the_distance_of_the_distributions(self) -> None:
        x, y = draw(30, 3), draw(30, 3, seed=9)
        ones = everybody(x)
        found = [discrepancies(x, y + gap, ones, ones, BANDWIDTHS).item() for gap in (0.0, 0.5, 1.0, 2.0)]
        assert found == sorted(found)

    def test_a_common_offset_rotation_and_scale_change_nothing(self) -> None:
        outputs, batch = usual()
        assert batch.teacher is not None
        turn = torch.linalg.qr(draw(make.WIDTH, make.WIDTH, seed=7))[0]

        def moved(features: Tensor) -> Tensor:
            return 7 * features @ turn + 100

        changed = replace(batch, teacher=replace(batch.teacher, features=moved(batch.teacher.features)))
        other = replace(outputs, features=moved(outputs.features))
        torch.testing.assert_close(
            term("mmd", other, changed), term("mmd", outputs, batch), rtol=1e-3, atol=1e-5
        )

    def test_coinciding_rows_are_finite_with_their_gradient(self) -> None:
        features = torch.zeros(5, 3, requires_grad=True)
        value = discrepancies(
            features, torch.zeros(4, 3), torch.ones(5, 1), torch.ones(4, 1), BANDWIDTHS
        ).sum()
        (gradient,) = torch.autograd.grad(value, features)
        assert value.item() == pytest.approx(0, abs=1e-6)
        assert gradient.isfinite().all()


class TestCORAL:
    def test_it_compares_the_covariances_of_numpy(self) -> None:
        outputs, batch = usual()
        assert batch.teacher is not None
        gap = np.cov(outputs.features.double().numpy().T) - np.cov(batch.teacher.features.double().numpy().T)
        expected = 0.5 * (gap**2).sum() / (4 * make.WIDTH**2)
        assert term("coral", outputs, batch, weight=0.5).item() == pytest.approx(expected, rel=1e-4)

    def test_means_do_not_matter(self) -> None:
        outputs, batch = usual()
        moved = replace(outputs, features=outputs.features + 5)
        torch.testing.assert_close(
            term("coral", moved, batch), term("coral", outputs, batch), rtol=1e-4, atol=0
        )


def by_class(formula: Callable[[np.ndarray, np.ndarray], float], outputs: Outputs, batch: Batch) -> float:
    """Average a formula over the classes of which both batches have two rows."""
    assert batch.teacher is not None
    parts = []
    for k in range(CLASSES):
        x = rows_of(outputs.features, batch.labels, k)
        y = rows_of(batch.teacher.features, batch.teacher.labels, k)
        if min(len(x), len(y)) >= 2:
            parts.append(formula(x, y))
    assert parts
    return float(np.mean(parts))


def lacking(batch: Batch, label: int, keep: int) -> Batch:
    """Leave the teacher batch so many rows of a class."""
    assert batch.teacher is not None
    teacher = batch.teacher
    chosen = (teacher.labels != label) | ((teacher.labels == label).cumsum(0) <= keep)
    return replace(batch, teacher=TeacherRows(
        teacher.features[chosen], teacher.logits[chosen], teacher.labels[chosen], None))  # fmt: skip


CASES = [None, (1, 0), (1, 1)]
"""The teacher batch as it is, without class 1, and with a single row of it."""


class TestClassWise:
    @pytest.mark.parametrize("case", CASES)
    def test_mmd_is_the_mean_of_the_classes_estimates(self, case: tuple[int, int] | None) -> None:
        outputs, batch = usual()
        batch = batch if case is None else lacking(batch, *case)
        assert batch.teacher is not None
        features = torch.cat([outputs.features, batch.teacher.features])
        labels = torch.cat([batch.labels, batch.teacher.labels])
        inside = [d for k in range(CLASSES) for d in distances(rows_of(features, labels, k))]
        width = lower_median(inside)
        expected = by_class(lambda x, y: mmd_by_loops(x, y, width), outputs, batch)
        assert term("class_mmd", outputs, batch, weight=2.0).item() == pytest.approx(2 * expected, rel=1e-4)

    @pytest.mark.parametrize("case", CASES)
    def test_coral_is_the_mean_of_the_classes_gaps(self, case: tuple[int, int] | None) -> None:
        outputs, batch = usual()
        batch = batch if case is None else lacking(batch, *case)
        expected = by_class(lambda x, y: float(((np.cov(x.T) - np.cov(y.T)) ** 2).sum()), outputs, batch)
        found = term("class_coral", outputs, batch, weight=2.0).item()
        assert found == pytest.approx(2 * expected / (4 * make.WIDTH**2), rel=1e-4)

    @pytest.mark.parametrize(("fine", "plain"), [("class_mmd", "mmd"), ("class_coral", "coral")])
    def test_with_a_single_class_they_are_the_plain_ones(self, fine: str, plain: str) -> None:
        outputs, batch = usual(torch.full((ROWS,), 2))
        assert batch.teacher is not None
        batch = replace(batch, teacher=replace(batch.teacher, labels=torch.full((MET,), 2)))
        torch.testing.assert_close(
            term(fine, outputs, batch), term(plain, outputs, batch), rtol=1e-4, atol=1e-6
        )

    @pytest.mark.parametrize("name", BY_CLASS)
    def test_the_order_of_rows_does_not_matter(self, name: str) -> None:
        outputs, batch = usual()
        assert batch.teacher is not None
        order, other = torch.randperm(ROWS, generator=torch.manual_seed(0)), torch.arange(MET).flip(0)
        teacher = batch.teacher
        mixed = meet(batch.labels[order], TeacherRows(
            teacher.features[other], teacher.logits[other], teacher.labels[other], None))  # fmt: skip
        shuffled = Outputs(outputs.features[order], outputs.logits[order])
        torch.testing.assert_close(
            term(name, shuffled, mixed), term(name, outputs, batch), rtol=1e-3, atol=1e-5
        )


class TestClassOT:
    @pytest.mark.parametrize("case", CASES)
    def test_it_is_exact_transport_within_classes_weighted_by_the_students_shares(
        self, case: tuple[int, int] | None
    ) -> None:
        outputs, batch = usual()
        batch = batch if case is None else lacking(batch, *case)
        assert batch.teacher is not None
        total, count = 0.0, 0
        for k in range(CLASSES):
            x = rows_of(outputs.features, batch.labels, k)
            y = rows_of(batch.teacher.features, batch.teacher.labels, k)
            if len(x) and len(y):
                total += len(x) * float(ot.emd2([], [], cdist(x, y)))
                count += len(x)
        found = term("class_ot", outputs, batch, reg=0.01, weight=3.0).item()
        assert found == pytest.approx(3 * total / count, rel=0.01)

    def test_without_a_common_class_it_is_0(self) -> None:
        outputs, batch = usual(torch.full((ROWS,), 1))
        assert term("class_ot", outputs, lacking(batch, 1, 0)).item() == 0

    def test_with_a_single_class_it_is_plain_transport(self) -> None:
        outputs, batch = usual(torch.full((ROWS,), 2))
        assert batch.teacher is not None
        batch = replace(batch, teacher=replace(batch.teacher, labels=torch.full((MET,), 2)))
        plain = term("feature_ot", outputs, batch)
        torch.testing.assert_close(term("class_ot", outputs, batch), plain, rtol=1e-4, atol=0)


class TestDANN:
    def losses(self, features: Tensor, progress: float, **settings: Any) -> tuple[Tensor, Method[Any]]:
        method = prepared("dann", hidden=5, **settings)
        method._adversary.double()
        teacher = teacher_rows(teacher_bank())
        teacher = replace(teacher, features=teacher.features.double())
        batch = replace(meet(student_labels(), teacher), progress=progress)
        return method.losses(Outputs(features, said().logits), batch)["loss/adversary"], method

    def test_the_students_gradient_is_turned_round_and_the_adversarys_is_not(self) -> None:
        progress, weight, step = 0.2, 0.7, 1e-6
        factor = weight * (2 / (1 + np.exp(-10 * progress)) - 1)
        features = said().features.double().requires_grad_()
        loss, method = self.losses(features, progress, weight=weight, spectral_norm=False)
        first = next(method._adversary.parameters())
        own, theirs = torch.autograd.grad(loss, [features, first])
        for i, j in ((0, 0), (7, 3), (20, 7)):
            nudge = torch.zeros_like(features)
            nudge[i, j] = step
            slope = (
                self.losses(features + nudge, progress, spectral_norm=False)[0]
                - self.losses(features - nudge, progress, spectral_norm=False)[0]
            ).item() / (2 * step)
            assert own[i, j].item() == pytest.approx(-factor * slope, rel=1e-4, abs=1e-9)
        for i, j in ((0, 0), (4, 7)):
            slope = self._slope(features, first, (i, j), method, step)
            assert theirs[i, j].item() == pytest.approx(slope, rel=1e-4, abs=1e-9)

    def _slope(
        self, features: Tensor, weight: Tensor, at: tuple[int, int], method: Method[Any], step: float
    ) -> float:
        teacher = teacher_rows(teacher_bank())
        batch = meet(student_labels(), replace(teacher, features=teacher.features.double()))
        values = []
        with torch.no_grad():
            for move in (step, -2 * step, step):
                weight[at] += move
                values.append(method.losses(Outputs(features, said().logits), batch)["loss/adversary"].item())
        return (values[0] - values[1]) / (2 * step)

    def test_its_value_is_the_binary_cross_entropy_with_equal_halves(self) -> None:
        features = said().features.double()
        loss, method = self.losses(features, 0.5, spectral_norm=False)
        with torch.no_grad():
            own = method._adversary(features).numpy()
            other = method._adversary(teacher_rows(teacher_bank()).features.double()).numpy()
        expected = (np.log1p(np.exp(own)).mean() + np.log1p(np.exp(-other)).mean()) / 2
        assert loss.item() == pytest.approx(expected, rel=1e-10)

    def test_nothing_reaches_the_student_at_the_start(self) -> None:
        features = said().features.double().requires_grad_()
        loss, _ = self.losses(features, 0.0)
        assert torch.autograd.grad(loss, features)[0].abs().max() == 0

    def test_the_ramp_rises_from_0_to_almost_1(self) -> None:
        values = [ramp(progress) for progress in np.linspace(0, 1, 11)]
        assert values == sorted(values)
        assert values[0] == 0
        assert values[-1] == pytest.approx(np.tanh(5.0))

    def test_reversal_leaves_values_alone_to_the_last_bit(self) -> None:
        features = said().features
        assert torch.equal(reversed_gradient(features, 0.3), features)

    def test_spectral_normalisation_bounds_both_layers(self) -> None:
        method = prepared("dann", hidden=5)
        batch = meet(student_labels(), teacher_rows(teacher_bank()))
        for _ in range(50):
            method.losses(said(), batch)
        layers = [method._adversary[0].weight, method._adversary[2].weight]
        assert [torch.linalg.svdvals(w)[0].item() for w in layers] == pytest.approx([1, 1], rel=1e-3)

    @pytest.mark.parametrize("bounded", [True, False])
    def test_the_methods_own_stream_decides_the_adversary(self, bounded: bool) -> None:
        state = torch.get_rng_state()
        first, again, other = (
            load_method("dann", {"spectral_norm": bounded}).prepare(make.context(teacher_bank(), seed=seed))
            for seed in (0, 0, 1)
        )
        assert first is not None
        assert again is not None
        assert other is not None
        one, two, three = (module.state_dict() for module in (first, again, other))
        assert all(torch.equal(one[key], two[key]) for key in one)
        assert not any(torch.equal(one[key], three[key]) for key in one if one[key].numel() > 1)
        assert torch.equal(state, torch.get_rng_state())


def cosines(features: Tensor, means: np.ndarray) -> np.ndarray:
    return np.asarray(1 - cdist(features.double().numpy(), means, "cosine"))


def prototypes(bank: TeacherBank, known: list[int] | None = None) -> np.ndarray:
    known = list(range(CLASSES)) if known is None else known
    return np.stack([rows_of(bank.features, bank.labels, k).mean(0) for k in known])


class TestPrototypes:
    def test_class_mean_logits_are_copied(self) -> None:
        outputs, batch = usual()
        bank = teacher_bank()
        target = np.stack([rows_of(bank.logits, bank.labels, int(k)).mean(0) for k in batch.labels])
        expected = 0.4 * ((outputs.logits.numpy() - target) ** 2).mean()
        assert term("class_mean_logit", outputs, batch, weight=0.4).item() == pytest.approx(
            expected, rel=1e-5
        )

    def test_proto_ce_classifies_by_cosine(self) -> None:
        outputs, batch = usual()
        logits = cosines(outputs.features, prototypes(teacher_bank())) / 0.3
        rows = [logsumexp(row) - row[k] for row, k in zip(logits, batch.labels.tolist(), strict=True)]
        found = term("proto_ce", outputs, batch, weight=0.4, temperature=0.3).item()
        assert found == pytest.approx(0.4 * np.mean(rows), rel=1e-5)

    def test_proto_kl_copies_the_mean_assignment_of_the_class(self) -> None:
        outputs, batch = usual()
        bank = teacher_bank()
        means = prototypes(bank)
        theirs = softmax(cosines(bank.features, means) / 0.3, axis=1)
        own = softmax(cosines(outputs.features, means) / 0.3, axis=1)
        rows = []
        for row, k in zip(own, batch.labels.tolist(), strict=True):
            target = theirs[bank.labels.numpy() == k].mean(0)
            rows.append(sum(p * np.log(p / q) for p, q in zip(target, row, strict=True)))
        found = term("proto_kl", outputs, batch, weight=0.4, temperature=0.3).item()
        assert found == pytest.approx(0.4 * np.mean(rows), rel=1e-4)

    @pytest.mark.parametrize("name", ["proto_ce", "proto_kl"])
    def test_the_scale_of_a_feature_does_not_matter_and_0_has_a_finite_gradient(self, name: str) -> None:
        outputs, batch = usual()
        scaled = replace(outputs, features=outputs.features * torch.linspace(0.1, 9, ROWS).unsqueeze(1))
        torch.testing.assert_close(term(name, scaled, batch), term(name, outputs, batch), rtol=1e-4, atol=0)
        zero = torch.zeros_like(outputs.features).requires_grad_()
        (gradient,) = torch.autograd.grad(term(name, replace(outputs, features=zero), batch), zero)
        assert gradient.isfinite().all()

    @pytest.mark.parametrize("present", [[0, 1, 2, 3], [0, 3], [1, 2, 3]])
    def test_proto_rel_compares_the_distances_of_the_classes_in_the_batch(self, present: list[int]) -> None:
        labels = torch.tensor(present)[torch.arange(ROWS) % len(present)]
        outputs, batch = usual(labels)
        sides = [
            np.stack([rows_of(outputs.features, labels, k).mean(0) for k in present]),
            prototypes(teacher_bank(), present),
        ]
        relative = [np.array(distances(side)) / np.mean(distances(side)) for side in sides]
        gap = np.abs(relative[0] - relative[1])
        huber = np.where(gap < 1, gap**2 / 2, gap - 0.5).mean()
        assert term("proto_rel", outputs, batch, weight=0.4).item() == pytest.approx(
            0.4 * huber, rel=1e-3, abs=1e-7
        )

    def test_proto_rel_lets_the_student_turn_shift_and_scale(self) -> None:
        outputs, batch = usual()
        turn = torch.linalg.qr(draw(make.WIDTH, make.WIDTH, seed=7))[0]
        moved = replace(outputs, features=3 * outputs.features @ turn + 2)
        torch.testing.assert_close(
            term("proto_rel", moved, batch), term("proto_rel", outputs, batch), rtol=1e-3, atol=1e-6
        )
        bank = teacher_bank()
        same = Outputs(bank.features @ turn, bank.logits)
        assert term("proto_rel", same, meet(bank.labels, teacher_rows(bank))).item() == pytest.approx(
            0, abs=1e-6
        )


class TestClassGaussians:
    def fitted(
        self, features: Tensor, labels: Tensor, shrinkage: float
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        rows = [rows_of(features, labels, k) for k in range(CLASSES)]
        scatter = [((own - own.mean(0)) ** 2).sum(0) for own in rows]
        pooled = sum(scatter) / sum(len(own) - 1 for own in rows)
        return [
            (own.mean(0), (spread + shrinkage * pooled) / (len(own) - 1 + shrinkage))
            for own, spread in zip(rows, scatter, strict=True)
        ]

    @pytest.mark.parametrize("shrinkage", [0.0, 4.0])
    def test_it_is_the_divergence_of_the_fitted_gaussians(self, shrinkage: float) -> None:
        outputs, batch = usual()
        bank, share = teacher_bank(), 0.05
        theirs = self.fitted(bank.features, bank.labels, shrinkage)
        floor = share * np.mean([variance for _, variance in theirs])
        parts = []
        for own, reference in zip(
            self.fitted(outputs.features, batch.labels, shrinkage), theirs, strict=True
        ):
            normals = [
                Independent(Normal(torch.tensor(mean), torch.tensor(variance + floor).sqrt()), 1)
                for mean, variance in (own, reference)
            ]
            parts.append(kl_divergence(*normals).item() / make.WIDTH)
        found = term("class_gauss", outputs, batch, weight=0.4, shrinkage=shrinkage, floor=share).item()
        assert found == pytest.approx(0.4 * np.mean(parts), rel=1e-4)

    def test_without_shrinkage_the_moments_are_those_of_numpy(self) -> None:
        features, labels = said().features, student_labels()
        means, variances = class_gaussians(features, labels, CLASSES, 0.0)
        for k in range(CLASSES):
            rows = rows_of(features, labels, k)
            np.testing.assert_allclose(means[k], rows.mean(0), rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(variances[k], rows.var(0, ddof=1), rtol=1e-5)

    def test_a_single_row_takes_the_pooled_variance(self) -> None:
        labels = torch.tensor([0, 0, 0, 1, 1, 2])
        _, variances = class_gaussians(draw(6, 3), labels, 4, 2.0)
        rows = [rows_of(draw(6, 3), labels, k) for k in range(2)]
        pooled = sum(((own - own.mean(0)) ** 2).sum(0) for own in rows) / 3
        np.testing.assert_allclose(variances[2], pooled, rtol=1e-5)

    def test_the_teachers_own_rows_are_at_distance_0(self) -> None:
        bank = teacher_bank()
        batch = meet(bank.labels, teacher_rows(bank))
        found = term("class_gauss", Outputs(bank.features, bank.logits), batch).item()
        assert found == pytest.approx(0, abs=1e-6)

    def test_features_that_never_vary_are_finite(self) -> None:
        bank = replace(teacher_bank(), features=torch.zeros(BANK, make.WIDTH))
        assert term("class_gauss", said(), meet(student_labels(), teacher_rows(bank)), bank).isfinite()


def late(batch: Batch) -> Batch:
    """Put a batch where the ramp is 1 to single precision."""
    return replace(batch, progress=2.0)


class TestProDA:
    hidden = torch.arange(ROWS) % 3 > 0
    few = torch.where(hidden, -1, student_labels())

    def late(self, labels: Tensor | None = None) -> tuple[Outputs, Batch]:
        outputs, batch = usual(self.few if labels is None else labels)
        return outputs, late(batch)

    def test_nothing_is_made_up_at_the_start(self) -> None:
        losses = prepared("proda").losses(*usual(self.few))
        assert losses["loss/pseudo"].item() == losses["loss/structure"].item() == 0

    def expected(self, outputs: Outputs, means: np.ndarray, scale: float) -> tuple[np.ndarray, ...]:
        """Prediction, assignment and pseudo-label of each row."""
        prediction = softmax(outputs.logits.double().numpy(), axis=1)
        assigned = softmax(-cdist(outputs.features.double().numpy(), means) / scale, axis=1)
        product = np.sqrt(prediction * assigned)
        return prediction, assigned, product / product.sum(1, keepdims=True)

    def test_pseudo_labels_are_the_geometric_mean_of_both_predictions(self) -> None:
        outputs, batch = usual(self.few)
        means = prototypes(teacher_bank())
        scale = 0.2 * np.mean(distances(means))
        prediction, assigned, target = self.expected(outputs, means, scale)
        method = prepared("proda", temperature=0.2, weight=0.3, structure=0.6)
        found = method.losses(outputs, replace(batch, progress=0.1))
        grown = np.tanh(0.5)
        pseudo = [-(q * np.log(p)).sum() for q, p in zip(target, prediction, strict=True)]
        structure = [-(q * np.log(p)).sum() for q, p in zip(target, assigned, strict=True)]
        assert found["loss/pseudo"].item() == pytest.approx(
            0.3 * grown * np.mean(np.array(pseudo)[self.hidden]), rel=1e-4
        )
        assert found["loss/structure"].item() == pytest.approx(0.6 * grown * np.mean(structure), rel=1e-4)

    def test_prototypes_follow_the_students_means_and_prepare_puts_them_back(self) -> None:
        outputs, batch = self.late()
        means = prototypes(teacher_bank())
        *_, target = self.expected(outputs, means, 0.1 * np.mean(distances(means)))
        method = prepared("proda", momentum=0.75)
        first = method.losses(outputs, batch)
        moved = means.copy()
        for k in set(target.argmax(1)):
            moved[k] = 0.75 * means[k] + 0.25 * outputs.features.numpy()[target.argmax(1) == k].mean(0)
        np.testing.assert_allclose(method._means, moved, rtol=1e-4, atol=1e-5)
        later = method.losses(outputs, batch)
        assert later["loss/structure"] != first["loss/structure"]
        method.prepare(make.context(teacher_bank()))
        assert method.losses(outputs, batch)["loss/structure"] == first["loss/structure"]

    def test_no_label_is_read(self) -> None:
        """Only which labels are hidden matters to the terms, not what the shown ones are."""
        outputs, batch = self.late()
        others = replace(batch, labels=torch.where(self.hidden, -1, 0))
        one, other = (prepared("proda").losses(outputs, given) for given in (batch, others))
        assert all(one[key] == other[key] for key in ("loss/pseudo", "loss/structure"))

    def test_where_all_labels_are_shown_none_is_made_up(self) -> None:
        assert prepared("proda").losses(*self.late(student_labels()))["loss/pseudo"].item() == 0

    def test_targets_are_constants(self) -> None:
        """The pseudo-labels are not pulled at, and the head has its own term alone."""
        outputs, batch = self.late()
        logits = outputs.logits.clone().requires_grad_()
        losses = prepared("proda").losses(replace(outputs, logits=logits), batch)
        (gradient,) = torch.autograd.grad(losses["loss/pseudo"], logits)
        means = prototypes(teacher_bank())
        prediction, _, target = self.expected(outputs, means, 0.1 * np.mean(distances(means)))
        expected = (prediction - target) * self.hidden.numpy()[:, None] / int(self.hidden.sum())
        np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-6)
        assert not losses["loss/structure"].requires_grad

    def test_rows_that_the_head_takes_for_an_unknown_class_do_not_count(self) -> None:
        bank = without(2)
        outputs = said()
        counted = outputs.logits.argmax(1) != 2
        assert 0 < int(counted.sum()) < ROWS
        kept = Outputs(outputs.features[counted], outputs.logits[counted])
        one = prepared("proda", bank).losses(outputs, late(meet(self.few, teacher_rows(bank))))
        other = prepared("proda", bank).losses(kept, late(meet(self.few[counted], teacher_rows(bank))))
        for key in ("loss/pseudo", "loss/structure"):
            torch.testing.assert_close(one[key], other[key])


def without(label: int) -> TeacherBank:
    labels = torch.arange(BANK) % CLASSES
    return teacher_bank(labels[labels != label])


@pytest.mark.parametrize("name", BY_STATISTICS)
def test_students_of_a_class_that_the_teacher_lacks_do_not_count(name: str) -> None:
    bank, outputs, labels = without(2), said(), student_labels()
    keep = labels != 2
    assert 0 < int(keep.sum()) < ROWS
    kept = Outputs(outputs.features[keep], outputs.logits[keep])
    settings = {"shrinkage": 0.0} if name == "class_gauss" else {}  # else classes share a pooled variance
    torch.testing.assert_close(
        term(name, outputs, meet(labels, teacher_rows(bank)), bank, **settings),
        term(name, kept, meet(labels[keep], teacher_rows(bank)), bank, **settings),
    )


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("bank", "labels", "met"),
    [
        (without(2), student_labels(), MET),
        (without(2), torch.full((ROWS,), 2), MET),
        (teacher_bank(), torch.full((ROWS,), 1), MET),
        (teacher_bank(), student_labels(), 2),
        (teacher_bank(torch.full((BANK,), 3)), student_labels(), MET),
        (teacher_bank(), torch.tensor([0, 1]), 2),
    ],
    ids=["unknown class", "only unknown", "one class", "two teacher rows", "one known class", "tiny"],
)
def test_lacking_classes_leave_losses_and_gradients_finite(
    name: str, bank: TeacherBank, labels: Tensor, met: int
) -> None:
    features, logits = (
        part.requires_grad_() for part in (said(len(labels)).features, said(len(labels)).logits)
    )
    batch = replace(meet(labels, teacher_rows(bank, met)), progress=0.5)
    losses = prepared(name, bank).losses(Outputs(features, logits), batch)
    assert all(value.isfinite() for value in losses.values())
    found = torch.autograd.grad(sum(losses.values()), [features, logits], allow_unused=True)
    assert all(gradient is None or gradient.isfinite().all() for gradient in found)


@pytest.mark.parametrize("name", sorted(set(ALL) - {"class_mean_logit", "dann"}))
def test_the_term_pulls_at_the_features(name: str) -> None:
    outputs, batch = usual()
    features = outputs.features.clone().requires_grad_()
    losses = prepared(name).losses(replace(outputs, features=features), late(batch))
    (gradient,) = torch.autograd.grad(sum(losses.values()), features)
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("name", sorted(set(ALL) - {"dann", "proda"}))
def test_weight_0_leaves_the_task_loss(name: str) -> None:
    assert term(name, *usual(), weight=0.0).item() == 0


@pytest.mark.parametrize(
    ("name", "values"),
    [
        *((name, {"weight": -1.0}) for name in ALL),
        ("mmd", {"bandwidths": [1.0, 0.0]}), ("class_mmd", {"bandwidths": []}), ("dann", {"hidden": 0}),
        ("proto_ce", {"temperature": 0.0}), ("proto_kl", {"temperature": -1.0}),
        ("class_gauss", {"shrinkage": -1.0}), ("class_gauss", {"floor": 0.0}), ("class_ot", {"reg": 0.0}),
        ("proda", {"momentum": 1.5}), ("proda", {"temperature": 0.0}), ("proda", {"structure": -0.1}),
    ],
)  # fmt: skip
def test_an_impossible_setting_is_refused_by_name(name: str, values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"settings\.{name}: .*{next(iter(values))}"):
        load_method(name, values)
