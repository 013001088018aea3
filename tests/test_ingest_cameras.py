"""Cameras that are known: their files are ingested by what their headers say, without a mapping."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from astropy.io import fits
from click.testing import CliRunner
from toy_camera import SHAPE, make_cards

import butler.cli
from butler import Butler
from butler.errors import IngestError
from butler.ingest import (
    CameraMapping,
    camera_named,
    camera_template,
    find_camera,
    ingest_exposures,
    shipped_cameras,
)

WCS = {
    key: value
    for key, value in make_cards().items()
    if key.startswith(("CTYPE", "CRVAL", "CRPIX", "CD", "RADESYS", "CUNIT"))
}
HEADERS: dict[str, dict[str, Any]] = {
    "decam": {
        "INSTRUME": "DECam",
        "TELESCOP": "CTIO 4.0-m telescope",
        "EXPNUM": 396388,
        "CCDNUM": 28,
        "DETPOS": "S4",
        "FILTER": "z DECam SDSS c0004 9260.0 1520.0",
        "EXPTIME": 150.0,
        "DATE-OBS": "2015-01-10T05:33:59.870551",
        "OBJECT": "a field",
        "GAINA": 3.87,
    },
    "hsc": {
        "INSTRUME": "Hyper Suprime-Cam",
        "EXP-ID": "HSCA04090000",
        "FRAMEID": "HSCA04090107",
        "DET-ID": 37,
        "FILTER01": "HSC-r",
        "EXPTIME": 150.0,
        "DATE-OBS": "2015-10-10",
        "UT-STR": "08:20:06.598",
        "DATA-TYP": "OBJECT",
        "OBJECT": "SSP-Wide",
        "GAIN": 0.0,
        "T_GAIN1": 3.18,
        "T_CCDSN": "061",
        "BUNIT": "ADU",
    },
    "hsc before it had INSTRUME": {
        "EXP-ID": "HSCA90402400",
        "FRAMEID": "HSCA90402512",
        "DET-ID": 50,
        "FILTER01": "NB0921",
        "EXPTIME": 30.0,
        "DATE-OBS": "2013-11-02",
        "UT-STR": "06:15:55.908",
        "DATA-TYP": "OBJECT",
        "OBJECT": "STRIPE82L",
        "T_GAIN1": 3.53,
        "T_CCDSN": "120",
    },
    "suprimecam": {
        "INSTRUME": "SuprimeCam",
        "EXP-ID": "SUPE00535770",
        "FRAMEID": "SUPA00535770",
        "DET-ID": 0,
        "DETECTOR": "w67c1",
        "FILTER01": "W-S-R+",
        "EXPTIME": 200.0,
        "DATE-OBS": "2007-04-23",
        "UT-STR": "08:02:27.204",
        "DATA-TYP": "OBJECT",
        "OBJECT": "Ecliptic Deep Field",
        "GAINEFF": 2.64,
        "BUNIT": "ADU",
    },
    "megaprime": {
        "INSTRUME": "MegaPrime",
        "TELESCOP": "CFHT 3.6m",
        "EXPNUM": 1038843,
        "OBSID": 1038843,
        "EXTNAME": "ccd02",
        "FILTER": "i.MP9702",
        "EXPTIME": 615.037,
        "DATE-OBS": "2008-11-01",
        "UTC-OBS": "14:33:32.40",
        "OBSTYPE": "OBJECT",
        "OBJECT": "w2.+2+2",
        "GAIN": 1.62,
        "RDNOISE": 4,
        "SATURATE": 65535,
    },
    "sdss": {
        "TELESCOP": "2.5m",
        "ORIGIN": "SDSS",
        "CCDMODE": "DRIFT",
        "BUNIT": "nanomaggy",
        "RUN": 6377,
        "CAMCOL": 4,
        "FRAME": 399,
        "CCDLOC": 54,
        "FILTER": "g",
        "EXPTIME": "53.907456",
        "DATE-OBS": "2006-09-21",
        "TAIHMS": "06:02:11.92",
        "FLAVOR": "science",
        "OBJECT": "82 N",
    },
    "lsstcam": {
        "INSTRUME": "lsstCam",
        "DAYOBS": "20250625",
        "SEQNUM": 123,
        "RAFTBAY": "R22",
        "CCDSLOT": "S11",
        "FILTBAND": "r",
        "FILTER": "r_57",
        "EXPTIME": 30.0,
        "DATE-BEG": "2025-06-26T01:02:03.5",
        "TIMESYS": "TAI",
        "OBJECT": "COSMOS",
    },
}
EXPECTED = {
    "decam": ("DECam", 396388, 28, "z", "2015-01-10T05:33:59.871", "S4"),
    "hsc": ("HSC", 40900, 37, "r", "2015-10-10T08:20:06.598", "37"),
    "hsc before it had INSTRUME": ("HSC", 904024, 50, "N921", "2013-11-02T06:15:55.908", "50"),
    "suprimecam": ("SuprimeCam", 53577, 0, "r", "2007-04-23T08:02:27.204", "w67c1"),
    "megaprime": ("MegaPrime", 1038843, 2, "i", "2008-11-01T14:33:32.400", "ccd02"),
    "sdss": ("SDSS", 6377540399, 15, "g", "2006-09-21T06:01:38.920", "g4"),
    "lsstcam": ("LSSTCam", 2025062500123, 94, "r", "2025-06-26T01:01:26.500", "R22_S11"),
}


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Butler]:
    Butler.makeRepo(tmp_path / "repo")
    with Butler(tmp_path / "repo", writeable=True) as opened:
        yield opened


def write_image(path: Path, cards: dict[str, Any]) -> Path:
    header = fits.Header({**WCS, **cards})
    fits.PrimaryHDU(np.ones(SHAPE, dtype=np.float32), header).writeto(path)
    return path


@pytest.mark.parametrize("name", HEADERS)
def test_files_of_a_known_camera_need_no_mapping(name: str, empty: Butler, tmp_path: Path) -> None:
    """Visit, detector, band and start of the exposure are those of the header."""
    path = write_image(tmp_path / "image.fits", HEADERS[name])
    report = ingest_exposures(empty, [path], run="raw")
    assert not report.failed
    instrument, visit, detector, band, begin, detector_name = EXPECTED[name]
    (ref,) = report.ingested
    assert dict(ref.dataId.required) == {"instrument": instrument, "exposure": visit, "detector": detector}
    (record,) = empty.query_dimension_records("visit")
    assert (record["visit"], record["exposure_time"]) == (visit, float(HEADERS[name]["EXPTIME"]))
    assert record["target_name"] == HEADERS[name]["OBJECT"]
    assert record.timespan.begin.utc.isot == begin
    (physical,) = empty.query_dimension_records("physical_filter")
    assert physical["band"] == band
    (described,) = empty.query_dimension_records("detector")
    assert described["full_name"] == detector_name


def test_gains_of_known_cameras() -> None:
    """The gain is that of the card which the camera has; one that is not there is not known."""
    gains = {
        name: find_camera(cards, name).detector_properties(cards).gain for name, cards in HEADERS.items()
    }
    assert gains == {
        "decam": 3.87,
        "hsc": 3.18,
        "hsc before it had INSTRUME": 3.53,
        "suprimecam": 2.64,
        "megaprime": 1.62,
        "sdss": None,
        "lsstcam": None,
    }


def test_a_header_that_its_translator_cannot_read(empty: Butler, tmp_path: Path) -> None:
    """What is wrong with it is said in one line, with the translator's name."""
    bad = write_image(tmp_path / "bad.fits", {**HEADERS["hsc"], "EXP-ID": "HSCX"})
    good = write_image(tmp_path / "good.fits", HEADERS["hsc"])
    report = ingest_exposures(empty, [bad, good], run="raw")
    assert len(report.ingested) == 1
    ((path, reason),) = report.failed
    assert path == bad
    assert "exposure" in reason or "EXP-ID" in reason
    assert "\n" not in reason


def test_sdss_images_in_other_units_are_not_taken_for_calibrated_frames() -> None:
    """A drift scan in counts has another zero point; it needs a mapping of its own."""
    with pytest.raises(IngestError, match="no shipped camera mapping recognises"):
        find_camera({**HEADERS["sdss"], "BUNIT": "DN"}, "fpC.fits")


def test_a_translator_that_there_is_not() -> None:
    """The error lists those that there are."""
    camera = find_camera(HEADERS["hsc"], "f.fits").model_copy(update={"translator": "Nikon"})
    with pytest.raises(IngestError, match=r"no translator 'Nikon'; it has .*DECam"):
        camera.describe(HEADERS["hsc"], "f.fits")
    with pytest.raises(IngestError, match="name its translator"):
        camera.model_copy(update={"translator": None}).describe(HEADERS["hsc"], "f.fits")


def test_the_template_is_a_mapping() -> None:
    """What `camera-template` prints can be ingested with, with all that is commented out as well."""
    text = camera_template()
    CameraMapping.parse(yaml.safe_load(text), "the template")
    lines = [line[2:] if line.startswith("# ") and ":" in line else line for line in text.splitlines()]
    begin = next(i for i, line in enumerate(lines) if line.startswith("instrument:"))
    optional = yaml.safe_load("\n".join(line for line in lines[begin:] if _is_yaml(line)))
    optional["quality"].pop("bits")
    assert set(optional) == set(CameraMapping.model_fields)
    CameraMapping.parse(optional, "the template")


def _is_yaml(line: str) -> bool:
    return line.startswith((" ", "#")) or line.partition(":")[0].isidentifier()


def test_camera_template_prints_shipped_mappings() -> None:
    """Each mapping of the package can be printed by its name, and listed."""
    run = CliRunner().invoke
    listed = run(butler.cli.main, ["camera-template", "--list"]).output
    for name, mapping in shipped_cameras().items():
        assert f"{name}: {mapping.instrument}\n" in listed
        text = run(butler.cli.main, ["camera-template", name]).output
        assert CameraMapping.parse(yaml.safe_load(text), name) == mapping == camera_named(name)
    wrong = run(butler.cli.main, ["camera-template", "decam_pc"])
    assert wrong.exit_code == 1
    assert "did you mean 'decam_cp'" in wrong.output
    with pytest.raises(IngestError, match="did you mean 'decam'"):
        camera_named("deccam")


def test_detectors_of_lsstcam() -> None:
    """189 science detectors are numbered raft by raft, those of the corners follow."""
    rule = camera_named("lsstcam").detector
    assert len(rule.map) == len(set(rule.map.values())) == 205
    assert [rule.map[name] for name in ("R01_S00", "R22_S11", "R43_S22", "R00_SG0")] == [0, 94, 188, 189]
