"""One training loop, for CLIP's context and for the captioner: what learns is whatever the model does not hold frozen.

It looks at validation now and then, keeps the best it has seen there, and can be broken off and resumed with the same result.
AdamW: Loshchilov and Hutter 2019, arXiv 1711.05101; the rate falls along half a cosine (the same, 2017, arXiv 1608.03983).
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from helpers.files import read_tensors, write_tensors

SAME_LOSS = 0.01  # other machines round otherwise; another model, other examples or another loss differ by more


@dataclass(frozen=True)
class Plan:
    """How to train. The same plan, model and data give the same result."""

    steps: int = 160
    rate: float = 0.02  # the learning rate at its highest
    batch_size: int | None = None  # examples a step; None: all of them at every step
    look_every: int = 8  # steps from one look at the validation set to the next
    patience: int | None = None  # stop after so many looks without a lower validation loss; None: never
    warmup: int = 0  # steps in which the rate rises to its highest
    weight_decay: float = 0.0
    longest_gradient: float | None = None  # a longer one is shortened to this
    seed: int = 0  # of the order of the examples

    def rate_at(self, step: int) -> float:
        """The learning rate of update number `step`."""
        return self.rate * min(1.0, (step + 1) / (self.warmup + 1)) * (1 + math.cos(math.pi * step / self.steps)) / 2


@dataclass(frozen=True)
class Look:
    """One look at how far a training is: what was measured after `step` updates, on training and on validation examples."""

    step: int
    steps: int
    loss: float
    validation_loss: float
    validation_score: float
    best: bool  # whether no validation loss was lower until now
    seconds_left: float  # at the pace so far; 0 where that is not known yet


def train(
    model: nn.Module,
    examples: int,
    loss: Callable[[Tensor], Tensor],
    validate: Callable[[], tuple[float, float]],
    plan: Plan,
    checkpoint: Path | None = None,
) -> Iterator[Look]:
    """Train those parameters of `model` that require a gradient; give a `Look` each time it has looked at validation.

    examples: how many there are; loss: of those with the numbers in a tensor (B,); validate: gives loss and score (higher is
    better) of the model as it is. Between two looks `model` holds the parameters of that moment. However the training ends, also by
    an interrupt, it then holds those with the lowest validation loss.
    checkpoint: a file, written at every look. Where it is there already, its looks are given again and the training goes on from
    it, to the same result as without the break. Raises ValueError if the file belongs to another plan, model, loss or examples,
    and FloatingPointError when the loss is no finite number any more.
    """
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(parameters.values(), lr=plan.rate, weight_decay=plan.weight_decay)
    order, begin = Order(examples, plan), snapshot(parameters)
    best, looks, first = begin, [], 0
    if checkpoint is not None and checkpoint.exists():
        best, looks = _resume(checkpoint, plan, examples, parameters, optimizer)
        first, then = looks[-1].step, looks[-1].loss
        with torch.no_grad():
            now = loss(order.batch(first)).item()
        if not math.isclose(now, then, rel_tol=SAME_LOSS, abs_tol=SAME_LOSS):
            put_back(parameters, begin)
            raise ValueError(
                f"{checkpoint} belongs to another training: at step {first} its loss was {then:.4g}, and here it is {now:.4g}. Use "
                "the same model, examples and loss, or another file"
            )
    begun = time.monotonic()
    try:
        yield from looks
        for step in range(first, plan.steps + 1):
            value = loss(order.batch(step))
            if not torch.isfinite(value):
                raise FloatingPointError(
                    f"the loss is {value.item()} at step {step} of {plan.steps}: try a smaller learning rate (it was {plan.rate:g}); "
                    "if the model computes in fp16, use bf16 or fp32"
                )
            if (step % plan.look_every == 0 or step == plan.steps) and (not looks or step > looks[-1].step):
                with torch.no_grad():
                    measured = validate()
                left = (time.monotonic() - begun) / max(step - first, 1) * (plan.steps - step) if step > first else 0.0
                lowest = min((look.validation_loss for look in looks), default=math.inf)
                look = Look(step, plan.steps, value.item(), *measured, best=measured[0] < lowest, seconds_left=left)
                looks.append(look)
                best = snapshot(parameters) if look.best else best
                if checkpoint is not None:
                    _save(checkpoint, plan, examples, parameters, optimizer, best, looks)
                yield look
            if step == plan.steps or _out_of_patience(looks, plan):
                return
            for group in optimizer.param_groups:
                group["lr"] = plan.rate_at(step)
            optimizer.zero_grad()
            value.backward()
            if plan.longest_gradient is not None:
                nn.utils.clip_grad_norm_(parameters.values(), plan.longest_gradient)
            optimizer.step()
    finally:
        optimizer.zero_grad()
        put_back(parameters, best)


class Order:
    """Which examples each step learns from: every epoch goes through all of them in a new order, which depends on the seed alone.

    So a resumed training need not know what came before.
    """

    def __init__(self, examples: int, plan: Plan) -> None:
        self.examples, self.size, self.seed = examples, min(plan.batch_size or examples, examples), plan.seed
        self.steps_an_epoch = math.ceil(examples / self.size)

    def batch(self, step: int) -> Tensor:
        """(B,): the numbers of the examples of this step."""
        if self.size == self.examples:
            return torch.arange(self.examples)
        epoch, place = divmod(step, self.steps_an_epoch)
        numbers = torch.randperm(self.examples, generator=torch.Generator().manual_seed(1000003 * self.seed + epoch))
        return numbers[place * self.size : (place + 1) * self.size]


def snapshot(parameters: dict[str, nn.Parameter]) -> dict[str, Tensor]:
    """Copies of the parameters' values."""
    return {name: parameter.detach().clone() for name, parameter in parameters.items()}


@torch.no_grad()
def put_back(parameters: dict[str, nn.Parameter], values: dict[str, Tensor]) -> None:
    """Give the parameters these values."""
    for name, parameter in parameters.items():
        parameter.copy_(values[name])


def _out_of_patience(looks: list[Look], plan: Plan) -> bool:
    last_best = max(number for number, look in enumerate(looks) if look.best or number == 0)
    return plan.patience is not None and len(looks) - 1 - last_best >= plan.patience


def _save(
    file: Path,
    plan: Plan,
    examples: int,
    parameters: dict[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    best: dict[str, Tensor],
    looks: list[Look],
) -> None:
    tensors = {f"now {name}": parameter for name, parameter in parameters.items()}
    tensors |= {f"best {name}": value for name, value in best.items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer {number} {name}": value for name, value in state.items()}
    notes = {
        "plan": json.dumps({**asdict(plan), "examples": examples}),
        "looks": json.dumps([asdict(look) for look in looks]),
    }
    write_tensors(file, tensors, notes)


def _resume(
    file: Path,
    plan: Plan,
    examples: int,
    parameters: dict[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
) -> tuple[dict[str, Tensor], list[Look]]:
    """Puts parameters and optimiser back where the file says they were; returns the best parameters, and the looks until then."""
    tensors, notes = read_tensors(file)
    if not {"plan", "looks"} <= notes.keys():
        raise ValueError(f"{file} is no checkpoint of a training: name another file")
    then, now = json.loads(notes["plan"]), {**asdict(plan), "examples": examples}
    if changed := [f"{name} was {then.get(name)} and is {now[name]}" for name in now if then.get(name) != now[name]]:
        raise ValueError(
            f"{file} belongs to another training: {'; '.join(changed)}. Use the same plan, or another file"
        )
    shapes = {name[4:]: tuple(tensor.shape) for name, tensor in tensors.items() if name.startswith("now ")}
    ours = {name: tuple(parameter.shape) for name, parameter in parameters.items()}
    if shapes != ours:
        raise ValueError(f"{file} holds {shapes}, and this model trains {ours}: they do not belong together")
    put_back(parameters, {name: tensors[f"now {name}"] for name in parameters})
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer "):
            _, number, field = name.split(" ")
            state.setdefault(int(number), {})[field] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    best = {name: tensors[f"best {name}"].to(parameter.device) for name, parameter in parameters.items()}
    return best, [Look(**look) for look in json.loads(notes["looks"])]
