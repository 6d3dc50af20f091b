"""Fine-tune a soft prompt on your own pictures: python soft_prompt_finetune.py --data my.json

Alone it shows on the pocket models what it does. What it does stands in finetuning/, the options in
finetuning/options.py.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from finetuning.options import ROOT, print_problem, read_options

PACKAGES = ("torch", "transformers", "accelerate", "tqdm", "psutil", "matplotlib")


def find_packages() -> None:
    """Where the packages are not in this Python, go on in the one that `course.py lab` made."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    python = ROOT / ".venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if missing and python.exists() and Path(sys.prefix).resolve() != python.parents[1].resolve():
        if sys.platform == "win32":
            raise SystemExit(subprocess.run([python, *sys.argv]).returncode)
        os.execv(python, [str(python), *sys.argv])  # so that a signal reaches it
    if missing:
        raise SystemExit(f"not installed: {', '.join(missing)}. python course.py lab installs all that is needed")


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0, 1 where something was wrong, or 128 and the number of the signal that ended it."""
    try:
        config = read_options(sys.argv[1:] if arguments is None else arguments)
    except (ValueError, OSError) as error:
        print_problem(error)
        return 1
    find_packages()
    handler = signal.signal(signal.SIGINT, signal.SIG_DFL)  # while it imports, Ctrl-C ends it without a word
    from finetuning.run import run_config

    signal.signal(signal.SIGINT, handler)
    return run_config(config)


if __name__ == "__main__":
    sys.exit(main())
