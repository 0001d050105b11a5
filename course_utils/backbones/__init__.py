"""Pretrained models: embedded in the course, from a local path, or from the Hugging Face hub."""

from course_utils.backbones.text import load_text
from course_utils.backbones.vision import load_vision

__all__ = ["load_text", "load_vision"]
