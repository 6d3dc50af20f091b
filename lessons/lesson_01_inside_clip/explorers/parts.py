"""Tables of CLIP's parts: the names that older texts use, and sizes beside the full-size models."""

from __future__ import annotations

from operator import attrgetter

import torch
from torch import Tensor
from transformers import CLIPConfig, CLIPModel

from helpers.language import say
from helpers.notebook import Table

OLDER_NAMES = (  # what older texts say, and where it is
    ("CLIPTextTransformer", "text_model"),
    ("token_embeddings", "text_model.embeddings.token_embedding"),
    ("position_embeddings", "text_model.embeddings.position_embedding"),
    ("encoder: CLIPTextTransformer", "text_model.encoder"),
    ("CLIPVisionTransformer", "vision_model"),
    ("class_embedding", "vision_model.embeddings.class_embedding"),
    ("patch_embeddings", "vision_model.embeddings.patch_embedding"),
    ("position_embeddings", "vision_model.embeddings.position_embedding"),
    ("pre_layernorm", "vision_model.pre_layrnorm"),  # sic
    ("encoder: CLIPVisionTransformer", "vision_model.encoder"),
    ("post_layernorm", "vision_model.post_layernorm"),
    ("vision_projection", "visual_projection"),
    ("text_projection", "text_projection"),
    ("temperature", "logit_scale"),
)


def tabulate_older_names(clip: CLIPModel) -> Table:
    """The names that older texts use, the attributes that one can type today, and the classes that they have here."""

    def describe_part(path: str) -> str:
        part = attrgetter(path)(clip)
        weight = part if isinstance(part, Tensor) else getattr(part, "weight", None)
        shape = "" if weight is None else f" {tuple(weight.shape)}"
        return f"{type(part).__name__}{shape}"

    header = (
        say(en="the name you may read", zh="你可能读到的名称"),
        say(en="the attribute you can type", zh="代码里能用的属性"),
        say(en="its class here", zh="在这里的类"),
    )
    return Table([(name, f"clip.{path}", describe_part(path)) for name, path in OLDER_NAMES], header)


def tabulate_configurations(clip: CLIPModel) -> Table:
    """This model beside the two usual sizes of the original, which are built without weights: sizes, and parameters by part."""
    with torch.device("meta"):
        models = [clip, *(CLIPModel(CLIPConfig(vision_config={"patch_size": patch})) for patch in (32, 16))]

    def list_sizes(model: CLIPModel) -> list[int]:
        vision, text = model.config.vision_config, model.config.text_config
        patches = (vision.image_size // vision.patch_size) ** 2
        table = _count_parameters(model.text_model.embeddings.token_embedding)
        return [
            *(vision.image_size, vision.patch_size, patches, patches + 1),
            *(vision.hidden_size, vision.num_hidden_layers, vision.num_attention_heads),
            *(text.vocab_size, text.max_position_embeddings),
            *(text.hidden_size, text.num_hidden_layers, text.num_attention_heads),
            model.config.projection_dim,
            _count_parameters(model.vision_model),
            _count_parameters(model.text_model) - table,
            table,
            _count_parameters(model.visual_projection, model.text_projection),
            model.logit_scale.numel(),
            _count_parameters(model),
        ]

    names = (
        say(en="vision tower: picture, pixels a side", zh="视觉塔：图片边长（像素）"),
        say(en="vision tower: patch, pixels a side", zh="视觉塔：图块边长（像素）"),
        say(en="vision tower: patches", zh="视觉塔：图块数"),
        say(en="vision tower: positions", zh="视觉塔：位置数"),
        say(en="vision tower: width", zh="视觉塔：宽度"),
        say(en="vision tower: layers", zh="视觉塔：层数"),
        say(en="vision tower: heads", zh="视觉塔：头数"),
        say(en="text tower: vocabulary", zh="文本塔：词表大小"),
        say(en="text tower: positions", zh="文本塔：位置数"),
        say(en="text tower: width", zh="文本塔：宽度"),
        say(en="text tower: layers", zh="文本塔：层数"),
        say(en="text tower: heads", zh="文本塔：头数"),
        say(en="both: width after the projection", zh="两塔共用：投影后的宽度"),
        say(en="parameters: vision tower", zh="参数：视觉塔"),
        say(en="parameters: text tower without its token table", zh="参数：文本塔（不含词元嵌入表）"),
        say(en="parameters: token table", zh="参数：词元嵌入表"),
        say(en="parameters: both projections", zh="参数：两个投影"),
        say(en="parameters: logit scale", zh="参数：缩放系数"),
        say(en="parameters: all", zh="参数：合计"),
    )
    columns = [[f"{size:,}" for size in list_sizes(model)] for model in models]
    header = ("", say(en="pocket CLIP", zh="口袋 CLIP"), "ViT-B/32", "ViT-B/16")
    return Table(zip(names, *columns, strict=True), header, align="right")


def _count_parameters(*modules: torch.nn.Module) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())
