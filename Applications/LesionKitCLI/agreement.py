"""``lesionkit agreement``: how well two or more readers' segmentations agree."""

from __future__ import annotations

import argparse
from pathlib import Path

from LesionKitCLI.shared.console import print_json
from LesionKitCLI.shared.options import add_json_option
from LesionKitCLI.shared.parser import add_command

READERS = ("case", "segment", "readers", "fleiss_kappa")


def add_parser(commands) -> None:
    parser = add_command(
        commands,
        "agreement",
        "compare segmentations of two or more readers",
        (
            "lesionkit agreement reader1.seg.nrrd reader2.seg.nrrd",
            "lesionkit agreement READER1_FOLDER READER2_FOLDER READER3_FOLDER --output out",
        ),
    )
    parser.add_argument(
        "readers",
        nargs="+",
        type=Path,
        metavar="READER",
        help="a .seg.nrrd or label map of each reader, or a folder of each, where files of one name are one case",
    )
    parser.add_argument("--output", metavar="DIR", help="folder for tables and consensus (STAPLE); default: none")
    add_json_option(parser, "all figures")
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> None:
    from LesionKitCohort.agreement import (
        COLUMNS,
        cases_of,
        consensus,
        pair_rows,
        read_segments,
        reader_rows,
        summary_rows,
    )
    from LesionKitLib.report.files import labelmap_writer, rows_writer, write_files

    if len(options.readers) < 2:
        options.parser.error("give two readers or more")
    rows, overall, writers = [], [], {}
    for case, files in cases_of(options.readers).items():
        readings = [read_segments(path) for path in files]
        rows += pair_rows(case, readings)
        overall += reader_rows(case, readings)
        for name in readings[0].masks if options.output else ():
            masks = [reading.masks[name] for reading in readings if name in reading.masks]
            labels = consensus(masks).astype("uint8")
            writers[f"consensus/{_plain(case)}/{_plain(name)}.nii.gz"] = labelmap_writer(labels, readings[0].volume)
    summary = summary_rows(rows)
    if options.output:
        writers["agreement.csv"] = rows_writer(COLUMNS, [[row[name] for name in COLUMNS] for row in rows])
        writers["readers.csv"] = rows_writer(READERS, [[row[name] for name in READERS] for row in overall])
        write_files(options.output, writers)
    if options.json:
        print_json({"summary": summary, "cases": rows, "all_readers": overall})
        return
    print(f"{'segment':24}{'readers':>9}{'cases':>7}{'Dice':>8}{'bias ml':>10}{'limits of agreement ml':>26}")
    for row in summary:
        overlap = "-" if row["dice"] is None else f"{row['dice']:.3f}"
        limits = f"{row['low_ml']:.2f} to {row['high_ml']:.2f}"
        readers = f"{row['reader_a']}, {row['reader_b']}"
        print(f"{row['segment'][:23]:24}{readers:>9}{row['cases']:7}{overlap:>8}{row['bias_ml']:10.2f}{limits:>26}")


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)
