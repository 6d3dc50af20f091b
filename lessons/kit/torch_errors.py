"""The errors that everyone meets, explained in a sentence of the learner's language."""

from __future__ import annotations

import difflib
import html
import os
import re
import sys
import traceback
from pathlib import Path
from typing import Any

from helpers.language import LearnerError, say


def explain(error: BaseException) -> str | None:
    """What a wrong shape, a wrong device or dtype, or a missing file means and what to do, in a sentence; None for other errors."""
    if isinstance(error, LearnerError):
        return str(error)
    if isinstance(error, FileNotFoundError) and error.filename is not None:
        return _describe_missing_file(Path(os.fsdecode(error.filename)))
    message = str(error)
    for pattern, english, chinese in _MEANINGS:
        if found := re.search(pattern, message):
            return say(en=english, zh=chinese).format(*found.groups())
    return None


def _describe_missing_file(path: Path) -> str:
    """Where the file was looked for, and the most similar name that is there."""
    folder = path.absolute().parent
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    similar = difflib.get_close_matches(path.name, names, n=1)
    if similar:
        hint = say(en=f"There is a “{similar[0]}”: is that the one?", zh=f"那里有一个“{similar[0]}”，是不是它？")
    elif folder.is_dir():
        hint = say(en="Check the name, or give the whole path.", zh="请检查文件名，或写出完整路径。")
    else:
        hint = say(
            en="That folder does not exist either: give the whole path.", zh="这个文件夹也不存在：请写出完整路径。"
        )
    return say(en=f"There is no file “{path.name}” in {folder}. {hint}", zh=f"{folder} 里没有文件“{path.name}”。{hint}")


_SHAPES_EN = " Print the .shape of both just before this line."
_SHAPES_ZH = "在这一行之前，把两边的 .shape 打印出来看看。"
# What the messages of torch and numpy mean. {0}, {1} … are the groups of the pattern.
_MEANINGS = (
    (
        r"mat1 and mat2 shapes cannot be multiplied \((\d+)x(\d+) and (\d+)x(\d+)\)",
        "A product needs the last size of the first factor to be the first size of the second, and here they are {1} and {2} "
        "(({0}, {1}) times ({2}, {3}))." + _SHAPES_EN,
        "两个矩阵相乘，前一个的最后一维要等于后一个的第一维，而这里是 {1} 和 {2}（({0}, {1}) 乘 ({2}, {3})）。"
        + _SHAPES_ZH,
    ),
    (
        r"mismatch in its core dimension \d+, with gufunc signature .*? \(size (\d+) is different from (\d+)\)",
        "A product needs the last size of the first factor to be the first of the second, and here they are {1} and {0}."
        + _SHAPES_EN,
        "两个矩阵相乘，前一个的最后一维要等于后一个的第一维，而这里是 {1} 和 {0}。" + _SHAPES_ZH,
    ),
    (
        r"first two dimensions of batch2 tensor to be: (\[.*?\]) but got: (\[.*?\])",
        "In a batched product the second factor must begin with the sizes {0}, and it begins with {1}." + _SHAPES_EN,
        "成批相乘时，第二个因子的前两维应为 {0}，而这里是 {1}。" + _SHAPES_ZH,
    ),
    (
        r"size mismatch, got input \(\d+\), mat \((\d+)x(\d+)\), vec \((\d+)\)",
        "A ({0}, {1}) matrix needs a vector of {1} numbers, and this one has {2}." + _SHAPES_EN,
        "({0}, {1}) 的矩阵要乘一个 {1} 维的向量，而这个向量是 {2} 维。" + _SHAPES_ZH,
    ),
    (
        r"einsum\(\): subscript (\w) has size (\d+) for operand \d+ which does not broadcast with previously seen size (\d+)",
        "The letter {0} stands for the size {2} in one tensor and for {1} in another." + _SHAPES_EN,
        "字母 {0} 在一个张量里代表 {2}，在另一个里却代表 {1}。" + _SHAPES_ZH,
    ),
    (
        r"Expected input batch_size \((\d+)\) to match target batch_size \((\d+)\)",
        "{0} rows of scores meet {1} labels: there must be one label for each row." + _SHAPES_EN,
        "打分有 {0} 行，标签却有 {1} 个：一行要对一个标签。" + _SHAPES_ZH,
    ),
    (
        r"normalized_shape=(\[.*?\]), expected input with shape .*? but got input of size(\[.*?\])",
        "This layer takes vectors of the width {0}, and the input has the shape {1}.",
        "这一层要的向量宽度是 {0}，而输入的形状是 {1}。",
    ),
    (
        r"size of tensor a \((\d+)\) must match the size of tensor b \((\d+)\) at non-singleton dimension (\d+)",
        "The two tensors do not fit together: in dimension {2} one has the size {0} and the other {1}." + _SHAPES_EN,
        "两个张量对不上：第 {2} 维一个是 {0}，一个是 {1}（维从 0 数起）。" + _SHAPES_ZH,
    ),
    (
        r"operands could not be broadcast together with shapes (\(.*?\)) (\(.*?\))",
        "The two arrays do not fit together: their shapes are {0} and {1}. Sizes must be equal, or one of them 1.",
        "两个数组对不上：形状分别是 {0} 和 {1}。每一维要么相等，要么有一个是 1。",
    ),
    (
        r"Sizes of tensors must match except in dimension (\d+)\. Expected size (\d+) but got size (\d+)",
        "Tensors that are joined along dimension {0} must agree in all others; here one has {2} where {1} was expected."
        + _SHAPES_EN,
        "沿第 {0} 维拼接时，其余各维必须相同；这里应为 {1}，实际是 {2}。" + _SHAPES_ZH,
    ),
    (
        r"stack expects each tensor to be equal size, but got (\[.*?\]) at entry 0 and (\[.*?\]) at entry (\d+)",
        "Only tensors of one shape can be stacked: number 0 has {0}, number {2} has {1}.",
        "只有形状相同的张量才能叠在一起：第 0 个是 {0}，第 {2} 个是 {1}。",
    ),
    (
        r"shape '(\[.*?\])' is invalid for input of size (\d+)",
        "{1} numbers cannot be laid out as {0}: the sizes must multiply to {1}.",
        "{1} 个数排不成 {0} 的形状：各维相乘必须等于 {1}。",
    ),
    (
        r"Dimension out of range \(expected to be in range of (\[.*?\]), but got (-?\d+)\)",
        "There is no dimension {1} here: this tensor has only those in {0}. Print its .shape.",
        "这里没有第 {1} 维：这个张量的维数只能取 {0}。把它的 .shape 打印出来看看。",
    ),
    (
        r"index out of range in self",
        "An id is larger than the embedding table has rows: do the tokenizer and the model belong together?",
        "有一个编号超出了嵌入表的行数：分词器和模型是同一套吗？",
    ),
    (
        r"Expected all tensors to be on the same device.*?\b(cuda:\d+|mps:\d+|cpu)\b.*?\b(cuda:\d+|mps:\d+|cpu)\b",
        "One tensor lies on {0}, another on {1}. Bring them together: tensor.to(model.device).",
        "一个张量在 {0} 上，另一个在 {1} 上。把它们放到一起：tensor.to(model.device)。",
    ),
    (
        r"Input type \((?:torch\.)?(\S+?)\) and (?:weight|bias) type \((?:torch\.)?(\S+?)\) should be the same",
        "The input is a {0}, the layer's weights are a {1}. Bring the input to the model: x.to(model.device, model.dtype).",
        "输入是 {0}，而这一层的权重是 {1}。让输入跟着模型走：x.to(model.device, model.dtype)。",
    ),
    (
        r"(?:mat1 and mat2|m1 and m2) (?:must|to) have the same dtype, but got:? (?:c10::)?(\w+) (?:and|!=) (?:c10::)?(\w+)",
        "Two tensors of different dtypes cannot be multiplied: {0} and {1}. Bring one to the other: x.to(model.dtype).",
        "数据类型不同的张量不能相乘：{0} 和 {1}。把其中一个转过去：x.to(model.dtype)。",
    ),
    (
        r"expected scalar type (\w+) but found (\w+)",
        "Numbers of type {0} are needed and these are of type {1}. Convert them: x.to(model.dtype).",
        "这里要的是 {0} 类型的数，而给的是 {1}。先转换：x.to(model.dtype)。",
    ),
    (
        r"^name '(\w+)' is not defined",
        "There is no {0} yet. Is it spelt right? If a cell above makes it, run that first; after a restart of the kernel, all of them.",
        "还没有 {0} 这个名字。拼写对吗？如果它出自前面的某一格，就先运行那一格；内核重启过的话，前面的都要再运行一遍。",
    ),
    (
        r"[Nn]umber of elements of source < number of ones in mask",
        "There are more places to fill than numbers to fill them with. If every text is to get the vectors, each row needs its own copy "
        "of them: vectors.expand(len(words), -1, -1).",
        "要填的位置比拿来填的数多。每段文字都要放这些向量，就得每行各有一份：vectors.expand(len(words), -1, -1)。",
    ),
    (
        r"shape mismatch: value tensor of shape (\[.*?\]) cannot be broadcast to indexing result of shape (\[.*?\])",
        "The places that were picked have the shape {1}, and what is put there has {0}. If every text is to get the vectors, each row "
        "needs its own copy of them.",
        "选中的位置形状是 {1}，要放进去的却是 {0}。每段文字都要放这些向量，就得每行各有一份。",
    ),
    (
        r"for argument #1 'indices' to have one of the following scalar types: Long, Int; but got torch\.(?:cuda\.)?(\w+)",
        "An embedding table is asked by row numbers, which are whole numbers (int64); these are a {0}. Did you pass vectors where "
        "ids belong?",
        "查嵌入表要用行号，也就是整数（int64），而给的是 {0}。是不是把向量当成编号传进去了？",
    ),
)


def install_handler() -> None:
    """In a notebook, show the errors that `explain` knows as its sentence, with the technical text folded below."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None:
        shell.set_custom_exc((Exception,), _show_error)


def _show_error(shell: Any, kind: type, error: BaseException, trace: Any, tb_offset: int | None = None) -> None:
    sentence = explain(error)
    if sentence is None:
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset)
        return
    from IPython.display import display

    technical = "".join(traceback.format_exception(kind, error, trace))
    if line := _find_line_of_cell(trace):
        sentence = say(en=f"In the line “{line}”: {sentence}", zh=f"在“{line}”这一行：{sentence}")
    display({"text/html": format_error(sentence, technical), "text/plain": sentence}, raw=True)
    shell._showtraceback(kind, error, [f"{kind.__name__}: {error}"])  # one line: the rest is folded above


def _find_line_of_cell(trace: Any) -> str:
    """The line of the notebook's own code that led to the error; "" if there is none."""
    frames = [
        frame
        for frame in traceback.extract_tb(trace)
        if "ipykernel_" in frame.filename or "<ipython-input" in frame.filename
    ]
    return (frames[-1].line or "").strip() if frames else ""


def format_error(sentence: str, technical: str) -> str:
    """HTML: the sentence, and the technical text folded below it."""
    style = "border-left: 4px solid #B64A00; padding: 0.4em 1em; line-height: 1.5"
    summary = say(en="technical details", zh="技术细节")
    return (
        f'<div role="alert" style="{style}"><p style="white-space: pre-line">{html.escape(sentence)}</p>'
        f"<details><summary>{summary}</summary><pre>{html.escape(technical)}</pre></details></div>"
    )
