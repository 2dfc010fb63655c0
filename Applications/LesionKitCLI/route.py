"""``lesionkit route``: what X-rays show, and where they belong; ``lesionkit route serve``: the DICOM service."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from pathlib import Path

from .console import cancellable_progress, print_json
from .options import add_device_option, add_json_option, whole_number
from .parser import add_command

SERVE = "serve"


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
        ),
    )
    parser.description = (
        "Tell the body part of X-rays; with --copy, --move or --rules, send them where they belong.\n"
        "'lesionkit route serve' waits for images as a DICOM service (write ./serve for a file of that name)."
    )
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="DICOM, PNG or JPEG files, or folders; or: serve")
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
    serve.add_argument("--status", action="store_true", help="list what is held or failed, and why; also while it runs")
    parser.set_defaults(run=run)


def add_network_options(parser: argparse.ArgumentParser) -> None:
    """--network and --device, as for every command of the router."""
    from BodyPartRouterLib.networks.registry import DEFAULT_NETWORK, NETWORKS

    parser.add_argument(
        "--network", choices=NETWORKS.bundled, default=DEFAULT_NETWORK, help=f"default: {DEFAULT_NETWORK}"
    )
    add_device_option(parser)


def run(options: argparse.Namespace) -> int | None:
    if options.inputs == [SERVE]:
        return run_service(options)
    from BodyPartRouterLib.classification.classifier import load_classifier
    from BodyPartRouterLib.reading.thumbnail import thumbnail
    from BodyPartRouterLib.results.report import report_of
    from BodyPartRouterLib.routing.find_files import find_files
    from BodyPartRouterLib.routing.header_values import keep_header_text_out_of_the_log
    from BodyPartRouterLib.routing.journal import Journal
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
    from BodyPartRouterLib.routing.rules import folder_rules, into_folder
    from BodyPartRouterLib.routing.rules_file import load_rules

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


def run_service(options: argparse.Namespace) -> int:
    """Until SIGTERM (exit code 0) or Ctrl-C (130)."""
    from BodyPartRouterLib.classification.classifier import load_classifier
    from BodyPartRouterLib.routing.rules_file import load_rules
    from LesionKitLib.run.errors import UnusableInput

    if options.rules is None or (options.port is None and not options.status):
        raise UnusableInput("The service needs --port and --rules.")
    rules = load_rules(options.rules)
    if options.status:
        return print_status(rules.service.data, options.json)
    rules = rules.with_ports(metrics_port=options.metrics_port)
    return serve(rules, load_classifier(options.network, options.device), options.port)


def print_status(folder: Path, as_json: bool) -> int:
    """Counts of the service's journal, and the images that a person must look at."""
    from BodyPartRouterLib.routing.journal import Journal
    from LesionKitLib.run.errors import UnusableInput

    path = folder / "journal.sqlite"
    if not path.exists():
        raise UnusableInput(f"The folder '{folder}' holds no journal; the service has not run yet.")
    journal = Journal(path)
    try:
        counts, images, places = journal.counts(), journal.needs_person(), journal.destinations()
    finally:
        journal.close()
    if as_json:
        print_json({"counts": counts, "attention": images, "destinations": places})
        return 0
    print(", ".join(f"{count} {state}" for state, count in counts.items()))
    for image in images:
        why = image["notes"] or image["reason"]
        print(f"{image['state'] if image['state'] == 'failed' else 'held':7} {image['uid'] or image['id'][:12]}  {why}")
    return 0


def serve(rules, classifier, port: int) -> int:
    """Run the service on the main thread; its port is the first line on stdout."""
    from BodyPartRouterLib.service.service import Service

    logging.getLogger("BodyPartRouterLib").setLevel(logging.INFO)
    ended, signals = threading.Event(), []

    def on_signal(number, _frame):
        signals.append(number)
        ended.set()

    previous = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        service = Service(rules, classifier)
        service.start(port)
        print(f"port {service.port}, metrics {service.metrics_port or 'off'}", flush=True)
        while not ended.wait(1.0):  # a wait without end would hold signals back on Windows
            pass
        service.stop()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return 130 if signals[0] == signal.SIGINT else 0


def _port(text: str) -> int:
    return whole_number(text, 0, 65535)
