"""The outlines of the pocket world: 24 objects and 8 backdrops, short lists of polygons and lines.

Objects live in the square [-1, 1] x [-1, 1], backdrops in the unit square; x grows to the
right, y downwards. Nothing here knows about colours of scenes or about styles: a shape names a
*role* ("main", "ink", ...) and a style paints it. A function is called like the outline that it
makes, since `OBJECT_SHAPES` and `BACKDROP_SHAPES` take their names from it, and so are the ones
that those are made of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Shape:
    """One outline: points (N, 2), the role of its paint, and a line width (0: a filled polygon)."""

    points: np.ndarray
    role: str = "main"
    width: float = 0.0


def polygon(*points: tuple[float, float], role: str = "main") -> Shape:
    return Shape(np.array(points, dtype=float), role)


def line(*points: tuple[float, float], role: str = "ink", width: float = 0.08) -> Shape:
    return Shape(np.array(points, dtype=float), role, width)


def trace_arc(
    cx: float, cy: float, rx: float, ry: float, start: float = 0, stop: float = 360, n: int = 28
) -> np.ndarray:
    """Points on an ellipse, clockwise from the right.

    Args:
        cx: of the centre.
        cy: of the centre.
        rx: half the width.
        ry: half the height.
        start: the first angle in degrees.
        stop: the last one.
        n: how many.

    Returns:
        (n, 2).
    """
    angle = np.radians(np.linspace(start, stop, n))
    return np.stack([cx + rx * np.cos(angle), cy + ry * np.sin(angle)], axis=1)


def ellipse(cx: float, cy: float, rx: float, ry: float, role: str = "main") -> Shape:
    """A filled ellipse.

    Args:
        cx: of the centre.
        cy: of the centre.
        rx: half the width.
        ry: half the height.
        role: of the paint.
    """
    return Shape(trace_arc(cx, cy, rx, ry, n=22), role)


def arc(
    cx: float,
    cy: float,
    rx: float,
    ry: float,
    start: float,
    stop: float,
    role: str = "ink",
    width: float = 0.08,
) -> Shape:
    """A part of an ellipse's outline.

    Args:
        cx: of the centre.
        cy: of the centre.
        rx: half the width.
        ry: half the height.
        start: the first angle in degrees, clockwise from the right.
        stop: the last one.
        role: of the paint.
        width: of the line.
    """
    return Shape(trace_arc(cx, cy, rx, ry, start, stop, n=14), role, width)


def dome(cx: float, cy: float, rx: float, ry: float, role: str = "main") -> Shape:
    """The upper half of an ellipse, closed along its diameter.

    Args:
        cx: of the centre.
        cy: of the centre.
        rx: half the width.
        ry: half the height.
        role: of the paint.
    """
    return Shape(trace_arc(cx, cy, rx, ry, 180, 360), role)


def box(x0: float, y0: float, x1: float, y1: float, role: str = "main") -> Shape:
    """A filled rectangle.

    Args:
        x0: left.
        y0: top.
        x1: right.
        y1: bottom.
        role: of the paint.
    """
    return polygon((x0, y0), (x1, y0), (x1, y1), (x0, y1), role=role)


def eyes(x: float, y: float, gap: float, size: float = 0.08) -> list[Shape]:
    """Two eyes side by side.

    Args:
        x: of the point between them.
        y: of both.
        gap: from that point to each.
        size: half the width of an eye.
    """
    return [
        ellipse(x - gap, y, size, size * 1.2, "ink"),
        ellipse(x + gap, y, size, size * 1.2, "ink"),
    ]


# --- objects --------------------------------------------------------------------------------------


def cat() -> list[Shape]:
    return [
        line((0.45, 0.8), (0.85, 0.6), (0.8, 0.1), (0.95, -0.1), role="dark", width=0.16),
        ellipse(0, 0.5, 0.52, 0.5),
        polygon((-0.5, -0.92), (-0.12, -0.62), (-0.5, -0.3)),
        polygon((0.5, -0.92), (0.12, -0.62), (0.5, -0.3)),
        ellipse(0, -0.28, 0.54, 0.46),
        ellipse(0, 0.58, 0.26, 0.32, "light"),
        *eyes(0, -0.34, 0.22, 0.1),
        ellipse(-0.19, -0.38, 0.035, 0.04, "white"),
        ellipse(0.25, -0.38, 0.035, 0.04, "white"),
        polygon((-0.07, -0.18), (0.07, -0.18), (0, -0.1), role="ink"),
        arc(-0.09, -0.09, 0.09, 0.08, 0, 180, width=0.035),
        arc(0.09, -0.09, 0.09, 0.08, 0, 180, width=0.035),
        line((-0.7, -0.22), (-0.28, -0.12), width=0.035),
        line((0.7, -0.22), (0.28, -0.12), width=0.035),
        line((-0.7, 0.0), (-0.28, -0.06), width=0.035),
        line((0.7, 0.0), (0.28, -0.06), width=0.035),
    ]


def dog() -> list[Shape]:
    return [
        line((-0.72, 0.1), (-0.95, -0.3), (-0.85, -0.5), role="main", width=0.16),
        box(-0.66, 0.3, -0.42, 0.95, "dark"),
        box(0.16, 0.3, 0.38, 0.95, "dark"),
        box(-0.42, 0.35, -0.2, 0.95),
        box(0.36, 0.3, 0.58, 0.95),
        ellipse(-0.08, 0.2, 0.7, 0.36),
        ellipse(0.52, -0.38, 0.4, 0.38),
        ellipse(0.82, -0.22, 0.2, 0.18, "light"),
        ellipse(0.26, -0.3, 0.17, 0.42, "dark"),
        ellipse(0.96, -0.28, 0.08, 0.08, "ink"),
        ellipse(0.6, -0.46, 0.08, 0.09, "ink"),
    ]


def fish() -> list[Shape]:
    return [
        polygon((0.45, 0), (0.98, -0.5), (0.88, 0), (0.98, 0.5), role="dark"),
        polygon((-0.2, -0.4), (0.15, -0.8), (0.4, -0.3), role="dark"),
        ellipse(-0.15, 0, 0.75, 0.48),
        polygon((-0.05, 0.1), (0.3, 0.42), (0.25, 0.02), role="dark"),
        arc(-0.9, 0, 0.5, 0.5, -52, 52, role="light", width=0.08),
        ellipse(-0.56, -0.12, 0.14, 0.14, "white"),
        ellipse(-0.58, -0.12, 0.07, 0.07, "ink"),
    ]


def bird() -> list[Shape]:
    return [
        line((-0.08, 0.5), (-0.12, 0.95), role="gold", width=0.07),
        line((0.16, 0.5), (0.16, 0.95), role="gold", width=0.07),
        polygon((-0.4, 0.1), (-0.98, -0.15), (-0.85, 0.3), (-0.4, 0.42), role="dark"),
        ellipse(0, 0.15, 0.58, 0.44),
        ellipse(0.42, -0.42, 0.34, 0.33),
        polygon((0.7, -0.52), (1.0, -0.38), (0.7, -0.26), role="gold"),
        polygon((-0.35, -0.05), (0.3, -0.02), (-0.1, 0.42), role="dark"),
        ellipse(0.48, -0.48, 0.08, 0.09, "ink"),
    ]


def butterfly() -> list[Shape]:
    return [
        ellipse(-0.5, -0.38, 0.46, 0.5),
        ellipse(0.5, -0.38, 0.46, 0.5),
        ellipse(-0.4, 0.45, 0.36, 0.42),
        ellipse(0.4, 0.45, 0.36, 0.42),
        ellipse(-0.55, -0.42, 0.2, 0.24, "light"),
        ellipse(0.55, -0.42, 0.2, 0.24, "light"),
        ellipse(-0.42, 0.5, 0.15, 0.17, "dark"),
        ellipse(0.42, 0.5, 0.15, 0.17, "dark"),
        ellipse(0, 0.05, 0.1, 0.62, "ink"),
        line((-0.03, -0.5), (-0.25, -0.95), width=0.05),
        line((0.03, -0.5), (0.25, -0.95), width=0.05),
    ]


def snail() -> list[Shape]:
    spiral = [
        (0.5 - t / 9) * np.array([np.cos(1.15 * t), np.sin(1.15 * t)]) + (-0.12, -0.02)
        for t in np.linspace(0, 4.2, 18)
    ]
    return [
        polygon(
            (-0.95, 0.85),
            (-0.7, 0.5),
            (0.4, 0.5),
            (0.55, -0.1),
            (0.85, -0.1),
            (0.9, 0.6),
            (0.7, 0.85),
            role="light",
        ),
        ellipse(-0.12, 0.02, 0.62, 0.6),
        Shape(np.array(spiral), "dark", 0.1),
        line((0.62, -0.1), (0.52, -0.6), width=0.06),
        line((0.8, -0.1), (0.92, -0.55), width=0.06),
        ellipse(0.52, -0.62, 0.08, 0.08, "ink"),
        ellipse(0.92, -0.58, 0.08, 0.08, "ink"),
    ]


def tree() -> list[Shape]:
    return [
        box(-0.13, 0.2, 0.13, 0.98, "wood"),
        ellipse(-0.4, 0.05, 0.42, 0.38, "dark"),
        ellipse(0.4, 0.05, 0.42, 0.38, "dark"),
        ellipse(0, -0.38, 0.58, 0.56),
        ellipse(-0.15, -0.55, 0.2, 0.16, "light"),
    ]


def flower() -> list[Shape]:
    petals = [
        ellipse(0.42 * np.cos(a), -0.35 + 0.42 * np.sin(a), 0.25, 0.25)
        for a in np.radians(range(0, 360, 60))
    ]
    return [
        line((0, 0), (0.02, 0.98), role="leaf", width=0.1),
        polygon((0, 0.75), (0.5, 0.45), (0.3, 0.8), role="leaf"),
        polygon((0, 0.85), (-0.5, 0.6), (-0.3, 0.92), role="leaf"),
        *petals,
        ellipse(0, -0.35, 0.24, 0.24, "gold"),
    ]


def mushroom() -> list[Shape]:
    return [
        polygon((-0.24, 0.0), (0.24, 0.0), (0.34, 0.92), (-0.34, 0.92), role="white"),
        dome(0, 0.12, 0.92, 0.95),
        ellipse(-0.42, -0.2, 0.16, 0.15, "white"),
        ellipse(0.12, -0.48, 0.18, 0.16, "white"),
        ellipse(0.52, -0.12, 0.14, 0.13, "white"),
    ]


def cactus() -> list[Shape]:
    return [
        line((-0.62, -0.3), (-0.62, 0.18), (-0.1, 0.18), role="main", width=0.26),
        line((0.62, -0.5), (0.62, 0.0), (0.1, 0.0), role="main", width=0.26),
        box(-0.24, -0.7, 0.24, 0.6),
        dome(0, -0.68, 0.24, 0.26),
        line((0, -0.75), (0, 0.5), role="dark", width=0.06),
        line((-0.13, -0.6), (-0.13, 0.5), role="light", width=0.05),
        polygon((-0.46, 0.55), (0.46, 0.55), (0.34, 0.98), (-0.34, 0.98), role="wood"),
    ]


def apple() -> list[Shape]:
    return [
        line((0.02, -0.5), (0.1, -0.9), role="wood", width=0.12),
        polygon((0.1, -0.68), (0.55, -0.98), (0.5, -0.62), role="leaf"),
        Shape(
            np.concatenate(
                [
                    trace_arc(0.3, 0.15, 0.52, 0.68, -125, 90),
                    trace_arc(-0.3, 0.15, 0.52, 0.68, 90, 305),
                ]
            ),
            "main",
        ),
        ellipse(-0.4, -0.1, 0.14, 0.2, "light"),
    ]


def house() -> list[Shape]:
    return [
        box(0.35, -0.85, 0.58, -0.3, "dark"),
        box(-0.68, -0.1, 0.68, 0.92),
        polygon((-0.95, -0.08), (0, -0.92), (0.95, -0.08), role="dark"),
        box(-0.18, 0.35, 0.18, 0.92, "wood"),
        box(-0.54, 0.12, -0.26, 0.42, "white"),
        box(0.26, 0.12, 0.54, 0.42, "white"),
    ]


def car() -> list[Shape]:
    return [
        polygon((-0.5, 0.05), (-0.3, -0.42), (0.35, -0.42), (0.6, 0.05)),
        box(-0.96, 0.0, 0.96, 0.45),
        polygon((-0.36, 0.0), (-0.22, -0.3), (0.0, -0.3), (0.0, 0.0), role="white"),
        polygon((0.08, 0.0), (0.08, -0.3), (0.28, -0.3), (0.44, 0.0), role="white"),
        ellipse(-0.52, 0.46, 0.24, 0.24, "ink"),
        ellipse(0.52, 0.46, 0.24, 0.24, "ink"),
        ellipse(-0.52, 0.46, 0.1, 0.1, "white"),
        ellipse(0.52, 0.46, 0.1, 0.1, "white"),
        ellipse(0.9, 0.15, 0.07, 0.08, "gold"),
    ]


def boat() -> list[Shape]:
    return [
        line((0, -0.95), (0, 0.4), role="wood", width=0.08),
        polygon((0.08, -0.85), (0.72, 0.22), (0.08, 0.22), role="light"),
        polygon((-0.08, -0.6), (-0.58, 0.22), (-0.08, 0.22), role="white"),
        polygon((-0.98, 0.32), (0.98, 0.32), (0.62, 0.9), (-0.62, 0.9)),
        line((-0.85, 0.48), (0.85, 0.48), role="dark", width=0.08),
    ]


def plane() -> list[Shape]:
    return [
        polygon((-0.95, -0.6), (-0.7, -0.6), (-0.4, 0.0), (-0.8, 0.0), role="dark"),
        polygon((-0.1, -0.1), (-0.4, -0.62), (-0.22, -0.62), (0.3, -0.1), role="dark"),
        ellipse(0, 0.05, 0.95, 0.26),
        polygon((0.1, 0.1), (-0.5, 0.8), (-0.25, 0.8), (0.45, 0.1), role="dark"),
        *[ellipse(x, -0.02, 0.06, 0.06, "white") for x in (-0.4, -0.15, 0.1, 0.35)],
        ellipse(0.68, -0.02, 0.12, 0.1, "white"),
    ]


def rocket() -> list[Shape]:
    return [
        polygon((-0.2, 0.55), (0.2, 0.55), (0, 1.0), role="gold"),
        polygon((-0.3, 0.1), (-0.68, 0.72), (-0.25, 0.55), role="dark"),
        polygon((0.3, 0.1), (0.68, 0.72), (0.25, 0.55), role="dark"),
        polygon(
            (0, -1.0),
            (0.24, -0.6),
            (0.34, -0.1),
            (0.28, 0.6),
            (-0.28, 0.6),
            (-0.34, -0.1),
            (-0.24, -0.6),
        ),
        ellipse(0, -0.2, 0.18, 0.18, "white"),
        ellipse(0, -0.2, 0.1, 0.1, "ink"),
    ]


def ball() -> list[Shape]:
    return [
        ellipse(0, 0, 0.85, 0.85),
        Shape(
            np.concatenate(
                [trace_arc(0, 0, 0.28, 0.85, -90, 90), trace_arc(0, 0, 0.1, 0.85, 90, -90)]
            ),
            "white",
        ),
        Shape(
            np.concatenate(
                [trace_arc(0, 0, 0.62, 0.85, 90, 270), trace_arc(0, 0, 0.3, 0.85, 270, 90)]
            ),
            "white",
        ),
        ellipse(0, -0.78, 0.16, 0.07, "dark"),
    ]


def star() -> list[Shape]:
    radius = np.where(np.arange(10) % 2 == 0, 0.98, 0.44)
    angle = np.radians(np.arange(10) * 36 - 90)
    return [
        Shape(np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), "main"),
        *eyes(0, -0.08, 0.16, 0.07),
        arc(0, 0.08, 0.18, 0.14, 20, 160, width=0.06),
    ]


def cup() -> list[Shape]:
    return [
        arc(0.58, 0.22, 0.34, 0.32, -80, 80, role="dark", width=0.14),
        polygon((-0.65, -0.28), (0.6, -0.28), (0.48, 0.88), (-0.52, 0.88)),
        ellipse(-0.02, -0.28, 0.62, 0.14, "wood"),
        line((-0.25, -0.5), (-0.15, -0.68), (-0.28, -0.92), role="gray", width=0.06),
        line((0.15, -0.5), (0.25, -0.68), (0.12, -0.92), role="gray", width=0.06),
    ]


def key() -> list[Shape]:
    return [
        box(-0.2, -0.11, 0.95, 0.11),
        box(0.5, 0.0, 0.64, 0.42),
        box(0.78, 0.0, 0.93, 0.52),
        ellipse(-0.52, 0, 0.44, 0.48),
        ellipse(-0.52, 0, 0.2, 0.22, "white"),
    ]


def umbrella() -> list[Shape]:
    scallops = [dome(x, 0.02, 0.31, 0.16, "dark") for x in (-0.62, 0.0, 0.62)]
    return [
        line((0, -0.95), (0, 0.72), role="ink", width=0.08),
        arc(-0.16, 0.72, 0.16, 0.2, 0, 170, role="ink", width=0.09),
        dome(0, 0.02, 0.94, 0.85),
        *scallops,
        line((-0.31, 0.0), (0, -0.8), (0.31, 0.0), role="light", width=0.05),
    ]


def clock() -> list[Shape]:
    return [
        line((-0.4, 0.6), (-0.62, 0.95), role="ink", width=0.12),
        line((0.4, 0.6), (0.62, 0.95), role="ink", width=0.12),
        ellipse(-0.5, -0.68, 0.27, 0.24, "dark"),
        ellipse(0.5, -0.68, 0.27, 0.24, "dark"),
        ellipse(0, 0.06, 0.74, 0.74),
        ellipse(0, 0.06, 0.52, 0.52, "white"),
        line((0, -0.3), (0, 0.08), (0.26, 0.2), width=0.09),
    ]


def guitar() -> list[Shape]:
    return [
        box(-0.09, -0.85, 0.09, 0.1, "wood"),
        box(-0.17, -1.0, 0.17, -0.76, "dark"),
        ellipse(0, 0.1, 0.4, 0.3),
        ellipse(0, 0.58, 0.54, 0.4),
        ellipse(0, 0.28, 0.15, 0.15, "ink"),
        box(-0.25, 0.64, 0.25, 0.74, "dark"),
        line((0, -0.8), (0, 0.66), role="white", width=0.035),
    ]


def crown() -> list[Shape]:
    return [
        polygon(
            (-0.82, 0.5),
            (-0.95, -0.45),
            (-0.45, 0.0),
            (0, -0.75),
            (0.45, 0.0),
            (0.95, -0.45),
            (0.82, 0.5),
        ),
        box(-0.82, 0.5, 0.82, 0.78, "dark"),
        ellipse(0, -0.78, 0.12, 0.12, "light"),
        ellipse(-0.93, -0.5, 0.11, 0.11, "light"),
        ellipse(0.93, -0.5, 0.11, 0.11, "light"),
        *[ellipse(x, 0.64, 0.08, 0.08, "white") for x in (-0.5, 0.0, 0.5)],
        polygon((0, 0.0), (0.14, 0.2), (0, 0.4), (-0.14, 0.2), role="white"),
    ]


OBJECT_SHAPES: dict[str, Callable[[], list[Shape]]] = {
    f.__name__: f
    for f in (cat, dog, fish, bird, butterfly, snail, tree, flower, mushroom, cactus, apple, house,
              car, boat, plane, rocket, ball, star, cup, key, umbrella, clock, guitar, crown)
}  # fmt: skip


# --- backdrops: the first shape covers the picture, `role` is an "r,g,b" paint --------------------


def hills(rng: np.random.Generator, horizon: float, height: float, role: str) -> Shape:
    """Everything below a wavy line."""
    x = np.linspace(-0.05, 1.05, 16)
    phase, waves = rng.uniform(0, 6.3), rng.uniform(3, 6)
    y = horizon + height * np.sin(waves * x + phase)
    return Shape(np.concatenate([np.stack([x, y], 1), [[1.05, 1.05], [-0.05, 1.05]]]), role)


def scatter(rng: np.random.Generator, n: int, low: float, high: float) -> np.ndarray:
    """Scatter points (n, 2) between two heights, one in each column so that they never clump."""
    return np.stack([(np.arange(n) + rng.uniform(0.1, 0.9, n)) / n, rng.uniform(low, high, n)], 1)


def meadow(rng: np.random.Generator) -> list[Shape]:
    tufts = [
        line((x - 0.015, y), (x - 0.03, y - 0.05), role="44,110,50", width=0.012)
        for x, y in scatter(rng, 9, 0.7, 0.98)
    ]
    blooms = [
        ellipse(x, y, 0.016, 0.016, c)
        for (x, y), c in zip(scatter(rng, 6, 0.7, 0.97), ["255,250,250", "250,225,120"] * 3)
    ]
    cloud = rng.uniform(0.15, 0.75)
    return [
        box(0, 0, 1, 1, "158,214,246"),
        ellipse(cloud, 0.16, 0.11, 0.05, "250,252,255"),
        ellipse(cloud + 0.08, 0.13, 0.09, 0.06, "250,252,255"),
        hills(rng, 0.52, 0.04, "140,200,110"),
        hills(rng, 0.64, 0.03, "104,176,82"),
        *tufts,
        *blooms,
    ]


def beach(rng: np.random.Generator) -> list[Shape]:
    sea = rng.uniform(0.36, 0.42)
    shore = rng.uniform(0.62, 0.67)
    waves = [
        arc(x, y, 0.05, 0.025, 180, 360, role="235,248,255", width=0.012)
        for x, y in scatter(rng, 6, sea + 0.06, shore - 0.05)
    ]
    shells = [ellipse(x, y, 0.014, 0.01, "214,160,110") for x, y in scatter(rng, 5, 0.76, 0.97)]
    return [
        box(0, 0, 1, 1, "178,226,244"),
        ellipse(rng.uniform(0.1, 0.9), 0.14, 0.075, 0.075, "255,226,110"),
        box(-0.05, sea, 1.05, 1.05, "58,146,196"),
        *waves,
        hills(rng, shore, 0.015, "240,216,160"),
        *shells,
    ]


def snow(rng: np.random.Generator) -> list[Shape]:
    peaks = []
    for x in (rng.uniform(0.12, 0.3), rng.uniform(0.6, 0.85)):
        top = rng.uniform(0.14, 0.24)
        peaks.append(polygon((x - 0.3, 0.66), (x, top), (x + 0.3, 0.66), role="128,150,180"))
        peaks.append(
            polygon(
                (x - 0.09, top + 0.15),
                (x, top),
                (x + 0.09, top + 0.15),
                (x, top + 0.1),
                role="250,252,255",
            )
        )
    flakes = [ellipse(x, y, 0.013, 0.013, "255,255,255") for x, y in scatter(rng, 16, 0.02, 0.6)]
    return [
        box(0, 0, 1, 1, "176,196,222"),
        *peaks,
        hills(rng, 0.6, 0.025, "222,232,244"),
        hills(rng, 0.74, 0.02, "240,245,252"),
        *flakes,
    ]


def night(rng: np.random.Generator) -> list[Shape]:
    stars = []
    for x, y in scatter(rng, 12, 0.03, 0.62):
        stars += [
            line((x - 0.017, y), (x + 0.017, y), role="255,244,190", width=0.01),
            line((x, y - 0.017), (x, y + 0.017), role="255,244,190", width=0.01),
        ]
    x = rng.uniform(0.12, 0.88)
    moon = Shape(
        np.concatenate(
            [trace_arc(x, 0.16, 0.1, 0.1, 60, 300), trace_arc(x + 0.05, 0.16, 0.075, 0.08, 300, 60)]
        ),
        "252,240,180",
    )
    return [box(0, 0, 1, 1, "22,26,66"), *stars, moon, hills(rng, 0.76, 0.03, "36,44,84")]


def city(rng: np.random.Generator) -> list[Shape]:
    shapes = [box(0, 0, 1, 1, "216,206,214")]
    paints = ["120,126,148", "150,140,156", "104,112,136", "138,148,166", "126,118,140"]
    for i in range(5):
        x, width, top = i * 0.2 - 0.01, rng.uniform(0.16, 0.21), rng.uniform(0.08, 0.4)
        shapes.append(box(x, top, x + width, 0.78, paints[i]))
        for row in np.arange(top + 0.05, 0.68, 0.11):
            shapes += [
                box(x + 0.03, row, x + 0.07, row + 0.05, "250,232,160"),
                box(x + 0.1, row, x + 0.14, row + 0.05, "250,232,160"),
            ]
    return [
        *shapes,
        box(-0.05, 0.76, 1.05, 1.05, "92,94,104"),
        *[box(x, 0.88, x + 0.1, 0.905, "240,240,235") for x in (0.08, 0.32, 0.56, 0.8)],
    ]


def forest(rng: np.random.Generator) -> list[Shape]:
    shapes = [box(0, 0, 1, 1, "190,216,190")]
    for x, foot in scatter(rng, 6, 0.66, 0.76):
        top = foot - rng.uniform(0.5, 0.62)
        shapes.append(box(x - 0.018, foot - 0.08, x + 0.018, foot + 0.02, "96,66,44"))
        for step in (0.62, 0.34, 0.06):
            y = top + step * (foot - top)
            half = 0.045 + 0.07 * step
            shapes.append(
                polygon((x - half, y + 0.22), (x, y), (x + half, y + 0.22), role="40,104,70")
            )
    return [*shapes, hills(rng, 0.74, 0.015, "88,120,66")]


def desert(rng: np.random.Generator) -> list[Shape]:
    x = rng.uniform(0.2, 0.8)
    pyramids = [
        polygon((x + d - s, 0.62), (x + d, 0.62 - s), (x + d + s, 0.62), role=p)
        for d, s, p in ((-0.2, 0.2, "206,150,84"), (0.12, 0.3, "190,134,72"))
    ]
    return [
        box(0, 0, 1, 1, "252,222,170"),
        ellipse(rng.uniform(0.1, 0.9), 0.15, 0.1, 0.1, "250,170,80"),
        *pyramids,
        hills(rng, 0.58, 0.035, "232,180,104"),
        hills(rng, 0.76, 0.04, "220,160,84"),
    ]


def room(rng: np.random.Generator) -> list[Shape]:
    x = rng.uniform(0.06, 0.6)
    wall = ["236,214,196", "214,224,206", "226,210,226"][rng.integers(3)]
    return [
        box(0, 0, 1, 1, wall),
        box(x, 0.1, x + 0.32, 0.44, "250,250,250"),
        box(x + 0.03, 0.13, x + 0.145, 0.41, "168,212,240"),
        box(x + 0.175, 0.13, x + 0.29, 0.41, "168,212,240"),
        box(-0.05, 0.7, 1.05, 1.05, "178,128,86"),
        box(-0.05, 0.68, 1.05, 0.71, "250,250,248"),
        *[
            line((a, 0.71), (a * 1.4 - 0.2, 1.02), role="148,102,66", width=0.008)
            for a in (0.1, 0.3, 0.5, 0.7, 0.9)
        ],
        ellipse(0.5, 0.88, 0.42, 0.09, "196,92,84"),
    ]


BACKDROP_SHAPES: dict[str, Callable[[np.random.Generator], list[Shape]]] = {
    f.__name__: f for f in (meadow, beach, snow, night, city, forest, desert, room)
}
