"""Broken and lying files are one clear error, and so are objects that no file can hold."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_repository import make_coadd, make_exposure, make_masked_image
from stored_files import read, read_camera, write

from butler.datasets import STORAGE_CLASSES, get_storage_class
from butler.errors import FileFormatError, StorageClassError
from butler.formatters import LocalFile, ReadRequest, formatter_for, get_formatter
from butler.images import Exposure, Image, Mask

pytestmark = pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyWarning")


def raw_fits(cards: list[str], data: bytes) -> bytes:
    """Return a FITS file of cards as they stand."""
    header = "".join(card.ljust(80) for card in [*cards, "END"]).encode("ascii")
    return header.ljust(-(-len(header) // 2880) * 2880) + data.ljust(-(-len(data) // 2880) * 2880, b"\0")


SIZE_CARDS = ["SIMPLE  = T", "BITPIX  = -32", "NAXIS   = 2", "NAXIS1  = 3", "NAXIS2  = 2"]
WCS_CARDS = [
    "CTYPE1  = 'RA---TAN'", "CTYPE2  = 'DEC--TAN'", "CRVAL1  = 10.", "CRVAL2  = 20.", "CRPIX1  = 1.",
    "CRPIX2  = 1.", "CD1_1   = -1E-4", "CD2_2   = 1E-4",
]  # fmt: skip


@pytest.mark.parametrize("n_blanks", [0, 21, 22, 23, 24, 60])
def test_headers_at_the_edge_of_the_rules(tmp_path: Path, n_blanks: int) -> None:
    """A card of 80 full columns before END, and one that breaks the rules, keep no file out."""
    odd = ["BROKEN  = 'never closed", "FULL    = 1 /" + "y" * 67]
    cards = [*SIZE_CARDS, *WCS_CARDS, *["COMMENT"] * n_blanks, *odd]
    pixels = np.arange(6, dtype=">f4")
    (tmp_path / "h.fits").write_bytes(raw_fits(cards, pixels.tobytes()))
    found = read_camera(tmp_path / "h.fits")
    np.testing.assert_array_equal(found.image.array.ravel(), pixels)
    assert found.metadata["FULL"] == 1
    assert "BROKEN" not in found.metadata


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"NAXIS1": "1000000000"}, "truncated or lies about its size"),
        ({"NAXIS1": "-3", "NAXIS2": "-2"}, "cannot have -3 pixels"),
        ({"NAXIS1": "'three'"}, "NAXIS1 is 'three', it must be an integer"),
        ({"NAXIS1": "3.0"}, "NAXIS1 is 3.0"),
        ({"NAXIS": "999"}, "NAXIS3 is None"),
        ({"NAXIS": "1"}, "no image of two axes"),
        ({"NAXIS": "T"}, "NAXIS is True"),
        ({"BITPIX": "7"}, "BITPIX is 7"),
        ({"PCOUNT": "99999999999"}, "truncated"),
        ({"NAXIS2": "0"}, "no image of two axes"),
        ({"BSCALE": "'x'"}, "BSCALE is 'x', it must be a finite number"),
        ({"LTV1": "'x'"}, "LTV1 is 'x', it must be a finite number"),
        ({"LTV1": "1E999"}, "LTV1 is inf, it must be a finite number"),
        ({"MP_A": "40"}, "mask planes of the header contradict"),
        ({"MP_A": "3", "MP_B": "3"}, "mask planes of the header contradict"),
        ({"CRVAL1": "'ten'"}, "CRVAL1 is 'ten'"),
        ({"CTYPE1": "'LINEAR'", "CTYPE2": "'LINEAR'"}, "no celestial WCS"),
    ],
)
def test_lying_headers(tmp_path: Path, change: dict[str, str], message: str) -> None:
    """A header that promises what cannot be is one clear error, before any memory is taken."""
    cards = {card[:8].strip(): card for card in [*SIZE_CARDS, *WCS_CARDS]}
    cards |= {key: f"{key:<8}= {value}" for key, value in change.items()}
    (tmp_path / "h.fits").write_bytes(raw_fits(list(cards.values()), bytes(24)))
    with pytest.raises(FileFormatError) as caught:
        read_camera(tmp_path / "h.fits")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


# Broken files.


@pytest.fixture(scope="module")
def coadd_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(make_coadd(), tmp_path_factory.mktemp("coadd") / "coadd.fits", "ExposureF")


def test_truncated_files_are_errors(coadd_file: Path, tmp_path: Path) -> None:
    """Cut anywhere within its three planes an exposure cannot be stored; the error names the file."""
    content = coadd_file.read_bytes()
    with fits.open(coadd_file) as hdus:
        last = hdus[3].fileinfo()["datLoc"] + hdus[3].data.nbytes
    path = tmp_path / "cut.fits"
    for size in [0, 1, 79, 80, 2879, 2880, 2881, 5000, 9000, last - 1]:
        path.write_bytes(content[:size])
        with pytest.raises(FileFormatError, match=r"cut\.fits"):
            get_formatter("ExposureFits").layout(LocalFile(path))
    path.write_bytes(content[:last])
    assert get_formatter("ExposureFits").layout(LocalFile(path)) is not None


@given(changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=30))
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_damage_makes_another_error(
    coadd_file: Path, tmp_path: Path, changes: list[tuple[float, int]]
) -> None:
    """Whatever bytes change, a file reads as something or is a FileFormatError."""
    content = bytearray(coadd_file.read_bytes())
    for where, value in changes:
        content[int(where * (len(content) - 1))] = value
    path = tmp_path / "damaged.fits"
    path.write_bytes(content)
    for formatter in ("ExposureFits", "CameraImageFits", "MaskFits", "HealSparse", "TableEcsv", "SkyMapJson"):
        with contextlib.suppress(FileFormatError):
            get_formatter(formatter).read_whole(path)


@pytest.mark.parametrize(
    ("content", "storage_class"),
    [
        (b"", "StructuredDataDict"),
        (b"[1, 2]", "StructuredDataDict"),
        (b"{" * 100_000, "StructuredDataDict"),
        (b"\xff\xfe", "StructuredDataDict"),
        (b'{"name": "spirals"}', "SkyMap"),
        (b'{"name": "rings", "numRings": "many"}', "SkyMap"),
        (b"{}", "SkyMap"),
        (b"", "AstropyTable"),
        (b"# %ECSV 1.0\n# ---\n# datatype: 5\na\n1\n", "AstropyTable"),
        (b"\xff\xfe\x00", "AstropyTable"),
        (b"", "HealSparseMap"),
        (b"SIMPLE  =", "HealSparseMap"),
        (b"not FITS at all", "ExposureF"),
        (b"", "MaskX"),
    ],
)
def test_other_broken_files(tmp_path: Path, content: bytes, storage_class: str) -> None:
    """Each format refuses a file that is not its own, and names it."""
    path = tmp_path / "broken"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="broken"):
        read(path, storage_class)


@pytest.mark.parametrize(
    "storage_class", sorted(k for k, kind in STORAGE_CLASSES.items() if kind.formatter not in ("", "Bytes"))
)
def test_errors_name_what_the_user_knows(tmp_path: Path, storage_class: str) -> None:
    """A file that has another name for a while, or is a copy, is told by the name that it is known by."""
    (tmp_path / ".x.part").write_bytes(b"\x00 broken")
    kind = get_storage_class(storage_class)
    source = LocalFile(tmp_path / ".x.part", "s3://bucket/x")
    with pytest.raises(FileFormatError) as caught:
        formatter_for(kind).read(source, ReadRequest(kind))
    assert "s3://bucket/x" in str(caught.value)
    assert ".part" not in str(caught.value)


@pytest.mark.parametrize("formatter", ["ExposureFits", "ImageFits", "CameraImageFits", "Json", "TableEcsv"])
def test_missing_file_is_the_systems_error(tmp_path: Path, formatter: str) -> None:
    """That a file is not there is no fault of its format."""
    with pytest.raises(FileNotFoundError):
        get_formatter(formatter).read_whole(tmp_path / "nothing")


# What cannot be written.


@pytest.mark.parametrize(
    ("obj", "storage_class", "message"),
    [
        ({}, "ExposureF", "cannot take dict as ExposureF: expected Exposure"),
        (make_exposure(), "StructuredDataDict", "cannot take Exposure as StructuredDataDict: expected dict"),
        (make_exposure(), "MaskedImageF", "expected MaskedImage"),
        (make_masked_image(), "ImageF", "expected Image"),
        (make_exposure().image, "MaskX", "expected Mask"),
        ({}, "SkyMap", "expected SkyMap"),
        ({}, "HealSparseMap", "expected HealSparseMap"),
        ({}, "AstropyTable", "expected Table, or one of"),
        (Image(np.zeros((2, 2), dtype=np.float16)), "Image", "no pixels of type float16"),
        (Image(np.zeros((2, 2), dtype=complex)), "Image", "no pixels of type complex128"),
        (Image(np.zeros((2, 2), dtype=bool)), "ImageF", "pixels of type bool cannot be stored as float32"),
        (Image(np.zeros((0, 2))), "ImageF", "without pixels"),
        (Mask(np.zeros((1, 1), dtype=np.int32), planes={"lower": 1}), "MaskX", "mask plane 'lower'"),
        ({"a": {1, 2}}, "StructuredDataDict", "as JSON"),
        (Table({"a": [{}, object()]}), "AstropyTable", "cannot write this table"),
        (Table({"a": [1]}, meta={"f": print}), "AstropyTable", "cannot write this table"),
    ],
)
def test_objects_that_do_not_fit(tmp_path: Path, obj: Any, storage_class: str, message: str) -> None:
    """An object of another type, or one that the format cannot hold, is refused."""
    with pytest.raises(StorageClassError) as caught:
        write(obj, tmp_path / "x", storage_class)
    assert message in str(caught.value)


def test_nested_dictionary_without_end_is_refused(tmp_path: Path) -> None:
    """A dictionary that contains itself, or is nested very deep, has no JSON form."""
    endless: dict[str, Any] = {}
    endless["again"] = endless
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    for values in (endless, deep):
        with pytest.raises(StorageClassError, match="as JSON"):
            write(values, tmp_path / "x.json", "StructuredDataDict")
    while deep:
        deep = deep["a"]


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"airmass": 1.5}, {"AIRMASS": 1.5}),
        ({"naxis1": 5, "SIMPLE": False, "CRVAL1": 1.0, "MP_X": 3, "BZERO": 1.0}, {}),
        ({"X": math.nan, "Y": None, "Z": math.inf, "W": 0.0}, {"W": 0.0}),
        ({"A": "H\u03b1\n\xe9"}, {"A": "H\\u03b1\\n\\xe9"}),
        ({"LONG": "x" * 300}, {"LONG": "x" * 300}),
        ({"A LONG KEYWORD OF A CAMERA": "y" * 120}, {"A LONG KEYWORD OF A CAMERA": "y" * 120}),
        ({"Q": "it's"}, {"Q": "it's"}),
        ({"N": np.int64(3), "F": np.float32(0.5), "B": np.bool_(True)}, {"N": 3, "F": 0.5, "B": True}),
        ({"PI": math.pi, "TINY": -1.2345678901234567e-305, "BIG": 1e22}, None),
    ],
)
def test_metadata_cards(tmp_path: Path, metadata: dict[str, Any], expected: dict[str, Any] | None) -> None:
    """Free cards come back in capitals with all their digits; cards of the file's own are never taken."""
    exposure = Exposure(make_masked_image(), metadata=metadata)
    path = write(exposure, tmp_path / "e.fits", "ExposureF")
    assert read(path, "ExposureF", "metadata") == (metadata if expected is None else expected)
    assert fits.getheader(path, 0)["NAXIS"] == 0


@pytest.mark.parametrize("metadata", [{"A": [1]}, {"A": b"x"}, {"A": {}}, {"A=B": 1}])
def test_impossible_metadata_is_refused(tmp_path: Path, metadata: dict[str, Any]) -> None:
    """A value or name that FITS does not have is refused with the name."""
    with pytest.raises(StorageClassError, match="as a FITS card"):
        write(Exposure(make_masked_image(), metadata=metadata), tmp_path / "e.fits", "ExposureF")
