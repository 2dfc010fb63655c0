"""The errors that users meet. Each message is one sentence that a radiologist understands."""


class UnusableInput(ValueError):
    """The image cannot be analyzed (command line: exit code 3)."""


class MissingResource(RuntimeError):
    """A model file or a Python package is missing or damaged (command line: exit code 4)."""


class Cancelled(Exception):
    """The user asked to stop (command line: exit code 130)."""
