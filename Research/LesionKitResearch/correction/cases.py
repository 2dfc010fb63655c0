"""Pictures to correct: a slice, its ground truth, and what a network gave for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from LesionKitLib.correction.evidence import evidence_of
from LesionKitLib.run.errors import UnusableInput

from .methods import Picture

MIN_LESION_PIXELS = 20  # of the ground truth
STROKE_MM = 1.0  # pixel of the standard space that the public FLAIR slices stand in

# class of the metrics -> label values of the picture's classes
TYPED = {"infection": (1, 2), "ggo": (1,), "high_opacity": (2,)}
UNTYPED = {"infection": (1,)}
LESION = {"lesion": (1,)}


@dataclass(frozen=True)
class Case:
    """truth (h, w): class of each pixel, 0 none. metrics: name -> classes that belong to it."""

    source: str
    name: str
    patient: str
    picture: Picture
    truth: np.ndarray
    metrics: dict[str, tuple[int, ...]]

    @property
    def classes(self) -> int:
        return len(self.picture.evidence.log_prior)


def cases_of(data: Path, split: str, network: str, device: str) -> tuple[str, list[Case]]:
    """The version of the network, and the pictures of a folder whose ground truth holds a lesion.

    Raises UnusableInput for a folder of another form, and where the split has none.
    """
    from LesionKitResearch.datasets.stroke import PLANES, SEQUENCES

    is_stroke = any((data / f"{s}_{plane}.npz").is_file() for s in SEQUENCES for plane in PLANES)
    version, cases = (_stroke_cases if is_stroke else _covid_cases)(data, split, network, device)
    cases = [case for case in cases if (case.truth > 0).sum() >= MIN_LESION_PIXELS]
    if not cases:
        raise UnusableInput(f"The data folder has no picture with a lesion of the split '{split}'.")
    return version, cases


def _covid_cases(data: Path, split: str, network: str, device: str) -> tuple[str, Iterator[Case]]:
    from CovidLungQuantLib.networks.registry import load_network, members, version_of
    from LesionKitResearch.datasets.covid import labeled_slices

    items = list(labeled_slices(data, split))
    models, nets = zip(*(load_network(name) for name in members(network)), strict=True)
    nets = [net.to(_device(device)) for net in nets]
    return version_of(models), (_covid_case(item, nets) for item in items)


def _covid_case(item, nets: list) -> Case:
    from CovidLungQuantLib.segmentation.frames import MODEL_MM, PICTURE_ZOOMS, place_frame
    from LesionKitResearch.datasets.gray_window import as_lung_window
    from LesionKitResearch.evaluation.covid_pictures import mean_probabilities

    found = mean_probabilities(nets, item.gray, PICTURE_ZOOMS, mirrored=True)
    whole = as_lung_window(item.gray / 255.0)
    spacing = MODEL_MM / float(np.mean(place_frame(whole).step))  # as if the lungs were of usual size
    probabilities = class_probabilities(found, item.typed)
    truth = np.minimum(item.label, 2) if item.typed else item.label > 0
    evidence = evidence_of(item.gray, probabilities, _last_features(nets[0], whole), found[0] > 0.3, (spacing, spacing))
    labels = probabilities[1:].argmax(0) + 1 if item.typed else np.ones(item.gray.shape, int)
    picture = Picture(
        item.gray.astype(np.float32), evidence, np.where(found[1] > 0.5, labels, 0).astype(np.uint8), spacing
    )
    return Case(item.source, item.name, item.patient, picture, truth.astype(np.uint8), TYPED if item.typed else UNTYPED)


def class_probabilities(found: np.ndarray, typed: bool) -> np.ndarray:
    """(classes, h, w) summing to 1, from a network's five: none, ground glass, high opacity; or none, lesion."""
    lesion = found[1]
    if not typed:
        return np.stack([1 - lesion, lesion])
    kinds = np.stack([found[2], found[3] + found[4]])
    kinds = np.clip(kinds / np.maximum(kinds.sum(0), 1e-6), 0.01, 0.99)
    return np.concatenate([1 - lesion[None], lesion * kinds / kinds.sum(0)])


def _last_features(network, whole: np.ndarray) -> np.ndarray:
    """(channels, h, w) of the network's last layer before its heads, on the pixels of a picture (gray 0..1)."""
    import torch

    from CovidLungQuantLib.segmentation.frames import PICTURE_FRAME, PICTURE_ZOOM, channels_of_gray, place_frame

    place = place_frame(whole).finer(PICTURE_ZOOM, PICTURE_FRAME)
    device = next(network.parameters()).device
    with _inputs_of(network.lung if hasattr(network, "lung") else network.masks.lung) as kept, torch.inference_mode():
        network(torch.from_numpy(channels_of_gray(place.cut(whole)[None])).to(device))
    return place.paste(kept[0][0].float().cpu().numpy(), whole.shape)


@contextmanager
def _inputs_of(layer) -> Iterator[list]:
    """What a layer is given while the block runs."""
    kept: list = []
    handle = layer.register_forward_hook(lambda module, inputs, output: kept.append(inputs[0]))
    try:
        yield kept
    finally:
        handle.remove()


def _stroke_cases(data: Path, split: str, network: str, device: str) -> tuple[str, Iterator[Case]]:
    from LesionKitResearch.datasets.stroke import PLANES, SEQUENCES, read_slices
    from StrokeSynthLib.networks.registry import load_network

    model, net = load_network()
    net = net.to(_device(device))

    def cases() -> Iterator[Case]:
        for sequence in SEQUENCES:
            for plane in PLANES:
                if (data / f"{sequence}_{plane}.npz").is_file():
                    slices = read_slices(data, plane, split, sequence)
                    slices = slices[slices.areas >= MIN_LESION_PIXELS]
                    source = f"{data.resolve().name}_{sequence}_{plane}"
                    for row in range(len(slices)):
                        yield _stroke_case(net, slices[row : row + 1], source, row)

    return model.version, cases()


def _stroke_case(network, one, source: str, row: int) -> Case:
    from LesionKitLib.models.inference import Runtime
    from LesionKitResearch.evaluation.stroke_slices import predict_slices
    from StrokeSynthLib.segmentation.slice_prediction import LESION_FROM

    device = next(network.parameters()).device.type
    with _inputs_of(network.head) as kept:
        found = predict_slices(network, one, Runtime(device, batch=1))[0]
    gray = one.images[0].astype(np.float32)
    features = kept[0][0].float().cpu().numpy()[:, : gray.shape[0], : gray.shape[1]]
    evidence = evidence_of(gray, np.stack([1 - found, found]), features, gray > 0, (STROKE_MM, STROKE_MM))
    picture = Picture(gray, evidence, (found > LESION_FROM).astype(np.uint8), STROKE_MM)
    patient = str(one.ids[0])
    return Case(source, f"{source}/{patient}/{row}", patient, picture, one.masks[0].astype(np.uint8), LESION)


def _device(device: str) -> str:
    from LesionKitLib.models.inference import choose_runtime

    return choose_runtime(device).device
