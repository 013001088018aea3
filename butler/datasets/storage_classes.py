"""The storage classes that are known."""

from __future__ import annotations

from typing import Final

from ..errors import ConflictingDefinitionError, StorageClassError, did_you_mean
from ..plugins import load_plugin, plugin_names
from .storage_class import StorageClass

__all__ = ["STORAGE_CLASSES", "get_storage_class", "register_storage_class"]

PLUGINS: Final = "butler.storage_classes"
"""Group of entry points in which packages declare storage classes."""
_IMAGES: Final = "butler.images"
_TABLES: Final = "butler.tables"
_METADATA: Final = "butler.task_metadata:TaskMetadata"
_BOX: Final = ("bbox", "origin", "inPlace")
_PIXELS: Final = {"F": "f4", "D": "f8", "I": "i4", "U": "u2", "L": "u8"}
"""Pixel type by the last letter of an image's storage class."""


def _plain() -> list[StorageClass]:
    """Return the parts of images; only a PSF can be stored on its own."""
    values = ("SkyWcs", "PhotoCalib", "FilterLabel", "VisitInfo", "CoaddInputs", "Box2I", "Extent2I",
              "Point2I", "ApCorrMap", "Polygon", "ExposureSummaryStats")  # fmt: skip
    renamed = {"SkyWcs": "Wcs"}
    return [
        *(StorageClass(renamed.get(value, value), f"{_IMAGES}:{value}") for value in values),
        StorageClass("Psf", f"{_IMAGES}:Psf", formatter="PsfFits"),
        StorageClass("PropertyList", dict),
        StorageClass("int", int),
        # That of a coadd is of another class with the same methods.
        StorageClass("TransmissionCurve"),
        # What LSST's files hold and only LSST can read.
        StorageClass("Detector"),
    ]


def _images(parts: dict[str, StorageClass]) -> list[StorageClass]:
    """Return images, masks, masked images and exposures, of every pixel type and of any."""
    box = {"bbox": parts["Box2I"], "dimensions": parts["Extent2I"], "xy0": parts["Point2I"]}
    mask = StorageClass(
        "Mask", f"{_IMAGES}:Mask", derivedComponents=box, parameters=_BOX, formatter="MaskFits"
    )
    made = [mask, StorageClass("MaskX", inheritsFrom=mask, pixel_type="i4")]
    named = {
        "wcs": "Wcs", "psf": "Psf", "photoCalib": "PhotoCalib", "filter": "FilterLabel",
        "visitInfo": "VisitInfo", "coaddInputs": "CoaddInputs", "metadata": "PropertyList", "id": "int",
        "apCorrMap": "ApCorrMap", "validPolygon": "Polygon", "detector": "Detector",
        "transmissionCurve": "TransmissionCurve", "summaryStats": "ExposureSummaryStats",
    }  # fmt: skip
    others = {component: parts[name] for component, name in named.items()}
    variance = _image("ImageF", box, "f4")
    for letter, pixel_type in {"": "", **_PIXELS}.items():
        image = variance if letter == "F" else _image(f"Image{letter}", box, pixel_type)
        made.append(image)
        if letter == "L":
            continue
        planes = {"image": image, "mask": made[1], "variance": variance}
        masked = StorageClass(
            f"MaskedImage{letter}", f"{_IMAGES}:MaskedImage", planes, box, _BOX,
            formatter="MaskedImageFits", pixel_type=pixel_type,
        )  # fmt: skip
        components = {**planes, "maskedImage": masked, **others}
        exposure = StorageClass(
            f"Exposure{letter}", f"{_IMAGES}:Exposure", components, box, _BOX,
            formatter="ExposureFits", pixel_type=pixel_type,
        )  # fmt: skip
        made += [masked, exposure]
    return made


def _image(name: str, box: dict[str, StorageClass], pixel_type: str) -> StorageClass:
    return StorageClass(
        name, f"{_IMAGES}:Image", derivedComponents=box, parameters=_BOX, formatter="ImageFits",
        pixel_type=pixel_type,
    )  # fmt: skip


def _tables(number: StorageClass) -> list[StorageClass]:
    """Return the kinds of tables; each can be made of each of the others."""
    columns, schema = StorageClass("ArrowColumnList", list), StorageClass("ArrowSchema", "pyarrow:Schema")
    derived = {"columns": columns, "rowcount": number, "schema": schema}
    kinds = {
        "ArrowAstropy": ("astropy.table:Table", "Parquet", "to_astropy"),
        "ArrowTable": ("pyarrow:Table", "Parquet", "to_arrow"),
        "ArrowNumpy": ("numpy:ndarray", "Parquet", "to_numpy"),
        "DataFrame": ("pandas:DataFrame", "Parquet", "to_pandas"),
        "AstropyTable": ("astropy.table:Table", "TableEcsv", "to_astropy"),
        "SourceCatalog": ("astropy.table:Table", "TableEcsv", "to_astropy"),
        "ExposureCatalog": ("astropy.table:Table", "TableFits", "to_astropy"),
        "ObjectMaskCatalog": ("astropy.table:Table", "ObjectMask", "to_astropy"),
    }
    types = sorted({pytype for pytype, _, _ in kinds.values()})
    return [
        columns,
        schema,
        *(
            StorageClass(
                name, pytype, derivedComponents=derived, parameters=("columns", "filters"),
                converters={other: f"{_TABLES}:{function}" for other in types if other != pytype},
                formatter=formatter,
            )
            for name, (pytype, formatter, function) in kinds.items()
        ),
    ]  # fmt: skip


def _others() -> list[StorageClass]:
    coverage = StorageClass("HealSparseCoverage", "healsparse:HealSparseCoverage")
    data = StorageClass(
        "StructuredDataDict",
        dict,
        converters={
            "pydantic.main:BaseModel": "butler.datasets.conversions:model_to_dict",
            _METADATA: f"{_METADATA}.to_dict",
        },
        formatter="Json",
    )
    return [
        coverage,
        data,
        *(StorageClass(name, inheritsFrom=data) for name in ("Config", "Packages")),
        StorageClass(
            "TaskMetadata",
            _METADATA,
            converters={"builtins:dict": f"{_METADATA}.from_dict"},
            formatter="TaskMetadataJson",
        ),
        StorageClass("StructuredDataList", list, formatter="Json"),
        StorageClass("ButlerLogRecords", "butler.log_records:ButlerLogRecords", formatter="LogRecords"),
        StorageClass("Bytes", bytes, formatter="Bytes"),
        *_pictures(),
        StorageClass("SkyMap", "butler.skymaps:SkyMap", formatter="SkyMapJson"),
        StorageClass(
            "HealSparseMap",
            "healsparse:HealSparseMap",
            derivedComponents={"coverage": coverage},
            parameters=("pixels", "degrade_nside"),
            formatter="HealSparse",
        ),
    ]


def _pictures() -> list[StorageClass]:
    """Return pictures and documents, which are bytes; a matplotlib figure becomes one when it is stored."""
    figure = "matplotlib.figure:Figure"
    png = {figure: "butler.datasets.conversions:figure_to_png"}
    pdf = {figure: "butler.datasets.conversions:figure_to_pdf"}
    return [
        *(
            StorageClass(name, bytes, converters=png, formatter="Png")
            for name in ("Plot", "MatplotlibFigure")
        ),
        StorageClass("PdfDocument", bytes, converters=pdf, formatter="Pdf"),
    ]


def _all() -> dict[str, StorageClass]:
    plain = _plain()
    named = {kind.name: kind for kind in plain}
    return {kind.name: kind for kind in (*plain, *_images(named), *_tables(named["int"]), *_others())}


STORAGE_CLASSES: Final[dict[str, StorageClass]] = _all()
"""The storage classes that are known, by name."""


def get_storage_class(name: str) -> StorageClass:
    """Return a storage class by name: one of ours, one that was registered, or one of a plug-in.

    Raises
    ------
    StorageClassError
        Raised if there is none, or if the package that declares it is broken.
    """
    try:
        return STORAGE_CLASSES[name]
    except KeyError:
        loaded = load_plugin(PLUGINS, name, StorageClass)
    if loaded is None:
        hint = did_you_mean(name, [*STORAGE_CLASSES, *plugin_names(PLUGINS)])
        raise StorageClassError(f"no storage class {name!r}{hint}")
    return STORAGE_CLASSES.setdefault(name, loaded)


def register_storage_class(storage_class: StorageClass) -> bool:
    """Make a storage class known to this process; return whether it is new.

    Raises
    ------
    ConflictingDefinitionError
        Raised if another one of the same name is known.
    """
    is_new = storage_class.name not in STORAGE_CLASSES
    if STORAGE_CLASSES.setdefault(storage_class.name, storage_class) != storage_class:
        raise ConflictingDefinitionError(f"there is another storage class {storage_class.name!r} already")
    return is_new
