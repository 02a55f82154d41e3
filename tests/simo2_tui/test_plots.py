from typing import ClassVar

import numpy as np
import pytest
from PIL import Image
from rich.cells import cell_len

from simo2_core.run.directory import RunDirectory
from simo2_tui.app import Console
from simo2_tui.screens import monitor
from simo2_tui.screens.clipboard import copy
from simo2_tui.screens.plots import PlotsScreen, copy_line
from simo2_tui.session.drawing import DrawingJob
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
        assert "No pictures yet" in str(next(iter(app._notifications)).message)
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


class Drawn:
    """A drawing that is done when the test says so."""

    done = False
    reason = "RunError: no snapshot."
    paths: ClassVar[list[str]] = []

    def __init__(self, run):
        self.run = run

    def result(self):
        return self.paths

    def cancel(self):
        self.done = True


@pytest.mark.parametrize(
    ("paths", "said"), [(["pca.png", "curves.png"], "2 pictures are drawn"), ([], "No picture was drawn: RunError")]
)
async def test_s_draws_the_pictures_of_a_run_that_nobody_trains(tmp_path, monkeypatch, paths, said):
    monkeypatch.setattr(monitor, "DrawingJob", Drawn)
    monkeypatch.setattr(Drawn, "paths", paths)
    session = FollowSession(write_run(tmp_path, upto=400, finish="completed"))
    session.start()
    session.wait_until_read(5)
    app = Console(tmp_path, session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("v", "s")
        told = [str(item.message) for item in app._notifications]
        assert told == ["No pictures yet. s draws them.", "The pictures are being drawn."]
        app.screen._drawing.done = True
        app.screen.poll()
        await pilot.pause(0.05)
        assert said in [str(item.message) for item in app._notifications][-1]
    session.close()


async def test_a_screen_that_may_not_command_draws_nothing(tmp_path):
    session = FollowSession(write_run(tmp_path, upto=400, finish="completed"), read_only=True)
    session.start()
    session.wait_until_read(5)
    app = Console(tmp_path, session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("v", "s")
        assert [str(item.message) for item in app._notifications] == ["No pictures yet.", "This run has ended."]
    session.close()


def test_the_child_that_draws_says_what_it_drew_or_why_not(tmp_path):
    job = DrawingJob(RunDirectory(tmp_path / "none"))
    job._process.wait(60)
    assert job.done
    assert job.result() == []
    assert "none" in job.reason
    job = DrawingJob(RunDirectory(tmp_path / "none"))
    job.cancel()
    assert job.done


class Recorder:
    """Stands for the app: what was copied, and what was said of it."""

    def __init__(self):
        self.copied, self.said = [], []

    def copy_to_clipboard(self, line):
        self.copied.append(line)

    def notify(self, line, *, title, timeout):
        self.said.append((line, title))


@pytest.mark.parametrize(
    ("variables", "works", "taken", "word"),
    [
        ({"TMUX": "/tmp/tmux"}, True, 0, "buffer of tmux"),
        ({"TMUX": "/tmp/tmux"}, False, 1, "select the line"),
        ({"STY": "1.pts"}, True, 0, "screen hands on no clipboard"),
        ({}, True, 1, "sent to your terminal"),
    ],
)
def test_what_became_of_a_copy_is_said_truly(tmp_path, monkeypatch, variables, works, taken, word):
    """tmux ignores what a program sends to the clipboard; its own command puts the line where `prefix ]` finds it."""
    program = tmp_path / "tmux"
    program.write_text(f"#!/bin/sh\ncat > {tmp_path}/buffer\nexit {0 if works else 1}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for name in ("TMUX", "STY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    app = Recorder()
    copy(app, "scp x .")
    assert len(app.copied) == taken
    [(line, title)] = app.said
    assert line == "scp x .", "shown, to be selected by hand"
    assert word in title
    if "TMUX" in variables and works:
        assert (tmp_path / "buffer").read_text() == "scp x ."
