"""Lesson 04: nearest rows, whether a table is the right one, principal components, snapping to words, a p-value, what is most missed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import ge, gt, le, lt
from typing import Any

import torch
from sklearn.decomposition import PCA
from torch import Tensor
from torch.nn import functional as F

from helpers import reading as by_library
from lessons.kit.exercise import Mistake, Questions, close, expect_answer, expect_number, expect_tensor
from lessons.lesson_04_reading import instruments, nulls
from pocket.words import COLOUR_WORDS, FILLER_ADJECTIVES, OBJECT_WORDS, SIZE_WORDS

questions = Questions(__file__)


def read_number(answer: Any, what: str) -> int | float:
    """The answer as a plain number; raises the Mistake that fits where it is none."""
    expect_answer(answer, what)
    if isinstance(answer, Tensor):
        if answer.numel() != 1:
            raise Mistake(
                en=f"{what} should be one number, and it is a tensor of {answer.numel()}.",
                zh=f"{what} 应该是一个数，而现在是含 {answer.numel()} 个数的张量。",
            )
        answer = answer.item()
    expect_number(answer)
    return answer


def expect_unchanged(given: Tensor, before: Tensor, name: str) -> None:
    """Raises Mistake where an answer has changed what it was given."""
    if not torch.equal(given, before):
        raise Mistake(
            en=f"`{name}` itself was changed. It belongs to the model, and would be spoiled for everybody: make a new tensor.",
            zh=f"{name} 本身被改了。它是模型的东西，改了别处全都跟着坏：请另做一个新张量。",
        )


def refuse(*mistakes: tuple[bool, str, str]) -> None:
    """Raises the first Mistake that was made. mistakes: whether it was, and what is then said in English and in Chinese."""
    for made, en, zh in mistakes:
        if made:
            raise Mistake(en=en, zh=zh)


# --- nearest rows ------------------------------------------------------------------------------------------------

SEED = 262  # of the little table below: with it no two mistakes give the same answer, and no two rows are nearly equally near


def _make_little_table() -> tuple[Tensor, Tensor]:
    """A table (9, 4) whose rows are of very different lengths, and vectors (4, 4)."""
    random = torch.Generator().manual_seed(SEED)
    lengths = torch.tensor([3.0, 0.5, 1.0, 0.4, 2.0, 0.7, 1.5, 0.3, 1.0])
    table = F.normalize(torch.randn(9, 4, generator=random), dim=-1) * lengths[:, None]
    return torch.randn(4, 4, generator=random), table


def _multiply_units(vectors: Tensor, table: Tensor, vectors_along: int, table_along: int) -> Tensor:
    """(M, V): dot products after each was normalised along one of its dimensions."""
    return F.normalize(vectors, dim=vectors_along) @ F.normalize(table, dim=table_along).T


@questions.exercise
def nearest(answer: Callable[[Tensor, Tensor, int], Tensor]) -> None:
    (vectors, table), k = _make_little_table(), 3
    M, V = len(vectors), len(table)
    given = vectors.clone(), table.clone()
    ours = answer(*given, k)
    shape = tuple(getattr(ours, "shape", ()))
    refuse(
        (hasattr(ours, "indices") and hasattr(ours, "values") and not isinstance(ours, Tensor),
         "topk and sort give two things, values and indices. The ids are the indices.",
         "topk 和 sort 会给出两样东西：values 和 indices。编号是 indices。"),
        (shape == (M, V),
         f"All {V} rows of the table came out for each vector. Keep the first k.",
         f"每个向量都得到了表里的全部 {V} 行。只留前 k 个。"),
        (shape in ((k, M), (k, V)),
         "You chose along the first dimension, among the vectors. For each vector, choose among the rows: (M, k).",
         "你是沿第一维在向量里挑的。要为每个向量在表的各行里挑：(M, k)。"),
    )  # fmt: skip
    expect_tensor(ours, (M, k), "nearest(vectors, table, k)")
    ours = torch.as_tensor(ours)
    if ours.is_floating_point():
        raise Mistake(
            en="Floats: cosines or distances, perhaps. The numbers of the rows are wanted, as whole numbers.",
            zh="这是浮点数，大概是余弦或距离。要的是行的编号，是整数。",
        )
    cosines = _multiply_units(vectors, table, -1, -1)  # (M, V)
    right = cosines.topk(k).indices
    if torch.equal(ours, right):
        expect_unchanged(given[1], table, "table")
        expect_unchanged(given[0], vectors, "vectors")
        return

    def is_found(wrong: Any) -> bool:
        return torch.equal(ours, wrong.indices)

    refuse(
        (torch.equal(ours, right.flip(-1)),
         "The right rows, but the nearest stands last.",
         "行都对，但最近的排在了最后。"),
        (torch.equal(ours.sort(-1).values, right.sort(-1).values),
         "The right rows, but not in order: the nearest comes first.",
         "行都对，但顺序不对：最近的要排在最前。"),
        (is_found(cosines.topk(k, largest=False)),
         "These are the farthest. Of cosines the largest are near; of distances the smallest: largest=False.",
         "这些是最远的。余弦越大越近；距离则越小越近，要写 largest=False。"),
        (is_found((vectors @ table.T).topk(k)),
         "Long rows win: a dot product is large where a row is long, wherever it points. (Normalising the vectors alone does not help: it is the rows that compete.)",
         "长的行占了便宜：行一长，点积就大，不管它指向哪里。（只把向量归一化没有用，因为互相比的是表里的各行。）"),
        (is_found(torch.cdist(vectors, table).topk(k, largest=False)),
         "These are nearest by Euclidean distance, in which lengths count as well. The cosine looks at directions alone.",
         "这是按欧氏距离最近的，模长也算进去了。余弦只看方向。"),
        (any(is_found(_multiply_units(vectors, table, *along).topk(k)) for along in ((0, 0), (-1, 0), (0, -1))),
         "Normalised along the wrong dimension: dim=0 runs over the vectors, or the rows. Each of them should get the length 1: dim=-1.",
         "归一化的维度错了：dim=0 是跨着各个向量（或各行）走的。应该让每个向量、每一行自己的模长变成 1：dim=-1。"),
        (is_found(cosines.softmax(0).topk(k)),
         "Your softmax runs over the vectors, so they compete for the rows. It is not needed: the cosines have the order already.",
         "你的 softmax 是跨着向量做的，成了几个向量在争同一行。其实用不着它：余弦本身就有大小顺序。"),
    )  # fmt: skip
    raise Mistake(
        en="In row m: the numbers of the k rows of the table that have the largest cosine with vector m, the largest first.",
        zh="第 m 行：表里和第 m 个向量余弦最大的 k 行的编号，最大的在前。",
    )


# --- the right table ---------------------------------------------------------------------------------------------


@questions.exercise
def reads_back(answer: Callable[[Tensor, Tensor, Tensor], bool]) -> None:
    random = torch.Generator().manual_seed(0)
    V, D = 20, 8
    table, ids = torch.randn(V, D, generator=random), torch.tensor([13, 4, 17, 8, 2])
    known = table[ids]
    rotation = torch.eye(D).flip(0)  # the columns in the reverse order: of eight, a true rotation
    one_other = table.clone()
    one_other[ids[2]] *= -1
    further = table + 0.05 * torch.randn(V, D, generator=random)

    def says(known: Tensor, ids: Tensor, table: Tensor) -> bool:
        ours = answer(known.clone(), ids.clone(), table.clone())
        expect_answer(ours, "reads_back(…)")
        if len(getattr(ours, "shape", ())) > 0:
            raise Mistake(
                en="Many answers came back, and one is wanted: is it so for all of the words?",
                zh="返回了许多个答案，而要的只有一个：是不是所有的词都如此？",
            )
        ours = ours.item() if hasattr(ours, "item") else ours
        if not isinstance(ours, bool):
            kind = type(ours).__name__
            raise Mistake(
                en=f"True or False is wanted, and this is of type {kind}.", zh=f"要的是真或假，你给的是 {kind}。"
            )
        return ours

    own = says(known, ids, table)
    rotated, shuffled = says(known, ids, table @ rotation), says(known, ids, table.roll(1, 0))
    refuse(
        (own and rotated and shuffled and says(known, ids, torch.randn(V, D, generator=random)),
         "You say yes to every table of this width. Another model can be as wide, with as many rows: then nothing complains, and all words are wrong.",
         "只要宽度一样，不管什么表你都说对。别的模型也可以一样宽、行数一样多：那样谁也不会报错，词却全是错的。"),
        (not own and says(table[:5], torch.arange(5), table),
         "The first word need not be row 0: compare what you find with `ids`, not with 0, 1, 2 …",
         "第一个词不一定在第 0 行：找到的行要和 ids 比，不是和 0、1、2……比。"),
        (not own,
         "You say no even to the table from which the vectors were taken.",
         "这些向量就是从这张表里取出来的，你却连它也说不对。"),
        (not says(known / 10 * 10, ids, table),
         "The right table is refused as soon as a last digit is rounded. Allow for rounding: torch.allclose, or a small distance.",
         "只因为最后一位有舍入，就把对的表也拒绝了。要容许舍入：用 torch.allclose，或者给距离留一点余地。"),
        (shuffled,
         "Here the rows stand in another order. Every vector is still in the table, but at another word's number: look also at which row is nearest.",
         "有一张表只是把各行换了次序。每个向量表里都还有，编号却成了别的词的：还要看最近的是哪一行。"),
        (rotated,
         "A rotated table got through. A rotation keeps every length, and every angle between two words; compare the vectors themselves.",
         "一张旋转过的表蒙混过关了。旋转不改变任何模长，也不改变词与词之间的夹角；要比的是向量本身。"),
        (says(known, ids, one_other),
         "A table in which one of the five words is another one got through. It has to be right for all of them: .all(), not .any().",
         "五个词里有一个换掉了，你还是说对。必须所有的词都对：用 .all()，不是 .any()。"),
        (says(known, ids, further),
         "Each word is still nearest to itself here, but no longer at distance 0: the table of a relative, the same model trained a little further. Look at the distance, too, and allow no more than rounding.",
         "这张表里，每个词最近的还是自己，距离却不再是 0：它属于一个近亲，也就是同一个模型又多训练了一会儿。还要看距离，而且只容许舍入那么大的差别。"),
        (any(says(known, ids, table + step) for step in (0.05, -0.05)),
         "A table whose numbers are all a little larger, or all a little smaller, got through: differences have a sign. Take .abs() first.",
         "有一张表，所有的数都大一点（或都小一点），蒙混过关了：差有正有负，先取 .abs()。"),
        (says(known, ids, 2 * table),
         "Here each row is twice as long. The cosine sees no lengths, but the model does: compare the numbers, or use the Euclidean distance.",
         "这张表每一行的模长都大了一倍。余弦看不见模长，模型却看得见：要比那些数本身，或者用欧氏距离。"),
    )  # fmt: skip


# --- principal components ----------------------------------------------------------------------------------------


def _are_same_lines(ours: Tensor, theirs: Tensor) -> bool:
    """Whether the rows are the same unit vectors, each up to its sign."""
    ones = torch.ones(len(theirs))
    return close(ours.norm(dim=-1), ones) and close((ours.float() * theirs.float()).sum(-1).abs(), ones)


@questions.exercise
def pca(answer: Callable[[Tensor, int], tuple[Tensor, Tensor, Tensor]]) -> None:
    random = torch.Generator().manual_seed(0)
    (V, D), n = (12, 5), 2
    spread, turned = torch.tensor([4.0, 2.5, 1.5, 0.8, 0.4]), torch.linalg.qr(torch.randn(D, D, generator=random)).Q
    table = torch.randn(V, D, generator=random) * spread @ turned + torch.tensor([3.0, -5.0, 2.0, 4.0, -1.0])
    theirs = PCA(n, svd_solver="full").fit(table.numpy())
    mean, axes, shares = (
        torch.as_tensor(one) for one in (theirs.mean_, theirs.components_, theirs.explained_variance_ratio_)
    )

    given = table.clone()
    ours = answer(given, n)
    expect_answer(ours, "pca(table, n)")
    if not isinstance(ours, (tuple, list)) or len(ours) != 3:
        raise Mistake(
            en="Three things are to come back: return mean, directions, explained.",
            zh="要返回三样东西：return mean, directions, explained。",
        )
    our_mean, directions, explained = (torch.as_tensor(one) if hasattr(one, "shape") else one for one in ours)

    # the mean
    if tuple(getattr(our_mean, "shape", (D,))) in ((), (V,), (V, 1)):
        raise Mistake(
            en="The mean of each column is wanted, (D,): the middle of all words. That is table.mean(dim=0).",
            zh="要的是每一列的平均，(D,)，也就是所有词的中心：table.mean(dim=0)。",
        )
    expect_tensor(our_mean, (D,), "mean")
    if not close(our_mean, mean):
        raise Mistake(
            en="`mean` is not the mean of the rows of the table as it came. (The mean of a centred table is 0.)",
            zh="mean 不是原来那张表各行的平均。（中心化以后的表，平均是 0。）",
        )

    # the directions
    shape = tuple(getattr(directions, "shape", ()))
    refuse(
        (shape in ((V, n), (n, V)),
         f"Each of these has {V} numbers, one for every word: that is U, or the places where the words end up. A direction is as wide as a word's vector, D: a row of Vh.",
         f"这里每一个都有 {V} 个数，一个词一个：这是 U，或者是各个词投影后的位置。方向应该和词向量一样宽，是 D 个数：Vh 的一行。"),
        (shape == (D, n),
         "The directions stand in columns, (D, n). Turn them into rows: .T",
         "方向是竖着放的，(D, n)。把它们变成行：.T"),
    )  # fmt: skip
    expect_tensor(directions, (n, D), "directions")
    _, S, Vh = torch.linalg.svd(table - mean, full_matrices=False)
    if not _are_same_lines(directions, axes):
        lines = directions / directions.norm(dim=-1, keepdim=True)
        refuse(
            (_are_same_lines(lines, axes),
             "The directions are right, but their lengths are not 1: leave the singular values out of them.",
             "方向对了，模长却不是 1：不要把奇异值乘进去。"),
            (_are_same_lines(lines, torch.linalg.svd(table, full_matrices=False).Vh[:n]),
             "Not centred: the first direction only points from 0 to the middle of the words. Subtract the mean first.",
             "没有中心化：第一个方向只是从 0 指向所有词的中心。先减去平均。"),
            (_are_same_lines(lines, Vh.flip(0)[:n]),
             "These are the directions in which the words vary least: eigh puts the smallest first. Take the last n, and turn their order round.",
             "这是变化最小的几个方向：eigh 把最小的排在前面。要取最后 n 个，再把次序倒过来。"),
            (_are_same_lines(lines, Vh[:n].flip(0)),
             "The right directions, but the one with the largest share stands last.",
             "方向对了，但占比最大的排在了最后。"),
            (_are_same_lines(lines, Vh[:, :n].T),
             "You took columns where directions stand in rows. torch.linalg.svd gives Vh, its rows are the directions: Vh[:n].",
             "方向是一行一个，你取的却是列。torch.linalg.svd 给的是 Vh，它的行才是方向：Vh[:n]。"),
            (_are_same_lines(lines, torch.linalg.svd((table - mean) / table.std(0), full_matrices=False).Vh[:n]),
             "You divided each column by its spread as well. Here the columns are not to be made alike: subtract the mean, and nothing more.",
             "你还把每一列除以了标准差。这里不需要让各列一样大：只减去平均，别的都不做。"),
        )  # fmt: skip
        raise Mistake(
            en="These are not the directions in which the centred table varies most: the first n rows of Vh.",
            zh="这不是中心化之后的表变化最大的方向：那是 Vh 的前 n 行。",
        )

    # the shares
    expect_tensor(explained, (n,), "explained")
    if close(explained, shares):
        expect_unchanged(given, table, "table")
        return
    squares = S**2
    refuse(
        (close(explained, S[:n] / S.sum()),
         "These are shares of the singular values. A variance is a square: square them first.",
         "这是奇异值本身的占比。方差是平方：先平方。"),
        (close(explained, squares[:n] / squares[:n].sum()),
         "You divided by the sum of the n that you keep, so they add up to 1 and seem to explain everything. Divide by the sum of all.",
         "你除以的是留下的 n 个之和，所以加起来是 1，好像全都解释了。要除以所有的和。"),
        (close(explained, S[:n] / S[:n].sum()),
         "Two things: a variance is the square of a singular value; and divide by the sum of all, not of the n that you keep.",
         "有两处：方差是奇异值的平方；而且要除以所有的和，不是留下的 n 个之和。"),
        (close(explained, squares[:n].square() / squares.square().sum()),
         "Squared once too often: the eigenvalues of a covariance are variances already.",
         "多平方了一次：协方差矩阵的特征值本身就是方差。"),
        (close(explained, shares.cumsum(0)),
         "These are running totals. Give the share of each direction by itself.",
         "这是逐个累加的结果。要的是每个方向各自的占比。"),
        (close(explained, 100 * shares),
         "That is in percent. Give shares: all of them add up to 1.",
         "这是百分数。要的是占比：全部加起来是 1。"),
        (close(explained, shares.flip(0)),
         "The shares stand in the reverse order.",
         "占比的次序反了。"),
        (close(explained, explained.sum() / shares.sum() * shares),
         "These are variances. Divide by the sum of all of them, and they become shares.",
         "这是方差。除以全部方差之和，才是占比。"),
    )  # fmt: skip
    raise Mistake(
        en="The directions are right. The share of each is its squared singular value, divided by the sum of all squares.",
        zh="方向对了。每个方向的占比，是它奇异值的平方，除以全部平方之和。",
    )


# --- snapping to words -------------------------------------------------------------------------------------------


@questions.exercise
def snap(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    vectors, table = _make_little_table()
    allowed = torch.tensor([8, 1, 4, 6, 3, 0])
    (M, D), small = vectors.shape, table[allowed]
    given = table.clone()
    try:
        ours = answer(vectors.clone(), given, allowed.clone())
    except IndexError as error:
        raise Mistake(
            en="A place came out that is beyond the end: without dim=-1, argmax counts through all M × W cosines, and not those of each vector.",
            zh="得到的位置超出了末尾：不写 dim=-1，argmax 会在全部 M × W 个余弦里数，而不是在每个向量自己的余弦里数。",
        ) from error
    refuse(
        (hasattr(ours, "shape") and not torch.as_tensor(ours).is_floating_point(),
         "These are numbers of rows. Give the rows themselves, (M, D): vectors that can be put back into the slots.",
         "这是行的编号。要的是那些行本身，(M, D)：可以放回槽位里的向量。"),
        (tuple(getattr(ours, "shape", ())) == (M, 1, D),
         "There is a dimension too many, (M, 1, D): topk(1) keeps it. Take argmax, or [:, 0] of the indices.",
         "多了一维，(M, 1, D)：这是 topk(1) 留下的。改用 argmax，或者取 indices 的 [:, 0]。"),
    )  # fmt: skip
    expect_tensor(ours, (M, D), "snap(vectors, table, allowed)")
    right = by_library.snap(vectors, table, allowed)
    if close(ours, right):
        expect_unchanged(given, table, "table")
        return
    places = _multiply_units(vectors, small, -1, -1).argmax(-1)  # (M,): in the small table
    refuse(
        (close(ours, by_library.snap(vectors, table)),
         "You looked through the whole table. Only the rows in `allowed` may be used.",
         "你把整张表都找了一遍。只有 allowed 里的那些行可以用。"),
        (close(ours, table[places]),
         "You looked among the allowed rows, but took the place you found there for a number in the whole table. Place 0 among them is row allowed[0].",
         "你是在允许的行里找的，却把找到的位置当成了整张表里的行号。其中的第 0 个，是表里的第 allowed[0] 行。"),
        (close(ours, by_library.snap(vectors, table, allowed, "euclidean")),
         "Snapped by Euclidean distance: a short vector goes to a short row then, wherever that points. Choose by the cosine.",
         "你是按欧氏距离找的：短的向量就会靠到短的行上，不管那一行指向哪里。请按余弦来找。"),
        (close(ours, small[(vectors @ small.T).argmax(-1)]),
         "Chosen by the dot product: long rows win. Normalise the rows before you compare.",
         "你是按点积挑的：长的行占便宜。先归一化，再比较。"),
        (close(ours, F.normalize(right, dim=-1)),
         "The right rows, but of length 1. Normalise only in order to choose; what the model shall read is the row as it stands in the table.",
         "行选对了，模长却成了 1。归一化只是为了挑选；给模型读的，应该是表里原样的那一行。"),
        (close(ours, F.normalize(right, dim=-1) * vectors.norm(dim=-1, keepdim=True)),
         "The direction of the row, and the length of the vector: no word is that. Give the row as it stands in the table.",
         "方向是那一行的，模长却还是原来向量的：没有哪个词是这样的。要给出表里原样的那一行。"),
        (close(ours, small[_multiply_units(vectors, small, -1, -1).argmin(-1)]),
         "These are the farthest: with cosines the largest is nearest.",
         "这些是最远的：余弦最大的才最近。"),
        (close(ours, vectors),
         "Nothing has been snapped: these are the vectors as they came.",
         "什么也没换：这还是原来的向量。"),
        (not (ours[:, None] == table).all(-1).any(-1).all(),
         "Not every vector that came back is a row of the table. Choose a row for each, and give it as it is.",
         "返回的向量里，有的根本不是表里的行。要为每个向量选一行，原样给出。"),
    )  # fmt: skip
    raise Mistake(
        en="For each vector: of the allowed rows the one with the largest cosine.",
        zh="对每个向量：在允许的行里，取余弦最大的那一行。",
    )


# --- a p-value ---------------------------------------------------------------------------------------------------

# What was observed, and what chance gave: with ties, better than all of chance, and worse than most of it.
TRIALS = (
    (4.0, [9.0, 4.0, 1.0, 12.0, 4.0, 7.0, 15.0, 3.0, 20.0]),
    (1.0, [float(number) for number in range(2, 21)]),
    (11.0, [2.0, 3.0, 11.0, 5.0, 6.0, 30.0, 8.0]),
)


@questions.exercise
def permutation(answer: Callable[[float, Tensor], float]) -> None:
    def try_all(function: Callable[[float, Tensor], Any]) -> list[float]:
        return [round(float(function(observed, torch.tensor(null))), 5) for observed, null in TRIALS]

    def count(is_good: Callable[[Tensor, float], Tensor], above: int = 1, below: int = 1) -> Callable:
        return lambda x, null: (above + is_good(null, x).sum()) / (below + len(null))

    def is_as_far(null: Tensor, x: float) -> Tensor:
        return (null - null.mean()).abs() >= abs(x - null.mean())

    def is_any(*wrong: Callable[[float, Tensor], Any]) -> bool:
        return ours in map(try_all, wrong)

    p = nulls.compute_p_value
    ours = try_all(lambda observed, null: read_number(answer(observed, null), "p_value(observed, null)"))
    if ours == try_all(p):
        return
    refuse(
        (is_any(count(le, 0, 0)),
         "Chance was never as good as this in 19 draws, and you say p = 0: as if it never could be. What was observed is a draw, too: count it, above and below.",
         "抽了 19 次都没有这么好，你就说 p = 0，好像永远不会发生。观察到的那个值也是一次抽取：分子分母都要把它算上。"),
        (is_any(count(le, 0, 1)),
         "What was observed counts below the line, but not above it: so p can still be 0.",
         "观察值算进了分母，却没有算进分子：所以 p 还是可能等于 0。"),
        (is_any(count(le, 1, 0)),
         "What was observed counts above the line, but not below it: so p could be larger than 1.",
         "观察值算进了分子，却没有算进分母：所以 p 可能大于 1。"),
        (is_any(count(lt), count(lt, 0, 0)),
         "Draws of chance that are just as good do not count with you. They do: with `<` a tie would speak for us. Use <=.",
         "和观察值一样好的那些你没有算。要算的：用 < 的话，打平也成了对我们有利。用 <=。"),
        (is_any(count(ge), count(gt), count(ge, 0, 0), count(gt, 0, 0), lambda x, null: 1 - p(x, null)),
         "The wrong side: small values are the remarkable ones here, such as a rank of 1. Count what is at most as large.",
         "方向反了：这里越小越不寻常，比如排名第 1。要数的是不大于它的那些。"),
        (is_any(lambda x, null: 2 * p(x, null), lambda x, null: min(1, 2 * p(x, null)), count(is_as_far), count(is_as_far, 0, 0)),
         "That is a two-sided p-value. We ask one question only: does chance come as low?",
         "这是双侧的 p 值。我们只问一件事：全凭偶然，能不能低到这个程度？"),
        (is_any(lambda x, null: (null <= x).sum(), lambda x, null: 1 + (null <= x).sum()),
         "That is a count. Divide it by the number of all draws, the observed one among them.",
         "这是个数。要除以全部的抽取次数，观察到的那次也算在内。"),
        (is_any(lambda x, null: 100 * p(x, null)),
         "That is in percent. A p-value lies between 0 and 1.",
         "这是百分数。p 值在 0 和 1 之间。"),
    )  # fmt: skip
    raise Mistake(
        en="Of all draws, the null's and the observed one, the share that is at most as large as the observed one.",
        zh="在全部抽取（偶然对照的，加上观察到的那一次）里，不大于观察值的占多少。",
    )


# --- what is most missed -----------------------------------------------------------------------------------------


def _make_toy_score(random: torch.Generator, vectors: Tensor) -> Callable[[Tensor], float]:
    """A prompt's accuracy in small: a text reads its vectors by attention, each at its position, and 400 pictures are told apart by it.
    With all of the vectors every picture is right."""
    M, D = vectors.shape
    query, positions = torch.randn(D, generator=random), torch.randn(M, D, generator=random)
    names, pictures = torch.randn(6, D, generator=random), torch.randn(400, D, generator=random)

    def classify(prompt: Tensor) -> Tensor:
        read = prompt + positions[: len(prompt)]  # (m, D)
        context = (read @ query).softmax(0) @ read  # (D,)
        return (pictures @ (names * context.exp()).T).argmax(-1)  # (400,)

    right = classify(vectors)
    return lambda prompt: (classify(prompt) == right).double().mean().item()


MISSED = 2185  # the seed of the vectors below: with it no two mistakes give the same number, and the most missed one is missed by far


@questions.exercise
def influence(answer: Callable[[Callable[[Tensor], float], Tensor], int]) -> None:
    random = torch.Generator().manual_seed(MISSED)
    M, D = 8, 4
    vectors = torch.randn(M, D, generator=random)
    toy, asked = _make_toy_score(random, vectors), []

    def score(prompt: Tensor) -> float:
        if not isinstance(prompt, Tensor) or prompt.dim() != 2 or prompt.shape[-1] != D:
            have = tuple(getattr(prompt, "shape", ())) or type(prompt).__name__
            raise Mistake(
                en=f"score wants vectors, (m, {D}) with any m, and was given {have}.",
                zh=f"score 要的是若干个向量，(m, {D})，m 随意；而你给它的是 {have}。",
            )
        asked.append(prompt.clone())
        return toy(prompt)

    given = vectors.clone()
    ours = answer(score, given)
    if isinstance(ours, Tensor) and ours.shape == (D,):
        raise Mistake(
            en="That is a vector. Give its number, counted from 0.", zh="这是一个向量。要的是它的编号，从 0 数起。"
        )
    ours = read_number(ours, "most_missed(score, vectors)")
    without = [toy(fewer) for fewer in instruments.leave_one_out(vectors)]
    missed = without.index(min(without))
    sizes = {len(prompt) for prompt in asked}
    refuse(
        (not asked,
         "score was never asked: which vector is missed can only be found by trying.",
         "你一次也没有调用 score：少了哪个影响最大，只有试了才知道。"),
        (any((prompt == 0).all(-1).any() for prompt in asked),
         "You set a vector to 0, and that is not leaving it out: it still has its position, the text still reads it, and those behind it stay where they were. Ask with M - 1 vectors.",
         "你把向量设成了 0，这不等于去掉它：位置还占着，文字照样会读到它，后面的向量也都没有挪动。要用剩下的 M - 1 个向量去问。"),
        (M - 1 not in sizes and 1 in sizes,
         "You asked what each vector can do alone. Ask what all the others can do without it: M - 1 vectors.",
         "你问的是每个向量单独能做到什么。要问的是少了它，其余的还能做到什么：M - 1 个向量。"),
        (M - 1 not in sizes,
         f"score was never asked with {M - 1} vectors: leave out one at a time, and keep all the others.",
         f"你从来没有用 {M - 1} 个向量去问 score：一次只去掉一个，其余的都留着。"),
        (not sizes <= {M, M - 1},
         "More and more vectors are gone: each time start again from all of them, and leave out one.",
         "向量越去越多了：每次都要从全部向量重新开始，只去掉一个。"),
    )  # fmt: skip
    if ours == missed:
        expect_unchanged(given, vectors, "vectors")
        return
    refuse(
        (ours in without and ours != round(ours),
         "That is an accuracy. Give the number of the vector without which it is reached.",
         "这是准确率。要的是：去掉哪个向量会得到它，那个向量的编号。"),
        (round(1 - ours, 6) in [round(share, 6) for share in without] and ours != round(ours),
         "That is how much is lost. Give the number of the vector whose absence costs it.",
         "这是准确率降了多少。要的是那个向量的编号。"),
        (ours == missed + 1,
         "Counted from 1. Python counts from 0.",
         "你是从 1 数起的。Python 从 0 数起。"),
        (ours == without.index(max(without)),
         "That one is missed least: without it the accuracy is highest. Look for the lowest.",
         "这是最不缺的那个：没有它，准确率最高。要找的是准确率最低的。"),
    )  # fmt: skip
    raise Mistake(
        en="Not that one: ask score about all vectors but number i, for each i, and give the i with the lowest accuracy.",
        zh="不是这一个：对每个 i，用第 i 个以外的全部向量去问 score，返回准确率最低的那个 i。",
    )


# --- predictions -------------------------------------------------------------------------------------------------


@questions.prediction
def blurred_words(contexts: list[list[str]]) -> int:
    """Which sort of word is the most frequent: 0 for what tells how a thing looks, 1 for things, 2 for small words."""
    things = {name for names in OBJECT_WORDS.values() for name in names}
    looks = {name for table in (COLOUR_WORDS, SIZE_WORDS) for names in table.values() for name in names}
    looks |= {*FILLER_ADJECTIVES, "dark", "icy", "glowing"}
    counts = [0, 0, 0]
    for name in (name for context in contexts for name in context):
        counts[0 if name in looks else 1 if name in things else 2] += 1
    return counts.index(max(counts))


@questions.prediction
def outside(shares: tuple[float, float, float]) -> int:
    words, learned, permuted = shares
    return (learned > words) + 2 * (permuted > words)


@questions.prediction
def snapped(measured: tuple[float, float, float]) -> int:
    """measured: the accuracies of the hand prompt, of the vectors and of their nearest words; two points less is nearly as well."""
    hand, learned, on_words = measured
    return 0 if on_words > learned - 0.02 else 2 if on_words < hand + 0.01 else 1


@questions.prediction
def planted(shares: Sequence[float]) -> int:
    """shares: of contexts that name their secret, or their style; luck alone would give one in nine."""
    secrets, styles = shares
    return 3 if secrets < 0.75 else 0 if styles > 0.75 else 1 if styles > 0.25 else 2


@questions.prediction
def significant(ps: Sequence[float]) -> int:
    return {(True, False): 0, (True, True): 1, (False, True): 2, (False, False): 3}[ps[0] < 0.05, ps[1] < 0.05]


# --- quizzes -----------------------------------------------------------------------------------------------------

trap = questions.quiz("trap")
begun_as = questions.quiz("begun_as")
conclude = questions.quiz("conclude")
