"""Memory that work gives back and takes again at every step."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
DEFAULT_THRESHOLD = 128 * 1024  # of both, before glibc adjusts them
LARGEST_MAP = 32 * 2**20  # the largest threshold that every glibc of 64 bits takes


def retain_freed_memory(size: int = 2**30) -> bool:
    """Let the C library keep freed blocks of up to ``size`` bytes for the next step instead of returning them.

    Otherwise every activation of a network is mapped and zeroed anew, a quarter of the time on some machines.
    Returns whether the C library (glibc) could be told.
    """
    libc = _glibc()
    return libc is not None and bool(libc.mallopt(M_MMAP_THRESHOLD, size) and libc.mallopt(M_TRIM_THRESHOLD, size))


@contextmanager
def retained_memory(size: int = LARGEST_MAP) -> Iterator[None]:
    """retain_freed_memory while it lasts; then the memory goes back to the system. Does nothing without glibc."""
    if not retain_freed_memory(size):
        yield
        return
    try:
        yield
    finally:
        retain_freed_memory(DEFAULT_THRESHOLD)
        _glibc().malloc_trim(0)


def _glibc():
    """The C library where it is glibc, else None."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
