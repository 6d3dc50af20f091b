"""Every interactive explorer of the lessons, on top of `figures`; what they share is in `base`."""

from helpers.widgets.base import Explorer, LongWork, Sentence
from helpers.widgets.faster import (
    break_even_explorer,
    cost_by_classes,
    cost_explorer,
    shared_explorer,
    timing_table,
    where_time_goes,
)
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
from helpers.widgets.learnable_context import (
    base_to_new_explorer,
    choices_explorer,
    context_study,
    gradient_table,
    inserting,
    shots_explorer,
    slots_explorer,
)
from helpers.widgets.learning import few_shot_training, first_vectors, prompts_as_vectors
from helpers.widgets.models import whose_numbers
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
    "base_to_new_explorer",
    "break_even_explorer",
    "choices_explorer",
    "class_map",
    "configurations",
    "context_study",
    "contrastive_loss",
    "cost_by_classes",
    "cost_explorer",
    "few_shot_training",
    "first_vectors",
    "gradient_table",
    "inserting",
    "labelled_pictures",
    "mask_picture",
    "matrix_explorer",
    "patches_of",
    "picture_explorer",
    "prompts_as_vectors",
    "scene_explorer",
    "scene_in_styles",
    "scene_with_scores",
    "shared_explorer",
    "shots_explorer",
    "similarity_matrix",
    "slots_explorer",
    "temperature_explorer",
    "timing_table",
    "token_explorer",
    "vision_attention",
    "whose_numbers",
    "where_time_goes",
]
