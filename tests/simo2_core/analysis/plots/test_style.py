import importlib
import pkgutil

import matplotlib
import numpy as np
import pytest
from matplotlib import font_manager, rcParams
from matplotlib.colors import to_rgb
from matplotlib.font_manager import FontEntry

from simo2_core.analysis import plots
from simo2_core.analysis.plots.cosines import draw_cosines
from simo2_core.analysis.plots.filters import draw_filters
from simo2_core.analysis.plots.fonts import fonts_for
from simo2_core.analysis.plots.style import (
    DARK,
    LIGHT,
    Caption,
    class_look,
    clean,
    clean_all,
    own_look,
    signed,
    signed_map,
)
from simo2_core.palette import DISTINCT, SHAPES
from simo2_tui.widgets.palette import UNICODE


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_up_to_264_classes_differ_in_marker_or_colour_and_ten_in_both(theme):
    ten = [class_look(label, 10, theme) for label in range(10)]
    assert len({look.colour for look in ten}) == len({(look.marker, look.filled) for look in ten}) == 10
    assert len({class_look(label, DISTINCT, theme) for label in range(DISTINCT)}) == DISTINCT


def test_markers_are_the_shapes_of_the_console_in_its_order():
    looks = [class_look(label, 200, LIGHT) for label in range(len(SHAPES))]
    assert [look.filled for look in looks] == ["hollow" not in shape and shape != "ring" for shape in SHAPES]
    alike = dict(zip("●▲■◆▼✚★○△□◇", "o^sDvP*o^sD", strict=True))
    assert [look.marker for look in looks] == [alike[glyph] for glyph in UNICODE.markers]


def test_names_are_made_fit_to_draw():
    assert clean("cat") == "cat"
    assert clean("line\nbreak\tand  more") == "line break and more"
    assert clean("$x^2$") == r"\$x^2\$"
    assert len(clean("n" * 90)) == 24
    assert clean("class_with_a_long_name_1") != clean("class_with_a_long_name_2")
    assert clean("common_beginning_of_many_names_1") != clean("common_beginning_of_many_names_2")
    assert clean_all(["日本語", "", "ok", "Straße"]) == ["class 0", "class 1", "ok", "Straße"]
    assert clean_all(["a" * 15 + "b" * 15], 13) == ["aaaaaa…bbbbbb"]
    assert clean_all([f"a_folder_with_a_long_name_{i}" for i in range(3)], 12) == [f"a_folder_w…{i}" for i in range(3)]


def test_a_name_is_drawn_where_an_installed_font_has_its_letters(tmp_path, monkeypatch, caplog):
    # matplotlib brings STIX, which has this letter and is no font that texts are drawn in
    letter = "\N{LATIN SMALL LETTER S WITH PALATAL HOOK}"
    entries = [entry for entry in font_manager.fontManager.ttflist if entry.name == "STIXGeneral"]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [*entries, FontEntry("/no/such/font.ttf", "gone")])
    fonts_for.cache_clear()

    @own_look
    def shown(names):
        return clean_all(names)[0], list(rcParams["font.family"])

    assert shown([letter * 3, "b"]) == (letter * 3, ["sans-serif", "STIXGeneral"])
    assert shown(["日本", letter]) == ("class 0", ["sans-serif", "STIXGeneral"])
    assert shown(["plain", "Straße"]) == ("plain", ["sans-serif"])
    assert clean(f"data {letter}") == f"data {letter}"
    drawn = draw_cosines(tmp_path / "x.png", np.eye(3), np.arange(3), list("abc"), Caption(letter, 1, 3, run=letter))
    assert drawn.is_file()
    assert not caplog.records, "no glyph is missing, no font is looked for in vain"
    fonts_for.cache_clear()


def test_signs_and_captions():
    assert [signed(value) for value in (0.034, -0.994, 0.001, -0.001)] == ["+0.03", "−0.99", "0.00", "0.00"]
    assert str(Caption("digits", 1400, 1430, "test")) == "digits · step 1,400 · 1,430 test images"
    assert str(Caption("digits", 1, 2, run="demo")) == "run demo · digits · step 1 · 2 validation images"


def test_the_signed_scale_is_neutral_at_zero():
    colours = signed_map(LIGHT)
    assert colours(0.5)[:3] == pytest.approx(to_rgb(LIGHT.classes.middle), abs=0.01)
    assert colours(0.0)[:3] == pytest.approx(to_rgb(LIGHT.classes.low), abs=0.01)
    assert colours(1.0)[:3] == pytest.approx(to_rgb(LIGHT.classes.high), abs=0.01)


def test_a_users_own_settings_of_matplotlib_change_no_byte(tmp_path, coarse):
    kernel = np.random.default_rng(0).normal(size=(3, 3, 1, 4))
    plain = draw_filters(tmp_path / "plain.png", kernel, "YatConv", "digits").read_bytes()
    with matplotlib.rc_context({"font.size": 20, "font.family": "monospace", "axes.facecolor": "red"}):
        assert draw_filters(tmp_path / "own.png", kernel, "YatConv", "digits").read_bytes() == plain
    found = [
        importlib.import_module(f"{plots.__name__}.{module.name}") for module in pkgutil.iter_modules(plots.__path__)
    ]
    drawers = {value for module in found for name, value in vars(module).items() if name.startswith("draw_")}
    assert len(drawers) > 10
    assert all(hasattr(draw, "__wrapped__") for draw in drawers), "each is inside own_look"
