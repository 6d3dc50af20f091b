"""How near the costs that lesson 06 calculates come to a GPU: python -m benchmarks.gpu, on a machine that has one.

What is timed are the three kinds of work of its explorer, on random weights in the sizes of ViT-B/32 and GPT-2 small,
in float32: seeing pictures, a step of the context, a step of the captioner. Beside each stands the pace at which the
calculated multiplications were done, and for texts and captions how far the results are from the CPU's. Kept in
gpu.json; no CPU is compared in seconds.
"""

from __future__ import annotations

import copy
import datetime
import json
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional as F
from transformers import CLIPConfig

from benchmarks.captioner import CAPTIONS, compute_gradient, make_full_size_captioner
from benchmarks.context import SEED, make_class_names, make_prompted_clip, make_vit_b_32, measure_difference
from benchmarks.machine import Timing, describe_machine_and_versions, measure_seconds
from benchmarks.records import FOLDER
from helpers.captioner import VLMWithSoftPrompt
from helpers.captioner_training import batch_captions
from helpers.context import PromptedCLIP
from helpers.files import write_whole
from lessons.kit.flops import FLOP, count_captioner_training, count_context_training, count_vision_tower

FILE = FOLDER / "gpu.json"
REPEATS, WARM = 9, 3
BATCHES = 2, 16, 64  # captions a step
PICTURES = 256  # seen at once
CLASSES, EACH, VECTORS = 1000, 16, 16
SIZES = CLIPConfig()  # those of ViT-B/32
LARGE = 8192  # rows and columns of the product that shows what the machine can do


def time_work(do: Callable[[], object], products: float, device: str) -> dict[str, Any]:
    """Time it: median seconds, the pace at which so many products were done, and the most memory that it added."""

    def run_to_the_end() -> None:
        do()
        if device == "cuda":
            torch.cuda.synchronize()

    for _ in range(WARM):
        run_to_the_end()
    memory = {}
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    timing = Timing.of([measure_seconds(run_to_the_end) for _ in range(REPEATS)])
    if device == "cuda":
        memory["gigabytes"] = (torch.cuda.max_memory_allocated() - before) / 1e9
    return {"seconds": timing.median, "tflops": FLOP * products / timing.median / 1e12, **memory}


def time_vision_tower(model: VLMWithSoftPrompt, device: str, pictures: int) -> dict[str, Any]:
    """Pictures, prepared already, to their features."""
    side = model.vision_model.config.image_size
    pixels = torch.randn(pictures, 3, side, side, generator=torch.Generator().manual_seed(SEED)).to(device)
    products = count_vision_tower(SIZES, pictures).forward
    return {"pictures": pictures, **time_work(lambda: model.encode(pixels), products, device)}


def time_context_step(prompted: PromptedCLIP, device: str) -> dict[str, Any]:
    """A step forward and backward for many classes, from kept features of all the pictures."""
    classes, clip = len(prompted.class_names), prompted.clip
    numbers = torch.Generator().manual_seed(SEED)
    features = F.normalize(torch.randn(classes * EACH, clip.config.projection_dim, generator=numbers), dim=-1).to(
        device
    )
    labels = torch.arange(classes).repeat_interleave(EACH).to(device)

    def learn() -> None:
        prompted.context.grad = None
        F.cross_entropy(prompted(features), labels).backward()

    bill = count_context_training(clip.config, classes, EACH, length=len(prompted.context), steps=1)
    calculated = {"calculated_gigabytes": bill.backward / 1e9}
    return {"classes": classes, "pictures": len(labels), **time_work(learn, bill.training, device), **calculated}


def time_captioner_step(model: VLMWithSoftPrompt, device: str, batch: int) -> dict[str, Any]:
    """A step forward and backward to prompt and projection, from kept features of so many pictures."""
    ids, labels = batch_captions(model.tokenizer, [CAPTIONS[row % len(CAPTIONS)] for row in range(batch)])
    vision = SIZES.vision_config
    shape = batch, (vision.image_size // vision.patch_size) ** 2, vision.hidden_size  # (B, P, Dv)
    features = torch.randn(shape, generator=torch.Generator().manual_seed(SEED)).to(device)
    ids, labels = ids.to(device), labels.to(device)
    bill = count_captioner_training(
        SIZES, model.language_model.config, batch, tokens=ids.shape[1], epochs=1, batch=batch
    )

    def learn() -> None:
        compute_gradient(model, lambda: model(features, ids, labels=labels))

    calculated = {"calculated_gigabytes": bill.backward / 1e9}
    return {"batch": batch, **time_work(learn, bill.training, device), **calculated}


def compare_with_cpu(model: VLMWithSoftPrompt, prompted: PromptedCLIP, device: str) -> dict[str, float]:
    """How far class features, loss and gradient are from those of the CPU, by their largest number."""
    ids, labels = batch_captions(model.tokenizer, CAPTIONS)
    side = model.vision_model.config.image_size
    pixels = torch.randn(len(CAPTIONS), 3, side, side, generator=torch.Generator().manual_seed(SEED))
    found = []
    for place in ("cpu", device):
        here, texts = copy.deepcopy(model).to(place), copy.deepcopy(prompted).to(place)
        words, wanted = ids.to(place), labels.to(place)
        features = here.encode(pixels.to(place))
        loss, gradient = compute_gradient(here, lambda: here(features, words, labels=wanted))
        found.append([part.detach().cpu() for part in (texts.text_features(), features, loss, gradient)])
    names = "class features", "vision features", "loss of captions", "gradient"
    return {name: measure_difference(ours, theirs) for name, theirs, ours in zip(names, *found)}


def measure_all(
    device: str = "cuda",
    pictures: int = PICTURES,
    classes: int = CLASSES,
    batches: Sequence[int] = BATCHES,
    large: int = LARGE,
) -> dict[str, Any]:
    """Everything, in the sizes of ViT-B/32 and GPT-2 small. Raises RuntimeError where there is no such device."""
    model, (clip, processor) = make_full_size_captioner("patches"), make_vit_b_32()
    near = compare_with_cpu(model, make_prompted_clip(clip, processor, make_class_names(20), VECTORS), device)
    model.to(device), clip.to(device)
    a, b = torch.randn(2, large, large, device=device)
    return {
        "command": "python -m benchmarks.gpu",
        "date": datetime.date.today().isoformat(),
        "machine": {
            "gpu": torch.cuda.get_device_name() if device == "cuda" else None,
            **describe_machine_and_versions(),
        },
        "float32_macs": torch.get_float32_matmul_precision(),
        "beside_the_cpu": near,
        "large_product": time_work(lambda: a @ b, large**3, device),
        "seeing": time_vision_tower(model, device, pictures),
        "learning_a_context": time_context_step(
            make_prompted_clip(clip, processor, make_class_names(classes), VECTORS), device
        ),
        "learning_to_describe": [time_captioner_step(model, device, batch) for batch in batches],
    }


if __name__ == "__main__":
    found = measure_all()
    write_whole(FILE, lambda part: part.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8"))
    print(json.dumps(found, indent=1))
