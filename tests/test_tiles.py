"""Tile-compressed images: every bit comes back, and a box needs only the tiles that it touches."""

from __future__ import annotations

import contextlib
import gzip
import io
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from small_repository import insert_records, make_exposure
from stored_files import CountedBytes, read, read_camera

from butler import Butler, ButlerUserError, DatasetType, RepositoryConfig
from butler.datasets import get_storage_class
from butler.errors import FileFormatError, StorageClassError
from butler.formatters import FileLayout, LocalFile, ReadRequest, get_formatter
from butler.images import Box2I, Exposure, Extent2I, Image, Mask, Point2I

pytestmark = pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyWarning")

N_Y, N_X = 23, 37


def numbers(dtype: str) -> NDArray[Any]:
    """Return noise on a slope that every codec can hold."""
    generator = np.random.default_rng(7)
    slope = np.add.outer(np.arange(N_Y), np.arange(N_X)) + 40.0
    noisy = slope + generator.normal(0, 5, (N_Y, N_X))
    return (np.clip(noisy, 0, 250) if dtype == "u1" else noisy).astype(dtype)


def with_nan(array: NDArray[Any]) -> NDArray[Any]:
    array[3, 5:9] = np.nan
    array[20, 36] = np.nan
    return array


FILES: dict[str, tuple[NDArray[Any], dict[str, Any]]] = {
    **{
        f"{codec} {dtype} {tile}": (numbers(dtype), {"compression_type": codec, "tile_shape": tile})
        for codec in ("RICE_1", "GZIP_1", "GZIP_2")
        for dtype in ("u1", "i2", "i4", "u2", "u4")
        for tile in ((1, N_X), (8, 10))
    },
    "HCOMPRESS i4": (numbers("i4"), {"compression_type": "HCOMPRESS_1", "tile_shape": (8, 10)}),
    "PLIO i2": (numbers("i2"), {"compression_type": "PLIO_1", "tile_shape": (8, 10)}),
    "NOCOMPRESS f4": (numbers("f4"), {"compression_type": "NOCOMPRESS", "quantize_level": 0.0}),
    **{
        f"lossless {codec} {dtype}": (
            with_nan(numbers(dtype)),
            {"compression_type": codec, "tile_shape": (8, 10), "quantize_level": 0.0},
        )
        for codec in ("GZIP_1", "GZIP_2")
        for dtype in ("f4", "f8")
    },
    **{
        f"rounded {codec} {method} {dtype}": (
            with_nan(numbers(dtype)),
            {
                "compression_type": codec,
                "tile_shape": (8, 10),
                "quantize_level": 4.0,
                "quantize_method": method,
                "dither_seed": 9_995,
            },
        )
        for codec in ("RICE_1", "GZIP_1", "GZIP_2")
        for method in (-1, 1, 2)
        for dtype in ("f4", "f8")
    },
    "rounded HCOMPRESS": (
        numbers("f4"),
        {"compression_type": "HCOMPRESS_1", "tile_shape": (8, 10), "quantize_level": 4.0},
    ),
    "constant tiles": (
        np.repeat(np.arange(3.0, dtype="f4"), 300).reshape(30, 30),
        {"compression_type": "RICE_1", "tile_shape": (10, 30), "quantize_level": 4.0},
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tiles")


def compressed_file(folder: Path, name: str) -> Path:
    """Write one of `FILES`, as others do."""
    path = folder / f"{name}.fits"
    if not path.exists():
        array, options = FILES[name]
        hdu = fits.CompImageHDU(array.copy(), **options)
        hdu.header["LTV1"], hdu.header["LTV2"] = 4.0, -6.0
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    return path


@pytest.mark.parametrize("name", FILES)
def test_files_of_others_are_what_astropy_reads(folder: Path, name: str) -> None:
    """Whole images of every codec, type and kind of rounding equal astropy's, NaN included."""
    path = compressed_file(folder, name)
    expected = fits.getdata(path, 1)
    found = read(path, "Image")
    assert found.bbox.minimum == (-4, 6)
    assert found.array.dtype.newbyteorder("=") == expected.dtype.newbyteorder("=")
    assert found.array.dtype.isnative
    np.testing.assert_array_equal(found.array, expected)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(FILES)), st.data())
def test_boxes_are_slices(folder: Path, name: str, data: st.DataObject) -> None:
    """Any box of any file is the slice of astropy's whole."""
    expected = fits.getdata(compressed_file(folder, name), 1)
    n_y, n_x = expected.shape
    x0, y0 = data.draw(st.integers(0, n_x - 1)), data.draw(st.integers(0, n_y - 1))
    width, height = data.draw(st.integers(1, n_x - x0)), data.draw(st.integers(1, n_y - y0))
    box = Box2I(Point2I(x0, y0), Extent2I(width, height))
    for where in ({"bbox": box.shiftedBy((-4, 6))}, {"bbox": box, "origin": "LOCAL"}):
        found = read(compressed_file(folder, name), "Image", **where)
        assert found.bbox == box.shiftedBy((-4, 6))
        np.testing.assert_array_equal(found.array, expected[y0 : y0 + height, x0 : x0 + width])


def test_camera_file_of_one_long_axis_is_read(folder: Path) -> None:
    """A third axis of one pixel does not count, compressed or not."""
    cube = np.arange(60, dtype=np.int16).reshape(1, 6, 10)
    cards = fits.Header(make_exposure().wcs.to_header())  # type: ignore[union-attr]
    fits.PrimaryHDU(cube, cards).writeto(folder / "cube.fits")
    np.testing.assert_array_equal(read_camera(folder / "cube.fits").image.array, cube[0])
    hdu = fits.CompImageHDU(cube, cards, compression_type="RICE_1")
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(folder / "cube.fits.fz")
    np.testing.assert_array_equal(read_camera(folder / "cube.fits.fz").image.array, cube[0])


# What we write.


def write_compressed(obj: Any, path: Path, formatter: str, recipe: str = "lossless") -> Path:
    get_formatter(formatter).write_compressed(obj, path, recipe)
    return path


def big_exposure() -> Exposure:
    """Return an exposure of 6 tiles per plane with the values that are hard to keep."""
    exposure = make_exposure((-300, 70), (400, 700))
    generator = np.random.default_rng(3)
    planes = exposure.maskedImage
    planes.image.array[:] = generator.normal(0, 1, planes.bbox.shape)
    planes.variance.array[:] = generator.random(planes.bbox.shape)
    planes.mask.array[:] = generator.integers(-(2**31), 2**31, planes.bbox.shape)
    planes.image.array[5, :6] = [np.nan, np.inf, -np.inf, -0.0, 1e-45, 3.4e38]
    planes.image.array.view(np.uint32)[6, 0] = 0x7FC12345  # a NaN with a message
    planes.variance.array[:40] = np.inf
    return exposure


@pytest.fixture(scope="module")
def lossless(tmp_path_factory: pytest.TempPathFactory) -> tuple[Exposure, Path]:
    path = tmp_path_factory.mktemp("lossless") / "e.fits"
    exposure = big_exposure()
    return exposure, write_compressed(exposure, path, "ExposureFits")


def test_lossless_keeps_every_bit(lossless: tuple[Exposure, Path]) -> None:
    """Planes and components of a compressed exposure are those of the one that was written."""
    exposure, path = lossless
    found = read(path, "ExposureF")
    assert found.bbox == exposure.bbox
    for name in ("image", "mask", "variance"):
        got, expected = getattr(found, name).array, getattr(exposure, name).array
        assert got.dtype == expected.dtype
        np.testing.assert_array_equal(got.view(np.uint32), expected.view(np.uint32))
        with fits.open(path) as hdus:
            np.testing.assert_array_equal(hdus[name.upper()].data, expected)
            assert hdus[name.upper()].header["EXTTYPE"] == name.upper()
    assert found.mask.planes == exposure.mask.planes
    assert (found.image.unit, found.variance.unit) == (exposure.image.unit, exposure.variance.unit)
    assert (found.wcs, found.psf, found.filter) == (exposure.wcs, exposure.psf, exposure.filter)
    assert found.metadata == exposure.metadata


def test_a_box_needs_only_its_tiles(lossless: tuple[Exposure, Path]) -> None:
    """With a layout, a box is two requests; of the compressed bytes only its tiles travel."""
    exposure, path = lossless
    kind, formatter = get_storage_class("ExposureF"), get_formatter("ExposureFits")
    layout = FileLayout.from_json(formatter.layout(LocalFile(path)).to_json())  # type: ignore[union-attr]
    source = CountedBytes(path.read_bytes())
    with fits.open(path, disable_image_compression=True) as hdus:
        lengths = {name: [len(tile) for tile in hdus[name].data.field(0)] for name in PLANES}
    # The tile in the upper right corner is the last one, so nothing lies between it and the end.
    box = Box2I(Point2I(-300 + 600, 70 + 300), Extent2I(100, 100))
    part = formatter.read(source, ReadRequest(kind, "maskedImage", {"bbox": box}, layout))
    assert len(source.asked) == 2
    assert sum(end - begin for begin, end in source.asked[0]) == 3 * 16
    assert sum(end - begin for begin, end in source.asked[1]) == sum(lengths[name][-1] for name in PLANES)
    np.testing.assert_array_equal(part.image.array, exposure.image[box].array)
    np.testing.assert_array_equal(part.mask.array, exposure.mask[box].array)
    source.asked.clear()
    # Four tiles of the mask; what lies between the rows of tiles is left out.
    box = Box2I(Point2I(-300 + 200, 70 + 200), Extent2I(100, 100))
    part = formatter.read(source, ReadRequest(kind, "mask", {"bbox": box}, layout))
    touched = [lengths["MASK"][i] for i in (0, 1, 3, 4)]
    assert source.n_bytes == 5 * 16 + sum(touched)
    np.testing.assert_array_equal(part.array, exposure.mask[box].array)


PLANES = ("IMAGE", "MASK", "VARIANCE")


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8"])
def test_images_and_masks_alone(tmp_path: Path, dtype: str) -> None:
    """A single plane of any type that FITS can compress keeps type, unit and origin."""
    array = np.arange(-60, 60).astype(dtype).reshape(10, 12)
    path = write_compressed(Image(array, Point2I(5, -6), "adu"), tmp_path / "i.fits", "ImageFits")
    found = read(path, "Image")
    assert (found.xy0, found.unit, found.array.dtype) == ((5, -6), "adu", array.dtype)
    np.testing.assert_array_equal(found.array, array)
    mask = Mask(array.astype(np.int32), Point2I(5, -6), {"BAD": 3, "SAT": 31})
    found = read(write_compressed(mask, tmp_path / "m.fits", "MaskFits"), "MaskX")
    np.testing.assert_array_equal(found.array, mask.array)
    assert found.planes == mask.planes


def test_lossy_rounds_to_a_sixteenth_of_the_noise(tmp_path: Path) -> None:
    """Only floats are rounded, NaN stays; a plane with infinities or without noise keeps every bit."""
    exposure = big_exposure()
    exposure.image.array[5, :6] = np.nan
    exposure.image.array[6, 0] = 0.0
    path = write_compressed(exposure, tmp_path / "e.fits", "ExposureFits", "lossy16")
    found = read(path, "ExposureF")
    error = np.abs(found.image.array - exposure.image.array)
    np.testing.assert_array_equal(np.isnan(found.image.array), np.isnan(exposure.image.array))
    assert 0.5 / 32 < np.nanmax(error) < 1.05 / 32
    np.testing.assert_array_equal(found.mask.array, exposure.mask.array)
    np.testing.assert_array_equal(found.variance.array, exposure.variance.array)
    lossless_path = write_compressed(exposure, tmp_path / "l.fits", "ExposureFits")
    assert path.stat().st_size < 0.8 * lossless_path.stat().st_size
    with fits.open(path) as hdus:
        np.testing.assert_array_equal(hdus["IMAGE"].data, found.image.array)


@pytest.mark.parametrize(
    ("obj", "formatter", "recipe", "message"),
    [
        (make_exposure(), "ExposureFits", "losless", "did you mean 'lossless'"),
        (Image(np.zeros((3, 3), dtype="i8")), "ImageFits", "lossless", "pixels of type int64"),
        ({}, "Json", "lossless", "Json files cannot be written with the recipe 'lossless'"),
    ],
)  # fmt: skip
def test_recipes_that_do_not_fit(tmp_path: Path, obj: Any, formatter: str, recipe: str, message: str) -> None:
    """An unknown recipe, and what has none, is refused."""
    with pytest.raises(StorageClassError, match=message):
        write_compressed(obj, tmp_path / "x", formatter, recipe)


def test_recipe_of_a_dataset_type(tmp_path: Path) -> None:
    """The configuration names the recipe of a dataset type; others are not compressed."""
    config = RepositoryConfig(compression={"packed": "lossless"})
    Butler.makeRepo(tmp_path / "r", config)
    exposure = big_exposure()
    with Butler(tmp_path / "r", run="run") as butler:
        insert_records(butler)
        for name in ("packed", "plain"):
            butler.registry.registerDatasetType(DatasetType(name, (), "ExposureF"))
            butler.put(exposure, name)
        sizes = {name: butler.getURI(name).stat().st_size for name in ("packed", "plain")}
        box = Box2I(Point2I(-10, 80), Extent2I(30, 40))
        part = butler.get("packed.image", parameters={"bbox": box})
        whole = butler.get("packed")
    assert sizes["packed"] < 0.95 * sizes["plain"]
    np.testing.assert_array_equal(part.array, exposure.image[box].array)
    np.testing.assert_array_equal(whole.mask.array, exposure.mask.array)
    (tmp_path / "r" / "butler.yaml").write_text("compression: {packed: zip}\n")
    with pytest.raises(ButlerUserError, match="compression"):
        Butler(tmp_path / "r")


# Files that lie.


def table_with(cards: dict[str, Any], descriptors: bytes | None = None, heap: bytes = b"") -> bytes:
    """Return a file of a compressed image whose header says what it likes."""
    rows = b"" if descriptors is None else descriptors
    header = fits.Header(
        {
            "XTENSION": "BINTABLE", "BITPIX": 8, "NAXIS": 2, "NAXIS1": 8, "NAXIS2": len(rows) // 8,
            "PCOUNT": len(heap), "GCOUNT": 1, "TFIELDS": 1, "TTYPE1": "COMPRESSED_DATA", "TFORM1": "1PB(100)",
            "ZIMAGE": True, "ZCMPTYPE": "GZIP_1", "ZBITPIX": 16, "ZNAXIS": 2, "ZNAXIS1": 10, "ZNAXIS2": 4,
            "ZTILE1": 10, "ZTILE2": 2, **cards,
        }
    )  # fmt: skip
    file = io.BytesIO()
    file.write(fits.PrimaryHDU().header.tostring().encode())
    file.write(header.tostring().encode())
    data = rows + heap
    file.write(data.ljust(-(-len(data) // 2880) * 2880, b"\0"))
    return file.getvalue()


TILE = gzip.compress(bytes(40), mtime=0)


def two_tiles(first: tuple[int, int] = (len(TILE), 0)) -> bytes:
    return np.array([first, (len(TILE), 0)], ">i4").tobytes()


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        ({"ZNAXIS1": 10**9, "ZTILE1": 10**9}, "cannot hold an image"),
        ({"ZNAXIS1": 10**9}, "does not fit a table of 2 rows"),
        ({"ZNAXIS2": 10**18, "ZTILE2": 5 * 10**17, "ZNAXIS1": 10**9}, "does not fit a table"),
        ({"ZNAXIS2": 10**18, "ZTILE2": 5 * 10**17}, "cannot hold an image"),
        ({"ZTILE2": 0}, "does not fit"),
        ({"ZTILE2": -2}, "does not fit"),
        ({"ZTILE2": 1}, "does not fit"),
        ({"ZTILE1": "ten"}, "ZTILE1 is 'ten'"),
        ({"ZNAXIS1": -10}, "no image of two axes"),
        ({"ZNAXIS": 3}, "ZNAXIS3 is None"),
        ({"ZBITPIX": 17}, "ZBITPIX is 17"),
        ({"ZCMPTYPE": "LZMA"}, "no way to unpack tiles of ZCMPTYPE 'LZMA'"),
        ({"TFORM1": "1PB(100", "TTYPE1": "DATA"}, "lacks the columns"),
        ({"TFORM1": "nothing"}, "no form of a FITS column"),
        ({"TFORM1": "8B"}, "is of form '8B'"),
        ({"TFORM1": "1QB(100)"}, "lacks the columns"),
        ({"TFIELDS": 999}, "TFORM2"),
        ({"THEAP": 8}, "cannot hold"),
        ({"THEAP": 10**6}, "cannot hold"),
        ({"ZCMPTYPE": "RICE_1", "ZNAME1": "BLOCKSIZE", "ZVAL1": 0}, "BLOCKSIZE of the tiles cannot be 0"),
        ({"ZCMPTYPE": "RICE_1", "ZNAME1": "BYTEPIX", "ZVAL1": "x"}, "must be a number"),
        ({"ZBITPIX": -32, "ZSCALE": 1.0, "ZQUANTIZ": "DITHER_9"}, "ZQUANTIZ is 'DITHER_9'"),
        ({"ZDITHER0": 1.5}, "ZDITHER0 is 1.5"),
    ],
)
def test_lying_headers(tmp_path: Path, cards: dict[str, Any], message: str) -> None:
    """A table that contradicts its image is one clear error when the file is stored, without memory taken."""
    (tmp_path / "lie.fits").write_bytes(table_with(cards, two_tiles(), TILE))
    tracemalloc.start()
    with pytest.raises(FileFormatError) as caught:
        get_formatter("ImageFits").layout(LocalFile(tmp_path / "lie.fits"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert message in str(caught.value)
    assert "lie.fits" in str(caught.value)
    assert peak < 5_000_000


@pytest.mark.parametrize(
    ("descriptors", "heap", "message"),
    [
        (two_tiles((len(TILE), 1)), TILE, "lies outside its heap"),
        (two_tiles((-5, 0)), TILE, "lies outside its heap"),
        (two_tiles((0, 0)), TILE, "has no bytes"),
        (two_tiles((len(TILE) - 3, 0)), TILE, "is cut short"),
        (two_tiles(), b"x" * len(TILE), "is broken"),
        (
            two_tiles((len(TILE), len(TILE))),
            TILE + gzip.compress(bytes(10**6), mtime=0)[: len(TILE)],
            "is cut short",
        ),
        (np.array([(1_000_000, 0)] * 2, ">i4").tobytes(), TILE, "lies outside its heap"),
    ],
)
def test_broken_tiles(tmp_path: Path, descriptors: bytes, heap: bytes, message: str) -> None:
    """A tile that is not where the table says, or is no tile, is an error that names the file."""
    (tmp_path / "broken.fits").write_bytes(table_with({}, descriptors, heap))
    with pytest.raises(FileFormatError, match=r"broken\.fits") as caught:
        read(tmp_path / "broken.fits", "Image")
    assert message in str(caught.value)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """A tile that would unpack to a gigabyte is stopped at the size of its pixels."""
    bomb = gzip.compress(bytes(2**26))
    (tmp_path / "bomb.fits").write_bytes(
        table_with({}, np.array([(len(bomb), 0)] * 2, ">i4").tobytes(), bomb)
    )
    tracemalloc.start()
    with pytest.raises(FileFormatError, match="holds more than its 20 pixels"):
        read(tmp_path / "bomb.fits", "Image")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


def test_a_good_table_of_the_same_kind_is_read(tmp_path: Path) -> None:
    """The file that the lies are told about is read where it says the truth."""
    (tmp_path / "good.fits").write_bytes(table_with({}, two_tiles(), TILE))
    assert not read(tmp_path / "good.fits", "Image").array.any()


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(sorted(FILES)), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1))
def test_damaged_files(folder: Path, name: str, changes: list[tuple[float, int]]) -> None:
    """Whatever bytes change, a compressed image reads as something or is a FileFormatError."""
    content = bytearray(compressed_file(folder, name).read_bytes())
    for where, value in changes:
        content[int(where * (len(content) - 1))] = value
    (folder / "damaged").write_bytes(content)
    with contextlib.suppress(FileFormatError):
        get_formatter("ImageFits").read_whole(folder / "damaged")
