"""Cross-entropy that matches the released bilevel step in everything except the alignment.

The released step passes each batch three times through batch normalisation in training mode before the
running statistics are kept. This control does the same, without any inner update.
"""

from dataclasses import dataclass

from ucmkd.methods import base


@dataclass(frozen=True, kw_only=True)
class Settings:
    """``passes``: how many passes the running statistics reflect, n1 + n2 + 1 of the form it controls for."""

    passes: int = 3

    def __post_init__(self) -> None:
        if self.passes < 1:
            raise ValueError(f"passes is {self.passes}; at least the training pass itself counts")


class Method(base.Method[Settings]):
    """Cross-entropy with the batch-normalisation passes of the bilevel update."""

    label = "CE (matched)"
    Settings = Settings

    @property
    def passes(self) -> int:
        return self.settings.passes
