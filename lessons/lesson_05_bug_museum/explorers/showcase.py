"""Lesson 05: code behind glass, to be read and not to be run."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from helpers.language import say
from lessons.kit.picture import INK
from lessons.lesson_05_bug_museum import museum
from lessons.lesson_05_bug_museum.museum import EXHIBITS


@dataclass(frozen=True)
class Glass:
    """Code to be read and not to be run: on the page, and as plain text. Lines are marked "-" and "+" where twins differ."""

    lines: Sequence[tuple[str, str]]
    heading: str

    def html(self) -> str:
        ink = f"; color: {INK}"  # on these grounds, in JupyterLab's dark theme too
        fills = {"-": f"#F6E3D7{ink}", "+": f"#E4ECF3{ink}"}
        marked = any(mark.strip() for mark, _ in self.lines)
        rows = "".join(
            f'<div style="background: {fills.get(mark, "transparent")}">{html.escape(f"{mark} " if marked else "")}{html.escape(text) or " "}</div>'
            for mark, text in self.lines
        )
        look = "border: 1px solid #B4BCC6; border-radius: 4px; padding: 0.6em 1em; margin: 2px 0; line-height: 1.45; overflow-x: auto"
        return f'<p style="margin: 0.3em 0">{html.escape(self.heading)}</p><pre style="{look}">{rows}</pre>'

    def bundle(self) -> dict[str, str]:
        marked = any(mark.strip() for mark, _ in self.lines)
        lines = [f"{mark} {text}".rstrip() if marked else text for mark, text in self.lines]
        return {"text/html": self.html(), "text/plain": "\n".join([self.heading, *lines])}

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return self.bundle()


def behind_glass(number: int) -> Glass:
    """The broken code of an exhibit, and where such code was seen."""
    code = EXHIBITS[number]
    heading = say(en=f"Told anew. Seen in: {code.seen_in}", zh=f"按原意重写。见于：{_seen_in_chinese(code.seen_in)}")
    return Glass([(" ", line) for line in code.source().split("\n")], heading)


def repaired(number: int) -> Glass:
    """What the repair of an exhibit changes: lines that go (-), and lines that come (+); and where the broken code was seen."""
    code = EXHIBITS[number]
    heading = say(
        en=f"The repair: − goes, + comes. Seen in: {code.seen_in}",
        zh=f"修法：− 的行删去，+ 的行换上。见于：{_seen_in_chinese(code.seen_in)}",
    )
    return Glass(code.changes(), heading)


def _seen_in_chinese(seen_in: str) -> str:
    for english, chinese in (
        (museum.THE_SEED, "这门课最初的那份软提示词 VLM 脚本"),
        ("several home-made CLIPTextEmbeddings", "多处自己动手写的 CLIPTextEmbeddings"),
        (museum.SEVERAL, "好几个给 CLIP 加提示词的仓库"),
        (", pull request ", "，拉取请求 "),
        (" and issue ", " 和 issue "),
        (", issue ", "，issue "),
        ("; ", "；"),
        (", ", "，"),
    ):
        seen_in = seen_in.replace(english, chinese)
    return seen_in
