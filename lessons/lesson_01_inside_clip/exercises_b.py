"""Lesson 01b: one attention head, the likeliest next token, what the mask is worth, what the first state says through the head, and who sees a changed token."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from helpers import by_hand
from lessons.kit.exercise import Mistake, Questions, close, expect_tensor

questions = Questions(__file__)

# --- one attention head ------------------------------------------------------------------------------------------


@questions.exercise
def head(answer: Callable[[Tensor, Tensor, Tensor, int, Tensor], Tensor]) -> None:
    heads, (B, T, W) = 2, (2, 4, 3)
    all_heads = torch.randn(3, B, T, heads * W, generator=torch.Generator().manual_seed(0))  # query, key, value
    query, key, value = all_heads[..., :W]  # (B, T, W)
    mask = by_hand.make_causal_mask(T)
    ours, fit = answer(*all_heads, heads, mask), query @ key.mT  # (B, T, T)
    shares = (fit / W**0.5 + mask).softmax(-1)
    shape = tuple(getattr(ours, "shape", ()))
    if shape == (B, T, T):
        raise Mistake(
            en="These are the attention weights: (T, T) says who looks at whom. What is taken is the weights times value.",
            zh="这是注意力权重：(T, T) 只说明谁看谁。真正拿到的，是权重乘上 value。",
        )
    if shape in ((B, T, heads * W), (B, heads, T, W)):
        raise Mistake(
            en=f"The heads are not split: one head works in {W} of the {heads * W} columns, and has its own softmax. Cut out its columns first.",
            zh=f"没有分头：一个头只用 {heads * W} 列里的 {W} 列，自己做自己的 softmax。先把这几列切出来。",
        )
    expect_tensor(ours, (B, T, W), "first_head(query, key, value, heads, mask)")
    if close(ours, shares @ value):
        return
    if _is_masked_late(ours, (fit / W**0.5).softmax(-1), value, mask):
        raise Mistake(
            en="The mask comes too late: after the softmax the future has had its share already. Add it to the scores before.",
            zh="掩码加晚了：做完 softmax，后面的位置已经分走了一份。要在 softmax 之前加到得分上。",
        )
    for scale, en, zh in (
        (1, "The scale is missing: divide the scores by", "少了缩放：得分要除以"),
        (W**-0.5, "You multiplied where one divides: divide the scores by", "该除的乘了：得分要除以"),
        (W, "You divided by the width itself: divide the scores by", "你除以的是宽度本身：得分要除以"),
        ((heads * W) ** 0.5, "That is the width of all heads together: divide the scores by", "这是所有头合起来的宽度：得分要除以"),
    ):  # fmt: skip
        if close(ours, (fit / scale + mask).softmax(-1) @ value):
            raise Mistake(
                en=f"{en} the square root of D / heads, here √{W}, or the softmax is too sure of itself or not enough.",
                zh=f"{zh} D / heads 的平方根，这里是 √{W}；不然 softmax 不是太尖，就是太平。",
            )
    if any(torch.allclose(ours, (fit / W**0.5 + mask).softmax(axis) @ value, equal_nan=True) for axis in (0, 1)):
        raise Mistake(
            en="The softmax runs along the wrong axis: each row, the position that looks, shares out its own 100 %, so take the last axis.",
            zh="softmax 沿错了轴：每一行是一个在看的位置，由它分配自己的 100%，所以要沿最后一维。",
        )
    if close(ours, (fit / W**0.5).softmax(-1) @ value):
        raise Mistake(
            en="There is no mask in it: every position sees the future. Add `mask` to the scores.",
            zh="没有用掩码：每个位置都看见了后面。把 mask 加到得分上。",
        )
    if close(ours, (fit.mT / W**0.5 + mask).softmax(-1) @ value):
        raise Mistake(
            en="Asked the other way round: rows are queries, columns are keys, so query @ key.mT.",
            zh="问反了：行是查询，列是键，应该是 query @ key.mT。",
        )
    if close(ours, (fit / W**0.5 + mask) @ value) or close(ours, (fit / W**0.5 + mask).exp() @ value):
        raise Mistake(
            en="The softmax is missing: the weights of each row must add up to 1.",
            zh="少了 softmax：每一行的权重加起来应该是 1。",
        )
    raise Mistake(
        en="The shape is right, the numbers are not: the first D / heads columns of each; query @ key.mT over the square root; plus mask; softmax; times value.",
        zh="形状对了，数不对：三者各取前 D / heads 列；query @ key.mT 除以平方根；加 mask；softmax；再乘 value。",
    )


def _is_masked_late(ours: Tensor, shares: Tensor, value: Tensor, mask: Tensor) -> bool:
    """Whether a mask was added to the shares, multiplied with them, or laid over them."""
    if close(ours, shares.tril() @ value):
        return True
    # added or multiplied there are infinities, but for the last row, which sees all; times 0 that row is 0
    last = ours[:, -1]
    return not ours.isfinite().all() and (close(last, (shares @ value)[:, -1]) or not last.any())


# --- the tied head -----------------------------------------------------------------------------------------------


@questions.exercise
def tied(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    # rows of very different lengths, so that the largest product is neither the nearest row nor the smallest angle
    random = torch.Generator().manual_seed(2)
    last, rows = torch.randn(2, 4, 3, generator=random), torch.randn(7, 3, generator=random)
    table = rows * torch.linspace(0.3, 3, 7)[:, None]
    scores = last @ table.T  # (B, T, V)
    ours = answer(last, table)
    shape = tuple(getattr(ours, "shape", ()))
    if shape == tuple(scores.shape):
        raise Mistake(
            en="These are scores of all tokens, (B, T, V). Which of them is the largest? Its number is the id.",
            zh="这是所有词元的得分，(B, T, V)。哪个最大？它的序号就是编号。",
        )
    if shape == (2, 7):
        raise Mistake(
            en="You compared places with each other: the best is to be found among the V tokens, along the last axis.",
            zh="你在各个位置之间比了：要在 V 个词元里找最大的，也就是沿最后一维。",
        )
    if shape == (2,):
        raise Mistake(
            en="One token for each text came out: that is how one writes on, but here every place has its prediction.",
            zh="每段文字只得到一个词元：往下写是这样，可这里每个位置都有自己的预测。",
        )
    expect_tensor(ours, (2, 4), "next_tokens(last, table)")
    if torch.equal(ours.float(), scores.argmax(-1).float()):
        return
    if close(ours, scores.amax(-1)) or close(ours, scores.softmax(-1).amax(-1)):
        raise Mistake(
            en="That is how large the best score is. Wanted is where it stands: argmax gives the id.",
            zh="这是最高得分的大小。要的是它在第几个：用 argmax 得到编号。",
        )
    if torch.equal(ours, scores.argmin(-1)):
        raise Mistake(en="That is the token that fits worst.", zh="这是最不合的那个词元。")
    if torch.equal(ours, (last @ F.normalize(table, dim=-1).T).argmax(-1)):
        raise Mistake(
            en="That is the cosine, as in CLIP. GPT-2's head takes the plain product: there a long row counts for more.",
            zh="这是余弦，CLIP 才这样算。GPT-2 的输出头就用乘积本身：模长大的行更占便宜。",
        )
    if torch.equal(ours, torch.cdist(last, table).argmin(-1)):
        raise Mistake(
            en="That is the row that lies nearest. The head asks for the largest product of vector and row.",
            zh="这是距离最近的行。输出头要的是向量和行的乘积最大。",
        )
    raise Mistake(
        en="The shape is right, the ids are not: multiply every vector with every row, and take the largest for each place.",
        zh="形状对了，编号不对：每个向量乘每一行，每个位置取最大的。",
    )


# --- predictions and quizzes -------------------------------------------------------------------------------------


@questions.prediction
def without_mask(losses: tuple[float, float]) -> int:
    # with the mask, and without
    masked, free = losses
    return 0 if free < 0.9 * masked else 1 if free < 1.1 * masked else 2


@questions.prediction
def first_state(shares: tuple[float, float]) -> int:
    # of how many places the token itself is said, and of how many the next one
    own, following = shares
    return 1 if own > 0.5 else 2 if following > 0.5 else 0


changed_token = questions.quiz("changed_token")
