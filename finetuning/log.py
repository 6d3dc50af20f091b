"""What a training tells while it runs: a bar, a line at each evaluation, log.jsonl, loss.png."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from tqdm import tqdm

from finetuning.folder import CURVE, LOG, read_lines
from finetuning.processes import AccelerateGroup
from helpers.files import write_whole
from helpers.training import Evaluation, History, TrainConfig

COLUMNS = {"loss": "training", "validation_loss": "validation"}


class RunLog:
    """What a training tells while it runs; a context manager, at whose end loss.png is drawn."""

    def __init__(
        self,
        folder: Path,
        config: TrainConfig,
        settings: dict[str, Any],
        group: AccelerateGroup,
        resumed: History,
    ) -> None:
        """
        Args:
            folder: where log.jsonl and loss.png are.
            config: how it is trained.
            settings: what the run was asked for, the log's first line.
            group: the processes, of which the first alone writes and prints.
            resumed: what was measured before the training was broken off; the log may lack
                it or be damaged, and all that is taken from there is how long it took.
        """
        self.folder, self.config, self.settings, self.group = folder, config, settings, group
        self.begun, self.begins = time.monotonic(), group.rank == 0
        lines = list(read_lines(folder / LOG)) if resumed.evaluations else []
        took = {str(line.get("step")): line["seconds"] for line in lines if "seconds" in line}
        self.entries = [
            self._make_entry(one, took.get(str(one.step))) for one in resumed.evaluations
        ]
        self.known = len(self.entries)  # evaluations that the training will give again
        self.bar = tqdm(
            total=config.steps,
            initial=max(resumed.column("step"), default=0),
            desc="steps",
            leave=False,
            disable=group.hide_bar,
            mininterval=0.5,
        )

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()
        if self.group.rank == 0 and not self.begins:
            write_whole(self.folder / CURVE, lambda part: draw_losses(self.entries, part))

    def update(self, step: int) -> None:
        """Move the bar."""
        self.bar.update(step - self.bar.n)

    def add(self, evaluation: Evaluation) -> bool:
        """Take down an evaluation; False for one that was known before."""
        if self.begins:  # now, and not before the training agreed to go on
            lines = [{"settings": self.settings}, *self.entries]
            text = "".join(f"{json.dumps(line)}\n" for line in lines)
            write_whole(self.folder / LOG, lambda part: part.write_text(text, encoding="utf-8"))
            self.begins = False
        if self.known:
            self.known -= 1
            return False
        # since it was started or resumed
        entry = self._make_entry(evaluation, round(time.monotonic() - self.begun, 1))
        self.entries.append(entry)
        if self.group.rank == 0:
            with (self.folder / LOG).open("a", encoding="utf-8") as log:
                log.write(f"{json.dumps(entry)}\n")
        self.group.print_line(
            f"step {evaluation.step:>5} of {evaluation.steps}: loss {entry['loss']:.3f}, "
            f"on validation {evaluation.validation_loss:.3f}, "
            f"{evaluation.validation_score:.0%} of its tokens right"
            + (", the best so far" if evaluation.best and evaluation.step else "")
            + (f"; {evaluation.seconds_left:.0f} s left" if evaluation.seconds_left else "")
        )
        return True

    def _make_entry(self, evaluation: Evaluation, seconds: float | None) -> dict[str, Any]:
        rate_at = min(evaluation.step, self.config.steps)
        return {
            "step": evaluation.step,
            "loss": round(evaluation.mean_loss, 6),
            "validation_loss": round(evaluation.validation_loss, 6),
            "validation_right": round(evaluation.validation_score, 6),
            "rate": self.config.learning_rate_at(rate_at),
            "seconds": seconds,  # null: not known any more
        }


def draw_losses(entries: Sequence[dict[str, Any]], file: Path) -> None:
    """Draw a log's losses over the steps as a PNG; a ring marks the lowest validation loss."""
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    steps = [entry["step"] for entry in entries]
    for (column, name), style in zip(COLUMNS.items(), ("-", "--")):
        losses = [entry[column] for entry in entries]
        axes.plot(steps, losses, style, color="#0072B2", marker="o", markersize=3, label=name)
    best = min(entries, key=lambda entry: entry["validation_loss"])
    ring = {"s": 120, "facecolors": "none", "edgecolors": "black", "zorder": 3, "label": "kept"}
    axes.scatter(best["step"], best["validation_loss"], **ring)
    axes.set(xlabel="training step", ylabel="loss (nats)", yscale="log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.set_title("What is kept is what the ring shows: the lowest validation loss", fontsize=11)
    axes.grid(axis="y", alpha=0.35)
    axes.legend()
    figure.savefig(file, format="png", dpi=200)
