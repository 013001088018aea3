"""Ingest of many files: batches, worker processes, what bad ones leave behind, and what is said of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner
from small_repository import SKY_MAP
from toy_camera import CAMERA, SHAPE, make_cards, snapshot, write_camera, write_frame, write_pixels

import butler.cli
from butler import Butler
from butler.ingest import (
    CameraMapping,
    IngestReport,
    count_outside_tracts,
    exposures,
    frame_reader,
    ingest_exposures,
    reading,
    register_sky_map,
)
from butler.ingest.frames import FrameFile


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


def ingest(butler: Butler, paths: list[Path], **arguments: Any) -> IngestReport:
    return ingest_exposures(
        butler, paths, **{"run": "raw", "camera": CAMERA, "transfer": "direct", **arguments}
    )


def visits(report: IngestReport) -> list[Any]:
    return [ref.dataId["exposure"] for ref in report.ingested]


def no_pixels(path: Path) -> None:
    """Make an image of no rows."""
    header = fits.Header(make_cards(2))
    fits.PrimaryHDU(np.zeros(SHAPE, dtype=np.float32), header).writeto(path, overwrite=True)
    text = path.read_bytes().replace(b"NAXIS2  =                   24", b"NAXIS2  =                    0")
    path.write_bytes(text[:5760])


def header_with(**changes: Any) -> Callable[[Path], None]:
    """Return what writes a frame with other cards."""
    return lambda path: write_frame(path, 2, changes=changes) and None


def illegal_nan(path: Path) -> None:
    """Write a frame with a number for which FITS has no word, as some programs write it."""
    write_frame(path, 2)
    content = path.read_bytes()
    begin = content.index(b"CRVAL1  =")
    path.write_bytes(content[:begin] + b"CRVAL1  =                  NaN".ljust(80) + content[begin + 80 :])


def not_ascii(card: bytes) -> Callable[[Path], None]:
    """Return what writes a frame with a card of bytes that FITS does not allow."""

    def write(path: Path) -> None:
        write_frame(path, 2)
        content = path.read_bytes()
        begin = content.index(card[:9])
        path.write_bytes(content[:begin] + card.ljust(80) + content[begin + 80 :])

    return write


BAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "no WCS": (header_with(CTYPE1=None, CTYPE2=None), "no celestial WCS: CTYPE1 and CTYPE2 are nothing"),
    "axes": (
        header_with(CTYPE1="WAVE", CTYPE2="LINEAR", CUNIT1="nm", CUNIT2=None),
        "no celestial WCS: CTYPE1 and CTYPE2 are WAVE",
    ),
    "NaN": (header_with(CD1_1="NaN"), "the WCS card CD1_1 is 'NaN', it must be a finite number"),
    "NaN without quotes": (illegal_nan, "the WCS card CRVAL1 is nan, it must be a finite number"),
    "declination": (
        header_with(CRVAL1=2.0, CRVAL2=150.0),
        "the WCS card CRVAL2 is 150.0; a declination lies within -90..90 degrees",
    ),
    "IRAF's projection": (
        header_with(CTYPE1="RA---ZPX", CTYPE2="DEC--ZPX"),
        "a WCS with RA---ZPX is IRAF's own; refit it as TPV or TAN-SIP",
    ),
    "no reference": (header_with(CRVAL1=None, CRPIX2=None), "the WCS has no CRVAL1, CRPIX2"),
    "no scale": (
        header_with(**dict.fromkeys(("CD1_1", "CD1_2", "CD2_1", "CD2_2"))),
        "the WCS has no scale: neither CD nor PC nor CDELT",
    ),
    "date": (
        header_with(**{"DATE-OBS": "yesterday"}),
        "the date is 'yesterday' (card DATE-OBS): it must be ISO",
    ),
    "no pixels": (no_pixels, "no image of two axes with pixels, only one of 32 x 0"),
    "unit": (header_with(BUNIT="Jy/beam"), "the pixels are in 'Jy/beam' (card BUNIT), the camera mapping"),
    "unit of the WCS": (header_with(CUNIT1="m", CUNIT2="m"), "cannot read a WCS: In CUNIT1"),
    "origin": (header_with(LTV1="left"), "FITS card LTV1 is 'left', it must be a finite number"),
    "origin far away": (header_with(LTV2=1e300), "the image begins at (-0, -1e+300) by the cards LTV1"),
    "not ASCII": (
        not_ascii(b"EXPTIME = 30 \xb0C"),
        "no exposure_time: there is no card EXPTIME",
    ),
    "metadata": (lambda path: write_frame(path, 1, 5, {"EXPTIME": 99.0}) and None, "exposure_time is 99.0"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_one_clear_line(kind: str, empty: Butler, folder: Path) -> None:
    """The others of its batch are in, and nothing of it is: neither records nor datasets nor files."""
    good = [write_frame(folder / "1.fits", 1), write_frame(folder / "3.fits", 3)]
    bad = folder / "2.fits"
    make, reason = BAD[kind]
    make(bad)
    alone = snapshot(empty.root)
    report = ingest(empty, [good[0], bad, good[1]], transfer="copy")
    assert visits(report) == [1, 3]
    ((path, told),) = report.failed
    assert path == bad
    assert reason in told
    assert "\n" not in told
    assert {record["visit"] for record in empty.query_dimension_records("visit_detector_region")} == {1, 3}
    assert len(empty.query_dimension_records("visit_detector_region")) == 2
    assert empty.verify().is_clean
    after = snapshot(empty.root)
    assert ingest(empty, [bad], transfer="copy").failed == report.failed
    assert snapshot(empty.root) == after != alone


def test_units_by_other_names(empty: Butler, folder: Path) -> None:
    """Counts have several names; a camera in electrons takes none of them."""
    for i, unit in enumerate(("ADU", "counts", "DN", "")):
        write_frame(folder / f"{i}.fits", i, changes={"BUNIT": unit})
    paths = sorted(folder.iterdir())
    assert len(ingest(empty, paths).ingested) == 4
    electrons = CAMERA.model_copy(update={"unit": "electron"})
    report = ingest(empty, paths, camera=electrons, run="other")
    assert len(report.failed) == 3


def test_two_files_of_one_visit_that_disagree(empty: Butler, folder: Path) -> None:
    """The first counts; the second is refused with what differs, within a batch as well as later."""
    first = write_frame(folder / "a.fits", 1, 0)
    second = write_frame(folder / "b.fits", 1, 1, {"FILTER": "7"})
    third = write_frame(folder / "c.fits", 1, 2, {"EXPTIME": 31.0})
    report = ingest(empty, [first, second, third])
    assert visits(report) == [1]
    assert "it contradicts other files of exposure 1: physical_filter is '7'" in report.failed[0][1]
    assert "timespan is [2024-03-01T02:00:37, 2024-03-01T02:01:08), not [" in report.failed[1][1]
    assert ingest(empty, [second, third]).failed == report.failed


def test_a_better_wcs_comes_into_another_run(empty: Butler, folder: Path) -> None:
    """Records change where they may; the visit covers its detectors as they are now, and nothing else."""
    ingest(empty, [write_frame(folder / f"{d}.fits", 1, d) for d in (0, 1)])
    # Half a degree to the east, with another exposure time.
    moved = write_frame(folder / "moved.fits", 1, 0, {"CRVAL1": 150.5, "EXPTIME": 31.0})
    [(path, reason)] = ingest(empty, [moved], run="again").failed
    assert path == moved
    assert "it contradicts other files of" in reason
    assert visits(ingest(empty, [moved], run="again", update_records=True)) == [1]
    [exposure] = empty.query_dimension_records("exposure")
    assert exposure["exposure_time"] == 31.0
    detectors = {
        record["detector"]: record.region for record in empty.query_dimension_records("visit_detector_region")
    }
    [visit] = empty.query_dimension_records("visit")
    for ra, dec, detector in ((150.5, 2.0, 0), (150.0, 2.01, 1)):
        assert detectors[detector].contains(ra, dec)
        assert visit.region.contains(ra, dec)
    assert not detectors[0].contains(150.0, 2.0)
    assert not visit.region.contains(150.0, 1.999)
    assert not ingest(empty, [moved], run="again", update_records=True).ingested


@pytest.mark.parametrize("batch", [1, 500])
def test_files_of_one_call_do_not_change_each_other(
    empty: Butler, folder: Path, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one file says of a visit holds for the others of the call, whether it was known before or not."""
    monkeypatch.setattr(exposures, "BATCH_FILES", batch)
    ingest(empty, [write_frame(folder / "known.fits", 1, 0)])
    paths = [
        write_frame(folder / "a.fits", 1, 1),
        write_frame(folder / "b.fits", 1, 2, {"EXPTIME": 31.0}),
        write_frame(folder / "c.fits", 2, 0, {"EXPTIME": 31.0}),
        write_frame(folder / "d.fits", 2, 1),
    ]
    report = ingest(empty, paths, update_records=True)
    assert visits(report) == [1, 2]
    assert [path for path, _ in report.failed] == [paths[1], paths[3]]
    assert all("it contradicts other files of" in reason for _, reason in report.failed)


def test_records_are_updated_from_the_command_line(tmp_path: Path, folder: Path) -> None:
    """``butler ingest-exposures --update-records`` changes what new files contradict."""
    Butler.makeRepo(tmp_path / "repo")
    camera = write_camera(tmp_path / "camera.yaml")

    def run(*words: str) -> int:
        command = ["ingest-exposures", str(tmp_path / "repo"), "--camera", str(camera), "-j", "1", *words]
        return CliRunner().invoke(butler.cli.main, command).exit_code

    assert run(str(write_frame(folder / "a.fits"))) == 0
    moved = str(write_frame(folder / "b.fits", changes={"CRVAL1": 150.5}))
    assert run(moved, "--output-run", "raw/better") == 1
    assert run(moved, "--output-run", "raw/better", "--update-records") == 0


def test_a_refused_detector_gets_no_bad_pixels(empty: Butler, folder: Path) -> None:
    """The mask is that of the detectors that came in; bad files are listed in the order of the files."""
    paths = [
        write_frame(folder / "a.fits", 1, 0),
        write_frame(folder / "b.fits", 1, 7, {"EXPTIME": 99.0}),
        write_frame(folder / "c.fits", 2, 0, {"GAIN": None}),
    ]
    report = ingest(empty, paths, bad_pixel_mask=write_pixels(folder / "bpm.fits"))
    assert [path.name for path, _ in report.failed] == ["b.fits", "c.fits"]
    masks = [ref for ref in report.ingested if ref.datasetType.name == "defects"]
    assert [ref.dataId["detector"] for ref in masks] == [0]


def test_batches_and_single_files_give_the_same(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records, regions and datasets do not depend on how files are put together."""
    paths = [write_frame(folder / f"{v}{d}.fits", v, d) for v in (1, 2, 3) for d in (0, 1, 2)]
    paths.insert(4, write_frame(folder / "bad.fits", 9, changes={"GAIN": None}))
    found = []
    for size in (1, 4, 100):
        monkeypatch.setattr(exposures, "BATCH_FILES", size)
        root = tmp_path / f"repo{size}"
        Butler.makeRepo(root)
        with Butler(root, writeable=True) as butler_:
            report = ingest(butler_, paths)
            records = {
                element: butler_.query_dimension_records(element)
                for element in ("exposure", "detector", "visit_detector_region", "visit_definition")
            }
            hulls = [visit.region.bounding_circle() for visit in butler_.query_dimension_records("visit")]
            found.append(([ref.dataId.required_values for ref in report.ingested], records, report.failed))
            np.testing.assert_allclose(hulls[0][1:], hulls[1][1:], atol=1e-9)
    assert found[0] == found[1] == found[2]


def test_a_batch_that_breaks_is_ingested_file_by_file(
    empty: Butler, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that vanishes after its header was read keeps only itself out."""
    paths = [write_frame(folder / f"{visit}.fits", visit) for visit in range(5)]

    def vanishing(items: Iterable[Path]) -> Iterator[Path]:
        yield from items
        paths[2].unlink()

    report = ingest(empty, paths, transfer="copy", progress=vanishing)
    assert visits(report) == [0, 1, 3, 4]
    assert [path.name for path, _ in report.failed] == ["2.fits"]
    assert {record["exposure"] for record in empty.query_dimension_records("exposure")} == {0, 1, 3, 4}
    assert empty.verify().is_clean


def test_a_night_that_begins_within_a_batch(
    empty: Butler, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch whose first file is of a known night, and a later one of a new one, goes in as a whole."""
    nights = ["2026-03-01", "2026-03-01", "2026-03-01", "2026-03-02"]
    paths = [
        write_frame(folder / f"{visit}.fits", visit, changes={"DATE-OBS": f"{night}T04:00:00"})
        for visit, night in enumerate(nights)
    ]
    monkeypatch.setattr(exposures, "BATCH_FILES", 2)
    sizes = []
    whole = exposures._Ingest._ingest
    monkeypatch.setattr(
        exposures._Ingest, "_ingest", lambda work, batch: sizes.append(len(batch)) or whole(work, batch)
    )
    assert visits(ingest(empty, paths)) == [0, 1, 2, 3]
    assert sizes == [2, 2]
    assert {record["day_obs"] for record in empty.query_dimension_records("day_obs")} == {20260301, 20260302}


def test_worker_processes_find_the_same(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes read the headers in the order of the files, bad ones among them."""
    paths = [write_frame(folder / f"{visit:03d}.fits", visit) for visit in range(70)]
    paths[50].write_text("no FITS file")
    monkeypatch.setattr(reading, "_FOR_ONE", 16)
    monkeypatch.setattr(reading, "_CHUNK", 4)
    reports = []
    for processes in (1, 2):
        Butler.makeRepo(tmp_path / f"repo{processes}")
        with Butler(tmp_path / f"repo{processes}", writeable=True) as butler_:
            reports.append(ingest(butler_, paths, processes=processes))
    assert visits(reports[0]) == visits(reports[1]) == [v for v in range(70) if v != 50]
    assert reports[0].failed == reports[1].failed
    assert "not a FITS file" in reports[0].failed[0][1]


INTERRUPTED = """
import os, signal, sys
from pathlib import Path
from toy_camera import CAMERA
from butler.ingest.reading import read_frame_files

if __name__ == "__main__":
    files = read_frame_files([Path(sys.argv[1])] * 2000, CAMERA, processes=2)
    try:
        for number, file in enumerate(files):
            if number == int(sys.argv[2]):
                os.killpg(0, signal.SIGINT)
    except KeyboardInterrupt:
        files.close()
        print("interrupted", number < 1999)
"""


@pytest.mark.parametrize("number", [0, 1000])
def test_worker_processes_end_without_a_word_when_interrupted(
    number: int, tmp_path: Path, folder: Path
) -> None:
    """Ctrl-C reaches all processes of a terminal; one of them says so."""
    script = tmp_path / "script.py"
    script.write_text(INTERRUPTED)
    found = subprocess.run(
        [sys.executable, script, write_frame(folder / "1.fits"), str(number)],
        capture_output=True,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
        check=False,
    )
    assert (found.stdout, found.stderr) == ("interrupted True\n", "")


def test_exposures_outside_every_tract(empty: Butler, folder: Path) -> None:
    """They are counted where there is a sky map, and are ingested nevertheless."""
    ra, dec = SKY_MAP[0].ctr_coord
    here = {"CRVAL1": ra, "CRVAL2": dec}
    paths = [write_frame(folder / "0.fits", 0, changes=here), write_frame(folder / "1.fits", 1)]
    assert ingest(empty, paths, run="early").n_outside == 0
    register_sky_map(empty, "sky", SKY_MAP)
    report = ingest(empty, paths)
    assert (len(report.ingested), report.n_outside) == (2, 1)
    regions = [record.region for record in empty.query_dimension_records("visit_detector_region")]
    assert count_outside_tracts(empty, regions) == 1


def test_the_command_reports_and_ends_with_status_1(tmp_path: Path, folder: Path) -> None:
    """Counts, a warning, and each bad file with its reason; the good ones are in; again: status 1 again."""
    run = CliRunner().invoke
    root = str(tmp_path / "repo")
    camera = str(write_camera(tmp_path / "camera.yaml"))
    run(butler.cli.main, ["create", root])
    with Butler(root, writeable=True) as opened:
        register_sky_map(opened, "sky", SKY_MAP)
    write_frame(folder / "1.fits", 1)
    command = ["ingest-exposures", root, str(folder), "--camera", camera, "-j", "1"]
    good = run(butler.cli.main, command)
    assert good.exit_code == 0
    assert "1 datasets ingested, 0 files were there already, 0 failed" in good.output
    assert "warning: 1 of the new detector images lie outside every tract" in good.output
    write_frame(folder / "2.fits", 2, changes={"GAIN": None})
    bad = run(butler.cli.main, command)
    assert bad.exit_code == 1
    assert "0 datasets ingested, 1 files were there already, 1 failed" in bad.output
    assert f"{folder / '2.fits'}: no gain: there is no card GAIN" in bad.output
    assert run(butler.cli.main, ["ingest-exposures", root, str(folder), "--camera", "toy"]).exit_code == 1


@pytest.mark.parametrize(("shift", "is_same"), [(1e-13, True), (1e-5, False)])
def test_regions_but_for_rounding(empty: Butler, folder: Path, shift: float, is_same: bool) -> None:
    """What another processor rounded in another way is the same detector; another place is not."""
    path = write_frame(folder / "a.fits", 1)
    crval = make_cards(1)["CRVAL1"]
    assert ingest(empty, [path]).ingested
    write_frame(path, 1, changes={"CRVAL1": crval + shift})
    report = ingest(empty, [path], run="other")
    assert bool(report.ingested) == is_same
    if not is_same:
        assert report.failed[0][1].endswith("detector 0, visit 1: region")


def test_the_disk_fetches_what_is_read_next(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Headers are asked for before their turn, some files ahead; what is missing is told when it is read."""
    if not hasattr(os, "posix_fadvise"):
        pytest.skip("this system cannot be asked")
    paths = [folder / f"frame{number}.fits" for number in range(7)]
    for number, path in enumerate(paths):
        if number != 4:
            write_frame(path, number)
    fetched = []
    open_file = os.open
    monkeypatch.setattr(os, "open", lambda path, flags: fetched.append(Path(path)) or open_file(path, flags))
    monkeypatch.setattr(reading, "_AHEAD", 2)

    def read_frames(coming: Iterable[Path], camera: CameraMapping) -> Iterator[FrameFile]:
        for number, path in enumerate(coming):
            assert fetched == paths[: number + 3]
            yield from frame_reader.read_frames([path], camera)

    monkeypatch.setattr(reading, "read_frames", read_frames)
    found = list(reading.read_frame_files(paths, CAMERA))
    assert [file.path for file in found] == paths
    assert [number for number, file in enumerate(found) if file.reason] == [4]
