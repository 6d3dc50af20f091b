"""What the explorers of lesson 04 share: the stored study, its tasks and how they are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import ipywidgets
from torch import Tensor
from transformers import CLIPModel, CLIPProcessor

from helpers import reading
from helpers.language import LearnerError, say
from helpers.pretrained import fingerprint, load_clip
from helpers.reading import Metric, Vocabulary
from lessons.kit.explorer import dropdown, format_percent
from pocket.studies import reading_study
from pocket.studies.reading_study import LearnedContext
from pocket.words import translate

RIGHT = reading_study.RIGHT
NAMED = 6  # words in a diagram
CHANCE = 200  # contexts of random vectors that may name a planted word
DRAWS = 500  # of random vectors that a reading is compared with


# --- the stored study ------------------------------------------------------------------------------------------------------------


def _contexts(**settings: Any) -> list[LearnedContext]:
    """The learned contexts that have these settings, such as task="blurred"."""
    return [run for run in reading_study.load_study().learned if settings.items() <= vars(run).items()]


def _tasks(*kinds: str) -> list[str]:
    """The tasks of these kinds, or all, in the order in which the study lists them."""
    there = {run.task for run in reading_study.load_study().learned}
    return [task for task in RIGHT if task in there and (not kinds or reading_study.KIND[task] in kinds)]


@cache
def _pocket() -> tuple[str, Vocabulary]:
    """The model on which the study was made: its fingerprint and its vocabulary."""
    clip, processor = load_clip("pocket")
    return fingerprint(clip), reading.read_vocabulary(clip, processor.tokenizer)


def _vocabulary(clip: CLIPModel, processor: CLIPProcessor) -> Vocabulary:
    """The vocabulary of the study's model. Raises `LearnerError` for another: its words say nothing about these vectors."""
    if fingerprint(clip) != _pocket()[0]:
        raise LearnerError(
            say(
                en="The stored contexts were learned on the pocket CLIP, and this is another model: its words say nothing about them. "
                "Load the pocket model: load_clip('pocket').",
                zh="存好的上下文向量是在口袋 CLIP 上学的，而这里是另一个模型：用它的词来读这些向量没有意义。请改用口袋模型：load_clip('pocket')。",
            )
        )
    return _pocket()[1]


def _steps(path: Tensor) -> list[int]:
    """At which steps the looks (L, M, D) were taken."""
    config = reading_study.load_study().config
    return [min(number * config.eval_every, config.steps) for number in range(len(path))]


# --- what the explorers share ----------------------------------------------------------------------------------------------------


def _which(runs: Mapping[tuple, Any]) -> dict[str, ipywidgets.Dropdown]:
    """Lists of the tasks, beginnings and seeds that the keys of these runs have."""
    tasks, inits, *seeds = (list(dict.fromkeys(part)) for part in zip(*sorted(runs, key=_in_order)))
    lists = {
        "task": dropdown(say(en="task", zh="任务"), {_task_name(task): task for task in tasks}, tasks[0], 29),
        "init": dropdown(say(en="begins as", zh="初始化"), {_init_name(i): i for i in inits}, inits[0], 23.2),
    }
    if seeds:
        numbers = {say(en=f"seed {seed}", zh=f"种子 {seed}"): seed for seed in seeds[0]}
        lists["seed"] = dropdown(say(en="seed", zh="种子"), numbers, seeds[0][0], 16)
    return lists


def _in_order(key: tuple) -> tuple:
    """The followed tasks in the order of the lesson, random beginnings first."""
    followed = list(reading_study.FOLLOWED)
    return followed.index(key[0]), reading_study.INITS.index(key[1]), *key[2:]


def _metrics() -> dict[str, Metric]:
    return {_metric_name(metric): metric for metric in ("cosine", "euclidean")}


def _metric_name(metric: Metric) -> str:
    return {"cosine": say(en="cosine", zh="余弦"), "euclidean": say(en="Euclidean", zh="欧氏")}[metric]


def _inits() -> dict[str, str]:
    return {_init_name(init): init for init in reading_study.INITS}


def _init_name(init: str) -> str:
    return say(en="random numbers", zh="随机数") if init == "random" else say(en=f"“{init}”", zh=f"词语“{init}”")


def _task_name(task: str) -> str:
    """A task in the learner's language."""
    if secret := _secret_of(task):
        return say(en=f"the {secret[0]} one of two things", zh=f"两样东西里{secret[1]}的那个")
    if styles := _styles_of(task):
        return say(en=f"each picture a {styles}", zh=f"每张图都是{styles}")
    return {
        "blurred": say(en="blurred photos", zh="模糊的照片"),
        "on its side": say(en="photos on their side", zh="侧放的照片"),
    }[task]


def _title_of(task: str) -> str:
    """The same in fewer words, for figures."""
    if secret := _secret_of(task):
        return say(en=f"the {secret[0]} one of two", zh=f"两样里{secret[1]}的")
    return _styles_of(task) or _task_name(task)


def _secret_of(task: str) -> tuple[str, str] | None:
    """Which of two things is meant, in English and in Chinese."""
    if not task.startswith("the "):
        return None
    secret = task.split()[1]
    return secret, {"left": "左边", "right": "右边", "large": "大", "small": "小"}.get(secret) or translate(secret)


def _styles_of(task: str) -> str:
    """The styles that all pictures of a task have, or nothing."""
    styles = task.removeprefix("objects, each a ").split(" or a ") if task.startswith("objects, each a ") else []
    return say(en=" or ".join(styles), zh="或".join(map(translate, styles)))


def _or(names: Sequence[str]) -> str:
    return say(en=" or ", zh="或").join(f"“{name}”" for name in names)


def _drawn(share: float, zh: str = "有") -> str:
    """A share of a finite number of draws, in Chinese after a verb: it never says that there is none, or nothing else."""
    if share < 0.01:
        return say(en="less than 1 %", zh=f"只{zh}不到 1%")
    if share > 0.99:
        return say(en="more than 99 %", zh=f"{zh}超过 99%")
    return say(en="", zh=f"{zh} ") + format_percent(share, 0)
