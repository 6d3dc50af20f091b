# %% [markdown] lang="en" id="faster"
# # Lesson 02b: the same, ten times faster
#
# Public code for learnable contexts spends most of its time on numbers that cannot matter. In this lesson we find them, one kind after the other, leave them out, and prove each time that nothing has changed. No cleverness about hardware is needed: only lesson 01, and the rule that nobody looks ahead.
#
# It takes about 30 minutes, and no later lesson needs it.

# %% [markdown] lang="zh" id="faster"
# # 第 02b 课：结果不变，快十倍
#
# 学习上下文向量的公开代码，大部分时间花在了不影响结果的计算上。这一课我们把这些计算一类一类找出来，省掉，并且每次都证明结果没有变。不需要懂硬件，只要记得第 01 课，和那条规矩：谁也不许往后看。
#
# 大约 30 分钟。后面的课不要求学过它。

# %% id="setup" tags=["prepare"]
import os, sys; from pathlib import Path; here = Path.cwd(); places = [here, *here.parents, *here.glob("*")]
sys.path[:0] = [str(p) for p in places if os.path.isdir(p / "helpers/pocket")]
from helpers import lesson; lesson.start("en")

# %% id="imports-code" tags=["prepare"]
import torch

from helpers import context, cost, data, widgets
from helpers.context import PromptedCLIP
from helpers.exercises import faster
from helpers.lesson import compare
from helpers.pocket import datasets, tasks
from helpers.pretrained import image_features, load_clip

clip, processor = load_clip()
names = tasks.OBJECTS
prompted = PromptedCLIP(clip, processor, names, 16, "random", generator=torch.Generator().manual_seed(0))
ids, end = prompted.ids, prompted.end                        # (C, T), (C,)
print(tuple(ids.shape), end.tolist())

# %% [markdown] lang="en" id="where-it-goes"
# ## 1 · Where does the work go?
#
# Every step of training needs the features of all class texts anew, since the context has moved. The plain way: every text is padded to 77 positions, and all of them go through the tower. The picture shows eight of our texts. **Before you move anything**: which of these squares can have no influence at all on the result? Which are computed again and again, though they are the same every time?

# %% [markdown] lang="zh" id="where-it-goes"
# ## 1 · 时间花在哪里？
#
# 每训练一步，上下文向量就动一次，所有类别的文字特征都得重算。老实的办法是把每段文字填充到 77 个位置，全部送进塔里。图上是我们的八段文字。**先什么都别动**：哪些格子对结果绝对没有影响？哪些格子每段都一样，却在反复地算？

# %% id="where-it-goes-code"
widgets.shared_explorer(clip, processor, names[:8])

# %% id="count-guess"
faster.times_fewer.ask()

# %% [markdown] lang="en" id="count"
# Multiplications can be counted without running anything: they follow from the sizes alone.

# %% [markdown] lang="zh" id="count"
# 乘法的次数不用运行就能数出来：只取决于各处的大小。

# %% id="count-code"
from transformers import CLIPConfig

vit_b_32 = CLIPConfig()                                       # the sizes of openai/clip-vit-base-patch32
plain = cost.text_tower_products(vit_b_32, texts=100, length=77).forward
ours = cost.text_tower_products(vit_b_32, texts=100, length=1 + 16 + 3, shared=1 + 16, only_end=True).forward
print(f"{plain:,} / {ours:,} = {plain / ours:.1f}")
faster.times_fewer.reveal(plain / ours)

# %% [markdown] lang="en" id="ladder"
# Here are the savings one by one, for any sizes. **Try**: when does sharing bring most, with long or with short names? With few classes or with many? And does a larger model change the ratios?

# %% [markdown] lang="zh" id="ladder"
# 下面把每一项节省分开来看，大小随你定。**试一试**：名称长还是短的时候，共用省得最多？类别少还是多的时候呢？换成更大的模型，倍数会变吗？

# %% id="ladder-code"
widgets.cost_explorer()

# %% [markdown] lang="en" id="trim"
# ## 2 · Trim
#
# Behind the end of a text stands padding, and in lesson 01 you saw that the end never sees it. So we cut it off, for all texts at the same place, since a tensor has straight edges.
#
# ### Exercise: trim
#
# **Exercise** · ★☆☆ · 3 minutes

# %% [markdown] lang="zh" id="trim"
# ## 2 · 截短
#
# 文字结尾的后面是填充。第 01 课里你看到过，结束符根本看不到它们。那就截掉。张量的边是齐的，所以要在同一个地方截。
#
# ### 练习：截短
#
# **练习** · ★☆☆ · 3 分钟

# %% id="trim-exercise" tags=["exercise"]
def trim(ids, end):
    """ids (C, T), end (C,): where each text ends. Gives (C, as few positions as possible)."""
    ...

faster.trim.check(trim)

# %% id="trim-solution" tags=["solution"]
def trim(ids, end):
    return ids[:, : end.max() + 1]

# %% [markdown] lang="en" id="trim-compare"
# First the proof, then the time. Features and gradient must be the same; the clock is the only thing that may differ.

# %% [markdown] lang="zh" id="trim-compare"
# 先证明，再计时。特征和梯度都必须一样，允许不同的只有时间。

# %% id="trim-compare-code"
short = ids[:, : end.max() + 1]                               # (C, 20)
padded = context.plain_features(clip, prompted.embeddings, ids)
trimmed = context.plain_features(clip, prompted.embeddings, short)
compare("features, padded and trimmed", trimmed, padded)
[before] = torch.autograd.grad(padded.square().mean(), prompted.context)
[after] = torch.autograd.grad(trimmed.square().mean(), prompted.context)
compare("gradient of the context", after, before)

# %% id="trim-timing" tags=["measured"]
widgets.timing_table({
    "77 positions": lambda: context.plain_features(clip, prompted.embeddings, ids).sum().backward(),
    "trimmed": lambda: context.plain_features(clip, prompted.embeddings, short).sum().backward(),
})

# %% [markdown] lang="en" id="share"
# ## 3 · Compute once what all texts share
#
# In front of the class name every text holds the same: the start, and the context. Nobody looks ahead, so none of these positions can know which class will follow, in no layer. How many are there?
#
# ### Exercise: the shared beginning
#
# **Exercise** · ★★☆ · 5 minutes

# %% [markdown] lang="zh" id="share"
# ## 3 · 大家共有的只算一次
#
# 在类别名前面，每段文字都一样：起始符，然后是上下文向量。谁也不许往后看，所以不管在哪一层，这些位置都不可能知道后面是哪一类。这样的位置有几个？
#
# ### 练习：共有的开头
#
# **练习** · ★★☆ · 5 分钟

# %% id="share-exercise" tags=["exercise"]
def shared(ids):
    """ids (C, T). Gives how many positions at the beginning are the same in all texts."""
    ...

faster.shared.check(shared)

# %% id="share-solution" tags=["solution"]
def shared(ids):
    same = (ids == ids[0]).all(0)                             # (T,)
    return int(same.int().cumprod(0).sum())

# %% [markdown] lang="en" id="memory"
# They go through the tower once, as a text of their own, and in each layer we keep what others would look up there: their keys and values. Then each class sends only its own few positions through, and these look back at what was kept. Language models do the same when they generate, one token after another, and call it a *KV cache*. And in the last layer only the end of each text is wanted, so only the end is computed.

# %% [markdown] lang="zh" id="memory"
# 它们作为一段单独的文字过一次塔，每一层都留下别人要查的东西：键和值（key、value）。然后每个类别只送自己那几个位置过塔，回头去查留下的键和值。语言模型一个词元一个词元地生成时也是这么做的，叫 KV 缓存（KV cache）。到了最后一层，只要每段文字的结尾，所以也只算结尾。

# %% id="memory-code"
vectors = prompted.embeddings(input_ids=short)                # (C, T, D)
n = prompted.shared
memory = context.remember(clip, vectors[0, :n])               # a key and a value for each layer
own = context.read(clip, vectors[:, n:], end - n, memory)     # (C, D): what stands at the ends
fast = clip.text_projection(clip.text_model.final_layer_norm(own))
print(f"{n} shared, {short.shape[1] - n} of each text's own")
compare("features, shared and plain", fast, padded)
[after] = torch.autograd.grad(fast.square().mean(), prompted.context)
compare("gradient of the context", after, before)

# %% [markdown] lang="en" id="memory-close"
# This time it says *close* and not *exact*: the same sums are made in another order, and floating-point numbers round differently. The difference is as small as that between two computers.

# %% [markdown] lang="zh" id="memory-close"
# 这次写的是“很接近”，不是“完全相等”：同样的和换了顺序来加，浮点数的舍入就不一样。差别之小，和换一台电脑差不多。

# %% id="memory-timing" tags=["measured"]
widgets.timing_table({
    "77 positions": lambda: context.plain_features(clip, prompted.embeddings, ids).sum().backward(),
    "trimmed": lambda: context.plain_features(clip, prompted.embeddings, short).sum().backward(),
    "and shared": lambda: prompted.text_features().sum().backward(),
})

# %% [markdown] lang="en" id="pictures"
# ## 4 · Look at each picture once
#
# The vision tower is frozen, so a picture has the same vector at every step. CoOp's code computes it at every step; we compute it once, and keep it on disk besides. The first line below fills the store, the second reads from it.

# %% [markdown] lang="zh" id="pictures"
# ## 4 · 每张图片只看一次
#
# 视觉塔是冻结的，一张图在每一步的向量都一样。CoOp 的代码每一步都重算；我们只算一次，还存到硬盘上。下面先存好，再从硬盘读。

# %% id="pictures-code"
images = datasets.few_shot(tasks.RIDDLE, shots=8, checks=4, tests=20).train.images
kept = data.cached_features(clip, processor, images)          # (N, D)
compare("kept and computed anew", data.cached_features(clip, processor, images), image_features(clip, processor, images))

# %% id="pictures-timing" tags=["measured"]
widgets.timing_table({
    "computed": lambda: image_features(clip, processor, images),
    "read from disk": lambda: data.cached_features(clip, processor, images),
})

# %% id="cached-quiz"
faster.cached.ask()

# %% [markdown] lang="en" id="pays"
# ### Exercise: when does it pay?
#
# Computing the features takes time before the first step. Say it takes `prepare` seconds; then a step takes `ours` seconds in place of `theirs`. After how many steps have we caught up?
#
# **Exercise** · ★☆☆ · 3 minutes

# %% [markdown] lang="zh" id="pays"
# ### 练习：什么时候回本？
#
# 先算好图片特征要花时间。假设要 `prepare` 秒，之后每一步从 `theirs` 秒变成 `ours` 秒。走多少步之后，两边用的时间一样？
#
# **练习** · ★☆☆ · 3 分钟

# %% id="pays-exercise" tags=["exercise"]
def break_even(prepare, ours, theirs):
    """Seconds. Gives a number of steps."""
    ...

faster.break_even.check(break_even)

# %% id="pays-solution" tags=["solution"]
def break_even(prepare, ours, theirs):
    return prepare / (theirs - ours)

# %% [markdown] lang="en" id="pays-measured"
# And here it is measured, at the size of ViT-B/32: a whole training on 320 pictures. The numbers are from one machine, stored with the command that made them (`python course.py bench`); yours will differ, the ratio less so. **Guess first**: does preparing pay after ten steps, or only after a hundred?

# %% [markdown] lang="zh" id="pays-measured"
# 再看实测的结果：ViT-B/32 的大小，用 320 张图片完整训练一次。这些数来自一台机器，连同生成它们的命令（`python course.py bench`）一起存好了；换成你的机器，秒数会不同，倍数差得不多。**先猜**：十步就能回本，还是要一百步？

# %% id="pays-picture"
widgets.break_even_explorer()

# %% [markdown] lang="en" id="not-identical"
# ## 5 · What is *not* the same
#
# Other ways to be fast do change the result, and one should know which. Half as many digits (*bf16*) is one of them. (So is cropping pictures at random: then they must be looked at every time. And `torch.compile` rearranges sums as we did, but without telling which.)

# %% [markdown] lang="zh" id="not-identical"
# ## 5 · 哪些做法会改变结果
#
# 还有些提速的办法确实会改变结果，要心里有数。位数减半（bf16）就是一种。（随机裁剪图片也是：那样每一步都得重新看图。`torch.compile` 和我们一样会改变求和的顺序，只是不告诉你改了哪里。）

# %% id="bf16-code" tags=["measured"]
from copy import deepcopy

half = deepcopy(clip).to(torch.bfloat16)
rough = PromptedCLIP(half, processor, names, 16, prompted.context.detach())
compare("bf16 and fp32", rough.text_features(), prompted.text_features())

# %% [markdown] lang="en" id="limit"
# ## 6 · Where the time goes now
#
# How fast could it be at all? A machine makes so many multiplications a second and no more; a large matrix product comes near that limit. Beside it, what our steps reach on this model. A pocket model is so small that calling the functions takes longer than the arithmetic; the figure below, at full size, tells more.

# %% [markdown] lang="zh" id="limit"
# ## 6 · 现在时间花在哪里
#
# 最快能有多快？一台机器每秒能做的乘法是有限的，大矩阵相乘最接近这个极限。旁边是我们的步骤在这个模型上达到的速度。口袋模型太小，调用函数比做算术还费时间；下面那张全尺寸的图更说明问题。

# %% id="limit-code" tags=["measured"]
widgets.where_time_goes(prompted)

# %% [markdown] lang="en" id="classes"
# Cost against the number of classes at the size of ViT-B/32, and the machine's limit: what arithmetic alone would take. **Look for**: where do the two lines become parallel? How far is ours from the limit? For 1000 classes the plain way was not measured: it would need more memory than most machines have. Ours takes the classes in turn and needs less than 3 GB.

# %% [markdown] lang="zh" id="classes"
# 这是 ViT-B/32 的大小下，时间随类别数的变化，以及机器的极限：只算乘法要多久。**找一找**：两条线从哪里开始平行？我们离极限还有多远？1000 个类别时没有测老实的办法：它要的内存，大多数机器都没有。我们把类别分批处理，不到 3 GB 就够。

# %% id="classes-code"
widgets.cost_by_classes()

# %% [markdown] lang="en" id="done"
# ## What you can do now
#
# You can say which computations a causal mask makes unnecessary, leave them out, and show that nothing has changed. The habit is worth more than the factor: a speed-up without a comparison is a guess. The same ideas come back in lesson 03, where GPT-2 generates with a KV cache and scores only what is asked for.

# %% [markdown] lang="zh" id="done"
# ## 现在你会了什么
#
# 你说得出因果掩码让哪些计算变得多余，能把它们省掉，并且证明结果没变。这个习惯比快了多少倍更有用：没有对照的提速，只是猜测。同样的想法第 03 课还会遇到：GPT-2 用 KV 缓存生成文字，也只在要打分的地方打分。
