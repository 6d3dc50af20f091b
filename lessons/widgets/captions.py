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
from typing import Any

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
from lessons.exercises.soft_prompt import CURVES
from lessons.figures import captions as figures
from lessons.kit.explorer import (
    Explorer,
    LongWork,
    Shown,
    checksum,
    counted,
    dropdown,
    glossed,
    look,
    one_thread,
    percent,
)
from lessons.kit.picture import LOCK, Picture
from pocket.captioning import CONFIG
from pocket.language import full_caption, read_caption
from pocket.scoring import expected_claims
from pocket.studies.captioner_study import FILE, Answers, AskedRun, CaptionerStudy, TipRun, TrainedRun, load_study
from pocket.words import translate
from pocket.world import SHOWS_COLOUR, Scene, Thing, draw, random_scene

SEED = 0  # of what is drawn at random: the same figure at every call
TOP, SAMPLES, MOST_TOKENS = 8, 3, 26  # a caption that says everything of three things has 22
BLENDS = 11
VECTORS = 10  # of a learned soft prompt
CHECKS, CHECK_SEED = 64, 1000  # pictures to validate on, and their seed, which no learner can choose
CHUNK = 25  # pictures that are drawn and encoded in one turn, after which other explorers have theirs
KINDS = ("object", "colour", "size", "background", "style")

ONE_THING = (  # scenes of one thing, each with the seed of its drawing; a hard one first
    (Scene((Thing("key", "blue", "small"),), "room", "cartoon"), 6),
    (Scene((Thing("cat", "red", "large"),), "snow", "photo"), 4),
    (Scene((Thing("umbrella", "yellow", "medium"),), "beach", "cartoon"), 5),
    (Scene((Thing("rocket", "purple", "medium"),), "night", "neon sign"), 7),
    (Scene((Thing("snail", "orange", "small"),), "forest", "painting"), 8),
    (Scene((Thing("guitar", "brown", "large"),), "desert", "sketch"), 9),
)
SOME_THINGS = (
    (Scene((Thing("cat", "gray", "large"), Thing("ball", "red", "medium")), "meadow", "photo"), 1),
    (Scene((Thing("boat", "white", "large"),), "beach", "painting"), 2),
    (Scene((Thing("apple", "green", "large"),), "room", "photo"), 4),
    (Scene((Thing("mushroom", "orange", "medium"), Thing("butterfly", "purple", "medium")), "forest", "cartoon"), 3),
    (Scene((Thing("crown", "yellow", "large"),), "snow", "mosaic"), 5),
    (Scene((Thing("car", "red", "large"), Thing("house", "brown", "large")), "city", "sketch"), 6),
)
WATCHED = (  # what a captioner in training describes, and never learns from
    (Scene((Thing("dog", "orange", "large"),), "beach", "photo"), 1),
    (Scene((Thing("cup", "pink", "medium"),), "room", "cartoon"), 2),
    (Scene((Thing("plane", "blue", "large"),), "city", "painting"), 3),
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
        title=f"What the frozen GPT-2 writes about pictures: {right} of {of} facts are right",
        alt=say(en=f"Three pictures with captions. {en}", zh=f"三张带说明文字的图片。{zh}"),
        caption=say(
            en="Bold and with a tick: what is true of the picture. Everything is written by GPT-2, word by word.",
            zh="粗体打勾的，是符合图片的。每一句都是 GPT-2 一个词一个词写出来的。",
        ),
    )


# --- the next token --------------------------------------------------------------------------------------------------------------


def next_word_explorer(model: VLMWithSoftPrompt) -> Explorer:
    """Choose a picture and a place in its caption, and see which tokens are likely there, and which captions come of it.

    Greedy, with beams, and drawn at random with temperature and top_p: always with the same seed, so that nothing moves by itself.
    """
    features = _features(model, ONE_THING)

    @cache
    def greedy(number: int, state: str) -> tuple[str, list[str], Tensor]:
        """The greedy caption, its tokens, and the logits (T + 1, V) at each of them and behind the last."""
        (caption,) = _generate(model, features[number, None])
        ids = torch.tensor(model.tokenizer(caption, add_special_tokens=False)["input_ids"], dtype=torch.long)
        with torch.no_grad(), one_thread():
            logits = model(features[number, None], ids[None].to(features.device))[0, -len(ids) - 1 :]
        return caption, [model.tokenizer.decode([id]) for id in ids.tolist()], logits.float().cpu()

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
        return len(greedy(number, _state(model))[2])

    with LOCK:
        logits = greedy(0, _state(model))[2]
        unsure, most = int(logits.softmax(-1).amax(-1).argmin()) + 1, len(logits)  # begin where the model is least sure
    controls = {
        "picture": _pictures(ONE_THING),
        "word": _slider(say(en="word", zh="第几个词"), ipywidgets.IntSlider, unsure, 1, most),
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
            [("greedy", [caption]), (counted(now.beams, "beam"), [beamed]), ("drawn at random", samples)],
            before=before,
            setting=f"temperature {temperature:g}; top_p {top_p:g} keeps {int(kept.sum()):,} of {len(shares):,} tokens",
            title=f"The likeliest next token is “{names[0]}” ({_in_figure(likely[0].share)}); greedy decoding always takes that one",
            alt=_in_words(scene) + _tokens_in_words(likely, before, temperature, top_p, int(kept.sum()))
            + _captions_in_words(caption, now.beams, beamed, samples),
            caption=_about_tokens(place + 1, caption, now.beams, beamed, samples),
        )  # fmt: skip

    return Explorer(controls, draw_now)


def _token_name(tokenizer: Any, id: int) -> str:
    return "(end)" if id == tokenizer.eos_token_id else tokenizer.decode([id]).strip() or "(space)"


def _tokens_in_words(
    likely: Sequence[figures.Likely], before: str, temperature: float, top_p: float, kept: int
) -> str:  # fmt: skip
    told = [f"{one.token} {percent(one.share)}" for one in likely]
    return say(
        en=f" Beside it a bar for each of the {len(likely)} likeliest tokens "
        + (f"after “{before}”" if before else "at the beginning")
        + f", at the temperature {temperature:g}: {', '.join(told)}. top_p {top_p:g} keeps {counted(kept, 'token')}, the likeliest, with "
        "filled bars; others are hatched.",
        zh=f"旁边的条形图是温度为 {temperature:g} 时，"
        + (f"“{before}”之后" if before else "开头处")
        + f"最可能的 {len(likely)} 个词元：{'、'.join(told)}。top_p 为 {top_p:g}，留下最可能的 {kept} 个，画成实心；其余的画成斜线填充。",
    )


def _captions_in_words(greedy: str, beams: int, beamed: str, samples: Sequence[str]) -> str:
    listed = [f"“{text}”" for text in samples]
    return say(
        en=f" Beneath, captions. Greedy: “{greedy}” With {counted(beams, 'beam')}: “{beamed}” Drawn at random: {' '.join(listed)}",
        zh=f"下面是几句说明文字。贪心：“{greedy}”；{beams} 束：“{beamed}”；采样：{''.join(listed)}。",
    )


def _about_tokens(place: int, greedy: str, beams: int, beamed: str, samples: Sequence[str]) -> str:
    others = sum(text != greedy for text in samples)
    same = beamed == greedy
    return say(
        en=f"Word {place}: the bars are what GPT-2 gives the next token, after the picture and the words of the greedy caption before it. "
        "The temperature divides the logits: below 1 the longest bar grows, above 1 all become alike. top_p keeps the likeliest tokens that "
        "together have this share (filled); hatched ones are never drawn. Beams follow several beginnings at once and take the text whose "
        f"tokens are likeliest on average: with {counted(beams, 'beam')} it is {'the greedy caption again' if same else 'another caption'}. Of the "
        f"{len(samples)} drawn at random, {others} differ{'s' if others == 1 else ''} from the greedy one.",
        zh=f"第 {place} 个词：前面是图片和贪心说明文字里已有的词，条形图是 GPT-2 给下一个词元的概率。温度用来除 logits："
        "小于 1，最长的一条更长；大于 1，各条趋于相等。top_p 只留下最可能的几个词元，合起来的概率刚好够这么多（实心）；斜线的永远抽不到。"
        f"束搜索同时跟着几个开头，取平均每个词元可能性最大的一句：用 {beams} 束，得到的"
        f"{'还是贪心的那一句' if same else '是另一句'}。采样的 {len(samples)} 句里，有 {others} 句和贪心的不同。"
        + glossed(
            "likeliest next token 最可能的下一个词元", "after ……之后", "temperature 温度", "keeps … of … tokens 从……个词元里留下……个",
            "(end) 文本结束符", "greedy decoding 贪心解码", "beams 束", "drawn at random 采样",
        ),
    )  # fmt: skip


# --- a captioner that learns -----------------------------------------------------------------------------------------------------


def captioner_training(
    clip: tuple[CLIPModel, CLIPProcessor], language: tuple[PreTrainedModel, Any]
) -> CaptionerTraining:  # fmt: skip
    """Choose from how many pictures and how fast a captioner learns, press the button, and see what it says of three pictures.

    clip: what `load_clip` returned, language: what `load_gpt2` returned.
    """
    return CaptionerTraining(clip, language)


@dataclass
class Album:
    """Scenes of one seed, as many as were asked for so far, and the features (n, P, Dv) of their pictures, chunk by chunk."""

    rng: np.random.Generator
    scenes: list[Scene] = field(default_factory=list)
    features: list[Tensor] = field(default_factory=list)

    def first(self, number: int) -> tuple[Tensor, list[str]]:
        return torch.cat(self.features)[:number], [full_caption(scene) for scene in self.scenes[:number]]


class CaptionerTraining(LongWork):
    """A button that trains a captioner, and a figure that follows it.

    model: what was trained last, even by a run that was interrupted (None before the first press); runs: the losses of every run.
    """

    def __init__(self, clip: tuple[CLIPModel, CLIPProcessor], language: tuple[PreTrainedModel, Any]) -> None:
        self._clip, self._language = clip, language
        self.model: VLMWithSoftPrompt | None = None
        self.runs: list[History] = []
        self._albums: dict[int, Album] = {}  # by seed: the validation pictures, and those that were learned from last
        self._drawing, self._preparing = "", 0.0
        self._when_stopped: Callable[[], Shown] | None = None
        learned = say(en="learned", zh="学习得到"), say(en="none", zh="不用")
        controls = {
            "pictures": _options(say(en="pictures", zh="图片数"), (300, 1000, 3000), 1000),
            "steps": _options(say(en="steps", zh="步数"), (200, 400, 800), 400),
            "rate": _options(say(en="highest rate", zh="最大学习率"), (3e-4, 3e-3, 3e-2), 3e-3),
            "length": dropdown(say(en="soft prompt", zh="软提示词"), {learned[0]: VECTORS, learned[1]: 0}, VECTORS, 17),
            "seed": ipywidgets.BoundedIntText(0, min=0, max=99, description=say(en="seed", zh="随机种子"), **look(12)),
        }
        steps = controls["steps"].value
        super().__init__(
            self._learn,
            self._waiting_picture(steps),
            start=say(en="Train a captioner", zh="训练"),
            controls=controls,
            steps=steps,
        )

    # --- the work ---

    def _learn(self, now: SimpleNamespace) -> Iterator[tuple[float, Callable[[], Shown]]]:
        begun, self._when_stopped, self._steps = self._clock(), None, now.steps
        self._preparing, earlier = float("inf"), tuple(self.runs)
        generator = torch.Generator().manual_seed(now.seed)
        begin = DESCRIBE if now.length else "random"
        model = VLMWithSoftPrompt(self._clip, self._language, now.length, init=begin, generator=generator)
        frozen = [checksum(part) for part in (model.vision_model, model.language_model)]
        run, chosen = History(now.steps), _chosen(now, model)
        try:
            with one_thread():
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
            told = _frozen(model, frozen == [checksum(part) for part in (model.vision_model, model.language_model)])
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
                scene = random_scene(album.rng, things=1)
                scenes += [scene] if scene not in held_out else []
            images = [draw(scene, 10_000 * seed + there + place, _side(model)) for place, scene in enumerate(scenes)]
            album.features.append(model.encode(images))
            album.scenes += scenes
        return album.first(number)

    def _how_far(self, share: float) -> str:
        return self._drawing or super()._how_far(share)

    def _progress(self, share: float, spent: float) -> None:
        """The pace is that of the training alone: pictures that were drawn before it say nothing of what is left."""
        super()._progress(share, max(0.0, spent - self._preparing))

    def _stopped(self, share: float) -> None:
        super()._stopped(share)
        if self._when_stopped is not None:
            with LOCK:
                self._show(self._when_stopped())

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
            title="What will a captioner say of these three pictures?",
            alt=say(
                en=f"An empty diagram for the loss over {steps} steps. Beneath it three pictures, and a question mark under each. {scenes}",
                zh=f"一张还空着的图，留给 {steps} 步的损失。下面三张图片，每张底下一个问号。{scenes}",
            ),
            caption=say(
                en="None of the three pictures is among those that it learns from.",
                zh="这三张图片都不在训练图片里。" + _GLOSSED,
            ),
        )

    def _picture(
        self, run: History, earlier: Sequence[History], said: Sequence[str], chosen: str, *, how: str, frozen: str = ""
    ) -> Picture:  # fmt: skip
        """The learner's run so far, over the others. how: whether it is "growing", "stopped" or "finished"; frozen: what is told then."""
        told = [judged(text, scene) for text, (scene, _) in zip(said, WATCHED)]
        right, of = sum(right for _, right in told), sum(len(_facts(scene)) for scene, _ in WATCHED)
        step, kept = run.evaluations[-1].step, run.best.step
        begin = {
            "growing": f"Step {step} of {run.steps}",
            "stopped": f"Stopped at step {step} of {run.steps}",
            "finished": f"Your run, with what step {kept} learned",
        }[how]
        return figures.captions_learned(
            run,
            earlier,
            [
                (draw(scene, seed), pieces, f"{number} of {len(_facts(scene))}\nfacts right")
                for (scene, seed), (pieces, number) in zip(WATCHED, told)
            ],
            run.steps,
            title=f"{begin}: {right} of {of} facts about the three pictures are right",
            alt=_run_in_words(run, earlier, said, right, of, chosen),
            caption=_about_run(run, earlier, chosen + frozen, how),
        )


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
    return frozenset(fact for fact in expected_claims(scene) if fact[0] != "count")


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
    run: History, earlier: Sequence[History], said: Sequence[str], right: int, of: int, chosen: str
) -> str:  # fmt: skip
    first, last = (
        [f"{losses[place]:.2f}" for losses in map(run.column, ("loss", "validation_loss"))] for place in (0, -1)
    )
    step, kept, texts = run.evaluations[-1].step, run.best.step, [f"“{text}”" for text in said]
    others = say(en=", ", zh="、").join(f"{other.best.validation_loss:.2f}" for other in earlier)
    return say(
        en=f"Your run ({chosen}), at step {step} of {run.steps}. The loss has gone from {first[0]} to {last[0]} on training pictures, from "
        f"{first[1]} to {last[1]} on validation pictures; a ring marks step {kept}, the lowest. Beneath, what it says of three pictures: "
        f"{' '.join(texts)} {right} of {of} facts are right."
        + (f" Faint curves: earlier runs, whose lowest validation losses were {others}." if earlier else ""),
        zh=f"你的训练（{chosen}），共 {run.steps} 步，到第 {step} 步。损失在训练图片上从 {first[0]} 到 {last[0]}，在验证图片上从 {first[1]} 到 "
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
        + "Bold with ✓: true of the picture; size and colour count only with the right object. "
        + ("Faint: your earlier runs." if earlier else ""),
        zh=f"{chosen}。实线是训练图片上的损失，虚线是 {CHECKS} 张验证图片上的，每次训练都用这一批。"
        + (
            f"圆圈标出第 {kept} 步，验证集损失在那里最低，留下的就是那一步学到的数"
            + ("，这几句说明文字也是用它写的。" if how == "finished" else "。")
            if how != "growing"
            else "圆圈标出到目前为止验证集损失最低的一步。"
        )
        + "粗体带 ✓ 的词符合图片；物体说对了，大小和颜色才算。"
        + ("浅色的是你之前的训练。" if earlier else "")
        + _GLOSSED,
    )


_GLOSSED = glossed(
    "loss 损失", "training 训练集", "validation 验证集", "step 步", "facts right 说对的事实", "captioner 写说明文字的模型"
)  # fmt: skip


# --- prompts, blended ------------------------------------------------------------------------------------------------------------


def prompts_explorer(model: VLMWithSoftPrompt, prompts: Mapping[str, Tensor]) -> Explorer:
    """Choose a picture and two soft prompts, blend them, and see what one frozen model writes.

    prompts: by name, (M, D) each, learned beside the projection that the model has.
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

    controls = {
        "picture": _pictures(SOME_THINGS),
        "first": dropdown(say(en="prompt", zh="提示词"), options, names[0], 20),
        "second": dropdown(say(en="and", zh="另一个"), options, names[1], 20),
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
            names=(now.first, now.second),
            title=f"One frozen model: from “{now.first}” to “{now.second}” the text changes {_times(len(turns))}",
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
        + "列表的底色随文字一起变。"
        + glossed(
            "blend 混合比例",
            *(f"{name} {_prompt_name(name)}" for name in dict.fromkeys((now.first, now.second))),
            "all of 全部是", "the text changes 文字变化的次数",
        ),
    )  # fmt: skip
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
        for number, (truth, _) in enumerate(runs[0].captions)
    ]  # fmt: skip
    ends = [(f"{one.evaluations[-1].validation_loss:.2g}", f"{other[-1]:.2g}") for one, other in zip(own, true)]
    objects = [run.object for run in runs]
    told_en = "; ".join(f"the truth “{truth}”, shifted “{one}”, not shifted “{other}”" for truth, (one, other) in said)
    told_zh = "；".join(f"真实的是“{truth}”，错开的说“{one}”，没有错开的说“{other}”" for truth, (one, other) in said)
    return figures.two_losses(
        own,
        true,
        said,
        names=("shifted", "not shifted"),
        title=f"Not shifted, the loss falls to {ends[1][0]}, but that of the next token ends at {ends[1][1]}",
        alt=say(
            en=f"Two diagrams over {own[0].steps} steps. Left, the loss that each was trained with: at the end {ends[0][0]} with shifted labels, "
            f"{ends[1][0]} without the shift. Right, the loss of the next token: {ends[0][1]} and {ends[1][1]}. Beneath, captions: {told_en}.",
            zh=f"两张图，横轴是 {own[0].steps} 步训练。左图是各自训练用的损失：最后，错开的是 {ends[0][0]}，没有错开的是 {ends[1][0]}。右图是下一个词元的"
            f"损失：{ends[0][1]} 和 {ends[1][1]}。下面是说明文字：{told_zh}。",
        ),
        caption=say(
            en="Not shifted: what is predicted at a token is compared with that token itself, which stands in the input. Its own loss says that all "
            f"is well; yet {percent(objects[1])} of the objects are named right, and {percent(objects[0])} with the shift. ",
            zh="没有错开：每个词元处的预测，拿来比的是这个词元自己，而它就写在输入里。光看自己的损失，一切都好；可是物体只说对了 "
            f"{percent(objects[1])}，错开的说对了 {percent(objects[0])}。"
            + glossed("shifted 错开", "not shifted 没有错开", "the loss it was trained with 训练时用的损失", "the loss of the next token 下一个词元的损失",
                      "training step 训练步", "the truth 真实的", "(nothing) 什么也没说"),
        )
        + _source(study),
    )  # fmt: skip


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
        title="Three trainings: A, B and C",
        alt=say(en=f"Three learning curves. {'. '.join(en)}.", zh=f"三条学习曲线。{'。'.join(zh)}。"),
        caption=say(
            en="Solid: the loss of the training pictures of each step; dashed: of validation pictures. The scale of the loss is logarithmic and "
            "the same in all three; the numbers of steps are not. ",
            zh="实线是每一步那批训练图片的损失，虚线是验证图片的。三张图的损失轴是同一个对数刻度，步数不全相同。"
            + glossed("training loss 训练集损失", "validation loss 验证集损失", "training step 训练步"),
        )
        + _source(study),
    )


def parts_picture(file: Path = FILE) -> Picture:
    """What each part of the captioner contributes: shares of facts right, as it was trained, with parts exchanged, and trained anew."""
    study = load_study(file)
    ways = _ways(study)
    groups: dict[str, list[figures.DotRow]] = {ONE: [], ANEW: []}
    for (anew, way), runs in ways.items():
        columns = [[getattr(run.scores, kind) for run in runs] for kind in KINDS]
        groups[ANEW if anew else ONE].append(figures.DotRow(way, columns, bold=way == "as trained"))
    chance = study.chance
    of = {way: mean(run.scores.object for run in runs) for (_, way), runs in ways.items()}
    told = [f"{_way(way)} {percent(share)}" for way, share in of.items()]
    background = {way: mean(run.scores.background for run in runs) for (_, way), runs in ways.items()}
    backgrounds = [f"{_way(way)} {percent(share)}" for way, share in background.items()]
    seeds = max(len(runs) for runs in ways.values())
    return figures.dots_in_rows(
        {heading: rows for heading, rows in groups.items() if rows},
        [figures.Measure(kind, line=(chance, "chance") if kind == "object" else None) for kind in KINDS],
        title=f"Objects right: {_in_figure(of['as trained'])} as trained, {_in_figure(of['no picture'])} without the picture",
        alt=say(
            en=f"Five diagrams side by side, for object, colour, size, background and style, with a row for each way to ask. Objects right on "
            f"average: {'; '.join(told)}. A dotted line marks chance, {percent(chance)}. Backgrounds right: {'; '.join(backgrounds)}.",
            zh=f"并排五张图，分别是物体、颜色、大小、背景和风格，每种做法一行。物体说对的平均比例：{'；'.join(told)}。点线标出随机猜的 "
            f"{percent(chance)}。背景说对的：{'；'.join(backgrounds)}。",
        ),
        caption=say(
            en=f"Shares of what is true of the test pictures that the captions say. A dot: one of {seeds} trainings; a tick: their mean. A colour or "
            "a size counts only with the right object. Above, the same captioners, with a part taken away or exchanged only when they are asked; below, "
            "others that learned without that part. ",
            zh=f"测试图片里的事实，说明文字说对了多少。一个点是一次训练（共 {seeds} 次），竖线是平均。颜色和大小要连物体一起说对才算。"
            "上面几行是同一批模型，只在提问时去掉或换掉一部分；下面几行是从训练起就没有那一部分的。"
            + glossed(
                "object 物体", "colour 颜色", "size 大小", "background 背景", "style 风格", "right 说对的比例", "chance 随机猜",
                f"{ONE} 同一批模型", f"{ANEW} 重新训练", *(f"{way} {_way(way)}" for _, way in ways),
            ),
        )
        + _source(study),
    )  # fmt: skip


def parts_table(file: Path = FILE) -> Table:
    """Of each way to ask or to train the mean shares of facts right, in per cent."""
    header = (say(en="way", zh="做法"), *(_kind(kind) for kind in KINDS))
    anew = say(en="trained anew: ", zh="重新训练：")
    rows = [
        (
            f"{anew if trained else ''}{_way(way)}",
            *(f"{100 * mean(getattr(run.scores, kind) for run in runs):.1f}" for kind in KINDS),
        )
        for (trained, way), runs in _ways(load_study(file)).items()
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
    tips = _tips(study)
    controls = {
        "tip": dropdown(say(en="setting", zh="设置"), {_tip(name): name for name in tips}, next(iter(tips)), 24)
    }  # fmt: skip

    def draw_now(now: SimpleNamespace) -> Picture:
        values = tips[now.tip]
        losses = {value: mean(run.validation_loss for run in runs) for value, runs in values.items()}
        best = min(losses, key=losses.__getitem__)
        right = {value: mean(run.object for run in runs) for value, runs in values.items()}
        measures = ("object", "exact", "validation_loss")
        rows = [
            figures.DotRow(
                _value(value), [[getattr(run, name) for run in runs] for name in measures], bold=value == best
            )
            for value, runs in values.items()
        ]
        most = 1.1 * max(run.validation_loss for runs in values.values() for run in runs)
        told = say(en="; ", zh="；").join(
            f"{_value_name(value)}{say(en=': ', zh='：')}{percent(right[value])}" for value in values
        )
        return figures.dots_in_rows(
            {"": rows},
            [
                figures.Measure("object"),
                figures.Measure("everything in a caption"),
                figures.Measure("validation loss", (0.0, most), share=False),
            ],
            title=f"{ENGLISH_TIPS.get(now.tip, now.tip).capitalize()}: the lowest validation loss is at “{_value(best)}”, with {_in_figure(right[best])} of objects right",
            alt=say(
                en=f"Three diagrams side by side, with a row for each value of the setting “{_tip(now.tip)}”. Objects right on average: {told}. The "
                f"validation loss is lowest at {_value_name(best)}, with {losses[best]:.2f}.",
                zh=f"并排三张图，“{_tip(now.tip)}”的每个取值一行。物体说对的平均比例：{told}。验证集损失最低的取值是“{_value_name(best)}”，为 "
                f"{losses[best]:.2f}。",
            ),
            caption=say(
                en="A dot is one training. Left, objects named right on test pictures; in the middle, captions in which nothing is "
                "missing or wrong; right, the validation loss, which is what one may choose by: its lowest row is bold. ",
                zh="一个点是一次训练。左图是测试图片上物体说对的比例，中间是一句话里什么都不缺、什么都不错的比例，右图是验证集损失："
                "挑选设置只能看它，最低的一行用粗体。"
                + glossed("object 物体", "everything in a caption 整句全对", "right 说对的比例", "validation loss 验证集损失",
                          f"{ENGLISH_TIPS.get(now.tip, now.tip)} {_tip(now.tip)}",
                          *(f"{value} {_value_name(value)}" for value in values if isinstance(value, str))),
            )
            + _source(study),
        )  # fmt: skip

    return Explorer(controls, draw_now)


def tips_table(file: Path = FILE) -> Table:
    """Of each setting and value the means: objects right and captions right in per cent, and the validation loss."""
    header = (
        say(en="setting and value", zh="设置和取值"),
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
        for tip, values in _tips(load_study(file)).items()
        for value, runs in values.items()
    ]
    return Table(rows, header, align="right")


# --- what stands in the study ----------------------------------------------------------------------------------------------------

ONE, ANEW = "once trained", "trained anew"
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
    "length": "提示词长度",
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
    with LOCK, one_thread():
        return model.encode([draw(scene, seed, _side(model)) for scene, seed in scenes])


def _generate(model: VLMWithSoftPrompt, features: Tensor, max_new_tokens: int = MOST_TOKENS, **how: Any) -> list[str]:
    with one_thread():
        return model.generate(features, max_new_tokens=max_new_tokens, **how)


def _state(model: VLMWithSoftPrompt) -> str:
    """Changes with what the model has learned: what was kept of another state is not shown for this one."""
    return checksum(model.soft_prompt) + checksum(model.vision_projection)


def _pictures(scenes: Sequence[tuple[Scene, int]]) -> ipywidgets.Dropdown:
    options = {_called(scene): number for number, (scene, _) in enumerate(scenes)}
    return dropdown(say(en="picture", zh="图片"), options, 0, 30)


def _slider(label: str, kind: type, value: float, least: float, most: float, **more: Any) -> ipywidgets.Widget:
    if kind is ipywidgets.FloatSlider:
        more = {"readout_format": ".1f", **more}
    return kind(value, min=least, max=most, description=label, continuous_update=False, **more, **look(24))


def _options(label: str, options: Sequence[float], value: float) -> ipywidgets.SelectionSlider:
    named = [(f"{option:,}" if option >= 1 else f"{option:g}", option) for option in options]
    return ipywidgets.SelectionSlider(
        options=named, value=value, description=label, continuous_update=False, **look(22)
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
    english = full_caption(scene)
    things = [
        f"{translate(thing.colour) + '的' if scene.style in SHOWS_COLOUR else ''}{translate(thing.object)}（{translate(thing.size)}）"
        for thing in scene.things
    ]
    return say(
        en=english[0].upper() + english[1:],
        zh=f"{translate(scene.style)}风格的画：{'、'.join(things)}，背景是{translate(scene.background)}。",
    )


def _in_figure(share: float) -> str:
    """Per cent in the English of figures."""
    return f"{100 * share:.1f} %"
