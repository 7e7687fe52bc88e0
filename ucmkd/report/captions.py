"""Captions: paragraphs of reStructuredText with ``literals`` and *emphasis*, as HTML."""

import html
import re
from pathlib import Path

from ucmkd.errors import RecordError

_LITERAL = re.compile(r"``(.+?)``")
_EMPHASIS = re.compile(r"\*(\S.*?)\*")


def read_caption(folder: str | Path, name: str) -> list[str]:
    """Read the paragraphs of ``<folder>/<name>.rst``.

    Raises
    ------
    RecordError
        If there is none.
    """
    path = Path(folder) / f"{name}.rst"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecordError(f"{path}: no such caption; write what is plotted and when to doubt it") from None
    return [_html(paragraph) for paragraph in re.split(r"\n\s*\n", text.strip())]


def _html(paragraph: str) -> str:
    text = html.escape(" ".join(paragraph.split()))
    return _EMPHASIS.sub(r"<em>\1</em>", _LITERAL.sub(r"<code>\1</code>", text))
