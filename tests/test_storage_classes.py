"""Storage classes: what they inherit, which objects they take, what they make of others."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import healsparse
import numpy as np
import pytest
from small_repository import insert_records, make_exposure
from stored_files import read, write

from butler import Butler, DatasetType, InMemoryDatasetHandle
from butler.datasets import STORAGE_CLASSES, StorageClass, get_storage_class, register_storage_class
from butler.errors import (
    ButlerUserError,
    ConflictingDefinitionError,
    FileFormatError,
    StorageClassError,
    UnknownComponentError,
)
from butler.formatters import get_formatter
from butler.images import Box2I, Exposure, Extent2I, Image, MaskedImage, Point2I, converted_pixels


@pytest.mark.parametrize("name", sorted(STORAGE_CLASSES))
def test_known_classes_hold_together(name: str) -> None:
    """Type and formatter exist, converters can be imported, workers can be sent the class."""
    kind = STORAGE_CLASSES[name]
    assert kind.name == name
    if "pandas" not in kind.pytype_name:
        assert isinstance(kind.pytype, type)
    if kind.formatter:
        assert get_formatter(kind.formatter).name == kind.formatter
    for part in kind.allComponents().values():
        assert get_storage_class(part.name) == part
    assert pickle.loads(pickle.dumps(kind)) == kind
    assert hash(pickle.loads(pickle.dumps(kind))) == hash(kind)


def test_components_and_parameters() -> None:
    """Stored and computed parts are told apart, and both can be named."""
    kind = get_storage_class("ExposureF")
    assert kind.isComposite()
    assert not get_storage_class("ImageF").isComposite()
    assert dict(kind.derivedComponents).keys() == {"bbox", "dimensions", "xy0"}
    assert kind.component("maskedImage").name == "MaskedImageF"
    assert kind.component("dimensions").name == "Extent2I"
    assert kind.knownParameters() == {"bbox", "inPlace", "origin"}
    with pytest.raises(UnknownComponentError, match="did you mean 'mask'"):
        kind.component("msk")
    assert get_storage_class("ArrowAstropy").knownParameters() == {"columns", "filters"}
    assert str(kind) == "ExposureF"
    assert "butler.images:Exposure" in repr(kind)


def test_inheritance() -> None:
    """What a class does not give is its parent's; parts and parameters are added to the parent's."""
    parent = get_storage_class("ImageF")
    child = StorageClass("Weight", inheritsFrom=parent, parameters=["scale"], formatter="MaskFits")
    assert (child.pytype, child.pixel_type) == (Image, "f4")
    assert child.parameters == {"bbox", "inPlace", "origin", "scale"}
    assert child.derivedComponents == parent.derivedComponents
    assert child.formatter == "MaskFits"
    assert child != parent
    assert StorageClass("Any").pytype is object
    assert StorageClass("Any").validateInstance(3)


def test_equality_ignores_nothing() -> None:
    """Any difference makes another class; of one name only one can be known."""
    base = StorageClass("Mine", dict, parameters=["a"])
    same = StorageClass("Mine", "builtins:dict", parameters=["a"])
    assert base == same
    assert hash(base) == hash(same)
    others = [
        StorageClass("Yours", dict, parameters=["a"]),
        StorageClass("Mine", list, parameters=["a"]),
        StorageClass("Mine", dict, parameters=["b"]),
        StorageClass("Mine", dict, parameters=["a"], components={"x": base}),
        StorageClass("Mine", dict, parameters=["a"], derivedComponents={"x": base}),
        StorageClass("Mine", dict, parameters=["a"], converters={"builtins:list": "builtins:dict"}),
        StorageClass("Mine", dict, parameters=["a"], formatter="Json"),
    ]
    assert base not in others
    try:
        assert register_storage_class(base)
        assert not register_storage_class(base)
        assert get_storage_class("Mine") is base
        for other in others[1:]:
            with pytest.raises(ConflictingDefinitionError, match="another storage class 'Mine'"):
                register_storage_class(other)
    finally:
        STORAGE_CLASSES.pop("Mine")


def test_classes_of_a_script() -> None:
    """A type that has no place to be imported from can be used in the process that has it."""

    class Local:
        pass

    kind = StorageClass("Local", Local)
    assert kind.pytype is Local
    assert kind.coerce_type(found := Local()) is found
    missing = StorageClass("Missing", "no_such_package.here:Thing")
    with pytest.raises(StorageClassError, match="cannot import no_such_package"):
        missing.coerce_type(1)


# Pixel types.


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [("ExposureF", "f4"), ("ExposureD", "f8"), ("ExposureI", "i4"), ("ExposureU", "u2"), ("Exposure", "i2")],
)
def test_pixel_types_of_exposures(tmp_path: Path, kind: str, dtype: str) -> None:
    """An exposure is stored and read with the pixels of its class, its variance is always float32."""
    exposure = make_exposure()
    exposure.maskedImage = replace(
        exposure.maskedImage,
        image=Image(np.arange(204).reshape(12, 17).astype("i2" if dtype == "i2" else "u1")),
    )
    path = write(exposure, tmp_path / "e", kind)
    found = read(path, kind)
    assert found.image.array.dtype == dtype
    assert (found.mask.array.dtype, found.variance.array.dtype) == (np.int32, np.float32)
    assert read(path, kind, "image").array.dtype == dtype
    assert read(path, kind, "maskedImage").image.array.dtype == dtype
    assert read(path, kind, "variance").array.dtype == np.float32
    np.testing.assert_array_equal(found.image.array.ravel(), np.arange(204))
    assert exposure.image.array.dtype in ("u1", "i2"), "what is put is not changed"


@pytest.mark.parametrize("target", ["f4", "f8", "i4", "u2", "u8"])
@pytest.mark.parametrize("source", ["u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_which_pixels_may_become_which(source: str, target: str) -> None:
    """Everything may become floats; integers only integers of a kind that holds all of their values."""
    given, wanted = np.dtype(source), np.dtype(target)
    allowed = wanted.kind == "f"
    if wanted.kind in "iu" and given.kind in "iu":
        low, high = np.iinfo(given).min, np.iinfo(given).max
        allowed = np.iinfo(wanted).min <= low and high <= np.iinfo(wanted).max
    array = np.ones((2, 3), dtype=source)
    if allowed:
        found = converted_pixels(array, target)
        assert found.dtype == wanted
        assert (found is array) == (given == wanted)
    else:
        with pytest.raises(StorageClassError, match=f"{given} cannot be stored as {wanted}"):
            converted_pixels(array, target)


def test_floats_on_disk_are_no_integers(tmp_path: Path) -> None:
    """A file whose pixels the class cannot have is refused, with its name."""
    path = write(make_exposure(), tmp_path / "floats.fits", "ExposureF")
    for component in (None, "image", "maskedImage"):
        with pytest.raises(FileFormatError, match=r"floats\.fits: pixels of type float32"):
            read(path, "ExposureI", component)
    assert read(path, "ExposureI", "mask").array.dtype == np.int32


def test_derived_parts_of_images(tmp_path: Path) -> None:
    """Box, size and origin of a file and of an object in memory are the same."""
    exposure = make_exposure((5, -7))
    objects: dict[str, Any] = {
        "ExposureF": exposure, "MaskedImageF": exposure.maskedImage, "ImageF": exposure.image,
        "MaskX": exposure.mask,
    }  # fmt: skip
    for kind, obj in objects.items():
        path = write(obj, tmp_path / kind, kind)
        memory = InMemoryDatasetHandle(obj, storageClass=kind)
        for get in (
            lambda name, p=path, k=kind: read(p, k, name),
            lambda name, m=memory: m.get(component=name),
        ):
            assert get("bbox") == Box2I(Point2I(5, -7), Extent2I(17, 12))
            assert get("dimensions") == Extent2I(17, 12)
            assert get("xy0") == Point2I(5, -7)


# Conversions in a repository.


@pytest.fixture
def butler(tmp_path: Path) -> Any:
    Butler.makeRepo(tmp_path / "r")
    with Butler(tmp_path / "r", run="run") as opened:
        insert_records(opened)
        yield opened


def test_conversion_of_what_is_put_and_got(butler: Butler) -> None:
    """A convertible object can be put, and a dataset be had as another class; others cannot."""
    table = DatasetType("table", (), "AstropyTable")
    butler.registry.registerDatasetType(table)
    values = np.array([(1, 2.5), (2, 3.5)], dtype=[("id", "i8"), ("x", "f8")])
    butler.put(values, "table")
    assert butler.get("table")["x"].tolist() == [2.5, 3.5]
    found = butler.get("table", storageClass="ArrowNumpy")
    np.testing.assert_array_equal(found, values)
    assert butler.get("table", storageClass="ArrowTable").num_rows == 2
    part = butler.get(
        "table", storageClass="ArrowNumpy", parameters={"columns": "x", "filters": [("id", ">", 1)]}
    )
    assert part["x"].tolist() == [3.5]
    assert butler.get("table.columns") == ["id", "x"]
    assert butler.get("table.rowcount") == 2
    with pytest.raises(StorageClassError, match="cannot be"):
        butler.get("table", storageClass="ExposureF")
    other = table.overrideStorageClass("ArrowTable")
    assert other.is_compatible_with(table)
    assert not DatasetType("table", (), "ExposureF").is_compatible_with(table)
    with pytest.raises(ButlerUserError, match="cannot be converted"):
        table.overrideStorageClass("SkyMap")


def test_an_exposure_as_another_pixel_type(butler: Butler) -> None:
    """An exposure of floats can be had as one of doubles."""
    butler.registry.registerDatasetType(DatasetType("image", (), "ExposureF"))
    butler.put(make_exposure(), "image")
    found = butler.get("image", storageClass="ExposureD")
    assert isinstance(found, Exposure)
    assert isinstance(found.maskedImage, MaskedImage)
    assert found.image.array.dtype == np.float64


# HealSparse.


def test_parts_of_a_healsparse_map(tmp_path: Path) -> None:
    """Only some coverage pixels, a lower resolution, or what is covered."""
    whole = healsparse.HealSparseMap.make_empty(8, 64, np.float32)
    pixels = np.array([0, 1, 2, 3, 30_000, 40_000])
    whole[pixels] = np.arange(6, dtype=np.float32)
    path = write(whole, tmp_path / "m.hs", "HealSparseMap")
    coverage = read(path, "HealSparseMap", "coverage")
    assert isinstance(coverage, healsparse.HealSparseCoverage)
    [covered] = np.where(coverage.coverage_mask)
    assert covered.tolist() == sorted({p // 64 for p in pixels.tolist()})
    part = read(path, "HealSparseMap", pixels=[0])
    assert part.valid_pixels.tolist() == [0, 1, 2, 3]
    coarse = read(path, "HealSparseMap", degrade_nside=32)
    assert coarse.nside_sparse == 32
    assert coarse[0] == pytest.approx(1.5)
    with pytest.raises(FileFormatError, match=r"m\.hs"):
        read(path, "HealSparseMap", pixels=[5_000_000])
