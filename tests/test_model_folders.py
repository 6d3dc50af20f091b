"""Folders that hold less than a model, more than one, or something else: refused in a sentence, or loaded as they are."""

import json
import pickle
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM, LlamaModel

from helpers.language import say, set_language
from helpers.pretrained import POCKET_CLIP, POCKET_GPT2, identify_model, load_clip, load_language_model

DOORS = {"clip": (load_clip, POCKET_CLIP), "gpt2": (load_language_model, POCKET_GPT2)}
WEIGHTS = "model.safetensors"
POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 8123456\n"
TEXTS = ["a photo of a cat.", "an unknown wörd, 7!"]


@pytest.fixture(params=["en", "zh"])
def lang(request):
    set_language(request.param)
    yield request.param
    set_language("en")


def copy(source, folder):
    """A copy of all but the weights, which are a link: unlink it before another file takes its place."""
    shutil.copytree(source, folder, ignore=lambda _, names: {name for name in names if name == WEIGHTS})
    (folder / WEIGHTS).symlink_to(source / WEIGHTS)
    return folder


def change(file, new):
    """Write another file in the place of this one, or of a link."""
    file.unlink()
    file.write_bytes(new) if isinstance(new, bytes) else file.write_text(new, "utf-8")


def change_config(folder, name="config.json", **values):
    change(folder / name, json.dumps(json.loads((folder / name).read_text("utf-8")) | values))


def refusal(door, folder) -> str:
    """The sentence by which a folder is refused: short, in the learner's language, without the library's risky advice."""
    with pytest.raises(OSError) as caught:
        DOORS[door][0](folder)
    told = str(caught.value)
    assert len(told.splitlines()) <= 3 and len(told) < 700, told
    assert bool(re.search("[\u4e00-\u9fff]", told)) == (say(en="en", zh="zh") == "zh")
    assert not re.search("trust_remote_code|weights_only", told)
    return told


def describe(door, loaded):
    """All by which one could notice that something else was loaded."""
    model, tokenizer = loaded
    settings = None
    if door == "clip":
        settings, tokenizer = tokenizer.image_processor.to_dict(), tokenizer.tokenizer
    return identify_model(model) | {"model": ""}, settings, tokenizer(TEXTS)["input_ids"], tokenizer.eos_token_id


@pytest.mark.parametrize(
    ("door", "file"), [(door, file.name) for door, (_, source) in DOORS.items() for file in sorted(source.iterdir())]
)
def test_a_file_that_is_missing_cut_off_or_a_pointer_changes_nothing_in_silence(door, file, tmp_path):
    whole = describe(door, DOORS[door][0]("pocket"))
    for how in ("missing", "cut off", "pointer"):
        folder = copy(DOORS[door][1], tmp_path / how)
        content = (folder / file).read_bytes()
        (folder / file).unlink()
        if how == "cut off":
            (folder / file).write_bytes(content[: len(content) // 2])
        if how == "pointer":
            (folder / file).write_text(POINTER)
            assert f"{file} is a Git LFS pointer" in refusal(door, folder)
            continue
        try:
            assert describe(door, DOORS[door][0](folder)) == whole
        except OSError:
            refusal(door, folder)


def kinds_of_weights(source):
    """One weight of each kind, whatever the number of its layer."""
    return list({re.sub(r"\d+", "#", name): name for name in load_file(source / WEIGHTS)}.values())


@pytest.mark.parametrize(
    ("door", "weight"), [(door, name) for door, (_, source) in DOORS.items() for name in kinds_of_weights(source)]
)
def test_a_weight_that_is_missing_of_another_shape_or_of_another_name_is_named(door, weight, tmp_path):
    source = DOORS[door][1]
    folder, whole = copy(source, tmp_path / "model"), load_file(source / WEIGHTS)
    # of a table that is tied to the head the library names the head
    named = {"transformer.wte.weight": "(wte|lm_head).weight"}.get(weight, weight.removeprefix("transformer."))
    wide = torch.stack([whole[weight], whole[weight]])
    for changed in ({weight: None}, {weight: None, f"bert.{weight}": whole[weight]}, {weight: wide}):
        kept = {name: tensor for name, tensor in {**whole, **changed}.items() if tensor is not None}
        (folder / WEIGHTS).unlink()
        save_file(kept, folder / WEIGHTS, {"format": "pt"})
        told = refusal(door, folder)
        assert re.search(named, told) and re.search("[12] weights", told)


@pytest.mark.parametrize(
    ("door", "part", "layers"),
    [
        ("clip", "text_config", "num_hidden_layers"),
        ("clip", "vision_config", "num_hidden_layers"),
        ("gpt2", "", "n_layer"),
    ],
)
def test_more_layers_than_the_files_have_or_fewer_are_refused(door, part, layers, tmp_path, lang):
    source = DOORS[door][1]
    config = json.loads((source / "config.json").read_text("utf-8"))
    inner = config[part] if part else config
    for step, told in ((1, say(en="missing", zh="缺失")), (-1, say(en="has no place", zh="没有位置"))):
        folder = copy(source, tmp_path / str(step))
        values = {layers: inner[layers] + step}
        change_config(folder, **({part: inner | values} if part else values))
        assert told in refusal(door, folder)
    folder = copy(source, tmp_path / "none")
    change_config(folder, **({part: inner | {layers: 0}} if part else {layers: 0}))
    assert say(en="has no place", zh="没有位置") in refusal(door, folder)


@pytest.mark.parametrize("biases", [{"attention_bias": True}, {"mlp_bias": True}])
def test_weights_for_which_the_configuration_has_no_place_are_named(biases, tmp_path):
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    folder = copy(POCKET_GPT2, tmp_path / "model")
    for name in ("config.json", WEIGHTS):
        (folder / name).unlink()
    LlamaForCausalLM(LlamaConfig(**sizes, vocab_size=60, **biases)).save_pretrained(folder)
    load_language_model(folder)
    change_config(folder, **dict.fromkeys(biases, False))
    assert "_proj.bias, for example" in refusal("gpt2", folder)


@pytest.mark.parametrize("door", DOORS)
def test_what_old_files_held_beside_the_weights_and_other_heads_are_no_fault(door, tmp_path):
    source = DOORS[door][1]
    folder, whole = copy(source, tmp_path / "model"), load_file(source / WEIGHTS)
    old = {
        "clip": ["text_model.embeddings.position_ids", "vision_model.embeddings.position_ids", "classifier.weight"],
        "gpt2": ["transformer.h.0.attn.bias", "transformer.h.1.attn.masked_bias", "value_head.summary.weight"],
    }
    (folder / WEIGHTS).unlink()
    save_file(whole | {name: torch.ones(1, 3) for name in old[door]}, folder / WEIGHTS, {"format": "pt"})
    assert describe(door, DOORS[door][0](folder)) == describe(door, DOORS[door][0]("pocket"))


@pytest.mark.parametrize("door", DOORS)
def test_weights_that_are_no_numbers_are_told(door, tmp_path, lang):
    source = DOORS[door][1]
    folder, whole = copy(source, tmp_path / "model"), load_file(source / WEIGHTS)
    next(iter(whole.values())).view(-1)[-1] = torch.nan
    (folder / WEIGHTS).unlink()
    save_file(whole, folder / WEIGHTS, {"format": "pt"})
    assert say(en="no numbers", zh="不是数") in refusal(door, folder)


def test_a_preprocessor_of_another_clip_is_told(tmp_path, lang):
    folder = copy(POCKET_CLIP, tmp_path / "model")
    change_config(
        folder, "preprocessor_config.json", size={"shortest_edge": 224}, crop_size={"height": 224, "width": 224}
    )
    assert "224 × 224" in refusal("clip", folder) and "64 × 64" in refusal("clip", folder)


def test_a_kernel_from_the_hub_is_code_too(tmp_path, lang):
    folder = copy(POCKET_GPT2, tmp_path / "model")
    change_config(folder, attn_implementation="evil/kernel")
    assert say(en="code from its own folder", zh="自带的代码") in refusal("gpt2", folder)


def test_a_folder_may_begin_with_a_tilde(tmp_path, monkeypatch):
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    copy(POCKET_GPT2, tmp_path / "model")
    load_language_model("~/model")


@pytest.mark.parametrize(
    "kind",
    [
        "chinese_clip",
        "clip_vision_model",
        "clip_text_model",
        "bert",
        "siglip",
        "gpt2",
        "t5",
        "clip",
        "vit",
        "made-up",
        None,
        ["gpt2"],
    ],
)
@pytest.mark.parametrize("door", DOORS)
def test_a_model_of_another_kind_is_called_by_its_kind(door, kind, tmp_path, lang):
    if (door, kind) in (("clip", "clip"), ("gpt2", "gpt2"), ("gpt2", "bert")):
        return
    folder = copy(DOORS[door][1], tmp_path / "model")
    change_config(folder, model_type=kind)
    assert f"{kind!r}" in refusal(door, folder)


def test_a_base_model_without_its_head_is_refused(tmp_path):
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    folder = copy(POCKET_GPT2, tmp_path / "model")
    for name in ("config.json", WEIGHTS):
        (folder / name).unlink()
    LlamaModel(LlamaConfig(**sizes, vocab_size=60, tie_word_embeddings=False)).save_pretrained(folder)
    assert "1 weights of this llama" in refusal("gpt2", folder) and "lm_head" in refusal("gpt2", folder)


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json", "preprocessor_config.json"])
@pytest.mark.parametrize("door", DOORS)
def test_code_in_a_folder_is_never_run_and_nobody_is_asked(door, file, tmp_path, lang, monkeypatch):
    if door == "gpt2" and file.startswith("pre"):
        return
    folder = copy(DOORS[door][1], tmp_path / "model")
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    own = dict.fromkeys(("AutoConfig", "AutoModelForCausalLM", "AutoModel", "AutoImageProcessor"), "own.Own")
    change_config(
        folder,
        file,
        auto_map=own | {"AutoTokenizer": ["own.Own", "own.Own"]},
        model_type="own",
        tokenizer_class="Own",
        image_processor_type="Own",
    )
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("somebody was asked"))
    try:
        DOORS[door][0](folder)
    except OSError:
        told = refusal(door, folder)
        assert file != "config.json" or say(en="code from its own folder", zh="自带的代码") in told
    assert not (tmp_path / "ran").exists()


class Evil:
    def __reduce__(self):
        return Path.touch, (Path("ran"),)


@pytest.mark.parametrize("door", DOORS)
def test_pickled_code_in_the_weights_is_never_run_nor_recommended(door, tmp_path, lang, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = copy(DOORS[door][1], tmp_path / "model")
    (folder / WEIGHTS).unlink()
    for content in (pickle.dumps(Evil()), None):
        file = folder / "pytorch_model.bin"
        torch.save({"wte.weight": Evil()}, file) if content is None else file.write_bytes(content)
        assert say(en="pickle", zh="pickle") in refusal(door, folder)
    assert not Path("ran").exists()


def test_tokenizer_and_text_tower_of_two_clips_are_told_apart(tmp_path, lang):
    config = json.loads((POCKET_CLIP / "config.json").read_text("utf-8"))
    for number, values in enumerate(({"eos_token_id": 7}, {"eos_token_id": 2, "vocab_size": 2126})):
        folder = copy(POCKET_CLIP, tmp_path / str(number))
        change_config(folder, text_config=config["text_config"] | values)
        if "vocab_size" not in values:
            assert say(en="do not belong together", zh="不配套") in refusal("clip", folder)
            continue
        # OpenAI's own way to name the end: the largest id
        whole = load_file(folder / WEIGHTS)
        table = "text_model.embeddings.token_embedding.weight"
        (folder / WEIGHTS).unlink()
        save_file(whole | {table: torch.cat([whole[table], whole[table][:1]])}, folder / WEIGHTS, {"format": "pt"})
        load_clip(folder)


def test_nothing_that_was_loaded_before_is_lost_to_another_folder(tmp_path):
    shutil.copytree(POCKET_GPT2, tmp_path / "model")
    assert identify_model(load_language_model(tmp_path / "model")[0]) | {"model": ""} == identify_model(
        load_language_model("pocket")[0]
    ) | {"model": ""}
