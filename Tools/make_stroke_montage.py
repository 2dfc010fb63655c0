"""Draws docs/figures/stroke_translators.png and stroke_masks.png: ``python docs/make_stroke_montage.py --data DIR``.

DIR is the folder that holds soop (docs/data.md). Everything real in the pictures is of validation patients, whom no
network was trained on. The first picture shows slices of each plane: labels, the real FLAIR, and what each installed
translator draws from the labels; the second held-out lesions beside lesions that the mask GAN drew.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "docs" / "figures"
sys.path[:0] = [str(ROOT / folder) for folder in ("LesionKit", "CovidLungQuant", "StrokeSynth", "Research")]
QUANTILES = (0.5, 0.85)  # of the lesion's area among the slices with a lesion: which slices are shown
CELL, GAP, HEAD = 190, 6, 26  # pixels
LESION_QUANTILES = (0.15, 0.4, 0.6, 0.8, 0.95)  # of the lesions' volumes: which are shown
REAL_COLOR, DRAWN_COLOR = "#ffb000", "#38c6ff"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="folder that holds soop")
    parser.add_argument("--only", choices=("translators", "masks"), help="one of the two pictures")
    options = parser.parse_args()
    if options.only != "masks":
        draw_translators(options.data / "soop")
    if options.only != "translators":
        draw_masks(options.data / "soop")


def draw_translators(soop: Path) -> None:
    """Rows: slices; columns: labels, real, one for each translator. One pixel is 1 mm; all grays in one window."""
    from LesionKitCLI.shared.installed_models import installed_models
    from LesionKitResearch.datasets.stroke import PLANES
    from LesionKitResearch.datasets.stroke_image_pairs import public_priors
    from LesionKitResearch.evaluation.stroke_translators import translate_pairs
    from StrokeSynthLib.networks.registry import TRANSLATORS
    from StrokeSynthLib.synthesis.synthesis import load_translator

    there = {model.name for model in installed_models()}
    translators = [name for name in TRANSLATORS if f"stroke-{name}" in there]
    priors = public_priors()
    rows = []
    for plane in PLANES:
        part = chosen_pairs(soop, plane, priors)
        made = [translate_pairs(load_translator(name)[0], part, seed=0) for name in translators]
        for n, (image, labels) in enumerate(zip(part.images, part.labels, strict=True)):
            cells = [colored(labels), *(gray(picture) for picture in (image, *(m[n] for m in made)))]
            rows.append((plane, cells))
    titles = {"pix2pix": "Pix2Pix", "spade": "SPADE", "cyclegan": "CycleGAN"}
    save(montage(rows, ["labels", "real FLAIR", *(titles[name] for name in translators)]), "stroke_translators", 160)


def chosen_pairs(soop: Path, plane: str, priors: np.ndarray):
    """Labels and images of a few validation slices of a plane."""
    from LesionKitResearch.datasets.stroke import MIN_LESION_PIXELS, read_slices
    from LesionKitResearch.datasets.stroke_image_pairs import pairs_of

    slices = read_slices(soop, plane, "val")
    order = np.argsort(slices.areas, kind="stable")
    order = order[slices.areas[order] >= MIN_LESION_PIXELS]
    return pairs_of(slices[[order[int(q * len(order))] for q in QUANTILES]], priors)


def colored(labels: np.ndarray) -> np.ndarray:
    """RGB of a semantic map, uint8; the lesion is left in the color of white matter, with a thin outline."""
    from scipy import ndimage

    from StrokeSynthLib.labels import LABELS, LESION, WHITE

    colors = np.zeros((LESION.value + 1, 3), np.uint8)
    for label in LABELS:
        colors[label.value] = label.color
    colors[LESION.value] = np.array(WHITE.color) * 0.8
    picture = colors[labels]
    lesion = labels == LESION.value
    picture[lesion & ~ndimage.binary_erosion(lesion)] = LESION.color
    return picture


def gray(picture: np.ndarray) -> np.ndarray:
    """RGB of an image of -1..1, uint8."""
    values = np.clip((picture.astype(np.float32) + 1) * 127.5, 0, 255).astype(np.uint8)
    return np.repeat(values[..., None], 3, 2)


def montage(rows, titles) -> np.ndarray:
    from PIL import Image, ImageDraw

    from LesionKitLib.report.pictures import TEXT, font

    heights = [cells[0].shape[0] for _plane, cells in rows]
    size = (len(titles) * (CELL + GAP), HEAD + sum(heights) + GAP * len(rows))
    picture = Image.new("RGB", size)
    pen = ImageDraw.Draw(picture)
    for column, title in enumerate(titles):
        pen.text((column * (CELL + GAP) + CELL / 2, HEAD / 2), title, anchor="mm", font=font(14), fill=TEXT)
    top, style = HEAD, {"font": font(11), "fill": TEXT}
    for (plane, cells), height in zip(rows, heights, strict=True):
        for column, cell in enumerate(cells):
            picture.paste(Image.fromarray(cell), (column * (CELL + GAP) + (CELL - cell.shape[1]) // 2, top))
        pen.text((2, top + height - 2), plane, anchor="ls", **style)
        pen.text((2, top + height / 2), "A" if plane == "sagittal" else "R", anchor="lm", **style)
        top += height + GAP
    return np.asarray(picture)


def save(picture: np.ndarray, name: str, colors: int) -> None:
    """With a palette, to keep it small."""
    from PIL import Image

    small = Image.fromarray(picture).quantize(colors, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    small.save(FIGURES / f"{name}.png", optimize=True)


def draw_masks(soop: Path) -> None:
    """Lesions outlined in the template's T1, each cut where it is largest, and histograms of all of them."""
    from matplotlib.figure import Figure

    from LesionKitLib.imaging.volume import resample_like
    from LesionKitResearch.datasets.stroke import PLANES
    from LesionKitResearch.evaluation.stroke_masks import FEATURES, shape_features, soop_labels
    from StrokeSynthLib.segmentation.template import load_template

    labels = soop_labels()
    brain = resample_like(load_template().t1, labels).astype(np.float32)
    real = held_out_lesions(soop)
    groups = {
        "real, held out": (real, REAL_COLOR),
        "drawn by the mask GAN": (drawn_lesions(labels, len(real)), DRAWN_COLOR),
    }
    figure = Figure(figsize=(12, 6.3), layout="constrained", facecolor="white")
    above, below = figure.subfigures(2, 1, height_ratios=(2.1, 1))
    features = {}
    for block, (title, (lesions, color)) in zip(above.subfigures(1, 2, wspace=0.02), groups.items(), strict=True):
        block.suptitle(f"{title} (n = {len(lesions)})", fontsize=11)
        features[title] = np.array([shape_features(mask, labels) for mask in lesions])
        order = np.argsort(features[title][:, 0])
        shown = [lesions[order[int(q * len(order))]] for q in LESION_QUANTILES]
        for line, plane in zip(
            block.subplots(len(PLANES), len(shown), height_ratios=(189, 136, 114)), PLANES, strict=True
        ):
            for axes, mask in zip(line, shown, strict=True):
                outline(axes, brain, mask, plane, color)
    for axes, name in zip(below.subplots(1, 2), ("log volume", "elongation"), strict=True):
        values = {title: table[:, FEATURES.index(name)] for title, table in features.items()}
        edges = np.linspace(*np.percentile(np.concatenate(list(values.values())), (0, 99)), 22)
        if name == "log volume":
            values, edges = {title: 10**numbers for title, numbers in values.items()}, 10**edges
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:g}")
        for (title, numbers), color in zip(values.items(), (REAL_COLOR, DRAWN_COLOR), strict=True):
            axes.hist(numbers, edges, histtype="stepfilled", alpha=0.45, color=color, label=title)
        axes.set(xlabel="volume (ml)" if name == "log volume" else name, ylabel="lesions")
        axes.legend(frameon=False, fontsize=9)
    path = FIGURES / "stroke_masks.png"
    figure.savefig(path, dpi=100)
    from PIL import Image

    with Image.open(path) as picture:
        rgb = np.asarray(picture.convert("RGB"))
    save(rgb, "stroke_masks", 128)


def held_out_lesions(soop: Path) -> list[np.ndarray]:
    """The validation patients' masks as for training: without tiny components and those above 300 ml."""
    from LesionKitResearch.datasets.stroke import read_masks
    from StrokeSynthLib.synthesis.occupancy_grid import MAX_ML, MIN_VOXELS, largest_components

    masks = [largest_components(volume.array) for volume in read_masks(soop, "val")]
    return [mask for mask in masks if MIN_VOXELS <= mask.sum() <= MAX_ML * 1000]  # voxels of 1 mm


def drawn_lesions(labels, count: int) -> list[np.ndarray]:
    from StrokeSynthLib.synthesis.lesion_sampling import sample_lesion

    return [sample_lesion(labels, seed, standard=True).mask for seed in range(count)]


def outline(axes, brain: np.ndarray, mask: np.ndarray, plane: str, color: str) -> None:
    from StrokeSynthLib.segmentation.slice_views import plane_slice

    axis = {"axial": 0, "coronal": 1, "sagittal": 2}[plane]
    index = int(np.argmax(mask.sum(tuple(n for n in range(3) if n != axis))))
    axes.imshow(plane_slice(brain, plane, index), cmap="gray")
    axes.contour(plane_slice(mask, plane, index).astype(float), [0.5], colors=[color], linewidths=1.1)
    axes.text(0.03, 0.5, "A" if plane == "sagittal" else "R", color="white", fontsize=7, transform=axes.transAxes)
    axes.set_axis_off()


if __name__ == "__main__":
    main()
