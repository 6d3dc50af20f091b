"""Lesson 03: the sequence, what learns, mask, labels, the shift, greedy text, three learning curves, and what each part contributes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import GPT2Config, GPT2LMHeadModel

from helpers.captioner import IGNORED, VLMWithSoftPrompt
from lessons.kit.exercise import Mistake, Questions, Text, close, expect_number, expect_tensor

questions = Questions(__file__)

END = 9  # of text, in the little examples here; GPT-2 pads with it too


@contextmanager
def _take_for(mistakes: Mapping[str, Mistake]) -> Iterator[None]:
    """Where torch stops with these words, say which mistake it is that leads there."""
    try:
        yield
    except RuntimeError as error:
        for words, mistake in mistakes.items():
            if words in str(error):
                raise mistake from error
        raise


# --- the sequence ------------------------------------------------------------------------------------------------


@questions.exercise
def sequence(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    random = torch.Generator().manual_seed(0)
    prompt = torch.randn(2, 6, generator=random).requires_grad_()
    pictures = torch.randn(3, 4, 6, generator=random).requires_grad_()
    words = torch.randn(3, 5, 6, generator=random)
    each = prompt.expand(3, -1, -1)
    no_batch = Mistake(
        en="`prompt` is (M, D), the other two have a dimension B as well: every row of the batch needs the prompt.",
        zh="prompt 的形状是 (M, D)，另外两个还多一维 B：批里的每一行都要有一份提示词。",
    )
    added = Mistake(
        en="Something is added up here. Nothing is to be added: the three parts stand one behind the other.",
        zh="你把几部分加起来了。不用加：三个部分一个接一个地排着。",
    )
    with _take_for({"same number of dimensions": no_batch, "must match the size of tensor b": added}):
        ours = answer(prompt, pictures, words)
    if tuple(getattr(ours, "shape", ())) == (3, 9, 6):
        if close(ours[:, :4], pictures):
            raise Mistake(
                en="The prompt is nowhere: P + T positions came out.", zh="没有提示词：出来的是 P + T 个位置。"
            )
        raise Mistake(
            en="You added the prompt to what stands there. It gets M positions of its own.",
            zh="你把提示词加到了已有的向量上。它要自己占 M 个位置。",
        )
    expect_tensor(ours, (3, 11, 6), "put_before(prompt, pictures, words)")
    if close(ours, torch.cat([each, pictures, words], dim=1)):
        learners = (prompt, pictures)
        reached = torch.autograd.grad(ours.sum(), learners, allow_unused=True) if ours.requires_grad else (None, None)
        for gradient, name in zip(reached, ("prompt", "pictures")):
            if gradient is None:
                raise Mistake(
                    en=f"The numbers are right, but no gradient could flow back to `{name}`: did .detach(), .data or no_grad cut it off?",
                    zh=f"数都对，但梯度传不回 {name}：是不是 .detach()、.data 或 no_grad 把它切断了？",
                )
        return
    if close(ours, torch.cat([pictures, each, words], dim=1)):
        raise Mistake(
            en="The picture stands before the prompt: there it could not look back at it. The prompt comes first.",
            zh="图片排到了提示词前面，这样图片就看不到它了。提示词要排在最前面。",
        )
    if any(close(ours[:, place : place + 5], words) for place in (0, 2, 4)):
        raise Mistake(
            en="The words come too early. GPT-2 looks only back, and every word should see the prompt and the whole picture.",
            zh="文字来得太早了。GPT-2 只往回看，而每个词都该看得到提示词和整张图片。",
        )
    if close(ours[0, :2], prompt) and close(ours[:, 2:], torch.cat([pictures, words], dim=1)):
        raise Mistake(
            en="Only the first row of the batch has the prompt. All of them need it, the same one.",
            zh="只有批里的第一行有提示词。每一行都要有，而且是同一个。",
        )
    raise Mistake(
        en="In each row: the M vectors of the prompt, then the row's P picture vectors, then its T words, all as they are.",
        zh="每一行里：先是提示词的 M 个向量，再是这一行的 P 个图片向量，最后是它的 T 个词，都保持原样。",
    )


# --- what learns -------------------------------------------------------------------------------------------------


@questions.exercise
def trainable(answer: Any, model: VLMWithSoftPrompt) -> None:
    expect_number(answer)
    length, width = model.soft_prompt.prompt_embeddings.shape
    seen = model.vision_projection.in_features
    config = model.vision_model.config
    patches = (config.image_size // config.patch_size) ** 2
    clip, gpt2 = (sum(p.numel() for p in part.parameters()) for part in (model.vision_model, model.language_model))
    prompt, weight = length * width, seen * width
    if answer == prompt + weight + width:
        return
    if answer == prompt:
        raise Mistake(
            en="That is the soft prompt alone. The projection, which turns picture features into vectors for GPT-2, learns as well.",
            zh="这只是软提示词。把图片特征变成 GPT-2 能读的向量，靠的是投影，它也在学。",
        )
    if answer == prompt + weight:
        raise Mistake(
            en="The projection has a bias, too: one number more for each number that comes out of it.",
            zh="投影还有偏置（bias）：它每输出一个数，就多一个要学的数。",
        )
    if answer == prompt + weight + seen:
        raise Mistake(
            en="The bias is added to what comes out of the projection: it is as wide as that, not as what goes in.",
            zh="偏置加在投影的输出上：它的宽度和输出相同，而不是和输入相同。",
        )
    if answer in (weight, weight + width):
        raise Mistake(
            en="That is the projection alone. The soft prompt learns as well.", zh="这只是投影。软提示词也在学。"
        )
    if answer in (length, patches, length + patches):
        raise Mistake(
            en=f"{answer} counts positions. Each of them holds a whole vector, and not every one of them is learned.",
            zh=f"{answer} 数的是位置。每个位置上都是一整个向量，而且并不是每个都要学。",
        )
    if answer == (length + patches) * width:
        raise Mistake(
            en="Those are the numbers that stand before the text. The picture's vectors are not learned, but computed anew for each picture.",
            zh="这是文字前面那些位置上的全部数。可图片的那些向量不是学出来的，而是每张图片现算的。",
        )
    if answer == gpt2:
        raise Mistake(
            en="That is GPT-2. It is frozen: none of its numbers moves.", zh="这是 GPT-2。它是冻结的：一个数也不会动。"
        )
    if answer >= min(clip, gpt2):
        raise Mistake(
            en="You counted frozen numbers as well: CLIP and GPT-2 stay as they are.",
            zh="你把冻结的数也算进去了：CLIP 和 GPT-2 都保持原样。",
        )
    raise Mistake(
        en="Not that number. Two things learn: the soft prompt, (M, D), and the projection, with a weight (D, Dv) and a bias (D,).",
        zh="不是这个数。在学的有两样：软提示词 (M, D)，还有投影，它有权重 (D, Dv) 和偏置 (D,)。",
    )


# --- the mask ----------------------------------------------------------------------------------------------------


@questions.exercise
def mask(answer: Callable[[Tensor, int, int], Tensor]) -> None:
    lengths, before, longest = torch.tensor([4, 6, 1]), 3, 6
    places, ends = torch.arange(before + longest), before + lengths[:, None]
    right = (places < ends).float()
    ours = answer(lengths, before, longest)
    shape = tuple(getattr(ours, "shape", ()))
    if shape == (3, longest):
        raise Mistake(
            en="This is the mask of the text alone. GPT-2 gets M + P positions more, and their ones belong in front.",
            zh="这只是文字的掩码。GPT-2 还多拿到 M + P 个位置，它们的 1 要补在前面。",
        )
    if shape[-2:] in ((before + longest,) * 2, (longest,) * 2):
        raise Mistake(
            en="That is a table of who may look at whom. GPT-2 makes its causal mask itself; here each text has one row, which says where something stands.",
            zh="这是一张“谁能看谁”的表。因果掩码 GPT-2 自己会做；这里每段文字只要一行，说明哪些位置上有东西。",
        )
    expect_tensor(ours, (3, before + longest), "attention_mask(lengths, before, longest)")
    ours = ours.float()
    if torch.equal(ours, right):
        return
    if (ours < 0).any():
        raise Mistake(
            en="Only 1 and 0 are wanted: out of the zeros the library makes its minus infinity itself.",
            zh="只要 1 和 0：库会自己把 0 变成负无穷。",
        )
    if (ours == 1).all():
        raise Mistake(
            en="Nothing is masked: there is padding behind the shorter texts.",
            zh="什么也没遮住：短一些的文字后面是填充。",
        )
    if torch.equal(ours, 1 - right):
        raise Mistake(
            en="The other way round: 1 where something stands, 0 on padding.", zh="反了：有东西的地方是 1，填充处是 0。"
        )
    if torch.equal(ours[:, before:], right[:, before:]) and (ours[:, :before] == 0).all():
        raise Mistake(
            en="You masked out what stands before the text: no word could see the prompt or the picture.",
            zh="你把文字前面的全遮住了：哪个词也看不到提示词和图片。",
        )
    if torch.equal(ours, (places < lengths[:, None]).float()):
        raise Mistake(
            en="You counted each text from the first position. It begins later, behind the M + P others.",
            zh="你从第一个位置就开始数文字了。文字前面还有 M + P 个位置。",
        )
    if torch.equal(ours, (places < ends - 1).float()):
        raise Mistake(
            en="One too few: the last token of each text is masked out as well. Places are counted from 0.",
            zh="少了一个：每段文字的最后一个词元也被遮住了。位置是从 0 数起的。",
        )
    if torch.equal(ours, (places <= ends).float()):
        raise Mistake(
            en="One too many: the first padding behind each text has a 1. Places are counted from 0.",
            zh="多了一个：每段文字后面的第一个填充也成了 1。位置是从 0 数起的。",
        )
    if torch.equal(ours[:, before:].flip(1), right[:, before:]) or torch.equal(ours.flip(1), right):
        raise Mistake(
            en="Here the padding stands before the text. It stands behind it: on the right.",
            zh="这样填充就在文字前面了。填充在文字后面，也就是右边。",
        )
    raise Mistake(
        en="In row b: ones at the first before + lengths[b] places, and zeros behind them.",
        zh="第 b 行：前 before + lengths[b] 个位置是 1，后面是 0。",
    )


# --- the labels --------------------------------------------------------------------------------------------------


@questions.exercise
def labels(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    ids = torch.tensor([[4, 5, 6, END, END, END], [3, 4, 5, 6, 7, END], [8, END, END, END, END, END]])
    lengths = torch.tensor([4, 6, 2])
    padding, kept = torch.arange(6) >= lengths[:, None], ids.clone()
    right = ids.masked_fill(padding, IGNORED)
    ours = answer(ids, lengths)
    expect_tensor(ours, (3, 6), "make_labels(ids, lengths)")
    if ours.dtype == torch.bool:
        raise Mistake(
            en="These marks say which places count. Now put the ids there, and −100 elsewhere.",
            zh="这是标记，说的是哪些位置要算。还要在这些位置上放编号，其余位置放 −100。",
        )
    if torch.equal(ours, right):
        if ours.is_floating_point():
            raise Mistake(
                en="The right labels, but as floats. Labels are numbers of rows: leave them whole numbers.",
                zh="标签对了，但成了浮点数。标签是行的编号：要保持整数。",
            )
        if not torch.equal(ids, kept):
            raise Mistake(
                en="The labels are right, but `ids` itself was changed, and GPT-2 has yet to read it. Work on a copy.",
                zh="标签对了，可是 ids 本身也被改了，GPT-2 还要读它呢。请在副本上做。",
            )
        return
    if torch.equal(ours, kept):
        raise Mistake(
            en=f"The padding counts as well: these are the ids as they came. (Here the end of text is {END}; `lengths` says where each caption ends.)",
            zh=f"填充也算进去了：这就是原来的编号。（这里的文本结束符是 {END}；每条说明文字到哪里为止，看 lengths。）",
        )
    if torch.equal(ours, kept.masked_fill(kept == END, IGNORED)):
        raise Mistake(
            en="Every end of text is masked, each caption's own as well: so none would ever learn to end.",
            zh="所有文本结束符都遮住了，连每条说明文字自己的那个也在内：这样就永远学不会在哪里结束。",
        )
    if torch.equal(ours, torch.where(padding, kept, IGNORED)):
        raise Mistake(en="The other way round: only the padding counts here.", zh="反了：现在只有填充才算。")
    if torch.equal(ours[:, :-1], right[:, 1:]) or torch.equal(ours[:, 1:], right[:, :-1]):
        raise Mistake(
            en="You have shifted the labels. The shift comes later, in the loss: done twice, it would be wrong by one.",
            zh="你把标签错开了一位。错开一位留到算损失时再做：做两次，就差一位了。",
        )
    if torch.equal(ours[:, 1:], right[:, 1:]) and (ours[:, 0] == IGNORED).all():
        raise Mistake(
            en="The first token is left out. It is predicted as well, from the prompt and the picture.",
            zh="漏了第一个词元。它也要预测，根据的是提示词和图片。",
        )
    if torch.equal(ours[~padding], kept[~padding]) and len(filling := ours[padding].unique()) == 1:
        filling = filling.item()
        if filling == 0:
            raise Mistake(
                en="You put 0 on the padding. But 0 is a token like any other, and GPT-2 would learn to say it.",
                zh="你在填充处放了 0。可 0 也是一个词元，GPT-2 会学着去说它。",
            )
        raise Mistake(
            en=f"You put {filling} on the padding. The loss leaves out only what is marked with −100.",
            zh=f"你在填充处放了 {filling}。损失只跳过标着 −100 的位置。",
        )
    raise Mistake(
        en="In row b: the first lengths[b] ids as they are, the caption's end among them, and −100 behind them.",
        zh="第 b 行：前 lengths[b] 个编号照原样，包括说明文字自己的结束符；后面全是 −100。",
    )


# --- the shift ---------------------------------------------------------------------------------------------------


@questions.exercise
def shift(answer: Callable[[Tensor, Tensor, int], Tensor]) -> None:
    before = 3
    logits = (3 * torch.randn(2, 8, 7, generator=torch.Generator().manual_seed(0))).requires_grad_()
    wanted = torch.tensor([[4, 2, 6, 1, 5], [3, 5, IGNORED, IGNORED, IGNORED]])

    def score(rows: Tensor, labels: Tensor = wanted, reduction: str = "mean") -> Tensor:
        return F.cross_entropy(rows.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction=reduction)

    predicting = logits[:, before - 1 : -1]  # (B, T, V)
    right, total = score(predicting), score(predicting, reduction="sum")
    not_flat = Mistake(
        en="cross_entropy wants one row of V scores for each label: flatten B and T into one dimension, in both.",
        zh="cross_entropy 要的是一个标签对一行 V 个得分：两边都把 B 和 T 展平成一维。",
    )
    with _take_for({"Expected target size": not_flat}):
        ours = answer(logits, wanted, before)
    if isinstance(ours, float):
        raise Mistake(
            en="That is a plain number, and nothing could be learned from it: give back the tensor, without .item().",
            zh="这只是一个普通的数，从它学不到东西：要返回张量，不要 .item()。",
        )
    if ours is not None and getattr(ours, "numel", lambda: 1)() > 1:
        raise Mistake(
            en="One loss for each token came out. Give the mean of those that count.",
            zh="现在每个词元各有一个损失。要的是计入的那些词元的平均。",
        )
    expect_tensor(ours, (), "caption_loss(logits, labels, before)")
    if close(ours, right):
        if not ours.requires_grad:
            raise Mistake(
                en="The number is right, but no gradient could flow back: did .detach(), .data or no_grad cut it off?",
                zh="数对了，但梯度传不回去：是不是 .detach()、.data 或 no_grad 把它切断了？",
            )
        return
    if close(ours, score(logits[:, before:])):
        raise Mistake(
            en="Unshifted: each token is scored where it stands itself. There the model can see it, and learns to copy it.",
            zh="没有错开：每个词元都在它自己的位置上算损失。模型在那里看得见它，只会学着照抄。",
        )
    if close(ours, score(logits[:, before:-1], wanted[:, 1:])):
        raise Mistake(
            en="The shift is right, but the first token is left out. It is predicted, too: at the last place before the text.",
            zh="错开得对，但漏了第一个词元。它也是预测出来的：就在文字前面的最后一个位置上。",
        )
    if close(ours, score(logits[:, before - 2 : -2])):
        raise Mistake(
            en="Shifted by two: a token is predicted at the place just before it.",
            zh="错开了两位：预测一个词元的，是紧挨在它前面的那个位置。",
        )
    if close(ours, score(logits[:, before + 1 :], wanted[:, :-1])):
        raise Mistake(
            en="Shifted the wrong way: each place is asked for the token before it, which it has seen. Ask for the next one.",
            zh="错开的方向反了：每个位置要说的是前一个词元，而它早就看过了。要问的是下一个。",
        )
    if close(ours, score(logits[:, :5])):
        raise Mistake(
            en="You scored the first T places. But the prompt and the picture stand in front; the text comes behind them.",
            zh="你算的是最前面的 T 个位置。可那里是提示词和图片，文字在它们后面。",
        )
    if close(ours, score(predicting, wanted.clamp(min=0))):
        raise Mistake(
            en="The padding counts as well, as if it were token 0. What is marked with −100 must be left out.",
            zh="填充也算进去了，还被当成了编号 0 的词元。标着 −100 的位置要跳过。",
        )
    if close(ours, total / wanted.numel()):
        raise Mistake(
            en="You divided by all places, padding and all. Divide by the number of tokens that count.",
            zh="你除以的是所有位置的个数，连填充也在内。要除以计入的词元个数。",
        )
    if close(ours, torch.stack([score(row[None], labels[None]) for row, labels in zip(predicting, wanted)]).mean()):
        raise Mistake(
            en="You took the mean of each caption first: so a token of a short caption weighs more. All tokens count alike.",
            zh="你先对每条说明文字取了平均：这样短句里的词元权重就更大了。每个词元应该一样重。",
        )
    if close(ours, total):
        raise Mistake(
            en="That is the sum, and long captions make it large. The mean is wanted.",
            zh="这是总和，说明文字越长它就越大。要的是平均。",
        )
    if close(ours, score(predicting.softmax(-1))):
        raise Mistake(
            en="cross_entropy makes the softmax itself: give it the logits as they are.",
            zh="cross_entropy 自己会做 softmax：把 logits 原样给它。",
        )
    if close(ours, -right):
        raise Mistake(
            en="The sign is wrong: so the loss would fall as it gets worse.",
            zh="符号反了：这样越学越差，损失反而越小。",
        )
    raise Mistake(
        en="Cut out of the logits the T places that predict the text, (B, T, V), and take the cross-entropy with the labels.",
        zh="从 logits 里取出预测文字的那 T 个位置，(B, T, V)，再和标签算交叉熵。",
    )


# --- greedy text -------------------------------------------------------------------------------------------------

SEED = 1393  # of the little GPT-2 below: with it no two mistakes give the same text, and no two tokens are nearly equally likely
ASKED = 100  # how often it answers before we say that the text never ends


def _make_little_gpt2() -> tuple[GPT2LMHeadModel, Tensor]:
    """A GPT-2 of random weights that says one token after the other, all different at first; and what stands before, (1, N, D)."""
    sizes = {"vocab_size": 40, "n_positions": 128, "n_embd": 16, "n_layer": 1, "n_head": 2}
    # tied to the table, it would repeat itself
    config = GPT2Config(**sizes, bos_token_id=None, eos_token_id=None, tie_word_embeddings=False)
    with torch.random.fork_rng(devices=[]):
        gpt2 = GPT2LMHeadModel(config).eval().requires_grad_(False)
    random = torch.Generator().manual_seed(SEED)
    for parameter in gpt2.parameters():
        if parameter.dim() == 2:
            parameter.copy_(0.7 * torch.randn(parameter.shape, generator=random))
    return gpt2, 0.7 * torch.randn(1, 4, config.n_embd, generator=random)


def _write_tokens(gpt2: GPT2LMHeadModel, count: int, place: Callable[[Tensor], Tensor]) -> list[int]:
    """The most likely tokens one by one; `place` gives what GPT-2 reads, out of the vectors (1, n, D) of those said so far."""
    table, ids = gpt2.get_input_embeddings(), torch.empty(1, 0, dtype=torch.long)
    for _ in range(count):
        logits = gpt2(inputs_embeds=place(table(ids))).logits[:, -1:]  # (1, 1, V)
        ids = torch.cat([ids, logits.argmax(-1)], dim=1)
    return ids[0].tolist()


def _list_ids(answer: Any) -> list[int]:
    """The ids that came back, as a list."""
    if answer is None:
        expect_tensor(answer, (), "greedy(…)")  # says that nothing came back
    if not isinstance(answer, (Tensor, list, tuple)):
        kind = type(answer).__name__
        raise Mistake(
            en=f"The ids of the text are wanted, in a list, and this is of type {kind}.",
            zh=f"要的是文字的编号，放在列表里，而你给的是 {kind}。",
        )
    return [int(id) for id in (answer.flatten() if isinstance(answer, Tensor) else answer)]


@questions.exercise
def greedy(answer: Callable[..., Any]) -> None:
    gpt2, before = _make_little_gpt2()
    said = _write_tokens(gpt2, 7, lambda text: torch.cat([before, text], dim=1))
    *right, end = said
    asked = 0

    def count_call(*_: Any) -> None:
        nonlocal asked
        asked += 1
        if asked > ASKED:
            raise Mistake(
                en="The text never ends: stop at `end`, and after `longest` tokens in any case.",
                zh="文字没完没了：遇到 end 要停，满了 longest 个词元也要停。",
            )

    def ask(*longest: int) -> list[int]:
        nonlocal asked
        asked = 0
        one_bracket = Mistake(
            en="The new token's vector must be (1, 1, D) to stand behind the others: look up torch.tensor([[id]]), with two brackets.",
            zh="新词元的向量要是 (1, 1, D)，才能接在后面：查表时用 torch.tensor([[id]])，两层方括号。",
        )
        with _take_for({"same number of dimensions": one_bracket}):
            return _list_ids(answer(gpt2, before, end, *longest))

    hook = gpt2.register_forward_pre_hook(count_call)
    try:
        ours = ask()
        if ours == right:
            _check_longest(ask(3), right[:3])
            return
        again = [ask(), ask()]
    finally:
        hook.remove()
    if any(other != ours for other in again):
        raise Mistake(
            en="Two calls, two texts: you draw tokens at random. Greedy means always the largest logit.",
            zh="两次调用，两段文字：你是随机抽的词元。贪心就是每次都取最大的那个 logit。",
        )
    if not ours:
        raise Mistake(en="Not a single token came out.", zh="一个词元也没有出来。")
    if ours == [*right, end]:
        raise Mistake(
            en="The end is still in it: look whether it is the end first, and only then take the token.",
            zh="文本结束符也留在里面了：先看是不是结束符，不是才收下。",
        )
    if ours[: len(said)] == said:
        raise Mistake(
            en="It talks on past the end. When the most likely token is `end`, the text is finished.",
            zh="过了结束符还在说。一旦最可能的词元是 end，文字就说完了。",
        )
    if set(ours) == {gpt2(inputs_embeds=before).logits[0, 0].argmax().item()}:
        raise Mistake(
            en="You read off the first position. It has seen nothing but itself; the next token is predicted at the last one.",
            zh="你取的是第一个位置。它除了自己什么也没看到；下一个词元要在最后一个位置上预测。",
        )
    if set(ours) == {said[0]}:
        raise Mistake(
            en="Always the same token: GPT-2 reads the same every time. Put each new token's vector behind the others.",
            zh="老是同一个词元：GPT-2 每次读到的都一样。要把每个新词元的向量接到后面。",
        )

    def is_written_by(place: Callable[[Tensor], Tensor]) -> bool:
        theirs = _write_tokens(gpt2, len(said), lambda text: place(text) if text.shape[1] else before)
        return 1 < len(ours) and ours[: len(theirs)] == theirs[: len(ours)]

    if is_written_by(lambda text: text[:, -1:]):
        raise Mistake(
            en="After its first token GPT-2 gets only the newest one. It has no memory: give it everything so far, the picture too.",
            zh="说出第一个词元之后，GPT-2 就只拿到最新的那一个了。它没有记忆：每次都要把前面的全给它，图片也在内。",
        )
    if is_written_by(lambda text: text):
        raise Mistake(
            en="After its first token GPT-2 reads only its own text: what stood before it, the picture too, is lost.",
            zh="说出第一个词元之后，GPT-2 就只读自己的文字了：前面的那些，连同图片，都丢了。",
        )
    if is_written_by(lambda text: torch.cat([text.flip(1), before], dim=1)):
        raise Mistake(
            en="The new tokens went in front. They belong behind everything that is there.",
            zh="新词元放到最前面去了。要接在所有东西的后面。",
        )
    raise Mistake(
        en="Again and again: the largest logit at the last position; its row of the table, put behind all that was there.",
        zh="一遍又一遍：取最后一个位置上最大的 logit，查出它在嵌入表里的那一行，接到已有的全部向量后面。",
    )


def _check_longest(ours: list[int], right: list[int]) -> None:
    """What came out where no more than `longest` tokens were allowed."""
    have, longest = len(ours), len(right)
    if have > longest:
        raise Mistake(
            en=f"The text is right, but for longest={longest} it has {have} tokens: stop in time.",
            zh=f"文字对了，但 longest={longest} 时出来了 {have} 个词元：要及时停下。",
        )
    if ours != right:
        raise Mistake(
            en=f"The text is right, but for longest={longest} it has only {have} tokens: it stops too early.",
            zh=f"文字对了，但 longest={longest} 时只出来了 {have} 个词元：停得太早了。",
        )


# --- three learning curves ---------------------------------------------------------------------------------------

# What was done wrong in each of the three trainings that the figure shows; then, in the order asked for, how one sees it.
CURVES = {"A": "too few pictures", "B": "rate too high", "C": "stopped too soon"}
SIGNS = {
    "rate too high": Text(
        en="With too high a rate every step goes too far: the loss jumps up at first, and then comes down little.",
        zh="学习率太大，每一步都走过头：损失一开始反而窜上去，后来也降不了多少。",
    ),
    "too few pictures": Text(
        en="A few pictures are soon known by heart: the training loss falls to nearly nothing, and the validation loss stays far above it, or rises.",
        zh="图片太少，很快就背熟了：训练集损失几乎降到零，验证集损失却远远停在上面，甚至回升，这就是过拟合。",
    ),
    "stopped too soon": Text(
        en="Where training was stopped too soon, both losses are still falling at the end.",
        zh="停得太早，到最后两条损失曲线都还在往下走。",
    ),
}
IN_CHINESE = {"rate too high": "学习率太大", "too few pictures": "图片太少", "stopped too soon": "停得太早"}


@questions.exercise
def curves(answer: Any) -> None:
    given = "".join(map(str, answer)) if isinstance(answer, (list, tuple)) else answer
    if not isinstance(given, str):
        kind = type(answer).__name__
        raise Mistake(
            en=f"Three letters are wanted, such as “ABC”, and this is of type {kind}.",
            zh=f"要填三个字母，例如“ABC”，你给的是 {kind}。",
        )
    given = [letter for letter in given.upper() if letter.isalpha()]
    if sorted(given) != sorted(CURVES):
        raise Mistake(
            en="Three different letters are wanted: each of A, B and C once.", zh="要填三个不同的字母：A、B、C 各一次。"
        )
    wrong = [(letter, fault) for letter, fault in zip(given, SIGNS) if CURVES[letter] != fault]
    if wrong:
        raise Mistake(
            en=" ".join(f"Not {letter} for “{fault}”. {SIGNS[fault].en}" for letter, fault in wrong),
            zh="".join(f"“{IN_CHINESE[fault]}”不是 {letter}。{SIGNS[fault].zh}" for letter, fault in wrong),
        )


# --- predictions and quizzes -------------------------------------------------------------------------------------


@questions.prediction
def unshifted(measured: tuple[float, float, float]) -> int:
    # the last losses without the shift and with it, and the objects that the former names right: by chance one in 24
    return 2 if measured[0] < measured[1] and measured[2] < 0.2 else 1 if measured[2] > 0.6 else 0


@questions.prediction
def retrained(points: float) -> int:
    # per cent of objects; with 400 test pictures less than five are hardly more than chance
    return 0 if points > 20 else 1 if points >= 5 else 2


@questions.prediction
def shuffled(shares: tuple[float, float, float]) -> int:
    # objects right as trained, with other pictures' features, and by chance, which is far below a tenth
    return 2 if shares[1] < 0.1 else 0 if shares[1] > 0.8 * shares[0] else 1


fed_in = questions.quiz("fed_in")
minus_100 = questions.quiz("minus_100")
