"""Route files: examine each, plan, and make the deliveries; the way of the command line and of the panel."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from BodyPartRouterLib.routing.configuration.rules import Rules
from BodyPartRouterLib.routing.delivery.delivery_worker import DeliverySender, DeliveryWorker, remove_source
from BodyPartRouterLib.routing.delivery.folder_sender import FolderSender
from BodyPartRouterLib.routing.delivery.retry_policy import DONE, DeliveryResult, RetryPolicy
from BodyPartRouterLib.routing.delivery.store_sender import StoreSender
from BodyPartRouterLib.routing.delivery.stow_sender import StowSender
from BodyPartRouterLib.routing.journal.journal import DELIVERED, Image, Journal
from LesionKitLib.io.digest import file_digest
from LesionKitLib.run.progress import Progress

from .examination import Examined, examine
from .file_reading import Reader, read_file
from .folder_files import holds
from .naming import file_name
from .plan import DICOM, FOLDER, OPEN, STOW, Delivery, Plan, make_plan, shown_destination, to_record

# somebody waits at the command line
COMMAND_RETRY_POLICY = RetryPolicy(first_s=1.0, longest_s=10.0, attempts=3, endless=False)
_SENDERS = {DICOM: StoreSender, STOW: StowSender}


@dataclass(frozen=True)
class Routed:
    """One file: what it is, its plan (None without rules), where it shall go or went. problem: why it did not."""

    examined: Examined
    plan: Plan | None = None
    destination: str | None = None
    problem: str | None = None

    @property
    def record(self) -> dict:
        record = to_record(self.examined, self.plan, self.destination)
        return {**record, "reason": self.problem, "destination": None} if self.problem else record


def plan_files(
    paths: Sequence[Path],
    rules: Rules | None,
    classifier,
    progress: Progress | None = None,
    reader: Reader = read_file,
    thumbnail: Callable | None = None,
) -> Iterable[Routed]:
    """The dry run: what each file is and where it would go. Nothing is changed. thumbnail: as examine takes it."""
    keywords = rules.keywords if rules else ()
    for examined in examine(paths, classifier, keywords, progress, thumbnail=thumbnail, reader=reader):
        yield plan_one(examined, rules)


def plan_one(examined: Examined, rules: Rules | None) -> Routed:
    """As plan_files, of one file that is examined already."""
    if rules is None or examined.in_memory:
        return Routed(examined)
    plan = make_plan(examined, rules)
    return Routed(examined, plan, _planned(examined, plan, rules))


def carry_out(
    planned: Sequence[Routed],
    rules: Rules,
    journal: Journal | None = None,
    progress: Progress | None = None,
    retry_policy: RetryPolicy | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> list[Routed]:
    """Make the deliveries of a plan; the same list with where each went. Files that are held stay as they are.

    journal: one on disk lets a stopped run go on without sending again what has arrived; a file that the journal knows
    by another plan (other rules, another target) is delivered by this one. A file to move leaves its place after its
    last delivery, also when the run before was stopped just then. Progress may cancel between two files; what is
    delivered by then stays delivered.
    """
    own = journal is None
    journal = journal or Journal()
    try:
        return _carry_out(planned, rules, journal, progress, retry_policy or COMMAND_RETRY_POLICY, pause)
    finally:
        if own:
            journal.close()


def sender_of(rules: Rules, kind: str, target: str | None) -> DeliverySender:
    """What delivers to a destination of the rules, or to folders."""
    if kind == FOLDER:
        return FolderSender(rules.secret_path)
    if kind == OPEN:
        return lambda tasks: [DeliveryResult(DONE, f"module {task.delivery.target}") for task in tasks]
    return _SENDERS[kind](rules.destinations[target], rules.secret_path)


def _carry_out(planned, rules, journal, progress, retry_policy, pause) -> list[Routed]:
    journal.make_all_due()
    entries = {}
    for routed in planned:
        image = _enter(routed, rules, journal) if routed.plan and routed.plan.deliveries else None
        if image is not None:
            entries[routed.examined.path] = image
    journal.limit_to(image.id for image in entries.values())
    journal.finish_complete()
    journal.release_groups(journal.waiting_groups())  # all files are here
    workers = [
        DeliveryWorker(journal, sender_of(rules, kind, target), kind, target, retry_policy)
        for kind, target in _routes(planned)
    ]
    problems = _run(workers, journal, progress, pause, retry_policy.attempts)
    return [_result(routed, entries.get(routed.examined.path), journal, problems) for routed in planned]


def _planned(examined: Examined, plan: Plan, rules: Rules) -> str | None:
    """Where it would go: folders with the file's name in them."""

    def with_name(delivery: Delivery) -> Delivery:
        return replace(delivery, target=str(Path(delivery.target, name))) if delivery.kind == FOLDER else delivery

    if any(delivery.kind == FOLDER for delivery in plan.deliveries):
        try:
            name = file_name(examined.path, examined.uid, file_digest(examined.path))
        except OSError:
            name = examined.path.name
        plan = replace(plan, deliveries=tuple(with_name(delivery) for delivery in plan.deliveries))
    return shown_destination(plan, rules)


def _enter(routed: Routed, rules: Rules, journal: Journal) -> Image | None:
    """Into the journal; None for a file that has vanished meanwhile."""
    examined, plan = routed.examined, routed.plan
    path = examined.path.absolute()
    try:
        digest = file_digest(path)
    except OSError:
        return None
    image = Image(_identity(digest, path, plan, rules), examined.uid, digest, path, time.time())
    journal.drop_other_plans(image)
    if not journal.add(image) and journal.state(image.id) == DELIVERED and not _is_there(image, plan, journal):
        journal.start_over(image.id)
    prediction = examined.prediction
    journal.classify(image, plan, examined.label, prediction.probability if prediction else None)
    return image


def _identity(digest: str, path: Path, plan: Plan, rules: Rules) -> str:
    """Of this file with this plan: with other destinations, or at other addresses, it is another task."""
    goals = [[one.kind, one.target, one.change, _settings_of(rules, one)] for one in plan.deliveries]
    text = json.dumps([digest, str(path), goals, plan.removes_source], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _settings_of(rules: Rules, delivery: Delivery) -> dict:
    """The address of a destination; how long to wait for it makes no other destination of it."""
    if delivery.kind not in (DICOM, STOW):
        return {}
    settings = rules.destinations[delivery.target].settings
    return {name: settings[name] for name in ("host", "port", "ae_title", "url") if name in settings}


def _is_there(image: Image, plan: Plan, journal: Journal) -> bool:
    """Whether a moved file, whose source is here again or still, lies where the journal says. Copies are believed."""
    if not plan.removes_source:
        return True
    places = zip(plan.deliveries, journal.notes(image.id), strict=False)
    folders = [Path(note) for delivery, note in places if delivery.kind == FOLDER and not delivery.change]
    return all(holds(place, image.path, image.digest) for place in folders)


def _routes(planned: Sequence[Routed]) -> list[tuple[str, str | None]]:
    found = {}
    for routed in planned:
        for delivery in routed.plan.deliveries if routed.plan else ():
            found[delivery.kind, None if delivery.kind in (FOLDER, OPEN) else delivery.target] = None
    return list(found)


def _run(workers: list[DeliveryWorker], journal: Journal, progress, pause, attempts: int) -> dict:
    """Until nothing is left that could be delivered; (kind, target) of destinations given up, with the reason."""
    lost: dict[tuple[str, str | None], str] = {}
    total = journal.open_images()
    while True:
        attempted, waits = 0, []
        for worker in [one for one in workers if (one.kind, one.target) not in lost]:
            if progress is not None:
                progress.report("delivering", 1 - journal.open_images() / total if total else 1.0)
            attempted += worker.deliver_due()
            if worker.outages >= attempts:
                lost[worker.kind, worker.target] = worker.outage
                continue
            at = journal.next_try(worker.kind, worker.target)
            if at is not None:
                waits.append(max(at, worker.paused_until) - time.monotonic())
        if not waits:
            return lost
        if not attempted and min(waits) > 0:
            pause(min(waits))


def _result(routed: Routed, image: Image | None, journal: Journal, problems) -> Routed:
    if routed.plan is None or not routed.plan.deliveries:
        return routed
    if image is None:
        return replace(routed, problem="The file vanished before it was delivered.")
    if journal.state(image.id) == DELIVERED:
        return _delivered(routed, image, journal)
    notes = [note for note in journal.notes(image.id) if note]
    why = [text for route, text in problems.items() if _concerns(route, routed.plan)] or notes or ["unknown reason"]
    return replace(routed, problem=f"It was not delivered: {why[0]}.")


def _delivered(routed: Routed, image: Image, journal: Journal) -> Routed:
    """With the places where it lies; the source of a moved file is removed if a run before could not."""
    stays = remove_source(image.path) if routed.plan.removes_source else ""
    if stays:
        return replace(routed, problem=f"It was delivered, but the source could not be removed: {stays}.")
    texts = routed.destination.split(", ") if routed.destination else []
    shown = [
        place if delivery.kind == FOLDER else text
        for delivery, place, text in zip(routed.plan.deliveries, journal.notes(image.id), texts, strict=False)
    ]
    return replace(routed, destination=", ".join(shown))


def _concerns(route, plan: Plan) -> bool:
    return any(delivery.kind == route[0] and route[1] in (None, delivery.target) for delivery in plan.deliveries)
