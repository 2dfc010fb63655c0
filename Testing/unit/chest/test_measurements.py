import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from CovidLungQuantLib.measurement.measurements import measure, region, to_rows
from CovidLungQuantLib.measurement.severity import zone_score
from LesionKitLib.imaging.volume import LPS_IN_RAS, Volume, affine
from LesionKitLib.run.errors import UnusableInput

SPACING = (2.0, 4.0, 5.0)  # 0.04 ml per voxel
VOXEL_ML = 0.04


def scene():
    """Two box lungs 12 slices high; per lung 12 x 10 x 6 voxels. Right: GGO below, left: consolidation and effusion."""
    hu = np.full((14, 12, 20), 40, np.int16)
    lungs = np.zeros(hu.shape, np.uint8)
    lesions = np.zeros(hu.shape, np.uint8)
    lungs[1:13, 1:11, 2:8] = 1
    lungs[1:13, 1:11, 12:18] = 2
    hu[lungs > 0] = -800
    lesions[1:3, 1:11, 2:8] = 1
    lesions[9:11, 1:6, 12:18] = 2
    lesions[1:2, 8:11, 12:18] = 3
    for value, level in ((1, -600), (2, 0), (3, 20)):
        hu[lesions == value] = level
    return Volume(hu, affine(SPACING)), lungs, lesions


def turned(volume, lungs, lesions, order, flips):
    """The same patient with array axes permuted (order of k, j, i) and flipped."""
    matrix = volume.ijk_to_ras.copy()
    arrays = [volume.array, lungs, lesions]
    for axis in range(3):
        if flips[axis]:
            column = 2 - axis
            matrix[:3, 3] += matrix[:3, column] * (volume.array.shape[axis] - 1)
            matrix[:3, column] *= -1
            arrays = [np.flip(a, axis) for a in arrays]
    columns = [2 - order[2 - n] for n in range(3)]
    matrix[:3, :3] = matrix[:3, columns]
    arrays = [a.transpose(order) for a in arrays]
    return Volume(arrays[0], matrix), arrays[1], arrays[2]


def test_volumes_percentages_means_and_masses_are_those_of_the_labels():
    total = measure(*scene())["total"]
    assert total["lung_ml"] == pytest.approx(1440 * VOXEL_ML)
    assert total["ggo_ml"] == pytest.approx(120 * VOXEL_ML)
    assert total["consolidation_ml"] == pytest.approx(60 * VOXEL_ML)
    assert total["effusion_ml"] == pytest.approx(18 * VOXEL_ML)
    assert total["high_opacity_ml"] == pytest.approx(78 * VOXEL_ML)
    assert total["burden_percent"] == pytest.approx(100 * 198 / 1440)
    assert total["ggo_percent"] == pytest.approx(100 * 120 / 1440)
    assert total["ggo_mean_hu"] == pytest.approx(-600)
    assert total["high_opacity_mean_hu"] == pytest.approx(18 * 20 / 78)
    assert total["lung_mean_hu"] == pytest.approx((-800 * 1242 - 600 * 120 + 20 * 18) / 1440)
    assert total["consolidation_mass_g"] == pytest.approx(60 * VOXEL_ML)
    assert total["ggo_mass_g"] == pytest.approx(120 * VOXEL_ML * 0.4)
    assert total["outside_lung_ml"] == 0


def test_there_is_one_row_for_each_side_and_third_and_thirds_add_up():
    regions = measure(*scene())["regions"]
    assert [(r["side"], r["third"]) for r in regions] == list(
        itertools.product(("both", "right", "left"), ("all", "upper", "middle", "lower"))
    )
    measured = {"regions": regions}
    for key in ("lung_ml", "ggo_ml", "high_opacity_ml", "lung_mass_g", "effusion_mass_g"):
        for side in ("both", "right", "left"):
            parts = sum(region(measured, side, third)[key] for third in ("upper", "middle", "lower"))
            assert parts == pytest.approx(region(measured, side)[key])
        sides = region(measured, "right")[key] + region(measured, "left")[key]
        assert sides == pytest.approx(region(measured)[key])


def test_lesions_are_found_in_their_side_and_third():
    measured = measure(*scene())
    assert region(measured, "right", "lower")["ggo_percent"] == pytest.approx(50)
    assert region(measured, "right", "middle")["burden_percent"] == 0
    assert region(measured, "left", "upper")["consolidation_ml"] == pytest.approx(60 * VOXEL_ML)
    assert region(measured, "left", "lower")["effusion_ml"] == pytest.approx(18 * VOXEL_ML)
    assert region(measured, "left", "middle")["ggo_mean_hu"] is None


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_all_flips_of_every_axis_order_give_the_same_numbers(order):
    original = scene()
    expected = measure(*original)
    for flips in itertools.product((False, True), repeat=3):
        assert measure(*turned(*original, order, flips)) == expected


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.permutations([0, 1, 2]),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
    st.tuples(*[st.floats(0.4, 6)] * 3),
    st.tuples(*[st.floats(-12, 12)] * 3),
)
def test_random_label_maps_measure_the_same_however_they_are_turned(seed, order, flips, spacing, tilt):
    rng = np.random.default_rng(seed)
    shape = (7, 6, 8)
    hu = rng.integers(-1100, 300, shape).astype(np.int16)
    lungs = rng.integers(0, 3, shape).astype(np.uint8)
    lesions = rng.integers(0, 4, shape).astype(np.uint8)
    volume = Volume(hu, affine(spacing, rotation(tilt) @ LPS_IN_RAS, (5, -7, 11)))
    expected = measure(volume, lungs, lesions)
    assert measure(*turned(volume, lungs, lesions, order, flips)) == expected
    voxel_ml = abs(np.linalg.det(volume.ijk_to_ras[:3, :3])) / 1000
    assert expected["total"]["ggo_ml"] == pytest.approx(np.sum((lesions == 1) & (lungs > 0)) * voxel_ml)
    assert expected["total"]["outside_lung_ml"] == pytest.approx(np.sum((lesions > 0) & (lungs == 0)) * voxel_ml)


def rotation(degrees):
    a, b, c = np.radians(degrees)
    x = np.array([[1, 0, 0], [0, math.cos(a), -math.sin(a)], [0, math.sin(a), math.cos(a)]])
    y = np.array([[math.cos(b), 0, math.sin(b)], [0, 1, 0], [-math.sin(b), 0, math.cos(b)]])
    z = np.array([[math.cos(c), -math.sin(c), 0], [math.sin(c), math.cos(c), 0], [0, 0, 1]])
    return x @ y @ z


def test_lesions_are_counted_per_class_and_side_from_a_tenth_of_a_milliliter():
    volume, lungs, _ = scene()
    lesions = np.zeros_like(lungs)
    lesions[2, 2, 2:5] = 1  # 0.12 ml
    lesions[5, 2, 3:5] = 1  # 0.08 ml: too small
    lesions[8, 2, 13:16] = 1
    lesions[8, 3, 13:16] = 2  # touches the one before
    measured = measure(volume, lungs, lesions)
    assert region(measured)["ggo_lesions"] == 2
    assert region(measured, "right")["ggo_lesions"] == 1
    assert region(measured, "left")["consolidation_lesions"] == 1
    assert region(measured, "left")["any_lesions"] == 1
    assert region(measured)["any_lesions"] == 2
    assert "ggo_lesions" not in region(measured, "left", "upper")
    assert measured["total"]["ggo_ml"] == pytest.approx(8 * VOXEL_ML)


def test_a_lesion_across_both_lungs_counts_once_for_its_larger_part():
    volume, lungs, _ = scene()
    lungs[:, :, 8:10], lungs[:, :, 10:12] = 1, 2
    lesions = np.zeros_like(lungs)
    lesions[5, 5, 5:12] = 1
    measured = measure(volume, lungs, lesions)
    assert [region(measured, side)["ggo_lesions"] for side in ("both", "right", "left")] == [1, 1, 0]


def test_a_lesion_outside_the_lungs_is_told_and_not_counted():
    volume, lungs, lesions = scene()
    before = measure(volume, lungs, lesions)["total"]
    lesions[0, 0, :5] = 3
    after = measure(volume, lungs, lesions)["total"]
    assert after["outside_lung_ml"] == pytest.approx(5 * VOXEL_ML)
    assert {**after, "outside_lung_ml": 0.0} == before


def test_without_lungs_there_are_zeros_and_nulls_and_no_nan():
    volume, lungs, lesions = scene()
    measured = measure(volume, np.zeros_like(lungs), np.zeros_like(lesions))
    assert measured["total"]["lung_ml"] == 0
    assert measured["total"]["burden_percent"] is None
    assert measured["total"]["lung_mean_hu"] is None
    assert measured["severity"]["score"] is None
    json.dumps(measured, allow_nan=False)


def test_a_missing_lung_has_no_percentages_and_gives_no_score():
    volume, lungs, lesions = scene()
    lungs[lungs == 2] = 0
    lesions[lungs == 0] = 0
    measured = measure(volume, lungs, lesions)
    assert region(measured, "left")["burden_percent"] is None
    zones = {(z["side"], z["third"]): z for z in measured["severity"]["zones"]}
    assert zones["left", "upper"] == {"side": "left", "third": "upper", "involved_percent": None, "score": None}
    assert zones["right", "lower"]["score"] == 3 and measured["severity"]["score"] is None


def test_all_values_are_plain_python_numbers():
    measured = measure(*scene())
    assert json.loads(json.dumps(measured, allow_nan=False)) == measured
    kinds = {type(value) for row in measured["regions"] for value in row.values()}
    assert kinds <= {float, int, str, type(None)}


@pytest.mark.parametrize(
    ("percent", "score"),
    [
        (None, None),
        (0.0, 0),
        (0.499, 0),
        (0.5, 1),
        (24.999, 1),
        (25.0, 2),
        (49.999, 2),
        (50.0, 3),
        (75.0, 4),
        (100.0, 4),
    ],
)
def test_a_zone_scores_by_quarters_from_what_rounds_to_one_percent_on(percent, score):
    assert zone_score(percent) == score


@pytest.mark.parametrize(
    "spacing", [(1.0, 1.0, 1.0), (2.0, 2.0, 2.0), (4.0, 4.0, 4.0), (2.0, 2.0, 8.0), (0.5, 1.0, 2.0)]
)
@pytest.mark.parametrize("extra_ml", [0.0, 0.3])
def test_the_severity_score_does_not_depend_on_the_voxel_size(spacing, extra_ml):
    """Lungs of 64 x 64 x 96 mm with a lesion of a third of one zone, and specks that no zone scores for."""
    size = [round(mm / step) for mm, step in zip((160, 80, 112), spacing, strict=True)]
    lungs, lesions = (np.zeros(size[::-1], np.uint8) for _ in range(2))

    def box(low, high):
        return tuple(
            slice(round(a / s), round(b / s)) for a, b, s in zip(low[::-1], high[::-1], spacing[::-1], strict=True)
        )

    lungs[box((8, 8, 8), (72, 72, 104))], lungs[box((88, 8, 8), (152, 72, 104))] = 1, 2
    lesions[box((8, 8, 8), (72, 32, 40))] = 1
    if extra_ml:
        lesions[box((120, 40, 56), (128, 48, 64))] = 1  # 0.5 ml of 131
    severity = measure(Volume(np.full(lungs.shape, -800, np.int16), affine(spacing)), lungs, lesions)["severity"]
    assert severity["score"] == 2 and [zone["score"] for zone in severity["zones"]] == [0, 0, 2, 0, 0, 0]


def test_the_severity_score_sums_six_zones_and_leaves_effusion_out():
    severity = measure(*scene())["severity"]
    scores = {(z["side"], z["third"]): z["score"] for z in severity["zones"]}
    assert scores == {
        ("right", "upper"): 0,
        ("right", "middle"): 0,
        ("right", "lower"): 3,  # 50 %
        ("left", "upper"): 2,  # 25 %
        ("left", "middle"): 0,
        ("left", "lower"): 0,  # effusion alone
    }
    assert severity["score"] == 5


def test_rows_for_tables_have_a_titled_column_for_every_number():
    measured = measure(*scene())
    header, rows = to_rows(measured)
    assert len(rows) == 12 and {len(row) for row in rows} == {len(header)}
    assert len(set(header)) == len(header)
    column = dict(zip(header, rows[0], strict=True))
    assert column["Lung volume (ml)"] == measured["total"]["lung_ml"]
    assert column["Burden (% of lung)"] == measured["total"]["burden_percent"]
    assert set(region(measured)) == {key for key in measured["regions"][0]} and len(header) == len(region(measured))


def test_label_maps_that_do_not_fit_are_refused():
    volume, lungs, lesions = scene()
    with pytest.raises(ValueError, match="do not fit"):
        measure(volume, lungs[1:], lesions)
    with pytest.raises(ValueError, match="labels other than"):
        measure(volume, np.where(lungs == 2, 3, lungs), lesions)


def test_values_that_are_not_numbers_inside_a_lung_are_refused_in_one_sentence():
    volume, lungs, lesions = scene()
    hu = volume.array.astype(np.float32)
    hu[5, 5, 5] = np.nan
    with pytest.raises(UnusableInput, match="not numbers"):
        measure(volume.with_array(hu), lungs, lesions)
