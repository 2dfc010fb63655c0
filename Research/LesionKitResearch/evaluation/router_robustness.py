"""What the router answers when an X-ray is turned, covered with lines or collimated round, and for other pictures.

An answer is right, held for a person, or wrong; of a picture that is no X-ray every answer but "held" is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from BodyPartRouterLib.classification.classifier import Classifier
from BodyPartRouterLib.labels import CHESTS
from BodyPartRouterLib.reading.xray import Xray
from LesionKitResearch.augmentation.non_xrays import random_picture
from LesionKitResearch.datasets.router import (
    AGE_UNKNOWN,
    LabeledXray,
    ct_pictures,
    ct_slices,
    labeled_xrays,
    mr_head_slices,
    mr_slices,
)

LINES, LINE_WIDTH = 8, 0.03  # of the short side
RADIUS = 0.5  # of the short side: of the round field
PYDICOM_FILES = ("examples_rgb_color", "examples_palette", "MR_small", "JPEG2000", "CT_small", "US1_UNCR", "693_J2KI")
Labeled = Iterable[tuple[np.ndarray, str]]  # gray, uint8, and what is right ("" for no X-ray)


def outcomes(classifier: Classifier, images: Labeled) -> dict:
    """{right, held, wrong: shares, n}."""
    images = list(images)
    said = classifier.predict([Xray(gray.astype(np.float32) / 255) for gray, _ in images])
    held = np.array([p.held for p in said])
    right = np.array([p.label == label for p, (_, label) in zip(said, images, strict=True)]) & ~held
    return {
        "right": float(right.mean()),
        "held": float(held.mean()),
        "wrong": float((~right & ~held).mean()),
        "n": len(images),
    }


def altered_xrays(data: Path, every: int = 1) -> dict[str, Labeled]:
    """The validation X-rays (or every n-th), and the same turned, with lines, and collimated."""
    items = [item for item in labeled_xrays(data, "val") if item.label != AGE_UNKNOWN][::every]
    chests = [item for item in items if item.label in CHESTS]
    return {
        "as they are": [(item.gray, item.label) for item in items],
        "turned by 90 degrees": [(np.rot90(item.gray, 1), item.label) for item in items],
        "turned by 180 degrees": [(np.rot90(item.gray, 2), item.label) for item in items],
        "turned by 270 degrees": [(np.rot90(item.gray, 3), item.label) for item in items],
        f"chests under {LINES} thick lines": [(_lined(item, n), item.label) for n, item in enumerate(chests)],
        "in a round field": [(_round(item.gray), item.label) for item in items],
    }


def other_pictures(data: Path) -> dict[str, Labeled]:
    """Pictures that are no X-rays, none of which is trained on, as far as they are there."""
    ct, mr = data.parent / "ct", data.parent / "mr"
    pools = {
        "CT slices": ct_slices(ct, "val", 10) + ct_pictures(ct / "classify", "val", 4),
        "MR slices": mr_slices(mr / "soop", "val", 12) + mr_head_slices(mr, "val", 3),
        "made by procedure": [random_picture(np.random.default_rng([99, n])) for n in range(60)],
        "ultrasound, NM, MR and CT of pydicom": pydicom_pictures(),
        "photographs (scikit-image)": photographs(),
    }
    return {name: [(gray, "") for gray in grays] for name, grays in pools.items() if grays}


def pydicom_pictures() -> list[np.ndarray]:
    """Files that come with pydicom and are no X-rays, without the header that would say so."""
    from pydicom import dcmread
    from pydicom.data import get_testdata_file

    found = []
    for name in PYDICOM_FILES:
        path = get_testdata_file(f"{name}.dcm", download=False)
        if path is None:
            continue
        values = dcmread(path).pixel_array.astype(float)
        if values.shape[-1] == 3:
            values = values.mean(-1)
        values = values if values.ndim == 2 else values[0]
        low, high = np.percentile(values, (0.5, 99.5))
        found.append((np.clip((values - low) / (high - low), 0, 1) * 255).astype(np.uint8))
    return found


def photographs() -> list[np.ndarray]:
    """Wholes and quarters of the photographs that come with scikit-image, gray; none without that package."""
    try:
        from skimage import data as samples
        from skimage.color import rgb2gray
    except ImportError:
        return []
    found = []
    for name in ("astronaut", "camera", "chelsea", "coffee", "coins", "rocket", "brick", "grass", "gravel"):
        try:
            picture = getattr(samples, name)()
        except Exception:  # not in the package: would be fetched from the network
            continue
        gray = rgb2gray(picture) if picture.ndim == 3 else picture / 255
        rows, columns = (n // 2 for n in gray.shape)
        parts = [gray, gray[:rows, :columns], gray[:rows, columns:], gray[rows:, :columns], gray[rows:, columns:]]
        found += [(part * 255).astype(np.uint8) for part in parts]
    return found


def _lined(item: LabeledXray, number: int) -> np.ndarray:
    """Straight bright lines between places on the edges; the same for the same number."""
    from PIL import Image, ImageDraw

    rng = np.random.default_rng([17, number])
    rows, columns = item.gray.shape
    picture = Image.fromarray(item.gray)
    pen = ImageDraw.Draw(picture)
    for _ in range(LINES):
        (y0, y1), (x0, x1) = rng.uniform(0, rows, 2), rng.uniform(0, columns, 2)
        ends = ((0, y0), (columns, y1)) if rng.random() < 0.5 else ((x0, 0), (x1, rows))
        pen.line(ends, fill=int(rng.integers(200, 256)), width=max(2, round(LINE_WIDTH * min(rows, columns))))
    return np.asarray(picture)


def _round(gray: np.ndarray) -> np.ndarray:
    rows, columns = gray.shape
    y, x = np.mgrid[:rows, :columns]
    distance = np.hypot(y - (rows - 1) / 2, x - (columns - 1) / 2)
    return np.where(distance <= RADIUS * min(rows, columns), gray, 0).astype(np.uint8)
