"""A learnable context for a frozen CLIP: vectors of our own in the places where the prompt's words would stand.

Rests on transformers' `CLIPTextEmbeddings`, the one place where vectors can get in, and on CLIP's own layers.
CoOp: Zhou et al. 2022, arXiv 2109.01134.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPModel, CLIPProcessor
from transformers.models.clip.modeling_clip import CLIPTextEmbeddings

from helpers import training
from helpers.data import FewShot
from helpers.fast_text import fast_features, shared_positions
from helpers.files import read_tensors, write_tensors
from helpers.pretrained import encode_images, encode_texts, identify_model

Position = Literal["end", "middle", "front"]  # where the class name stands
FORMAT = "ten-vectors context 1"


# --- the embeddings that let vectors in ----------------------------------------------------------------------------------------


class CLIPTextLearnableEmbeddings(CLIPTextEmbeddings):
    """CLIP's text embeddings, with vectors of our own in the slots, which are the places where a placeholder token stands.

    Everything else is as it was: the two tables are the trained ones themselves, no copies, and the position is added to words
    and vectors alike. `context`, (M, D) for all texts or (C, M, D) with vectors for each text of its own, is the one new parameter.
    """

    def __init__(
        self, trained: CLIPTextEmbeddings, context: Tensor, placeholder: int, end_of_text: int
    ) -> None:
        """trained: the embeddings that the model came with; placeholder, end_of_text: ids.

        Raises ValueError for vectors of another width, and for a placeholder with an id not below that of the end of text: models
        that look for the largest id, as OpenAI's do, would take it for the end.
        """
        nn.Module.__init__(self)  # and not the parent's, which would make two new tables
        width = trained.token_embedding.embedding_dim
        if context.dim() not in (2, 3) or context.shape[-1] != width:
            raise ValueError(
                f"the context is {tuple(context.shape)}; this model needs (M, {width}) or (C, M, {width})"
            )
        if placeholder >= end_of_text:
            raise ValueError(
                f"the placeholder has the id {placeholder}, not below the end of text with {end_of_text}: CLIP might take it for the "
                "end. Choose a token with a smaller id"
            )
        self.token_embedding = trained.token_embedding
        self.position_embedding = trained.position_embedding
        self.register_buffer("position_ids", trained.position_ids, persistent=False)
        # in fp32 even where the model computes in fp16 or bf16: steps of learning are small
        self.context = nn.Parameter(context.detach().float().clone())
        self.placeholder = placeholder

    def forward(
        self,
        input_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
    ) -> Tensor:
        """ids (C, T), with M placeholders in each row, to vectors (C, T, D)."""
        if input_ids is None:  # vectors came in already: no ids, no slots
            return super().forward(inputs_embeds=inputs_embeds, position_ids=position_ids)
        slots = input_ids == self.placeholder  # (C, T)
        self._check(slots)
        words = self.token_embedding(input_ids)  # (C, T, D)
        vectors = overwrite(words, slots, self.context)  # (C, T, D)
        return super().forward(inputs_embeds=vectors, position_ids=position_ids)

    def _check(self, slots: Tensor) -> None:
        (texts, length), room = slots.shape, len(self.position_embedding.weight)
        if length > room:
            raise ValueError(
                f"the texts are {length} positions long and this model has {room}: shorten names or context"
            )
        if self.context.dim() == 3 and len(self.context) != texts:
            raise ValueError(
                f"there are {texts} texts and contexts for {len(self.context)}: each text needs its own"
            )
        wrong = (slots.sum(-1) != self.context.shape[-2]).nonzero().flatten().tolist()
        if wrong:
            have, need = int(slots[wrong[0]].sum()), self.context.shape[-2]
            raise ValueError(
                f"text {wrong[0]} has {have} slots for {need} vectors: write the placeholder {need} times"
            )


def overwrite(words: Tensor, slots: Tensor, context: Tensor) -> Tensor:
    """words (C, T, D) with the vectors of the context (M, D) or (C, M, D) in its slots (C, T), of which each row has M."""
    each = context.to(words.dtype).expand(len(words), -1, -1)  # (C, M, D)
    return words.masked_scatter(slots[..., None], each)


@contextmanager
def swapped(clip: CLIPModel, embeddings: CLIPTextEmbeddings) -> Iterator[None]:
    """Within, CLIP reads texts by these embeddings; afterwards it is as it was."""
    original = clip.text_model.embeddings
    clip.text_model.embeddings = embeddings
    try:
        yield
    finally:
        clip.text_model.embeddings = original


# --- the texts, and the vectors to begin with ----------------------------------------------------------------------------------


def fill(words: Sequence[str], class_name: str, position: Position) -> str:
    """A prompt of words around the class name: "a photo of a" and "cat" to "a photo of a cat.", or "a photo cat of a."."""
    if position not in ("end", "middle", "front"):
        raise ValueError(
            f"position is {position!r}: the class name can stand at the end, in the middle or in front"
        )
    before = {"end": len(words), "middle": len(words) // 2, "front": 0}[position]
    return " ".join([*words[:before], class_name, *words[before:]]) + "."


def find_placeholder(tokenizer: Any, class_names: Sequence[str]) -> tuple[str, int]:
    """A word of one token that stands in no class name and has a smaller id than the end of text, and that id."""
    taken = {
        *tokenizer.all_special_ids,
        *(number for ids in tokenizer(list(class_names))["input_ids"] for number in ids),
    }
    for token in ("x", *tokenizer.get_vocab()):
        word = token.removesuffix("</w>")
        ids = tokenizer(f"{word} {word}", add_special_tokens=False)["input_ids"]
        single = (
            word.isalpha() and len(ids) == 2 and ids[0] == ids[1]
        )  # "*" would melt into the full stop after it
        if single and ids[0] not in taken and ids[0] < tokenizer.eos_token_id:
            return word, ids[0]
    raise ValueError("this tokenizer has no word of one token that could mark the slots")


def repeat_words(words: str, length: int) -> str:
    """The last so many of these words, said again and again: of "a photo of a" the last two are "of a", and eight are the whole twice.

    The last, since those stand next to a class name at the end. With words of one token each, the length is that of a context.
    """
    phrase = words.split()
    return " ".join((length * phrase)[-length:])


def initial_context(
    init: str | Tensor,
    shape: tuple[int, ...],
    table: Tensor,
    tokenizer: Any,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The vectors to begin with, (M, D) or (C, M, D) as `shape` says.

    init: "random" (as large as the numbers in the token table (V, D)), words whose tokens are M, or a tensor. Raises ValueError
    where words or tensor do not have the length.
    """
    if isinstance(init, Tensor):
        if init.shape not in (shape, shape[-2:]):
            raise ValueError(f"init is a tensor {tuple(init.shape)}, and the context is {shape}")
        return init.detach().expand(shape).clone()
    if init == "random":
        return torch.randn(shape, generator=generator).to(table.device) * table.std()
    ids = tokenizer(init, add_special_tokens=False)["input_ids"]
    if len(ids) != shape[-2]:
        tokens = ", ".join(
            token.removesuffix("</w>") for token in tokenizer.convert_ids_to_tokens(ids)
        )
        raise ValueError(
            f"“{init}” is {len(ids)} tokens ({tokens}) and the context has {shape[-2]} vectors: make them equal, or init='random'"
        )
    return table[ids].expand(shape).clone()


# --- the plain path: what everything else is measured by -------------------------------------------------------------------------


def plain_features(clip: CLIPModel, embeddings: CLIPTextEmbeddings, ids: Tensor) -> Tensor:
    """ids (C, T) to text features (C, D) as they leave CLIP, by the library's own text model, padding and all."""
    with swapped(clip, embeddings):
        pooled = clip.text_model(input_ids=ids).pooler_output  # (C, Dt)
    return clip.text_projection(pooled)


# --- the whole ---------------------------------------------------------------------------------------------------------------------


class PromptedCLIP(nn.Module):
    """A frozen CLIP that tells classes apart by their names and a learnable context.

    The one parameter with a gradient is `context`, (M, D) or (C, M, D). CLIP is frozen and otherwise left as it was.
    """

    def __init__(
        self,
        clip: CLIPModel,
        processor: CLIPProcessor,
        class_names: Sequence[str],
        context_length: int = 4,
        init: str | Tensor = "a photo of a",
        position: Position = "end",
        class_specific: bool = False,
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        """context_length: M, in tokens; init: "random", words of M tokens, or a tensor; position: where the class name stands.

        class_specific: each class gets vectors of its own. generator: of the random numbers. Raises ValueError where a text does not
        fit into the model, or words are not M tokens.
        """
        super().__init__()
        if isinstance(class_names, str) or not class_names:
            raise ValueError(
                f"class_names is {class_names!r}: give a list of names, such as ['cat', 'key']"
            )
        self.clip, self.processor = clip.requires_grad_(False).eval(), processor
        self.class_names, self.position = tuple(class_names), position
        tokenizer, trained = processor.tokenizer, clip.text_model.embeddings
        table = trained.token_embedding.weight
        word, placeholder = find_placeholder(tokenizer, self.class_names)
        shape = (context_length, table.shape[1])
        context = initial_context(
            init,
            (len(self.class_names), *shape) if class_specific else shape,
            table,
            tokenizer,
            generator,
        )
        self.embeddings = CLIPTextLearnableEmbeddings(
            trained, context, placeholder, tokenizer.eos_token_id
        )
        texts = [fill([word] * context_length, name, position) for name in self.class_names]
        self.register_buffer("ids", self._tokens(texts).to(clip.device), persistent=False)  # (C, T)
        self.register_buffer(
            "end", (self.ids == tokenizer.eos_token_id).int().argmax(-1), persistent=False
        )  # (C,)
        self.shared = shared_positions(self.ids, self.end, placeholder if class_specific else None)
        self._known: tuple[Tensor, Tensor] | None = None  # a context, and its class features

    def _tokens(self, texts: Sequence[str]) -> Tensor:
        """ids (C, T), padded to all the positions that the model has, as CLIP was trained."""
        tokenizer, room = (
            self.processor.tokenizer,
            self.clip.config.text_config.max_position_embeddings,
        )
        rows = tokenizer(list(texts))["input_ids"]
        longest = max(range(len(rows)), key=lambda number: len(rows[number]))
        if len(rows[longest]) > room:
            raise ValueError(
                f"“{self.class_names[longest]}” and its context need {len(rows[longest])} positions and this model has {room}: "
                "shorten the name or the context"
            )
        return tokenizer(list(texts), padding="max_length", max_length=room, return_tensors="pt")[
            "input_ids"
        ]

    @property
    def context(self) -> nn.Parameter:
        """(M, D) or (C, M, D)."""
        return self.embeddings.context

    def train(self, mode: bool = True) -> PromptedCLIP:
        """CLIP stays in eval mode: it is frozen, and its dropout too."""
        super().train(mode)
        self.clip.eval()
        return self

    def text_features(self, fast: bool = True) -> Tensor:
        """Unit text features (C, D), one for each class; the gradient reaches the context."""
        if fast:
            features = fast_features(self.clip, self.embeddings, self.ids, self.end, self.shared)
        else:
            features = plain_features(self.clip, self.embeddings, self.ids)
        return F.normalize(features, dim=-1)

    @torch.no_grad()
    def class_features(self) -> Tensor:
        """The same without gradient, computed once and again only when the context has changed."""
        now = self.context.detach()
        if (
            self._known is None
            or self._known[0].device != now.device
            or not torch.equal(self._known[0], now)
        ):
            self._known = (now.clone(), self.text_features())
        return self._known[1]

    def forward(self, pictures: Tensor | Sequence[Image.Image]) -> Tensor:
        """How well each picture fits each class: logits (B, C).

        pictures: images, or their unit features (B, D) of `image_features`, which need be computed only once.
        """
        features = (
            pictures
            if isinstance(pictures, Tensor)
            else encode_images(self.clip, self.processor, pictures)
        )
        texts = self.text_features() if torch.is_grad_enabled() else self.class_features()
        return self.clip.logit_scale.exp() * features @ texts.T

    def with_context(self, vectors: Tensor) -> PromptedCLIP:
        """The same classes behind other vectors, (M, D) or (C, M, D), of any length M."""
        return PromptedCLIP(
            self.clip,
            self.processor,
            self.class_names,
            vectors.shape[-2],
            vectors,
            self.position,
            vectors.dim() == 3,
        )

    @torch.no_grad()
    def predict(self, image: Image.Image) -> dict[str, float]:
        """The classes with their shares of one, the likeliest first."""
        shares = self([image]).softmax(-1)[0]  # (C,)
        return {
            self.class_names[i]: shares[i].item() for i in shares.argsort(descending=True).tolist()
        }

    @torch.no_grad()
    def accuracy(self, features: Tensor, labels: Tensor) -> float:
        """The share of the pictures, as unit features (N, D), that get their class (N,)."""
        return (self(features).argmax(-1) == labels).float().mean().item()

    def save(self, file: str | Path) -> None:
        """The context alone, as safetensors of a few KB, with what must be known to use it again."""
        notes = {
            "format": FORMAT,
            **identify_model(self.clip),
            "class_names": json.dumps(self.class_names, ensure_ascii=False),
            "position": self.position,
            "versions": json.dumps(
                {"torch": torch.__version__, "transformers": transformers.__version__}
            ),
        }
        write_tensors(Path(file), {"context": self.context}, notes)

    @classmethod
    def load(
        cls,
        file: str | Path,
        clip: CLIPModel,
        processor: CLIPProcessor,
        class_names: Sequence[str] | None = None,
    ) -> PromptedCLIP:
        """A saved context, with the class names it was learned for, or others if it does not belong to single classes.

        Raises ValueError for another model than the one it was learned on, and names both.
        """
        tensors, notes = read_tensors(Path(file))
        if notes.get("format") != FORMAT or "context" not in tensors:
            raise ValueError(
                f"{file} holds no learned context: name a file made by PromptedCLIP.save"
            )
        here = identify_model(clip)
        if any(notes.get(name) != here[name] for name in ("fingerprint", "width")):
            learned_on, this = (
                f"{model.get('model')} (width {model.get('width')}, fingerprint {model.get('fingerprint')})"
                for model in (notes, here)
            )
            raise ValueError(
                f"{file} was learned on {learned_on}, and this model is {this}: load the context onto the model it knows"
            )
        context, names = tensors["context"], tuple(json.loads(notes["class_names"]))
        if class_names is not None and context.dim() == 3 and tuple(class_names) != names:
            raise ValueError(
                f"{file} holds vectors for each of {', '.join(names)}: they say nothing about other classes"
            )
        return cls(
            clip, processor, names if class_names is None else class_names, context.shape[-2], context.to(clip.device),
            notes["position"], class_specific=context.dim() == 3,
        )  # fmt: skip


# --- learning ----------------------------------------------------------------------------------------------------------------------


def encode_hand_prompt(prompted: PromptedCLIP, template: str = "a photo of a {}.") -> Tensor:
    """Unit text features (C, D) of a hand-written prompt for the same classes."""
    return encode_texts(
        prompted.clip, prompted.processor, [template.format(name) for name in prompted.class_names]
    )


def train_context(
    prompted: PromptedCLIP,
    data: FewShot,
    config: training.TrainConfig | None = None,
    checkpoint: Path | None = None,
    regularisation: float = 0.0,
) -> Iterator[training.Evaluation]:
    """Learn the context from few examples; in the end `prompted` holds the one with the lowest validation loss.

    The test pictures are never looked at. regularisation: how strongly the class features are drawn back to those of "a photo of a {}", by
    their squared distance (KgCoOp: Yao et al. 2023, arXiv 2303.13283, with 8).
    """
    (images, labels), (checks, check_labels) = data.train, data.validation
    anchor = encode_hand_prompt(prompted) if regularisation else None

    def loss(rows: Tensor) -> Tensor:
        texts = prompted.text_features()  # (C, D)
        scores = prompted.clip.logit_scale.exp() * images[rows] @ texts.T  # (B, C)
        fit = F.cross_entropy(scores, labels[rows])
        return (
            fit
            if anchor is None
            else fit + regularisation * (texts - anchor).square().sum(-1).mean()
        )

    def validate() -> tuple[float, float]:
        scores = prompted(checks)  # (N, C)
        return F.cross_entropy(scores, check_labels).item(), (
            scores.argmax(-1) == check_labels
        ).float().mean().item()

    return training.train(
        prompted, len(labels), loss, validate, config or training.TrainConfig(), checkpoint
    )
