"""Facts about the stored study behind lesson 03, about what it learned, and about how answers are judged."""

import multiprocessing
from dataclasses import asdict
from types import SimpleNamespace

import pytest
import torch

from helpers.captioner import VLMWithSoftPrompt
from helpers.pretrained import load_clip, load_language_model
from pocket import captioning, scoring
from pocket.captioning import PROMPTS
from pocket.scenes import make_training_scenes
from pocket.studies import captioner_study as study
from pocket.world import Scene, Thing

CAT = Scene((Thing("cat", "red", "large"),), "night", "photo")
TWO = Scene((Thing("cat", "red", "large"), Thing("key", "blue", "small")), "night", "photo")
PLAIN = Scene((Thing("cat", "red", "large"),), "night", "sketch")


@pytest.fixture(scope="module")
def stored():
    return study.load_study()


@pytest.fixture(scope="module")
def model():
    return VLMWithSoftPrompt(load_clip("pocket"), load_language_model("pocket")).load(PROMPTS / "captioner.safetensors")


# --- what is stored ------------------------------------------------------------------------------------------------------


def test_the_stored_study_says_how_it_was_made(stored):
    assert stored.command == study.COMMAND == f"python -m {study.__name__}"
    assert set(stored.versions) == {"python", "torch", "transformers"} and stored.seconds > 60
    assert stored.config == captioning.CONFIG and stored.short_config == study.SHORT_CONFIG


def test_what_is_saved_is_what_is_loaded_and_stands_in_the_file(stored, tmp_path):
    study.save_study(stored, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == study.FILE.read_bytes()


def test_the_jobs_that_are_run_are_those_that_are_stored(stored):
    for job in study.list_jobs():
        wanted = {name: value for name, value in job.items() if name != "part"}
        assert sum(wanted.items() <= vars(record).items() for record in getattr(stored, job["part"])) == 1, job
    assert sum(len(getattr(stored, part)) for part in study.MEASURE) == len(study.list_jobs())


@pytest.mark.slow
def test_what_stands_in_the_files_is_what_was_measured(stored, model):
    """The captioner of seed 0, asked again: other machines may tip a word here and there."""
    with multiprocessing.Pool(1) as pool:
        tests = captioning.draw_captioner_data(
            model.encode, pool, pictures=10
        ).test  # other scenes than in the study, and as many
    assert not set(tests.scenes) & make_training_scenes()
    got = asdict(scoring.score_captions(model.generate(tests.features), tests.scenes))
    (then,) = [run for run in stored.trained if (run.trained, run.seed) == ("whole", 0)]
    for kind in ("object", "background", "style"):
        assert abs(got[kind] - getattr(then.scores, kind)) < 0.08, kind


@pytest.mark.parametrize("task", study.TASKS)
def test_each_prompt_file_is_small_and_belongs_to_the_one_projection(task):
    both = load_clip("pocket"), load_language_model("pocket")
    many = VLMWithSoftPrompt(*both).load(PROMPTS / "many.safetensors")
    file = PROMPTS / f"{task}.safetensors"
    many.load_prompt(file)
    assert many.soft_prompt.prompt_embeddings.shape == (10, 192) and 7_000 < file.stat().st_size < 30_000
    with pytest.raises(ValueError, match="learned beside the projection"):
        VLMWithSoftPrompt(*both).load(PROMPTS / "captioner.safetensors").load_prompt(file)


def test_the_stored_example_is_whole_and_says_something_of_each_picture(stored):
    (example,) = stored.example
    assert (example.pictures, example.history.steps) == (study.EXAMPLE_PICTURES, study.EXAMPLE_CONFIG.steps)
    assert example.history.evaluations[-1].step == study.EXAMPLE_CONFIG.steps
    assert all(map(scoring.find_form, example.captions)) and len(example.captions) == len(study.WATCHED)


def test_the_example_learns_from_no_picture_that_it_describes(model, monkeypatch):
    learned = []
    monkeypatch.setattr(study, "train_to_describe", lambda model, train, *rest: learned.extend(train.scenes) or [])
    some = captioning.EncodedScenes((study.WATCHED[0][0], CAT, TWO, PLAIN), torch.zeros(4, 64, 128))
    setup = SimpleNamespace(data=lambda: captioning.CaptionerData(some, some, some), make_captioner=lambda train: model)
    study.measure_training_example(setup, {"pictures": 2})
    assert learned == [CAT, TWO]


# --- how answers are judged ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("a photo of a large red cat at night.", "describe"),
        ("there are two things.", "count"),
        ("the cat is red.", "colour"),
        ("the cat is red and the key is blue.", "colour"),
        ("nobody can see the colour.", "colour"),
        ("once upon a time there was a cat at night. it wanted to sing.", "story"),
        ("cat cat cat", ""),
        ("", ""),
    ],
)
def test_an_answer_has_the_form_of_one_task_or_of_none(text, task):
    assert scoring.find_form(text) == task


def test_the_content_of_an_answer_is_right_only_in_what_was_asked_for():
    assert scoring.is_right("describe", "a sketch of a small blue cat on the beach.", CAT)
    assert not scoring.is_right("describe", "a photo of a large red dog at night.", CAT)
    assert not scoring.is_right("describe", "a photo of a large red cat at night.", TWO)
    assert scoring.is_right("count", "there are two things.", TWO) and not scoring.is_right(
        "count", "there is one thing.", TWO
    )
    assert scoring.is_right("colour", "the dog is red.", CAT) and not scoring.is_right(
        "colour", "the cat is blue.", CAT
    )
    assert scoring.is_right("colour", "nobody can see the colour.", PLAIN)
    assert not scoring.is_right("colour", "the cat is red.", PLAIN)
    told = "once upon a time there was a small blue cat at night. a king danced with the cat."
    assert scoring.is_right("story", told, CAT) and not scoring.is_right("story", told.replace("cat", "dog"), CAT)


def test_the_unshifted_loss_falls_where_the_right_one_rises(model):
    scenes = (CAT, TWO, PLAIN, CAT)
    some = captioning.EncodedScenes(scenes, torch.randn(4, 64, 128, generator=torch.Generator().manual_seed(0)))
    fresh = captioning.make_captioner(load_clip("pocket"), load_language_model("pocket"), some)
    looks = study.train_unshifted(fresh, some, some, study.TrainConfig(steps=12, learning_rate=5e-3, eval_every=6))
    assert looks[-1].validation_loss < looks[0].validation_loss


def test_encoded_scenes_are_joined_and_cut_like_lists():
    one = captioning.EncodedScenes((CAT, TWO), torch.arange(2.0).reshape(2, 1, 1))
    both = one + captioning.EncodedScenes((PLAIN,), torch.full((1, 1, 1), 9.0))
    assert both.scenes == (CAT, TWO, PLAIN) and both.features.flatten().tolist() == [0, 1, 9]
    assert both.take([2, 0]).scenes == (PLAIN, CAT) and both.first(1).captions == [
        "a photo of a large red cat at night."
    ]
