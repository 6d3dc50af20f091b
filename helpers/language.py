"""The learner's language, English or Chinese, chosen once for all that is printed and shown."""

from __future__ import annotations

import warnings

LANGUAGES = ("en", "zh")
_language = "en"


class LearnerError(ValueError):
    """What went wrong, in one sentence of the learner's language, shown without a traceback.

    It is raised with the sentence in both languages, `en` and `zh`. A subclass has the two itself,
    and is raised with the facts by name, which they take in braces.
    """

    en = zh = ""

    def __init__(self, *sentence: str, **facts: object) -> None:
        super().__init__(*sentence)
        vars(self).update(facts)

    def __str__(self) -> str:
        sentence = say(en=self.en, zh=self.zh)
        if "en" not in vars(self):
            sentence = sentence.format(**vars(self))
        return sentence or super().__str__()


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


class LearnerWarning(UserWarning):
    """What stops nothing and should be known; shown without the line of code that found it."""


def warn(*, en: str, zh: str) -> None:
    """Warn in the learner's language; the same sentence is shown once."""
    warnings.warn(say(en=en, zh=zh), LearnerWarning, stacklevel=2)


def _format_warning(message: Warning | str, category: type[Warning], *place: object) -> str:
    if issubclass(category, LearnerWarning):
        return f"{say(en='Note: ', zh='注意：')}{message}\n"
    return _format_others(message, category, *place)


_format_others, warnings.formatwarning = warnings.formatwarning, _format_warning


def check_choice(name: str, value: object, *choices: str) -> None:
    """Raise LearnerError unless the value of the argument `name` is one of these."""
    if value not in choices:
        *first, last = map(repr, choices)
        raise LearnerError(
            en=f"{name} is {value!r}: use {', '.join(first)} or {last}",
            zh=f"{name} 是 {value!r}：请用 {'、'.join(first)} 或 {last}",
        )
