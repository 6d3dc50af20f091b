"""Pocket CLIP: the vision tower learns the world's labels, then both towers match captions.

The second part is CLIP's symmetric cross-entropy (Radford et al. 2021, arXiv 2103.00020) with one
correction that only a world with known truth allows: where a caption is also true of another
picture of the batch, that pair is left out of the sum.
"""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPConfig, CLIPModel, CLIPTokenizerFast

from helpers.files import find_cache_folder
from helpers.pretrained import CLIPImageProcessor
from pocket.language import write_caption
from pocket.phases import Phase, train_phases, write_report, write_trained_rows
from pocket.scenes import PAIRS, make_pair
from pocket.tokenizers import write_clip_tokenizer
from pocket.world import (
    BACKGROUNDS,
    COLOURS,
    OBJECTS,
    SHOWS_COLOUR,
    SIZES,
    STYLES,
    Scene,
    compute_drawing_version,
    draw,
    list_all_facts,
    list_facts,
    map_patches_to_objects,
)

PICTURE, PATCH = 64, 8
BATCH = 256
LABEL_STEPS, LABEL_RATE = 2000, 2e-3
FACTS = {fact: i for i, fact in enumerate(list_all_facts())}
PATCH_QUESTIONS = {
    "object": len(OBJECTS) + 1,  # the last answer: nothing stands here
    "colour": len(COLOURS),
    "size": len(SIZES),
    "background": len(BACKGROUNDS),
    "style": len(STYLES),
    "object and colour": len(OBJECTS) * len(COLOURS),
    "object and size": len(OBJECTS) * len(SIZES),
}
UNKNOWN = -100


def make_clip(tokenizer) -> CLIPModel:
    """A CLIPModel of pocket size with fresh weights."""
    tokens = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    tower = {"hidden_size": 128, "intermediate_size": 512, "num_attention_heads": 4}
    config = CLIPConfig(
        text_config={
            **tower,
            **tokens,
            "num_hidden_layers": 3,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": 77,
        },
        vision_config={**tower, "num_hidden_layers": 4, "image_size": PICTURE, "patch_size": PATCH},
        projection_dim=128,
    )
    # on CPU the backward of SDPA is slower in bf16
    return CLIPModel._from_config(config, attn_implementation="eager")


@dataclass(frozen=True)
class CaptionPhase:
    """One stretch of learning captions: how long, and what they are like.

    details: how often a property is named, one of these at random; alone: how often only one of
    several things is mentioned;
    labels: the weight of the label loss beside the captions, so that patches go on telling what
    they show; nothing: the weight in it of patches on which no thing stands; questions: how many of
    PATCH_QUESTIONS are asked; crowded: mostly scenes of several things.
    """

    name: str
    steps: int
    rate: float
    details: tuple[float, ...]
    alone: float
    labels: float
    nothing: float
    questions: int
    crowded: bool


CAPTIONS = (
    CaptionPhase("captions", 3200, 1e-3, (0.2, 0.6, 0.9), 0.45,
                 labels=0.5, nothing=1.0, questions=5, crowded=False),
    CaptionPhase("closer", 1146, 7e-4, (0.6, 0.9, 0.9), 0.8,
                 labels=1.5, nothing=0.15, questions=5, crowded=False),
    CaptionPhase("which is which", 1400, 8e-4, (0.6, 0.9, 0.9), 0.8,
                 labels=1.5, nothing=0.15, questions=7, crowded=True),
)  # fmt: skip


class LabelHeads(nn.Module):
    """What the warm-up asks: which facts are true, and what stands on each patch.

    The patches are those of the layer before the last.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.picture = nn.Linear(width, len(FACTS))
        self.patches = nn.Linear(width, sum(PATCH_QUESTIONS.values()))

    def forward(self, pooled: Tensor, patches: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Score pooled (B, D) and patches (B, P, D): (B, F), and (B, P, answers) a question."""
        return self.picture(pooled), list(
            self.patches(patches).split(list(PATCH_QUESTIONS.values()), dim=-1)
        )


# --- data: pairs of near twins, drawn once and kept outside the tree ------------------------------


def draw_pair(job: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The two pictures (2, 64, 64, 3) and what stands on their patches (2, 64)."""
    index, seed = job
    scenes = make_pair(index, seed)
    pictures = [
        np.asarray(draw(scene, _compute_drawing_seed(index, seed, side), PICTURE))
        for side, scene in enumerate(scenes)
    ]
    owners = [
        map_patches_to_objects(
            scene, _compute_drawing_seed(index, seed, side), PICTURE // PATCH
        ).ravel()
        for side, scene in enumerate(scenes)
    ]
    return np.stack(pictures), np.stack(owners).astype(np.int8)


def _compute_drawing_seed(index: int, seed: int, side: int) -> int:
    return (seed * PAIRS + index) * 2 + side


def draw_or_read_pairs(pairs: int, seed: int) -> tuple[list[Scene], np.ndarray, np.ndarray]:
    """Draw, or read from the cache, scenes, pictures (2N, 64, 64, 3) and patch owners (2N, 64)."""
    scenes = [scene for index in range(pairs) for scene in make_pair(index, seed)]
    file = find_cache_folder() / f"pairs-{pairs}-{seed}-{compute_drawing_version()}.npz"
    if not file.exists():
        print(f"drawing {2 * pairs} pictures", flush=True)
        with multiprocessing.Pool() as pool:
            drawn = pool.map(draw_pair, [(index, seed) for index in range(pairs)], chunksize=64)
        part = file.with_suffix(".part.npz")
        np.savez(
            part,
            pictures=np.concatenate([d[0] for d in drawn]),
            owners=np.concatenate([d[1] for d in drawn]),
        )
        part.replace(file)
    stored = np.load(file)
    return scenes, stored["pictures"], stored["owners"]


def make_fact_matrix(scenes: list[Scene]) -> Tensor:
    """(N, F) zeros and ones."""
    matrix = torch.zeros(len(scenes), len(FACTS), dtype=torch.uint8)
    for row, scene in enumerate(scenes):
        matrix[row, [FACTS[f] for f in list_facts(scene)]] = 1
    return matrix


def list_patch_answers(scenes: list[Scene], owners: np.ndarray) -> dict[str, Tensor]:
    """List for each of PATCH_QUESTIONS the answer on each patch, (N, P); UNKNOWN where none is."""
    columns = {
        question: np.full(owners.shape, UNKNOWN, dtype=np.int64) for question in PATCH_QUESTIONS
    }
    colours = list(COLOURS)
    for row, scene in enumerate(scenes):
        columns["object"][row] = len(OBJECTS)
        columns["background"][row] = BACKGROUNDS.index(scene.background)
        columns["style"][row] = STYLES.index(scene.style)
        for i, thing in enumerate(scene.things):
            mine = owners[row] == i
            kind = OBJECTS.index(thing.object)
            columns["object"][row, mine] = kind
            columns["size"][row, mine] = SIZES.index(thing.size)
            columns["object and size"][row, mine] = kind * len(SIZES) + SIZES.index(thing.size)
            if scene.style in SHOWS_COLOUR:
                columns["colour"][row, mine] = colours.index(thing.colour)
                columns["object and colour"][row, mine] = kind * len(colours) + colours.index(
                    thing.colour
                )
    return {question: torch.from_numpy(answers) for question, answers in columns.items()}


def augment_pixels(
    pictures: Tensor, mean: Tensor, std: Tensor, generator: torch.Generator
) -> Tensor:
    """Normalise pictures for the vision tower, each with other light, contrast and grain.

    Args:
        pictures: uint8 (B, 64, 64, 3).
        mean: of the channels, (3, 1, 1).
        std: of the channels, (3, 1, 1).
        generator: of the random changes.

    Returns:
        (B, 3, 64, 64).
    """
    x = pictures.permute(0, 3, 1, 2).float() / 255
    light, contrast = (
        (torch.rand(2, len(x), 1, 1, 1, generator=generator) - 0.5).mul(0.24).to(x.device)
    )
    grain = torch.randn(x.shape, generator=generator).to(x.device) * 0.015
    x = ((x - 0.5) * (1 + contrast) + 0.5 + light * 0.5 + grain).clamp(0, 1)
    return (x - mean) / std


# --- the two losses -------------------------------------------------------------------------------


def compute_label_loss(
    true: Tensor,
    answers: dict[str, Tensor],
    heads: LabelHeads,
    pooled: Tensor,
    patches: Tensor,
    questions: int = 5,
    nothing: float = 1.0,
) -> tuple[Tensor, float]:
    """Binary cross-entropy over the picture's facts plus cross-entropy over its patches.

    Args:
        true: which facts are true of each picture, (B, F).
        answers: of each question the right answer on each patch, (B, P).
        heads: give the logits.
        pooled: features of the pictures, (B, D).
        patches: features of the patches, (B, P, D).
        questions: how many of `PATCH_QUESTIONS` are asked.
        nothing: the weight of patches on which no thing stands.

    Returns:
        the loss, and the share of objects that were found.
    """
    picture, by_question = heads(pooled, patches)
    loss = (
        F.binary_cross_entropy_with_logits(picture.float(), true, reduction="none").sum(1).mean()
        / 8
    )
    for (question, right), logits in list(zip(answers.items(), by_question, strict=True))[
        :questions
    ]:
        weight = torch.ones(logits.shape[-1], device=logits.device)
        weight[-1] = nothing if question == "object" else 1.0
        answered = logits.flatten(0, 1).float()
        loss = loss + F.cross_entropy(answered, right.flatten(), weight, ignore_index=UNKNOWN) / 2
    objects = [FACTS["object", o] for o in OBJECTS]
    found = (picture[:, objects] > 0)[true[:, objects] > 0].float().mean()
    return loss, found.item()


def compute_contrastive_loss(
    images: Tensor, texts: Tensor, scale: Tensor, also_true: Tensor
) -> tuple[Tensor, float]:
    """CLIP's loss, leaving out pairs that are true besides the diagonal.

    Args:
        images: unit vectors (B, D).
        texts: unit vectors (B, D).
        scale: the logarithm of the factor on the cosines.
        also_true: (B, B), true for pairs that are left out.

    Returns:
        the loss, and the share of pictures whose own text is the nearest.
    """
    logits = (scale.exp() * images @ texts.T).masked_fill(also_true, float("-inf"))
    target = torch.arange(len(logits), device=logits.device)
    hits = (logits.argmax(1) == target).float().mean().item()
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2, hits


# --- the run --------------------------------------------------------------------------------------


def pretrain_pocket_clip(folder: Path, seed: int, scale: float, state_file: Path) -> None:
    """Draw, train, and write model, tokenizer, image processor and report.

    Args:
        folder: where they are written.
        seed: of everything random.
        scale: multiplies the number of steps.
        state_file: lets a run that was broken off go on.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    write_clip_tokenizer(folder)
    processor = CLIPImageProcessor(
        size={"shortest_edge": PICTURE}, crop_size={"height": PICTURE, "width": PICTURE}
    )
    processor.save_pretrained(folder)
    mean = torch.tensor(processor.image_mean, device=device).view(3, 1, 1)
    std = torch.tensor(processor.image_std, device=device).view(3, 1, 1)

    pairs = max(BATCH, round(PAIRS * min(1.0, scale * 4)))
    scenes, pictures, owners = draw_or_read_pairs(pairs, seed)
    true, answers, pictures = (
        make_fact_matrix(scenes),
        list_patch_answers(scenes, owners),
        torch.from_numpy(pictures),
    )

    tokenizer = CLIPTokenizerFast.from_pretrained(folder)
    clip = make_clip(tokenizer).to(device)
    heads = LabelHeads(clip.config.vision_config.hidden_size).to(device)
    module = nn.ModuleDict({"clip": clip, "heads": heads})
    module.register_buffer("seen", torch.zeros(len(tokenizer), dtype=torch.bool, device=device))
    autocast = torch.autocast(device.type, torch.bfloat16)

    everything = torch.arange(pairs)
    several = torch.tensor([len(scene.things) > 1 for scene in scenes[::2]])
    crowded = torch.cat([everything[several], everything[~several][::4]])

    def choose_batch(
        step: int, salt: int, among: Tensor
    ) -> tuple[Tensor, torch.Generator, np.random.Generator]:
        """Indices of whole pairs; an epoch's shuffle depends on its number alone, to resume."""
        per_epoch = len(among) * 2 // BATCH
        generator = torch.Generator().manual_seed(seed * 1000 + salt * 100 + step // per_epoch)
        order = among[torch.randperm(len(among), generator=generator)]
        mine = order[(step % per_epoch) * BATCH // 2 :][: BATCH // 2]
        rng = np.random.default_rng([seed, salt, step])
        return (
            torch.stack([2 * mine, 2 * mine + 1], 1).flatten(),
            torch.Generator().manual_seed(int(rng.integers(2**31))),
            rng,
        )

    def see(rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """See pictures: pooled (B, D), patches before the last layer (B, P, D), and facts."""
        pixels = augment_pixels(pictures[rows].to(device), mean, std, generator)
        out = clip.vision_model(pixel_values=pixels, output_hidden_states=True)
        return out.pooler_output, out.hidden_states[-2][:, 1:], true[rows].to(device)

    def learn_labels(step: int) -> tuple[Tensor, dict[str, float]]:
        rows, generator, _ = choose_batch(step, 1, everything)
        with autocast:
            pooled, patches, facts_here = see(rows, generator)
            right = {q: a[rows].to(device) for q, a in answers.items()}
            loss, found = compute_label_loss(facts_here.float(), right, heads, pooled, patches)
        return loss, {"loss": loss.item(), "objects found": found}

    def learn_captions(step: int, salt: int, part: CaptionPhase) -> tuple[Tensor, dict[str, float]]:
        rows, generator, rng = choose_batch(step, salt, crowded if part.crowded else everything)
        captions = [
            write_caption(scenes[row], rng, rng.choice(part.details), part.alone) for row in rows
        ]
        stated = torch.zeros(len(rows), len(FACTS))
        for i, c in enumerate(captions):
            stated[i, [FACTS[f] for f in c.facts]] = 1
        also_true = true[rows].float() @ stated.T == stated.sum(1)  # (pictures, captions)
        also_true = also_true.fill_diagonal_(False).to(device)
        tokens = tokenizer([c.text for c in captions], padding=True, return_tensors="pt")[
            "input_ids"
        ].to(device)
        module.seen[tokens] = True
        with autocast:
            pooled, patches, facts_here = see(rows, generator)
            images = clip.visual_projection(pooled)
            texts = clip.text_projection(clip.text_model(input_ids=tokens).pooler_output)
            right = {q: a[rows].to(device) for q, a in answers.items()}
            kept, found = compute_label_loss(
                facts_here.float(), right, heads, pooled, patches, part.questions, part.nothing
            )
        images, texts = F.normalize(images.float(), dim=-1), F.normalize(texts.float(), dim=-1)
        loss, hits = compute_contrastive_loss(
            images, texts, clip.logit_scale.clamp(max=4.6052), also_true
        )
        return loss + part.labels * kept, {
            "loss": loss.item(),
            "hits": hits,
            "objects found": found,
            "scale": clip.logit_scale.exp().item(),
        }

    vision = [*clip.vision_model.parameters(), *heads.parameters()]
    others = [p for name, p in module.named_parameters() if name != "clip.logit_scale"]

    def group_parameters(rate: float) -> list[dict]:
        return [
            {"params": others, "lr": rate},
            {"params": [clip.logit_scale], "lr": 5 * rate, "weight_decay": 0.0},
        ]

    groups = [{"params": vision, "lr": LABEL_RATE}]
    phases = [Phase("labels", round(LABEL_STEPS * scale), groups, learn_labels)]
    for salt, part in enumerate(CAPTIONS, start=2):
        loss = partial(learn_captions, salt=salt, part=part)
        groups = group_parameters(part.rate)
        phases.append(Phase(part.name, round(part.steps * scale), groups, loss))
    tell = partial(print, flush=True)
    history, seconds = train_phases(phases, module, state_file, log=tell)
    with torch.no_grad():
        clip.logit_scale.clamp_(max=4.6052)
    clip.float().save_pretrained(folder)
    write_trained_rows(folder, module.seen)
    settings = {
        "pictures": 2 * pairs,
        "batch": BATCH,
        "label steps": LABEL_STEPS,
        "caption steps": " + ".join(str(part.steps) for part in CAPTIONS),
        "seed": seed,
        "scale": scale,
    }
    write_report(folder, settings, seconds, history)
