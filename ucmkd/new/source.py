"""What somebody means by the name of a dataset, or by a path to their own data."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from ucmkd import discovery
from ucmkd.config import no_such
from ucmkd.data import audio, images
from ucmkd.data.own.files import existing
from ucmkd.data.own.table import detect_delimiter, read_table
from ucmkd.errors import ConfigError

PATH_SETTINGS = {
    "image_folder": "folder",
    "audio_folder": "folder",
    "text_csv": "file",
    "table_csv": "file",
    "array_npy": "inputs",
}
"""The kinds that read a user's own files, with the setting that names the path."""

MODALITY_OF_AXES = {2: "tabular", 3: "sequence", 4: "image"}
FILES_LOOKED_AT = 1000


@dataclass(frozen=True, kw_only=True)
class Source:
    """A dataset.

    Attributes
    ----------
    name, kind : str
    values : dict
        Its settings.
    written : dict
        What a configuration has to say of it beyond ``config/config.yaml``.
    """

    name: str
    kind: str
    values: dict[str, Any] = field(default_factory=dict)
    written: dict[str, Any] = field(default_factory=dict)

    @property
    def is_own(self) -> bool:
        """Whether it reads a user's own files, so that its classes can be renamed."""
        return self.kind in PATH_SETTINGS

    def changed(self, **settings: Any) -> "Source":
        """Give the same source with some settings changed."""
        return Source(
            name=self.name,
            kind=self.kind,
            values={**self.values, **settings},
            written={**self.written, **settings},
        )


def recognise(text: str, name: str, config: Mapping[str, Any], option: str) -> Source:
    """Find out what a text names: a dataset, a path, or KIND:PATH.

    Parameters
    ----------
    text : str
    name : str
        What the dataset will be called if it is a path.
    config : Mapping
        ``config/config.yaml``.
    option : str
        Where the text was given, for messages.

    Raises
    ------
    ConfigError
        If it names nothing, or what it names is of no known kind.
    """
    kinds = discovery.names("ucmkd.data.datasets")
    defined = config.get("datasets", {})
    if text in defined:
        values = dict(defined[text])
        return Source(name=text, kind=values.pop("kind", text), values=values)
    if text in kinds:
        if text in PATH_SETTINGS:
            raise ConfigError(f"{option}: '{text}' needs a path; write {text}:PATH")
        return Source(name=text, kind=text)
    kind, _, given = text.partition(":")
    if kind in PATH_SETTINGS and given:
        path = Path(given).expanduser().absolute()
    else:
        path = Path(text).expanduser().absolute()
        if not path.exists() and "/" not in text and not path.suffix:
            raise no_such(option, "dataset or path", text, [*defined, *kinds])
        kind = _kind_of(path, option)
    values = {PATH_SETTINGS[kind]: str(path)} | _details(kind, path)
    return Source(name=name, kind=kind, values=values, written={"kind": kind} | values)


def _kind_of(path: Path, option: str) -> str:
    if path.is_dir():
        return _kind_of_folder(path, option)
    existing(path)
    match path.suffix.lower():
        case ".csv" | ".tsv":
            table = read_table(path, detect_delimiter(path))
            return "text_csv" if "text" in table.columns else "table_csv"
        case ".npy":
            return "array_npy"
    raise ConfigError(
        f"{option}: {path} is no folder and ends in none of .csv, .tsv, .npy; write KIND:PATH, with KIND one "
        f"of {', '.join(PATH_SETTINGS)}"
    )


def _kind_of_folder(path: Path, option: str) -> str:
    files = (file for depth in ("*/*", "*/*/*") for file in sorted(path.glob(depth)))
    seen = Counter(file.suffix.lower() for file in islice(files, FILES_LOOKED_AT))
    n_images, n_sounds = (
        sum(seen[suffix] for suffix in suffixes) for suffixes in (images.SUFFIXES, audio.SUFFIXES)
    )
    if n_images and n_sounds:
        raise ConfigError(
            f"{option}: {path} holds images and sounds; say which by image_folder:PATH or audio_folder:PATH"
        )
    if not n_images and not n_sounds:
        raise ConfigError(
            f"{option}: {path} holds neither images nor sounds in folders of classes; put files into "
            "<class>/ or {train,val,test}/<class>/"
        )
    return "image_folder" if n_images else "audio_folder"


def _details(kind: str, path: Path) -> dict[str, Any]:
    """Read off the files what settings they need."""
    if kind in ("text_csv", "table_csv"):
        delimiter = detect_delimiter(existing(path))
        columns = read_table(path, delimiter).columns
        found: dict[str, Any] = {name: name for name in ("split", "group", "id") if name in columns}
        return found if delimiter == "," else {"delimiter": delimiter} | found
    if kind == "array_npy":
        return _array_details(existing(path))
    return {}


def _array_details(path: Path) -> dict[str, Any]:
    import numpy as np

    try:
        axes = np.load(path, mmap_mode="r", allow_pickle=False).ndim
    except (OSError, ValueError, EOFError, AttributeError) as error:
        raise ConfigError(f"{path}: is no array of numbers ({error}); save it with numpy.save") from None
    if axes not in MODALITY_OF_AXES:
        raise ConfigError(f"{path}: has {axes} axes; arrays of samples have 2, 3 or 4")
    beside = [path.with_name(f"{path.stem}_labels{suffix}") for suffix in (".npy", ".csv", ".txt")]
    labels = next((file for file in beside if file.is_file()), None)
    if labels is None:
        raise ConfigError(
            f"{path}: there are no labels beside it; save them as {beside[0].name}, {beside[1].name} or "
            f"{beside[2].name}"
        )
    return {"labels_file": str(labels), "modality": MODALITY_OF_AXES[axes]}
