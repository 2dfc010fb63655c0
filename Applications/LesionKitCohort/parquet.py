"""The table of a batch as Parquet, where pyarrow is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from LesionKitLib.report.files import Writer


def is_parquet_possible() -> bool:
    return importlib.util.find_spec("pyarrow") is not None


def parquet_writer(columns: Sequence[str], rows: Sequence[dict]) -> Writer:
    """Numbers stay numbers; what a row does not say is null."""

    def write(path: Path) -> None:
        import pyarrow
        from pyarrow import parquet

        table = pyarrow.table({name: [row.get(name) for row in rows] for name in columns})
        parquet.write_table(table, path)

    return write
