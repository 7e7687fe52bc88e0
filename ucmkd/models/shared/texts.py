"""Numbers of words or tokens as inputs: what is a text, and which of its places hold a word."""

import torch
from torch import Tensor

from ucmkd.data.words import BUCKETS
from ucmkd.errors import ConfigError


def text_length(encoder: str, shape: tuple[int, ...]) -> int:
    """Give the words that a text has at most.

    Raises
    ------
    ConfigError
        If the inputs are no texts.
    """
    if len(shape) != 1:
        raise ConfigError(f"models: {encoder} takes texts (words,), not inputs {shape}; use another encoder")
    return shape[0]


def words_of(encoder: str, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Give the numbers of words as int64, and where there is a word.

    Parameters
    ----------
    encoder : str
        Its name, for the error message.
    inputs : Tensor of int, shape (n, words)
        0 where a text is over.

    Returns
    -------
    words, present : Tensors, shape (n, words)
        ``present`` is bool.

    Raises
    ------
    ConfigError
        If the inputs are not whole numbers, or beyond those of words; a row of a table or of tokens looks
        like a text until it comes.
    """
    return numbers_below(
        BUCKETS,
        encoder,
        inputs,
        "these are tokens: use language_model, or leave tokenizer out of the dataset",
    )


def numbers_below(limit: int, encoder: str, inputs: Tensor, remedy: str) -> tuple[Tensor, Tensor]:
    """Give numbers of words or tokens as int64, and where there is one, as :func:`words_of` does.

    Parameters
    ----------
    limit : int
        What every number must be below.
    encoder, remedy : str
        For the error messages.
    inputs : Tensor of int, shape (n, words)

    Raises
    ------
    ConfigError
        If the inputs are not whole numbers, or one reaches the limit.
    """
    if inputs.is_floating_point():
        raise ConfigError(f"models: {encoder} takes numbers of words, and these inputs are a table; use mlp")
    highest = int(inputs.max()) if inputs.numel() else 0
    if highest >= limit:
        raise ConfigError(
            f"models: {encoder} knows numbers up to {limit - 1}, and a text holds {highest}; {remedy}"
        )
    return inputs.to(torch.int64), inputs != 0


def masked_mean(values: Tensor, present: Tensor) -> Tensor:
    """Average over the places that are present; where none is, the mean is 0.

    Parameters
    ----------
    values : Tensor, shape (n, places, width)
    present : Tensor of bool, shape (n, places)

    Returns
    -------
    Tensor, shape (n, width)
    """
    weight = present.unsqueeze(2).to(values.dtype)
    return (values * weight).sum(1) / weight.sum(1).clamp(min=1)
