"""From a GGUF file to the folder that `load_language_model` reads. Rests on transformers and gguf.

The library reads the weights. Tokenizer and config are written so that each of its versions that
the course supports reads the same from them: 4.57 makes of this file a tokenizer with another end
of text, knows no class by the name that 5 writes down, and looks for RoPE's base elsewhere.
"""

import io
import json
import sys
from contextlib import redirect_stderr
from pathlib import Path

import torch
import transformers
from safetensors import SafetensorError
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from helpers.pretrained import fingerprint, load_language_model
from tools.console import Problem

CONTROL = 3  # the kind of a token that stands in no text, in GGUF

transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()


def convert(file: Path, reader: Path, folder: Path, expected: str) -> None:
    """Write the model and its tokenizer.

    Args:
        file: the model as GGUF; its numbers become float32.
        reader: the wheel of gguf, which Python reads as it is.
        folder: where to; it is made.
        expected: the model's fingerprint. Raises Problem if it is another.
    """
    sys.path.insert(0, str(reader))
    with redirect_stderr(io.StringIO()):  # for a bar that 4.57 shows nevertheless
        model = AutoModelForCausalLM.from_pretrained(
            file.parent, gguf_file=file.name, dtype=torch.float32
        )
    if (found := fingerprint(model)) != expected:
        version = transformers.__version__
        raise Problem(
            f"transformers {version} made another model of the file (fingerprint {found} instead "
            f"of {expected}): install the version in constraints/tested.txt and start again.",
            f"transformers {version} 转换出的不是应有的模型（指纹应为 {expected}，实为 {found}）："
            "请安装 constraints/tested.txt 里的版本，再运行一次。",
        )
    folder.mkdir()
    notes = read_notes(file)
    write_weights(model, folder / "model.safetensors")
    config = model.config.to_diff_dict() | {"architectures": [type(model).__name__]}
    config["rope_theta"] = notes["llama.rope.freq_base"]
    here = ("quantization_config", "_name_or_path", "_model_name_or_path")
    kept = {name: value for name, value in config.items() if name not in here}
    write_json(folder / "config.json", kept)
    model.generation_config.save_pretrained(folder)
    make_tokenizer(notes).save_pretrained(folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    write_json(folder / "tokenizer_config.json", settings)


def read_notes(file: Path) -> dict:
    """What a GGUF file says besides its weights, by name."""
    from gguf import GGUFReader  # found in its wheel, by now

    return {name: field.contents() for name, field in GGUFReader(file).fields.items()}


def make_tokenizer(notes: dict) -> PreTrainedTokenizerFast:
    """Byte-level BPE as GPT-2's, but each digit is a token of its own ("smollm" in GGUF)."""
    names = ["tokens", "token_type", "merges"]
    tokens, kinds, merges = (notes[f"tokenizer.ggml.{name}"] for name in names)
    rows = {token: row for row, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(rows, [tuple(merge.split(" ")) for merge in merges]))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([token for token, kind in zip(tokens, kinds) if kind == CONTROL])
    ends = {"bos": "bos", "eos": "eos", "pad": "padding", "unk": "unknown"}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=notes["llama.context_length"],
        clean_up_tokenization_spaces=False,
        chat_template=notes["tokenizer.chat_template"],
        **{
            f"{ours}_token": tokens[notes[f"tokenizer.ggml.{its}_token_id"]]
            for ours, its in ends.items()
        },
    )


def write_weights(model: PreTrainedModel, file: Path) -> None:
    """Each weight once: of tied ones the first."""
    try:
        save_file(dict(model.named_parameters()), file, metadata={"format": "pt"})
    except SafetensorError as error:  # in which the system's error is words
        raise Problem(
            f"{file} could not be written ({error}): make room and start again.",
            f"{file} 无法写入（{error}）：请腾出空间，再运行一次。",
        ) from error
    file.chmod(0o644)  # as the files beside it; the library lets nobody else read it


def write_json(file: Path, entries: dict) -> None:
    file.write_text(json.dumps(entries, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def continue_text(text: str, count: int = 8) -> str:
    """The text and what the model in the cache writes after it on the same line, greedily."""
    model, tokenizer = load_language_model("smollm2")
    given = tokenizer(text, return_tensors="pt")
    written = model.generate(**given, max_new_tokens=count, do_sample=False)[0]
    return tokenizer.decode(written).splitlines()[0]
