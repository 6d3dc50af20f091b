"""What holds of scoring captions against the truth of their scenes."""

import pytest

from pocket import scoring
from pocket.language import write_full_caption
from pocket.world import Scene, Thing

CAT = Scene((Thing("cat", "red", "small"),), "beach", "photo")
TWO = Scene((Thing("cat", "red", "small"), Thing("key", "blue", "large")), "night", "painting")
SKETCH = Scene((Thing("dog", "green", "medium"),), "snow", "sketch")
SCENES = [CAT, TWO, SKETCH]


def test_the_full_caption_is_right_in_everything():
    found = scoring.score_caption([write_full_caption(scene) for scene in SCENES], SCENES)
    assert list(found) == list(scoring.KINDS)
    assert {(s.precision, s.recall) for s in found.values()} == {(1.0, 1.0)}
    assert (found["object"].true, found["colour"].true, found["count"].true) == (4, 3, 3)


def test_what_is_left_out_costs_recall_and_what_is_made_up_costs_precision():
    found = scoring.score_caption(
        ["a photo of a small red cat on the beach.", "a painting of a cat at night."], [CAT, TWO]
    )
    assert (found["object"].precision, found["object"].recall) == (1.0, pytest.approx(2 / 3))
    assert found["count"].right == 1 and found["background"].recall == found["style"].recall == 1.0
    found = scoring.score_caption(["a photo of a small red cat and a large blue key on the beach."], [CAT])
    assert (found["object"].precision, found["object"].recall, found["count"].right) == (0.5, 1.0, 0)


def test_a_colour_belongs_to_its_object():
    found = scoring.score_caption(["a painting of a large blue cat and a small red key at night."], [TWO])
    assert found["object"].right == 2 and found["colour"].right == found["size"].right == 0


def test_a_colour_that_nobody_can_see_is_not_asked_for():
    assert not any(fact[0] == "colour" for fact in scoring.list_expected_claims(SKETCH))


def test_a_text_that_says_nothing_scores_nothing():
    found = scoring.score_caption(["who knows?"], [CAT])
    assert all((s.claimed, s.right, s.precision, s.recall) == (0, 0, 0.0, 0.0) for s in found.values())


def test_a_caption_for_each_scene():
    with pytest.raises(ValueError):
        scoring.score_caption(["a cat."], SCENES)
