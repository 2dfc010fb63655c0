"""From stored values to the modality's units: rescale, modality LUT, real world value map; and padding values.

The photometric interpretation plays no part: MONOCHROME1 says how to show values (PS3.3 C.7.6.3.1.2), not what they
mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .values import integer, number, text, words


@dataclass(frozen=True)
class Rescale:
    """stored * slope + intercept; with a table instead table[stored - first], clipped at the table's ends."""

    slope: float = 1.0
    intercept: float = 0.0
    first: int = 0
    table: tuple[float, ...] = ()
    unit: str = ""  # as the header names it (HU, mm2/s, ...)
    note: str = ""  # what a user should know

    def __call__(self, stored: np.ndarray) -> np.ndarray:
        """Whole numbers stay whole (int32, or int64 where they need it), others become float32."""
        if self.table:
            values = np.asarray(self.table)[np.clip(stored.astype(np.int64) - self.first, 0, len(self.table) - 1)]
        elif (self.slope, self.intercept) == (1.0, 0.0):
            return stored
        elif stored.dtype.kind in "iu" and self.slope.is_integer() and self.intercept.is_integer():
            largest = 2.0 ** (8 * stored.dtype.itemsize) * abs(self.slope) + abs(self.intercept)
            wide = stored.astype(np.int32 if largest < 2**31 else np.int64)
            wide *= int(self.slope)
            wide += int(self.intercept)
            return wide
        else:
            values = stored * np.float64(self.slope) + self.intercept
        return values.astype(np.float32) if values.dtype.kind == "f" else values


def rescale_of(values: Mapping[str, object]) -> Rescale:
    """The mapping of one frame, from its elements by keyword.

    Rescale slope and intercept go before all else, then a modality LUT. A real world value map is honored only where
    there is neither, and only where it is the only one.
    """
    slope, intercept = number(values.get("RescaleSlope")), number(values.get("RescaleIntercept"))
    if slope is not None or intercept is not None:
        return Rescale(1.0 if slope is None else slope, intercept or 0.0, unit=text(values.get("RescaleType")))
    luts = values.get("ModalityLUTSequence") or ()
    if len(luts) and (table := _modality_lut(luts[0])):
        return table
    maps = values.get("RealWorldValueMappingSequence") or ()
    if len(maps) == 1:
        return _real_world(maps[0])
    if len(maps) > 1:
        return Rescale(note="The header maps the stored values in several ways; they were taken as they are stored.")
    return Rescale()


def padding_of(values: Mapping[str, object], rescale: Rescale) -> tuple[float, float] | None:
    """The padding values in the modality's units, lowest and highest; None where there are none."""
    value = number(values.get("PixelPaddingValue"))
    if value is None:
        return None
    limit = number(values.get("PixelPaddingRangeLimit"))
    stored = [value, value if limit is None else limit]
    if integer(values.get("PixelRepresentation")) == 1:  # often written as unsigned although the pixels are signed
        stored = [one - 65536 if one > 32767 else one for one in stored]
    scaled = [float(one) for one in rescale(np.array(stored))]
    return min(scaled), max(scaled)


def _modality_lut(item) -> Rescale | None:
    """PS3.3 C.11.1.1: number of entries, first value mapped, bits."""
    descriptor, data = item.get("LUTDescriptor"), item.get("LUTData")
    if descriptor is None or data is None or len(descriptor) != 3:
        return None
    if isinstance(data, bytes):
        data = np.frombuffer(data, "<u2")
    table = tuple(float(value) for value in data)
    return Rescale(first=int(descriptor[1]), table=table, unit=text(item.get("ModalityLUTType"))) if table else None


def _real_world(item) -> Rescale:
    """PS3.3 C.7.6.16.2.11: slope and intercept, or a table from the first value mapped on."""
    units = item.get("MeasurementUnitsCodeSequence") or ()
    unit = words(units[0].get("CodeValue"))[0] if len(units) and units[0].get("CodeValue") else ""
    slope, intercept = number(item.get("RealWorldValueSlope")), number(item.get("RealWorldValueIntercept"))
    if slope is not None:
        return Rescale(slope, intercept or 0.0, unit=unit)
    table, first = item.get("RealWorldValueLUTData"), integer(item.get("RealWorldValueFirstValueMapped"))
    if table is None or first is None:
        return Rescale(unit=unit)
    values = (table,) if isinstance(table, float) else table
    return Rescale(first=first, table=tuple(float(value) for value in values), unit=unit)
