"""What many test files use; in which order two workers take the files, and what is told under the report."""

import os
import signal

import pytest
from chinese import faults_of_words, who_draws
from PIL import Image

from helpers import language
from lessons.kit import picture

# Whoever runs these last keeps the other worker waiting. Notebooks by their lesson, in both languages.
LONGEST = ("tests/browser", "03_", "04_", "05_", "06_", "02_", "01_", "00_", "02b_", "01b_", "tests/test_course.py")
TOLD = pytest.StashKey[list[str]]()


@pytest.fixture(scope="module")
def clip():
    """The pocket CLIP and its processor."""
    from helpers.pretrained import load_clip  # takes seconds, and many tests need no model

    return load_clip("pocket")


@pytest.fixture(scope="module")
def words(clip):
    """The vocabulary of its text tower."""
    from helpers import reading

    return reading.read_vocabulary(clip[0], clip[1].tokenizer)


@pytest.fixture(scope="module")
def smollm2():
    """SmolLM2 and its tokenizer, on a machine that has them: what needs them is skipped elsewhere, and marked slow."""
    from helpers.pretrained import find_smollm2, load_language_model

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_CACHE", os.environ["CACHE_OUTSIDE_TESTS"])
        if not find_smollm2().exists():
            pytest.skip("SmolLM2 is not on this machine: python course.py models smollm2 fetches it")
        return load_language_model("smollm2")


def file_of(nodeid):
    """What one worker runs as a whole: a notebook, a file of tests, or all tests that need a browser."""
    return "tests/browser" if nodeid.startswith("tests/browser/") else nodeid.partition("::")[0]


def place_of(nodeid):
    """0 for what is best begun first."""
    file = file_of(nodeid)
    return next((place for place, words in enumerate(LONGEST) if words in file), len(LONGEST))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: place_of(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return file_of(nodeid)

    return ByFile(config, log) if config.getvalue("dist") == "loadscope" else None


def pytest_configure(config):
    config.stash[TOLD] = []


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["told"] = session.config.stash[TOLD]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    node.config.stash[TOLD].extend(getattr(node, "workeroutput", {}).get("told", []))


def pytest_terminal_summary(terminalreporter, config):
    for line in config.stash[TOLD]:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def measured(request):
    """Seconds are told, not tested: they say more of the machine than of the course. Lines put here stand under the report."""
    return request.config.stash[TOLD]


@pytest.fixture(autouse=True, scope="session")
def quick_pictures():
    """Figures as WebP at its fastest, a seventh of the time: nothing here depends on how small their files are."""

    def quickly(image, file, format=None, **options):
        plain(image, file, format, **options | {"method": 0} if "method" in options else options)

    with pytest.MonkeyPatch.context() as patch:
        plain = Image.Image.save
        patch.setattr(Image.Image, "save", quickly)
        yield


@pytest.fixture(autouse=True)
def chinese_figures(monkeypatch):
    """Whatever figure a test draws in Chinese has no English in it but what models read, and no letter that no font can write."""
    found = []

    class Judging(picture.FigureCanvasAgg):
        def draw(self, *args, **more):
            super().draw(*args, **more)
            if language.get_language() == "zh":
                found.extend((who_draws(), fault) for fault in faults_of_words(self.figure, who_draws()))

    monkeypatch.setattr(picture, "FigureCanvasAgg", Judging)
    yield
    assert not found, "\n".join(f"{name}: {fault}" for name, fault in dict.fromkeys(found))


@pytest.fixture(params=["en", "zh"])
def lang(request):
    """Each language of the learner in turn."""
    language.set_language(request.param)
    yield request.param
    language.set_language("en")


@pytest.fixture
def ctrl_c():
    """Ctrl-C acts, also where the tests were started in the background of a shell, which lets it be ignored there."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
