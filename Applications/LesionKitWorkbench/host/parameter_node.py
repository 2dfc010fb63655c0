"""slicer.parameterNodeWrapper as far as a module's file needs it to load: the page keeps its choices itself."""

from __future__ import annotations


def parameterNodeWrapper(kind):
    """Leave the class as it is written."""
    return kind


class _Annotation:
    """Of a parameter's type, in Annotated[...]."""

    def __init__(self, *values, **named):
        self.values, self.named = values, named


class Choice(_Annotation):
    """One of these values."""


class Decimals(_Annotation):
    """Digits behind the point in the desktop's field."""


class SingleStep(_Annotation):
    """Of the desktop's arrows beside a field."""


class WithinRange(_Annotation):
    """From least to greatest value."""
