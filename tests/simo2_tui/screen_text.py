"""What a console under test shows, as text, and waiting for it."""

SIZES = [(40, 12), (80, 24), (160, 45), (200, 60)]
"""Columns and rows that every screen has to be drawn in."""


def screen_rows(app):
    """The rows of characters on the screen."""
    width, height = app.size
    lines = app.screen._compositor.render_strips()
    return [line.text.ljust(width)[:width] for line in lines][:height]


def text_of(app):
    return "\n".join(screen_rows(app))


async def until(pilot, check, seconds=20.0):
    """Waits for what a timer or a thread does: a busy machine may take a while."""
    for _ in range(int(seconds / 0.05)):
        if check():
            return
        await pilot.pause(0.05)
    raise AssertionError("it did not happen")
