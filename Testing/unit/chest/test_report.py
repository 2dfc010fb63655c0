"""The report of a chest CT: what it says, and that it adds up."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from CovidLungQuantLib.labels import CONSOLIDATION, EFFUSION, GGO, LEFT_LUNG, RIGHT_LUNG
from CovidLungQuantLib.measurement.findings import list_findings
from CovidLungQuantLib.measurement.measurements import measure
from CovidLungQuantLib.results import figures
from CovidLungQuantLib.results.report import position, report_of, slice_of
from CovidLungQuantLib.results.result import CovidResult
from LesionKitLib.imaging.source import ImageSource
from LesionKitLib.imaging.volume import Volume, affine
from LesionKitLib.report.document import WARNING, Beside, Table
from LesionKitLib.report.html import report_html

NAME = "DOE^JANE 4711"


def chest(with_lesion=True):
    """Two box lungs; consolidation fills the middle of the right lung in the upper slices."""
    hu = np.full((24, 40, 60), 40, np.int16)
    lungs, lesions = np.zeros(hu.shape, np.uint8), np.zeros(hu.shape, np.uint8)
    lungs[2:22, 6:34, 6:26], lungs[2:22, 6:34, 34:54] = 1, 2
    hu[lungs > 0] = -850
    if with_lesion:
        lesions[14:20, 12:28, 10:22] = CONSOLIDATION.value
        hu[lesions > 0] = 20
    return Volume(hu, affine((5, 5, 10)), NAME), lungs, lesions


def result(**changes):
    volume, lungs, lesions = chest()
    findings = tuple(list_findings(volume, lungs, lesions))
    measurements, seconds = measure(volume, lungs, lesions), {"read": 0.5, "infer": 1.0, "total": 2.0}
    made = CovidResult(volume, lungs, lesions, "convlstm", "1.2.3", "cpu", seconds, measurements, findings=findings)
    return replace(made, **changes)


CARD = {
    "name": "covid-convlstm",
    "version": "1.2.3",
    "training_data": [{"name": "SIRM", "license": "not stated"}],
    "metrics": {"infection": {"dice": {"mean": 0.8125, "low": 0.7, "high": 0.9}}},
    "limits": ["Adults only."],
}


def page(made=None, *cards):
    return report_html(report_of(made or result(), list(cards)))


def pixels(rgb, color):
    return np.all(rgb == np.array(color), axis=2)


def tables(made):
    """First cell of the header -> the table, for all tables of the report, those beside a chart too."""
    report = report_of(made)
    blocks = [block for section in (*report.result, *report.details) for block in section.blocks]
    blocks += [part for block in blocks if isinstance(block, Beside) for part in (block.left, block.right)]
    return {block.header[0]: block for block in blocks if isinstance(block, Table)}


def test_the_report_shows_warning_burden_score_model_and_notes():
    made = result(notes=("Two slices are missing.",))
    text = page(made, CARD)
    assert WARNING in text
    assert f"<b>{made.measurements['total']['burden_percent']:.1f}\u00a0%</b>" in text
    parts = ("Two slices are missing.", "covid-convlstm 1.2.3", "0.81 (0.70 to 0.90)", "Adults only.", "SIRM", "cpu")
    assert [part for part in parts if part not in text] == []


def test_the_limits_stand_before_the_accuracy_and_the_result_before_both():
    text = page(result(), CARD)
    places = [text.index(part) for part in ("of the lungs affected", "Key images", "Adults only.", "0.81 (0.70")]
    assert places == sorted(places)


def test_the_report_says_what_it_is_of_and_that_nobody_has_reviewed_it():
    source = ImageSource("1.2", "1.2.3.4", "Thorax native", "2020-03-01", "CT", "B60f", 1.5, sha256="e" * 64)
    made = result(volume=replace(chest()[0], source=source))
    text = page(made)
    parts = ("1.2.3.4", "Thorax native", "2020-03-01", "B60f", "e" * 64, "AI, not reviewed", made.date)
    assert [part for part in parts if part not in text] == []


def test_the_report_names_no_patient_unless_it_was_asked_for():
    text = re.sub(r"data:[\w/+-]+;base64,[\w/+=]+", "", page())  # pictures hold any letters by chance
    assert "DOE" not in text and "4711" not in text
    named = replace(chest()[0], source=ImageSource(patient_name="Doe, Jane", patient_id="4711"))
    assert "Doe, Jane, 4711" in page(result(volume=named))


def test_text_from_outside_is_escaped():
    nasty = "<img src=x onerror=alert(1)>"
    made = result(notes=(nasty,), network=nasty, device=nasty)
    text = page(made, {"name": nasty, "limits": [nasty], "metrics": {nasty: 1.0}, "training_data": nasty})
    assert nasty not in text
    assert text.count("&lt;img src=x onerror=alert(1)&gt;") >= 6


def test_the_report_of_an_image_without_lungs_shows_dashes():
    volume, lungs, lesions = chest(with_lesion=False)
    empty = np.zeros_like(lungs)
    text = page(result(lungs=empty, lesions=empty, measurements=measure(volume, empty, empty), findings=()))
    assert "<b>–</b>" in text
    assert not re.search(r"\bnan\b|\bNone\b", re.sub(r"base64,[^\"]*", "", text))


def test_volumes_and_counts_of_the_classes_add_up():
    volume, lungs, lesions = chest()
    lesions[4:8, 10:16, 40:48] = GGO.value
    lesions[2, 8, 8] = EFFUSION.value  # 0.25 ml: a lesion of its own
    findings = tuple(list_findings(volume, lungs, lesions))
    made = result(lesions=lesions, measurements=measure(volume, lungs, lesions), findings=findings)
    rows = {row.cells[0]: row.cells[1:] for row in tables(made)["Class"].rows}
    classes, every = [rows[item.name] for item in (GGO, CONSOLIDATION, EFFUSION)], rows["All lesions"]
    assert sum(int(cells[4]) for cells in classes) == int(every[4]) == len(findings) == 3
    assert sum(float(cells[0]) for cells in classes) == pytest.approx(float(every[0]), abs=0.7)
    assert float(every[2]) + float(every[3]) == pytest.approx(float(every[0]), abs=0.7)


def test_what_is_too_small_to_be_counted_is_told():
    lesions = np.zeros_like(chest()[2])
    lesions[4:6, 20:22, 40:46] = GGO.value  # 24 voxels of 2 mm3, twice as much is needed
    volume = Volume(chest()[0].array, affine((1, 1, 2)))
    made = result(volume=volume, lesions=lesions, measurements=measure(volume, chest()[1], lesions), findings=())
    assert "below 0.1 ml" not in page(made)
    lesions[12:14, 20:22, 40:46] = GGO.value
    made = replace(made, measurements=measure(volume, chest()[1], lesions))
    assert "Components below 0.1 ml" in page(made)


def test_a_lesion_is_listed_with_its_slice_and_position():
    made = result()
    (finding,) = made.findings
    slices = figures.lung_slices(made.volume, made.lungs, made.lesions)
    k = int(slice_of(slices, finding.ras)) - 1
    assert made.lesions[k].any() and finding.ras[2] == pytest.approx(10 * k)
    assert position((-12.4, 3.0, 50.0)) == "L 12, A 3, S 50"
    row = tables(made)["No."].rows[0]
    assert row.cells[1] == "Consolidation" and row.cells[-2:] == (str(k + 1), position(finding.ras))


def test_key_images_come_in_the_lung_and_in_the_soft_tissue_window_with_captions_on_the_page():
    text = page()
    assert len(re.findall(r"<figcaption>[^<]*Soft-tissue window 40\u00a0/\u00a0400\u00a0HU", text)) == 3
    assert len(re.findall(r"<figcaption>Axial slice \d+ of 24 · [SI] \d+ mm · Lung window \u2212600", text)) == 3 + 8


def test_the_overlay_picture_holds_each_class_that_is_there():
    made = result()
    picture = figures.overlay(made.volume, made.lungs, made.lesions)[:-40]  # without the legend
    for item in (CONSOLIDATION, RIGHT_LUNG, LEFT_LUNG):
        assert pixels(picture, item.color).any()
    for item in (GGO, EFFUSION):
        assert not pixels(picture, item.color).any()


def test_the_chart_has_a_bar_for_each_lung_and_third():
    labels = [getattr(shape, "text", "") for shape in figures.burden_chart(result().measurements).shapes]
    assert {"R upper", "R middle", "R lower", "Right lung", "L upper", "Left lung"} <= set(labels)


def test_measurements_without_a_score_give_a_report_without_one():
    made = result()
    assert "<span>severity score</span>" in page(made)
    assert "<span>severity score</span>" not in page(
        replace(made, measurements={**made.measurements, "severity": None})
    )


def test_every_bundled_card_of_a_chest_network_fits_the_report():
    from LesionKitCLI.shared.installed_models import installed_models

    cards = [model.card for model in installed_models() if model.name.startswith("covid-")]
    assert len(cards) == 3
    for card in cards:
        assert f"{card['name']} {card['version']}" in page(result(), card)
