"""Turn texts into numbers of tokens, by the tokenizer in a folder on this machine.

The convention, wherever tokens are inputs: the number that the tokenizer gives a token, plus 1; 0 where a
text is over. Special tokens that the tokenizer adds to a text count as its tokens.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ucmkd.data.own.files import existing
from ucmkd.data.own.settings import expanded
from ucmkd.errors import ConfigError, DataError

FILES = (
    "added_tokens.json", "config.json", "merges.txt", "sentencepiece.bpe.model", "special_tokens_map.json",
    "spiece.model", "spm.model", "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json",
    "vocab.txt",
)  # fmt: skip
"""What a tokenizer may be read from; ``config.json`` says of which sort it is, if nothing else does."""


def tokenizer_files(folder: Path) -> list[Path]:
    """List the files that a tokenizer is read from, sorted.

    Raises
    ------
    ConfigError
        If the folder is missing or holds none.
    """
    existing(folder, is_folder=True)
    found = [folder / name for name in FILES if folder.joinpath(name).is_file()]
    if not any(path.name != "config.json" for path in found):
        raise ConfigError(
            f"{folder}: holds no tokenizer (tokenizer.json, vocab.txt, ...); give a folder that "
            "save_pretrained of a tokenizer has written"
        )
    return found


def number_tokens(texts: Sequence[str], folder: str, *, length: int) -> tuple[NDArray[np.int32], int]:
    """Number the tokens of texts.

    Parameters
    ----------
    texts : sequence of n strings
    folder : str
        Of the tokenizer; ``~`` is the user's home.
    length : int
        Tokens that are kept of a text, special ones among them.

    Returns
    -------
    numbers : array of int32, shape (n, length)
        Plus 1; shorter texts end in 0.
    cut : int
        How many texts are longer.

    Raises
    ------
    ConfigError
        If the folder holds no tokenizer that transformers can read, or special tokens leave no room.
    DataError
        If a text has no token.
    """
    tokenizer = _read(folder)
    special = tokenizer.num_special_tokens_to_add()
    if length <= special:
        raise ConfigError(
            f"length is {length}, and the tokenizer of {folder} adds {special} special tokens to a text; "
            "raise it"
        )
    numbers, cut = np.zeros((len(texts), length), dtype=np.int32), 0
    for row, text in enumerate(texts):
        whole = tokenizer(text, truncation=False, verbose=False)["input_ids"]
        kept = whole
        if len(whole) > length:
            cut += 1
            kept = tokenizer(text, truncation=True, max_length=length)["input_ids"]
        if not kept:
            raise DataError(
                f"the tokenizer of {folder} finds no token in '{text[:40]}'; drop or mend the text"
            )
        numbers[row, : len(kept)] = np.asarray(kept) + 1
    return numbers, cut


def refuse_other_tokens(tokenizer: str | None, encoder: str, values: dict[str, Any], place: str) -> None:
    """Refuse an encoder that reads other numbers than a dataset of texts has.

    Parameters
    ----------
    tokenizer : str or None
        The setting of the dataset; None where its inputs are numbers of words.
    encoder : str
    values : dict
        The encoder's settings.
    place : str
        Of the encoder, for the message.

    Raises
    ------
    ConfigError
        If words meet a language model, tokens meet an encoder of words, or the tokens are not those of the
        language model's folder.
    """
    if encoder != "language_model":
        if tokenizer is not None:
            raise ConfigError(
                f"{place}: {encoder} reads words, and the dataset holds tokens of {tokenizer}; use "
                "language_model, or leave tokenizer out of the dataset"
            )
        return
    folder = values["folder"]
    if tokenizer is None:
        raise ConfigError(
            f"{place}: language_model reads tokens, and the dataset holds numbers of words; use kind "
            f"text_csv with tokenizer: {folder}"
        )
    if expanded(tokenizer).resolve() != expanded(folder).resolve() and vocabulary(tokenizer) != vocabulary(
        folder
    ):
        raise ConfigError(
            f"{place}: the dataset holds tokens of {tokenizer}, and the tokenizer of {folder} numbers them "
            f"otherwise; set tokenizer of the dataset to {folder}"
        )


def vocabulary(folder: str) -> dict[str, int]:
    """Give the number of each token, without the 1 that is added in inputs."""
    found: dict[str, int] = _read(folder).get_vocab()
    return found


def _read(folder: str) -> Any:
    path = expanded(folder)
    tokenizer_files(path)
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the reader of tokenizer.json raises nothing narrower
        raise ConfigError(
            f"{path}: the tokenizer cannot be read ({' '.join(str(error).split())[:200]}); get the "
            "folder again"
        ) from None
