"""One training loop, for contexts and captioners: what learns is all that is not frozen.

Every so often it measures the model on validation data, and in the end it restores the
parameters that did best there. A training that was interrupted resumes from its
checkpoint, to the same result.
AdamW: Loshchilov and Hutter 2019, arXiv 1711.05101; the learning rate falls along half a cosine:
the same 2017, arXiv 1608.03983.
"""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from helpers.files import read_tensors, write_tensors
from helpers.language import LearnerError, say

# machines round differently; another model, other examples or another loss change a
# loss by more than this
SAME_LOSS = 0.01

Parameters = Mapping[str, nn.Parameter]


@dataclass(frozen=True)
class TrainConfig:
    """How to train. The same configuration, model and data give the same result.

    Args:
        steps: how often the parameters are updated.
        learning_rate: the highest one.
        batch_size: examples in a step; None: all of them in every step.
        eval_every: steps from one evaluation to the next.
        patience: stop after so many evaluations without a lower validation loss; None: never.
        warmup_steps: steps in which the learning rate rises to its highest.
        weight_decay: of AdamW.
        max_grad_norm: a gradient with a larger norm is scaled down to this one; None: never.
        seed: of the order of the examples.
    """

    steps: int = 160
    learning_rate: float = 0.02
    batch_size: int | None = None
    eval_every: int = 8
    patience: int | None = None
    warmup_steps: int = 0
    weight_decay: float = 0.0
    max_grad_norm: float | None = None
    seed: int = 0

    def learning_rate_at(self, step: int) -> float:
        """The learning rate of update number `step`."""
        warmup = min(1.0, (step + 1) / (self.warmup_steps + 1))
        return self.learning_rate * warmup * (1 + math.cos(math.pi * step / self.steps)) / 2


# --- what is measured ------------------------------------------------------------------------


@dataclass(frozen=True)
class Evaluation:
    """What was measured after `step` updates. A number that was not measured is NaN.

    Args:
        step: updates so far.
        steps: updates of the whole training.
        loss: of the batch of this step.
        validation_loss: on all validation examples.
        validation_score: on all validation examples; higher is better.
        best: whether the validation loss is lower than ever before.
        seconds_left: at the pace so far; 0 where that is not known yet.
        mean_loss: of the batches since the evaluation before.
    """

    step: int
    steps: int
    loss: float = math.nan
    validation_loss: float = math.nan
    validation_score: float = math.nan
    best: bool = False
    seconds_left: float = 0.0
    mean_loss: float = math.nan


COLUMNS = ("step", "loss", "validation_loss", "validation_score", "seconds_left", "mean_loss")


@dataclass(frozen=True)
class History:
    """The evaluations of a training in the order of their steps; steps: how many when complete."""

    steps: int
    evaluations: list[Evaluation] = field(default_factory=list)

    def column(self, name: str) -> list[Any]:
        """One number of every evaluation, such as "step" or "validation_loss"."""
        return [getattr(evaluation, name) for evaluation in self.evaluations]

    @property
    def best(self) -> Evaluation:
        """The first evaluation with the lowest validation loss; ValueError where there is none."""
        return min(self.evaluations, key=lambda evaluation: evaluation.validation_loss)

    def add(self, evaluation: Evaluation) -> History:
        """A new history with one evaluation more, which is marked as the best so far if it is."""
        lowest = min(self.column("validation_loss"), default=math.inf)
        marked = replace(evaluation, best=evaluation.validation_loss < lowest)
        return History(self.steps, [*self.evaluations, marked])

    def to_json(self, *columns: str, digits: int | None = None) -> dict[str, Any]:
        """Make a dictionary of the steps, and of lists by the names of `COLUMNS` or by these names.

        Floats are rounded to `digits`.
        """

        def shorten(value: Any) -> Any:
            return round(value, digits) if digits is not None and type(value) is float else value

        named = {name: [*map(shorten, self.column(name))] for name in columns or COLUMNS}
        return {"steps": self.steps, **named}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> History:
        """Read what `to_json` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        columns = {name: record[name] for name in COLUMNS if name in record}
        history = cls(int(record["steps"]))
        for values in zip(*columns.values(), strict=True):
            history = history.add(Evaluation(steps=history.steps, **dict(zip(columns, values))))
        return history


class LossNotFinite(LearnerError, FloatingPointError):
    """The `loss` is infinite or no number at a `step` of `steps`, with this `learning_rate`."""

    en, zh = (
        "At step {step} of {steps} the loss is {loss}, no number any more: "
        "try a smaller learning rate (it was {learning_rate:g}); "
        "if the model computes in fp16, use bf16 or fp32.",
        "第 {step} 步（共 {steps} 步）的损失是 {loss}，已经不是正常的数了："
        "把学习率调小（现在是 {learning_rate:g}）；如果模型用 fp16 计算，改用 bf16 或 fp32。",
    )


# --- the loop --------------------------------------------------------------------------------


class ProcessGroup:
    """The processes that train together, each on its share of every batch; here just one."""

    rank, size = 0, 1

    def sum(self, numbers: Tensor) -> Tensor:
        """The sum over the processes, the same in each of them."""
        return numbers


def train(
    model: nn.Module,
    examples: int,
    loss: Callable[[Tensor], Tensor],
    validate: Callable[[], tuple[float, float]],
    config: TrainConfig,
    checkpoint: Path | None = None,
    *,
    micro_batch_size: int | None = None,
    weight: Callable[[Tensor], int] = len,
    stop: Callable[[int, float], bool] = lambda step, loss: False,
    group: ProcessGroup | None = None,
    data: str = "",
    notes: Mapping[str, str] = {},
) -> Iterator[Evaluation]:
    """Train what in `model` requires a gradient, and yield each evaluation as it is made.

    While an evaluation is looked at, `model` holds the parameters of that step. However the
    training ends, also by an interrupt, it then holds those with the lowest validation loss.

    Args:
        model: what learns is whatever in it requires a gradient.
        examples: how many there are.
        loss: the mean loss of the examples with these numbers (B,).
        validate: loss and score, higher is better, of the model as it is, on validation examples.
        config: how to train.
        checkpoint: a file, written at every evaluation. If it exists, its evaluations are yielded
            again and the training resumes.
        micro_batch_size: examples that go through the model at a time: less memory, the same
            result; None: the whole batch.
        weight: how many things the mean of `loss` goes over, so that a batch in parts has the
            loss of the whole batch.
        stop: called with every step and its loss; where it returns True, the checkpoint is written
            and the training ends.
        group: the processes that train together; None: this one alone.
        data: a fingerprint of the examples; a checkpoint that was written with another is refused.
        notes: texts by name that the checkpoint holds for whoever reads its header.

    Raises:
        ValueError: the checkpoint belongs to another configuration, model, loss or other examples.
        LossNotFinite: the loss is infinite or no number.
    """
    group, sampler = group or ProcessGroup(), BatchSampler(examples, config)
    state = _State(model, config, examples, data)
    zero = next(iter(state.parameters.values())).new_zeros(())

    def compute_loss(step: int, learn: bool = True) -> float:
        """Compute the loss of the step's batch; to learn, leave gradients in the parameters."""
        rows, total = sampler.batch(step), zero
        for part in rows[group.rank :: group.size].split(micro_batch_size or examples):
            if len(part):  # the last batch of an epoch may leave nothing for this process
                with torch.set_grad_enabled(learn):
                    share = loss(part) * (weight(part) / weight(rows))
                if learn:
                    share.backward()
                total = total + share.detach()
        return group.sum(total).item()

    def save() -> None:
        if checkpoint is not None and group.rank == 0:
            state.save(checkpoint, notes)

    if checkpoint is not None and checkpoint.exists():
        state.resume(checkpoint, compute_loss)
    first, begun = state.step, time.monotonic()
    try:
        yield from state.history.evaluations
        for step in range(first, config.steps + 1):
            state.optimizer.zero_grad()
            value = compute_loss(step, learn=step < config.steps)
            if not math.isfinite(value):
                raise LossNotFinite(loss=value, step=step, **asdict(config))
            state.step, state.loss = step, value

            last = step == config.steps
            # a training that stopped right after an evaluation resumes there
            known = step in state.history.column("step")
            if (step % config.eval_every == 0 or last) and not known:
                with torch.no_grad():
                    measured = validate()
                pace = (time.monotonic() - begun) / (step - first) if step > first else 0.0
                evaluation = state.evaluate(*measured, seconds_left=pace * (config.steps - step))
                save()
                yield evaluation
            if last or state.out_of_patience:
                return
            # one process that stopped alone would leave the others waiting
            if group.sum(zero + bool(stop(step, value))):
                save()
                return

            if group.size > 1:
                for parameter in state.parameters.values():
                    own = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                    parameter.grad = group.sum(own)
            if config.max_grad_norm is not None:
                nn.utils.clip_grad_norm_(state.parameters.values(), config.max_grad_norm)
            for settings in state.optimizer.param_groups:
                settings["lr"] = config.learning_rate_at(step)
            state.optimizer.step()
            state.recent.append(value)
    finally:
        state.optimizer.zero_grad()
        restore_parameters(state.parameters, state.best)


class BatchSampler:
    """Which examples each step learns from: every epoch takes all of them, in a random order.

    The order depends on seed and epoch alone, so a resumed training need not know what came before.
    """

    def __init__(self, examples: int, config: TrainConfig) -> None:
        self.examples, self.seed = examples, config.seed
        self.size = min(config.batch_size or examples, examples)
        self.steps_an_epoch = math.ceil(examples / self.size)

    def batch(self, step: int) -> Tensor:
        """The numbers (B,) of the examples of this step."""
        if self.size == self.examples:
            return torch.arange(self.examples)
        epoch, place = divmod(step, self.steps_an_epoch)
        generator = torch.Generator().manual_seed(1000003 * self.seed + epoch)
        order = torch.randperm(self.examples, generator=generator)
        return order[place * self.size : (place + 1) * self.size]


def copy_parameters(parameters: Parameters) -> dict[str, Tensor]:
    """Copies of the parameters' values."""
    return {name: parameter.detach().clone() for name, parameter in parameters.items()}


@torch.no_grad()
def restore_parameters(parameters: Parameters, values: Mapping[str, Tensor]) -> None:
    """Give the parameters these values."""
    for name, parameter in parameters.items():
        parameter.copy_(values[name])


# --- what is saved, and how a file is refused --------------------------------------------------


class _State:
    """All that a training must know to go on: parameters, now and best, optimiser, and history."""

    def __init__(self, model: nn.Module, config: TrainConfig, examples: int, data: str) -> None:
        """Begin, as nothing has been learned.

        Args:
            model: whose parameters with a gradient are kept.
            config: how to train.
            examples: how many there are.
            data: their fingerprint.
        """
        self.parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.optimizer = torch.optim.AdamW(
            self.parameters.values(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.patience, self.data = config.patience, data
        self.config = asdict(config) | {"examples": examples}
        self.best, self.history = copy_parameters(self.parameters), History(config.steps)
        self.step, self.loss = 0, math.nan
        self.recent: list[float] = []  # losses since the last evaluation

    @property
    def out_of_patience(self) -> bool:
        evaluations = self.history.evaluations
        since_best = len(evaluations) - 1 - evaluations.index(self.history.best)
        return self.patience is not None and since_best >= self.patience

    def evaluate(self, loss: float, score: float, seconds_left: float) -> Evaluation:
        """Take down what was measured on validation examples; keep the parameters if best."""
        mean_loss = sum(self.recent) / len(self.recent) if self.recent else self.loss
        measured = (self.loss, loss, score, False, seconds_left, mean_loss)
        self.history = self.history.add(Evaluation(self.step, self.history.steps, *measured))
        evaluation, self.recent = self.history.evaluations[-1], []
        if evaluation.best:
            self.best = copy_parameters(self.parameters)
        return evaluation

    def save(self, file: Path, notes: Mapping[str, str]) -> None:
        """Write everything into a safetensors file. Raises OSError where that is not possible."""
        tensors = {f"now {name}": parameter for name, parameter in self.parameters.items()}
        tensors |= {f"best {name}": value for name, value in self.best.items()}
        for number, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer {number} {name}": value for name, value in state.items()}
        now = {"step": self.step, "loss": self.loss, "recent": self.recent, "data": self.data}
        ours = {"config": self.config, "history": self.history.to_json(), "now": now}
        texts = {name: json.dumps(note) for name, note in ours.items()}
        write_tensors(file, tensors, {**notes, **texts})

    def resume(self, file: Path, compute_loss: Callable[[int, bool], float]) -> None:
        """Take everything from a file.

        Raises ValueError, and takes nothing, where it belongs to another training.
        """
        tensors, config, history, now = _read_state(file)
        begin, ours = copy_parameters(self.parameters), self.config
        was = say(en="{} was {} and is {}", zh="{} 原来是 {}，现在是 {}")
        other = [name for name in ours if config[name] != ours[name]]
        which = "; ".join(was.format(name, config[name], ours[name]) for name in other)
        there = {name: tuple(tensor.shape) for name, tensor in tensors["now"].items()}
        here = {name: tuple(parameter.shape) for name, parameter in self.parameters.items()}
        for is_so, problem in (
            (which, say(
                en=f"belongs to another training: {which}. Use the same settings, or another file",
                zh=f"属于另一次训练：{which}。请用同样的设置，或者换一个文件",
            )),
            (now["data"] != self.data, say(
                en="belongs to other examples: they were changed since. "
                "Put them back as they were, or begin in another file",
                zh="属于别的样本：样本后来改动过。请恢复原样，或者换一个文件重新开始",
            )),
            (there != here, say(
                en=f"holds {there}, and this model trains {here}: they do not belong together",
                zh=f"里面是 {there}，而这个模型训练的是 {here}：两者对不上",
            )),
        ):  # fmt: skip
            if is_so:
                raise ValueError(f"{file} {problem}")
        restore_parameters(self.parameters, tensors["now"])
        then, loss = now["loss"], compute_loss(now["step"], False)
        if not math.isclose(loss, then, rel_tol=SAME_LOSS, abs_tol=SAME_LOSS):
            restore_parameters(self.parameters, begin)
            raise LearnerError(
                en=f"{file} belongs to another training: at step {now['step']} its loss was "
                f"{then:.4g}, and here it is {loss:.4g}. "
                "Use the same model, examples and loss, or another file",
                zh=f"{file} 属于另一次训练："
                f"第 {now['step']} 步时它的损失是 {then:.4g}，这里却是 {loss:.4g}。"
                "请用同样的模型、样本和损失，或者换一个文件",
            )
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors["optimizer"].items():
            number, moment = name.split(" ")
            moments.setdefault(int(number), {})[moment] = tensor
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self.best = {name: value.to(begin[name].device) for name, value in tensors["best"].items()}
        self.history, self.step, self.recent = history, now["step"], now["recent"]


def _read_state(file: Path) -> tuple[dict[str, dict], dict[str, Any], History, dict[str, Any]]:
    """Read a checkpoint: tensors by their first word, configuration, history, place in it."""
    named, notes = read_tensors(file)
    tensors: dict[str, dict[str, Tensor]] = {"now": {}, "best": {}, "optimizer": {}}
    try:
        config = json.loads(notes.get("config") or notes["plan"])  # its name in older versions
        if "plan" not in notes and set(config) == {*asdict(TrainConfig()), "examples"}:
            history, now = History.from_json(json.loads(notes["history"])), json.loads(notes["now"])
            now |= {"step": int(now["step"]), "loss": float(now["loss"]), "data": now["data"]}
            for name, tensor in named.items():
                kind, rest = name.split(" ", 1)
                tensors[kind][rest] = tensor
            return tensors, config, history, now
    except (KeyError, TypeError, ValueError) as error:
        raise LearnerError(
            en=f"{file} is no checkpoint of a training: name another file",
            zh=f"{file} 不是训练的检查点：请换一个文件",
        ) from error
    raise LearnerError(
        en=f"{file} was written by another version of the course and cannot be resumed: "
        "begin in another file",
        zh=f"{file} 是课程的另一个版本写的，没法接着训练：请换一个文件重新开始",
    )


def read_progress(checkpoint: Path) -> tuple[int, History]:
    """Read how far a checkpoint's training has come: step and history; (0, History(0)) if none."""
    if not checkpoint.exists():
        return 0, History(0)
    _, _, history, now = _read_state(checkpoint)
    return now["step"], history


# --- signals -----------------------------------------------------------------------------------


class Interrupts:
    """Within, these signals are only noted, so that a step can be saved; the second one acts.

    asked: the signal that came, or None; in a thread that is not the main one none does.
    """

    def __init__(self, *signals: signal.Signals, at_once: bool = False) -> None:
        """at_once: the first signal raises KeyboardInterrupt, too.

        That may happen anywhere, also where nobody catches it: in a callback of weakref it is
        printed and forgotten, so check `asked` all the same.
        """
        self.asked: int | None = None
        self._at_once = at_once
        self._signals = signals if threading.current_thread() is threading.main_thread() else ()

    def __enter__(self) -> Interrupts:
        self._before = {number: signal.signal(number, self._note) for number in self._signals}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: object) -> None:
        self.asked = number
        signal.signal(number, self._before[number])
        if self._at_once:
            raise KeyboardInterrupt
