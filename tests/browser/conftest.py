"""One browser and one JupyterLab for all browser tests."""

import os

import lab
import pytest

MISSING = "there is no Chromium on this machine (Debian: apt install chromium fonts-noto-cjk), so no lesson was seen in a browser"


@pytest.fixture(scope="session")
def browser():
    if lab.chromium() is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    with lab.running_browser() as browser:
        yield browser


@pytest.fixture(scope="session")
def jupyterlab():
    with lab.running_lab() as running:
        yield running
