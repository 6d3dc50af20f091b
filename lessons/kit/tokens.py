"""Pieces of CLIP's vocabulary as people read them."""

from __future__ import annotations

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
