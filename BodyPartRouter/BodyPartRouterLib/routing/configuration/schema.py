"""The form of a rules file, as JSON Schema (draft 2020-12). docs/router-rules.md explains it to people."""

from __future__ import annotations

from BodyPartRouterLib.labels import CLASSES, UNKNOWN

VERSION = 1
MODULES = ("CovidLungQuant", "StrokeSynth", "BodyPartRouter", "Volumes", "DICOM")
_TEXT = {"type": "string", "minLength": 1, "maxLength": 1024}
_AE_TITLE = {
    "type": "string",
    "pattern": r"^(?=.*[^ ])[ -\[\]-~]{1,16}$",
}  # PS3.5 table 6.2-1: no backslash, no control characters, not blank
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_SECONDS = {"type": "number", "exclusiveMinimum": 0, "maximum": 86400}
_PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
_VARIABLE = {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}
_NAMES = {"type": "string", "pattern": r"^[A-Za-z][A-Za-z0-9 _.-]{0,63}$"}


def _object(required: list[str] | None = None, **properties) -> dict:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required or [],
        "properties": properties,
    }


_VALUE = {"type": ["string", "number"]}
_HEADER_TEST = {
    "oneOf": [
        _VALUE,
        {"type": "array", "items": _VALUE, "minItems": 1},
        {
            **_object(
                contains=_TEXT,
                matches={**_TEXT, "format": "regex"},
                present={"type": "boolean"},
                at_least={"type": "number"},
                below={"type": "number"},
            ),
            "minProperties": 1,
        },
    ]
}
_CLASS = {"enum": [*CLASSES, UNKNOWN]}
_HOUR = r"([01][0-9]|2[0-3]):[0-5][0-9]"
_HOURS = {"type": "string", "pattern": f"^{_HOUR}-{_HOUR}$"}
_TITLES = {"oneOf": [_AE_TITLE, {"type": "array", "items": _AE_TITLE, "minItems": 1}]}
_ADDRESSES = {"oneOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]}
_SENDER = {**_object(calling_ae=_TITLES, called_ae=_TITLES, address=_ADDRESSES), "minProperties": 1}
_WHEN = _object(
    **{"class": {"oneOf": [_CLASS, {"type": "array", "items": _CLASS, "minItems": 1}]}},
    confidence={**_object(at_least=_SHARE, below=_SHARE), "minProperties": 1},
    agrees={"type": "boolean"},
    header={"type": "object", "minProperties": 1, "additionalProperties": _HEADER_TEST},
    sender=_SENDER,
    hours=_HOURS,
)
_CHANGE = {
    **_object(
        deidentify={"enum": ["basic"]},
        set={"type": "object", "minProperties": 1, "additionalProperties": _VALUE},
        remove={"type": "array", "items": _TEXT, "minItems": 1},
    ),
    "minProperties": 1,
}
_KINDS = {
    "copy": _TEXT, "move": _TEXT, "store": _NAMES, "stow": _NAMES, "open": {"enum": list(MODULES)}, "hold": _TEXT,
}  # fmt: skip
_ACTION = {
    **_object(**_KINDS, change=_CHANGE, wait_for={"enum": ["series", "study"]}),
    "oneOf": [{"required": [kind]} for kind in _KINDS],
}
_ACTIONS = {"type": "array", "items": _ACTION, "minItems": 1}
_CLIENT_TLS = _object(authorities=_TEXT, certificate=_TEXT, key=_TEXT, check_host={"type": "boolean"})
_DICOM = _object(
    ["type", "host", "port", "ae_title"],
    type={"const": "dicom"},
    host=_TEXT,
    port=_PORT,
    ae_title=_AE_TITLE,
    calling_ae_title=_AE_TITLE,
    timeout_s=_SECONDS,
    tls=_CLIENT_TLS,
    verify={"type": "boolean"},
    hours=_HOURS,
)
_STOW = _object(
    ["type", "url"],
    type={"const": "stow"},
    url={**_TEXT, "pattern": "^https?://"},
    token_variable=_VARIABLE,
    login_variable=_VARIABLE,
    timeout_s=_SECONDS,
    tls=_CLIENT_TLS,
    verify={"type": "boolean"},
    hours=_HOURS,
)
_SERVICE = _object(
    data=_TEXT,
    address=_TEXT,
    ae_title=_AE_TITLE,
    allow={"type": "array", "items": _AE_TITLE},
    max_object_mb={"type": "number", "exclusiveMinimum": 0},
    max_associations={"type": "integer", "minimum": 1, "maximum": 1000},
    max_associations_from_one={"type": "integer", "minimum": 1, "maximum": 1000},
    more_ae_titles={"type": "array", "items": _AE_TITLE},
    tls=_object(["certificate"], certificate=_TEXT, key=_TEXT, clients=_TEXT),
    min_free_mb={"type": "number", "minimum": 0},
    batch={"type": "integer", "minimum": 1, "maximum": 1024},
    batch_wait_s={"type": "number", "minimum": 0, "maximum": 60},
    metrics_port={"type": ["integer", "null"], "minimum": 1, "maximum": 65535},
    attempts={"type": "integer", "minimum": 1},
    first_wait_s=_SECONDS,
    longest_wait_s=_SECONDS,
    keep_days={"type": "number", "exclusiveMinimum": 0},
    quiet_s=_SECONDS,
    stow_port={"type": ["integer", "null"], "minimum": 1, "maximum": 65535},
    stow_token_variable=_VARIABLE,
    page_port={"type": ["integer", "null"], "minimum": 1, "maximum": 65535},
    page_address=_TEXT,
    page_token_variable=_VARIABLE,
)
_RULE = {"name": _TEXT, "when": _WHEN, "then": _ACTIONS, "continue": {"type": "boolean"}}
RULES_SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "LesionKit routing rules",
    **_object(
        ["version", "rules"],
        version={"const": VERSION},
        destinations={
            "type": "object",
            "propertyNames": _NAMES,
            "additionalProperties": {"type": "object", "required": ["type"], "oneOf": [_DICOM, _STOW]},
        },
        rules={"type": "array", "items": _object(["then"], **_RULE)},
        otherwise=_ACTIONS,
        service=_SERVICE,
    ),
}
