"""One browser, one JupyterLab and one run of a notebook for all browser tests."""

import os

import lab
import pytest
from lab import ROOT, SCROLL
from learner import LESSONS, Lesson

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
def jupyterlab(measured):
    measured.append(f"screenshots of the lessons: {lab.SHOTS.relative_to(lab.ROOT)}/")
    with lab.running_lab() as running:
        yield running


@pytest.fixture(scope="session")
def lesson(request, browser, jupyterlab, measured):
    """A lesson of learner.of, as all tests find it and leave it: pytest takes those of one lesson and language together."""
    name, lang = request.param
    with jupyterlab.notebook(browser, ROOT / "notebooks" / lang / f"{name}.ipynb") as notebook:
        lesson = Lesson(lang, notebook, name, LESSONS[name])
        lesson.shoot("as-stored")
        if told := lesson.run():
            measured.append(f"lesson 00 ({lang}), Run All in a fresh kernel: {told}")
        notebook.page.evaluate(SCROLL, 0)  # running all has gone to the end
        lesson.shoot("top")
        yield lesson
        notebook.assert_well_behaved()
