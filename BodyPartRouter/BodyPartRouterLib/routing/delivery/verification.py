"""Read after write: asks the destination whether it really has what it called stored (``verify: true`` in the rules).

By C-FIND (Study Root, level IMAGE; PS3.4 annex C) or QIDO-RS (PS3.18 10.6), for the SOP Instance UID that went out.
Archives take a moment to index an object, so that a few questions may be needed. What is not found counts as not
delivered, by the fault of the destination: it is sent again.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from BodyPartRouterLib.reading.xray_file import read_values
from BodyPartRouterLib.routing.dicom_object import DicomObject

from .retry_policy import DONE, UNCLEAR, DeliveryResult

WAITS_S = (0.0, 0.3, 1.0, 3.0)  # before each question
PENDING = (0xFF00, 0xFF01)  # PS3.4 table C.4-1: a match follows
NOT_THERE = "the destination called it stored, but does not find it"
CANNOT_ASK = "the destination called it stored, but does not answer whether it has it"


class CannotAsk(Exception):
    """The destination does not answer the question."""


def verified(result: DeliveryResult, has: Callable[[], bool], wait=time.sleep) -> DeliveryResult:
    """The result, or UNCLEAR where ``has`` does not find the object. has may raise CannotAsk."""
    if result.state != DONE:
        return result
    for seconds in WAITS_S:
        wait(seconds)
        try:
            if has():
                return DeliveryResult(DONE, f"{result.note}, found")
        except CannotAsk:
            return DeliveryResult(UNCLEAR, CANNOT_ASK)
    return DeliveryResult(UNCLEAR, NOT_THERE)


def found_by_find(link, found: DicomObject) -> bool:
    """Whether the peer of an association that can ask finds the object."""
    from pydicom.dataset import Dataset
    from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind

    unique_keys = ("StudyInstanceUID", "SeriesInstanceUID")
    values = read_values(found.path, unique_keys)
    question = Dataset()
    question.QueryRetrieveLevel = "IMAGE"
    for keyword in unique_keys:
        setattr(question, keyword, next(iter(values.get(keyword, ())), ""))
    question.SOPInstanceUID = found.sop_instance
    try:
        answers = list(link.send_c_find(question, StudyRootQueryRetrieveInformationModelFind))
    except (ValueError, RuntimeError, OSError) as error:  # it does not take the question
        raise CannotAsk from error
    last = answers[-1][0] if answers else None
    if last is None or "Status" not in last or last.Status not in (0, *PENDING):
        raise CannotAsk
    said = [identifier for status, identifier in answers if status.Status in PENDING and identifier is not None]
    return any(str(identifier.get("SOPInstanceUID", "")) == found.sop_instance for identifier in said)


def found_by_qido(session, url: str, uid: str, timeout) -> bool:
    """Whether the server lists the object. session: signed in as for sending; url: of the service."""
    import requests

    try:
        answer = session.get(f"{url}/instances", params={"SOPInstanceUID": uid}, timeout=timeout, allow_redirects=False)
        document = answer.json() if answer.status_code == 200 else []
    except (requests.RequestException, ValueError) as error:
        raise CannotAsk from error
    if answer.status_code not in (200, 204) or not isinstance(document, list):
        raise CannotAsk
    return any(uid in (item.get("00080018", {}).get("Value") or []) for item in document if isinstance(item, dict))
