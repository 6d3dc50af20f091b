"""Facts about the explorers, figures and tables of lesson 02b."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from explorers import all_widgets, in_language, moved
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPConfig

from helpers.context import PromptedCLIP
from helpers.pretrained import POCKET_CLIP, load_clip
from lessons.kit import flops
from lessons.kit.benchmarks import read_benchmarks
from lessons.kit.explorer import WIDGET_VIEW, Sentence, compute_checksum
from lessons.lesson_02_learnable_context import figures_b as figures
from lessons.lesson_02_learnable_context.explorers_b import costs, sharing, timing
from lessons.lesson_02_learnable_context.figures_b import Curve

NAMES = ["cat", "umbrella", "red car", "small white house", "butterfly", "key"]
MACHINE = {"cpu": "Some Processor", "threads": 2}
# what records of the benchmarks look like: 20 s for the features, then 0.25 s a step, against 4 s a step of the textbook
RUN = {
    "machine": MACHINE,
    "sizes": {
        "classes": 20,
        "shots": 16,
        "validation_pictures_a_class": 4,
        "batch": 32,
        "steps": 200,
        "context_length": 16,
    },
    "seconds": {"textbook step": {"median": 4.0}},
    "ours_after_steps": [[0, 20.0], *([step, 20 + step / 4] for step in range(8, 201, 8))],
    "textbook_steps_measured": 10,
    "break_even_step": 6,
}
BY_CLASSES = {
    "machine": MACHINE,
    "sizes": {"context_length": 16},
    "points": [
        {"classes": 1, "fast": {"median": 0.2}, "plain": {"median": 0.3}, "limit_seconds": 0.1},
        {"classes": 10, "fast": {"median": 0.4}, "plain": {"median": 3.2}, "limit_seconds": 0.2},
        {"classes": 100, "fast": {"median": 2.2}, "limit_seconds": 2.0},
    ],
    "plain_not_run": [{"classes": 100, "would_keep_for_backward_gib": 41.0}],
}


@pytest.fixture(scope="module")
def clip():
    return load_clip()


def explorers(clip):
    """All of them, freshly made."""
    return {
        "cost": costs.explore_cost(),
        "shared": sharing.explore_sharing(*clip, NAMES),
        "even": timing.explore_break_even(RUN),
    }


def prompted(clip, names=NAMES, length=16, **choices):
    return PromptedCLIP(*clip, names, length, "random", generator=torch.Generator().manual_seed(0), **choices)


# --- what all explorers keep -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("cost", {"classes": 1000, "length": 4, "tokens": 6, "model": None}),
        ("shared", {"position": "front", "specific": True, "length": 16}),
        ("even", {"steps": 200, "kept": True}),
    ],
)
def test_every_control_changes_the_picture(clip, name, values):
    explorer = explorers(clip)[name]
    assert set(values) == set(explorer.controls)
    for control, value in reversed(values.items()):
        before, page = np.asarray(explorer.shown.image), explorer.view.value
        explorer.controls[control].value = costs._list_sizes()["ViT-L/14"] if value is None else value
        after = np.asarray(explorer.shown.image)
        assert before.shape != after.shape or (before != after).any(), control
        assert explorer.view.value == explorer.shown.html() != page


def test_all_texts_are_in_the_learners_language(clip, lang):
    for explorer in explorers(clip).values():
        for control in explorer.controls.values():
            assert in_language(control.description, lang)
        assert in_language(explorer.shown.alt, lang) and in_language(explorer.shown.caption, lang)
    picture = timing.draw_cost_by_classes(BY_CLASSES)
    assert in_language(picture.alt, lang) and in_language(picture.caption, lang)
    for table in (
        timing.tabulate_timing({"a": int, "b": int}, repeats=1),
        timing.tabulate_where_time_goes(prompted(clip), 1),
    ):
        assert in_language(table.header[0], lang) and in_language(table.header[1], lang)


def test_explorers_are_core_widgets_and_leave_the_model_alone_and_their_twins_are_the_same_at_every_run(clip):
    before = compute_checksum(clip[0]), clip[0].config.to_json_string(), clip[0].training
    for first, second in zip(explorers(clip).values(), explorers(clip).values()):
        inside = list(all_widgets(first.widget))
        assert all(type(widget).__module__.startswith("ipywidgets.") for widget in inside)
        bundle = first._repr_mimebundle_()
        assert bundle.pop(WIDGET_VIEW)["model_id"] == first.widget.model_id
        assert bundle == second.shown.bundle()
    assert (compute_checksum(clip[0]), clip[0].config.to_json_string(), clip[0].training) == before


# --- what a pass costs -------------------------------------------------------------------------------------------


def test_the_largest_choices_fit_into_every_tower():
    needed = costs.LENGTHS[-1] + costs.MOST_TOKENS + costs.NEEDED
    assert all(needed <= config.text_config.max_position_embeddings for config in costs._list_sizes().values())


def test_the_sizes_are_those_of_the_models_that_they_are_named_after(clip):
    pocket, base_size, large = costs._list_sizes().values()
    assert pocket.to_dict() == CLIPConfig.from_pretrained(POCKET_CLIP).to_dict()
    assert pocket.text_config.hidden_size == clip[0].config.text_config.hidden_size
    assert base_size.text_config.to_dict() == CLIPConfig().text_config.to_dict()
    text = large.text_config
    assert text.hidden_size % text.num_attention_heads == 0 and text.num_hidden_layers == 12


def test_the_count_of_the_explorer_is_that_of_the_fast_path_on_such_texts(clip):
    """Ten names of one token each, and sixteen vectors."""
    names = ["cat", "dog", "fish", "bird", "tree", "car", "boat", "star", "cup", "key"]
    ours, config = prompted(clip, names, 16), clip[0].config
    end = int(ours.end.max()) + 1
    fewest = flops.count_text_tower(config, 10, end, ours.shared, only_end=True).forward
    most = flops.count_text_tower(config, 10, ours.ids.shape[1]).forward
    shown = moved(costs.explore_cost(), classes=10, tokens=1, model=next(iter(costs._list_sizes().values())))
    assert costs.format_large(fewest) in shown.alt and costs.format_large(most) in shown.alt


def test_a_single_text_shares_with_nobody_and_the_caption_says_so(lang):
    words = {"en": "nobody to share with", "zh": "没有谁可以共用"}[lang]
    explorer = costs.explore_cost()
    assert words not in explorer.shown.caption
    assert words in moved(explorer, classes=1).caption


def test_large_numbers_are_told_in_three_digits_and_in_words(lang):
    found = [costs.format_large(number) for number in (123, 27_480_000, 297_600_000_000, 6.54e12)]
    expected = {
        "en": ["123", "27.5 million", "298 billion", "6.54 trillion"],
        "zh": ["123", "2,750 万", "2,980 亿", "6.54 万亿"],
    }
    assert found == expected[lang]


# --- what texts share --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("position", ["end", "middle", "front"])
@pytest.mark.parametrize("specific", [False, True])
def test_the_sums_are_those_of_the_prompted_model(clip, position, specific):
    ours = prompted(clip, length=6, position=position, class_specific=specific)
    caption = sharing._explain_sharing(
        SimpleNamespace(position=position, specific=specific), ours, sharing._count_positions(ours)
    )
    texts, room = ours.ids.shape
    length = int(ours.end.max()) + 1
    for number in (texts * room, texts * length, ours.shared + texts * (length - ours.shared)):
        assert f"= {number} " in caption
    assert "“pad” to the longest, 9 in all" in caption
    assert ("class's own" in caption) == specific


def test_the_explorer_shows_what_its_controls_say(clip):
    explorer = sharing.explore_sharing(*clip, NAMES)
    alt = moved(explorer, position="middle", length=6).alt
    texts, room = len(NAMES), clip[0].config.text_config.max_position_embeddings
    assert alt.startswith(f"A grid of {texts} texts") and f"{texts * room} positions in full" in alt
    assert "SOS, v1 to v3 (positions: 4)" in alt
    assert "the same in all texts: SOS (positions: 1)" in moved(explorer, specific=True).alt


def test_each_position_is_labelled_with_what_stands_there(clip):
    ours = prompted(clip, ["red car", "key"], 3)
    first, second = (
        sharing._label_positions(clip[1], row, end, ours.embeddings.placeholder)
        for row, end in zip(ours.ids, ours.end.tolist())
    )
    assert first[:9] == ["SOS", "v1", "v2", "v3", "red", "car", ".", "EOT", "pad"]
    assert second[:8] == ["SOS", "v1", "v2", "v3", "key", ".", "EOT", "pad"]
    assert len(first) == len(second) == ours.ids.shape[1] and set(first[8:]) == {"pad"}


def test_vectors_in_a_row_are_told_as_a_range(lang):
    to, comma = {"en": (" to ", ", "), "zh": (" 到 ", "、")}[lang]
    assert sharing._format_labels(["SOS", "v1", "v2", "v3", "van", "v4", "."]) == comma.join(
        ["SOS", f"v1{to}v3", "van", "v4", "."]
    )


def test_labels_grow_shorter_where_there_is_no_room_and_stay_within_it():
    for count in (4, 12, 30):
        labels, edges, size = figures._fit_labels([["butterfly"] * count, ["key"] * count], 1.0, 6.8)
        assert edges[0] == 1.0 and edges[-1] <= 6.8 + 1e-9 and (np.diff(edges) > 0).all()
        assert labels[1] == ["key"] * count and size >= 5.5
    assert labels[0][0] == "but…"


def test_names_that_do_not_fit_are_told_in_a_sentence(clip, lang):
    long = " ".join(["cat"] * 70)
    shown = moved(sharing.explore_sharing(*clip, ["key", long]), length=16)
    assert isinstance(shown, Sentence) and in_language(shown.text, lang)


# --- when it pays ------------------------------------------------------------------------------------------------


def test_the_crossing_is_the_one_in_the_record():
    assert timing._find_break_even(4.0, timing._list_our_points(RUN, kept=False)) == RUN["break_even_step"]
    shown = timing.explore_break_even(RUN).shown
    assert "ahead from step 6 on" in shown.alt and "Stored measurement on Some Processor, 2 threads" in shown.caption


def test_features_on_disk_cost_nothing_and_a_way_that_is_always_slower_never_crosses():
    assert timing._find_break_even(4.0, timing._list_our_points(RUN, kept=True)) == 1
    assert timing._find_break_even(0.2, timing._list_our_points(RUN, kept=False)) is None
    slow = RUN | {"seconds": {"textbook step": {"median": 0.2}}}
    assert "never cross" in timing.explore_break_even(slow).shown.alt


@pytest.mark.parametrize(
    ("steps", "textbook", "ours"), [(20, "80 s", "25 s"), (200, "13.3 min", "70 s"), (1000, "66.7 min", "4.5 min")]
)
def test_beyond_what_was_measured_each_way_goes_on_at_its_own_pace(steps, textbook, ours):
    alt = moved(timing.explore_break_even(RUN), steps=steps).alt
    assert f"the textbook's way has taken {textbook}, ours {ours}" in alt


def test_the_curves_meet_between_the_two_steps():
    textbook, ours = Curve([0, 20], [0, 80]), Curve([0, 20], [20, 25])
    x, y = figures._find_meeting(textbook, ours, 6)
    assert x == pytest.approx(20 / 3.75) and y == pytest.approx(4 * x)


def test_the_cost_by_classes_tells_what_was_not_run():
    picture = timing.draw_cost_by_classes(BY_CLASSES)
    assert "100 classes it was not run: it would keep 41 GiB" in picture.alt
    assert (
        "Stored measurement on Some Processor" in picture.caption and "1.1 times the machine's limit" in picture.caption
    )


def test_the_stored_records_can_be_drawn():
    found = read_benchmarks()["few_shot_run"]
    assert f"step {found['break_even_step']} on" in timing.explore_break_even().shown.alt
    assert "Stored measurement" in timing.draw_cost_by_classes().caption


# --- how long it takes -------------------------------------------------------------------------------------------


def test_each_way_is_timed_after_one_time_that_does_not_count_and_they_take_turns():
    calls = []
    table = timing.tabulate_timing({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, repeats=2)
    assert calls == ["a", "b"] * 3
    assert [row[0] for row in table.rows] == ["a", "b"] and table.rows[0][2] == "1.0×"


def test_the_best_time_counts_and_ratios_are_to_the_first(monkeypatch):
    seconds = {"slow": iter([0.1, 0.4, 9.0]), "quick": iter([0.01, 0.2, 0.1])}  # the first time does not count
    monkeypatch.setattr(timing, "_measure_seconds", next)
    assert timing.tabulate_timing(seconds, 2).rows == [("slow", "400", "1.0×"), ("quick", "100", "4.0×")]


def test_shares_of_the_machines_pace_follow_from_seconds_and_macs(clip, monkeypatch):
    """A machine on which everything takes a hundredth of a second."""
    monkeypatch.setattr(timing, "_time_ways", lambda ways, repeats: dict.fromkeys(ways, 0.01))
    ours = prompted(clip)
    plain, fast, matrices = timing.tabulate_where_time_goes(ours).rows
    products = flops.count_text_tower(clip[0].config, len(NAMES), ours.ids.shape[1]).forward_and_backward
    assert plain[1:4] == ("10.0", costs.format_large(products), f"{2 * products / 0.01 / 1e9:.1f}")
    assert matrices[4] == "100 %" and plain[4] == f"{products / timing.SIDE**3:.0%}".replace("%", " %")
    assert int(fast[4].split()[0]) < int(plain[4].split()[0])


@pytest.mark.parametrize("fast", [False, True])
def test_the_multiply_adds_are_those_that_torch_counts(clip, fast):
    """Torch counts attention too where it is done by matrix products."""
    ours = prompted(clip)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        timing._compute_gradient(ours, fast)
    length = int(ours.end.max()) + 1
    how = {"length": length, "shared": ours.shared, "only_end": True} if fast else {"length": ours.ids.shape[1]}
    told = flops.count_text_tower(clip[0].config, len(NAMES), **how).forward_and_backward
    assert told == counter.get_total_flops() // flops.FLOP


def test_a_measured_step_leaves_no_gradient_behind(clip):
    ours = prompted(clip)
    with torch.no_grad():
        gradient = timing._compute_gradient(ours, fast=True)
    assert gradient.shape == ours.context.shape and gradient.any() and ours.context.grad is None


def test_milliseconds_have_three_digits_at_least():
    assert [timing._format_milliseconds(seconds) for seconds in (1.5, 0.123, 0.0123, 0.00123)] == [
        "1,500",
        "123",
        "12.3",
        "1.23",
    ]
