"""Sets of pictures from the pocket world: the caption set, and others drawn on demand.

`python -m pocket.datasets` makes data/captions again. The other sets are drawn from seeds and kept
in the cache folder. Every scene belongs to one split for good, whatever the seed or the set, and no
lone thing is one that pocket CLIP was trained on.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from helpers.files import DATA, cache_arrays, find_cache_folder
from helpers.language import LearnerError
from pocket.language import write_full_caption
from pocket.scenes import make_training_scenes
from pocket.tasks import Task
from pocket.world import (
    BACKGROUNDS,
    SHOWS_COLOUR,
    SIZES,
    Scene,
    Thing,
    compute_drawing_version,
    draw,
    list_facts,
    make_random_scene,
)

SplitName = Literal["train", "validation", "test"]
Drawing = tuple[Scene, int]  # a scene and the seed of its drawing
# called with how many pictures are drawn, and how many it will be
Progress = Callable[[int, int], None]

CAPTIONS = DATA / "captions"
# pixels a side; the processor shrinks them to 64, and not every size survives that (see the card)
CAPTION_SIZE = 96
CAPTION_COUNTS: dict[SplitName, int] = {"train": 400, "validation": 100, "test": 100}
MIX = (0.55, 0.33, 0.12)  # the world's own shares of scenes with one, two and three things


@dataclass(frozen=True)
class Pictures:
    """Pictures of a task, class by class: N images, labels (N,), and each scene with its seed."""

    images: list[Image.Image]
    labels: Tensor
    drawings: list[Drawing]

    @property
    def scenes(self) -> list[Scene]:
        return [scene for scene, _ in self.drawings]


@dataclass(frozen=True)
class Splits:
    """What to learn from, what to choose by, and what to report."""

    train: Pictures
    validation: Pictures
    test: Pictures


@dataclass(frozen=True)
class CaptionedPicture:
    """A picture, what is said of it, and the scene against which that can be scored."""

    image: Image.Image
    text: str
    scene: Scene


# --- which scenes ---------------------------------------------------------------------------------


def find_split(scene: Scene) -> SplitName:
    """Find the one split that a scene may stand in: half of all are for training.

    A quarter each is for validation and test.
    It follows from what can be seen, so that two sketches that differ in a colour nobody sees
    lie in one split; and it goes round with size and background, so that every object has
    scenes in every split.
    """
    shows_colour = scene.style in SHOWS_COLOUR
    what = [(thing.object, thing.colour if shows_colour else "") for thing in scene.things]
    first = zlib.crc32(repr((what, scene.style)).encode())
    turn = first + SIZES.index(scene.things[0].size) + BACKGROUNDS.index(scene.background)
    return ("train", "train", "validation", "test")[turn % 4]


def fits(scene: Scene, split: SplitName) -> bool:
    """Whether the scene belongs to the split, and is no lone thing that training drew.

    Scenes of several things are so many that training drew about one in a thousand; to look for
    those takes seconds.
    """
    return find_split(scene) == split and (
        len(scene.things) > 1 or scene not in make_training_scenes()
    )


def find_fitting_scene(rng: np.random.Generator, split: SplitName, things: int) -> Scene:
    """A random scene of so many things that fits the split."""
    while not fits(scene := make_random_scene(rng, things=things), split):
        pass
    return scene


def list_task_drawings(task: Task, split: SplitName, each: int, seed: int) -> list[Drawing]:
    """List every class's first examples whose scenes fit: fewer shots are the first of more.

    Args:
        task: gives the classes and their scenes.
        split: of which the scenes are to be.
        each: how many of each class.
        seed: of the examples.

    Raises:
        ValueError: a class has too few such scenes.
    """
    chosen: list[Drawing] = []
    for label, name in enumerate(task.class_names):
        examples = (task.drawing(label, index, seed) for index in range(1000 * each))
        mine = list(islice((example for example in examples if fits(example[0], split)), each))
        if len(mine) < each:
            raise LearnerError(
                en=f"{task.name}: only {len(mine)} {split} pictures of {name!r}, not {each}; "
                "ask for fewer",
                zh=f"{task.name}：{split} 里 {name!r} 的图片只有 {len(mine)} 张，不够 {each} 张；"
                "请少要一些",
            )
        chosen += mine
    return chosen


# --- sets drawn on demand, and kept ---------------------------------------------------------------


def draw_few_shot(
    task: Task, shots: int = 8, checks: int = 4, tests: int = 20, seed: int = 0, size: int = 64,
    progress: Progress | None = None,
) -> Splits:  # fmt: skip
    """A task's pictures. The test pictures are the same for every seed.

    Args:
        task: gives the classes and their scenes.
        shots: pictures of each class to learn from.
        checks: pictures of each class to validate on.
        tests: pictures of each class to test on.
        seed: decides which pictures are learned from and validated on.
        size: pixels a side.
        progress: called while each split that is not in the cache is drawn.
    """

    def draw_pictures(split: SplitName, each: int, seed: int) -> Pictures:
        # a task may be the reader's own: its first scenes tell it from an older one of the same
        # name, and what alters the pictures is applied to what was kept
        firsts = [task.drawing(label, 0, seed) for label in range(len(task.class_names))]
        mark = hashlib.sha256(repr((task.name, firsts)).encode()).hexdigest()[:8]
        name = f"{make_slug(task.name)}-{split}-{each}-a-class-seed-{seed}-{mark}"
        drawings, images = draw_or_read(
            name, lambda: list_task_drawings(task, split, each, seed), size, progress
        )
        images = [task.alter(image) for image in images] if task.alter else images
        return Pictures(
            images, torch.arange(len(task.class_names)).repeat_interleave(each), drawings
        )

    return Splits(
        draw_pictures("train", shots, seed),
        draw_pictures("validation", checks, seed),
        draw_pictures("test", tests, 0),
    )


def draw_captioned(
    n: int, seed: int = 0, things: int | None = None, split: SplitName = "train", size: int = 64,
    progress: Progress | None = None,
) -> list[CaptionedPicture]:  # fmt: skip
    """Draw scenes of one split with their full captions; one may come again in another drawing.

    Args:
        n: how many.
        seed: of the scenes and their drawings.
        things: how many in each scene, 1 to 3; by default the world's own mix.
        split: of which the scenes are to be.
        size: pixels a side.
        progress: called while they are drawn.
    """

    def choose() -> list[Drawing]:
        rng = np.random.default_rng(seed)
        counts = [things or int(rng.choice([1, 2, 3], p=MIX)) for _ in range(n)]
        return [
            (find_fitting_scene(rng, split, count), int(rng.integers(2**31))) for count in counts
        ]

    name = f"captioned-{split}-{n}-of-{things or 'any'}-seed-{seed}"
    drawings, images = draw_or_read(name, choose, size, progress)
    return [
        CaptionedPicture(image, write_full_caption(scene), scene)
        for (scene, _), image in zip(drawings, images)
    ]


def draw_or_read(
    name: str, choose: Callable[[], Sequence[Drawing]], size: int, progress: Progress | None = None
) -> tuple[list[Drawing], list[Image.Image]]:
    """Drawings and pictures of a set: read from the cache, or else chosen, drawn and kept there.

    A file that cannot be read, or was drawn by other code, counts as none; where nothing can be
    written, nothing is kept.

    Args:
        name: of the set.
        choose: gives the drawings.
        size: pixels a side.
        progress: called while they are drawn.
    """
    version = compute_drawing_version(
        "tasks.py", "language.py", "words.py", "scenes.py", "datasets.py"
    )
    file = find_cache_folder() / f"{name}-{size}px-{version}.npz"
    try:
        with np.load(file, allow_pickle=False) as kept:
            records = json.loads(kept["scenes"].tobytes())
            drawings = [(read_scene(record), record["seed"]) for record in records]
            return drawings, [Image.fromarray(pixels) for pixels in kept["pixels"]]
    # absent, cut off, or not ours: a broken archive raises whatever its break leads to
    except Exception:
        pass
    drawings, images = list(choose()), []
    for scene, seed in drawings:
        images.append(draw(scene, seed, size))
        if progress and (len(images) % 50 == 0 or len(images) == len(drawings)):
            progress(len(images), len(drawings))
    records = json.dumps([make_scene_record(*drawing) for drawing in drawings]).encode()
    cache_arrays(
        file,
        pixels=np.array([np.asarray(i) for i in images]),
        scenes=np.frombuffer(records, dtype=np.uint8),
    )
    return drawings, images


def make_slug(text: str) -> str:
    """The text as part of a file name."""
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")[:40] or "task"


# --- the caption set ------------------------------------------------------------------------------


def make_scene_record(scene: Scene, seed: int) -> dict:
    """A scene and its drawing seed as JSON holds them; things stand in order from left to right."""
    return {**asdict(scene), "seed": seed}


def read_scene(record: dict) -> Scene:
    """Read an entry of scenes.json; with its seed, at CAPTION_SIZE, it is drawn as it was."""
    return Scene(
        tuple(Thing(**thing) for thing in record["things"]), record["background"], record["style"]
    )


def list_caption_drawings(counts: dict[SplitName, int]) -> dict[SplitName, list[Drawing]]:
    """List so many different scenes for each split, in the world's own mix."""
    rng, taken = np.random.default_rng(2), set()
    chosen: dict[SplitName, list[Drawing]] = {}
    for split, count in counts.items():
        pairs, threes = round(count * MIX[1]), round(count * MIX[2])
        chosen[split] = []
        mixed = [1] * (count - pairs - threes) + [2] * pairs + [3] * threes
        for things in rng.permutation(mixed).tolist():
            while list_facts(scene := find_fitting_scene(rng, split, things)) in taken:
                pass
            taken.add(list_facts(scene))
            chosen[split].append((scene, int(rng.integers(2**31))))
    return chosen


def make_captions(folder: Path = CAPTIONS, counts: dict[SplitName, int] = CAPTION_COUNTS) -> None:
    """Write pictures, one JSON file for each split, and scenes.json.

    The folder is exchanged whole, once all is there.
    The texts are full captions, since only of a text that says everything one can score whether
    anything was left out.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as workshop:
        new, truth = Path(workshop) / "new", {}
        (new / "images").mkdir(parents=True)
        for split, drawings in list_caption_drawings(counts).items():
            entries = []
            for number, (scene, seed) in enumerate(drawings, start=1):
                path = f"images/{split}-{number:04}.png"
                draw(scene, seed, CAPTION_SIZE).save(new / path, optimize=True)
                entries.append({"image_path": path, "text": write_full_caption(scene)})
                truth[path] = make_scene_record(scene, seed)
            write_lines(new / f"{split}.json", "[]", [json.dumps(entry) for entry in entries])
        lines = [f"{json.dumps(path)}: {json.dumps(record)}" for path, record in truth.items()]
        write_lines(new / "scenes.json", "{}", lines)
        if folder.exists():
            if (folder / "README.md").exists():
                shutil.copy(folder / "README.md", new)
            folder.rename(Path(workshop) / "old")
        new.rename(folder)


def write_lines(path: Path, brackets: str, entries: list[str]) -> None:
    """JSON with one entry a line."""
    text = ",\n".join(entries)
    path.write_text(f"{brackets[0]}\n{text}\n{brackets[1]}\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    make_captions()
    total = sum(file.stat().st_size for file in CAPTIONS.rglob("*") if file.is_file())
    print(
        f"{CAPTIONS}: {sum(CAPTION_COUNTS.values())} pictures with captions, {total / 1e6:.2f} MB"
    )
