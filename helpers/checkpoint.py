"""What was learned, as files: their kind, the models they belong to, and how they are refused.

Nothing here knows the classes that learn; they say what they have learned and which models it was
learned on. No code in a file is ever run (helpers/files.py), and a file is refused before anything
in it is taken over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
import transformers
from torch import Tensor

from helpers.files import read_pickled, read_tensors, write_tensors
from helpers.language import LearnerError, say

# the formats, as they stand in the notes of each file
CONTEXT = "ten-vectors context 1"
CAPTIONER = "ten-vectors captioner 1"
PROMPT = "ten-vectors soft prompt 1"
# what a file holds, in both languages, and what writes it
KINDS = {
    CONTEXT: ("context", "上下文向量", "PromptedCLIP.save"),
    CAPTIONER: ("captioner", "软提示词和投影", "VLMWithSoftPrompt.save"),
    PROMPT: ("soft prompt", "软提示词", "VLMWithSoftPrompt.save_prompt"),
}

# which model of several, in both languages
PARTS = {"": ("", ""), "vision": ("vision ", "视觉"), "language": ("language ", "语言")}

Texts = Mapping[str, str]  # the notes of a file, or what `identify_model` says of a model


class WrongModel(LearnerError):
    """What a file of this `kind` holds was learned on another model than `this`.

    part: which of several models.
    """

    key = "wrong_model"


def write_learned(file: Path, kind: str, tensors: Mapping[str, Tensor], notes: Texts) -> None:
    """Write what was learned as a safetensors file of a few KB.

    Args:
        file: is replaced if it exists.
        kind: `CONTEXT`, `CAPTIONER` or `PROMPT`.
        tensors: all that was learned.
        notes: all that must be known to use it again, such as which models it belongs to.
    """
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    write_tensors(file, tensors, {"format": kind, **notes, "versions": json.dumps(versions)})


def read_learned(file: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read tensors and notes of a file of this kind.

    Raises ValueError for any other file, FileNotFoundError where there is none.
    """
    tensors, notes = read_tensors(file)
    found = notes.get("format")
    if found != kind:
        what, chinese, maker = KINDS[kind]
        en = f"{file} holds no learned {what}: name a file made by {maker}"
        zh = f"{file} 里没有学出来的{chinese}：请指定由 {maker} 写的文件"
        if found in KINDS:
            other = KINDS[found][2].split(".")[1]
            en, zh = f"{en}, and this is one of {other}", f"{zh}，而这是 {other} 写的"
        raise LearnerError(en=en, zh=zh)
    return tensors, notes


def check_models(file: Path, kind: str, notes: Texts, here: Mapping[str, Texts]) -> None:
    """Refuse a file that was learned on other models: the one check of what it belongs to.

    Args:
        file: which file, for the message.
        kind: what kind of file.
        notes: of the file; where several models are named, "models" holds them as JSON.
        here: the models that it is to be loaded onto, by their parts, or one by "".

    Raises:
        WrongModel: fingerprint, width or configuration of a model differ.
        ValueError: the file does not name its models.
    """
    for part, now in here.items():
        try:
            saved = json.loads(notes["models"])[part] if part else notes
            then = {fact: saved[fact] for fact in now}
            settings, ours = json.loads(then["config"]), json.loads(now["config"])
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise LearnerError(key="no_models_named", file=file) from error
        alike = all(then[fact] == now[fact] for fact in ("fingerprint", "width"))
        # what only one knows is of another version of the library
        differs = [name for name in settings if settings[name] != ours.get(name, settings[name])]
        if alike and differs:
            then, now = (
                facts | {"fingerprint": f"{facts['fingerprint']}, {differs[0]} {known[differs[0]]}"}
                for facts, known in ((then, settings), (now, ours))
            )
        if not alike or differs:
            raise WrongModel(kind=KINDS[kind], part=PARTS[part], learned_on=then, this=now)


def check_tensor(
    file: Path, tensors: Mapping[str, Tensor], name: str, *shapes: tuple[int | str, ...]
) -> Tensor:
    """Take the tensor of this name, if it holds finite numbers in one of these shapes.

    "C" and "M" in a shape stand for any size.

    Raises ValueError where it is missing or does not fit.
    """
    tensor = tensors.get(name)
    if not isinstance(tensor, Tensor):
        raise LearnerError(key="no_tensor", file=file, name=name)
    found = tuple(tensor.shape)
    if not any(
        len(found) == len(shape) and all(size in (own, "C", "M") for own, size in zip(found, shape))
        for shape in shapes
    ):
        needed = say(en=" or ", zh=" 或 ").join(str(shape).replace("'", "") for shape in shapes)
        raise LearnerError(key="tensor_shape", file=file, name=name, found=found, needed=needed)
    if not tensor.is_floating_point() or not tensor.float().isfinite().all():
        raise LearnerError(key="tensor_not_finite", file=file, name=name)
    return tensor


def read_seed_file(file: Path, parts: Iterable[str]) -> dict[str, Tensor]:
    """Read the tensors of a torch file of the script behind this course, as "part.name".

    It does not name its models.
    """
    whole, tensors = read_pickled(file), {}
    for part in parts:
        state = whole.get(f"{part}_state_dict")
        if not isinstance(state, dict):
            raise LearnerError(key="no_state_dict", file=file, part=part)
        plain = {name: value for name, value in dict.items(state) if _is_plain(value)}
        tensors |= {f"{part}.{name}": value for name, value in plain.items()}
    return tensors


def _is_plain(value: object) -> bool:
    """Whether it is a tensor with numbers of its own.

    Torch files may also hold sparse, nested, repeated or empty ones.
    """
    return (
        isinstance(value, Tensor)
        and (value.layout, value.device.type) == (torch.strided, "cpu")
        and not (value.is_nested or vars(value))
        and value.untyped_storage().nbytes() >= value.numel() * value.element_size()
    )


def fingerprint_tensors(*tensors: Tensor) -> str:
    """Sixteen letters that tell tensors apart, by all their numbers."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]
