"""Lesson 05: repair a loss, a text encoder, a choice and a writer; write the experiments that find what learns and whose table it is."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPModel, CLIPProcessor

from helpers.by_hand import run_text_layers
from helpers.captioner import VLMWithSoftPrompt
from helpers.context import overwrite
from helpers.data import FewShot, measure_accuracy
from lessons.kit.exercise import Mistake, Questions, close, expect_answer, expect_number, expect_tensor
from lessons.lesson_05_bug_museum import experiments, museum
from lessons.lesson_05_bug_museum.experiments import Captions

questions = Questions(__file__)


TOLERANCE = 1e-3  # of features: who adds up in another order comes nearer than that, and who makes a mistake does not


# --- the loss ----------------------------------------------------------------------------------------------------


@questions.exercise
def loss(answer: Callable[..., Tensor], model: VLMWithSoftPrompt, captions: Captions) -> None:
    ours = answer(model, *captions)
    expect_answer(ours)
    if not isinstance(ours, Tensor) or ours.dim():
        raise Mistake(en="One number is wanted, the mean loss, as a tensor.", zh="要的是一个数：平均损失，还是张量。")
    if not ours.requires_grad:
        raise Mistake(
            en="No gradient can flow back from this number: did .item(), .detach() or no_grad cut it off?",
            zh="梯度没法从这个数传回去：是不是 .item()、.detach() 或 no_grad 把它切断了？",
        )
    try:
        seen = experiments.take_x_ray(answer, model, captions)
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
    if not experiments.check_library_loss(answer, model, captions).passed:
        raise Mistake(
            en="The right targets, but not the library's number: it takes the mean over all scored tokens.",
            zh="目标都对了，可是和库的数不一样：库是对所有计入损失的词元取平均。",
        )


# --- the text encoder --------------------------------------------------------------------------------------------


@questions.exercise
def encode(answer: Callable[..., Tensor], clip: CLIPModel, processor: CLIPProcessor) -> None:
    names = ["cat", "red umbrella"]  # of two lengths
    context = experiments.sample_context(clip, 4).requires_grad_()
    ours, right = answer(clip, processor, names, context), museum.encode_right(clip, processor, names, context)
    expect_tensor(ours, tuple(right.shape), "encode(clip, processor, names, context)")
    ids, slots = experiments.tokenize_with_slots(processor, names, len(context))
    tables = clip.text_model.embeddings
    rows, places = tables.token_embedding(ids), tables.position_embedding.weight[: ids.shape[1]]

    def run_tower(vectors: Tensor) -> Tensor:
        return museum.read_off_end(clip, run_text_layers(clip, vectors), ids)

    if close(ours, right, TOLERANCE):
        if not ours.requires_grad:
            raise Mistake(
                en="The features are right, but no gradient reaches the context: did .detach(), .data or no_grad cut it off?",
                zh="特征对了，但梯度到不了上下文向量：是不是 .detach()、.data 或 no_grad 把它切断了？",
            )
        return
    with_context = overwrite(rows, slots, context)
    for vectors, en, zh in (
        (
            with_context + 2 * places,
            "The identity test still fails: the position embeddings are in there twice. tables(inputs_embeds=…) adds them once by itself.",
            "换回词语自己的向量，还是对不上：位置嵌入加了两次。tables(inputs_embeds=…) 自己就会加一次。",
        ),
        (
            with_context,
            "Now the position embeddings are not in there at all: the tower could not tell the first vector from the fourth.",
            "这下位置嵌入一次也没加：塔分不出第一个向量和第四个向量。",
        ),
        (
            overwrite(rows + places, slots, context) + places,
            "The words have their position embeddings twice, and the context once: put the context in first, then add them to all.",
            "词的位置嵌入加了两次，上下文向量的只加了一次：先放上下文向量，再统一加位置嵌入。",
        ),
        (
            overwrite(rows + places, slots, context),
            "The words have their position embeddings, the context has none: it went in after they were added.",
            "词有位置嵌入，上下文向量没有：它是在加完位置嵌入之后才放进去的。",
        ),
        (
            rows + places,
            "These are the features of the placeholders: the context is nowhere in them.",
            "这是占位词元的特征：上下文向量根本没放进去。",
        ),
    ):
        if close(ours, run_tower(vectors), TOLERANCE):
            raise Mistake(en=en, zh=zh)
    if close(F.normalize(ours, dim=-1), F.normalize(right, dim=-1), TOLERANCE):
        raise Mistake(
            en="The direction is right, the norm is not: give the features as they leave CLIP, not yet normalised.",
            zh="方向对了，模长不对：特征要原样交出来，先不要归一化。",
        )
    if close(ours, museum.encode_at_start(clip, processor, names, context), TOLERANCE):
        raise Mistake(
            en="You read off at the start of the text, which has seen nothing.",
            zh="你在文本开头取了结果，那里什么也没看到。",
        )
    if close(ours, clip.text_projection(run_text_layers(clip, with_context + places)[:, -1]), TOLERANCE):
        raise Mistake(
            en="You read off at the last place, and behind a shorter text that is padding: museum.read_off_end finds the end of each.",
            zh="你在最后一个位置取了结果，可短一些的文字后面是填充：museum.read_off_end 会找到每段文字自己的结尾。",
        )
    raise Mistake(
        en="The identity test still fails: rows, the context in the slots, the position embeddings once, the layers, the end.",
        zh="换回词语自己的向量，还是对不上。顺序应该是：查行，把上下文向量放进槽位，加一次位置嵌入，过各层，取结尾。",
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


@questions.exercise
def learners(answer: Callable[[nn.Module], list[str]]) -> None:
    for thawed, right in ((True, {"body.weight", "silent", "prompt"}), (False, {"prompt"})):
        model = _Hiding(thawed)
        model().backward()
        ours = answer(model)
        expect_answer(ours)
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


# --- whose table -------------------------------------------------------------------------------------------------


@questions.exercise
def reads_back(answer: Callable[..., bool], clip: CLIPModel, processor: CLIPProcessor) -> None:
    ids = processor.tokenizer("a photo of a red cat", add_special_tokens=False)["input_ids"]
    calls: list[Tensor] = []

    def read_right(vectors: Tensor, clip: CLIPModel, processor: CLIPProcessor, k: int = 3) -> list[list[str]]:
        calls.append(vectors)
        return museum.read_by_own_table(vectors, clip, processor, k)

    def read_first_right(vectors: Tensor, clip: CLIPModel, processor: CLIPProcessor, k: int = 3) -> list[list[str]]:
        right = museum.read_by_own_table(vectors, clip, processor, k)
        return right[:1] + museum.read_by_default_table(vectors, clip, processor, k)[1:]

    def read_second_nearest(vectors: Tensor, clip: CLIPModel, processor: CLIPProcessor, k: int = 3) -> list[list[str]]:
        return [row[1:] + row[:1] for row in museum.read_by_own_table(vectors, clip, processor, k)]

    found = answer(read_right, clip, processor, ids)
    expect_answer(found)
    if not isinstance(found, bool):
        raise Mistake(
            en=f"Give back true or false; this is of type {type(found).__name__}.",
            zh=f"要返回真或假，你给的是 {type(found).__name__}。",
        )
    if not calls:
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
    for reader, en, zh in (
        (
            museum.read_by_default_table,
            "A reader that looks into another model's table passes your test. Its width is right, and all that it gives are real tokens of the vocabulary.",
            "查错了表的 read 也通过了你的检验。它的宽度对得上，给出的也都是真有的词元。",
        ),
        (
            read_first_right,
            "Here only the first row was read right, and your test passes. All of them must be.",
            "这里只有第一行读对了，你的检验却通过了。每一行都要对。",
        ),
        (
            read_second_nearest,
            "Here the right word is among the nearest, but not the nearest. The row itself lies at distance zero.",
            "这里正确的词在最近的几个里面，但不是最近的。那一行离自己的距离是零。",
        ),
    ):
        if answer(reader, clip, processor, ids):
            raise Mistake(en=en, zh=zh)


# --- the choice --------------------------------------------------------------------------------------------------


@cache
def _make_small_split() -> FewShot:
    """Make noisy points of four classes, few of them: of these every wrong way to choose reports another number than the right ones."""
    random = torch.Generator().manual_seed(474)
    centres = torch.randn(4, 12, generator=random)

    def part(each: int) -> tuple[Tensor, Tensor]:
        labels = torch.arange(4).repeat_interleave(each)
        points = centres[labels] + 2.2 * torch.randn(len(labels), 12, generator=random)
        return F.normalize(points, dim=-1), labels

    return FewShot(part(6), part(5), part(15))


def _report_all(data: FewShot) -> dict[str, float]:
    """Report on these points by each way to choose."""
    steps = list(museum.train_probe(data))
    test, checks, train = (
        [measure_accuracy(pictures, weights) for weights in steps]
        for pictures in (data.test, data.validation, data.train)
    )
    losses, test_losses = (
        [museum.measure_probe_loss(pictures, weights) for weights in steps] for pictures in (data.validation, data.test)
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


@questions.exercise
def report(answer: Callable[[FewShot], float]) -> None:
    known = _report_all(_make_small_split())
    ours = answer(_make_small_split())
    expect_answer(ours)
    if isinstance(ours, Tensor) and ours.dim() == 2:
        raise Mistake(
            en="These are the weights. Report their accuracy on the test pictures.",
            zh="这是权重。要报告的是它们在测试图片上的准确率。",
        )
    expect_number(ours)

    def is_equal(name: str) -> bool:
        return abs(ours - known[name]) < 1e-6

    if is_equal("loss") or is_equal("accuracy"):
        return
    if is_equal("best") or is_equal("test loss"):
        raise Mistake(
            en="Still chosen by the test pictures: this is the best that was ever seen on them.",
            zh="还是按测试图片挑的：这是它们上面出现过的最好成绩。",
        )
    if is_equal("validation") or is_equal("validation best"):
        raise Mistake(
            en="Well chosen, but this is the accuracy on the validation pictures, by which you chose. Report the test pictures.",
            zh="挑得对，可这是验证集上的准确率，而你正是按它挑的。要报告测试图片上的。",
        )
    if is_equal("last"):
        raise Mistake(
            en="That is simply the last epoch, in which the training loss is smallest. The validation pictures are there to choose by.",
            zh="这只是最后一轮，训练集损失在这一轮最小。要挑，就按验证集来挑。",
        )
    if is_equal("first"):
        raise Mistake(
            en="That is the first epoch: is the largest loss chosen in place of the smallest?",
            zh="这是第一轮：是不是把最小的损失挑成了最大的？",
        )
    raise Mistake(
        en="Of all epochs the one with the smallest validation loss, and of that one the accuracy on the test pictures.",
        zh="在所有轮里挑验证集损失最小的那一轮，再报告它在测试图片上的准确率。",
    )


# --- the writer --------------------------------------------------------------------------------------------------

# probabilities 0.02, 0.44, 0.29, 0.06, 0.01, 0.16, sorted: 1, 2, 5, 3, 0, 4
LOGITS = torch.tensor([0.0, 3.0, 2.6, 1.0, -1.0, 2.0])


def _draw_tokens(
    answer: Callable[..., Any], top_p: float, temperature: float, seed: int = 0, number: int = 600
) -> list[int]:
    """Draw tokens by the answer, all from the same logits, with one generator."""
    generator = torch.Generator().manual_seed(seed)
    drawn = []
    for _ in range(number):
        id = answer(LOGITS.clone(), top_p, temperature, generator)
        expect_answer(id)
        if not isinstance(id, (int, Tensor)) or (isinstance(id, Tensor) and id.numel() != 1):
            raise Mistake(en="One id is wanted.", zh="要返回的是一个编号。")
        drawn.append(int(id))
    return drawn


@questions.exercise
def next_token(answer: Callable[..., Any]) -> None:
    drawn = _draw_tokens(answer, 0.7, 1.0)  # the two likeliest together have 0.73
    if set(drawn) == {1}:
        narrow = _draw_tokens(answer, 0.95, 3.0, number=200)
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
    hot, cold = _draw_tokens(answer, 1.0, 5.0), _draw_tokens(answer, 1.0, 0.3)
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
    if set(_draw_tokens(answer, 0.1, 1.0, number=50)) != {1}:
        raise Mistake(
            en="With top_p = 0.1 the likeliest token alone must be left.",
            zh="top_p = 0.1 时，应该只剩下最可能的那个词元。",
        )
    if _draw_tokens(answer, 1.0, 2.0, number=40) != _draw_tokens(answer, 1.0, 2.0, number=40):
        raise Mistake(
            en="The same seed gives another text each time: hand the generator to torch.multinomial.",
            zh="同一个种子，每次写出来却不一样：把 generator 交给 torch.multinomial。",
        )


# --- predictions and quizzes -------------------------------------------------------------------------------------


@questions.prediction
def scored(verdict: str) -> int:
    return {"padding": 0, "itself": 1, "prefix": 2}.get(verdict, 3)


@questions.prediction
def positions(times: float) -> int:
    # nearest to not at all, to once, or to twice
    return 0 if times < 0.5 else 1 if times < 1.5 else 2


@questions.prediction
def gradients(tensors: int) -> int:
    return 2 if tensors == 0 else 0 if tensors == 1 else 1


@questions.prediction
def nonsense(reported: float) -> int:
    # chance with 24 classes, within half a point, as the answers say
    return 0 if reported < 1 / 24 + 0.005 else 1 if reported < 0.1 else 2


@questions.prediction
def options(texts: int) -> int:
    return min(texts, 3) - 1


trust = questions.quiz("trust")
symptom = questions.quiz("symptom")
only_one = questions.quiz("only_one")
