"""The tokenizers of the pocket models: CLIP's and GPT-2's own kinds, with every word whole.

Both write the files that transformers 4 reads (vocab.json, merges.txt) and those that version 5
reads (tokenizer.json).
BPE: Sennrich et al. 2016, arXiv 1508.07909.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from transformers import PreTrainedTokenizerFast

from pocket.corpus import list_vocabulary
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

START, END = "<|startoftext|>", "<|endoftext|>"
CLIP_WORDS = (
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
)


def write_clip_tokenizer(folder: Path) -> None:
    """Write CLIP's tokenizer for the world's words: lower case, words end in </w>, 77 positions."""
    splitter = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(CLIP_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    merges = _learn_merges(splitter, suffix="</w>")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = _number_tokens(
        [
            *alphabet,
            *[a + "</w>" for a in alphabet],
            *["".join(pair) for pair in merges],
            START,
            END,
        ]
    )
    tokenizer = Tokenizer(
        models.BPE(
            vocab, merges, unk_token=END, continuing_subword_prefix="", end_of_word_suffix="</w>"
        )
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = splitter
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(
        (END, vocab[END]), (START, vocab[START]), False, False
    )
    special = {"bos_token": START, "eos_token": END, "pad_token": END, "unk_token": END}
    _save(tokenizer, folder, "CLIPTokenizer", merges, model_max_length=77, **special)


def write_gpt2_tokenizer(folder: Path, positions: int) -> None:
    """Write GPT-2's tokenizer. A text starts as if after a space, so that no word has two rows."""
    splitter = pre_tokenizers.ByteLevel(add_prefix_space=True)
    merges = _learn_merges(splitter)
    vocab = _number_tokens(
        [*sorted(pre_tokenizers.ByteLevel.alphabet()), *["".join(pair) for pair in merges], END]
    )
    tokenizer = Tokenizer(
        models.BPE(vocab, merges, continuing_subword_prefix="", end_of_word_suffix="")
    )
    tokenizer.pre_tokenizer = splitter
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    special = {"bos_token": END, "eos_token": END, "pad_token": END, "unk_token": END}
    _save(
        tokenizer,
        folder,
        "GPT2Tokenizer",
        merges,
        model_max_length=positions,
        add_prefix_space=True,
        **special,
    )


def _learn_merges(splitter: pre_tokenizers.PreTokenizer, suffix: str = "") -> list[tuple[str, str]]:
    """Learn BPE's merges from the list of words, until every word is one token.

    The library's trainer breaks ties at random, so that two runs number the tokens differently:
    hence these few lines.
    """
    words = [list(splitter.pre_tokenize_str(word)[0][0]) for word in list_vocabulary()]
    for word in words:
        word[-1] += suffix
    merges = []
    while any(len(word) > 1 for word in words):
        counts = Counter(pair for word in words for pair in zip(word, word[1:]))
        best = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append(best)
        for word in words:
            i = 0
            while i < len(word) - 1:
                if (word[i], word[i + 1]) == best:
                    word[i : i + 2] = ["".join(best)]
                i += 1
    return merges


def _number_tokens(tokens: list[str]) -> dict[str, int]:
    return {token: i for i, token in enumerate(dict.fromkeys(tokens))}


def _save(
    tokenizer: Tokenizer, folder: Path, name: str, merges: list[tuple[str, str]], **settings: object
) -> None:
    """Save through the library, name the class that both majors know, and add version 4's files.

    Args:
        tokenizer: what is saved.
        folder: where.
        name: of the class.
        merges: in their order.
        settings: of the tokenizer.
    """
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **settings).save_pretrained(folder)
    vocab = dict(sorted(tokenizer.get_vocab().items(), key=lambda item: item[1]))
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *[" ".join(pair) for pair in merges]]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = {"tokenizer_class": name, "clean_up_tokenization_spaces": False, **settings}
    (folder / "tokenizer_config.json").write_text(
        json.dumps(config, indent=2) + "\n", encoding="utf-8"
    )
