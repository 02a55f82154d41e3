"""From the bytes of an image file to uint8 pixels of one size: the only place where images are decoded.

Pillow reads every format. JPEG goes through simplejpeg and OpenCV when both are installed (the `fast` extra), up to
twice as fast, most where a picture is made much smaller. They reduce by other filters: most pixels then differ by a
grey level or two, those at sharp edges by fifty. So what decodes is part of every cache key, and what is decoded
already is used whichever of the two is installed now.

Metadata that nobody needs never costs a picture: what cannot be read with its EXIF block, profile or text is read
without.
"""

from __future__ import annotations

import functools
import importlib.util
import io
import os
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from simo2_core.bounds import shown
from simo2_core.errors import DataError

MAX_PIXELS = 2**28
"""268 megapixels, a gigabyte as RGBA: beyond any camera, far below what a decompression bomb asks for."""

_ORIENTATION = 0x0112
"""The EXIF tag that says how the camera was held."""

_JPEG = b"\xff\xd8\xff"
"""How a JPEG file begins."""
_PNG = b"\x89PNG\r\n\x1a\n"

_KEPT_CHUNKS = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"eXIf", b"acTL", b"fcTL", b"fdAT"})
"""Of a PNG, what its pixels and their orientation are made from."""
_KEPT_SEGMENTS = frozenset({0xE0, 0xEE})
"""Of a JPEG's application data: JFIF and Adobe, which say what the colours mean."""

_VARIABLE = "SIMO2_DECODER"
DECODERS = ("simplejpeg+opencv", "pillow")
"""What decodes JPEG files, in order of preference."""

_unlimited = threading.Lock()


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
    background: str = "white"
    """What transparent pixels become: `white` or `black`."""
    depth: int = 16
    """Bits that greys of 16-bit files use: the largest value becomes 255."""
    decoder: str = ""
    """What decodes JPEG files, of `DECODERS`; empty for `backend()`."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        return self.height, self.width, self.channels


def backend() -> str:
    """What decodes JPEG here: `simplejpeg+opencv` where both are installed, else, or by SIMO2_DECODER, `pillow`.

    Raises:
        DataError: SIMO2_DECODER is none of `DECODERS`, or not installed.
    """
    wanted = os.environ.get(_VARIABLE) or (DECODERS[0] if _installed() else DECODERS[1])
    if wanted not in DECODERS:
        raise DataError(f"{_VARIABLE} is {shown(wanted)}; it must be {' or '.join(DECODERS)}.")
    if not can_decode(wanted):
        raise DataError(f"{_VARIABLE} is {wanted}, which is not installed. Install simplejpeg and opencv, or unset it.")
    return wanted


def decoders() -> tuple[str, ...]:
    """Those whose pixels are taken from a cache, the best first: all, but for SIMO2_DECODER."""
    best = backend()
    forced = bool(os.environ.get(_VARIABLE))
    return (best,) if forced else (best, *(other for other in DECODERS if other != best))


def can_decode(decoder: str) -> bool:
    """Whether `decoder`, of `DECODERS`, is installed here."""
    return decoder != DECODERS[0] or _installed()


@functools.cache
def _installed() -> bool:
    return bool(importlib.util.find_spec("simplejpeg") and importlib.util.find_spec("cv2"))


def decode_image(data: bytes, rule: Rule) -> NDArray[np.uint8]:
    """Decodes, turns upright by EXIF, converts to grey or RGB and resizes (antialiased).

    Transparent pixels become the background, 16-bit values are scaled to 8, and of an animation the first frame counts.
    What Pillow warns of (size, odd metadata) is for the caller to silence: once for many images, for it takes time.

    Returns:
        (height, width, channels) uint8, as `rule` says.

    Raises:
        UnreadableImage: the bytes are damaged, no image, or of more than MAX_PIXELS pixels.
    """
    try:
        return _decode(data, rule)
    except UnreadableImage:
        raise
    except Exception as error:  # on damaged files Pillow's decoders raise almost anything, MemoryError included
        with _another_try(data, error) as bare:
            return _decode_pillow(_open(bare), rule)


def probe_image(data: bytes) -> tuple[int, int, int]:
    """Height, width (upright) and channels (1 or 3) from the header alone; raises UnreadableImage."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about size and odd metadata
        try:
            return _probe(_open(data))
        except UnreadableImage:
            raise
        except Exception as error:  # as above
            with _another_try(data, error) as bare:
                return _probe(_open(bare))


def _probe(image: Image.Image) -> tuple[int, int, int]:
    width, height = image.size
    behind = image.format == "PNG" and "exif" not in image.info  # Pillow would decode it all to look behind the pixels
    if not behind and _orientation(image) >= 5:  # the four that swap the sides
        width, height = height, width
    grey = image.mode in ("1", "L", "LA", "I", "F") or image.mode.startswith("I;16")
    return height, width, 1 if grey else 3


@contextmanager
def _another_try(data: bytes, error: Exception) -> Iterator[bytes]:
    """The file without what nobody needs; raises UnreadableImage where there is nothing to leave out, or it fails."""
    try:
        bare = _without_metadata(data)
        if bare is None:
            raise UnreadableImage(_reason(data, error))
        yield bare
    except UnreadableImage:
        raise
    except Exception as again:  # as above
        raise UnreadableImage(_reason(data, again)) from None


def _decode(data: bytes, rule: Rule) -> NDArray[np.uint8]:
    fast = (rule.decoder or backend()) != "pillow" and _installed() and data.startswith(_JPEG)
    pixels = _decode_jpeg(data, rule) if fast else None
    return _decode_pillow(_open(data), rule) if pixels is None else pixels


def _open(data: bytes) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(data))
    except Image.DecompressionBombError:  # of a third less than MAX_PIXELS
        with _unlimited:  # Pillow has one limit for the whole process
            usual, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            try:
                image = Image.open(io.BytesIO(data))
            finally:
                Image.MAX_IMAGE_PIXELS = usual
    if image.width * image.height > MAX_PIXELS:
        raise UnreadableImage(f"{image.width}×{image.height} pixels are more than {MAX_PIXELS // 10**6} million")
    return image


def _without_metadata(data: bytes) -> bytes | None:
    """A PNG, JPEG or AVIF without text, profiles and the like; None for other formats, and where there are none."""
    bare = data
    if data.startswith(_PNG):
        bare = _bare_png(data)
    elif data.startswith(_JPEG):
        bare = _bare_jpeg(data)
    elif data[4:11] == b"ftypavi":
        bare = data.replace(b"Exif", b"none")  # an item of a kind that is not known is passed over
    return bare if bare != data else None


def _bare_png(data: bytes) -> bytes:
    kept, at = [_PNG], len(_PNG)
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        chunk = data[at : at + length + 12]
        broken = kind == b"eXIf" and zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big")
        if kind in _KEPT_CHUNKS and not broken:
            kept.append(chunk)
        at += length + 12
    return b"".join(kept)


def _bare_jpeg(data: bytes) -> bytes:
    kept, at = [data[:2]], 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        marker, end = data[at + 1], at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in _KEPT_SEGMENTS or not (0xE0 <= marker <= 0xEF or marker == 0xFE):
            kept.append(data[at:end])
        at = end
    return b"".join([*kept, data[at:]])


def _reason(data: bytes, error: Exception) -> str:
    if not data:
        return "the file is empty"
    if isinstance(error, UnidentifiedImageError):
        return "not an image of a format that Pillow reads"
    if isinstance(error, MemoryError):
        return "too large for the memory of this machine"
    text = " ".join(str(error).split())[:120]
    return f"damaged: {text}" if text else f"damaged ({type(error).__name__})"


def _orientation(image: Image.Image) -> int:
    """1 to 8, as EXIF has it; 1, which is upright, where there is none that can be read."""
    if image.format == "JPEG" and "exif" not in image.info:
        return 1  # parsing an absent block costs more than decoding a thumbnail
    if image.format == "TIFF":
        return 1  # the one format that Pillow turns upright itself
    try:
        orientation = int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # whatever is wrong with the block, the pixels are whole
        return 1
    return orientation if 1 <= orientation <= 8 else 1


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns an image of each orientation upright."""


def _decode_pillow(image: Image.Image, rule: Rule) -> NDArray[np.uint8]:
    if image.width >= 4 * rule.width and image.height >= 4 * rule.height:
        # JPEG can skip resolution while decoding; twice the wanted size leaves the antialiasing to the resize
        image.draft(None, (2 * rule.width, 2 * rule.height))
    orientation = _orientation(image)
    if orientation != 1:
        image = image.transpose(_TURNS[orientation])
    mode = "L" if rule.channels == 1 else "RGB"
    image = _to_mode(image, mode, rule)
    image = _fit_pillow(image, rule).convert(mode)
    return np.frombuffer(image.tobytes(), np.uint8).reshape(rule.shape)


def fit_pixels(pixels: NDArray[np.uint8], rule: Rule) -> NDArray[np.uint8]:
    """Pixels (h, w, 1 or 3) as `decode_image` makes those of a file: the channels and the size that `rule` says."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    mode = "L" if rule.channels == 1 else "RGB"
    fitted = _fit_pillow(image if image.mode == mode else image.convert(mode), rule)
    return np.asarray(fitted, np.uint8).reshape(rule.shape)


def _to_mode(image: Image.Image, mode: str, rule: Rule) -> Image.Image:
    """`image` as RGB or, where that has the same pixels in a third of the memory, still grey."""
    if image.mode in (mode, "L") and "transparency" not in image.info:
        return image
    if image.mode == "I" or image.mode.startswith("I;16"):
        deep, most = np.asarray(image).astype(np.int64), 2**rule.depth - 1
        levels = (deep + 128) // 257 if rule.depth == 16 else (deep * 255 + most // 2) // most
        return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))
    if image.mode == "F":
        raise UnreadableImage("floating-point pixels have no fixed range; save it with 8 or 16 bits")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, rule.background)
        image = Image.alpha_composite(paper, image)
    return image.convert("L" if image.mode == "1" else mode)


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
