# %% [markdown] lang="en" id="bug-museum"
# # Lesson 05: the bug museum
#
# Code that crashes is kind: it tells you where it hurts. The code in this museum never crashes. Its loss falls, its shapes are right, often its accuracy is good, and it is wrong. All of this happened in public code, some of it in the code of well-known papers; we have written it anew in a few lines of our own. Nobody is laughed at here: this course grew from one of the exhibits.
#
# At each exhibit you read the code, see how healthy it looks, and **say what is wrong** before you go on. Then one experiment exposes it, and you repair it. The lesson takes about 65 minutes, exercises and all: 50 for the six exhibits, and 15 for what lies behind them, the storeroom with seven more mistakes and the list. At the end you have a page of experiments for any prompt-tuning code, your own first of all.

# %% [markdown] lang="zh" id="bug-museum"
# # 第 05 课：错误博物馆
#
# 会报错的代码其实很体贴：它告诉你哪里疼。这座博物馆里的代码从不报错：损失（loss）在降，形状都对，准确率（accuracy）往往也不错，可它就是错的。这些错误都在公开的代码里真实出现过，有几个还出自很有名的论文；我们用自己的几行代码重写了一遍。这里不笑话谁：这门课自己，就是从其中一件展品长出来的。
#
# 在每件展品前，你先读代码，看看它表面上有多健康，**说出错在哪里**，再往下走。接着用一个实验揭穿它，最后动手修好。全课大约 65 分钟，含练习：六件展品 50 分钟；后面的库房里还有七个错误，加上最后的清单，15 分钟。学完以后，你手里会有一页实验清单，什么样的提示词微调（prompt tuning）代码都能查，先从自己的查起。

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

from helpers import by_hand, data
from helpers.by_hand import run_text_layers
from helpers.captioner import VLMWithSoftPrompt
from helpers.captioner_training import batch_captions
from helpers.context import overwrite
from helpers.data import measure_accuracy
from helpers.language import say
from helpers.notebook import compare
from helpers.pretrained import load_clip, load_language_model
from lessons.lesson_05_bug_museum import exercises, experiments, museum
from lessons.lesson_05_bug_museum.explorers import alarms, luck, overview, scoring, showcase, turning
from pocket import datasets, tasks, world
from pocket.captioning import PROMPTS

clip, processor = load_clip("pocket")
gpt2 = load_language_model("pocket")                                   # a model and its tokenizer
model = VLMWithSoftPrompt((clip, processor), gpt2).load(PROMPTS / "captioner.safetensors")
broken = {number: exhibit.broken for number, exhibit in museum.EXHIBITS.items()}

# %% [markdown] lang="en" id="too-good"
# ## 1 · A loss that is too good
#
# This function scores captions, as in lesson 03. `ids` (B, T) are the captions, each with an end of text, then padding; `lengths` (B,) says how long each is, the end included.

# %% [markdown] lang="zh" id="too-good"
# ## 1 · 好得过分的损失
#
# 这个函数给说明文字（caption）算损失，和第 03 课一样。`ids` (B, T) 是说明文字，每句带一个文本结束符（end of text），后面是填充（padding）；`lengths` (B,) 是每句的长度，结束符算在内。

# %% id="too-good-glass"
showcase.show_code(1)

# %% [markdown] lang="en" id="too-good-healthy"
# And this is how it learns, in a stored training:

# %% [markdown] lang="zh" id="too-good-healthy"
# 用它训练，是这个样子（一次存好的训练）：

# %% id="too-good-curve"
scoring.draw_healthy_loss()

# %% [markdown] lang="en" id="too-good-question"
# No error, right shapes, a curve to be proud of. **What is wrong?**

# %% [markdown] lang="zh" id="too-good-question"
# 不报错，形状对，曲线还这么漂亮。**错在哪里？**

# %% id="too-good-guess"
exercises.scored.ask()

# %% [markdown] lang="en" id="x-ray"
# **The experiment: an X-ray.** Cross-entropy pulls one logit up, that of its target, and pushes all others down. So after one backward pass the gradient of the logits says what a loss scores, and against what, and we need not trust a line of its code. A position without a gradient is not scored; at one with a gradient, the token whose gradient is negative is the target. We try it on three captions.

# %% [markdown] lang="zh" id="x-ray"
# **实验：拍 X 光（X-ray）。** 交叉熵（cross-entropy）会把一个 logit 往上拉，就是目标的那个，其余的都往下压。所以只要做一次反向传播，logits 的梯度（gradient）就会告诉我们：哪些位置计入了损失，对照的又是什么。它的代码，我们一行也不用相信。没有梯度的位置不计入损失；有梯度的位置上，哪个词元（token）的梯度是负的，哪个就是目标。拿三句说明文字来试。

# %% id="captions-code" tags=["prepare"]
scenes = [
    world.Scene((world.Thing("cat", "red", "large"),), "meadow", "photo"),
    world.Scene((world.Thing("boat", "white", "large"),), "beach", "silhouette"),
    world.Scene((world.Thing("key", "blue", "large"),), "room", "cartoon"),
]
pictures = model.encode([world.draw(scene, seed) for seed, scene in enumerate(scenes, 1)])       # (B, P, Dv)
texts = ["a photo of a large red cat in the meadow.", "a white boat.", "a key in the room."]
ids, labels = batch_captions(model.tokenizer, texts)          # (B, T)
captions = pictures, ids, (labels != -100).sum(1)            # what every loss here gets

# %% id="x-ray-code"
seen = experiments.take_x_ray(broken[1], model, captions)
exercises.scored.reveal(seen.verdict)

# %% id="x-ray-picture"
scoring.draw_x_ray(broken[1], model, captions)

# %% [markdown] lang="en" id="x-ray-seen"
# To repeat what one has just read is easy. Meanwhile the model unlearns what we wanted of it, to predict the next token:

# %% [markdown] lang="zh" id="x-ray-seen"
# 把刚读到的再说一遍，当然容易。而我们真正想要的，说出下一个词元，它反倒忘光了：

# %% id="x-ray-curve"
scoring.draw_healthy_loss(with_truth=True)

# %% [markdown] lang="en" id="too-good-repair"
# In rmokady/CLIP_prefix_caption, issue 42, somebody asks why that code cuts its logits one place earlier; somebody else had tried it without, and got a very low loss and captions of nothing but line breaks. So: a loss that is lower than the task allows is no success. It is a question.
#
# ### Exercise: repair the loss
#
# Write `caption_loss` again so that the X-ray shows what it should. You may copy what is right from behind the glass.
#
# **Exercise** · ★☆☆ · 3 minutes

# %% [markdown] lang="zh" id="too-good-repair"
# 在 rmokady/CLIP_prefix_caption 的 issue 42 里，有人问那份代码截取 logits 为什么要提前一位；另一个人试过不提前这一位，结果损失很低，写出来的全是换行。所以，损失低到这个任务不可能达到的程度，那不是成功，是疑点。
#
# ### 练习：修好损失
#
# 重写 `caption_loss`，让 X 光片恢复正常。展柜里的代码，对的部分可以照抄。
#
# **练习** · ★☆☆ · 3 分钟

# %% id="loss-exercise" tags=["exercise"]
def caption_loss(model, features, ids, lengths):
    """features (B, P, Dv), ids (B, T), lengths (B,). Gives the mean loss of the captions' tokens."""
    ...

exercises.loss.check(caption_loss, model, captions)

# %% id="loss-solution" tags=["solution"]
def caption_loss(model, features, ids, lengths):
    logits = model(features, ids)                            # (B, M + P + T, V)
    before = logits.shape[1] - ids.shape[1]                  # M + P
    labels = ids.masked_fill(experiments.find_padding(ids, lengths), -100)
    at_words = logits[:, before - 1 : -1]                    # (B, T, V): at each token, what stands before it
    return F.cross_entropy(at_words.flatten(0, 1), labels.flatten())

# %% [markdown] lang="en" id="too-good-library"
# A second experiment would have found it without any X-ray: the library shifts by itself when it is given `labels`, so its loss must be ours. (The wrong loss is large here, since this captioner has not learned to copy.)

# %% [markdown] lang="zh" id="too-good-library"
# 不拍 X 光，还有一个实验也能发现它：把 `labels` 交给库，库会自己错开一位（shift by one），所以库算出的损失应该和我们的一样。（写错的损失在这里很大，因为这个模型没有学过照抄。）

# %% id="too-good-compare"
print(experiments.check_library_loss(broken[1], model, captions))
ours, theirs = museum.score_right(model, *captions), model(pictures, ids, labels=labels)
compare(say(en="the repaired loss", zh="修好的损失"), ours, theirs)

# %% [markdown] lang="en" id="trains"
# ## 2 · It trains, and it scores
#
# A text encoder: class names and a context of M vectors in, one feature vector a name out. `overwrite` puts the context into the slots, and `tables` is CLIP's own embeddings module.

# %% [markdown] lang="zh" id="trains"
# ## 2 · 能训练，准确率也不差
#
# 这是一个文本编码函数：送进类别名和 M 个上下文向量（context），每个类别名得到一个特征（feature）向量。`overwrite` 把上下文向量放进槽位（slot），`tables` 是 CLIP 自己的嵌入模块。

# %% id="trains-glass"
showcase.show_code(2)

# %% [markdown] lang="en" id="trains-healthy"
# We let it learn the riddle of lesson 02, and beside it a repaired twin that you have not seen yet. Loss at the first and the last step, and accuracy on the test pictures:

# %% [markdown] lang="zh" id="trains-healthy"
# 让它去学第 02 课的谜题，同时让修好的那份也学一遍，作个比较（它的代码你还没看到）。下面是第一步和最后一步的损失，还有测试集（test set）上的准确率：

# %% id="riddle-code" tags=["prepare"]
names = list(tasks.RIDDLE.class_names)
riddle = data.encode_split(clip, processor, datasets.draw_few_shot(tasks.RIDDLE))
begin = experiments.begin_by_tokens(clip, processor, "a photo of a")       # (M, D)

# %% id="trains-code" tags=["measured"]
both = {say(en="behind glass", zh="展柜里的"): broken[2], say(en="repaired", zh="修好的"): museum.encode_right}
for name, encode in both.items():
    context, losses = museum.learn_context(encode, clip, processor, names, riddle, begin)
    share = museum.measure_accuracy_with(encode, clip, processor, names, riddle, context)
    print(say(en=f"{name}: loss {losses[0]:.2f} to {losses[-1]:.2f}, accuracy {share:.1%}",
              zh=f"{name}：损失从 {losses[0]:.2f} 到 {losses[-1]:.2f}，准确率 {share:.1%}"))

# %% [markdown] lang="en" id="identity"
# When we tried it, the two lay less than a point apart, and nobody could have told them apart by a curve. **The experiment: the identity test** of lesson 02. If the context is the vectors of the words “a photo of a”, the features must be those that the library makes of the words.

# %% [markdown] lang="zh" id="identity"
# 我们试的时候，两者只差不到一个百分点，光看曲线谁也分不出来。**实验：第 02 课的那个检验**，换回词语自己的向量。上下文向量如果就是“a photo of a”这几个词的向量，得到的特征就必须和库直接读这几个词得到的一样。

# %% id="identity-code"
experiments.check_identity(broken[2], clip, processor)

# %% [markdown] lang="en" id="identity-question"
# Something is wrong, and the test does not say what. **You do:**

# %% [markdown] lang="zh" id="identity-question"
# 确实有问题，但这个检验不说是什么问题。**你来说：**

# %% id="positions-guess"
exercises.positions.ask()

# %% [markdown] lang="en" id="count"
# We listen in at the door of the first layer, take away the rows and the context, and ask how many times the vectors of the positions are contained in what is left (printed: behind glass / repaired).

# %% [markdown] lang="zh" id="count"
# 我们守在第一层的门口，把进来的向量减去查表得到的行和上下文向量，看剩下的部分里，位置嵌入（position embedding）含了几份（打印的是：展柜里的 / 修好的）。

# %% id="count-code"
times = experiments.count_positions(broken[2], clip, processor)
print(f"{times:.2f} / {experiments.count_positions(museum.encode_right, clip, processor):.2f}")
exercises.positions.reveal(times)

# %% [markdown] lang="en" id="trains-repair"
# Does it matter, then, if the accuracy is as good? Here it cost nothing that we could measure (with these pictures and one seed, no difference below about two points could have been told from luck). But this is not CLIP any more: “a photo of a” means something else in it, a zero-shot result to compare with is that of another model, and whoever reads your vectors with CLIP itself computes other features than you did. On another model that may cost, and nothing would tell you.
#
# ### Exercise: repair the encoder
#
# The check runs the identity test. `experiments.tokenize_with_slots`, `overwrite`, `run_text_layers` and `museum.read_off_end` are there for you.
#
# **Exercise** · ★★☆ · 4 minutes

# %% [markdown] lang="zh" id="trains-repair"
# 准确率既然一样好，还要紧吗？在这里，我们量不出它有什么损害（只凭这些图片和一个种子，两个百分点左右以内的差别，和运气分不开）。但它已经不是 CLIP 了：“a photo of a”在它那里是另一个意思；拿它和零样本（zero-shot）比，比的其实是两个模型；别人用真正的 CLIP 去读你学出来的向量，算出的特征也和你的不同。换一个模型，也许就有损害了，而什么也不会提醒你。
#
# ### 练习：修好文本编码
#
# 检查时会用词语自己的向量来试。`experiments.tokenize_with_slots`、`overwrite`、`run_text_layers`、`museum.read_off_end` 都可以直接用。
#
# **练习** · ★★☆ · 4 分钟

# %% id="encode-exercise" tags=["exercise"]
def encode(clip, processor, names, context):
    """C names and a context (M, D) to features (C, D), as they leave CLIP."""
    ...

exercises.encode.check(encode, clip, processor)

# %% id="encode-solution" tags=["solution"]
def encode(clip, processor, names, context):
    ids, slots = experiments.tokenize_with_slots(processor, names, len(context))    # (C, T)
    tables = clip.text_model.embeddings
    words = overwrite(tables.token_embedding(ids), slots, context)                  # (C, T, D)
    x = run_text_layers(clip, tables(inputs_embeds=words))                          # adds the positions, once
    return museum.read_off_end(clip, x, ids)

# %% id="trains-compare"
words = processor.tokenizer(["a photo of a cat."], return_tensors="pt")["input_ids"]
theirs = clip.text_projection(clip.text_model(input_ids=words).pooler_output)
ours = museum.encode_right(clip, processor, ["cat"], begin)
compare(say(en="repaired, with the words’ own vectors", zh="修好的，放词语自己的向量"), ours, theirs)

# %% [markdown] lang="en" id="paper"
# ## 3 · Nobody else learns
#
# A soft prompt before a GPT-2 that is to stay frozen. Optimisers, parameter counts and gradient clipping all ask a model for its `parameters()`, so here it names the prompt and nothing else.

# %% [markdown] lang="zh" id="paper"
# ## 3 · 别的都不学
#
# GPT-2 前面放一个软提示词（soft prompt），GPT-2 自己应当保持冻结（frozen）。优化器也好，数参数的、裁剪梯度的代码也好，都是向模型的 `parameters()` 要参数的，所以这里让它只报软提示词，别的一概不提。

# %% id="paper-glass"
showcase.show_code(3)

# %% [markdown] lang="en" id="paper-healthy"
# It looks exemplary. The count is right, and both its loss and the gradient of its prompt are those of the repaired twin:

# %% [markdown] lang="zh" id="paper-healthy"
# 看上去堪称模范。参数个数对；损失、软提示词的梯度，都和修好的那份一样：

# %% id="paper-code"
language_model, start = museum.copy_as_loaded(gpt2[0]), model.soft_prompt.prompt_embeddings.detach()
glass, twin = broken[3](language_model, start), museum.Frozen(museum.copy_as_loaded(gpt2[0]), start)
print(sum(p.numel() for p in glass.parameters()), "=", start.numel())
glass(ids).backward(); twin(ids).backward()
compare(say(en="the loss", zh="损失"), glass(ids), twin(ids))
compare(say(en="the gradient of the prompt", zh="软提示词的梯度"), glass.prompt.grad, twin.prompt.grad)

# %% id="paper-guess"
exercises.gradients.ask()

# %% [markdown] lang="en" id="paper-experiment"
# **The experiment: after one backward pass, look who holds a gradient.** Not at what `parameters()` says: `named_parameters()` does not pass through it.

# %% [markdown] lang="zh" id="paper-experiment"
# **实验：反向传播一次，看梯度到了谁那里。** 不看 `parameters()` 怎么说；`named_parameters()` 不经过它。

# %% id="paper-experiment-code"
held = experiments.find_learners(glass)
print(len(held), "·", held[:3])
exercises.gradients.reveal(len(held))

# %% id="paper-table"
both = {say(en="behind glass", zh="展柜里的"): glass, say(en="repaired", zh="修好的"): twin}
overview.tabulate_gradients(both, lambda model: model(ids))

# %% [markdown] lang="en" id="paper-repair"
# The results are right; what is wrong is the price. At each step a gradient is computed for every number that should be frozen. Together they take as much memory as the model, and nobody ever uses them. (In ClipCap, in the form of it that freezes the language model, that is the GPT-2 with its 124 million numbers.)
#
# ### Exercise: write the experiment
#
# One line repairs this mistake, `language_model.requires_grad_(False)`. Write the experiment that finds it: the names of all parameters that hold a gradient. The check brings models that hide something.
#
# **Exercise** · ★★☆ · 4 minutes

# %% [markdown] lang="zh" id="paper-repair"
# 结果是对的，错在代价：每一步都给每个本该冻结的数算一遍梯度，占的内存和模型本身一样多，却谁也不用。（ClipCap 的一种做法里，本该冻结的 GPT-2，有 1.24 亿个这样的数。）
#
# ### 练习：写出这个实验
#
# 修这个错误只要一行：`language_model.requires_grad_(False)`。请写出能发现它的实验：返回所有带着梯度的参数的名字。检查时会送来几个有所隐瞒的模型。
#
# **练习** · ★★☆ · 4 分钟

# %% id="learners-exercise" tags=["exercise"]
def find_learners(model):
    """After a backward pass: the names of the parameters that hold a gradient."""
    ...

exercises.learners.check(find_learners)

# %% id="learners-solution" tags=["solution"]
def find_learners(model):
    return [name for name, parameter in model.named_parameters() if parameter.grad is not None]

# %% [markdown] lang="en" id="words"
# ## 4 · What the vectors say
#
# What do learned vectors say? Everybody looks up the nearest tokens. Here is a script that does so, for any vectors, of any model:

# %% [markdown] lang="zh" id="words"
# ## 4 · 向量在说什么
#
# 学出来的向量在说什么？人人都会去查离它们最近的词元。这里有个脚本，哪个模型学的向量都能查：

# %% id="words-glass"
showcase.show_code(4)

# %% [markdown] lang="en" id="words-healthy"
# It reads whatever vectors it is given, and never complains. Here are the four that the repaired code has learned in section 2:

# %% [markdown] lang="zh" id="words-healthy"
# 给它什么向量，它都照读不误，从不报错。现在来读第 2 节里修好的代码学出的那四个向量：

# %% id="words-code" tags=["measured"]
for nearest in broken[4](context, clip, processor):
    print(*(token.removesuffix("</w>") for token in nearest))

# %% [markdown] lang="en" id="words-question"
# Pieces of words, short words, odd words: lesson 04 says that right readings, too, are often odd. So how can one tell?

# %% [markdown] lang="zh" id="words-question"
# 有词的碎片，有短词，有怪词。可是第 04 课说过，就算读对了，也常常很怪。那怎样才能看出来？

# %% id="trust-code"
exercises.trust.ask()

# %% [markdown] lang="en" id="words-experiment"
# **The experiment: ask what you know already.** Rows of the model's own table must read back as themselves.

# %% [markdown] lang="zh" id="words-experiment"
# **实验：问一个早就知道答案的问题。** 模型自己表里的行，读回来必须还是自己。

# %% id="words-experiment-code"
for read in (broken[4], museum.read_by_own_table):
    print(experiments.check_reading(read, clip, processor))

# %% [markdown] lang="en" id="turning"
# So the script looks into another model's table: `load_default_clip()` always loads the same model, whichever the vectors were learned on. In CoOp that was the one with the ResNet-50, whose text vectors are as wide as those of the usual ViTs, so nothing complains. We have only one pocket CLIP, so we made the other one ourselves: the same model, with its token table turned into other coordinates. All distances between words are as before.
#
# How different must a table be before this test rings? And what changes first as it turns, the known rows or what is read from the learned vectors? **Guess both**, and then turn it, step by step. We begin half-way.

# %% [markdown] lang="zh" id="turning"
# 可见脚本查的是别的模型的表：不管向量是在哪个模型上学的，`load_default_clip()` 总是加载同一个模型。在 CoOp 里，那是用 ResNet-50 的 CLIP；它的文本向量和常用的 ViT 一样宽，所以不会报错。口袋 CLIP 只有一个，另一个是我们自己造的：模型还是它，只是把词元的嵌入表（embedding table）转到了别的坐标系里，词与词之间的距离一点没变。
#
# 表要差多远，这个检验才会报警？表转动的时候，先变的是哪一样：已知的行，还是学出来的向量的读法？**两样都先猜**，再一点一点转。我们从一半的地方开始。

# %% id="turning-code" tags=["measured"]
turning.explore_turning(clip, processor, context)

# %% [markdown] lang="en" id="words-repair"
# When we tried it, two of the four learned vectors had changed their words at 45°, and all four known rows still read back. So names alone find a foreign table, and not one that is only a little different, such as that of the same model trained further. Lesson 04's test, which compared the numbers themselves, finds that too; this script hands out names only, so here the fingerprint of lesson 02 has to help, which our files carry.
#
# ### Exercise: write the test
#
# `read(rows, clip, processor)` gives for each row its nearest tokens, the nearest first; `ids` are those of some words. The check brings readers that are right, wrong, and nearly right.
#
# **Exercise** · ★★☆ · 5 minutes

# %% [markdown] lang="zh" id="words-repair"
# 我们试的时候，转到 45°，学出来的四个向量里有两个已经改了口，而已知的四行个个都还读得对。所以光看词，能发现别家的表，却发现不了只差一点点的表，比如同一个模型又训练了一阵。第 04 课的检验比的是数字本身，这样的表也查得出来；而这个脚本只给出词，这里就得靠第 02 课的指纹（fingerprint）了，我们的文件里都带着。
#
# ### 练习：写出这个检验
#
# `read(rows, clip, processor)` 给每一行返回最近的几个词元，最近的排在最前面；`ids` 是几个词的编号。检查时送来的 `read`，有对的，有错的，还有差一点就对的。
#
# **练习** · ★★☆ · 5 分钟

# %% id="reads-back-exercise" tags=["exercise"]
def reads_back(read, clip, processor, ids):
    """Whether the rows of these ids, in the model's own table, are read as the tokens that they are."""
    ...

exercises.reads_back.check(reads_back, clip, processor)

# %% id="reads-back-solution" tags=["solution"]
def reads_back(read, clip, processor, ids):
    rows = clip.text_model.embeddings.token_embedding.weight[ids]             # (N, D)
    known = processor.tokenizer.convert_ids_to_tokens(ids)
    return [nearest[0] for nearest in read(rows, clip, processor)] == known

# %% id="words-compare"
found = [nearest[0] for nearest in museum.read_by_own_table(begin, clip, processor)]
known = processor.tokenizer.tokenize("a photo of a")
compare(say(en="“a photo of a”, read by its own table", zh="按自己的表读“a photo of a”"), found, known)

# %% [markdown] lang="en" id="best-epoch"
# ## 5 · The best epoch
#
# A linear probe learns from picture features, and the script reports its accuracy. `museum.train_probe(data)` gives the weights after each of thirty epochs; `data` holds training, validation and test pictures.

# %% [markdown] lang="zh" id="best-epoch"
# ## 5 · 最好的那一轮
#
# 一个线性探针（linear probe）从图片特征里学习，脚本报告它的准确率。`museum.train_probe(data)` 给出三十轮（epoch）里每一轮之后的权重；`data` 里有训练集、验证集（validation set）和测试集三部分图片。

# %% id="best-epoch-glass"
showcase.show_code(5)

# %% [markdown] lang="en" id="best-epoch-healthy"
# On the riddle, beside a repaired twin:

# %% [markdown] lang="zh" id="best-epoch-healthy"
# 用在谜题上，旁边是修好的一份：

# %% id="best-epoch-code" tags=["measured"]
best, honest = broken[5](riddle), museum.report_by_validation(riddle)
print(say(en=f"behind glass {best:.1%}, repaired {honest:.1%}", zh=f"展柜里的 {best:.1%}，修好的 {honest:.1%}"))

# %% [markdown] lang="en" id="best-epoch-question"
# About a point: luck, or skill? **The experiment: give it nothing to learn.** With shuffled labels every accuracy is chance, on average over many shuffles; what is reported above that, on average, was made by the report.

# %% [markdown] lang="zh" id="best-epoch-question"
# 差一个百分点左右：是运气，还是本事？**实验：不给它任何可学的东西。** 用打乱的标签（permuted labels）来学，打乱很多遍，准确率平均下来就等于瞎猜；报告的平均数比这高出来的部分，就全是报告自己造出来的。

# %% id="nonsense-guess"
exercises.nonsense.ask()

# %% id="nonsense-code" tags=["measured"]
told = experiments.check_chance(broken[5], riddle)
print(told)
exercises.nonsense.reveal(told.number)

# %% id="nonsense-repaired-code" tags=["measured"]
experiments.check_chance(museum.report_by_validation, riddle)

# %% [markdown] lang="en" id="luck"
# So choosing on the test set makes accuracy out of nothing. How much depends on how often one looks (each look is an evaluation), and at how many pictures. **Guess before you move**: where does the best of thirty looks exaggerate more, at 50 pictures or at 5,000? And is one look harmless?

# %% [markdown] lang="zh" id="luck"
# 可见在测试集上挑选，会凭空造出准确率。造出多少，要看一共看几次、看多少张图片。**动手之前先猜**：同样看三十次取最好的，50 张图片和 5,000 张，哪个虚高得多？只看一次呢，有没有害处？

# %% id="luck-code"
luck.explore_luck()

# %% id="luck-compare"
name = say(en="one look is harmless on average (a single one still errs by its own luck)",
           zh="只看一次，平均下来无害（单独那一次仍有自己的运气）")
compare(name, experiments.compute_expected_best(1, 200, 0.5), 0.5)

# %% [markdown] lang="en" id="best-epoch-repair"
# This is how the accuracy of Tip-Adapter-F was chosen. In issue 11 of that repository it was pointed out and acknowledged; the answer says that in their experiments it did not change the final performance. The figure above takes all looks as independent of each other: at 5,000 pictures thirty of them still tell more than a point too much. Neighbouring epochs of one training are alike, so in fact it is less, and with tens of thousands of test pictures hardly anything should be left. So what they say may well be true. With fifty pictures it would be a surprise.
#
# Mind one thing: a *prompt* would not fall to chance on shuffled labels, for class names bring knowledge of their own. The experiment is for learners that know classes by their pictures alone.
#
# ### Exercise: repair the report
#
# Choose by the validation pictures, then ask the test pictures once. `museum.train_probe`, `museum.measure_probe_loss` and `measure_accuracy` are there for you.
#
# **Exercise** · ★★☆ · 4 minutes

# %% [markdown] lang="zh" id="best-epoch-repair"
# Tip-Adapter-F 的准确率，当初就是这样挑出来的。有人在那个仓库的 issue 11 里指出来，作者承认了，并说在他们的实验里，最终结果不受影响。上面的图把每次看当作互相独立：5,000 张，看三十次，还会虚高 1 个多百分点。同一次训练里相邻的轮彼此相像，实际要小一些；测试图片有几万张时，应该几乎看不出来。所以他们说的可能不假。可要是只有五十张，就不大可能了。
#
# 有一点要小心：换成**提示词**来学，标签打乱之后并不会掉到瞎猜的水平，因为类别名本身就带着知识。这个实验只适用于单凭图片认识类别的方法。
#
# ### 练习：修好报告
#
# 按验证集来挑，挑好了再去问测试图片，只问一次。`museum.train_probe`、`museum.measure_probe_loss`、`measure_accuracy` 都可以直接用。
#
# **练习** · ★★☆ · 4 分钟

# %% id="report-exercise" tags=["exercise"]
def report(data):
    """data.train, data.validation, data.test: each features (N, D) and labels (N,). Gives an accuracy."""
    ...

exercises.report.check(report)

# %% id="report-solution" tags=["solution"]
def report(data):
    kept = min(museum.train_probe(data), key=lambda weights: museum.measure_probe_loss(data.validation, weights))
    return measure_accuracy(data.test, kept)

# %% [markdown] lang="en" id="options"
# ## 6 · Two options
#
# The captioner writes token by token, and this function chooses each of them. `top_p` keeps the likeliest tokens that together reach that probability, and a `temperature` above one makes unlikely ones likelier.

# %% [markdown] lang="zh" id="options"
# ## 6 · 两个选项
#
# 模型写说明文字时，一个词元一个词元地写，每一个都由这个函数来选。`top_p` 只留下最可能的那些词元，概率加起来刚够这个数；温度（temperature）大于一，不太可能的词元就会变得可能一些。

# %% id="options-glass"
showcase.show_code(6)

# %% [markdown] lang="en" id="options-healthy"
# It writes well:

# %% [markdown] lang="zh" id="options-healthy"
# 写得不错：

# %% id="options-code" tags=["measured"]
for number in range(3):
    print(experiments.write_token_by_token(broken[6], model, pictures[number : number + 1], top_p=0.9, temperature=1.2))

# %% id="options-guess"
exercises.options.ask()

# %% [markdown] lang="en" id="options-experiment"
# **The experiment: set every option to two extremes, and try several seeds.** What an option does must be seen.

# %% [markdown] lang="zh" id="options-experiment"
# **实验：每个选项取两个极端，再多换几个种子。** 选项起不起作用，看得出来才算数。

# %% id="options-experiment-code"
told = experiments.check_options(broken[6], model, pictures[1:2])
print(told)
exercises.options.reveal(int(told.number))

# %% id="options-compare"
likeliest = by_hand.decode_greedily(model.language_model, model.prefix(pictures[1:2]), model.tokenizer.eos_token_id, 30)
ours = experiments.write_token_by_token(broken[6], model, pictures[1:2], top_p=0.98, temperature=1.5)
theirs = model.tokenizer.decode(likeliest).strip()
compare(say(en="with all options at their boldest, and greedy", zh="两个选项都调到最放开，和贪心相比"), ours, theirs)

# %% [markdown] lang="en" id="options-repair"
# Whoever compared settings with this code compared a text with itself. (That is why our own `generate` refuses a temperature where nothing is drawn.)
#
# ### Exercise: repair the choice
#
# Let both options do what they promise, and the seed too: hand `generator` to `torch.multinomial`.
#
# **Exercise** · ★★☆ · 4 minutes

# %% [markdown] lang="zh" id="options-repair"
# 谁要是用这份代码比较过各种设置，比来比去都是同一段文字。（所以我们自己的 `generate`，在不采样（sampling）的时候会拒绝设置温度。）
#
# ### 练习：修好选择
#
# 让两个选项都名副其实，种子也一样：把 `generator` 交给 `torch.multinomial`。
#
# **练习** · ★★☆ · 4 分钟

# %% id="next-token-exercise" tags=["exercise"]
def next_token(logits, top_p, temperature, generator):
    """logits (V,). Gives the id of one token, drawn from those that the filter leaves."""
    ...

exercises.next_token.check(next_token)

# %% id="next-token-solution" tags=["solution"]
def next_token(logits, top_p, temperature, generator):
    logits = logits / temperature                            # (V,)
    probabilities, order = logits.softmax(-1).sort(descending=True)
    beyond = probabilities.cumsum(-1) - probabilities >= top_p    # those before already sum to top_p
    logits = logits.index_fill(0, order[beyond], float("-inf"))
    return torch.multinomial(logits.softmax(-1), 1, generator=generator)[0]

# %% id="options-repaired-code"
experiments.check_options(museum.choose_by_chance, model, pictures[1:2])

# %% [markdown] lang="en" id="storeroom"
# ## 7 · The storeroom
#
# Seven more, each with one experiment that rings, and its repair. **Before you run a cell**, say what has to change; then compare: the lines marked − go, those marked + come.
#
# **Padding scored.** Where all captions are padded to a fixed length, as in the script that this course grew from, most places are padding, and a model that has learned to say *padding* has a low loss.

# %% [markdown] lang="zh" id="storeroom"
# ## 7 · 库房
#
# 还有七个错误，每个配一个能报警的实验，还有修法。**每运行一格之前**，先说说该怎么改，再来对照：标着 − 的行要删去，标着 + 的行换上。
#
# **填充计入损失。** 像这门课最初的那份脚本那样，把说明文字一律填充到固定长度，大多数位置就都是填充；只要学会说“填充”，损失就低了。

# %% id="padding-code"
print(experiments.check_more_padding(broken[7], model, captions))
showcase.show_repair(7)

# %% [markdown] lang="en" id="end"
# **The end is no target.** GPT-2 has no padding token, so the end of text is used for it. Whoever then masks all padding by its id masks the ends as well, and captions never stop. (In ClipCap no end stood behind the captions in the first place.)

# %% [markdown] lang="zh" id="end"
# **结束符不是目标。** GPT-2 没有填充词元，就借文本结束符来用。这时谁要是按编号把填充掩掉，就把真正的结束符也一起掩掉了，写起来就停不下来。（在 ClipCap 里，说明文字后面压根没有放结束符。）

# %% id="end-code"
print(experiments.check_end_is_target(broken[8], model, captions))
showcase.show_repair(8)

# %% [markdown] lang="en" id="x-rays"
# The X-ray tells all of these apart. Here is one whose padding is scored: on a short caption beside a longer one, most of the targets are padding. **Before you choose another code**, say where its marks will be.

# %% [markdown] lang="zh" id="x-rays"
# 这几种错误，拍张 X 光就分得清。下面这张，填充计入了损失：短的一句和长的放在一批，目标大半是填充。**每换一份代码之前**，先说说叉号会标在哪里。

# %% id="x-rays-code"
scoring.explore_x_rays(model, captions)

# %% [markdown] lang="en" id="dropout"
# **Dropout left on.** `model.train()` at the beginning of an epoch wakes the dropout of every part, frozen or not. (Our pocket GPT-2 was trained without, so we give a copy the ten per cent that the real one comes with.)

# %% [markdown] lang="zh" id="dropout"
# **没有关掉 dropout。** 每轮开头写一句 `model.train()`，所有部分的 dropout 都会醒来，冻结的也不例外。（口袋 GPT-2 训练时没有用 dropout，所以我们给它的副本加上百分之十，真正的 GPT-2 就是这么多。）

# %% id="dropout-code"
print(experiments.check_twice_the_same(broken[9], museum.add_dropout(model), captions))
showcase.show_repair(9)

# %% [markdown] lang="en" id="inserted"
# **Inserted, not overwritten.** Lesson 02 had it: the ids know nothing of the vectors that came in, so the tower still reads off at the old place, which has not seen the name yet.

# %% [markdown] lang="zh" id="inserted"
# **插入而没有覆盖。** 第 02 课讲过：编号里没有多出来的这几个向量，塔还在老地方取结果，而那里还没读到类别名。

# %% id="inserted-code"
print(experiments.check_another_name(broken[10], clip, processor))
showcase.show_repair(10)

# %% [markdown] lang="en" id="start"
# **Read off at the start.** The start has seen nothing but itself. All texts get one vector, and no gradient reaches the context, exactly none:

# %% [markdown] lang="zh" id="start"
# **在开头取结果。** 文本起始符（start of text）除了自己，什么也没看到。所有文字都得到同一个向量，上下文向量一点梯度也收不到：

# %% id="start-code"
print(experiments.check_every_vector_learns(broken[11], clip, processor))
showcase.show_repair(11)

# %% [markdown] lang="en" id="mask"
# **No causal mask.** Whoever calls the layers by hand has to bring the mask along. Without it every place sees the padding behind it, so a name has other features beside a longer one. Training does not give it away: compare its numbers on the riddle with those of the right one in section 2.

# %% [markdown] lang="zh" id="mask"
# **没有因果掩码（causal mask）。** 亲手调用各层，就得自己带上掩码。没有它，每个位置都看得到后面的填充，于是同一个类别名，旁边放一个更长的，特征就变了。光看训练发现不了：它学谜题的结果，可以和第 2 节里对的那份比一比。

# %% id="mask-trains-code" tags=["measured"]
unmasked, losses = museum.learn_context(broken[12], clip, processor, names, riddle, begin)
share = museum.measure_accuracy_with(broken[12], clip, processor, names, riddle, unmasked)
print(say(en=f"without a mask: loss {losses[0]:.2f} to {losses[-1]:.2f}, accuracy {share:.1%}",
          zh=f"没有掩码：损失从 {losses[0]:.2f} 到 {losses[-1]:.2f}，准确率 {share:.1%}"))

# %% id="mask-code"
print(experiments.check_in_company(broken[12], clip, processor))
showcase.show_repair(12)

# %% [markdown] lang="en" id="counted"
# **Counted in words.** A context that begins as words has as many vectors as these have *tokens*. With “a photo of a” both numbers agree, which is why nobody noticed. In CoOp's own code the left-over tokens stay in the text, frozen, so that the name still follows; where the name is to stand in front, the cut falls in the wrong place.

# %% [markdown] lang="zh" id="counted"
# **个数按单词来数。** 从词语开始学的上下文向量，个数应该等于这些词的**词元**数。用“a photo of a”的时候，两个数恰好相等，所以没有人发现。在 CoOp 自己的代码里，多出来的词元冻结在文字里，类别名还能跟在后面；可是要把类别名放到前面时，就会切错地方。

# %% id="counted-code"
for words in ("a photo of a", "a close-up photo of a"):
    print(experiments.check_identity(museum.encode_right, clip, processor, words, broken[13]))
showcase.show_repair(13)

# %% id="symptom-code"
exercises.symptom.ask()

# %% [markdown] lang="en" id="all-at-once"
# ## 8 · All at once
#
# Which experiment rings for which mistake? We run them all on all codes, here and now. **Before you look**: is there one that finds every wrong text encoder? And one that finds every wrong loss?

# %% [markdown] lang="zh" id="all-at-once"
# ## 8 · 一次全跑
#
# 哪个实验对哪种错误报警？我们现在就把所有实验在所有代码上都跑一遍。**先猜再看**：有没有哪个实验，能发现每一份写错的文本编码？有没有哪个，能发现每一个写错的损失？

# %% id="text-alarms-code"
of_texts = alarms.run_text_experiments(clip, processor)
alarms.explore_alarms(of_texts, "inserted", "learns")

# %% id="caption-alarms-code"
of_captions = alarms.run_caption_experiments(model, captions)
alarms.explore_alarms(of_captions, "end", "library")

# %% [markdown] lang="en" id="alarms-seen"
# What we read off:
#
# - **Equality with something trusted finds most**: the library's features of the same words, the library's loss of the same ids. It says that something is wrong.
# - **What it is, the pattern of the row says, mostly.** Two rows are the same: *inserted* and *read off at the start*. There the number decides: under *every vector learns*, three of four vectors are reached in the first (it is framed above), and none in the second (the storeroom printed it). With dropout left on, *more padding* rings as well: that is chance, not padding.
# - **No experiment is enough.** The library's loss is right for a model that is frozen on paper only, and the identity test passes a number of vectors that is counted in words, if the words are badly chosen.
# - **Loss and accuracy are not in the table.** At the exhibits, what one usually looks at looked well.

# %% [markdown] lang="zh" id="alarms-seen"
# 从中读出：
#
# - **和信得过的东西比是否相等，发现的错误最多**：同样的词，和库的特征比；同样的编号，和库的损失比。它告诉你有问题。
# - **是什么问题，要看整行哪些报警；还不够，就看数字。** “插入而没有覆盖”和“在开头取结果”五列一模一样，要看“每个向量都在学”量出的数：前一个有 3 个向量收到梯度（上面加框的那一格），后一个是 0 个（库房里打印过）。没有关掉 dropout 时，“多填充几个位置”也会报警：那是随机性，不是填充。
# - **哪个实验都不够。** 只在纸面上冻结的模型，损失和库的分毫不差；换回词语自己的向量，词选得不巧，按单词数出来的个数也能通过。
# - **损失和准确率不在表里。** 在展品那里，平常看的那些指标，看上去都很好。

# %% id="only-one-code"
exercises.only_one.ask()

# %% [markdown] lang="en" id="list"
# ## 9 · The list
#
# One page for any prompt-tuning code. `lessons/lesson_05_bug_museum/experiments.py` holds all of it as functions that take *your* code: `experiments.check_identity(my_encode, clip, processor)`, `experiments.take_x_ray(my_loss, model, captions)`.

# %% [markdown] lang="zh" id="list"
# ## 9 · 清单
#
# 一页纸，什么样的提示词微调代码都用得上。`lessons/lesson_05_bug_museum/experiments.py` 里全是现成的函数，把**你的**代码交给它们就行：`experiments.check_identity(my_encode, clip, processor)`，`experiments.take_x_ray(my_loss, model, captions)`。

# %% id="list-code"
overview.tabulate_experiments()

# %% [markdown] lang="en" id="done"
# ## What you can do now
#
# You can look at a falling loss without believing it; ask code questions whose answers you know; and tell from a few experiments what is wrong with it, without reading it all. Each experiment is a few lines, and takes next to no time beside the training that it may save. That is the habit to take along: **before the first long training, ten short questions.**
#
# In lesson 06 you bring pictures of your own, and code of your own with them.

# %% [markdown] lang="zh" id="done"
# ## 现在你会了什么
#
# 损失降下来，你不会马上就信；你会向代码提那些早就知道答案的问题；用几个实验，不必通读，就能说出它错在哪里。每个实验都只有几行，比起它可能省下的那次训练，几乎不花时间。值得养成的习惯就是这个：**第一次长时间训练之前，先问十个小问题。**
#
# 第 06 课里，你会带上自己的图片，也会写自己的代码。
