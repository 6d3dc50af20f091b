"""Facts about the stored study behind lesson 03, about what it learned, and about how answers are judged."""

import json
import multiprocessing

import pytest
import torch

from helpers.captioner import VLMWithSoftPrompt
from helpers.pretrained import load_clip, load_gpt2
from pocket.pretrain_clip import drawn_in_training
from pocket.studies import captioner_study as study
from pocket.world import Scene, Thing

CAT = Scene((Thing("cat", "red", "large"),), "night", "photo")
TWO = Scene((Thing("cat", "red", "large"), Thing("key", "blue", "small")), "night", "photo")
PLAIN = Scene((Thing("cat", "red", "large"),), "night", "sketch")


@pytest.fixture(scope="module")
def stored():
    return json.loads(study.FILE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def model():
    return VLMWithSoftPrompt(load_clip("pocket"), load_gpt2("pocket")).load(study.PROMPTS / "captioner.safetensors")


# --- what is stored ------------------------------------------------------------------------------------------------------


def test_the_stored_study_says_how_it_was_made(stored):
    assert stored["command"] == study.COMMAND == f"python -m {study.__name__}"
    assert set(stored["versions"]) == {"python", "torch", "transformers"} and stored["seconds"] > 60
    assert stored["plan"]["steps"] == study.PLAN.steps and stored["short_plan"]["steps"] == study.SHORT.steps


def test_the_jobs_that_are_run_are_those_that_are_stored(stored):
    for job in study.jobs():
        wanted = {name: value for name, value in job.items() if name != "part"}
        assert (
            sum(all(record.get(name) == value for name, value in wanted.items()) for record in stored[job["part"]]) == 1
        ), job
    assert sum(len(stored[part]) for part in study.DO) == len(study.jobs())


@pytest.mark.slow
def test_what_stands_in_the_files_is_what_was_measured(stored, model):
    """The captioner of seed 0, asked again: other machines may tip a word here and there."""
    with multiprocessing.Pool(1) as pool:
        tests = study.albums(model.encode, pool, pictures=10).tests  # other scenes than in the study, and as many
    assert not set(tests.scenes) & drawn_in_training()
    got = study.scores(model.generate(tests.features), tests.scenes)
    (then,) = [run for run in stored["trained"] if (run["trained"], run["seed"]) == ("whole", 0)]
    for kind in ("object", "background", "style"):
        assert abs(got[kind] - then[kind]) < 0.08, kind


@pytest.mark.parametrize("task", study.TASKS)
def test_each_prompt_file_is_small_and_belongs_to_the_one_projection(task):
    both = load_clip("pocket"), load_gpt2("pocket")
    many = VLMWithSoftPrompt(*both).load(study.PROMPTS / "many.safetensors")
    file = study.PROMPTS / f"{task}.safetensors"
    many.load_prompt(file)
    assert many.soft_prompt.prompt_embeddings.shape == (10, 192) and 7_000 < file.stat().st_size < 30_000
    with pytest.raises(ValueError, match="learned beside the projection"):
        VLMWithSoftPrompt(*both).load(study.PROMPTS / "captioner.safetensors").load_prompt(file)


def test_what_lesson_03_says_of_the_study_holds(stored):
    def mean(part, name, kind="object"):
        runs = [run[kind] for run in stored[part] if name in run.values()]
        return sum(runs) / len(runs)

    trained = mean("asked", "as trained")
    assert mean("asked", "shuffled pictures") <= 2 * stored["chance"] and trained > 0.8
    for run in stored["prompts"]:
        task, in_words = run["prompt"], run["by_hand"]
        assert run["form"][task] >= 0.85 and run["content"] > max(in_words["content"], run["one_answer_to_all"]), task
        assert task == "describe" or in_words["form"][task] < run["form"][task] - 0.1
    by_number = next(run["by_number"] for run in stored["prompts"] if run["prompt"] == "count")
    assert by_number["1"] > 0.9 and by_number["2"] > 0.9 and by_number["3"] < 0.2
    tips = {(run["tip"], run["value"]): run["object"] for run in stored["tips"]}
    assert (
        max(tips["rate", 1e-5], tips["rate", 1e-4])
        < 0.35
        < 0.55
        < min(tips["rate", rate] for rate in (1e-3, 3e-3, 1e-2, 1e-1))
    )
    assert max(share for (tip, _), share in tips.items() if tip == "length") - tips["length", 0] < 0.05
    assert tips["pictures", 100] < 0.4 and abs(tips["pictures", 1000] - tips["pictures", 6000]) < 0.03
    assert tips["batch", 2] < tips["batch", 8] < tips["batch", 32]
    assert tips["begin", "all at random"] < tips["begin", "projection as words"]
    assert tips["features", "patches"] < tips["features", "last layer"] < tips["features", "pooled"]
    assert mean("trained", "pooled feature") > 0.9 > trained > mean("trained", "without soft prompt") > trained - 0.05
    right, wrong = stored["shift"]
    assert right["shifted"] and not wrong["shifted"]
    assert wrong["loss"][0] > right["loss"][0] and wrong["loss"][-1] < right["loss"][-1]
    assert wrong["true_loss"][-1] > 2 * wrong["true_loss"][0] and wrong["object"] < 0.1 < right["object"]


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
    assert study.form(text) == task


def test_the_content_of_an_answer_is_right_only_in_what_was_asked_for():
    assert study.content("describe", "a sketch of a small blue cat on the beach.", CAT)
    assert not study.content("describe", "a photo of a large red dog at night.", CAT)
    assert not study.content("describe", "a photo of a large red cat at night.", TWO)
    assert study.content("count", "there are two things.", TWO) and not study.content(
        "count", "there is one thing.", TWO
    )
    assert study.content("colour", "the dog is red.", CAT) and not study.content("colour", "the cat is blue.", CAT)
    assert study.content("colour", "nobody can see the colour.", PLAIN)
    assert not study.content("colour", "the cat is red.", PLAIN)
    told = "once upon a time there was a small blue cat at night. a king danced with the cat."
    assert study.content("story", told, CAT) and not study.content("story", told.replace("cat", "dog"), CAT)


def test_the_unshifted_loss_falls_where_the_right_one_rises(model):
    scenes = (CAT, TWO, PLAIN, CAT)
    some = study.Album(scenes, torch.randn(4, 64, 128, generator=torch.Generator().manual_seed(0)))
    fresh = study.new_captioner(load_clip("pocket"), load_gpt2("pocket"), some)
    looks = study.learned_unshifted(
        fresh, some, some, study.training.TrainConfig(steps=12, learning_rate=5e-3, eval_every=6)
    )
    assert looks[-1].validation_loss < looks[0].validation_loss


def test_albums_are_joined_and_cut_like_lists():
    one = study.Album((CAT, TWO), torch.arange(2.0).reshape(2, 1, 1))
    both = one + study.Album((PLAIN,), torch.full((1, 1, 1), 9.0))
    assert both.scenes == (CAT, TWO, PLAIN) and both.features.flatten().tolist() == [0, 1, 9]
    assert both.of([2, 0]).scenes == (PLAIN, CAT) and both.first(1).captions == ["a photo of a large red cat at night."]
