"""Small synthetic X-rays as DICOM, PNG and a labeled folder, made by procedure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from dicom_fixtures import DX_STORAGE, dicom_image, save
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

ROWS, COLUMNS = 96, 80
MEANS = {"abdomen": 0.2, "adult_chest": 0.4, "pediatric_chest": 0.5, "spine": 0.7, "others": 0.9}


def scene(rows: int = ROWS, columns: int = COLUMNS) -> np.ndarray:
    """A bright disc (bone) at the upper left of a gray ramp, float 0..1; no turn or mirror image looks the same."""
    y, x = np.mgrid[:rows, :columns]
    picture = 0.15 + 0.3 * x / columns + 0.2 * y / rows
    picture[(y - 0.3 * rows) ** 2 + (x - 0.35 * columns) ** 2 < (0.18 * min(rows, columns)) ** 2] = 0.95
    return picture


def write_xray(path: Path, stored: np.ndarray | None = None, bits: int = 12, **elements) -> Path:
    """A DX image of ``stored`` values (default: the scene in ``bits`` bits); elements go into its header."""
    if stored is None:
        stored = np.rint(scene() * ((1 << bits) - 1))
    data = dicom_image(np.asarray(stored), DX_STORAGE, "DX", BitsStored=bits, HighBit=bits - 1)
    for keyword, value in elements.items():
        setattr(data, keyword, value)
    return save(data, path)


def write_bytes_xray(path: Path, stored: np.ndarray, **elements) -> Path:
    """As write_xray for 8-bit values, gray (rows, columns) or color (rows, columns, 3)."""
    data = dicom_image(stored[..., 0] if stored.ndim == 3 else stored, DX_STORAGE, "DX")
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit = 7
    if stored.ndim == 3:
        data.SamplesPerPixel, data.PlanarConfiguration, data.PhotometricInterpretation = 3, 0, "RGB"
    data.PixelData = stored.astype(np.uint8).tobytes()
    for keyword, value in elements.items():
        setattr(data, keyword, value)
    return save(data, path)


def lut(first: int, values: np.ndarray, bits: int = 16) -> Sequence:
    """A modality or VOI LUT sequence whose table starts at the stored value ``first``."""
    item = Dataset()
    item.add_new(0x00283002, "US", [len(values) % 65536, first, bits])
    item.add_new(0x00283006, "US", [int(v) for v in values])
    item.ModalityLUTType = "US"
    return Sequence([item])


def transfer_syntax(path: Path) -> str:
    return str(pydicom.dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID)


def recompress(path: Path, target: Path, syntax: str) -> Path:
    """The file in another transfer syntax, by GDCM; syntax: name of gdcm.TransferSyntax."""
    import gdcm

    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, syntax)))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.SetFileName(str(target))
    assert writer.Write()
    return target


def write_labeled(folder: Path, per_class: int = 5, size: int = 48) -> Path:
    """A folder with index.csv and img/: patients of two sources, pictures whose stripes tell the class."""
    from PIL import Image

    rng = np.random.default_rng(3)
    (folder / "img").mkdir(parents=True)
    rows = ["id,class,scored,source,patient,split"]
    names = [*MEANS, "chest_age_unknown"]
    for n in range(per_class * len(names)):
        label, split = names[n % len(names)], "val" if n >= (per_class - 1) * len(names) else "train"
        stripes = np.sin(np.arange(size) * (1 + n % len(names)) * 0.35)
        picture = 120 + 100 * stripes[:, None] + rng.normal(0, 8, (size, size))
        Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(folder / "img" / f"x{n:03}.jpg")
        scored = int(label in MEANS)
        rows.append(f"x{n:03},{label},{scored},{'AB'[n % 2]},p{n},{split}")
    (folder / "index.csv").write_text("\n".join(rows) + "\n")
    return folder
