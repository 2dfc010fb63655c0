"""What the report of a synthetic brain image says: the image, the label map that it was made from, and the lesion."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np

from LesionKitLib.report.document import (
    Beside,
    Facts,
    Notes,
    Picture,
    Pictures,
    Report,
    Row,
    Section,
    Table,
    Text,
    Tile,
    Tiles,
)
from LesionKitLib.report.model_card import card_section
from LesionKitLib.report.pictures import AXIAL, CORONAL, SAGITTAL, Outline, Slices, Window, choose_slices
from LesionKitLib.report.provenance import Provenance, image_id, image_source, weights_of
from LesionKitLib.report.text import milliliters
from StrokeSynthLib.labels import BACKGROUND, LABELS, LESION
from StrokeSynthLib.synthesis.synthesis import Synthesis

from .figures import KEY_WIDTH, LEAST, MARGIN_MM, gray_window

TITLE = "Synthetic brain MR with a stroke lesion"
MODULE = "StrokeSynth"
SYNTHETIC = "synthetic, not a patient's image"
DEFINITIONS = (
    "The image was drawn by a network from the label map; it shows no person. It serves to train and to try programs.",
    "Lesions: components connected over faces, edges or corners. Side: of all lesion, by the place of the brain.",
    "Slices are numbered from 1 along the label map's own grid. Window: level / width of the gray values shown.",
    "No reference ranges apply: the numbers describe the label map, not a person.",
)


def provenance_of(result: Synthesis) -> Provenance:
    """What the image was made from (the source is the label map's) and what made it; id: of the image's voxels."""
    network, _, version = result.translator.partition(" ")
    return Provenance(
        image_source(result.labels), image_id(replace(result.image, source=None)), network, version, result.device,
        weights_of(cards_of(result)), review=SYNTHETIC,
    )  # fmt: skip


def cards_of(result: Synthesis) -> list[dict]:
    """The cards of the networks that took part, where they are installed."""
    from LesionKitLib.models.registry import find_model
    from LesionKitLib.run.errors import MissingResource
    from StrokeSynthLib.networks.registry import NETWORKS

    cards = []
    for name in (result.translator, result.lesion.network if result.lesion else ""):
        with suppress(MissingResource):
            if name:
                cards.append(find_model(name.split(" ")[0], [NETWORKS.library]).card)
    return cards


def synthesis_report(result: Synthesis, cards: list[dict]) -> Report:
    """The report of a Synthesis. cards: of the networks that took part."""
    provenance, about = provenance_of(result), result.summary()
    brain = result.labels.array != BACKGROUND
    window = gray_window(result.image, brain)
    first = (
        Section("", (_tiles(about), Notes(tuple(f"Note: {note}" for note in about["notes"])))),
        Section("What was made", (Beside(_class_table(result), Facts(_choices(about)), 0.5),)),
        Section("Images", (Text(f"{window.title} (level / width) in all images."), *_pictures(result, brain, window))),
    )
    details = (
        *(card_section(card) for card in cards),
        Section("Identification", (Facts(provenance.details()),)),
        Section("Definitions", (Notes(DEFINITIONS),), together=False),
    )
    return Report(TITLE, MODULE, Facts(provenance.facts()), first, details)


def _tiles(about: dict) -> Tiles:
    return Tiles(
        (
            Tile(milliliters(about["lesion_ml"]), "lesion drawn into the brain"),
            Tile(str(about["lesions"]), "lesions"),
            Tile(about["side"] or "none", "side"),
            Tile(str(about["seed"]), "seed"),
        )
    )


def _choices(about: dict) -> tuple[tuple[str, str], ...]:
    seconds = ", ".join(f"{name} {value:.1f} s" for name, value in about["seconds"].items())
    return (
        ("Image drawn by", about["translator"]),
        ("Lesion drawn by", about["mask_model"] or ("the given mask" if about["lesions"] else "none")),
        ("Seed", f"{about['seed']}: the same seed and label map give the same image"),
        ("Time", seconds),
    )


def _class_table(result: Synthesis) -> Table:
    """Volume of each class; the classes add up to the whole brain."""
    counts = np.bincount(result.labels.array.ravel(), minlength=len(LABELS) + 1)
    ml = [float(counts[item.value]) * result.labels.voxel_ml for item in LABELS]
    rows = [Row((item.name, milliliters(volume)), item.color) for item, volume in zip(LABELS, ml, strict=True)]
    return Table(("Class of the label map", "Volume"), (*rows, Row(("All", milliliters(sum(ml))), strong=True)))


def _pictures(result: Synthesis, brain: np.ndarray, window: Window) -> list[Pictures]:
    """Three axial slices with the lesion's outline, the same with those of all classes, and the other two planes."""
    outlines = [Outline(item, result.labels.array, item is LESION) for item in LABELS]
    everything = Slices.of(result.image, outlines, brain, MARGIN_MM)
    lesion_alone = replace(everything, outlines=tuple(o for o in everything.outlines if o.item is LESION))

    def chosen(axis: int, count: int) -> list[int]:
        extent, lesion = (slices.area(axis, lambda _: True) for slices in (everything, lesion_alone))
        return choose_slices(extent, lesion, count, LEAST)

    def framed(slices: Slices, axis: int, index: int, remark: str) -> Picture:
        return slices.framed(axis, index, window, KEY_WIDTH, remark)

    axial = list(reversed(chosen(AXIAL, 3)))
    first = [framed(lesion_alone, AXIAL, k, "outline of the lesion") for k in axial]
    second = [framed(everything, AXIAL, k, "outlines of all classes") for k in axial]
    others = [framed(lesion_alone, axis, chosen(axis, 1)[0], "outline of the lesion") for axis in (CORONAL, SAGITTAL)]
    others.append(framed(replace(everything, outlines=()), AXIAL, chosen(AXIAL, 1)[0], "without outlines"))
    caption = "Axial slices from head to feet, each the one with most lesion in its third of the brain."
    return [Pictures((*first, *second, *others), 3, 44.0, caption)]
