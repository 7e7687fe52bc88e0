"""Read an image file as an array of bytes, the right way up, in one size."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ucmkd.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
LARGEST = 100_000_000
"""Pixels; a file that claims more is refused, since unpacking it could fill the memory."""

ORIENTATION = 0x0112


def read_image(path: str | Path, *, size: int, channels: int = 3) -> NDArray[np.uint8]:
    """Read an image file.

    Turned upright by its EXIF tag, transparency laid on white, the shorter side scaled to ``size`` and the
    middle square cut out.

    Parameters
    ----------
    path : path
    size : int
        Height and width, in pixels.
    channels : int
        1 for grey levels or 3 for red, green and blue.

    Returns
    -------
    array, shape (channels, size, size)

    Raises
    ------
    DataError
        If the file cannot be read as an image, or claims more than ``LARGEST`` pixels.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            if image.width * image.height > LARGEST:
                raise DataError(f"{path}: {image.width} x {image.height} pixels are too many; scale it down")
            return pixels(
                ImageOps.fit(on_white(upright(image)), (size, size), Image.Resampling.BILINEAR), channels
            )
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        OSError,
        SyntaxError,
        ValueError,
    ) as error:
        raise DataError(f"{path}: not a readable image ({error})") from None


def upright(image: "Image") -> "Image":
    """Turn an image as its EXIF tag asks; unlike Pillow's own function, whatever else the tags say."""
    from PIL.Image import Transpose

    turns: dict[Any, Transpose] = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    image.load()  # some formats are turned by this, and the tag is removed then
    turn = turns.get(image.getexif().get(ORIENTATION))
    return image if turn is None else image.transpose(turn)


def on_white(image: "Image") -> "Image":
    """Give an image without transparency, in grey levels or in colour."""
    from PIL import Image

    if image.mode in ("RGB", "L") and "transparency" not in image.info:
        return image
    if image.mode.startswith(("I", "F")):
        raise DataError(f"images: pixels of mode '{image.mode}' have no known range; save it with 8 bits")
    if "A" in image.getbands() or "transparency" in image.info:
        shown = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown).convert("RGB")
    return image.convert("L" if image.mode == "1" else "RGB")


def pixels(image: "Image", channels: int) -> NDArray[np.uint8]:
    """Give an image as an array, shape (channels, height, width)."""
    values = np.asarray(image.convert("L" if channels == 1 else "RGB"), dtype=np.uint8)
    return np.ascontiguousarray(values[None] if channels == 1 else values.transpose(2, 0, 1))
