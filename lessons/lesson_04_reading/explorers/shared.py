"""What the explorers of lesson 04 share: the stored study, what chance gives, the choice of a context, and how things are called."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import ipywidgets
import torch
from torch import Tensor
from transformers import CLIPModel

from helpers import reading
from helpers.language import LearnerError, say
from helpers.pretrained import fingerprint, load_clip
from helpers.reading import Metric, Vocabulary
from lessons.kit.explorer import format_percent, make_dropdown
from lessons.lesson_04_reading import nulls
from pocket.studies import reading_study
from pocket.studies.reading_study import RIGHT, LearnedContext
from pocket.words import translate

DRAWS = 500  # of random vectors that a reading is compared with
CHANCE = 200  # contexts of random vectors that may name a planted word
NAMED = 6  # words in a diagram


# --- the stored study ------------------------------------------------------------------------------------------------------------


def find_contexts(**settings: Any) -> list[LearnedContext]:
    """The learned contexts that have these settings, such as task="blurred"."""
    return [run for run in reading_study.load_study().learned if settings.items() <= vars(run).items()]


def stack_contexts(**settings: Any) -> Tensor:
    """Their vectors, as they were kept: (S, M, D)."""
    return torch.stack([run.context for run in find_contexts(**settings)])


def find_followed() -> dict[tuple[str, str, int], LearnedContext]:
    """The contexts of which every evaluation is stored, by task, beginning and seed."""
    return {(run.task, run.init, run.seed): run for run in find_contexts() if run.path is not None}


def find_tasks(*kinds: str) -> list[str]:
    """The tasks of these kinds, or all, in the order in which the study lists them."""
    there = {run.task for run in reading_study.load_study().learned}
    return [task for task in RIGHT if task in there and (not kinds or reading_study.KIND[task] in kinds)]


def list_steps() -> list[int]:
    """At which steps the contexts of a path were evaluated."""
    config = reading_study.load_study().config
    return [*range(0, config.steps, config.eval_every), config.steps]


@cache
def _read_pocket() -> tuple[str, Vocabulary]:
    """The model on which the study was made: its fingerprint and its vocabulary."""
    clip, processor = load_clip("pocket")
    return fingerprint(clip), reading.read_vocabulary(clip, processor.tokenizer)


def read_words(clip: CLIPModel | None = None) -> Vocabulary:
    """The vocabulary of the study's model. Raises `LearnerError` for another: its words say nothing about these vectors."""
    mark, words = _read_pocket()
    if clip and fingerprint(clip) != mark:
        raise LearnerError(
            en="The stored contexts were learned on the pocket CLIP, and this is another model: its words say nothing about them. "
            "Load the pocket model: load_clip('pocket').",
            zh="存好的上下文向量是在口袋 CLIP 上学的，而这里是另一个模型：用它的词来读这些向量没有意义。请改用口袋模型：load_clip('pocket')。",
        )
    return words


def name_nearest(words: Vocabulary, vectors: Tensor) -> list[str]:
    """The nearest word of each vector (M, D)."""
    ids = reading.find_nearest_tokens(vectors, words.table, 1, rows=words.words).ids[:, 0]
    return [words.names[id] for id in ids.tolist()]


# --- what chance gives -----------------------------------------------------------------------------------------------------------


def sample_null(like: Tensor, draws: int) -> Tensor:
    """Random vectors, each as long as one of (M, D), the same at every call: (draws, M, D)."""
    return nulls.draw_random_like(like, draws, torch.Generator().manual_seed(0))


def measure_null(like: Tensor, table: Tensor, draws: int, metric: Metric) -> tuple[Tensor, list[tuple[float, float]]]:
    """How far random vectors are from the nearest row: (draws, M); and of each vector between which ends nine in ten of them lie."""
    null = reading.measure_distances(sample_null(like, draws), table, metric).amin(-1)
    ends = null.quantile(torch.tensor([0.05, 0.95], dtype=null.dtype), dim=0)  # (2, M)
    return null, list(zip(*ends.tolist()))


def format_draws(share: float, zh: str = "有") -> str:
    """A share of a finite number of draws, in Chinese after a verb: it never says that there is none, or nothing else."""
    if share < 0.01:
        return say(en="less than 1 %", zh=f"只{zh}不到 1%")
    if share > 0.99:
        return say(en="more than 99 %", zh=f"{zh}超过 99%")
    return say(en="", zh=f"{zh} ") + format_percent(share, 0)


# --- controls --------------------------------------------------------------------------------------------------------------------


def make_run_controls() -> dict[str, ipywidgets.Dropdown]:
    """Lists of the tasks, beginnings and seeds of which every evaluation is stored."""
    tasks = {describe_task(task): task for task in reading_study.FOLLOWED}
    seeds = {say(en=f"seed {seed}", zh=f"种子 {seed}"): seed for seed in reading_study.load_study().seeds}
    return {
        "task": make_dropdown(say(en="task", zh="任务"), tasks, reading_study.FOLLOWED[0], 29),
        "init": make_init_control(),
        "seed": make_dropdown(say(en="seed", zh="种子"), seeds, min(seeds.values()), 16),
    }


def make_init_control() -> ipywidgets.Dropdown:
    inits = {name_init(init): init for init in reading_study.INITS}
    return make_dropdown(say(en="begins as", zh="初始化"), inits, reading_study.INITS[0], 23.2)


def make_metric_control() -> ipywidgets.Dropdown:
    metrics = {name_metric(metric): metric for metric in ("cosine", "euclidean")}
    return make_dropdown(say(en="distance", zh="距离"), metrics, "cosine", 18)


# --- how things are called -------------------------------------------------------------------------------------------------------


def name_metric(metric: Metric) -> str:
    return {"cosine": say(en="cosine", zh="余弦"), "euclidean": say(en="Euclidean", zh="欧氏")}[metric]


def name_init(init: str) -> str:
    return say(en="random numbers", zh="随机数") if init == "random" else say(en=f"“{init}”", zh=f"词语“{init}”")


def describe_task(task: str) -> str:
    """A task in the learner's language."""
    if secret := _name_secret(task):
        return say(en=f"the {secret[0]} one of two things", zh=f"两样东西里{secret[1]}的那个")
    if styles := _name_styles(task):
        return say(en=f"each picture a {styles}", zh=f"每张图都是{styles}")
    return {
        "blurred": say(en="blurred photos", zh="模糊的照片"),
        "on its side": say(en="photos on their side", zh="侧放的照片"),
    }[task]


def shorten_task(task: str) -> str:
    """The same in fewer words, for figures."""
    if secret := _name_secret(task):
        return say(en=f"the {secret[0]} one of two", zh=f"两样里{secret[1]}的")
    return _name_styles(task) or describe_task(task)


def _name_secret(task: str) -> tuple[str, str] | None:
    """Which of two things is meant, in English and in Chinese."""
    if not task.startswith("the "):
        return None
    secret = task.split()[1]
    return secret, {"left": "左边", "right": "右边", "large": "大", "small": "小"}.get(secret) or translate(secret)


def _name_styles(task: str) -> str:
    """The styles that all pictures of a task have, or nothing."""
    styles = task.removeprefix("objects, each a ").split(" or a ") if task.startswith("objects, each a ") else []
    return say(en=" or ".join(styles), zh="或".join(map(translate, styles)))


def join_quoted(names: Sequence[str], en: str = " or ", zh: str = "或") -> str:
    return say(en=en, zh=zh).join(f"“{name}”" for name in names)
