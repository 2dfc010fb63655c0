"""Training and evaluation images in the formats of the public data sets (see docs/data.md).

A Sequence holds neighboring slices of one patient, feet to head, in frames somewhat larger than the network's, so that
augmentation can move them. Label values: lesion 0 none, 1-3 the classes, 4 lesion of unknown class, 255 unknown;
lung 0, 1, 255 unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from CovidLungQuantLib.segmentation.frames import FRAME, LUNGS_IN_FRAME, MODEL_MM, ROOM, FramePlacement, place_frame
from CovidLungQuantLib.segmentation.lung_air_2d import MIN_AREA, enclosed_air
from LesionKitLib.imaging.masks import labels_of, mask_of
from LesionKitLib.run.errors import UnusableInput

from .gray_window import as_lung_window, series_levels

UNKNOWN = 255
ANY_LESION = 4
LESION_LABELS = (1, 2, 3)  # ground glass, consolidation, effusion
RESIDUE_PIXELS = 100  # an effusion smaller than this in sirm100 is registration residue, not effusion
NOT_FULLY_LABELED = ("022", "048")  # slices of sirm100 without ground-glass and consolidation labels


@dataclass(frozen=True)
class Sequence:
    """image (t, h, w): gray 0..255 (uint8) or HU (int16); lesion, lung alike, uint8; infected (t): 1, 0, -1 unknown."""

    source: str
    image: np.ndarray
    lesion: np.ndarray
    lung: np.ndarray
    infected: np.ndarray
    weight: float = 1.0

    @property
    def is_hu(self) -> bool:
        return self.image.dtype == np.int16


@dataclass(frozen=True)
class LabeledSlice:
    """One picture of an evaluation set at its own resolution: gray uint8 (h, w), label uint8 (h, w).

    typed: the label tells ground glass, consolidation and effusion apart; otherwise it is 0 / 1 infection.
    lung: bool (h, w) where the set has masks of lungs.
    """

    source: str
    name: str
    patient: str
    gray: np.ndarray
    label: np.ndarray
    typed: bool
    lung: np.ndarray | None = None


def read_picture(path: Path) -> np.ndarray:
    """8-bit gray values (h, w) of a PNG or JPEG; raises UnusableInput when it is damaged."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return np.array(image.convert("L"))
    except OSError as error:
        raise UnusableInput(f"The picture {path.name} cannot be read.") from error


def read_label_picture(path: Path, typed: bool) -> np.ndarray:
    """The labels (h, w; uint8) of a picture that a person or a model labeled: its stored numbers, not their colors.

    typed: 1 to 3 tell kinds of lesion apart; otherwise those, or any one value, are lesion. Raises UnusableInput that
    names labels that are not known, and for what is no mask.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            values = np.array(image)
    except OSError as error:
        raise UnusableInput(f"The picture {path.name} cannot be read.") from error
    if values.ndim == 3:
        if (values[..., :3] != values[..., :1]).any():
            raise UnusableInput(f"The label picture {path.name} is in color; store the labels as numbers.")
        values = values[..., 0]
    name = f"label picture {path.name}"
    if typed or set(np.unique(values).tolist()) <= {0, *LESION_LABELS}:
        return labels_of(values, LESION_LABELS, name)
    return mask_of(values, name)[0].astype(np.uint8)


def labeled_slices(folder: Path, split: str) -> Iterator[LabeledSlice]:
    """The slices of sirm100, medseg9, ct20, pseudo1600 or mosmed_eval. split: "train", "val" (also "eval_only"), "all".

    A label whose kinds were inferred (label_inferred in medseg9) counts as infection alone.

    Raises UnusableInput when the folder has no index or no image of that split.
    """
    import pandas as pd

    index = next((folder / name for name in ("split.csv", "index.csv") if (folder / name).exists()), None)
    if index is None:
        raise UnusableInput("The data folder holds neither split.csv nor index.csv.")
    try:
        table = pd.read_csv(index, dtype={"id": str, "study": str, "group": str, "patient": str})
    except ValueError as error:
        raise UnusableInput(f"The table {index.name} cannot be read.") from error
    if "split" not in table:
        raise UnusableInput(f"The table {index.name} has no column 'split'.")
    names = table[table.columns[0]] if "id" not in table else table["id"]
    typed = "ggo_px" in table
    wanted = ("val", "eval_only") if split == "val" else (split,)
    rows = table if split == "all" else table[table["split"].isin(wanted)]
    if not len(rows):
        raise UnusableInput(f"The data folder has no image of the split '{split}'.")
    patient_column = next((c for c in ("patient", "group") if c in table), None)
    for n in rows.index:
        name = names[n]
        if typed and name in NOT_FULLY_LABELED:
            continue
        known = patient_column and not pd.isna(table[patient_column][n])
        patient = str(table[patient_column][n]) if known else name
        gray = read_picture(_find(folder / "img", name))
        label = read_label_picture(_find(folder / "lab", name), typed)
        inferred = "label_inferred" in table and bool(table["label_inferred"][n])
        lung = read_label_picture(_find(folder / "lung", name), False) > 0 if (folder / "lung").is_dir() else None
        yield LabeledSlice(folder.resolve().name, name, patient, gray, label, typed and not inferred, lung)


def _find(folder: Path, name: str) -> Path:
    for ending in (".png", ".jpg", ".jpeg"):
        if (folder / (name + ending)).exists():
            return folder / (name + ending)
    raise UnusableInput(f"The picture {name} that the index names is missing.")


def sirm_sequences(folder: Path, split: str = "train") -> list[Sequence]:
    """Single slices with ground glass, consolidation and effusion. Lungs are derived from gray values and lesions."""
    sequences = []
    for item in labeled_slices(folder, split):
        label = item.label.copy()
        if (label == 3).sum() < RESIDUE_PIXELS:
            label[label == 3] = UNKNOWN
        whole = as_lung_window(item.gray / 255.0)
        place = roomy(place_frame(whole))
        lung = lung_label(whole, (label > 0) & (label != UNKNOWN))
        gray = place.cut(255 * whole).round().astype(np.uint8)[None]
        lesion, lung = place.cut_labels(label)[None], place.cut_labels(lung)[None]
        infected = np.array([int(((lesion > 0) & (lesion < UNKNOWN)).any())])
        sequences.append(Sequence("sirm100", gray, lesion, lung, infected))
    return sequences


def pseudo_sequences(folder: Path, split: str = "train", weight: float = 0.3, pseudo_labeler=None) -> list[Sequence]:
    """Series whose masks a model made (infection yes / no), down-weighted, in the lung window.

    pseudo_labeler: of training.pseudo_labels.load_pseudo_labeler, tells the kinds of lesion apart; without one they are
    of unknown class.
    """
    import pandas as pd

    table = pd.read_csv(folder / "index.csv")
    sequences = []
    for name, rows in table[table["split"] == split].groupby("series"):
        rows = rows.sort_values("order_in_series")
        grays = [read_picture(folder / "img" / f"{i}.jpg") for i in rows["id"]]
        masks = [read_label_picture(folder / "lab" / f"{i}.png", False) > 0 for i in rows["id"]]
        if name == "radiop7_85703_0":  # the one series that runs from head to feet
            grays, masks = grays[::-1], masks[::-1]
        levels = series_levels([g / 255.0 for g in grays])
        grays = [(255 * as_lung_window(g / 255.0, levels)).round().astype(np.uint8) for g in grays]
        labels = [
            agreed_labels(m, pseudo_labeler(g)) if pseudo_labeler else m * ANY_LESION
            for g, m in zip(grays, masks, strict=True)
        ]
        place = roomy(_common_placement(grays))
        image = np.stack([place.cut(g) for g in grays]).round().astype(np.uint8)
        lesion = np.stack([place.cut_labels(m) for m in labels]).astype(np.uint8)
        lung = np.full_like(lesion, UNKNOWN)
        infected = np.full(len(image), -1)
        sequences.append(Sequence("pseudo1600", image, lesion, lung, infected, weight))
    return sequences


def hu_sequences(folder: Path) -> list[Sequence]:
    """The HU volumes with a radiologist's yes / no for each slice: no lesion where not infected, else unknown."""
    import pandas as pd

    from LesionKitLib.imaging.volume import reorient_to_lps
    from LesionKitLib.io.images import read_volume

    labels = pd.read_csv(folder / "labels.csv")
    sequences = []
    for name, rows in labels[labels["split"] == "train"].groupby("id"):
        volume, _ = reorient_to_lps(read_volume(folder / f"{name}.nii.gz"))
        infected = rows.sort_values("k")["infected"].to_numpy().astype(int)
        hu = np.asarray(volume.array, np.int16)
        lung = lungs_by_threshold(hu, volume.spacing)
        lesion = np.where(lung > 0, UNKNOWN, 0).astype(np.uint8)
        lesion[infected == 0] = 0
        sequences.append(hu_sequence(f"volumes/{name}", hu, lesion, lung, volume.spacing, infected))
    return sequences


def hu_sequence(source, hu, lesion, lung, spacing, infected) -> Sequence:
    """A Sequence from LPS arrays (k, j, i) of millimeters known, brought to MODEL_MM in plane."""
    step = (MODEL_MM / spacing[1], MODEL_MM / spacing[0])
    rows, columns = np.flatnonzero((lung == 1).any((0, 2))), np.flatnonzero((lung == 1).any((0, 1)))
    middle = ((rows[0] + rows[-1]) / 2, (columns[0] + columns[-1]) / 2)
    corner = [middle[n] - step[n] * ROOM[n] / 2 for n in range(2)]
    place = FramePlacement(*corner, step, ROOM)
    image = np.stack([place.cut(s) for s in hu]).round().astype(np.int16)
    return Sequence(source, image, place.cut_labels(lesion), place.cut_labels(lung), np.asarray(infected))


def phantom_sequences(count: int, seed: int) -> list[Sequence]:
    """Procedural chests with known lesions; one in eight is healthy."""
    return [phantom_sequence(seed, n) for n in range(count)]


def phantom_sequence(seed: int, number: int) -> Sequence:
    """The phantom of that number in the series that a seed stands for."""
    from CovidLungQuantLib.phantoms.chest import make_phantom

    rng = np.random.default_rng([seed, number])
    in_plane = float(rng.choice([0.9, 1.1, 1.3]))  # finer pixels than the network's have their noise averaged
    spacing = (in_plane, in_plane, float(rng.choice([2.0, 2.5, 3.0, 4.0])))
    case = make_phantom(int(rng.integers(2**31)), spacing, lesions=() if number % 8 == 7 else None)
    infected = (case.lesions > 0).any((1, 2)).astype(int)
    lung = (case.lungs > 0).astype(np.uint8)
    return hu_sequence("phantom", case.volume.array, case.lesions, lung, case.volume.spacing, infected)


def lung_label(gray: np.ndarray, lesion: np.ndarray) -> np.ndarray:
    """Lungs (h, w) uint8 0 / 1 of a slice from enclosed air and the expert's lesions, small vessels closed."""
    from scipy import ndimage

    air = enclosed_air(gray) & ~_airway(gray)
    radius = max(1, round(gray.shape[1] / 100))
    lung = ndimage.binary_closing(np.pad(air | lesion, 4 * radius), iterations=2 * radius)
    lung = ndimage.binary_fill_holes(lung[4 * radius : -4 * radius, 4 * radius : -4 * radius])
    return lung.astype(np.uint8)


def _airway(gray: np.ndarray) -> np.ndarray:
    """Trachea and main bronchi: small round air near the midline."""
    from scipy import ndimage

    labels, count = ndimage.label(enclosed_air(gray))
    airway = np.zeros(gray.shape, bool)
    columns = np.flatnonzero((labels > 0).any(0))
    for n in range(1, count + 1):
        component = labels == n
        middle = (ndimage.center_of_mass(component)[1] - columns[0]) / max(1, len(columns))
        if component.mean() < 4 * MIN_AREA and abs(middle - 0.5) < 0.15:
            airway |= component
    return airway


def lungs_by_threshold(hu: np.ndarray, spacing) -> np.ndarray:
    """Lungs (k, j, i) uint8 of an LPS CT: 1 air below -400 HU inside the body, closed by 6 mm; UNKNOWN around airways.

    Good where little of the lung is consolidated; used for training labels only.
    """
    from scipy import ndimage

    inside = _lung_air(hu < -400, float(np.prod(spacing)))
    airways = airways_by_threshold(hu, inside, spacing)
    radius = np.maximum(1, np.round(6.0 / np.asarray(spacing)[::-1])).astype(int)
    ball = np.sqrt(sum((np.arange(-r, r + 1).reshape(s) / r) ** 2 for r, s in zip(radius, _SHAPES, strict=True))) <= 1
    closed = ndimage.binary_closing(np.pad(inside & ~airways, [(r, r) for r in radius]), ball)
    lung = closed[tuple(slice(r, -r) for r in radius)].astype(np.uint8)
    lung[ndimage.binary_dilation(airways, iterations=max(1, round(3.0 / spacing[0])))] = UNKNOWN
    lung[airways] = 0
    return lung


def _lung_air(air: np.ndarray, voxel_mm3: float) -> np.ndarray:
    """Air off the picture's sides, in components of 0.3 l or more that rise above the lungs' middle (no bowel)."""
    from scipy import ndimage

    labels, _ = ndimage.label(air)
    rim = np.concatenate(
        [labels[:, 0].ravel(), labels[:, -1].ravel(), labels[:, :, 0].ravel(), labels[:, :, -1].ravel()]
    )
    sizes = np.bincount(labels.ravel())
    sizes[np.unique(rim)] = 0
    sizes[0] = 0
    boxes = ndimage.find_objects(labels)
    main = boxes[np.argmax(sizes) - 1][0]
    large = [n for n in np.flatnonzero(sizes * voxel_mm3 > 3e5) if boxes[n - 1][0].stop > (main.start + main.stop) / 2]
    return np.isin(labels, large)


_SHAPES = ((-1, 1, 1), (1, -1, 1), (1, 1, -1))


def airways_by_threshold(hu: np.ndarray, inside: np.ndarray, spacing) -> np.ndarray:
    """Trachea and main bronchi (k, j, i): very dark, thick, of a tube's section and volume."""
    from scipy import ndimage

    core = ndimage.binary_opening(inside & (hu < -940), iterations=max(1, round(3.0 / spacing[0])))
    labels, count = ndimage.label(core)
    chosen = np.zeros_like(core)
    for n in range(1, count + 1):
        component = labels == n
        areas = component.sum((1, 2)) * spacing[0] * spacing[1]
        if 500 < component.sum() * np.prod(spacing) < 9e4 and areas.max() < 1500:
            chosen |= component
    return ndimage.binary_dilation(chosen, iterations=max(2, round(4.0 / spacing[0]))) & (hu < -600)


def roomy(place: FramePlacement) -> FramePlacement:
    """The same pixels with ROOM around them."""
    extra = [(ROOM[n] - FRAME[n]) / 2 * place.step[n] for n in range(2)]
    return FramePlacement(place.top - extra[0], place.left - extra[1], place.step, ROOM)


def _common_placement(grays: list[np.ndarray]) -> FramePlacement:
    """One frame for a series whose pictures are cropped to the lungs: the whole picture, a tenth wider than lungs."""
    height, width = np.median([g.shape for g in grays], axis=0)
    step = width / (1.094 * LUNGS_IN_FRAME[1])
    corner = (height / 2 - step * FRAME[0] / 2, width / 2 - step * FRAME[1] / 2)
    return FramePlacement(*corner, (step, step), FRAME)


SURELY_NONE = 0.1  # below this probability of any lesion pseudo-labels contradict a mask; from 0.5 a missing one


def agreed_labels(mask: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Lesion labels (h, w) uint8: 0 none, 1-3 the pseudo-label inside the mask, UNKNOWN where the two disagree.

    mask: bool (h, w); probability: (5, h, w): lung, any lesion, ground glass, consolidation, effusion.
    """
    lesion = probability[1]
    labels = np.where(mask, 1 + probability[2:5].argmax(0), 0).astype(np.uint8)
    labels[mask & (lesion < SURELY_NONE)] = UNKNOWN
    labels[~mask & (lesion >= 0.5)] = UNKNOWN
    return labels
