# %% [markdown] lang="en" id="faster"
# # Lesson 02b: the same, ten times faster
#
# CoOp's own code, and much that follows it, pads every class text to full length and sends it through the tower, at every step. Most of what it computes cannot matter. In this lesson we find such work, one kind after the other, leave it out, and prove each time that nothing has changed. No cleverness about hardware is needed: only lesson 01, and the rule that nobody looks ahead.
#
# (*Ten times* is what a whole training of 200 steps gains at the size of ViT-B/32, encoding the pictures included. Ours was timed in full; the other way was timed for twelve steps and reckoned on at that pace. Part 4 shows it. Another model or another machine has another factor.)
#
# It takes about 30 minutes, and no later lesson needs it.

# %% [markdown] lang="zh" id="faster"
# # 第 02b 课：结果不变，快十倍
#
# CoOp 自己的代码，还有许多照着它写的代码，每一步都把每个类别的文字填充到最大长度送进塔里，其中大部分计算不影响结果。这一课我们把这样的计算一类一类找出来，省掉，并且每次都证明结果没有变。不需要懂硬件，只要记得第 01 课和那条规矩：谁也不许往后看。
#
# （“十倍”说的是一次完整的训练：ViT-B/32 的大小，200 步，连算图片特征的时间在内。我们的做法从头到尾计了时；另一种做法只计了十二步，其余按这个速度推算。第 4 节有存好的数据。换一个模型，或者换一台机器，倍数就不一样。）
#
# 大约 30 分钟。后面的课不要求学过它。

# %% id="setup" tags=["prepare"]
import runpy
from pathlib import Path

here, script = Path.cwd(), "lessons/kit/setup_cell.py"
found = [path for folder in [here, *here.parents] for path in folder.glob(script)]
found += sorted(here.glob("*/" + script))
if not found:
    raise FileNotFoundError(f"The course is not here: {here} is not inside its folder. Move this notebook into it.")
start = runpy.run_path(str(found[0]))["start"]
start("en")

# %% id="imports-code" tags=["prepare"]
import torch

from helpers import context, data, fast_text
from helpers.context import PromptedCLIP
from helpers.language import say
from helpers.notebook import compare
from helpers.pretrained import encode_images, load_clip
from lessons.kit import flops
from lessons.lesson_02_learnable_context import exercises_b as exercises
from lessons.lesson_02_learnable_context.explorers_b import costs, sharing, timing
from pocket import datasets, tasks

clip, processor = load_clip()
names = tasks.OBJECTS
prompted = PromptedCLIP(clip, processor, names, 16, "random", generator=torch.Generator().manual_seed(0))
ids, end = prompted.ids, prompted.end                        # (C, T), (C,)
print(tuple(ids.shape), end.tolist())

# %% [markdown] lang="en" id="where-it-goes"
# ## 1 · Where does the work go?
#
# Every step of training needs the features of all class texts anew, since the context has moved. The plain way: every text is padded to 77 positions, and all of them go through the tower. (The cell above printed it for our 24 objects: 77 positions each, and each text ends at position 19.) **Think before you go on**: such a text is SOS, 16 vectors, “cat”, the full stop, EOT, and then padding. Which of its positions can have no influence at all on the result? Which are computed again for every text, though they are the same in all?

# %% [markdown] lang="zh" id="where-it-goes"
# ## 1 · 算力花在哪里？
#
# 每训练一步，上下文向量就动一次，所有类别的文字特征都得重算。最直接的做法（下面叫朴素做法）是把每段文字填充到 77 个位置，全部送进塔里。（上一格打印的就是我们的 24 种物体：每段文字 77 个位置，都在位置 19 结束。）**先想一想，再往下走**：这样一段文字是 SOS、16 个向量、“cat”、句号、EOT，后面全是填充。哪些位置对结果绝对没有影响？哪些位置每段文字都一样，却在反复地算？

# %% id="count-guess"
exercises.times_fewer.ask()

# %% [markdown] lang="en" id="positions"
# Here are eight texts, with four vectors each. **Before you move anything**: how many positions will all texts share if the class name stands in front, though the same vectors follow it? And if each class has vectors of its own?

# %% [markdown] lang="zh" id="positions"
# 这里是八段文字，每段四个向量。**动手之前**先说：把类别名放到最前面，后面跟着的还是同样的向量，大家共有的位置会剩下几个？每类各有一套向量呢？

# %% id="where-it-goes-code"
sharing.explore_sharing(clip, processor, names[:8])

# %% [markdown] lang="en" id="count"
# How much that is in multiplications can be counted without running anything: it follows from the size of the model, and from how many texts there are and how long. (Counted with it is a small saving that part 3 explains: the last layer is finished only at the end of each text.)

# %% [markdown] lang="zh" id="count"
# 换成乘法是多少次，不用运行就能数出来：只由模型的大小、文字的段数和长度决定。（其中还有一项小的节省，第 3 节会讲：最后一层只把每段文字的结尾算完。）

# %% id="count-code"
from transformers import CLIPConfig

vit_b_32 = CLIPConfig()                                       # the sizes of openai/clip-vit-base-patch32
shared, own = 1 + 16, 3                                       # SOS and the vectors; the class name, full stop, EOT
plain = flops.count_text_tower(vit_b_32, texts=100, length=77).forward
ours = flops.count_text_tower(vit_b_32, texts=100, length=shared + own, shared=shared, only_end=True).forward
print(f"{plain:,} / {ours:,} = {plain / ours:.1f}")
exercises.times_fewer.reveal(plain / ours)

# %% [markdown] lang="en" id="ladder"
# Here are the savings one by one, for any sizes. **Try**: when does sharing bring most, with long or with short names? With few classes or with many? And does a larger model change the ratios?

# %% [markdown] lang="zh" id="ladder"
# 下面把每一项节省分开来看，大小随你定。**试一试**：名称长还是短的时候，共用省得最多？类别少还是多的时候呢？换成更大的模型，倍数会变吗？

# %% id="ladder-code"
costs.explore_cost()

# %% [markdown] lang="en" id="trim"
# ## 2 · Trim
#
# Behind the end of a text stands padding, and in lesson 01 you saw that the end never sees it. So we cut it off, for all texts at the same place, since a tensor has straight edges.
#
# ### Exercise: trim
#
# Keep as few positions as possible, but every text with its end. `end` says where each text ends.
#
# **Exercise** · ★☆☆ · 3 minutes

# %% [markdown] lang="zh" id="trim"
# ## 2 · 截短
#
# 文字结尾的后面是填充。第 01 课里你看到过，结束符根本看不到它们。那就截掉。张量的边是齐的，所以要在同一个地方截。
#
# ### 练习：截短
#
# 留下的位置越少越好，但每段文字的结尾都要在。`end` 是各段文字结尾的位置。
#
# **练习** · ★☆☆ · 3 分钟

# %% id="trim-exercise" tags=["exercise"]
def trim(ids, end):
    """ids (C, T), end (C,): where each text ends. Gives (C, as few positions as possible)."""
    ...

exercises.trim.check(trim)

# %% id="trim-solution" tags=["solution"]
def trim(ids, end):
    return ids[:, : end.max() + 1]

# %% [markdown] lang="en" id="trim-compare"
# First the proof, then the time. Features and gradient must be the same up to rounding; the clock is the only thing that may differ. (It is read five times, and the best counts: whatever else the machine is doing can only add to it.)

# %% [markdown] lang="zh" id="trim-compare"
# 先证明，再计时。特征和梯度必须一样，最多差一点舍入误差；真正允许不同的只有时间。（每种做法计时五次，取最快的一次：机器同时在忙别的，只会让它变慢。）

# %% id="trim-compare-code"
short = ids[:, : end.max() + 1]                               # (C, 20)
padded = context.encode_plain(clip, prompted.embeddings, ids)
trimmed = context.encode_plain(clip, prompted.embeddings, short)
compare(say(en="features, padded and trimmed", zh="填充与截短的特征"), trimmed, padded)
[before] = torch.autograd.grad(padded.square().mean(), prompted.context)
[after] = torch.autograd.grad(trimmed.square().mean(), prompted.context)
compare(say(en="gradient of the context", zh="上下文向量的梯度"), after, before)

# %% [markdown] lang="en" id="rounding"
# Where it says *close* and not *exact*, nothing that matters was left out. But for a tensor of another shape the processor adds the same products in another order, and floating-point sums then round differently, in the last of their seven digits.

# %% [markdown] lang="zh" id="rounding"
# 如果写的是“很接近”而不是“完全相等”，并不是漏算了什么。张量的形状变了，处理器相加的次序也跟着变，浮点数的和在最后一位（一共七位）上舍入得不一样。

# %% id="trim-timing" tags=["measured"]
timing.tabulate_timing({
    say(en="77 positions", zh="77 个位置"): lambda: context.encode_plain(clip, prompted.embeddings, ids).sum().backward(),
    say(en="trimmed", zh="截短"): lambda: context.encode_plain(clip, prompted.embeddings, short).sum().backward(),
})

# %% [markdown] lang="en" id="share"
# ## 3 · Compute once what all texts share
#
# In front of the class name every text holds the same: the start, and the context. Nobody looks ahead, so in no layer can any of these positions know which class will follow.
#
# ### Exercise: the shared beginning
#
# How many positions are the same in all texts, counted from the beginning?
#
# **Exercise** · ★★☆ · 5 minutes

# %% [markdown] lang="zh" id="share"
# ## 3 · 大家共有的只算一次
#
# 在类别名前面，每段文字都一样：起始符，然后是上下文向量。谁也不许往后看，所以不管在哪一层，这些位置都不可能知道后面是哪一类。
#
# ### 练习：共有的开头
#
# 从开头数起，有几个位置在所有文字里都相同？
#
# **练习** · ★★☆ · 5 分钟

# %% id="share-exercise" tags=["exercise"]
def shared(ids):
    """ids (C, T). Gives how many positions at the beginning are the same in all texts."""
    ...

exercises.shared.check(shared)

# %% id="share-solution" tags=["solution"]
def shared(ids):
    same = (ids == ids[0]).all(0)                             # (T,)
    return int(same.int().cumprod(0).sum())

# %% [markdown] lang="en" id="memory"
# Shared positions and each text's own go through the tower side by side. In every layer the own positions look back at the keys and values of the shared ones (what lesson 01 called labels and contents), which are computed once and serve all classes. Language models do the same when they generate, one token after another, and call it a *KV cache*. And the last layer is finished only at the end of each text, since nothing else is read off.

# %% [markdown] lang="zh" id="memory"
# 共有的位置和各段文字自己的位置一起经过文本塔。在每一层里，自己的位置都回头去查共有位置的键和值（key、value，也就是第 01 课说的“牌子”和“内容”）；这些键和值只算一次，所有类别共用。语言模型一个词元一个词元地生成时也是这么做的，叫 KV 缓存（KV cache）。到了最后一层，只把每段文字的结尾算完，因为别的都不会取用。

# %% id="memory-code"
vectors = prompted.embeddings(input_ids=short)                # (C, T, D)
n = prompted.shared
ends = fast_text.run_side_by_side(clip, vectors[0, :n], vectors[:, n:], end - n)   # (C, D): what stands at the ends
fast = clip.text_projection(clip.text_model.final_layer_norm(ends))
print(say(en=f"{n} shared, {short.shape[1] - n} of each text's own",
          zh=f"共有 {n} 个位置，每段文字自己 {short.shape[1] - n} 个"))
compare(say(en="features, shared and plain", zh="共用与朴素做法的特征"), fast, padded)
[after] = torch.autograd.grad(fast.square().mean(), prompted.context)
compare(say(en="gradient of the context", zh="上下文向量的梯度"), after, before)

# %% [markdown] lang="en" id="memory-close"
# *Close* once more, for the same reason: the same sums in another order.

# %% [markdown] lang="zh" id="memory-close"
# 这里同样是“很接近”，原因也一样：同样的数换了次序来加。

# %% id="memory-timing" tags=["measured"]
timing.tabulate_timing({
    say(en="77 positions", zh="77 个位置"): lambda: context.encode_plain(clip, prompted.embeddings, ids).sum().backward(),
    say(en="trimmed", zh="截短"): lambda: context.encode_plain(clip, prompted.embeddings, short).sum().backward(),
    say(en="and shared", zh="再加共用"): lambda: prompted.text_features().sum().backward(),
})

# %% [markdown] lang="en" id="pictures"
# ## 4 · Look at each picture once
#
# The vision tower is frozen, so the same picture has the same vector at every step. We compute it once, and keep it on disk besides. (CoOp's code computes it anew at every step, and has a reason; the question below is about it.)

# %% [markdown] lang="zh" id="pictures"
# ## 4 · 每张图片只看一次
#
# 视觉塔是冻结的，同一张图在每一步的向量都一样。我们只算一次，还存到硬盘上。（CoOp 的代码每一步都重算，而且有它的道理，下面的小测验就和这个有关。）

# %% id="pictures-code"
images = datasets.draw_few_shot(tasks.RIDDLE, shots=8, checks=4, tests=20).train.images
kept = data.cache_features(clip, processor, images)          # (N, D)
compare(say(en="kept and computed anew", zh="存好的与重新算的特征"), data.cache_features(clip, processor, images), encode_images(clip, processor, images))

# %% id="pictures-timing" tags=["measured"]
timing.tabulate_timing({
    say(en="computed", zh="重新算"): lambda: encode_images(clip, processor, images),
    say(en="read from disk", zh="从硬盘读"): lambda: data.cache_features(clip, processor, images),
})

# %% id="cached-quiz"
exercises.cached.ask()

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

exercises.break_even.check(break_even)

# %% id="pays-solution" tags=["solution"]
def break_even(prepare, ours, theirs):
    return prepare / (theirs - ours)

# %% [markdown] lang="en" id="pays-measured"
# And here it is measured, at the size of ViT-B/32, with 320 pictures to learn from. Ours is a whole training of 200 steps, with 80 pictures to validate on. The *textbook's way* encodes pictures and full texts at every step; twelve of its steps were timed, without validation. The numbers are from one machine, stored with the command that made them (`python course.py bench`); yours will differ, the ratio less so.
#
# **Guess first**: does preparing pay after ten steps, or only after a hundred? Then take the three numbers from the figure and its caption, put them into your function, and compare.

# %% [markdown] lang="zh" id="pays-measured"
# 再看实测的结果：ViT-B/32 的大小，320 张图片训练。我们的做法是从头到尾 200 步，另有 80 张图片验证。教科书做法（the textbook's way）每一步都重算图片特征，文字也算满 77 个位置；它只实测了 12 步，不含验证。这些数来自一台机器，连同生成它们的命令（`python course.py bench`）一起存好了；换成你的机器，秒数会不同，倍数差得不多。
#
# **先猜**：十步就能回本，还是要一百步？再从图和图下的说明里找出那三个数，代入你写的函数，看看对不对得上。

# %% id="pays-picture"
timing.explore_break_even()

# %% [markdown] lang="en" id="not-identical"
# ## 5 · What is *not* the same
#
# Other shortcuts do change the result, and one should know which. Numbers of 16 bits (*bf16*) in place of 32 (*fp32*) keep two or three digits of seven. On graphics cards that is faster, on a processor it may even be slower: measure. The other 16 bits, *fp16*, end at 65,504 and have no number for Adam's 1e-8: what learns in them soon reads NaN. Our context stays in fp32, whatever the model is in, and is cast when it enters. (`torch.compile` is another matter: it may reorder sums, but so did we.)

# %% [markdown] lang="zh" id="not-identical"
# ## 5 · 哪些做法会改变结果
#
# 有些做法确实会改变结果，要心里有数。用 16 位的数（bf16）代替 32 位的（fp32），七位有效数字只剩两三位；在显卡上这样更快，在 CPU 上说不定反而更慢：要测了才知道。另一种 16 位的数 fp16，最大只到 65504，Adam 用的 1e-8 在里面就成了 0，拿它当参数来学，很快会学出 NaN。我们的上下文向量始终用 fp32 保存，不管模型用哪一种，放进去的时候才转换。（`torch.compile` 另当别论：它可能改变求和的次序，不过求和的次序我们前面自己也改过，只差舍入误差。）

# %% id="bf16-code"
from copy import deepcopy

half = deepcopy(clip).to(torch.bfloat16)
rough = PromptedCLIP(half, processor, names, 16, prompted.context.detach())
compare(say(en="features, bf16 and fp32", zh="bf16 与 fp32 的特征"), rough.text_features(), prompted.text_features())

# %% [markdown] lang="en" id="limit"
# ## 6 · Where the time goes now
#
# How fast could it be at all? A machine makes so many multiplications a second and no more; a large matrix product comes near that limit: it stands in the last row. (GFLOP/s: billions of operations a second, two for each multiplication and its sum.) **Guess**: which of our two ways comes nearer to the limit?

# %% [markdown] lang="zh" id="limit"
# ## 6 · 现在时间花在哪里
#
# 最快能有多快？一台机器每秒能做的乘法是有限的，大矩阵相乘最接近这个极限，它在最后一行。（GFLOP/s 是每秒做多少个十亿次浮点运算，一次乘加算两次。）**先猜**：我们的两种做法，哪一种离极限更近？

# %% id="limit-code" tags=["measured"]
timing.tabulate_where_time_goes(prompted)

# %% [markdown] lang="en" id="limit-seen"
# The plain way keeps the processor busier, with arithmetic that nobody needs. The last column also says how much of each way's time its multiplications would take at the machine's full pace. On a pocket model the fast way has so little arithmetic left that this is the smaller part; the larger goes into calling functions, for instance, and into products too small to be fast. At full size it looks different:

# %% [markdown] lang="zh" id="limit-seen"
# 朴素做法让处理器更忙，忙的却是用不着的运算。最后一列也可以这样读：假如机器全速运转，光做这些乘法要占用时的百分之几。在口袋模型上，快的做法剩下的运算量已经很少，这一份只是小头；大头花在别的事上，例如调用函数，还有太小、快不起来的矩阵乘法。换成全尺寸，情形就不同了：

# %% [markdown] lang="en" id="classes"
# Seconds of a step against the number of classes, at the size of ViT-B/32, beside the machine's limit: what the multiplications of the fast way alone would take. **Look for**: is there a number of classes so small that the fast way does not pay? Why is our line nearest to the limit at a hundred classes, and farther from it with one? And with a thousand? (The caption says what is done then.)

# %% [markdown] lang="zh" id="classes"
# 这是 ViT-B/32 的大小下，一步的秒数随类别数的变化，旁边是机器的极限：快的做法光做乘法要多久。**找一找**：类别少到几个，快的做法就不划算了？还是一直划算？为什么一百个类别时我们离极限最近，一个类别时却离得远？一千个类别时呢？（图下的说明写着那时做了什么。）

# %% id="classes-code"
timing.draw_cost_by_classes()

# %% [markdown] lang="en" id="done"
# ## What you can do now
#
# You can say which computations a causal mask makes unnecessary, leave them out, and show that nothing has changed. The habit is worth more than the factor: a speed-up without a comparison is a guess. The same ideas come back in lesson 03, where GPT-2 generates with a KV cache and scores only what is asked for.

# %% [markdown] lang="zh" id="done"
# ## 现在你会了什么
#
# 你说得出因果掩码让哪些计算变得多余，能把它们省掉，并且证明结果没变。这个习惯比快了多少倍更有用：没有对照的提速，只是猜测。同样的想法第 03 课还会遇到：GPT-2 用 KV 缓存生成文字，也只在用得着的位置上计算得分。
