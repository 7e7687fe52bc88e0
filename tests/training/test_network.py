"""The network as a function of its parameters, against the network itself."""

import shutil
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from tests import toy as make
from ucmkd.errors import ConfigError
from ucmkd.models.base import Encoder
from ucmkd.training.monitor import Monitor
from ucmkd.training.network import Borrowed, FunctionalNetwork, Network, Project, build_network

WIDE = 11
"""An embedding that is not as wide as the encoder's own feature."""


def inputs(count: int = 20) -> Tensor:
    return torch.randn(count, 5, generator=torch.Generator().manual_seed(3))


def statistics(network: Network) -> dict[str, Tensor]:
    return {name: value for name, value in network.named_buffers() if "num_batches" not in name}


def as_function(network: Network, **options: torch.dtype) -> tuple[FunctionalNetwork, dict[str, Tensor]]:
    return FunctionalNetwork(network.train(), Monitor(), **options), dict(network.named_parameters())


@pytest.mark.parametrize("project", ["student", "side"])
class TestBothProjections:
    def test_the_function_says_what_the_network_says(self, project: Project) -> None:
        network = make.network(project, width=WIDE)
        function, params = as_function(network)
        expected = deepcopy(network)(inputs())
        said = function(params, inputs())
        torch.testing.assert_close(said.features, expected.features)
        torch.testing.assert_close(said.logits, expected.logits)
        assert said.features.shape == (20, WIDE)

    def test_it_reads_the_parameters_it_is_given(self, project: Project) -> None:
        network, other = (make.network(project, width=WIDE, seed=seed) for seed in (0, 1))
        function, _ = as_function(network)
        said = function(dict(other.named_parameters()), inputs())
        torch.testing.assert_close(said.logits, other.train()(inputs()).logits)

    @pytest.mark.parametrize("passes", [0, 1, 3])
    def test_the_statistics_move_as_that_many_passes_would_move_them(
        self, project: Project, passes: int
    ) -> None:
        network = make.network(project, width=WIDE).train()
        network(2 + inputs(16))
        passed = deepcopy(network)
        for _ in range(passes):
            passed(inputs())
        function, params = as_function(network)
        function(params, inputs(), statistics_passes=passes)
        for name, value in statistics(passed).items():
            torch.testing.assert_close(statistics(network)[name], value, msg=name)

    def test_the_initial_weights_depend_on_the_seed_alone(self, project: Project) -> None:
        torch.manual_seed(0)
        first = make.network(project, seed=5)
        torch.rand(7)
        random_state = torch.get_rng_state()
        again, other = make.network(project, seed=5), make.network(project, seed=6)
        assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
        assert not torch.equal(first.head.weight, other.head.weight)
        assert torch.equal(random_state, torch.get_rng_state())

    def test_the_projector_starts_orthogonal(self, project: Project) -> None:
        weight = dict(make.network(project, width=WIDE).named_parameters())[
            "projector.weight" if project == "side" else "encoder.projector.weight"
        ]
        torch.testing.assert_close(weight @ weight.T, torch.eye(WIDE))


class TestProject:
    def test_of_the_student_puts_the_projector_before_the_head(self) -> None:
        network = make.network("student", width=WIDE)
        said = network.eval()(inputs())
        torch.testing.assert_close(said.logits, network.head(said.features))
        assert network.head.in_features == WIDE

    def test_on_the_side_leaves_the_head_the_encoders_own_feature(self) -> None:
        network = make.network("side", width=WIDE)
        encoded = network.eval().encoder(inputs())
        assert network.head.in_features == network.encoder.width
        torch.testing.assert_close(network(inputs()).logits, network.head(encoded))
        torch.testing.assert_close(network(inputs()).features, encoded @ network.projector.weight.T)


class Odd(Encoder):
    """Batch normalisation with every kind of running statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.width = 4
        self.layers = nn.Sequential(
            nn.Linear(5, 4), nn.BatchNorm1d(4, momentum=0.3), nn.BatchNorm1d(4, track_running_stats=False)
        )

    def forward(self, values: Tensor) -> Tensor:
        return self.layers(values)


def test_norms_of_any_momentum_and_without_statistics_are_understood() -> None:
    network = Network(Odd(), 4, 3).train()
    passed = deepcopy(network)
    for _ in range(3):
        passed(inputs())
    function, params = as_function(network)
    function(params, inputs(), statistics_passes=3)
    for name, value in statistics(passed).items():
        torch.testing.assert_close(statistics(network)[name], value, msg=name)


class TestGradients:
    def test_are_those_of_the_loss_and_0_where_it_does_not_depend(self) -> None:
        network = make.network("side", width=WIDE)
        function, params = as_function(network)
        found = function.gradients(function(params, inputs()).logits.square().sum(), params, list(params))
        other = deepcopy(network)
        other(inputs()).logits.square().sum().backward()
        for name, value in other.named_parameters():
            expected = torch.zeros_like(value) if value.grad is None else value.grad
            torch.testing.assert_close(found[name], expected, msg=name)
        assert not found["projector.weight"].any()

    def test_of_the_head_alone_cost_no_pass(self) -> None:
        network, monitor = make.network().train(), Monitor()
        function = FunctionalNetwork(network, monitor)
        params = dict(network.named_parameters())
        said = function.read(params, function.encode(params, inputs()).detach())
        function.gradients(said.logits.sum(), params, ["head.weight", "head.bias"])
        assert (monitor.ledger.student_forwards, monitor.ledger.student_backwards) == (1, 0)


class TestPrecision:
    def test_features_leave_lower_precision_as_float32(self) -> None:
        network = make.network()
        low, params = as_function(network, autocast=torch.bfloat16)
        said, exact = low(params, inputs()), network(inputs())
        assert (said.features.dtype, said.logits.dtype) == (torch.float32, torch.float32)
        assert not torch.equal(said.features, exact.features)
        torch.testing.assert_close(said.features, exact.features, rtol=0.1, atol=0.1)
        assert all(value.dtype == torch.float32 for value in statistics(network).values())

    def test_double_precision_stays(self) -> None:
        function, params = as_function(make.network().double())
        assert function(params, inputs().double()).features.dtype == torch.float64


def test_an_unknown_encoder_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ConfigError, match=r"there is no 'transformer'; known: .*mlp"):
        build_network("transformer", "student", (5,), 8, 4, "student", 0)


def test_a_convnet_refuses_what_is_no_image() -> None:
    with pytest.raises(ConfigError, match="use mlp"):
        build_network("convnet", "student", (5,), 8, 4, "student", 0)


@pytest.mark.parametrize("encoder", ["convnet", "mlp"])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 7), (1, 28, 14)])
def test_encoders_take_images_of_any_size_in_both_sizes(encoder: str, shape: tuple[int, ...]) -> None:
    sizes = []
    for size in ("student", "teacher"):
        network = build_network(encoder, size, shape, 8, 4, "student", 0)
        said = network(torch.randn(6, *shape))
        assert (said.features.shape, said.logits.shape) == ((6, 8), (6, 4))
        sizes.append(sum(value.numel() for value in network.parameters()))
    assert sizes[0] < sizes[1]


def test_a_borrowed_module_says_what_torch_has_it_say_and_has_its_own_tensors_back() -> None:
    module = make.network().train().encoder
    own = dict(module.named_parameters()) | dict(module.named_buffers())
    given = {name: value.detach() + 1 for name, value in own.items() if value.is_floating_point()}
    expected = functional_call(deepcopy(module), {n: v.clone() for n, v in given.items()}, (inputs(),))
    assert torch.equal(Borrowed(module)(given, inputs()), expected)
    with pytest.raises(RuntimeError):
        Borrowed(module)(given, torch.zeros(2, 3))
    kept = dict(module.named_parameters()) | dict(module.named_buffers())
    assert all(kept[name] is value for name, value in own.items())


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles with g++")
def test_a_compiled_pass_says_the_same_and_has_the_same_gradient() -> None:
    plain, other = make.network().train(), make.network().train()
    found = []
    for network, compiled in ((plain, False), (other, True)):
        function, params = (
            FunctionalNetwork(network, Monitor(), compiled=compiled),
            dict(network.named_parameters()),
        )
        said = function(params, inputs())
        found.append((said, function.gradients(said.logits.square().sum(), params, params)))
    (one, gradients), (compiled_one, compiled_gradients) = found
    torch.testing.assert_close(one.features, compiled_one.features, rtol=1e-4, atol=1e-5)
    for name, value in gradients.items():
        torch.testing.assert_close(value, compiled_gradients[name], rtol=1e-3, atol=1e-4)
    for name, buffer in plain.named_buffers():
        torch.testing.assert_close(buffer, dict(other.named_buffers())[name])
