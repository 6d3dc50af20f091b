# %% [markdown] lang="en" id="learnable-context"
# # Lesson 02: a learnable context
#
# In lesson 00 a button learned ten vectors. Vectors that stand beside a class name like this are called its *context* (which has nothing to do with a language model’s context window, or with in-context learning), and in this lesson you build the button. The method is called CoOp, the field around it *prompt learning*. We find the place where vectors can get into CLIP, write the few lines that let them in, prove that nothing else has changed, and train. Then come the questions that matter more than the gain: compared with what? With how few pictures? And what is left of it on classes that it has never met?
#
# It takes about 60 minutes. At the end you have written a learnable prompt yourself, and can train, save, load and use one.

# %% [markdown] lang="zh" id="learnable-context"
# # 第 02 课：可学习的上下文向量
#
# 第 00 课里，按一下按钮就学出了十个向量。像这样放在类别名旁边的向量，叫作上下文向量（context，与大模型的上下文窗口、上下文学习无关）。这种方法叫 CoOp，这一类方法统称提示学习（prompt learning）。这一课，我们自己来做这个按钮：找到向量能进入 CLIP 的地方，写几行代码放它们进去，证明别的什么都没变，然后训练。接下来的问题比准确率提高多少更要紧：和谁比？最少几张图片还管用？换成没见过的类别，还剩多少？
#
# 大约 60 分钟。学完以后，你就亲手写过一个可学习的提示词，会训练、保存、加载和使用它。

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
from torch import nn
from torch.nn import functional as F
from transformers.models.clip.modeling_clip import CLIPTextEmbeddings

from helpers import by_hand, context, data, training
from helpers.context import CLIPTextLearnableEmbeddings, PromptedCLIP
from helpers.language import say
from helpers.notebook import compare
from helpers.pretrained import load_clip
from lessons.kit.models import show_prediction, tell_whose_numbers
from lessons.lesson_02_learnable_context import exercises
from lessons.lesson_02_learnable_context.explorers import base_to_new, choices, entering, what_learns, shots
from pocket import datasets, tasks, world
from pocket.studies import context_study

clip, processor = load_clip()
task = tasks.RIDDLE
tell_whose_numbers(clip)

# %% [markdown] lang="en" id="floats-enter"
# ## 1 · Where can a float get in?
#
# The tokenizer turns a text into ids, and ids are whole numbers: there is nothing between “cat” and “dog”. But an id only names a row of a table, and a row is a vector of ordinary floats. So there is a moment, after the look-up and before the positions are added, when vectors of our own can take the place of rows. To keep places free for them we write a *placeholder* into the text: “x x x x cat.”
#
# **Before you run the next cell**: this text has eight positions, SOS, x, x, x, x, cat, the full stop and EOT. The four x are free. What would go wrong if we overwrote “cat” as well? Then run it, and before you move the class name to the front, say which strips will change.

# %% [markdown] lang="zh" id="floats-enter"
# ## 1 · 浮点数从哪里进来？
#
# 分词器（tokenizer）把文字变成编号，编号是离散的：“cat”和“dog”的编号之间没有中间值。但编号只是指明表里的哪一行，而每一行是一个由普通浮点数组成的向量。所以有那么一个时刻，查完表、还没加位置嵌入（position embedding），我们自己的向量可以替换表里的行。为了给它们留位置，我们在文字里写上占位词元（placeholder）：“x x x x cat.”
#
# **先别运行下一格**：这段文字有八个位置，SOS、x、x、x、x、cat、句号、EOT，四个 x 是空位。要是连“cat”也换掉，会出什么问题？想好了再运行；把类别名移到最前面之前，也先说说哪几条会变。

# %% id="floats-enter-code"
entering.explore_slots(clip, processor)

# %% [markdown] lang="en" id="slots"
# ### Exercise: find the slots
#
# The places that a placeholder keeps free we call *slots*. (The class name is never one: without it the texts of all classes would be the same.) Mark the slots, wherever in a text they are.
#
# **Exercise** · ★☆☆ · 2 minutes

# %% [markdown] lang="zh" id="slots"
# ### 练习：找到槽位
#
# 占位词元占住的那些位置，我们叫它槽位（slot）。（类别名那里绝不能是槽位，不然各类的文字就都一样了。）把槽位标出来，不管它们在文字的哪里。
#
# **练习** · ★☆☆ · 2 分钟

# %% id="slots-exercise" tags=["exercise"]
def find_slots(ids, placeholder):
    """ids (C, T), placeholder: an id. Gives (C, T), true where a slot is."""
    ...

exercises.slots.check(find_slots)

# %% id="slots-solution" tags=["solution"]
def find_slots(ids, placeholder):
    return ids == placeholder

# %% [markdown] lang="en" id="two-ways"
# ## 2 · Two ways in, and one of them is a trap
#
# One way is to *overwrite* the vectors in the slots; the text keeps its length. The other looks simpler: *insert* the vectors, and let the text grow. Remember from lesson 01 how the tower finds the end of a text.

# %% [markdown] lang="zh" id="two-ways"
# ## 2 · 两条路，其中一条是陷阱
#
# 一条路是**覆盖**（overwrite）：换掉槽位里的向量，文字长度不变。另一条看上去更省事，叫**插入**（insert）：直接把向量塞进去，让文字变长。回想一下第 01 课：塔是怎么找到文字结尾的？

# %% id="two-ways-guess"
exercises.inserted.ask()

# %% [markdown] lang="en" id="inserting"
# We look up where the ids say that the text ends, and then see what stands there after four vectors have been pushed in.

# %% [markdown] lang="zh" id="inserting"
# 先查一查，按编号看文字在哪里结束；再看塞进四个向量之后，那个位置上现在是什么。

# %% id="inserting-code"
ids = processor.tokenizer("cat.", return_tensors="pt")["input_ids"]  # (1, 4)
there = ["SOS", *["our vector"] * 4, "cat", ".", "EOT"]
end = by_hand.find_end_of_text(clip, ids).item()
exercises.inserted.reveal(there[end])

# %% [markdown] lang="en" id="inserting-seen"
# Below, both ways side by side. Then the proof for “dog”: we insert the same four vectors before “cat” and before “dog”, send both through the tower by hand, and read off where the ids say.

# %% [markdown] lang="zh" id="inserting-seen"
# 下面把两条路并排画出来，再验证换成“dog”结果真的一模一样：把同样四个向量分别塞到“cat”和“dog”前面，自己逐层算一遍文本塔，再从编号所说的位置取出结果。

# %% id="inserting-picture"
entering.draw_inserting(clip, processor)

# %% id="inserted-code"
tables = clip.text_model.embeddings
four = torch.randn(1, 4, tables.token_embedding.embedding_dim, generator=torch.Generator().manual_seed(0))

def inserted(name):
    ids = processor.tokenizer(f"{name}.", return_tensors="pt")["input_ids"]      # (1, T)
    words = tables.token_embedding(ids)                                          # (1, T, D)
    longer = torch.cat([words[:, :1], four, words[:, 1:]], dim=1)                # (1, T + 4, D)
    x = by_hand.run_text_layers(clip, longer + tables.position_embedding.weight[: longer.shape[1]])
    return x[0, by_hand.find_end_of_text(clip, ids)]                                  # (1, D)

compare(say(en="“cat” and “dog”, inserted", zh="插入之后，“cat”和“dog”"), inserted("cat"), inserted("dog"))

# %% [markdown] lang="en" id="never-insert"
# Two names, one vector: nothing could ever tell them apart. So here is our rule: we overwrite, and never insert.

# %% [markdown] lang="zh" id="never-insert"
# 两个类别名，同一个向量：这两类永远分不开。所以我们的规矩是：只覆盖，不插入。

# %% [markdown] lang="en" id="overwrite"
# ### Exercise: overwrite
#
# Put the vectors of the context into the slots, in order, and the same ones into every text. Leave `words` itself as it is.
#
# **Exercise** · ★★☆ · 6 minutes

# %% [markdown] lang="zh" id="overwrite"
# ### 练习：覆盖
#
# 按顺序把上下文向量放进槽位，每段文字里都放同样的一组。`words` 本身不要改动。
#
# **练习** · ★★☆ · 6 分钟

# %% id="overwrite-exercise" tags=["exercise"]
def overwrite(words, slots, context):
    """words (C, T, D), slots (C, T) with M true in each row, context (M, D). Gives (C, T, D)."""
    ...

exercises.overwrite.check(overwrite)

# %% id="overwrite-solution" tags=["solution"]
def overwrite(words, slots, context):
    each = context.expand(len(words), -1, -1)                # (C, M, D)
    return words.masked_scatter(slots[..., None], each)

# %% [markdown] lang="en" id="subclass"
# ## 3 · The subclass, in four small steps
#
# The part of CLIP that looks up rows and adds positions is called `CLIPTextEmbeddings`. The text model calls it and takes whatever comes out. So we write a subclass and put it in its place.
#
# **Step 1: a subclass that changes nothing.** It takes over the two trained tables, and makes no new ones. If we called the parent's `__init__`, we would get fresh tables full of random numbers, a classic mistake. (The `True` at the end says: the very same table, not a copy.)

# %% [markdown] lang="zh" id="subclass"
# ## 3 · 四小步写出子类
#
# CLIP 里负责查表、加位置的部分叫 `CLIPTextEmbeddings`。文本模型只管调用它，它给出什么就用什么。所以我们写一个它的子类，换到它的位置上。
#
# **第一步：什么都不改的子类。** 直接接过两张训练好的表，不新建。要是调用了父类的 `__init__`，得到的就是两张装满随机数的新表，这是常见的错误。（最后打印的 True 表示：就是同一张表，不是副本。）

# %% id="subclass-code" tags=["prepare"]
class Sharing(CLIPTextEmbeddings):
    def __init__(self, trained):
        nn.Module.__init__(self)                             # not the parent's
        self.token_embedding = trained.token_embedding
        self.position_embedding = trained.position_embedding
        self.register_buffer("position_ids", trained.position_ids, persistent=False)

trained = clip.text_model.embeddings

# %% id="sharing-code"
ids = processor.tokenizer("a photo of a cat.", return_tensors="pt")["input_ids"]  # (1, T)
compare(say(en="step 1, nothing changed", zh="第一步，什么都没改"), Sharing(trained)(input_ids=ids), trained(input_ids=ids))
print(Sharing(trained).token_embedding is trained.token_embedding)

# %% [markdown] lang="en" id="forward"
# **Step 2: a parameter.** The context becomes an `nn.Parameter`, so that an optimiser can find it. (`super().__init__` below is that of our own `Sharing`, which makes no tables.) **Step 3: `forward`.** This one is yours.
#
# ### Exercise: write `forward`
#
# Look up the rows, put `self.context` into the slots, and let the parent add the positions. (`context.overwrite(words, slots, vectors)` is there for you.)
#
# **Exercise** · ★★★ · 8 minutes

# %% [markdown] lang="zh" id="forward"
# **第二步：一个参数。** 把上下文向量做成 `nn.Parameter`，优化器（optimizer）才找得到它。（下面的 `super().__init__` 调用的是刚写好的 `Sharing`，它不会新建表。）**第三步：`forward`。** 这一步由你来写。
#
# ### 练习：写出 `forward`
#
# 查出各行，把 `self.context` 放进槽位，再让父类加上位置嵌入。（`context.overwrite(words, slots, vectors)` 可以直接用。）
#
# **练习** · ★★★ · 8 分钟

# %% id="forward-exercise" tags=["exercise"]
class Learnable(Sharing):
    def __init__(self, trained, vectors, placeholder):
        super().__init__(trained)
        self.context = nn.Parameter(vectors.clone())         # (M, D)
        self.placeholder = placeholder

    def forward(self, input_ids=None, position_ids=None, inputs_embeds=None):
        """input_ids (C, T) to (C, T, D)."""
        ...

exercises.forward.check(Learnable, clip)

# %% id="forward-solution" tags=["solution"]
class Learnable(Sharing):
    def __init__(self, trained, vectors, placeholder):
        super().__init__(trained)
        self.context = nn.Parameter(vectors.clone())         # (M, D)
        self.placeholder = placeholder

    def forward(self, input_ids=None, position_ids=None, inputs_embeds=None):
        words = self.token_embedding(input_ids)              # (C, T, D)
        vectors = context.overwrite(words, input_ids == self.placeholder, self.context)
        return super().forward(inputs_embeds=vectors, position_ids=position_ids)

# %% [markdown] lang="en" id="swap"
# **Step 4: swap it in.** From here on we use `CLIPTextLearnableEmbeddings` from `helpers/context.py`: the same lines, with checks. `find_placeholder` looks for a word that is one token, stands in no class name, and has a smaller id than the end of the text (lesson 01 said why).
#
# And now a test that catches several well-known mistakes at once: vectors inserted, positions added twice or not at all, a text read off at the wrong place. If the context *is* the vectors of the words “a photo of a”, then the text with the slots must give exactly what the words give: not nearly, exactly.

# %% [markdown] lang="zh" id="swap"
# **第四步：换上去。** 从这里起用 `helpers/context.py` 里的 `CLIPTextLearnableEmbeddings`：还是这几行，多了些检查。`find_placeholder` 找一个合适的占位词元：正好是一个词元，不出现在任何类别名里，编号又比文本结束符小（为什么，第 01 课说过）。
#
# 现在来做一个检验，几种常见的错误都过不了这一关：插入向量的、位置加了两次或没加的、取错位置的。如果上下文向量**就是**“a photo of a”这几个词的向量，那么带槽位的文字得到的结果，必须和这几个词完全一样。不是差不多，是完全一样。

# %% id="swap-code"
word, placeholder = context.find_placeholder(processor.tokenizer, ["cat"])
words = trained.token_embedding(ids[0, 1:5])                 # (4, D): a photo of a
ours = CLIPTextLearnableEmbeddings(trained, words, placeholder, processor.tokenizer.eos_token_id)

with_slots = processor.tokenizer(f"{' '.join([word] * 4)} cat.", return_tensors="pt")["input_ids"]
with context.swap_embeddings(clip, ours):
    pooled = clip.text_model(input_ids=with_slots).pooler_output  # (1, D)
name = say(en="the words' own vectors in the slots", zh="槽位里放词语自己的向量")
compare(name, pooled, clip.text_model(input_ids=ids).pooler_output)

# %% [markdown] lang="en" id="swap-seen"
# `swap_embeddings` puts the old embeddings back when the block ends. `PromptedCLIP` does all of this for many class names at once, in CoOp's tokens (but for names like “U.S.”: see `fill_prompt`). The name may stand at the end, in the middle or in front; `forward` need not know, since only the placeholders move.

# %% [markdown] lang="zh" id="swap-seen"
# `swap_embeddings` 在代码块结束时会把原来的嵌入换回去。`PromptedCLIP` 把这些步骤都包在一起，一次处理许多类别名，词元和 CoOp 的一样（“U.S.”这样的名称除外，见 `fill_prompt`）。类别名可以放在末尾、中间或最前面；`forward` 不用管，变的只是占位词元的位置。

# %% id="positions-code"
for position in ("end", "middle", "front"):
    prompted = PromptedCLIP(clip, processor, task.class_names, init="a photo of a", position=position)
    prompts = [context.fill_prompt("a photo of a".split(), name, position) for name in task.class_names]
    hard = processor.tokenizer(prompts, padding="max_length", return_tensors="pt")["input_ids"]  # (C, T)
    ours = context.encode_plain(clip, prompted.embeddings, prompted.ids)       # (C, D)
    words = context.encode_plain(clip, trained, hard)                          # (C, D)
    compare(prompts[0], ours, words)

# %% [markdown] lang="en" id="length"
# ### Exercise: how long is a prompt?
#
# To begin from words, a context needs as many vectors as the words have *tokens*. How many is that here?
#
# **Exercise** · ★☆☆ · 2 minutes

# %% [markdown] lang="zh" id="length"
# ### 练习：提示词有多长？
#
# 要从词语开始学，上下文向量的个数就得等于这些词的**词元**数。这里是几个？
#
# **练习** · ★☆☆ · 2 分钟

# %% id="length-exercise" tags=["exercise"]
prompt = "a close-up photo of a"
vectors_needed = ...
exercises.length.check(vectors_needed, prompt, processor)

# %% id="length-solution" tags=["solution"]
vectors_needed = len(processor.tokenizer.tokenize(prompt))

# %% [markdown] lang="en" id="freeze"
# ## 4 · Who may learn?
#
# Only the context. Everything else has to be *frozen*, and we want to see it.
#
# ### Exercise: freeze
#
# Make sure that no weight of the model wants a gradient, and that the model answers the same question the same way every time.
#
# **Exercise** · ★☆☆ · 3 minutes

# %% [markdown] lang="zh" id="freeze"
# ## 4 · 谁可以学？
#
# 只有上下文向量可以，其余的一律**冻结**（frozen）。而且要亲眼看到才算数。
#
# ### 练习：冻结
#
# 让模型的所有权重都不要梯度（gradient）；并且同样的输入，每次都给出同样的结果。
#
# **练习** · ★☆☆ · 3 分钟

# %% id="freeze-exercise" tags=["exercise"]
def freeze(model):
    ...

exercises.freeze.check(freeze)

# %% id="freeze-solution" tags=["solution"]
def freeze(model):
    model.requires_grad_(False)
    model.eval()

# %% [markdown] lang="en" id="gradients"
# Here is the whole model after one backward pass: every part, how many numbers it holds, and who received a gradient.

# %% [markdown] lang="zh" id="gradients"
# 下面是做过一次反向传播之后的整个模型：每个部分有多少个数，梯度到了谁那里。

# %% id="gradients-code"
prompted = PromptedCLIP(clip, processor, task.class_names, init="a photo of a")
prompted.text_features()[:, 0].sum().backward()
what_learns.tabulate_trained_parts(prompted)

# %% [markdown] lang="en" id="read-quiz"
# One question is asked again and again in public, and now you can answer it.

# %% [markdown] lang="zh" id="read-quiz"
# 有个问题，网上一再有人问。现在你能回答了。

# %% id="read-quiz-code"
exercises.placeholders.ask()

# %% [markdown] lang="en" id="train"
# ## 5 · Learning
#
# The riddle of lesson 00: two things in each picture, and the label is the red one, which no class name says. The pictures go through the frozen vision tower once; all that learns from them is a few vectors on the text side. We split the pictures into three: a *training set* to learn from, a *validation set*, by which we choose the step to keep, and a *test set*, which is asked once, at the end.

# %% [markdown] lang="zh" id="train"
# ## 5 · 学习
#
# 还是第 00 课的谜题：每张图有两样东西，标签写的是红色的那一样，而类别名里没有一个字提到红色。图片只过一遍冻结的视觉塔；真正要学的，只有文本那一边的几个向量。图片分成三份：训练集（training set）用来学，验证集（validation set）用来决定留下哪一步，测试集（test set）只在最后考一次。

# %% id="train-data" tags=["prepare"]
pictures = datasets.draw_few_shot(task, shots=8, checks=4, tests=20)
features = data.encode_split(clip, processor, pictures)
images, labels = features.train                              # (N, D), (N,)

# %% [markdown] lang="en" id="step"
# ### Exercise: one step of training
#
# `prompted(images)` gives the logits (B, C). Make one step, and return the loss as a number.
#
# **Exercise** · ★★☆ · 5 minutes

# %% [markdown] lang="zh" id="step"
# ### 练习：训练一步
#
# `prompted(images)` 给出 logits，形状 (B, C)。走一步，并以普通数字的形式返回损失。
#
# **练习** · ★★☆ · 5 分钟

# %% id="step-exercise" tags=["exercise"]
def training_step(prompted, optimizer, images, labels):
    """images (B, D), labels (B,). Gives the loss before the step."""
    ...

exercises.step.check(training_step)

# %% id="step-solution" tags=["solution"]
def training_step(prompted, optimizer, images, labels):
    loss = F.cross_entropy(prompted(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()

# %% [markdown] lang="en" id="watch"
# The loop of the course, `helpers/training.py`, makes such steps, looks at the validation set after every eighth, and keeps the best. In grey lies a stored run, with eight pictures of each class and four vectors that begin as “a photo of a”. Train, and train again with other controls. **Before each press** say what will happen: with one vector instead of four? With sixteen? Begun at random? With the class name in front?

# %% [markdown] lang="zh" id="watch"
# 课程的训练循环在 `helpers/training.py` 里：它就这样一步步走，每八步看一次验证集，把最好的那一步留下。灰色的是事先存好的一次：每类八张图，四个向量，从“a photo of a”开始学。你也来训练一次，再换几个设置接着训练。**每次按下之前**先说出你的预测：把四个向量换成一个呢？换成十六个呢？从随机数开始呢？把类别名放到最前面呢？

# %% id="watch-code"
what_learns.explore_few_shot_training(clip, processor, task)

# %% [markdown] lang="en" id="choose"
# ### Exercise: which step do we keep?
#
# `evaluations` is what the loop wrote down; each entry has `step`, `loss`, `validation_loss` and `validation_score`. `test` holds the accuracy on the test pictures at the same moments. Return the step that the loop should keep. (It goes by the loss: with so few pictures the accuracy moves in jumps, and it says nothing about how sure the model is.)
#
# **Exercise** · ★☆☆ · 3 minutes

# %% [markdown] lang="zh" id="choose"
# ### 练习：留下哪一步？
#
# `evaluations` 是训练循环记下来的，每一条有 `step`、`loss`、`validation_loss` 和 `validation_score`；`test` 是同样这些时刻在测试图片上的准确率。返回训练循环应该留下的步数。（它看的是损失：图片这么少，准确率一跳一跳的，也看不出模型有多大把握。）
#
# **练习** · ★☆☆ · 3 分钟

# %% id="choose-exercise" tags=["exercise"]
def best_step(evaluations, test):
    ...

exercises.choose.check(best_step)

# %% id="choose-solution" tags=["solution"]
def best_step(evaluations, test):
    return min(evaluations, key=lambda evaluation: evaluation.validation_loss).step

# %% [markdown] lang="en" id="against"
# ## 6 · Better than what?
#
# “It learned a few vectors and got better” says little: what else could the same pictures have bought? Fair rivals: a template written by somebody who knows the secret; the mean of several templates (an *ensemble*); and two classifiers that never use a word, on the very same features: a *linear probe* (one weight vector for each class, fitted to the pictures' vectors), and for each class the mean of its pictures (*nearest class mean*). A *shot* is one training picture of each class, and learning from so few is called *few-shot*.
#
# With few pictures much is luck, so everything is done five times, with other pictures to learn from and another random start; the test pictures stay the same. The context has four vectors, begun at random.

# %% [markdown] lang="zh" id="against"
# ## 6 · 和谁比才算好？
#
# 光说“学出几个向量，准确率就提高了”，说明不了多少：同样这些图片，用别的办法能换来什么？公平的对手有：知道秘密的人写的模板；几个模板取平均（集成，ensemble）；还有两个完全不用词语的分类器，用的是同样的特征：线性探针（linear probe，直接在图片的向量上给每一类拟合一个权重向量），以及每类图片取平均、看离谁最近（最近类均值，nearest class mean）。每类给几张训练图片，就叫几个样本（shot）；只给这么几张，叫少样本学习（few-shot learning，也叫小样本学习）。
#
# 图片少，运气的成分就大，所以每种都做五遍，每遍换一批训练图片，也换一个随机的起点；测试图片始终不变。这里的上下文是四个向量，从随机数开始学。

# %% id="one-shot-guess"
exercises.one_shot.ask()

# %% [markdown] lang="en" id="one-shot"
# The runs are stored, with the command that made them. In how many of the five tries with one picture of each class did the context win?

# %% [markdown] lang="zh" id="one-shot"
# 这些训练结果是事先存好的，连同生成它们的命令。每类一张图的五次里，上下文向量赢了几次？

# %% id="one-shot-code"
study = context_study.load_study()
riddle = study.shots[0]
one = [run.context for run in riddle.runs if run.shots == 1]   # accuracies
print(study.command)
print(say(en="context:", zh="上下文向量："), one, say(en="hand prompt:", zh="手工提示词："), riddle.hand)
exercises.one_shot.reveal(sum(accuracy > riddle.hand for accuracy in one))

# %% [markdown] lang="en" id="shots"
# Now all of it. **Look for**: on which task is there almost nothing to gain? Where does the probe overtake the context, and why there? Where does knowing the secret word do as well as learning, and where is it of no help? Who, with one picture of each class, is worse than no learning at all?

# %% [markdown] lang="zh" id="shots"
# 现在看全部结果。**找一找**：哪个任务几乎没有提高的余地？线性探针在哪个任务上超过了上下文向量，为什么偏偏是那里？在哪个任务上，知道那个秘密的词就和学出来的一样好，又在哪里知道了也没用？每类只有一张图的时候，谁还不如干脆不学？

# %% id="shots-code"
shots.explore_shots()

# %% [markdown] lang="en" id="shots-in-numbers"
# All four tasks in numbers, the means of five tries; the last column counts the tries that one picture of each class leaves below the hand prompt.

# %% [markdown] lang="zh" id="shots-in-numbers"
# 换成数字再看一遍，都是五次的平均；最后一栏数的是：每类一张图时，有几次不如手工提示词。

# %% id="shots-table-code"
shots.tabulate_shots()

# %% [markdown] lang="en" id="shots-seen"
# What we read off it, on the pocket model:
#
# - **The riddle.** A context learns *one thing that all classes share*, and for that a single picture of each class can be enough, though the five tries lie far apart. Somebody who knows the word needs no picture at all: “a photo of a red {}” does as well as eight pictures of each object.
# - **Sketches.** CLIP knows them already, so there is nothing to win; with one picture two tries of five end below the hand prompt, by a single test picture each.
# - **Blurred photos.** Naming the secret does not help, for this CLIP never learned that word, and the context keeps improving with every doubling of the pictures, up to sixteen of each class. *Beside the best words, learning pays most where nobody knows the right one.*
# - **Sepia prints**, a style that this CLIP never saw. Words nearly fail; the context gains seven points with the first picture and then almost nothing, and the probe, which needs no words, passes it from four pictures on.
# - **The probe** has to learn every class from its own pictures. With one of each it is on average below the hand prompt on all four tasks: a little learning can be worse than none.

# %% [markdown] lang="zh" id="shots-seen"
# 在口袋模型上，我们从中读出这几点：
#
# - **谜题。** 上下文向量学的是**所有类别共有的一件事**，要学会它，每类一张图也许就够了，只是五次之间相差不小。而知道那个词的人一张图也不用：“a photo of a red {}”就抵得上每种物体八张图。
# - **素描（sketch）。** CLIP 本来就几乎全认得，没有什么可提高的；每类只有一张图时，五次里有两次反而比手工提示词低，各少对了一张测试图片。
# - **模糊的照片。** 说出秘密也没用，因为这个 CLIP 从没学过 blurred 这个词；学出来的向量却随着图片一路提高，直到每类十六张。**和写得最好的词语比，没有人知道该写哪个词的时候，学习最划算。**
# - **泛黄老照片（sepia print）**，这个 CLIP 从没见过的风格。词语几乎失灵；上下文向量靠第一张图提高了七个百分点，以后几乎不再动。线性探针不靠词语，从每类四张图起，它就反超了。
# - **线性探针**要从每一类自己的图片里学会这一类。每类只有一张图时，它在四个任务上平均都不如手工提示词：学一点点，可能还不如不学。

# %% [markdown] lang="en" id="choices"
# ## 7 · Length, place, initialisation, sharing
#
# How many vectors? Where does the name stand? Do we begin from words or at random (*initialisation*)? Does each class get vectors of its own (*class-specific*)? **Guess first** which of the four matters most. Then look at it: 60 combinations, three tries each with eight shots, all stored.

# %% [markdown] lang="zh" id="choices"
# ## 7 · 个数、位置、初始化、共用
#
# 用几个向量？类别名放在哪里？从词语开始，还是从随机数开始（初始化，initialisation）？要不要每个类别各有一套向量（class-specific）？**先猜**这四样里哪样影响最大，再看：60 种组合，每种用每类八张图训练三次，都存好了。

# %% id="choices-code"
choices.explore_choices()

# %% [markdown] lang="en" id="choices-in-numbers"
# Each option, averaged over everything else:

# %% [markdown] lang="zh" id="choices-in-numbers"
# 每一种选项，对其余的全部取平均：

# %% id="choices-table-code"
choices.tabulate_choices()

# %% [markdown] lang="en" id="choices-seen"
# On this task a single vector does as well as sixteen, and place and initialisation move little. What matters is sharing: with a context of its own for each class there are 24 times as many numbers to learn, each context has only eight pictures, and *red* must be found 24 times over. On average that ends below “a photo of a”.
#
# That is this task on this model, where all classes share a secret. CoOp's authors, too, saw shared contexts ahead with few pictures; with 16 of each class, vectors of each class's own did better on some specialised sets: cars, flowers, aircraft, textures, satellite pictures (Zhou et al. 2022, arXiv 2109.01134).

# %% [markdown] lang="zh" id="choices-seen"
# 在这个任务上，一个向量和十六个一样好，位置和初始化也影响不大。真正要紧的是共用：每类各一套，要学的数就是原来的 24 倍，每套却只有自己那八张图可学，“红色”要重新发现 24 遍；平均下来还不如“a photo of a”。
#
# 这说的是这个模型上的这个任务，所有类别共有一个秘密。CoOp 的作者也看到，图片少的时候共用的更好；每类有 16 张图时，在一些分得很细或很专门的数据集上（汽车、花卉、飞机、纹理、卫星图），每类各一套反而占先（Zhou 等，2022，arXiv 2109.01134）。

# %% [markdown] lang="en" id="new-classes"
# ## 8 · Classes it has never met
#
# A hand-written prompt works for any name. Does a learned one? We learn on twelve of the objects (the *base classes*, a word of the papers that has nothing to do with subclasses) and ask about the other twelve (the *new classes*), each half among its own twelve names. Four vectors begin as “a photo of a”; 16 shots, five tries.
#
# With only twelve names the other thing in a picture is often none of them, so every accuracy is higher than before. And the two halves hold other objects: compare each with its own hand prompt.

# %% [markdown] lang="zh" id="new-classes"
# ## 8 · 没见过的类别
#
# 手工提示词换什么名称都能用，学出来的呢？我们只在十二种物体（基类，base class；和编程里子类、父类的“基类”不是一回事）上学，再拿另外十二种（新类，new class）来考，各在自己那十二个名称里选。四个向量，从“a photo of a”开始学，每类 16 张图，做五次。
#
# 名称只有十二个，图里另一样东西常常不在其中，所以准确率整体比前面高。两半的物体也不同：每一半都要和它自己的手工提示词比。

# %% id="new-classes-guess"
exercises.new_classes.ask()

# %% id="new-classes-code"
split = study.base_to_new[0]
new = [run.new for run in split.runs if run.regularisation == 0]
print(say(en="context:", zh="上下文向量："), new, say(en="hand prompt:", zh="手工提示词："), split.hand_new)
exercises.new_classes.reveal(sum(new) / len(new) - split.hand_new)

# %% [markdown] lang="en" id="base-to-new"
# In the published experiments new classes went the other way: against the hand prompt CoOp gained 13 points on base classes and *lost* 11 on new ones (the mean of 11 data sets). The figure shows it beside ours, and with it CoCoOp, a method by the same authors in which the context depends on the picture. The third column is the *harmonic mean* of the two, which is high only where both are.
#
# One remedy is to pull the class features back towards those of the hand prompt while learning, as KgCoOp does (Yao et al. 2023): a *regularisation*. **Move its weight** and watch its price on the riddle. Then choose the blurred photos: is it the same there?

# %% [markdown] lang="zh" id="base-to-new"
# 论文里的实验，在新类上正好相反：和手工提示词比，CoOp 在基类上高出 13 个百分点，在新类上却**低了** 11 个（11 个数据集的平均）。图里把它画在我们的结果旁边；还有同一批作者的 CoCoOp，它的上下文向量随图片而变。第三栏是两者的调和平均（harmonic mean），两边都高它才高。
#
# 有一种补救办法：学习时，把每个类别的文字特征往手工提示词的特征那边拉一拉，KgCoOp 就是这么做的（Yao 等，2023），这是一种正则化（regularisation）。**移动滑块，改变正则化强度**，看看在谜题上要付出什么。再把任务换成模糊的照片：还一样吗？

# %% id="base-to-new-code"
base_to_new.explore_base_to_new()

# %% id="base-to-new-table-code"
base_to_new.tabulate_base_to_new()

# %% [markdown] lang="en" id="base-to-new-seen"
# The same remedy has a different price on each task. On the riddle what was learned holds for every object (new classes even gain more than base classes: there the hand prompt was weaker), and each of the four weights takes something away on new classes. On blurred photos a part of it belongs to the twelve objects alone: there a small weight costs nothing that five tries could show, and only the largest trades gain on base classes for gain on new ones. Which weight is right may not be read off test pictures, as we have just done; one would need further new classes to validate on.
#
# A course that shows only the base classes misleads; so does a paper.

# %% [markdown] lang="zh" id="base-to-new-seen"
# 同一种补救办法，在不同任务上代价不同。谜题上学到的东西对每种物体都成立（新类的提高甚至比基类还大：手工提示词在新类上本来就弱一些），我们试的四种强度，都会让新类上少提高一些。模糊的照片上，学到的东西有一部分只属于那十二种物体：强度小的时候，五次训练里看不出有什么代价；开到最大，才是拿基类上的提高去换新类上的提高。至于多大合适，不能像我们刚才那样看着测试集来定，要另外准备一些新类来验证。
#
# 只给人看基类的结果会误导人，课程如此，论文也如此。

# %% [markdown] lang="en" id="keep"
# ## 9 · Save, load, use
#
# What we have learned fits into a file of a few kilobytes: the vectors, and which model they belong to. First we learn once more. `context.train_context` is a generator, which trains on whenever we ask for its next evaluation; `*_, last =` takes all of them and keeps the last. Then `prompted` holds the vectors of the best one.

# %% [markdown] lang="zh" id="keep"
# ## 9 · 保存、加载、使用
#
# 学到的东西，一个几 KB 的文件就装得下：那些向量，再加上它们属于哪个模型。先再学一次。`context.train_context` 是生成器：每取一条验证集上的记录，它才往下训练一段；`*_, last =` 让它一直跑到最后一条。那时，`prompted` 里留下的就是验证集上最好的那组向量。

# %% id="learn-code" tags=["measured"]
prompted = PromptedCLIP(clip, processor, task.class_names, 10, "random", generator=torch.Generator().manual_seed(0))
*_, last = context.train_context(prompted, features, training.TrainConfig(steps=80))
print(say(en=f"{last.step} steps, on test pictures", zh=f"学了 {last.step} 步，测试集上"), f"{prompted.accuracy(*features.test):.1%}")

# %% [markdown] lang="en" id="save"
# Saving is one line. (Here the folder is a temporary one; choose your own.)

# %% [markdown] lang="zh" id="save"
# 保存只要一行。（这里的文件放在临时文件夹里，你可以换个自己的位置。）

# %% id="save-code"
from tempfile import mkdtemp

file = Path(mkdtemp()) / "red.safetensors"
prompted.save(file)
print(f"{file.stat().st_size / 1000:.0f} KB")

# %% [markdown] lang="en" id="use"
# Loading and asking are three lines. The picture is one of the test set, drawn large; after `from PIL import Image`, `Image.open("mine.jpg")` would do as well.

# %% [markdown] lang="zh" id="use"
# 加载，再提问，三行就够。这里用测试集里的一张图，画得大一些；先写 `from PIL import Image`，再换成 `Image.open("mine.jpg")` 也行。

# %% id="picture-code"
row = 88
picture = world.draw(*pictures.test.drawings[row])           # 256 × 256 pixels
print(task.class_names[pictures.test.labels[row]])

# %% id="use-code" tags=["measured"]
again = PromptedCLIP.load(file, *load_clip())
answer = again.predict(picture)                              # a probability for each class
show_prediction(picture, answer)

# %% id="same-code"
compare(say(en="before and after the file", zh="存盘前和加载后"), again.context, prompted.context)

# %% [markdown] lang="en" id="other-model"
# A vector learned on one model means nothing to another, even where the widths agree and nothing would complain. So the file knows its model by name, width and a *fingerprint*, a short code made from all its weights. Let us make another model by changing one weight matrix a little, and try. The next cell stops with an error, as it should:

# %% [markdown] lang="zh" id="other-model"
# 在一个模型上学到的向量，对另一个模型毫无意义；哪怕宽度一样、本来不会报错，也是如此。所以文件里记着它的模型：名称、宽度，还有一个由全部权重算出来的指纹（fingerprint）。我们把一个权重矩阵稍微改动一点，这就成了另一个模型，再来加载。下一格会报错，这正是我们要的：

# %% id="other-model-code" tags=["raises-exception", "measured"]
from copy import deepcopy

other = deepcopy(clip)
other.text_model.encoder.layers[0].mlp.fc1.weight *= 1.01
PromptedCLIP.load(file, other, processor)

# %% [markdown] lang="en" id="done"
# ## What you can do now
#
# You can let vectors into a frozen model and prove that nothing else moved; train them in seconds; say what they are better than, and where they fail; and hand them to somebody else in a small file. `helpers/context.py` holds the whole mechanism, and you have written its heart yourself.
#
# Each of these trainings took seconds, because the course does not compute what cannot matter. Lesson 02b (optional) shows what that is, and proves that nothing changed. Lesson 03 lets vectors into GPT-2: with ten of them it will describe pictures. What else there is, and what CoCoOp or MaPLe would change here: [docs/methods.en.md](../../docs/methods.en.md).

# %% [markdown] lang="zh" id="done"
# ## 现在你会了什么
#
# 你能把向量放进一个冻结的模型，并证明别的都没动；能在几秒钟内训练它们；说得清它们比什么好、在哪里失灵；还能把它们装进一个小文件，交给别人。全部机制都在 `helpers/context.py` 里，最核心的几行是你自己写的。
#
# 每次训练都只要几秒钟，因为不影响结果的计算，课程一概不做。省掉了哪些、怎么证明结果没变，见第 02b 课（选学）。第 03 课用同样的办法，给 GPT-2 配上十个向量，让它描述图片。CoCoOp、MaPLe 等别的做法，我们的代码要改哪里，见 [docs/methods.zh.md](../../docs/methods.zh.md)。
