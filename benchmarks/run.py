"""`python course.py bench`: runs the benchmarks, each in a process of its own, and keeps results.json and plots."""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import transformers
from PIL.PngImagePlugin import PngInfo

from benchmarks import captioner, context, lessons
from benchmarks.machine import describe_machine_and_versions
from benchmarks.records import FOLDER, RESULTS, Measured, make_record, round_numbers, save_record
from helpers.files import write_whole
from helpers.pretrained import load_clip
from tools.console import Problem, Say, count_columns, run_command

BENCHMARKS: dict[str, Callable[[], Measured]] = {
    "context_text_step": lambda: context.measure_text_step(*context.make_vit_b_32()),
    "few_shot_run": lambda: context.measure_few_shot_run(*context.make_vit_b_32()),
    "memory_1000_classes": lambda: context.measure_memory(*context.make_vit_b_32()),
    "pocket_few_shot_run": lambda: context.measure_pocket_run(*load_clip("pocket")),
    "cost_by_classes": lambda: context.measure_cost_by_classes(*context.make_vit_b_32()),
    "captioner_step": lambda: captioner.measure_captioner_step(
        captioner.make_full_size_captioner("patches"), bound=3.5
    ),
    "captioner_step_pooled": lambda: captioner.measure_captioner_step(
        captioner.make_full_size_captioner("pooled"), bound=8
    ),
    "peft_step": lambda: captioner.measure_peft_step(captioner.make_full_size_captioner(), bound=1),
    "generate_20": lambda: captioner.measure_generation(captioner.make_full_size_captioner(), tokens=20, bound=2),
    "generate_60": lambda: captioner.measure_generation(captioner.make_full_size_captioner(), tokens=60, bound=2.5),
    "lessons": lambda: lessons.measure_lessons(sorted(FOLDER.parent.glob("notebooks/en/*.ipynb")), bound=360),
}
NEEDS = {"peft_step": "peft", "lessons": "nbclient"}  # packages that lessons themselves do not need
PLOTS = context.PLOTS
TITLES = {
    "context_text_step": ("a step through the text tower, 100 classes", "文本塔走一步，100 个类别"),
    "few_shot_run": ("a whole few-shot run, 16 shots × 20 classes", "一次完整的少样本训练，16 样本 × 20 类"),
    "memory_1000_classes": ("peak memory of a step with 1000 classes", "1000 个类别走一步的内存峰值"),
    "pocket_few_shot_run": ("a few-shot run on the pocket model", "口袋模型上的一次少样本训练"),
    "cost_by_classes": ("what a step costs by the number of classes", "一步的开销随类别数的变化"),
    "captioner_step": ("a training step of the captioner, 50 patches", "看图说话模型训练一步，用图块特征"),
    "captioner_step_pooled": ("the same with one vector a picture", "同上，每张图只用一个向量"),
    "peft_step": ("a step of prompt tuning, beside PEFT", "提示词微调一步，和 PEFT 相比"),
    "generate_20": ("20 tokens, with the cache and without", "生成 20 个词元，有缓存和没有缓存"),
    "generate_60": ("60 tokens, with the cache and without", "生成 60 个词元，有缓存和没有缓存"),
    "lessons": ("the whole course in one language, every cell", "一种语言的全部课程，每一格都运行"),
}


def save_plot(name: str, found: dict[str, Any], folder: Path = FOLDER) -> None:
    """The plot of a record as a PNG that carries its alt text and the numbers it was drawn from."""
    plot, curves = PLOTS[name]
    picture, notes = plot(found), PngInfo()
    notes.add_itxt("Description", picture.alt)
    notes.add_text("numbers", json.dumps({way: asdict(curve) for way, curve in curves(found).items()}))
    image = picture.image.quantize(64)
    write_whole(folder / f"{name}.png", lambda part: image.save(part, format="png", optimize=True, pnginfo=notes))


def run_in_own_process(name: str) -> dict[str, Any]:
    """The record of a benchmark that ran in a fresh process: no memory and no thread is left of others."""
    command = [sys.executable, "-m", "benchmarks.run", "--measure", name]
    output = subprocess.run(
        command, cwd=FOLDER.parent, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True
    ).stdout
    return json.loads(output.decode("utf-8").splitlines()[-1])


def format_row(name: str, found: dict[str, Any], say: Say) -> tuple[str, ...]:
    """A row of the table: verdict, name, what was measured, what is asked, what it is."""
    bound, unit = found["bound"], found["unit"]
    if bound is None:
        verdict, asked = "–", ""
    else:
        verdict = say("OK", "达标") if found["holds"] else say("MISSED", "未达标")
        how = say("at most", "不超过") if found["at_most"] else say("at least", "不低于")
        asked = f"{how} {bound:g} {unit}"
    return verdict, name, f"{found['value']:.3g} {unit}", asked, say(*TITLES[name])


def format_results(records: dict[str, dict[str, Any]], say: Say) -> str:
    """The records in columns."""
    heading = (
        say("verdict", "结论"), say("benchmark", "基准测试"), say("measured", "实测"),
        say("asked", "要求"), say("what it is", "内容"),
    )  # fmt: skip
    rows = [heading, *(format_row(name, found, say) for name, found in records.items())]
    widths = [max(count_columns(row[column]) for row in rows) for column in range(len(heading))]
    return "\n".join(
        "  ".join(cell + " " * (width - count_columns(cell)) for cell, width in zip(row, widths)).rstrip()
        for row in rows
    )


def run_benchmarks(names: Sequence[str], say: Say) -> int:
    """Measure, keep each record as soon as it is there, and tell; 1 where a bound is missed or a benchmark failed."""
    if unknown := [name for name in names if name not in BENCHMARKS]:
        known = ", ".join(BENCHMARKS)
        missing = ", ".join(unknown)
        raise Problem(
            f"There is no benchmark {missing}: there are {known}.", f"没有叫 {missing} 的基准测试：可选的有 {known}。"
        )
    wanted = [name for name in BENCHMARKS if not names or name in names]
    for name in [name for name in wanted if importlib.util.find_spec(NEEDS.get(name, "json")) is None]:
        package = NEEDS[name]
        print(
            say(
                f"{name} is left out: it needs the package {package}. "
                f"Install it with pip install {package}, and name the benchmark.",
                f"跳过 {name}：它需要软件包 {package}。先 pip install {package}，再指定这个基准测试的名字。",
            )
        )
        wanted.remove(name)
    found: dict[str, dict[str, Any]] = {}
    for number, name in enumerate(wanted, start=1):
        print(f"{number}/{len(wanted)} {name}: {say(*TITLES[name])} …", flush=True)
        begun = time.monotonic()
        try:
            found[name] = run_in_own_process(name)
        except subprocess.CalledProcessError as error:
            print(
                say(
                    f"    it ended with status {error.returncode} and measured nothing: "
                    "the reason stands above, if it gave one.",
                    f"    进程以状态码 {error.returncode} 结束，没有测出结果：如有报错，就在上面。",
                )
            )
            continue
        save_record(name, found[name], list(BENCHMARKS))
        if name in PLOTS:
            save_plot(name, found[name])
        seconds = time.monotonic() - begun
        print(say(f"    {seconds:.0f} s", f"    用时 {seconds:.0f} 秒"), flush=True)
    rates = [rate for one in found.values() for rate in one["matmul_gflops"].values()]
    if rates:
        print("\n" + format_results(found, say))
        machine = describe_machine_and_versions()
        low, high, threads = min(rates), max(rates), machine["threads"]
        print(
            say(
                f"{machine['cpu']}, {threads} thread{'s' * (threads > 1)}; "
                f"a matrix product ran at {low:.0f} to {high:.0f} GFLOP/s. "
                f"All of it is in {RESULTS.relative_to(FOLDER.parent)}.",
                f"{machine['cpu']}，{threads} 个线程；矩阵乘法的速度为 {low:.0f}–{high:.0f} GFLOP/s。"
                f"完整记录在 {RESULTS.relative_to(FOLDER.parent)}。",
            )
        )
    return 0 if len(found) == len(wanted) and all(one["holds"] is not False for one in found.values()) else 1


def run_words(words: list[str], lang: str, say: Say) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.run", allow_abbrev=False)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--lang", choices=["en", "zh"], default=lang)
    parser.add_argument("--measure", choices=BENCHMARKS, help="one of them, here and now; print its record")
    arguments = parser.parse_args(words)
    if arguments.measure:
        transformers.utils.logging.disable_progress_bar()
        # it warns that the pocket tokenizer's ids are not OpenAI's, as they need not be
        transformers.utils.logging.set_verbosity_error()
        print(json.dumps(round_numbers(make_record(arguments.measure, BENCHMARKS[arguments.measure]()))))
        return 0
    return run_benchmarks(arguments.names, say)


def main(words: list[str] | None = None) -> int:
    return run_command(run_words, words)


if __name__ == "__main__":
    sys.exit(main())
