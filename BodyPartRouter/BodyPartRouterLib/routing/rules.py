"""Rules: read from a YAML file, checked against the schema, and asked which actions an image calls for."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from LesionKitLib.run.errors import UnusableInput

from .header_values import Values, check_keyword, is_person_name, number
from .naming import placeholders
from .settings import ServiceSettings

LARGEST_FILE = 1_000_000  # bytes; rules are written by people
HOLD = "hold"


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
class Condition:
    """All that are given must hold. at_least, below: of the probability of the likeliest class."""

    classes: tuple[str, ...] = ()
    at_least: float | None = None
    below: float | None = None
    agrees: bool | None = None
    header: tuple[HeaderTest, ...] = ()

    def holds(self, subject: Subject) -> bool:
        return (
            (subject.label in self.classes if self.classes else subject.readable)
            and _between(subject.probability, self.at_least, self.below)
            and (self.agrees is None or subject.agrees is self.agrees)
            and all(test.holds(subject.values) for test in self.header)
        )


@dataclass(frozen=True)
class Action:
    """kind: copy or move (target: a folder), store or stow (a destination's name), open (a module), hold (why)."""

    kind: str
    target: str


@dataclass(frozen=True)
class Rule:
    """The first rule whose condition holds decides."""

    name: str
    when: Condition
    then: tuple[Action, ...]


@dataclass(frozen=True)
class Destination:
    """A peer. kind: dicom or stow; settings: the other entries, named as in schema.py; base: of relative file names."""

    name: str
    kind: str
    settings: dict = field(hash=False)
    base: Path = Path()

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

    def choose(self, subject: Subject) -> tuple[str, tuple[Action, ...]]:
        """(name of the rule, its actions)."""
        for rule in self.rules:
            if rule.when.holds(subject):
                return rule.name, rule.then
        return "otherwise", self.otherwise

    @property
    def keywords(self) -> frozenset[str]:
        """The header elements that conditions or folder names ask for."""
        found = {test.keyword for rule in self.rules for test in rule.when.header}
        for action in self.actions:
            if action.kind in ("copy", "move"):
                found |= placeholders(action.target) - {"class"}
        return frozenset(found)

    def with_metrics_port(self, port: int) -> Rules:
        """The same rules; the metrics of the service at another port."""
        return replace(self, service=replace(self.service, metrics_port=port))

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


def load_rules(path: str | os.PathLike) -> Rules:
    """Read a rules file. Raises UnusableInput with one sentence that says where and what is wrong."""
    path = Path(path)
    document = _read_yaml(path)
    _check(document, path)
    rules = tuple(_rule(entry, n) for n, entry in enumerate(document["rules"], 1))
    more = {"otherwise": _actions(document["otherwise"])} if "otherwise" in document else {}
    base = path.absolute().parent
    entries = document.get("destinations") or {}
    destinations = {name: _destination(name, entry, base) for name, entry in entries.items()}
    service = ServiceSettings.from_entries(document.get("service") or {}, base)
    found = Rules(rules, base, destinations=destinations, service=service, **more)
    for action in found.actions:
        _check_action(action, found, path)
    return found


def _read_yaml(path: Path):
    import yaml

    try:
        if path.stat().st_size > LARGEST_FILE:
            raise UnusableInput(f"'{path}' is too large for a rules file.")
        text = path.read_text("utf-8")
    except OSError as error:
        raise UnusableInput(f"The rules file '{path}' cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise UnusableInput(f"The rules file '{path}' is not a text file in UTF-8.") from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise UnusableInput(f"The rules file '{path}' is not valid YAML{where}.") from None
    except RecursionError:
        raise UnusableInput(f"The rules file '{path}' is nested too deeply.") from None


def _check(document, path: Path) -> None:
    """Against the schema, and what a schema cannot say."""
    import jsonschema

    from .schema import RULES_SCHEMA

    validator = jsonschema.Draft202012Validator(RULES_SCHEMA, format_checker=jsonschema.FormatChecker(["regex"]))
    error = jsonschema.exceptions.best_match(validator.iter_errors(document))
    if error is not None:
        where = _where(error.absolute_path)
        raise UnusableInput(f"The rules file '{path}' is wrong at {where}: {_plain(error)}.")
    for n, entry in enumerate(document["rules"], 1):
        for keyword in (entry.get("when") or {}).get("header") or {}:
            problem = check_keyword(str(keyword))
            if problem:
                raise UnusableInput(f"The rules file '{path}' is wrong in rule {n}: {problem}.")


def _check_action(action: Action, rules: Rules, path: Path) -> None:
    if action.kind in ("store", "stow"):
        wanted = "dicom" if action.kind == "store" else "stow"
        destination = rules.destinations.get(action.target)
        if destination is None or destination.kind != wanted:
            raise UnusableInput(
                f"The rules file '{path}' sends to '{action.target}', which is no destination of type {wanted}."
            )
    if action.kind in ("copy", "move"):
        for keyword in sorted(placeholders(action.target) - {"class"}):
            problem = check_keyword(keyword)
            if problem is None and is_person_name(keyword):
                problem = f"folders must not carry a person's name ({keyword})"
            if problem:
                raise UnusableInput(f"The rules file '{path}' is wrong in the folder '{action.target}': {problem}.")


def _where(parts: Sequence) -> str:
    """rules[2].then[1] as people count: rule 2, then 1."""
    words = [f"number {part + 1}" if isinstance(part, int) else str(part) for part in parts]
    return ", ".join(words) or "its top"


def _plain(error) -> str:
    """jsonschema's message without its repetition of long values."""
    message = error.message
    return message if len(message) <= 200 else f"{message[:200]}..."


def _rule(entry: dict, n: int) -> Rule:
    return Rule(entry.get("name") or f"rule {n}", _condition(entry.get("when") or {}), _actions(entry["then"]))


def _condition(entry: dict) -> Condition:
    classes = entry.get("class", ())
    confidence = entry.get("confidence", {})
    return Condition(
        (classes,) if isinstance(classes, str) else tuple(classes),
        confidence.get("at_least"),
        confidence.get("below"),
        entry.get("agrees"),
        tuple(_header_test(keyword, test) for keyword, test in entry.get("header", {}).items()),
    )


def _header_test(keyword: str, entry) -> HeaderTest:
    if not isinstance(entry, dict):
        wanted = entry if isinstance(entry, list) else [entry]
        return HeaderTest(keyword, equal=tuple(str(value) for value in wanted))
    pattern = entry.get("matches")
    entry = {**entry, "matches": re.compile(pattern, re.IGNORECASE) if pattern else None}
    return HeaderTest(keyword, **entry)


def _actions(entries: list[dict]) -> tuple[Action, ...]:
    return tuple(Action(kind, target) for entry in entries for kind, target in entry.items())


def _destination(name: str, entry: dict, base: Path) -> Destination:
    settings = dict(entry)
    return Destination(name, settings.pop("type"), settings, base)


def _same(text: str, wanted: str) -> bool:
    if text == wanted:
        return True
    one, other = number(text), number(wanted)
    return one is not None and one == other


def _between(value: float, at_least: float | None, below: float | None) -> bool:
    return (at_least is None or value >= at_least) and (below is None or value < below)
