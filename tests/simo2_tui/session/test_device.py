import sys
import time
import types

import pytest

from simo2_tui.session import device
from simo2_tui.session.device import DeviceMeter
from simo2_tui.session.follow import FollowSession
from tests.simo2_tui.recorded import write_run


@pytest.fixture
def followed(tmp_path):
    """A run that this process owns, seen from outside."""
    run = write_run(tmp_path)
    with run.own():
        yield FollowSession(run)


def test_the_process_that_trains_is_measured(followed, monkeypatch):
    monkeypatch.setattr(device, "SECONDS", 0.0)
    meter = DeviceMeter()
    worked, began = time.process_time(), time.monotonic()
    first = meter.look(followed)
    assert first.cpu is None, "a share needs two looks"
    assert first.resident > 10_000_000
    while time.process_time() < worked + 0.2:  # the system counts in hundredths of a second
        pass
    second = meter.look(followed)
    assert second.cpu == pytest.approx((time.process_time() - worked) / (time.monotonic() - began), rel=0.25)


def test_a_sample_is_kept_for_a_while(followed):
    meter = DeviceMeter()
    assert meter.look(followed) is meter.look(followed)


def test_nobody_and_another_machine_give_nothing(followed, tmp_path):
    lock = followed.run.path / "lock"
    lock.write_text("process 1 on elsewhere\n")
    assert DeviceMeter().look(followed) is None
    assert DeviceMeter().look(FollowSession(write_run(tmp_path, "ended"))) is None


class FakeNvml(types.ModuleType):
    class NVMLError(Exception):
        pass

    def __init__(self, answers=True):
        super().__init__("pynvml")
        self.answers = answers

    def nvmlInit(self):
        if not self.answers:
            raise self.NVMLError

    def nvmlDeviceGetHandleByIndex(self, index):
        return index

    def nvmlDeviceGetUtilizationRates(self, handle):
        return types.SimpleNamespace(gpu=84 + handle)

    def nvmlDeviceGetMemoryInfo(self, handle):
        return types.SimpleNamespace(used=3, total=4)

    def nvmlDeviceGetPowerUsage(self, handle):
        raise self.NVMLError


def test_nvml_is_asked_where_it_answers(followed, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml())
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,1")
    sample = DeviceMeter().look(followed)
    assert (sample.gpu, sample.device_used, sample.device_limit) == (0.87, 3, 4)
    assert sample.watts is None, "a card that does not say its power still says the rest"


@pytest.mark.parametrize("module", [None, FakeNvml(answers=False)])
def test_without_nvml_or_a_driver_there_is_no_gpu(followed, monkeypatch, module):
    monkeypatch.setitem(sys.modules, "pynvml", module)
    assert DeviceMeter().look(followed).gpu is None
