"""The models of all three modules together: what the command line and the tools above the modules list."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from LesionKitLib.models.registry import Model

LIBRARIES = ("CovidLungQuantLib", "StrokeSynthLib", "BodyPartRouterLib")


def installed_models() -> list[Model]:
    """The user's own and the bundled models; raises MissingResource for a damaged card."""
    from LesionKitLib.models.registry import list_models

    return list_models(LIBRARIES)
