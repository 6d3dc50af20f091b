"""The learnable context on a CLIP of the size of ViT-B/32, as somebody meets it who sets COURSE_CLIP, and the command line with that
and a GPT-2 of full size in local folders; all weights are random.

Some minutes and gigabytes: `python course.py test --all` runs this.
"""

import ast
import json
import sys
from pathlib import Path

import nbformat
import pytest
import torch
from nbclient import NotebookClient
from PIL import Image
from torch.nn import functional as F

import soft_prompt_finetune
from benchmarks import captioner
from benchmarks.context import make_vit_b_32, measure_difference
from helpers import context as mechanism
from helpers.context import PromptedCLIP, encode_hand_prompt, encode_plain, repeat_words, train_context
from helpers.data import FewShot
from helpers.files import read_tensors
from helpers.pretrained import encode_images, encode_texts, load_clip
from helpers.training import TrainConfig

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
NAMES = ["cat", "umbrella", "small red key"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder as `save_pretrained` leaves it."""
    folder = tmp_path_factory.mktemp("vit-b-32")
    for part in make_vit_b_32():
        part.save_pretrained(folder)
    return folder


@pytest.fixture
def full_size(folder, monkeypatch):
    monkeypatch.setenv("COURSE_CLIP", str(folder))
    return load_clip()


def functions(module):
    """(line, name) of every function in a module's source."""
    tree = ast.parse(Path(module.__file__).read_text("utf-8"))
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return {(min([node.lineno, *(d.lineno for d in node.decorator_list)]), node.name) for node in nodes}


def test_every_function_of_context_py_runs_at_full_size(full_size, tmp_path, monkeypatch):
    clip, processor = full_size
    assert clip.config.text_config.hidden_size == 512 and clip.config.vision_config.patch_size == 32
    ran, file = set(), mechanism.__file__

    def note(frame, event, argument):
        if event == "call" and frame.f_code.co_filename == file:
            ran.add((frame.f_code.co_firstlineno, frame.f_code.co_name))

    sys.setprofile(note)
    try:
        for position in ("end", "middle", "front"):
            for own in (False, True):
                prompted = PromptedCLIP(clip, processor, NAMES, position=position, class_specific=own)
                texts = [mechanism.fill_prompt("a photo of a".split(), name, position) for name in NAMES]
                ids = processor.tokenizer(texts, padding="max_length", return_tensors="pt")["input_ids"]
                hard = clip.get_text_features(input_ids=ids)
                plain = encode_plain(clip, prompted.embeddings, prompted.ids)
                assert torch.equal(plain, getattr(hard, "pooler_output", hard)), "the hard prompt, to the bit"
                assert measure_difference(prompted.text_features(), F.normalize(plain, dim=-1)) < 1e-5
        monkeypatch.setattr("helpers.fast_text.KEPT_FOR_BACKWARD", 1)  # one class after the other
        assert measure_difference(prompted.text_features(), F.normalize(plain, dim=-1)) < 1e-5
        monkeypatch.undo()

        pictures = [Image.effect_noise((300, 200), 80).convert("RGB") for _ in range(6)]
        shown = encode_images(clip, processor, pictures), torch.arange(6) % 3
        prompted = PromptedCLIP(clip, processor, NAMES, 6, repeat_words("a photo of a", 6)).train()
        assert encode_hand_prompt(prompted).shape == (3, 512) == encode_texts(clip, processor, NAMES).shape
        *_, last = train_context(
            prompted, FewShot(shown, shown, shown), TrainConfig(steps=2, eval_every=1), regularisation=1.0
        )
        assert last.step == 2 and 0 <= prompted.accuracy(*shown) <= 1
        assert torch.equal(prompted.with_context(prompted.context.detach()).class_features(), prompted.class_features())
        prompted.save(tmp_path / "context.safetensors")
        again = PromptedCLIP.load(tmp_path / "context.safetensors", clip, processor)
        assert again.predict(pictures[0]) == pytest.approx(prompted.predict(pictures[0]), abs=1e-5)
        with pytest.raises(ValueError, match="width 512.*width 128"):
            PromptedCLIP.load(tmp_path / "context.safetensors", *load_clip("pocket"))
    finally:
        sys.setprofile(None)
    assert functions(mechanism) - ran == set()


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_lesson_02_says_that_its_accuracies_are_another_models_and_runs(full_size, lang):
    notebook = nbformat.read(ROOT / "notebooks" / lang / "02_learnable_context.ipynb", as_version=4)
    client = NotebookClient(notebook, timeout=900, resources={"metadata": {"path": ROOT / "notebooks" / lang}})
    client.execute()
    cells = {cell.id: cell for cell in notebook.cells if cell.cell_type == "code"}
    errors = {id for id, cell in cells.items() if any(output.output_type == "error" for output in cell.outputs)}
    assert errors == {"other-model-code"}
    told = "\n".join(output.get("text", "") for cell in cells.values() for output in cell.outputs)
    assert {"en": "need not hold for this model", "zh": "对这个模型不一定成立"}[lang] in told
    assert "✓" in told and "✗" not in told, "what is shown to be equal is equal here as well"


def test_the_command_line_runs_with_models_of_full_size_from_local_folders(folder, tmp_path, capsys):
    whole = captioner.make_full_size_captioner()
    for part in (whole.language_model, whole.tokenizer):
        part.save_pretrained(tmp_path / "gpt2-small")
    entries = []
    for number in range(6):
        Image.effect_noise((300, 200), 80).save(tmp_path / f"{number}.jpg")
        entries.append({"image_path": f"{number}.jpg", "text": f"a photo of {number + 1} noises."})
    (tmp_path / "mine.json").write_text(json.dumps(entries))
    models = ["--vision_model_name", str(folder), "--language_model_name", str(tmp_path / "gpt2-small")]
    run = ["--data", str(tmp_path / "mine.json"), "--output", str(tmp_path / "run")]
    assert soft_prompt_finetune.main([*models, *run]) == 0
    told = capsys.readouterr().out
    assert "Preset seed:" in told and "to learn from: 5; to validate on: 1" in told
    assert "598,272 numbers, in 9 steps of up to 2" in told
    tensors, notes = read_tensors(tmp_path / "run" / "captioner.safetensors")
    assert tensors["soft_prompt.prompt_embeddings"].shape == (10, 768)
    assert tensors["vision_projection.weight"].shape == (768, 768)
    assert json.loads(notes["models"])["language"]["model"] == "gpt2-small"
    assert soft_prompt_finetune.main(["--generate", str(tmp_path / "0.jpg"), "--output", str(tmp_path / "run")]) == 0
    assert str(tmp_path / "0.jpg") in capsys.readouterr().out
