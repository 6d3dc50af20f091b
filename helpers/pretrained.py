"""The one door to the frozen models (pocket, a local folder, the hub) and their features.

Rests on transformers' own `CLIPModel` and causal language models; nothing here knows how the
models were trained.
CLIP: Radford et al. 2021, arXiv 2103.00020. GPT-2: Radford et al. 2019.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn
from unicodedata import category, normalize

import huggingface_hub
import torch
import transformers
from PIL import Image
from torch import Tensor
from transformers import CLIPModel, CLIPProcessor, PretrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from helpers.files import find_cache_folder
from helpers.language import LearnerError, is_blank, say, tell, warn

POCKET_CLIP = Path(__file__).resolve().parents[1] / "data" / "pocket-clip"
POCKET_GPT2 = POCKET_CLIP.with_name("pocket-gpt2")

# names of settings that change nothing in what trained weights compute, or that their shapes tell
NO_BEHAVIOUR = re.compile(
    "token_id|drop|cache|version|dtype|init|summary|return|output|_name|architectures|label|problem"
    "|head_dim|projection_dim|(hidden|intermediate|vocab|image|patch|chunk)_size|num_channels"
    "|num_hidden_layers|n_layer|n_embd|n_inner|n_positions|max_position|encoder_decoder|model_type"
)

# without torchvision, which the course does not need, version 5 must be asked for the Pillow image
# processor by its name
CLIPImageProcessor = (
    getattr(transformers, "CLIPImageProcessorPil", None) or transformers.CLIPImageProcessor
)


def load_clip(name: str | Path | None = None) -> tuple[CLIPModel, CLIPProcessor]:
    """Load a frozen CLIP in eval mode, and the processor that prepares its pictures and texts.

    name: "pocket", a folder, or a hub name such as "openai/clip-vit-base-patch32"; by default what
    the environment variable COURSE_CLIP says, else "pocket". Raises OSError, in one sentence, when
    there is nothing to load, or something else, or less than a whole model.
    """
    source = _find_source(name, "COURSE_CLIP", POCKET_CLIP)
    model = _load_model(CLIPModel, source, ("clip",))
    needs = ("preprocessor_config.json", "processor_config.json")
    images = _fetch(CLIPImageProcessor.from_pretrained, source, needs)
    pixels = images(Image.new("RGB", (9, 9)), return_tensors="pt")["pixel_values"]  # (1, 3, H, W)
    side, made = model.config.vision_config.image_size, tuple(pixels.shape[2:])
    if made != (side, side):
        _refuse(source, tell("other_picture_size", made=made, side=side))
    tokenizer = _load_tokenizer(source)
    text = model.config.text_config
    # with OpenAI's 2 the library pools at the largest id, else at the first that is eos_token_id
    end = max(tokenizer.get_vocab().values()) if text.eos_token_id == 2 else text.eos_token_id
    if tokenizer.eos_token_id != end or len(tokenizer) > text.vocab_size:
        _refuse(
            source,
            tell(
                "tokenizer_of_another_clip",
                tokens=len(tokenizer),
                tokenizer=tokenizer,
                text=text,
                end=end,
            ),
        )
    return model, CLIPProcessor(image_processor=images, tokenizer=tokenizer)


def load_language_model(name: str | Path | None = None) -> tuple[PreTrainedModel, Any]:
    """Load a frozen causal language model, such as GPT-2, in eval mode, and its tokenizer.

    name: "pocket", "smollm2" once `python course.py models smollm2` has fetched it, a folder, or a
    hub name such as "gpt2"; by default what the environment variable COURSE_LANGUAGE_MODEL says,
    else "pocket". Raises OSError, in one sentence, when there is nothing to load, or something
    else, or less than a whole model.
    """
    source = _find_source(name, "COURSE_LANGUAGE_MODEL", POCKET_GPT2)
    kinds = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    return _load_model(transformers.AutoModelForCausalLM, source, kinds), load_tokenizer(name)


def find_smollm2() -> Path:
    """Find where `python course.py models smollm2` puts the model: a whole one, or nothing."""
    return find_cache_folder() / "models" / "smollm2"


def load_tokenizer(name: str | Path | None = None) -> Any:
    """Load the tokenizer of `load_language_model(name)` alone, which is much smaller."""
    tokenizer = _load_tokenizer(_find_source(name, "COURSE_LANGUAGE_MODEL", POCKET_GPT2))
    if tokenizer.eos_token is None:  # of a Chinese GPT-2 with BERT's tokenizer, for one
        tokenizer.eos_token = tokenizer.sep_token
    return tokenizer


def find_trained_rows(model: PreTrainedModel) -> Tensor:
    """Find which rows of the embedding table training ever used: (V,) booleans, on the CPU.

    The pocket models record it in trained_rows.json; of any other model all rows count as trained.
    """
    vocabulary = getattr(model.config, "text_config", model.config).vocab_size
    record = Path(model.name_or_path) / "trained_rows.json"
    if not record.exists():
        return torch.ones(vocabulary, dtype=torch.bool)
    rows = torch.zeros(vocabulary, dtype=torch.bool)
    rows[json.loads(record.read_text(encoding="utf-8"))["trained"]] = True
    return rows


def fingerprint(model: PreTrainedModel) -> str:
    """Make sixteen letters that tell models apart by their weights, whatever the library's version.

    The names of the weights, which change between versions, are left out; their order counts.
    """
    digest = hashlib.sha256()
    for tensor in model.parameters():
        digest.update(f"{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy())
    return digest.hexdigest()[:16]


def describe_config(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Describe what a model does with its weights, such as by which activation function.

    config: as its `to_dict` gives it. What concerns training or the library is left out.
    """
    found = {}
    for name, value in config.items():
        if isinstance(value, dict):
            # version 5 moved rope_theta and its like into a dictionary of this name
            inner = prefix if name in ("rope_parameters", "rope_scaling") else f"{prefix}{name}."
            found |= describe_config(value, inner)
        else:
            found[f"{prefix}{name}"] = str(value).removesuffix(".0")
    return {name: value for name, value in found.items() if not NO_BEHAVIOUR.search(name)}


def identify_model(model: PreTrainedModel) -> dict[str, str]:
    """Say what tells a model from others: name, fingerprint, width of its embeddings, config."""
    folder = Path(model.name_or_path)
    width = getattr(model.config, "text_config", model.config).hidden_size
    name = folder.name if folder.is_dir() else model.name_or_path
    return {
        "model": name or "unnamed",
        "fingerprint": fingerprint(model),
        "width": str(width),
        "config": json.dumps(describe_config(model.config.to_dict()), sort_keys=True),
    }


def encode_images(
    clip: CLIPModel, processor: CLIPProcessor, images: Sequence[Image.Image], batch_size: int = 256
) -> Tensor:
    """Turn pictures into unit vectors in the space that CLIP shares with texts.

    Args:
        clip: the model.
        processor: what prepares its pictures.
        images: B pictures.
        batch_size: how many go through the tower at once.

    Returns:
        (B, D).

    Taken apart in lesson 01, section 8.
    """
    batches = []
    for start in range(0, len(images), batch_size):
        pixels = prepare_pixels(clip, processor, images[start : start + batch_size])
        batches.append(_take_pooled(clip.get_image_features(pixel_values=pixels)))
    return torch.nn.functional.normalize(torch.cat(batches), dim=-1)


def encode_texts(clip: CLIPModel, processor: CLIPProcessor, texts: Sequence[str]) -> Tensor:
    """Turn texts into unit vectors in the space that CLIP shares with pictures: (C, D)."""
    tokens = processor.tokenizer(list(texts), padding=True, return_tensors="pt")
    need, room = tokens["input_ids"].shape[1], clip.config.text_config.max_position_embeddings
    if need > room:
        raise LearnerError(key="text_too_long", text=max(texts, key=len), need=need, room=room)
    with torch.no_grad():
        features = _take_pooled(clip.get_text_features(**tokens.to(clip.device)))
    return torch.nn.functional.normalize(features, dim=-1)


def read_class_names(names: Sequence[str], tokenizer: Any = None) -> tuple[str, ...]:
    """Make of class names what stands in prompts: "_" is a blank, as in CoOp.

    Raises LearnerError, naming them, where names are blank or cannot be told apart by the
    tokenizer; without one, where they differ in capitals alone, which CLIP does not see.
    """
    if not all(isinstance(name, str) for name in names):
        raise LearnerError(key="no_list_of_names", class_names=names)
    # without the letters of no width that copying brings along
    shown = ["".join(c for c in normalize("NFC", name) if category(c) != "Cf") for name in names]
    written = [" ".join(name.replace("_", " ").split()) for name in shown]
    rows: list[Any] = [name.casefold() for name in written]
    if tokenizer is not None:
        rows = [tokenizer(name, add_special_tokens=False)["input_ids"] for name in written]
        check_tokens(tokenizer, written, rows)
    alike: dict[Any, list[str]] = {}
    for name, text, row in zip(names, written, rows):
        alike.setdefault(() if is_blank(text) else tuple(row), []).append(f"“{name}”")
    if wrong := alike.get(()) or next((each for each in alike.values() if len(each) > 1), None):
        raise LearnerError(key="same_class_names", names=say(en=", ", zh="、").join(wrong))
    return tuple(written)


def check_tokens(tokenizer: Any, texts: Sequence[str], ids: Sequence[Sequence[int]]) -> None:
    """Raise LearnerError if a text holds a special token, such as the end of text.

    Warns, by one word, where letters become bytes or unknown.
    ids: of each text, without the special tokens that the tokenizer itself adds.
    """
    added, unknown = tokenizer.added_tokens_decoder, tokenizer.unk_token_id
    special = {number for number, token in added.items() if token.special}
    # of GPT-2 the two are one, and nothing is unknown
    special -= {unknown} - {tokenizer.eos_token_id}
    for text, row in zip(texts, ids):
        if found := special & {*row}:
            sign = added[found.pop()]
            raise LearnerError(key="special_token_in_text", text=text, sign=sign)
    pieces = {number for number in {*chain(*ids)} if "\ufffd" in tokenizer.decode([number])}
    pieces.add(unknown)
    texts = [text for text, row in zip(texts, ids) if not pieces.isdisjoint(row)]
    for word in re.findall(r"[^\W\d_]+", " ".join(texts)):
        row = tokenizer(word, add_special_tokens=False)["input_ids"]
        # less than half may be a rare character in a sentence of a language that is known
        if 2 * (broken := sum(number in pieces for number in row)) >= len(row):
            warn(tell("bytes_for_letters", word=word, count=len(row), broken=broken))
            return


def classify_zero_shot(
    clip: CLIPModel, processor: CLIPProcessor, image: Image.Image, texts: Sequence[str]
) -> Tensor:
    """Say how well each text fits a picture, as probabilities over the texts.

    Args:
        clip: the model.
        processor: what prepares its pictures and texts.
        image: the picture.
        texts: C of them.

    Returns:
        (C,).

    Taken apart in lesson 01, section 9.
    """
    texts = read_class_names(texts, processor.tokenizer)
    picture = encode_images(clip, processor, [image])  # (1, D)
    cosines = picture @ encode_texts(clip, processor, texts).T  # (1, C)
    return (clip.logit_scale.exp() * cosines).softmax(-1)[0]


def prepare_pixels(
    model: torch.nn.Module, processor: CLIPProcessor, images: Sequence[Image.Image]
) -> Tensor:
    """Prepare pictures as a CLIP, or its vision tower, takes them in: (B, 3, H, W).

    On the model's device and in its dtype.
    """
    rgb = [image.convert("RGB") for image in images]
    pixels = processor.image_processor(rgb, return_tensors="pt")["pixel_values"]
    # in version 4 a vision tower says neither device nor dtype itself
    return pixels.to(next(model.parameters()))


def _take_pooled(output: Any) -> Tensor:
    """Feature calls return a tensor in transformers 4 and an output object in 5."""
    return getattr(output, "pooler_output", output).detach()


def _find_source(name: str | Path | None, variable: str, pocket: Path) -> str:
    name = str(name or os.environ.get(variable) or "pocket")
    if name == "smollm2":
        if not find_smollm2().exists():
            raise OSError(tell("smollm2_not_fetched"))
        return str(find_smollm2())
    if name.startswith("~"):
        name = str(Path(name).expanduser())
    return str(pocket) if name == "pocket" else name


def _load_model(kind: Any, source: str, types: Container[str]) -> Any:
    """Load a frozen model, all of whose weights are in its files.

    Args:
        kind: the library's class.
        source: a folder, or a name on the hub.
        types: the values of `model_type` in config.json that are meant.
    """
    config, _ = _fetch(PretrainedConfig.get_config_dict, source, ("config.json",))
    found = config.get("model_type") if isinstance(config, dict) else None
    # a kernel from the hub is code, too
    kernel = re.search(r'attn_implementation": *"[^"]*/', json.dumps(config))
    if kernel or str(found) not in types and "auto_map" in config:
        _refuse(source, tell("own_code"))
    if str(found) not in types:
        wanted = "clip" if "clip" in types else say(en="a causal language model", zh="因果语言模型")
        _refuse(source, tell("other_kind_of_model", found=found, wanted=wanted))
    model, keys = _fetch(
        kind.from_pretrained, source, ("config.json",), dtype=torch.float32,
        output_loading_info=True, ignore_mismatched_sizes=True,
    )  # fmt: skip
    # with their shapes in version 5
    wrong = (key if isinstance(key, str) else key[0] for key in keys["mismatched_keys"])
    lacking = sorted({*keys["missing_keys"], *wrong})
    if lacking:
        _refuse(source, tell("weights_missing", count=len(lacking), found=found, lacking=lacking))
    if more := _find_without_place(keys["unexpected_keys"], model):
        _refuse(source, tell("more_weights", more=more))
    if not all(weight.isfinite().all() for weight in model.parameters()):
        _refuse(source, tell("weights_not_finite"))
    return model.requires_grad_(False).eval()


def _find_without_place(weights: Iterable[str], model: torch.nn.Module) -> list[str]:
    """Find which weights that a model does not have are of a part that it has, or of more layers.

    Not so other heads beside the one that is used, and masks and positions, once kept as weights.
    """
    modules = dict(model.named_modules())
    parts = {re.sub(r"\d+", "#", name) for name in modules} - {""}
    no_layers = tuple(f"{name}." for name, part in modules.items() if _has_no_layers(part))
    return [
        weight
        for weight in sorted(weights)
        if not re.search(r"(attn|attention)\.(masked_)?bias$|position_ids$|inv_freq$", weight)
        and any(
            name.startswith(no_layers) or re.sub(r"\d+", "#", name.rpartition(".")[0]) in parts
            for name in (weight, f"{model.base_model_prefix}.{weight}")
        )
    ]


def _has_no_layers(part: torch.nn.Module) -> bool:
    return isinstance(part, torch.nn.ModuleList) and len(part) == 0


def _load_tokenizer(source: str) -> Any:
    load, needs = transformers.AutoTokenizer.from_pretrained, ["tokenizer_config.json"]
    # older folders have the two files alone, where the library's defaults hold
    if not (Path(source) / "tokenizer.json").exists() and (Path(source) / "merges.txt").exists():
        needs.append("vocab.json")
    tokenizer = _fetch(load, source, needs)
    # version 5 makes an empty one where there are no files
    if set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens):
        _refuse(source, tell("no_vocabulary"))
    return tokenizer


def _refuse(source: str, reason: str, error: Exception | None = None) -> NoReturn:
    raise OSError(tell("model_refused", source=source, reason=reason)) from error


def _fetch(load: Callable[..., Any], source: str, needs: Sequence[str], **options: Any) -> Any:
    """Let the library load something from a folder or the hub; errors say in a sentence why not.

    Args:
        load: the library's function.
        source: a folder, or a name on the hub.
        needs: names of files, one of which a folder must have: the library goes on without.
        options: of the function.
    """
    folder = Path(source)
    # a folder, and no name on the hub
    meant = folder.is_absolute() or source.startswith((".", "~"))
    if (meant or folder.is_dir()) and not any((folder / name).exists() for name in needs):
        message = tell("no_model_in_folder", source=source, needs=needs)
        raise OSError(message)
    if pointers := _find_pointers(folder):
        _refuse(source, tell("git_lfs_pointer", pointers=pointers))
    offline = folder.is_dir() or not hub_answers()
    try:
        return load(source, local_files_only=offline, trust_remote_code=False, **options)
    except Exception as error:
        if folder.is_dir():
            _refuse(source, _find_reason(error), error)
        hub = huggingface_hub.constants.ENDPOINT
        message = tell("model_not_fetched", source=source, hub=hub)
        raise OSError(message) from error


def _find_pointers(folder: Path) -> str:
    """The first file of a folder that git-lfs has not fetched yet."""
    files = sorted(folder.glob("*")) if folder.is_dir() else []
    small = (file for file in files if file.is_file() and file.stat().st_size < 1024)
    return next((file.name for file in small if b"\noid sha256:" in file.read_bytes()), "")


def _find_reason(error: Exception) -> str:
    """Why the library loaded nothing, without the risks that it advises."""
    told = " ".join(str(error).split())
    if "trust_remote_code" in told:
        return tell("own_code")
    if "weights_only" in told:
        return tell("pickled_code")
    # a message of one word says nothing without its kind
    return (told if " " in told else f"{type(error).__name__} {told}").rstrip(".")[:300]


@cache
def hub_answers() -> bool:
    """Find out whether the hub, or the mirror in HF_ENDPOINT, answers within seconds.

    The library itself would go on asking for a minute. Without the hub, models that were fetched
    before are still there.
    """
    try:
        urllib.request.urlopen(huggingface_hub.constants.ENDPOINT, timeout=5).close()
    # that is an answer, too
    except urllib.error.HTTPError:
        return True
    # where only the certificate is wrong it answers; the library has certificates of its own
    except urllib.error.URLError as error:
        return isinstance(error.reason, ssl.SSLError)
    except (OSError, ValueError):
        return False
    return True
