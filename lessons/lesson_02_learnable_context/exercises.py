"""Lesson 02: the slots, overwriting them, `forward`, freezing, tokens in a prompt, a training step, the step to keep."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPConfig, CLIPModel, CLIPProcessor

from helpers import context as by_library
from helpers.training import Evaluation
from lessons.kit.exercise import Mistake, Questions, close, expect_number, expect_tensor

questions = Questions(__file__)

# --- the slots ---------------------------------------------------------------------------------------------------


@questions.exercise
def slots(answer: Callable[[Tensor, int], Tensor]) -> None:
    x = 7  # the placeholder
    ids = torch.tensor([[1, x, x, 4, 5, 9, 9], [1, 4, 6, x, x, 5, 9], [1, 8, x, x, 5, 9, 9]])
    right = ids == x
    ours = answer(ids, x)
    if getattr(ours, "dtype", None) == torch.int64 and ours.shape != ids.shape:
        raise Mistake(
            en="These are numbers of places. Mark the slots instead: true or false for every position, in the shape of ids.",
            zh="这是位置的编号。要的是标记：每个位置一个真或假，形状和 ids 一样。",
        )
    expect_tensor(ours, tuple(ids.shape), "find_slots(ids, placeholder)")
    if ours.dtype == torch.bool and torch.equal(ours, right):
        return
    if ours.dtype != torch.bool and torch.equal(ours.bool(), right):
        raise Mistake(
            en="The right places, as numbers. Leave them true or false: a mask that picks places must be of type bool.",
            zh="位置对了，但给的是数。保持真假值就好：用来挑位置的掩码必须是 bool 类型。",
        )
    ours = ours.bool()
    if torch.equal(ours, ~right):
        raise Mistake(
            en="The other way round: these are all places but the slots.", zh="反了：这是槽位以外的所有位置。"
        )
    if torch.equal(ours, ids >= x):
        raise Mistake(
            en="Larger ids were marked as well, and the end of text is among them. A slot holds exactly the placeholder.",
            zh="比占位词元大的编号也标上了，文本结束符就在里面。只有占位词元本身才是槽位。",
        )
    if torch.equal(ours, right[:1].expand_as(right)):
        raise Mistake(
            en="The slots of the first text were taken for all of them. In the second text the name stands in front.",
            zh="你把第一段文字的槽位用在了所有文字上。第二段文字里，类别名在前面。",
        )
    raise Mistake(
        en="A slot is where the id is the placeholder, wherever in the text that is.",
        zh="编号等于占位词元的地方就是槽位，不管它在文字的哪里。",
    )


# --- overwriting -------------------------------------------------------------------------------------------------


@questions.exercise
def overwrite(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    random = torch.Generator().manual_seed(0)
    words, context = torch.randn(2, 5, 3, generator=random), torch.randn(2, 3, generator=random).requires_grad_()
    where = torch.tensor([[0, 1, 1, 0, 0], [0, 0, 1, 1, 0]]).bool()
    right, before = by_library.overwrite(words, where, context), words.clone()
    ours = answer(words, where, context)
    if ours is not None and tuple(getattr(ours, "shape", ())) == (2, 7, 3):
        raise Mistake(
            en="The text has grown by two positions: that is inserting. Put the vectors in the place of those in the slots.",
            zh="文字多出了两个位置，这是插入。要用我们的向量替换槽位上原来的那些。",
        )
    expect_tensor(ours, (2, 5, 3), "overwrite(words, slots, context)")
    if close(ours, right):
        if not ours.requires_grad:
            raise Mistake(
                en="The numbers are right, but no gradient could flow back: did .detach(), .data or no_grad cut the context off?",
                zh="数都对，但梯度传不回去：是不是 .detach()、.data 或 no_grad 把上下文向量切断了？",
            )
        if not torch.equal(words, before):
            raise Mistake(
                en="The result is right, but `words` itself was changed. Work on a copy: somebody may need it again.",
                zh="结果对了，可是 words 本身也被改了。请在副本上做：别处可能还要用它。",
            )
        return
    if close(ours, words.masked_scatter(where[..., None], context.flip(0).expand(2, -1, -1))):
        raise Mistake(en="The vectors stand in the reverse order.", zh="向量的顺序反了。")
    if close(ours, words):
        raise Mistake(en="The words are still all there: nothing was overwritten.", zh="词都还在：什么也没有覆盖。")
    if close(ours, words + torch.where(where[..., None], right, 0)):
        raise Mistake(
            en="You added the context to the placeholder's vector. It is to take its place.",
            zh="你把上下文向量加到了占位词元的向量上。应该是换掉它。",
        )
    if close(ours[:, 1:3], context.expand(2, -1, -1)):
        raise Mistake(
            en="You overwrote positions 1 and 2 of every text (counted from 0). In the second text the slots lie elsewhere: ask `slots`.",
            zh="每段文字你都覆盖了位置 1 和 2（从 0 数起）。第二段文字的槽位在别处：要看 slots。",
        )
    if close(ours[where], context[:1].expand(4, -1)):
        raise Mistake(
            en="Every slot got the first vector. The second slot of a text needs the second.",
            zh="每个槽位放的都是第一个向量。第二个槽位要放第二个。",
        )
    raise Mistake(
        en="In each row, the m-th slot holds context[m], and all other positions hold the word that was there.",
        zh="每一行里，第 m 个槽位放 context[m]，其余位置放原来的词向量。",
    )


# --- forward -----------------------------------------------------------------------------------------------------


@questions.exercise
def forward(answer: type[nn.Module], clip: CLIPModel) -> None:
    trained = clip.text_model.embeddings
    random = torch.Generator().manual_seed(0)
    own = torch.randn(2, trained.token_embedding.embedding_dim, generator=random)
    x, eot = 7, clip.config.text_config.vocab_size - 1
    ids = torch.tensor([[1, x, x, 4, 5, eot], [1, 4, x, x, 5, eot]])
    rows, places = trained.token_embedding(ids), trained.position_embedding.weight[: ids.shape[1]]
    with_context = by_library.overwrite(rows, ids == x, own)
    ours = answer(trained, own, x)(input_ids=ids)
    expect_tensor(ours, tuple(rows.shape), "forward(input_ids)")
    if close(ours, with_context + places):
        if not ours.requires_grad:
            raise Mistake(
                en="The numbers are right, but no gradient reaches self.context: use the parameter itself, without .data or .detach().",
                zh="数都对，但梯度到不了 self.context：直接用这个参数，不要 .data 或 .detach()。",
            )
        return
    if close(ours, with_context):
        raise Mistake(
            en="The positions are missing: the last line should be super().forward(inputs_embeds=…), which adds them.",
            zh="少了位置嵌入：最后一行应该是 super().forward(inputs_embeds=…)，它会把位置加上。",
        )
    if close(ours, by_library.overwrite(rows + places, ids == x, own) + places):
        raise Mistake(
            en="The words got their positions twice: take the rows from self.token_embedding(input_ids), not from super().forward(input_ids).",
            zh="词的位置嵌入加了两次：词的那些行要从 self.token_embedding(input_ids) 取，不要从 super().forward(input_ids) 取。",
        )
    if close(ours, with_context + 2 * places):
        raise Mistake(
            en="The positions were added twice: super().forward(inputs_embeds=…) adds them once, so nothing else should.",
            zh="位置嵌入加了两次：super().forward(inputs_embeds=…) 会加一次，别处就不要再加了。",
        )
    if close(ours, by_library.overwrite(rows + places, ids == x, own)):
        raise Mistake(
            en="The context went in after the positions, so it has none. Overwrite first, then let super() add the positions.",
            zh="上下文向量是在加完位置之后放进去的，所以它们没有位置。先覆盖，再让 super() 加位置。",
        )
    if close(ours, rows + places):
        raise Mistake(
            en="This is what the parent class does: the placeholders' own rows are still in the slots.",
            zh="这就是父类的做法：槽位里还是占位词元自己的行。",
        )
    raise Mistake(
        en="Rows of the table, the context in the slots, and then the parent's forward, which adds the positions.",
        zh="先查表取行，再把上下文向量放进槽位，最后交给父类的 forward 加位置。",
    )


# --- freezing ----------------------------------------------------------------------------------------------------


def _make_tiny_clip() -> CLIPModel:
    tower = {
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "attention_dropout": 0.5,
    }
    text = {**tower, "vocab_size": 20, "max_position_embeddings": 8, "bos_token_id": 18, "eos_token_id": 19}
    return CLIPModel(
        CLIPConfig(text_config=text, vision_config={**tower, "image_size": 8, "patch_size": 4}, projection_dim=8)
    ).train()


@questions.exercise
def freeze(answer: Callable[[CLIPModel], Any]) -> None:
    model = _make_tiny_clip()
    answer(model)
    free = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    everything = len(list(model.parameters()))
    if free and model.__dict__.get("requires_grad") is False:
        raise Mistake(
            en="model.requires_grad = False only pins a note on the model: nothing reads it. There is a method with an underscore at its end.",
            zh="model.requires_grad = False 只是在模型上贴了张便条，没有谁会去读。真正管用的是一个名字以下划线结尾的方法。",
        )
    if len(free) == everything:
        raise Mistake(
            en="Every weight still asks for a gradient. (eval() switches dropout off; it freezes nothing.)",
            zh="每个权重都还在要梯度。（eval() 只是关掉 dropout，什么也没有冻结。）",
        )
    if free:
        raise Mistake(
            en=f"{len(free)} of {everything} tensors are still free, {free[0]} among them. Freeze the whole model.",
            zh=f"{everything} 个张量里还有 {len(free)} 个没有冻结，例如 {free[0]}。要冻结整个模型。",
        )
    if model.training:
        raise Mistake(
            en="No weight can change now, but the model is in training mode: its dropout would disturb every answer at random.",
            zh="权重都不会变了，但模型还在训练模式：dropout 会随机打乱每一次结果。",
        )


# --- tokens in a prompt ------------------------------------------------------------------------------------------


@questions.exercise
def length(answer: Any, prompt: str, processor: CLIPProcessor) -> None:
    expect_number(answer)
    tokens, words = len(processor.tokenizer(prompt, add_special_tokens=False)["input_ids"]), len(prompt.split())
    if answer == tokens:
        return
    if answer == words:
        raise Mistake(
            en=f"{words} is the number of words. A vector stands in the place of a token, and some words are several tokens.",
            zh=f"{words} 是单词的个数。一个向量占的是一个词元的位置，有的单词不止一个词元。",
        )
    if answer == tokens + 2:
        raise Mistake(
            en="You counted the start and the end of the text as well. They stay where they are.",
            zh="你把文本起始符和文本结束符也算进去了。它们留在原处，不用换。",
        )
    if answer == len(prompt):
        raise Mistake(en="That is the number of characters, spaces and all.", zh="这是字符的个数，连空格也算进去了。")
    raise Mistake(
        en="Let the tokenizer count: print what processor.tokenizer.tokenize(prompt) gives.",
        zh="让分词器来数：把 processor.tokenizer.tokenize(prompt) 打印出来看看。",
    )


# --- one step of training ----------------------------------------------------------------------------------------


class _Toy(nn.Module):
    """As much of a prompted CLIP as a training step can see: features in, logits out, one parameter."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.context = nn.Parameter(weight.clone())

    def forward(self, images: Tensor) -> Tensor:
        return images @ self.context.T


@questions.exercise
def step(answer: Callable[[nn.Module, torch.optim.Optimizer, Tensor, Tensor], float]) -> None:
    random = torch.Generator().manual_seed(0)
    images, labels = torch.randn(6, 4, generator=random), torch.tensor([0, 1, 2, 0, 1, 2])
    theirs = _Toy(torch.randn(3, 4, generator=random))
    ours, ascending, piling, soft = (deepcopy(theirs) for _ in range(4))

    def train(model: nn.Module, sign: float = 1.0, forget: bool = True, shares: bool = False) -> list[float]:
        optimizer, losses = torch.optim.SGD(model.parameters(), 0.5), []
        for _ in range(2):
            scores = model(images)
            loss = F.cross_entropy(scores.softmax(-1) if shares else scores, labels)
            if forget:
                optimizer.zero_grad()
            (sign * loss).backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    losses = train(theirs)
    train(ascending, sign=-1.0), train(piling, forget=False), train(soft, shares=True)
    before, optimizer = ours.context.detach().clone(), torch.optim.SGD(ours.parameters(), 0.5)
    try:
        returned = [answer(ours, optimizer, images, labels) for _ in range(2)]
    except NotImplementedError as error:
        if "not implemented for" not in str(error):  # a stub, then
            raise
        raise Mistake(
            en="torch cannot compute this with whole numbers: cross_entropy wants the logits first, then the labels.",
            zh="整数没法这样算：cross_entropy 的第一个参数是 logits，第二个才是标签。",
        ) from error
    if torch.equal(ours.context, before):
        if ours.context.grad is None or not ours.context.grad.any():
            raise Mistake(
                en="Nothing has moved, and there is no gradient: is loss.backward() missing, or does zero_grad() come after it?",
                zh="什么也没动，梯度也没有：是不是少了 loss.backward()，或者 zero_grad() 写在了它后面？",
            )
        raise Mistake(
            en="There is a gradient, but the context did not move: after backward() the optimiser has to make its step.",
            zh="梯度有了，可上下文向量没有动：backward() 之后，还要让优化器走一步。",
        )
    for model, mistake in (
        (
            piling,
            Mistake(
                en="The second step went too far: gradients pile up until zero_grad() clears the old one away.",
                zh="第二步走过头了：不用 zero_grad() 清掉旧的梯度，它们会越积越多。",
            ),
        ),
        (ascending, Mistake(en="You go uphill: the loss grows.", zh="你在往上坡走：损失越来越大。")),
        (
            soft,
            Mistake(
                en="cross_entropy makes the softmax itself: give it the logits as they are.",
                zh="cross_entropy 自己会做 softmax：把 logits 原样给它。",
            ),
        ),
    ):
        if close(ours.context, model.context):
            raise mistake
    if not close(ours.context, theirs.context):
        raise Mistake(
            en="The context moves, but not by this gradient: cross-entropy of prompted(images) and labels, backward, one step.",
            zh="上下文向量动了，但不是按这个梯度：先算 prompted(images) 和 labels 的交叉熵，再反向传播，再走一步。",
        )
    if any(value is None for value in returned):
        raise Mistake(
            en="It learns. Now give the loss back, so that one can watch it.",
            zh="学起来了。再把损失返回，好让人看着它。",
        )
    if any(isinstance(value, Tensor) for value in returned):
        raise Mistake(
            en="It learns. The loss comes back as a tensor that holds on to all that it was computed from: make it a plain number.",
            zh="学起来了。可返回的损失还是张量，身后拖着整个计算过程：要把它变成普通的数。",
        )
    if [round(float(value), 4) for value in returned] != [round(value, 4) for value in losses]:
        raise Mistake(
            en="It learns, but what comes back is not the loss of this step.", zh="学起来了，可返回的不是这一步的损失。"
        )


# --- which step to keep ------------------------------------------------------------------------------------------

# A training in which every wrong way to choose leads to another step. The last number is the accuracy on the test pictures.
EVALUATIONS = [
    (Evaluation(0, 60, 3.1, 3.2, 0.20, True, 0.0), 0.21),
    (Evaluation(10, 60, 1.9, 2.2, 0.48, True, 0.0), 0.50),
    (Evaluation(20, 60, 1.2, 1.8, 0.61, True, 0.0), 0.59),
    (Evaluation(30, 60, 0.9, 1.9, 0.60, False, 0.0), 0.63),
    (Evaluation(40, 60, 0.7, 2.0, 0.64, False, 0.0), 0.60),
    (Evaluation(50, 60, 0.4, 2.3, 0.58, False, 0.0), 0.57),
    (Evaluation(60, 60, 0.5, 2.6, 0.52, False, 0.0), 0.55),
]


@questions.exercise
def choose(answer: Callable[[Sequence[Evaluation], Sequence[float]], int]) -> None:
    evaluations, test = [evaluation for evaluation, _ in EVALUATIONS], [share for _, share in EVALUATIONS]
    ours = answer(evaluations, test)
    if isinstance(ours, Evaluation):
        raise Mistake(en="Give back the number of the step: evaluation.step.", zh="要返回的是步数：evaluation.step。")
    expect_number(ours)
    best = min(evaluations, key=lambda evaluation: evaluation.validation_loss).step
    if ours == best:
        return
    if ours == evaluations[test.index(max(test))].step:
        raise Mistake(
            en="You chose by the test pictures. Then they have had a say in the training, and their number is no test any more.",
            zh="你是按测试图片挑的。这样它们就参与了训练，测试集上的数也就不再是测试了。",
        )
    if ours == max(evaluations, key=lambda evaluation: evaluation.validation_score).step:
        raise Mistake(
            en="That is where the accuracy on validation pictures is highest. Our loop goes by the loss, which also tells how sure the model is.",
            zh="这一步在验证集上的准确率最高。我们的循环看的是损失，损失还看得出模型有多大把握。",
        )
    if ours == min(evaluations, key=lambda evaluation: evaluation.loss).step:
        raise Mistake(
            en="That is where the training pictures are known best, by heart: see how the validation loss grows by then.",
            zh="那一步只是把训练图片背得最熟：看看那时验证集上的损失已经涨了多少。",
        )
    if ours == evaluations[-1].step:
        raise Mistake(en="That is simply the last one.", zh="这只是最后一步。")
    if ours == evaluations.index(min(evaluations, key=lambda evaluation: evaluation.validation_loss)):
        raise Mistake(
            en="That is the place in the list. Give back the step that stands there: evaluation.step.",
            zh="这是它在列表里的位置。要返回的是那里的步数：evaluation.step。",
        )
    if ours == max(evaluations, key=lambda evaluation: evaluation.validation_loss).step:
        raise Mistake(
            en="That is the largest validation loss: small is good.", zh="这是验证集损失最大的一步：损失越小越好。"
        )
    raise Mistake(
        en="Of all evaluations, the one with the smallest validation loss, and of that the step.",
        zh="在所有记录里，找验证集损失最小的那一次，返回它的步数。",
    )


# --- predictions and quizzes -------------------------------------------------------------------------------------


@questions.prediction
def inserted(token: str) -> int:
    return ("EOT", "our vector", "padding").index(token)


@questions.prediction
def one_shot(wins: int) -> int:  # of five tries
    return 0 if wins == 0 else 2 if wins == 5 else 1


@questions.prediction
def new_classes(gain: float) -> int:
    # a share of one: “about the same” are two points either way, as the answer says
    return 0 if gain < -0.02 else 2 if gain > 0.02 else 1


placeholders = questions.quiz("placeholders")
