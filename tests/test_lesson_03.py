"""Facts about the pictures and explorers of lesson 03, on the pocket models with a prompt and a projection that never learned."""

import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from explorers import all_widgets, in_language, moved
from PIL import Image
from transformers import CLIPConfig, CLIPModel

from helpers import reading
from helpers.captioner import IGNORED, VLMWithSoftPrompt
from helpers.captioner_training import batch_captions, initialise_projection
from helpers.pretrained import load_clip, load_language_model
from lessons.kit.explorer import WIDGET_VIEW, compute_checksum
from lessons.kit.picture import Picture
from lessons.kit.tokens import name_token
from lessons.lesson_03_soft_prompt.explorers import input_row, learning
from lessons.lesson_03_soft_prompt.figures import input_row as figures
from pocket.datasets import read_scene
from pocket.language import write_full_caption
from pocket.words import CHINESE_WORDS
from pocket.world import Scene, Thing, draw
from tools.build import find_wrong_variants, read_glossary

ROOT = Path(__file__).parents[1]
DRAWING = ("draw_input_row", "draw_patch_words", "draw_scored_labels")
WORDS = "describe what you see: write a caption for the picture:"
GLOSSARY = read_glossary(ROOT / "lessons" / "glossary.md")


def made(clip, **options):
    """A captioner whose projection is begun from a few captions."""
    generator = torch.Generator().manual_seed(0)
    model = VLMWithSoftPrompt(clip, load_language_model("pocket"), init=WORDS, generator=generator, **options)
    seen = input_row.load_test_pictures(model)
    initialise_projection(
        model,
        model.encode([picture.small for picture in seen]),
        [write_full_caption(picture.scene) for picture in seen],
    )
    return model


@pytest.fixture(scope="module")
def model():
    torch.set_num_threads(1)
    return made(load_clip("pocket"))


@pytest.fixture(scope="module")
def pooled():
    return made(load_clip("pocket"), vision_features="pooled")


@pytest.fixture(scope="module")
def begun(model):
    """Another projection than the model's."""
    noise = torch.randn(model.vision_projection.weight.shape, generator=torch.Generator().manual_seed(1))
    return model.vision_projection.weight + noise * model.vision_projection.weight.std(), model.vision_projection.bias


@pytest.fixture
def undrawn(monkeypatch):
    """Figures are not drawn: what was to be drawn is kept, and alt and caption are real."""
    drawn, nothing = [], Image.new("RGB", (2, 2))

    def instead(*numbers, alt, caption, **rest):
        drawn.append((*numbers, rest))
        return Picture(nothing, alt, caption)

    for name in DRAWING:
        monkeypatch.setattr(figures, name, instead)
    return drawn


def explorers(model, begun, *names):
    """Those with these names, or all: freshly made."""
    make = {
        "sequence": lambda: input_row.explore_input_row(model),
        "translation": lambda: input_row.explore_patch_words(model, begun),
        "strip": lambda: input_row.explore_scored_labels(model),
    }
    return {name: make[name]() for name in names or make}


# --- what all explorers keep ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sequence", "translation", "strip"])
def test_every_control_changes_the_picture_by_one_step_and_back(model, begun, name, undrawn):
    """As the test in the browser moves them: a slider one step to the right, a list to its last option and back, a tick twice."""
    explorer = explorers(model, begun, name)[name]
    for control, widget in explorer.controls.items():
        ways = [not widget.value, widget.value] if isinstance(widget.value, bool) else []
        if hasattr(widget, "options"):
            values = [value for _, value in widget.options]
            here = values.index(widget.value)
            slider = type(widget).__name__ == "SelectionSlider"
            ways = [values[here + 1]] if slider else [values[-1], values[here]]
        for value in ways or [widget.value + 1]:
            before, alt = pickle.dumps(undrawn[-1]), explorer.shown.alt
            widget.value = value
            assert pickle.dumps(undrawn[-1]) != before and explorer.view.value == explorer.shown.html(), control
            assert explorer.shown.alt != alt, control


def test_all_texts_are_in_the_learners_language(model, begun, lang, undrawn):
    for explorer in explorers(model, begun).values():
        for name, control in explorer.controls.items():
            assert control.description and in_language(control.description, lang)
            for option in getattr(control, "options", ()):
                assert name == "caption" or option[0][0].isdigit() or in_language(option[0], lang)
            for value in list(dict(getattr(control, "options", {})).values()) or [control.value]:
                control.value = value
                picture = explorer.shown
                assert in_language(picture.alt, lang) and in_language(picture.caption, lang)
                assert not list(find_wrong_variants(picture.alt + picture.caption, GLOSSARY))


def test_explorers_are_core_widgets_and_leave_the_model_alone(model, begun):
    before = compute_checksum(model), model.vision_features, model.training
    for explorer in explorers(model, begun).values():
        inside = list(all_widgets(explorer.widget))
        assert all(type(widget).__module__.startswith("ipywidgets.") for widget in inside)
        assert WIDGET_VIEW in explorer._repr_mimebundle_() and explorer.shown.image.width == 1480
    assert (compute_checksum(model), model.vision_features, model.training) == before


def test_the_pictures_are_test_pictures_that_no_training_sees_and_have_chinese_names(lang):
    record = json.loads(input_row.SCENES.read_text(encoding="utf-8"))
    scenes = [read_scene(record[f"images/{name}.png"]) for name in input_row.SHOWN]
    learned = {text["text"] for text in json.loads((ROOT / "data/captions/train.json").read_text(encoding="utf-8"))}
    assert all(name.startswith("test-") for name in input_row.SHOWN)
    assert not learned & set(map(write_full_caption, scenes))
    named = [input_row.name_test_scene(scene) for scene in scenes]
    assert named[0] == {"en": "purple car, beach, cartoon", "zh": "紫色汽车，海滩，卡通"}[lang]
    assert len(set(named)) == len(named) and all(in_language(name, lang) for name in named)
    assert {word for scene in scenes for word in (scene.background, scene.style)} <= set(CHINESE_WORDS)


# --- the sequence --------------------------------------------------------------------------------------------------


def test_what_is_drawn_is_what_gpt2_reads_and_what_it_predicts(model, undrawn):
    explorer = input_row.explore_input_row(model)
    prompt, image, patches, words, (following, share), limit, rest = undrawn[-1]
    picture = input_row.load_test_pictures(model)[0]
    ids = torch.tensor([model.tokenizer(write_full_caption(picture.scene))["input_ids"][:5]])
    entered = []
    handle = model.language_model.base_model.register_forward_pre_hook(
        lambda module, given, named: entered.append(named["inputs_embeds"]), with_kwargs=True
    )
    logits = model([picture.small], ids)[0, -1]
    handle.remove()
    drawn = np.stack([*(piece.vector for piece in prompt), *patches, *(word.vector for word in words)])
    assert np.allclose(entered[0][0].detach().numpy(), drawn, atol=1e-5) and drawn.shape == (10 + 64 + 5, 192)
    assert following == model.tokenizer.decode([int(logits.argmax())]).strip()
    assert share == pytest.approx(logits.softmax(-1).max().item(), abs=1e-4)
    assert [word.label for word in words] == ["a", "cartoon", "of", "a", "medium"]
    assert "10 + 64 + 5 = 79 vectors of 192 numbers" in rest["title"] and rest["projection"].endswith(
        "128 → 192 numbers"
    )
    assert "“purple”" in explorer.shown.caption  # how the caption goes on


def test_a_longer_prompt_is_completed_by_random_vectors_and_says_so(model, lang, undrawn):
    explorer = input_row.explore_input_row(model)
    wanted = {"en": "random numbers", "zh": "点线框里的是随机数"}[lang]
    assert wanted not in explorer.shown.caption
    caption = moved(explorer, vectors=13).caption
    assert wanted in caption and [piece.learned for piece in undrawn[-1][0]] == [True] * 10 + [False] * 3
    kept = [piece.vector for piece in undrawn[-1][0][:10]]
    caption = moved(explorer, vectors=4).caption
    assert {"en": "only the first 4 stand here", "zh": "只放了前 4 个"}[lang] in caption and wanted not in caption
    assert np.array_equal([piece.vector for piece in undrawn[-1][0]], kept[:4])


def test_pooled_features_are_one_vector_and_the_caption_warns_of_the_prediction(model, pooled, lang, undrawn):
    warning = {"en": "do not believe the prediction", "zh": "预测不能当真"}[lang]
    explorer = input_row.explore_input_row(model)
    assert len(undrawn[-1][2]) == 64 and warning not in explorer.shown.caption
    caption = moved(explorer, features="pooled").caption
    assert len(undrawn[-1][2]) == 1 and warning in caption and "10 + 1 + 5 = 16" in undrawn[-1][-1]["title"]
    explorer = input_row.explore_input_row(pooled)
    assert explorer.controls["features"].value == "pooled" and warning not in explorer.shown.caption
    assert warning in moved(explorer, features="patches").caption


def test_the_text_may_be_empty_or_whole_and_is_never_longer_than_the_caption(model, undrawn):
    explorer = input_row.explore_input_row(model)
    assert "no text yet" in moved(explorer, tokens=0).alt and undrawn[-1][3] == []
    lengths = set()
    for number, picture in enumerate(input_row.load_test_pictures(model)):
        explorer.controls["picture"].value = number
        explorer.controls["tokens"].value = explorer.controls["tokens"].max
        text = write_full_caption(picture.scene)
        assert f"“{text}”" in explorer.shown.alt and "goes on with “end”" in explorer.shown.caption
        lengths.add(explorer.controls["tokens"].value)
    assert len(lengths) > 1


@pytest.mark.parametrize(("grid", "prompt", "words"), [(1, 1, 0), (2, 20, 13), (7, 1, 1), (14, 20, 13), (24, 10, 3)])
def test_any_number_of_patches_can_be_drawn(grid, prompt, words):
    vector, image = np.linspace(-1, 1, 48), Image.new("RGB", (96, 96), "red")
    picture = figures.draw_input_row(
        [figures.LabelledVector(str(i + 1), vector, learned=i < 10) for i in range(prompt)],
        image,
        np.stack([vector] * grid**2),
        [figures.LabelledVector("umbrella", vector)] * words,
        ("$x$ <b>", 0.5),
        1.0,
        projection="each projected",
        title="a title",
        alt="the alt text of a figure",
    )
    assert picture.image.width == 1480


# --- the ledger ----------------------------------------------------------------------------------------------------


def test_the_ledger_adds_up_here_and_at_full_size(model, lang):
    table = learning.tabulate_parameters(model)
    (prompt, projection, learns, clip, gpt2, frozen, share), full = zip(*(row[1:] for row in table.rows))
    assert prompt == "10 × 192 = 1,920" and projection == "128 × 192 + 192 = 24,768" and learns == "26,688"
    assert full[:3] == ("10 × 768 = 7,680", "768 × 768 + 768 = 590,592", "598,272")
    assert full[3:6] == ("87,456,000", "124,439,808", "211,895,808")
    number = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    assert (clip, gpt2) == (f"{number['vision_model']:,}", f"{number['language_model']:,}")
    assert frozen == f"{number['vision_model'] + number['language_model']:,}"
    assert learns == f"{sum(p.numel() for p in model.parameters() if p.requires_grad):,}"
    assert full[-1] == {"en": "0.28 %", "zh": "0.28%"}[lang] and share.startswith("0.89")
    assert all(row[0] == "GPT-2" or in_language(row[0], lang) for row in table.rows)
    assert "pocket-clip + pocket-gpt2" in table.header[1] and "openai/clip-vit-base-patch32 + gpt2" in table.header[2]


# --- patches as words ----------------------------------------------------------------------------------------------


def test_words_of_patches_are_trained_whole_words_nearest_first(model, begun, undrawn):
    explorer = input_row.explore_patch_words(model, begun)
    rows = reading.read_vocabulary(model.language_model, model.tokenizer).words.tolist()
    names = {model.tokenizer.decode([row]).strip() for row in rows}
    assert {"cat", "photo", "the"} <= names and not {"end", ".", "Z", ""} & names
    table = model.language_model.get_input_embeddings().weight
    patch = model.vision_projection(model.encode([input_row.load_test_pictures(model)[0].small])[0, 20])
    cosines = torch.cosine_similarity(patch[None], table[rows], dim=-1)
    wanted = [model.tokenizer.decode([rows[i]]).strip() for i in cosines.topk(3).indices.tolist()]
    got = []
    for rank in (0, 1, 2):
        moved(explorer, rank=rank)
        got.append(undrawn[-1][1][20])
    assert got == wanted


def test_what_is_true_of_a_picture_are_the_words_of_its_caption_without_the_small_ones():
    scene = Scene((Thing("cat", "red", "small"),), "meadow", "neon sign")
    assert input_row.list_true_words(scene) == {"cat", "red", "small", "meadow", "neon", "sign"}
    sketch = Scene((Thing("cat", "red", "small"),), "night", "sketch")  # whose colour nobody sees
    assert input_row.list_true_words(sketch) == {"cat", "small", "night", "sketch"}
    for one in (scene, sketch):
        assert input_row.list_true_words(one) <= set(re.findall(r"\w+", write_full_caption(one)))


def test_the_caption_counts_true_words_and_sets_them_against_the_other_pictures(model, begun, undrawn):
    caption = moved(input_row.explore_patch_words(model, begun), picture=2).caption
    _, words, true, _ = undrawn[-1]
    scenes = [picture.scene for picture in input_row.load_test_pictures(model)]
    counts = [sum(word in input_row.list_true_words(scene) for word in words) for scene in scenes]
    null = (sum(counts) - counts[2]) / (len(counts) - 1)
    assert sum(true) == counts[2] and f"On {counts[2]} of 64 patches" in caption
    assert f"against the 5 other pictures of the list, would be true on {null:.1f} on average" in caption


def test_the_projection_as_it_began_is_kept_as_it_was(model, begun, undrawn):
    explorer = input_row.explore_patch_words(model, begun)
    learned = undrawn[-1][1]
    assert "Only captions were scored" in explorer.shown.caption
    assert "Only captions were scored" not in moved(explorer, projection="begun").caption
    assert undrawn[-1][1] != learned
    same = model.vision_projection.weight, model.vision_projection.bias
    explorer = input_row.explore_patch_words(model, same)
    moved(explorer, projection="begun")
    assert undrawn[-1][1] == learned


# --- what is scored against what -----------------------------------------------------------------------------------


@pytest.mark.parametrize("caption", range(len(input_row.BATCH)))
def test_arrows_are_what_the_captioner_scores(model, caption, undrawn):
    """Each position that predicts, and its label, as in the loss of `VLMWithSoftPrompt.forward`."""
    explorer = input_row.explore_scored_labels(model)
    moved(explorer, caption=caption)
    columns, _, _, arrows, *_ = undrawn[-1]
    _, labels = batch_captions(model.tokenizer, input_row.BATCH)
    length = labels.shape[1]
    predicting = list(range(10 + 64 - 1, 10 + 64 + length - 1))  # positions: in forward, hidden[:, before - 1 : -1]
    wanted = [
        (str(position), name_token(model.tokenizer, id))
        for position, id in zip(predicting, labels[caption])
        if id != IGNORED
    ]
    assert [(columns[a].position, columns[b].label) for a, b in arrows] == wanted


def test_the_last_place_of_the_picture_predicts_the_first_word(model, lang, undrawn):
    explorer = input_row.explore_scored_labels(model)
    caption = moved(explorer, position=2).caption
    columns, *_, rest = undrawn[-1]
    assert columns[2].position == "73"
    sentence = {"en": "At the last patch the model must say “a”", "zh": "在最后一个图块处，模型要说出“a”"}[lang]
    assert rest["title"].startswith(sentence) and sentence in caption


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "At “a” the model must say “red”: it sees everything up to here"),
        ({"position": 0}, "At the soft prompt nothing is scored"),
        ({"position": 7}, "At “end” nothing is scored: the caption is over"),
        ({"position": 8}, "At “pad” nothing is scored: padding"),
        ({"position": 7, "padding": True}, "At “end” it learns to say padding"),
        ({"position": 12, "padding": True}, "At “pad” nothing is scored: the row is over"),
        ({"position": 4, "shifted": False}, "At “red” it is scored against “red”, which it can see: it need only copy"),
        ({"position": 2, "shifted": False}, "At the last patch nothing is scored: no word of the caption stands here"),
        ({"position": 9, "shifted": False, "padding": True}, "At “pad” it is scored against “pad”"),
        ({"caption": 2, "position": 12}, "At “end” nothing is scored: the caption is over"),
    ],
)
def test_a_sentence_says_what_happens_at_the_position(model, values, sentence, undrawn):
    shown = moved(input_row.explore_scored_labels(model), **values)
    assert shown.caption.startswith(sentence) and undrawn[-1][-1]["title"].startswith(sentence)


def test_padding_is_masked_and_scored_only_where_the_learner_ticks_it(model, undrawn):
    explorer = input_row.explore_scored_labels(model)
    columns, batch, row, arrows, *_ = undrawn[-1]
    assert [column.seen for column in columns] == [column.token != "pad" for column in columns]
    assert [len(tokens) for tokens in batch] == [10] * 3 and [tokens.count("pad") for tokens in batch] == [5, 2, 0]
    assert len(arrows) == 5 and "5 predictions" in explorer.shown.caption
    moved(explorer, padding=True)
    assert len(undrawn[-1][3]) == 10 and "10 predictions" in explorer.shown.caption


def test_with_pooled_features_the_picture_is_one_place(pooled, undrawn):
    input_row.explore_scored_labels(pooled)
    columns, *_ = undrawn[-1]
    assert [column.position for column in columns[:3]] == ["0–9", "10", "11"]
    assert columns[1].token == "picture"


# --- another model ---------------------------------------------------------------------------------------------------


def test_sizes_come_from_the_model(lang):
    tower = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    torch.manual_seed(0)
    clip = CLIPModel(
        CLIPConfig(
            text_config={**tower, "vocab_size": 40},
            vision_config={**tower, "image_size": 32, "patch_size": 8},
            projection_dim=8,
        )
    )
    processor = load_clip("pocket")[1]
    processor.image_processor.size = {"shortest_edge": 32}
    processor.image_processor.crop_size = {"height": 32, "width": 32}
    model = VLMWithSoftPrompt((clip, processor), load_language_model("pocket"), prompt_length=3)
    begun = model.vision_projection.weight.clone(), model.vision_projection.bias.clone()
    shown = explorers(model, begun)
    assert {"en": "cut into 16 pieces", "zh": "切成 16 块"}[lang] in shown["sequence"].shown.alt
    assert {"en": "of 16 patches", "zh": "16 个图块里"}[lang] in shown["translation"].shown.caption
    assert {"en": "position 19, “a”", "zh": "位置 19：“a”"}[lang] in shown["strip"].shown.alt
    prompt, projection, *_ = learning.tabulate_parameters(model).rows
    assert prompt[1:] == ("3 × 192 = 576", "3 × 768 = 2,304") and projection[1] == "16 × 192 + 192 = 3,264"


def test_the_model_sees_the_scenes_drawn_at_its_own_size(model):
    for picture in input_row.load_test_pictures(model):
        assert picture.small.size == (64, 64) and picture.large.size == (256, 256)
    first = input_row.load_test_pictures(model)[0]
    assert first.small != draw(first.scene, 0, 64)  # the seed is that of the data set
