"""Facts about the teacher's pages: that they are what the lessons make, the rule of minutes, the routes, and that no answer is missing."""

import re
import tomllib
from pathlib import Path

import pytest
from nbformat import NotebookNode
from test_exercises import LESSONS, wrong_answers

from tools import build
from tools.source import LANGUAGES, Refused, make_anchor
from tools.teaching import guide, questions
from tools.teaching.guide import NOTES, escape_markdown
from tools.teaching.sections import Section

ROOT = Path(__file__).parents[1]
ADDRESS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["ten-vectors"]["address"]
CHINESE = re.compile("[\u4e00-\u9fff]")
# What the READMEs and the lessons say may differ from the rule by a sixth, or by five minutes
MOST_APART, MINUTES_APART = 1 / 6, 5


@pytest.fixture(scope="module")
def course():
    return guide.read_course(ROOT, ADDRESS)


def page(name, lang):
    return (ROOT / f"docs/{name}.{lang}.md").read_text("utf-8")


# --- the pages as they are committed -----------------------------------------------------------------------------------------------


def test_the_pages_are_what_the_lessons_make():
    assert guide.find_stale_pages(ROOT, ADDRESS) == []


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_answer_stands_in_the_answers_with_what_is_behind_it(course, lang):
    text = page("answers", lang)
    asked = [one for lesson in course.lessons.values() for one in lesson.questions]
    assert len(asked) > 60

    def shown(part):
        return escape_markdown(part[lang])

    for one in asked:
        if one.kind == "exercise":
            assert one.below in text and all(shown(hint) in text for hint in one.texts["hints"])
        else:
            assert text.count(shown(one.texts["question"])) == 1
        for choice in one.texts.get("choices", ()):
            assert f"{shown(choice['text'])}{'**' * ('right' in choice)}<br>{shown(choice['why'])}" in text
        for letter, given in zip("ABCDEF", one.texts.get("answers", ())):
            right, line = letter == one.outcome, f"{letter}. {shown(given)}"
            why = shown(one.texts["because"] if right else given["behind"])
            assert f"- {f'✓ **{line}**' if right else f'✗ {line}'}<br>{why}" in text


@pytest.mark.parametrize("lang", LANGUAGES)
def test_what_the_checks_say_to_tested_wrong_answers_stands_there(lang):
    """Nine of ten: the others are told of a shape, or by torch's own message. What all checks ask alike is left out."""
    text, rooms = re.sub(r"\\(.)", r"\1", page("answers", lang)), {lesson.room for lesson in LESSONS}
    told = [answer.metadata[lang] for room in rooms for answer in wrong_answers(room)]
    own = [fragment for fragment in told if not re.search("is there a return|of type|少了 return|你给的是", fragment)]
    assert sum(fragment in text for fragment in own) > 0.9 * len(own) > 200


@pytest.mark.parametrize("name", ["teaching", "answers"])
def test_both_languages_have_the_same_sections_rows_and_code(name):
    english, chinese = (page(name, lang) for lang in LANGUAGES)
    for pattern in (r"(?m)^#+ ", r"(?m)^\|", r"(?m)^- ✓", r"(?m)^- ✗", r"(?m)^\d\. ", r"<details>"):
        assert len(re.findall(pattern, english)) == len(re.findall(pattern, chinese)), pattern
    blocks = [re.findall(r"(?s)```python\n(.*?)```", text) for text in (english, chinese)]
    assert blocks[0] == blocks[1] and (blocks[0] or name == "teaching")


@pytest.mark.parametrize("name", ["teaching", "answers"])
def test_links_within_and_between_the_pages_lead_to_a_heading(name):
    for lang in LANGUAGES:
        links = re.findall(r"\]\((?:(teaching|answers)\.(en|zh)\.md)?#([^)]+)\)", page(name, lang))
        for other, language, anchor in links:
            headings = re.findall(r"(?m)^#+ (.+)", page(other or name, language or lang))
            assert anchor in map(make_anchor, headings)
        assert links or name == "answers"


def test_an_anchor_is_what_github_makes_of_a_heading():
    assert make_anchor("02b · the same, ten times faster") == "02b--the-same-ten-times-faster"
    assert make_anchor("01 · 走进 CLIP") == "01--走进-clip"


@pytest.mark.parametrize("name", ["teaching", "answers"])
def test_the_english_page_has_no_chinese_and_the_chinese_one_keeps_to_the_glossary(name):
    english = re.sub(r"(?s)```.*?```", "", page(name, "en")).replace("[中文]", "")
    assert not CHINESE.search(english)
    chinese = re.sub(build.NO_PROSE, "`", page(name, "zh"))
    assert [*build.find_wrong_variants(chinese, build.read_glossary(ROOT / "lessons/glossary.md"))] == []
    assert re.findall(build.HALF_WIDTH, re.sub(build.NO_TEXT, " ", chinese)) == []


def texts(value):
    """All pairs of languages in the notes."""
    if isinstance(value, dict) and "en" in value:
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts(part)


def test_every_note_is_there_in_both_languages(course):
    pairs = [*texts(course.notes)]
    assert len(pairs) > 100
    assert all(pair["en"] and not CHINESE.search(pair["en"]) and CHINESE.search(pair["zh"]) for pair in pairs)


def test_every_lesson_has_goals_three_discussions_and_a_board(course):
    for notes in [lesson.notes for lesson in course.lessons.values()]:
        assert 2 <= len(notes["goals"]) <= 4 and len(notes["discuss"]) == 3 and notes["board"]
        assert all(question["good"]["en"] for question in notes["discuss"])


def test_emphasis_in_chinese_does_not_end_in_punctuation_before_a_word():
    """Markdown would show the stars."""
    for name in ("teaching", "answers"):
        for line in re.sub(r"(?s)```.*?```|`[^`]*`|\\.", "", page(name, "zh")).replace("**", "*").split("\n"):
            parts = line.split("*")
            assert not [
                one
                for one, after in zip(parts[1::2], parts[2::2])
                if re.search("[，。：；！？）”]$", one) and re.match(r"\w", after)
            ], line


# --- the rule of minutes -----------------------------------------------------------------------------------------------------------


def cell(kind, source, lang="", id="a", tags=()):
    return NotebookNode(cell_type=kind, source=source, metadata=NotebookNode(id=id, lang=lang, tags=[*tags]))


def minutes(*cells, **run):
    return Section("a", [*cells], run).minutes


def test_the_language_that_takes_longer_counts():
    english, chinese = cell("markdown", "word " * 360, "en"), cell("markdown", "字" * 270, "zh")
    assert minutes(english, chinese) == pytest.approx(2) and minutes(chinese) == pytest.approx(1)


def test_code_formulas_and_addresses_are_not_read_as_words():
    text = "```\nmany words of code\n``` `more code` $a + b$ [one](https://example.org/two/three)"
    assert minutes(cell("markdown", text, "en")) == pytest.approx(1 / 180)


def test_what_is_printed_above_an_exercise_counts_once():
    english = cell("markdown", "**Exercise** · ★★☆ · 6 minutes", "en")
    chinese = cell("markdown", "**练习** · ★★☆ · 6 分钟", "zh")
    assert minutes(english, chinese) == pytest.approx(6, abs=0.05)


@pytest.mark.parametrize(
    ("code", "seconds"),
    [
        ("a = 1\n\nb = 2", 2 * 3),
        ("explorers.explore_scene(clip, processor, scene)", 3 + 90),
        ("explorer = explorers.train_first_vectors(clip, processor, names, features)", 3 + 90),
        ("learning.tabulate_parameters(model)", 3 + 20),
        ("study = context_study.load_study()", 3),
        ("start_here.two_things.ask()", 3 + 45),
    ],
)
def test_a_cell_costs_its_lines_and_what_it_shows(code, seconds):
    assert 60 * minutes(cell("code", code)) == pytest.approx(seconds)


def test_the_set_up_cell_is_not_read_and_a_solution_not_either_but_waiting_counts():
    assert minutes(cell("code", "import os", id="setup"), setup=30.0) == pytest.approx(0.5)
    assert minutes(cell("code", "answer = 1", tags=["solution"])) == 0


def rows_of(text):
    """Minutes of each lesson in a table whose first column begins with its number."""
    return {number: int(found) for number, found in re.findall(r"(?m)^\| \**(\d\d\w?) .*?\| (\d+) \|", text)}


def test_the_minutes_of_the_readmes_and_of_the_course_map_agree_with_the_rule(course):
    by_rule = {lesson.number: lesson.minutes for lesson in course.lessons.values()}
    (start,) = [one for one in course.lessons["00_start_here"].sections if one.id == "what-next"]
    pages = [(ROOT / name).read_text("utf-8") for name in ("README.md", "README_EN.md")]
    pages += [text for texts in start.texts.values() for text in texts]
    stated = [rows_of(text) for text in pages]
    assert len(stated) == 4 and all(one == stated[0] for one in stated)
    for number, minutes in by_rule.items():
        assert abs(stated[0][number] - minutes) <= max(MINUTES_APART, MOST_APART * minutes), (number, minutes)


def test_what_a_lesson_says_of_its_minutes_at_its_beginning_is_what_the_readmes_say(course):
    stated = rows_of((ROOT / "README_EN.md").read_text("utf-8"))
    for lesson in course.lessons.values():
        for lang, word in (("en", r"(\d+) minutes|another (\d+)|about (\d+)\."), ("zh", r"(\d+) 分钟")):
            first = lesson.sections[0].texts[lang][0]
            said = [int("".join(found)) for found in re.findall(word, first)]
            assert stated[lesson.number] in (*said, sum(said)), (lesson.name, lang, said)


# --- routes ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_route_adds_up_by_the_rule_and_ends_in_time(course, lang):
    parts = re.split(r"(?m)^### (?=\d+ )", page("teaching", lang).split("\n## ")[2])[1:]
    assert [int(part.split()[0]) for part in parts] == [45, 90, 180]
    for part, route in zip(parts, course.notes["route"], strict=True):
        printed = [int(number) for number in re.findall(r"(?m)^\| (\d+) \|", part)]
        total = int(re.search(r"(?m)^\| \*\*(\d+)\*\* \|", part)[1])
        assert sum(printed) == total and route["minutes"] - 5 <= total <= route["minutes"]
        for number, step in zip(printed, route["steps"], strict=True):
            if "lesson" in step:
                of_lesson = {one.id: one.minutes for one in course.lessons[step["lesson"]].sections}
                assert abs(number - sum(of_lesson[id] for id in step["sections"])) <= 0.5
            else:
                assert number == step["minutes"] and step[lang] in part


def test_a_route_names_the_headings_that_the_notebooks_have(course):
    row = r"(?m)^\| \d+ \| \[\d\d\w?\]\(\.\./(notebooks/zh/\w+\.ipynb)\) \| (.+) \|"
    rows = re.findall(row, page("teaching", "zh"))
    assert len(rows) > 20
    for path, headings in rows:
        notebook = (ROOT / path).read_text("utf-8")
        assert all(f"## {heading}" in notebook for heading in headings.split(" / "))


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"lesson": "00_start_here", "sections": ["gone"]}, "no gone among the sections of 00_start_here; there are start-here, "),
        ({"lesson": "00_end_here", "sections": ["machine"]}, "no 00_end_here among the lessons; there are 00_start_here, "),
        ({"minutes": 39}, "the route of 45 minutes takes 39"),
        ({"minutes": 46}, "the route of 45 minutes takes 46"),
    ],
)  # fmt: skip
def test_a_route_that_names_what_is_gone_or_does_not_end_in_time_is_refused(course, step, message):
    notes = {"route": [{"minutes": 45, "steps": [step]}]}
    with pytest.raises(Refused, match=message):
        guide.plan_routes(course._replace(notes=notes))


# --- what is refused ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path):
    """A course of its own whose notes a test may change."""
    for name in ("lessons", "benchmarks", "notebooks"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "lessons").unlink()
    (tmp_path / "lessons").mkdir()
    for room in (ROOT / "lessons").glob("lesson_*"):
        (tmp_path / "lessons" / room.name).symlink_to(room)

    def change(before, after):
        text = (ROOT / NOTES).read_text("utf-8")
        assert before in text
        (tmp_path / NOTES).write_text(text.replace(before, after), "utf-8")
        return tmp_path

    return change


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("[lesson.01_inside_clip", "[lesson.99_another", "no 01_inside_clip among the notes on lessons"),
        ("board = {", "blackboard = {", "tools/teaching/teaching.en.md.j2 or lessons/teaching.toml: 'dict object' has"),
        ("[[route]]", "[[route]", "lessons/teaching.toml: this is not TOML"),
    ],
)
def test_notes_that_lack_something_are_refused(copy, before, after, message):
    with pytest.raises(Refused, match=re.escape(message)):
        guide.make_pages(copy(before, after), ADDRESS)


def test_a_wrong_answer_without_what_is_behind_it_is_refused(course, monkeypatch):
    (one,) = [one for one in course.lessons["00_start_here"].questions if one.kind == "prediction"]
    monkeypatch.delitem(one.texts["answers"][0], "behind")
    with pytest.raises(Refused, match="lesson_00_start_here/questions.toml: of the answers to two_things each wrong"):
        guide.read_course(ROOT, ADDRESS)


def test_other_notes_make_another_page_and_a_stale_one_is_told(copy, capsys):
    root = copy("Ten vectors in one school period", "Ten vectors before lunch")
    assert next(guide.build_pages(root, ADDRESS)) == "docs/teaching.en.md: written"
    assert "Ten vectors before lunch" in (root / "docs/teaching.en.md").read_text("utf-8")
    assert [*guide.build_pages(root, ADDRESS)][0] == "docs/teaching.en.md: unchanged"
    copy("Ten vectors in one school period", "Ten vectors after lunch")
    what = f"differs from lessons and {NOTES}; run python course.py build"
    assert guide.find_stale_pages(root, ADDRESS) == [f"docs/teaching.en.md: {what}."]


def test_a_course_without_notes_has_no_pages(tmp_path):
    assert guide.make_pages(tmp_path, "") == {} and [*guide.build_pages(tmp_path, "")] == []


# --- smaller things ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_hub_link_is_made_from_the_address(course, lang):
    courses = [course._replace(address=address) for address in ("", "https://github.com/me/ten")]
    without, with_ = (guide.render_page(one, f"teaching.{lang}.md") for one in courses)
    assert "OWNER" in without and "pyproject.toml" in without
    link = f"repo=https%3A%2F%2Fgithub.com%2Fme%2Ften&branch=main&urlpath=lab%2Ftree%2Ften%2Fnotebooks%2F{lang}%2F00_start_here.ipynb"
    assert link in with_ and "OWNER" not in with_ and "pyproject.toml" not in with_


def test_texts_of_exercises_are_shown_as_they_are():
    assert escape_markdown("a*b < c_d [0](x) `e*f`") == r"a\*b \< c_d [0\](x) `e*f`"


def test_what_depends_on_the_answer_becomes_dots_and_shared_mistakes_are_left_out(monkeypatch, tmp_path):
    module = tmp_path / "told.py"
    module.write_text(
        "def shape(x): raise Mistake(en='a shape', zh='形状')\n"
        "@questions.exercise\ndef first(x):\n    shape(x)\n    deeper(x)\n    for v, e, z in ((1, 'one row', '一行'),): raise Mistake(en=e, zh=z)\n"
        "def deeper(x): raise Mistake(en=f'{x} is many', zh=f'{x} 太多')\n"
        "@questions.exercise\ndef second(x): shape(x)\n"
    )
    monkeypatch.setattr(questions.inspect, "getsource", lambda it: module.read_text())
    pairs = [("one row", "一行"), ("… is many", "… 太多")]
    assert questions.list_mistakes("told", "first") == [{"en": en, "zh": zh} for en, zh in pairs]
