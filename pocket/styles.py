"""Nine ways to paint one stage: eight for pretraining, and a ninth that no pocket model sees.

Each style is a function `(stage, pixels, rng) -> Image`, called as `STYLE_PAINTERS` calls it; it
draws larger than asked and the caller shrinks the result, which smooths the edges. Every length is
a fraction of the picture, so that the 64 px picture is the 256 px one made small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter

from pocket.shapes import Shape

Paint = tuple[int, int, int]
FIXED: dict[str, Paint] = {
    "ink": (34, 32, 38),
    "white": (250, 249, 246),
    "gold": (246, 196, 60),
    "leaf": (70, 148, 66),
    "wood": (124, 86, 56),
    "gray": (170, 172, 178),
}


@dataclass(frozen=True)
class Figure:
    """One object on the stage: shapes in picture coordinates, its colour, centre and width."""

    shapes: list[Shape]
    paint: Paint
    centre: tuple[float, float]
    width: float


@dataclass(frozen=True)
class Stage:
    """What every style paints: a backdrop and the figures in front of it, far to near."""

    backdrop: list[Shape]
    figures: list[Figure]


def mix(a: Paint, b: Paint, share: float) -> Paint:
    """a with `share` of b."""
    return tuple(round(x + (y - x) * share) for x, y in zip(a, b))


def choose_paint(role: str, main: Paint = (128, 128, 128)) -> Paint:
    """Choose the colour for a role: a shade of the figure's own, a fixed one, or "r,g,b"."""
    if role == "main":
        return main
    if role == "dark":
        return mix(main, (20, 16, 24), 0.34)
    if role == "light":
        return mix(main, (255, 255, 255), 0.5)
    if role in FIXED:
        return FIXED[role]
    r, g, b = role.split(",")
    return int(r), int(g), int(b)


def paint_shapes(
    draw: ImageDraw.ImageDraw,
    shapes: Iterable[Shape],
    pixels: int,
    paint: Callable[[Shape], Paint | int],
) -> None:
    """Paint each shape.

    Args:
        draw: of the picture.
        shapes: in the unit square.
        pixels: of the picture's side.
        paint: gives a shape its colour; None leaves it out.
    """
    for shape in shapes:
        colour = paint(shape)
        if colour is None:
            continue
        points = (shape.points * pixels).ravel().tolist()
        if shape.width:
            draw.line(points, colour, max(1, round(shape.width * pixels)), joint="curve")
        else:
            draw.polygon(points, colour)


def draw_outlines(
    draw: ImageDraw.ImageDraw, shapes: Iterable[Shape], pixels: int, colour: Paint | int,
    width: float, wobble: float = 0.0, rng: np.random.Generator | None = None,
) -> None:  # fmt: skip
    """Draw the outline of each shape.

    Args:
        draw: of the picture.
        shapes: in the unit square.
        pixels: of the picture's side.
        colour: of the lines.
        width: as a share of the side.
        wobble: shakes every point, as a hand does.
        rng: of the shaking.
    """
    thick = max(1, round(width * pixels))
    for shape in shapes:
        points = shape.points if shape.width else np.concatenate([shape.points, shape.points[:1]])
        if wobble:
            points = points + rng.normal(0, wobble, points.shape)
        draw.line((points * pixels).ravel().tolist(), colour, thick, joint="curve")


def draw_flat(stage: Stage, pixels: int) -> Image.Image:
    """Backdrop and figures in plain colours: what several styles start from."""
    image = Image.new("RGB", (pixels, pixels))
    draw = ImageDraw.Draw(image)
    paint_shapes(draw, stage.backdrop, pixels, lambda s: choose_paint(s.role))
    for figure in stage.figures:
        paint_shapes(draw, figure.shapes, pixels, lambda s: choose_paint(s.role, figure.paint))
    return image


def draw_gradient(pixels: int, start: float, stop: float, horizontal: float = 0.5) -> Image.Image:
    """A grey picture that grows lighter or darker, as a light falls.

    Args:
        pixels: of its side.
        start: its light at the top left, of one.
        stop: its light at the bottom right.
        horizontal: how much of the change goes from left to right; the rest goes downwards.
    """
    ramp = np.linspace(0, 1, pixels, dtype=np.float32)
    light = start + (stop - start) * (horizontal * ramp[None, :] + (1 - horizontal) * ramp[:, None])
    return Image.fromarray((np.clip(light, 0, 1) * 255).astype(np.uint8)).convert("RGB")


def draw_coarse_noise(
    rng: np.random.Generator, cells: int, pixels: int, spread: float, middle: float = 128
) -> Image.Image:
    """Grey blotches, the same at every picture size.

    Args:
        rng: random numbers.
        cells: blotches a side.
        pixels: of the picture's side.
        spread: their standard deviation, of 255.
        middle: their mean.
    """
    grey = np.clip(rng.normal(middle, spread, (cells, cells)), 0, 255).astype(np.uint8)
    return Image.fromarray(grey).resize((pixels, pixels), Image.BICUBIC).convert("RGB")


# --- the eight styles, and the ninth --------------------------------------------------------------


def photo(stage: Stage, pixels: int, rng: np.random.Generator) -> Image.Image:
    """Out-of-focus background, a shadow under each figure, light from the upper left."""
    image = Image.new("RGB", (pixels, pixels))
    paint_shapes(ImageDraw.Draw(image), stage.backdrop, pixels, lambda s: choose_paint(s.role))
    image = image.filter(ImageFilter.GaussianBlur(pixels * 0.008))
    shadow = Image.new("L", image.size, 0)
    draw = ImageDraw.Draw(shadow)
    for figure in stage.figures:
        (x, y), half = figure.centre, figure.width / 2
        box = [x - half * 0.8, y + half * 0.78, x + half * 1.0, y + half * 1.12]
        draw.ellipse([v * pixels for v in box], fill=110)
    image.paste((20, 20, 30), mask=shadow.filter(ImageFilter.GaussianBlur(pixels * 0.018)))
    figures, mask = image.copy(), Image.new("L", image.size, 0)
    draw, mask_draw = ImageDraw.Draw(figures), ImageDraw.Draw(mask)
    for figure in stage.figures:
        paint_shapes(draw, figure.shapes, pixels, lambda s: choose_paint(s.role, figure.paint))
        paint_shapes(mask_draw, figure.shapes, pixels, lambda s: 255)
    # light falls on the figures: the upper left of each is brighter, its lower right darker
    lift = ImageChops.offset(mask, round(pixels * 0.022), round(pixels * 0.022)).filter(
        ImageFilter.GaussianBlur(pixels * 0.02)
    )
    figures = Image.composite(figures, ImageEnhance.Brightness(figures).enhance(1.28), lift)
    drop = ImageChops.offset(mask, -round(pixels * 0.03), -round(pixels * 0.03)).filter(
        ImageFilter.GaussianBlur(pixels * 0.03)
    )
    figures = Image.composite(figures, ImageEnhance.Brightness(figures).enhance(0.7), drop)
    image.paste(figures, mask=mask)
    return ImageChops.multiply(image, draw_gradient(pixels, 1.06, rng.uniform(0.8, 0.9)))


def sketch(stage: Stage, pixels: int, rng: np.random.Generator) -> Image.Image:
    """Pencil on paper: shaky lines, hatching inside the figures, no colour."""
    image = Image.new("L", (pixels, pixels), 246)
    draw = ImageDraw.Draw(image)
    draw_outlines(draw, stage.backdrop[1:], pixels, 178, 0.008, 0.002, rng)
    hatch = Image.new("L", image.size, 255)
    hatch_draw = ImageDraw.Draw(hatch)
    for offset in np.arange(-1, 1, 0.034) + rng.uniform(0, 0.03):
        hatch_draw.line(
            [(offset * pixels, pixels), ((offset + 1) * pixels, 0)],
            fill=178,
            width=max(1, round(pixels * 0.007)),
        )
    tones = {"main": 0, "dark": 120, "ink": 70, "wood": 150, "leaf": 180}
    for figure in stage.figures:
        mask = Image.new("L", image.size, 0)
        paint_shapes(
            ImageDraw.Draw(mask), figure.shapes, pixels, lambda s: 255 if s.role == "main" else 0
        )
        paint_shapes(draw, figure.shapes, pixels, lambda s: tones.get(s.role, 246))
        image.paste(hatch, mask=mask)
        solid = [s for s in figure.shapes if not s.width]
        draw_outlines(draw, solid, pixels, 52, 0.011, 0.0025, rng)
        paint_shapes(draw, [s for s in figure.shapes if s.width], pixels, lambda s: 60)
    return ImageChops.multiply(image.convert("RGB"), Image.new("RGB", image.size, (252, 249, 240)))


def painting(stage: Stage, pixels: int, rng: np.random.Generator) -> Image.Image:
    """Thick brush strokes that carry the colour beneath them, on a rough canvas."""
    base = draw_flat(stage, pixels)
    n = 900
    xy, angle = rng.uniform(0, 1, (n, 2)), rng.normal(0.6, 0.5, n)
    half = np.stack([np.cos(angle), np.sin(angle)], 1) * rng.uniform(0.012, 0.026, (n, 1))
    at = (xy * (pixels - 1)).astype(int)
    tint = (
        np.clip(
            np.asarray(base)[at[:, 1], at[:, 0]]
            + rng.normal(0, 15, (n, 1))
            + rng.normal(0, 7, (n, 3)),
            0,
            255,
        )
        .astype(int)
        .tolist()
    )
    ends = (np.concatenate([xy - half, xy + half], 1) * pixels).tolist()
    draw = ImageDraw.Draw(base)
    for segment, colour in zip(ends, tint):
        draw.line(segment, tuple(colour), max(1, round(pixels * 0.016)))
    canvas = draw_coarse_noise(rng, 40, pixels, 12, 236)
    return ImageEnhance.Color(ImageChops.multiply(base, canvas)).enhance(1.2)


def mosaic(stage: Stage, pixels: int, rng: np.random.Generator) -> Image.Image:
    """Square tiles, each of one colour, with grout between them."""
    tiles = 27
    small = np.asarray(
        draw_flat(stage, tiles * 6).resize((tiles, tiles), Image.BOX), dtype=np.float32
    )
    small = np.clip(small * rng.uniform(0.88, 1.14, (tiles, tiles, 1)), 0, 255).astype(np.uint8)
    image = Image.fromarray(small).resize((pixels, pixels), Image.NEAREST)
    draw = ImageDraw.Draw(image)
    for i in range(tiles + 1):
        at = i * pixels / tiles
        draw.line([(at, 0), (at, pixels)], fill=(88, 82, 78), width=max(1, round(pixels * 0.007)))
        draw.line([(0, at), (pixels, at)], fill=(88, 82, 78), width=max(1, round(pixels * 0.007)))
    return image


def silhouette(stage: Stage, pixels: int, rng: np.random.Generator) -> Image.Image:
    """Black paper shapes with fine cut-outs, before a backdrop in tints of an evening sky."""
    sky = [(252, 190, 130), (246, 170, 160), (236, 196, 120), (214, 178, 210)][rng.integers(4)]
    image = Image.new("RGB", (pixels, pixels))
    draw = ImageDraw.Draw(image)

    def darken(shape: Shape) -> Paint:
        return mix(sky, (70, 44, 78), 0.78 * (1 - sum(choose_paint(shape.role)) / 765))

    paint_shapes(draw, stage.backdrop, pixels, darken)
    for figure in stage.figures:
        paint_shapes(draw, figure.shapes, pixels, lambda s: (18, 14, 22))
        cuts = {"white": (250, 222, 190), "light": (112, 86, 96), "gray": (18, 14, 22)}
        paint_shapes(draw, figure.shapes, pixels, lambda s: cuts.get(s.role))
        inner = [s for s in figure.shapes if s.role in ("dark", "ink") and not s.width]
        draw_outlines(draw, inner, pixels, (132, 100, 104), 0.007)
        paint_shapes(
            draw,
            [s for s in figure.shapes if s.role == "ink" and s.width],
            pixels,
            lambda s: (60, 46, 54),
        )
    return image


def neon_sign(stage: Stage, pixels: int, rng: np.random.Generator) -> Image.Image:
    """Glowing tubes on a dark brick wall: figures in their colour, the backdrop as dim tubes."""
    wall = Image.new("RGB", (pixels, pixels), (20, 15, 27))
    draw = ImageDraw.Draw(wall)
    for row in range(15):
        y = row / 15 * pixels
        draw.line([(0, y), (pixels, y)], fill=(31, 25, 38), width=max(1, round(pixels * 0.006)))
        for column in range(8):
            x = (column + 0.5 * (row % 2)) / 8 * pixels
            draw.line(
                [(x, y), (x, y + pixels / 15)],
                fill=(31, 25, 38),
                width=max(1, round(pixels * 0.006)),
            )
    tubes = Image.new("RGB", wall.size)
    draw = ImageDraw.Draw(tubes)
    for shape in stage.backdrop[1:]:
        draw_outlines(draw, [shape], pixels, mix((0, 0, 0), choose_paint(shape.role), 0.52), 0.008)
    for figure in stage.figures:
        # a figure hides the tubes behind it
        paint_shapes(draw, figure.shapes, pixels, lambda s: (9, 7, 12))
    for figure in stage.figures:
        glow = mix(figure.paint, (255, 255, 255), 0.12)
        for shape in figure.shapes:
            own = shape.role in ("main", "dark", "light", "ink")
            colour = glow if own else mix(choose_paint(shape.role), (0, 0, 0), 0.25)
            draw_outlines(draw, [shape], pixels, colour, 0.017 if own else 0.012)
    halo = tubes.filter(ImageFilter.GaussianBlur(pixels * 0.02))
    return ImageChops.add(ImageChops.add(wall, ImageEnhance.Brightness(halo).enhance(1.3)), tubes)


def blueprint(stage: Stage, pixels: int, rng: np.random.Generator) -> Image.Image:
    """White drawing lines on blue paper with a grid, and a measuring line under each figure."""
    image = Image.new("RGB", (pixels, pixels), (28, 72, 150))
    draw = ImageDraw.Draw(image)
    for i in range(1, 16):
        at = i * pixels / 16
        draw.line([(at, 0), (at, pixels)], fill=(48, 94, 172), width=max(1, round(pixels * 0.004)))
        draw.line([(0, at), (pixels, at)], fill=(48, 94, 172), width=max(1, round(pixels * 0.004)))
    draw_outlines(draw, stage.backdrop[1:], pixels, (118, 158, 214), 0.007)
    white, thin = (240, 246, 255), max(1, round(pixels * 0.007))
    for figure in stage.figures:
        paint_shapes(draw, figure.shapes, pixels, lambda s: (28, 72, 150))
        draw_outlines(draw, figure.shapes, pixels, white, 0.012)
        (x, y), half = figure.centre, figure.width / 2
        low = min(y + half * 1.12, 0.975)
        draw.line(
            [((x - half) * pixels, low * pixels), ((x + half) * pixels, low * pixels)],
            fill=white,
            width=thin,
        )
        for end in (x - half, x + half):
            draw.line(
                [(end * pixels, (low - 0.02) * pixels), (end * pixels, (low + 0.02) * pixels)],
                fill=white,
                width=thin,
            )
    return image


def cartoon(stage: Stage, pixels: int, rng: np.random.Generator) -> Image.Image:
    """Flat bright colours inside thick black outlines."""
    image = ImageEnhance.Color(draw_flat(Stage(stage.backdrop, []), pixels)).enhance(1.35)
    draw = ImageDraw.Draw(image)
    draw_outlines(draw, [s for s in stage.backdrop[1:] if not s.width], pixels, (62, 56, 70), 0.006)
    for figure in stage.figures:
        draw_outlines(draw, figure.shapes, pixels, (16, 14, 20), 0.034)
        for shape in figure.shapes:
            paint_shapes(draw, [shape], pixels, lambda s: choose_paint(s.role, figure.paint))
            if not shape.width:
                draw_outlines(draw, [shape], pixels, (16, 14, 20), 0.011)
    return image


def sepia_print(stage: Stage, pixels: int, rng: np.random.Generator) -> Image.Image:
    """A faded old photograph: soft, brown, dark in the corners; no pocket model knows it."""
    soft = photo(stage, pixels, rng).filter(ImageFilter.GaussianBlur(pixels * 0.006)).convert("L")
    grey = np.asarray(soft, dtype=np.float32)[..., None] / 255
    grey = 0.1 + 0.78 * grey + rng.normal(0, 0.012)
    brown = grey * np.array([242, 206, 154]) + (1 - grey) * np.array([62, 38, 22])
    ramp = np.linspace(-1, 1, pixels, dtype=np.float32)
    corner = np.clip(1.12 - 0.3 * (ramp[None] ** 2 + ramp[:, None] ** 2), 0, 1)[..., None]
    return Image.fromarray((brown * corner).astype(np.uint8))


STYLE_PAINTERS: dict[str, Callable[[Stage, int, np.random.Generator], Image.Image]] = {
    f.__name__.replace("_", " "): f
    for f in (
        photo,
        sketch,
        painting,
        mosaic,
        silhouette,
        neon_sign,
        blueprint,
        cartoon,
        sepia_print,
    )
}
