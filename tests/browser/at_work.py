"""Makes the pictures of the READMEs: lesson 00 in JupyterLab, in the moment when ten vectors have been trained.

    python tests/browser/at_work.py          both languages, in about a minute: docs/at-work.en.png and docs/at-work.zh.png
    python tests/browser/at_work.py zh       one

Needs what the browser tests need. The seconds in the picture are this machine's. The picture carries a fingerprint of the cells that it
shows, so that tests/test_tree.py notices when the lesson has changed since.
"""

from __future__ import annotations

import hashlib
import io
import sys
from pathlib import Path

from PIL import Image, PngImagePlugin

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tools.console import ROOT
from tools.source import read_lessons

BUTTON = {"en": "Train ten vectors", "zh": "训练十个向量"}
DONE = {"en": "Done:", "zh": "完成："}
SCALE, MARGIN, COLOURS, MOST = 1.4, 12, 256, 250_000

SHOWN = ("train", "train-code")  # the cells in the picture


def fingerprint(lang: str) -> str:
    """Sixteen letters that change with the source of the cells in the picture."""
    cells = read_lessons(ROOT)[0].cells
    sources = [cell.source for cell in cells if cell.metadata.id in SHOWN and cell.metadata.lang in ("", lang)]
    return hashlib.sha256("\n".join(sources).encode()).hexdigest()[:16]


def photograph(jupyterlab, browser, lang: str) -> Path:
    """The section of the button, from its heading to the caption under the curves, after a run."""
    source, path = ROOT / "notebooks" / lang / "00_start_here.ipynb", ROOT / "docs" / f"at-work.{lang}.png"
    with jupyterlab.notebook(browser, source, scale=SCALE) as notebook:
        notebook.run_all()
        cell = notebook.cell("train-code")
        cell.get_by_role("button", name=BUTTON[lang]).click()
        cell.get_by_role("status").filter(has_text=DONE[lang]).wait_for(timeout=120_000)
        notebook.page.evaluate(lab.RUN, notebook.index("start-here"))  # the frame of the cell at hand is there now
        heading = notebook.cell("train").bounding_box()
        figure, code = (cell.locator(part).bounding_box() for part in ("figure", ".jp-InputArea"))
        notebook.page.mouse.move(5, 5)
        notebook.page.wait_for_timeout(500)
        clip = {"x": code["x"], "y": heading["y"], "width": code["width"] + MARGIN}
        clip["height"] = figure["y"] + figure["height"] - heading["y"] + MARGIN
        shot = Image.open(io.BytesIO(notebook.page.screenshot(clip=clip))).convert("RGB")
    path.parent.mkdir(exist_ok=True)
    shows = PngImagePlugin.PngInfo()
    shows.add_text("shows", fingerprint(lang))
    shot.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True, pnginfo=shows)
    if path.stat().st_size > MOST:
        raise SystemExit(f"{path} has {path.stat().st_size:,} bytes, more than {MOST:,}: lower SCALE or COLOURS.")
    print(f"{path.relative_to(ROOT)}: {shot.width} × {shot.height}, {path.stat().st_size:,} bytes")
    return path


if __name__ == "__main__":
    import lab  # only here: the fingerprint needs no browser

    with lab.running_lab() as jupyterlab, lab.running_browser() as browser:
        for lang in sys.argv[1:] or BUTTON:
            photograph(jupyterlab, browser, lang)
