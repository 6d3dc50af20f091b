"""The command line of soft_prompt_finetune.py becomes one `RunConfig`; nothing heavy is imported.

A value is what was given, else what the run that is gone on with remembers, else the
preset's, else the default.
"""

from __future__ import annotations

import argparse
import math
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetuning.folder import CHECKPOINT, find_folder, find_last, recall_settings
from helpers.language import LearnerError

SCRIPT = "soft_prompt_finetune.py"
ROOT = Path(__file__).resolve().parents[1]
RUNS = ROOT / "work" / "runs"
CAPTIONS = ROOT / "data" / "captions"

SEED = {
    "vision_model_name": "openai/clip-vit-base-patch32",
    "language_model_name": "gpt2",
    "prompt_length": 10,
    "learning_rate": 1e-4,
    "num_epochs": 3,
    "batch_size": 2,
    "max_length": 128,
    "init": "random",
    "vision_features": "patches",
}
POCKET = {
    "vision_model_name": "pocket",
    "language_model_name": "pocket",
    "learning_rate": 3e-3,
    "num_epochs": 8,
    "batch_size": 8,
    # helpers.captioner.DESCRIBE, which would import torch
    "init": "describe what you see: write a caption for the picture:",
}
PRESETS = {"pocket": SEED | POCKET, "seed": SEED}
DEFAULTS = {  # no preset says anything of these
    "data": CAPTIONS / "train.json",
    "validation": None,
    "allow_outside": False,
    "gradient_accumulation": 1,
    "precision": "fp32",
    "seed": 0,
}
REMEMBERED = (*SEED, *DEFAULTS)  # by a run
MODELS = ("vision_model_name", "language_model_name", "precision")
EXAMPLES = ("data", "validation", "seed")


@dataclass(frozen=True)
class RunConfig:
    """All that a run must know; what `read_options` makes of the command line."""

    # what learns, and how
    vision_model_name: str
    language_model_name: str
    vision_features: str
    prompt_length: int
    init: str
    learning_rate: float
    num_epochs: int
    batch_size: int
    gradient_accumulation: int
    max_length: int
    precision: str
    seed: int
    # what it learns from
    data: Path
    validation: Path | None
    allow_outside: bool
    # what is done, and where
    folder: Path | None  # of the training; None where nothing is learned
    new_folder: bool  # whether it is the next number in work/runs
    resume: bool
    checkpoint: Path | None  # to evaluate, or to describe pictures with
    pictures: tuple[Path, ...]  # to describe
    preset: str
    given: frozenset[str]  # names of the values that stand on the command line
    # no options, but not the same in every test
    evaluations: int = 20  # on the validation captions in one training
    max_grad_norm: float | None = 1.0

    @property
    def validation_file(self) -> Path | None:
        """The file to validate on: as named, else the course's own for the course's pictures."""
        if self.validation is None and self.data.resolve() == DEFAULTS["data"]:
            return CAPTIONS / "validation.json"
        return self.validation

    def settings(self) -> dict[str, Any]:
        """List what a run remembers, with paths from any folder."""
        values = {name: getattr(self, name) for name in REMEMBERED}
        for name in ("vision_model_name", "language_model_name", "data", "validation"):
            if values[name] not in (None, "pocket") and Path(values[name]).exists():
                values[name] = str(Path(values[name]).resolve())
        return values

    def describe_preset(self) -> str:
        """Describe the preset: its values, the seed's where they differ, and which were given."""
        lines = [f"Preset {self.preset}:"]
        for name, seed in SEED.items():
            value = getattr(self, name)
            notes = ["given"] if name in self.given else []
            notes += [f"in the preset seed {seed}"] if value != seed else []
            told = f"  ({', '.join(notes)})" if notes else ""
            lines.append(f"    --{name} {shlex.quote(str(value))}{told}")
        return "\n".join(lines)


def read_options(arguments: Sequence[str], runs: Path = RUNS) -> RunConfig:
    """What is asked for. Wrong arguments end the program as argparse does.

    runs: where the runs without --output are. Raises ValueError where the folder of the run is none
    to learn in, or to go on with.
    """
    given = parse_arguments(arguments)
    task = {name: given.pop(name, None) for name in ("output", "resume", "evaluate", "generate")}
    asked, folder, checkpoint = given.pop("preset", None), None, None
    if task["evaluate"] or task["generate"]:
        place = task["evaluate"] or (task["output"] or find_last(runs, CHECKPOINT)).absolute()
        checkpoint = place / CHECKPOINT if place.is_dir() else place
        names = MODELS if task["generate"] else (*MODELS, *EXAMPLES)
        remembered = read_settings(checkpoint.parent, names)
    else:
        folder = find_folder(task["output"], bool(task["resume"]), runs)
        remembered = read_settings(folder, REMEMBERED) if task["resume"] else {}
        if task["resume"] and not remembered and "data" not in given:
            raise LearnerError(
                en=f"{folder} does not say any more what its training was asked for: "
                "give --data and all other options again as they were",
                zh=f"{folder} 里已经查不到这次训练当时的选项：请把 --data 和其他选项照原样再给一遍",
            )
    known = remembered | given
    named = {known.get(name, "pocket") for name in MODELS[:2]} != {"pocket"}
    preset = asked or ("seed" if named else "pocket")
    # who names one model has not asked for the other one from the hub
    models = {} if asked else dict.fromkeys(MODELS[:2], "pocket")
    return RunConfig(
        **(DEFAULTS | PRESETS[preset] | models | known),
        folder=folder,
        new_folder=task["output"] is None and not task["resume"],
        resume=bool(task["resume"]),
        checkpoint=checkpoint,
        pictures=tuple(task["generate"] or ()),
        preset=preset,
        given=frozenset(given),
    )


# fmt: off
def parse_arguments(arguments: Sequence[str]) -> dict[str, Any]:
    """The values that were given, by their names, and no others."""
    parser = argparse.ArgumentParser(
        prog=SCRIPT,
        argument_default=argparse.SUPPRESS,
        description="Fine-tune a soft prompt and a projection that make a frozen language model "
        "describe your pictures.",
        epilog="On several processes: "
        "torchrun --standalone --nproc_per_node=2 soft_prompt_finetune.py …",
    )

    def add(*names: str, help: str, **more: Any) -> None:
        if (name := names[0][2:]) in SEED:
            values = [f"{preset}: {PRESETS[preset][name]}" for preset in PRESETS]
            help += f" ({', '.join(values)})"
        parser.add_argument(*names, help=help, **more)

    add("--preset", choices=PRESETS,
        help="where values come from that you do not give: pocket, the small models of the course, "
        "is the default; seed has the real CLIP and GPT-2, fetched from the hub; where you name a "
        "model, the other stays the pocket one and the rest is the seed's")
    add("--data", type=Path, metavar="JSON",
        help='a list of {"image_path": "cat.jpg", "text": "a cat."}; '
        "paths are relative to the JSON file")
    add("--validation", type=Path, metavar="JSON",
        help="the same, to choose by; without it a tenth of the pictures in --data")
    add("--allow_outside", "--allow-outside", action="store_true",
        help="pictures may lie outside the folder of the JSON file")
    add("--output", type=Path, metavar="DIR",
        help="folder for what is learned; without it a new one in work/runs")
    add("--resume", action="store_true",
        help="go on with the training in --output; without it with the last in work/runs")
    add("--evaluate", type=Path, metavar="CHECKPOINT",
        help="learn nothing: show what this file, or the one in this folder, is worth on "
        "what it was validated on, or on --validation, or on --data")
    add("--generate", type=Path, nargs="+", metavar="PICTURE",
        help="learn nothing: describe pictures, with the checkpoint of --evaluate or of --output")
    add("--vision_model_name", metavar="NAME", help="pocket, a folder, or a name on the hub")
    add("--language_model_name", metavar="NAME",
        help="the same, or smollm2 once python course.py models smollm2 has fetched it")
    add("--vision_features", choices=("patches", "pooled"),
        help="all patches of a picture, or one vector")
    add("--prompt_length", type=_read_whole_from(0), metavar="M", help="vectors in the soft prompt")
    add("--init", metavar="WORDS",
        help="what the soft prompt begins as: random, vocabulary, or words of yours")
    add("--learning_rate", type=_read_positive, metavar="RATE", help="at its highest")
    add("--num_epochs", type=_read_whole_from(1), metavar="N",
        help="how often every caption is seen")
    add("--batch_size", type=_read_whole_from(1), metavar="N",
        help="captions that a process takes at a time")
    add("--gradient_accumulation", type=_read_whole_from(1), metavar="N",
        help="so many batches make one step: a larger batch in the same memory (1)")
    add("--max_length", type=_read_whole_from(2), metavar="TOKENS", help="longer captions are cut")
    add("--precision", choices=("fp32", "bf16"),
        help="of the frozen models; what learns is always fp32 (fp32)")
    add("--seed", type=_read_whole_from(0), metavar="N", help="of all that is drawn at random (0)")
    return vars(parser.parse_args([_write_underscores(word) for word in arguments]))
# fmt: on


def _write_underscores(word: str) -> str:
    """--learning-rate=1 as --learning_rate=1."""
    name, equals, value = word.partition("=")
    name = name[:2] + name[2:].replace("-", "_") if name.startswith("--") else name
    return name + equals + value


def _read_whole_from(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} on")
        return int(text)

    return read


def _read_positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above zero")
    return number


def read_settings(folder: Path, names: Sequence[str]) -> dict[str, Any]:
    """Read those of the named values that a folder's run was asked for, as on a command line."""
    known, words = recall_settings(folder), []
    for name in names:
        value = known.get(name)
        if name == "allow_outside":
            words += ["--allow_outside"] if value is True else []
        elif isinstance(value, (str, int, float)):
            words.append(f"--{name}={value}")
    return parse_arguments(words)


def print_problem(problem: Exception | str) -> None:
    """Print on stderr, by one process alone; what a terminal might obey becomes question marks."""
    named = isinstance(problem, OSError) and problem.filename
    text = f"{problem.filename}: {problem.strerror}" if named else str(problem)
    if os.environ.get("RANK", "0") == "0":
        shown = (letter if letter.isprintable() or letter == "\n" else "?" for letter in text)
        print("".join(shown), file=sys.stderr)
