"""Every kind of image becomes uint8 pixels of one size, or says why it cannot."""

import contextlib
import dataclasses
import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin, features

from simo2_core.data import decode
from simo2_core.data.decode import Rule, UnreadableImage, decode_image, fitted_box, probe_image
from simo2_core.errors import DataError
from tests.simo2_core.data.pictures import picture

RGB = Rule(height=8, width=8, channels=3)
GREY = Rule(height=8, width=8, channels=1)


def file(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def flat(mode: str, colour: Any, size: tuple[int, int] = (8, 8)) -> Image.Image:
    return Image.new(mode, size, colour)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (file(flat("RGB", (10, 20, 30))), (10, 20, 30)),
        (file(flat("L", 77)), (77, 77, 77)),
        (file(flat("1", 1)), (255, 255, 255)),
        (file(flat("RGB", (200, 0, 0)).quantize(4)), (200, 0, 0)),
        (file(flat("RGB", (200, 0, 0)).quantize(4), "GIF"), (200, 0, 0)),
        (file(flat("RGBA", (10, 20, 30, 255))), (10, 20, 30)),
        (file(flat("RGBA", (10, 20, 30, 0))), (255, 255, 255)),
        (file(flat("LA", (40, 255))), (40, 40, 40)),
        (file(flat("CMYK", (0, 0, 0, 0)), "TIFF"), (255, 255, 255)),
        (file(flat("CMYK", (0, 255, 255, 0)), "TIFF"), (255, 0, 0)),
        (file(Image.fromarray(np.full((8, 8), 257 * 90, np.uint16))), (90, 90, 90)),
        (file(flat("RGB", (9, 9, 9)), "BMP"), (9, 9, 9)),
        (file(flat("RGB", (9, 9, 9)), "WEBP", lossless=True), (9, 9, 9)),
        (file(flat("RGB", (9, 9, 9)), "PPM"), (9, 9, 9)),
    ],
    ids=[
        "rgb",
        "grey",
        "bilevel",
        "palette",
        "gif",
        "rgba",
        "transparent",
        "grey-alpha",
        "cmyk-white",
        "cmyk-red",
        "16-bit",
        "bmp",
        "webp",
        "ppm",
    ],
)
def test_every_mode_becomes_rgb_of_the_right_colour(data: bytes, expected: tuple[int, int, int]) -> None:
    pixels = decode_image(data, RGB)
    assert pixels.shape == (8, 8, 3)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, np.broadcast_to(expected, (8, 8, 3)))


def test_a_cmyk_jpeg_keeps_its_colours() -> None:
    red = decode_image(file(flat("CMYK", (0, 255, 255, 0)), "JPEG", quality=95), RGB)
    np.testing.assert_allclose(red, np.broadcast_to((255, 0, 0), (8, 8, 3)), atol=3)


def test_of_an_animation_the_first_frame_counts() -> None:
    frames = [flat("RGB", (value, 0, 0)).quantize(4) for value in (50, 100, 150)]
    data = file(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode_image(data, RGB)[0, 0].tolist() == [50, 0, 0]


def test_grey_is_asked_for_and_given() -> None:
    pixels = decode_image(file(flat("RGB", (255, 0, 0))), GREY)
    assert pixels.shape == (8, 8, 1)
    assert pixels[0, 0, 0] == 76  # ITU-R 601: 0.299 of 255


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF"])
def test_the_picture_is_turned_upright(orientation: int, format: str) -> None:
    upright = np.zeros((16, 8, 3), np.uint8)
    upright[:8] = (200, 0, 0)  # red above, green below left, blue below right
    upright[8:, :4], upright[8:, 4:] = (0, 200, 0), (0, 0, 200)
    flips = Image.Transpose
    undo = {2: flips.FLIP_LEFT_RIGHT, 3: flips.ROTATE_180, 4: flips.FLIP_TOP_BOTTOM, 5: flips.TRANSPOSE,
            6: flips.ROTATE_90, 7: flips.TRANSVERSE, 8: flips.ROTATE_270}  # fmt: skip
    stored = Image.fromarray(upright)
    if orientation in undo:
        stored = stored.transpose(undo[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 100, "subsampling": 0} if format == "JPEG" else {}
    data = file(stored, format, exif=exif, **options)
    pixels = decode_image(data, Rule(height=16, width=8, channels=3)).astype(int)
    assert np.abs(pixels - upright).max() <= 30
    assert probe_image(data) == (16, 8, 3)


@pytest.fixture(params=["pillow", "simplejpeg+opencv"])
def decoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of the two decoders of JPEG, whichever is the one in use here."""
    if request.param != "pillow":
        pytest.importorskip("simplejpeg")
        pytest.importorskip("cv2")
    monkeypatch.setattr(decode, "backend", lambda: request.param)
    return request.param


def lying() -> tuple[bytes, np.ndarray]:
    """A JPEG stored on its side with an EXIF block that says so, and its upright pixels."""
    upright = np.zeros((32, 16, 3), np.uint8)
    upright[:16], upright[16:] = (200, 0, 0), (0, 0, 200)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = Image.fromarray(upright).transpose(Image.Transpose.ROTATE_90)
    return file(turned, "JPEG", exif=exif, quality=95, subsampling=0), upright


BEFORE_EXIF = {
    "nothing": b"",
    "a padding byte": b"\xff",
    "a block of its own": b"\xff\xeb\x00\x08\xff\xda\xff\xe1ab",
    "another APP1": b"\xff\xe1\x00\x06http",
}


@pytest.mark.parametrize("before", BEFORE_EXIF.values(), ids=BEFORE_EXIF)
def test_exif_is_found_wherever_it_lies(before: bytes, decoder: str) -> None:
    data, upright = lying()
    pixels = decode_image(data[:2] + before + data[2:], Rule(height=32, width=16, channels=3))
    assert np.abs(pixels.astype(int) - upright).max() <= 20


@pytest.mark.parametrize(("width", "height"), [(16, 16), (17, 40), (64, 48), (150, 100)])
def test_jpeg_is_the_same_picture_by_either_decoder(width: int, height: int, decoder: str) -> None:
    image = picture(3, (width, height))
    rule = Rule(height=16, width=16, channels=3)
    expected = decode_image(file(image), rule).astype(int)
    for data in (file(image, "JPEG", quality=98, subsampling=0), file(image, "MPO", quality=98, subsampling=0)):
        assert np.abs(decode_image(data, rule).astype(int) - expected).mean() <= 4
    grey = decode_image(file(image.convert("L"), "JPEG", quality=98), dataclasses.replace(rule, channels=1))
    assert np.abs(grey[..., 0].astype(int) - expected @ (0.299, 0.587, 0.114)).mean() <= 4


def test_a_damaged_jpeg_is_refused_by_either_decoder(decoder: str) -> None:
    data = file(picture(4, (64, 64)), "JPEG")
    for bad in (data[:3], data[:30], data[: len(data) // 2], data[:-20]):
        with pytest.raises(UnreadableImage):
            decode_image(bad, RGB)


def test_deep_grey_uses_the_whole_range() -> None:
    ramp = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    pixels = decode_image(file(Image.fromarray(ramp)), GREY)[..., 0]
    np.testing.assert_allclose(pixels, ramp / 257, atol=0.51)


@pytest.mark.parametrize(("rule", "left", "middle"), [("crop", 255, 255), ("pad", 255, 255), ("squash", 0, 255)])
def test_the_resize_rules_differ_as_they_say(rule: str, left: int, middle: int) -> None:
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = 255  # white in the middle third
    pixels = decode_image(file(Image.fromarray(wide)), Rule(height=20, width=20, channels=3, resize=rule))
    assert pixels.shape == (20, 20, 3)
    assert pixels[10, 10, 0] == middle
    if rule == "pad":
        assert pixels[0].max() == 0  # black bars above and below
        assert pixels[10, 0, 0] == 0
    else:
        assert pixels[10, 0, 0] == left


def test_shrinking_is_antialiased() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    for rule in ("crop", "pad", "squash"):
        pixels = decode_image(file(Image.fromarray(stripes)), Rule(height=8, width=8, channels=3, resize=rule))
        assert np.abs(pixels.astype(int) - 127).max() <= 20  # without, every pixel would be 0 or 255


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 500), st.integers(1, 500), st.integers(1, 64), st.integers(1, 64))
def test_the_cropped_box_has_the_wanted_shape_and_touches_two_sides(w: int, h: int, width: int, height: int) -> None:
    left, top, right, bottom = fitted_box(w, h, Rule(height=height, width=width, channels=3))
    assert 0 <= left < right <= w
    assert 0 <= top < bottom <= h
    assert (right - left) * height == pytest.approx((bottom - top) * width)
    assert right - left == pytest.approx(w) or bottom - top == pytest.approx(h)


def bomb() -> bytes:
    """A PNG header that claims 60,000 × 60,000 pixels."""
    body = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    pixels = b"IDAT" + zlib.compress(bytes(100))
    chunks = [
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in (body, pixels)
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"this is no picture at all", "not an image"),
        (file(flat("RGB", "red", (64, 64)), "JPEG")[:400], "damaged|not an image"),
        (file(flat("RGB", "red", (64, 64)))[:60], "damaged"),
        (bytes(1000), "not an image"),
        (bomb(), "pixels"),
        (file(Image.fromarray(np.ones((8, 8), np.float32)), "TIFF"), "floating-point"),
    ],
    ids=["empty", "text", "truncated-jpeg", "truncated-png", "zeros", "bomb", "float"],
)
def test_what_cannot_be_read_says_why_in_one_line(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableImage, match=reason) as caught:
        decode_image(data, RGB)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 255), st.sampled_from(["JPEG", "PNG", "GIF", "WEBP", "TIFF"]))
def test_a_flipped_byte_never_escapes_as_another_error(where: int, value: int, format: str) -> None:
    data = bytearray(file(Image.linear_gradient("L").convert("RGB").resize((24, 24)), format))
    data[where % len(data)] = value
    with contextlib.suppress(UnreadableImage):
        assert decode_image(bytes(data), RGB).shape == (8, 8, 3)


JUNK = b"Exif\0\0\x00\x08\x00\x02\x01\x12\x00\x03"


def with_text(image: Image.Image) -> bytes:
    """A PNG with 2 MB of compressed text, more than Pillow takes."""
    info = PngImagePlugin.PngInfo()
    info.add_text("workflow", "x" * 2_000_000, zip=True)
    return file(image, pnginfo=info)


def with_a_broken_chunk(image: Image.Image, kind: bytes) -> bytes:
    """A PNG with a chunk before its pixels whose checksum is wrong."""
    data = file(image)
    return data[:33] + struct.pack(">I", 4) + kind + b"\xff\0\0\0" + bytes(4) + data[33:]


def with_a_broken_segment(image: Image.Image, marker: int, body: bytes) -> bytes:
    """A JPEG with application data that means nothing."""
    data = file(image, "JPEG", quality=95, subsampling=0)
    return data[:2] + struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body + data[2:]


BROKEN_METADATA = {
    "exif of jpeg": lambda image: file(image, "JPEG", quality=95, subsampling=0, exif=JUNK, dpi=(72, 72)),
    "exif of png": lambda image: file(image, exif=JUNK[6:]),
    "exif of png, and its checksum": lambda image: with_a_broken_chunk(image, b"eXIf"),
    "exif of webp": lambda image: file(image, "WEBP", lossless=True, exif=JUNK),
    "text of png": with_text,
    "text without a checksum": lambda image: with_a_broken_chunk(image, b"tEXt"),
    "profile of png": lambda image: with_a_broken_chunk(image, b"iCCP"),
    "profile of jpeg": lambda image: with_a_broken_segment(image, 0xE2, b"ICC_PROFILE\0\x01\x09x"),
    "pictures of mpo": lambda image: with_a_broken_segment(image, 0xE2, b"MPF\0II*\0\xff\xff\xff\xff"),
    "photoshop": lambda image: with_a_broken_segment(image, 0xED, b"Photoshop 3.0\x008BIM\x03\xed\0"),
    "xmp": lambda image: with_a_broken_segment(image, 0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta <<"),
}


@pytest.mark.parametrize("make", BROKEN_METADATA.values(), ids=BROKEN_METADATA)
def test_metadata_that_nobody_needs_costs_no_picture(make: Callable[[Image.Image], bytes], decoder: str) -> None:
    image = picture(5, (32, 32))
    data = make(image)
    pixels = decode_image(data, Rule(height=32, width=32, channels=3))
    assert np.abs(pixels.astype(int) - np.asarray(image)).max() <= 12
    assert probe_image(data) == (32, 32, 3)


def test_a_broken_exif_block_costs_no_avif() -> None:
    if not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    exif = Image.Exif()
    exif[0x010E] = "a description"
    image = picture(5, (32, 32))
    data = file(image, "AVIF", exif=exif, quality=95)
    at = data.rindex(b"MM\0*")
    broken = data[:at] + b"????" + data[at + 4 :]
    pixels = decode_image(broken, Rule(height=32, width=32, channels=3))
    assert np.abs(pixels.astype(int) - np.asarray(image)).mean() <= 4


def test_a_png_whose_pixels_are_torn_is_refused_with_and_without_its_text() -> None:
    data = with_text(picture(5, (64, 64)))
    with pytest.raises(UnreadableImage, match="damaged"):
        decode_image(data[:-400], RGB)


def test_the_limit_of_pixels_is_ours_and_not_half_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    data = file(Image.new("1", (64, 64), 1))
    assert decode_image(data, RGB).min() == 255
    assert probe_image(data) == (64, 64, 1)
    assert Image.MAX_IMAGE_PIXELS == 1000
    monkeypatch.setattr(decode, "MAX_PIXELS", 4095)
    with pytest.raises(UnreadableImage, match="64×64 pixels are more than"):
        decode_image(data, RGB)


@pytest.mark.parametrize("orientation", [0, 9, 255])
def test_an_orientation_that_there_is_not_turns_nothing(orientation: object, decoder: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = picture(5, (32, 16))
    data = file(image, "JPEG", quality=98, subsampling=0, exif=exif)
    pixels = decode_image(data, Rule(height=16, width=32, channels=3))
    assert np.abs(pixels.astype(int) - np.asarray(image)).max() <= 12
    assert probe_image(data) == (16, 32, 3)


def test_greys_of_twelve_bits_can_be_spread_over_all_levels() -> None:
    ramp = np.linspace(0, 4095, 64).astype(np.uint16).reshape(8, 8)
    data = file(Image.fromarray(ramp))
    assert decode_image(data, GREY).max() == 16
    pixels = decode_image(data, dataclasses.replace(GREY, depth=12))[..., 0]
    np.testing.assert_allclose(pixels, ramp * (255 / 4095), atol=0.51)
    assert (
        decode_image(data, dataclasses.replace(GREY, depth=10)).max() == 255
    )  # what is beyond is as bright as it gets


def test_white_drawings_on_transparent_ground_show_on_black() -> None:
    drawing = Image.new("RGBA", (8, 8), (255, 255, 255, 0))
    drawing.putpixel((3, 3), (255, 255, 255, 255))
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([255, 255, 255] * 2)
    palette.putpixel((3, 3), 1)
    for data in (file(drawing), file(drawing.convert("LA")), file(palette, transparency=0), file(drawing, "WEBP")):
        assert decode_image(data, RGB).min() == 255
        pixels = decode_image(data, dataclasses.replace(RGB, background="black"))
        assert pixels[3, 3].min() >= 250
        assert pixels.sum() == pixels[3, 3].sum()


def test_a_user_can_have_pillow_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMO2_DECODER", "pillow")
    assert decode.backend() == "pillow"


def test_a_decoder_that_there_is_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "_installed", lambda: False)
    for value, said in (("pilow", "it must be simplejpeg"), ("simplejpeg+opencv", "which is not installed")):
        monkeypatch.setenv("SIMO2_DECODER", value)
        with pytest.raises(DataError, match=f"SIMO2_DECODER is .*{said}"):
            decode.backend()
    monkeypatch.setenv("SIMO2_DECODER", "")
    assert (decode.backend(), decode.decoders()) == ("pillow", ("pillow", "simplejpeg+opencv"))
