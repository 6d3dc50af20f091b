# %% [markdown] lang="en" id="inside-clip"
# # Lesson 01: inside CLIP
#
# In lesson 00 ten vectors went into CLIP by a door that we only pointed at. To open it ourselves we must know the house. In this lesson we walk through both towers of CLIP by hand, the *text tower* and the *vision tower* (in papers: text encoder and image encoder), with the model's own weights, and check every stretch against the library.
#
# It takes about 45 minutes. At the end you can say where a text becomes vectors and where these become one, you have seen every step in between as a few lines of code, and written the key ones yourself.

# %% [markdown] lang="zh" id="inside-clip"
# # 第 01 课：走进 CLIP
#
# 第 00 课里，十个向量从一扇门进了 CLIP，那扇门我们只是指了指。要自己开门，先得认得这座房子。CLIP 有两座塔：文本塔，也就是文本编码器（text encoder）；视觉塔，也就是图像编码器（image encoder）。这一课我们用模型自己的权重，把两座塔从头到尾亲自走一遍，每走一段就和库的结果对一对。
#
# 大约 45 分钟。走完以后，你能说清楚文字在哪里变成一排向量，又在哪里变成一个向量，中间的每一步都拆成几行代码看过，关键的几步是你自己写的。

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
from transformers import CLIPConfig

from helpers import by_hand
from helpers.language import say
from helpers.notebook import compare
from helpers.pretrained import encode_images, encode_texts, load_clip
from lessons.kit.explorer import tabulate_accuracies
from lessons.lesson_01_inside_clip import exercises
from lessons.lesson_01_inside_clip.explorers import attention, contrastive, embedding, parts
from pocket import datasets, tasks, world
from pocket.language import write_full_caption

clip, processor = load_clip()

# %% [markdown] lang="en" id="the-game"
# ## 1 · The game CLIP was trained on
#
# OpenAI trained CLIP without class labels. It played one game, many times: here are some pictures and their captions, shuffled; which belongs to which? Our pocket CLIP played it too; four pairs are enough to see it. Each number is a cosine: how well the direction of a picture's vector agrees with that of a caption's. **Before you run the cell**: which two pictures will CLIP find hardest to tell apart?

# %% [markdown] lang="zh" id="the-game"
# ## 1 · CLIP 的训练：一个配对游戏
#
# OpenAI 训练 CLIP 时没有用类别标签，只是一遍遍地玩同一个游戏：这里有几张图和它们的说明文字，打乱了，哪句配哪张？我们的口袋 CLIP 也玩过，四对就看得出门道。表里每个数都是余弦（cosine）：图片向量和文字向量的方向有多接近。**先别运行下一格**：哪两张图 CLIP 最难分清？

# %% id="the-game-code"
scenes = [
    world.Scene((world.Thing("cat", "red"),), "snow", "photo"),
    world.Scene((world.Thing("cat", "blue"),), "snow", "photo"),
    world.Scene((world.Thing("boat", "yellow", "small"),), "beach", "painting"),
    world.Scene((world.Thing("star", "white"), world.Thing("house", "green")), "night", "cartoon"),
]
pictures, captions = [world.draw(scene) for scene in scenes], [write_full_caption(scene) for scene in scenes]
cosines = encode_images(clip, processor, pictures) @ encode_texts(clip, processor, captions).T  # (4, 4)
contrastive.draw_similarities(pictures, captions, cosines)

# %% [markdown] lang="en" id="the-matrix"
# ### Fill the matrix yourself
#
# On the diagonal stand the true pairs. Each row is a question (which caption belongs to this picture?), and each column is one too. The *loss* is small when every question is answered correctly and with confidence; the *logit scale* multiplies all cosines before the softmax. CLIP fills the matrix first. **Before you run the cell**: the second caption, “a cat in the snow”, is true of two of the pictures: will this trouble the second row more, or the second column? Then set all cosines to 0 and **try**: with the scale at 1, how small can you make the loss by raising the diagonal alone? Put only 0.1 on the diagonal: what does a scale of 65 make of that small lead?

# %% [markdown] lang="zh" id="the-matrix"
# ### 自己填一填
#
# 对角线上是真正的配对。每一行是一个问题（这张图配哪句话？），每一列也是一个问题。每个问题都答得又对又有把握，损失（loss）就小；缩放系数（logit scale）是做 softmax 之前所有余弦都要乘的数。先让 CLIP 来填。**先别运行下一格**：第二句“a cat in the snow”其实对两张图都成立，更难答对的是第二行，还是第二列？然后把余弦全部归零，自己**试一试**：把缩放系数调到 1，只抬高对角线，损失最小能到多少？再让对角线只有 0.1：缩放系数调到 65，这一点点领先会变成什么样？

# %% id="the-matrix-code"
near = [("cat", "red"), ("cat", "orange"), ("dog", "red")]
look_alikes = [world.draw(world.Scene((world.Thing(*thing),), "snow")) for thing in near]
contrastive.explore_matrix(clip, processor, look_alikes, ["a red cat", "a cat in the snow", "a dog"])

# %% [markdown] lang="en" id="the-loss"
# ### The loss is two cross-entropies
#
# One asks the rows, one the columns, and the right answer is always the diagonal. With the cosines given, three lines are the whole training objective of CLIP. Above it is the second column that gives trouble: CLIP finds the red cat likelier. The rule knows one right picture for each caption, even where two would do. (The pocket CLIP's own training leaves such pairs out.)

# %% [markdown] lang="zh" id="the-loss"
# ### 损失就是两个交叉熵（cross-entropy）
#
# 一个问每一行，一个问每一列，正确答案总在对角线上。有了余弦，CLIP 的全部训练目标三行就写完了。上面难住 CLIP 的是第二列，它觉得红猫更可能：按这个规则，每句话只有一张图算对，哪怕两张都说得通。（口袋 CLIP 自己训练时，这样的配对不计入损失。）

# %% id="the-loss-code"
scores = clip.logit_scale.exp() * cosines  # (4, 4)
diagonal = torch.arange(4)
ours = (F.cross_entropy(scores, diagonal) + F.cross_entropy(scores.T, diagonal)) / 2

inputs = processor(text=captions, images=pictures, padding=True, return_tensors="pt")
compare(say(en="contrastive loss", zh="对比损失"), ours, clip(**inputs, return_loss=True).loss)

# %% [markdown] lang="en" id="names"
# ## 2 · A map of names
#
# Some names in articles about CLIP no longer work in code, some never did, and a few have stayed: transformers has moved things between versions. The table is computed from the model in front of us.

# %% [markdown] lang="zh" id="names"
# ## 2 · 名称对照表
#
# 讲 CLIP 的文章里有不少名称，有些在现在的代码里已经用不了，有些从来就不存在，也有几个一直没变：transformers 换版本时常常挪位置、改名字。下面这张表是从眼前这个模型里现查的。

# %% id="names-code" tags=["measured"]
parts.tabulate_older_names(clip)

# %% [markdown] lang="en" id="sizes"
# The pocket CLIP and its big sisters are built from the same parts; only the numbers differ. **Before you run the cell**: the part of a full-size text tower with the most parameters is not one of its layers. What could it be?

# %% [markdown] lang="zh" id="sizes"
# 口袋 CLIP 和全尺寸的 CLIP 零件相同，只是大小不同。**先别运行下一格**：全尺寸的文本塔里，参数最多的单个零件并不是某一层。会是什么呢？

# %% id="sizes-code"
parts.tabulate_configurations(clip)

# %% [markdown] lang="en" id="tokens"
# ## 3 · From words to vectors
#
# The largest part was the table of tokens, with one row for each: 25 million numbers, as many as eight layers, and one text uses a few rows of it. A text enters in three steps. The tokenizer cuts it into tokens and gives each its number; the number picks a row of the table; and the vector of its position (the *position embedding*) is added. Type texts of your own: what happens to a word that the tokenizer does not know? To a very long text?

# %% [markdown] lang="zh" id="tokens"
# ## 3 · 从词到向量
#
# 刚才问的那块最大的零件，是词元（token）的嵌入表（embedding table）：每个词元占一行，一共 2500 多万个数，抵得上八层，而一句话只用到其中几行。文字进来要走三步：分词器（tokenizer）把它切成词元，给每个词元一个编号；按编号到表里取一行；再加上所在位置的向量，也就是位置嵌入（position embedding）。自己输入几句试试：分词器不认识的词会怎样？很长的句子又会怎样？

# %% id="tokens-code"
embedding.explore_tokens(clip, processor)

# %% [markdown] lang="en" id="not-positions"
# Look at what the tokenizer returns: ids, and an attention mask, which says what is text and what is padding. Positions are not among them, whatever older texts say; the model counts by itself.

# %% [markdown] lang="zh" id="not-positions"
# 看看分词器返回了什么：编号（id），还有一个注意力掩码（attention mask），标明哪些是文字、哪些是填充（padding）。有些旧文章说它还会返回位置，其实不会，位置由模型自己数。

# %% id="not-positions-code"
tokens = processor.tokenizer(["a photo of a cat.", "a small dog."], padding=True, return_tensors="pt")
ids = tokens["input_ids"]  # (B, T)
print(sorted(tokens))
print(ids.tolist())

# %% [markdown] lang="en" id="embed"
# ### Exercise: what enters the text tower
#
# Return the row of every token plus the vector of its position. Both tables are in `clip.text_model.embeddings`.
#
# **Exercise** · ★☆☆ · 4 minutes

# %% [markdown] lang="zh" id="embed"
# ### 练习：进入文本塔的是什么
#
# 返回每个词元在嵌入表里的那一行，加上它所在位置的位置嵌入。两张表都在 `clip.text_model.embeddings` 里。
#
# **练习** · ★☆☆ · 4 分钟

# %% id="embed-exercise" tags=["exercise"]
def embed(clip, ids):
    """ids (B, T) to vectors (B, T, D)."""
    ...

exercises.embed.check(embed, clip)

# %% id="embed-solution" tags=["solution"]
def embed(clip, ids):
    tables = clip.text_model.embeddings
    rows = tables.token_embedding(ids)                             # (B, T, D)
    places = tables.position_embedding.weight[: ids.shape[1]]      # (T, D)
    return rows + places

# %% [markdown] lang="en" id="embed-compare"
# From here on the notebook uses `helpers/by_hand.py`, which holds these lines and the rest of CLIP by hand; open it whenever you like. Ours against theirs:

# %% [markdown] lang="zh" id="embed-compare"
# 从这里起，笔记本用的是 `helpers/by_hand.py`，里面是一个完整的手写 CLIP，也有刚才这几行，随时可以打开来读。拿我们的结果和库的比一比：

# %% id="embed-compare-code"
x = by_hand.embed_tokens(clip, ids)  # (B, T, D)
compare(say(en="what enters the text tower", zh="进入文本塔的向量"), x, clip.text_model.embeddings(input_ids=ids))

# %% [markdown] lang="en" id="attention"
# ## 4 · One layer of the text tower
#
# So far no token knows of any other. That is the work of attention: every position asks a question (`query`), shows a label (`key`) and offers a content (`value`); it takes from the others according to how well their labels fit its question. Every layer does this several times side by side, each time in a smaller space of its own: these are its *heads*. Here is the first of them.

# %% [markdown] lang="zh" id="attention"
# ## 4 · 文本塔的一层
#
# 到现在为止，词元之间还互不相识。让它们相识的是注意力（attention）：每个位置提一个问题（查询，`query`），亮一块牌子（键，`key`），备一份内容（值，`value`）；谁的牌子和我的问题对得上，我就从谁那里多拿一点。每一层并排做好几遍，每一遍都在自己的小空间里，这叫注意力头（head）。先看第一个头。

# %% id="attention-code"
layer = clip.text_model.encoder.layers[0]
normed = layer.layer_norm1(x)                                     # (B, T, D)
heads = layer.self_attn.num_heads
query, key = layer.self_attn.q_proj(normed), layer.self_attn.k_proj(normed)
query, key = (y.unflatten(-1, (heads, -1))[:, :, 0] for y in (query, key))  # (B, T, D / H): head 0
fit = query @ key.mT / query.shape[-1] ** 0.5                     # (B, T, T): row asks, column answers
print(fit.shape)

# %% [markdown] lang="en" id="mask"
# ### The causal mask
#
# There is a rule in the text tower: nobody looks ahead. Position *i* may take from positions 0 to *i* and from no other. Where looking is forbidden, minus infinity is added to the fit, and the softmax turns that into an attention weight of zero. **Before you run the cell**: which tokens can “cat” see?

# %% [markdown] lang="zh" id="mask"
# ### 因果掩码（causal mask）
#
# 文本塔里有一条规矩：谁也不许看自己后面的词元。第 *i* 个位置只能从第 0 到第 *i* 个位置拿东西。不许看的地方加上负无穷，softmax 之后，注意力权重就是零。**先别运行下一格**：“cat”看得见哪些词元？

# %% id="mask-code"
labels = ["SOS", "a", "photo", "of", "a", "cat", ".", "EOT"]
attention.draw_causal_mask(len(labels), labels)

# %% [markdown] lang="en" id="mask-exercise-text"
# ### Exercise: the causal mask
#
# Return a (T, T) tensor to be *added* to `fit`.
#
# **Exercise** · ★★☆ · 4 minutes

# %% [markdown] lang="zh" id="mask-exercise-text"
# ### 练习：因果掩码
#
# 返回一个 (T, T) 的张量，它会被**加到**上面的 `fit` 上。
#
# **练习** · ★★☆ · 4 分钟

# %% id="mask-exercise" tags=["exercise"]
def causal_mask(T):
    """(T, T): row i says what position i may look at."""
    ...

exercises.mask.check(causal_mask)

# %% id="mask-solution" tags=["solution"]
def causal_mask(T):
    return torch.full((T, T), float("-inf")).triu(1)

# %% [markdown] lang="en" id="layer"
# What a layer does, in three sentences: every position adds to its vector what it has taken from others by attention; then it adds what a small network (`mlp`, two matrices with a bend between them) makes of that, each position for itself. Before each of these halves the vector is brought to mean 0 and variance 1, and scaled by learned numbers (`layer_norm`). Since both halves *add*, the first vector stays in the sum to the end: this is called the *residual stream*. (Lesson 01b takes query, key and value one by one, and you write a head yourself; it is optional.)

# %% [markdown] lang="zh" id="layer"
# 一层做的事，三句话就能说完：前一半，每个位置加上靠注意力从别处拿来的东西；后一半，各个位置再单独经过一个小网络（`mlp`，两个矩阵，中间夹一个激活函数），加上它的输出。每一半开始之前，先做层归一化（layer normalisation，代码里是 `layer_norm`），把向量变成均值 0、方差 1，再用学来的数缩放。两半都是往原来的向量上**加**，最初的向量一直留在这个和里，这叫残差流（residual stream）。（查询、键、值一样一样细讲，再自己写一个注意力头，是第 01b 课的事，选学。）

# %% id="layer-code"
mask = by_hand.make_causal_mask(ids.shape[1])                          # (T, T)
taken, shares = by_hand.attend(layer, layer.layer_norm1(x), mask)  # (B, T, D), (B, H, T, T)
compare(say(en="head 0 by the lines above", zh="上面几行算出的第 0 个头"), (fit + mask).softmax(-1), shares[:, 0])

after = x + taken                                                 # (B, T, D)
after = after + layer.mlp(layer.layer_norm2(after))
theirs = clip.text_model(input_ids=ids, output_hidden_states=True).hidden_states
compare(say(en="text layer 1", zh="文本塔第 1 层"), after, theirs[1])

# %% [markdown] lang="en" id="cat-looks"
# And where does “cat” look? These are the attention weights of its row in the first head: together they make 100 %. **Guess first**: will it look mostly at itself?

# %% [markdown] lang="zh" id="cat-looks"
# 那么“cat”在看哪里？下面是第一个头里它那一行的注意力权重，加起来是 100%。**先猜**：它主要在看自己吗？

# %% id="cat-looks-code" tags=["measured"]
for token, share in zip(labels, shares[0, 0, labels.index("cat")].tolist()):
    print(f"{token:>6} {share:6.1%} {'█' * round(40 * share)}")

# %% [markdown] lang="en" id="text-tower"
# ## 5 · The end of the text
#
# All layers are the same code with other weights. After the last one we have a vector for every position, and we want one for the text. Which? Under the mask, the first position to have seen the whole text is that of its end token (*end of text*, EOT). Before we take it, a question.

# %% [markdown] lang="zh" id="text-tower"
# ## 5 · 文字的结尾
#
# 每一层的代码都一样，只是权重不同。走完最后一层，每个位置有一个向量，而我们要的是整段文字的一个向量。取哪个？有掩码在，最先看过全文的，是文本结束符（end of text，EOT）所在的位置。取之前，先问一个问题。

# %% id="after-the-end-guess"
exercises.after_the_end.ask()

# %% [markdown] lang="en" id="after-the-end"
# The second text is shorter, so it ends in padding. We overwrite the padding with another token and look at the text's vector again.

# %% [markdown] lang="zh" id="after-the-end"
# 第二段文字短一些，后面是填充。我们把填充换成别的词元，再看这段文字的向量。

# %% id="after-the-end-code"
end = by_hand.find_end_of_text(clip, ids)  # (B,)
other = ids.clone()
other[1, end[1] + 1 :] = ids[0, 1]    # any token will do
difference = (by_hand.run_text_tower(clip, ids) - by_hand.run_text_tower(clip, other)).abs().max()
exercises.after_the_end.reveal(difference.item())

# %% [markdown] lang="en" id="pool"
# ### Exercise: pooling
#
# Each text ends at its own place. Take the vector of the *first* end token of each text. (The library's tokenizer pads with the end token too.)
#
# **Exercise** · ★★☆ · 5 minutes

# %% [markdown] lang="zh" id="pool"
# ### 练习：池化（pooling）
#
# 每段文字结束的位置各不相同。取出每段文字**第一个**文本结束符位置上的向量。（库的分词器做填充，用的也是结束符。）
#
# **练习** · ★★☆ · 5 分钟

# %% id="pool-exercise" tags=["exercise"]
def pool(hidden, ids, end):
    """hidden (B, T, D), ids (B, T), end: the id of the end token. Gives (B, D)."""
    ...

exercises.pool.check(pool)

# %% id="pool-solution" tags=["solution"]
def pool(hidden, ids, end):
    where = (ids == end).int().argmax(-1)                # (B,): the first place where it is true
    return hidden[torch.arange(len(ids)), where]

# %% [markdown] lang="en" id="text-tower-whole"
# The whole text tower is two tables, a loop, one last normalisation (`final_layer_norm`) and a choice. The end is found by looking at the *ids*, and at nothing else. Remember that in lesson 02, when vectors of our own go in: they have no ids.
#
# One oddity to know: OpenAI's own configurations say `eos_token_id = 2`, which is wrong (in their vocabulary 2 is “#”). The library knows, and takes the *largest* id instead, which is the end token. (The pocket CLIP names its end token correctly; below both ways find the same place.) Hence a rule for lesson 02: a *placeholder*, the token that keeps a place free for a vector, must have a smaller id than the end token. Otherwise the text is pooled at the placeholder, without any error.

# %% [markdown] lang="zh" id="text-tower-whole"
# 整座文本塔就是两张表、一个循环、最后一次层归一化（`final_layer_norm`）和一次选择。结尾是靠查看**编号**找到的，别的一概不看。第 02 课放进自己的向量时要记住这一点：它们没有编号。
#
# 还有一件怪事：OpenAI 自己的配置里写着 `eos_token_id = 2`，这是错的（在他们的词表里，2 是“#”）。库知道这一点，碰到 2 就改取**最大的**编号，那正是结束符。（口袋 CLIP 的配置写对了，下面两种找法得到同一个位置。）由此得出第 02 课的一条规矩：占位词元（placeholder，替向量占位置的词元）的编号必须比结束符的小，否则就会在占位词元处池化，而且不会报错。

# %% id="text-tower-code"
ours = by_hand.run_text_tower(clip, ids)                              # (B, D)
compare(say(en="text tower", zh="文本塔"), ours, clip.text_model(input_ids=ids).pooler_output)
compare(say(en="where it is pooled", zh="池化的位置"), end, ids.argmax(-1))
print("eos_token_id:", clip.config.text_config.eos_token_id)
print(say(en="largest id:", zh="最大的编号："), ids.max().item())

# %% [markdown] lang="en" id="patches"
# ## 6 · From a picture to vectors
#
# A picture has no words, so CLIP cuts it into squares, the *patches*, and treats each like a word. In front of them stands one more vector, the *class token* (`[CLS]` in papers on ViT): it shows no part of the picture and is learned. As with words, each then gets the vector of its position added.

# %% [markdown] lang="zh" id="patches"
# ## 6 · 从图片到向量
#
# 图片里没有词，CLIP 就把它切成一个个小方块，叫图块（patch），每块当作一个词。最前面还有一个向量，叫类别词元（class token，即 ViT 的 `[CLS]`）：它不对应图上任何一块，是学出来的。和词一样，每个向量还要加上所在位置的位置嵌入。

# %% id="patches-code"
pixels = processor.image_processor(pictures, return_tensors="pt")["pixel_values"]  # (B, 3, S, S)
embedding.draw_patches(pictures[2], clip.config.vision_config.image_size // clip.config.vision_config.patch_size)

# %% [markdown] lang="en" id="positions"
# ### Exercise: how many positions?
#
# There is a larger CLIP, ViT-L/14@336px: its pictures have 336 pixels a side, its patches 14. How many positions does its vision tower have? (Two smaller ones stand in the table of part 2.)
#
# **Exercise** · ★☆☆ · 2 minutes

# %% [markdown] lang="zh" id="positions"
# ### 练习：有多少个位置？
#
# 还有一个更大的 CLIP，叫 ViT-L/14@336px：图片边长 336 像素，图块边长 14 像素。它的视觉塔有多少个位置？（两个小一点的在第 2 节的表里。）
#
# **练习** · ★☆☆ · 2 分钟

# %% id="positions-exercise" tags=["exercise"]
vit_l_14 = CLIPConfig(vision_config={"image_size": 336, "patch_size": 14})
positions = ...
exercises.positions.check(positions, vit_l_14)

# %% id="positions-solution" tags=["solution"]
positions = (336 // 14) ** 2 + 1

# %% [markdown] lang="en" id="patch-embedding"
# How does a square of pixels become a vector? The library writes it as a convolution whose steps are as wide as its window. So the patches do not overlap, and each is treated alike: all its numbers in one row, times the same matrix.

# %% [markdown] lang="zh" id="patch-embedding"
# 一个方块的像素怎么变成一个向量？库里写成卷积（convolution），步长正好等于卷积核的边长，所以图块互不重叠，处理也都一样：把图块里所有的数排成一行，乘同一个矩阵。

# %% id="patch-embedding-code"
convolution = clip.vision_model.embeddings.patch_embedding
size = convolution.kernel_size[0]
squares = F.unfold(pixels, size, stride=size).mT                  # (B, P, 3 · size · size)
ours = squares @ convolution.weight.flatten(1).T                  # (B, P, D)
compare(say(en="patches times a matrix", zh="图块乘矩阵"), ours, convolution(pixels).flatten(2).mT)

# %% [markdown] lang="en" id="vision-tower"
# ## 7 · The vision tower
#
# From here on we know our way: the same layer, the same attention. Three things differ. The vectors are normalised once before the first layer (`pre_layrnorm`; the library spells it so). There is no mask: a patch may look anywhere. And the result is read off at the class token, position 0.

# %% [markdown] lang="zh" id="vision-tower"
# ## 7 · 视觉塔
#
# 再往后的路我们都认得：同样的层，同样的注意力。有三处不同：进第一层之前，先做一次层归一化（`pre_layrnorm`，库里就是这么拼的）；没有掩码，图块想看哪里就看哪里；结果在类别词元处取出，也就是第 0 个位置。

# %% id="vision-tower-code"
x = clip.vision_model.pre_layrnorm(by_hand.embed_patches(clip, pixels))  # (B, 1 + P, D)
for layer in clip.vision_model.encoder.layers:
    x = by_hand.run_layer(layer, x)
ours = clip.vision_model.post_layernorm(x[:, 0])                  # (B, D)
compare(say(en="vision tower", zh="视觉塔"), ours, clip.vision_model(pixel_values=pixels).pooler_output)

# %% [markdown] lang="en" id="attention-explorer"
# ### Who looks at whom?
#
# Choose a patch and see where it looks, layer by layer and head by head, and who looks at it. It begins with patch 64, the bottom right corner, in layer 3, head 4: nearly everybody looks at this corner, though there is nothing to see, and the patch itself looks at both bottom corners. **Try** layer 2, head 1: it leans to the neighbourhood, but only a little. (On average a patch looks 3.3 patches away; if it looked at all patches alike, it would be 4.1.) Then choose 0, the class token, which must answer for the whole picture: what does it look at in layer 4, heads 3 and 4? One caution: attention says where something is taken from, not what is done with it.

# %% [markdown] lang="zh" id="attention-explorer"
# ### 谁在看谁？
#
# 选一个图块，看它在每一层、每个头里往哪里看，又有谁在看它。一开始是第 3 层第 4 个头里的图块 64，也就是右下角：几乎谁都在看这个角，可那里什么也没有；它自己看的是底部的两个角。**试一试**第 2 层第 1 个头：它偏向附近的图块，但只偏一点点。（平均下来，一个图块看的地方离自己 3.3 块远；要是对所有图块一视同仁，就是 4.1 块。）再选 0（类别词元）：它要替整张图说话，在第 4 层的第 3、第 4 个头里看的是哪里？有一点要小心：注意力只说明从哪里拿，不说明拿来做什么。

# %% id="attention-explorer-code"
attention.explore_attention(clip, processor, pictures[3], patch=64, layer=3, head=4)

# %% [markdown] lang="en" id="one-space"
# ## 8 · One space for both
#
# The vectors that leave the two towers cannot be compared yet; they may even have different widths. Two matrices, `visual_projection` and `text_projection`, bring them into one space. There the norm of a vector is thrown away and only its direction counts: the cosine. Cosines lie between −1 and 1, too close together for a softmax, so they are multiplied by a learned number, the *logit scale* (one over the temperature). The model keeps its logarithm.
#
# **Guess first**: one of the texts below is the whole caption of the red cat in the snow, and several short ones are true too. Which gets the highest probability? Then move the scale: does the order ever change?

# %% [markdown] lang="zh" id="one-space"
# ## 8 · 同一个空间
#
# 两座塔输出的向量还不能直接比较，连宽度都可以不一样。两个投影（projection）矩阵 `visual_projection` 和 `text_projection` 把它们带进同一个空间。在那里模长不算数，只看方向，也就是余弦。余弦都在 −1 和 1 之间，挨得太近，softmax 分不开，所以要乘上一个学出来的缩放系数，它是温度（temperature）的倒数；模型里存的是它的对数。
#
# **先猜**：下面有一句是这张红猫图的完整说明，还有几句短的也说得对。哪一句概率最大？再拉动缩放系数：名次会变吗？

# %% id="temperature-code"
contrastive.explore_temperature(clip, processor, pictures[0], captions + ["a cat.", "a red thing.", "snow.", "a photo."])

# %% [markdown] lang="en" id="logits"
# ### Exercise: cosine logits
#
# The short text won: a cosine compares directions, and does not count how much a text says. Now write it: `images` and `texts` are vectors in the common space, of any norm; `log_scale` is the logarithm of the scale.
#
# **Exercise** · ★★☆ · 5 minutes

# %% [markdown] lang="zh" id="logits"
# ### 练习：余弦 logits
#
# 赢的是短句：余弦只比方向，不管一句话说了多少。现在自己写：`images` 和 `texts` 是同一空间里的向量，模长不一定是 1；`log_scale` 是缩放系数的对数。
#
# **练习** · ★★☆ · 5 分钟

# %% id="logits-exercise" tags=["exercise"]
def logits(images, texts, log_scale):
    """images (B, D), texts (C, D), log_scale: a tensor with one number. Gives (B, C)."""
    ...

exercises.logits.check(logits)

# %% id="logits-solution" tags=["solution"]
def logits(images, texts, log_scale):
    images = F.normalize(images, dim=-1)
    texts = F.normalize(texts, dim=-1)
    return log_scale.exp() * images @ texts.T

# %% [markdown] lang="en" id="whole"
# With that the house is complete. Both towers, both projections, cosine and scale, by hand, against one call of the library:

# %% [markdown] lang="zh" id="whole"
# 这座房子，里里外外走完了。两座塔、两个投影、余弦和缩放系数，全部手写，和库的一次调用相比：

# %% id="whole-code"
ours = by_hand.compute_logits(clip, by_hand.run_vision_tower(clip, inputs["pixel_values"]), by_hand.run_text_tower(clip, inputs["input_ids"]))
theirs = clip(**inputs).logits_per_image                          # (B, C)
compare("CLIP", ours, theirs)
compare(say(en="the caption chosen for each picture", zh="每张图选中的说明文字"), ours.argmax(-1).tolist(), theirs.argmax(-1).tolist())

# %% [markdown] lang="en" id="zero-shot"
# ## 9 · A classifier made of words
#
# A data set gives you labels as numbers and names for them (`int2str`). A template turns each name into a sentence, the text tower turns the sentence into a vector, and the vectors of all classes *are* the classifier. Nothing was trained for this task: it is *zero-shot*. How much does the sentence matter? We try it on 240 blurred pictures, since on sharp ones this CLIP is nearly always right. **Guess first**, from the five at the end of the next cell: which template is best, and what will the mean of their vectors do (an *ensemble*)?

# %% [markdown] lang="zh" id="zero-shot"
# ## 9 · 用词语做成的分类器
#
# 数据集里的标签是数字，另有一张名称表（`int2str`）。模板把名称变成一句话，文本塔把这句话变成向量，所有类别的向量合在一起**就是**分类器。没有为这个任务训练过任何东西，这就是零样本（zero-shot）。句子怎么写，差别有多大？清楚的图，这个 CLIP 几乎全认得对，所以我们用 240 张模糊的图来试。**先猜**（五个模板写在下一格的末尾）：哪个最好？把各个模板的向量取平均（集成，ensemble）又会怎样？

# %% id="zero-shot-code" tags=["prepare"]
blurred = datasets.draw_few_shot(tasks.BLURRED, shots=1, checks=1, tests=10).test
images, labels = encode_images(clip, processor, blurred.images), blurred.labels                  # (N, D), (N,)
int2str = tasks.BLURRED.class_names.__getitem__
templates = ["{}", "a {}.", "a photo of a {}.", "a picture of a {}.", "a photo of a small {}."]

# %% id="templates-code" tags=["measured"]
names = [int2str(label) for label in range(len(tasks.BLURRED.class_names))]
vectors = {t: encode_texts(clip, processor, [t.format(name) for name in names]) for t in templates}  # each (C, D)
vectors[say(en="all of them, averaged", zh="全部取平均")] = F.normalize(torch.stack(list(vectors.values())).mean(0), dim=-1)
tabulate_accuracies({name: (images @ texts.T).argmax(-1) == labels for name, texts in vectors.items()})

# %% [markdown] lang="en" id="zero-shot-seen"
# On the pocket model a bare name does worse than a sentence, an adjective that is untrue of most pictures seems to cost a little, and the other sentences are all alike. We expected the average to win, and it does not. Is it the bare name that pulls it down? Take “{}” out of the list and run both cells again; then add a template of your own. (On ImageNet the authors of CLIP gained 3.5 points by averaging 80 templates; Radford et al. 2021, section 3.1.4.) A pocket model teaches mechanisms; its numbers are its own.

# %% [markdown] lang="zh" id="zero-shot-seen"
# 在口袋模型上，只写名称不如写一句话；加一个对多数图不成立的形容词，准确率似乎低一点；其余几句都差不多。我们原以为平均会赢，结果没有。是不是光写名称那一条拖了后腿？把“{}”从列表里去掉，再运行这两格；然后加一个你自己的模板试试。（在 ImageNet 上，CLIP 的作者把 80 个模板平均，提高了 3.5 个百分点：Radford 等，2021，3.1.4 节。）口袋模型教的是机制，数字只属于它自己。

# %% [markdown] lang="en" id="where-pooled"
# ## What you can do now
#
# You have followed a text and a picture through CLIP by hand. You can say what enters each tower, where each is read off, and how the two results become a score. One last question, which lesson 02 begins with.

# %% [markdown] lang="zh" id="where-pooled"
# ## 现在你会了什么
#
# 你亲手跟着一句话、一张图走完了 CLIP：每座塔里进去的是什么，结果从哪里取出，两个结果又怎样变成得分，你都说得清了。最后一个问题，第 02 课就从这里开始。

# %% id="where-pooled-code"
exercises.where_pooled.ask()
