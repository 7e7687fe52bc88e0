"""The captions: what they say, what the generator reads, and that no wording stands in two splits."""

import re
from collections import Counter

import numpy as np
import pytest

from ucmkd.data.base import SPLITS, Samples, load_dataset
from ucmkd.data.datasets.captions import (
    FRAMES,
    KNOWN,
    LENGTH,
    LEXICON,
    OBJECTS,
    OPENINGS,
    PLACES,
    WHO,
    imagine,
    understood,
)

SLOTS = re.compile("|".join(sorted((*WHO, *LEXICON), key=len, reverse=True)))


@pytest.fixture(scope="module")
def text() -> Samples:
    return load_dataset("captions", {"view": "text"}).load()


@pytest.fixture(scope="module")
def generated() -> Samples:
    return load_dataset("captions", {"view": "generated"}).load()


def texts_of(samples: Samples) -> list[str]:
    assert samples.texts is not None
    return list(samples.texts)


def test_both_views_show_the_same_captions(text: Samples, generated: Samples) -> None:
    assert text.inputs.shape == (3000, LENGTH)
    assert generated.inputs.shape == (3000, 4 * 16 * 16)
    for column in ("ids", "groups", "split", "pair_ids", "texts", "classes"):
        assert list(getattr(text, column)) == list(getattr(generated, column))
    assert np.array_equal(text.labels, generated.labels)
    names = {load_dataset("captions", {"view": view}).instances for view in ("text", "generated")}
    assert names == {"captions"}


def test_modalities_are_those_of_the_views() -> None:
    found = {view: load_dataset("captions", {"view": view}).modality for view in ("text", "generated")}
    assert found == {"text": "text", "generated": "tabular"}


def test_the_image_depends_on_the_text_alone(generated: Samples) -> None:
    texts = texts_of(generated)
    for row in range(0, len(texts), 97):
        np.testing.assert_array_equal(generated.inputs[row], imagine(str(texts[row])))


def test_every_load_is_the_same_to_the_last_bit(text: Samples, generated: Samples) -> None:
    for view, first in (("text", text), ("generated", generated)):
        again = load_dataset("captions", {"view": view}).load()
        assert np.array_equal(first.inputs, again.inputs)
        assert texts_of(first) == texts_of(again)


def test_every_class_is_as_frequent_in_every_split(text: Samples) -> None:
    for part in SPLITS:
        counts = np.bincount(text.labels[np.asarray(text.split) == part], minlength=len(PLACES))
        assert len(set(counts.tolist())) == 1


def test_no_wording_and_no_caption_stands_in_two_splits(text: Samples) -> None:
    texts, homes = texts_of(text), {}
    assert len(set(texts)) == len(texts)
    for caption, part in zip(texts, text.split, strict=True):
        sentence = next(
            (caption[: caption.index(", " + o)] for o in OPENINGS if ", " + o in caption), caption
        )
        homes.setdefault(SLOTS.sub("*", sentence), set()).add(part)
    assert len(homes) >= len(FRAMES)
    assert all(len(parts) == 1 for parts in homes.values())


def test_no_caption_is_cut(text: Samples) -> None:
    assert (text.inputs[:, -1] == 0).all()


def test_a_word_tells_one_place() -> None:
    words = [word for spots, details in PLACES.values() for word in (*spots, *details)]
    assert max(Counter(words).values()) == 1
    assert not set(words) & set(OBJECTS)
    for frame in (*FRAMES, *WHO, *OPENINGS):
        assert {match[0] for match in KNOWN.finditer(frame)} <= set(OBJECTS)


def test_a_caption_tells_its_place_and_names_others_only_to_deny_them(text: Samples) -> None:
    classes, places = text.classes, set(PLACES)
    denied = 0
    for caption, label in zip(texts_of(text), text.labels, strict=True):
        told = [meaning for meaning, strength in understood(caption) if meaning in places and strength > 0.5]
        others = [
            meaning for meaning, strength in understood(caption) if meaning in places and strength == 0.5
        ]
        assert told == [classes[label]] * 2
        assert classes[label] not in others
        assert len(others) <= 1
        denied += len(others)
    assert denied / len(text.labels) == pytest.approx(0.25, abs=0.03)


def test_the_generator_knows_synonyms_and_half_overhears_a_denial() -> None:
    said = "by the lagoon: twins, some rock pools and a hat, with no henhouse in sight"
    assert understood(said) == [("beach", 1.0), ("beach", 0.7), ("hat", 0.7), ("farm", 0.5)]
    assert understood("nothing that it knows") == []


def test_words_for_one_place_look_alike() -> None:
    """Averaged over captions, what is made up fades, and the patterns of the places remain."""

    def seen(words: tuple[str, ...]) -> np.ndarray:
        return np.mean([imagine(f"{who} at the {word}") for word in words for who in WHO], axis=0)

    spots = {place: spots for place, (spots, _) in PLACES.items()}
    common, rare = seen(spots["forest"][:6]), seen(spots["forest"][6:])
    other = seen(spots["station"][:6])
    assert np.corrcoef(common, rare)[0, 1] > 0.5
    assert abs(np.corrcoef(common, other)[0, 1]) < 0.4
