# %% [markdown] lang="en" id="start-here"
# # Ten Vectors, lesson 00: start here
#
# CLIP is a model that has looked at pictures together with their captions, so it can tell which sentence fits a picture; GPT-2 has read text, so it can continue it. We talk to both in words, the *prompt*. In this course we put **ten vectors** where the words would stand: a few examples teach them their numbers while the model itself stays frozen, and then we try to read what they say.
#
# This lesson takes about 15 minutes and needs no account, no graphics card and no network. Run one cell after the other with **Shift + Enter**. The first one finds the course's folder and chooses the language.

# %% [markdown] lang="zh" id="start-here"
# # 十个向量 · 第 00 课：从这里开始
#
# CLIP 看过许多配有说明文字的图片，所以知道哪句话配得上哪张图；GPT-2 读过许多文字，所以会接着往下写。平时我们用词语和它们打交道，这些词语叫**提示词（prompt）**。这门课把词语换成**十个向量**：模型本身一动不动，向量的数值由几个例子教出来，最后我们再试着读懂这些向量在说什么。
#
# 这一课大约 15 分钟，不需要账号、显卡和网络。按 **Shift + Enter** 一格一格往下运行。第一格负责找到课程所在的文件夹，并选定语言。

# %% id="setup" tags=["prepare"]
import os, sys; from pathlib import Path; here = Path.cwd(); places = [here, *here.parents, *here.glob("*")]
sys.path[:0] = [str(p) for p in places if os.path.isdir(p / "helpers/pocket")]
from helpers import lesson; lesson.start("en")

# %% [markdown] lang="en" id="machine"
# ## Is the machine ready?
#
# The course looks at itself: the packages, the files of the models, memory and disk. A line with ✗ says what to do about it.

# %% [markdown] lang="zh" id="machine"
# ## 机器准备好了吗？
#
# 课程先检查一下自己：软件包、模型文件、内存和磁盘。哪一行前面是 ✗，后面就写着该怎么办。

# %% id="machine-code" tags=["measured"]
lesson.doctor()

# %% [markdown] lang="en" id="pocket-clip"
# ## A CLIP that fits in a pocket
#
# The course brings its own CLIP. It is built from the same classes as the original, but it is small, and all it has ever seen is a world of drawings that this project makes. We load it, count its parameters and list the objects of its world.

# %% [markdown] lang="zh" id="pocket-clip"
# ## 装得进口袋的 CLIP
#
# 课程自带一个 CLIP。它和原版用的是同样的类，只是个头小得多，而且从小到大只见过一个世界：本项目画出来的世界。我们把它加载进来，数一数参数，再看看这个世界里有哪些物体。

# %% id="pocket-clip-code" tags=["prepare"]
from helpers import widgets
from helpers.exercises import start_here
from helpers.pocket import datasets, promptable, tasks, world
from helpers.pretrained import load_clip, text_features

clip, processor = load_clip()
parameters, n = clip.num_parameters(), len(world.OBJECTS)
print(lesson.say(en=f"{parameters:,} parameters, {n} objects:", zh=f"{parameters:,} 个参数，{n} 种物体："))
print(", ".join(world.OBJECTS))

# %% [markdown] lang="en" id="first-guess"
# ## Which name fits?
#
# A scene is a line of code, and the picture is drawn from it. CLIP compares the picture with one sentence for each object, from “a photo of a cat.” to “a photo of a crown.”; nobody tells it which one is true. **Before you run the next cell**, say a number: how much of the score will the right name get?

# %% [markdown] lang="zh" id="first-guess"
# ## 哪个名称配得上？
#
# 一个场景就是一行代码，图片由它画出。CLIP 拿这张图和每种物体的一句话逐一比较，从“a photo of a cat.”一直到“a photo of a crown.”，没有人告诉它哪一句是对的。**先别运行下一格**，报一个数：正确的名称会拿到百分之几的得分？

# %% id="first-guess-code"
scene = world.Scene((world.Thing("snail", "purple", "large"),), background="beach", style="photo")
widgets.scene_with_scores(clip, processor, scene)

# %% [markdown] lang="en" id="scores"
# ## What the scores mean
#
# CLIP turns the picture into a vector and every sentence into a vector, and measures how well their directions agree. A softmax then turns these measurements into shares of 100 %. **Before you run the next cell**: we strike the right name off the list. Will all scores be small now, or will another name take the place?

# %% [markdown] lang="zh" id="scores"
# ## 得分是什么意思
#
# CLIP 把图片变成一个向量，把每句话也变成一个向量，再量一量它们的方向有多接近；softmax 把这些量出来的数换算成份额，加起来是 100 %。**先别运行下一格**：我们把正确的名称从名单里划掉。这时每个得分都会很低，还是会有别的名称顶上来？

# %% id="scores-code" tags=["measured"]
others = [name for name in world.OBJECTS if name != "snail"]
widgets.scene_with_scores(clip, processor, scene, names=others)

# %% [markdown] lang="en" id="compose"
# ## Compose a scene
#
# The shares still add up to 100 %: CLIP can only say which of *these* sentences fits best, and never “none of them”.
#
# Now it is your turn. Every control draws and compares anew. Make the object small; look for a style in which CLIP goes astray; then name that style in the prompt and see whether it helps. In the prompt, `{}` stands for the name and `{style}` for the style; press Enter after editing it. It all works without a mouse too: Tab goes from control to control, and Space opens a list.

# %% [markdown] lang="zh" id="compose"
# ## 自己搭一个场景
#
# 份额加起来仍是 100 %：CLIP 只能说**这几句话**里哪句最合适，从来不会说“都不对”。
#
# 现在轮到你了。每动一个控件，图就重画一次，得分也重算一次。试试把物体变小；找一种让 CLIP 认错的风格；再把这种风格写进提示词，看看有没有帮助。提示词里的 `{}` 代表名称，`{style}` 代表风格；改完按回车。不用鼠标也行：Tab 键换控件，空格键展开列表。

# %% id="compose-code"
widgets.scene_explorer(clip, processor, scene)

# %% [markdown] lang="en" id="styles"
# ## One thing, nine styles
#
# The world is drawn in nine styles. CLIP was trained on eight of them; the ninth, the sepia print, it has never seen. **Before you run the next cell**, make two guesses: in how many of the nine will it know the butterfly, and how sure of itself will it be in the ninth?

# %% [markdown] lang="zh" id="styles"
# ## 一样东西，九种风格
#
# 这个世界有九种画法。CLIP 训练时见过其中八种，第九种“老照片”（sepia print）从没见过。**先别运行下一格**，猜两件事：九张图里它能认出几只蝴蝶？对第九张，它会有多大把握？

# %% id="styles-code"
butterfly = world.Scene((world.Thing("butterfly", "yellow", "large"),), background="meadow")
widgets.scene_in_styles(clip, processor, butterfly)

# %% [markdown] lang="en" id="own-picture"
# ## A picture of your own
#
# A style it never saw does not make this CLIP doubtful: it names something else, and is sure of it. A high score is no proof that the model knows what it sees. (This was one scene; later lessons count over many.)
#
# Choose a picture file of your own, and write a few English texts, one a line; in the example, exchange two colours and see whether CLIP notices. Do not expect too much of a pocket model: it knows only drawings and the words of its world, so a photograph of a real cat is as strange to it as the sepia print. Until you choose a file, the cell shows an example with two things in it.

# %% [markdown] lang="zh" id="own-picture"
# ## 换成你自己的图片
#
# 没见过的风格并没有让这个 CLIP 犹豫：它认成了别的东西，而且很有把握。可见得分高，不等于它真的认得。（这只是一个场景；后面的课会在许多图片上统计。）
#
# 选一个自己的图片文件，再写几条英文，一行一条；例子里的两种颜色对调一下，看它会不会发觉。别对口袋模型期望太高：它只认得画出来的东西和那个世界里的词，真猫的照片对它来说，和老照片一样陌生。没选文件时，这里先放一张画了两样东西的图。

# %% id="own-picture-code"
things = (world.Thing("dog", "brown", "medium"), world.Thing("ball", "red", "small"))
example = world.draw(world.Scene(things, background="snow", style="cartoon"))
texts = ["a photo of a cat.", "a dog.", "a brown dog and a red ball in the snow.", "a house at night."]
widgets.picture_explorer(clip, processor, example, texts)

# %% [markdown] lang="en" id="secret"
# ## Labels that follow a rule
#
# Somebody has labelled pictures with two things each. Which of the two stands on the label follows a rule that nobody tells us. Look at ten of the pictures: can you see the rule? Under each of them is what CLIP answers to “a photo of a {}”.

# %% [markdown] lang="zh" id="secret"
# ## 标签有规律
#
# 有人给一批图片打了标签。每张图上有两样东西，标签只写其中一样，写哪一样有规律，但没人告诉我们。先看十张：你看得出规律吗？每张图下面是 CLIP 对“a photo of a {}”的回答。

# %% id="secret-code"
task = tasks.secret_task("red")
pictures = datasets.few_shot(task, shots=8, checks=4, tests=20)
widgets.labelled_pictures(clip, processor, task.class_names, pictures.train)

# %% [markdown] lang="en" id="half"
# ## What words can do here
#
# The label is always the red one. “A photo of a {}” says nothing of red, and CLIP has no way to know. How far does it get? Make your guess first.

# %% [markdown] lang="zh" id="half"
# ## 词语能做到什么程度
#
# 标签总是红色的那一样。可“a photo of a {}”里没提红色，CLIP 无从知道。它能对多少？先猜一猜。

# %% id="half-guess"
start_here.two_things.ask()

# %% [markdown] lang="en" id="half-answer"
# Both the pictures and the sentences become vectors; the sentence whose direction agrees best is CLIP's answer. These pictures are for testing only: nothing will learn from them.

# %% [markdown] lang="zh" id="half-answer"
# 图片和句子都变成向量，方向最接近的那句话就是 CLIP 的回答。这些图片只用来测试，谁也不拿它们来学习。

# %% id="half-code"
features = promptable.encode(clip, processor, pictures)
images, labels = features.test                                                                      # (N, D), (N,)
sentences = text_features(clip, processor, [f"a photo of a {name}." for name in task.class_names])  # (C, D)
right = (images @ sentences.T).argmax(-1) == labels                                                 # (N,)
start_here.two_things.reveal(right.float().mean().item())

# %% [markdown] lang="en" id="train"
# ## Train your first ten vectors
#
# Now we take the words “a photo of a” away and put ten vectors in their place, filled with random numbers. Pictures with labels tell them step by step which way to move; CLIP itself is frozen. Nobody mentions the rule. **Before you press the button**: will the ten vectors come to know it? Grey is a stored run; yours is drawn while it learns.

# %% [markdown] lang="zh" id="train"
# ## 训练你的第一组向量
#
# 现在把“a photo of a”这几个词拿掉，换上十个向量，里面起先是随机数。带标签的图片一步一步告诉它们往哪边动；CLIP 本身是冻结的，也没有人提那条规律。**先别按按钮**，想一想：这十个向量会自己找到规律吗？灰色的是事先存好的一次训练，你的那条会边学边画。

# %% id="train-code"
explorer = widgets.first_vectors(clip, processor, task.class_names, features, learn=promptable.context_steps)
explorer

# %% [markdown] lang="en" id="soft-prompt"
# ## What has just happened
#
# A prompt is a row of vectors: the tokenizer cuts the text into tokens, and a table gives each of them its vector. (Do you see that the two “a” are the same?) What the model reads are the vectors, and it does not ask whether a word stands behind them. That is the door: the ten framed vectors came in there. Their stripes are bolder than any word's, since training is free to go where no word is. Such a row of learned vectors is called a **soft prompt**.

# %% [markdown] lang="zh" id="soft-prompt"
# ## 刚才发生了什么
#
# 提示词其实是一排向量：分词器（tokenizer）把文字切成词元（token），再查表，给每个词元取来一个向量。（看出来了吗？两个“a”的向量一模一样。）模型读的是向量，它不问向量背后有没有词。门就在这里：带框的十个向量就是从这里进去的。它们的条纹比哪个词都浓，因为训练可以走到没有词的地方去。这样一排学出来的向量，叫作**软提示词（soft prompt）**。

# %% id="soft-prompt-code"
context = explorer.context  # (M, D): yours, or the stored run's until you press the button
widgets.prompts_as_vectors(clip, processor, "a photo of a cat.", context)

# %% [markdown] lang="en" id="how-many-numbers"
# ## Your turn: how many numbers were learned?
#
# Put your answer in the place of the three dots and run the cell. The check tells you whether it is right, or which mistake it found; there are hints if you want them.
#
# **Exercise** · ★☆☆ · 2 minutes

# %% [markdown] lang="zh" id="how-many-numbers"
# ## 轮到你了：一共学了多少个数？
#
# 把三个点换成你的答案，再运行这一格。程序会告诉你对不对，错了会说错在哪里；需要的话还有提示。
#
# **练习** · ★☆☆ · 2 分钟

# %% id="how-many-numbers-code" tags=["exercise"]
numbers = ...
start_here.learned_numbers.check(numbers, context, clip)

# %% id="how-many-numbers-solution" tags=["solution"]
numbers = context.shape[0] * context.shape[1]  # the same as context.numel()

# %% [markdown] lang="en" id="what-changed"
# ## What has changed?
#
# One question before you go on. Wrong answers are worth a click too: each says what it would mean.

# %% [markdown] lang="zh" id="what-changed"
# ## 是什么变了？
#
# 往下走之前，只问一个问题。选错也值得点一点：每个选项都会解释自己。

# %% id="what-changed-code"
start_here.what_changed.ask()

# %% [markdown] lang="en" id="what-next"
# ## The map of the course
#
# | lesson | you will be able to | minutes |
# |---|---|---|
# | **00 start here** | train ten vectors, and say what a soft prompt is | 15 |
# | 01 inside CLIP | follow a picture and a text through CLIP by hand | 45 |
# | 02 a learnable context | write what the button did: let vectors into CLIP and train them | 60 |
# | 02b the same, ten times faster (optional) | make it fast, and prove that nothing changed | 30 |
# | 03 a soft prompt for GPT-2 | make a frozen GPT-2 describe pictures | 60 |
# | 04 reading the vectors | ask what learned vectors say, and tell it from chance | 45 |
# | 05 the bug museum | find and mend real mistakes from public code | 40 |
# | 06 your own pictures | do all of it with your own pictures and the real models | 30 |
#
# Did the ten vectors learn the word “red”? They never saw it. Lesson 04 looks for it.

# %% [markdown] lang="zh" id="what-next"
# ## 课程地图
#
# | 课 | 学完你能做什么 | 分钟 |
# |---|---|---|
# | **00 从这里开始** | 训练十个向量，说清楚什么是软提示词 | 15 |
# | 01 走进 CLIP | 跟着一张图、一句话，亲手走完 CLIP | 45 |
# | 02 可学习的上下文 | 自己写出按钮做的事：让向量进入 CLIP，再训练它们 | 60 |
# | 02b 快十倍（选学） | 加速，并证明结果没有变 | 30 |
# | 03 给 GPT-2 的软提示词 | 让冻结的 GPT-2 描述图片 | 60 |
# | 04 解读向量 | 问一问向量在说什么，并和偶然区分开 | 45 |
# | 05 错误博物馆 | 找出并修好公开代码里的真实错误 | 40 |
# | 06 你自己的图片 | 用自己的图片和真正的模型，全部再做一遍 | 30 |
#
# 这十个向量学会“red”这个词了吗？它们从没见过它。第 04 课我们去找一找。
