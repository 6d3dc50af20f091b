"""Every interactive explorer of the lessons, on top of `figures`; what they share is in `base`."""

from helpers.widgets.base import Explorer, Sentence
from helpers.widgets.scenes import picture_explorer, scene_explorer, scene_in_styles, scene_with_scores

__all__ = ["Explorer", "Sentence", "picture_explorer", "scene_explorer", "scene_in_styles", "scene_with_scores"]
