"""Methods on feature maps against their formulas, written out by place and by channel."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from tests.toy import ToyPair
from ucmkd.errors import ConfigError
from ucmkd.methods.at import attention
from ucmkd.methods.base import Batch, Context, Method, Outputs, load_method
from ucmkd.methods.nst import selectivity_discrepancy
from ucmkd.methods.ofd import margins, partial_distance
from ucmkd.methods.review_kd import context_loss
from ucmkd.methods.shared.feature_maps import at_smaller_size, paired_levels, resized

ROWS = 12
NAMES = ("at", "nst", "fitnet_maps", "ofd", "review_kd")
TRAINED_ALONG = ("fitnet_maps", "ofd", "review_kd")
Array = NDArray[np.float64]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def array(values: Tensor) -> Array:
    return values.detach().double().numpy()


def averaged(maps: Array, height: int, width: int) -> Array:
    """Average over even cells; a cell takes every place that it covers a part of."""
    rows, columns = maps.shape[-2:]
    found = np.zeros((*maps.shape[:-2], height, width))
    for i in range(height):
        for j in range(width):
            top, bottom = i * rows // height, math.ceil((i + 1) * rows / height)
            left, right = j * columns // width, math.ceil((j + 1) * columns / width)
            found[..., i, j] = maps[..., top:bottom, left:right].mean((-2, -1))
    return found


def prepared(name: str, context: Context, **settings: Any) -> tuple[Method[Any], torch.nn.Module | None]:
    method = load_method(name, settings)
    auxiliary = method.prepare(context)
    return method, None if auxiliary is None else auxiliary.train()


def distillation(method: Method[Any], said: Outputs, batch: Batch) -> Tensor:
    """Give the one term beside the task loss."""
    losses = method.losses(said, batch)
    (name,) = losses.keys() - {"loss/task"}
    return losses[name]


def matching(batch: Batch, matched: Tensor | None) -> Batch:
    assert batch.teacher is not None
    return replace(batch, teacher=replace(batch.teacher, matched=matched))


class TestLevels:
    def test_are_paired_from_the_deepest_backwards(self) -> None:
        assert paired_levels("ab", "123") == [("a", "2"), ("b", "3")]
        assert paired_levels("abc", "1") == [("c", "1")]
        assert paired_levels("ab", "12") == [("a", "1"), ("b", "2")]

    @pytest.mark.parametrize("size", [(2, 2), (3, 5), (1, 1), (7, 4), (10, 13)])
    def test_are_averaged_over_even_cells(self, size: tuple[int, int]) -> None:
        maps = noise(2, 3, 7, 10)
        np.testing.assert_allclose(array(resized(maps, size)), averaged(array(maps), *size), atol=1e-12)

    def test_meet_at_the_smaller_height_and_the_smaller_width(self) -> None:
        one, other = at_smaller_size(noise(2, 3, 4, 9), noise(2, 5, 6, 2))
        assert (one.shape, other.shape) == ((2, 3, 4, 2), (2, 5, 4, 2))


@pytest.fixture(scope="module")
def maps(pictures: ToyPair) -> tuple[Outputs, Batch]:
    """What an untrained student and its teacher show of the same instances."""
    return pictures.outputs(ROWS), pictures.batch(ROWS, met=ROWS)


@pytest.mark.parametrize("power", [1.0, 2.0, 4.0])
def test_attention_is_compared_at_unit_length(power: float, maps: tuple[Outputs, Batch]) -> None:
    said, batch = maps
    assert batch.teacher is not None
    expected = 0.0
    for own, target in zip(said.maps, batch.teacher.maps[1:], strict=True):
        height, width = min(own.shape[2], target.shape[2]), min(own.shape[3], target.shape[3])
        for i in range(ROWS):
            energies = []
            for side in (array(own[i]), array(target[i])):
                energy = (np.abs(averaged(side, height, width)) ** power).sum(0).ravel()
                energies.append(energy / np.linalg.norm(energy))
            expected += float(np.mean((energies[0] - energies[1]) ** 2)) / ROWS
    method, _ = prepared("at", Context(4, 8, None, torch.Generator()), weight=30.0, power=power)
    assert distillation(method, said, batch).item() == pytest.approx(30 * expected, rel=1e-4)


def test_attention_depends_on_neither_the_scale_nor_the_order_of_channels() -> None:
    maps = noise(3, 6, 4, 5)
    again = attention(-2.5 * maps[:, [3, 1, 5, 0, 2, 4]], 2.0)
    np.testing.assert_allclose(attention(maps, 2.0), again, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_silent_channels_leave_gradients_finite(name: str, pictures: ToyPair) -> None:
    """A rectifier that never opens gives maps that are zero throughout."""
    context = pictures.context(load_method(name))
    silent = tuple(torch.zeros(ROWS, *shape, requires_grad=True) for shape in context.student_maps)
    said = replace(pictures.outputs(ROWS), maps=silent, preactivations=silent)
    method, _ = prepared(name, context)
    loss = distillation(method, said, pictures.batch(ROWS, met=ROWS))
    gradients = torch.autograd.grad(loss, silent, allow_unused=name == "fitnet_maps")
    assert all(gradient is None or gradient.isfinite().all() for gradient in gradients)


class TestSelectivity:
    def test_is_the_squared_distance_of_mean_embeddings(self) -> None:
        """The quadratic kernel is the inner product of all products of two entries."""
        own, target = noise(3, 5, 2, 3), noise(3, 4, 2, 3, seed=1)
        expected = []
        for i in range(3):
            embeddings = []
            for side in (array(own[i]), array(target[i])):
                rows = [channel.ravel() / np.linalg.norm(channel) for channel in side]
                embeddings.append(np.mean([np.outer(row, row) for row in rows], axis=0))
            expected.append(((embeddings[0] - embeddings[1]) ** 2).sum())
        np.testing.assert_allclose(array(selectivity_discrepancy(own, target)), expected, rtol=1e-9)

    def test_is_zero_for_the_same_channels_in_another_order_scale_and_sign(self) -> None:
        maps = noise(3, 5, 2, 3)
        scales = torch.tensor([1.0, -2.0, 0.5, 3.0, -1.0]).view(1, -1, 1, 1)
        again = (scales * maps)[:, [3, 1, 4, 0, 2]]
        np.testing.assert_allclose(selectivity_discrepancy(again, maps), np.zeros(3), atol=1e-12)

    def test_is_added_up_over_levels(self, maps: tuple[Outputs, Batch]) -> None:
        said, batch = maps
        assert batch.teacher is not None
        parts = [
            selectivity_discrepancy(*at_smaller_size(own, target)).mean()
            for own, target in zip(said.maps, batch.teacher.maps[1:], strict=True)
        ]
        method, _ = prepared("nst", Context(4, 8, None, torch.Generator()), weight=7.0)
        assert distillation(method, said, batch).item() == pytest.approx(
            7 * sum(part.item() for part in parts), rel=1e-5
        )


def normalised(responses: Array) -> Array:
    """Batch normalisation with its first weights, in training mode."""
    centred = responses - responses.mean((0, 2, 3), keepdims=True)
    found: Array = centred / np.sqrt(responses.var((0, 2, 3), keepdims=True) + 1e-5)
    return found


def parameter(module: torch.nn.Module | None, name: str) -> Array:
    assert module is not None
    return array(dict(module.named_parameters())[name])


def test_fitnet_regresses_the_middle_level(pictures: ToyPair) -> None:
    """Of two pairs of levels the deeper one."""
    said, batch = pictures.outputs(ROWS), pictures.batch(ROWS, met=ROWS)
    assert batch.teacher is not None
    method, regressor = prepared("fitnet_maps", pictures.context(load_method("fitnet_maps")), weight=2.0)
    target = array(batch.teacher.maps[2])
    own = averaged(array(said.maps[1]), *target.shape[2:])
    weight = parameter(regressor, "0.weight")[:, :, 0, 0]
    regressed = np.maximum(normalised(np.einsum("oc,nchw->nohw", weight, own)), 0)
    expected = 2 * ((regressed - target) ** 2).mean()
    assert distillation(method, said, batch).item() == pytest.approx(expected, rel=1e-4)


class TestOverhaul:
    def test_leaves_alone_what_is_below_a_suppressed_target(self) -> None:
        own = torch.tensor([-2.0, -0.5, 1.0, -3.0, 2.0]).view(1, 1, 1, 5)
        target = torch.tensor([-1.0, -1.0, -1.0, 0.5, 0.5]).view(1, 1, 1, 5)
        assert partial_distance(own, target).tolist() == [0 + 0.25 + 4.0 + 12.25 + 2.25]

    def test_margins_are_those_of_a_gaussian_for_gaussian_responses(self) -> None:
        """E[x | x < 0] by the closed form that the authors take from batch normalisation."""
        mean, spread = torch.tensor([0.5, -1.0, 0.0]), torch.tensor([1.0, 2.0, 0.3])
        responses = mean.view(-1, 1, 1) + spread.view(-1, 1, 1) * noise(400, 3, 16, 16)
        ratio = array(mean / spread)
        density = np.exp(-(ratio**2) / 2) / np.sqrt(2 * np.pi)
        below = np.array([0.5 * math.erfc(value / math.sqrt(2)) for value in ratio])
        expected = array(mean) - array(spread) * density / below
        np.testing.assert_allclose(array(margins(responses, None)).ravel(), expected, rtol=0.02)

    def test_margins_are_zero_where_nothing_is_negative_and_heed_matched_rows_alone(self) -> None:
        responses = torch.tensor([[[[1.0, 3.0]], [[-1.0, 2.0]]], [[[-8.0, 1.0]], [[-5.0, 1.0]]]])
        assert margins(responses, torch.tensor([True, False])).flatten().tolist() == [0.0, -1.0]
        assert margins(responses, None).flatten().tolist() == [-8.0, -3.0]

    def test_halves_the_weight_of_each_shallower_level(self, pictures: ToyPair) -> None:
        said, batch = pictures.outputs(ROWS), pictures.batch(ROWS, met=ROWS)
        assert batch.teacher is not None
        method, regressors = prepared("ofd", pictures.context(load_method("ofd")), weight=0.5)
        expected = 0.0
        levels = zip(said.preactivations, batch.teacher.preactivations[1:], strict=True)
        for level, (own, target) in enumerate(levels):
            wanted = array(target)
            for channel in range(wanted.shape[1]):
                part = wanted[:, channel]
                wanted[:, channel] = np.maximum(part, part[part < 0].mean() if (part < 0).any() else 0)
            weight = parameter(regressors, f"{level}.0.weight")[:, :, 0, 0]
            small = averaged(array(own), *wanted.shape[2:])
            regressed = normalised(np.einsum("oc,nchw->nohw", weight, small))
            skipped = (regressed <= wanted) & (wanted <= 0)
            distance = np.where(skipped, 0.0, (regressed - wanted) ** 2).sum() / ROWS
            expected += 0.5 * (0.5, 1.0)[level] * float(distance)
        assert distillation(method, said, batch).item() == pytest.approx(expected, rel=1e-3)

    def test_names_what_is_wrong_with_encoders_without_maps_before_the_rectifier(
        self, pictures: ToyPair
    ) -> None:
        method, _ = prepared("ofd", pictures.context(load_method("ofd")))
        said = replace(pictures.outputs(ROWS), preactivations=())
        with pytest.raises(ConfigError, match=r"OFD: an encoder .*before the rectifier; .*convnet"):
            method.losses(said, pictures.batch(ROWS, met=ROWS))


class TestReview:
    @pytest.mark.parametrize(
        ("size", "coarse"),
        [
            ((8, 8), [(4, 4), (2, 2), (1, 1)]), ((4, 4), [(2, 2), (1, 1)]), ((1, 1), []),
            ((3, 9), [(3, 4), (2, 2), (1, 1)]),
        ],
    )  # fmt: skip
    def test_contexts_are_weighed_by_halves(self, size: tuple[int, int], coarse: list[Any]) -> None:
        own, target = noise(3, 5, *size), noise(3, 5, *size, seed=1)
        difference = array(own - target)
        errors = [(difference**2).mean((1, 2, 3))]
        errors += [(averaged(difference, *cells) ** 2).mean((1, 2, 3)) for cells in coarse]
        weights = [1.0, 0.5, 0.25, 0.125][: len(errors)]
        expected = np.average(errors, axis=0, weights=weights)
        np.testing.assert_allclose(array(context_loss(own, target)), expected, rtol=1e-9)

    def test_each_level_is_estimated_from_it_and_all_deeper_ones(self, pictures: ToyPair) -> None:
        """The modules put together by hand, in the order of the paper's figure."""
        said, batch = pictures.outputs(ROWS), pictures.batch(ROWS, met=ROWS)
        assert batch.teacher is not None
        method, review = prepared("review_kd", pictures.context(load_method("review_kd")))
        found = distillation(method, said, replace(batch, epoch=20)).item()
        assert review is not None
        part = review.get_submodule
        (shallow, deep), (_, shallow_target, deep_target) = said.maps, batch.teacher.maps
        fused = part("fusions.1.reduce")(deep)
        small = F.avg_pool2d(fused, fused.shape[-1] // deep_target.shape[-1])
        expected = context_loss(part("fusions.1.expand")(small), deep_target)
        own = part("fusions.0.reduce")(shallow)
        grown = fused.repeat_interleave(2, 2).repeat_interleave(2, 3)
        here, there = torch.sigmoid(part("fusions.0.attention")(torch.cat([own, grown], 1))).unbind(1)
        both = here.unsqueeze(1) * own + there.unsqueeze(1) * grown
        shrunk = F.avg_pool2d(both, both.shape[-1] // shallow_target.shape[-1])
        expected = expected + context_loss(part("fusions.0.expand")(shrunk), shallow_target)
        assert found == pytest.approx(expected.mean().item(), rel=1e-4)

    @pytest.mark.parametrize(("epoch", "share"), [(1, 0.05), (10, 0.5), (20, 1.0), (50, 1.0)])
    def test_warms_up(self, epoch: int, share: float, pictures: ToyPair) -> None:
        said, batch = pictures.outputs(ROWS), replace(pictures.batch(ROWS, met=ROWS), epoch=epoch)
        context = pictures.context
        warm, at_once = (
            distillation(prepared("review_kd", context(load_method("review_kd")), **how)[0], said, batch)
            for how in ({}, {"warmup_epochs": 0})
        )
        assert warm.item() == pytest.approx(share * at_once.item(), rel=1e-5)

    @pytest.mark.parametrize(("mid_width", "expected"), [(512, 16), (4, 4)])
    def test_is_no_wider_than_the_students_deepest_level(
        self, mid_width: int, expected: int, pictures: ToyPair
    ) -> None:
        _, review = prepared("review_kd", pictures.context(load_method("review_kd")), mid_width=mid_width)
        assert review is not None
        assert parameter(review, "fusions.0.reduce.0.weight").shape[0] == expected


@pytest.mark.parametrize("name", NAMES)
class TestEveryMethodOnMaps:
    def test_rows_without_a_partner_do_not_count(self, name: str, pictures: ToyPair) -> None:
        method, _ = prepared(name, pictures.context(load_method(name)))
        matched = torch.arange(ROWS) % 3 > 0
        said, batch = pictures.outputs(ROWS), matching(pictures.batch(ROWS, met=ROWS), matched)
        assert batch.teacher is not None

        def disturbed(rows: Tensor) -> Batch:
            teacher = batch.teacher
            assert teacher is not None
            changed = [
                tuple(torch.where(rows.view(-1, 1, 1, 1), level.flip(0) + 1, level) for level in levels)
                for levels in (teacher.maps, teacher.preactivations)
            ]
            teacher = replace(teacher, maps=changed[0], preactivations=changed[1])
            return replace(batch, teacher=teacher)

        loss = distillation(method, said, batch).item()
        assert distillation(method, said, disturbed(~matched)).item() == pytest.approx(loss, rel=1e-6)
        assert distillation(method, said, disturbed(matched)).item() != pytest.approx(loss, rel=1e-3)

    def test_without_any_partner_there_is_nothing_to_learn(self, name: str, pictures: ToyPair) -> None:
        method, _ = prepared(name, pictures.context(load_method(name)))
        batch = matching(pictures.batch(ROWS, met=ROWS), torch.zeros(ROWS, dtype=torch.bool))
        assert distillation(method, pictures.outputs(ROWS), batch).item() == 0.0

    def test_gradients_reach_every_paired_level_and_what_is_trained_along(
        self, name: str, pictures: ToyPair
    ) -> None:
        method, auxiliary = prepared(name, pictures.context(load_method(name)))
        said, batch = pictures.outputs(ROWS), pictures.batch(ROWS, met=ROWS)
        read = said.preactivations if name == "ofd" else said.maps
        read = read[1:] if name == "fitnet_maps" else read
        own = [] if auxiliary is None else list(auxiliary.parameters())
        gradients = torch.autograd.grad(distillation(method, said, batch), [*read, *own])
        assert all(gradient.isfinite().all() for gradient in gradients)
        assert all(gradient.abs().sum() > 0 for gradient in gradients)

    def test_the_loss_follows_its_gradient(self, name: str, pictures: ToyPair) -> None:
        """A finite difference along the gradient, in double precision."""
        method, auxiliary = prepared(name, pictures.context(load_method(name)))
        if auxiliary is not None:
            auxiliary.double()
        batch = pictures.batch(ROWS, met=ROWS)
        assert batch.teacher is not None
        levels = [tuple(level.double() for level in levels)
                  for levels in (batch.teacher.maps, batch.teacher.preactivations)]  # fmt: skip
        teacher = replace(batch.teacher, maps=levels[0], preactivations=levels[1])
        batch = replace(batch, teacher=teacher)
        start = [noise(ROWS, *shape, seed=5).requires_grad_() for shape in
                 pictures.context(method).student_maps]  # fmt: skip

        def loss(maps: list[Tensor]) -> Tensor:
            said = replace(pictures.outputs(ROWS), maps=tuple(maps), preactivations=tuple(maps))
            return distillation(method, said, batch)

        gradients = [
            torch.zeros_like(level) if gradient is None else gradient
            for level, gradient in zip(
                start, torch.autograd.grad(loss(start), start, allow_unused=True), strict=True
            )
        ]
        slope = float(sum(gradient.square().sum() for gradient in gradients))
        step = 1e-6 / math.sqrt(slope)
        ahead, behind = (
            loss([level.detach() + sign * step * g for level, g in zip(start, gradients, strict=True)]).item()
            for sign in (1, -1)
        )
        assert (ahead - behind) / (2 * step) == pytest.approx(slope, rel=1e-3)

    def test_an_impossible_weight_is_refused(self, name: str) -> None:
        with pytest.raises(ConfigError, match=rf"settings\.{name}: weight is -1.0; it must be at least 0"):
            load_method(name, {"weight": -1.0})


@pytest.mark.parametrize("name", TRAINED_ALONG)
def test_what_is_trained_along_starts_from_the_methods_own_stream(name: str, pictures: ToyPair) -> None:
    made = [prepared(name, pictures.context(load_method(name), seed=seed))[1] for seed in (0, 0, 1)]
    state, same, different = (module.state_dict() for module in made if module is not None)
    assert all(torch.equal(state[key], same[key]) for key in state)
    assert any(not torch.equal(state[key], different[key]) for key in state)


@pytest.mark.parametrize(
    ("name", "value"),
    [("at", {"power": 0.5}), ("review_kd", {"warmup_epochs": -1}), ("review_kd", {"mid_width": 0})],
)
def test_an_impossible_setting_is_refused_by_name(name: str, value: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"settings\.{name}: {next(iter(value))} is .*must be at least"):
        load_method(name, value)


@pytest.mark.parametrize("name", NAMES)
def test_costs_a_pass_of_the_teacher_forward_and_none_backward(name: str, pictures: ToyPair) -> None:
    regime = "paired" if name == "ofd" else "class_cond"
    runner = pictures.runner(name, regime)
    runner.step(next(pictures.meetings(regime)))
    costs = runner.ledger()
    passes = ("student_forwards", "student_backwards", "teacher_forwards", "teacher_backwards")
    assert [costs[key] for key in passes] == [1, 1, 1, 0]
