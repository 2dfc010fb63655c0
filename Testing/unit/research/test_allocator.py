"""Memory kept between training steps."""

import sys

from LesionKitResearch.training.allocator import retain_freed_memory


def test_where_the_c_library_has_the_switch_it_is_set(monkeypatch):
    assert retain_freed_memory() in (True, False)
    monkeypatch.setattr(sys, "platform", "win32")
    assert retain_freed_memory() is False
