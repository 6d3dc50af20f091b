"""Facts about the stored study of nouns: what lies there, and by what things are chosen."""

from dataclasses import replace

from helpers.files import read_tensors
from pocket.studies import asking_study, noun_study
from pocket.studies.noun_study import FILE, choose_format, choose_instruction, load_study, save_study

STUDY = load_study()


def test_written_again_it_is_the_same(tmp_path):
    file = tmp_path / FILE.name
    save_study(STUDY, file)
    assert file.read_bytes() == FILE.read_bytes()
    (again, notes), (stored, told) = (read_tensors(each.with_suffix(".safetensors")) for each in (file, FILE))
    assert notes == told == STUDY.model and again.keys() == stored.keys()
    assert all(again[name].equal(stored[name]) for name in stored)


def test_every_job_has_its_record():
    jobs = noun_study.list_jobs()
    for part in noun_study.PARTS:
        assert len(getattr(STUDY, part)) == sum(job["part"] == part for job in jobs)
    for run in STUDY.prompts:
        assert run.vectors.shape == (run.length, 576) and run.history.evaluations[-1].step == STUDY.config.steps


def test_nothing_is_chosen_by_unseen_nouns():
    def forget(run):
        return replace(run, accuracy=replace(run.accuracy, unseen=0.0, calibrated_unseen=0.0, says=0.0))

    blind = replace(STUDY, instructions=[*map(forget, STUDY.instructions)], examples=[*map(forget, STUDY.examples)])
    assert choose_instruction(blind) == choose_instruction(STUDY) and choose_format(blind) == choose_format(STUDY)


def test_examples_stand_as_their_instruction_does_and_as_many_of_each_category():
    task = noun_study.make_category_task()
    for shots in noun_study.SHOTS:
        rows = noun_study.choose_examples(task, shots, draw=1)
        assert task.train.labels[rows].bincount().tolist() == [shots // 8] * 8 and len({*rows}) == shots
    before, after = noun_study.write_instruction(task, 5, rows[:2])
    word, answer = task.train.words[rows[0]], task.answers[task.train.labels[rows[0]]]
    assert f"\nWord: {word}{after} {answer}\nWord: " in before and before.endswith("\nWord:")
    assert noun_study.write_instruction(task, 0) == ("\n", ":")


def test_asked_and_read_are_all_prompts_and_their_nulls(tmp_path):
    study = asking_study.load_study()
    asking_study.save_study(study, tmp_path / "asking.json")
    assert (tmp_path / "asking.json").read_bytes() == asking_study.FILE.read_bytes()
    prompts = {(one.group, one.prompt) for one in study.nearest}
    assert len(prompts) == len(STUDY.prompts) + len(STUDY.random) + 1
    frames, layers = range(len(study.frames)), asking_study.LAYERS
    assert {(one.group, one.prompt, one.frame, one.layer) for one in study.asked} == {
        (*prompt, frame, layer) for prompt in prompts for frame in frames for layer in layers
    }
