"""Every interactive explorer of the lessons, on top of `figures`; what they share is in `base`."""

from helpers.widgets.base import Explorer, LongWork, Sentence
from helpers.widgets.inside_clip import (
    accuracy_table,
    attention_explorer,
    class_map,
    configurations,
    contrastive_loss,
    mask_picture,
    matrix_explorer,
    patches_of,
    similarity_matrix,
    temperature_explorer,
    token_explorer,
    vision_attention,
)
from helpers.widgets.learning import first_vectors, prompts_as_vectors
from helpers.widgets.scenes import (
    labelled_pictures,
    picture_explorer,
    scene_explorer,
    scene_in_styles,
    scene_with_scores,
)

__all__ = [
    "Explorer",
    "LongWork",
    "Sentence",
    "accuracy_table",
    "attention_explorer",
    "class_map",
    "configurations",
    "contrastive_loss",
    "first_vectors",
    "labelled_pictures",
    "mask_picture",
    "matrix_explorer",
    "patches_of",
    "picture_explorer",
    "prompts_as_vectors",
    "scene_explorer",
    "scene_in_styles",
    "scene_with_scores",
    "similarity_matrix",
    "temperature_explorer",
    "token_explorer",
    "vision_attention",
]
