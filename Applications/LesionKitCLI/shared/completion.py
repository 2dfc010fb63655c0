"""``lesionkit completion``: the script with which a shell completes commands and options."""

from __future__ import annotations

import argparse

from .parser import add_command

SHELLS = ("bash", "zsh", "tcsh")


def add_parser(commands) -> None:
    parser = add_command(
        commands,
        "completion",
        "print the script that completes commands and options in a shell",
        (
            "lesionkit completion bash > ~/.local/share/bash-completion/completions/lesionkit",
            'lesionkit completion zsh > "${fpath[1]}/_lesionkit"',
        ),
    )
    parser.add_argument("shell", choices=SHELLS, help="whose script")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    import shtab

    print(shtab.complete(options.all_commands, options.shell))
