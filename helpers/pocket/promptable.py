"""The shortest way to prompt the pocket models, used only to prove that they can be prompted before their weights are kept.

`context_steps` puts M free vectors before the class names of CLIP (CoOp, Zhou et al. 2022, arXiv 2109.01134); `learn_bridge`
puts ten free vectors and one linear map of picture patches before GPT-2 (after Tsimpoukelli et al. 2021, arXiv 2106.13884).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.pretrained import image_features

if TYPE_CHECKING:
    from helpers.pocket.datasets import Splits

CHECK_EVERY = 8  # steps from one look at the validation pictures to the next
INSTRUCTION = "describe what you see: write a caption for the picture:"


@dataclass
class FewShot:
    """Unit image features (N, D) with labels (N,), for training, validation and test."""

    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Step:
    """How far a training has come: what was measured before update number `step`, and the best context so far."""

    step: int
    steps: int
    loss: float
    validation_loss: float
    validation_accuracy: float
    context: Tensor  # (M, D), the one with the lowest validation loss until now


def encode(clip, processor, splits: Splits) -> FewShot:
    """The pictures of training, validation and test as the features that few-shot training starts from."""
    parts = (splits.train, splits.validation, splits.test)
    return FewShot(*((image_features(clip, processor, part.images), part.labels) for part in parts))


def class_features(
    clip, processor, class_names: Sequence[str], context: Tensor | None, prompt: str = "a photo of a"
) -> Tensor:
    """Unit text features (C, D) of "<prompt> <class>."; a context (M, D), where there is one, stands in the prompt's place."""
    words = (
        prompt if context is None else " ".join(["a"] * len(context))
    )  # one token for each vector, to be overwritten
    tokens = processor.tokenizer([f"{words} {name}." for name in class_names], padding=True, return_tensors="pt")[
        "input_ids"
    ]

    def overwrite(module: nn.Module, inputs: tuple, vectors: Tensor) -> Tensor:
        ours = context.expand(len(vectors), -1, -1)
        return torch.cat([vectors[:, :1], ours, vectors[:, 1 + ours.shape[1] :]], dim=1)

    hook = clip.text_model.embeddings.token_embedding.register_forward_hook(overwrite) if context is not None else None
    try:
        pooled = clip.text_model(input_ids=tokens).pooler_output
    finally:
        if hook:
            hook.remove()
    return F.normalize(clip.text_projection(pooled), dim=-1)


def accuracy(images: Tensor, labels: Tensor, texts: Tensor) -> float:
    return (images @ texts.T).argmax(1).eq(labels).float().mean().item()


@torch.no_grad()
def prompted_accuracy(
    clip, processor, class_names: Sequence[str], pictures: tuple[Tensor, Tensor], context: Tensor | None = None
) -> float:
    """The share of pictures (features and labels) that get their class: by a learned context, or by "a photo of a"."""
    return accuracy(*pictures, class_features(clip, processor, class_names, context))


def context_steps(
    clip, processor, class_names: Sequence[str], data: FewShot, seed: int, permuted: bool = False, length: int = 4,
    steps: int = 160, rate: float = 0.02,
) -> Iterator[Step]:  # fmt: skip
    """Learns a context of `length` vectors from few examples; says how far it has come each time it has looked at validation.

    The test pictures are never looked at. The last `Step` holds the context to keep.
    permuted: the labels are shuffled first, which is the null: what such a context seems to say is chance.
    """
    generator = torch.Generator().manual_seed(seed)
    table = clip.text_model.embeddings.token_embedding.weight
    context = (torch.randn(length, table.shape[1], generator=generator) * table.std()).requires_grad_()
    (images, labels), (check_images, check_labels) = data.train, data.validation
    if permuted:
        labels = labels[torch.randperm(len(labels), generator=generator)]
        check_labels = check_labels[torch.randperm(len(check_labels), generator=generator)]
    optimizer = torch.optim.Adam([context], lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    best, best_loss = context.detach().clone(), float("inf")
    scale = clip.logit_scale.exp()
    for step in range(steps):
        texts = class_features(clip, processor, class_names, context)  # (C, D)
        loss = F.cross_entropy(scale * images @ texts.T, labels)
        if step % CHECK_EVERY == 0:
            with torch.no_grad():
                check_loss = F.cross_entropy(scale * check_images @ texts.T, check_labels).item()
                right = accuracy(check_images, check_labels, texts)
            if check_loss < best_loss:
                best, best_loss = context.detach().clone(), check_loss
            yield Step(step, steps, loss.item(), check_loss, right, best)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()


def learn_context(
    clip, processor, class_names: Sequence[str], data: FewShot, seed: int, permuted: bool = False, length: int = 4,
    steps: int = 160, rate: float = 0.02,
) -> tuple[Tensor, float]:  # fmt: skip
    """The context (M, D) that `context_steps` ends with, best by validation, and its accuracy on the test pictures."""
    for step in context_steps(clip, processor, class_names, data, seed, permuted, length, steps, rate):
        best = step.context
    return best, prompted_accuracy(clip, processor, class_names, data.test, best)


def nearest_words(vectors: Tensor, table: Tensor, names: Sequence[str], rows: Tensor, k: int = 3) -> list[list[str]]:
    """For each vector the k nearest of the given rows of the table, by cosine."""
    cosines = F.normalize(vectors, dim=-1) @ F.normalize(table[rows], dim=-1).T
    return [[names[rows[i]] for i in top] for top in cosines.topk(k).indices.tolist()]


class Bridge(nn.Module):
    """Ten soft vectors and one linear map, before a frozen GPT-2.

    The vectors start as the words of an instruction. Pictures are centred and whitened first, so that a rare direction (which
    object) is learned as fast as a common one (which background); with the projection that is still one affine map.
    """

    def __init__(self, gpt2, tokenizer, patches: Tensor, words: str = INSTRUCTION, length: int = 10) -> None:
        """patches: (N, P, Dv), examples of what will be mapped; words: an instruction of at least `length` tokens."""
        super().__init__()
        self.gpt2 = gpt2.requires_grad_(False).eval()
        table = gpt2.transformer.wte.weight
        self.prompt = nn.Parameter(table[tokenizer(words)["input_ids"][:length]].clone())
        self.projection = nn.Linear(patches.shape[-1], gpt2.config.n_embd)
        nn.init.normal_(self.projection.weight, std=table.std().item() / patches.shape[-1] ** 0.5)
        flat = patches.flatten(0, 1).float()
        spread, directions = torch.linalg.eigh(torch.cov(flat.T))
        self.centre = flat.mean(0)
        self.whiten = directions * (spread + 0.01 * spread.mean()).rsqrt() @ directions.T

    def prefix(self, patches: Tensor) -> Tensor:
        """(B, P, Dv) to (B, M + P, D)."""
        pictures = self.projection((patches - self.centre) @ self.whiten)
        return torch.cat([self.prompt.expand(len(patches), -1, -1), pictures], dim=1)

    def loss(self, patches: Tensor, ids: Tensor, real: Tensor) -> Tensor:
        """Next-token loss of captions ids (B, T), which end in end-of-text; real: (B, T), false on padding."""
        before = self.prefix(patches)
        vectors = torch.cat([before, self.gpt2.transformer.wte(ids[:, :-1])], dim=1)
        hidden = self.gpt2.transformer(inputs_embeds=vectors).last_hidden_state[:, before.shape[1] - 1 :]  # (B, T, D)
        return F.cross_entropy(self.gpt2.lm_head(hidden[real]), ids[real])

    @torch.no_grad()
    def captions(self, patches: Tensor, tokenizer, longest: int = 40) -> list[str]:
        """Greedy captions."""
        before = self.prefix(patches)
        mask = torch.ones(before.shape[:2], dtype=torch.long)
        ids = self.gpt2.generate(
            inputs_embeds=before,
            attention_mask=mask,
            max_new_tokens=longest,
            do_sample=False,
            pad_token_id=tokenizer.eos_token_id,
        )
        return [text.strip() for text in tokenizer.batch_decode(ids, skip_special_tokens=True)]


def learn_bridge(
    bridge: Bridge,
    patches: Tensor,
    captions: Sequence[str],
    tokenizer,
    seconds: float,
    batch: int = 16,
    rate: float = 5e-3,
) -> int:
    """Train the bridge for so many seconds on cached patches (N, P, Dv); returns the number of steps."""
    tokens = tokenizer([caption + tokenizer.eos_token for caption in captions], padding=True, return_tensors="pt")
    ids, real = tokens["input_ids"], tokens["attention_mask"].bool()
    optimizer = torch.optim.AdamW([bridge.prompt, *bridge.projection.parameters()], lr=rate, weight_decay=0.0)
    generator, begun, step = torch.Generator().manual_seed(0), time.monotonic(), 0
    while (spent := (time.monotonic() - begun) / seconds) < 1:
        rows = torch.randint(len(ids), (batch,), generator=generator)
        length = int(real[rows].sum(1).max())
        optimizer.param_groups[0]["lr"] = rate * min(1.0, (step + 1) / 30) * max(0.02, 1 - spent)
        bridge.loss(patches[rows].float(), ids[rows, :length], real[rows, :length]).backward()
        nn.utils.clip_grad_norm_([bridge.prompt, *bridge.projection.parameters()], 1.0)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
    return step
