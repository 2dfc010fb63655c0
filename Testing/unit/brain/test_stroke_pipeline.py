"""From a brain MR to lesion and measurements, with a stand-in for the network; bad input in clear sentences."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from stroke_fixtures import BrightNetwork, brain, head

from LesionKitLib.imaging.metrics import dice
from LesionKitLib.imaging.source import ImageSource
from LesionKitLib.imaging.volume import Volume, affine
from LesionKitLib.io.dicom.header import Header
from LesionKitLib.report.html import report_html
from LesionKitLib.run.errors import Cancelled, UnusableInput
from LesionKitLib.run.progress import Progress
from StrokeSynthLib.measurement.measurements import measure, to_rows
from StrokeSynthLib.pipeline import segment_stroke
from StrokeSynthLib.results.files import write_outputs
from StrokeSynthLib.results.report import report_of
from StrokeSynthLib.segmentation.input_check import check_brain_mr, refuse_diffusion_map


@pytest.fixture(scope="module")
def case():
    return brain(step=2)


@pytest.fixture(scope="module")
def result(case):
    return segment_stroke(case[0], "cpu", network=BrightNetwork(), tissues=True)


def test_a_bright_lesion_is_found_where_it_is(case, result):
    volume, lesion = case
    assert dice(result.lesion > 0, lesion) > 0.85
    found = result.measurements
    assert found["lesion_ml"] == pytest.approx(lesion.sum() * volume.voxel_ml, rel=0.2)
    assert (found["lesions"], found["side"]) == (1, "left")
    assert 1500 < found["brain_ml"] < 2100


def test_tissues_cover_the_brain_and_hold_no_lesion(result):
    assert result.tissues.max() <= 5
    assert dice(result.tissues > 0, result.brain > 0) > 0.9
    assert result.measurements["tissues_ml"]["white_matter"] > 200


def test_a_flipped_and_turned_volume_gives_the_same_lesion(case, result):
    volume, _ = case
    array = volume.array.transpose(1, 2, 0)[:, ::-1]
    order = volume.ijk_to_ras[:, [1, 0, 2, 3]]  # i, j, k of the new array are j, i, k ... of the old one
    matrix = np.eye(4)
    matrix[:3, 0], matrix[:3, 1], matrix[:3, 2] = volume.ijk_to_ras[:3, 2], -volume.ijk_to_ras[:3, 0], order[:3, 0]
    matrix[:3, 3] = volume.ijk_to_ras[:3, 3] + volume.ijk_to_ras[:3, 0] * (volume.array.shape[2] - 1)
    turned = segment_stroke(Volume(np.ascontiguousarray(array), matrix), "cpu", network=BrightNetwork())
    back = turned.lesion[:, ::-1].transpose(2, 0, 1)
    assert dice(back > 0, result.lesion > 0) > 0.95
    assert turned.measurements["side"] == "left"


def test_a_mirrored_brain_has_its_lesion_on_the_other_side(case):
    mirrored = case[0].with_array(np.ascontiguousarray(case[0].array[:, :, ::-1]))
    assert segment_stroke(mirrored, "cpu", network=BrightNetwork()).measurements["side"] == "right"


def test_a_brain_without_lesion_gives_zero_and_no_side(case):
    found = segment_stroke(case[0], "cpu", network=BrightNetwork(limit=2.0)).measurements
    assert (found["lesion_ml"], found["lesions"], found["side"], found["largest_ml"]) == (0, 0, "none", 0)


def test_cancelling_stops_the_work(case):
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        segment_stroke(case[0], "cpu", progress, network=BrightNetwork())


def test_the_files_say_what_was_found(result, tmp_path):
    import nrrd

    write_outputs(result, tmp_path / "out")
    document = json.loads((tmp_path / "out" / "measurements.json").read_text())
    assert {"lesion_ml", "lesions", "side", "seconds", "network", "device"} <= set(document)
    data, header = nrrd.read(str(tmp_path / "out" / "segmentation.seg.nrrd"))
    names = [header[f"Segment{n}_Name"] for n in range(7)]
    assert names[:2] == ["Brain", "Ischemic stroke lesion"]
    assert int((data[1] == 6).sum()) == int(result.lesion.sum())
    assert "SCT^422504002^Ischemic stroke" in header["Segment1_Tags"]
    table = (tmp_path / "out" / "measurements.csv").read_text().splitlines()
    assert len(table) == 2 + document["lesions"]
    assert (tmp_path / "out" / "overlay.png").stat().st_size > 1000


def test_the_report_shows_numbers_warning_and_picture_and_escapes_notes(result):
    text = report_html(report_of(replace(result, notes=("<b>bold</b>",))))
    assert "Not a medical device" in text and "data:image/png;base64," in text
    assert "&lt;b&gt;bold" in text and "<script" not in text
    assert f"{result.measurements['lesion_ml']:.1f}" in text


def test_small_components_are_not_counted_and_the_largest_comes_first():
    mask = np.zeros((20, 20, 20), np.uint8)
    mask[2:5, 2:5, 2:5] = 1
    mask[10:16, 10:16, 2:8] = 1
    mask[18, 18, 18] = 1
    volume = Volume(np.zeros(mask.shape, np.int16), affine((1, 1, 1), origin=(10, 0, 0)))
    found = measure(volume, mask, np.ones_like(mask), np.eye(4))
    assert [round(component["ml"], 3) for component in found["components"]] == [0.216, 0.027]
    assert found["lesions"] == 2 and found["lesion_percent"] == pytest.approx(100 * mask.sum() / 8000)
    assert to_rows(found)[1][1][:2] == (1, found["components"][0]["ml"])


def test_a_lesion_across_the_midline_belongs_to_both_sides():
    mask = np.ones((1, 1, 10), np.uint8)

    def side(at: float) -> str:
        volume = Volume(mask, affine((1, 1, 1), origin=(at, 0, 0)))
        return measure(volume, mask, mask, np.eye(4))["side"]

    assert (side(4.5), side(20), side(-2)) == ("both", "right", "left")


def test_the_same_image_gives_the_same_bytes_however_many_threads_count(case, result):
    import torch

    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            again = segment_stroke(case[0], "cpu", network=BrightNetwork(), tissues=True)
            for name in ("lesion", "brain", "tissues", "to_image"):
                assert getattr(again, name).tobytes() == getattr(result, name).tobytes(), name
            assert again.measurements == result.measurements
    finally:
        torch.set_num_threads(before)


def adc_map(unit: float, kind=np.float32) -> Volume:
    """A stripped brain with the values of an apparent diffusion coefficient; unit: of 10^-3 mm2/s."""
    from StrokeSynthLib.labels import CSF, VENTRICLES
    from StrokeSynthLib.segmentation.template import load_template

    labels = load_template().labels
    array = labels.array[::2, ::2, ::2]
    value = np.where(np.isin(array, (CSF.value, VENTRICLES.value)), 3.0, 0.8)
    value = value + 0.03 * np.random.default_rng(0).standard_normal(array.shape)
    matrix = labels.ijk_to_ras @ np.diag([2, 2, 2, 1.0])
    return Volume(np.where(array > 0, value * unit, 0).astype(kind), matrix)


@pytest.mark.parametrize(("unit", "kind"), [(1000.0, np.int16), (1.0, np.float32), (1e-3, np.float32)])
def test_an_adc_map_is_refused_by_its_values(unit, kind):
    with pytest.raises(UnusableInput, match="ADC map"):
        segment_stroke(adc_map(unit, kind), "cpu", network=BrightNetwork())


def test_an_image_in_other_units_or_called_original_by_dicom_is_no_adc_map():
    values = adc_map(1.0).array
    refuse_diffusion_map(values[values > 0] * 300)
    original = Header(modality="MR", image_type=("ORIGINAL", "PRIMARY", "M"))
    refuse_diffusion_map(values[values > 0], original)
    with pytest.raises(UnusableInput):
        refuse_diffusion_map(values[values > 0], Header(modality="MR", image_type=("DERIVED", "PRIMARY")))


def test_a_t2_of_12_bits_whose_file_names_its_contrast_is_no_adc_map():
    values = adc_map(1000.0).array
    refuse_diffusion_map(values[values > 0], file_name="sub-01_T2w.nii.gz")
    with pytest.raises(UnusableInput):
        refuse_diffusion_map(values[values > 0], file_name="sub-01.nii.gz")


@pytest.mark.parametrize(
    ("name", "what"), [("sub-3_Tmax.nii.gz", "Tmax"), ("RAPID_rCBF.nii", "CBF"), ("case adc.nrrd", "ADC")]
)
def test_a_map_is_refused_by_its_file_s_name(name, what):
    volume = replace(head("flair", noise=2)[0], source=ImageSource(file=name))
    with pytest.raises(UnusableInput, match=f"parametric map .{what}."):
        check_brain_mr(volume)


@pytest.mark.parametrize("name", ["FA_2024.nii.gz", "dwi_no_adc.nii.gz", "patient.nii.gz"])
def test_other_file_names_say_nothing_of_a_map(name):
    check_brain_mr(replace(head("flair", noise=2)[0], source=ImageSource(file=name)))


def test_a_head_with_skull_has_its_lesion_where_it_is_and_notes_a_cut():
    volume, _ = head("flair", noise=2)
    found = segment_stroke(volume, "cpu", network=BrightNetwork(limit=2.0))
    assert not [note for note in found.notes if "brain" in note]
    upper = Volume(volume.array[volume.array.shape[0] - 75 :], volume.ijk_to_ras)
    cut = segment_stroke(upper, "cpu", network=BrightNetwork(limit=2.0))
    assert [note for note in cut.notes if "ends within the brain" in note]


GOOD = np.random.default_rng(0).integers(0, 500, (40, 64, 64)).astype(np.int16)


@pytest.mark.parametrize(
    ("array", "spacing", "words"),
    [
        (GOOD[:1], (4, 4, 4), "single 2-D slice"),
        (GOOD[:6], (4, 4, 12), "only 6 slices"),
        (GOOD, (4, 4, 15), "impossible"),
        (GOOD, (0.5, 0.5, 4), "covers only"),
        (GOOD, (11, 11, 4), "head alone"),
        (GOOD[:, ::2, ::2], (4, 4, 4), "too coarse"),
        (np.full_like(GOOD, 7), (4, 4, 4), "same value"),
        (np.where(GOOD > 250, np.nan, 1.0).astype(np.float32), (4, 4, 4), "NaN"),
        ((GOOD > 250).astype(np.uint8), (4, 4, 4), "label map"),
        (np.where(GOOD > 250, -1000, GOOD), (4, 4, 4), "Hounsfield"),
    ],
)
def test_unusable_images_are_refused_in_one_sentence(array, spacing, words):
    with pytest.raises(UnusableInput, match=words) as error:
        check_brain_mr(Volume(array, affine(spacing)))
    assert str(error.value).count("\n") == 0


def test_a_ct_is_refused_by_its_header():
    with pytest.raises(UnusableInput, match="a CT"):
        check_brain_mr(Volume(GOOD, affine((4, 4, 4))), Header(modality="CT"))


def test_thick_slices_are_noted():
    assert check_brain_mr(Volume(GOOD, affine((4, 4, 6)))) and not check_brain_mr(Volume(GOOD, affine((4, 4, 4))))
