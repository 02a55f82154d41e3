"""What tells the images of a run from others: of the files and the settings, whatever decoded them or where they lie.

    2:FILES:PIXELS:DECODER

FILES is a hash of names and sizes of the files, of the settings that decide what they are made into, and of the cut
into parts. PIXELS is a hash of the decoded images and that cut, `-` where they are decoded as they are needed.
"""

from __future__ import annotations

_FORMAT = "2"


def make_fingerprint(files: str, pixels: str | None, decoder: str) -> str:
    """A fingerprint of two hashes and one of `decode.DECODERS`; `pixels` is None while nobody has them all."""
    return ":".join([_FORMAT, files[:32], pixels[:32] if pixels else "-", decoder])


def same_images(first: str, second: str) -> bool:
    """Whether two fingerprints are of the same images, cut alike.

    Pixels tell where both have those of one decoder. Else the files do: two decoders never agree in every pixel, and
    images that are decoded as they are needed are not all known.
    """
    if first == second:
        return True
    one, other = first.split(":"), second.split(":")
    if len(one) != 4 or len(other) != 4:
        return False
    if "-" not in (one[2], other[2]) and one[3] == other[3]:
        return one[2] == other[2]
    return one[1] == other[1]


def other_decoder(first: str, second: str) -> tuple[str, str] | None:
    """What decoded the images of each of two fingerprints, where that is not the same; None where it is."""
    one, other = first.split(":"), second.split(":")
    if len(one) != 4 or len(other) != 4 or one[3] == other[3] or one[2] == other[2] != "-":
        return None
    return one[3], other[3]
