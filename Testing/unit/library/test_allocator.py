"""Memory kept between training steps."""

import sys

import pytest

from LesionKitLib.run import allocator
from LesionKitLib.run.allocator import retain_freed_memory, retained_memory


def test_where_the_c_library_has_the_switch_it_is_set(monkeypatch):
    assert retain_freed_memory() in (True, False)
    monkeypatch.setattr(sys, "platform", "win32")
    assert retain_freed_memory() is False


def test_memory_is_given_back_after_the_work_also_after_an_error(monkeypatch):
    told = []

    class Libc:
        mallopt = staticmethod(lambda what, size: told.append(size) or 1)
        malloc_trim = staticmethod(lambda pad: told.append("trim"))

    monkeypatch.setattr(allocator, "_glibc", lambda: Libc)
    with pytest.raises(ValueError, match="broken"), retained_memory(5):
        raise ValueError("broken")
    assert told == [5, 5, allocator.DEFAULT_THRESHOLD, allocator.DEFAULT_THRESHOLD, "trim"]


def test_without_glibc_the_work_goes_on(monkeypatch):
    monkeypatch.setattr(allocator, "_glibc", lambda: None)
    with retained_memory():
        pass
    assert retain_freed_memory() is False
