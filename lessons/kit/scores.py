"""Pictures beside what CLIP says of them: shares of the score as bars, and guesses under rows of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image
from torch import Tensor

from helpers.language import say
from helpers.notebook import Table
from lessons.kit.explorer import glossed, percent
from lessons.kit.picture import (
    BLUE,
    GREY,
    INK,
    LOCK,
    VERMILION,
    WIDTH,
    Picture,
    axes_at,
    blank,
    finished,
    fonts,
    shorten,
    show_image,
    square,
)


def picture_with_scores(
    image: Image.Image,
    names: Sequence[str],
    scores: Sequence[float],
    *,
    title: str,
    alt: str,
    caption: str = "",
    top: int = 8,
) -> Picture:
    """A picture, and beside it a bar for each of the `top` names with the highest scores.

    scores: (C,) shares of one, one for each name. The highest bar is darker; its label is bold and carries a triangle.
    """
    values = np.asarray(scores, dtype=float)
    if values.shape != (len(names),):
        raise ValueError(f"{len(names)} names need as many scores; these have the shape {values.shape}")
    order = np.argsort(-values, kind="stable")[:top]
    labels = [shorten(name, 34) for name in names]
    room = min(0.22 + 0.078 * max(map(len, labels)), 3.3)  # inches for the longest label
    height = 2.72
    with LOCK:
        figure = blank(height)
        show_image(axes_at(figure, 0.08, 0.08, 2.56, 2.56), image)
        left = 2.85 + room
        tall = 0.24 * len(order)
        bars = axes_at(figure, left, 2.44 - tall, WIDTH - left - 0.62, tall)
        bars.barh(range(len(order)), values[order], color=[BLUE] + [GREY] * (len(order) - 1), height=0.7)
        for row, index in enumerate(order):
            style = {
                "va": "center",
                "fontsize": 9,
                "color": INK,
                "weight": "normal" if row else "bold",
                "parse_math": False,
            }
            label, beside = labels[index] if row else f"▶ {labels[index]}", bars.get_yaxis_transform()
            bars.text(-0.06 / (WIDTH - left - 0.62), row, label, ha="right", family=fonts(), transform=beside, **style)
            bars.annotate(f"{values[index]:.1%}", (values[index], row), (5, 0), textcoords="offset points", **style)
        bars.set(xlim=(0, 1), ylim=(len(order) - 0.5, -0.5), yticks=[], xticks=[0, 1], xticklabels=["0", "100 %"])
        bars.tick_params(labelsize=8, colors=INK)
        bars.set_xlabel("share of the score", fontsize=8, color=INK, labelpad=1)
        bars.spines[["top", "right"]].set_visible(False)
        figure.text(2.85 / WIDTH, 1 - 0.2 / height, title, fontsize=10, color=INK, family=fonts(), parse_math=False)
        return finished(figure, alt, caption)


def pictures_with_guesses(
    images: Sequence[Image.Image],
    labels: Sequence[str],
    guesses: Sequence[str],
    scores: Sequence[float],
    truths: Sequence[str],
    *,
    alt: str,
    caption: str = "",
) -> Picture:
    """Small pictures in rows of five, each under its label and above the model's guess with its share of the score.

    A guess that is the truth has a tick; any other has a cross, and stands in bold.
    """
    if not len(images) == len(labels) == len(guesses) == len(scores) == len(truths):
        found = f"{len(images)} pictures, {len(labels)} labels, {len(guesses)} guesses, {len(scores)} scores, {len(truths)} truths"
        raise ValueError(f"{found}: there must be as many of each")
    side, step = 1.36, WIDTH / 5
    rows = -(-len(images) // 5)
    with LOCK:
        figure = blank(1.92 * rows)
        for i, (image, label, guess, score, truth) in enumerate(zip(images, labels, guesses, scores, truths)):
            row, column = divmod(i, 5)
            axes = axes_at(figure, column * step + 0.06, 1.92 * (rows - row) - 0.24 - side, side, side)
            show_image(axes, image)
            axes.set_title(label, fontsize=9, color=INK, pad=3)
            mark, colour, weight = ("✓", BLUE, "normal") if guess == truth else ("✗", VERMILION, "bold")
            axes.set_xlabel(f"{mark} {guess} {score:.0%}", fontsize=9, color=colour, weight=weight, labelpad=3)
        return finished(figure, alt, caption)


def show_prediction(image: Image.Image, answer: Mapping[str, float], top: int = 6) -> Picture:
    """A picture beside what `PromptedCLIP.predict` says of it: the likeliest classes with their shares."""
    names, shares = list(answer), list(answer.values())
    told = [f"{name} {percent(share, 0)}" for name, share in list(answer.items())[:3]]
    return picture_with_scores(
        square(image, 256),
        names,
        shares,
        title=f"The learned prompt says: {names[0]}",
        alt=say(
            en=f"A picture, and beside it a bar for each of the likeliest classes: {', '.join(told)}.",
            zh=f"一张图，旁边是最可能的几个类别，每个一条：{'、'.join(told)}。",
        ),
        caption=say(
            en="The shares of all classes add up to 100 %. CLIP sees the middle square of the picture.",
            zh="所有类别的得分加起来是 100%。CLIP 看到的是图片正中的方块。"
            + glossed("the learned prompt says 学出来的提示词说", "share of the score 得分占比"),
        ),
        top=top,
    )


def accuracy_table(right: Mapping[str, Tensor]) -> Table:
    """How often each prompt was right. right: for each prompt (N,) booleans."""
    rows = [(name, f"{hits.float().mean():.1%}".replace("%", say(en=" %", zh="%"))) for name, hits in right.items()]
    header = (say(en="prompt", zh="提示词"), say(en="accuracy", zh="准确率"))
    return Table(rows, header, align="right")
