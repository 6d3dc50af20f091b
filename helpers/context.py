"""A learnable context for a frozen CLIP: vectors of our own where a prompt's words would stand.

This is how a float enters CLIP: a text becomes ids, the token table turns ids into vectors, and
`CLIPTextLearnableEmbeddings` overwrites some of those vectors with its own, before the positions
are added and the frozen tower reads them.
CoOp: Zhou et al. 2022, arXiv 2109.01134. Taken apart in lesson 02.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPModel, CLIPProcessor
from transformers.models.clip.modeling_clip import CLIPTextEmbeddings

from helpers.checkpoint import CONTEXT, check_models, check_tensor, read_learned, write_learned
from helpers.data import FewShot
from helpers.fast_text import count_shared, encode_fast
from helpers.language import LearnerError, check_choice, say
from helpers.pretrained import encode_images, encode_texts, identify_model, read_class_names
from helpers.training import Evaluation, TrainConfig, train

Position = Literal["end", "middle", "front"]  # where the class name stands


# --- what can go wrong ---------------------------------------------------------------------------


class SlotMismatch(LearnerError):
    """Text number `text` has `have` slots, and there are vectors for `need`."""

    key = "slot_mismatch"


class TooLong(LearnerError):
    """The class name `text` and its context need `need` positions, and the model has `room`."""

    key = "too_long"


class InitMismatch(LearnerError):
    """The `words` that a context is to begin as are `have` `tokens`, and it has `need` vectors."""

    key = "init_mismatch"


# --- the embeddings that let vectors in ----------------------------------------------------------


class CLIPTextLearnableEmbeddings(CLIPTextEmbeddings):
    """CLIP's text embeddings, with vectors of our own in the slots, where placeholders stand.

    Everything else stays: the two tables are the trained ones themselves, and the position is added
    to words and vectors alike. `context`, (M, D) for all texts or (C, M, D) with vectors for each
    text, is the only new parameter.
    Taken apart in lesson 02, section 3.
    """

    def __init__(
        self, trained: CLIPTextEmbeddings, context: Tensor, placeholder: int, end_of_text: int
    ) -> None:
        """Share the trained tables, and copy the context.

        Args:
            trained: the embeddings that the model came with.
            context: the vectors to begin with, (M, D) or (C, M, D).
            placeholder: the id that marks a slot.
            end_of_text: the id of the end of text.

        Raises:
            ValueError: the vectors have another width; or the placeholder's id is not below that of
                the end of text, so that models which look for the largest id, as OpenAI's do, would
                take it for the end.
        """
        nn.Module.__init__(self)  # not the parent's, which would make two new tables
        width = trained.token_embedding.embedding_dim
        if context.dim() not in (2, 3) or context.shape[-1] != width:
            have = tuple(context.shape)
            raise LearnerError(key="context_shape", have=have, width=width)
        if placeholder >= end_of_text:
            raise LearnerError(
                key="placeholder_too_large", placeholder=placeholder, end_of_text=end_of_text
            )
        self.token_embedding = trained.token_embedding
        self.position_embedding = trained.position_embedding
        self.register_buffer("position_ids", trained.position_ids, persistent=False)
        # in fp32 even where the model computes in fp16 or bf16: the steps of learning are small
        self.context = nn.Parameter(context.detach().float().clone())
        self.placeholder = placeholder

    def forward(
        self,
        input_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
    ) -> Tensor:
        """ids (C, T), with M placeholders in each row, to vectors (C, T, D).

        Raises:
            SlotMismatch: a row does not have M placeholders.
            ValueError: the texts are too long for the model, or not as many as the contexts.
        """
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
            raise LearnerError(key="texts_too_long", length=length, room=room)
        if self.context.dim() == 3 and len(self.context) != texts:
            own = len(self.context)
            raise LearnerError(key="other_number_of_texts", texts=texts, own=own)
        have, need = slots.sum(-1), self.context.shape[-2]  # (C,)
        for text in (have != need).nonzero().flatten().tolist():
            raise SlotMismatch(text=text, have=int(have[text]), need=need)


def overwrite(words: Tensor, slots: Tensor, context: Tensor) -> Tensor:
    """Put the context (M, D) or (C, M, D) into the slots (C, T) of words (C, T, D).

    Each row has M slots; gives (C, T, D).

    Taken apart in lesson 02, section 2.
    """
    each = context.to(words.dtype).expand(len(words), -1, -1)  # (C, M, D)
    return words.masked_scatter(slots[..., None], each)


@contextmanager
def swap_embeddings(clip: CLIPModel, embeddings: CLIPTextEmbeddings) -> Iterator[None]:
    """Within, CLIP reads texts by these embeddings; afterwards by its own again."""
    original = clip.text_model.embeddings
    clip.text_model.embeddings = embeddings
    try:
        yield
    finally:
        clip.text_model.embeddings = original


def encode_plain(clip: CLIPModel, embeddings: CLIPTextEmbeddings, ids: Tensor) -> Tensor:
    """Turn ids (C, T) into text features (C, D) by the library's own model, padding and all."""
    with swap_embeddings(clip, embeddings):
        pooled = clip.text_model(input_ids=ids).pooler_output  # (C, Dt)
    return clip.text_projection(pooled)


# --- the prompts, and the vectors to begin with --------------------------------------------------


def fill_prompt(words: Sequence[str], class_name: str, position: Position) -> str:
    """Put words around the class name: "a photo of a" and "cat" to "a photo of a cat.".

    "_" in the name is a blank, as in CoOp. There, in the middle and in front, a name is joined with
    the full stop before it is moved, so one that ends in punctuation, "U.S.", gets other tokens
    than here, where they are those of the text as it stands; at the end they are the same.
    """
    check_choice("position", position, "end", "middle", "front")
    before = {"end": len(words), "middle": len(words) // 2, "front": 0}[position]
    name = class_name.replace("_", " ")
    return " ".join([*words[:before], name, *words[before:]]) + "."


def find_placeholder(tokenizer: Any, class_names: Sequence[str]) -> tuple[str, int]:
    """Find a word of one token for the slots, and its id.

    It stands in no class name, and its id is smaller than that of the end of text.
    """
    names = tokenizer(list(class_names))["input_ids"]
    taken = {*tokenizer.all_special_ids, *(number for ids in names for number in ids)}
    for token in ("x", *sorted(tokenizer.get_vocab())):
        word = token.removesuffix("</w>")
        ids = tokenizer(f"{word} {word}", add_special_tokens=False)["input_ids"]
        # letters only: "*" would melt into the full stop after it
        single = word.isalpha() and len(ids) == 2 and ids[0] == ids[1]
        if single and ids[0] not in taken and ids[0] < tokenizer.eos_token_id:
            return word, ids[0]
    raise LearnerError(key="no_placeholder")


def repeat_words(words: str, length: int) -> str:
    """Take the last `length` of these words, repeated if they are fewer.

    Of "a photo of a" the last two are "of a", and eight are it twice.
    The last ones, since those stand next to a class name at the end. With words of one token each,
    the length is that of a context.
    """
    phrase = words.split()
    return " ".join((length * phrase)[-length:])


def initialise_context(
    init: str | Tensor,
    shape: tuple[int, ...],
    table: Tensor,
    tokenizer: Any,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The vectors that a context begins with. Their choice is compared in lesson 02, section 7.

    Args:
        init: "random", words of M tokens, or a tensor (M, D) or (C, M, D).
        shape: (M, D) or (C, M, D).
        table: token embeddings (V, D); random vectors are as large as their numbers.
        tokenizer: of the same model.
        generator: of the random numbers.

    Raises:
        InitMismatch: the words are not M tokens.
        ValueError: the tensor has another shape.
    """
    if isinstance(init, Tensor):
        if init.shape not in (shape, shape[-2:]):
            raise LearnerError(key="init_shape", have=tuple(init.shape), shape=shape)
        return init.detach().expand(shape).clone()
    if init == "random":
        return torch.randn(shape, generator=generator).to(table.device) * table.std()
    ids = tokenizer(init, add_special_tokens=False)["input_ids"]
    if len(ids) != shape[-2]:
        words = [token.removesuffix("</w>") for token in tokenizer.convert_ids_to_tokens(ids)]
        raise InitMismatch(words=init, have=len(ids), tokens=", ".join(words), need=shape[-2])
    return table[ids].expand(shape).clone()


# --- CLIP with a learnable context ---------------------------------------------------------------


class PromptedCLIP(nn.Module):
    """A frozen CLIP that scores pictures against class names behind a learnable context.

    What learns is `context`, (M, D) or (C, M, D); CLIP is left as it was. Taken apart in
    lesson 02, sections 4 and 5. Beside CoOp's: what differs in the tokens says `fill_prompt`; its
    nearest words are by Euclidean distance, those of lesson 04 by cosine unless told otherwise.
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
        """Freeze the model and prepare a text of every class.

        Args:
            clip: the model; it is frozen.
            processor: of the same model.
            class_names: C names, of which no two may be the same to the tokenizer.
            context_length: M, in tokens.
            init: what the context begins as: "random", words of M tokens, or a tensor.
            position: where the class name stands.
            class_specific: whether each class gets vectors of its own.
            generator: of the random numbers.

        Raises:
            TooLong: a text has more positions than the model.
            InitMismatch: the words of `init` are not M tokens.
            ValueError: something else of these does not fit.
        """
        super().__init__()
        if isinstance(class_names, str) or not class_names:
            raise LearnerError(key="no_list_of_names", class_names=class_names)
        self.clip, self.processor = clip.requires_grad_(False).eval(), processor
        tokenizer, trained = processor.tokenizer, clip.text_model.embeddings
        self.class_names = read_class_names(class_names, tokenizer)
        self.position = position
        table = trained.token_embedding.weight  # (V, D)
        word, placeholder = find_placeholder(tokenizer, self.class_names)
        shape = (context_length, table.shape[1])
        if class_specific:
            shape = (len(self.class_names), *shape)
        context = initialise_context(init, shape, table, tokenizer, generator)
        eos = tokenizer.eos_token_id
        self.embeddings = CLIPTextLearnableEmbeddings(trained, context, placeholder, eos)
        texts = [fill_prompt([word] * context_length, name, position) for name in self.class_names]
        ids = self._tokenize(texts).to(clip.device)  # (C, T)
        end = (ids == eos).int().argmax(-1)  # (C,)
        self.register_buffer("ids", ids, persistent=False)
        self.register_buffer("end", end, persistent=False)
        self.shared = count_shared(ids, end, placeholder if class_specific else None)
        self._known: tuple[Tensor, Tensor] | None = None  # a context, and its class features

    def _tokenize(self, texts: Sequence[str]) -> Tensor:
        """ids (C, T), padded to all the positions that the model has, as CLIP was trained."""
        tokenizer = self.processor.tokenizer
        room = self.clip.config.text_config.max_position_embeddings
        lengths = [len(ids) for ids in tokenizer(list(texts))["input_ids"]]
        need = max(lengths)
        if need > room:
            raise TooLong(text=self.class_names[lengths.index(need)], need=need, room=room)
        padded = tokenizer(list(texts), padding="max_length", max_length=room, return_tensors="pt")
        return padded["input_ids"]

    @property
    def context(self) -> nn.Parameter:
        """(M, D) or (C, M, D)."""
        return self.embeddings.context

    def train(self, mode: bool = True) -> PromptedCLIP:
        """CLIP stays in eval mode: it is frozen, and its dropout is off."""
        super().train(mode)
        self.clip.eval()
        return self

    def text_features(self, fast: bool = True) -> Tensor:
        """Unit text features (C, D), one for each class; the gradient reaches the context."""
        if fast:
            features = encode_fast(self.clip, self.embeddings, self.ids, self.end, self.shared)
        else:
            features = encode_plain(self.clip, self.embeddings, self.ids)
        return F.normalize(features, dim=-1)

    @torch.no_grad()
    def class_features(self) -> Tensor:
        """The same without gradient, computed once and again only when the context has changed."""
        now = self.context.detach()
        known = self._known
        if known is None or known[0].device != now.device or not torch.equal(known[0], now):
            self._known = (now.clone(), self.text_features())
        return self._known[1]

    def forward(self, pictures: Tensor | Sequence[Image.Image]) -> Tensor:
        """How well each picture fits each class: logits (B, C), cosines times CLIP's own scale.

        pictures: images, or their unit features (B, D), which never change and need be computed
            only once.
        """
        if not isinstance(pictures, Tensor):
            pictures = encode_images(self.clip, self.processor, pictures)  # (B, D)
        texts = self.text_features() if torch.is_grad_enabled() else self.class_features()  # (C, D)
        return self.clip.logit_scale.exp() * pictures @ texts.T

    def with_context(self, vectors: Tensor) -> PromptedCLIP:
        """The same classes behind other vectors, (M, D) or (C, M, D), of any length M."""
        own, length = vectors.dim() == 3, vectors.shape[-2]
        return PromptedCLIP(
            self.clip, self.processor, self.class_names, length, vectors, self.position, own
        )

    @torch.no_grad()
    def predict(self, image: Image.Image) -> dict[str, float]:
        """The probabilities of the classes, the likeliest first."""
        probabilities = self([image]).softmax(-1)[0]  # (C,)
        order = probabilities.argsort(descending=True).tolist()
        return {self.class_names[i]: probabilities[i].item() for i in order}

    @torch.no_grad()
    def accuracy(self, features: Tensor, labels: Tensor) -> float:
        """The share of pictures, as unit features (N, D), that get their class (N,)."""
        return (self(features).argmax(-1) == labels).float().mean().item()

    def save(self, file: str | Path) -> None:
        """Write the context alone, with all that is needed to use it. Lesson 02, section 9."""
        names = json.dumps(self.class_names, ensure_ascii=False)
        notes = {**identify_model(self.clip), "class_names": names, "position": self.position}
        write_learned(Path(file), CONTEXT, {"context": self.context}, notes)

    @classmethod
    def load(
        cls,
        file: str | Path,
        clip: CLIPModel,
        processor: CLIPProcessor,
        class_names: Sequence[str] | None = None,
    ) -> PromptedCLIP:
        """A saved context on the model that it was learned on.

        Args:
            file: as `save` wrote it.
            clip: the model it was learned on.
            processor: of the same model.
            class_names: other classes than it was learned for; None: the same.

        Raises:
            WrongModel: the context was learned on another model.
            ValueError: the file is something else, or holds vectors for each class and
                the classes are others.
        """
        tensors, notes = read_learned(Path(file), CONTEXT)
        here = identify_model(clip)
        check_models(Path(file), CONTEXT, notes, {"": here})
        shape = "M", int(here["width"])
        context = check_tensor(Path(file), tensors, "context", shape, ("C", *shape)).to(clip.device)
        own, read = context.dim() == 3, partial(read_class_names, tokenizer=processor.tokenizer)
        names = read(json.loads(notes["class_names"]))
        if class_names is not None and own and read(class_names) != names:
            raise LearnerError(
                key="other_classes", file=file, names=say(en=", ", zh="、").join(names)
            )
        chosen = names if class_names is None else class_names
        length, position = context.shape[-2], notes["position"]
        return cls(clip, processor, chosen, length, context, position, own)


# --- learning ------------------------------------------------------------------------------------


def encode_hand_prompt(prompted: PromptedCLIP, template: str = "a photo of a {}.") -> Tensor:
    """Unit text features (C, D) of a hand-written prompt for the same classes."""
    texts = [template.format(name) for name in prompted.class_names]
    return encode_texts(prompted.clip, prompted.processor, texts)


def train_context(
    prompted: PromptedCLIP,
    data: FewShot,
    config: TrainConfig | None = None,
    checkpoint: Path | None = None,
    regularisation: float = 0.0,
) -> Iterator[Evaluation]:
    """Learn the context from few pictures, and yield each evaluation as it is made.

    Test pictures are never used. In the end `prompted` holds the context with the lowest validation
    loss. Taken apart in lesson 02, section 5.

    Args:
        prompted: whose context learns.
        data: features and labels to learn from and to validate on.
        config: how to train; by default as everywhere in the lessons.
        checkpoint: a file from which an interrupted training resumes.
        regularisation: weight of the squared distance between the class features and those of "a
            photo of a {}." (KgCoOp: Yao et al. 2023, arXiv 2303.13283, with 8).

    Raises:
        LossNotFinite: the loss is infinite or no number.
    """
    (features, labels), (check_features, check_labels) = data.train, data.validation
    anchor = encode_hand_prompt(prompted) if regularisation else None  # (C, D)

    def loss(rows: Tensor) -> Tensor:
        texts = prompted.text_features()  # (C, D)
        logits = prompted.clip.logit_scale.exp() * features[rows] @ texts.T  # (B, C)
        cross_entropy = F.cross_entropy(logits, labels[rows])
        if anchor is None:
            return cross_entropy
        return cross_entropy + regularisation * (texts - anchor).square().sum(-1).mean()

    def validate() -> tuple[float, float]:
        logits = prompted(check_features)  # (N, C)
        right = (logits.argmax(-1) == check_labels).float().mean()
        return F.cross_entropy(logits, check_labels).item(), right.item()

    config = config or TrainConfig()
    return train(prompted, len(labels), loss, validate, config, checkpoint)
