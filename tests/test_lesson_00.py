"""Facts about the explorers of lesson 00, on the pocket CLIP."""

import io
import re
from datetime import UTC, datetime
from types import SimpleNamespace

import ipywidgets
import numpy as np
import pytest
from explorers import CHINESE, all_widgets, in_language
from PIL import Image

from helpers import language, pictures
from helpers.language import LearnerError
from helpers.pretrained import load_clip
from lessons.kit.explorer import WIDGET_VIEW, Explorer, Sentence, read_uploads
from lessons.lesson_00_start_here import explorers as start_here
from pocket import words, world

SCENE = world.Scene((world.Thing("snail", "purple", "large"),), "beach", "photo")
TEXTS = ["a photo of a cat.", "a photo of a snail."]


@pytest.fixture(scope="module")
def clip():
    return load_clip()


def png(width=90, height=60, mode="RGB", colour="red", format="PNG", **more):
    buffer = io.BytesIO()
    Image.new(mode, (width, height), colour).save(buffer, format, **more)
    return buffer.getvalue()


def halves(picture):
    """The pixels of the picture and those of the bars beside it."""
    pixels = np.asarray(picture.image)
    return pixels[:, :540], pixels[:, 540:]


# --- the scene explorer ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("control", "value", "picture_changes"),
    [
        ("object", "key", True),
        ("colour", "green", True),
        ("size", "small", True),
        ("background", "night", True),
        ("style", "sketch", True),
        ("style", world.UNSEEN_STYLE, True),
        ("seed", 5, True),
        ("ready", "a picture of a {}.", False),
        ("template", "one {} alone", False),
    ],
)
def test_every_control_changes_picture_or_scores(clip, control, value, picture_changes):
    explorer = start_here.explore_scene(*clip, SCENE)
    picture, bars = halves(explorer.shown)
    before = explorer.view.value
    explorer.controls[control].value = value
    picture_now, bars_now = halves(explorer.shown)
    assert (picture != picture_now).any() == picture_changes
    assert (bars != bars_now).any()
    assert explorer.view.value == explorer.shown.html() != before


def test_every_style_and_object_of_the_world_can_be_chosen_and_the_unseen_style_is_marked(clip, lang):
    controls = start_here.explore_scene(*clip, SCENE).controls
    labels = {value: label for label, value in controls["style"].options}
    assert list(labels) == list(world.ALL_STYLES)
    assert [value for _, value in controls["object"].options] == list(world.OBJECTS)
    mark = {"en": "never trained on", "zh": "没见过"}[lang]
    assert [style for style in world.ALL_STYLES if mark in labels[style]] == [world.UNSEEN_STYLE]


def test_labels_alt_text_and_caption_are_in_the_learners_language(clip, lang):
    for explorer in (
        start_here.explore_scene(*clip, SCENE),
        start_here.explore_picture(*clip, world.draw(SCENE), TEXTS),
    ):
        for control in explorer.controls.values():
            assert control.description and in_language(control.description, lang)
        assert len(explorer.shown.alt) >= 15 and in_language(explorer.shown.alt, lang)
        assert in_language(explorer.shown.caption, lang)
    picture = start_here.draw_scene_in_styles(*clip, SCENE)
    assert len(picture.alt) >= 15 and in_language(picture.alt, lang) and in_language(picture.caption, lang)


def test_every_word_of_the_world_has_a_chinese_one():
    language.set_language("zh")
    names = [*world.OBJECTS, *world.COLOURS, *world.SIZES, *world.BACKGROUNDS, *world.ALL_STYLES]
    assert all(CHINESE.search(words.translate(name)) for name in names)
    assert len({words.translate(name) for name in names}) == len(names)
    language.set_language("en")


def test_the_caption_says_where_a_style_hides_the_colour(clip):
    hidden = [style for style in world.ALL_STYLES if style not in world.SHOWS_COLOUR]
    for style in world.ALL_STYLES:
        scene = world.Scene(SCENE.things, "beach", style)
        picture = start_here.draw_scene_with_scores(*clip, scene)
        assert ("does not show" in picture.caption) == (style in hidden)
        assert ("purple" in picture.alt) == (style not in hidden)


def test_choosing_a_ready_made_prompt_fills_the_line_and_editing_it_says_so(clip):
    controls = start_here.explore_scene(*clip, SCENE).controls
    controls["ready"].value = "a {style} of a {}."
    assert controls["template"].value == "a {style} of a {}."
    controls["template"].value = "my {}"
    assert controls["ready"].value == ""
    controls["ready"].value = start_here.TEMPLATES[0]
    assert controls["template"].value == start_here.TEMPLATES[0]


def test_templates_are_filled_with_the_right_article():
    assert start_here.fill_template("a photo of a {}.", "cat", "photo") == "a photo of a cat."
    assert start_here.fill_template("a photo of a {}.", "umbrella", "photo") == "a photo of an umbrella."
    assert start_here.fill_template("a {style} of a {}.", "apple", "neon sign") == "a neon sign of an apple."
    assert start_here.fill_template("{}, {style}, {}", "cat", "photo") == "cat, photo, cat"
    assert start_here.fill_template("{0} {} {x}", "cat", "photo") == "{0} cat {x}"


def test_a_prompt_without_a_place_for_the_name_gets_a_sentence_and_recovers(clip, lang):
    explorer = start_here.explore_scene(*clip, SCENE)
    explorer.controls["template"].value = "a photo"
    assert "{}" in explorer.shown.text and in_language(explorer.shown.text, lang)
    assert 'role="alert"' in explorer.view.value
    explorer.controls["template"].value = "a photo of a {}."
    assert "<img alt=" in explorer.view.value


def test_an_explorer_is_core_widgets_with_a_static_twin_that_is_the_same_at_every_run(clip):
    first, second = (start_here.explore_scene(*clip, SCENE) for _ in range(2))
    bundle = first._repr_mimebundle_()
    assert bundle.pop(WIDGET_VIEW)["model_id"] == first.widget.model_id
    assert bundle == first.shown.bundle() == second.shown.bundle()
    assert bundle["text/plain"].startswith("Figure: A photo of a large purple snail on the beach.")
    for explorer in (first, start_here.explore_picture(*clip, world.draw(SCENE), TEXTS)):
        assert all(type(widget).__module__.startswith("ipywidgets.") for widget in all_widgets(explorer.widget))


def test_a_right_and_a_wrong_guess_look_different_without_colour():
    def grey(guess):
        picture = start_here.draw_pictures_with_guesses(
            [world.draw(SCENE)], ["photo"], [guess], [0.9], ["cat"], alt="One picture and its guess."
        )
        return np.asarray(picture.image.convert("L"))

    assert (grey("cat") != grey("dog")).any()


# --- a picture of your own ---------------------------------------------------------------------------------------


def test_what_file_upload_holds_is_understood_in_both_majors_of_ipywidgets():
    data = png()
    seven = {"cat.png": {"metadata": {"name": "cat.png", "type": "image/png", "size": len(data)}, "content": data}}
    eight = ({"name": "cat.png", "type": "image/png", "size": len(data), "content": memoryview(data)},)
    assert read_uploads(seven) == read_uploads(eight) == ("cat.png", data)
    assert read_uploads({}) is read_uploads(()) is None


def upload_of(name, data):
    """What a FileUpload of the installed ipywidgets holds after a learner has chosen this file."""
    file = {"name": name, "type": "image/png", "size": len(data)}
    if int(ipywidgets.__version__.split(".")[0]) < 8:
        return {name: {"metadata": file, "content": data}}
    return ({**file, "content": memoryview(data), "last_modified": datetime.now(UTC)},)


def choose(explorer, name, data):
    explorer.controls["file"].set_trait("value", upload_of(name, data))


def test_a_chosen_file_takes_the_place_of_the_example(clip):
    explorer = start_here.explore_picture(*clip, world.draw(SCENE), TEXTS)
    picture, bars = halves(explorer.shown)
    buffer = io.BytesIO()
    world.draw(world.Scene((world.Thing("cat", "orange"),), "room", "cartoon")).save(buffer, "PNG")
    choose(explorer, "mine.png", buffer.getvalue())
    picture_now, bars_now = halves(explorer.shown)
    assert "mine.png" in explorer.shown.alt
    assert (picture != picture_now).any() and (bars != bars_now).any()


def test_a_path_a_picture_and_nothing_are_all_good_beginnings(clip, tmp_path, lang):
    (tmp_path / "cat.png").write_bytes(png())
    for path in (tmp_path / "cat.png", str(tmp_path / "cat.png")):
        assert "cat.png" in start_here.explore_picture(*clip, path, TEXTS).shown.alt
    assert start_here.explore_picture(*clip, world.draw(SCENE), TEXTS).shown.alt
    nothing = start_here.explore_picture(*clip, None, TEXTS).shown
    assert in_language(nothing.text, lang)


def test_a_path_that_leads_nowhere_gets_a_sentence(clip, tmp_path, lang):
    for path in (tmp_path / "no.png", tmp_path):
        shown = start_here.explore_picture(*clip, path, TEXTS).shown
        assert str(path) in shown.text and in_language(shown.text, lang)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"this is a letter, not a picture",
        b"%PDF-1.7 something",
        b"<svg xmlns='http://www.w3.org/2000/svg'></svg>",
        png(400, 300)[:200],
        png(format="JPEG")[:300],
        png()[:40] + b"\0" * 60,
        png(3000, 10),
    ],
    ids=["empty", "text", "pdf", "svg", "half a png", "half a jpeg", "spoilt png", "a strip"],
)
def test_a_file_that_is_no_whole_picture_gets_a_sentence(clip, data, lang):
    explorer = start_here.explore_picture(*clip, None, TEXTS)
    choose(explorer, "holiday.png", data)
    assert "holiday.png" in explorer.shown.text and in_language(explorer.shown.text, lang)
    assert "Error" not in explorer.shown.text and "\n" not in explorer.shown.text


@pytest.mark.parametrize("side", [8_000, 15_000, 30_000])
def test_a_huge_picture_gets_a_sentence_before_it_is_unpacked(side, lang):
    with pytest.raises(LearnerError, match=re.escape("huge.png")) as told:
        start_here.open_upload("huge.png", png(side, side, mode="1", colour=0))
    assert in_language(str(told.value), lang) and str(pictures.MAX_MEGAPIXELS) in str(told.value)


def test_pictures_of_every_mode_become_rgb():
    for mode, colour in [("L", 90), ("RGBA", (9, 9, 9, 90)), ("P", 3), ("1", 1), ("LA", (9, 9)), ("I;16", 9000)]:
        assert start_here.open_upload("x.png", png(mode=mode, colour=colour)).mode == "RGB"
    assert start_here.open_upload("x.jpg", png(mode="CMYK", colour=(0, 9, 9, 9), format="JPEG")).mode == "RGB"


def test_what_is_transparent_becomes_white():
    assert start_here.open_upload("x.png", png(mode="RGBA", colour=(9, 9, 9, 0))).getpixel((5, 5)) == (255, 255, 255)


def test_a_photo_taken_upright_stands_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned a quarter
    assert start_here.open_upload("x.jpg", png(90, 60, format="JPEG", exif=exif)).size == (60, 90)


def test_empty_lines_and_repeated_texts_do_not_count(clip, lang):
    explorer = start_here.explore_picture(*clip, world.draw(SCENE), ["a cat", "", "  a cat  ", "a dog"])
    assert "2" in explorer.shown.alt
    explorer.controls["texts"].value = "a cat\n\na cat"
    assert in_language(explorer.shown.text, lang)
    explorer.controls["texts"].value = "\n".join(f"text {i}" for i in range(start_here.MOST_TEXTS + 1))
    assert str(start_here.MOST_TEXTS) in explorer.shown.text


def test_words_that_the_model_never_learned_are_named(clip, lang):
    texts = ["a photo of a giraffe.", "a photo of a cat.", "a zeppelin at night."]
    caption = start_here.explore_picture(*clip, world.draw(SCENE), texts).shown.caption
    assert "giraffe, zeppelin" in caption and "cat" not in caption and in_language(caption, lang)
    assert start_here._warn_of_strange_words(*clip, TEXTS) == ""


def test_any_text_can_be_compared_that_the_model_has_room_for(clip):
    texts = ["a giraffe named $Tom$", "一只猫", "cat " * 75]
    assert "Bars for the best 3 of 3" in start_here.explore_picture(*clip, world.draw(SCENE), texts).shown.alt
    told = start_here.explore_picture(*clip, world.draw(SCENE), [*texts, "cat " * 76]).shown.text
    assert "needs 78 positions, and this model has 77" in told


# --- the base ----------------------------------------------------------------------------------------------------


def test_an_explorer_is_made_from_controls_and_one_drawing_function():
    seen = []

    def draw(now: SimpleNamespace):
        seen.append(now.number)
        if now.number > 2:
            raise LearnerError("That is too much.")
        return Sentence(f"It is {now.number} <now>.")

    explorer = Explorer({"number": ipywidgets.IntSlider(1, 0, 9)}, draw)
    explorer.controls["number"].value = 2
    assert seen == [1, 2] and explorer.shown.text == "It is 2 <now>." and "&lt;now&gt;" in explorer.view.value
    explorer.controls["number"].value = 3
    assert explorer.shown.bundle()["text/plain"] == "That is too much."
