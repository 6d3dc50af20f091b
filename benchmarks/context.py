"""How much faster the fast path to a learned context is, how little memory it needs, and that nothing changes by it.

CoOp's own way, by which the fast one is measured: Zhou et al. 2022, arXiv 2109.01134.
"""

from __future__ import annotations

import itertools
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPConfig, CLIPModel, CLIPProcessor

from benchmarks.machine import (
    GIB,
    Timing,
    measure_gflops,
    measure_kept_bytes,
    measure_peak_memory,
    measure_seconds,
    time_ways,
)
from benchmarks.records import Measured
from helpers.context import PromptedCLIP, encode_plain, train_context
from helpers.data import FewShot, cache_features, encode_split
from helpers.fast_text import encode_fast
from helpers.pretrained import CLIPImageProcessor, load_clip
from helpers.training import BatchSampler, TrainConfig
from lessons.kit.flops import count_text_tower, estimate_least_seconds
from lessons.kit.picture import Picture
from lessons.lesson_02_learnable_context.figures_b import Curve, draw_break_even, draw_seconds_by_classes
from pocket.datasets import draw_few_shot
from pocket.tasks import BLURRED
from pocket.world import COLOURS, OBJECTS, SIZES

SEED = 0
LENGTH = 16  # M, as in CoOp's paper
REPEATS = 3
COOP_CONFIG = TrainConfig(steps=200, batch_size=32)
LESSON_CONFIG = TrainConfig()
PHOTO = 256  # pixels a side of the pictures that are made up, before CLIP's own preparation


# --- what is measured on --------------------------------------------------------------------------


def make_random_clip(config: CLIPConfig) -> tuple[CLIPModel, CLIPProcessor]:
    """A frozen CLIP of these sizes, its weights random (no time depends on them), that reads by the pocket tokenizer.

    The pocket model's ids are all below those of a larger vocabulary, and the model is told which of them ends a text.
    """
    tokenizer = load_clip("pocket")[1].tokenizer
    config.text_config.eos_token_id = tokenizer.eos_token_id
    side = config.vision_config.image_size
    images = CLIPImageProcessor(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        clip = CLIPModel(config).requires_grad_(False).eval()
    return clip, CLIPProcessor(image_processor=images, tokenizer=tokenizer)


def make_vit_b_32() -> tuple[CLIPModel, CLIPProcessor]:
    """All of it in the size of ViT-B/32, which is the library's default."""
    return make_random_clip(CLIPConfig())


def make_class_names(count: int) -> list[str]:
    """Names of one to three words, "cup", "red cup" or "small red cup", in mixed order; of fewer, the first of more."""
    words = itertools.product(("", *SIZES), ("", *COLOURS), OBJECTS)
    names = [" ".join(filter(None, name)) for name in words]
    random.Random(SEED).shuffle(names)
    if count > len(names):
        raise ValueError(f"there are names for {len(names)} classes, not for {count}")
    return names[:count]


def make_prompted_clip(clip: CLIPModel, processor: CLIPProcessor, names: Sequence[str], length: int) -> PromptedCLIP:
    """Classes with a context of so many random vectors."""
    generator = torch.Generator().manual_seed(SEED)
    return PromptedCLIP(clip, processor, names, length, "random", generator=generator)


def make_noise_pictures(count: int) -> list[Image.Image]:
    """Pictures of noise."""
    numbers = np.random.default_rng(SEED)
    return [Image.fromarray(numbers.integers(0, 256, (PHOTO, PHOTO, 3), dtype=np.uint8)) for _ in range(count)]


def list_text_sizes(prompted: PromptedCLIP) -> dict[str, Any]:
    """The sizes that decide what a text costs."""
    sizes = prompted.clip.config.text_config
    return {
        "classes": len(prompted.class_names),
        "context_length": len(prompted.context),
        "positions": sizes.max_position_embeddings,
        "longest_text": int(prompted.end.max()) + 1,
        "shared_positions": prompted.shared,
        "width": sizes.hidden_size,
        "layers": sizes.num_hidden_layers,
        "weights": "random",
        "attention": sizes._attn_implementation,  # of the library's own layers: how they compute it
    }


def count_fast_macs(prompted: PromptedCLIP) -> int:
    """Multiplications of one step of the fast path, forward and backward."""
    texts, length = len(prompted.class_names), int(prompted.end.max()) + 1
    products = count_text_tower(prompted.clip.config, texts, length, prompted.shared, only_end=True)
    return products.forward_and_backward


# --- one step of the text tower -------------------------------------------------------------------


def list_ways(prompted: PromptedCLIP) -> dict[str, Callable[[], Tensor]]:
    """The ways to the text features (C, D), from CLIP's own to ours; each rung stands on the one before."""
    clip, embeddings, ids, end = prompted.clip, prompted.embeddings, prompted.ids, prompted.end
    longest, together = int(end.max()) + 1, len(ids)
    return {
        "plain": lambda: encode_plain(clip, embeddings, ids),
        "trimmed": lambda: encode_plain(clip, embeddings, ids[:, :longest]),
        "last layer at the end only": lambda: encode_fast(clip, embeddings, ids, end, 0, together),
        "fast": lambda: encode_fast(clip, embeddings, ids, end, prompted.shared),
    }


def run_text_step(prompted: PromptedCLIP, features: Callable[[], Tensor]) -> tuple[Tensor, Tensor]:
    """Compute unit features (C, D) and the context's gradient (M, D), which a loss of random weights sends back."""
    prompted.context.grad = None
    texts = F.normalize(features(), dim=-1)
    weights = torch.randn(texts.shape, generator=torch.Generator().manual_seed(SEED))
    (texts * weights).sum().backward()
    return texts.detach(), prompted.context.grad.clone()


def measure_difference(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference, beside the largest number."""
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


def measure_text_step(
    clip: CLIPModel, processor: CLIPProcessor, classes: int = 100, repeats: int = REPEATS
) -> Measured:
    """A step through the text tower by each way, and how far features and gradient are from those of the plain one."""
    gflops = measure_gflops()
    prompted = make_prompted_clip(clip, processor, make_class_names(classes), LENGTH)
    ways = list_ways(prompted)
    found = {name: run_text_step(prompted, way) for name, way in ways.items()}  # and everything is warm
    seconds = time_ways({name: lambda way=way: run_text_step(prompted, way) for name, way in ways.items()}, repeats)
    plain, fast = seconds["plain"].median, seconds["fast"].median
    best = max(gflops, measure_gflops())  # that the machine has shown
    limit = estimate_least_seconds(count_fast_macs(prompted), best)
    texts, gradient = found["plain"]
    return Measured(
        what="forward through the text tower and backward to the context, by four ways that take turns; "
        "the vision tower has no part",
        sizes=list_text_sizes(prompted),
        seconds=seconds,
        value=plain / fast,
        unit="×",
        ratio=("plain ÷ fast", plain / fast),
        gflops=gflops,
        bound=10,
        more={
            "ladder": {name: plain / timing.median for name, timing in seconds.items()},
            "difference": {
                name: {"features": measure_difference(ours, texts), "gradient": measure_difference(towards, gradient)}
                for name, (ours, towards) in found.items()
            },
            "limit_seconds": limit,
            "fast_beside_limit": fast / limit,
        },
    )


# --- a whole few-shot run -------------------------------------------------------------------------


@contextmanager
def use_empty_cache() -> Iterator[None]:
    """Within, nothing has been computed before."""
    before = os.environ.get("COURSE_CACHE")
    with TemporaryDirectory() as folder:
        os.environ["COURSE_CACHE"] = folder
        try:
            yield
        finally:
            del os.environ["COURSE_CACHE"]
            if before is not None:
                os.environ["COURSE_CACHE"] = before


def time_our_run(
    clip: CLIPModel,
    processor: CLIPProcessor,
    names: Sequence[str],
    images: Sequence[Image.Image],
    checks: int,
    config: TrainConfig,
) -> list[tuple[int, float]]:
    """Time the whole of our way, with an empty cache: after which step (0: the pictures alone) how many seconds passed.

    images: those to validate on first, `checks` of each class, then those to learn from.
    """
    labels, held = torch.arange(len(images)) % len(names), checks * len(names)
    with use_empty_cache():
        begun = time.perf_counter()
        checked, learned = (cache_features(clip, processor, part) for part in (images[:held], images[held:]))
        passed = [(0, time.perf_counter() - begun)]
        validation = (checked, labels[:held])
        data = FewShot((learned, labels[held:]), validation, test=validation)  # which learning never looks at
        prompted = make_prompted_clip(clip, processor, names, LENGTH)
        for evaluation in train_context(prompted, data, config):
            if evaluation.step:
                passed.append((evaluation.step, time.perf_counter() - begun))
    return passed


def time_textbook_steps(
    clip: CLIPModel, processor: CLIPProcessor, names: Sequence[str], images: Sequence[Image.Image], config: TrainConfig
) -> Iterator[float]:
    """Time one step after the other as CoOp's own code does them: pictures through their tower, texts in full length.

    Preparing the pictures is left out, since CoOp leaves it to processes of their own; and nothing is ever validated.
    """
    labels, order = torch.arange(len(images)) % len(names), BatchSampler(len(images), config)
    prompted = make_prompted_clip(clip, processor, names, LENGTH)
    optimizer = torch.optim.AdamW([prompted.context], lr=config.learning_rate, weight_decay=config.weight_decay)

    def learn_from(rows: Tensor, pixels: Tensor) -> None:
        encoded = clip.get_image_features(pixel_values=pixels)
        pictures = F.normalize(getattr(encoded, "pooler_output", encoded), dim=-1)  # (B, D)
        scores = clip.logit_scale.exp() * pictures @ prompted.text_features(fast=False).T  # (B, C)
        optimizer.zero_grad()
        F.cross_entropy(scores, labels[rows]).backward()
        optimizer.step()

    for number in range(config.steps):
        rows = order.batch(number)
        pixels = processor.image_processor([images[row] for row in rows], return_tensors="pt")["pixel_values"]
        yield measure_seconds(lambda: learn_from(rows, pixels))


def find_crossing(each: float, ours: Sequence[tuple[int, float]]) -> int | None:
    """Find the first step at whose end our way, as (step, seconds), took no longer than steps of so many seconds."""
    steps = np.arange(1, ours[-1][0] + 1)
    ahead = np.interp(steps, *zip(*ours)) <= each * steps
    return int(steps[ahead.argmax()]) if ahead.any() else None


def measure_few_shot_run(
    clip: CLIPModel,
    processor: CLIPProcessor,
    classes: int = 20,
    shots: int = 16,
    checks: int = 4,
    config: TrainConfig = COOP_CONFIG,
    steps_a_turn: int = 4,
    repeats: int = REPEATS,
) -> Measured:
    """Measure a whole run from pictures to a context, by ours and by the textbook in turns.

    The textbook's is extrapolated from some steps.
    """
    gflops = measure_gflops()
    names, images = make_class_names(classes), make_noise_pictures((shots + checks) * classes)
    textbook_way = time_textbook_steps(clip, processor, names, images[checks * classes :], config)
    next(textbook_way)  # it warms up
    steps, runs = [], []
    for _ in range(repeats):
        steps += itertools.islice(textbook_way, steps_a_turn)
        runs.append(time_our_run(clip, processor, names, images, checks, config))
    each = Timing.of(steps)
    runs.sort(key=lambda run: run[-1][1])
    ours, textbook = runs[len(runs) // 2], config.steps * each.median
    whole = Timing.of([run[-1][1] for run in runs])
    caching = Timing.of([run[0][1] for run in runs])
    return Measured(
        what=(
            f"ours: {config.steps} steps measured whole, from pictures to the learned context, with the features of "
            f"all pictures computed once and kept, and a look at validation every {config.eval_every} steps; "
            f"textbook: {len(steps)} steps measured and extrapolated to {config.steps}, without preparing pictures "
            "and without validation"
        ),
        sizes={
            **list_text_sizes(make_prompted_clip(clip, processor, names, LENGTH)),
            "shots": shots,
            "validation_pictures_a_class": checks,
            "picture_side": clip.config.vision_config.image_size,
            "steps": config.steps,
            "batch": config.batch_size,
            "eval_every": config.eval_every,
        },
        seconds={"textbook step": each, "ours": whole, "of ours, caching": caching},
        value=textbook / whole.median,
        unit="×",
        ratio=("textbook ÷ ours", textbook / whole.median),
        gflops=gflops,
        bound=10,
        more={
            "textbook_seconds": textbook,
            "textbook_is_extrapolated": True,
            "textbook_steps_measured": len(steps),
            "ours_after_steps": [list(point) for point in ours],
            "break_even_step": find_crossing(each.median, ours),
        },
    )


# --- memory for many classes ----------------------------------------------------------------------


def measure_memory(clip: CLIPModel, processor: CLIPProcessor, classes: int = 1000, pictures: int = 32) -> Measured:
    """Measure the most memory of this process after one training step, which only means something in a fresh one."""
    gflops = measure_gflops()
    prompted = make_prompted_clip(clip, processor, make_class_names(classes), LENGTH)
    numbers = torch.Generator().manual_seed(SEED)
    features = F.normalize(torch.randn(pictures, clip.config.projection_dim, generator=numbers), dim=-1)  # (B, D)
    labels = torch.randint(classes, (pictures,), generator=numbers)  # (B,)
    optimizer = torch.optim.AdamW([prompted.context], lr=TrainConfig.learning_rate)

    def train_step() -> None:
        F.cross_entropy(prompted(features), labels).backward()
        optimizer.step()

    before = measure_peak_memory()
    seconds = measure_seconds(train_step)
    peak, model = measure_peak_memory(), sum(tensor.nbytes for tensor in clip.state_dict().values())
    return Measured(
        what="the most memory of a process of its own until after one training step by the fast path, "
        "with Python, torch and all of CLIP",
        sizes={**list_text_sizes(prompted), "batch": pictures},
        seconds={"training step": Timing.of([seconds])},
        value=peak / GIB,
        unit="GiB",
        ratio=("peak ÷ the model's own size", peak / model),
        gflops=gflops,
        bound=3,
        at_most=True,
        more={"before_the_step_gib": before / GIB, "model_gib": model / GIB},
    )


# --- a few-shot run on the pocket model -----------------------------------------------------------


def measure_pocket_run(
    clip: CLIPModel,
    processor: CLIPProcessor,
    shots: int = 16,
    checks: int = 4,
    config: TrainConfig = LESSON_CONFIG,
    repeats: int = REPEATS,
) -> Measured:
    """Measure learning a context for the pocket world's objects, from features, by the lessons' configuration."""
    gflops = measure_gflops()
    data = encode_split(clip, processor, draw_few_shot(BLURRED, shots, checks, tests=1))

    def run_whole() -> PromptedCLIP:
        prompted = make_prompted_clip(clip, processor, BLURRED.class_names, LENGTH)
        for _ in train_context(prompted, data, config):
            pass
        return prompted

    prompted = run_whole()  # and everything is warm
    whole = time_ways({"whole run": run_whole}, repeats)["whole run"]
    limit = config.steps * estimate_least_seconds(count_fast_macs(prompted), max(gflops, measure_gflops()))
    return Measured(
        what=(
            f"{config.steps} steps on the pocket model from features that are in the cache, all pictures at "
            f"every step, and a look at validation every {config.eval_every} steps; "
            "drawing and encoding the pictures is not in it"
        ),
        sizes={
            **list_text_sizes(prompted),
            "weights": "pocket",
            "shots": shots,
            "validation_pictures_a_class": checks,
            "steps": config.steps,
            "batch": len(data.train[1]),
            "eval_every": config.eval_every,
        },
        seconds={"whole run": whole},
        value=whole.median,
        unit="s",
        ratio=("measured ÷ the machine's limit for the text tower", whole.median / limit),
        gflops=gflops,
        bound=10,
        at_most=True,
        more={"limit_seconds": limit},
    )


# --- what a step costs by the number of classes ---------------------------------------------------


def measure_cost_by_classes(
    clip: CLIPModel,
    processor: CLIPProcessor,
    fast: Sequence[int] = (1, 10, 100, 1000),
    plain: Sequence[int] = (1, 10, 100),
    repeats: int = REPEATS,
) -> Measured:
    """A step through the text tower for so many classes, by the fast and by the plain path, beside the machine's limit.

    The limit is that of the fast path's products; where it computes chunks of classes a second time, to bound
    memory, those do not count.
    """
    gflops = measure_gflops()
    points, products, kept = [], [], 0
    for classes in fast:
        prompted = make_prompted_clip(clip, processor, make_class_names(classes), LENGTH)
        ways = {"fast": prompted.text_features}
        if classes in plain:
            ways["plain"] = lambda prompted=prompted: prompted.text_features(fast=False)
            kept = measure_kept_bytes(ways["plain"], clip) / classes
        for way in ways.values():
            run_text_step(prompted, way)  # and everything is warm
        seconds = time_ways({name: lambda way=way: run_text_step(prompted, way) for name, way in ways.items()}, repeats)
        points.append(
            {
                "classes": classes,
                "longest_text": int(prompted.end.max()) + 1,
                "shared_positions": prompted.shared,
                **{name: asdict(timing) for name, timing in seconds.items()},
            }
        )
        products.append(count_fast_macs(prompted))
    best = max(gflops, measure_gflops())
    for point, count in zip(points, products):
        point["limit_seconds"] = estimate_least_seconds(count, best)
    both = next(point for point in points if point["classes"] == max(plain))
    ratio = both["plain"]["median"] / both["fast"]["median"]
    return Measured(
        what="forward through the text tower and backward to the context, for more and more classes, "
        "fast and plain in turns",
        sizes={**list_text_sizes(prompted), "classes": list(fast)},  # the positions are those of the most classes
        seconds={},
        value=ratio,
        unit="×",
        ratio=(f"plain ÷ fast at {max(plain)} classes", ratio),
        gflops=gflops,
        more={
            "points": points,
            "plain_not_run": [
                {"classes": classes, "would_keep_for_backward_gib": kept * classes / GIB}
                for classes in fast
                if classes not in plain
            ],
        },
    )


# --- plots ----------------------------------------------------------------------------------------


def make_cost_curves(found: dict[str, Any]) -> dict[str, Curve]:
    """Seconds by the number of classes, of each way, and of the machine at its limit."""
    points = found["points"]

    def make_curve(way: str) -> Curve:
        mine = [point for point in points if way in point]
        return Curve([point["classes"] for point in mine], [point[way]["median"] for point in mine])

    limit = Curve([point["classes"] for point in points], [point["limit_seconds"] for point in points])
    return {"plain": make_curve("plain"), "fast": make_curve("fast"), "limit": limit}


def make_run_curves(found: dict[str, Any]) -> dict[str, Curve]:
    """Seconds by the steps done, by the textbook and by ours."""
    steps, each = found["sizes"]["steps"], found["seconds"]["textbook step"]["median"]
    textbook = Curve([0, steps], [0.0, steps * each])
    return {"textbook": textbook, "ours": Curve(*map(list, zip(*found["ours_after_steps"])))}


def draw_cost(found: dict[str, Any]) -> Picture:
    """The figure of `cost_by_classes`."""
    curves = make_cost_curves(found)
    absent = [(point["classes"], point["would_keep_for_backward_gib"]) for point in found["plain_not_run"]]
    both = max(curves["plain"].x)
    tops = {name: f"{curve.y[-1]:.2g} s for {curve.x[-1]} classes" for name, curve in curves.items()}
    return draw_seconds_by_classes(
        **curves,
        absent=absent,
        title=f"For {both} classes, the same features and gradient in 1/{found['value']:.0f} of the time",
        alt=(
            "Seconds of a step against the number of classes, both axes logarithmic. The plain path lies highest "
            f"({tops['plain']}), the fast one far below ({tops['fast']}), the limit of the machine beneath both "
            f"({tops['limit']})."
        ),
    )


def draw_run(found: dict[str, Any]) -> Picture:
    """The figure of `few_shot_run`."""
    curves, even = make_run_curves(found), found["break_even_step"]
    return draw_break_even(
        **curves,
        step=even,
        measured=found["textbook_steps_measured"],
        title=f"With pictures encoded once and texts cut short, a whole run takes 1/{found['value']:.0f} of the time",
        alt=(
            "Seconds against training steps, on the left the first steps, on the right the whole run. The textbook's "
            f"line begins at zero and rises to {curves['textbook'].y[-1]:.0f} s; ours begins at "
            f"{curves['ours'].y[0]:.0f} s, rises to {curves['ours'].y[-1]:.0f} s"
            + (f", and the two cross at step {even}." if even else ", and the two do not cross.")
        ),
    )


PLOTS = {"few_shot_run": (draw_run, make_run_curves), "cost_by_classes": (draw_cost, make_cost_curves)}
