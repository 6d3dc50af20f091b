"""One training loop, for CLIP's context and for the captioner: what learns is whatever the model does not hold frozen.

It looks at validation now and then, keeps the best it has seen there, and can be broken off and resumed with the same result.
AdamW: Loshchilov and Hutter 2019, arXiv 1711.05101; the rate falls along half a cosine (the same, 2017, arXiv 1608.03983).
"""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from helpers.files import read_tensors, write_tensors

SAME_LOSS = 0.01  # other machines round otherwise; another model, other examples or another loss differ by more


@dataclass(frozen=True)
class TrainConfig:
    """How to train. The same plan, model and data give the same result."""

    steps: int = 160
    learning_rate: float = 0.02  # the learning rate at its highest
    batch_size: int | None = None  # examples a step; None: all of them at every step
    eval_every: int = 8  # steps from one look at the validation set to the next
    patience: int | None = (
        None  # stop after so many looks without a lower validation loss; None: never
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


class ProcessGroup:
    """The processes that train together, each on its share of every batch. This is a team of one."""

    rank, size = 0, 1

    def total(self, numbers: Tensor) -> Tensor:
        """The sum over the processes, the same in each of them."""
        return numbers


def train(
    model: nn.Module,
    examples: int,
    loss: Callable[[Tensor], Tensor],
    validate: Callable[[], tuple[float, float]],
    plan: TrainConfig,
    checkpoint: Path | None = None,
    *,
    at_once: int | None = None,
    weight: Callable[[Tensor], int] = len,
    stop: Callable[[int, float], bool] = lambda step, loss: False,
    team: ProcessGroup | None = None,
    data: str = "",
) -> Iterator[Evaluation]:
    """Train those parameters of `model` that require a gradient; give an `Evaluation` each time it has looked at validation.

    examples: how many there are; loss: the mean over those with the numbers in a tensor (B,); validate: gives loss and score (higher
    is better) of the model as it is. Between two looks `model` holds the parameters of that moment. However the training ends, also by
    an interrupt, it then holds those with the lowest validation loss.
    checkpoint: a file, written at every look. Where it is there already, its looks are given again and the training goes on from
    it, to the same result as without the break. Raises ValueError if the file belongs to another plan, model, loss or examples,
    and FloatingPointError when the loss is no finite number any more.
    at_once: so many examples go through the model at a time; less memory, the same result. weight: how many things the mean of `loss`
    goes over, so that a batch in parts or on several processes has the loss of the whole batch.
    stop: is told every step and its loss; where it says True, the checkpoint is written and the training ends.
    data: what tells these examples from others; a checkpoint that was written with another is refused.
    """
    team = team or ProcessGroup()
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(
        parameters.values(), lr=plan.learning_rate, weight_decay=plan.weight_decay
    )
    order, begin = Order(examples, plan), snapshot(parameters)

    def whole_loss(step: int, learn: bool = True) -> float:
        """The loss of all the step's examples, and where something is to be learned its gradient."""
        rows = order.batch(step)
        own, total = rows[team.rank :: team.size], next(iter(parameters.values())).new_zeros(())
        for part in own.split(at_once or examples):
            if len(part):  # the last batch of an epoch may leave nothing for this process
                with torch.set_grad_enabled(learn):
                    share = loss(part) * (weight(part) / weight(rows))
                if learn:
                    share.backward()
                total = total + share.detach()
        return team.total(total).item()

    def keep(step: int, value: float) -> None:
        if checkpoint is not None and team.rank == 0:
            now = {"step": step, "loss": value, "data": data, "since": since}
            _save(checkpoint, plan, examples, parameters, optimizer, best, looks, now)

    best, looks, first, since = (
        begin,
        [],
        0,
        [0.0, 0],
    )  # since the last look: the sum of the losses, and of how many
    if checkpoint is not None and checkpoint.exists():
        best, looks, first, then, since = _resume(
            checkpoint, plan, examples, parameters, optimizer, data
        )
        now = whole_loss(first, learn=False)
        if not math.isclose(now, then, rel_tol=SAME_LOSS, abs_tol=SAME_LOSS):
            put_back(parameters, begin)
            raise ValueError(
                f"{checkpoint} belongs to another training: at step {first} its loss was {then:.4g}, and here it is {now:.4g}. Use "
                "the same model, examples and loss, or another file"
            )
    device, begun = next(iter(parameters.values())).device, time.monotonic()
    try:
        yield from looks
        for step in range(first, plan.steps + 1):
            optimizer.zero_grad()
            value = whole_loss(step, learn=step < plan.steps)
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"the loss is {value} at step {step} of {plan.steps}: try a smaller learning rate (it was {plan.learning_rate:g}); "
                    "if the model computes in fp16, use bf16 or fp32"
                )
            if (step % plan.eval_every == 0 or step == plan.steps) and (
                not looks or step > looks[-1].step
            ):
                with torch.no_grad():
                    measured = validate()
                left = (
                    (time.monotonic() - begun) / max(step - first, 1) * (plan.steps - step)
                    if step > first
                    else 0.0
                )
                lowest = min((look.validation_loss for look in looks), default=math.inf)
                mean = since[0] / since[1] if since[1] else value
                look = Evaluation(
                    step, plan.steps, value, *measured, measured[0] < lowest, left, mean
                )
                since = [0.0, 0]
                looks.append(look)
                best = snapshot(parameters) if look.best else best
                keep(step, value)
                yield look
            if step == plan.steps or _out_of_patience(looks, plan):
                return
            if team.total(
                torch.tensor(float(bool(stop(step, value))), device=device)
            ):  # one that stops alone leaves the others waiting
                keep(step, value)
                return
            since = [since[0] + value, since[1] + 1]
            if team.size > 1:
                for parameter in parameters.values():
                    own = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                    parameter.grad = team.total(own)
            for group in optimizer.param_groups:
                group["lr"] = plan.learning_rate_at(step)
            if plan.max_grad_norm is not None:
                nn.utils.clip_grad_norm_(parameters.values(), plan.max_grad_norm)
            optimizer.step()
    finally:
        optimizer.zero_grad()
        put_back(parameters, best)


class Order:
    """Which examples each step learns from: every epoch goes through all of them in a new order, which depends on the seed alone.

    So a resumed training need not know what came before.
    """

    def __init__(self, examples: int, plan: TrainConfig) -> None:
        self.examples, self.size, self.seed = (
            examples,
            min(plan.batch_size or examples, examples),
            plan.seed,
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


def snapshot(parameters: dict[str, nn.Parameter]) -> dict[str, Tensor]:
    """Copies of the parameters' values."""
    return {name: parameter.detach().clone() for name, parameter in parameters.items()}


@torch.no_grad()
def put_back(parameters: dict[str, nn.Parameter], values: dict[str, Tensor]) -> None:
    """Give the parameters these values."""
    for name, parameter in parameters.items():
        parameter.copy_(values[name])


def _out_of_patience(looks: list[Evaluation], plan: TrainConfig) -> bool:
    last_best = max(number for number, look in enumerate(looks) if look.best or number == 0)
    return plan.patience is not None and len(looks) - 1 - last_best >= plan.patience


def _save(
    file: Path,
    plan: TrainConfig,
    examples: int,
    parameters: dict[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    best: dict[str, Tensor],
    looks: list[Evaluation],
    now: dict[str, Any],
) -> None:
    tensors = {f"now {name}": parameter for name, parameter in parameters.items()}
    tensors |= {f"best {name}": value for name, value in best.items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer {number} {name}": value for name, value in state.items()}
    notes = {
        "plan": json.dumps({**asdict(plan), "examples": examples}),
        "looks": json.dumps([asdict(look) for look in looks]),
        "now": json.dumps(now),
    }
    write_tensors(file, tensors, notes)


def _resume(
    file: Path,
    plan: TrainConfig,
    examples: int,
    parameters: dict[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    data: str,
) -> tuple[dict[str, Tensor], list[Evaluation], int, float, list[float]]:
    """Puts parameters and optimiser back where they were; returns the best parameters, the looks, and of then step, loss and `since`."""
    tensors, notes = read_tensors(file)
    try:
        then, ours = json.loads(notes["plan"]), {**asdict(plan), "examples": examples}
        changed = [
            f"{name} was {then.get(name)} and is {ours[name]}"
            for name in ours
            if then.get(name) != ours[name]
        ]
        looks, now = _progress(notes)
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
            f"{file} belongs to another training: {'; '.join(changed)}. Use the same plan, or another file"
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
    put_back(parameters, {name: tensors[f"now {name}"] for name in parameters})
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )
    best = {
        name: tensors[f"best {name}"].to(parameter.device) for name, parameter in parameters.items()
    }
    return best, looks, step, loss, since


def progress(checkpoint: Path) -> tuple[int, list[Evaluation]]:
    """How far the training of a checkpoint has come: its step, and its looks. (0, []) where there is none."""
    if not checkpoint.exists():
        return 0, []
    _, notes = read_tensors(checkpoint)
    try:
        looks, now = _progress(notes)
        return int(now["step"]), looks
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{checkpoint} is no checkpoint of a training: name another file"
        ) from error


def _progress(notes: dict[str, str]) -> tuple[list[Evaluation], dict[str, Any]]:
    return [Evaluation(**look) for look in json.loads(notes["looks"])], json.loads(notes["now"])


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
