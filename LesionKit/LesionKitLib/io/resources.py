"""Where a library's resources lie: templates, fonts, atlases."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from LesionKitLib.run.errors import MissingResource


def resource(library: str, *parts: str) -> Path:
    """The file ``Resources/<parts>`` of a library, such as resource("LesionKitLib", "Report", "report.css").

    A wheel carries Resources inside the library; a source tree and 3D Slicer's install hold it beside the library.
    Raises MissingResource when neither place has the file.
    """
    found = importlib.util.find_spec(library)
    for place in (found.submodule_search_locations or []) if found else []:
        for folder in (Path(place) / "Resources", Path(place).parent / "Resources"):
            path = folder.joinpath(*parts)
            if path.is_file():
                return path
    raise MissingResource(f"The file '{'/'.join(parts)}' of LesionKit is missing; install LesionKit again.")
