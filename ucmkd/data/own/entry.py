"""One sample of a user's own data, before it is known which of them are kept."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What is known of a sample beside its inputs.

    Attributes
    ----------
    row : int
        Where it stands in what was read.
    name : str
        For messages and as the sample's id: a file, or a line of a table.
    label : str
        The name of its class.
    split, group, pair : str or None
        What the data say of them, if they do.
    content : str
        The same for two samples if and only if they have the same content.
    """

    row: int
    name: str
    label: str
    split: str | None = None
    group: str | None = None
    pair: str | None = None
    content: str = ""
