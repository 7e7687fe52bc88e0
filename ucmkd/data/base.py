"""What a dataset is, in memory and on disk."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ucmkd import discovery, settings
from ucmkd.data.upstream import Upstream
from ucmkd.errors import DataError

SPLITS = ("train", "val", "test")
TYPES = {
    "image": ("float32", "uint8"),
    "audio": ("float32",),
    "text": ("int32",),
    "tabular": ("float32",),
    "sequence": ("float32",),
}
"""The modalities, and the types of number their inputs are stored in."""

CHUNK_BYTES = 64 * 2**20
S = TypeVar("S")


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Labelled samples of one modality, split.

    Attributes
    ----------
    inputs : array, shape (n, ...)
        Finite, of a type that ``TYPES`` allows for the modality: float32; uint8 for large images; for texts
        int32 numbers of words, 0 where a text is over. May be a memory map.
    labels : array, shape (n,)
        Class indices, int64.
    classes : tuple of str
        Class names; ``labels`` index it.
    ids, groups, split : sequences of n strings
        Unique name of the sample; what must not be torn apart by the split (speaker, writer, patient);
        ``train``, ``val`` or ``test``.
    pair_ids : sequence of n strings, optional
        The instance a sample shows. Datasets with the same ``Dataset.instances`` share these names.
    texts : sequence of n strings, optional
        The raw text of each sample, where there is one.
    skipped : mapping
        What was found and left out, by name, with the reason; shown in the data card.
    """

    inputs: NDArray[Any]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    ids: Sequence[str]
    groups: Sequence[str]
    split: Sequence[str]
    pair_ids: Sequence[str] | None = None
    texts: Sequence[str] | None = None
    skipped: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """Where a dataset finds what was fetched and keeps what is half done, and with how many processes."""

    downloads: Path = Path("results/downloads")
    scratch: Path = Path("results/scratch")
    workers: int = 1


class Dataset(ABC, Generic[S]):
    """A source of samples. A file in ``ucmkd/data/datasets`` defines ``Dataset(base.Dataset[Settings])``.

    What a setting decides (the modality of a table, say) is set in ``__init__``.

    Attributes
    ----------
    modality : str
        ``image``, ``audio``, ``text``, ``tabular`` or ``sequence``.
    title, licence, citation, source : str
        For the data card.
    quirks : tuple of str
        What a user of the data should know, a sentence each; for the data card.
    instances : str or None
        Name space of the pair ids: two datasets with the same one are paired by nature.
    grouped : bool
        Whether groups are known; then none of them may stand in two splits.
    upstream : Upstream or None
        What is fetched before; its files lie in :attr:`raw`.
    parallel : bool
        Whether :meth:`load` uses as many processes as the workspace allows.
    """

    modality: str
    title: str
    licence: str
    citation: str
    source: str
    quirks: tuple[str, ...] = ()
    instances: str | None = None
    grouped: bool = False
    upstream: ClassVar[Upstream | None] = None
    parallel: ClassVar[bool] = False
    Settings: ClassVar[type[Any]]

    def __init__(self, settings: S, workspace: Workspace | None = None) -> None:
        self.settings = settings
        self.workspace = workspace or Workspace()

    @property
    def raw(self) -> Path:
        """The folder of the fetched files.

        Raises
        ------
        DataError
            If they are not there.
        """
        if self.upstream is None:
            raise TypeError(f"{type(self).__module__} declares no upstream")
        folder = self.workspace.downloads / self.upstream.name
        if not folder.is_dir():
            raise DataError(f"{folder}: '{self.upstream.name}' was not fetched; run the rule fetch_upstream")
        return folder

    def stamp(self) -> str:
        """Change with the user's own files that :meth:`load` reads, so that edited data are read again.

        Raises
        ------
        ConfigError
            If they are not there.
        """
        return ""

    @abstractmethod
    def load(self) -> Samples:
        """Read or make the samples, the same to the last bit every time."""


def dataset_class(kind: str) -> type[Dataset[Any]]:
    """Find the class of a kind of dataset, a file in ``ucmkd/data/datasets``."""
    cls: type[Dataset[Any]] = discovery.load("ucmkd.data.datasets", kind, "Dataset")
    return cls


def load_dataset(
    kind: str,
    values: Mapping[str, Any] | None = None,
    *,
    place: str | None = None,
    workspace: Workspace | None = None,
) -> Dataset[Any]:
    """Build a dataset of a kind with settings from the configuration, which stand at ``place``."""
    cls = dataset_class(kind)
    return cls(settings.build(cls.Settings, values or {}, place or f"datasets.{kind}"), workspace)


def validate(samples: Samples, *, modality: str, grouped: bool, place: str) -> None:
    """Refuse samples that cannot give an honest number.

    Raises
    ------
    DataError
        For no samples, NaN or infinite inputs, lengths or types that differ, labels outside the classes, a
        class that is missing from a split, an unknown split name, repeated ids, or a group in two splits.
    """
    n = len(samples.inputs)
    if n == 0:
        raise DataError(f"{place}: no samples; check where the dataset looks for them")
    for column in ("labels", "ids", "groups", "split", "pair_ids", "texts"):
        values = getattr(samples, column)
        if values is not None and len(values) != n:
            raise DataError(f"{place}: {len(values)} {column} for {n} inputs; give one a sample")
    if samples.inputs.dtype.name not in TYPES[modality] or samples.labels.dtype != np.int64:
        raise DataError(f"{place}: inputs must be {' or '.join(TYPES[modality])} and labels int64, not "
                        f"{samples.inputs.dtype} and {samples.labels.dtype}")  # fmt: skip
    parts = (part.reshape(len(part), -1) for _, part in chunks(samples.inputs))
    bad = np.concatenate([~np.isfinite(part).all(axis=1) for part in parts])
    if bad.any():
        raise DataError(f"{place}: NaN or infinite inputs in {bad.sum()} samples, first "
                        f"'{samples.ids[int(bad.argmax())]}'; mend or drop them")  # fmt: skip
    repeated = [name for name, times in Counter(samples.ids).items() if times > 1]
    if repeated:
        raise DataError(f"{place}: id '{repeated[0]}' occurs more than once; ids must be unique")
    unknown = sorted(set(samples.split) - set(SPLITS))
    if unknown:
        raise DataError(f"{place}: split '{unknown[0]}' is not one of {', '.join(SPLITS)}")
    if not 0 <= samples.labels.min() <= samples.labels.max() < len(samples.classes):
        raise DataError(f"{place}: labels must lie in 0..{len(samples.classes) - 1}")
    for part, counts in count(samples.labels, samples.split, len(samples.classes)).items():
        if 0 in counts:
            empty = samples.classes[counts.index(0)]
            raise DataError(f"{place}: class '{empty}' has no {part} sample; every split needs every class")
    if grouped:
        home: dict[str, str] = {}
        for group, part in zip(samples.groups, samples.split, strict=True):
            if home.setdefault(group, part) != part:
                raise DataError(f"{place}: group '{group}' stands in {home[group]} and {part}; "
                                "a group belongs to one split")  # fmt: skip


def count(labels: NDArray[np.int64], split: Sequence[str], classes: int) -> dict[str, list[int]]:
    """Count the samples of every class in every split; labels may not be negative."""
    parts = np.asarray(split)
    return {part: np.bincount(labels[parts == part], minlength=classes).tolist() for part in SPLITS}


def chunks(inputs: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    """Cut an array along its first axis into parts of moderate size, so that a memory map stays one.

    Yields
    ------
    start : int
        The row that the part starts with.
    part : array
    """
    rows = max(1, CHUNK_BYTES // max(1, inputs[:1].nbytes))
    return ((start, inputs[start : start + rows]) for start in range(0, len(inputs), rows))
