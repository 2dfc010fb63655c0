"""The small matrices that bring slices into a frame and results back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from LesionKitLib.imaging.resample import apply_plane, linear_weights, sparse_linear_weights

SIZES = st.integers(2, 60)
STARTS = st.floats(-20, 40)
STEPS = st.floats(0.2, 6)


def centers(count: int, start: float, step: float) -> np.ndarray:
    return start + (np.arange(count) + 0.5) * step - 0.5


@given(size_in=SIZES, size_out=SIZES, start=STARTS, step=STEPS)
def test_a_ramp_is_sampled_exactly_where_no_edge_is_near(size_in, size_out, start, step):
    weights = linear_weights(size_in, size_out, start, step)
    at, reach = centers(size_out, start, step), max(1.0, step)
    safe = (at > reach) & (at < size_in - 1 - reach)
    ramp = 3 * np.arange(size_in) - 7
    # above one pixel per sample the triangle is cut at whole pixels, which moves its center by a little
    tolerance = 1e-3 if step <= 1 else 3 * 0.13
    np.testing.assert_allclose((weights @ ramp)[safe], 3 * at[safe] - 7, atol=tolerance)


@given(size_in=SIZES, size_out=SIZES, start=STARTS, step=STEPS)
def test_a_constant_stays_constant_even_beyond_the_edge(size_in, size_out, start, step):
    weights = linear_weights(size_in, size_out, start, step)
    assert weights.shape == (size_out, size_in) and weights.dtype == np.float32
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-5)
    assert weights.min() >= 0


@given(size_in=SIZES, size_out=SIZES, start=STARTS, step=STEPS)
def test_beyond_the_line_there_is_nothing_when_zero_is_wanted(size_in, size_out, start, step):
    weights = linear_weights(size_in, size_out, start, step, "zero")
    at, reach = centers(size_out, start, step), max(1.0, step)
    sums = weights.sum(1)
    np.testing.assert_array_equal(sums[(at < -reach) | (at > size_in - 1 + reach)], 0)
    np.testing.assert_allclose(sums[(at > reach) & (at < size_in - 1 - reach)], 1, atol=1e-5)
    assert sums.max(initial=0) <= 1 + 1e-5


@pytest.mark.parametrize("step", [2, 3, 4])
def test_shrinking_counts_every_pixel_alike_so_that_nothing_between_samples_is_lost(step):
    weights = linear_weights(20 * step, 20, 0.0, step)
    inner = weights.sum(0)[2 * step : -2 * step]
    np.testing.assert_allclose(inner, 1 / step, rtol=0.02)


def test_the_same_grid_changes_nothing():
    np.testing.assert_array_equal(linear_weights(9, 9, 0.0, 1.0), np.eye(9))


def test_a_whole_shift_takes_the_neighbor():
    values = np.arange(10.0)
    np.testing.assert_allclose(linear_weights(10, 4, 3.0, 1.0) @ values, [3, 4, 5, 6])


@pytest.mark.parametrize(("start", "step"), [(0.0, 0.5), (5.3, 0.8), (-4.0, 1.7)])
def test_going_there_and_back_returns_to_the_same_place(start, step):
    """The inverse placement that FramePlacement.paste uses: start' = -start / step, step' = 1 / step."""
    there = linear_weights(60, 80, start, step)
    back = linear_weights(80, 60, -start / step, 1 / step, "zero")
    line = np.arange(60.0)
    at = np.arange(60)
    safe = (at > max(start, 0) + 4) & (at < min(start + 80 * step, 60) - 5)
    assert safe.sum() > 20
    np.testing.assert_allclose((back @ there @ line)[safe], line[safe], atol=0.2)


def test_planes_of_any_leading_shape_are_resampled_along_rows_and_columns():
    planes = np.arange(2 * 3 * 4 * 5, dtype=np.int16).reshape(2, 3, 4, 5)
    rows, columns = linear_weights(4, 2, 1.0, 1.0), linear_weights(5, 3, 2.0, 1.0)
    out = apply_plane(rows, columns, planes)
    np.testing.assert_allclose(out, planes[..., 1:3, 2:5])
    assert out.dtype == np.float32


@pytest.mark.parametrize(("rows", "columns"), [((50, 20, 3.2, 1.8), (40, 90, -5.0, 0.5)), ((30, 64, 0.0, 0.5),) * 2])
def test_weights_without_their_zeros_give_what_the_whole_matrices_give(rows, columns):
    planes = np.random.default_rng(0).normal(size=(2, rows[0], columns[0])).astype(np.float32)
    expected = linear_weights(*rows) @ planes @ linear_weights(*columns).T
    sparse = apply_plane(sparse_linear_weights(*rows), sparse_linear_weights(*columns), planes)
    np.testing.assert_allclose(sparse, expected, atol=1e-6)
    np.testing.assert_array_equal(apply_plane(linear_weights(*rows), linear_weights(*columns), planes), sparse)


def test_a_line_that_lies_wholly_outside_is_zero():
    outside = sparse_linear_weights(10, 4, 50.0, 1.0, "zero")
    np.testing.assert_array_equal(apply_plane(outside, outside, np.ones((10, 10), np.float32)), np.zeros((4, 4)))
