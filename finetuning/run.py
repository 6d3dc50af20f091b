"""What soft_prompt_finetune.py is made of, beside the captioner: several processes, an end at any moment, a diary, captions side by side.

Rests on Accelerate for devices and processes, https://github.com/huggingface/accelerate.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from accelerate import Accelerator
from torch import Tensor
from tqdm import tqdm

from helpers.captioner import VLMWithSoftPrompt, exact
from helpers.captioner_training import ablations, evaluate
from helpers.files import write_whole
from helpers.pictures import OPEN_AT_ONCE, PictureFiles
from helpers.training import Evaluation, ProcessGroup, TrainConfig, read_progress
from lessons.figures.captions import Losses, loss_curve

SHOWN = 3  # pictures whose captions are shown
COPIES = 3  # of the features while the captioner learns: as they are, with even directions, and on the way from one to the other
GB = 1024**3
Worth = tuple[
    tuple[float, float], list[str]
]  # loss and share of right tokens, and captions of the first pictures


class Accelerated(ProcessGroup):
    """The processes that torchrun started, or the only one, through Accelerate, which also chooses the device."""

    def __init__(self) -> None:
        processes, gpus = int(os.environ.get("LOCAL_WORLD_SIZE", 1)), torch.cuda.device_count()
        if 0 < gpus < processes:
            raise ValueError(
                f"{processes} processes were started on a machine with {gpus} GPU{'s' * (gpus > 1)}: start one for each GPU, by "
                f"--nproc_per_node={gpus}; to use the CPU instead, set CUDA_VISIBLE_DEVICES to nothing"
            )
        self.accelerator = Accelerator(
            cpu=not torch.accelerator.is_available()
        )  # only so told it joins processes on CPUs
        self.device = self.accelerator.device
        self.rank, self.size = self.accelerator.process_index, self.accelerator.num_processes
        if self.size != int(os.environ.get("WORLD_SIZE", 1)):
            raise ValueError(
                f"{os.environ['WORLD_SIZE']} processes were started, and Accelerate knows of {self.size}: use torchrun"
            )

    def sum(self, numbers: Tensor) -> Tensor:
        return self.accelerator.reduce(numbers, "sum") if self.size > 1 else numbers

    def tell(self, line: str = "") -> None:
        """Print a line, once."""
        if self.rank == 0:
            tqdm.write(line)


def quiet(team: Accelerated) -> bool | None:
    """Whether no bar is drawn; None: where there is no terminal to draw it on."""
    return True if team.rank else None


# --- pictures ----------------------------------------------------------------------------------------------------------------------


def held_out(files: Sequence[Path], seed: int) -> tuple[list[int], list[int]]:
    """Numbers of the entries to learn from and of a tenth of the pictures to validate on, with all captions that these have.

    Raises ValueError where there is one picture only.
    """
    pictures = sorted(set(files))
    if len(pictures) < 2:
        raise ValueError(
            "there is one picture only: at least two are needed, one to learn from and one to validate on"
        )
    order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(seed)).tolist()
    checks = {pictures[place] for place in order[: max(1, len(pictures) // 10)]}
    numbers = range(len(files))
    return [n for n in numbers if files[n] not in checks], [
        n for n in numbers if files[n] in checks
    ]


@dataclass(frozen=True)
class Part:
    """What is learned from, or validated on: vision features (N, P, Dv), captions as ids and as texts, and the picture files."""

    features: Tensor
    rows: Sequence[Tensor]
    texts: Sequence[str]
    files: Sequence[Path]

    def of(self, numbers: Sequence[int]) -> Part:
        rows, texts, files = (
            [whole[n] for n in numbers] for whole in (self.rows, self.texts, self.files)
        )
        return Part(self.features[list(numbers)], rows, texts, files)


def mark_of(parts: Sequence[Part]) -> str:
    """What tells these pictures and captions from others: names and sizes of the files, and the texts."""
    digest = hashlib.sha256()
    for part in parts:
        for file, text in zip(part.files, part.texts):
            digest.update(json.dumps([file.name, file.stat().st_size, text]).encode())
    return digest.hexdigest()[:16]


def encoded(model: VLMWithSoftPrompt, pictures: PictureFiles, team: Accelerated) -> Tensor:
    """Vision features (N, P, Dv) of the pictures, in every process; each computes its share. Raises ValueError if they find no room."""
    first = model.encode(pictures[:1])
    needed, free = COPIES * len(pictures) * first.numel() * 4, free_memory(first.device)
    if needed > free:
        raise ValueError(
            f"the features of {len(pictures)} pictures need {needed / GB:.1f} GB while the captioner learns, and {free / GB:.1f} GB are free: "
            f"take fewer pictures, or --vision_features pooled, one vector a picture instead of {first.shape[1]}"
        )
    whole = exact(first).new_zeros(len(pictures), *first.shape[1:])
    share = range(team.rank, len(pictures), team.size)
    for start in tqdm(
        range(0, len(share), OPEN_AT_ONCE), "pictures", leave=False, disable=quiet(team)
    ):
        numbers = share[start : start + OPEN_AT_ONCE]
        whole[list(numbers)] = model.encode([pictures[number] for number in numbers]).to(whole)
    return team.sum(whole)


def free_memory(device: torch.device) -> int:
    """In bytes, where tensors of this device lie."""
    return (
        torch.cuda.mem_get_info(device)[0]
        if device.type == "cuda"
        else psutil.virtual_memory().available
    )


# --- the diary of a training -----------------------------------------------------------------------------------------------------------


class RunLog:
    """What a training tells while it runs: a bar with the time that is left, a line at each look, log.jsonl, and in the end loss.png.

    resumed: the looks that the training had before it was broken off; what the log says of these is kept.
    """

    def __init__(
        self,
        folder: Path,
        plan: TrainConfig,
        settings: dict[str, Any],
        team: Accelerated,
        resumed: Sequence[Evaluation],
    ) -> None:
        self.folder, self.plan, self.team, self.begun = folder, plan, team, time.monotonic()
        kept = {entry["step"]: entry for entry in read_log(folder / "log.jsonl")}
        self.entries = [kept.get(look.step) or self._entry(look) for look in resumed]
        self.known = len(resumed)  # looks that the training will give again
        done = resumed[-1].step if resumed else 0
        self.bar = tqdm(
            total=plan.steps,
            initial=done,
            desc="steps",
            leave=False,
            disable=quiet(team),
            mininterval=0.5,
        )
        self.settings, self.begins = settings, team.rank == 0

    def step(self, step: int) -> None:
        self.bar.update(step - self.bar.n)

    def look(self, look: Evaluation) -> bool:
        """Take down a look; False for one that was known before."""
        if self.begins:  # now, and not before the training agreed to go on
            text = "".join(
                f"{json.dumps(line)}\n" for line in ({"settings": self.settings}, *self.entries)
            )
            write_whole(
                self.folder / "log.jsonl", lambda part: part.write_text(text, encoding="utf-8")
            )
            self.begins = False
        if self.known:
            self.known -= 1
            return False
        entry = self._entry(look)
        self.entries.append(entry)
        if self.team.rank == 0:
            with (self.folder / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(f"{json.dumps(entry)}\n")
        self.team.tell(
            f"step {look.step:>5} of {look.steps}: loss {entry['loss']:.3f}, on validation {look.validation_loss:.3f}, "
            f"{look.validation_score:.0%} of its tokens right{', the best so far' if look.best and look.step else ''}"
            + (f"; {look.seconds_left:.0f} s left" if look.seconds_left else "")
        )
        return True

    def _entry(self, look: Evaluation) -> dict[str, float]:
        return {
            "step": look.step,
            "loss": round(look.mean_loss, 6),
            "validation_loss": round(look.validation_loss, 6),
            "validation_right": round(look.validation_score, 6),
            "rate": self.plan.learning_rate_at(min(look.step, self.plan.steps)),
            "seconds": round(time.monotonic() - self.begun, 1),  # since it was started or resumed
        }

    def close(self) -> None:
        self.bar.close()
        if self.team.rank == 0 and not self.begins:
            steps, losses, checks = (
                [entry[name] for entry in self.entries]
                for name in ("step", "loss", "validation_loss")
            )
            run = Losses(self.plan.steps, steps, losses, checks)
            picture = loss_curve(
                run,
                title="What is kept is what the ring shows: the lowest validation loss",
                alt="The losses over the steps.",
            )
            write_whole(
                self.folder / "loss.png", lambda part: picture.image.save(part, format="png")
            )


def read_log(file: Path) -> Iterator[dict[str, Any]]:
    """The looks in a log; lines that are cut off or something else are left out."""
    return (
        entry
        for entry in _lines(file)
        if isinstance(entry.get("step"), int) and {"loss", "validation_loss"} <= entry.keys()
    )


def read_settings(file: Path) -> dict[str, Any]:
    """What the training of a log was asked for; nothing where that cannot be read."""
    known = next((entry["settings"] for entry in _lines(file) if "settings" in entry), {})
    return known if isinstance(known, dict) else {}


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    for line in (
        file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else ()
    ):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, dict):
            yield entry


# --- captions side by side -------------------------------------------------------------------------------------------------------------


def captions(model: VLMWithSoftPrompt, features: Tensor, most: int = 40) -> list[str]:
    """A greedy caption for each picture, as long as the language model has places for it."""
    places = room(model, features) if features.shape[1] else most
    if places < 1:
        raise ValueError(
            f"{len(model.soft_prompt.prompt_embeddings)} vectors of the soft prompt leave no room for text in the language model"
        )
    return model.generate(features, max_new_tokens=max(1, min(most, places)))


def room(model: VLMWithSoftPrompt, features: Tensor) -> int:
    """How many tokens of text find a place in the language model behind the soft prompt and the picture."""
    places = getattr(model.language_model.config, "max_position_embeddings", None) or 10**9
    return places - len(model.soft_prompt.prompt_embeddings) - features.shape[1]


def compared(model: VLMWithSoftPrompt, part: Part, words: Tensor) -> dict[str, Worth]:
    """What the model is worth as it was trained, and what with each of the `ablations`."""
    result = {}
    for how, seen in ablations(model, part.features, words):
        if (
            len(model.soft_prompt.prompt_embeddings) + seen.shape[1] > 0
        ):  # something must stand before the first token
            result[how] = evaluate(model, seen, part.rows), captions(model, seen[:SHOWN])
    return result


def show(model: VLMWithSoftPrompt, part: Part, words: str, before: Worth | None = None) -> None:
    """Losses and captions of the validation pictures: before, after, and with a part of the captioner taken away or exchanged."""
    ids = model.tokenizer(words, add_special_tokens=False)["input_ids"]
    rows = model.language_model.get_input_embeddings().weight[ids].float()
    found = compared(model, part, rows)
    results = ({"before": before, "after": found.pop("as trained")} if before else {}) | found
    width = max(map(len, results))
    print(f"\nOn {len(part.rows)} validation captions:\n{'':{width}}   loss   tokens right")
    for how, ((loss, right), _) in results.items():
        print(f"{how:{width}}  {loss:5.2f}   {right:11.0%}")
    for number, (file, text) in enumerate(zip(part.files[:SHOWN], part.texts)):
        print(f"\n{file}\n{'the caption':{width}}  {text}")
        for how, (_, said) in results.items():
            print(f"{how:{width}}  {said[number]}")


def kept(checkpoint: Path) -> str:
    """Which step's state was kept, and what it means where that is the very first."""
    _, history = read_progress(checkpoint)
    best = history.best
    if best.step:
        return f"Kept: step {best.step} of {best.steps}, where the validation loss was lowest."
    return (
        "Kept: the beginning. On the validation captions no step was better, so nothing was learned that helps there. That is likely where they "
        "are few: take more pictures, or name a file by --validation; or change --learning_rate and --num_epochs."
    )
