"""Reading files in a child process, so that a decoder that crashes, hangs or takes all memory ends the child alone."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from BodyPartRouterLib.reading.xray_file import read_values
from LesionKitLib.run.errors import MissingResource

from .child_process import MEMORY_BYTES, TIMEOUT_S, ChildDied, ChildProcess
from .file_reading import Reading, read_file

TRIES = 2
TOO_SLOW = "Reading this image took too long and was stopped; a person must look at it."
STOPPED = "Examining this image stopped the program twice; a person must look at it."


class ReaderProcess:
    """A Reader (see file_reading). For one thread.

    A file at which the child dies twice, or that takes longer than timeout_s, is given back as stopped, and why.
    """

    def __init__(self, timeout_s: float = TIMEOUT_S, memory_bytes: int = MEMORY_BYTES):
        self._child = ChildProcess(timeout_s, memory_bytes)

    def __enter__(self) -> ReaderProcess:
        self.start()
        return self

    def __exit__(self, *_error) -> None:
        self.close()

    def start(self) -> None:
        """Start the child ahead of the first file, so that it loads its libraries meanwhile."""
        self._child.start()

    def close(self) -> None:
        """End the child."""
        self._child.close()

    def __call__(self, path: Path, keywords: frozenset[str]) -> Reading:
        """Raises MissingResource as the child's reading does."""
        for _ in range(TRIES):
            try:
                return _to_reading(*self._child.ask("read", path=str(path.absolute()), keywords=sorted(keywords)))
            except ChildDied as death:
                if death.slow:
                    return Reading(read_values(path, keywords), error=TOO_SLOW, stopped=True)
        return Reading(read_values(path, keywords), error=STOPPED, stopped=True)


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


def serve_reader(request: dict) -> tuple[dict, bytes]:
    """In the child: the file as a JSON document, and its pixels."""
    try:
        reading = read_file(Path(request["path"]), frozenset(request["keywords"]))
    except MissingResource as error:
        return {"missing": str(error)}, b""
    document = {"values": reading.values, "error": reading.error, "xray": None}
    if reading.xray is None:
        return document, b""
    return {**document, "xray": _header_of(reading.xray)}, _pixels_of(reading.xray)


def _header_of(xray) -> dict:
    entries = {name: getattr(xray, name) for name in ("frames", "notes", "spacing", "aspect", "colored")}
    return {**entries, "header": asdict(xray.header), "shape": xray.pixels.shape}


def _pixels_of(xray) -> bytes:
    import numpy as np

    return np.ascontiguousarray(xray.pixels, np.float32).tobytes()
