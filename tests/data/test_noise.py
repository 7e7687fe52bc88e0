"""Noise sounds as it says and is mixed at the level that is stated."""

import numpy as np
import pytest
from scipy.signal import periodogram, welch

from ucmkd.data.noise import HARMONICS, babble, mains_hum, mix, pink_noise
from ucmkd.errors import DataError

RATE = 16000


def tone(hertz: float, samples: int = RATE) -> np.ndarray:
    """A sine of amplitude 1."""
    return np.sin(2 * np.pi * hertz * np.arange(samples) / RATE)


class TestMix:
    @pytest.mark.parametrize("snr_db", [-20.0, -3.0, 0.0, 12.5, 60.0])
    @pytest.mark.parametrize("loudness", [1e-3, 1.0, 1e4])
    def test_the_measured_ratio_is_the_stated_one(self, snr_db: float, loudness: float) -> None:
        signal = tone(440).astype(np.float32)
        noise = loudness * np.random.default_rng(0).standard_normal(RATE)
        added = mix(signal, noise, snr_db=snr_db) - signal
        assert 10 * np.log10(np.var(signal) / np.mean(added**2)) == pytest.approx(snr_db, abs=1e-6)

    def test_what_is_added_is_the_noise_scaled(self) -> None:
        signal, noise = tone(440), tone(1000)
        added = mix(signal, noise, snr_db=0) - signal
        assert np.corrcoef(added, noise)[0, 1] == pytest.approx(1)

    @pytest.mark.parametrize(("signal", "noise"), [(np.zeros(9), np.ones(9)), (np.ones(9), np.zeros(9))])
    def test_silence_has_no_ratio(self, signal: np.ndarray, noise: np.ndarray) -> None:
        with pytest.raises(DataError, match="silent"):
            mix(signal, noise, snr_db=0)

    def test_lengths_must_agree(self) -> None:
        with pytest.raises(DataError, match=r"shape \(9,\) and noise of \(8,\)"):
            mix(np.ones(9), np.ones(8), snr_db=0)


class TestPink:
    def test_power_falls_with_the_frequency(self) -> None:
        frequency, power = welch(pink_noise(1 << 18, np.random.default_rng(0)), fs=1.0, nperseg=4096)
        band = (frequency > 0.002) & (frequency < 0.4)
        slope = np.polyfit(np.log10(frequency[band]), np.log10(power[band]), 1)[0]
        assert slope == pytest.approx(-1, abs=0.05)

    @pytest.mark.parametrize("samples", [1, 2, 1000, 1024, 17389])
    def test_it_is_as_long_as_asked(self, samples: int) -> None:
        assert pink_noise(samples, np.random.default_rng(0)).shape == (samples,)


class TestHum:
    def test_all_power_lies_at_the_harmonics_of_the_supply(self) -> None:
        frequency, power = periodogram(mains_hum(10 * RATE, RATE, np.random.default_rng(0)), RATE, "hann")
        # the supply strays a fifth of a hertz, its 30th harmonic thirty times as much
        order = np.clip(np.round(frequency / 50), 1, HARMONICS)
        near = np.abs(frequency - 50 * order) < 1.0 * order + 0.5
        assert power[near].sum() > 0.999 * power.sum()

    def test_amplitudes_fall_with_the_order(self) -> None:
        hum = mains_hum(20 * RATE, RATE, np.random.default_rng(1))
        frequency, power = periodogram(hum, RATE, "hann", scaling="spectrum")
        strength = [power[np.abs(frequency - 50 * k) < 10].sum() for k in range(1, 11)]
        np.testing.assert_allclose(np.divide(strength, strength[0]), 1 / np.arange(1, 11) ** 2, rtol=1e-3)


class TestBabble:
    def test_voices_are_equally_loud_and_only_shifted(self) -> None:
        # voices a whole number of periods long stay sines when they are repeated
        crowd = babble([0.01 * tone(400), 5 * tone(1000, 800)], RATE, np.random.default_rng(0))
        _, power = periodogram(crowd, RATE, scaling="spectrum")
        assert power[[400, 1000]] == pytest.approx([1, 1])
        assert power.sum() == pytest.approx(2)

    @pytest.mark.parametrize("voices", [[], [np.ones(5), np.zeros(5)]])
    def test_silence_is_no_voice(self, voices: list[np.ndarray]) -> None:
        with pytest.raises(DataError, match="babble: needs at least one voice"):
            babble(voices, 10, np.random.default_rng(0))


def test_the_generator_decides() -> None:
    for make in (
        lambda g: pink_noise(500, g),
        lambda g: mains_hum(500, RATE, g),
        lambda g: babble([tone(50)], 500, g),
    ):
        first, again, other = (make(np.random.default_rng(seed)) for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)
