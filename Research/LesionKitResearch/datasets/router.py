"""The labeled X-rays of a folder with index.csv, the part of the training images held out for calibration, and
pictures that are no X-rays (CT and MR slices) for learning when to pass an image on to a person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from BodyPartRouterLib.labels import CHESTS, CLASSES
from LesionKitLib.run.errors import UnusableInput

NONE = len(CLASSES)  # the network's sixth class: no X-ray of these
AGE_UNKNOWN = "chest_age_unknown"
CALIBRATION_SHARE = 0.12  # of the training patients of each class and source
STRETCHED = {"AdamSkog-scoliosis": (1.0, 2.5)}  # sources squeezed into a square, and the heights that may be true
CT_WINDOWS = ((-1350, 150), (-160, 240), (-1000, 1000), (-450, 1050))  # lung, soft tissue, all, bone: HU


@dataclass(frozen=True)
class LabeledXray:
    """gray: uint8 (rows, columns), bones bright. label: of CLASSES, or AGE_UNKNOWN for a chest of any age."""

    id: str
    gray: np.ndarray
    label: str
    source: str
    patient: str

    @property
    def allowed(self) -> tuple[int, ...]:
        """Numbers of the classes that would be right."""
        return tuple(CLASSES.index(name) for name in (CHESTS if self.label == AGE_UNKNOWN else (self.label,)))


def index_rows(data: Path, split: str):
    """Rows of ``data``/index.csv of the split (train, val or all) as a table. Raises UnusableInput."""
    import pandas as pd

    try:
        table = pd.read_csv(data / "index.csv", dtype=str)
    except (OSError, ValueError) as error:
        raise UnusableInput(f"'{data}' holds no readable index.csv.") from error
    lacking = [name for name in ("id", "class", "source", "patient", "split") if name not in table]
    if lacking:
        raise UnusableInput(f"'{data / 'index.csv'}' lacks the column {lacking[0]}.")
    rows = table if split == "all" else table[table["split"] == split]
    rows = rows[rows["class"].isin((*CLASSES, AGE_UNKNOWN))]
    if not len(rows):
        raise UnusableInput(f"'{data}' holds no X-ray of the split '{split}'.")
    return rows.fillna("")


def image_path(data: Path, row) -> Path:
    """The file of a row: column "file" beside the index, or img/ID.jpg (or .png)."""
    if row.get("file"):
        return data / row["file"]
    found = [path for end in (".jpg", ".png", ".dcm") if (path := data / "img" / f"{row['id']}{end}").is_file()]
    if not found:
        raise UnusableInput(f"The image '{row['id']}' of the index is not there.")
    return found[0]


def labeled_xrays(data: Path, split: str) -> Iterator[LabeledXray]:
    """The images of a split. Raises UnusableInput for what is missing or cannot be read."""
    from BodyPartRouterLib.reading.xray_file import read_xray

    for row in index_rows(data, split).to_dict("records"):
        pixels = read_xray(image_path(data, row)).pixels
        gray = np.rint(pixels * 255).astype(np.uint8)
        yield LabeledXray(row["id"], gray, row["class"], row["source"], row["patient"] or row["id"])


def split_calibration(items: list[LabeledXray], seed: int = 0) -> tuple[list[LabeledXray], list[LabeledXray]]:
    """(training set, calibration set), by patient, in each class and source alike."""
    rng = np.random.default_rng([seed, 6])
    groups: dict[tuple[str, str], list[str]] = {}
    for item in items:
        patients = groups.setdefault((item.label, item.source), [])
        if item.patient not in patients:
            patients.append(item.patient)
    held_out: set[str] = set()
    for patients in groups.values():
        count = round(CALIBRATION_SHARE * len(patients))
        held_out.update(patients[n] for n in rng.permutation(len(patients))[:count])
    return [i for i in items if i.patient not in held_out], [i for i in items if i.patient in held_out]


def ct_slices(folder: Path, split: str, every: int = 1) -> list[np.ndarray]:
    """Gray CT slices, uint8, of the sets sirm100 and pseudo1600 in ``folder``, as far as they are there."""
    import pandas as pd

    found = []
    for name, index, end in (("sirm100", "split.csv", ".png"), ("pseudo1600", "index.csv", ".jpg")):
        if (folder / name / index).is_file():
            table = pd.read_csv(folder / name / index, dtype={"id": str})
            ids = table[table["split"] == split]["id"].tolist()[:: every if name == "pseudo1600" else 1]
            found += [_gray(folder / name / "img" / f"{i}{end}") for i in ids]
    return found


def ct_volume_slices(folder: Path, split: str = "train") -> list[np.ndarray]:
    """Slices in three directions of the CT volumes (labels.csv) in ``folder``, each in a window of its own; uint8."""
    import pandas as pd

    from LesionKitLib.io.images import read_volume

    if not (folder / "labels.csv").is_file():
        return []
    table = pd.read_csv(folder / "labels.csv")
    found = []
    for name in sorted(table[table["split"] == split]["id"].unique()):
        array = read_volume(folder / f"{name}.nii.gz").array
        for axis in range(3):
            for n in range(array.shape[axis] // 6, array.shape[axis] * 5 // 6, 9):
                low, high = CT_WINDOWS[len(found) % len(CT_WINDOWS)]
                plane = np.take(array, n, axis)[:: -1 if axis else 1]
                found.append((np.clip((plane - low) / (high - low), 0, 1) * 255).astype(np.uint8))
    return found


def mr_slices(folder: Path, split: str, every: int = 1) -> list[np.ndarray]:
    """FLAIR slices in three directions of the set soop in ``folder``, as far as it is there; uint8."""
    found = []
    for plane in ("axial", "coronal", "sagittal"):
        path = folder / f"flair_{plane}.npz"
        if path.is_file():
            with np.load(path) as data:
                images = data["images"][data["split"] == split][::every]
            found += [np.ascontiguousarray(image) for image in images]
    return found


def ct_pictures(folder: Path, split: str, every: int = 1) -> list[np.ndarray]:
    """Slices of whole chests of the set classify in ``folder``; its figure crops hold radiographs and are left out."""
    import pandas as pd

    if not (folder / "index.csv").is_file():
        return []
    table = pd.read_csv(folder / "index.csv", dtype=str)
    rows = table[(table["split"] == split) & ~table["source"].isin(("UCSD-COVID-CT", "ieee8023-CT"))]
    return [_gray(folder / "img" / f"{name}.jpg") for name in rows["id"].tolist()[::every]]


def mr_head_slices(folder: Path, split: str, every: int = 1) -> list[np.ndarray]:
    """Diffusion and FLAIR slices of the sets isles22_2d, flair_infarct and negatives in ``folder``; uint8."""
    found = []
    for name in ("isles22_2d/dwi_axial.npz", "flair_infarct/flair_axial.npz", "negatives/flair_axial.npz"):
        if (folder / name).is_file():
            with np.load(folder / name) as data:
                images = data["images"][data["split"] == split][::every]
            found += [np.ascontiguousarray(image) for image in images]
    return found


def photographs() -> list[np.ndarray]:
    """The two photographs that scikit-learn brings along, and their quarters, gray; uint8."""
    from sklearn.datasets import load_sample_images

    found = []
    for picture in load_sample_images().images:
        gray = np.rint(picture @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
        rows, columns = (n // 2 for n in gray.shape)
        found += [gray, gray[:rows, :columns], gray[:rows, columns:], gray[rows:, :columns], gray[rows:, columns:]]
    return found


def _gray(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture.convert("L"))
