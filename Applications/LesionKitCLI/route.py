"""``lesionkit route``: what X-rays show, and where they belong; ``lesionkit route serve``: the DICOM service."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from LesionKitCLI.shared.console import cancellable_progress, print_json
from LesionKitCLI.shared.options import add_device_option, add_json_option, whole_number
from LesionKitCLI.shared.parser import add_command

from .route_service import SERVICE_COMMANDS, run_service_command


def add_parser(commands) -> None:
    parser = add_command(
        commands,
        "route",
        "tell the body part of X-rays and send them where they belong",
        (
            "lesionkit route FOLDER",
            "lesionkit route FOLDER --copy sorted",
            "lesionkit route FOLDER --rules rules.yaml --dry-run",
            "lesionkit route serve --port 11112 --rules rules.yaml",
            "lesionkit route status --rules rules.yaml",
            "lesionkit route correct 3f2a91 spine --rules rules.yaml",
        ),
    )
    parser.description = (
        "Tell the body part of X-rays; with --copy, --move or --rules, send them where they belong.\n"
        "'lesionkit route serve' waits for images as a DICOM service. 'lesionkit route status', 'release IMAGE...',\n"
        "'resend IMAGE...' and 'correct IMAGE CLASS' look after its images, also while it runs; IMAGE is a SOP\n"
        "Instance UID or the beginning of the id that status prints. 'lesionkit route reload' has it read its rules\n"
        "again. For a file of such a name write ./serve."
    )
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="DICOM, PNG or JPEG files, or folders")
    parser.add_argument("--rules", type=Path, metavar="FILE", help="routing rules (docs/router-rules.md)")
    into = parser.add_mutually_exclusive_group()
    into.add_argument("--copy", type=Path, metavar="DIR", help="copy into DIR, a folder for each class, or by --rules")
    into.add_argument("--move", type=Path, metavar="DIR", help="move there instead")
    parser.add_argument("--dry-run", action="store_true", help="show where each image would go, and change nothing")
    parser.add_argument("--journal", type=Path, metavar="FILE", help="remember deliveries; a stopped run then goes on")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write a report with thumbnails, .html or .pdf")
    add_json_option(parser, "the images")
    add_network_options(parser)
    serve = parser.add_argument_group("serve")
    serve.add_argument("--port", type=_port, metavar="P", help="TCP port of the DICOM service; 0 takes a free one")
    serve.add_argument("--metrics-port", type=_port, metavar="P", help="in place of that in the rules file")
    serve.add_argument("--page-port", type=_port, metavar="P", help="of the page for people, in place of the rules'")
    serve.add_argument("--to", metavar="NAME", help="release to this destination of the rules")
    serve.add_argument("--status", action="store_true", help="the same as the command status")
    parser.set_defaults(run=run)


def add_network_options(parser: argparse.ArgumentParser) -> None:
    """--network and --device, as for every command of the router."""
    from BodyPartRouterLib.networks.registry import DEFAULT_NETWORK, NETWORKS

    parser.add_argument(
        "--network", choices=NETWORKS.bundled, default=DEFAULT_NETWORK, help=f"default: {DEFAULT_NETWORK}"
    )
    add_device_option(parser)


def run(options: argparse.Namespace) -> int | None:
    if options.inputs[0] in SERVICE_COMMANDS:
        return run_service_command(options.inputs[0], options.inputs[1:], options)
    from BodyPartRouterLib.classification.classifier import load_classifier
    from BodyPartRouterLib.reading.header_values import keep_header_text_out_of_the_log
    from BodyPartRouterLib.reading.thumbnail import thumbnail
    from BodyPartRouterLib.results.report import report_of
    from BodyPartRouterLib.routing.find_files import find_files
    from BodyPartRouterLib.routing.journal.journal import Journal
    from BodyPartRouterLib.routing.printable import printable
    from BodyPartRouterLib.routing.reader_process import ReaderProcess
    from BodyPartRouterLib.routing.route_files import carry_out, plan_files
    from LesionKitLib.report.files import write_report
    from LesionKitLib.run.errors import UnusableInput

    check_report(options.report)
    keep_header_text_out_of_the_log()
    rules = chosen_rules(options)
    paths = find_files(options.inputs, rules.filled_folders if rules else ())
    acts = rules is not None and not options.dry_run
    if acts:
        refuse_unwritable_folder(options.copy or options.move)
    journal = Journal(options.journal) if options.journal and acts else None
    reader = ReaderProcess()
    reader.start()  # it loads its libraries while the network is loaded
    classifier = load_classifier(options.network, options.device)
    with cancellable_progress() as progress, reader:
        picture = thumbnail if options.report else None
        found = list(plan_files(paths, rules, classifier, progress, reader, picture))
        if acts:
            found = carry_out(found, rules, journal, progress)
    if options.report:
        write_report(report_of(found, classifier, acts), options.report)
    records = [routed.record for routed in found]
    if options.json:
        print_json(records)
    else:
        print_table(records)
    unusable = [routed for routed in found if routed.examined.error]
    for routed in unusable:
        print(f"{printable(routed.examined.path)}: {printable(routed.examined.error)}", file=sys.stderr)
    problems = [routed.problem for routed in found if routed.problem]
    if len(unusable) == len(found):
        raise UnusableInput(found[0].examined.error if len(found) == 1 else "None of the files could be read.")
    if problems:
        raise UnusableInput(f"{len(problems)} of {len(found)} images were not delivered. {problems[0]}")
    return None


def chosen_rules(options: argparse.Namespace):
    """The rules file's, with relative folders below --copy or --move if given; without one a folder for each class."""
    from BodyPartRouterLib.routing.configuration.rules import folder_rules, into_folder
    from BodyPartRouterLib.routing.configuration.rules_file import load_rules

    folder = options.copy or options.move
    if options.rules is None:
        return folder_rules(folder, bool(options.move)) if folder else None
    rules = load_rules(options.rules)
    return into_folder(rules, folder, bool(options.move)) if folder else rules


def check_report(path: Path | None) -> None:
    """Before anything is read: raises UnusableInput for an ending or a place that does not do, MissingResource for a
    PDF that cannot be written here."""
    from LesionKitLib.io.atomic import refuse_unwritable
    from LesionKitLib.report.pdf import require_pdf
    from LesionKitLib.run.errors import UnusableInput

    if path is None:
        return
    if path.suffix.lower() not in (".html", ".pdf"):
        raise UnusableInput("A report is written as .html or .pdf; give its file such an ending.")
    if path.suffix.lower() == ".pdf":
        require_pdf()
    refuse_unwritable(path.parent)


def refuse_unwritable_folder(folder: Path | None) -> None:
    from LesionKitLib.io.atomic import refuse_unwritable

    if folder is not None:
        refuse_unwritable(folder)


def print_table(records: list[dict]) -> None:
    """The plan, or what became of it, for people."""
    from BodyPartRouterLib.routing.plan import TABLE_HEADER, table_row

    rows = [TABLE_HEADER, *map(table_row, records)]
    widths = [min(max(len(row[column]) for row in rows), 40) for column in range(len(TABLE_HEADER) - 1)]
    for row in rows:
        cells = [_shortened(text, width).ljust(width) for text, width in zip(row, widths, strict=False)]
        print("  ".join([*cells, row[-1]]))
    held = sum(record["held"] for record in records)
    print(f"\n{len(records)} images, {held} of them need a person. Research and education only, not a medical device.")


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."


def _port(text: str) -> int:
    return whole_number(text, 0, 65535)
