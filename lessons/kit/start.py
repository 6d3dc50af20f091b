"""The end of each notebook's set-up cell. It is run by its path, so that it can say what is wrong where `helpers` is somebody else's."""

import sys
from pathlib import Path

COURSE = Path(__file__).resolve().parents[2]
PACKAGES = ("helpers", "lessons", "pocket", "finetuning")


def start(lang: str) -> None:
    """Make the course importable, choose the learner's language ("en" or "zh"), and have errors explained in it.

    Raises ImportError where another package of one of our names was imported before.
    """
    for name in PACKAGES:
        other = getattr(sys.modules.get(name), "__file__", None)
        if other and not Path(other).resolve().is_relative_to(COURSE):
            raise ImportError(
                f"a package called {name} that is not the course's was imported before, from {other}: restart the kernel and run this cell first"
                if lang == "en"
                else f"之前已经导入了另一个名叫 {name} 的包（{other}），不是本课程的：请重启内核，先运行这一格"
            )
    sys.path.insert(0, str(COURSE))
    from helpers import notebook
    from lessons.kit import torch_errors

    notebook.start(lang)
    torch_errors.install()
