"""Encoders of texts: what words, their order and the end of a text do."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from ucmkd.data.words import BUCKETS
from ucmkd.errors import ConfigError
from ucmkd.models import text_ngrams, text_transformer
from ucmkd.models.base import Encoder, Size
from ucmkd.models.shared.texts import masked_mean
from ucmkd.settings import build
from ucmkd.training.network import build_network

LENGTH = 12
ENCODERS = ["text_ngrams", "text_transformer"]


def encoder(name: str, size: Size = "student", **values: float) -> Encoder:
    network = build_network(name, size, (LENGTH,), 8, 4, "student", 0, values).eval()
    inner = network.encoder.encoder
    assert isinstance(inner, Encoder)
    if name == "text_ngrams":  # running statistics of the right size, so that differences can be seen
        inner.train()(random_words(64, LENGTH))
        inner.eval()
    return inner


def random_words(count: int, length: int) -> Tensor:
    draw = torch.Generator().manual_seed(7)
    return torch.randint(1, BUCKETS, (count, length), generator=draw, dtype=torch.int32)


def padded(words: Tensor, length: int) -> Tensor:
    return torch.cat([words, words.new_zeros(len(words), length - words.shape[1])], 1)


@pytest.mark.parametrize("name", ENCODERS)
class TestEveryTextEncoder:
    @pytest.mark.parametrize("size", ["student", "teacher"])
    def test_places_after_the_end_change_nothing(self, name: str, size: Size) -> None:
        inner, words = encoder(name, size), random_words(5, 4)
        short = inner(words)
        for length in (5, 8, LENGTH):
            torch.testing.assert_close(inner(padded(words, length)), short, rtol=1e-5, atol=1e-6)

    def test_the_order_of_words_matters(self, name: str) -> None:
        inner, words = encoder(name), random_words(5, 6)
        assert (inner(words) - inner(words.flip(1))).abs().max() > 1e-3

    def test_every_word_matters(self, name: str) -> None:
        inner, words = encoder(name), random_words(1, 6)
        for place in range(6):
            other = words.clone()
            other[0, place] = other[0, place] % (BUCKETS - 1) + 1
            assert (inner(words) - inner(other)).abs().max() > 1e-4

    @pytest.mark.parametrize("empty", [slice(0, 1), slice(0, 5)])
    def test_texts_without_words_give_numbers_and_gradients(self, name: str, empty: slice) -> None:
        inner, words = encoder(name).train(), padded(random_words(5, 6), LENGTH)
        words[empty] = 0
        features = inner(words)
        assert torch.isfinite(features).all()
        features.square().sum().backward()
        assert all(torch.isfinite(value.grad).all() for value in inner.parameters() if value.grad is not None)

    def test_one_word_is_a_text(self, name: str) -> None:
        assert torch.isfinite(encoder(name)(random_words(3, 1))).all()

    def test_the_highest_number_is_a_word(self, name: str) -> None:
        assert torch.isfinite(encoder(name)(torch.full((2, 3), BUCKETS - 1, dtype=torch.int32))).all()

    def test_nothing_is_learned_of_the_end(self, name: str) -> None:
        inner = encoder(name).train()
        inner(padded(random_words(5, 6), LENGTH)).square().sum().backward()
        gradient = inner.get_parameter("words.weight").grad
        assert gradient is not None
        assert gradient.any()
        assert not gradient[0].any()

    @pytest.mark.parametrize("shape", [(3, 8, 8), (2, 30), ()])
    def test_other_shapes_are_refused(self, name: str, shape: tuple[int, ...]) -> None:
        with pytest.raises(ConfigError, match=rf"{name} takes texts \(words,\), not inputs .*another"):
            build_network(name, "student", shape, 8, 4, "student", 0)

    def test_tables_are_refused(self, name: str) -> None:
        with pytest.raises(ConfigError, match=rf"{name} takes numbers of words.*use mlp"):
            encoder(name)(torch.randn(4, LENGTH))


class TestMaskedMean:
    def test_is_the_mean_of_what_is_present(self) -> None:
        values = torch.randn(4, 6, 3, generator=torch.Generator().manual_seed(0))
        for count in range(1, 7):
            present = (torch.arange(6) < count).expand(4, 6)
            torch.testing.assert_close(masked_mean(values, present), values[:, :count].mean(1))

    def test_is_0_where_nothing_is(self) -> None:
        assert not masked_mean(torch.ones(2, 3, 4), torch.zeros(2, 3, dtype=torch.bool)).any()


class TestNGrams:
    def test_pairs_are_numbered_as_documented(self) -> None:
        words = random_words(20, LENGTH)
        expected = [
            [(1_000_003 * row[i] + row[i + 1]) % 2**15 for i in range(LENGTH - 1)] for row in words.tolist()
        ]
        found = text_ngrams.pair_numbers(words.to(torch.int64))
        assert found.tolist() == expected
        assert found.dtype == torch.int64

    def test_few_pairs_share_a_number(self) -> None:
        """No more than random numbers would: of n pairs in m places m (1 - exp(-n / m)) are different."""
        words = random_words(2000, 2).to(torch.int64)
        found = len(set(text_ngrams.pair_numbers(words).flatten().tolist()))
        size = text_ngrams.BIGRAMS
        expected = size * (1 - torch.exp(torch.tensor(-2000 / size)))
        assert found == pytest.approx(float(expected), abs=60)

    def test_a_text_is_the_mean_of_its_words_and_pairs(self) -> None:
        inner = encoder("text_ngrams")
        word, pair = inner.get_parameter("words.weight"), inner.get_parameter("pairs.weight")
        texts = [[5, 9, 9], [7], [16383, 1, 2, 5]]
        means = []
        for text in texts:
            grams = [word[w] for w in text]
            grams += [pair[(a * 1_000_003 + b) % 2**15] for a, b in pairwise(text)]
            means.append(torch.stack(grams).mean(0))
        words = torch.zeros(3, LENGTH, dtype=torch.int32)
        for row, text in enumerate(texts):
            words[row, : len(text)] = torch.tensor(text)
        layers = inner.get_submodule("layers")
        torch.testing.assert_close(inner(words), layers(torch.stack(means)))

    def test_without_pairs_the_order_of_words_is_lost(self) -> None:
        inner, words = encoder("text_ngrams"), random_words(5, 6)
        inner.get_parameter("pairs.weight").data.zero_()
        torch.testing.assert_close(inner(words), inner(words.flip(1)))

    @pytest.mark.parametrize("telling", ["words", "order"])
    def test_few_telling_words_among_many_are_found(self, telling: str) -> None:
        """Two words in thirty tell the class, by what they are or by their order alone."""
        draw = torch.Generator().manual_seed(0)
        words, labels = torch.randint(100, 1000, (600, 30), generator=draw), torch.arange(600) % 2
        rows, place = torch.arange(600), torch.randint(0, 29, (600,), generator=draw)
        pairs = torch.tensor([[10, 11], [11, 10]] if telling == "order" else [[10, 11], [12, 13]])
        words[rows, place], words[rows, place + 1] = pairs[labels].T
        words = words.to(torch.int32)
        network = build_network("text_ngrams", "student", (30,), 8, 2, "student", 0)
        optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
        for _ in range(6):
            for batch in torch.randperm(500, generator=draw).split(50):
                optimiser.zero_grad()
                nn.functional.cross_entropy(network(words[batch]).logits, labels[batch]).backward()
                optimiser.step()
        said = network.eval()(words[500:]).logits.argmax(1)
        assert (said == labels[500:]).sum() >= 90


class TestTransformer:
    @pytest.mark.parametrize("size", ["student", "teacher"])
    def test_a_layer_is_that_of_torch(self, size: Size) -> None:
        """Against torch's own layer, which also normalises first, with the same weights."""
        inner = encoder("text_transformer", size)
        layer = inner.get_submodule("layers.0")
        width = inner.width
        reference = nn.TransformerEncoderLayer(
            width, 4, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        own = {name: value.detach() for name, value in layer.named_parameters()}
        reference.load_state_dict({
            "self_attn.in_proj_weight": own["queries_keys_values.weight"],
            "self_attn.in_proj_bias": own["queries_keys_values.bias"],
            "self_attn.out_proj.weight": own["output.weight"],
            "self_attn.out_proj.bias": own["output.bias"],
            "linear1.weight": own["mlp.0.weight"], "linear1.bias": own["mlp.0.bias"],
            "linear2.weight": own["mlp.2.weight"], "linear2.bias": own["mlp.2.bias"],
            "norm1.weight": own["before_attention.weight"], "norm1.bias": own["before_attention.bias"],
            "norm2.weight": own["before_mlp.weight"], "norm2.bias": own["before_mlp.bias"],
        })  # fmt: skip
        states = torch.randn(3, 7, width, generator=torch.Generator().manual_seed(1))
        present = torch.arange(7) < torch.tensor([[7], [4], [1]])
        expected = reference(states, src_key_padding_mask=~present)
        torch.testing.assert_close(layer(states, present)[present], expected[present], rtol=1e-4, atol=1e-5)

    def test_dropout_acts_in_training_alone(self) -> None:
        inner, words = encoder("text_transformer", dropout=0.5), random_words(4, 6)
        assert torch.equal(inner(words), inner(words))
        inner.train()
        assert not torch.equal(inner(words), inner(words))
        silent = encoder("text_transformer").train()
        assert torch.equal(silent(words), silent(words))

    @pytest.mark.parametrize("dropout", [-0.1, 1.0])
    def test_a_dropout_that_is_no_share_is_refused(self, dropout: float) -> None:
        with pytest.raises(ConfigError, match=r"here: dropout is .*must lie in \[0, 1\)"):
            build(text_transformer.Settings, {"dropout": dropout}, "here")
