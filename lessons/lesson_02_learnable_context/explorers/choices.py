"""What the stored study says of length, place, initialisation and sharing. The study is pocket/studies/context_study.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from types import SimpleNamespace

from transformers import CLIPConfig

from helpers.language import LearnerError, say
from helpers.notebook import Table
from helpers.pretrained import POCKET_CLIP
from lessons.kit.context_training import HAND
from lessons.kit.explorer import Explorer, format_count, format_percent, make_dropdown
from lessons.kit.picture import BLUE, SLATE, VERMILION, Picture
from lessons.lesson_02_learnable_context import figures
from lessons.lesson_02_learnable_context.explorers import shared
from pocket.studies.context_study import FILE, Choices, ChoicesRun, load_study

SHARING = {False: (SLATE, "o"), True: (VERMILION, "^")}  # whether each class has vectors of its own


def explore_choices(file: Path = FILE) -> Explorer:
    """Choose length, place, beginning and whether each class has vectors of its own, and see how that choice did among all."""
    study = load_study(file)
    choices = study.choices
    lengths = sorted({run.length for run in choices.runs})
    controls = {
        "length": shared.make_options_slider(
            lengths, 4 if 4 in lengths else lengths[0], say(en="length", zh="向量个数"), 22
        ),
        "position": shared.make_position_dropdown(),
        "init": make_dropdown(say(en="begins as", zh="初始化"), _name_initialisations(), "random", 20),
        "class_specific": make_dropdown(say(en="vectors are", zh="向量"), _name_owners(), False, 26),
    }
    width, task = CLIPConfig.from_pretrained(POCKET_CLIP).text_config.hidden_size, shared.find_study_task(choices.task)
    averages = _average_runs(choices.runs)
    everything = [getattr(run, part) for run in choices.runs for part in ("validation", "test")] + [choices.hand]

    def draw(now: SimpleNamespace) -> Picture:
        settings = (now.position, now.init, now.class_specific)
        if (now.length, *settings) not in averages:
            raise LearnerError(
                en="No stored run has this combination: choose another.", zh="没有存过这个组合的训练：请换一个。"
            )

        def columns(part: str, like: Callable[[ChoicesRun], bool]) -> list[list[float]]:
            """Accuracies by length, of such runs."""
            mine = [run for run in choices.runs if like(run)]
            return [[getattr(run, part) for run in mine if run.length == length] for length in lengths]

        def is_chosen(run: ChoicesRun) -> bool:
            return _read_settings(run)[1:] == settings

        def is_another(own: bool) -> Callable[[ChoicesRun], bool]:
            return lambda run: not is_chosen(run) and run.class_specific is own

        mine = say(en="your settings", zh="你选的设置")
        panels = [
            figures.Panel(
                heading,
                [
                    *(
                        figures.Method(name, columns(part, is_another(own)), *SHARING[own], faint=True)
                        for own, name in _name_sharing().items()
                    ),
                    figures.Method(mine, columns(part, is_chosen), BLUE, SHARING[now.class_specific][1]),
                ],
                lines,
            )
            for part, heading, lines in (
                ("validation", say(en="Validation: what one may choose by", zh="验证集：可以用来挑选"), ()),
                (
                    "test",
                    say(en="Test: only to report", zh="测试集：只用来报告"),
                    [(say(en="hand prompt", zh="手工提示词"), choices.hand)],
                ),
            )
        ]
        chosen, contexts = averages[now.length, *settings], len(task.task.class_names) if now.class_specific else 1
        return figures.draw_accuracy_by_length(
            lengths,
            lengths.index(now.length),
            panels,
            shared.find_limits(everything),
            title=say(
                en=f"{task.title}: your choice gets {format_percent(chosen.validation)} on validation, {format_percent(chosen.test)} on test pictures",
                zh=f"{task.title}：你选的设置，验证集上是 {format_percent(chosen.validation)}，测试集上是 {format_percent(chosen.test)}",
            ),
            alt=_describe_chosen_runs(now, lengths, panels[1].methods[-1].columns, chosen, choices),
            caption=_explain_choice(now, averages, width * now.length * contexts, choices)
            + shared.describe_study(study),
        )

    return Explorer(controls, draw)


def tabulate_choices(file: Path = FILE) -> Table:
    """Of each choice and option the mean accuracy in per cent, over all runs that have it."""
    choices = load_study(file).choices
    choice_names = {
        "length": say(en="vectors", zh="向量个数"),
        "position": say(en="the name is", zh="类别名在"),
        "init": say(en="begins as", zh="初始化"),
        "class_specific": say(en="vectors are", zh="向量"),
    }
    option_names = {
        option: label for label, option in (*shared.name_positions().items(), *_name_initialisations().items())
    }
    option_names |= {own: label for label, own in _name_owners().items()}
    rows = []
    for choice, name in choice_names.items():
        for option in dict.fromkeys(getattr(run, choice) for run in choices.runs):
            mine = [run for run in choices.runs if getattr(run, choice) == option]
            shares = (f"{100 * mean(getattr(run, part) for run in mine):.1f}" for part in ("validation", "test"))
            label = str(option) if choice == "length" else option_names[option]
            rows.append((f"{name}{say(en=': ', zh='：')}{label}", *shares))
    rows.append((say(en=f"hand prompt {HAND}", zh=f"手工提示词{HAND}"), "", f"{100 * choices.hand:.1f}"))
    return Table(
        rows,
        (say(en="choice", zh="选项"), say(en="validation", zh="验证集"), say(en="test", zh="测试集")),
        align="right",
    )


def _read_settings(run: ChoicesRun) -> tuple[int, str, str, bool]:
    return run.length, run.position, run.init, run.class_specific


def _average_runs(runs: Sequence[ChoicesRun]) -> dict[tuple[int, str, str, bool], SimpleNamespace]:
    """Of each combination: the means of its runs on validation and on test pictures, and the test accuracy of each run."""
    grouped: dict[tuple[int, str, str, bool], list[ChoicesRun]] = {}
    for run in runs:
        grouped.setdefault(_read_settings(run), []).append(run)
    return {
        settings: SimpleNamespace(
            validation=mean(run.validation for run in mine),
            test=mean(run.test for run in mine),
            runs=[run.test for run in mine],
        )
        for settings, mine in grouped.items()
    }


def _describe_chosen_runs(
    now: SimpleNamespace,
    lengths: Sequence[int],
    columns: Sequence[Sequence[float]],
    chosen: SimpleNamespace,
    choices: Choices,
) -> str:
    of = say(en=": ", zh=" 个 ")
    by_length = [f"{length}{of}{format_percent(mean(runs))}" for length, runs in zip(lengths, columns) if runs]
    together, apart = (
        format_percent(mean(run.test for run in choices.runs if run.class_specific is own)) for own in SHARING
    )
    return say(
        en=f"Two diagrams of accuracy over the number of vectors, left on validation and right on test pictures, with a mark for each of "
        f"{len(choices.runs)} runs: circles where all classes share the vectors, on test pictures {together} on average, and triangles where "
        f"each class has its own, {apart}. Filled are those with {_describe_settings(now)}; their mean test accuracies by length are "
        f"{', '.join(by_length)}. A frame marks the length {now.length}: {format_percent(chosen.validation)} on validation, {format_percent(chosen.test)} "
        f"on test pictures. A dotted line marks the hand prompt, {format_percent(choices.hand)}.",
        zh=f"两张图，横轴都是上下文向量的个数，左图是验证集上的准确率，右图是测试集上的，{len(choices.runs)} 次训练各画一个标记：圆点是各类共用的，"
        f"测试集上平均 {together}；三角是每类各一套的，平均 {apart}。实心的是{_describe_settings(now)}，按个数排，测试集上的平均准确率是 "
        f"{'，'.join(by_length)}。方框标出 {now.length} 个向量：验证集 {format_percent(chosen.validation)}，测试集 {format_percent(chosen.test)}。"
        f"点线是手工提示词的 {format_percent(choices.hand)}。",
    )


def _explain_choice(
    now: SimpleNamespace, averages: Mapping[tuple[int, str, str, bool], SimpleNamespace], numbers: int, choices: Choices
) -> str:
    chosen = averages[now.length, now.position, now.init, now.class_specific]
    seeds, every = len(chosen.runs), list(averages.values())
    best_settings, best = max(averages.items(), key=lambda item: item[1].validation)
    rank = 1 + sum(other.validation > chosen.validation for other in every)
    the_best = SimpleNamespace(**dict(zip(("length", "position", "init", "class_specific"), best_settings)))
    text = say(
        en=f"{format_count(now.length, 'vector')} with {_describe_settings(now)}: {numbers:,} learned numbers. Mean of {seeds} runs: {format_percent(chosen.validation)} on "
        f"validation, {format_percent(chosen.test)} on test pictures ({format_percent(min(chosen.runs))} to {format_percent(max(chosen.runs))}); the hand prompt gets "
        f"{format_percent(choices.hand)} there. On validation this is number {rank} of {len(every)} combinations. ",
        zh=f"{now.length} 个向量，{_describe_settings(now)}：要学 {numbers:,} 个数。{seeds} 次训练平均：验证集 {format_percent(chosen.validation)}，测试集 "
        f"{format_percent(chosen.test)}（{format_percent(min(chosen.runs))} 到 {format_percent(max(chosen.runs))}），手工提示词在测试集上是 "
        f"{format_percent(choices.hand)}。按验证集排，它在 {len(every)} 种组合里是第 {rank} 名。",
    )
    if rank > 1:
        text += say(
            en=f"Number 1 is a context of {format_count(the_best.length, 'vector')} with {_describe_settings(the_best)}: {format_percent(best.validation)}, and on test pictures "
            f"{format_percent(best.test)}. ",
            zh=f"第 1 名是 {the_best.length} 个向量，{_describe_settings(the_best)}：验证集 {format_percent(best.validation)}，测试集 {format_percent(best.test)}。",
        )
    if now.length == 1 and now.position == "middle":
        text += say(
            en="(One vector has no middle: the name stands in front of it.) ",
            zh="（只有一个向量，谈不上中间：类别名在它前面。）",
        )
    return text + say(
        en="Blue, filled: these settings at every length, with a frame around yours. Hollow: all others, circles where all classes share the "
        f"vectors, triangles where each class has its own. All were learned from {choices.shots} shots. ",
        zh="蓝色实心：同样设置、各种个数的训练，你选的个数加了框。空心：其余的训练，圆点是各类共用的，三角是每类各一套的。"
        f"每类都用 {choices.shots} 张图片训练。",
    )


def _describe_settings(now: SimpleNamespace) -> str:
    """Where the name stands, how the vectors begin and whose they are."""
    return say(
        en=f"{shared.describe_position(now.position)}, begun "
        f"{'from words' if now.init == 'words' else 'at random'}, {'of its own for each class' if now.class_specific else 'shared by all classes'}",
        zh=f"{shared.describe_position(now.position)}，用{'词语' if now.init == 'words' else '随机数'}初始化，"
        f"{'每类各一套' if now.class_specific else '各类共用'}",
    )


def _name_initialisations() -> dict[str, str]:
    return {say(en="random numbers", zh="随机数"): "random", say(en="words", zh="词语"): "words"}


def _name_owners() -> dict[str, bool]:
    """Whose the vectors are, and whether each class has its own."""
    return {
        say(en="the same for all classes", zh="各类共用"): False,
        say(en="each class its own", zh="每类各一套"): True,
    }


def _name_sharing() -> dict[bool, str]:
    """The same in the words of the field."""
    return {False: say(en="shared", zh="各类共用"), True: say(en="class-specific", zh="每类各一套")}
