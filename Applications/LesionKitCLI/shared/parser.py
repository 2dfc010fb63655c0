"""The argument parser of every command: suggestions for what was misspelled, examples in --help, shared options."""

from __future__ import annotations

import argparse
import difflib
import re

UNKNOWN = "unrecognized arguments: "
CHOICE = re.compile(r"invalid choice: (?P<quote>['\"])(?P<word>.*)(?P=quote) \(choose from (?P<choices>.*)\)")


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that names what was probably meant. Sub-parsers are of this class too."""

    def parse_known_args(self, args=None, namespace=None):
        namespace, unknown = super().parse_known_args(args, namespace)
        if unknown:  # told by the parser that knows the options, which for a command is not the outermost one
            self.error(UNKNOWN + " ".join(unknown))
        return namespace, unknown

    def error(self, message: str):
        super().error(message + self._suggestion(message))

    def _suggestion(self, message: str) -> str:
        choice = CHOICE.search(message)
        if choice:
            choices = re.findall(r"[^\s,'\"]+", choice["choices"])
            return _did_you_mean(choice["word"], choices)
        if message.startswith(UNKNOWN):
            word = message.removeprefix(UNKNOWN).split()[0].split("=")[0]
            return _did_you_mean(word, list(self._option_string_actions)) if word.startswith("-") else ""
        return ""


def _did_you_mean(word: str, choices: list[str]) -> str:
    found = difflib.get_close_matches(word, choices, n=1)
    return f"; did you mean {found[0]}?" if found else ""


def add_command(commands, name: str, text: str, examples: tuple[str, ...] = ()) -> Parser:
    """A command's parser. text: what it does, for the list of commands and its own help; examples: command lines."""
    epilog = "examples:\n" + "\n".join(f"  {example}" for example in examples) if examples else None
    parser = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_common_options(parser, default=argparse.SUPPRESS)
    return parser


def add_common_options(parser: argparse.ArgumentParser, default=False) -> None:
    """--quiet and --verbose, before or after the command's name."""
    group = parser.add_argument_group("messages")
    group.add_argument("--quiet", action="store_true", default=default, help="print nothing but errors and --json")
    group.add_argument("--verbose", action="store_true", default=default, help="show the traceback of an error")
