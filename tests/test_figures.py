"""Facts about figures that more than one lesson draws."""

import base64
import io
import re
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

from helpers.training import History
from lessons import kit
from lessons.kit import learning_curve, strips
from lessons.kit.picture import Picture, crop_square, draw_picture_with_scores, finish, make_blank, move_apart

NAMES = ["cat", "dog", "fish"]
ALT = "A red square, and bars for three names."
RED = Image.new("RGB", (256, 256), (214, 40, 44))


def bars(scores, names=NAMES, **more):
    return draw_picture_with_scores(RED, names, scores, title="a title", alt=ALT, **more)


def png_of(bundle):
    return Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))


def test_a_bundle_holds_html_with_alt_text_a_png_and_one_line_of_plain_text():
    bundle = bars([0.7, 0.2, 0.1], caption="What to see.").bundle()
    assert set(bundle) == {"text/html", "image/png", "text/plain"}
    assert f'<img alt="{ALT}"' in bundle["text/html"] and ">What to see.</figcaption>" in bundle["text/html"]
    assert bundle["text/plain"] == f"Figure: {ALT}"
    assert png_of(bundle).size == (740, 272)


def test_jupyter_shows_the_bundle():
    picture = bars([0.7, 0.2, 0.1])
    assert picture._repr_mimebundle_() == picture.bundle()


def test_quotes_in_alt_text_do_not_break_the_html():
    picture = Picture(RED, 'a <b>bold</b> "quoted" text', "x < y")
    assert 'alt="a &lt;b&gt;bold&lt;/b&gt; &quot;quoted&quot; text"' in picture.html() and "x &lt; y" in picture.html()


def test_alt_text_that_says_nothing_is_refused():
    with pytest.raises(ValueError, match="too short"):
        Picture(RED, "a figure")


def test_the_same_numbers_give_the_same_figure():
    assert bars([0.7, 0.2, 0.1]).bundle() == bars([0.7, 0.2, 0.1]).bundle()


def test_other_scores_give_another_figure_with_the_same_plain_text():
    one, other = bars([0.7, 0.2, 0.1]).bundle(), bars([0.1, 0.2, 0.7]).bundle()
    assert one["image/png"] != other["image/png"] and one["text/plain"] == other["text/plain"]


def test_the_highest_bar_is_marked_by_more_than_its_colour():
    """In grey too: the first label is bold and carries a triangle, so the first row holds more ink than an equal bar would."""
    first_high, all_equal = bars([0.4, 0.3, 0.3]), bars([0.34, 0.33, 0.33])
    labels = np.asarray(all_equal.image.convert("L"))[60:120, 540:700]  # left of the axis: "▶ cat"
    assert (
        (labels < 128).sum()
        > 1.3 * (np.asarray(bars([0.33, 0.34, 0.33]).image.convert("L"))[100:160, 540:700] < 128).sum()
        > 0
    )
    assert first_high.image.size == all_equal.image.size


def test_names_and_scores_must_be_as_many():
    with pytest.raises(ValueError, match="3 names need as many scores"):
        bars([0.5, 0.5])


def test_dollar_signs_long_texts_and_chinese_are_drawn_as_they_are():
    picture = bars(
        [0.5, 0.3, 0.2], names=["costs $5 or $6", "a photo of a small red cat in the meadow. " * 3, "一只猫"]
    )
    assert picture.image.size == (1480, 544)


def test_figures_drawn_in_many_threads_at_once_are_the_right_ones():
    """Widget callbacks may run beside a cell: each thread must get its own figure."""
    wanted = [bars([0.1 * i, 0.5, 0.2]).image.tobytes() for i in range(8)]
    drawn = [None] * 8

    def draw(i):
        drawn[i] = bars([0.1 * i, 0.5, 0.2]).image.tobytes()

    threads = [threading.Thread(target=draw, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert drawn == wanted


def test_the_square_is_the_middle_of_the_picture():
    picture = Image.new("RGB", (300, 100), "white")
    picture.paste((214, 40, 44), (100, 0, 200, 100))
    assert crop_square(picture, 50).getcolors() == [(2500, (214, 40, 44))]


def test_pyplot_is_not_used():
    for file in Path(kit.__file__).parents[1].rglob("*.py"):
        assert not re.search(r"import .*pyplot|plt\.", file.read_text("utf-8")), file


def test_of_a_long_text_the_beginning_the_chosen_and_the_pooled_position_are_drawn():
    columns = strips.fit_columns([0.5] * 77, {0, 40, 76, 77}, 77, 1.0, 7.0)
    assert list(columns)[:2] == [0, 1] and list(columns)[-2:] == [40, 76] and len(columns) <= 14
    edges = [(middle - width / 2, middle + width / 2) for middle, width in columns.values()]
    assert edges[0][0] == pytest.approx(1.0) and edges[-1][1] <= 7.0 + 1e-9
    assert all(left[1] <= right[0] + 1e-9 for left, right in zip(edges, edges[1:]))
    assert list(strips.fit_columns([0.42] * 77, {0, 2, 3}, 6, 1.0, 7.2)) == list(range(6))  # no more than are enough


def test_a_bold_word_makes_no_warning_in_either_language(caplog):
    figure = make_blank(1)
    figure.text(0, 0.5, "loss 损失", weight="bold", fontsize=7.77)  # a size that no other test has looked up
    finish(figure, ALT, "")
    assert caplog.records == []


# --- a learning curve ----------------------------------------------------------------------------------------------

COLUMNS = {
    "step": [0, 8, 16, 24, 32],
    "loss": [1.5, 1.2, 1.1, 1.0, 0.95],
    "validation_loss": [1.4, 1.2, 1.15, 1.1, 1.12],
    "validation_score": [0.4, 0.5, 0.55, 0.6, 0.6],
}


def whole(**columns):
    """A run with these columns in the place of those above."""
    history = History.from_json({"steps": 40, **COLUMNS, **columns})
    return learning_curve.Run(history, hand=0.45, before=0.47, after=0.58)


WHOLE = whole()


def up_to(evaluations, run=WHOLE):
    return replace(run, after=None, history=replace(run.history, evaluations=run.history.evaluations[:evaluations]))


def curve(*runs, **more):
    return learning_curve.draw_learning_curve(*runs, prompts=("by hand", "learned"), title="a title", alt=ALT, **more)


def blue(picture):
    """How many pixels have the colour of the learner's own run."""
    pixels = np.asarray(picture.image).astype(int)
    return int((np.abs(pixels - [0x00, 0x72, 0xB2]).sum(-1) < 30).sum())


def test_a_learning_curve_can_be_drawn_from_nothing_to_its_end():
    pictures = [curve(None, WHOLE), *(curve(up_to(n), WHOLE) for n in range(6)), curve(WHOLE, WHOLE), curve(WHOLE)]
    assert {picture.image.size for picture in pictures} == {(1480, 820)}
    inks = [blue(picture) for picture in pictures[:8]]
    assert inks[0] == inks[1] == 0 and inks == sorted(inks) and inks[7] > inks[6] + 10_000  # the bar


def test_the_axes_stand_still_while_the_curve_grows():
    """What lies left of the first points, and the scales below the panels, are the same at the beginning and at the end."""
    first, last = (np.asarray(curve(run, WHOLE).image) for run in (up_to(1), WHOLE))
    assert np.array_equal(first[100:480, :110], last[100:480, :110])
    assert np.array_equal(first[490:590, :], last[490:590, :])


def test_a_stored_run_looks_other_than_ones_own_without_colour():
    own, stored = (np.asarray(picture.image.convert("L")) for picture in (curve(WHOLE), curve(None, WHOLE)))
    bar = (slice(630, 650), slice(480, 700))
    assert own[bar].std() < 5 < stored[bar].std()  # filled, and hatched


def test_what_is_kept_is_the_look_with_the_lowest_validation_loss():
    tied = whole(validation_loss=[1, 2, 1, 3, 1])
    assert [run.history.best.step for run in (WHOLE, up_to(2), tied)] == [24, 8, 0]


def test_what_is_kept_is_ringed_in_both_diagrams():
    """The ring moves with the lowest validation loss, and nothing else does."""
    same = {"validation_score": [0.5] * 5, "loss": [1.0] * 5}
    early, late = (whole(validation_loss=[1.4, *losses, 1.4], **same) for losses in ([1.2, 1.3, 1.3], [1.3, 1.3, 1.2]))
    one, other = (np.asarray(curve(run).image.convert("L")).astype(int) for run in (early, late))
    changed = (np.abs(one - other) > 100)[100:480]  # the two panels
    assert changed[:, 120:450].any() and changed[:, 700:1260].any() and not (one - other)[490:].any()


def test_earlier_runs_are_dots_in_a_row_of_their_own_where_they_were_tested():
    earlier = [replace(WHOLE, after=share) for share in (0.2, 0.8)] + [up_to(2)]  # the last was broken off
    row = np.asarray(curve(WHOLE, None, earlier).image).astype(int)[700:728]  # under both bars
    faint = (row[..., 2] - row[..., 0] > 60).any(0).nonzero()[0]  # bluish
    left, right = (460 + share * 800 for share in (0.2, 0.8))  # 0 is at 460, 100 % at 1260
    assert faint[faint < 800].mean() == pytest.approx(left, abs=4)
    assert faint[faint > 800].mean() == pytest.approx(right, abs=4)


def test_before_the_first_step_a_curve_alone_shows_the_hand_prompt_and_sane_axes():
    run = up_to(0)
    picture = np.asarray(curve(run).image.convert("L"))
    assert (picture[100:480, 720:1240] < 100).any(1).sum() <= 30, "the dotted line and its name, and no more"
    assert learning_curve._round_limits(run.history.column("loss"), 1) == learning_curve.UNKNOWN


def test_axes_leave_out_what_no_loss_and_no_share_can_be():
    assert learning_curve._round_limits([0.1, 0.4, 0.05, 0.4], 1)[0] == 0
    assert learning_curve._round_limits([0.97, 1.0, 0.95], 0.2, most=1.0)[1] == 1


@pytest.mark.parametrize(("last", "side"), [(0.6, "top"), (0.3, "bottom")])
def test_the_name_of_the_dotted_line_stands_where_the_curve_does_not(monkeypatch, last, side):
    """Hung by its top under the line where the curve ends above it, and standing on the line where it ends below."""
    sides, annotate = {}, Axes.annotate

    def spied(axes, text, *given, **more):
        sides[text.split("  ")[0]] = more.get("va")
        return annotate(axes, text, *given, **more)

    monkeypatch.setattr(Axes, "annotate", spied)
    curve(whole(validation_score=[0.6, 0.6, 0.6, 0.6, last]))
    assert sides["by hand"] == side


def test_a_learning_curve_of_nothing_is_refused():
    with pytest.raises(ValueError, match="nothing to draw"):
        curve(None)


def test_names_of_curves_that_end_together_do_not_lie_on_each_other():
    assert move_apart([0.5, 0.5], 0.1) == pytest.approx([0.55, 0.45])
    assert move_apart([0.4, 0.45], 0.1) == pytest.approx([0.375, 0.475])
    assert move_apart([0.4, 0.6], 0.1) == [0.4, 0.6] and move_apart([0.4], 0.1) == [0.4]
