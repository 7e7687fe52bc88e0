"""Turn texts into numbers of words without a vocabulary: a word's number is a hash of it."""

import re
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BUCKETS = 2**14
"""Numbers of words run from 1 to BUCKETS - 1; 0 stands where a text is over."""

_WORD = re.compile(r"\w+|[^\w\s]")


def number_words(texts: Sequence[str], *, length: int) -> NDArray[np.int32]:
    """Number the words of texts.

    Words are runs of letters and digits in lower case, and single other signs. The number of a word is its
    CRC-32 modulo ``BUCKETS - 1``, plus 1 (the hashing trick; Weinberger et al., ICML 2009).

    Parameters
    ----------
    texts : sequence of n strings
    length : int
        Words that are kept of a text.

    Returns
    -------
    array, shape (n, length)
        Shorter texts end in 0.
    """
    numbers = np.zeros((len(texts), length), dtype=np.int32)
    for row, text in enumerate(texts):
        words = _WORD.findall(text.lower())[:length]
        numbers[row, : len(words)] = [zlib.crc32(word.encode()) % (BUCKETS - 1) + 1 for word in words]
    return numbers
