"""Sending images to DICOM peers by C-STORE (PS3.4 annex B, pynetdicom).

The data set goes out as it lies in the file. For every class Implicit VR Little Endian is offered as well (PS3.5 10.1),
and Explicit; a peer that does not take the file's own transfer syntax is sent a copy in one of these, decompressed if
need be.

A crash between the peer's answer and our note of it makes us send the same SOP Instance UID again. A peer that keeps
one object for each UID, as DICOM wants it, then still has it once; one that answers "duplicate" is taken as having it.
With ``verify`` the peer is asked after each object whether it has it (verification.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from BodyPartRouterLib.routing.configuration.rules import Destination
from BodyPartRouterLib.routing.dicom_object import (
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    DicomObject,
    NoDicomObject,
    read_object,
    write_as_file,
)
from BodyPartRouterLib.routing.journal.journal import DeliveryTask

from .file_to_send import FileToSend
from .object_copy import CannotCopy, write_copy
from .retry_policy import DONE, IMPOSSIBLE, REFUSED, UNCLEAR, DeliveryResult, DestinationUnavailable
from .tls import client_context
from .verification import CannotAsk, found_by_find, verified

CALLING_AE_TITLE = "LESIONKIT"
CONNECT_S = 10.0
TIMEOUT_S = 60.0
FIND = "1.2.840.10008.5.1.4.1.2.2.1"  # Study Root Query/Retrieve Information Model - FIND
CONTEXTS = 128  # presentation contexts of one association
DUPLICATE = 0x0111  # PS3.7 annex C: duplicate SOP instance
STORED = {0x0000, 0x0001, 0x0107, 0x0116, DUPLICATE, *range(0xB000, 0xC000)}  # success and warnings: it is stored
NOT_AUTHORIZED = 0x0124
OUT_OF_RESOURCES = range(0xA700, 0xA800)  # PS3.4 table B.2-1
UNSUITABLE = {0x0122, *range(0xA900, 0xAA00)}  # class not supported, data set does not match the class


class StoreSender:
    """C-STORE over one association for each call, over another one when the peer breaks it off."""

    def __init__(self, destination: Destination, secret_path: Path):
        self._settings, self._base = destination.settings, destination.base
        self._secret_path = secret_path
        self._timeout_s = self._settings.get("timeout_s", TIMEOUT_S)

    def __call__(self, tasks: Sequence[DeliveryTask]) -> Iterator[DeliveryResult]:
        """Raises DestinationUnavailable when there is no association."""
        from pynetdicom import _config

        _config.STORE_SEND_CHUNKED_DATASET = True  # from the file as it lies there
        with FileToSend(self._secret_path) as outgoing:
            found = [_object(task, outgoing) for task in tasks]
            yield from self._send_all(found, outgoing)

    def _send_all(self, found, outgoing: FileToSend) -> Iterator[DeliveryResult]:
        contexts, link, asking = _contexts(found), None, _Questions(self)
        try:
            for one in found:
                if isinstance(one, DeliveryResult):
                    yield one
                    continue
                if (one.sop_class, one.transfer_syntax) not in contexts:
                    return  # for the next association
                if link is None or not link.is_established:
                    link = self.associate(contexts)
                result = _store(link, one, outgoing)
                yield verified(result, partial(asking.has, one)) if self._settings.get("verify") else result
        finally:
            asking.close()
            if link is not None and link.is_established:
                link.release()

    def associate(self, contexts: Sequence[tuple[str, str]]):
        """Raises DestinationUnavailable. An association in which the peer takes none of the contexts is none either."""
        from pynetdicom import AE

        entity = AE(self._settings.get("calling_ae_title", CALLING_AE_TITLE))
        entity.connection_timeout = min(CONNECT_S, self._timeout_s)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = self._timeout_s
        for context in contexts:
            entity.add_requested_context(*context)
        host, port, title = (self._settings[name] for name in ("host", "port", "ae_title"))
        tls = self._settings.get("tls")
        tls_args = (client_context(tls, self._base), host) if tls is not None else None
        link = entity.associate(host, port, ae_title=title, tls_args=tls_args)
        if link.is_established or link.rejected_contexts:
            return link
        raise DestinationUnavailable("the association was rejected" if link.is_rejected else "no connection")


class _Questions:
    """The association in which the peer is asked what it has, made at the first question."""

    def __init__(self, sender: StoreSender):
        self._sender, self._link = sender, None

    def has(self, found: DicomObject) -> bool:
        """Raises CannotAsk."""
        if self._link is None or not self._link.is_established:
            try:
                self._link = self._sender.associate([(FIND, IMPLICIT_LITTLE)])
            except DestinationUnavailable as error:
                raise CannotAsk from error
        return found_by_find(self._link, found)

    def close(self) -> None:
        if self._link is not None and self._link.is_established:
            self._link.release()


def _object(task: DeliveryTask, outgoing: FileToSend) -> DicomObject | DeliveryResult:
    try:
        return read_object(outgoing.file_of(task))
    except CannotCopy as error:
        return DeliveryResult(IMPOSSIBLE, f"its header cannot be changed: {error}")
    except NoDicomObject as error:
        return DeliveryResult(IMPOSSIBLE, str(error))


def _contexts(found: Sequence[DicomObject | DeliveryResult]) -> list[tuple[str, str]]:
    """(SOP class, transfer syntax) to propose, each by itself so that the answer tells which are taken."""
    contexts: dict[tuple[str, str], None] = {}
    for one in found:
        if isinstance(one, DeliveryResult):
            continue
        wanted = [(one.sop_class, syntax) for syntax in (one.transfer_syntax, EXPLICIT_LITTLE, IMPLICIT_LITTLE)]
        if len(contexts.keys() | set(wanted)) > CONTEXTS:
            break
        contexts.update(dict.fromkeys(wanted))
    return list(contexts)


def _store(link, found: DicomObject, outgoing: FileToSend) -> DeliveryResult:
    taken = {(context.abstract_syntax, context.transfer_syntax[0]) for context in link.accepted_contexts}
    choices = [
        syntax
        for syntax in (found.transfer_syntax, EXPLICIT_LITTLE, IMPLICIT_LITTLE)
        if (found.sop_class, syntax) in taken
    ]
    if not choices:
        return DeliveryResult(IMPOSSIBLE, "the peer does not take this kind of object, neither compressed nor plain")
    try:
        path = _in_syntax(found, choices[0], outgoing)
    except CannotCopy as error:
        return DeliveryResult(IMPOSSIBLE, f"the peer does not take its compression, and {error}")
    except OSError as error:
        return DeliveryResult(REFUSED, error.strerror or type(error).__name__)
    result = _send(link, path)
    if result.state == DONE and choices[0] != found.transfer_syntax:
        kind = "decompressed" if found.is_compressed else "with another encoding"
        return DeliveryResult(DONE, f"{result.note}, {kind}")
    return result


def _in_syntax(found: DicomObject, syntax: str, outgoing: FileToSend) -> Path:
    """The file itself where its bytes can go out as they are, else a copy."""
    path = found.path
    if not found.is_file or (found.size - found.offset) % 2:
        path = outgoing.folder / "as-file.dcm"
        write_as_file(found, path)
    if syntax == found.transfer_syntax:
        return path
    copy = outgoing.folder / "copy.dcm"
    write_copy(outgoing.child, path, copy, syntax=syntax)
    return copy


def _send(link, path: Path) -> DeliveryResult:
    try:
        answer = link.send_c_store(path)
    except ValueError:  # no accepted presentation context
        return DeliveryResult(IMPOSSIBLE, "the peer does not take this kind of object or its compression")
    except (OSError, AttributeError, RuntimeError) as error:
        return DeliveryResult(REFUSED, type(error).__name__)
    if "Status" not in answer:
        if link.is_established:  # it may not have noticed yet that nobody is there
            link.abort()
        return DeliveryResult(UNCLEAR, "the peer did not answer, or broke off the association")
    return judge_status(answer.Status)


def judge_status(status: int) -> DeliveryResult:
    """What the status of a C-STORE response means (PS3.4 table B.2-1, PS3.7 annex C)."""
    if status in STORED:
        return DeliveryResult(DONE, "duplicate" if status == DUPLICATE else "stored")
    note = f"the peer answered 0x{status:04X}"
    if status in OUT_OF_RESOURCES or status == NOT_AUTHORIZED:
        return DeliveryResult(UNCLEAR, note)
    return DeliveryResult(IMPOSSIBLE if status in UNSUITABLE else REFUSED, note)
