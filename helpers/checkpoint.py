"""What a captioner learned, as files: all of it, or a soft prompt alone; and how the files of the seed's script are read.

Rests on helpers/files.py: no code in a file is ever run. Whatever does not fit is told before anything is taken over.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import transformers
from torch import Tensor

from helpers.files import is_pickled, read_pickled, read_tensors, write_tensors

if TYPE_CHECKING:
    from helpers.captioner import VisionFeatures, VLMWithSoftPrompt

WHOLE, PROMPT = (
    "ten-vectors captioner 1",
    "ten-vectors soft prompt 1",
)  # the formats, in the notes of each file
MADE_BY = {WHOLE: "save", PROMPT: "save_prompt"}
PARTS = (
    "soft_prompt.prompt_embeddings",
    "vision_projection.weight",
    "vision_projection.bias",
)  # all that learns


def write(model: VLMWithSoftPrompt, file: Path) -> None:
    """Prompt and projection, also where one of them is frozen."""
    write_tensors(
        file,
        {name: model.get_parameter(name) for name in PARTS},
        {"format": WHOLE, **_notes(model)},
    )


def read(model: VLMWithSoftPrompt, file: Path) -> dict[str, Tensor]:
    """The `PARTS` in a file, if this model can take them over; of torch files, which do not name models, only the widths are compared."""
    if is_pickled(file):
        tensors = _seed_tensors(file)
    else:
        tensors, notes = _of_format(file, WHOLE)
        _must_fit(model, file, notes)
    for name in PARTS:
        _must_have(model, file, tensors, name)
    return tensors


def write_prompt(model: VLMWithSoftPrompt, file: Path) -> None:
    """The soft prompt alone, and which projection it was learned beside."""
    notes = {"format": PROMPT, **_notes(model), "projection": _projection(model)}
    write_tensors(file, {"prompt_embeddings": model.soft_prompt.prompt_embeddings}, notes)


def read_prompt(model: VLMWithSoftPrompt, file: Path) -> Tensor:
    """The vectors (M, D) of a prompt's file, if they were learned beside this model's projection."""
    tensors, notes = _of_format(file, PROMPT)
    _must_fit(model, file, notes)
    _must_have(model, file, tensors, "prompt_embeddings")
    then, now = notes.get("projection"), _projection(model)
    if then != now:
        raise ValueError(
            f"{file} was learned beside the projection {then}, and this one is {now}: load that projection first"
        )
    return tensors["prompt_embeddings"]


def learned_from(file: Path) -> tuple[VisionFeatures, int]:
    """Which vision features a whole captioner's file was learned from, and of which layer; of a torch file, the defaults."""
    said = "" if is_pickled(file) else _of_format(file, WHOLE)[1].get("vision_features", "")
    found = re.fullmatch(r"(patches|pooled) of layer (-?\d{1,3})", said)
    return (found[1], int(found[2])) if found else ("patches", -2)


def _notes(model: VLMWithSoftPrompt) -> dict[str, str]:
    return {
        "models": json.dumps(model.models),
        "vision_features": f"{model.vision_features} of layer {model.vision_layer}",
        "versions": json.dumps(
            {"torch": torch.__version__, "transformers": transformers.__version__}
        ),
    }


def _projection(model: VLMWithSoftPrompt) -> str:
    """A fingerprint of the projection."""
    digest = hashlib.sha256()
    for tensor in (model.vision_projection.weight, model.vision_projection.bias):
        digest.update(tensor.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def _of_format(file: Path, wanted: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    tensors, notes = read_tensors(file)
    found = notes.get("format")
    if found != wanted:
        other = f", but one of {MADE_BY[found]}: load it as such" if found in MADE_BY else ""
        raise ValueError(f"{file} is no file of VLMWithSoftPrompt.{MADE_BY[wanted]}{other}")
    return tensors, notes


def _seed_tensors(file: Path) -> dict[str, Tensor]:
    """By our names, the tensors of a file of the script that this course grew from."""
    whole, tensors = read_pickled(file), {}
    for part in ("soft_prompt", "vision_projection"):
        state = whole.get(f"{part}_state_dict")
        if not isinstance(state, dict):
            raise ValueError(f"{file} holds no {part}_state_dict: it is another kind of torch file")
        tensors |= {f"{part}.{name}": value for name, value in dict.items(state) if _plain(value)}
    return tensors


def _plain(value: object) -> bool:
    """Whether it is a tensor with numbers of its own: a torch file may also hold sparse, nested and repeated ones, or none but a shape."""
    return (
        isinstance(value, Tensor)
        and (value.layout, value.device.type, value.is_nested, vars(value))
        == (torch.strided, "cpu", False, {})
        and value.untyped_storage().nbytes() >= value.numel() * value.element_size()
    )


def _must_fit(model: VLMWithSoftPrompt, file: Path, notes: dict[str, str]) -> None:
    """Raises ValueError unless the notes name this model's frozen models and features."""
    for which, now in model.models.items():
        try:
            then = json.loads(notes["models"])[which]
            told = [
                f"{one['model']} (width {one['width']}, fingerprint {one['fingerprint']})"
                for one in (then, now)
            ]
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise ValueError(
                f"{file} does not say which models it was learned with: it is damaged"
            ) from error
        if any(then[fact] != now[fact] for fact in ("fingerprint", "width")):
            raise ValueError(
                f"{file} was learned with the {which} model {told[0]}, and this one is {told[1]}: load it onto the model it knows"
            )
    then, now = notes.get("vision_features"), _notes(model)["vision_features"]
    if then != now:
        raise ValueError(
            f"{file} was learned from {then}, and this model takes {now}: make both alike"
        )


def _must_have(model: VLMWithSoftPrompt, file: Path, tensors: dict[str, Tensor], name: str) -> None:
    """Raises ValueError unless there is this tensor, of finite numbers in the shape that this model takes; a prompt has any length."""
    tensor, prompt = tensors.get(name), model.soft_prompt.prompt_embeddings
    if not isinstance(tensor, Tensor):
        raise ValueError(f"{file} holds no {name}: it is damaged, or another kind of file")
    found = tuple(tensor.shape)
    if name.endswith("prompt_embeddings"):
        fits, wanted = found[1:] == prompt.shape[1:], f"(M, {prompt.shape[1]})"
    else:
        fits, wanted = (
            found == model.get_parameter(name).shape,
            str(tuple(model.get_parameter(name).shape)),
        )
    if not fits:
        raise ValueError(
            f"{file} holds {name} of shape {found}, and these models need {wanted}: load it onto the models it was learned with"
        )
    if not tensor.is_floating_point() or not tensor.float().isfinite().all():
        raise ValueError(
            f"{file} holds a {name} that is not all finite numbers: it is damaged, or its training went wrong"
        )
