"""What is drawn once and kept outside the tree: where it lies, and when it is too old to be used.

Everything in the cache can be made again: the folder may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np


def cache_folder() -> Path:
    """$COURSE_CACHE if it is set, else "ten-vectors" in the place where this system keeps caches; made if that is possible."""
    if chosen := os.environ.get("COURSE_CACHE"):
        folder = Path(chosen)
    elif sys.platform == "win32":
        folder = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "ten-vectors"
    elif sys.platform == "darwin":
        folder = Path.home() / "Library" / "Caches" / "ten-vectors"
    else:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ten-vectors"
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def drawing_version(*besides: str) -> str:
    """Changes with the code that draws, so that pictures kept from an older world are not taken for this one's.

    besides: further modules of this folder on which what is kept depends, such as "tasks.py".
    """
    sources = (Path(__file__).with_name(name).read_bytes() for name in ("shapes.py", "styles.py", "world.py", *besides))
    return hashlib.sha256(b"".join(sources)).hexdigest()[:8]


def keep(file: Path, **arrays: np.ndarray) -> None:
    """np.savez_compressed that leaves the old file or the new one, never half of one; that nothing can be written is no error."""
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    with suppress(OSError):
        try:
            with part.open("wb") as archive:
                np.savez_compressed(archive, **arrays)
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)
