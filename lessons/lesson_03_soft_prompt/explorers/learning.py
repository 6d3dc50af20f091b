"""What learns: how many numbers, and a button that trains a captioner while one watches what it says of three pictures.

On top of `LongWork` and `helpers.captioner_training`, which does the learning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ipywidgets
import numpy as np
import torch
from torch import Tensor
from transformers import (
    CLIPModel,
    CLIPProcessor,
    CLIPVisionConfig,
    CLIPVisionModel,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
)

from helpers.captioner import DESCRIBE, VLMWithSoftPrompt
from helpers.captioner_training import initialise_projection, train_captioner
from helpers.language import LearnerError, say
from helpers.notebook import Table
from helpers.training import History
from lessons.kit.explorer import (
    LongWork,
    Shown,
    compute_checksum,
    format_percent,
    make_dropdown,
    style_control,
    use_one_thread,
)
from lessons.kit.picture import Picture
from lessons.lesson_03_soft_prompt.explorers import stored_runs, writing
from lessons.lesson_03_soft_prompt.figures import measurements
from lessons.lesson_03_soft_prompt.figures.captions import Phrase
from pocket.captioning import CONFIG
from pocket.language import write_full_caption
from pocket.studies.captioner_study import EXAMPLE_CONFIG, EXAMPLE_PICTURES, FILE, WATCHED, CaptionerStudy, load_study
from pocket.world import Scene, draw, make_random_scene

FULL_SIZE = ("openai/clip-vit-base-patch32", "gpt2")
VECTORS = 10  # of a learned soft prompt
CHECKS, CHECK_SEED = 64, 1000  # pictures to validate on, and their seed, which no learner can choose
CHUNK = 25  # pictures that are drawn and encoded in one turn, after which other explorers have theirs


# --- how little learns -----------------------------------------------------------------------------------------------------------


def tabulate_parameters(model: VLMWithSoftPrompt) -> Table:
    """How many numbers learn and how many are frozen: in these models, and at full size, which is built without weights."""
    with torch.device("meta"):
        clip, gpt2 = CLIPVisionModel(CLIPVisionConfig()), GPT2LMHeadModel(GPT2Config())
    length, projection = len(model.soft_prompt.prompt_embeddings), model.vision_projection
    columns = [
        _list_counts(length, projection.in_features, projection.out_features, model.vision_model, model.language_model),
        _list_counts(length, clip.config.hidden_size, gpt2.config.n_embd, clip, gpt2),
    ]
    names = (
        say(en="soft prompt: M × D", zh="软提示词：M × D"),
        say(en="projection: Dv × D + D", zh="投影：Dv × D + D"),
        say(en="what learns", zh="要学的，合计"),
        say(en="CLIP's vision tower", zh="CLIP 的视觉塔"),
        "GPT-2",
        say(en="what is frozen", zh="冻结的，合计"),
        say(en="share that learns", zh="要学的占全部的比例"),
    )
    here = " + ".join(model.models[part]["model"] for part in ("vision", "language"))
    header = (
        say(en="numbers", zh="参数个数"),
        say(en=f"here: {here}", zh=f"这里：{here}"),
        say(en=f"full size: {' + '.join(FULL_SIZE)}", zh=f"全尺寸：{' + '.join(FULL_SIZE)}"),
    )
    return Table(zip(names, *columns, strict=True), header, align="right")


def _list_counts(
    length: int, given: int, width: int, vision_model: torch.nn.Module, language_model: torch.nn.Module
) -> list[str]:
    """The column of one pair of models: a prompt of M vectors of D numbers, and a projection from Dv to D."""
    prompt, projection = length * width, given * width + width
    towers = [sum(parameter.numel() for parameter in part.parameters()) for part in (vision_model, language_model)]
    learns, frozen = prompt + projection, sum(towers)
    return [
        f"{length} × {width} = {prompt:,}",
        f"{given} × {width} + {width} = {projection:,}",
        f"{learns:,}",
        *(f"{tower:,}" for tower in towers),
        f"{frozen:,}",
        format_percent(learns / (learns + frozen), 2),
    ]


# --- a captioner that learns -----------------------------------------------------------------------------------------------------


def explore_captioner_training(
    clip: tuple[CLIPModel, CLIPProcessor], language: tuple[PreTrainedModel, Any], file: Path = FILE
) -> CaptionerTraining:  # fmt: skip
    """Choose from how many pictures and how fast a captioner learns, press the button, and see what it says of three pictures.

    clip: what `load_clip` returned, language: what `load_language_model` returned. On a page without a kernel the stored run stands there.
    """
    return CaptionerTraining(clip, language, file)


@dataclass
class Album:
    """Scenes of one seed, as many as were asked for so far, and the features (n, P, Dv) of their pictures, chunk by chunk."""

    rng: np.random.Generator
    scenes: list[Scene] = field(default_factory=list)
    features: list[Tensor] = field(default_factory=list)

    def take_first(self, number: int) -> tuple[Tensor, list[str]]:
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
            "pictures": _make_choice(say(en="pictures", zh="图片数"), (300, 1000, 3000), EXAMPLE_PICTURES),
            "steps": _make_choice(say(en="steps", zh="步数"), (200, 400, 800), EXAMPLE_CONFIG.steps),
            "rate": _make_choice(
                say(en="highest rate", zh="最大学习率"), (3e-4, 3e-3, 3e-2), EXAMPLE_CONFIG.learning_rate
            ),
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
            _draw_stored_run(load_study(file)),
            waiting=self._draw_waiting(steps),
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
        run, chosen = History(now.steps), _describe_choice(now, model)
        try:
            with use_one_thread():
                checks = yield from self._draw_pictures(model, CHECK_SEED, CHECKS)
                train = yield from self._draw_pictures(model, now.seed, now.pictures)
                watched = writing.encode_scenes(model, WATCHED)
                initialise_projection(model, *train)
                self._drawing, self._preparing = "", self._clock() - begun
                self.model = model
                config = replace(
                    CONFIG, steps=now.steps, learning_rate=now.rate, eval_every=max(1, now.steps // 10), seed=now.seed
                )
                with closing(train_captioner(model, train, checks, config)) as evaluations:
                    for at in evaluations:
                        run, said = run.add(at), writing.generate_captions(model, watched)
                        shown = partial(self._draw_so_far, run, earlier, said, chosen)
                        self._when_stopped = partial(shown, how="stopped")
                        yield at.step / at.steps, partial(shown, how="growing")
                said = writing.generate_captions(model, watched)
            after = [compute_checksum(part) for part in (model.vision_model, model.language_model)]
            told = _describe_frozen(model, frozen == after)
            self._when_stopped = partial(self._draw_so_far, run, earlier, said, chosen, how="finished", frozen=told)
            yield 1.0, self._when_stopped
        except FloatingPointError:
            raise LearnerError(
                en=f"The loss is no number any more: with the rate {now.rate:g} the steps were too long. Choose a smaller one.",
                zh=f"损失已经不是数了：学习率 {now.rate:g} 太大，每一步都迈过了头。请换一个小一些的。",
            ) from None
        finally:
            self._drawing = ""
            if run.evaluations:
                self.runs.append(run)

    def _draw_pictures(
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
            drawings = [(scene, 10_000 * seed + there + place) for place, scene in enumerate(scenes)]
            album.features.append(writing.encode_scenes(model, drawings))
            album.scenes += scenes
        return album.take_first(number)

    def _describe_progress(self, share: float) -> str:
        return self._drawing or super()._describe_progress(share)

    # --- what there is to see ---

    def _draw_waiting(self, steps: int) -> Picture:
        """Before the first press: empty axes, and the pictures with question marks."""
        pictures = [(draw(scene, seed), [Phrase("?")], "") for scene, seed in WATCHED]
        scenes = say(en=" ", zh="").join(writing.describe_scene(scene) for scene, _ in WATCHED)
        return measurements.draw_learned_captions(
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
                en="None of the three pictures is among those that it learns from.", zh="这三张图片都不在训练图片里。"
            ),
        )

    def _draw_so_far(
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
        return _draw_captioner_run(
            run, earlier, said, begin, whose, _explain_captioner_run(run, earlier, chosen + frozen, how)
        )


def _draw_captioner_run(
    run: History, earlier: Sequence[History], said: Sequence[str], begin: str, whose: str, caption: str, stored: bool = False
) -> Picture:  # fmt: skip
    """The losses of a run over what it says of the watched pictures. begin: of the title; whose: run it is, for the alt text."""
    told = [writing.judge_caption(text, scene) for text, (scene, _) in zip(said, WATCHED)]
    right, of = sum(right for _, right in told), sum(len(writing.list_facts(scene)) for scene, _ in WATCHED)
    notes = [
        say(
            en=f"{number} of {len(writing.list_facts(scene))}\nfacts right",
            zh=f"{len(writing.list_facts(scene))} 个事实\n说对 {number} 个",
        )
        for (scene, _), (_, number) in zip(WATCHED, told)
    ]
    return measurements.draw_learned_captions(
        run,
        earlier,
        [(draw(scene, seed), pieces, note) for (scene, seed), (pieces, _), note in zip(WATCHED, told, notes)],
        run.steps,
        stored=stored,
        title=say(
            en=f"{begin}: {right} of {of} facts about the three pictures are right",
            zh=f"{begin}：三张图片的 {of} 个事实说对了 {right} 个",
        ),
        alt=_describe_captioner_run(run, earlier, said, right, of, whose),
        caption=caption,
    )


def _draw_stored_run(study: CaptionerStudy) -> Picture:
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
    caption += writing.explain_ticks() + say(en=" ", zh="") + stored_runs.name_source(study)
    return _draw_captioner_run(example.history, (), example.captions, begin, begin, caption, stored=True)


def _describe_choice(now: SimpleNamespace, model: VLMWithSoftPrompt) -> str:
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


def _describe_frozen(model: VLMWithSoftPrompt, unchanged: bool) -> str:
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


def _describe_captioner_run(
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


def _explain_captioner_run(run: History, earlier: Sequence[History], chosen: str, how: str) -> str:
    kept = run.best.step
    return say(
        en=f"{chosen}. Solid: loss on training pictures; dashed: on {CHECKS} validation pictures, the same for every run. "
        + (
            f"The ring marks step {kept}, where the validation loss was lowest: its numbers are kept"
            + (", and they wrote these captions. " if how == "finished" else ". ")
            if how != "growing"
            else "The ring marks the lowest validation loss so far. "
        )
        + writing.explain_ticks()
        + (" Faint: your earlier runs." if earlier else ""),
        zh=f"{chosen}。实线是训练图片上的损失，虚线是 {CHECKS} 张验证图片上的，每次训练都用这一批。"
        + (
            f"圆圈标出第 {kept} 步，验证集损失在那里最低，留下的就是那一步学到的数"
            + ("，这几句说明文字也是用它写的。" if how == "finished" else "。")
            if how != "growing"
            else "圆圈标出到目前为止验证集损失最低的一步。"
        )
        + writing.explain_ticks()
        + ("浅色的是你之前的训练。" if earlier else ""),
    )


def _make_choice(label: str, options: Sequence[float], value: float) -> ipywidgets.SelectionSlider:
    """A slider over a few numbers, of which one is chosen at first."""
    named = [(f"{option:,}" if option >= 1 else f"{option:g}", option) for option in options]
    return ipywidgets.SelectionSlider(
        options=named, value=value, description=label, continuous_update=False, **style_control(22)
    )
