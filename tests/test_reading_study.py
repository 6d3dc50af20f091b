"""Facts about the stored study behind lesson 04, and about how it is made and read."""

import pytest
import torch
from torch.nn import functional as F

from helpers import reading
from helpers.context import PromptedCLIP, train_context
from helpers.data import FewShot, encode_split
from helpers.files import read_tensors
from helpers.pretrained import encode_texts, identify_model
from helpers.training import TrainConfig
from pocket.datasets import draw_few_shot
from pocket.studies import reading_study as study
from pocket.studies.word_search import snap_parameter
from pocket.tasks import RIDDLE, make_style_task

SKETCH = make_style_task("sketch")


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def stored():
    return study.load_study()


# --- what is stored ------------------------------------------------------------------------------------------------------


def test_the_stored_study_says_how_it_was_made_and_on_which_model(stored, clip):
    assert stored.command == study.COMMAND == f"python -m {study.__name__}"
    assert set(stored.versions) == {"python", "torch", "transformers"} and stored.seconds > 60
    assert set(stored.machine) == {"system", "processor", "cores", "threads"} and stored.machine["threads"] == 1
    assert stored.config == study.CONFIG and stored.seeds == list(study.SEEDS)
    _, notes = read_tensors(study.FILE.with_suffix(".safetensors"))
    assert notes == {"command": study.COMMAND, **identify_model(clip[0])}


def test_the_jobs_that_are_run_are_those_that_are_stored_in_their_order(stored):
    for part in study.MEASURE:
        wanted = [job for job in study.list_jobs() if job["part"] == part]
        assert len(getattr(stored, part)) == len(wanted)
        for job, record in zip(wanted, getattr(stored, part)):
            assert job.items() <= {"part": part, **vars(record)}.items()


def test_eight_styles_five_seeds_and_two_beginnings_each_also_with_permuted_labels(stored):
    styles = [run for run in stored.learned if study.KIND[run.task] == "style"]
    assert len(styles) == 8 * 5 * 2 * 2
    assert sum(run.permuted for run in styles) == len(styles) / 2


def test_every_record_has_its_vectors(stored):
    width = stored.learned[0].context.shape[-1]
    for run in stored.learned:
        assert run.context.shape == run.begun.shape == run.last.shape == (study.LENGTH, width)
    evaluations = study.CONFIG.steps // study.CONFIG.eval_every + 1
    paths = [run.path.shape for run in stored.learned if run.path is not None]
    followed = len(study.FOLLOWED) * len(study.SEEDS) * len(study.INITS)
    assert paths == followed * [(evaluations, study.LENGTH, width)]
    assert {run.context.shape for run in stored.permutations} == {(study.LENGTH, width)}
    assert [run.context.shape for run in stored.each_class] == len(study.FOLLOWED) * [(24, study.LENGTH, width)]


def test_what_is_saved_is_what_is_loaded_and_stands_in_the_files(stored, tmp_path):
    vectors, notes = read_tensors(study.FILE.with_suffix(".safetensors"))
    study.save_study(stored, notes, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == study.FILE.read_bytes()
    again, _ = read_tensors(tmp_path / "again.safetensors")
    assert set(again) == set(vectors) and all(torch.equal(again[name], vectors[name]) for name in vectors)


def test_a_path_leads_from_the_beginning_past_what_was_kept_to_the_end(stored):
    for task in study.FOLLOWED:
        for init in study.INITS:
            paths = stored.contexts(task, init, field="path")  # (S, looks, M, D)
            assert torch.equal(paths[:, 0], stored.contexts(task, init, field="begun"))
            assert torch.equal(paths[:, -1], stored.contexts(task, init, field="last"))
            runs = [r for r in stored.learned if (r.task, r.init, r.permuted) == (task, init, False)]
            for path, kept, run in zip(paths, stored.contexts(task, init), runs):
                assert torch.equal(path[run.step // study.CONFIG.eval_every], kept)


def test_contexts_that_began_as_words_began_as_those_words(stored, words):
    for task in study.TASKS:
        begun = stored.contexts(task, "a photo of a", field="begun")
        near = reading.find_nearest_tokens(begun, words.table, 1, rows=words.words).ids[..., 0]
        assert [[words.names[id] for id in ids] for ids in near.tolist()] == 5 * [["a", "photo", "of", "a"]]


def test_the_stored_vectors_reach_the_accuracies_that_were_measured(clip, stored):
    """On pictures drawn anew: half precision and other machines may tip a picture or two of 480."""
    model, processor = clip
    data = encode_split(model, processor, draw_few_shot(RIDDLE, 1, 1, study.TESTS))
    for init in study.INITS:
        runs = [r for r in stored.learned if (r.task, r.init, r.permuted) == (RIDDLE.name, init, False)]
        for context, run in zip(stored.contexts(RIDDLE.name, init), runs):
            prompted = PromptedCLIP(model, processor, RIDDLE.class_names, study.LENGTH, context)
            assert abs(prompted.accuracy(*data.test) - run.accuracy) < 0.01


def test_what_is_asked_for_and_not_there_is_named(stored):
    with pytest.raises(ValueError, match="the study holds no path of .*'objects, each a photo'"):
        stored.contexts("objects, each a photo", field="path")
    with pytest.raises(ValueError, match="its tasks are objects, each a photo, "):
        stored.contexts("the orange one of two")


# --- how it is read ------------------------------------------------------------------------------------------------------


def test_the_best_place_is_that_of_any_right_word_from_any_vector(words):
    red, cat = (words.table[words.row(word)] for word in ("red", "cat"))
    contexts = torch.stack([torch.stack([cat, red]), torch.stack([cat, -red])])
    assert study.find_best_rank(contexts, ("red",), words).tolist()[0] == 1
    assert study.find_best_rank(contexts, ("red",), words)[1] > 1
    assert study.find_best_rank(contexts, ("red", "cat"), words).tolist() == [1, 1]


def test_named_counts_contexts_of_true_and_of_permuted_labels(stored, words):
    hits, permuted, contexts = stored.count_named("style", words, within=len(words.words))
    assert hits == permuted == contexts == 80
    assert stored.count_named("style", words, within=0)[:2] == (0, 0)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_a_rank_is_the_place_in_the_order_of_neighbours(words, metric):
    vectors = random(4, words.table.shape[1])
    order = reading.find_nearest_tokens(vectors, words.table, len(words.words), metric, words.words).ids
    for row in words.words[::40].tolist():
        places = 1 + (order == row).nonzero()[:, 1]
        assert torch.equal(
            study.rank_row(reading.measure_distances(vectors, words.table[words.words], metric), words.words == row),
            places,
        )


# --- how it is made ------------------------------------------------------------------------------------------------------


class Small(study.ReadingSetup):
    """The pocket CLIP, and a few pictures that are random numbers."""

    def draw_data(self, task, seed):
        generator = torch.Generator().manual_seed(seed)
        features = F.normalize(torch.randn(48, self.clip.config.projection_dim, generator=generator), dim=-1)
        pictures = features, torch.arange(24).repeat_interleave(2)
        return FewShot(pictures, pictures, pictures)


@pytest.fixture
def setup(clip, monkeypatch):
    monkeypatch.setattr(study, "CONFIG", TrainConfig(steps=4, eval_every=2))
    monkeypatch.setattr(study, "WORDS_CONFIG", TrainConfig(steps=2, eval_every=1))
    return Small(*clip)


def test_a_learned_job_keeps_where_it_began_and_ended_and_every_look_of_the_followed(setup):
    job = {"task": RIDDLE.name, "seed": 1, "init": "random", "permuted": False}
    numbers = study.measure_learned(setup, RIDDLE, job)
    assert len(numbers["path"]) == 3
    assert numbers["path"][0] == numbers["begun"] and numbers["path"][-1] == numbers["last"]
    assert numbers["context"] == numbers["path"][numbers["step"] // 2]
    begun = setup.make_context(RIDDLE, "random", 1).context
    assert torch.equal(torch.tensor(numbers["begun"]), begun)
    mosaic = make_style_task("mosaic")
    assert "path" not in study.measure_learned(setup, mosaic, job | {"task": mosaic.name})
    assert "path" not in study.measure_learned(setup, RIDDLE, job | {"permuted": True})


def test_permuted_labels_lead_elsewhere_from_the_same_beginning(setup):
    job = {"task": SKETCH.name, "seed": 0, "init": "random"}
    real, null = (study.measure_learned(setup, SKETCH, job | {"permuted": permuted}) for permuted in (False, True))
    assert real["begun"] == null["begun"] and real["last"] != null["last"]


def test_what_is_snapped_is_scored_as_words(setup):
    job = {"task": SKETCH.name, "seed": 0, "init": "a photo of a", "permuted": False}
    numbers, words = study.measure_learned(setup, SKETCH, job), setup.words
    snapped = reading.snap(torch.tensor(numbers["context"]), words.table, words.words)
    prompted = PromptedCLIP(setup.clip, setup.processor, SKETCH.class_names, study.LENGTH, snapped)
    assert numbers["snapped"] == prompted.accuracy(*setup.data(SKETCH.name, 0).test)


def test_a_search_on_words_ends_on_words(setup):
    numbers = study.measure_on_words(setup, SKETCH, {"seed": 0})
    assert len(numbers["words"].split()) == study.LENGTH
    assert all(setup.words.row(word) for word in numbers["words"].split())


def test_every_word_is_tried_and_the_most_helpful_stand_first(setup, monkeypatch):
    few = setup.words.words[::40]
    monkeypatch.setattr(setup, "words", reading.Vocabulary(**{**vars(setup.words), "words": few}))
    numbers = study.measure_helpful(setup, SKETCH, {})
    losses = numbers["losses"]
    assert set(losses) == {setup.words.names[row] for row in few} and list(losses.values()) == sorted(losses.values())
    word = next(iter(losses))
    texts = encode_texts(setup.clip, setup.processor, [f"a photo of a {word} {name}." for name in SKETCH.class_names])
    images, labels = setup.data(SKETCH.name, 0).train
    expected = F.cross_entropy(setup.clip.logit_scale.exp() * images @ texts.T, labels).item()
    assert losses[word] == pytest.approx(expected)
    assert len(numbers["random_words"]) == study.RANDOM_WORDS and 0 <= numbers["hand"] <= 1


def test_each_class_gets_vectors_of_its_own_and_each_permutation_is_another(setup):
    assert torch.tensor(study.measure_each_class(setup, RIDDLE, {"seed": 0})["context"]).shape[:2] == (24, study.LENGTH)
    one, other = (
        study.measure_permuted(setup, RIDDLE, {"seed": 0, "permutation": number})["context"] for number in (0, 1)
    )
    assert one != other


def test_a_study_comes_back_with_its_vectors_row_by_row(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "FOLLOWED", ("x",))
    settings = {"seed": 0, "init": "random", "permuted": False, "accuracy": 0.5, "snapped": 0.5}
    first = {"begun": [[0.0]], "context": [[1.0]], "last": [[1.5]], "path": [[[0.0]], [[1.5]]]}
    second = {"begun": [[0.0]], "context": [[2.0]], "last": [[2.5]]}
    records = [
        {"part": "learned", "task": "x", "step": 0, **settings, **first},
        {"part": "permutations", "task": "x", "seed": 0, "permutation": 7, "accuracy": 0.1, "context": [[3.0]]},
        {"part": "learned", "task": "y", "step": 8, **settings, **second},
        {"part": "on_words", "task": "x", "seed": 0, "accuracy": 0.1, "words": "a"},
        {"part": "helpful", "task": "x", "hand": 0.1, "random_words": [0.1], "without": 1.0, "losses": {"a": 1.0},
         "called": {}, "called_with_best": {}},
        {"part": "each_class", "task": "x", "seed": 0, "accuracy": 0.1, "context": [[[4.0]]]},
    ]  # fmt: skip
    made = study.ReadingStudy("c", {}, 1.0, TrainConfig(), {}, [0], {}, **study.make_parts(records))
    study.save_study(made, {}, tmp_path / "study.json")
    again = study.load_study(tmp_path / "study.json")
    assert [run.context.tolist() for run in again.learned] == [[[1.0]], [[2.0]]]
    assert again.learned[0].path.shape == (2, 1, 1) and again.learned[1].path is None
    assert again.permutations[0].context.tolist() == [[3.0]] and again.each_class[0].context.tolist() == [[[4.0]]]
    assert again.on_words == made.on_words and again.helpful == made.helpful


# --- the search on words ------------------------------------------------------------------------------------------------------


def test_on_words_learns_beneath_and_ends_as_words(clip, words):
    model, processor = clip
    prompted = PromptedCLIP(model, processor, ["cat", "dog", "key"], 3, "random", generator=torch.Generator())
    features = torch.nn.functional.normalize(random(12, model.config.projection_dim), dim=-1)
    pictures = features, torch.arange(3).repeat_interleave(4)
    begun = prompted.context.detach().clone()
    with snap_parameter(prompted.embeddings, "context", words.table, words.words):
        assert torch.equal(prompted.context, reading.snap(begun, words.table, words.words))
        *_, last = train_context(
            prompted, FewShot(pictures, pictures, pictures), TrainConfig(steps=20, learning_rate=0.1, eval_every=1)
        )
        beneath = prompted.embeddings.parametrizations.context.original
        assert not torch.equal(beneath, begun)  # the gradient found its way through the snapping
    assert last.step == 20
    assert isinstance(prompted.context, torch.nn.Parameter)
    assert torch.equal(prompted.context, reading.snap(prompted.context, words.table, words.words))


def test_the_gradient_goes_straight_through_to_the_vectors_beneath(words):
    module = torch.nn.Module()
    module.vectors = torch.nn.Parameter(random(2, words.table.shape[1]))
    with snap_parameter(module, "vectors", words.table, words.words):
        (module.vectors * 3).sum().backward()
        gradient = module.parametrizations.vectors.original.grad
        assert torch.equal(gradient, torch.full_like(gradient, 3))
