"""Attributes for screen readers and keyboards, which trame's widgets do not pass on by themselves."""

from __future__ import annotations

NAMES = ("role", "aria_label", "aria_pressed", "tabindex", "scope", "title", "alt")


def accessible(**attributes) -> dict:
    """To be spread into a widget's arguments: role, aria_label, aria_pressed, tabindex, scope or title."""
    unknown = set(attributes) - set(NAMES)
    if unknown:
        raise TypeError(f"Not an attribute for screen readers: {sorted(unknown)}")
    return {"__properties": [(name, name.replace("_", "-")) for name in attributes], **attributes}
