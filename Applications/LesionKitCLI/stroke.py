"""``lesionkit stroke``: the sub-commands, each in a file of its own (stroke_*.py with add_parser and run)."""

from __future__ import annotations

from . import stroke_database, stroke_experiment, stroke_segment, stroke_synthesize

SUBCOMMANDS = (stroke_segment, stroke_synthesize, stroke_database, stroke_experiment)


def add_parser(commands) -> None:
    parser = commands.add_parser("stroke", help="segment strokes on brain MR; synthesize brain MR with strokes")
    tasks = parser.add_subparsers(dest="task", required=True, metavar="TASK")
    for task in SUBCOMMANDS:
        task.add_parser(tasks)
