"""What the notebooks import, and the tools of the course. Importing the package itself is cheap."""

from course_utils import torchvision_repair

__version__ = "0.1.0"
torchvision_repair.install()
