import itertools
from colorsys import rgb_to_hsv

import pytest

from simo2_core.palette import DISTINCT, FEW, MANY, ON_DARK, ON_LIGHT, SHAPES, colour_index


def parts(colour):
    return [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def apart(one, other):
    return sum(abs(a - b) for a, b in zip(parts(one), parts(other), strict=True))


@pytest.mark.parametrize(("palette", "paper"), [(ON_LIGHT, "#FFFFFF"), (ON_DARK, "#10141B")])
def test_colours_differ_from_each_other_and_from_what_they_lie_on(palette, paper):
    assert (len(palette.few), len(palette.many)) == (FEW, MANY)
    assert all(apart(a, b) > 0.3 for a, b in itertools.combinations(palette.few, 2))
    assert all(apart(a, b) > 0.1 for a, b in itertools.combinations(palette.many, 2))
    assert all(apart(colour, paper) > 0.6 for colour in palette.classes), "yellow on white, blue on black"


def test_colour_and_shape_together_tell_264_classes_apart():
    looks = {(colour_index(label, DISTINCT), label % len(SHAPES)) for label in range(DISTINCT)}
    assert len(looks) == DISTINCT == 264


def test_a_class_has_one_hue_on_light_and_on_dark():
    for classes in (FEW, 200):
        for label in range(FEW):
            light, dark = (palette.colour(label, classes) for palette in (ON_LIGHT, ON_DARK))
            turn = abs(rgb_to_hsv(*parts(light))[0] - rgb_to_hsv(*parts(dark))[0])
            assert min(turn, 1 - turn) < 0.06, (light, dark)
