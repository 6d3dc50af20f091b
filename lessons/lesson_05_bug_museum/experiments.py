"""Experiments to run on anybody's prompt-tuning code: each takes the code as a function, measures one thing, and says what it means.

They know nothing of how the code is written, so they run on a learner's own as well.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import CLIPModel, CLIPProcessor

from helpers.by_hand import decode_greedily
from helpers.captioner import IGNORED, VLMWithSoftPrompt
from helpers.context import find_placeholder, overwrite
from helpers.data import FewShot
from helpers.language import LearnerError, say

Encode = Callable[[CLIPModel, CLIPProcessor, list[str], Tensor], Tensor]  # class names and a context (M, D) to (C, D)
Begin = Callable[[CLIPModel, CLIPProcessor, str], Tensor]  # words to vectors (M, D)
Loss = Callable[[VLMWithSoftPrompt, Tensor, Tensor, Tensor], Tensor]  # model, features, ids (B, T), lengths (B,)
Captions = tuple[Tensor, Tensor, Tensor]  # features (B, P, Dv), ids (B, T), lengths (B,)
EXACT = 1e-4  # relative: by-hand and library towers differ by rounding, a hundred times less than this
SHORT, LONG = "cat", "grandfather clock in the rain at night"  # class names, one of them much longer


@dataclass(frozen=True)
class Result:
    """What an experiment found. number: the one thing it measured; sentence: what that means, in the learner's language."""

    passed: bool
    number: float
    sentence: str

    def __repr__(self) -> str:
        return f"{'✓' if self.passed else '✗'} {self.sentence}"

    def _repr_html_(self) -> str:
        colour = "#0072B2" if self.passed else "#B64A00"
        style = f"border-left: 4px solid {colour}; padding: 0.4em 1em; margin: 4px 0; line-height: 1.5"
        return f'<div style="{style}">{html.escape(repr(self))}</div>'


# --- what is given to the code ----------------------------------------------------------------------------------------------------


def tokenize_padded(processor: CLIPProcessor, texts: list[str]) -> Tensor:
    """Turn texts into ids (C, T), padded to the longest."""
    return processor.tokenizer(texts, padding=True, return_tensors="pt")["input_ids"]


def tokenize_with_slots(processor: CLIPProcessor, names: list[str], vectors: int) -> tuple[Tensor, Tensor]:
    """Turn class names into ids (C, T) of "x x x x cat.", and say where their slots are, (C, T) booleans."""
    word, placeholder = find_placeholder(processor.tokenizer, names)
    ids = tokenize_padded(processor, [f"{' '.join([word] * vectors)} {name}." for name in names])
    return ids, ids == placeholder


def begin_by_tokens(clip, processor, words):
    length = len(processor.tokenizer.tokenize(words))  # M
    ids = tokenize_padded(processor, [words])[0]  # SOS, the words, EOT
    return clip.text_model.embeddings.token_embedding(ids[1 : 1 + length])  # (M, D)


def find_padding(ids: Tensor, lengths: Tensor) -> Tensor:
    """Find where the padding is: (B, T) booleans."""
    return torch.arange(ids.shape[1], device=ids.device) >= lengths[:, None]


@torch.no_grad()
def write_token_by_token(
    next_token: Callable[..., Tensor], model: VLMWithSoftPrompt, features: Tensor, top_p: float = 0.9,
    temperature: float = 1.0, seed: int = 0, longest: int = 30,
) -> str:  # fmt: skip
    """Write a caption of one picture, features (1, P, Dv), each token chosen by `next_token`."""
    generator, end = torch.Generator().manual_seed(seed), model.tokenizer.eos_token_id
    table, vectors, ids = model.language_model.get_input_embeddings(), model.prefix(features), []
    while len(ids) < longest:
        logits = model.language_model(inputs_embeds=vectors).logits[0, -1]  # (V,)
        id = next_token(logits, top_p, temperature, generator)
        if id == end:
            break
        ids.append(int(id))
        vectors = torch.cat([vectors, table(id)[None, None]], dim=1)  # (1, N + 1, D)
    return model.tokenizer.decode(ids).strip()


# --- texts -------------------------------------------------------------------------------------------------------------------------


@torch.no_grad()
def check_identity(
    encode: Encode,
    clip: CLIPModel,
    processor: CLIPProcessor,
    words: str = "a photo of a",
    begin: Begin = begin_by_tokens,
) -> Result:
    """The identity test: a context that is the vectors of words must give what the library makes of the words themselves."""
    names = ["cat", "giraffe", "umbrella"]
    ids = tokenize_padded(processor, [f"{words} {name}." for name in names])  # (C, T)
    theirs = clip.text_projection(clip.text_model(input_ids=ids).pooler_output)
    ours = encode(clip, processor, names, begin(clip, processor, words))
    apart = _measure_largest_difference(ours, theirs)
    sentence = say(
        en=f"the vectors of “{words}” as context, beside the words themselves: {_describe_difference(apart)}",
        zh=f"拿“{words}”的向量当上下文，和直接写这几个词相比：{_describe_difference(apart)}",
    )
    return Result(apart < EXACT, apart, sentence)


@torch.no_grad()
def check_another_name(encode: Encode, clip: CLIPModel, processor: CLIPProcessor, vectors: int = 4) -> Result:
    """Two class names must not get the same features."""
    cat, dog = encode(clip, processor, ["cat", "dog"], make_random_context(clip, vectors))
    apart = _measure_largest_difference(cat, dog)
    sentence = say(
        en="“cat” and “dog” have features of their own" if apart > EXACT else "“cat” and “dog” have the same features",
        zh="“cat”和“dog”的特征各不相同" if apart > EXACT else "“cat”和“dog”的特征一模一样",
    )
    return Result(apart > EXACT, apart, sentence)


def check_every_vector_learns(encode: Encode, clip: CLIPModel, processor: CLIPProcessor, vectors: int = 4) -> Result:
    """Each vector of the context must receive a gradient that is not zero."""
    context = make_random_context(clip, vectors).requires_grad_()
    features = encode(clip, processor, ["cat", "dog", "umbrella"], context)  # (C, D)
    direction = torch.randn(features.shape, generator=torch.Generator().manual_seed(1)).to(features)
    if features.requires_grad:
        (gradient,) = torch.autograd.grad((features * direction).sum(), context, allow_unused=True)
    else:
        gradient = None
    norms = torch.zeros(vectors) if gradient is None else gradient.norm(dim=-1)  # (M,)
    reached = int((norms > 1e-6 * norms.max()).sum())
    sentence = say(
        en=f"{reached} of {vectors} vectors receive a gradient",
        zh=f"{vectors} 个向量里，有 {reached} 个收到梯度",
    )
    return Result(reached == vectors, reached, sentence)


@torch.no_grad()
def check_in_company(encode: Encode, clip: CLIPModel, processor: CLIPProcessor, vectors: int = 4) -> Result:
    """A name must have the same features whether or not a longer name stands in the same batch, which adds padding behind it."""
    context = make_random_context(clip, vectors)
    alone = encode(clip, processor, [SHORT], context)
    company = encode(clip, processor, [SHORT, LONG], context)[:1]
    apart = _measure_largest_difference(company, alone)
    sentence = say(
        en=f"“{SHORT}” beside a longer name, and alone: {_describe_difference(apart)}",
        zh=f"“{SHORT}”和更长的类别名放在一批，与单独送进去相比：{_describe_difference(apart)}",
    )
    return Result(apart < EXACT, apart, sentence)


def make_random_context(clip: CLIPModel, vectors: int) -> Tensor:
    """Make random vectors (M, D), as large as those of words, and the same at every call."""
    table = clip.text_model.embeddings.token_embedding.weight
    shape = vectors, table.shape[1]
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(table) * table.std()


@torch.no_grad()
def count_positions(encode: Encode, clip: CLIPModel, processor: CLIPProcessor, vectors: int = 4) -> float:
    """Count how many times the vectors of the positions are contained in what enters the tower, beside the rows and the context."""
    context, entered = make_random_context(clip, vectors), []
    first = clip.text_model.encoder.layers[0].layer_norm1
    hook = first.register_forward_pre_hook(lambda module, given: entered.append(given[0]))
    try:
        encode(clip, processor, ["cat"], context)
    finally:
        hook.remove()
    ids, slots = tokenize_with_slots(processor, ["cat"], vectors)
    rows = overwrite(clip.text_model.embeddings.token_embedding(ids), slots, context)  # (1, T, D)
    places = clip.text_model.embeddings.position_embedding.weight[: ids.shape[1]]  # (T, D)
    return float(((entered[0] - rows) * places).sum() / places.square().sum())


# --- captions ----------------------------------------------------------------------------------------------------------------------


def check_library_loss(loss: Loss, model: VLMWithSoftPrompt, captions: Captions) -> Result:
    """The loss must be the one that the library computes of the same vectors when it is given `labels`."""
    features, ids, lengths = captions
    labels = ids.masked_fill(find_padding(ids, lengths), IGNORED)
    with torch.no_grad():
        theirs = compute_library_loss(model.language_model, model.prefix(features), ids, labels).item()
    (ours,) = _compute_losses(loss, model, captions)
    sentence = say(
        en=f"the loss is {ours:.2f}, and the library's {theirs:.2f}",
        zh=f"损失是 {ours:.2f}，库算出来的是 {theirs:.2f}",
    )
    return Result(_is_equal(ours, theirs), ours - theirs, sentence)


def compute_library_loss(language_model: nn.Module, before: Tensor, ids: Tensor, labels: Tensor) -> Tensor:
    """Compute the library's own loss of texts that stand behind vectors.

    Args:
        language_model: of the library.
        before: the vectors, (B, N, D), which are not scored.
        ids: the texts, (B, T).
        labels: what is scored of them, (B, T), `IGNORED` elsewhere; the library shifts them by itself.
    """
    words = language_model.get_input_embeddings()(ids)  # (B, T, D)
    vectors = torch.cat([before, words], dim=1)  # (B, N + T, D)
    unscored = ids.new_full(before.shape[:2], IGNORED)  # (B, N)
    return language_model(inputs_embeds=vectors, labels=torch.cat([unscored, labels], dim=1)).loss


def _compute_losses(loss: Loss, model: VLMWithSoftPrompt, *batches: Captions) -> list[float]:
    """Compute the loss of batches one after the other, with the same luck at every call; the model stays as it was."""
    with torch.no_grad(), preserve(model), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return [float(loss(model, *batch)) for batch in batches]


def _is_equal(ours: float, theirs: float) -> bool:
    """Whether two losses are the same, but for rounding."""
    return abs(ours - theirs) < EXACT * max(abs(theirs), 1)


def check_twice_the_same(loss: Loss, model: VLMWithSoftPrompt, captions: Captions) -> Result:
    """The same batch must have the same loss twice: a frozen model has nothing random in it."""
    first, second = _compute_losses(loss, model, captions, captions)
    passed = _is_equal(second, first)
    sentence = say(
        en="the same batch has the same loss twice" if passed else "the same batch has another loss each time",
        zh="同一批算两次，损失相同" if passed else "同一批每算一次，损失都不同",
    )
    return Result(passed, second - first, sentence)


def check_more_padding(loss: Loss, model: VLMWithSoftPrompt, captions: Captions, more: int = 8) -> Result:
    """Padding added behind all captions must not change the loss."""
    features, ids, lengths = captions
    longer = torch.cat([ids, ids.new_full((len(ids), more), model.tokenizer.eos_token_id)], dim=1)
    before, after = _compute_losses(loss, model, captions, (features, longer, lengths))
    passed = _is_equal(after, before)
    sentence = say(
        en=f"with {more} more places of padding the loss is {'the same' if passed else 'another'}",
        zh=f"多填充 {more} 个位置，损失{'不变' if passed else '变了'}",
    )
    return Result(passed, after - before, sentence)


@dataclass(frozen=True)
class XRay:
    """What a loss scores, read from the gradient of its logits: of each caption the positions, and the id that each is scored against.

    positions count from the first token of the text: -1 is the last place before it. Where a loss scores several ids at one position,
    the one that is pulled up most. ids: (B, T), lengths: (B,), as the loss got them.
    """

    targets: list[dict[int, int]]
    ids: Tensor
    lengths: Tensor

    @property
    def shift(self) -> int | None:
        """By how many places the targets lie behind what is scored, where they are tokens that stand in the text; None where mixed."""
        found = {
            shift
            for shift in (-1, 0, 1, 2)
            if all(
                0 <= place + shift < self.ids.shape[1] and int(row[place + shift]) == target
                for row, mine in zip(self.ids, self.targets)
                for place, target in mine.items()
            )
        }
        return min(found) if found else None

    @property
    def scores_padding(self) -> bool:
        """Whether a position is scored against something behind a text's end."""
        shift = self.shift if self.shift is not None else 1
        return any(place + shift >= int(length) for mine, length in zip(self.targets, self.lengths) for place in mine)

    @property
    def scores_end(self) -> bool:
        """Whether each text's end is a target, at the end of the text."""
        ends = [int(row[int(length) - 1]) for row, length in zip(self.ids, self.lengths)]
        return all(
            mine.get(int(length) - 2) == end or mine.get(int(length) - 1) == end
            for mine, length, end in zip(self.targets, self.lengths, ends)
        )

    @property
    def verdict(self) -> str:
        """The first thing that is wrong: "itself", "prefix", "padding", "no end", or "right"."""
        if self.shift != 1:
            return "itself" if self.shift == 0 else "mixed"
        if any(place < -1 for mine in self.targets for place in mine):
            return "prefix"
        return "padding" if self.scores_padding else "right" if self.scores_end else "no end"


def take_x_ray(loss: Loss, model: VLMWithSoftPrompt, captions: Captions) -> XRay:
    """Find which position is scored against which token: the gradient pulls up the logit of the target, and pushes all others down.

    Works on any loss that asks the model for its logits. Raises LearnerError for one that does not.
    """
    kept: list[Tensor] = []

    def keep(module: nn.Module, given: Any, logits: Tensor) -> None:
        if logits.dim() == 3 and logits.requires_grad:
            logits.retain_grad()
            kept.append(logits)

    features, ids, lengths = captions
    with preserve(model), torch.enable_grad():
        hook = model.register_forward_hook(keep)
        try:
            loss(model, *captions).backward()
        finally:
            hook.remove()
    if not kept or kept[0].grad is None:
        raise LearnerError(
            en="The loss does not rest on the model's logits: let it call model(features, ids) and use what comes out.",
            zh="这个损失不是由模型的 logits 算出来的：请让它调用 model(features, ids)，再用返回的结果。",
        )
    gradient = kept[0].grad  # (B, M + P + T, V)
    before = gradient.shape[1] - ids.shape[1]
    largest = gradient.abs().max()
    targets = [
        {
            place - before: int(row[place].argmin())
            for place in range(len(row))
            if row[place].abs().max() > 1e-7 * largest
        }
        for row in gradient
    ]
    return XRay(targets, ids, lengths)


def check_next_is_target(loss: Loss, model: VLMWithSoftPrompt, captions: Captions) -> Result:
    """Each position must be scored against the token that follows it, and none against itself."""
    shift = take_x_ray(loss, model, captions).shift
    return Result(
        shift == 1,
        float("nan") if shift is None else shift,
        {
            1: say(en="each position is scored against the next token", zh="每个位置对照的都是下一个词元"),
            0: say(en="each token is scored against itself", zh="每个词元对照的是它自己"),
        }.get(shift, say(en="positions are scored against tokens elsewhere", zh="有些位置对照的是别处的词元")),
    )


def check_end_is_target(loss: Loss, model: VLMWithSoftPrompt, captions: Captions) -> Result:
    """The end of each text must be a target, or a caption never learns to stop."""
    scored = take_x_ray(loss, model, captions).scores_end
    sentence = say(
        en=f"the end of text is {'a' if scored else 'never a'} target",
        zh=f"文本结束符{'在目标里' if scored else '从来不是目标'}",
    )
    return Result(scored, float(scored), sentence)


def find_learners(model: nn.Module) -> list[str]:
    """Find the names of all parameters that hold a gradient, whatever `parameters()` says."""
    return [name for name, parameter in model.named_parameters() if parameter.grad is not None]


def check_only_prompt_learns(
    model: nn.Module, loss: Callable[[], Tensor], learns: Sequence[str] = ("prompt",)
) -> Result:
    """After one backward pass only parameters whose names hold one of these words may have a gradient."""
    with preserve(model):
        loss().backward()
        found = find_learners(model)
    others = [name for name in found if not any(word in name for word in learns)]
    passed = bool(found) and not others
    sentence = say(
        en=f"{len(found)} tensors hold a gradient, {len(others)} of which should be frozen",
        zh=f"{len(found)} 个张量收到了梯度，其中 {len(others)} 个本该是冻结的",
    )
    return Result(passed, len(others), sentence)


@contextmanager
def preserve(model: nn.Module) -> Iterator[None]:
    """Preserve a model's gradients and modes of training: within, no gradient is there yet; afterwards all are as they were before."""
    modes = {name: module.training for name, module in model.named_modules()}
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    for _, parameter in model.named_parameters():
        parameter.grad = None
    try:
        yield
    finally:
        for name, module in model.named_modules():
            module.training = modes[name]
        for name, parameter in model.named_parameters():
            parameter.grad = gradients[name]


# --- reading, choosing, writing ----------------------------------------------------------------------------------------------------


def check_reading(
    read: Callable[..., list[list[str]]],
    clip: CLIPModel,
    processor: CLIPProcessor,
    words: str = "a photo of a red cat",
) -> Result:
    """Vectors whose words are known, rows of the model's own table, must be read as those words."""
    known = processor.tokenizer.tokenize(words)
    found = [nearest[0] for nearest in read(begin_by_tokens(clip, processor, words), clip, processor)]
    right = sum(one == other for one, other in zip(found, known))
    sentence = say(
        en=f"{right} of {len(known)} known rows read back as themselves",
        zh=f"{len(known)} 个已知的行，有 {right} 个读回来还是自己",
    )
    return Result(right == len(known), right, sentence)


def check_chance(report: Callable[[FewShot], float], data: FewShot, runs: int = 100) -> Result:
    """Learned from permuted labels, the accuracy that is reported must be chance, on average over several permutations.

    Only for learners that know the classes by their pictures alone: a class name brings knowledge that no permutation takes away.
    """
    classes = int(data.test[1].max()) + 1
    told = [report(data.permute_labels(seed)) for seed in range(runs)]
    error = stdev(told) / runs**0.5
    passed = abs(mean(told) - 1 / classes) < 4 * error
    sentence = say(
        en=f"nothing to learn, and {mean(told):.1%} reported on average; chance is {1 / classes:.1%}",
        zh=f"根本没有东西可学，平均报告了 {mean(told):.1%}；瞎猜是 {1 / classes:.1%}",
    )
    return Result(passed, mean(told), sentence)


def compute_expected_best(looks: int, pictures: int, accuracy: float) -> float:
    """Compute the best of so many looks at a test set, on average, where each is by a model of the same true accuracy and only luck differs.

    Exact for looks that are independent of each other; those of one training are alike, and their best lies lower.
    """
    k = np.arange(pictures + 1)
    ways = np.array([math.lgamma(pictures + 1) - math.lgamma(i + 1) - math.lgamma(pictures - i + 1) for i in k])
    probabilities = np.exp(ways + k * math.log(accuracy) + (pictures - k) * math.log1p(-accuracy))  # binomial
    at_most = np.minimum(probabilities.cumsum(), 1)
    return float((1 - at_most[:-1] ** looks).sum() / pictures)


def check_options(
    next_token: Callable[..., Tensor], model: VLMWithSoftPrompt, features: Tensor, tries: int = 8
) -> Result:
    """Asked again and again with other seeds, and with little and much freedom, a writer must write different texts."""
    freedom = ((0.5, 0.7), (0.98, 1.5))  # top_p, temperature
    texts = {
        write_token_by_token(next_token, model, features, *much, seed=seed) for much in freedom for seed in range(tries)
    }
    likeliest = model.tokenizer.decode(
        decode_greedily(model.language_model, model.prefix(features), model.tokenizer.eos_token_id, 30)
    ).strip()
    passed = len(texts) > 1
    sentence = say(
        en=f"{2 * tries} captions with two settings and {tries} seeds, and "
        + ("they differ" if passed else "all are the same")
        + (", the greedy one" if texts == {likeliest} else ""),
        zh=f"两组设置、{tries} 个种子，共 {2 * tries} 句，"
        + ("写出了不止一种" if passed else "一模一样")
        + ("，就是贪心得到的那一句" if texts == {likeliest} else ""),
    )
    return Result(passed, len(texts), sentence)


def _measure_largest_difference(ours: Tensor, theirs: Tensor) -> float:
    """Measure the largest difference, relative to the largest number of theirs."""
    return float((ours - theirs).abs().max() / theirs.abs().max())


def _describe_difference(apart: float) -> str:
    """Describe a relative difference to people."""
    if apart < EXACT:
        return say(en="the same, to rounding", zh="一样，只差舍入误差")
    share = f"{100 * apart:.0f}" if apart > 0.01 else f"{100 * apart:.2g}"
    return say(
        en=f"different; the largest difference is {share} % of the largest number",
        zh=f"不同；最大的差，是最大数值的 {share}%",
    )
