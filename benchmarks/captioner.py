"""How much faster the captioner's training and generation are than what they replace, with nothing changed by it.

The way that the seed of this project takes is the one it is measured by: the vision tower at every step, captions
padded to 128, and logits at every position. PEFT: https://github.com/huggingface/peft. Random weights, in the sizes of
ViT-B/32 and GPT-2 small.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPConfig, GPT2Config, GPT2LMHeadModel

from benchmarks.context import SEED, make_random_clip, measure_difference
from benchmarks.machine import measure_gflops, time_ways
from benchmarks.records import Measured
from helpers.captioner import IGNORED, VisionFeatures, VLMWithSoftPrompt
from helpers.captioner_training import batch_captions
from helpers.pretrained import load_language_model

REPEATS, BATCH, LONGEST = 3, 16, 128
CAPTIONS = ("a photo of a small red cat on the beach.", "a neon sign of a large ball in the desert.")  # about 12 tokens


def make_random_captioner(
    vision: CLIPConfig, language: GPT2Config, vision_features: VisionFeatures = "patches"
) -> VLMWithSoftPrompt:
    """A captioner of these sizes, all of it random (no time depends on it), that reads by the pocket tokenizer."""
    tokenizer = load_language_model("pocket")[1]
    language.bos_token_id = language.eos_token_id = tokenizer.eos_token_id
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        gpt2 = GPT2LMHeadModel(language).eval()
    generator = torch.Generator().manual_seed(SEED)
    return VLMWithSoftPrompt(make_random_clip(vision), (gpt2, tokenizer), 10, vision_features, generator=generator)


def make_full_size_captioner(vision_features: VisionFeatures = "patches") -> VLMWithSoftPrompt:
    """In the sizes of ViT-B/32 and of GPT-2 small, which are the library's defaults."""
    return make_random_captioner(CLIPConfig(), GPT2Config(), vision_features)


def list_captioner_sizes(model: VLMWithSoftPrompt, batch: int, tokens: int) -> dict[str, Any]:
    """What decides how much there is to compute."""
    language, vision = model.language_model.config, model.vision_model.config
    return {
        "batch": batch,
        "prompt_length": len(model.soft_prompt.prompt_embeddings),
        "vision_features": model.vision_features,
        "caption_tokens": tokens,
        "width": language.hidden_size,
        "layers": language.num_hidden_layers,
        "vocabulary": language.vocab_size,
        "vision_width": vision.hidden_size,
        "vision_layers": vision.num_hidden_layers,
        "weights": "random",
        "attention": language._attn_implementation,
    }


def list_learned_parameters(model: VLMWithSoftPrompt) -> list[torch.nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def compute_gradient(model: VLMWithSoftPrompt, loss: Callable[[], Tensor]) -> tuple[Tensor, Tensor]:
    """The loss, and the gradients of prompt and projection in one row."""
    value = loss()
    gradients = torch.autograd.grad(value, list_learned_parameters(model))
    return value.detach()[None], torch.cat([gradient.flatten() for gradient in gradients])


def compare_ways(
    model: VLMWithSoftPrompt,
    what: str,
    ways: dict[str, Callable[[], object]],
    tokens: int,
    bound: float,
    batch: int,
    repeats: int,
    **more: Any,
) -> Measured:
    """How many times as fast the second of two ways is, which were both run before and are warm."""
    gflops = measure_gflops()
    seconds = time_ways(ways, repeats)
    slow, fast = (timing.median for timing in seconds.values())
    return Measured(
        what=what,
        sizes=list_captioner_sizes(model, batch, tokens),
        seconds=seconds,
        value=slow / fast,
        unit="×",
        ratio=(" ÷ ".join(ways), slow / fast),
        gflops=gflops,
        bound=bound,
        more=more,
    )


def compare_gradients(ways: dict[str, Callable[[], tuple[Tensor, Tensor]]]) -> dict[str, float]:
    """How far apart the losses and the gradients of two ways are."""
    (loss, gradient), (our_loss, our_gradient) = (way() for way in ways.values())
    return {"loss": measure_difference(our_loss, loss), "gradient": measure_difference(our_gradient, gradient)}


# --- a training step ------------------------------------------------------------------------------


def compute_seed_loss(model: VLMWithSoftPrompt, pixels: Tensor, ids: Tensor, labels: Tensor, longest: int) -> Tensor:
    """Compute the loss as the seed does, but for its mistakes: all encoded anew, padded, logits everywhere.

    (Its labels are not shifted, padding is scored, and its `model.train()` switches on GPT-2's dropout; that is mended
    here, since it would be another loss.)
    """
    room = longest - ids.shape[1]
    logits = model(pixels, F.pad(ids, (0, room)))  # (B, M + P + longest, V)
    scores = logits[:, -longest - 1 : -1]
    return F.cross_entropy(
        scores.flatten(0, 1), F.pad(labels, (0, room), value=IGNORED).flatten(), ignore_index=IGNORED
    )


def measure_captioner_step(
    model: VLMWithSoftPrompt, bound: float, batch: int = BATCH, longest: int = LONGEST, repeats: int = REPEATS
) -> Measured:
    """A step of training, forward and backward, by the seed's way and by ours from kept features."""
    side = model.vision_model.config.image_size
    pixels = torch.randn(batch, 3, side, side, generator=torch.Generator().manual_seed(SEED))
    ids, labels = batch_captions(model.tokenizer, [CAPTIONS[row % len(CAPTIONS)] for row in range(batch)])
    features = model.encode(pixels)
    ways = {
        "the seed's way": lambda: compute_gradient(
            model, lambda: compute_seed_loss(model, pixels, ids, labels, longest)
        ),
        "ours": lambda: compute_gradient(model, lambda: model(features, ids, labels=labels)),
    }
    what = (
        "forward and backward to prompt and projection, in turns; the seed's way encodes the pictures, pads captions "
        f"to {longest} and computes logits everywhere; ours takes kept features, pads to the longest, and scores "
        "captions alone"
    )
    apart = compare_gradients(ways)
    return compare_ways(model, what, ways, ids.shape[1], bound, batch, repeats, difference=apart)


# --- generation -----------------------------------------------------------------------------------


@torch.no_grad()
def generate_without_cache(model: VLMWithSoftPrompt, features: Tensor, tokens: int) -> list[list[int]]:
    """Greedy generation that computes everything anew for every token."""
    vectors, said = model.prefix(features), []
    for _ in range(tokens):
        hidden = model.language_model.base_model(inputs_embeds=vectors, use_cache=False).last_hidden_state[:, -1]
        said.append(model.language_model.get_output_embeddings()(hidden).argmax(-1))  # (B,)
        vectors = torch.cat([vectors, model.language_model.get_input_embeddings()(said[-1])[:, None]], dim=1)
    return torch.stack(said, dim=1).tolist()


@torch.no_grad()
def generate_with_cache(model: VLMWithSoftPrompt, features: Tensor, tokens: int) -> list[list[int]]:
    """The same by the library's `generate`, which keeps keys and values."""
    vectors = model.prefix(features)
    mask = torch.ones(vectors.shape[:2], dtype=torch.long)
    exactly = {"max_new_tokens": tokens, "min_new_tokens": tokens, "do_sample": False}
    ids = model.language_model.generate(
        inputs_embeds=vectors, attention_mask=mask, pad_token_id=model.tokenizer.eos_token_id, **exactly
    )
    return ids.tolist()


def measure_generation(
    model: VLMWithSoftPrompt, tokens: int, bound: float, batch: int = BATCH, repeats: int = REPEATS
) -> Measured:
    """So many tokens for each picture, with the library's cache and by a loop without."""
    end = model.tokenizer.eos_token_id
    with torch.no_grad():  # nothing ends early: of two ways of which one stops, no time can be compared
        model.language_model.get_output_embeddings().weight.data[end] = 0
    side = model.vision_model.config.image_size
    features = model.encode(torch.randn(batch, 3, side, side, generator=torch.Generator().manual_seed(SEED)))
    ways = {
        "without cache": lambda: generate_without_cache(model, features, tokens),
        "with cache": lambda: generate_with_cache(model, features, tokens),
    }
    said = [way() for way in ways.values()]
    what = (
        f"{tokens} tokens for each of {batch} pictures, greedily, in turns: everything anew for each token, "
        "and by `generate`"
    )
    return compare_ways(model, what, ways, tokens, bound, batch, repeats, same_tokens=said[0] == said[1])


# --- beside PEFT ----------------------------------------------------------------------------------


def measure_peft_step(model: VLMWithSoftPrompt, bound: float, batch: int = BATCH, repeats: int = REPEATS) -> Measured:
    """Measure a step of prompt tuning, text alone, by PEFT and by ours, from the same vectors on the same GPT-2.

    Needs the package peft.
    """
    from peft import PromptTuningConfig, TaskType, get_peft_model

    ids, labels = batch_captions(model.tokenizer, [CAPTIONS[row % len(CAPTIONS)] for row in range(batch)])
    mask = (labels != IGNORED).long()
    prompt, nothing = model.soft_prompt.prompt_embeddings, torch.zeros(batch, 0, model.vision_projection.in_features)
    config = PromptTuningConfig(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=len(prompt))
    theirs = get_peft_model(model.language_model, config).eval()
    vectors = next(parameter for parameter in theirs.parameters() if parameter.requires_grad)
    vectors.data = prompt.data.clone()

    def learn_by_peft() -> tuple[Tensor, Tensor]:
        loss = theirs(input_ids=ids, attention_mask=mask, labels=labels).loss
        return loss.detach()[None], torch.autograd.grad(loss, vectors)[0]

    def learn_by_us() -> tuple[Tensor, Tensor]:
        loss = model(nothing, ids, labels=labels)
        return loss.detach()[None], torch.autograd.grad(loss, prompt)[0]

    ways = {"PEFT": learn_by_peft, "ours": learn_by_us}
    what = (
        "forward and backward to ten soft vectors before captions, without pictures, in turns, "
        "by PEFT's prompt tuning and by ours"
    )
    apart = compare_gradients(ways)
    return compare_ways(model, what, ways, ids.shape[1], bound, batch, repeats, difference=apart)
