"""A soft prompt and one linear map that make a frozen language model describe pictures.

It reads `[soft_prompt, vision_features, text_embeddings]`, vectors all, and each token of the
text is scored against what the model predicts one place before it. The language model is any
causal one that takes vectors (`inputs_embeds`). Prompt tuning: Lester et al. 2021,
arXiv 2104.08691; pictures before a frozen language model: Tsimpoukelli et al. 2021,
arXiv 2106.13884. Taken apart in lesson 03.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import GenerationConfig

from helpers import checkpoint
from helpers.data import get_end_of_text
from helpers.files import is_pickled
from helpers.language import LearnerError, check_choice, tell, warn
from helpers.language_model import (
    compute_logits,
    decode,
    embed_ids,
    prepare_language_model,
    read_token_table,
    read_vectors,
)
from helpers.pretrained import identify_model, load_clip, load_language_model, prepare_pixels

VisionFeatures = Literal["patches", "pooled", "cls_patches"]
# pictures, pixels (B, 3, H, W) or vision features (B, P, Dv)
Images = Sequence[Image.Image] | Tensor
# good words for a soft prompt to begin as
DESCRIBE = "describe what you see: write a caption for the picture:"
# what the script behind this course learned from: 50 vectors of a ViT-B/32, class token first
SEED_FEATURES = ("cls_patches", -1)
IGNORED = -100  # the label of what is not scored, as everywhere in transformers
# all that learns
LEARNED = ("soft_prompt.prompt_embeddings", "vision_projection.weight", "vision_projection.bias")


class WrongProjection(LearnerError):
    """The soft prompt of a `file` was learned beside another projection than `this`.

    Both are named by their fingerprints.
    """

    key = "wrong_projection"


class SoftPrompt(nn.Module):
    """`prompt_embeddings` (M, D): learned vectors before picture and text. Lesson 03, section 2."""

    def __init__(
        self,
        prompt_length: int = 10,
        hidden_size: int = 768,
        vocab_size: int = 50257,
        init: str = "random",
        *,
        table: Tensor | None = None,
        tokenizer: Any = None,
        generator: torch.Generator | None = None,
    ) -> None:
        """Draw or look up the vectors to begin with.

        Args:
            prompt_length: M.
            hidden_size: D, of the language model.
            vocab_size: V, of the language model.
            init: "random"; "vocabulary", rows of `table` drawn at random; or words, repeated
                until there are M tokens.
            table: token embeddings (V, D) of the language model, for the latter two.
            tokenizer: of the language model, for words.
            generator: of the random numbers.

        Raises:
            ValueError: there is no table of this shape, or the words are no token.
        """
        super().__init__()
        if init == "random":
            # 0.02: how GPT-2's own table began
            spread = 0.02 if table is None else table.std().item()
            vectors = torch.randn(prompt_length, hidden_size, generator=generator) * spread
        elif table is None or table.shape != (vocab_size, hidden_size):
            have = tuple(table.shape) if table is not None else ""
            raise LearnerError(
                en=f"init={init!r} takes rows of a table ({vocab_size}, {hidden_size}), "
                + (f"and there is a table {have}" if have else "and there is no table"),
                zh=f"init={init!r} 要从 ({vocab_size}, {hidden_size}) 的表里取行，"
                + (f"而给的表是 {have}" if have else "却没有给表"),
            )
        elif init == "vocabulary":
            rows = torch.randint(vocab_size, (prompt_length,), generator=generator)
            vectors = table[rows.to(table.device)]
        else:
            ids = tokenizer(init, add_special_tokens=False)["input_ids"]
            if not ids:
                raise LearnerError(key="no_token_to_begin_as", init=init)
            vectors = table[(ids * prompt_length)[:prompt_length]]
        self.prompt_embeddings = nn.Parameter(vectors.detach().float().clone())  # (M, D)
        self.register_load_state_dict_pre_hook(_drop_ids)

    @property
    def prompt_length(self) -> int:
        """M."""
        return self.prompt_embeddings.shape[0]

    @property
    def hidden_size(self) -> int:
        """D."""
        return self.prompt_embeddings.shape[1]

    def forward(self, batch_size: int | None = None) -> Tensor:
        """The same vectors for every row of a batch, (B, M, D); without a size once, (M, D)."""
        if batch_size is None:
            return self.prompt_embeddings
        return self.prompt_embeddings.expand(batch_size, -1, -1)


def _drop_ids(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Files of the script behind this course also hold `prompt_token_ids`, which nothing reads."""
    state.pop(f"{prefix}prompt_token_ids", None)


class VLMWithSoftPrompt(nn.Module):
    """A frozen CLIP vision tower, a linear projection, a soft prompt, a frozen language model.

    What learns is `soft_prompt.prompt_embeddings` (M, D) and `vision_projection`, Dv to D. Taken
    apart in lesson 03, sections 2 to 5.
    """

    def __init__(
        self,
        vision_model_name: str | Path | tuple = "openai/clip-vit-base-patch32",
        language_model_name: str | Path | tuple = "gpt2",
        prompt_length: int = 10,
        vision_features: VisionFeatures = "patches",
        *,
        init: str = "random",
        vision_layer: int = -2,
        generator: torch.Generator | None = None,
    ) -> None:
        """Load and freeze both models, and begin prompt and projection.

        Args:
            vision_model_name: a name as for `load_clip`, or what it returned.
            language_model_name: a name as for `load_language_model`, or what it returned.
            prompt_length: M, vectors of the soft prompt.
            vision_features: "patches", P vectors a picture; "pooled", the one that CLIP compares
                with texts; or "cls_patches", the class token and then the patches, which the
                script behind this course took of layer -1. (LLaVA has the first and the last.)
            init: what the soft prompt begins as, as for `SoftPrompt`.
            vision_layer: which layer's patches. By default the last but one: CLIP's loss sees only
                the class token of the last, so that nothing reads its patches (as in Liu
                et al. 2023, arXiv 2304.08485). A rule and no law: on the pocket CLIP the last did
                better in the study behind lesson 03.
            generator: of the random numbers.

        Raises:
            ValueError: there are no such features, there is no such layer, or the language model is
                not causal.
            OSError: a model cannot be loaded.
        """
        super().__init__()
        check_choice("vision_features", vision_features, *get_args(VisionFeatures))
        if not isinstance(vision_model_name, tuple):
            vision_model_name = load_clip(vision_model_name)
        if not isinstance(language_model_name, tuple):
            language_model_name = load_language_model(language_model_name)
        clip, self.processor = vision_model_name
        language_model, self.tokenizer = language_model_name
        sizes = clip.config.vision_config
        layers = sizes.num_hidden_layers
        if not -layers - 1 <= vision_layer <= layers:
            raise LearnerError(
                key="no_such_layer", vision_layer=vision_layer, lowest=-layers - 1, layers=layers
            )
        self.vision_model = clip.vision_model.requires_grad_(False).eval()
        self.language_model = language_model.requires_grad_(False).eval()
        self.vision_features, self.vision_layer = vision_features, vision_layer
        self.models = {"vision": identify_model(clip), "language": identify_model(language_model)}

        self._separable = prepare_language_model(language_model)
        table = read_token_table(language_model)  # (V, D)
        vocabulary, width = table.shape
        self.soft_prompt = SoftPrompt(
            prompt_length, width, vocabulary, init,
            table=table, tokenizer=self.tokenizer, generator=generator,
        )  # fmt: skip
        self.vision_projection = nn.Linear(sizes.hidden_size, width)
        # projected vectors begin about as large as token embeddings
        spread = table.std().item() / sizes.hidden_size**0.5
        weight = torch.randn(width, sizes.hidden_size, generator=generator) * spread
        self.vision_projection.weight.data = weight
        self.vision_projection.bias.data = torch.zeros(width)
        self.to(table.device)

    def train(self, mode: bool = True) -> VLMWithSoftPrompt:
        """The frozen parts stay in eval mode, and their dropout off."""
        super().train(mode)
        self.vision_model.eval()
        self.language_model.eval()
        return self

    # --- from pictures and text to a loss ---

    @torch.no_grad()
    def encode(self, images: Images, batch_size: int = 256) -> Tensor:
        """Turn pictures, or pixels (B, 3, H, W), into vision features (B, P, Dv); P is 1 if pooled.

        They never change, so keep them: features (B, P, Dv) that are given come back as they are.
        """
        if isinstance(images, Tensor) and images.dim() == 3:
            return images
        parts = []
        for start in range(0, len(images), batch_size):
            batch = images[start : start + batch_size]
            if not isinstance(batch, Tensor):
                batch = prepare_pixels(self.vision_model, self.processor, batch)  # (b, 3, H, W)
            seen = self.vision_model(pixel_values=batch, output_hidden_states=True)
            if self.vision_features == "pooled":
                parts.append(seen.pooler_output[:, None])  # (b, 1, Dv)
            else:
                # the class token, which comes first, is no patch
                first = int(self.vision_features == "patches")
                parts.append(seen.hidden_states[self.vision_layer][:, first:])  # (b, P, Dv)
        return torch.cat(parts)

    def prefix(self, features: Tensor) -> Tensor:
        """What stands before the text: features (B, P, Dv) to (B, M + P, D), soft prompt first."""
        features = features.to(self.vision_projection.weight.dtype)
        pictures = self.vision_projection(features)  # (B, P, D)
        return torch.cat([self.soft_prompt(len(features)), pictures], dim=1)

    def forward(
        self,
        images: Images,
        text_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> Tensor:
        """Compute logits at all positions, (B, M + P + T, V); with labels the mean loss instead.

        Args:
            images: pictures, pixels (B, 3, H, W) or vision features (B, P, Dv).
            text_ids: (B, T).
            attention_mask: (B, T), 0 on padding; needed only where padding stands on the left.
            labels: (B, T), of texts padded on the right: the ids that should stand in the places of
                text_ids, `IGNORED` where nothing is scored. Each is predicted from what stands
                before it. Lesson 03, section 5.

        Raises:
            ValueError: no label is scored.
        """
        read, start = self._read(images, text_ids, attention_mask)
        if labels is None:
            return compute_logits(self.language_model, read, self._separable)
        return F.cross_entropy(*self._select_scored(read[:, start - 1 : -1], labels))

    def _read(self, images: Images, ids: Tensor, mask: Tensor | None = None) -> tuple[Tensor, int]:
        """What `read_vectors` gives at (B, M + P + T), and where the text begins: M + P."""
        before = self.prefix(self.encode(images))  # (B, M + P, D)
        words = embed_ids(self.language_model, ids)  # (B, T, D)
        vectors = torch.cat([before.to(words.dtype), words], dim=1)  # (B, M + P + T, D)
        if mask is not None:
            mask = torch.cat([mask.new_ones(before.shape[:2]), mask], dim=1)  # (B, M + P + T)
        read = read_vectors(self.language_model, vectors, self._separable, mask)
        return read, before.shape[1]

    def _select_scored(self, predicting: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (S, V) and labels (S,) of the scored tokens.

        predicting: what the model read before each token, (B, T, D), or (B, T, V).
        """
        scored = labels != IGNORED  # (B, T)
        if not scored.any():
            raise LearnerError(key="nothing_scored", IGNORED=IGNORED)
        logits = compute_logits(self.language_model, predicting[scored], self._separable)
        return to_fp32(logits), labels[scored]

    @torch.no_grad()
    def score(self, images: Images, text_ids: Tensor, labels: Tensor) -> tuple[float, float]:
        """The loss, as in `forward`, and the share of scored tokens that are the likeliest."""
        read, start = self._read(images, text_ids)
        logits, labels = self._select_scored(read[:, start - 1 : -1], labels)
        right = (logits.argmax(-1) == labels).float().mean()
        return F.cross_entropy(logits, labels).item(), right.item()

    @torch.no_grad()
    def generate(
        self,
        images: Images,
        prompt: str = "",
        max_new_tokens: int = 40,
        num_beams: int = 1,
        do_sample: bool = False,
        temperature: float = 1.0,
        top_p: float = 1.0,
    ) -> list[str]:
        """Write a text for each picture, by the library's `generate` with its KV cache.

        Lesson 03, section 8.

        Args:
            images: pictures, pixels (B, 3, H, W) or vision features (B, P, Dv).
            prompt: what every text begins with.
            max_new_tokens: at most so many follow.
            num_beams: of beam search; 1: greedy.
            do_sample: draw tokens at random.
            temperature: by which logits are divided before a token is drawn.
            top_p: tokens are drawn from the most likely ones that together have this probability.

        Raises:
            ValueError: temperature or top_p would do nothing, since nothing is drawn.
        """
        if not do_sample and (temperature, top_p) != (1.0, 1.0):
            raise LearnerError(key="nothing_drawn")
        begun = self.tokenizer(prompt, add_special_tokens=False, return_tensors="pt")["input_ids"]
        begun = begun.long().to(self.language_model.device)  # (1, T)
        words = embed_ids(self.language_model, begun)  # (1, T, D)
        before = self.prefix(self.encode(images)).to(words.dtype)  # (B, M + P, D)
        vectors = torch.cat([before, words.expand(len(before), -1, -1)], dim=1)
        mask = torch.ones(vectors.shape[:2], dtype=torch.long, device=vectors.device)
        drawn = {"temperature": temperature, "top_p": top_p, "top_k": 0} if do_sample else {}
        end = get_end_of_text(self.tokenizer)
        how = GenerationConfig(
            max_new_tokens=max_new_tokens, num_beams=num_beams, do_sample=do_sample,
            eos_token_id=end, pad_token_id=end, **drawn,
        )  # fmt: skip
        written = self.language_model.generate(
            inputs_embeds=vectors, attention_mask=mask, generation_config=how
        )
        whole = torch.cat([begun.expand(len(written), -1), written], dim=1)
        return [decode(self.tokenizer, ids) for ids in whole]

    # --- what was learned, as files: lesson 03, section 11 ---

    def save(self, file: str | Path) -> None:
        """Write prompt and projection, frozen or not, with all that is needed to use them again."""
        tensors = {name: self.get_parameter(name) for name in LEARNED}
        checkpoint.write_learned(Path(file), checkpoint.CAPTIONER, tensors, self._make_notes())

    def load(self, file: str | Path) -> VLMWithSoftPrompt:
        """Take over a saved prompt, of any length, and projection; returns itself.

        A torch file of the script that the course grew from (`soft_prompt_state_dict`,
        `vision_projection_state_dict`) does not name its models: of such a file only the
        widths are compared. It was learned from `SEED_FEATURES`, which are taken from then on.

        Raises:
            WrongModel: they were learned on other models.
            ValueError: they were learned from other vision features, or the file is
                something else or damaged.
        """
        file, (width, vision_width) = Path(file), self.vision_projection.weight.shape
        if is_pickled(file):
            tensors = checkpoint.read_seed_file(file, ("soft_prompt", "vision_projection"))
        else:
            tensors = self._read_learned(file, checkpoint.CAPTIONER)[0]
        shapes = ("M", width), (width, vision_width), (width,)
        prompt, weight, bias = (
            checkpoint.check_tensor(file, tensors, name, shape)
            for name, shape in zip(LEARNED, shapes)
        )
        self._take_prompt(prompt)
        self.vision_projection.weight.data.copy_(weight)
        self.vision_projection.bias.data.copy_(bias)
        if is_pickled(file):
            self.vision_features, self.vision_layer = SEED_FEATURES
            warn(tell("seed_features", file=file, features=self._make_notes()["vision_features"]))
        return self

    def save_prompt(self, file: str | Path) -> None:
        """Write the soft prompt alone, (M, D), and which projection it was learned beside."""
        tensors = {"prompt_embeddings": self.soft_prompt.prompt_embeddings}
        notes = {**self._make_notes(), "projection": self._fingerprint_projection()}
        checkpoint.write_learned(Path(file), checkpoint.PROMPT, tensors, notes)

    def load_prompt(self, file: str | Path) -> VLMWithSoftPrompt:
        """Take over a soft prompt that was learned beside this projection; returns itself.

        Raises:
            WrongModel: it was learned on other models.
            WrongProjection: it was learned beside another projection.
            ValueError: it was learned from other vision features, or the file is
                something else or damaged.
        """
        file, width = Path(file), len(self.vision_projection.weight)
        tensors, notes = self._read_learned(file, checkpoint.PROMPT)
        prompt = checkpoint.check_tensor(file, tensors, "prompt_embeddings", ("M", width))
        then, now = str(notes.get("projection")), self._fingerprint_projection()
        if then != now:
            raise WrongProjection(file=file, learned_beside=then, this=now)
        self._take_prompt(prompt)
        return self

    def _make_notes(self) -> dict[str, str]:
        seen = f"{self.vision_features} of layer {self.vision_layer}"
        return {"models": json.dumps(self.models), "vision_features": seen}

    def _read_learned(self, file: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Read what was learned on these models and from these features, and nothing else."""
        tensors, notes = checkpoint.read_learned(file, kind)
        checkpoint.check_models(file, kind, notes, self.models)
        then, now = notes.get("vision_features"), self._make_notes()["vision_features"]
        if then != now:
            raise LearnerError(key="other_features", file=file, then=then, now=now)
        return tensors, notes

    def _fingerprint_projection(self) -> str:
        return checkpoint.fingerprint_tensors(*self.vision_projection.parameters())

    @contextmanager
    def swap_prompt(self, vectors: Tensor) -> Iterator[None]:
        """Within, these vectors (M, D), of any number, stand in the place of the soft prompt."""
        own = self.soft_prompt.prompt_embeddings
        self._take_prompt(vectors)
        try:
            yield
        finally:
            self.soft_prompt.prompt_embeddings = own

    def _take_prompt(self, vectors: Tensor) -> None:
        vectors = vectors.detach().to(self.vision_projection.weight)
        self.soft_prompt.prompt_embeddings = nn.Parameter(vectors)


def read_vision_features(file: Path) -> tuple[VisionFeatures, int]:
    """Read from which vision features, of which layer, a file was learned.

    `SEED_FEATURES` for a torch file, which does not say.
    """
    if is_pickled(file):
        return SEED_FEATURES
    said = checkpoint.read_learned(file, checkpoint.CAPTIONER)[1].get("vision_features", "")
    found = re.fullmatch(rf"({'|'.join(get_args(VisionFeatures))}) of layer (-?\d{{1,3}})", said)
    return (found[1], int(found[2])) if found else ("patches", -2)


def to_fp32(numbers: Tensor) -> Tensor:
    """In fp32, or as they are where that is more."""
    return numbers.to(torch.promote_types(numbers.dtype, torch.float32))
