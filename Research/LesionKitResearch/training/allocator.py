"""Memory that a long run gives back and takes again at every step."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


def retain_freed_memory(size: int = 2**30) -> bool:
    """Let the C library keep freed blocks of up to ``size`` bytes for the next step instead of returning them.

    Otherwise every activation of a training step is mapped and zeroed anew, a quarter of the time on some machines.
    Returns whether the C library (glibc) could be told.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, size) and mallopt(M_TRIM_THRESHOLD, size))
