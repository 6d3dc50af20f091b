"""The shortest bridge from CLIP to GPT-2, used only to prove that the pocket models can be prompted before their weights are kept.

Ten free vectors and one linear map of picture patches stand before GPT-2 (after Tsimpoukelli et al. 2021, arXiv 2106.13884).
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

INSTRUCTION = "describe what you see: write a caption for the picture:"


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
