"""Reviewed cases as the folders that others train from: nnU-Net v2, MONAI datalists, COCO."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np

from LesionKitLib.imaging.volume import Volume
from LesionKitLib.io.atomic import atomic_folder
from LesionKitLib.io.images import write_labelmap, write_volume

from .training import Example, LabeledVolume, folds_of, labeled, segments_in

NNUNET, MONAI, COCO = "nnunet", "monai", "coco"
FORMATS = (NNUNET, MONAI, COCO)
ENDING = ".nii.gz"
PERCENTILES = (0.5, 99.5)  # of an image's values: what its pictures show as black and white
CT_WINDOW = (-1350.0, 150.0)  # HU; center -600, width 1500


def export(
    examples: Sequence[Example],
    output: Path,
    kind: str,
    modality: str = "CT",
    segments: Sequence[str] | None = None,
    folds: int = 5,
    seed: int = 0,
) -> dict[str, int]:
    """Write the examples to a new folder, all or nothing; returns case -> fold.

    kind: one of FORMATS. modality: of the channel's name; segments: ids in the order of their labels, all by default.
    folds: by patient, see folds_of. Raises UnusableInput.
    """
    names = list(segments or segments_in(examples))
    split = folds_of(examples, folds, seed)
    write: Callable = {NNUNET: _nnunet, MONAI: _monai, COCO: _coco}[kind]
    with atomic_folder(output) as part:
        write(part, labeled(examples, names), names, modality, split)
    return split


def file_name(case: str) -> str:
    """A case's id as a name of files."""
    return quote(case, safe=" ").replace("%", "-")


def _nnunet(
    folder: Path, volumes: Iterator[LabeledVolume], names: list[str], modality: str, split: dict[str, int]
) -> None:
    """imagesTr, labelsTr, dataset.json and splits_final.json (nnU-Net v2, documentation/dataset_format.md)."""
    (folder / "imagesTr").mkdir()
    (folder / "labelsTr").mkdir()
    count = 0
    for item in volumes:
        name = file_name(item.example.case)
        write_volume(folder / "imagesTr" / f"{name}_0000{ENDING}", item.image)
        write_labelmap(folder / "labelsTr" / f"{name}{ENDING}", item.labels, item.image)
        count += 1
    _write_json(folder / "dataset.json", {
        "channel_names": {"0": modality},
        "labels": {"background": 0} | {name: value for value, name in enumerate(names, 1)},
        "numTraining": count,
        "file_ending": ENDING,
    })  # fmt: skip
    cases = {file_name(case): fold for case, fold in split.items()}
    splits = [
        {
            "train": [case for case, own in cases.items() if own != fold],
            "val": [case for case, own in cases.items() if own == fold],
        }
        for fold in sorted(set(cases.values()))
    ]
    _write_json(folder / "splits_final.json", splits)


def _monai(
    folder: Path, volumes: Iterator[LabeledVolume], names: list[str], modality: str, split: dict[str, int]
) -> None:
    """images, labels and datalist.json as MONAI's load_decathlon_datalist and Auto3DSeg read it; paths are relative."""
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    training = []
    for item in volumes:
        name = f"{file_name(item.example.case)}{ENDING}"
        write_volume(folder / "images" / name, item.image)
        write_labelmap(folder / "labels" / name, item.labels, item.image)
        training.append({"image": f"images/{name}", "label": f"labels/{name}", "fold": split[item.example.case]})
    labels = {"0": "background"} | {str(value): name for value, name in enumerate(names, 1)}
    _write_json(
        folder / "datalist.json",
        {"modality": modality, "labels": labels, "numTraining": len(training), "training": training, "testing": []},
    )


def _coco(
    folder: Path, volumes: Iterator[LabeledVolume], names: list[str], modality: str, split: dict[str, int]
) -> None:
    """images/*.png, one for each slice, and annotations.json with a run-length mask for each segment in it.

    Masks are uncompressed run lengths (cocodataset.org, "Data format"), which pycocotools reads; an image's "fold" and
    "case" stand beside its name.
    """
    from PIL import Image

    (folder / "images").mkdir()
    images, annotations = [], []
    for item in volumes:
        low, high = _window(item.image, modality)
        for k, (plane, labels) in enumerate(zip(item.image.array, item.labels, strict=True)):
            name = f"images/{file_name(item.example.case)}_{k:04d}.png"
            gray = np.clip((plane.astype(np.float32) - low) / max(high - low, 1e-6), 0, 1)
            Image.fromarray(np.round(gray * 255).astype(np.uint8)).save(folder / name)
            number = len(images) + 1
            images.append({
                "id": number, "file_name": name, "height": plane.shape[0], "width": plane.shape[1],
                "case": item.example.case, "slice": k, "fold": split[item.example.case],
            })  # fmt: skip
            for value in np.unique(labels[labels > 0]).tolist():
                annotations.append(
                    {"id": len(annotations) + 1, "image_id": number, "category_id": value, **_mask(labels == value)}
                )
    categories = [{"id": value, "name": name, "supercategory": "segment"} for value, name in enumerate(names, 1)]
    _write_json(folder / "annotations.json", {"images": images, "annotations": annotations, "categories": categories})


def _window(image: Volume, modality: str) -> tuple[float, float]:
    if modality == "CT":
        return CT_WINDOW
    low, high = np.percentile(image.array, PERCENTILES)
    return float(low), float(high)


def _mask(mask: np.ndarray) -> dict:
    j, i = np.nonzero(mask)
    box = [int(i.min()), int(j.min()), int(np.ptp(i)) + 1, int(np.ptp(j)) + 1]
    runs = {"counts": run_lengths(mask), "size": list(mask.shape)}
    return {"segmentation": runs, "bbox": box, "area": len(i), "iscrowd": 0}


def run_lengths(mask: np.ndarray) -> list[int]:
    """Lengths of the runs of 0, 1, 0, ... down the columns, beginning with 0 (which may be none)."""
    flat = mask.ravel(order="F").astype(np.int8)
    edges = np.flatnonzero(np.diff(np.r_[0, flat])).tolist()
    return np.diff([0, *edges, len(flat)]).tolist()


def _write_json(path: Path, document: dict | list) -> None:
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")
