"""What the numbers of a label map mean: the notations of TotalSegmentator, nnU-Net and MONAI."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from LesionKitLib.run.errors import UnusableInput

DATASET = "dataset.json"
NOTHING = ("", "background")


def names_in_nifti(path: Path) -> dict[int, str]:
    """Of a NIfTI file's header extension with a label table, as TotalSegmentator and Connectome Workbench write it."""
    import nibabel

    for extension in nibabel.load(path).header.extensions:
        content = extension.get_content()
        text = content.decode("utf-8", "replace") if isinstance(content, bytes) else str(content)
        if "<LabelTable" not in text:
            continue
        try:
            labels = ElementTree.fromstring(text.strip("\0 \n")).iter("Label")
            return {int(label.get("Key", "0")): (label.text or "").strip() for label in labels}
        except (ElementTree.ParseError, ValueError):
            return {}
    return {}


def names_in_json(path: Path) -> dict[int, str]:
    """Of an nnU-Net dataset.json (version 1: number -> name, version 2: name -> number or numbers) or a MONAI bundle's
    metadata.json (channel_def). Where several names have a number, the last, as nnU-Net's regions become finer.

    Raises UnusableInput where it is neither.
    """
    try:
        document = json.loads(path.read_text("utf-8"))
        labels = document["labels"] if "labels" in document else _channels(document)
        return {number: name for one, other in labels.items() for number, name in _pairs(one, other)}
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise UnusableInput(
            f"'{path.name}' names no labels (nnU-Net's dataset.json, MONAI's metadata.json)."
        ) from error


def _channels(document: Mapping) -> Mapping:
    (output,) = document["network_data_format"]["outputs"].values()
    return output["channel_def"]


def _pairs(one: str, other) -> list[tuple[int, str]]:
    if isinstance(other, str):
        return [(int(one), other)]
    return [(int(number), one) for number in (other if isinstance(other, list) else [other])]
