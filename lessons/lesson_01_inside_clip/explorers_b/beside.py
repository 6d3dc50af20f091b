"""GPT-2 beside CLIP's text tower, in one table that is read off from the models."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel, GPT2Config, GPT2LMHeadModel

from helpers.language import say
from helpers.notebook import Table


def tabulate_beside_text_tower(clip: CLIPModel, gpt2: GPT2LMHeadModel) -> Table:
    """What CLIP's text tower and GPT-2 do alike ("="), and what not ("≠"): found out by looking, and by changing a token.

    The full-size models beside the pocket ones are built without weights.
    """
    with torch.device("meta"):
        full_clip, full_gpt2 = CLIPModel(CLIPConfig()), GPT2LMHeadModel(GPT2Config())
    tower, body = clip.text_model, gpt2.transformer
    layer, block = tower.encoder.layers[0], body.h[0]
    text, words = clip.config.text_config, gpt2.config
    yes, no = say(en="yes", zh="是"), say(en="no", zh="否")

    def ask(holds: bool) -> str:
        return yes if holds else no

    def describe(*sizes: tuple[object, object]) -> list[str]:
        """Of each model what the pocket one has, and in brackets what the full one has."""
        names = "ViT-B/32", "gpt2"
        told = [[f"{size:,}" if isinstance(size, int) else size for size in pair] for pair in sizes]
        return [
            say(en=f"{own} ({name}: {full})", zh=f"{own}（{name}：{full}）")
            for name, (own, full) in zip(names, told, strict=True)
        ]

    full_text, full_words = full_clip.config.text_config, full_gpt2.config
    projections = layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj
    facts = (
        (
            say(en="learned vector for each position", zh="每个位置有一个学来的向量"),
            ask(tower.embeddings.position_embedding.weight.dim() == 2),
            ask(body.wpe.weight.dim() == 2),
        ),
        (
            say(en="causal: no place sees what comes after it", zh="因果：看不见后面的词元"),
            ask(_is_causal(lambda ids: tower(input_ids=ids).last_hidden_state, clip.device)),
            ask(_is_causal(lambda ids: gpt2(input_ids=ids).logits, gpt2.device)),
        ),
        (
            say(en="layer norms in a layer, and one at the end", zh="每层里层归一化的次数 + 最后一次"),
            f"{_count_norms(layer)} + {_count_norms(tower.final_layer_norm)}",
            f"{_count_norms(block)} + {_count_norms(body.ln_f)}",
        ),
        (
            say(en="query, key, value", zh="查询、键、值"),
            f"{len(projections)} × ({projections[0].in_features} → {projections[0].out_features})",
            f"1 × ({block.attn.c_attn.weight.shape[0]} → {block.attn.c_attn.weight.shape[1]})",
        ),
        (
            say(en="MLP: activation", zh="MLP 的激活函数"),
            *describe(
                (text.hidden_act, full_text.hidden_act), (words.activation_function, full_words.activation_function)
            ),
        ),
        (
            say(en="comes out of a text of T tokens", zh="T 个词元的文字，输出"),
            say(en="1 vector, read off at EOT", zh="1 个向量，取自 EOT 处"),
            say(en="T predictions, one at every place", zh="T 个预测，每个位置一个"),
        ),
        (
            say(en="head is the embedding table", zh="输出头就是嵌入表"),
            say(en="no head", zh="没有输出头"),
            ask(gpt2.lm_head.weight.data_ptr() == body.wte.weight.data_ptr()),
        ),
        (
            say(en="most tokens in a text", zh="一段文字最多几个词元"),
            *describe(
                (text.max_position_embeddings, full_text.max_position_embeddings),
                (words.n_positions, full_words.n_positions),
            ),
        ),
        (
            say(en="width", zh="宽度"),
            *describe((text.hidden_size, full_text.hidden_size), (words.n_embd, full_words.n_embd)),
        ),
        (
            say(en="layers", zh="层数"),
            *describe((text.num_hidden_layers, full_text.num_hidden_layers), (words.n_layer, full_words.n_layer)),
        ),
        (
            say(en="heads in a layer", zh="每层的头数"),
            *describe((text.num_attention_heads, full_text.num_attention_heads), (words.n_head, full_words.n_head)),
        ),
        (
            say(en="parameters", zh="参数"),
            *describe(
                (_count_parameters(tower), _count_parameters(full_clip.text_model)),
                (_count_parameters(gpt2), _count_parameters(full_gpt2)),
            ),
        ),
    )
    header = ("", say(en="CLIP's text tower", zh="CLIP 的文本塔"), "GPT-2", say(en="same?", zh="异同"))
    return Table([(*row, "=" if row[1] == row[2] else "≠") for row in facts], header)


def _count_norms(module: nn.Module) -> int:
    return sum(isinstance(part, nn.LayerNorm) for part in module.modules())


def _count_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@torch.no_grad()
def _is_causal(run: Callable[[Tensor], Tensor], device: torch.device) -> bool:
    """Whether another last token leaves everything before it as it was. run: ids (B, T) to something (B, T, …)."""
    first, other = (run(torch.tensor([[1, 2, 3, last]], device=device))[:, :-1] for last in (4, 5))
    return torch.equal(first, other)
