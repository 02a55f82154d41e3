import numpy as np
import pytest
from PIL import Image
from rich.cells import cell_len

from simo2_tui.app import Console
from simo2_tui.screens.plots import PlotsScreen, copy_line
from simo2_tui.session.follow import FollowSession
from simo2_tui.widgets.picture import read_picture, render_picture
from tests.simo2_tui.recorded import write_run


@pytest.fixture
def png(tmp_path):
    pixels = np.zeros((60, 90, 3), np.uint8)
    pixels[:30] = (255, 0, 0)
    pixels[30:] = (0, 0, 255)
    path = tmp_path / "halves.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize(("width", "height"), [(1, 1), (20, 3), (80, 24), (200, 60)])
@pytest.mark.parametrize("shades", [False, True])
def test_every_row_is_exactly_as_wide_as_asked(png, width, height, shades):
    strips = render_picture(read_picture(png, width, height), width, shades=shades)
    assert 1 <= len(strips) <= max(1, height)
    assert all(sum(cell_len(segment.text) for segment in strip) == width for strip in strips)


def test_the_upper_pixel_is_ink_and_the_lower_one_paper(png):
    strips = render_picture(read_picture(png, 30, 10), 30)
    first, last = list(strips[0])[1], list(strips[-1])[1]
    assert first.style.color.triplet == (255, 0, 0)
    assert last.style.bgcolor.triplet == (0, 0, 255)


def test_the_copy_line_names_the_way_the_user_came_in(monkeypatch, tmp_path):
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.9 51000 10.0.0.7 22")
    line = copy_line(tmp_path / "a b.png")
    assert "@10.0.0.7:" in line
    assert line.startswith("scp '")
    assert line.endswith("a b.png' .")


async def test_plots_are_looked_at_and_copied_from_the_monitor(tmp_path, png):
    run = write_run(tmp_path / "runs")
    session = FollowSession(run)
    session.start()
    session.wait_until_read(5)
    app = Console(tmp_path / "runs", session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("v")
        assert "No plots yet" in str(next(iter(app._notifications)).message)
        png.rename(run.plots / "pca.png")
        (run.plots / "torn.png").write_bytes(b"\x89PNG torn")
        await pilot.press("v")
        await pilot.pause(0.1)
        assert isinstance(app.screen, PlotsScreen)
        await pilot.press("n", "p", "Y")
        assert app.clipboard.startswith("scp ")
        await pilot.press("escape")
        assert not isinstance(app.screen, PlotsScreen)
    session.close()
