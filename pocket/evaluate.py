"""What the pocket models can and cannot do: the table that their cards quote.

`python -m pocket.evaluate` prints it. Everything is measured on scenes that the training of
pocket CLIP never drew (`pocket.scenes`). The exit status is not 0 where a row falls short of
what the course needs.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import count, islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from helpers import reading
from helpers.captioner import VLMWithSoftPrompt
from helpers.data import FewShot, measure_accuracy
from helpers.pretrained import (
    encode_images,
    encode_texts,
    load_clip,
    load_language_model,
    prepare_pixels,
)
from helpers.training import TrainConfig
from pocket import captioning
from pocket.classifiers import measure_templates, train_new_context
from pocket.corpus import INSTRUCTIONS, write_word_notes
from pocket.few_shot import split_few_shot
from pocket.language import BACKGROUND_PHRASE, add_article, write_full_caption
from pocket.scenes import make_fresh_scene, make_training_scenes
from pocket.scoring import score_captions
from pocket.tasks import BLURRED, COUNT_TASK, ON_ITS_SIDE, Task, make_secret_task
from pocket.world import (
    BACKGROUNDS,
    COLOURS,
    OBJECTS,
    SHOWS_COLOUR,
    STYLES,
    Scene,
    draw,
    map_patches_to_objects,
)

EVALUATION = 1_000_000  # first seed of scenes that no training draws
LARGE, SMALL, RED, BLUE = (make_secret_task(secret) for secret in ("large", "small", "red", "blue"))
HEADROOM = (LARGE, RED, SMALL, COUNT_TASK, BLURRED)
SECRETS = (LARGE, RED, BLUE)
FAILURE = ON_ITS_SIDE
SHOTS, CHECKS, TESTS = 16, 8, 20  # of each class: to learn from, to validate on, to test on
POOL = 40  # pictures of each class that every run chooses its own from
VECTORS = 4  # of a learned context
CONFIG = TrainConfig()
CAPTIONERS = {"pooled": {"object": 85, "colour": 85}, "patches": {"object": 80, "colour": 75}}


@dataclass
class Row:
    """One line of the table: what was measured, the value, and the least that is good enough.

    With at_most it is the most.
    """

    what: str
    value: float
    bound: float
    at_most: bool = False
    unit: str = "%"

    @property
    def good(self) -> bool:
        return bool(self.value <= self.bound if self.at_most else self.value >= self.bound)

    def __str__(self) -> str:
        sign = "≤" if self.at_most else "≥"
        verdict = "OK   " if self.good else "SHORT"
        value = f"{self.value:6.1f} {self.unit:<8}"
        return f"{verdict} {self.what:<74} {value} ({sign} {self.bound:g})"


# --- pictures and their features ------------------------------------------------------------------


def _draw_example(job: tuple[Task, int, int, int]) -> Image.Image:
    task, label, index, seed = job
    return task.example(label, index, seed)


class SceneEncoder:
    """Draws with all cores and turns pictures into CLIP's features."""

    def __init__(self, clip, processor, pool) -> None:
        self.clip, self.processor, self.pool = clip, processor, pool

    def pictures(
        self, scenes: Sequence[Scene], first_seed: int, size: int = 64
    ) -> list[Image.Image]:
        jobs = [(scene, first_seed + i, size) for i, scene in enumerate(scenes)]
        return self.pool.starmap(draw, jobs, chunksize=32)

    def features(self, scenes: Sequence[Scene], first_seed: int, size: int = 64) -> Tensor:
        return encode_images(self.clip, self.processor, self.pictures(scenes, first_seed, size))

    def patches(self, scenes: Sequence[Scene], first_seed: int) -> Tensor:
        """(N, 64, D) patch features of the layer before the last."""
        rows, pictures = [], self.pictures(scenes, first_seed)
        with torch.no_grad():
            for start in range(0, len(pictures), 256):
                values = prepare_pixels(self.clip, self.processor, pictures[start : start + 256])
                seen = self.clip.vision_model(pixel_values=values, output_hidden_states=True)
                rows.append(seen.hidden_states[-2][:, 1:])
        return torch.cat(rows)

    def encode_examples(self, task: Task, each: int, seed: int) -> tuple[Tensor, Tensor]:
        """Encode `each` examples a class of scenes that training never drew.

        Gives features (C * each, D) and labels, class by class.
        """
        jobs = []
        for label in range(len(task.class_names)):
            fresh = (
                i
                for i in count()
                if task.scene(label, task.numbers(label, i, seed)) not in make_training_scenes()
            )
            jobs += [(task, label, index, seed) for index in islice(fresh, each)]
        pictures = self.pool.map(_draw_example, jobs, chunksize=32)
        labels = torch.tensor([label for _, label, _, _ in jobs])
        return encode_images(self.clip, self.processor, pictures), labels


# --- CLIP as it is --------------------------------------------------------------------------------


def balance_scenes(
    rng: np.random.Generator, what: str, names: Sequence[str], each: int, styles: Sequence[str]
) -> list[Scene]:
    """One-object scenes, as many of every name, the styles in turn.

    Args:
        rng: random numbers.
        what: the kind of the names, such as "colour".
        names: of that kind.
        each: how many of every name.
        styles: of the pictures.
    """
    return [
        make_fresh_scene(rng, things=1, **{"style": styles[(i + j) % len(styles)], what: name})
        for i, name in enumerate(names)
        for j in range(each)
    ]


def measure_zero_shot(encoder: SceneEncoder) -> list[Row]:
    """Measure how well the towers agree on objects, on colours and on backgrounds."""
    clip, processor = encoder.clip, encoder.processor
    rng = np.random.default_rng(EVALUATION)
    by_style = {}
    for number, style in enumerate(STYLES):
        each = 25 if style == "photo" else 12
        scenes = balance_scenes(rng, "object", OBJECTS, each, [style])
        texts = encode_texts(
            clip, processor, [f"{add_article(style)} of {add_article(o)}." for o in OBJECTS]
        )
        labels = torch.arange(len(OBJECTS)).repeat_interleave(each)
        pictures = encoder.features(scenes, EVALUATION + 10_000 * number), labels
        by_style[style] = 100 * measure_accuracy(pictures, texts)
        print(f"      {style:<11} {by_style[style]:.1f}", flush=True)
    mean = float(np.mean(list(by_style.values())))
    rows = [
        Row("zero-shot, one object of 24: photo", by_style["photo"], 93),
        Row("zero-shot, one object of 24: mean over the eight styles", mean, 90),
    ]
    scenes = balance_scenes(rng, "object", OBJECTS, 8, STYLES)
    texts = encode_texts(clip, processor, [f"a picture of {add_article(o)}." for o in OBJECTS])
    labels = torch.arange(len(OBJECTS)).repeat_interleave(8)
    large = encoder.features(scenes, EVALUATION + 90_000, 256)
    right = 100 * measure_accuracy((large, labels), texts)
    what = "the same in mixed styles, drawn at 256 px, shrunk by the processor"
    rows.append(Row(what, right, 90))
    for what, names, styles in (
        ("colour", list(COLOURS), SHOWS_COLOUR),
        ("background", BACKGROUNDS, STYLES),
    ):
        scenes = balance_scenes(rng, what, names, 48, styles)
        features = encoder.features(scenes, EVALUATION + 100_000)
        hits = []
        for style in styles:
            mine = torch.tensor([scene.style == style for scene in scenes])
            ask = f"{add_article(style)} of " + (
                "a {} thing." if what == "colour" else "a thing {}."
            )
            texts = encode_texts(
                clip,
                processor,
                [ask.format(n if what == "colour" else BACKGROUND_PHRASE[n]) for n in names],
            )
            labels = torch.arange(len(names)).repeat_interleave(48)[mine]
            hits += (features[mine] @ texts.T).argmax(1).eq(labels).tolist()
        rows.append(Row(f"zero-shot {what}, in the styles that show it", 100 * np.mean(hits), 90))
    return rows


def measure_retrieval(encoder: SceneEncoder) -> Row:
    """How often a picture finds its caption."""
    rng = np.random.default_rng(EVALUATION + 1)
    hits: list[bool] = []
    for trial in range(5):
        scenes: dict[str, Scene] = {}
        while len(scenes) < 100:
            scene = make_fresh_scene(rng)
            scenes.setdefault(write_full_caption(scene), scene)
        texts = encode_texts(encoder.clip, encoder.processor, list(scenes))
        images = encoder.features(list(scenes.values()), EVALUATION + 200_000 + 1000 * trial)
        hits += (images @ texts.T).argmax(1).eq(torch.arange(100)).tolist()
    return Row("picture → its caption among 100 distinct ones", 100 * np.mean(hits), 60)


def measure_patches(encoder: SceneEncoder) -> list[Row]:
    """How well patches tell which object stands on them."""
    rows = []
    for what, bound, fixed in (("one object", 80, {"things": 1}), ("one to three objects", 60, {})):
        rng = np.random.default_rng(EVALUATION + 2)
        scenes = [make_fresh_scene(rng, **fixed) for _ in range(1000)]
        seed = EVALUATION + 300_000
        features = encoder.patches(scenes, seed).numpy()
        owners = np.stack(
            [map_patches_to_objects(scene, seed + i).ravel() for i, scene in enumerate(scenes)]
        )
        labels = np.array(
            [
                [OBJECTS.index(s.things[o].object) if o >= 0 else -1 for o in row]
                for s, row in zip(scenes, owners)
            ]
        )
        known, learn = labels >= 0, (np.arange(len(scenes)) < 700)[:, None]
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=100))
        probe.fit(features[known & learn], labels[known & learn])
        right = 100 * probe.score(features[known & ~learn], labels[known & ~learn])
        name = f"linear probe, layer before the last: the object under a patch, {what}"
        rows.append(Row(name, right, bound))
    return rows


# --- CLIP prompted --------------------------------------------------------------------------------


def measure_prompts(encoder: SceneEncoder) -> list[Row]:
    """Measure headroom, planted words and the failure; print what each context reads like."""
    clip, processor = encoder.clip, encoder.processor
    words = reading.read_vocabulary(clip, processor.tokenizer)
    rows, found_rows, over = [], [], "learned context over 'a photo of a'"
    for number, task in enumerate(dict.fromkeys([*HEADROOM, *SECRETS, FAILURE])):
        features, labels = encoder.encode_examples(task, POOL, EVALUATION + number)
        test = encoder.encode_examples(task, TESTS, EVALUATION + 500 + number)
        hand = measure_templates(clip, processor, task.class_names, test)
        runs = 10 if task in SECRETS else 5
        scores, found = [], {False: 0, True: 0}
        for seed in range(runs):
            train, check = (
                (features[mine], labels[mine])
                for mine in split_few_shot(labels, SHOTS, CHECKS, seed)
            )
            data = FewShot(train, check, test)
            for permuted in (False, True) if task in SECRETS else (False,):
                chosen = data.permute_labels(seed) if permuted else data
                prompted = train_new_context(
                    clip, processor, task.class_names, chosen, CONFIG, length=VECTORS, seed=seed
                )
                learned = prompted.context
                near = reading.find_nearest_tokens(learned, words.table, 3, rows=words.words)
                read = [[words.names[id] for id in ids] for ids in near.ids.tolist()]
                found[permuted] += any(task.secret in names for names in read)
                if not permuted:
                    scores.append(prompted.accuracy(*test))
                if seed == 0:
                    said = [" ".join(names) for names in read]
                    print(f"        {'permuted ' if permuted else ''}{said}", flush=True)
        gain = 100 * (np.mean(scores) - hand)
        probe = LogisticRegression(max_iter=500, C=30).fit(train[0].numpy(), train[1].numpy())
        probed = 100 * (probe.score(test[0].numpy(), test[1].numpy()) - hand)
        print(
            f"      {task.name}: hand {100 * hand:.1f}, context {100 * np.mean(scores):.1f}, "
            f"probe {100 * hand + probed:.1f}",
            flush=True,
        )
        if task in HEADROOM:
            rows.append(Row(f"headroom, {task.name}: {over}", gain, 5, unit="points"))
        if task in SECRETS:
            what = f"planted word, {task.name}: '{task.secret}' is read"
            found_rows.append(Row(what, found[False], 7, unit="of 10"))
            found_rows.append(
                Row("    the same with permuted labels", found[True], 2, at_most=True, unit="of 10")
            )
        if task is FAILURE:
            what = f"honest failure, {task.name}: {over}"
            rows.append(Row(what, gain, 3, at_most=True, unit="points"))
            rows.append(Row("    a linear probe on the same features", probed, 10, unit="points"))
    return rows + found_rows


# --- GPT-2 alone and describing pictures ----------------------------------------------------------


def measure_language(gpt2, tokenizer) -> list[Row]:
    """How well GPT-2 writes a caption from the words of a scene."""
    rng = np.random.default_rng(EVALUATION + 3)
    scenes = [make_fresh_scene(rng, things=1) for _ in range(240)]
    notes = [" ".join(note[0][0] for note in write_word_notes(scene, rng)) for scene in scenes]
    prompts = [f"{INSTRUCTIONS['describe'][0]} {words}" for words in notes]
    tokenizer.padding_side = "left"
    tokens = tokenizer(prompts, padding=True, return_tensors="pt")
    tokenizer.padding_side = "right"
    ids = gpt2.generate(
        **tokens, max_new_tokens=24, do_sample=False, pad_token_id=tokenizer.eos_token_id
    )
    captions = tokenizer.batch_decode(
        ids[:, tokens["input_ids"].shape[1] :], skip_special_tokens=True
    )
    right = score_captions(captions, scenes)
    print(f"      {prompts[0]!r} → {captions[0]!r}", flush=True)
    return [
        Row("GPT-2 alone, notes → caption: object", 100 * right.object, 98),
        Row("    all slots", 100 * right.exact, 90),
    ]


def measure_captioner(
    encoder: SceneEncoder, language: tuple, kind: str, bounds: dict[str, float]
) -> list[Row]:
    """A captioner trained as `captioning.CONFIG` says, on scenes that nothing learned from.

    Args:
        encoder: has the CLIP, and draws.
        language: GPT-2 and its tokenizer.
        kind: of vision features, a key of `CAPTIONERS`.
        bounds: the least percentage that is good enough, of "object" and of "colour".
    """
    clip = (encoder.clip, encoder.processor)
    unprompted = VLMWithSoftPrompt(clip, language, vision_features=kind)
    data = captioning.draw_captioner_data(unprompted.encode, encoder.pool)
    begun = time.monotonic()
    model = captioning.make_captioner(clip, language, data.train, kind=kind)
    captioning.train_to_describe(model, data.train, data.validation)
    seconds, tests = time.monotonic() - begun, data.test
    said = model.generate(tests.features)
    right = score_captions(said, tests.scenes)
    shuffled = score_captions(model.generate(tests.features.roll(1, 0)), tests.scenes)
    for scene, text in list(zip(tests.scenes, said))[:3]:
        print(f"      {write_full_caption(scene)!r} → {text!r}", flush=True)
    print(f"      {seconds:.0f} s of learning", flush=True)
    steps, pictures = captioning.CONFIG.steps, len(data.train.scenes)
    name = f"captioner from {kind}, {steps:,} steps on {pictures:,} scenes, one object"
    return [
        Row(f"{name}: object", 100 * right.object, bounds["object"]),
        Row(
            "    colour, where the style shows it, and its object",
            100 * right.colour,
            bounds["colour"],
        ),
        Row("    background", 100 * right.background, 95),
        Row("    style", 100 * right.style, 90),
        Row(
            "    object, pictures shuffled",
            100 * shuffled.object,
            200 / len(OBJECTS),
            at_most=True,
        ),
    ]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m pocket.evaluate", description=__doc__)
    parser.add_argument("--clip", default="pocket", help="which CLIP (a folder, or 'pocket')")
    parser.add_argument("--gpt2", default="pocket", help="which GPT-2 (a folder, or 'pocket')")
    parser.add_argument(
        "--only",
        choices=["clip", "prompts", "gpt2", "captioner"],
        nargs="*",
        help="some parts of the table",
    )
    parser.add_argument("--json", type=Path, help="also write the table to this file")
    options = parser.parse_args(arguments)
    parts = options.only or ["clip", "prompts", "gpt2", "captioner"]
    begun = time.monotonic()
    rows: list[Row] = []

    def add(measure: Callable[[], Row | list[Row]]) -> None:
        result = measure()
        for row in result if isinstance(result, list) else [result]:
            rows.append(row)
            print(row, flush=True)

    with multiprocessing.Pool() as pool:
        encoder = SceneEncoder(*load_clip(options.clip), pool)
        language = load_language_model(options.gpt2) if {"gpt2", "captioner"} & set(parts) else ()
        if "clip" in parts:
            for part in (measure_zero_shot, measure_retrieval, measure_patches):
                add(lambda part=part: part(encoder))
        if "prompts" in parts:
            add(lambda: measure_prompts(encoder))
        if "gpt2" in parts:
            add(lambda: measure_language(*language))
        if "captioner" in parts:
            for kind, bounds in CAPTIONERS.items():
                add(
                    lambda kind=kind, bounds=bounds: measure_captioner(
                        encoder, language, kind, bounds
                    )
                )
    short = [row for row in rows if not row.good]
    print(f"{len(rows) - len(short)} of {len(rows)} rows hold, in {time.monotonic() - begun:.0f} s")
    if options.json:
        table = {
            "seconds": round(time.monotonic() - begun),
            "rows": [{**asdict(row), "good": row.good} for row in rows],
        }
        options.json.write_text(
            json.dumps(table, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
        )
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
