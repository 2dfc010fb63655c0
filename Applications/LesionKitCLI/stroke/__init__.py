"""``lesionkit stroke``: the sub-commands, each in a file of its own (with add_parser and run)."""

from __future__ import annotations

from LesionKitCLI.shared.parser import add_command

from . import database, experiment, segment, synthesize

SUBCOMMANDS = (segment, synthesize, database, experiment)


def add_parser(commands) -> None:
    parser = add_command(
        commands,
        "stroke",
        "segment strokes on brain MR; synthesize brain MR with strokes",
        ("lesionkit stroke segment MR_FOLDER --output out", "lesionkit stroke segment --help"),
    )
    tasks = parser.add_subparsers(dest="task", required=True, metavar="TASK")
    for task in SUBCOMMANDS:
        task.add_parser(tasks)
