"""Byte sources: a stream over ranges reads what the bytes are, and no more of them than it must."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_repository import make_exposure
from stored_files import CountedBytes

from butler.datasets import get_storage_class
from butler.errors import FileFormatError
from butler.formatters import ByteRange, LocalFile, ReadRequest, formatter_for
from butler.images import Box2I, Extent2I, Point2I

CONTENT = bytes(range(256)) * 800


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([io.SEEK_SET, io.SEEK_CUR, io.SEEK_END]),
            st.integers(0, 300_000),
            st.integers(-1, 200_000),
        ),
        max_size=6,
    )
)
def test_a_stream_reads_like_a_file_in_memory(steps: list[tuple[int, int, int]]) -> None:
    """Seeking and reading anywhere, also past the end, gives what BytesIO gives."""
    stream, oracle = CountedBytes(CONTENT).open(), io.BytesIO(CONTENT)
    for whence, offset, length in steps:
        shift = -offset if whence == io.SEEK_END and offset <= len(CONTENT) else offset
        assert stream.seek(shift, whence) == oracle.seek(shift, whence)
        assert stream.read(length) == oracle.read(length)
        assert stream.tell() == oracle.tell()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 99_999), st.integers(1, 70_000)), min_size=1, max_size=5))
def test_ranges_of_a_local_file_are_its_bytes(
    tmp_path_factory: pytest.TempPathFactory, parts: list[ByteRange]
) -> None:
    """Parts that begin and end anywhere, and overlap, are read in the order of the asking."""
    path = tmp_path_factory.getbasetemp() / "bytes"
    path.write_bytes(CONTENT)
    ranges = [(begin, begin + length) for begin, length in parts]
    views = LocalFile(path).read_ranges(ranges)
    assert [bytes(view) for view in views] == [CONTENT[begin:end] for begin, end in ranges]
    assert all(view.readonly for view in views)


def test_a_range_past_the_end_is_refused(tmp_path: Path) -> None:
    """A file that is shorter than its layout says is named as truncated."""
    (tmp_path / "short").write_bytes(b"abc")
    with pytest.raises(FileFormatError, match="short is truncated: it has 3 bytes"):
        LocalFile(tmp_path / "short").read_ranges([(0, 3), (1, 4)])


def test_a_box_of_an_exposure_needs_its_rows_only(tmp_path: Path) -> None:
    """With a layout, a plane is one range, three planes are one request, and no header is read."""
    kind = get_storage_class("ExposureF")
    formatter = formatter_for(kind)
    exposure = make_exposure((100, 200), (40, 30))
    formatter.write(exposure, tmp_path / "e.fits")
    source = CountedBytes((tmp_path / "e.fits").read_bytes())
    layout = formatter.layout(source)
    box = Box2I(Point2I(110, 207), Extent2I(3, 5))
    for component, n_planes in (("mask", 1), ("maskedImage", 3)):
        source.asked.clear()
        part = formatter.read(source, ReadRequest(kind, component, {"bbox": box}, layout))
        assert len(source.asked) == 1
        assert source.n_bytes == n_planes * 5 * 30 * 4
    np.testing.assert_array_equal(part.image.array, exposure.maskedImage.image[box].array)
    np.testing.assert_array_equal(part.mask.array, exposure.mask[box].array)
    np.testing.assert_array_equal(part.variance.array, exposure.maskedImage.variance[box].array)


def test_a_whole_exposure_is_read_through_ranges(tmp_path: Path) -> None:
    """Without a layout, and with tables, nothing needs the file to be local."""
    formatter = formatter_for(get_storage_class("ExposureF"))
    formatter.write(make_exposure(), tmp_path / "e.fits")
    kind = get_storage_class("ExposureF")
    read = [
        formatter.read(source, ReadRequest(kind))
        for source in (LocalFile(tmp_path / "e.fits"), CountedBytes((tmp_path / "e.fits").read_bytes()))
    ]
    assert read[0].psf == read[1].psf == make_exposure().psf
    assert read[0].wcs == read[1].wcs
    np.testing.assert_array_equal(read[0].image.array, read[1].image.array)
