"""A run that is ended from outside leaves no JupyterLab behind."""

import signal
import subprocess
import sys
import urllib.error
import urllib.request

import lab
import pytest

WAITING = """
import sys, time
sys.path[:0] = sys.argv[1:]
import lab
with lab.running_lab() as jupyterlab:
    print(jupyterlab.address, flush=True)
    while True:
        try:
            time.sleep(60)
        except Exception:
            pass  # as pytest goes on after the errors of a test
"""


def test_jupyterlab_ends_with_a_run_that_is_ended_from_outside():
    run = subprocess.Popen(
        [sys.executable, "-c", WAITING, str(lab.ROOT / "tests" / "browser"), str(lab.ROOT)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        address = run.stdout.readline().strip()
        urllib.request.urlopen(f"{address}/api", timeout=10).close()
        run.terminate()
        assert run.wait(20) == -signal.SIGTERM
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(f"{address}/api", timeout=2)
    finally:
        run.kill()
