"""What was drawn since the scene was written, kept after each stroke without holding up the page.

Writing the scene takes 0.5 s for a chest of 512 x 512 x 120, during which nothing else can be done; the label maps go
to a file of their own on a thread, and only the last ones wait.
"""

from __future__ import annotations

import io
import json
import logging
import os
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

FILE, META = "strokes.npz", "meta"
COMPRESSION = 1  # of zlib; label maps are mostly nothing
log = logging.getLogger(__name__)


class StrokeStore:
    """folder: of the scene's file. Methods belong to the main thread."""

    def __init__(self, folder: Path):
        self._file = folder / FILE
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="LesionKit strokes")
        self._lock = threading.Lock()
        self._waiting: tuple[dict, tuple[np.ndarray, ...]] | None = None

    def keep(self, segmentation, labels: tuple[np.ndarray, ...]) -> None:
        """Write them soon; labels: one map per group, which nobody may write to any more."""
        attributes = {name: segmentation.GetAttribute(name) for name in segmentation.GetAttributeNames()}
        with self._lock:
            idle = self._waiting is None
            self._waiting = {"node": segmentation.GetID(), "attributes": attributes}, labels
        if idle:
            self._pool.submit(self._write)

    def read(self, segmentation) -> tuple[list[np.ndarray], dict[str, str]] | None:
        """(label maps, attributes) kept of this segmentation, or None."""
        try:
            with np.load(self._file) as kept:
                meta = json.loads(str(kept[META]))
                if meta["node"] != segmentation.GetID():
                    return None
                return [kept[f"group{n}"] for n in range(len(kept.files) - 1)], meta["attributes"]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            log.warning("The strokes that were kept could not be read.")
            return None

    def forget(self) -> None:
        """The scene itself is being written."""
        with self._lock:
            self._waiting = None
        self._pool.submit(lambda: self._file.unlink(missing_ok=True)).result()

    def close(self) -> None:
        """Write what is waiting and end."""
        self._pool.shutdown(wait=True)

    def _write(self) -> None:
        """On the thread."""
        with self._lock:
            waiting, self._waiting = self._waiting, None
        if waiting is None:
            return
        meta, labels = waiting
        arrays = {META: np.array(json.dumps(meta)), **{f"group{n}": array for n, array in enumerate(labels)}}
        draft = self._file.with_suffix(".draft")
        try:
            with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION) as archive:
                for name, array in arrays.items():
                    content = io.BytesIO()
                    np.save(content, array, allow_pickle=False)
                    archive.writestr(f"{name}.npy", content.getbuffer())
            os.replace(draft, self._file)
        except OSError:
            log.exception("The last stroke could not be kept.")
