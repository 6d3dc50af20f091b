"""What learns, and a training of one's own: which parts of the model have a gradient, and a context learned while one watches.

On top of `ContextTraining` and `helpers.context`.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import ipywidgets
import torch
from transformers import CLIPModel, CLIPProcessor

from helpers.context import PromptedCLIP, repeat_words
from helpers.data import encode_split
from helpers.language import say
from helpers.notebook import Table
from helpers.training import TrainConfig
from lessons.kit.context_training import CONFIG, WORDS, ContextTraining, Setting, Stored
from lessons.kit.explorer import format_count, format_percent, make_dropdown, style_control
from lessons.kit.learning_curve import Run
from lessons.lesson_02_learnable_context.explorers.shared import (
    describe_position,
    make_options_slider,
    make_position_dropdown,
)
from pocket import tasks
from pocket.datasets import draw_few_shot
from pocket.studies.context_study import load_study

SHOTS, LENGTHS = (1, 2, 4, 8, 16), (1, 2, 4, 10, 16)
MOST_CHECKS = 4  # pictures of each class to validate on: as many as shots, and at most so many
TESTS = 20  # pictures of each class to test on


def tabulate_trained_parts(prompted: PromptedCLIP) -> Table:
    """Which parts of the model have a gradient: their numbers, whether they require one, and how large it is after a backward pass."""
    layers = len(prompted.clip.text_model.encoder.layers), len(prompted.clip.vision_model.encoder.layers)
    parts = (  # what the names of their parameters begin with; the first that fits counts
        ("clip.text_model.embeddings.token_embedding", say(en="text tower: token table", zh="文本塔：词元嵌入表")),
        (
            "clip.text_model.embeddings.position_embedding",
            say(en="text tower: position table", zh="文本塔：位置嵌入表"),
        ),
        (
            "clip.text_model.",
            say(en=f"text tower: {layers[0]} layers, last normalisation", zh=f"文本塔：{layers[0]} 层和最后的归一化"),
        ),
        ("clip.vision_model.", say(en=f"vision tower, with its {layers[1]} layers", zh=f"视觉塔，含 {layers[1]} 层")),
        (("clip.text_projection", "clip.visual_projection"), say(en="both projections", zh="两个投影")),
        ("clip.logit_scale", say(en="logit scale", zh="缩放系数")),
        ("embeddings.context", say(en="the context", zh="上下文向量")),
    )
    members: dict[str, list[torch.nn.Parameter]] = {label: [] for _, label in parts}
    for name, parameter in prompted.named_parameters():
        members[next(label for prefix, label in parts if name.startswith(prefix))].append(parameter)
    rows = [(label, _count_numbers(mine), *_describe_gradient(mine)) for label, mine in members.items()]
    everything = list(prompted.parameters())
    learning = [parameter for parameter in everything if parameter.requires_grad]
    share = sum(p.numel() for p in learning) / sum(p.numel() for p in everything)
    rows += [
        (say(en="all together", zh="合计"), _count_numbers(everything), "", ""),
        (
            say(en="of these, numbers that learn", zh="其中会学习的"),
            _count_numbers(learning),
            format_percent(share, 3),
            "",
        ),
    ]
    header = (
        say(en="part", zh="部分"),
        say(en="numbers", zh="参数个数"),
        say(en="requires a gradient", zh="需要梯度"),
        say(en="norm of its gradient", zh="梯度的模长"),
    )
    return Table(rows, header, align="right")


def _count_numbers(parameters: Sequence[torch.nn.Parameter]) -> str:
    return f"{sum(parameter.numel() for parameter in parameters):,}"


def _describe_gradient(parameters: Sequence[torch.nn.Parameter]) -> tuple[str, str]:
    """Whether any of them requires a gradient, and the norm of all they have together."""
    has = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = (
        f"{sum(gradient.float().square().sum().item() for gradient in has) ** 0.5:.2g}"
        if has
        else say(en="none", zh="没有")
    )
    return say(en="yes", zh="是") if any(p.requires_grad for p in parameters) else say(en="no", zh="否"), norm


def explore_few_shot_training(
    clip: CLIPModel, processor: CLIPProcessor, task: tasks.Task, *, config: TrainConfig = CONFIG
) -> ContextTraining:
    """Choose from how many pictures which context is learned, press the button, and see how far it comes, and how far others came.

    Pictures are drawn for the task and encoded; the test pictures are the same for every choice. Where the study has an example of the
    task, it lies behind in grey; the controls begin with fewer vectors, since the same would hide it.
    """
    study = load_study()
    example = study.example
    run = Run(example.history, example.hand, example.before, example.after)
    stored = Stored(run, torch.tensor(example.context), study.command) if task.name == example.task else None
    controls = {
        "shots": make_options_slider(SHOTS, 8, say(en="shots", zh="每类图片"), 20),
        "length": make_options_slider(LENGTHS, 1, say(en="vectors", zh="向量个数"), 20),
        "init": make_dropdown(
            say(en="begins as", zh="初始化"),
            {f"“{WORDS}”": "words", say(en="random numbers", zh="随机数"): "random"},
            "words",
            20,
        ),
        "position": make_position_dropdown(),
        "seed": ipywidgets.BoundedIntText(
            0, min=0, max=99, description=say(en="seed", zh="随机种子"), **style_control(12)
        ),
    }

    def prepare(now: SimpleNamespace) -> Setting:
        pictures = draw_few_shot(task, now.shots, min(now.shots, MOST_CHECKS), TESTS, now.seed)
        begin = repeat_words(WORDS, now.length) if now.init == "words" else "random"
        generator = torch.Generator().manual_seed(now.seed)
        prompted = PromptedCLIP(clip, processor, task.class_names, now.length, begin, now.position, generator=generator)
        return Setting(prompted, encode_split(clip, processor, pictures), _describe_training(now, prompted, begin))

    return ContextTraining(prepare, config, controls, start=say(en="Train", zh="训练"), stored=stored)


def _describe_training(now: SimpleNamespace, prompted: PromptedCLIP, begin: str) -> str:
    """What the controls say, in words, and how many numbers that is to learn."""
    classes, (vectors, width) = len(prompted.class_names), prompted.context.shape
    numbers = f"{vectors} × {width} = {vectors * width:,}"
    place = now.position if vectors > 1 or now.position == "end" else "front"  # one vector has no middle
    return say(
        en=f"{format_count(now.shots, 'shot')} of each of {classes} classes; {format_count(vectors, 'vector')}, that is {numbers} numbers, begun "
        f"{'at random' if begin == 'random' else f'as “{begin}”'}; "
        f"{describe_position(place)}; seed {now.seed}",
        zh=f"{classes} 类，每类 {now.shots} 张训练图片；{vectors} 个向量，共 {numbers} 个数，"
        f"{'用随机数' if begin == 'random' else f'用“{begin}”'}初始化；{describe_position(place)}；"
        f"随机种子 {now.seed}",
    )
