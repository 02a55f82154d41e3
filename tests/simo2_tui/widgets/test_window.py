from simo2_tui.widgets.window import SHORTEST, Window


def window(newest: float = 280.0, limit: float | None = 400.0) -> Window:
    made = Window()
    made.newest, made.limit = newest, limit
    return made


def test_all_steps_are_shown_up_to_the_end_of_the_run_where_it_is_near():
    assert window().ends == (0, 400)
    assert window(20.0).ends == (0, 20)
    assert window().describe() == ""


def test_a_zoom_without_a_cursor_follows_the_newest_step():
    shown = window()
    shown.zoom(0.5)
    assert shown.describe() == "zoom, following"
    low, high = shown.ends
    assert high - low == 200
    assert low <= 280 <= high
    shown.newest = 390.0
    assert shown.ends[1] >= 390


def test_a_zoom_at_the_cursor_stays_with_it_whatever_comes():
    shown = window()
    shown.move(-100, columns=400)
    assert shown.cursor == 180
    shown.zoom(0.25)
    before = shown.ends
    shown.newest = 390.0
    assert shown.ends == before == (130, 230)
    assert shown.describe() == "zoom"
    shown.move(100, columns=100)
    assert shown.ends[0] <= shown.cursor <= shown.ends[1], "the window goes where the cursor goes"


def test_a_zoom_out_ends_with_all_steps_and_one_in_with_the_fewest():
    shown = window()
    for _ in range(10):
        shown.zoom(0.5)
    low, high = shown.ends
    assert high - low == SHORTEST
    for _ in range(10):
        shown.zoom(2)
    assert shown.ends == (0, 400)


def test_follow_forgets_cursor_and_zoom():
    shown = window()
    shown.move(-1, columns=100)
    shown.zoom(0.5)
    shown.follow()
    assert shown.cursor is None
    assert shown.ends == (0, 400)


def test_the_cursor_stays_on_steps_that_were_taken():
    shown = window(3.0, None)
    shown.move(50, columns=10)
    assert shown.cursor == 3
    shown.move(-50, columns=10)
    assert shown.cursor == 1
