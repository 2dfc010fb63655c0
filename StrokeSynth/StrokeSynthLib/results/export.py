"""Chosen files of a result, corrected or not: what the panel's Export writes. All of them or none."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence

from LesionKitLib.io.atomic import atomic_folder

from .files import MEASUREMENTS, OVERLAY, REPORT, SEGMENTATION, TABLE, card_of, segments
from .result import StrokeResult

LESION_MAP, BRAIN_MAP = "lesion.nii.gz", "brain.nii.gz"
KINDS = {  # what can be chosen -> its files
    "table": (TABLE, MEASUREMENTS),
    "report": (REPORT, OVERLAY),
    "labelmap": (LESION_MAP, BRAIN_MAP),
    "segmentation": (SEGMENTATION,),
}


def export_files(
    result: StrokeResult,
    folder: str | os.PathLike,
    kinds: Sequence[str],
    tags: dict[str, dict[str, str]] | None = None,
    editing: dict | None = None,
) -> list[str]:
    """Write the files of these kinds (keys of KINDS) into a folder; returns their names.

    tags: class key -> tags of that segment in the .seg.nrrd. editing: goes into the JSON under "editing". Files of the
    same names are replaced, others stay. Raises UnusableInput when the folder cannot be written to.
    """
    writers = {"table": _table, "report": _report, "labelmap": _label_maps, "segmentation": _segmentation}
    with atomic_folder(folder) as part:
        for kind in kinds:
            writers[kind](result, part, tags or {}, editing)
    return [name for kind in kinds for name in KINDS[kind]]


def _table(result: StrokeResult, folder, _tags, editing) -> None:
    from StrokeSynthLib.measurement.measurements import to_rows

    with (folder / TABLE).open("w", newline="", encoding="utf-8") as file:
        header, rows = to_rows(result.measurements)
        csv.writer(file).writerows([header, *rows])
    document = result.summary() | ({"editing": editing} if editing is not None else {})
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / MEASUREMENTS).write_text(text + "\n", encoding="utf-8")


def _report(result: StrokeResult, folder, _tags, _editing) -> None:
    from .report import save_overlay_png, write_report

    write_report(result, folder / REPORT, card_of(result))
    save_overlay_png(result, folder / OVERLAY)


def _label_maps(result: StrokeResult, folder, _tags, _editing) -> None:
    from LesionKitLib.io.images import write_labelmap

    write_labelmap(folder / LESION_MAP, result.lesion, result.volume)
    write_labelmap(folder / BRAIN_MAP, result.brain, result.volume)


def _segmentation(result: StrokeResult, folder, tags, _editing) -> None:
    from dataclasses import replace

    from LesionKitLib.io.seg_nrrd import write_seg_nrrd

    layers, records = segments(result)
    records = [replace(record, tags={**record.tags, **tags.get(record.id, {})}) for record in records]
    write_seg_nrrd(folder / SEGMENTATION, layers, records, result.volume)
