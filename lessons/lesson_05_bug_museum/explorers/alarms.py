"""Lesson 05: which experiment rings for which mistake."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

from transformers import CLIPModel, CLIPProcessor

from helpers.captioner import VLMWithSoftPrompt
from helpers.language import say
from lessons.kit.explorer import Explorer, make_dropdown
from lessons.kit.picture import Picture
from lessons.lesson_05_bug_museum import experiments, figures, museum
from lessons.lesson_05_bug_museum.experiments import Captions, Result

CODES = {  # what a code is called, in English and in Chinese
    "right": ("repaired", "修好的"),
    "shift": ("labels not shifted", "标签没有错开"),
    "padding": ("padding scored", "填充计入损失"),
    "end": ("the end is no target", "结束符不是目标"),
    "dropout": ("dropout left on", "没有关掉 dropout"),
    "paper": ("frozen on paper only", "只在纸面上冻结"),
    "twice": ("positions added twice", "位置嵌入加了两次"),
    "inserted": ("context inserted", "插入而没有覆盖"),
    "start": ("read off at the start", "在开头取结果"),
    "mask": ("no causal mask", "没有因果掩码"),
    "words": ("counted in words", "个数按单词来数"),
}
EXPERIMENTS = {  # what an experiment is called, in English and in Chinese; lines as they stand in a figure
    "own words": ("the words’\nown vectors", "词语自己的向量"),
    "split": ("… of words\nthat split", "换成会拆开的词"),
    "name": ("another\nname", "换一个类别名"),
    "learns": ("every vector\nlearns", "每个向量都在学"),
    "company": ("alone and in\ncompany", "单独与同批"),
    "library": ("the library’s\nloss", "和库的损失相比"),
    "again": ("twice\nthe same", "同一批算两次"),
    "more": ("more\npadding", "多填充几个位置"),
    "next": ("the next token\nis the target", "目标是\n下一个词元"),
    "stop": ("the end is\na target", "结束符在目标里"),
    "only": ("only the\nprompt learns", "只有提示词在学"),
}


@dataclass(frozen=True)
class Alarms:
    """What each experiment found in each code, by their names."""

    heading: str
    results: Mapping[str, Mapping[str, Result]]

    @property
    def experiments(self) -> list[str]:
        return list(next(iter(self.results.values())))

    def find_ringing(self, code: str) -> list[str]:
        """Find the experiments that ring for a code."""
        return [name for name, result in self.results[code].items() if not result.passed]


def run_text_experiments(clip: CLIPModel, processor: CLIPProcessor) -> Alarms:
    """Run every experiment for texts on every text encoder of the museum."""
    found = {}
    for code in ("right", "twice", "inserted", "start", "mask", "words"):
        right = code in ("right", "words")  # a context that is counted in words goes into an encoder that is right
        encode = museum.encode_right if right else museum.find_exhibit(code).broken
        begin = museum.begin_by_words if code == "words" else experiments.begin_by_tokens
        found[code] = {
            "own words": experiments.check_identity(encode, clip, processor, begin=begin),
            "split": experiments.check_identity(encode, clip, processor, "a close-up photo of a", begin),
            "name": experiments.check_another_name(encode, clip, processor),
            "learns": experiments.check_every_vector_learns(encode, clip, processor),
            "company": experiments.check_in_company(encode, clip, processor),
        }
    return Alarms(say(en="text encoders", zh="文本编码"), found)


def run_caption_experiments(model: VLMWithSoftPrompt, captions: Captions) -> Alarms:
    """Run every experiment for captions on every loss of the museum, with a language model that has dropout, as GPT-2 is published."""
    frozen = museum.add_dropout(model)
    thawed = deepcopy(frozen)
    thawed.language_model.requires_grad_(True)
    found = {}
    for code in ("right", "shift", "padding", "end", "dropout", "paper"):
        loss, judged = museum.find_loss(code), thawed if code == "paper" else frozen
        learners = ("soft_prompt", "vision_projection")
        found[code] = {
            "library": experiments.check_library_loss(loss, judged, captions),
            "again": experiments.check_twice_the_same(loss, judged, captions),
            "more": experiments.check_more_padding(loss, judged, captions),
            "next": experiments.check_next_is_target(loss, judged, captions),
            "stop": experiments.check_end_is_target(loss, judged, captions),
            "only": experiments.check_only_prompt_learns(judged, partial(loss, judged, *captions), learners),
        }
    return Alarms(say(en="caption losses", zh="说明文字的损失"), found)


def explore_alarms(alarms: Alarms, code: str, experiment: str) -> Explorer:
    """Choose a code and an experiment, and see what was measured, and where else it rings. code, experiment: to begin with."""
    controls = {
        "code": make_dropdown(say(en="code", zh="代码"), {name_code(name): name for name in alarms.results}, code, 28),
        "experiment": make_dropdown(
            say(en="experiment", zh="实验"),
            {name_experiment(name): name for name in alarms.experiments},
            experiment,
            30,
        ),
    }

    def draw(now: SimpleNamespace) -> Picture:
        result, rings = alarms.results[now.code][now.experiment], alarms.find_ringing(now.code)
        listed = [
            f"{name_code(code)}{say(en=': ', zh='：')}{say(en=', ', zh='、').join(map(name_experiment, ringing))}"
            for code in alarms.results
            if (ringing := alarms.find_ringing(code))
        ]
        return figures.draw_alarms(
            alarms.heading,
            [name_code(code) for code in alarms.results],
            [say(en=EXPERIMENTS[name][0], zh=EXPERIMENTS[name][1]) for name in alarms.experiments],
            [[result.passed for result in found.values()] for found in alarms.results.values()],
            (list(alarms.results).index(now.code), alarms.experiments.index(now.experiment)),
            title=say(
                en=f"“{name_code(now.code)}”: {len(rings)} of {len(alarms.experiments)} experiments ring",
                zh=f"“{name_code(now.code)}”：{len(alarms.experiments)} 个实验里有 {len(rings)} 个报警",
            ),
            alt=say(
                en=f"A table of {len(alarms.results)} codes by {len(alarms.experiments)} experiments. These ring, of each code: {'; '.join(listed)}. "
                f"For “{name_code('right')}” none. Framed: {name_code(now.code)}, {name_experiment(now.experiment)}.",
                zh=f"一张表，{len(alarms.results)} 种代码，{len(alarms.experiments)} 个实验。各种代码上报警的实验：{'；'.join(listed)}。"
                f"“{name_code('right')}”没有一个报警。加框的是：{name_code(now.code)}，{name_experiment(now.experiment)}。",
            ),
            caption=say(en="Measured in the framed cell: ", zh="加框的那一格量出的结果：")
            + result.sentence
            + say(
                en=". “✗ rings”: the experiment has found something.",
                zh="。“✗ 报警”表示这个实验发现了问题。",
            ),
        )

    return Explorer(controls, draw)


def name_code(code: str) -> str:
    """Say what a code is called, in the learner's language."""
    return say(en=CODES[code][0], zh=CODES[code][1])


def name_experiment(experiment: str) -> str:
    """Say what an experiment is called, in the learner's language, on one line."""
    english, chinese = EXPERIMENTS[experiment]
    return say(en=english.replace("\n", " "), zh=chinese.replace("\n", ""))
