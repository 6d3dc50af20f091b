"""Facts about benchmarks/ and `course.py bench`, on models of a few numbers: what a machine needs for them is never a test."""

import json
import os
import re
import subprocess
import sys
from functools import partial

import nbformat
import pytest
import torch
from nbclient.exceptions import CellExecutionError
from PIL import Image
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPConfig, GPT2Config

import course
from benchmarks import captioner, gpu, machine, records, run
from benchmarks import context as bench
from benchmarks import lessons as whole_course
from helpers.context import PromptedCLIP, encode_plain
from helpers.fast_text import encode_fast
from helpers.pretrained import load_clip
from helpers.training import TrainConfig
from lessons.kit.flops import FLOP, count_text_tower, estimate_least_seconds
from lessons.lesson_02_learnable_context import figures_b
from tools import console, jobs

SAY = {lang: console.speaker(lang) for lang in ("en", "zh")}
ASKED = {  # what the course promises of each, and whether it is the most or the least
    "context_text_step": (10, False, "×"),
    "few_shot_run": (10, False, "×"),
    "memory_1000_classes": (3, True, "GiB"),
    "pocket_few_shot_run": (10, True, "s"),
    "cost_by_classes": (None, False, "×"),
    "captioner_step": (3.5, False, "×"),
    "captioner_step_pooled": (8, False, "×"),
    "peft_step": (1, False, "×"),
    "generate_20": (2, False, "×"),
    "generate_60": (2.5, False, "×"),
    "lessons": (360, True, "s"),
}
OF_CAPTIONER = {"captioner_step", "captioner_step_pooled", "peft_step", "generate_20", "generate_60"}
RECORDS = records.load_results()


@pytest.fixture
def small():
    """A CLIP of a few numbers; no two of its sizes are equal, so that none can be taken for another."""
    text = {"hidden_size": 32, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4}
    vision = {"hidden_size": 16, "intermediate_size": 40, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPConfig(
        text_config={**text, "vocab_size": 2125},
        vision_config={**vision, "image_size": 32, "patch_size": 16},
        projection_dim=24,
    )
    return bench.make_random_clip(config)


def small_captioner(small, vision_features="patches"):
    language = GPT2Config(vocab_size=2000, n_embd=24, n_layer=2, n_head=2, n_positions=64)
    return captioner.make_random_captioner(small[0].config, language, vision_features)


@pytest.fixture(autouse=True)
def steady_machine(monkeypatch):
    for module in (bench, captioner, records):
        monkeypatch.setattr(module, "measure_gflops", lambda: 50.0)


def notebook(folder, name, *sources, tag=None):
    """A notebook of code cells with the ids a, b, c …, stored in a folder."""
    book = nbformat.v4.new_notebook()
    book.cells = [nbformat.v4.new_code_cell(source, id=id) for id, source in zip("abc", sources)]
    book.cells[-1].metadata.tags = [tag] if tag else []
    nbformat.write(book, folder / f"{name}.ipynb")
    return folder / f"{name}.ipynb"


def measured_small(name, small, folder):
    measure_step = partial(captioner.measure_captioner_step, batch=3, longest=20, repeats=1)
    few = {
        "context_text_step": lambda: bench.measure_text_step(*small, classes=5, repeats=2),
        "few_shot_run": lambda: bench.measure_few_shot_run(
            *small, classes=3, shots=2, checks=1, config=TrainConfig(steps=12, batch_size=4), steps_a_turn=1, repeats=3
        ),
        "memory_1000_classes": lambda: bench.measure_memory(*small, classes=9),
        "pocket_few_shot_run": lambda: bench.measure_pocket_run(
            *load_clip("pocket"), shots=1, checks=1, config=TrainConfig(steps=2), repeats=1
        ),
        "cost_by_classes": lambda: bench.measure_cost_by_classes(*small, fast=(1, 3, 9), plain=(1, 3), repeats=1),
        "captioner_step": lambda: measure_step(small_captioner(small), 3.5),
        "captioner_step_pooled": lambda: measure_step(small_captioner(small, "pooled"), 8),
        "peft_step": lambda: captioner.measure_peft_step(small_captioner(small), 1, batch=3, repeats=1),
        "generate_20": lambda: captioner.measure_generation(small_captioner(small), 4, 2, batch=2, repeats=1),
        "generate_60": lambda: captioner.measure_generation(small_captioner(small), 6, 2.5, batch=2, repeats=1),
        "lessons": lambda: whole_course.measure_lessons(
            [notebook(folder, "00_one", "1 + 1"), notebook(folder, "01_two", "2")], 360
        ),
    }
    if name in run.NEEDS:
        pytest.importorskip(run.NEEDS[name])
    return few[name]()


# --- multiplications ------------------------------------------------------------------------------------------------------------


def counted(features, backward):
    """Multiplications by torch's own count."""
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:  # it sees into no other attention
        result = features()
        if backward:
            result.sum().backward()
    return counter.get_total_flops() // FLOP


@pytest.mark.parametrize("way", ["plain", "trimmed", "end only", "fast"])
def test_products_are_those_that_torch_counts(small, way):
    clip, processor = small
    prompted = PromptedCLIP(clip, processor, ["cat", "small red dog", "blue cup"], 4, "random")
    embeddings, ids, end, shared = prompted.embeddings, prompted.ids, prompted.end, prompted.shared
    length = int(end.max()) + 1
    features, sizes = {
        "plain": (lambda: encode_plain(clip, embeddings, ids), {"length": 77}),
        "trimmed": (lambda: encode_plain(clip, embeddings, ids[:, :length]), {"length": length}),
        "end only": (lambda: encode_fast(clip, embeddings, ids, end, 0), {"length": length, "only_end": True}),
        "fast": (
            lambda: encode_fast(clip, embeddings, ids, end, shared),
            {"length": length, "shared": shared, "only_end": True},
        ),
    }[way]
    products = count_text_tower(clip.config, texts=3, **sizes)
    assert counted(features, backward=False) == products.forward
    assert counted(features, backward=True) == products.forward_and_backward


def test_a_layer_of_the_usual_shape_costs_twelve_times_the_square_of_its_width():
    config = CLIPConfig()
    layers, width = config.text_config.num_hidden_layers, config.text_config.hidden_size
    weights = count_text_tower(config, texts=2, length=77).weights
    assert weights == 2 * 77 * layers * 12 * width**2 + 2 * width * config.projection_dim


def test_at_one_gigaflop_a_second_half_a_billion_products_take_a_second():
    assert estimate_least_seconds(500_000_000, 1.0) == 1.0


# --- the machine ----------------------------------------------------------------------------------------------------------------


def test_ways_take_turns_and_the_middle_one_counts(monkeypatch):
    done, seconds = [], iter([5.0, 50.0, 1.0, 10.0, 3.0, 30.0])
    monkeypatch.setattr(machine, "measure_seconds", lambda do: (do(), next(seconds))[1])
    found = machine.time_ways({"a": lambda: done.append("a"), "b": lambda: done.append("b")}, repeats=3)
    assert "".join(done) == "ababab"
    assert found == {"a": machine.Timing(3.0, 1.0, 5.0, 3), "b": machine.Timing(30.0, 10.0, 50.0, 3)}


def test_a_matrix_product_of_two_by_two_is_sixteen_operations(monkeypatch):
    monkeypatch.setattr(machine, "measure_seconds", lambda do: 16e-9)
    assert machine.measure_gflops(size=2) == pytest.approx(1.0)


def test_what_a_forward_pass_keeps_is_counted_without_weights():
    layer = torch.nn.Linear(3, 5, bias=False).requires_grad_(False)
    x = torch.randn(7, 3, requires_grad=True)
    assert machine.measure_kept_bytes(lambda: layer(x), layer) == 0  # the weights are all that a frozen layer needs
    assert machine.measure_kept_bytes(lambda: layer(x).exp(), layer) == 7 * 5 * 4  # of exp, its own result


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not count it so")
def test_peak_memory_stays_where_it_was_once():
    code = """
from benchmarks.machine import measure_peak_memory
before = measure_peak_memory(); text = bytearray(b"x") * 300_000_000; del text; print(measure_peak_memory() - before)
"""
    grown = subprocess.run([sys.executable, "-c", code], cwd=console.ROOT, capture_output=True, text=True, check=True)
    assert 290_000_000 < int(grown.stdout) < 340_000_000


# --- what is measured -------------------------------------------------------------------------------------------------------------


def test_class_names_differ_and_fewer_are_the_first_of_more():
    names = bench.make_class_names(1000)
    assert len(set(names)) == 1000 and bench.make_class_names(100) == names[:100]
    assert {len(name.split()) for name in names[:100]} == {1, 2, 3}
    with pytest.raises(ValueError, match="not for 2000"):
        bench.make_class_names(2000)


def test_both_paths_find_the_end_of_every_text(small):
    """Pooled at the start, as a wrong end would have it, all features would be equal and the context without gradient."""
    prompted = bench.make_prompted_clip(*small, bench.make_class_names(5), 4)
    for way in bench.list_ways(prompted).values():
        texts, gradient = bench.run_text_step(prompted, way)
        assert torch.pdist(texts).min() > 1e-4
        assert gradient.abs().max() > 1e-4


def test_every_rung_gives_the_same_features_and_gradient(small):
    found = bench.measure_text_step(*small, classes=5, repeats=1).more
    ways = bench.list_ways(bench.make_prompted_clip(*small, ["a"], 1))
    assert list(found["difference"]) == list(found["ladder"]) == list(ways)
    assert all(part < 1e-5 for rung in found["difference"].values() for part in rung.values())


def test_a_difference_is_told_beside_the_largest_number():
    assert bench.measure_difference(torch.tensor([1.0, 4.1]), torch.tensor([1.0, 4.0])) == pytest.approx(0.025)


def test_our_run_begins_with_an_empty_cache_and_leaves_the_old_one_alone(small, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    pictures, config = bench.make_noise_pictures(6), TrainConfig(steps=10, batch_size=4)
    passed = bench.time_our_run(*small, ["cat", "dog"], pictures, 1, config)
    assert [step for step, _ in passed] == [0, 8, 10]
    seconds = [second for _, second in passed]
    assert seconds == sorted(seconds) and seconds[0] > 0
    assert os.environ["COURSE_CACHE"] == str(tmp_path) and not any(tmp_path.iterdir())


def test_the_textbook_encodes_a_batch_of_pictures_at_every_step_and_never_trims(small, monkeypatch):
    clip, processor = small
    seen, plain = [], PromptedCLIP.text_features
    monkeypatch.setattr(
        clip, "get_image_features", lambda pixel_values: seen.append(len(pixel_values)) or torch.randn(4, 24)
    )
    monkeypatch.setattr(PromptedCLIP, "text_features", lambda self, fast: seen.append(fast) or plain(self, fast))
    pictures, config = bench.make_noise_pictures(8), TrainConfig(steps=3, batch_size=4)
    steps = bench.time_textbook_steps(clip, processor, ["cat", "dog"], pictures, config)
    assert all(second > 0 for second in steps) and seen == [4, False] * 3


@pytest.mark.parametrize(
    ("each", "ours", "step"),
    [
        (1.0, [(0, 5.0), (20, 5.0)], 5),
        (1.0, [(0, 5.5), (20, 5.5)], 6),
        (1.0, [(0, 5.0), (10, 10.0), (20, 15.0)], 10),
        (1.0, [(0, 5.0), (20, 25.0)], None),
    ],
)
def test_the_break_even_is_the_first_step_after_which_ours_took_no_longer(each, ours, step):
    assert bench.find_crossing(each, ours) == step


IN_A_KERNEL_OR_THE_POCKET_MODEL = ("lessons", "pocket_few_shot_run")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in IN_A_KERNEL_OR_THE_POCKET_MODEL else ()) for name in ASKED],
)
def test_every_benchmark_gives_a_record_that_json_can_hold(small, name, tmp_path):
    measured = measured_small(name, small, tmp_path)
    found = records.round_numbers(records.make_record(name, measured))
    assert json.loads(json.dumps(found)) == found
    assert set(found) == set(RECORDS[name])
    assert (found["bound"], found["at_most"], found["unit"]) == ASKED[name]
    if name in bench.PLOTS:
        run.save_plot(name, found, tmp_path)
        assert (tmp_path / f"{name}.png").exists()


def test_the_textbook_is_extrapolated_from_its_middle_step(small, tmp_path):
    measured = measured_small("few_shot_run", small, tmp_path)
    each = measured.seconds["textbook step"]
    assert each.repeats == measured.more["textbook_steps_measured"] == 3
    assert measured.more["textbook_seconds"] == 12 * each.median
    assert measured.value == 12 * each.median / measured.seconds["ours"].median
    assert measured.more["ours_after_steps"][-1] == [12, measured.seconds["ours"].median]


@pytest.mark.slow
def test_a_lesson_runs_in_its_own_folder_and_its_seconds_and_memory_are_its_own(tmp_path):
    wait = "import os, time; time.sleep(0.5); print(os.getcwd())"
    fill = "import torch, transformers; rows = bytearray(b'x') * 300_000_000; del rows"
    slow = whole_course.run_notebook(notebook(tmp_path, "00_slow", wait, "1"), str(tmp_path))
    large = whole_course.run_notebook(notebook(tmp_path, "01_large", fill), str(tmp_path))
    assert 0.5 < slow.cells["a"] < slow.seconds and slow.cells["b"] < 0.5
    assert 290_000_000 < large.peak - slow.peak < 340_000_000


@pytest.mark.slow
def test_lessons_share_one_cache_that_is_empty_at_first(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "mine"))
    keep = "import os, pathlib; cache = pathlib.Path(os.environ['COURSE_CACHE']); assert not any(cache.iterdir()); (cache / 'kept').touch()"
    find = "import os; assert os.listdir(os.environ['COURSE_CACHE']) == ['kept']"
    books = [notebook(tmp_path, "00_keep", keep), notebook(tmp_path, "01_find", find)]
    found = whole_course.measure_lessons(books, 360)
    assert list(found.more["cells"]) == ["00_keep", "01_find"] and not (tmp_path / "mine").exists()
    assert found.value == pytest.approx(sum(timing.median for timing in found.seconds.values()))


@pytest.mark.slow
def test_a_lesson_that_fails_is_no_measurement_but_may_show_an_error_on_purpose(tmp_path):
    with pytest.raises(CellExecutionError):
        whole_course.run_notebook(notebook(tmp_path, "00_bad", "1 / 0"), str(tmp_path))
    good = notebook(tmp_path, "00_good", "1 / 0", tag="raises-exception")
    assert whole_course.run_notebook(good, str(tmp_path)).seconds > 0


# --- results.json -----------------------------------------------------------------------------------------------------------------


def test_results_hold_every_benchmark():
    assert list(RECORDS) == list(run.BENCHMARKS) == list(run.TITLES) == list(ASKED)


@pytest.mark.parametrize("name", ASKED)
def test_each_record_says_its_command_its_machine_and_what_was_asked(name):
    found = RECORDS[name]
    assert found["command"] == f"python course.py bench {name}"
    assert found["what"] and found["date"].count("-") == 2
    assert all(
        found["machine"][part] for part in ("cpu", "cores", "threads", "system", "python", "torch", "transformers")
    )
    assert all(rate > 0 for rate in found["matmul_gflops"].values())
    assert (found["bound"], found["at_most"], found["unit"]) == ASKED[name]
    of_texts, of_captioner = (
        ("classes", "context_length", "shared_positions"),
        ("batch", "prompt_length", "caption_tokens"),
    )
    told = {"lessons": ("lessons", "cells")}.get(name, of_captioner if name in OF_CAPTIONER else of_texts)
    assert {*told, *(() if name == "lessons" else ("width", "layers"))} <= set(found["sizes"])


def test_every_lesson_was_measured_and_their_sum_is_what_the_bound_is_about():
    found, there = RECORDS["lessons"], sorted(path.stem for path in console.ROOT.glob("notebooks/en/*.ipynb"))
    assert list(found["seconds"]) == list(found["peak_gib"]) == list(found["cells"]) == there
    assert found["value"] == pytest.approx(sum(timing["median"] for timing in found["seconds"].values()), rel=2e-3)
    for name, timing in found["seconds"].items():
        assert 0 < sum(found["cells"][name].values()) <= timing["median"] and 0.1 < found["peak_gib"][name] < 1.5


@pytest.mark.parametrize("name", ASKED)
def test_whether_a_bound_holds_follows_from_the_value(name):
    found = RECORDS[name]
    value, bound = found["value"], found["bound"]
    assert found["holds"] == (None if bound is None else value <= bound if found["at_most"] else value >= bound)


def timings(value):
    """All timings in a record, however deep."""
    if isinstance(value, dict):
        if "median" in value:
            yield value
        for part in value.values():
            yield from timings(part)
    elif isinstance(value, list):
        for part in value:
            yield from timings(part)


@pytest.mark.parametrize("name", ASKED)
def test_a_median_lies_within_its_spread(name):
    found = list(timings(RECORDS[name]))
    assert found
    assert all(0 < one["least"] <= one["median"] <= one["most"] and one["repeats"] > 0 for one in found)


def test_ratios_follow_from_the_seconds_beside_them():
    step, run, cost = (RECORDS[name] for name in ("context_text_step", "few_shot_run", "cost_by_classes"))
    seconds = {name: timing["median"] for name, timing in step["seconds"].items()}
    assert step["value"] == pytest.approx(seconds["plain"] / seconds["fast"], rel=2e-3)
    assert step["ladder"] == {name: pytest.approx(seconds["plain"] / each, rel=2e-3) for name, each in seconds.items()}
    each, ours = (run["seconds"][name]["median"] for name in ("textbook step", "ours"))
    assert run["value"] == pytest.approx(run["sizes"]["steps"] * each / ours, rel=2e-3)
    assert run["break_even_step"] == bench.find_crossing(each, run["ours_after_steps"])
    most = [point for point in cost["points"] if "plain" in point][-1]
    assert cost["value"] == pytest.approx(most["plain"]["median"] / most["fast"]["median"], rel=2e-3)


def test_a_third_of_the_time_of_the_lessons_is_importing_as_the_readme_says():
    cells = [(id, seconds) for lesson in RECORDS["lessons"]["cells"].values() for id, seconds in lesson.items()]
    importing = sum(seconds for id, seconds in cells if id in ("setup", "imports-code", "pocket-clip-code"))
    assert 0.25 < importing / sum(seconds for _, seconds in cells) < 0.45


def test_the_proof_that_nothing_changed_stands_in_the_record():
    """No timing: rounding alone, in fp32."""
    assert all(part < 1e-5 for rung in RECORDS["context_text_step"]["difference"].values() for part in rung.values())


def test_the_gpu_gave_what_the_cpu_gives_and_waits_with_two_captions_as_the_readme_says():
    """Of the stored record; nothing is timed."""
    found = json.loads(gpu.FILE.read_text("utf-8"))
    assert all(part < 2.1e-6 for part in found["beside_the_cpu"].values())
    shares = [one["tflops"] / found["large_product"]["tflops"] for one in found["learning_to_describe"]]
    assert 18 < 1 / shares[0] < 20 and shares[-1] > 0.5
    assert [one["batch"] for one in found["learning_to_describe"]] == list(gpu.BATCHES)


@pytest.mark.slow
def test_what_is_done_on_a_gpu_runs_without_one_and_costs_as_many_macs(monkeypatch):
    monkeypatch.setattr(gpu, "REPEATS", 1)
    monkeypatch.setattr(gpu, "WARM", 0)
    found = gpu.measure_all("cpu", pictures=2, classes=20, batches=[2], large=64)
    assert set(found["beside_the_cpu"].values()) == {0.0}
    assert found["learning_a_context"]["pictures"] == 320 and found["learning_to_describe"][0]["tflops"] > 0
    json.dumps(found)


def test_captioner_and_generation_are_the_same_by_both_ways():
    """No timing here either."""
    for name in ("captioner_step", "captioner_step_pooled", "peft_step"):
        assert all(part < 1e-5 for part in RECORDS[name]["difference"].values()), name
    assert RECORDS["generate_20"]["same_tokens"] and RECORDS["generate_60"]["same_tokens"]


@pytest.mark.parametrize("vision_features", ["patches", "pooled"])
def test_the_seeds_way_and_ours_have_one_loss_and_one_gradient(small, vision_features):
    found = captioner.measure_captioner_step(small_captioner(small, vision_features), 1, batch=3, longest=20, repeats=1)
    assert all(part < 1e-5 for part in found.more["difference"].values())


def test_both_ways_of_generating_say_the_same_and_nothing_ends_early(small):
    model = small_captioner(small)
    found = captioner.measure_generation(model, 6, 1, batch=2, repeats=1)
    assert found.more["same_tokens"]
    said = captioner.generate_with_cache(model, model.encode(torch.zeros(2, 3, 32, 32)), 6)
    assert [len(row) for row in said] == [6, 6]


def test_a_benchmark_that_needs_a_package_is_left_out_and_says_which(pretended, capsys, monkeypatch, lang):
    monkeypatch.setitem(run.NEEDS, "cost_by_classes", "no_such_package")
    assert run.run_benchmarks(["cost_by_classes", "few_shot_run"], SAY[lang]) == 0
    assert "pip install no_such_package" in capsys.readouterr().out
    assert pretended[1] == ["few_shot_run", "few_shot_run.png"]


def test_a_new_record_leaves_the_others_as_they_were(tmp_path):
    file, order = tmp_path / "results.json", list(run.BENCHMARKS)
    records.save_record("cost_by_classes", {"value": 1}, order, file)
    records.save_record("context_text_step", {"value": 2, "ours": [[0, 1.5], [8, 2.5]]}, order, file)
    records.save_record("cost_by_classes", {"value": 3}, order, file)
    assert records.load_results(file) == {
        "context_text_step": {"value": 2, "ours": [[0, 1.5], [8, 2.5]]},
        "cost_by_classes": {"value": 3},
    }
    assert list(records.load_results(file)) == ["context_text_step", "cost_by_classes"]
    assert "[ 8, 2.5 ]\n" in file.read_text("utf-8") and list(tmp_path.iterdir()) == [file]


def test_numbers_are_kept_to_four_digits():
    assert records.round_numbers({"a": [1.23456789, 1234567, "x", None], "b": {"c": 0.000123456}}) == {
        "a": [1.235, 1234567, "x", None],
        "b": {"c": 0.0001235},
    }


# --- plots ------------------------------------------------------------------------------------------------------------------------


def numbers_in(figure):
    """The curves that were drawn."""
    return [tuple(map(list, line.get_data())) for axes in figure.axes for line in axes.lines]


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were finished."""
    figures, finish = [], figures_b.finish
    monkeypatch.setattr(figures_b, "finish", lambda figure, *texts: figures.append(figure) or finish(figure, *texts))
    return figures


@pytest.mark.parametrize("name", bench.PLOTS)
def test_a_plot_draws_what_the_record_holds(name, drawn):
    plot, curves = bench.PLOTS[name]
    picture = plot(RECORDS[name])
    assert len(picture.alt) > 100
    lines = numbers_in(drawn[0])
    assert all((list(curve.x), list(curve.y)) in lines for curve in curves(RECORDS[name]).values())


@pytest.mark.parametrize("name", bench.PLOTS)
def test_the_stored_plot_was_drawn_from_the_stored_record(name):
    _, curves = bench.PLOTS[name]
    with Image.open(records.FOLDER / f"{name}.png") as image:
        image.load()
        stored = json.loads(image.text["numbers"])
        assert len(image.text["Description"]) > 100
    assert stored == {way: {"x": curve.x, "y": curve.y} for way, curve in curves(RECORDS[name]).items()}


def test_curves_are_the_numbers_of_the_record():
    points = RECORDS["cost_by_classes"]["points"]
    curves = bench.make_cost_curves(RECORDS["cost_by_classes"])
    assert curves["fast"].x == [1, 10, 100, 1000] and curves["plain"].x == [1, 10, 100]
    assert curves["fast"].y == [point["fast"]["median"] for point in points]
    assert curves["limit"].y == [point["limit_seconds"] for point in points]
    run = RECORDS["few_shot_run"]
    curves = bench.make_run_curves(run)
    assert curves["textbook"].y == [0, run["sizes"]["steps"] * run["seconds"]["textbook step"]["median"]]
    assert list(zip(curves["ours"].x, curves["ours"].y)) == [tuple(point) for point in run["ours_after_steps"]]


def test_a_run_that_never_breaks_even_is_drawn_too(drawn):
    textbook, ours = figures_b.Curve([0, 10], [0.0, 1.0]), figures_b.Curve([0, 10], [5.0, 6.0])
    figures_b.draw_break_even(
        textbook, ours, None, 2, title="never", alt="Two lines that do not cross within ten steps."
    )
    assert len(drawn[0].axes) == 2


def test_every_plot_stands_in_the_readme_with_its_alt_text():
    page = (records.FOLDER / "README.md").read_text("utf-8")
    assert all(f"]({name}.png)" in page and "![](" not in page for name in bench.PLOTS)


# --- the command --------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def pretended(monkeypatch, tmp_path):
    """Instead of measuring, gives the stored records, in which a test may change something; files go to a folder of the test."""
    records, kept = {name: dict(found) for name, found in RECORDS.items()}, []
    monkeypatch.setattr(run, "run_in_own_process", lambda name: records[name])
    monkeypatch.setattr(run, "NEEDS", {})  # nothing is left out, whatever is installed here
    monkeypatch.setattr(run, "save_record", lambda name, found, order: kept.append(name))
    monkeypatch.setattr(run, "save_plot", lambda name, found: kept.append(f"{name}.png"))
    for found in records.values():
        found["holds"] = None if found["bound"] is None else True
    return records, kept


def test_course_py_hands_names_and_language_on_and_its_status_is_ours(monkeypatch, capsys):
    commands = []
    monkeypatch.setattr(jobs, "run_child", lambda command: commands.append(command) or 3)
    assert course.main(["bench", "--here", "--lang", "zh", "few_shot_run", "cost_by_classes"]) == 3
    assert commands == [[sys.executable, "-m", "benchmarks.run", "--lang", "zh", "few_shot_run", "cost_by_classes"]]


def test_without_names_all_are_measured_and_kept_one_by_one(pretended, capsys):
    assert run.run_benchmarks([], SAY["en"]) == 0
    assert pretended[1] == [
        kept for name in ASKED for kept in (name, f"{name}.png") if kept == name or name in run.PLOTS
    ]
    said = capsys.readouterr().out
    assert all(len(re.findall(rf" {name}\b", said)) == 2 for name in ASKED) and "MISSED" not in said


def test_names_choose_what_is_measured(pretended, capsys):
    assert run.run_benchmarks(["cost_by_classes", "memory_1000_classes"], SAY["en"]) == 0
    assert pretended[1] == ["memory_1000_classes", "cost_by_classes", "cost_by_classes.png"]


def test_a_missed_bound_is_said_and_makes_the_status_one(pretended, capsys, lang):
    pretended[0]["few_shot_run"]["holds"] = False
    assert run.run_benchmarks([], SAY[lang]) == 1
    rows = [row for row in capsys.readouterr().out.splitlines() if {"en": "MISSED", "zh": "未达标"}[lang] in row]
    assert len(rows) == 1 and "few_shot_run" in rows[0]


def test_a_benchmark_that_fails_is_said_and_the_others_go_on(pretended, capsys, monkeypatch, lang):
    def measure(name):
        if name == "few_shot_run":
            raise subprocess.CalledProcessError(-9, name)
        return pretended[0][name]

    monkeypatch.setattr(run, "run_in_own_process", measure)
    assert run.run_benchmarks([], SAY[lang]) == 1
    assert "-9" in capsys.readouterr().out and "few_shot_run" not in pretended[1] and "cost_by_classes" in pretended[1]


def test_columns_stand_one_below_the_other_in_both_languages(lang):
    rows = run.format_results(RECORDS, SAY[lang]).splitlines()
    assert len(rows) == 1 + len(RECORDS)
    begins = {console.count_columns(row[: row.index(f" {name}")]) for name, row in zip(ASKED, rows[1:])}
    assert len(begins) == 1


@pytest.mark.parametrize(
    ("lang", "begin"), [("en", "There is no benchmark speed:"), ("zh", "没有叫 speed 的基准测试：")]
)
def test_an_unknown_name_is_answered_with_the_known_ones(capsys, lang, begin):
    assert run.main(["--lang", lang, "speed"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(begin) and all(name in said for name in ASKED) and "Traceback" not in said


def test_one_measurement_prints_its_record_and_nothing_else(monkeypatch, capsys, small, tmp_path):
    measure = lambda: measured_small("context_text_step", small, tmp_path)  # noqa: E731
    monkeypatch.setitem(run.BENCHMARKS, "context_text_step", measure)
    assert run.main(["--measure", "context_text_step"]) == 0
    assert json.loads(capsys.readouterr().out)["command"] == "python course.py bench context_text_step"


def test_a_measurement_runs_in_a_python_of_its_own(monkeypatch):
    def pretend(command, **options):
        assert command == [sys.executable, "-m", "benchmarks.run", "--measure", "few_shot_run"] and options["check"]
        return subprocess.CompletedProcess(command, 0, stdout=b'a warning\n{"value": 2}\n')

    monkeypatch.setattr(subprocess, "run", pretend)
    assert run.run_in_own_process("few_shot_run") == {"value": 2}
