"""What lesson 00 says of stored numbers."""

from collections.abc import Iterator

from claims import Claim
from pocket.studies.first_vectors_study import load_study

CITED: dict[str, str] = {}


def claims() -> Iterator[Claim]:
    """Each phrase about a number that is stored, and not printed by a compared cell of the lesson."""
    study = load_study()
    first, hand = study.history.evaluations[0].validation_score, study.hand
    assert first > hand
    yield Claim(
        "as-good-as-a-word",
        f"The stored curve begins at {first:.0%}, above the {hand:.0%} of the words".replace("%", " %"),
        f"还什么都没学就有 {first:.0%}，比词语的 {hand:.0%} 还高",
    )
