"""Lesson 05: code behind glass, to be read and not to be run."""

from __future__ import annotations

import html
from collections.abc import Sequence

from helpers.language import say
from lessons.kit.exercise import Note
from lessons.kit.picture import INK
from lessons.lesson_05_bug_museum import museum
from lessons.lesson_05_bug_museum.museum import EXHIBITS


def show_code(number: int) -> Note:
    """Show the broken code of an exhibit, and where such code was seen."""
    code = EXHIBITS[number]
    heading = say(en=f"Told anew. Seen in: {code.seen_in}", zh=f"按原意重写。见于：{_translate_sources(code.seen_in)}")
    return _put_behind_glass([(" ", line) for line in code.source().split("\n")], heading)


def show_repair(number: int) -> Note:
    """Show what the repair of an exhibit changes: lines that go (-), and lines that come (+); and where the broken code was seen."""
    code = EXHIBITS[number]
    heading = say(
        en=f"The repair: − goes, + comes. Seen in: {code.seen_in}",
        zh=f"修法：− 的行删去，+ 的行换上。见于：{_translate_sources(code.seen_in)}",
    )
    return _put_behind_glass(code.changes(), heading)


def _translate_sources(seen_in: str) -> str:
    """Say in Chinese where code was seen."""
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


def _put_behind_glass(lines: Sequence[tuple[str, str]], heading: str) -> Note:
    """Show lines of code that are to be read and not to be run, marked "-" and "+" where twins differ: on the page, and as plain text."""
    marked = any(mark.strip() for mark, _ in lines)
    shown = [(mark, f"{mark} {text}".rstrip() if marked else text) for mark, text in lines]
    ink = f"; color: {INK}"  # on these grounds, in JupyterLab's dark theme too
    fills = {"-": f"#F6E3D7{ink}", "+": f"#E4ECF3{ink}"}
    rows = "".join(
        f'<div style="background: {fills.get(mark, "transparent")}">{html.escape(text) or " "}</div>'
        for mark, text in shown
    )
    look = "border: 1px solid #B4BCC6; border-radius: 4px; padding: 0.6em 1em; margin: 2px 0; line-height: 1.45; overflow-x: auto"
    page = f'<p style="margin: 0.3em 0">{html.escape(heading)}</p><pre style="{look}">{rows}</pre>'
    return Note(page, "\n".join([heading, *(text for _, text in shown)]))
