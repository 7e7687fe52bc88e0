"""The spoken digits: split by voice, at stated levels of noise, each word the same on its own."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.data.conftest import load_once
from ucmkd.data.base import load_dataset
from ucmkd.data.datasets.spoken_digits import (
    CHATTER,
    FLOOR,
    FRAMES,
    WINDOW,
    WORDS,
    Dataset,
    Settings,
    Utterance,
    picture,
    record,
    say,
)
from ucmkd.errors import ConfigError, DataError

FEW = Settings(train_voices=("m1",), val_voices=("m2",), test_voices=("f2",), rates=(160,), pitches=(50,))


class TestSplit:
    def test_every_voice_says_every_word_at_every_rate_and_pitch(self) -> None:
        s, samples = Settings(), load_once("spoken_digits")
        for part in ("train", "val", "test"):
            said = {name for name, split in zip(samples.ids, samples.split, strict=True) if split == part}
            assert said == {
                f"{voice}-{word}-rate{rate}-pitch{pitch}"
                for voice in getattr(s, f"{part}_voices")
                for word in WORDS
                for rate in s.rates
                for pitch in s.pitches
            }

    def test_the_group_is_the_voice_and_the_label_the_word(self) -> None:
        samples = load_once("spoken_digits")
        for name, group, label in zip(samples.ids, samples.groups, samples.labels, strict=True):
            assert name.split("-")[:2] == [group, samples.classes[label]]

    def test_sizes(self) -> None:
        counts = [load_once("spoken_digits").split.count(part) for part in ("train", "val", "test")]
        assert 800 <= counts[0] <= 1000
        assert counts[1] >= 250
        assert counts[2] >= 500

    def test_who_chatters_in_the_background_speaks_no_digit(self) -> None:
        assert not set(Settings().babble_voices) & set(load_once("spoken_digits").groups)


class TestSamples:
    def test_pictures_are_small_and_above_the_floor(self) -> None:
        inputs = load_once("spoken_digits").inputs
        assert inputs.shape[1:] == (1, 16, 16)
        assert inputs.min() >= np.log10(FLOOR)

    def test_a_sample_does_not_depend_on_the_others(self) -> None:
        """Fewer voices, in another order, give the same pictures of the words they share."""
        everything = load_once("spoken_digits")
        row = dict(zip(everything.ids, everything.inputs, strict=True))
        voices = {"train_voices": ("f3", "m8"), "val_voices": ("m2",), "test_voices": ("m4",)}
        some = Dataset(Settings(**voices, rates=(200,), pitches=(35,))).load()
        for name, inputs in zip(some.ids, some.inputs, strict=True):
            np.testing.assert_array_equal(inputs, row[name], err_msg=name)

    @pytest.mark.parametrize("kind", ["babble", "pink", "hum"])
    @pytest.mark.parametrize("snr_db", [-9.0, 0.0, 6.0])
    def test_noise_has_the_stated_level(self, kind: Any, snr_db: float) -> None:
        """A recording is a sum of the word and the noise, which recordings at extreme levels show alone."""
        chatter = [say(CHATTER, voice="max", rate=160, pitch=50)[0]]
        mixed, word, noise = (
            record(
                Utterance("train", "m1", 7, 160, 50), replace(FEW, noises=(kind,), snr_db=(level,)), chatter
            )[0]
            for level in (snr_db, 200.0, -200.0)
        )
        gains, rest, _, _ = np.linalg.lstsq(np.stack([word, noise], axis=1), mixed)
        assert rest[0] < 1e-9
        # word and noise alone have mean power 1
        assert 20 * np.log10(gains[0] / gains[1]) == pytest.approx(snr_db, abs=1e-6)
        assert np.mean(mixed**2) == pytest.approx(1)

    def test_the_word_stands_inside_its_margins(self) -> None:
        spoken, _ = say("six", voice="m1", rate=160, pitch=50)
        for margin in (0.0, 0.5, 2.0):
            clean, _ = record(Utterance("train", "m1", 6, 160, 50), replace(FEW, margin=margin), [spoken])
            assert len(spoken) <= len(clean) <= (1 + 2 * margin) * len(spoken) + WINDOW

    @pytest.mark.parametrize("samples", [WINDOW + FRAMES - 1, 5000, 17001])
    def test_recordings_of_any_length_fill_the_picture(self, samples: int) -> None:
        tone = np.sqrt(2) * np.sin(2 * np.pi * 1000 * np.arange(samples) / 22050)
        image = picture(tone, 22050)
        assert image.shape == (1, 16, 16)
        assert len(set(image[0].argmax(axis=0))) == 1


class TestSettings:
    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"test_voices": ["m1"]}, "voice 'm1' is named twice"),
            ({"babble_voices": ["m4"]}, "voice 'm4' is named twice"),
            ({"val_voices": []}, "val_voices is empty"),
            ({"snr_db": []}, "snr_db is empty"),
            ({"margin": -0.1}, "margin is -0.1"),
            ({"margin": float("inf")}, "margin is inf"),
            ({"noises": ["rain"]}, "'rain' is not one of babble, pink, hum"),
            ({"voices": ["m1"]}, "no setting 'voices'"),
        ],
    )
    def test_settings_that_make_no_dataset_are_refused(self, values: dict[str, Any], message: str) -> None:
        with pytest.raises(ConfigError, match=f"datasets.spoken_digits.*{message}"):
            load_dataset("spoken_digits", values)

    def test_a_voice_that_does_not_exist_is_refused(self) -> None:
        with pytest.raises(DataError, match="no voice 'nobody'"):
            Dataset(replace(FEW, train_voices=("nobody",))).load()

    def test_it_says_that_it_is_synthetic(self) -> None:
        assert "synthetic" in Dataset.title
        assert "synthetic" in Dataset.source
        assert "GPL-3.0-or-later" in Dataset.licence
