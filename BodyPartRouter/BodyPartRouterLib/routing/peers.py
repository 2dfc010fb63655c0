"""Sending images to DICOM peers: C-STORE (pynetdicom) and STOW-RS (dicomweb-client).

A crash between the peer's answer and our note of it makes us send the same SOP Instance UID again. A peer that keeps
one object for each UID, as DICOM wants it, then still has it once; one that answers "duplicate" is taken as having it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from .journal import DeliveryTask
from .retry_policy import DONE, LATER, REFUSED, DeliveryResult, DestinationUnavailable
from .rules import Destination

CALLING_AE_TITLE = "LESIONKIT"
CONNECT_S = 10.0
TIMEOUT_S = 60.0
DUPLICATE = 0x0111  # PS3.7 annex C: duplicate SOP instance
OUT_OF_RESOURCES = range(0xA700, 0xA800)  # PS3.4 table B.2-1
STORED = {0x0000, 0x0001, 0x0107, 0x0116, DUPLICATE, *range(0xB000, 0xC000)}  # success and warnings: it is stored
CONTEXTS = 128  # presentation contexts of one association


class StoreSender:
    """C-STORE of files as they are, without decoding or changing them, over one association for each call."""

    def __init__(self, destination: Destination):
        self._settings = destination.settings
        self._name = destination.name

    def __call__(self, tasks: Sequence[DeliveryTask]) -> Iterator[DeliveryResult]:
        """Raises DestinationUnavailable when there is no association, or none any more."""
        from pynetdicom import AE, _config

        _config.STORE_SEND_CHUNKED_DATASET = True  # from the file as it lies there
        kinds = [_kind(task) for task in tasks]
        timeout = self._settings.get("timeout_s", TIMEOUT_S)
        entity = AE(self._settings.get("calling_ae_title", CALLING_AE_TITLE))
        entity.connection_timeout = min(CONNECT_S, timeout)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = timeout
        for kind in list(dict.fromkeys(kind for kind in kinds if kind))[:CONTEXTS]:
            entity.add_requested_context(*kind)
        if not entity.requested_contexts:
            yield from (DeliveryResult(REFUSED, "the file is no DICOM object") for _ in tasks)
            return
        link = entity.associate(self._settings["host"], self._settings["port"], ae_title=self._settings["ae_title"])
        if not link.is_established:
            raise DestinationUnavailable("the association was rejected" if link.is_rejected else "no connection")
        try:
            for task, kind in zip(tasks, kinds, strict=True):
                result = _store(link, task, kind)
                yield result
                if not link.is_established:
                    raise DestinationUnavailable("the connection was lost")
        finally:
            if link.is_established:
                link.release()


def _kind(task: DeliveryTask) -> tuple[str, str] | None:
    """(SOP class, transfer syntax) of a DICOM file, None for any other file."""
    from pydicom.filereader import read_file_meta_info

    try:
        meta = read_file_meta_info(task.image.path)
        return str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID)
    except Exception:  # pydicom raises many kinds
        return None


def _store(link, task: DeliveryTask, kind) -> DeliveryResult:
    if kind is None:
        return DeliveryResult(REFUSED, "the file is no DICOM object")
    try:
        answer = link.send_c_store(task.image.path)
    except ValueError:  # no accepted presentation context
        return DeliveryResult(REFUSED, "the peer does not take this kind of object or its compression")
    except (OSError, AttributeError, RuntimeError) as error:
        return DeliveryResult(REFUSED, type(error).__name__)
    if "Status" not in answer:
        return DeliveryResult(REFUSED, "no answer")
    if answer.Status in STORED:
        return DeliveryResult(DONE, "duplicate" if answer.Status == DUPLICATE else "stored")
    state = LATER if answer.Status in OUT_OF_RESOURCES else REFUSED
    return DeliveryResult(state, f"the peer answered 0x{answer.Status:04X}")


class StowSender:
    """STOW-RS, one object for each request, so that one refused object does not take others along."""

    def __init__(self, destination: Destination):
        self._settings = destination.settings

    def __call__(self, tasks: Sequence[DeliveryTask]) -> Iterator[DeliveryResult]:
        """Raises DestinationUnavailable when the server does not answer or cannot work (5xx, 429, 401)."""
        from dicomweb_client.api import DICOMwebClient

        answers: list = []
        timeout = self._settings.get("timeout_s", TIMEOUT_S)
        client = DICOMwebClient(
            self._settings["url"],
            headers=self._headers(),
            callback=lambda answer, *_arguments, **_options: answers.append(answer),
            timeout=(min(CONNECT_S, timeout), timeout),
        )
        client.set_http_retry_params(retry=False)  # the worker's own waiting is written down
        for task in tasks:
            answers.clear()
            yield self._send(client, task, answers)

    def _headers(self) -> dict[str, str]:
        variable = self._settings.get("token_variable")
        if variable is None:
            return {}
        token = os.environ.get(variable)
        if not token:
            raise DestinationUnavailable(f"the environment variable {variable} holds no token")
        return {"Authorization": f"Bearer {token}"}

    def _send(self, client, task: DeliveryTask, answers: list) -> DeliveryResult:
        import requests
        from pydicom import dcmread

        from BodyPartRouterLib.reading.frame_size import refuse_large_inflated

        try:
            refuse_large_inflated(task.image.path)
            data = dcmread(task.image.path)
        except Exception:  # pydicom raises many kinds
            return DeliveryResult(REFUSED, "the file is no DICOM object that can be read")
        try:
            client.store_instances([data])
        except (requests.ConnectionError, requests.Timeout) as error:
            raise DestinationUnavailable(type(error).__name__) from None
        except Exception:  # raised for refusals and for answers of unusual form; judged by the answer itself
            if not answers:
                raise
        return _judge(answers[-1])


def _judge(answer) -> DeliveryResult:
    """PS3.18 10.5.3: 200 all stored, 202 and 409 with a list of what was not."""
    reasons = _failures(answer)
    if reasons and all(reason == DUPLICATE for reason in reasons):
        return DeliveryResult(DONE, "duplicate")
    if reasons:
        state = LATER if all(reason in OUT_OF_RESOURCES for reason in reasons) else REFUSED
        return DeliveryResult(state, "the server answered " + ", ".join(f"0x{reason:04X}" for reason in reasons))
    if answer.status_code in (200, 202):
        return DeliveryResult(DONE, "stored")
    if answer.status_code >= 500 or answer.status_code in (401, 403, 404, 429):
        raise DestinationUnavailable(f"the server answered {answer.status_code}")
    return DeliveryResult(REFUSED, f"the server answered {answer.status_code}")


def _failures(answer) -> list[int]:
    """Failure reasons (0008,1197) in the Failed SOP Sequence (0008,1198) of a JSON answer."""
    try:
        found = answer.json()
        found = found[0] if isinstance(found, list) else found
        items = found.get("00081198", {}).get("Value", [])
        return [int(item["00081197"]["Value"][0]) for item in items]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return []
