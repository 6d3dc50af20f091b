"""Explorers of lesson 00: compose a scene, see it in every style, try a picture of your own; train ten vectors, and look at them."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ipywidgets
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPModel, CLIPProcessor

from helpers import pictures
from helpers.context import PromptedCLIP
from helpers.data import FewShot
from helpers.files import DATA
from helpers.language import LearnerError, say
from helpers.pretrained import classify_zero_shot, find_trained_rows
from helpers.training import History, TrainConfig
from lessons.kit.context_training import CONFIG, ContextTraining, Setting, Stored
from lessons.kit.explorer import Explorer, make_dropdown, read_uploads, style_control
from lessons.kit.learning_curve import Run
from lessons.kit.picture import (
    BLUE,
    GREY,
    INK,
    LOCK,
    VERMILION,
    WIDTH,
    Picture,
    add_axes,
    add_title,
    crop_square,
    draw_picture_with_scores,
    draw_stripes,
    finish,
    make_blank,
    show_image,
)
from pocket import world
from pocket.datasets import Pictures
from pocket.language import add_article, write_full_caption
from pocket.words import translate

# pocket/studies/first_vectors_study.py makes it, which trains: not loaded here
STORED = DATA / "runs" / "first-vectors.json"
VECTORS = 10
UNTRAINED = range(100, 110)  # seeds of the null: nobody can train from them, since those of the button end before
TEMPLATES = ("a photo of a {}.", "a picture of a {}.", "a {style} of a {}.", "{}")
MOST_TEXTS, BARS = 100, 8


# --- compose a scene ---------------------------------------------------------------------------------------------


def explore_scene(clip: CLIPModel, processor: CLIPProcessor, scene: world.Scene, seed: int = 0) -> Explorer:
    """Compose a scene of one object, and see which of the world's object names CLIP gives it, in which prompt."""
    thing = scene.things[0]
    ready, template = _make_template_controls()
    controls = {
        "object": make_dropdown(say(en="object", zh="物体"), _name_options(world.OBJECTS), thing.object, 23.2),
        "colour": make_dropdown(say(en="colour", zh="颜色"), _name_options(world.COLOURS), thing.colour, 23.2),
        "size": make_dropdown(say(en="size", zh="大小"), _name_options(world.SIZES), thing.size, 23.2),
        "background": make_dropdown(
            say(en="background", zh="背景"), _name_options(world.BACKGROUNDS), scene.background, 23.2
        ),
        "style": make_dropdown(say(en="style", zh="风格"), _name_options(world.ALL_STYLES), scene.style, 24.5),
        "seed": ipywidgets.BoundedIntText(
            seed, min=0, max=99, description=say(en="drawing no.", zh="画法编号"), **style_control()
        ),
        "ready": ready,
        "template": template,
    }

    def draw(now: SimpleNamespace) -> Picture:
        scene = world.Scene((world.Thing(now.object, now.colour, now.size),), now.background, now.style)
        return draw_scene_with_scores(clip, processor, scene, now.seed, now.template)

    return Explorer(controls, draw)


def draw_scene_with_scores(
    clip: CLIPModel,
    processor: CLIPProcessor,
    scene: world.Scene,
    seed: int = 0,
    template: str = TEMPLATES[0],
    names: Sequence[str] = world.OBJECTS,
) -> Picture:
    """A scene, and how well each name fits it: the template is filled with one name after the other."""
    texts = [fill_template(template, name, scene.style) for name in names]
    seen = world.draw(scene, seed, clip.config.vision_config.image_size)
    scores = classify_zero_shot(clip, processor, seen, texts).tolist()
    caption = say(
        en=f"The {BARS} highest probabilities; all {len(texts)} together make 100 %.",
        zh=f"概率最高的 {BARS} 个名称；全部 {len(texts)} 个名称的概率加起来是 100%。",
    )
    if scene.style not in world.SHOWS_COLOUR:
        caption += say(en=" This style does not show the object's colour.", zh="这种风格看不出物体的颜色。")
    caption += _warn_of_strange_words(clip, processor, texts)
    alt = describe_scene(scene) + say(en=" ", zh="") + _describe_bars(names, scores)
    title = f"“{template.replace('{style}', scene.style)}”"
    return draw_picture_with_scores(
        world.draw(scene, seed), names, scores, title=title, alt=alt, caption=caption, top=BARS
    )


def draw_scene_in_styles(
    clip: CLIPModel, processor: CLIPProcessor, scene: world.Scene, seed: int = 0, template: str = TEMPLATES[0]
) -> Picture:
    """A scene of one object in every style of the world, and under each drawing the name that CLIP gives it."""
    truth, size = scene.things[0].object, clip.config.vision_config.image_size
    guesses, scores = {}, []
    for style in world.ALL_STYLES:
        texts = [fill_template(template, name, style) for name in world.OBJECTS]
        seen = world.draw(replace(scene, style=style), seed, size)
        share, best = classify_zero_shot(clip, processor, seen, texts).max(0)
        guesses[style] = world.OBJECTS[best]
        scores.append(float(share))
    missed = say(en=", ", zh="、").join(translate(style) for style, guess in guesses.items() if guess != truth)
    right, n = sum(guess == truth for guess in guesses.values()), len(guesses)
    alt = say(
        en=f"The same {truth} drawn in {n} styles. CLIP names it in {right} of them"
        + (f", not in: {missed}." if missed else "."),
        zh=f"同一样东西（{translate(truth)}）用 {n} 种风格画出，CLIP 认对了 {right} 种"
        + (f"，没认出的是：{missed}。" if missed else "。"),
    )
    caption = say(
        en=f"Above each drawing its style; below it the name with the highest probability, in the prompt “{template}”",
        zh=f"图上方是风格，下方是概率最高的名称，提示词是“{template}”",
    )
    drawings = [world.draw(replace(scene, style=style), seed) for style in guesses]
    styles = [say(en=style, zh=translate(style)) for style in guesses]
    return draw_pictures_with_guesses(
        drawings, styles, list(guesses.values()), scores, [truth] * n, alt=alt, caption=caption
    )


def draw_labelled_pictures(
    clip: CLIPModel,
    processor: CLIPProcessor,
    class_names: Sequence[str],
    pictures: Pictures,
    template: str = TEMPLATES[0],
) -> Picture:
    """Ten pictures of as many classes, each under its label and above the class name that CLIP gives it in the prompt."""
    of_class = {int(label): row for row, label in enumerate(pictures.labels)}
    rows = [of_class[label] for label in sorted(of_class)[:: max(1, len(of_class) // 10)]][:10]
    sentences = [fill_template(template, name, "photo") for name in class_names]
    shares = [classify_zero_shot(clip, processor, pictures.images[row], sentences) for row in rows]
    labels = [class_names[int(label)] for label in pictures.labels[rows]]
    guesses = [class_names[int(share.argmax())] for share in shares]
    right = sum(label == guess for label, guess in zip(labels, guesses))
    alt = say(
        en=f"{len(rows)} pictures with two things each. Their labels: {', '.join(labels)}. CLIP agrees with {right} of them.",
        zh=f"{len(rows)} 张图，每张画了两样东西。标签依次是：{'、'.join(labels)}。CLIP 的回答和其中 {right} 个一致。",
    )
    caption = say(
        en=f"Above each picture its label; below it CLIP's answer to “{template}” and its probability.",
        zh=f"图上方是标签，下方是 CLIP 对“{template}”的回答和它的概率。",
    )
    images = [world.draw(*pictures.drawings[row]) for row in rows]  # large, for eyes
    scores = [float(share.max()) for share in shares]
    return draw_pictures_with_guesses(images, labels, guesses, scores, labels, alt=alt, caption=caption)


def draw_pictures_with_guesses(
    images: Sequence[Image.Image],
    labels: Sequence[str],
    guesses: Sequence[str],
    scores: Sequence[float],
    truths: Sequence[str],
    *,
    alt: str,
    caption: str = "",
) -> Picture:
    """Small pictures in rows of five, each under its label and above the model's guess with its probability.

    A guess that is the truth has a tick; any other has a cross, and stands in bold.
    """
    side, step, each = 1.36, WIDTH / 5, zip(images, labels, guesses, scores, truths, strict=True)
    rows = -(-len(images) // 5)
    with LOCK:
        figure = make_blank(1.92 * rows)
        for i, (image, label, guess, score, truth) in enumerate(each):
            row, column = divmod(i, 5)
            axes = add_axes(figure, column * step + 0.06, 1.92 * (rows - row) - 0.24 - side, side, side)
            show_image(axes, image)
            axes.set_title(label, fontsize=9, color=INK, pad=3)
            mark, colour, weight = ("✓", BLUE, "normal") if guess == truth else ("✗", VERMILION, "bold")
            axes.set_xlabel(f"{mark} {guess} {score:.0%}", fontsize=9, color=colour, weight=weight, labelpad=3)
        return finish(figure, alt, caption)


def fill_template(template: str, name: str, style: str) -> str:
    """The template with the name in place of {} and the style in place of {style}; "a" before a vowel becomes "an"."""
    if "{}" not in template:
        raise LearnerError(
            en='The prompt needs {} where the name of the object goes, as in "a photo of a {}."',
            zh="提示词里要有 {}，物体的名称会填在那里，例如：a photo of a {}.",
        )
    for slot, value in (("{style}", style), ("{}", name)):
        template = template.replace(f"a {slot}", add_article(value)).replace(slot, value)
    return template


def describe_scene(scene: world.Scene) -> str:
    """The scene of one object in a sentence of the learner's language, for alt texts."""
    thing = scene.things[0]
    colour = f"{translate(thing.colour)}的" if scene.style in world.SHOWS_COLOUR else ""
    object, size, style, background = map(translate, (thing.object, thing.size, scene.style, scene.background))
    english = write_full_caption(scene)
    return say(
        en=english[0].upper() + english[1:], zh=f"{style}风格的画：{colour}{object}（{size}），背景是{background}。"
    )


# --- a picture of your own ---------------------------------------------------------------------------------------


def explore_picture(
    clip: CLIPModel,
    processor: CLIPProcessor,
    picture: str | Path | Image.Image | None = None,
    texts: Sequence[str] = (),
) -> Explorer:
    """Choose a picture file, write texts, and see which of them CLIP finds fits best.

    picture: what is shown until a file is chosen: a path, a picture, or nothing; texts: one a line in the box.
    """
    button = ipywidgets.FileUpload(
        accept="image/*",
        multiple=False,
        description=say(en="Choose a picture file", zh="选择图片文件"),
        layout=style_control(20)["layout"],
    )
    lines = ipywidgets.Textarea(
        "\n".join(texts), description=say(en="texts", zh="文字"), continuous_update=False, rows=6, **style_control(40)
    )
    size = clip.config.vision_config.image_size

    def draw(now: SimpleNamespace) -> Picture:
        which, image = _open_chosen(now.file, picture)
        candidates = list(dict.fromkeys(line.strip() for line in now.texts.splitlines() if line.strip()))
        if not 2 <= len(candidates) <= MOST_TEXTS:
            raise LearnerError(
                en=f"Write at least two different texts, one a line (at most {MOST_TEXTS}): CLIP can only compare.",
                zh=f"请至少写两条不同的文字，一行一条（最多 {MOST_TEXTS} 条）：CLIP 只会比较。",
            )
        scores = classify_zero_shot(clip, processor, image, candidates).tolist()
        caption = say(
            en=f"CLIP sees the middle square, shrunk to {size} × {size} pixels.",
            zh=f"CLIP 看到的是正中的方块，缩小到 {size} × {size} 像素。",
        )
        caption += _warn_of_strange_words(clip, processor, candidates)
        alt = which + _describe_bars(candidates, scores)
        seen = crop_square(image, 512)
        title = say(en="Which text fits best?", zh="哪一条和图最相符？")
        return draw_picture_with_scores(seen, candidates, scores, title=title, alt=alt, caption=caption, top=BARS)

    return Explorer({"file": button, "texts": lines}, draw)


def open_upload(name: str, data: bytes) -> Image.Image:
    """The bytes of a picture file as RGB, as `pictures.open_picture` gives them; raises `LearnerError` where it raises."""
    try:
        return pictures.open_picture(io.BytesIO(data))
    except pictures.BadPicture as error:
        raise LearnerError(en=f"{name} {error}.", zh=f"{name} {error}。") from None


def _open_chosen(upload: Any, picture: str | Path | Image.Image | None) -> tuple[str, Image.Image]:
    """What picture it is, in words, and the picture itself: the file last chosen, else what the explorer was given."""
    file = read_uploads(upload)
    if file:
        return _name_picture(file[0]), open_upload(*file)
    if isinstance(picture, Image.Image):
        return say(en="An example picture. ", zh="示例图片。"), picture.convert("RGB")
    if picture is None:
        raise LearnerError(en="Choose a picture file with the button above.", zh="请用上面的按钮选择一个图片文件。")
    path = Path(picture).expanduser()
    try:
        data = path.read_bytes()
    except OSError:
        raise LearnerError(
            en=f"The file {path} cannot be read. Check the name, or give the whole path.",
            zh=f"读不到文件 {path}。请检查文件名，或写出完整路径。",
        ) from None
    return _name_picture(path.name), open_upload(path.name, data)


def _name_picture(file: str) -> str:
    return say(en=f"The picture {file}. ", zh=f"图片“{file}”。")


# --- ten vectors -------------------------------------------------------------------------------------------------


def train_first_vectors(
    clip: CLIPModel,
    processor: CLIPProcessor,
    class_names: Sequence[str],
    data: FewShot,
    *,
    config: TrainConfig = CONFIG,
) -> ContextTraining:
    """A button that learns ten vectors from few examples, and draws how they do beside the hand-written prompt.

    data: image features of the examples. On the page stands a stored run, and its context is there before the first press.
    """
    study = json.loads(STORED.read_text(encoding="utf-8"))
    run = Run(History.from_json(study["history"]), study["hand"], study["before"], study["after"])
    another = study["seed"] + 1  # the same start would give the same curve, and hide the stored one
    label = say(en="start no.", zh="随机起点")
    seed = ipywidgets.BoundedIntText(another, min=0, max=99, description=label, **style_control(12))

    def prepare(seed: int) -> PromptedCLIP:
        generator = torch.Generator().manual_seed(seed)
        return PromptedCLIP(clip, processor, class_names, VECTORS, "random", generator=generator)

    initial = prepare(study["seed"]).context.detach()
    return ContextTraining(
        lambda now: Setting(prepare(now.seed), data),
        config,
        {"seed": seed},
        start=say(en="Train ten vectors", zh="训练十个向量"),
        stored=Stored(run, torch.tensor(study["context"]), study["command"], initial),
    )


def encode_contexts(
    clip: CLIPModel, processor: CLIPProcessor, class_names: Sequence[str], initial: Tensor, learned: Tensor
) -> dict[str, Tensor]:
    """Text features of prompts with vectors, by their names in a table: learned ones (C, D), the same before, and as the null others.

    initial, learned: contexts (M, D). The null, (S, C, D), has as many vectors, random ones as a training begins with.
    """

    def encode(context: Tensor | str, seed: int = 0) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return PromptedCLIP(clip, processor, class_names, len(learned), context, generator=generator).class_features()

    seeds = len(UNTRAINED)
    several = say(
        en=f"random vectors + {{}}. (mean and range of {seeds})", zh=f"随机向量 + {{}}.（{seeds} 组的平均和范围）"
    )
    before = say(en="ten vectors + {}. (before training)", zh="十个向量 + {}.（训练前）")
    after = say(en="ten vectors + {}. (after training)", zh="十个向量 + {}.（训练后）")
    null = torch.stack([encode("random", seed) for seed in UNTRAINED])
    return {several: null, before: encode(initial), after: encode(learned)}


def draw_prompts(clip: CLIPModel, processor: CLIPProcessor, prompt: str, context: Tensor) -> Picture:
    """A prompt as CLIP's text tower reads it, under it the same with learned vectors, and, as the null, with random ones of their norms.

    context: (M, D), learned vectors; it takes the place of all words of the prompt but the last and the full stop.
    """
    table = clip.text_model.embeddings.token_embedding.weight.detach().cpu()  # (V, D)
    ids = processor.tokenizer(prompt)["input_ids"]
    words = [token.removesuffix("</w>") for token in processor.tokenizer.convert_ids_to_tokens(ids)]
    words[0], words[-1] = say(en="start", zh="开头"), say(en="end", zh="结尾")
    vectors, n = table[ids], len(context)
    name = len(ids) - 3  # before the full stop and the end
    null = F.normalize(torch.randn(context.shape, generator=torch.Generator().manual_seed(0)), dim=-1)
    null = null * context.cpu().norm(dim=-1, keepdim=True)  # (M, D): in any direction, and of the same norms

    def build_row(label: str, between: Tensor, learned: bool) -> tuple[list[str], np.ndarray, list[bool]]:
        labels = [words[0], *(label.format(number) for number in range(1, n + 1)), *words[name:]]
        return labels, torch.cat([vectors[:1], between, vectors[name:]]).numpy(), [False, *[learned] * n, *[False] * 3]

    rows = [
        (words, vectors.numpy(), [False] * len(ids)),
        build_row("{}", context.cpu(), learned=True),
        build_row(say(en="random", zh="随机"), null, learned=False),
    ]
    alt = say(
        en=f"Three rows of striped strips, one strip a vector of {table.shape[1]} numbers. Above, the tokens of “{prompt}” between start "
        f"and end. In the middle, {n} framed strips, numbered, stand between start and “{words[name]}”; below, {n} random ones.",
        zh=f"三排条纹，每条是一个向量，{table.shape[1]} 个数。上排是“{prompt}”的各个词元，前后是开头和结尾；"
        f"中排的开头和“{words[name]}”之间，是 {n} 条带编号、带框的条纹；下排同样的地方，是 {n} 条随机的。",
    )
    stronger = (context.std() / vectors.std()).item()
    caption = say(
        en="Each strip is one vector; its stripes are the numbers in it, purple below zero and orange above. Framed: learned. Their "
        f"numbers are about {stronger:.0f} times as large as those of the words above: nothing keeps them where words are. The third row is "
        "what chance looks like: random vectors, each with the norm of the learned one above it. By eye nobody can tell the two rows apart; "
        "lesson 04 has better instruments.",
        zh="一条就是一个向量，条纹是里面的数：紫色小于零，橙色大于零。带框的是学出来的，"
        f"它们的数大约是上排词语的 {stronger:.0f} 倍：训练并没有要求它们留在词向量附近。第三排是偶然对照：随机向量，每个的模长（norm）都和"
        "上面学出来的那个相同。光用眼睛，谁也分不出哪一排是学出来的；第 04 课有更好的工具。",
    )
    title = say(
        en="What the frozen text tower reads: words, learned vectors (framed), and random ones",
        zh="冻结的文本塔读到的东西：词语、学出来的向量（带框）、随机向量",
    )
    return draw_rows_of_vectors(rows, title=title, alt=alt, caption=caption)


def draw_rows_of_vectors(
    rows: Sequence[tuple[Sequence[str], np.ndarray, Sequence[bool]]], *, title: str, alt: str, caption: str = ""
) -> Picture:
    """Prompts as a text tower reads them: one vector a position, drawn as a strip of its numbers under its label.

    rows: for each prompt its labels, vectors (T, D), and which of them were learned (T,): those are framed, their labels bold. All
    strips share one colour scale, purple below zero, orange above it, white at zero.
    """
    step, strip, space = 0.515, 1.02, 0.4
    limit = 4 * np.median(np.abs(np.concatenate([vectors for _, vectors, _ in rows])))
    height = 0.36 + (strip + space) * len(rows)
    with LOCK:
        figure = make_blank(height)
        add_title(figure, title, size=10)
        for number, (labels, vectors, learned) in enumerate(rows, start=1):
            bottom = height - 0.28 - (strip + space) * number
            for place, (label, vector, ours) in enumerate(zip(labels, vectors, learned, strict=True)):
                axes = add_axes(figure, 0.12 + place * step, bottom, step - 0.1, strip)
                axes.imshow(draw_stripes([vector], limit).swapaxes(0, 1), interpolation="nearest", aspect="auto")
                axes.set(xticks=[], yticks=[])
                axes.spines[:].set(color=INK if ours else GREY, linewidth=2.2 if ours else 0.8)
                style = {"color": INK, "weight": "bold" if ours else "normal"}
                axes.set_title(label, fontsize=8.5, pad=3, parse_math=False, **style)
        return finish(figure, alt, caption)


# --- controls ----------------------------------------------------------------------------------------------------


def _name_options(names: Sequence[str]) -> dict[str, str]:
    """Words of the world by what a list calls them: in Chinese the Chinese word and the English one, which is what the model reads."""
    unseen = say(en=" (never trained on)", zh="（没见过）")
    return {say(en=n, zh=f"{translate(n)} {n}") + (unseen if n == world.UNSEEN_STYLE else ""): n for n in names}


def _make_template_controls() -> tuple[ipywidgets.Dropdown, ipywidgets.Text]:
    """Ready-made prompts, and the line where the chosen one can be edited: the line is what counts."""
    own = say(en="(your own)", zh="（自己写的）")
    options = {text: text for text in TEMPLATES} | {own: ""}
    ready = make_dropdown(say(en="ready-made", zh="常用提示词"), options, TEMPLATES[0], 23.2)
    line = ipywidgets.Text(
        TEMPLATES[0], description=say(en="prompt", zh="提示词"), continuous_update=False, **style_control(30)
    )

    def fill_line(change: dict[str, Any]) -> None:
        line.value = change["new"] or line.value

    def mark_own(change: dict[str, Any]) -> None:
        ready.value = change["new"] if change["new"] in TEMPLATES else ""

    ready.observe(fill_line, names="value")
    line.observe(mark_own, names="value")
    return ready, line


def _warn_of_strange_words(clip: CLIPModel, processor: CLIPProcessor, texts: Sequence[str]) -> str:
    """A warning of words with a token that training never used: the model cannot know what they mean."""
    words = list(dict.fromkeys(re.findall(r"\w+", " ".join(texts).lower())))
    if not words:
        return ""
    known, ids = find_trained_rows(clip), processor.tokenizer(words, add_special_tokens=False)["input_ids"]
    strange = [word for word, rows in zip(words, ids, strict=True) if not known[rows].all()]
    listed = ", ".join(strange[:6]) + (" …" if len(strange) > 6 else "")
    return say(en=f" CLIP never learned: {listed}.", zh=f"CLIP 没学过这些词：{listed}。") if strange else ""


def _describe_bars(names: Sequence[str], scores: Sequence[float]) -> str:
    """What the bars show, without decimals: it holds on machines that round otherwise."""
    best = max(range(len(names)), key=scores.__getitem__)
    share = scores[best]
    en, zh = ("less than 50 %", "不到一半")
    if share > 0.5:
        en, zh = ("more than 90 %", "超过 90%") if share > 0.9 else ("more than 50 %", "超过一半")
    return say(
        en=f"Bars for the best {min(BARS, len(names))} of {len(names)}; the longest, “{names[best]}”, has a probability of {en}.",
        zh=f"右边的条形图列出 {len(names)} 个选项中概率最高的 {min(BARS, len(names))} 个，最长的是“{names[best]}”，概率{zh}。",
    )
