"""Explorers that learn while one watches: ten vectors for a frozen CLIP.

On top of `LongWork` and `figures`. How to train is handed in; here are only the numbers that come of it, and how they are shown.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import ipywidgets
import torch
from torch import Tensor
from transformers import CLIPModel, CLIPProcessor

from helpers import figures
from helpers.lesson import say
from helpers.pocket.promptable import FewShot, Step, prompted_accuracy
from helpers.widgets.base import LongWork, Shown, look

STORED = Path(__file__).resolve().parents[2] / "data" / "runs" / "first-vectors.json"
HAND = "“a photo of a {}”"
VECTORS = 10
_GLOSSED = "（图中英文：loss 损失，training 训练集，validation 验证集，test 测试集，accuracy 准确率，step 步。）"


def first_vectors(
    clip: CLIPModel,
    processor: CLIPProcessor,
    class_names: Sequence[str],
    data: FewShot,
    learn: Callable[..., Iterator[Step]],
    steps: int = 160,
) -> FirstVectors:
    """A button that learns ten vectors from few examples, and draws how they do beside the hand-written prompt.

    data: image features of the examples; learn: called as `learn(clip, processor, class_names, data, seed=…, length=…, steps=…)`,
    it yields a `Step` at every look at the validation pictures, as `promptable.context_steps` does.
    """
    return FirstVectors(clip, processor, class_names, data, learn, steps)


class FirstVectors(LongWork):
    """`first_vectors` returns it.

    context: (M, D), the vectors learned last, even by a run that was interrupted; the stored run's before the first press (None if
    this model is of another width). runs: the numbers of every run so far.
    """

    context: Tensor | None

    def __init__(
        self,
        clip: CLIPModel,
        processor: CLIPProcessor,
        class_names: Sequence[str],
        data: FewShot,
        learn: Callable[..., Iterator[Step]],
        steps: int,
    ) -> None:
        self._clip, self._data = clip, data
        self._train = partial(learn, clip, processor, class_names, data, length=VECTORS, steps=steps)
        self._accuracy = partial(prompted_accuracy, clip, processor, class_names)
        stored = json.loads(STORED.read_text(encoding="utf-8"))
        self._stored, self._command = figures.Run(**stored["run"]), stored["command"]
        context = torch.tensor(stored["context"])  # (M, D)
        self.context = context if context.shape[1] == clip.config.text_config.hidden_size else None
        self.runs: list[figures.Run] = []
        self._hand, self._before = self._accuracy(data.validation), self._accuracy(data.test)
        another = stored["arguments"]["seed"] + 1  # the same start would give the same curve, and hide the stored one
        label = say(en="start no.", zh="随机起点")
        seed = ipywidgets.BoundedIntText(another, min=0, max=99, description=label, **look(12))
        super().__init__(
            self._learn,
            self._stored_picture(),
            waiting=self._empty_picture(steps),
            start=say(en="Train ten vectors", zh="训练十个向量"),
            controls={"seed": seed},
            steps=steps,
        )

    def _learn(self, now: SimpleNamespace) -> Iterator[tuple[float, Callable[[], Shown]]]:
        """One run. What is kept was chosen on the validation pictures; it meets the test pictures once, when all is learned."""
        model, earlier, taken, run = checksum(self._clip), tuple(self.runs), [], None
        try:
            with one_thread():
                for step in self._train(seed=now.seed):
                    taken.append(step)
                    self.context = step.context
                    run = _run(taken, self._hand, self._before)
                    yield step.step / step.steps, partial(self._picture, run, earlier)
                run = replace(run, after=self._accuracy(self._data.test, self.context))
            yield 1.0, partial(self._picture, run, earlier, checksum(self._clip) == model)
        finally:
            if run is not None:
                self.runs.append(run)

    def _stored_picture(self) -> figures.Picture:
        caption = say(
            en=f"A stored run, made by “{self._command}”.",
            zh=f"事先存好的一次训练，由 {self._command} 得到。{_GLOSSED}",
        )
        return figures.learning_curve(
            None,
            self._stored,
            prompts=_prompts(),
            title=f"A stored run: {_outcome(self._stored)}",
            alt=_in_words(self._stored, say(en="A stored run", zh="事先存好的一次训练")),
            caption=caption,
        )

    def _empty_picture(self, length: int) -> figures.Picture:
        """Before the first press: what the hand-written prompt reaches, and room for what comes."""
        empty = figures.Run(length, [], [], [], [], self._hand, self._before)
        return figures.learning_curve(
            empty,
            self._stored,
            prompts=_prompts(),
            title="Will ten vectors get above the dotted line?",
            alt=say(
                en=f"Two empty diagrams for loss and accuracy over {length} steps. A dotted line marks what {HAND} reaches.",
                zh=f"两张还空着的图：{length} 步的损失和准确率。点线标出{HAND}的水平。",
            ),
            caption=say(
                en="Dotted: the hand-written prompt. Below, its accuracy on the test pictures, and a question mark.",
                zh="点线是手写提示词。下面是它在测试集上的准确率，还有一个问号。" + _GLOSSED,
            ),
        )

    def _picture(
        self, run: figures.Run, earlier: tuple[figures.Run, ...], unchanged: bool | None = None
    ) -> figures.Picture:
        """The learner's run so far; unchanged: at its end, whether the model is what it was before."""
        if unchanged is None:
            title, caption = "Learning: watch the blue curve and the dotted line", ""
        else:
            title, caption = f"Your run: {_outcome(run)}", self._what_was_learned(run, unchanged)
        caption += say(en="Blue: your run. Grey: the stored run.", zh="蓝色是你的训练，灰色是事先存好的那次。")
        if earlier:
            caption += say(en=" Faint blue: your earlier runs.", zh="浅蓝色是你之前的训练。")
        return figures.learning_curve(
            run,
            self._stored,
            earlier,
            prompts=_prompts(),
            title=title,
            alt=_in_words(run, say(en="Your run", zh="你的训练")),
            caption=caption,
        )

    def _what_was_learned(self, run: figures.Run, unchanged: bool) -> str:
        vectors, parameters = len(self.context), sum(p.numel() for p in self._clip.parameters())
        best = run.steps[min(range(len(run.steps)), key=run.validation_loss.__getitem__)]
        model = (
            say(
                en=f"the model's {parameters:,} parameters are what they were (checksums before and after agree)",
                zh=f"模型的 {parameters:,} 个参数一个也没变（训练前后的校验值相同）",
            )
            if unchanged
            else say(en="and the model has changed, which it never should", zh="模型的参数变了，这不应该发生")
        )
        return say(
            en=f"Only the {vectors} vectors were learned; {model}. Kept are those of step {best}, where the validation loss was lowest; "
            "the test pictures had no say in that. Test and validation pictures are different ones, so the same prompt may do a "
            "little better on one than on the other. ",
            zh=f"学的只有这 {vectors} 个向量；{model}。留下的是第 {best} 步的向量，那时验证集上的损失最低；测试图片没有参与挑选。"
            "验证集和测试集是两批不同的图片，所以同一句提示词的准确率会略有不同。",
        )


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


def _run(taken: Sequence[Step], hand: float, before: float) -> figures.Run:
    return figures.Run(
        length=taken[0].steps,
        steps=[step.step for step in taken],
        loss=[step.loss for step in taken],
        validation_loss=[step.validation_loss for step in taken],
        validation_accuracy=[step.validation_accuracy for step in taken],
        hand=hand,
        before=before,
    )


def _prompts() -> tuple[str, str]:
    return HAND, f"{VECTORS} learned vectors + “{{}}”"


def _outcome(run: figures.Run) -> str:
    """Both accuracies on the test pictures, for a title."""
    return f"{run.after:.1%} with {VECTORS} learned vectors, {run.before:.1%} with {HAND}"


def _in_words(run: figures.Run, whose: str) -> str:
    """What the figure shows, from its first step to its last."""
    loss, check = ((f"{numbers[0]:.1f}", f"{numbers[-1]:.1f}") for numbers in (run.loss, run.validation_loss))
    ends = run.validation_accuracy[0], run.validation_accuracy[-1]
    first, last, hand = (f"{share:.0%}".replace("%", say(en=" %", zh="%")) for share in (*ends, run.hand))
    before, after = (share and f"{share:.1%}".replace("%", say(en=" %", zh="%")) for share in (run.before, run.after))
    far = say(en=f", {run.length} steps", zh=f"，共 {run.length} 步")
    if after is None:
        far = say(en=f", at step {run.steps[-1]} of {run.length}", zh=f"{far}，到第 {run.steps[-1]} 步为止")
    return say(
        en=f"{whose}{far}. Left: the loss goes from {loss[0]} to {loss[1]} on training pictures, from {check[0]} to {check[1]} on "
        f"validation pictures. Right: the accuracy on validation pictures goes from {first} to {last}; a dotted line marks the "
        f"{hand} of {HAND}. Below, two bars for the test pictures: {HAND} gets {before}, {VECTORS} learned vectors "
        + (f"get {after}." if after else "are not tested yet."),
        zh=f"{whose}{far}。左图：损失在训练图片上从 {loss[0]} 到 {loss[1]}，在验证图片上从 {check[0]} 到 {check[1]}。"
        f"右图：验证集上的准确率从 {first} 到 {last}，点线标出手写提示词{HAND}的 {hand}。"
        f"下方两条是测试集上的准确率：{HAND}是 {before}，{VECTORS} 个学出来的向量"
        + (f"是 {after}。" if after else "还没有测。"),
    )


def prompts_as_vectors(clip: CLIPModel, processor: CLIPProcessor, prompt: str, context: Tensor) -> figures.Picture:
    """A prompt as CLIP's text tower reads it, and under it the same with a context in the place of the words before the last.

    context: (M, D), learned vectors; it takes the place of all words of the prompt but the last and the full stop.
    """
    table = clip.text_model.embeddings.token_embedding.weight.detach().cpu()  # (V, D)
    ids = processor.tokenizer(prompt)["input_ids"]
    words = [token.removesuffix("</w>") for token in processor.tokenizer.convert_ids_to_tokens(ids)]
    words[0], words[-1] = "start", "end"
    vectors, n = table[ids], len(context)
    name = len(ids) - 3  # before the full stop and the end
    numbers = [str(number) for number in range(1, n + 1)]
    rows = [
        (words, vectors.numpy(), [False] * len(ids)),
        (
            [words[0], *numbers, *words[name:]],
            torch.cat([vectors[:1], context.cpu(), vectors[name:]]).numpy(),
            [False, *[True] * n, False, False, False],
        ),
    ]
    alt = say(
        en=f"Two rows of striped strips, one strip a vector of {table.shape[1]} numbers. Above, the tokens of “{prompt}” between start "
        f"and end. Below, {n} framed strips, numbered, stand between start and “{words[name]}”.",
        zh=f"两排条纹，每条是一个向量，{table.shape[1]} 个数。上排是“{prompt}”的各个词元，前后是开头和结尾；"
        f"下排的开头和“{words[name]}”之间，是 {n} 条带编号、带框的条纹。",
    )
    stronger = (context.std() / vectors.std()).item()
    caption = say(
        en="Each strip is one vector; its stripes are the numbers in it, purple below zero and orange above. Framed: learned. Their "
        f"numbers are about {stronger:.0f} times as large as those of the words above: nothing keeps them where words are.",
        zh="一条就是一个向量，条纹是里面的数：紫色小于零，橙色大于零。带框的是学出来的，"
        f"它们的数大约是上排词语的 {stronger:.0f} 倍：没有什么要求它们待在词语所在的地方。",
    )
    title = "What the frozen text tower reads: framed strips were learned, the others belong to words"
    return figures.rows_of_vectors(rows, title=title, alt=alt, caption=caption)
