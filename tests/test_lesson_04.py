"""Facts about the pictures and explorers of lesson 04, on the pocket models and on a made-up study with known answers."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from explorers import all_widgets, in_language, moved
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from helpers import reading
from helpers.captioner import DESCRIBE
from helpers.context import PromptedCLIP
from helpers.language import LearnerError
from helpers.pretrained import load_language_model
from helpers.training import TrainConfig
from lessons.kit.explorer import WIDGET_VIEW, compute_checksum
from lessons.kit.picture import Picture, add_axes, make_blank
from lessons.lesson_04_reading import instruments, nulls
from lessons.lesson_04_reading.explorers import influence, levers, neighbours, paths, planted, prompts, shared
from lessons.lesson_04_reading.figures import labels
from pocket.studies import reading_study as study
from tools.build import find_wrong_variants, read_glossary

GLOSSARY = read_glossary(Path(__file__).resolve().parents[1] / "lessons" / "glossary.md")
RED, SKETCH, BLURRED = study.FOLLOWED
PHOTO, BLUE = "objects, each a photo", "the blue one of two"
DRAWN = (RED, SKETCH, BLURRED, PHOTO, BLUE, "objects, each a sketch or a mosaic")
SEEDS, LOOKS, M, D = (0, 1), 21, 4, 128
KEPT = 80  # the step that every run kept


def make_study(words):
    """A study in which vector 2 of every real context is the right word with a little noise, all others are noise, and a context that
    began as words never moved; of words, the right one lowers the loss most, then “cup”."""
    noise = torch.Generator().manual_seed(0)
    names = [words.names[row] for row in words.words.tolist()]
    size = words.table.std()

    def random():
        return torch.randn(M, D, generator=noise) * size

    learned, on_words, helpful = [], [], []
    for task in DRAWN:
        right = study.RIGHT[task]
        for seed in SEEDS:
            for init in study.INITS:
                for permuted in (False, True):
                    begun = random() if init == "random" else words.table[[words.row(w) for w in init.split()]].clone()
                    context = begun.clone() if init != "random" else random()
                    if not permuted and right and init == "random":
                        context[1] = words.table[words.row(right[0])] + 0.2 * random()[1]
                    path = None
                    if task in DRAWN[:3] and not permuted:
                        share = (torch.arange(LOOKS) * 8 / KEPT).clamp(max=1)[:, None, None]
                        path = (1 - share) * begun + share * context
                    facts = task, seed, init, permuted, KEPT, 0.6 + 0.1 * seed, 0.5
                    learned.append(study.LearnedContext(*facts, begun, context, random(), path))
            on_words.append(study.WordSearch(task, seed, 0.55, "red red red red"))
        losses = {name: 1 + place / 1000 for place, name in enumerate(names)}
        losses |= {"cup": 0.6, **{name: 0.5 for name in right}}
        by_loss = dict(sorted(losses.items(), key=lambda item: item[1]))
        helpful.append(study.HelpfulWords(task, 0.4, [0.3, 0.5], 1.05, by_loss, {}, {}))
    how = "python make.py", {}, 1.0, TrainConfig(), {}, list(SEEDS), {}
    return study.ReadingStudy(*how, learned, on_words, helpful, [], [])


@pytest.fixture
def made_up(words, monkeypatch):
    """The made-up study in the place of the stored one, and one test picture a class."""
    stored = make_study(words)
    monkeypatch.setattr(study, "load_study", lambda: stored)
    monkeypatch.setattr(study, "TESTS", 1)
    forget_ranks()
    yield stored
    forget_ranks()


def forget_ranks():
    for cached in (planted.find_best_ranks, planted.measure_luck):
        cached.cache_clear()


@pytest.fixture
def undrawn(monkeypatch):
    """Figures are not drawn, which takes a quarter of a second each: what was to be drawn is kept, and alt and caption are real."""
    drawn, nothing = [], Image.new("RGB", (2, 2))

    def instead(*numbers, alt, caption, title, **rest):
        drawn.append((*numbers, {"title": title, **rest}))
        return Picture(nothing, alt, caption)

    for explorer in (influence, levers, neighbours, paths, planted, prompts):
        for name in (name for name in vars(explorer.figures) if name.startswith("draw_")):
            monkeypatch.setattr(explorer.figures, name, instead)
    return drawn


def make_explorers(clip, *names):
    """Those with these names, or all: freshly made."""
    make = {
        "nearest": lambda: neighbours.explore_nearest(*clip),
        "paths": lambda: paths.explore_paths(*clip),
        "influence": lambda: influence.explore_influence(*clip),
        "planted": planted.explore_planted,
        "levers": levers.explore_levers,
        "prompts": lambda: prompts.explore_stored_prompts(*load_language_model("pocket")),
    }
    return {name: make[name]() for name in names or make}


# --- what all explorers keep ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("nearest", {"task": SKETCH, "seed": 1, "step": 16, "k": 5, "metric": "euclidean", "init": "a photo of a"}),
        ("paths", {"task": SKETCH, "show": "real", "step": 40, "turn": 90, "tilt": -45, "init": "a photo of a"}),
        ("influence", {"task": SKETCH, "seed": 1, "what": 2, "blend": 0.5, "norm": 1.5, "init": "a photo of a"}),
        ("planted", {"kind": "style", "init": "a photo of a", "k": 7, "metric": "euclidean", "moment": "last"}),
        ("levers", {"task": RED}),
        ("prompts", {"prompt": "story", "k": 2, "metric": "euclidean"}),
    ],
)
def test_every_control_changes_the_picture_and_what_is_told_of_it(clip, made_up, name, values, undrawn):
    explorer = make_explorers(clip, name)[name]
    assert set(values) == set(explorer.controls)
    for control, value in values.items():
        alt, picture = explorer.shown.alt, pickle.dumps(undrawn[-1])
        explorer.controls[control].value = value
        assert explorer.shown.alt != alt and pickle.dumps(undrawn[-1]) != picture, control
        assert explorer.view.value == explorer.shown.html()


def test_all_texts_are_in_the_learners_language_and_keep_to_the_glossary(clip, made_up, lang, undrawn):
    shown = [neighbours.draw_distances(*clip)]
    for explorer in make_explorers(clip).values():
        shown.append(explorer.shown)
        for name in ("task", "kind", "prompt"):
            if name in explorer.controls:
                for _, value in explorer.controls[name].options:
                    shown.append(moved(explorer, **{name: value}))
        for control in explorer.controls.values():
            assert control.description and in_language(control.description, lang)
            for option in getattr(control, "options", ()):
                assert not isinstance(option, tuple) or in_language(option[0], lang)
    for picture in shown:
        for text in (picture.alt, picture.caption):
            assert in_language(text, lang) and not list(find_wrong_variants(text, GLOSSARY))


def test_tables_are_in_the_learners_language(clip, made_up, lang):
    of_words = neighbours.tabulate_steps(), levers.tabulate_snapping(), levers.tabulate_levers()
    of_planted = planted.tabulate_named(), planted.tabulate_p_values()
    for table in (*of_words, *of_planted, influence.tabulate_influence(*clip)):
        assert all(in_language(heading, lang) for heading in table.header if heading[0] != "“")  # a prompt
        assert all(in_language(row[0], lang) or row[0].isdigit() for row in table.rows)
        assert {len(row) for row in table.rows} == {len(table.header)}


def test_explorers_are_core_widgets_and_leave_the_model_alone(clip, made_up, lang):
    before = compute_checksum(clip[0]), clip[0].text_model.embeddings, clip[0].training
    for explorer in make_explorers(clip).values():
        inside = list(all_widgets(explorer.widget))
        assert all(type(widget).__module__.startswith("ipywidgets.") for widget in inside)
        assert {id(widget) for widget in (*explorer.controls.values(), explorer.view)} <= set(map(id, inside))
        assert WIDGET_VIEW in explorer._repr_mimebundle_() and explorer.shown.image.width == 1480
    assert neighbours.draw_distances(*clip).image.width == 1480
    assert (compute_checksum(clip[0]), clip[0].text_model.embeddings, clip[0].training) == before


def test_another_model_is_refused_in_a_plain_sentence(clip, made_up, lang, monkeypatch):
    shared.read_words(clip[0])
    monkeypatch.setattr(shared, "fingerprint", lambda model: "another")
    for make in (neighbours.explore_nearest, neighbours.draw_distances, influence.explore_influence):
        with pytest.raises(LearnerError) as error:
            make(*clip)
        assert in_language(str(error.value), lang)


# --- nearest words -------------------------------------------------------------------------------------------------


def test_the_planted_word_is_nearest_is_marked_and_chance_never_comes_as_near(clip, made_up, undrawn):
    explorer = neighbours.explore_nearest(*clip)
    moved(explorer, step=KEPT)
    vectors, own, limit, facts = undrawn[-1]
    assert [vector.words[0] == "red" for vector in vectors] == [False, True, False, False]
    assert vectors[1].marked[0] and not any(vectors[0].marked) and vectors[1].distances[0] < vectors[1].band[0]
    assert all(low < high <= limit for low, high in (vector.band for vector in vectors))
    assert "v2 “red” ✓" in facts["title"] and "(kept)" in facts["title"]
    assert "vector 2: “red” at 0.0" in explorer.shown.caption
    assert "(less than 1 % of random vectors" in explorer.shown.caption and " 0 %" not in explorer.shown.caption


def test_the_riddle_opens_at_its_first_evaluation_and_other_tasks_at_step_0(clip, made_up, undrawn):
    explorer = neighbours.explore_nearest(*clip)
    assert undrawn[-1][-1]["title"].startswith("the red one of two, step 8: v1")
    assert f"Kept was step {KEPT}." in explorer.shown.caption
    moved(explorer, step=KEPT)
    assert undrawn[-1][-1]["title"].startswith(f"the red one of two, step {KEPT} (kept): v1")
    assert "Kept was" not in explorer.shown.caption
    moved(explorer, seed=1)
    assert explorer.controls["step"].value == KEPT
    moved(explorer, task=SKETCH)
    assert explorer.controls["step"].value == 0
    assert "step 0 (initialisation): v1" in undrawn[-1][-1]["title"]
    assert "nothing has been learned" in explorer.shown.caption


def test_the_table_of_steps_leads_from_the_random_vectors_to_the_planted_word(made_up, words):
    rows = [row for row in neighbours.tabulate_steps().rows if row[0].startswith("the red")]
    assert [row[1] for row in rows] == ["0", "8", f"{KEPT} (kept)", "160"]
    assert rows[2][3] == "red" and rows[2][-1] == "red: 1" != rows[0][-1]


def test_words_that_were_put_there_at_the_beginning_are_called_that(clip, made_up, undrawn):
    shown = moved(neighbours.explore_nearest(*clip), init="a photo of a")
    assert [vector.words[0] for vector in undrawn[-1][0]] == "a photo of a".split()
    assert "Vectors 1, 2, 3, 4 still read like the word of the beginning" in shown.caption
    assert all(vector.note for vector in undrawn[-1][0])


# --- principal components ------------------------------------------------------------------------------------------


def test_unturned_one_sees_components_one_and_two_and_turning_keeps_all_distances():
    points = np.random.default_rng(0).normal(size=(5, 3))
    assert np.allclose(paths.figures.turn_points(points, 0, 0), points)
    for turn, tilt in ((90, 0), (30, 60), (-120, 15)):
        seen = paths.figures.turn_points(points, turn, tilt)
        assert np.allclose(np.linalg.norm(seen, axis=1), np.linalg.norm(points, axis=1))
    right, up, _ = paths.figures.turn_points(np.eye(3), 90, 0).T
    assert np.allclose(right, [0, 0, 1]) and np.allclose(up, [0, 1, 0])  # component 3 has come to where 1 was


def test_paths_grow_with_the_steps_and_stay_in_the_frame_from_every_side(clip, made_up, undrawn):
    explorer = paths.explore_paths(*clip)
    for step, looks in ((0, 1), (160, LOOKS)):
        moved(explorer, step=step)
        space = undrawn[-1][0]
        assert space.paths.shape == (len(SEEDS) * M, looks, 3) and space.null.shape == (len(SEEDS) * M, 3)
        for points in (space.words, space.null, space.paths.reshape(-1, 3)):
            assert np.linalg.norm(points - space.centre, axis=-1).max() <= space.limit
    moved(explorer, show="null")
    assert len(undrawn[-1][0].paths) == 0 and "permuted labels" in undrawn[-1][-1]["title"]
    moved(explorer, show="real")
    assert len(undrawn[-1][0].null) == 0


def test_the_share_outside_the_picture_is_that_of_the_projection(clip, words, made_up, undrawn):
    paths.explore_paths(*clip)
    contexts = made_up.contexts(RED, field="path")[:, -1]
    outside = instruments.project(contexts, words.table[words.words], 3).outside.mean().item()
    *_, hidden, facts = undrawn[-1]
    assert dict((name, share) for name, share, _ in hidden)["learned"] == pytest.approx(outside)
    assert facts["title"].startswith(
        f"Directions not shown hold {100 * outside:.0f} % of a learned vector's squared distance"
    )


def test_names_stand_apart_from_one_another_and_lines_do_not_cross():
    figure = make_blank(3)
    axes = add_axes(figure, 0.5, 0.5, 3, 2)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    crowd = np.random.default_rng(0).normal(0.4, 0.03, (8, 2))
    points = [(tuple(point), f"word{number}", number == 5) for number, point in enumerate(crowd)]
    labels.name_points(axes, points, crowd)
    texts = [text for text in axes.texts if text.get_text()]
    assert len(texts) == len(points) and {text.get_text() for text in texts} >= {"word0", "word5 ✓"}
    boxes = [text.get_window_extent(FigureCanvasAgg(figure).get_renderer()) for text in texts]
    assert not any(one.overlaps(other) for n, one in enumerate(boxes) for other in boxes[:n])
    on_top = max(axes.lines, key=lambda line: line.get_zorder())
    assert np.allclose(np.ravel(on_top.get_data()), crowd[5])  # the marked point


def test_lines_that_cross_are_told_from_those_that_do_not():
    begin, end = np.array([[0.0, 0.0], [0.0, 0.0]]), np.array([[1.0, 1.0], [0.4, 0.4]])
    assert labels._cross(begin, end, np.array([0.0, 1.0]), np.array([1.0, 0.0])).tolist() == [True, False]


# --- planted words -------------------------------------------------------------------------------------------------


def test_the_grid_counts_what_was_planted_and_the_null_beside_it(made_up, undrawn):
    explorer = planted.explore_planted()
    tasks, k, seeds, facts = undrawn[-1]
    assert [task.name for task in tasks] == [RED, BLUE] and k == 5 and seeds == list(SEEDS)
    assert all(rank == 1 for task in tasks for rank in task.ranks)
    assert all(0 <= task.chance < 0.2 for task in tasks)
    by_null = sum(rank <= 5 for task in tasks for rank in task.permuted)
    assert f"in 4 of 4 contexts, with permuted labels in {by_null} of 4" in facts["title"]
    moved(explorer, moment="last")  # there this study has nothing but noise
    assert any(rank > 1 for task in undrawn[-1][0] for rank in task.ranks)
    assert "vectors after the last step" in explorer.shown.caption
    explorer.controls["moment"].value = "context"
    moved(explorer, kind="style", init="a photo of a")
    assert dict((task.name, task.ranks) for task in undrawn[-1][0])["photo"] == (1, 1)
    assert "Mind “photo”" in explorer.shown.caption


def test_the_table_of_names_counts_each_kind_as_the_grid_does(made_up):
    rows = {tuple(row[:2]): row[2:] for row in planted.tabulate_named().rows}
    assert len(rows) == 6 and rows["secrets", "random numbers"][:3] == ("4", "0", "4")
    by_null = sum(
        rank <= planted.WITHIN
        for task in (RED, BLUE)
        for rank in planted.find_best_ranks(task, "random", True, "cosine")
    )
    assert rows["secrets", "random numbers"][4].split()[0] == str(by_null)


def test_the_table_compares_the_median_with_medians_from_three_nulls(made_up, words):
    rows = {row[1]: row for row in planted.tabulate_p_values().rows}
    assert set(rows) == {"red", "sketch", "photo", "blue"}
    assert rows["red"][2] == "1, 1"
    permuted = shared.stack_contexts(init="random", permuted=True)
    others = shared.stack_contexts(task=BLUE, init="random", permuted=False)
    assert len(permuted) == len(DRAWN) * len(SEEDS) and len(others) == len(SEEDS)
    for column, null in ((4, permuted), (6, others)):
        medians = planted.sample_medians(study.find_best_rank(null, ("red",), words), len(SEEDS))
        assert rows["red"][column] == planted.format_p(nulls.compute_p_value(1, medians))
    assert rows["red"][5] == "≤ 0.001"  # random vectors are hardly ever all nearest to it
    assert planted.tabulate_p_values().rows == list(rows.values())


def test_a_word_that_is_always_nearest_gets_the_smallest_p_value_and_it_is_never_0():
    apart = torch.arange(4.0).expand(20, 3, 4).clone()
    vocabulary = reading.Vocabulary(torch.eye(4), ("a", "of", "red", "photo"), torch.ones(4).bool(), torch.arange(4))
    assert study.find_best_rank_by_distance(apart, ("a",), vocabulary).tolist() == [1] * 20
    assert study.find_best_rank_by_distance(apart, ("photo", "red"), vocabulary).tolist() == [3] * 20
    null = planted.sample_medians(torch.arange(2, 102), 5)
    assert len(null) == planted.MEDIANS and null.min() > 3
    assert [planted.format_p(nulls.compute_p_value(rank, null)) for rank in (1, 200)] == ["≤ 0.001", "1.000"]


def test_where_nothing_but_chance_is_at_work_small_p_values_are_as_rare_as_they_say():
    generator = torch.Generator().manual_seed(1)
    places = torch.randint(1, 169, (115,), generator=generator)
    null = planted.sample_medians(places, 5)
    observed = [places[torch.randperm(115, generator=generator)[:5]].median().item() for _ in range(1000)]
    ps = torch.tensor([nulls.compute_p_value(median, null) for median in observed])
    for alpha in (0.05, 0.2, 0.5):
        assert alpha - 0.05 < (ps <= alpha).double().mean() < alpha + 0.05


def test_a_word_that_random_vectors_rank_as_high_is_not_found_whatever_permuted_labels_say(made_up, words):
    contexts = {key: [run for run in shared.find_contexts(init="random", permuted=key)] for key in (False, True)}
    far = -words.table[words.row("red")]
    for run in contexts[True]:
        run.context.copy_(far.expand(M, -1))  # as learning from permuted labels does, all end in one place
    for run in contexts[False]:
        run.context.copy_(torch.randn(M, D, generator=torch.Generator().manual_seed(run.seed)))
    row = {row[1]: row for row in planted.tabulate_p_values().rows}["red"]
    assert row[4] == "≤ 0.001" and 0.1 < float(row[5])
    assert row[6] == "1.000"  # the other secret's contexts, of the same seeds, are the same here


def test_a_word_that_every_task_of_its_kind_reads_was_not_read_from_this_one(made_up, words):
    for run in shared.find_contexts(init="random", permuted=False):
        run.context[0] = words.table[words.row("red")]
    row = {row[1]: row for row in planted.tabulate_p_values().rows}["red"]
    assert row[5] == "≤ 0.001" and row[6] == "1.000"


# --- words as levers -----------------------------------------------------------------------------------------------


def test_near_and_helpful_words_are_named_and_the_right_one_is_marked(made_up, undrawn, words):
    moved(levers.explore_levers(), task=RED)
    (learned, permuted), losses, without, facts = undrawn[-1]
    names = [words.names[row] for row in words.words.tolist()]
    assert {name: marked for _, name, marked in learned.named}["red"] and losses[names.index("red")] == 0.5
    assert names[learned.distances.argmin()] == "red" and {"red", "cup"} <= {name for _, name, _ in permuted.named}
    assert without == 1.05 and re.match(r"The red one of two: \d of the 6 nearest words", facts["title"])
    assert re.fullmatch(r"learned: \d of 6", learned.heading) and re.fullmatch(
        r"permuted labels: \d of 6", permuted.heading
    )


def test_the_table_of_losses_begins_with_what_helps_most(made_up):
    rows = {row[0]: row[1:] for row in levers.tabulate_levers().rows}
    assert len(rows) == 4  # red, blue, sketch and blurred
    nearest, without, helpful, right, sides = rows["the red one of two things"]
    assert nearest.startswith("red") and without == "1.05" and right == "red 0.50"
    assert helpful.startswith("red 0.50, cup 0.60") and sides.startswith("left 1.")
    assert rows["blurred photos"][3] == ""


# --- what is left on words -----------------------------------------------------------------------------------------


def test_the_table_of_snapping_holds_means_and_ranges(made_up):
    rows = {row[0]: row[1:] for row in levers.tabulate_snapping().rows}
    assert rows["blurred photos"] == (
        "40.0", "65.0 (60.0–70.0)", "50.0 (50.0–50.0)", "55.0 (55.0–55.0)", "40.0 (30.0–50.0)",
    )  # fmt: skip
    assert len(rows) == 4  # red, blue, sketch and blurred; the photos are not in this table


def test_learned_vectors_random_ones_and_words_are_rows_of_one_picture(clip, made_up, undrawn):
    shown = neighbours.draw_distances(*clip)
    strips = undrawn[-1][0]
    assert len(strips) == 6 and [strip.bold for strip in strips] == [False, True, True, False, False, False]
    assert np.allclose(strips[2].distances, 0, atol=1e-6)  # they began as words, and never moved
    assert len(strips[1].distances) == len(DRAWN) * len(SEEDS) * M == len(strips[5].distances)
    assert "begun as words 0.00" in shown.alt
    assert f"kept at step 0 (0 of {len(DRAWN) * len(SEEDS)})" in shown.caption
    assert (
        "less than 1 %" in shared.format_draws(0)
        and "more than 99 %" in shared.format_draws(1)
        and shared.format_draws(0.12) == "12 %"
    )


# --- GPT-2's prompts -----------------------------------------------------------------------------------------------


def test_prompts_are_read_beside_the_very_tokens_as_which_they_began(undrawn):
    gpt2, tokenizer = load_language_model("pocket")
    explorer = prompts.explore_stored_prompts(gpt2, tokenizer)
    began = [vector.word for vector in undrawn[-1][0]]
    assert began == "describe what you see : write a caption for the".split() and DESCRIBE.startswith("describe what")
    for name, _ in (("count", 10), ("colour", 9), ("story", 9)):
        moved(explorer, prompt=name)
        vectors = undrawn[-1][0]
        same = sum(vector.now[0] == vector.word for vector in vectors)
        assert f"{same} of 10 vectors" in undrawn[-1][-1]["title"]
        assert all(0 < vector.distances[0] and vector.cosine < 1 for vector in vectors)
        assert all(vector.distances[0] < vector.band[1] for vector in vectors)


# --- influence -----------------------------------------------------------------------------------------------------


def test_at_the_beginning_a_context_from_words_is_worth_exactly_the_hand_prompt(clip, made_up, undrawn):
    explorer = influence.explore_influence(*clip)
    moved(explorer, init="a photo of a", blend=0.0)
    rows, hand, *_ = undrawn[-1]
    assert rows[0].shares == [hand] and rows[0].bold
    assert [len(row.shares) for row in rows] == [1, 1, 1, 1, 1, 1, 5, 5, 20]


def test_the_table_of_influence_holds_what_the_explorer_shows(clip, made_up, undrawn):
    moved(influence.explore_influence(*clip), task=BLURRED)
    now, learned, *without = (f"{100 * row.shares[0]:.1f}" for row in undrawn[-1][0][:6])
    table = influence.tabulate_influence(*clip)
    assert list(table.rows[0][:6]) == ["0", learned, *without] and len(table.rows) == len(SEEDS)


def test_the_end_of_a_text_attends_to_all_slots_and_each_keeps_its_name_in_other_orders(clip, made_up, undrawn):
    explorer = influence.explore_influence(*clip)
    attention = undrawn[-1][3]
    assert attention.shape == (len(clip[0].text_model.encoder.layers), M)
    assert (attention > 0).all() and (attention.sum(1) < 1).all()
    moved(explorer, what=1)
    _, _, cosines, attention, even, names, _ = undrawn[-1]
    assert names == ["v1", "v3", "v4"] and cosines.shape == (3, 3) and attention.shape[1] == 3 and 0 < even < 0.2
    moved(explorer, what="reversed")
    assert undrawn[-1][-2] == ["v4", "v3", "v2", "v1"]
    moved(explorer, norm=0.0)
    assert np.isfinite(undrawn[-1][2]).all() and np.isfinite(undrawn[-1][3]).all()


def test_the_words_of_the_hand_prompt_are_shown_in_orders_that_all_read_differently(clip, made_up, undrawn):
    words = "a photo of a".split()
    texts = {" ".join(words[place] for place in order) for order in influence.reorder_words(words)}
    assert len(texts) == influence.ORDERS and "a photo of a" not in texts
    shown = influence.explore_influence(*clip).shown
    row = undrawn[-1][0][-2]
    assert row.name == "hand prompt, 5 orders" and len(row.shares) == 5
    assert "in 5 other orders, get" in shown.caption and "hardly asks for order" in shown.caption


def test_no_accuracy_that_is_computed_here_is_told_in_the_alt_text(clip, made_up, undrawn, monkeypatch):
    before = influence.explore_influence(*clip).shown.alt
    monkeypatch.setattr(PromptedCLIP, "accuracy", lambda prompted, *pictures: 0.1234)
    assert influence.explore_influence(*clip).shown.alt == before and "60" in before and "40" in before


# --- the study that ships ------------------------------------------------------------------------------------------


def test_every_task_of_the_stored_study_can_be_chosen_and_has_a_name_of_its_own(clip, lang, undrawn):
    forget_ranks()
    tasks = shared.find_tasks()
    assert set(tasks) == set(study.TASKS)
    assert (
        len({shared.describe_task(task) for task in tasks})
        == len({shared.shorten_task(task) for task in tasks})
        == len(tasks)
    )
    assert all(in_language(shared.describe_task(task), lang) for task in tasks)
    assert [value for _, value in levers.explore_levers().controls["task"].options] == tasks
    for explorer in make_explorers(clip, "nearest", "paths").values():
        assert [value for _, value in explorer.controls["task"].options] == list(study.FOLLOWED)
    for kind in ("secret", "style", "mixture"):
        moved(make_explorers(clip, "planted")["planted"], kind=kind)
    assert len(planted.tabulate_p_values().rows) == len(study.KINDS["style"]) + len(study.KINDS["secret"])
