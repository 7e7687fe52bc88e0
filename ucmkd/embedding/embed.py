"""Embed a user's own images or texts by a frozen model from local files; a black box may teach by them."""

import csv
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ucmkd import __version__
from ucmkd.data.base import Workspace
from ucmkd.data.own.settings import expanded
from ucmkd.data.tokens import number_tokens, tokenizer_files
from ucmkd.embedding.image_encoders import image_encoder
from ucmkd.embedding.sources import Read, read_images, read_texts
from ucmkd.errors import ConfigError, DataError
from ucmkd.files import atomic_folder, write_json
from ucmkd.models import language_model
from ucmkd.training.devices import Device, leased_device

LIBRARIES = ("timm", "torchvision", "transformers")
EMBEDDINGS, LABELS, CARD = "embeddings.npy", "labels.csv", "embedding.json"
REPORTS = 10
"""How often progress is told."""

Rows = Callable[[int, int], Tensor]
"""From the first row and the one after the last to their features (n, d)."""


def embed(
    source: str,
    encoder: str,
    out: str,
    *,
    config: Mapping[str, Any],
    weights: str | None = None,
    column: str | None = None,
    length: int = 256,
    batch: int = 64,
    device: Device = "cpu",
    workers: int = 1,
    say: Callable[[str], object] = print,
) -> None:
    """Write ``embeddings.npy``, ``labels.csv`` and ``embedding.json`` into a folder.

    The model is in evaluation mode and gets no gradient; rows stand in the order of the source. The same
    files give the same bytes on the same machine. See ``docs/embeddings.md``.

    Parameters
    ----------
    source : str
        A folder of images or a table of texts, KIND:PATH, or a dataset of the configuration.
    encoder : str
        ``timm:NAME``, ``torchvision:NAME`` or ``transformers:FOLDER``.
    out : str
        A folder that is new, empty, or holds an earlier embedding.
    config : Mapping
        ``config/config.yaml``.
    weights : str, optional
        A .safetensors file, for timm and torchvision.
    column : str, optional
        Of the texts in a table.
    length : int
        Tokens that are kept of a text.
    batch : int
        Samples that are encoded at once.
    device : "cpu" or "cuda"
    workers : int
        Processes that read files.
    say : callable
        Is told the progress.

    Raises
    ------
    ConfigError
        If the command cannot be carried out.
    DataError
        If the files are damaged, or an embedding is not finite.
    """
    library, _, name = encoder.partition(":")
    if library not in LIBRARIES or not name:
        raise ConfigError(
            f"--encoder: '{encoder}' is none of timm:NAME, torchvision:NAME, transformers:FOLDER"
        )
    for option, value in (("--batch", batch), ("--length", length)):
        if value < 1:
            raise ConfigError(f"{option}: is {value}; it must be at least 1")
    folder = Path(out).expanduser()
    _refuse_foreign(folder)
    workspace = Workspace(workers=workers)
    with leased_device(device) as where:
        if library == "transformers":
            if weights is not None:
                raise ConfigError("--weights: those of a language model lie in its folder; leave it out")
            found = read_texts(source, column, config, workspace)
            rows, digest, about = _of_texts(found, name, length, where, say)
        else:
            if column is not None:
                raise ConfigError(
                    "--column: names a column of texts, and this encoder takes images; leave it out"
                )
            network = image_encoder(library, name, weights)
            found = read_images(source, config, network.side, workspace)
            network.network.to(where)
            images = found.samples.inputs

            def rows(start: int, stop: int) -> Tensor:
                return network(np.array(images[start:stop]), where)

            digest, about = _digest([Path(str(weights)).expanduser()]), {}
        embeddings = _embedded(rows, found, batch, say)
    card = {
        "encoder": encoder, "weights_sha256": digest, "source": found.settings, "source_stamp": found.stamp,
        "source_notes": list(found.quirks), "skipped": dict(found.samples.skipped),
        "classes": list(found.samples.classes), "shape": list(embeddings.shape), "batch": batch,
        "device": device, "versions": {"torch": torch.__version__, "ucmkd": __version__},
    } | about  # fmt: skip
    _write(folder, embeddings, found.columns, card)
    say(f"{folder}: {len(embeddings)} embeddings of {embeddings.shape[1]} numbers")


def _of_texts(
    found: Read, folder: str, length: int, device: str, say: Callable[[str], object]
) -> tuple[Rows, str, dict[str, Any]]:
    numbers, cut = number_tokens(list(found.samples.texts or ()), folder, length=length)
    if cut:
        say(f"{cut} of {len(numbers)} texts are longer than {length} tokens and are cut; --length keeps more")
    longest = int((numbers > 0).sum(1).max())
    settings = language_model.Settings(folder=folder, frozen=True)
    network = language_model.build((longest,), "teacher", settings).to(device).eval()
    shown = torch.from_numpy(numbers[:, :longest])
    place = expanded(folder)
    files = sorted({*place.glob("*.safetensors"), *tokenizer_files(place), place / "config.json"})

    def rows(start: int, stop: int) -> Tensor:
        features: Tensor = network(shown[start:stop].to(device))
        return features

    return rows, _digest(files), {"length": length, "cut": cut, "pooling": settings.pooling}


@torch.no_grad()
def _embedded(rows: Rows, found: Read, batch: int, say: Callable[[str], object]) -> NDArray[np.float32]:
    ids, parts, told = found.samples.ids, [], 0
    for start in range(0, len(ids), batch):
        stop = min(start + batch, len(ids))
        part = rows(start, stop).float().cpu().numpy()
        bad = ~np.isfinite(part).all(axis=1)
        if bad.any():
            raise DataError(
                f"the embedding of '{ids[start + int(bad.argmax())]}' is not finite; look at the sample and "
                "at the weights"
            )
        parts.append(part)
        if stop * REPORTS // len(ids) > told:
            told = stop * REPORTS // len(ids)
            say(f"{stop} of {len(ids)} embedded")
    return np.concatenate(parts)


def _refuse_foreign(folder: Path) -> None:
    """Refuse to write where something else lies: what is there would be replaced."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"--out: {folder} is a file; name a folder")
    others = sorted(set(os.listdir(folder)) - {EMBEDDINGS, LABELS, CARD}) if folder.is_dir() else []
    if others:
        raise ConfigError(
            f"--out: {folder} holds '{others[0]}', which is no part of an embedding; name a new folder"
        )


def _write(
    folder: Path, embeddings: NDArray[np.float32], columns: Mapping[str, list[str]], card: dict[str, Any]
) -> None:
    try:
        with atomic_folder(folder) as temporary:
            np.save(temporary / EMBEDDINGS, embeddings, allow_pickle=False)
            with (temporary / LABELS).open("w", newline="", encoding="utf-8") as file:
                lines = zip(*columns.values(), strict=True)
                csv.writer(file, lineterminator="\n").writerows([tuple(columns), *lines])
            write_json(temporary / CARD, card)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror or error}); make room on the disk or "
                        "choose another folder") from None  # fmt: skip


def _digest(paths: Iterable[Path]) -> str:
    """Hash the names and bytes of files."""
    sha = hashlib.sha256()
    paths = list(paths)
    for path in paths:
        with path.open("rb") as file:
            one = hashlib.file_digest(file, "sha256").hexdigest()
        if len(paths) == 1:
            return one
        sha.update(f"{path.name} {one}\n".encode())
    return sha.hexdigest()
