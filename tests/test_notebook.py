"""Facts about helpers/notebook.py: languages, `compare`, and the errors that everyone meets."""

import math
import re
from configparser import ConfigParser
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from helpers import language, notebook
from helpers.context import PromptedCLIP
from helpers.pretrained import load_clip
from helpers.training import TrainConfig, train
from lessons.kit import torch_errors

CHINESE = re.compile("[\u4e00-\u9fff]")


def printed(capsys, *arguments, **more):
    """Whether they agree, and the line that says so."""
    notebook.compare("ours", *arguments, **more)
    line = capsys.readouterr().out.strip()
    return line.startswith("✓"), line


def test_there_is_no_third_language():
    with pytest.raises(ValueError, match="no lessons in 'fr'"):
        language.set_language("fr")


# --- compare -----------------------------------------------------------------------------------------------------


def test_equal_numbers_are_exact(capsys, lang):
    agree, line = printed(capsys, torch.ones(2, 3), np.ones((2, 3)))
    assert agree and line.startswith("✓ ours") and bool(CHINESE.search(line)) is (lang == "zh")
    assert "exact" in line or "完全相等" in line


def test_rounding_is_close_and_its_largest_difference_is_told(capsys):
    agree, line = printed(capsys, torch.tensor([1.0, 100.0]), torch.tensor([1.0, 100.0]) + torch.tensor([5e-4, 0.0]))
    assert agree and line == "✓ ours: close, the largest difference is 5.0e-04"


def test_a_difference_is_told_with_its_place(capsys, lang):
    ours = torch.zeros(2, 3)
    ours[1, 2] = 0.5
    agree, line = printed(capsys, ours, torch.zeros(2, 3))
    assert not agree and line.startswith("✗") and {"en": "5.0e-01 at [1, 2]", "zh": "5.0e-01，在 [1, 2]"}[lang] in line


def test_how_close_is_close_can_be_said(capsys):
    assert not printed(capsys, 1.0, 1.001)[0] and printed(capsys, 1.0, 1.001, tolerance=0.01)[0]


def test_other_shapes_are_different_even_if_they_broadcast(capsys, lang):
    agree, line = printed(capsys, torch.ones(1, 3), torch.ones(3))
    assert not agree and "(1, 3)" in line and "(3,)" in line


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_no_number_is_different(capsys, bad):
    assert not printed(capsys, torch.tensor([1.0, bad]), torch.ones(2))[0]


def test_words_are_compared_as_they_are(capsys):
    assert printed(capsys, ["a", "cat"], ["a", "cat"])[0]
    assert "'dog'" in printed(capsys, ["a", "dog"], ["a", "cat"])[1]


def test_a_tensor_that_learns_can_be_compared(capsys):
    assert printed(capsys, nn.Parameter(torch.ones(2)), [1, 1])[0]


def test_nbval_sees_no_difference_between_exact_and_close(capsys, lang):
    """Which of the two it is depends on the processor, and how far apart different ones are; that they differ does not."""
    rules = ConfigParser(interpolation=None)
    rules.read(Path(__file__).with_name("nbval_sanitize.cfg"), encoding="ascii")

    def clean(line):
        for section in rules.sections():
            line = re.sub(rules[section]["regex"], rules[section]["replace"], line)
        return line

    exact, close = printed(capsys, 1.0, 1.0)[1], printed(capsys, 1.0, 1.0 + 1e-7)[1]
    different, otherwise = printed(capsys, 1.0, 2.0)[1], printed(capsys, 1.0, 3.0)[1]
    assert exact != close and clean(exact) == clean(close)
    assert clean(exact) != clean(different) == clean(otherwise)
    shapes = [printed(capsys, torch.ones(n), torch.ones(5))[1] for n in (2, 3)]
    assert len({clean(line) for line in (exact, different, *shapes)}) == 4


# --- errors ------------------------------------------------------------------------------------------------------

a, b = torch.ones, np.ones
SHAPES = {
    "matrix product": (lambda: a(7, 128) @ a(192, 64), "128", "192"),
    "linear layer": (lambda: nn.Linear(128, 5)(a(3, 192)), "192", "128"),
    "sum": (lambda: a(7, 128) + a(7, 64), "128", "64"),
    "product with a vector": (lambda: a(4, 3) @ a(4), "(4, 3)", "4"),
    "batched product": (lambda: torch.bmm(a(2, 3, 4), a(2, 5, 4)), "[2, 4]", "[2, 5]"),
    "arrays": (lambda: b((3, 4)) + b((3, 5)), "(3,4)", "(3,5)"),
    "product of arrays": (lambda: b((3, 4)) @ b((3, 5)), "4", "3"),
    "einsum": (lambda: torch.einsum("ij,jk->ik", a(2, 3), a(4, 2)), "j", "4"),
    "cat": (lambda: torch.cat([a(2, 3), a(2, 4)]), "3", "4"),
    "stack": (lambda: torch.stack([a(3), a(4)]), "[3]", "[4]"),
    "view": (lambda: a(7).view(2, 3), "[2, 3]", "7"),
    "dimension": (lambda: a(7).softmax(1), "[-1, 0]", "1"),
    "layer norm": (lambda: nn.functional.layer_norm(a(2, 4), (5,)), "[5]", "[2, 4]"),
    "labels": (lambda: nn.functional.cross_entropy(a(4, 3), torch.zeros(5).long()), "4", "5"),
    "ids": (lambda: nn.Embedding(5, 2)(torch.tensor([9])), "", ""),
}
TYPES = {
    "dtypes of a layer": (lambda: nn.Linear(2, 2)(a(2, 2).double()), "double", "float"),
    "dtypes of a convolution": (lambda: nn.Conv2d(3, 2, 2)(a(1, 3, 8, 8).double()), "double", "float"),
    "vectors for ids": (lambda: nn.Embedding(5, 2)(a(3)), "FloatTensor", "int64"),
}


def error_of(action):
    with pytest.raises(Exception) as caught:
        action()
    return caught.value


@pytest.mark.parametrize("action, one, other", [*SHAPES.values(), *TYPES.values()], ids=[*SHAPES, *TYPES])
def test_a_wrong_shape_or_dtype_becomes_a_sentence_that_names_both_sides(action, one, other, lang):
    sentence = torch_errors.explain(error_of(action))
    assert sentence and one.lower() in sentence.lower() and other.lower() in sentence.lower()
    assert bool(CHINESE.search(sentence)) is (lang == "zh") and sentence[-1] in ".?)。？）"


@pytest.fixture(scope="module")
def pocket():
    return load_clip()


def on_another_model(pocket, folder):
    clip, processor = pocket
    PromptedCLIP(clip, processor, ["cat"]).save(folder / "context.safetensors")
    other = deepcopy(clip)
    other.logit_scale.data += 1
    PromptedCLIP.load(folder / "context.safetensors", other, processor)


def without_end(pocket, folder):
    """A training whose loss is no number."""
    model = nn.Linear(1, 1)
    next(
        train(
            model,
            1,
            lambda rows: model.weight.sum() * math.nan,
            lambda: (0.0, 0.0),
            TrainConfig(steps=3, learning_rate=0.5),
        )
    )


OURS = {
    "too few slots": (lambda pocket, _: PromptedCLIP(*pocket, ["cat"]).embeddings(torch.tensor([[1, 2, 3]])), "0", "4"),
    "too long": (lambda pocket, _: PromptedCLIP(*pocket, ["cat"], 90, "random"), "cat", "77"),
    "words for tokens": (lambda pocket, _: PromptedCLIP(*pocket, ["cat"], 2), "a photo of a", "2"),
    "another model": (on_another_model, "pocket-clip", "128"),
    "no number": (without_end, "nan", "0.5"),
}


@pytest.mark.parametrize("action, one, other", OURS.values(), ids=OURS)
def test_our_own_errors_speak_the_learners_language(action, one, other, pocket, tmp_path, lang):
    sentence = torch_errors.explain(error_of(lambda: action(pocket, tmp_path)))
    assert sentence and one in sentence and other in sentence and bool(CHINESE.search(sentence)) is (lang == "zh")


@pytest.mark.parametrize(
    "message",
    [
        "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!",
        "Expected all tensors to be on the same device, but got mat2 is on cpu, different from other tensors on cuda:0 "
        "(when checking argument in method wrapper_CUDA_mm)",
    ],
)
def test_two_devices_are_named(message, lang):
    """The messages of torch on a machine with a GPU; there is none here to raise them."""
    sentence = torch_errors.explain(RuntimeError(message))
    assert "cuda:0" in sentence and "cpu" in sentence and ".to(" in sentence


def test_a_missing_file_is_told_with_where_it_was_looked_for_and_a_similar_name(tmp_path, lang):
    (tmp_path / "picture.png").touch()
    similar = torch_errors.explain(error_of(lambda: open(tmp_path / "pictur.png")))
    assert str(tmp_path) in similar and "“picture.png”" in similar
    assert "picture.png" not in torch_errors.explain(error_of(lambda: open(tmp_path / "xyz.json")))
    assert str(tmp_path / "no") in torch_errors.explain(error_of(lambda: open(tmp_path / "no" / "x.json")))


def test_other_errors_are_left_as_they_are():
    assert torch_errors.explain(KeyError("cat")) is torch_errors.explain(ValueError("too few shots")) is None


def run_in_notebook(*cells):
    """The outputs of cells that a fresh kernel runs, errors included."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(
        notebook, allow_errors=True, resources={"metadata": {"path": str(Path(__file__).parents[1])}}
    ).execute()
    return [cell.outputs for cell in notebook.cells]


def test_in_a_notebook_the_sentence_stands_above_the_folded_technical_text():
    _, shapes, other, after = run_in_notebook(
        "from lessons.kit.setup_cell import start; start('zh'); import torch",
        "torch.ones(2, 3) @ torch.ones(2, 3)",
        "{}['cat']",
        "print('still here')",
    )
    shown, error = shapes
    assert "两个矩阵相乘" in shown["data"]["text/plain"] and "Traceback" not in shown["data"]["text/plain"]
    assert "<details>" in shown["data"]["text/html"] and "Traceback" in shown["data"]["text/html"]
    assert error.output_type == "error" and len(error.traceback) == 1
    assert [output.output_type for output in other] == ["error"] and len("".join(other[0].traceback)) > 100
    assert after[0]["text"] == "still here\n"
