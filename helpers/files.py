"""What the course writes to disk, whole or not at all, and where it keeps what can be made again.

Tensors are written as safetensors, which hold numbers and texts and no code:
https://github.com/huggingface/safetensors.
"""

from __future__ import annotations

import os
import pickle
import sys
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from helpers.language import LearnerError, say, tell

# what the repository carries
DATA = Path(__file__).resolve().parents[1] / "data"


def find_cache_folder() -> Path:
    """Find the cache: $COURSE_CACHE, else "ten-vectors" where this system keeps caches.

    It is made if that is possible. Everything in it can be made again: it may be
    deleted at any time.
    """
    given, name = os.environ, "ten-vectors"
    if given.get("COURSE_CACHE"):
        folder = Path(given["COURSE_CACHE"])
    elif sys.platform == "win32":
        folder = Path(given.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / name
    elif sys.platform == "darwin":
        folder = Path.home() / "Library" / "Caches" / name
    else:
        folder = Path(given.get("XDG_CACHE_HOME") or Path.home() / ".cache") / name
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_whole(file: Path, write: Callable[[Path], None]) -> None:
    """Call `write` with a path beside this one, and put that in its place.

    So there is the old file or the new, and never half of one.
    """
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        write(part)
        part.replace(file)
    finally:
        # it is in its place by now, or what went wrong was told already
        with suppress(OSError):
            part.unlink()


def cache_arrays(file: Path, **arrays: np.ndarray) -> None:
    """Write arrays as a compressed npz to the cache; where that is impossible, do nothing."""

    def write(part: Path) -> None:
        with part.open("wb") as archive:
            np.savez_compressed(archive, **arrays)

    with suppress(OSError):
        write_whole(file, write)


def write_tensors(file: Path, tensors: Mapping[str, Tensor], notes: Mapping[str, str]) -> None:
    """Write tensors and texts by name as one safetensors file. Raises OSError if it cannot."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # not save_file, which leaves a file under another name behind when it is killed
    whole = save(plain, dict(notes))
    try:
        write_whole(file, lambda part: part.write_bytes(whole))
    # no folder, no permission, no room
    except OSError as error:
        message = tell("not_written", file=file, error=error)
        raise OSError(message) from error


def read_tensors(file: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors and the texts of a safetensors file.

    Raises FileNotFoundError, or ValueError for a file that is no such thing.
    """
    if not file.is_file():
        raise FileNotFoundError(2, say(en="no such file", zh="没有这个文件"), str(file))
    try:
        with safe_open(file, framework="pt") as archive:
            # copies: what the archive gives is a view of the file, and Windows replaces no
            # file that is looked at
            tensors = {name: archive.get_tensor(name).clone() for name in archive.keys()}
            return tensors, archive.metadata() or {}
    except SafetensorError as error:
        raise LearnerError(key="no_safetensors", file=file, error=error) from error


def is_pickled(file: Path) -> bool:
    """Whether torch.save wrote the file: a zip archive, or of old a pickle with torch's number."""
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        return opened.read(4) in (b"PK\x03\x04", b"\x80\x02\x8a\x0a")


def read_pickled(file: Path) -> dict[str, Any]:
    """Read what is in a file of torch.save: tensors, numbers and texts; no code in it is run.

    Raises ValueError where there is more in it, or it is damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            whole = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise LearnerError(key="pickle_refused", file=file) from error
    # a damaged file makes torch.load raise nearly anything
    except Exception as error:
        raise LearnerError(key="no_torch_file", file=file) from error
    if not isinstance(whole, dict):
        kind = type(whole).__name__
        raise LearnerError(key="no_tensors_by_name", file=file, kind=kind)
    return whole
