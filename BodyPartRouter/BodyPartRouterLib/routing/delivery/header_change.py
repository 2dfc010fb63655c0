"""Changing the header of the copy that leaves: de-identification by the basic profile (PS3.15 annex E), and attributes.

A change is JSON: {"deidentify": "basic", "remove": [KEYWORD, ...], "set": {KEYWORD: VALUE, ...}}, done in this order.
The same object with the same change and secret gives the same bytes, so that a delivery may be repeated.
"""

from __future__ import annotations

import hashlib
import json

from BodyPartRouterLib.reading.header_values import check_keyword

BASIC = "basic"
IDENTITY = {"SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"}  # changed only all together
PUBLIC_ROOT = "1.2.840.10008."
BURNED_IN = "text is burned into its pixels (BurnedInAnnotation), which de-identification does not remove"


class CannotChange(Exception):
    """The copy cannot be made; says why, without anything of the header."""


def problem_of_change(change: str) -> str | None:
    """Why a change cannot be asked for, or None."""
    wanted = json.loads(change) if change else {}
    for keyword in [*wanted.get("set", {}), *wanted.get("remove", [])]:
        problem = check_keyword(keyword)
        if problem is None and keyword in IDENTITY:
            problem = f"{keyword} tells which image it is and cannot be changed alone"
        if problem:
            return problem
    return None


def change_header(data, change: str, secret: bytes) -> None:
    """data: a pydicom data set, changed in place. Raises CannotChange, and ModuleNotFoundError without the library."""
    wanted = json.loads(change)
    if wanted.get("deidentify") == BASIC:
        _deidentify(data, secret)
    for keyword in wanted.get("remove", []):
        if keyword in data:
            delattr(data, keyword)
    for keyword, value in wanted.get("set", {}).items():
        setattr(data, keyword, value)


def replaced_uid(uid: str, secret: bytes) -> str:
    """Always the same for the same UID and secret, so that a study stays together, and not to be undone."""
    digest = hashlib.sha256(secret + uid.encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def _deidentify(data, secret: bytes) -> None:
    from dicomanonymizer import simpledicomanonymizer as library

    if str(data.get("BurnedInAnnotation", "")).strip().upper() == "YES":
        raise CannotChange(BURNED_IN)
    uids = {str(value) for element in data.iterall() if element.VR == "UI" for value in _values(element)}
    library.dictionary.clear()  # the library's own would be random, and others after each start
    library.dictionary.update({uid: replaced_uid(uid, secret) for uid in uids})
    library.dictionary.update({uid: uid for uid in uids if uid.startswith(PUBLIC_ROOT)})  # classes, not instances
    _anonymize(library, data)
    data.PatientIdentityRemoved = "YES"
    data.DeidentificationMethod = "DICOM PS3.15 basic profile, by dicom-anonymizer"
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID


def _anonymize(library, data) -> None:
    """The library looks at the top level alone: what sequences hold is treated alike (PS3.15 E.1.1)."""
    library.anonymize_dataset(data, delete_private_tags=True, base_rules_gen=library.initialize_actions_2024b)
    for element in data:
        if element.VR == "SQ":
            for item in element.value:
                _anonymize(library, item)


def _values(element) -> list:
    return list(element.value) if element.VM > 1 else [element.value]
