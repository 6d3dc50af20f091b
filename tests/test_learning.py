"""Facts about work that takes a while (`LongWork`), and about the ten vectors that a learner trains in lesson 00."""

import os
import re
import signal
import threading
import weakref
from dataclasses import replace
from itertools import count

import ipywidgets
import pytest
import torch
from explorers import all_widgets, in_language, moved

from helpers import context
from helpers.context import PromptedCLIP, repeat_words
from helpers.data import encode_split, measure_accuracy
from helpers.language import LearnerError
from helpers.pretrained import encode_texts, load_clip
from helpers.training import TrainConfig
from lessons.kit import context_training
from lessons.kit.explorer import MOST_REDRAWINGS, WIDGET_VIEW, LongWork, Sentence, tabulate_accuracies, use_one_thread
from lessons.kit.picture import LOCK
from lessons.lesson_00_start_here import explorers as start_here
from lessons.lesson_02_learnable_context.explorers import what_learns
from pocket.datasets import Pictures, Splits, draw_few_shot
from pocket.studies import context_study, first_vectors_study
from pocket.tasks import make_secret_task

TASK = make_secret_task("red")


class Clock:
    """Stands still until it is told to go on."""

    now = 0.0

    def __call__(self):
        return self.now


def counting(to=4, clock=None, seconds=0.0):
    """Work of so many turns, each of which takes so long by the clock and shows its number."""

    def work(now):
        for i in range(to):
            if clock:
                clock.now += seconds
            yield i / to, lambda i=i: Sentence(f"turn {i}")

    return work


def long_work(work, **more):
    return LongWork(work, Sentence("nothing yet"), start="Go", **more)


def raising(error):
    def work(now):
        yield 0.5, lambda: Sentence("half")
        raise error

    return work


def free_for_others(lock):
    """Whether another thread can have the lock at once."""
    found = []

    def ask():
        found.append(lock.acquire(blocking=False))
        if found[0]:
            lock.release()

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    return found[0]


# --- long work ---------------------------------------------------------------------------------------------------


def test_work_runs_to_its_end_and_the_last_thing_to_see_stays():
    work = long_work(counting())
    assert work.shown.text == "nothing yet" and "nothing yet" in work.view.value
    work.start.click()
    assert work.shown.text == "turn 3" and "turn 3" in work.view.value
    assert work.bar.value == 1 and not work.start.disabled


def test_work_gets_the_values_of_its_controls():
    seen = []

    def work(now):
        seen.append(now.seed)
        yield 1.0, lambda: Sentence("done")

    explorer = long_work(work, controls={"seed": ipywidgets.IntText(7, description="seed")})
    explorer.run()
    explorer.controls["seed"].value = 8
    explorer.run()
    assert seen == [7, 8]


def test_progress_is_told_in_words_in_the_learners_language(lang):
    clock, told = Clock(), []
    work = long_work(counting(8, clock, seconds=0.5), steps=160, clock=clock)
    work.words.observe(lambda change: told.append(change["new"]), names="value")
    work.run()
    assert all('role="status"' in text and in_language(text, lang) for text in told)
    wanted = {
        "en": ["step 0 of 160<", "step 120 of 160, about 1 s left", "step 140 of 160, less than 1 s left", "160 steps in 4.0 s"],
        "zh": ["第 0 步，共 160 步<", "第 120 步，共 160 步，约剩 1 秒", "第 140 步，共 160 步，剩不到 1 秒", "160 步，用时 4.0 秒"],
    }  # fmt: skip
    assert all(any(words in text for text in told) for words in wanted[lang]), told


def test_work_without_steps_tells_percents(lang):
    told = []
    work = long_work(counting(4, clock := Clock(), seconds=100), clock=clock)
    work.words.observe(lambda change: told.append(change["new"]), names="value")
    work.run()
    wanted = {"en": "25% done, about 10 min left", "zh": "已完成 25%，约剩 10 分钟"}[lang]
    assert any(wanted in text for text in told), told


def test_the_button_is_disabled_while_it_runs_and_says_again_afterwards(lang):
    states = []

    def work(now):
        states.append(explorer.start.disabled)
        yield 1.0, lambda: Sentence("done")

    explorer = long_work(work)
    explorer.run()
    assert states == [True] and not explorer.start.disabled
    assert explorer.start.description == {"en": "Again", "zh": "再来一次"}[lang]


def test_a_press_while_it_runs_starts_nothing():
    runs = []

    def work(now):
        runs.append(now)
        explorer.run()
        explorer.start.click()
        yield 1.0, lambda: Sentence("done")

    explorer = long_work(work)
    explorer.run()
    assert len(runs) == 1


def test_presses_that_waited_in_the_queue_are_dropped_and_a_later_one_counts():
    clock, runs = Clock(), []

    def work(now):
        runs.append(now)
        yield 1.0, lambda: Sentence("done")

    explorer = long_work(work, clock=clock)
    explorer.start.click()
    explorer.start.click()
    assert len(runs) == 1
    clock.now += 1
    explorer.start.click()
    assert len(runs) == 2


def test_a_plain_sentence_is_shown_as_it_stands_and_the_button_is_free_again():
    work = long_work(raising(LearnerError("Choose fewer shots.")))
    work.run()
    assert work.shown.text == "Choose fewer shots." and "<details>" not in work.view.value
    assert not work.start.disabled


def test_any_other_error_is_a_sentence_with_the_technical_text_folded_away(lang):
    work = long_work(raising(RuntimeError("shapes <3> and <4>")))
    work.run()
    assert in_language(work.shown.text, lang) and "RuntimeError" not in work.shown.text
    folded = work.view.value.split("<details>")[1]
    assert "RuntimeError: shapes &lt;3&gt; and &lt;4&gt;" in folded
    assert work.shown.bundle()["text/plain"] == work.shown.text
    assert not work.start.disabled and in_language(work.words.value.split(">")[1], lang)


def test_an_error_before_the_first_turn_hangs_nothing():
    def broken(now):
        raise RuntimeError("not even a generator")

    def broken_picture(now):
        yield 0.0, lambda: 1 / 0

    for work in (long_work(broken), long_work(broken_picture)):
        work.run()
        assert work.shown.details and not work.start.disabled


def test_an_interrupt_stops_the_work_and_keeps_what_is_shown(lang):
    closed = []

    def work(now):
        try:
            yield 0.5, lambda: Sentence("half")
            raise KeyboardInterrupt
        finally:
            closed.append(True)

    explorer = long_work(work, steps=10)
    explorer.run()
    assert explorer.shown.text == "half" and "half" in explorer.view.value
    assert {"en": "Stopped: step 5 of 10", "zh": "已停下：第 5 步，共 10 步"}[lang] in explorer.words.value
    assert closed == [True] and not explorer.start.disabled
    assert free_for_others(LOCK)


def interrupt(*_):
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_is_not_lost_where_python_forgets_it(ctrl_c):
    """In a callback of weakref, where a KeyboardInterrupt would be printed and no more."""

    def work(now):
        for turn in range(1, 5):
            if turn == 2:
                passing = Sentence("soon gone")
                watching = weakref.ref(passing, interrupt)
                del passing
                assert watching() is None
            yield turn / 4, lambda turn=turn: Sentence(str(turn))

    explorer = long_work(work, steps=4)
    explorer.run()
    assert "Stopped: step 2 of 4" in explorer.words.value and explorer.shown.text in ("1", "2")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_ends_a_long_turn_at_once(ctrl_c):
    def work(now):
        yield 0.5, lambda: Sentence("half")
        interrupt()
        raise AssertionError("went on after it")

    explorer = long_work(work, steps=10)
    explorer.run()
    assert "Stopped: step 5 of 10" in explorer.words.value and not explorer.start.disabled


def test_after_an_error_it_can_be_started_again():
    tries = count()

    def work(now):
        if next(tries) == 0:
            raise RuntimeError("the first time")
        yield 1.0, lambda: Sentence("done")

    explorer = long_work(work)
    explorer.run()
    explorer.run()
    assert explorer.shown.text == "done" and explorer.bar.bar_style == "success"


def test_it_is_redrawn_at_most_eight_times_a_second_and_the_last_always():
    clock, drawn = Clock(), []

    def work(now):
        for i in range(250):
            clock.now += 0.04
            yield i / 250, lambda i=i: drawn.append(i) or Sentence(f"turn {i}")

    long_work(work, clock=clock).run()  # ten seconds
    assert 60 <= len(drawn) <= 10 * MOST_REDRAWINGS + 2
    assert drawn[0] == 0 and drawn[-1] == 249 and len(set(drawn)) == len(drawn)


def test_slow_drawing_takes_no_more_time_than_the_work():
    clock, drawn = Clock(), []

    def draw():
        clock.now += 0.5
        drawn.append(clock.now)
        return Sentence("slow")

    def work(now):
        for i in range(100):
            clock.now += 0.1
            yield i / 100, draw

    long_work(work, clock=clock).run()
    assert 0.5 * len(drawn) <= 0.5 * clock.now + 0.5


def test_another_explorer_gets_the_lock_between_two_turns():
    """Held all through, the lock would make the other thread wait for the end."""
    wants, got = threading.Event(), threading.Event()

    def other():
        wants.wait(10)
        with LOCK:
            got.set()

    turns_waited = []

    def work(now):
        for i in range(200):
            turns_waited.append(got.is_set())
            wants.set()
            yield i / 200, lambda: Sentence("working")

    thread = threading.Thread(target=other)
    thread.start()
    long_work(work).run()
    thread.join()
    assert turns_waited[-1], "the other thread got the lock only when all was over"


def test_work_can_be_started_in_a_second_thread():
    work = long_work(counting(20))
    threads = [threading.Thread(target=work.run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert work.shown.text == "turn 19" and not work.start.disabled


# --- the first ten vectors -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(clip):
    """Pictures of two things; the label is always the red one."""

    def pictures(each, seed):
        labels = torch.arange(len(TASK.class_names)).repeat_interleave(each)
        images = [TASK.example(int(label), i % each, seed) for i, label in enumerate(labels)]
        return Pictures(images, labels, [])

    return encode_split(*clip, Splits(pictures(8, 1), pictures(2, 2), pictures(6, 3)))


def few_steps(clip, data, steps=9):
    return start_here.train_first_vectors(*clip, TASK.class_names, data, config=TrainConfig(steps=steps))


def broken_off_at(step):
    """Learning that an interrupt of the kernel ends after the look at this step."""

    def learn(*given):
        for look in context.train_context(*given):
            yield look
            if look.step == step:
                raise KeyboardInterrupt

    return learn


@pytest.fixture
def titles(monkeypatch):
    """The titles of all learning curves that are drawn."""
    drawn, draw = [], context_training.draw_learning_curve

    def learning_curve(*given, **more):
        drawn.append(more["title"])
        return draw(*given, **more)

    monkeypatch.setattr(context_training, "draw_learning_curve", learning_curve)
    return drawn


@pytest.fixture(scope="module")
def whole_run(clip, data):
    """The button pressed once, in English, and every picture that stood in the view."""
    explorer, seen = start_here.train_first_vectors(*clip, TASK.class_names, data), []
    explorer.view.observe(lambda change: seen.append(explorer.shown), names="value")
    seen.append(explorer.shown)
    explorer._clock = count(1.0).__next__  # a second at every look at it: every picture is due, on any machine
    explorer.start.click()
    return explorer, seen


def test_ten_learned_vectors_beat_the_hand_written_prompt_on_the_red_one_of_two(whole_run):
    (run,) = whole_run[0].runs
    assert run.after >= run.before + 0.05
    assert run.history.evaluations[-1].loss < 0.8 * run.history.evaluations[0].loss


def test_the_ten_vectors_come_about_as_far_as_a_prompt_that_names_the_rule(whole_run, clip, data):
    named = measure_accuracy(data.test, encode_texts(*clip, [f"a photo of a red {name}." for name in TASK.class_names]))
    assert whole_run[0].runs[0].after == pytest.approx(named, abs=0.05) and named < 0.7


def test_the_curve_grows_while_it_learns(whole_run):
    explorer, seen = whole_run
    steps = [int(found[1]) for picture in seen if (found := re.search(r"at step (\d+) of 160", picture.alt))]
    assert len(steps) >= 5 and steps == sorted(set(steps)), steps
    assert "not tested yet" in seen[-2].alt and "not tested" not in seen[-1].alt
    assert "Only the 10 vectors" in seen[-1].caption and "Done: 160 steps" in explorer.words.value


def test_the_learned_context_can_be_used_afterwards(whole_run, clip, data):
    context = whole_run[0].context
    assert context.shape == (10, clip[0].config.text_config.hidden_size) and not context.requires_grad
    prompted = PromptedCLIP(*clip, TASK.class_names, context_length=len(context), init=context)
    with use_one_thread():
        assert prompted.accuracy(*data.test) == whole_run[0].runs[0].after


def test_the_twin_shows_the_stored_run_and_is_the_same_at_every_run(clip, data, lang):
    one, other = few_steps(clip, data), few_steps(clip, data)
    first, second = one._repr_mimebundle_(), other._repr_mimebundle_()
    assert first.pop(WIDGET_VIEW) != second.pop(WIDGET_VIEW)
    assert first == second == one.shown.bundle()
    after = first_vectors_study.load_study().after
    assert f"{after:.1%}".replace("%", " %" if lang == "en" else "%") in one.shown.alt and in_language(
        one.shown.alt, lang
    )
    assert "python -m pocket.studies.first_vectors_study" in one.shown.caption and in_language(one.shown.caption, lang)


def test_where_a_kernel_answers_nobody_reads_the_result_before_the_work_is_done(clip, data, lang):
    explorer = few_steps(clip, data)
    waiting = explorer.view.value
    assert waiting != explorer.shown.html() and explorer._repr_mimebundle_()["text/html"] == explorer.shown.html()
    alt = re.search('alt="([^"]*)"', waiting)[1]
    assert ("empty" if lang == "en" else "空着") in alt and in_language(alt, lang)
    after = first_vectors_study.load_study().after
    assert f"{after:.1%}"[:-1] in explorer.shown.alt and f"{after:.1%}"[:-1] not in waiting


def test_alt_text_caption_and_labels_are_in_the_learners_language_after_a_run(clip, data, lang):
    explorer = few_steps(clip, data)
    assert in_language(explorer.start.description, lang)
    assert all(in_language(control.description, lang) for control in explorer.controls.values())
    explorer.run()
    assert in_language(explorer.shown.alt, lang) and in_language(explorer.shown.caption, lang)
    parameters = sum(p.numel() for p in clip[0].parameters())
    assert f"{parameters:,}" in explorer.shown.caption


def test_before_the_first_press_the_context_is_the_stored_one(clip, data):
    context, stored = few_steps(clip, data).context, first_vectors_study.load_study().context
    assert context.shape == (10, 128) and torch.equal(context, stored)


def begun_from(clip, seed):
    return PromptedCLIP(*clip, TASK.class_names, 10, "random", generator=torch.Generator().manual_seed(seed)).context


def test_what_the_vectors_were_before_training_is_kept_of_the_stored_run_and_of_ones_own(clip, data):
    explorer = few_steps(clip, data)
    assert torch.equal(explorer.initial, begun_from(clip, first_vectors_study.SEED))
    explorer.controls["seed"].value = 5
    explorer.run()
    assert torch.equal(explorer.initial, begun_from(clip, 5)) and not torch.equal(explorer.initial, explorer.context)


@pytest.fixture(scope="module")
def lesson_pictures(clip):
    """Those of the lesson: unit features (N, D), labels (N,), and which class the other thing is of (N,)."""
    pictures = draw_few_shot(TASK, **first_vectors_study.PICTURES)
    named = [[TASK.class_names.index(thing.object) for thing in scene.things] for scene, _ in pictures.test.drawings]
    images, labels = encode_split(*clip, pictures).test
    others = torch.tensor([sum(pair) - label for pair, label in zip(named, labels.tolist(), strict=True)])
    return images, labels, others


def guesses_of_prompts(clip, images):
    """The classes (N,) or (S, N) that the prompts of lesson 00's table name, with the stored run's vectors."""
    study = first_vectors_study.load_study()
    rows = start_here.encode_contexts(*clip, TASK.class_names, begun_from(clip, study.seed).detach(), study.context)
    by_hand = encode_texts(*clip, [f"a photo of a {name}." for name in TASK.class_names])
    return [(images @ features.mT).argmax(-1) for features in (by_hand, *rows.values())]


def test_the_best_of_ten_untrained_starts_stays_far_below_what_was_learned(clip, lesson_pictures):
    images, labels, _ = lesson_pictures
    study = first_vectors_study.load_study()
    hand, null, before, after = ((guess == labels).float().mean(-1) for guess in guesses_of_prompts(clip, images))
    assert null.shape == (10,) and null.unique().numel() > 5
    assert max(null.max(), before) + 0.03 < after and after.item() == pytest.approx(study.after, abs=1e-3)
    assert hand.item() == pytest.approx(study.before, abs=1e-3)


def test_of_the_two_things_words_and_untrained_vectors_name_the_red_one_half_the_time(clip, lesson_pictures):
    """Which is why one of them may be above the other before anything is learned."""
    images, labels, others = lesson_pictures
    hand, null, before, after = (
        (guess == labels).sum(-1) / ((guess == labels) | (guess == others)).sum(-1)
        for guess in guesses_of_prompts(clip, images)
    )
    assert hand.item() == pytest.approx(0.5, abs=0.03) and null.mean().item() == pytest.approx(0.5, abs=0.03)
    assert before > null.max() and after > before  # the stored run began with luck


def test_nobody_can_train_from_the_seeds_of_the_null(clip, data):
    assert few_steps(clip, data).controls["seed"].max < min(start_here.UNTRAINED)


def test_an_accuracy_of_several_is_told_by_mean_and_range(lang):
    hits = torch.tensor([[True, True, False, False], [True, True, True, False]])
    table = tabulate_accuracies({"one": hits[0], "several": hits})
    assert [row[1] for row in table.rows] == {
        "en": ["50.0 %", "62.5 % (50.0 % to 75.0 %)"],
        "zh": ["50.0%", "62.5%（50.0% 到 75.0%）"],
    }[lang]


def test_another_start_gives_another_run_and_the_earlier_ones_stay_faintly_behind(clip, data):
    explorer = few_steps(clip, data)
    explorer.run()
    first, caption = explorer.context, explorer.shown.caption
    explorer.run()
    assert torch.equal(explorer.context, first) and len(explorer.runs) == 2
    explorer.controls["seed"].value = 5
    explorer.run()
    assert not torch.equal(explorer.context, first) and len(explorer.runs) == 3
    assert "Faint blue" in explorer.shown.caption and "Faint blue" not in caption


def test_a_model_that_changed_is_not_passed_off_as_frozen(data, monkeypatch):
    def careless(prompted, *rest):
        for look in context.train_context(prompted, *rest):
            yield look
            prompted.clip.logit_scale.data += 1e-6

    monkeypatch.setattr(context_training, "train_context", careless)
    explorer = few_steps(load_clip("pocket"), data)
    explorer.run()
    assert "the model has changed" in explorer.shown.caption


def test_an_interrupted_run_keeps_the_best_vectors_so_far_and_says_so(clip, data, monkeypatch, titles, lang):
    monkeypatch.setattr(context_training, "train_context", broken_off_at(8))
    explorer = few_steps(clip, data, steps=40)
    before = explorer.context
    explorer.run()
    (run,) = explorer.runs
    assert run.history.column("step") == [0, 8] and run.after is None and not torch.equal(explorer.context, before)
    assert {"en": "Stopped: step 8 of 40", "zh": "已停下：第 8 步，共 40 步"}[lang] in explorer.words.value
    title = {
        "en": "Stopped at step 8 of 40: the vectors of step 8 are kept",
        "zh": "共 40 步，停在第 8 步；留下的是第 8 步的向量",
    }
    assert titles[-1] == title[lang]
    assert {"en": "were not looked at", "zh": "还没有看过"}[lang] in explorer.shown.caption
    assert explorer.shown.html() in explorer.view.value


def test_broken_off_before_the_first_look_nothing_is_lost_and_nothing_claimed(clip, data, monkeypatch, titles):
    def learn(*given):
        yield from ()
        raise KeyboardInterrupt

    monkeypatch.setattr(context_training, "train_context", learn)
    explorer = few_steps(clip, data)
    before, waiting = explorer.context, explorer.view.value
    explorer.run()
    assert explorer.runs == [] and explorer.context is before and explorer.view.value == waiting
    assert not any("kept" in title for title in titles)


def test_broken_off_after_its_best_a_run_keeps_the_best(clip, data, monkeypatch):
    seen = []

    def learn(prompted, *rest):
        for look, loss in zip(context.train_context(prompted, *rest), (3.0, 1.0, 2.0)):
            seen.append(prompted.context.detach().clone())
            yield replace(look, validation_loss=loss, best=loss != 2.0)
        raise KeyboardInterrupt

    monkeypatch.setattr(context_training, "train_context", learn)
    explorer = few_steps(clip, data, steps=40)
    explorer.run()
    assert torch.equal(explorer.context, seen[1]) and not torch.equal(seen[1], seen[2])
    assert "Stopped at step 16 of 40. Kept are the vectors of step 8 (the ring)" in explorer.shown.caption


def test_learning_takes_one_thread_and_gives_the_others_back(clip, data, monkeypatch):
    """Two threads that wait for each other on a busy machine take many times longer."""
    before, seen = torch.get_num_threads(), []

    def learn(*given):
        for look in context.train_context(*given):
            seen.append(torch.get_num_threads())
            yield look
        raise RuntimeError("at the very end")

    monkeypatch.setattr(context_training, "train_context", learn)
    few_steps(clip, data).run()
    assert seen == [1, 1, 1] and torch.get_num_threads() == before


def test_the_test_pictures_are_looked_at_once_when_all_is_learned(clip, data, monkeypatch):
    looked, accuracy = [], PromptedCLIP.accuracy

    def spied(prompted, features, labels):
        assert features is data.test[0]
        looked.append(explorer.context.equal(prompted.context))
        return accuracy(prompted, features, labels)

    monkeypatch.setattr(PromptedCLIP, "accuracy", spied)
    explorer = few_steps(clip, data)
    explorer.run()
    assert looked == [True]


def test_only_core_widgets_are_used_and_every_control_is_labelled(clip, data, few):
    for explorer in (few_steps(clip, data), few):
        every = list(all_widgets(explorer.widget))
        assert all(type(widget).__module__.startswith("ipywidgets.") for widget in every)
        assert explorer.start in every and explorer.start.description
        assert all(control in every and control.description for control in explorer.controls.values())


def test_the_stored_run_says_how_it_was_made():
    stored = first_vectors_study.load_study()
    assert stored.command == first_vectors_study.COMMAND == f"python -m {first_vectors_study.__name__}"
    assert stored.versions["torch"] and stored.config == first_vectors_study.CONFIG == context_training.CONFIG
    made_with = TASK.name, first_vectors_study.PICTURES, first_vectors_study.SEED
    assert (stored.task, stored.pictures, stored.seed) == made_with
    assert first_vectors_study.VECTORS == len(stored.context) == start_here.VECTORS
    assert stored.after >= stored.before + 0.05 and len(stored.history.evaluations) == 21


def test_what_is_saved_is_what_is_loaded_and_stands_in_the_file(tmp_path):
    first_vectors_study.save_study(first_vectors_study.load_study(), tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == first_vectors_study.FILE.read_bytes()


@pytest.mark.slow
def test_the_stored_run_can_be_made_again(tmp_path, monkeypatch):
    """Another processor rounds otherwise, and training amplifies it: the shape of the outcome is what must come again."""
    stored = first_vectors_study.load_study()
    monkeypatch.setattr(first_vectors_study, "FILE", tmp_path / "runs" / "again.json")
    first_vectors_study.main()
    again = first_vectors_study.load_study(first_vectors_study.FILE)
    assert (again.config, again.pictures, again.seed) == (stored.config, stored.pictures, stored.seed)
    losses = [study.history.evaluations[0].loss for study in (again, stored)]
    assert losses[0] == pytest.approx(losses[1], abs=0.01)
    assert again.before == pytest.approx(stored.before, abs=0.005)
    assert again.after == pytest.approx(stored.after, abs=0.04)


# --- a training of one's own choice, in lesson 02 --------------------------------------------------------------------

THREE = replace(TASK, name="the red one of two, three classes", class_names=TASK.class_names[:3])


def few_shots(clip, steps=9):
    return what_learns.explore_few_shot_training(*clip, THREE, config=TrainConfig(steps=steps))


@pytest.fixture
def few(clip):
    return few_shots(clip)


def test_the_page_shows_the_stored_run_of_the_riddle_and_a_learner_meets_a_question(clip, lang):
    one = what_learns.explore_few_shot_training(*clip, TASK)
    example = context_study.load_study().example
    assert f"{example.after:.1%}"[:-1] in one.shown.alt and in_language(one.shown.alt, lang)
    assert ("empty" if lang == "en" else "空着") in one.view.value and one.view.value != one.shown.html()
    assert torch.equal(one.context, torch.tensor(example.context)) and one.controls["length"].value != len(one.context)


def test_before_the_first_press_there_is_an_empty_diagram_with_the_hand_prompt(clip, lang):
    one, other = few_shots(clip), few_shots(clip)
    assert one.view.value == one.shown.html() and one.context is None and one.runs == []
    assert ("empty" if lang == "en" else "空着") in one.shown.alt and in_language(one.shown.alt, lang)
    assert one.shown.bundle() == other.shown.bundle()
    by_hand = encode_texts(*clip, [f"a photo of a {name}." for name in THREE.class_names])
    before = measure_accuracy(encode_split(*clip, draw_few_shot(THREE, shots=8, checks=4, tests=20)).test, by_hand)
    assert f"{before:.1%}"[:-1] in one.shown.alt


@pytest.mark.parametrize("begun", ["words", "random"])
@pytest.mark.parametrize(("length", "position"), [(1, "front"), (2, "middle"), (10, "end"), (16, "middle")])
def test_every_choice_trains_and_is_told(clip, few, monkeypatch, begun, length, position):
    trained = []

    def learn(prompted, data, plan):
        trained.append((prompted, data, prompted.context.detach().clone()))
        return context.train_context(prompted, data, plan)

    monkeypatch.setattr(context_training, "train_context", learn)
    moved(few, shots=2, length=length, init=begun, position=position, seed=3)
    few.run()
    ((prompted, data, first),) = trained
    expected = encode_split(*clip, draw_few_shot(THREE, shots=2, checks=2, tests=20, seed=3))
    assert torch.equal(data.train[0], expected.train[0]) and torch.equal(data.validation[0], expected.validation[0])
    words = repeat_words("a photo of a", length)
    generator = torch.Generator().manual_seed(3)
    init = words if begun == "words" else "random"
    same = PromptedCLIP(*clip, THREE.class_names, length, init, position, generator=generator)
    assert torch.equal(first, same.context) and prompted.position == position
    assert few.context.shape == (length, 128) and few.runs[0].after == prompted.accuracy(*data.test)
    numbers = f"{length} × 128 = {128 * length:,} numbers"
    begins = f"begun as “{words}”" if begun == "words" else "begun at random"
    for told in (few.shown.caption, few.shown.alt):
        assert "2 shots of each of 3 classes" in told and numbers in told and begins in told and "seed 3" in told


def test_words_said_again_and_again_are_as_many_tokens_as_there_are_vectors(clip):
    lengths = {length: repeat_words("a photo of a", length) for length in what_learns.LENGTHS}
    assert lengths[1] == "a" and lengths[2] == "of a" and lengths[4] == "a photo of a"
    assert lengths[10] == "of a a photo of a a photo of a"
    for length, words in lengths.items():
        assert len(clip[1].tokenizer(words, add_special_tokens=False)["input_ids"]) == length


def test_one_vector_has_no_middle(few):
    moved(few, shots=1, length=1, position="middle")
    few.run()
    assert "the class name in front" in few.shown.caption and "Only the one vector was learned" in few.shown.caption
    assert "1 shot of" in few.shown.alt and "1 learned vector gets" in few.shown.alt


def test_a_finished_run_says_what_was_kept_and_why_and_that_the_test_came_once(clip, lang):
    few = few_shots(clip)
    moved(few, shots=1)
    few.run()
    run, caption = few.runs[0], few.shown.caption
    kept = run.history.best.step
    wanted = {
        "en": [f"step {kept} (the ring), where the validation loss was lowest", "looked at once, at the end", "128 numbers"],
        "zh": [f"第 {kept} 步的向量（圆圈处），那时验证集上的损失最低", "只在最后看了一次", "128 个数"],
    }  # fmt: skip
    assert all(words in caption for words in wanted[lang]) and in_language(caption, lang)
    assert in_language(few.shown.alt, lang) and in_language(few.start.description, lang)
    assert all(in_language(control.description, lang) for control in few.controls.values())
    assert {"en": f"A ring marks step {kept},", "zh": f"圆圈标出第 {kept} 步，"}[lang] in few.shown.alt


def test_earlier_runs_stay_as_marks_and_their_test_accuracies_are_told(clip, lang):
    few = few_shots(clip)
    moved(few, shots=1)
    for seed in range(3):
        moved(few, seed=seed)
        few.run()
        earlier = [f"{run.after:.1%}"[:-1] for run in few.runs[:-1]]
        told = {"en": "Dots beneath, for your earlier runs: ", "zh": "圆点是你之前的训练："}[lang]
        assert (
            (told in few.shown.alt) == (seed > 0) == ({"en": "Faint blue", "zh": "浅蓝色"}[lang] in few.shown.caption)
        )
        assert seed == 0 or all(share in few.shown.alt.split(told)[1] for share in earlier)


def test_all_choices_are_tested_on_the_same_pictures(few, monkeypatch):
    tests = []

    def learn(prompted, data, plan):
        tests.append(data.test[0])
        return context.train_context(prompted, data, plan)

    monkeypatch.setattr(context_training, "train_context", learn)
    for shots, seed in ((1, 0), (4, 5)):
        moved(few, shots=shots, seed=seed)
        few.run()
    assert torch.equal(*tests) and few.runs[0].before == few.runs[1].before


def test_drawing_pictures_does_not_count_for_the_pace_of_the_training(clip, monkeypatch):
    """Ten seconds of drawing would else make of a second that is left a minute."""
    clock, told = Clock(), []
    few = few_shots(clip, steps=16)
    few._clock, prepare = clock, few._prepare

    def slowly(now):
        clock.now += 10
        return prepare(now)

    def learn(*given):
        for look in context.train_context(*given):
            clock.now += 1
            yield look

    few._prepare = slowly
    monkeypatch.setattr(context_training, "train_context", learn)
    few.words.observe(lambda change: told.append(change["new"]), names="value")
    moved(few, shots=1)
    few.run()
    assert any("Getting the pictures ready" in text for text in told)
    assert any("step 8 of 16, about 2 s left" in text for text in told), told
