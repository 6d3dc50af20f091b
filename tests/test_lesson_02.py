"""Facts about the pictures and explorers of lesson 02, on the pocket CLIP and on a made-up study."""

import json
import pickle
import random
from statistics import harmonic_mean

import numpy as np
import pytest
import torch
from explorers import all_widgets, in_language
from PIL import Image
from torch.nn import functional as F

from helpers.context import PromptedCLIP
from helpers.pretrained import load_clip
from lessons.kit.explorer import WIDGET_VIEW, Sentence, compute_checksum
from lessons.kit.models import show_prediction
from lessons.kit.picture import Picture, spread
from lessons.lesson_02_learnable_context import figures
from lessons.lesson_02_learnable_context.explorers import base_to_new, choices, entering, shared, shots, what_learns
from pocket import tasks
from pocket.studies.context_study import load_study

SHOTS, LENGTHS, PULLS = (1, 2, 4, 8, 16), (1, 2, 4, 8, 16), (0, 0.5, 2, 8, 32)
DRAWING = (
    "draw_text_with_slots",
    "draw_ways_in",
    "draw_accuracy_by_shots",
    "draw_accuracy_by_length",
    "draw_base_and_new",
)
TASKS = {tasks.RIDDLE.name: 0.5, tasks.BLURRED.name: 0.7}


@pytest.fixture(scope="module")
def clip():
    return load_clip()


def made_up():
    """A study with known numbers: the context gains two points with every doubling of the shots, and loses on new classes."""
    noise = random.Random(0)
    seeds = (-0.01, -0.005, 0, 0.005, 0.01)
    shots = [
        {
            "task": task,
            "hand": hand,
            "own_template": "a photo of a red {}.",
            "own": hand + 0.1,
            "ensemble_templates": ["a {}."] * 8,
            "ensemble": hand + 0.012,
            "runs": [
                {"shots": number, "seed": seed, "context": hand - 0.04 + 0.02 * step + move, "probe": 0.2 + 0.1 * step, "class_mean": 0.1}
                for seed, move in enumerate(seeds) for step, number in enumerate(SHOTS)
            ],
        }
        for task, hand in TASKS.items()
    ]  # fmt: skip
    choices = [
        {"length": length, "position": position, "init": init, "class_specific": own, "seed": seed,
         "validation": 0.6 - 0.1 * own + noise.uniform(-0.01, 0.01), "test": 0.5 + 0.01 * seed - 0.1 * own}
        for length in LENGTHS for position in ("end", "middle", "front") for init in ("words", "random") for own in (False, True)
        for seed in range(3)
    ]  # fmt: skip
    new = [
        {
            "task": task,
            "base": ["cat"],
            "new": ["dog"],
            "hand_base": round(hand + 0.1, 4),
            "hand_new": 0.6,
            "runs": [
                {"regularisation": pull, "seed": seed, "base": 0.8, "new": 0.5 + pull / 100}
                for pull in PULLS
                for seed in range(5)
            ],
        }
        for task, hand in TASKS.items()
    ]
    return {
        "command": "python make.py",
        "versions": {},
        "seconds": 1.0,
        "config": {},
        "example": {
            "task": tasks.RIDDLE.name,
            "shots": 8,
            "seed": 0,
            "hand": 0.4,
            "before": 0.5,
            "after": 0.6,
            "history": {"steps": 0},
            "context": [],
        },
        "shots": shots,
        "choices": {"task": tasks.RIDDLE.name, "shots": 8, "hand": 0.47, "runs": choices},
        "base_to_new": new,
    }


def written(folder, study):
    file = folder / "study.json"
    file.write_text(json.dumps(study), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return written(tmp_path_factory.mktemp("runs"), made_up())


@pytest.fixture
def undrawn(monkeypatch):
    """Figures are not drawn, which takes a quarter of a second each: what was to be drawn is kept, and alt and caption are real."""
    drawn, nothing = [], Image.new("RGB", (2, 2))

    def instead(*numbers, alt, caption, **rest):
        drawn.append(numbers)
        return Picture(nothing, alt, caption)

    for name in DRAWING:
        monkeypatch.setattr(figures, name, instead)
    return drawn


def explorers(clip, file):
    """What makes each of them anew."""
    return {
        "slots": lambda: entering.explore_slots(*clip),
        "shots": lambda: shots.explore_shots(file),
        "choices": lambda: choices.explore_choices(file),
        "new": lambda: base_to_new.explore_base_to_new(file),
    }


# --- what all explorers keep ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("slots", {"name": "dog", "vectors": 7, "position": "front"}),
        ("shots", {"task": tasks.BLURRED.name, "context": False, "probe": False, "class_mean": False, "prompts": False}),
        ("choices", {"length": 8, "position": "middle", "init": "words", "class_specific": True}),
        ("new", {"task": tasks.BLURRED.name, "weight": 8}),
    ],
)  # fmt: skip
def test_every_control_changes_the_picture_and_what_is_told_of_it(clip, file, name, values, undrawn):
    explorer = explorers(clip, file)[name]()
    assert set(values) == set(explorer.controls)
    for control, value in values.items():
        alt, picture = explorer.shown.alt, pickle.dumps(undrawn[-1])
        explorer.controls[control].value = value
        assert explorer.shown.alt != alt and pickle.dumps(undrawn[-1]) != picture, control
        assert explorer.view.value == explorer.shown.html()


def test_all_texts_are_in_the_learners_language(clip, file, lang, undrawn):
    shown = [entering.draw_inserting(*clip)]
    for make in explorers(clip, file).values():
        explorer = make()
        shown.append(explorer.shown)
        for control in explorer.controls.values():
            assert control.description and in_language(control.description, lang)
            for option in getattr(control, "options", ()):
                assert not isinstance(option, tuple) or option[0][0].isdigit() or in_language(option[0], lang)
    for picture in shown:
        assert in_language(picture.alt, lang) and in_language(picture.caption, lang)
    gradients = what_learns.tabulate_trained_parts(PromptedCLIP(*clip, ["cat"], 4))
    tables = shots.tabulate_shots(file), choices.tabulate_choices(file), base_to_new.tabulate_base_to_new(file)
    for table in (gradients, *tables):
        assert all(in_language(row[0], lang) for row in table.rows)


def test_explorers_are_core_widgets_and_leave_the_model_alone(clip, file, lang):
    before = compute_checksum(clip[0]), clip[0].text_model.embeddings, clip[0].training
    for make in explorers(clip, file).values():
        explorer = make()
        inside = list(all_widgets(explorer.widget))
        assert all(type(widget).__module__.startswith("ipywidgets.") for widget in inside)
        assert {id(widget) for widget in (*explorer.controls.values(), explorer.view)} <= set(map(id, inside))
        assert WIDGET_VIEW in explorer._repr_mimebundle_() and explorer.shown.image.width == 1480
    assert (compute_checksum(clip[0]), clip[0].text_model.embeddings, clip[0].training) == before


# --- where vectors get in ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("position", ["end", "middle", "front"])
@pytest.mark.parametrize("name", ["cat", "a giraffe in 猫"])
def test_all_positions_but_the_slots_keep_every_number(clip, undrawn, name, position):
    explorer = entering.explore_slots(*clip, name)
    explorer.controls["vectors"].value, explorer.controls["position"].value = 5, position
    above, below, pooled = undrawn[-1]
    slots = [place.ours for place in below]
    assert sum(slots) == 5 and [place.unread for place in above] == slots
    assert [np.array_equal(a.vector, b.vector) for a, b in zip(above, below)] == [not slot for slot in slots]
    assert [b.label for b in below if b.ours] == ["v1", "v2", "v3", "v4", "v5"]
    assert [a.label for a, slot in zip(above, slots) if not slot] == [b.label for b in below if not b.ours]
    assert (above[0].label, above[-1].label, below[-1].label, pooled) == ("SOS", "EOT", "EOT", len(below) - 1)


def test_what_is_drawn_is_what_enters_the_tower(clip, undrawn):
    entering.explore_slots(*clip)
    below = np.stack([place.vector for place in undrawn[-1][1]])
    prompted = PromptedCLIP(*clip, ["cat"], 4, "random", generator=torch.Generator().manual_seed(0))
    entered = []
    handle = clip[0].text_model.encoder.register_forward_pre_hook(
        lambda module, given, named: entered.append(named["inputs_embeds"]), with_kwargs=True
    )
    prompted.text_features(fast=False)
    handle.remove()
    assert np.allclose(entered[0][0, : len(below)].detach().numpy(), below, atol=1e-6)


def test_the_placeholder_is_another_word_where_the_class_name_holds_it(clip, lang, undrawn):
    explorer = entering.explore_slots(*clip, "x")
    assert "“x”" not in explorer.shown.caption.split("“=”")[0] and "x (5)" in explorer.shown.alt


@pytest.mark.parametrize("name", ["cat " * 71, "cat " * 500, "", "  ", "<|endoftext|>"])
def test_a_name_that_is_too_long_or_empty_is_a_plain_sentence(clip, lang, name, undrawn):
    explorer = entering.explore_slots(*clip)
    explorer.controls["name"].value = name
    assert isinstance(explorer.shown, Sentence) and in_language(explorer.shown.text, lang)
    assert "<details>" not in explorer.view.value
    if name.startswith("cat"):
        count = name.count("cat")
        assert str(count) in explorer.shown.text and str(count + 4 + 3) in explorer.shown.text
    explorer.controls["name"].value = "cat " * 70  # fills all 77
    assert "76" in explorer.shown.alt


@pytest.mark.parametrize("name", ["<|endoftext|> $x$ <b>cat.", "supercalifragilisticexpialidocious"])
def test_any_class_name_can_be_drawn(clip, name, lang):
    explorer = entering.explore_slots(*clip, name)
    explorer.controls["vectors"].value = 16
    for picture in (explorer.shown, entering.draw_inserting(*clip, name)):
        assert picture.image.width == 1480 and in_language(picture.alt, lang)


def test_a_name_cannot_end_the_text(clip, undrawn):
    entering.explore_slots(*clip, "cat <|endoftext|> dog")
    assert [place.label for place in undrawn[0][0]].count("EOT") == 1


def test_inserting_names_the_wrong_position_and_what_stands_there(clip, undrawn):
    picture = entering.draw_inserting(*clip)
    assert "at position 7 down to EOT" in picture.alt and "at position 3, down to “v3”" in picture.alt
    assert "ids are SOS, cat, ., EOT and padding; the vectors are SOS, v1, v2, v3, v4, cat, ., EOT" in picture.alt
    assert "position 3, where “v3” stands" in picture.caption


@pytest.mark.parametrize(
    ("name", "vectors", "stands", "told"),
    [
        ("cat", 4, "v3", "has not seen the class name: all names of 1 token would"),
        ("cat", 1, ".", "has seen the class name, but"),
        ("giraffe", 4, "ra", "has seen only a part"),
        ("giraffe", 16, "v6", "all names of 4 tokens would"),
    ],
)
def test_what_is_read_off_after_inserting_follows_from_the_ids(clip, name, vectors, stands, told, undrawn):
    picture = entering.draw_inserting(*clip, name, vectors)
    assert f"“{stands}” stands" in picture.caption and told in picture.caption


# --- what learns ---------------------------------------------------------------------------------------------------


def rows_of(table):
    return {label: cells for label, *cells in table.rows}


def test_only_the_context_has_a_gradient_and_the_numbers_add_up(clip):
    prompted = PromptedCLIP(*clip, ["cat", "dog"], 4)
    rows = rows_of(what_learns.tabulate_trained_parts(prompted))
    assert rows["the context"] == ["512", "yes", "none"]
    assert [label for label, cells in rows.items() if cells[1] == "yes"] == ["the context"]
    numbers = [int(cells[0].replace(",", "")) for cells in rows.values()]
    assert sum(numbers[:-2]) == numbers[-2] == sum(p.numel() for p in prompted.parameters()) and numbers[-1] == 512
    assert rows["text tower: token table"][0] == "272,000" and rows["logit scale"][0] == "1"
    assert rows["of these, numbers that learn"][1] == "0.029 %"


def test_after_a_backward_pass_the_table_has_the_length_of_the_contexts_gradient(clip):
    prompted = PromptedCLIP(*clip, ["cat", "dog"], 4)
    prompted.text_features().sum().backward()
    rows = rows_of(what_learns.tabulate_trained_parts(prompted))
    assert float(rows["the context"][2]) == pytest.approx(prompted.context.grad.norm().item(), rel=0.05)
    assert {cells[2] for label, cells in rows.items() if label != "the context"} == {"none", ""}


def test_a_part_that_is_thawed_by_mistake_is_seen_in_the_table(clip):
    prompted = PromptedCLIP(*clip, ["cat", "dog"], 4)
    prompted.clip.logit_scale.requires_grad_(True)
    try:
        images = F.normalize(torch.ones(1, 128), dim=-1)
        F.cross_entropy(prompted(images), torch.tensor([0])).backward()
        row = rows_of(what_learns.tabulate_trained_parts(prompted))["logit scale"]
        assert row[1] == "yes" and row[2] != "none"
    finally:
        prompted.clip.logit_scale.requires_grad_(False)
        prompted.clip.logit_scale.grad = None


# --- the stored study: shots -----------------------------------------------------------------------------------------


def test_the_caption_sets_the_context_with_one_and_with_sixteen_shots_against_the_hand_prompt(file, undrawn):
    caption = shots.explore_shots(file).shown.caption
    assert (
        "With 1 shot a class the learned context gets 46.0 % on average (45.0 % to 47.0 %), 4.0 points less" in caption
    )
    assert "none of 5 runs beats it" in caption and "all 5 runs beat it" in caption
    assert "With 16 shots it gets 54.0 % on average (53.0 % to 55.0 %), 4.0 points more than the hand prompt" in caption
    assert "Stored runs on the pocket model, made by “python make.py”." in caption


def test_methods_that_are_not_ticked_are_neither_drawn_nor_told_and_the_axes_stay(file, undrawn):
    explorer = shots.explore_shots(file)
    explorer.controls["probe"].value = explorer.controls["prompts"].value = False
    (_, full, limits), (_, few, same) = undrawn[0], undrawn[-1]
    assert [method.name for method in full.methods] == ["learned context", "linear probe", "nearest class mean"]
    assert [method.name for method in few.methods] == ["learned context", "nearest class mean"]
    assert len(full.lines) == 3 and not few.lines and same == limits
    assert "linear probe" not in explorer.shown.alt and "No lines for prompts" in explorer.shown.alt
    assert full.methods[0].marker != full.methods[1].marker != full.methods[2].marker


@pytest.mark.parametrize(
    ("runs", "often"),
    [([0.4, 0.6], "1 of 2 runs beats it"), ([0.4, 0.6, 0.7], "2 of 3 runs beat it"), ([0.5, 0.5], "none of 2")],
)
def test_how_many_runs_beat_the_hand_prompt_is_counted(runs, often):
    assert often in shots._summarise_runs(runs, 0.5)


def test_a_difference_is_that_of_the_numbers_as_they_are_printed(lang):
    """Of 50.04 and 49.96 per cent the page says 50.0 % and 50.0 %, so it must not say 0.1 points."""
    same = {"en": "as much as", "zh": "和手工提示词不相上下"}
    assert shared.compare_with_hand(0.5004, 0.4996) == same[lang]
    more = {"en": "0.1 points more than", "zh": "比手工提示词高 0.1 个百分点"}
    assert shared.compare_with_hand(0.5006, 0.4996) == more[lang]


# --- the stored study: choices ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("own", "length", "numbers"), [(False, 4, 512), (False, 1, 128), (True, 16, 49152)])
def test_learned_numbers_are_length_times_width_and_times_classes_where_each_has_its_own(
    file, own, length, numbers, undrawn
):
    explorer = choices.explore_choices(file)
    explorer.controls["length"].value, explorer.controls["class_specific"].value = length, own
    assert f"{numbers:,} learned numbers" in explorer.shown.caption


def test_the_caption_ranks_by_validation_and_names_the_first_there(tmp_path, undrawn):
    study = made_up()
    for run in study["choices"]["runs"]:
        run["validation"] = 0.9 if (run["length"], run["position"], run["init"]) == (2, "front", "words") else 0.5
        run["validation"] -= 0.1 * run["class_specific"]
    explorer = choices.explore_choices(written(tmp_path, study))
    caption = explorer.shown.caption
    assert "50.0 % on validation, 51.0 % on test pictures (50.0 % to 52.0 %)" in caption
    assert "number 3 of 60 combinations" in caption
    assert "Number 1 is a context of 2 vectors with the class name in front, begun from words, shared by all" in caption
    for name, value in {"length": 2, "position": "front", "init": "words"}.items():
        explorer.controls[name].value = value
    assert "number 1 of 60" in explorer.shown.caption and "Number 1 is" not in explorer.shown.caption


def test_a_single_vector_has_no_middle_and_the_caption_says_so(file, lang, undrawn):
    explorer = choices.explore_choices(file)
    wanted = {"en": "no middle", "zh": "谈不上中间"}[lang]
    assert wanted not in explorer.shown.caption
    explorer.controls["length"].value, explorer.controls["position"].value = 1, "middle"
    assert wanted in explorer.shown.caption


def test_shape_tells_shared_vectors_from_those_of_each_class_and_filled_is_what_was_chosen(file, undrawn):
    explorer = choices.explore_choices(file)
    explorer.controls["class_specific"].value = True
    for (*_, panels, _), chosen in zip(undrawn[-2:], ("o", "^")):
        for panel in panels:
            looks = {(method.name, method.marker, method.faint) for method in panel.methods}
            assert looks == {("shared", "o", True), ("class-specific", "^", True), ("your settings", chosen, False)}
            runs = [len(column) for method in panel.methods for column in method.columns]
            assert sum(runs) == len(load_study(file).choices.runs)


def test_a_combination_that_was_not_run_is_a_plain_sentence(tmp_path, lang, undrawn):
    study = made_up()
    study["choices"]["runs"] = [run for run in study["choices"]["runs"] if run["init"] == "random"]
    explorer = choices.explore_choices(written(tmp_path, study))
    explorer.controls["init"].value = "words"
    assert isinstance(explorer.shown, Sentence) and in_language(explorer.shown.text, lang)


# --- the stored study: new classes -----------------------------------------------------------------------------------


def test_the_caption_says_what_is_won_on_base_and_lost_on_new_classes_or_won_there_too(file, undrawn):
    explorer = base_to_new.explore_base_to_new(file)
    caption = explorer.shown.caption
    assert "80.0 % on the classes it learned from, 20.0 points more than the hand prompt" in caption
    assert "50.0 % on new ones, 10.0 points less than it" in caption and "Without regularisation" in caption
    assert "harmonic mean 61.5 %, 1.5 points more than it (means of 5 runs)" in caption
    explorer.controls["weight"].value = 32
    assert "82.0 % on new ones, 22.0 points more than it" in explorer.shown.caption
    assert "With the regularisation 32" in explorer.shown.caption


def test_published_numbers_are_told_and_their_harmonic_means_are_right(file, undrawn):
    shown = base_to_new.explore_base_to_new(file).shown
    assert "13.4 points more than CLIP on base classes, 11.0 points less than it on new ones" in shown.caption
    assert "arXiv 2203.05557" in shown.caption and "CoOp 82.7 %, 63.2 %, 71.7 %" in shown.alt
    for base_share, new_share, both in base_to_new.PUBLISHED.values():
        assert harmonic_mean((base_share, new_share)) == pytest.approx(both, abs=1e-4)


# --- the study that ships --------------------------------------------------------------------------------------------


def test_every_task_of_the_stored_study_can_be_chosen_and_has_a_name(lang, undrawn):
    study = load_study()
    for explorer, part in ((shots.explore_shots(), "shots"), (base_to_new.explore_base_to_new(), "base_to_new")):
        options = explorer.controls["task"].options
        assert [task for _, task in options] == [entry.task for entry in getattr(study, part)]
        assert all(in_language(name, lang) for name, _ in options)
        assert len({shared.find_study_task(task).title for _, task in options}) == len(options)
    assert {run.class_specific for run in study.choices.runs} == {
        value for _, value in choices.explore_choices().controls["class_specific"].options
    }


# --- the study in tables, and one picture ------------------------------------------------------------------------------


def test_the_table_of_shots_holds_prompts_means_by_shots_and_how_many_first_tries_stay_below(file):
    table = shots.tabulate_shots(file)
    context, probe = table.rows[:2]
    assert context[1:] == ("50.0", "60.0", "46.0", "48.0", "50.0", "52.0", "54.0", "5 of 5 tries")
    assert probe[1:] == ("50.0", "60.0", "20.0", "30.0", "40.0", "50.0", "60.0", "5 of 5 tries")
    assert len(table.rows) == 2 * len(TASKS) and len(table.header) == len(table.rows[0])


def test_the_table_of_choices_averages_over_everything_else(file):
    rows = {name: shares for name, *shares in choices.tabulate_choices(file).rows}
    assert rows["vectors are: the same for all classes"][1] == "51.0"
    assert rows["vectors are: each class its own"][1] == "41.0"
    assert {rows[f"vectors: {length}"][1] for length in LENGTHS} == {"46.0"}
    assert rows["hand prompt “a photo of a {}”"] == ["", "47.0"]
    assert len(rows) == len(LENGTHS) + 3 + 2 + 2 + 1


def test_the_table_of_new_classes_has_a_row_for_each_pull_under_the_hand_prompt(file):
    table = base_to_new.tabulate_base_to_new(file)
    assert len(table.rows) == len(TASKS) * (1 + len(PULLS))
    assert table.rows[0][1:] == ("60.0", "60.0", "60.0") and table.rows[0][0].endswith("“a photo of a {}”")
    assert table.rows[1] == ("context, regularisation 0", "80.0", "50.0", "61.5")


def test_a_prediction_is_told_from_the_likeliest_on(lang):
    picture = Image.new("RGB", (64, 48))
    shown = show_prediction(picture, {"cat": 0.7, "dog": 0.2, "key": 0.1})
    assert "cat 70" in shown.alt and "key 10" in shown.alt
    assert in_language(shown.alt, lang) and in_language(shown.caption, lang)


def test_names_beside_a_diagram_keep_their_order_and_never_touch():
    for heights in ([0.5], [0.5, 0.5, 0.5], [0.99, 1.0, 1.0, 1.0], [0.0, 0.01, 0.6, 0.6, 0.61]):
        moved = spread(heights, 0.05, 0.0, 1.0)
        assert moved == sorted(moved) and min(moved) >= 0 and max(moved) <= 1
        assert all(after - before >= 0.05 - 1e-9 for before, after in zip(moved, moved[1:]))
    assert spread([0.2, 0.8], 0.05, 0.0, 1.0) == pytest.approx([0.2, 0.8])
    assert spread([0.5, 0.5], 0.1, 0.0, 1.0) == pytest.approx([0.45, 0.55])
