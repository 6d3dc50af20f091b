"""Facts about the explorers, figures and tables of lesson 01, on the pocket CLIP."""

import ast
import builtins
import math
import re
from pathlib import Path
from types import SimpleNamespace

import ipywidgets
import jupytext
import numpy as np
import pytest
import torch
from explorers import all_widgets, in_language
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image
from transformers import CLIPConfig, CLIPModel

from helpers import notebook
from helpers.pretrained import POCKET_CLIP, classify_zero_shot, encode_images, encode_texts, load_clip
from lessons.kit.explorer import WIDGET_VIEW, Sentence, compute_checksum
from lessons.lesson_01_inside_clip import figures
from lessons.lesson_01_inside_clip.explorers import attention, contrastive, embedding, parts
from pocket import world

LESSON = Path(__file__).parents[1] / "lessons" / "lesson_01_inside_clip" / "lesson.py"
TWO = world.Scene((world.Thing("dog", "brown", "medium"), world.Thing("ball", "red", "small")), "meadow")
THINGS = ("cat", "red"), ("boat", "blue"), ("umbrella", "yellow")
IMAGES = [world.draw(world.Scene((world.Thing(name, colour),))) for name, colour in THINGS]
CAPTIONS = [f"a {colour} {name}" for name, colour in THINGS]
RED = Image.new("RGB", (256, 256), (214, 40, 44))
LONG = "a photo of a small yellow umbrella beside a large purple butterfly at night"
WORDS = {"title": "a title", "alt": "What one would say of it."}
TEXTS = [f"a photo of a {name}." for name in ("cat", "dog", "ball", "key")]


@pytest.fixture(scope="module")
def clip():
    return load_clip()


def explorers(clip, *names):
    """Those with these names, or all: freshly made."""
    make = {
        "token": lambda: embedding.explore_tokens(*clip),
        "attention": lambda: attention.explore_attention(*clip, world.draw(TWO)),
        "matrix": lambda: contrastive.explore_matrix(*clip, IMAGES, CAPTIONS),
        "temperature": lambda: contrastive.explore_temperature(*clip, world.draw(TWO), TEXTS),
    }
    return {name: make[name]() for name in names or make}


def still_pictures():
    return (
        embedding.draw_patches(world.draw(TWO)),
        contrastive.draw_similarities(IMAGES, CAPTIONS, torch.eye(3)),
        attention.draw_causal_mask(3, ["SOS", "cat", "EOT"]),
    )


def pixels_of(clip):
    return clip[1].image_processor([world.draw(TWO)], return_tensors="pt")["pixel_values"]


# --- what all explorers keep -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("token", {"text": "a small boat", "position": 3}),
        ("attention", {"place": 0, "layer": 1, "head": 4}),
        ("matrix", {f"cosine_{row}_{column}": 0.5 for row in (1, 2, 3) for column in (1, 2, 3)} | {"scale": 50}),
        ("temperature", {"scale": 5}),
    ],
)
def test_every_control_changes_the_picture(clip, name, values):
    explorer = explorers(clip, name)[name]
    assert set(values) == set(explorer.controls)
    for control, value in reversed(values.items()):
        before, page = np.asarray(explorer.shown.image), explorer.view.value
        explorer.controls[control].value = value
        after = np.asarray(explorer.shown.image)
        assert before.shape != after.shape or (before != after).any(), control
        assert explorer.view.value == explorer.shown.html() != page


def test_all_texts_are_in_the_learners_language_and_alt_texts_without_measured_decimals(clip, lang):
    """Other machines round otherwise; what is left are the learned scale, a weight, and the loss where all pairs are clear."""
    for name, explorer in explorers(clip).items():
        for key, control in explorer.controls.items():
            assert control.description and (key.startswith("cosine") or in_language(control.description, lang)), name
        assert in_language(explorer.shown.alt, lang) and in_language(explorer.shown.caption, lang)
        decimals = set(re.findall(r"\d+\.\d+", explorer.shown.alt))
        assert decimals <= {"temperature": {"65.5"}, "matrix": {"65.5", "0.00"}}.get(name, set())
        for widget in all_widgets(explorer.widget):
            if isinstance(widget, ipywidgets.Button):
                assert widget.description and in_language(widget.tooltip or widget.description, lang)
    for picture in still_pictures():
        assert in_language(picture.alt, lang) and in_language(picture.caption, lang)


def test_explorers_are_core_widgets_and_leave_the_model_alone_and_their_twins_are_the_same_at_every_run(clip):
    before = compute_checksum(clip[0]), clip[0].config.to_json_string(), clip[0].training
    for first, second in zip(explorers(clip).values(), explorers(clip).values()):
        inside = list(all_widgets(first.widget))
        assert all(type(widget).__module__.startswith("ipywidgets.") for widget in inside)
        assert {id(widget) for widget in (*first.controls.values(), first.view)} <= set(map(id, inside))
        bundle = first._repr_mimebundle_()
        assert bundle.pop(WIDGET_VIEW)["model_id"] == first.widget.model_id
        assert bundle == second.shown.bundle()
    assert (compute_checksum(clip[0]), clip[0].config.to_json_string(), clip[0].training) == before


# --- tokens ------------------------------------------------------------------------------------------------------


def told(clip, text, position=1):
    """The text as it is read, and the alt text and the caption of its picture."""
    read = embedding._read_text(*clip, text)
    return SimpleNamespace(
        **vars(read), alt=embedding._describe_columns(read, position), caption=embedding._caption_columns(read, 77)
    )


def test_tokens_ids_and_the_pooled_position_are_told(clip):
    shown = embedding.explore_tokens(*clip, "a photo of a red cat.").shown
    assert "SOS, a, photo, of, a, red, cat, ., EOT." in shown.alt and "position 8, EOT" in shown.alt
    assert ", ".join(map(str, clip[1].tokenizer("a photo of a red cat.")["input_ids"])) in shown.alt
    assert "From position 9 to 76 there is only padding: EOT's id again." in shown.caption
    assert "marks position 6, cat" in shown.alt  # to begin with, the word before the full stop


def test_a_word_in_pieces_stands_over_its_pieces(clip):
    giraffe, cat = told(clip, "a giraffe on the beach"), told(clip, "a cat on the beach")
    assert giraffe.words == [(2, 5, "giraffe")] and "".join(giraffe.tokens[2:6]) == "gi*ra*ff*e*"
    assert "bracket" in giraffe.caption and cat.words == [] and "bracket" not in cat.caption


def test_tokens_that_training_never_used_have_a_star(clip, lang):
    assert "*" in told(clip, "a giraffe").caption and "*" not in told(clip, "a cat").caption


def test_letters_that_the_vocabulary_lacks_are_named_by_their_bytes(clip):
    read = told(clip, "猫")
    assert [token.rstrip("*") for token in read.tokens[1:4]] == ["<E7>", "<8C>", "<AB>"]
    assert read.words == [(1, 3, "猫")]


def test_an_empty_text_is_start_end_and_padding(clip, lang):
    shown = told(clip, "")
    assert "SOS, EOT" in shown.alt and shown.used == 2 and in_language(shown.caption, lang)


@pytest.mark.parametrize("words", [75, 76, 300])
def test_a_text_that_is_too_long_is_cut_and_the_caption_says_so(clip, words, lang):
    shown = told(clip, "cat " * words)
    assert (str(words) in shown.caption) == (words > 75) and shown.pooled == 76 and len(shown.tokens) == 77


def test_the_text_is_pooled_at_the_first_end_of_text_whatever_follows(clip):
    """Tokens after EOT cannot matter; the library agrees."""
    read = told(clip, "a cat <|endoftext|> dog")
    assert read.tokens[:6] == ["SOS", "a", "cat", "EOT", "dog", "EOT"] and read.pooled == 3
    one, other = encode_texts(*clip, ["a cat", "a cat <|endoftext|> dog"])
    assert torch.allclose(one, other, atol=1e-6)


def test_any_text_and_any_position_can_be_drawn(clip):
    explorer = embedding.explore_tokens(*clip, "")
    for text, position in (("$x$ <b>一只猫", 0), ("word " * 100, 40), ("supercalifragilisticexpialidocious", 76)):
        explorer.controls["text"].value, explorer.controls["position"].value = text, position
        assert explorer.shown.image.width == 1480 and f"position {position}, " in explorer.shown.alt


# --- attention ---------------------------------------------------------------------------------------------------


def test_attention_by_hand_is_the_librarys_eager_attention(clip):
    eager = CLIPModel.from_pretrained(POCKET_CLIP, attn_implementation="eager", dtype=torch.float32).eval()
    with torch.no_grad():
        theirs = torch.cat(eager.vision_model(pixel_values=pixels_of(clip), output_attentions=True).attentions)
    ours = attention.compute_attention(clip[0], pixels_of(clip))
    assert ours.shape == theirs.shape == (4, 4, 65, 65)
    assert (ours - theirs).abs().max() < 1e-5
    assert torch.allclose(ours.sum(-1), torch.ones(4, 4, 65))


def test_attention_maps_are_those_of_the_chosen_layer_and_head(clip, monkeypatch):
    seen = {}

    def picture(image, chosen, looks, seen_by, **more):
        seen.update(chosen=chosen, looks=looks, seen=seen_by)
        return Sentence("drawn")

    monkeypatch.setattr(figures, "draw_attention_maps", picture)
    controls = attention.explore_attention(*clip, world.draw(TWO)).controls
    maps = attention.compute_attention(clip[0], pixels_of(clip)).numpy()
    assert np.allclose(seen["looks"], maps[3].mean(0)[37]) and np.allclose(seen["seen"], maps[3].mean(0)[:, 37])
    controls["layer"].value, controls["head"].value, controls["place"].value = 2, 3, 0
    assert np.allclose(seen["looks"], maps[1, 2, 0]) and np.allclose(seen["seen"], maps[1, 2, :, 0])
    attention.explore_attention(*clip, world.draw(TWO), patch=64, layer=3, head=4)
    assert seen["chosen"] == 64 and np.allclose(seen["looks"], maps[2, 3, 64])


def patch_buttons(explorer):
    found = [widget for widget in all_widgets(explorer.widget) if isinstance(widget, ipywidgets.Button)]
    assert [button.description for button in found] == [str(number) for number in range(65)]
    return found


def test_a_patch_is_chosen_by_its_button_or_by_the_slider_and_both_agree(clip):
    explorer = attention.explore_attention(*clip, world.draw(TWO), patch=1)
    buttons = patch_buttons(explorer)
    for number in (12, 0):
        buttons[number].click()
        assert explorer.controls["place"].value == number
        marked = [n for n, button in enumerate(buttons) if button.layout is not buttons[5].layout]
        assert marked == [number]
    explorer.controls["place"].value = 30
    assert "patch 30 (row 4, column 6) framed" in explorer.shown.alt


def test_where_letters_cannot_be_coloured_buttons_stay_plain(clip):
    """ipywidgets 7.7 cannot turn letters white: on a dark patch, or in a dark theme, nobody could read them."""
    for button in patch_buttons(attention.explore_attention(*clip, world.draw(TWO)))[1:]:
        coloured = getattr(button.style, "text_color", None)
        assert bool(button.style.button_color) == bool(coloured)


def test_a_map_without_a_clear_maximum_does_not_name_one():
    assert "no place" in attention._describe_darkest(np.full(65, 1 / 65), 8)
    shares = np.full(65, 0.01)
    shares[10] = 0.36
    assert attention._describe_darkest(shares, 8) == "darkest at patch 10 (row 2, column 2)"


def test_where_nearly_everybody_looks_is_told():
    now = SimpleNamespace(place=64, layer=3, head=4)
    for share, all_look in ((0.28, True), (1 / 65, False)):
        words = attention._describe_attention(now, np.full(65, 1 / 65), np.full(65, share), 8, (4, 4))
        assert ("nearly all positions do" in words) == all_look


# --- the loss ----------------------------------------------------------------------------------------------------


def test_on_the_models_own_cosines_the_loss_is_the_librarys(clip):
    model, processor = clip
    inputs = processor(text=CAPTIONS, images=IMAGES, return_tensors="pt", padding=True)
    with torch.no_grad():
        theirs = model(**inputs, return_loss=True).loss
    cosines = encode_images(model, processor, IMAGES) @ encode_texts(model, processor, CAPTIONS).T
    ours = contrastive.compute_clip_losses(cosines, model.logit_scale.exp())[0]
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)


def test_the_loss_is_the_mean_of_what_pictures_and_captions_lose():
    cosines = torch.tensor([[0.5, 0.1], [0.4, 0.2]], dtype=torch.float64)
    loss, image_loss, text_loss = (float(part) for part in contrastive.compute_clip_losses(cosines, 10))
    pictures = [math.log(1 + math.exp(10 * (0.1 - 0.5))), math.log(1 + math.exp(10 * (0.4 - 0.2)))]
    captions = [math.log(1 + math.exp(10 * (0.4 - 0.5))), math.log(1 + math.exp(10 * (0.1 - 0.2)))]
    assert image_loss == pytest.approx(sum(pictures) / 2) and text_loss == pytest.approx(sum(captions) / 2)
    assert loss == pytest.approx((image_loss + text_loss) / 2)


def test_equal_cosines_lose_what_guessing_loses_and_a_clear_diagonal_nothing():
    for n in (2, 3, 4):
        assert float(contrastive.compute_clip_losses(torch.zeros(n, n), 50)[0]) == pytest.approx(math.log(n))
        assert float(contrastive.compute_clip_losses(2 * torch.eye(n) - 1, 50)[0]) == pytest.approx(0)


def test_cosines_that_are_not_square_are_refused():
    with pytest.raises(ValueError, match=r"must be square, and these are \(2, 3\)"):
        contrastive.compute_clip_losses(torch.zeros(2, 3), 1)


def press(explorer, name):
    buttons = [widget for widget in all_widgets(explorer.widget) if isinstance(widget, ipywidgets.Button)]
    next(button for button in buttons if button.description == name).click()


def test_the_matrix_begins_with_what_clip_says_and_a_button_brings_it_back_and_draws_once(clip, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        figures, "draw_contrastive_matrices", lambda *numbers, **more: drawn.append(numbers) or Sentence("drawn")
    )
    explorer = contrastive.explore_matrix(*clip, IMAGES, CAPTIONS)
    press(explorer, "All cosines 0")
    press(explorer, "What CLIP says")
    cosines = encode_images(*clip, IMAGES) @ encode_texts(*clip, CAPTIONS).T
    first, empty, again = drawn
    assert np.abs(first[2] - cosines.numpy()).max() <= 0.005 + 1e-6  # as fine as the sliders are
    assert first[3] == pytest.approx(clip[0].logit_scale.exp().item())
    assert (empty[2] == 0).all() and (again[2] == first[2]).all() and again[3] == pytest.approx(first[3])


def test_no_value_is_set_that_a_view_would_move(clip):
    """A slider's view moves what lies between two steps and tells the kernel, which would draw everything again."""
    explorer = contrastive.explore_matrix(*clip, IMAGES, CAPTIONS)
    press(explorer, "What CLIP says")
    for name, slider in explorer.controls.items():
        value = math.log10(slider.value) if name == "scale" else slider.value
        steps = (value - slider.min) / slider.step
        assert steps == pytest.approx(round(steps), abs=1e-6)


def test_who_chooses_rightly_is_told_only_where_it_is_clear():
    cosines = torch.tensor([[0.9, 0.0, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 0.0]])
    words = contrastive._describe_matrix(cosines, 10, 0.5)
    assert "clearly right: picture 1." in words and "clearly right: captions 1, 2." in words
    assert "no picture is clearly right" in contrastive._describe_matrix(torch.zeros(3, 3), 10, math.log(3))


def test_two_to_four_pairs_can_be_compared_and_no_others(clip):
    for n in (2, 4):
        assert len(contrastive.explore_matrix(*clip, [RED] * n, [LONG] * n).controls) == n * n + 1
    for images, captions in ((IMAGES[:1], CAPTIONS[:1]), (IMAGES, CAPTIONS[:2]), (IMAGES * 2, CAPTIONS * 2)):
        with pytest.raises(ValueError, match="two to four"):
            contrastive.explore_matrix(*clip, images, captions)


# --- temperature -------------------------------------------------------------------------------------------------


def test_it_begins_at_the_learned_scale_where_the_shares_are_the_models_own(clip, monkeypatch):
    drawn = SimpleNamespace()

    def picture(image, texts, cosines, scale, learned, scales, **more):
        drawn.shares, drawn.scale, drawn.learned = (scale * torch.tensor(cosines)).softmax(0), scale, learned
        return Sentence("drawn")

    monkeypatch.setattr(figures, "draw_shares_by_scale", picture)
    controls = contrastive.explore_temperature(*clip, world.draw(TWO), TEXTS).controls
    assert drawn.scale == pytest.approx(drawn.learned) == pytest.approx(clip[0].logit_scale.exp().item())
    assert torch.allclose(drawn.shares, classify_zero_shot(*clip, world.draw(TWO), TEXTS), atol=1e-5)
    controls["scale"].value = 1
    assert drawn.shares.max() < 2 * drawn.shares.min()  # at 1 all texts are alike
    controls["scale"].value = 500
    assert drawn.scale == pytest.approx(200)


# --- figures that stand still ------------------------------------------------------------------------------------


def test_a_picture_is_cut_into_as_many_patches_as_fit_and_the_class_token_is_counted(lang):
    drawn = [embedding.draw_patches(RED, patch, side) for patch, side in ((8, 64), (32, 224), (16, 224))]
    assert all(positions in picture.caption for picture, positions in zip(drawn, ("65", "50", "197")))
    assert len({picture.image.tobytes() for picture in drawn}) == 3


def test_a_picture_of_any_size_is_cut_as_the_model_sees_it():
    large, small = (
        np.asarray(embedding.draw_patches(world.draw(TWO, size=size)).image, dtype=int) for size in (256, 64)
    )
    assert large.shape == small.shape and np.abs(large - small).mean() < 8


def test_the_similarity_matrix_counts_the_rows_that_are_right():
    cosines = torch.tensor([[0.9, 0.1, 0.0], [0.5, 0.2, 0.0], [0.0, 0.1, 0.3]])
    assert "in 2 of 3 rows" in contrastive.draw_similarities(IMAGES, CAPTIONS, cosines).alt
    with pytest.raises(ValueError, match=r"need cosines of \(3, 3\), not \(2, 3\)"):
        contrastive.draw_similarities(IMAGES, CAPTIONS, cosines[:2])


def test_a_mask_needs_a_label_for_each_position():
    assert "0, 1, 2, 3" in attention.draw_causal_mask(4).alt
    with pytest.raises(ValueError, match="4 positions need 4 labels, and there are 2"):
        attention.draw_causal_mask(4, ["SOS", "EOT"])


# --- what figures say without colour -------------------------------------------------------------------------------


def grey_of(picture):
    return np.asarray(picture.image.convert("L")).astype(int)


def text_of(n, pooled):
    """A text of n positions, each with its own vectors."""
    vectors = np.random.default_rng(0).normal(size=(2, n, 8))
    rows = [figures.Position("cat", i, row, place) for i, (row, place) in enumerate(zip(*vectors))]
    return figures.draw_tokens_as_vectors(rows, [(1, 2, "catcat")], chosen=1, pooled=pooled, **WORDS)


def test_the_pooled_position_is_told_without_colour():
    first, second = (grey_of(text_of(6, pooled)) for pooled in (3, 4))
    assert (first != second).any()
    words = (slice(70, 96), slice(550, 1480))  # the line above the tokens, where only "pooled here" stands
    ink = [(np.flatnonzero((picture[words] < 150).any(0))).mean() for picture in (first, second)]
    assert ink[1] > ink[0] + 60


def attention_of(chosen, looks):
    shares = np.asarray(looks, dtype=float)
    return figures.draw_attention_maps(RED, chosen, shares, shares, **WORDS)


def test_attention_that_is_spread_evenly_makes_a_pale_map_and_a_peak_a_dark_patch():
    even, peak = np.full(65, 1 / 65), np.full(65, 0.005)
    peak[28] += 1 - peak.sum()  # row 4, column 4
    maps = [np.asarray(attention_of(64, looks).image.convert("RGB"))[204:620, 524:956] for looks in (even, peak)]
    saturation = [picture.max(-1).astype(int) - picture.min(-1) for picture in maps]
    patch = (slice(145, 192), slice(164, 178))  # of the peak, beside its number
    assert saturation[0].max() < 120 < saturation[1][patch].mean()
    assert np.median(saturation[1]) < 10


def test_the_class_token_and_every_patch_can_be_framed():
    drawn = {attention_of(chosen, np.full(65, 1 / 65)).image.tobytes() for chosen in (0, 1, 8, 57, 64)}
    assert len(drawn) == 5


def test_pairs_that_belong_together_are_framed():
    """With all cosines equal only the frames tell the diagonal from the rest."""
    picture = grey_of(contrastive.draw_similarities([RED] * 3, CAPTIONS, np.zeros((3, 3))))
    cell, wide = 132, 320
    top = picture.shape[0] - 24 - 3 * cell
    dark = [
        [(picture[top + r * cell :, 180 + c * wide :][:cell, :wide] < 60).sum() for c in range(3)] for r in range(3)
    ]
    assert min(np.diag(dark)) > 1.5 * max(dark[0][2], dark[2][0])


@pytest.mark.parametrize("n", [2, 4, 6])
def test_captions_stand_whole_over_their_columns(n, monkeypatch):
    monkeypatch.setattr(contrastive, "finish", lambda figure, *_: figure)
    figure = contrastive.draw_similarities([RED] * n, [LONG] * n, np.zeros((n, n)))
    labels = [text for text in figure.findobj(Text) if " ".join(text.get_text().split()) == LONG]
    boxes = [label.get_window_extent(FigureCanvasAgg(figure).get_renderer()) for label in labels]
    assert len(boxes) == n and boxes[-1].x1 <= figure.bbox.x1 and boxes[0].y1 <= figure.bbox.y1 - 50  # under the title
    assert all(left.x1 < right.x0 for left, right in zip(boxes, boxes[1:]))


def test_shares_are_drawn_at_every_scale_and_with_the_learned_one_anywhere():
    drawn = [
        figures.draw_shares_by_scale(RED, CAPTIONS, [0.3, -0.1, 0.25], scale, learned, (1, 200), **WORDS)
        for scale, learned in ((1, 65.5), (65.5, 65.5), (200, 65.5), (120, 100))
    ]
    assert len({picture.image.tobytes() for picture in drawn}) == 4


def test_what_a_position_may_see_is_told_without_colour():
    picture = grey_of(attention.draw_causal_mask(3))
    left, cell, bottom = 145, 72, picture.shape[0] - 28

    def inside(row, column):  # without the lines between cells
        top = bottom - (3 - row) * cell
        return picture[top + 6 : top + cell - 6, left + column * cell + 6 : left + (column + 1) * cell - 6]

    for row in range(3):
        for column in range(3):
            middle, corner = inside(row, column)[26:34, 26:34].mean(), inside(row, column)[:10, :10].mean()
            assert (middle > corner + 80) == (column <= row)  # a white dot in a dark cell
            assert (corner > 180) == (column > row)


# --- tables ------------------------------------------------------------------------------------------------------


def test_every_attribute_beside_an_older_name_can_be_typed(clip, lang):
    table = parts.tabulate_older_names(clip[0])
    rows = {name: (path, kind) for name, path, kind in table.rows}
    for path, kind in rows.values():
        assert type(eval(path, {"clip": clip[0]})).__name__ == kind.split()[0]
    assert rows["token_embeddings"] == ("clip.text_model.embeddings.token_embedding", "Embedding (2125, 128)")
    assert rows["pre_layernorm"] == ("clip.vision_model.pre_layrnorm", "LayerNorm (128,)")
    assert rows["vision_projection"][0] == "clip.visual_projection"
    assert rows["patch_embeddings"] == ("clip.vision_model.embeddings.patch_embedding", "Conv2d (128, 3, 8, 8)")
    assert rows["CLIPTextTransformer"][1] in ("CLIPTextTransformer", "CLIPTextModel")  # up to 5.5, and since
    assert in_language(table.header[0], lang)


def test_configurations_show_the_pocket_model_beside_the_full_sizes(clip):
    table = parts.tabulate_configurations(clip[0])
    rows = {name: cells for name, *cells in table.rows}
    assert table.header == ("", "pocket CLIP", "ViT-B/32", "ViT-B/16")
    assert rows["vision tower: positions"] == ["65", "50", "197"]
    assert rows["text tower: vocabulary"] == ["2,125", "49,408", "49,408"]
    assert rows["text tower: width"] == ["128", "512", "512"]
    assert rows["parameters: all"] == [f"{clip[0].num_parameters():,}", "151,277,313", "149,620,737"]


def test_the_parameters_by_part_add_up_to_all(clip, lang):
    rows = parts.tabulate_configurations(clip[0]).rows[-6:]
    *several, total = [[int(cell.replace(",", "")) for cell in cells] for _, *cells in rows]
    assert [sum(column) for column in zip(*several)] == total


def test_the_full_sizes_take_no_memory_and_leave_the_default_device_alone(clip):
    parts.tabulate_configurations(clip[0])
    assert torch.zeros(1).device.type == "cpu" and CLIPConfig().vision_config.patch_size == 32


def test_a_table_with_a_header_says_so_in_html_and_in_plain_text():
    table = notebook.Table([("a", "1")], ("what", "how many"), align="right")
    assert table._repr_html_() == (
        '<table><tr><th style="text-align: left">what</th><th style="text-align: right">how many</th></tr>'
        '<tr><td style="text-align: left">a</td><td style="text-align: right">1</td></tr></table>'
    )
    assert repr(table) == "what  how many\na  1"
    assert repr(notebook.Table([("a", "1")])) == "a  1" and "<th" not in notebook.Table([("a", "1")])._repr_html_()


# --- what the lesson tells the learner to type -----------------------------------------------------------------------


def names_there_are(clip):
    """Attributes of the model, its parts and its configuration, and what Python, torch and the lesson's own cells define."""
    config = clip.config
    there = [clip, config, config.text_config, config.vision_config, torch, torch.nn.functional, torch.Tensor]
    names = {name for part in [*there, *clip.modules(), builtins] for name in dir(part)}
    cells = jupytext.read(LESSON).cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    return names | {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}


def test_every_name_that_the_lesson_tells_one_to_type_exists(clip):
    there = names_there_are(clip[0])
    prose = "\n".join(cell.source for cell in jupytext.read(LESSON).cells if cell.cell_type == "markdown")
    typed = {span for span in re.findall(r"`([^`]+)`", prose) if re.fullmatch(r"[A-Za-z_][\w.]*( = \d+)?", span)}
    assert len(typed) >= 10
    for span in typed:
        if "/" not in span and not (LESSON.parents[1] / span).exists():
            missing = [
                name
                for name in span.split(" =")[0].split(".")
                if name not in there | {"int2str", "query", "key", "value"}
            ]
            assert not missing, f"{span}: there is no {missing}"
