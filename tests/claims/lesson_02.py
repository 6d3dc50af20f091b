"""What lesson 02 says of stored numbers."""

from collections.abc import Iterator

import pytest

from claims import Claim
from lessons.lesson_02_learnable_context import exercises
from lessons.lesson_02_learnable_context.explorers.base_to_new import PUBLISHED
from pocket.studies import context_study
from pocket.tasks import RIDDLE

CITED: dict[str, str] = {}
EN = "no one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen".split()
ZH = "零 一 两 三 四 五 六 七 八 九 十 十一 十二 十三 十四 十五 十六".split()
TESTS = context_study.TESTS * len(RIDDLE.class_names)  # pictures, in each share of them


def claims() -> Iterator[Claim]:
    """Each phrase about a number that is stored, and not printed by a compared cell of the lesson."""
    study = context_study.load_study()
    yield from claims_of_example(study.example, study.config)
    yield from claims_of_shots(study.shots)
    yield from claims_of_choices(study.choices)
    yield from claims_of_new_classes(study.base_to_new, study.shots[0].hand)
    assert study.seconds / len(context_study.list_jobs()) < 10
    yield Claim("done", "Each of these trainings took seconds", "每次训练都只要几秒钟")


def claims_of_example(example, config):
    shots, vectors, words = example.shots, len(example.context), context_study.WORDS
    assert (context_study.LENGTH, example.seed, config.eval_every) == (vectors, 0, 8)
    yield Claim("watch", "looks at the validation set after every eighth", "每八步看一次验证集")
    yield Claim(
        "watch",
        f"{EN[shots]} pictures of each class and {EN[vectors]} vectors that begin as “{words}”",
        f"每类{ZH[shots]}张图，{ZH[vectors]}个向量，从“{words}”开始学",
    )


def claims_of_shots(tasks):
    riddle, sketch, blurred, sepia = tasks
    by_shots = sorted({run.shots for run in riddle.runs})
    tries = len({run.seed for run in riddle.runs})
    yield Claim("against", f"everything is done {EN[tries]} times", f"每种都做{ZH[tries]}遍")
    vectors = context_study.LENGTH
    yield Claim("against", f"The context has {EN[vectors]} vectors", f"这里的上下文是{ZH[vectors]}个向量")
    yield Claim("one-shot", f"In how many of the {EN[tries]} tries", f"每类一张图的{ZH[tries]}次里")
    yield Claim("shots-in-numbers", f"means of {EN[tries]} tries", f"都是{ZH[tries]}次的平均")

    def means(task, method):
        return [mean_of(task.runs, method, shots=shots) for shots in by_shots]

    first = [run.context for run in riddle.runs if run.shots == 1]
    assert min(first) > riddle.hand and max(first) - min(first) > 0.1
    yield Claim(
        "shots-seen",
        f"a single picture of each class can be enough, though the {EN[tries]} tries lie far apart",
        f"每类一张图也许就够了，只是{ZH[tries]}次之间相差不小",
    )
    assert round((first[0] - riddle.hand) * TESTS) == 1 and 0.115 < max(first) - riddle.hand < 0.12
    assert f"a single test picture of {TESTS}, the best by nearly twelve points" in exercises.one_shot.because.en
    assert f"{TESTS} 张测试图片里的一张，最好的却高出将近十二个百分点" in exercises.one_shot.because.zh
    assert riddle.own == pytest.approx(mean_of(riddle.runs, "context", shots=8), abs=0.005)
    told = riddle.own_template.removesuffix(".")
    yield Claim(
        "shots-seen",
        f"“{told}” does as well as eight pictures of each object",
        f"“{told}”就抵得上每种物体八张图",
    )
    below = [sketch.hand - run.context for run in sketch.runs if run.shots == 1 and run.context < sketch.hand]
    assert sketch.hand > 0.99 and {round(share * TESTS) for share in below} == {1}
    yield Claim(
        "shots-seen",
        f"{EN[len(below)]} tries of {EN[tries]} end below the hand prompt, by a single test picture each",
        f"{ZH[tries]}次里有{ZH[len(below)]}次反而比手工提示词低，各少对了一张测试图片",
    )
    gains = means(blurred, "context")
    assert blurred.own < blurred.hand + 0.005 < gains[0] and gains == sorted(gains)
    yield Claim(
        "shots-seen",
        f"keeps improving with every doubling of the pictures, up to {EN[by_shots[-1]]} of each class",
        f"随着图片一路提高，直到每类{ZH[by_shots[-1]]}张",
    )
    context, probe = means(sepia, "context"), means(sepia, "probe")
    assert sepia.hand < 0.2 and max(context) - min(context) < 0.01
    gained = round(100 * (context[0] - sepia.hand))
    yield Claim(
        "shots-seen",
        f"gains {EN[gained]} points with the first picture and then almost nothing",
        f"靠第一张图提高了{ZH[gained]}个百分点，以后几乎不再动",
    )
    ahead = [shots for shots, ours, theirs in zip(by_shots, context, probe) if theirs > ours]
    assert ahead == by_shots[-len(ahead) :]
    yield Claim("shots-seen", f"passes it from {EN[ahead[0]]} pictures on", f"从每类{ZH[ahead[0]]}张图起，它就反超了")
    assert all(means(task, "probe")[0] < task.hand for task in tasks)
    yield Claim(
        "shots-seen",
        f"on average below the hand prompt on all {EN[len(tasks)]} tasks",
        f"在{ZH[len(tasks)]}个任务上平均都不如手工提示词",
    )


def claims_of_choices(choices):
    runs, classes = choices.runs, len(RIDDLE.class_names)
    seeds = len({run.seed for run in runs})
    yield Claim(
        "choices",
        f"{len(runs) // seeds} combinations, {EN[seeds]} tries each with {EN[choices.shots]} shots",
        f"{len(runs) // seeds} 种组合，每种用每类{ZH[choices.shots]}张图训练{ZH[seeds]}次",
    )
    shared = [run for run in runs if not run.class_specific]
    assert mean_of(shared, "test", length=1) == pytest.approx(mean_of(shared, "test", length=16), abs=0.01)
    for name in ("length", "position", "init"):
        assert spread_of(runs, name) < 0.03 < 0.1 < spread_of(runs, "class_specific")
    yield Claim(
        "choices-seen",
        "a single vector does as well as sixteen, and place and initialisation move little. What matters is sharing",
        "一个向量和十六个一样好，位置和初始化也影响不大。真正要紧的是共用",
    )
    yield Claim(
        "choices-seen",
        f"{classes} times as many numbers to learn, each context has only {EN[choices.shots]} pictures",
        f"要学的数就是原来的 {classes} 倍，每套却只有自己那{ZH[choices.shots]}张图可学",
    )
    assert mean_of(runs, "test", class_specific=True) < choices.hand < mean_of(shared, "test")
    yield Claim("choices-seen", "On average that ends below “a photo of a”", "平均下来还不如“a photo of a”")


def claims_of_new_classes(tasks, hand_among_all):
    riddle, blurred = tasks
    half, tries = len(riddle.base), len({run.seed for run in riddle.runs})
    assert len(riddle.new) == half and min(riddle.hand_base, riddle.hand_new) > hand_among_all
    yield Claim("new-classes", f"We learn on {EN[half]} of the objects", f"我们只在{ZH[half]}种物体")
    yield Claim("new-classes", "so every accuracy is higher than before", "所以准确率整体比前面高")
    vectors, shots = context_study.LENGTH, context_study.MOST_SHOTS
    yield Claim(
        "new-classes",
        f"{EN[vectors].capitalize()} vectors begin as “{context_study.WORDS}”; {shots} shots, {EN[tries]} tries",
        f"{ZH[vectors]}个向量，从“{context_study.WORDS}”开始学，每类 {shots} 张图，做{ZH[tries]}次",
    )
    gained, lost = (round(100 * abs(one - other)) for one, other in zip(PUBLISHED["CoOp"], PUBLISHED["CLIP"][:2]))
    assert PUBLISHED["CoOp"][1] < PUBLISHED["CLIP"][1]
    yield Claim(
        "base-to-new",
        f"CoOp gained {gained} points on base classes and *lost* {lost} on new ones",
        f"CoOp 在基类上高出 {gained} 个百分点，在新类上却**低了** {lost} 个",
    )

    def means(task):
        weights = sorted({run.regularisation for run in task.runs})
        return [[mean_of(task.runs, part, regularisation=weight) for part in ("base", "new")] for weight in weights]

    free, *held = means(riddle)
    assert riddle.hand_new < riddle.hand_base and free[1] - riddle.hand_new > free[0] - riddle.hand_base > 0
    yield Claim(
        "base-to-new-seen",
        "new classes even gain more than base classes: there the hand prompt was weaker",
        "新类的提高甚至比基类还大：手工提示词在新类上本来就弱一些",
    )
    assert all(new < free[1] for _, new in held)
    yield Claim(
        "base-to-new-seen",
        f"each of the {EN[len(held)]} weights takes something away on new classes",
        f"我们试的{ZH[len(held)]}种强度，都会让新类上少提高一些",
    )
    free, *small, _, largest = means(blurred)
    assert small and all(held >= without for pair in small for held, without in zip(pair, free))
    yield Claim(
        "base-to-new-seen",
        f"a small weight costs nothing that {EN[tries]} tries could show",
        f"强度小的时候，{ZH[tries]}次训练里看不出有什么代价",
    )
    assert largest[1] > free[1] + 0.02 and largest[0] < free[0] - 0.04
    yield Claim(
        "base-to-new-seen",
        "only the largest trades gain on base classes for gain on new ones",
        "开到最大，才是拿基类上的提高去换新类上的提高",
    )


def mean_of(runs, method, **settings):
    shares = [getattr(run, method) for run in runs if settings.items() <= vars(run).items()]
    return sum(shares) / len(shares)


def spread_of(runs, name):
    """How many points apart the mean test accuracies of a choice's options lie, as a share."""
    means = [mean_of(runs, "test", **{name: option}) for option in {getattr(run, name) for run in runs}]
    return max(means) - min(means)
