"""Any backbone of the timm library as the encoder of images, spectrograms and several frames of a video.

``name`` is a timm name, such as resnet18, resnet34, resnet50, vit_small_patch16_224 or vit_base_patch16_224;
``timm.list_models()`` lists them, and "name.tag" chooses among pretrained weights. What torchvision calls
vit_b_16 is vit_base_patch16_224 here. The sizes of teacher and student are those of the backbones that the
configuration names.

Convolutional backbones have feature maps, where timm tells the ends of their stages. None of them tells its
maps before the rectifier: most overwrite those with what the rectifier makes of them.
"""

import difflib
import sys
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ucmkd.errors import ConfigError, DataError
from ucmkd.models import base

PLACE = "models: timm"
WEIGHTS_FILE = "model.safetensors"
MAPS = True


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Which backbone.

    Attributes
    ----------
    name : str
        Of the backbone in timm.
    weights : str, optional
        What to start from: None for weights drawn anew, "hub" for the pretrained ones, which are downloaded
        from the Hugging Face hub, or the path of a .safetensors file. The classifier in them is left out, the
        first convolution is adapted to the number of channels, position embeddings to the size of the input.
    drop_path : float
        The share of residual branches that are dropped in training (stochastic depth).
    fused_attention : bool
        Whether transformers use the attention kernels of torch, which need less memory and time but cannot be
        differentiated twice (``ucmkd_second_order``).
    """

    name: str
    weights: str | None = None
    drop_path: float = 0.0
    fused_attention: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.drop_path < 1:
            raise ValueError(f"drop_path is {self.drop_path}; it must lie in [0, 1)")


class Backbone(base.Encoder):
    """A timm model without its classifier; several frames are encoded one by one and averaged.

    Parameters
    ----------
    model : Module
        From (n, channels, height, width) to (n, width).
    width : int
    size : tuple of int
        Height and width that inputs are filled up to with zeros, the mean of standardised inputs.
    maps : sequence of str
        Submodules of the model whose outputs are feature maps, from shallow to deep.
    """

    def __init__(self, model: nn.Module, width: int, size: tuple[int, int], maps: Sequence[str] = ()) -> None:
        super().__init__()
        self.model = model
        self.width = width
        self.size = size
        self.maps = tuple(f"model.{name}" for name in maps)

    def forward(self, inputs: Tensor) -> Tensor:
        frames = inputs.flatten(0, -4) if inputs.ndim > 4 else inputs
        below, right = self.size[0] - frames.shape[-2], self.size[1] - frames.shape[-1]
        features: Tensor = self.model(F.pad(frames, (0, right, 0, below)) if below or right else frames)
        return features.view(len(inputs), -1, self.width).mean(1)


def build(shape: tuple[int, ...], size: base.Size, settings: Settings) -> base.Encoder:
    """Build the encoder for inputs (channels, height, width) or (frames, channels, height, width).

    Raises
    ------
    ConfigError
        If timm does not have the backbone, it cannot take such inputs, or its weights are not there.
    DataError
        If the file of weights is damaged or belongs to another backbone.
    """
    if len(shape) not in (3, 4):
        raise ConfigError(
            f"{PLACE} takes inputs (channels, height, width), perhaps of several frames, not {shape}; "
            "use another encoder"
        )
    model, filled = _backbone(settings, shape[-3], (shape[-2], shape[-1]))
    modules: Iterable[Any] = model.modules()
    for module in modules:
        if hasattr(module, "fused_attn"):
            module.fused_attn = settings.fused_attention
    if settings.weights is not None:
        _load(model, settings, shape[-3])
    width, maps = _probed(model, settings.name, (shape[-3], *filled))
    return Backbone(model, width, filled, maps)


def _backbone(settings: Settings, channels: int, size: tuple[int, int]) -> tuple[nn.Module, tuple[int, int]]:
    """Make the backbone with new weights, and tell what size of input it takes.

    A backbone that is made for one size is made for this one, rounded up to whole patches: it would leave out
    the rest.
    """
    from timm.layers.patch_embed import PatchEmbed

    if not _published(settings.name).fixed_input_size:
        return _create(settings, channels), size
    model = _create(settings, channels, size)
    patches = [module.patch_size for module in model.modules() if isinstance(module, PatchEmbed)]
    height, width = patches[0] if patches else (1, 1)
    filled = (-(-size[0] // height) * height, -(-size[1] // width) * width)
    return model if filled == size else _create(settings, channels, filled), filled


def _published(name: str) -> Any:
    """Find what timm says of a backbone.

    Raises
    ------
    ConfigError
        If it does not know the name.
    """
    import timm

    backbone, _, tag = name.partition(".")
    known = timm.list_models()
    if backbone not in known:
        near = difflib.get_close_matches(backbone, known, n=1)
        meant = f"; did you mean '{near[0]}'?" if near else ""
        raise ConfigError(f"{PLACE}: there is no backbone '{name}'{meant}; timm.list_models() lists all")
    tags = [full.partition(".")[2] for full in timm.list_models(f"{backbone}.*", pretrained=True)]
    if tag and tag not in tags:
        raise ConfigError(
            f"{PLACE}: backbone '{backbone}' has no weights '{tag}'; known: {', '.join(tags) or 'none'}"
        )
    return timm.get_pretrained_cfg(name)


def _create(settings: Settings, channels: int, size: tuple[int, int] | None = None) -> nn.Module:
    import timm

    options: dict[str, Any] = {"img_size": size, "drop_path_rate": settings.drop_path or None}
    try:
        model: nn.Module = timm.create_model(settings.name, num_classes=0, in_chans=channels, **options)
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"{PLACE}: backbone '{settings.name}' cannot be built for {channels} channels"
            f"{f' of {size[0]} x {size[1]}' if size else ''} and drop_path {settings.drop_path} "
            f"({' '.join(str(error).split())}); choose another backbone or leave drop_path out"
        ) from None
    return model


def _probed(model: nn.Module, name: str, shape: tuple[int, ...]) -> tuple[int, list[str]]:
    """Find the width of the features of one input, and the submodules that give feature maps of it.

    Nothing is computed.
    """
    probe = deepcopy(model).to("meta").eval()
    seen = _watched_stages(probe)
    try:
        features = probe(torch.empty(1, *shape, device="meta"))
    except (RuntimeError, ValueError, AssertionError) as error:
        raise ConfigError(
            f"{PLACE}: backbone '{name}' cannot take inputs {shape} ({' '.join(str(error).split())}); "
            "choose another backbone or larger inputs"
        ) from None
    if features.ndim != 2:
        raise ConfigError(
            f"{PLACE}: backbone '{name}' gives no vector of features but {tuple(features.shape[1:])}; "
            "choose another backbone"
        )
    return int(features.shape[1]), seen


def _watched_stages(model: nn.Module) -> list[str]:
    """Give a list that fills, when a model runs, with its stages that say (n, channels, height, width)."""
    seen: list[str] = []
    modules = dict(model.named_modules())

    def watch(name: str, channels: int) -> None:
        def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.ndim == 4 and output.shape[1] == channels:
                seen.append(name)

        modules[name].register_forward_hook(keep)

    stages: Iterable[Any] = getattr(model, "feature_info", ())
    for stage in stages if getattr(model, "output_fmt", "NCHW") == "NCHW" else ():
        if stage["module"] in modules:
            watch(stage["module"], stage["num_chs"])
    return seen


def _load(model: nn.Module, settings: Settings, channels: int) -> None:
    """Overwrite all weights with those of a file, which must be those of this backbone."""
    path = _download(settings.name) if settings.weights == "hub" else Path(settings.weights or "")
    found = _fitted(_read(path), model, settings.name, channels, path)
    wanted = model.state_dict()
    wrong = (
        [f"{name} is missing" for name in wanted if name not in found]
        + [f"{name} is unknown" for name in found if name not in wanted]
        + [
            f"{name} has shape {tuple(found[name].shape)} instead of {tuple(wanted[name].shape)}"
            for name in wanted
            if name in found and found[name].shape != wanted[name].shape
        ]
    )
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise DataError(f"{path}: not the weights of timm backbone '{settings.name}' "
                        f"({'; '.join(wrong[:3])}{more}); give the file of this backbone")  # fmt: skip
    model.load_state_dict(found, strict=True)


def _download(name: str) -> Path:
    """Get the file of pretrained weights, or the copy of it that an earlier download left."""
    import huggingface_hub

    repository = _published(name).hf_hub_id
    if not repository:
        raise ConfigError(f"{PLACE}: timm knows no weights of '{name}' on the hub; give a .safetensors file")
    try:
        return Path(huggingface_hub.hf_hub_download(repository, WEIGHTS_FILE))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{PLACE}: {WEIGHTS_FILE} of '{repository}' cannot be downloaded "
            f"({' '.join(str(error).split())}); connect to the network, or name a .safetensors file"
        ) from None


def _read(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if path.suffix != ".safetensors":
        raise ConfigError(f"{PLACE}: weights '{path}' are neither 'hub' nor a .safetensors file; other files "
                          "can hold code, so save them as safetensors first")  # fmt: skip
    if not path.is_file():
        raise ConfigError(f"{PLACE}: there is no file of weights '{path}'; correct the path")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: not a readable safetensors file ({error}); get it again") from None


def _fitted(
    weights: dict[str, Tensor], model: nn.Module, name: str, channels: int, path: Path
) -> dict[str, Tensor]:
    """Fit weights to the model: its names, its input size, its channels, no classifier."""
    import timm
    from timm.models import adapt_input_conv

    published = _published(name)
    module = sys.modules[timm.models.model_entrypoint(published.architecture).__module__]
    rename = getattr(module, "checkpoint_filter_fn", None)  # as the timm builders of such models use it
    try:
        found: dict[str, Tensor] = dict(rename(weights, model) if rename else weights)
        for convolution in _names(published.first_conv):
            weight = f"{convolution}.weight"
            if weight in found and found[weight].shape != model.get_parameter(weight).shape:
                found[weight] = adapt_input_conv(channels, found[weight])
    except (AttributeError, KeyError, IndexError, ValueError, RuntimeError) as error:
        raise DataError(
            f"{path}: cannot be fitted to timm backbone '{name}' ({error}); give the file of this backbone"
        ) from None
    wanted = model.state_dict()
    classifiers = tuple(f"{classifier}." for classifier in _names(published.classifier))
    return {key: value for key, value in found.items() if key in wanted or not key.startswith(classifiers)}


def _names(given: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given or ())
