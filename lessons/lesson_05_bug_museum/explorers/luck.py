"""Lesson 05: the luck of many looks at a test set."""

from __future__ import annotations

from types import SimpleNamespace

import ipywidgets

from helpers.language import say
from lessons.kit.explorer import Explorer, make_dropdown, style_control
from lessons.kit.picture import BLUE, SLATE, Picture
from lessons.lesson_05_bug_museum import experiments, figures

TEST_SETS = (50, 200, 1000, 5000)  # pictures
MOST_LOOKS = 100


def explore_luck() -> Explorer:
    """Choose how often one looks at how large a test set, and see how far the best look lies above the truth by luck alone."""
    controls = {
        "looks": ipywidgets.IntSlider(
            30, min=1, max=MOST_LOOKS, description=say(en="evaluations", zh="看几次"), **style_control(30)
        ),
        "pictures": make_dropdown(
            say(en="test set", zh="测试集"),
            {say(en=f"{number:,} pictures", zh=f"{number:,} 张图片"): number for number in TEST_SETS},
            200,
            22,
        ),
        "accuracy": make_dropdown(say(en="truth", zh="真实水平"), {"4.2 %": 1 / 24, "50 %": 0.5, "80 %": 0.8}, 0.5, 18),
    }
    steps = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100)

    def draw(now: SimpleNamespace) -> Picture:
        across = sorted({*steps, now.looks})
        lines, told = [], {}
        for number in TEST_SETS:
            above = [
                100 * (experiments.compute_expected_best(looks, number, now.accuracy) - now.accuracy)
                for looks in across
            ]
            mine = number == now.pictures
            colour = BLUE if mine else SLATE
            told[number] = f"{above[across.index(now.looks)]:.1f}"
            name = say(
                en=f"{number:,} pictures: +{told[number]} at {now.looks}",
                zh=f"{number:,} 张：看 {now.looks} 次，高 {told[number]}",
            )
            lines.append(figures.Line(name, across, above, colour, thin=not mine, at=now.looks))
        gain = told[now.pictures]
        listed = say(en=", ", zh="，").join(
            say(en=f"{points} with {number:,}", zh=f"{number:,} 张是 {points}") for number, points in told.items()
        )
        return figures.draw_named_curves(
            lines,
            say(en="evaluations on the test set, of which the best is reported", zh="看测试集的次数（只报告最好的一次）"),
            say(en="above the truth, on average\n(points)", zh="平均比真实水平高出\n（百分点）"),
            title=say(
                en=f"The best of {now.looks} evaluations on {now.pictures:,} pictures lies {gain} points above the truth",
                zh=f"测试集 {now.pictures:,} 张，看 {now.looks} 次取最好的：虚高 {gain} 个百分点",
            ),
            alt=say(
                en=f"Curves over 1 to {MOST_LOOKS} evaluations, one for each size of the test set: how many points the best lies above the truth. "
                f"All rise, steeply at first, and the smaller the test set the higher. At {now.looks} evaluations: {listed} pictures. "
                f"The thick one is that of {now.pictures:,}.",
                zh=f"横轴是看测试集的次数，从 1 到 {MOST_LOOKS}；每种测试集大小一条曲线：最好的那次比真实水平高出多少个百分点。曲线都上升，开头最陡；"
                f"测试集越小，升得越高。看 {now.looks} 次时：{listed}。粗的那条是 {now.pictures:,} 张。",
            ),
            caption=say(
                en=f"True accuracy {100 * now.accuracy:.1f} %, computed exactly for evaluations that are independent of each other. Neighbouring epochs of one "
                "training are alike, so their luck is smaller. Beside each size: the points at the chosen number of evaluations.",
                zh=f"真实准确率 {100 * now.accuracy:.1f}%；假定每次看都互相独立，这是精确算出来的。同一次训练里相邻的轮彼此相像，运气的成分要小一些。"
                "每个大小后面的数，是所选次数下高出的百分点。",
            ),
            limits=(0, 1.08 * max(max(line.y) for line in lines)),
            ticks=(1, 2, 5, 10, 20, 50, 100),
        )  # fmt: skip

    return Explorer(controls, draw)
