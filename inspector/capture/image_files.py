"""PNG and JPEG images as tensors, by Pillow."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inspector.errors import InspectorError
from inspector.language import sentence

_GREY = ("1", "L", "LA", "La")


def tensor_of_image(data: bytes, most: int) -> Tensor:
    """Float32 from 0 to 1, (1, 3, height, width), or (1, 1, height, width) for a grey image.

    Transparency is dropped, and a photo is turned the way it was taken.

    Args:
        data: the file.
        most: numbers at most, counted as if all images had colours; the size is read first.

    Raises:
        InspectorError: it is no image, damaged, or too large; or Pillow is missing.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise InspectorError(sentence("images need Pillow: pip install pillow.")) from error
    try:
        with warnings.catch_warnings():
            # Pillow warns of an image of 90 million pixels; here far fewer are too many.
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data), formats=["PNG", "JPEG"])
            _allow(image.size, most)
            array = _pixels(ImageOps.exif_transpose(image))
    except InspectorError:
        raise
    except Image.DecompressionBombError as error:
        raise InspectorError(sentence("its image has too many pixels. Make it smaller.")) from error
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error, …
        raise InspectorError(
            sentence("it is damaged, or no PNG or JPEG image. Save it anew.")
        ) from error
    return torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)[None]))


def _allow(size: tuple[int, int], most: int) -> None:
    width, height = size
    if 3 * width * height > most:
        raise InspectorError(
            sentence(
                "its image has {width:,} × {height:,} pixels, and {most:,} are the most. Make it "
                "smaller.",
                width=width,
                height=height,
                most=most // 3,
            )
        )


def _pixels(image: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    """(height, width, channels), from 0 to 1."""
    if image.mode.startswith("I"):  # 16 bits of grey
        pixels = np.asarray(image, dtype=np.float32) / np.float32(65535)
    else:
        plain = image.convert("L" if image.mode in _GREY else "RGB")
        pixels = np.asarray(plain, dtype=np.float32) / np.float32(255)
    return pixels[..., None] if pixels.ndim == 2 else pixels
