"""Settings for nbgrader's own tools (`nbgrader …`, formgrader) and for `course build` and `course grade`."""

c = get_config()  # noqa: F821  (nbgrader provides it)

c.CourseDirectory.course_id = "transfer_learning"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "notebooks"
# A release holds the notebook only: sources, answer banks and measurements stay behind.
c.CourseDirectory.ignore = [".ipynb_checkpoints", "__pycache__", "*.pyc", "answers", "*.py", ".partial-*"]

# Trainings and figures carry no points; without them a submission is graded in seconds.
c.Execute.skip_cells_with_tag = "experiment"
c.Execute.timeout = 30
c.Execute.shutdown_kernel = "immediate"
