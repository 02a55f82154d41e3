"""Writes a data set that anyone can make: capital letters in the fonts that come with matplotlib.

`python -m tests.benchmarks.letters FOLDER` writes FOLDER/train/A … Z and FOLDER/test/A … Z, 20 pixels square, each
letter turned, scaled, sheared and moved at random. The fonts of test are not those of train.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
TEST = ("cmss10", "DejaVuSerif-Bold", "DejaVuSansMono-Oblique", "STIXGeneralItalic", "cmtt10")
TRAIN = (
    "cmb10", "cmmi10", "cmr10", "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-BoldOblique", "DejaVuSans-Oblique",
    "DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-BoldOblique", "DejaVuSerif", "DejaVuSerif-BoldItalic",
    "DejaVuSerif-Italic", "STIXGeneral", "STIXGeneralBol", "STIXGeneralBolIta",
)  # fmt: skip
SIDE = 20
DRAWS = 12


def draw(letter: str, font: ImageFont.FreeTypeFont, rng: np.random.Generator) -> Image.Image:
    """One letter, drawn large and brought to size by one affine map."""
    large = Image.new("L", (160, 160), 0)
    ImageDraw.Draw(large).text((80, 80), letter, font=font, fill=255, anchor="mm")
    angle, shear = np.radians(rng.uniform(-18, 18)), rng.uniform(-0.2, 0.2)
    scale = 160 / SIDE / rng.uniform(0.85, 1.2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    into = turn @ np.array([[1, shear], [0, 1]]) * scale
    offset = 80 - into @ (SIDE / 2 + rng.uniform(-2, 2, 2))
    small = large.resize((160, 160)).transform(
        (SIDE, SIDE), Image.Transform.AFFINE, (*into[0], offset[0], *into[1], offset[1]), Image.Resampling.BICUBIC
    )
    noise = rng.normal(0, 12, (SIDE, SIDE))
    return Image.fromarray(np.clip(np.asarray(small) * rng.uniform(0.6, 1.0) + noise, 0, 255).astype(np.uint8))


def main(folder: Path) -> None:
    fonts = Path(get_data_path()) / "fonts" / "ttf"
    rng = np.random.default_rng(0)
    for part, names in (("train", TRAIN), ("test", TEST)):
        for name in names:
            font = ImageFont.truetype(str(fonts / f"{name}.ttf"), 110)
            for letter in LETTERS:
                (folder / part / letter).mkdir(parents=True, exist_ok=True)
                for number in range(DRAWS):
                    draw(letter, font, rng).save(folder / part / letter / f"{name}-{number}.png")
    print(f"{folder}: {len(TRAIN) * DRAWS * 26:,} training and {len(TEST) * DRAWS * 26:,} test images")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
