"""Marks every test with the layer that its folder stands for (the import paths are in pyproject.toml)."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent
LAYERS = ("mrml", "panels", "browser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        layer = item.path.relative_to(HERE).parts[0]
        if layer in LAYERS:
            item.add_marker(layer)
