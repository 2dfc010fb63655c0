"""Whether a volume can be analyzed as a brain MR: one clear sentence when it cannot, notes when it can with care.

Whether a brain is in it is found out later, by aligning it with the template.
"""

from __future__ import annotations

import numpy as np

from LesionKitLib.imaging.value_range import value_range
from LesionKitLib.imaging.volume import Volume
from LesionKitLib.io.dicom.header import Header
from LesionKitLib.io.dicom.traits import map_name_of_file, names_an_image
from LesionKitLib.run.errors import UnusableInput

MIN_SLICES = 8
MIN_MATRIX = 48  # voxels along the two finer axes
MIN_COVERAGE_MM = 60.0  # along every axis: less of a head cannot be placed in standard space
MAX_COVERAGE_MM = 600.0
SPACING_LIMITS_MM = (0.1, 12.0)
AIR_IN_HU = -800.0  # no MR holds values like this; CT does, wherever there is air
PLAUSIBLE_BRAIN_ML = (700.0, 2000.0)  # with the fluid around it
ADC_UNITS = (1.0, 1e3, 1e-3, 1e-9)  # 10^-3 mm2/s where maps hold 10^-3 mm2/s, 10^-6 mm2/s, mm2/s, or m2/s
TISSUE_ADC, WATER_ADC, MAX_ADC = (0.6, 1.0), (2.3, 4.2), 4.8  # 10^-3 mm2/s; water also with noise and partial volume
_OTHER = {
    "CT": "a CT", "PT": "a positron emission image", "NM": "a nuclear medicine image", "US": "an ultrasound image",
    "SC": "a screen capture",
} | dict.fromkeys(("CR", "DX", "DR", "RG", "RF", "XA", "MG", "PX", "IO"), "an X-ray picture")  # fmt: skip


def check_brain_mr(volume: Volume, header: Header | None = None) -> tuple[str, ...]:
    """Notes about what limits the result. header: what DICOM said, if anything.

    Raises UnusableInput for other modalities, localizers, too few slices, impossible spacing, NaN or infinity, constant
    images, label maps, and values that are a CT's.
    """
    header = header or Header()
    if header.modality not in ("", "MR"):
        what = _OTHER.get(header.modality, "an image")
        raise UnusableInput(f"This is {what} (modality {header.modality}), but an MR of the brain is needed.")
    if header.kind == "localizer":
        raise UnusableInput("This is the scan's localizer, not its slices; choose another series.")
    name = map_name_of_file(_file_name(volume)) if not header.modality else ""
    if name:
        raise UnusableInput(
            f"By its file's name the image is a parametric map ({name}), but an image (DWI, FLAIR, T2) of the brain is "
            "needed."
        )
    _check_grid(volume)
    _check_values(volume.array)
    thickest = float(volume.spacing.max())
    if thickest > 5.5:
        return (f"The slices lie {thickest:.1f} mm apart: small lesions may be missed.",)
    return ()


def _file_name(volume: Volume) -> str:
    return volume.source.file if volume.source is not None else ""


def _check_grid(volume: Volume) -> None:
    size, spacing = np.array(volume.array.shape[::-1]), volume.spacing
    if min(size) == 1:
        raise UnusableInput("The image is a single 2-D slice, but a brain MR of many slices is needed.")
    if spacing.min() < SPACING_LIMITS_MM[0] or spacing.max() > SPACING_LIMITS_MM[1]:
        raise UnusableInput(
            f"The voxel size {_by(spacing)} mm is impossible for a brain MR, or too coarse; at most "
            f"{SPACING_LIMITS_MM[1]:g} mm can be analyzed."
        )
    if min(size) < MIN_SLICES:
        raise UnusableInput(f"The image has only {min(size)} slices; at least {MIN_SLICES} are needed.")
    if np.sort(size)[1] < MIN_MATRIX:
        raise UnusableInput(
            f"The image of {_by(size)} voxels is too coarse; slices need at least {MIN_MATRIX} x {MIN_MATRIX} pixels."
        )
    extent = size * spacing
    if extent.min() < MIN_COVERAGE_MM:
        raise UnusableInput(
            f"The image covers only {extent.min():.0f} mm in one direction; a brain needs at least {MIN_COVERAGE_MM:g}."
        )
    if extent.max() > MAX_COVERAGE_MM:
        raise UnusableInput(f"The image covers {extent.max():.0f} mm; give an MR of the head alone.")


def _check_values(array: np.ndarray) -> None:
    low, high = value_range(array)
    if low <= AIR_IN_HU and high > 200 and np.mean(array[::4, ::4, ::4] <= AIR_IN_HU) > 0.05:
        raise UnusableInput(
            f"The values go from {low:g} to {high:g}, as a CT's in Hounsfield units do, but an MR of the brain is "
            "needed."
        )
    if len(np.unique(array[::2, ::2, ::2])) < 12:
        raise UnusableInput("The image holds only a few different values: it is a label map or a mask, not an MR.")


def refuse_diffusion_map(values: np.ndarray, header: Header | None = None, file_name: str = "") -> None:
    """Raises UnusableInput where the values within the brain are those of an apparent diffusion coefficient (ADC).

    An ADC is a physical quantity: 0.7 to 0.9 x 10^-3 mm2/s in brain tissue (Helenius et al. 2002, AJNR 23:194), 3.0 in
    free water at 37 degrees (Mills 1973, J Phys Chem 77:685). Other images have both values, in one of the units that
    maps are stored in, by chance only; what DICOM calls original is no map, and neither is what a file's name calls an
    image (a T2 of 12 bits may have such values). values: of the brain's voxels, any shape.
    """
    if names_an_image(file_name) or (header is not None and header.image_type and header.kind == "original"):
        return
    values = values[values > 0.1 * float(np.percentile(values, 99))]  # maps hold 0 where nothing was fitted
    if not values.size:
        return
    tissue = _mode(values)
    water, highest = np.percentile(values, (99, 99.8))
    for unit in ADC_UNITS:
        is_tissue = TISSUE_ADC[0] <= tissue / unit <= TISSUE_ADC[1]
        if is_tissue and WATER_ADC[0] <= water / unit <= WATER_ADC[1] and highest / unit <= MAX_ADC:
            raise UnusableInput(
                "The values are those of an ADC map, in which a stroke is dark; give the diffusion-weighted image "
                "(DWI), a FLAIR or a T2 (its DICOM series, or a file with the contrast in its name)."
            )


def _mode(values: np.ndarray) -> float:
    """The most frequent value, by a smoothed histogram."""
    from scipy import ndimage

    counts, edges = np.histogram(values, 200, range=(min(0.0, float(values.min())), float(np.percentile(values, 99))))
    return float(edges[int(np.argmax(ndimage.gaussian_filter1d(counts.astype(float), 2)))])


def notes_on_brain(brain_ml: float, cut: tuple[str, ...]) -> tuple[str, ...]:
    """What a reader of the numbers must know. cut: sides, see brain_extraction.ExtractedBrain."""
    if cut:
        sides = " and ".join((", ".join(cut[:-1]), cut[-1])) if len(cut) > 1 else cut[0]
        return (f"The image ends within the brain ({sides}): volumes are of the part that it shows.",)
    if not PLAUSIBLE_BRAIN_ML[0] <= brain_ml <= PLAUSIBLE_BRAIN_ML[1]:
        low, high = PLAUSIBLE_BRAIN_ML
        return (
            f"The brain found has {brain_ml:.0f} ml, but brains have {low:g} to {high:g} ml: check the brain segment "
            "before relying on the numbers.",
        )
    return ()


def _by(values: np.ndarray) -> str:
    return " x ".join(f"{value:.3g}" for value in values)
