"""Consoles over recorded runs."""

import pytest

from simo2_tui.app import Console
from simo2_tui.session.follow import FollowSession
from tests.simo2_tui.recorded import write_run


@pytest.fixture
def watch(tmp_path):
    """A console that watches a recorded run."""
    sessions = []

    def start(**options):
        session = FollowSession(write_run(tmp_path, **{"upto": 280, **options}))
        sessions.append(session)
        session.start()
        assert session.wait_until_read(5)
        return Console(tmp_path, session=session)

    yield start
    for session in sessions:
        session.close()
