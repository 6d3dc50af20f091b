"""The bug museum: twelve mistakes of public code, each told anew in a few lines, beside a twin that is repaired.

Lesson 05 shows them behind glass, so they carry neither types nor docstrings, which would tell; `experiments` exposes them, and nothing else
uses what is broken here. Rests on `helpers.context`, `helpers.captioner` and the text tower by hand.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPModel, CLIPProcessor

from helpers.by_hand import find_end_of_text, run_layer, run_text_layers
from helpers.captioner import VLMWithSoftPrompt
from helpers.context import overwrite
from helpers.data import FewShot, LabelledFeatures, measure_accuracy
from helpers.pretrained import load_clip
from lessons.lesson_05_bug_museum.experiments import (
    begin_by_tokens,
    compute_library_loss,
    find_padding,
    tokenize_padded,
    tokenize_with_slots,
)

PROBE_SCALE = 20.0  # of the cosines that a linear probe takes for logits

# --- captions: loss(model, features, ids, lengths) ---------------------------------------------------------------------------------
#
# features (B, P, Dv): the pictures; ids (B, T): captions, an end of text each, then padding by the same id; lengths (B,), the end
# included. The model gives logits (B, M + P + T, V) at all positions.


def score_right(model, features, ids, lengths):
    logits = model(features, ids)  # (B, M + P + T, V)
    before = logits.shape[1] - ids.shape[1]  # M + P
    labels = ids.masked_fill(find_padding(ids, lengths), -100)  # -100: not scored
    at_words = logits[:, before - 1 : -1]  # (B, T, V)
    return F.cross_entropy(at_words.flatten(0, 1), labels.flatten())


def score_unshifted(model, features, ids, lengths):
    logits = model(features, ids)  # (B, M + P + T, V)
    before = logits.shape[1] - ids.shape[1]  # M + P
    labels = ids.masked_fill(find_padding(ids, lengths), -100)  # -100: not scored
    at_words = logits[:, before:]  # (B, T, V)
    return F.cross_entropy(at_words.flatten(0, 1), labels.flatten())


def score_padding(model, features, ids, lengths):
    logits = model(features, ids)  # (B, M + P + T, V)
    before = logits.shape[1] - ids.shape[1]  # M + P
    at_words = logits[:, before - 1 : -1]  # (B, T, V)
    return F.cross_entropy(at_words.flatten(0, 1), ids.flatten())


def score_without_end(model, features, ids, lengths):
    logits = model(features, ids)  # (B, M + P + T, V)
    before = logits.shape[1] - ids.shape[1]  # M + P
    labels = ids.masked_fill(ids == model.tokenizer.pad_token_id, -100)  # -100: not scored
    at_words = logits[:, before - 1 : -1]  # (B, T, V)
    return F.cross_entropy(at_words.flatten(0, 1), labels.flatten())


def score_in_train_mode(model, features, ids, lengths):
    model.language_model.train()  # we are training, are we not?
    return score_right(model, features, ids, lengths)


def score_in_eval_mode(model, features, ids, lengths):
    model.language_model.eval()
    return score_right(model, features, ids, lengths)


def add_dropout(model: VLMWithSoftPrompt, share: float = 0.1) -> VLMWithSoftPrompt:
    """Copy a captioner and give its language model the dropout that GPT-2 is published with; the pocket GPT-2 was trained without any."""
    copy = deepcopy(model)
    for module in copy.language_model.modules():
        if isinstance(module, nn.Dropout):
            module.p = share
    return copy


# --- who learns --------------------------------------------------------------------------------------------------------------------


class FrozenOnPaper(nn.Module):
    def __init__(self, language_model, prompt):
        super().__init__()
        self.language_model = language_model
        self.prompt = nn.Parameter(prompt)  # (M, D)

    def parameters(self, recurse=True):
        return iter([self.prompt])

    def forward(self, ids):
        return score_after_prompt(self.language_model, self.prompt, ids)


class Frozen(nn.Module):
    def __init__(self, language_model, prompt):
        super().__init__()
        self.language_model = language_model.requires_grad_(False)
        self.prompt = nn.Parameter(prompt)  # (M, D)

    def forward(self, ids):
        return score_after_prompt(self.language_model, self.prompt, ids)


def score_after_prompt(language_model: nn.Module, prompt: Tensor, ids: Tensor) -> Tensor:
    """Compute the library's loss of texts ids (B, T) that stand behind a soft prompt (M, D)."""
    return compute_library_loss(language_model, prompt.expand(len(ids), -1, -1), ids, ids)


def copy_as_loaded(language_model: nn.Module) -> nn.Module:
    """Copy a model as `from_pretrained` gives it: every weight wants a gradient. (The course's own loader freezes at once.)"""
    return deepcopy(language_model).requires_grad_(True)


# --- texts: encode(clip, processor, names, context) --------------------------------------------------------------------------------
#
# Class names and a context (M, D) to text features (C, D), as they leave CLIP.


def read_off_end(clip: CLIPModel, x: Tensor, ids: Tensor) -> Tensor:
    """Read off what stands at the end of each text, (C, T, D) to (C, D), and project it."""
    return clip.text_projection(x[torch.arange(len(ids)), find_end_of_text(clip, ids)])


def encode_right(clip, processor, names, context):
    ids, slots = tokenize_with_slots(processor, names, len(context))  # (C, T)
    tables = clip.text_model.embeddings
    words = overwrite(tables.token_embedding(ids), slots, context)  # (C, T, D)
    x = run_text_layers(clip, tables(inputs_embeds=words))
    return read_off_end(clip, x, ids)


def encode_positions_twice(clip, processor, names, context):
    ids, slots = tokenize_with_slots(processor, names, len(context))  # (C, T)
    tables = clip.text_model.embeddings
    words = overwrite(tables.token_embedding(ids), slots, context)  # (C, T, D)
    words = words + tables.position_embedding.weight[: ids.shape[1]]
    x = run_text_layers(clip, tables(inputs_embeds=words))
    return read_off_end(clip, x, ids)


def encode_inserted(clip, processor, names, context):
    ids = tokenize_padded(processor, [f"{name}." for name in names])  # (C, T)
    tables = clip.text_model.embeddings
    words = tables.token_embedding(ids)  # (C, T, D)
    ours = context.expand(len(ids), -1, -1)  # (C, M, D)
    words = torch.cat([words[:, :1], ours, words[:, 1:]], dim=1)  # (C, M + T, D)
    x = run_text_layers(clip, tables(inputs_embeds=words))
    return read_off_end(clip, x, ids)


def encode_at_start(clip, processor, names, context):
    ids, slots = tokenize_with_slots(processor, names, len(context))  # (C, T)
    tables = clip.text_model.embeddings
    words = overwrite(tables.token_embedding(ids), slots, context)  # (C, T, D)
    x = run_text_layers(clip, tables(inputs_embeds=words))
    return clip.text_projection(x[:, 0])


def encode_without_mask(clip, processor, names, context):
    ids, slots = tokenize_with_slots(processor, names, len(context))  # (C, T)
    tables = clip.text_model.embeddings
    words = overwrite(tables.token_embedding(ids), slots, context)  # (C, T, D)
    x = tables(inputs_embeds=words)
    for layer in clip.text_model.encoder.layers:
        x = run_layer(layer, x)
    x = clip.text_model.final_layer_norm(x)
    return read_off_end(clip, x, ids)


def begin_by_words(clip, processor, words):
    length = len(words.split(" "))  # M
    ids = tokenize_padded(processor, [words])[0]  # SOS, the words, EOT
    return clip.text_model.embeddings.token_embedding(ids[1 : 1 + length])  # (M, D)


def learn_context(
    encode: Callable[..., Tensor], clip: CLIPModel, processor: CLIPProcessor, names: list[str], data: FewShot,
    begin: Tensor, steps: int = 60, rate: float = 0.02,
) -> tuple[Tensor, list[float]]:  # fmt: skip
    """Learn a context (M, D) through any text encoder, right or wrong: the context, and the loss at every step."""
    context, (images, labels) = begin.clone().requires_grad_(), data.train
    optimizer, losses = torch.optim.Adam([context], rate), []
    for _ in range(steps):
        texts = F.normalize(encode(clip, processor, names, context), dim=-1)  # (C, D)
        loss = F.cross_entropy(clip.logit_scale.exp() * images @ texts.T, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return context.detach(), losses


@torch.no_grad()
def measure_accuracy_with(
    encode: Callable[..., Tensor], clip: CLIPModel, processor: CLIPProcessor, names: list[str], data: FewShot, context: Tensor
) -> float:  # fmt: skip
    """Measure the accuracy of a context (M, D) on the test pictures, when it is read by this text encoder."""
    return measure_accuracy(data.test, F.normalize(encode(clip, processor, names, context), dim=-1))


# --- reading: read(vectors, clip, processor) ---------------------------------------------------------------------------------------


def read_by_default_table(vectors, clip, processor, k=3):
    table = load_default_clip().text_model.embeddings.token_embedding.weight  # (V, D)
    nearest = torch.cdist(vectors, table).argsort(dim=1)[:, :k]  # (M, k)
    return [processor.tokenizer.convert_ids_to_tokens(row.tolist()) for row in nearest]


def read_by_own_table(vectors, clip, processor, k=3):
    table = clip.text_model.embeddings.token_embedding.weight  # (V, D)
    nearest = torch.cdist(vectors, table).argsort(dim=1)[:, :k]  # (M, k)
    return [processor.tokenizer.convert_ids_to_tokens(row.tolist()) for row in nearest]


@cache
def load_default_clip() -> CLIPModel:
    """Load the model that the script always loads: a pocket CLIP whose token table is turned by a right angle."""
    clip = load_clip("pocket")[0]
    table = clip.text_model.embeddings.token_embedding.weight
    table.data = turn_table(table.data, 90)
    return clip


def turn_table(table: Tensor, degrees: float) -> Tensor:
    """Move every row of a table (V, D) by so many degrees, all by the same rule.

    At 90 degrees it is the table in other coordinates: every distance between two words is as before, and no row is near to what it
    was. So do the tables of two models differ at the least that were trained alike from other random numbers.
    """
    square = torch.randn(2 * table.shape[1:], generator=torch.Generator().manual_seed(0))
    other = table @ torch.linalg.qr(square)[0].to(table)
    angle = torch.deg2rad(torch.tensor(float(degrees)))
    return torch.cos(angle) * table + torch.sin(angle) * other


# --- choosing: report(data) --------------------------------------------------------------------------------------------------------


def report_best_on_test(data):
    best = 0.0
    for weights in train_probe(data):  # of a linear probe, (C, D), after each epoch
        best = max(best, measure_accuracy(data.test, weights))
    return best


def report_by_validation(data):
    kept = min(train_probe(data), key=lambda weights: measure_probe_loss(data.validation, weights))
    return measure_accuracy(data.test, kept)


def train_probe(data: FewShot, epochs: int = 30, rate: float = 0.3) -> Iterator[Tensor]:
    """Train a linear probe on unit features, and yield its weights (C, D) after each epoch."""
    images, labels = data.train
    weights = torch.zeros(int(data.test[1].max()) + 1, images.shape[1], requires_grad=True)
    optimizer = torch.optim.SGD([weights], rate)
    for _ in range(epochs):
        optimizer.zero_grad()
        F.cross_entropy(PROBE_SCALE * images @ weights.T, labels).backward()
        optimizer.step()
        yield weights.detach().clone()


def measure_probe_loss(pictures: LabelledFeatures, weights: Tensor) -> float:
    """Measure the loss of a probe's weights (C, D) on pictures."""
    features, labels = pictures
    return F.cross_entropy(PROBE_SCALE * features @ weights.T, labels).item()


# --- writing: next_token(logits, top_p, temperature, generator) --------------------------------------------------------------------


def choose_likeliest(logits, top_p, temperature, generator):
    logits = logits / temperature  # (V,)
    probabilities, order = logits.softmax(-1).sort(descending=True)
    beyond = probabilities.cumsum(-1) - probabilities >= top_p  # those before already sum to top_p
    logits = logits.index_fill(0, order[beyond], float("-inf"))
    return logits.argmax()


def choose_by_chance(logits, top_p, temperature, generator):
    logits = logits / temperature  # (V,)
    probabilities, order = logits.softmax(-1).sort(descending=True)
    beyond = probabilities.cumsum(-1) - probabilities >= top_p  # those before already sum to top_p
    logits = logits.index_fill(0, order[beyond], float("-inf"))
    return torch.multinomial(logits.softmax(-1), 1, generator=generator)[0]


# --- the collection ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Exhibit:
    """A mistake and its repair: two functions (or classes) with one interface. seen_in: repositories, and files or threads."""

    name: str
    broken: Any
    repaired: Any
    shown_as: str  # the name under which both are shown, since their own would tell
    seen_in: str

    def source(self, repaired: bool = False) -> str:
        """The code as it is shown."""
        code = self.repaired if repaired else self.broken
        return inspect.getsource(code).rstrip().replace(code.__name__, self.shown_as)

    def changes(self) -> list[tuple[str, str]]:
        """The lines of both, in order, each marked "-" (only broken), "+" (only repaired) or " "."""
        old, new = self.source().split("\n"), self.source(repaired=True).split("\n")
        lines: list[tuple[str, str]] = []
        for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            if kind == "equal":
                lines += [(" ", line) for line in old[a:b]]
            else:
                lines += [("-", line) for line in old[a:b]] + [("+", line) for line in new[c:d]]
        return lines


THE_SEED = "the soft-prompt VLM script that this course grew from"
SEVERAL = "several repositories that prompt CLIP"
CLIPCAP = "rmokady/CLIP_prefix_caption"
KEMPNER = "KempnerInstitute/KempnerForge"
EXHIBITS = {  # by number, which tells nobody what is wrong
    number: Exhibit(*exhibit)
    for number, exhibit in enumerate(
        [
            ("shift", score_unshifted, score_right, "caption_loss", f"{THE_SEED}; {KEMPNER}, issue 154"),
            ("twice", encode_positions_twice, encode_right, "encode", "several home-made CLIPTextEmbeddings"),
            ("paper", FrozenOnPaper, Frozen, "PromptLearner", f"{CLIPCAP}, train.py"),
            (
                "table",
                read_by_default_table,
                read_by_own_table,
                "nearest_words",
                "KaiyangZhou/CoOp, interpret_prompt.py",
            ),
            ("test", report_best_on_test, report_by_validation, "report", "gaopengcuhk/Tip-Adapter, main.py"),
            ("argmax", choose_likeliest, choose_by_chance, "next_token", f"{CLIPCAP}, predict.py, generate2"),
            ("padding", score_padding, score_right, "caption_loss", THE_SEED),
            (
                "end",
                score_without_end,
                score_right,
                "caption_loss",
                f"{CLIPCAP}, train.py and issue 43; {KEMPNER}, issue 156",
            ),
            ("dropout", score_in_train_mode, score_in_eval_mode, "caption_loss", THE_SEED),
            ("inserted", encode_inserted, encode_right, "encode", SEVERAL),
            ("start", encode_at_start, encode_right, "encode", SEVERAL),
            ("mask", encode_without_mask, encode_right, "encode", "sgl-project/sglang, pull request 14364"),
            ("words", begin_by_words, begin_by_tokens, "begin_as_words", "KaiyangZhou/CoOp, trainers/coop.py"),
        ],
        start=1,
    )
}


def find_exhibit(name: str) -> Exhibit:
    """Find the exhibit of this name."""
    return next(one for one in EXHIBITS.values() if one.name == name)


def find_loss(code: str) -> Callable[..., Tensor]:
    """Find a loss by the name of its exhibit; "right" is the repaired one, which is also that of "paper", where it is the model that is wrong."""
    return score_right if code in ("right", "paper") else find_exhibit(code).broken
