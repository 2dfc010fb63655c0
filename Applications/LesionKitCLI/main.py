"""``lesionkit``: the commands, their options and exit codes.

0 done, 2 bad usage, 3 unusable input, 4 missing model or package, 130 cancelled.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys

from LesionKitLib.run.errors import Cancelled, MissingResource, UnusableInput

from . import covid, demo, evaluate, models, route, stroke, train

EXIT_UNUSABLE, EXIT_MISSING, EXIT_CANCELLED = 3, 4, 130
COMMANDS = (demo, covid, stroke, route, evaluate, train, models)


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="lesionkit",
        description="Find, measure and correct lesions in medical images. "
        "Research and education only, not a medical device.",
    )
    parser.add_argument("--verbose", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, format="%(message)s")
    try:
        return options.run(options) or 0
    except (Cancelled, KeyboardInterrupt):
        return _say("Cancelled.", EXIT_CANCELLED, options)
    except UnusableInput as error:
        return _say(str(error), EXIT_UNUSABLE, options)
    except MissingResource as error:
        return _say(str(error), EXIT_MISSING, options)
    except ModuleNotFoundError as error:
        return _say(f"The Python package '{error.name}' is missing.", EXIT_MISSING, options)
    except MemoryError:
        return _say("This image is too large for the memory of this computer.", EXIT_UNUSABLE, options)
    except BrokenPipeError:
        # the reader of our output went away (lesionkit ... | head); nothing is wrong
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _say(sentence: str, code: int, options: argparse.Namespace) -> int:
    if options.verbose:
        logging.exception("Details:")
    print(f"lesionkit: {sentence}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
