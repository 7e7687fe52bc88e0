"""What all kinds of dataset that read a user's own files have in common."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ucmkd.data import base
from ucmkd.data.base import Samples, Workspace
from ucmkd.data.own.duplicates import count_duplicates, refuse_contradictions
from ucmkd.data.own.entry import Entry
from ucmkd.data.own.settings import S
from ucmkd.data.own.splits import divide, units


class OwnDataset(base.Dataset[S]):
    """A dataset whose card and groups the settings decide."""

    licence = "stated by the settings"
    citation = "stated by the settings"

    def __init__(self, settings: S, workspace: Workspace | None = None) -> None:
        super().__init__(settings, workspace)
        self.title = settings.title or f"{type(self).title}: {self.place.name}"
        self.licence, self.citation, self.source = settings.licence, settings.citation, str(self.place)
        self.instances, self.grouped = settings.instances, settings.group is not None

    @property
    @abstractmethod
    def place(self) -> Path:
        """The folder or file that is read."""

    def arrange(
        self,
        inputs: NDArray[np.generic],
        entries: Sequence[Entry],
        classes: tuple[str, ...],
        skipped: Mapping[str, str],
        texts: Sequence[str] | None = None,
    ) -> Samples:
        """Put samples together: refuse contradictions, divide them, and say how in :attr:`quirks`.

        Parameters
        ----------
        inputs : array, shape (n, ...)
        entries : sequence of n Entry
        classes : tuple of str
            In order; every one needs a sample in every split.
        skipped : mapping
        texts : sequence of n strings, optional

        Raises
        ------
        DataError
            If the samples contradict each other or cannot be divided.
        """
        place = str(self.place)
        refuse_contradictions(entries, place)
        names = units(entries)
        split, how = divide(entries, names, classes, self.settings, place)
        duplicates = count_duplicates(entries)
        told = f"{duplicates} samples have the content of another one; they stand in the same split."
        self.quirks = (how, told) if duplicates else (how,)
        pairs = [entry.pair or "" for entry in entries]
        return Samples(
            inputs=inputs,
            labels=np.array([classes.index(entry.label) for entry in entries], dtype=np.int64),
            classes=classes,
            ids=[entry.name for entry in entries],
            groups=names,
            split=split,
            pair_ids=pairs if self.settings.pair else None,
            texts=texts,
            skipped=dict(skipped),
        )
