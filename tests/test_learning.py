"""Facts about work that takes a while (`LongWork`), and about the ten vectors that a learner trains in lesson 00."""

import json
import re
import threading
from dataclasses import replace
from itertools import count

import ipywidgets
import pytest
import torch

from helpers import figures, widgets
from helpers.lesson import Plainly
from helpers.pocket import first_vectors, promptable
from helpers.pocket.datasets import Pictures, Splits
from helpers.pocket.tasks import secret_task
from helpers.pretrained import load_clip
from helpers.widgets import base, learning
from helpers.widgets.base import LongWork, Sentence

CHINESE = re.compile("[\u4e00-\u9fff]")
TASK = secret_task("red")


def in_language(text, lang):
    return bool(CHINESE.search(text)) == (lang == "zh")


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


def every_widget(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from every_widget(child)


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
    work = long_work(raising(Plainly("Choose fewer shots.")))
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
    assert free_for_others(figures.LOCK)


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
    assert 60 <= len(drawn) <= 10 * base.MOST_REDRAWINGS + 2
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
        with figures.LOCK:
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


# --- learning a context, step by step ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clip():
    return load_clip("pocket")


@pytest.fixture(scope="module")
def data(clip):
    """Pictures of two things; the label is always the red one."""

    def pictures(each, seed):
        labels = torch.arange(len(TASK.class_names)).repeat_interleave(each)
        images = [TASK.example(int(label), i % each, seed) for i, label in enumerate(labels)]
        return Pictures(images, labels, [])

    return promptable.encode(*clip, Splits(pictures(8, 1), pictures(2, 2), pictures(6, 3)))


def test_steps_end_with_the_context_that_learn_context_gives(clip, data):
    how = {"seed": 3, "steps": 17, "length": 6}
    with learning.one_thread():
        steps = list(promptable.context_steps(*clip, TASK.class_names, data, **how))
        context, share = promptable.learn_context(*clip, TASK.class_names, data, **how)
    assert torch.equal(steps[-1].context, context) and not context.requires_grad
    assert share == promptable.prompted_accuracy(*clip, TASK.class_names, data.test, context)
    assert [(step.step, step.steps) for step in steps] == [(0, 17), (8, 17), (16, 17)]
    best = min(range(3), key=lambda i: steps[i].validation_loss)
    assert all(torch.equal(step.context, context) for step in steps[best:])


def test_the_test_pictures_are_not_looked_at_while_learning(clip, data):
    blind = replace(data, test=None)
    steps = promptable.context_steps(*clip, TASK.class_names, blind, seed=0, steps=9)
    assert len(list(steps)) == 2


def test_a_context_of_any_length_takes_the_prompts_place(clip):
    clip, processor = clip
    table = clip.text_model.embeddings.token_embedding.weight
    for prompt in ("a", "a photo of a", "a picture of a small red"):
        ids = processor.tokenizer(prompt, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            words = promptable.class_features(clip, processor, ("cat", "key"), None, prompt)
            vectors = promptable.class_features(clip, processor, ("cat", "key"), table[ids])
        assert torch.equal(words, vectors)


# --- the first ten vectors -----------------------------------------------------------------------------------------


def few_steps(clip, data, learn=promptable.context_steps, steps=9):
    return widgets.first_vectors(*clip, TASK.class_names, data, learn=learn, steps=steps)


@pytest.fixture(scope="module")
def whole_run(clip, data):
    """The button pressed once, in English, and every picture that stood in the view."""
    explorer, seen = widgets.first_vectors(*clip, TASK.class_names, data, learn=promptable.context_steps), []
    explorer.view.observe(lambda change: seen.append(explorer.shown), names="value")
    seen.append(explorer.shown)
    explorer.start.click()
    return explorer, seen


def test_ten_learned_vectors_beat_the_hand_written_prompt_on_the_red_one_of_two(whole_run):
    (run,) = whole_run[0].runs
    assert run.after >= run.before + 0.05
    assert run.loss[-1] < 0.8 * run.loss[0]


def test_the_ten_vectors_come_about_as_far_as_a_prompt_that_names_the_rule(whole_run, clip, data):
    images, labels = data.test
    red = promptable.class_features(*clip, TASK.class_names, None, prompt="a photo of a red")
    named = ((images @ red.T).argmax(-1) == labels).float().mean().item()
    assert whole_run[0].runs[0].after == pytest.approx(named, abs=0.05) and named < 0.7


def test_the_curve_grows_while_it_learns(whole_run):
    explorer, seen = whole_run
    steps = [int(found[1]) for picture in seen if (found := re.search(r"at step (\d+) of 160", picture.alt))]
    assert len(steps) >= 5 and steps == sorted(set(steps))
    assert "not tested yet" in seen[-2].alt and "not tested" not in seen[-1].alt
    assert "Only the 10 vectors" in seen[-1].caption and "Done: 160 steps" in explorer.words.value


def test_the_learned_context_can_be_used_afterwards(whole_run, clip, data):
    explorer, _ = whole_run
    assert explorer.context.shape == (10, clip[0].config.text_config.hidden_size)
    with learning.one_thread():
        share = promptable.prompted_accuracy(*clip, TASK.class_names, data.test, explorer.context)
    assert share == explorer.runs[0].after


def test_the_twin_shows_the_stored_run_and_is_the_same_at_every_run(clip, data, lang):
    one, other = few_steps(clip, data), few_steps(clip, data)
    first, second = one._repr_mimebundle_(), other._repr_mimebundle_()
    assert first.pop(base.WIDGET_VIEW) != second.pop(base.WIDGET_VIEW)
    assert first == second == one.shown.bundle()
    run = json.loads(learning.STORED.read_text())["run"]
    assert f"{run['after']:.1%}".replace("%", " %" if lang == "en" else "%") in one.shown.alt and in_language(
        one.shown.alt, lang
    )
    assert "python -m helpers.pocket.first_vectors" in one.shown.caption and in_language(one.shown.caption, lang)


def test_where_a_kernel_answers_nobody_reads_the_result_before_the_work_is_done(clip, data, lang):
    explorer = few_steps(clip, data)
    waiting = explorer.view.value
    assert waiting != explorer.shown.html() and explorer._repr_mimebundle_()["text/html"] == explorer.shown.html()
    alt = re.search('alt="([^"]*)"', waiting)[1]
    assert ("empty" if lang == "en" else "空着") in alt and "%" not in alt


def test_alt_text_caption_and_labels_are_in_the_learners_language_after_a_run(clip, data, lang):
    explorer = few_steps(clip, data)
    assert in_language(explorer.start.description, lang)
    assert all(in_language(control.description, lang) for control in explorer.controls.values())
    explorer.run()
    assert in_language(explorer.shown.alt, lang) and in_language(explorer.shown.caption, lang)
    parameters = sum(p.numel() for p in clip[0].parameters())
    assert f"{parameters:,}" in explorer.shown.caption


def test_before_the_first_press_the_context_is_the_stored_one(clip, data):
    context, stored = few_steps(clip, data).context, json.loads(learning.STORED.read_text())
    assert context.shape == (10, 128) and context.tolist()[3][:5] == pytest.approx(stored["context"][3][:5])


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


def test_a_model_that_changed_is_not_passed_off_as_frozen(clip, data):
    other = load_clip("pocket")

    def careless(clip, *rest, **more):
        for step in promptable.context_steps(clip, *rest, **more):
            yield step
            clip.logit_scale.data += 1e-6

    explorer = few_steps(other, data, careless)
    explorer.run()
    assert "the model has changed" in explorer.shown.caption


def test_an_interrupted_run_keeps_the_best_vectors_so_far(clip, data):
    def interrupted(*given, **more):
        for step in promptable.context_steps(*given, **more):
            yield step
            if step.step == 8:
                raise KeyboardInterrupt

    explorer = few_steps(clip, data, interrupted, steps=40)
    before = explorer.context
    explorer.run()
    (run,) = explorer.runs
    assert list(run.steps) == [0, 8] and run.after is None
    assert not torch.equal(explorer.context, before) and "Stopped: step 8 of 40" in explorer.words.value


def test_learning_takes_one_thread_and_gives_the_others_back(clip, data):
    """Two threads that wait for each other on a busy machine take many times longer."""
    before, seen = torch.get_num_threads(), []

    def learn(*given, **more):
        for step in promptable.context_steps(*given, **more):
            seen.append(torch.get_num_threads())
            yield step
        raise RuntimeError("at the very end")

    few_steps(clip, data, learn, steps=9).run()
    assert seen == [1, 1] and torch.get_num_threads() == before


def test_only_core_widgets_are_used_and_every_control_is_labelled(clip, data):
    explorer = few_steps(clip, data)
    every = list(every_widget(explorer.widget))
    assert all(type(widget).__module__.startswith("ipywidgets.") for widget in every)
    assert explorer.start in every and explorer.start.description
    assert all(control in every and control.description for control in explorer.controls.values())


def test_the_stored_run_says_how_it_was_made():
    stored = json.loads(learning.STORED.read_text())
    assert learning.STORED == first_vectors.FILE
    assert stored["command"] == "python -m helpers.pocket.first_vectors" and stored["versions"]["torch"]
    assert stored["arguments"] == {"task": TASK.name, **first_vectors.PICTURES, **first_vectors.LEARNING}
    assert stored["arguments"]["length"] == len(stored["context"]) == learning.VECTORS
    run = figures.Run(**stored["run"])
    assert run.after >= run.before + 0.05 and len(run.steps) == len(run.loss) == 20


@pytest.mark.slow
def test_the_stored_run_can_be_made_again(tmp_path, monkeypatch):
    """Another processor rounds otherwise, and training amplifies it: the shape of the outcome is what must come again."""
    monkeypatch.setattr(first_vectors, "FILE", tmp_path / "runs" / "again.json")
    first_vectors.main()
    again, stored = json.loads(first_vectors.FILE.read_text()), json.loads(learning.STORED.read_text())
    assert again["arguments"] == stored["arguments"]
    assert again["run"]["loss"][0] == pytest.approx(stored["run"]["loss"][0], abs=0.01)
    assert again["run"]["before"] == pytest.approx(stored["run"]["before"], abs=0.005)
    assert again["run"]["after"] == pytest.approx(stored["run"]["after"], abs=0.04)
