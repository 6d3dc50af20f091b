"""For those who see no colours, who see little, or who listen: every notebook, every figure and every control that the lessons make.

What can be seen from the notebooks is looked at here; figures and controls while the lessons run (strange.py, witness.py). How it is
measured: looks.py. tests/browser has the keyboard.
"""

import itertools
import re
from functools import cache

import nbformat
import numpy as np
import pytest
from looks import DEFICIENCIES, contrast, faults_of, faults_of_page, lab, linear, over, seen_with
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from strange import LESSONS, ROOT, STRANGEST, seen
from test_reruns import LANGUAGES

from helpers.notebook import Table
from lessons.kit import picture

BOTH = [(lang, name) for lang in ("en", "zh") for name in LESSONS]
CHINESE = re.compile("[\u4e00-\u9fff]")
NAMES = ("top_p",)  # labels that are names in code, the same in both languages
# Where a rule does not fit: the figure, the fault, the reason. Each is needed: another test sees to that.
EXCEPTIONS = (
    ("01.draw_patches", "^line in #ffffff", "a grid on a picture; beside it the patches lie apart"),
    ("03.draw_patch_words", "^line in #ffffff", "a grid on a pale picture; the words stand in its cells"),
    (
        "03.draw_dots_in_rows",
        "^only the colour tells marks",
        "each row has its name, with a triangle where the dots are blue",
    ),
    (
        "04.draw_distance_rows",
        "^marks in .* contrast of 1",
        "hundreds of dots, whose density is what one sees; the median is a line",
    ),
)


def in_language(lang):
    """Whether a text is in the language: Chinese has Chinese characters, and English has none."""
    return lambda text: bool(CHINESE.search(text)) == (lang == "zh")


# --- notebooks -----------------------------------------------------------------------------------------------------------------


@cache
def cells(lang, name):
    return nbformat.read(ROOT / "notebooks" / lang / f"{name}.ipynb", as_version=4).cells


def headings(texts):
    """(level, words) of all headings in markdown, those in code excepted."""
    prose = [re.sub(r"(?ms)^```.*?^```|<pre.*?</pre>", "", text) for text in texts]
    return [(len(mark), words) for text in prose for mark, words in re.findall(r"(?m)^(#{1,6}) +(\S.*)$", text)]


def faults_of_headings(found):
    if [level for level, _ in found].count(1) != 1 or found[0][0] != 1:
        yield f"one heading of the first level stands at the top, and here are {[words for n, words in found if n == 1]}"
    for (before, _), (level, words) in itertools.pairwise(found):
        if level > before + 1:
            yield f"“{words}” of level {level} comes after one of level {before}"


def test_what_is_wrong_with_headings_is_found():
    assert [*faults_of_headings(headings(["# a\ntext", "## b\n### c", "```\n# no heading\n```\n## d"]))] == []
    assert len([*faults_of_headings(headings(["## a", "# b"]))]) == 1
    assert len([*faults_of_headings(headings(["# a", "### b", "# c"]))]) == 2


@pytest.mark.parametrize(("lang", "name"), BOTH)
def test_headings_begin_with_one_of_the_first_level_and_skip_none(lang, name):
    texts = [cell.source for cell in cells(lang, name) if cell.cell_type == "markdown"]
    assert [*faults_of_headings(headings(texts))] == []


@pytest.mark.parametrize(("lang", "name"), BOTH)
def test_outputs_can_be_read_and_heard(lang, name):
    pages = [
        (cell.id, output.data["text/html"])
        for cell in cells(lang, name)
        if cell.cell_type == "code"
        for output in cell.outputs
        if "text/html" in output.get("data", {})
    ]
    assert pages
    checks = "<details><summary>✓"  # the doctor's rows say themselves what they are
    found = [(id, fault) for id, page in pages for fault in faults_of_page(page, in_language(lang))]
    assert [(id, fault) for id, fault in found if not dict(pages)[id].startswith(checks)] == []


@pytest.mark.parametrize(("lang", "name"), BOTH)
def test_links_say_where_they_lead(lang, name):
    texts = "\n".join(cell.source for cell in cells(lang, name) if cell.cell_type == "markdown")
    said = re.findall(r"(?<!!)\[([^\]]*)\]\([^)]+\)", re.sub(r"(?s)```.*?```|`[^`]*`", "", texts))
    assert [
        words for words in said if len(words) < 2 or words.lower() in ("here", "link", "这里", "链接", "点击")
    ] == []


@pytest.mark.parametrize("header", [(), ("picture", "right"), ("", "right")])
def test_a_table_with_a_header_has_cells_that_say_so(header):
    found = faults_of_page(Table([("cat", "3"), ("dog", "4")], header)._repr_html_(), str.isascii)
    assert found == ([] if header else ["a table has no header over its columns"])


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        ('<p style="color: #0072B2">a</p><p style="background: #222222; color: white">b</p>', None),
        ('<p style="color: #B4BCC6">pale</p>', "“pale” has a contrast of 1.9"),
        ('<div style="background: #222222; color: #fff"><b style="color: #5F6975">dark</b></div>', "“dark” has a"),
        ('<div style="background: #F6E3D7">a</div>', "a ground of its own"),
        ('<img src="x" alt="a blue line that falls">', None),
        ('<img src="x" alt="蓝色的线一路往下走，走到底才停住">', "a picture has the alt text"),
        ('<img src="x" alt="a line"><br>', "a picture has the alt text"),
        ("<h3>a</h3>", "<h3> in an output"),
    ],
)
def test_what_is_wrong_with_a_page_is_found(page, fault):
    found = faults_of_page(page, in_language("en"))
    assert (fault in found[0] and len(found) == 1) if fault else found == []


# --- colours -------------------------------------------------------------------------------------------------------------------


def test_contrast_is_that_of_wcag():
    assert contrast("black", "white") == pytest.approx(21) and contrast("#777777", "white") == pytest.approx(
        4.48, abs=0.01
    )
    assert contrast("#0072B2", "#0072B2") == 1


def apart(one, other, deficiency):
    """How far two colours lie apart in L*a*b*, for all or for those with a deficiency."""
    lights = [seen_with(colour, deficiency) if deficiency else linear(colour) for colour in (one, other)]
    return float(np.linalg.norm(lab(lights[0]) - lab(lights[1])))


@pytest.mark.parametrize("deficiency", [None, *DEFICIENCIES])
def test_the_colours_of_figures_are_told_apart_by_the_colour_blind(deficiency):
    palette = [picture.BLUE, picture.VERMILION, picture.SLATE, picture.INK, picture.GREY]
    pairs = [
        *itertools.combinations(palette, 2),
        *((picture.STONE, one) for one in (picture.BLUE, picture.VERMILION, picture.INK)),
    ]
    assert min(apart(*pair, deficiency) for pair in pairs) >= 20


def test_a_red_and_a_green_that_lie_far_apart_do_not_for_those_who_cannot_tell_them():
    red, green = "#B5563A", "#6E7A3A"
    assert apart(red, green, None) > 50 and apart(red, green, "tritanopia") > 50
    assert apart(red, green, "protanopia") < 12 and apart(red, green, "deuteranopia") < 12


def test_in_grey_there_are_three_steps_from_frames_to_letters_and_blue_and_vermilion_share_one():
    """So a print in grey tells frames, marks and letters apart; blue from vermilion it cannot, and no figure may ask for that."""
    frame, *marks, ink = (
        float(lab(linear(colour))[0])
        for colour in (picture.GREY, picture.BLUE, picture.VERMILION, picture.SLATE, picture.INK)
    )
    assert frame - max(marks) > 20 and min(marks) - ink > 20 and max(marks) - min(marks) < 5


@pytest.mark.parametrize("colour", [picture.BLUE, picture.VERMILION, picture.SLATE, picture.INK])
def test_colours_of_letters_stand_out_on_white(colour):
    assert contrast(colour, "white") >= 4.5


def test_colours_of_marks_stand_out_on_white_and_so_do_those_of_single_dots():
    dots = [over((*to_rgb(colour), picture.CLOUD)) for colour in (picture.BLUE, picture.VERMILION, picture.SLATE)]
    assert min(contrast(colour, "white") for colour in [picture.STONE, *dots]) >= 3


def test_white_or_black_letters_stand_out_on_every_colour():
    shades = np.stack(np.meshgrid(*[np.linspace(0, 1, 9)] * 3), -1).reshape(-1, 3)
    assert min(float(contrast(picture.choose_letter_colour(shade), shade)) for shade in shades) >= 4.5


# --- figures: that the judge finds what is wrong -------------------------------------------------------------------------------


def drawn(draw):
    figure = Figure(figsize=(4, 3), dpi=200, facecolor="white")
    draw(figure.add_axes((0.15, 0.15, 0.6, 0.7)))
    return faults_of(figure)


def two_lines(first, second):
    def draw(axes):
        axes.plot([0, 1], [0, 1], **{"color": picture.BLUE, **first})
        axes.plot([0, 1], [1, 0.2], **{"color": picture.VERMILION, **second})

    return draw


@pytest.mark.parametrize(
    "told",
    [
        {"linestyle": "--"},
        {"marker": "s"},
        {"linewidth": 4},
        {"color": picture.BLUE},
        {"color": picture.INK, "linestyle": ":"},
    ],
)
def test_lines_that_differ_in_more_than_their_colour_pass(told):
    assert drawn(two_lines({}, told)) == []


def test_lines_that_only_their_colour_tells_apart_are_found():
    assert drawn(two_lines({}, {})) == [
        f"only the colour tells line in {picture.BLUE.lower()} from line in {picture.VERMILION.lower()}"
    ]
    assert drawn(two_lines({"label": "a"}, {"label": "b"})) != []  # a legend asks for colours again


def test_a_line_with_its_name_beside_it_passes():
    def draw(axes):
        two_lines({}, {})(axes)
        axes.set_xlim(0, 1)
        axes.text(1.02, 0.25, "this one", transform=axes.transAxes, fontsize=8, color="black")

    assert drawn(draw) == []


def test_bars_that_only_their_colour_tells_apart_are_found_and_hatched_ones_pass():
    def bars(**more):
        def draw(axes):
            axes.bar([0], [1], color=picture.BLUE)
            axes.bar([3], [1], color=picture.SLATE, **more)
            axes.set_xticks(*named)

        return drawn(draw)

    named = [[]]
    assert len(bars()) == 1 and bars(hatch="//") == []
    named = [[0, 3], ["one", "other"]]
    assert bars() == []


def test_pale_lines_dots_and_texts_are_found_and_those_on_a_ground_of_their_own_are_not():
    assert "line in #b4bcc7" in drawn(lambda axes: axes.plot([0, 1], [0, 1], color="#b4bcc7"))[0]
    assert "marks in #0072b2" in drawn(lambda axes: axes.plot([0, 1], [0, 1], "o", color=picture.BLUE, alpha=0.4))[0]
    assert "marks in #b4bcc6" in drawn(lambda axes: axes.scatter([0, 1], [0, 1], color=picture.GREY))[0]
    assert "“pale” has a contrast of 2" in drawn(lambda axes: axes.text(0.5, 0.5, "pale", color="#a0a0a0"))[0]
    assert drawn(lambda axes: axes.grid(color=picture.GREY)) == []

    def white_on_dark(axes):
        axes.axhspan(0, 1, color=picture.INK)
        axes.text(0.5, 0.5, "white", color="white")
        axes.plot([0, 1], [0.2, 0.8], color="white")

    assert drawn(white_on_dark) == []


# --- figures, controls and pages of the lessons, while they run ----------------------------------------------------------------


def lesson_seen(name):
    told = seen(name, LANGUAGES[name], STRANGEST, True)
    assert "failed" not in told, told
    return told


@pytest.mark.slow
@pytest.mark.parametrize("lesson", LESSONS)
def test_every_figure_of_a_lesson_can_be_read_without_colours_whatever_its_controls_say(lesson):
    told = lesson_seen(lesson)
    assert sum(figure["drawn"] for figure in told["figures"].values()) > 10
    found = [(name, fault) for name, figure in told["figures"].items() for fault in figure["faults"]]
    assert [(name, fault) for name, fault in found if not is_excepted(name, fault)] == []


def is_excepted(name, fault):
    return any(name == figure and re.search(pattern, fault) for figure, pattern, _ in EXCEPTIONS)


@pytest.mark.slow
@pytest.mark.parametrize("lesson", LESSONS)
def test_every_control_of_a_lesson_says_what_it_is_in_both_languages(lesson):
    for turn in lesson_seen(lesson)["turns"]:
        assert turn["controls"]
        for kind, label, said in turn["controls"]:
            assert label.strip(), f"a {kind} without a label"
            assert in_language(turn["lang"])(said) or label in NAMES, (kind, said)


@pytest.mark.slow
@pytest.mark.parametrize("lesson", LESSONS)
def test_every_page_of_a_lessons_explorers_can_be_read_and_heard(lesson):
    for turn in lesson_seen(lesson)["turns"]:
        assert [fault for page in turn["html"] for fault in faults_of_page(page, in_language(turn["lang"]))] == []


@pytest.mark.slow
def test_every_exception_is_needed():
    found = [
        (name, fault)
        for one in LESSONS
        for name, figure in lesson_seen(one)["figures"].items()
        for fault in figure["faults"]
    ]
    for name, pattern, _ in EXCEPTIONS:
        assert any(name == figure and re.search(pattern, fault) for figure, fault in found), (name, pattern)
