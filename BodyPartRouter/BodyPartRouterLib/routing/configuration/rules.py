"""Rules: asked which actions an image calls for."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path

from BodyPartRouterLib.reading.header_values import Values, number
from BodyPartRouterLib.routing.naming import placeholders

from .settings import ServiceSettings

HOLD = "hold"
GROUP_KEYWORDS = {"series": "SeriesInstanceUID", "study": "StudyInstanceUID"}


@dataclass(frozen=True)
class Sender:
    """Who sent an image to the service: AE titles of the caller and of the one that it called, and its address."""

    calling_ae: str = ""
    called_ae: str = ""
    address: str = ""


@dataclass(frozen=True)
class Subject:
    """What a rule can ask about an image. label: a class or "unknown"; values: header elements by keyword.

    agrees: header against pixels; None when they cannot be compared. readable: False when its pixels could not be
    read; only a rule that says "class: unknown" speaks of such an image.
    """

    label: str
    probability: float
    agrees: bool | None = None
    values: Values = field(default_factory=dict)
    readable: bool = True
    sender: Sender = field(default_factory=Sender)


@dataclass(frozen=True)
class HeaderTest:
    """All conditions that are given must hold for one of the element's values. equal: any of these, ignoring case."""

    keyword: str
    equal: tuple[str, ...] = ()
    contains: str | None = None
    matches: re.Pattern | None = None
    present: bool | None = None
    at_least: float | None = None
    below: float | None = None

    def holds(self, values: Values) -> bool:
        texts = values.get(self.keyword, ())
        if self.present is not None and self.present != bool(texts):
            return False
        if self == HeaderTest(self.keyword, present=self.present):
            return True
        return any(self._fits(text) for text in texts)

    def _fits(self, text: str) -> bool:
        low = text.casefold()
        if self.equal and not any(_same(low, wanted.casefold()) for wanted in self.equal):
            return False
        if self.contains is not None and self.contains.casefold() not in low:
            return False
        if self.matches is not None and not self.matches.search(text):
            return False
        if self.at_least is None and self.below is None:
            return True
        value = number(text)
        return value is not None and _between(value, self.at_least, self.below)


@dataclass(frozen=True)
class SenderTest:
    """Who sent it: any of these AE titles, an address in any of these networks. () asks for nothing."""

    calling_ae: tuple[str, ...] = ()
    called_ae: tuple[str, ...] = ()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    def holds(self, sender: Sender) -> bool:
        if self.calling_ae and sender.calling_ae not in self.calling_ae:
            return False
        if self.called_ae and sender.called_ae not in self.called_ae:
            return False
        return not self.networks or any(_address_in(sender.address, network) for network in self.networks)


@dataclass(frozen=True)
class Hours:
    """From a time of day to another one, minutes after midnight; over midnight when it ends earlier than it begins."""

    start: int
    end: int

    def hold(self, minute: int) -> bool:
        if self.start <= self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end


def minute_of_day() -> int:
    """Of this computer's local time."""
    now = datetime.now()
    return 60 * now.hour + now.minute


@dataclass(frozen=True)
class Condition:
    """All that are given must hold. at_least, below: of the probability of the likeliest class.

    hours: the time of day at which the rules are asked.
    """

    classes: tuple[str, ...] = ()
    at_least: float | None = None
    below: float | None = None
    agrees: bool | None = None
    header: tuple[HeaderTest, ...] = ()
    sender: SenderTest | None = None
    hours: Hours | None = None
    minute: Callable[[], int] = field(default=minute_of_day, compare=False)

    def holds(self, subject: Subject) -> bool:
        return (
            (subject.label in self.classes if self.classes else subject.readable)
            and _between(subject.probability, self.at_least, self.below)
            and (self.agrees is None or subject.agrees is self.agrees)
            and all(test.holds(subject.values) for test in self.header)
            and (self.sender is None or self.sender.holds(subject.sender))
            and (self.hours is None or self.hours.hold(self.minute()))
        )


@dataclass(frozen=True)
class Action:
    """kind: copy or move (target: a folder), store or stow (a destination's name), open (a module), hold (why).

    change: header changes of the copy that leaves, as JSON (see header_change), "" for none. wait_for: series or study,
    which must be complete first, "" for none.
    """

    kind: str
    target: str
    change: str = ""
    wait_for: str = ""


@dataclass(frozen=True)
class Rule:
    """The first rule whose condition holds decides. goes_on: its actions are taken, and later rules asked, too."""

    name: str
    when: Condition
    then: tuple[Action, ...]
    goes_on: bool = False


@dataclass(frozen=True)
class Destination:
    """A peer. kind: dicom or stow; settings: the other entries, named as in schema.py; base: of relative file names.

    hours: when it is delivered to, None always.
    """

    name: str
    kind: str
    settings: dict = field(hash=False)
    base: Path = Path()
    hours: Hours | None = None

    @property
    def shown(self) -> str:
        if self.kind == "stow":
            return self.settings["url"]
        return f"dicom://{self.settings['ae_title']}@{self.settings['host']}:{self.settings['port']}"


@dataclass(frozen=True)
class Rules:
    """otherwise: what happens to an image that no rule speaks of. base: relative folders lie below it."""

    rules: tuple[Rule, ...]
    base: Path
    otherwise: tuple[Action, ...] = (Action(HOLD, "No rule speaks of this image."),)
    destinations: dict[str, Destination] = field(default_factory=dict, hash=False)
    service: ServiceSettings = field(default_factory=ServiceSettings)

    def choose(self, subject: Subject, skips_holds: bool = False) -> tuple[str, tuple[Action, ...]]:
        """(names of the rules that apply, their actions). skips_holds: as if no rule held an image."""
        names, actions = [], []
        for rule in self.rules:
            if skips_holds and any(action.kind == HOLD for action in rule.then):
                continue
            if rule.when.holds(subject):
                names.append(rule.name)
                actions += rule.then
                if not rule.goes_on:
                    break
        if names:
            return ", ".join(names), tuple(dict.fromkeys(actions))
        return "otherwise", self.otherwise

    @property
    def keywords(self) -> frozenset[str]:
        """The header elements that conditions or folder names ask for."""
        found = {test.keyword for rule in self.rules for test in rule.when.header}
        for action in self.actions:
            if action.kind in ("copy", "move"):
                found |= placeholders(action.target) - {"class"}
            found |= {GROUP_KEYWORDS[action.wait_for]} if action.wait_for else set()
        return frozenset(found)

    def with_ports(self, **ports: int | None) -> Rules:
        """The same rules; the service with other ports, where one is given."""
        given = {name: port for name, port in ports.items() if port is not None}
        return replace(self, service=replace(self.service, **given))

    @property
    def secret_path(self) -> Path:
        """Of the secret that replaced UIDs are made with."""
        return self.service.data / "deidentification.key"

    @property
    def filled_folders(self) -> list[Path]:
        """The folders that files are copied or moved to, as far as they are the same for every image."""
        folders = [action.target for action in self.actions if action.kind in ("copy", "move")]
        fixed = [Path(folder.split("{")[0] + "x").parent if "{" in folder else Path(folder) for folder in folders]
        return [self.base / folder for folder in fixed]

    @property
    def actions(self) -> list[Action]:
        """Of all rules."""
        return [action for rule in self.rules for action in rule.then] + list(self.otherwise)


def folder_rules(folder: str | os.PathLike, move: bool) -> Rules:
    """Without a rules file: each class into a folder of its own; what is held stays where it is."""
    from BodyPartRouterLib.labels import CLASSES

    sort = Rule("by class", Condition(classes=CLASSES), (Action("move" if move else "copy", "{class}"),))
    held = (Action(HOLD, "The body part is unknown; a person must look at it."),)
    return Rules((sort,), Path(folder).absolute(), held)


def into_folder(rules: Rules, folder: str | os.PathLike, move: bool) -> Rules:
    """The same rules with relative folders below ``folder``, everything copied to folders moved there, or copied."""
    kind = "move" if move else "copy"

    def changed(actions: tuple[Action, ...]) -> tuple[Action, ...]:
        return tuple(replace(one, kind=kind) if one.kind in ("copy", "move") else one for one in actions)

    entries = tuple(replace(rule, then=changed(rule.then)) for rule in rules.rules)
    return replace(rules, rules=entries, otherwise=changed(rules.otherwise), base=Path(folder).absolute())


def _same(text: str, wanted: str) -> bool:
    if text == wanted:
        return True
    one, other = number(text), number(wanted)
    return one is not None and one == other


def _between(value: float, at_least: float | None, below: float | None) -> bool:
    return (at_least is None or value >= at_least) and (below is None or value < below)


def _address_in(address: str, network) -> bool:
    try:
        return ip_address(address.partition("%")[0]) in network
    except ValueError:  # no address, as of a file on the command line
        return False
