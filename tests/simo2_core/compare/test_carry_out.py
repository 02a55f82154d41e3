import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PARENT = """
import multiprocessing, os, time
from concurrent.futures import ProcessPoolExecutor
from simo2_core.compare.carry_out import _take_device

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    free = context.Queue()
    free.put(0)
    left = context.Event()
    with ProcessPoolExecutor(1, mp_context=context, initializer=_take_device, initargs=(free, left)) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        busy = pool.submit(time.sleep, 60)
        try:
            busy.result()
        except KeyboardInterrupt:
            left.set()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_worker_ends_with_the_process_that_it_works_for(tmp_path: Path, number: signal.Signals) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.send_signal(number)
    for _ in range(200):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("the worker trains on alone")
