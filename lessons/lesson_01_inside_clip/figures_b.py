"""The figures of lesson 01b, a row a position: what GPT-2 expects next, where a head looks, and what each layer's vectors say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from helpers.language import say
from lessons.kit.explorer import format_percent
from lessons.kit.picture import (
    BLUE,
    GREY,
    INK,
    LOCK,
    SLATE,
    TINT,
    WIDTH,
    Picture,
    add_axes,
    add_page,
    add_text,
    choose_letter_colour,
    finish,
    make_blank,
    make_rectangle,
    measure_letters,
    shorten,
)
from lessons.lesson_01_inside_clip.explorers_b.shared import Guesses

ROW = 0.24  # inches
NAMES = 1.5  # inches from the left edge, where the tokens end
LONGEST = 13  # letters of a token
LEAST_WRITTEN = 0.05  # attention weights below this one have no number


def draw_places(
    tokens: Sequence[str], guesses: Guesses, chosen: int, *, title: str, alt: str, caption: str = ""
) -> Picture:
    """A row for each position: its token, the likeliest next one as a bar, and the one that follows; beside them the chosen one's rivals.

    A ✓ stands where the two agree.
    """
    rows = max(len(tokens), len(guesses.names[0]))
    low = 0.3
    top = low + rows * ROW
    bar, room, true = NAMES + 0.25, 0.9, 4.0
    with LOCK:
        figure = make_blank(top + 0.75)
        page = add_page(figure, title)
        _name_rows(page, tokens, top, chosen, 4.75)
        for x, words, side in (
            (NAMES, say(en="it has read", zh="读到"), "right"),
            (bar, say(en="it expects next", zh="预测的下一个"), "left"),
            (true, say(en="what follows", zh="实际的下一个"), "left"),
        ):
            add_text(page, x, top + 0.14, words, 8, color=SLATE, ha=side)
        for row, (names, shares) in enumerate(zip(guesses.names, guesses.shares)):
            y = top - (row + 0.5) * ROW
            page.add_patch(make_rectangle(bar, bar + room * shares[0], y - 0.08, y + 0.08, facecolor=BLUE))
            beside = f"{shorten(names[0], LONGEST)} {format_percent(shares[0], 0)}"
            add_text(page, bar + room * shares[0] + 0.06, y, beside, 8.5)
            if row + 1 < len(tokens):
                agree = names[0] == tokens[row + 1]
                add_text(page, true, y, shorten(tokens[row + 1], 9) + " ✓" * agree, 8.5, color=BLUE if agree else INK)
        _draw_rivals(page, guesses.names[chosen], guesses.shares[chosen], top, chosen)
        return finish(figure, alt, caption)


def _draw_rivals(page: Axes, names: Sequence[str], shares: Sequence[float], top: float, chosen: int) -> None:
    """The likeliest next tokens at one position, a bar each, at the right edge."""
    left, room = 5.95, 0.85
    after = say(en=f"after position {chosen}", zh=f"位置 {chosen} 之后")
    add_text(page, WIDTH - 0.1, top + 0.14, after, 8, color=SLATE, ha="right")
    for row, (name, share) in enumerate(zip(names, shares)):
        y = top - (row + 0.5) * ROW
        style = {"weight": "normal" if row else "bold"}
        add_text(page, left - 0.06, y, ("" if row else "▶ ") + shorten(name, LONGEST), 8.5, ha="right", **style)
        colour = GREY if row else BLUE
        page.add_patch(make_rectangle(left, left + room * share, y - 0.08, y + 0.08, facecolor=colour))
        add_text(page, left + room * share + 0.05, y, format_percent(share), 8.5, **style)


def draw_head(
    tokens: Sequence[str],
    weights: np.ndarray,
    guesses: Guesses,
    *,
    masked: bool,
    title: str,
    alt: str,
    caption: str = "",
) -> Picture:
    """Attention weights (T, T) as a grid, a row for each position that looks, and beside each row the token expected next."""
    length = len(tokens)
    left, expects = NAMES + 0.1, 5.95
    cell = min(0.36, (expects - 0.15 - left) / length)
    low, named = 0.12, 0.078 * min(LONGEST, max(map(measure_letters, tokens)))
    top, right = low + length * ROW, left + length * cell
    with LOCK:
        figure = make_blank(top + named + 0.62)
        page = add_page(figure, title)
        _name_rows(page, tokens, top)
        add_text(page, expects, top + 0.14, say(en="expects next", zh="预测的下一个"), 8, color=SLATE)
        looks, looked_at = say(en="who looks ↓", zh="谁在看 ↓"), say(en="at whom →", zh="看谁 →")
        add_text(page, NAMES, top + 0.14, looks, 8, color=SLATE, ha="right")
        add_text(page, NAMES, top + 0.34, looked_at, 8, color=SLATE, ha="right")
        for column, token in enumerate(tokens):
            x = left + (column + 0.5) * cell
            add_text(page, x, top + 0.06, shorten(token, LONGEST), 8, ha="center", va="bottom", rotation=90)
        if masked:
            hatched = {"facecolor": "white", "edgecolor": GREY, "hatch": "/////", "linewidth": 0}
            page.add_patch(make_rectangle(left, right, low, top, **hatched))
        for row in range(length):
            y = top - (row + 0.5) * ROW
            for column in range(row + 1 if masked else length):
                share = float(weights[row, column])
                x, colour = left + column * cell, _shade(share)
                box = x, x + cell, y - ROW / 2, y + ROW / 2
                page.add_patch(make_rectangle(*box, facecolor=colour, edgecolor=GREY, linewidth=0.5))
                if share >= LEAST_WRITTEN:
                    style = {"ha": "center", "color": choose_letter_colour(colour)}
                    add_text(page, x + cell / 2, y, f"{100 * share:.0f}", 6.5, **style)
            name, share = guesses.names[row][0], guesses.shares[row][0]
            agree = row + 1 < length and name == tokens[row + 1]
            words = f"{shorten(name, 11)} {format_percent(share, 0)}" + " ✓" * agree
            add_text(page, expects, y, words, 8.5, color=BLUE if agree else INK)
        return finish(figure, alt, caption)


def draw_lens(
    tokens: Sequence[str],
    columns: Sequence[int],
    guesses: Sequence[Guesses],
    chosen: int,
    final: Sequence[float],
    *,
    title: str,
    alt: str,
    caption: str = "",
) -> Picture:
    """A grid of the tokens that the head finds likeliest, a row a position, a column a layer; beneath, a curve of one of them.

    Args:
        tokens: of the T positions.
        columns: the layers that are shown, 0 for what enters the first.
        guesses: of each of these columns.
        chosen: the position that is framed.
        final: (L + 1,) how probable the last column's token is at the chosen position, after each layer.
        title, alt, caption: as of every figure.
    """
    left, low = NAMES + 0.1, 1.7
    width = (WIDTH - 0.12 - left) / len(columns)
    top = low + len(tokens) * ROW
    longest = int((width - 0.36) / 0.075)
    with LOCK:
        figure = make_blank(top + 0.72)
        page = add_page(figure, title)
        _name_rows(page, tokens, top, chosen, left)
        for number, (layer, guess) in enumerate(zip(columns, guesses)):
            x = left + number * width
            name = say(en=f"after layer {layer}", zh=f"第 {layer} 层之后") if layer else say(en="enters", zh="进来时")
            add_text(page, x + width / 2, top + 0.14, name, 8, color=SLATE, ha="center")
            for row, ((token,), (share,)) in enumerate(zip(guess.names, guess.shares)):
                y, colour = top - (row + 0.5) * ROW, _shade(share)
                box = x, x + width, y - ROW / 2, y + ROW / 2
                page.add_patch(make_rectangle(*box, facecolor=colour, edgecolor="white", linewidth=0.8))
                style = {"weight": "bold" if token == guesses[-1].names[row][0] else "normal", "ha": "center"}
                words = f"{shorten(token, longest)} {100 * share:.0f}"
                add_text(page, x + width / 2, y, words, 8, color=choose_letter_colour(colour), **style)
        y = top - (chosen + 0.5) * ROW
        frame = left, WIDTH - 0.12, y - ROW / 2, y + ROW / 2
        page.add_patch(make_rectangle(*frame, edgecolor=INK, linewidth=1.8))
        curve = add_axes(figure, left + width / 2, 0.5, WIDTH - 0.12 - left - width, 0.9)
        curve.plot(range(len(final)), final, color=BLUE, linewidth=2, marker="o", markersize=5, clip_on=False)
        ends = ["0", say(en="100 %", zh="100%")]
        curve.set(ylim=(0, 1), yticks=[0, 1], yticklabels=ends, xlim=(0, len(final) - 1), xticks=columns)
        curve.tick_params(labelsize=8, colors=INK)
        curve.spines[["top", "right"]].set_visible(False)
        curve.set_xlabel(say(en="layers gone through", zh="经过的层数"), fontsize=8, color=INK, labelpad=1)
        last = shorten(guesses[-1].names[chosen][0], LONGEST)
        of = say(en=f"“{last}” at\nposition {chosen}:\nits probability", zh=f"位置 {chosen} 上\n“{last}”的概率")
        add_text(page, NAMES, 0.95, of, 8, ha="right")
        return finish(figure, alt, caption)


def _name_rows(page: Axes, tokens: Sequence[str], top: float, chosen: int | None = None, right: float = 0) -> None:
    """Number and token of each position; the chosen row is tinted as far as `right` and has a triangle."""
    for row, token in enumerate(tokens):
        y, style = top - (row + 0.5) * ROW, {"ha": "right", "weight": "bold" if row == chosen else "normal"}
        if row == chosen:
            tinted = 0.06, right, y - ROW / 2, y + ROW / 2
            page.add_patch(make_rectangle(*tinted, facecolor=TINT, zorder=-1))
            add_text(page, 0.1, y, "▶", 8)
        add_text(page, 0.5, y, str(row), 7, color=SLATE, ha="right")
        add_text(page, NAMES, y, shorten(token, LONGEST), 8.5, **style)


def _shade(share: float) -> tuple[float, ...]:
    """From white, for 0, to blue, for 1."""
    return tuple(1 - share * (1 - part) for part in to_rgb(BLUE))
