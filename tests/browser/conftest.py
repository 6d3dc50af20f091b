"""One browser and one JupyterLab for all browser tests, and what they measured at the end of the report."""

import os

import lab
import pytest

MISSING = "there is no Chromium on this machine (Debian: apt install chromium fonts-noto-cjk), so no lesson was seen in a browser"
MEASURED, OPENED = pytest.StashKey[list](), pytest.StashKey[bool]()


def pytest_configure(config):
    config.stash[MEASURED] = []


def pytest_terminal_summary(terminalreporter, config):
    for line in config.stash.get(MEASURED, []):
        terminalreporter.write_line(line)
    if config.stash.get(OPENED, False):
        terminalreporter.write_line(f"screenshots of the lessons: {lab.SHOTS.relative_to(lab.ROOT)}/")


@pytest.fixture(scope="session")
def measured(request):
    """Seconds are told, not tested: they say more of the machine than of the course. Lines put here stand under the report."""
    return request.config.stash[MEASURED]


@pytest.fixture(scope="session")
def browser():
    if lab.chromium() is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    with lab.running_browser() as browser:
        yield browser


@pytest.fixture(scope="session")
def jupyterlab(request):
    request.config.stash[OPENED] = True
    with lab.running_lab() as running:
        yield running
