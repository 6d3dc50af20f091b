"""Facts about the explorers and figures of lesson 03, on the pocket models, nothing much learned, and on a made-up study."""

import json
import pickle
import random
import re
from types import SimpleNamespace

import pytest
import torch
from explorers import in_language
from PIL import Image
from transformers import TopPLogitsWarper

from helpers import captioner_training
from helpers.captioner import VLMWithSoftPrompt
from helpers.pretrained import load_language_model
from helpers.training import History
from lessons.kit import explorer as made_of
from lessons.kit.explorer import WIDGET_VIEW, Sentence, compute_checksum
from lessons.kit.picture import Picture
from lessons.lesson_03_soft_prompt.explorers import learning, stored_runs, writing
from lessons.lesson_03_soft_prompt.figures import captions, measurements
from pocket.captioning import PROMPTS
from pocket.language import write_full_caption
from pocket.studies import captioner_study
from pocket.world import Scene, Thing, draw

DRAWING = {
    captions: ("draw_next_tokens", "draw_prompt_blends"),
    measurements: ("draw_learned_captions", "draw_loss_panels", "draw_loss_pairs", "draw_dots_in_rows"),
}
FAULTS = ("too few pictures", "rate too high", "stopped too soon")


@pytest.fixture(scope="module")
def language():
    return load_language_model("pocket")


@pytest.fixture(scope="module")
def model(clip, language):
    """The one of the lesson."""
    return VLMWithSoftPrompt(clip, language).load(PROMPTS / "captioner.safetensors")


@pytest.fixture(scope="module")
def prompts(language):
    """What they are to do stands in them as words."""
    gpt2, tokenizer = language
    table, instructions = gpt2.get_input_embeddings().weight, ("describe what you see:", "count the things:")
    rows = {name: tokenizer(f"{words} {words} {words}")["input_ids"][:10] for name, words in
            zip(("describe", "count", "colour", "story"), (*instructions, "name the colour:", "tell a story:"))}  # fmt: skip
    return {name: table[ids].detach() for name, ids in rows.items()}


def made_up():
    """A study with known numbers."""
    noise = random.Random(0)

    def facts(right):
        shares = {kind: right + place / 100 for place, kind in enumerate(stored_runs.KINDS)}
        return {"scores": {**shares, "colour_alone": right, "exact": right}}

    ways = {"as trained": 0.8, "words instead": 0.6, "no picture": 0.05, "shuffled pictures": 0.04}
    parts = {"whole": 0.8, "without soft prompt": 0.75, "pooled feature": 0.65}
    steps = [0, 100, 200, 300]
    said = [[f"a photo of a small red {thing}.", "a photo of a small red cat."] for thing in ("cat", "dog", "key")]
    settings = {"rate": (0.0001, 0.005, 0.1), "pictures": (100, 6000), "begin": ("random", "both as words")}
    tasks = ("describe", "count", "colour", "story")
    return {
        "command": "python make.py", "versions": {}, "seconds": 1.0, "config": {}, "short_config": {},
        "chance": 0.0417,
        "trained": [{"trained": way, "seed": seed, "training_seconds": 1, "validation_loss": 0.1, **facts(right + seed / 100)} for way, right in parts.items() for seed in range(3)],
        "asked": [{"how": way, "seed": seed, **facts(right + seed / 100)} for way, right in ways.items() for seed in range(3)],
        "shift": [
            {"shifted": False, "history": {"steps": 300, "step": steps, "validation_loss": [5, 0.5, 0.05, 0.004]}, "next_token_loss": [5, 6, 7, 8.1], "object": 0.03,
             "captions": [[truth, ""] for truth, _ in said]},
            {"shifted": True, "history": {"steps": 300, "step": steps, "validation_loss": [1.5, 0.5, 0.3, 0.21]}, "next_token_loss": [1.5, 0.5, 0.3, 0.21], "object": 0.7,
             "captions": said},
        ],
        "faults": [{"fault": what, "history": {"steps": 20 * n, "step": [0, 10 * n, 20 * n], "loss": [1.5, 0.5 * n, 0.2],
                    "validation_loss": [1.6, 0.6 * n, 0.3]}}
                   for n, what in enumerate(FAULTS, start=1)],
        "example": [{"pictures": 9, "history": {"steps": 400, "step": [0, 400], "loss": [2, 0.2], "validation_loss": [2, 0.3]},
                     "captions": ["a photo of a large orange house.", "a cup.", ""]}],
        "tips": [{"tip": tip, "value": value, "object": 0.3 + 0.1 * place + seed / 100, "exact": 0.1 + 0.1 * place, "loss": 0.1,
                  "validation_loss": 0.9 - 0.2 * place + noise.uniform(0, 0.01)}
                 for tip, values in settings.items() for place, value in enumerate(values) for seed in range(2)],
        "prompts": [{"prompt": task, "learned": {"form": {other: float(other == task) for other in tasks}, "content": 0.9}, "by_number": {},
                     "one_answer_to_all": 0.4, "answers": [],
                     "by_hand": {"form": dict.fromkeys(tasks, 0.25), "content": 0.5}} for task in tasks],
    }  # fmt: skip


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    file = tmp_path_factory.mktemp("runs") / "captioner.json"
    file.write_text(json.dumps(made_up()), encoding="utf-8")
    return file


@pytest.fixture
def curves(monkeypatch):
    """Which panel holds which curve, as the exercise says."""
    named = {"A": FAULTS[1], "B": FAULTS[2], "C": FAULTS[0]}
    monkeypatch.setattr(stored_runs, "CURVES", named)
    return named


@pytest.fixture
def undrawn(monkeypatch):
    """Figures are not drawn, which takes a quarter of a second each: what was to be drawn is kept, and alt and caption are real."""
    kept, nothing = [], Image.new("RGB", (2, 2))

    def instead(*numbers, alt, caption, **rest):
        kept.append(SimpleNamespace(numbers=numbers, **rest))
        return Picture(nothing, alt, caption)

    for figures, names in DRAWING.items():
        for name in names:
            monkeypatch.setattr(figures, name, instead)
    return kept


def few_steps(clip, language, steps=4):
    """A training of so many steps, from so few pictures that it takes a second."""
    training = learning.explore_captioner_training(clip, language)
    training.controls["pictures"].options = [("25", 25)]
    training.controls["steps"].options = [(str(steps), steps)]
    return training


@pytest.fixture
def few(clip, language, monkeypatch):
    monkeypatch.setattr(learning, "CHECKS", 10)
    return few_steps(clip, language)


# --- what all explorers keep ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("next", {"picture": 0, "word": 2, "temperature": 2.0, "top_p": 0.3, "beams": 1}),
        ("prompts", {"picture": 2, "first": "story", "second": "colour", "blend": 0.2}),
        ("tips", {"tip": "begin"}),
    ],
)
def test_every_control_changes_the_picture_and_what_is_told_of_it(model, prompts, file, name, values, undrawn):
    make = {
        "next": lambda: writing.explore_next_token(model),
        "prompts": lambda: writing.explore_prompt_blends(model, prompts),
        "tips": lambda: stored_runs.explore_tips(file),
    }
    explorer = make[name]()
    assert set(values) == set(explorer.controls)
    for control, value in values.items():
        alt, picture = explorer.shown.alt, pickle.dumps(undrawn[-1])
        explorer.controls[control].value = value
        assert explorer.shown.alt != alt and pickle.dumps(undrawn[-1]) != picture, control
        assert explorer.view.value == explorer.shown.html()


def test_all_texts_are_in_the_learners_language(model, prompts, clip, language, file, lang, curves, undrawn):
    explorers = (
        writing.explore_next_token(model), writing.explore_prompt_blends(model, prompts), stored_runs.explore_tips(file),
        learning.explore_captioner_training(clip, language),
    )  # fmt: skip
    shown = [stored_runs.draw_two_losses(file), stored_runs.draw_three_curves(file), stored_runs.draw_parts(file)]
    for explorer in explorers:
        shown.append(explorer.shown)
        for control in explorer.controls.values():
            assert control.description == "top_p" or in_language(control.description, lang)
            for option in getattr(control, "options", ()):
                assert not isinstance(option, tuple) or option[0][0].isdigit() or in_language(option[0], lang)
    for picture in shown:
        assert in_language(picture.alt, lang) and in_language(picture.caption, lang)
    for table in (
        stored_runs.tabulate_parts(file),
        stored_runs.tabulate_prompts(file),
        stored_runs.tabulate_tips(file),
    ):
        assert all(in_language(text, lang) for text in (*table.header, *(row[0] for row in table.rows)))


def test_explorers_leave_model_and_chance_alone(model, prompts):
    before = compute_checksum(model), model.soft_prompt.prompt_embeddings, torch.get_rng_state()
    for explorer in (writing.explore_next_token(model), writing.explore_prompt_blends(model, prompts)):
        assert WIDGET_VIEW in explorer._repr_mimebundle_() and explorer.shown.image.width == 1480
    after = compute_checksum(model), model.soft_prompt.prompt_embeddings, torch.get_rng_state()
    assert before[0] == after[0] and before[1] is after[1] and torch.equal(before[2], after[2])


# --- the next token ------------------------------------------------------------------------------------------------


def test_at_each_place_the_likeliest_token_is_the_one_of_the_greedy_caption(model, undrawn):
    explorer = writing.explore_next_token(model)
    word = explorer.controls["word"]
    greedy = dict(undrawn[0].numbers[2])["greedy"][0]
    for place in range(1, word.max + 1):
        word.value = place
        _, likely, texts = undrawn[-1].numbers
        assert dict(texts)["greedy"] == [greedy]
        now = f"{undrawn[-1].before} {likely[0].token}".strip().replace(" .", ".")
        assert greedy.startswith(now) or place == word.max and undrawn[-1].before == greedy


@pytest.mark.parametrize(("temperature", "top_p"), [(0.5, 0.95), (3.0, 1.0), (1.0, 0.1)])
def test_what_top_p_keeps_is_what_the_library_draws_from(model, undrawn, temperature, top_p):
    explorer = writing.explore_next_token(model)
    explorer.controls["picture"].value = 0
    word, begun = explorer.controls["word"].value, undrawn[-1].before
    explorer.controls["temperature"].value, explorer.controls["top_p"].value = temperature, top_p
    ids = torch.tensor(model.tokenizer(begun)["input_ids"][: word - 1], dtype=torch.long)
    scene, seed = writing.ONE_THING[0]
    with torch.no_grad():
        logits = model(model.encode([draw(scene, seed, 64)]), ids[None])[0, -1]
    shares = (logits / temperature).softmax(-1)
    library = TopPLogitsWarper(top_p)(None, (logits / temperature)[None])[0].isfinite()
    _, likely, _ = undrawn[-1].numbers
    best = shares.topk(len(likely))
    assert [one.share for one in likely] == pytest.approx(best.values.tolist(), abs=1e-4)
    assert [one.kept for one in likely] == library[best.indices].tolist()
    assert f"keeps {int(library.sum()):,} of 1,858 tokens" in undrawn[-1].setting


def test_what_is_drawn_at_random_is_the_same_every_time_and_another_at_another_temperature(model, undrawn):
    def at_random(temperature):
        explorer = writing.explore_next_token(model)
        explorer.controls["temperature"].value = temperature
        return dict(undrawn[-1].numbers[2])["drawn at random"]

    torch.manual_seed(1)
    first = at_random(2.0)
    torch.manual_seed(2)
    assert len(first) == 3 and at_random(2.0) == first != at_random(0.2)


def test_the_slider_of_places_is_as_long_as_the_caption(model, undrawn):
    explorer = writing.explore_next_token(model)
    explorer.controls["word"].value = explorer.controls["word"].max
    for number in range(len(writing.ONE_THING)):
        explorer.controls["picture"].value = number
        greedy = dict(undrawn[-1].numbers[2])["greedy"][0]
        assert explorer.controls["word"].max == len(model.tokenizer(greedy)["input_ids"]) + 1
        assert explorer.controls["word"].value <= explorer.controls["word"].max


def test_one_beam_is_the_greedy_caption_and_more_are_what_the_library_finds(model, undrawn):
    explorer = writing.explore_next_token(model)
    explorer.controls["picture"].value = 0
    scene, seed = writing.ONE_THING[0]
    for beams, name in ((1, "1 beam"), (4, "4 beams")):
        explorer.controls["beams"].value = beams
        expected = model.generate([draw(scene, seed, 64)], max_new_tokens=writing.MOST_TOKENS, num_beams=beams)
        assert dict(undrawn[-1].numbers[2])[name] == expected


def test_another_state_of_the_model_is_seen_at_the_next_move(model, undrawn):
    explorer = writing.explore_next_token(model)
    before = undrawn[-1].numbers[1]
    with model.swap_prompt(torch.zeros(3, 192)):
        explorer.update()
        assert undrawn[-1].numbers[1] != before
    explorer.update()
    assert undrawn[-1].numbers[1] == before


def test_it_begins_at_the_greatest_doubt_about_a_picture_that_is_described_rightly(model, undrawn):
    explorer = writing.explore_next_token(model)
    features = writing.encode_scenes(model, writing.ONE_THING)
    written = [writing.write_greedily(model, one) for one in features]
    wrong = [one.caption != write_full_caption(scene) for one, (scene, _) in zip(written, writing.ONE_THING)]
    doubt = [1 if missed else one.compute_sureness().min().item() for one, missed in zip(written, wrong)]
    first = explorer.controls["picture"].value
    assert any(wrong) and doubt[first] == min(doubt) < 0.9
    assert undrawn[-1].numbers[1][0].share == pytest.approx(doubt[first])
    table = writing.tabulate_doubts(model)
    assert len(table.rows) == len(written[first].logits) and f"{doubt[first]:.1%}" in str(table.rows).replace(" %", "%")


# --- what is true of a caption -----------------------------------------------------------------------------------------

RED_CAT = Scene((Thing("cat", "red", "small"),), "snow", "photo")
SKETCH = Scene((Thing("cat", "red", "small"),), "night", "sketch")


@pytest.mark.parametrize(
    ("scene", "caption", "true", "right"),
    [
        (RED_CAT, write_full_caption(RED_CAT), ["photo", "small", "red", "cat", "in the snow"], 5),
        (RED_CAT, "a photo of a small red dog in the snow.", ["photo", "in the snow"], 2),
        (RED_CAT, "a sketch of a large red cat in the city.", ["red", "cat"], 2),
        (RED_CAT, "a photo photo photo of a cat cat", ["photo", "cat"], 2),
        (RED_CAT, "a dog and a small cat.", ["small", "cat"], 2),
        (SKETCH, write_full_caption(SKETCH), ["sketch", "small", "cat", "at night"], 4),
        (RED_CAT, "once upon a time", [], 0),
        (RED_CAT, "", [], 0),
    ],
)
def test_the_words_that_are_true_of_the_scene_are_marked_and_counted(scene, caption, true, right):
    pieces, number = writing.judge_caption(caption, scene)
    assert [piece.words for piece in pieces if piece.true] == true and number == right
    assert re.sub(r" ([.,])", r"\1", " ".join(piece.words for piece in pieces)) == caption


# --- a captioner that learns -------------------------------------------------------------------------------------------


def said(picture):
    """The captions in what was to be drawn."""
    return [re.sub(r" ([.,])", r"\1", " ".join(piece.words for piece in pieces)) for _, pieces, _ in picture.numbers[2]]


def test_before_the_first_press_a_stored_run_stands_on_the_page_and_an_empty_diagram_where_a_kernel_answers(
    clip, language, file, undrawn
):
    training = learning.explore_captioner_training(clip, language, file)
    stored, empty = undrawn
    assert training.model is None and training.runs == [] and training.view.value != training.shown.html()
    assert empty.numbers[0] is None and said(empty) == ["?"] * 3 and "question mark under each" in training.view.value
    assert stored.stored and stored.numbers[0].steps == 400 and said(stored)[0] == "a photo of a large orange house."
    assert (
        "python make.py" in training.shown.caption
        and stored.title == "A stored run: 2 of 15 facts about the three pictures are right"
    )
    values = {name: control.value for name, control in training.controls.items()}
    assert values == {"pictures": 1000, "steps": 400, "rate": 3e-3, "length": 10, "seed": 0}


def test_it_learns_and_the_captions_at_each_look_are_those_of_the_model_at_that_moment(few, clip, monkeypatch, undrawn):
    """The projection takes other coordinates while it learns; who looks on must not see them."""
    by_hand = []

    def learn(model, train, *rest):
        by_hand.append(
            model.generate(writing.encode_scenes(model, captioner_study.WATCHED), max_new_tokens=writing.MOST_TOKENS)
        )
        yield from captioner_training.train_captioner(model, train, *rest)

    monkeypatch.setattr(learning, "train_captioner", learn)
    monkeypatch.setattr(made_of, "MOST_REDRAWINGS", 10**9)
    few.run()
    (run,), looks = few.runs, [picture for picture in undrawn if picture.numbers[0] is not None]
    assert run.column("step") == [0, 1, 2, 3, 4] and run.steps == 4
    assert said(looks[0]) == [re.sub(r" ([.,])", r"\1", text) for text in by_hand[0]]
    last = few.model.generate(
        writing.encode_scenes(few.model, captioner_study.WATCHED), max_new_tokens=writing.MOST_TOKENS
    )
    assert said(looks[-1]) == last and looks[-1].title.startswith("Your run, with what step")
    assert "4 steps in" in few.words.value and few.bar.value == 1


def test_the_figure_of_a_run_is_told_in_the_learners_language_and_the_models_stay_frozen(
    clip, language, monkeypatch, lang
):
    monkeypatch.setattr(learning, "CHECKS", 10)
    few, before = few_steps(clip, language), compute_checksum(language[0])
    few.run()
    assert in_language(few.shown.alt, lang) and in_language(few.shown.caption, lang) and few.shown.image.width == 1480
    assert {"en": "25 pictures, 4 steps of 8 pictures, rate at most 0.003, a soft prompt of 10 × 192, seed 0; 26,688 numbers learn",
            "zh": "25 张训练图片，4 步，每步 8 张，学习率最大 0.003，软提示词 10 × 192，随机种子 0；要学的一共 26,688 个数"}[lang] in few.shown.caption  # fmt: skip
    assert {"en": "are what they were", "zh": "一个也没变"}[lang] in few.shown.caption
    assert compute_checksum(language[0]) == before and in_language(few.words.value, lang)


def test_a_soft_prompt_of_no_vectors_can_be_chosen(few, undrawn):
    few.controls["length"].value = 0
    few.run()
    assert few.model.soft_prompt.prompt_embeddings.shape == (0, 192)
    assert "no soft prompt" in few.shown.caption and "24,768 numbers learn" in few.shown.caption


def test_each_press_is_told_to_the_training_and_pictures_are_drawn_once_a_seed(few, monkeypatch, undrawn):
    plans, pictures = [], []

    def learn(model, train, checks, plan):
        plans.append((plan, train, checks))
        return captioner_training.train_captioner(model, train, checks, plan)

    def counting(scene, seed, size=256):
        pictures.append(scene)
        return draw(scene, seed, size)

    monkeypatch.setattr(learning, "train_captioner", learn)
    monkeypatch.setattr(writing, "draw", counting)
    few.run()
    assert len(pictures) > 50
    pictures.clear()
    few.controls["rate"].value = 3e-2
    few.run()
    assert not any(scene not in {scene for scene, _ in captioner_study.WATCHED} for scene in pictures)
    few.controls["seed"].value = 7
    few.run()
    (first, one, checks), (second, two, others), (third, three, _) = plans
    assert (first.steps, first.learning_rate, first.batch_size, first.eval_every) == (4, 3e-3, 8, 1)
    assert first.max_grad_norm == 1.0 and (second.learning_rate, second.seed, third.seed) == (3e-2, 0, 7)
    assert torch.equal(one[0], two[0]) and torch.equal(checks[0], others[0]) and not torch.equal(one[0], three[0])
    assert len(undrawn[-1].numbers[1]) == 2 and "Faint: your earlier runs" in few.shown.caption
    assert not {write_full_caption(scene) for scene, _ in captioner_study.WATCHED} & {*one[1], *three[1], *checks[1]}
    assert not set(checks[1]) & {*one[1], *three[1]}


def test_an_interrupted_run_keeps_what_it_has_and_says_so(few, monkeypatch, undrawn):
    def learn(*given):
        for look, _ in zip(captioner_training.train_captioner(*given), range(3)):
            yield look
        raise KeyboardInterrupt

    monkeypatch.setattr(learning, "train_captioner", learn)
    few.run()
    assert few.runs[0].column("step") == [0, 1, 2] and few.model is not None
    assert undrawn[-1].title.startswith("Stopped at step 2 of 4") and not few.start.disabled


def test_a_rate_that_breaks_the_training_is_a_plain_sentence(few, monkeypatch):
    def learn(*given):
        yield from ()
        raise FloatingPointError("the loss is nan")

    monkeypatch.setattr(learning, "train_captioner", learn)
    few.run()
    assert isinstance(few.shown, Sentence) and "0.003" in few.shown.text and "<details>" not in few.view.value


def test_a_model_that_changed_is_not_passed_off_as_frozen(clip, monkeypatch, undrawn):
    def careless(model, *rest):
        yield from captioner_training.train_captioner(model, *rest)
        model.language_model.get_input_embeddings().weight.data += 1e-6

    monkeypatch.setattr(learning, "CHECKS", 10)
    monkeypatch.setattr(learning, "train_captioner", careless)
    few = few_steps(clip, load_language_model("pocket"))
    few.run()
    assert "the frozen models have changed" in few.shown.caption


# --- prompts, blended --------------------------------------------------------------------------------------------------


def test_the_texts_of_all_blends_are_those_of_the_blended_prompts_one_by_one(model, prompts, undrawn):
    explorer = writing.explore_prompt_blends(model, prompts)
    _, texts, chosen = undrawn[-1].numbers
    scene, seed = writing.SOME_THINGS[0]
    assert chosen == 0 and len(texts) == 11
    features = model.encode([draw(scene, seed, 64)])
    for place, text in enumerate(texts):
        share = torch.linspace(0, 1, 11)[place]
        with model.swap_prompt((1 - share) * prompts["describe"] + share * prompts["count"]):
            assert model.generate(features, max_new_tokens=40) == [text]
    explorer.controls["blend"].value = 0.8
    assert undrawn[-1].numbers[2] == 8 and undrawn[-1].numbers[1] == texts


def test_the_first_picture_is_one_that_all_prompts_answer_rightly(clip, language, undrawn):
    many, learned = VLMWithSoftPrompt(clip, language).load(PROMPTS / "many.safetensors"), {}
    for task in captioner_study.TASKS:
        many.load_prompt(PROMPTS / f"{task}.safetensors")
        learned[task] = many.soft_prompt.prompt_embeddings.detach()
    explorer = writing.explore_prompt_blends(many, learned)
    first = explorer.controls["picture"].value
    assert first and "apple" in write_full_caption(writing.SOME_THINGS[first][0])
    said = {}
    for task in learned:
        explorer.controls["first"].value = task
        said[task] = undrawn[-1].numbers[1][0]
    assert said["count"] == "there is one thing." and said["colour"] == "the apple is green."
    assert said["describe"] == write_full_caption(writing.SOME_THINGS[first][0])


def test_where_the_text_turns_is_told(model, prompts, undrawn, lang):
    explorer = writing.explore_prompt_blends(model, prompts)
    _, texts, _ = undrawn[-1].numbers
    turns = [f"{place / 10:.1f}" for place in range(1, 11) if texts[place] != texts[place - 1]]
    joined = {"en": ", ", "zh": "、"}[lang].join(turns)
    assert turns and joined in explorer.shown.caption and all(text in explorer.shown.alt for text in texts)
    explorer.controls["second"].value = "describe"
    assert {"en": "Both prompts are the same", "zh": "两个提示词是同一个"}[lang] in explorer.shown.caption


def test_the_models_own_prompt_comes_back_even_after_an_error(model, prompts, monkeypatch):
    own = model.soft_prompt.prompt_embeddings
    monkeypatch.setattr(model, "generate", lambda *given, **how: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        writing.explore_prompt_blends(model, prompts)
    assert model.soft_prompt.prompt_embeddings is own


def test_prompts_of_different_lengths_are_refused(model):
    with pytest.raises(ValueError, match="one length"):
        writing.explore_prompt_blends(model, {"describe": torch.zeros(10, 192), "count": torch.zeros(4, 192)})


# --- the stored study ----------------------------------------------------------------------------------------------------


def rows_of(table):
    return {label: cells for label, *cells in table.rows}


def test_the_table_of_parts_gives_the_mean_of_the_runs_in_per_cent(file):
    rows = rows_of(stored_runs.tabulate_parts(file))
    assert rows["as trained"] == ["81.0", "82.0", "83.0", "84.0", "85.0"]
    assert rows["trained anew: pooled feature"][0] == "66.0" and len(rows) == 6 and "whole" not in str(rows)


def test_each_way_is_a_row_with_a_dot_for_each_seed_and_the_new_trainings_stand_apart(file, undrawn):
    stored_runs.draw_parts(file)
    groups, measures = undrawn[-1].numbers
    assert [[row.name for row in rows] for rows in groups.values()] == [
        ["as trained", "words instead", "no picture", "shuffled pictures"],
        ["without soft prompt", "pooled feature"],
    ]
    assert all(len(runs) == 3 for rows in groups.values() for row in rows for runs in row.columns)
    assert [measure.line for measure in measures] == [(0.0417, "chance"), None, None, None, None]
    assert undrawn[-1].title == "Objects right after 160 steps: 81.0 % as trained, 6.0 % without the picture"


def test_the_two_losses_stand_beside_each_other_the_right_one_first(file, undrawn):
    picture = stored_runs.draw_two_losses(file)
    own, true, texts = undrawn[-1].numbers
    assert [run.evaluations[-1].validation_loss for run in own] == [0.21, 0.004]
    assert [losses[-1] for losses in true] == [0.21, 8.1]
    assert texts[1] == ("a photo of a small red dog.", ["a photo of a small red cat.", ""])
    assert undrawn[-1].title == "Not shifted, the loss falls to 0.004, but that of the next token ends at 8.1"
    assert "3.0 % of the objects" in picture.caption and "python make.py" in picture.caption


def test_the_three_curves_stand_where_the_exercise_says_and_no_fault_is_named(file, curves, undrawn, lang):
    picture = stored_runs.draw_three_curves(file)
    (panels,) = undrawn[-1].numbers
    lengths = {"too few pictures": 20, "rate too high": 40, "stopped too soon": 60}
    assert {letter: run.steps for letter, run in panels.items()} == {
        name: lengths[what] for name, what in curves.items()
    }
    told = f"{picture.alt} {picture.caption} {undrawn[-1].title}".lower()
    assert not any(
        words in told for words in ("too few", "too high", "too soon", "太少", "太高", "太大", "太早", "过早")
    )


def test_the_table_of_prompts_has_forms_and_content(file):
    table = stored_runs.tabulate_prompts(file)
    forms = ("form: describe", "form: count", "form: colour", "form: story")
    assert table.header == ("prompt", *forms, "content right", "one answer to all")
    assert rows_of(table)["count"] == ["0.0", "100.0", "0.0", "0.0", "90.0", "40.0"]
    assert rows_of(table)["count, in words"] == ["25.0"] * 4 + ["50.0", ""]


def test_of_a_setting_the_value_with_the_lowest_validation_loss_is_bold(file, undrawn):
    explorer = stored_runs.explore_tips(file)
    (rows,) = undrawn[-1].numbers[0].values()
    assert [(row.name, row.bold) for row in rows] == [("0.0001", False), ("0.005", False), ("0.1", True)]
    assert [len(column) for column in rows[0].columns] == [2, 2, 2]
    assert "lowest validation loss at “0.1”; objects right after 160 steps: 50.5 %" in undrawn[-1].title
    explorer.controls["tip"].value = "pictures"
    assert [row.name for row in list(undrawn[-1].numbers[0].values())[0]] == ["100", "6,000"]


def test_the_table_of_settings_has_a_row_for_each_value(file):
    rows = rows_of(stored_runs.tabulate_tips(file))
    assert rows["learning rate: 0.005"][:2] == ["40.5", "20.0"] and "initialisation: both as words" in rows
    assert len(rows) == 7


# --- how the figures are drawn -------------------------------------------------------------------------------------------


def test_figures_hold_whatever_models_say(model, file, curves, lang):
    """Nothing, one endless word, no step yet, very long texts."""
    image, texts = Image.new("RGB", (64, 64)), ["", "a" * 300, "a " * 300, "<b>$x$ 猫"]
    likely = [captions.Likely(text[:50] or "x", 0.25, text == "") for text in texts]
    told = {"title": "t", "alt": "a description of the figure"}
    pictures = [
        captions.draw_next_tokens(image, likely, [("greedy", texts)], before="x " * 90, setting="s", **told),
        captions.draw_prompt_blends(image, [*texts, "", "", "a"], 2, names=("one", "other"), **told),
        measurements.draw_learned_captions(History(9), (), [(image, [captions.Phrase(t, True)], "n") for t in texts[:3]], 9, **told),
        stored_runs.draw_two_losses(file), stored_runs.draw_three_curves(file), stored_runs.draw_parts(file), stored_runs.explore_tips(file).shown,
        writing.draw_descriptions(model, captioner_study.WATCHED),
    ]  # fmt: skip
    assert all(picture.image.width == 1480 and picture.image.height < 1400 for picture in pictures)


def test_lines_are_as_long_as_there_is_room_and_what_is_left_out_has_an_ellipsis():
    text = "a photo of a small red cat in the snow beside a large blue dog"
    lines = captions.break_lines(text, 1.5, 9)
    assert " ".join(lines) == text and all(captions.measure_width(line, captions.SIZE) <= 1.5 for line in lines)
    short = captions.break_lines(text, 1.5, 2)
    assert len(short) == 2 and short[1].endswith(" …") and captions.measure_width(short[1], captions.SIZE) <= 1.5
    assert captions.break_lines("", 1.5, 2) == ["(nothing)"]
