"""Lesson 05: tables of who holds a gradient, and of all experiments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from helpers.language import say
from helpers.notebook import Table
from lessons.lesson_05_bug_museum import experiments


def tabulate_experiments() -> Table:
    """List the experiments of the museum: what to do, what must come out, and what it exposes."""
    rows = [
        (
            say(en="Context = the vectors of words that split into several tokens", zh="用会拆成几个词元的词，拿它们的向量当上下文"),
            say(en="the library's own features of those words", zh="和库算出的这些词的特征一样"),
            say(en="position embeddings twice or not at all; inserted; read off elsewhere; no mask; wrong number of vectors",
                zh="位置嵌入加了两次或没加、插入、取错地方、没有掩码、个数不对"),
        ),
        (
            say(en="Another class name", zh="换一个类别名"),
            say(en="other features", zh="特征跟着变"),
            say(en="read off before the name", zh="在类别名之前就取了结果"),
        ),
        (
            say(en="One backward pass: who holds a gradient?", zh="反向传播一次：梯度到了谁那里？"),
            say(en="every vector of the prompt, not zero, and nothing else", zh="提示词的每个向量都有，不为零；别处都没有"),
            say(en="frozen on paper; a prompt that nobody reads; a cut-off graph", zh="只在纸面上冻结、提示词没人读、计算图断开"),
        ),
        (
            say(en="Alone, and beside a longer one", zh="单独一个，再和更长的放一批"),
            say(en="the same features, the same loss", zh="特征、损失都不变"),
            say(en="no causal mask; padding scored", zh="没有因果掩码、填充计入损失"),
        ),
        (
            say(en="The library's loss, given labels", zh="把标签交给库，让库算损失"),
            say(en="the same number", zh="同一个数"),
            say(en="every mistake in what is scored; dropout", zh="计入损失的一切错误、dropout"),
        ),
        (
            say(en="X-ray: the gradient of the logits", zh="X 光：logits 的梯度"),
            say(en="each place against the next token; the end a target; padding none", zh="每个位置对照下一个词元；结束符是目标，填充不是"),
            say(en="which of them it is", zh="究竟是哪一种错"),
        ),
        (
            say(en="The same batch twice", zh="同一批算两次"),
            say(en="the same loss", zh="损失相同"),
            say(en="dropout left on", zh="没有关掉 dropout"),
        ),
        (
            say(en="Read rows whose words are known", zh="去读词义已知的行"),
            say(en="themselves", zh="读出来就是自己"),
            say(en="another model's table", zh="查了别的模型的表"),
        ),
        (
            say(en="Permuted labels, reported by the whole script", zh="打乱标签，把整个脚本跑一遍"),
            say(en="chance (where class names bring nothing)", zh="瞎猜的水平（类别名帮不上忙时）"),
            say(en="choosing on the test set; test labels that got in (not test pictures among the training pictures: compare those themselves)",
                zh="在测试集上挑选、测试标签混了进来（训练图片里混进了测试图片，它查不出：要直接比图片）"),
        ),
        (
            say(en="Every option at two extremes, several seeds", zh="每个选项取两个极端，多换几个种子"),
            say(en="other results", zh="结果跟着变"),
            say(en="options that do nothing", zh="不起作用的选项"),
        ),
    ]  # fmt: skip
    header = (
        say(en="do this", zh="做什么"),
        say(en="this must come out", zh="应该得到"),
        say(en="it exposes", zh="能揭穿"),
    )
    return Table(rows, header)


def tabulate_gradients(models: Mapping[str, torch.nn.Module], loss: Callable[[Any], Tensor]) -> Table:
    """Compare models after one backward pass of each: what `parameters()` tells, and who really holds a gradient."""
    rows = []
    for name, model in models.items():
        with experiments.preserve(model):
            loss(model).backward()
            held = [model.get_parameter(one) for one in experiments.find_learners(model)]
        listed = [parameter for parameter in model.parameters() if parameter.requires_grad]
        said, true = (f"{sum(parameter.numel() for parameter in each):,}" for each in (listed, held))
        rows.append((name, said, f"{len(held)}", true))
    header = (
        say(en="model", zh="模型"),
        say(en="numbers that parameters() says learn", zh="parameters() 说在学的数"),
        say(en="tensors that hold a gradient", zh="收到梯度的张量"),
        say(en="numbers in these", zh="其中的数"),
    )
    return Table(rows, header, align="right")
