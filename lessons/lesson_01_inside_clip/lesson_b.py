# %% [markdown] lang="en" id="inside-gpt2"
# # Lesson 01b: inside GPT-2
#
# In lesson 01 we walked through CLIP's text tower. GPT-2, which lesson 03 lets speak about pictures, is nearly the same house with another door at the end: the text tower sums a text up, GPT-2 says how it goes on. We take it apart by hand, with the model's own weights, and check every stretch against the library. On the way you get to what lesson 01 passed over quickly: what *query*, *key* and *value* are, and a head of attention written by yourself.
#
# It takes about 30 minutes and needs lesson 01, parts 3 to 5; no later lesson needs it.

# %% [markdown] lang="zh" id="inside-gpt2"
# # 第 01b 课：走进 GPT-2
#
# 第 01 课里，我们走过了 CLIP 的文本塔。第 03 课要让 GPT-2 开口说图片，而 GPT-2 和文本塔几乎是同一座房子，只是尽头的门不同：文本塔把一段话归成一个向量，GPT-2 要说的是下文。这一课照样用模型自己的权重，亲手把它拆开，每走一段就和库的结果对一对。第 01 课一笔带过的东西，这里也会讲清楚：查询（query）、键（key）、值（value）到底是什么；还有一个注意力头，由你自己写出来。
#
# 大约 30 分钟。需要先学第 01 课的第 3 到第 5 节；后面的课不要求学过它。

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
from statistics import mean

import numpy as np
import torch
from torch.nn import functional as F

from helpers import by_hand
from helpers.language import say
from helpers.notebook import compare
from helpers.pretrained import load_clip, load_language_model
from lessons.lesson_01_inside_clip import exercises_b as exercises
from lessons.lesson_01_inside_clip.explorers_b import beside, heads, lens, places
from pocket import world
from pocket.corpus import write_story

gpt2, tokenizer = load_language_model("pocket")               # or the folder or name of any GPT-2
text = "story: once upon a time there was a small red cat in the snow. the"

# %% [markdown] lang="en" id="every-place"
# ## 1 · Every place says what comes next
#
# GPT-2 was trained by one rule: at every place of a text, say the next token. Below it reads the beginning of a story, and each row is one place. **Before you run the cell**: after which words can it be nearly sure? What can it know about the word after the very last “the”?

# %% [markdown] lang="zh" id="every-place"
# ## 1 · 每个位置都在猜下一个词元
#
# GPT-2 只按一条规矩训练：在文字的每个位置上，说出下一个词元。下面它读的是一个故事的开头，一行是一个位置。**先别运行下一格**：读到哪些词，它差不多有十足的把握？最后那个“the”后面会是什么，它能知道多少？

# %% id="every-place-code"
places.explore_places(gpt2, tokenizer, text)

# %% [markdown] lang="en" id="every-place-seen"
# After “once upon a time” it is sure, as anybody would be. After “small” and after “red” it can only guess. And after the last “the” it says “cat”: so that place must have got word of a cat five tokens back. **Try**: make it a blue boat in the text, and look at the last row. Then change the *last* words only: do the rows above move?
#
# They do not, and that is the causal mask. This is where the two models part: CLIP's text tower keeps the vector of one place and drops the others (pooling); GPT-2 uses them all. A text of T tokens is T predictions in one pass:

# %% [markdown] lang="zh" id="every-place-seen"
# 读到“once upon a time”，它很有把握，换了谁都一样。读到“small”“red”，就只能猜了。可是最后的“the”后面，它说的是“cat”：这个位置一定从五个词元之前得到了猫的消息。**试一试**：把文中的猫换成一条蓝色的船（a blue boat），看最后一行。然后只改**最后**几个词：上面各行动了没有？
#
# 没有动，这就是因果掩码（causal mask）。两个模型也在这里分开：CLIP 的文本塔只留一个位置的向量，其余不要（池化）；GPT-2 全都用上。一段 T 个词元的文字，算一遍就是 T 个预测：

# %% id="one-pass-code"
ids = tokenizer(text, return_tensors="pt")["input_ids"]       # (1, T)
logits = gpt2(input_ids=ids).logits                           # (1, T, V): scores of V tokens
print(tuple(ids.shape), tuple(logits.shape))
print(tokenizer.decode(logits[0, -1].argmax()))

# %% [markdown] lang="en" id="layer"
# ## 2 · What is in a layer
#
# A token's row and its position's row are added, as in CLIP. Then come the layers, and each has the same five parts. One sentence for each:
#
# - **Query**: what this place is looking for, as a vector.
# - **Key**: what this place can be found by, as a vector; the more a query and a key point the same way, the larger their product, and the more is taken.
# - **Value**: what this place hands over to those who look at it.
# - **Layer norm**: before each half of the layer (attention, then MLP), every vector is brought to mean 0 and variance 1, and then scaled and shifted by learned numbers, so that no vector drowns the others just by being large.
# - **MLP** (*multi-layer perceptron*): two matrices with a bend (the *activation*) between them, for each place by itself; it makes something new out of what the place has collected.
#
# Query, key and value are three products of the same normalised vector. CLIP has a matrix for each; GPT-2 has one matrix, three times as wide, and cuts the result in three:

# %% [markdown] lang="zh" id="layer"
# ## 2 · 一层里有什么
#
# 词元的那一行，加上位置的那一行，这和 CLIP 一样。接下来是一层又一层，每一层都由同样的五样东西组成，一样一句话：
#
# - **查询**（query）：这个位置在找什么，写成一个向量。
# - **键**（key）：别人凭什么找到这个位置，也是一个向量；查询和键的方向越一致，乘积越大，拿的就越多。
# - **值**（value）：别人看过来时，这个位置交出去的东西。
# - **层归一化**（layer norm）：一层分两半，先注意力，后 MLP，每一半开始之前，先把每个向量变成均值 0、方差 1，再用学来的数缩放和平移，免得哪个向量只因为数值大就盖过别的。
# - **MLP**（多层感知机，multi-layer perceptron）：两个矩阵，中间夹一个激活函数（activation），每个位置单独过一遍，把收集来的东西加工成新的。
#
# 查询、键、值，是同一个归一化之后的向量乘三个矩阵得来的。CLIP 三个矩阵分开放；GPT-2 合成一个，宽三倍，算完再切成三份：

# %% id="layer-code"
x = by_hand.embed_gpt2_tokens(gpt2, ids)                      # (1, T, D)
block = gpt2.transformer.h[0]                                 # the first layer
query, key, value = block.attn.c_attn(block.ln_1(x)).chunk(3, dim=-1)  # (1, T, D) each
print(tuple(x.shape), tuple(query.shape))
print(say(en="heads:", zh="头数："), block.attn.num_heads)

# %% [markdown] lang="en" id="by-itself"
# Layer norm and MLP know nothing of other places: both take one vector and give one. Written out, neither is more than its sentence says. (`gelu` is the bend: it lets large numbers pass and holds negative ones back.)

# %% [markdown] lang="zh" id="by-itself"
# 层归一化和 MLP 都不管别的位置：进去一个向量，出来一个向量。写出来看，也就是上面那两句话。（`gelu` 就是那个激活函数：大的数放过去，负的数压住。）

# %% id="by-itself-code"
norm, mlp = block.ln_2, block.mlp
variance = x.var(-1, keepdim=True, correction=0)                       # (1, T, 1)
normed = (x - x.mean(-1, keepdim=True)) / (variance + norm.eps) ** 0.5
normed = normed * norm.weight + norm.bias
compare(say(en="layer norm", zh="层归一化"), normed, norm(x))
wide = F.gelu(normed @ mlp.c_fc.weight + mlp.c_fc.bias, approximate="tanh")  # (1, T, 4 D)
compare("MLP", wide @ mlp.c_proj.weight + mlp.c_proj.bias, mlp(normed))

# %% [markdown] lang="en" id="head"
# ## 3 · One head
#
# All heads lie side by side in these vectors: the first D / heads columns belong to the first head. It multiplies each query with each key and divides by the square root of its own width, lest the scores grow with the width and the softmax settle on one place. The mask is added, the softmax makes weights out of each row, and with these weights the values are mixed.
#
# ### Exercise: the first head
#
# From query, key and value to what the first head takes.
#
# **Exercise** · ★★☆ · 8 minutes

# %% [markdown] lang="zh" id="head"
# ## 3 · 一个注意力头
#
# 各个头在这些向量里并排放着：最前面的 D / heads 列归第一个头。它拿每个查询去乘每个键，再除以自己宽度的平方根：不除的话，宽度越大得分越大，softmax 就只认一个位置了。然后加上掩码，对每一行做 softmax 得到权重，再按权重把各个值混合起来。
#
# ### 练习：第一个头
#
# 从查询、键、值出发，算出第一个头拿到的东西。
#
# **练习** · ★★☆ · 8 分钟

# %% id="head-exercise" tags=["exercise"]
def first_head(query, key, value, heads, mask):
    """query, key, value (B, T, D); mask (T, T), to be added. Gives (B, T, D / heads)."""
    ...

exercises.head.check(first_head)

# %% id="head-solution" tags=["solution"]
def first_head(query, key, value, heads, mask):
    W = query.shape[-1] // heads
    query, key, value = query[..., :W], key[..., :W], value[..., :W]   # (B, T, W)
    scores = query @ key.mT / W**0.5 + mask                            # (B, T, T): row asks, column answers
    return scores.softmax(-1) @ value                                  # (B, T, W)

# %% [markdown] lang="en" id="head-compare"
# The other heads do the same with the columns after it, and one more matrix (`c_proj`) mixes what all have taken. In `helpers/by_hand.py` it is `run_heads`, and CLIP and GPT-2 use the same one. What was taken is *added* to the vector, and then what the MLP makes of it: the residual stream of lesson 01. That is the first layer:

# %% [markdown] lang="zh" id="head-compare"
# 其余的头用后面的列做同样的事，最后再乘一个矩阵（`c_proj`），把大家拿到的混在一起。在 `helpers/by_hand.py` 里它叫 `run_heads`，CLIP 和 GPT-2 用的是同一个函数。拿到的东西**加**到原来的向量上，再加上 MLP 的输出，这就是第 01 课的残差流（residual stream）。这样就走完了第一层：

# %% id="head-compare-code"
mask = by_hand.make_causal_mask(ids.shape[1])                 # (T, T)
taken, weights = by_hand.run_heads(query, key, value, block.attn.num_heads, mask)
print(tuple(taken.shape), tuple(weights.shape))               # (1, T, D), (1, H, T, T)
after = x + block.attn.c_proj(taken)                          # (1, T, D)
after = after + block.mlp(block.ln_2(after))
theirs = gpt2(input_ids=ids, output_hidden_states=True).hidden_states
compare(say(en="GPT-2, layer 1", zh="GPT-2 第 1 层"), after, theirs[1])

# %% [markdown] lang="en" id="heads"
# ### Who looks at whom?
#
# A row is a place that looks, and its weights make 100 %. It begins with layer 1, head 1, where the last “the” takes nearly all from “cat”. **Try** the other heads of this layer: which of them take from “cat”, which from “snow”? (Leave the mask on for now.)

# %% [markdown] lang="zh" id="heads"
# ### 谁在看谁？
#
# 一行是一个在看的位置，它的权重加起来是 100%。一开始是第 1 层第 1 个头：最后的“the”几乎全从“cat”那里拿。**试一试**这一层别的头：最后的“the”在哪几个头里看“cat”，在哪几个头里看“snow”？（掩码先别动。）

# %% id="heads-code"
heads.explore_heads(gpt2, tokenizer, text)

# %% [markdown] lang="en" id="mask"
# ### Cut the mask
#
# One text proves little. We take sixty stories of the pocket world, and compute the loss of every next token, once as it should be and once without the mask.

# %% [markdown] lang="zh" id="mask"
# ### 拿掉掩码
#
# 一句话说明不了什么。我们拿口袋世界的六十个故事，算每个“下一个词元”的损失（loss）：一次照常，一次不用掩码。

# %% id="mask-loss-code"
def measure_loss(story, masked):
    ids = torch.tensor([tokenizer(story)["input_ids"]])       # (1, T)
    mask = by_hand.make_causal_mask(ids.shape[1]) if masked else None
    x = by_hand.embed_gpt2_tokens(gpt2, ids)                  # (1, T, D)
    for block in gpt2.transformer.h:
        x = by_hand.run_gpt2_layer(block, x, mask)
    logits = by_hand.score_next_tokens(gpt2, x)               # (1, T, V)
    return F.cross_entropy(logits[0, :-1], ids[0, 1:]).item()

rng = np.random.default_rng(0)
stories = [f"story: {write_story(world.make_random_scene(rng), rng)}" for _ in range(60)]
print(stories[0])

# %% id="mask-guess"
exercises.without_mask.ask()

# %% id="mask-code"
masked = mean(measure_loss(story, masked=True) for story in stories)
free = mean(measure_loss(story, masked=False) for story in stories)
print(say(en=f"loss with the mask {masked:.1f}, without it {free:.1f}",
          zh=f"损失：有掩码 {masked:.1f}，没有掩码 {free:.1f}"))
exercises.without_mask.reveal((masked, free))

# %% [markdown] lang="en" id="mask-seen"
# Now choose the mask “none” in the explorer above and compare the column on the right. “red” gets its “cat”: a head that looks for the noun finds it ahead. But “cat” and “.” had a good or an open guess before, and are now sure of something wrong.

# %% [markdown] lang="zh" id="mask-seen"
# 现在到上面的互动图里把掩码换成“不用”，比一比右边那一列。“red”猜对了“cat”：有个头在找名词，往后一看就找到了。可是“cat”和“.”原来一个猜对了，一个没有把握，现在都很有把握地错了。

# %% [markdown] lang="en" id="whole"
# ## 4 · All of GPT-2
#
# All layers are the same code with other weights. After the last one there is one more layer norm, and then the scores. So all of GPT-2 is five lines:

# %% [markdown] lang="zh" id="whole"
# ## 4 · 完整的 GPT-2
#
# 每一层的代码都一样，只是权重不同。走完最后一层，再做一次层归一化，然后算得分。于是整个 GPT-2 就是五行：

# %% id="whole-code"
x = by_hand.embed_gpt2_tokens(gpt2, ids)                      # (1, T, D)
for block in gpt2.transformer.h:
    x = by_hand.run_gpt2_layer(block, x, mask)
x = gpt2.transformer.ln_f(x)
ours = x @ gpt2.transformer.wte.weight.T                      # (1, T, V)
compare(say(en="GPT-2, from ids to logits", zh="GPT-2，从编号到 logits"), ours, logits)
compare(say(en="likeliest tokens", zh="最可能的词元"), ours.argmax(-1), logits.argmax(-1))

# %% [markdown] lang="en" id="beside"
# ### Beside CLIP's text tower
#
# The table is read off from the two models, and that they look only back is found out by changing the last token. **Before you run it**: name two rows that you expect to be the same, and two that differ. In brackets stand the full-size models.

# %% [markdown] lang="zh" id="beside"
# ### 和 CLIP 的文本塔并排看
#
# 这张表是从两个模型里现查的；“看不见后面”那一行，是换掉最后一个词元试出来的。**先别运行**：说两行你认为相同的，再说两行你认为不同的。括号里是全尺寸的模型。

# %% id="beside-code"
beside.tabulate_beside_text_tower(load_clip()[0], gpt2)

# %% [markdown] lang="en" id="beside-seen"
# The first three rows are what makes a layer of the one readable to whoever knows the other. The activations are two ways to compute nearly the same bend, GELU: CLIP's is a quick approximation, GPT-2's a close one (`gelu_new`, which newer versions of the library call `gelu_pytorch_tanh`). And a longest text is a matter of the table of positions: for a place without a row in it there is nothing to add.

# %% [markdown] lang="zh" id="beside-seen"
# 正因为前三行相同，看懂了其中一个的层，另一个也就看得懂。两种激活函数差不多是同一个函数，都是 GELU 的近似：CLIP 的省事，GPT-2 的更准（`gelu_new`，库的新版本里也叫 `gelu_pytorch_tanh`）。文字最多能有多长，由位置嵌入表决定：表里没有那一行，就没有东西可加。

# %% [markdown] lang="en" id="tied"
# ## 5 · The head is the table
#
# In the last line of our GPT-2 stood `wte`, the same table that the tokens came from, transposed: the last vector is multiplied with the row of every token, and the token whose row fits best is the likeliest. Such a head is called *tied* (*weight tying*): what goes in and what comes out are measured in the same space.
#
# ### Exercise: the next token
#
# `last` are the vectors after the last layer norm. Which token is the likeliest next one, at every place?
#
# **Exercise** · ★☆☆ · 3 minutes

# %% [markdown] lang="zh" id="tied"
# ## 5 · 输出头就是嵌入表
#
# 我们的 GPT-2 最后一行里出现了 `wte`，正是词元进来时查的那张表，转置了一下：用最后的向量去乘每个词元的那一行，谁的行最合，谁就最可能。输出头和嵌入表共用一套权重，叫权重共享（tied weights）：进来和出去，量的是同一个空间。
#
# ### 练习：下一个词元
#
# `last` 是最后一次层归一化之后的向量。每个位置上，最可能的下一个词元是哪个？
#
# **练习** · ★☆☆ · 3 分钟

# %% id="tied-exercise" tags=["exercise"]
def next_tokens(last, table):
    """last (B, T, D), table (V, D): a row for each token. Gives ids (B, T)."""
    ...

exercises.tied.check(next_tokens)

# %% id="tied-solution" tags=["solution"]
def next_tokens(last, table):
    return (last @ table.T).argmax(-1)

# %% [markdown] lang="en" id="first-state"
# ### Ask too early
#
# If in and out are one space, nothing hinders us from asking before the last layer. We begin before the very first.

# %% [markdown] lang="zh" id="first-state"
# ### 提前问一问
#
# 进来和出去既然是同一个空间，不等走完所有层，提前问一问也行。先从第一层之前问起。

# %% id="first-state-guess"
exercises.first_state.ask()

# %% id="first-state-code"
x = by_hand.embed_gpt2_tokens(gpt2, ids)                      # (1, T, D)
said = by_hand.score_next_tokens(gpt2, x).argmax(-1)[0]       # (T,)
print(tokenizer.decode(said))
own, following = (said == ids[0]).float().mean(), (said[:-1] == ids[0, 1:]).float().mean()
exercises.first_state.reveal((own.item(), following.item()))

# %% [markdown] lang="en" id="lens"
# ### Layer by layer
#
# Now the same question after every layer. This reading is called the *logit lens* (nostalgebraist, 2020). **Before you run it**: after how many of the layers will the last place say “cat”? What might it say before? Then follow the place of “.”: when does it give up ending the text?

# %% [markdown] lang="zh" id="lens"
# ### 一层一层地看
#
# 现在每走完一层就问一次。这种读法叫 logit 透镜（logit lens；nostalgebraist，2020）。**先别运行**：走过几层，最后一个位置会说出“cat”？在那之前，它会说什么？再看句号“.”的那个位置：它到哪一层才不打算结束全文？

# %% id="lens-code"
lens.explore_lens(gpt2, tokenizer, text)

# %% [markdown] lang="en" id="lens-seen"
# Layer 1 has fetched both nouns, as its heads showed. After it the last “the” says “snow”, the one that stood just before; from layer 2 on it says “cat”, the hero of the story. A caution, which lesson 04 takes up: an early vector was never trained to be read by this head, so what it “says” is our reading and not the model's opinion. What can be tested is what changes when a vector is changed.

# %% [markdown] lang="zh" id="lens-seen"
# 第 1 层的几个头，把两个名词都取来了。这一层之后，最后的“the”说的是“snow”，刚刚出现过的那个；从第 2 层起，它改口说“cat”，故事的主角。有一点要小心，第 04 课还会谈到：训练时，前面几层的向量从来没有直接交给输出头读过，它“说”什么，是我们读出来的，不一定是模型的意思。真要检验，得把向量改掉，看结果变不变。

# %% [markdown] lang="en" id="done"
# ## What you can do now
#
# You can say what query, key, value, layer norm and MLP do, have written a head of attention, and can write GPT-2 down in five lines. The same five lines read vectors that are no token's row, if we put them in: that is lesson 03. One last question.

# %% [markdown] lang="zh" id="done"
# ## 现在你会了什么
#
# 查询、键、值、层归一化、MLP 各做什么，你都说得清；注意力头你亲手写过；整个 GPT-2，你五行就能写完。要是往里放的不是哪个词元的行，而是我们自己的向量，这五行照样读：那就是第 03 课。最后一个问题。

# %% id="done-code"
exercises.changed_token.ask()
