"""Image classifiers of timm and torchvision without their last layer, with weights from a local file."""

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ucmkd.data.own.files import existing
from ucmkd.errors import ConfigError, DataError

CHANNELS = 3
BYTES = 255.0


@dataclass(frozen=True)
class ImageEncoder:
    """A frozen network in evaluation mode, and how it wants its images.

    Attributes
    ----------
    network : Module
        From (n, 3, height, width) to features (n, d).
    height, width : int
    mean, std : tuple of three float
        Of images between 0 and 1, by channel.
    """

    network: nn.Module
    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def side(self) -> int:
        """Of the squares that images are cut to."""
        return max(self.height, self.width)

    def __call__(self, images: NDArray[Any], device: str) -> Tensor:
        """Give the features of bytes (n, channels, height, width) of 1 or 3 channels."""
        shown = torch.from_numpy(images).to(device).float() / BYTES
        shown = shown.expand(-1, CHANNELS, -1, -1)
        if shown.shape[-2:] != (self.height, self.width):
            shown = F.interpolate(shown, (self.height, self.width), mode="bilinear", antialias=True)
        mean, std = (torch.tensor(values, device=device).view(-1, 1, 1) for values in (self.mean, self.std))
        return cast(Tensor, self.network((shown - mean) / std))


def image_encoder(library: str, name: str, weights: str | None) -> ImageEncoder:
    """Build a network and fill it with the weights of a file.

    Parameters
    ----------
    library : "timm" or "torchvision"
    name : str
        What the library calls the network.
    weights : str or None
        A .safetensors file.

    Raises
    ------
    ConfigError
        If the network or the file is not there, or the file could hold code.
    DataError
        If the file is damaged or belongs to another network.
    """
    if weights is None:
        raise ConfigError(
            "--weights: is missing; embeddings of random weights say nothing of the images, so name a "
            ".safetensors file"
        )
    path = existing(Path(weights).expanduser())
    if path.suffix != ".safetensors":
        raise ConfigError(
            f"--weights: {path} is no .safetensors file, and pickled weights can hold code; where you trust "
            "it, convert it once: safetensors.torch.save_file(torch.load(FILE, weights_only=True), "
            "'weights.safetensors')"
        )
    return (_timm if library == "timm" else _torchvision)(name, path)


def _timm(name: str, path: Path) -> ImageEncoder:
    import timm

    from ucmkd.models.timm import Settings, build

    published: Any = timm.get_pretrained_cfg(name) if timm.is_model(name.partition(".")[0]) else None
    if published is None:
        near = difflib.get_close_matches(name, timm.list_models(), n=1)
        raise _unknown("timm", name, near)
    shape = published.input_size
    network = build(shape, "teacher", Settings(name=name, weights=str(path), fused_attention=True))
    return ImageEncoder(network.eval(), shape[1], shape[2], tuple(published.mean), tuple(published.std))


def _torchvision(name: str, path: Path) -> ImageEncoder:
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        raise _unknown("torchvision", name, difflib.get_close_matches(name, known, n=1))
    network: nn.Module = models.get_model(name, weights=None)
    linear = [place for place, module in network.named_modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise ConfigError(f"--encoder: torchvision's '{name}' ends in no linear layer; choose another")
    classifier = linear[-1]
    network.set_submodule(classifier, nn.Identity())
    found = {key: value for key, value in _read(path).items() if not key.startswith(f"{classifier}.")}
    try:
        network.load_state_dict(found, strict=True)
    except RuntimeError as error:
        first = " ".join(str(error).split())[:200]
        raise DataError(
            f"{path}: not the weights of torchvision's '{name}' ({first}); give the file of this network"
        ) from None
    shown = models.get_model_weights(name).DEFAULT.transforms()
    side = shown.crop_size[0]
    return ImageEncoder(network.eval(), side, side, tuple(shown.mean), tuple(shown.std))


def _read(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: not a readable safetensors file ({error}); get it again") from None


def _unknown(library: str, name: str, near: list[str]) -> ConfigError:
    meant = f"; did you mean '{near[0]}'?" if near else "; its documentation lists them"
    return ConfigError(f"--encoder: {library} has no network '{name}'{meant}")
