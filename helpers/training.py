"""One training loop, for CLIP's context and for the captioner: what learns is whatever the model does not hold frozen.

It history at validation now and then, keeps the best it has seen there, and can be broken off and resumed with the same result.
AdamW: Loshchilov and Hutter 2019, arXiv 1711.05101; the rate falls along half a cosine (the same, 2017, arXiv 1608.03983).
"""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from helpers.files import read_tensors, write_tensors

SAME_LOSS = 0.01  # other machines round otherwise; another model, other examples or another loss differ by more


@dataclass(frozen=True)
class TrainConfig:
    """How to train. The same config, model and data give the same result."""

    steps: int = 160
    learning_rate: float = 0.02  # the learning rate at its highest
    batch_size: int | None = None  # examples a step; None: all of them at every step
    eval_every: int = 8  # steps from one look at the validation set to the next
    patience: int | None = (
        None  # stop after so many history without a lower validation loss; None: never
    )
    warmup_steps: int = 0  # steps in which the rate rises to its highest
    weight_decay: float = 0.0
    max_grad_norm: float | None = None  # a longer one is shortened to this
    seed: int = 0  # of the order of the examples

    def learning_rate_at(self, step: int) -> float:
        """The learning rate of update number `step`."""
        return (
            self.learning_rate
            * min(1.0, (step + 1) / (self.warmup_steps + 1))
            * (1 + math.cos(math.pi * step / self.steps))
            / 2
        )


@dataclass(frozen=True)
class Evaluation:
    """One look at how far a training is: what was measured after `step` updates, on training and on validation examples."""

    step: int
    steps: int
    loss: float
    validation_loss: float
    validation_score: float
    best: bool  # whether no validation loss was lower until now
    seconds_left: float  # at the pace so far; 0 where that is not known yet
    mean_loss: float = 0.0  # over the steps since the look before; loss is that of one batch


@dataclass
class History:
    """What a training measured: its evaluations, in the order of their steps."""

    steps: int  # of the training when it is complete
    evaluations: list[Evaluation] = field(default_factory=list)

    def column(self, name: str) -> list[Any]:
        """One number of every evaluation, such as "step" or "validation_loss"."""
        return [getattr(evaluation, name) for evaluation in self.evaluations]

    @property
    def best(self) -> Evaluation:
        """The evaluation with the lowest validation loss, the first of them: its parameters are kept. Raises ValueError if there is none."""
        return min(self.evaluations, key=lambda evaluation: evaluation.validation_loss)

    def with_one_more(self, evaluation: Evaluation) -> History:
        """A new history that also holds this evaluation."""
        return History(self.steps, [*self.evaluations, evaluation])

    def to_json(self, *columns: str, digits: int | None = None) -> dict[str, Any]:
        """Lists of numbers by the names of the columns, and "steps"; by default all columns. digits: floats are rounded to so many."""

        def rounded(value: Any) -> Any:
            return (
                round(value, digits) if digits is not None and isinstance(value, float) else value
            )

        names = columns or [one.name for one in fields(Evaluation) if one.name != "steps"]
        return {
            "steps": self.steps,
            **{name: [rounded(value) for value in self.column(name)] for name in names},
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> History:
        """A history from what `to_json` gave; a column that was left out is NaN, but `best`, which follows from the losses.

        Raises KeyError, TypeError or ValueError where the record is something else; what it holds besides is left alone.
        """
        known = {
            one.name: record[one.name]
            for one in fields(Evaluation)
            if isinstance(record.get(one.name), list)
        }
        history = cls(int(record["steps"]))
        for values in zip(*known.values(), strict=True):
            row = dict.fromkeys(
                ("loss", "validation_loss", "validation_score", "seconds_left", "mean_loss"),
                math.nan,
            )
            row |= {"steps": history.steps, **dict(zip(known, values))}
            lowest = min(history.column("validation_loss"), default=math.inf)
            history.evaluations.append(
                Evaluation(**{"best": row["validation_loss"] < lowest, **row})
            )
        return history


class ProcessGroup:
    """The processes that train together, each on its share of every batch. This is a group of one."""

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
) -> Iterator[Evaluation]:
    """Train those parameters of `model` that require a gradient; give an `Evaluation` each time it has looked at validation.

    examples: how many there are; loss: the mean over those with the numbers in a tensor (B,); validate: gives loss and score (higher
    is better) of the model as it is. Between two history `model` holds the parameters of that moment. However the training ends, also by
    an interrupt, it then holds those with the lowest validation loss.
    checkpoint: a file, written at every look. Where it is there already, its history are given again and the training goes on from
    it, to the same result as without the break. Raises ValueError if the file belongs to another config, model, loss or examples,
    and FloatingPointError when the loss is no finite number any more.
    micro_batch_size: so many examples go through the model at a time; less memory, the same result. weight: how many things the mean of `loss`
    goes over, so that a batch in parts or on several processes has the loss of the whole batch.
    stop: is told every step and its loss; where it says True, the checkpoint is written and the training ends.
    data: what tells these examples from others; a checkpoint that was written with another is refused.
    """
    group = group or ProcessGroup()
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(
        parameters.values(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    order, begin = BatchSampler(examples, config), copy_parameters(parameters)

    def whole_loss(step: int, learn: bool = True) -> float:
        """The loss of all the step's examples, and where something is to be learned its gradient."""
        rows = order.batch(step)
        own, total = rows[group.rank :: group.size], next(iter(parameters.values())).new_zeros(())
        for part in own.split(micro_batch_size or examples):
            if len(part):  # the last batch of an epoch may leave nothing for this process
                with torch.set_grad_enabled(learn):
                    share = loss(part) * (weight(part) / weight(rows))
                if learn:
                    share.backward()
                total = total + share.detach()
        return group.sum(total).item()

    def keep(step: int, value: float) -> None:
        if checkpoint is not None and group.rank == 0:
            now = {"step": step, "loss": value, "data": data, "since": since}
            _save(checkpoint, config, examples, parameters, optimizer, best, history, now)

    best, history, first, since = (
        begin,
        History(config.steps),
        0,
        [0.0, 0],
    )  # since the last look: the sum of the losses, and of how many
    if checkpoint is not None and checkpoint.exists():
        best, history, first, then, since = _resume(
            checkpoint, config, examples, parameters, optimizer, data
        )
        now = whole_loss(first, learn=False)
        if not math.isclose(now, then, rel_tol=SAME_LOSS, abs_tol=SAME_LOSS):
            restore_parameters(parameters, begin)
            raise ValueError(
                f"{checkpoint} belongs to another training: at step {first} its loss was {then:.4g}, and here it is {now:.4g}. Use "
                "the same model, examples and loss, or another file"
            )
    device, begun = next(iter(parameters.values())).device, time.monotonic()
    try:
        yield from history.evaluations
        for step in range(first, config.steps + 1):
            optimizer.zero_grad()
            value = whole_loss(step, learn=step < config.steps)
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"the loss is {value} at step {step} of {config.steps}: try a smaller learning rate (it was {config.learning_rate:g}); "
                    "if the model computes in fp16, use bf16 or fp32"
                )
            if (step % config.eval_every == 0 or step == config.steps) and (
                not history.evaluations or step > history.evaluations[-1].step
            ):
                with torch.no_grad():
                    measured = validate()
                left = (
                    (time.monotonic() - begun) / max(step - first, 1) * (config.steps - step)
                    if step > first
                    else 0.0
                )
                lowest = min(history.column("validation_loss"), default=math.inf)
                mean = since[0] / since[1] if since[1] else value
                evaluation = Evaluation(
                    step, config.steps, value, *measured, measured[0] < lowest, left, mean
                )
                since = [0.0, 0]
                history.evaluations.append(evaluation)
                best = copy_parameters(parameters) if evaluation.best else best
                keep(step, value)
                yield evaluation
            if step == config.steps or _out_of_patience(history, config):
                return
            if group.sum(
                torch.tensor(float(bool(stop(step, value))), device=device)
            ):  # one that stops alone leaves the others waiting
                keep(step, value)
                return
            since = [since[0] + value, since[1] + 1]
            if group.size > 1:
                for parameter in parameters.values():
                    own = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                    parameter.grad = group.sum(own)
            for settings in optimizer.param_groups:
                settings["lr"] = config.learning_rate_at(step)
            if config.max_grad_norm is not None:
                nn.utils.clip_grad_norm_(parameters.values(), config.max_grad_norm)
            optimizer.step()
    finally:
        optimizer.zero_grad()
        restore_parameters(parameters, best)


class BatchSampler:
    """Which examples each step learns from: every epoch goes through all of them in a new order, which depends on the seed alone.

    So a resumed training need not know what came before.
    """

    def __init__(self, examples: int, config: TrainConfig) -> None:
        self.examples, self.size, self.seed = (
            examples,
            min(config.batch_size or examples, examples),
            config.seed,
        )
        self.steps_an_epoch = math.ceil(examples / self.size)

    def batch(self, step: int) -> Tensor:
        """(B,): the numbers of the examples of this step."""
        if self.size == self.examples:
            return torch.arange(self.examples)
        epoch, place = divmod(step, self.steps_an_epoch)
        numbers = torch.randperm(
            self.examples, generator=torch.Generator().manual_seed(1000003 * self.seed + epoch)
        )
        return numbers[place * self.size : (place + 1) * self.size]


def copy_parameters(parameters: dict[str, nn.Parameter]) -> dict[str, Tensor]:
    """Copies of the parameters' values."""
    return {name: parameter.detach().clone() for name, parameter in parameters.items()}


@torch.no_grad()
def restore_parameters(parameters: dict[str, nn.Parameter], values: dict[str, Tensor]) -> None:
    """Give the parameters these values."""
    for name, parameter in parameters.items():
        parameter.copy_(values[name])


def _out_of_patience(history: History, config: TrainConfig) -> bool:
    since_best = len(history.evaluations) - 1 - history.evaluations.index(history.best)
    return config.patience is not None and since_best >= config.patience


def _save(
    file: Path,
    config: TrainConfig,
    examples: int,
    parameters: dict[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    best: dict[str, Tensor],
    history: History,
    now: dict[str, Any],
) -> None:
    tensors = {f"now {name}": parameter for name, parameter in parameters.items()}
    tensors |= {f"best {name}": value for name, value in best.items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer {number} {name}": value for name, value in state.items()}
    notes = {
        "config": json.dumps({**asdict(config), "examples": examples}),
        "history": json.dumps(history.to_json()),
        "now": json.dumps(now),
    }
    write_tensors(file, tensors, notes)


def _resume(
    file: Path,
    config: TrainConfig,
    examples: int,
    parameters: dict[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    data: str,
) -> tuple[dict[str, Tensor], History, int, float, list[float]]:
    """Puts parameters and optimiser back where they were; returns the best parameters, the history, and of then step, loss and `since`."""
    tensors, notes = read_tensors(file)
    try:
        then, ours = json.loads(notes["config"]), {**asdict(config), "examples": examples}
        changed = [
            f"{name} was {then.get(name)} and is {ours[name]}"
            for name in ours
            if then.get(name) != ours[name]
        ]
        history, now = _progress(notes)
        step, loss, since, same_data = (
            int(now["step"]),
            float(now["loss"]),
            list(now["since"]),
            now["data"] == data,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{file} is no checkpoint of a training: name another file") from error
    if changed:
        raise ValueError(
            f"{file} belongs to another training: {'; '.join(changed)}. Use the same config, or another file"
        )
    if not same_data:
        raise ValueError(
            f"{file} belongs to other examples: they were changed since. Put them back as they were, or begin in another file"
        )
    shapes = {
        name[4:]: tuple(tensor.shape) for name, tensor in tensors.items() if name.startswith("now ")
    }
    ours = {name: tuple(parameter.shape) for name, parameter in parameters.items()}
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer "):
            _, number, field = name.split(" ")
            state.setdefault(int(number), {})[field] = tensor
    if shapes != ours or any(f"best {name}" not in tensors for name in ours):
        raise ValueError(
            f"{file} holds {shapes}, and this model trains {ours}: they do not belong together"
        )
    restore_parameters(parameters, {name: tensors[f"now {name}"] for name in parameters})
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )
    best = {
        name: tensors[f"best {name}"].to(parameter.device) for name, parameter in parameters.items()
    }
    return best, history, step, loss, since


def read_progress(checkpoint: Path) -> tuple[int, History]:
    """How far the training of a checkpoint has come: its step, and its history. (0, History(0)) where there is none."""
    if not checkpoint.exists():
        return 0, History(0)
    _, notes = read_tensors(checkpoint)
    try:
        history, now = _progress(notes)
        return int(now["step"]), history
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{checkpoint} is no checkpoint of a training: name another file"
        ) from error


def _progress(notes: dict[str, str]) -> tuple[History, dict[str, Any]]:
    return History.from_json(json.loads(notes["history"])), json.loads(notes["now"])


class Interrupts:
    """While it is in force, these signals are only noted, so that a step can be finished and saved; the second time one acts.

    at_once: the first raises KeyboardInterrupt, too. That may come anywhere, also where nobody gets it: in a callback of weakref it is
    printed and forgotten, so look at `asked` all the same. asked: the signal that came, or None; in a thread that is not the main
    one none does.
    """

    def __init__(self, *signals: signal.Signals, at_once: bool = False) -> None:
        self.asked: int | None = None
        self._at_once = at_once
        self._signals = signals if threading.current_thread() is threading.main_thread() else ()

    def __enter__(self) -> Interrupts:
        self.before = {number: signal.signal(number, self._note) for number in self._signals}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: object) -> None:
        self.asked = number
        signal.signal(number, self.before[number])
        if self._at_once:
            raise KeyboardInterrupt
