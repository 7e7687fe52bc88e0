"""Language models from folders: what padding does, what is trained and saved, and what is refused."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.models.language_folders import POSITIONS, VOCABULARY, WIDTH, write_model
from ucmkd.errors import ConfigError, DataError
from ucmkd.models.base import Encoder
from ucmkd.models.language_model import LanguageModel, Settings, build
from ucmkd.settings import build as build_settings
from ucmkd.training.monitor import Monitor
from ucmkd.training.network import FunctionalNetwork, Network, build_network

LENGTH = 10
KINDS = ["masked", "causal"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    place = tmp_path_factory.mktemp("models")
    return {kind: str(write_model(place / kind, kind)) for kind in KINDS}


@pytest.fixture(autouse=True)
def deterministic() -> Iterator[None]:
    """What has no deterministic form is an error, as in training on a CPU."""
    torch.set_deterministic_debug_mode("error")
    yield
    torch.set_deterministic_debug_mode("default")


def encoder(folder: str, seed: int = 0, length: int = LENGTH, **values: Any) -> LanguageModel:
    torch.manual_seed(seed)
    found = build((length,), "student", Settings(folder=folder, **values)).eval()
    assert isinstance(found, LanguageModel)
    return found


def network_of(folder: str, seed: int = 0, **values: Any) -> Network:
    given = {"folder": folder} | values
    return build_network("language_model", "student", (LENGTH,), 8, 2, "student", seed, given)


def tokens(count: int, length: int, seed: int = 7) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(1, VOCABULARY + 1, (count, length), generator=draw, dtype=torch.int32)


def padded(numbers: Tensor, length: int) -> Tensor:
    return torch.cat([numbers, numbers.new_zeros(len(numbers), length - numbers.shape[1])], 1)


def states_of(folder: str, kind: str, numbers: Tensor) -> Tensor:
    """The last states of whole texts, by transformers itself with its own attention."""
    from transformers import BertModel, GPT2Model

    model = (BertModel if kind == "masked" else GPT2Model).from_pretrained(folder).eval()
    states: Tensor = model(input_ids=numbers.long() - 1).last_hidden_state
    return states.detach()


@pytest.mark.parametrize("kind", KINDS)
class TestFeatures:
    @pytest.mark.parametrize("pooling", ["mean", "last"])
    def test_do_not_depend_on_what_follows_the_end(self, kind, pooling, folders) -> None:
        inner, numbers = encoder(folders[kind], pooling=pooling), tokens(5, 4)
        for length in (5, LENGTH):
            torch.testing.assert_close(inner(padded(numbers, length)), inner(numbers), rtol=1e-5, atol=1e-6)

    def test_are_those_of_transformers(self, kind, folders) -> None:
        numbers = tokens(5, 6)
        states = states_of(folders[kind], kind, numbers)
        expected = {"mean": states.mean(1), "last": states[:, -1]}
        if kind == "masked":
            expected["first"] = states[:, 0]
        for pooling, wanted in expected.items():
            found = encoder(folders[kind], pooling=pooling)(padded(numbers, LENGTH))
            torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)

    def test_of_fewer_layers_are_the_states_between(self, kind, folders) -> None:
        from transformers import AutoModel

        numbers = tokens(3, 6)
        whole = AutoModel.from_pretrained(folders[kind]).eval()
        between = whole(input_ids=numbers.long() - 1, output_hidden_states=True).hidden_states[1]
        if kind == "causal":
            between = whole.ln_f(between)
        torch.testing.assert_close(encoder(folders[kind], layers=1)(numbers), between.mean(1))

    def test_of_a_text_without_tokens_are_zero(self, kind, folders) -> None:
        numbers = tokens(3, 4)
        numbers[1] = 0
        for pooling in ("mean", "last"):
            features = encoder(folders[kind], pooling=pooling)(numbers)
            assert features.isfinite().all()
            assert not features[1].any()

    def test_of_random_weights_depend_on_the_seed_alone(self, kind, folders) -> None:
        one, again, other = (encoder(folders[kind], seed, pretrained=False) for seed in (1, 1, 2))
        numbers = tokens(3, 4)
        assert torch.equal(one(numbers), again(numbers))
        assert not torch.equal(one(numbers), other(numbers))
        assert not torch.equal(one(numbers), encoder(folders[kind])(numbers))


def test_half_precision_in_the_folder_becomes_single(folders, tmp_path) -> None:
    folder = write_model(tmp_path / "half", "causal")
    weights = {name: value.half() for name, value in load_file(folder / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    found = encoder(str(folder))
    assert {value.dtype for value in found.parameters()} == {torch.float32}
    torch.testing.assert_close(
        found(tokens(2, 4)), encoder(folders["causal"])(tokens(2, 4)), rtol=0.05, atol=0.05
    )


@pytest.mark.parametrize("kind", KINDS)
class TestTraining:
    def test_gradients_reach_every_parameter(self, kind, folders) -> None:
        network = network_of(folders[kind]).eval()
        for value in network.parameters():  # key biases of attention cancel in the softmax at any point
            value.data += 0.1 * torch.randn(value.shape, generator=torch.Generator().manual_seed(1))
        network(tokens(16, LENGTH)).logits.square().sum().backward()
        for name, value in network.named_parameters():
            assert value.grad is not None, name
            assert value.grad.any(), name

    @pytest.mark.parametrize("frozen", [False, True])
    def test_an_epoch_lowers_the_loss(self, kind, frozen, folders) -> None:
        """The two classes have no token in common."""
        network = network_of(folders[kind], frozen=frozen).train()
        function = FunctionalNetwork(network, Monitor())
        params = {name: value.detach().requires_grad_() for name, value in network.named_parameters()}
        before = {name: value.clone() for name, value in network.encoder.encoder.model.state_dict().items()}
        labels = torch.arange(256) % 2
        numbers = padded(tokens(256, 5) % 7 + 1 + 7 * labels.unsqueeze(1).int(), LENGTH)

        def loss_of(rows: slice) -> Tensor:
            return torch.nn.functional.cross_entropy(function(params, numbers[rows]).logits, labels[rows])

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            start = float(loss_of(slice(None)).detach())
            for first in range(0, 256, 16):
                found = function.gradients(loss_of(slice(first, first + 16)), params, list(params))
                for name, value in params.items():
                    value.data -= 0.1 * found[name]
            end = float(loss_of(slice(None)).detach())
        assert end < 0.9 * start
        after = network.encoder.encoder.model.state_dict()
        assert any(name.startswith("encoder.encoder.") for name in params) != frozen
        if frozen:
            assert all(torch.equal(after[name], value) for name, value in before.items())

    def test_a_frozen_model_has_no_dropout_and_no_parameters(self, kind, folders) -> None:
        inner = encoder(folders[kind], frozen=True).train()
        numbers = tokens(3, 5)
        assert not list(inner.parameters())
        assert torch.equal(inner(numbers), inner(numbers))
        thawed = encoder(folders[kind])
        torch.testing.assert_close(inner(numbers), thawed(numbers))
        assert not torch.equal(thawed.train()(numbers), thawed(numbers))

    @pytest.mark.parametrize("frozen", [False, True])
    def test_the_state_is_saved_and_loaded(self, kind, frozen, folders, tmp_path) -> None:
        one = network_of(folders[kind], seed=1, frozen=frozen, pretrained=False).eval()
        save_file(one.state_dict(), tmp_path / "state.safetensors")
        other = network_of(folders[kind], seed=2, frozen=frozen, pretrained=False).eval()
        numbers = tokens(4, LENGTH)
        assert not torch.equal(one(numbers).logits, other(numbers).logits)
        other.load_state_dict(load_file(tmp_path / "state.safetensors"))
        assert torch.equal(one(numbers).logits, other(numbers).logits)

    def test_it_can_be_differentiated_twice(self, kind, folders) -> None:
        """The gradient of half the squared gradient, along a direction, against central differences.

        Texts hold no padding token: its embedding has no gradient by definition.
        """
        network = network_of(folders[kind]).double()
        function = FunctionalNetwork(network.eval(), Monitor())
        draw, numbers = torch.Generator().manual_seed(5), padded(tokens(4, 5).clamp(min=2), LENGTH)
        start = {name: value.detach() for name, value in network.named_parameters()}
        along = {name: torch.randn(v.shape, generator=draw, dtype=v.dtype) for name, v in start.items()}

        def half_squared_gradient(step: float) -> tuple[dict[str, Tensor], Tensor]:
            params = {name: (value + step * along[name]).requires_grad_() for name, value in start.items()}
            loss = function(params, numbers).logits.square().mean()
            found = function.gradients(loss, params, list(params), differentiable=True)
            return params, 0.5 * torch.stack([value.square().sum() for value in found.values()]).sum()

        params, value = half_squared_gradient(0.0)
        second = function.gradients(value, params, list(params))
        slope = torch.stack([(second[name] * along[name]).sum() for name in along]).sum()
        size = 1e-8
        risen = half_squared_gradient(size)[1] - half_squared_gradient(-size)[1]
        torch.testing.assert_close(slope, risen / (2 * size), rtol=1e-3, atol=1e-6)


class TestRefusals:
    def test_a_missing_folder_is_named_with_the_nearest(self, folders) -> None:
        with pytest.raises(ConfigError, match=r"maskd: there is no such folder; did you mean .*masked"):
            encoder(folders["masked"].replace("masked", "maskd"))

    @pytest.mark.parametrize("content", [None, "{}", "not json", '{"model_type": "nothing"}'])
    def test_a_folder_that_holds_no_model(self, content, tmp_path) -> None:
        if content is not None:
            (tmp_path / "config.json").write_text(content)
        with pytest.raises(ConfigError, match="holds no model that transformers knows"):
            encoder(str(tmp_path))

    def test_code_in_the_folder_is_not_run(self, tmp_path) -> None:
        values = {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModel": "own.Own"}}
        (tmp_path / "config.json").write_text(json.dumps(values))
        (tmp_path / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
        with pytest.raises(ConfigError, match="holds no model that transformers knows"):
            encoder(str(tmp_path))
        assert not (tmp_path / "ran").exists()

    def test_pickled_weights(self, tmp_path) -> None:
        folder = write_model(tmp_path / "m", "masked")
        weights = load_file(folder / "model.safetensors")
        (folder / "model.safetensors").unlink()
        torch.save(weights, folder / "pytorch_model.bin")
        with pytest.raises(ConfigError, match=r"pytorch_model\.bin.*can hold code.*save_pretrained"):
            encoder(str(folder))
        assert encoder(str(folder), pretrained=False)(tokens(2, 4)).shape == (2, WIDTH)

    def test_no_weights(self, tmp_path) -> None:
        folder = write_model(tmp_path / "m", "masked")
        (folder / "model.safetensors").unlink()
        with pytest.raises(ConfigError, match=r"holds no weights.*pretrained: false"):
            encoder(str(folder))

    def test_damaged_weights(self, tmp_path) -> None:
        folder = write_model(tmp_path / "m", "masked")
        (folder / "model.safetensors").write_bytes(b"no weights at all")
        with pytest.raises(DataError, match="weights cannot be read"):
            encoder(str(folder))

    def test_weights_that_are_missing(self, tmp_path) -> None:
        folder = write_model(tmp_path / "m", "causal")
        weights = load_file(folder / "model.safetensors")
        weights.pop(next(name for name in weights if name.endswith("ln_f.weight")))
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
        with pytest.raises(DataError, match=r"1 weights of the model are missing, first ln_f\.weight"):
            encoder(str(folder))

    def test_weights_of_another_shape(self, tmp_path) -> None:
        folder = write_model(tmp_path / "m", "causal")
        values = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(values | {"vocab_size": 30}))
        with pytest.raises(DataError, match="weights cannot be read"):
            encoder(str(folder))

    def test_an_encoder_with_a_decoder(self, tmp_path) -> None:
        from transformers import T5Config

        T5Config(d_model=8, num_layers=1, num_heads=2, d_ff=8, d_kv=4).save_pretrained(tmp_path)
        with pytest.raises(ConfigError, match=r"encoder with a decoder \(t5\).*masked or a causal"):
            encoder(str(tmp_path), pretrained=False)

    @pytest.mark.parametrize("kind", KINDS)
    def test_texts_longer_than_the_model_takes(self, kind, folders) -> None:
        assert encoder(folders[kind], length=POSITIONS)(tokens(2, POSITIONS)).isfinite().all()
        with pytest.raises(ConfigError, match=f"cannot take texts of {POSITIONS + 1} tokens.*lower length"):
            encoder(folders[kind], length=POSITIONS + 1)

    @pytest.mark.parametrize("kind", KINDS)
    def test_numbers_beyond_the_vocabulary(self, kind, folders) -> None:
        inner = encoder(folders[kind])
        assert inner(torch.full((2, 3), VOCABULARY, dtype=torch.int32)).isfinite().all()
        with pytest.raises(ConfigError, match=rf"numbers up to {VOCABULARY}, and a text holds 16.*tokenizer"):
            inner(torch.full((2, 3), VOCABULARY + 1, dtype=torch.int32))

    def test_tables(self, folders) -> None:
        with pytest.raises(ConfigError, match="these inputs are a table"):
            encoder(folders["masked"])(torch.randn(2, 5))

    @pytest.mark.parametrize("shape", [(3, 8, 8), (2, 30), ()])
    def test_other_shapes(self, shape, folders) -> None:
        with pytest.raises(ConfigError, match=r"language_model takes texts \(words,\), not inputs"):
            build(shape, "student", Settings(folder=folders["masked"]))

    def test_the_first_token_of_a_causal_model(self, folders) -> None:
        with pytest.raises(ConfigError, match=r"is causal.*set pooling to last or mean"):
            encoder(folders["causal"], pooling="first")

    @pytest.mark.parametrize("layers", [0, -1])
    def test_no_layers(self, layers) -> None:
        with pytest.raises(ConfigError, match=r"layers is .*at least 1"):
            build_settings(Settings, {"folder": "x", "layers": layers}, "here")

    @pytest.mark.parametrize("kind", KINDS)
    def test_more_layers_than_there_are(self, kind, folders) -> None:
        with pytest.raises(ConfigError, match=r"layers is 3, and the model of .* has 2"):
            encoder(folders[kind], layers=3)


def test_transformers_is_imported_when_a_model_is_built_and_not_before() -> None:
    script = (
        "import sys, ucmkd.models.language_model as m; from ucmkd.data.datasets import text_csv; "
        "m.Settings(folder='x'); print('transformers' in sys.modules or 'tokenizers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"


def test_it_is_an_encoder(folders) -> None:
    found: Encoder = encoder(folders["masked"])
    assert found.width == WIDTH
    assert Path(found.folder).is_dir()
