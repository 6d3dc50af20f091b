# %% [markdown] lang="en" id="start-here"
# # Ten Vectors, lesson 00: start here
#
# CLIP is a model that has looked at pictures together with their captions, so it can tell which sentence fits a picture; GPT-2 has read text, so it can continue it. We talk to both in words, the *prompt*. In this course we put **ten vectors** where the words would stand: a few examples teach them their numbers while the model itself stays frozen, and then we try to read what they say.
#
# This lesson takes about 20 minutes and needs no account, no graphics card and no network. Run one cell after the other with **Shift + Enter**; while a cell is at work, `[*]` stands beside it. If you come back later and buttons are missing or broken, choose *Run → Run All Above Selected Cell*.
#
# The first code cell finds the course's folder and chooses the language. You need not read it.

# %% [markdown] lang="zh" id="start-here"
# # 十个向量 · 第 00 课：从这里开始
#
# CLIP 看过大量图片和对应的说明文字，所以能判断哪句话和哪张图相符；GPT-2 读过许多文字，所以会接着往下写。平时我们用词语和它们打交道，这些词语叫**提示词（prompt）**。这门课把词语换成**十个向量**：模型的参数始终不变（也就是**冻结**，frozen），只用少量例子把这些向量的数值学出来；最后我们再试着读懂它们在说什么。
#
# 这一课大约 20 分钟，不需要账号、显卡和网络。按 **Shift + Enter** 一格一格往下运行；旁边显示 `[*]`，就是还在运行。以后再打开时，如果按钮不见了或者坏了，选菜单 *Run → Run All Above Selected Cell*。
#
# 第一个代码格负责找到课程所在的文件夹，并选定语言，不用细看。

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

# %% [markdown] lang="en" id="machine"
# ## Is the machine ready?
#
# The course looks at itself: the packages, the files of the models, memory and disk. If something is wrong, a line with ✗ says what to do about it; click on the line to see all that was checked.

# %% [markdown] lang="zh" id="machine"
# ## 机器准备好了吗？
#
# 课程先检查一下自己：软件包、模型文件、内存和磁盘。哪里不对，那一行前面就有 ✗，后面写着该怎么办；点开这一行，可以看检查了些什么。

# %% id="machine-code" tags=["measured"]
from lessons.kit.setup_cell import show_doctor

show_doctor()

# %% [markdown] lang="en" id="pocket-clip"
# ## A CLIP that fits in a pocket
#
# The course brings its own CLIP. It is built from the same classes as the original, but it is small, and all it has ever seen is a world of drawings that this project makes. We load it, count its parameters and list the objects of its world.

# %% [markdown] lang="zh" id="pocket-clip"
# ## 装得进口袋的 CLIP
#
# 课程自带一个 CLIP。它用的是和原版相同的 Python 类，只是小得多，而且训练时只见过一个世界：本项目画出来的世界。我们把它加载进来，数一数参数，再看看这个世界里有哪些物体。

# %% id="pocket-clip-code" tags=["prepare"]
from helpers import data, language
from helpers.pretrained import encode_texts, load_clip
from lessons.kit.explorer import tabulate_accuracies
from lessons.lesson_00_start_here import exercises, explorers
from pocket import datasets, tasks, world

clip, processor = load_clip()
parameters, n = clip.num_parameters(), len(world.OBJECTS)
print(language.say(en=f"{parameters:,} parameters, {n} objects:", zh=f"{parameters:,} 个参数，{n} 种物体："))
print(", ".join(world.OBJECTS))

# %% [markdown] lang="en" id="first-guess"
# ## Which name fits?
#
# A few words of code describe a scene, and the picture is drawn from them. CLIP compares the picture with one sentence for each object, from “a photo of a cat.” to “a photo of a crown.”; nobody tells it which one is true, and nothing is trained for it, which is why this is called *zero-shot*. **Before you run the next cell**, say a number: what probability, in per cent, will the right name get?

# %% [markdown] lang="zh" id="first-guess"
# ## 哪个名称最符合这张图？
#
# 几个词的代码就能描述一个场景，再照着它画出图来。每种物体对应一句话，从“a photo of a cat.”一直到“a photo of a crown.”，CLIP 拿这张图和它们逐一比较，没有人告诉它哪一句是对的。这样不经训练就分类，叫零样本（zero-shot）。**先别运行下一格**，猜一个数：正确名称的概率会是百分之几？

# %% id="first-guess-code"
snail = world.Thing("snail", "purple", "large")
scene = world.Scene((snail,), background="beach", style="photo")
explorers.draw_scene_with_scores(clip, processor, scene)

# %% [markdown] lang="en" id="scores"
# ## What the probabilities mean
#
# CLIP turns the picture into a vector and every sentence into a vector, and measures how well their directions agree. A softmax turns these measurements into probabilities, which add up to 100 %: the bars in the figure. **Before you run the next cell**: we strike the right name off the list. Will all probabilities be small now, or will another name take the place?

# %% [markdown] lang="zh" id="scores"
# ## 概率是什么意思
#
# CLIP 把图片变成一个向量，把每句话也变成一个向量，量一量它们的方向有多接近；softmax 再把这些数换算成**概率**（probability），加起来正好是 100%，图上的条形就是它们。**先别运行下一格**：我们把正确的名称从名单里划掉。这时每个名称的概率都会很低，还是会有别的名称顶上来？

# %% id="scores-code" tags=["measured"]
others = [name for name in world.OBJECTS if name != "snail"]
explorers.draw_scene_with_scores(clip, processor, scene, names=others)

# %% [markdown] lang="en" id="compose"
# ## Compose a scene
#
# The probabilities still add up to 100 %: CLIP can only say which of *these* sentences fits best, and never “none of them”.
#
# Now it is your turn: each control redraws the picture and compares again. We begin with a small dog in a painting, and CLIP is no longer so sure. Is it the size, the style, or only the two together? Name the style in the prompt: does it help? In which style does CLIP go astray, and does naming help there? (If not, read the line under the figure.) In the prompt, `{}` stands for the name and `{style}` for the style; press Enter after editing it. Without a mouse, Tab goes from control to control, and Space opens a list.

# %% [markdown] lang="zh" id="compose"
# ## 自己搭一个场景
#
# 概率加起来仍是 100%：CLIP 只能说**这几句话**里哪句最合适，从来不会说“都不对”。
#
# 现在轮到你了：每动一个控件，图就重画一次，概率也重算一次。一开始画的是油画里一只小小的狗，CLIP 不那么有把握了。是因为小，因为风格，还是两样凑在一起？把风格写进提示词，有没有帮助？哪种风格会让它认错，写进提示词又有没有用？（没有的话，看看图下面那行小字说了什么。）提示词里的 `{}` 代表名称，`{style}` 代表风格；改完按回车。不用鼠标也行：Tab 键换控件，空格键展开列表。

# %% id="compose-code"
dog = world.Thing("dog", "brown", "small")
explorers.explore_scene(clip, processor, world.Scene((dog,), background="beach", style="painting"), seed=1)

# %% [markdown] lang="en" id="styles"
# ## One thing, nine styles
#
# The world is drawn in nine styles. CLIP was trained on eight of them; the ninth, the sepia print, it has never seen. **Before you run the next cell**, make two guesses: in how many of the nine will it know the butterfly, and how sure of itself will it be in the ninth?

# %% [markdown] lang="zh" id="styles"
# ## 一样东西，九种风格
#
# 这个世界有九种画法。CLIP 训练时见过其中八种，第九种“泛黄老照片”（sepia print）从没见过。**先别运行下一格**，猜两件事：九张图里它能认出几只蝴蝶？对第九张，它会有多大把握？

# %% id="styles-code"
butterfly = world.Thing("butterfly", "yellow", "large")
explorers.draw_scene_in_styles(clip, processor, world.Scene((butterfly,), background="meadow"))

# %% [markdown] lang="en" id="own-picture"
# ## A picture of your own
#
# A style it never saw does not make this CLIP doubtful: it names something else, and is sure of it. A high probability is no proof that the model knows what it sees. (This was one scene; later lessons count over many.)
#
# Choose a picture file of your own, and write a few English texts, one a line. Do not expect too much of a pocket model: it knows only drawings and the words of its world, so a photograph of a real cat is as strange to it as the sepia print.
#
# Until you choose a file, the cell shows an example. Copy its third line and swap the two colours in the copy: can CLIP tell the two sentences apart? Saying what is there is easier than saying which is which, and we shall meet this again.

# %% [markdown] lang="zh" id="own-picture"
# ## 换成你自己的图片
#
# 没见过的风格并没有让这个 CLIP 犹豫：它认成了别的东西，而且很有把握。可见概率高，不等于它真的认得。（这只是一个场景；后面的课会在许多图片上统计。）
#
# 选一个自己的图片文件，再写几条英文，一行一条。别对口袋模型期望太高：它只认得画出来的东西和那个世界里的词，真猫的照片对它来说，和那张泛黄老照片一样陌生。
#
# 没选文件时，这里先放一张示例图。把第三行复制一份，对调其中的两种颜色：这两句 CLIP 分得清吗？说出画里有什么，比说清楚哪个是哪个容易，后面的课还会遇到这件事。

# %% id="own-picture-code"
things = (world.Thing("dog", "brown", "medium"), world.Thing("ball", "red", "small"))
example = world.draw(world.Scene(things, background="snow", style="cartoon"))
sentences = ["a cat.", "a dog.", "a brown dog and a red ball.", "a house at night."]
explorers.explore_picture(clip, processor, example, sentences)

# %% [markdown] lang="en" id="secret"
# ## Labels that follow a rule
#
# Somebody has labelled pictures with two things each. The label names one of the two, by a rule that nobody tells us. Look at ten of the pictures: can you see the rule? Under each of them is what CLIP answers to “a photo of a {}”.

# %% [markdown] lang="zh" id="secret"
# ## 标签有规律
#
# 有人给一批图片打了标签。每张图上有两样东西，标签只写其中一样，写哪一样有规律，但没人告诉我们。先看十张：你看得出规律吗？每张图下面是 CLIP 对“a photo of a {}”的回答。

# %% id="secret-code"
task = tasks.RIDDLE
pictures = datasets.draw_few_shot(task, shots=8, checks=4, tests=20)
explorers.draw_labelled_pictures(clip, processor, task.class_names, pictures.train)

# %% [markdown] lang="en" id="half"
# ## What words can do here
#
# The label is always the red one. “A photo of a {}” says nothing of red, and CLIP has no way to know. How far does it get? Make your guess first.

# %% [markdown] lang="zh" id="half"
# ## 词语能做到什么程度
#
# 标签总是红色的那一样。可“a photo of a {}”里没提红色，CLIP 无从知道。它能答对多少？先猜一猜。

# %% id="half-guess"
exercises.two_things.ask()

# %% [markdown] lang="en" id="half-answer"
# We count over hundreds of pictures that are for testing only: nothing will learn from them. (The first time this takes a few seconds; then their vectors are kept on disk.)

# %% [markdown] lang="zh" id="half-answer"
# 我们在几百张图上统计，这些图只用来测试，不参与训练。（第一次运行要算几秒钟；算好的向量存在硬盘上，以后直接取用。）

# %% id="half-code"
features = data.encode_split(clip, processor, pictures)
images, labels = features.test                        # (N, D), (N,)
sentences = [f"a photo of a {name}." for name in task.class_names]
texts = encode_texts(clip, processor, sentences)     # (C, D)
right = (images @ texts.T).argmax(-1) == labels       # (N,)
exercises.two_things.reveal(right.float().mean().item())

# %% [markdown] lang="en" id="train"
# ## Train your first ten vectors
#
# Now we take the words “a photo of a” away and put ten vectors in their place, filled with random numbers. Pictures with labels tell them step by step which way to move; CLIP itself is frozen. Nobody mentions the rule. **Before you run the cell**: will the ten vectors find it? The cell shows a stored run, in grey; press its button, and your own is drawn over it in blue while it learns.

# %% [markdown] lang="zh" id="train"
# ## 训练你的第一组向量
#
# 现在把“a photo of a”这几个词拿掉，换上十个向量，一开始里面都是随机数。带标签的图片一步一步告诉它们往哪边动；CLIP 本身是冻结的，也没有人提那条规律。**先别运行下一格**，想一想：这十个向量会自己找到规律吗？灰线是事先存好的一次训练；按下按钮，你自己的曲线就会一边训练一边画出来，是蓝色的。

# %% id="train-code"
explorer = explorers.train_first_vectors(clip, processor, task.class_names, features)
explorer

# %% [markdown] lang="en" id="as-good-as-a-word"
# ## Did they find the rule?
#
# Nobody mentioned red. For comparison we mention it now, in words, and test that prompt on the same pictures.
#
# And we ask what comes out where nothing has been learned: this is called the *null*. The stored curve begins at 50 %, above the 43 % of the words, before anything was learned (both on the validation pictures). That is luck: neither knows the rule, so each is right only when it happens to name the red one of the two things. Random vectors shift what CLIP favours, each start in its own way: one happens to name the red thing more often, another less often. So the table, which counts on the test pictures, also has your vectors before training, and the mean and range of ten other random starts. **Before you run the cell**: will the word do better than your ten vectors? How far does the luckiest random start come?

# %% [markdown] lang="zh" id="as-good-as-a-word"
# ## 它们找到规律了吗？
#
# 没有人提过红色。现在为了比较，我们用词语把它说出来，在同一批图上测一测。
#
# 还要看看什么都没学的时候能到多少，这叫**偶然对照**（null）。事先存好的那条曲线，还什么都没学就有 50%，比词语的 43% 还高（都是在验证集上）。这是运气：两者都不知道规律，只有碰巧答出红色的那一样，才算对。随机向量会让 CLIP 有所偏向，每一组偏得不一样：有的碰巧多答中红色的那一样，有的少一些。所以下面的表（在测试集上统计）里，还有你的向量训练前的样子，以及另外十组随机向量的平均和范围。**先别运行下一格**：写明 red 的提示词，会比你的十个向量更好吗？运气最好的一组随机向量能到多少？

# %% id="as-good-as-a-word-code"
red = encode_texts(clip, processor, [f"a photo of a red {name}." for name in task.class_names])
prompts = {"a photo of a {}.": texts, "a photo of a red {}.": red}  # (C, D) each
prompts |= explorers.encode_contexts(clip, processor, task.class_names, explorer.initial, explorer.context)
tabulate_accuracies({name: (images @ features.mT).argmax(-1) == labels for name, features in prompts.items()})

# %% [markdown] lang="en" id="as-good-as-a-word-seen"
# The ten vectors come about as far as the word, and nobody told them the word. Untrained ones do not: the ten other starts stay below even “a photo of a”, and the luckiest of all eleven (in the stored run the one before training) stays below both. So what training added was learned from the pictures. Both stay far from 100 %: a prompt can point at what the model sees in a picture, but it cannot make it see more.

# %% [markdown] lang="zh" id="as-good-as-a-word-seen"
# 没有人把规律告诉这十个向量，它们却做到了和写上 red 差不多的程度。没训练过的做不到：另外十组连“a photo of a”都不如，十一组里运气最好的（存好的这次，就是训练前的那一组）也比这两者低。可见训练多出来的部分，是从图片里学来的。两者离 100% 都还很远：提示词能指出要看什么，却不能让模型在图里看见更多。

# %% [markdown] lang="en" id="soft-prompt"
# ## What has just happened
#
# A prompt is a row of vectors: the tokenizer cuts the text into tokens, and a table gives each of them its vector. What the model reads are the vectors, and it does not ask whether a word stands behind them. That is the door: learned vectors can enter at the same place, as the ten framed ones below do. Such a row of learned vectors is called a **soft prompt**. Run the cell and look: are the two “a” the same? And how do the learned vectors differ from those of the words?

# %% [markdown] lang="zh" id="soft-prompt"
# ## 刚才发生了什么
#
# 提示词其实是一排向量：分词器（tokenizer）把文字切成词元（token），再查表，给每个词元取来一个向量。模型读的只是向量，并不在乎它是不是对应某个词。入口就在这里：学出来的向量也可以从这里进去，下图中带框的十个就是。这样一排学出来的向量，叫作**软提示词（soft prompt）**，也叫软提示。运行下一格看一看：两个“a”的向量是不是一模一样？学出来的向量又和词的向量有什么不同？

# %% id="soft-prompt-code"
context = explorer.context  # (M, D): the stored run's, until you press the button
explorers.draw_prompts(clip, processor, "a photo of a cat.", context)

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
exercises.learned_numbers.check(numbers, context, clip)

# %% id="how-many-numbers-solution" tags=["solution"]
numbers = context.shape[0] * context.shape[1]  # the same as context.numel()

# %% [markdown] lang="en" id="what-changed"
# ## What has changed?
#
# One question before you go on. Wrong answers are worth a click too: each explains itself.

# %% [markdown] lang="zh" id="what-changed"
# ## 是什么变了？
#
# 继续之前，先回答一个问题。选错也没关系，每个选项点开都有解释。

# %% id="what-changed-code"
exercises.what_changed.ask()

# %% [markdown] lang="en" id="what-next"
# ## The map of the course
#
# | lesson | you will be able to | minutes |
# |---|---|---|
# | **00 start here** | train ten vectors, and say what a soft prompt is | 20 |
# | 01 inside CLIP | follow a picture and a text through CLIP by hand | 45 |
# | 01b inside GPT-2 (optional) | write a head of attention, and all of GPT-2, by hand | 30 |
# | 02 a learnable context | write what the button did: let vectors into CLIP and train them | 60 |
# | 02b the same, ten times faster (optional) | make it fast, and prove that nothing changed | 30 |
# | 03 a soft prompt for GPT-2 | make a frozen GPT-2 describe pictures (a pocket GPT-2, prepared for it by its pretraining) | 75 |
# | 04 reading the vectors | ask what learned vectors say, and tell it from chance | 70 |
# | 05 the bug museum | find and mend real mistakes from public code | 65 |
# | 06 your own pictures | do all of it with your own pictures and the real models | 45 |
#
# Did the ten vectors learn the word “red”? They never saw it. Lesson 04 looks for it.

# %% [markdown] lang="zh" id="what-next"
# ## 课程地图
#
# | 课 | 学完你能做什么 | 分钟 |
# |---|---|---|
# | **00 从这里开始** | 训练十个向量，说清楚什么是软提示词 | 20 |
# | 01 走进 CLIP | 跟着一张图、一句话，把 CLIP 从头到尾亲自走一遍 | 45 |
# | 01b 走进 GPT-2（选学） | 亲手写出一个注意力头和整个 GPT-2 | 30 |
# | 02 可学习的上下文向量 | 自己写出按钮做的事：让向量进入 CLIP，再训练它们 | 60 |
# | 02b 结果不变，快十倍（选学） | 加速，并证明结果没有变 | 30 |
# | 03 给 GPT-2 的软提示词 | 让冻结的 GPT-2 描述图片（用口袋 GPT-2，它预训练时就为此做过准备） | 75 |
# | 04 解读向量 | 问一问这些向量在说什么，并检验那是不是碰巧 | 70 |
# | 05 错误博物馆 | 找出并修好公开代码里的真实错误 | 65 |
# | 06 你自己的图片 | 用自己的图片和真正的模型，全部再做一遍 | 45 |
#
# 训练时从没出现过“red”这个词。这十个向量学到它了吗？第 04 课我们去找一找。
