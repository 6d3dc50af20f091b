"""How a notebook begins: its set-up cell runs this file by its path, for nothing of the course can be imported before; and the doctor.

So the course's own modules are imported inside the functions.
"""

import sys
from pathlib import Path
from typing import Any

COURSE = Path(__file__).resolve().parents[2]
PACKAGES = ("helpers", "lessons", "pocket", "finetuning", "tools")


def start(lang: str) -> None:
    """Make the course importable, choose the learner's language ("en" or "zh"), and have errors explained in it.

    Raises ImportError where another package of one of our names was imported before.
    """
    for name in PACKAGES:
        if other := find_other_package(name):
            raise ImportError(
                f"之前已经从 {other} 导入了另一个名叫 {name} 的包，不是本课程的：请重启内核，先运行这一格。"
                if lang == "zh"
                else f"Another package called {name} was imported before, from {other}: restart the kernel, and run this cell first."
            )
    # first, so that ours win over any other of these names
    sys.path[:] = [str(COURSE), *(place for place in sys.path if place != str(COURSE))]
    from helpers import notebook
    from lessons.kit import torch_errors

    notebook.set_up(lang)
    torch_errors.install_handler()


def find_other_package(name: str) -> str:
    """Where a package of this name was imported from, if that is not the course; else ""."""
    module = sys.modules.get(name)
    # a folder without __init__.py is a package as well, and has no __file__
    places = [getattr(module, "__file__", None) or "", *getattr(module, "__path__", ())]
    others = [place for place in places if place and not Path(place).resolve().is_relative_to(COURSE / name)]
    return others[0] if others else ""


def show_doctor() -> Any:
    """The table of `python course.py doctor` for the Python that runs this notebook: folded if all is well, else what is not first."""
    from helpers.language import say
    from helpers.notebook import Table
    from tools.doctor import list_checks

    checks = sorted(list_checks(lambda en, zh: say(en=en, zh=zh)), key=lambda row: row.ok)
    rows = [("✓" if c.ok else "✗", c.what, c.found if c.ok else f"{c.found} → {c.advice}") for c in checks]
    well = say(en=f"✓ Everything is here: {len(rows)} checks.", zh=f"✓ 一切就绪：共检查 {len(rows)} 项。")
    return Table(rows, folded_under=well if checks[0].ok else "")
