"""What holds for every encoder there is: found by file name, tried with every modality it takes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from ucmkd import discovery
from ucmkd.errors import ConfigError
from ucmkd.models.base import Size
from ucmkd.training.monitor import Monitor
from ucmkd.training.network import FunctionalNetwork, Network, build_network

SHAPES = {
    "image": (3, 20, 17),
    "frames": (2, 3, 16, 16),
    "audio": (1, 18, 33),
    "text": (9,),
    "tabular": (7,),
    "sequence": (2, 11),
}
TAKEN = {
    "convnet": {"image", "audio"},
    "linear": set(SHAPES) - {"text"},
    "mlp": set(SHAPES) - {"text"},
    "sequence_convnet": {"sequence"},
    "text_ngrams": {"text"},
    "text_transformer": {"text"},
    "timm": {"image", "frames", "audio"},
}
SETTINGS = {"timm": {"name": "test_resnet"}}
ONE_SIZE = {"linear", "timm"}
"""Encoders that are not larger for teachers: one has nothing to enlarge, the other is told what to build."""


def inputs(modality: str, count: int = 6) -> Tensor:
    draw = torch.Generator().manual_seed(3)
    shape = (count, *SHAPES[modality])
    if modality != "text":
        return torch.randn(shape, generator=draw)
    words = torch.randint(1, 2**14, shape, generator=draw, dtype=torch.int32)
    over = torch.arange(shape[1]) >= torch.arange(2, count + 2).unsqueeze(1)
    return words.masked_fill(over, 0)


@dataclass(frozen=True)
class Case:
    """An encoder, and the modalities that it takes."""

    name: str
    modalities: tuple[str, ...]

    def network(self, modality: str, size: Size = "student", seed: int = 0) -> Network:
        values = SETTINGS.get(self.name)
        return build_network(self.name, size, SHAPES[modality], 8, 4, "student", seed, values)

    def networks(self) -> Iterator[tuple[str, Network, Tensor]]:
        return ((name, self.network(name), inputs(name)) for name in self.modalities)


WITHOUT_FOLDER = [name for name in discovery.names("ucmkd.models") if name != "language_model"]
"""Encoders that need no files; tests of their own show the same of language models."""


@pytest.fixture(scope="module", params=WITHOUT_FOLDER)
def case(request: pytest.FixtureRequest) -> Case:
    return Case(request.param, tuple(name for name in SHAPES if _takes(request.param, name)))


@pytest.fixture(autouse=True)
def deterministic() -> Iterator[None]:
    """What has no deterministic form is an error, as in training on a CPU."""
    torch.set_deterministic_debug_mode("error")
    yield
    torch.set_deterministic_debug_mode("default")


def _takes(name: str, modality: str) -> bool:
    try:
        Case(name, ()).network(modality)(inputs(modality))
    except ConfigError:
        return False
    except RuntimeError:  # numbers of words, multiplied by weights
        return modality != "text" and pytest.fail(f"{name} fails at {modality} instead of refusing it")
    return True


def loss_of(network: Network, given: Tensor) -> Tensor:
    return network(given).logits.square().sum()


def without_zeros(network: Network) -> Network:
    """Raise weights that start at 0, as the last gain of a residual branch: they would hide others."""
    draw = torch.Generator().manual_seed(8)
    for value in network.parameters():
        value.data[value == 0] = 0.3 + 0.1 * torch.rand(int((value == 0).sum()), generator=draw)
    return network


def test_each_takes_the_modalities_it_is_meant_for(case: Case) -> None:
    assert case.modalities
    assert set(case.modalities) == TAKEN.get(case.name, set(case.modalities))


def test_features_and_logits_have_the_promised_shape_in_both_sizes(case: Case) -> None:
    for modality in case.modalities:
        for size in ("student", "teacher"):
            network = case.network(modality, size)
            said = network.eval()(inputs(modality))
            assert (said.features.shape, said.logits.shape) == ((6, 8), (6, 4))
            assert torch.isfinite(said.logits).all()


def test_teachers_are_larger(case: Case) -> None:
    for modality in case.modalities:
        student, teacher = (
            sum(value.numel() for value in case.network(modality, size).parameters())
            for size in ("student", "teacher")
        )
        assert student == teacher if case.name in ONE_SIZE else student < teacher


def test_a_sample_is_encoded_by_itself(case: Case) -> None:
    for _, network, given in case.networks():
        together = network.eval()(given).features
        alone = torch.cat([network(given[i : i + 1]).features for i in range(len(given))])
        torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_gradients_reach_every_parameter(case: Case) -> None:
    for modality, network, given in case.networks():
        without_zeros(network)
        loss_of(network, given).backward()
        for name, value in network.named_parameters():
            assert value.grad is not None, (modality, name)
            assert value.grad.any(), (modality, name)


def test_the_same_seed_gives_the_same_weights_and_the_same_gradients_to_the_last_bit(case: Case) -> None:
    for modality in case.modalities:
        gradients = []
        for _ in range(2):
            torch.rand(5)
            network = case.network(modality, seed=4)
            gradients.append(torch.autograd.grad(loss_of(network, inputs(modality)), network.parameters()))
        assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_another_seed_gives_other_weights(case: Case) -> None:
    for modality in case.modalities:
        one, other = (dict(case.network(modality, seed=seed).named_parameters()) for seed in (0, 1))
        weights = [name for name, value in one.items() if value.ndim > 1 and value.std() > 0]
        assert weights
        assert not any(torch.equal(one[name], other[name]) for name in weights)


def test_each_is_a_function_of_a_dictionary_of_parameters(case: Case) -> None:
    for modality, network, given in case.networks():
        other = case.network(modality, seed=1)
        function = FunctionalNetwork(network.train(), Monitor())
        said = function(dict(other.named_parameters()), given)
        torch.testing.assert_close(said.logits, other.train()(given).logits)


def half_squared_gradient(function: FunctionalNetwork, params: dict[str, Tensor], given: Tensor) -> Tensor:
    loss = function(params, given).logits.square().mean()
    found = function.gradients(loss, params, list(params), differentiable=True)
    return 0.5 * torch.stack([value.square().sum() for value in found.values()]).sum()


def test_each_can_be_differentiated_twice(case: Case) -> None:
    """The gradient of half the squared gradient, along a direction, against central differences."""
    size = 1e-8  # so small that hardly any rectified unit switches in between
    for modality, network, given in case.networks():
        function = FunctionalNetwork(without_zeros(network).double().train(), Monitor())
        exact = given if modality == "text" else given.double()
        draw = torch.Generator().manual_seed(5)
        start = {name: value.detach() for name, value in network.named_parameters()}
        along = {name: torch.randn(v.shape, generator=draw, dtype=v.dtype) for name, v in start.items()}
        before, there, after = (
            {name: (value + step * along[name]).requires_grad_() for name, value in start.items()}
            for step in (-size, 0.0, size)
        )
        value = half_squared_gradient(function, there, exact)
        second = function.gradients(value, there, list(there))
        slope = torch.stack([(second[name] * along[name]).sum() for name in along]).sum()
        risen = half_squared_gradient(function, after, exact) - half_squared_gradient(function, before, exact)
        torch.testing.assert_close(slope, risen / (2 * size), rtol=1e-3, atol=1e-6)


SCRIPT = """
import json, sys
import torch
from ucmkd import discovery
from ucmkd.training.network import build_network

torch.set_deterministic_debug_mode("error")
for name, shape in json.loads(sys.argv[1]).items():
    network = build_network(name, "student", tuple(shape), 8, 4, "student", 0)
    text = name.startswith("text")
    given = torch.ones(4, *shape, dtype=torch.int32) if text else torch.randn(4, *shape)
    loss = network(given).logits.sum()
    torch.autograd.grad(loss, list(network.parameters()), create_graph=True)
for name in discovery.names("ucmkd.models"):
    discovery.load("ucmkd.models", name, "Settings")
heavy = ["torch._dynamo", "torch._inductor", "sympy", "scipy", "timm", "torchvision", "huggingface_hub",
         "tokenizers", "transformers"]
print(json.dumps([name for name in heavy if name in sys.modules]))
"""


def test_encoders_but_timm_import_nothing_heavy_and_settings_never_do() -> None:
    shapes: dict[str, Any] = {
        name: SHAPES[sorted(modalities)[0]] for name, modalities in TAKEN.items() if name != "timm"
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(shapes)], check=True, capture_output=True, text=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == []
