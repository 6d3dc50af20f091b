"""A folder of pictures as somebody might bring it, in a style that no pocket model knows."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from pocket.datasets import draw_or_read
from pocket.tasks import make_style_task
from pocket.world import OBJECTS, UNSEEN_STYLE

CLASS_NAMES = ("bird", "boat", "butterfly", "cat", "cup", "guitar", "house", "key")
EACH = 16  # pictures of a class
SIZE = 128  # pixels a side
SEED = 77  # of scenes that stand in no other lesson


def draw_folder(folder: Path, faults: bool = True) -> Path:
    """Write a folder with a sub-folder for each class, and return it.

    faults: plant some of what goes wrong in folders of pictures.
    """
    for name, pictures in _draw_classes().items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number, picture in enumerate(pictures, start=1):
            picture.save(folder / name / f"{name}-{number:02}.png")
    if faults:
        _plant_faults(folder)
    return folder


def _draw_classes() -> dict[str, list[Image.Image]]:
    """The pictures of each class, and of an umbrella."""
    task = make_style_task(UNSEEN_STYLE)
    wanted = [(OBJECTS.index(name), number) for name in CLASS_NAMES for number in range(EACH)]
    _, images = draw_or_read(
        f"own-folder-{len(wanted)}", lambda: [task.drawing(*one, SEED) for one in wanted], SIZE
    )
    return {
        name: images[EACH * place : EACH * (place + 1)] for place, name in enumerate(CLASS_NAMES)
    }


def _plant_faults(folder: Path) -> None:
    """Plant unreadable files, copies, a picture in two classes, a class of one and one of none."""
    broken = folder / "cup" / "cup-04.png"
    # the card was pulled out too early
    broken.write_bytes(broken.read_bytes()[: broken.stat().st_size // 2])
    # an iPhone's
    (folder / "key" / "IMG_0412.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(1000))
    (folder / "bird" / "bird-05 (1).png").write_bytes(
        (folder / "bird" / "bird-05.png").read_bytes()
    )
    with Image.open(folder / "cat" / "cat-02.png") as cat:
        (folder / "cat" / "shared.jpg").write_bytes(_resave(cat))
    with Image.open(folder / "boat" / "boat-05.png") as boat:
        (folder / "house" / "by_the_sea.jpg").write_bytes(_resave(boat))
    for name in ("umbrella", "new_folder"):
        (folder / name).mkdir(exist_ok=True)
    task = make_style_task(UNSEEN_STYLE)
    task.example(OBJECTS.index("umbrella"), 0, SEED, SIZE).save(
        folder / "umbrella" / "umbrella-01.png"
    )
    (folder / "new_folder" / "Thumbs.db").write_bytes(b"")  # Windows puts it there


def _resave(picture: Image.Image) -> bytes:
    """The picture as messengers send it on: smaller, and saved again as JPEG."""
    buffer = io.BytesIO()
    picture.resize((3 * SIZE // 4, 3 * SIZE // 4), Image.Resampling.LANCZOS).save(
        buffer, format="jpeg", quality=70
    )
    return buffer.getvalue()
