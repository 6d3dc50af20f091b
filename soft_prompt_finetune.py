"""Fine-tune a soft prompt on your own pictures: python soft_prompt_finetune.py --data my.json

Alone it shows on the pocket models what it does. A thin command line over helpers/captioner.py, helpers/data.py and
helpers/training.py; what else it needs is in finetuning/run.py.
"""

from __future__ import annotations

import argparse
import math
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent


def find_packages() -> None:
    """Where the packages are not in this Python, go on in the one that `course.py lab` made."""
    missing = [name for name in ("torch", "transformers", "accelerate", "tqdm", "psutil") if find_spec(name) is None]
    python = ROOT / ".venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if missing and python.exists() and Path(sys.prefix).resolve() != python.parents[1].resolve():
        if sys.platform == "win32":
            raise SystemExit(subprocess.run([python, *sys.argv]).returncode)
        os.execv(python, [str(python), *sys.argv])  # so that a signal reaches it
    if missing:
        raise SystemExit(f"not installed: {', '.join(missing)}. python course.py lab installs all that is needed")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # while the packages are imported, Ctrl-C ends it without a word
    find_packages()

import torch
import transformers

from finetuning import run
from finetuning.run import SHOWN, Accelerated, Part, RunLog, captions, encoded, held_out, kept, room, show
from helpers import training
from helpers.captioner import DESCRIBE, VLMWithSoftPrompt
from helpers.captioner_training import evaluate, initialise_projection, train_captioner
from helpers.checkpoint import learned_from
from helpers.data import VLMDataset
from helpers.pictures import open_pictures, read_pairs
from helpers.pretrained import load_clip, load_gpt2, load_tokenizer
from helpers.training import Interrupts

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
    "init": DESCRIBE,
}
PRESETS = {"pocket": SEED | POCKET, "seed": SEED}
OTHERS = {  # no preset says anything of these
    "data": CAPTIONS / "train.json",
    "validation": None,
    "allow_outside": False,
    "gradient_accumulation": 1,
    "precision": "fp32",
    "seed": 0,
}
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
TRAINING, CHECKPOINT = "training.safetensors", "captioner.safetensors"  # how far a run is; what it has learned
LOOKS = 20  # at the validation pictures in one training
MAX_GRAD_NORM = 1.0


# --- the command line ------------------------------------------------------------------------------------------------------------------


# fmt: off
def options(arguments: list[str]) -> argparse.Namespace:
    """What was asked for; what was not said is taken from the preset."""
    parser = argparse.ArgumentParser(
        description="Fine-tune a soft prompt and a projection that make a frozen language model describe your pictures.",
        epilog="On several processes: torchrun --standalone --nproc_per_node=2 soft_prompt_finetune.py …",
    )

    def add(*names: str, help: str, **how: object) -> None:
        if (name := names[0][2:]) in SEED:
            values = [f"{preset}: {PRESETS[preset][name]}" for preset in PRESETS]
            help += f" ({', '.join(values)})"
        parser.add_argument(*names, help=help, **how)

    add("--preset", choices=PRESETS, help="where values come from that you do not give: pocket, the small models of the course, is the "
        "default; seed, the real CLIP and GPT-2, is the default where you name a model")
    add("--data", type=Path, metavar="JSON",
        help='a list of {"image_path": "cat.jpg", "text": "a cat."}; paths are relative to the JSON file')
    add("--validation", type=Path, metavar="JSON", help="the same, to choose by; without it a tenth of the pictures in --data")
    add("--allow_outside", "--allow-outside", action="store_true", default=None, help="pictures may lie outside the folder of the JSON file")
    add("--output", type=Path, metavar="DIR", help="folder for what is learned; without it a new one in work/runs")
    add("--resume", action="store_true", help="go on with the training in --output; without it with the last in work/runs")
    add("--evaluate", type=Path, metavar="CHECKPOINT", help="learn nothing: show what this file, or the one in this folder, is worth on "
        "what it was validated on, or on --validation, or on --data")
    add("--generate", type=Path, nargs="+", metavar="PICTURE",
        help="learn nothing: describe pictures, with the checkpoint of --evaluate or of --output")
    add("--vision_model_name", metavar="NAME", help="pocket, a folder, or a name on the hub")
    add("--language_model_name", metavar="NAME", help="the same")
    add("--vision_features", choices=("patches", "pooled"), help="all patches of a picture, or one vector")
    add("--prompt_length", type=_whole_number(0), metavar="M", help="vectors in the soft prompt")
    add("--init", metavar="WORDS", help="what the soft prompt begins as: random, vocabulary, or words of yours")
    add("--learning_rate", type=_positive, metavar="RATE", help="at its highest")
    add("--num_epochs", type=_whole_number(1), metavar="N", help="how often every caption is seen")
    add("--batch_size", type=_whole_number(1), metavar="N", help="captions that a process takes at a time")
    add("--gradient_accumulation", type=_whole_number(1), metavar="N",
        help="so many batches make one step: a larger batch in the same memory (1)")
    add("--max_length", type=_whole_number(2), metavar="TOKENS", help="longer captions are cut")
    add("--precision", choices=PRECISIONS, help="of the frozen models; what learns is always fp32 (fp32)")
    add("--seed", type=_whole_number(0), metavar="N", help="of all that is drawn at random (0)")
    asked = parser.parse_args([_with_underscores(word) for word in arguments])
    named = {asked.vision_model_name, asked.language_model_name} - {None, "pocket"}
    asked.preset = asked.preset or ("seed" if named else "pocket")
    asked.given = {name for name in (*SEED, *OTHERS) if getattr(asked, name) is not None}
    for name, value in (PRESETS[asked.preset] | OTHERS).items():
        if name not in asked.given:
            setattr(asked, name, value)
    return asked
# fmt: on


def _with_underscores(word: str) -> str:
    """--learning-rate=1 as --learning_rate=1."""
    name, equals, value = word.partition("=")
    return name[:2] + name[2:].replace("-", "_") + equals + value if name.startswith("--") else word


def _whole_number(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isascii() or not text.isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} on")
        return int(text)

    return number


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above zero")
    return number


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0, 1 where something was wrong, or 128 and the number of the signal that ended it."""
    arguments = sys.argv[1:] if arguments is None else arguments
    asked = options(arguments)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    status = 1
    try:
        team = Accelerated()
        words = remembered(asked)
        given, asked = asked.given, options(words + arguments)
        asked.given = given  # on this command line
        if asked.generate:
            return generate(asked, team)
        return assess(asked, team) if asked.evaluate else fine_tune(asked, team)
    except KeyboardInterrupt as error:
        problem, status = str(error) or "Stopped.", 128 + signal.SIGINT
    except torch.OutOfMemoryError:
        problem = "There is not enough memory: take a smaller --batch_size and a larger --gradient_accumulation."
    except (ValueError, OSError, FloatingPointError) as error:
        named = isinstance(error, OSError) and error.filename
        problem = f"{error.filename}: {error.strerror}" if named else str(error)
    if os.environ.get("RANK", "0") == "0":
        shown = "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in problem)
        print(shown, file=sys.stderr)
    return status


# --- learning --------------------------------------------------------------------------------------------------------------------------


def fine_tune(asked: argparse.Namespace, team: Accelerated) -> int:
    """Learn, and show what was learned."""
    folder = folder_of_run(asked)
    model, train, checks = prepared(asked, team)
    team.tell(f"Going on with {folder}." if asked.resume else preset_told(asked))
    initialise_projection(model, train.features, train.texts)
    before = evaluate(model, checks.features, checks.rows, team), captions(model, checks.features[:SHOWN])
    plan = plan_of(asked, len(train.rows), team)
    learns = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    team.tell(
        f"Captions to learn from: {len(train.rows)}; to validate on: {len(checks.rows)}. What learns: {learns:,} numbers, in {plan.steps} "
        f"steps of up to {min(plan.batch_size, len(train.rows))} captions."
    )
    if team.rank == 0:
        folder = made(folder, asked)
    try:
        ended = learned(asked, team, folder, model, (train, checks), plan)
        if team.rank > 0:
            return 128 + ended if ended else 0
        step, _ = training.read_progress(folder / TRAINING)
        if ended or step < plan.steps:  # of several processes another may have been asked first
            where = f"Stopped at step {step} of {plan.steps}" if step < plan.steps else f"All {step} steps are done"
            team.tell(f"{where}, and all is saved. Go on with\n    {again(folder, team)}")
            return 128 + (ended or signal.SIGTERM)
        show(model, checks, words_of(asked), before)
    except KeyboardInterrupt:
        saved = (folder / TRAINING).is_file()
        raise KeyboardInterrupt(f"Stopped. Go on with\n    {again(folder, team)}" if saved else "") from None
    finally:
        if team.rank == 0:
            with suppress(OSError):
                folder.rmdir()  # where nothing came into it
    team.tell(
        f"\n{kept(folder / TRAINING)}\nWhat was learned: {folder / CHECKPOINT}\nHow it went: {folder / 'loss.png'} and {folder / 'log.jsonl'}"
    )
    return 0


def learned(
    asked: argparse.Namespace,
    team: Accelerated,
    folder: Path,
    model: VLMWithSoftPrompt,
    parts: tuple[Part, Part],
    plan: training.TrainConfig,
) -> int:
    """Learn, keep the best in the folder, and say which signal was noted meanwhile, 0 for none."""
    data = [(part.features, part.rows) for part in parts]
    looks = training.read_progress(folder / TRAINING)[1].evaluations if asked.resume else []
    diary = RunLog(folder, plan, settings(asked), team, looks)
    with Interrupts(signal.SIGINT, signal.SIGTERM) as interrupts:

        def stop(step: int, loss: float) -> bool:
            diary.step(step)
            return interrupts.asked is not None

        checkpoint = folder / TRAINING if team.rank == 0 or asked.resume else None
        try:
            how = {"micro_batch_size": asked.batch_size, "stop": stop, "group": team, "data": run.mark_of(parts)}
            for look in train_captioner(model, *data, plan, checkpoint, **how):
                if diary.look(look) and look.best and team.rank == 0:
                    model.save(folder / CHECKPOINT)
        finally:
            diary.close()
        if team.rank == 0:
            model.save(folder / CHECKPOINT)
    return interrupts.asked or 0


def plan_of(asked: argparse.Namespace, examples: int, team: Accelerated) -> training.TrainConfig:
    """How to train; a step takes the batches of all processes together, as many of each as are gathered."""
    batch = asked.batch_size * asked.gradient_accumulation * team.size
    steps = asked.num_epochs * math.ceil(examples / batch)
    return training.TrainConfig(
        steps, asked.learning_rate, batch, eval_every=math.ceil(steps / LOOKS), warmup_steps=min(30, steps // 10),
        max_grad_norm=MAX_GRAD_NORM, seed=asked.seed,
    )  # fmt: skip


def made(folder: Path, asked: argparse.Namespace) -> Path:
    """Make the folder; a numbered one that somebody else has made in the meantime is left to them, and the next is taken."""
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=asked.output is not None or asked.resume)
        except FileExistsError:
            folder = folder.with_name(str(int(folder.name) + 1))
            continue
        for part in folder.glob("*.part"):  # what a killed run was writing
            part.unlink()
        return folder


def folder_of_run(asked: argparse.Namespace) -> Path:
    """Where a training is kept, or will be: this makes no folder. Raises ValueError where there is one too many, or none to go on with."""
    runs = sorted((int(run.name), run) for run in RUNS.glob("*") if run.name.isascii() and run.name.isdigit())
    if asked.output is None and (asked.resume or asked.generate):
        wanted = CHECKPOINT if asked.generate else TRAINING
        known = [run for _, run in runs if (run / wanted).is_file()]
        if not known:
            raise ValueError(f"there is no training in {RUNS} yet: train first, or name its folder by --output")
        return known[-1]
    folder = (asked.output or RUNS / str(runs[-1][0] + 1 if runs else 1)).absolute()
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not there.is_dir():
        raise ValueError(f"{there} is a file: name a folder by --output")
    if not asked.generate and not os.access(there, os.W_OK):
        raise ValueError(f"nothing can be written to {there}: name another folder by --output")
    if asked.resume and not (folder / TRAINING).is_file():
        raise ValueError(
            f"there is no training in {folder} to go on with: leave out --resume, or name another folder by --output"
        )
    if not asked.resume and not asked.generate and (folder / TRAINING).exists():
        raise ValueError(
            f"{folder} holds a training already: go on with it by --resume, or name another folder by --output"
        )
    return folder


def again(folder: Path, team: Accelerated) -> str:
    """The command that goes on with this training."""
    start = "python"
    if team.size > 1:
        there = os.environ
        nodes = int(there.get("GROUP_WORLD_SIZE", 1))
        places = f"--nnodes={nodes} --node_rank={there.get('GROUP_RANK')} --master_addr={there['MASTER_ADDR']} --master_port={there['MASTER_PORT']}"
        start = f"torchrun {places if nodes > 1 else '--standalone'} --nproc_per_node={there['LOCAL_WORLD_SIZE']}"
    script = sys.argv[0] if Path(sys.argv[0]).name == Path(__file__).name else Path(__file__).name
    return f"{start} {shlex.quote(script)} --resume --output {shlex.quote(str(folder))}"


def preset_told(asked: argparse.Namespace) -> str:
    """The values of the preset: those that differ from the seed's beside these, and which were given."""
    lines = [f"Preset {asked.preset}:"]
    for name, seed in SEED.items():
        value = getattr(asked, name)
        notes = [
            *(["given"] if name in asked.given else []),
            *([f"in the preset seed {seed}"] if value != seed else []),
        ]
        lines.append(f"    --{name} {shlex.quote(str(value))}" + (f"  ({', '.join(notes)})" if notes else ""))
    return "\n".join(lines)


def settings(asked: argparse.Namespace) -> dict[str, object]:
    """What a training was asked for: the first line of its log, which `remembered` reads again."""
    values = {name: getattr(asked, name) for name in (*SEED, *OTHERS)}
    for name in ("vision_model_name", "language_model_name", "data", "validation"):
        if values[name] not in (None, "pocket") and Path(values[name]).exists():
            values[name] = str(Path(values[name]).resolve())  # it may be resumed from another folder
    return values | {"torch": torch.__version__, "transformers": transformers.__version__}


def remembered(asked: argparse.Namespace) -> list[str]:
    """Options of the training that is gone on with; where its checkpoint is used, those that say which models it belongs to."""
    if not (asked.resume or asked.evaluate or asked.generate):
        return []
    models, data = ("vision_model_name", "language_model_name", "precision"), ("data", "validation", "seed")
    if asked.evaluate:
        folder, names = file_of(asked.evaluate).parent, (*models, *(() if asked.generate else data))
    else:
        folder, names = folder_of_run(asked), (*SEED, *OTHERS) if asked.resume else models
    known, words = run.read_settings(folder / "log.jsonl"), []
    for name in names:
        value = known.get(name)
        if name == "allow_outside":
            words += ["--allow-outside"] if value is True else []
        elif isinstance(value, (str, int, float)):
            words.append(f"--{name}={value}")
    return words


# --- models and pictures ---------------------------------------------------------------------------------------------------------------


def prepared(asked: argparse.Namespace, team: Accelerated) -> tuple[VLMWithSoftPrompt, Part, Part]:
    """The captioner as it begins, and what it learns from and is validated on. The data are checked before the models are loaded."""
    train, validates = read(asked, asked.data), validation_of(asked)
    others = read(asked, validates) if validates else None
    learns, checks = (range(len(train)), []) if others else held_out(train.pictures.files, asked.seed)
    model = captioner(asked, team, asked.vision_features)
    whole = looked_at(asked, model, train, team)
    return model, whole.of(learns), looked_at(asked, model, others, team) if others else whole.of(checks)


def validation_of(asked: argparse.Namespace) -> Path | None:
    """The file to validate on; the course's own for the course's pictures, and otherwise none but what was named."""
    return asked.validation or (CAPTIONS / "validation.json" if asked.data == OTHERS["data"] else None)


def read(asked: argparse.Namespace, path: Path) -> VLMDataset:
    try:
        tokenizer = load_tokenizer(asked.language_model_name)
    except OSError:
        read_pairs(path, asked.allow_outside)  # what is wrong with the data is told first
        raise
    return VLMDataset(path, tokenizer, asked.max_length, allow_outside=asked.allow_outside)


def captioner(asked: argparse.Namespace, team: Accelerated, kind: str, layer: int = -2) -> VLMWithSoftPrompt:
    """With nothing learned yet, its frozen models in the precision asked for."""
    models = load_clip(asked.vision_model_name), load_gpt2(asked.language_model_name)
    generator = torch.Generator().manual_seed(asked.seed)
    model = VLMWithSoftPrompt(
        *models, asked.prompt_length, kind, init=asked.init, vision_layer=layer, generator=generator
    )
    for frozen in (model.vision_model, model.language_model):
        frozen.to(PRECISIONS[asked.precision])
    return model.to(team.device).eval()


def looked_at(asked: argparse.Namespace, model: VLMWithSoftPrompt, data: VLMDataset, team: Accelerated) -> Part:
    """The vision features of the pictures, and the captions, as long as there is room for them."""
    features = encoded(model, data.pictures, team)
    places = room(model, features)
    if places < 2:
        raise ValueError(
            f"{len(model.soft_prompt.prompt_embeddings)} vectors of the soft prompt and {features.shape[1]} of the picture leave no room for "
            "text in the language model: take a smaller --prompt_length, or --vision_features pooled"
        )
    data.max_length = min(asked.max_length, places)
    if data.cut:
        team.tell(f"{data.cut} of {len(data)} captions are longer than {data.max_length} tokens and were cut.")
    return Part(features, data.rows, data.texts, data.pictures.files)


# --- what it is worth --------------------------------------------------------------------------------------------------------------------


def assess(asked: argparse.Namespace, team: Accelerated) -> int:
    """Show what a checkpoint is worth: on --validation, on all of --data, or on what its training was validated on."""
    file = file_of(asked.evaluate)
    kind, layer = learned_from(file)
    named = asked.validation if "validation" in asked.given else asked.data if "data" in asked.given else None
    path = named or validation_of(asked)
    data = read(asked, path or asked.data)
    numbers = range(len(data)) if path else held_out(data.pictures.files, asked.seed)[1]
    model = captioner(asked, team, kind, layer).load(file)
    part = looked_at(asked, model, data, team).of(numbers)
    team.tell(f"{file}, on captions of {path or asked.data}:")
    if team.rank == 0:
        show(model, part, words_of(asked))
    return 0


def words_of(asked: argparse.Namespace) -> str:
    """Words that the learned prompt is compared with: those that it began as, if it did as words."""
    return DESCRIBE if asked.init in ("random", "vocabulary") else asked.init


def generate(asked: argparse.Namespace, team: Accelerated) -> int:
    """Describe pictures."""
    pictures = open_pictures(asked.generate)
    file = file_of(asked.evaluate or folder_of_run(asked))
    kind, layer = learned_from(file)
    model = captioner(asked, team, kind, layer).load(file)
    team.tell(f"With {file}:")
    for path, text in zip(asked.generate, captions(model, model.encode(pictures))):
        team.tell(f"{path}: {text}")
    return 0


def file_of(checkpoint: Path) -> Path:
    """The checkpoint's file, where its folder was named, too."""
    return checkpoint / CHECKPOINT if checkpoint.is_dir() else checkpoint


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main())
