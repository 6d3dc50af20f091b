"""How vectors learn, and what they look like: curves over the steps, accuracy before and after, vectors as strips of stripes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from lessons.figures.base import (
    BLUE,
    CLOUD,
    GREY,
    INK,
    LOCK,
    SLATE,
    STONE,
    WIDTH,
    Picture,
    axes_at,
    blank,
    finished,
    fonts,
    halo,
    stripes,
)

UNKNOWN = 0.0, 2.0  # limits of the losses as long as there are none; a few-shot training of the course begins within


@dataclass(frozen=True)
class Run:
    """The numbers of one training: as many of each as there were looks at the validation pictures. Accuracies are shares of one."""

    length: int  # steps when it is complete
    steps: Sequence[int]
    loss: Sequence[float]
    validation_loss: Sequence[float]
    validation_accuracy: Sequence[float]
    hand: float  # accuracy of the hand-written prompt on the validation pictures
    before: float  # the same on the test pictures
    after: float | None = None  # accuracy of what was learned on the test pictures; None until it is known

    @property
    def kept(self) -> int:
        """Which of the looks had the lowest validation loss so far: what was learned until then is what is kept."""
        return int(np.argmin(self.validation_loss))


def learning_curve(
    run: Run | None,
    stored: Run | None = None,
    earlier: Sequence[Run] = (),
    *,
    prompts: tuple[str, str],
    title: str,
    alt: str,
    caption: str = "",
) -> Picture:
    """Loss and validation accuracy over the steps, and under them the test accuracy of the two prompts, before and after.

    run: the learner's own, however far it has come, with a ring around what would be kept of it; without a step yet, the axes of the
    stored run are shown and no curve at all. None shows the stored run alone, its bars hatched.
    stored: lies in grey behind; earlier: the learner's other runs, their validation accuracy in faint blue and their test accuracy as
    faint dots under the bars. prompts: what the two bars are called.
    """
    known = [other for other in (stored, *earlier, run) if other is not None]
    if not known:
        raise ValueError("there is nothing to draw: give a run, or a stored one")
    height, across = 4.1, max(other.length for other in known)
    stored_curve = None if run is not None and not len(run.steps) else stored
    with LOCK:
        figure = blank(height)
        loss, accuracy = axes_at(figure, 0.62, 1.7, 1.62, 1.86), axes_at(figure, 3.5, 1.7, 2.8, 1.86)
        for axes, low, high, label, heading in (
            (loss, *_round_limits(known, ("loss", "validation_loss"), 1), "loss (nats)", "Loss: lower is better"),
            (
                accuracy,
                *_round_limits(known, ("validation_accuracy", "hand"), 0.2, most=1.0),
                "accuracy (%)",
                "Accuracy on validation pictures: higher is better",
            ),
        ):
            axes.set(xlim=(-0.02 * across, across), ylim=(low, high), xticks=np.linspace(0, across, 5).round())
            axes.locator_params(axis="y", nbins=5)
            axes.tick_params(labelsize=8, colors=INK)
            axes.set_xlabel("training step", fontsize=8, color=INK, labelpad=2)
            axes.set_ylabel(label, fontsize=8, color=INK, labelpad=3)
            axes.set_title(heading, fontsize=9, color=INK, loc="left", pad=5)
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(axis="y", color=GREY, alpha=0.35, linewidth=0.6)
        accuracy.yaxis.set_major_formatter(lambda share, position: f"{100 * share:.0f}")
        for other in earlier:
            accuracy.plot(other.steps, other.validation_accuracy, color=BLUE, alpha=CLOUD, linewidth=0.9)
        for other, look in (
            (stored_curve, {"color": STONE, "linewidth": 1.8}),
            (run, {"color": BLUE, "linewidth": 2.2}),
        ):
            if other is not None:
                loss.plot(other.steps, other.loss, **look)
                loss.plot(other.steps, other.validation_loss, linestyle=(0, (3, 1.5)), **look)
                accuracy.plot(other.steps, other.validation_accuracy, **look)
        _name_curves(loss, accuracy, run, stored_curve, across)
        _ring_what_is_kept(loss, accuracy, run or stored_curve)
        hand, ours = known[-1].hand, run or stored
        below = not len(ours.steps) or ours.validation_accuracy[-1] >= hand  # its name stands where the curve does not
        accuracy.axhline(hand, color=INK, linewidth=1.2, linestyle=(0, (1, 1.6)))
        accuracy.annotate(
            f"{prompts[0]}  {hand:.0%}",
            (across, hand),
            xytext=(0, -4 if below else 4),
            textcoords="offset points",
            ha="right",
            va="top" if below else "bottom",
            fontsize=8,
            color=INK,
            parse_math=False,
            path_effects=halo(),
        )
        _before_and_after(axes_at(figure, 2.3, 0.46, 4.0, 0.58), run, stored, earlier, prompts)
        figure.text(0.08 / WIDTH, 1 - 0.2 / height, title, fontsize=10.5, color=INK, family=fonts(), parse_math=False)
        return finished(figure, alt, caption)


def rows_of_vectors(
    rows: Sequence[tuple[Sequence[str], np.ndarray, Sequence[bool]]], *, title: str, alt: str, caption: str = ""
) -> Picture:
    """Prompts as a text tower reads them: one vector a position, drawn as a strip of its numbers under its label.

    rows: for each prompt its labels, vectors (T, D), and which of them were learned (T,): those are framed, their labels bold. All
    strips share one colour scale, purple below zero, orange above it, white at zero.
    """
    step, strip, space = 0.5, 1.02, 0.4
    limit = 4 * np.median(np.abs(np.concatenate([vectors for _, vectors, _ in rows])))
    height = 0.36 + (strip + space) * len(rows)
    with LOCK:
        figure = blank(height)
        figure.text(0.08 / WIDTH, 1 - 0.2 / height, title, fontsize=10, color=INK, family=fonts(), parse_math=False)
        for number, (labels, vectors, learned) in enumerate(rows, start=1):
            bottom = height - 0.28 - (strip + space) * number
            for place, (label, vector, ours) in enumerate(zip(labels, vectors, learned, strict=True)):
                axes = axes_at(figure, 0.12 + place * step, bottom, step - 0.1, strip)
                axes.imshow(stripes([vector], limit).swapaxes(0, 1), interpolation="nearest", aspect="auto")
                axes.set(xticks=[], yticks=[])
                axes.spines[:].set(color=INK if ours else GREY, linewidth=2.2 if ours else 0.8)
                style = {"color": INK, "weight": "bold" if ours else "normal"}
                axes.set_title(label, fontsize=8.5, pad=3, family=fonts(), parse_math=False, **style)
        return finished(figure, alt, caption)


def _round_limits(runs: Sequence[Run], names: Sequence[str], unit: float, most: float = np.inf) -> tuple[float, float]:
    """From below the least to above the greatest of these numbers, in whole units, so that axes seldom move while a curve grows.

    They lie between zero and `most`, and so do the limits.
    """
    values = np.concatenate([np.ravel(getattr(run, name)) for run in runs for name in names])
    if not len(values):
        return UNKNOWN
    low, high = unit * np.floor(values.min() / unit - 0.3), unit * np.ceil(values.max() / unit + 0.3)
    return max(0.0, low), min(most, high)


def _name_curves(loss: Axes, accuracy: Axes, run: Run | None, stored: Run | None, across: int) -> None:
    """Each curve by its name, at its end; the learner's ends in a dot, which is all that one look gives."""
    first = run if run and len(run.steps) else stored
    if first is None or not len(first.steps):
        return
    colour = BLUE if first is run else SLATE
    at = first.steps[-1]
    ends = first.loss[-1], first.validation_loss[-1]
    for y, name, beside in zip(_apart(ends, 0.13 * np.ptp(loss.get_ylim())), ("training", "validation"), ends):
        _label(loss, at, y, name, colour)
        if first is run:
            loss.plot(at, beside, "o", color=BLUE, markersize=4.5, clip_on=False)
    names = [(first.steps[-1], first.validation_accuracy[-1], "your run" if first is run else "a stored run", colour)]
    if first is run:
        accuracy.plot(at, names[0][1], "o", color=BLUE, markersize=5.5, clip_on=False)
        if stored is not None and len(stored.steps):
            names.append((stored.steps[-1], stored.validation_accuracy[-1], "a stored run", SLATE))
    heights = [name[1] for name in names]
    if at > 0.7 * across:
        heights = _apart(heights, 0.09 * np.ptp(accuracy.get_ylim()))
    for (x, _, name, colour), y in zip(names, heights):
        _label(accuracy, x, y, name, colour)


def _apart(heights: Sequence[float], gap: float) -> list[float]:
    """One or two heights, the two moved from each other where they are closer than the gap."""
    if len(heights) < 2 or abs(heights[0] - heights[1]) >= gap:
        return list(heights)
    middle, first_up = sum(heights) / 2, 0.5 if heights[0] >= heights[1] - 1e-3 else -0.5
    return [middle + first_up * gap, middle - first_up * gap]


def _label(axes: Axes, x: float, y: float, name: str, colour: str) -> None:
    style = {"fontsize": 8.5, "color": colour, "va": "center", "weight": "bold" if colour == BLUE else "normal"}
    axes.annotate(name, (x, y), (7, 0), textcoords="offset points", annotation_clip=False, path_effects=halo(), **style)


def _ring_what_is_kept(loss: Axes, accuracy: Axes, run: Run | None) -> None:
    """A ring around the look with the lowest validation loss, in both diagrams, with its name where there is more room."""
    if run is None or not len(run.steps):
        return
    step, share = run.steps[run.kept], run.validation_accuracy[run.kept]
    look = {
        "marker": "o",
        "markersize": 11,
        "fillstyle": "none",
        "color": INK,
        "markeredgewidth": 1.3,
        "clip_on": False,
    }
    loss.plot(step, run.validation_loss[run.kept], zorder=5, **look)
    accuracy.plot(step, share, zorder=5, **look)
    low, high = accuracy.get_ylim()
    up = -1 if share > high - 0.15 * (high - low) else 1
    style = {"fontsize": 8.5, "color": INK, "ha": "center", "va": "center", "path_effects": halo()}
    accuracy.annotate("kept", (step, share), (0, 13 * up), textcoords="offset points", annotation_clip=False, **style)


def _before_and_after(
    axes: Axes, run: Run | None, stored: Run | None, earlier: Sequence[Run], prompts: tuple[str, str]
) -> None:
    """The accuracy of both prompts on the test pictures, or a question mark where it is not known yet; earlier runs as dots."""
    shown = run or stored
    for row, (name, share, colour) in enumerate(zip(prompts, (shown.before, shown.after), (SLATE, BLUE))):
        style = {"va": "center", "fontsize": 9, "color": INK, "weight": "bold" if row and run else "normal"}
        axes.text(-0.015, row, name, ha="right", parse_math=False, family=fonts(), **style)
        if share is None:
            axes.text(0.015, row, "?", **style)
            continue
        if run is None:
            axes.barh(row, share, height=0.66, facecolor="white", edgecolor=STONE, hatch="////", linewidth=1)
        else:
            axes.barh(row, share, height=0.66, color=colour)
        note = "  (a stored run)" if run is None and row else ""
        axes.text(share + 0.012, row, f"{share:.1%}{note}", **style)
    tested = [other.after for other in earlier if other.after is not None]
    if tested:
        axes.text(-0.015, 2, "your earlier runs", ha="right", va="center", fontsize=9, color=INK)
        axes.plot(
            tested, [2] * len(tested), "o", color=BLUE, alpha=CLOUD, markersize=5.5, markeredgewidth=0, clip_on=False
        )
    axes.set(xlim=(0, 1), ylim=(2.5 if tested else 1.5, -0.5), yticks=[], xticks=np.linspace(0, 1, 6))
    axes.xaxis.set_major_formatter(lambda share, position: f"{100 * share:.0f}")
    axes.tick_params(labelsize=8, colors=INK)
    axes.set_xlabel("accuracy on test pictures (%)", fontsize=8, color=INK, labelpad=2)
    axes.spines[["top", "right"]].set_visible(False)
