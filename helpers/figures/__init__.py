"""Every picture that the lessons show: functions from numbers to a `Picture`, which carries its alt text and its caption."""

from helpers.figures.base import (
    BLUE,
    GREY,
    INK,
    LOCK,
    MIN_ALT,
    SHARPNESS,
    SLATE,
    VERMILION,
    WIDTH,
    Picture,
    shorten,
    square,
)
from helpers.figures.inside_clip import (
    Position,
    attention_of_a_place,
    causal_mask,
    contrastive_matrices,
    picture_in_patches,
    shares_by_scale,
    similarity_heatmap,
    tokens_as_vectors,
)
from helpers.figures.learning import Run, learning_curve, rows_of_vectors
from helpers.figures.scores import picture_with_scores, pictures_with_guesses

__all__ = [
    "BLUE",
    "GREY",
    "INK",
    "LOCK",
    "MIN_ALT",
    "Picture",
    "SHARPNESS",
    "SLATE",
    "VERMILION",
    "WIDTH",
    "shorten",
    "square",
    "picture_with_scores",
    "pictures_with_guesses",
    "Run",
    "learning_curve",
    "rows_of_vectors",
    "Position",
    "attention_of_a_place",
    "causal_mask",
    "contrastive_matrices",
    "picture_in_patches",
    "shares_by_scale",
    "similarity_heatmap",
    "tokens_as_vectors",
]
