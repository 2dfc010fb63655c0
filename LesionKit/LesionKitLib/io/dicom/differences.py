"""The element that tells images at one place apart where no known trait does: any element may."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from .file import read_dicom_file
from .header import Frame
from .values import integer, readable_elements

Parts = list[tuple[str, list[Frame]]]

# of the person (their values are never shown), bulk data, and numbers that only count images
_PERSON_GROUP, _PIXEL_GROUPS = 0x0010, (0x7FE0, 0x6000)
_NEVER = {"InstanceNumber", "SOPInstanceUID", "SmallestImagePixelValue", "LargestImagePixelValue"}
_BULK_VRS = {"OB", "OW", "OF", "OD", "OL", "OV", "PN"}
_IDENTIFYING_VRS = {"UI", "DA", "TM", "DT"}
_LONGEST_BYTES = 1024  # of a private element: beyond it differences are not looked for
_LONGEST = 40  # characters of a value that is shown


def differing_element(
    frames: Sequence[Frame], is_clean: Callable[[list[Frame]], bool], most: int, identifiers: bool = False
) -> tuple[str, Parts] | None:
    """The element whose values part the frames into stacks, its name and [(value as text, frames)].

    is_clean: whether frames hold no two images of one place. Of several such elements that with the fewest values,
    public before private, then in the order of tags. identifiers: look at identifiers, dates and times, which say that
    images differ, but not in what, instead of all others. None where there is none with at most ``most`` values.
    """
    values = _values(frames, identifiers)
    found = []
    for tag in sorted({tag for one in values for tag in one}):
        parts: dict[str, list[Frame]] = defaultdict(list)
        for frame, one in zip(frames, values, strict=True):
            parts[one.get(tag, ("", ""))[1]].append(frame)
        if 1 < len(parts) <= most and all(map(is_clean, parts.values())):
            private = isinstance(tag, int) and bool(tag >> 16 & 1)
            name = next(one[tag][0] for one in values if tag in one)
            found.append((len(parts), private, float(tag), name, dict(parts)))
    if not found:
        return None
    *_, name, parts = min(found, key=lambda one: one[:3])
    shown = {value: _shown(value, n) for n, value in enumerate(sorted(parts, key=_sortable), start=1)}
    return name, [(shown[value], parts[value]) for value in shown]


def _values(frames: Sequence[Frame], identifiers: bool) -> list[dict]:
    """For each frame {tag: (name, value as text)}; dimensions of enhanced objects under the tag's place."""
    files: dict[Path, list[dict]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in dict.fromkeys(frame.path for frame in frames):
            files[path] = _file_values(path, identifiers)
    return [files[frame.path][min(frame.frame, len(files[frame.path]) - 1)] for frame in frames]


def _file_values(path: Path, identifiers: bool) -> list[dict]:
    data = read_dicom_file(path).data
    common = _flat(data, identifiers)
    groups = data.get("PerFrameFunctionalGroupsSequence") or ()
    pointers = [int(item.DimensionIndexPointer) for item in data.get("DimensionIndexSequence") or () if _points(item)]
    return [common | _frame_values(group, pointers, identifiers) for group in groups] or [common]


def _points(item) -> bool:
    return item.get("DimensionIndexPointer") is not None


def _frame_values(group, pointers: list[int], identifiers: bool) -> dict:
    values: dict = {}
    for macro in readable_elements(group):
        if macro.VR == "SQ" and len(macro.value or ()):
            values |= _flat(macro.value[0], identifiers)
    content = (group.get("FrameContentSequence") or [None])[0]
    indices = content.get("DimensionIndexValues") if content is not None else None
    if indices is not None:
        listed = [indices] if isinstance(indices, int) else list(indices)
        for pointer, index in zip(pointers, listed, strict=False):
            values[pointer + 0.5] = (f"index of {_name(pointer)}", str(integer(index)))  # .5: not the element itself
    values.pop(0x00209157, None)  # all indices at once: unique to each frame
    return values


def _flat(data, identifiers: bool) -> dict:
    values = {}
    for element in readable_elements(data):
        if element.tag.group == _PERSON_GROUP or element.tag.group in _PIXEL_GROUPS or element.VR in _BULK_VRS:
            continue
        wanted = (element.VR in _IDENTIFYING_VRS) == identifiers
        if wanted and element.VR != "SQ" and element.keyword not in _NEVER:
            values[int(element.tag)] = (_name(int(element.tag)), _plain(element.value))
    return values


def _plain(value) -> str:
    """A value as one line of its whole text; of bytes (private elements of unknown representation) their text."""
    if isinstance(value, bytes):
        value = value[:_LONGEST_BYTES].decode("ascii", errors="backslashreplace")
    many = not isinstance(value, str) and hasattr(value, "__iter__")
    return " ".join(" ".join(str(part) for part in (value if many else (value,))).split()).strip("\0 ")


def _name(tag: int) -> str:
    from pydicom.datadict import dictionary_description, dictionary_has_tag

    return dictionary_description(tag) if dictionary_has_tag(tag) else f"element ({tag >> 16:04x},{tag & 0xFFFF:04x})"


def _sortable(value: str) -> tuple:
    try:
        return (0, float(value), value)
    except ValueError:
        return (1, 0.0, value)


def _shown(value: str, index: int) -> str:
    """Short values as they are; long ones and identifiers by their number."""
    if not value:
        return "not given"
    try:
        return f"{float(value):g}"
    except ValueError:
        return value if len(value) <= _LONGEST and value.count(".") < 4 else f"no. {index}"
