"""What lesson 00 says of stored numbers."""

from collections.abc import Iterator

from claims import Claim

CITED: dict[str, str] = {}


def claims() -> Iterator[Claim]:
    """Each phrase about a number that is stored, and not printed by a compared cell of the lesson."""
    yield from ()
