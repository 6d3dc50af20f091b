"""docs/methods: how many numbers learn in each method, at two pairs of sizes, and whether the code is as the page says.

What learns in a method is built here from the models' configurations, without memory for the numbers (torch's device "meta"), and counted.
"""

import re
from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    Blip2QFormerConfig,
    Blip2QFormerModel,
    CLIPConfig,
    CLIPModel,
    LlamaConfig,
    PretrainedConfig,
)

from helpers.captioner import SoftPrompt, VLMWithSoftPrompt
from helpers.captioner_training import batch_captions
from helpers.context import CLIPTextLearnableEmbeddings, PromptedCLIP
from helpers.fast_text import encode_fast
from helpers.language_model import embed_ids
from helpers.pretrained import load_language_model
from tools.console import ROOT
from tools.source import LANGUAGES

# as the page says; where each comes from stands there too
CONTEXT, PROMPT, RANK, HIDDEN, QUERIES = 4, 10, 4, 512, 32
MAPLE_VECTORS, MAPLE_LAYERS, MAPPER_LAYERS = 2, 9, 8
SMOLLM2 = LlamaConfig(
    hidden_size=576,
    num_hidden_layers=30,
    num_attention_heads=9,
    num_key_value_heads=3,
    head_dim=64,
    intermediate_size=1536,
    vocab_size=49152,
    tie_word_embeddings=True,
)


class Sizes(NamedTuple):
    """A pair of models: CLIP and the language model."""

    clip: CLIPConfig
    language: PretrainedConfig

    @property
    def text(self):
        return self.clip.text_config.hidden_size

    @property
    def vision(self):
        return self.clip.vision_config.hidden_size

    @property
    def width(self):
        return self.language.hidden_size

    @property
    def layers(self):
        return self.language.num_hidden_layers

    @property
    def keys(self):
        """How many numbers the key of a place has in a layer, and its value as well: fewer with grouped queries."""
        heads = self.language.num_attention_heads
        return self.width * getattr(self.language, "num_key_value_heads", heads) // heads


# CLIPConfig begins as ViT-B/32, but for the projection's width of its parts
PAIRS = (
    Sizes(*(AutoConfig.from_pretrained(ROOT / "data" / name) for name in ("pocket-clip", "pocket-gpt2"))),
    Sizes(CLIPConfig(), SMOLLM2),
)


def vectors(*shape):
    return nn.ParameterList([torch.empty(shape)])


def chain(*widths):
    """Linear layers, with biases."""
    return nn.ModuleList(nn.Linear(*pair) for pair in zip(widths, widths[1:], strict=False))


def make_language_model(sizes):
    return AutoModelForCausalLM.from_config(sizes.language)


def make_maple(sizes):
    depth = min(MAPLE_LAYERS, sizes.clip.text_config.num_hidden_layers)
    return nn.ModuleList(
        nn.ModuleList([vectors(MAPLE_VECTORS, sizes.text), chain(sizes.text, sizes.vision)]) for _ in range(depth)
    )


def make_prompt_encoder(sizes):
    lstm = nn.LSTM(sizes.width, sizes.width // 2, num_layers=2, bidirectional=True)
    return nn.ModuleList([vectors(PROMPT, sizes.width), lstm, chain(sizes.width, sizes.width, sizes.width)])


def make_keys_and_values(sizes):
    return vectors(sizes.layers, 2, PROMPT, sizes.keys)


def make_prefix_encoder(sizes):
    made = chain(sizes.width, HIDDEN, sizes.layers * 2 * sizes.keys)
    return nn.ModuleList([vectors(PROMPT, sizes.width), made])


def make_lora(sizes):
    """Beside the matrices of query and value in every layer two narrow ones, in and out."""
    return nn.ModuleList(
        vectors(RANK, sizes.width + out) for _ in range(sizes.layers) for out in (sizes.width, sizes.keys)
    )


def make_mapper_layer(width):
    """Queries, keys and values without bias; an MLP of twice the width."""
    attention = [nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)]
    return nn.ModuleList([nn.LayerNorm(width), *attention, nn.LayerNorm(width), chain(width, 2 * width, width)])


def make_mapper(sizes):
    begin = nn.Linear(sizes.clip.projection_dim, PROMPT * sizes.width)
    layers = [make_mapper_layer(sizes.width) for _ in range(MAPPER_LAYERS)]
    return nn.ModuleList([begin, vectors(PROMPT, sizes.width), *layers])


def make_mlp(sizes):
    out = PROMPT * sizes.width
    return chain(sizes.clip.projection_dim, out // 2, out)


def make_qformer(sizes):
    """As wide and deep as the vision tower, which for ViT-B/32 is BERT-base's size, as published."""
    tower = sizes.clip.vision_config
    config = Blip2QFormerConfig(
        hidden_size=tower.hidden_size,
        num_hidden_layers=tower.num_hidden_layers,
        num_attention_heads=tower.num_attention_heads,
        intermediate_size=tower.intermediate_size,
        encoder_hidden_size=sizes.vision,
    )
    queries, out = vectors(QUERIES, tower.hidden_size), chain(tower.hidden_size, sizes.width)
    return nn.ModuleList([nn.LayerNorm(sizes.vision), queries, Blip2QFormerModel(config), out])


def make_projection(sizes):
    return chain(sizes.vision, sizes.width)


def make_context(sizes):
    return vectors(CONTEXT, sizes.text)


def make_meta_net(sizes):
    return chain(sizes.clip.projection_dim, sizes.clip.projection_dim // 16, sizes.text)


def make_prompt(sizes):
    return vectors(PROMPT, sizes.width)


# By what the row of the table begins with: all that learns, and what of it is left when training is over if that is less
ROWS = {
    "CoOp": ([make_context],),
    "CoCoOp": ([make_context, make_meta_net],),
    "MaPLe": ([make_maple],),
    "Prompt tuning": ([make_prompt],),
    "P-Tuning": ([make_prompt_encoder], [make_prompt]),
    "Prefix tuning": ([make_prefix_encoder], [make_keys_and_values]),
    "P-Tuning v2": ([make_keys_and_values],),
    "LoRA": ([make_lora],),
    "`VLMWithSoftPrompt`": ([make_prompt, make_projection],),
    "ClipCap (1)": ([make_mapper],),
    "ClipCap (2)": ([make_mlp, make_language_model],),
    "Q-Former": ([make_qformer],),
    "LLaVA (1)": ([make_projection],),
    "LLaVA (2)": ([make_projection, make_language_model],),
    "CLIP": ([lambda sizes: CLIPModel(sizes.clip)],),
    "GPT-2, SmolLM2": ([make_language_model],),
}


def count(parts, sizes):
    with torch.device("meta"):
        return sum(number.numel() for make in parts for number in make(sizes).parameters())


def read_page(lang):
    return (ROOT / "docs" / f"methods.{lang}.md").read_text("utf-8")


def read_rows(lang):
    """{what a row of the table of numbers begins with: the numbers in its last two cells}."""
    rows = [
        line.strip("| ").split(" | ") for line in read_page(lang).splitlines() if re.match(r"\|.*\d,\d{3}.*\|$", line)
    ]
    return {
        re.sub(r"\*\*|\[|\]\(.*?\)|（.*", "", first): [list_numbers(cell) for cell in cells[-2:]]
        for first, *cells in rows
    }


def list_numbers(text):
    return [int(number.replace(",", "")) for number in re.findall(r"\d{1,3}(?:,\d{3})+|\b\d{3,}\b", text)]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_page_has_the_numbers_that_learn_in_each_method(lang):
    expected = {name: [[count(parts, pair) for parts in both] for pair in PAIRS] for name, both in ROWS.items()}
    assert read_rows(lang) == expected


def test_the_real_models_have_the_sizes_that_the_page_counts_with():
    clip = PAIRS[1].clip
    assert (clip.projection_dim, clip.vision_config.patch_size) == (512, 32)
    assert (PAIRS[1].text, PAIRS[1].vision, clip.text_config.vocab_size) == (512, 768, 49408)
    assert (clip.text_config.num_hidden_layers, clip.vision_config.num_hidden_layers) == (12, 12)
    assert PAIRS[1].keys * 3 == PAIRS[1].width and PAIRS[0].keys == PAIRS[0].width


@pytest.mark.parametrize("lang", LANGUAGES)
def test_what_the_page_names_of_our_code_is_there(lang):
    code = "".join(path.read_text("utf-8") for path in (ROOT / "helpers").glob("*.py"))
    names = {name for name in re.findall(r"`([^`\n]+)`", read_page(lang)) if name.isidentifier()}
    assert len(names) > 15
    assert [name for name in sorted(names) if not re.search(rf"\b{name}\b", code)] == []


# --- whether the code would change as the page says -----------------------------------------------


@pytest.fixture(scope="module")
def model(clip):
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    return VLMWithSoftPrompt(clip, load_language_model("pocket"), PROMPT, generator=generator)


@pytest.fixture(scope="module")
def batch(model):
    """Features, ids and labels of two pictures."""
    features = torch.randn(2, 64, model.vision_projection.in_features, generator=torch.Generator().manual_seed(1))
    return features, *batch_captions(model.tokenizer, ["a red cat.", "a photo of a small boat in the forest."])


def test_a_soft_prompt_is_a_prefix_whose_keys_and_values_the_model_computes(model, batch):
    """So prefix tuning needs nothing but the cache: what stands behind it reads the same."""
    features, ids, _ = batch
    language_model = model.language_model
    with torch.no_grad():
        expected = model(features, ids)
        cache = language_model(inputs_embeds=model.soft_prompt(len(ids)), use_cache=True).past_key_values
        behind = torch.cat([model.vision_projection(features), embed_ids(language_model, ids)], dim=1)
        logits = language_model(inputs_embeds=behind, past_key_values=cache).logits
    torch.testing.assert_close(logits, expected[:, PROMPT:], atol=1e-4, rtol=0)


def test_a_soft_prompt_that_goes_through_a_network_needs_another_forward_and_no_more(model, batch, monkeypatch):
    class PTuning(SoftPrompt):
        def __init__(self, own):
            super().__init__(own.prompt_length, own.hidden_size)
            self.mlp = nn.Linear(own.hidden_size, own.hidden_size)

        def forward(self, batch_size=None):
            return self.mlp(self.prompt_embeddings).expand(batch_size, -1, -1)

    features, ids, labels = batch
    monkeypatch.setitem(model._modules, "soft_prompt", PTuning(model.soft_prompt))
    model(features, ids, labels=labels).backward()
    assert all(part.grad is not None for part in model.soft_prompt.parameters())


def test_without_a_soft_prompt_the_picture_alone_stands_before_the_words(model, batch):
    features, ids, labels = batch
    with torch.no_grad(), model.swap_prompt(torch.empty(0, model.soft_prompt.hidden_size)):
        assert model.prefix(features).shape[1] == features.shape[1]
        assert model(features, ids, labels=labels).isfinite() and model.generate(features, max_new_tokens=2)


def test_contexts_that_depend_on_the_picture_are_as_many_rows_as_pictures_times_classes(clip):
    """CoCoOp's; `overwrite` and `encode_fast` take them as they are."""
    prompted = PromptedCLIP(*clip, ["cat", "dog", "small boat"])
    contexts = torch.stack([prompted.context.detach() + shift for shift in (0.0, 0.1)])  # (B, M, D)
    (pictures, *_), classes = contexts.shape, len(prompted.class_names)
    trained, own, end = clip[0].text_model.embeddings, prompted.embeddings, prompted.end.repeat(pictures)
    each = CLIPTextLearnableEmbeddings(
        trained, contexts.repeat_interleave(classes, 0), own.placeholder, clip[1].tokenizer.eos_token_id
    )
    with torch.no_grad():
        rows = encode_fast(clip[0], each, prompted.ids.repeat(pictures, 1), end, shared=1)  # (B C, D)
        for context, features in zip(contexts, F.normalize(rows, dim=-1).split(classes), strict=True):
            torch.testing.assert_close(features, prompted.with_context(context).text_features(), atol=1e-5, rtol=0)
