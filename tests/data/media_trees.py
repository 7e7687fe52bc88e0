"""Small trees of real media files in the layout of the raw downloads, classes told by colour and by tone."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

from ucmkd.data.base import Dataset, Samples, Workspace, load_dataset, validate
from ucmkd.data.pairing import Pair, pair_up, read_pair
from ucmkd.data.prepared import read_prepared, write_prepared
from ucmkd.files import read_json
from ucmkd.settings import plain
from ucmkd.training.distill import distill
from ucmkd.training.recipe import Recipe
from ucmkd.training.teacher import train_teachers

WIDTH, HEIGHT = 64, 48
RATE = 16000
FPS = 10
SMALL = {"size": 16, "sample_rate": 8000, "window": 256, "bands": 16, "steps": 16}
"""Settings of a view under which files of a second are read in milliseconds."""

COLOURS = ((220, 40, 40), (40, 200, 40), (40, 40, 220), (210, 210, 40), (200, 40, 200), (40, 200, 200),
           (230, 230, 230), (120, 120, 120))  # fmt: skip
TONES = (250.0, 450.0, 730.0, 1080.0, 1500.0, 2040.0, 2700.0, 3500.0)
"""Hertz."""

CODECS = {".mp4": ("mpeg4", "aac"), ".flv": ("flv", "aac")}


def tone(hertz: float, seconds: float = 1.0, rate: int = RATE) -> NDArray[np.float32]:
    """A sine at half of full scale."""
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def write_wav(path: Path, sound: NDArray[np.float32], rate: int = RATE) -> None:
    """Write one channel with 16 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound, rate, subtype="PCM_16")


def write_video(
    path: Path,
    colours: Sequence[Any],
    sound: NDArray[np.float32] | None = None,
    codec: str | None = None,
    **stream_options: Any,
) -> None:
    """Write frames, ten a second, and a track of sound.

    Parameters
    ----------
    path : Path
        ``.mp4`` or ``.flv``.
    colours : sequence of (red, green, blue), or of arrays, shape (WIDTH, 3)
        One a frame; its rows are all alike.
    sound : array, shape (samples,), optional
        At ``RATE``.
    codec : str, optional
        Of the picture; by default mpeg4 in ``.mp4`` and Sorenson's in ``.flv``, as in CREMA-D.
    **stream_options
        Attributes of the picture's encoder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    video_codec, audio_codec = CODECS[path.suffix]
    with av.open(str(path), "w") as container:
        picture = container.add_stream(codec or video_codec, rate=FPS)
        picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for name, value in ({"bit_rate": 400_000} | stream_options).items():
            setattr(picture, name, value)
        track = None if sound is None else container.add_stream(audio_codec, rate=RATE, layout="mono")
        for number, colour in enumerate(colours):
            pixels = np.ascontiguousarray(np.broadcast_to(np.asarray(colour, np.uint8), (HEIGHT, WIDTH, 3)))
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = number
            container.mux(picture.encode(frame))
        container.mux(picture.encode())
        if sound is not None and track is not None:
            for start in range(0, len(sound), 1024):
                piece = av.AudioFrame.from_ndarray(sound[None, start : start + 1024], "fltp", layout="mono")
                piece.sample_rate, piece.pts = RATE, start
                container.mux(track.encode(piece))
            container.mux(track.encode())


def write_clip(path: Path, label: int, *, with_sound: bool = True) -> None:
    """Write a second of video in the colour of a class, with its tone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_event(label, 0.0, 1.0, 1.0, path.suffix, with_sound))


@cache
def _event(label: int, start: float, end: float, length: float, suffix: str, with_sound: bool) -> bytes:
    """Encode a video that is of a class from start to end, and grey and humming at 100 Hz elsewhere."""
    sound = tone(100.0, length)
    inside = slice(int(start * RATE), int(end * RATE))
    sound[inside] = tone(TONES[label], length)[inside]
    times = np.arange(round(length * FPS)) / FPS
    colours = [COLOURS[label] if start <= time < end else COLOURS[7] for time in times]
    with TemporaryDirectory() as folder:
        path = Path(folder, f"event{suffix}")
        write_video(path, colours, sound if with_sound else None)
        return path.read_bytes()


def truncate(path: Path, share: float = 0.5) -> None:
    """Keep the first bytes of a file."""
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])


def ravdess(root: Path, actors: Sequence[int], emotions: Sequence[int] = range(1, 9)) -> None:
    """Write one utterance an actor and emotion, as the archives unpack.

    Odd actors lie in one tree, even ones in a folder for each archive.
    """
    for actor in actors:
        video = root if actor % 2 else root / f"Video_Speech_Actor_{actor:02d}"
        audio = root if actor % 2 else root / "Audio_Speech_Actors_01-24"
        for emotion in emotions:
            name, folder = f"01-{emotion:02d}-01-01-01-{actor:02d}", f"Actor_{actor:02d}"
            write_clip(video / folder / f"01-{name}.mp4", emotion - 1)
            write_clip(video / folder / f"02-{name}.mp4", emotion - 1, with_sound=False)
            write_wav(audio / folder / f"03-{name}.wav", tone(TONES[emotion - 1]))


def cremad(root: Path, actors: Sequence[str]) -> None:
    """Write one clip an actor and emotion, with a sound track in the video as upstream has it."""
    for actor in actors:
        for label, emotion in enumerate(("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")):
            write_clip(root / f"VideoFlash/{actor}_DFA_{emotion}_XX.flv", label)
            write_wav(root / f"AudioWAV/{actor}_DFA_{emotion}_XX.wav", tone(TONES[label]))


AVE_HEADER = "Category&VideoID&Quality&StartTime&EndTime"
AVE_CLASSES = ("Bark", "Church bell", "Male speech, man speaking")
AVE_VIDEOS = {"train": 4, "val": 2, "test": 2}


def ave(root: Path, extra: Sequence[tuple[str, str]] = ()) -> None:
    """Write two-second videos whose event fills the second one, and ``extra`` lines ``(split, line)``."""
    lines: dict[str, list[str]] = {part: [] for part in AVE_VIDEOS}
    for label, category in enumerate(AVE_CLASSES):
        for part, count in AVE_VIDEOS.items():
            for number in range(count):
                video = f"-{part}_{label}{number}"
                (root / "AVE").mkdir(parents=True, exist_ok=True)
                (root / "AVE" / f"{video}.mp4").write_bytes(_event(label, 1.0, 2.0, 2.0, ".mp4", True))
                lines[part].append(f"{category}&{video}&good&1&2")
    for part, line in extra:
        lines[part].append(line)
    for part, name in (("train", "trainSet"), ("val", "valSet"), ("test", "testSet")):
        (root / f"{name}.txt").write_text("\n".join(lines[part]) + "\n", encoding="utf-8")
    everything = [AVE_HEADER, *(line for part in lines.values() for line in part)]
    (root / "Annotations.txt").write_text("\n".join(everything) + "\n", encoding="utf-8")


VGG_CLASSES = ("airplane", "female speech, woman speaking", "people marching")
VGG_VIDEOS = {"train": 10, "test": 2}


def vggsound(root: Path, missing: Sequence[str] = ()) -> None:
    """Write the table and a clip for each row, but for the clips ``missing``, two levels down."""
    rows = []
    for label, name in enumerate(VGG_CLASSES):
        for part, count in VGG_VIDEOS.items():
            for number in range(count):
                video, start = f"--{part[:2]}{label}_{number:03d}", 30 * number
                quoted = f'"{name}"' if "," in name else name
                rows.append(f"{video},{start},{quoted},{part}")
                clip = f"{video}_{start:06d}"
                if clip not in missing:
                    write_clip(root / "video" / part / f"{clip}.mp4", label)
    root.mkdir(parents=True, exist_ok=True)
    (root / "vggsound.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def source(kind: str, folder: Path, view: str, scratch: Path, **changes: Any) -> Dataset[Any]:
    """Build a dataset of small samples; ``changes`` are settings."""
    settings = {"folder": str(folder), "view": view, "frames": 1, **SMALL, **changes}
    return load_dataset(kind, settings, workspace=Workspace(scratch=scratch))


def load(kind: str, folder: Path, view: str, scratch: Path, **changes: Any) -> Samples:
    """Load a dataset and check it, as it is before it is stored."""
    dataset = source(kind, folder, view, scratch, **changes)
    samples = dataset.load()
    validate(samples, modality=dataset.modality, grouped=dataset.grouped, place=kind)
    return samples


def split_of(samples: Samples) -> dict[str, set[str]]:
    """The groups of each split."""
    return {
        part: {group for group, of in zip(samples.groups, samples.split, strict=True) if of == part}
        for part in ("train", "val", "test")
    }


def check_colours(samples: Samples, colours: Sequence[tuple[int, int, int]] = COLOURS) -> None:
    """Every frame has the colour of its class, which is numbered as ``colours`` are."""
    means = samples.inputs.reshape(len(samples.inputs), -1, 3, *samples.inputs.shape[-2:]).mean(axis=(3, 4))
    for frames, label in zip(means, samples.labels, strict=True):
        np.testing.assert_allclose(frames, np.broadcast_to(colours[label], frames.shape), atol=6)


def check_tones(samples: Samples, tones: Sequence[float] = TONES) -> None:
    """The loudest band of every spectrogram is the one whose centre, in mel, is nearest to the tone."""

    def mel(hertz: float) -> float:
        return float(1127.0 * np.log(1.0 + hertz / 700.0))

    centres = np.linspace(mel(50.0), mel(SMALL["sample_rate"] / 2), SMALL["bands"] + 2)[1:-1]
    for picture, label in zip(samples.inputs, samples.labels, strict=True):
        nearest = int(np.abs(centres - mel(tones[label])).argmin())
        assert picture.mean(axis=(0, 2)).argmax() == nearest


def check_pairing(kind: str, folder: Path, tmp: Path, **changes: Any) -> None:
    """Go from the raw files to a trained student, and look at the pairs on the way.

    The teacher hears, the student sees. In ``paired`` every student row must have the clip with its id as
    partner; in ``disjoint_teacher`` the teacher's own rows must show no clip that the student trains on.
    """
    views = {"teacher": tmp / f"{kind}_audio", "student": tmp / f"{kind}_video"}
    for role, view in (("teacher", "audio"), ("student", "video")):
        write_prepared(views[role], f"{kind}_{view}", source(kind, folder, view, tmp / "s", **changes), {})
    teaching, learning = read_prepared(views["teacher"]), read_prepared(views["student"])
    assert sorted(teaching.ids) == sorted(learning.ids)
    pairs = {regime: _pair(regime, views, tmp) for regime in ("paired", "disjoint_teacher")}
    paired = pairs["paired"].student
    assert teaching.ids[paired.partner].tolist() == learning.ids[paired.train].tolist()
    own = pairs["disjoint_teacher"].teacher_rows("own")
    assert 0 < len(own) < len(teaching.rows("train"))
    assert not set(teaching.pair_ids[own]) & set(learning.pair_ids[pairs["disjoint_teacher"].student.train])
    record = _distilled(views, tmp)
    scores = [record["scores"][part]["accuracy"] for part in ("val", "test")]
    assert np.isfinite(scores).all()
    assert min(scores) > 1.5 / len(learning.card["classes"])


def _pair(regime: str, views: dict[str, Path], tmp: Path) -> Pair:
    pair_up(pair="p", teacher=str(views["teacher"]), student=str(views["student"]), regime=regime,
            labels_per_class=None, student_share=0.5, shift=None, folder=str(tmp / regime))  # fmt: skip
    return read_pair(tmp / regime)


def _distilled(views: dict[str, Path], tmp: Path) -> dict[str, Any]:
    """Train a teacher on its own pool and a student by ``kd`` beside its pairs; give the student's record."""
    recipe = plain(Recipe(optimiser="adamw", learning_rate=0.02, epochs=15, batch_size=8, evaluations=5))
    model = {"encoder": "convnet", "encoder_settings": {}, "width": 8}
    common = {"pair": "p", "seeds": [0], "device": "cpu", "code": "c", "pair_folder": str(tmp / "paired"),
              "teacher_data": str(views["teacher"])}  # fmt: skip
    train_teachers(**common, pool="full", model=model | {"size": "teacher"}, recipe=recipe,
                   folder=str(tmp / "teachers"))  # fmt: skip
    distill(**common, regime="paired", method="kd", variant="default", control="real", settings={},
            student_data=str(views["student"]), teacher_folder=str(tmp / "teachers"),
            model=model | {"size": "student", "project": "student"},
            recipes={"student": recipe, "teacher": recipe}, folder=str(tmp / "students"))  # fmt: skip
    records: list[dict[str, Any]] = read_json(tmp / "students" / "records.json")
    return records[0]
