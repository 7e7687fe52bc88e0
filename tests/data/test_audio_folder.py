"""A folder of sounds."""

import numpy as np
import pytest
import soundfile

from tests.new.own_data import CLASSES, RATE, counts_of, read, write_sound, write_sounds
from ucmkd.data.base import load_dataset
from ucmkd.errors import ConfigError

SMALL = {"sample_rate": RATE, "window": 256, "bands": 8, "frames": 6}


def tone(hertz: float, seconds: float = 0.5, rate: int = RATE) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def test_sounds_become_pictures_of_one_size(tmp_path):
    _, samples = read("audio_folder", tmp_path, folder=str(write_sounds(tmp_path / "d")), **SMALL)
    assert samples.inputs.shape == (30, 1, 8, 6)
    assert samples.inputs.dtype == np.float32
    assert samples.classes == CLASSES
    assert counts_of(samples)["cat", "train"] == 6


def test_a_higher_tone_stands_in_a_higher_band(tmp_path):
    folder = write_sounds(tmp_path / "d", classes=("a", "b"), each=4)
    for name, hertz in (("low", 300.0), ("high", 2500.0)):
        soundfile.write(folder / "a" / f"{name}.wav", tone(hertz), RATE)
    _, samples = read("audio_folder", tmp_path, folder=str(folder), **SMALL)
    pictures = dict(zip(samples.ids, samples.inputs, strict=True))
    loudest = [pictures[f"a/{name}.wav"][0].mean(axis=1).argmax() for name in ("low", "high")]
    assert loudest[0] < loudest[1]


def test_the_rate_of_the_recording_does_not_matter(tmp_path):
    folder = write_sounds(tmp_path / "d", classes=("a", "b"), each=4)
    for rate in (RATE, 2 * RATE):
        soundfile.write(folder / "a" / f"tone{rate}.wav", tone(1000.0, rate=rate), rate)
    _, samples = read("audio_folder", tmp_path, folder=str(folder), **SMALL)
    pictures = dict(zip(samples.ids, samples.inputs, strict=True))
    slow, fast = (pictures[f"a/tone{rate}.wav"] for rate in (RATE, 2 * RATE))
    loud = slow > slow.max() - 2
    np.testing.assert_allclose(slow[loud], fast[loud], atol=0.05)


def test_only_the_middle_is_kept_if_seconds_are_given(tmp_path):
    folder = write_sounds(tmp_path / "d", classes=("a", "b"), each=4)
    silence = np.zeros(RATE)
    soundfile.write(folder / "a" / "around.wav", np.concatenate([tone(1000.0), silence, tone(1000.0)]), RATE)
    pictures = []
    for seconds in (None, 0.8):
        _, samples = read("audio_folder", tmp_path, folder=str(folder), seconds=seconds, **SMALL)
        pictures.append(samples.inputs[list(samples.ids).index("a/around.wav")])
    assert pictures[1].max() < -5.9  # silence counts as a millionth
    assert pictures[0].max() > 0


def test_a_sound_that_is_shorter_than_a_frame_is_silence_around_it(tmp_path):
    folder = write_sounds(tmp_path / "d", classes=("a", "b"), each=4)
    write_sound(folder / "a" / "short.wav", 99, samples=20)
    _, samples = read("audio_folder", tmp_path, folder=str(folder), **SMALL)
    assert np.isfinite(samples.inputs).all()
    assert "a/short.wav" in samples.ids


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sample_rate": 0}, "sample_rate is 0; it must be at least 1000"),
        ({"seconds": 0.0}, "seconds is 0.0"),
        ({"frames": 1}, "frames is 1"),
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        load_dataset("audio_folder", {"folder": "x", **settings})
