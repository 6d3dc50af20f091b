"""The door to the frozen models, and what holds of the pocket models in every supported version of transformers."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from helpers.pretrained import (
    POCKET_CLIP,
    POCKET_GPT2,
    classify_zero_shot,
    encode_images,
    encode_texts,
    find_trained_rows,
    load_clip,
    load_language_model,
)
from pocket.corpus import list_vocabulary
from pocket.world import OBJECTS, Scene, Thing, draw

REFERENCE = Path(__file__).with_name("reference_outputs.json")
SCENE = Scene((Thing("cat", "red", "large"),), "beach", "photo")
TEXTS = ["a photo of a cat.", "a sketch of a small key at night.", "an unknown wörd, 7!"]


@pytest.fixture(scope="module")
def gpt2():
    return load_language_model("pocket")


def outputs(clip, gpt2) -> dict[str, list]:
    """What the reference file holds: ids and a few numbers of each tower, made by `python tests/test_pretrained.py`."""
    model, processor = clip
    language, tokenizer = gpt2
    tokens = tokenizer("describe what you see: cat large red beach photo", return_tensors="pt")
    ids = language.generate(**tokens, max_new_tokens=16, do_sample=False, pad_token_id=tokenizer.eos_token_id)
    with torch.no_grad():
        logits = language(**tokens).logits
    # a flat colour: the same pixels whatever the version of Pillow
    picture = torch.nn.functional.pad(torch.full((3, 32, 32), 200, dtype=torch.uint8), (16, 16, 16, 16), value=40)
    from PIL import Image

    image = Image.fromarray(picture.permute(1, 2, 0).numpy())
    return {
        "clip ids": processor.tokenizer(TEXTS)["input_ids"],
        "text features": encode_texts(model, processor, TEXTS)[:, :8].tolist(),
        "image features": encode_images(model, processor, [image])[:, :8].tolist(),
        "gpt2 ids": tokenizer(TEXTS)["input_ids"],
        "logits": logits[0, -1, 300:308].tolist(),
        "generated": ids[0].tolist(),
    }


def test_outputs_equal_the_reference_in_this_version_of_transformers(clip, gpt2):
    expected = json.loads(REFERENCE.read_text(encoding="utf-8"))
    actual = outputs(clip, gpt2)
    for name in ("clip ids", "gpt2 ids", "generated"):
        assert actual[name] == expected[name], name
    for name in ("text features", "image features", "logits"):
        torch.testing.assert_close(torch.tensor(actual[name]), torch.tensor(expected[name]), rtol=1e-4, atol=1e-4)


def test_a_loaded_model_is_frozen_and_in_eval_mode(clip, gpt2):
    for model in (clip[0], gpt2[0]):
        assert not model.training
        assert not any(p.requires_grad for p in model.parameters())


def test_the_pocket_clip_recognises_a_scene(clip):
    scores = classify_zero_shot(*clip, draw(SCENE, seed=1), [f"a photo of a {name}." for name in OBJECTS])
    assert OBJECTS[scores.argmax()] == "cat"
    assert abs(scores.sum().item() - 1) < 1e-5


def test_every_word_of_the_world_is_one_token(clip, gpt2):
    for tokenizer in (clip[1].tokenizer, gpt2[1]):
        assert all(len(tokenizer(word, add_special_tokens=False)["input_ids"]) == 1 for word in list_vocabulary())


def test_tokenizers_know_their_lengths_and_end_marks(clip, gpt2):
    tokenizer = clip[1].tokenizer
    ids = tokenizer("a cat")["input_ids"]
    assert (ids[0], ids[-1]) == (tokenizer.bos_token_id, tokenizer.eos_token_id)
    assert tokenizer.model_max_length == clip[0].config.text_config.max_position_embeddings == 77
    assert tokenizer.eos_token_id == len(tokenizer) - 1 == clip[0].config.text_config.eos_token_id
    assert gpt2[1].model_max_length == gpt2[0].config.n_positions
    assert gpt2[1].decode(gpt2[1]("a small cat.")["input_ids"]).strip() == "a small cat."


def test_rows_that_training_never_saw_are_recorded(clip, gpt2):
    for model, tokenizer, word in ((clip[0], clip[1].tokenizer, "cat</w>"), (gpt2[0], gpt2[1], "Ġcat")):
        rows = find_trained_rows(model)
        assert len(rows) == len(tokenizer)
        assert rows[tokenizer.convert_tokens_to_ids(word)]
        assert 100 < rows.sum() < len(rows)
    assert not find_trained_rows(clip[0])[clip[1].tokenizer.convert_tokens_to_ids("sepia</w>")]


def test_the_models_are_small_fp32_and_hold_the_files_of_both_majors():
    total = 0
    for folder in (POCKET_CLIP, POCKET_GPT2):
        names = {path.name for path in folder.iterdir()}
        assert {
            "config.json",
            "model.safetensors",
            "tokenizer.json",
            "vocab.json",
            "merges.txt",
            "tokenizer_config.json",
        } <= names
        assert {
            tensor.dtype for tensor in load_file(folder / "model.safetensors").values() if tensor.is_floating_point()
        } == {torch.float32}
        total += sum(path.stat().st_size for path in folder.iterdir())
    assert total <= 20e6


def test_the_environment_variable_sets_the_default(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_CLIP", str(tmp_path))
    with pytest.raises(OSError, match="no whole model in the folder"):
        load_clip()
    assert load_clip("pocket")[0].config.projection_dim == 128


def test_a_hub_name_without_network_says_what_to_do():
    for load, name in ((load_clip, "openai/clip-vit-base-patch32"), (load_language_model, "gpt2")):
        with pytest.raises(OSError, match="HF_ENDPOINT.*local folder.*'pocket'"):
            load(name)


if __name__ == "__main__":
    REFERENCE.write_text(
        json.dumps(outputs(load_clip("pocket"), load_language_model("pocket")), indent=1) + "\n", encoding="utf-8"
    )
