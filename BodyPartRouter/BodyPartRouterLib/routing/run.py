"""Route files: examine each, plan, and make the deliveries; the way of the command line and of the panel."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from LesionKitLib.run.progress import Progress

from .delivery import DONE, Courier, Outcome, Patience, Sender, send_to_folders
from .examination import Examined, examine
from .journal import CLASSIFIED, DELIVERED, DELIVERING, Image, Journal
from .naming import file_name, sha256_of
from .peers import StoreSender, StowSender
from .plan import DICOM, FOLDER, OPEN, STOW, Delivery, Plan, make_plan, shown_destination, to_record
from .rules import Rules

PATIENCE = Patience(first_s=1.0, longest_s=10.0, attempts=3, endless=False)  # somebody waits at the command line
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
    paths: Sequence[Path], rules: Rules | None, classifier, progress: Progress | None = None
) -> Iterable[Routed]:
    """The dry run: what each file is and where it would go. Nothing is changed."""
    keywords = rules.keywords if rules else ()
    for examined in examine(paths, classifier, keywords, progress):
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
    patience: Patience | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> list[Routed]:
    """Make the deliveries of a plan; the same list with where each went. Files that are held stay as they are.

    journal: one on disk lets a stopped run go on without sending again what has arrived. A file to move leaves its
    place after its last delivery. Progress may cancel between two files; what is delivered by then stays delivered.
    """
    own = journal is None
    patience = patience or PATIENCE
    journal = journal or Journal()
    try:
        entries = {}
        for routed in planned:
            image = _enter(routed, journal) if routed.plan and routed.plan.deliveries else None
            if image is not None:
                entries[routed.examined.path] = image
        journal.finish_complete()
        couriers = [_courier(journal, rules, kind, target, patience) for kind, target in _routes(planned)]
        problems = _run(couriers, journal, progress, pause, patience.attempts)
        return [_result(routed, entries.get(routed.examined.path), journal, problems) for routed in planned]
    finally:
        if own:
            journal.close()


def sender_of(rules: Rules, kind: str, target: str | None) -> Sender:
    """What delivers to a destination of the rules, or to folders."""
    if kind == FOLDER:
        return send_to_folders
    if kind == OPEN:
        return lambda parcels: [Outcome(DONE, f"module {parcel.delivery.target}") for parcel in parcels]
    return _SENDERS[kind](rules.destinations[target])


def _planned(examined: Examined, plan: Plan, rules: Rules) -> str | None:
    """Where it would go: folders with the file's name in them."""

    def with_name(delivery: Delivery) -> Delivery:
        return replace(delivery, target=str(Path(delivery.target, name))) if delivery.kind == FOLDER else delivery

    if any(delivery.kind == FOLDER for delivery in plan.deliveries):
        try:
            name = file_name(examined.path, examined.uid, sha256_of(examined.path))
        except OSError:
            name = examined.path.name
        plan = replace(plan, deliveries=tuple(with_name(delivery) for delivery in plan.deliveries))
    return shown_destination(plan, rules)


def _enter(routed: Routed, journal: Journal) -> Image | None:
    """Into the journal; None for a file that has vanished meanwhile."""
    examined, plan = routed.examined, routed.plan
    path = examined.path.absolute()
    try:
        digest = sha256_of(path)
    except OSError:
        return None
    identity = hashlib.sha256(f"{digest} {path}".encode(errors="surrogateescape")).hexdigest()
    image = Image(identity, examined.uid, digest, path, time.time())
    journal.add(image)
    prediction = examined.prediction
    journal.classify(
        image,
        plan.deliveries,
        examined.label,
        prediction.probability if prediction else None,
        plan.rule,
        removes_source=plan.removes_source,
    )
    return image


def _routes(planned: Sequence[Routed]) -> list[tuple[str, str | None]]:
    found = {}
    for routed in planned:
        for delivery in routed.plan.deliveries if routed.plan else ():
            found[delivery.kind, None if delivery.kind in (FOLDER, OPEN) else delivery.target] = None
    return list(found)


def _courier(journal, rules, kind, target, patience) -> Courier:
    return Courier(journal, sender_of(rules, kind, target), kind, target, patience)


def _run(couriers: list[Courier], journal: Journal, progress, pause, attempts: int) -> dict:
    """Until nothing is left that could be delivered; (kind, target) of destinations given up, with the reason."""
    lost: dict[tuple[str, str | None], str] = {}
    total = _open(journal)
    while True:
        attempted, waits = 0, []
        for courier in [one for one in couriers if (one.kind, one.target) not in lost]:
            if progress is not None:
                progress.report("delivering", 1 - _open(journal) / total if total else 1.0)
            attempted += courier.deliver_due()
            if courier.outages >= attempts:
                lost[courier.kind, courier.target] = courier.outage
                continue
            at = journal.next_try(courier.kind, courier.target)
            if at is not None:
                waits.append(max(at, courier.paused_until) - time.time())
        if not waits:
            return lost
        if not attempted and min(waits) > 0:
            pause(min(waits))


def _open(journal: Journal) -> int:
    counts = journal.counts()
    return counts[CLASSIFIED] + counts[DELIVERING]


def _result(routed: Routed, image: Image | None, journal: Journal, problems) -> Routed:
    if routed.plan is None or not routed.plan.deliveries:
        return routed
    if image is None:
        return replace(routed, problem="The file vanished before it was delivered.")
    if journal.state(image.id) == DELIVERED:
        places = iter(journal.notes(image.id))
        texts = routed.destination.split(", ") if routed.destination else []
        shown = [
            place if delivery.kind == FOLDER else text
            for delivery, place, text in zip(routed.plan.deliveries, places, texts, strict=False)
        ]
        return replace(routed, destination=", ".join(shown))
    notes = [note for note in journal.notes(image.id) if note]
    why = [text for route, text in problems.items() if _concerns(route, routed.plan)] or notes or ["unknown reason"]
    return replace(routed, problem=f"It was not delivered: {why[0]}.")


def _concerns(route, plan: Plan) -> bool:
    return any(delivery.kind == route[0] and route[1] in (None, delivery.target) for delivery in plan.deliveries)
