"""What a shift does to inputs: the same to a row every time it is read."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ucmkd.data.prepared import Prepared
from ucmkd.data.shifts import Shift
from ucmkd.seeding import generator_for

Role = Literal["student", "teacher"]


@dataclass(frozen=True)
class Disturbance:
    """Noise on standardised inputs, and the released augmentations of images.

    Attributes
    ----------
    name : str
        Of the dataset; with a row's id it seeds what is drawn.
    ids : array of n strings
    noise : array, shape (n, columns)
        Standard deviation of the noise on each row, in standardised units: one number, or one a column of a
        table.
    jitter : Jitter or None
    jittered : array of n bool
    """

    name: str
    ids: NDArray[np.str_]
    noise: NDArray[np.float32]
    jitter: "Jitter | None"
    jittered: NDArray[np.bool_]

    def __call__(self, rows: NDArray[np.int64], inputs: Tensor) -> Tensor:
        """Disturb standardised inputs of these rows, shape (rows, ...)."""
        disturbed = inputs.clone()
        for position, row in enumerate(rows.tolist()):
            draw = generator_for(0, "disturbance", self.name, str(self.ids[row]))
            if self.jitter is not None and self.jittered[row]:
                disturbed[position] = self.jitter(disturbed[position], draw)
            if self.noise[row].any():
                drawn = draw.normal(size=inputs.shape[1:]).astype(np.float32) * self.noise[row]
                disturbed[position] += torch.from_numpy(drawn).to(inputs.device)
        return disturbed


def disturbance_of(shift: Shift | None, role: Role, data: Prepared) -> Disturbance | None:
    """Say what a shift does to one side's inputs; None where it leaves them alone."""
    if shift is None or not shift.adds_noise_to(role):
        return None
    train, test = data.split == "train", data.split == "test"
    deviation = np.full(len(data.ids), _deviation(shift.teacher_snr_db), dtype=np.float32)
    if role == "student":
        deviation = np.where(test, _deviation(shift.student_test_snr_db), _deviation(shift.student_snr_db))
    noise = deviation[:, None].astype(np.float32)
    jitter, level = None, shift.legacy_level
    if level is not None and role == "student":
        std = np.asarray(data.card["normalisation"]["std"], dtype=np.float32)
        if data.card["modality"] == "image":
            jitter = jitter_for(level, data)
        else:
            noise = np.hypot(noise, train[:, None] * (0.05 + 0.2 * level) / std)
    return Disturbance(data.card["name"], data.ids, noise.astype(np.float32), jitter, train)


def _deviation(snr_db: float) -> float:
    """Give the standard deviation of noise against a signal of power 1."""
    return 0.0 if snr_db == math.inf else 10 ** (-snr_db / 20)


@dataclass(frozen=True)
class Jitter:
    """The released augmentations of training images, drawn once for each image.

    Attributes
    ----------
    level : float
        In [0, 1].
    mean, std, high : float
        What standardises raw values, and the largest of them.
    """

    level: float
    mean: float
    std: float
    high: float

    def __call__(self, image: Tensor, draw: np.random.Generator) -> Tensor:
        """Jitter, grey, blur and erase a standardised image, shape (..., channels, height, width)."""
        from torchvision.transforms.v2 import functional as change

        level, shown = self.level, ((image * self.std + self.mean) / self.high).clamp(0, 1)
        light, saturation, hue = 0.2 + 0.4 * level, 0.2 + 0.3 * level, 0.05 + 0.1 * level
        coloured = shown.shape[-3] == 3
        shown = change.adjust_brightness(shown, draw.uniform(1 - light, 1 + light))
        shown = change.adjust_contrast(shown, draw.uniform(1 - light, 1 + light))
        if coloured:
            shown = change.adjust_saturation(shown, draw.uniform(1 - saturation, 1 + saturation))
            shown = change.adjust_hue(shown, draw.uniform(-hue, hue))
        if coloured and draw.random() < 0.1 + 0.2 * level:
            shown = change.rgb_to_grayscale(shown, num_output_channels=3)
        if draw.random() < 0.2 + 0.3 * level:
            shown = change.gaussian_blur(shown, [5, 5], [draw.uniform(0.1, 2.0)] * 2)
        if draw.random() < 0.1 + 0.2 * level:
            shown = _erase(shown, draw)
        return (shown * self.high - self.mean) / self.std


def jitter_for(level: float, data: Prepared) -> Jitter:
    """Fit the augmentations to the range of a dataset's images."""
    statistics = data.card["normalisation"]
    high = 255.0 if data.inputs.dtype == np.uint8 else float(data.inputs.max())
    return Jitter(level, statistics["mean"][0], statistics["std"][0], high)


def _erase(image: Tensor, draw: np.random.Generator) -> Tensor:
    """Blacken a rectangle of 2 to 33 % of the area, of aspect 0.3 to 3.3 (Zhong et al., AAAI 2020)."""
    height, width = image.shape[-2:]
    area = draw.uniform(0.02, 0.33) * height * width
    aspect = math.exp(draw.uniform(math.log(0.3), math.log(3.3)))
    tall = min(height, max(1, round(math.sqrt(area * aspect))))
    wide = min(width, max(1, round(math.sqrt(area / aspect))))
    top, left = draw.integers(height - tall + 1), draw.integers(width - wide + 1)
    erased = image.clone()
    erased[..., top : top + tall, left : left + wide] = 0
    return erased
