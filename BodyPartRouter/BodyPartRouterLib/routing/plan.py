"""What shall happen to an image: the deliveries that its rule calls for, before any of them is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from BodyPartRouterLib.labels import UNKNOWN
from BodyPartRouterLib.routing.configuration.rules import GROUP_KEYWORDS, HOLD, Action, Rules

from .examination import Examined
from .naming import fill_folder
from .printable import printable

FOLDER, DICOM, STOW, OPEN = "folder", "dicom", "stow", "open"
_KINDS = {"copy": FOLDER, "move": FOLDER, "store": DICOM, "stow": STOW, "open": OPEN}
TABLE_HEADER = ("file", "class", "probability", "header", "agrees", "rule", "destination")


@dataclass(frozen=True)
class Delivery:
    """kind: folder (target: an absolute path), dicom or stow (a destination's name), open (a module's name).

    change: header changes of the copy that leaves, as JSON, "" for none. group_key: the series or study that must be
    complete first, "" for none.
    """

    kind: str
    target: str
    change: str = ""
    group_key: str = ""


@dataclass(frozen=True)
class Plan:
    """removes_source: the file leaves its place once all deliveries are made. held: a person must look at it, why."""

    rule: str
    deliveries: tuple[Delivery, ...]
    removes_source: bool = False
    held: bool = False
    reason: str | None = None


def make_plan(examined: Examined, rules: Rules) -> Plan:
    """The deliveries of one image. The same image and rules always give the same plan.

    Nothing is done with an image whose reading ended the process: it is held whatever the rules say.
    """
    if examined.stopped:
        return Plan("none", (), held=True, reason=examined.error)
    rule, actions = rules.choose(examined.subject)
    return plan_of(actions, rule, examined, rules.base)


def plan_of(actions: Sequence[Action], rule: str, examined: Examined, base: Path) -> Plan:
    """As make_plan, of actions that are chosen already. An action "hold" among others outweighs them."""
    holds = [action for action in actions if action.kind == HOLD]
    if holds:
        return Plan(rule, (), held=True, reason=examined.reason or holds[0].target)
    deliveries = []
    for action in actions:
        target = action.target
        if action.kind in ("copy", "move"):
            target = str(fill_folder(target, examined.label, examined.values, base))
        deliveries.append(Delivery(_KINDS[action.kind], target, action.change, _group_key(action, examined)))
    return Plan(rule, tuple(dict.fromkeys(deliveries)), any(action.kind == "move" for action in actions))


def _group_key(action: Action, examined: Examined) -> str:
    """The series or study that this delivery waits for; none where the header names none."""
    uid = "".join(examined.values.get(GROUP_KEYWORDS.get(action.wait_for, ""), ())[:1])
    return f"{action.wait_for}:{uid}" if uid else ""


def shown_destination(plan: Plan, rules: Rules) -> str | None:
    """Where it goes, for people; None when it is held."""
    texts = []
    for delivery in plan.deliveries:
        if delivery.kind in (DICOM, STOW):
            texts.append(rules.destinations[delivery.target].shown)
        else:
            texts.append(f"module {delivery.target}" if delivery.kind == OPEN else delivery.target)
    return ", ".join(texts) or None


def to_record(examined: Examined, plan: Plan | None, destination: str | None) -> dict:
    """One entry of ``lesionkit route --json``. class: "unknown" when held by the network, None when unreadable."""
    prediction, agreement = examined.prediction, examined.agreement
    held_by_rule = plan is not None and plan.held
    return {
        "path": printable(examined.path),
        "sop_instance_uid": examined.uid or None,
        "class": prediction.label if prediction else None,
        "probability": round(prediction.probability, 4) if prediction else None,
        "held": prediction is None or prediction.held or held_by_rule,
        "reason": examined.reason or (plan.reason if held_by_rule else None),
        "header_body_part": printable(examined.header.body_part or "") or None if examined.header else None,
        "agrees": agreement.agrees if agreement else None,
        "destination": printable(destination) if destination else None,
        "rule": plan.rule if plan else None,
        "remarks": [printable(text) for text in (*(agreement.remarks if agreement else ()), *examined.notes)],
    }


def table_row(record: dict) -> tuple[str, ...]:
    """A record as a row under TABLE_HEADER."""
    agrees = {True: "yes", False: "NO", None: "-"}[record["agrees"]]
    probability = "-" if record["probability"] is None else f"{record['probability']:.2f}"
    return (
        Path(record["path"]).name,
        record["class"] or UNKNOWN,
        probability,
        record["header_body_part"] or "-",
        agrees,
        record["rule"] or "-",
        record["destination"] or f"held: {record['reason'] or 'not routed'}",
    )
