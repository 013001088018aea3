"""Tests of what counts as a narrow defect, and of its filling."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from tasks.kernels import filled_defects, narrow_defects


def run_length(line: NDArray[np.bool_], at: int) -> float:
    """Return the length of the run that a bad pixel is in; one that touches an end never ends."""
    first = last = at
    while first >= 0 and line[first]:
        first -= 1
    while last < line.size and line[last]:
        last += 1
    return np.inf if first < 0 or last == line.size else last - first - 1


@settings(deadline=None, max_examples=60)
@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))), st.integers(0, 5))
def test_narrow_defects_are_narrow_along_rows_or_columns(bad: NDArray[np.bool_], width: int) -> None:
    """A pixel is narrow if the run of its row or that of its column is; the border is no neighbour."""
    expected = np.zeros_like(bad)
    for y, x in zip(*np.nonzero(bad), strict=True):
        expected[y, x] = min(run_length(bad[y], x), run_length(bad[:, x], y)) <= width
    np.testing.assert_array_equal(narrow_defects(bad, width), expected)


def test_smooth_images_are_restored() -> None:
    """A column, a row and a spot of a smooth image are filled with what they had, whatever they have now."""
    rows, columns = np.mgrid[:60, :60]
    truth = (100 + np.sin(rows / 9.0) * np.cos(columns / 11.0)).astype(np.float32)
    bad = np.zeros(truth.shape, bool)
    bad[:, 20] = bad[40] = bad[10:13, 30:34] = True
    filled = filled_defects(np.where(bad, np.float32(np.nan), truth), bad)
    np.testing.assert_allclose(filled, truth, atol=0.02)
    np.testing.assert_array_equal(filled[~bad], truth[~bad])


def test_what_is_not_known_fills_nothing() -> None:
    """A pixel beside one that is not finite is filled from the others."""
    plane = np.full((9, 9), 5.0, np.float32)
    plane[4, 3] = np.nan
    plane[4, 4] = 1e6
    filled = filled_defects(plane, ~(plane < 1e6))
    assert filled[4, 4] == filled[4, 3] == 5.0
