from rich.color import Color, ColorSystem

from simo2_tui.themes import THEMES, themes_for


def test_what_is_grey_stays_grey_in_256_colours():
    for theme in themes_for("256"):
        for name in ("foreground", "background", "surface", "panel"):
            asked = Color.parse(getattr(theme, name))
            shown = asked.downgrade(ColorSystem.EIGHT_BIT).get_truecolor()
            assert max(shown) - min(shown) <= 4, f"{name} of {theme.name} is shown as {shown.hex}"
            assert abs(shown.red - asked.triplet.red) <= 16
    assert [theme.name for theme in themes_for("256")] == [theme.name for theme in THEMES]
    assert themes_for("truecolor") is THEMES
