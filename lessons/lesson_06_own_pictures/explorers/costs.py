"""The real models beside those of the course, and what many pictures and many machines cost.

Calculated by the counts of `lessons.kit.flops`; paces and what was measured come from the stored benchmarks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import ipywidgets
import torch
from transformers import CLIPConfig, CLIPModel, GPT2Config, GPT2LMHeadModel, PreTrainedModel

from helpers.language import say
from helpers.notebook import Table
from lessons.kit.benchmarks import ON_CPU, ON_GPU, read_benchmarks
from lessons.kit.explorer import Explorer, make_dropdown, style_control
from lessons.kit.flops import FLOAT, count_captioner_training, count_context_training, estimate_least_seconds
from lessons.kit.picture import Picture
from lessons.lesson_06_own_pictures import figures

GB = 1e9
ROOM = 16  # GB of memory, in many laptops
COUNTS = {  # what moves in `explore_costs`
    "classes": (10, 100, 1000),
    "each": (4, 16, 64, 256, 1000),
    "captions": (1_000, 10_000, 100_000, 1_000_000),
    "batch": (2, 16, 64),  # those that `benchmarks.gpu` timed
    "devices": (1, 2, 4, 8, 16, 64),
}


def make_models_without_weights() -> tuple[CLIPModel, GPT2LMHeadModel]:
    """CLIP ViT-B/32 and GPT-2 in their sizes, without a single number: these configurations are the library's defaults."""
    with torch.device("meta"):
        return CLIPModel(CLIPConfig()).eval(), GPT2LMHeadModel(GPT2Config()).eval()


def tabulate_changes(clip: CLIPModel, language_model: PreTrainedModel) -> Table:
    """The numbers of these models beside those of ViT-B/32 and GPT-2 small."""
    ours, theirs = (_list_numbers(*models) for models in ((clip, language_model), make_models_without_weights()))
    header = say(en="what", zh="项目"), say(en="here", zh="这里"), say(en="ViT-B/32, GPT-2", zh="ViT-B/32、GPT-2")
    return Table([(name, ours[name], theirs[name]) for name in ours], header, align="right")


def _list_numbers(clip: CLIPModel, language_model: PreTrainedModel) -> dict[str, str]:
    vision, text, language = clip.config.vision_config, clip.config.text_config, language_model.config
    side = vision.image_size // vision.patch_size
    learned_scale = clip.logit_scale.exp().item() if clip.logit_scale.device.type != "meta" else 100.0
    sizes = [clip.num_parameters(), language_model.num_parameters()]
    numbers = {
        say(en="picture, pixels a side", zh="图片边长（像素）"): vision.image_size,
        say(en="patch, pixels a side", zh="图块边长（像素）"): vision.patch_size,
        say(en="patches", zh="图块数"): side**2,
        say(en="width of the vision tower", zh="视觉塔宽度"): vision.hidden_size,
        say(en="width of the text tower, of a context vector", zh="文本塔宽度，也是上下文向量的宽度"): text.hidden_size,
        say(en="positions of a text", zh="一段文字的位置数"): text.max_position_embeddings,
        say(en="logit scale", zh="缩放系数"): round(learned_scale),
        say(en="numbers in ten context vectors", zh="十个上下文向量里的数"): 10 * text.hidden_size,
        say(en="width of GPT-2", zh="GPT-2 的宽度"): language.hidden_size,
        say(en="positions of GPT-2", zh="GPT-2 的位置数"): language.max_position_embeddings,
        say(en="numbers in the projection", zh="投影里的数"): (vision.hidden_size + 1) * language.hidden_size,
        say(en="parameters of CLIP", zh="CLIP 的参数"): sizes[0],
        say(en="parameters of GPT-2", zh="GPT-2 的参数"): sizes[1],
    }
    told = {name: f"{number:,}" for name, number in numbers.items()}
    return told | {
        say(en="both in memory, calculated", zh="两个模型占的内存（计算）"): f"{FLOAT * sum(sizes) / 1e6:,.0f} MB"
    }


@dataclass(frozen=True)
class Pace:
    """TFLOP/s of a device at each kind of work: seeing pictures, a step of a context, a step of the captioner by its batch."""

    seeing: float
    context: float
    captioner: Mapping[int, float]


def tabulate_measured() -> Table:
    """What was measured with random weights in the sizes of the real models, beside what is calculated."""
    cpu, gpu = map(read_benchmarks, (ON_CPU, ON_GPU))
    step, context, steps = cpu["context_text_step"], gpu["learning_a_context"], gpu["learning_to_describe"]
    least, most, pictures = steps[0], steps[-1], gpu["seeing"]["pictures"]
    classes, many, name = step["sizes"]["classes"], context["classes"], _name_gpu(gpu)

    def compare_times(en: str, zh: str, work: Mapping[str, Any]) -> tuple[str, str, str]:
        limit = work["seconds"] * work["tflops"] / gpu["large_product"]["tflops"]
        return say(en=f"{name}: {en}", zh=f"{name}：{zh}"), f"{1e3 * limit:.0f} ms", f"{1e3 * work['seconds']:.0f} ms"

    def compare_memory(en: str, zh: str, work: Mapping[str, Any]) -> tuple[str, str, str]:
        gigabytes = f"{work['calculated_gigabytes']:.2f} GB", f"{work['gigabytes']:.2f} GB"
        return say(en=f"{name}: memory of {en}", zh=f"{name}：{zh}要的内存"), *gigabytes

    return Table(
        [
            (
                say(en=f"2 CPU cores: a step for {classes} classes", zh=f"2 个 CPU 核：{classes} 个类别走一步"),
                f"{1e3 * step['limit_seconds']:.0f} ms",
                f"{1e3 * step['seconds']['fast']['median']:.0f} ms",
            ),
            compare_times(f"to see {pictures} pictures", f"看 {pictures} 张图片", gpu["seeing"]),
            *(
                compare_times(f"a step with {one['batch']} captions", f"{one['batch']} 句说明文字走一步", one)
                for one in (most, least)
            ),
            compare_times(f"a step for {many} classes", f"{many} 个类别走一步", context),
            compare_memory(f"a step for {many} classes", f"{many} 个类别走一步", context),
            compare_memory(f"a step with {most['batch']} captions", f"{most['batch']} 句说明文字走一步", most),
        ],
        (say(en="what", zh="项目"), say(en="calculated", zh="计算"), say(en="measured", zh="实测")),
        align="right",
    )


def read_paces() -> dict[str, Pace]:
    """What two CPU cores and a large GPU reached in the stored benchmarks, and between them a GPU that is assumed; by what they are called."""
    own, gpu = _read_own_pace(), read_benchmarks(ON_GPU)
    by_batch = {one["batch"]: one["tflops"] for one in gpu["learning_to_describe"]}
    even = {name: Pace(pace, pace, dict.fromkeys(by_batch, pace)) for name, pace in {
        say(en=f"2 CPU cores ({own:.2f} TFLOP/s, measured)", zh=f"2 个 CPU 核（{own:.2f} TFLOP/s，实测）"): own,
        say(en="a small GPU (3 TFLOP/s, assumed)", zh="小 GPU（3 TFLOP/s，假设）"): 3.0,
    }.items()}  # fmt: skip
    measured = Pace(gpu["seeing"]["tflops"], gpu["learning_a_context"]["tflops"], by_batch)
    low, high = min(measured.context, *by_batch.values()), max(measured.seeing, *by_batch.values())
    name = _name_gpu(gpu)
    told = say(en=f"{name} ({low:.0f} to {high:.0f}, measured)", zh=f"{name}（{low:.0f} 到 {high:.0f}，实测）")
    return {**even, told: measured}


def _name_gpu(record: Mapping[str, Any]) -> str:
    return record["machine"]["gpu"].removeprefix("NVIDIA ")


PAID_FOR = {  # what time and memory go into
    "see class pictures": "看各类图片",
    "learn the context": "学上下文向量",
    "see caption pictures": "看配了文字的图片",
    "learn the captioner": "学软提示词和投影",
    "both models": "两个模型",
    "class features": "各类图片的特征",
    "caption features": "配文字图片的特征",
    "one step": "走一步",
}


def estimate_costs(
    pace: Pace, classes: int, each: int, captions: int, batch: int = 2, patches: bool = True, devices: int = 1
) -> tuple[dict[str, float], dict[str, float]]:
    """How long the real models take to learn from classes and from captions, and what memory each process needs.

    Args:
        pace: of a device.
        classes, each: how many, and how many pictures of each.
        captions: how many, each of another picture.
        batch: captions in a step.
        patches: whether GPT-2 sees all patches of a picture, or one vector.
        devices: how many share the captions.

    Returns:
        seconds and gigabytes, by names of `PAID_FOR`.
    """
    clip, language = CLIPConfig(), GPT2Config()
    context = count_context_training(clip, classes, each)
    captioner = count_captioner_training(clip, language, captions, patches, batch=batch)
    seconds = {
        "see class pictures": _estimate_seconds(context.encoding, pace.seeing),
        "learn the context": _estimate_seconds(context.training, pace.context),
        "see caption pictures": _estimate_seconds(captioner.encoding, pace.seeing) / devices,
        "learn the captioner": _estimate_seconds(captioner.training, pace.captioner[batch]) / devices,
    }
    memory = {
        "both models": FLOAT * sum(model.num_parameters() for model in make_models_without_weights()),
        "class features": context.features,
        "caption features": captioner.features,
        "one step": max(context.backward, captioner.backward),
    }
    return seconds, {name: amount / GB for name, amount in memory.items()}


def explore_costs() -> Explorer:
    """Choose how many classes, pictures, captions and devices, and see how long it takes the real models and what memory they need.

    Everything is calculated, from multiplications and a pace; the pace alone is measured, where its name says so.
    """
    paces = read_paces()
    features = {
        say(en="all 49 patches", zh="全部 49 个图块"): True,
        say(en="one vector a picture", zh="每张图一个向量"): False,
    }
    controls = {
        "classes": _make_slider("classes", 1000, say(en="classes", zh="类别数")),
        "each": _make_slider("each", 16, say(en="pics a class", zh="每类图片")),
        "captions": _make_slider("captions", 1_000_000, say(en="captions", zh="说明文字")),
        "batch": _make_slider("batch", 2, say(en="in a step", zh="每步几句")),
        "patches": make_dropdown(say(en="GPT-2 sees", zh="GPT-2 看"), features, True, 22),
        "devices": _make_slider("devices", 1, say(en="devices", zh="设备数")),
        "pace": make_dropdown(say(en="each is", zh="每个设备"), {name: name for name in paces}, next(iter(paces)), 32),
    }

    def draw(now: SimpleNamespace) -> Picture:
        how = {name: value for name, value in vars(now).items() if name != "pace"}
        seconds, gigabytes = estimate_costs(paces[now.pace], **how)
        total, fits = sum(gigabytes.values()), sum(gigabytes.values()) <= ROOM
        time = _format_duration(sum(seconds.values()))
        return figures.draw_time_and_memory(
            [figures.Cost(_name_cost(name), amount, _format_duration(amount)) for name, amount in seconds.items()],
            [figures.Cost(_name_cost(name), amount, _format_memory(amount)) for name, amount in gigabytes.items()],
            ROOM,
            title=say(
                en=f"All together {time}; {_format_memory(total)} of memory {'fit' if fits else 'do not fit'} into {ROOM} GB",
                zh=f"总共 {time}；要 {_format_memory(total)} 内存，{ROOM} GB {'装得下' if fits else '装不下'}",
            ),
            alt=_describe_costs(seconds, gigabytes, total),
            caption=_explain_costs(now, gigabytes, fits),
        )

    return Explorer(controls, draw)


def tabulate_costs(classes: int = 1000, each: int = 16, captions: int = 1_000_000) -> Table:
    """What the explorer says of so much work on two CPU cores, on the large GPU, on eight of them, and with a larger batch; calculated."""
    cpu, _, gpu = read_paces().values()
    few, *_, many = COUNTS["batch"]
    cores, name = say(en="2 CPU cores", zh="2 个 CPU 核"), _name_gpu(read_benchmarks(ON_GPU))
    rows = []
    for pace, device, devices, batch in (
        (cpu, cores, 1, few),
        (gpu, name, 1, few),
        (gpu, name, 8, few),
        (gpu, name, 1, many),
    ):
        seconds, gigabytes = estimate_costs(pace, classes, each, captions, batch, devices=devices)
        *context, see, learn = seconds.values()
        told = _format_duration(sum(context)), _format_duration(see + learn), _format_memory(sum(gigabytes.values()))
        rows.append((device if devices == 1 else f"{devices} × {device}", str(batch), *told))
    header = (
        say(en="device", zh="设备"),
        say(en="captions a step", zh="每步几句"),
        say(en=f"{classes:,} classes", zh=f"{classes:,} 个类别"),
        say(en=f"{captions:,} captions", zh=f"{captions:,} 句说明文字"),
        say(en="memory of each process", zh="每个进程占的内存"),
    )
    return Table(rows, header, align="right")


def _name_cost(name: str) -> str:
    return say(en=name, zh=PAID_FOR[name])


def _make_slider(name: str, value: int, label: str) -> ipywidgets.SelectionSlider:
    options = [(f"{number:,}", number) for number in COUNTS[name]]
    return ipywidgets.SelectionSlider(options=options, value=value, description=label, **style_control(30))


def _read_own_pace() -> float:
    """TFLOP/s that the text tower reached on the course's own machine, from the stored benchmark."""
    step = read_benchmarks()["context_text_step"]
    return step["matmul_gflops"]["before"] / step["fast_beside_limit"] / 1e3


def _estimate_seconds(products: float, tflops: float) -> float:
    return estimate_least_seconds(products, 1e3 * tflops)


def _format_duration(seconds: float) -> str:
    units = (
        (365 * 86400, say(en="years", zh="年")),
        (86400, say(en="days", zh="天")),
        (3600, say(en="h", zh="小时")),
        (60, say(en="min", zh="分钟")),
        (0, say(en="s", zh="秒")),
    )
    size, name = next(unit for unit in units if seconds >= 2 * unit[0])
    number = seconds / (size or 1)
    return f"{number:.{1 if number < 10 else 0}f} {name}"


def _format_memory(gigabytes: float) -> str:
    if gigabytes >= 1000:
        return f"{gigabytes / 1000:.1f} TB"
    return f"{gigabytes:.{0 if gigabytes >= 10 else 1}f} GB" if gigabytes >= 1 else f"{1000 * gigabytes:.0f} MB"


def _describe_costs(seconds: dict[str, float], gigabytes: dict[str, float], total: float) -> str:
    told = [
        *(f"{_name_cost(name)} {_format_duration(amount)}" for name, amount in seconds.items()),
        *(f"{_name_cost(name)} {_format_memory(amount)}" for name, amount in gigabytes.items()),
    ]
    listed = say(en="; ", zh="；").join(told)
    return say(
        en=f"Two charts, calculated: time of four pieces of work, and memory of each process. {listed}; together {_format_memory(total)}.",
        zh=f"左右两张图，都是计算出来的：四件事各要多少时间，每个进程要多少内存。{listed}；内存合计 {_format_memory(total)}。",
    )


def _explain_costs(now: SimpleNamespace, gigabytes: dict[str, float], fits: bool) -> str:
    text = say(
        en="Calculated for ViT-B/32 and GPT-2 small: multiplications at this pace; 160 steps for a context of 16 vectors, 3 epochs for the "
        "captioner, with three copies of the caption features. Reading and shrinking picture files comes on top. Devices share the captions; "
        "a context is learned on one. ",
        zh="按 ViT-B/32 和小号 GPT-2 计算：乘法次数除以这个速度；16 个上下文向量学 160 步，软提示词和投影学 3 轮；配文字图片的特征按三份算，因为训练时要复制。读文件、缩小图片的时间另算。"
        "设备之间分摊的是说明文字；上下文向量只在一个设备上学。",
    )
    if not fits and gigabytes["caption features"] > ROOM / 2 and now.patches:
        text += say(
            en="More devices do not help the memory, since every process holds all features.",
            zh="增加设备帮不了内存，因为每个进程都存着全部特征。",
        )
    return text
