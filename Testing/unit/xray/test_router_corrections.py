"""Labels corrected by hand: the list that keeps them, and what they change."""

from __future__ import annotations

import pytest
from dicom_fixtures import PATIENT
from router_fixtures import BrightnessClassifier, write_xray

from BodyPartRouterLib.reading.xray import Xray
from BodyPartRouterLib.routing.configuration.rules import folder_rules
from BodyPartRouterLib.routing.corrections import corrected, read_corrections, write_correction
from BodyPartRouterLib.routing.examination import examine, examine_pixels, with_threshold
from BodyPartRouterLib.routing.route_files import plan_one
from LesionKitLib.run.errors import UnusableInput


@pytest.fixture
def examined(tmp_path):
    return next(iter(examine([write_xray(tmp_path / "image.dcm", "unknown")], BrightnessClassifier())))


def test_one_line_is_kept_for_each_image_the_latest_counts(examined, tmp_path):
    path = tmp_path / "new" / "labels.csv"
    for label in ("spine", "abdomen"):
        write_correction(path, examined, label, "light")
    ((digest, row),) = read_corrections(path).items()
    assert row["sha256"] == digest
    assert (row["file"], row["class"], row["predicted"], row["network"]) == ("image.dcm", "abdomen", "unknown", "light")
    assert PATIENT not in path.read_text("utf-8")


def test_other_lines_stay(examined, tmp_path):
    path = tmp_path / "labels.csv"
    write_correction(path, examined, "spine")
    other = next(iter(examine([write_xray(tmp_path / "other.dcm", "spine", 5)], BrightnessClassifier())))
    write_correction(path, other, "abdomen")
    assert {row["file"]: row["class"] for row in read_corrections(path).values()} == {
        "image.dcm": "spine",
        "other.dcm": "abdomen",
    }


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "", "\xff\xfe\x00"])
def test_a_file_of_another_kind_is_left_as_it_is(examined, tmp_path, text):
    path = tmp_path / "labels.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UnusableInput):
        write_correction(path, examined, "spine")
    assert path.read_bytes() == text.encode("latin-1")


def test_only_classes_can_be_given(examined, tmp_path):
    with pytest.raises(UnusableInput, match="knee"):
        write_correction(tmp_path / "labels.csv", examined, "knee")


def test_a_corrected_image_is_certain_no_longer_held_and_compared_anew(examined):
    assert examined.reason and examined.agreement.agrees is None
    found = corrected(examined, "spine")
    assert (found.label, found.prediction.probability, found.reason) == ("spine", 1.0, None)
    assert found.agreement.agrees is False  # the header says chest


def test_a_threshold_holds_what_is_less_probable(tmp_path):
    (sure,) = examine([write_xray(tmp_path / "a.dcm", "spine")], BrightnessClassifier(0.8))
    assert with_threshold(sure, 0.8) is sure
    held = with_threshold(sure, 0.81)
    assert held.label == "unknown" and "0.80 is below the threshold 0.81" in held.reason
    assert held.prediction.likeliest == "spine"


def test_pixels_of_the_scene_are_classified_but_never_routed(tmp_path):
    import numpy as np
    from router_fixtures import picture

    xray = Xray(picture("abdomen").astype(np.float32) / 4095)
    examined = examine_pixels("From the scene", xray, BrightnessClassifier(), lambda image: image.pixels.shape)
    assert (examined.label, examined.thumbnail, examined.in_memory) == ("abdomen", (24, 20), True)
    assert plan_one(examined, folder_rules(tmp_path, move=True)).plan is None
