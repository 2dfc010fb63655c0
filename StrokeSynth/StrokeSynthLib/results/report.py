"""What the report of a brain MR says: one page of result, then the details."""

from __future__ import annotations

from LesionKitLib.report.document import (
    Beside,
    Chart,
    Facts,
    Notes,
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
from LesionKitLib.report.text import milliliters, number
from StrokeSynthLib.labels import MIN_LESION_ML, TISSUES
from StrokeSynthLib.measurement.territories import territory_volumes

from . import figures

TITLE = "MR stroke lesion segmentation"
MODULE = "StrokeSynth"
FIRST_LESIONS, MOST_LESIONS = 6, 40  # in the tables of the first page and of the details
DEFINITIONS = (
    "Lesion volume: all voxels that the network finds more likely than not to be an ischemic stroke lesion.",
    f"Lesions: components connected over faces, edges or corners, of at least {MIN_LESION_ML:g} ml (20 voxels of 1 "
    "mm); smaller ones are left out.",
    "Side: left or right where at least 90 % of the volume lies there, by alignment with the standard brain.",
    "Territory: the arterial territory that most of a lesion lies in, by the same alignment and an atlas of how "
    "arteries usually run (Digital 3D Brain MRI Arterial Territories Atlas, Johns Hopkins University, CC BY-SA 4.0). "
    "It is not drawn from the patient's own vessels. ACA, MCA, PCA: anterior, middle, posterior cerebral artery.",
    "Slices are numbered from 1 along the image's own grid. Window: level / width of the gray values that are shown, "
    "from percentile 0.5 to 99.5 of the brain's.",
    "Reference 0: a healthy brain holds no ischemic lesion; the network may still mark some. For the volume of the "
    "brain, which depends on age and sex, no reference is given.",
    "The network learned from FLAIR slices whose lesions were drawn on diffusion images: an acute lesion may be "
    "invisible on FLAIR, and old lesions may be marked.",
)


def report_of(result) -> Report:
    """The report of a StrokeResult."""
    slices = figures.brain_slices(result.volume, result.brain, result.lesion)
    window = figures.gray_window(result.volume, result.brain)
    provenance, lesions = result.provenance(), result.lesions()
    first = (
        Section("", (_tiles(result.measurements), *_notes(result.notes))),
        Section("Findings", (_findings(result, lesions), Text(f"{window.title} (level / width) in all images."))),
        Section("Key images", (_key_images(slices, window),)),
    )
    details = (
        *_lesion_list(lesions),
        *_tissues(result.measurements),
        Section("Images", (_series(slices, window),), together=False),
        *(card_section(card) for card in result.cards()),
        Section("Identification and run", (Facts((*provenance.details(), *_run(result))),)),
        Section("Definitions", (Notes(DEFINITIONS),), together=False),
    )
    return Report(TITLE, MODULE, Facts(provenance.facts()), first, details)


def _tiles(found: dict) -> Tiles:
    percent = found["lesion_percent"]
    return Tiles(
        (
            Tile(milliliters(found["lesion_ml"]), "stroke lesion (reference: 0)"),
            Tile(str(found["lesions"]), "lesions"),
            Tile(found["side"], "side"),
            Tile(milliliters(found["largest_ml"]), "largest lesion"),
            Tile(number(percent, "%", 2), "of the brain"),
            Tile(milliliters(found["brain_ml"]), "brain (no reference)"),
        )
    )


def _notes(notes) -> list:
    return [Notes(tuple(f"Note: {note}" for note in notes))] if notes else []


def _findings(result, lesions: list[dict]):
    if not lesions:
        return Text("No stroke lesion was found.")
    volumes = territory_volumes(result.volume, result.lesion, result.to_image)
    chart = Chart(figures.territory_chart(volumes), "Lesion volume in each arterial territory.")
    return Beside(_first_table(lesions), chart, 0.56)


def _first_table(lesions: list[dict]) -> Table:
    """The largest lesions and all others, so that the volumes add up."""
    rows = [
        Row((str(n), milliliters(lesion["ml"]), lesion["side"], _territory(lesion)))
        for n, lesion in enumerate(lesions[:FIRST_LESIONS], 1)
    ]
    rest = lesions[FIRST_LESIONS:]
    if rest:
        rows.append(Row((f"{len(rest)} more", milliliters(sum(lesion["ml"] for lesion in rest)), "", "")))
    rows.append(Row((f"All {len(lesions)}", milliliters(sum(lesion["ml"] for lesion in lesions)), "", ""), strong=True))
    return Table(("Lesion", "Volume", "Side", "Territory"), tuple(rows), (1.0, 1.0, 0.8, 3.0), (0, 2, 3))


def _territory(lesion: dict) -> str:
    return f"{lesion['territory']} ({number(lesion['territory_percent'], '%', 0)})"


def _key_images(slices, window) -> Pictures:
    caption = (
        "Axial slices from head to feet, each the one with most lesion in its third of the brain; then a coronal, a "
        "sagittal and, without outlines, an axial slice through most of the lesion."
    )
    return Pictures(figures.key_pictures(slices, window), 3, 52.0, caption)


def _series(slices, window) -> Pictures:
    caption = "Axial slices from head to feet, each the one with most lesion in its part of the brain."
    return Pictures(figures.series_pictures(slices, window), 5, 60.0, caption)


def _lesion_list(lesions: list[dict]) -> list[Section]:
    if not lesions:
        return []
    rows = [
        Row((str(n), milliliters(lesion["ml"]), lesion["side"], _territory(lesion), _position(lesion["center_mni"])))
        for n, lesion in enumerate(lesions[:MOST_LESIONS], 1)
    ]
    more = len(lesions) - MOST_LESIONS
    caption = f"{more} smaller lesions are in measurements.csv." if more > 0 else ""
    header = (
        "Lesion",
        "Volume",
        "Side",
        "Arterial territory (part of the lesion in it)",
        "Center in standard space (mm)",
    )
    table = Table(header, tuple(rows), (0.6, 0.8, 0.6, 3.4, 1.8), (0, 2, 3, 4), caption)
    return [Section("Lesions, the largest first", (table,), together=False)]


def _position(mni) -> str:
    """Such as "L 42, A 17, S 20"."""
    pairs = zip(mni, ("RL", "AP", "SI"), strict=True)
    return ", ".join(f"{letters[0] if mm >= 0 else letters[1]} {abs(mm):.0f}" for mm, letters in pairs)


def _tissues(found: dict) -> list[Section]:
    if "tissues_ml" not in found:
        return []
    rows = tuple(Row((c.name, milliliters(found["tissues_ml"][c.key]), "no reference"), c.color) for c in TISSUES)
    return [Section("Tissue", (Table(("Tissue", "Volume", "Reference"), rows),))]


def _run(result) -> tuple[tuple[str, str], ...]:
    columns, rows, slices = (int(n) for n in result.volume.array.shape[::-1])
    seconds = ", ".join(f"{name} {value:.1f} s" for name, value in result.seconds.items())
    return (("Voxels", f"{columns} × {rows} × {slices}"), *((("Time", seconds),) if seconds else ()))
