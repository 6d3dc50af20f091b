"""A soft prompt and one linear map that make a frozen language model describe pictures: `[soft_prompt, vision_features, text_embeddings]`.

Rests on transformers: CLIP's vision tower, and any causal language model that takes vectors (`inputs_embeds`) and generates from them.
Prompt tuning: Lester et al. 2021, arXiv 2104.08691; pictures before a frozen language model: Tsimpoukelli et al. 2021, arXiv 2106.13884.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPModel, CLIPProcessor, PreTrainedModel

from helpers import checkpoint
from helpers.pretrained import identify_model, load_clip, load_gpt2, prepare_pixels

VisionFeatures = Literal["patches", "pooled"]
DESCRIBE = "describe what you see: write a caption for the picture:"  # good words for a soft prompt to begin as
IGNORED = -100  # the label of what is not scored, as everywhere in transformers


# --- the soft prompt ---------------------------------------------------------------------------------------------------------------


class SoftPrompt(nn.Module):
    """`prompt_embeddings` (M, D): vectors that stand before the picture and the text, and learn."""

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
        """init: "random"; "vocabulary", the rows of words drawn at random; or words, said again and again until there are M tokens.

        table: the token embeddings (V, D) of the model that will read it, for the latter two; tokenizer: for words.
        """
        super().__init__()
        if init == "random":
            spread = (
                0.02 if table is None else table.std().item()
            )  # 0.02: how GPT-2's own table begins
            vectors = torch.randn(prompt_length, hidden_size, generator=generator) * spread
        elif table is None or table.shape != (vocab_size, hidden_size):
            have = "no table" if table is None else f"a table {tuple(table.shape)}"
            raise ValueError(
                f"init={init!r} takes rows of a table ({vocab_size}, {hidden_size}), and there is {have}"
            )
        elif init == "vocabulary":
            vectors = table[
                torch.randint(vocab_size, (prompt_length,), generator=generator).to(table.device)
            ]
        else:
            ids = tokenizer(init, add_special_tokens=False)["input_ids"]
            if not ids:
                raise ValueError(
                    f"init={init!r} has no token to begin with: give words, 'random' or 'vocabulary'"
                )
            vectors = table[(ids * prompt_length)[:prompt_length]]
        self.prompt_embeddings = nn.Parameter(vectors.detach().float().clone())
        self.register_load_state_dict_pre_hook(_without_ids)

    def forward(self, batch_size: int) -> Tensor:
        """The same vectors for every row of a batch: (B, M, D)."""
        return self.prompt_embeddings.expand(batch_size, -1, -1)


def _without_ids(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Files of the script that this course grew from also hold `prompt_token_ids`, which nothing ever read."""
    state.pop(f"{prefix}prompt_token_ids", None)


# --- the whole ---------------------------------------------------------------------------------------------------------------------


class VLMWithSoftPrompt(nn.Module):
    """A frozen CLIP vision tower, one linear projection, a soft prompt, and a frozen causal language model.

    What learns is `soft_prompt.prompt_embeddings` (M, D) and `vision_projection`, Dv to D.
    """

    def __init__(
        self,
        vision_model_name: str
        | Path
        | tuple[CLIPModel, CLIPProcessor] = "openai/clip-vit-base-patch32",
        language_model_name: str | Path | tuple[PreTrainedModel, Any] = "gpt2",
        prompt_length: int = 10,
        vision_features: VisionFeatures = "patches",
        *,
        init: str = "random",
        vision_layer: int = -2,
        generator: torch.Generator | None = None,
    ) -> None:
        """Names as for `load_clip` and `load_gpt2`, or what these returned before.

        vision_features: "patches", P vectors a picture, or "pooled", the one that CLIP compares with texts. vision_layer: the layer
        whose patches are taken. The one before the last, since what the last does to patches nobody ever reads: CLIP's loss only
        sees its class token (Liu et al. 2023, arXiv 2304.08485, take it too). A rule, no law: on the pocket CLIP the last did better in
        the study behind lesson 03. init: of the soft prompt.
        """
        super().__init__()
        if vision_features not in ("patches", "pooled"):
            raise ValueError(
                f"vision_features is {vision_features!r}: there are 'patches' and 'pooled'"
            )
        clip, self.processor = (
            vision_model_name
            if isinstance(vision_model_name, tuple)
            else load_clip(vision_model_name)
        )
        language_model, self.tokenizer = (
            language_model_name
            if isinstance(language_model_name, tuple)
            else load_gpt2(language_model_name)
        )
        self.vision_model = clip.vision_model.requires_grad_(False).eval()
        self.language_model = language_model.requires_grad_(False).eval()
        self.vision_features, self.vision_layer = vision_features, vision_layer
        table = language_model.get_input_embeddings().weight  # (V, D)
        vocabulary, width = table.shape
        self.soft_prompt = SoftPrompt(
            prompt_length,
            width,
            vocabulary,
            init,
            table=table,
            tokenizer=self.tokenizer,
            generator=generator,
        )
        vision_width, layers = (
            clip.config.vision_config.hidden_size,
            clip.config.vision_config.num_hidden_layers,
        )
        if not -layers - 1 <= vision_layer <= layers:
            raise ValueError(
                f"vision_layer is {vision_layer}: this vision tower has the layers {-layers - 1} to {layers}"
            )
        self.vision_projection = nn.Linear(vision_width, width)
        weight = torch.randn(width, vision_width, generator=generator) * (
            table.std().item() / vision_width**0.5
        )
        self.vision_projection.weight.data, self.vision_projection.bias.data = (
            weight,
            torch.zeros(width),
        )
        self.models = {"vision": identify_model(clip), "language": identify_model(language_model)}
        self.to(table.device)

    def train(self, mode: bool = True) -> VLMWithSoftPrompt:
        """The frozen parts stay in eval mode, and their dropout off."""
        super().train(mode)
        self.vision_model.eval()
        self.language_model.eval()
        return self

    @torch.no_grad()
    def encode(self, images: Sequence[Image.Image] | Tensor, at_once: int = 256) -> Tensor:
        """Pictures, or pixels (B, 3, H, W), to vision features (B, P, Dv); with "pooled" P is 1. They never change: keep them.

        What already is features comes back as it is.
        """
        if isinstance(images, Tensor) and images.dim() == 3:
            return images
        parts = []
        for start in range(0, len(images), at_once):
            batch = images[start : start + at_once]
            values = (
                batch
                if isinstance(batch, Tensor)
                else prepare_pixels(self.vision_model, self.processor, batch)
            )
            seen = self.vision_model(pixel_values=values, output_hidden_states=True)
            parts.append(
                seen.hidden_states[self.vision_layer][
                    :, 1:
                ]  # without the class token, which is no patch
                if self.vision_features == "patches"
                else seen.pooler_output[:, None]
            )
        return torch.cat(parts)

    def prefix(self, features: Tensor) -> Tensor:
        """What stands before the text: vision features (B, P, Dv) to (B, M + P, D), the soft prompt first."""
        pictures = self.vision_projection(
            features.to(self.vision_projection.weight.dtype)
        )  # (B, P, D)
        return torch.cat([self.soft_prompt(len(features)), pictures], dim=1)

    def forward(
        self,
        images: Sequence[Image.Image] | Tensor,
        text_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> Tensor:
        """Logits at all positions, (B, M + P + T, V); with labels (B, T) the mean loss of the texts' tokens, and no logits.

        images: pictures, pixels (B, 3, H, W) or vision features (B, P, Dv); text_ids (B, T). attention_mask (B, T): 0 on padding,
        needed where it stands on the left. labels, of texts padded on the right: the ids that should stand in the places of text_ids,
        `IGNORED` where nothing is scored; each is predicted from what stands before it. Raises ValueError where nothing is.
        """
        hidden, first = self._read(images, text_ids, attention_mask)
        if labels is None:
            return self.language_model.get_output_embeddings()(hidden)
        return F.cross_entropy(*self._scored(hidden[:, first - 1 : -1], labels))

    def _read(
        self, images: Any, text_ids: Tensor, attention_mask: Tensor | None = None
    ) -> tuple[Tensor, int]:
        """The language model's last hidden states (B, M + P + T, D), and where the text begins: M + P."""
        before = self.prefix(self.encode(images))  # (B, M + P, D)
        words = self.language_model.get_input_embeddings()(text_ids)  # (B, T, D)
        vectors = torch.cat([before.to(words.dtype), words], dim=1)  # (B, M + P + T, D)
        read = self.language_model.base_model(
            inputs_embeds=vectors, **_places(before, attention_mask)
        )
        return read.last_hidden_state, before.shape[1]

    def _scored(self, predicting: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (S, V) and labels (S,) of what is scored; predicting (B, T, D): at each token of the text, what stands before it."""
        scored = labels != IGNORED  # (B, T)
        if not scored.any():
            raise ValueError(
                f"every label is {IGNORED}: there is nothing to learn from in this batch"
            )
        return exact(self.language_model.get_output_embeddings()(predicting[scored])), labels[
            scored
        ]

    @torch.no_grad()
    def score(
        self, images: Sequence[Image.Image] | Tensor, text_ids: Tensor, labels: Tensor
    ) -> tuple[float, float]:
        """The loss, as in `forward`, and the share of scored tokens that are the likeliest where they stand."""
        hidden, first = self._read(images, text_ids)
        logits, labels = self._scored(hidden[:, first - 1 : -1], labels)
        return F.cross_entropy(logits, labels).item(), (
            logits.argmax(-1) == labels
        ).float().mean().item()

    @torch.no_grad()
    def generate(
        self,
        images: Sequence[Image.Image] | Tensor,
        prompt: str = "",
        max_new_tokens: int = 40,
        num_beams: int = 1,
        do_sample: bool = False,
        temperature: float = 1.0,
        top_p: float = 1.0,
    ) -> list[str]:
        """A text for each picture, by the library's own `generate` with its KV cache; it begins with `prompt`.

        Greedy, with beams, or drawn at random (do_sample) from the most likely tokens that together have the share top_p, the logits
        divided by the temperature. Raises ValueError for a temperature or top_p that would do nothing, since nothing is drawn.
        """
        if not do_sample and (temperature, top_p) != (1.0, 1.0):
            raise ValueError(
                "temperature and top_p change what is drawn at random: use do_sample=True, or leave them out"
            )
        features = self.encode(images)
        begun = self.tokenizer(prompt, add_special_tokens=False, return_tensors="pt")[
            "input_ids"
        ].long()  # (1, T)
        words = self.language_model.get_input_embeddings()(begun.to(self.language_model.device))
        vectors = torch.cat(
            [self.prefix(features).to(words.dtype), words.expand(len(features), -1, -1)], dim=1
        )
        drawn = {"temperature": temperature, "top_p": top_p, "top_k": 0} if do_sample else {}
        ids = self.language_model.generate(
            inputs_embeds=vectors,
            attention_mask=torch.ones(vectors.shape[:2], dtype=torch.long, device=vectors.device),
            max_new_tokens=max_new_tokens,
            num_beams=num_beams,
            do_sample=do_sample,
            pad_token_id=self.tokenizer.eos_token_id,
            **drawn,
        )
        return [
            (prompt + text).strip()
            for text in self.tokenizer.batch_decode(ids, skip_special_tokens=True)
        ]

    # --- keeping what was learned ---

    def save(self, file: str | Path) -> None:
        """Prompt and projection as safetensors, with what must be known to use them again."""
        checkpoint.write(self, Path(file))

    def load(self, file: str | Path) -> VLMWithSoftPrompt:
        """Take over a saved prompt, of any length, and projection; returns itself. Raises ValueError where they belong to others.

        A torch file of the script that the course grew from (`soft_prompt_state_dict`, `vision_projection_state_dict`) is read too.
        """
        tensors = checkpoint.read(self, Path(file))
        prompt, weight, bias = (tensors[name] for name in checkpoint.PARTS)
        self._take_prompt(prompt)
        self.vision_projection.weight.data.copy_(weight)
        self.vision_projection.bias.data.copy_(bias)
        return self

    def save_prompt(self, file: str | Path) -> None:
        """The soft prompt alone, (M, D), and which projection it was learned beside."""
        checkpoint.write_prompt(self, Path(file))

    def load_prompt(self, file: str | Path) -> VLMWithSoftPrompt:
        """Take over a soft prompt that was learned beside this projection; returns itself. Raises ValueError for one that was not."""
        self._take_prompt(checkpoint.read_prompt(self, Path(file)))
        return self

    @contextmanager
    def prompted(self, vectors: Tensor) -> Iterator[None]:
        """Within, these vectors (M, D), as many as there are, stand in the place of the soft prompt."""
        own = self.soft_prompt.prompt_embeddings
        self._take_prompt(vectors)
        try:
            yield
        finally:
            self.soft_prompt.prompt_embeddings = own

    def _take_prompt(self, vectors: Tensor) -> None:
        self.soft_prompt.prompt_embeddings = nn.Parameter(
            vectors.detach().to(self.vision_projection.weight)
        )


def _places(before: Tensor, attention_mask: Tensor | None) -> dict[str, Tensor]:
    """Mask and positions for (B, M + P + T); nothing where there is no mask, since a causal model then needs neither."""
    if attention_mask is None:
        return {}
    mask = torch.cat([attention_mask.new_ones(before.shape[:2]), attention_mask], dim=1)
    return {"attention_mask": mask, "position_ids": (mask.cumsum(-1) - 1).clamp(min=0)}


def exact(numbers: Tensor) -> Tensor:
    """In fp32, or as they are where that is more."""
    return numbers.to(torch.promote_types(numbers.dtype, torch.float32))
