"""Commands that take several inputs: a folder of results for each, and an error of one does not stop the others."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

ENDINGS = (".gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".dcm")


def output_folders(inputs: list[str], output: str) -> list[tuple[str, Path]]:
    """Each input with the folder for its results: ``output`` for a single one, else one below it of the input's name.

    Inputs of the same name are numbered.
    """
    if len(inputs) == 1:
        return [(inputs[0], Path(output))]
    folders: dict[str, str] = {}
    for path in inputs:
        name = base = _name_of(path)
        number = 1
        while name in folders:
            number += 1
            name = f"{base}-{number}"
        folders[name] = path
    return [(path, Path(output) / name) for name, path in folders.items()]


def _name_of(path: str) -> str:
    place = Path(path)
    name = place.name or place.resolve().name
    while Path(name).suffix.lower() in ENDINGS:
        name = Path(name).stem
    return name or "image"


def each_input(places: list[tuple[str, Path]], work: Callable[[str, Path], None]) -> int:
    """work(input, folder) for every place; returns the exit code.

    The error of a single input is raised. Of several, unusable ones are told on stderr, and the code is theirs.
    """
    from LesionKitLib.run.errors import UnusableInput

    if len(places) == 1:
        work(*places[0])
        return 0
    failed = 0
    for path, folder in places:
        try:
            work(path, folder)
        except UnusableInput as error:
            failed += 1
            print(f"lesionkit: {path}: {error}", file=sys.stderr)
    if failed:
        raise UnusableInput(f"{failed} of {len(places)} inputs could not be used.")
    return 0
