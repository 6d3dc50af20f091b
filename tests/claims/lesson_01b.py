"""What lesson 01b says of what its explorers show at first, and of the pocket GPT-2."""

from collections.abc import Iterator

import torch

from claims import Claim
from helpers.pretrained import load_language_model
from lessons.lesson_01_inside_clip.explorers_b.shared import guess_next, read_text
from tools.console import ROOT
from tools.source import read_script

CITED: dict[str, str] = {}
LESSON = ROOT / "lessons/lesson_01_inside_clip/lesson_b.py"


def find_text() -> str:
    """The text that the lesson reads."""
    (imports,) = [cell.source for cell in read_script(LESSON).cells if cell.metadata.id == "imports-code"]
    names: dict[str, str] = {}
    exec(imports.splitlines()[-1], names)
    return names["text"]


def claims() -> Iterator[Claim]:
    """Each phrase about what the pocket GPT-2 reads, looks at and says."""
    gpt2, tokenizer = load_language_model("pocket")
    reading = read_text(gpt2, tokenizer, find_text())
    tokens, last = reading.tokens, len(reading.tokens) - 1
    cat, snow = tokens.index("cat"), tokens.index("snow")
    at_the_end = guess_next(gpt2, tokenizer, reading.states[-1])
    sure = dict(zip(tokens, (share for (share,) in at_the_end.shares)))  # of a word that comes twice, the second time

    assert tokens[last] == "the" and at_the_end.names[last] == ["cat"] and sure["the"] > 0.9 and last - cat == 5
    yield Claim("every-place-seen", "the last “the” it says “cat”", "最后的“the”后面，它说的是“cat”")
    yield Claim("every-place-seen", "word of a cat five tokens back", "从五个词元之前得到了猫的消息")
    begun = [tokens.index(word) for word in ("upon", "time", "there", "was")]
    assert min(at_the_end.shares[place][0] for place in begun) > 0.9 and max(sure["small"], sure["red"]) < 0.5
    yield Claim("every-place-seen", "After “once upon a time” it is sure", "读到“once upon a time”，它很有把握")
    yield Claim("every-place-seen", "After “small” and after “red” it can only guess", "读到“small”“red”，就只能猜了")

    first = reading.shares[0][:, last]  # (H, T): the heads of the first layer, at the last place
    assert first[0, cat] > 0.9
    yield Claim("heads", "the last “the” takes nearly all from “cat”", "最后的“the”几乎全从“cat”那里拿")
    looked_at = first.argmax(-1).tolist()
    assert {cat, snow} == set(looked_at) - {tokens.index("in")} and looked_at.count(cat) > 1 < looked_at.count(snow)
    yield Claim(
        "heads", "which of them take from “cat”, which from “snow”", "在哪几个头里看“cat”，在哪几个头里看“snow”"
    )
    yield Claim("lens-seen", "Layer 1 has fetched both nouns", "把两个名词都取来了")
    said = [guess_next(gpt2, tokenizer, state).names[last][0] for state in reading.states]
    assert said[1] == "snow" and set(said[2:]) == {"cat"}
    yield Claim("lens-seen", "After it the last “the” says “snow”", "这一层之后，最后的“the”说的是“snow”")
    yield Claim("lens-seen", "from layer 2 on it says “cat”", "从第 2 层起，它改口说“cat”")
    assert snow == max(place for place in range(last) if tokens[place].isalpha())
    yield Claim("lens-seen", "the one that stood just before", "刚刚出现过的那个")
    free = guess_next(gpt2, tokenizer, read_text(gpt2, tokenizer, find_text(), masked=False).states[-1])
    red, stop = tokens.index("red"), tokens.index(".")
    for place, names in ((red, ["cat"]), (cat, ["met"]), (stop, ["end"])):
        assert free.names[place] == names and free.shares[place][0] > 0.9
    assert at_the_end.names[red] != ["cat"] and at_the_end.names[cat] == ["in"] and at_the_end.shares[stop][0] < 0.5
    yield Claim("mask-seen", "“red” gets its “cat”", "“red”猜对了“cat”")
    yield Claim("mask-seen", "are now sure of something wrong", "现在都很有把握地错了")
    block, D = gpt2.transformer.h[0], gpt2.config.n_embd
    assert block.attn.c_attn.weight.shape == torch.Size([D, 3 * D])
    yield Claim("layer", "one matrix, three times as wide", "合成一个，宽三倍")
