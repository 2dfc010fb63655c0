"""``lesionkit import``: a segmentation of another program or reader, to go on correcting."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from LesionKitCLI.shared.console import print_json
from LesionKitCLI.shared.options import add_json_option, add_output_option
from LesionKitCLI.shared.parser import add_command

SEGMENTATION, TABLE = "segmentation.seg.nrrd", "import.csv"
NONE = "none"


def add_parser(commands) -> None:
    parser = add_command(
        commands,
        "import",
        "bring a segmentation of another program onto an image, to go on correcting it",
        (
            "lesionkit import seg.dcm --image CT_FOLDER --output out",
            "lesionkit import TOTALSEGMENTATOR_FOLDER --image ct.nii.gz --output out",
            "lesionkit import nnunet.nii.gz --names dataset.json --image ct.nii.gz --match infection=ggo --output out",
        ),
    )
    parser.add_argument(
        "segmentation",
        type=Path,
        metavar="SEGMENTATION",
        help="DICOM SEG or RTSTRUCT, .seg.nrrd, a label map, or a folder of masks",
    )
    parser.add_argument("--image", required=True, metavar="INPUT", help="the image that it belongs to")
    parser.add_argument("--task", choices=("covid", "stroke"), default="covid", help="whose classes (default: covid)")
    parser.add_argument(
        "--names", type=Path, metavar="JSON", help="what labels mean: nnU-Net's dataset.json or MONAI's metadata.json"
    )
    parser.add_argument(
        "--match",
        action="append",
        default=[],
        metavar="NAME=CLASS",
        help="which class a segment is of; CLASS 'none' leaves it out (may be given several times)",
    )
    add_output_option(parser)
    add_json_option(parser, "which segment became which class")
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> None:
    from LesionKitLib.io.annotations.reading import imported, read_annotations
    from LesionKitLib.io.images import read_volume
    from LesionKitLib.io.seg_nrrd import write_seg_nrrd
    from LesionKitLib.report.files import rows_writer, write_files
    from LesionKitLib.run.errors import UnusableInput

    groups, synonyms = _classes(options.task)
    answers = _answers(options, {item.key for group in groups for item in group})
    image = read_volume(options.image)
    annotations = read_annotations(options.segmentation, image, options.names)
    unknown = set(answers) - {segment.name for segment in annotations.segments}
    if unknown:
        raise UnusableInput(f"The segmentation has no segment '{sorted(unknown)[0]}' (--match).")
    result = imported(annotations, groups, synonyms, answers)
    if result.questions and sys.stdin.isatty() and not options.json:
        answers |= {found.name: _asked(found) for found in result.questions}
        result = imported(annotations, groups, synonyms, answers)
    if result.questions:
        asked = " ".join(found.question for found in result.questions)
        raise UnusableInput(f"{asked} Answer by --match NAME=CLASS (or NAME={NONE}).")
    if not result.records:
        names = ", ".join(f"'{segment.name}'" for segment in annotations.segments[:10])
        raise UnusableInput(f"None of the segments ({names}) is one of {options.task}'s classes; see --match.")
    rows = [(found.name, found.found.key if found.found else "", found.by) for found in result.matches]
    write_files(
        options.output,
        {
            SEGMENTATION: lambda path: write_seg_nrrd(path, result.layers, result.records, image),
            TABLE: rows_writer(("segment", "class", "by"), rows),
        },
    )
    if options.json:
        found = [dict(zip(("segment", "class", "by"), row, strict=True)) for row in rows]
        print_json({"segments": found, "notes": list(result.notes)})
        return
    for name, key, by in rows:
        print(f"{name[:40]:42}{f'{key} (by {by})' if key else 'left out'}")
    for note in result.notes:
        print(note)


def _classes(task: str) -> tuple[list, Mapping]:
    """The classes of each label layer of the task's result, and their other names."""
    if task == "stroke":
        from StrokeSynthLib.labels import BRAIN, LESION, SYNONYMS

        return [[BRAIN], [LESION]], SYNONYMS
    from CovidLungQuantLib.labels import LESIONS, LUNGS, SYNONYMS

    return [LUNGS, LESIONS], SYNONYMS


def _answers(options: argparse.Namespace, keys: set[str]) -> dict[str, str]:
    answers = {}
    for text in options.match:
        name, _, key = text.rpartition("=")
        if not name or key not in {*keys, NONE}:
            known = ", ".join([*sorted(keys), NONE])
            options.parser.error(f"--match {text}: NAME=CLASS is needed, CLASS one of {known}")
        answers[name] = "" if key == NONE else key
    return answers


def _asked(found) -> str:
    keys = {candidate.key for candidate in found.candidates}
    while True:
        print(found.question, file=sys.stderr, end=" ", flush=True)
        answer = sys.stdin.readline().strip()
        if answer in keys:
            return answer
        if answer in ("", NONE):
            return ""
