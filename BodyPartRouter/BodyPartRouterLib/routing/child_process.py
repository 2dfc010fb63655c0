"""A child process for work on images that may crash, hang or take all memory: then it ends, and we live on.

Parent and child talk over the child's standard input and output: a length (4 bytes), a JSON document, and bytes of an
announced number. Nothing that the child sends is executed (no pickle), and what the child's libraries print goes
nowhere: their messages quote the header.
"""

from __future__ import annotations

import importlib
import json
import os
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

TIMEOUT_S = 120.0  # for one request
MEMORY_BYTES = 6 << 30  # of address space; the largest image that is read takes less than half
# name -> module and function(request) -> (JSON document, bytes)
OPERATIONS = {
    "read": ("BodyPartRouterLib.routing.reader_process", "serve_reader"),
    "copy": ("BodyPartRouterLib.routing.delivery.object_copy", "answer_copy"),
}
_LENGTH = struct.Struct("<I")


class ChildDied(Exception):
    """The child ended at this request. slow: it was ended because it took too long."""

    def __init__(self, slow: bool):
        super().__init__("too slow" if slow else "died")
        self.slow = slow


class ChildProcess:
    """Started at the first request, and anew when it has died. For one thread."""

    def __init__(self, timeout_s: float = TIMEOUT_S, memory_bytes: int = MEMORY_BYTES):
        self._timeout_s, self._memory_bytes = timeout_s, memory_bytes
        self._child: subprocess.Popen | None = None

    def __enter__(self) -> ChildProcess:
        return self

    def __exit__(self, *_error) -> None:
        self.close()

    def start(self) -> None:
        """Start the child ahead of the first request, so that it loads its libraries meanwhile."""
        if self._child is None or self._child.poll() is not None:
            command = [sys.executable, "-m", __name__, str(self._timeout_s), str(self._memory_bytes)]
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(),
            )

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            for stream in (self._child.stdin, self._child.stdout):
                with suppress(OSError):
                    stream.close()
            self._child.wait()
            self._child = None

    def ask(self, operation: str, **request) -> tuple[dict, bytes]:
        """The answer of one of the OPERATIONS. Raises ChildDied."""
        self.start()
        child, slow = self._child, threading.Event()

        def end() -> None:
            slow.set()
            child.kill()

        watch = threading.Timer(self._timeout_s, end)
        watch.daemon = True
        watch.start()
        try:
            _send(child.stdin, {"operation": operation, **request})
            return _receive(child.stdout)
        except (OSError, EOFError, ValueError):
            self.close()
            raise ChildDied(slow.is_set()) from None
        finally:
            watch.cancel()


def _environment() -> dict[str, str]:
    """The child finds our packages where this process found them."""
    import BodyPartRouterLib
    import LesionKitLib

    ours = [str(Path(package.__file__).resolve().parents[1]) for package in (BodyPartRouterLib, LesionKitLib)]
    before = os.environ.get("PYTHONPATH")
    paths = dict.fromkeys([*ours, *([before] if before else [])])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _send(stream, document: dict, data: bytes = b"") -> None:
    text = json.dumps(document).encode()  # ASCII: names that are no text pass as escaped surrogates
    stream.write(_LENGTH.pack(len(text)) + text)
    stream.write(data)
    stream.flush()


def _receive(stream) -> tuple[dict, bytes]:
    """Raises EOFError when the other side ends within a message."""
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    document = json.loads(_exactly(stream, length))
    return document, _exactly(stream, document.get("bytes", 0))


def _exactly(stream, count: int) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        raise EOFError
    return data


# --- in the child


def _answer(request: dict) -> tuple[dict, bytes]:
    module, function = OPERATIONS[request.pop("operation")]
    document, data = getattr(importlib.import_module(module), function)(request)
    return {**document, "bytes": len(data)}, data


def _limit_memory(count: int) -> None:
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (count, count))


def main() -> None:
    """Answer requests until the parent closes the pipe, or is gone."""
    import faulthandler
    import signal

    timeout_s, memory_bytes = float(sys.argv[1]), int(sys.argv[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal reaches the child, too; the parent decides
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not get among the answers
    _limit_memory(memory_bytes)
    with open(os.devnull, "w") as nowhere:
        while True:
            try:
                request, _data = _receive(requests)
            except EOFError:
                return
            # without a parent, too, a decoder that hangs comes to an end
            faulthandler.dump_traceback_later(timeout_s + 10, exit=True, file=nowhere)
            document, data = _answer(request)
            _send(answers, document, data)
            faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    main()
