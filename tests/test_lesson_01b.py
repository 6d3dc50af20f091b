"""Facts about the explorers, figures and the table of lesson 01b, on the pocket GPT-2 and on one of other sizes."""

import re

import numpy as np
import pytest
import torch
from explorers import all_widgets, in_language, moved
from transformers import CLIPConfig, GPT2Config, GPT2LMHeadModel

from helpers import by_hand
from helpers.pretrained import load_language_model
from lessons.kit.explorer import WIDGET_VIEW, Sentence, compute_checksum
from lessons.kit.tokens import name_token
from lessons.lesson_01_inside_clip.explorers_b import beside, heads, lens, places, shared

TEXT = "story: once upon a time there was a small red cat in the snow. the"
OTHER = "five six seven eight"


@pytest.fixture(scope="module")
def gpt2():
    return load_language_model("pocket")


@pytest.fixture(scope="module")
def deep(gpt2):
    """A GPT-2 that never learned, deeper than there are columns in the figures, and with room for ten positions."""
    torch.manual_seed(0)
    sizes = {"n_embd": 16, "n_layer": 9, "n_head": 2, "n_positions": 10, "vocab_size": len(gpt2[1])}
    config = GPT2Config(**sizes, bos_token_id=0, eos_token_id=0)
    return GPT2LMHeadModel(config).eval().requires_grad_(False), gpt2[1]


def explorers(gpt2, text=TEXT):
    """All of them, freshly made."""
    return {
        "places": places.explore_places(*gpt2, text),
        "heads": heads.explore_heads(*gpt2, text),
        "lens": lens.explore_lens(*gpt2, text),
    }


# --- what all explorers keep -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("places", {"text": OTHER, "place": 2}),
        ("heads", {"text": OTHER, "layer": 2, "head": 3, "masked": False}),
        ("lens", {"text": OTHER, "place": 2}),
    ],
)
def test_every_control_changes_the_picture(gpt2, name, values):
    explorer = explorers(gpt2)[name]
    assert set(values) == set(explorer.controls)
    for control, value in reversed(values.items()):
        before, page = np.asarray(explorer.shown.image), explorer.view.value
        explorer.controls[control].value = value
        after = np.asarray(explorer.shown.image)
        assert before.shape != after.shape or (before != after).any(), control
        assert explorer.view.value == explorer.shown.html() != page


def test_all_texts_are_in_the_learners_language_and_alt_texts_without_measured_decimals(gpt2, clip, lang):
    for explorer in explorers(gpt2).values():
        for control in explorer.controls.values():
            assert in_language(control.description, lang)
        assert in_language(explorer.shown.alt, lang) and in_language(explorer.shown.caption, lang)
        assert not re.search(r"\d+\.\d", explorer.shown.alt)
    table = beside.tabulate_beside_text_tower(clip[0], gpt2[0])
    assert in_language(table.header[1], lang) and all(in_language(row[0], lang) for row in table.rows)


def test_explorers_are_core_widgets_and_leave_the_model_alone_and_their_twins_are_the_same_at_every_run(gpt2):
    before = compute_checksum(gpt2[0]), gpt2[0].config.to_json_string(), gpt2[0].training
    for first, second in zip(explorers(gpt2).values(), explorers(gpt2).values()):
        inside = list(all_widgets(first.widget))
        assert all(type(widget).__module__.startswith("ipywidgets.") for widget in inside)
        bundle = first._repr_mimebundle_()
        assert bundle.pop(WIDGET_VIEW)["model_id"] == first.widget.model_id
        assert bundle == second.shown.bundle()
    assert (compute_checksum(gpt2[0]), gpt2[0].config.to_json_string(), gpt2[0].training) == before


def test_any_gpt2_will_do_and_a_deep_one_shows_its_first_and_last_layer(deep, lang):
    for explorer in explorers(deep, OTHER).values():
        assert in_language(explorer.shown.alt, lang)
    alt = moved(lens.explore_lens(*deep, OTHER), place=0).alt
    assert {"en": "after layer 9", "zh": "第 9 层之后"}[lang] in alt and {"en": "of 9", "zh": "9 层里"}[lang] in alt


@pytest.mark.parametrize("text", ["", " ".join(["cat"] * 30)])
def test_a_text_that_does_not_fit_is_told_in_a_sentence_with_its_length(gpt2, deep, lang, text):
    for one, most in ((gpt2, shared.MOST_TOKENS), (deep, 10)):
        for explorer in explorers(one, OTHER).values():
            shown = moved(explorer, text=text)
            assert isinstance(shown, Sentence) and in_language(shown.text, lang)
            assert f" {len(text.split())} " in shown.text and str(most) in shown.text


@pytest.mark.parametrize("name", ["places", "lens"])
def test_the_slider_ends_where_the_text_ends(gpt2, name):
    explorer = explorers(gpt2)[name]
    place = explorer.controls["place"]
    assert place.value == place.max == len(gpt2[1](TEXT)["input_ids"]) - 1
    moved(explorer, text=OTHER)
    assert place.value == place.max == 3 and "4 positions" in explorer.shown.alt
    moved(explorer, text="")
    assert place.max == 3


# --- what they read ----------------------------------------------------------------------------------------------


def test_the_states_and_guesses_are_those_of_the_library(gpt2):
    model, tokenizer = gpt2
    reading = shared.read_text(model, tokenizer, TEXT)
    ids = torch.tensor([tokenizer(TEXT)["input_ids"]])
    theirs = model(input_ids=ids, output_hidden_states=True)
    for ours, expected in zip(reading.states[:-1], theirs.hidden_states[:-1], strict=True):
        assert torch.allclose(ours, expected, atol=1e-4)
    guesses = shared.guess_next(model, tokenizer, reading.states[-1], 3)
    shares, best = theirs.logits[0].softmax(-1).topk(3)
    assert np.allclose(guesses.shares, shares, atol=1e-4)
    assert guesses.names == [[name_token(tokenizer, id) for id in row] for row in best]


def test_a_predicted_end_of_text_is_named(gpt2, lang):
    reading = shared.read_text(*gpt2, "no, there is no cat.")
    assert shared.guess_next(*gpt2, reading.states[-1]).names[-1] == [{"en": "end", "zh": "结束"}[lang]]


def test_with_the_mask_nobody_looks_ahead_and_without_it_somebody_does(gpt2):
    masked, free = (shared.read_text(*gpt2, TEXT, masked).shares for masked in (True, False))
    assert not any(layer.triu(1).any() for layer in masked) and all(layer.triu(1).any() for layer in free)
    assert all(torch.allclose(layer.sum(-1), torch.ones(())) for layer in (*masked, *free))


def test_hits_are_counted_as_the_captions_say(gpt2):
    reading = shared.read_text(*gpt2, TEXT)
    guesses = shared.guess_next(*gpt2, reading.states[-1])
    hits = shared.count_hits(reading.tokens, guesses)
    assert 0 < hits < len(reading.tokens) - 1
    for shown in (places.explore_places(*gpt2, TEXT).shown, heads.explore_heads(*gpt2, TEXT).shown):
        assert f"{hits} of {len(reading.tokens) - 1}" in shown.caption
    assert shared.count_hits(["a", "b", "c"], shared.Guesses([["b"], ["b"], ["c"]], [[1.0]] * 3)) == 1


def test_other_last_words_leave_the_predictions_before_them(gpt2):
    first, other = (
        shared.guess_next(*gpt2, shared.read_text(*gpt2, text).states[-1]) for text in (TEXT, f"{TEXT} boat")
    )
    assert other.names[: len(first.names)] == first.names


def test_the_lens_says_since_when_the_last_word_is_on_top(gpt2):
    model, tokenizer = gpt2
    reading = shared.read_text(model, tokenizer, TEXT)
    explorer = lens.explore_lens(model, tokenizer, TEXT)
    for place in range(len(reading.tokens)):
        said = [shared.guess_next(model, tokenizer, state).names[place][0] for state in reading.states]
        alt = moved(explorer, place=place).alt
        assert all(f"“{name}”" in alt for name in said)
    assert lens._tell_since(2) == "from layer 2 on" and "enters" in lens._tell_since(0)


# --- beside the text tower ---------------------------------------------------------------------------------------


def test_the_table_tells_alike_from_unlike(clip, gpt2):
    rows = {row[0].partition(":")[0]: row[1:] for row in beside.tabulate_beside_text_tower(clip[0], gpt2[0]).rows}
    same = [name for name, row in rows.items() if row[2] == "="]
    assert same == ["learned vector for each position", "causal", "layer norms in a layer, and one at the end"]
    assert all((own == other) is (mark == "=") for own, other, mark in rows.values())
    assert rows["width"][0].startswith(str(clip[0].config.text_config.hidden_size))
    full = CLIPConfig().text_config, GPT2Config()
    assert str(full[0].hidden_size) in rows["width"][0] and str(full[1].n_embd) in rows["width"][1]


def test_the_test_of_causality_finds_a_model_that_looks_ahead(gpt2):
    model, _ = gpt2

    def run_free(ids):
        x = by_hand.embed_gpt2_tokens(model, ids)
        for block in model.transformer.h:
            x = by_hand.run_gpt2_layer(block, x)
        return x

    assert not beside._is_causal(run_free, model.device)
    assert beside._is_causal(lambda ids: by_hand.run_gpt2(model, ids), model.device)
