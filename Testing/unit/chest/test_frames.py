"""The frames that the networks see: cutting them from slices, pasting results back, and where to put them."""

from __future__ import annotations

import numpy as np
import pytest
from chest_fixtures import slice_with_lungs
from hypothesis import given, settings
from hypothesis import strategies as st

from CovidLungQuantLib.segmentation.frames import FRAME, LUNGS_IN_FRAME, WINDOW, FramePlacement, place_frame, window


def bumps(shape=(120, 140)) -> np.ndarray:
    """A smooth picture."""
    row, column = np.mgrid[: shape[0], : shape[1]]
    return 0.5 + 0.4 * np.sin(row / 9) * np.cos(column / 11)


def test_the_window_spans_gray_from_black_to_white():
    np.testing.assert_allclose(window(np.array([-2000, WINDOW[0], -600, WINDOW[1], 3000])), [0, 0, 0.5, 1, 1])
    assert window(np.array([0], np.int16)).dtype == np.float32


def test_a_frame_of_the_same_pixels_is_a_cutting():
    picture = bumps()
    place = FramePlacement(10, 20, (1.0, 1.0), (64, 96))
    np.testing.assert_allclose(place.cut(picture), picture[10:74, 20:116], atol=1e-6)
    labels = (picture > 0.6).astype(np.uint8)
    np.testing.assert_array_equal(place.cut_labels(labels), labels[10:74, 20:116])


def test_stacks_are_cut_like_single_pictures():
    place = FramePlacement(-3.5, 7.2, (1.3, 0.8), (64, 96))
    stack = np.stack([bumps(), 1 - bumps()])
    np.testing.assert_allclose(place.cut(stack)[1], place.cut(stack[1]), atol=1e-6)
    labels = (stack > 0.6).astype(np.uint8)
    np.testing.assert_array_equal(place.cut_labels(labels)[1], place.cut_labels(labels[1]))


def test_beyond_the_picture_a_frame_shows_its_edge_and_no_label():
    place = FramePlacement(-32, -32, (1.0, 1.0), (64, 64))
    assert (place.cut(np.full((20, 20), 0.7)) > 0.69).all()
    labels = place.cut_labels(np.ones((20, 20), np.uint8))
    assert labels[32:52, 32:52].all() and labels.sum() == 400


@settings(max_examples=30, deadline=None)
@given(top=st.floats(-30, 30), left=st.floats(-30, 30), step=st.tuples(st.floats(0.5, 1.6), st.floats(0.5, 1.6)))
def test_what_is_pasted_back_lies_where_it_was_cut(top, left, step):
    picture = bumps()
    place = FramePlacement(top, left, step, (128, 160))
    back = place.paste(place.cut(picture), picture.shape)
    rows = np.arange(picture.shape[0])
    columns = np.arange(picture.shape[1])
    safe_rows = (rows > max(top, 0) + 4) & (rows < min(top + 128 * step[0], 120) - 4)
    safe_columns = (columns > max(left, 0) + 4) & (columns < min(left + 160 * step[1], 140) - 4)
    safe = np.ix_(safe_rows, safe_columns)
    # a wrong place by one pixel would be off by up to 0.045
    np.testing.assert_allclose(back[safe], picture[safe], atol=0.02)


@settings(max_examples=30, deadline=None)
@given(top=st.floats(-10, 100), left=st.floats(-20, 100), step=st.tuples(st.floats(0.4, 2.5), st.floats(0.4, 2.5)))
def test_pasting_touches_only_the_pixels_that_the_frame_is_said_to_cover(top, left, step):
    place = FramePlacement(top, left, step, (32, 64))
    shape = (120, 140)
    pasted = place.paste(np.ones((32, 64)), shape)
    rows, columns = place.covered(shape)
    outside = pasted.copy()
    outside[rows, columns] = 0
    assert outside.max() < 0.51  # at most the soft rim of a pixel that is mostly outside
    alone = place.moved(-rows.start, -columns.start).paste(
        np.ones((32, 64)), (rows.stop - rows.start, columns.stop - columns.start)
    )
    np.testing.assert_allclose(alone, pasted[rows, columns], atol=1e-5)


def test_outside_the_frame_nothing_is_pasted():
    place = FramePlacement(40, 50, (1.0, 1.0), (32, 32))
    pasted = place.paste(np.ones((32, 32)), (120, 140))
    assert pasted[40:72, 50:82].min() > 0.99
    pasted[39:73, 49:83] = 0
    assert not pasted.any()


def test_several_maps_are_pasted_at_once():
    place = FramePlacement(4.3, 5.1, (1.2, 0.9), (64, 96))
    maps = np.stack([bumps((64, 96)), np.ones((64, 96))])
    np.testing.assert_allclose(place.paste(maps, (80, 90))[0], place.paste(maps[0], (80, 90)), atol=1e-6)


@pytest.mark.parametrize("scale", [1, 2])
def test_lungs_come_to_their_usual_size_in_the_middle_of_the_frame(scale):
    picture = np.kron(slice_with_lungs(), np.ones((scale, scale)))
    lungs = place_frame(picture).cut((picture > 0.1) & (picture < 0.5)) > 0.5
    rows, columns = np.flatnonzero(lungs.any(1)), np.flatnonzero(lungs.any(0))
    assert np.ptp(columns) + 1 == pytest.approx(LUNGS_IN_FRAME[1], rel=0.05)
    assert (columns[0] + columns[-1]) / 2 == pytest.approx(FRAME[1] / 2, abs=3)
    assert rows[0] > 5 and rows[-1] < FRAME[0] - 5


def test_room_is_left_behind_lungs_whose_back_is_white():
    whole = place_frame(slice_with_lungs(60, 180))
    front_half = place_frame(slice_with_lungs(60, 120))
    bottom = front_half.top + front_half.step[0] * FRAME[0]
    assert bottom > 180 and front_half.top < 60
    assert front_half.step[0] <= whole.step[0]


def test_the_frame_is_not_stretched_beyond_what_pictures_are():
    for picture in (slice_with_lungs(), slice_with_lungs(100, 130), slice_with_lungs(30, 220, 100, 160)):
        rows, columns = place_frame(picture).step
        assert 1 / 1.31 < rows / columns < 1.31


@pytest.mark.parametrize("gray", [0.0, 0.5, 1.0])
def test_a_picture_of_one_gray_value_still_gets_a_frame(gray):
    place = place_frame(np.full((100, 120), gray))
    assert np.isfinite([place.top, place.left, *place.step]).all() and min(place.step) > 0


def test_a_body_without_lungs_gets_a_frame_around_its_middle():
    picture = np.zeros((200, 220))
    picture[50:170, 60:190] = np.random.default_rng(0).uniform(0.7, 0.9, (120, 130))
    place = place_frame(picture)
    middle = place.top + place.step[0] * FRAME[0] / 2, place.left + place.step[1] * FRAME[1] / 2
    assert middle[0] == pytest.approx(110, abs=25) and middle[1] == pytest.approx(125, abs=10)
