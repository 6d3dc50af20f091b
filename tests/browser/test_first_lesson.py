"""What only lesson 00 has, as a learner meets it: the machine, pictures of one's own, ten vectors, in words and in numbers.

On the notebook that test_explorers.py has gone through, in Chinese by --all; what lesson 00 has in common with the others is there.
Screenshots in .browser/shots.
"""

import re

import numpy as np
import pytest
from lab import CUT_OFF
from learner import of
from PIL import Image

from lessons.lesson_00_start_here import exercises as start_here
from pocket import world
from tools.console import speaker
from tools.doctor import list_checks

STEP = {"en": r"step (\d+) of 160", "zh": r"第 (\d+) 步，共 160 步"}
DONE = {"en": r"Done: 160 steps in [\d.]+ s\.", "zh": r"完成：160 步，用时 [\d.]+ 秒。"}
STOPPED = {"en": rf"Stopped: {STEP['en']}\. .+", "zh": rf"已停下：{STEP['zh']}。.+"}
FIRST_LOSS = {"en": r"the loss goes from ([\d.]+)", "zh": r"损失在训练图片上从 ([\d.]+)"}
AFTER = {"en": r"10 learned vectors get [\d.]+ %", "zh": r"10 个学出来的向量是 [\d.]+%"}
MOVES = [  # control, new value, whether the picture changes; the scores always do
    ("colour", "green", True),
    ("size", "large", True),
    ("background", "forest", True),
    ("style", "sketch", True),
    ("seed", "7", True),
    ("ready", "a {style} of a {}.", False),
    ("template", "a drawing of one {}", False),
    ("object", "umbrella", True),
    ("style", world.UNSEEN_STYLE, True),
]
WATCH = """cell => {  // from now on, every picture and every word of progress that stands in the cell
    const output = cell.querySelector('.jp-OutputArea-output'), pictures = new Set(), words = [];
    const look = () => {
        pictures.add(output.querySelector('figure img')?.src);
        words.push(output.querySelector('[role=status]')?.innerText);
    };
    look();
    new MutationObserver(look).observe(output, {subtree: true, childList: true, characterData: true});
    window.watched = {pictures, words};
}"""
INTERRUPT = "() => { window.jupyterapp.commands.execute('notebook:interrupt-kernel'); }"
SLOWER = """from lessons.kit import explorer as made_of
made_of.BREATH = 0.5  # between two looks: on a busy machine all 160 steps might end before an interrupt is there"""
WATCHED = "() => ({pictures: window.watched.pictures.size, words: window.watched.words})"


def differ(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether an eye sees another picture: compression alone moves no pixel this far."""
    return bool(np.abs(after - before).max() > 60)


@of("00_start_here")
def test_the_first_explorer_answers_soon_after_a_fresh_start(lesson):
    assert lesson.seconds < 120


@of("00_start_here")
def test_the_machine_is_looked_at(lesson):
    cell = lesson.notebook.cell("machine-code")
    cell.scroll_into_view_if_needed()  # JupyterLab hides what lies far from where the tests before have looked
    output = cell.locator(".jp-OutputArea-output")
    rows, folded = output.locator("tr"), output.locator("summary")
    if folded.count():  # all is well
        assert lesson.reads_well(folded.inner_text()) and not rows.first.is_visible()
        folded.click()
    whats = [row.what for row in list_checks(speaker(lesson.lang)) if row.ok]
    told = [row.split("\t")[1] for row in rows.all_inner_texts() if row.startswith("✓")]
    assert rows.first.is_visible() and len(told) > 10 and set(told) <= set(whats)


@pytest.mark.slow
@of("00_start_here")
def test_every_control_changes_picture_and_scores(lesson):
    cell = lesson.notebook.cell("compose-code")
    lesson.shoot("compose")
    for name, value, picture_too in MOVES:
        control = lesson.labelled(cell, name)
        source, (picture, bars) = lesson.source(cell), lesson.seen(cell)
        if control.evaluate("e => e.tagName") == "SELECT":
            lesson.choose(control, value)
        else:
            control.fill(value)
            control.press("Enter")
        lesson.wait_for_other(cell, source)
        picture_now, bars_now = lesson.seen(cell)
        assert differ(picture, picture_now) == picture_too, f"{name}: the picture"
        assert differ(bars, bars_now), f"{name}: the scores"
    lesson.shoot("compose-moved")
    assert lesson.reads_well(lesson.figure(cell).get_attribute("alt"))


@of("00_start_here")
def test_a_prompt_without_a_place_for_the_name_gets_a_sentence(lesson):
    cell = lesson.notebook.cell("compose-code")
    template = lesson.labelled(cell, "template")
    template.fill("a photo")
    template.press("Enter")
    sentence = cell.get_by_role("alert")
    sentence.wait_for()
    assert "{}" in sentence.inner_text() and lesson.reads_well(sentence.inner_text())
    lesson.shoot("compose-sentence")
    template.fill("a photo of a {}.")
    template.press("Enter")
    sentence.wait_for(state="detached")


@of("00_start_here")
def test_a_picture_file_of_ones_own_is_scored_and_a_broken_one_gets_a_sentence(lesson, tmp_path):
    cell = lesson.notebook.cell("own-picture-code")
    good, broken = tmp_path / "mine.png", tmp_path / "broken.png"
    scene = world.Scene((world.Thing("house", "red"),), "night", "painting")
    world.draw(scene, 5).resize((400, 300)).save(good)
    broken.write_bytes(good.read_bytes()[:900])

    source, (picture, bars) = lesson.source(cell), lesson.seen(cell)
    choose_file(lesson, cell, good)
    lesson.wait_for_other(cell, source)
    picture_now, bars_now = lesson.seen(cell)
    assert differ(picture, picture_now) and differ(bars, bars_now)
    assert "mine.png" in lesson.figure(cell).get_attribute("alt")
    lesson.shoot("own-picture")

    choose_file(lesson, cell, broken)
    sentence = cell.get_by_role("alert")
    sentence.wait_for()
    assert "broken.png" in sentence.inner_text() and lesson.reads_well(sentence.inner_text())
    lesson.shoot("own-picture-broken")

    choose_file(lesson, cell, good)
    sentence.wait_for(state="detached")
    source = lesson.source(cell)
    lesson.labelled(cell, "texts").fill("a red house at night.\na painting of a house.\na dog on the beach.")
    lesson.labelled(cell, "texts").press("Tab")
    lesson.wait_for_other(cell, source)
    lesson.notebook.cell("own-picture-code")
    lesson.shoot("own-texts")


@of("00_start_here")
def test_a_picture_file_of_12_megabytes_arrives(lesson, tmp_path):
    cell, large = lesson.notebook.cell("own-picture-code"), tmp_path / "large.png"
    noise = np.random.default_rng(0).integers(0, 256, (2000, 2000, 3), dtype=np.uint8)  # which no PNG makes smaller
    Image.fromarray(noise).save(large, compress_level=0)
    assert large.stat().st_size > 12e6
    source = lesson.source(cell)
    choose_file(lesson, cell, large)
    lesson.wait_for_other(cell, source)
    assert "large.png" in lesson.figure(cell).get_attribute("alt")


def choose_file(lesson, cell, file):
    with lesson.notebook.page.expect_file_chooser() as chooser:
        lesson.button(cell, "file").click()
    chooser.value.set_files(file)


@of("00_start_here")
def test_ten_vectors_learn_while_one_watches_and_can_be_stopped(lesson, measured):
    """The button by mouse in one language, by keyboard in the other."""
    cell = lesson.notebook.cell("train-code")
    figure, status = lesson.figure(cell), cell.get_by_role("status")
    assert cell.evaluate(CUT_OFF) == []
    waiting = lesson.source(cell)
    lesson.shoot("train")

    press(lesson, cell, "train", "Space")
    lesson.wait_until(lambda: re.fullmatch(DONE[lesson.lang], status.inner_text()), "the end")
    pictures, steps = watched(lesson)
    measured.append(f"lesson 00 ({lesson.lang}), ten vectors: {pictures} figures; {status.inner_text()}")
    assert pictures >= 4, "figures while it learned"
    assert len(set(steps)) >= 4 and steps == sorted(steps), steps
    alt, caption = figure.get_attribute("alt"), cell.locator("figcaption").inner_text()
    assert lesson.source(cell) != waiting and re.search(AFTER[lesson.lang], alt) and "1,736,321" in caption, (
        alt,
        caption,
    )
    assert lesson.reads_well(alt) and lesson.reads_well(caption)
    lesson.shoot("trained")
    table = lesson.notebook.run_cell("as-good-as-a-word-code").locator(".jp-OutputArea-output tr")
    mine, told = table.last.inner_text(), re.search(AFTER[lesson.lang], alt)[0]
    assert re.search(r"\d+\.\d", mine)[0] == re.search(r"\d+\.\d", told)[0], "the table has the learner's own run"

    cell = lesson.notebook.cell("train-code")
    lesson.labelled(cell, "start").fill("7")
    lesson.labelled(cell, "start").press("Enter")
    lesson.notebook.page.wait_for_timeout(400)  # at a person's pace: a press right after the end counts as one too many
    lesson.notebook.run_cell("as-good-as-a-word-code", SLOWER)
    press(lesson, cell, "again", "Enter")
    lesson.wait_until(lambda: watched(lesson)[0] >= 2, "a figure of this run")
    lesson.notebook.page.evaluate(INTERRUPT)
    lesson.wait_until(lambda: re.fullmatch(STOPPED[lesson.lang], status.inner_text()), "the interrupt")
    lesson.wait_until(lesson.button(cell, "again").is_enabled, "the button to be free")
    again = figure.get_attribute("alt")
    first, other = (re.search(FIRST_LOSS[lesson.lang], text)[1] for text in (alt, again))
    assert first != other and not re.search(AFTER[lesson.lang], again), "another start gives another curve"
    assert cell.evaluate(CUT_OFF) == []
    lesson.shoot("stopped")

    before = lesson.source(lesson.notebook.cell("soft-prompt-code"))
    assert lesson.source(lesson.notebook.run_cell("soft-prompt-code")) != before, "the strips are the learner's own now"
    lesson.shoot("soft-prompt")


def press(lesson, cell, name, key):
    """Presses the button of the training, and waits until it has begun."""
    cell.evaluate(WATCH)
    button = lesson.button(cell, name)
    if lesson.lang == "en":
        button.click()
    else:
        button.focus()
        lesson.notebook.page.keyboard.press(key)
    lesson.wait_until(lambda: watched(lesson)[1], "the first step")
    assert button.is_disabled()


def watched(lesson) -> tuple[int, list[int]]:
    """Since the button was pressed: how many figures stood in the view, and the steps that the words told."""
    seen = lesson.notebook.page.evaluate(WATCHED)
    return seen["pictures"], [
        int(step) for step in re.findall(STEP[lesson.lang], "\n".join(filter(None, seen["words"])))
    ]


@of("00_start_here")
def test_an_exercise_names_the_mistake_gives_hints_and_praises(lesson):
    exercise, id = start_here.learned_numbers, "how-many-numbers-code"
    stub = lesson.notebook.source(id)
    cell = lesson.notebook.cell(id)
    lesson.verdict(cell, "○")

    cell = lesson.notebook.run_cell(id, stub.replace("...", "10", 1))
    mistake = {"en": "10 is how many vectors there are", "zh": "10 是向量的个数"}
    assert mistake[lesson.lang] in lesson.verdict(cell, "✗")

    hints, presses = cell.get_by_role("status").locator("li"), (None, "Enter", "Space")
    assert hints.count() == 0
    for number, (hint, key) in enumerate(zip(exercise.hints, presses, strict=True), start=1):
        button = lesson.button(cell, "hint", number)
        button.wait_for()
        if key:
            button.focus()
            lesson.notebook.page.keyboard.press(key)
        else:
            button.click()
        hints.nth(number - 1).wait_for()
        assert hints.all_inner_texts()[number - 1] == getattr(hint, lesson.lang) and hints.count() == number
        assert cell.evaluate(CUT_OFF) == []
    assert lesson.button(cell, "no hint").is_disabled()
    lesson.shoot("exercise")

    solution = lesson.notebook.cell("how-many-numbers-solution")
    assert not solution.locator("pre").is_visible()
    solution.locator("summary").click()
    assert "context.shape" in solution.locator("pre").inner_text() and solution.locator("pre").is_visible()
    lesson.shoot("solution")

    cell = lesson.notebook.run_cell(id, stub.replace("...", "context.shape[0] * context.shape[1]", 1))
    assert getattr(exercise.praise, lesson.lang) in lesson.verdict(cell, "✓")
    assert cell.locator(".jupyter-button").count() == 0
    lesson.shoot("exercise-right")
