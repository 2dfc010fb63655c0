import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from CovidLungQuantLib.labels import CONSOLIDATION, EFFUSION, GGO, LEFT_LUNG, RIGHT_LUNG
from CovidLungQuantLib.measurement.measurements import measure
from CovidLungQuantLib.results import figures
from CovidLungQuantLib.results.report import WARNING, number, report_html, save_overlay_png, write_report
from CovidLungQuantLib.results.result import CovidResult
from LesionKitLib.imaging.volume import Volume, affine
from LesionKitLib.run.errors import UnusableInput

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
    seconds = {"read": 0.5, "infer": 1.0, "total": 2.0}
    made = CovidResult(volume, lungs, lesions, "convlstm", "1.2.3", "cpu", seconds, measure(volume, lungs, lesions))
    return replace(made, **changes)


CARD = {
    "name": "covid-convlstm",
    "version": "1.2.3",
    "training_data": [{"name": "SIRM", "license": "not stated"}],
    "metrics": {"infection": {"dice": {"mean": 0.8125, "low": 0.7, "high": 0.9}}},
    "limits": ["Adults only."],
}


def pixels(rgb, color):
    return np.all(rgb == np.array(color), axis=2)


def test_the_report_is_one_file_that_loads_nothing_and_runs_nothing():
    text = report_html(result(), CARD)
    sources = re.findall(r'(?:src|href)="([^"]{0,30})', text)
    assert sources and all(source.startswith("data:image/png;base64,") for source in sources)
    assert "<script" not in text and "url(" not in text and "@import" not in text


def test_the_reports_tags_are_balanced():
    class Tags(HTMLParser):
        def __init__(self):
            super().__init__()
            self.open = []

        def handle_starttag(self, tag, attrs):
            if tag not in ("img", "meta", "br"):
                self.open.append(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    parser = Tags()
    parser.feed(report_html(result(notes=("a",), decision={"covid_probability": 0.5, "positive": True}), CARD))
    assert parser.open == []


def test_the_report_shows_warning_burden_score_model_and_notes():
    made = result(notes=("Two slices are missing.",))
    text = report_html(made, CARD)
    assert WARNING in text
    assert f"<b>{made.measurements['total']['burden_percent']:.1f}&nbsp;%</b>" in text
    assert f"{made.measurements['severity']['score']}&nbsp;/&nbsp;24" in text
    for part in (
        "Two slices are missing.",
        "covid-convlstm 1.2.3",
        "0.812 (0.7 to 0.9)",
        "Adults only.",
        "SIRM",
        "cpu",
    ):
        assert part in text


def test_the_report_names_no_patient():
    assert "DOE" not in report_html(result(), CARD) and "4711" not in report_html(result(), CARD)


def test_text_from_outside_is_escaped():
    nasty = "<img src=x onerror=alert(1)>"
    made = result(notes=(nasty,), network=nasty, device=nasty)
    text = report_html(made, {"name": nasty, "limits": [nasty], "metrics": {nasty: 1.0}, "training_data": nasty})
    assert nasty not in text
    assert text.count("&lt;img src=x onerror=alert(1)&gt;") >= 7


def test_the_report_of_an_image_without_lungs_shows_dashes():
    volume, lungs, lesions = chest(with_lesion=False)
    empty = np.zeros_like(lungs)
    text = report_html(result(lungs=empty, lesions=empty, measurements=measure(volume, empty, empty)))
    assert "<b>–</b>" in text
    assert not re.search(r"\bnan\b|\bNone\b", re.sub(r"base64,[^\"]*", "", text))


def test_the_report_appears_complete_or_not_at_all(tmp_path):
    write_report(result(), tmp_path / "out" / "report.html", CARD)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["report.html"]
    assert (tmp_path / "out" / "report.html").read_text(encoding="utf-8").endswith("</html>\n")
    (tmp_path / "file").write_text("")
    with pytest.raises(UnusableInput):
        write_report(result(), tmp_path / "file" / "report.html")


def test_the_pictures_in_the_report_are_readable_pngs():
    data = re.findall(r"base64,([^\"]+)", report_html(result()))
    sizes = [Image.open(io.BytesIO(base64.b64decode(part))).size for part in data]
    assert len(sizes) == 2 and min(min(size) for size in sizes) > 200


def test_the_overlay_picture_holds_each_class_that_is_there_and_no_metadata(tmp_path):
    save_overlay_png(result(), tmp_path / "overlay.png")
    image = Image.open(tmp_path / "overlay.png")
    assert not image.info
    picture = np.asarray(image)[:-40]  # without the legend
    for item in (CONSOLIDATION, RIGHT_LUNG, LEFT_LUNG):
        assert pixels(picture, item.color).any()
    for item in (GGO, EFFUSION):
        assert not pixels(picture, item.color).any()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_picture_does_not_depend_on_how_the_image_is_stored(axis):
    volume, lungs, lesions = chest()
    matrix = volume.ijk_to_ras.copy()
    matrix[:3, 3] += matrix[:3, 2 - axis] * (lungs.shape[axis] - 1)
    matrix[:3, 2 - axis] *= -1
    flipped = [np.flip(a, axis) for a in (volume.array, lungs, lesions)]
    expected = figures.montage(volume, lungs, lesions)
    assert np.array_equal(figures.montage(Volume(flipped[0], matrix), *flipped[1:]), expected)


def test_the_patients_right_is_at_the_left_and_anterior_and_superior_are_up():
    volume, lungs, lesions = chest()
    lesions[:] = 0
    lesions[18:22, 6:12, 6:12] = EFFUSION.value  # right, anterior, superior
    scene = figures.Scene.of(volume, lungs, lesions)
    for panel in (scene.panel(0, 20), scene.panel(1, 8)):
        rows, columns = np.nonzero(pixels(panel, EFFUSION.color))
        assert rows.max() < panel.shape[0] / 2 and columns.max() < panel.shape[1] / 2


def test_outlines_leave_the_lesions_inside_to_be_seen():
    rgb = figures.outline_rgb(
        np.full((40, 40), -600.0), np.zeros((40, 40)), np.pad(np.full((20, 20), GGO.value), 10), size=(400, 400)
    )
    assert pixels(rgb, GGO.color).any()
    assert tuple(rgb[200, 200]) == (127, 127, 127)
    colored = np.ptp(rgb.astype(int), axis=2) > 0
    assert colored[100:300, 100:300].mean() < 0.1 and not colored[:90].any()


def test_millimeters_come_out_square_whatever_the_voxels():
    volume, lungs, lesions = chest()
    scene = figures.Scene.of(volume, lungs, lesions)
    for axis, index, across, down in ((0, 10, 5, 5), (1, 20, 5, 10)):
        panel = scene.panel(axis, index)
        shape = [s.stop - s.start for n, s in enumerate(scene.box) if n != axis]
        assert panel.shape[0] / panel.shape[1] == pytest.approx(shape[0] * down / (shape[1] * across), rel=0.01)


def test_slices_are_spread_over_the_lung_and_prefer_the_lesion():
    lung, lesion = np.zeros(100), np.zeros(100)
    lung[10:90] = 50
    assert figures.choose_slices(lung, lesion, 4) == [20, 40, 60, 80]
    lesion[33], lesion[45] = 5, 3
    chosen = figures.choose_slices(lung, lesion, 4)
    assert 33 in chosen and chosen == sorted(chosen)
    assert min(np.diff(chosen)) >= 10


def test_three_slices_give_three_pictures():
    assert figures.choose_slices(np.ones(3), np.zeros(3), 8) == [0, 1, 2]


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (None, "%", "–"),
        (0.0, "", "0.0"),
        (0.01, "", "&lt;&nbsp;0.1"),
        (12.34, "ml", "12.3&nbsp;ml"),
        (123.4, "", "123"),
        (4321.0, "", "4&#8239;321"),
        (7, "", "7"),
        (-812.4, "", "−812"),
    ],
)
def test_numbers_are_rounded_only_where_they_are_shown(value, unit, shown):
    assert number(value, unit) == shown


def test_a_figure_that_does_not_exist_is_a_dash_in_the_report():
    nothing = {"mean": None, "low": None, "high": None}
    alone = {"mean": 0.5, "low": None, "high": None}
    text = report_html(result(), CARD | {"metrics": {"effusion": {"r": nothing, "dice": alone}}})
    assert "r: -" in text and "dice: 0.5<" in text


def test_every_bundled_card_of_a_chest_network_fits_the_report():
    from LesionKitCLI.installed_models import installed_models

    cards = [model.card for model in installed_models() if model.name.startswith("covid-")]
    assert len(cards) == 3
    for card in cards:
        assert f"{card['name']} {card['version']}" in report_html(result(), card)
