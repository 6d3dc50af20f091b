"""What lesson 06 says of stored numbers."""

from collections.abc import Iterator
from statistics import mean

import nbformat
from chinese import ROOT

from claims import Claim
from lessons.kit.benchmarks import ON_CPU, ON_GPU, read_benchmarks
from lessons.lesson_06_own_pictures.explorers.costs import estimate_costs, read_paces
from pocket.studies.own_pictures_study import load_study

CITED: dict[str, str] = {}
HOUR, WEEK = 3600, 7 * 24 * 3600
DEVICES = 8  # of the explorer, that are set against a larger batch


def claims() -> Iterator[Claim]:
    """Each phrase about a number that is stored, and not printed by a compared cell of the lesson."""
    yield from of_splits()
    yield from of_captions()
    yield from of_benchmarks()
    yield from of_costs()


def of_splits() -> Iterator[Claim]:
    study = load_study()
    runs, classes = study.runs, len(study.classes)
    context, hand, shuffled, numbered = (
        [100 * getattr(run, way) for run in runs] for way in ("context", "hand", "shuffled", "numbered")
    )
    assert (study.tests, len(runs), classes) == (30, 20, 8)
    yield Claim("splits", "With thirty test pictures", "测试图片只有三十张")
    yield Claim("splits", "a single one is worth three points", "一张就值三个多百分点")
    yield Claim("splits", "twenty splits", "划分二十次")
    yield Claim("splits", "named 1 to 8", "改叫 1 到 8")
    assert all(run.context > run.hand for run in runs)
    beats = f"It beats the words in all twenty splits, {mean(context):.0f} % against {mean(hand):.0f} on average."
    yield Claim("splits-seen", beats, f"二十次划分，次次胜过词语，平均 {mean(context):.0f}% 对 {mean(hand):.0f}%。")
    null = f"{mean(shuffled):.0f}"
    yield Claim("splits-seen", f"Labels that say nothing bring {null} %.", f"标签打乱了，毫无意义，也有 {null}%。")
    assert mean(numbered) <= 100 / classes
    yield Claim("splits-seen", "on average no better than a blind guess", "平均下来不比瞎猜强")
    least, most = f"{min(context):.0f}", f"{max(context):.0f}"
    yield Claim("splits-seen", f"the same folder gives {least} % or {most} %", f"可以是 {least}%，也可以是 {most}%")
    assert sum(run.probe > run.context for run in runs) > len(runs) / 2
    yield Claim("splits-seen", "The probe is ahead in most splits.", "线性探针在多数划分里领先。")


def of_captions() -> Iterator[Claim]:
    cells = nbformat.read(ROOT / "notebooks/en/06_own_pictures.ipynb", as_version=4).cells
    (told,) = [cell.outputs[0].text for cell in cells if cell.id == "captions-code"]
    right, of = map(int, told.partition(":")[0].split(" / "))
    assert 0.4 < right / of < 0.5
    yield Claim("command-line", "a little under half of the captions were right", "将近一半说对了")


def of_benchmarks() -> Iterator[Claim]:
    gpu, step = read_benchmarks(ON_GPU), read_benchmarks(ON_CPU)["context_text_step"]
    best, (few, *_, many) = gpu["large_product"]["tflops"], gpu["learning_to_describe"]
    assert max(gpu["beside_the_cpu"].values()) < 1e-5
    yield Claim("scale", "so does one large GPU, to rounding", "除了舍入误差，结果也一样")
    near = (
        step["seconds"]["fast"]["median"] / step["limit_seconds"],
        best / gpu["seeing"]["tflops"],
        best / many["tflops"],
    )
    assert all(1 < times < 2 for times in near)
    yield Claim(
        "explore", "In three of the times the count comes within a factor of two.", "有三个实测不到计算值的两倍"
    )
    assert gpu["learning_a_context"]["classes"] == 1000 and round(best / gpu["learning_a_context"]["tflops"]) == 15
    yield Claim(
        "explore",
        "fifteen times as long for a step with a thousand classes",
        "一千个类别走一步，用的时间是计算值的十五倍",
    )
    assert few["batch"] == 2 and 17 < best / few["tflops"] < 20
    yield Claim("explore", "nearly twenty times as long with two captions", "每步只有两句说明文字时，将近二十倍")


def of_costs() -> Iterator[Claim]:
    cpu, _, gpu = read_paces().values()

    def cost(pace, **how):
        """Seconds for the context and for the captioner, and of the former how many to see the pictures."""
        seconds, _ = estimate_costs(pace, 1000, 16, 1_000_000, **how)
        see, learn, *captioner = seconds.values()
        return see + learn, sum(captioner), see

    context, captioner, see = cost(cpu)
    minutes = f"{context / 60:.0f}"
    yield Claim("explore-seen", f"some {minutes} minutes on two CPU cores", f"两个 CPU 核大约要 {minutes} 分钟")
    assert 0.4 < see / context < 0.6
    yield Claim("explore-seen", "half of the time to see the pictures", "一半时间用来看图片")
    assert WEEK < captioner < 2 * WEEK
    yield Claim("explore-seen", "A million captions take more than a week there.", "要一个多星期")
    (_, few, _), (_, many, _), (_, shared, _) = cost(gpu), cost(gpu, batch=64), cost(gpu, devices=DEVICES)
    hours = f"{few // HOUR:.0f}"
    yield Claim(
        "explore-seen",
        f"more than {hours} hours with two captions in a step",
        f"每步两句（脚本的默认值）要 {hours} 个多小时",
    )
    assert many < HOUR and many < shared
    yield Claim("explore-seen", "and less than one with 64", "每步 64 句则不到一小时")
    yield Claim("explore-seen", "a larger batch does more than eight devices", "把批放大，比八个设备还管用")
