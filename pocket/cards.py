"""The pictures and numbers of the data cards, made again by `python -m pocket.cards`.

The contact sheet of the world, samples of the caption set, the training curves of both
pocket models, and in each card the table that `python -m pocket.evaluate --json
data/evaluation.json` has measured: no number in a card is typed by hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from helpers.files import DATA
from pocket.world import (
    ALL_STYLES,
    BACKGROUNDS,
    COLOURS,
    OBJECTS,
    Scene,
    Thing,
    draw,
    make_random_scene,
)

CLIP_PARTS = re.compile(
    r"zero-shot|256 px|caption among|linear probe|headroom|planted|permuted|failure"
)


def draw_contact_sheet(columns: int = 8, side: int = 112) -> Image.Image:
    """Draw every object once, as photos, and below them each style with random scenes."""
    rng = np.random.default_rng(11)
    colours = list(COLOURS)
    photos = [
        Scene((Thing(o, colours[i % 10], "large"),), BACKGROUNDS[(i * 3) % 8])
        for i, o in enumerate(OBJECTS)
    ]
    scenes = photos + [
        make_random_scene(rng, style=style) for style in ALL_STYLES for _ in range(columns)
    ]
    label, rows = 18, len(scenes) // columns
    sheet = Image.new("RGB", (columns * side, rows * (side + label)), "white")
    pen = ImageDraw.Draw(sheet)
    for i, scene in enumerate(scenes):
        x, y = i % columns * side, i // columns * (side + label)
        sheet.paste(draw(scene, i, side * 2).resize((side, side), Image.BOX), (x, y + label))
        if i < len(photos):
            pen.text((x + 4, y + 4), OBJECTS[i], fill="black")
        elif i % columns == 0:
            pen.text((x + 4, y + 4), scene.style, fill="black")
    return sheet.quantize(256)


def draw_curves(folder: Path) -> Figure:
    """Loss and hit rate over the steps of each phase, from the folder's training.json."""
    report = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    phases = list(dict.fromkeys(row["phase"] for row in report["history"]))
    figure = Figure(figsize=(4.6 * len(phases), 3), layout="constrained")
    for axes, phase in zip(figure.subplots(1, len(phases), squeeze=False)[0], phases, strict=True):
        rows = [row for row in report["history"] if row["phase"] == phase]
        steps = [row["step"] for row in rows]
        axes.plot(steps, [row["loss"] for row in rows], color="#0072b2")
        axes.set(title=f"phase “{phase}”", xlabel="step", ylabel="loss (nats)", ylim=(0, None))
        rate = next(name for name in rows[0] if name not in ("phase", "step", "loss", "scale"))
        share = axes.twinx()
        share.plot(steps, [row[rate] for row in rows], color="#d55e00", linestyle="--")
        share.set(ylabel=f"{rate} (share, dashed)", ylim=(0, 1))
    return figure


def format_table(rows: list[dict]) -> str:
    """The evaluation as a Markdown table."""
    lines = ["| what | measured | needed |", "|---|---|---|"]
    for row in rows:
        sign = "≤" if row["at_most"] else "≥"
        mark = "" if row["good"] else " **falls short**"
        lines.append(
            f"| {row['what'].strip()} | {row['value']:.1f} {row['unit']}{mark} "
            f"| {sign} {row['bound']:g} |"
        )
    return "\n".join(lines)


def format_samples(folder: Path, count: int = 6) -> str:
    """The first training pictures of a caption set with their texts, as a Markdown table."""
    entries = json.loads((folder / "train.json").read_text(encoding="utf-8"))[:count]
    rows = [f"| ![{entry['text']}]({entry['image_path']}) | {entry['text']} |" for entry in entries]
    return "\n".join(["| picture | text |", "|---|---|", *rows])


def fill_in(card: Path, name: str, text: str) -> None:
    """Replace what stands between the card's two marks of that name."""
    old = card.read_text(encoding="utf-8")
    mark = f"<!-- {name} -->"
    if old.count(mark) != 2:
        raise ValueError(
            f"{card} needs exactly two lines {mark}, around the place that is filled in"
        )
    before, _, after = old.split(mark)
    card.write_text(f"{before}{mark}\n{text}\n{mark}{after}", encoding="utf-8", newline="\n")


def list_fillings() -> Iterator[tuple[Path, str, str]]:
    """List what is filled into each card: the card, the place's name, and the text."""
    captions = DATA / "captions"
    yield captions / "README.md", "samples", format_samples(captions)
    evaluation = json.loads((DATA / "evaluation.json").read_text(encoding="utf-8"))["rows"]
    for name, wanted in (("pocket-clip", True), ("pocket-gpt2", False)):
        card = DATA / name / "README.md"
        report = json.loads(card.with_name("training.json").read_text(encoding="utf-8"))
        settings = ", ".join(f"{key} {value}" for key, value in report["settings"].items())
        how = f"{report['minutes']} minutes on {report['device']}, torch {report['torch']}"
        yield card, "training", f"{how}; {settings}."
        rows = [row for row in evaluation if bool(CLIP_PARTS.search(row["what"])) == wanted]
        yield card, "evaluation", format_table(rows)


def main() -> None:
    draw_contact_sheet().save(DATA / "world" / "contact-sheet.png", optimize=True)
    for name in ("pocket-clip", "pocket-gpt2"):
        draw_curves(DATA / name).savefig(DATA / name / "curves.png", dpi=90)
    for card, name, text in list_fillings():
        fill_in(card, name, text)


if __name__ == "__main__":
    main()
