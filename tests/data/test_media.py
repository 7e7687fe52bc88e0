"""Frames at their times, sound at its pitch, and what is no clip."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.data.media_trees import COLOURS, FPS, RATE, tone, truncate, write_clip, write_video, write_wav
from ucmkd.data.media.clips import Clip, ClipSettings, keep_videos_apart, read_view
from ucmkd.data.media.frames import duration, read_frames
from ucmkd.data.media.listing import digest, list_files
from ucmkd.data.media.soundtrack import read_soundtrack
from ucmkd.errors import DataError

GREYS = [10 * number + 10 for number in range(20)]
CODINGS: list[tuple[str, str, dict[str, Any]]] = [
    (".mp4", "mpeg4", {}),
    (".mp4", "libx264", {"gop_size": 250, "max_b_frames": 2}),
    (".mp4", "libx264", {"gop_size": 4}),
    (".flv", "flv", {"gop_size": 250}),
    (".flv", "flv", {"gop_size": 4}),
]


@pytest.fixture(params=CODINGS, ids=lambda coding: f"{coding[1]}{coding[0]}-{coding[2].get('gop_size', '')}")
def ramp(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Two seconds that grow lighter, frame by frame, with key frames near or far between."""
    suffix, codec, options = request.param
    write_video(tmp_path / f"ramp{suffix}", [(grey,) * 3 for grey in GREYS], None, codec, **options)
    return tmp_path / f"ramp{suffix}"


class TestFrames:
    @pytest.mark.parametrize(
        ("count", "span", "expected"),
        [
            (1, None, [10]),
            (4, None, [2, 7, 12, 17]),
            (3, (0.3, 0.9), [4, 6, 8]),
            (1, (1.0, 9.0), [15]),
            (2, (0.0, 0.05), [0, 0]),
            (1, (1.93, 1.99), [19]),
        ],
    )
    def test_they_are_those_shown_in_the_middles_of_equal_parts(
        self, ramp: Path, count: int, span: tuple[float, float] | None, expected: list[int]
    ) -> None:
        levels = read_frames(ramp, count=count, size=16, span=span).mean(axis=(1, 2, 3))
        np.testing.assert_allclose(levels, [GREYS[number] for number in expected], atol=3.5)

    def test_the_length_is_that_of_all_frames(self, ramp: Path) -> None:
        assert duration(ramp) == pytest.approx(len(GREYS) / FPS)

    def test_a_file_that_cannot_be_sought_in_gives_the_same(
        self, ramp: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from ucmkd.data.media import frames

        sought, decoded = read_frames(ramp, count=3, size=16), frames._decoded

        def no_seeking(container: Any, path: Path, seek: float | None) -> Any:
            return iter(()) if seek is not None else decoded(container, path, None)

        monkeypatch.setattr(frames, "_decoded", no_seeking)
        np.testing.assert_array_equal(read_frames(ramp, count=3, size=16), sought)

    def test_colours_and_order_of_axes(self, tmp_path: Path) -> None:
        write_video(tmp_path / "a.mp4", [(220, 40, 80)] * 5)
        frames = read_frames(tmp_path / "a.mp4", count=2, size=8)
        assert (frames.shape, frames.dtype) == ((2, 3, 8, 8), np.uint8)
        np.testing.assert_allclose(frames.mean(axis=(0, 2, 3)), (220, 40, 80), atol=5)

    def test_the_middle_square_is_kept(self, tmp_path: Path) -> None:
        row = np.full((64, 3), (40, 40, 200))
        row[:8] = row[-8:] = (200, 40, 40)
        write_video(tmp_path / "a.mp4", [row] * 5, bit_rate=4_000_000)
        frames = read_frames(tmp_path / "a.mp4", count=1, size=12)[0]
        np.testing.assert_allclose(frames[:, :, 2:-2].mean(axis=(1, 2)), (40, 40, 200), atol=12)

    def test_one_frame_is_enough(self, tmp_path: Path) -> None:
        write_video(tmp_path / "a.flv", [(90, 90, 90)])
        np.testing.assert_allclose(read_frames(tmp_path / "a.flv", count=2, size=8), 90, atol=4)

    def test_a_segment_after_the_end_is_refused(self, ramp: Path) -> None:
        with pytest.raises(DataError, match=r"ends at 2\.00 s, before the segment that starts at 2\.50 s"):
            read_frames(ramp, count=1, size=8, span=(2.5, 3.0))


def loudest(waveform: np.ndarray, rate: int) -> float:
    """The strongest frequency, in hertz."""
    return float(np.abs(np.fft.rfft(waveform)).argmax() * rate / len(waveform))


class TestSoundtrack:
    @pytest.mark.parametrize("suffix", [".mp4", ".flv", ".wav"])
    @pytest.mark.parametrize("rate", [RATE, 8000])
    def test_pitch_and_length_are_kept(self, tmp_path: Path, suffix: str, rate: int) -> None:
        path = tmp_path / f"a{suffix}"
        if suffix == ".wav":
            write_wav(path, tone(600.0))
        else:
            write_video(path, [COLOURS[0]] * FPS, tone(600.0))
        waveform = read_soundtrack(path, sample_rate=rate)
        assert waveform.dtype == np.float32
        assert len(waveform) == pytest.approx(rate, abs=0.15 * rate)  # frames of AAC hold 1024 samples
        assert loudest(waveform, rate) == pytest.approx(600.0, abs=2.0)
        assert np.sqrt(np.mean(waveform**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)

    @pytest.mark.parametrize("suffix", [".mp4", ".wav"])
    @pytest.mark.parametrize(
        ("span", "hertz", "samples"), [((0.25, 0.75), 300.0, 8000), ((1.25, 1.5), 900.0, 4000)]
    )
    def test_a_segment_holds_what_sounds_in_it(
        self, tmp_path: Path, suffix: str, span: tuple[float, float], hertz: float, samples: int
    ) -> None:
        path, sound = tmp_path / f"a{suffix}", np.concatenate([tone(300.0), tone(900.0)])
        if suffix == ".wav":
            write_wav(path, sound)
        else:
            write_video(path, [COLOURS[0]] * 2 * FPS, sound)
        waveform = read_soundtrack(path, sample_rate=RATE, span=span)
        assert len(waveform) == samples
        assert loudest(waveform, RATE) == pytest.approx(hertz, abs=4.0)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def pointer(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")


def web_page(path: Path) -> None:
    path.write_text("<!DOCTYPE html><html>Sign in</html>" * 100)


def cut(path: Path) -> None:
    write_clip(path, 0) if path.suffix != ".wav" else write_wav(path, tone(600.0))
    truncate(path)


def silent_film(path: Path) -> None:
    write_clip(path, 0, with_sound=False)


def silence(path: Path) -> None:
    if path.suffix == ".wav":
        write_wav(path, np.zeros(RATE, np.float32))
    else:
        write_video(path, [COLOURS[0]] * FPS, np.zeros(RATE, np.float32))


def no_samples(path: Path) -> None:
    write_wav(path, np.zeros(0, np.float32))


def radio(path: Path) -> None:
    with av.open(str(path), "w") as container:
        track = container.add_stream("aac", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone(600.0)[None, :1024], "fltp", layout="mono")
        frame.sample_rate = RATE
        container.mux(track.encode(frame))
        container.mux(track.encode())


def cut_silent_film(path: Path) -> None:
    silent_film(path)
    truncate(path)


class TestWhatIsNoClip:
    @pytest.mark.parametrize("suffix", [".mp4", ".flv"])
    @pytest.mark.parametrize(
        ("damage", "reason"),
        [
            (cut_silent_film, "has no picture|cut short"),
            (empty, "is empty"),
            (pointer, "pointer of Git LFS"),
            (web_page, "cannot be decoded"),
            (cut, "cut short|cannot be decoded"),
            (radio, "has no picture"),
            (lambda path: None, "cannot be opened"),
        ],
    )
    def test_its_picture_is_refused_by_name(
        self, tmp_path: Path, suffix: str, damage: Callable[[Path], None], reason: str
    ) -> None:
        damage(tmp_path / f"a{suffix}")
        with pytest.raises(DataError, match=rf"a\{suffix}: .*({reason})"):
            read_frames(tmp_path / f"a{suffix}", count=2, size=8)

    @pytest.mark.parametrize(
        ("suffix", "damage", "reason"),
        [
            *[(suffix, empty, "is empty") for suffix in (".mp4", ".flv", ".wav")],
            *[(suffix, pointer, "pointer of Git LFS") for suffix in (".mp4", ".flv", ".wav")],
            (".mp4", web_page, "cannot be decoded"),
            (".wav", web_page, "not a readable sound file"),
            *[(suffix, cut, "cut short|cannot be decoded") for suffix in (".mp4", ".flv", ".wav")],
            *[(suffix, silent_film, "has no sound") for suffix in (".mp4", ".flv")],
            *[(suffix, silence, "nothing but silence") for suffix in (".mp4", ".flv", ".wav")],
            (".wav", no_samples, "zero length"),
            *[(suffix, lambda path: None, "cannot be opened") for suffix in (".mp4", ".wav")],
        ],
    )
    def test_its_sound_is_refused_by_name(
        self, tmp_path: Path, suffix: str, damage: Callable[[Path], None], reason: str
    ) -> None:
        damage(tmp_path / f"a{suffix}")
        with pytest.raises(DataError, match=rf"a\{suffix}: .*({reason})"):
            read_soundtrack(tmp_path / f"a{suffix}", sample_rate=RATE)

    @pytest.mark.parametrize("share", [0.3, 0.6])
    def test_a_download_that_stopped_is_refused_though_it_begins_with_its_index(
        self, tmp_path: Path, share: float
    ) -> None:
        noise = np.random.default_rng(0).integers(0, 255, (20, 64, 3))
        with av.open(str(tmp_path / "a.mp4"), "w", options={"movflags": "faststart"}) as container:
            stream = container.add_stream("libx264", rate=FPS)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for number, row in enumerate(noise):
                frame = av.VideoFrame.from_ndarray(np.tile(row.astype(np.uint8), (48, 1, 1)), format="rgb24")
                frame.pts = number
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        assert read_frames(tmp_path / "a.mp4", count=4, size=8).shape == (4, 3, 8, 8)
        truncate(tmp_path / "a.mp4", share)
        with pytest.raises(DataError, match=r"cut short|cannot be decoded"):
            read_frames(tmp_path / "a.mp4", count=4, size=8)


SMALL = ClipSettings(folder="", size=8, sample_rate=8000, window=256, bands=16, steps=8)


class TestViews:
    @pytest.mark.parametrize(
        ("changes", "shape", "dtype"),
        [
            ({"view": "video"}, (3, 8, 8), "uint8"),
            ({"view": "video", "frames": 2}, (2, 3, 8, 8), "uint8"),
            ({"view": "audio"}, (1, 16, 8), "float32"),
        ],
    )
    def test_their_shapes(
        self, tmp_path: Path, changes: dict[str, Any], shape: tuple[int, ...], dtype: str
    ) -> None:
        write_clip(tmp_path / "a.mp4", 2)
        settings = replace(SMALL, **changes)
        shown = read_view("a.mp4|a.mp4", settings=settings, folder=str(tmp_path))
        assert shown.shape == settings.shape == shape
        assert shown.dtype == dtype

    @pytest.mark.parametrize("view", ["video", "audio"])
    def test_a_clip_without_sound_is_left_out_of_both_or_only_of_the_sound(
        self, tmp_path: Path, view: str
    ) -> None:
        write_clip(tmp_path / "a.mp4", 2, with_sound=False)
        alone = replace(SMALL, view=view, both=False)
        with pytest.raises(DataError, match=r"^a\.mp4: has no sound"):
            read_view("a.mp4|a.mp4", settings=replace(alone, both=True), folder=str(tmp_path))
        if view == "video":
            assert read_view("a.mp4|a.mp4", settings=alone, folder=str(tmp_path)).shape == (3, 8, 8)

    @pytest.mark.parametrize("name", ["frames", "size", "sample_rate", "window", "bands", "steps"])
    def test_settings_that_make_no_sense_are_refused(self, name: str) -> None:
        with pytest.raises(ValueError, match=f"{name} is 0"):
            replace(SMALL, **{name: 0})

    def test_an_address_holds_both_files_and_the_segment(self) -> None:
        clip = Clip(id="a", label="x", group="g", split="train", picture="v/a.mp4", sound="s/a.wav")
        assert clip.address == "v/a.mp4|s/a.wav"
        assert replace(clip, span=(1.5, 3.0)).address == "v/a.mp4|s/a.wav#t=1.5,3"


class TestListing:
    def test_files_of_any_depth_are_found_once_in_their_best_form(self, tmp_path: Path) -> None:
        for name in ("b.flv", "x/b.mp4", "x/y/a.MP4", "z/b.mp4", ".b.mp4", "__MACOSX/c.mp4", "d.txt"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        assert list_files(tmp_path, (".mp4", ".flv")) == {"a": "x/y/a.MP4", "b": "x/b.mp4"}
        assert list_files(tmp_path, (".flv",)) == {"b": "b.flv"}

    def test_the_digest_changes_with_names_and_with_tables_alone(self, tmp_path: Path) -> None:
        table = tmp_path / "t.csv"
        table.write_text("1")
        before = digest(["a", "b"], [table])
        assert digest(["b", "a"], [table]) == before
        assert digest(["a"], [table]) != before
        table.write_text("2")
        assert digest(["a", "b"], [table]) != before


def test_a_video_of_two_splits_stays_in_the_strictest() -> None:
    clips = [
        Clip(id=f"{group}{number}", label="x", group=group, split=split, picture=None, sound=None)
        for number, (group, split) in enumerate(
            [("a", "train"), ("a", "test"), ("b", "val"), ("b", "train"), ("c", "train")]
        )
    ]
    kept, left_out = keep_videos_apart(clips)
    assert [clip.id for clip in kept] == ["a1", "b2", "c4"]
    assert left_out == {
        "a0": "is in train, and a also stands in test",
        "b3": "is in train, and b also stands in val",
    }
