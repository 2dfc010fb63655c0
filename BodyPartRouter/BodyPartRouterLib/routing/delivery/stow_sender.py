"""Sending images to DICOMweb servers by STOW-RS (PS3.18 10.5): the file's own bytes, one object for each request.

Stored is only what the answer names as stored: a sign-in page, a redirect, an empty answer or one in another form is
the server's fault, and the image waits.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from BodyPartRouterLib.routing.configuration.rules import Destination
from BodyPartRouterLib.routing.dicom_object import DicomObject, NoDicomObject, file_head, read_object
from BodyPartRouterLib.routing.journal.journal import DeliveryTask

from .file_to_send import FileToSend
from .object_copy import CannotCopy
from .retry_policy import DONE, IMPOSSIBLE, REFUSED, UNCLEAR, DeliveryResult, DestinationUnavailable
from .verification import found_by_qido, verified

CONNECT_S = 10.0
TIMEOUT_S = 60.0
JSON = "application/dicom+json"
REFERENCED, FAILED = "00081199", "00081198"  # Referenced SOP Sequence: stored; Failed SOP Sequence
INSTANCE, REASON = "00081155", "00081197"  # Referenced SOP Instance UID, Failure Reason
# "is there already": PS3.7 annex C, and the code of Microsoft's server
DUPLICATE = {0x0111, 45070}
OUT_OF_RESOURCES = range(0xA700, 0xA800)
UNSUITABLE = {0x0122, *range(0xA900, 0xAA00)}


class StowSender:
    """So that one refused object does not take others along, each is posted by itself, over one connection."""

    def __init__(self, destination: Destination, secret_path: Path):
        self._secret_path = secret_path
        self._settings, self._base = destination.settings, destination.base
        self._url = f"{self._settings['url'].rstrip('/')}/studies"

    def __call__(self, tasks: Sequence[DeliveryTask]) -> Iterator[DeliveryResult]:
        """Raises DestinationUnavailable when the server cannot be reached."""
        import requests

        with requests.Session() as session, FileToSend(self._secret_path) as outgoing:
            session.trust_env = False  # no proxy, no .netrc: what is sent where stands in the rules
            _use_tls(session, self._settings.get("tls", {}), self._base)
            session.headers.update({"Accept": JSON, **self._authorization()})
            for task in tasks:
                yield self._send(session, task, outgoing)

    def _authorization(self) -> dict[str, str]:
        for name, scheme in (("token_variable", "Bearer"), ("login_variable", "Basic")):
            variable = self._settings.get(name)
            if variable is None:
                continue
            secret = os.environ.get(variable)
            if not secret:
                raise DestinationUnavailable(f"the environment variable {variable} is empty")
            return {"Authorization": f"{scheme} {secret if scheme == 'Bearer' else _base64(secret)}"}
        return {}

    def _send(self, session, task: DeliveryTask, outgoing: FileToSend) -> DeliveryResult:
        import requests

        try:
            found = read_object(outgoing.file_of(task))
            body, kind = multipart(found)
        except CannotCopy as error:
            return DeliveryResult(IMPOSSIBLE, f"its header cannot be changed: {error}")
        except NoDicomObject as error:
            return DeliveryResult(IMPOSSIBLE, str(error))
        except OSError as error:
            return DeliveryResult(REFUSED, error.strerror or type(error).__name__)
        timeout = self._settings.get("timeout_s", TIMEOUT_S)
        try:
            answer = session.post(
                self._url,
                data=body,
                headers={"Content-Type": kind},
                timeout=(min(CONNECT_S, timeout), timeout),
                allow_redirects=False,
            )
        except requests.ConnectTimeout:
            raise DestinationUnavailable("no connection") from None
        except requests.RequestException as error:
            if _is_refused(error):
                raise DestinationUnavailable("no connection") from None
            return DeliveryResult(UNCLEAR, f"the server did not answer ({type(error).__name__})")
        result = judge_answer(answer.status_code, answer.content, found.sop_instance)
        if not self._settings.get("verify"):
            return result
        service = self._url.removesuffix("/studies")
        return verified(result, lambda: found_by_qido(session, service, found.sop_instance, timeout))


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _use_tls(session, settings: dict, base: Path) -> None:
    """The same settings as tls.client_context takes; urllib3 allows TLS 1.2 and later."""
    from requests.adapters import HTTPAdapter

    if "authorities" in settings:
        session.verify = str(base / settings["authorities"])
    if "certificate" in settings:
        session.cert = tuple(str(base / settings[name]) for name in ("certificate", "key") if name in settings)
    if not settings.get("check_host", True):
        adapter = HTTPAdapter()
        adapter.poolmanager.connection_pool_kw["assert_hostname"] = False
        session.mount("https://", adapter)


def multipart(found: DicomObject) -> tuple[bytes, str]:
    """(body, content type) of a request for one object: its own bytes, under a head where the file has none."""
    data = Path(found.path).read_bytes()
    if not found.is_file and data[128:132] != b"DICM":
        data = file_head(found.sop_class, found.sop_instance, found.transfer_syntax) + data[found.offset :]
    boundary = f"lesionkit-{hashlib.sha256(data).hexdigest()}"  # no file holds its own sum
    start = f"--{boundary}\r\nContent-Type: application/dicom\r\nContent-Length: {len(data)}\r\n\r\n"
    body = b"".join((start.encode(), data, f"\r\n--{boundary}--\r\n".encode()))
    return body, f'multipart/related; type="application/dicom"; boundary={boundary}'


def judge_answer(status: int, content: bytes, uid: str) -> DeliveryResult:
    """PS3.18 10.5.3: 200, 202 and 409 list what was stored and what was not; anything else says nothing of it."""
    stored, failed = _listed(content)
    if uid in stored:
        return DeliveryResult(DONE, "stored")
    if failed and not stored:  # one was posted; some servers name it wrongly or not at all
        return _judge_failure(failed.get(uid, next(iter(failed.values()))))
    if status in (400, 409, 413, 415, 422):
        return DeliveryResult(REFUSED, f"the server answered {status}")
    if status in (200, 202):
        return DeliveryResult(UNCLEAR, "the server's answer does not say that the image is stored")
    return DeliveryResult(UNCLEAR, f"the server answered {status}{_meaning(status)}")


def _judge_failure(reason: int | None) -> DeliveryResult:
    if reason in DUPLICATE:
        return DeliveryResult(DONE, "duplicate")
    if reason is None:
        return DeliveryResult(REFUSED, "the server did not store it and gives no reason")
    note = f"the server answered 0x{reason:04X}"
    if reason in OUT_OF_RESOURCES:
        return DeliveryResult(UNCLEAR, note)
    return DeliveryResult(IMPOSSIBLE if reason in UNSUITABLE else REFUSED, note)


def _meaning(status: int) -> str:
    if 300 <= status < 400:
        return ", a redirect"
    return ", it wants another sign-in" if status in (401, 403) else ""


def _listed(content: bytes) -> tuple[set[str], dict[str | None, int | None]]:
    """(UIDs that are stored, UID -> failure reason of those that are not); nothing where the answer is no such list."""
    import json

    try:
        document = json.loads(content)
        document = document[0] if isinstance(document, list) else document
        stored = {_value(item, INSTANCE) for item in _items(document, REFERENCED)} - {None}
        failed = {_value(item, INSTANCE): _value(item, REASON) for item in _items(document, FAILED)}
    except (ValueError, LookupError, TypeError, AttributeError):
        return set(), {}
    return stored, {uid: int(reason) if str(reason).isdigit() else None for uid, reason in failed.items()}


def _items(document: dict, tag: str) -> list:
    return document.get(tag, {}).get("Value") or []


def _value(item: dict, tag: str):
    values = item.get(tag, {}).get("Value") or [None]
    return values[0]


def _is_refused(error: Exception) -> bool:
    """Whether no connection was made at all, so that the image cannot be the reason."""
    from urllib3.exceptions import NewConnectionError

    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(reason, NewConnectionError)
