"""The processes of a pool do not outlive the one that opened it."""

import subprocess
import sys
import time

import psutil

CODE = """
import time
from radiographs import parallel
list(parallel.over_files(time.sleep, [0.1] * 16 + [60.0] * 64, str, 2))
"""


def test_killed_process_takes_its_pool_along():
    process = subprocess.Popen([sys.executable, "-c", CODE])
    parent = psutil.Process(process.pid)
    deadline = time.monotonic() + 60
    while len(pool := parent.children(recursive=True)) < 4:  # resource tracker, fork server, two workers
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.1)
    time.sleep(1)  # the workers' own start
    process.kill()
    process.wait()
    gone, alive = psutil.wait_procs(pool, timeout=60)
    assert not alive
