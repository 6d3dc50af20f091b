"""Explorers of lesson 03: how a caption is chosen token by token, how a captioner learns, what prompts do, and the stored study.

On top of `Explorer`, `LongWork`, `figures` and `helpers.captioner`. The study is pocket/studies/captioner_study.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from statistics import mean
from types import SimpleNamespace
from typing import Any, NamedTuple

import ipywidgets
import numpy as np
import torch
from torch import Tensor
from transformers import CLIPModel, CLIPProcessor, PreTrainedModel

from helpers.captioner import DESCRIBE, VLMWithSoftPrompt
from helpers.captioner_training import initialise_projection, train_captioner
from helpers.language import LearnerError, say
from helpers.notebook import Table
from helpers.training import History
from lessons.kit.explorer import (
    Explorer,
    LongWork,
    Shown,
    compute_checksum,
    format_count,
    format_percent,
    make_dropdown,
    style_control,
    use_one_thread,
)
from lessons.kit.picture import LOCK, Picture
from lessons.lesson_03_soft_prompt import figures_captions as figures
from lessons.lesson_03_soft_prompt.exercises import CURVES
from pocket.captioning import CONFIG
from pocket.language import read_caption, write_full_caption
from pocket.scoring import find_form, is_right, list_expected_claims
from pocket.studies.captioner_study import (
    EXAMPLE_CONFIG,
    EXAMPLE_PICTURES,
    FILE,
    WATCHED,
    Answers,
    AskedRun,
    CaptionerStudy,
    TipRun,
    TrainedRun,
    load_study,
)
from pocket.words import translate
from pocket.world import SHOWS_COLOUR, Scene, Thing, draw, make_random_scene

SEED = 0  # of what is drawn at random: the same figure at every call
TOP, SAMPLES, MOST_TOKENS = 8, 3, 26  # a caption that says everything of three things has 22
BLENDS = 11
EXAMPLES = 2  # captions under two losses
VECTORS = 10  # of a learned soft prompt
CHECKS, CHECK_SEED = 64, 1000  # pictures to validate on, and their seed, which no learner can choose
CHUNK = 25  # pictures that are drawn and encoded in one turn, after which other explorers have theirs
KINDS = ("object", "colour", "size", "background", "style")

ONE_THING = (  # scenes of one thing, each with the seed of its drawing
    (Scene((Thing("key", "blue", "small"),), "room", "cartoon"), 6),
    (Scene((Thing("cat", "red", "large"),), "snow", "photo"), 4),
    (Scene((Thing("umbrella", "yellow", "medium"),), "beach", "cartoon"), 5),
    (Scene((Thing("rocket", "purple", "medium"),), "night", "neon sign"), 7),
    (Scene((Thing("snail", "orange", "small"),), "forest", "painting"), 8),
    (Scene((Thing("guitar", "brown", "large"),), "desert", "sketch"), 9),
)
SOME_THINGS = (
    (Scene((Thing("cat", "gray", "large"), Thing("ball", "red", "medium")), "meadow", "photo"), 1),
    (Scene((Thing("apple", "green", "large"),), "room", "photo"), 4),
    (Scene((Thing("boat", "white", "large"),), "beach", "painting"), 2),
    (Scene((Thing("mushroom", "orange", "medium"), Thing("butterfly", "purple", "medium")), "forest", "cartoon"), 3),
    (Scene((Thing("crown", "yellow", "large"),), "snow", "mosaic"), 5),
    (Scene((Thing("car", "red", "large"), Thing("house", "brown", "large")), "city", "sketch"), 6),
)


# --- what it says ----------------------------------------------------------------------------------------------------------------


def described(model: VLMWithSoftPrompt, scenes: Sequence[tuple[Scene, int]]) -> Picture:
    """Three drawn scenes, each with its seed, over what the model says of them; what is true is marked."""
    said = _generate(model, _features(model, scenes))
    told = [judged(text, scene) for text, (scene, _) in zip(said, scenes, strict=True)]
    right, of = sum(number for _, number in told), sum(len(_facts(scene)) for scene, _ in scenes)
    en = " ".join(f"{_in_words(scene)} Under it: “{text}”" for text, (scene, _) in zip(said, scenes))
    zh = "".join(f"{_in_words(scene)}下面写着“{text}”。" for text, (scene, _) in zip(said, scenes))
    return figures.pictures_with_captions(
        [(draw(scene, seed), pieces) for (scene, seed), (pieces, _) in zip(scenes, told)],
        title=say(
            en=f"What the frozen GPT-2 writes about pictures: {right} of {of} facts are right",
            zh=f"冻结的 GPT-2 给图片写的说明文字：{of} 个事实说对了 {right} 个",
        ),
        alt=say(en=f"Three pictures with captions. {en}", zh=f"三张带说明文字的图片。{zh}"),
        caption=_marked()
        + say(en=" Everything is written by GPT-2, word by word.", zh="每一句都是 GPT-2 一个词一个词写出来的。"),
    )


def _marked() -> str:
    """What a tick in a caption means."""
    return say(
        en="In bold blue with a ✓: what is true of the picture; a size or a colour counts only with the right object.",
        zh="蓝色带 ✓ 的词符合图片；物体说对了，大小和颜色才算。",
    )


# --- the next token --------------------------------------------------------------------------------------------------------------


def next_word_explorer(model: VLMWithSoftPrompt) -> Explorer:
    """Choose a picture and a place in its caption, and see which tokens are likely there, and which captions come of it.

    Greedy, with beams, and drawn at random with temperature and top_p: always with the same seed, so that nothing moves by itself.
    """
    features = _features(model, ONE_THING)

    @cache
    def greedy(number: int, state: str) -> Greedy:
        return _decode_greedily(model, features[number])

    @cache
    def with_beams(number: int, beams: int, state: str) -> str:
        return _generate(model, features[number, None], num_beams=beams)[0]

    @cache
    def at_random(number: int, temperature: float, top_p: float, state: str) -> list[str]:
        rows, device = features[number].expand(SAMPLES, -1, -1), features.device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(SEED)
            return _generate(model, rows, do_sample=True, temperature=temperature, top_p=top_p)

    def places(number: int) -> int:
        return len(greedy(number, _state(model)).logits)

    with LOCK:
        first = _least_sure([greedy(number, _state(model)) for number in range(len(ONE_THING))])
        unsure = int(greedy(first, _state(model)).sureness().argmin()) + 1
    controls = {
        "picture": _pictures(ONE_THING, first),
        "word": _slider(say(en="word", zh="第几个词"), ipywidgets.IntSlider, unsure, 1, places(first)),
        "temperature": _slider(say(en="temperature", zh="温度"), ipywidgets.FloatSlider, 1.0, 0.2, 3.0, step=0.1),
        "top_p": _slider("top_p", ipywidgets.FloatSlider, 0.9, 0.1, 1.0, step=0.05, readout_format=".2f"),
        "beams": _slider(say(en="beams", zh="束的个数"), ipywidgets.IntSlider, 3, 1, 6),
    }

    def fit(change: Mapping[str, Any]) -> None:
        """Another caption may be shorter, or longer."""
        with LOCK:
            controls["word"].max = places(change["new"])

    controls["picture"].observe(fit, names="value")

    def draw_now(now: SimpleNamespace) -> Picture:
        state, (scene, seed) = _state(model), ONE_THING[now.picture]
        temperature, top_p = round(now.temperature, 2), round(now.top_p, 2)
        caption, tokens, logits = greedy(now.picture, state)
        place = min(now.word, len(logits)) - 1
        shares = (logits[place] / temperature).softmax(-1)
        best, ids = shares.sort(descending=True)
        kept = ((best.cumsum(0) - best) < top_p) | (top_p == 1)  # as long as the likelier ones do not reach top_p
        kept[0] = True
        names = [_token_name(model.tokenizer, int(id)) for id in ids[:TOP]]
        likely = [figures.Likely(*row) for row in zip(names, best.tolist(), kept.tolist())]
        before, beamed = "".join(tokens[:place]).strip(), with_beams(now.picture, now.beams, state)
        samples = at_random(now.picture, temperature, top_p, state)
        return figures.next_tokens(
            draw(scene, seed),
            likely,
            [
                (say(en="greedy", zh="贪心"), [caption]),
                (say(en=format_count(now.beams, "beam"), zh=f"束搜索，{now.beams} 束"), [beamed]),
                (say(en="drawn at random", zh="采样"), samples),
            ],
            before=before,
            setting=say(
                en=f"temperature {temperature:g}; top_p {top_p:g} keeps {int(kept.sum()):,} of {len(shares):,} tokens",
                zh=f"温度 {temperature:g}；top_p {top_p:g}，从 {len(shares):,} 个词元里留下 {int(kept.sum()):,} 个",
            ),
            title=say(
                en=f"The likeliest next token is “{names[0]}” ({format_percent(likely[0].share)}); greedy decoding always takes that one",
                zh=f"接下来最可能的词元是“{names[0]}”（{format_percent(likely[0].share)}）；贪心解码总是取它",
            ),
            alt=_in_words(scene) + _tokens_in_words(likely, before, temperature, top_p, int(kept.sum()))
            + _captions_in_words(caption, now.beams, beamed, samples),
            caption=_about_tokens(place + 1, caption, now.beams, beamed, samples),
        )  # fmt: skip

    return Explorer(controls, draw_now)


class Greedy(NamedTuple):
    """A greedy caption, its tokens, and the logits (T + 1, V) at each of them and behind the last."""

    caption: str
    tokens: list[str]
    logits: Tensor

    def sureness(self, temperature: float = 1.0) -> Tensor:
        """(T + 1,) the probability of the likeliest token at each place."""
        return (self.logits / temperature).softmax(-1).amax(-1)


def _decode_greedily(model: VLMWithSoftPrompt, features: Tensor) -> Greedy:
    """What the model writes about one picture, of which these are the features (P, Dv)."""
    (caption,) = _generate(model, features[None])
    ids = torch.tensor(model.tokenizer(caption, add_special_tokens=False)["input_ids"], dtype=torch.long)
    with torch.no_grad(), use_one_thread():
        logits = model(features[None], ids[None].to(features.device))[0, -len(ids) - 1 :]
    return Greedy(caption, [model.tokenizer.decode([id]) for id in ids.tolist()], logits.float().cpu())


def _least_sure(written: Sequence[Greedy]) -> int:
    """Of the pictures that are described rightly the one with the greatest doubt about a word; of all, if none is."""
    right = [
        number for number, (scene, _) in enumerate(ONE_THING) if written[number].caption == write_full_caption(scene)
    ]
    return min(right or range(len(written)), key=lambda number: written[number].sureness().min())


def doubts_table(model: VLMWithSoftPrompt, temperatures: Sequence[float] = (1.0, 3.0)) -> Table:
    """At each word of the caption that `next_word_explorer` shows first the probability of the likeliest token, by temperature."""
    with LOCK:
        written = [_decode_greedily(model, features) for features in _features(model, ONE_THING)]
    shown = written[_least_sure(written)]
    columns = [shown.sureness(temperature).tolist() for temperature in temperatures]
    names = [*(token.strip() for token in shown.tokens), say(en="(end)", zh="（结束）")]
    header = (
        say(en="likeliest next token", zh="最可能的下一个词元"),
        *(say(en=f"probability at {one:g}", zh=f"温度 {one:g} 时的概率") for one in temperatures),
    )
    return Table([(name, *map(format_percent, row)) for name, *row in zip(names, *columns)], header, align="right")


def _token_name(tokenizer: Any, id: int) -> str:
    if id == tokenizer.eos_token_id:
        return say(en="(end)", zh="（结束）")
    return tokenizer.decode([id]).strip() or say(en="(space)", zh="（空格）")


def _tokens_in_words(
    likely: Sequence[figures.Likely], before: str, temperature: float, top_p: float, kept: int
) -> str:  # fmt: skip
    told = [f"{one.token} {format_percent(one.share)}" for one in likely]
    return say(
        en=f" Beside it a bar for each of the {len(likely)} likeliest tokens "
        + (f"after “{before}”" if before else "at the beginning")
        + f", at the temperature {temperature:g}: {', '.join(told)}. top_p {top_p:g} keeps {format_count(kept, 'token')}, the likeliest, with "
        "filled bars; others are hatched.",
        zh=f"旁边的条形图是温度为 {temperature:g} 时，"
        + (f"“{before}”之后" if before else "开头处")
        + f"最可能的 {len(likely)} 个词元：{'、'.join(told)}。top_p 为 {top_p:g}，留下最可能的 {kept} 个，画成实心；其余的画成斜线填充。",
    )


def _captions_in_words(greedy: str, beams: int, beamed: str, samples: Sequence[str]) -> str:
    listed = [f"“{text}”" for text in samples]
    return say(
        en=f" Beneath, captions. Greedy: “{greedy}” With {format_count(beams, 'beam')}: “{beamed}” Drawn at random: {' '.join(listed)}",
        zh=f"下面是几句说明文字。贪心：“{greedy}”；{beams} 束：“{beamed}”；采样：{''.join(listed)}。",
    )


def _about_tokens(place: int, greedy: str, beams: int, beamed: str, samples: Sequence[str]) -> str:
    others = sum(text != greedy for text in samples)
    same = beamed == greedy
    return say(
        en=f"Word {place}: the bars are what GPT-2 gives the next token, after the picture and the words of the greedy caption before it. "
        "The temperature divides the logits: below 1 the longest bar grows, above 1 all become alike. top_p keeps the likeliest tokens that "
        "together have this share (filled); hatched ones are never drawn. Beams follow several beginnings at once and take the text whose "
        f"tokens are likeliest on average: with {format_count(beams, 'beam')} it is {'the greedy caption again' if same else 'another caption'}. Of the "
        f"{len(samples)} drawn at random, {others} differ{'s' if others == 1 else ''} from the greedy one.",
        zh=f"第 {place} 个词：前面是图片和贪心说明文字里已有的词，条形图是 GPT-2 给下一个词元的概率。logits 要除以温度："
        "小于 1，最长的一条更长；大于 1，各条趋于相等。top_p 只留下最可能的几个词元，合起来的概率刚好够这么多（实心）；斜线的永远抽不到。"
        f"束搜索同时跟着几个开头，取平均每个词元概率最高的一句：用 {beams} 束，得到的"
        f"{'还是贪心的那一句' if same else '是另一句'}。采样的 {len(samples)} 句{f'里，有 {others} 句和贪心的不同' if others else '都和贪心的一样'}。",
    )  # fmt: skip


# --- a captioner that learns -----------------------------------------------------------------------------------------------------


def captioner_training(
    clip: tuple[CLIPModel, CLIPProcessor], language: tuple[PreTrainedModel, Any], file: Path = FILE
) -> CaptionerTraining:  # fmt: skip
    """Choose from how many pictures and how fast a captioner learns, press the button, and see what it says of three pictures.

    clip: what `load_clip` returned, language: what `load_gpt2` returned. On a page without a kernel the stored run stands there.
    """
    return CaptionerTraining(clip, language, file)


@dataclass
class Album:
    """Scenes of one seed, as many as were asked for so far, and the features (n, P, Dv) of their pictures, chunk by chunk."""

    rng: np.random.Generator
    scenes: list[Scene] = field(default_factory=list)
    features: list[Tensor] = field(default_factory=list)

    def first(self, number: int) -> tuple[Tensor, list[str]]:
        return torch.cat(self.features)[:number], [write_full_caption(scene) for scene in self.scenes[:number]]


class CaptionerTraining(LongWork):
    """A button that trains a captioner, and a figure that follows it.

    model: what was trained last, even by a run that was interrupted (None before the first press); runs: the losses of every run.
    """

    def __init__(
        self, clip: tuple[CLIPModel, CLIPProcessor], language: tuple[PreTrainedModel, Any], file: Path
    ) -> None:
        self._clip, self._language = clip, language
        self.model: VLMWithSoftPrompt | None = None
        self.runs: list[History] = []
        self._albums: dict[int, Album] = {}  # by seed: the validation pictures, and those that were learned from last
        self._drawing = ""
        learned = say(en="learned", zh="学习得到"), say(en="none", zh="不用")
        controls = {
            "pictures": _options(say(en="pictures", zh="图片数"), (300, 1000, 3000), EXAMPLE_PICTURES),
            "steps": _options(say(en="steps", zh="步数"), (200, 400, 800), EXAMPLE_CONFIG.steps),
            "rate": _options(say(en="highest rate", zh="最大学习率"), (3e-4, 3e-3, 3e-2), EXAMPLE_CONFIG.learning_rate),
            "length": make_dropdown(
                say(en="soft prompt", zh="软提示词"), {learned[0]: VECTORS, learned[1]: 0}, VECTORS, 17
            ),
            "seed": ipywidgets.BoundedIntText(
                0, min=0, max=99, description=say(en="seed", zh="随机种子"), **style_control(12)
            ),
        }
        steps = controls["steps"].value
        super().__init__(
            self._learn,
            _example_picture(load_study(file)),
            waiting=self._waiting_picture(steps),
            start=say(en="Train a captioner", zh="训练"),
            controls=controls,
            steps=steps,
        )

    # --- the work ---

    def _learn(self, now: SimpleNamespace) -> Iterator[tuple[float, Callable[[], Shown]]]:
        begun, self._steps, earlier = self._clock(), now.steps, tuple(self.runs)
        generator = torch.Generator().manual_seed(now.seed)
        begin = DESCRIBE if now.length else "random"
        model = VLMWithSoftPrompt(self._clip, self._language, now.length, init=begin, generator=generator)
        frozen = [compute_checksum(part) for part in (model.vision_model, model.language_model)]
        run, chosen = History(now.steps), _chosen(now, model)
        try:
            with use_one_thread():
                checks = yield from self._pictures(model, CHECK_SEED, CHECKS)
                train = yield from self._pictures(model, now.seed, now.pictures)
                watched = _features(model, WATCHED)
                initialise_projection(model, *train)
                self._drawing, self._preparing = "", self._clock() - begun
                self.model = model
                config = replace(
                    CONFIG, steps=now.steps, learning_rate=now.rate, eval_every=max(1, now.steps // 10), seed=now.seed
                )
                with closing(train_captioner(model, train, checks, config)) as evaluations:
                    for at in evaluations:
                        run, said = run.add(at), model.generate(watched, max_new_tokens=MOST_TOKENS)
                        shown = partial(self._picture, run, earlier, said, chosen)
                        self._when_stopped = partial(shown, how="stopped")
                        yield at.step / at.steps, partial(shown, how="growing")
                said = model.generate(watched, max_new_tokens=MOST_TOKENS)
            told = _frozen(
                model, frozen == [compute_checksum(part) for part in (model.vision_model, model.language_model)]
            )
            self._when_stopped = partial(self._picture, run, earlier, said, chosen, how="finished", frozen=told)
            yield 1.0, self._when_stopped
        except FloatingPointError:
            raise LearnerError(
                say(
                    en=f"The loss is no number any more: with the rate {now.rate:g} the steps were too long. Choose a smaller one.",
                    zh=f"损失已经不是数了：学习率 {now.rate:g} 太大，每一步都迈过了头。请换一个小一些的。",
                )
            ) from None
        finally:
            self._drawing = ""
            if run.evaluations:
                self.runs.append(run)

    def _pictures(
        self, model: VLMWithSoftPrompt, seed: int, number: int
    ) -> Iterator[tuple[float, Callable[[], Shown]]]:  # fmt: skip
        """Scenes of one thing with this seed, drawn and encoded where they have not been yet: features (N, P, Dv) and captions."""
        if seed not in self._albums:
            self._albums = {kept: album for kept, album in self._albums.items() if kept == CHECK_SEED}
        album = self._albums.setdefault(seed, Album(np.random.default_rng(seed)))
        held_out = {scene for scene, _ in WATCHED}
        if seed != CHECK_SEED:
            held_out |= set(self._albums[CHECK_SEED].scenes)
        while (there := len(album.scenes)) < number:
            self._drawing = say(
                en=f"{there} of {number} pictures are drawn", zh=f"图片画好了 {there} 张，共 {number} 张"
            )
            yield 0.0, lambda: self.shown
            scenes = []
            while len(scenes) < CHUNK:
                scene = make_random_scene(album.rng, things=1)
                scenes += [scene] if scene not in held_out else []
            images = [draw(scene, 10_000 * seed + there + place, _side(model)) for place, scene in enumerate(scenes)]
            album.features.append(model.encode(images))
            album.scenes += scenes
        return album.first(number)

    def _describe_progress(self, share: float) -> str:
        return self._drawing or super()._describe_progress(share)

    # --- what there is to see ---

    def _waiting_picture(self, steps: int) -> Picture:
        """Before the first press: empty axes, and the pictures with question marks."""
        pictures = [(draw(scene, seed), [figures.Piece("?")], "") for scene, seed in WATCHED]
        scenes = say(en=" ", zh="").join(_in_words(scene) for scene, _ in WATCHED)
        return figures.captions_learned(
            None,
            (),
            pictures,
            steps,
            title=say(en="What will a captioner say of these three pictures?", zh="模型会怎样描述这三张图片？"),
            alt=say(
                en=f"An empty diagram for the loss over {steps} steps. Beneath it three pictures, and a question mark under each. {scenes}",
                zh=f"一张还空着的图，留给 {steps} 步的损失。下面三张图片，每张底下一个问号。{scenes}",
            ),
            caption=say(
                en="None of the three pictures is among those that it learns from.",
                zh="这三张图片都不在训练图片里。",
            ),
        )

    def _picture(
        self, run: History, earlier: Sequence[History], said: Sequence[str], chosen: str, *, how: str, frozen: str = ""
    ) -> Picture:  # fmt: skip
        """The learner's run so far, over the others. how: whether it is "growing", "stopped" or "finished"; frozen: what is told then."""
        step, kept = run.evaluations[-1].step, run.best.step
        begin = {
            "growing": say(en=f"Step {step} of {run.steps}", zh=f"第 {step} 步，共 {run.steps} 步"),
            "stopped": say(en=f"Stopped at step {step} of {run.steps}", zh=f"共 {run.steps} 步，停在第 {step} 步"),
            "finished": say(en=f"Your run, with what step {kept} learned", zh=f"你的训练，用的是第 {kept} 步学到的数"),
        }[how]
        whose = say(en=f"Your run ({chosen})", zh=f"你的训练（{chosen}）")
        return _run_picture(run, earlier, said, begin, whose, _about_run(run, earlier, chosen + frozen, how))


def _run_picture(
    run: History, earlier: Sequence[History], said: Sequence[str], begin: str, whose: str, caption: str, stored: bool = False
) -> Picture:  # fmt: skip
    """The losses of a run over what it says of the watched pictures. begin: of the title; whose: run it is, for the alt text."""
    told = [judged(text, scene) for text, (scene, _) in zip(said, WATCHED)]
    right, of = sum(right for _, right in told), sum(len(_facts(scene)) for scene, _ in WATCHED)
    notes = [
        say(en=f"{number} of {len(_facts(scene))}\nfacts right", zh=f"{len(_facts(scene))} 个事实\n说对 {number} 个")
        for (scene, _), (_, number) in zip(WATCHED, told)
    ]
    return figures.captions_learned(
        run,
        earlier,
        [(draw(scene, seed), pieces, note) for (scene, seed), (pieces, _), note in zip(WATCHED, told, notes)],
        run.steps,
        stored=stored,
        title=say(
            en=f"{begin}: {right} of {of} facts about the three pictures are right",
            zh=f"{begin}：三张图片的 {of} 个事实说对了 {right} 个",
        ),
        alt=_run_in_words(run, earlier, said, right, of, whose),
        caption=caption,
    )


def _example_picture(study: CaptionerStudy) -> Picture:
    """What stands on a page before the first press, where no kernel answers: the run that the controls would give."""
    (example,) = study.example
    begin = say(en="A stored run", zh="事先存好的一次训练")
    caption = say(
        en=f"{example.pictures:,} pictures, {example.history.steps} steps. Solid: loss on training pictures; dashed: on validation pictures; the "
        f"ring marks step {example.history.best.step}, where that was lowest and whose numbers are kept. None of the three pictures is among "
        "those that it learned from. ",
        zh=f"{example.pictures:,} 张训练图片，{example.history.steps} 步。实线是训练图片上的损失，虚线是验证图片上的；圆圈标出验证集损失最低的第 "
        f"{example.history.best.step} 步，留下的就是那一步学到的数。这三张图片都不在训练图片里。",
    )
    caption += _marked() + say(en=" ", zh="") + _source(study)
    return _run_picture(example.history, (), example.captions, begin, begin, caption, stored=True)


def judged(caption: str, scene: Scene) -> tuple[list[figures.Piece], int]:
    """A caption in pieces, those marked that say something true of the scene, and how many of its facts it says.

    A word belongs to a fact if the fact is not said without it. Each fact counts where it is said first.
    """
    words, facts, said = caption.split(), _facts(scene), frozenset()
    says: list[Any] = [None] * len(words)  # the fact that each word belongs to
    for end in range(1, len(words) + 1):
        new = (read_caption(" ".join(words[:end])) & facts) - said
        for fact in sorted(
            new, key=lambda fact: fact[0] != "object"
        ):  # without its object a size or colour is not said either
            for place in range(end):
                without = [*words[:place], "x", *words[place + 1 : end]]
                if fact not in read_caption(" ".join(without)):
                    says[place] = says[place] or fact
        said |= new
    pieces: list[tuple[str, Any]] = []
    for text, fact in zip(words, says):
        bare = text.rstrip(".,!?:;")
        for part, whose in ((bare, fact), (text[len(bare) :], None)):
            if part and pieces and pieces[-1][1] == whose and part[0].isalnum():
                pieces[-1] = (f"{pieces[-1][0]} {part}", whose)
            elif part:
                pieces.append((part, whose))
    return [figures.Piece(part, fact is not None) for part, fact in pieces], len(said)


def _facts(scene: Scene) -> frozenset:
    """What is true of a scene and can be said in words; the number of its things nobody says."""
    return frozenset(fact for fact in list_expected_claims(scene) if fact[0] != "count")


def _chosen(now: SimpleNamespace, model: VLMWithSoftPrompt) -> str:
    """What the controls say, in words, and how many numbers that is to learn."""
    numbers = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    vectors, width = model.soft_prompt.prompt_embeddings.shape
    return say(
        en=f"{now.pictures:,} pictures, {now.steps} steps of {CONFIG.batch_size} pictures, rate at most {now.rate:g}, "
        + (f"a soft prompt of {vectors} × {width}" if vectors else "no soft prompt")
        + f", seed {now.seed}; {numbers:,} numbers learn",
        zh=f"{now.pictures:,} 张训练图片，{now.steps} 步，每步 {CONFIG.batch_size} 张，学习率最大 {now.rate:g}，"
        + (f"软提示词 {vectors} × {width}" if vectors else "没有软提示词")
        + f"，随机种子 {now.seed}；要学的一共 {numbers:,} 个数",
    )


def _frozen(model: VLMWithSoftPrompt, unchanged: bool) -> str:
    """At the end: whether the frozen models are what they were."""
    numbers = sum(p.numel() for part in (model.vision_model, model.language_model) for p in part.parameters())
    if unchanged:
        return say(
            en=f"; the {numbers:,} of the two frozen models are what they were (checksums before and after agree)",
            zh=f"，两个冻结的模型共 {numbers:,} 个参数，一个也没变（训练前后的校验值相同）",
        )
    return say(
        en="; and the frozen models have changed, which they never should", zh="；冻结的模型参数变了，这不应该发生"
    )


def _run_in_words(
    run: History, earlier: Sequence[History], said: Sequence[str], right: int, of: int, whose: str
) -> str:  # fmt: skip
    first, last = (
        [f"{losses[place]:.2f}" for losses in map(run.column, ("loss", "validation_loss"))] for place in (0, -1)
    )
    step, kept, texts = run.evaluations[-1].step, run.best.step, [f"“{text}”" for text in said]
    others = say(en=", ", zh="、").join(f"{other.best.validation_loss:.2f}" for other in earlier)
    return say(
        en=f"{whose}, at step {step} of {run.steps}. The loss has gone from {first[0]} to {last[0]} on training pictures, from "
        f"{first[1]} to {last[1]} on validation pictures; a ring marks step {kept}, the lowest. Beneath, what it says of three pictures: "
        f"{' '.join(texts)} {right} of {of} facts are right."
        + (f" Faint curves: earlier runs, whose lowest validation losses were {others}." if earlier else ""),
        zh=f"{whose}，共 {run.steps} 步，到第 {step} 步。损失在训练图片上从 {first[0]} 到 {last[0]}，在验证图片上从 {first[1]} 到 "
        f"{last[1]}；圆圈标出最低的第 {kept} 步。下面是它为三张图片写的说明文字：{''.join(texts)}。{of} 个事实说对了 {right} 个。"
        + (f"浅色曲线是之前的训练，验证集损失最低分别是 {others}。" if earlier else ""),
    )


def _about_run(run: History, earlier: Sequence[History], chosen: str, how: str) -> str:
    kept = run.best.step
    return say(
        en=f"{chosen}. Solid: loss on training pictures; dashed: on {CHECKS} validation pictures, the same for every run. "
        + (
            f"The ring marks step {kept}, where the validation loss was lowest: its numbers are kept"
            + (", and they wrote these captions. " if how == "finished" else ". ")
            if how != "growing"
            else "The ring marks the lowest validation loss so far. "
        )
        + _marked()
        + (" Faint: your earlier runs." if earlier else ""),
        zh=f"{chosen}。实线是训练图片上的损失，虚线是 {CHECKS} 张验证图片上的，每次训练都用这一批。"
        + (
            f"圆圈标出第 {kept} 步，验证集损失在那里最低，留下的就是那一步学到的数"
            + ("，这几句说明文字也是用它写的。" if how == "finished" else "。")
            if how != "growing"
            else "圆圈标出到目前为止验证集损失最低的一步。"
        )
        + _marked()
        + ("浅色的是你之前的训练。" if earlier else ""),
    )


# --- prompts, blended ------------------------------------------------------------------------------------------------------------


def prompts_explorer(model: VLMWithSoftPrompt, prompts: Mapping[str, Tensor]) -> Explorer:
    """Choose a picture and two soft prompts, blend them, and see what one frozen model writes.

    prompts: by name, a task each, (M, D), learned beside the projection that the model has. The first picture of the list that all of
    them answer rightly is shown first.
    """
    shapes = {name: tuple(vectors.shape) for name, vectors in prompts.items()}
    if len(set(shapes.values())) != 1:
        raise ValueError(f"prompts can be blended only if they are of one length; these are {shapes}")
    features, names = _features(model, SOME_THINGS), list(prompts)
    options = {_prompt_name(name): name for name in names}

    @cache
    def texts(number: int, first: str, second: str, state: str) -> list[str]:
        """What the model writes with each of the blends, all in one batch."""
        share = torch.linspace(0, 1, BLENDS)[:, None, None]
        one, other = (prompts[name].detach().float().cpu() for name in (first, second))  # (M, D)
        with model.swap_prompt((1 - share) * one + share * other):  # (BLENDS, M, D)
            return _generate(model, features[number].expand(BLENDS, -1, -1), max_new_tokens=40)

    def all_right(number: int) -> bool:
        scene, _ = SOME_THINGS[number]
        answers = {name: texts(number, name, name, _state(model))[0] for name in names}
        return all(find_form(text) == task and is_right(task, text, scene) for task, text in answers.items())

    with LOCK:
        shown = next(filter(all_right, range(len(SOME_THINGS))), 0)
    controls = {
        "picture": _pictures(SOME_THINGS, shown),
        "first": make_dropdown(say(en="prompt", zh="提示词"), options, names[0], 20),
        "second": make_dropdown(say(en="and", zh="另一个"), options, names[1], 20),
        "blend": _slider(say(en="blend", zh="混合比例"), ipywidgets.FloatSlider, 0.0, 0.0, 1.0, step=0.1),
    }

    def draw_now(now: SimpleNamespace) -> Picture:
        scene, seed = SOME_THINGS[now.picture]
        written, chosen = texts(now.picture, now.first, now.second, _state(model)), round(now.blend * (BLENDS - 1))
        turns = [place for place in range(1, BLENDS) if written[place] != written[place - 1]]
        return figures.blended_prompts(
            draw(scene, seed),
            written,
            chosen,
            names=(_prompt_name(now.first), _prompt_name(now.second)),
            title=say(
                en=f"One frozen model: from “{now.first}” to “{now.second}” the text changes {_times(len(turns))}",
                zh=f"同一个冻结的模型：提示词从“{_prompt_name(now.first)}”到“{_prompt_name(now.second)}”，文字变了 {len(turns)} 次",
            ),
            alt=_in_words(scene) + _blends_in_words(now, written, chosen, turns),
            caption=_about_blends(now, turns),
        )

    return Explorer(controls, draw_now)


def _times(number: int) -> str:
    return {0: "nowhere", 1: "once", 2: "twice"}.get(number, f"{number} times")


def _prompt_name(name: str) -> str:
    chinese = {"describe": "描述", "count": "数数", "colour": "颜色", "story": "故事"}
    return say(en=name, zh=chinese.get(name, name))


def _blends_in_words(now: SimpleNamespace, texts: Sequence[str], chosen: int, turns: Sequence[int]) -> str:
    ends = list(zip([0, *turns], [*turns, BLENDS]))
    spans = [f"{one / 10:.1f}" + (f"–{(end - 1) / 10:.1f}" if end - 1 > one else "") for one, end in ends]
    en = [f"{span} “{texts[first]}”" for span, (first, _) in zip(spans, ends)]
    zh = [f"{span} 是“{texts[first]}”" for span, (first, _) in zip(spans, ends)]
    one, other = _prompt_name(now.first), _prompt_name(now.second)
    return say(
        en=f" With the prompts “{one}” and “{other}”, blended at {chosen / 10:.1f}, the model writes: “{texts[chosen]}” A list of all blends, "
        f"with a triangle at this one: {'; '.join(en)}.",
        zh=f"把提示词“{one}”和“{other}”按 {chosen / 10:.1f} 混合，模型写的是：“{texts[chosen]}”下面列出所有混合比例，三角形标出当前的："
        f"{'；'.join(zh)}。",
    )


def _about_blends(now: SimpleNamespace, turns: Sequence[int]) -> str:
    first, second = _prompt_name(now.first), _prompt_name(now.second)
    where = say(en=", ", zh="、").join(f"{turn / 10:.1f}" for turn in turns)
    text = say(
        en="Model, projection and picture stay the same; only the vectors in front are exchanged. At the blend b they are (1 − b) × the first "
        "prompt + b × the second, number by number. "
        + (f"The text changes at {where}. " if turns else "All eleven blends give the same text. ")
        + "The ground of the list changes with it.",
        zh="模型、投影和图片都不变，换的只是最前面的十个向量。混合比例为 b 时，它们是（1 − b）× 第一个提示词 + b × 第二个，逐个数相加。"
        + (f"文字在 {where} 处变了，" if turns else "十一种混合写出的都是同一句话，")
        + "列表的底色随文字一起变。",
    )
    if first == second:
        text += say(en=" (Both prompts are the same one: choose another.)", zh="（两个提示词是同一个：换一个试试。）")
    return text


# --- the stored study ------------------------------------------------------------------------------------------------------------


def two_losses(file: Path = FILE) -> Picture:
    """The right loss beside the classic mistake, a loss without the shift: both losses over the steps, and what each learns to say."""
    study = load_study(file)
    runs = sorted(study.shift, key=lambda run: not run.shifted)  # the right one first
    own, true = [run.history for run in runs], [run.next_token_loss for run in runs]
    said = [
        (truth, [run.captions[number][1] for run in runs])
        for number, (truth, _) in enumerate(runs[0].captions[:EXAMPLES])
    ]  # fmt: skip
    ends = [(f"{one.evaluations[-1].validation_loss:.2g}", f"{other[-1]:.2g}") for one, other in zip(own, true)]
    objects = [run.object for run in runs]
    told_en = "; ".join(f"the truth “{truth}”, shifted “{one}”, not shifted “{other}”" for truth, (one, other) in said)
    told_zh = "；".join(f"真实的是“{truth}”，错开的说“{one}”，没有错开的说“{other}”" for truth, (one, other) in said)
    return figures.two_losses(
        own,
        true,
        said,
        names=(say(en="shifted", zh="错开一位"), say(en="not shifted", zh="没有错开")),
        title=say(
            en=f"Not shifted, the loss falls to {ends[1][0]}, but that of the next token ends at {ends[1][1]}",
            zh=f"没有错开，损失降到 {ends[1][0]}，可是预测下一个词元的损失最后是 {ends[1][1]}",
        ),
        alt=say(
            en=f"Two diagrams over {own[0].steps} steps. Left, the loss that each was trained with: at the end {ends[0][0]} with shifted labels, "
            f"{ends[1][0]} without the shift. Right, the loss of the next token: {ends[0][1]} and {ends[1][1]}. Beneath, captions: {told_en}.",
            zh=f"两张图，横轴是 {own[0].steps} 步训练。左图是各自训练用的损失：最后，错开的是 {ends[0][0]}，没有错开的是 {ends[1][0]}。右图是下一个词元的"
            f"损失：{ends[0][1]} 和 {ends[1][1]}。下面是说明文字：{told_zh}。",
        ),
        caption=say(
            en="Not shifted: what is predicted at a token is compared with that token itself, which stands in the input. Its own loss says that all "
            f"is well; yet after {own[1].steps:,} steps {format_percent(objects[1])} of the objects are named right, and {format_percent(objects[0])} with the shift. ",
            zh=f"没有错开：每个词元处的预测，拿来比的是这个词元自己，而它就写在输入里。光看自己的损失，一切都好；可是 {own[1].steps:,} 步之后，物体只说对了 "
            f"{format_percent(objects[1])}，错开的说对了 {format_percent(objects[0])}。",
        )
        + _source(study),
    )


def three_curves(file: Path = FILE) -> Picture:
    """Three learning curves, A, B and C, with a fault each, for the learner to tell which: it is named nowhere here."""
    study = load_study(file)
    of = {run.fault: run.history for run in study.faults}
    panels = {letter: of[what] for letter, what in CURVES.items()}
    en, zh = [], []
    for letter, run in panels.items():
        loss, check = (
            (f"{losses[0]:.2f}", f"{losses[-1]:.2f}") for losses in map(run.column, ("loss", "validation_loss"))
        )
        low, at = f"{run.best.validation_loss:.2f}", run.best.step
        en.append(
            f"{letter}, {run.steps} steps: training loss from {loss[0]} to {loss[1]}, validation loss from {check[0]} to {check[1]}, lowest at "
            f"step {at} with {low}"
        )
        zh.append(
            f"{letter} 图，{run.steps} 步：训练集损失从 {loss[0]} 到 {loss[1]}，验证集损失从 {check[0]} 到 {check[1]}，最低是第 {at} 步的 {low}"
        )
    return figures.loss_panels(
        panels,
        title=say(en="Three trainings: A, B and C", zh="三次训练：A、B、C"),
        alt=say(en=f"Three learning curves. {'. '.join(en)}.", zh=f"三条学习曲线。{'。'.join(zh)}。"),
        caption=say(
            en="Solid: the loss of the training pictures of each step; dashed: of validation pictures. The scale of the loss is logarithmic and "
            "the same in all three; the numbers of steps are not. ",
            zh="实线是每一步那批训练图片的损失，虚线是验证图片的。三张图的损失轴是同一个对数刻度，步数不全相同。",
        )
        + _source(study),
    )


def parts_picture(file: Path = FILE) -> Picture:
    """What each part of the captioner contributes: shares of facts right, as it was trained, with parts exchanged, and trained anew."""
    study = load_study(file)
    ways = _ways(study)
    groups: dict[bool, list[figures.DotRow]] = {False: [], True: []}
    headings = say(en="once trained", zh="同一批模型"), say(en="trained anew", zh="重新训练")
    for (anew, way), runs in ways.items():
        columns = [[getattr(run.scores, kind) for run in runs] for kind in KINDS]
        groups[anew].append(figures.DotRow(_way(way), columns, bold=way == "as trained"))
    chance, steps = study.chance, f"{study.config.steps:,}"
    of = {way: mean(run.scores.object for run in runs) for (_, way), runs in ways.items()}
    told = [f"{_way(way)} {format_percent(share)}" for way, share in of.items()]
    background = {way: mean(run.scores.background for run in runs) for (_, way), runs in ways.items()}
    backgrounds = [f"{_way(way)} {format_percent(share)}" for way, share in background.items()]
    seeds = max(len(runs) for runs in ways.values())
    return figures.dots_in_rows(
        {headings[anew]: rows for anew, rows in groups.items() if rows},
        [
            figures.Measure(_kind(kind), line=(chance, say(en="chance", zh="瞎猜")) if kind == "object" else None)
            for kind in KINDS
        ],
        title=say(
            en=f"Objects right after {steps} steps: {format_percent(of['as trained'])} as trained, {format_percent(of['no picture'])} without the picture",
            zh=f"{steps} 步之后说对的物体：和训练时一样问，{format_percent(of['as trained'])}；不给图片，{format_percent(of['no picture'])}",
        ),
        alt=say(
            en=f"Five diagrams side by side, for object, colour, size, background and style, with a row for each way to ask. Objects right on "
            f"average: {'; '.join(told)}. A dotted line marks chance, {format_percent(chance)}. Backgrounds right: {'; '.join(backgrounds)}.",
            zh=f"并排五张图，分别是物体、颜色、大小、背景和风格，每种做法一行。物体说对的平均比例：{'；'.join(told)}。点线标出瞎猜的 "
            f"{format_percent(chance)}。背景说对的：{'；'.join(backgrounds)}。",
        ),
        caption=say(
            en=f"Shares of what is true of the test pictures that the captions say. A dot: one of {seeds} trainings of {steps} steps; a tick: their mean. A colour or "
            "a size counts only with the right object. Above, the same captioners, with a part taken away or exchanged only when they are asked; below, "
            "others that learned without that part. ",
            zh=f"测试图片里的事实，说明文字说对了多少。一个点是一次训练（共 {seeds} 次，每次 {steps} 步），竖线是平均。颜色和大小要连物体一起说对才算。"
            "上面几行是同一批模型，只在提问时去掉或换掉一部分；下面几行是从训练起就没有那一部分的。",
        )
        + _source(study),
    )


def parts_table(file: Path = FILE) -> Table:
    """Of each way to ask or to train the mean shares of facts right, in per cent."""
    study = load_study(file)
    steps = f"{study.config.steps:,}"
    header = (say(en=f"after {steps} steps", zh=f"{steps} 步之后"), *(_kind(kind) for kind in KINDS))
    anew = say(en="trained anew: ", zh="重新训练：")
    rows = [
        (
            f"{anew if trained else ''}{_way(way)}",
            *(f"{100 * mean(getattr(run.scores, kind) for run in runs):.1f}" for kind in KINDS),
        )
        for (trained, way), runs in _ways(study).items()
    ]
    return Table(rows, header, align="right")


def prompts_table(file: Path = FILE) -> Table:
    """Of each prompt, learned and in words, how many answers have which form and how many are right in what was asked for, in per cent.

    Beside it what the best single answer to all pictures would get.
    """
    prompts = load_study(file).prompts
    forms = list(prompts[0].learned.form)
    header = (
        say(en="prompt", zh="提示词"),
        *(say(en=f"form: {name}", zh=f"形式：{_prompt_name(name)}") for name in forms),
        say(en="content right", zh="内容正确"),
        say(en="one answer to all", zh="一律同一个答案"),
    )

    def row(name: str, judged: Answers, null: str) -> tuple[str, ...]:
        return name, *(f"{100 * judged.form[of]:.1f}" for of in forms), f"{100 * judged.content:.1f}", null

    rows = []
    for entry in prompts:
        name = _prompt_name(entry.prompt)
        rows.append(row(name, entry.learned, f"{100 * entry.one_answer_to_all:.1f}"))
        rows.append(row(say(en=f"{name}, in words", zh=f"{name}（用词语）"), entry.by_hand, ""))
    return Table(rows, header, align="right")


def tips_explorer(file: Path = FILE) -> Explorer:
    """Choose a setting of the training, and see how the captioner does at each of its values."""
    study = load_study(file)
    tips, steps = _tips(study), study.short_config.steps
    controls = {
        "tip": make_dropdown(say(en="setting", zh="设置"), {_tip(name): name for name in tips}, next(iter(tips)), 24)
    }  # fmt: skip

    def draw_now(now: SimpleNamespace) -> Picture:
        values = tips[now.tip]
        losses = {value: mean(run.validation_loss for run in runs) for value, runs in values.items()}
        best = min(losses, key=losses.__getitem__)
        right = {value: mean(run.object for run in runs) for value, runs in values.items()}
        measures = ("object", "exact", "validation_loss")
        rows = [
            figures.DotRow(
                _value_name(value), [[getattr(run, name) for run in runs] for name in measures], bold=value == best
            )
            for value, runs in values.items()
        ]
        told = say(en="; ", zh="；").join(
            f"{_value_name(value)}{say(en=': ', zh='：')}{format_percent(right[value])}" for value in values
        )
        return figures.dots_in_rows(
            {"": rows},
            [
                figures.Measure(_kind("object")),
                figures.Measure(say(en="everything in a caption", zh="整句全对")),
                figures.Measure(say(en="validation loss", zh="验证集损失"), share=False),
            ],
            title=say(
                en=f"{_tip(now.tip).capitalize()}: lowest validation loss at “{_value(best)}”; objects right after {steps} steps: {format_percent(right[best])}",
                zh=f"{_tip(now.tip)}：验证集损失最低的是“{_value_name(best)}”，{steps} 步之后物体说对 {format_percent(right[best])}",
            ),
            alt=say(
                en=f"Three diagrams side by side, with a row for each value of the setting “{_tip(now.tip)}”. Objects right: {told}. The "
                f"validation loss is lowest at {_value_name(best)}, with {losses[best]:.2f}.",
                zh=f"并排三张图，“{_tip(now.tip)}”的每个取值一行。物体说对的比例：{told}。验证集损失最低的取值是“{_value_name(best)}”，为 "
                f"{losses[best]:.2f}。",
            ),
            caption=say(
                en=f"A dot is one training of {steps} steps. Left, objects named right on test pictures; in the middle, captions in which "
                "nothing is missing or wrong; right, on a logarithmic scale, the validation loss, which is what one may choose by: ▶ marks the "
                "lowest. ",
                zh=f"一个点是一次 {steps} 步的训练。左图是测试图片上物体说对的比例，中间是一句话里什么都不缺、什么都不错的比例，右图是验证集损失，"
                "用对数刻度：挑选设置只能看它，▶ 标出最低的一行。",
            )
            + _source(study),
        )

    return Explorer(controls, draw_now)


def tips_table(file: Path = FILE) -> Table:
    """Of each setting and value the means: objects right and captions right in per cent, and the validation loss."""
    study = load_study(file)
    steps = study.short_config.steps
    header = (
        say(en=f"setting, after {steps} steps", zh=f"设置和取值，{steps} 步之后"),
        say(en="object", zh="物体"),
        say(en="everything", zh="整句全对"),
        say(en="validation loss", zh="验证集损失"),
    )
    rows = [
        (
            f"{_tip(tip)}{say(en=': ', zh='：')}{_value_name(value)}",
            *(f"{100 * mean(getattr(run, name) for run in runs):.1f}" for name in ("object", "exact")),
            f"{mean(run.validation_loss for run in runs):.3f}",
        )
        for tip, values in _tips(study).items()
        for value, runs in values.items()
    ]
    return Table(rows, header, align="right")


# --- what stands in the study ----------------------------------------------------------------------------------------------------

WAYS = {
    "as trained": "和训练时一样",
    "soft prompt removed": "去掉软提示词",
    "zeros instead": "换成零向量",
    "words instead": "换成词语",
    "no picture": "不给图片",
    "shuffled pictures": "打乱图片",
    "without soft prompt": "没有软提示词",
    "pooled feature": "只用一个池化特征",
}
ENGLISH_TIPS = {
    "rate": "learning rate",
    "length": "prompt length",
    "pictures": "training pictures",
    "begin": "initialisation",
    "steps": "steps",
    "batch": "batch size",
    "features": "vision features",
}
CHINESE_TIPS = {
    "rate": "学习率",
    "length": "提示词向量个数",
    "pictures": "训练图片数",
    "begin": "初始化",
    "steps": "步数",
    "batch": "批大小",
    "features": "图片特征",
}
CHINESE_VALUES = {
    "random": "随机数",
    "words": "词语",
    "vocabulary": "随机抽出的词",
    "all at random": "都用随机数",
    "projection as words": "投影从词语开始",
    "prompt as words": "提示词从词语开始",
    "both as words": "两者都从词语开始",
    "patches": "图块（倒数第二层）",
    "last layer": "图块（最后一层）",
    "pooled": "池化特征",
}


def _ways(study: CaptionerStudy) -> dict[tuple[bool, str], list[AskedRun | TrainedRun]]:
    """The runs of each way: whether it was trained anew, and its name. What was trained whole is what the others are asked of."""
    grouped: dict[tuple[bool, str], list[AskedRun | TrainedRun]] = {}
    for run in study.asked:
        grouped.setdefault((False, run.how), []).append(run)
    for run in study.trained:
        if run.trained != "whole":
            grouped.setdefault((True, run.trained), []).append(run)
    return grouped


def _tips(study: CaptionerStudy) -> dict[str, dict[Any, list[TipRun]]]:
    """The runs of each setting at each of its values."""
    grouped: dict[str, dict[Any, list[TipRun]]] = {}
    for run in study.tips:
        grouped.setdefault(run.tip, {}).setdefault(run.value, []).append(run)
    return grouped


def _way(name: str) -> str:
    return say(en=name, zh=WAYS.get(name, name))


def _kind(kind: str) -> str:
    chinese = {"object": "物体", "colour": "颜色", "size": "大小", "background": "背景", "style": "风格"}
    return say(en=kind, zh=chinese[kind])


def _tip(name: str) -> str:
    return say(en=ENGLISH_TIPS.get(name, name), zh=CHINESE_TIPS.get(name, name))


def _value(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:,g}" if value < 1 else f"{value:,}"


def _value_name(value: Any) -> str:
    return say(en=_value(value), zh=CHINESE_VALUES.get(value, _value(value)))


def _source(study: CaptionerStudy) -> str:
    return say(
        en=f"Stored runs on the pocket models, made by “{study.command}”.",
        zh=f"口袋模型上事先存好的训练，由 {study.command} 得到。",
    )


# --- what the explorers share ----------------------------------------------------------------------------------------------------


def _side(model: VLMWithSoftPrompt) -> int:
    """How many pixels wide the pictures are that the vision tower takes."""
    return model.vision_model.config.image_size


def _features(model: VLMWithSoftPrompt, scenes: Sequence[tuple[Scene, int]]) -> Tensor:
    """The vision features (N, P, Dv) of drawn scenes."""
    with LOCK, use_one_thread():
        return model.encode([draw(scene, seed, _side(model)) for scene, seed in scenes])


def _generate(model: VLMWithSoftPrompt, features: Tensor, max_new_tokens: int = MOST_TOKENS, **how: Any) -> list[str]:
    with use_one_thread():
        return model.generate(features, max_new_tokens=max_new_tokens, **how)


def _state(model: VLMWithSoftPrompt) -> str:
    """Changes with what the model has learned: what was kept of another state is not shown for this one."""
    return compute_checksum(model.soft_prompt) + compute_checksum(model.vision_projection)


def _pictures(scenes: Sequence[tuple[Scene, int]], first: int) -> ipywidgets.Dropdown:
    options = {_called(scene): number for number, (scene, _) in enumerate(scenes)}
    return make_dropdown(say(en="picture", zh="图片"), options, first, 30)


def _slider(label: str, kind: type, value: float, least: float, most: float, **more: Any) -> ipywidgets.Widget:
    if kind is ipywidgets.FloatSlider:
        more = {"readout_format": ".1f", **more}
    return kind(value, min=least, max=most, description=label, continuous_update=False, **more, **style_control(24))


def _options(label: str, options: Sequence[float], value: float) -> ipywidgets.SelectionSlider:
    named = [(f"{option:,}" if option >= 1 else f"{option:g}", option) for option in options]
    return ipywidgets.SelectionSlider(
        options=named, value=value, description=label, continuous_update=False, **style_control(22)
    )  # fmt: skip


def _called(scene: Scene) -> str:
    """A scene in a few words of the learner's language, for a list: "red cat, photo"."""
    named = [
        say(
            en=f"{thing.colour} {thing.object}" if scene.style in SHOWS_COLOUR and len(scene.things) == 1 else thing.object,
            zh=f"{translate(thing.colour)}的{translate(thing.object)}"
            if scene.style in SHOWS_COLOUR and len(scene.things) == 1
            else translate(thing.object),
        )
        for thing in scene.things
    ]  # fmt: skip
    things = say(en=", ".join(named[:-1]) + " and " if named[:-1] else "", zh="、".join([*named[:-1], ""])) + named[-1]
    return say(en=f"{things}, {scene.style}", zh=f"{things}，{translate(scene.style)}")


def _in_words(scene: Scene) -> str:
    """The scene in a sentence of the learner's language, for alt texts."""
    english = write_full_caption(scene)
    things = [
        f"{translate(thing.colour) + '的' if scene.style in SHOWS_COLOUR else ''}{translate(thing.object)}（{translate(thing.size)}）"
        for thing in scene.things
    ]
    return say(
        en=english[0].upper() + english[1:],
        zh=f"{translate(scene.style)}风格的画：{'、'.join(things)}，背景是{translate(scene.background)}。",
    )
