"""Lesson 05: repair a loss, a text encoder, a choice and a writer; write the experiments that find what learns and whose table it is."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPModel, CLIPProcessor

from helpers.by_hand import text_layers
from helpers.captioner import VLMWithSoftPrompt
from helpers.context import overwrite
from helpers.data import FewShot
from lessons import museum
from lessons.kit import experiments
from lessons.kit.exercise import Choice, Exercise, Mistake, Prediction, Quiz, Text, expect_number, expect_tensor
from lessons.kit.experiments import Captions


def close(ours: Tensor, theirs: Tensor) -> bool:
    return ours.shape == theirs.shape and torch.allclose(ours.float(), theirs.float(), rtol=1e-3, atol=1e-4)


# --- the loss ----------------------------------------------------------------------------------------------------


def _loss(answer: Callable[..., Tensor], model: VLMWithSoftPrompt, captions: Captions) -> None:
    ours = answer(model, *captions)
    if ours is None:
        raise Mistake(en="Nothing comes back: is there a return?", zh="什么也没有返回：是不是少了 return？")
    if not isinstance(ours, Tensor) or ours.dim():
        raise Mistake(en="One number is wanted, the mean loss, as a tensor.", zh="要的是一个数：平均损失，还是张量。")
    if not ours.requires_grad:
        raise Mistake(
            en="No gradient can flow back from this number: did .item(), .detach() or no_grad cut it off?",
            zh="梯度没法从这个数传回去：是不是 .item()、.detach() 或 no_grad 把它切断了？",
        )
    try:
        seen = experiments.x_ray(answer, model, captions)
    except ValueError as error:
        raise Mistake(
            en="The X-ray sees no logits. Ask the model for them, model(features, ids), and let the loss be made from these.",
            zh="X 光看不到 logits。请用 model(features, ids) 取得 logits，再由它们算出损失。",
        ) from error
    lengths = seen.lengths.tolist()
    if seen.shift == 0:
        raise Mistake(
            en="The X-ray still shows every token scored against itself.",
            zh="X 光片还是老样子：每个词元对照的是它自己。",
        )
    if seen.shift == 2:
        raise Mistake(
            en="One place too far: each position is now scored against the token after the next.",
            zh="多错开了一位：现在每个位置对照的是下下个词元。",
        )
    if seen.shift == -1:
        raise Mistake(
            en="The wrong way: each position is scored against the token before it, which it has already read.",
            zh="错开的方向反了：每个位置对照的是它前面的词元，那是它已经读过的。",
        )
    if seen.shift != 1:
        raise Mistake(
            en="The X-ray shows targets that stand nowhere near. Logits at each position, against the token that follows.",
            zh="X 光显示，对照的目标完全对不上。应该拿每个位置的 logits 对照紧跟着的那个词元。",
        )
    if any(place < -1 for mine in seen.targets for place in mine):
        raise Mistake(
            en="Positions inside the prompt or the picture are scored, too. Nobody is to say those.",
            zh="提示词或图片里的位置也计入了损失。那些不该由模型说出来。",
        )
    if seen.scores_padding:
        raise Mistake(
            en="The shift is right, but padding is scored: set its labels to −100.",
            zh="错开是对了，但填充也计入了损失：把它们的标签设成 −100。",
        )
    if not seen.scores_end:
        raise Mistake(
            en="The end of the text is no target any more: a caption would never learn to stop.",
            zh="文本结束符不在目标里了：这样永远学不会停下来。",
        )
    if any(-1 not in mine for mine in seen.targets):
        raise Mistake(
            en="The first token of each caption is not learned: the last position before the text has to predict it.",
            zh="每句的第一个词元没有学：它要由文字前面的最后一个位置来预测。",
        )
    if any(len(mine) != length for mine, length in zip(seen.targets, lengths)):
        raise Mistake(en="Some tokens of the captions are not scored.", zh="说明文字里有些词元没有计入损失。")
    if not experiments.library_loss(answer, model, captions).passed:
        raise Mistake(
            en="The right targets, but not the library's number: it takes the mean over all scored tokens.",
            zh="目标都对了，可是和库的数不一样：库是对所有计入损失的词元取平均。",
        )


loss = Exercise(
    _loss,
    praise=Text(
        en="The X-ray shows every position against its next token, the end included, and the number is the library's.",
        zh="X 光显示，每个位置对照的都是下一个词元，结束符也在内；得到的数和库的一样。",
    ),
    hints=(
        Text(
            en="Which position has to say the first word of the caption? It has no word in it.",
            zh="说明文字的第一个词该由哪个位置说出来？那个位置上还没有词。",
        ),
        Text(
            en="The text begins at position `before`. You need as many positions as there are labels, from one earlier.",
            zh="文字从位置 before 开始。要取的位置和标签一样多，只是提前一位取起。",
        ),
        Text(
            en="logits[:, before - 1 : -1]; all other lines may stay.",
            zh="logits[:, before - 1 : -1]，其余各行都不用改。",
        ),
    ),
)


# --- the text encoder --------------------------------------------------------------------------------------------


def _encode(answer: Callable[..., Tensor], clip: CLIPModel, processor: CLIPProcessor) -> None:
    names, context = ["cat", "red umbrella"], experiments.some_context(clip, 4).requires_grad_()  # of two lengths
    ours, right = answer(clip, processor, names, context), museum.encode_right(clip, processor, names, context)
    expect_tensor(ours, tuple(right.shape), "encode(clip, processor, names, context)")
    ids, slots = museum.texts_with_slots(processor, names, len(context))
    tables = clip.text_model.embeddings
    rows, places = tables.token_embedding(ids), tables.position_embedding.weight[: ids.shape[1]]

    def entering(vectors: Tensor) -> Tensor:
        return museum.at_the_end(clip, text_layers(clip, vectors), ids)

    if close(ours, right):
        if not ours.requires_grad:
            raise Mistake(
                en="The features are right, but no gradient reaches the context: did .detach(), .data or no_grad cut it off?",
                zh="特征对了，但梯度到不了上下文向量：是不是 .detach()、.data 或 no_grad 把它切断了？",
            )
        return
    with_context = overwrite(rows, slots, context)
    for vectors, mistake in (
        (
            with_context + 2 * places,
            Mistake(
                en="The identity test still fails: the position embeddings are in there twice. tables(inputs_embeds=…) adds them once by itself.",
                zh="换回词语自己的向量，还是对不上：位置嵌入加了两次。tables(inputs_embeds=…) 自己就会加一次。",
            ),
        ),
        (
            with_context,
            Mistake(
                en="Now the position embeddings are not in there at all: the tower could not tell the first vector from the fourth.",
                zh="这下位置嵌入一次也没加：塔分不出第一个向量和第四个向量。",
            ),
        ),
        (
            overwrite(rows + places, slots, context) + places,
            Mistake(
                en="The words have their position embeddings twice, and the context once: put the context in first, then add them to all.",
                zh="词的位置嵌入加了两次，上下文向量的只加了一次：先放上下文向量，再统一加位置嵌入。",
            ),
        ),
        (
            overwrite(rows + places, slots, context),
            Mistake(
                en="The words have their position embeddings, the context has none: it went in after they were added.",
                zh="词有位置嵌入，上下文向量没有：它是在加完位置嵌入之后才放进去的。",
            ),
        ),
        (
            rows + places,
            Mistake(
                en="These are the features of the placeholders: the context is nowhere in them.",
                zh="这是占位词元的特征：上下文向量根本没放进去。",
            ),
        ),
    ):
        if close(ours, entering(vectors)):
            raise mistake
    if close(F.normalize(ours, dim=-1), F.normalize(right, dim=-1)):
        raise Mistake(
            en="The direction is right, the norm is not: give the features as they leave CLIP, not yet normalised.",
            zh="方向对了，模长不对：特征要原样交出来，先不要归一化。",
        )
    if close(ours, museum.encode_at_start(clip, processor, names, context)):
        raise Mistake(
            en="You read off at the start of the text, which has seen nothing.",
            zh="你在文本开头取了结果，那里什么也没看到。",
        )
    if close(ours, clip.text_projection(text_layers(clip, with_context + places)[:, -1])):
        raise Mistake(
            en="You read off at the last place, and behind a shorter text that is padding: museum.at_the_end finds the end of each.",
            zh="你在最后一个位置取了结果，可短一些的文字后面是填充：museum.at_the_end 会找到每段文字自己的结尾。",
        )
    raise Mistake(
        en="The identity test still fails: rows, the context in the slots, the position embeddings once, the layers, the end.",
        zh="换回词语自己的向量，还是对不上。顺序应该是：查行，把上下文向量放进槽位，加一次位置嵌入，过各层，取结尾。",
    )


encode = Exercise(
    _encode,
    praise=Text(
        en="The words' own vectors now give what the words give. One line less, and it is CLIP again.",
        zh="现在，换成词语自己的向量，得到的就和词语一样了。少了一行，它又是 CLIP 了。",
    ),
    hints=(
        Text(
            en="`tables` is CLIP's own embeddings module. What does it do with inputs_embeds?",
            zh="tables 是 CLIP 自己的嵌入模块。拿到 inputs_embeds 以后，它会做什么？",
        ),
        Text(
            en="It adds the position embeddings. So nobody else should.",
            zh="它会把位置嵌入加上。所以别处就不要再加了。",
        ),
        Text(
            en="Copy the code behind the glass without the line that names position_embedding.",
            zh="照抄展柜里的代码，去掉写着 position_embedding 的那一行。",
        ),
    ),
)


# --- who learns --------------------------------------------------------------------------------------------------


class _Hiding(nn.Module):
    """A tiny model that says of its parameters only what suits it: two frozen ones have a gradient, one of them zero."""

    def __init__(self, thawed: bool) -> None:
        super().__init__()
        self.body = nn.Linear(3, 3, bias=False).requires_grad_(thawed)
        self.silent = nn.Parameter(torch.ones(3), requires_grad=thawed)
        self.unused = nn.Parameter(torch.ones(3))
        self.prompt = nn.Parameter(torch.ones(3))
        self.head = nn.Linear(3, 1, bias=False).requires_grad_(False)

    def parameters(self, recurse: bool = True) -> Any:
        return iter([self.prompt])

    def forward(self) -> Tensor:
        return self.head(self.body(self.prompt) + 0 * self.silent).sum()


def _learners(answer: Callable[[nn.Module], list[str]]) -> None:
    for thawed, right in ((True, {"body.weight", "silent", "prompt"}), (False, {"prompt"})):
        model = _Hiding(thawed)
        model().backward()
        ours = answer(model)
        if ours is None:
            raise Mistake(en="Nothing comes back: is there a return?", zh="什么也没有返回：是不是少了 return？")
        if isinstance(ours, int):
            raise Mistake(
                en="That is a number. Which ones are they? Give back their names.",
                zh="这是个数。到底是哪几个？要返回名字。",
            )
        ours = list(ours)
        if ours and not all(isinstance(name, str) for name in ours):
            raise Mistake(
                en="Give back the names, and go by named_parameters(): parameters() has been overridden here, and hides the rest.",
                zh="要返回名字，而且要用 named_parameters()：这里的 parameters() 被改写过，会把别的藏起来。",
            )
        ours = set(ours)
        if ours == right:
            continue
        everything = {name for name, _ in model.named_parameters()}
        if ours == everything:
            raise Mistake(
                en="These are all parameters. Keep those whose .grad is not None.",
                zh="这是全部参数。只留下 .grad 不是 None 的。",
            )
        if ours == everything - right:
            raise Mistake(en="The other way round: these hold no gradient.", zh="反了：这些恰好是没有梯度的。")
        if "unused" in ours:
            raise Mistake(
                en="`unused` wants a gradient and never received one. Ask for what was computed: .grad, not requires_grad.",
                zh="unused 想要梯度，可是从来没收到过。要问的是算出来的 .grad，而不是 requires_grad。",
            )
        if "silent" in right and "silent" not in ours and "body.weight" in ours:
            raise Mistake(
                en="`silent` holds a gradient of zeros: it, too, was computed and takes memory. Only None means that there is none.",
                zh="silent 的梯度全是零：那也是算出来的，也占内存。只有 None 才表示没有。",
            )
        if ours == {"prompt"}:
            raise Mistake(
                en="You believed parameters(), which has been overridden here. named_parameters() does not go through it.",
                zh="你相信了 parameters()，可它在这里被改写过。named_parameters() 不经过它。",
            )
        raise Mistake(
            en="Go through model.named_parameters(), and keep the names whose parameter has a .grad that is not None.",
            zh="遍历 model.named_parameters()，留下 .grad 不是 None 的那些参数的名字。",
        )


learners = Exercise(
    _learners,
    praise=Text(
        en="Two lines, and nothing that a model says of itself is taken on trust.",
        zh="两行代码；模型自己怎么说，一概不轻信。",
    ),
    hints=(
        Text(
            en="model.named_parameters() gives pairs of name and parameter, and nobody overrides it.",
            zh="model.named_parameters() 给出一对对名字和参数，也没有人去改写它。",
        ),
        Text(
            en="After backward, parameter.grad is a tensor, or None where nothing was computed.",
            zh="反向传播之后，parameter.grad 是张量；没有算过的是 None。",
        ),
        Text(
            en="[name for name, parameter in model.named_parameters() if …]",
            zh="[name for name, parameter in model.named_parameters() if …]，把省略号换成条件。",
        ),
    ),
)


# --- whose table -------------------------------------------------------------------------------------------------


def _reads_back(answer: Callable[..., bool], clip: CLIPModel, processor: CLIPProcessor) -> None:
    ids = processor.tokenizer("a photo of a red cat", add_special_tokens=False)["input_ids"]
    asked: list[Tensor] = []

    def own(vectors: Tensor, clip: CLIPModel, processor: CLIPProcessor, k: int = 3) -> list[list[str]]:
        asked.append(vectors)
        return museum.read_by_own_table(vectors, clip, processor, k)

    def half(vectors: Tensor, clip: CLIPModel, processor: CLIPProcessor, k: int = 3) -> list[list[str]]:
        right = museum.read_by_own_table(vectors, clip, processor, k)
        return right[:1] + museum.read_by_default_table(vectors, clip, processor, k)[1:]

    def second(vectors: Tensor, clip: CLIPModel, processor: CLIPProcessor, k: int = 3) -> list[list[str]]:
        return [row[1:] + row[:1] for row in museum.read_by_own_table(vectors, clip, processor, k)]

    found = answer(own, clip, processor, ids)
    if found is None:
        raise Mistake(en="Nothing comes back: is there a return?", zh="什么也没有返回：是不是少了 return？")
    if not isinstance(found, bool):
        raise Mistake(
            en=f"Give back true or false; this is of type {type(found).__name__}.",
            zh=f"要返回真或假，你给的是 {type(found).__name__}。",
        )
    if not asked:
        raise Mistake(
            en="`read` was never called. Let it read rows whose words you know.",
            zh="根本没有调用 read。让它去读词义已知的行。",
        )
    if not found:
        raise Mistake(
            en="A reader that looks into the right table fails your test. Compare its nearest token with "
            "convert_ids_to_tokens(ids), which has the same spelling.",
            zh="查对了表的 read 也过不了你的检验。拿它给出的最近词元，和 convert_ids_to_tokens(ids) 比，写法是一样的。",
        )
    for reader, mistake in (
        (
            museum.read_by_default_table,
            Mistake(
                en="A reader that looks into another model's table passes your test. Its width is right, and all that it gives are real tokens of the vocabulary.",
                zh="查错了表的 read 也通过了你的检验。它的宽度对得上，给出的也都是真有的词元。",
            ),
        ),
        (
            half,
            Mistake(
                en="Here only the first row was read right, and your test passes. All of them must be.",
                zh="这里只有第一行读对了，你的检验却通过了。每一行都要对。",
            ),
        ),
        (
            second,
            Mistake(
                en="Here the right word is among the nearest, but not the nearest. The row itself lies at distance zero.",
                zh="这里正确的词在最近的几个里面，但不是最近的。那一行离自己的距离是零。",
            ),
        ),
    ):
        if answer(reader, clip, processor, ids):
            raise mistake


reads_back = Exercise(
    _reads_back,
    praise=Text(
        en="No reading of a learned vector should be believed before this test has passed.",
        zh="这一关没过之前，学出来的向量读成什么词，都不要信。",
    ),
    hints=(
        Text(
            en="The model's own rows: clip.text_model.embeddings.token_embedding.weight[ids].",
            zh="模型自己的行：clip.text_model.embeddings.token_embedding.weight[ids]。",
        ),
        Text(
            en="read(rows, clip, processor) gives a list for each row, the nearest token first.",
            zh="read(rows, clip, processor) 给每一行返回一个列表，最近的词元排在最前面。",
        ),
        Text(
            en="Compare [nearest[0] for nearest in …] with processor.tokenizer.convert_ids_to_tokens(ids).",
            zh="拿 [nearest[0] for nearest in …] 和 processor.tokenizer.convert_ids_to_tokens(ids) 比。",
        ),
    ),
)


# --- the choice --------------------------------------------------------------------------------------------------


@cache
def _small() -> FewShot:
    """Noisy points of four classes, few of them: of these every wrong way to choose reports another number than the right ones."""
    random = torch.Generator().manual_seed(474)
    centres = torch.randn(4, 12, generator=random)

    def part(each: int) -> tuple[Tensor, Tensor]:
        labels = torch.arange(4).repeat_interleave(each)
        points = centres[labels] + 2.2 * torch.randn(len(labels), 12, generator=random)
        return F.normalize(points, dim=-1), labels

    return FewShot(part(6), part(5), part(15))


def _told(data: FewShot) -> dict[str, float]:
    """What is reported on these points by each way to choose."""
    steps = list(museum.epochs(data))
    test, checks, train = (
        [museum.accuracy(weights, *pictures) for weights in steps]
        for pictures in (data.test, data.validation, data.train)
    )
    losses, test_losses = (
        [museum.loss_of(weights, *pictures) for weights in steps] for pictures in (data.validation, data.test)
    )
    by_loss = losses.index(min(losses))
    return {
        "loss": test[by_loss],
        "accuracy": test[checks.index(max(checks))],
        "best": max(test),
        "test loss": test[test_losses.index(min(test_losses))],
        "validation": checks[by_loss],
        "validation best": max(checks),
        "last": test[-1],
        "first": test[0],
        "train": train[by_loss],
    }


def _report(answer: Callable[[FewShot], float]) -> None:
    told = _told(_small())
    ours = answer(_small())
    if ours is None:
        raise Mistake(en="Nothing comes back: is there a return?", zh="什么也没有返回：是不是少了 return？")
    if isinstance(ours, Tensor) and ours.dim() == 2:
        raise Mistake(
            en="These are the weights. Report their accuracy on the test pictures.",
            zh="这是权重。要报告的是它们在测试图片上的准确率。",
        )
    expect_number(ours)

    def equal(name: str) -> bool:
        return abs(ours - told[name]) < 1e-6

    if equal("loss") or equal("accuracy"):
        return
    if equal("best") or equal("test loss"):
        raise Mistake(
            en="Still chosen by the test pictures: this is the best that was ever seen on them.",
            zh="还是按测试图片挑的：这是它们上面出现过的最好成绩。",
        )
    if equal("validation") or equal("validation best"):
        raise Mistake(
            en="Well chosen, but this is the accuracy on the validation pictures, by which you chose. Report the test pictures.",
            zh="挑得对，可这是验证集上的准确率，而你正是按它挑的。要报告测试图片上的。",
        )
    if equal("last"):
        raise Mistake(
            en="That is simply the last epoch, in which the training loss is smallest. The validation pictures are there to choose by.",
            zh="这只是最后一轮，训练集损失在这一轮最小。要挑，就按验证集来挑。",
        )
    if equal("first"):
        raise Mistake(
            en="That is the first epoch: is the largest loss chosen in place of the smallest?",
            zh="这是第一轮：是不是把最小的损失挑成了最大的？",
        )
    raise Mistake(
        en="Of all epochs the one with the smallest validation loss, and of that one the accuracy on the test pictures.",
        zh="在所有轮里挑验证集损失最小的那一轮，再报告它在测试图片上的准确率。",
    )


report = Exercise(
    _report,
    praise=Text(
        en="The test pictures are asked once, by one model. On shuffled labels this reports chance.",
        zh="测试图片只问了一次，问的是同一个模型。标签打乱之后，它报告的就是瞎猜的水平。",
    ),
    hints=(
        Text(en="data.test may appear once only, after the choice.", zh="data.test 只能出现一次，而且要在挑完之后。"),
        Text(
            en="museum.epochs(data) gives the weights after each epoch; museum.loss_of(weights, *data.validation) their loss.",
            zh="museum.epochs(data) 给出每一轮之后的权重；museum.loss_of(weights, *data.validation) 是它们的损失。",
        ),
        Text(
            en="min(museum.epochs(data), key=lambda weights: …), and then museum.accuracy(kept, *data.test).",
            zh="先 min(museum.epochs(data), key=lambda weights: …)，再 museum.accuracy(kept, *data.test)。",
        ),
    ),
)


# --- the writer --------------------------------------------------------------------------------------------------

LOGITS = torch.tensor(
    [0.0, 3.0, 2.6, 1.0, -1.0, 2.0]
)  # probabilities 0.02, 0.44, 0.29, 0.06, 0.01, 0.16, sorted: 1, 2, 5, 3, 0, 4


def _draws(answer: Callable[..., Any], top_p: float, temperature: float, seed: int = 0, number: int = 600) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    drawn = []
    for _ in range(number):
        id = answer(LOGITS.clone(), top_p, temperature, generator)
        if id is None:
            raise Mistake(en="Nothing comes back: is there a return?", zh="什么也没有返回：是不是少了 return？")
        if not isinstance(id, (int, Tensor)) or (isinstance(id, Tensor) and id.numel() != 1):
            raise Mistake(en="One id is wanted.", zh="要返回的是一个编号。")
        drawn.append(int(id))
    return drawn


def _next_token(answer: Callable[..., Any]) -> None:
    drawn = _draws(answer, 0.7, 1.0)  # the two likeliest together have 0.73
    if set(drawn) == {1}:
        narrow = _draws(answer, 0.95, 3.0, number=200)
        if set(narrow) == {1}:
            raise Mistake(
                en="The same token 800 times, whatever the options: nothing is drawn here, the likeliest is taken.",
                zh="不管选项怎么设，800 次都是同一个词元：这里什么也没有抽，取的就是最可能的那个。",
            )
        raise Mistake(
            en="With top_p = 0.7 only the likeliest is left, which has 0.44. The token with which the sum reaches top_p still belongs.",
            zh="top_p = 0.7 时只剩下最可能的那个，可它只占 0.44。让总和达到 top_p 的那个词元也要留下。",
        )
    if not set(drawn) <= {1, 2}:
        raise Mistake(
            en="With top_p = 0.7 only the two likeliest may be drawn, and others were: draw from what the filter has left.",
            zh="top_p = 0.7 时，只该抽到最可能的两个，却抽到了别的：要从过滤之后剩下的里面抽。",
        )
    if len(set(drawn)) == 1:
        raise Mistake(
            en="600 draws, and always the same token: draw with the generator that you are given. One seeded anew draws the same each time.",
            zh="抽了 600 次，总是同一个词元：要用传进来的 generator 抽。每次都重新设种子，抽到的就永远一样。",
        )
    share = drawn.count(1) / len(drawn)
    if abs(share - 0.5) < 0.04:
        raise Mistake(
            en="What is left is drawn with equal probabilities. The likelier should come more often.",
            zh="剩下的词元抽到的机会一样大。更可能的那个应该抽到得更多。",
        )
    hot, cold = _draws(answer, 1.0, 5.0), _draws(answer, 1.0, 0.3)
    if abs(hot.count(1) - cold.count(1)) < 120:
        raise Mistake(
            en="A temperature of 5 and one of 0.3 draw alike: divide the logits by it.",
            zh="温度 5 和温度 0.3 抽出来差不多：要拿 logits 除以温度。",
        )
    if hot.count(1) > cold.count(1):
        raise Mistake(
            en="A high temperature should make it bolder: divide by it, do not multiply.",
            zh="温度高应该更大胆：是除以温度，不是乘。",
        )
    if set(_draws(answer, 0.1, 1.0, number=50)) != {1}:
        raise Mistake(
            en="With top_p = 0.1 the likeliest token alone must be left.",
            zh="top_p = 0.1 时，应该只剩下最可能的那个词元。",
        )
    if _draws(answer, 1.0, 2.0, number=40) != _draws(answer, 1.0, 2.0, number=40):
        raise Mistake(
            en="The same seed gives another text each time: hand the generator to torch.multinomial.",
            zh="同一个种子，每次写出来却不一样：把 generator 交给 torch.multinomial。",
        )


next_token = Exercise(
    _next_token,
    praise=Text(
        en="Filter, then draw: both options do something, and a seed gives the same text again.",
        zh="先过滤，再抽：两个选项都起作用了，同一个种子还能写出同样的文字。",
    ),
    hints=(
        Text(
            en="Everything but the last line may stay. What does argmax make of the filter, which never takes the largest away?",
            zh="除了最后一行，别的都可以不动。过滤从来不会去掉最大的那个，那 argmax 之后，过滤还剩下什么作用？",
        ),
        Text(
            en="torch.multinomial(probabilities, 1, generator=generator) draws a place by its probability.",
            zh="torch.multinomial(probabilities, 1, generator=generator) 按概率抽一个位置。",
        ),
        Text(
            en="The probabilities of what is left: logits.softmax(-1), in which minus infinity becomes zero.",
            zh="剩下那些的概率就是 logits.softmax(-1)，负无穷在里面会变成零。",
        ),
    ),
)


# --- predictions and quizzes -------------------------------------------------------------------------------------

scored = Prediction(
    Text(
        en="Read the code behind the glass once more. What is wrong with this loss?",
        zh="再读一遍展柜里的代码。这个损失错在哪里？",
    ),
    (
        Text(en="padding is scored as well", zh="填充也计入了损失"),
        Text(en="each token is scored against itself", zh="每个词元对照的是它自己"),
        Text(en="the soft prompt and the picture are scored as well", zh="软提示词和图片也计入了损失"),
        Text(en="nothing: small losses are good losses", zh="没有错：损失小就是好"),
    ),
    lambda verdict: {"padding": 0, "itself": 1, "prefix": 2}.get(verdict, 3),
    Text(
        en="What is predicted at a token is compared with that token, which stands in the input. Copying earns a loss of nearly zero. In "
        "KempnerInstitute/KempnerForge, issue 154, the loss showed as 0.0000.",
        zh="每个词元处的预测，拿来对照的就是这个词元，而它就写在输入里，照抄就能让损失接近零。在 KempnerInstitute/KempnerForge 的 issue 154 里，"
        "损失显示成了 0.0000。",
    ),
)

positions = Prediction(
    Text(
        en="It trains like the repaired one, and the accuracy is as good. The identity test says that it is not CLIP. What is wrong?",
        zh="它训练起来和修好的一样，准确率也不差。可是换回词语自己的向量一比，它已经不是 CLIP 了。错在哪里？",
    ),
    (
        Text(en="the positions are not added", zh="没有加位置嵌入"),
        Text(en="the positions are added once; something else is wrong", zh="位置嵌入只加了一次，错在别处"),
        Text(en="the positions are added twice", zh="位置嵌入加了两次"),
    ),
    lambda times: 0 if times < 0.5 else 1 if times < 1.5 else 2,
    Text(
        en="One line adds them, and tables(inputs_embeds=…) adds them again. The tower puts up with it: each text still differs from "
        "every other, and training bends the context to what there is.",
        zh="有一行代码加了一次，tables(inputs_embeds=…) 又加了一次。塔居然受得了：各段文字还是互不相同，训练又会让上下文向量去迁就现状。",
    ),
)

gradients = Prediction(
    Text(
        en="One backward pass through this model: whose gradients are computed?",
        zh="对这个模型做一次反向传播：会为哪些张量计算梯度？",
    ),
    (
        Text(en="the prompt's alone: parameters() gives nothing else", zh="只有提示词的：parameters() 只给出它"),
        Text(
            en="those of the prompt, and of every tensor that should be frozen", zh="提示词的，还有每个本该冻结的张量的"
        ),
        Text(en="none, as long as no optimiser makes a step", zh="一个也没有，优化器还没走一步呢"),
    ),
    lambda tensors: 2 if tensors == 0 else 0 if tensors == 1 else 1,
    Text(
        en="backward() never asks parameters(). It follows requires_grad, and that is still true everywhere. And since zero_grad() does ask "
        "parameters(), those gradients are never cleared, but pile up.",
        zh="backward() 从来不问 parameters()，它只看 requires_grad，而那里处处都还是 True。偏偏 zero_grad() 要问 parameters()，所以这些梯度"
        "从来没人清掉，一步一步越积越多。",
    ),
)

nonsense = Prediction(
    Text(
        en="We shuffle the labels of the training and validation pictures, so there is nothing to learn. With 24 classes chance is 4.2 %. "
        "The script runs a hundred times, each time with another shuffle. What does it report on average?",
        zh="我们把训练和验证图片的标签打乱，这样就没有东西可学了。24 个类别，瞎猜是 4.2%。脚本跑一百遍，每遍打乱得不一样。它平均会报告多少？",
    ),
    (
        Text(en="chance, within half a point", zh="就是瞎猜的水平，相差不到半个百分点"),
        Text(en="more than that, below ten per cent", zh="高一些，但不到百分之十"),
        Text(en="ten per cent or more", zh="百分之十以上"),
    ),
    lambda told: 0 if told < 1 / 24 + 0.005 else 1 if told < 0.1 else 2,
    Text(
        en="Thirty epochs are thirty draws, if not quite independent ones, and the luckiest is told. With 480 test pictures luck is small, yet a gain that a paper reports "
        "may be smaller.",
        zh="三十轮就像抽三十次签，只是彼此不完全独立；报告的是手气最好的一次。测试图片有 480 张，运气的成分不算大；可是论文里报告的提升，有时比这还小。",
    ),
)

options = Prediction(
    Text(
        en="Sixteen captions of one picture: eight seeds with top_p 0.5 and temperature 0.7, eight with 0.98 and 1.5. How many different texts?",
        zh="给同一张图写十六句：八个种子用 top_p 0.5、温度 0.7，八个用 0.98 和 1.5。会有几种不同的文字？",
    ),
    (
        Text(en="one", zh="一种"),
        Text(en="two, one for each setting", zh="两种，每组设置一种"),
        Text(en="more than two", zh="两种以上"),
    ),
    lambda texts: min(texts, 3) - 1,
    Text(
        en="The filter takes away unlikely tokens, never the likeliest, and a temperature keeps their order. Then argmax takes the "
        "likeliest. Nothing is left for the options to do, and no seed is ever asked.",
        zh="过滤去掉的是不太可能的词元，从来不动最可能的那个；温度也不改变先后次序。然后 argmax 取走的正是最可能的那个。选项再怎么设都没有用，种子根本没人问。",
    ),
)

trust = Quiz(
    Text(
        en="What came out are real tokens of the vocabulary. What shows that they were looked up in the right table?",
        zh="读出来的，都是词表里真有的词元。怎样才能知道查的是不是对的表？",
    ),
    (
        Choice(
            Text(en="The widths agree, or there would be an error.", zh="宽度对得上，否则早就报错了。"),
            Text(
                en="They agree by chance of design: CLIP's RN50 and its ViTs of the usual size both have text vectors of 512 numbers.",
                zh="那只是设计上的巧合：CLIP 的 RN50 和常用的 ViT，文本向量都是 512 个数。",
            ),
        ),
        Choice(
            Text(en="The words make sense for the task.", zh="这些词和任务说得通。"),
            Text(
                en="People find sense in any three words. And with the right table, too, the words are often odd: lesson 04 measures that.",
                zh="随便三个词，人都能看出道理来。再说就算查对了表，读出来的词也常常古怪：第 04 课会量这件事。",
            ),
        ),
        Choice(
            Text(en="The distances are small.", zh="距离很小。"),
            Text(
                en="Small beside what? Every vector has a nearest row in every table.",
                zh="和什么比算小？不管哪个向量，在哪张表里都有一个最近的行。",
            ),
        ),
        Choice(
            Text(en="Vectors whose words we know read back as those words.", zh="词义已知的向量，读回来还是那些词。"),
            Text(
                en="That is a question with a known answer. A row of the right table lies at distance zero from itself.",
                zh="这是一个事先知道答案的问题。查的是对的表，那一行到自己的距离就是零。",
            ),
            right=True,
        ),
    ),
)

symptom = Quiz(
    Text(
        en="Every caption is right, and then goes on: “a red cat in the snow. a red cat in the snow. a red …”, up to the limit. Which experiment first?",
        zh="每句说明文字都对，可是说完还接着说：“a red cat in the snow. a red cat in the snow. a red …”，一直到长度上限。先做哪个实验？",
    ),
    (
        Choice(
            Text(en="The same batch twice.", zh="同一批算两次。"),
            Text(
                en="That finds something random, such as dropout. Here everything is steady, and steadily wrong.",
                zh="那是用来找随机性的，比如 dropout。这里每次都一样，一样地错。",
            ),
        ),
        Choice(
            Text(en="The X-ray: is the end of the text a target?", zh="X 光：文本结束符在不在目标里？"),
            Text(
                en="Nobody ever asked the model to say the end. In rmokady/CLIP_prefix_caption, issue 43, captions went on with spaces up to the limit.",
                zh="从来没有人要求模型说出结束符。在 rmokady/CLIP_prefix_caption 的 issue 43 里，说明文字后面跟着一串空格，直到长度上限。",
            ),
            right=True,
        ),
        Choice(
            Text(en="More padding.", zh="多填充几个位置。"),
            Text(
                en="Padding that is scored teaches what to say behind the end, which nobody asks. The end itself is learned then.",
                zh="填充要是计入了损失，学到的是结束符后面该说什么，那没有人会问；而结束符本身是学到了的。",
            ),
        ),
        Choice(
            Text(en="The words' own vectors in the slots.", zh="在槽位里放词语自己的向量。"),
            Text(
                en="That is an experiment for text encoders. Captions begin and go on rightly here; only the end is missing.",
                zh="那是给文本编码用的实验。这里开头和中间都对，缺的只是结尾。",
            ),
        ),
    ),
)

only_one = Quiz(
    Text(
        en="You may run a single experiment on a text encoder that you have just downloaded. Which one finds most of the mistakes in the table above?",
        zh="刚下载了一份文本编码的代码，只许做一个实验。上面表里的错误，做哪个实验发现得最多？",
    ),
    (
        Choice(
            Text(en="train it, and look at the accuracy", zh="训练一次，看准确率"),
            Text(
                en="Exhibit 2 trained as well as the repaired code. Training makes up for much, and hides it.",
                zh="2 号展品训练出来和修好的一样好。训练能弥补很多问题，也就把它们藏了起来。",
            ),
        ),
        Choice(
            Text(en="the vectors of “a photo of a” as context", zh="拿“a photo of a”的向量当上下文"),
            Text(
                en="Nearly: but all these words are single tokens, so a number of vectors that is counted in words passes.",
                zh="差一点：这几个词都只有一个词元，所以按单词数出来的个数也能通过。",
            ),
        ),
        Choice(
            Text(en="the vectors of words that split, as context", zh="拿会拆开的词的向量当上下文"),
            Text(
                en="It rings for all five. What is wrong it does not say: that is what the other experiments are for.",
                zh="五份坏代码，它都会报警。至于错在哪里，它不会说：那要靠别的实验。",
            ),
            right=True,
        ),
        Choice(
            Text(en="whether every vector receives a gradient", zh="看每个向量是不是都收到梯度"),
            Text(
                en="It rings for two of the five. A gradient can flow through a tower that is wrong.",
                zh="五份里它只对两份报警。塔是错的，梯度照样流得过去。",
            ),
        ),
    ),
)
