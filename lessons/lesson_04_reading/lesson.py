# %% [markdown] lang="en" id="reading"
# # Lesson 04: reading the vectors
#
# In lessons 02 and 03 we learned vectors, and they worked. What do they *say*? In an issue of a public repository (HealthX-Lab/BiomedCoOp, issue 5) the words nearest to the four vectors of a context, learned on medical pictures, are “mri, curcumin, of, a” (curcumin makes turmeric yellow), and somebody asks what that means. CoOp's authors printed such words as well, and found few that had to do with the task (Zhou et al. 2022, arXiv 2109.01134).
#
# In this lesson you read learned vectors with five instruments: nearest words, a map, snapping back to words, influence, and a test on contexts whose secret we planted ourselves. For each of them you will know what pure chance looks like. The core, sections 1 to 4, 8 and 9, takes about 40 minutes; all of it, with its six exercises, about 70 minutes. At the end we come back to the curcumin.

# %% [markdown] lang="zh" id="reading"
# # 第 04 课：解读向量
#
# 第 02、03 课里，我们学出了一些向量，它们确实管用。可它们到底在**说**什么？在一个公开仓库里（HealthX-Lab/BiomedCoOp，issue 5），有一组用医学图片学出来的上下文向量（context），离四个向量最近的词是“mri, curcumin, of, a”（curcumin 是姜黄素）。提问的人想知道：这是什么意思？CoOp 的作者也列出过这样的词，发现和任务有关的没有几个（Zhou 等，2022，arXiv 2109.01134）。
#
# 这一课有五件工具，用来读学出来的向量：最近的词、地图、换回词语、影响，再加一场考试：秘密由我们亲手埋下，看读不读得出来。每一件工具，你都会知道：纯属偶然时，会读出什么。核心部分（第 1 到 4 节、第 8 和第 9 节）大约 40 分钟；连同六道练习全部做完，大约 70 分钟。最后我们再回来看姜黄素。

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
from torch.nn import functional as F

from helpers import reading
from helpers.context import PromptedCLIP
from helpers.language import say
from helpers.notebook import Table, compare
from helpers.pretrained import encode_texts, load_clip, load_language_model
from lessons.lesson_04_reading import exercises, instruments, nulls
from lessons.lesson_04_reading.explorers import influence, levers, neighbours, paths, planted, prompts
from pocket.studies import reading_study

clip, processor = load_clip("pocket")                        # the vectors below were learned on it
vocabulary = reading.read_vocabulary(clip, processor.tokenizer)   # its table (V, D), and what the rows are called
study = reading_study.load_study()                           # what was learned, and what it is worth

# %% [markdown] lang="en" id="first-look"
# ## 1 · A first look
#
# The vectors of this lesson were learned beforehand, in several hundred trainings started by one command. Three tasks we shall follow closely. *The red one of two*: the riddle of lesson 00. *Sketches*: every picture is a sketch, and no class name says so. *Blurred*: photos that we blurred, and for that this CLIP has no word at all. Each context has four vectors.
#
# Begin with the last. No word is right for it; some word has to be nearest all the same.

# %% [markdown] lang="zh" id="first-look"
# ## 1 · 先看一眼
#
# 这一课用到的向量是事先学好的，用一条命令训练了好几百次。有三个任务我们要跟到底。**两样东西里红色的那个**：第 00 课的谜题。**素描**：每张图都是素描（sketch），类别名却只字不提。**模糊**：我们把照片弄模糊了，而这个 CLIP 根本没有表示“模糊”的词。每组上下文向量都有四个。
#
# 先看最后一个。没有哪个词是对的，可总会有一个词离得最近。

# %% id="blurred-guess"
exercises.blurred_words.ask()

# %% [markdown] lang="en" id="first-words"
# For each vector we take the one nearest word, in five contexts that learned from other blurred photos and other random beginnings.

# %% [markdown] lang="zh" id="first-words"
# 五组上下文向量，用的模糊照片各不相同，随机的起点也各不相同。每个向量，取离它最近的一个词。

# %% id="first-words-code"
blurred = study.contexts("blurred")                          # (S, M, D): five seeds, four vectors
near = reading.find_nearest_tokens(blurred, vocabulary.table, 1, rows=vocabulary.words)
words = [[vocabulary.names[id] for id in context] for context in near.ids[..., 0].tolist()]
print(*map(" · ".join, words), sep="\n")
exercises.blurred_words.reveal(words)

# %% [markdown] lang="en" id="explore"
# Now the instrument itself, at the riddle's step 8, the first evaluation after the start. Move the slider back to step 0, the random initialisation: was anything readable there? Look at the grey band as well: there the nearest words of *random* vectors lie. **Before you choose the sketches**: at which step will *sketch* be readable? Then try the other metric and the other initialisation. Beneath the instrument, both tasks in a table.

# %% [markdown] lang="zh" id="explore"
# 现在把这件工具拿在手里。一打开，停在谜题的第 8 步，也就是训练开始后第一次评估的时候。把滑块移回第 0 步，那里四个向量还是随机数：读得出什么吗？再看看灰色的带子：**随机**向量的最近词落在那里。**换成素描之前**先说：到第几步能读出 sketch？另一种距离、另一种初始化（initialisation）也试试。下面的表，把两个任务各列出几步。

# %% id="explore-code"
neighbours.explore_nearest(clip, processor)

# %% id="steps-code"
neighbours.tabulate_steps()

# %% [markdown] lang="en" id="explore-seen"
# The riddle: from step 8 on, *red* is the nearest word of some vector; *scarlet* and *crimson* follow. The sketches: neon, plain, pretty …, and *sketch* stands far down, on place 48 of 168, where this instrument does not show it. (That it stood on place 5 at step 0 was luck: nothing had been learned yet.)
#
# That is where most readings end: red is plausible, the cup is funny, neon is almost right. From here on we do not look for what is plausible.

# %% [markdown] lang="zh" id="explore-seen"
# 谜题：从第 8 步起，总有某个向量的最近词是 red，scarlet、crimson 紧随其后。素描：neon、plain、pretty……sketch 远在 168 个词里的第 48 位，词数开到最多也看不见。（它在第 0 步排第 5，只是运气：那时还什么都没有学。）
#
# 大多数解读到这里就结束了：red 说得通，杯子很有趣，neon 也算沾边。从这里起，我们不再问说不说得通。

# %% [markdown] lang="en" id="by-hand"
# ## 2 · The nearest rows, by hand
#
# Behind the picture is a look-up that fits on two lines.

# %% [markdown] lang="zh" id="by-hand"
# ## 2 · 亲手找最近的行
#
# 图背后的查找，两行就能写完。

# %% [markdown] lang="en" id="nearest"
# ### Exercise: the nearest rows
#
# Which rows of the table point the same way as a vector? The *cosine* tells: it compares directions, and no length counts. For each vector, give the numbers of the k rows with the largest cosine, the nearest first.
#
# **Exercise** · ★★☆ · 5 minutes

# %% [markdown] lang="zh" id="nearest"
# ### 练习：最近的行
#
# 表里哪些行和一个向量指向同一个方向？看余弦（cosine）就知道：它只比方向，不管长短。请为每个向量找出余弦最大的 k 行，给出行的编号，最近的排在最前。
#
# **练习** · ★★☆ · 5 分钟


# %% id="nearest-exercise" tags=["exercise"]
def nearest(vectors, table, k):
    """vectors (M, D), table (V, D). Gives (M, k): the numbers of the k rows with the largest cosine, nearest first."""
    ...

exercises.nearest.check(nearest)

# %% id="nearest-solution" tags=["solution"]
def nearest(vectors, table, k):
    cosines = F.normalize(vectors, dim=-1) @ F.normalize(table, dim=-1).T    # (M, V)
    return cosines.topk(k).indices                                           # (M, k)

# %% [markdown] lang="en" id="by-library"
# `reading.find_nearest_tokens` does the same, and gives distances: 1 minus the cosine, so that a row is at distance 0 from itself. (CoOp's own script prints the nearest by Euclidean distance: that is `metric="euclidean"`.)

# %% [markdown] lang="zh" id="by-library"
# `reading.find_nearest_tokens` 做的是同一件事，还给出距离：1 减去余弦，所以每一行到自己的距离是 0。（CoOp 自带的脚本按欧氏距离找最近的词，对应这里的 `metric="euclidean"`。）

# %% id="by-library-code"
red = study.contexts("the red one of two")[0]                # (M, D)
table = vocabulary.table[vocabulary.words]                   # (W, D): whole words that training used
unit, rows = F.normalize(red, dim=-1), F.normalize(table, dim=-1)
near = reading.find_nearest_tokens(red, table, 3)
compare(say(en="1 − the largest cosines", zh="1 − 最大的余弦"), 1 - (unit @ rows.T).topk(3).values, near.distances.float())

# %% [markdown] lang="en" id="untrained"
# Which rows may answer? A vocabulary holds rows that training never touched, and pieces of words. Such a row still holds the random numbers it began with, and may well lie nearest to something. Here, in brackets, are the neighbours that training never used:

# %% [markdown] lang="zh" id="untrained"
# 哪些行有资格回答？词表（vocabulary）里有些行训练时从没碰过，还有些只是词的碎片。没训练过的行里仍是一开始的随机数，照样可能离什么东西最近。下面加了括号的，就是训练从没用过的邻居：

# %% id="untrained-code"
used, rows, whole = vocabulary.trained.sum().item(), len(vocabulary.table), len(vocabulary.words)
print(say(en=f"{used} of {rows} rows trained, {whole} of them whole words", zh=f"{rows} 行里训练过 {used} 行，其中 {whole} 行是完整的词"))
for ids in reading.find_nearest_tokens(blurred[0], vocabulary.table, 6).ids.tolist():
    print(" ".join(vocabulary.names[id] if vocabulary.trained[id] else f"({vocabulary.names[id]})" for id in ids))

# %% [markdown] lang="en" id="untrained-seen"
# From here on we look among whole words that training used. The pocket CLIP keeps a record of them. The real CLIP keeps none: there all 49,408 rows count, and a rare word near a vector is a reason for suspicion.

# %% [markdown] lang="zh" id="untrained-seen"
# 从这里起，我们只在训练用过的完整词里找。口袋 CLIP 留有记录。真正的 CLIP 没有：49,408 行全都算数，要是离向量最近的是个生僻词，就该起疑心。

# %% [markdown] lang="en" id="whose-table"
# ## 3 · Whose table?
#
# The look-up gives words for any vector whatever, and in any table that is as wide. So whose table is it?

# %% [markdown] lang="zh" id="whose-table"
# ## 3 · 谁的表？
#
# 随便拿一个向量去查，只要表一样宽，都会给出词来。那么，查的到底是谁的表？

# %% [markdown] lang="en" id="reads-back"
# ### Exercise: does it read back?
#
# The table of another model can be just as wide and have as many rows, with the same names beside them. Then the look-up runs without an error, and every word that it gives is wrong. So ask a table first what you know already: take some words' own vectors, and see whether it reads them back. Let no table through that is only nearly the right one.
#
# **Exercise** · ★★☆ · 4 minutes

# %% [markdown] lang="zh" id="reads-back"
# ### 练习：读得回来吗？
#
# 别的模型的表，可以一样宽、行数一样多，连每行旁边写的名称都一样。这时查表照样能跑，不会报错，给出的词却全是错的。所以先拿已经知道答案的问题去问：取几个词自己的向量，看这张表能不能把它们读回来。差一点点的表，也不能放过。
#
# **练习** · ★★☆ · 4 分钟


# %% id="reads-back-exercise" tags=["exercise"]
def reads_back(known, ids, table):
    """known (N, D): the vectors of words whose ids (N,) we know. True only if the row that this table (V, D) keeps for
    each of them is that very vector, number for number (but for rounding)."""
    ...

exercises.reads_back.check(reads_back)

# %% id="reads-back-solution" tags=["solution"]
def reads_back(known, ids, table):
    return torch.allclose(table[ids], known)                 # then no other row can be nearer

# %% [markdown] lang="en" id="how-near"
# ## 4 · How near is near?
#
# Something is always nearest. So a distance alone says nothing; we need to know what distances come about by chance. What chance gives is called the *null*: in statistics, what the null hypothesis predicts. Three references: how far the vocabulary's own words lie from *their* nearest neighbours; random vectors of the same norms; and vectors learned from *permuted labels*, where the pictures are the same and there is nothing to learn about them.

# %% [markdown] lang="zh" id="how-near"
# ## 4 · 多近才算近？
#
# 总有一个词是最近的。所以光有一个距离说明不了什么，得知道纯属偶然时距离有多大。偶然给出的结果，我们叫它偶然对照（null），也就是统计学里零假设（null hypothesis）成立时的结果，它的分布叫零分布。有三样可以比：词表里的词，离**它们自己**的最近邻（nearest neighbour）有多远；模长相同的随机向量；还有用**打乱的标签**（permuted labels）学出来的向量，图片还是那些图片，却没有什么可学。

# %% id="how-near-code"
neighbours.draw_distances(clip, processor)

# %% [markdown] lang="en" id="as-near"
# For a single context: how many of 2,000 random vectors come as near to a word as each of its four?

# %% [markdown] lang="zh" id="as-near"
# 单看一组上下文向量：2000 个随机向量里，有多少和这四个向量一样，离某个词这么近？

# %% id="as-near-code"
def nearest_distance(vectors):
    return reading.find_nearest_tokens(vectors, table, 1).distances[..., 0]

null = nearest_distance(nulls.draw_random_like(red, 500, torch.Generator().manual_seed(0))).flatten()   # (2000,)
for name, called in (("the red one of two", say(en="the riddle", zh="谜题")), ("blurred", say(en="blurred photos", zh="模糊的照片"))):
    shares = nulls.measure_share_as_near(nearest_distance(study.contexts(name)[0]), null)    # (M,)
    print(called, (shares * len(null)).round().int().tolist())

# %% [markdown] lang="en" id="permuted-words"
# On these two tasks few random vectors come as near, and for half of the learned ones not one in 2,000 does. But look at the medians in the figure again: vectors from permuted labels, begun at random, come nearer still. What do they say? For the riddle:

# %% [markdown] lang="zh" id="permuted-words"
# 这两个任务上，很少有随机向量能这么近；学出来的八个向量里，有四个是 2000 个随机向量一个也赶不上的。可是再看一遍图里的中位数：同样从随机数开始，用打乱的标签学出来的向量离词还要更近。它们在说什么？以谜题为例：

# %% id="permuted-words-code"
shuffled = study.contexts("the red one of two", permuted=True)                   # (S, M, D)
for ids in reading.find_nearest_tokens(shuffled, vocabulary.table, 1, rows=vocabulary.words).ids[..., 0].tolist():
    print(" · ".join(vocabulary.names[id] for id in ids))

# %% [markdown] lang="en" id="near-seen"
# Birds (*bird*, *sparrow*), *goldfish* and *small*, and not once *red*. A small distance shows that training went somewhere. It does not show that the word is true.

# %% [markdown] lang="zh" id="near-seen"
# 读出来的是 bird、sparrow、goldfish、small，red 一次也没有。距离小，说明训练去了某个地方；不说明那个词是对的。

# %% [markdown] lang="en" id="map"
# ## 5 · A map, and what is not on it
#
# A table of 128 columns cannot be drawn. PCA (principal component analysis) finds the few directions in which it varies most, and we draw those. It is the most popular picture of learned prompts; so let us know exactly what it is.

# %% [markdown] lang="zh" id="map"
# ## 5 · 一张地图，和图上没有的东西
#
# 128 列的表没法画出来。主成分（principal component）分析，也就是 PCA，找出这张表变化最大的几个方向，我们只画这几个。学出来的提示词，人们最爱画的就是这种图；所以先要把它是什么弄清楚。

# %% [markdown] lang="en" id="pca"
# ### Exercise: PCA by hand
#
# Move the middle of all words to 0, and take the singular value decomposition of what you get (SVD, `torch.linalg.svd`). Out of it come the directions, the one with the largest share first, and how much of the variance lies along each. Three lines are enough, and no library for PCA.
#
# **Exercise** · ★★★ · 7 minutes

# %% [markdown] lang="zh" id="pca"
# ### 练习：亲手做 PCA
#
# 先把所有词的中心移到 0，再对得到的表做奇异值分解（singular value decomposition，SVD，`torch.linalg.svd`）。方向就在分解的结果里，占比最大的排在最前；每个方向上有多少方差（variance），也能从里面算出来。不用现成的库，三行就够。
#
# **练习** · ★★★ · 7 分钟


# %% id="pca-exercise" tags=["exercise"]
def pca(table, n):
    """table (V, D). Gives the mean (D,), the first n directions (n, D), and the share of the variance that each explains (n,)."""
    ...

exercises.pca.check(pca)

# %% id="pca-solution" tags=["solution"]
def pca(table, n):
    mean = table.mean(dim=0)                                             # (D,)
    _, S, Vh = torch.linalg.svd(table - mean, full_matrices=False)       # the directions are the rows of Vh
    return mean, Vh[:n], S[:n] ** 2 / (S**2).sum()

# %% [markdown] lang="en" id="explained"
# How much of the vocabulary is on such a map? Beside it the same for a table whose columns were each shuffled on their own: every number is still there, and no word is left.

# %% [markdown] lang="zh" id="explained"
# 这样一张地图上，装下了词表的多少？旁边是对照：把表的每一列各自打乱，数一个不少，词却一个不剩。

# %% id="explained-code"
shuffled_table = nulls.shuffle_columns(table, torch.Generator().manual_seed(0))
ours, null = (instruments.project(red, words, 3).explained.sum().item() for words in (table, shuffled_table))
print(say(en=f"three directions carry {ours:.0%} of the variance; after shuffling {null:.0%}",
          zh=f"三个方向占方差的 {ours:.0%}；打乱以后占 {null:.0%}"))

# %% [markdown] lang="en" id="off-the-map"
# So most of a word lies outside the map. And of learned vectors?

# %% [markdown] lang="zh" id="off-the-map"
# 可见一个词的大部分都在图外。学出来的向量呢？

# %% id="outside-guess"
exercises.outside.ask()

# %% id="outside-code"
def outside(vectors):                                        # the share of the squared distance from the centre
    return instruments.project(vectors, table, 3).outside.mean().item()

shares = outside(table), outside(study.contexts("the red one of two")), outside(shuffled)
print(say(en="outside: words {:.0%}, learned {:.0%}, from permuted labels {:.0%}",
          zh="图外：词 {:.0%}，学出来的 {:.0%}，打乱标签学出来的 {:.0%}").format(*shares))
exercises.outside.reveal(shares)

# %% [markdown] lang="en" id="paths"
# Now the map, with the way that each vector went. (It begins at the last step; the shares above are of the step that was kept.) The directions are those of the vocabulary alone: fitted on the vectors as well, they would turn towards them. **Turn it** until two of the ends seem to lie beside the same word, then turn further. And compare with the ends that permuted labels lead to: would you have told the two apart?

# %% [markdown] lang="zh" id="paths"
# 现在看地图，上面还画着每个向量走过的路。（一打开停在最后一步；上面那几个比例，算的是留下来的那一步。）方向只由词表决定；要是把向量也算进去，方向就会朝它们偏。**转一转**，转到有两个终点看上去挨着同一个词，再接着转。再和打乱的标签学出来的终点比一比：不告诉你，你分得出来吗？

# %% id="paths-code"
paths.explore_paths(clip, processor)

# %% [markdown] lang="en" id="paths-seen"
# The crosses are the most impressive thing on this map: from different seeds, they all ran far along the first direction, to the same side. Anybody would take that for a discovery. It comes from labels that were shuffled. What do the vectors gain by going there? Compare the features of the 24 class texts with each other:

# %% [markdown] lang="zh" id="paths-seen"
# 图上最醒目的是那些叉号：随机种子（random seed）各不相同，却全都沿着第一个方向，朝同一边跑出很远。谁看了都会以为有了发现，可它们来自打乱的标签。跑过去有什么好处？把 24 个类别的文字特征互相比一比：

# %% id="alike-code"
prompted = PromptedCLIP(clip, processor, reading_study.TASKS["the red one of two"].class_names)      # “a photo of a”
contexts = prompted.context.detach(), red, shuffled[0]
alike = [instruments.compute_cosines(prompted.with_context(context).class_features()).mean().item() for context in contexts]
print(say(en="mean cosine of class texts: hand {:.2f}, learned {:.2f}, from permuted labels {:.2f}",
          zh="类别文字之间的平均余弦：手工提示词 {:.2f}，学出来的 {:.2f}，打乱标签学出来的 {:.2f}").format(*alike))

# %% [markdown] lang="en" id="alike-seen"
# All 24 texts have become nearly the same: whatever the picture, every class gets the same probability. Where nothing can be known, being sure of nothing makes the loss as small as it can be, and there is a direction for that.

# %% [markdown] lang="zh" id="alike-seen"
# 24 段文字几乎成了同一个向量：不管看到什么图片，每一类得到的概率都一样。既然什么都无从知道，那么对哪一类都不下注，损失（loss）才最小；而恰好有一个方向，能让向量走到这一步。

# %% [markdown] lang="en" id="back-to-words"
# ## 6 · Back to words
#
# If the vectors mean words, then the words must do what the vectors did. So replace each vector by its nearest word, and score again.

# %% [markdown] lang="zh" id="back-to-words"
# ## 6 · 换回词语
#
# 如果这些向量说的就是那些词，那么词就该做到向量所做的事。好，把每个向量换成离它最近的词，再测一次准确率（accuracy）。

# %% [markdown] lang="en" id="snap"
# ### Exercise: snap to words
#
# Replace each vector by the nearest of the allowed rows, by cosine. What comes back has to be fit for the slots: (M, D), each row just as it stands in the table.
#
# **Exercise** · ★★☆ · 4 minutes

# %% [markdown] lang="zh" id="snap"
# ### 练习：换成词
#
# 把每个向量换成允许的行里离它最近的那一行，远近按余弦算。返回的结果要能直接放进槽位（slot）：形状是 (M, D)，每一行都和表里的原样相同。
#
# **练习** · ★★☆ · 4 分钟


# %% id="snap-exercise" tags=["exercise"]
def snap(vectors, table, allowed):
    """vectors (M, D), table (V, D), allowed (W,): the numbers of the rows that may be used.
    Gives (M, D): for each vector the allowed row with the largest cosine, as it stands in the table."""
    ...

exercises.snap.check(snap)

# %% id="snap-solution" tags=["solution"]
def snap(vectors, table, allowed):
    words = table[allowed]                                                   # (W, D)
    cosines = F.normalize(vectors, dim=-1) @ F.normalize(words, dim=-1).T    # (M, W)
    return words[cosines.argmax(dim=-1)]                                     # (M, D)

# %% [markdown] lang="en" id="snapped"
# The blurred photos again. Learned vectors do far better on them than “a photo of a”. What is left when they are replaced by cup, mug and the like?

# %% [markdown] lang="zh" id="snapped"
# 再看模糊的照片。学出来的向量比“a photo of a”强得多。换成 cup、mug 之类的词以后，还剩下多少？

# %% id="snapped-guess"
exercises.snapped.ask()

# %% id="snapped-code"
hand, learned, snapped = study.accuracies("blurred")
print(say(en=f"hand prompt {hand:.1%}, learned {learned:.1%}, snapped {snapped:.1%}",
          zh=f"手工提示词 {hand:.1%}，学出来的 {learned:.1%}，换成词 {snapped:.1%}"))
exercises.snapped.reveal((hand, learned, snapped))

# %% [markdown] lang="en" id="search"
# Is it the words that are too weak, or only the nearest ones? A search that stays on words decides it: at every step the forward pass sees the nearest words, and the gradient goes past the snapping straight to the vectors beneath (*straight-through*; PEZ, Wen et al. 2023). It gives the best words that we can find, not the nearest.

# %% [markdown] lang="zh" id="search"
# 是词语本身不够用，还是只有最近的词不够好？让一种始终不离开词语的搜索来回答：每一步的前向计算看到的都是最近的词，梯度（gradient）却越过“换回词语”这一步，直接传给下面的向量（直通估计，straight-through；PEZ，Wen 等，2023）。这样找到的是我们能找到的最好的词，而不是最近的词。

# %% id="search-code"
levers.tabulate_snapping()

# %% [markdown] lang="en" id="search-seen"
# Four answers in one table.
#
# - **Red, blue, large**: their nearest words do nearly as well as the vectors. As far as accuracy goes, these vectors *are* words.
# - **Sketches**: everything does well, even four words drawn at random. What is right for every prompt tells nothing of any.
# - **Left**: learned or not, nothing does better on average than “a photo of a”. Remember this row in section 8.
# - **Blurred**: the vectors gain ten points, their nearest words nothing. The search on words gets little more on average, and once, with a lucky seed, half of the gain. On average almost none of the gain, and at best half of it, can be had by four words that we found.
#
# On language models the same has been reported: soft prompts can be made to lie next to almost any text and work all the while (*prompt waywardness*; Khashabi et al. 2022, arXiv 2112.08348).

# %% [markdown] lang="zh" id="search-seen"
# 一张表，四种回答。
#
# - **红、蓝、大**：最近的词几乎和向量一样好。单看准确率，这些向量**就是**词。
# - **素描**：什么都行，随便抽四个词也行。对每个提示词都成立的事，说明不了其中任何一个。
# - **左**：学也好，不学也好，平均起来谁也不比“a photo of a”强。这一行请记住，到第 8 节还要用。
# - **模糊**：向量提高了十个百分点，最近的词一点也没提高。只在词上搜索，平均下来也多不了多少；只有一次，碰上运气好的种子，才得到提高幅度的一半。这些向量的提高，我们找到的四个词平均几乎得不到，最好的一次也只得到一半。
#
# 语言模型上也有同样的报告：可以让软提示词（soft prompt）紧挨着几乎任意一段文字，却照样管用（prompt waywardness；Khashabi 等，2022，arXiv 2112.08348）。

# %% [markdown] lang="en" id="influence"
# ## 7 · Which of them matters?
#
# What a vector says and what it does are two questions. The second one the model itself can answer.

# %% [markdown] lang="zh" id="influence"
# ## 7 · 哪个向量要紧？
#
# 一个向量“说了什么”和“做了什么”，是两个问题。后一个，模型自己就能回答。

# %% [markdown] lang="en" id="most-missed"
# ### Exercise: who is missed most?
#
# So take a vector away and look: `score` gives the accuracy with any number of vectors. Find the number of the vector whose absence costs most accuracy.
#
# **Exercise** · ★★☆ · 4 minutes

# %% [markdown] lang="zh" id="most-missed"
# ### 练习：少了谁最不行？
#
# 那就拿掉一个，看看会怎样：`score` 能给出准确率，用几个向量都可以。请找出少了哪个向量，准确率降得最多，给出它的编号。
#
# **练习** · ★★☆ · 4 分钟


# %% id="influence-exercise" tags=["exercise"]
def most_missed(score, vectors):
    """vectors (M, D); score(some of them) gives an accuracy. The number of the vector whose absence costs most."""
    ...

exercises.influence.check(most_missed)

# %% id="influence-solution" tags=["solution"]
def most_missed(score, vectors):
    without = [score(torch.cat([vectors[:i], vectors[i + 1:]])) for i in range(len(vectors))]
    return without.index(min(without))

# %% [markdown] lang="en" id="influence-explore"
# Four more experiments of this kind. **Before each**, say what you expect if the vectors were words: what would another order do? Twice the norm? Half of the way from the beginning? What does it do in fact? Beneath, a table of the blurred photos.

# %% [markdown] lang="zh" id="influence-explore"
# 这样的实验还能做几个。**每次动手之前**先说：如果这些向量就是词，换个顺序会怎样？模长加倍呢？从起点只走到一半呢？再看实际上怎样。下面的表是模糊的照片。

# %% id="influence-explore-code"
influence.explore_influence(clip, processor)

# %% id="influence-table-code"
influence.tabulate_influence(clip, processor)

# %% [markdown] lang="en" id="influence-seen"
# Do not conclude from the orders that these are no words: look at the next row of the figure, where the words of the hand prompt stand in other orders. This CLIP hardly asks for order at all.
#
# On the riddle no vector is missed by more than a few points: they all do the same work. On the blurred photos one vector carries most of the gain with three seeds of five, and another order costs nothing with one seed and up to four points with the next. And look at the colours in the figure: in the riddle's layer 3 the end of the text attends most to vector 1, and hardly misses it.

# %% [markdown] lang="zh" id="influence-seen"
# 别因为换顺序没关系，就断定它们不是词：看图里的下一行，手工提示词的几个词换成别的顺序，也没什么关系。这个 CLIP 本来就不大在乎顺序。
#
# 谜题上，少哪个向量都只差几个百分点：它们在做同一件事。模糊照片上，五个种子里有三个，是一个向量扛着大半的提高；换个顺序，有的种子一点不降，有的最多降四个百分点。再看图右边的颜色：谜题的第 3 层里，文本结束符给向量 1 的注意力（attention）最多，可少了它几乎没有关系。

# %% [markdown] lang="en" id="planted"
# ## 8 · Planted answers
#
# So far we told stories about words. Now we test the instrument where we know the answer, since we planted it. Eight *styles*: all pictures are sketches, or mosaics, or neon signs …, and no class name says so. Eight *secrets*: of two things in each picture the label is the red one, the small one, the left one …. For each, five contexts with random beginnings and five that began as “a photo of a”; every one again with permuted labels. A context *names* its secret, let us say, when the right word is among the five nearest of some vector, out of 168. By luck alone that happens to about one context in nine: four vectors with five places each.

# %% [markdown] lang="zh" id="planted"
# ## 8 · 事先埋好的答案
#
# 到现在为止，我们都在围着词讲故事。现在把答案事先埋好，再来考这件工具。八种**风格**，各是一个任务：有的任务里图片全是素描，有的全是马赛克，有的全是霓虹灯……类别名只字不提。八个**秘密**：每张图两样东西，标签是红的那个、小的那个、左边的那个……每一种都学五组从随机数开始的上下文向量，五组从“a photo of a”开始的；然后全部用打乱的标签再学一遍。如果正确的词排在某个向量最近的五个词里（一共 168 个词），就说这组上下文向量**说出**了秘密。光凭运气，大约九组里会有一组：四个向量，每个五个位置。

# %% id="planted-guess"
exercises.planted.ask()

# %% id="planted-code"
at_random = reading_study.INITS[:1]                          # contexts with random beginnings
named = {kind: study.count_named(kind, vocabulary, within=5, inits=at_random) for kind in ("secret", "style")}
for (hits, permuted, contexts), kind in zip(named.values(), (say(en="secrets", zh="秘密"), say(en="styles", zh="风格"))):
    print(say(en=f"{kind}: named by {hits} of {contexts} contexts; with permuted labels by {permuted}",
              zh=f"{kind}：{contexts} 组里有 {hits} 组说出了正确的词；标签打乱以后 {permuted} 组"))
exercises.planted.reveal([hits / contexts for hits, _, contexts in named.values()])

# %% [markdown] lang="en" id="planted-explore"
# Here is every one of them. **Look for**: which styles are named at all? In the row of the photos, what happens with contexts that began as “a photo of a”? Which secrets do the *permuted* labels name? And the mixtures, where every picture is one of two styles: is either word read? The table counts what the grids show.

# %% [markdown] lang="zh" id="planted-explore"
# 全部结果都在这里。**找一找**：有哪些风格被说出来了？仿照片（photo）那一行，从“a photo of a”开始的上下文向量是怎么回事？用**打乱的**标签，说出了哪几个秘密？再看混合的：每张图是两种风格之一，那两个词读得出来吗？各张格子的合计，列在下面的表里。

# %% id="planted-explore-code"
planted.explore_planted()

# %% id="named-code"
planted.tabulate_named()

# %% id="trap-quiz"
exercises.trap.ask()

# %% [markdown] lang="en" id="planted-seen"
# Secrets are read every time; styles and mixtures with random initialisation, about as often as luck would have it. (Thirteen of those 40 style contexts were kept at step 0: they *are* their random initialisation, and there is nothing to read. After the last step more are named, of the mixtures from “a photo of a” even 14 of 20, still fewer than secrets.)
#
# But permuted labels name something, too: *small* nearly always and, from “a photo of a”, mostly *pink* as well. That does not show that the real contexts did not find it; it shows that this test cannot tell.

# %% [markdown] lang="zh" id="planted-seen"
# 秘密次次都读得出来；随机初始化的风格和混合，都和碰运气差不多。（这 40 组风格的上下文向量里，有 13 组留下的是第 0 步：它们**就是**随机的起点，没有东西可读。最后一步之后，读出的多一些，从“a photo of a”开始的混合甚至有 20 组里的 14 组，可还是不如秘密。）
#
# 可打乱标签学出来的，也说出了一些：几乎总会说出 small；从“a photo of a”开始的，多半还会说出 pink。这不等于真的那些没有找到它，只说明这场考试分辨不出来。

# %% [markdown] lang="en" id="permutation"
# ### Exercise: could chance have done it?
#
# One context was learned from the true labels, many others from permuted ones. Those others are our *null*: what chance alone gives. How often is chance at least as good as what we observed? Count what was observed as one more draw: under chance alone it would be one. This share is called the *p-value*. Small numbers are the remarkable ones here. And mind that it never says “impossible”: nobody has seen all that chance can do.
#
# **Exercise** · ★★☆ · 4 minutes

# %% [markdown] lang="zh" id="permutation"
# ### 练习：会不会只是碰巧？
#
# 一组上下文向量是用真标签学的，另外许多组用的是打乱的标签。后面这些就是偶然对照：全凭偶然能做到什么。偶然有多少次能和观察到的一样好，甚至更好？观察到的那一次也要算进去：要真是全凭偶然，它也不过是其中一次。这个比例叫作 p 值（p-value）。在这里，数越小越不寻常。注意，它永远不能说“绝不可能”：偶然能做出什么，谁也没有全见过。
#
# **练习** · ★★☆ · 4 分钟


# %% id="permutation-exercise" tags=["exercise"]
def p_value(observed, null):
    """observed: a number, small if remarkable; null (N,): what chance alone gave. How often is chance as good? A number."""
    ...

exercises.permutation.check(p_value)

# %% id="permutation-solution" tags=["solution"]
def p_value(observed, null):
    as_good = (null <= observed).sum().item()
    return (1 + as_good) / (1 + len(null))                   # what was observed is one of the draws

# %% [markdown] lang="en" id="p-values"
# With that we ask: could chance have done it? The null hypothesis says: the labels have nothing to do with the pictures. We test the first context of the riddle, where *red* is the nearest word of all, and the first of the sketches, where *sketch* stands on place 48. For each there are 99 others, learned from the same pictures with the labels permuted. The statistic is the best place that the word takes, seen from any of the four vectors; for each null the cell prints its range, and p.

# %% [markdown] lang="zh" id="p-values"
# 有了它就可以问：会不会只是碰巧？零假设（null hypothesis）是：标签和图片毫无关系。取谜题的第一组上下文向量，red 是离得最近的词；再取素描的第一组，sketch 排在第 48 位。两边各有另外 99 组，用的是同样的图片、打乱的标签。比的是这个词在四个向量的近邻排名里最靠前的名次；每种偶然对照，打印出名次的范围和 p 值。

# %% id="p-values-guess"
exercises.significant.ask()

# %% id="nulls-code"
def place(contexts, word):                                   # (…, M, D) to (…,): 1 where some vector is nearest to the word
    return reading_study.find_best_rank(contexts, [word], vocabulary)

def list_nulls(task):
    yield say(en="permuted labels", zh="打乱的标签"), study.permuted_contexts(task)            # (99, M, D)
    one = study.contexts(task)[0]                            # (M, D)
    yield say(en="random vectors", zh="随机向量"), nulls.draw_random_like(one, 999, torch.Generator().manual_seed(0))

# %% id="p-values-code"
ps = {}
for word, task in (("red", "the red one of two"), ("sketch", "objects, each a sketch")):
    observed = place(study.contexts(task)[0], word)
    print(word, say(en=f"stands on place {observed}", zh=f"排第 {observed} 位"))
    for name, null in list_nulls(task):
        places = place(null, word)
        ps[word, name] = nulls.compute_p_value(observed, places)
        print(f"  {name} · {places.min()}–{places.max()} · p = {ps[word, name]:.3f}")
exercises.significant.reveal([next(p for (w, _), p in ps.items() if w == word) for word in ("red", "sketch")])

# %% [markdown] lang="en" id="all-sixteen"
# Now for all sixteen at once. The statistic is the median of the five places, and each p asks how often the median of five other contexts is as good: contexts from permuted labels; random vectors; and, the strictest, contexts that learned from true labels, but for *another* secret or another style. Sixteen questions are asked here, and one in twenty gets a p below 0.05 for nothing: trust those that are far below.

# %% [markdown] lang="zh" id="all-sixteen"
# 再把十六个任务一起看。比的是五个名次的中位数；每个 p 问的都是：另外五组上下文向量的中位数，有多少次能这么好。“另外五组”有三种：打乱标签学出来的；随机的；还有最严格的一种，用真标签学出来，学的却是**别的**秘密、别的风格。这里一共问了十六个问题，而平均每二十个就会有一个碰巧小于 0.05：只相信那些小得多的。

# %% id="planted-table-code"
planted.tabulate_p_values()

# %% [markdown] lang="en" id="two-nulls"
# Look at the sketches: hardly any median from permuted labels is as good. *Significant!* And the word stands on places 48, 26, 18, 11 and 7, where random vectors put it as well. Nothing is wrong with the arithmetic. Contexts from permuted labels all ran off towards *bird* and *small*, where every word for a style is far away; to differ from *them* is no feat. (The comparison is unfair besides: they trained all 160 steps, and one of these five none.) A p-value says: this is not what that null gives. It never says: the word was found. So choose a null that has everything but the one thing you claim, and where you are not sure, take several.
#
# No style stands against all three, and five secrets do. *Small* fails against permuted labels, which name it as well, and stands against the rest. *Left* and *right* beat permuted labels and random vectors, but not the other secrets: nearly every task with two things pulls towards them. No null has the last word; say which one you used.

# %% [markdown] lang="zh" id="two-nulls"
# 看素描那一行：打乱标签学出来的中位数，几乎没有这么好的。**显著！** 可这个词排在第 48、26、18、11、7 位，随机向量也能把它排到这里。算术没有错。打乱标签学出来的，全都跑到 bird 和 small 那边去了，那里离每一个风格词都很远；和**它们**不一样，算不上本事。（而且这样比也不公平：它们都走完了 160 步，这五组里却有一组一步没走。）p 值说的是：这不是那种偶然对照会给出的结果。它从来没说：词找到了。所以选偶然对照，要让它样样都有，单单缺你想证明的那一点；拿不准，就多用几个。
#
# 三种对照都胜过的，风格一个也没有，秘密有五个。small 输给了打乱的标签，因为它们也说 small；另外两种它都胜过。left 和 right 胜过打乱的标签和随机向量，却胜不过别的秘密：有两样东西的任务，几乎都会往这两个词靠。没有哪一种对照能一锤定音；用的是哪一种，要说清楚。

# %% [markdown] lang="en" id="each-class"
# One more thing can be read: contexts in which every class learned vectors of its own. Each has only its class's pictures to learn from. How many of the 24 name *red*?

# %% [markdown] lang="zh" id="each-class"
# 还有一种也可以读：每个类别各学一套自己的向量（class-specific）。每套只有自己那一类的图片可学。24 套里，有几套说出了 red？

# %% id="each-class-code"
each_class = study.class_contexts("the red one of two")
own = each_class.context                                     # (C, M, D)
null = nulls.draw_random_like(own.flatten(0, 1), 99, torch.Generator().manual_seed(0)).unflatten(1, own.shape[:2])
named, by_chance = ((place(contexts, "red") <= 5).sum(-1).double().mean() for contexts in (own, null))
print(say(en=f"{named:.0f} of {len(own)} name red; of random vectors {by_chance:.1f}; accuracy {each_class.accuracy:.1%}",
          zh=f"{len(own)} 套里有 {named:.0f} 套说出 red；随机向量平均 {by_chance:.1f} 套；准确率 {each_class.accuracy:.1%}"))

# %% [markdown] lang="en" id="each-class-seen"
# No more than chance. And no wonder: on test pictures they do no better than “a photo of a”, which section 6 gave 47.3 %. What has not been learned cannot be read. Ask for the accuracy before you ask for the words.

# %% [markdown] lang="zh" id="each-class-seen"
# 和碰巧一样。也难怪：在测试图片上，它们并不比“a photo of a”强（第 6 节的表里是 47.3%）。没学到的东西，当然读不出来。先问准确率，再问词。

# %% [markdown] lang="en" id="levers"
# ## 9 · Which words lower the loss?
#
# Why are secrets read and styles not? And what does the cup have to do with blurred photos? Ask the model instead of the words. We put each of the 168 words into the prompts (“a photo of a *word* cat.” and so on) and measured the loss on the training pictures. Words below the line *help*. **Before you look**: where will *sketch* be among the sketches? Where *cup*, among the blurred? The table has the other tasks.

# %% [markdown] lang="zh" id="levers"
# ## 9 · 哪个词真能降低损失？
#
# 为什么秘密读得出来，风格却读不出来？杯子和模糊的照片又有什么关系？别问词，去问模型。168 个词，我们一个个放进提示词里（“a photo of a *词* cat.”，别的类别也一样），量出训练图片上的损失。落在横线以下的词是**有用**的。**先别看**：素描任务里，sketch 会在哪里？模糊任务里，cup 会在哪里？别的任务也列在表里。

# %% id="levers-code"
levers.explore_levers()

# %% id="levers-table-code"
levers.tabulate_levers()

# %% [markdown] lang="en" id="levers-seen"
# - **The riddle**: red, scarlet and crimson are the most helpful words, and the nearest. The reading is right because the model needs that word.
# - **Left and right**: both words help about as much, on either task, and on both *left* is the nearest. With two things in a picture it mostly helps to say either (not for *the large one*); which of them is meant, the vectors have not learned.
# - **Sketches**: the loss is next to nothing without any word, and *sketch* makes it *larger*. Nothing pulled a vector towards it. That *of*, *good* and *pretty* are the nearest over all five contexts (section 1 showed one of them) has no reason that we could find.
# - **Blurred**: *mug* and *cup* are the nearest words, and the most helpful of all 168. So the reading is right here, too, in its way! But what is it that they do?

# %% [markdown] lang="zh" id="levers-seen"
# - **谜题**：red、scarlet、crimson 是最有用的词，也是最近的词。读得对，是因为模型正需要这个词。
# - **左和右**：在这两个任务上，left 和 right 都差不多一样有用，最近的也都是 left。图里有两样东西，这两个词随便说哪个，多半都有好处（“大的那个”除外）；至于指的是哪一样，向量并没有学到。
# - **素描**：什么词也不加，损失就几乎为零；加上 sketch，损失反而**变大**。没有什么把向量往它那里拉。五组合起来看（第 1 节里是其中一组），最近的是 of、good 和 pretty，我们也找不出什么道理。
# - **模糊**：mug 和 cup 是最近的词，也是 168 个词里最有用的。这么说，这里也读对了，只是换了一种意思！那么，它们到底在做什么？

# %% [markdown] lang="en" id="cups"
# A word in the prompts of all 24 classes can do two things: make the texts more alike, so that the model is less sure; and shift its favour from some classes to others. Of the 384 blurred training pictures 16 show a cup. How many does CLIP *call* a cup?

# %% [markdown] lang="zh" id="cups"
# 把一个词写进全部 24 个类别的提示词，会带来两样变化：文字彼此更像，模型就不那么有把握；模型的偏爱也会从一些类别挪到另一些类别。384 张模糊的训练图片里，有 16 张画的是杯子。CLIP 把多少张**叫作**杯子？

# %% id="cups-code"
blurred, names = study.helpful_words("blurred"), reading_study.TASKS["blurred"].class_names
losses = {"": blurred.without} | blurred.losses
for word in ("", "umbrella", "mug"):
    texts = encode_texts(clip, processor, [f"a photo of a {word} {name}." for name in names])   # (C, D)
    alike = instruments.compute_cosines(texts).mean()
    print(f"“a photo of a {word or '…'}”", say(en=f"loss {losses[word]:.2f}, cosine of the texts {alike:.2f}",
                                               zh=f"损失 {losses[word]:.2f}，文字之间的余弦 {alike:.2f}"))

# %% id="called-code"
header = (say(en="384 pictures", zh="384 张图片"), say(en="show it", zh="画的是"), say(en="called so", zh="被叫作"),
          say(en="with mug", zh="加上 mug"))
Table([(name, 16, blurred.called[name], blurred.called_with_best[name])
       for name in ("cup", "snail", "apple", "plane", "car")], header, align="right")

# %% [markdown] lang="en" id="cups-seen"
# *Umbrella* makes the texts nearly as alike as *mug* does, and the loss falls: to be less sure helps a CLIP that is so often wrong. But *mug* does much more: it goes against the grain of this CLIP, which takes blurred things for cups more than twice as often as there are any, too often for snails and apples as well, and seldom for cars. (Mug, cup, fruit, apple, slug, snail: the six most helpful words are words for just these three.) With *mug* in every prompt, being like a cup is nothing special any more.
#
# So the word is a *counterweight*, at least in part. It tells what the model gets wrong about these pictures, and nothing of what they show. No reader of “mug, cup” would have thought of that; it took an experiment.

# %% [markdown] lang="zh" id="cups-seen"
# umbrella 让文字彼此相像的程度，和 mug 差不多，损失也降了：一个老是出错的 CLIP，少一点把握就有好处。可 mug 的作用大得多：它正好和这个 CLIP 的偏爱拧着来。模糊以后，CLIP 叫“杯子”的次数是实际的两倍多，蜗牛和苹果也叫得太多，汽车却叫得很少。（最有用的六个词 mug、cup、fruit、apple、slug、snail，正是这三类的词。）每个提示词里都有了 mug，“像杯子”就不再稀奇。
#
# 所以这个词是**配重**，至少有一部分是。它说的是模型看这些图片时偏在哪里，而不是图片里有什么。光读“mug, cup”，谁也想不到这一层；要做实验才知道。

# %% [markdown] lang="en" id="prompts"
# ## 10 · GPT-2's prompts
#
# The four soft prompts of lesson 03, ten vectors each, in GPT-2's vocabulary. **Predict**: what will the prompt for counting read like?

# %% [markdown] lang="zh" id="prompts"
# ## 10 · GPT-2 的提示词
#
# 第 03 课的四个软提示词，各十个向量，放到 GPT-2 的词表里来读。**先猜**：数数用的那个，读出来会是什么？

# %% id="prompts-code"
prompts.explore_stored_prompts(*load_language_model("pocket"))

# %% [markdown] lang="en" id="prompts-seen"
# All four began as words. Go through them: of 40 vectors 38 are still nearest to the very token that they began as. What they have learned is in the difference, and nobody can look that up. (The *patches* of lesson 03 were words in a better sense: beside them stood a null, the words of other pictures.)

# %% [markdown] lang="zh" id="prompts-seen"
# 四个软提示词都是从词语开始学的。逐个看看：40 个向量里有 38 个，离得最近的还是它开始时的那个词元（token）。学到的是它与起点的差，而这个差靠查最近的词查不出来。（第 03 课的图块（patch）读成词，底气要足一些：那里旁边就摆着偶然对照，别的图片的词。）

# %% id="prompts-quiz"
exercises.begun_as.ask()

# %% [markdown] lang="en" id="conclude"
# ## 11 · What one may conclude

# %% [markdown] lang="zh" id="conclude"
# ## 11 · 能下什么结论

# %% id="conclude-quiz"
exercises.conclude.ask()

# %% [markdown] lang="en" id="curcumin"
# Now the curcumin. We cannot run that model here, but you know what to ask. Its configuration files begin the context as “a photo of a” (HealthX-Lab/BiomedCoOp, configs/trainers): then “of” and “a”, in the third and fourth place, may not have been learned at all, only left where they were put. *Mri* is plausible, and so was *neon*. *Curcumin* is not, and neither was *mug*. Both might be the word the model needs, a counterweight, a rare row that lies in the way, or chance; and each of these can be tested:
#
# 1. What was there at the beginning, and has it moved?
# 2. Do other seeds say the same? Do permuted labels? Random vectors? Contexts for other tasks?
# 3. Is the distance small for *this* table, and is it the right table?
# 4. Snapped to its words, how much of the prompt is left?
# 5. Does the word help by itself? And what does it change?
#
# What you may say then: “*red* was the nearest word in five of five contexts with random beginnings, among the five nearest in none from permuted labels; and snapped to their nearest words these contexts score 58.1 %, as learned 59.3 %”. What you may never say: “the prompt means …”.

# %% [markdown] lang="zh" id="curcumin"
# 现在回到姜黄素。那个模型这里跑不了，但你知道该问什么了。它的配置文件让上下文向量从“a photo of a”开始（HealthX-Lab/BiomedCoOp，configs/trainers）：那么排在第三、第四位的“of”和“a”也许根本不是学来的，只是一开始放在那里，一直没有动。mri 说得通，neon 当初也说得通；curcumin 说不通，mug 也说不通。它们可能是模型正需要的词，可能是配重，可能是碰巧落在附近的生僻词，也可能只是偶然；每一种都可以检验：
#
# 1. 一开始那里放的是什么？它动过没有？
# 2. 别的种子也这么说吗？打乱的标签呢？随机向量呢？别的任务的上下文向量呢？
# 3. 对**这张**表来说，这个距离算小吗？表拿对了吗？
# 4. 换回词语以后，提示词的本事还剩多少？
# 5. 单独用这个词有帮助吗？它改变了什么？
#
# 做完这些，可以说的是：“从随机数开始的五组上下文向量，五组的最近词都是 red；用打乱的标签，没有一组把它排进前五；把向量都换成最近的词，当作硬提示词（hard prompt）用，准确率是 58.1%，向量是 59.3%。”永远不能说的是：“这个提示词的意思是……”

# %% [markdown] lang="en" id="done"
# ## What you can do now
#
# You can read a learned vector with five instruments, and lay beside each reading what chance would have shown; you can tell a word that was found from one that was put there, a near word from a helpful one, and a small p-value from a discovery. `helpers/reading.py` works for any CLIP and any GPT-2-like model, and so do `instruments.py` and `nulls.py` in this lesson's room, `lessons/lesson_04_reading/`; `python -m pocket.studies.reading_study` makes all of this lesson's vectors again, on one thread in about half an hour.
#
# What is learned elsewhere is not always a vector with a row beside it: [docs/methods.en.md](../../docs/methods.en.md) has the methods that are near by, and keys, values and weights have no table in which one could look. Lesson 05 turns from vectors to code: mistakes that look healthy, and the experiments that find them.

# %% [markdown] lang="zh" id="done"
# ## 现在你会了什么
#
# 你能用五件工具来读学出来的向量，还会在每个读数旁边摆上碰巧会给出的结果；分得清找到的词和本来就放在那里的词，离得近的词和有用的词，p 值小和真有发现。`helpers/reading.py` 适用于任何 CLIP 和类似 GPT-2 的模型，这一课的文件夹 `lessons/lesson_04_reading/` 里的 `instruments.py` 和 `nulls.py` 也一样；`python -m pocket.studies.reading_study` 可以把这一课的全部向量重新学一遍，单线程约半小时。
#
# 别的方法学到的，未必是能和表里的行相比的向量：邻近的方法见 [docs/methods.zh.md](../../docs/methods.zh.md)，其中的键、值和权重，就没有表可查。第 05 课从向量转到代码：看上去很健康的错误，以及查出它们的实验。
