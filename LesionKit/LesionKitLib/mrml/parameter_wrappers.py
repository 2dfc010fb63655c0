"""Python objects that must outlive their last use.

VTK (seen in 9.6) lets Python's garbage collector empty an observer that refers to the object that it observes, as soon
as nothing else in Python refers to that object, while VTK goes on calling it: the process crashes. Slicer's parameter
node wrappers observe their node in this way and never stop. So whoever wraps a parameter node takes it from here.
"""

from __future__ import annotations

_kept: dict[tuple[int, type], tuple] = {}


def wrapped(node, wrapper: type):
    """wrapper(node), the same object at every call for this node and class; neither is ever given up."""
    key = id(node), wrapper
    if key not in _kept:
        _kept[key] = node, wrapper(node)
    return _kept[key][1]
