"""Tokens as people read them: pieces of CLIP's vocabulary, and the tokens of a language model."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from helpers.language import say

WORD_END = "</w>"  # of the last piece of a word, in CLIP's vocabulary


def read_letters(piece: str) -> str:
    """A piece of CLIP's vocabulary, which stands for bytes, as letters; bytes that are no whole letter as numbers, like <E7>."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    byte_of = {chr(byte): byte for byte in plain} | {chr(256 + i): byte for i, byte in enumerate(others)}
    data = bytes(byte_of[letter] for letter in piece.removesuffix(WORD_END))
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "".join(f"<{byte:02X}>" for byte in data)


def name_token(tokenizer: Any, id: int | Tensor) -> str:
    """A language model's token for people: words in the place of the end of text and of white space."""
    if int(id) == tokenizer.eos_token_id:
        return name_end()
    return tokenizer.decode([int(id)]).strip() or say(en="(space)", zh="（空格）")


def name_end() -> str:
    """What stands for the end of text, which has no letters."""
    return say(en="end", zh="结束")
