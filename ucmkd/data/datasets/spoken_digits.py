"""The ten English digit words, spoken by a synthesiser in many voices and drowned in noise."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ucmkd.data import base, speech
from ucmkd.data.base import Samples
from ucmkd.data.noise import babble, mains_hum, mix, pink_noise
from ucmkd.seeding import generator_for
from ucmkd.threads import one_thread

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
CHATTER = "Well, we could have walked along the river and looked at the boats before the rain came down again"

BANDS, FRAMES = 16, 16
WINDOW = 1024
LOW, HIGH = 100.0, 8000.0
FLOOR = 1.0
"""Power that silence counts as; white noise of mean power 1 has 384 at every frequency, the sum of the window
squared."""
NOISE_SEED = 0

Noise = Literal["babble", "pink", "hum"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Who speaks, how, and in what noise.

    Attributes
    ----------
    train_voices, val_voices, test_voices : tuple of str
        Voice variants of eSpeak NG, drawn by lot; those of the Klatt synthesiser were left out. A voice
        speaks in one split only.
    babble_voices : tuple of str
        Who chatters in the background, in every split; none of the speakers above.
    rates : tuple of int
        Words a minute, 80 to 450.
    pitches : tuple of int
        0 to 99; 50 is the voice's own.
    margin : float
        How much of the recording there is before the word, and after it, at most, in lengths of the word.
    noises : tuple of "babble", "pink" or "hum"
        Kinds of noise; each sample draws one.
    snr_db : tuple of float
        Signal-to-noise ratios over the recording, in decibels; each sample draws one.
    """

    train_voices: tuple[str, ...] = ("m1", "m3", "iven", "pablo", "norbert", "m8", "travis", "f1", "f3", "f4")
    val_voices: tuple[str, ...] = ("Michael", "m2", "boris", "belinda")
    test_voices: tuple[str, ...] = ("m4", "m5", "quincy", "Nguyen", "f2", "linda")
    babble_voices: tuple[str, ...] = ("Alex", "Annie", "max", "grandma")
    rates: tuple[int, ...] = (130, 160, 200)
    pitches: tuple[int, ...] = (35, 50, 65)
    margin: float = 1.0
    noises: tuple[Noise, ...] = ("babble", "pink", "hum")
    snr_db: tuple[float, ...] = (-9.0, -6.0, -3.0, 0.0, 3.0)

    def __post_init__(self) -> None:
        if not 0 <= self.margin < math.inf:
            raise ValueError(f"margin is {self.margin}; it must be a number of at least 0")
        for name in ("train_voices", "val_voices", "test_voices", "babble_voices", "rates", "pitches",
                     "noises", "snr_db"):  # fmt: skip
            if not getattr(self, name):
                raise ValueError(f"{name} is empty; name at least one")
        everyone = self.train_voices + self.val_voices + self.test_voices + self.babble_voices
        for voice in everyone:
            if everyone.count(voice) > 1:
                raise ValueError(f"voice '{voice}' is named twice; a voice has one part")


@dataclass(frozen=True)
class Utterance:
    """One word to be said."""

    split: str
    voice: str
    label: int
    rate: int
    pitch: int

    @property
    def name(self) -> str:
        """The sample's id."""
        return f"{self.voice}-{WORDS[self.label]}-rate{self.rate}-pitch{self.pitch}"


class Dataset(base.Dataset[Settings]):
    """Log-mel pictures (1, 16, 16), in bel: bands from low to high by frames evenly over the recording."""

    modality = "audio"
    title = "Spoken digits (synthetic speech)"
    licence = "made on this machine; the synthesiser is GPL-3.0-or-later, no sound of it is distributed"
    citation = "eSpeak NG 1.52, https://github.com/espeak-ng/espeak-ng"
    source = "synthetic speech of eSpeak NG (package espeakng-loader) in synthetic noise"
    grouped = True
    Settings = Settings

    def load(self) -> Samples:
        """Say every word in every voice, at every rate and pitch, add noise and take the spectrogram."""
        s = self.settings
        casts = (("train", s.train_voices), ("val", s.val_voices), ("test", s.test_voices))
        utterances = [
            Utterance(split, voice, label, rate, pitch)
            for split, voices in casts
            for voice, label, rate, pitch in product(voices, range(len(WORDS)), s.rates, s.pitches)
        ]
        chatter = [say(CHATTER, voice=voice, rate=160, pitch=50)[0] for voice in s.babble_voices]
        with one_thread():
            pictures = [picture(*record(utterance, s, chatter)) for utterance in utterances]
        return Samples(
            inputs=np.stack(pictures),
            labels=np.array([utterance.label for utterance in utterances], dtype=np.int64),
            classes=WORDS,
            ids=[utterance.name for utterance in utterances],
            groups=[utterance.voice for utterance in utterances],
            split=[utterance.split for utterance in utterances],
        )


def say(text: str, *, voice: str, rate: int, pitch: int) -> tuple[NDArray[np.float32], int]:
    """Speak a text and cut the quiet around it: what is below a hundredth of the peak."""
    waveform, sample_rate = speech.synthesise(text, voice=voice, rate=rate, pitch=pitch)
    loud = np.flatnonzero(np.abs(waveform) > np.abs(waveform).max() / 100)
    return waveform[loud[0] : loud[-1] + 1], sample_rate


def record(
    utterance: Utterance, settings: Settings, chatter: Sequence[NDArray[Any]]
) -> tuple[NDArray[np.float64], int]:
    """Say a word somewhere in noise.

    Parameters
    ----------
    utterance : Utterance
        Its name seeds the margins, the kind of noise and its level.
    settings : Settings
    chatter : sequence of arrays, shape (n,)
        What the voices of the babble say.

    Returns
    -------
    recording : array, shape (samples,)
        float64, mean power 1, long enough for ``FRAMES`` windows.
    sample_rate : int
        In hertz.
    """
    generator = generator_for(NOISE_SEED, "spoken_digits", utterance.name)
    word, sample_rate = say(
        WORDS[utterance.label], voice=utterance.voice, rate=utterance.rate, pitch=utterance.pitch
    )
    before, after = (int(share * len(word)) for share in generator.uniform(0, settings.margin, 2))
    missing = max(0, WINDOW + FRAMES - 1 - before - len(word) - after)
    signal = np.pad(word, (before, after + missing))
    kind = settings.noises[generator.integers(len(settings.noises))]
    snr_db = settings.snr_db[generator.integers(len(settings.snr_db))]
    if kind == "babble":
        noise = babble(chatter, len(signal), generator)
    elif kind == "pink":
        noise = pink_noise(len(signal), generator)
    else:
        noise = mains_hum(len(signal), sample_rate, generator)
    recording = mix(signal, noise, snr_db=snr_db)
    return recording / np.sqrt(np.mean(recording**2)), sample_rate


def picture(recording: NDArray[np.float64], sample_rate: int) -> NDArray[np.float32]:
    """Take the log-mel spectrogram, shape (1, BANDS, FRAMES), with frames evenly over the recording."""
    import torch  # here, since torch takes seconds to import and reading the settings needs none of it

    from ucmkd.data.melspectrogram import log_mel, mel_filterbank

    filters = mel_filterbank(BANDS, window=WINDOW, sample_rate=sample_rate, low=LOW, high=HIGH)
    hop = (len(recording) - WINDOW) // (FRAMES - 1)
    bands = log_mel(torch.from_numpy(recording), filters, hop=hop, floor=FLOOR)
    single: NDArray[np.float32] = bands[None, :, :FRAMES].float().numpy()
    return single
