"""``lesionkit batch``: many studies at once, as one table."""

from __future__ import annotations

import argparse
from pathlib import Path

from LesionKitCLI.shared.console import cancellable_progress, print_json
from LesionKitCLI.shared.options import (
    add_device_option,
    add_json_option,
    add_output_option,
    check_device,
    positive,
    whole_number,
)
from LesionKitCLI.shared.parser import add_command

NAMES = ("covid", "stroke", "route")
ENGINES = ("processes", "ray")


def add_parser(commands) -> None:
    parser = add_command(
        commands,
        "batch",
        "analyze many studies at once into one table",
        (
            "lesionkit batch covid CT_FOLDERS --output out --workers 2",
            "lesionkit batch stroke manifest.csv --output out --resume",
            "lesionkit batch covid s3://bucket/studies --output out --engine ray --address auto --workers 8",
        ),
    )
    parser.add_argument("task", choices=NAMES, help="what is done with each study")
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUTS",
        help="folders of studies, files, a manifest (CSV: path, id) or an fsspec address",
    )
    add_output_option(parser)
    parser.add_argument("--workers", type=positive, default=1, metavar="N", help="worker processes (default: 1)")
    parser.add_argument("--engine", choices=ENGINES, default="processes", help="where workers run (default: processes)")
    ray = parser.add_argument_group("with --engine ray")
    ray.add_argument("--address", default="", metavar="A", help="of a cluster, or auto (default: one of its own)")
    ray.add_argument("--cpus", type=_amount, default=1.0, metavar="N", help="that a worker holds (default: 1)")
    ray.add_argument("--gpus", type=_amount, default=0.0, metavar="F", help="or a part of one (default: 0)")
    parser.add_argument("--resume", action="store_true", help="go on with the batch that --output holds")
    parser.add_argument("--network", default="", help="as the task's own command takes it")
    parser.add_argument(
        "--table-only", action="store_true", help="write the table alone, no segmentations and reports of the studies"
    )
    add_device_option(parser)
    group = parser.add_argument_group("limits of each study")
    group.add_argument("--timeout", type=positive, default=900, metavar="S", help="seconds (default: 900)")
    group.add_argument("--memory", type=positive, default=8, metavar="GB", help="gigabytes (default: 8)")
    group.add_argument(
        "--retries", type=whole_number, default=1, metavar="N", help="after a failure that may pass (default: 1)"
    )
    add_json_option(parser, "the counts and the failures")
    parser.set_defaults(run=run, parser=parser)


def _amount(text: str) -> float:
    """A number from 0, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 0")
    return value


def run(options: argparse.Namespace) -> None:
    from LesionKitCohort.batch import SUMMARY, TABLE, run_batch
    from LesionKitCohort.pool import Limits
    from LesionKitCohort.ray_pool import RayEngine
    from LesionKitCohort.studies import studies_of
    from LesionKitCohort.tasks import TASKS, Settings

    if options.engine != "ray" and (options.address or options.gpus):
        options.parser.error("--address and --gpus are for --engine ray")
    check_device(options.device)
    studies = studies_of(options.inputs, TASKS[options.task].single_files)
    limits = Limits(float(options.timeout), options.memory << 30, options.retries)
    settings = Settings(options.network, options.device, table_only=options.table_only)
    with cancellable_progress() as progress:
        batch = run_batch(
            options.task, studies, Path(options.output), settings, options.workers, limits, options.resume, progress,
            RayEngine(options.address, options.cpus, options.gpus) if options.engine == "ray" else None,
        )  # fmt: skip
    failed = [{key: row[key] for key in ("study", "cause", "reason")} for row in batch.failed]
    if options.json:
        print_json({"task": options.task, "studies": len(batch.rows), "failed": failed, "per_hour": batch.per_hour})
        return
    print(f"{len(batch.rows)} studies, {len(failed)} failed.")
    for row in failed:
        print(f"  {row['study']}: {row['reason']}")
    print(f"The table is {TABLE} in {options.output}, the page {SUMMARY}.")
