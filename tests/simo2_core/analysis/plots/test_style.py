import importlib
import itertools
import pkgutil

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from simo2_core.analysis import plots
from simo2_core.analysis.plots.filters import draw_filters
from simo2_core.analysis.plots.style import DARK, LIGHT, Caption, class_style, clean, clean_all, signed, signed_map


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_up_to_ten_classes_differ_in_colour_and_in_shape(theme):
    styles = [class_style(label, 10, theme) for label in range(10)]
    for (colour, marker), (other, shape) in itertools.combinations(styles, 2):
        assert marker != shape
        assert sum(abs(a - b) for a, b in zip(to_rgb(colour), to_rgb(other), strict=True)) > 0.3
    assert all(sum(abs(a - b) for a, b in zip(to_rgb(c), to_rgb(theme.paper), strict=True)) > 0.3 for c, _ in styles)


def test_up_to_132_classes_differ_in_one_of_the_two():
    assert len({class_style(label, 132, LIGHT) for label in range(132)}) == 132


def test_names_are_made_fit_to_draw():
    assert clean("cat") == "cat"
    assert clean("line\nbreak\tand  more") == "line break and more"
    assert clean("$x^2$") == r"\$x^2\$"
    assert len(clean("n" * 90)) == 24
    assert clean("class_with_a_long_name_1") != clean("class_with_a_long_name_2")
    assert clean("common_beginning_of_many_names_1") != clean("common_beginning_of_many_names_2")
    assert clean_all(["日本語", "", "ok", "Straße"]) == ["class 0", "class 1", "ok", "Straße"]
    assert clean_all(["a" * 15 + "b" * 15], 9) == ["aaaa…bbbb"]


def test_signs_and_captions():
    assert [signed(value) for value in (0.034, -0.994, 0.001, -0.001)] == ["+0.03", "−0.99", "0.00", "0.00"]
    assert str(Caption("digits", 1400, 1430, "test")) == "digits · step 1,400 · 1,430 test images"


def test_the_signed_scale_is_neutral_at_zero():
    colours = signed_map(LIGHT)
    assert colours(0.5)[:3] == pytest.approx(to_rgb(LIGHT.middle), abs=0.01)
    assert colours(0.0)[:3] == pytest.approx(to_rgb(LIGHT.low), abs=0.01)
    assert colours(1.0)[:3] == pytest.approx(to_rgb(LIGHT.high), abs=0.01)


def test_a_users_own_settings_of_matplotlib_change_no_byte(tmp_path):
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
