"""Chosen files of a result, corrected or not: what the panel's Export writes. All of them or none."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence

from CovidLungQuantLib.labels import LESIONS, LUNGS
from LesionKitLib.io.atomic import atomic_folder

from .files import MEASUREMENTS, REPORT, SEGMENTATION, TABLE
from .result import CovidResult

LESION_MAP, LUNG_MAP = "lesions.nii.gz", "lungs.nii.gz"
KINDS = {  # what can be chosen -> its files
    "table": (TABLE, MEASUREMENTS),
    "report": (REPORT,),
    "labelmap": (LESION_MAP, LUNG_MAP),
    "segmentation": (SEGMENTATION,),
}


def export_files(
    result: CovidResult,
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


def _table(result: CovidResult, folder, _tags, editing) -> None:
    from CovidLungQuantLib.measurement.measurements import to_rows

    with (folder / TABLE).open("w", newline="", encoding="utf-8") as file:
        header, rows = to_rows(result.measurements)
        csv.writer(file).writerows([header, *rows])
    document = result.summary() | ({"editing": editing} if editing is not None else {})
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / MEASUREMENTS).write_text(text + "\n", encoding="utf-8")


def _report(result: CovidResult, folder, _tags, _editing) -> None:
    from CovidLungQuantLib.networks.registry import cards_of

    from .report import write_report

    write_report(result, folder / REPORT, cards_of(result.network))


def _label_maps(result: CovidResult, folder, _tags, _editing) -> None:
    from LesionKitLib.io.images import write_labelmap

    write_labelmap(folder / LESION_MAP, result.lesions, result.volume)
    write_labelmap(folder / LUNG_MAP, result.lungs, result.volume)


def _segmentation(result: CovidResult, folder, tags, _editing) -> None:
    from LesionKitLib.io.seg_nrrd import SegmentRecord, write_seg_nrrd

    # lungs and lesions overlap, so they lie in two layers
    records = [
        SegmentRecord.of(c, layer, tags.get(c.key)) for layer, group in enumerate((LUNGS, LESIONS)) for c in group
    ]
    write_seg_nrrd(folder / SEGMENTATION, [result.lungs, result.lesions], records, result.volume)
