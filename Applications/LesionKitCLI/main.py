"""``lesionkit``: the commands, their options and exit codes.

0 done, 1 an error of LesionKit itself, 2 bad usage, 3 unusable input, 4 missing model or package, 130 cancelled.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
from contextlib import nullcontext, suppress

from LesionKitCLI.shared.console import quiet_output, replace_unprintable
from LesionKitCLI.shared.extras import missing_package
from LesionKitCLI.shared.parser import Parser, add_common_options
from LesionKitLib import __version__
from LesionKitLib.run.errors import Cancelled, MissingResource, UnusableInput
from LesionKitLib.run.threads import prepare_libraries

from . import (
    agreement,
    batch,
    covid,
    demo,
    evaluate,
    import_annotations,
    models,
    route,
    stroke,
    train,
    workbench,
    worklist,
)
from .shared import completion

EXIT_DONE, EXIT_FAULT, EXIT_UNUSABLE, EXIT_MISSING, EXIT_CANCELLED = 0, 1, 3, 4, 130
COMMANDS = (
    demo, workbench, covid, stroke, route, import_annotations, batch, worklist, agreement, evaluate, train, models,
    completion,
)  # fmt: skip
DISK_FULL = {errno.ENOSPC, errno.EDQUOT}


def build_parser() -> Parser:
    """The parser of all commands."""
    parser = Parser(
        prog="lesionkit",
        description="Find, measure and correct lesions in medical images. "
        "Research and education only, not a medical device.",
        epilog="'lesionkit COMMAND --help' shows a command's options and examples.",
    )
    parser.add_argument("--version", action="version", version=f"lesionkit {__version__}")
    add_common_options(parser)
    parser.set_defaults(all_commands=parser)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    prepare_libraries()
    _open_missing_streams()
    replace_unprintable()
    options = build_parser().parse_args(arguments)
    logging.basicConfig(
        stream=sys.stderr, format="%(message)s", level=logging.ERROR if options.quiet else logging.WARNING
    )
    try:
        with quiet_output() if options.quiet else nullcontext():
            code = options.run(options) or EXIT_DONE
        sys.stdout.flush()  # here, where a full disk or a reader that went away can be told
        return code
    except BrokenPipeError:
        # the reader of our output went away (lesionkit ... | head); nothing is wrong
        _drop_output()
        return EXIT_DONE
    except (Exception, KeyboardInterrupt) as error:
        sentence, code = explained(error)
        return _say(sentence, code, options.verbose)


def explained(error: BaseException) -> tuple[str, int]:
    """The sentence that tells a user about an error, and the exit code."""
    if isinstance(error, (Cancelled, KeyboardInterrupt)):
        return "Cancelled.", EXIT_CANCELLED
    if isinstance(error, UnusableInput):
        return str(error), EXIT_UNUSABLE
    if isinstance(error, MissingResource):
        return str(error), EXIT_MISSING
    if isinstance(error, ModuleNotFoundError):
        return missing_package(error.name), EXIT_MISSING
    if isinstance(error, MemoryError):
        return "This image is too large for the memory of this computer.", EXIT_UNUSABLE
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        return "There is no room left on the disk.", EXIT_UNUSABLE
    if isinstance(error, OSError) and error.strerror:
        place = f" ('{error.filename}')" if error.filename else ""
        return f"The operating system refused a file: {error.strerror}{place}.", EXIT_UNUSABLE
    kind = type(error).__name__
    return f"LesionKit met an error of its own ({kind}); please report it with what --verbose prints.", EXIT_FAULT


def _say(sentence: str, code: int, verbose: bool) -> int:
    with suppress(OSError, ValueError):  # nobody may be there to read it
        if verbose:
            logging.exception("Details:")
        print(f"lesionkit: {sentence}", file=sys.stderr, flush=True)
    _drop_output()
    return code


def _open_missing_streams() -> None:
    """A stream that was closed before the start (lesionkit ... 2>&-) takes what is written and drops it."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115


def _drop_output() -> None:
    """Write out what is waiting for stdout; where that fails, drop it, so that Python's end does not fail again."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
