"""Labels that a person has corrected, kept as a CSV file for annotators and for training."""

from __future__ import annotations

import csv
import os
from datetime import UTC, datetime
from pathlib import Path

from BodyPartRouterLib.labels import CLASSES
from LesionKitLib.io.atomic import atomic_file
from LesionKitLib.io.digest import file_digest
from LesionKitLib.run.errors import UnusableInput

from .examination import Examined

COLUMNS = ("sha256", "file", "class", "predicted", "probability", "network", "time")


def read_corrections(path: str | os.PathLike) -> dict[str, dict]:
    """sha256 of the image -> its row; {} when there is no file. Raises UnusableInput for a file of another kind."""
    path = Path(path)
    if not path.exists():
        return {}
    try:
        with open(path, newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise UnusableInput(f"'{path}' is no list of corrected labels; choose another file.")
            return {row["sha256"]: row for row in reader}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnusableInput(f"'{path}' cannot be read as a list of corrected labels: {error}.") from None


def write_correction(path: str | os.PathLike, examined: Examined, label: str, network: str = "") -> None:
    """Write down the class that a person gave an image; an earlier one of the same image is replaced.

    The row names the file, never a patient. Raises UnusableInput when the list cannot be read or written.
    """
    if label not in CLASSES:
        raise UnusableInput(f"'{label}' is not one of the classes {', '.join(CLASSES)}.")
    rows = read_corrections(path)
    digest = file_digest(examined.path)
    prediction = examined.prediction
    rows[digest] = {
        "sha256": digest,
        "file": examined.path.name,
        "class": label,
        "predicted": examined.label,
        "probability": f"{prediction.probability:.4f}" if prediction else "",
        "network": network,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    with atomic_file(path) as part, open(part, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows.values())


def corrected(examined: Examined, label: str) -> Examined:
    """The image with the class that a person gave it: certain, not held, and compared with its header anew."""
    from dataclasses import replace

    from BodyPartRouterLib.classification.header_check import compare
    from BodyPartRouterLib.classification.prediction import Prediction

    probabilities = {name: float(name == label) for name in CLASSES}
    prediction = Prediction(label, 1.0, probabilities, False)
    agreement = compare(examined.header, prediction) if examined.header is not None else None
    return replace(examined, prediction=prediction, agreement=agreement, error=None)
