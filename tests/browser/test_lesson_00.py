"""Lesson 00 as a learner meets it: in JupyterLab, in Chromium, in both languages. The screenshots are in .browser/shots."""

import io
import re
from dataclasses import dataclass

import numpy as np
import pytest
from lab import ROOT
from PIL import Image

from helpers.pocket import world

CHINESE = re.compile("[\u4e00-\u9fff]")
LABELS = {
    "en": {
        **{"object": "object", "colour": "colour", "size": "size", "background": "background", "style": "style"},
        **{
            "seed": "drawing no.",
            "ready": "ready-made",
            "template": "prompt",
            "texts": "texts",
            "file": "Choose a picture",
        },
    },
    "zh": {
        **{"object": "物体", "colour": "颜色", "size": "大小", "background": "背景", "style": "风格"},
        **{"seed": "第几张画", "ready": "现成提示词", "template": "提示词", "texts": "文字", "file": "选择图片文件"},
    },
}
SPARE = """list => {  // pixels that are left beside the widest option, its frame and the arrow
    const style = getComputedStyle(list), pen = document.createElement('canvas').getContext('2d');
    pen.font = style.font;
    const widest = Math.max(...[...list.options].map(option => pen.measureText(option.text).width));
    return list.clientWidth - parseFloat(style.paddingLeft) - 20 - widest;
}"""
MOVES = [  # control, new value, whether the picture changes; the scores always do
    ("colour", "green", True),
    ("size", "small", True),
    ("background", "forest", True),
    ("style", "sketch", True),
    ("seed", "7", True),
    ("ready", "a {style} of a {}.", False),
    ("template", "a drawing of one {}", False),
    ("object", "umbrella", True),
    ("style", world.UNSEEN_STYLE, True),
]


@pytest.fixture(scope="module", params=["en", "zh"])
def lesson(request, browser, jupyterlab):
    """The lesson of one language, run once from top to bottom, and what was found."""
    with jupyterlab.notebook(browser, ROOT / "notebooks" / request.param / "00_start_here.ipynb") as notebook:
        notebook.shoot(f"00-{request.param}-as-stored")
        yield Lesson(request.param, notebook, notebook.run_all())
        assert notebook.strangers == [], "the page asked for something outside this machine"
        assert notebook.complaints == [], "errors on the browser's console"


def differ(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether an eye sees another picture: compression alone moves no pixel this far."""
    return bool(np.abs(after - before).max() > 60)


@dataclass
class Lesson:
    lang: str
    notebook: object
    ran: list

    def seen(self, cell) -> tuple[np.ndarray, np.ndarray]:
        """What stands in the explorer's view: the pixels of the picture, and those of the bars beside it."""
        view = cell.locator(".jp-OutputArea-output figure img")
        pixels = np.asarray(Image.open(io.BytesIO(view.screenshot())).convert("RGB"), dtype=int)
        border = round(pixels.shape[1] * 2.7 / 7.4)
        return pixels[:, :border], pixels[:, border:]

    def wait_for_other(self, cell, before: str) -> None:
        """Until another figure stands in the view than the one with this source."""
        view = cell.locator(".jp-OutputArea-output figure img")
        for _ in range(300):
            if view.count() and view.get_attribute("src") != before:
                return
            self.notebook.page.wait_for_timeout(100)
        raise AssertionError("the view did not change within 30 s")

    def source(self, cell) -> str:
        return cell.locator(".jp-OutputArea-output figure img").get_attribute("src")

    def labelled(self, cell, name: str):
        return cell.get_by_label(LABELS[self.lang][name], exact=True)


def test_every_cell_runs_without_error_or_warning(lesson):
    assert [cell["count"] for cell in lesson.ran] == list(range(1, len(lesson.ran) + 1))
    assert [cell for cell in lesson.ran if cell["errors"] or cell["stderr"]] == []


def test_every_control_changes_picture_and_scores(lesson):
    cell = lesson.notebook.cell("compose-code")
    lesson.notebook.shoot(f"00-{lesson.lang}-compose")
    for name, value, picture_too in MOVES:
        control = lesson.labelled(cell, name)
        source, (picture, bars) = lesson.source(cell), lesson.seen(cell)
        if control.evaluate("e => e.tagName") == "SELECT":
            option = control.evaluate(
                "(e, word) => [...e.options].map(o => o.value).find(v => v.includes(word))", value
            )
            control.select_option(option)
        else:
            control.fill(value)
            control.press("Enter")
        lesson.wait_for_other(cell, source)
        picture_now, bars_now = lesson.seen(cell)
        assert differ(picture, picture_now) == picture_too, f"{name}: the picture"
        assert differ(bars, bars_now), f"{name}: the scores"
        lesson.notebook.shoot(f"00-{lesson.lang}-compose-{name}-{value.split()[0].strip('{}.')}")
    alt = cell.locator(".jp-OutputArea-output figure img").get_attribute("alt")
    assert bool(CHINESE.search(alt)) is (lesson.lang == "zh")


def test_the_keyboard_alone_moves_every_control(lesson):
    cell = lesson.notebook.cell("compose-code")
    page = lesson.notebook.page
    lesson.labelled(cell, "object").focus()
    for name in ("object", "colour", "size", "background", "style", "seed", "ready", "template"):
        assert lesson.labelled(cell, name).evaluate("e => e === document.activeElement"), f"Tab does not reach {name}"
        page.keyboard.press("Tab")
    choice = lesson.labelled(cell, "object")
    value, source = choice.input_value(), lesson.source(cell)
    choice.focus()
    for key in ("Space", "ArrowUp", "ArrowUp", "Enter"):  # in a closed list JupyterLab takes the arrows for itself
        page.keyboard.press(key)
        page.wait_for_timeout(100)
    lesson.wait_for_other(cell, source)
    assert choice.input_value() != value


def test_no_label_and_no_option_is_cut_off(lesson):
    for id in ("compose-code", "own-picture-code"):
        for label in lesson.notebook.cell(id).locator(".widget-label").all():
            assert label.evaluate("e => e.scrollWidth <= e.clientWidth"), label.inner_text()
    for choice in lesson.notebook.cell("compose-code").locator("select").all():
        assert choice.evaluate(SPARE) >= 0, "an option is wider than its list"


def test_a_prompt_without_a_place_for_the_name_gets_a_sentence(lesson):
    cell = lesson.notebook.cell("compose-code")
    template = lesson.labelled(cell, "template")
    template.fill("a photo")
    template.press("Enter")
    sentence = cell.get_by_role("alert")
    sentence.wait_for()
    assert "{}" in sentence.inner_text() and bool(CHINESE.search(sentence.inner_text())) is (lesson.lang == "zh")
    template.fill("a photo of a {}.")
    template.press("Enter")
    sentence.wait_for(state="detached")


def test_a_picture_file_of_ones_own_is_scored_and_a_broken_one_gets_a_sentence(lesson, tmp_path):
    page = lesson.notebook.page
    cell = lesson.notebook.cell("own-picture-code")
    good, broken = tmp_path / "mine.png", tmp_path / "broken.png"
    scene = world.Scene((world.Thing("house", "red"),), "night", "painting")
    world.draw(scene, 5).resize((400, 300)).save(good)
    broken.write_bytes(good.read_bytes()[:900])

    def choose(file):
        with page.expect_file_chooser() as chooser:
            cell.get_by_role("button", name=LABELS[lesson.lang]["file"]).click()
        chooser.value.set_files(file)

    source, (picture, bars) = lesson.source(cell), lesson.seen(cell)
    choose(good)
    lesson.wait_for_other(cell, source)
    picture_now, bars_now = lesson.seen(cell)
    assert differ(picture, picture_now) and differ(bars, bars_now)
    assert "mine.png" in cell.locator("figure img").get_attribute("alt")
    lesson.notebook.shoot(f"00-{lesson.lang}-own-picture")

    choose(broken)
    sentence = cell.get_by_role("alert")
    sentence.wait_for()
    assert "broken.png" in sentence.inner_text() and bool(CHINESE.search(sentence.inner_text())) is (
        lesson.lang == "zh"
    )
    lesson.notebook.shoot(f"00-{lesson.lang}-own-picture-broken")

    choose(good)
    sentence.wait_for(state="detached")
    source = lesson.source(cell)
    lesson.labelled(cell, "texts").fill("a red house at night.\na painting of a house.\na dog on the beach.")
    lesson.labelled(cell, "texts").press("Tab")
    lesson.wait_for_other(cell, source)
    lesson.notebook.shoot(f"00-{lesson.lang}-own-texts")


def test_the_whole_lesson_is_photographed(lesson):
    for id in ("start-here", "first-guess", "scores-code", "styles-code", "own-picture"):
        lesson.notebook.cell(id)
        lesson.notebook.page.wait_for_timeout(300)
        assert lesson.notebook.shoot(f"00-{lesson.lang}-cell-{id}").stat().st_size > 10_000
