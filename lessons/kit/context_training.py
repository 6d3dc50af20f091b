"""Explorers that learn while one watches: vectors for a frozen CLIP.

On top of `LongWork`, `figures` and `helpers.context`, which does the learning: here are only its numbers, and how they are shown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace

import ipywidgets
import numpy as np
import torch
from torch import Tensor
from transformers import CLIPModel, CLIPProcessor

from helpers.context import PromptedCLIP, encode_hand_prompt, repeat_words, train_context
from helpers.data import FewShot, encode_split
from helpers.language import say
from helpers.reading import draw_random_like
from helpers.training import Evaluation, TrainConfig
from lessons import figures
from lessons.widgets.base import LongWork, Shown, counted, dropdown, look, percent, values_of
from lessons.widgets.learnable_context import name_positions
from pocket.datasets import few_shot
from pocket.studies import first_vectors_study
from pocket.tasks import Task

WORDS = "a photo of a"
HAND = f"“{WORDS} {{}}”"
VECTORS = 10  # of lesson 00
PLAN = TrainConfig()
SHOTS, LENGTHS = (1, 2, 4, 8, 16), (1, 2, 4, 10, 16)
MOST_CHECKS = 4  # pictures of each class to validate on: as many as shots, and at most so many
TESTS = 20  # pictures of each class to test on
_GLOSSED = (
    "（图中英文：loss 损失，training 训练集，validation 验证集，test 测试集，accuracy 准确率，step 步，kept 留下的。）"
)


@dataclass(frozen=True)
class Setting:
    """What one press trains: a context, the pictures that it learns from, and in words what the learner chose ("" for nothing)."""

    prompted: PromptedCLIP
    data: FewShot
    chosen: str = ""


@dataclass(frozen=True)
class Stored:
    """A run that was made before, by a command: its numbers, and the context (M, D) that it kept."""

    run: figures.Run
    context: Tensor
    command: str


def first_vectors(
    clip: CLIPModel, processor: CLIPProcessor, class_names: Sequence[str], data: FewShot, *, plan: TrainConfig = PLAN
) -> ContextTraining:
    """A button that learns ten vectors from few examples, and draws how they do beside the hand-written prompt.

    data: image features of the examples. On the page stands a stored run, and its context is there before the first press.
    """
    study = first_vectors_study.load_study()
    columns = (study.history.column(name) for name in ("step", "loss", "validation_loss", "validation_score"))
    run = figures.Run(study.history.steps, *columns, study.hand, study.before, study.after)
    another = study.seed + 1  # the same start would give the same curve, and hide the stored one
    label = say(en="start no.", zh="随机起点")
    seed = ipywidgets.BoundedIntText(another, min=0, max=99, description=label, **look(12))

    def prepare(now: SimpleNamespace) -> Setting:
        generator = torch.Generator().manual_seed(now.seed)
        return Setting(PromptedCLIP(clip, processor, class_names, VECTORS, "random", generator=generator), data)

    return ContextTraining(
        prepare,
        plan,
        {"seed": seed},
        start=say(en="Train ten vectors", zh="训练十个向量"),
        stored=Stored(run, study.context, study.command),
    )


def few_shot_training(
    clip: CLIPModel, processor: CLIPProcessor, task: Task, *, plan: TrainConfig = PLAN
) -> ContextTraining:
    """Choose from how many pictures which context is learned, press the button, and see how far it comes, and how far others came.

    Pictures are drawn for the task and encoded; the test pictures are the same for every choice.
    """
    controls = {
        "shots": _slider(say(en="shots", zh="每类图片"), SHOTS, 8),
        "length": _slider(say(en="vectors", zh="向量个数"), LENGTHS, 4),
        "init": dropdown(
            say(en="begins as", zh="初始化"),
            {f"“{WORDS}”": "words", say(en="random numbers", zh="随机数"): "random"},
            "words",
            20,
        ),
        "position": dropdown(say(en="the name is", zh="类别名在"), name_positions(), "end", 20),
        "seed": ipywidgets.BoundedIntText(0, min=0, max=99, description=say(en="seed", zh="随机种子"), **look(12)),
    }

    def prepare(now: SimpleNamespace) -> Setting:
        pictures = few_shot(task, now.shots, min(now.shots, MOST_CHECKS), TESTS, now.seed)
        begin = repeat_words(WORDS, now.length) if now.init == "words" else "random"
        generator = torch.Generator().manual_seed(now.seed)
        prompted = PromptedCLIP(clip, processor, task.class_names, now.length, begin, now.position, generator=generator)
        return Setting(prompted, encode_split(clip, processor, pictures), _chosen(now, prompted, begin))

    return ContextTraining(prepare, plan, controls, start=say(en="Train", zh="训练"))


class ContextTraining(LongWork):
    """A button that trains a context, and a figure that follows it; `first_vectors` and `few_shot_training` return it.

    context: (M, D), the vectors learned last, even by a run that was interrupted; before the first press the stored run's (None where
    there is none that fits this model). runs: the numbers of every run so far.
    """

    context: Tensor | None

    def __init__(
        self,
        prepare: Callable[[SimpleNamespace], Setting],
        plan: TrainConfig,
        controls: Mapping[str, ipywidgets.Widget],
        *,
        start: str,
        stored: Stored | None = None,
    ) -> None:
        """prepare: makes of the controls' values what is to be trained; stored: a run to be shown until the button is pressed."""
        self._prepare, self._plan, self._stored = prepare, plan, stored
        self._preparing, self._when_stopped = 0.0, None
        self.runs: list[figures.Run] = []
        setting = prepare(values_of(controls))
        fits = stored and stored.context.shape[-1] == setting.prompted.context.shape[-1]
        self.context = stored.context if fits else None
        waiting = self._empty_picture(self._before(setting))
        super().__init__(
            self._learn,
            self._stored_picture(stored) if stored else waiting,
            waiting=waiting,
            start=start,
            controls=controls,
            steps=plan.steps,
        )

    def _before(self, setting: Setting) -> figures.Run:
        """A run without a step: what the hand-written prompt gets is known, and nothing else."""
        by_hand = encode_hand_prompt(setting.prompted)
        hand, before = (_accuracy(pictures, by_hand) for pictures in (setting.data.validation, setting.data.test))
        return figures.Run(self._plan.steps, [], [], [], [], hand, before)

    def _learn(self, now: SimpleNamespace) -> Iterator[tuple[float, Callable[[], Shown]]]:
        """One run. What is kept was chosen on the validation pictures; it meets the test pictures once, when all is learned."""
        begun, self._when_stopped = self._clock(), None
        self._tell(say(en="Getting the pictures ready…", zh="正在准备图片……"))
        setting, earlier = self._prepare(now), tuple(self.runs)
        prompted, run = setting.prompted, self._before(setting)
        model = checksum(prompted.clip)
        self._preparing = self._clock() - begun
        try:
            with one_thread(), closing(train_context(prompted, setting.data, self._plan)) as looks:
                for at in looks:
                    run = _grown(run, at)
                    if at.best:
                        self.context = prompted.context.detach().clone()
                    self._when_stopped = partial(self._stopped_picture, setting, run, earlier)
                    yield at.step / at.steps, partial(self._growing_picture, setting, run, earlier)
                run = replace(run, after=prompted.accuracy(*setting.data.test))
            unchanged = checksum(prompted.clip) == model
            self._when_stopped = partial(self._finished_picture, setting, run, earlier, unchanged)
            yield 1.0, self._when_stopped
        finally:
            if run.steps:
                self.runs.append(run)

    def _progress(self, share: float, spent: float) -> None:
        """The pace is that of the training alone: pictures that were drawn before it say nothing of what is left."""
        super()._progress(share, spent - self._preparing)

    def _stopped(self, share: float) -> None:
        super()._stopped(share)
        if self._when_stopped is not None:
            with figures.LOCK:
                self._show(self._when_stopped())

    def _stored_picture(self, stored: Stored) -> figures.Picture:
        whose = say(en="A stored run", zh="事先存好的一次训练")
        return figures.learning_curve(
            None,
            stored.run,
            prompts=_prompts(len(stored.context)),
            title=f"A stored run: {_outcome(stored.run, len(stored.context))}",
            alt=_in_words(stored.run, len(stored.context), whose),
            caption=say(
                en=f"A stored run, made by “{stored.command}”. The ring marks the step with the lowest validation loss: its vectors were kept.",
                zh=f"事先存好的一次训练，由 {stored.command} 得到。圆圈标出验证集损失最低的一步，留下的就是那一步的向量。{_GLOSSED}",
            ),
        )

    def _empty_picture(self, empty: figures.Run) -> figures.Picture:
        """Before the first press: what the hand-written prompt reaches, and room for what comes."""
        hand, before = percent(empty.hand, 0), percent(empty.before)
        return figures.learning_curve(
            empty,
            self._stored and self._stored.run,
            prompts=(HAND, "learned vectors"),
            title="Will learned vectors get above the dotted line?",
            alt=say(
                en=f"Two empty diagrams for loss and accuracy over {empty.length} steps. A dotted line marks what {HAND} reaches on validation "
                f"pictures, {hand}. Below, a bar: on test pictures it gets {before}. Learned vectors have a question mark.",
                zh=f"两张还空着的图：{empty.length} 步的损失和准确率。点线标出{HAND}在验证集上的准确率 {hand}。下方一条是它在测试集上的准确率 "
                f"{before}，学出来的向量那一行还是问号。",
            ),
            caption=say(
                en="Dotted: the hand-written prompt. Below, its accuracy on the test pictures, and a question mark.",
                zh="点线是手写提示词。下面是它在测试集上的准确率，还有一个问号。" + _GLOSSED,
            ),
        )

    def _growing_picture(self, setting: Setting, run: figures.Run, earlier: tuple[figures.Run, ...]) -> figures.Picture:
        """While it learns."""
        told = say(
            en="The ring marks the step with the lowest validation loss so far. ",
            zh="圆圈标出到目前为止验证集损失最低的一步。",
        )
        return self._picture(setting, run, earlier, "Learning: watch the blue curve and the dotted line", told)

    def _stopped_picture(self, setting: Setting, run: figures.Run, earlier: tuple[figures.Run, ...]) -> figures.Picture:
        """After an interrupt."""
        last, kept = run.steps[-1], run.steps[run.kept]
        told = say(
            en=f"Stopped at step {last} of {run.length}. Kept are the vectors of step {kept} (the ring), where the validation loss was lowest "
            "until then; the test pictures were not looked at. ",
            zh=f"共 {run.length} 步，在第 {last} 步停下。留下的是第 {kept} 步的向量（圆圈处）：停下之前，这一步在验证集上的损失最低；"
            "测试图片还没有看过。",
        )
        title = f"Stopped at step {last} of {run.length}: the vectors of step {kept} are kept"
        return self._picture(setting, run, earlier, title, told)

    def _finished_picture(
        self, setting: Setting, run: figures.Run, earlier: tuple[figures.Run, ...], unchanged: bool
    ) -> figures.Picture:
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
        kept = run.steps[run.kept]
        told = say(
            en=f"Only the {learned} learned; {model}. Kept is what stood there at step {kept} (the ring), where the validation loss was lowest; "
            "the test pictures had no say in that and were looked at once, at the end. Test and validation pictures are different ones, so "
            "the same prompt may do a little better on one than on the other. ",
            zh=f"学的只有这 {vectors} 个向量；{model}。留下的是第 {kept} 步的向量（圆圈处），那时验证集上的损失最低；"
            "测试图片没有参与挑选，只在最后看了一次。验证集和测试集是两批不同的图片，所以同一句提示词的准确率会略有不同。",
        )
        return self._picture(setting, run, earlier, f"Your run: {_outcome(run, vectors)}", told)

    def _picture(
        self, setting: Setting, run: figures.Run, earlier: tuple[figures.Run, ...], title: str, told: str
    ) -> figures.Picture:
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
        caption += say(en="", zh=_GLOSSED)
        return figures.learning_curve(
            run,
            self._stored and self._stored.run,
            earlier,
            prompts=_prompts(vectors),
            title=title,
            alt=_in_words(run, vectors, whose, chosen, [other.after for other in earlier if other.after is not None]),
            caption=caption,
        )


def _slider(label: str, options: Sequence[int], value: int) -> ipywidgets.SelectionSlider:
    return ipywidgets.SelectionSlider(
        options=options, value=value, description=label, continuous_update=False, **look(20)
    )


def _chosen(now: SimpleNamespace, prompted: PromptedCLIP, begin: str) -> str:
    """What the controls say, in words, and how many numbers that is to learn."""
    classes, (vectors, width) = len(prompted.class_names), prompted.context.shape
    numbers = f"{vectors} × {width} = {vectors * width:,}"
    place = now.position if vectors > 1 or now.position == "end" else "front"  # one vector has no middle
    return say(
        en=f"{counted(now.shots, 'shot')} of each of {classes} classes; {counted(vectors, 'vector')}, that is {numbers} numbers, begun "
        f"{'at random' if begin == 'random' else f'as “{begin}”'}; the class name "
        f"{dict(end='at the end', middle='in the middle', front='in front')[place]}; seed {now.seed}",
        zh=f"{classes} 类，每类 {now.shots} 张训练图片；{vectors} 个向量，共 {numbers} 个数，"
        f"{'用随机数' if begin == 'random' else f'用“{begin}”'}初始化；类别名在{dict(end='末尾', middle='中间', front='开头')[place]}；"
        f"随机种子 {now.seed}",
    )


def _accuracy(pictures: tuple[Tensor, Tensor], texts: Tensor) -> float:
    """The share of the pictures, unit features (N, D) with labels (N,), whose class is the nearest of the texts (C, D)."""
    features, labels = pictures
    return ((features @ texts.T).argmax(-1) == labels).float().mean().item()


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch computes in one thread: a pocket model gains little from two, and loses much where another program wants the cores.

    Measured on two of them: 2.9 s against 2.4 s when both are free, and 3 to 6 s against 40 to 110 s beside a busy one.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def checksum(model: torch.nn.Module) -> str:
    """Of all parameters, byte by byte."""
    digest = hashlib.blake2b()
    for parameter in model.parameters():
        digest.update(parameter.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _grown(run: figures.Run, at: Evaluation) -> figures.Run:
    """The run with one look more."""
    return replace(
        run,
        steps=[*run.steps, at.step],
        loss=[*run.loss, at.loss],
        validation_loss=[*run.validation_loss, at.validation_loss],
        validation_accuracy=[*run.validation_accuracy, at.validation_score],
    )


def _prompts(vectors: int) -> tuple[str, str]:
    return HAND, counted(vectors, "learned vector")


def _outcome(run: figures.Run, vectors: int) -> str:
    """Both accuracies on the test pictures, for a title."""
    return f"{run.after:.1%} with {counted(vectors, 'learned vector')}, {run.before:.1%} with {HAND}"


def _in_words(run: figures.Run, vectors: int, whose: str, chosen: str = "", earlier: Sequence[float] = ()) -> str:
    """What the figure shows, from its first step to its last. earlier: what earlier runs got on the test pictures."""
    loss, check = ((f"{numbers[0]:.1f}", f"{numbers[-1]:.1f}") for numbers in (run.loss, run.validation_loss))
    ends = run.validation_accuracy[0], run.validation_accuracy[-1]
    first, last, hand = (percent(share, 0) for share in (*ends, run.hand))
    before, after = percent(run.before), None if run.after is None else percent(run.after)
    others, kept = [percent(share) for share in earlier], run.steps[run.kept]
    far = say(en=f", {run.length} steps", zh=f"，共 {run.length} 步")
    if after is None:
        far = say(en=f", at step {run.steps[-1]} of {run.length}", zh=f"{far}，到第 {run.steps[-1]} 步为止")
    return say(
        en=f"{whose}{f' ({chosen})' if chosen else ''}{far}. Left: the loss goes from {loss[0]} to {loss[1]} on training pictures, from "
        f"{check[0]} to {check[1]} on validation pictures. Right: the accuracy on validation pictures goes from {first} to {last}; a dotted "
        f"line marks the {hand} of {HAND}. A ring marks step {kept}, where the validation loss is lowest. Below, two bars for the test "
        f"pictures: {HAND} gets {before}, {counted(vectors, 'learned vector')} "
        + (
            f"{'gets' if vectors == 1 else 'get'} {after}."
            if after
            else f"{'is' if vectors == 1 else 'are'} not tested yet."
        )
        + (f" Dots beneath, for your earlier runs: {', '.join(others)}." if others else ""),
        zh=f"{whose}{f'（{chosen}）' if chosen else ''}{far}。左图：损失在训练图片上从 {loss[0]} 到 {loss[1]}，在验证图片上从 {check[0]} 到 "
        f"{check[1]}。右图：验证集上的准确率从 {first} 到 {last}，点线标出手写提示词{HAND}的 {hand}。圆圈标出第 {kept} 步，那里验证集上的"
        f"损失最低。下方两条是测试集上的准确率：{HAND}是 {before}，{vectors} 个学出来的向量"
        + (f"是 {after}。" if after else "还没有测。")
        + (f"再下面的圆点是你之前的训练：{'、'.join(others)}。" if others else ""),
    )


def prompts_as_vectors(clip: CLIPModel, processor: CLIPProcessor, prompt: str, context: Tensor) -> figures.Picture:
    """A prompt as CLIP's text tower reads it, and under it the same with a context in the place of the words before the last; and, as
    the null, with random vectors there that are as long.

    context: (M, D), learned vectors; it takes the place of all words of the prompt but the last and the full stop.
    """
    table = clip.text_model.embeddings.token_embedding.weight.detach().cpu()  # (V, D)
    ids = processor.tokenizer(prompt)["input_ids"]
    words = [token.removesuffix("</w>") for token in processor.tokenizer.convert_ids_to_tokens(ids)]
    words[0], words[-1] = "start", "end"
    vectors, n = table[ids], len(context)
    name = len(ids) - 3  # before the full stop and the end
    (null,) = draw_random_like(context.cpu(), 1, torch.Generator().manual_seed(0))  # (M, D)

    def with_vectors(label: str, between: Tensor, learned: bool) -> tuple[list[str], np.ndarray, list[bool]]:
        labels = [words[0], *(label.format(number) for number in range(1, n + 1)), *words[name:]]
        return labels, torch.cat([vectors[:1], between, vectors[name:]]).numpy(), [False, *[learned] * n, *[False] * 3]

    rows = [
        (words, vectors.numpy(), [False] * len(ids)),
        with_vectors("{}", context.cpu(), learned=True),
        with_vectors("random", null, learned=False),
    ]
    alt = say(
        en=f"Three rows of striped strips, one strip a vector of {table.shape[1]} numbers. Above, the tokens of “{prompt}” between start "
        f"and end. In the middle, {n} framed strips, numbered, stand between start and “{words[name]}”; below, {n} random ones.",
        zh=f"三排条纹，每条是一个向量，{table.shape[1]} 个数。上排是“{prompt}”的各个词元，前后是开头和结尾；"
        f"中排的开头和“{words[name]}”之间，是 {n} 条带编号、带框的条纹；下排同样的地方，是 {n} 条随机的。",
    )
    stronger = (context.std() / vectors.std()).item()
    caption = say(
        en="Each strip is one vector; its stripes are the numbers in it, purple below zero and orange above. Framed: learned. Their "
        f"numbers are about {stronger:.0f} times as large as those of the words above: nothing keeps them where words are. The third row is "
        "what chance looks like: random vectors, each as long as the learned one above it. By eye nobody can tell the two rows apart; "
        "lesson 04 has better instruments.",
        zh="一条就是一个向量，条纹是里面的数：紫色小于零，橙色大于零。带框的是学出来的，"
        f"它们的数大约是上排词语的 {stronger:.0f} 倍：没有什么要求它们待在词语所在的地方。第三排是随机对照：随机向量（random），每个和它上面"
        "学出来的那个一样长。光用眼睛，谁也分不出哪一排是学出来的；第 04 课有更好的工具。",
    )
    title = "What the frozen text tower reads: words, learned vectors (framed), and random ones"
    return figures.rows_of_vectors(rows, title=title, alt=alt, caption=caption)
