"""The router's service as a child process, and its peers: Debian's dcmtk, and a small STOW-RS server."""

from __future__ import annotations

import email
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

HERE = Path(__file__).resolve().parent
DCMTK = all(shutil.which(program) for program in ("storescu", "storescp", "echoscu"))


class ServiceProcess:
    """``lesionkit route serve`` with the classifier of router_fixtures. log: what it has written to stderr."""

    def __init__(self, rules: Path, port: int = 0, ms_per_image: float = 0.0):
        self.rules, self._ms = rules, ms_per_image
        self._log_path = rules.with_suffix(".log")
        self._child = None
        self.port, self.metrics_port, self.page_port = port, None, None

    def start(self) -> None:
        script = HERE / "router_service_process.py"
        with open(self._log_path, "ab") as log:
            self._child = subprocess.Popen(
                [sys.executable, str(script), str(self.port), str(self.rules), str(self._ms)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        line = self._child.stdout.readline()
        match = re.match(r"port (\d+), metrics (\w+)(?:, page (\d+))?", line)
        if match is None:
            raise RuntimeError(f"The service did not start: {self.log}")
        self.port = int(match[1])
        self.metrics_port = int(match[2]) if match[2] != "off" else None
        self.page_port = int(match[3]) if match[3] else None

    @property
    def log(self) -> str:
        return self._log_path.read_text("utf-8")

    def wait(self) -> int:
        """Until it ends by itself; its exit code."""
        return self._child.wait(timeout=180)

    def kill(self) -> None:
        """kill -9"""
        self._child.kill()
        self._child.wait()

    def hang_up(self) -> None:
        """SIGHUP: read the rules again."""
        self._child.send_signal(signal.SIGHUP)

    def terminate(self) -> int:
        """SIGTERM; returns the exit code."""
        self._child.send_signal(signal.SIGTERM)
        return self._child.wait(timeout=180)

    def close(self) -> None:
        if self._child is not None and self._child.poll() is None:
            self.kill()

    def metrics(self) -> dict[str, float]:
        """Sample with its labels -> value."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


class StoreScp:
    """dcmtk's storescp, which names a file after its SOP Instance UID and writes over one that is sent again."""

    def __init__(self, folder: Path, port: int, ae_title: str = "ARCHIVE"):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.port, self._ae_title = folder, port, ae_title
        self._log_path = folder.with_suffix(".log")
        self._child = self._reserved = None

    def start(self) -> None:
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None
        options = ["-v", "-aet", self._ae_title, "-od", str(self.folder), "+xa", "--fork", str(self.port)]
        with open(self._log_path, "ab") as log:
            self._child = subprocess.Popen(["storescp", *options], stdout=log, stderr=log)
        wait_until(lambda: echo(self.port) == 0)

    @property
    def requests(self) -> int:
        """C-STORE requests so far, repeated ones too."""
        return self._log_path.read_text("utf-8", errors="replace").count("Received Store Request")

    @property
    def objects(self) -> list[str]:
        return sorted(path.name.split(".", 1)[1] for path in self.folder.iterdir())

    def stop(self) -> None:
        if self._child is not None:
            self._child.terminate()
            self._child.wait()
            self._child = None

    def go_away(self) -> None:
        """Stop until the next start; meanwhile nobody listens on the port, and no other process can take it."""
        self.stop()
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        wait_until(self._reserve)  # storescp's children have its socket until their associations end
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)  # and nobody else may bind it

    def _reserve(self) -> bool:
        """Bound without listening: connections are refused."""
        try:
            self._reserved.bind(("127.0.0.1", self.port))
        except OSError:
            return False
        return True


class StowServer:
    """Keeps what is posted to /studies.

    answers: (HTTP status, failure reason) of the next requests, stored when there are none left. raw: in the place of
    every answer, (HTTP status, content type, body, further headers). bodies: what was posted, with its heads.
    lists: what QIDO-RS finds; None for a sign-in page.
    """

    def __init__(self, raw=None):
        self.objects: list[str] = []
        self.answers: list[tuple[int, int | None]] = []
        self.authorizations: list[str | None] = []
        self.bodies: list[bytes] = []
        self.raw = raw
        self.lists = lambda: None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = _body(self)
                outer.bodies.append(body)
                outer.authorizations.append(self.headers.get("Authorization"))
                self.answer(*(outer.raw or outer._answer(self.headers["Content-Type"], body)))

            def do_GET(self):
                listed = outer.lists() if self.path.startswith("/instances?SOPInstanceUID=") else None
                if listed is None:
                    self.answer(200, "text/html", b"<html><form>please sign in</form></html>", {})
                else:
                    self.answer(200, "application/dicom+json", json.dumps(listed).encode(), {})

            def answer(self, status, kind, text, headers):
                self.send_response(status)
                for name, value in {"Content-Type": kind, "Content-Length": str(len(text)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_arguments):
                """Silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _answer(self, kind: str, body: bytes) -> tuple:
        status, reason = self.answers.pop(0) if self.answers else (200, None)
        document: dict = {}
        if status == 200:
            uids = _uids(kind, body)
            self.objects += uids
            document = {"00081199": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": [uid]}} for uid in uids]}}
        elif reason is not None:
            item = {"00081197": {"vr": "US", "Value": [reason]}}
            document = {"00081198": {"vr": "SQ", "Value": [item]}}
        return status, "application/dicom+json", json.dumps(document).encode(), {}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class StorePeer:
    """A C-STORE peer in this process. on_store(event): its status; syntaxes: the transfer syntaxes that it takes.

    stored: (SOP Instance UID, transfer syntax, bytes of the data set) of what it answered with 0.
    """

    def __init__(self, on_store=lambda event: 0, syntaxes=("1.2.840.10008.1.2", "1.2.840.10008.1.2.1"), tls=None):
        from pynetdicom import AE, StoragePresentationContexts, evt

        self.stored: list[tuple[str, str, bytes]] = []

        def store(event):
            status = on_store(event)
            if status == 0:
                data = event.request.DataSet.getvalue()
                self.stored.append((event.request.AffectedSOPInstanceUID, event.context.transfer_syntax, data))
            return status

        entity = AE("ARCHIVE")
        for context in StoragePresentationContexts:
            entity.add_supported_context(context.abstract_syntax, list(syntaxes))
        place, handlers = ("127.0.0.1", 0), [(evt.EVT_C_STORE, store)]
        self._server = entity.start_server(place, block=False, evt_handlers=handlers, ssl_context=tls)
        self.port = self._server.socket.getsockname()[1]

    def close(self) -> None:
        self._server.shutdown()


def _body(handler) -> bytes:
    if handler.headers.get("Transfer-Encoding") != "chunked":
        return handler.rfile.read(int(handler.headers["Content-Length"]))
    blocks = []
    while size := int(handler.rfile.readline(), 16):
        blocks.append(handler.rfile.read(size))
        handler.rfile.readline()
    handler.rfile.readline()
    return b"".join(blocks)


def _uids(content_type: str, body: bytes) -> list[str]:
    from pydicom import dcmread

    message = email.message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    parts = [part.get_payload(decode=True) for part in message.get_payload()]
    return [str(dcmread(BytesIO(part)).SOPInstanceUID) for part in parts]


def echo(port: int, called: str = "ARCHIVE", calling: str = "ECHOSCU") -> int:
    """Exit code of dcmtk's echoscu: 0 when the peer answers."""
    command = ["echoscu", "-to", "5", "-aec", called, "-aet", calling, "127.0.0.1", str(port)]
    return subprocess.run(command, capture_output=True).returncode


def send(port: int, paths: list[Path], calling: str = "CR1") -> subprocess.CompletedProcess:
    """dcmtk's storescu; it stops at the first object that is refused."""
    command = ["storescu", "-v", "-R", "-to", "10", "-aec", "LESIONKIT", "-aet", calling, "127.0.0.1", str(port)]
    return subprocess.run([*command, *map(str, paths)], capture_output=True, text=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, seconds: float = float(os.environ.get("TEST_WAIT_S", 180))) -> None:
    """However slow the machine is; raises TimeoutError."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"Not so after {seconds} s: {condition}")
        time.sleep(0.05)
