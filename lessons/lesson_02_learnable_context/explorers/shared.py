"""What several explorers of lessons 02 and 02b share: how tasks, positions and tokens are called, and how accuracies are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any, NamedTuple

import ipywidgets
from torch import Tensor
from transformers import CLIPProcessor

from helpers.context import Position
from helpers.language import say
from lessons.kit.explorer import make_dropdown, style_control
from lessons.kit.tokens import read_letters
from pocket import tasks
from pocket.studies.context_study import ContextStudy

# --- controls ----------------------------------------------------------------------------------------------------


def make_options_slider(values: Sequence[float], value: float, label: str, width: float) -> ipywidgets.SelectionSlider:
    """A slider over these numbers, so many em wide."""
    options = [(f"{number:,g}", number) for number in values]
    return ipywidgets.SelectionSlider(options=options, value=value, description=label, **style_control(width))


def make_task_dropdown(names: Sequence[str]) -> ipywidgets.Dropdown:
    options = {find_study_task(name).description: name for name in names}
    return make_dropdown(say(en="task", zh="任务"), options, names[0], 36)


def make_position_dropdown() -> ipywidgets.Dropdown:
    """A list of the places where the class name can stand."""
    return make_dropdown(say(en="the name is", zh="类别名在"), name_positions(), "end", 20)


# --- what things are called --------------------------------------------------------------------------------------


class StudyTask(NamedTuple):
    """A task of the study, what it is called in titles and tables, and in a sentence."""

    task: tasks.Task
    title: str
    description: str


def find_study_task(name: str) -> StudyTask:
    known = (
        StudyTask(
            tasks.RIDDLE,
            say(en="The red one of two", zh="红色的那一样"),
            say(en="the red one of two things (the riddle of lesson 00)", zh="两个物体里红色的那个（第 00 课的谜题）"),
        ),
        StudyTask(tasks.BLURRED, say(en="Blurred photos", zh="模糊的照片"), say(en="blurred photos", zh="模糊的照片")),
        StudyTask(tasks.make_style_task("sketch"), say(en="Sketches", zh="素描"), say(en="sketches", zh="素描")),
        StudyTask(
            tasks.make_style_task("sepia print"),
            say(en="Sepia prints", zh="泛黄老照片"),
            say(en="sepia prints, a style that CLIP never saw", zh="泛黄老照片（CLIP 没见过的风格）"),
        ),
    )
    return {entry.task.name: entry for entry in known}[name]


def describe_study(study: ContextStudy) -> str:
    return say(
        en=f"Stored runs on the pocket model, made by “{study.command}”.",
        zh=f"口袋模型上事先存好的训练，由 {study.command} 得到。",
    )


def name_positions() -> dict[str, Position]:
    return {
        say(en="at the end", zh="末尾"): "end",
        say(en="in the middle", zh="中间"): "middle",
        say(en="in front", zh="开头"): "front",
    }


def describe_position(position: Position) -> str:
    """Where the class name stands: "the class name in front"."""
    place = next(label for label, option in name_positions().items() if option == position)
    return say(en=f"the class name {place}", zh=f"类别名在{place}")


def label_tokens(processor: CLIPProcessor, ids: Tensor, placeholder: int | None = None) -> list[str]:
    """The tokens of ids (T,) for people; in the place of the placeholder vectors of our own, v1, v2 …"""
    tokenizer, numbers = processor.tokenizer, count(1)
    names = {tokenizer.bos_token_id: "SOS", tokenizer.eos_token_id: "EOT"}
    return [
        f"v{next(numbers)}" if id == placeholder else names.get(id) or read_letters(piece)
        for id, piece in zip(ids.tolist(), tokenizer.convert_ids_to_tokens(ids.tolist()))
    ]


def format_ranges(items: Iterable[Any], follows: Callable[[Any, Any], bool], to: str) -> str:
    """Items in a row, those that follow each other as a range: "1–2, 4"."""
    ranges: list[list[Any]] = []
    for item in items:
        if ranges and follows(ranges[-1][-1], item):
            ranges[-1].append(item)
        else:
            ranges.append([item])
    return say(en=", ", zh="、").join(to.join(dict.fromkeys([str(part[0]), str(part[-1])])) for part in ranges)


# --- accuracies --------------------------------------------------------------------------------------------------


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
        zh=f"{'比' if count_points(one, hand) else '和'}手工提示词{compare_accuracies(one, hand)}",
    )
