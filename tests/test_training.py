"""What holds of the training loop, shown on models so small that a run takes milliseconds."""

import json
import math
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from helpers import training
from helpers.files import read_tensors, write_tensors
from helpers.training import BatchSampler, Evaluation, History, TrainConfig, read_progress, train

EXAMPLES, CHECKS, CLASSES = 23, 12, 3
PLAN = TrainConfig(
    steps=40, learning_rate=0.3, eval_every=8, weight_decay=0.01, warmup_steps=3
)  # so fast that it overfits after step 16
FULL, MINI = PLAN, replace(PLAN, batch_size=5)


class Model(nn.Module):
    """Two layers, of which the first is frozen."""

    def __init__(self, seed=0, width=6, frozen_seed=0):
        super().__init__()
        torch.manual_seed(frozen_seed)
        self.frozen = nn.Linear(4, width).requires_grad_(False)
        torch.manual_seed(seed)
        self.learns = nn.Linear(width, CLASSES)

    def forward(self, x):
        return self.learns(self.frozen(x).tanh())


def examples(count, seed):
    """Points (N, 4), and the classes that a random rule gives them, some of them wrong."""
    generator = torch.Generator().manual_seed(seed)
    points, rule = torch.randn(count, 4, generator=generator), torch.randn(4, CLASSES, generator=torch.Generator())
    return points, (points @ rule + torch.randn(count, CLASSES, generator=generator)).argmax(-1)


def run(model, plan, checkpoint=None, seen=None, validations=None, train_seed=1, count=EXAMPLES, **how):
    """A training of `model`; seen: a list that gets the numbers of the examples of each loss.

    validations: what each look is to find, instead of the truth.
    """
    points, labels = examples(count, train_seed)
    checks, check_labels = examples(CHECKS, 2)
    told = iter(validations or ())

    def loss(rows):
        if seen is not None:
            seen.append(rows)
        return F.cross_entropy(model(points[rows]), labels[rows])

    def validate():
        scores = model(checks)
        truth = F.cross_entropy(scores, check_labels).item(), (scores.argmax(-1) == check_labels).float().mean().item()
        return (next(told), 0.5) if validations else truth

    return train(model, count, loss, validate, plan, checkpoint, **how)


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def without_time(looks):
    return [replace(look, seconds_left=0.0) for look in looks]


# --- what learns, and from what -----------------------------------------------------------------------------------------------


def test_only_parameters_that_require_a_gradient_are_trained():
    model = Model()
    before = weights(model)
    looks = list(run(model, PLAN))
    after = weights(model)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"learns.weight", "learns.bias"}
    assert looks[-1].loss < looks[0].loss and all(parameter.grad is None for parameter in model.parameters())


def test_a_look_says_what_was_measured_after_so_many_updates():
    model, plan = Model(), replace(PLAN, steps=20)
    (points, labels), (checks, check_labels) = examples(EXAMPLES, 1), examples(CHECKS, 2)
    for look in run(model, plan):
        with torch.no_grad():
            scores = model(checks)
            assert look.loss == F.cross_entropy(model(points), labels).item()
        assert look.validation_loss == F.cross_entropy(scores, check_labels).item()
        assert look.validation_score == (scores.argmax(-1) == check_labels).float().mean().item()
        assert look.steps == 20 and look.seconds_left >= 0 and (look.seconds_left == 0) == (look.step in (0, 20))


@pytest.mark.parametrize(
    "steps, every, expected",
    [(20, 8, [0, 8, 16, 20]), (16, 8, [0, 8, 16]), (3, 8, [0, 3]), (2, 1, [0, 1, 2]), (0, 8, [0])],
)
def test_it_looks_at_the_beginning_now_and_then_and_at_the_end(steps, every, expected):
    assert [look.step for look in run(Model(), TrainConfig(steps=steps, eval_every=every))] == expected


def test_nothing_happens_before_somebody_looks():
    model = Model()
    before = weights(model)
    run(model, PLAN)
    assert same(weights(model), before)


def test_the_same_plan_model_and_data_give_the_same_result_to_the_bit_and_another_seed_another():
    runs = []
    for seed in (0, 0, 1):
        model = Model()
        runs.append((without_time(run(model, replace(MINI, seed=seed))), weights(model)))
    assert runs[0][0] == runs[1][0] and same(runs[0][1], runs[1][1])
    assert runs[0][0] != runs[2][0]


@pytest.mark.parametrize("size", [1, 5, 22, 23, 40, None])
def test_every_epoch_sees_every_example_once(size):
    seen, plan = [], TrainConfig(steps=70, batch_size=size)
    list(run(Model(), plan, seen=seen))
    an_epoch = math.ceil(EXAMPLES / min(size or EXAMPLES, EXAMPLES))
    epochs = [torch.cat(seen[start : start + an_epoch]) for start in range(0, 70 // an_epoch * an_epoch, an_epoch)]
    assert len(seen) == 71
    assert all(sorted(epoch.tolist()) == list(range(EXAMPLES)) for epoch in epochs)
    assert all(len(rows) <= (size or EXAMPLES) for rows in seen)
    if an_epoch > 1:
        assert len({tuple(epoch.tolist()) for epoch in epochs}) == len(epochs)  # each in an order of its own


def test_the_order_depends_on_the_seed_and_the_step_alone():
    one, same_seed, other = (BatchSampler(EXAMPLES, replace(MINI, seed=seed)) for seed in (3, 3, 4))
    torch.manual_seed(99)
    steps = [17, 2, 0, 17]
    assert all(torch.equal(one.batch(step), same_seed.batch(step)) for step in steps)
    assert not all(torch.equal(one.batch(step), other.batch(step)) for step in steps)


# --- the learning rate -------------------------------------------------------------------------------------------------------


def test_the_rate_falls_along_half_a_cosine():
    plan = TrainConfig(steps=100, learning_rate=0.5)
    rates = [plan.learning_rate_at(step) for step in range(101)]
    assert rates[0] == 0.5 and rates == sorted(rates, reverse=True)
    assert rates[50] == pytest.approx(0.25) and rates[25] + rates[75] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0, abs=1e-12)


def test_the_rate_rises_through_the_warm_up_and_falls_afterwards():
    plan = TrainConfig(steps=100, learning_rate=0.5, warmup_steps=9)
    rates = [plan.learning_rate_at(step) for step in range(101)]
    assert rates[0] == pytest.approx(0.05) and rates[:10] == sorted(rates[:10])
    assert rates[9:] == [replace(plan, warmup_steps=0).learning_rate_at(step) for step in range(9, 101)]
    assert all(0 <= rate <= 0.5 for rate in rates)


def test_the_rate_of_the_plan_is_the_rate_of_the_optimiser(monkeypatch):
    used, step = [], torch.optim.AdamW.step
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda self: used.append(self.param_groups[0]["lr"]) or step(self))
    list(run(Model(), PLAN))
    assert used == [PLAN.learning_rate_at(number) for number in range(40)]


def test_a_gradient_longer_than_the_plan_allows_is_shortened(monkeypatch):
    lengths, step = [], torch.optim.AdamW.step

    def measured(self):
        lengths.append(math.sqrt(sum(p.grad.square().sum() for p in self.param_groups[0]["params"])))
        return step(self)

    monkeypatch.setattr(torch.optim.AdamW, "step", measured)
    list(run(Model(), PLAN))
    longest = max(lengths)
    lengths.clear()
    list(run(Model(), replace(PLAN, max_grad_norm=longest / 4)))
    assert max(lengths) == pytest.approx(longest / 4, rel=1e-4)


# --- what the model holds in the end ---------------------------------------------------------------------------------------------

UP_AND_DOWN = [3.0, 2.0, 2.5, 1.0, 1.5, 1.0]  # the fourth look is the best; the last is only as good


def test_the_model_holds_the_best_by_validation_in_the_end():
    model, seen = Model(), []
    for look in run(model, PLAN, validations=UP_AND_DOWN):
        seen.append((look, weights(model)))
    assert [look.best for look, _ in seen] == [True, True, False, True, False, False]
    assert same(weights(model), seen[3][1]) and not same(weights(model), seen[5][1])


@pytest.mark.parametrize("end", ["break", "close", "KeyboardInterrupt outside", "KeyboardInterrupt within", "an error"])
def test_however_it_ends_the_model_holds_the_best_so_far(end):
    model, seen, calls = Model(), [], []
    error = KeyboardInterrupt if "Keyboard" in end else RuntimeError

    class Breaks(list):
        def append(self, rows):
            calls.append(rows)
            if end in ("KeyboardInterrupt within", "an error") and len(calls) == 20:  # between two looks
                raise error

    def go():
        for look in run(model, PLAN, seen=Breaks(), validations=UP_AND_DOWN):
            seen.append(weights(model))
            if look.step == 16 and end == "break":
                break
            if look.step == 16 and end == "KeyboardInterrupt outside":
                raise KeyboardInterrupt

    if end == "close":
        looks = run(model, PLAN, validations=UP_AND_DOWN)
        for _ in range(3):
            next(looks)
            seen.append(weights(model))
        looks.close()
    elif end == "break":
        go()
    else:
        with pytest.raises(error):
            go()
    assert len(seen) == 3
    assert same(weights(model), seen[1]) and not same(weights(model), seen[2])
    assert all(parameter.grad is None for parameter in model.parameters())


def test_without_a_look_that_is_better_than_nothing_the_model_is_as_it_came():
    model = Model()
    before = weights(model)
    list(run(model, PLAN, validations=[math.nan] * 6))
    assert same(weights(model), before)


@pytest.mark.parametrize(
    "patience, validations, last",
    [
        (2, [3.0, 2.0, 2.5, 2.6, 1.0], 24),
        (1, [3.0, 2.0, 2.5], 16),
        (2, [3.0, 3.0, 3.0], 16),
        (3, [3, 4, 2, 4, 4, 1], 40),
    ],
)
def test_it_stops_when_patience_is_over(patience, validations, last):
    model, seen = Model(), []
    for look in run(model, replace(PLAN, patience=patience), validations=validations):
        seen.append((look.validation_loss, weights(model)))
    assert look.step == last
    assert same(weights(model), min(seen, key=lambda one: one[0])[1])


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_loss_that_is_no_number_stops_with_the_step_and_what_to_try_and_leaves_the_best(value):
    model, calls, seen = Model(), [], []

    def loss(rows):
        calls.append(rows)
        return model.learns.weight.square().sum() * (float(value) if len(calls) == 14 else 1.0)

    with pytest.raises(
        FloatingPointError, match=f"At step 13 of 40 the loss is {value}.*: try a smaller .*0.3.*bf16 or fp32"
    ):
        for _ in train(model, EXAMPLES, loss, lambda: (float(model.learns.weight.square().sum()), 0.0), PLAN):
            seen.append(weights(model))
    assert len(seen) == 2 and same(weights(model), seen[1])
    assert all(value.isfinite().all() for value in model.parameters())


def parted(plan, weight, losses=None, micro_batch_size=None):
    """The weights of a model that learns from examples of which each has a weight of its own: the loss is a weighted mean."""
    model = Model().double()
    points, labels = examples(EXAMPLES, 1)
    points, falls = points.double(), iter(range(EXAMPLES, 0, -1))  # every look is the best

    def loss(rows):
        single = F.cross_entropy(model(points[rows]), labels[rows], reduction="none")
        return (single * weight[rows]).sum() / weight[rows].sum()

    for look in train(
        model,
        EXAMPLES,
        loss,
        lambda: (next(falls), 0.0),
        plan,
        micro_batch_size=micro_batch_size,
        weight=lambda rows: weight[rows].sum().item(),
    ):
        if losses is not None:
            losses.append(look.loss)
    return weights(model)


@pytest.mark.parametrize("micro_batch_size", [1, 2, 5, 22, 100])
def test_a_batch_in_parts_has_the_loss_and_the_gradient_of_the_whole(micro_batch_size):
    weight, whole, parts = torch.arange(1.0, EXAMPLES + 1).double(), [], []
    expected = parted(MINI, weight, whole)
    found = parted(MINI, weight, parts, micro_batch_size)
    assert all((expected[name] - found[name]).abs().max() < 1e-12 for name in expected)
    assert parts == pytest.approx(whole, abs=1e-12)
    wrong = parted(MINI, weight.flip(0), micro_batch_size=micro_batch_size)
    assert any((expected[name] - wrong[name]).abs().max() > 1e-6 for name in expected)


@pytest.mark.parametrize("at", [0, 5, 8, 39])
def test_it_stops_where_it_is_told_to_with_the_step_saved(tmp_path, at):
    unbroken, model, resumed, told = Model(), Model(), Model(seed=3), []
    expected = without_time(run(unbroken, MINI))

    def stop(step, loss):
        told.append(step)
        return step == at

    list(run(model, MINI, tmp_path / "checkpoint", stop=stop))
    assert told == list(range(at + 1)) and read_progress(tmp_path / "checkpoint")[0] == at
    seen = []
    assert without_time(run(resumed, MINI, tmp_path / "checkpoint", seen=seen)) == expected
    assert same(weights(resumed), weights(unbroken)) and len(seen) == 1 + 40 - at + 1


def test_the_mean_loss_is_that_of_the_steps_since_the_look_before_also_across_a_stop(tmp_path):
    told = []

    def stop(step, loss):
        told.append(loss)
        return step == 13

    whole = list(run(Model(), MINI, stop=lambda step, loss: told.append(loss)))
    assert whole[0].mean_loss == whole[0].loss and whole[2].mean_loss == pytest.approx(sum(told[8:16]) / 8)
    list(run(Model(), MINI, tmp_path / "checkpoint", stop=stop))
    again = list(run(Model(seed=2), MINI, tmp_path / "checkpoint"))
    assert [look.mean_loss for look in again] == [look.mean_loss for look in whole]


def test_progress_is_nothing_where_there_is_no_checkpoint(tmp_path):
    assert read_progress(tmp_path / "checkpoint") == (0, History(0))
    write_tensors(tmp_path / "checkpoint", {}, {"now": "{}", "history": "[]"})
    with pytest.raises(ValueError, match="no checkpoint of a training"):
        read_progress(tmp_path / "checkpoint")


# --- broken off and resumed ----------------------------------------------------------------------------------------------------------


def broken(model, plan, checkpoint, at, **how):
    """A training that is broken off by an interrupt in the loss number `at`, or ended by itself before."""

    class Breaks(list):
        def append(self, rows):
            super().append(rows)
            if len(self) > at:
                raise KeyboardInterrupt

    try:
        return list(run(model, plan, checkpoint, seen=Breaks(), **how))
    except KeyboardInterrupt:
        return None


@pytest.mark.parametrize("patience", [None, 1])
@pytest.mark.parametrize("breaks", [[1], [8], [9], [21], [40], [100], [3, 12, 20, 20], [9] * 3])
@pytest.mark.parametrize("plan", [FULL, MINI], ids=["full batch", "mini-batches"])
def test_a_resumed_training_is_the_unbroken_one_to_the_bit(tmp_path, plan, breaks, patience):
    plan = replace(plan, patience=patience)
    unbroken = Model()
    expected = without_time(run(unbroken, plan))
    assert [look.step for look in expected if look.best] == [0, 8, 16] and expected[-1].step == (24 if patience else 40)
    for number, at in enumerate(breaks):  # each time in a model that begins anew, as after a restart
        broken(Model(seed=number), plan, tmp_path / "checkpoint", at)
    resumed = Model(seed=9)
    assert without_time(run(resumed, plan, tmp_path / "checkpoint")) == expected
    assert same(weights(resumed), weights(unbroken))


def test_a_resumed_training_does_not_repeat_what_was_done(tmp_path):
    broken(Model(), PLAN, tmp_path / "checkpoint", 21)
    seen = []
    looks = list(run(Model(), PLAN, tmp_path / "checkpoint", seen=seen))
    assert [look.step for look in looks] == [0, 8, 16, 24, 32, 40]
    assert len(seen) == 1 + (40 - 16 + 1)  # once to see that the file belongs to this training
    seen.clear()
    assert without_time(run(Model(), PLAN, tmp_path / "checkpoint", seen=seen)) == without_time(looks)
    assert len(seen) == 2


def test_a_training_resumed_in_the_model_that_was_broken_off_is_the_unbroken_one_too(tmp_path):
    unbroken, model = Model(), Model()
    expected = without_time(run(unbroken, MINI))
    broken(model, MINI, tmp_path / "checkpoint", 30)
    assert without_time(run(model, MINI, tmp_path / "checkpoint")) == expected
    assert same(weights(model), weights(unbroken))


def test_broken_off_while_old_looks_are_given_again_the_best_is_in_place(tmp_path):
    model = Model()
    list(run(model, PLAN, tmp_path / "checkpoint"))
    best, other = weights(model), Model()
    looks = run(other, PLAN, tmp_path / "checkpoint")
    next(looks)
    looks.close()
    assert same(weights(other), best)


def test_a_broken_training_may_be_looked_at_before_it_is_written(tmp_path):
    looks = run(Model(), PLAN, tmp_path / "checkpoint")
    for look in looks:  # what was seen is in the file already: nothing that was shown is lost
        assert read_progress(tmp_path / "checkpoint")[1].evaluations[-1] == look
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint"]


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 48},
        {"learning_rate": 0.2},
        {"batch_size": 5},
        {"eval_every": 4},
        {"patience": 3},
        {"warmup_steps": 0},
        {"seed": 1},
    ]
    + [{"weight_decay": 0.0}, {"max_grad_norm": 1.0}],
    ids=lambda change: next(iter(change)),
)
def test_a_checkpoint_of_another_plan_is_refused_and_the_difference_is_named(tmp_path, change):
    broken(Model(), PLAN, tmp_path / "checkpoint", 21)
    model, ((name, value),) = Model(), change.items()
    before = weights(model)
    with pytest.raises(
        ValueError, match=f"checkpoint belongs to another training: {name} was {getattr(PLAN, name)} and is {value}\\."
    ):
        list(run(model, replace(PLAN, **change), tmp_path / "checkpoint"))
    assert same(weights(model), before)


def test_a_checkpoint_of_another_number_of_examples_is_refused(tmp_path):
    broken(Model(), PLAN, tmp_path / "checkpoint", 21)
    with pytest.raises(ValueError, match="belongs to another training: examples was 23 and is 24"):
        list(run(Model(), PLAN, tmp_path / "checkpoint", count=24))


def test_a_checkpoint_of_a_model_with_other_shapes_is_refused(tmp_path):
    broken(Model(), PLAN, tmp_path / "checkpoint", 21)
    model = Model(width=7)
    before = weights(model)
    with pytest.raises(ValueError, match=r"\(3, 6\).*this model trains.*\(3, 7\)"):
        list(run(model, PLAN, tmp_path / "checkpoint"))
    assert same(weights(model), before)


@pytest.mark.parametrize("other", ["frozen weights", "examples"])
def test_a_checkpoint_of_a_model_or_examples_of_the_same_shapes_is_refused(tmp_path, other):
    broken(Model(), PLAN, tmp_path / "checkpoint", 21)
    model = Model(frozen_seed=5 if other == "frozen weights" else 0)
    before = weights(model)
    with pytest.raises(ValueError, match="at step 16 its loss was .*, and here it is"):
        list(run(model, PLAN, tmp_path / "checkpoint", train_seed=7 if other == "examples" else 1))
    assert same(weights(model), before)


@pytest.mark.parametrize("content", ["cut off", "text", "pickle"])
def test_a_file_that_is_no_checkpoint_is_refused_by_its_name(tmp_path, content):
    file = tmp_path / "checkpoint"
    broken(Model(), PLAN, file, 21)
    whole = file.read_bytes()
    file.write_bytes({"cut off": whole[:-9], "text": b"not at all", "pickle": pickle.dumps([1, 2])}[content])
    with pytest.raises(ValueError, match=str(file)):
        list(run(Model(), PLAN, file))


def test_tensors_that_are_no_checkpoint_are_refused(tmp_path):
    training.write_tensors(tmp_path / "context", {"context": torch.zeros(4)}, {"format": "another"})
    with pytest.raises(ValueError, match="context is no checkpoint of a training"):
        list(run(Model(), PLAN, tmp_path / "context"))


def test_a_place_where_nothing_can_be_written_is_told_and_the_model_left_alone(tmp_path):
    model = Model()
    before = weights(model)
    with pytest.raises(OSError, match="nowhere.*could not be written"):
        list(run(model, PLAN, tmp_path / "nowhere" / "checkpoint"))
    assert same(weights(model), before)


def test_a_training_of_an_older_version_is_refused_in_one_sentence(tmp_path):
    file = tmp_path / "checkpoint"
    broken(Model(), PLAN, file, 21)
    tensors, notes = read_tensors(file)
    renamed = json.loads(notes["config"])
    renamed["rate"] = renamed.pop("learning_rate")
    for old in ({"plan": notes["config"], "looks": "[]", "now": notes["now"]}, notes | {"config": json.dumps(renamed)}):
        write_tensors(file, tensors, old)
        for read in (read_progress, lambda file: list(run(Model(), PLAN, file))):
            with pytest.raises(ValueError, match="checkpoint was written by another version of the course and cannot"):
                read(file)


def test_a_history_knows_its_best_evaluation_and_becomes_json_and_back():
    history = History(40)
    for step, loss in ((0, 3.0), (8, 1.00004), (16, 1.00001), (24, 2.0)):
        history = history.add(Evaluation(step, 40, 0.5, loss, 0.25, seconds_left=1.5, mean_loss=0.75))
    assert history.column("best") == [True, True, True, False] and history.best.step == 16
    assert History.from_json(json.loads(json.dumps(history.to_json()))) == history
    short = history.to_json("step", "validation_loss", digits=4)
    assert short == {"steps": 40, "step": [0, 8, 16, 24], "validation_loss": [3.0, 1.0, 1.0, 2.0]}
    again = History.from_json(short)
    assert again.best.step == 8 and all(math.isnan(loss) for loss in again.column("loss"))
    with pytest.raises(ValueError):
        assert History(40).best


SAVES_FOR_EVER = """
import os, signal, sys, time
from pathlib import Path
import torch
from helpers.training import TrainConfig, train

model, file = torch.nn.Linear(1000, 300), Path(sys.argv[1])

def save_for_ever(steps):
    plan = TrainConfig(steps=steps, eval_every=1)
    for _ in train(model, 1, lambda rows: model.weight.mean(), lambda: (0.0, 0.0), plan, file):
        pass

save_for_ever(1)  # here, so that no child need load what torch loads at its first training
for number in range(int(sys.argv[2])):
    file.unlink()
    child = os.fork()
    if child == 0:
        save_for_ever(10**6)
    while not file.exists():
        time.sleep(0.001)
    first = file.stat().st_mtime_ns
    while file.stat().st_mtime_ns == first:  # until it was saved over at least once
        time.sleep(0.001)
    time.sleep(0.003 * number)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    Path(f"{file}.{number}").write_bytes(file.read_bytes())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a killed process is started by fork")
def test_killed_while_it_saves_the_checkpoint_is_whole(tmp_path):
    kills = 12
    command = [sys.executable, "-c", SAVES_FOR_EVER, str(tmp_path / "checkpoint"), str(kills)]
    subprocess.run(command, cwd=Path(__file__).parents[1], env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True)
    steps = []
    for number in range(kills):
        tensors, notes = read_tensors(tmp_path / f"checkpoint.{number}")
        assert tensors["now weight"].shape == tensors["best weight"].shape == (300, 1000)
        looks = History.from_json(json.loads(notes["history"])).column("step")
        steps.append(looks[-1])
        assert len(looks) == steps[-1] + 1 and tensors["now weight"].isfinite().all()
    assert min(steps) > 0
