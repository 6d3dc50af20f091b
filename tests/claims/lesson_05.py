"""What lesson 05 says of stored numbers: those of the captioner study, of models' files, and those that its own notebooks hold."""

import inspect
import json
import re
from collections.abc import Iterator

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from claims import Claim, stored_cells, texts_of
from helpers.pretrained import POCKET_GPT2, load_clip
from lessons.lesson_05_bug_museum import museum
from lessons.lesson_05_bug_museum.experiments import check_every_vector_learns, compute_expected_best
from pocket import datasets, tasks, world
from pocket.language import write_full_caption
from pocket.studies.captioner_study import load_study
from tools.source import LANGUAGES

CITED: dict[str, str] = {}
ENGLISH = {2: "two", 3: "three", 4: "four", 10: "ten"}
CHINESE = {2: "两", 3: "3", 4: "四", 10: "十"}


def printed(cell: str, lang: str = "en", kind: str = "text/plain") -> str:
    """What a cell has printed or shown, as it is stored."""
    return "\n".join(texts_of(stored_cells("05_bug_museum", lang)[cell], kind))


def percentages(cell: str, lang: str) -> list[float]:
    return [float(number) for number in re.findall(r"(\d+\.\d)%", printed(cell, lang))]


def claims() -> Iterator[Claim]:
    """Each phrase about a number that is stored, and not printed by a compared cell of the lesson."""
    run = next(run for run in load_study().shift if not run.shifted)
    own, true = run.history.column("validation_loss"), run.next_token_loss
    assert own[-1] < 0.1 and own[-1] < own[0] / 50 and true[-1] > 2 * true[0]
    yield Claim("too-good-question", "a curve to be proud of", "曲线还这么漂亮")
    yield Claim("x-ray-seen", "the model unlearns what we wanted of it", "我们真正想要的，说出下一个词元，它反倒忘光了")

    for lang in LANGUAGES:  # what was measured when the notebooks were made, in each
        glass, repaired = percentages("trains-code", lang)
        (unmasked,) = percentages("mask-trains-code", lang)
        best, honest = percentages("best-epoch-code", lang)
        assert abs(glass - repaired) < 1 and abs(unmasked - repaired) < 1 and 0.5 < best - honest < 1.5
    yield Claim("identity", "less than a point apart", "只差不到一个百分点")
    yield Claim("mask", "Training does not give it away", "光看训练发现不了")
    yield Claim("best-epoch-question", "About a point: luck, or skill?", "差一个百分点左右：是运气，还是本事？")

    pictures = len(tasks.RIDDLE.class_names) * inspect.signature(datasets.draw_few_shot).parameters["tests"].default
    points = round(100 * (repaired / 100 * (1 - repaired / 100) / pictures) ** 0.5)  # a standard error
    yield Claim(
        "trains-repair",
        f"no difference below about {ENGLISH[points]} points could have been told from luck",
        f"{CHINESE[points]}个百分点左右以内的差别，和运气分不开",
    )

    # ClipCap builds on the library's "gpt2", the smallest that was published; its sizes are the defaults of the library's GPT2Config
    with torch.device("meta"):
        numbers = GPT2LMHeadModel(GPT2Config()).num_parameters()
    yield Claim(
        "paper-repair",
        f"the GPT-2 with its {numbers / 1e6:.0f} million numbers",
        f"GPT-2，有 {numbers / 1e8:.2f} 亿个这样的数",
    )
    rate = round(100 * GPT2Config().resid_pdrop)
    assert all(json.loads((POCKET_GPT2 / "config.json").read_text())[f"{part}_pdrop"] == 0 for part in ("resid", "embd", "attn"))  # fmt: skip
    yield Claim(
        "dropout",
        f"Our pocket GPT-2 was trained without, so we give a copy the {ENGLISH[rate]} per cent",
        f"口袋 GPT-2 训练时没有用 dropout，所以我们给它的副本加上百分之{CHINESE[rate]}",
    )

    told = re.search(r"(\d+) degrees, by", printed("turning-code"))[1]
    kept, known = re.search(r"(\d) of the (\d) known rows", printed("turning-code")).groups()
    moved, learned = map(int, re.search(r"(\d) of (\d) have changed", printed("turning-code")).groups())
    assert kept == known
    yield Claim(
        "words-repair",
        f"{ENGLISH[moved]} of the {ENGLISH[learned]} learned vectors had changed their words at {told}°, and all {ENGLISH[int(known)]} known rows still read back",
        f"转到 {told}°，学出来的{CHINESE[learned]}个向量里有{CHINESE[moved]}个已经改了口，而已知的{CHINESE[int(known)]}行个个都还读得对",
    )

    few, many = (100 * (compute_expected_best(30, number, 0.5) - 0.5) for number in (50, 5000))
    assert few > 10 and 1 < many < 2
    yield Claim(
        "best-epoch-repair", "thirty of them still tell more than a point too much", "看三十次，还会虚高 1 个多百分点"
    )
    yield Claim("best-epoch-repair", "With fifty pictures it would be a surprise", "要是只有五十张，就不大可能了")

    scenes = eval(
        re.search(r"scenes = (\[.*?\n\])", stored_cells("05_bug_museum", "en")["captions-code"].source, re.S)[1],
        {"world": world},
    )
    for lang in LANGUAGES:
        assert printed("options-code", lang).split("\n")[:-1] == [write_full_caption(scene) for scene in scenes]
    yield Claim("options-healthy", "It writes well", "写得不错")

    drawn = printed("x-rays-code")
    wrong, targets = int(re.search(r"(\d+) targets are marked", drawn)[1]), drawn.count("→")
    assert targets / 2 < wrong < targets
    yield Claim("x-rays", "most of the targets are padding", "目标大半是填充")

    pair = (museum.find_exhibit(name).broken for name in ("inserted", "start"))
    three, none = (int(check_every_vector_learns(encode, *load_clip("pocket")).number) for encode in pair)
    framed = re.search(r"(\d) of 4 vectors", printed("text-alarms-code", kind="text/html"))[1]
    assert int(framed) == three and none == 0 and "0 of 4 vectors" in printed("start-code")
    yield Claim(
        "alarms-seen",
        f"{ENGLISH[three]} of four vectors are reached in the first (it is framed above), and none in the second",
        f"前一个有 {three} 个向量收到梯度（上面加框的那一格），后一个是 {none} 个（库房里打印过）",
    )
