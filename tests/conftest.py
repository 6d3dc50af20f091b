"""What many test files use."""

import pytest

from helpers import lesson


@pytest.fixture(params=["en", "zh"])
def lang(request):
    """Each language of the learner in turn."""
    lesson.set_language(request.param)
    yield request.param
    lesson.set_language("en")
