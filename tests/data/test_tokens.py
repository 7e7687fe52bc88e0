"""Texts as tokens of a tokenizer: the convention, what the card says, and what is refused."""

import os

import numpy as np
import pytest

from tests.models.language_folders import SPECIAL, WORDS, write_tokenizer
from tests.new.own_data import read, write_table
from ucmkd.data.base import load_dataset
from ucmkd.data.prepared import read_prepared, write_prepared
from ucmkd.data.tokens import number_tokens, refuse_other_tokens
from ucmkd.data.words import BUCKETS
from ucmkd.errors import ConfigError, DataError
from ucmkd.models.shared.texts import words_of

CLS, SEP, UNK = SPECIAL.index("[CLS]"), SPECIAL.index("[SEP]"), SPECIAL.index("[UNK]")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tokenizer(tmp_path_factory.mktemp("tokenizers") / "one")


def word(name):
    return len(SPECIAL) + WORDS.index(name)


def table(tmp_path):
    rows = [{"text": f"a {mood} film {'the ' * number}", "label": mood}
            for number in range(10) for mood in ("good", "bad")]  # fmt: skip
    return write_table(tmp_path / "films.csv", rows)


def test_numbers_are_those_of_the_tokenizer_plus_1_and_0_where_a_text_is_over(folder):
    found, cut = number_tokens(["the film was good", "unheard film"], str(folder), length=7)
    expected = [
        [CLS, word("the"), word("film"), word("was"), word("good"), SEP, -1],
        [CLS, UNK, word("film"), SEP, -1, -1, -1],
    ]
    assert (found - 1).tolist() == expected
    assert (found.dtype, cut) == (np.int32, 0)


def test_a_text_that_is_cut_keeps_its_special_tokens_and_is_counted(folder):
    found, cut = number_tokens(["the film was good", "good"], str(folder), length=4)
    assert (found - 1).tolist() == [[CLS, word("the"), word("film"), SEP], [CLS, word("good"), SEP, -1]]
    assert cut == 1


def test_a_tokenizer_without_special_tokens_numbers_the_words_alone(tmp_path):
    plain = write_tokenizer(tmp_path / "plain", special=False)
    found, _ = number_tokens(["good film"], str(plain), length=3)
    assert (found - 1).tolist() == [[word("good"), word("film"), -1]]


def test_a_text_without_tokens_is_refused(tmp_path):
    plain = write_tokenizer(tmp_path / "plain", special=False)
    with pytest.raises(DataError, match="finds no token"):
        number_tokens(["  "], str(plain), length=3)


def test_a_length_that_special_tokens_fill_is_refused(folder):
    with pytest.raises(ConfigError, match=r"length is 2.*2 special tokens"):
        number_tokens(["good"], str(folder), length=2)


def test_a_table_of_texts_becomes_tokens_and_its_card_says_so(folder, tmp_path):
    settings = {"file": str(table(tmp_path)), "length": 8, "tokenizer": str(folder)}
    dataset, samples = read("text_csv", tmp_path, **settings)
    row = list(samples.texts).index("a good film the ")
    expected = [CLS, word("a"), word("good"), word("film"), word("the"), SEP, -1, -1]
    assert (samples.inputs[row] - 1).tolist() == expected
    assert samples.inputs.shape == (20, 8)
    write_prepared(tmp_path / "stored", "films", dataset, settings)
    card = read_prepared(tmp_path / "stored").card
    assert card["settings"]["tokenizer"] == str(folder)
    assert any(f"tokens of the tokenizer of {folder}" in told for told in card["quirks"])
    assert any("12 texts are longer than 8 tokens" in told for told in card["quirks"])


def test_without_a_tokenizer_nothing_changes(tmp_path):
    path = table(tmp_path)
    plain, samples = read("text_csv", tmp_path, file=str(path), length=8)
    assert samples.inputs.max() > 100
    assert not any("token" in told for told in plain.quirks)


def test_the_stamp_changes_with_the_files_of_the_tokenizer(tmp_path):
    own = write_tokenizer(tmp_path / "own")
    path = table(tmp_path)
    dataset = load_dataset("text_csv", {"file": str(path), "tokenizer": str(own)})
    before = dataset.stamp()
    assert before != load_dataset("text_csv", {"file": str(path)}).stamp()
    (own / "notes.md").write_text("read by nobody")
    assert dataset.stamp() == before
    os.utime(own / "tokenizer.json", ns=(1, 1))
    assert dataset.stamp() != before


def test_a_missing_folder_is_refused_with_the_nearest(folder, tmp_path):
    path = table(tmp_path)
    for wrong, message in (
        (str(folder.parent / "onw"), "did you mean .*one"),
        (str(tmp_path), "no tokenizer"),
    ):
        dataset = load_dataset("text_csv", {"file": str(path), "tokenizer": wrong})
        for call in (dataset.stamp, dataset.load):
            with pytest.raises(ConfigError, match=message):
                call()


def test_a_damaged_tokenizer_is_refused(tmp_path):
    own = write_tokenizer(tmp_path / "own")
    (own / "tokenizer.json").write_text("{}")
    with pytest.raises(ConfigError, match="tokenizer cannot be read"):
        number_tokens(["good"], str(own), length=5)


def test_encoders_of_words_refuse_tokens_they_do_not_know():
    import torch

    words_of("text_ngrams", torch.full((1, 2), BUCKETS - 1, dtype=torch.int32))
    with pytest.raises(ConfigError, match=f"text_ngrams knows numbers up to {BUCKETS - 1}.*language_model"):
        words_of("text_ngrams", torch.full((1, 2), BUCKETS, dtype=torch.int32))


class TestEncodersAndTokenizers:
    def test_that_belong_together_are_taken(self, folder, tmp_path):
        copy = write_tokenizer(tmp_path / "copy")
        for tokenizer in (folder, copy, f"{folder}/../one"):
            refuse_other_tokens(str(tokenizer), "language_model", {"folder": str(folder)}, "models.text")
        refuse_other_tokens(None, "text_ngrams", {}, "models.text")

    def test_that_do_not_are_refused(self, folder, tmp_path):
        other = write_tokenizer(tmp_path / "other", words=WORDS[::-1])
        cases = [
            (str(other), "language_model", {"folder": str(folder)}, "numbers them otherwise"),
            (None, "language_model", {"folder": str(folder)}, "dataset holds numbers of words"),
            (str(folder), "text_ngrams", {}, "text_ngrams reads words"),
        ]
        for tokenizer, encoder, values, message in cases:
            with pytest.raises(ConfigError, match=rf"models\.text: .*{message}"):
                refuse_other_tokens(tokenizer, encoder, values, "models.text")
