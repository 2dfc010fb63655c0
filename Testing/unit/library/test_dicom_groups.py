"""Several images of one place in one series: told apart by whatever makes them different, never mixed."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_fixtures import (
    mr_values,
    sequence_of,
    slice_hu,
    write_enhanced_mr,
    write_mr_series,
    write_series,
)
from pydicom.uid import generate_uid

from LesionKitLib.io.dicom.choice import BRAIN_MR, CHEST_CT
from LesionKitLib.io.images import read_volume_and_header
from LesionKitLib.run.errors import UnusableInput

PLACES = tuple(range(12))


def read(path, task=BRAIN_MR, **asked):
    return read_volume_and_header(path, task=task, **asked)[0]


def one_series():
    return {"SeriesInstanceUID": generate_uid(), "StudyInstanceUID": generate_uid()}


def two_mr(folder, one: dict, other: dict, **elements):
    """Two image sets at the same places in one series; values of the first 0, of the second 500 higher."""
    same = one_series()
    for shift, own in ((0, one), (500, other)):
        write_mr_series(folder / str(shift), shift, **{**same, **elements, **own})


def assert_mr(volume, shift, places=PLACES):
    np.testing.assert_array_equal(volume.array, np.stack([mr_values(place, shift) for place in places]))


def refusal(path, task=BRAIN_MR, **asked) -> str:
    with pytest.raises(UnusableInput) as caught:
        read(path, task, **asked)
    return str(caught.value)


def private(group: int, creator: str, element: int, vr: str, value):
    def change(data, _):
        if creator:
            data.add_new((group << 16) | 0x10, "LO", creator)
        data.add_new((group << 16) | 0x1000 | element, vr, value)

    return change


# --- diffusion


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ({"DiffusionBValue": 0.0}, {"DiffusionBValue": 1000.0}),
        ({}, {"DiffusionBValue": 1000.0}),
        ({"DiffusionBValue": 500.0}, {"DiffusionBValue": 1000.0}),
        ({"SequenceName": "*ep_b0"}, {"SequenceName": "*ep_b1000t"}),
        ({"ImageComments": "b=0(0,0,0)"}, {"ImageComments": "b=1000(0.4,0,0.9)"}),
        (
            {"change": private(0x0019, "SIEMENS MR HEADER", 0x0C, "IS", "0")},
            {"change": private(0x0019, "SIEMENS MR HEADER", 0x0C, "IS", "1000")},
        ),
        (
            {"change": private(0x0043, "GEMS_PARM_01", 0x39, "IS", ["1000000000", "8", "0", "0"])},
            {"change": private(0x0043, "GEMS_PARM_01", 0x39, "IS", ["1000001000", "8", "0", "0"])},
        ),
        (
            {"change": private(0x2001, "Philips Imaging DD 001", 0x03, "FL", 0.0)},
            {"change": private(0x2001, "Philips Imaging DD 001", 0x03, "FL", 1000.0)},
        ),
        (
            {"change": private(0x0019, "SIEMENS MR HEADER", 0x0C, "UN", b"0 ")},
            {"change": private(0x0019, "SIEMENS MR HEADER", 0x0C, "UN", b"1000")},
        ),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_of_several_b_values_the_highest_is_taken_and_said(tmp_path, low, high, order):
    same = one_series()
    for shift, own in ((0, low), (500, high))[::order]:
        write_mr_series(tmp_path / str(shift), shift, **{**same, **own})
    volume = read(tmp_path)
    assert_mr(volume, 500)
    assert "b = 1000 s/mm2 was taken (the highest b-value)" in volume.notes[0]
    assert "duplicate" not in " ".join(volume.notes)


def test_b_values_in_turn_with_numbers_that_run_through_are_told_apart(tmp_path):
    same = one_series()
    for n, (shift, b) in enumerate(((0, 0.0), (500, 1000.0))):

        def number(data, k, n=n):
            data.InstanceNumber = 2 * k + (n + k) % 2 + 1

        write_mr_series(tmp_path / str(n), shift, DiffusionBValue=b, change=number, **same)
    assert_mr(read(tmp_path), 500)


def test_half_of_a_series_with_one_b_value_is_not_continued_by_the_other(tmp_path):
    same = one_series()
    write_mr_series(tmp_path / "b0", 0, places=range(6), DiffusionBValue=0.0, **same)
    write_mr_series(tmp_path / "b1000", 500, places=range(6, 12), DiffusionBValue=1000.0, **same)
    assert_mr(read(tmp_path), 500, range(6, 12))


def test_the_trace_is_taken_before_single_directions(tmp_path):
    b = {"DiffusionBValue": 1000.0}
    two_mr(
        tmp_path,
        {**b, "DiffusionDirectionality": "DIRECTIONAL"},
        {**b, "ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "TRACEW"]},
    )
    volume = read(tmp_path)
    assert_mr(volume, 500)
    assert "the trace before single directions" in volume.notes[0]


def test_directions_without_a_trace_are_refused_with_their_list(tmp_path):
    b = {"DiffusionBValue": 1000.0}
    two_mr(
        tmp_path,
        {**b, "DiffusionGradientOrientation": [1.0, 0.0, 0.0]},
        {**b, "DiffusionGradientOrientation": [0.0, 1.0, 0.0]},
    )
    text = refusal(tmp_path)
    assert "choose one with --group" in text and "Diffusion Gradient Orientation 0.0 1.0 0.0 (12 images)" in text
    groups = {shift: read(tmp_path, group=number).array for number, shift in ((1, 0), (2, 500))}
    assert sorted(int(array.min()) for array in groups.values()) == [24, 524]


def test_frames_of_an_enhanced_file_are_told_apart_by_their_b_values(tmp_path):
    def with_b(b):
        return lambda group, n: setattr(group, "MRDiffusionSequence", sequence_of(DiffusionBValue=float(b)))

    frames = [(place, shift, with_b(b)) for place in PLACES[::-1] for shift, b in ((0, 0), (500, 1000))]
    write_enhanced_mr(tmp_path / "file", frames)
    for given in (tmp_path, tmp_path / "file"):  # the file holds both groups, so it decides nothing
        volume = read(given)
        assert_mr(volume, 500)
        assert "the highest b-value" in volume.notes[0]


def test_an_adc_map_in_the_series_is_left_out_and_alone_refused_by_its_name(tmp_path):
    adc = {"ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]}
    two_mr(tmp_path / "both", adc, {"DiffusionBValue": 1000.0})
    volume = read(tmp_path / "both")
    assert_mr(volume, 500)
    assert "images, not maps" in volume.notes[0] and "ADC map" in volume.notes[0]
    write_mr_series(tmp_path / "alone", **adc)
    assert "is an ADC map, but an image (DWI, FLAIR, T2) of the brain is needed" in refusal(tmp_path / "alone")


@pytest.mark.parametrize(
    ("elements", "name"),
    [
        ({"SeriesDescription": "ADC (10^-6 mm2/s)"}, "ADC"),
        ({"SeriesDescription": "Apparent Diffusion Coefficient"}, "ADC"),
        ({"SeriesDescription": "ep2d_perf_CBF"}, "CBF"),
        ({"ImageType": ["DERIVED", "PRIMARY", "PERFUSION", "TTP"]}, "TTP"),
        ({"ImageType": ["DERIVED", "SECONDARY", "RELCBV"]}, "CBV"),
        ({"ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "FA"]}, "FA"),
        ({"SeriesDescription": "MTT_map"}, "an MTT"),
        ({"ImageType": ["DERIVED", "PRIMARY", "EADC"]}, "an exponential ADC"),
        ({"SeriesDescription": "T2 MAP"}, "a T2"),
        ({"ImageType": ["DERIVED", "PRIMARY", "M", "T1 MAP"]}, "a T1"),
    ],
)
def test_parametric_maps_are_refused_by_name(tmp_path, elements, name):
    write_mr_series(tmp_path, **elements)
    assert f"{name} map" in refusal(tmp_path)
    assert f"{name} map" in refusal(tmp_path, series=1)
    assert read(tmp_path, task="any").array.shape == (12, 64, 72)  # who asks for no lesion may read it


def test_a_phase_image_alone_is_refused_as_one(tmp_path):
    write_mr_series(tmp_path, ImageType=["ORIGINAL", "PRIMARY", "P", "ND"])
    assert "is the phase of MR images" in refusal(tmp_path)


def test_a_real_world_unit_names_an_adc_map(tmp_path):
    def change(data, n):
        units = sequence_of(CodeValue="um2/s", CodingSchemeDesignator="UCUM", CodeMeaning="um2/s")
        item = sequence_of(RealWorldValueSlope=1.0, RealWorldValueIntercept=0.0, MeasurementUnitsCodeSequence=units)
        data.RealWorldValueMappingSequence = item

    write_mr_series(tmp_path, change=change)
    assert "is an ADC map" in refusal(tmp_path)


def test_a_ct_perfusion_map_is_no_chest_ct(tmp_path):
    write_series(tmp_path, ImageType=["DERIVED", "PRIMARY", "AXIAL", "CBF"])
    assert "is a CBF map, but a chest CT is needed" in refusal(tmp_path, CHEST_CT)


# --- other MR


@pytest.mark.parametrize(
    ("left", "taken", "why"),
    [
        ({"EchoTime": 20}, {"EchoTime": 90}, "the longest echo time"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]}, {}, "magnitude images"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "PHASE MAP", "P", "FFE"]}, {}, "magnitude images"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "R", "ND"]}, {}, "magnitude images"),
        ({"ImageType": ["DERIVED", "PRIMARY", "M", "ND"]}, {}, "original before derived images"),
        ({"TemporalPositionIdentifier": 2}, {"TemporalPositionIdentifier": 1}, "the first time point"),
        ({"AcquisitionNumber": 2}, {"AcquisitionNumber": 1}, "the first acquisition"),
        ({"AcquisitionTime": "120500"}, {"AcquisitionTime": "120000"}, "the first in time"),
        ({"SeriesNumber": 8}, {"SeriesNumber": 3}, "the lowest series number"),
    ],
)
def test_images_at_one_place_are_parted_and_chosen(tmp_path, left, taken, why):
    two_mr(tmp_path, left, taken)
    volume = read(tmp_path)
    assert_mr(volume, 500)
    assert why in volume.notes[0]


def test_phases_whose_trigger_times_differ_from_slice_to_slice_are_put_in_order(tmp_path):
    same = one_series()
    for phase in range(3):

        def change(data, n, phase=phase):
            data.TriggerTime = 17.3 * n + 100 * phase + (n % 3)
            data.InstanceNumber = n * 3 + phase + 1

        write_mr_series(tmp_path / str(phase), 100 * phase, change=change, **same)
    volume = read(tmp_path)
    assert_mr(volume, 0)
    assert "position in time 1 of 3 was taken (the first in time)" in volume.notes[0]


def test_two_studies_under_one_series_uid_are_not_mixed(tmp_path):
    uid = generate_uid()
    two = (
        {"StudyDate": "20200101", "StudyInstanceUID": "1.2.1"},
        {"StudyDate": "20200301", "StudyInstanceUID": "1.2.2"},
    )
    for shift, study in zip((0, 500), two, strict=True):
        write_mr_series(tmp_path / str(shift), shift, SeriesInstanceUID=uid, **study)
    volume = read(tmp_path)
    assert_mr(volume, 500)
    assert "the latest study" in volume.notes[0] and volume.source.date == "2020-03-01"


def test_an_element_that_no_rule_knows_parts_the_images_and_is_named_in_the_refusal(tmp_path):
    two_mr(tmp_path, {"FlipAngle": 10}, {"FlipAngle": 70})
    text = refusal(tmp_path)
    assert text.endswith("choose one with --group: Flip Angle 10 (12 images); Flip Angle 70 (12 images).")
    assert_mr(read(tmp_path, group=2), 500)
    assert_mr(read(tmp_path, group="flip angle 10"), 0)
    assert "no such group" in refusal(tmp_path, group=3)


def test_a_private_element_alone_parts_the_images(tmp_path):
    change = (private(0x0051, "MAKER", 0x16, "LO", "coil 1"), private(0x0051, "MAKER", 0x16, "LO", "coil 2"))
    two_mr(tmp_path, {"change": change[0]}, {"change": change[1]})
    assert "element (0051,1016) coil 2 (12 images)" in refusal(tmp_path)


def test_a_dimension_of_an_enhanced_file_parts_its_frames(tmp_path):
    def with_index(index):
        def change(group, n):
            group.FrameContentSequence = sequence_of(DimensionIndexValues=[index, n // 2 + 1])

        return change

    frames = [(place, shift, with_index(index)) for place in PLACES for index, shift in ((1, 0), (2, 500))]
    write_enhanced_mr(tmp_path / "file", frames, dimensions=(0x00189074, 0x00209057))
    text = refusal(tmp_path)
    assert "index of Frame Acquisition DateTime 1 (12 images)" in text
    assert_mr(read(tmp_path, group=2), 500)


def test_images_that_nothing_tells_apart_are_refused_and_not_called_duplicates(tmp_path):
    same = one_series()
    for shift in (0, 500):
        number = shift and 12
        write_mr_series(
            tmp_path / str(shift),
            shift,
            change=lambda data, n, number=number: setattr(data, "InstanceNumber", n + number + 1),
            **same,
        )
    text = refusal(tmp_path)
    assert "the headers do not say in what they differ; choose one with --group" in text
    assert_mr(read(tmp_path, group=2), 500)


def show_air_alone(data, n):
    """The first two slices of a stack are empty, as of masked images and above the head."""
    if n < 2:
        data.PixelData = bytes(len(data.PixelData))


def test_slices_of_air_that_are_equal_in_both_groups_do_not_decide_between_them(tmp_path):
    same = one_series()
    for shift in (0, 500):
        write_mr_series(tmp_path / str(shift), shift, change=show_air_alone, **same)
    assert refusal(tmp_path).count("(12 images)") == 2


def test_slices_of_air_that_are_equal_stay_in_the_groups_of_their_directions(tmp_path):
    same = one_series()
    for shift, direction in ((0, [1.0, 0.0, 0.0]), (500, [0.0, 1.0, 0.0])):
        write_mr_series(
            tmp_path / str(shift),
            shift,
            change=show_air_alone,
            DiffusionBValue=1000.0,
            DiffusionGradientOrientation=direction,
            **same,
        )
    assert refusal(tmp_path).count("(12 images)") == 2


def test_the_same_series_twice_is_one_and_the_copies_are_named_duplicates(tmp_path):
    same = one_series()
    for copy in "ab":
        write_mr_series(tmp_path / copy, **same)
    volume = read(tmp_path)
    assert_mr(volume, 0)
    assert volume.notes[0].startswith("12 duplicated slices were left out (equal pixels")
    assert volume.source.slices == 12


def test_a_file_stands_for_the_group_it_is_in(tmp_path):
    same = one_series()
    b0 = write_mr_series(tmp_path, 0, DiffusionBValue=0.0, number=3, **same)
    write_mr_series(tmp_path, 500, DiffusionBValue=1000.0, number=4, **{**same, "SeriesNumber": 3})
    volume = read(b0[4])
    assert_mr(volume, 0)
    assert "b = 0 s/mm2 was taken (it holds the file that was given)" in volume.notes[0]


# --- CT


def two_ct(folder, one: dict, other: dict, places=(PLACES, PLACES)):
    same = one_series()
    for n, own in enumerate((one, other)):

        def change(data, k, n=n):
            hu = slice_hu(places[n][k]) + 3 * n
            data.PixelData = (hu + 1024).astype(np.uint16).tobytes()

        write_series(folder / str(n), places[n], change=change, **{**same, **own})


def assert_ct(volume, n, places=PLACES):
    np.testing.assert_array_equal(volume.array, np.stack([slice_hu(place) + 3 * n for place in places]))


@pytest.mark.parametrize(
    ("left", "taken", "why"),
    [
        ({"ConvolutionKernel": "B30f"}, {"ConvolutionKernel": "B70f"}, "lung before soft kernel"),
        ({"ConvolutionKernel": "BONE"}, {"ConvolutionKernel": "STANDARD"}, "lung before soft kernel"),
        ({"SliceThickness": 5}, {"SliceThickness": 2}, "thin before thick slices"),
        ({"SeriesDescription": "EXPIRATION"}, {"SeriesDescription": "INSPIRATION"}, "inspiration before expiration"),
        ({"ImageComments": "exspiration"}, {"ImageComments": "inspiration"}, "inspiration before expiration"),
        ({"ImageType": ["DERIVED", "PRIMARY", "AXIAL"]}, {}, "original before derived images"),
        ({"ImageType": ["DERIVED", "SECONDARY", "MIP"]}, {}, "slices, no localizer and no projection"),
        ({"NominalPercentageOfRespiratoryPhase": 50}, {"NominalPercentageOfRespiratoryPhase": 0}, "the first phase"),
    ],
)
def test_of_two_reconstructions_the_task_chooses_one(tmp_path, left, taken, why):
    two_ct(tmp_path, left, taken)
    volume = read(tmp_path, CHEST_CT)
    assert_ct(volume, 1)
    assert why in volume.notes[0]


def test_thin_slices_that_never_meet_the_thick_ones_are_not_mixed_with_them(tmp_path):
    thick = tuple(place + 0.3 for place in range(0, 12, 3))
    two_ct(tmp_path, {"SliceThickness": 6}, {"SliceThickness": 2}, places=(thick, PLACES))
    assert_ct(read(tmp_path, CHEST_CT), 1)


def test_two_tube_voltages_are_refused_with_their_list(tmp_path):
    two_ct(tmp_path, {"KVP": 80}, {"KVP": 140})
    assert "choose one with --group: KVP 80 (12 images); KVP 140 (12 images)" in refusal(tmp_path, CHEST_CT)


def test_thin_slices_below_thick_ones_are_one_volume(tmp_path):
    places = (tuple(range(8)), tuple(range(9, 24, 2)))
    two_ct(tmp_path, {"SliceThickness": 2}, {"SliceThickness": 4}, places=places)
    volume = read(tmp_path, CHEST_CT)
    assert volume.array.shape[0] == 24
    assert "different slice distances (2 and 4 mm); they were resampled to every 2 mm" in volume.notes[0]


def test_slices_acquired_in_two_packages_are_one_volume(tmp_path):
    write_series(tmp_path, change=lambda data, n: setattr(data, "AcquisitionNumber", 1 + n % 2))
    volume = read(tmp_path, CHEST_CT)
    assert_ct(volume, 0)
    assert volume.notes == ()


def test_packages_with_a_missing_slice_are_still_one_volume(tmp_path):
    places = [place for place in range(24) if place != 9]

    def change(data, n):
        data.AcquisitionNumber = 1 + places[n] % 2

    write_series(tmp_path, places=places, change=change)
    volume = read(tmp_path, CHEST_CT)
    assert_ct(volume, 0, range(24))
    assert volume.notes == ("1 missing slice was filled in between neighboring slices (at slice position -282.0 mm).",)


def test_scans_that_overlap_at_their_ends_are_joined_and_the_overlap_named(tmp_path):
    two_ct(tmp_path, {"AcquisitionNumber": 1}, {"AcquisitionNumber": 2}, places=(range(14), range(12, 24)))
    volume = read(tmp_path, CHEST_CT)
    assert volume.array.shape[0] == 24
    np.testing.assert_array_equal(volume.array[:14], [slice_hu(place) for place in range(14)])
    np.testing.assert_array_equal(volume.array[14:], [slice_hu(place) + 3 for place in range(14, 24)])
    assert volume.notes == ("Left out of the CT series 3: 2 x image (acquisition 2).",)


def test_reconstructions_that_lie_beside_each_other_are_not_mixed(tmp_path):
    same = one_series()
    for n, corner in enumerate((-100.0, 40.0)):
        write_series(tmp_path / str(n), origin=(corner, -90.0, -300.0), **same)
    text = refusal(tmp_path, CHEST_CT)
    assert "corner at (-100, -90) mm (12 images); corner at (40, -90) mm (12 images)" in text
    assert read(tmp_path, CHEST_CT, group=2).ijk_to_ras[0, 3] in (100, -40)


def test_another_pixel_size_is_another_group(tmp_path):
    two_ct(tmp_path, {"PixelSpacing": [0.5, 0.5]}, {})
    assert "0.7 mm pixels" in refusal(tmp_path, CHEST_CT)
