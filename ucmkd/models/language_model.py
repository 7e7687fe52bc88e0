"""A language model of the transformers library, masked or causal, from a folder on this machine.

Texts come as tokens of its own tokenizer, see ``ucmkd/data/tokens.py``. The part that predicts tokens is
left out. The sizes of teacher and student are those of the folders that the configuration names. Nothing is
downloaded, no code of the folder is run, and weights that could hold code are refused.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ucmkd.data.own.files import existing
from ucmkd.data.own.settings import expanded
from ucmkd.errors import ConfigError, DataError
from ucmkd.models import base
from ucmkd.models.shared.texts import masked_mean, numbers_below, text_length

NAME = "language_model"
PLACE = f"models: {NAME}"
PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")
Pooling = Literal["mean", "last", "first"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Which model, and what is read off it.

    Attributes
    ----------
    folder : str
        As ``save_pretrained`` of transformers leaves it: ``config.json``, and ``model.safetensors`` or parts
        of it. ``~`` is the user's home.
    pretrained : bool
        Whether to start from the weights in the folder; otherwise they are drawn anew.
    pooling : "mean", "last" or "first"
        Which tokens' last states are averaged: all, the last or the first of a text.
    frozen : bool
        Whether the model stays as it is. Then it has no dropout, and only what follows it is trained.
    layers : int, optional
        The first so many layers are kept; None keeps all.
    """

    folder: str
    pretrained: bool = True
    pooling: Pooling = "mean"
    frozen: bool = False
    layers: int | None = None

    def __post_init__(self) -> None:
        if self.layers is not None and self.layers < 1:
            raise ValueError(f"layers is {self.layers}; it must be at least 1")


class LanguageModel(base.Encoder):
    """The last states of a language model, averaged over the tokens that pooling chooses.

    Parameters
    ----------
    model : Module
        From tokens and a mask, shapes (n, tokens), to an object with ``last_hidden_state``
        (n, tokens, width).
    vocabulary : int
        How many tokens it knows.
    filler : int
        The token that is shown, behind a mask, where a text is over.
    pooling : str
    folder : str
        For messages.
    """

    def __init__(
        self, model: nn.Module, vocabulary: int, filler: int, pooling: Pooling, width: int, folder: str
    ) -> None:
        super().__init__()
        self.model = model
        self.vocabulary, self.filler, self.pooling, self.folder = vocabulary, filler, pooling, folder
        self.width = width

    def forward(self, inputs: Tensor) -> Tensor:
        numbers, present = numbers_below(
            self.vocabulary + 1,
            NAME,
            inputs,
            f"the model of {self.folder} does not know it: set tokenizer of the dataset to that folder",
        )
        tokens = (numbers - 1).masked_fill(~present, self.filler)
        states: Tensor = self.model(
            input_ids=tokens, attention_mask=present.to(torch.int64), use_cache=False, return_dict=True
        ).last_hidden_state
        return masked_mean(states, chosen(present, self.pooling))


def chosen(present: Tensor, pooling: Pooling) -> Tensor:
    """Choose the tokens that are averaged.

    Parameters
    ----------
    present : Tensor of bool, shape (n, tokens)
        Texts end at the right.
    pooling : str

    Returns
    -------
    Tensor of bool, shape (n, tokens)
        No place of a text without tokens.
    """
    if pooling == "mean":
        return present
    places = torch.arange(present.shape[1], device=present.device)
    place = present.sum(1, keepdim=True) - 1 if pooling == "last" else 0
    return (places == place) & present


def build(shape: tuple[int, ...], size: base.Size, settings: Settings) -> base.Encoder:
    """Build the encoder for texts of shape (tokens,).

    Raises
    ------
    ConfigError
        If the folder holds no language model, its weights are pickled, it cannot take texts of this length,
        or its first token is to be read and has seen no other.
    DataError
        If the weights are damaged or not those of the configuration beside them.
    """
    length = text_length(NAME, shape)
    folder = existing(expanded(settings.folder), is_folder=True)
    config = _configuration(folder, settings)
    model = _pretrained(folder, config) if settings.pretrained else _drawn_anew(folder, config)
    if getattr(model, "pooler", None) is not None:
        model.pooler = None  # Its output is not read, and weights without gradient would only decay.
    vocabulary = int(model.get_input_embeddings().num_embeddings)
    filler = config.pad_token_id if config.pad_token_id in range(vocabulary) else 0
    width = _tried(model, length, vocabulary, filler, settings)
    if settings.frozen:
        freeze(model)
    return LanguageModel(model, vocabulary, filler, settings.pooling, width, settings.folder)


def freeze(model: nn.Module) -> None:
    """Turn all parameters into buffers: they are saved and moved as before, and nobody trains them."""
    for module in model.modules():
        for name, value in list(module.named_parameters(recurse=False, remove_duplicate=False)):
            delattr(module, name)
            module.register_buffer(name, value.detach().clone())


def _configuration(folder: Path, settings: Settings) -> Any:
    from transformers import AutoConfig

    try:
        config: Any = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"{PLACE}: {folder} holds no model that transformers knows ({_short(error)}); give a folder that "
            "save_pretrained has written"
        ) from None
    if getattr(config, "is_encoder_decoder", False):
        raise ConfigError(
            f"{PLACE}: {folder} holds an encoder with a decoder ({config.model_type}); give a masked or a "
            "causal language model"
        )
    if settings.layers is not None:
        _keep_layers(config, settings.layers, folder)
    if settings.frozen:
        for name, value in config.to_dict().items():
            if "drop" in name and isinstance(value, float):
                setattr(config, name, 0.0)
    return config


def _keep_layers(config: Any, layers: int, folder: Path) -> None:
    there = getattr(config, "num_hidden_layers", 0)
    if layers > there:
        raise ConfigError(f"{PLACE}: layers is {layers}, and the model of {folder} has {there}; lower it")
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:layers]
    config.num_hidden_layers = layers


def _drawn_anew(folder: Path, config: Any) -> Any:
    from transformers import AutoModel

    auto: Any = AutoModel
    try:
        with _quiet():
            model: Any = auto.from_config(config, trust_remote_code=False, attn_implementation="eager")
    except (ValueError, KeyError, ImportError) as error:
        raise ConfigError(f"{PLACE}: the model of {folder} cannot be built ({_short(error)}); "
                          "give another") from None  # fmt: skip
    return model.float()


def _pretrained(folder: Path, config: Any) -> Any:
    from safetensors import SafetensorError
    from transformers import AutoModel

    _refuse_pickled(folder)
    try:
        with _quiet():
            model, loaded = AutoModel.from_pretrained(
                folder,
                config=config,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                attn_implementation="eager",
                output_loading_info=True,
            )
    except (OSError, ValueError, RuntimeError, KeyError, ImportError, SafetensorError) as error:
        raise DataError(
            f"{folder}: the weights cannot be read as those of its config.json ({_short(error)}); get the "
            "folder again"
        ) from None
    missing = sorted(name for name in loaded["missing_keys"] if not name.startswith("pooler."))
    if missing:
        raise DataError(
            f"{folder}: {len(missing)} weights of the model are missing, first {missing[0]}; get the folder "
            "again"
        )
    return model.float()


def _refuse_pickled(folder: Path) -> None:
    if any(folder.glob("*.safetensors")):
        return
    pickled = sorted(path.name for pattern in PICKLED for path in folder.glob(pattern))
    if pickled:
        raise ConfigError(
            f"{PLACE}: the weights of {folder} are pickled ({pickled[0]}) and can hold code; where you trust "
            "them, load the folder with transformers and save it again by save_pretrained, which writes "
            ".safetensors"
        )
    raise ConfigError(
        f"{PLACE}: {folder} holds no weights (*.safetensors); put them there, or set pretrained: false"
    )


@torch.no_grad()
def _tried(model: Any, length: int, vocabulary: int, filler: int, settings: Settings) -> int:
    """Find the width of the states by showing the model two texts that differ in their last token."""
    tokens = [token for token in range(vocabulary - 1, -1, -1) if token != filler][:2]
    texts = torch.full((2, length), tokens[0])
    texts[1, -1] = tokens[-1]
    model.eval()
    try:
        states = model(
            input_ids=texts, attention_mask=torch.ones_like(texts), use_cache=False, return_dict=True
        ).last_hidden_state
    except (IndexError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{PLACE}: the model of {settings.folder} cannot take texts of {length} tokens "
            f"({_short(error)}); lower length of the dataset, or give another model"
        ) from None
    model.train()
    if settings.pooling == "first" and length > 1 and torch.equal(states[0, 0], states[1, 0]):
        raise ConfigError(
            f"{PLACE}: the model of {settings.folder} is causal, so its first token has seen no other; set "
            "pooling to last or mean"
        )
    return int(states.shape[2])


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from reporting weights that are left out on purpose."""
    from transformers import utils

    logging: Any = utils.logging
    verbosity, had_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if had_bars:
            logging.enable_progress_bar()


def _short(error: Exception) -> str:
    words = " ".join(str(error).split())
    return words if len(words) <= 200 else f"{words[:200]} ..."
