"""What lies beside exposures: weights, variances and quality images, zero points, reference stars."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_camera import MAPPING, SHAPE, make_cards, snapshot, write_frame, write_pixels

from butler import Butler
from butler.errors import ButlerUserError, ConflictingDefinitionError, IngestError
from butler.formatters import LocalFile, get_formatter
from butler.images import Image
from butler.ingest import (
    CameraMapping,
    IngestReport,
    QualityRule,
    expand_paths,
    ingest_exposures,
    quality_mask,
)


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Butler]:
    """Return a butler of an empty repository."""
    Butler.makeRepo(tmp_path / "repo")
    with Butler(tmp_path / "repo", writeable=True) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an empty directory for files of the camera."""
    path = tmp_path / "frames"
    path.mkdir()
    return path


def mapping_with(**changes: Any) -> CameraMapping:
    return CameraMapping.parse({**MAPPING, **changes}, "a camera")


def ingest(butler: Butler, paths: list[Path], camera: CameraMapping, **arguments: Any) -> IngestReport:
    return ingest_exposures(butler, paths, **{"run": "raw", "camera": camera, **arguments})


def only_reason(report: IngestReport) -> str:
    ((_, reason),) = report.failed
    assert "\n" not in reason
    return reason


def write_units(
    path: Path, units: Mapping[str, Mapping[str, Any]], values: Mapping[str, float] | None = None
) -> Path:
    """Write a file of several units by EXTNAME, each with some cards."""
    hdus: list[Any] = [fits.PrimaryHDU()]
    for i, (name, cards) in enumerate(units.items()):
        pixels = np.full(SHAPE, (values or {}).get(name, float(i)), dtype=np.float32)
        hdus.append(fits.ImageHDU(pixels, fits.Header(dict(cards)), name=name))
    fits.HDUList(hdus).writeto(path)
    return path


# Files that belong to an exposure.


def test_partners_are_found_by_the_pattern_of_a_name(empty: Butler, folder: Path) -> None:
    """Variance and quality in other directories, by groups of the name; neither is an exposure."""
    for name in ("var", "dq"):
        (folder.parent / name).mkdir()
    write_frame(folder / "img_7_i.fits")
    write_pixels(folder.parent / "var" / "v7.fits", 4.0)
    fits.PrimaryHDU(np.full(SHAPE, 3, dtype=np.int16)).writeto(folder.parent / "dq" / "7-i.fits")
    camera = mapping_with(
        variance={"pattern": r"img_(\d+)_(\w)\.fits", "file": "../var/v{1}.fits"},
        quality={"pattern": r"img_(\d+)_(\w)\.fits", "file": "{dir}/../dq/{1}-{2}.fits", "codes": {3: "SAT"}},
    )
    report = ingest(empty, expand_paths([folder]), camera)
    assert not report.failed
    kinds = {ref.datasetType.name: empty.get(ref) for ref in report.ingested}
    assert set(kinds) == {"postISRCCD", "postISRCCD_variance", "postISRCCD_quality"}
    assert (kinds["postISRCCD_variance"].array == 4.0).all()
    assert kinds["postISRCCD_quality"].array.dtype == np.int32
    assert camera.quality is not None
    assert quality_mask(kinds["postISRCCD_quality"], camera.quality).isSet("SAT").all()


def test_partners_of_a_relative_path(empty: Butler, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pattern that begins with the directory finds the partner from wherever the exposure is named."""
    monkeypatch.chdir(folder.parent)
    write_frame(folder / "a.fits")
    write_pixels(folder / "a.weight.fits", 4.0)
    report = ingest(empty, expand_paths([Path(folder.name)]), mapping_with(weight="{dir}/{stem}.weight.fits"))
    assert not report.failed
    assert {ref.datasetType.name for ref in report.ingested} == {"postISRCCD", "postISRCCD_weight"}


def test_planes_in_the_same_file(empty: Butler, folder: Path) -> None:
    """A unit of the exposure's own file may be its weight; it is no detector then."""
    path = write_units(folder / "a.fits", {"SCI": make_cards(), "WHT": {}}, {"SCI": 5.0, "WHT": 0.5})
    report = ingest(empty, [path], mapping_with(weight={"extension": "WHT"}))
    assert not report.failed
    exposure, weight = (empty.get(ref) for ref in report.ingested)
    assert (exposure.image.array == 5.0).all()
    assert (weight.array == 0.5).all()


def test_a_partner_that_need_not_be_there(empty: Butler, folder: Path) -> None:
    """Without it the exposure comes in alone."""
    camera = mapping_with(weight={"file": "{stem}.weight.fits", "required": False})
    paths = [write_frame(folder / f"{visit}.fits", visit) for visit in (1, 2)]
    write_pixels(folder / "2.weight.fits")
    report = ingest(empty, paths, camera)
    assert [ref.datasetType.name for ref in report.ingested] == [
        "postISRCCD",
        "postISRCCD",
        "postISRCCD_weight",
    ]


@pytest.mark.parametrize("field", ["weight", "variance", "quality"])
def test_a_missing_partner_is_named(empty: Butler, folder: Path, field: str) -> None:
    """The exposure stays out, and the line says which file is missing."""
    rule: dict[str, Any] = {"file": "{stem}.partner.fits"}
    camera = mapping_with(**{field: rule | ({"codes": {1: "BAD"}} if field == "quality" else {})})
    report = ingest(empty, [write_frame(folder / "a.fits")], camera)
    assert f"no {field} file" in only_reason(report)
    assert "a.partner.fits" in only_reason(report)
    assert not report.ingested
    assert not empty.query_dimension_records("exposure", explain=False)


def test_a_partner_of_another_size(empty: Butler, folder: Path) -> None:
    """The line says both sizes."""
    path = write_frame(folder / "a.fits")
    fits.PrimaryHDU(np.zeros((5, 6), dtype=np.float32)).writeto(folder / "a.weight.fits")
    report = ingest(empty, [path], mapping_with(weight="{stem}.weight.fits"))
    assert "6 x 5 pixels, the image 32 x 24" in only_reason(report)


def test_a_name_that_does_not_match(empty: Butler, folder: Path) -> None:
    """The line says which pattern the name does not match."""
    camera = mapping_with(weight={"pattern": "img(.*)", "file": "wht{1}"})
    report = ingest(empty, [write_frame(folder / "a.fits")], camera)
    assert "'img(.*)'" in only_reason(report)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({}, "give file or extension"),
        ({"file": "{1}.fits"}, "names group 1, the pattern has 0"),
        ({"file": "{2}.fits", "pattern": "(a)"}, "names group 2, the pattern has 1"),
        ({"file": "w", "pattern": "(["}, "not a regular expression"),
    ],
)
def test_wrong_rules_for_partners(rule: dict[str, Any], message: str) -> None:
    """The error says what is wrong with the rule."""
    with pytest.raises(IngestError, match="weight") as caught:
        mapping_with(weight=rule)
    assert message in str(caught.value)


# Files of several detectors.


def mosaic(path: Path, visit: int = 1) -> Path:
    """Write a file of three detectors, and its weights in another order."""
    units = {f"CCD{d}": make_cards(visit, d) for d in (1, 2, 3)}
    write_units(path.with_name(f"{path.stem}.weight.fits"), {name: {} for name in ("CCD3", "CCD1", "CCD2")})
    return write_units(path, units)


WEIGHTED = mapping_with(weight="{stem}.weight.fits", detector_name="EXTNAME")


@pytest.mark.parametrize("transfer", ["copy", "direct", "symlink"])
def test_each_extension_is_a_detector(empty: Butler, folder: Path, transfer: str) -> None:
    """Each detector has its own pixels, header, weight and region; a copy is made once a file."""
    path, weights = mosaic(folder / "m.fits"), folder / "m.weight.fits"
    report = ingest(empty, [path], WEIGHTED, transfer=transfer)
    assert not report.failed
    assert len(report.ingested) == 6
    for detector in (1, 2, 3):
        exposure = empty.get("postISRCCD", exposure=1, detector=detector, instrument="TOY", collections="raw")
        assert (exposure.image.array == detector - 1).all()
        assert exposure.metadata["CCD"] == detector
        assert exposure.metadata["EXTNAME"] == f"CCD{detector}"
        weight = empty.get(
            "postISRCCD_weight", exposure=1, detector=detector, instrument="TOY", collections="raw"
        )
        assert (weight.array == {3: 0, 1: 1, 2: 2}[detector]).all()
    (visit,) = empty.query_dimension_records("visit")
    regions = empty.query_dimension_records("visit_detector_region")
    assert len(regions) == 3
    for record in regions:
        ra, dec, _ = record.region.bounding_circle()
        assert visit.region.contains(ra, dec)
    names = {record["full_name"] for record in empty.query_dimension_records("detector")}
    assert names == {"CCD1", "CCD2", "CCD3"}
    for ref in report.ingested:
        # What the header was read with in passing is what a look at the file finds.
        record = empty.registry.files.get_one(ref.id)
        assert record is not None
        file = path if record.formatter.startswith("Camera") else weights
        found = get_formatter(record.formatter).layout(LocalFile(file))
        assert found is not None
        assert record.layout == found.to_json()
    copies = [p for p in (empty.root / "raw").rglob("*") if p.is_file() and p.suffix == ".fits"]
    assert len(copies) == (0 if transfer == "direct" else 2)
    assert empty.verify().is_clean
    again = ingest(empty, [path], WEIGHTED, transfer=transfer)
    assert (again.ingested, again.skipped) == ([], [path])


def test_one_detector_of_a_copied_file_can_be_removed(empty: Butler, folder: Path) -> None:
    """The others keep the file; it goes with the last of them."""
    report = ingest(empty, [mosaic(folder / "m.fits")], WEIGHTED)
    exposures = [ref for ref in report.ingested if ref.datasetType.name == "postISRCCD"]
    path = empty.getURI(exposures[0])
    assert {empty.getURI(ref) for ref in exposures} == {path}
    empty.pruneDatasets(exposures[:1], purge=True, unstore=True, disassociate=True)
    assert (empty.get(exposures[2]).image.array == 2).all()
    empty.pruneDatasets(exposures[1:], purge=True, unstore=True, disassociate=True)
    assert not path.exists()
    assert empty.verify().is_clean


def test_a_bad_detector_keeps_its_file_out(empty: Butler, folder: Path) -> None:
    """The line names the extension; the other detectors of the file are not in."""
    units = {f"CCD{d}": make_cards(1, d, {"GAIN": None} if d == 2 else {}) for d in (1, 2)}
    before = snapshot_without_runs(empty)
    report = ingest(empty, [write_units(folder / "m.fits", units)], mapping_with())
    assert only_reason(report).startswith("unit 2 (CCD2): no gain")
    assert snapshot_without_runs(empty) == before


def snapshot_without_runs(butler: Butler) -> list[Any]:
    elements = ("exposure", "visit", "visit_detector_region")
    return [butler.query_dimension_records(element, explain=False) for element in elements]


def test_extensions_that_are_no_detectors(empty: Butler, folder: Path) -> None:
    """Two units of one detector are refused with what to do; `extensions` says which ones count."""
    path = write_units(folder / "m.fits", {"SCI": make_cards(), "SMOOTHED": make_cards()})
    assert "which extensions are detectors" in only_reason(ingest(empty, [path], mapping_with()))
    report = ingest(empty, [path], mapping_with(extensions="SCI|CCD.*"), run="other")
    assert len(report.ingested) == 1
    none = ingest(empty, [path], mapping_with(extensions="CCD.*"), run="third")
    assert "there are SCI, SMOOTHED" in only_reason(none)


# Quality images.


@given(
    st.lists(st.integers(0, 9), min_size=4, max_size=4),
    st.dictionaries(st.integers(0, 9), st.sampled_from([("BAD",), ("SAT", "CR"), ("BLEED",)]), min_size=1),
    st.sampled_from(["", "BAD", "SUSPECT"]),
)
@settings(max_examples=60, deadline=None)
def test_codes_and_bits_against_a_pixel_loop(
    values: list[int], table: dict[int, tuple[str, ...]], unlisted: str
) -> None:
    """Each pixel has the planes of its code, or of each of its bits, and that of what is not listed."""
    image = Image(np.array(values, dtype=np.int32).reshape(2, 2))
    for kind in ("codes", "bits"):
        mask = quality_mask(image, QualityRule(file="q", **{kind: table}, unlisted=unlisted))
        for value, bits in zip(values, mask.array.ravel(), strict=True):
            if kind == "codes":
                expected = set(table.get(value, (unlisted,) if value and unlisted else ()))
            else:
                set_bits = [bit for bit in range(8) if value >> bit & 1]
                expected = {plane for bit in set_bits for plane in table.get(bit, ())}
                expected |= {unlisted} if unlisted and any(bit not in table for bit in set_bits) else set()
            assert {name for name, bit in mask.planes.items() if bits >> bit & 1} == expected


def test_quality_values_are_whole_numbers(empty: Butler, folder: Path) -> None:
    """Fractions are refused, when a file is ingested and where a mask is made."""
    rule = QualityRule(file="q", codes={2: ("SAT",)})
    with pytest.raises(IngestError, match="whole numbers"):
        quality_mask(Image(np.full((2, 2), 0.5)), rule)
    write_pixels(folder / "q.fits")
    camera = mapping_with(quality={"file": "q.fits", "codes": {1: "BAD"}})
    assert "no whole numbers" in only_reason(ingest(empty, [write_frame(folder / "a.fits")], camera))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "codes .* or bits"),
        ({"codes": {1: "BAD"}, "bits": {1: "BAD"}}, "codes .* or bits"),
        ({"bits": {40: "BAD"}}, "from 0 to 31"),
        ({"codes": {1: "bad pixel"}}, "capital letters"),
        ({"codes": {"one": "BAD"}}, "quality"),
    ],
)
def test_wrong_tables_of_quality(table: dict[str, Any], message: str) -> None:
    """The error says what a table of codes looks like."""
    with pytest.raises(IngestError, match=message):
        mapping_with(quality={"file": "q.fits", **table})


# Zero points.

ZERO_POINTS = {"column": "zpt", "keys": {"expnum": "EXPNUM", "ccd": "CCD"}}


def zero_points(path: Path, rows: list[tuple[int, str, float]]) -> Path:
    Table(rows=rows, names=["expnum", "ccd", "zpt"]).write(path)
    return path


@pytest.mark.parametrize("name", ["z.csv", "z.ecsv", "z.fits", "z.fits.gz"])
@pytest.mark.parametrize("per_second", [False, True])
def test_zero_points_come_from_a_table(empty: Butler, folder: Path, name: str, per_second: bool) -> None:
    """Each detector image gets that of its row; one per second is brought to the exposure."""
    table = zero_points(folder / name, [(1, "0", 27.5), (1, "1", 27.25), (2, "0", 26.0)])
    paths = [write_frame(folder / f"{v}{d}.fits", v, d) for v, d in ((1, 0), (1, 1), (2, 0))]
    camera = mapping_with(zero_point=None, zero_point_table={**ZERO_POINTS, "per_second": per_second})
    report = ingest(empty, paths, camera, zero_points=table)
    assert not report.failed
    found = [empty.get(ref)["zero_point"] for ref in report.ingested if ref.datasetType.name == "zeroPoint"]
    shift = 2.5 * math.log10(30.0) if per_second else 0.0
    assert sorted(found) == pytest.approx(sorted([27.5 + shift, 27.25 + shift, 26.0 + shift]))


def test_a_row_that_is_missing_keeps_its_exposure_out(empty: Butler, folder: Path) -> None:
    """The line says which row; NaN counts as missing. Others are in."""
    table = zero_points(folder / "z.csv", [(1, "0", 27.5), (2, "0", math.nan)])
    paths = [write_frame(folder / f"{visit}.fits", visit) for visit in (1, 2, 3)]
    report = ingest(empty, paths, mapping_with(zero_point_table=ZERO_POINTS), zero_points=table)
    assert [path.name for path, _ in report.failed] == ["2.fits", "3.fits"]
    assert "no zero point of expnum=3, ccd=0" in report.failed[1][1]
    assert {ref.dataId["exposure"] for ref in report.ingested} == {1}


def test_tables_that_cannot_be_read(empty: Butler, folder: Path) -> None:
    """Each mistake with a table is an error before anything is written."""
    path = write_frame(folder / "a.fits")
    two = zero_points(folder / "two.csv", [(1, "0", 27.5), (1, "0", 27.0)])
    nameless = zero_points(folder / "one.csv", [(1, "0", 27.5)]).rename(folder / "one.txt")
    other = folder / "other.csv"
    Table({"expnum": [1], "ccd": ["0"], "zp": [1.0]}).write(other)
    words = folder / "words.csv"
    Table({"expnum": [1], "ccd": ["0"], "zpt": ["bright"]}).write(words)
    camera = mapping_with(zero_point_table=ZERO_POINTS)
    before = snapshot(empty.root)
    for table, message in (
        (two, "two zero points of expnum=1, ccd=0"),
        (other, "no column 'zpt'; did you mean 'zp'"),
        (words, "the column zpt has no numbers"),
        (folder / "none.csv", "No such file"),
        (nameless, r"its name must end in \.csv, \.ecsv or \.fits"),
        (folder, "Is a directory"),
        (path, "table"),
        (None, "give the table"),
    ):
        with pytest.raises(IngestError, match=message):
            ingest(empty, [path], camera, zero_points=table)
    with pytest.raises(IngestError, match="does not say which columns"):
        ingest(empty, [path], mapping_with(), zero_points=two)
    assert snapshot(empty.root) == before


# Reference stars.

STARS = {"ra": "RAJ2000", "dec": "DEJ2000", "magnitudes": {"g": "gmag", "r": "rmag"}, "errors": {"g": "e_g"}}


def test_a_reference_catalog_becomes_a_dataset(empty: Butler, folder: Path) -> None:
    """Its columns have our names; it is put once, and another one needs another run."""
    table = Table(
        {"RAJ2000": [10.0, 11.0], "DEJ2000": [-1.0, 2.0], "gmag": [20.0, 21.0], "rmag": [19.5, 20.5]}
    )
    table["e_g"] = [0.01, 0.02]
    table.write(folder / "stars.fits")
    path = write_frame(folder / "a.fits")
    camera = mapping_with(reference_catalog={**STARS, "file": "stars.fits"})
    report = ingest(empty, [path], camera)
    assert [ref.datasetType.name for ref in report.ingested] == ["referenceCatalog", "postISRCCD"]
    stars = empty.get("referenceCatalog", instrument="TOY", collections="raw")
    assert stars.colnames == ["coord_ra", "coord_dec", "g_mag", "g_magErr", "r_mag", "r_magErr"]
    assert (list(stars["coord_ra"]), list(stars["g_magErr"])) == ([10.0, 11.0], [0.01, 0.02])
    assert np.isnan(stars["r_magErr"]).all()
    assert str(stars["coord_dec"].unit) == "deg"
    assert ingest(empty, [path], camera).ingested == []
    table["gmag"] += 1.0
    table.write(folder / "others.fits")
    with pytest.raises(ConflictingDefinitionError, match="another reference catalog"):
        ingest(empty, [path], camera, reference_catalog=folder / "others.fits")


def test_a_catalog_without_positions_is_refused(empty: Butler, folder: Path) -> None:
    """A column that is missing, or a row without a position, is an error."""
    path = write_frame(folder / "a.fits")
    camera = mapping_with(reference_catalog={"magnitudes": {"g": "gmag"}})
    Table({"ra": [1.0], "gmag": [20.0]}).write(folder / "no_dec.csv")
    Table({"ra": [math.nan], "dec": [0.0], "gmag": [20.0]}).write(folder / "nan.csv")
    Table({"ra": [1.0], "dec": [91.0], "gmag": [20.0]}).write(folder / "far.csv")
    for name, message in (
        ("no_dec.csv", "no column 'dec'"),
        ("nan.csv", "rows that are no numbers"),
        ("far.csv", "the column dec has declinations beyond 90 degrees"),
    ):
        with pytest.raises(ButlerUserError, match=message):
            ingest(empty, [path], camera, reference_catalog=folder / name)


# PSF models.


def psfex_file(path: Path, names: list[str], exposure: int = 1) -> Path:
    """Write PSFEx models of one term as the Legacy Surveys do, a row per detector; their cores differ."""
    rows = []
    for i, _ in enumerate(names):
        image = np.zeros((1, 5, 5))
        image[0, 2, 2] = 1.0
        image[0, 2, 1] = 0.1 * i
        rows.append(image)
    table = Table({"psf_mask": rows, "ccdname": names, "expnum": [exposure] * len(names)})
    for key, value in {"polnaxis": 2, "poldeg1": 0, "polngrp": 1, "psfaxis1": 5, "psfaxis2": 5}.items():
        table[key] = [value] * len(names)
    for i, name in ((1, "X_IMAGE"), (2, "Y_IMAGE")):
        table[f"polname{i}"], table[f"polgrp{i}"] = [name] * len(names), [1] * len(names)
        table[f"polzero{i}"], table[f"polscal{i}"] = [1.0] * len(names), [1.0] * len(names)
    table["psf_samp"] = [1.0] * len(names)
    table.write(path, format="fits")
    return path


def neighbour(psf: Any) -> float:
    """Return the pixel to the left of the peak, by which the models differ, relative to the peak."""
    return float(psf.basis[0, 2, 1] / psf.basis[0, 2, 2])


def test_each_detector_gets_its_psf_model(empty: Butler, folder: Path) -> None:
    """Of a file with a model per detector each image gets its own; a file with one is ingested as it is."""
    units = {f"CCD{d}": make_cards(1, d) for d in (1, 2)}
    mosaic_path = write_units(folder / "m.fits", units)
    psfex_file(folder / "m.psf", ["CCD0", "CCD2", "CCD1"])
    single = write_units(folder / "s.fits", {"CCD5": make_cards(2, 5)})
    psfex_file(folder / "s.psf", ["CCD5"], exposure=2)
    report = ingest(empty, [mosaic_path, single], mapping_with(psfex="{stem}.psf"))
    assert not report.failed
    models = {ref.dataId["detector"]: ref for ref in report.ingested if ref.datasetType.name == "psfexModel"}
    assert {detector: neighbour(empty.get(ref)) for detector, ref in models.items()} == pytest.approx(
        {1: 0.2, 2: 0.1, 5: 0.0}, abs=1e-6
    )
    assert empty.getURI(models[5]).read_bytes() == (folder / "s.psf").read_bytes()
    assert empty.verify().is_clean


def test_a_psf_model_of_another_exposure_is_refused(empty: Butler, folder: Path) -> None:
    """The line names the file and what was looked for."""
    path = write_units(folder / "m.fits", {"CCD1": make_cards(1, 1)})
    camera = mapping_with(psfex="{stem}.psf")
    assert "no psfex file" in only_reason(ingest(empty, [path], camera))
    psfex_file(folder / "m.psf", ["CCD1"], exposure=9)
    assert "0 models of CCD1 in exposure 1" in only_reason(ingest(empty, [path], camera))
    (folder / "m.psf").write_text("no FITS file")
    assert "not a FITS file" in only_reason(ingest(empty, [path], camera))
