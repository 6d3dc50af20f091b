"""The pocket world: a scene is data; picture, truth and captions are functions of that data.

A `Scene` holds one to three things, a backdrop and a style. `draw` is a pure function of scene and
seed; `list_facts` gives the truth that captions are made from (`language.py`) and scored against;
`map_patches_to_objects` says which thing stands under each patch.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from helpers.language import LearnerError
from pocket.shapes import BACKDROP_SHAPES, OBJECT_SHAPES, Shape
from pocket.styles import STYLE_PAINTERS, Figure, Stage, paint_shapes

OBJECTS: tuple[str, ...] = tuple(OBJECT_SHAPES)
COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 40, 44),
    "orange": (246, 134, 30),
    "yellow": (250, 216, 48),
    "green": (52, 158, 72),
    "blue": (44, 98, 214),
    "purple": (132, 58, 176),
    "pink": (250, 142, 186),
    "brown": (122, 74, 40),
    "gray": (136, 140, 148),
    "white": (246, 246, 248),
}
SIZES: tuple[str, ...] = ("small", "medium", "large")
BACKGROUNDS: tuple[str, ...] = tuple(BACKDROP_SHAPES)
ALL_STYLES: tuple[str, ...] = tuple(STYLE_PAINTERS)
UNSEEN_STYLE = "sepia print"
STYLES: tuple[str, ...] = tuple(s for s in ALL_STYLES if s != UNSEEN_STYLE)
SHOWS_COLOUR: tuple[str, ...] = ("photo", "painting", "mosaic", "neon sign", "cartoon")
PLACES: dict[int, tuple[str, ...]] = {
    1: ("middle",),
    2: ("left", "right"),
    3: ("left", "middle", "right"),
}

# width of a thing as a fraction of the picture, by the number of things: alone it may fill the
# picture
WIDTHS = {1: (0.42, 0.62, 0.85), 2: (0.29, 0.40, 0.56), 3: (0.22, 0.31, 0.42)}
CENTRES = {1: (0.5,), 2: (0.27, 0.73), 3: (0.19, 0.5, 0.81)}


@dataclass(frozen=True)
class Thing:
    """One object of a scene; where it stands follows from its place in the scene."""

    object: str
    colour: str
    size: str = "large"


@dataclass(frozen=True)
class Scene:
    """One to three things, named from left to right, before a backdrop, in a style."""

    things: tuple[Thing, ...]
    background: str = "meadow"
    style: str = "photo"

    def __post_init__(self) -> None:
        if not 1 <= len(self.things) <= 3:
            raise LearnerError(
                en=f"a scene holds one to three things, not {len(self.things)}",
                zh=f"一个场景里有一到三件东西，不能是 {len(self.things)} 件",
            )
        checks = [("background", self.background, BACKGROUNDS), ("style", self.style, ALL_STYLES)]
        for thing in self.things:
            checks += [
                ("object", thing.object, OBJECTS),
                ("colour", thing.colour, tuple(COLOURS)),
                ("size", thing.size, SIZES),
            ]
        for what, value, known in checks:
            if value not in known:
                raise LearnerError(
                    en=f"the pocket world has no {what} {value!r}; it knows {', '.join(known)}",
                    zh=f"口袋世界里没有 {value!r}；这里可以用 {'、'.join(known)}",
                )

    @property
    def places(self) -> tuple[str, ...]:
        """The place of each thing: left, middle or right."""
        return PLACES[len(self.things)]


Fact = tuple[str, ...]


def list_facts(scene: Scene) -> frozenset[Fact]:
    """List all that is true of the scene, such as ("object", "cat") or ("size", "cat", "small").

    Colours count as true only where the style shows them: nobody can see the colour of a blueprint.
    """
    true: set[Fact] = {
        ("style", scene.style),
        ("background", scene.background),
        ("count", str(len(scene.things))),
    }
    for thing, place in zip(scene.things, scene.places):
        true |= {
            ("object", thing.object),
            ("size", thing.object, thing.size),
            ("place", thing.object, place),
        }
        true |= {("any size", thing.size)}
        if scene.style in SHOWS_COLOUR:
            true |= {("colour", thing.object, thing.colour), ("any colour", thing.colour)}
    return frozenset(true)


def list_all_facts() -> list[Fact]:
    """List every fact that a scene in a trained style can have: the labels of the warm-up."""
    places = ("left", "middle", "right")
    return [
        *[("style", s) for s in STYLES],
        *[("background", b) for b in BACKGROUNDS],
        *[("count", str(n)) for n in PLACES],
        *[("object", o) for o in OBJECTS],
        *[("any size", s) for s in SIZES],
        *[("any colour", c) for c in COLOURS],
        *[("size", o, s) for o in OBJECTS for s in SIZES],
        *[("place", o, p) for o in OBJECTS for p in places],
        *[("colour", o, c) for o in OBJECTS for c in COLOURS],
    ]


def make_random_scene(rng: np.random.Generator, **fixed: object) -> Scene:
    """A scene drawn at random; keywords hold parts fixed.

    things: how many (1 to 3; else one in 55 %, two in 33 %); object, colour, size: of the first
    thing; background; style. Objects of one scene differ from each other, and so do their colours.
    """
    n = fixed.get("things") or int(rng.choice([1, 2, 3], p=[0.55, 0.33, 0.12]))

    def choose_distinct(names: tuple[str, ...], first: object) -> list[str]:
        chosen = [str(first)] if first else []
        rest = [name for name in names if name not in chosen]
        return chosen + [rest[i] for i in rng.permutation(len(rest))[: n - len(chosen)]]

    objects, colours = (
        choose_distinct(OBJECTS, fixed.get("object")),
        choose_distinct(tuple(COLOURS), fixed.get("colour")),
    )
    sizes = [SIZES[i] for i in rng.integers(len(SIZES), size=n)]
    sizes[0] = fixed.get("size") or sizes[0]
    order = rng.permutation(n)  # the thing that was held fixed may stand anywhere
    things = tuple(Thing(objects[i], colours[i], sizes[i]) for i in order)
    background = fixed.get("background") or BACKGROUNDS[rng.integers(len(BACKGROUNDS))]
    style = fixed.get("style") or STYLES[rng.integers(len(STYLES))]
    return Scene(things, str(background), str(style))


def make_near_twin(scene: Scene, rng: np.random.Generator) -> Scene:
    """Make a scene that differs in one respect only, so that a model must look closely.

    With several things, two of them exchange their sizes, colours or places; a lone thing
    gets another property.
    """
    things = list(scene.things)
    n = len(things)
    if n > 1:
        i, j = rng.permutation(n)[:2]
        a, b = things[i], things[j]
        swap = rng.integers(3)
        if swap == 0 and a.size != b.size:
            things[i], things[j] = replace(a, size=b.size), replace(b, size=a.size)
        elif swap == 1 and scene.style in SHOWS_COLOUR:
            things[i], things[j] = replace(a, colour=b.colour), replace(b, colour=a.colour)
        else:
            things[i], things[j] = b, a
        return replace(scene, things=tuple(things))
    other = make_random_scene(rng, things=1)
    options = [
        replace(scene, things=(replace(things[0], size=other.things[0].size),)),
        replace(scene, things=(replace(things[0], object=other.things[0].object),)),
        replace(scene, background=other.background),
        replace(scene, style=other.style),
    ]
    if scene.style in SHOWS_COLOUR:
        options.append(replace(scene, things=(replace(things[0], colour=other.things[0].colour),)))
    return options[rng.integers(len(options))]


def set_stage(scene: Scene, seed: int = 0) -> Stage:
    """Say where everything stands: shapes in the unit square, with accidents from the seed."""
    rng = np.random.default_rng(seed)
    n = len(scene.things)
    figures = []
    for thing, x in zip(scene.things, CENTRES[n]):
        width = WIDTHS[n][SIZES.index(thing.size)] * rng.uniform(0.94, 1.06)
        room = max(0.0, (1 - width) / 2 - 0.04)
        x = x + rng.uniform(-1, 1) * (min(room, 0.16) if n == 1 else 0.03)
        y = 0.56 + rng.uniform(-1, 1) * min(room, 0.1)
        y = min(y, 0.97 - width / 2) if width < 0.9 else 0.5
        tilt, side = np.radians(rng.normal(0, 5)), rng.choice([-1, 1])
        turn = np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]]) * (width / 2)
        turn[0] *= side * rng.uniform(0.93, 1.05)
        shapes = [
            Shape(s.points @ turn + (x, y), s.role, s.width * width / 2)
            for s in OBJECT_SHAPES[thing.object]()
        ]
        figures.append(Figure(shapes, COLOURS[thing.colour], (x, y), width))
    return Stage(BACKDROP_SHAPES[scene.background](rng), figures)


def draw(scene: Scene, seed: int = 0, size: int = 256) -> Image.Image:
    """Draw the scene, RGB, size x size pixels; the same seed and size give the same pixels."""
    if size < 16:
        raise LearnerError(
            en=f"a picture needs at least 16 pixels a side, not {size}",
            zh=f"图片每边至少要 16 个像素，不能是 {size}",
        )
    pixels = size * (3 if size <= 96 else 2)
    image = STYLE_PAINTERS[scene.style](
        set_stage(scene, seed), pixels, np.random.default_rng([seed, 1])
    )
    return image.resize((size, size), Image.BOX)


def map_patches_to_objects(
    scene: Scene, seed: int = 0, grid: int = 8, cover: float = 0.35
) -> np.ndarray:
    """Which thing of the scene stands under each patch of its picture.

    Args:
        scene: what is drawn.
        seed: of the drawing.
        grid: patches a side.
        cover: how much of a patch a thing has to cover, as a share.

    Returns:
        (grid, grid) integers: the index of the thing, -1 for none.
    """
    fine = 8
    image = Image.new("L", (grid * fine, grid * fine), 0)
    pen = ImageDraw.Draw(image)
    figures = set_stage(scene, seed).figures
    for index, figure in enumerate(figures, start=1):
        paint_shapes(pen, figure.shapes, grid * fine, lambda s, index=index: index)
    blocks = np.asarray(image).reshape(grid, fine, grid, fine)
    shares = np.stack([(blocks == index).mean((1, 3)) for index in range(1, len(figures) + 1)])
    return np.where(shares.max(0) >= cover, shares.argmax(0), -1)


def compute_drawing_version(*besides: str) -> str:
    """Compute what changes with the code that draws, so that older pictures are not taken for its.

    besides: further modules of this folder on which what is kept depends, such as "tasks.py".
    """
    sources = (
        Path(__file__).with_name(name).read_bytes()
        for name in ("shapes.py", "styles.py", "world.py", *besides)
    )
    return hashlib.sha256(b"".join(sources)).hexdigest()[:8]
