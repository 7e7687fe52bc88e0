import numpy as np
import pytest
from PIL import Image

from tests.data_cards.synthetic import Given, labelled, sounds, write_datasets
from ucmkd.data.base import TYPES
from ucmkd.data.prepared import read_prepared, write_prepared
from ucmkd.data_cards.draw import WIDTH, card_figure, draw_card, first_frame
from ucmkd.data_cards.samples import CLASSES, PER_CLASS, shown_rows

DRAWN = ["frames", "sounds", "rows", "lines"]


@pytest.mark.parametrize("name", [*DRAWN, "reviews", "numbers_only"])
def test_the_same_data_give_the_same_bytes(stored, name, tmp_path):
    for picture in ("one.png", "two.png"):
        draw_card(stored[name], tmp_path / picture)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    with Image.open(tmp_path / "one.png") as image:
        assert image.width >= round(150 * WIDTH)


def test_every_modality_is_covered(stored):
    assert {read_prepared(folder).card["modality"] for folder in stored.values()} == set(TYPES)


@pytest.mark.parametrize("name", DRAWN)
def test_no_other_split_leaves_a_trace(stored, name, tmp_path):
    """Other inputs outside of the training split: the same picture."""
    before = read_prepared(stored[name])
    changed = np.array(before.inputs)
    changed[before.split != "train"] = 99
    columns = {"inputs": changed, "labels": before.labels, "split": before.split.tolist()}
    given = labelled(lambda *_: changed, tuple(before.card["classes"]), **columns)
    write_prepared(tmp_path / name, name, Given(before.card["modality"], given), {})
    draw_card(stored[name], tmp_path / "before.png")
    draw_card(tmp_path / name, tmp_path / "after.png")
    assert (tmp_path / "before.png").read_bytes() == (tmp_path / "after.png").read_bytes()


@pytest.mark.parametrize(("name", "classes"), [("frames", CLASSES), ("sounds", 3), ("lines", 2)])
def test_every_shown_class_is_a_row_of_samples(stored, name, classes):
    assert len(card_figure(read_prepared(stored[name])).axes) == classes * PER_CLASS


def test_colours_are_those_of_the_samples(tmp_path):
    def pure(labels, _):
        pixels = np.zeros((len(labels), 3, 4, 4), dtype=np.uint8)
        pixels[np.arange(len(labels)), labels] = 255
        return pixels

    write_prepared(tmp_path / "pure", "pure", Given("image", labelled(pure, ("red", "green"))), {})
    draw_card(tmp_path / "pure", tmp_path / "pure.png")
    with Image.open(tmp_path / "pure.png") as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    half = len(pixels) // 2
    for rows, colour in ((pixels[:half], (255, 0, 0)), (pixels[half:], (0, 255, 0))):
        assert (rows == colour).all(axis=-1).mean() > 0.5
    assert not (pixels == (0, 0, 255)).all(axis=-1).any()


def test_a_table_is_standardised_with_its_training_rows(stored):
    prepared = read_prepared(stored["rows"])
    inputs = prepared.inputs.astype(np.float64)
    train = inputs[prepared.split == "train"]
    rows = [row for of_class in shown_rows(prepared).values() for row in of_class]
    drawn = card_figure(prepared).axes[0].images[0].get_array()
    np.testing.assert_allclose(drawn, (inputs[rows] - train.mean(axis=0)) / train.std(axis=0), rtol=1e-6)


def test_low_bands_are_drawn_below(stored):
    axes = card_figure(read_prepared(stored["sounds"])).axes[0]
    assert axes.get_ylim()[0] < axes.get_ylim()[1]


@pytest.mark.parametrize(("channels", "drawn"), [(1, 1), (2, 1), (3, 3), (4, 1)])
@pytest.mark.parametrize("frames", [(), (1,), (3,)])
def test_the_first_frame_is_drawn(frames, channels, drawn):
    image = np.arange(np.prod([*frames, channels, 2, 3])).reshape(*frames, channels, 2, 3)
    first = image[0] if frames else image
    np.testing.assert_array_equal(first_frame(image), first[:drawn])


@pytest.mark.parametrize(
    ("modality", "shape"),
    [
        ("image", (1, 5, 9)),
        ("audio", (1, 4, 4)),
        ("sequence", (2, 7)),
        ("tabular", (1,)),
        ("tabular", (900,)),
    ],
)
def test_constant_inputs_can_be_drawn(modality, shape, tmp_path):
    samples = labelled(lambda labels, _: np.zeros((len(labels), *shape), np.float32), ("a\nb", "$\\frac$"))
    write_prepared(tmp_path / "flat", "flat", Given(modality, samples), {})
    draw_card(tmp_path / "flat", tmp_path / "flat.png")
    assert (tmp_path / "flat.png").stat().st_size > 0


def test_one_class_of_its_own_name_and_few_samples(tmp_path):
    samples = labelled(sounds, ("only",))
    write_prepared(tmp_path / "few", "few", Given("audio", samples), {})
    assert len(card_figure(read_prepared(tmp_path / "few")).axes) == PER_CLASS


def test_stored_datasets_are_made_the_same_every_time(stored, tmp_path):
    for folder in write_datasets(tmp_path):
        assert read_prepared(folder).card["sha256"] == read_prepared(stored[folder.name]).card["sha256"]
