"""``lesionkit worklist``: the cases that readers correct, their states, and what training takes from them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from LesionKitCLI.shared.console import print_json
from LesionKitCLI.shared.options import add_json_option, add_output_option, positive, whole_number
from LesionKitCLI.shared.parser import Parser, add_command

# Of LesionKitCohort.worklist.store and exports, which are imported when they are needed.
STATES = ("open", "in progress", "reviewed", "needs a second reader")
FORMATS = ("nnunet", "monai", "coco")
EXAMPLES = {
    "create": "create WORKLIST CT_FOLDERS",
    "next": "next WORKLIST --reader anna",
    "previous": "previous WORKLIST --reader anna",
    "skip": "skip WORKLIST --reader anna",
    "list": "list WORKLIST --json",
    "save": "save WORKLIST CASE --reader anna --segmentation mine.seg.nrrd --state reviewed",
    "export": "export WORKLIST --format nnunet --output Dataset501_Lesions",
}


def add_parser(commands) -> None:
    parser = add_command(
        commands,
        "worklist",
        "keep the cases that readers correct: next, state, time and edits; export for training",
        tuple(f"lesionkit worklist {EXAMPLES[name]}" for name in ("create", "next", "save", "export")),
    )
    tasks = parser.add_subparsers(dest="task", required=True, metavar="TASK")
    _add_create(tasks)
    for name, text in (("next", "the case to read now"), ("previous", "the case before"), ("skip", "leave for later")):
        _add(tasks, name, text, _step, ("reader",))
    _add(tasks, "list", "all cases with states, times and edits", _list)
    _add_save(tasks)
    _add_export(tasks)


def _add(tasks, name: str, text: str, run: Callable, with_: Sequence[str] = ()) -> Parser:
    parser = add_command(tasks, name, text, (f"lesionkit worklist {EXAMPLES[name]}",))
    parser.add_argument("worklist", type=Path, metavar="WORKLIST", help="the worklist's folder")
    if "case" in with_:
        parser.add_argument("case", metavar="CASE", help="a case's id")
    if "reader" in with_:
        parser.add_argument("--reader", required=True, metavar="NAME", help="who reads")
    add_json_option(parser, "the same")
    parser.set_defaults(run=run)
    return parser


def _add_create(tasks) -> None:
    parser = _add(tasks, "create", "make a worklist of cases", _create)
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUTS",
        help="folders, files, a CSV table (path; if wanted id, patient, prediction, doubt) or an fsspec address",
    )
    parser.add_argument("--order", choices=("position", "doubt"), default="position", help="most doubtful cases first")
    parser.add_argument("--readers", type=positive, default=1, metavar="N", help="of each case (default: 1)")


def _add_save(tasks) -> None:
    parser = _add(tasks, "save", "keep a reader's segmentation, edits and state of a case", _save, ("case", "reader"))
    parser.add_argument("--segmentation", type=Path, metavar="FILE", help="a .seg.nrrd")
    parser.add_argument("--edits", type=whole_number, default=0, metavar="N", help="since it was saved last")
    parser.add_argument("--state", choices=STATES, help="and close the case in this state")


def _add_export(tasks) -> None:
    parser = _add(tasks, "export", "write the reviewed cases for training", _export)
    parser.add_argument("--format", choices=FORMATS, required=True, help="nnU-Net v2, MONAI datalist or COCO")
    parser.add_argument("--modality", default="CT", help="name of the images' channel (default: CT)")
    parser.add_argument("--segments", metavar="ID,ID", help="which, in the order of their labels (default: all)")
    parser.add_argument("--folds", type=positive, default=5, metavar="N", help="by patient (default: 5)")
    parser.add_argument("--seed", type=whole_number, default=0, metavar="N", help="of the folds (default: 0)")
    add_output_option(parser)


def _create(options: argparse.Namespace) -> None:
    from LesionKitCohort.worklist.cases import cases_of
    from LesionKitCohort.worklist.store import Worklist

    worklist = Worklist.create(options.worklist, cases_of(options.inputs, options.order), options.readers)
    _list(argparse.Namespace(worklist=worklist.folder, json=options.json))


def _step(options: argparse.Namespace) -> None:
    from LesionKitCohort.worklist.store import Worklist

    case = getattr(Worklist.open(options.worklist), options.task)(options.reader)
    if options.json:
        print_json({"case": _plain(case) if case else None})
        return
    if case is None:
        print("There is no such case.")
        return
    print(f"{case.id}: {case.image}" + (f" (begin with {case.prediction})" if case.prediction else ""))


def _list(options: argparse.Namespace) -> None:
    from LesionKitCohort.worklist.store import Worklist

    worklist = Worklist.open(options.worklist)
    cases, readings = worklist.cases(), worklist.readings()
    if options.json:
        rows = [
            {"case": r.case_id, "reader": r.reader, "state": r.state, "seconds": r.seconds, "edits": r.edits,
             "file": str(r.file) if r.file else None, "changed": r.changed}
            for r in readings
        ]  # fmt: skip
        print_json({"cases": [_plain(case) for case in cases], "readings": rows})
        return
    print(f"{'case':30}{'reader':16}{'state':24}{'minutes':>9}{'edits':>7}")
    for case in cases:
        own = [reading for reading in readings if reading.case_id == case.id]
        for r in own:
            print(f"{case.id[:29]:30}{r.reader[:15]:16}{r.state:24}{r.seconds / 60:9.1f}{r.edits:7}")
        if not own:
            print(f"{case.id[:29]:30}{'':16}{STATES[0]:24}")


def _plain(case) -> dict:
    return {name: getattr(case, name) for name in ("id", "image", "patient", "prediction", "doubt")}


def _save(options: argparse.Namespace) -> None:
    from LesionKitCohort.worklist.store import Worklist
    from LesionKitLib.io.seg_nrrd import read_seg_nrrd

    if options.segmentation is not None:
        read_seg_nrrd(options.segmentation)  # a damaged file must not take the place of a whole one
    worklist = Worklist.open(options.worklist)
    worklist.save(options.case, options.reader, options.segmentation, options.edits)
    if options.state:
        worklist.finish(options.case, options.reader, options.state)
    _list(options)


def _export(options: argparse.Namespace) -> None:
    from LesionKitCohort.worklist.exports import export
    from LesionKitCohort.worklist.store import Worklist
    from LesionKitCohort.worklist.training import reviewed

    examples = reviewed(Worklist.open(options.worklist))
    segments = options.segments.split(",") if options.segments else None
    split = export(
        examples, Path(options.output), options.format, options.modality, segments, options.folds, options.seed
    )
    if options.json:
        print_json({"folds": split})
        return
    print(f"{len(split)} reviewed cases in {max(split.values()) + 1} folds by patient, in {options.output}.")
