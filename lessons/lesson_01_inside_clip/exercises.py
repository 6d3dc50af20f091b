"""Lesson 01: positions of the vision tower, what enters the text tower, the causal mask, where a text is pooled, cosine logits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPConfig, CLIPModel

from helpers import by_hand
from lessons.kit.exercise import Mistake, Questions, close, expect_number, expect_tensor

questions = Questions(__file__)

# --- positions ---------------------------------------------------------------------------------------------------


@questions.exercise
def positions(answer: Any, config: CLIPConfig) -> None:
    """Patches and the class token: 24 × 24 + 1 for ViT-L/14@336px."""
    expect_number(answer)
    size, patch = config.vision_config.image_size, config.vision_config.patch_size
    side = size // patch
    if answer == side**2 + 1:
        return
    if answer == side**2:
        raise Mistake(
            en=f"{side**2} are the patches. One more vector walks through the tower with them.",
            zh=f"{side**2} 是图块的个数。还有一个向量和它们一起走过整座塔。",
        )
    if answer == side:
        raise Mistake(
            en=f"{side} patches fit along one edge. A picture has two directions.",
            zh=f"{side} 是一条边上的图块数。图片可有两个方向。",
        )
    if answer in (size**2, 3 * size**2):
        raise Mistake(
            en="That counts pixels. The tower reads patches, and each holds many pixels.",
            zh="这数的是像素。塔读的是图块，一个图块里有许多像素。",
        )
    raise Mistake(
        en=f"How many squares of {patch} pixels fit along an edge of {size}? And what joins them?",
        zh=f"边长 {size} 像素，每个方块 {patch} 像素，一条边放得下几个？除了它们还有谁？",
    )


# --- what enters the text tower ----------------------------------------------------------------------------------


@questions.exercise
def embed(answer: Callable[[CLIPModel, Tensor], Tensor], clip: CLIPModel) -> None:
    tables = clip.text_model.embeddings
    ids = torch.tensor([[1, 5, 9, 5, 2], [2, 7, 5, 5, 3]])
    rows, places = tables.token_embedding(ids), tables.position_embedding.weight[: ids.shape[1]]
    ours = answer(clip, ids)
    if getattr(ours, "shape", None) == places.shape:
        raise Mistake(
            en="One text came out where two went in: keep the first size, B.",
            zh="进去两段文字，出来只有一段：第一维 B 要留住。",
        )
    expect_tensor(ours, tuple(rows.shape), "embed(clip, ids)")
    if close(ours, rows + places):
        return
    if close(ours, rows):
        raise Mistake(
            en="These are the rows of the tokens alone: in “cat sees dog” and “dog sees cat” the same word would bring the same vector, wherever it stands.",
            zh="这只是词元各自的行：“cat sees dog”和“dog sees cat”里，同一个词的向量会一模一样，看不出它在哪个位置。",
        )
    if close(ours, rows + 2 * places):
        raise Mistake(
            en="The positions were added twice: did you start from what embeddings(input_ids=…) gives?",
            zh="位置嵌入加了两次：你是不是从 embeddings(input_ids=…) 的结果开始的？",
        )
    if close(ours, places.expand_as(rows)):
        raise Mistake(en="These are the positions alone: where are the words?", zh="这只有位置：词到哪里去了？")
    if close(ours, rows * places):
        raise Mistake(en="Rows and positions are added, not multiplied.", zh="行和位置嵌入是相加，不是相乘。")
    raise Mistake(
        en="The shape is right, the numbers are not: add to each token's row the vector of its position, 0, 1, 2 …",
        zh="形状对了，数不对：给每个词元的行加上它所在位置（0、1、2……）的向量。",
    )


# --- the causal mask ---------------------------------------------------------------------------------------------


@questions.exercise
def mask(answer: Callable[[int], Tensor]) -> None:
    ours, right = answer(4), by_hand.make_causal_mask(4)
    expect_tensor(ours, (4, 4), "causal_mask(4)")
    ours = ours.float()
    if torch.equal(ours, right) or (ours.triu(1)[right < 0] <= -1e4).all() and (ours[right == 0] == 0).all():
        return
    if torch.equal(ours, right.T):
        raise Mistake(
            en="The other way round: here each position sees only itself and what comes after it.",
            zh="方向反了：现在每个位置只看得见自己和后面的。",
        )
    if torch.isinf(ours.diagonal()).any():
        raise Mistake(
            en="A position must see itself: the first one has nobody else, and its softmax would give nan.",
            zh="每个位置必须看得见自己：第一个位置没有别人可看，softmax 会得到 nan。",
        )
    if ours.isnan().any():
        raise Mistake(
            en="There are nans in it, since 0 times infinity is no number: do without that product.",
            zh="里面有 nan，因为 0 乘无穷大得不到数：别用乘法来做。",
        )
    if (ours == 0).all():
        raise Mistake(en="Nothing is forbidden: everybody sees the future.", zh="什么都没有禁止：谁都能看见后面。")
    if set(ours.unique().tolist()) <= {0.0, 1.0}:
        raise Mistake(
            en="The mask is added to the scores before the softmax: 1 would only favour a place. Forbid with minus infinity.",
            zh="掩码是在 softmax 之前加到得分上的：加 1 只是偏爱那个位置。要禁止，就加负无穷。",
        )
    raise Mistake(
        en="Row i says what position i may see: 0 for the places up to i, minus infinity after it.",
        zh="第 i 行说的是第 i 个位置能看见什么：到 i 为止是 0，之后是负无穷。",
    )


# --- pooling -----------------------------------------------------------------------------------------------------


@questions.exercise
def pool(answer: Callable[[Tensor, Tensor, int], Tensor]) -> None:
    end, pad = 9, 9  # CLIP pads with the end-of-text token itself
    ids = torch.tensor([[1, 5, 6, end, pad, pad], [1, 5, 6, 7, 8, end], [1, 4, end, pad, pad, pad]])
    hidden = torch.randn(3, 6, 8, generator=torch.Generator().manual_seed(0))
    rows, where = torch.arange(3), torch.tensor([3, 5, 2])
    ours = answer(hidden, ids, end)
    if getattr(ours, "shape", None) == ((ids == end).sum(), 8):
        raise Mistake(
            en="More vectors came out than texts went in: the padding is the end token, too. Take the first one of each text.",
            zh="出来的向量比文字还多：填充用的也是结束符。每段文字只取第一个结束符。",
        )
    expect_tensor(ours, (3, 8), "pool(hidden, ids, end)")
    if close(ours, hidden[rows, where]):
        return
    if close(ours, hidden[:, 0]):
        raise Mistake(
            en="You pooled at the start. Under the causal mask that position has seen nothing of the text, whatever it says.",
            zh="你取的是开头。有因果掩码在，那个位置什么都没看到，不管文字写的是什么。",
        )
    if close(ours, hidden[:, -1]):
        raise Mistake(
            en="You pooled at the last position. In a short text that is padding: find the first end token of each text.",
            zh="你取的是最后一个位置。文字短的话，那里是填充：要找每段文字的第一个结束符。",
        )
    if close(ours, hidden[rows, where - 1]):
        raise Mistake(
            en="That is the token before the end. The end token itself has seen the whole text.",
            zh="这是结束符的前一个词元。看过全文的是结束符本身。",
        )
    if close(ours, hidden[:, 3]):
        raise Mistake(
            en="The place of the first text's end was used for all of them: each text has its own.",
            zh="你把第一段文字的结尾位置用在了所有文字上：每段文字的结尾各不相同。",
        )
    if close(ours, hidden.mean(1)):
        raise Mistake(
            en="That is the mean of all positions, padding too. CLIP takes one position.",
            zh="这是所有位置的平均，连填充也算进去了。CLIP 只取一个位置。",
        )
    raise Mistake(
        en="Not those vectors: for each text take hidden at the place where ids is `end` for the first time.",
        zh="不是这些向量：对每段文字，取 ids 第一次等于 end 的那个位置上的 hidden。",
    )


# --- logits ------------------------------------------------------------------------------------------------------


@questions.exercise
def logits(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    random = torch.Generator().manual_seed(0)
    images, texts = 3 * torch.randn(2, 8, generator=random), 5 * torch.randn(3, 8, generator=random)
    log_scale = torch.tensor(2.0)
    cosines = F.normalize(images, dim=-1) @ F.normalize(texts, dim=-1).T
    ours = answer(images, texts, log_scale)
    if getattr(ours, "shape", None) == (3, 2):
        raise Mistake(
            en="One row for each text came out; one row for each picture is wanted: (B, C).",
            zh="现在每段文字一行；要的是每张图片一行：(B, C)。",
        )
    expect_tensor(ours, (2, 3), "logits(images, texts, log_scale)")
    scale = log_scale.exp()
    if close(ours, scale * cosines):
        return
    if close(ours, cosines):
        raise Mistake(
            en="These are the cosines. The scale is missing: after a softmax all probabilities would be nearly equal.",
            zh="这是余弦，还缺缩放系数：做完 softmax，各项概率会几乎相等。",
        )
    if close(ours, cosines / scale) or close(ours, cosines / log_scale):
        raise Mistake(
            en="You divided. One divides by a temperature; the scale is one over it, so multiply.",
            zh="你用了除法。除的应该是温度；缩放系数是温度的倒数，要用乘法。",
        )
    if close(ours, log_scale * cosines):
        raise Mistake(
            en="The model keeps the logarithm of the scale: take its exponential first.",
            zh="模型里存的是缩放系数的对数：要先取指数。",
        )
    long = images @ texts.T, images @ F.normalize(texts, dim=-1).T, F.normalize(images, dim=-1) @ texts.T
    if any(close(ours, factor * products) for factor in (1, log_scale, scale) for products in long):
        raise Mistake(
            en="Long vectors win here, whatever their direction: give every vector the norm 1 first, pictures and texts.",
            zh="现在谁长谁赢，方向反而不重要了：先把每个向量的模长都变成 1，图片和文字都要。",
        )
    if close(ours, scale * F.normalize(images, dim=0) @ F.normalize(texts, dim=0).T):
        raise Mistake(
            en="You normalised the columns. Each row is a vector: normalise along the last dimension.",
            zh="你归一化的是列。一行才是一个向量：要沿最后一维归一化。",
        )
    if close(ours, (scale * cosines).softmax(-1)):
        raise Mistake(
            en="Those are probabilities already; logits are what goes into the softmax.",
            zh="这已经是概率了；logits 是送进 softmax 之前的数。",
        )
    raise Mistake(
        en="The shape is right, the numbers are not: exp(log_scale) times the cosine of each picture with each text.",
        zh="形状对了，数不对：exp(log_scale) 乘以每张图片与每段文字的余弦。",
    )


# --- predictions and quizzes -------------------------------------------------------------------------------------


@questions.prediction
def after_the_end(largest: float) -> int:
    # the largest difference between two vectors whose numbers are about 1
    return 2 if largest == 0 else 0 if largest < 0.1 else 1


where_pooled = questions.quiz("where_pooled")
