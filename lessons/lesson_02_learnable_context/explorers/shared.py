"""What several explorers of lessons 02 and 02b share: how tasks, positions and tokens are called, and how accuracies are compared."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets
from torch import Tensor
from transformers import CLIPProcessor

from helpers.context import Position
from helpers.language import say
from lessons.kit.explorer import look
from lessons.kit.tokens import read_letters
from pocket import tasks
from pocket.studies.context_study import ContextStudy


def describe_study(study: ContextStudy) -> str:
    return say(
        en=f"Stored runs on the pocket model, made by “{study.command}”.",
        zh=f"口袋模型上事先存好的训练，由 {study.command} 得到。",
    )


def list_tasks() -> dict[str, tasks.Task]:
    known = (tasks.RIDDLE, tasks.BLURRED, tasks.make_style_task("sketch"), tasks.make_style_task("sepia print"))
    return {task.name: task for task in known}


def name_task(task: str) -> str:
    """A task in few words, for titles and tables."""
    riddle, blurred, sketch, sepia = list_tasks()
    return {
        riddle: say(en="The red one of two", zh="红色的那一样"),
        blurred: say(en="Blurred photos", zh="模糊的照片"),
        sketch: say(en="Sketches", zh="素描"),
        sepia: say(en="Sepia prints", zh="泛黄老照片"),
    }[task]


def describe_task(task: str) -> str:
    """A task in the learner's language."""
    riddle, blurred, sketch, sepia = list_tasks()
    return {
        riddle: say(
            en="the red one of two things (the riddle of lesson 00)", zh="两个物体里红色的那个（第 00 课的谜题）"
        ),
        blurred: say(en="blurred photos", zh="模糊的照片"),
        sketch: say(en="sketches", zh="素描"),
        sepia: say(en="sepia prints, a style that CLIP never saw", zh="泛黄老照片（CLIP 没见过的风格）"),
    }[task]


def name_positions() -> dict[str, Position]:
    return {
        say(en="at the end", zh="末尾"): "end",
        say(en="in the middle", zh="中间"): "middle",
        say(en="in front", zh="开头"): "front",
    }


def find_limits(shares: Sequence[float], unit: float = 0.05) -> tuple[float, float]:
    """From below the least to above the greatest of these accuracies, in steps of five points."""
    low, high = min(shares) - 0.01, max(shares) + 0.01
    return max(0.0, unit * (low // unit)), min(1.02, unit * (high // unit + 1))


def count_points(one: float, other: float) -> float:
    """How many points one accuracy is above another, as the two are printed."""
    return round(round(100 * one, 1) - round(100 * other, 1), 1)


def compare_accuracies(one: float, other: float) -> str:
    points = count_points(one, other)
    if not points:
        return say(en="as much as", zh="不相上下")
    en, zh = ("more", "高") if points > 0 else ("less", "低")
    return say(en=f"{abs(points):.1f} points {en} than", zh=f"{zh} {abs(points):.1f} 个百分点")


def compare_with_hand(one: float, hand: float) -> str:
    """How far an accuracy is from that of the hand prompt; in English "3.1 points more than", in Chinese a whole clause."""
    return say(
        en=compare_accuracies(one, hand),
        zh=f"{'和' if not count_points(one, hand) else '比'}手工提示词{compare_accuracies(one, hand)}",
    )


def label_tokens(processor: CLIPProcessor, ids: Tensor) -> list[str]:
    """The tokens of ids (T,) for people."""
    tokenizer = processor.tokenizer
    names = {tokenizer.bos_token_id: "SOS", tokenizer.eos_token_id: "EOT"}
    return [
        names.get(id) or read_letters(piece)
        for id, piece in zip(ids.tolist(), tokenizer.convert_ids_to_tokens(ids.tolist()))
    ]


def make_number_slider(values: Sequence[int], value: int, label: str) -> ipywidgets.SelectionSlider:
    """A slider over these numbers."""
    options = [(f"{number:,}", number) for number in values]
    return ipywidgets.SelectionSlider(options=options, value=value, description=label, **look(30))
