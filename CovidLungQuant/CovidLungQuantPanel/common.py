"""What the sections share: timers, and slots that tell the user what went wrong."""

from LesionKitPanel.slots import qtTimer, showError, slot

__all__ = ["qtTimer", "showError", "slot"]
