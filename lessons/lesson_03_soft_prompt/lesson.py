# %% [markdown] lang="en" id="soft-prompt"
# # Lesson 03: a soft prompt for GPT-2
#
# CLIP sees and cannot speak. GPT-2 speaks and has never seen a picture. In this lesson we leave both as they are, put one linear map and ten learned vectors between them, and GPT-2 describes what CLIP sees.
#
# It takes about 75 minutes, exercises and all. At the end you have written the parts that people get wrong (mask, labels, the shift by one, the generation loop), know what each part contributes and how that is measured, and can give the same model another task by exchanging ten vectors.
#
# One thing to know beforehand: our pocket GPT-2 has practised answering from *notes*, blends of words laid out in a grid as a picture is. It has never met a picture, but it expects notes. The real GPT-2 never practised that, so expect the same method to be harder there.

# %% [markdown] lang="zh" id="soft-prompt"
# # 第 03 课：给 GPT-2 的软提示词
#
# CLIP 看得见，不会说话；GPT-2 会说话，却从没见过图片。这一课，两个模型我们都不动，只在它们中间放一个线性映射和十个学出来的向量，GPT-2 就能说出 CLIP 看到了什么。
#
# 大约 75 分钟，含练习。学完以后，最容易写错的几处（掩码、标签、错开一位、生成循环）你都亲手写过；你知道每个部分各起多大作用、怎么量出来；还会换掉十个向量，让同一个模型去做另一件事。
#
# 有一点先说明：我们的口袋 GPT-2 练习过根据“便条”作答，便条是几个词混成的向量，像图片那样排成网格。它从没见过图片，但是见惯了便条。真正的 GPT-2 没有这样练过，同样的办法用在它身上会更难。

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
import os

import numpy as np
import torch
from torch.nn import functional as F

from helpers import by_hand, captioner_training
from helpers.captioner import SoftPrompt, VLMWithSoftPrompt
from helpers.captioner_training import batch_captions
from helpers.language import say
from helpers.notebook import compare
from helpers.pretrained import load_clip, load_language_model
from lessons.lesson_03_soft_prompt import exercises
from lessons.lesson_03_soft_prompt.explorers import input_row, learning, stored_runs, writing
from pocket import language, world
from pocket.captioning import PROMPTS
from pocket.studies import captioner_study

clip, gpt2 = load_clip("pocket"), load_language_model("pocket")        # each: a model, and what prepares its input
model = VLMWithSoftPrompt(clip, gpt2).load(PROMPTS / "captioner.safetensors")

# %% [markdown] lang="en" id="blind-writer"
# ## 1 · A writer who cannot see
#
# Think of a writer who is blind, and a painter who is mute. The painter goes over the picture patch by patch and hands something over for each. An interpreter puts every one of these into the writer's language, as a note. Before the notes lies a slip with what the writer is to do with them. Then the writer writes.
#
# The painter is CLIP's vision tower, the writer is GPT-2, and both stay as they are. The interpreter is a matrix, the *projection*; the slip is the *soft prompt*. These two learn. Here is the result first, with two small parts that we have trained for you.

# %% [markdown] lang="zh" id="blind-writer"
# ## 1 · 失明的作家
#
# 设想有一位失明的作家和一位不会说话的画家。画家一小块一小块地看画，每看一块就递出一点东西；译者把每一份都译成作家懂的语言，写成便条；便条前面还有一张任务单，写着要作家拿这些便条做什么。然后作家动笔。
#
# 画家是 CLIP 的视觉塔，作家是 GPT-2，两位都原封不动。译者是一个矩阵，叫投影（projection）；那张任务单就是软提示词（soft prompt，也叫软提示）。要学的只有这两样。先看结果，这两个小部分我们事先训练好了：

# %% id="described-code" tags=["measured"]
cat = world.Scene((world.Thing("cat", "red", "large"),), "meadow", "photo")
boat = world.Scene((world.Thing("boat", "white", "large"),), "beach", "silhouette")
key = world.Scene((world.Thing("key", "blue", "small"),), "room", "cartoon")
scenes = [(cat, 1), (boat, 2), (key, 3)]                     # each with the seed of its drawing
writing.draw_descriptions(model, scenes)

# %% [markdown] lang="en" id="described-seen"
# Not every word is right: the small key has become a fish. How often such things happen, and what to compare that with, comes in section 9.

# %% [markdown] lang="zh" id="described-seen"
# 并不是每个词都对：那把小钥匙被说成了 fish。这样的错误有多少，又该拿什么来比，第 9 节再看。

# %% [markdown] lang="en" id="sequence"
# What does GPT-2 read there? Not a picture and not words, but a row of vectors: M of the soft prompt, P of the picture, and then the T tokens of the caption, as far as it has been written. **Before you move anything**: which of the three parts is the longest? If the *features* are pooled, the whole picture is one vector: how long is the row then?

# %% [markdown] lang="zh" id="sequence"
# GPT-2 读到的到底是什么？不是图片，也不是文字，而是一排向量：软提示词的 M 个，图片的 P 个，再加上已经写出的说明文字（caption；看图写说明文字这个任务叫图像描述，image captioning）的 T 个词元（token）。**动手之前**先说：三段里哪一段最长？如果把“图片特征”换成“池化成 1 个向量”，这一排又有多长？

# %% id="sequence-code"
input_row.explore_input_row(model)

# %% [markdown] lang="en" id="put-before"
# ### Exercise: one row of three parts
#
# Put the three parts together, soft prompt first. The prompt is the same for every picture of the batch.
#
# **Exercise** · ★☆☆ · 4 minutes

# %% [markdown] lang="zh" id="put-before"
# ### 练习：三段拼成一排
#
# 把三段按顺序拼起来，软提示词在最前面。一批图片用的是同一个软提示词。
#
# **练习** · ★☆☆ · 4 分钟

# %% id="sequence-exercise" tags=["exercise"]
def put_before(prompt, pictures, words):
    """prompt (M, D), pictures (B, P, D), words (B, T, D). Gives (B, M + P + T, D)."""
    ...

exercises.sequence.check(put_before)

# %% id="sequence-solution" tags=["solution"]
def put_before(prompt, pictures, words):
    prompts = prompt.expand(len(words), -1, -1)              # (B, M, D)
    return torch.cat([prompts, pictures, words], dim=1)

# %% [markdown] lang="en" id="whole-forward"
# That is the whole architecture. With ClipCap (Mokady et al. 2021, arXiv 2111.09734) and LLaVA (Liu et al. 2023, arXiv 2304.08485) it shares the *projected prefix*: a picture, turned into vectors that stand before the text. Neither of the two has a free soft prompt in front of the picture. ClipCap has two forms: an MLP makes the prefix and GPT-2 is trained as well, or a transformer makes it and GPT-2 stays frozen. LLaVA trains its projection first, and then its language model too. The next cell goes from picture to logits by hand, and compares with what the model does. Dv is the width of CLIP's patches, D that of GPT-2's vectors, V its vocabulary. The patches come from the layer before the last, without the class token, as LLaVA takes them: what the last layer does to patches never mattered to CLIP's loss, which only saw the class token. (Whether that is the better choice here, section 12 tries.)

# %% [markdown] lang="zh" id="whole-forward"
# 整个结构就是这样。把图片投影成一段前缀，放在文字前面，这一点和 ClipCap（Mokady 等，2021，arXiv 2111.09734）、LLaVA（Liu 等，2023，arXiv 2304.08485）相同；但是那两个模型都没有图片前面这段可以自由学习的软提示词。ClipCap 有两种做法：前缀由 MLP 给出，GPT-2 跟着一起训练；或者由一个 transformer 给出，GPT-2 保持冻结。LLaVA 先训练投影，再连语言模型一起训练。从图片到 logits，我们自己一步步算一遍，和模型的结果对一对。Dv 是 CLIP 图块（patch）向量的宽度，D 是 GPT-2 向量的宽度，V 是词表大小。图块的向量取自倒数第二层，不要类别词元（class token），LLaVA 也是这样取的：最后一层怎样处理图块，CLIP 训练时根本用不上，它的损失（loss）只看类别词元。（在这里这样取是不是更好，第 12 节会试。）

# %% id="whole-forward-code"
pictures = [world.draw(scene, seed) for scene, seed in scenes]
features = model.encode(pictures)                            # (B, P, Dv): CLIP's patches
notes = model.vision_projection(features)                    # (B, P, D)
captions = ["a photo of a large red cat in the meadow.", "a white boat.", "a key in the room."]
ids, labels = batch_captions(model.tokenizer, captions)       # (B, T): padded to the longest
words = model.language_model.get_input_embeddings()(ids)     # (B, T, D)
rows = torch.cat([model.soft_prompt(len(ids)), notes, words], dim=1)  # (B, M + P + T, D)
ours = model.language_model(inputs_embeds=rows).logits       # (B, M + P + T, V)
print(tuple(features.shape), tuple(rows.shape), tuple(ours.shape))
compare(say(en="picture to logits", zh="从图片到 logits"), ours, model(pictures, ids))

# %% [markdown] lang="en" id="hard-and-soft"
# ## 2 · Hard prompt, soft prompt
#
# A prompt of words, a *hard prompt*, is a row of vectors, too: those that the embedding table holds for its tokens. So a soft prompt can *begin* as words (prompt tuning: Lester et al. 2021, arXiv 2104.08691), and then GPT-2 cannot tell the difference, not by the smallest bit:

# %% [markdown] lang="zh" id="hard-and-soft"
# ## 2 · 硬提示词与软提示词
#
# 用词语写成的提示词，叫硬提示词（hard prompt），进了模型也是一排向量：嵌入表（embedding table）里属于那些词元的行。所以软提示词可以**从词语开始**（这叫提示微调，prompt tuning：Lester 等，2021，arXiv 2104.08691；各种学提示词的方法，统称提示学习，prompt learning），这时 GPT-2 分不出两者，一点差别也没有：

# %% id="hard-and-soft-code"
table = model.language_model.get_input_embeddings().weight   # (V, D)
text = "describe what you see:"
text_ids = model.tokenizer(text, return_tensors="pt")["input_ids"]    # (1, M)
soft = SoftPrompt(text_ids.shape[1], table.shape[1], len(table), text, table=table, tokenizer=model.tokenizer)
as_vectors = model.language_model(inputs_embeds=soft(1)).logits       # (1, M, V)
as_words = model.language_model(input_ids=text_ids).logits
compare(say(en="words, and the same as vectors", zh="词语，以及同样的词写成向量"), as_vectors, as_words)

# %% [markdown] lang="en" id="hard-and-soft-seen"
# From there on they part. A hard prompt can only jump from one row of the table to another, and where to jump, a gradient can at best hint. A soft prompt moves a little in any direction, wherever the gradient leads, and may come to rest where no word is. (What such a vector means is the question of lesson 04.)

# %% [markdown] lang="zh" id="hard-and-soft-seen"
# 从这里起，两者就分道扬镳了。硬提示词只能从表里的一行跳到另一行，跳着走，梯度（gradient）最多只能提示往哪里跳；软提示词可以朝任何方向挪一点点，梯度指到哪里就走到哪里，最后可以停在没有任何词的地方。（这样的向量是什么意思，是第 04 课的问题。）

# %% [markdown] lang="en" id="who-learns"
# ## 3 · Who learns?
#
# The soft prompt and the projection. Both models are frozen and in eval mode, and `model.train()` does not wake them: a frozen GPT-2 with its dropout left on would blur every step (a real mistake in public code).
#
# ### Exercise: how many numbers learn?
#
# `model.soft_prompt.prompt_embeddings` is (M, D); `model.vision_projection` is an `nn.Linear` from Dv to D, with a bias.
#
# **Exercise** · ★☆☆ · 3 minutes

# %% [markdown] lang="zh" id="who-learns"
# ## 3 · 谁在学？
#
# 软提示词和投影。两个大模型都冻结（frozen）了，而且处在 eval 模式，`model.train()` 也叫不醒它们：冻结了 GPT-2 却忘了关掉 dropout，每一步都会蒙上一层噪声（公开代码里真有这样的错误）。
#
# ### 练习：要学的数有多少个？
#
# `model.soft_prompt.prompt_embeddings` 的形状是 (M, D)；`model.vision_projection` 是从 Dv 到 D 的 `nn.Linear`，带偏置。
#
# **练习** · ★☆☆ · 3 分钟

# %% id="trainable-exercise" tags=["exercise"]
numbers = ...
exercises.trainable.check(numbers, model)

# %% id="trainable-solution" tags=["solution"]
M, D = model.soft_prompt.prompt_embeddings.shape
numbers = M * D + model.vision_projection.weight.numel() + D

# %% [markdown] lang="en" id="ledger"
# The whole ledger, of our pocket models and of the real ones at full size. The latter are built on torch's *meta* device, where tensors have shapes and no contents: nothing is downloaded, and the counts are exact.

# %% [markdown] lang="zh" id="ledger"
# 下面是完整的参数清单，左边是口袋模型，右边是全尺寸的模型。全尺寸的那两个建在 torch 的 meta 设备上，张量只有形状、没有内容：什么都不用下载，数目却分毫不差。

# %% id="ledger-code"
learning.tabulate_parameters(model)

# %% [markdown] lang="en" id="gradients"
# And the proof that nobody else learns: one backward pass, and who received a gradient. (With labels, which section 5 explains, the model returns its loss.) Notice that the gradient has to pass *through* GPT-2 to get there: GPT-2 learns nothing, and yet all that it computes must be kept for the way back. That is where the memory goes, and it grows with the batch. CLIP comes before all that learns: of its work nothing need be kept.

# %% [markdown] lang="zh" id="gradients"
# 再来证明别的都没在学：做一次反向传播，看梯度到了谁那里。（给了 labels，模型返回的就是损失，第 5 节再讲。）注意，梯度要**穿过** GPT-2 才到得了那里：GPT-2 什么也不学，它算出的中间结果却都得留着，供反向传播用。显存就花在这里，批越大花得越多。CLIP 在要学的部分之前，什么都不用留。

# %% id="gradients-code"
model(pictures, ids, labels=labels).backward()
print([name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()])
model.zero_grad()

# %% [markdown] lang="en" id="translation"
# ## 4 · A translation into words
#
# The projection sends a patch to a place among GPT-2's word vectors. GPT-2 reads that vector; *we* may ask which word lies nearest to it. Nobody ever told a patch of the car to become “car”: a projection begins by guessing, from any patch alike, the average of the word vectors in its picture's caption, and afterwards only whole captions are scored. **Predict**: will the patches on the car differ from those of the beach? Then look, and switch to the projection as it was before learning.

# %% [markdown] lang="zh" id="translation"
# ## 4 · 翻译成词语
#
# 投影把一个图块送到 GPT-2 的词向量中间的某个位置。GPT-2 读的就是那个向量；**我们**可以问：离它最近的是哪个词？从来没有谁要求汽车上的图块变成“car”：投影刚初始化时，不管从哪个图块出发，要猜的都是同一个目标，即这张图的说明文字里各词向量的平均；后来计入损失的，也只有整句的说明文字。**先猜**：汽车上的图块会和沙滩上的不一样吗？然后再看，并切换到学习之前的投影比一比。

# %% id="begun-code" tags=["prepare"]
some = [world.make_random_scene(np.random.default_rng(seed), things=1) for seed in range(300)]
seen = model.encode([world.draw(scene, seed, 64) for seed, scene in enumerate(some)])     # (300, P, Dv)
begun = VLMWithSoftPrompt(clip, gpt2)
captioner_training.initialise_projection(begun, seen, [language.write_full_caption(scene) for scene in some])

# %% id="translation-code" tags=["measured"]
before_learning = begun.vision_projection.weight, begun.vision_projection.bias
input_row.explore_patch_words(model, before_learning)

# %% [markdown] lang="en" id="translations"
# And of all six pictures the words, with the number of patches that say each:

# %% [markdown] lang="zh" id="translations"
# 再看六张图各说了哪些词，每个词有几个图块在说：

# %% id="translations-code" tags=["measured"]
input_row.tabulate_patch_words(model, before_learning)

# %% [markdown] lang="en" id="translation-seen"
# Before learning, nearly all patches of the first picture say “beach”. After learning, those on the car say “car” and “purple”, but for two that say “fish”. Counting true words alone would not show it, for “beach” is true everywhere; look at how many *different* facts are said, and where. The other pictures are less tidy: of the umbrella in the city not one patch says “umbrella”, and some say “mushroom”; most patches name only colour, style or background. That is enough for GPT-2, which reads all of them, and the vectors themselves. The null in the caption says what the same words would be worth on the wrong pictures.

# %% [markdown] lang="zh" id="translation-seen"
# 学习之前，第一张图的图块几乎都说“beach”。学完以后，汽车上的图块说的是“car”和“purple”，只有两个说成了“fish”。只数符合的词看不出这一点，因为哪里说“beach”都算对；要看说出了几样**不同**的事实，又是在哪里说的。别的图没有这么整齐：城市里的那把雨伞，没有一个图块说“umbrella”，倒有几个说“mushroom”；大多数图块只说出颜色、风格或背景。这对 GPT-2 来说就够了，它会把所有图块都读一遍，而且读的是向量本身。图下的偶然对照（null）告诉你，同样这些词放到不相干的图上，能碰对几个。

# %% [markdown] lang="en" id="scored"
# ## 5 · What is scored, and against what?
#
# GPT-2 was trained by one rule only: at every position, say the next token. Our row of vectors has three parts, and only one of them is for GPT-2 to say. Four questions decide whether a training is right: what may be looked at, what is scored, against which token, and where does a caption end? **Move the position** along the strip, then switch the shift off and see what is asked of the model.

# %% [markdown] lang="zh" id="scored"
# ## 5 · 哪些位置计入损失？对照哪个词元？
#
# GPT-2 是只按一条规矩训练出来的：在每个位置上说出下一个词元。我们这一排向量有三段，该由 GPT-2 说出来的只有最后一段。训练对不对，取决于四个问题：哪些位置可以看？哪些位置计入损失？对照哪个词元？一句话在哪里结束？**沿着这一排移动位置**，再把“错开一位”（shift by one）关掉，看看这时要模型答的是什么。

# %% id="scored-code"
input_row.explore_scored_labels(model)

# %% id="fed-in-code"
exercises.fed_in.ask()

# %% [markdown] lang="en" id="mask"
# ### Exercise: the attention mask
#
# Captions of different lengths stand in one batch, the shorter ones padded at their end. The mask says where something stands; soft prompt and picture are always there.
#
# (With padding on the right a causal model would not even need it: nothing looks at what comes after. With padding on the left, as in generation from prompts of different lengths, everything depends on it, and on positions that are counted by it.)
#
# `before` is M + P.
#
# **Exercise** · ★★☆ · 4 minutes

# %% [markdown] lang="zh" id="mask"
# ### 练习：注意力掩码
#
# 一批里的说明文字长短不一，短的在末尾填充（padding）。掩码（mask）说明哪些位置上真的有东西；软提示词和图片永远都在。
#
# （填充在右边的时候，因果模型其实用不着它：谁也不往后看。填充在左边就全靠它了，比如从长短不一的提示词开始生成的时候；位置的编号也要跟着它走。）
#
# `before` 就是 M + P。
#
# **练习** · ★★☆ · 4 分钟

# %% id="mask-exercise" tags=["exercise"]
def attention_mask(lengths, before, longest):
    """lengths (B,): tokens of each text; before: M + P. Gives (B, before + longest): 1 where something stands, else 0."""
    ...

exercises.mask.check(attention_mask)

# %% id="mask-solution" tags=["solution"]
def attention_mask(lengths, before, longest):
    places = torch.arange(before + longest)                  # (M + P + T,)
    return (places < before + lengths[:, None]).long()       # (B, M + P + T)

# %% [markdown] lang="en" id="labels"
# ### Exercise: the labels
#
# A label is the token that should stand at a place, and −100, by torch's convention, where nothing is scored. GPT-2 has no token for padding, so the end of text does that work, too: one of them must be learned, or captions never stop; the others teach nothing, and only make the loss look low.
#
# **Exercise** · ★★☆ · 4 minutes

# %% [markdown] lang="zh" id="labels"
# ### 练习：标签
#
# 标签（label）是这个位置上应该出现的词元；不计入损失的地方写 −100，这是 torch 的约定。GPT-2 没有专门的填充词元，就拿文本结束符（end of text）来填充：真正的那一个结束符必须学，不然说明文字永远停不下来；后面用来填充的那些，什么也教不了，只会让损失显得低。
#
# **练习** · ★★☆ · 4 分钟

# %% id="labels-exercise" tags=["exercise"]
def make_labels(ids, lengths):
    """ids (B, T): captions, an end of text, then padding by the same id; lengths (B,), the end included. Gives (B, T)."""
    ...

exercises.labels.check(make_labels)

# %% id="labels-solution" tags=["solution"]
def make_labels(ids, lengths):
    padding = torch.arange(ids.shape[1]) >= lengths[:, None] # (B, T)
    return ids.masked_fill(padding, -100)

# %% id="minus-100-code"
exercises.minus_100.ask()

# %% [markdown] lang="en" id="shift"
# ### Exercise: the shift by one
#
# Logits at a position say what comes *next*. So the first token of a caption is said by the last patch, and the last logits of all say nothing that anybody asked for. “From where to where do I cut the logits?” is asked in public again and again; here you find out.
#
# **Exercise** · ★★★ · 6 minutes

# %% [markdown] lang="zh" id="shift"
# ### 练习：错开一位
#
# 一个位置上的 logits 说的是**下一个**词元。所以说明文字的第一个词元，由最后一个图块的位置来说；而最后一个位置的 logits 没有标签可比，用不上。“logits 该从哪里切到哪里？”网上一再有人问，这里轮到你来找答案。
#
# **练习** · ★★★ · 6 分钟

# %% id="shift-exercise" tags=["exercise"]
def caption_loss(logits, labels, before):
    """logits (B, before + T, V), labels (B, T), before: M + P. Gives the mean loss of the scored tokens."""
    ...

exercises.shift.check(caption_loss)

# %% id="shift-solution" tags=["solution"]
def caption_loss(logits, labels, before):
    predicting = logits[:, before - 1 : -1]                  # (B, T, V): at each token, what stands before it
    return F.cross_entropy(predicting.flatten(0, 1), labels.flatten(), ignore_index=-100)

# %% [markdown] lang="en" id="same-loss"
# With labels the model computes this loss itself, and applies GPT-2's head only where something is scored, which is faster and changes nothing:

# %% [markdown] lang="zh" id="same-loss"
# 给了标签，模型就自己算这个损失；GPT-2 的输出层只用在计入损失的位置上，这样更快，结果不变：

# %% id="same-loss-code"
logits = model(pictures, ids)                                # (B, M + P + T, V)
before = logits.shape[1] - ids.shape[1]                      # M + P
predicting = logits[:, before - 1 : -1]                      # (B, T, V)
ours = F.cross_entropy(predicting.flatten(0, 1), labels.flatten(), ignore_index=-100)
compare(say(en="the loss", zh="损失"), ours, model(pictures, ids, labels=labels))

# %% [markdown] lang="en" id="classic-mistake"
# ## 6 · Without the shift
#
# Leave the shift out, and everything still runs. The code that this course grew from did so. We have trained once with the shift and once without, all else alike; the curves are stored, with the command.

# %% [markdown] lang="zh" id="classic-mistake"
# ## 6 · 忘了错开一位
#
# 不错开这一位，程序照样能跑。这门课最初的那份代码就是这样。我们把对的和错的各训练了一遍，其余完全相同；曲线事先存好了，连同生成它的命令。

# %% id="unshifted-guess"
exercises.unshifted.ask()

# %% id="unshifted-code"
study = captioner_study.load_study()
right, wrong = study.shift                                   # shifted, and not
ends = [run.history.evaluations[-1].validation_loss for run in (wrong, right)]
print(say(en=f"made by: {study.command}", zh=f"生成它的命令：{study.command}"))
print(say(en="without the shift {:.3f}, with it {:.3f}", zh="没有错开 {:.3f}，错开一位 {:.3f}").format(*ends))
exercises.unshifted.reveal((*ends, wrong.object))

# %% id="two-losses-code"
stored_runs.draw_two_losses()

# %% [markdown] lang="en" id="two-losses-seen"
# On its own curve the training without the shift begins higher and ends lower than the right one, and it was wrong from the first step. The right loss of the same model, which nobody looks at in such a training, rose. So: **never trust a loss that is too good, and look at what the model writes.**

# %% [markdown] lang="zh" id="two-losses-seen"
# 没有错开的那次训练从第一步起就是错的；可是只看它自己的曲线，开头高，最后反而比对的那次还低。同一个模型上正确的损失，训练时没有人去看，其实在上升。所以：**损失好得过分，就不要信；要看模型到底写了什么。**

# %% [markdown] lang="en" id="train"
# ## 7 · Learning
#
# Now train one yourself. The pictures are encoded once and their features kept: the vision tower is frozen and nothing is augmented, so they never change. The projection begins, by least squares, as the guess that you saw in section 4. Then projection and soft prompt learn together. (`captioner_training.train_captioner` rescales the features by their covariance first, so that directions of small variance, such as those that tell objects apart, learn nearly as fast as the others; the map stays the same one.) After a press the bar says how long it will take.
#
# **Before each press** say what will come: a tenth of the rate? Ten times as high? A few hundred pictures? No soft prompt at all?

# %% [markdown] lang="zh" id="train"
# ## 7 · 训练
#
# 现在自己训练一个。图片只编码一次，特征存起来反复用：视觉塔是冻结的，图片也不做数据增强，所以特征永远不变。投影的起点就是第 4 节见过的那个猜测，用最小二乘法求出来。然后投影和软提示词一起学。（`captioner_training.train_captioner` 会先按协方差调整特征的尺度，让方差小的方向（例如区分物体种类的方向）学得几乎和别的方向一样快；映射还是同一个映射。）按下之后，进度条会告诉你还要等多久。
#
# **每次按下之前**先说出你的预测：学习率（learning rate）只用十分之一？放大到十倍？图片只有几百张？干脆不要软提示词？

# %% id="train-code"
learning.explore_captioner_training(clip, gpt2)

# %% [markdown] lang="en" id="three-curves"
# Here are three trainings of this kind, each with one fault.

# %% [markdown] lang="zh" id="three-curves"
# 下面是三次这样的训练，各有一个毛病。

# %% id="curves-code"
stored_runs.draw_three_curves()

# %% [markdown] lang="en" id="curves"
# ### Exercise: read a learning curve
#
# In one the rate was too high, in one the pictures were too few, and one was stopped too soon. Give their letters in this order.
#
# **Exercise** · ★★☆ · 4 minutes

# %% [markdown] lang="zh" id="curves"
# ### 练习：读学习曲线
#
# A、B、C 各是哪一种？按“学习率太大、图片太少、停得太早”的顺序填三个字母。
#
# **练习** · ★★☆ · 4 分钟

# %% id="curves-exercise" tags=["exercise"]
letters = ...  # three letters, in this order: rate too high, too few pictures, stopped too soon
exercises.curves.check(letters)

# %% id="curves-solution" tags=["solution"]
letters = "BAC"

# %% [markdown] lang="en" id="generation"
# ## 8 · Writing
#
# A trained model gives logits; a text comes from them one token at a time. The plainest way is *greedy*: take the likeliest token, put its vector at the end of the row, and go on until the model says that the text ends.
#
# ### Exercise: the greedy loop
#
# About ten lines. `language_model(inputs_embeds=vectors).logits` is (1, N, V), and `language_model.get_input_embeddings()` turns ids into vectors.
#
# **Exercise** · ★★★ · 8 minutes

# %% [markdown] lang="zh" id="generation"
# ## 8 · 写出来
#
# 训练好的模型给出的是 logits；要变成文字，得一个词元一个词元地取。最朴素的办法叫贪心（greedy）：取概率最高的词元，把它的向量接到这一排的末尾，再来一次，直到模型说“文本结束”。
#
# ### 练习：贪心循环
#
# 十行左右。`language_model(inputs_embeds=vectors).logits` 的形状是 (1, N, V)；`language_model.get_input_embeddings()` 把编号变成向量。
#
# **练习** · ★★★ · 8 分钟

# %% id="greedy-exercise" tags=["exercise"]
def greedy(language_model, prefix, end, longest=40):
    """prefix (1, N, D): what stands before the text; end: the id of its end. Gives its ids without the end, at most longest."""
    ...

exercises.greedy.check(greedy)

# %% id="greedy-solution" tags=["solution"]
def greedy(language_model, prefix, end, longest=40):
    table = language_model.get_input_embeddings()
    vectors, ids = prefix, []
    while len(ids) < longest:
        id = language_model(inputs_embeds=vectors).logits[0, -1].argmax()
        if id == end:
            break
        ids.append(id.item())
        vectors = torch.cat([vectors, table(id)[None, None]], dim=1)   # (1, N + 1, D)
    return ids

# %% [markdown] lang="en" id="generate"
# Our loop computes the whole row anew for each token. The library's `generate` keeps what it has computed (the *KV cache*) and does beams and sampling as well, so that is what `model.generate` calls. Both must write the same:

# %% [markdown] lang="zh" id="generate"
# 我们的循环每写一个词元，都把整排从头算一遍。库里的 `generate` 会把算过的留下来（KV 缓存，KV cache），还支持束搜索（beam search）和采样（sampling），所以 `model.generate` 调用的是它。两者写出来的必须一样：

# %% id="generate-code"
prefix = model.prefix(model.encode(pictures[:1]))            # (1, M + P, D)
ours = by_hand.decode_greedily(model.language_model, prefix, model.tokenizer.eos_token_id)
text, theirs = model.tokenizer.decode(ours).strip(), model.generate(pictures[:1])[0]
compare(say(en="our loop and generate", zh="我们的循环和 generate"), text, theirs)

# %% [markdown] lang="en" id="next-word"
# Greedy is not the only way. *Beam search* follows several beginnings at once and keeps the text whose tokens are likeliest on average. *Sampling* draws each token by its probability, after the logits were divided by the *temperature*; *top-p* leaves only the likeliest tokens that together have the probability p. **Try**: the bars stand at the word of which the model is least sure. What does a temperature of 3 do there, and what at a word of which it is sure? How small must top-p be until sampling is greedy?

# %% [markdown] lang="zh" id="next-word"
# 贪心不是唯一的办法。束搜索同时跟着几个开头走，最后留下平均每个词元概率最高的那一句。采样则按概率抽取：logits 先除以温度（temperature），经过 softmax 再抽；top-p 只留下概率最高的几个词元，它们的概率加起来刚够 p。**试一试**：条形图现在停在模型最没把握的词上。温度升到 3，那里会怎样？换到它有把握的词上又会怎样？top-p 要小到多少，采样就和贪心一样了？

# %% id="next-word-code" tags=["measured"]
writing.explore_next_token(model)

# %% [markdown] lang="en" id="doubts"
# How sure the model is at every word of that first caption, at two temperatures:

# %% [markdown] lang="zh" id="doubts"
# 再看它写第一张图的说明文字时，在每个词上有多大把握，两种温度下各是多少：

# %% id="doubts-code" tags=["measured"]
writing.tabulate_doubts(model)

# %% [markdown] lang="en" id="next-word-seen"
# At the temperature 1 these settings matter only where the model is in doubt, here at one word; a temperature of 3 makes it doubt every word. Sampling is greedy as soon as the likeliest token alone has the probability p: here, when p is no more than the longest bar. In our world every picture has one right caption, so greedy is hard to beat; for stories, drawing at random is what makes them differ.

# %% [markdown] lang="zh" id="next-word-seen"
# 温度为 1 的时候，只有在模型拿不定主意的地方，这些设置才起作用，这里只有一个词；升到 3，它对哪个词都没把握了。只要概率最高的那个词元自己就够 p，采样就和贪心一样：在这里，就是 p 不超过最长的那一条。在我们的世界里，每张图只有一句正确的说明文字，很难有比贪心更好的办法；要讲故事，靠采样才会每次不同。

# %% [markdown] lang="en" id="parts"
# ## 9 · What does each part contribute?
#
# A caption that reads well proves nothing: GPT-2 writes well about nothing at all. So we take one thing away at a time and count what is still right, on 400 scenes whose pictures neither CLIP nor the captioner has learned from. The drawn world knows what is in each picture, so a caption can be scored fact by fact.

# %% [markdown] lang="zh" id="parts"
# ## 9 · 每个部分各起多大作用？
#
# 句子通顺什么也证明不了：什么都没看到，GPT-2 照样写得通顺。所以我们每次拿掉一样东西，数一数还有多少说对，用的是 400 个场景，CLIP 和这个模型都没学过它们的图片。图是程序画的，每张图里有什么都有记录，说明文字可以逐条核对。

# %% id="shuffled-guess"
exercises.shuffled.ask()

# %% id="shuffled-code"
def mean_right(runs, way):
    right = [run.scores.object for run in runs if way in vars(run).values()]
    return sum(right) / len(right)

shuffled = mean_right(study.asked, "as trained"), mean_right(study.asked, "shuffled pictures")
print(say(en="after {} steps: as trained {:.1%}, shuffled {:.1%}, chance {:.1%}",
          zh="{} 步之后：和训练时一样 {:.1%}，打乱图片 {:.1%}，瞎猜 {:.1%}").format(study.config.steps, *shuffled, study.chance))
exercises.shuffled.reveal(shuffled)

# %% [markdown] lang="en" id="retrained"
# Now the ten vectors. Take them out of a trained model, and whatever breaks shows only that the rest has learned to rely on them (and every patch has moved to another position). The fair question is another: **train once more, without them from the beginning.** What is missing then?

# %% [markdown] lang="zh" id="retrained"
# 再来看那十个向量。把它们从训练好的模型里抽走，就算模型坏掉，也只说明其余部分已经习惯了它们（每个图块的位置也都挪动了）。公平的问题应该这样问：**从头再训练一遍，一开始就没有它们**，结果会差多少？

# %% id="retrained-guess"
exercises.retrained.ask()

# %% id="retrained-code"
lost = 100 * (mean_right(study.asked, "as trained") - mean_right(study.trained, "without soft prompt"))
print(say(en=f"after {study.config.steps} steps each: {lost:.1f} points less",
          zh=f"各训练 {study.config.steps} 步之后：低 {lost:.1f} 个百分点"))
exercises.retrained.reveal(lost)

# %% [markdown] lang="en" id="parts-all"
# All of it. Above, three trained captioners, asked in different ways; below, three each that were trained anew. (The three see the same pictures, each in another order.) Every one is a dot.

# %% [markdown] lang="zh" id="parts-all"
# 下面是全部结果。上面几行问的是同样三个训练好的模型，下面几行各重新训练三次（三次用的图片相同，次序不同）；一次一个点。

# %% id="parts-code"
stored_runs.draw_parts()

# %% id="parts-table-code"
stored_runs.tabulate_parts()

# %% [markdown] lang="en" id="parts-seen"
# What we read off it, on the pocket models:
#
# - **The picture** carries all of it. Without one, or with another's, the object is right about as often as by chance, and the captions read as well as ever.
# - **The soft prompt** of a trained model cannot simply be taken out, nor exchanged for the words that it began as: the projection has learned to rely on it. Trained anew without it, a captioner is a few points worse, no more.
# - **One pooled vector** instead of 64 patches: we expected less, and got more. It names the object in more than nine of ten pictures. CLIP was trained to put into just this vector what captions say; the patches it left as they came. Where a picture holds several things, this need not be so; we have not measured it.

# %% [markdown] lang="zh" id="parts-seen"
# 在口袋模型上，我们从中读出这几点：
#
# - **图片**决定一切。没有图片，或者换成别的图片，物体说对的比例就和瞎猜差不多，句子却照样通顺。
# - **软提示词**不能从训练好的模型里直接拿走，换成它起步时的那些词也不行：投影已经习惯了它。可是从头训练一个没有它的，只差几个百分点。
# - **一个池化向量**代替 64 个图块：我们以为会变差，结果反而更好。十张图里有九张多说对了物体。CLIP 的训练，正是要把说明文字里会说的事放进这个向量；图块怎么样，它不管。图里有好几样东西的时候未必如此，我们没有量过。

# %% [markdown] lang="en" id="many-prompts"
# ## 10 · One model, many prompts
#
# The soft prompt's hour comes with the second task. Freeze the projection as well, for it is a translation and serves every task alike, and learn only ten new vectors: a small file makes the same frozen model count, name colours or tell a story. Here are four such files. Their projection has also seen pictures of several things, since one of the tasks is to count them.

# %% [markdown] lang="zh" id="many-prompts"
# ## 10 · 一个模型，多套提示词
#
# 要让模型做第二件事时，软提示词才真正派上用场。把投影也冻结起来（它只管翻译，做什么事都用得上），只另学十个向量：一个小小的文件，就能让同一个冻结的模型去数数、说颜色、讲故事。这里有四个这样的文件；它们共用的投影还学过画着几样东西的图，因为其中一个要数数。

# %% id="many-prompts-code"
many = VLMWithSoftPrompt(clip, gpt2).load(PROMPTS / "many.safetensors")
prompts = {}
for task in captioner_study.TASKS:
    many.load_prompt(PROMPTS / f"{task}.safetensors")
    prompts[task] = many.soft_prompt.prompt_embeddings.detach()       # (M, D)
    size = os.path.getsize(PROMPTS / f"{task}.safetensors") / 1000
    print(f"{task + '.safetensors':<20} {tuple(prompts[task].shape)}  {size:.0f} KB")

# %% [markdown] lang="en" id="blend"
# Swap the prompt by the list, and then **blend two by the slider**, number by number. **Guess first**: half of “describe” and half of “count”, will that be a mixture of both, nonsense, or one of the two?

# %% [markdown] lang="zh" id="blend"
# 先用下拉列表换提示词，再**用滑块把两个混起来**，对应的数按比例相加。**先猜**：一半“描述”、一半“数数”，写出来的会是两者的混合、一堆胡话，还是其中的一个？

# %% id="blend-code" tags=["measured"]
writing.explore_prompt_blends(many, prompts)

# %% [markdown] lang="en" id="blend-seen"
# No sensible mixture of both: the text keeps to one task for a good way, then stutters with words of both, and turns to the other. (Then choose the cat and the ball: of the pictures that this projection has learned from, only one in eight has several things.)

# %% [markdown] lang="zh" id="blend-seen"
# 混不出像样的句子：先有好长一段都守着一个任务，然后磕磕巴巴，两边的词搅在一起，再转到另一个去。（再换成猫和球那一张：这个投影学过的图片里，八张才有一张画着几样东西。）

# %% [markdown] lang="en" id="prompts-measured"
# How well does each keep to its own task, and how well would the same instruction do in plain words (the rows “in words”)? Form: is the answer made as its task wants it, or as another's? Content: is what was asked for right, whatever the form? The last column is a null: what the best single answer to all pictures would get. Measured on 400 scenes each, of one thing, and for counting of one to three. (“Describe” has learned for 2,000 steps, together with the projection, and each of the others for 1,200, alone.)

# %% [markdown] lang="zh" id="prompts-measured"
# 各自做好自己那项任务了吗？同样的要求直接用词语写出来（“用词语”那几行）又怎样？形式：答案的样子是自己这项任务的，还是别的任务的？内容：不管写成什么样，问的那件事说对了没有？最后一列是偶然对照：不看图片，一律用同一个最好的答案，能对多少。各在 400 个场景上测量：每张图里只有一件东西；测数数时，一到三件。（“描述”和投影一起学了 2,000 步，其余每套提示词各自单独学了 1,200 步。）

# %% id="prompts-table-code"
stored_runs.tabulate_prompts()

# %% id="counted-code"
print({number: f"{share:.0%}" for number, share in study.prompts[1].by_number.items()})

# %% [markdown] lang="en" id="prompts-seen"
# Each learned prompt keeps to its task nearly always. The same instruction in plain words does so less often, and for counting hardly ever: what was learned is more than what we knew how to say. The content can be no better than the projection allows, for the prompt sees no picture. And counting, the last line says, means telling one thing from two; three are hardly ever seen.

# %% [markdown] lang="zh" id="prompts-seen"
# 学出来的每套提示词，几乎总能守住自己的任务。同样的要求直接用词语写，就常常守不住，数数更是几乎不行：学到的东西，比我们能用话说出来的多。内容能对到什么程度，要看投影译得怎样，因为提示词自己看不见图片。至于数数，最后一行说明，它只会分清一件和两件；有三件的图，几乎每次都数错。

# %% [markdown] lang="en" id="keep"
# ## 11 · Save, load, use
#
# `model.save` writes prompt and projection, `model.save_prompt` the prompt alone. To save, to load and to use takes three lines. (The file lies in a temporary folder; take a place of your own.)

# %% [markdown] lang="zh" id="keep"
# ## 11 · 保存、加载、使用
#
# `model.save` 保存软提示词和投影，`model.save_prompt` 只保存软提示词。保存、加载、使用，各要一行。（文件放在临时文件夹里，你可以换个自己的位置。）

# %% id="use-code" tags=["measured"]
from tempfile import mkdtemp

file = Path(mkdtemp()) / "captioner.safetensors"
model.save(file)
again = VLMWithSoftPrompt(load_clip("pocket"), load_language_model("pocket")).load(file)
print(again.generate(pictures[:1]))

# %% id="same-code"
compare(say(en="before and after the file", zh="存盘前和加载后"), again(pictures, ids), model(pictures, ids))

# %% [markdown] lang="en" id="other-projection"
# A prompt is learned beside *one* projection. Beside another it may still do something, or quietly do worse: every shape fits, and nothing would complain. So its file knows the projection by a fingerprint, and the next cell stops with an error, as it should:

# %% [markdown] lang="zh" id="other-projection"
# 一套软提示词是配着**某一个**投影学出来的。换一个投影，也许还能用，也许悄悄变差：形状都对，本来不会报错。所以文件里记着那个投影的指纹（fingerprint）。下一格会报错，这正是我们要的：

# %% id="other-projection-code" tags=["raises-exception", "measured"]
model.load_prompt(PROMPTS / "count.safetensors")

# %% [markdown] lang="en" id="tips"
# ## 12 · Tips, tried
#
# The code that this course grew from came with tips: use small learning rates, 1e-4 to 1e-5; 100 to 1000 samples; if it converges slowly, change the rate or lengthen the prompt; if memory runs out, make the batch smaller; if the text is poor, get more data. Are they right? We have tried them, except for memory, in short trainings: one setting changed at a time, one training each. With 400 test pictures, differences of two or three points mean nothing. (The plan of these trainings is printed below. The rate is that of rescaled features, see section 7.) **Guess before you choose** which setting matters most.

# %% [markdown] lang="zh" id="tips"
# ## 12 · 试一试那些建议
#
# 这门课最初的那份代码附了一些建议：学习率要小，1e-4 到 1e-5；样本 100 到 1000 个；收敛慢，就调学习率，或者给提示词多加几个向量；内存不够，就减小批大小；生成的文字差，就增加数据。说得对吗？除了内存那一条，我们都用短训练试过：每次只改一个设置，各训练一次。测试图片有 400 张，差两三个百分点说明不了什么。（这些训练的设置打印在下面。学习率是对调过尺度的特征而言的，见第 7 节。）**选之前先猜**：哪个设置影响最大？

# %% id="plan-code"
short = study.short_config
print(say(en=f"{short.steps} steps, batch size {short.batch_size}, learning rate {short.learning_rate}",
          zh=f"{short.steps} 步，批大小 {short.batch_size}，学习率 {short.learning_rate}"))

# %% id="tips-code"
stored_runs.explore_tips()

# %% id="tips-table-code"
stored_runs.tabulate_tips()

# %% [markdown] lang="en" id="tips-seen"
# In so short a training:
#
# - **The rate** decides most: at 1e-5 next to nothing is learned, and at 1e-4 less than half of what 1e-3 learns. From 1e-3 to 1e-1, a factor of a hundred, it hardly matters. The advice is not refuted by that: it was meant for a plain optimiser, and our rates are for features rescaled by their covariance. Without that, and on models of full size, we have not measured. (In a training of many hours small rates have more time.)
# - **Data**: a hundred pictures are far too few. A thousand do as well as six thousand here, but such a training sees no more than 2,400.
# - **The batch**: larger is better, and sees more pictures in as many steps. Two at a time is poor.
# - **The length** moves little; poor text is not cured by a longer prompt.
# - **The initialisation**: a projection that begins as words gets further than a random one in the same number of steps. The prompt's own initialisation hardly matters.
# - **The features**: the last layer's patches did *better* than those before it, against the usual advice; and the pooled vector names most objects, though fewer of its captions are right in everything.

# %% [markdown] lang="zh" id="tips-seen"
# 在这么短的训练里：
#
# - **学习率**影响最大：用 1e-5 几乎什么也学不到，用 1e-4 学到的还不及 1e-3 的一半。从 1e-3 到 1e-1 差了一百倍，结果却相差不多。但这并没有推翻那条建议：它针对的是普通的优化器，而我们的学习率是对按协方差调过尺度的特征而言的；不调尺度会怎样，在全尺寸的模型上又会怎样，我们没有测过。（如果训练好几个小时，小的学习率会有更多时间。）
# - **数据**：一百张图片远远不够。一千张和六千张在这里一样好，不过这样一次训练最多只看 2,400 张。
# - **批大小**：大一些更好，同样的步数看的图片也更多；一批两张就差了。
# - **提示词的向量个数**影响很小：文字写得差，多加几个向量治不好。
# - **初始化**：同样的步数，投影从词语开始，比从随机数开始学得多；软提示词自己从哪里开始，差别不大。
# - **图片特征**：最后一层的图块反而比倒数第二层**更好**，和通常的建议相反；池化的向量说对的物体最多，可是整句全对的反而少一些。

# %% [markdown] lang="en" id="done"
# ## What you can do now
#
# You can make a frozen language model read what no tokenizer can write; score exactly what should be scored; notice when a loss is too good; write the loop that turns logits into text; say what each part is worth, and how you know; and make one frozen model do several things by exchanging ten vectors. `helpers/captioner.py` holds the whole mechanism, and `python soft_prompt_finetune.py --data my.json` uses it on pictures of your own (the README says how).
#
# What else could one learn, and where? Keys and values in every layer (prefix tuning), a little beside the weights (LoRA), a larger bridge from the picture (ClipCap, Q-Former, LLaVA): [docs/methods.en.md](../../docs/methods.en.md) counts the numbers and says what would change in our code.
#
# What do those ten vectors say? The first thing everybody does is to look up the nearest words. Lesson 04 does so, beside what chance alone would show.

# %% [markdown] lang="zh" id="done"
# ## 现在你会了什么
#
# 你能让一个冻结的语言模型读懂分词器给不出的向量；知道哪些该计入损失，也看得出损失是不是好得过分；会写把 logits 变成文字的循环；说得清各部分的作用有多大，以及凭什么这么说；还会换掉十个向量，让同一个冻结的模型去做别的事。全部机制都在 `helpers/captioner.py` 里；想用自己的图片，就运行 `python soft_prompt_finetune.py --data my.json`（用法见 README）。
#
# 除了这些，还可以学什么、从哪里进去？可以学每一层的键和值（prefix tuning），可以在权重旁边添一点（LoRA），可以给图片架一座更大的桥（ClipCap、Q-Former、LLaVA）：各要学多少个数、我们的代码要改哪里，见 [docs/methods.zh.md](../../docs/methods.zh.md)。
#
# 这十个向量到底在说什么？人人都会先去查离它们最近的词。第 04 课就来查，并且和偶然对照放在一起看。
