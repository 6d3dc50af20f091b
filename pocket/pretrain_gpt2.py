"""Pocket GPT-2: it uses what stands before a text, as half of its lessons are notes to answer.

Next-token cross-entropy (Radford et al. 2019), scored on answers and free texts, not on the
notes themselves. A note may be a *blend* of words: its input vector is the weighted mean of
their rows. So the space between the rows comes to mean something, which is where soft prompts
and projected pictures will live.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import GPT2Config, GPT2LMHeadModel, GPT2TokenizerFast

from pocket.corpus import (
    INSTRUCTIONS,
    Note,
    list_vocabulary,
    write_answer,
    write_free_text,
    write_grid_notes,
    write_question,
    write_word_notes,
)
from pocket.language import pick, write_caption, write_full_caption
from pocket.phases import Phase, train_phases, write_report, write_trained_rows
from pocket.tokenizers import write_gpt2_tokenizer
from pocket.world import make_random_scene

POSITIONS, WIDTH, LAYERS, HEADS = 128, 192, 4, 6
BATCH, STEPS, RATE = 64, 2200, 2e-3
BLEND = 3  # words in a note at most
# noise on the notes of a grid at most, as a multiple of the spread of the embedding table
NOISE = 2.5
TASKS = {
    "describe": 0.48,
    "count": 0.1,
    "colour": 0.1,
    "place": 0.06,
    "style": 0.06,
    "size": 0.06,
    "story": 0.1,
    "is there": 0.04,
}


@dataclass
class Sample:
    """One line of the corpus: an instruction, notes (may be empty), and the text that is scored."""

    instruction: str
    notes: list[Note]
    text: str
    on_grid: bool = False


def draw_sample(rng: np.random.Generator, words: list[str]) -> Sample:
    """A line of the corpus: a free text, a caption alone, or a task answered from notes."""
    kind = rng.random()
    if kind < 0.16:
        return Sample("", [], write_free_text(rng))
    scene = make_random_scene(rng)
    if kind < 0.26:
        return Sample(
            "",
            [],
            write_full_caption(scene) if rng.random() < 0.5 else write_caption(scene, rng).text,
        )
    on_grid = rng.random() < 0.55
    seed = int(rng.integers(2**31))
    notes = write_grid_notes(scene, rng, seed) if on_grid else write_word_notes(scene, rng, words)
    task = str(rng.choice(list(TASKS), p=list(TASKS.values())))
    if task == "is there":
        question, text = write_question(scene, rng)
        return Sample(question, notes, text, on_grid)
    instruction = pick(rng, INSTRUCTIONS[task])
    if task == "describe" and rng.random() < 0.25:
        instruction = ""
    return Sample(instruction, notes, write_answer(task, scene, rng), on_grid)


@dataclass
class Batch:
    """ids and shares, (B, T, 3): the words that each position blends.

    scored: (B, T), true where the next token counts.
    """

    ids: Tensor
    shares: Tensor
    next_ids: Tensor
    scored: Tensor
    noisy: Tensor


def collate(samples: list[Sample], tokenizer: GPT2TokenizerFast) -> Batch:
    """Lay samples side by side, padded on the right; position t is scored against token t + 1."""
    vocab, end = find_word_ids(tokenizer), tokenizer.eos_token_id
    befores = tokenizer([s.instruction for s in samples])["input_ids"]
    texts = tokenizer([s.text for s in samples])["input_ids"]
    # a text that follows nothing starts after an end of text
    befores = [
        before if before or s.notes else [end] for before, s in zip(befores, samples, strict=True)
    ]
    lengths = [
        len(b) + len(s.notes) + len(t) + 1 for b, s, t in zip(befores, samples, texts, strict=True)
    ]
    shape = (len(samples), min(max(lengths), POSITIONS))
    ids, shares = np.full((*shape, BLEND), end), np.zeros((*shape, BLEND), dtype=np.float32)
    scored, noisy = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    for row, (before, s, text) in enumerate(zip(befores, samples, texts, strict=True)):
        first, start = len(before), len(before) + len(s.notes)  # of the notes, of the text
        for column, note in enumerate(s.notes, start=first):
            ids[row, column, : len(note)] = [vocab[word] for word, _ in note]
            shares[row, column, : len(note)] = [share for _, share in note]
        text = [*text, end][: shape[1] - start]
        ids[row, :first, 0], ids[row, start : start + len(text), 0] = before, text
        shares[row, :first, 0] = shares[row, start : start + len(text), 0] = 1
        scored[row, start - 1 : start + len(text) - 1] = True
        noisy[row, first:start] = s.on_grid
    whole = [torch.from_numpy(array) for array in (ids, shares, scored, noisy)]
    return Batch(
        whole[0][:, :-1], whole[1][:, :-1], whole[0][:, 1:, 0], whole[2][:, :-1], whole[3][:, :-1]
    )


@cache
def find_word_ids(tokenizer: GPT2TokenizerFast) -> dict[str, int]:
    """Find the row of each whole word."""
    return {token[1:]: row for token, row in tokenizer.get_vocab().items() if token.startswith("Ġ")}


def blend(table: Tensor, batch: Batch, generator: torch.Generator) -> Tensor:
    """Blend the input vectors (B, T, D), with noise on grid notes, each line its own amount.

    Along one word's direction the noise is NOISE / sqrt(D) of that word at most: what a linear map
    makes of a patch is no surer.
    """
    vectors = (F.embedding(batch.ids, table) * batch.shares[..., None]).sum(2)
    amount = torch.rand(len(vectors), 1, 1, generator=generator) * NOISE
    noise = (torch.randn(vectors.shape, generator=generator) * amount).to(
        table.device
    ) * table.detach().std()
    return vectors + noise * batch.noisy[..., None]


def pretrain_pocket_gpt2(folder: Path, seed: int, scale: float, state_file: Path) -> None:
    """Train, and write model, tokenizer and report.

    Args:
        folder: where they are written.
        seed: of everything random.
        scale: multiplies the number of steps.
        state_file: lets a run that was broken off go on.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    folder.mkdir(parents=True, exist_ok=True)
    write_gpt2_tokenizer(folder, POSITIONS)
    tokenizer = GPT2TokenizerFast.from_pretrained(folder)
    torch.manual_seed(seed)
    end = tokenizer.eos_token_id
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=POSITIONS,
        n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS,
        bos_token_id=end, eos_token_id=end, pad_token_id=end,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
        # GPT-2's own function in one piece: a fifth faster to train through
        activation_function="gelu_pytorch_tanh",
    )  # fmt: skip
    model = GPT2LMHeadModel._from_config(config, attn_implementation="eager").to(device)
    module = nn.ModuleDict({"gpt2": model})
    module.register_buffer("seen", torch.zeros(len(tokenizer), dtype=torch.bool, device=device))
    words = list_vocabulary()
    autocast = torch.autocast(device.type, torch.bfloat16)

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        rng = np.random.default_rng([seed, step])
        batch = collate([draw_sample(rng, words) for _ in range(BATCH)], tokenizer)
        for name, value in vars(batch).items():
            setattr(batch, name, value.to(device))
        module.seen[batch.ids[batch.shares > 0]] = True
        with autocast:
            vectors = blend(
                model.transformer.wte.weight, batch, torch.Generator().manual_seed(step)
            )
            hidden = model.transformer(inputs_embeds=vectors).last_hidden_state
            logits = model.lm_head(hidden[batch.scored])  # only where the next token counts
        targets = batch.next_ids[batch.scored]
        value = F.cross_entropy(logits.float(), targets)
        return value, {
            "loss": value.item(),
            "right": (logits.argmax(-1) == targets).float().mean().item(),
        }

    groups = [{"params": list(model.parameters()), "lr": RATE}]
    phases = [Phase("texts", round(STEPS * scale), groups, loss)]
    tell = partial(print, flush=True)
    history, seconds = train_phases(phases, module, state_file, log=tell)
    model.float().save_pretrained(folder)
    write_trained_rows(folder, module.seen)
    settings = {"batch": BATCH, "steps": STEPS, "rate": RATE, "seed": seed, "scale": scale}
    write_report(folder, settings, seconds, history)
