"""Explorers of lesson 02: where vectors of our own get into a text, what learns, and what the stored study says of learned contexts.

On top of `Explorer`, `figures` and `helpers.context`. The study is pocket/studies/context_study.py. Numbers of others: Zhou et
al. 2022, arXiv 2203.05557.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from types import SimpleNamespace

import ipywidgets
import torch
from torch import Tensor
from transformers import CLIPConfig, CLIPModel, CLIPProcessor

from helpers import by_hand
from helpers.context import Position, PromptedCLIP, repeat_words
from helpers.data import encode_split
from helpers.language import LearnerError, say
from helpers.notebook import Table
from helpers.pretrained import POCKET_CLIP
from helpers.training import TrainConfig
from lessons.kit.context_training import CONFIG, HAND, WORDS, ContextTraining, Setting, Stored
from lessons.kit.explorer import Explorer, format_count, format_percent, make_dropdown, make_row, style_control
from lessons.kit.learning_curve import Run
from lessons.kit.picture import BLUE, INK, SLATE, VERMILION, Picture, shorten
from lessons.kit.tokens import read_letters
from lessons.lesson_02_learnable_context import figures
from pocket import tasks
from pocket.datasets import draw_few_shot
from pocket.studies.context_study import FILE, Choices, ChoicesRun, ContextStudy, NewClassesRun, load_study

MOST_VECTORS = 16
SHOTS, LENGTHS = (1, 2, 4, 8, 16), (1, 2, 4, 10, 16)
MOST_CHECKS = 4  # pictures of each class to validate on: as many as shots, and at most so many
TESTS = 20  # pictures of each class to test on
COLOURS = {"context": BLUE, "probe": VERMILION, "class_mean": SLATE}
MARKERS = {"context": "o", "probe": "s", "class_mean": "^"}
SHARING = {False: (SLATE, "o"), True: (VERMILION, "^")}  # whether each class has vectors of its own
PUBLISHED = {  # base, new, harmonic mean: ViT-B/16, 16 shots, the mean of 11 data sets (Zhou et al. 2022, arXiv 2203.05557, table 1)
    "CLIP": (0.6934, 0.7422, 0.7170),
    "CoOp": (0.8269, 0.6322, 0.7166),
    "CoCoOp": (0.8047, 0.7169, 0.7583),
}


# --- where vectors of our own get in ---------------------------------------------------------------------------------------------


def slots_explorer(clip: CLIPModel, processor: CLIPProcessor, class_name: str = "cat") -> Explorer:
    """Choose a class name, how many vectors, and where the name stands, and see what changes on the way into the text tower."""
    controls = {
        "name": ipywidgets.Text(
            class_name, description=say(en="class name", zh="类别名"), continuous_update=False, **style_control(30)
        ),
        "vectors": ipywidgets.IntSlider(
            4, min=1, max=MOST_VECTORS, description=say(en="vectors", zh="向量个数"), **style_control(30)
        ),
        "position": make_dropdown(say(en="the name is", zh="类别名在"), name_positions(), "end", 20),
    }

    def draw(now: SimpleNamespace) -> Picture:
        name = _clean(processor, now.name)
        prompted = _prompted(clip, processor, name, now.vectors, now.position)
        end = int(prompted.end) + 1
        ids, slots = prompted.ids[0, :end], (prompted.ids[0, :end] == prompted.embeddings.placeholder).tolist()
        labels, numbers = token_labels(processor, ids), iter(range(1, now.vectors + 1))
        ours = [f"v{next(numbers)}" if slot else label for label, slot in zip(labels, slots)]
        with torch.no_grad():
            theirs = clip.text_model.embeddings(input_ids=prompted.ids)[0, :end].float().cpu().numpy()  # (T, D)
            vectors = prompted.embeddings(input_ids=prompted.ids)[0, :end].float().cpu().numpy()
        above = [figures.Place(label, vector, unread=slot) for label, vector, slot in zip(labels, theirs, slots)]
        below = [figures.Place(label, vector, ours=slot) for label, vector, slot in zip(ours, vectors, slots)]
        placeholder = labels[slots.index(True)]
        return figures.text_with_slots(
            above,
            below,
            end - 1,
            headings=(
                say(
                    en=f"The text, with the placeholder “{placeholder}” in each slot",
                    zh=f"文字本身：每个槽位里是占位词元“{placeholder}”",
                ),
                say(en="What enters the tower, with vectors of our own", zh="进入文本塔的：槽位里换成了我们自己的向量"),
            ),
            title=say(
                en=f"{format_count(now.vectors, 'vector')} of our own; SOS, “{shorten(name, 30)}”, full stop and EOT stay as they were",
                zh=f"换上自己的 {now.vectors} 个向量，SOS、“{shorten(name, 30)}”、句号和 EOT 原样不动",
            ),
            alt=_slots_in_words(labels, slots, placeholder),
            caption=_about_slots(placeholder),
        )

    return Explorer(controls, draw)


def inserting(clip: CLIPModel, processor: CLIPProcessor, class_name: str = "cat", vectors: int = 4) -> Picture:
    """Vectors that overwrite slots beside vectors that are inserted: where the tower looks for the end, and what stands there.

    All of it follows from the ids, in which the end is looked up, whatever a version of the library makes of it.
    """
    name = _clean(processor, class_name)
    prompted = _prompted(clip, processor, name, vectors, "end")
    whole = prompted.ids[:, : int(prompted.end) + 1]  # (1, T)
    length = whole.shape[1]
    pad = {"padding": "max_length", "max_length": length, "return_tensors": "pt"}
    short = processor.tokenizer([f"{name}."], **pad)["input_ids"].to(clip.device)  # (1, T), without slots
    tables = clip.text_model.embeddings
    with torch.no_grad():
        places = tables.position_embedding.weight[:length]
        words = tables.token_embedding(short)[0]
        overwritten = prompted.embeddings(input_ids=whole)[0]
        inserted = torch.cat([words[:1], prompted.context, words[1 : length - vectors]]) + places
    ours = [f"v{number}" for number in range(1, vectors + 1)]
    pooled, found = (int(by_hand.find_end_of_text(clip, ids)) for ids in (whole, short))
    tokens, without = token_labels(processor, whole[0]), token_labels(processor, short[0, : found + 1])
    inside = [tokens[0], *ours, *without[1:]]
    ways = [
        figures.WayIn(
            say(en="Overwriting: the text already has slots", zh="覆盖：文字里已经留好了槽位"),
            tokens,
            _places(inside, overwritten, vectors),
            pooled,
            pooled,
        ),
        figures.WayIn(
            say(
                en="Inserting: the text has none, and the vectors push the rest to the right",
                zh="插入：没有槽位，向量把后面的词元都往右挤",
            ),
            without + [say(en="pad", zh="填充")] * (length - len(without)),
            _places(inside, inserted, vectors),
            found,
            pooled,
        ),
    ]
    return figures.overwriting_and_inserting(
        ways,
        title=say(
            en=f"Inserted, “{inside[found]}” is read off at position {found}; overwritten, “{inside[pooled]}” at position {pooled}",
            zh=f"插入时，从位置 {found} 取出的是“{inside[found]}”；覆盖时，从位置 {pooled} 取出的是“{inside[pooled]}”",
        ),
        alt=say(
            en=f"Two ways to bring in {format_count(vectors, 'vector')}, each as a line of ids over a line of the vectors that enter the tower. "
            f"Overwriting: the ids are {', '.join(tokens)}, and an arrow leads from EOT at position {pooled} down to EOT. Inserting: the "
            f"ids are {', '.join(without)} and padding; the vectors are {', '.join(inside)}. An arrow leads from EOT in the ids, at "
            f"position {found}, down to “{inside[found]}”; EOT itself stands at position {pooled}.",
            zh=f"放进 {vectors} 个向量的两种做法，每种画成两行：上行是编号，下行是进入塔的向量。覆盖：编号是 {'、'.join(tokens)}，箭头从位置 "
            f"{pooled} 的 EOT 指向下面的 EOT。插入：编号是 {'、'.join(without)}，后面是填充；向量是 {'、'.join(inside)}。箭头从编号里的 EOT"
            f"（位置 {found}）指向下面的“{inside[found]}”，而 EOT 其实在位置 {pooled}。",
        ),
        caption=say(
            en="The end is looked up in the ids, and the vector at the same position is read off. Overwriting leaves every token where the "
            f"ids say. Inserting makes the row of vectors longer by {vectors}, and the ids do not know: the tower reads off position {found}, "
            f"where “{inside[found]}” stands. ",
            zh="结尾是在编号里找的，取出的是同一位置上的向量。覆盖时，每个词元都还在编号所说的位置；插入时，向量多出 "
            f"{vectors} 个，编号却不知道：塔取出的是位置 {found}，那里是“{inside[found]}”。",
        )
        + _seen_from(found, vectors, len(without) - 3),
    )


def _seen_from(found: int, vectors: int, name: int) -> str:
    """What a text that is read off at this position knows of its class name, of so many tokens, which follows the vectors."""
    if found <= vectors:
        return say(
            en=f"Nobody looks ahead, so that place has not seen the class name: all names of {format_count(name, 'token')} would get the same text vector.",
            zh=f"谁也不许往后看，所以那个位置根本没看到类别名：凡是 {name} 个词元的类别名，得到的文字向量都一样。",
        )
    if found < vectors + name:
        return say(en="That place has seen only a part of the class name.", zh="那个位置只看到了类别名的一部分。")
    return say(
        en="That place has seen the class name, but CLIP never learned to sum up a text there.",
        zh="那个位置看得到类别名，但 CLIP 从没学过在那里概括整段文字。",
    )


def _places(labels: Sequence[str], vectors: Tensor, ours: int) -> list[figures.Place]:
    """Places of a text whose vectors of our own stand right behind SOS."""
    rows = vectors.float().cpu().numpy()
    return [figures.Place(label, row, ours=1 <= place <= ours) for place, (label, row) in enumerate(zip(labels, rows))]


def _prompted(clip: CLIPModel, processor: CLIPProcessor, name: str, vectors: int, position: Position) -> PromptedCLIP:
    """One class and a context of random numbers, the same at every call. Raises `LearnerError` where the text does not fit."""
    try:
        generator = torch.Generator().manual_seed(0)
        return PromptedCLIP(clip, processor, [name], vectors, "random", position, generator=generator)
    except ValueError as error:
        room = clip.config.text_config.max_position_embeddings
        tokens = len(processor.tokenizer(name, add_special_tokens=False, verbose=False)["input_ids"])
        raise LearnerError(
            say(
                en=f"This does not fit: the model has {room} positions, and SOS, {format_count(vectors, 'vector')}, a class name of "
                f"{format_count(tokens, 'token')}, the full stop and EOT would need {tokens + vectors + 3}. Shorten the name, or take fewer vectors.",
                zh=f"放不下：模型只有 {room} 个位置，而 SOS、{vectors} 个向量、{tokens} 个词元的类别名、句号和 EOT 一共要 "
                f"{tokens + vectors + 3} 个。请缩短类别名，或减少向量。",
            )
        ) from error


def _clean(processor: CLIPProcessor, name: str) -> str:
    """The name without the tokens that begin and end a text, and without needless spaces. Raises `LearnerError` where nothing is left."""
    for special in processor.tokenizer.all_special_tokens:
        name = name.replace(special, " ")
    name = " ".join(name.split())
    if not name:
        raise LearnerError(say(en="Type a class name, such as “cat”.", zh="请输入一个类别名，例如“cat”。"))
    return name


def token_labels(processor: CLIPProcessor, ids: Tensor) -> list[str]:
    """The tokens of ids (T,) for people."""
    tokenizer = processor.tokenizer
    names = {tokenizer.bos_token_id: "SOS", tokenizer.eos_token_id: "EOT"}
    return [
        names.get(id) or read_letters(piece)
        for id, piece in zip(ids.tolist(), tokenizer.convert_ids_to_tokens(ids.tolist()))
    ]


def _slots_in_words(labels: Sequence[str], slots: Sequence[bool], placeholder: str) -> str:
    where, kept = ([i for i, slot in enumerate(slots) if slot is wanted] for wanted in (True, False))
    words = [f"{labels[i]} ({i})" for i in kept]
    listed = _ranges(where)
    return say(
        en=f"Two rows of striped strips, a strip a position, from 0 to {len(labels) - 1}. Above, the text {', '.join(labels)}; the placeholder "
        f"{placeholder} is greyed. Below, framed strips v1 to v{len(where)} at the positions {listed}, and arrows lead down to them. "
        f"An equals sign joins the others, with their positions: {', '.join(words)}. EOT is read off.",
        zh=f"两排条纹，一条是一个位置，从 0 到 {len(labels) - 1}。上排是 {'、'.join(labels)}，其中占位词元 {placeholder} 是灰的。"
        f"下排的位置 {listed} 上是带框的条纹 v1 到 v{len(where)}，有箭头从上面指过来。其余各条上下之间是等号，括号里是位置：{'、'.join(words)}。"
        "结果在 EOT 处取出。",
    )


def _about_slots(placeholder: str) -> str:
    return say(
        en=f"Above, the text as the tokenizer gives it: the word “{placeholder}” only keeps a place, and its own vector (grey) is never read. "
        "Below, framed, vectors of our own, v1, v2 and so on: random numbers here, as before training. “=”: not one number differs. The "
        "vector of the position is already added in both rows.",
        zh=f"上排是分词器给出的文字：“{placeholder}”只用来占位，它自己的向量（灰色）没有人读。下排带框的 v1、v2……是我们自己的向量，"
        "这里还是训练前的随机数。“=”表示一个数也没变。两排都已经加上了位置嵌入。SOS 是文本起始符，EOT 是文本结束符。",
    )


def _ranges(numbers: Sequence[int]) -> str:
    """Rising numbers, with those that follow each other as one range: "1–2, 4"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return say(en=", ", zh="、").join(f"{run[0]}–{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


# --- what learns -----------------------------------------------------------------------------------------------------------------


def gradient_table(prompted: PromptedCLIP) -> Table:
    """Which parts of the model have a gradient: their numbers, whether they require one, and how large it is after a backward pass."""
    layers = len(prompted.clip.text_model.encoder.layers), len(prompted.clip.vision_model.encoder.layers)
    parts = (  # what the names of their parameters begin with; the first that fits counts
        ("clip.text_model.embeddings.token_embedding", say(en="text tower: token table", zh="文本塔：词元嵌入表")),
        (
            "clip.text_model.embeddings.position_embedding",
            say(en="text tower: position table", zh="文本塔：位置嵌入表"),
        ),
        (
            "clip.text_model.",
            say(en=f"text tower: {layers[0]} layers, last normalisation", zh=f"文本塔：{layers[0]} 层和最后的归一化"),
        ),
        ("clip.vision_model.", say(en=f"vision tower, with its {layers[1]} layers", zh=f"视觉塔，含 {layers[1]} 层")),
        (("clip.text_projection", "clip.visual_projection"), say(en="both projections", zh="两个投影")),
        ("clip.logit_scale", say(en="logit scale", zh="缩放系数")),
        ("embeddings.context", say(en="the context", zh="上下文向量")),
    )
    members: dict[str, list[torch.nn.Parameter]] = {label: [] for _, label in parts}
    for name, parameter in prompted.named_parameters():
        members[next(label for prefix, label in parts if name.startswith(prefix))].append(parameter)
    rows = [(label, _numbers(mine), *_gradient(mine)) for label, mine in members.items()]
    everything = list(prompted.parameters())
    learning = [parameter for parameter in everything if parameter.requires_grad]
    share = sum(p.numel() for p in learning) / sum(p.numel() for p in everything)
    rows += [
        (say(en="all together", zh="合计"), _numbers(everything), "", ""),
        (say(en="of these, numbers that learn", zh="其中会学习的"), _numbers(learning), format_percent(share, 3), ""),
    ]
    header = (
        say(en="part", zh="部分"),
        say(en="numbers", zh="参数个数"),
        say(en="requires a gradient", zh="需要梯度"),
        say(en="norm of its gradient", zh="梯度的模长"),
    )
    return Table(rows, header, align="right")


def _numbers(parameters: Sequence[torch.nn.Parameter]) -> str:
    return f"{sum(parameter.numel() for parameter in parameters):,}"


def _gradient(parameters: Sequence[torch.nn.Parameter]) -> tuple[str, str]:
    """Whether any of them requires a gradient, and the norm of all they have together."""
    has = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = (
        f"{sum(gradient.float().square().sum().item() for gradient in has) ** 0.5:.2g}"
        if has
        else say(en="none", zh="没有")
    )
    return say(en="yes", zh="是") if any(p.requires_grad for p in parameters) else say(en="no", zh="否"), norm


# --- the stored study: accuracy by shots -----------------------------------------------------------------------------------------


def shots_explorer(file: Path = FILE) -> Explorer:
    """Choose a task and what to compare, and see the test accuracy over the number of shots, run by run, beside hand-written prompts."""
    study = load_study(file)
    by_task = {entry.task: entry for entry in study.shots}
    names = {
        "context": say(en="learned context", zh="学到的上下文向量"),
        "probe": say(en="linear probe", zh="线性探针"),
        "class_mean": say(en="nearest class mean", zh="最近类均值"),
    }
    controls: dict[str, ipywidgets.Widget] = {
        "task": make_dropdown(
            say(en="task", zh="任务"), {_task_name(name): name for name in by_task}, next(iter(by_task)), 36
        ),
        **{method: _tick(name) for method, name in names.items()},
        "prompts": _tick(say(en="hand-written prompts", zh="手工提示词")),
    }

    def draw(now: SimpleNamespace) -> Picture:
        entry = by_task[now.task]
        shots = sorted({run.shots for run in entry.runs})
        shown = [method for method in names if getattr(now, method)]
        columns = {
            method: [[getattr(run, method) for run in entry.runs if run.shots == number] for number in shots]
            for method in names
        }  # of each method, accuracies by shots and seed
        own, averaged = f"“{entry.own_template.removesuffix('.')}”", len(entry.ensemble_templates)
        prompts = [
            (HAND, entry.hand),
            (say(en=f"{averaged} templates averaged", zh=f"{averaged} 个模板取平均"), entry.ensemble),
            (own, entry.own),
        ]
        everything = [share for method in columns.values() for runs in method for share in runs]
        limits = _limits(everything + [share for _, share in prompts])
        methods = [figures.Method(names[method], columns[method], COLOURS[method], MARKERS[method]) for method in shown]
        prompts = prompts if now.prompts else []
        most = format_percent(mean(columns["context"][-1]))
        return figures.accuracy_by_shots(
            shots,
            figures.Panel(
                say(en="A dot: one run; a line: their mean", zh="点：一次训练；线：它们的平均"), methods, prompts
            ),
            limits,
            title=say(
                en=f"{_title_of(now.task)}: with {shots[-1]} shots the context gets {most}, {HAND} {format_percent(entry.hand)}",
                zh=f"{_title_of(now.task)}：每类 {shots[-1]} 张图时，上下文向量的准确率是 {most}，{HAND}是 {format_percent(entry.hand)}",
            ),
            alt=_shots_in_words(now.task, shots, {names[method]: columns[method] for method in shown}, prompts),
            caption=_about_shots(shots, columns["context"], entry.hand) + _source(study),
        )

    explorer = Explorer(controls, draw)
    task, *ticks = explorer.controls.values()
    explorer.widget.children = [make_row(task), make_row(*ticks), explorer.view]
    return explorer


def _shots_in_words(
    task: str,
    shots: Sequence[int],
    methods: Mapping[str, Sequence[Sequence[float]]],
    lines: Sequence[tuple[str, float]],
) -> str:
    first, last = shots[0], shots[-1]
    en = [
        f"{name} from {format_percent(mean(runs[0]))} to {format_percent(mean(runs[-1]))}"
        for name, runs in methods.items()
    ]
    zh = [
        f"{name}从 {format_percent(mean(runs[0]))} 到 {format_percent(mean(runs[-1]))}"
        for name, runs in methods.items()
    ]
    flat = [f"{name} {format_percent(share)}" for name, share in lines]
    return say(
        en=f"Accuracy on test pictures over {', '.join(map(str, shots))} shots; the task: {_task_name(task)}. "
        + (
            f"Means from {format_count(first, 'shot')} to {last}: {'; '.join(en)}. "
            if en
            else "No method that learns is shown. "
        )
        + (f"Horizontal lines for prompts: {'; '.join(flat)}." if flat else "No lines for prompts."),
        zh=f"测试集上的准确率，横轴是每类 {'、'.join(map(str, shots))} 张训练图片；任务：{_task_name(task)}。"
        + (f"从每类 {first} 张到 {last} 张的平均值：{'；'.join(zh)}。" if zh else "没有画要学习的方法。")
        + (f"水平线是提示词：{'；'.join(flat)}。" if flat else "没有画提示词的水平线。"),
    )


def _about_shots(shots: Sequence[int], context: Sequence[Sequence[float]], hand: float) -> str:
    """How the context does against the hand prompt with the fewest and with the most shots."""
    (first, few), (last, many) = (shots[0], context[0]), (shots[-1], context[-1])
    return say(
        en=f"With {format_count(first, 'shot')} a class the learned context gets {_beside(few, hand)}. With {last} shots it gets {_beside(many, hand)}. "
        f"The hand prompt {HAND} gets {format_percent(hand)} and needs no pictures. ",
        zh=f"每类只有 {first} 张图片时，学到的上下文向量的准确率{_beside(few, hand)}；每类 {last} 张时{_beside(many, hand)}。"
        f"手工提示词{HAND}是 {format_percent(hand)}，一张图片也不用。",
    )


def _beside(runs: Sequence[float], hand: float) -> str:
    """The mean and the range of runs, and how far they are from the hand prompt."""
    better, count = sum(run > hand for run in runs), len(runs)
    often = (
        say(en=f"all {count} runs beat it", zh=f"{count} 次都超过了它")
        if better == count
        else say(en=f"{better} of {count} runs beat{'s' * (better < 2)} it", zh=f"{count} 次里有 {better} 次超过它")
        if better
        else say(en=f"none of {count} runs beats it", zh=f"{count} 次都没有超过它")
    )
    return say(
        en=f"{format_percent(mean(runs))} on average ({format_percent(min(runs))} to {format_percent(max(runs))}), {_difference(mean(runs), hand)} the hand prompt; "
        f"{often}",
        zh=f"平均 {format_percent(mean(runs))}（{format_percent(min(runs))} 到 {format_percent(max(runs))}），{_difference(mean(runs), hand)}，{often}",
    )


def shots_table(file: Path = FILE) -> Table:
    """Of each task the test accuracies in per cent: hand-written prompts, and the means of what was learned, by the number of shots.

    The last column says how many runs with the fewest shots stayed below the hand prompt.
    """
    entries = load_study(file).shots
    shots = sorted({run.shots for run in entries[0].runs})
    names = {"context": say(en="context", zh="上下文向量"), "probe": say(en="linear probe", zh="线性探针")}
    few = say(en=format_count(shots[0], "shot"), zh=f"每类 {shots[0]} 张")
    header = (
        say(en="task: what learned", zh="任务：学习的方法"),
        HAND,
        say(en="the secret told", zh="说出秘密"),
        few,
        *map(str, shots[1:]),
        say(en=f"{few}: below {HAND}", zh=f"{few}时低于{HAND}"),
    )
    rows = []
    for entry in entries:
        for method, name in names.items():
            runs = [[getattr(run, method) for run in entry.runs if run.shots == number] for number in shots]
            below, tries = sum(share < entry.hand for share in runs[0]), len(runs[0])
            rows.append(
                (
                    f"{_title_of(entry.task)}{say(en=': ', zh='：')}{name}",
                    *(f"{100 * share:.1f}" for share in (entry.hand, entry.own, *map(mean, runs))),
                    say(en=f"{below} of {tries} tries", zh=f"{tries} 次里 {below} 次"),
                )
            )
    return Table(rows, header, align="right")


# --- the stored study: choices ---------------------------------------------------------------------------------------------------


def choices_explorer(file: Path = FILE) -> Explorer:
    """Choose length, place, beginning and whether each class has vectors of its own, and see how that choice did among all."""
    study = load_study(file)
    choices = study.choices
    lengths = sorted({run.length for run in choices.runs})
    controls = {
        "length": ipywidgets.SelectionSlider(options=lengths, value=4 if 4 in lengths else lengths[0],
                                             description=say(en="length", zh="向量个数"), **style_control(22)),
        "position": make_dropdown(say(en="the name is", zh="类别名在"), name_positions(), "end", 20),
        "init": make_dropdown(say(en="begins as", zh="初始化"), _beginnings(), "random", 20),
        "class_specific": make_dropdown(say(en="vectors are", zh="向量"), _owners(), False, 26),
    }  # fmt: skip
    width, classes = (
        CLIPConfig.from_pretrained(POCKET_CLIP).text_config.hidden_size,
        len(_tasks()[choices.task].class_names),
    )
    averages = _averages(choices.runs)
    everything = [getattr(run, part) for run in choices.runs for part in ("validation", "test")] + [choices.hand]

    def draw(now: SimpleNamespace) -> Picture:
        settings = (now.position, now.init, now.class_specific)
        if (now.length, *settings) not in averages:
            raise LearnerError(
                say(en="No stored run has this combination: choose another.", zh="没有存过这个组合的训练：请换一个。")
            )

        def columns(part: str, like: Callable[[ChoicesRun], bool]) -> list[list[float]]:
            """Accuracies by length, of such runs."""
            mine = [run for run in choices.runs if like(run)]
            return [[getattr(run, part) for run in mine if run.length == length] for length in lengths]

        def is_chosen(run: ChoicesRun) -> bool:
            return _settings(run)[1:] == settings

        def is_another(own: bool) -> Callable[[ChoicesRun], bool]:
            return lambda run: not is_chosen(run) and run.class_specific is own

        mine = say(en="your settings", zh="你选的设置")
        panels = [
            figures.Panel(
                heading,
                [
                    *(
                        figures.Method(name, columns(part, is_another(own)), *SHARING[own], faint=True)
                        for own, name in _sharing().items()
                    ),
                    figures.Method(mine, columns(part, is_chosen), BLUE, SHARING[now.class_specific][1]),
                ],
                lines,
            )
            for part, heading, lines in (
                ("validation", say(en="Validation: what one may choose by", zh="验证集：可以用来挑选"), ()),
                (
                    "test",
                    say(en="Test: only to report", zh="测试集：只用来报告"),
                    [(say(en="hand prompt", zh="手工提示词"), choices.hand)],
                ),
            )
        ]
        chosen = averages[now.length, *settings]
        return figures.accuracy_by_length(
            lengths,
            lengths.index(now.length),
            panels,
            _limits(everything),
            title=say(
                en=f"{_title_of(choices.task)}: your choice gets {format_percent(chosen.validation)} on validation, {format_percent(chosen.test)} on test pictures",
                zh=f"{_title_of(choices.task)}：你选的设置，验证集上是 {format_percent(chosen.validation)}，测试集上是 {format_percent(chosen.test)}",
            ),
            alt=_choice_in_words(now, lengths, panels[1].methods[-1].columns, chosen, choices),
            caption=_about_choice(now, averages, width * now.length * (classes if now.class_specific else 1), choices)
            + _source(study),
        )

    return Explorer(controls, draw)


def choices_table(file: Path = FILE) -> Table:
    """Of each choice and option the mean accuracy in per cent, over all runs that have it."""
    choices = load_study(file).choices
    choice_names = {
        "length": say(en="vectors", zh="向量个数"),
        "position": say(en="the name is", zh="类别名在"),
        "init": say(en="begins as", zh="初始化"),
        "class_specific": say(en="vectors are", zh="向量"),
    }
    option_names = {option: label for label, option in (*name_positions().items(), *_beginnings().items())}
    option_names |= {shared: label for label, shared in _owners().items()}
    rows = []
    for choice, name in choice_names.items():
        for option in dict.fromkeys(getattr(run, choice) for run in choices.runs):
            mine = [run for run in choices.runs if getattr(run, choice) == option]
            shares = (f"{100 * mean(getattr(run, part) for run in mine):.1f}" for part in ("validation", "test"))
            label = str(option) if choice == "length" else option_names[option]
            rows.append((f"{name}{say(en=': ', zh='：')}{label}", *shares))
    rows.append((say(en=f"hand prompt {HAND}", zh=f"手工提示词{HAND}"), "", f"{100 * choices.hand:.1f}"))
    return Table(
        rows,
        (say(en="choice", zh="选项"), say(en="validation", zh="验证集"), say(en="test", zh="测试集")),
        align="right",
    )


def _settings(run: ChoicesRun) -> tuple[int, str, str, bool]:
    return run.length, run.position, run.init, run.class_specific


def _averages(runs: Sequence[ChoicesRun]) -> dict[tuple[int, str, str, bool], SimpleNamespace]:
    """Of each combination: the means of its runs on validation and on test pictures, and the test accuracy of each run."""
    grouped: dict[tuple[int, str, str, bool], list[ChoicesRun]] = {}
    for run in runs:
        grouped.setdefault(_settings(run), []).append(run)
    return {
        settings: SimpleNamespace(
            validation=mean(run.validation for run in mine),
            test=mean(run.test for run in mine),
            runs=[run.test for run in mine],
        )
        for settings, mine in grouped.items()
    }


def _choice_in_words(
    now: SimpleNamespace,
    lengths: Sequence[int],
    columns: Sequence[Sequence[float]],
    chosen: SimpleNamespace,
    choices: Choices,
) -> str:
    of = say(en=": ", zh=" 个 ")
    by_length = [f"{length}{of}{format_percent(mean(runs))}" for length, runs in zip(lengths, columns) if runs]
    shared, own = (
        format_percent(mean(run.test for run in choices.runs if run.class_specific is own)) for own in SHARING
    )
    return say(
        en=f"Two diagrams of accuracy over the number of vectors, left on validation and right on test pictures, with a mark for each of "
        f"{len(choices.runs)} runs: circles where all classes share the vectors, on test pictures {shared} on average, and triangles where "
        f"each class has its own, {own}. Filled are those with {_in_words(now)}; their mean test accuracies by length are "
        f"{', '.join(by_length)}. A frame marks the length {now.length}: {format_percent(chosen.validation)} on validation, {format_percent(chosen.test)} "
        f"on test pictures. A dotted line marks the hand prompt, {format_percent(choices.hand)}.",
        zh=f"两张图，横轴都是上下文向量的个数，左图是验证集上的准确率，右图是测试集上的，{len(choices.runs)} 次训练各画一个标记：圆点是各类共用的，"
        f"测试集上平均 {shared}；三角是每类各一套的，平均 {own}。实心的是{_in_words(now)}，按个数排，测试集上的平均准确率是 "
        f"{'，'.join(by_length)}。方框标出 {now.length} 个向量：验证集 {format_percent(chosen.validation)}，测试集 {format_percent(chosen.test)}。"
        f"点线是手工提示词的 {format_percent(choices.hand)}。",
    )


def _about_choice(
    now: SimpleNamespace,
    averages: Mapping[tuple[int, str, str, bool], SimpleNamespace],
    numbers: int,
    choices: Choices,
) -> str:
    chosen = averages[now.length, now.position, now.init, now.class_specific]
    seeds, every = len(chosen.runs), list(averages.values())
    best_settings, best = max(averages.items(), key=lambda item: item[1].validation)
    rank = 1 + sum(other.validation > chosen.validation for other in every)
    the_best = SimpleNamespace(**dict(zip(("length", "position", "init", "class_specific"), best_settings)))
    text = say(
        en=f"{format_count(now.length, 'vector')} with {_in_words(now)}: {numbers:,} learned numbers. Mean of {seeds} runs: {format_percent(chosen.validation)} on "
        f"validation, {format_percent(chosen.test)} on test pictures ({format_percent(min(chosen.runs))} to {format_percent(max(chosen.runs))}); the hand prompt gets "
        f"{format_percent(choices.hand)} there. On validation this is number {rank} of {len(every)} combinations. ",
        zh=f"{now.length} 个向量，{_in_words(now)}：要学 {numbers:,} 个数。{seeds} 次训练平均：验证集 {format_percent(chosen.validation)}，测试集 "
        f"{format_percent(chosen.test)}（{format_percent(min(chosen.runs))} 到 {format_percent(max(chosen.runs))}），手工提示词在测试集上是 "
        f"{format_percent(choices.hand)}。按验证集排，它在 {len(every)} 种组合里是第 {rank} 名。",
    )
    if rank > 1:
        text += say(
            en=f"Number 1 is a context of {format_count(the_best.length, 'vector')} with {_in_words(the_best)}: {format_percent(best.validation)}, and on test pictures "
            f"{format_percent(best.test)}. ",
            zh=f"第 1 名是 {the_best.length} 个向量，{_in_words(the_best)}：验证集 {format_percent(best.validation)}，测试集 {format_percent(best.test)}。",
        )
    if now.length == 1 and now.position == "middle":
        text += say(
            en="(One vector has no middle: the name stands in front of it.) ",
            zh="（只有一个向量，谈不上中间：类别名在它前面。）",
        )
    return text + say(
        en="Blue, filled: these settings at every length, with a frame around yours. Hollow: all others, circles where all classes share the "
        f"vectors, triangles where each class has its own. All were learned from {choices.shots} shots. ",
        zh="蓝色实心：同样设置、各种个数的训练，你选的个数加了框。空心：其余的训练，圆点是各类共用的，三角是每类各一套的。"
        f"每类都用 {choices.shots} 张图片训练。",
    )


def _in_words(now: SimpleNamespace) -> str:
    """Where the name stands, how the vectors begin and whose they are."""
    return say(
        en=f"the class name {dict(end='at the end', middle='in the middle', front='in front')[now.position]}, begun "
        f"{'from words' if now.init == 'words' else 'at random'}, {'of its own for each class' if now.class_specific else 'shared by all classes'}",
        zh=f"类别名在{dict(end='末尾', middle='中间', front='开头')[now.position]}，用{'词语' if now.init == 'words' else '随机数'}初始化，"
        f"{'每类各一套' if now.class_specific else '各类共用'}",
    )


# --- the stored study: new classes -----------------------------------------------------------------------------------------------


def base_to_new_explorer(file: Path = FILE) -> Explorer:
    """Choose how strongly a context is held to the hand prompt, and see what it wins and loses on classes it never saw."""
    study = load_study(file)
    by_task = {entry.task: entry for entry in study.base_to_new}
    weights = sorted({run.regularisation for entry in by_task.values() for run in entry.runs})
    controls = {
        "task": make_dropdown(
            say(en="task", zh="任务"), {_task_name(name): name for name in by_task}, next(iter(by_task)), 36
        ),
        "weight": ipywidgets.SelectionSlider(
            options=[(f"{weight:g}", weight) for weight in weights],
            value=weights[0],
            description=say(en="weight", zh="正则化强度"),
            **style_control(26),
        ),
    }
    published = figures.Panel(
        say(en="Published: 11 sets of photos", zh="论文：11 个照片数据集"),
        [
            figures.Method(name, [[share] for share in PUBLISHED[name]], colour, marker)
            for name, colour, marker in (
                ("CLIP", INK, "D"),
                ("CoOp", BLUE, "o"),
                ("CoCoOp", VERMILION, "s"),
            )
        ],
    )

    def draw(now: SimpleNamespace) -> Picture:
        entry = by_task[now.task]
        hand = entry.hand_base, entry.hand_new
        columns = {
            weight: _three_columns([run for run in entry.runs if run.regularisation == weight]) for weight in weights
        }
        ours = figures.Panel(
            say(en="The pocket model", zh="口袋模型"),
            [
                *(figures.Method("", columns[weight], faint=True) for weight in weights if weight != now.weight),
                figures.Method(
                    say(en="hand prompt", zh="手工提示词"),
                    [[share] for share in (*hand, _harmonic(*hand))],
                    INK,
                    "D",
                ),
                figures.Method(say(en="context", zh="上下文向量"), columns[now.weight], BLUE),
            ],
        )
        gains = [_signed(runs, prompt) for runs, prompt in zip(columns[now.weight], hand)]
        everything = [share for runs in (*columns.values(), PUBLISHED.values()) for column in runs for share in column]
        return figures.base_and_new(
            [ours, published],
            _limits([*everything, *hand]),
            title=say(
                en=f"{_title_of(now.task)}, regularisation {now.weight:g}: {gains[0]} points on base classes, {gains[1]} on new ones",
                zh=f"{_title_of(now.task)}，正则化强度 {now.weight:g}：基类 {gains[0]} 个百分点，新类 {gains[1]} 个百分点",
            ),
            alt=_new_in_words(now, columns[now.weight], hand),
            caption=_about_new(now.weight, columns[now.weight], hand, len(weights) - 1) + _source(study),
        )

    return Explorer(controls, draw)


def base_to_new_table(file: Path = FILE) -> Table:
    """Of each task and weight of the regularisation the mean test accuracies in per cent, under those of the hand prompt."""
    header = (
        say(en="task and prompt", zh="任务和提示词"),
        say(en="base classes", zh="基类"),
        say(en="new classes", zh="新类"),
        say(en="harmonic mean", zh="调和平均"),
    )
    rows = []
    for entry in load_study(file).base_to_new:
        base, new = entry.hand_base, entry.hand_new
        rows.append((f"{_task_name(entry.task)}{say(en=': ', zh='：')}{HAND}", base, new, _harmonic(base, new)))
        for weight in sorted({run.regularisation for run in entry.runs}):
            columns = _three_columns([run for run in entry.runs if run.regularisation == weight])
            name = say(en=f"context, regularisation {weight:g}", zh=f"上下文向量，正则化强度 {weight:g}")
            rows.append((name, *map(mean, columns)))
    return Table([(name, *(f"{100 * share:.1f}" for share in shares)) for name, *shares in rows], header, align="right")


def _three_columns(runs: Sequence[NewClassesRun]) -> list[list[float]]:
    """Accuracy on base and on new classes, and their harmonic mean, run by run."""
    return [
        [run.base for run in runs],
        [run.new for run in runs],
        [_harmonic(run.base, run.new) for run in runs],
    ]


def _harmonic(one: float, other: float) -> float:
    """Near the smaller of the two: who wants it high must be good at both."""
    return 2 * one * other / (one + other) if one + other else 0.0


def _new_in_words(now: SimpleNamespace, columns: Sequence[Sequence[float]], hand: tuple[float, float]) -> str:
    base, new, both = (format_percent(mean(column)) for column in columns)
    by_hand = [format_percent(share) for share in (*hand, _harmonic(*hand))]
    others_en = "; ".join(f"{name} {', '.join(map(format_percent, shares))}" for name, shares in PUBLISHED.items())
    others_zh = "；".join(f"{name} 是 {'、'.join(map(format_percent, shares))}" for name, shares in PUBLISHED.items())
    return say(
        en=f"Two diagrams with three columns each: base classes, new classes, harmonic mean. Left, the pocket model; the task: "
        f"{_task_name(now.task)}. With the regularisation {now.weight:g} the context has {base}, {new} and {both}, the hand prompt "
        f"{by_hand[0]}, {by_hand[1]} and {by_hand[2]}. Hollow dots are other weights. Right, published numbers: {others_en}.",
        zh=f"两张图，各有三栏：基类、新类、调和平均。左图是口袋模型，任务：{_task_name(now.task)}。正则化强度为 {now.weight:g} 时，上下文向量的准确率是 "
        f"{base}、{new}、{both}，手工提示词是 {'、'.join(by_hand)}。空心点是别的强度。右图是论文公布的数：{others_zh}。",
    )


def _about_new(weight: float, columns: Sequence[Sequence[float]], hand: tuple[float, float], others: int) -> str:
    base, new, both = (mean(column) for column in columns)
    clip, coop, runs = PUBLISHED["CLIP"], PUBLISHED["CoOp"], len(columns[0])
    strength = (
        say(en="Without regularisation the context", zh="不加正则化时，上下文向量")
        if not weight
        else say(en=f"With the regularisation {weight:g} the context", zh=f"正则化强度为 {weight:g} 时，上下文向量")
    )
    return say(
        en=f"{strength} gets {format_percent(base)} on the classes it learned from, {_difference(base, hand[0])} the hand prompt, and {format_percent(new)} on new "
        f"ones, {_difference(new, hand[1])} it; in the harmonic mean {format_percent(both)}, {_difference(both, _harmonic(*hand))} it (means of {runs} "
        f"runs). Hollow dots: the other {others} weights. CoOp, on 11 sets of photos with ViT-B/16 and 16 shots, has {_difference(coop[0], clip[0])} CLIP on "
        f"base classes, {_difference(coop[1], clip[1])} it on new ones (Zhou et al. 2022, arXiv 2203.05557). ",
        zh=f"{strength}在学过的基类上是 {format_percent(base)}，{_difference(base, hand[0])}；在没学过的新类上是 {format_percent(new)}，"
        f"{_difference(new, hand[1])}；调和平均 {format_percent(both)}，{_difference(both, _harmonic(*hand))}（{runs} 次训练的平均）。空心点是另外 {others} 种强度。"
        f"右图：ViT-B/16，每类 16 张图片，11 个照片数据集的平均，CoOp 在基类上比 CLIP {_more_or_less(coop[0], clip[0])}，新类上"
        f"{_more_or_less(coop[1], clip[1])}（Zhou 等，2022，arXiv 2203.05557）。",
    )


# --- one picture -----------------------------------------------------------------------------------------------------------------


def few_shot_training(
    clip: CLIPModel, processor: CLIPProcessor, task: tasks.Task, *, config: TrainConfig = CONFIG
) -> ContextTraining:
    """Choose from how many pictures which context is learned, press the button, and see how far it comes, and how far others came.

    Pictures are drawn for the task and encoded; the test pictures are the same for every choice. Where the study has an example of the
    task, it lies behind in grey; the controls begin with fewer vectors, since the same would hide it.
    """
    study = load_study()
    example = study.example
    run = Run(example.history, example.hand, example.before, example.after)
    stored = Stored(run, torch.tensor(example.context), study.command) if task.name == example.task else None
    controls = {
        "shots": _slider(say(en="shots", zh="每类图片"), SHOTS, 8),
        "length": _slider(say(en="vectors", zh="向量个数"), LENGTHS, 1),
        "init": make_dropdown(
            say(en="begins as", zh="初始化"),
            {f"“{WORDS}”": "words", say(en="random numbers", zh="随机数"): "random"},
            "words",
            20,
        ),
        "position": make_dropdown(say(en="the name is", zh="类别名在"), name_positions(), "end", 20),
        "seed": ipywidgets.BoundedIntText(
            0, min=0, max=99, description=say(en="seed", zh="随机种子"), **style_control(12)
        ),
    }

    def prepare(now: SimpleNamespace) -> Setting:
        pictures = draw_few_shot(task, now.shots, min(now.shots, MOST_CHECKS), TESTS, now.seed)
        begin = repeat_words(WORDS, now.length) if now.init == "words" else "random"
        generator = torch.Generator().manual_seed(now.seed)
        prompted = PromptedCLIP(clip, processor, task.class_names, now.length, begin, now.position, generator=generator)
        return Setting(prompted, encode_split(clip, processor, pictures), _chosen(now, prompted, begin))

    return ContextTraining(prepare, config, controls, start=say(en="Train", zh="训练"), stored=stored)


def _chosen(now: SimpleNamespace, prompted: PromptedCLIP, begin: str) -> str:
    """What the controls say, in words, and how many numbers that is to learn."""
    classes, (vectors, width) = len(prompted.class_names), prompted.context.shape
    numbers = f"{vectors} × {width} = {vectors * width:,}"
    place = now.position if vectors > 1 or now.position == "end" else "front"  # one vector has no middle
    return say(
        en=f"{format_count(now.shots, 'shot')} of each of {classes} classes; {format_count(vectors, 'vector')}, that is {numbers} numbers, begun "
        f"{'at random' if begin == 'random' else f'as “{begin}”'}; the class name "
        f"{dict(end='at the end', middle='in the middle', front='in front')[place]}; seed {now.seed}",
        zh=f"{classes} 类，每类 {now.shots} 张训练图片；{vectors} 个向量，共 {numbers} 个数，"
        f"{'用随机数' if begin == 'random' else f'用“{begin}”'}初始化；类别名在{dict(end='末尾', middle='中间', front='开头')[place]}；"
        f"随机种子 {now.seed}",
    )


def _slider(label: str, options: Sequence[int], value: int) -> ipywidgets.SelectionSlider:
    return ipywidgets.SelectionSlider(
        options=options, value=value, description=label, continuous_update=False, **style_control(20)
    )


# --- what the explorers of the study share -----------------------------------------------------------------------------------------


def _source(study: ContextStudy) -> str:
    return say(
        en=f"Stored runs on the pocket model, made by “{study.command}”.",
        zh=f"口袋模型上事先存好的训练，由 {study.command} 得到。",
    )


def _tasks() -> dict[str, tasks.Task]:
    known = (tasks.RIDDLE, tasks.BLURRED, tasks.make_style_task("sketch"), tasks.make_style_task("sepia print"))
    return {task.name: task for task in known}


def _title_of(task: str) -> str:
    """A task in few words, for titles and tables."""
    riddle, blurred, sketch, sepia = _tasks()
    return {
        riddle: say(en="The red one of two", zh="红色的那一样"),
        blurred: say(en="Blurred photos", zh="模糊的照片"),
        sketch: say(en="Sketches", zh="素描"),
        sepia: say(en="Sepia prints", zh="泛黄老照片"),
    }[task]


def _task_name(task: str) -> str:
    """A task in the learner's language."""
    riddle, blurred, sketch, sepia = _tasks()
    return {
        riddle: say(
            en="the red one of two things (the riddle of lesson 00)", zh="两个物体里红色的那个（第 00 课的谜题）"
        ),
        blurred: say(en="blurred photos", zh="模糊的照片"),
        sketch: say(en="sketches", zh="素描"),
        sepia: say(en="sepia prints, a style that CLIP never saw", zh="泛黄老照片（CLIP 没见过的风格）"),
    }[task]


def name_positions() -> dict[str, Position]:
    return {
        say(en="at the end", zh="末尾"): "end",
        say(en="in the middle", zh="中间"): "middle",
        say(en="in front", zh="开头"): "front",
    }


def _beginnings() -> dict[str, str]:
    return {say(en="random numbers", zh="随机数"): "random", say(en="words", zh="词语"): "words"}


def _owners() -> dict[str, bool]:
    """Whose the vectors are, and whether each class has its own."""
    return {
        say(en="the same for all classes", zh="各类共用"): False,
        say(en="each class its own", zh="每类各一套"): True,
    }


def _sharing() -> dict[bool, str]:
    """The same in the words of the field."""
    return {False: say(en="shared", zh="各类共用"), True: say(en="class-specific", zh="每类各一套")}


def _tick(label: str) -> ipywidgets.Checkbox:
    return ipywidgets.Checkbox(
        True, description=label, indent=False, layout={"width": "auto", "margin": "2px 1.2em 2px 0"}
    )


def _limits(shares: Sequence[float], unit: float = 0.05) -> tuple[float, float]:
    """From below the least to above the greatest of these accuracies, in steps of five points."""
    low, high = min(shares) - 0.01, max(shares) + 0.01
    return max(0.0, unit * (low // unit)), min(1.02, unit * (high // unit + 1))


def _points(one: float, other: float) -> float:
    """How many points one accuracy is above another, as the two are printed."""
    return round(round(100 * one, 1) - round(100 * other, 1), 1)


def _signed(runs: Sequence[float], hand: float) -> str:
    """How many points the mean of runs is above the hand prompt, with its sign."""
    return f"{_points(mean(runs), hand):+.1f}".replace("-", "−")


def _more_or_less(one: float, other: float) -> str:
    points = _points(one, other)
    if not points:
        return say(en="as much as", zh="不相上下")
    en, zh = ("more", "高") if points > 0 else ("less", "低")
    return say(en=f"{abs(points):.1f} points {en} than", zh=f"{zh} {abs(points):.1f} 个百分点")


def _difference(one: float, hand: float) -> str:
    """How far an accuracy is from that of the hand prompt; in English "3.1 points more than", in Chinese a whole clause."""
    return say(
        en=_more_or_less(one, hand),
        zh=f"{'和' if not _points(one, hand) else '比'}手工提示词{_more_or_less(one, hand)}",
    )
