import numpy as np
import pytest
from rich.color import Color, ColorSystem

from simo2_core.palette import FEW, MANY, ON_DARK, ON_LIGHT
from simo2_tui.widgets.palette import (
    ASCII,
    HEAT,
    HEAT_STEPS,
    LETTERS,
    UNICODE,
    class_ink,
    class_markers,
    colours,
    colours_16,
    colours_256,
)
from simo2_tui.widgets.view import table_of

TABLES = {
    "24-bit": colours(dark=True),
    "24-bit light": colours(dark=False),
    "256": colours_256(dark=True),
    "256 light": colours_256(dark=False),
    "contrast": colours_256(True, True),
    "contrast light": colours_256(False, True),
    "16": colours_16(dark=True),
    "16 light": colours_16(dark=False),
}


def parts(colour):
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])


def shown(colour, system):
    """What rich sends for a colour to such a terminal."""
    found = Color.parse(colour).downgrade(system)
    return parts(found.get_truecolor().hex)


@pytest.mark.parametrize("name", TABLES)
def test_every_ink_has_a_colour(name):
    assert len(TABLES[name]) == HEAT + HEAT_STEPS
    assert all(len(colour) == 7 and colour.startswith("#") for colour in TABLES[name])


def test_classes_have_the_colours_of_the_pictures():
    for palette, dark in ((ON_LIGHT, False), (ON_DARK, True)):
        assert colours(dark)[: FEW + MANY] == palette.classes
        assert colours(dark)[class_ink(3, 10)] == palette.colour(3, 10)
        assert colours(dark)[class_ink(30, 200)] == palette.colour(30, 200)


@pytest.mark.parametrize("dark", [True, False])
def test_256_colours_are_shown_as_they_were_chosen(dark):
    for colour in colours_256(dark):
        assert np.abs(shown(colour, ColorSystem.EIGHT_BIT) - parts(colour)).max() <= 20, colour
    classes = colours_256(dark)[: FEW + MANY]
    assert len(set(classes[:FEW])) == FEW
    assert len(set(classes[FEW:])) == MANY


@pytest.mark.parametrize("table", ["24-bit", "24-bit light", "256", "256 light"])
def test_zero_is_grey_opposite_blue_and_alike_orange(table):
    system = ColorSystem.EIGHT_BIT if table.startswith("256") else ColorSystem.TRUECOLOR
    ramp = np.array([shown(colour, system) for colour in TABLES[table][HEAT:]])
    middle = ramp[HEAT_STEPS // 2]
    assert np.ptp(middle) <= 20, "grey: navy would mean opposite"
    for i, colour in enumerate(ramp):
        value = (i - HEAT_STEPS // 2) / (HEAT_STEPS // 2)
        if abs(value) > 0.15:
            assert (colour[2] > colour[0]) == (value < 0), value
    away = np.abs(ramp - middle).sum(axis=1)
    assert (np.diff(away[HEAT_STEPS // 2 :]) >= -20).all(), "further from 0, further from its colour"
    assert len({tuple(colour) for colour in ramp}) >= 9


def test_a_terminal_gets_the_table_of_its_depth():
    class App:
        class current_theme:
            dark, name = True, "simo2-dark"

        class console:
            color_system = "256"

    assert table_of(App) == colours_256(True)
    App.console.color_system = "standard"
    assert table_of(App) == colours_16(True)
    App.console.color_system = "truecolor"
    assert table_of(App) == colours(True)


def test_without_colours_letters_tell_many_classes_apart():
    plain = [type(glyphs)(**{**vars(glyphs), "colour": False}) for glyphs in (UNICODE, ASCII)]
    assert [class_markers(10, glyphs) for glyphs in plain] == [UNICODE.markers, ASCII.markers]
    assert all(class_markers(26, glyphs) == LETTERS for glyphs in plain)
    assert class_markers(200, UNICODE) == UNICODE.markers
    assert all(len(set(markers)) == len(markers) for markers in (LETTERS, UNICODE.markers, ASCII.markers))
