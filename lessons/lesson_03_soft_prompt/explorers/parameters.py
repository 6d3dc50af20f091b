"""How many numbers learn and how many are frozen, here and at full size."""

from __future__ import annotations

import torch
from transformers import CLIPVisionConfig, CLIPVisionModel, GPT2Config, GPT2LMHeadModel

from helpers.captioner import VLMWithSoftPrompt
from helpers.language import say
from helpers.notebook import Table
from lessons.kit.explorer import format_percent

FULL_SIZE = ("openai/clip-vit-base-patch32", "gpt2")


def tabulate_parameters(model: VLMWithSoftPrompt) -> Table:
    """How many numbers learn and how many are frozen: in these models, and at full size, which is built without weights."""
    with torch.device("meta"):
        clip, gpt2 = CLIPVisionModel(CLIPVisionConfig()), GPT2LMHeadModel(GPT2Config())
    length, projection = len(model.soft_prompt.prompt_embeddings), model.vision_projection
    columns = [
        _list_counts(length, projection.in_features, projection.out_features, model.vision_model, model.language_model),
        _list_counts(length, clip.config.hidden_size, gpt2.config.n_embd, clip, gpt2),
    ]
    names = (
        say(en="soft prompt: M × D", zh="软提示词：M × D"),
        say(en="projection: Dv × D + D", zh="投影：Dv × D + D"),
        say(en="what learns", zh="要学的，合计"),
        say(en="CLIP's vision tower", zh="CLIP 的视觉塔"),
        "GPT-2",
        say(en="what is frozen", zh="冻结的，合计"),
        say(en="share that learns", zh="要学的占全部的比例"),
    )
    here = " + ".join(model.models[part]["model"] for part in ("vision", "language"))
    header = (
        say(en="numbers", zh="参数个数"),
        say(en=f"here: {here}", zh=f"这里：{here}"),
        say(en=f"full size: {' + '.join(FULL_SIZE)}", zh=f"全尺寸：{' + '.join(FULL_SIZE)}"),
    )
    return Table(zip(names, *columns, strict=True), header, align="right")


def _list_counts(
    length: int, given: int, width: int, vision_model: torch.nn.Module, language_model: torch.nn.Module
) -> list[str]:
    """The column of one pair of models: a prompt of M vectors of D numbers, and a projection from Dv to D."""
    prompt, projection = length * width, given * width + width
    towers = [sum(parameter.numel() for parameter in part.parameters()) for part in (vision_model, language_model)]
    learns, frozen = prompt + projection, sum(towers)
    return [
        f"{length} × {width} = {prompt:,}",
        f"{given} × {width} + {width} = {projection:,}",
        f"{learns:,}",
        *(f"{tower:,}" for tower in towers),
        f"{frozen:,}",
        format_percent(learns / (learns + frozen), 2),
    ]
