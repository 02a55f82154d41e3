from types import SimpleNamespace

import pytest

from simo2_core.commands import Reason
from simo2_core.config import Config
from simo2_core.run.control import Control
from simo2_core.train import follower
from simo2_core.train.processes import REASONS, Word


def test_images_are_drawn_with_the_key_that_the_first_process_has(monkeypatch: pytest.MonkeyPatch) -> None:
    # a run that is resumed with another --seed keeps the key of its checkpoint, in the first process and here
    fed: list[str] = []
    rates: list[float] = []
    words = iter([(Word.GO_BACK, 0), (Word.END, REASONS.index(Reason.INTERRUPTED))])

    def begin(config: Config) -> tuple[SimpleNamespace, str]:
        rates.append(config.optim.learning_rate)
        return SimpleNamespace(mesh=None), "drawn by the settings"

    def feed(state: str) -> SimpleNamespace:
        fed.append(state)
        return SimpleNamespace(close=lambda: None)

    ready = SimpleNamespace(config=Config(), begin=begin, feed=feed)
    monkeypatch.setattr(follower, "prepare_with_leader", lambda: ready)
    monkeypatch.setattr(follower, "share", lambda state, mesh: "of the first process")
    monkeypatch.setattr(follower, "_take_part", lambda *_: next(words))
    assert follower.follow(Control()) == Reason.INTERRUPTED
    assert fed == ["of the first process"]
    assert rates == pytest.approx([3e-4, 1e-4]), "after going back, at a third"
