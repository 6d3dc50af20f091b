"""Facts about the bug museum: each experiment rings for the broken code and not for its repair; figures and explorers of lesson 05."""

import html
import itertools
import pickle
import re
from functools import partial
from pathlib import Path

import jupytext
import pytest
import torch
from explorers import in_language
from PIL import Image

from helpers.captioner import VLMWithSoftPrompt
from helpers.captioner_training import batch_captions
from helpers.data import FewShot
from helpers.language import set_language
from helpers.pretrained import load_language_model
from lessons.kit.explorer import WIDGET_VIEW, compute_checksum
from lessons.kit.picture import Picture
from lessons.lesson_05_bug_museum import experiments, figures, museum
from lessons.lesson_05_bug_museum.explorers import alarms, luck, overview, scoring, showcase, turning
from pocket import world
from pocket.captioning import PROMPTS

LESSON = Path(__file__).parents[1] / "lessons" / "lesson_05_bug_museum" / "lesson.py"
DRAWING = ("draw_named_curves", "draw_targets", "draw_alarms", "draw_words_by_table")
PROMPT = ("soft_prompt", "vision_projection")


@pytest.fixture(scope="module")
def gpt2():
    return load_language_model("pocket")


@pytest.fixture(scope="module")
def model(clip, gpt2):
    """The captioner of lesson 03, with the dropout that GPT-2 is published with."""
    model = VLMWithSoftPrompt(clip, gpt2).load(PROMPTS / "captioner.safetensors")
    return museum.add_dropout(model)


@pytest.fixture(scope="module")
def captions(model):
    scene = world.Scene((world.Thing("boat", "white", "large"),), "beach", "silhouette")
    features = model.encode([world.draw(scene, seed) for seed in range(3)])
    texts = ["a photo of a large red cat in the meadow.", "a white boat.", "a key in the room."]
    ids, labels = batch_captions(model.tokenizer, texts)
    return features, ids, (labels != -100).sum(1)


@pytest.fixture(scope="module")
def points():
    """Points of 24 classes, as many as pictures of the riddle: each class a direction, and much noise."""
    random = torch.Generator().manual_seed(0)
    centres = torch.randn(24, 64, generator=random)

    def part(each):
        labels = torch.arange(24).repeat_interleave(each)
        noisy = centres[labels] + 4 * torch.randn(len(labels), 64, generator=random)
        return torch.nn.functional.normalize(noisy, dim=-1), labels

    return FewShot(part(8), part(4), part(20))


@pytest.fixture
def undrawn(monkeypatch):
    """Figures are not drawn: what was to be drawn is kept, and alt and caption are real."""
    drawn, nothing = [], Image.new("RGB", (2, 2))

    def instead(*numbers, alt, caption, **rest):
        drawn.append((numbers, rest))
        return Picture(nothing, alt, caption)

    for name in DRAWING:
        monkeypatch.setattr(figures, name, instead)
    return drawn


# --- every experiment on its exhibit ---------------------------------------------------------------------------------

ON_CAPTIONS = {
    "shift": (experiments.check_next_is_target, experiments.check_library_loss),
    "padding": (experiments.check_more_padding, experiments.check_library_loss),
    "end": (experiments.check_end_is_target, experiments.check_library_loss),
    "dropout": (experiments.check_twice_the_same, experiments.check_library_loss),
}
ON_TEXTS = {
    "twice": (experiments.check_identity,),
    "inserted": (experiments.check_another_name, experiments.check_every_vector_learns, experiments.check_identity),
    "start": (experiments.check_another_name, experiments.check_every_vector_learns, experiments.check_identity),
    "mask": (experiments.check_in_company, experiments.check_identity),
}


def run_experiments(name, code, clip, gpt2, model, captions, points):
    """The results of the experiments that must ring for an exhibit, on its broken or its repaired code."""
    if name in ON_CAPTIONS:
        return [experiment(code, model, captions) for experiment in ON_CAPTIONS[name]]
    if name in ON_TEXTS:
        return [experiment(code, *clip) for experiment in ON_TEXTS[name]]
    if name == "words":
        return [experiments.check_identity(museum.encode_right, *clip, "a close-up photo of a", code)]
    if name == "paper":
        learner = code(museum.copy_as_loaded(gpt2[0]), model.soft_prompt.prompt_embeddings.detach())
        return [experiments.check_only_prompt_learns(learner, partial(learner, captions[1]))]
    if name == "table":
        return [experiments.check_reading(code, *clip)]
    if name == "test":
        return [experiments.check_chance(code, points)]
    return [experiments.check_options(code, model, captions[0][:1], tries=4)]


@pytest.mark.parametrize("number", museum.EXHIBITS)
def test_experiments_ring_for_the_broken_code_and_not_for_its_repair(number, clip, gpt2, model, captions, points, lang):
    exhibit = museum.EXHIBITS[number]
    given = clip, gpt2, model, captions, points
    broken, repaired = (run_experiments(exhibit.name, code, *given) for code in (exhibit.broken, exhibit.repaired))
    assert broken and not any(result.passed for result in broken), broken
    assert all(result.passed for result in repaired), repaired
    for result in (*broken, *repaired):
        assert in_language(result.sentence, lang) and repr(result)[0] == ("✓" if result.passed else "✗")
        assert html.escape(result.sentence) in result._repr_html_()


@pytest.mark.parametrize("exhibit", museum.EXHIBITS.values(), ids=lambda exhibit: exhibit.name)
def test_the_code_behind_glass_is_short_names_no_mistake_and_differs_from_its_repair(exhibit):
    for repaired in (False, True):
        source = exhibit.source(repaired)
        assert 3 <= len(source.split("\n")) <= 13 and source.split("(")[0].split()[-1] == exhibit.shown_as
    assert not re.search(r"twice|insert|wrong|broken|default_table|on_paper", exhibit.source().lower())
    changes = exhibit.changes()
    assert [text for mark, text in changes if mark != "+"] == exhibit.source().split("\n")
    assert [text for mark, text in changes if mark != "-"] == exhibit.source(repaired=True).split("\n")
    assert "-" in {mark for mark, _ in changes}


def test_experiments_leave_the_model_as_it_was(clip, model, captions):
    model.language_model.requires_grad_(False)
    before = compute_checksum(clip[0]), compute_checksum(model), model.language_model.training
    grads = [p.grad for p in model.parameters()]
    on_losses = experiments.check_library_loss, experiments.check_more_padding, experiments.check_next_is_target
    for experiment, name in itertools.product(on_losses, ON_CAPTIONS):
        experiment(museum.find_exhibit(name).broken, model, captions)
    experiments.check_only_prompt_learns(model, partial(museum.score_right, model, *captions), PROMPT)
    for name in ON_TEXTS:
        experiments.check_every_vector_learns(museum.find_exhibit(name).broken, *clip)
        experiments.count_positions(museum.find_exhibit(name).broken, *clip)
    assert (compute_checksum(clip[0]), compute_checksum(model), model.language_model.training) == before
    assert [p.grad for p in model.parameters()] == grads
    assert not clip[0].text_model.encoder.layers[0].layer_norm1._forward_pre_hooks


# --- what the experiments measure ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "verdict"),
    [
        (museum.score_unshifted, "itself"),
        (museum.score_padding, "padding"),
        (museum.score_without_end, "no end"),
        (lambda model, features, ids, lengths: model(features, ids).square().mean(), "mixed"),
    ],
)
def test_the_x_ray_names_what_is_wrong_with_a_loss(loss, verdict, model, captions):
    assert experiments.take_x_ray(loss, model, captions).verdict == verdict


def test_the_x_ray_refuses_a_loss_that_hides_its_logits(model, captions):
    with pytest.raises(ValueError, match="does not rest on the model's logits"):
        experiments.take_x_ray(lambda model, features, ids, lengths: model(features, ids, labels=ids), model, captions)


def test_the_x_ray_sees_every_target_of_every_caption(model, captions):
    seen = experiments.take_x_ray(museum.score_right, model, captions)
    assert seen.verdict == "right"
    for row, (ids, length) in enumerate(zip(captions[1], captions[2].tolist())):
        assert seen.targets[row] == {place - 1: int(ids[place]) for place in range(length)}


@pytest.mark.parametrize(
    ("encode", "times"),
    [(museum.encode_right, 1), (museum.encode_positions_twice, 2), (museum.encode_without_mask, 1)],
)
def test_positions_are_counted_as_often_as_they_were_added(encode, times, clip):
    assert experiments.count_positions(encode, *clip) == pytest.approx(times, abs=0.01)


def test_frozen_on_paper_has_the_same_loss_and_prompt_gradient_as_truly_frozen(gpt2, captions):
    prompt = torch.randn(4, gpt2[0].config.n_embd, generator=torch.Generator().manual_seed(0)) * 0.1
    paper, truly = (code(museum.copy_as_loaded(gpt2[0]), prompt) for code in (museum.FrozenOnPaper, museum.Frozen))
    losses = [learner(captions[1]) for learner in (paper, truly)]
    for loss in losses:
        loss.backward()
    assert torch.equal(*losses) and torch.allclose(paper.prompt.grad, truly.prompt.grad, atol=1e-6)


def test_the_other_table_keeps_every_distance_and_no_row_near_to_itself(clip):
    table = clip[0].text_model.embeddings.token_embedding.weight.detach()
    other = museum.turn_table(table, 90)
    assert torch.allclose(torch.cdist(table[:50], table[:50]), torch.cdist(other[:50], other[:50]), atol=1e-3)
    assert torch.equal(museum.turn_table(table, 0), table)
    assert not (torch.cdist(table, other).argmin(-1) == torch.arange(len(table))).any()
    default = museum.load_default_clip().text_model.embeddings.token_embedding.weight
    assert torch.allclose(default, other) and not torch.allclose(default, table)


@pytest.mark.parametrize(("looks", "pictures", "accuracy"), [(1, 50, 0.5), (1, 5000, 1 / 24), (8, 100, 0.8)])
def test_the_best_of_many_looks_is_what_a_simulation_gives(looks, pictures, accuracy):
    exact = experiments.compute_expected_best(looks, pictures, accuracy)
    random = torch.Generator().manual_seed(0)
    drawn = torch.binomial(torch.full((20000, looks), float(pictures)), torch.tensor(accuracy), generator=random)
    assert exact == pytest.approx((drawn / pictures).max(1).values.mean().item(), abs=0.002)
    assert looks > 1 or exact == pytest.approx(accuracy, abs=1e-9)


def test_the_argmax_writer_writes_the_greedy_text_whatever_its_options(model, captions):
    picture = captions[0][:1]
    greedy = model.generate(picture)[0]
    write = partial(experiments.write_token_by_token, model=model, features=picture)
    for options in ({"top_p": 0.1, "temperature": 0.5, "seed": 0}, {"top_p": 0.99, "temperature": 2.0, "seed": 1}):
        assert write(museum.choose_likeliest, **options) == greedy
    assert write(museum.choose_by_chance, top_p=1e-6, seed=3) == greedy


def test_wrong_positions_and_a_missing_mask_train_as_well_as_the_repaired_code(clip, points):
    """What the lesson says of exhibit 2 and of the mask: the loss does not tell them apart."""
    names = ["cat", "dog", "car", "key"]
    few = FewShot(*((features[labels < 4][:, :64].repeat(1, 2), labels[labels < 4]) for features, labels in
                    (points.train, points.validation, points.test)))  # fmt: skip
    begin = experiments.begin_by_tokens(*clip, "a photo of a")
    ends = {
        code: museum.learn_context(code, *clip, names, few, begin, steps=30)[1][-1]
        for code in (museum.encode_right, museum.encode_positions_twice, museum.encode_without_mask)
    }
    begins = museum.learn_context(museum.encode_right, *clip, names, few, begin, steps=1)[1][0]
    assert all(end < begins / 2 for end in ends.values())


# --- what is shown ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rung(clip, model, captions):
    """What rang, of both kinds, in each language."""
    both = {}
    for lang in ("en", "zh"):
        set_language(lang)
        both[lang] = alarms.run_text_experiments(*clip), alarms.run_caption_experiments(model, captions)
    set_language("en")
    return both


def explorers(clip, model, captions, rung, lang="en"):
    context = experiments.sample_context(clip[0], 3)
    return {
        "x-ray": scoring.explore_x_rays(model, captions),
        "table": turning.explore_turning(*clip, context),
        "luck": luck.explore_luck(),
        "texts": alarms.explore_alarms(rung[lang][0], "twice", "company"),
        "captions": alarms.explore_alarms(rung[lang][1], "paper", "library"),
    }


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("x-ray", {"code": "end", "caption": 0}),
        ("table", {"degrees": 30, "by": "cosine"}),
        ("luck", {"looks": 7, "pictures": 50, "accuracy": 0.8}),
        ("texts", {"code": "mask", "experiment": "split"}),
        ("captions", {"code": "end", "experiment": "stop"}),
    ],
)
def test_every_control_changes_the_picture_and_what_is_told_of_it(name, values, clip, model, captions, rung, undrawn):
    explorer = explorers(clip, model, captions, rung)[name]
    assert set(values) == set(explorer.controls)
    for control, value in values.items():
        told, picture = (explorer.shown.alt, explorer.shown.caption), pickle.dumps(undrawn[-1])
        explorer.controls[control].value = value
        assert (explorer.shown.alt, explorer.shown.caption) != told and pickle.dumps(undrawn[-1]) != picture, control
        assert explorer.view.value == explorer.shown.html()


def test_all_texts_are_in_the_learners_language(clip, model, captions, rung, undrawn, lang):
    pictures = [scoring.draw_healthy_loss(truth) for truth in (False, True)]
    pictures.append(scoring.draw_x_ray(museum.score_padding, model, captions))
    for explorer in explorers(clip, model, captions, rung, lang).values():
        pictures.append(explorer.shown)
        for control in explorer.controls.values():
            assert in_language(control.description, lang)
    for picture in pictures:
        assert in_language(picture.alt, lang) and in_language(picture.caption, lang)
    for number in museum.EXHIBITS:
        for glass in (showcase.show_code(number), showcase.show_repair(number)):
            assert in_language(glass.plain.split("\n")[0], lang)
    table = overview.tabulate_experiments()
    assert all(in_language(cell, lang) for row in table.rows for cell in row) and len(table.rows) == 10


def test_explorers_are_core_widgets_and_figures_fill_the_page_in_both_languages(clip, model, captions, rung, lang):
    assert scoring.draw_healthy_loss(with_truth=True).image.width == 1480
    for explorer in explorers(clip, model, captions, rung, lang).values():
        assert all(type(control).__module__.startswith("ipywidgets.") for control in explorer.controls.values())
        assert WIDGET_VIEW in explorer._repr_mimebundle_() and explorer.shown.image.width == 1480


def test_nothing_rings_for_the_repaired_and_something_for_every_broken_code(rung):
    texts, losses = ({code: one.find_ringing(code) for code in one.results} for one in rung["en"])
    assert texts.pop("right") == losses.pop("right") == [] and all([*texts.values(), *losses.values()])
    assert all("split" in found for found in texts.values())
    assert "own words" not in texts["words"] and losses["paper"] == ["only"]
    told = {**texts, **losses}
    same = {(one, other) for one in told for other in told if one < other and told[one] == told[other]}
    assert same == {("inserted", "start")}  # as the lesson says, and that their numbers tell them apart (claims/)
    assert sum("learns" in found for found in texts.values()) == 2  # as the quiz says
    assert losses["dropout"] == ["library", "again", "more"]


def test_the_gradient_table_counts_what_parameters_hides(gpt2, captions):
    prompt = torch.zeros(2, gpt2[0].config.n_embd)
    learners = {name: code(museum.copy_as_loaded(gpt2[0]), prompt) for name, code in
                (("paper", museum.FrozenOnPaper), ("frozen", museum.Frozen))}  # fmt: skip
    rows = {row[0]: row[1:] for row in overview.tabulate_gradients(learners, lambda learner: learner(captions[1])).rows}
    numbers = sum(p.numel() for p in gpt2[0].parameters()) + prompt.numel()
    assert rows["paper"] == (f"{prompt.numel():,}", str(1 + len(list(gpt2[0].parameters()))), f"{numbers:,}")
    assert rows["frozen"] == (f"{prompt.numel():,}", "1", f"{prompt.numel():,}")


# --- the lesson ------------------------------------------------------------------------------------------------------


def test_no_cell_before_a_question_names_the_mistake():
    """The names of broken functions and of exhibits would tell: up to the last question exhibits go by their numbers."""
    cells = jupytext.read(LESSON).cells
    for cell in cells:
        if cell.cell_type == "code" and "solution" not in cell.metadata.get("tags", []):
            telling = r"OnPaper|positions_twice|best_on_test|default_table|unshifted|choose_likeliest"
            assert not re.search(telling, cell.source)


def test_every_exhibit_stands_in_the_lesson():
    source = LESSON.read_text(encoding="utf-8")
    for number in museum.EXHIBITS:
        assert f"showcase.{'show_code' if number <= 6 else 'show_repair'}({number})" in source
        assert f"broken[{number}]" in source
