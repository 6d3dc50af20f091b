"""What is English on a page for readers of Chinese, and is not what a model reads, a name in code or of a library, or a unit."""

import json
import re
import sys
from functools import cache
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

from lessons.kit import picture
from pocket import world
from tools.console import ROOT
from tools.source import HAN

WORD = r"[A-Za-z][A-Za-z0-9_.'’-]*"
# Names of libraries and data sets, units, and letters that stand for a number
KEPT = {"torch", "transformers", "matplotlib", "numpy", "sklearn", "pytest", "nats", "nat", "ms", "px", "pt", "ln", "log", "exp"}  # fmt: skip


@cache
def read_by_models() -> set[str]:
    """The words of the drawn world, of the captions and of prompts."""
    texts = [entry["text"] for entry in json.loads((ROOT / "data/captions/train.json").read_text("utf-8"))]
    names = [*world.OBJECTS, *world.COLOURS, *world.SIZES, *world.BACKGROUNDS, *world.ALL_STYLES]
    return set(re.findall("[a-z]+", " ".join([*texts, *names, "a photo of a", "a picture of a", "x"]).lower()))


def is_kept(word: str) -> bool:
    """Whether a word stays as it is: a model reads it, or it is a name in code (`attention_mask`, `CLIP`, `GPT-2`)."""
    word = word.strip(".'’-")
    name = len(word) == 1 or re.search(r"[A-Z0-9_.]", word[1:])
    return bool(name) or word.lower() in read_by_models() | KEPT


def english_of(text: str) -> str:
    """What of one line is English and should not be: all of it, or a run of three words among Chinese; "" if nothing."""
    bare = re.sub(r"https?://\S+|`[^`]*`|<[|/]?\w+[|]?>|“[^”]*”|\"[^\"]*\"|'[^']*'", " ", text)
    if not re.search(HAN, bare):
        return text.strip() if any(not is_kept(word) for word in re.findall(WORD, bare)) else ""
    runs = re.findall(rf"{WORD}(?: {WORD}){{2,}}", bare)
    return next((run for run in runs if any(not is_kept(word) for word in run.split())), "")


# --- figures -------------------------------------------------------------------------------------------------------------------

# Figures among whose words are those that a model reads or has learned, by the function that draws them and its room, and why. Their titles, axes
# and legends are Chinese all the same.
OF_MODELS: dict[str, str] = {
    "02.draw_text_with_slots": "tokens of a class name that a learner types",
    "02.draw_ways_in": "tokens of a class name",
    "05.draw_words_by_table": "the nearest tokens of vectors",
    "01.draw_shares_by_scale": "any texts, shortened where there is no room",
    "01.draw_places": "tokens of any text, and tokens that GPT-2 predicts",
    "01.draw_head": "tokens of any text, and tokens that GPT-2 predicts",
    "01.draw_lens": "tokens of any text, and tokens that GPT-2 predicts",
    "01.draw_tokens_as_vectors": "tokens of any text: pieces of words, “pad”",
    "03.draw_next_tokens": "tokens",
    "03.draw_learned_captions": "captions",
    "03.draw_prompt_blends": "answers",
    "03.draw_patch_words": "nearest words",
    "00.draw": "the texts that the learner has written for CLIP",
    "04.draw_nearest_words": "the words nearest to learned vectors",
    "04.draw_paths": "words of the pocket CLIP's table",
    "04.draw_levers": "words of the pocket CLIP's table",
    "04.draw_prompt_words": "tokens of GPT-2",
    "06.draw_rows_of_pictures": "names of a learner's folders",
    "06.draw_pictures_with_names": "names of a learner's folders and files",
}
TITLE = 10  # points: of what stands above a figure


def faults_of_words(figure: Figure, name: str) -> list[str]:
    """What in a finished figure for readers of Chinese is English, and what no font here can write; name: of the function that drew it."""
    shown = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    shown = [text for text in shown if text.axes is None or text.axes.get_visible()]
    labels = {label for axes in figure.axes for label in (axes.title, axes.xaxis.label, axes.yaxis.label)}
    frame = [text for text in shown if text in labels or text.get_fontsize() == TITLE]
    judged = frame if name in OF_MODELS else shown
    found = [english for text in judged for line in text.get_text().splitlines() if (english := english_of(line))]
    letters = {letter for text in shown for letter in text.get_text() if not letter.isspace()}
    missing = "".join(sorted(letter for letter in letters if ord(letter) not in written()))
    return [f"English: “{one}”" for one in found] + [f"no font here writes {missing}"] * bool(missing)


@cache
def written() -> frozenset[int]:
    """What matplotlib's own font and that of the course can write, as code points."""
    ours = (picture.font_manager.findfont("DejaVu Sans"), picture.CHINESE)
    return frozenset(code for font in ours for code in FT2Font(font).get_charmap())


def who_draws() -> str:
    """The function that is drawing now, with its room: "02.words_by_table", or "kit.draw_strips"; the kit's picture.py is not counted."""
    frame = sys._getframe(1)
    while frame:
        file, name = frame.f_code.co_filename, frame.f_code.co_name
        if room := re.search(r"lessons/(?:lesson_(\d\d)|(kit)/(?!picture))", Path(file).as_posix()):
            return f"{room[1] or room[2]}.{name}"
        frame = frame.f_back
    return "picture"
