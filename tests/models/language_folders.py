"""Folders as language models come in: small models with random weights, and tokenizers of a few words."""

from pathlib import Path
from typing import Any

import torch

WORDS = ("good", "fine", "bad", "poor", "words", "number", "a", "the", "film", "was")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
VOCABULARY = len(SPECIAL) + len(WORDS)
POSITIONS = 16
WIDTH = 16


def write_tokenizer(folder: Path, words: tuple[str, ...] = WORDS, *, special: bool = True) -> Path:
    """Write a tokenizer of whole words; a text stands between [CLS] and [SEP] if ``special``."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    numbers = {word: number for number, word in enumerate((*SPECIAL, *words))}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if special:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[(name, numbers[name]) for name in ("[CLS]", "[SEP]")]
        )
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]").save_pretrained(
        folder
    )
    return folder


def configuration(kind: str, **changed: Any) -> Any:
    """Give the configuration of a small BERT (masked) or GPT-2 (causal)."""
    from transformers import BertConfig, GPT2Config

    if kind == "masked":
        values = {
            "vocab_size": VOCABULARY,
            "hidden_size": WIDTH,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "max_position_embeddings": POSITIONS,
        }
        return BertConfig(**(values | changed))
    values = {"vocab_size": VOCABULARY, "n_embd": WIDTH, "n_layer": 2, "n_head": 2, "n_positions": POSITIONS}
    return GPT2Config(**(values | changed))


def write_model(folder: Path, kind: str, seed: int = 0, **changed: Any) -> Path:
    """Write such a model with the part that predicts tokens, which shares its weights with the input's."""
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

    auto = AutoModelForMaskedLM if kind == "masked" else AutoModelForCausalLM
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        auto.from_config(configuration(kind, **changed)).save_pretrained(folder)
    return folder
