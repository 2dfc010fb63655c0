"""The contenders of bench_covid.py: ours, and the architectures of others as their users run them, with random weights.

``python contenders.py NAME CASE`` times one run in this process, after one on a small part that loads what is loaded
once, and prints a line of JSON. A peer whose cost is the same for each slice or patch runs on some of them and is
scaled up to the whole case; the line says how many of how many.

The peers are networks alone: what surrounds them (resampling of logits, test-time mirroring, post-processing that
depends on what the weights find) is left out, to their favor. Weights are random, so nothing here tells of accuracy.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from peak_memory import peak_mb

SLICES, PATCHES = 4, 1  # that a peer runs on
WARM, WARM_MM = 20, 50.0  # slices, and mm, of the middle that ours analyzes before the timed run; less is refused
PATCH_3D = (80, 192, 160)  # of nnU-Net's 3d_fullres for chest CT
PATCH_FAST, FAST_MM = (112, 112, 128), 3.0  # TotalSegmentator --fast
STEP = 0.5  # of a patch: how far the next one lies


def read_case(path: Path):
    from LesionKitLib.imaging.volume import Volume

    with np.load(path) as data:
        return Volume(data["array"], data["matrix"])


def ours(network: str):
    def prepare(path: Path) -> tuple[Callable[[], object], float]:
        from CovidLungQuantLib.pipeline import analyze
        from LesionKitLib.imaging.volume import Volume

        volume = read_case(path)
        middle, count = len(volume.array) // 2, max(WARM, math.ceil(WARM_MM / volume.spacing[2]))
        analyze(Volume(volume.array[middle - count // 2 :][:count], volume.ijk_to_ras), network)
        return lambda: analyze(volume, network).seconds, 1.0

    return prepare


def threshold(path: Path):
    """Lungs by threshold and components, lesions by ranges of HU inside: as Slicer's LungCTAnalyzer works."""
    volume = read_case(path)

    def work() -> None:
        import SimpleITK as sitk

        image = sitk.GetImageFromArray(volume.array)
        dark = sitk.BinaryThreshold(image, -1100, -400)
        labels = sitk.RelabelComponent(sitk.ConnectedComponent(dark), sortByObjectSize=True)
        lungs = sitk.BinaryMorphologicalClosing(sitk.BinaryThreshold(labels, 2, 3), [7, 7, 3])
        for low, high in ((-1000, -650), (-650, -400), (-400, 0), (0, 1000)):
            sitk.BinaryThreshold(sitk.Mask(image, lungs, outsideValue=-2000), low, high)

    return work, 1.0


def lungmask(path: Path):
    """R231 in its own pipeline, slices cropped and resized as it does."""
    import torch
    from lungmask import LMInferer
    from lungmask.resunet import UNet

    array = read_case(path).array
    network = UNet(n_classes=3, padding=True, depth=5, up_mode="upsample", batch_norm=True, residual=False)
    with tempfile.NamedTemporaryFile(suffix=".pth") as file:
        torch.save(network.state_dict(), file.name)
        inferer = LMInferer(modelpath=file.name, volume_postprocessing=False, tqdm_disable=True)
    part = array[len(array) // 2 :][:SLICES]
    return lambda: inferer.apply(part), len(array) / len(part)


def _network(build: Callable, shape: tuple[int, ...], whole: float, count: int):
    """A network on ``count`` random inputs of that shape in the precision that this CPU multiplies best."""
    import torch

    from LesionKitLib.models.inference import choose_runtime

    network, runtime = build().eval(), choose_runtime("cpu")
    images = torch.rand(1, 1, *shape)

    def work() -> None:
        with torch.inference_mode(), runtime.autocast():
            for _ in range(count):
                network(images)

    return work, whole / count


def _dynunet(dimensions: int, filters: list[int], classes: int):
    from monai.networks.nets import DynUNet

    stages = len(filters)
    strides = [1] + [2] * (stages - 1)
    return DynUNet(dimensions, 1, classes, [3] * stages, strides, strides[1:], filters=filters)


def _patches(size, patch) -> int:
    return math.prod(max(1, math.ceil((n - p) / (p * STEP)) + 1) for n, p in zip(size, patch, strict=True))


def nnunet_2d(path: Path):
    shape = read_case(path).array.shape
    return _network(lambda: _dynunet(2, [32, 64, 128, 256, 512, 512, 512], 5), (512, 512), shape[0], SLICES)


def nnunet_3d(path: Path):
    shape = read_case(path).array.shape
    filters = [32, 64, 128, 256, 320]
    return _network(lambda: _dynunet(3, filters, 5), PATCH_3D, _patches(shape, PATCH_3D), PATCHES)


def totalsegmentator_fast(path: Path):
    """nnU-Net at 3 mm with 118 classes."""
    volume = read_case(path)
    size = [math.ceil(n * mm / FAST_MM) for n, mm in zip(volume.array.shape, volume.spacing[::-1], strict=True)]
    filters = [32, 64, 128, 256, 320]
    return _network(lambda: _dynunet(3, filters, 118), PATCH_FAST, _patches(size, PATCH_FAST), PATCHES)


def segresnet(path: Path):
    from monai.networks.nets import SegResNet

    shape = read_case(path).array.shape
    return _network(lambda: SegResNet(3, 16, 1, 5), PATCH_3D, _patches(shape, PATCH_3D), PATCHES)


CONTENDERS = {
    "ours: ConvLSTM": ours("convlstm"),
    "ours: JCS": ours("jcs"),
    "ours: multi-task": ours("multitask"),
    "threshold (LungCTAnalyzer)": threshold,
    "lungmask R231": lungmask,
    "TotalSegmentator fast": totalsegmentator_fast,
    "nnU-Net 2-D": nnunet_2d,
    "nnU-Net 3-D": nnunet_3d,
    "SegResNet 3-D": segresnet,
}


def main() -> None:
    name, path = sys.argv[1:]
    work, scale = CONTENDERS[name](Path(path))
    wall, processor = time.perf_counter(), time.process_time()
    stages = work()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    peak = peak_mb()
    found = {"wall_s": wall * scale, "cpu_s": processor * scale, "peak_mb": peak, "scaled_by": scale}
    if isinstance(stages, dict):
        found["stages"] = stages
    print(json.dumps(found))


if __name__ == "__main__":
    main()
