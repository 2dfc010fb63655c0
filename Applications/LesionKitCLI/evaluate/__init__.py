"""``lesionkit evaluate``: agreement with expert labels, with intervals; each task in a file of its own."""

from __future__ import annotations

from LesionKitCLI.shared.parser import add_command

from . import correction, covid, phantom, router, stroke

TASKS = (covid, phantom, stroke, router, correction)


def add_parser(commands) -> None:
    parser = add_command(
        commands,
        "evaluate",
        "measure a network against expert labels",
        ("lesionkit evaluate covid --data ct/sirm100 --split val", "lesionkit evaluate covid --help"),
    )
    tasks = parser.add_subparsers(dest="task", required=True, metavar="TASK")
    for task in TASKS:
        task.add_tasks(tasks)
