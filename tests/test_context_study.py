"""Facts about the stored study behind lesson 02, and about how it is run: pictures, hand prompts, breaks."""

import json
from dataclasses import replace
from itertools import product

import pytest
import torch

from helpers.context import PromptedCLIP
from helpers.data import FewShot, encode_split
from helpers.pretrained import load_clip
from pocket import classifiers, datasets
from pocket.classifiers import measure_class_mean, measure_probe
from pocket.datasets import draw_few_shot, list_task_drawings
from pocket.studies import common
from pocket.studies import context_study as study
from pocket.studies.context_study import ChoicesRun
from pocket.tasks import RIDDLE

TASKS = ["the red one of two", "objects, each a sketch", "blurred", "objects, each a sepia print"]
TEST_PICTURES, VALIDATION_PICTURES = 480, 96
A_FEW = 5 / TEST_PICTURES  # other processors and libraries round otherwise, and 160 steps of training amplify it
ONE = 1.1 / TEST_PICTURES  # a picture on the border, where nothing is trained


@pytest.fixture(scope="module")
def stored():
    return study.load_study()


@pytest.fixture(scope="module")
def clip():
    torch.set_num_threads(1)
    return load_clip("pocket")


@pytest.fixture(scope="module")
def one_shot(clip):
    """One picture of each class, drawn as such and not taken from sixteen."""
    return encode_split(*clip, draw_few_shot(RIDDLE, shots=1, checks=1, tests=20, seed=4))


def settings(runs, *names):
    return sorted(tuple(getattr(run, name) for name in names) for run in runs)


def shares_of(pictures, values):
    """Whether all of these are shares of so many pictures, but for rounding in the fourth decimal."""
    return all(
        0 <= value <= 1 and abs(value * pictures - round(value * pictures)) <= 1e-4 * pictures for value in values
    )


# --- the stored file -----------------------------------------------------------------------------------------------------


def test_the_stored_study_says_how_it_was_made(stored):
    assert stored.command == study.COMMAND == "python -m pocket.studies.context_study" == f"python -m {study.__name__}"
    assert set(stored.versions) == {"python", "torch", "transformers"} and 60 < stored.seconds < 3600
    assert stored.config == study.CONFIG


def test_what_is_saved_is_what_is_loaded_and_stands_in_the_file(stored, tmp_path):
    study.save_study(stored, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == study.FILE.read_bytes()


def test_every_task_was_learned_from_every_number_of_shots_with_every_seed(stored):
    assert [entry.task for entry in stored.shots] == TASKS
    for entry in stored.shots:
        assert settings(entry.runs, "shots", "seed") == sorted(product([1, 2, 4, 8, 16], range(5)))
        measured = [getattr(run, name) for run in entry.runs for name in ("context", "probe", "class_mean")]
        assert shares_of(TEST_PICTURES, [*measured, entry.hand, entry.own, entry.ensemble])


def test_every_choice_was_made_with_every_other_and_every_seed(stored):
    choices = stored.choices
    assert (choices.task, choices.shots) == (RIDDLE.name, 8)
    names = ["length", "position", "init", "class_specific", "seed"]
    every = product([1, 2, 4, 8, 16], ["end", "middle", "front"], ["words", "random"], [False, True], range(3))
    assert settings(choices.runs, *names) == sorted(every)
    assert shares_of(TEST_PICTURES, [choices.hand, *(run.test for run in choices.runs)])
    assert shares_of(VALIDATION_PICTURES, [run.validation for run in choices.runs])


def test_every_pull_was_tried_on_both_tasks_with_every_seed(stored):
    assert [entry.task for entry in stored.base_to_new] == ["the red one of two", "blurred"]
    for entry in stored.base_to_new:
        assert (entry.base, entry.new) == (list(RIDDLE.class_names[::2]), list(RIDDLE.class_names[1::2]))
        assert len(entry.base) == len(entry.new) == 12
        assert settings(entry.runs, "regularisation", "seed") == sorted(product([0, 0.5, 2, 8, 32], range(5)))
        shares = [share for run in entry.runs for share in (run.base, run.new)]
        assert shares_of(TEST_PICTURES // 2, [entry.hand_base, entry.hand_new, *shares])


def test_one_hand_prompt_has_one_accuracy_wherever_it_stands(stored):
    riddle = stored.shots[0]
    assert riddle.hand == stored.choices.hand
    assert riddle.own_template == "a photo of a red {}."


def test_no_template_of_the_ensemble_tells_what_the_class_names_keep_silent(stored):
    silent = ("red", "sketch", "drawing", "pencil", "blur", "sepia", "print")
    for entry in stored.shots:
        assert "a photo of a {}." in entry.ensemble_templates and len(set(entry.ensemble_templates)) == 8
        assert not any(word in template for template in entry.ensemble_templates for word in silent)
        assert any(word in entry.own_template for word in silent)


def test_a_name_in_the_middle_of_one_vector_stands_in_front_of_it(stored):
    """The same training twice, under two names: what it gives the second time is what it gave the first."""
    runs = {tuple(vars(run).values())[:5]: (run.validation, run.test) for run in stored.choices.runs}
    ones = [key for key in runs if key[0] == 1 and key[1] == "middle"]
    assert len(ones) == 12 and all(runs[key] == runs[1, "front", *key[2:]] for key in ones)


def test_the_example_is_one_of_the_choices_with_its_whole_history(stored):
    example = stored.example
    assert (example.task, example.shots) == (RIDDLE.name, stored.choices.shots)
    choice = ChoicesRun(4, "end", "words", False, example.seed, example.history.best.validation_score, example.after)
    assert choice in stored.choices.runs
    assert (example.before, example.hand) == (stored.choices.hand, example.history.evaluations[0].validation_score)
    assert example.history.evaluations[-1].step == example.history.steps == stored.config.steps
    assert torch.tensor(example.context).shape == (study.LENGTH, 128)


def test_each_record_has_a_line_of_its_own(stored):
    lines = study.FILE.read_text(encoding="utf-8").splitlines()
    with_seed = [line.count('"seed": ') for line in lines]  # the plan has one too
    assert max(with_seed) == 1 and sum(with_seed) == len(study.list_jobs()) + 1
    stored = json.loads(study.FILE.read_text(encoding="utf-8"))
    assert json.loads(common.format_json(stored)) == stored


@pytest.mark.slow
def test_a_combination_run_again_gives_the_stored_numbers(stored, clip, one_shot):
    riddle = stored.shots[0]
    run = next(run for run in riddle.runs if (run.shots, run.seed) == (1, 4))
    assert study.measure_shots(*clip, one_shot, {"task": RIDDLE.name, **vars(run)}) == pytest.approx(
        {name: getattr(run, name) for name in ("context", "probe", "class_mean")}, abs=A_FEW
    )
    by_hand = {
        riddle.hand: ["a photo of a {}."],
        riddle.own: [riddle.own_template],
        riddle.ensemble: riddle.ensemble_templates,
    }
    for accuracy, templates in by_hand.items():
        assert classifiers.measure_templates(*clip, RIDDLE.class_names, one_shot.test, templates) == pytest.approx(
            accuracy, abs=ONE
        )


def test_without_a_step_base_classes_and_new_ones_are_told_apart_as_by_hand(stored, clip, one_shot, monkeypatch):
    """At the rate 0 the vectors stay what they begin as: "a photo of a"."""
    monkeypatch.setattr(study, "CONFIG", replace(study.CONFIG, steps=1, learning_rate=0.0))
    numbers = study.measure_new_classes(*clip, one_shot, {"task": RIDDLE.name, "regularisation": 0, "seed": 0})
    by_hand = {"base": stored.base_to_new[0].hand_base, "new": stored.base_to_new[0].hand_new}
    assert numbers == pytest.approx(by_hand, abs=2 * ONE)  # of half the pictures


def test_what_was_learned_on_the_base_classes_is_put_before_the_new_names(stored, clip, one_shot, monkeypatch):
    """Four words in place of what training finds: the new names are told apart as by the template with those words."""
    learned_from = []

    def learned(clip, processor, names, data, config, **settings):
        learned_from.append((list(names), data, settings))
        return PromptedCLIP(clip, processor, names, 4, init="photo of a red")

    monkeypatch.setattr(study, "train_new_context", learned)
    numbers = study.measure_new_classes(*clip, one_shot, {"task": RIDDLE.name, "regularisation": 8, "seed": 3})
    entry, (_, new) = stored.base_to_new[0], study.halve_classes(24)
    (names, data, how), pictures = learned_from[0], study.take_classes(one_shot.test, new)
    assert names == entry.base and how == {"regularisation": 8, "length": 4, "init": "a photo of a", "seed": 3}
    assert [len(part[1]) for part in (data.train, data.validation, data.test)] == [12, 12, 240]
    expected = classifiers.measure_templates(*clip, entry.new, pictures, ["photo of a red {}."])
    assert numbers["new"] == pytest.approx(expected, abs=2 * ONE) and expected > entry.hand_new + 0.05


# --- pictures and classes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", study.OWN, ids=lambda task: task.name)
def test_fewer_shots_are_the_first_of_more_in_each_class(task, monkeypatch):
    monkeypatch.setattr(
        datasets, "make_training_scenes", frozenset
    )  # takes seconds to count up, and the fact does not depend on it
    more, few = (list_task_drawings(task, "train", each, seed=3) for each in (4, 2))
    assert [drawing for label in range(24) for drawing in more[4 * label : 4 * label + 2]] == few


def numbered(classes, each, test=5):
    """Pictures whose one feature is their number, class by class."""

    def part(each):
        return torch.arange(classes * each)[:, None].float(), torch.arange(classes).repeat_interleave(each)

    return FewShot(part(each), part(4), part(test))


def test_fewer_takes_the_first_of_each_class_and_no_more_checks_than_shots():
    data = numbered(classes=3, each=16)
    two, eight = study.take_shots(data, 2), study.take_shots(data, 8)
    assert two.train[0].flatten().tolist() == [0, 1, 16, 17, 32, 33] and two.train[1].tolist() == [0, 0, 1, 1, 2, 2]
    assert two.validation[0].flatten().tolist() == [0, 1, 4, 5, 8, 9] and two.validation[1].tolist() == [
        0,
        0,
        1,
        1,
        2,
        2,
    ]
    assert len(eight.train[1]) == 24 and torch.equal(eight.validation[0], data.validation[0])
    assert two.test is data.test


def test_the_classes_of_a_part_are_numbered_anew():
    pictures = numbered(classes=4, each=2).train
    base, new = study.halve_classes(4)
    assert (base, new) == ([0, 2], [1, 3])
    features, labels = study.take_classes(pictures, new)
    assert features.flatten().tolist() == [2, 3, 6, 7] and labels.tolist() == [0, 0, 1, 1]


def test_a_context_begins_as_the_last_of_the_words_as_many_as_it_has_vectors(clip, monkeypatch):
    untouched = numbered(classes=1, each=1)
    monkeypatch.setattr(classifiers, "train_context", lambda *arguments, **settings: iter(()))
    for length, words in {1: "a", 2: "of a", 4: "a photo of a", 8: "a photo of a a photo of a"}.items():
        prompted = classifiers.train_new_context(
            *clip, ["cat"], untouched, study.CONFIG, length=length, init="a photo of a", seed=0
        )
        assert torch.equal(prompted.context, PromptedCLIP(*clip, ["cat"], length, init=words).context)


def test_probe_and_class_mean_tell_apart_what_lies_apart():
    corners = torch.eye(3).repeat_interleave(4, dim=0)
    pictures = (
        torch.nn.functional.normalize(corners + 0.1 * torch.rand(12, 3), dim=-1),
        torch.arange(3).repeat_interleave(4),
    )
    data = FewShot(pictures, pictures, pictures)
    assert measure_probe(data) == measure_class_mean(data) == 1.0


def test_what_the_test_pictures_say_changes_no_choice_of_the_probe(monkeypatch):
    """The probe that is best on the validation pictures is reported, even where it is the worst on the test pictures."""

    class Fake:
        def __init__(self, C, max_iter):
            self.strength = C

        def fit(self, features, labels):
            return self

        def score(self, features, labels):
            good = {1.0: (0.5, 0.9), 10.0: (0.8, 0.1), 100.0: (0.8, 0.95), 1000.0: (0.2, 1.0)}
            return good[self.strength][0 if len(labels) == 4 else 1]

    monkeypatch.setattr("sklearn.linear_model.LogisticRegression", Fake)
    assert measure_probe(numbered(classes=1, each=1)) == 0.1


# --- breaks --------------------------------------------------------------------------------------------------------------

JOBS = [{"part": "shots", "task": "cats", "shots": shots, "seed": seed} for shots in (1, 2) for seed in range(3)]


def worth(job):
    return {"accuracy": job["shots"] / 3 + job["seed"]}


def test_a_broken_study_goes_on_and_runs_nothing_twice(tmp_path):
    file, ran, told = tmp_path / "part.json", [], []

    def run(job):
        if len(ran) == 4 and job not in ran:
            raise KeyboardInterrupt
        ran.append(job)
        return worth(job)

    def run_on(job):
        ran.append(job)
        return worth(job)

    with pytest.raises(KeyboardInterrupt):
        study.run_jobs(JOBS, run, file, told.append)
    records, seconds = study.run_jobs(JOBS, run_on, file, told.append)
    assert ran == JOBS  # each once, in order
    assert records == [{**job, "accuracy": round(worth(job)["accuracy"], 4)} for job in JOBS] and seconds > 0
    assert [line.split(",")[0] for line in told] == [f"{number} of 6" for number in range(1, 7)]
    assert all("min left" in line for line in told)
    assert study.run_jobs(JOBS, run_on, file, told.append) == (records, seconds) and len(ran) == 6


def test_more_jobs_than_before_are_run_and_fewer_are_left_out(tmp_path):
    file, ran = tmp_path / "part.json", []

    def run(job):
        ran.append(job)
        return worth(job)

    study.run_jobs(JOBS[:2], run, file, lambda line: None)
    study.run_jobs(JOBS[1:4], run, file, lambda line: None)
    assert ran == JOBS[:4]
    assert [record["seed"] for record in study.run_jobs(JOBS[1:3], run, file, lambda line: None)[0]] == [1, 2]


def test_a_file_that_was_cut_off_counts_as_none(tmp_path):
    file = tmp_path / "part.json"
    study.run_jobs(JOBS[:1], worth, file, lambda line: None)
    file.write_text(file.read_text()[:-5])
    assert study.run_jobs(JOBS[:1], worth, file, lambda line: None)[0] == [JOBS[0] | {"accuracy": 0.3333}]


def test_what_another_config_model_or_code_left_unfinished_is_not_taken_up(tmp_path, monkeypatch):
    code = tmp_path / "study.py"
    code.write_text("one = 1")

    def file(config=study.CONFIG, model="one model"):
        return common.find_unfinished("context", [str(code)], config, model)

    before = file()
    assert before == file() != file(config=replace(study.CONFIG, steps=80))
    assert before != file(model="another")
    code.write_text("one = 2")
    assert before != (now := file())
    (tmp_path / "helpers").mkdir()  # with other code of the mechanism, in whichever of its files
    (tmp_path / "helpers" / "another.py").write_text("two = 2")
    monkeypatch.setattr(common.files, "__file__", str(tmp_path / "helpers" / "files.py"))
    assert now != file()


def test_the_grid_that_is_run_is_the_grid_that_is_stored(stored):
    records = [
        {"part": part, "task": entry.task, **vars(run)}
        for part, entries in (
            ("shots", stored.shots), ("choices", [stored.choices]), ("base_to_new", stored.base_to_new)
        )
        for entry in entries
        for run in entry.runs
    ]  # fmt: skip
    records.append({"part": "example", **vars(stored.example)})
    assert [
        {name: record[name] for name in job} for job, record in zip(study.list_jobs(), records)
    ] == study.list_jobs()
    assert len(records) == len(study.list_jobs()) == 331
