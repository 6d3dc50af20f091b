"""What lesson 02b says of stored numbers."""

import re
from collections.abc import Iterator

from claims import Claim, stored_cells, texts_of
from lessons.kit.benchmarks import read_benchmarks
from tools.source import LANGUAGES

CITED: dict[str, str] = {}


def stored_shares(lang: str) -> tuple[int, int]:
    """Per cent of the machine's pace that the plain and the fast way reached, in the table that stands in the notebook."""
    table = texts_of(stored_cells("02b_faster", lang)["limit-code"])[0]
    plain, fast, _ = (int(share) for share in re.findall(r"(?m)(\d+) ?%$", table))
    return plain, fast


def claims() -> Iterator[Claim]:
    """Each phrase about a number that is stored, and not printed by a compared cell of the lesson."""
    stored = read_benchmarks()
    run = stored["few_shot_run"]
    sizes = run["sizes"]
    classes, steps = sizes["classes"], sizes["steps"]
    learn, validate = classes * sizes["shots"], classes * sizes["validation_pictures_a_class"]
    ours = run["ours_after_steps"][-1][1]
    assert 10 <= steps * run["seconds"]["textbook step"]["median"] / ours < 15
    yield Claim("faster", "the same, ten times faster", "结果不变，快十倍")
    yield Claim(
        "faster", f"a whole training of {steps} steps gains at the size of ViT-B/32", f"ViT-B/32 的大小，{steps} 步"
    )
    yield Claim("pays-measured", f"with {learn} pictures to learn from", f"{learn} 张图片训练")
    yield Claim("pays-measured", f"a whole training of {steps} steps", f"从头到尾 {steps} 步")
    yield Claim("pays-measured", f"{validate} pictures to validate on", f"{validate} 张图片验证")
    measured = run["textbook_steps_measured"]
    assert measured == 12
    yield Claim("faster", "the other way was timed for twelve steps", "另一种做法只计了十二步")
    yield Claim("pays-measured", "twelve of its steps were timed", f"它只实测了 {measured} 步")

    for plain, fast in map(stored_shares, LANGUAGES):
        assert fast < plain and fast < 50
    yield Claim("limit-seen", "The plain way keeps the processor busier", "朴素做法让处理器更忙")
    yield Claim("limit-seen", "this is the smaller part", "这一份只是小头")
    points = stored["cost_by_classes"]["points"]
    beside = {point["classes"]: point["fast"]["median"] / point["limit_seconds"] for point in points}
    assert beside[100] < 2
    yield Claim("limit-seen", "At full size it looks different", "换成全尺寸，情形就不同了")
    assert min(beside, key=beside.get) == 100 and beside[1] > 2 * beside[100]
    yield Claim("classes", "nearest to the limit at a hundred classes", "一百个类别时我们离极限最近")
    yield Claim("classes", "farther from it with one", "一个类别时却离得远")
