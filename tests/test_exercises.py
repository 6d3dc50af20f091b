"""What holds for the exercises, quizzes and predictions of every lesson: tested with their solution, their stub and wrong answers.

A lesson's wrong answers stand in `WRONG`: code that takes the stub's place, and a part of what the check must then say in each
language. Cells tagged `prepare` in the lesson's source are run first, so an exercise may use their names.
"""

import contextlib
import html
import io
import re
from functools import cache
from pathlib import Path

import jupytext
import pytest
import torch

from helpers import language
from lessons.exercises import (
    bug_museum,
    faster,
    inside_clip,
    learnable_context,
    own_pictures,
    reading,
    soft_prompt,
    start_here,
)
from lessons.kit.exercise import Choice, Exercise, Mistake, Prediction, Quiz, Text, is_stub

CHINESE = re.compile("[\u4e00-\u9fff]")
ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "lessons").glob("[0-9]*.py"))

# Code for lesson 05 with a gap where its wrong answers differ.
LOSS = (
    "def caption_loss(model, features, ids, lengths):\n    logits = model(features, ids)\n"
    "    before = logits.shape[1] - ids.shape[1]\n"
    "    labels = ids.masked_fill(experiments.padding(ids, lengths), -100)\n"
    "    return F.cross_entropy({}.flatten(0, 1), labels.flatten(){})"
)
ENCODE = (
    "def encode(clip, processor, names, context):\n"
    "    ids, slots = experiments.texts_with_slots(processor, names, len(context))\n"
    "    words = clip.text_model.embeddings.token_embedding(ids)\n"
    "    places = clip.text_model.embeddings.position_embedding.weight[: ids.shape[1]]\n"
    "    words = overwrite({})\n"
    "    return museum.at_the_end(clip, text_layers(clip, {}), ids)"
)
READS = (
    "def reads_back(read, clip, processor, ids):\n"
    "    known = processor.tokenizer.convert_ids_to_tokens(ids)\n"
    "    found = read(clip.text_model.embeddings.token_embedding.weight[ids], clip, processor)\n"
    "    return {}"
)
NEXT = (
    "def next_token(logits, top_p, temperature, generator):\n    logits = logits / temperature\n"
    "    shares, order = logits.softmax(-1).sort(descending=True)\n"
    "    logits = logits.index_fill(0, order[{}], float('-inf'))\n"
    "    return torch.multinomial(logits.softmax(-1), 1, generator=generator)[0]"
)

# Code for lesson 06, the same.
SPLIT = (
    "def split(labels, generator):\n    parts = [], [], []\n    for label in labels.unique():\n"
    "        numbers = (labels == label).nonzero().flatten()\n        numbers = {}\n"
    "        quarter = max(1, len(numbers) // 4)\n        sizes = [len(numbers) - 2 * quarter, quarter, quarter]\n"
    "        for part, mine in zip(parts, {}):\n            part.append(mine)\n"
    "    return [torch.cat(part) for part in parts]"
)
SPLIT_RIGHT = SPLIT.format("numbers[torch.randperm(len(numbers), generator=generator)]", "numbers.split(sizes)")
ENTRIES = (
    "def entries(classes, folder):\n"
    "    return [{{'image_path': {}, 'text': f'a {{{}}}.'}} for file, label in zip(classes.files, classes.labels)]"
)

WRONG = {
    ("00_start_here", "how-many-numbers-code"): [
        ("numbers = 10", "how many vectors there are", "向量的个数"),
        ("numbers = 128", "how many numbers one vector has", "一个向量里"),
        ("numbers = clip.num_parameters()", "It is frozen", "冻结"),
        ("numbers = 14 * 128", "belong to words", "属于词语"),
        ("numbers = 24 * 1280", "all of them share", "共用同样的十个"),
        ("numbers = 10 * 512", "number of framed strips", "带框的条数"),
        ("numbers = 1281", "number of framed strips", "带框的条数"),
        ("numbers = '1280'", "this is of type str", "你给的是 str"),
    ],
    ("01_inside_clip", "embed-exercise"): [
        (
            "def embed(clip, ids): return clip.text_model.embeddings.token_embedding(ids)",
            "rows of the tokens alone",
            "各自的行",
        ),
        (
            "def embed(clip, ids):\n    e = clip.text_model.embeddings\n"
            "    return e(input_ids=ids) + e.position_embedding.weight[:ids.shape[1]]",
            "added twice",
            "加了两次",
        ),
        (
            "def embed(clip, ids):\n    e = clip.text_model.embeddings\n"
            "    return e.position_embedding.weight[:ids.shape[1]].expand(len(ids), -1, -1)",
            "where are the words",
            "词到哪里去了",
        ),
        (
            "def embed(clip, ids):\n    e = clip.text_model.embeddings\n"
            "    return e.token_embedding(ids) * e.position_embedding.weight[:ids.shape[1]]",
            "not multiplied",
            "不是相乘",
        ),
        (
            "def embed(clip, ids):\n    e = clip.text_model.embeddings\n"
            "    return (e.token_embedding(ids) + e.position_embedding.weight[:ids.shape[1]])[0]",
            "keep the first size",
            "第一维 B",
        ),
        ("def embed(clip, ids): x = clip.text_model.embeddings(input_ids=ids)", "is there a return", "少了 return"),
        (
            "def embed(clip, ids):\n    e = clip.text_model.embeddings\n"
            "    return e.token_embedding(ids) + e.position_embedding.weight",
            "do not fit together",
            "对不上",
        ),
        ("def embed(clip, ids): return ids", "should have the shape", "形状应该是"),
    ],
    ("01_inside_clip", "mask-exercise"): [
        ("def causal_mask(T): return torch.full((T, T), float('-inf')).tril(-1)", "other way round", "方向反了"),
        ("def causal_mask(T): return torch.full((T, T), float('-inf')).triu()", "must see itself", "看得见自己"),
        ("def causal_mask(T): return torch.ones(T, T).tril()", "added to the scores", "加到得分上"),
        ("def causal_mask(T): return torch.ones(T, T).triu(1) * float('-inf')", "0 times infinity", "0 乘无穷大"),
        ("def causal_mask(T): return torch.zeros(T, T)", "Nothing is forbidden", "什么都没有禁止"),
        ("def causal_mask(T): return torch.full((T, T), -1.0).triu(1)", "Row i says", "第 i 行"),
        ("def causal_mask(T): return torch.full((T,), float('-inf'))", "should have the shape (4, 4)", "(4, 4)"),
    ],
    ("01_inside_clip", "pool-exercise"): [
        ("def pool(hidden, ids, end): return hidden[:, 0]", "pooled at the start", "取的是开头"),
        ("def pool(hidden, ids, end): return hidden[:, -1]", "that is padding", "那里是填充"),
        (
            "def pool(hidden, ids, end): return hidden[torch.arange(len(ids)), (ids == end).int().argmax(-1) - 1]",
            "token before the end",
            "前一个词元",
        ),
        (
            "def pool(hidden, ids, end): return hidden[:, (ids[0] == end).int().argmax()]",
            "each text has its own",
            "各不相同",
        ),
        ("def pool(hidden, ids, end): return hidden.mean(1)", "mean of all positions", "所有位置的平均"),
        ("def pool(hidden, ids, end): return hidden[:, 1]", "Not those vectors", "不是这些向量"),
        ("def pool(hidden, ids, end): return hidden[ids == end]", "padding is the end token, too", "比文字还多"),
        ("def pool(hidden, ids, end): return hidden[:, ids.argmax(-1)]", "should have the shape", "形状应该是"),
    ],
    ("01_inside_clip", "positions-exercise"): [
        ("positions = 576", "576 are the patches", "576 是图块的个数"),
        ("positions = 24", "along one edge", "一条边"),
        ("positions = 336 * 336", "counts pixels", "数的是像素"),
        ("positions = 197", "How many squares", "放得下几个"),
        ("positions = '577'", "this is of type str", "你给的是 str"),
    ],
    ("01_inside_clip", "logits-exercise"): [
        (
            "def logits(images, texts, log_scale): return log_scale.exp() * images @ texts.T",
            "Long vectors win",
            "谁长谁赢",
        ),
        (
            "def logits(images, texts, log_scale): return log_scale.exp() * F.normalize(images, dim=-1) @ texts.T",
            "pictures and texts",
            "图片和文字都要",
        ),
        (
            "def logits(images, texts, log_scale):\n"
            "    return log_scale.exp() * F.normalize(images, dim=0) @ F.normalize(texts, dim=0).T",
            "normalised the columns",
            "归一化的是列",
        ),
        (
            "def logits(images, texts, log_scale):\n"
            "    return F.normalize(images, dim=-1) @ F.normalize(texts, dim=-1).T / log_scale.exp()",
            "You divided",
            "用了除法",
        ),
        (
            "def logits(images, texts, log_scale): return F.normalize(images, dim=-1) @ F.normalize(texts, dim=-1).T",
            "scale is missing",
            "还缺缩放系数",
        ),
        (
            "def logits(images, texts, log_scale):\n"
            "    return log_scale * F.normalize(images, dim=-1) @ F.normalize(texts, dim=-1).T",
            "exponential first",
            "先取指数",
        ),
        (
            "def logits(images, texts, log_scale):\n"
            "    return log_scale.exp() * F.normalize(texts, dim=-1) @ F.normalize(images, dim=-1).T",
            "One row for each text",
            "每段文字一行",
        ),
        (
            "def logits(images, texts, log_scale):\n"
            "    x = log_scale.exp() * F.normalize(images, dim=-1) @ F.normalize(texts, dim=-1).T\n"
            "    return x.softmax(-1)",
            "probabilities already",
            "已经是概率",
        ),
        ("def logits(images, texts, log_scale): return images @ texts", "first factor", "两个矩阵相乘"),
        ("def logits(images, texts, log_scale): return torch.zeros(2, 3)", "The shape is right", "数不对"),
    ],
    ("02_learnable_context", "slots-exercise"): [
        ("def find_slots(ids, placeholder): return ids != placeholder", "other way round", "反了"),
        ("def find_slots(ids, placeholder): return ids >= placeholder", "Larger ids", "大的编号"),
        ("def find_slots(ids, placeholder): return (ids == placeholder).float()", "as numbers", "给的是数"),
        ("def find_slots(ids, placeholder): return (ids == placeholder).nonzero()", "numbers of places", "位置的编号"),
        (
            "def find_slots(ids, placeholder): return (ids[:1] == placeholder).expand_as(ids)",
            "taken for all of them",
            "用在了所有文字上",
        ),
        ("def find_slots(ids, placeholder): return ids == 1", "wherever in the text", "不管它在文字的哪里"),
        ("def find_slots(ids, placeholder): (ids == placeholder)", "is there a return", "少了 return"),
    ],
    ("02_learnable_context", "overwrite-exercise"): [
        (
            "def overwrite(words, slots, context):\n"
            "    return torch.cat([words[:, :1], context.expand(len(words), -1, -1), words[:, 1:]], 1)",
            "that is inserting",
            "这是插入",
        ),
        (
            "def overwrite(words, slots, context):\n    out = words.clone()\n    out[:, 1:3] = context\n    return out",
            "slots lie elsewhere",
            "槽位在别处",
        ),
        (
            "def overwrite(words, slots, context):\n"
            "    return words.masked_scatter(slots[..., None], context.detach().expand(len(words), -1, -1))",
            "no gradient could flow",
            "梯度传不回去",
        ),
        (
            "def overwrite(words, slots, context):\n"
            "    added = torch.zeros_like(words).masked_scatter(slots[..., None], context.expand(len(words), -1, -1))\n"
            "    return words + added",
            "You added the context",
            "加到了占位词元的向量上",
        ),
        (
            "def overwrite(words, slots, context): return torch.where(slots[..., None], context[0], words)",
            "Every slot got the first vector",
            "放的都是第一个向量",
        ),
        (
            "def overwrite(words, slots, context):\n"
            "    return words.masked_scatter(slots[..., None], context.flip(0).expand(len(words), -1, -1))",
            "reverse order",
            "顺序反了",
        ),
        (
            "def overwrite(words, slots, context):\n"
            "    return words.masked_scatter_(slots[..., None], context.expand(len(words), -1, -1))",
            "itself was changed",
            "本身也被改了",
        ),
        ("def overwrite(words, slots, context): return words.clone()", "nothing was overwritten", "什么也没有覆盖"),
        (
            "def overwrite(words, slots, context): return words.masked_scatter(slots[..., None], context)",
            "each row needs its own copy",
            "每行各有一份",
        ),
        (
            "def overwrite(words, slots, context):\n    new = words.clone()\n    new[slots] = context\n    return new",
            "needs its own copy",
            "每行各有一份",
        ),
    ],
    ("02_learnable_context", "forward-exercise"): [
        (
            "class Learnable(Learnable):\n    def forward(self, input_ids=None, position_ids=None, inputs_embeds=None):\n"
            "        return context.overwrite(self.token_embedding(input_ids), input_ids == self.placeholder, self.context)",
            "positions are missing",
            "少了位置嵌入",
        ),
        (
            "class Learnable(Learnable):\n    def forward(self, input_ids=None, position_ids=None, inputs_embeds=None):\n"
            "        return CLIPTextEmbeddings.forward(self, input_ids=input_ids)",
            "what the parent class does",
            "父类的做法",
        ),
        (
            "class Learnable(Learnable):\n    def forward(self, input_ids=None, position_ids=None, inputs_embeds=None):\n"
            "        x = CLIPTextEmbeddings.forward(self, input_ids=input_ids)\n"
            "        return context.overwrite(x, input_ids == self.placeholder, self.context)",
            "after the positions",
            "加完位置之后",
        ),
        (
            "class Learnable(Learnable):\n    def forward(self, input_ids=None, position_ids=None, inputs_embeds=None):\n"
            "        x = context.overwrite(self.token_embedding(input_ids), input_ids == self.placeholder, self.context)\n"
            "        x = CLIPTextEmbeddings.forward(self, inputs_embeds=x)\n"
            "        return CLIPTextEmbeddings.forward(self, inputs_embeds=x)",
            "nothing else should",
            "别处就不要再加了",
        ),
        (
            "class Learnable(Learnable):\n    def forward(self, input_ids=None, position_ids=None, inputs_embeds=None):\n"
            "        x = CLIPTextEmbeddings.forward(self, input_ids=input_ids)\n"
            "        x = context.overwrite(x, input_ids == self.placeholder, self.context)\n"
            "        return CLIPTextEmbeddings.forward(self, inputs_embeds=x)",
            "words got their positions twice",
            "词的位置嵌入加了两次",
        ),
        (
            "class Learnable(Learnable):\n    def forward(self, input_ids=None, position_ids=None, inputs_embeds=None):\n"
            "        x = context.overwrite(self.token_embedding(input_ids), input_ids == self.placeholder, self.context.data)\n"
            "        return CLIPTextEmbeddings.forward(self, inputs_embeds=x)",
            "no gradient reaches",
            "梯度到不了",
        ),
        (
            "class Learnable(Learnable):\n    def forward(self, input_ids=None, position_ids=None, inputs_embeds=None):\n"
            "        CLIPTextEmbeddings.forward(self, input_ids=input_ids)",
            "is there a return",
            "少了 return",
        ),
    ],
    ("02_learnable_context", "length-exercise"): [
        ("vectors_needed = 5", "number of words", "单词的个数"),
        ("vectors_needed = 9", "start and the end", "文本起始符"),
        ("vectors_needed = len(prompt)", "number of characters", "字符的个数"),
        ("vectors_needed = 4", "Let the tokenizer count", "让分词器来数"),
        ("vectors_needed = '7'", "this is of type str", "你给的是 str"),
    ],
    ("02_learnable_context", "freeze-exercise"): [
        ("def freeze(model): model.eval()", "still asks for a gradient", "还在要梯度"),
        ("def freeze(model): model.requires_grad_(False)", "in training mode", "还在训练模式"),
        ("def freeze(model): model.requires_grad = False", "pins a note", "便条"),
        (
            "def freeze(model):\n    model.eval()\n    model.text_model.requires_grad_(False)",
            "are still free",
            "没有冻结",
        ),
        (
            "def freeze(model):\n    for p in model.parameters(): p.grad = None",
            "still asks for a gradient",
            "还在要梯度",
        ),
    ],
    ("02_learnable_context", "step-exercise"): [
        (
            "def training_step(prompted, optimizer, images, labels):\n"
            "    loss = F.cross_entropy(prompted(images), labels)\n    loss.backward()\n    optimizer.step()\n    return loss.item()",
            "pile up",
            "越积越多",
        ),
        (
            "def training_step(prompted, optimizer, images, labels):\n    loss = F.cross_entropy(prompted(images), labels)\n"
            "    loss.backward()\n    optimizer.zero_grad()\n    optimizer.step()\n    return loss.item()",
            "Nothing has moved",
            "什么也没动",
        ),
        (
            "def training_step(prompted, optimizer, images, labels):\n    loss = F.cross_entropy(prompted(images), labels)\n"
            "    optimizer.zero_grad()\n    loss.backward()\n    return loss.item()",
            "has to make its step",
            "走一步",
        ),
        (
            "def training_step(prompted, optimizer, images, labels):\n"
            "    loss = F.cross_entropy(prompted(images).softmax(-1), labels)\n"
            "    optimizer.zero_grad()\n    loss.backward()\n    optimizer.step()\n    return loss.item()",
            "makes the softmax itself",
            "自己会做 softmax",
        ),
        (
            "def training_step(prompted, optimizer, images, labels):\n    loss = -F.cross_entropy(prompted(images), labels)\n"
            "    optimizer.zero_grad()\n    loss.backward()\n    optimizer.step()\n    return loss.item()",
            "uphill",
            "往上坡走",
        ),
        (
            "def training_step(prompted, optimizer, images, labels):\n    loss = F.cross_entropy(prompted(images), labels)\n"
            "    optimizer.zero_grad()\n    loss.backward()\n    optimizer.step()",
            "give the loss back",
            "把损失返回",
        ),
        (
            "def training_step(prompted, optimizer, images, labels):\n    loss = F.cross_entropy(prompted(images), labels)\n"
            "    optimizer.zero_grad()\n    loss.backward()\n    optimizer.step()\n    return 1.0",
            "not the loss of this step",
            "不是这一步的损失",
        ),
        (
            "def training_step(prompted, optimizer, images, labels):\n    loss = F.cross_entropy(labels, prompted(images))\n"
            "    optimizer.zero_grad()\n    loss.backward()\n    optimizer.step()\n    return loss.item()",
            "logits first",
            "第一个参数是 logits",
        ),
        (
            "def training_step(prompted, optimizer, images, labels):\n    loss = F.cross_entropy(prompted(images), labels)\n"
            "    optimizer.zero_grad()\n    loss.backward()\n    optimizer.step()\n    return loss",
            "make it a plain number",
            "变成普通的数",
        ),
        (
            "def training_step(prompted, optimizer, images, labels):\n    loss = F.mse_loss(prompted(images), F.one_hot(labels).float())\n"
            "    optimizer.zero_grad()\n    loss.backward()\n    optimizer.step()\n    return loss.item()",
            "not by this gradient",
            "不是按这个梯度",
        ),
    ],
    ("02_learnable_context", "choose-exercise"): [
        (
            "def best_step(evaluations, test): return evaluations[test.index(max(test))].step",
            "chose by the test",
            "按测试图片挑的",
        ),
        (
            "def best_step(evaluations, test): return min(evaluations, key=lambda evaluation: evaluation.loss).step",
            "by heart",
            "背得最熟",
        ),
        ("def best_step(evaluations, test): return evaluations[-1].step", "simply the last", "最后一步"),
        (
            "def best_step(evaluations, test): return max(evaluations, key=lambda evaluation: evaluation.validation_score).step",
            "goes by the loss",
            "看的是损失",
        ),
        (
            "def best_step(evaluations, test): return min(evaluations, key=lambda evaluation: evaluation.validation_loss)",
            "number of the step",
            "步数",
        ),
        ("def best_step(evaluations, test): return 2", "place in the list", "列表里的位置"),
        (
            "def best_step(evaluations, test): return max(evaluations[:-1], key=lambda evaluation: evaluation.validation_loss).step",
            "small is good",
            "越小越好",
        ),
        ("def best_step(evaluations, test): return 10", "smallest validation loss", "验证集损失最小"),
    ],
    ("02b_faster", "trim-exercise"): [
        ("def trim(ids, end): return ids[:, : end.max()]", "One too short", "短了一个"),
        ("def trim(ids, end): return ids[:, : end.min() + 1]", "cut too early", "截得太早"),
        ("def trim(ids, end): return ids[:, : end[0] + 1]", "first text ends", "第一段文字的结尾"),
        ("def trim(ids, end): return ids", "Nothing was cut", "什么也没截掉"),
        ("def trim(ids, end): return ids[:, -(end.max() + 1) :]", "other positions", "位置不对"),
        ("def trim(ids, end): ids[:, : end.max() + 1]", "is there a return", "少了 return"),
    ],
    ("02b_faster", "share-exercise"): [
        ("def shared(ids): return int((ids == ids[0]).all(0).sum())", "every column", "所有相同的列"),
        ("def shared(ids): return 2", "start of text", "文本起始符"),
        ("def shared(ids): return ids.shape[1]", "class names differ", "各不相同"),
        ("def shared(ids): return 3", "names in front", "类别名在前面"),
        (
            "def shared(ids): return int((ids[0] == ids[1]).int().cumprod(0).sum())",
            "compared two texts only",
            "只比了两段文字",
        ),
        ("def shared(ids): return 0", "from the left", "从左往右"),
    ],
    ("02b_faster", "pays-exercise"): [
        ("def break_even(prepare, ours, theirs): return prepare / theirs", "take time as well", "也要花时间"),
        ("def break_even(prepare, ours, theirs): return prepare / ours", "divided by our step", "除以的是我们一步"),
        ("def break_even(prepare, ours, theirs): return theirs / ours", "how much faster", "快了几倍"),
        ("def break_even(prepare, ours, theirs): return prepare / (ours - theirs)", "wrong way round", "减反了"),
        ("def break_even(prepare, ours, theirs): return prepare", "When are they equal", "什么时候相等"),
    ],
    ("03_soft_prompt", "sequence-exercise"): [
        (
            "def put_before(prompt, pictures, words):\n"
            "    return torch.cat([pictures, prompt.expand(len(words), -1, -1), words], dim=1)",
            "picture stands before the prompt",
            "图片排到了提示词前面",
        ),
        (
            "def put_before(prompt, pictures, words):\n"
            "    return torch.cat([words, prompt.expand(len(words), -1, -1), pictures], dim=1)",
            "words come too early",
            "来得太早",
        ),
        (
            "def put_before(prompt, pictures, words):\n"
            "    return torch.cat([prompt.expand(len(words), -1, -1), words, pictures], dim=1)",
            "words come too early",
            "来得太早",
        ),
        (
            "def put_before(prompt, pictures, words):\n"
            "    return torch.cat([prompt.detach().expand(len(words), -1, -1), pictures, words], dim=1)",
            "could flow back to `prompt`",
            "传不回 prompt",
        ),
        (
            "def put_before(prompt, pictures, words):\n    with torch.no_grad():\n"
            "        return torch.cat([prompt.expand(len(words), -1, -1), pictures, words], dim=1)",
            "could flow back to `prompt`",
            "传不回 prompt",
        ),
        (
            "def put_before(prompt, pictures, words):\n"
            "    return torch.cat([prompt.expand(len(words), -1, -1), pictures.data, words], dim=1)",
            "could flow back to `pictures`",
            "传不回 pictures",
        ),
        (
            "def put_before(prompt, pictures, words): return torch.cat([prompt, pictures, words], dim=1)",
            "every row of the batch needs the prompt",
            "每一行都要有一份",
        ),
        (
            "def put_before(prompt, pictures, words): return torch.cat([prompt[None], pictures, words], dim=1)",
            "joined along dimension 1 must agree",
            "沿第 1 维拼接",
        ),
        (
            "def put_before(prompt, pictures, words):\n"
            "    return torch.cat([prompt.expand(len(words), -1, -1), pictures, words], dim=0)",
            "joined along dimension 0 must agree",
            "沿第 0 维拼接",
        ),
        (
            "def put_before(prompt, pictures, words):\n"
            "    return torch.cat([prompt.expand(len(words), -1, -1), pictures, words], dim=-1)",
            "joined along dimension 2 must agree",
            "沿第 2 维拼接",
        ),
        (
            "def put_before(prompt, pictures, words): return torch.cat([prompt + pictures, words], dim=1)",
            "Nothing is to be added",
            "加起来了",
        ),
        (
            "def put_before(prompt, pictures, words): return torch.cat([prompt.mean(0) + pictures, words], dim=1)",
            "You added the prompt",
            "加到了已有的向量上",
        ),
        (
            "def put_before(prompt, pictures, words): return torch.cat([pictures, words], dim=1)",
            "prompt is nowhere",
            "没有提示词",
        ),
        (
            "def put_before(prompt, pictures, words):\n"
            "    each = torch.zeros(len(words), *prompt.shape)\n    each[0] = prompt\n"
            "    return torch.cat([each, pictures, words], dim=1)",
            "Only the first row",
            "只有批里的第一行",
        ),
        (
            "def put_before(prompt, pictures, words):\n"
            "    return torch.cat([prompt.expand(len(words), -1, -1), pictures[:1].expand_as(pictures), words], dim=1)",
            "all as they are",
            "都保持原样",
        ),
        (
            "def put_before(prompt, pictures, words): torch.cat([prompt.expand(3, -1, -1), pictures, words], dim=1)",
            "is there a return",
            "少了 return",
        ),
    ],
    ("03_soft_prompt", "trainable-exercise"): [
        ("numbers = model.soft_prompt.prompt_embeddings.numel()", "soft prompt alone", "这只是软提示词"),
        (
            "numbers = model.soft_prompt.prompt_embeddings.numel() + model.vision_projection.weight.numel()",
            "has a bias, too",
            "还有偏置",
        ),
        (
            "numbers = model.soft_prompt.prompt_embeddings.numel() + model.vision_projection.weight.numel()\n"
            "numbers += model.vision_projection.in_features",
            "not as what goes in",
            "宽度和输出相同",
        ),
        ("numbers = model.vision_projection.weight.numel()", "projection alone", "这只是投影"),
        ("numbers = sum(p.numel() for p in model.vision_projection.parameters())", "projection alone", "这只是投影"),
        ("numbers = sum(p.numel() for p in model.parameters())", "frozen numbers as well", "冻结的数也算进去"),
        ("numbers = sum(p.numel() for p in model.language_model.parameters())", "That is GPT-2", "这是 GPT-2"),
        ("numbers = model.soft_prompt.prompt_embeddings.shape[0]", "counts positions", "数的是位置"),
        (
            "config = model.vision_model.config\n"
            "numbers = len(model.soft_prompt.prompt_embeddings) + (config.image_size // config.patch_size) ** 2",
            "counts positions",
            "数的是位置",
        ),
        (
            "config = model.vision_model.config\n"
            "numbers = len(model.soft_prompt.prompt_embeddings) + (config.image_size // config.patch_size) ** 2\n"
            "numbers *= model.vision_projection.out_features",
            "computed anew for each picture",
            "现算的",
        ),
        ("numbers = 12345", "Two things learn", "在学的有两样"),
        ("numbers = '20000'", "this is of type str", "你给的是 str"),
    ],
    ("03_soft_prompt", "mask-exercise"): [
        (
            "def attention_mask(lengths, before, longest):\n    mask = torch.zeros(len(lengths), before + longest)\n"
            "    mask[:, before:] = torch.arange(longest) < lengths[:, None]\n    return mask",
            "masked out what stands before the text",
            "前面的全遮住了",
        ),
        (
            "def attention_mask(lengths, before, longest): return torch.arange(longest) < lengths[:, None]",
            "mask of the text alone",
            "只是文字的掩码",
        ),
        (
            "def attention_mask(lengths, before, longest):\n"
            "    return (torch.arange(before + longest) >= before + lengths[:, None]).long()",
            "other way round",
            "反了",
        ),
        (
            "def attention_mask(lengths, before, longest):\n"
            "    return (torch.arange(before + longest) < before + lengths[:, None] - 1).long()",
            "One too few",
            "少了一个",
        ),
        (
            "def attention_mask(lengths, before, longest):\n"
            "    return torch.arange(before + longest) <= before + lengths[:, None]",
            "One too many",
            "多了一个",
        ),
        (
            "def attention_mask(lengths, before, longest): return torch.ones(before + longest, before + longest).tril()",
            "causal mask itself",
            "自己会做",
        ),
        (
            "def attention_mask(lengths, before, longest): return torch.ones(len(lengths), longest, longest).tril()",
            "causal mask itself",
            "自己会做",
        ),
        (
            "def attention_mask(lengths, before, longest): return torch.arange(before + longest) < lengths[:, None]",
            "from the first position",
            "从第一个位置",
        ),
        (
            "def attention_mask(lengths, before, longest): return torch.ones(len(lengths), before + longest)",
            "Nothing is masked",
            "什么也没遮住",
        ),
        (
            "def attention_mask(lengths, before, longest):\n"
            "    padding = torch.arange(before + longest) >= before + lengths[:, None]\n"
            "    return torch.zeros(padding.shape).masked_fill(padding, float('-inf'))",
            "Only 1 and 0",
            "只要 1 和 0",
        ),
        (
            "def attention_mask(lengths, before, longest):\n"
            "    return (torch.arange(before + longest) < before + lengths[:, None]).flip(1)",
            "padding stands before",
            "填充就在文字前面",
        ),
        (
            "def attention_mask(lengths, before, longest):\n"
            "    return (torch.arange(before + longest) < before + lengths[0]).expand(len(lengths), -1)",
            "zeros behind them",
            "后面是 0",
        ),
        (
            "def attention_mask(lengths, before, longest): torch.arange(before + longest) < before + lengths[:, None]",
            "is there a return",
            "少了 return",
        ),
        (
            "def attention_mask(lengths, before, longest): return torch.arange(before + longest) < before + lengths",
            "do not fit together",
            "对不上",
        ),
    ],
    ("03_soft_prompt", "labels-exercise"): [
        ("def make_labels(ids, lengths): return ids", "padding counts as well", "填充也算进去"),
        ("def make_labels(ids, lengths): return ids.masked_fill(ids == 1857, -100)", "padding counts", "填充也算进去"),
        (
            "def make_labels(ids, lengths): return ids.masked_fill(ids == ids[0, -1], -100)",
            "none would ever learn to end",
            "学不会在哪里结束",
        ),
        (
            "def make_labels(ids, lengths):\n"
            "    return ids.masked_fill(torch.arange(ids.shape[1]) >= lengths[:, None] - 1, -100)",
            "none would ever learn to end",
            "学不会在哪里结束",
        ),
        (
            "def make_labels(ids, lengths):\n"
            "    labels = ids.masked_fill(torch.arange(ids.shape[1]) >= lengths[:, None], -100)\n"
            "    return torch.cat([labels[:, 1:], torch.full((len(ids), 1), -100)], dim=1)",
            "have shifted the labels",
            "错开了一位",
        ),
        (
            "def make_labels(ids, lengths):\n"
            "    return ids.masked_fill(torch.arange(ids.shape[1]) >= lengths[:, None], 0)",
            "0 is a token",
            "0 也是一个词元",
        ),
        (
            "def make_labels(ids, lengths):\n"
            "    return ids.masked_fill(torch.arange(ids.shape[1]) >= lengths[:, None], -1)",
            "You put -1 on the padding",
            "放了 -1",
        ),
        (
            "def make_labels(ids, lengths):\n"
            "    return ids.masked_fill_(torch.arange(ids.shape[1]) >= lengths[:, None], -100)",
            "`ids` itself was changed",
            "ids 本身也被改了",
        ),
        (
            "def make_labels(ids, lengths):\n"
            "    labels = ids.masked_fill(torch.arange(ids.shape[1]) >= lengths[:, None], -100)\n"
            "    labels[:, 0] = -100\n    return labels",
            "first token is left out",
            "漏了第一个词元",
        ),
        (
            "def make_labels(ids, lengths):\n"
            "    return ids.masked_fill(torch.arange(ids.shape[1]) < lengths[:, None], -100)",
            "other way round",
            "反了",
        ),
        (
            "def make_labels(ids, lengths): return torch.arange(ids.shape[1]) < lengths[:, None]",
            "These marks say",
            "这是标记",
        ),
        (
            "def make_labels(ids, lengths):\n"
            "    return ids.float().masked_fill(torch.arange(ids.shape[1]) >= lengths[:, None], -100)",
            "as floats",
            "浮点数",
        ),
        (
            "def make_labels(ids, lengths):\n"
            "    return ids.masked_fill(torch.arange(ids.shape[1]) >= lengths[0], -100)",
            "the caption's end among them",
            "照原样",
        ),
        (
            "def make_labels(ids, lengths): ids.masked_fill(torch.arange(ids.shape[1]) >= lengths[:, None], -100)",
            "is there a return",
            "少了 return",
        ),
    ],
    ("03_soft_prompt", "shift-exercise"): [
        (
            "def caption_loss(logits, labels, before):\n"
            "    return F.cross_entropy(logits[:, before:].flatten(0, 1), labels.flatten(), ignore_index=-100)",
            "learns to copy",
            "照抄",
        ),
        (
            "def caption_loss(logits, labels, before):\n"
            "    return F.cross_entropy(logits[:, before + 1 :].flatten(0, 1), labels[:, :-1].flatten())",
            "wrong way",
            "方向反了",
        ),
        (
            "def caption_loss(logits, labels, before):\n"
            "    return F.cross_entropy(logits[:, before - 2 : -2].flatten(0, 1), labels.flatten())",
            "Shifted by two",
            "错开了两位",
        ),
        (
            "def caption_loss(logits, labels, before):\n"
            "    return F.cross_entropy(logits[:, before:-1].flatten(0, 1), labels[:, 1:].flatten())",
            "first token is left out",
            "漏了第一个词元",
        ),
        (
            "def caption_loss(logits, labels, before):\n"
            "    return F.cross_entropy(logits[:, : labels.shape[1]].flatten(0, 1), labels.flatten())",
            "first T places",
            "最前面的 T 个位置",
        ),
        (
            "def caption_loss(logits, labels, before):\n"
            "    return F.cross_entropy(logits[:, before - 1 : -1].flatten(0, 1), labels.clamp(min=0).flatten())",
            "as if it were token 0",
            "编号 0 的词元",
        ),
        (
            "def caption_loss(logits, labels, before):\n"
            "    each = F.cross_entropy(logits[:, before - 1 : -1].flatten(0, 1), labels.flatten(), reduction='none')\n"
            "    return each.mean()",
            "divided by all places",
            "所有位置的个数",
        ),
        (
            "def caption_loss(logits, labels, before):\n"
            "    each = [F.cross_entropy(row[before - 1 : -1], wanted) for row, wanted in zip(logits, labels)]\n"
            "    return torch.stack(each).mean()",
            "mean of each caption first",
            "先对每条说明文字",
        ),
        (
            "def caption_loss(logits, labels, before):\n"
            "    return F.cross_entropy(logits[:, before - 1 : -1].flatten(0, 1), labels.flatten(), reduction='sum')",
            "That is the sum",
            "这是总和",
        ),
        (
            "def caption_loss(logits, labels, before):\n"
            "    return F.cross_entropy(logits[:, before - 1 : -1].flatten(0, 1), labels.flatten(), reduction='none')",
            "One loss for each token",
            "各有一个损失",
        ),
        (
            "def caption_loss(logits, labels, before):\n"
            "    return F.cross_entropy(logits[:, before - 1 : -1].softmax(-1).flatten(0, 1), labels.flatten())",
            "makes the softmax itself",
            "自己会做 softmax",
        ),
        (
            "def caption_loss(logits, labels, before):\n"
            "    return -F.cross_entropy(logits[:, before - 1 : -1].flatten(0, 1), labels.flatten())",
            "sign is wrong",
            "符号反了",
        ),
        (
            "def caption_loss(logits, labels, before):\n    return F.cross_entropy(logits[:, before - 1 : -1], labels)",
            "flatten B and T",
            "展平成一维",
        ),
        (
            "def caption_loss(logits, labels, before):\n"
            "    return F.cross_entropy(logits.flatten(0, 1), labels.flatten())",
            "one label for each row",
            "一行要对一个标签",
        ),
        (
            "def caption_loss(logits, labels, before):\n"
            "    rows = logits[:, before - 1 : -1].flatten(0, 1)\n    return F.cross_entropy(rows, labels.flatten()).item()",
            "plain number",
            "普通的数",
        ),
        (
            "def caption_loss(logits, labels, before):\n"
            "    rows = logits[:, before - 1 : -1].flatten(0, 1)\n    return F.cross_entropy(rows, labels.flatten()).detach()",
            "no gradient could flow back",
            "梯度传不回去",
        ),
        (
            "def caption_loss(logits, labels, before):\n"
            "    F.cross_entropy(logits[:, before - 1 : -1].flatten(0, 1), labels.flatten())",
            "is there a return",
            "少了 return",
        ),
        (
            "def caption_loss(logits, labels, before): return logits[:, before - 1 : -1].mean()",
            "T places that predict the text",
            "预测文字的那 T 个位置",
        ),
    ],
    ("03_soft_prompt", "greedy-exercise"): [
        (
            "def greedy(gpt2, before, end, longest=40):\n    vectors, ids = before, []\n    for _ in range(longest):\n"
            "        ids.append(gpt2(inputs_embeds=vectors).logits[0, -1].argmax().item())\n"
            "        new = gpt2.get_input_embeddings()(torch.tensor([ids[-1:]]))\n"
            "        vectors = torch.cat([vectors, new], dim=1)\n    return ids",
            "talks on past the end",
            "过了结束符还在说",
        ),
        (
            "def greedy(gpt2, before, end, longest=40):\n    vectors, ids = before, []\n    while True:\n"
            "        ids.append(gpt2(inputs_embeds=vectors).logits[0, -1].argmax().item())\n"
            "        new = gpt2.get_input_embeddings()(torch.tensor([ids[-1:]]))\n"
            "        vectors = torch.cat([vectors, new], dim=1)\n    return ids",
            "text never ends",
            "没完没了",
        ),
        (
            "def greedy(gpt2, before, end, longest=40):\n    vectors, ids = before, []\n    while len(ids) < longest:\n"
            "        ids.append(gpt2(inputs_embeds=vectors).logits[0, -1].argmax().item())\n"
            "        if ids[-1] == end:\n            break\n"
            "        new = gpt2.get_input_embeddings()(torch.tensor([ids[-1:]]))\n"
            "        vectors = torch.cat([vectors, new], dim=1)\n    return ids",
            "end is still in it",
            "也留在里面",
        ),
        (
            "def greedy(gpt2, before, end, longest=40):\n    ids = []\n    while len(ids) < longest:\n"
            "        id = gpt2(inputs_embeds=before).logits[0, -1].argmax().item()\n"
            "        if id == end:\n            break\n        ids.append(id)\n    return ids",
            "Always the same token",
            "老是同一个词元",
        ),
        (
            "def greedy(gpt2, before, end, longest=40):\n    vectors, ids = before, []\n    while len(ids) < longest:\n"
            "        id = gpt2(inputs_embeds=vectors).logits[0, 0].argmax().item()\n"
            "        if id == end:\n            break\n        ids.append(id)\n"
            "        new = gpt2.get_input_embeddings()(torch.tensor([[id]]))\n"
            "        vectors = torch.cat([vectors, new], dim=1)\n    return ids",
            "read off the first position",
            "取的是第一个位置",
        ),
        (
            "def greedy(gpt2, before, end, longest=40):\n    vectors, ids = before, []\n    while len(ids) < longest:\n"
            "        id = gpt2(inputs_embeds=vectors).logits[0, -1].argmax().item()\n"
            "        if id == end:\n            break\n        ids.append(id)\n"
            "        vectors = gpt2.get_input_embeddings()(torch.tensor([[id]]))\n    return ids",
            "gets only the newest one",
            "就只拿到最新的那一个",
        ),
        (
            "def greedy(gpt2, before, end, longest=40):\n    ids = []\n    while len(ids) < longest:\n"
            "        out = gpt2(torch.tensor([ids])) if ids else gpt2(inputs_embeds=before)\n"
            "        id = out.logits[0, -1].argmax().item()\n"
            "        if id == end:\n            break\n        ids.append(id)\n    return ids",
            "reads only its own text",
            "只读自己的文字",
        ),
        (
            "def greedy(gpt2, before, end, longest=40):\n    vectors, ids = before, []\n    while len(ids) < longest:\n"
            "        id = gpt2(inputs_embeds=vectors).logits[0, -1].argmax().item()\n"
            "        if id == end:\n            break\n        ids.append(id)\n"
            "        new = gpt2.get_input_embeddings()(torch.tensor([[id]]))\n"
            "        vectors = torch.cat([new, vectors], dim=1)\n    return ids",
            "went in front",
            "放到最前面",
        ),
        (
            "def greedy(gpt2, before, end, longest=40):\n    vectors, ids = before, []\n    while len(ids) < longest:\n"
            "        id = gpt2(inputs_embeds=vectors).logits[0, -1].softmax(-1).multinomial(1).item()\n"
            "        if id == end:\n            break\n        ids.append(id)\n"
            "        new = gpt2.get_input_embeddings()(torch.tensor([[id]]))\n"
            "        vectors = torch.cat([vectors, new], dim=1)\n    return ids",
            "draw tokens at random",
            "随机抽",
        ),
        (
            "def greedy(gpt2, before, end, longest=40):\n    vectors, ids = before, []\n    while len(ids) <= longest:\n"
            "        id = gpt2(inputs_embeds=vectors).logits[0, -1].argmax().item()\n"
            "        if id == end:\n            break\n        ids.append(id)\n"
            "        new = gpt2.get_input_embeddings()(torch.tensor([[id]]))\n"
            "        vectors = torch.cat([vectors, new], dim=1)\n    return ids",
            "it has 4 tokens",
            "出来了 4 个词元",
        ),
        (
            "def greedy(gpt2, before, end, longest=40):\n    vectors, ids = before, []\n    while len(ids) < longest - 1:\n"
            "        id = gpt2(inputs_embeds=vectors).logits[0, -1].argmax().item()\n"
            "        if id == end:\n            break\n        ids.append(id)\n"
            "        new = gpt2.get_input_embeddings()(torch.tensor([[id]]))\n"
            "        vectors = torch.cat([vectors, new], dim=1)\n    return ids",
            "it has only 2 tokens",
            "只出来了 2 个词元",
        ),
        (
            "def greedy(gpt2, before, end, longest=40):\n    vectors, ids = before, []\n    while len(ids) < longest:\n"
            "        id = gpt2(inputs_embeds=vectors).logits[0, -1].argmax().item()\n"
            "        if id == end:\n            break\n        ids.append(id)\n"
            "        new = gpt2.get_input_embeddings()(torch.tensor([id]))\n"
            "        vectors = torch.cat([vectors, new], dim=1)\n    return ids",
            "with two brackets",
            "两层方括号",
        ),
        (
            "def greedy(gpt2, before, end, longest=40):\n    vectors, ids = before, []\n    while len(ids) < longest:\n"
            "        id = gpt2(inputs_embeds=vectors).logits[0, -1].argmin().item()\n"
            "        if id == end:\n            break\n        ids.append(id)\n"
            "        new = gpt2.get_input_embeddings()(torch.tensor([[id]]))\n"
            "        vectors = torch.cat([vectors, new], dim=1)\n    return ids",
            "Again and again",
            "一遍又一遍",
        ),
        ("def greedy(gpt2, before, end, longest=40): return []", "Not a single token", "一个词元也没有"),
        ("def greedy(gpt2, before, end, longest=40): return 'a red cat'", "this is of type str", "你给的是 str"),
        ("def greedy(gpt2, before, end, longest=40): gpt2(inputs_embeds=before)", "is there a return", "少了 return"),
    ],
    ("03_soft_prompt", "curves-exercise"): [
        ("letters = 'ABC'", "Not A for “rate too high”", "“学习率太大”不是 A"),
        ("letters = 'ABC'", "stays far above it", "远远停在上面"),
        ("letters = 'c, a, b'", "Not B for “stopped too soon”", "“停得太早”不是 B"),
        ("letters = ['B', 'C', 'A']", "Not C for “too few pictures”", "“图片太少”不是 C"),
        ("letters = 'BAB'", "Three different letters", "三个不同的字母"),
        ("letters = 'BA'", "Three different letters", "三个不同的字母"),
        ("letters = 3", "this is of type int", "你给的是 int"),
    ],
    ("04_reading", "nearest-exercise"): [
        ("def nearest(vectors, table, k): return (vectors @ table.T).topk(k).indices", "Long rows win", "占了便宜"),
        (
            "def nearest(vectors, table, k): return (F.normalize(vectors, dim=-1) @ table.T).topk(k).indices",
            "Normalising the vectors alone does not help",
            "只把向量归一化没有用",
        ),
        (
            "def nearest(vectors, table, k): return torch.cdist(vectors, table).topk(k, largest=False).indices",
            "by Euclidean distance",
            "按欧氏距离",
        ),
        (
            "def nearest(vectors, table, k): return reading.distances(vectors, table).topk(k).indices",
            "These are the farthest",
            "这些是最远的",
        ),
        (
            "def nearest(vectors, table, k):\n"
            "    return (F.normalize(vectors, dim=0) @ F.normalize(table, dim=0).T).topk(k).indices",
            "along the wrong dimension",
            "归一化的维度错了",
        ),
        (
            "def nearest(vectors, table, k):\n"
            "    return (F.normalize(vectors, dim=-1) @ F.normalize(table, dim=0).T).topk(k).indices",
            "along the wrong dimension",
            "归一化的维度错了",
        ),
        (
            "def nearest(vectors, table, k):\n    return (-reading.distances(vectors, table)).softmax(0).topk(k).indices",
            "compete for the rows",
            "争同一行",
        ),
        (
            "def nearest(vectors, table, k):\n    return reading.distances(vectors, table).topk(k, largest=False).values",
            "Floats: cosines or distances",
            "这是浮点数",
        ),
        (
            "def nearest(vectors, table, k): return reading.distances(vectors, table).topk(k, largest=False)",
            "The ids are the indices",
            "编号是 indices",
        ),
        (
            "def nearest(vectors, table, k):\n"
            "    return reading.distances(vectors, table).argsort(descending=True)[:, -k:]",
            "the nearest stands last",
            "排在了最后",
        ),
        (
            "def nearest(vectors, table, k):\n    return reading.nearest_tokens(vectors, table, k).ids.sort(-1).values",
            "but not in order",
            "顺序不对",
        ),
        (
            "def nearest(vectors, table, k): return reading.distances(vectors, table).argsort()",
            "Keep the first k",
            "只留前 k 个",
        ),
        (
            "def nearest(vectors, table, k): return reading.distances(vectors, table).argsort(0)[:k]",
            "You chose along the first dimension",
            "沿第一维",
        ),
        (
            "def nearest(vectors, table, k): return reading.nearest_tokens(vectors, table, k).ids.tolist()",
            "it is of type list",
            "现在是 list",
        ),
        (
            "def nearest(vectors, table, k):\n    table /= table.norm(dim=-1, keepdim=True)\n"
            "    return (vectors @ table.T).topk(k).indices",
            "`table` itself was changed",
            "table 本身被改了",
        ),
        (
            "def nearest(vectors, table, k): return 1 + reading.nearest_tokens(vectors, table, k).ids",
            "the numbers of the k rows",
            "余弦最大的 k 行",
        ),
        ("def nearest(vectors, table, k): (vectors @ table.T).topk(k)", "is there a return", "少了 return"),
    ],
    ("04_reading", "reads-back-exercise"): [
        (
            "def reads_back(known, ids, table): return known.shape[-1] == table.shape[-1]",
            "yes to every table of this width",
            "不管什么表你都说对",
        ),
        (
            "def reads_back(known, ids, table): return torch.allclose(known.norm(dim=-1), table[ids].norm(dim=-1))",
            "A rotated table got through",
            "旋转过的表",
        ),
        (
            "def reads_back(known, ids, table):\n"
            "    return torch.allclose(reading.cosines(known), reading.cosines(table[ids]), atol=1e-4)",
            "every angle between two words",
            "词与词之间的夹角",
        ),
        (
            "def reads_back(known, ids, table):\n    return bool((torch.cdist(known, table).argmin(-1) == ids).all())",
            "the table of a relative",
            "一个近亲",
        ),
        (
            "def reads_back(known, ids, table):\n"
            "    return bool((reading.nearest_tokens(known, table, 1).ids[:, 0] == ids).any())",
            "one of the five words",
            "五个词里有一个",
        ),
        (
            "def reads_back(known, ids, table): return bool((torch.cdist(known, table).min(-1).values < 1e-3).all())",
            "at another word's number",
            "成了别的词的",
        ),
        (
            "def reads_back(known, ids, table):\n    near = reading.nearest_tokens(known, table, 1)\n"
            "    return bool((near.ids[:, 0] == ids).all() and (near.distances < 1e-6).all())",
            "each row is twice as long",
            "模长都大了一倍",
        ),
        ("def reads_back(known, ids, table): return torch.equal(known, table[ids])", "Allow for rounding", "容许舍入"),
        (
            "def reads_back(known, ids, table): return bool((table[ids] - known).max() < 1e-5)",
            "differences have a sign",
            "差有正有负",
        ),
        (
            "def reads_back(known, ids, table):\n"
            "    return bool((torch.cdist(known, table).argmin(-1) == torch.arange(len(ids))).all())",
            "need not be row 0",
            "不一定在第 0 行",
        ),
        (
            "def reads_back(known, ids, table): return not torch.allclose(known, table[ids])",
            "no even to the table",
            "连它也说不对",
        ),
        (
            "def reads_back(known, ids, table): return torch.cdist(known, table).argmin(-1) == ids",
            "Many answers came back",
            "返回了许多个答案",
        ),
        (
            "def reads_back(known, ids, table): return table[ids].norm().item()",
            "this is of type float",
            "你给的是 float",
        ),
        ("def reads_back(known, ids, table): torch.allclose(known, table[ids])", "is there a return", "少了 return"),
    ],
    ("04_reading", "pca-exercise"): [
        (
            "def pca(table, n):\n    _, S, Vh = torch.linalg.svd(table, full_matrices=False)\n"
            "    return table.mean(0), Vh[:n], S[:n] ** 2 / (S**2).sum()",
            "Not centred",
            "没有中心化",
        ),
        (
            "def pca(table, n):\n    mean = table.mean(0)\n"
            "    U, S, _ = torch.linalg.svd(table - mean, full_matrices=False)\n"
            "    return mean, U[:, :n].T, S[:n] ** 2 / (S**2).sum()",
            "one for every word",
            "一个词一个",
        ),
        (
            "def pca(table, n):\n    mean = table.mean(0)\n"
            "    _, S, Vh = torch.linalg.svd(table - mean, full_matrices=False)\n"
            "    return mean, (table - mean) @ Vh[:n].T, S[:n] ** 2 / (S**2).sum()",
            "the places where the words end up",
            "投影后的位置",
        ),
        (
            "def pca(table, n):\n    mean = table.mean(0)\n"
            "    _, S, Vh = torch.linalg.svd(table - mean, full_matrices=False)\n"
            "    return mean, Vh[:n].T, S[:n] ** 2 / (S**2).sum()",
            "The directions stand in columns",
            "方向是竖着放的",
        ),
        (
            "def pca(table, n):\n    mean = table.mean(0)\n"
            "    _, S, Vh = torch.linalg.svd(table - mean, full_matrices=False)\n"
            "    return mean, Vh[:, :n].T, S[:n] ** 2 / (S**2).sum()",
            "columns where directions stand in rows",
            "你取的却是列",
        ),
        (
            "def pca(table, n):\n    mean = table.mean(0)\n    values, axes = torch.linalg.eigh((table - mean).T @ (table - mean))\n"
            "    return mean, axes[:, :n].T, values[:n] / values.sum()",
            "eigh puts the smallest first",
            "eigh 把最小的排在前面",
        ),
        (
            "def pca(table, n):\n    mean = table.mean(0)\n    values, axes = torch.linalg.eigh((table - mean).T @ (table - mean))\n"
            "    return mean, axes[:, -n:].T, values[-n:] / values.sum()",
            "largest share stands last",
            "占比最大的排在了最后",
        ),
        (
            "def pca(table, n):\n    mean = table.mean(0)\n"
            "    _, S, Vh = torch.linalg.svd((table - mean) / table.std(0), full_matrices=False)\n"
            "    return mean, Vh[:n], S[:n] ** 2 / (S**2).sum()",
            "divided each column by its spread",
            "除以了标准差",
        ),
        (
            "def pca(table, n):\n    mean = table.mean(0)\n"
            "    _, S, Vh = torch.linalg.svd(table - mean, full_matrices=False)\n"
            "    return mean, S[:n, None] * Vh[:n], S[:n] ** 2 / (S**2).sum()",
            "their lengths are not 1",
            "模长却不是 1",
        ),
        (
            "def pca(table, n):\n    mean = table.mean(0)\n"
            "    _, S, Vh = torch.linalg.svd(table - mean, full_matrices=False)\n"
            "    return mean, Vh[:n], S[:n] / S.sum()",
            "A variance is a square",
            "方差是平方",
        ),
        (
            "def pca(table, n):\n    mean = table.mean(0)\n"
            "    _, S, Vh = torch.linalg.svd(table - mean, full_matrices=False)\n"
            "    return mean, Vh[:n], S[:n] ** 2 / (S[:n] ** 2).sum()",
            "seem to explain everything",
            "好像全都解释了",
        ),
        (
            "def pca(table, n):\n    mean = table.mean(0)\n"
            "    _, S, Vh = torch.linalg.svd(table - mean, full_matrices=False)\n"
            "    return mean, Vh[:n], S[:n] / S[:n].sum()",
            "Two things",
            "有两处",
        ),
        (
            "def pca(table, n):\n    mean = table.mean(0)\n    values, axes = torch.linalg.eigh((table - mean).T @ (table - mean))\n"
            "    values, axes = values.flip(0), axes.flip(1)\n"
            "    return mean, axes[:, :n].T, values[:n] ** 2 / (values**2).sum()",
            "Squared once too often",
            "多平方了一次",
        ),
        (
            "def pca(table, n):\n    mean = table.mean(0)\n"
            "    _, S, Vh = torch.linalg.svd(table - mean, full_matrices=False)\n"
            "    return mean, Vh[:n], (S**2 / (S**2).sum()).cumsum(0)[:n]",
            "running totals",
            "逐个累加",
        ),
        (
            "def pca(table, n):\n    mean = table.mean(0)\n"
            "    _, S, Vh = torch.linalg.svd(table - mean, full_matrices=False)\n"
            "    return mean, Vh[:n], 100 * S[:n] ** 2 / (S**2).sum()",
            "in percent",
            "百分数",
        ),
        (
            "def pca(table, n):\n    mean = table.mean(0)\n"
            "    _, S, Vh = torch.linalg.svd(table - mean, full_matrices=False)\n"
            "    return mean, Vh[:n], S[:n] ** 2 / (len(table) - 1)",
            "These are variances",
            "这是方差",
        ),
        (
            "def pca(table, n):\n    mean = table.mean(0)\n"
            "    _, S, Vh = torch.linalg.svd(table - mean, full_matrices=False)\n"
            "    return mean, Vh[:n], (S[:n] ** 2 / (S**2).sum()).flip(0)",
            "shares stand in the reverse order",
            "占比的次序反了",
        ),
        (
            "def pca(table, n):\n    mean = table.mean(0)\n"
            "    _, S, Vh = torch.linalg.svd(table - mean, full_matrices=False)\n"
            "    return mean, Vh[:n], S**2 / (S**2).sum()",
            "explained should have the shape (2,)",
            "explained 的形状应该是 (2,)",
        ),
        (
            "def pca(table, n):\n    _, S, Vh = torch.linalg.svd(table - table.mean(), full_matrices=False)\n"
            "    return table.mean(), Vh[:n], S[:n] ** 2 / (S**2).sum()",
            "mean of each column",
            "每一列的平均",
        ),
        (
            "def pca(table, n):\n    table = table - table.mean(0)\n"
            "    _, S, Vh = torch.linalg.svd(table, full_matrices=False)\n"
            "    return table.mean(0), Vh[:n], S[:n] ** 2 / (S**2).sum()",
            "mean of a centred table is 0",
            "中心化以后的表",
        ),
        (
            "def pca(table, n):\n    mean = table.mean(0)\n    table -= mean\n"
            "    _, S, Vh = torch.linalg.svd(table, full_matrices=False)\n"
            "    return mean, Vh[:n], S[:n] ** 2 / (S**2).sum()",
            "`table` itself was changed",
            "table 本身被改了",
        ),
        (
            "def pca(table, n): return torch.linalg.svd(table - table.mean(0), full_matrices=False).Vh[:n]",
            "Three things are to come back",
            "要返回三样东西",
        ),
        ("def pca(table, n): mean = table.mean(0)", "is there a return", "少了 return"),
    ],
    ("04_reading", "snap-exercise"): [
        (
            "def snap(vectors, table, allowed): return reading.nearest_tokens(vectors, table, 1, rows=allowed).ids[:, 0]",
            "These are numbers of rows",
            "这是行的编号",
        ),
        (
            "def snap(vectors, table, allowed): return table[reading.nearest_tokens(vectors, table, 1).ids[:, 0]]",
            "through the whole table",
            "整张表都找了一遍",
        ),
        (
            "def snap(vectors, table, allowed): return table[reading.distances(vectors, table[allowed]).argmin(-1)]",
            "a number in the whole table",
            "当成了整张表里的行号",
        ),
        (
            "def snap(vectors, table, allowed): return table[allowed[torch.cdist(vectors, table[allowed]).argmin(-1)]]",
            "Snapped by Euclidean distance",
            "按欧氏距离",
        ),
        (
            "def snap(vectors, table, allowed): return table[allowed[(vectors @ table[allowed].T).argmax(-1)]]",
            "Chosen by the dot product",
            "按点积挑",
        ),
        (
            "def snap(vectors, table, allowed):\n    words = F.normalize(table[allowed], dim=-1)\n"
            "    return words[(vectors @ words.T).argmax(-1)]",
            "but of length 1",
            "模长却成了 1",
        ),
        (
            "def snap(vectors, table, allowed):\n    words = F.normalize(table[allowed], dim=-1)\n"
            "    return words[(vectors @ words.T).argmax(-1)] * vectors.norm(dim=-1, keepdim=True)",
            "and the length of the vector",
            "模长却还是原来向量的",
        ),
        (
            "def snap(vectors, table, allowed): return table[allowed[reading.distances(vectors, table[allowed]).argmax(-1)]]",
            "These are the farthest",
            "这些是最远的",
        ),
        (
            "def snap(vectors, table, allowed): return table[reading.nearest_tokens(vectors, table, 1, rows=allowed).ids]",
            "a dimension too many",
            "多了一维",
        ),
        (
            "def snap(vectors, table, allowed): return table[allowed[reading.distances(vectors, table[allowed]).argmin()]]",
            "without dim=-1, argmax counts through all",
            "不写 dim=-1",
        ),
        ("def snap(vectors, table, allowed): return vectors", "Nothing has been snapped", "什么也没换"),
        (
            "def snap(vectors, table, allowed):\n    return (reading.snap(vectors, table, allowed) + vectors) / 2",
            "Not every vector that came back is a row",
            "根本不是表里的行",
        ),
        (
            "def snap(vectors, table, allowed):\n    words = table[allowed]\n    table /= table.norm(dim=-1, keepdim=True)\n"
            "    return words[(vectors @ table[allowed].T).argmax(-1)]",
            "`table` itself was changed",
            "table 本身被改了",
        ),
        (
            "def snap(vectors, table, allowed): return table[allowed[[0, 1, 2, 3]]]",
            "of the allowed rows the one",
            "在允许的行里",
        ),
        ("def snap(vectors, table, allowed): table[allowed]", "is there a return", "少了 return"),
    ],
    ("04_reading", "permutation-exercise"): [
        ("def p_value(observed, null): return (null <= observed).float().mean()", "you say p = 0", "你就说 p = 0"),
        (
            "def p_value(observed, null): return (1 + (null < observed).sum()) / (1 + len(null))",
            "a tie would speak for us",
            "打平也成了对我们有利",
        ),
        (
            "def p_value(observed, null): return (1 + (null >= observed).sum().item()) / (1 + len(null))",
            "The wrong side",
            "方向反了",
        ),
        (
            "def p_value(observed, null): return 1 - (1 + (null <= observed).sum().item()) / (1 + len(null))",
            "The wrong side",
            "方向反了",
        ),
        (
            "def p_value(observed, null): return min(1, 2 * reading.p_value(observed, null))",
            "two-sided p-value",
            "双侧的 p 值",
        ),
        (
            "def p_value(observed, null):\n    apart = (null - null.mean()).abs()\n"
            "    return (1 + (apart >= abs(observed - null.mean())).sum()) / (1 + len(null))",
            "two-sided p-value",
            "双侧的 p 值",
        ),
        ("def p_value(observed, null): return 1 + (null <= observed).sum()", "That is a count", "这是个数"),
        (
            "def p_value(observed, null): return (1 + (null <= observed).sum()) / len(null)",
            "could be larger than 1",
            "可能大于 1",
        ),
        (
            "def p_value(observed, null): return (null <= observed).sum() / (1 + len(null))",
            "counts below the line, but not above it",
            "却没有算进分子",
        ),
        ("def p_value(observed, null): return 100 * reading.p_value(observed, null)", "in percent", "百分数"),
        (
            "def p_value(observed, null): return reading.p_value(observed, null) < 0.05",
            "this is of type bool",
            "你给的是 bool",
        ),
        ("def p_value(observed, null): return null <= observed", "a tensor of 9", "含 9 个数的张量"),
        (
            "def p_value(observed, null): return ((observed - null.mean()) / null.std()).item()",
            "Of all draws",
            "在全部抽取",
        ),
        ("def p_value(observed, null): (null <= observed).sum()", "is there a return", "少了 return"),
    ],
    ("04_reading", "influence-exercise"): [
        (
            "def most_missed(score, vectors):\n    without = [score(fewer) for fewer in reading.leave_one_out(vectors)]\n"
            "    return without.index(max(without))",
            "That one is missed least",
            "最不缺的那个",
        ),
        (
            "def most_missed(score, vectors):\n    without = []\n    for i in range(len(vectors)):\n"
            "        fewer = vectors.clone()\n        fewer[i] = 0\n        without.append(score(fewer))\n"
            "    return without.index(min(without))",
            "that is not leaving it out",
            "这不等于去掉它",
        ),
        (
            "def most_missed(score, vectors): return min(score(fewer) for fewer in reading.leave_one_out(vectors))",
            "That is an accuracy",
            "这是准确率",
        ),
        (
            "def most_missed(score, vectors):\n    whole = score(vectors)\n"
            "    return max(whole - score(fewer) for fewer in reading.leave_one_out(vectors))",
            "That is how much is lost",
            "这是准确率降了多少",
        ),
        (
            "def most_missed(score, vectors):\n    without = [score(fewer) for fewer in reading.leave_one_out(vectors)]\n"
            "    return 1 + without.index(min(without))",
            "Counted from 1",
            "你是从 1 数起的",
        ),
        (
            "def most_missed(score, vectors):\n    lost, before = [], score(vectors)\n    for i in range(len(vectors)):\n"
            "        after = score(vectors[i + 1 :])\n        lost.append(before - after)\n        before = after\n"
            "    return lost.index(max(lost))",
            "More and more vectors are gone",
            "向量越去越多",
        ),
        (
            "def most_missed(score, vectors):\n    alone = [score(vector[None]) for vector in vectors]\n"
            "    return alone.index(max(alone))",
            "what each vector can do alone",
            "单独能做到什么",
        ),
        (
            "def most_missed(score, vectors):\n    alone = [score(vector) for vector in vectors]\n"
            "    return alone.index(max(alone))",
            "score wants vectors",
            "score 要的是若干个向量",
        ),
        ("def most_missed(score, vectors): return vectors.norm(dim=-1).argmax()", "never asked", "一次也没有"),
        (
            "def most_missed(score, vectors):\n    lost = []\n    for i in range(len(vectors)):\n"
            "        other = vectors.clone()\n        other[i] = vectors.mean(0)\n        lost.append(score(other))\n"
            "    return lost.index(min(lost))",
            "never asked with 7 vectors",
            "从来没有用 7 个向量",
        ),
        (
            "def most_missed(score, vectors):\n    without = [score(fewer) for fewer in reading.leave_one_out(vectors)]\n"
            "    return vectors[without.index(min(without))]",
            "That is a vector",
            "这是一个向量",
        ),
        (
            "def most_missed(score, vectors):\n    return torch.tensor([score(fewer) for fewer in reading.leave_one_out(vectors)])",
            "a tensor of 8",
            "含 8 个数的张量",
        ),
        (
            "def most_missed(score, vectors): return [score(fewer) for fewer in reading.leave_one_out(vectors)]",
            "this is of type list",
            "你给的是 list",
        ),
        (
            "def most_missed(score, vectors):\n    without = [score(fewer) for fewer in reading.leave_one_out(vectors)]\n"
            "    return without.index(sorted(without)[1])",
            "Not that one",
            "不是这一个",
        ),
        ("def most_missed(score, vectors): score(vectors)", "is there a return", "少了 return"),
    ],
    ("05_bug_museum", "loss-exercise"): [
        (LOSS.format("logits[:, before:]", ""), "scored against itself", "对照的是它自己"),
        (LOSS.format("logits[:, before - 2 : -2]", ""), "after the next", "下下个词元"),
        (
            "def caption_loss(model, features, ids, lengths):\n    logits = model(features, ids)[:, -ids.shape[1] :]\n"
            "    labels = ids.masked_fill(experiments.padding(ids, lengths), -100)\n"
            "    return F.cross_entropy(logits[:, 1:].flatten(0, 1), labels[:, :-1].flatten())",
            "before it, which it has already read",
            "它前面的词元",
        ),
        (
            "def caption_loss(model, features, ids, lengths):\n    logits = model(features, ids)[:, -ids.shape[1] :]\n"
            "    labels = ids.masked_fill(experiments.padding(ids, lengths), -100)\n"
            "    return F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())",
            "first token of each caption is not learned",
            "第一个词元没有学",
        ),
        ("caption_loss = museum.loss_of_padding", "padding is scored", "填充也计入了损失"),
        ("caption_loss = museum.loss_without_end", "never learn to stop", "学不会停下来"),
        (
            LOSS.format("logits[:, before - 1 : -1]", ", reduction='sum'"),
            "not the library's number",
            "和库的数不一样",
        ),
        (
            LOSS.format("logits[:, before - 1 : -1].detach()", ""),
            "No gradient can flow back",
            "梯度没法从这个数传回去",
        ),
        (
            LOSS.format("logits[:, before - 1 : -1]", ", reduction='none'"),
            "One number is wanted",
            "要的是一个数",
        ),
        (
            "def caption_loss(model, features, ids, lengths): return model(features, ids, labels=ids)",
            "sees no logits",
            "看不到 logits",
        ),
        (
            "def caption_loss(model, features, ids, lengths): x = model(features, ids)",
            "is there a return",
            "少了 return",
        ),
    ],
    ("05_bug_museum", "encode-exercise"): [
        ("encode = museum.encode_positions_twice", "position embeddings are in there twice", "位置嵌入加了两次"),
        (ENCODE.format("words, slots, context", "words"), "not in there at all", "一次也没加"),
        (
            ENCODE.format("words + places, slots, context", "words + places"),
            "position embeddings twice, and the context once",
            "上下文向量的只加了一次",
        ),
        (
            ENCODE.format("words + places, slots, context", "words"),
            "the context has none",
            "上下文向量没有",
        ),
        (
            ENCODE.format("words, slots, words[0, 1:5]", "words + places"),
            "features of the placeholders",
            "占位词元的特征",
        ),
        (
            ENCODE.format("words, slots, context.detach()", "words + places"),
            "no gradient reaches the context",
            "梯度到不了上下文向量",
        ),
        (
            "encode = lambda *given: F.normalize(museum.encode_right(*given), dim=-1)",
            "not yet normalised",
            "先不要归一化",
        ),
        ("encode = museum.encode_at_start", "at the start of the text", "文本开头取了结果"),
        (
            ENCODE.format("words, slots, context", "words + places")
            .replace("museum.at_the_end(clip, ", "clip.text_projection(")
            .replace(", ids)", "[:, -1])"),
            "at the last place",
            "最后一个位置",
        ),
        ("encode = museum.encode_without_mask", "identity test still fails", "还是对不上"),
        ("encode = lambda *given: museum.encode_right(*given)[0]", "should have the shape", "形状应该是"),
    ],
    ("05_bug_museum", "learners-exercise"): [
        (
            "def who_has_a_gradient(model): return [n for n, p in model.named_parameters()]",
            "all parameters",
            "全部参数",
        ),
        (
            "def who_has_a_gradient(model): return [n for n, p in model.named_parameters() if p.requires_grad]",
            "never received one",
            "从来没收到过",
        ),
        (
            "def who_has_a_gradient(model): return [n for n, p in model.named_parameters() if p.grad is None]",
            "other way round",
            "反了",
        ),
        (
            "def who_has_a_gradient(model):\n"
            "    return [n for n, p in model.named_parameters() if p.grad is not None and p.grad.any()]",
            "gradient of zeros",
            "梯度全是零",
        ),
        (
            "def who_has_a_gradient(model): return [p for p in model.parameters() if p.grad is not None]",
            "parameters() has been overridden",
            "parameters() 被改写过",
        ),
        ("def who_has_a_gradient(model): return len(list(model.parameters()))", "That is a number", "这是个数"),
        ("def who_has_a_gradient(model): return ['prompt']", "You believed parameters()", "你相信了 parameters()"),
        ("def who_has_a_gradient(model): names = []", "is there a return", "少了 return"),
    ],
    ("05_bug_museum", "reads-back-exercise"): [
        ("def reads_back(read, clip, processor, ids): return True", "never called", "根本没有调用"),
        (READS.format("len(found) == len(ids)"), "another model's table passes", "查错了表的 read 也通过了"),
        (READS.format("found[0][0] == known[0]"), "only the first row was read right", "只有第一行读对了"),
        (
            READS.format("all(one in nearest for one, nearest in zip(known, found))"),
            "among the nearest, but not the nearest",
            "但不是最近的",
        ),
        (READS.format("found == known"), "right table fails your test", "也过不了你的检验"),
        (READS.format("found"), "this is of type list", "你给的是 list"),
        ("def reads_back(read, clip, processor, ids): rows = ids", "is there a return", "少了 return"),
    ],
    ("05_bug_museum", "report-exercise"): [
        ("report = museum.report_best_on_test", "best that was ever seen", "出现过的最好成绩"),
        (
            "def report(data):\n    kept = min(museum.epochs(data), key=lambda w: museum.loss_of(w, *data.test))\n"
            "    return museum.accuracy(kept, *data.test)",
            "chosen by the test pictures",
            "按测试图片挑的",
        ),
        (
            "def report(data):\n    kept = min(museum.epochs(data), key=lambda w: museum.loss_of(w, *data.validation))\n"
            "    return museum.accuracy(kept, *data.validation)",
            "by which you chose",
            "你正是按它挑的",
        ),
        (
            "def report(data): return max(museum.accuracy(w, *data.validation) for w in museum.epochs(data))",
            "by which you chose",
            "你正是按它挑的",
        ),
        (
            "def report(data): return museum.accuracy(list(museum.epochs(data))[-1], *data.test)",
            "simply the last epoch",
            "只是最后一轮",
        ),
        (
            "def report(data):\n    kept = max(museum.epochs(data), key=lambda w: museum.loss_of(w, *data.validation))\n"
            "    return museum.accuracy(next(museum.epochs(data)), *data.test)",
            "first epoch",
            "第一轮",
        ),
        (
            "def report(data): return museum.accuracy(list(museum.epochs(data))[7], *data.train)",
            "smallest validation loss",
            "验证集损失最小",
        ),
        (
            "def report(data): return min(museum.epochs(data), key=lambda w: museum.loss_of(w, *data.validation))",
            "These are the weights",
            "这是权重",
        ),
        ("def report(data): x = 1", "is there a return", "少了 return"),
    ],
    ("05_bug_museum", "next-token-exercise"): [
        ("next_token = museum.next_token_likeliest", "the likeliest is taken", "取的就是最可能的那个"),
        (
            "def next_token(logits, top_p, temperature, generator):\n"
            "    return torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)[0]",
            "others were",
            "却抽到了别的",
        ),
        (NEXT.format("shares.cumsum(-1) > top_p"), "still belongs", "也要留下"),
        (
            NEXT.format("shares.cumsum(-1) - shares >= top_p").replace(
                "generator=generator", "generator=torch.Generator().manual_seed(0)"
            ),
            "always the same token",
            "总是同一个词元",
        ),
        (
            NEXT.format("shares.cumsum(-1) - shares >= top_p").replace(
                "logits.softmax(-1), 1", "(logits > -9e9).float(), 1"
            ),
            "equal probabilities",
            "机会一样大",
        ),
        (
            NEXT.format("shares.cumsum(-1) - shares >= top_p").replace("logits / temperature", "logits"),
            "draw alike",
            "抽出来差不多",
        ),
        (
            NEXT.format("shares.cumsum(-1) - shares >= top_p").replace("logits / temperature", "logits * temperature"),
            "do not multiply",
            "不是乘",
        ),
        (
            NEXT.format("shares.cumsum(-1) - shares >= top_p").replace(", generator=generator", ""),
            "hand the generator",
            "把 generator 交给",
        ),
        (
            NEXT.format("shares.cumsum(-1) - shares >= top_p").replace(")[0]", ")[0].item() + 0.5"),
            "One id is wanted",
            "要返回的是一个编号",
        ),
        ("def next_token(logits, top_p, temperature, generator): x = logits", "is there a return", "少了 return"),
    ],
    ("06_own_pictures", "difference-exercise"): [
        ("def difference(one, other): return np.abs(one - other).mean()", "without a sign", "没有负数"),
        ("def difference(one, other): return (one - other).sum()", "without a sign", "没有负数"),
        ("def difference(one, other): return (one.astype(float) - other).mean()", "cancel out", "抵消"),
        ("def difference(one, other): return abs(one.mean() - other.mean())", "cancel out", "抵消"),
        ("def difference(one, other): return np.abs(one.astype(int) - other).sum()", "That is the sum", "这是总和"),
        ("def difference(one, other): return np.abs(one.astype(int) - other).max()", "largest difference", "最大的差"),
        ("def difference(one, other): return ((one.astype(float) - other) ** 2).mean()", "squares", "平方"),
        ("def difference(one, other): return np.abs(one / 255 - other / 255).mean()", "shares of 255", "占 255 的比例"),
        ("def difference(one, other): return (one == other).all()", "A number is wanted", "要的是一个数"),
        ("def difference(one, other): return np.abs(one.astype(int) - other)", "one for each pixel", "每个像素一个"),
        ("def difference(one, other): x = np.abs(one.astype(int) - other).mean()", "is there a return", "少了 return"),
        ("def difference(one, other): return 3.0", "Not this number", "不是这个数"),
        ("def difference(one, other): return np.median(np.abs(one.astype(int) - other))", "the median", "中位数"),
        (
            "def difference(one, other): return np.abs(one.astype(np.int8) - other.astype(np.int8)).mean()",
            "int8",
            "存得下",
        ),
    ],
    ("06_own_pictures", "split-exercise"): [
        (SPLIT.format("numbers[torch.randperm(len(numbers))]", "numbers.split(sizes)"), "same seed", "同一个种子"),
        (SPLIT.format("numbers", "numbers.split(sizes)"), "order of their names", "按文件名"),
        (
            "def split(labels, generator):\n    n = len(labels)\n    order = torch.randperm(n, generator=generator)\n"
            "    return order[n // 2:], order[n // 4:n // 2], order[:n // 4]",
            "A class is missing",
            "缺了某个类别",
        ),
        (
            SPLIT.format(
                "numbers[torch.randperm(len(numbers), generator=generator)]", "[numbers, numbers[:2], numbers[:2]]"
            ),
            "stand in two parts",
            "同时在两个部分",
        ),
        (
            SPLIT.format(
                "numbers[torch.randperm(len(numbers), generator=generator)]", "numbers.split(len(numbers) // 3)"
            ),
            "in no part",
            "哪个部分都没进",
        ),
        (
            SPLIT.format("torch.randperm(len(numbers), generator=generator)", "numbers.split(sizes)"),
            "in two parts",
            "同时在两个部分",
        ),
        (
            SPLIT.format("numbers[torch.randperm(len(numbers), generator=generator)]", "numbers.split(sizes)").replace(
                "max(1, len(numbers) // 4)", "-(-len(numbers) // 4)"
            ),
            "Classes of 8, 5 and 4",
            "8、5、4 张",
        ),
        (
            "def split(labels, generator):\n    n = len(labels)\n    order = torch.randperm(n, generator=generator)\n"
            "    return labels[order[8:]], labels[order[4:8]], labels[order[:4]]",
            "These are the labels",
            "这是图片的标签",
        ),
        (
            "def split(labels, generator):\n    draw = torch.rand(len(labels), generator=generator)\n"
            "    return draw > 0.5, (draw > 0.25) & (draw <= 0.5), draw <= 0.25",
            "these are marks",
            "真假标记",
        ),
        ("def split(labels, generator): return labels, labels", "Three things", "要返回三样"),
        (SPLIT_RIGHT.replace("[torch.cat(part) for part in parts]", "parts"), "join them", "接成一串"),
        (SPLIT_RIGHT.replace(".nonzero().flatten()", ".nonzero()"), "flatten", "flatten"),
        (SPLIT_RIGHT.replace("max(1, len(numbers) // 4)", "len(numbers) // 4"), "Classes of 7 and 3", "各有 7、3 张"),
        (
            SPLIT_RIGHT.replace("max(1, len(numbers) // 4)", "round(len(numbers) / 4)"),
            "Classes of 7 and 3",
            "各有 7、3 张",
        ),
        (
            SPLIT.format("numbers", "kept(numbers, quarter, generator)")
            + "\ndef kept(numbers, quarter, generator):\n    rest = numbers[quarter:]\n"
            "    rest = rest[torch.randperm(len(rest), generator=generator)]\n"
            "    return rest[quarter:], numbers[:quarter], rest[:quarter]",
            "or validated on",
            "还是那几张",
        ),
        ("def split(labels, generator): labels.unique()", "is there a return", "少了 return"),
    ],
    ("06_own_pictures", "entries-exercise"): [
        (ENTRIES.format("str(file)", "classes.class_names[label]"), "Whole paths", "完整路径"),
        (
            ENTRIES.format("file.relative_to(folder)", "classes.class_names[label]"),
            "cannot be written into JSON",
            "写不进 JSON",
        ),
        (ENTRIES.format("file.name", "classes.class_names[label]"), "sub-folder got lost", "子文件夹丢了"),
        (ENTRIES.format("file.relative_to(folder).as_posix()", "file.parent.name"), "name of a folder", "文件夹的名字"),
        (ENTRIES.format("file.relative_to(folder).as_posix()", "label"), "number of the class", "类别的编号"),
        (
            ENTRIES.format("file.relative_to(folder).as_posix()", "classes.class_names[label]")
            .replace("a {", "{")
            .replace("}.", "}"),
            "no sentence yet",
            "还不是一句话",
        ),
        (
            ENTRIES.format("file.relative_to(folder).as_posix()", "classes.class_names[label]").replace(
                "image_path", "image"
            ),
            "The keys are",
            "键要叫",
        ),
        (
            ENTRIES.format("file.relative_to(folder).as_posix()", "classes.class_names[label]").replace(
                "a {", "a photo of a {"
            ),
            "The captions should be",
            "说明文字应该是",
        ),
        (
            "def entries(classes, folder):\n"
            "    return {file.name: classes.class_names[label] for file, label in zip(classes.files, classes.labels)}",
            "A list is wanted",
            "要的是列表",
        ),
        (
            "def entries(classes, folder):\n"
            "    return [{'image_path': name, 'text': f'a {name}.'} for name in classes.class_names]",
            "one for each picture",
            "每张图一项",
        ),
        ("def entries(classes, folder): return classes.class_names", "A list of dicts", "由字典组成"),
        (
            ENTRIES.format("'photos/' + file.name", "classes.class_names[label]"),
            "The first path should be",
            "第一个路径应该是",
        ),
        ("def entries(classes, folder): list(classes.files)", "is there a return", "少了 return"),
    ],
    ("06_own_pictures", "gigabytes-exercise"): [
        ("gigabytes = 1e6 * 49 * 768 / 1e9", "four bytes", "四个字节"),
        ("gigabytes = 1e6 * 49 * 768 * 32 / 1e9", "Those are bits", "这是比特"),
        ("gigabytes = 1e6 * 768 * 4 / 1e9", "pooled one", "池化向量"),
        ("gigabytes = 1e6 * 50 * 768 * 4 / 1e9", "class token", "类别词元"),
        ("gigabytes = 1e6 * 49 * 768 * 4 / 2**30", "1024³", "1024³"),
        ("gigabytes = 1e6 * 49 * 768 * 4 / 1e6", "megabytes", "MB"),
        ("gigabytes = 1e6 * 49 * 768 * 4", "Those are bytes", "这是字节"),
        ("gigabytes = 3 * 1e6 * 49 * 768 * 4 / 1e9", "two copies more", "再复制两份"),
        ("gigabytes = 16", "Not this number", "不是这个数"),
        ("gigabytes = '150 GB'", "this is of type str", "你给的是 str"),
    ],
}

# What an exercise finds in the notebook that no cell tagged `prepare` makes, since it takes time to make.
GIVEN = {("00_start_here", "how-many-numbers-code"): lambda: {"context": torch.zeros(10, 128)}}


@cache
def cells(script):
    return jupytext.read(script).cells


@cache
def prepared(script):
    """The names that the cells tagged `prepare` leave behind."""
    names = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for cell in cells(script):
            if "prepare" in cell.metadata.get("tags", []) and cell.metadata["id"] != "setup":
                exec(cell.source, names)
    return names


def exercises():
    for script in SCRIPTS:
        for cell, after in zip(cells(script), cells(script)[1:]):
            if "exercise" in cell.metadata.get("tags", []):
                yield script, cell, after


EXERCISES = list(exercises())
NAMED = pytest.mark.parametrize(("script", "cell", "solution"), EXERCISES, ids=lambda value: getattr(value, "stem", ""))


def outcome(script, stub, answer, lang):
    """What the check says when `answer` stands in the place of the stub: the outcome, and its text."""
    language.set_language(lang)
    code, _, check = stub.source.rstrip().rpartition("\n")
    names = {**prepared(script), **GIVEN.get((script.stem, stub.metadata["id"]), dict)()}
    exec(code, names)
    exec(answer or "", names)
    checked = eval(check, names)
    language.set_language("en")
    assert bool(CHINESE.search(checked.shown.plain)) is (lang == "zh")
    return checked.outcome, checked.shown.plain


@pytest.mark.parametrize("lang", ["en", "zh"])
@NAMED
def test_the_solution_is_right_and_the_untouched_stub_is_not_attempted(script, cell, solution, lang):
    assert outcome(script, cell, solution.source, lang)[0] == "right"
    assert outcome(script, cell, None, lang)[0] == "untouched"


@NAMED
def test_at_least_three_wrong_answers_each_hear_which_mistake_they_made(script, cell, solution):
    answers = WRONG[script.stem, cell.metadata["id"]]
    assert len(answers) >= 3
    for code, english, chinese in answers:
        for lang, sentence in (("en", english), ("zh", chinese)):
            result, text = outcome(script, cell, code, lang)
            assert result == "wrong" and sentence in text, (code, text)


def test_no_wrong_answer_is_left_without_its_exercise():
    assert set(WRONG) == {(script.stem, cell.metadata["id"]) for script, cell, _ in EXERCISES}


def questions(kind):
    return [
        value
        for module in (
            start_here,
            inside_clip,
            learnable_context,
            faster,
            soft_prompt,
            reading,
            bug_museum,
            own_pictures,
        )
        for value in vars(module).values()
        if isinstance(value, kind)
    ]


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("quiz", questions(Quiz), ids=lambda quiz: quiz.question.en[:30])
def test_every_answer_of_a_quiz_explains_itself(quiz, lang):
    language.set_language(lang)
    for index, choice in enumerate(quiz.choices):
        asked = quiz.ask()
        assert str(quiz.question) in asked.shown.plain and str(choice.text) in asked.shown.plain
        asked.choose(index)
        assert asked.shown.plain.startswith("✓" if choice.right else "✗") and str(choice.why) in html.unescape(
            asked.verdict.value
        )
        assert bool(CHINESE.search(asked.shown.plain)) is (lang == "zh")
    language.set_language("en")
    assert len({str(choice.why) for choice in quiz.choices}) == len(quiz.choices)


def texts():
    for quiz in questions(Quiz):
        yield from [quiz.question, *[t for choice in quiz.choices for t in (choice.text, choice.why)]]
    for prediction in questions(Prediction):
        yield from [prediction.question, *prediction.answers, prediction.because]
    for exercise in questions(Exercise):
        yield from [exercise.praise, *exercise.hints]


def test_every_text_is_there_in_both_languages():
    assert [text for text in texts() if not text.en or CHINESE.search(text.en) or not CHINESE.search(text.zh)] == []


# --- the contract itself -----------------------------------------------------------------------------------------


def half(x):
    if x(4) == 8:
        raise Mistake(en="That doubles.", zh="那是加倍。")
    assert x(4) == 2, "no"


HALF = Text(en="It halves.", zh="确实减半了。")
HINTS = (Text(en="Divide.", zh="做除法。"), Text(en="By two.", zh="除以二。"))


def exercise():
    return Exercise(half, HALF, HINTS)


def stub(x): ...


def documented_stub(x):
    """What it should do."""
    ...


def test_what_nobody_has_touched_is_a_stub_and_nothing_else_is():
    assert is_stub(...) and is_stub(stub) and is_stub(documented_stub)
    assert not any(map(is_stub, (None, 0, [], lambda x: x, lambda x: x / 2, half, "...")))


def test_a_check_has_three_outcomes():
    def later(x):
        raise NotImplementedError

    assert exercise().check(lambda x: x / 2).outcome == "right"
    assert exercise().check(lambda x: 2 * x).outcome == "wrong"
    assert (
        exercise().check(stub).outcome
        == exercise().check(later).outcome
        == exercise().check(...).outcome
        == "untouched"
    )


def test_the_mistake_is_named_and_code_that_stops_is_told_with_the_technical_text_folded():
    assert "That doubles." in exercise().check(lambda x: 2 * x).shown.plain
    shown = exercise().check(lambda x: torch.ones(2, 3) @ torch.ones(2, 3)).shown
    assert "the last size of the first factor" in shown.plain
    assert "<details>" in shown.html() and "Traceback" in shown.html() and "Traceback" not in shown.plain
    assert "ZeroDivisionError" in exercise().check(lambda x: x / 0).shown.plain


def test_hints_come_one_by_one_and_stay_when_the_cell_is_run_again():
    halving = exercise()
    checked = halving.check(stub)
    assert checked.hints.value == "" and checked.button.description == "Hint 1 of 2"
    checked.button.click()
    assert "Divide." in checked.hints.value and "By two." not in checked.hints.value
    again = halving.check(lambda x: 2 * x)
    assert "Divide." in again.hints.value and again.button.description == "Hint 2 of 2"
    again.button.click()
    assert "By two." in again.hints.value and again.button.disabled
    assert halving.check(lambda x: x / 2).button not in halving.check(lambda x: x / 2).widget.children


def test_a_prediction_is_recalled_with_what_came_out():
    prediction = Prediction(
        Text("How much?", "多少？"),
        (Text("little", "少"), Text("much", "多")),
        lambda x: int(x > 0.5),
        Text("It is.", "就是。"),
    )
    assert prediction.reveal(0.9).plain == "○ It came out as B: much. It is."
    asked = prediction.ask()
    asked.buttons[1].click()
    assert "noted" in asked.shown.plain
    assert prediction.reveal(0.9).plain.startswith("✓") and "You said B, much" in prediction.reveal(0.1).plain


def test_a_quiz_without_one_right_and_three_wrong_answers_is_refused():
    wrong = Choice(Text("a", "甲"), Text("no", "不"))
    for choices in ([wrong] * 4, [wrong, wrong, Choice(wrong.text, wrong.why, right=True)]):
        with pytest.raises(ValueError, match="one right choice and at least three wrong"):
            Quiz(Text("What?", "什么？"), tuple(choices))
