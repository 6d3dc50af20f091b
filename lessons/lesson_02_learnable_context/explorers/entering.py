"""Explorers of lesson 02: where vectors of our own get into a text.

On top of `Explorer`, `figures` and `helpers.context`.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import ipywidgets
import torch
from torch import Tensor
from transformers import CLIPModel, CLIPProcessor

from helpers import by_hand
from helpers.context import Position, PromptedCLIP
from helpers.language import LearnerError, say
from lessons.kit.explorer import Explorer, format_count, style_control
from lessons.kit.picture import Picture, shorten
from lessons.lesson_02_learnable_context import figures
from lessons.lesson_02_learnable_context.explorers.shared import format_ranges, label_tokens, make_position_dropdown

MOST_VECTORS = 16


def explore_slots(clip: CLIPModel, processor: CLIPProcessor, class_name: str = "cat") -> Explorer:
    """Choose a class name, how many vectors, and where the name stands, and see what changes on the way into the text tower."""
    controls = {
        "name": ipywidgets.Text(
            class_name, description=say(en="class name", zh="类别名"), continuous_update=False, **style_control(30)
        ),
        "vectors": ipywidgets.IntSlider(
            4, min=1, max=MOST_VECTORS, description=say(en="vectors", zh="向量个数"), **style_control(30)
        ),
        "position": make_position_dropdown(),
    }

    def draw(now: SimpleNamespace) -> Picture:
        name = _clean_name(processor, now.name)
        prompted = _prompt_one_class(clip, processor, name, now.vectors, now.position)
        end = int(prompted.end) + 1
        ids, filler = prompted.ids[0, :end], prompted.embeddings.placeholder
        labels, ours, slots = (
            label_tokens(processor, ids),
            label_tokens(processor, ids, filler),
            (ids == filler).tolist(),
        )
        with torch.no_grad():
            theirs = clip.text_model.embeddings(input_ids=prompted.ids)[0, :end].float().cpu().numpy()  # (T, D)
            vectors = prompted.embeddings(input_ids=prompted.ids)[0, :end].float().cpu().numpy()
        above = [figures.TextPlace(label, vector, unread=slot) for label, vector, slot in zip(labels, theirs, slots)]
        below = [figures.TextPlace(label, vector, ours=slot) for label, vector, slot in zip(ours, vectors, slots)]
        placeholder = labels[slots.index(True)]
        return figures.draw_text_with_slots(
            above,
            below,
            end - 1,
            headings=(
                say(
                    en=f"The text, with the placeholder “{placeholder}” in each slot",
                    zh=f"文字本身：每个槽位里是占位词元“{placeholder}”",
                ),
                say(en="What enters the tower, with vectors of our own", zh="进入文本塔的：槽位里换成了我们自己的向量"),
            ),
            title=say(
                en=f"{format_count(now.vectors, 'vector')} of our own; SOS, “{shorten(name, 30)}”, full stop and EOT stay as they were",
                zh=f"换上自己的 {now.vectors} 个向量，SOS、“{shorten(name, 30)}”、句号和 EOT 原样不动",
            ),
            alt=_describe_slots(labels, slots, placeholder),
            caption=_explain_slots(placeholder),
        )

    return Explorer(controls, draw)


def draw_inserting(clip: CLIPModel, processor: CLIPProcessor, class_name: str = "cat", vectors: int = 4) -> Picture:
    """Vectors that overwrite slots beside vectors that are inserted: where the tower looks for the end, and what stands there.

    All of it follows from the ids, in which the end is looked up, whatever a version of the library makes of it.
    """
    name = _clean_name(processor, class_name)
    prompted = _prompt_one_class(clip, processor, name, vectors, "end")
    whole = prompted.ids[:, : int(prompted.end) + 1]  # (1, T)
    length = whole.shape[1]
    pad = {"padding": "max_length", "max_length": length, "return_tensors": "pt"}
    short = processor.tokenizer([f"{name}."], **pad)["input_ids"].to(clip.device)  # (1, T), without slots
    tables = clip.text_model.embeddings
    with torch.no_grad():
        places = tables.position_embedding.weight[:length]
        words = tables.token_embedding(short)[0]
        overwritten = prompted.embeddings(input_ids=whole)[0]
        inserted = torch.cat([words[:1], prompted.context, words[1 : length - vectors]]) + places
    pooled, found = (int(by_hand.find_end_of_text(clip, ids)) for ids in (whole, short))
    tokens, without = label_tokens(processor, whole[0]), label_tokens(processor, short[0, : found + 1])
    inside = label_tokens(processor, whole[0], prompted.embeddings.placeholder)
    ways = [
        figures.WayIn(
            say(en="Overwriting: the text already has slots", zh="覆盖：文字里已经留好了槽位"),
            tokens,
            _place_vectors(inside, overwritten, vectors),
            pooled,
            pooled,
        ),
        figures.WayIn(
            say(
                en="Inserting: the text has none, and the vectors push the rest to the right",
                zh="插入：没有槽位，向量把后面的词元都往右挤",
            ),
            without + [say(en="pad", zh="填充")] * (length - len(without)),
            _place_vectors(inside, inserted, vectors),
            found,
            pooled,
        ),
    ]
    return figures.draw_ways_in(
        ways,
        title=say(
            en=f"Inserted, “{inside[found]}” is read off at position {found}; overwritten, “{inside[pooled]}” at position {pooled}",
            zh=f"插入时，从位置 {found} 取出的是“{inside[found]}”；覆盖时，从位置 {pooled} 取出的是“{inside[pooled]}”",
        ),
        alt=say(
            en=f"Two ways to bring in {format_count(vectors, 'vector')}, each as a line of ids over a line of the vectors that enter the tower. "
            f"Overwriting: the ids are {', '.join(tokens)}, and an arrow leads from EOT at position {pooled} down to EOT. Inserting: the "
            f"ids are {', '.join(without)} and padding; the vectors are {', '.join(inside)}. An arrow leads from EOT in the ids, at "
            f"position {found}, down to “{inside[found]}”; EOT itself stands at position {pooled}.",
            zh=f"放进 {vectors} 个向量的两种做法，每种画成两行：上行是编号，下行是进入塔的向量。覆盖：编号是 {'、'.join(tokens)}，箭头从位置 "
            f"{pooled} 的 EOT 指向下面的 EOT。插入：编号是 {'、'.join(without)}，后面是填充；向量是 {'、'.join(inside)}。箭头从编号里的 EOT"
            f"（位置 {found}）指向下面的“{inside[found]}”，而 EOT 其实在位置 {pooled}。",
        ),
        caption=say(
            en="The end is looked up in the ids, and the vector at the same position is read off. Overwriting leaves every token where the "
            f"ids say. Inserting makes the row of vectors longer by {vectors}, and the ids do not know: the tower reads off position {found}, "
            f"where “{inside[found]}” stands. ",
            zh="结尾是在编号里找的，取出的是同一位置上的向量。覆盖时，每个词元都还在编号所说的位置；插入时，向量多出 "
            f"{vectors} 个，编号却不知道：塔取出的是位置 {found}，那里是“{inside[found]}”。",
        )
        + _explain_what_was_seen(found, vectors, len(without) - 3),
    )


def _explain_what_was_seen(found: int, vectors: int, name: int) -> str:
    """What a text that is read off at this position knows of its class name, of so many tokens, which follows the vectors."""
    if found <= vectors:
        return say(
            en=f"Nobody looks ahead, so that place has not seen the class name: all names of {format_count(name, 'token')} would get the same text vector.",
            zh=f"谁也不许往后看，所以那个位置根本没看到类别名：凡是 {name} 个词元的类别名，得到的文字向量都一样。",
        )
    if found < vectors + name:
        return say(en="That place has seen only a part of the class name.", zh="那个位置只看到了类别名的一部分。")
    return say(
        en="That place has seen the class name, but CLIP never learned to sum up a text there.",
        zh="那个位置看得到类别名，但 CLIP 从没学过在那里概括整段文字。",
    )


def _place_vectors(labels: Sequence[str], vectors: Tensor, ours: int) -> list[figures.TextPlace]:
    """Places of a text whose vectors of our own stand right behind SOS."""
    rows = vectors.float().cpu().numpy()
    return [
        figures.TextPlace(label, row, ours=1 <= place <= ours) for place, (label, row) in enumerate(zip(labels, rows))
    ]


def _prompt_one_class(
    clip: CLIPModel, processor: CLIPProcessor, name: str, vectors: int, position: Position
) -> PromptedCLIP:
    """One class and a context of random numbers, the same at every call. Raises `LearnerError` where the text does not fit."""
    try:
        generator = torch.Generator().manual_seed(0)
        return PromptedCLIP(clip, processor, [name], vectors, "random", position, generator=generator)
    except ValueError as error:
        room = clip.config.text_config.max_position_embeddings
        tokens = len(processor.tokenizer(name, add_special_tokens=False, verbose=False)["input_ids"])
        raise LearnerError(
            en=f"This does not fit: the model has {room} positions, and SOS, {format_count(vectors, 'vector')}, a class name of "
            f"{format_count(tokens, 'token')}, the full stop and EOT would need {tokens + vectors + 3}. Shorten the name, or take fewer vectors.",
            zh=f"放不下：模型只有 {room} 个位置，而 SOS、{vectors} 个向量、{tokens} 个词元的类别名、句号和 EOT 一共要 "
            f"{tokens + vectors + 3} 个。请缩短类别名，或减少向量。",
        ) from error


def _clean_name(processor: CLIPProcessor, name: str) -> str:
    """The name without the tokens that begin and end a text, and without needless spaces. Raises `LearnerError` where nothing is left."""
    for special in processor.tokenizer.all_special_tokens:
        name = name.replace(special, " ")
    name = " ".join(name.split())
    if not name:
        raise LearnerError(en="Type a class name, such as “cat”.", zh="请输入一个类别名，例如“cat”。")
    return name


def _describe_slots(labels: Sequence[str], slots: Sequence[bool], placeholder: str) -> str:
    where, kept = ([i for i, slot in enumerate(slots) if slot is wanted] for wanted in (True, False))
    words = [f"{labels[i]} ({i})" for i in kept]
    listed = format_ranges(where, lambda one, other: other == one + 1, "–")
    return say(
        en=f"Two rows of striped strips, a strip a position, from 0 to {len(labels) - 1}. Above, the text {', '.join(labels)}; the placeholder "
        f"{placeholder} is greyed. Below, framed strips v1 to v{len(where)} at the positions {listed}, and arrows lead down to them. "
        f"An equals sign joins the others, with their positions: {', '.join(words)}. EOT is read off.",
        zh=f"两排条纹，一条是一个位置，从 0 到 {len(labels) - 1}。上排是 {'、'.join(labels)}，其中占位词元 {placeholder} 是灰的。"
        f"下排的位置 {listed} 上是带框的条纹 v1 到 v{len(where)}，有箭头从上面指过来。其余各条上下之间是等号，括号里是位置：{'、'.join(words)}。"
        "结果在 EOT 处取出。",
    )


def _explain_slots(placeholder: str) -> str:
    return say(
        en=f"Above, the text as the tokenizer gives it: the word “{placeholder}” only keeps a place, and its own vector (grey) is never read. "
        "Below, framed, vectors of our own, v1, v2 and so on: random numbers here, as before training. “=”: not one number differs. The "
        "vector of the position is already added in both rows.",
        zh=f"上排是分词器给出的文字：“{placeholder}”只用来占位，它自己的向量（灰色）没有人读。下排带框的 v1、v2……是我们自己的向量，"
        "这里还是训练前的随机数。“=”表示一个数也没变。两排都已经加上了位置嵌入。SOS 是文本起始符，EOT 是文本结束符。",
    )
