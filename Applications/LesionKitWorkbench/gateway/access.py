"""Who may use the page: loopback as it is, anything else with a token over TLS; and pages of others never.

A page of another site could reach a server on this computer through the visitor's browser. So the Host header must be
a name of this server (against DNS rebinding), and the Origin header of whatever changes something must be its own.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from LesionKitLib.run.errors import UnusableInput

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
TOKEN_BYTES = 24


def is_loopback(host: str) -> bool:
    """Whether only this computer can reach a server that listens there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Access:
    """host: where the server listens. token: "" for none. secure: whether it speaks TLS. names: under which names it is
    reached beside ``host``; empty: any, as behind addresses that are not known beforehand (the token protects it)."""

    host: str
    token: str = ""
    secure: bool = False
    names: tuple[str, ...] = field(default=())

    def allows_host(self, header: str) -> bool:
        """Whether a request's Host header is one of this server."""
        if not header:
            return False
        if not is_loopback(self.host):
            return not self.names or _name(header) in self.names
        return _name(header) in LOOPBACK_NAMES

    def allows_origin(self, origin: str | None, host: str) -> bool:
        """Whether a request that changes something comes from this server's own page."""
        if not origin:
            return False
        parts = urlsplit(origin)
        return parts.scheme == ("https" if self.secure else "http") and parts.netloc.lower() == host.lower()

    def allows_token(self, given: str) -> bool:
        """Whether the token is right; always where none is needed."""
        return not self.token or hmac.compare_digest(given.encode(), self.token.encode())


def choose_access(host: str, token: str | None, secure: bool, names: tuple[str, ...] = ()) -> Access:
    """token: None makes one where it is needed. Raises UnusableInput for a host that others reach without TLS."""
    if is_loopback(host):
        return Access(host, token or "", secure, names)
    if not secure:
        raise UnusableInput(
            f"Listening on '{host}' lets other computers in; give --tls-cert and --tls-key, or listen on 127.0.0.1."
        )
    return Access(host, token or secrets.token_urlsafe(TOKEN_BYTES), secure, names)


def _name(header: str) -> str:
    """The name of a Host header, without its port."""
    return header.lower().rsplit(":", 1)[0] if header.rpartition(":")[2].isdigit() else header.lower()
