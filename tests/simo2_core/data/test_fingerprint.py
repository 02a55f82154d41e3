"""The images of a run are the same ones whatever decoded them, and wherever they lie."""

import pytest

from simo2_core.data import decode
from simo2_core.data.fingerprint import make_fingerprint, other_decoder, same_images
from simo2_core.data.load import load_dataset
from simo2_core.train.beginning import decoded_otherwise, normalised_otherwise
from tests.simo2_core.data.pictures import MakeFolder, config, encoded, picture

FAST, PLAIN = decode.DECODERS


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("f", "p", FAST), ("f", "p", FAST), True),
        (("f", "p", FAST), ("f", "q", PLAIN), True),  # two decoders
        (("f", "p", FAST), ("f", None, FAST), True),  # one streamed
        (("f", "p", FAST), ("g", "p", FAST), True),  # renamed, or copied in another way
        (("f", "p", FAST), ("f", "q", FAST), False),  # replaced by others of the same size
        (("f", "p", FAST), ("g", "q", PLAIN), False),
        (("f", None, FAST), ("g", None, FAST), False),
    ],
)
def test_pixels_tell_where_one_decoder_has_them_and_else_the_files(
    one: tuple[str, str | None, str], other: tuple[str, str | None, str], same: bool
) -> None:
    first, second = make_fingerprint(*one), make_fingerprint(*other)
    assert same_images(first, second) is same
    assert same_images(second, first) is same
    assert not same_images(first, "0" * 64)


def jpegs(make_folder: MakeFolder) -> object:
    root = make_folder(count=0)
    for name in ("cat", "dog"):
        for number in range(5):
            (root / name / f"{number}.jpg").write_bytes(encoded(picture(number, (70, 50)), "JPEG"))
    return config(root, image_size=16)


def test_what_pillow_has_decoded_serves_when_the_fast_decoder_is_installed(
    make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = jpegs(make_folder)
    monkeypatch.setattr(decode, "_installed", lambda: False)
    before = load_dataset(settings)  # type: ignore[arg-type]
    monkeypatch.setattr(decode, "_installed", lambda: True)
    assert load_dataset(settings).fingerprint == before.fingerprint  # type: ignore[arg-type]


def test_a_run_goes_on_with_another_decoder_and_says_so(
    make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("simplejpeg")
    pytest.importorskip("cv2")
    settings = jpegs(make_folder)
    fast = load_dataset(settings)  # type: ignore[arg-type]
    monkeypatch.setenv("SIMO2_DECODER", "pillow")
    plain = load_dataset(settings)  # type: ignore[arg-type]
    assert other_decoder(fast.fingerprint, plain.fingerprint) == (FAST, PLAIN)
    assert plain.is_that_of(fast.fingerprint)
    assert not plain.is_that_of(fast.former)  # a run of before knew pixels alone
    (warning,) = decoded_otherwise(fast.fingerprint, plain, 7)
    assert "SIMO2_DECODER=pillow" in warning.cure
    assert not list(decoded_otherwise(plain.fingerprint, plain, 7))


def test_a_run_that_was_normalised_otherwise_is_told_so(make_folder: MakeFolder) -> None:
    data = load_dataset(config(make_folder(count=5)))
    mean, std = data.mean.tolist(), data.std.tolist()
    assert not list(normalised_otherwise(mean, std, data, 7))
    (warning,) = normalised_otherwise([mean[0] + 0.01, *mean[1:]], std, data, 7)
    assert warning.code == "other-statistics"
    assert f"{data.mean[0]:.4f}" in warning.message


def test_a_run_of_before_is_known_by_its_pixels(make_folder: MakeFolder) -> None:
    data = load_dataset(config(make_folder(count=5)))
    assert len(data.former) == 64
    assert data.is_that_of(data.former)
    assert not data.is_that_of("0" * 64)
