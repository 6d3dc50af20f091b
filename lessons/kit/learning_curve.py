"""A training as a figure: loss and accuracy over the steps, and what its prompts reach on the test pictures before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from helpers.language import say
from helpers.training import History
from lessons.kit.picture import (
    BLUE,
    CLOUD,
    GREY,
    INK,
    LOCK,
    SLATE,
    STONE,
    Picture,
    add_axes,
    add_title,
    finish,
    make_blank,
    make_halo,
    move_apart,
    plot_column,
)

UNKNOWN = 0.0, 2.0  # limits of the losses as long as there are none; a few-shot training of the course begins within


@dataclass(frozen=True)
class Run:
    """A training, and what the prompts reach, in shares of one."""

    history: History  # its scores are accuracies on the validation pictures
    hand: float  # accuracy of the hand-written prompt on the validation pictures
    before: float  # the same on the test pictures
    after: float | None = None  # accuracy of what was learned on the test pictures; None until it is known


def draw_learning_curve(
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
    height, across = 4.1, max(other.history.steps for other in known)
    stored_curve = None if run is not None and not run.history.evaluations else stored
    with LOCK:
        figure = make_blank(height)
        loss, accuracy = add_axes(figure, 0.62, 1.7, 1.62, 1.86), add_axes(figure, 3.5, 1.7, 2.8, 1.86)
        for axes, low, high, label, heading in (
            (
                loss,
                *_round_limits(_read_columns(known, "loss", "validation_loss"), 1),
                say(en="loss (nats)", zh="损失（nat）"),
                say(en="Loss: lower is better", zh="损失：越低越好"),
            ),
            (
                accuracy,
                *_round_limits(
                    [*_read_columns(known, "validation_score"), *(run.hand for run in known)], 0.2, most=1.0
                ),
                say(en="accuracy (%)", zh="准确率（%）"),
                say(en="Accuracy on validation pictures: higher is better", zh="验证集上的准确率：越高越好"),
            ),
        ):
            axes.set(xlim=(-0.02 * across, across), ylim=(low, high), xticks=np.linspace(0, across, 5).round())
            axes.locator_params(axis="y", nbins=5)
            axes.tick_params(labelsize=8, colors=INK)
            axes.set_xlabel(say(en="training step", zh="训练步数"), fontsize=8, color=INK, labelpad=2)
            axes.set_ylabel(label, fontsize=8, color=INK, labelpad=3)
            axes.set_title(heading, fontsize=9, color=INK, loc="left", pad=5)
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(axis="y", color=GREY, alpha=0.35, linewidth=0.6)
        accuracy.yaxis.set_major_formatter(lambda share, position: f"{100 * share:.0f}")
        for other in earlier:
            plot_column(
                accuracy,
                other.history,
                "validation_score",
                color=BLUE,
                alpha=CLOUD,
                linewidth=0.9,
            )
        for other, look in (
            (stored_curve, {"color": STONE, "linewidth": 1.8}),
            (run, {"color": BLUE, "linewidth": 2.2}),
        ):
            if other is not None:
                plot_column(loss, other.history, "loss", **look)
                plot_column(
                    loss,
                    other.history,
                    "validation_loss",
                    linestyle=(0, (3, 1.5)),
                    **look,
                )
                plot_column(accuracy, other.history, "validation_score", **look)
        _name_curves(loss, accuracy, run, stored_curve, across)
        _ring_kept(loss, accuracy, run or stored_curve)
        hand, ours = known[-1].hand, run or stored
        last = ours.history.evaluations[-1:]
        below = not last or last[0].validation_score >= hand  # its name stands where the curve does not
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
            path_effects=make_halo(),
        )
        _draw_test_accuracies(add_axes(figure, 2.3, 0.46, 4.0, 0.58), run, stored, earlier, prompts)
        add_title(figure, title)
        return finish(figure, alt, caption)


def _read_columns(runs: Sequence[Run], *columns: str) -> list[float]:
    return [number for run in runs for column in columns for number in run.history.column(column)]


def _round_limits(values: Sequence[float], unit: float, most: float = np.inf) -> tuple[float, float]:
    """From below the least to above the greatest of these numbers, in whole units, so that axes seldom move while a curve grows.

    They lie between zero and `most`, and so do the limits.
    """
    if not len(values):
        return UNKNOWN
    low, high = unit * np.floor(min(values) / unit - 0.3), unit * np.ceil(max(values) / unit + 0.3)
    return max(0.0, low), min(most, high)


def _name_curves(loss: Axes, accuracy: Axes, run: Run | None, stored: Run | None, across: int) -> None:
    """Each curve by its name, at its end; the learner's ends in a dot, which is all that one evaluation gives."""
    first = run if run and run.history.evaluations else stored
    if first is None or not first.history.evaluations:
        return
    colour = BLUE if first is run else SLATE
    last = first.history.evaluations[-1]
    ends, names = (
        (last.loss, last.validation_loss),
        (say(en="training", zh="训练集"), say(en="validation", zh="验证集")),
    )
    for y, name, beside in zip(move_apart(ends, 0.13 * np.ptp(loss.get_ylim())), names, ends):
        _write_name(loss, last.step, y, name, colour)
        if first is run:
            loss.plot(last.step, beside, "o", color=BLUE, markersize=4.5, clip_on=False)
    own, other = say(en="your run", zh="你的训练"), say(en="a stored run", zh="存好的一次")
    names = [(last.step, last.validation_score, own if first is run else other, colour)]
    if first is run:
        accuracy.plot(last.step, last.validation_score, "o", color=BLUE, markersize=5.5, clip_on=False)
        if stored is not None and stored.history.evaluations:
            end = stored.history.evaluations[-1]
            names.append((end.step, end.validation_score, other, SLATE))
    heights = [name[1] for name in names]
    if last.step > 0.7 * across:
        heights = move_apart(heights, 0.09 * np.ptp(accuracy.get_ylim()))
    for (x, _, name, colour), y in zip(names, heights):
        _write_name(accuracy, x, y, name, colour)


def _write_name(axes: Axes, x: float, y: float, name: str, colour: str) -> None:
    style = {"fontsize": 8.5, "color": colour, "va": "center", "weight": "bold" if colour == BLUE else "normal"}
    axes.annotate(
        name, (x, y), (7, 0), textcoords="offset points", annotation_clip=False, path_effects=make_halo(), **style
    )


def _ring_kept(loss: Axes, accuracy: Axes, run: Run | None) -> None:
    """A ring around the evaluation with the lowest validation loss, in both diagrams, with its name where there is more room."""
    if run is None or not run.history.evaluations:
        return
    best = run.history.best
    look = {
        "marker": "o",
        "markersize": 11,
        "fillstyle": "none",
        "color": INK,
        "markeredgewidth": 1.3,
        "clip_on": False,
    }
    loss.plot(best.step, best.validation_loss, zorder=5, **look)
    accuracy.plot(best.step, best.validation_score, zorder=5, **look)
    low, high = accuracy.get_ylim()
    up = -1 if best.validation_score > high - 0.15 * (high - low) else 1
    style = {"fontsize": 8.5, "color": INK, "ha": "center", "va": "center", "path_effects": make_halo()}
    accuracy.annotate(
        say(en="kept", zh="留下"),
        (best.step, best.validation_score),
        (0, 13 * up),
        textcoords="offset points",
        annotation_clip=False,
        **style,
    )


def _draw_test_accuracies(
    axes: Axes, run: Run | None, stored: Run | None, earlier: Sequence[Run], prompts: tuple[str, str]
) -> None:
    """The accuracy of both prompts on the test pictures, or a question mark where it is not known yet; earlier runs as dots."""
    shown = run or stored
    for row, (name, share, colour) in enumerate(zip(prompts, (shown.before, shown.after), (SLATE, BLUE))):
        style = {"va": "center", "fontsize": 9, "color": INK, "weight": "bold" if row and run else "normal"}
        axes.text(-0.015, row, name, ha="right", parse_math=False, **style)
        if share is None:
            axes.text(0.015, row, "?", **style)
            continue
        if run is None:
            axes.barh(row, share, height=0.66, facecolor="white", edgecolor=STONE, hatch="////", linewidth=1)
        else:
            axes.barh(row, share, height=0.66, color=colour)
        note = say(en="  (a stored run)", zh="（存好的一次）") if run is None and row else ""
        axes.text(share + 0.012, row, f"{share:.1%}{note}", **style)
    tested = [other.after for other in earlier if other.after is not None]
    if tested:
        mine = say(en="your earlier runs", zh="你之前的训练")
        axes.text(-0.015, 2, mine, ha="right", va="center", fontsize=9, color=INK)
        axes.plot(
            tested, [2] * len(tested), "o", color=BLUE, alpha=CLOUD, markersize=5.5, markeredgewidth=0, clip_on=False
        )
    axes.set(xlim=(0, 1), ylim=(2.5 if tested else 1.5, -0.5), yticks=[], xticks=np.linspace(0, 1, 6))
    axes.xaxis.set_major_formatter(lambda share, position: f"{100 * share:.0f}")
    axes.tick_params(labelsize=8, colors=INK)
    axes.set_xlabel(
        say(en="accuracy on test pictures (%)", zh="测试集上的准确率（%）"), fontsize=8, color=INK, labelpad=2
    )
    axes.spines[["top", "right"]].set_visible(False)
