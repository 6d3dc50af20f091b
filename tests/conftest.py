"""What many test files use."""

import signal

import pytest

from helpers import language


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
