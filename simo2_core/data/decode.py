"""From the bytes of an image file to uint8 pixels of one size: the only place where images are decoded.

Pillow reads every format. JPEG goes through simplejpeg and OpenCV when both are installed (the `fast` extra), about
twice as fast; pixels then differ by a grey level or two, so `backend()` is part of every cache key.
"""

from __future__ import annotations

import functools
import importlib.util
import io
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from simo2_core.errors import DataError

MAX_PIXELS = 2**28
"""268 megapixels, a gigabyte as RGBA: beyond any camera, far below what a decompression bomb asks for."""

_ORIENTATION = 0x0112
"""The EXIF tag that says how the camera was held."""

_JPEG = b"\xff\xd8\xff"
"""How a JPEG file begins."""


class UnreadableImage(DataError):
    """Bytes that are no image, or one that cannot be trained on; the message is the reason, for people."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What every image is made into."""

    height: int
    width: int
    channels: int
    """1 for grey, 3 for RGB."""
    resize: str = "crop"
    """How another aspect ratio is fitted: `crop` the middle, `pad` with black, or `squash`."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        return self.height, self.width, self.channels


@functools.cache
def backend() -> str:
    """What decodes JPEG here: `simplejpeg+opencv` or `pillow`."""
    both = importlib.util.find_spec("simplejpeg") and importlib.util.find_spec("cv2")
    return "simplejpeg+opencv" if both else "pillow"


def decode_image(data: bytes, rule: Rule) -> NDArray[np.uint8]:
    """Decodes, turns upright by EXIF, converts to grey or RGB and resizes (antialiased).

    Transparent pixels become white, 16-bit values are scaled to 8, and of an animation the first frame counts.
    What Pillow warns of (size, odd metadata) is for the caller to silence: once for many images, for it takes time.

    Returns:
        (height, width, channels) uint8, as `rule` says.

    Raises:
        UnreadableImage: the bytes are damaged, no image, or of more than MAX_PIXELS pixels.
    """
    try:
        pixels = _decode_jpeg(data, rule) if data.startswith(_JPEG) and backend() != "pillow" else None
        return _decode_pillow(_open(data), rule) if pixels is None else pixels
    except UnreadableImage:
        raise
    except Exception as error:  # on damaged files Pillow's decoders raise almost anything, MemoryError included
        raise UnreadableImage(_reason(data, error)) from None


def probe_image(data: bytes) -> tuple[int, int, int]:
    """Height, width (upright) and channels (1 or 3) from the header alone; raises UnreadableImage."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about size and odd metadata
            image = _open(data)
        width, height = image.size
        if _orientation(image) >= 5:  # the four that swap the sides
            width, height = height, width
    except UnreadableImage:
        raise
    except Exception as error:  # as above
        raise UnreadableImage(_reason(data, error)) from None
    grey = image.mode in ("1", "L", "LA", "I", "F") or image.mode.startswith("I;16")
    return height, width, 1 if grey else 3


def _open(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    if image.width * image.height > MAX_PIXELS:
        raise UnreadableImage(f"{image.width}×{image.height} pixels are more than {MAX_PIXELS // 10**6} million")
    return image


def _reason(data: bytes, error: Exception) -> str:
    if not data:
        return "the file is empty"
    if isinstance(error, UnidentifiedImageError):
        return "not an image of a format that Pillow reads"
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {MAX_PIXELS // 10**6} million pixels"
    if isinstance(error, MemoryError):
        return "too large for the memory of this machine"
    text = " ".join(str(error).split())[:120]
    return f"damaged: {text}" if text else f"damaged ({type(error).__name__})"


def _orientation(image: Image.Image) -> int:
    if image.format == "JPEG" and "exif" not in image.info:
        return 1  # parsing an absent block costs more than decoding a thumbnail
    if image.format == "TIFF":
        return 1  # the one format that Pillow turns upright itself
    return int(image.getexif().get(_ORIENTATION, 1))


def _decode_pillow(image: Image.Image, rule: Rule) -> NDArray[np.uint8]:
    if image.width >= 4 * rule.width and image.height >= 4 * rule.height:
        # JPEG can skip resolution while decoding; twice the wanted size leaves the antialiasing to the resize
        image.draft(None, (2 * rule.width, 2 * rule.height))
    if _orientation(image) != 1:
        image = ImageOps.exif_transpose(image)
    image = _fit_pillow(_to_mode(image, rule.channels), rule)
    return np.frombuffer(image.tobytes(), np.uint8).reshape(rule.shape)


def _to_mode(image: Image.Image, channels: int) -> Image.Image:
    mode = "L" if channels == 1 else "RGB"
    if image.mode == mode and "transparency" not in image.info:
        return image
    if image.mode == "I" or image.mode.startswith("I;16"):
        deep = np.asarray(image).astype(np.int64)
        image = Image.fromarray(np.clip((deep + 128) // 257, 0, 255).astype(np.uint8))
    elif image.mode == "F":
        raise UnreadableImage("floating-point pixels have no fixed range; save it with 8 or 16 bits")
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, image)
    return image.convert(mode)


def fitted_box(width: int, height: int, rule: Rule) -> tuple[float, float, float, float]:
    """The part of a `width`×`height` image that the `crop` rule keeps: left, top, right, bottom."""
    scale = max(rule.width / width, rule.height / height)
    left, top = (width - rule.width / scale) / 2, (height - rule.height / scale) / 2
    return max(left, 0.0), max(top, 0.0), min(width - left, width), min(height - top, height)


def _padded_size(width: int, height: int, rule: Rule) -> tuple[int, int]:
    scale = min(rule.width / width, rule.height / height)
    return min(rule.width, max(1, round(width * scale))), min(rule.height, max(1, round(height * scale)))


def _fit_pillow(image: Image.Image, rule: Rule) -> Image.Image:
    size = (rule.width, rule.height)
    if image.size == size:
        return image
    if rule.resize == "squash":
        return image.resize(size, Image.Resampling.BILINEAR)
    if rule.resize == "crop":
        return image.resize(size, Image.Resampling.BILINEAR, box=fitted_box(*image.size, rule))
    inner = image.resize(_padded_size(*image.size, rule), Image.Resampling.BILINEAR)
    canvas = Image.new(image.mode, size)
    canvas.paste(inner, ((rule.width - inner.width) // 2, (rule.height - inner.height) // 2))
    return canvas


def _decode_jpeg(data: bytes, rule: Rule) -> NDArray[np.uint8] | None:
    """By simplejpeg and OpenCV; None for what Pillow has to judge: CMYK, too many pixels, a doubtful file."""
    import simplejpeg

    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
        if colours not in ("Gray", "YCbCr", "RGB") or height * width > MAX_PIXELS:
            return None
        pixels = simplejpeg.decode_jpeg(
            data,
            colorspace="GRAY" if rule.channels == 1 else "RGB",
            min_height=min(rule.height, height),  # libjpeg scales by eighths, antialiased, for nothing
            min_width=min(rule.width, width),
        )
    except ValueError:  # it is stricter than libjpeg: let Pillow have the last word
        return None
    if _may_have_exif(data):
        orientation = _orientation(_open(data))
        if orientation != 1:
            pixels = _upright(pixels, orientation)
    return _fit_opencv(pixels, rule)


def _may_have_exif(data: bytes) -> bool:
    """Whether a JPEG file has an EXIF block before its pixels; 1 µs, where opening it with Pillow costs 20."""
    at = 2
    while at + 10 < len(data) and data[at] == 0xFF and data[at + 1] not in (0xFF, 0xDA):
        if data[at + 1] == 0xE1 and data.startswith(b"Exif\0\0", at + 4):
            return True
        at += 2 + (data[at + 2] << 8 | data[at + 3])
    return data[at : at + 2] != b"\xff\xda"  # ended elsewhere than at the pixels: padding or junk, so look closer


def _upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _fit_opencv(pixels: NDArray[np.uint8], rule: Rule) -> NDArray[np.uint8]:
    import cv2

    height, width = pixels.shape[:2]
    if (height, width) == (rule.height, rule.width):
        return pixels
    target = (rule.width, rule.height)
    if rule.resize == "crop":
        left, top, right, bottom = (round(edge) for edge in fitted_box(width, height, rule))
        pixels = pixels[top : max(bottom, top + 1), left : max(right, left + 1)]
    elif rule.resize == "pad":
        target = _padded_size(width, height, rule)
    shrinking = max(pixels.shape[0] / target[1], pixels.shape[1] / target[0])
    # of OpenCV's filters only AREA antialiases; it takes five times as long, so not for the last quarter
    small = cv2.resize(pixels, target, interpolation=cv2.INTER_AREA if shrinking > 1.25 else cv2.INTER_LINEAR)
    small = small.reshape(target[1], target[0], rule.channels)
    if rule.resize != "pad" or target == (rule.width, rule.height):
        return np.asarray(small, np.uint8)
    canvas = np.zeros(rule.shape, np.uint8)
    top, left = (rule.height - target[1]) // 2, (rule.width - target[0]) // 2
    canvas[top : top + target[1], left : left + target[0]] = small
    return canvas
