"""Explorer of lesson 04: GPT-2's stored prompts beside the words as which they began."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

import ipywidgets
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel

from helpers import reading
from helpers.captioner import DESCRIBE, SoftPrompt
from helpers.language import say
from helpers.reading import Metric, Vocabulary
from lessons.kit.explorer import Explorer, format_percent, make_dropdown, style_control
from lessons.kit.picture import Picture
from lessons.lesson_04_reading import instruments, nulls
from lessons.lesson_04_reading.explorers import shared
from lessons.lesson_04_reading.figures import neighbours as figures
from pocket.captioning import PROMPTS
from pocket.corpus import INSTRUCTIONS
from pocket.studies import captioner_study
from pocket.words import translate


def explore_stored_prompts(gpt2: PreTrainedModel, tokenizer: Any) -> Explorer:
    """Choose one of GPT-2's stored prompts, and see beside the token that each vector began as the nearest ones now."""
    table = reading.read_vocabulary(gpt2, tokenizer)
    rows = table.trained.nonzero().flatten()  # of all tokens that were trained: prompts began as colons, too
    names = [name if name != tokenizer.eos_token else "EOT" for name in table.names]
    learned = {
        name: instruments.load_learned_vectors(PROMPTS / f"{name}.safetensors", gpt2) for name in captioner_study.TASKS
    }
    begun = {name: find_first_tokens(table, tokenizer, name, len(vectors)) for name, vectors in learned.items()}
    controls = {
        "prompt": make_dropdown(say(en="prompt", zh="提示词"), {translate(name): name for name in learned}, "describe", 20),
        "k": ipywidgets.IntSlider(3, min=1, max=4, description=say(en="tokens", zh="词元数"), **style_control(23.2)),
        "metric": shared.make_metric_control(),
    }  # fmt: skip

    @cache
    def count_unmoved(name: str, metric: Metric) -> tuple[int, int]:
        """How many vectors of a prompt are nearest to the token that each began as, and of how many."""
        near = reading.find_nearest_tokens(learned[name], table.table, 1, metric, rows).ids[:, 0]
        return int((near == begun[name]).sum()), len(near)

    def draw(now: SimpleNamespace) -> Picture:
        vectors, ids = learned[now.prompt], begun[now.prompt]  # (M, D), (M,)
        near = reading.find_nearest_tokens(vectors, table.table, now.k, now.metric, rows)
        null, bands = shared.measure_null(vectors, table.table[rows], shared.CHANCE, now.metric)  # (CHANCE, M)
        cosines = F.cosine_similarity(vectors, table.table[ids], dim=-1).tolist()
        facts = [
            figures.Begun(names[id], [names[i] for i in nearest], apart, cosine, band)
            for id, nearest, apart, cosine, band in zip(ids.tolist(), near.ids.tolist(), near.distances.tolist(), cosines, bands)
        ]  # fmt: skip
        same, metric = sum(vector.same for vector in facts), shared.name_metric(now.metric)
        shares = [nulls.measure_share_as_near(apart[0], chance).item() for apart, chance in zip(near.distances, null.T)]
        return figures.draw_prompt_words(
            facts,
            1.06 * max(null.max().item(), near.distances[:, 0].max().item()),
            unit=say(en=f"{metric} distance to the nearest token", zh=f"到最近词元的{metric}距离"),
            title=say(
                en=f"The prompt “{now.prompt}”: {same} of {len(facts)} vectors are nearest to the token they were initialised as",
                zh=f"提示词“{translate(now.prompt)}”：{len(facts)} 个向量里，有 {same} 个离得最近的还是初始化时的词元",
            ),
            alt=_describe_prompt(now, facts),
            caption=_explain_prompt(facts, same, max(shares), [count_unmoved(name, now.metric) for name in learned]),
        )

    return Explorer(controls, draw)


def find_first_tokens(table: Vocabulary, tokenizer: Any, name: str, length: int) -> Tensor:
    """The tokens (M,) as which a stored prompt began: those of its words, again and again until there are enough."""
    words = DESCRIBE if name == "describe" else " ".join(INSTRUCTIONS[name])
    shape = {"hidden_size": table.table.shape[1], "vocab_size": len(table.table)}
    prompt = SoftPrompt(length, **shape, init=words, table=table.table, tokenizer=tokenizer)
    return reading.find_nearest_tokens(prompt.prompt_embeddings, table.table, 1).ids[:, 0]


def _describe_prompt(now: SimpleNamespace, facts: Sequence[figures.Begun]) -> str:
    pairs = [f"“{vector.word}” → “{vector.now[0]}”" for vector in facts]
    metric = shared.name_metric(now.metric)
    return say(
        en=f"A list of the {len(facts)} vectors of the prompt “{now.prompt}”: the token each began as, a dot at the {metric} distance "
        f"to the nearest token now, and the {now.k} nearest; a grey band shows where random vectors lie. From the beginning to now: {', '.join(pairs)}.",
        zh=f"提示词“{translate(now.prompt)}”的 {len(facts)} 个向量列成一张表：各自初始化时的词元、到现在最近词元的{metric}距离（一个点）、最近的 "
        f"{now.k} 个词元；灰色带是随机向量所在的范围。从开始到现在：{'，'.join(pairs)}。",
    )


def _explain_prompt(facts: Sequence[figures.Begun], same: int, most: float, every: Sequence[tuple[int, int]]) -> str:
    """most: the largest share of random vectors that are as near to a token as one of these; every: of each prompt how many, and of how many."""
    unmoved, of = map(sum, zip(*every))
    text = say(
        en=f"Of {len(facts)} vectors {same} are nearest to the very token they began as: what reads like an instruction is what was put there, and no "
        "finding. The null is the beginning. ",
        zh=f"{len(facts)} 个向量里，有 {same} 个离得最近的就是初始化时的那个词元：读出来像一句指令，是因为本来就放了这句指令，不算发现。这里的偶然对照就是起点。",
    )
    for vector in (vector for vector in facts if not vector.same):
        text += say(
            en=f"“{vector.word}” has become “{vector.now[0]}”. ", zh=f"“{vector.word}”变成了“{vector.now[0]}”。"
        )
    return text + say(
        en="But every one has moved (a cosine of 1.00 would mean: not at all). "
        + (f"At most {format_percent(most, 0)}" if most >= 0.01 else "Less than 1 %")
        + " of random vectors of the same norm are as near to a token as these. "
        + f"In all {len(every)} prompts together, {unmoved} of {of} vectors are nearest to the token they were initialised as.",
        zh="不过每个向量都移动了（余弦是 1.00 才表示没动）。模长相同的随机向量里，"
        + (f"最多有 {format_percent(most, 0)}" if most >= 0.01 else "只有不到 1%")
        + f" 离词元这么近。{len(every)} 个提示词合起来，{of} 个向量里有 {unmoved} 个离得最近的还是初始化时的词元。",
    )
