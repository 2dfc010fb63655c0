"""The rules file: read, checked against the schema, and made into Rules."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path

from BodyPartRouterLib.reading.header_values import check_keyword, is_person_name
from BodyPartRouterLib.routing.delivery.header_change import problem_of_change
from BodyPartRouterLib.routing.naming import placeholders
from LesionKitLib.run.errors import UnusableInput

from .rules import Action, Condition, Destination, HeaderTest, Hours, Rule, Rules, SenderTest
from .settings import ServiceSettings
from .yaml_document import YamlDocument, YamlError

LARGEST_FILE = 1_000_000  # bytes; rules are written by people


def load_rules(path: str | os.PathLike) -> Rules:
    """Read a rules file. Raises UnusableInput with one sentence that says where and what is wrong."""
    path = Path(path)
    text = _read(path)
    try:
        return _to_rules(YamlDocument(text), path)
    except YamlError as error:
        raise UnusableInput(f"The rules file '{path}' {error}.") from None


def _to_rules(read: YamlDocument, path: Path) -> Rules:
    _check(read)
    document = read.value
    rules = tuple(_rule(entry, n) for n, entry in enumerate(document["rules"], 1))
    more = {"otherwise": _actions(document["otherwise"])} if "otherwise" in document else {}
    base = path.absolute().parent
    entries = document.get("destinations") or {}
    destinations = {name: _destination(name, entry, base) for name, entry in entries.items()}
    service = ServiceSettings.from_entries(document.get("service") or {}, base)
    found = Rules(rules, base, destinations=destinations, service=service, **more)
    for n, entry in enumerate(document["rules"]):
        _check_actions(entry["then"], ("rules", n, "then"), found, read)
    _check_actions(document.get("otherwise", []), ("otherwise",), found, read)
    return found


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise UnusableInput(f"'{path}' is too large for a rules file.")
        return path.read_text("utf-8")
    except OSError as error:
        raise UnusableInput(f"The rules file '{path}' cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise UnusableInput(f"The rules file '{path}' is not a text file in UTF-8.") from None


def _check(read: YamlDocument) -> None:
    """Against the schema, and what a schema cannot say. Raises YamlError."""
    import jsonschema

    from .schema import RULES_SCHEMA

    validator = jsonschema.Draft202012Validator(RULES_SCHEMA, format_checker=jsonschema.FormatChecker(["regex"]))
    error = jsonschema.exceptions.best_match(validator.iter_errors(read.value))
    if error is not None:
        path = tuple(error.absolute_path)
        place = read.place(path, _surplus_key(error))
        raise YamlError(f"is wrong at {_where(path)}{place and ', '}{place}: {_plain(error)}")
    for n, entry in enumerate(read.value["rules"]):
        for keyword in (entry.get("when") or {}).get("header") or {}:
            _refuse(check_keyword(str(keyword)), read, ("rules", n, "when", "header"), str(keyword))
    for name, entry in (read.value.get("destinations") or {}).items():
        if "@" in entry.get("url", "").partition("//")[2].partition("/")[0]:
            mend = "name an environment variable that holds USER:PASSWORD with login_variable"
            _refuse(f"a password does not belong into the address; {mend}", read, ("destinations", name), "url")


def _surplus_key(error) -> str | None:
    """The key that is not allowed, if that is what is wrong."""
    if error.validator != "additionalProperties" or not isinstance(error.instance, dict):
        return None
    return next((str(key) for key in error.instance if key not in error.schema.get("properties", {})), None)


def _refuse(problem: str | None, read: YamlDocument, path: tuple, key: str | None = None) -> None:
    """Raises YamlError when there is a problem."""
    if problem:
        place = read.place(path, key)
        raise YamlError(f"is wrong at {_where(path)}{place and ', '}{place}: {problem}")


def _check_actions(entries: list[dict], path: tuple, rules: Rules, read: YamlDocument) -> None:
    for n, entry in enumerate(entries):
        for action in _actions([entry]):
            _refuse(_problem_of(action, rules), read, (*path, n))


def _problem_of(action: Action, rules: Rules) -> str | None:
    if action.kind in ("store", "stow"):
        wanted = "dicom" if action.kind == "store" else "stow"
        destination = rules.destinations.get(action.target)
        if destination is None or destination.kind != wanted:
            return f"'{action.target}' is no destination of type {wanted}"
    if action.change and action.kind not in ("copy", "store", "stow"):
        return "only a copy that leaves (copy, store, stow) can be changed"
    if action.kind in ("copy", "move"):
        for keyword in sorted(placeholders(action.target) - {"class"}):
            problem = check_keyword(keyword)
            if problem is None and is_person_name(keyword):
                problem = f"folders must not carry a person's name ({keyword})"
            if problem:
                return problem
    return problem_of_change(action.change)


def _where(parts: Sequence) -> str:
    """rules[2].then[1] as people count: rule 2, then 1."""
    words = [f"number {part + 1}" if isinstance(part, int) else str(part) for part in parts]
    return ", ".join(words) or "its top"


def _plain(error) -> str:
    """jsonschema's message without its repetition of long values."""
    if error.validator == "oneOf" and "copy" in error.schema.get("properties", {}):
        return f"an action is one of {', '.join(error.schema['properties'])}, and these one by one"
    if error.validator == "pattern" and not str(error.instance).strip():
        return "it is blank; write a name"
    message = error.message
    return message if len(message) <= 200 else f"{message[:200]}..."


def _rule(entry: dict, n: int) -> Rule:
    condition = _condition(entry.get("when") or {})
    return Rule(entry.get("name") or f"rule {n}", condition, _actions(entry["then"]), entry.get("continue", False))


def _condition(entry: dict) -> Condition:
    confidence = entry.get("confidence", {})
    return Condition(
        _texts(entry.get("class", ())),
        confidence.get("at_least"),
        confidence.get("below"),
        entry.get("agrees"),
        tuple(_header_test(keyword, test) for keyword, test in entry.get("header", {}).items()),
        _sender_test(entry["sender"]) if "sender" in entry else None,
        parse_hours(entry["hours"]) if "hours" in entry else None,
    )


def _texts(entry) -> tuple[str, ...]:
    """One text or a list of them."""
    return (entry,) if isinstance(entry, str) else tuple(entry)


def _sender_test(entry: dict) -> SenderTest:
    titles = [tuple(title.strip() for title in _texts(entry.get(name, ()))) for name in ("calling_ae", "called_ae")]
    try:
        networks = tuple(ip_network(text, strict=False) for text in _texts(entry.get("address", ())))
    except ValueError as error:
        raise YamlError(f"is wrong at a condition 'sender': {error}") from None
    return SenderTest(*titles, networks)


def parse_hours(text: str) -> Hours:
    """ "22:00-06:00", as the schema allows it."""
    start, end = (60 * int(part[:2]) + int(part[3:]) for part in text.split("-"))
    return Hours(start, end)


def _header_test(keyword: str, entry) -> HeaderTest:
    if not isinstance(entry, dict):
        wanted = entry if isinstance(entry, list) else [entry]
        return HeaderTest(keyword, equal=tuple(str(value) for value in wanted))
    pattern = entry.get("matches")
    entry = {**entry, "matches": re.compile(pattern, re.IGNORECASE) if pattern else None}
    return HeaderTest(keyword, **entry)


def _actions(entries: list[dict]) -> tuple[Action, ...]:
    return tuple(_action(dict(entry)) for entry in entries)


def _action(entry: dict) -> Action:
    change = json.dumps(entry.pop("change"), sort_keys=True) if "change" in entry else ""
    wait_for = entry.pop("wait_for", "")
    ((kind, target),) = entry.items()
    return Action(kind, target, change, wait_for)


def _destination(name: str, entry: dict, base: Path) -> Destination:
    settings = dict(entry)
    hours = parse_hours(settings.pop("hours")) if "hours" in settings else None
    return Destination(name, settings.pop("type"), settings, base, hours)
