"""The synthesiser says the same thing whatever it said before, and says clearly when it cannot speak."""

import ctypes
import hashlib
import subprocess
import sys
import time
from pathlib import Path

import espeakng_loader
import numpy as np
import pytest

from ucmkd.data import speech
from ucmkd.data.datasets.spoken_digits import Settings
from ucmkd.data.speech import synthesise
from ucmkd.errors import DataError

UTTERANCES = [
    (word, voice) for voice in ("m1", "f2", "f4", "grandma", "whisper") for word in ("seven", "zero")
]


def say(text: str = "seven", voice: str = "m3", rate: int = 160, pitch: int = 50) -> np.ndarray:
    """Speak with ordinary settings."""
    return synthesise(text, voice=voice, rate=rate, pitch=pitch)[0]


def fundamental(waveform: np.ndarray, sample_rate: int = 22050) -> float:
    """Frequency in hertz at which the waveform repeats itself best, between 60 and 400."""
    correlation = np.correlate(waveform, waveform, "full")[len(waveform) - 1 :]
    shortest, longest = sample_rate // 400, sample_rate // 60
    return sample_rate / (shortest + int(correlation[shortest:longest].argmax()))


class TestReproducibility:
    def test_every_utterance_is_the_same_in_any_order(self) -> None:
        """Voices with flutter, echo and breath, whose state the synthesiser keeps from word to word."""
        first = {case: say(*case).tobytes() for case in UTTERANCES}
        time.sleep(1.1)  # left alone, the synthesiser seeds its generator with the second of the day
        for case in [*UTTERANCES[::-1], *UTTERANCES[::3]]:
            assert say(*case).tobytes() == first[case], case

    def test_every_voice_of_the_spoken_digits_repeats_itself(self) -> None:
        s = Settings()
        for voice in s.train_voices + s.val_voices + s.test_voices + s.babble_voices:
            first = say(voice=voice).tobytes()
            say("nine", voice="f1")
            assert say(voice=voice).tobytes() == first, voice

    def test_another_process_with_another_history_says_the_same(self) -> None:
        script = (
            "import hashlib\n"
            "from ucmkd.data.speech import synthesise\n"
            "for text, voice in [('anything before', 'grandpa'), ('seven', 'm1'), ('zero', 'f4')]:\n"
            "    waveform, _ = synthesise(text, voice=voice, rate=160, pitch=50)\n"
            "    print(hashlib.sha256(waveform.tobytes()).hexdigest())\n"
        )
        result = subprocess.run(
            [sys.executable, "-c", script],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        )
        expected = [
            hashlib.sha256(say(*case).tobytes()).hexdigest() for case in (("seven", "m1"), ("zero", "f4"))
        ]
        assert result.stdout.split()[1:] == expected

    @pytest.mark.parametrize("voice", speech.IRREPRODUCIBLE)
    def test_voices_that_draw_from_a_foreign_generator_are_refused(self, voice: str) -> None:
        with pytest.raises(DataError, match=f"no voice '{voice}' that speaks reproducibly"):
            say(voice=voice)

    def test_a_second_user_of_the_library_is_refused(self) -> None:
        library = ctypes.CDLL(espeakng_loader.get_library_path())
        try:
            with pytest.raises(DataError, match="something else in this process uses eSpeak NG"):
                say()
        finally:
            ctypes.CDLL(None).dlclose(ctypes.c_void_p(library._handle))
        assert say().any()


class TestSound:
    def test_waveform_and_sample_rate(self) -> None:
        waveform, sample_rate = synthesise("seven", voice="m3", rate=160, pitch=50)
        assert waveform.dtype == np.float32
        assert sample_rate == 22050
        assert 0.05 < np.abs(waveform).max() <= 1
        assert 0.2 < len(waveform) / sample_rate < 1.5

    def test_more_words_a_minute_are_shorter(self) -> None:
        assert len(say(rate=240)) < len(say(rate=160)) < len(say(rate=110))

    def test_a_higher_pitch_is_higher(self) -> None:
        low, high = fundamental(say(pitch=20)), fundamental(say(pitch=80))
        assert 60 < low < 0.9 * high

    def test_women_speak_higher_than_men(self) -> None:
        assert fundamental(say(voice="f2")) > 1.2 * fundamental(say(voice="m3"))

    def test_a_sentence_is_longer_than_a_word(self) -> None:
        assert len(say("one two three four five six")) > 3 * len(say("one"))


class TestRefusals:
    @pytest.mark.parametrize("voice", ["nobody", "", "../voices/!v/m3", "M3"])
    def test_an_unknown_voice_is_refused_with_those_that_exist(self, voice: str) -> None:
        with pytest.raises(DataError, match=r"speech: no voice .*known: .*\bm3\b"):
            say(voice=voice)

    @pytest.mark.parametrize(("rate", "pitch"), [(79, 50), (451, 50), (160, -1), (160, 100)])
    def test_numbers_the_synthesiser_would_clip_are_refused(self, rate: int, pitch: int) -> None:
        with pytest.raises(DataError, match=r"give a rate of 80\.\.450 and a pitch of 0\.\.99"):
            say(rate=rate, pitch=pitch)

    def test_a_missing_package(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "espeakng_loader", None)
        with pytest.raises(DataError, match="install the package espeakng-loader"):
            say()

    def test_a_missing_library(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(espeakng_loader, "get_library_path", lambda: str(tmp_path / "libespeak-ng.so"))
        with pytest.raises(DataError, match=r"libespeak-ng\.so: no such file; reinstall"):
            say()

    def test_a_library_for_another_machine(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "libespeak-ng.so").write_bytes(b"\x7fELF broken")
        monkeypatch.setattr(espeakng_loader, "get_library_path", lambda: str(tmp_path / "libespeak-ng.so"))
        with pytest.raises(DataError, match=r"libespeak-ng\.so: .*reinstall the package espeakng-loader"):
            say()

    def test_missing_voice_data(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(espeakng_loader, "get_data_path", lambda: str(tmp_path))
        with pytest.raises(DataError, match="phondata: no such file; reinstall"):
            say()


def test_a_data_folder_with_a_very_long_name_serves_as_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    expected = say()
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    (deep / "espeak-ng-data").symlink_to(espeakng_loader.get_data_path())
    monkeypatch.setattr(espeakng_loader, "get_data_path", lambda: str(deep / "espeak-ng-data"))
    np.testing.assert_array_equal(say(), expected)
