"""The data of the course (reviews, glyphs, digits), a student's own, and balanced samples of any."""

from course_utils.datasets.glyphs import load_digits, load_glyphs
from course_utils.datasets.own import load_csv, load_hub, load_image_folder, load_npz, take
from course_utils.datasets.reviews import load_handwritten_reviews, load_reviews

__all__ = [
    "load_csv",
    "load_digits",
    "load_glyphs",
    "load_handwritten_reviews",
    "load_hub",
    "load_image_folder",
    "load_npz",
    "load_reviews",
    "take",
]
