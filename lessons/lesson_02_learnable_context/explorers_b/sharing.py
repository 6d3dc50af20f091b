"""Explorer of lesson 02b: which positions all texts share.

On top of `Explorer`, `figures_b` and `helpers.context`.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import ipywidgets
import torch
from torch import Tensor
from transformers import CLIPModel, CLIPProcessor

from helpers.context import PromptedCLIP
from helpers.language import LearnerError, say
from lessons.kit.explorer import Explorer, make_dropdown, style_control
from lessons.kit.picture import Picture
from lessons.lesson_02_learnable_context import figures_b as figures
from lessons.lesson_02_learnable_context.explorers.shared import format_ranges, label_tokens, make_position_dropdown

VECTORS = (2, 16)  # the fewest and the most of `explore_sharing`: as many as a screen can hold


def explore_sharing(clip: CLIPModel, processor: CLIPProcessor, class_names: Sequence[str]) -> Explorer:
    """Choose where the class name stands, whether each class has vectors of its own, and how many; see which positions are computed.

    class_names: a row for each; six to eight of different lengths show most.
    """
    fewest, most = VECTORS
    controls = {
        "position": make_position_dropdown(),
        "specific": make_dropdown(
            say(en="vectors", zh="向量"),
            {
                say(en="the same for all classes", zh="各类共用"): False,
                say(en="each class's own", zh="每类各一套"): True,
            },
            False,
            24,
        ),
        "length": ipywidgets.IntSlider(
            4, min=fewest, max=most, description=say(en="how many", zh="个数"), **style_control(30)
        ),
    }

    def draw(now: SimpleNamespace) -> Picture:
        try:
            setting = class_names, now.length, "random", now.position, now.specific
            prompted = PromptedCLIP(clip, processor, *setting, generator=torch.Generator().manual_seed(0))
        except ValueError as error:
            raise LearnerError(
                en="This does not fit into the positions that the model has. Take fewer vectors, or shorter class names.",
                zh="模型的位置不够，放不下。请减少向量，或者用短一些的类别名。",
            ) from error
        (texts, room), length, shared = prompted.ids.shape, int(prompted.end.max()) + 1, prompted.shared
        own = length - shared
        rows = [
            figures.TextRow(name, _label_positions(processor, row, end, prompted.embeddings.placeholder), end)
            for name, row, end in zip(class_names, prompted.ids, prompted.end.tolist())
        ]
        counts = _count_positions(prompted)
        ways = [
            (
                say(en=f"all {room} positions", zh=f"全部 {room} 个位置"),
                {"shared": texts * shared, "own": texts * own, "cut": texts * (room - length)},
            ),
            (say(en="trimmed to the longest", zh="截到最长的那段"), {"shared": texts * shared, "own": texts * own}),
            (say(en="+ shared part once", zh="＋ 共有的只算一次"), {"shared": shared, "own": texts * own}),
        ]
        return figures.draw_positions_by_kind(
            rows,
            shared,
            length,
            ways,
            title=say(
                en=f"{counts[2]} positions do the work of {counts[0]:,}",
                zh=f"全部 {counts[0]:,} 个位置，只需要算其中 {counts[2]} 个",
            ),
            alt=_describe_sharing(rows, shared, length, counts),
            caption=_explain_sharing(now, prompted, counts),
        )

    return Explorer(controls, draw)


def _count_positions(prompted: PromptedCLIP) -> tuple[int, int, int]:
    """How many positions go through the tower in one pass: all of them; trimmed to the longest text; the shared ones once."""
    (texts, room), shared, length = prompted.ids.shape, prompted.shared, int(prompted.end.max()) + 1
    return texts * room, texts * length, shared + texts * (length - shared)


def _label_positions(processor: CLIPProcessor, ids: Tensor, end: int, placeholder: int) -> list[str]:
    """What stands at the positions of ids (T,): vectors of our own as v1, v2 …, and "pad" after the end."""
    named = label_tokens(processor, ids[: end + 1], placeholder)
    return named + [say(en="pad", zh="填充")] * (len(ids) - len(named))


def _describe_sharing(rows: Sequence[figures.TextRow], shared: int, length: int, counts: tuple[int, int, int]) -> str:
    room, listed = len(rows[0].labels), _format_labels(rows[0].labels[:shared])
    own = say(en="; ", zh="；").join(
        f"{row.name}{say(en=': ', zh='：')}{_format_labels(row.labels[shared : row.end + 1])}" for row in rows
    )
    return say(
        en=f"A grid of {len(rows)} texts, a row each, and their positions, a column each. Solid, and the same in all texts: {listed} "
        f"(positions: {shared}). From {shared} to {length - 1} stands what is each text's own: {own}. A frame marks each EOT. "
        f"From {length} to {room - 1} the cells are hatched: cut off. Three bars: {counts[0]} positions in full, {counts[1]} trimmed, "
        f"{counts[2]} with the shared part once.",
        zh=f"一张格子图，{len(rows)} 段文字各占一行，一列是一个位置。最前面 {shared} 列涂成实心，所有文字都相同：{listed}。"
        f"位置 {shared} 到 {length - 1} 归各段文字自己：{own}。每个 EOT 都加了框。位置 {length} 到 {room - 1} 画着斜线：截掉。"
        f"下面三条横条：全部算是 {counts[0]} 个位置，截短以后 {counts[1]} 个，相同的部分只算一次就是 {counts[2]} 个。",
    )


def _format_labels(labels: Sequence[str]) -> str:
    """Labels in a row, those of vectors that follow one another as a range: "SOS, v1 to v4"."""

    def are_vectors(*two: str) -> bool:
        return all(label[0] == "v" and label[1:].isdigit() for label in two)

    return format_ranges(labels, are_vectors, say(en=" to ", zh=" 到 "))


def _explain_sharing(now: SimpleNamespace, prompted: PromptedCLIP, counts: tuple[int, int, int]) -> str:
    """The sums, and why so many positions are shared and no more."""
    (texts, room), shared, longest = prompted.ids.shape, prompted.shared, int(prompted.end.max()) + 1
    caption = say(
        en=f"Positions per pass: {room} × {texts} = {counts[0]} in full; {longest} × {texts} = {counts[1]} trimmed; "
        f"{shared} + {longest - shared} × {texts} = {counts[2]} with the shared ones once. ",
        zh=f"一次要算的位置：全部算是 {room} × {texts} = {counts[0]} 个；截短以后 {longest} × {texts} = {counts[1]} 个；"
        f"相同的只算一次，{shared} + {longest - shared} × {texts} = {counts[2]} 个。",
    )
    if now.specific:
        caption += say(
            en=f"With vectors of each class's own, the texts are different from position {shared} on. ",
            zh=f"每类各有一套向量，各段文字从位置 {shared} 起就不一样了。",
        )
    elif now.position != "end":
        caption += say(
            en="The same vectors stand behind the names, and yet they are not shared: each has already seen another name. ",
            zh="类别名后面的向量虽然相同，却不能共用：它们看到的类别名各不一样。",
        )
    else:
        caption += say(
            en="The full stop and EOT are the same tokens everywhere and yet not shared: they have seen different names. ",
            zh="句号和 EOT 的词元处处相同，却不能共用：它们看到的类别名各不一样。",
        )
    wasted = int((longest - 1 - prompted.end).sum())
    if wasted:
        caption += say(
            en=f"Shorter texts are filled up with “pad” to the longest, {wasted} in all: those are computed and never read.",
            zh=f"短的文字填充到最长的那么长，一共多出 {wasted} 个位置：算是算了，结果没人用。",
        )
    return caption.rstrip()
