"""Methods that compare predictions, against NumPy, SciPy, POT and scikit-learn."""

from dataclasses import replace
from typing import Any

import numpy as np
import ot
import pytest
import torch
from scipy.special import entr, log_softmax, rel_entr, softmax
from sklearn.metrics import confusion_matrix
from torch import Tensor

from tests import toy as make
from tests.toy import ToyPair
from ucmkd.errors import ConfigError
from ucmkd.methods.base import Batch, Method, Outputs, TeacherBank, TeacherRows, load_method
from ucmkd.methods.dist import column_loss, row_loss
from ucmkd.methods.shared.class_partition import is_label, one_class_divergence, rest_divergence
from ucmkd.methods.shared.correlation import pearson
from ucmkd.methods.shared.divergences import divergence
from ucmkd.methods.shared.label_map import confusion_map, label_map, mapped_divergence
from ucmkd.methods.shared.prediction_transport import class_costs, other_classes, prediction_transport

ROWS, CLASSES = 12, 4
PAIRED = ["dkd", "dist", "rld", "wasserstein_kd", "label_map_kd"]
SOME = torch.arange(ROWS) % 3 != 0
Numbers = np.ndarray[Any, np.dtype[np.float64]]


def numbers(*shape: int, seed: int = 0, scale: float = 2.0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*shape, generator=draw, dtype=torch.float64)


def probabilities(*shape: int, seed: int = 0) -> Tensor:
    return torch.softmax(numbers(*shape, seed=seed), -1)


STUDENT, TEACHER = numbers(ROWS, CLASSES, seed=1), numbers(ROWS, CLASSES, seed=2)
LABELS = torch.arange(ROWS) % CLASSES


def meeting(
    *,
    student: Tensor = STUDENT,
    teacher: Tensor = TEACHER,
    matched: Tensor | None = None,
    labels: Tensor = LABELS,
    epoch: int = 1000,
) -> tuple[Outputs, Batch]:
    """What a student says of a batch, and the batch, late in training."""
    features = numbers(len(labels), make.WIDTH, seed=3).float()
    rows = TeacherRows(numbers(len(teacher), make.WIDTH, seed=4), teacher, labels, matched)
    return Outputs(features, student), replace(make.batch(features, labels, rows), epoch=epoch)


def prepared(toy: ToyPair, name: str, bank: TeacherBank | None = None, **settings: Any) -> Method[Any]:
    method = load_method(name, settings)
    single = toy.bank("class_cond")
    double = replace(single, features=single.features.double(), logits=single.logits.double())
    method.prepare(make.context(bank or double))
    return method


def losses(toy: ToyPair, name: str, settings: dict[str, Any] | None = None, **given: Any) -> dict[str, float]:
    method = prepared(toy, name, **(settings or {}))
    return {key: float(value) for key, value in method.losses(*meeting(**given)).items()}


def without_class(bank: TeacherBank, missing: int) -> TeacherBank:
    kept = bank.labels != missing
    return replace(bank, features=bank.features[kept], logits=bank.logits[kept], labels=bank.labels[kept])


def cross_entropy() -> float:
    return float(-log_softmax(STUDENT.numpy(), axis=1)[range(ROWS), LABELS].mean())


def one_and_rest(logits: Numbers, chosen: int) -> Numbers:
    p = softmax(logits)
    return np.array([p[chosen], np.delete(p, chosen).sum()])


class TestDKD:
    @pytest.mark.parametrize("temperature", [1.0, 4.0])
    @pytest.mark.parametrize("matched", [torch.ones(ROWS, dtype=torch.bool), SOME])
    def test_it_weights_the_target_class_and_the_rest(
        self, temperature: float, matched: Tensor, toy: ToyPair
    ) -> None:
        target, rest = [], []
        for row in np.flatnonzero(matched):
            s, t, y = STUDENT[row].numpy() / temperature, TEACHER[row].numpy() / temperature, int(LABELS[row])
            target.append(rel_entr(one_and_rest(t, y), one_and_rest(s, y)).sum())
            rest.append(rel_entr(softmax(np.delete(t, y)), softmax(np.delete(s, y))).sum())
        found = losses(toy, "dkd", {"alpha": 0.5, "beta": 3.0, "temperature": temperature}, matched=matched)
        assert found["loss/task"] == pytest.approx(cross_entropy())
        assert found["loss/target"] == pytest.approx(0.5 * temperature**2 * np.mean(target))
        assert found["loss/rest"] == pytest.approx(3.0 * temperature**2 * np.mean(rest))

    @pytest.mark.parametrize("scale", [1.0, 10.0])
    @pytest.mark.parametrize("temperature", [1.0, 4.0])
    def test_weighting_the_rest_by_its_mass_is_plain_distillation(
        self, temperature: float, scale: float
    ) -> None:
        s, t = scale * STUDENT, scale * TEACHER
        target = one_class_divergence(s, t, LABELS, LABELS, temperature=temperature)
        rest = rest_divergence(s, t, is_label(LABELS, CLASSES), temperature=temperature)
        mass = 1 - torch.softmax(t / temperature, 1)[range(ROWS), LABELS]
        torch.testing.assert_close(target + mass * rest, divergence("forward", s, t, temperature=temperature))

    @pytest.mark.parametrize(
        ("epoch", "warm_up", "share"), [(1, 20, 0.05), (5, 20, 0.25), (20, 20, 1), (33, 20, 1), (1, 0, 1)]
    )
    @pytest.mark.parametrize("name", ["dkd", "rld"])
    def test_both_weights_grow_with_the_epoch(
        self, name: str, epoch: int, warm_up: int, share: float, toy: ToyPair
    ) -> None:
        full = losses(toy, name)
        found = losses(toy, name, {"warm_up": warm_up}, epoch=epoch)
        task = full.pop("loss/task")
        assert found.pop("loss/task") == task
        assert found == pytest.approx({key: share * value for key, value in full.items()})

    def test_the_rest_says_nothing_of_the_target_class(self) -> None:
        student = STUDENT.clone().requires_grad_()
        rest_divergence(student, TEACHER, is_label(LABELS, CLASSES), temperature=2.0).sum().backward()
        assert student.grad is not None
        own = is_label(LABELS, CLASSES)
        assert (student.grad[own] == 0).all()
        assert (student.grad[~own] != 0).all()


class TestRLD:
    def test_it_copies_confidence_and_the_classes_below_the_label(self, toy: ToyPair) -> None:
        confidence, below = [], []
        for s, t, y in zip(STUDENT.numpy(), TEACHER.numpy(), LABELS.tolist(), strict=True):
            most = softmax(t / 1.5).max()
            confidence.append(rel_entr([most, 1 - most], one_and_rest(s / 1.5, y)).sum())
            kept = [k for k in range(CLASSES) if t[k] < t[y]]
            below.append(rel_entr(softmax(t[kept] / 3), softmax(s[kept] / 3)).sum() if kept else 0.0)
        settings = {"alpha": 0.7, "beta": 2.0, "temperature": 3.0, "confidence_temperature": 1.5}
        found = losses(toy, "rld", settings)
        assert found["loss/task"] == pytest.approx(cross_entropy())
        assert found["loss/confidence"] == pytest.approx(0.7 * 1.5**2 * np.mean(confidence))
        assert found["loss/below"] == pytest.approx(2.0 * 9 * np.mean(below))

    def test_a_teacher_that_is_right_makes_it_dkd(self, toy: ToyPair) -> None:
        right = TEACHER + 20.0 * is_label(LABELS, CLASSES)
        refined = losses(toy, "rld", {"confidence_temperature": 4.0}, teacher=right)
        decoupled = losses(toy, "dkd", teacher=right)
        assert list(refined.values()) == pytest.approx(list(decoupled.values()))
        assert decoupled["loss/rest"] > 0

    @pytest.mark.parametrize("offset", [-20.0, 0.0])
    def test_nothing_is_copied_of_classes_that_are_not_below_the_label(
        self, offset: float, toy: ToyPair
    ) -> None:
        """Neither where the teacher has the label last, nor where all are equal."""
        wrong = torch.full_like(TEACHER, 1.0) + offset * is_label(LABELS, CLASSES)
        student = STUDENT.clone().requires_grad_()
        found = prepared(toy, "rld").losses(*meeting(student=student, teacher=wrong))["loss/below"]
        assert found.item() == 0
        (gradient,) = torch.autograd.grad(found, student)
        assert (gradient == 0).all()


class TestDIST:
    @pytest.mark.parametrize("temperature", [1.0, 3.0])
    @pytest.mark.parametrize("matched", [torch.ones(ROWS, dtype=torch.bool), SOME])
    def test_it_correlates_rows_and_columns(self, temperature: float, matched: Tensor, toy: ToyPair) -> None:
        own, given = (softmax(logits.numpy()[matched] / temperature, axis=1) for logits in (STUDENT, TEACHER))
        rows = [np.corrcoef(a, b)[0, 1] for a, b in zip(own, given, strict=True)]
        columns = [np.corrcoef(a, b)[0, 1] for a, b in zip(own.T, given.T, strict=True)]
        settings = {"beta": 0.5, "gamma": 2.0, "temperature": temperature}
        found = losses(toy, "dist", settings, matched=matched)
        assert found["loss/task"] == pytest.approx(cross_entropy())
        assert found["loss/rows"] == pytest.approx(0.5 * temperature**2 * (1 - np.mean(rows)))
        assert found["loss/columns"] == pytest.approx(2.0 * temperature**2 * (1 - np.mean(columns)))

    @pytest.mark.parametrize("matched", [None, SOME])
    def test_each_term_ignores_positive_affine_maps_of_what_it_correlates(
        self, matched: Tensor | None
    ) -> None:
        own, given = probabilities(ROWS, CLASSES, seed=1), probabilities(ROWS, CLASSES, seed=2)
        scales = 0.1 + probabilities(ROWS, 1, seed=5) * numbers(ROWS, 1, seed=5).abs()
        offsets = numbers(ROWS, 1, seed=6)
        by_row = scales * given + offsets
        by_column = scales[:CLASSES].T * given + offsets[:CLASSES].T
        torch.testing.assert_close(row_loss(own, by_row, matched), row_loss(own, given, matched))
        torch.testing.assert_close(column_loss(own, by_column, matched), column_loss(own, given, matched))
        assert abs(row_loss(own, by_column, matched) - row_loss(own, given, matched)) > 1e-3
        assert abs(column_loss(own, by_row, matched) - column_loss(own, given, matched)) > 1e-3
        assert row_loss(own, -given, matched) == pytest.approx(2 - float(row_loss(own, given, matched)))

    @pytest.mark.parametrize("dim", [0, 1])
    def test_a_constant_correlates_with_nothing_and_pulls_nowhere(self, dim: int) -> None:
        x = probabilities(5, 3).requires_grad_()
        for one, other in ((x, torch.full((5, 3), 0.25)), (0 * x, 0 * x)):
            found = pearson(one, other, dim)
            assert (found == 0).all()
            (gradient,) = torch.autograd.grad(found.sum(), x)
            assert (gradient == 0).all()

    @pytest.mark.parametrize("count", [0, 1])
    def test_columns_need_two_samples(self, count: int, toy: ToyPair) -> None:
        found = losses(toy, "dist", matched=torch.arange(ROWS) < count)
        assert found["loss/columns"] == 0
        assert (found["loss/rows"] > 0) == (count > 0)


def pot_value(cost: Numbers, a: Numbers, b: Numbers, reg: float) -> float:
    """The regularised value of one problem."""
    plan = ot.sinkhorn(a, b, cost, reg, stopThr=1e-9, numItermax=1_000, warn=False)
    return float((plan * cost).sum() + reg * rel_entr(plan, np.outer(a, b)).sum())


def pot_divergence(cost: Numbers, a: Numbers, b: Numbers, reg: float) -> float:
    own = pot_value(cost, a, a, reg) + pot_value(cost, b, b, reg)
    return pot_value(cost, a, b, reg) - own / 2


BY_POT = {"none": pot_value, "sinkhorn_divergence": pot_divergence}


class TestClassTransport:
    @pytest.mark.parametrize("debias", BY_POT)
    def test_the_value_is_that_of_pot_and_so_are_its_differences(self, debias: Any) -> None:
        cost = class_costs(numbers(5, 7), None, 1.0)
        logits, teacher = numbers(2, 5, seed=1, scale=1.0).requires_grad_(), probabilities(2, 5, seed=2)
        found, iterations = prediction_transport(
            torch.softmax(logits, 1), teacher, cost.expand(2, 5, 5), reg=0.3, debias=debias
        )
        (gradient,) = torch.autograd.grad(found.sum(), logits)
        assert iterations > 0

        def at(row: int, moved: Numbers) -> float:
            return BY_POT[debias](cost.numpy(), softmax(moved), teacher[row].numpy(), 0.3)

        for row, now in enumerate(logits.detach().numpy()):
            assert found[row].item() == pytest.approx(at(row, now), abs=1e-5)
            steps = 1e-4 * np.eye(5)
            differences = [(at(row, now + step) - at(row, now - step)) / 2e-4 for step in steps]
            np.testing.assert_allclose(gradient[row], differences, atol=2e-3)
            assert np.abs(differences).max() > 0.02

    def test_with_little_regularisation_it_is_the_exact_cost(self) -> None:
        cost, own, given = (
            class_costs(numbers(6, 9), None, 1.0),
            *(probabilities(8, 6, seed=s) for s in (1, 2)),
        )
        found, _ = prediction_transport(own, given, cost.expand(8, 6, 6), reg=0.01)
        exact = [
            ot.emd2(a / a.sum(), b / b.sum(), cost.numpy())
            for a, b in zip(own.numpy(), given.numpy(), strict=True)
        ]
        slack = 0.01 * entr(own.numpy()).sum(
            1
        )  # the divergence of a plan is at most the entropy of a marginal
        assert (found.numpy() > np.array(exact) - 1e-3).all()
        assert (found.numpy() < exact + slack + 1e-3).all()

    def test_debiased_equal_predictions_are_at_rest(self) -> None:
        cost, logits = class_costs(numbers(5, 7), None, 1.0), numbers(4, 5, seed=1).requires_grad_()
        own = torch.softmax(logits, 1)
        found, _ = prediction_transport(
            own, own.detach(), cost.expand(4, 5, 5), reg=0.3, debias="sinkhorn_divergence"
        )
        (gradient,) = torch.autograd.grad(found.sum(), logits)
        torch.testing.assert_close(found, torch.zeros_like(found), atol=1e-5, rtol=0)
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), atol=2e-3, rtol=0)

    def test_no_gradient_reaches_the_teacher(self) -> None:
        own, given = probabilities(2, 3).requires_grad_(), probabilities(2, 3, seed=1).requires_grad_()
        found, _ = prediction_transport(
            own, given, class_costs(numbers(3, 4), None, 1.0).expand(2, 3, 3), reg=0.1
        )
        assert torch.autograd.grad(found.sum(), given, allow_unused=True) == (None,)

    def test_costs_follow_the_cosines_of_centred_means(self) -> None:
        means = numbers(5, 7)
        centred = means.numpy() - means.numpy().mean(0)
        found = class_costs(means, None, 0.8)
        for k in range(5):
            for m in range(5):
                norms = np.linalg.norm(centred[k]) * np.linalg.norm(centred[m])
                expected = 0 if k == m else 1 - np.exp(-0.8 * (1 - centred[k] @ centred[m] / norms))
                assert float(found[k, m]) == pytest.approx(expected, abs=1e-9)

    def test_costs_ignore_shift_scale_and_rotation_of_the_features(self) -> None:
        means = numbers(5, 7)
        rotation = torch.linalg.qr(numbers(7, 7, seed=1)).Q
        moved = 3.0 * means @ rotation + numbers(7, seed=2)
        torch.testing.assert_close(class_costs(moved, None, 1.0), class_costs(means, None, 1.0))

    def test_a_class_without_a_mean_is_orthogonal_to_the_others(self) -> None:
        means, known = numbers(5, 7), torch.tensor([True, True, False, True, True])
        found = class_costs(means.masked_fill(~known.unsqueeze(1), 0), known, 1.0)
        torch.testing.assert_close(found[2, known], torch.full((4,), 1 - np.exp(-1), dtype=torch.float64))
        torch.testing.assert_close(found[known][:, known], class_costs(means[known], None, 1.0))

    def test_other_classes_leave_the_label_out(self) -> None:
        assert other_classes(torch.tensor([0, 2, 3]), 4).tolist() == [[1, 2, 3], [0, 1, 3], [0, 1, 2]]


class TestWassersteinKD:
    @pytest.mark.parametrize("debias", BY_POT)
    @pytest.mark.parametrize("matched", [None, SOME])
    def test_it_moves_mass_between_the_classes_beside_the_label(
        self, matched: Tensor | None, debias: str, toy: ToyPair
    ) -> None:
        bank = toy.bank("class_cond")
        means = torch.stack([bank.features[bank.labels == k].mean(0) for k in range(CLASSES)])
        costs = class_costs(means.double(), None, 2.0).numpy()
        target, moved = [], []
        for s, t, y in zip(STUDENT.numpy(), TEACHER.numpy(), LABELS.tolist(), strict=True):
            target.append(-softmax(t)[y] * log_softmax(s)[y])
            own, given = (softmax(np.delete(logits, y) / 3) for logits in (s, t))
            moved.append(BY_POT[debias](np.delete(np.delete(costs, y, 0), y, 1), own, given, 0.3))
        settings = {"weight": 3.0, "target_weight": 0.5, "temperature": 3.0, "sharpness": 2.0, "reg": 0.3}
        found = losses(toy, "wasserstein_kd", settings | {"debias": debias}, matched=matched)
        counted = slice(None) if matched is None else matched.numpy()
        assert found["loss/task"] == pytest.approx(cross_entropy())
        assert found["loss/target"] == pytest.approx(0.5 * np.array(target)[counted].mean())
        assert found["loss/transport"] == pytest.approx(3 * np.array(moved)[counted].mean(), abs=1e-4)

    def test_the_solver_is_on_the_bill(self, toy: ToyPair) -> None:
        said, batch = meeting()
        prepared(toy, "wasserstein_kd").losses(said, batch)
        assert batch.monitor.ledger.ot_iterations > 0

    def test_two_classes_leave_nothing_to_transport(self, toy: ToyPair) -> None:
        bank = toy.bank("class_cond")
        few = bank.labels < 2
        method = load_method("wasserstein_kd")
        two = replace(bank, features=bank.features[few], logits=bank.logits[few, :2], labels=bank.labels[few])
        method.prepare(replace(make.context(two), classes=2))
        said, batch = meeting(student=STUDENT[:, :2], teacher=TEACHER[:, :2], labels=LABELS % 2)
        found = method.losses(said, batch)
        assert float(found["loss/transport"]) == pytest.approx(0, abs=1e-6)
        assert float(found["loss/target"]) > 0


THREE_TO_FOUR = torch.tensor(
    [[0.6, 0.4, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.9, 0.1]], dtype=torch.float64
)


class TestLabelMap:
    @pytest.mark.parametrize(
        ("coverage", "covered"), [(0.05, [0, 1, 2, 3]), (0.5, [0, 1, 2]), (0.7, [1, 2]), (1.0, [1])]
    )
    def test_a_map_between_vocabularies_of_different_size(self, coverage: float, covered: list[int]) -> None:
        teacher = numbers(ROWS, 3, seed=2)
        mapping = label_map(THREE_TO_FOUR, coverage)
        found = mapped_divergence(STUDENT, teacher, mapping, temperature=2.0)
        for row in range(ROWS):
            p = sum(softmax(teacher[row].numpy() / 2)[j] * THREE_TO_FOUR[j].numpy() for j in range(3))
            q = softmax(STUDENT[row].numpy() / 2)
            rest = [k for k in range(CLASSES) if k not in covered]
            both = [[*values[covered], values[rest].sum()] for values in (p, q)]
            assert float(found[row]) == pytest.approx(rel_entr(*map(np.array, both)).sum())

    def test_uncovered_classes_are_left_to_the_student(self) -> None:
        student = STUDENT.clone().requires_grad_()
        mapping = label_map(THREE_TO_FOUR, 0.7)
        assert (mapping.covered.tolist(), mapping.rest.tolist()) == ([1, 2], [0, 3])
        rows = mapped_divergence(student, numbers(ROWS, 3, seed=2), mapping, temperature=1.0)
        (gradient,) = torch.autograd.grad(rows.sum(), student)
        # moving mass between classes 0 and 3 at a constant sum changes their logits by dx / q
        share = torch.softmax(student.detach(), 1)
        torch.testing.assert_close(gradient[:, 0] / share[:, 0], gradient[:, 3] / share[:, 3])
        assert (gradient.abs() > 1e-6).all()

    def test_classes_without_mass_are_no_trouble(self) -> None:
        student = (1e4 * STUDENT).requires_grad_()
        rows = mapped_divergence(
            student, 1e4 * TEACHER[:, :3], label_map(THREE_TO_FOUR, 0.7), temperature=1.0
        )
        (gradient,) = torch.autograd.grad(rows.sum(), student)
        assert rows.isfinite().all()
        assert gradient.isfinite().all()

    @pytest.mark.parametrize("weights", [[[0.5, 0.4], [0.0, 1.0]], [[1.5, -0.5], [0.0, 1.0]]])
    def test_rows_must_be_distributions(self, weights: list[list[float]]) -> None:
        with pytest.raises(ValueError, match="sum to 1"):
            label_map(torch.tensor(weights), 0.1)

    def test_a_confusion_map_is_that_of_scikit_learn(self) -> None:
        logits, labels = numbers(40, 5), torch.arange(40) % 5
        expected = confusion_matrix(logits.argmax(1), labels, normalize="true")
        np.testing.assert_allclose(confusion_map(logits, labels, 5), expected)

    def test_a_class_that_is_never_predicted_stands_for_itself(self) -> None:
        logits = torch.tensor([[2.0, 1.0, 0.0], [0.0, 0.0, 3.0], [1.0, 0.0, 2.0]])
        found = confusion_map(logits, torch.tensor([1, 0, 2]), 3)
        assert found.tolist() == [[0, 1, 0], [0, 1, 0], [0.5, 0, 0.5]]

    def test_identity_is_plain_distillation(self, toy: ToyPair) -> None:
        given: dict[str, Any] = {"matched": SOME}
        mapped = losses(toy, "label_map_kd", {"map": "identity", "temperature": 3.0, "weight": 0.7}, **given)
        plain = losses(toy, "kd", {"temperature": 3.0, "weight": 0.7}, **given)
        assert list(mapped.values()) == pytest.approx(list(plain.values()))

    def test_confusion_sets_a_teacher_right_that_mixes_up_the_names(self, toy: ToyPair) -> None:
        bank, mixed = toy.bank("class_cond"), torch.tensor([2, 0, 3, 1])
        one_hot = 5.0 * is_label(bank.labels, CLASSES)
        method = prepared(toy, "label_map_kd", replace(bank, logits=one_hot[:, mixed]))
        found = method.losses(*meeting(teacher=TEACHER.float()[:, mixed], student=STUDENT.float()))
        plain = losses(toy, "kd", matched=torch.ones(ROWS, dtype=torch.bool))
        assert float(found["loss/mapped"]) == pytest.approx(plain["loss/distillation"], rel=1e-5)

    @pytest.mark.parametrize("name", ["identity", "confusion"])
    def test_a_class_that_the_teacher_has_not_seen_is_not_covered(self, name: str, toy: ToyPair) -> None:
        bank = without_class(without_class(toy.bank("class_cond"), 1), 3)
        method = prepared(toy, "label_map_kd", bank, map=name, weight=1.0, temperature=1.0)
        own, given = numbers(ROWS, CLASSES, seed=1).float().requires_grad_(), TEACHER.float()
        found = method.losses(*meeting(student=own, teacher=given))["loss/mapped"]
        (gradient,) = torch.autograd.grad(found, own)
        q = torch.softmax(own.detach(), 1)
        torch.testing.assert_close(gradient[:, 1] / q[:, 1], gradient[:, 3] / q[:, 3])


class TestSwitchedHead:
    def expected(self, toy: ToyPair, temperature: float) -> tuple[Numbers, Numbers]:
        """Divergences from the partner and cross-entropies, by row, from the head's own weights."""
        bank, features = toy.bank("class_cond"), meeting()[0].features
        bias = bank.head(torch.zeros(1, make.WIDTH))
        weight = bank.head(torch.eye(make.WIDTH)) - bias
        cross = (features.double() @ weight.double() + bias.double()).numpy()
        given = softmax(TEACHER.numpy() / temperature, axis=1)
        copied = rel_entr(given, softmax(cross / temperature, axis=1)).sum(1)
        return temperature**2 * copied, -log_softmax(cross, axis=1)[range(ROWS), LABELS]

    @pytest.mark.parametrize("temperature", [1.0, 3.0])
    @pytest.mark.parametrize("matched", [None, torch.ones(ROWS, dtype=torch.bool), SOME])
    def test_partners_are_copied_and_other_rows_read_as_their_label(
        self, matched: Tensor | None, temperature: float, toy: ToyPair
    ) -> None:
        copied, labelled = self.expected(toy, temperature)
        rows = labelled if matched is None else np.where(matched, copied, labelled)
        settings = {"weight": 0.3, "temperature": temperature}
        found = losses(toy, "switch_head", settings, matched=matched, student=STUDENT)
        assert found["loss/task"] == pytest.approx(cross_entropy())
        assert found["loss/switch"] == pytest.approx(0.3 * rows.mean(), rel=1e-5)

    @pytest.mark.parametrize("matched", [None, LABELS != 1, SOME & (LABELS != 1)])
    def test_labels_that_the_head_has_not_seen_do_not_count(
        self, matched: Tensor | None, toy: ToyPair
    ) -> None:
        copied, labelled = self.expected(toy, 1.0)
        rows = labelled if matched is None else np.where(matched, copied, labelled)
        method = prepared(toy, "switch_head", without_class(toy.bank("class_cond"), 1))
        found = method.losses(*meeting(matched=matched))["loss/switch"]
        assert float(found) == pytest.approx(rows[LABELS != 1].mean(), rel=1e-5)

    @pytest.mark.parametrize("matched", [None, SOME])
    def test_it_moves_features_and_not_the_students_head(self, matched: Tensor | None, toy: ToyPair) -> None:
        said, batch = meeting(matched=matched, student=STUDENT.clone().requires_grad_())
        said = replace(said, features=said.features.clone().requires_grad_())
        found = prepared(toy, "switch_head").losses(said, batch)["loss/switch"]
        features, logits = torch.autograd.grad(found, (said.features, said.logits), allow_unused=True)
        assert (features.abs().sum(1) > 0).all()
        assert logits is None


class TestRowsWithoutPartner:
    @pytest.mark.parametrize("name", [*PAIRED, "switch_head"])
    def test_what_the_teacher_says_beside_them_does_not_count(self, name: str, toy: ToyPair) -> None:
        other = torch.where(SOME.unsqueeze(1), TEACHER, numbers(ROWS, CLASSES, seed=9))
        found = losses(toy, name, teacher=other, matched=SOME)
        assert found == pytest.approx(losses(toy, name, matched=SOME), rel=1e-5)
        assert found != pytest.approx(losses(toy, name, teacher=other, matched=~SOME), rel=1e-3)

    @pytest.mark.parametrize("name", PAIRED)
    def test_they_are_left_to_the_task_loss(self, name: str, toy: ToyPair) -> None:
        student = STUDENT.clone().requires_grad_()
        found = prepared(toy, name).losses(*meeting(student=student, matched=SOME))
        del found["loss/task"]
        (gradient,) = torch.autograd.grad(sum(found.values()), student)
        assert (gradient[~SOME] == 0).all()
        assert (gradient[SOME].abs().sum(1) > 0).all()

    @pytest.mark.parametrize("name", PAIRED)
    def test_a_batch_may_have_no_others(self, name: str, toy: ToyPair) -> None:
        found = losses(toy, name, matched=torch.zeros(ROWS, dtype=torch.bool))
        del found["loss/task"]
        assert set(found.values()) == {0.0}


@pytest.mark.parametrize("name", [*PAIRED, "switch_head"])
def test_wholly_sure_predictions_give_finite_losses_and_gradients(name: str, toy: ToyPair) -> None:
    student, teacher = (1e4 * STUDENT).float().requires_grad_(), (1e4 * TEACHER).float()
    matched = torch.ones(ROWS, dtype=torch.bool)
    method = prepared(toy, name, toy.bank("class_cond"))
    found = method.losses(*meeting(student=student, teacher=teacher, matched=matched))
    (gradient,) = torch.autograd.grad(sum(found.values()), student)
    assert all(value.isfinite() for value in found.values())
    assert gradient.isfinite().all()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, {"temperature": 0.0}) for name in [*PAIRED, "switch_head"]),
        ("dkd", {"alpha": -1.0}), ("dkd", {"beta": -1.0}), ("dkd", {"warm_up": -1}),
        ("rld", {"alpha": -1.0}), ("rld", {"beta": -1.0}), ("rld", {"warm_up": -1}),
        ("rld", {"confidence_temperature": 0.0}), ("dist", {"beta": -1.0}), ("dist", {"gamma": -1.0}),
        ("wasserstein_kd", {"weight": -1.0}), ("wasserstein_kd", {"target_weight": -1.0}),
        ("wasserstein_kd", {"sharpness": 0.0}), ("wasserstein_kd", {"reg": 0.001}),
        ("label_map_kd", {"coverage": 0.0}), ("label_map_kd", {"coverage": 1.1}),
        ("label_map_kd", {"weight": 1.1}), ("label_map_kd", {"map": "guess"}),
        ("switch_head", {"weight": -1.0}),
    ],
)  # fmt: skip
def test_an_impossible_setting_is_refused_by_name(name: str, value: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"settings\.{name}.*{next(iter(value))}"):
        load_method(name, value)
