"""Admission of associations to the DICOM service: who may hold a connection, and for how long.

A connection gets a thread of pynetdicom's, and counts as an association, only when its whole association request is
here: within the ARTIM time (PS3.8 9.1.4) from the connection's start, TLS handshake included. Those who are silent or
trickle wait outside; when too many of them wait, the one who has waited longest is sent away, first of all from the
address that has most. After that, each PDU must arrive within its own time.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

ARTIM_S = 30.0
PDU_S = 60.0
MOST_WAITING = 64
MOST_WAITING_FROM_ONE = 8
PEEK_S = 0.02  # between two looks at what has arrived
MOST_PEEKED = 32_768  # a longer request is as good as here: the rest must come within PDU_S
_HEADER = struct.Struct(">BBL")
# A-ASSOCIATE-RJ (PS3.8 9.3.4): transient, by the presentation part, local limit exceeded; permanent, called AE unknown
TOO_MANY = bytes((3, 0, 0, 0, 0, 4, 0, 2, 3, 2))
UNKNOWN_CALLED = bytes((3, 0, 0, 0, 0, 4, 0, 1, 1, 7))
log = logging.getLogger(__name__)


class _TimedPdus:
    """For a socket class: the bytes of one PDU must arrive within PDU_S; waiting between two PDUs is another's care.

    prefetched: bytes that were read already and come first.
    """

    prefetched = b""
    _left = 0  # of the current PDU's body
    _head = b""
    _deadline = 0.0

    def recv(self, count: int, flags: int = 0) -> bytes:
        if flags & socket.MSG_PEEK:
            return super().recv(count, flags)
        if not self._left and not self._head:
            self._deadline = time.monotonic() + PDU_S
        if self.prefetched:
            data, self.prefetched = self.prefetched[:count], self.prefetched[count:]
        else:
            self.settimeout(max(self._deadline - time.monotonic(), 0.001))
            try:
                data = super().recv(count, flags)
            finally:
                self.settimeout(PDU_S)
        self._follow(data)
        return data

    def _follow(self, data: bytes) -> None:
        """Keep track of where in the PDU we are; pynetdicom reads a head by itself, then its body."""
        if self._left:
            self._left = max(self._left - len(data), 0)
            return
        self._head += data
        if len(self._head) >= _HEADER.size:
            self._left = _HEADER.unpack(self._head[: _HEADER.size])[2]
            self._head = b""


class PlainSocket(_TimedPdus, socket.socket):
    """A TCP connection."""


class TlsSocket(_TimedPdus, ssl.SSLSocket):
    """A TCP connection with TLS."""

    def pending(self) -> int:
        return len(self.prefetched) or super().pending()


@dataclass(eq=False)
class _Waiting:
    connection: socket.socket
    address: str
    since: float


class AssociationAdmission:
    """called_titles: AE titles that callers may ask for. is_full(address): whether that one has all its associations.

    on_reject(why): called for each that is sent away.
    """

    def __init__(
        self,
        called_titles: Iterable[str],
        is_full: Callable[[str], bool],
        tls: ssl.SSLContext | None,
        on_reject: Callable[[str], None],
    ):
        self._called_titles, self._is_full = frozenset(called_titles), is_full
        self._tls, self._on_reject = tls, on_reject
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        if tls is not None:
            tls.sslsocket_class = TlsSocket

    def enter(self, connection: socket.socket, address: str) -> socket.socket | None:
        """The connection when its association request is here, and may go to pynetdicom; None when it was sent away."""
        one = _Waiting(connection, address, time.monotonic())
        self._make_room(one)
        try:
            ready, request = self._wait_for_request(one)
            if ready is None:
                return None
            return self._admit(ready, address, request)
        finally:
            with self._lock:
                self._waiting.remove(one)

    def close(self) -> None:
        """Send away all who wait."""
        with self._lock:
            for one in self._waiting:
                _shut(one.connection)

    def _make_room(self, one: _Waiting) -> None:
        with self._lock:
            self._waiting.append(one)
            counts = Counter(other.address for other in self._waiting)
            is_crowd = counts[one.address] > MOST_WAITING_FROM_ONE
            if not is_crowd and len(self._waiting) <= MOST_WAITING:
                return
            crowded = one.address if is_crowd else counts.most_common(1)[0][0]
            oldest = next(other for other in self._waiting if other.address == crowded)
        self._on_reject("silent connection")
        _shut(oldest.connection)

    def _wait_for_request(self, one: _Waiting) -> tuple[socket.socket | None, bytes]:
        deadline = one.since + ARTIM_S
        try:
            if self._tls is None:
                ready = PlainSocket(fileno=one.connection.detach())
                one.connection = ready
                return ready, _peek_request(ready, deadline)
            one.connection.settimeout(ARTIM_S)
            ready = _handshake(one, self._tls, deadline)
            return ready, _read_request(ready, deadline)
        except (OSError, ValueError) as error:
            self._on_reject("silent connection" if isinstance(error, TimeoutError) else "no association request")
            _shut(one.connection)
            return None, b""

    def _admit(self, ready: socket.socket, address: str, request: bytes) -> socket.socket | None:
        called = request[10:26].decode("ascii", "replace").strip()
        if called not in self._called_titles:
            return self._reject(ready, UNKNOWN_CALLED, "called AE title")
        return self._reject(ready, TOO_MANY, "association") if self._is_full(address) else ready

    def _reject(self, ready: socket.socket, answer: bytes, why: str) -> None:
        self._on_reject(why)
        with contextlib.suppress(OSError):
            ready.sendall(answer)
            ready.settimeout(1.0)
            ready.shutdown(socket.SHUT_WR)
            while ready.recv(4096):  # what came meanwhile, so that the answer is not lost with a reset
                pass
        _shut(ready)


def _handshake(one: _Waiting, tls: ssl.SSLContext, deadline: float) -> TlsSocket:
    """Step by step, so that its time is limited as a whole."""
    ready = tls.wrap_socket(one.connection, server_side=True, do_handshake_on_connect=False)
    one.connection = ready
    while True:
        ready.settimeout(_left(deadline))
        try:
            ready.do_handshake()
            return ready
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            continue


def _peek_request(ready: PlainSocket, deadline: float) -> bytes:
    """The association request, left in the connection. Raises TimeoutError, ConnectionError or ValueError."""
    while True:
        ready.settimeout(_left(deadline))
        data = ready.recv(MOST_PEEKED, socket.MSG_PEEK)
        if not data:
            raise ConnectionError
        if len(data) >= min(_length(data), MOST_PEEKED):
            ready.settimeout(PDU_S)
            return data
        time.sleep(min(PEEK_S, _left(deadline)))


def _read_request(ready: TlsSocket, deadline: float) -> bytes:
    """As _peek_request; TLS cannot peek, so what was read is kept to be read again."""
    data = b""
    while len(data) < min(_length(data), MOST_PEEKED):
        ready.settimeout(_left(deadline))
        more = ssl.SSLSocket.recv(ready, 4096)
        if not more:
            raise ConnectionError
        data += more
    ready.prefetched = data
    ready.settimeout(PDU_S)
    return data


def _length(data: bytes) -> int:
    """Of the PDU that begins so, its head alone when that is not here yet. Raises ValueError when it is no request."""
    if data[:1] not in (b"", b"\x01"):
        raise ValueError("no association request")
    return _HEADER.size + (_HEADER.unpack(data[: _HEADER.size])[2] if len(data) >= _HEADER.size else 1)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _shut(connection: socket.socket) -> None:
    """Also wakes a thread that waits for it."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError):
        connection.close()
