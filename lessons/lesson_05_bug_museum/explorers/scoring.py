"""Lesson 05: what a loss scores, against what."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from helpers.captioner import VLMWithSoftPrompt
from helpers.language import say
from lessons.kit.explorer import Explorer, make_dropdown
from lessons.kit.picture import VERMILION, Picture
from lessons.lesson_05_bug_museum import experiments, figures, museum
from lessons.lesson_05_bug_museum.experiments import Captions
from lessons.lesson_05_bug_museum.explorers.alarms import name_code
from pocket.studies.captioner_study import load_study


def draw_healthy_loss(with_truth: bool = False) -> Picture:
    """Draw a stored training with labels that were not shifted: its own loss, and on demand the loss of the next token beside it."""
    run = next(run for run in load_study().shift if not run.shifted)
    own, true, last = run.history.column("validation_loss"), run.next_token_loss, run.history.steps
    steps = run.history.column("step")
    name = say(en=f"its own loss: {own[-1]:.2f}", zh=f"它自己的损失：{own[-1]:.2f}")
    lines = [figures.Line(name, steps, own)]
    if with_truth:
        name = say(en=f"next-token loss: {true[-1]:.1f}", zh=f"下一个词元的损失：{true[-1]:.1f}")
        lines.append(figures.Line(name, steps, true, VERMILION))
    return figures.draw_named_curves(
        lines,
        say(en="training step", zh="训练步数"),
        say(en="loss on validation captions", zh="验证集上的损失"),
        title=say(
            en=f"The loss that it was trained with falls to {own[-1]:.2f}"
            + (f", the loss of the next token rises to {true[-1]:.1f}" if with_truth else ""),
            zh=f"训练时用的损失降到了 {own[-1]:.2f}"
            + (f"，下一个词元的损失却升到了 {true[-1]:.1f}" if with_truth else ""),
        ),
        alt=say(
            en=f"A curve over {last} training steps: the loss falls from {own[0]:.1f} to {own[-1]:.2f}, steeply at first."
            + (f" A second, dashed one rises: the loss of the next token, from {true[0]:.1f} to {true[-1]:.1f}." if with_truth else ""),
            zh=f"横轴是 {last} 步训练。一条曲线：损失从 {own[0]:.1f} 降到 {own[-1]:.2f}，开头降得很快。"
            + (f"另一条虚线在上升：下一个词元的损失从 {true[0]:.1f} 涨到 {true[-1]:.1f}。" if with_truth else ""),
        ),
        caption=say(
            en="The same training, judged twice. It learned what it was asked for, and unlearned what we wanted."
            if with_truth
            else "A stored run. Smooth, steep, and close to zero at the end.",
            zh="同一次训练，两种评判。要求它学的，它学会了；我们真正想要的，它反而忘了。"
            if with_truth
            else "这是存好的一次训练。曲线又顺又陡，最后几乎降到零。",
        ),
    )  # fmt: skip


def draw_x_ray(
    code: str | Callable[..., Tensor], model: VLMWithSoftPrompt, captions: Captions, row: int = 0
) -> Picture:
    """Draw what a loss, an exhibit's by its name or any other, scores against what in one caption."""
    loss = museum.find_loss(code) if isinstance(code, str) else code
    seen = experiments.take_x_ray(loss, museum.add_dropout(model), captions)
    patch = say(en="last patch", zh="图块")
    places = [figures.ScoredToken(patch, *_find_target(model, seen, row, -1))]
    for place, id in enumerate(seen.ids[row]):
        pad = place >= int(seen.lengths[row])
        name = _name_padding() if pad else _name_token(model, id)
        places.append(figures.ScoredToken(name, *_find_target(model, seen, row, place), padding=pad))
    wrong = sum(bool(place.target) and place.kind != "next" for place in places)
    end = seen.scores_end
    title = {
        "itself": say(en="Every token is scored against itself", zh="每个词元对照的都是它自己"),
        "padding": say(
            en=f"{wrong} of {len(seen.targets[row])} targets here are padding",
            zh=f"这里的 {len(seen.targets[row])} 个目标，有 {wrong} 个是填充",
        ),
        "no end": say(en="The end of the text is never a target", zh="文本结束符从来不是目标"),
        "right": say(
            en="Each position is scored against the next token, the end included",
            zh="每个位置对照的都是下一个词元，结束符也在内",
        ),
    }.get(seen.verdict, say(en="Some positions are scored against something else", zh="有些位置对照的是别的东西"))
    pairs = say(en=", ", zh="，").join(f"{place.token} → {place.target}" for place in places if place.target)
    return figures.draw_targets(
        places,
        len(model.prefix(captions[0][:1])[0]) - 1,
        title=title,
        alt=say(
            en=f"A caption, position by position, with an arrow from each that is scored down to its target: {pairs}. "
            f"{wrong} targets are marked as wrong. The end of the text is {'a' if end else 'no'} target.",
            zh=f"一句说明文字，逐个位置画出；计入损失的位置都有箭头指向它的目标：{pairs}。标为错误的目标有 {wrong} 个。"
            f"文本结束符{'在' if end else '不在'}目标里。",
        ),
        caption=say(
            en="Read from the gradient alone: each position that is scored pulls one logit up, that of its target. “–”: not scored. “last "
            "patch”: the last position before the text.",
            zh="这些全是从梯度里读出来的：每个计入损失的位置，都把它目标的 logit 往上拉。“–”表示不计入损失；“图块”是图片的最后一块，文字前面的那个位置。",
        ),
    )  # fmt: skip


def explore_x_rays(model: VLMWithSoftPrompt, captions: Captions) -> Explorer:
    """Choose a loss and a caption, and see what is scored against what: first padding, behind a caption that is not the longest."""
    texts = [model.tokenizer.decode(ids[: int(length) - 1]).strip() for ids, length in zip(captions[1], captions[2])]
    codes = ("shift", "padding", "end", "right")
    controls = {
        "code": make_dropdown(say(en="code", zh="代码"), {name_code(code): code for code in codes}, "padding", 26),
        "caption": make_dropdown(
            say(en="caption", zh="说明文字"), {text: row for row, text in enumerate(texts)}, 1, 32
        ),
    }
    return Explorer(controls, lambda now: draw_x_ray(now.code, model, captions, now.caption))


def _find_target(model: VLMWithSoftPrompt, seen: experiments.XRay, row: int, place: int) -> tuple[str, str]:
    """Find what a position is scored against, "" for nothing, and what kind of target that is."""
    if place not in seen.targets[row]:
        return "", "next"
    target = seen.targets[row][place]
    if seen.shift == 0:
        kind = "itself"
    elif seen.shift != 1:
        kind = "other"
    else:
        kind = "padding" if place + 1 >= int(seen.lengths[row]) else "next"
    return _name_padding() if kind == "padding" else _name_token(model, target), kind


def _name_padding() -> str:
    return say(en="pad", zh="填充")


def _name_token(model: VLMWithSoftPrompt, id: int | Tensor) -> str:
    if int(id) == model.tokenizer.eos_token_id:
        return say(en="end", zh="结束符")
    text = model.tokenizer.decode([int(id)])
    return text.strip() or repr(text)[1:-1]
