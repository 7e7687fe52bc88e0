"""The spectrogram against SciPy, and the filters against their definition."""

import numpy as np
import pytest
import torch
from scipy.signal import get_window, stft

from ucmkd.data.melspectrogram import log_mel, mel_filterbank, power_spectrogram, to_mel
from ucmkd.errors import DataError

RATE, WINDOW, HOP = 16000, 512, 160


def noise(*shape: int) -> torch.Tensor:
    """White noise, float64."""
    return torch.from_numpy(np.random.default_rng(0).standard_normal(shape))


def filters(bands: int = 20, low: float = 100, high: float = 7000) -> torch.Tensor:
    """A filterbank for the window above."""
    return mel_filterbank(bands, window=WINDOW, sample_rate=RATE, low=low, high=high)


def corners(bands: int = 20, low: float = 100, high: float = 7000) -> np.ndarray:
    """Frequencies evenly spaced in mel, found by interpolation in a table of the scale."""
    hertz = np.linspace(0, RATE / 2, 200_001)
    scale = [to_mel(value) for value in hertz]
    return np.interp(np.linspace(to_mel(low), to_mel(high), bands + 2), scale, hertz)


class TestScale:
    def test_a_thousand_hertz_are_a_thousand_mel(self) -> None:
        assert to_mel(1000) == pytest.approx(1000, abs=0.1)

    def test_zero_is_zero(self) -> None:
        assert to_mel(0) == 0


class TestFilters:
    def test_they_share_every_frequency_between_the_first_and_last_centre(self) -> None:
        frequency = np.arange(WINDOW // 2 + 1) * RATE / WINDOW
        inside = (frequency >= corners()[1]) & (frequency <= corners()[-2])
        np.testing.assert_allclose(filters().sum(0)[inside], 1, atol=1e-12)

    def test_each_is_the_triangle_between_its_corners(self) -> None:
        frequency = np.arange(WINDOW // 2 + 1) * RATE / WINDOW
        corner = corners()
        for k, row in enumerate(filters()):
            expected = np.interp(frequency, corner[k : k + 3], [0, 1, 0], left=0, right=0)
            np.testing.assert_allclose(row, expected, atol=1e-4)

    def test_nothing_passes_outside_the_outer_corners(self) -> None:
        frequency = np.arange(WINDOW // 2 + 1) * RATE / WINDOW
        outside = (frequency < 100) | (frequency > 7000)
        assert filters()[:, outside].abs().max() == 0

    @pytest.mark.parametrize(("low", "high"), [(-1, 7000), (300, 300), (4000, 200), (100, 8001)])
    def test_corners_out_of_order_are_refused(self, low: float, high: float) -> None:
        with pytest.raises(DataError, match="give 0 <= low < high <= 8000"):
            filters(low=low, high=high)

    def test_bands_that_hold_no_frequency_are_refused(self) -> None:
        with pytest.raises(DataError, match="use fewer bands or a longer window"):
            filters(bands=200)


class TestSpectrogram:
    def test_it_agrees_with_scipy(self) -> None:
        wave = noise(4000)
        _, _, expected = stft(
            wave.numpy(), nperseg=WINDOW, noverlap=WINDOW - HOP, boundary=None, padded=False
        )
        scale = get_window("hann", WINDOW).sum()
        ours = power_spectrogram(wave, window=WINDOW, hop=HOP)
        np.testing.assert_allclose(ours, np.abs(scale * expected) ** 2, rtol=1e-9, atol=1e-9)

    def test_energy_is_kept(self) -> None:
        """Parseval: the mean of the two-sided powers of a frame is the energy of the windowed frame."""
        wave = noise(WINDOW)
        power = power_spectrogram(wave, window=WINDOW, hop=HOP)[:, 0]
        two_sided = power.sum() + power[1:-1].sum()
        energy = ((wave.numpy() * get_window("hann", WINDOW)) ** 2).sum()
        assert float(two_sided) / WINDOW == pytest.approx(energy)

    def test_batches_are_taken_row_by_row(self) -> None:
        waves = noise(3, 2000)
        together = power_spectrogram(waves, window=WINDOW, hop=HOP)
        np.testing.assert_allclose(together[1], power_spectrogram(waves[1], window=WINDOW, hop=HOP))

    def test_a_waveform_shorter_than_a_window_is_refused(self) -> None:
        with pytest.raises(DataError, match="511 samples are less than a window of 512"):
            power_spectrogram(noise(WINDOW - 1), window=WINDOW, hop=HOP)


class TestLogMel:
    @pytest.mark.parametrize("band", [0, 7, 19])
    def test_a_pure_tone_lands_in_its_band(self, band: int) -> None:
        wave = torch.sin(2 * torch.pi * corners()[band + 1] * torch.arange(RATE, dtype=torch.float64) / RATE)
        picture = log_mel(wave, filters(), hop=HOP, floor=1e-10)
        assert (picture.argmax(0) == band).all()

    def test_ten_times_the_amplitude_is_two_bel_more(self) -> None:
        quiet, loud = (log_mel(gain * noise(2000), filters(), hop=HOP, floor=1e-10) for gain in (1, 10))
        np.testing.assert_allclose(loud - quiet, 2.0)

    def test_silence_is_the_floor(self) -> None:
        picture = log_mel(torch.zeros(2000, dtype=torch.float64), filters(), hop=HOP, floor=1e-3)
        np.testing.assert_allclose(picture, -3.0)

    def test_shape(self) -> None:
        assert log_mel(noise(3, 2000), filters(), hop=HOP, floor=1.0).shape == (3, 20, 10)
