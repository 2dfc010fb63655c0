"""Reading files in a child process, so that a decoder that crashes, hangs or takes all memory ends the child alone.

Parent and child talk over the child's standard input and output: a length (4 bytes), a JSON document, and for an image
its pixels as float32. Nothing of the child's is executed by the parent (no pickle), and what the child's libraries
print goes nowhere: their messages quote the header.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from LesionKitLib.run.errors import MissingResource

from .file_reading import Reading, read_file
from .header_values import read_values

TIMEOUT_S = 120.0  # for one file
MEMORY_BYTES = 6 << 30  # of address space; the largest image that is read takes less than half
TRIES = 2
TOO_SLOW = "Reading this image took too long and was stopped."
STOPPED = "Examining this image stopped the program twice; a person must look at it."
_LENGTH = struct.Struct("<I")


class ReaderProcess:
    """A Reader (see file_reading) with a child process that is started anew when it has died. Safe for one thread.

    A file at which the child dies twice, or that takes longer than timeout_s, is given back as stopped, and why.
    """

    def __init__(self, timeout_s: float = TIMEOUT_S, memory_bytes: int = MEMORY_BYTES):
        self._timeout_s, self._memory_bytes = timeout_s, memory_bytes
        self._child: subprocess.Popen | None = None

    def __enter__(self) -> ReaderProcess:
        self.start()
        return self

    def __exit__(self, *_error) -> None:
        self.close()

    def start(self) -> None:
        """Start the child ahead of the first file, so that it loads its libraries meanwhile."""
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
            for stream in (self._child.stdin, self._child.stdout):
                with suppress(OSError):
                    stream.close()
            self._child.kill()
            self._child.wait()
            self._child = None

    def __call__(self, path: Path, keywords: frozenset[str]) -> Reading:
        """Raises MissingResource as the child's reading does."""
        request = {"path": str(path.absolute()), "keywords": sorted(keywords)}
        for _ in range(TRIES):
            answer, was_slow = self._ask(request)
            if answer is not None:
                return _to_reading(*answer)
            self.close()
            if was_slow:
                return Reading(read_values(path, keywords), error=TOO_SLOW, stopped=True)
        return Reading(read_values(path, keywords), error=STOPPED, stopped=True)

    def _ask(self, request: dict) -> tuple[tuple[dict, bytes] | None, bool]:
        """(answer, or None when the child died; whether it was ended because it took too long)."""
        self.start()
        child, slow = self._child, threading.Event()

        def end() -> None:
            slow.set()
            child.kill()

        watch = threading.Timer(self._timeout_s, end)
        watch.daemon = True
        watch.start()
        try:
            _send(child.stdin, request)
            return _receive(child.stdout), False
        except (OSError, EOFError, ValueError):
            return None, slow.is_set()
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


def _to_reading(document: dict, data: bytes) -> Reading:
    import numpy as np

    from BodyPartRouterLib.reading.xray import HeaderFacts, Xray

    if "missing" in document:
        raise MissingResource(document["missing"])
    values = {keyword: tuple(texts) for keyword, texts in document["values"].items()}
    entries = document["xray"]
    if entries is None:
        return Reading(values, error=document["error"])
    pixels = np.frombuffer(bytearray(data), np.float32).reshape(entries.pop("shape"))
    notes, spacing = tuple(entries.pop("notes")), entries.pop("spacing")
    header = HeaderFacts(**entries.pop("header"))
    return Reading(values, Xray(pixels, header, notes=notes, spacing=tuple(spacing) if spacing else None, **entries))


# --- in the child


def _from_reading(reading: Reading) -> tuple[dict, bytes]:
    import numpy as np

    document = {"values": reading.values, "error": reading.error, "xray": None}
    xray = reading.xray
    if xray is None:
        return document, b""
    data = np.ascontiguousarray(xray.pixels, np.float32).tobytes()
    entries = {name: getattr(xray, name) for name in ("frames", "notes", "spacing", "aspect")}
    entries |= {"header": asdict(xray.header), "shape": xray.pixels.shape}
    return {**document, "xray": entries, "bytes": len(data)}, data


def _answer(request: dict) -> tuple[dict, bytes]:
    try:
        return _from_reading(read_file(Path(request["path"]), frozenset(request["keywords"])))
    except MissingResource as error:
        return {"missing": str(error)}, b""


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
