"""Methods that compare pooled features, row by row or relation by relation, against their formulas."""

from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import approx_fprime
from scipy.spatial.distance import pdist
from scipy.special import huber, log_softmax
from scipy.stats import entropy, norm, ortho_group
from sklearn.metrics import accuracy_score, log_loss
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.preprocessing import normalize
from torch import Tensor, nn
from torch.nn import functional as F

from tests import toy as make
from tests.toy import ToyPair
from ucmkd.errors import ConfigError
from ucmkd.methods.base import (
    Batch,
    Context,
    Method,
    Outputs,
    TeacherBank,
    TeacherRows,
    load_method,
    method_class,
)
from ucmkd.methods.norm import Method as Norm
from ucmkd.methods.shared.contrastive import supervised_contrast
from ucmkd.methods.shared.memory_contrast import Memory, negative_counts
from ucmkd.methods.shared.relations import angle_loss, distance_loss, neighbour_divergence, similarity_loss

ROWS, POOL, BANK = 9, 20, 15
ALL = [True] * ROWS
SOME = [True, False, True, True, False, True, True, False, True]
NONE = [False] * ROWS
RELATIONS = {
    "sp": similarity_loss,
    "pkt": neighbour_divergence,
    "distance": distance_loss,
    "angle": angle_loss,
}
CORRESPONDING = ["fitnet", "sp", "rkd", "pkt", "vid", "crd", "norm"]
WITH_AUXILIARY = ["fitnet", "vid", "crd", "supcon_x", "norm"]
Array = np.ndarray[Any, Any]


def numbers(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def a_context(seed: int = 0) -> Context:
    labels = torch.arange(BANK) % 4
    bank = TeacherBank(
        numbers(BANK, make.WIDTH, seed=3), numbers(BANK, 4, seed=4), labels, lambda f: f[:, :4]
    )
    return replace(make.context(bank, seed=seed), samples=POOL)


def a_batch(matched: list[bool] | None, seed: int = 1) -> Batch:
    """Student rows that meet as many rows of the bank; their positions are not the same on the two sides."""
    rows = torch.randperm(BANK, generator=torch.Generator().manual_seed(seed))[:ROWS]
    own = torch.randperm(POOL, generator=torch.Generator().manual_seed(seed + 50))[:ROWS]
    bank = a_context().teacher
    assert bank is not None
    mask = None if matched is None else torch.tensor(matched)
    teacher = TeacherRows(bank.features[rows], bank.logits[rows], bank.labels[rows], mask, rows)
    return replace(make.batch(numbers(ROWS, 5, seed=5), bank.labels[rows], teacher), rows=own)


def a_student(seed: int = 2) -> Outputs:
    """Features as leaves, and a linear head that reads them."""
    features = numbers(ROWS, make.WIDTH, seed=seed).requires_grad_()
    weight, bias = numbers(4, make.WIDTH, seed=6), numbers(4, seed=7)

    def head(inputs: Tensor) -> Tensor:
        return F.linear(inputs, weight, bias)

    return Outputs(features, head(features), head=head)


def prepared(name: str, **settings: Any) -> tuple[Method[Any], nn.Module | None]:
    method = load_method(name, settings)
    return method, method.prepare(a_context())


def term(losses: dict[str, Tensor]) -> Tensor:
    """What a method adds to the task loss."""
    return torch.stack([value for name, value in losses.items() if name != "loss/task"]).sum()


def value(losses: dict[str, Tensor]) -> float:
    """The same as a number."""
    return float(term(losses).detach())


def arrays(student: Outputs, batch: Batch, matched: list[bool]) -> tuple[Array, Array]:
    """The rows that correspond, in double precision."""
    assert batch.teacher is not None
    keep = np.array(matched)
    both = (student.features.detach(), batch.teacher.features)
    return both[0].double().numpy()[keep], both[1].double().numpy()[keep]


def through(layer: nn.Module, rows: Array) -> Array:
    """A linear layer, in double precision."""
    weights = {name: value.detach().double().numpy() for name, value in layer.named_parameters()}
    return np.asarray(rows @ weights["weight"].T + weights["bias"])


def similarity(student: Array, teacher: Array) -> float:
    difference = normalize(student @ student.T) - normalize(teacher @ teacher.T)
    return float(np.linalg.norm(difference) ** 2 / len(student) ** 2)


def relative_distances(student: Array, teacher: Array) -> float:
    own, other = (pdist(rows) / pdist(rows).mean() for rows in (student, teacher))
    return float(huber(1.0, own - other).mean())


def angles(student: Array, teacher: Array) -> float:
    def cosine(rows: Array, i: int, j: int, k: int) -> float:
        one, other = rows[i] - rows[j], rows[k] - rows[j]
        return float(one @ other / np.sqrt((one @ one) * (other @ other)))

    triplets = list(permutations(range(len(student)), 3))
    return float(np.mean([huber(1.0, cosine(student, *t) - cosine(teacher, *t)) for t in triplets]))


def neighbours(student: Array, teacher: Array) -> float:
    def others(rows: Array, i: int) -> Array:
        return np.asarray(np.delete((cosine_similarity(rows)[i] + 1) / 2, i))

    count = len(student)
    return float(sum(entropy(others(teacher, i), others(student, i)) for i in range(count)) / count**2)


REFERENCE = {"sp": similarity, "pkt": neighbours, "distance": relative_distances, "angle": angles}


@pytest.mark.parametrize("matched", [ALL, SOME], ids=["all", "some"])
class TestFormulas:
    """Each against another implementation, which is given the corresponding rows alone."""

    @pytest.mark.parametrize(("name", "weight"), [("sp", 3000.0), ("pkt", 30000.0)])
    def test_similarity_and_neighbours(self, name: str, weight: float, matched: list[bool]) -> None:
        method, _ = prepared(name)
        student, batch = a_student(), a_batch(matched)
        expected = weight * REFERENCE[name](*arrays(student, batch, matched))
        assert value(method.losses(student, batch)) == pytest.approx(expected, rel=1e-4)

    def test_relations_of_two_and_of_three(self, matched: list[bool]) -> None:
        method, _ = prepared("rkd")
        student, batch = a_student(), a_batch(matched)
        rows = arrays(student, batch, matched)
        found = {key: part.detach() for key, part in method.losses(student, batch).items()}
        assert float(found["loss/distance"]) == pytest.approx(25 * relative_distances(*rows), rel=1e-4)
        assert float(found["loss/angle"]) == pytest.approx(50 * angles(*rows), rel=1e-4)

    @pytest.mark.parametrize("regressor", ["linear", "none"])
    def test_hints(self, regressor: str, matched: list[bool]) -> None:
        method, layer = prepared("fitnet", regressor=regressor)
        student, batch = a_student(), a_batch(matched)
        own, other = arrays(student, batch, matched)
        own = through(layer, own) if isinstance(layer, nn.Linear) else own
        expected = 100 * ((own - other) ** 2).mean()
        assert isinstance(layer, nn.Linear) == (regressor == "linear")
        assert value(method.losses(student, batch)) == pytest.approx(expected, rel=1e-4)

    def test_likelihood(self, matched: list[bool]) -> None:
        method, model = prepared("vid", initial_variance=0.7, weight=2.0)
        assert model is not None
        student, batch = a_student(), a_batch(matched)
        own, other = arrays(student, batch, matched)
        mean = through(model.get_submodule("mean"), own)
        expected = -norm.logpdf(other, mean, np.sqrt(0.7)).mean() - np.log(2 * np.pi) / 2
        assert value(method.losses(student, batch)) == pytest.approx(2 * expected, rel=1e-4)

    def test_matching_of_segments(self, matched: list[bool]) -> None:
        method, pair = prepared("norm", segments=3, weight=0.5)
        assert pair is not None
        student, batch = a_student(), a_batch(matched)
        own, other = arrays(student, batch, matched)
        expanded = through(pair.get_submodule("expand"), own)
        parts = [expanded[:, part * make.WIDTH : (part + 1) * make.WIDTH] for part in range(3)]
        expected = sum(((part - other) ** 2).mean() for part in parts)
        assert value(method.losses(student, batch)) == pytest.approx(0.5 * expected, rel=1e-4)

    @pytest.mark.parametrize("negatives", [16384, 5])
    def test_contrast_with_a_memory_over_two_steps(self, negatives: int, matched: list[bool]) -> None:
        method, module = prepared("crd", negatives=negatives, dimensions=6)
        assert module is not None
        mirror = Mirror(module, negatives, seed_of(negatives))
        method._draw = seed_of(negatives)  # type: ignore[attr-defined]
        for step in range(2):
            student, batch = a_student(seed=20 + step), a_batch(matched, seed=step)
            expected = mirror.step(student, batch, matched)
            found = term(method.losses(student, batch))
            found.backward()
            assert float(found.detach()) == pytest.approx(0.8 * expected, rel=1e-4)


def seed_of(negatives: int) -> torch.Generator:
    return torch.Generator().manual_seed(negatives)


class Mirror:
    """Noise-contrastive estimation as in the paper, one anchor and one negative at a time."""

    def __init__(self, module: nn.Module, negatives: int, draw: torch.Generator) -> None:
        self.module, self.negatives, self.draw = module, negatives, draw
        self.memory = {
            side: module.get_buffer(f"{side}.entries").double().numpy().copy()
            for side in ("students", "teachers")
        }
        self.constant: dict[str, float] = {}

    def step(self, student: Outputs, batch: Batch, matched: list[bool]) -> float:
        assert batch.teacher is not None
        assert batch.teacher.rows is not None
        assert batch.rows is not None
        own, other = arrays(student, batch, ALL)
        own = normalize(through(self.module.get_submodule("embed.student"), own))
        other = normalize(through(self.module.get_submodule("embed.teacher"), other))
        at, beside = batch.rows.tolist(), batch.teacher.rows.tolist()
        rows = self.against("teachers", own, beside) + self.against("students", other, at)
        for side, embedded, places in (("students", own, at), ("teachers", other, beside)):
            self.memory[side][places] = normalize(0.5 * self.memory[side][places] + 0.5 * embedded)
        return float(rows[np.array(matched)].mean())

    def against(self, side: str, anchors: Array, rows: list[int]) -> Array:
        memory = self.memory[side]
        drawn = negative_counts(torch.tensor(rows), len(memory), self.negatives, self.draw).int().tolist()
        exponentials = np.exp(anchors @ memory.T / 0.07)
        constant = self.constant.setdefault(side, float(exponentials.mean()))
        losses = []
        for i, row in enumerate(rows):
            count = sum(drawn[i])
            chance = exponentials[i] / constant / (exponentials[i] / constant + count)
            wrong = [np.log(1 - chance[j]) for j in range(len(memory)) for _ in range(drawn[i][j])]
            losses.append(-np.log(chance[row]) - sum(wrong))
        return np.array(losses)


class TestRelations:
    @pytest.mark.parametrize("name", list(RELATIONS))
    @pytest.mark.parametrize("side", [0, 1])
    def test_either_space_may_be_rotated_but_not_sheared(self, name: str, side: int) -> None:
        spaces = [numbers(ROWS, 6, seed=10).double(), numbers(ROWS, 6, seed=11).double()]
        before = RELATIONS[name](*spaces, torch.tensor(SOME))
        turn = torch.from_numpy(ortho_group(6, seed=0).rvs())
        turned, sheared = list(spaces), list(spaces)
        turned[side], sheared[side] = spaces[side] @ turn, spaces[side] * torch.arange(1, 7)
        assert float(RELATIONS[name](*turned, torch.tensor(SOME))) == pytest.approx(float(before), rel=1e-9)
        assert float(RELATIONS[name](*sheared, torch.tensor(SOME))) != pytest.approx(float(before), rel=1e-2)

    @pytest.mark.parametrize("name", ["sp", "rkd", "pkt"])
    def test_a_student_that_is_the_teacher_turned_and_scaled_has_nothing_to_learn(self, name: str) -> None:
        method, _ = prepared(name)
        batch = a_batch(SOME)
        assert batch.teacher is not None
        turn = torch.from_numpy(ortho_group(make.WIDTH, seed=0).rvs()).float()
        student = a_student()
        copy = replace(student, features=3.0 * batch.teacher.features @ turn)
        found, other = (value(method.losses(outputs, batch)) for outputs in (copy, student))
        assert abs(found) < 1e-3 * other

    @pytest.mark.parametrize("name", ["distance", "angle"])
    def test_distances_and_angles_may_be_shifted_and_scaled_too(self, name: str) -> None:
        student, teacher = numbers(ROWS, 6, seed=10).double(), numbers(ROWS, 6, seed=11).double()
        before = float(RELATIONS[name](student, teacher, torch.tensor(ALL)))
        after = float(RELATIONS[name](student, 5 * teacher + 2, torch.tensor(ALL)))
        assert after == pytest.approx(before, rel=1e-9)

    @pytest.mark.parametrize("name", list(RELATIONS))
    def test_the_gradient_is_that_of_finite_differences(self, name: str) -> None:
        student = numbers(6, 4, seed=12).double().requires_grad_()
        teacher, matched = numbers(6, 3, seed=13).double(), torch.tensor(SOME[:6])

        def loss(flat: Array) -> float:
            return float(RELATIONS[name](torch.from_numpy(flat).view(6, 4), teacher, matched))

        (gradient,) = torch.autograd.grad(RELATIONS[name](student, teacher, matched), student)
        estimate = approx_fprime(student.detach().flatten().numpy(), loss, 1e-7)
        assert np.allclose(gradient.flatten().numpy(), estimate, atol=1e-6)
        assert gradient.abs().max() > 1e-4

    @pytest.mark.parametrize("name", list(RELATIONS))
    @pytest.mark.parametrize(
        "matched", [ALL, SOME, NONE, [True, *NONE[1:]]], ids=["all", "some", "none", "one"]
    )
    @pytest.mark.parametrize(
        "rows", [torch.zeros(ROWS, 4), torch.ones(ROWS, 4), torch.eye(2, 4).repeat(5, 1)[:ROWS]]
    )
    def test_equal_and_empty_rows_give_numbers(self, name: str, matched: list[bool], rows: Tensor) -> None:
        student = rows.clone().requires_grad_()
        loss = RELATIONS[name](student, rows.flip(0), torch.tensor(matched))
        (gradient,) = torch.autograd.grad(loss, student)
        assert loss.isfinite()
        assert gradient.isfinite().all()

    @pytest.mark.parametrize(("kept", "left_out"), [("distance", "angle"), ("angle", "distance")])
    def test_a_weight_of_zero_leaves_a_term_out(self, kept: str, left_out: str) -> None:
        method, _ = prepared("rkd", **{f"{left_out}_weight": 0.0})
        both, _ = prepared("rkd")
        student, batch = a_student(), a_batch(SOME)
        found, all_terms = method.losses(student, batch), both.losses(student, batch)
        assert set(found) == {"loss/task", f"loss/{kept}"}
        assert torch.equal(found[f"loss/{kept}"], all_terms[f"loss/{kept}"])


@pytest.mark.parametrize("name", CORRESPONDING)
class TestCorrespondence:
    def test_rows_without_a_partner_are_taught_nothing(self, name: str) -> None:
        method, _ = prepared(name)
        student = a_student()
        (gradient,) = torch.autograd.grad(term(method.losses(student, a_batch(SOME))), student.features)
        assert (gradient.abs().sum(1) > 0).tolist() == SOME

    def test_a_batch_without_any_partner_teaches_nothing(self, name: str) -> None:
        method, _ = prepared(name)
        student = a_student()
        loss = term(method.losses(student, a_batch(NONE)))
        (gradient,) = torch.autograd.grad(loss, student.features)
        assert not loss.detach()
        assert gradient.isfinite().all()
        assert not gradient.any()

    def test_not_being_told_which_rows_correspond_is_an_error(self, name: str) -> None:
        method, _ = prepared(name)
        with pytest.raises(TypeError, match="correspond"):
            method.losses(a_student(), a_batch(None))


@pytest.mark.parametrize("name", [*CORRESPONDING, "supcon_x"])
def test_student_and_auxiliary_parts_are_taught_and_the_teacher_is_not(name: str) -> None:
    method, auxiliary = prepared(name)
    student, batch = a_student(), a_batch(ALL)
    assert batch.teacher is not None
    batch.teacher.features.requires_grad_()
    torch.stack(list(method.losses(student, batch).values())).sum().backward()
    assert batch.teacher.features.grad is None
    assert student.features.grad is not None
    assert student.features.grad.any()
    if auxiliary is not None:
        assert all(value.grad is not None and value.grad.any() for value in auxiliary.parameters())


@pytest.mark.parametrize("name", WITH_AUXILIARY)
def test_auxiliary_parts_depend_on_the_methods_own_numbers_alone(name: str) -> None:
    state = torch.get_rng_state()
    first, again, other = (load_method(name).prepare(a_context(seed)) for seed in (3, 3, 4))
    assert torch.equal(state, torch.get_rng_state())
    assert first is not None
    assert again is not None
    assert other is not None
    pairs = zip(first.state_dict().values(), again.state_dict().values(), strict=True)
    assert all(torch.equal(one, two) for one, two in pairs)
    named = zip(first.state_dict().items(), other.state_dict().values(), strict=True)
    assert not any(torch.equal(one, two) for (key, one), two in named if key != "raw_variance")


def test_without_a_regressor_hints_average_to_prototypes() -> None:
    """The mean gradient over all teacher rows of a class is the gradient towards their mean."""
    bank = a_context().teacher
    assert bank is not None
    student = a_student()
    labels = torch.arange(ROWS) % 4
    method, _ = prepared("fitnet", regressor="none", weight=1.0)
    prototypes, _ = prepared("proto_mse", weight=1.0)
    expected = torch.autograd.grad(
        term(prototypes.losses(student, make.batch(student.features, labels, None))), student.features
    )[0]
    total = torch.zeros(ROWS, make.WIDTH)
    for row in range(BANK):
        one = [row] * ROWS
        teacher = TeacherRows(bank.features[one], bank.logits[one], bank.labels[one], torch.tensor(ALL))
        loss = term(method.losses(student, make.batch(student.features, labels, teacher)))
        (gradient,) = torch.autograd.grad(loss, student.features, retain_graph=True)
        count = int((bank.labels == bank.labels[row]).sum())
        total += gradient / count * (labels == bank.labels[row]).unsqueeze(1)
    assert torch.allclose(total, expected, atol=1e-6)


def test_the_learned_variance_settles_at_the_mean_squared_residual() -> None:
    method, model = prepared("vid")
    assert model is not None
    student, batch = a_student(), a_batch(SOME)
    own, other = arrays(student, batch, SOME)
    residual = ((through(model.get_submodule("mean"), own) - other) ** 2).mean(0)
    raw = model.get_parameter("raw_variance")
    with torch.no_grad():
        raw.copy_(torch.from_numpy(np.log(np.expm1(residual - 1e-5))))
    (gradient,) = torch.autograd.grad(term(method.losses(student, batch)), raw)
    assert gradient.abs().max() < 1e-6


class TestMemory:
    @pytest.mark.parametrize(
        ("size", "negatives", "drawn"), [(30, 8, 8), (30, 29, 29), (30, 100, 29), (2, 5, 1)]
    )
    def test_negatives_are_others_and_as_many_as_there_can_be(
        self, size: int, negatives: int, drawn: int
    ) -> None:
        rows = torch.arange(20) % size
        counts = negative_counts(rows, size, negatives, torch.Generator().manual_seed(0))
        assert counts.shape == (20, size)
        assert not counts.gather(1, rows.unsqueeze(1)).any()
        assert (counts.sum(1) == drawn).all()

    def test_every_other_entry_is_drawn_equally_often(self) -> None:
        rows = torch.tensor([0, 3, 5]).repeat(3000)
        counts = negative_counts(rows, 6, 4, torch.Generator().manual_seed(0)).view(3000, 3, 6).mean(0)
        expected = torch.full((3, 6), 4 / 5)
        expected[[0, 1, 2], [0, 3, 5]] = 0
        spread = (4 * (1 / 5) * (4 / 5) / 3000) ** 0.5
        assert (counts - expected).abs().max() < 5 * spread

    def test_entries_follow_their_samples_on_the_sphere_and_others_stay(self) -> None:
        memory = Memory(7, 4)
        before, rows = memory.entries.clone(), torch.tensor([5, 1])
        embedded = F.normalize(numbers(2, 4, seed=0), dim=1)
        memory.follow(embedded, rows, 0.25)
        expected = before.clone()
        for number, row in enumerate(rows):
            moved = 0.25 * before[row] + 0.75 * embedded[number]
            expected[row] = moved / moved.norm()
        assert torch.allclose(memory.entries, expected, atol=1e-6)
        assert torch.equal(memory.entries[[0, 2, 3, 4, 6]], before[[0, 2, 3, 4, 6]])

    def test_the_memory_is_as_large_as_the_pools_and_is_not_trained(self) -> None:
        _, module = prepared("crd")
        assert module is not None
        assert module.get_buffer("students.entries").shape == (POOL, 128)
        assert module.get_buffer("teachers.entries").shape == (BANK, 128)
        assert {name for name, _ in module.named_parameters()} == {
            f"embed.{side}.{part}" for side in ("student", "teacher") for part in ("weight", "bias")
        }

    def test_not_being_told_the_positions_is_an_error(self) -> None:
        method, _ = prepared("crd")
        with pytest.raises(TypeError, match="rows of the pools"):
            method.losses(a_student(), replace(a_batch(ALL), rows=None))


class TestSupervisedContrast:
    @staticmethod
    def reference(similarities: Array, labels: list[int], candidates: list[int]) -> float:
        rows = []
        for i, label in enumerate(labels):
            own = [j for j, other in enumerate(candidates) if other == label]
            if own:
                rows.append(-log_softmax(similarities[i])[own].mean())
        return float(np.mean(rows))

    def test_it_is_the_mean_of_both_directions_over_anchors_with_a_positive(self) -> None:
        method, embed = prepared("supcon_x", temperature=0.5, weight=3.0)
        assert embed is not None
        batch, student = a_batch(None), a_student()
        assert batch.teacher is not None
        labels = [0, 0, 1, 1, 1, 3, 3, 0, 3]
        met = replace(
            batch.teacher, features=numbers(5, make.WIDTH, seed=9), labels=torch.tensor([0, 1, 2, 2, 1])
        )
        own = normalize(through(embed.get_submodule("student"), student.features.detach().double().numpy()))
        other = normalize(through(embed.get_submodule("teacher"), met.features.double().numpy()))
        similarities = own @ other.T / 0.5
        expected = (
            self.reference(similarities, labels, met.labels.tolist())
            + self.reference(similarities.T, met.labels.tolist(), labels)
        ) / 2
        found = method.losses(student, replace(batch, labels=torch.tensor(labels), teacher=met))
        assert float(found["loss/contrast"].detach()) == pytest.approx(3 * expected, rel=1e-4)

    def test_the_order_of_the_teacher_rows_and_which_correspond_do_not_matter(self) -> None:
        method, _ = prepared("supcon_x")
        batch, student = a_batch(SOME), a_student()
        assert batch.teacher is not None
        turned = replace(
            batch.teacher,
            features=batch.teacher.features.flip(0),
            labels=batch.teacher.labels.flip(0),
            matched=None,
        )
        found = (term(method.losses(student, given)) for given in (batch, replace(batch, teacher=turned)))
        assert torch.allclose(*found)

    def test_batches_without_a_common_class_teach_nothing(self) -> None:
        similarities = numbers(4, 3, seed=0).requires_grad_()
        loss = supervised_contrast(similarities, torch.zeros(4, 3, dtype=torch.bool))
        (gradient,) = torch.autograd.grad(loss, similarities)
        assert not loss.detach()
        assert not gradient.any()


class Watched(Norm):
    """Keeps hold of its linear pair."""

    def prepare(self, context: Context) -> nn.Module | None:
        self.pair = super().prepare(context)
        return self.pair


class TestNorm:
    @staticmethod
    def unfolded(pair: nn.Module, head: Any, features: Tensor) -> Tensor:
        expanded = pair.get_submodule("expand")(features)
        logits: Tensor = head(features + pair.get_submodule("contract")(expanded))
        return logits

    def test_the_task_loss_is_that_of_the_feature_with_what_the_pair_adds(self) -> None:
        method, pair = prepared("norm")
        assert pair is not None
        student, batch = a_student(), a_batch(ALL)
        logits = self.unfolded(pair, student.head, student.features)
        found = method.losses(student, batch)["loss/task"]
        assert torch.allclose(found, F.cross_entropy(logits, batch.labels), rtol=1e-5)

    def test_the_folded_head_says_what_the_head_after_the_pair_says(self) -> None:
        method, pair = prepared("norm", segments=2)
        assert pair is not None
        network = make.network()
        params = dict(network.named_parameters())
        folded = method.fold(params, pair)
        features = numbers(ROWS, make.WIDTH, seed=0)
        expected = self.unfolded(pair, network.head, features)
        found = F.linear(features, folded["head.weight"], folded["head.bias"])
        assert torch.allclose(found, expected, atol=1e-5)
        assert not torch.allclose(found, network.head(features), atol=1e-2)
        assert {name: value.shape for name, value in folded.items()} == {
            name: value.shape for name, value in params.items()
        }
        assert all(folded[name] is params[name] for name in params if not name.startswith("head."))

    def test_weights_that_are_kept_score_what_the_network_with_the_pair_scores(self, toy: ToyPair) -> None:
        method, trained = Watched(Norm.Settings()), make.network()
        supply = toy.supply(needs=method.needs.teacher)
        fitted = toy.runner(method, student=trained, supply=supply, epochs=3, evaluations=1).fit()
        assert method.pair is not None
        kept = make.network(seed=9)
        kept.load_state_dict(fitted.state, strict=True)
        inputs = supply.validation[np.arange(len(supply.validation))]
        with torch.no_grad():
            expected = self.unfolded(method.pair, trained.head, trained.eval()(inputs).features)
            found = kept.eval()(inputs).logits
        assert torch.allclose(found, expected, atol=1e-4)
        probabilities = torch.softmax(expected.double(), 1).numpy()
        truth = supply.validation_labels
        assert fitted.validation["accuracy"] == pytest.approx(accuracy_score(truth, probabilities.argmax(1)))
        assert fitted.validation["nll"] == pytest.approx(log_loss(truth, probabilities), rel=1e-4)
        assert log_loss(truth, torch.softmax(trained(inputs).logits.detach().double(), 1)) != pytest.approx(
            log_loss(truth, probabilities), rel=1e-3
        )

    def test_a_head_that_reads_something_else_is_refused(self) -> None:
        method, _ = prepared("norm")
        with pytest.raises(ConfigError, match="set project to student"):
            method.losses(replace(a_student(), head=None), a_batch(ALL))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, {"weight": -1.0}) for name in (*WITH_AUXILIARY, "sp", "pkt")),
        ("sp", {"weight": float("nan")}), ("fitnet", {"regressor": "cubic"}),
        ("rkd", {"distance_weight": -1.0}), ("rkd", {"angle_weight": -1.0}),
        ("rkd", {"distance_weight": 0.0, "angle_weight": 0.0}), ("vid", {"initial_variance": 0.0}),
        ("crd", {"negatives": 0}), ("crd", {"momentum": 1.0}), ("crd", {"momentum": -0.1}),
        ("crd", {"dimensions": 0}), ("supcon_x", {"temperature": 0.0}), ("norm", {"segments": 0}),
    ],
)  # fmt: skip
def test_an_impossible_setting_is_refused_by_name(name: str, value: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"settings\.{name}.*{next(iter(value))}"):
        load_method(name, value)


@pytest.mark.parametrize(
    ("name", "correspondence", "labels"),
    [*((name, "instance" if name == "crd" else "class", False) for name in CORRESPONDING),
     ("supcon_x", "none", True)],
)  # fmt: skip
def test_what_each_consumes_is_declared(name: str, correspondence: str, labels: bool) -> None:
    cls = method_class(name)
    assert cls.needs.teacher == {"features"}
    assert cls.needs.correspondence == correspondence
    assert cls.needs.student_labels == cls.needs.teacher_labels == labels
    assert cls.fallback is None
