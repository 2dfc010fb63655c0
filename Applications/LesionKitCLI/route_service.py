"""``lesionkit route serve``, and the commands that look after its images: status, release, resend, correct, reload."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from datetime import datetime

from LesionKitCLI.shared.console import print_json

SERVICE_COMMANDS = ("serve", "status", "release", "resend", "correct", "reload")
SERVE, STATUS, RELEASE, RESEND, CORRECT, RELOAD_RULES = SERVICE_COMMANDS


def run_service_command(command: str, images: list[str], options: argparse.Namespace) -> int:
    """images: what stands behind the command."""
    from BodyPartRouterLib.routing.configuration.rules_file import load_rules
    from LesionKitLib.run.errors import UnusableInput

    if options.rules is None or (command == SERVE and options.port is None and not options.status):
        raise UnusableInput("The service needs --port and --rules." if command == SERVE else "Name the --rules.")
    rules = load_rules(options.rules)
    if command == STATUS or options.status:
        return print_status(rules, options.json)
    if command == SERVE:
        return run_service(rules, options)
    if command == RELOAD_RULES:
        return ask_to_reload(rules)
    return change_queue(command, images, rules, options)


def ask_to_reload(rules) -> int:
    """Rules that are wrong are refused before this. The service looks for the request every second."""
    from BodyPartRouterLib.service.service_folders import RELOAD
    from LesionKitLib.run.errors import UnusableInput

    try:
        (rules.service.data / RELOAD).touch()
    except OSError:
        raise UnusableInput("The service of these rules has no folder yet: it was never started.") from None
    print("The rules are right; a running service reads them within a second or two.")
    return 0


def run_service(rules, options: argparse.Namespace) -> int:
    """Until SIGTERM (exit code 0) or Ctrl-C (130)."""
    from BodyPartRouterLib.classification.classifier import load_classifier
    from BodyPartRouterLib.routing.configuration.rules_file import load_rules

    ports = {"metrics_port": options.metrics_port, "page_port": options.page_port}
    classifier = load_classifier(options.network, options.device)
    read_rules = lambda: load_rules(options.rules).with_ports(**ports)  # noqa: E731
    return serve(rules.with_ports(**ports), classifier, options.port, read_rules)


def change_queue(command: str, images: list[str], rules, options: argparse.Namespace) -> int:
    """Release, resend or correct, and say what was done, a line for each image."""
    from BodyPartRouterLib.service.queue_actions import QueueActions, open_journal
    from LesionKitLib.run.errors import UnusableInput

    if not images or (command == CORRECT and len(images) != 2):
        form = "IMAGE CLASS" if command == CORRECT else "IMAGE..."
        raise UnusableInput(f"Write: lesionkit route {command} {form} --rules FILE.")
    journal = open_journal(rules)
    try:
        actions = QueueActions(journal, rules)
        if command == CORRECT:
            done = [actions.correct(*images)]
        elif command == RELEASE:
            done = [actions.release(image, options.to) for image in images]
        else:
            done = [actions.resend(image) for image in images]
    finally:
        journal.close()
    if options.json:
        print_json({"images": done})
    else:
        print("\n".join(f"{image[:12]}  {command}" for image in done))
    return 0


def print_status(rules, as_json: bool) -> int:
    """Counts of the service's journal, its destinations, and the images that a person must look at."""
    from BodyPartRouterLib.service.queue_actions import open_journal

    journal = open_journal(rules)
    try:
        counts, images, places = journal.counts(), journal.needs_person(), journal.destinations()
    finally:
        journal.close()
    if as_json:
        print_json({"counts": counts, "attention": images, "destinations": places})
        return 0
    print(", ".join(f"{count} {state}" for state, count in counts.items()))
    for place in places:
        print(destination_line(place))
    for image in images:
        why = image["notes"] or image["reason"]
        state = image["state"] if image["state"] == "failed" else "held"
        print(f"{state:7} {image['id'][:12]}  {image['uid']}  {why}")
    return 0


def destination_line(place: dict) -> str:
    """One of Journal.destinations() for people."""
    waiting = f"{place['name']}: {place['waiting']} waiting"
    if place["outage"]:
        since = datetime.fromtimestamp(place["since"]).strftime("%Y-%m-%d %H:%M:%S")
        return f"{waiting}, takes nothing since {since} ({place['outage']}), {place['tries']} tries"
    return f"{waiting}, trying again ({place['note']})" if place["note"] else waiting


def _reload(service) -> None:
    """Wrong rules are told, and the old ones stay."""
    from LesionKitLib.run.errors import UnusableInput

    try:
        service.reload()
    except UnusableInput as error:
        print(f"lesionkit: {error} The rules stay as they were.", file=sys.stderr, flush=True)


def _is_asked(path) -> bool:
    """Whether ``lesionkit route reload`` has asked; a folder that is away for a moment is no question."""
    try:
        return path.exists()
    except OSError:
        return False


def serve(rules, classifier, port: int, read_rules=None) -> int:
    """Run the service on the main thread; its port is the first line on stdout. SIGHUP, or
    ``lesionkit route reload``: read the rules again.
    """
    from BodyPartRouterLib.service.service import Service
    from BodyPartRouterLib.service.service_folders import RELOAD

    logging.getLogger("BodyPartRouterLib").setLevel(logging.INFO)
    ended, signals, reload = threading.Event(), [], threading.Event()

    def on_signal(number, _frame):
        signals.append(number)
        ended.set()

    previous = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    if hasattr(signal, "SIGHUP"):
        previous[signal.SIGHUP] = signal.signal(signal.SIGHUP, lambda _number, _frame: reload.set())
    asked = rules.service.data / RELOAD
    try:
        service = Service(rules, classifier, read_rules)
        service.start(port)
        page = f", page {service.page_port}" if service.page_port else ""
        print(f"port {service.port}, metrics {service.metrics_port or 'off'}{page}", flush=True)
        while not ended.wait(1.0):  # a wait without end would hold signals back on Windows
            if reload.is_set() or _is_asked(asked):
                reload.clear()
                asked.unlink(missing_ok=True)
                _reload(service)
        service.stop()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return 130 if signals[0] == signal.SIGINT else 0
