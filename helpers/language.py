"""The learner's language, English or Chinese, chosen once for all that is printed and shown."""

from __future__ import annotations

import tomllib
import warnings
from functools import cache
from pathlib import Path
from unicodedata import category

LANGUAGES = ("en", "zh")
_language = "en"


class LearnerError(ValueError):
    """What went wrong, in one sentence of the learner's language, shown without a traceback.

    It is raised with the sentence in both languages, `en` and `zh`, or with the `key` of one in
    sentences.toml, which a subclass may have itself, and the facts by name.
    """

    en = zh = key = ""

    def __init__(self, *sentence: str, **facts: object) -> None:
        super().__init__(*sentence)
        vars(self).update(facts)

    def __str__(self) -> str:
        if self.key:
            return tell(self.key, **{**vars(self), "key": ""})
        return say(en=self.en, zh=self.zh) or super().__str__()


def get_language() -> str:
    """The language in force: "en" or "zh"."""
    return _language


def set_language(lang: str) -> None:
    """The language of everything that is printed and shown from now on: "en" or "zh"."""
    global _language
    if lang not in LANGUAGES:
        raise ValueError(f"no lessons in {lang!r}; there are {' and '.join(LANGUAGES)}")
    _language = lang


def say(*, en: str, zh: str) -> str:
    """The text in the learner's language."""
    return zh if _language == "zh" else en


@cache
def _read_sentences() -> dict[str, dict[str, str]]:
    return tomllib.loads(Path(__file__).with_name("sentences.toml").read_text(encoding="utf-8"))


def tell(key: str, /, **facts: object) -> str:
    """The sentence of this key in sentences.toml, with the facts in its braces."""
    return _read_sentences()[key][_language].format(**facts)


def is_blank(text: str) -> bool:
    """Whether nothing of a text can be seen: neither letters, digits, marks nor symbols."""
    # the blank of Braille and the filler of Hangul look like nothing and count as more
    return not any(category(c)[0] in "LNPS" and c not in "\u2800\u3164" for c in text)


class LearnerWarning(UserWarning):
    """What stops nothing and should be known; shown without the line of code that found it."""


def warn(sentence: str) -> None:
    """Warn of something; the same sentence is shown once."""
    warnings.warn(sentence, LearnerWarning, stacklevel=2)


def _format_warning(message: Warning | str, category: type[Warning], *place: object) -> str:
    if issubclass(category, LearnerWarning):
        return f"{say(en='Note: ', zh='注意：')}{message}\n"
    return _format_others(message, category, *place)


_format_others, warnings.formatwarning = warnings.formatwarning, _format_warning


def check_choice(name: str, value: object, *choices: str) -> None:
    """Raise LearnerError unless the value of the argument `name` is one of these."""
    if value not in choices:
        *first, last = map(repr, choices)
        others = say(en=", ", zh="、").join(first)
        raise LearnerError(key="no_such_choice", name=name, value=value, others=others, last=last)
