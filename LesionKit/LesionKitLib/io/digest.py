"""SHA-256 of files: the same image is recognized under whatever name."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable


def file_digest(path: str | os.PathLike) -> str:
    """The SHA-256 of a file's bytes, hexadecimal. Raises OSError."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def files_digest(paths: Iterable[str | os.PathLike]) -> str:
    """One SHA-256 for an image in several files: that of the sorted digests of its files, whatever their names.

    Of a single file it is the file's own. Raises OSError.
    """
    return join_digests(file_digest(path) for path in paths)


def join_digests(digests: Iterable[str]) -> str:
    """files_digest for files whose digests are known already."""
    digests = sorted(digests)
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
