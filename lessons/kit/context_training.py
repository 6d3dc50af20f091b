"""A button that trains a context for a frozen CLIP while one watches: curves over the steps, accuracy before and after.

On top of `LongWork` and `helpers.context`, which does the learning: here are only its numbers, and how they are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace

import ipywidgets
from torch import Tensor

from helpers.context import PromptedCLIP, encode_hand_prompt, train_context
from helpers.data import FewShot, measure_accuracy
from helpers.language import say
from helpers.training import History, TrainConfig
from lessons.kit.explorer import (
    LongWork,
    Shown,
    compute_checksum,
    format_count,
    format_percent,
    read_values,
    use_one_thread,
)
from lessons.kit.learning_curve import Run, draw_learning_curve
from lessons.kit.picture import Picture

WORDS = "a photo of a"
HAND = f"“{WORDS} {{}}”"
CONFIG = TrainConfig()


@dataclass(frozen=True)
class Setting:
    """What one press trains: a context, the pictures that it learns from, and in words what the learner chose ("" for nothing)."""

    prompted: PromptedCLIP
    data: FewShot
    chosen: str = ""


@dataclass(frozen=True)
class Stored:
    """A run that was made before, by a command: its numbers, the context (M, D) that it kept, and the one that it began with."""

    run: Run
    context: Tensor
    command: str
    initial: Tensor | None = None


class ContextTraining(LongWork):
    """A button that trains a context, and a figure that follows it.

    context: (M, D), the vectors learned last, even by a run that was interrupted; before the first press the stored run's (None where
    there is none that fits this model). initial: (M, D), what these were before the first step. runs: the numbers of every run so far.
    """

    context: Tensor | None
    initial: Tensor | None

    def __init__(
        self,
        prepare: Callable[[SimpleNamespace], Setting],
        config: TrainConfig,
        controls: Mapping[str, ipywidgets.Widget],
        *,
        start: str,
        stored: Stored | None = None,
    ) -> None:
        """prepare: makes of the controls' values what is to be trained; stored: a run to be shown until the button is pressed."""
        self._prepare, self._config, self._stored = prepare, config, stored
        self.runs: list[Run] = []
        setting = prepare(read_values(controls))
        fits = stored and stored.context.shape[-1] == setting.prompted.context.shape[-1]
        self.context, self.initial = (stored.context, stored.initial) if fits else (None, None)
        waiting = self._draw_empty(self._measure_before(setting))
        super().__init__(
            self._learn,
            self._draw_stored(stored) if stored else waiting,
            waiting=waiting,
            start=start,
            controls=controls,
            steps=config.steps,
        )

    def _measure_before(self, setting: Setting) -> Run:
        """A run without a step: what the hand-written prompt gets is known, and nothing else."""
        by_hand = encode_hand_prompt(setting.prompted)
        hand, before = (
            measure_accuracy(pictures, by_hand) for pictures in (setting.data.validation, setting.data.test)
        )
        return Run(History(self._config.steps), hand, before)

    def _learn(self, now: SimpleNamespace) -> Iterator[tuple[float, Callable[[], Shown]]]:
        """One run. What is kept was chosen on the validation pictures; it meets the test pictures once, when all is learned."""
        begun = self._clock()
        self._tell(say(en="Getting the pictures ready…", zh="正在准备图片……"))
        setting, earlier = self._prepare(now), tuple(self.runs)
        prompted, run = setting.prompted, self._measure_before(setting)
        model = compute_checksum(prompted.clip)
        self._preparing = self._clock() - begun
        try:
            with use_one_thread(), closing(train_context(prompted, setting.data, self._config)) as evaluations:
                for at in evaluations:
                    run = replace(run, history=run.history.add(at))
                    if at.best:
                        self.context = prompted.context.detach().clone()
                    if at.step == 0:
                        self.initial = self.context
                    self._when_stopped = partial(self._draw_stopped, setting, run, earlier)
                    yield at.step / at.steps, partial(self._draw_growing, setting, run, earlier)
                run = replace(run, after=prompted.accuracy(*setting.data.test))
            unchanged = compute_checksum(prompted.clip) == model
            self._when_stopped = partial(self._draw_finished, setting, run, earlier, unchanged)
            yield 1.0, self._when_stopped
        finally:
            if run.history.evaluations:
                self.runs.append(run)

    def _draw_stored(self, stored: Stored) -> Picture:
        whose = say(en="A stored run", zh="事先存好的一次训练")
        return draw_learning_curve(
            None,
            stored.run,
            prompts=_name_prompts(len(stored.context)),
            title=f"{whose}{say(en=': ', zh='：')}{_format_outcome(stored.run, len(stored.context))}",
            alt=_describe_run(stored.run, len(stored.context), whose),
            caption=say(
                en=f"A stored run, made by “{stored.command}”. The ring marks the step with the lowest validation loss: its vectors were kept.",
                zh=f"事先存好的一次训练，由 {stored.command} 得到。圆圈标出验证集损失最低的一步，留下的就是那一步的向量。",
            ),
        )

    def _draw_empty(self, empty: Run) -> Picture:
        """Before the first press: what the hand-written prompt reaches, and room for what comes."""
        hand, before = format_percent(empty.hand, 0), format_percent(empty.before)
        return draw_learning_curve(
            empty,
            self._stored and self._stored.run,
            prompts=(HAND, say(en="learned vectors", zh="学出来的向量")),
            title=say(en="Will learned vectors get above the dotted line?", zh="学出来的向量能越过点线吗？"),
            alt=say(
                en=f"Two empty diagrams for loss and accuracy over {empty.history.steps} steps. A dotted line marks what {HAND} reaches on validation "
                f"pictures, {hand}. Below, a bar: on test pictures it gets {before}. Learned vectors have a question mark.",
                zh=f"两张还空着的图：{empty.history.steps} 步的损失和准确率。点线标出{HAND}在验证集上的准确率 {hand}。下方一条是它在测试集上的准确率 "
                f"{before}，学出来的向量那一行还是问号。",
            ),
            caption=say(
                en="Dotted: the hand-written prompt. Below, its accuracy on the test pictures, and a question mark.",
                zh="点线是手工提示词。下面是它在测试集上的准确率，还有一个问号。",
            ),
        )

    def _draw_growing(self, setting: Setting, run: Run, earlier: tuple[Run, ...]) -> Picture:
        """While it learns."""
        told = say(
            en="The ring marks the step with the lowest validation loss so far. ",
            zh="圆圈标出到目前为止验证集损失最低的一步。",
        )
        title = say(en="Learning: watch the blue curve and the dotted line", zh="正在训练：看蓝色曲线和点线")
        return self._draw_run(setting, run, earlier, title, told)

    def _draw_stopped(self, setting: Setting, run: Run, earlier: tuple[Run, ...]) -> Picture:
        """After an interrupt."""
        last, kept = run.history.evaluations[-1].step, run.history.best.step
        told = say(
            en=f"Stopped at step {last} of {run.history.steps}. Kept are the vectors of step {kept} (the ring), where the validation loss was lowest "
            "until then; the test pictures were not looked at. ",
            zh=f"共 {run.history.steps} 步，在第 {last} 步停下。留下的是第 {kept} 步的向量（圆圈处）：停下之前，这一步在验证集上的损失最低；"
            "测试图片还没有看过。",
        )
        title = say(
            en=f"Stopped at step {last} of {run.history.steps}: the vectors of step {kept} are kept",
            zh=f"共 {run.history.steps} 步，停在第 {last} 步；留下的是第 {kept} 步的向量",
        )
        return self._draw_run(setting, run, earlier, title, told)

    def _draw_finished(self, setting: Setting, run: Run, earlier: tuple[Run, ...], unchanged: bool) -> Picture:
        """At the end. unchanged: whether the model is what it was before."""
        vectors, parameters = len(setting.prompted.context), sum(p.numel() for p in setting.prompted.clip.parameters())
        model = (
            say(
                en=f"the model's {parameters:,} parameters are what they were (checksums before and after agree)",
                zh=f"模型的 {parameters:,} 个参数一个也没变（训练前后的校验值相同）",
            )
            if unchanged
            else say(en="and the model has changed, which it never should", zh="模型的参数变了，这不应该发生")
        )
        learned = "one vector was" if vectors == 1 else f"{vectors} vectors were"
        kept = run.history.best.step
        told = say(
            en=f"Only the {learned} learned; {model}. Kept is what stood there at step {kept} (the ring), where the validation loss was lowest; "
            "the test pictures had no say in that and were looked at once, at the end. Test and validation pictures are different ones, so "
            "the same prompt may do a little better on one than on the other. ",
            zh=f"学的只有这 {vectors} 个向量；{model}。留下的是第 {kept} 步的向量（圆圈处），那时验证集上的损失最低；"
            "测试图片没有参与挑选，只在最后看了一次。验证集和测试集是两批不同的图片，所以同一句提示词的准确率会略有不同。",
        )
        title = say(en="Your run: ", zh="你的训练：") + _format_outcome(run, vectors)
        return self._draw_run(setting, run, earlier, title, told)

    def _draw_run(self, setting: Setting, run: Run, earlier: tuple[Run, ...], title: str, told: str) -> Picture:
        """The learner's run so far, over the others; told: what the caption says of it, after what was chosen."""
        vectors, chosen, whose = len(setting.prompted.context), setting.chosen, say(en="Your run", zh="你的训练")
        caption = f"{whose}{say(en=': ', zh='：')}{chosen}{say(en='. ', zh='。')}" if chosen else ""
        caption += told + say(en="Blue: your run.", zh="蓝色是你的训练。")
        if self._stored:
            caption += say(en=" Grey: the stored run.", zh="灰色是事先存好的那次。")
        if earlier:
            caption += say(en=" Faint blue: your earlier runs.", zh="浅蓝色是你之前的训练。")
        if earlier and chosen:
            caption += say(
                en=" Another seed, or fewer shots, may have given them other validation pictures. To choose among runs, compare those of the "
                "same pictures by validation: what was chosen by the test pictures is no longer tested by them.",
                zh="换了随机种子或每类图片的张数，验证图片可能也换了。要从几次训练里挑一次，就在同一批图片上比较验证集的结果："
                "一旦用测试图片来挑，它们就不能再算测试了。",
            )
        return draw_learning_curve(
            run,
            self._stored and self._stored.run,
            earlier,
            prompts=_name_prompts(vectors),
            title=title,
            alt=_describe_run(
                run, vectors, whose, chosen, [other.after for other in earlier if other.after is not None]
            ),
            caption=caption,
        )


def _name_prompts(vectors: int) -> tuple[str, str]:
    return HAND, say(en=format_count(vectors, "learned vector"), zh=f"{vectors} 个学出来的向量")


def _format_outcome(run: Run, vectors: int) -> str:
    """Both accuracies on the test pictures, for a title."""
    hand, learned = _name_prompts(vectors)
    return say(
        en=f"{run.after:.1%} with {learned}, {run.before:.1%} with {hand}",
        zh=f"{learned} {run.after:.1%}，{hand} {run.before:.1%}",
    )


def _describe_run(run: Run, vectors: int, whose: str, chosen: str = "", earlier: Sequence[float] = ()) -> str:
    """What the figure shows, from its first step to its last. earlier: what earlier runs got on the test pictures."""
    history, ends = run.history, (run.history.evaluations[0], run.history.evaluations[-1])
    loss, check = [f"{end.loss:.1f}" for end in ends], [f"{end.validation_loss:.1f}" for end in ends]
    first, last, hand = (format_percent(share, 0) for share in (*(end.validation_score for end in ends), run.hand))
    before, after = format_percent(run.before), None if run.after is None else format_percent(run.after)
    others, kept = [format_percent(share) for share in earlier], history.best.step
    far = say(en=f", {history.steps} steps", zh=f"，共 {history.steps} 步")
    if after is None:
        far = say(en=f", at step {ends[1].step} of {history.steps}", zh=f"{far}，到第 {ends[1].step} 步为止")
    return say(
        en=f"{whose}{f' ({chosen})' if chosen else ''}{far}. Left: the loss goes from {loss[0]} to {loss[1]} on training pictures, from "
        f"{check[0]} to {check[1]} on validation pictures. Right: the accuracy on validation pictures goes from {first} to {last}; a dotted "
        f"line marks the {hand} of {HAND}. A ring marks step {kept}, where the validation loss is lowest. Below, two bars for the test "
        f"pictures: {HAND} gets {before}, {format_count(vectors, 'learned vector')} "
        + (
            f"{'gets' if vectors == 1 else 'get'} {after}."
            if after
            else f"{'is' if vectors == 1 else 'are'} not tested yet."
        )
        + (f" Dots beneath, for your earlier runs: {', '.join(others)}." if others else ""),
        zh=f"{whose}{f'（{chosen}）' if chosen else ''}{far}。左图：损失在训练图片上从 {loss[0]} 到 {loss[1]}，在验证图片上从 {check[0]} 到 "
        f"{check[1]}。右图：验证集上的准确率从 {first} 到 {last}，点线标出手工提示词{HAND}的 {hand}。圆圈标出第 {kept} 步，那里验证集上的"
        f"损失最低。下方两条是测试集上的准确率：{HAND}是 {before}，{vectors} 个学出来的向量"
        + (f"是 {after}。" if after else "还没有测。")
        + (f"再下面的圆点是你之前的训练：{'、'.join(others)}。" if others else ""),
    )
