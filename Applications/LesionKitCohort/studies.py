"""Which studies a batch has: from folders, files, a manifest, or an fsspec address."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from LesionKitLib.run.errors import UnusableInput

LONGEST_ID = 200  # characters; the names of files are made of it


@dataclass(frozen=True)
class Study:
    """id: unique in the batch, the first column of its table; path: a file, a folder or an fsspec address."""

    id: str
    path: str

    @property
    def file_name(self) -> str:
        """The id as a name that every file system takes."""
        return quote(self.id, safe=" ")


def studies_of(inputs: Sequence[str], single_files: bool = False) -> list[Study]:
    """The studies of all inputs, in a fixed order, each with an id of its own.

    inputs: a CSV manifest (column ``path``, relative to the manifest's folder, and if wanted ``id``), a folder, a file,
    or an fsspec address (s3://..., file://...). A folder that holds DICOM files is one study; of any other each entry
    is one. single_files: each file below a folder is one, as for X-rays. Raises UnusableInput.
    """
    found = [study for text in inputs for study in _of_input(text, single_files)]
    if not found:
        raise UnusableInput("There are no studies in the inputs.")
    return _with_own_ids(found)


def _of_input(text: str, single_files: bool) -> Iterable[Study]:
    if "://" in text:
        return _of_address(text)
    path = Path(text)
    if not path.exists():
        raise UnusableInput(f"The input '{path.name}' does not exist.")
    if path.suffix.lower() == ".csv":
        return _of_manifest(path)
    if path.is_file():
        return [_study(path)]
    if single_files:
        return [_study(file) for file in sorted(path.rglob("*")) if file.is_file() and not _hidden(file)]
    return _of_folder(path)


def _of_folder(folder: Path) -> list[Study]:
    from LesionKitLib.io.dicom.header import is_dicom

    entries = [entry for entry in sorted(folder.iterdir()) if not _hidden(entry)]
    if any(entry.is_file() and is_dicom(entry) for entry in entries):
        return [_study(folder)]
    return [
        _study(entry) for entry in entries if entry.is_dir() or entry.suffix.lower() not in (".csv", ".json", ".txt")
    ]


def _of_manifest(manifest: Path) -> Iterator[Study]:
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UnusableInput("The manifest is not a CSV table in UTF-8.") from error
    if not rows or "path" not in rows[0]:
        raise UnusableInput("The manifest has no column 'path'.")
    for row in rows:
        where = (row["path"] or "").strip()
        if where:
            path = where if "://" in where else str(manifest.parent / where)
            yield Study((row.get("id") or "").strip() or _study(Path(where)).id, path)


def _of_address(address: str) -> list[Study]:
    """Each entry of the address is a study; the address itself where it is a file."""
    import fsspec

    try:
        system, path = fsspec.core.url_to_fs(address)
        names = [path] if system.isfile(path) else sorted(system.ls(path, detail=False))
    except (OSError, ValueError, ImportError) as error:
        raise UnusableInput(f"The address cannot be listed: {type(error).__name__}.") from error
    return [Study(_study(Path(name)).id, system.unstrip_protocol(name)) for name in names if not _hidden(Path(name))]


def _study(path: Path) -> Study:
    return Study(path.name or path.resolve().name, str(path))


def _hidden(path: Path) -> bool:
    return path.name.startswith(".")


def _with_own_ids(found: Sequence[Study]) -> list[Study]:
    """Studies of the same id are numbered: name, name-2, ..."""
    taken: set[str] = set()
    result = []
    for study in found:
        if len(study.id) > LONGEST_ID or study.id in (".", ".."):
            raise UnusableInput("The id of a study is no name of at most 200 characters.")
        own, number = study.id, 1
        while own in taken:
            number += 1
            own = f"{study.id}-{number}"
        taken.add(own)
        result.append(Study(own, study.path))
    return result
